"""The library of operations: formulas and their documentation."""

from ..operation.op import later
from .activation import relu, sigmoid, softmax, tanh
from .convolution import conv, conv2d, conv2d_plain, conv2d_rect, conv2d_rect_plain, grouped_conv
from .linear import linear, linear_plain
from .loss import cross_entropy, half_square, mse
from .norm import batch_norm, batch_norm_fixed, running_mean, running_variance
from .pooling import avg_pool, avg_pool2d, max_pool, max_pool2d, max_pool2d_rect
from .random import dropout, noise
from .shape import flatten, pixel_shuffle, pixel_unshuffle, scale

flatten3 = later(lambda: flatten.at({"x": 3}, name="flatten3"), doc=flatten.doc)

__all__ = [
    "avg_pool", "avg_pool2d", "batch_norm", "batch_norm_fixed", "conv", "conv2d", "conv2d_plain", "conv2d_rect", "conv2d_rect_plain", "cross_entropy",
    "dropout", "flatten", "flatten3", "grouped_conv", "half_square", "linear", "linear_plain", "max_pool", "max_pool2d", "max_pool2d_rect", "mse",
    "noise", "pixel_shuffle", "pixel_unshuffle", "relu", "running_mean", "running_variance", "scale", "sigmoid", "softmax", "tanh",
]  # fmt: skip
