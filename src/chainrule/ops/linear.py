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

bilinear = later(
    """
bilinear(x[n,*A,I], z[n,*A,J], w[O,I,J], b[O]=0) -> y[n,*A,O]
    y[n,*a,o] = b[o] + sum[i,j](w[o,i,j] * x[n,*a,i] * z[n,*a,j])
""",
    shown={"A": 0},
)
bilinear.doc = """A sum of products of two inputs (PyTorch's Bilinear)."""

embedding = later("""
embedding(t[n,*A]: int, w[V,D]) -> y[n,*A,D]
    y[n,*a,d] = w[t[n,*a], d]
""")
embedding.doc = """Row t of a table (PyTorch's Embedding). Its gradient adds up in the rows that were read."""
