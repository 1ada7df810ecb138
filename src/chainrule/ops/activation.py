"""Activations."""

from ..operation.op import later

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
tanh.doc = """The hyperbolic tangent."""

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
