"""Pooling."""

from ..operation.op import later

max_pool = later("""
max_pool(x[n,C,*H]; *k=2, *s=2, *p=0, *d=1) -> y[n, C, *((H+2*p-d*(k-1)-1)//s+1)]
    y[n,c,*i] = max[u:k](x[n, c, *(s*i+d*u-p)])
""")
max_pool.doc = """The largest of each window of k places at stride s; padding adds no candidates. The gradient goes to the first
largest in index order. Settings are one for all axes or one for each. Source: documents 001 and 003."""

max_pool2d = later(lambda: max_pool.at({"x": 4}, name="max_pool2d"), doc=max_pool.doc)
max_pool2d_rect = later(lambda: max_pool.at({"x": 4}, apart=("k", "s", "p", "d"), name="max_pool2d_rect"), doc=max_pool.doc)

avg_pool = later("""
avg_pool(x[n,C,*H]; *k=2, *s=2, *p=0) -> y[n, C, *((H+2*p-k)//s+1)]
    y[n,c,*i] = mean[u:k](x[n, c, *(s*i+u-p)])
""")
avg_pool.doc = """The mean of each window of k places at stride s; padding counts as zeros. Source: document 000."""

avg_pool2d = later(lambda: avg_pool.at({"x": 4}, name="avg_pool2d"), doc=avg_pool.doc)
