"""Losses. Those with an output E are means over the samples; those with an output l give one number for each prediction, to be put together
by `mean_loss` or `sum_loss`."""

from ..operation.op import later

cross_entropy = later(
    """
cross_entropy(z[n,K,*A], t[n,*A]: int) -> E
    m[n,*a] = max[k](z[n,k,*a])
    E = mean[n,*a](log(sum[k](exp(z[n,k,*a] - m[n,*a]))) - (z[n,t[n,*a],*a] - m[n,*a]))
""",
    shown={"A": 0},
)
cross_entropy.doc = """Softmax and cross-entropy from logits z and class numbers t, by log-sum-exp; a mean over samples and further axes, where there
are any (a class for each pixel: z [samples, classes, rows, columns], t [samples, rows, columns]). Source: documents 001, 002 and 003."""

mse = later("""
mse(y[n,*K], t[n,*K]) -> E
    E = mean[n,*k]((y[n,*k] - t[n,*k])**2)
""")
mse.doc = """The mean of the squared differences over samples and features (PyTorch's MSELoss)."""

half_square = later("""
half_square(y[n,*K], t[n,*K]) -> E
    E = mean[n](sum[*k]((y[n,*k] - t[n,*k])**2) / 2)
""")
half_square.doc = """Half the sum of squares, a mean over samples. Source: documents 000, 001 and 002."""

# Put together ------------------------------------------------------------------------------------------------------------

mean_loss = later("""
mean_loss(l[n,*A]) -> E
    E = mean[n,*a](l[n,*a])
""")
mean_loss.doc = """The mean of all numbers."""

sum_loss = later("""
sum_loss(l[n,*A]) -> E
    E = sum[n,*a](l[n,*a])
""")
sum_loss.doc = """The sum of all numbers."""

# For each prediction -----------------------------------------------------------------------------------------------------

half_squares = later("""
half_squares(y[n,*K], t[n,*K]) -> l[n]
    l[n] = sum[*k]((y[n,*k] - t[n,*k])**2) / 2
""")
half_squares.doc = """Half the sum of squares of each sample. Source: documents 000, 001 and 002."""

half_squares_of_classes = later("""
half_squares_of_classes(y[n,K], t[n]: int) -> l[n]
    l[n] = sum[k]((y[n,k] - (k == t[n]))**2) / 2
""")
half_squares_of_classes.doc = """The same, where the target is 1 at the class t and 0 elsewhere."""

squared_error = later("""
squared_error(y[n,*A], t[n,*A]) -> l[n,*A]
    l[n,*a] = (y[n,*a] - t[n,*a])**2
""")
squared_error.doc = """(y - t)**2 (PyTorch's MSELoss)."""

absolute_error = later("""
absolute_error(y[n,*A], t[n,*A]) -> l[n,*A]
    l[n,*a] = abs(y[n,*a] - t[n,*a])
""")
absolute_error.doc = """|y - t| (PyTorch's L1Loss)."""

huber = later("""
huber(y[n,*A], t[n,*A]; bound=1.0) -> l[n,*A]
    l[n,*a] = where(abs(y[n,*a] - t[n,*a]) <= bound, (y[n,*a] - t[n,*a])**2 / 2, bound * (abs(y[n,*a] - t[n,*a]) - bound / 2))
""")
huber.doc = """Half a square up to a difference of `bound`, a line of the same slope from there. Source: Huber, 1964."""

smooth_l1 = later("""
smooth_l1(y[n,*A], t[n,*A]; beta=1.0) -> l[n,*A]
    l[n,*a] = where(abs(y[n,*a] - t[n,*a]) < beta, (y[n,*a] - t[n,*a])**2 / (2 * beta), abs(y[n,*a] - t[n,*a]) - beta / 2)
""")
smooth_l1.doc = """Huber's loss divided by beta. Source: Girshick, 2015."""

cross_entropy_of_probabilities = later(
    """
cross_entropy_of_probabilities(y[n,K,*A], t[n,K,*A]) -> l[n,*A]
    l[n,*a] = -sum[k](t[n,k,*a] * log(y[n,k,*a]))
""",
    shown={"A": 0},
)
cross_entropy_of_probabilities.doc = (
    """-sum_k t_k ln y_k of probabilities y and a distribution t (a 1 at the class and 0 elsewhere, or any). Source: documents 001, 002, 003."""
)

cross_entropy_of_classes = later(
    """
cross_entropy_of_classes(y[n,K,*A], t[n,*A]: int) -> l[n,*A]
    l[n,*a] = -log(y[n,t[n,*a],*a])
""",
    shown={"A": 0},
)
cross_entropy_of_classes.doc = """The same, where the distribution is 1 at the class t and 0 elsewhere."""

binary_cross_entropy = later("""
binary_cross_entropy(y[n,*A], t[n,*A]) -> l[n,*A]
    l[n,*a] = -(t[n,*a] * maximum(log(y[n,*a]), -100) + (1 - t[n,*a]) * maximum(log(1 - y[n,*a]), -100))
""")
binary_cross_entropy.doc = (
    """-(t ln y + (1 - t) ln(1 - y)) of a probability y; no logarithm is below -100, as in PyTorch's BCELoss. Source: document 002."""
)

