"""Losses: means over the samples."""

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
