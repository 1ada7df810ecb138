"""Convolution (cross-correlation, as every framework computes it)."""

from .operation import op

conv2d = op("""
conv2d(x[n,C,H,W], w[O,C,K,L], b[O]; s=1, p=0, d=1) -> y[n, O, (H+2*p-d*(K-1)-1)//s+1, (W+2*p-d*(L-1)-1)//s+1]
    y[n,o,i,j] = b[o] + sum[c,u,v](w[o,c,u,v] * x[n, c, s*i+d*u-p, s*j+d*v-p])
""")
conv2d.doc = """2-d convolution with stride s, padding p and dilation d on both axes.

x: images [samples, channels in, rows, columns]; w: kernels [channels out, channels in, rows, columns]; b: one bias
for each channel out. Reading outside x drops the term: that is what padding is. Source: document 001."""

conv2d_plain = op("""
conv2d_plain(x[n,C,H,W], w[O,C,K,L]; s=1, p=0, d=1) -> y[n, O, (H+2*p-d*(K-1)-1)//s+1, (W+2*p-d*(L-1)-1)//s+1]
    y[n,o,i,j] = sum[c,u,v](w[o,c,u,v] * x[n, c, s*i+d*u-p, s*j+d*v-p])
""")
conv2d_plain.doc = """2-d convolution without a bias; see conv2d."""

conv2d_rect = op("""
conv2d_rect(x[n,C,H,W], w[O,C,K,L], b[O]; s=1, t=1, p=0, q=0, d=1, e=1) -> y[n, O, (H+2*p-d*(K-1)-1)//s+1, (W+2*q-e*(L-1)-1)//t+1]
    y[n,o,i,j] = b[o] + sum[c,u,v](w[o,c,u,v] * x[n, c, s*i+d*u-p, t*j+e*v-q])
""")
conv2d_rect.doc = """2-d convolution with its own stride (s, t), padding (p, q) and dilation (d, e) for rows and columns."""

conv2d_rect_plain = op("""
conv2d_rect_plain(x[n,C,H,W], w[O,C,K,L]; s=1, t=1, p=0, q=0, d=1, e=1) -> y[n, O, (H+2*p-d*(K-1)-1)//s+1, (W+2*q-e*(L-1)-1)//t+1]
    y[n,o,i,j] = sum[c,u,v](w[o,c,u,v] * x[n, c, s*i+d*u-p, t*j+e*v-q])
""")
conv2d_rect_plain.doc = """conv2d_rect without a bias."""
