"""Pooling. more: windows more than fit, which begin inside and reach beyond the end (PyTorch's ceil_mode)."""

from ..operation.op import later

max_pool = later("""
max_pool(x[n,C,*H]; *k=2, *s=2, *p=0, *d=1, *more=0) -> y[n, C, *((H+2*p-d*(k-1)-1)//s+1+more)]
    y[n,c,*i] = max[u:k](x[n, c, *(s*i+d*u-p)])
""")
max_pool.doc = """The largest of each window of k places at stride s; padding adds no candidates. The gradient goes to the first
largest in index order. Settings are one for all axes or one for each. Source: documents 001 and 003."""

max_pool2d = later(lambda: max_pool.at({"x": 4}, name="max_pool2d"), doc=max_pool.doc)
max_pool2d_rect = later(lambda: max_pool.at({"x": 4}, apart=("k", "s", "p", "d"), name="max_pool2d_rect"), doc=max_pool.doc)

max_pool_winner = later("""
max_pool_winner(x[n,C,*H]; *k=2, *s=2, *p=0, *d=1, *more=0) -> y[n, C, *((H+2*p-d*(k-1)-1)//s+1+more)]
    y[n,c,*i] = argmax[u:k](x[n, c, *(s*i+d*u-p)])
""")
max_pool_winner.doc = """Which place of each window is the first largest, counted in index order: the decision that max_pool's gradient goes by."""

window_place = later("""
window_place(a[n,A,I,B]; w=1, k=2, s=2, d=1, p=0, h=1) -> y[n,A,I,B]
    y[n,c,i,b] = h * (s*i - p + d * (floor(a[n,c,i,b] / w) - k * floor(a[n,c,i,b] / (w*k))))
""")
window_place.doc = """Where along the third axis a winner of a window stands: w is the number of places of the window's further axes, h what a step
along this axis counts for (PyTorch's indices of MaxPool are the sums of these over the axes)."""

avg_pool = later("""
avg_pool(x[n,C,*H]; *k=2, *s=2, *p=0) -> y[n, C, *((H+2*p-k)//s+1)]
    y[n,c,*i] = mean[u:k](x[n, c, *(s*i+u-p)])
""")
avg_pool.doc = """The mean of each window of k places at stride s; padding counts as zeros. Source: document 000."""

avg_pool2d = later(lambda: avg_pool.at({"x": 4}, name="avg_pool2d"), doc=avg_pool.doc)

avg_pool_inside = later("""
avg_pool_inside(x[n,C,*H]; *k=2, *s=2, *p=0, *d=1, *e=0, *z=0, *more=0) -> y[n, C, *((H+2*p-d*(k-1)-1)//s+1+more)]
    y[n,c,*i] = sum[u:k](x[n, c, *(s*i+d*u-p)]) / prod(*(minimum((H+z-1+p-s*i)//d+1, k) - maximum((p-e-s*i+d-1)//d, 0)))
""")
avg_pool_inside.doc = """The mean of that part of each window of k places, d apart, that is inside x, or inside its padding (e places before it and z
behind it count too): PyTorch's AvgPool with count_include_pad=False, or with ceil_mode, and ONNX's AveragePool."""

sum_pool = later("""
sum_pool(x[n,C,*H]; *k=2, *s=2, *p=0, *more=0) -> y[n, C, *((H+2*p-k)//s+1+more)]
    y[n,c,*i] = sum[u:k](x[n, c, *(s*i+u-p)])
""")
sum_pool.doc = """The sum of each window: an average pool before it is divided (PyTorch's AvgPool, divisor_override)."""

lp_pool = later("""
lp_pool(x[n,C,*H]; *k=2, *s=2, *p=0, *d=1, *more=0, norm=2.0) -> y[n, C, *((H+2*p-d*(k-1)-1)//s+1+more)]
    y[n,c,*i] = sum[u:k](x[n, c, *(s*i+d*u-p)]**norm)**(1/norm)
""")
lp_pool.doc = """The root of the sum of powers of each window of k places, d apart (PyTorch's LPPool); padding adds nothing."""

adaptive_avg_pool = later("""
adaptive_avg_pool(x[n,C,*H]; *o=1) -> y[n,C,*o]
    y[n,c,*i] = sum[u:(H+o-1)//o+1](x[n, c, *((i*H)//o+u)] * prod(*((i*H)//o+u < ((i+1)*H+o-1)//o))) / prod(*(((i+1)*H+o-1)//o - (i*H)//o))
""")
adaptive_avg_pool.doc = """The means of o windows along each axis, from floor(i H / o) to ceil((i+1) H / o): they overlap where o does not divide H
(PyTorch's AdaptiveAvgPool)."""

adaptive_max_pool = later("""
adaptive_max_pool(x[n,C,*H]; *o=1) -> y[n,C,*o]
    y[n,c,*i] = max[u:(H+o-1)//o+1](where(prod(*((i*H)//o+u < ((i+1)*H+o-1)//o)), x[n, c, *((i*H)//o+u)], -inf))
""")
adaptive_max_pool.doc = """The largest of each of the same windows (PyTorch's AdaptiveMaxPool)."""

adaptive_max_pool_winner = later("""
adaptive_max_pool_winner(x[n,C,*H]; *o=1) -> y[n,C,*o]
    y[n,c,*i] = argmax[u:(H+o-1)//o+1](where(prod(*((i*H)//o+u < ((i+1)*H+o-1)//o)), x[n, c, *((i*H)//o+u)], -inf))
""")
adaptive_max_pool_winner.doc = """Which place of each of these windows is the first largest, counted in index order: the decision that adaptive_max_pool's
gradient goes by."""

adaptive_window_place = later("""
adaptive_window_place(a[n,A,I,B]; w=1, k=2, v=2, h=1) -> y[n,A,I,B]
    y[n,c,i,b] = h * ((i*v)//I + floor(a[n,c,i,b] / w) - k * floor(a[n,c,i,b] / (w*k)))
""")
adaptive_window_place.doc = """Where along the third axis, which had v places, a winner of such a window stands: w is the number of places of the window's
further axes, h what a step along this axis counts for (PyTorch's indices of AdaptiveMaxPool are the sums of these over the axes)."""
