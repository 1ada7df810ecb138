"""Operations that only move values."""

from .operation import op

flatten = op("""
flatten(x[n,C,H,W]) -> y[n, C*H*W]
    y[n,k] = x[n, k//(H*W), k//W%H, k%W]
""")
flatten.doc = """All axes but the samples as one, in index order."""

flatten3 = op("""
flatten3(x[n,C,H]) -> y[n, C*H]
    y[n,k] = x[n, k//H, k%H]
""")
flatten3.doc = """flatten for samples with two axes."""

scale = op("""
scale(x[n,C,H,W]; a=255.0) -> y[n,C,H,W]
    y[n,c,i,j] = x[n,c,i,j] / a
""")
scale.doc = """Pixels of 0 to 255 as numbers of 0 to 1."""
