"""Activations."""

from ..operation.op import later

identity = later("""
identity(x[n,*A]) -> y[n,*A]
    y[n,*a] = x[n,*a]
""")
identity.doc = """x itself: the linear activation of documents 000 and 002."""

relu = later("""
relu(x[n,*A]) -> y[n,*A]
    y[n,*a] = maximum(x[n,*a], 0)
""")
relu.doc = """max(0, x), with relu'(0) = 0. Source: documents 001 and 003."""

sigmoid = later("""
sigmoid(x[n,*A]) -> y[n,*A]
    y[n,*a] = sigmoid(x[n,*a])
""")
sigmoid.doc = """1 / (1 + exp(-x)), computed so that nothing overflows and the tails keep their digits. Source: documents 001 and 002."""

tanh = later("""
hyperbolic_tangent(x[n,*A]) -> y[n,*A]
    y[n,*a] = tanh(x[n,*a])
""")
tanh.doc = """The hyperbolic tangent. Source: document 001."""

softmax = later(
    """
softmax(z[n,K,*A]) -> y[n,K,*A]
    m[n,*a] = max[k](z[n,k,*a])
    e[n,k,*a] = exp(z[n,k,*a] - m[n,*a])
    y[n,k,*a] = e[n,k,*a] / sum[j](e[n,j,*a])
""",
    shown={"A": 0},
)
softmax.doc = """exp(z_k) / sum_j exp(z_j), from logits less their maximum, so that nothing overflows; classes on the second axis. Source: documents 000, 001 and 003."""

log_softmax = later(
    """
log_softmax(z[n,K,*A]) -> y[n,K,*A]
    m[n,*a] = max[k](z[n,k,*a])
    l[n,*a] = log(sum[k](exp(z[n,k,*a] - m[n,*a])))
    y[n,k,*a] = z[n,k,*a] - m[n,*a] - l[n,*a]
""",
    shown={"A": 0},
)
log_softmax.doc = """The logarithm of softmax, computed without it; classes on the second axis (PyTorch's LogSoftmax)."""

leaky_relu = later("""
leaky_relu(x[n,*A]; slope=0.01) -> y[n,*A]
    y[n,*a] = where(x[n,*a] > 0, x[n,*a], slope * x[n,*a])
""")
leaky_relu.doc = """x where it is positive, else slope x. Source: document 001; Maas et al., 2013."""

prelu = later("""
prelu(x[n,C,*A], w[C]) -> y[n,C,*A]
    y[n,c,*a] = where(x[n,c,*a] > 0, x[n,c,*a], w[c] * x[n,c,*a])
""")
prelu.doc = """Leaky ReLU whose slope is a parameter of the channel. Source: He et al., 2015."""

elu = later("""
elu(x[n,*A]; alpha=1.0) -> y[n,*A]
    y[n,*a] = where(x[n,*a] > 0, x[n,*a], alpha * expm1(x[n,*a]))
""")
elu.doc = """x where it is positive, else alpha (exp(x) - 1). Source: Clevert et al., 2016."""

celu = later("""
celu(x[n,*A]; alpha=1.0) -> y[n,*A]
    y[n,*a] = where(x[n,*a] > 0, x[n,*a], alpha * expm1(x[n,*a] / alpha))
""")
celu.doc = """ELU with a slope of 1 at 0 whatever alpha is. Source: Barron, 2017."""

selu = later("""
selu(x[n,*A]; alpha=1.6732632423543772848170429916717, scale=1.0507009873554804934193349852946) -> y[n,*A]
    y[n,*a] = scale * where(x[n,*a] > 0, x[n,*a], alpha * expm1(x[n,*a]))
""")
selu.doc = """ELU with the two numbers for which means stay 0 and variances 1 from layer to layer. Source: Klambauer et al., 2017."""

gelu = later("""
gelu(x[n,*A]) -> y[n,*A]
    y[n,*a] = x[n,*a] * (1 + erf(x[n,*a] / sqrt(2))) / 2
""")
gelu.doc = """x times the probability that a normal number is below x. Source: Hendrycks and Gimpel, 2016."""

gelu_tanh = later("""
gelu_tanh(x[n,*A]) -> y[n,*A]
    y[n,*a] = x[n,*a] * (1 + tanh(sqrt(2 / pi) * (x[n,*a] + 0.044715 * x[n,*a]**3))) / 2
""")
gelu_tanh.doc = """GELU with an approximation of the error function by tanh. Source: Hendrycks and Gimpel, 2016."""

