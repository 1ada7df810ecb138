"""Fully connected layers."""

from ..operation.op import op

linear = op("""
linear(x[n,K], w[O,K], b[O]=0) -> y[n,O]
    y[n,o] = b[o] + sum[k](w[o,k] * x[n,k])
""")
linear.doc = """Fully connected layer, PyTorch's orientation: w is [features out, features in]; b may be left out. Source: documents 000 to 004."""

linear_plain = linear.at(without=("b",), name="linear_plain")
