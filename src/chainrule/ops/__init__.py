"""The library of operations: formulas and their documentation."""

from ..operation.op import later
from .activation import (
    celu,
    elu,
    gelu,
    gelu_tanh,
    glu,
    hardshrink,
    hardsigmoid,
    hardswish,
    hardtanh,
    identity,
    leaky_relu,
    log_sigmoid,
    log_softmax,
    mish,
    prelu,
    relu,
    selu,
    sigmoid,
    silu,
    smooth_relu,
    softmax,
    softshrink,
    softsign,
    tanh,
    tanhshrink,
    threshold,
)
from .augment import crop_places, pixels_at, random_erase, random_flip, random_flip_rows
from .convolution import (
    cell_bias,
    conv,
    conv2d,
    conv2d_plain,
    conv2d_rect,
    conv2d_rect_plain,
    conv_transpose,
    convolve,
    grouped_conv,
    grouped_conv_transpose,
    grouped_convolve,
)
from .linear import bilinear, chained_back, embedding, linear, linear_plain
from .loss import (
    absolute_error,
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cosine_embedding,
    cross_entropy,
    cross_entropy_of_classes,
    cross_entropy_of_probabilities,
    entropy,
    gaussian_nll,
    half_square,
    half_squares,
    half_squares_of_classes,
    hinge,
    hinge_embedding,
    huber,
    kl_divergence,
    kl_divergence_of_logs,
    margin_ranking,
    mean_loss,
    mse,
    multi_label_margin,
    multi_margin,
    nll,
    poisson_nll,
    poisson_nll_of_means,
    smooth_l1,
    smoothed_cross_entropy,
    soft_cross_entropy,
    soft_margin,
    squared_error,
    stirling,
    sum_loss,
    triplet_margin,
    weighted_mean,
)
from .norm import batch_norm, batch_norm_fixed, group_norm, layer_norm, local_response_norm, rms_norm, running_mean, running_variance
from .padding import pad, pad_circular, pad_reflect, pad_replicate
from .pooling import (
    adaptive_avg_pool,
    adaptive_max_pool,
    adaptive_max_pool_winner,
    adaptive_window_place,
    avg_pool,
    avg_pool2d,
    avg_pool_inside,
    lp_pool,
    max_pool,
    max_pool2d,
    max_pool2d_rect,
    max_pool_winner,
    sum_pool,
    window_place,
)
from .random import dropout, dropout_channels, noise
from .resize import nearest_exact, upsample_linear, upsample_nearest
from .shape import flatten, pixel_shuffle, pixel_unshuffle, scale

flatten3 = later(lambda: flatten.at({"x": 3}, name="flatten3"), doc=flatten.doc)

__all__ = ["absolute_error", "adaptive_avg_pool", "adaptive_max_pool", "adaptive_max_pool_winner", "adaptive_window_place", "avg_pool", "avg_pool2d", "avg_pool_inside", "batch_norm", "batch_norm_fixed", "bilinear", "binary_cross_entropy", "binary_cross_entropy_with_logits", "cell_bias", "celu", "chained_back", "conv", "conv2d", "conv2d_plain", "conv2d_rect", "conv2d_rect_plain", "conv_transpose", "convolve", "cosine_embedding", "crop_places", "cross_entropy", "cross_entropy_of_classes", "cross_entropy_of_probabilities", "dropout", "dropout_channels", "elu", "embedding", "entropy", "flatten", "flatten3", "gaussian_nll", "gelu", "gelu_tanh", "glu", "group_norm", "grouped_conv", "grouped_conv_transpose", "grouped_convolve", "half_square", "half_squares", "half_squares_of_classes", "hardshrink", "hardsigmoid", "hardswish", "hardtanh", "hinge", "hinge_embedding", "huber", "identity", "kl_divergence", "kl_divergence_of_logs", "layer_norm", "leaky_relu", "linear", "linear_plain", "local_response_norm", "log_sigmoid", "log_softmax", "lp_pool", "margin_ranking", "max_pool", "max_pool2d", "max_pool2d_rect", "max_pool_winner", "mean_loss", "mish", "mse", "multi_label_margin", "multi_margin", "nearest_exact", "nll", "noise", "pad", "pad_circular", "pad_reflect", "pad_replicate", "pixel_shuffle", "pixel_unshuffle", "pixels_at", "poisson_nll", "poisson_nll_of_means", "prelu", "random_erase", "random_flip", "random_flip_rows", "relu", "rms_norm", "running_mean", "running_variance", "scale", "selu", "sigmoid", "silu", "smooth_l1", "smooth_relu", "smoothed_cross_entropy", "soft_cross_entropy", "soft_margin", "softmax", "softshrink", "softsign", "squared_error", "stirling", "sum_loss", "sum_pool", "tanh", "tanhshrink", "threshold", "triplet_margin", "upsample_linear", "upsample_nearest", "weighted_mean", "window_place"]  # fmt: skip
