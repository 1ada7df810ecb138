"""Padding: what stands beyond the ends of an axis."""

from ..operation.op import later

pad = later(
    """
pad(x[n,*H]; *p=1, *q=1, value=0.0) -> y[n,*(H+p+q)]
    y[n,*i] = value + sum(x[n,*(i-p)] - value)
""",
    shown={"H": 2},
)
pad.doc = """A value at p places before and q places behind each axis but the samples'; negative numbers cut off (PyTorch's ConstantPad)."""

pad_reflect = later("""
pad_reflect(x[n,A,H,B]; p=1, q=1) -> y[n,A,H+p+q,B]
    y[n,a,i,b] = sum(x[n,a,i-p,b]) + (i < p) * sum(x[n,a,p-i,b]) + (i >= H+p) * sum(x[n,a,2*H-2+p-i,b])
""")
pad_reflect.doc = """The third axis goes on as in a mirror at its first and last place (PyTorch's ReflectionPad, an axis at a time)."""

pad_replicate = later("""
pad_replicate(x[n,A,H,B]; p=1, q=1) -> y[n,A,H+p+q,B]
    y[n,a,i,b] = sum(x[n,a,i-p,b]) + (i < p) * x[n,a,0,b] + (i >= H+p) * x[n,a,H-1,b]
""")
pad_replicate.doc = """The third axis goes on with its first and its last value (PyTorch's ReplicationPad, an axis at a time)."""

pad_circular = later("""
pad_circular(x[n,A,H,B]; p=1, q=1) -> y[n,A,H+p+q,B]
    y[n,a,i,b] = x[n,a,(i-p)%H,b]
""")
pad_circular.doc = """The third axis goes on at its other end (PyTorch's CircularPad, an axis at a time)."""
