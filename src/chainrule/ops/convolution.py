"""Convolution (cross-correlation, as every framework computes it, and convolution in the mathematical sense)."""

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

conv_transpose = later("""
conv_transpose(x[n,C,*H], w[C,O,*K], b[O]=0; *s=1, *p=0, *d=1, *q=0) -> y[n, O, *((H-1)*s-2*p+d*(K-1)+q+1)]
    y[n,o,*i] = b[o] + sum[c,*u](w[c,o,*u] * x[n, c, *((i+p-d*u)//s)] * prod(*((i+p-d*u)%s == 0)))
""")
conv_transpose.doc = """The transpose of a convolution's map, as a layer: each value of x adds its multiple of the kernel to y at s times its place. q: places
more at the ends of y (PyTorch's ConvTranspose, output_padding). Source: Zeiler et al., 2010."""

grouped_conv_transpose = later("""
grouped_conv_transpose(x[n,C,*H], w[C,Q,*K], b[g*Q]=0; g=1, *s=1, *p=0, *d=1, *q=0) -> y[n, g*Q, *((H-1)*s-2*p+d*(K-1)+q+1)]
    y[n, a*Q+o, *i] = b[a*Q+o] + sum[c:C//g,*u](w[a*(C//g)+c, o, *u] * x[n, a*(C//g)+c, *((i+p-d*u)//s)] * prod(*((i+p-d*u)%s == 0)))
""")
grouped_conv_transpose.doc = """The same in g groups of channels: each group of C/g channels in makes its own Q channels out."""

convolve = later("""
convolve(x[n,C,*H], w[O,C,*K], b[O]=0; *s=1, *a=0, *z=0, *d=1, flip=1) -> y[n, O, *((H-d*(K-1)-1+a+z)//s+1)]
    y[n,o,*i] = b[o] + sum[c,*u](w[o,c,*u] * x[n, c, *(s*i-a+d*(flip*(K-1)+(1-2*flip)*u))])
""")
convolve.doc = """Convolution in the mathematical sense, in which the kernel runs against x: y[i] = sum_u w[u] x[s*i-u]; with flip=0 cross-correlation,
y[i] = sum_u w[u] x[s*i+u]. a and z: places that the output goes beyond the valid ones at the beginning and at the end (fewer where negative).
So the kernel's indices may run over any numbers: where index 0 is its place r, a = r for cross-correlation and a = d*(K-1)-r for convolution put
x[s*i] under it. Source: document 001."""

grouped_convolve = later("""
grouped_convolve(x[n,g*Q,*H], w[O,Q,*K], b[O]=0; g=1, *s=1, *a=0, *z=0, *d=1, flip=1) -> y[n, O, *((H-d*(K-1)-1+a+z)//s+1)]
    y[n, e*(O//g)+m, *i] = b[e*(O//g)+m] + sum[c,*u](w[e*(O//g)+m, c, *u] * x[n, e*Q+c, *(s*i-a+d*(flip*(K-1)+(1-2*flip)*u))])
""")
grouped_convolve.doc = """The same in g groups of channels: each group of O/g channels out sees its own Q channels in."""

cell_bias = later(
    """
cell_bias(x[n,*A], b[*A]) -> y[n,*A]
    y[n,*a] = x[n,*a] + b[*a]
""",
    shown={"A": 3},
)
cell_bias.doc = """A bias for each place of a map (an untied bias). Source: documents 000 and 003."""
