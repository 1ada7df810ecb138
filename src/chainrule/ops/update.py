"""Optimisers' updates, clipping and schedules: formulas like any other, compiled into the training step. Their headers say what is bound.

An update has the inputs `w` (a parameter) and `g` (its gradient), and an output w_new. Any other input with an output of its name
and `_new` is a state, which starts at 0 and is carried from step to step; `step` is the step's number, from 1 on; every other
number is the optimiser's (or a schedule's) of that name. An input that may be left out is, where the optimiser says nothing else: so
are states that only some settings need.
"""

from ..operation.op import later

sgd = later("""
sgd(w[*A], g[*A], v[*A]=0, step, lr, momentum=0, dampening=0, nesterov=0, weight_decay=0) -> v_new[*A], w_new[*A]
    v_new[*a] = momentum * v[*a] + (1 - dampening * (step > 1)) * (g[*a] + weight_decay * w[*a])
    w_new[*a] = w[*a] - lr * (v_new[*a] + nesterov * (g[*a] + weight_decay * w[*a] + (momentum - 1) * v_new[*a]))
""")
sgd.doc = """Stochastic gradient descent in PyTorch's convention: v' = momentum v + (1 - dampening) (g + weight_decay w), w' = w - lr v'. What is
new counts 1 - dampening from the second step on; nesterov = 1 goes a step further along the new momentum: w' = w - lr (g + weight_decay w +
momentum v'). Without momentum nothing is left but w' = w - lr (g + weight_decay w). Source: document 002; Sutskever et al., 2013."""

adam = later("""
adam(w[*A], g[*A], m[*A], v[*A], u[*A]=0, step, lr, beta1, beta2, eps, weight_decay=0, apart=0) -> m_new[*A], v_new[*A], u_new[*A], w_new[*A]
    rate = lr / (1 - beta1**step)
    root = 1 / sqrt(1 - beta2**step)
    m_new[*a] = beta1 * m[*a] + (1 - beta1) * (g[*a] + weight_decay * w[*a])
    v_new[*a] = beta2 * v[*a] + (1 - beta2) * (g[*a] + weight_decay * w[*a])**2
    u_new[*a] = maximum(u[*a], v_new[*a])
    w_new[*a] = w[*a] * (1 - lr * apart) - rate * m_new[*a] / (sqrt(u_new[*a]) * root + eps)
""")
adam.doc = """Adam: steps of the mean gradient over the root of its mean square, both freed from their start at 0; weight decay in the gradient, or
(AdamW) apart from it. With u (AMSGrad) the largest mean square so far counts. Source: Kingma and Ba, 2015; Reddi et al., 2018; Loshchilov
and Hutter, 2019."""

nadam = later("""
nadam(w[*A], g[*A], m[*A], v[*A], q, step, lr, beta1, beta2, eps, momentum_decay, weight_decay=0, apart=0) -> m_new[*A], v_new[*A], q_new, w_new[*A]
    now = beta1 * (1 - 0.96**(step * momentum_decay) / 2)
    next = beta1 * (1 - 0.96**((step + 1) * momentum_decay) / 2)
    root = 1 / sqrt(1 - beta2**step)
    q_new = q * now
    of_gradient = lr * (1 - now) / (1 - q_new)
    of_mean = lr * next / (1 - q_new * next)
    m_new[*a] = beta1 * m[*a] + (1 - beta1) * (g[*a] + weight_decay * w[*a])
    v_new[*a] = beta2 * v[*a] + (1 - beta2) * (g[*a] + weight_decay * w[*a])**2
    w_new[*a] = w[*a] * (1 - lr * apart) - (of_gradient * (g[*a] + weight_decay * w[*a]) + of_mean * m_new[*a]) / (sqrt(v_new[*a]) * root + eps)
""")
nadam.doc = """Adam with Nesterov's momentum: the mean gradient of the step to come, with a momentum that grows from beta1 / 2 to beta1 as
momentum_decay says; q, which starts at 1, is the product of the momenta so far. Weight decay as in Adam and AdamW. Source: Dozat, 2016;
PyTorch's NAdam."""

rmsprop = later("""
rmsprop(w[*A], g[*A], s[*A], a[*A]=0, v[*A]=0, lr, alpha, eps, momentum=0, centered=0, weight_decay=0) -> s_new[*A], a_new[*A], v_new[*A], w_new[*A]
    s_new[*i] = alpha * s[*i] + (1 - alpha) * (g[*i] + weight_decay * w[*i])**2
    a_new[*i] = alpha * a[*i] + (1 - alpha) * (g[*i] + weight_decay * w[*i])
    v_new[*i] = momentum * v[*i] + (g[*i] + weight_decay * w[*i]) / (sqrt(s_new[*i] - centered * a_new[*i]**2) + eps)
    w_new[*i] = w[*i] - lr * v_new[*i]
""")
rmsprop.doc = """RMSprop: the gradient over the root of its running mean square; with momentum, and (centered = 1) the variance in place of the
mean square. Source: Tieleman and Hinton, 2012; Graves, 2013; PyTorch's RMSprop."""

