"""Other numbers of places: an axis is read at places in between."""

from ..operation.op import later

upsample_nearest = later("""
upsample_nearest(x[n,C,*H]; *o=2, *a=1, *b=2) -> y[n,C,*o]
    y[n,c,*i] = x[n, c, *((i*a)//b)]
""")
upsample_nearest.doc = (
    """o places along each axis, each the value at floor(i a / b) (PyTorch's Upsample, mode nearest: a / b is H / o, or 1 / scale)."""
)

upsample_linear = later("""
upsample_linear(x[n,A,H,B]; o=2, r=1, t=0, e=2) -> y[n,A,o,B]
    y[n,a,i,b] = sum[u:2](abs(1 - u - (r*i+t)%e/e) * x[n, a, (r*i+t)//e+u, b]) + (r*i+t < 0) * (1 - (r*i+t)%e/e) * x[n,a,0,b] + ((r*i+t)//e >= H-1) * ((r*i+t)%e/e) * x[n,a,H-1,b]
""")
upsample_linear.doc = """o places along the third axis, each between the two values around (r i + t) / e by its distance from both; beyond the ends the last
value (PyTorch's Upsample, mode linear, an axis at a time: r = 2 H, t = H - o, e = 2 o, or with align_corners r = H - 1, t = 0, e = o - 1)."""

nearest_exact = later("""
nearest_exact(x[n,A,H,B]; o=2, a=1, b=2) -> y[n,A,o,B]
    y[n,c,i,d] = x[n, c, ((2*i+1)*a)//(2*b), d]
""")
nearest_exact.doc = """o places along the third axis, each the value at floor((i + 1/2) a / b) (PyTorch's Upsample, mode nearest-exact)."""