binary_cross_entropy_with_logits = later("""
binary_cross_entropy_with_logits(z[n,*A], t[n,*A], w[n,*A]=1) -> l[n,*A]
    l[n,*a] = (1 - t[n,*a]) * z[n,*a] + (1 + (w[n,*a] - 1) * t[n,*a]) * softplus(-z[n,*a])
""")
binary_cross_entropy_with_logits.doc = (
    """The same of a logit z, by softplus: nothing overflows. w: the weight of what is true (PyTorch's BCEWithLogitsLoss, pos_weight)."""
)

kl_divergence = later("""
kl_divergence(y[n,*A], t[n,*A]) -> l[n,*A]
    l[n,*a] = where(t[n,*a] == 0, 0, t[n,*a] * log(t[n,*a])) - t[n,*a] * y[n,*a]
""")
kl_divergence.doc = """t (ln t - y), where y is the logarithm of a probability: summed over the outcomes, the Kullback-Leibler divergence of y's distribution
from t, which is the cross-entropy less t's entropy (PyTorch's KLDivLoss). Source: Kullback and Leibler, 1951; document 002."""

kl_divergence_of_logs = later("""
kl_divergence_of_logs(y[n,*A], t[n,*A]) -> l[n,*A]
    l[n,*a] = exp(t[n,*a]) * (t[n,*a] - y[n,*a])
""")
kl_divergence_of_logs.doc = """The same where t, too, is the logarithm of a probability."""

entropy = later(
    """
entropy(t[n,K,*A]) -> l[n,*A]
    l[n,*a] = -sum[k](t[n,k,*a] * log(t[n,k,*a]))
""",
    shown={"A": 0},
)
entropy.doc = """-sum_k t_k ln t_k: what the cross-entropy of a distribution with itself is. Source: Shannon, 1948; document 002."""

gaussian_nll = later("""
gaussian_nll(y[n,*A], t[n,*A], v[n,*A]; eps=1e-6) -> l[n,*A]
    l[n,*a] = (log(maximum(v[n,*a], eps)) + (y[n,*a] - t[n,*a])**2 / maximum(v[n,*a], eps)) / 2
""")
gaussian_nll.doc = """-ln of the density of t under a normal distribution of mean y and variance v, less a constant. Source: Nix and Weigend, 1994."""

poisson_nll = later("""
poisson_nll(y[n,*A], t[n,*A]) -> l[n,*A]
    l[n,*a] = exp(y[n,*a]) - t[n,*a] * y[n,*a]
""")
poisson_nll.doc = """-ln of the probability of a count t under a Poisson distribution of mean exp(y), less ln t! (PyTorch's PoissonNLLLoss)."""

poisson_nll_of_means = later("""
poisson_nll_of_means(y[n,*A], t[n,*A]; eps=1e-8) -> l[n,*A]
    l[n,*a] = y[n,*a] - t[n,*a] * log(y[n,*a] + eps)
""")
poisson_nll_of_means.doc = """The same of the mean y itself."""

stirling = later("""
stirling(t[n,*A]) -> l[n,*A]
    l[n,*a] = where(t[n,*a] > 1, t[n,*a] * log(where(t[n,*a] > 1, t[n,*a], 1)) - t[n,*a] + log(2 * pi * where(t[n,*a] > 1, t[n,*a], 1)) / 2, 0)
""")
stirling.doc = """Stirling's approximation of ln t! for t above 1, else 0 (PyTorch's PoissonNLLLoss, full)."""

soft_margin = later("""
soft_margin(y[n,*A], t[n,*A]) -> l[n,*A]
    l[n,*a] = softplus(-t[n,*a] * y[n,*a])
""")
soft_margin.doc = """ln(1 + exp(-t y)) for t of -1 or 1 (PyTorch's SoftMarginLoss)."""

hinge = later("""
hinge(y[n,*A], t[n,*A]; margin=1.0) -> l[n,*A]
    l[n,*a] = maximum(margin - t[n,*a] * y[n,*a], 0)
""")
hinge.doc = """max(0, margin - t y) for t of -1 or 1. Source: Cortes and Vapnik, 1995."""

hinge_embedding = later("""
hinge_embedding(y[n,*A], t[n,*A]; margin=1.0) -> l[n,*A]
    l[n,*a] = (t[n,*a] != -1) * y[n,*a] + (t[n,*a] != 1) * maximum(margin - y[n,*a], 0)
""")
hinge_embedding.doc = """A distance y where t is 1, max(0, margin - y) where it is -1 (PyTorch's HingeEmbeddingLoss)."""

margin_ranking = later("""
margin_ranking(x[n,*A], z[n,*A], t[n,*A]; margin=0.0) -> l[n,*A]
    l[n,*a] = maximum(margin - t[n,*a] * (x[n,*a] - z[n,*a]), 0)
""")
margin_ranking.doc = """max(0, margin - t (x - z)): x is to be larger than z where t is 1, smaller where it is -1 (PyTorch's MarginRankingLoss)."""

