"""Activations."""

from ..operation.op import op

relu = op("""
relu(x[n,*A]) -> y[n,*A]
    y[n,*a] = maximum(x[n,*a], 0)
""")
relu.doc = """max(0, x), with relu'(0) = 0. Source: documents 001 and 003."""

sigmoid = op("""
sigmoid(x[n,*A]) -> y[n,*A]
    y[n,*a] = sigmoid(x[n,*a])
""")
sigmoid.doc = """1 / (1 + exp(-x)), computed so that nothing overflows and the tails keep their digits. Source: documents 001 and 002."""

tanh = op("""
hyperbolic_tangent(x[n,*A]) -> y[n,*A]
    y[n,*a] = tanh(x[n,*a])
""")
tanh.doc = """The hyperbolic tangent."""

softmax = op("""
softmax(z[n,K]) -> y[n,K]
    m[n] = max[k](z[n,k])
    e[n,k] = exp(z[n,k] - m[n])
    y[n,k] = e[n,k] / sum[j](e[n,j])
""")
softmax.doc = """exp(z_k) / sum_j exp(z_j), from logits less their maximum, so that nothing overflows. Source: documents 000, 001 and 003."""
