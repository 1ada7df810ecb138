"""Operations that only move values, or their scale."""

from ..operation.op import op

flatten = op(
    """
flatten(x[n,*C]) -> y[n, prod(*C)]
    y[n,k] = x[n, *(k//after(C)%C)]
""",
    shown={"C": 3},
)
flatten.doc = """All axes but the samples as one, in index order."""

scale = op(
    """
scale(x[n,*C]; a=255.0) -> y[n,*C]
    y[n,*c] = x[n,*c] / a
""",
    shown={"C": 3},
)
scale.doc = """Pixels of 0 to 255 as numbers of 0 to 1."""
