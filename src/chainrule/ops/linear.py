"""Fully connected layers."""

from .operation import op

linear = op("""
linear(x[n,K], w[O,K], b[O]) -> y[n,O]
    y[n,o] = b[o] + sum[k](w[o,k] * x[n,k])
""")
linear.doc = """Fully connected layer, PyTorch's orientation: w is [features out, features in]. Source: documents 000 to 004."""

linear_plain = op("""
linear_plain(x[n,K], w[O,K]) -> y[n,O]
    y[n,o] = sum[k](w[o,k] * x[n,k])
""")
linear_plain.doc = """Fully connected layer without a bias."""
