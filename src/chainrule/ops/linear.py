"""Fully connected layers."""

from ..operation.op import later

linear = later(
    """
linear(x[n,*A,K], w[O,K], b[O]=0) -> y[n,*A,O]
    y[n,*a,o] = b[o] + sum[k](w[o,k] * x[n,*a,k])
""",
    shown={"A": 0},
)
linear.doc = """Fully connected layer on the last axis, PyTorch's orientation: w is [features out, features in]; b may be left out.
Source: documents 000 to 004."""

linear_plain = later(lambda: linear.at({"x": 2}, without=("b",), name="linear_plain"), doc=linear.doc)
