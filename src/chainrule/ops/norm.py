"""Batch normalisation: training and inference are two definitions."""

from ..operation.op import later

batch_norm = later(
    """
batch_norm(x[n,C,*H], w[C]=1, b[C]=0; eps=1e-5) -> y[n,C,*H]
    m[c] = mean[n,*i](x[n,c,*i])
    v[c] = mean[n,*i]((x[n,c,*i] - m[c])**2)
    r[c] = 1 / sqrt(v[c] + eps)
    y[n,c,*i] = w[c] * ((x[n,c,*i] - m[c]) * r[c]) + b[c]
""",
    shown={"H": 2},
)
batch_norm.doc = """Batch normalisation as in training: each channel less its mean and over its deviation in this batch, with gain w and bias b.
Source: Ioffe and Szegedy, 2015."""

batch_norm_fixed = later(
    """
batch_norm_fixed(x[n,C,*H], m[C], v[C], w[C]=1, b[C]=0; eps=1e-5) -> y[n,C,*H]
    r[c] = 1 / sqrt(v[c] + eps)
    y[n,c,*i] = w[c] * ((x[n,c,*i] - m[c]) * r[c]) + b[c]
""",
    shown={"H": 2},
)
batch_norm_fixed.doc = """Batch normalisation as in inference: with a mean m and a variance v that are given. Source: Ioffe and Szegedy, 2015."""

running_mean = later("""
running_mean(a[C], m[C], f) -> a_new[C]
    a_new[c] = (1 - f) * a[c] + f * m[c]
""")
running_mean.doc = """A mean that follows the batches' means m: a' = (1 - f) a + f m. Source: Ioffe and Szegedy, 2015; PyTorch's running_mean."""

running_variance = later(
    """
running_variance(x[n,C,*H], a[C], v[C], f) -> a_new[C]
    a_new[c] = (1 - f) * a[c] + f * (v[c] * (N*prod(*H)) / (N*prod(*H) - 1))
""",
    shown={"H": 2},
)
running_variance.doc = """The same for variances: v is the batch's mean square deviation, which is made unbiased by the number of values that
each channel of x has. Source: Ioffe and Szegedy, 2015; PyTorch's running_var."""
