"""Normalisation. Of batch normalisation, training and inference are two definitions."""

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

layer_norm = later(
    """
layer_norm(x[n,*A,*D], w[*D]=1, b[*D]=0; eps=1e-5) -> y[n,*A,*D]
    m[n,*a] = mean[*d](x[n,*a,*d])
    v[n,*a] = mean[*d]((x[n,*a,*d] - m[n,*a])**2)
    y[n,*a,*d] = w[*d] * ((x[n,*a,*d] - m[n,*a]) / sqrt(v[n,*a] + eps)) + b[*d]
""",
    shown={"A": 0},
)
layer_norm.doc = """The last axes less their mean and over their deviation, with gain w and bias b of each place. Source: Ba et al., 2016."""

rms_norm = later(
    """
rms_norm(x[n,*A,*D], w[*D]=1; eps=1e-5) -> y[n,*A,*D]
    v[n,*a] = mean[*d](x[n,*a,*d]**2)
    y[n,*a,*d] = w[*d] * (x[n,*a,*d] / sqrt(v[n,*a] + eps))
""",
    shown={"A": 0},
)
rms_norm.doc = """The last axes over the root of their mean square, with gain w. Source: Zhang and Sennrich, 2019."""

group_norm = later("""
group_norm(x[n,C,*H], w[C]=1, b[C]=0; g=1, eps=1e-5) -> y[n,C,*H]
    m[n,a:g] = mean[q:C//g,*i](x[n, a*(C//g)+q, *i])
    v[n,a:g] = mean[q:C//g,*i]((x[n, a*(C//g)+q, *i] - m[n,a])**2)
    y[n, a*(C//g)+q, *i] = w[a*(C//g)+q] * ((x[n, a*(C//g)+q, *i] - m[n,a]) / sqrt(v[n,a] + eps)) + b[a*(C//g)+q]
""")
group_norm.doc = """Channels in g groups, each less its mean and over its deviation in its sample, with gain w and bias b of each channel. With as many
groups as channels it is the instance normalisation of Ulyanov et al., 2016. Source: Wu and He, 2018."""

local_response_norm = later("""
local_response_norm(x[n,C,*H]; k=5, alpha=1e-4, beta=0.75, bias=1.0) -> y[n,C,*H]
    y[n,c,*i] = x[n,c,*i] / (bias + alpha / k * sum[u:k](x[n, c+u-k//2, *i]**2))**beta
""")
local_response_norm.doc = """Each value over a power of the sum of squares of k channels around its own. Source: Krizhevsky et al., 2012."""

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
