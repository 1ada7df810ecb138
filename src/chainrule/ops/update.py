"""Optimisers' updates: formulas like any other, compiled into the training step."""

from ..operation.op import op

sgd = op("""
sgd(w[*A], g[*A], lr, wd) -> w_new[*A]
    w_new[*a] = w[*a] - lr * (g[*a] + wd * w[*a])
""")
sgd.doc = """Stochastic gradient descent: w' = w - lr (g + wd w)."""

sgd_momentum = op("""
sgd_momentum(w[*A], g[*A], v[*A], lr, mu, wd) -> v_new[*A], w_new[*A]
    v_new[*a] = mu * v[*a] + (g[*a] + wd * w[*a])
    w_new[*a] = w[*a] - lr * v_new[*a]
""")
sgd_momentum.doc = (
    """The same with momentum in PyTorch's convention: v' = mu v + g + wd w, w' = w - lr v'. Source: document 002; Sutskever et al., 2013."""
)
