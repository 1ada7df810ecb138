"""Pooling."""

from .operation import op

max_pool2d = op("""
max_pool2d(x[n,C,H,W]; k=2, s=2, p=0) -> y[n, C, (H+2*p-k)//s+1, (W+2*p-k)//s+1]
    y[n,c,i,j] = max[u:k,v:k](x[n, c, s*i+u-p, s*j+v-p])
""")
max_pool2d.doc = """The largest of each k x k window at stride s; padding adds no candidates. The gradient goes to the first
largest in index order. Source: documents 001 and 003."""

max_pool2d_rect = op("""
max_pool2d_rect(x[n,C,H,W]; k=2, l=2, s=2, t=2, p=0, q=0, d=1, e=1) -> y[n, C, (H+2*p-d*(k-1)-1)//s+1, (W+2*q-e*(l-1)-1)//t+1]
    y[n,c,i,j] = max[u:k,v:l](x[n, c, s*i+d*u-p, t*j+e*v-q])
""")
max_pool2d_rect.doc = """Max pooling with its own window (k, l), stride (s, t), padding (p, q) and dilation (d, e) for rows and columns."""

avg_pool2d = op("""
avg_pool2d(x[n,C,H,W]; k=2, s=2, p=0) -> y[n, C, (H+2*p-k)//s+1, (W+2*p-k)//s+1]
    y[n,c,i,j] = mean[u:k,v:k](x[n, c, s*i+u-p, s*j+v-p])
""")
avg_pool2d.doc = """The mean of each k x k window at stride s; padding counts as zeros. Source: document 000."""