silu = later("""
silu(x[n,*A]) -> y[n,*A]
    y[n,*a] = x[n,*a] * sigmoid(x[n,*a])
""")
silu.doc = """x sigmoid(x), also called swish. Source: Hendrycks and Gimpel, 2016."""

mish = later("""
mish(x[n,*A]) -> y[n,*A]
    y[n,*a] = x[n,*a] * tanh(softplus(x[n,*a]))
""")
mish.doc = """x tanh(softplus(x)). Source: Misra, 2019."""

smooth_relu = later("""
smooth_relu(x[n,*A]; beta=1.0, threshold=20.0) -> y[n,*A]
    y[n,*a] = where(beta * x[n,*a] > threshold, x[n,*a], softplus(beta * x[n,*a]) / beta)
""")
smooth_relu.doc = """log(1 + exp(beta x)) / beta; x itself where beta x is above the threshold, as in PyTorch's Softplus."""

softsign = later("""
softsign(x[n,*A]) -> y[n,*A]
    y[n,*a] = x[n,*a] / (1 + abs(x[n,*a]))
""")
softsign.doc = """x / (1 + |x|) (PyTorch's Softsign)."""

log_sigmoid = later("""
log_sigmoid(x[n,*A]) -> y[n,*A]
    y[n,*a] = -softplus(-x[n,*a])
""")
log_sigmoid.doc = """The logarithm of the sigmoid, computed without it (PyTorch's LogSigmoid)."""

hardtanh = later("""
hardtanh(x[n,*A]; low=-1.0, high=1.0) -> y[n,*A]
    y[n,*a] = where(x[n,*a] <= low, low, where(x[n,*a] >= high, high, x[n,*a]))
""")
hardtanh.doc = """x between two bounds, which have the slope 0 (PyTorch's Hardtanh; ReLU6 has the bounds 0 and 6)."""

hardsigmoid = later("""
hardsigmoid(x[n,*A]) -> y[n,*A]
    y[n,*a] = where(x[n,*a] <= -3, 0, where(x[n,*a] >= 3, 1, x[n,*a] / 6 + 1/2))
""")
hardsigmoid.doc = """A line from 0 at -3 to 1 at 3 (PyTorch's Hardsigmoid)."""

hardswish = later("""
hardswish(x[n,*A]) -> y[n,*A]
    y[n,*a] = where(x[n,*a] <= -3, 0, where(x[n,*a] >= 3, x[n,*a], x[n,*a] * (x[n,*a] + 3) / 6))
""")
hardswish.doc = """x times that line. Source: Howard et al., 2019."""

threshold = later("""
threshold(x[n,*A]; bound=0.0, value=0.0) -> y[n,*A]
    y[n,*a] = where(x[n,*a] > bound, x[n,*a], value)
""")
threshold.doc = """x where it is above a bound, else a value (PyTorch's Threshold)."""

hardshrink = later("""
hardshrink(x[n,*A]; bound=0.5) -> y[n,*A]
    y[n,*a] = where(abs(x[n,*a]) <= bound, 0, x[n,*a])
""")
hardshrink.doc = """x, but 0 where it is not above a bound in size (PyTorch's Hardshrink)."""

softshrink = later("""
softshrink(x[n,*A]; bound=0.5) -> y[n,*A]
    y[n,*a] = where(abs(x[n,*a]) <= bound, 0, x[n,*a] - bound * sign(x[n,*a]))
""")
softshrink.doc = """x nearer to 0 by a bound, and 0 where it is not above it in size (PyTorch's Softshrink)."""

tanhshrink = later("""
tanhshrink(x[n,*A]) -> y[n,*A]
    y[n,*a] = x[n,*a] - tanh(x[n,*a])
""")
tanhshrink.doc = """x - tanh(x) (PyTorch's Tanhshrink)."""

glu = later(
    """
glu(x[n,C,*A]) -> y[n,C//2,*A]
    y[n,c,*a] = x[n,c,*a] * sigmoid(x[n,c+C//2,*a])
""",
    shown={"A": 0},
)
glu.doc = """The first half of the channels times the sigmoid of the second. Source: Dauphin et al., 2017."""
