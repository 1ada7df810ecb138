"""The library of operations: formulas and their documentation."""

from .activation import relu, sigmoid, softmax, tanh
from .convolution import conv, conv2d, conv2d_plain, conv2d_rect, conv2d_rect_plain
from .linear import linear, linear_plain
from .loss import cross_entropy, half_square, mse
from .norm import batch_norm, batch_norm_fixed, running_mean, running_variance
from .pooling import avg_pool, avg_pool2d, max_pool, max_pool2d, max_pool2d_rect
from .shape import flatten, scale

flatten3 = flatten.at({"x": 3}, name="flatten3")

__all__ = [
    "avg_pool", "avg_pool2d", "batch_norm", "batch_norm_fixed", "conv", "conv2d", "conv2d_plain", "conv2d_rect", "conv2d_rect_plain", "cross_entropy", "flatten", "flatten3",
    "half_square", "linear", "linear_plain", "max_pool", "max_pool2d", "max_pool2d_rect", "mse", "relu", "running_mean", "running_variance", "scale", "sigmoid", "softmax", "tanh",
]  # fmt: skip
