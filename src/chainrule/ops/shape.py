"""Operations that only move values, or their scale."""

from ..operation.op import later

flatten = later(
    """
flatten(x[n,*C]) -> y[n, prod(*C)]
    y[n, sum(*(c*after(C)))] = x[n,*c]
""",
    shown={"C": 3},
)
flatten.doc = """All axes but the samples as one, in index order."""

scale = later(
    """
scale(x[n,*C]; a=255.0) -> y[n,*C]
    y[n,*c] = x[n,*c] / a
""",
    shown={"C": 3},
)
scale.doc = """Pixels of 0 to 255 as numbers of 0 to 1."""

pixel_shuffle = later("""
pixel_shuffle(x[n,C,*H]; *r=2) -> y[n, C//prod(*r), *(H*r)]
    y[n, c, *(r*i+u)] = x[n, c*prod(*r)+sum(*(u*after(r))), *i]
""")
pixel_shuffle.doc = """Channels become places: r times as many along each axis (PyTorch's PixelShuffle). Source: Shi et al., 2016."""

pixel_unshuffle = later("""
pixel_unshuffle(x[n,C,*H]; *r=2) -> y[n, C*prod(*r), *(H//r)]
    y[n, c*prod(*r)+sum(*(u*after(r))), *i] = x[n, c, *(r*i+u)]
""")
pixel_unshuffle.doc = """Places become channels, the other way: the same at places r apart. What is left over at the end of an axis is left out."""
