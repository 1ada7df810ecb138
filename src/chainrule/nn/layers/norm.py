"""Normalisations as layers, with PyTorch's names, arguments and defaults."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import ArgumentError, ShapeError
from .. import functional as F
from ..arguments import flag, is_whole, real, whole
from ..functional.common import batched
from ..values import Buffer, Parameter
from .base import Layer


class _Followed(Layer):
    """A gain and a bias for each channel, and statistics that follow the batches."""

    arguments = ("num_features", "eps", "momentum", "affine", "track_running_stats")
    wanted = ("bias",)
    num_batches_tracked: Any

    def _made(self, num_features: int, momentum: float | None, affine: bool, track_running_stats: bool, bias: bool) -> None:
        self.num_features, self.affine, has_bias = whole(num_features, "num_features"), flag(affine, "affine"), flag(bias, "bias")
        self.track_running_stats = flag(track_running_stats, "track_running_stats")
        self.momentum = momentum if momentum is None else real(momentum, "momentum", 0)
        size, tracked = self.num_features, self.track_running_stats
        self.register_parameter("weight", Parameter(np.ones(size)) if self.affine else None)
        self.register_parameter("bias", Parameter(np.zeros(size)) if self.affine and has_bias else None)
        self.register_buffer("running_mean", np.zeros(size) if tracked else None)
        self.register_buffer("running_var", np.ones(size) if tracked else None)
        self.register_buffer("num_batches_tracked", Buffer(np.zeros(()), whole=True) if tracked else None)

    def extra_repr(self) -> str:
        rest = f"affine={self.affine}, bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        return f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, {rest}"


class _BatchNorm(_Followed):
    """Batch normalisation of a given number of axes."""

    ranks: tuple[int, ...] = ()

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        bias: bool = True,
    ):
        self.eps = real(eps, "eps", 0, open_end=True)
        self._made(num_features, momentum, affine, track_running_stats, bias)

    def forward(self, x: Any) -> Any:
        if x.ndim not in self.ranks:
            raise ShapeError(f"{type(self).__name__} of {list(x.shape)}: {x.ndim} axes; accepted: {' or '.join(map(str, self.ranks))}")
        tracked = self.track_running_stats
        follow: Any = self.momentum
        if tracked and self.training:
            self.num_batches_tracked = self.num_batches_tracked + 1
            follow = 1 / self.num_batches_tracked if self.momentum is None else self.momentum
        return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, self.training or not tracked, follow, self.eps)


class BatchNorm2d(_BatchNorm):
    """Each channel of images less its mean and over its deviation: the batch's in training, in inference those that followed the batches.

    Parameters weight (1 at first) and bias (0); states running_mean, running_var (unbiased) and num_batches_tracked. The
    statistics follow with the share `momentum` of each batch, or, where it is None, as the mean of all batches. As in PyTorch.
    Source: Ioffe and Szegedy, 2015. Formulas: ops.batch_norm, ops.batch_norm_fixed, ops.running_mean, ops.running_variance.
    """

    ranks = (4,)


class BatchNorm1d(_BatchNorm):
    """The same for features [samples, features] or signals [samples, channels, places]."""

    ranks = (2, 3)


class BatchNorm3d(_BatchNorm):
    """The same for volumes [samples, channels, planes, rows, columns]."""

    ranks = (5,)


class _InstanceNorm(_Followed):
    """Each channel of each sample less its mean and over its deviation (ops.group_norm).

    With track_running_stats, states follow the means over the samples (not at all where momentum is None), and are what inference
    uses, as in PyTorch.
    Source: Ulyanov et al., 2016.
    """

    axes = 0

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        *,
        bias: bool = True,
    ):
        self.eps = real(eps, "eps", 0)
        self._made(num_features, momentum, affine, track_running_stats, bias)

    def forward(self, x: Any) -> Any:
        return batched(self._normal, x, self.axes + 2, type(self).__name__, f"{self.axes + 2} axes, or {self.axes + 1} for one sample")

    def _normal(self, x: Any) -> Any:
        if x.shape[1] != self.num_features:
            raise ShapeError(f"{type(self).__name__} of {list(x.shape)}: {x.shape[1]} channels; accepted: {self.num_features}")
        own, follow = self.training or not self.track_running_stats, 0.0 if self.momentum is None else self.momentum
        return F.instance_norm(x, self.running_mean, self.running_var, self.weight, self.bias, own, follow, self.eps)


class InstanceNorm1d(_InstanceNorm):
    __doc__ = _InstanceNorm.__doc__
    axes = 1


class InstanceNorm2d(_InstanceNorm):
    __doc__ = _InstanceNorm.__doc__
    axes = 2


class InstanceNorm3d(_InstanceNorm):
    __doc__ = _InstanceNorm.__doc__
    axes = 3


class GroupNorm(Layer):
    """Channels in groups, each less its mean and over its deviation, with a gain and a bias for each channel (ops.group_norm)."""

    arguments = ("num_groups", "num_channels", "eps", "affine")
    wanted = ("bias",)

    def __init__(self, num_groups: int, num_channels: int, eps: float = 1e-5, affine: bool = True, *, bias: bool = True):
        self.num_groups, self.num_channels = whole(num_groups, "num_groups"), whole(num_channels, "num_channels")
        self.eps, self.affine, has_bias = real(eps, "eps", 0), flag(affine, "affine"), flag(bias, "bias")
        if self.num_channels % self.num_groups:
            raise ArgumentError(f"num_channels={num_channels}: {num_groups} groups do not divide it; accepted: a multiple of num_groups")
        self.register_parameter("weight", Parameter(np.ones(self.num_channels)) if self.affine else None)
        self.register_parameter("bias", Parameter(np.zeros(self.num_channels)) if self.affine and has_bias else None)

    def forward(self, x: Any) -> Any:
        if x.ndim < 2 or x.shape[1] != self.num_channels:
            raise ShapeError(f"GroupNorm of {list(x.shape)}: accepted: {self.num_channels} channels on the second axis")
        return F.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        text = f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}"
        return text + f", bias={self.bias is not None}"


def _last_axes(normalized_shape: Any) -> tuple[int, ...]:
    shape = (normalized_shape,) if is_whole(normalized_shape) else normalized_shape
    if not isinstance(shape, (tuple, list)) or not shape or not all(is_whole(v) and v >= 1 for v in shape):
        raise ArgumentError(f"normalized_shape={normalized_shape!r:.60}: no sizes of axes; accepted: a whole number of at least 1, or a list of them")
    return tuple(int(v) for v in shape)


class LayerNorm(Layer):
    """The last axes less their mean and over their deviation, with a gain and a bias for each place (ops.layer_norm)."""

    arguments = ("normalized_shape", "eps", "elementwise_affine")
    wanted = ("bias",)

    def __init__(self, normalized_shape: Any, eps: float = 1e-5, elementwise_affine: bool = True, bias: bool = True):
        self.normalized_shape, self.eps = _last_axes(normalized_shape), real(eps, "eps", 0)
        self.elementwise_affine, has_bias = flag(elementwise_affine, "elementwise_affine"), flag(bias, "bias")
        self.register_parameter("weight", Parameter(np.ones(self.normalized_shape)) if self.elementwise_affine else None)
        self.register_parameter("bias", Parameter(np.zeros(self.normalized_shape)) if self.elementwise_affine and has_bias else None)

    def forward(self, x: Any) -> Any:
        return F.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, bias={self.bias is not None}"


class RMSNorm(Layer):
    """The last axes over the root of their mean square, with a gain for each place (ops.rms_norm)."""

    arguments = ("normalized_shape", "eps", "elementwise_affine")

    def __init__(self, normalized_shape: Any, eps: float | None = None, elementwise_affine: bool = True):
        self.normalized_shape, self.eps = _last_axes(normalized_shape), eps if eps is None else real(eps, "eps", 0)
        self.elementwise_affine = flag(elementwise_affine, "elementwise_affine")
        self.register_parameter("weight", Parameter(np.ones(self.normalized_shape)) if self.elementwise_affine else None)

    def forward(self, x: Any) -> Any:
        return F.rms_norm(x, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


class LocalResponseNorm(Layer):
    """Each value over a power of the sum of squares of `size` channels around its own (ops.local_response_norm)."""

    arguments = ("size", "alpha", "beta", "k")

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0):
        self.size, self.alpha, self.beta, self.k = whole(size, "size"), real(alpha, "alpha"), real(beta, "beta"), real(k, "k")

    def forward(self, x: Any) -> Any:
        return F.local_response_norm(x, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"
