"""Randomness: pure functions of a seed, so that nothing is stored and every engine draws the same."""

from ..operation.op import later

dropout = later("""
dropout(x[n,*A], seed: int; p=0.5) -> y[n,*A]
    y[n,*a] = (uniform(seed, n, *a) >= p) * x[n,*a] / (1 - p)
""")
dropout.doc = """Each value is 0 with probability p, and else divided by 1 - p, so that its mean stays (PyTorch's Dropout in training).

The values kept are a function of the seed, the sample's number and the place: the gradient's are the same without being saved.
Source: Srivastava et al., 2014."""

noise = later("""
noise(x[n,*A], seed: int; std=0.1) -> y[n,*A]
    y[n,*a] = x[n,*a] + std * sqrt(-2 * log(1 - uniform(seed, n, *a, 0))) * cos(2 * pi * uniform(seed, n, *a, 1))
""")
noise.doc = """x plus normal numbers of standard deviation std, by Box and Muller's transform. Source: Box and Muller, 1958."""

dropout_channels = later("""
dropout_channels(x[n,C,*A], seed: int; p=0.5) -> y[n,C,*A]
    y[n,c,*a] = (uniform(seed, n, c) >= p) * x[n,c,*a] / (1 - p)
""")
dropout_channels.doc = """Dropout of whole channels (PyTorch's Dropout1d, Dropout2d, Dropout3d). Source: Tompson et al., 2015."""