cosine_embedding = later("""
cosine_embedding(x[n,D], z[n,D], t[n]; margin=0.0) -> l[n]
    c[n] = sum[d](x[n,d] * z[n,d]) / sqrt((sum[d](x[n,d]**2) + 1e-12) * (sum[d](z[n,d]**2) + 1e-12))
    l[n] = (t[n] == 1) * (1 - c[n]) + (t[n] == -1) * maximum(c[n] - margin, 0)
""")
cosine_embedding.doc = """1 - cos(x, z) where t is 1, max(0, cos(x, z) - margin) where it is -1 (PyTorch's CosineEmbeddingLoss)."""

triplet_margin = later("""
triplet_margin(a[n,D], p[n,D], q[n,D]; margin=1.0, norm=2.0, eps=1e-6, swap=0) -> l[n]
    near[n] = sum[d](abs(a[n,d] - p[n,d] + eps)**norm)**(1/norm)
    far[n] = sum[d](abs(a[n,d] - q[n,d] + eps)**norm)**(1/norm)
    other[n] = sum[d](abs(p[n,d] - q[n,d] + eps)**norm)**(1/norm)
    l[n] = maximum(near[n] - where(swap > 0, minimum(far[n], other[n]), far[n]) + margin, 0)
""")
triplet_margin.doc = """max(0, |a - p| - |a - q| + margin): an anchor a is to be nearer to p than to q; with swap = 1 also than p is to q. Source: Balntas et al., 2016."""

multi_margin = later("""
multi_margin(y[n,K], t[n]: int, w[K]=1; p=1, margin=1.0) -> l[n]
    l[n] = sum[k](where(k == t[n], 0, w[t[n]] * maximum(margin - y[n,t[n]] + y[n,k], 0)**p)) / K
""")
multi_margin.doc = """Every class's score y is to be smaller than the right one's by a margin (PyTorch's MultiMarginLoss)."""

multi_label_margin = later("""
multi_label_margin(y[n,K], t[n,K]: int) -> l[n]
    f[n] = min[j](where(t[n,j] < 0, j, K))
    q[n,k:K] = sum[j:K]((j < f[n]) * (t[n,j] == k))
    l[n] = sum[j:K,k:K]((q[n,k] == 0) * q[n,j] * maximum(1 - y[n,j] + y[n,k], 0)) / K
""")
multi_label_margin.doc = (
    """Every class named in t, up to its first -1, is to have a larger score than every other by 1 (PyTorch's MultiLabelMarginLoss)."""
)

nll = later(
    """
nll(y[n,K,*A], t[n,*A]: int, w[K]=1; skip=-100) -> l[n,*A], v[n,*A]
    v[n,*a] = (t[n,*a] != skip) * sum[k](w[k] * (k == t[n,*a]))
    l[n,*a] = -sum[k](w[k] * (k == t[n,*a]) * (t[n,*a] != skip) * y[n,k,*a])
""",
    shown={"A": 0},
)
nll.doc = """-y of the class t, where y are logarithms of probabilities, times the class's weight w; 0 where t is the number to skip. v: the weights,
whose sum the mean is taken over (PyTorch's NLLLoss)."""

smoothed_cross_entropy = later(
    """
smoothed_cross_entropy(z[n,K,*A], t[n,*A]: int, w[K]=1; e=0.0, skip=-100) -> l[n,*A], v[n,*A]
    m[n,*a] = max[k](z[n,k,*a])
    s[n,*a] = log(sum[k](exp(z[n,k,*a] - m[n,*a])))
    v[n,*a] = (t[n,*a] != skip) * sum[k](w[k] * (k == t[n,*a]))
    l[n,*a] = (t[n,*a] != skip) * sum[k](w[k] * ((1 - e) * (k == t[n,*a]) + e / K) * (s[n,*a] - (z[n,k,*a] - m[n,*a])))
""",
    shown={"A": 0},
)
smoothed_cross_entropy.doc = """Softmax and cross-entropy from logits z and class numbers t, with weights w of classes, a number of t to skip, and targets that are
e / K for every class and 1 - e more for the right one. v: the weights, whose sum the mean is taken over. Source: Szegedy et al., 2016."""

soft_cross_entropy = later(
    """
soft_cross_entropy(z[n,K,*A], t[n,K,*A], w[K]=1; e=0.0) -> l[n,*A]
    m[n,*a] = max[k](z[n,k,*a])
    s[n,*a] = log(sum[k](exp(z[n,k,*a] - m[n,*a])))
    l[n,*a] = sum[k](w[k] * ((1 - e) * t[n,k,*a] + e / K) * (s[n,*a] - (z[n,k,*a] - m[n,*a])))
""",
    shown={"A": 0},
)
soft_cross_entropy.doc = """The same for targets that are distributions. Source: documents 001 and 003."""

weighted_mean = later("""
weighted_mean(l[n,*A], v[n,*A]) -> E
    E = sum[n,*a](l[n,*a]) / sum[n,*a](v[n,*a])
""")
weighted_mean.doc = """The sum of l over the sum of v."""
