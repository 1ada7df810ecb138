"""Layers that only move values, and padding, with PyTorch's names, arguments and defaults."""

from __future__ import annotations

from typing import Any

from ...errors import ArgumentError, ShapeError
from .. import functional as F
from ..arguments import choice, is_whole, real, whole
from .base import Layer


class Flatten(Layer):
    """The axes from start_dim to end_dim as one: all but the samples, unless told otherwise."""

    arguments = ("start_dim", "end_dim")

    def __init__(self, start_dim: int = 1, end_dim: int = -1):
        for value, what in ((start_dim, "start_dim"), (end_dim, "end_dim")):
            if not is_whole(value):
                raise ArgumentError(f"{what}={value!r}: not an axis; accepted: a whole number")
        self.start_dim, self.end_dim = int(start_dim), int(end_dim)

    def forward(self, x: Any) -> Any:
        if x.ndim < 2:
            raise ArgumentError(f"flatten of {x.ndim} axes: there is nothing to put together; accepted: samples and at least one more axis")
        return F.flatten(x, self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Layer):
    """An axis as several."""

    arguments = ("dim", "unflattened_size")

    def __init__(self, dim: int, unflattened_size: Any):
        if not is_whole(dim):
            raise ArgumentError(f"dim={dim!r}: not an axis; accepted: a whole number")
        if not isinstance(unflattened_size, (tuple, list)) or not all(map(is_whole, unflattened_size)):
            raise ArgumentError(f"unflattened_size={unflattened_size!r:.60}: not sizes; accepted: whole numbers, one of which may be -1")
        self.dim, self.unflattened_size = int(dim), tuple(unflattened_size)

    def forward(self, x: Any) -> Any:
        return F.unflatten(x, self.dim, self.unflattened_size)

    def extra_repr(self) -> str:
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"


class PixelShuffle(Layer):
    """Channels become places (ops.pixel_shuffle)."""

    arguments = ("upscale_factor",)

    def __init__(self, upscale_factor: int):
        self.upscale_factor = whole(upscale_factor, "upscale_factor")

    def forward(self, x: Any) -> Any:
        return F.pixel_shuffle(x, self.upscale_factor)

    def extra_repr(self) -> str:
        return f"upscale_factor={self.upscale_factor}"


class PixelUnshuffle(Layer):
    """Places become channels (ops.pixel_unshuffle)."""

    arguments = ("downscale_factor",)

    def __init__(self, downscale_factor: int):
        self.downscale_factor = whole(downscale_factor, "downscale_factor")

    def forward(self, x: Any) -> Any:
        return F.pixel_unshuffle(x, self.downscale_factor)

    def extra_repr(self) -> str:
        return f"downscale_factor={self.downscale_factor}"


class Upsample(Layer):
    """Other numbers of places (ops.upsample_nearest, ops.upsample_linear)."""

    arguments = ("size", "scale_factor", "mode", "align_corners", "recompute_scale_factor")

    def __init__(
        self,
        size: Any = None,
        scale_factor: Any = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ):
        self.size, self.scale_factor = size, _floats(scale_factor)
        self.mode = choice(mode, "mode", ("nearest", "nearest-exact", "linear", "bilinear", "trilinear"))
        self.align_corners, self.recompute_scale_factor = align_corners, recompute_scale_factor
        if (size is None) == (scale_factor is None):
            raise ArgumentError("size and scale_factor: accepted: one of them")

    def forward(self, x: Any) -> Any:
        return F.interpolate(x, self.size, self.scale_factor, self.mode, self.align_corners, self.recompute_scale_factor)

    def extra_repr(self) -> str:
        first = f"scale_factor={self.scale_factor!r}" if self.size is None else f"size={self.size!r}"
        return f"{first}, mode={self.mode!r}"


def _floats(value: Any) -> Any:
    return tuple(map(float, value)) if isinstance(value, (tuple, list)) else value if value is None or isinstance(value, str) else float(value)


class UpsamplingNearest2d(Upsample):
    """Upsample of images, mode nearest."""

    def __init__(self, size: Any = None, scale_factor: Any = None):
        super().__init__(size, scale_factor)


class UpsamplingBilinear2d(Upsample):
    """Upsample of images between two values along each axis, corners on corners."""

    def __init__(self, size: Any = None, scale_factor: Any = None):
        super().__init__(size, scale_factor, "bilinear", True)


# Padding -------------------------------------------------------------------------------------------------------------------


class _Pad(Layer):
    """Places before and behind the last axes: one number for all, or pairs, the last axis first."""

    arguments: tuple[str, ...] = ("padding",)
    axes, mode = 0, "constant"

    def __init__(self, padding: Any):
        d = self.axes
        found = (padding,) * 2 * d if is_whole(padding) else padding
        if not isinstance(found, (tuple, list)) or len(found) != 2 * d or not all(map(is_whole, found)):
            raise ArgumentError(f"padding={padding!r:.60}: accepted: a whole number, or {2 * d} of them")
        self.padding = tuple(int(v) for v in found)

    def value_(self) -> float | None:
        return None

    def forward(self, x: Any) -> Any:
        if self.mode != "constant" and x.ndim not in (self.axes + 1, self.axes + 2):
            raise ShapeError(f"{type(self).__name__} of {list(x.shape)}: accepted: {self.axes + 1} or {self.axes + 2} axes")
        return F.pad(x, self.padding, self.mode, self.value_())

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ZeroPad1d(_Pad):
    """Zeros beyond the ends (ops.pad)."""

    axes = 1


class ZeroPad2d(_Pad):
    """Zeros beyond the ends (ops.pad)."""

    axes = 2


class ZeroPad3d(_Pad):
    """Zeros beyond the ends (ops.pad)."""

    axes = 3


class ReflectionPad1d(_Pad):
    """As in a mirror at the first and last place (ops.pad_reflect)."""

    axes, mode = 1, "reflect"


class ReflectionPad2d(_Pad):
    """As in a mirror at the first and last place (ops.pad_reflect)."""

    axes, mode = 2, "reflect"


class ReflectionPad3d(_Pad):
    """As in a mirror at the first and last place (ops.pad_reflect)."""

    axes, mode = 3, "reflect"


class ReplicationPad1d(_Pad):
    """The first and the last value beyond the ends (ops.pad_replicate)."""

    axes, mode = 1, "replicate"


class ReplicationPad2d(_Pad):
    """The first and the last value beyond the ends (ops.pad_replicate)."""

    axes, mode = 2, "replicate"


class ReplicationPad3d(_Pad):
    """The first and the last value beyond the ends (ops.pad_replicate)."""

    axes, mode = 3, "replicate"


class CircularPad1d(_Pad):
    """On at the other end (ops.pad_circular)."""

    axes, mode = 1, "circular"


class CircularPad2d(_Pad):
    """On at the other end (ops.pad_circular)."""

    axes, mode = 2, "circular"


class CircularPad3d(_Pad):
    """On at the other end (ops.pad_circular)."""

    axes, mode = 3, "circular"


class _ConstantPad(_Pad):
    arguments = ("padding", "value")

    def __init__(self, padding: Any, value: float):
        super().__init__(padding)
        self.value = real(value, "value")

    def value_(self) -> float:
        return self.value

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPad):
    """A value beyond the ends (ops.pad)."""

    axes = 1


class ConstantPad2d(_ConstantPad):
    """A value beyond the ends (ops.pad)."""

    axes = 2


class ConstantPad3d(_ConstantPad):
    """A value beyond the ends (ops.pad)."""

    axes = 3