adagrad = later("""
adagrad(w[*A], g[*A], s[*A], step, lr, eps, lr_decay=0, weight_decay=0) -> s_new[*A], w_new[*A]
    rate = lr / (1 + (step - 1) * lr_decay)
    s_new[*a] = s[*a] + (g[*a] + weight_decay * w[*a])**2
    w_new[*a] = w[*a] - rate * (g[*a] + weight_decay * w[*a]) / (sqrt(s_new[*a]) + eps)
""")
adagrad.doc = """Adagrad: the gradient over the root of the sum of its squares. Source: Duchi et al., 2011."""

# Clipping: what becomes of gradients before the update ------------------------------------------------------------------------

clip_value = later("""
clip_value(g[*A], bound) -> c[*A]
    c[*a] = minimum(maximum(g[*a], -bound), bound)
""")
clip_value.doc = """Gradients no larger than a bound, each number by itself. Source: PyTorch's clip_grad_value_."""

square_sum = later("""
square_sum(g[*A]) -> s
    s = sum[*a](g[*a]**2)
""")
square_sum.doc = """What a parameter adds to the square of the gradient's Euclidean norm."""

norm_factor = later("""
norm_factor(s, bound) -> factor
    factor = minimum(1, bound / (sqrt(s) + 1e-6))
""")
norm_factor.doc = """What gradients are multiplied by so that the norm over all of them, sqrt(s), is no larger than a bound. Source: Pascanu et al., 2013;
PyTorch's clip_grad_norm_."""

scaled = later("""
scaled(g[*A], factor) -> c[*A]
    c[*a] = factor * g[*a]
""")
scaled.doc = """Gradients times one number for all of them."""

# Schedules: numbers of the step --------------------------------------------------------------------------------------------

counted = later("""
counted(step) -> step_new
    step_new = step + 1
""")
counted.doc = """The number of the step that begins."""

cosine = later("""
cosine(step, lr, least, steps) -> rate
    rate = least + (lr - least) * (1 + cos(pi * minimum(1, (step - 1) / steps))) / 2
""")
cosine.doc = """Half a cosine from lr down to `least` over `steps` steps, then `least`. Source: Loshchilov and Hutter, 2017."""

stairs = later("""
stairs(step, lr, every, factor) -> rate
    rate = lr * factor**floor((step - 1) / every)
""")
stairs.doc = """lr, times `factor` again after each `every` steps."""

exponential = later("""
exponential(step, lr, factor) -> rate
    rate = lr * factor**(step - 1)
""")
exponential.doc = """lr, times `factor` after each step."""

line = later("""
line(step, lr, last, steps) -> rate
    rate = lr + (last - lr) * minimum(1, (step - 1) / steps)
""")
line.doc = """From lr to `last` along a line over `steps` steps, then `last`."""

warm = later("""
warm(step, lr, steps) -> rate
    rate = lr * minimum(1, step / steps)
""")
warm.doc = """lr grows from its steps-th part along a line over `steps` steps."""

cycle = later("""
cycle(step, first, top, after, last, up, down, end, curved) -> rate
    a = (step - 1) / up
    b = (step - 1 - up) / (down - up)
    c = minimum(1, (step - 1 - down) / (end - down))
    rises = where(curved > 0, (1 - cos(pi * a)) / 2, a)
    falls = where(curved > 0, (1 - cos(pi * b)) / 2, b)
    ends = where(curved > 0, (1 - cos(pi * c)) / 2, c)
    rate = where(step - 1 <= up, first + (top - first) * rises, where(step - 1 <= down, top + (after - top) * falls, after + (last - after) * ends))
""")
cycle.doc = """From `first` to `top` until step `up` (counted from 0), to `after` until `down`, to `last` until `end`, along half cosines or (curved
= 0) lines. Source: Smith and Topin, 2018; PyTorch's OneCycleLR."""

CURVED = {"cos": 1.0, "linear": 0.0}  # what PyTorch calls the two ways

plateau = later("""
plateau(metric, rate, best, bad, cool, factor, patience, cooldown, least, eps, turn, wanted, part) -> rate_new, best_new, bad_new, cool_new
    bar = best * (1 - turn * wanted * part) - turn * wanted * (1 - part)
    better = where(turn > 0, metric < bar, metric > bar)
    waits = where(cool > 0, 0, where(better > 0, 0, bad + 1))
    cuts = waits > patience
    lower = maximum(rate * factor, least)
    rate_new = where((cuts > 0) * (rate - lower > eps) > 0, lower, rate)
    best_new = where(better > 0, metric, best)
    bad_new = where(cuts > 0, 0, waits)
    cool_new = where(cuts > 0, cooldown, maximum(cool - 1, 0))
""")
plateau.doc = """What becomes of a rate when an epoch's metric is known: times `factor` after more than `patience` epochs that were not better than the
best so far (turn = 1: less is better, -1: more) by `wanted`, of the best (part = 1) or as it is. Source: PyTorch's ReduceLROnPlateau."""
