"""Convolution (cross-correlation, as every framework computes it)."""

from ..operation.op import later

conv = later("""
conv(x[n,C,*H], w[O,C,*K], b[O]=0; *s=1, *p=0, *d=1) -> y[n, O, *((H+2*p-d*(K-1)-1)//s+1)]
    y[n,o,*i] = b[o] + sum[c,*u](w[o,c,*u] * x[n, c, *(s*i+d*u-p)])
""")
conv.doc = """Convolution in any number of dimensions with stride s, padding p and dilation d, one for all axes or one for each.

x: images [samples, channels in, rows, columns] (or signals, volumes); w: kernels [channels out, channels in, rows, columns]; b: one bias
for each channel out, or none. Reading outside x drops the term: that is what padding is. Source: document 001."""

conv2d = later(lambda: conv.at({"x": 4}, name="conv2d"), doc=conv.doc)
conv2d_plain = later(lambda: conv.at({"x": 4}, without=("b",), name="conv2d_plain"), doc=conv.doc)
conv2d_rect = later(lambda: conv.at({"x": 4}, apart=("s", "p", "d"), name="conv2d_rect"), doc=conv.doc)
conv2d_rect_plain = later(lambda: conv.at({"x": 4}, apart=("s", "p", "d"), without=("b",), name="conv2d_rect_plain"), doc=conv.doc)

grouped_conv = later("""
grouped_conv(x[n,g*Q,*H], w[O,Q,*K], b[O]=0; g=1, *s=1, *p=0, *d=1) -> y[n, O, *((H+2*p-d*(K-1)-1)//s+1)]
    y[n, a*(O//g)+m, *i] = b[a*(O//g)+m] + sum[c,*u](w[a*(O//g)+m, c, *u] * x[n, a*Q+c, *(s*i+d*u-p)])
""")
grouped_conv.doc = """Convolution in g groups of channels: each group of O/g channels out sees its own Q channels in. g = 1 is `conv`; with as many
groups as channels in it is the depthwise convolution. Source: Krizhevsky et al., 2012."""
