"""Other numbers of places, with PyTorch's names and arguments."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from ... import ops
from ...errors import ArgumentError, ShapeError
from ..arguments import choice, flag, real, several
from .common import Tensor, tensor
from .padding import along
from .pooling import adaptive

LINEAR = {"linear": 3, "bilinear": 4, "trilinear": 5}


def interpolate(
    input: Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """Other numbers of places along all axes but samples and channels: the nearest values, between two of them along each axis, or means (area)."""
    x = tensor(input)
    if flag(antialias, "antialias"):
        raise ArgumentError("antialias=True: no filter stands before the places that are left; accepted: False")
    choice(mode, "mode", ("nearest", "nearest-exact", "area", *LINEAR))
    d = x.ndim - 2
    if d < 1 or d > 3 or LINEAR.get(mode, x.ndim) != x.ndim:
        raise ShapeError(f"interpolate of {list(x.shape)} in mode {mode!r}: accepted: {LINEAR.get(mode, '3 to 5')} axes, samples and channels first")
    if mode not in LINEAR and align_corners is not None:
        raise ArgumentError(f"align_corners={align_corners!r}: mode {mode!r} has no corners; accepted: None")
    scales, sizes = _sizes(x, size, scale_factor, bool(recompute_scale_factor))
    if mode == "area":  # the mean of what lies there
        return adaptive(x, sizes if d > 1 else sizes[0], False, False, d)
    if mode in LINEAR:
        for k, (o, scale) in enumerate(zip(sizes, scales, strict=True)):
            x = along(x, 2 + k, lambda y, o=o, scale=scale: _linear(y, o, scale, bool(align_corners)))  # type: ignore[misc]  # mypy does not infer lambdas with defaults
        return x
    if mode == "nearest":  # the value at floor(i / scale)
        return ops.upsample_nearest(x, o=sizes, a=tuple(f.denominator for f in scales), b=tuple(f.numerator for f in scales))
    for k, (o, f) in enumerate(zip(sizes, scales, strict=True)):  # at floor((i + 1/2) / scale)
        x = along(x, 2 + k, lambda y, o=o, f=f: ops.nearest_exact(y, o=o, a=f.denominator, b=f.numerator))  # type: ignore[misc]  # mypy does not infer lambdas with defaults
    return x


def _sizes(x: Tensor, size: Any, scale_factor: Any, again: bool) -> tuple[list[Fraction], tuple[int, ...]]:
    """How many times as many places along each axis, and how many."""
    d = x.ndim - 2
    if (size is None) == (scale_factor is None):
        raise ArgumentError("size and scale_factor: accepted: one of them")
    if size is not None:
        sizes = several(size, "size", 1, d)
        return [Fraction(o, s) for o, s in zip(sizes, x.shape[2:], strict=True)], sizes
    given = scale_factor if isinstance(scale_factor, (tuple, list)) else (scale_factor,) * d
    if len(given) != d:
        raise ArgumentError(f"scale_factor={scale_factor!r:.40}: accepted: a number, or {d} of them")
    scales = [Fraction(real(f, "scale_factor", 0, open_end=True)).limit_denominator(10**6) for f in given]
    sizes = tuple(int(f * s) for f, s in zip(scales, x.shape[2:], strict=True))
    if min(sizes) < 1:
        raise ShapeError(f"scale_factor={scale_factor!r:.40} of {list(x.shape)}: nothing is left; accepted: factors that leave at least one place")
    return [Fraction(o, s) for o, s in zip(sizes, x.shape[2:], strict=True)] if again else scales, sizes


def _linear(x: Tensor, o: int, scale: Fraction, aligned: bool) -> Tensor:
    size = x.shape[2]
    if aligned:
        return ops.upsample_linear(x, o=o, r=size - 1 if o > 1 else 0, t=0, e=max(o - 1, 1))
    a, b = scale.numerator, scale.denominator  # (i + 1/2) b / a - 1/2
    return ops.upsample_linear(x, o=o, r=2 * b, t=b - a, e=2 * a)
