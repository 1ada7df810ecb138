"""Padding and other numbers of places, with PyTorch's names and arguments."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from ... import ops
from ...errors import ArgumentError, ShapeError
from ...operation.op import Op
from ..arguments import choice, flag, is_whole, real, several
from .common import Tensor, tensor, where

MODES: dict[str, Op] = {"reflect": ops.pad_reflect, "replicate": ops.pad_replicate, "circular": ops.pad_circular}


def along(x: Tensor, axis: int, function: Callable[[Tensor], Tensor]) -> Tensor:
    """A function of the third of four axes, for any axis but the first: those before it and behind it are put together meanwhile."""
    shape = x.shape
    y = function(x.reshape(shape[0], math.prod(shape[1:axis]), shape[axis], math.prod(shape[axis + 1 :])))
    return y.reshape(*shape[:axis], y.shape[2], *shape[axis + 1 :])


def pad(input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    """Places before and behind the last axes: pairs of numbers, the last axis first; negative ones cut off (mode constant). A value may be infinite."""
    x = tensor(input)
    if not isinstance(pad, (tuple, list)) or len(pad) % 2 or not all(map(is_whole, pad)) or len(pad) > 2 * x.ndim:
        raise ArgumentError(f"pad={pad!r:.80}: not pairs of numbers; accepted: two for each of up to {x.ndim} axes, the last axis first")
    pairs = [(int(pad[2 * k]), int(pad[2 * k + 1])) for k in range(len(pad) // 2)]
    ways = {x.ndim - 1 - k: pair for k, pair in enumerate(pairs)}
    if choice(mode, "mode", ("constant", *MODES)) == "constant":
        return _constant(x, ways, 0.0 if value is None else value if value in (math.inf, -math.inf) else real(value, "value"))
    if value not in (None, 0):
        raise ArgumentError(f"value={value!r:.40}: mode {mode!r} takes none; accepted: mode='constant'")
    if x.ndim - len(pairs) not in (1, 2):
        raise ShapeError(
            f"pad of {list(x.shape)} with {len(pad)} numbers: accepted in mode {mode!r}: all axes but the channels and, where there are any, the samples"
        )
    if 0 in ways or x.ndim - len(pairs) == 1:
        y = _each_axis(x.reshape(1, *x.shape), {k + 1: v for k, v in ways.items()}, mode)
        return y.reshape(y.shape[1:])
    return _each_axis(x, ways, mode)


def _constant(x: Tensor, ways: dict[int, tuple[int, int]], value: float) -> Tensor:
    for k, (p, q) in ways.items():
        if p + q + x.shape[k] < 1 or -p > x.shape[k] or -q > x.shape[k]:
            raise ShapeError(f"pad of {list(x.shape)}: nothing is left of axis {k}; accepted: numbers that leave at least one place")
    if any(ways.get(0, (0, 0))):  # the first axis too
        y = _constant(x.reshape(1, *x.shape), {k + 1: v for k, v in ways.items()}, value)
        return y.reshape(y.shape[1:])
    if math.isinf(value):  # no setting of a formula, but a value to choose
        inside = _constant(np.ones((1, *x.shape[1:]), np.float32), ways, 0.0)
        return where(inside > 0, _constant(x, ways, 0.0), value)
    both = [ways.get(k, (0, 0)) for k in range(1, x.ndim)]
    return ops.pad(x, p=tuple(p for p, _ in both), q=tuple(q for _, q in both), value=value) if any(map(any, both)) else x


def _each_axis(x: Tensor, ways: dict[int, tuple[int, int]], mode: str) -> Tensor:
    for k, (p, q) in sorted(ways.items()):
        size = x.shape[k]
        most = size - 1 if mode == "reflect" else size if mode == "circular" else math.inf
        if min(p, q) < 0 or max(p, q) > most:
            raise ShapeError(
                f"pad of {list(x.shape)} by {(p, q)} in mode {mode!r}: accepted: from 0 to {most if most < math.inf else 'any number of'} places"
            )
        if p or q:
            x = along(x, k, lambda y, p=p, q=q: MODES[mode](y, p=p, q=q))  # type: ignore[misc]  # mypy does not infer lambdas with defaults
    return x


# Other sizes -------------------------------------------------------------------------------------------------------------

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
    """Other numbers of places along all axes but samples and channels: the nearest values, or between two of them along each axis."""
    x = tensor(input)
    if flag(antialias, "antialias"):
        raise ArgumentError("antialias=True: no filter stands before the places that are left; accepted: False")
    choice(mode, "mode", ("nearest", "nearest-exact", *LINEAR))
    d = x.ndim - 2
    if d < 1 or d > 3 or LINEAR.get(mode, x.ndim) != x.ndim:
        raise ShapeError(f"interpolate of {list(x.shape)} in mode {mode!r}: accepted: {LINEAR.get(mode, '3 to 5')} axes, samples and channels first")
    if mode not in LINEAR and align_corners is not None:
        raise ArgumentError(f"align_corners={align_corners!r}: mode {mode!r} has no corners; accepted: None")
    scales, sizes = _sizes(x, size, scale_factor, bool(recompute_scale_factor))
    if mode in LINEAR:
        for k, (o, scale) in enumerate(zip(sizes, scales, strict=True)):
            x = along(x, 2 + k, lambda y, o=o, scale=scale: _linear(y, o, scale, bool(align_corners)))  # type: ignore[misc]  # as above
        return x
    if mode == "nearest":  # the value at floor(i / scale)
        return ops.upsample_nearest(x, o=sizes, a=tuple(f.denominator for f in scales), b=tuple(f.numerator for f in scales))
    for k, (o, f) in enumerate(zip(sizes, scales, strict=True)):  # at floor((i + 1/2) / scale)
        x = along(x, 2 + k, lambda y, o=o, f=f: ops.nearest_exact(y, o=o, a=f.denominator, b=f.numerator))  # type: ignore[misc]  # as above
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
