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

chained_back = later("""
chained_back(s[n,I], w[I,J], d[n,J]) -> e[n,I]
    m[n,i,k:I] = delta(i, k) * s[n,i]
    g[n,i] = sum[j](w[i,j] * d[n,j])
    e[n,i] = sum[k](m[n,i,k] * g[n,k])
""")
chained_back.doc = """What goes back from one layer of a chain to the layer before, as matrices: diag(s) w d, with s = phi'(y) at that layer's sums y, w
[features in, features out], and d what came back to the later layer. Source: document 004."""

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
