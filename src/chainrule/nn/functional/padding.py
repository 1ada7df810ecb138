"""Padding, with PyTorch's names and arguments."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from ... import ops
from ...errors import ArgumentError, ShapeError
from ...operation.op import Op
from ..arguments import choice, is_whole, real
from .common import Tensor, tensor, where

MODES: dict[str, Op] = {"reflect": ops.pad_reflect, "replicate": ops.pad_replicate, "circular": ops.pad_circular}


def along(x: Tensor, axis: int, function: Callable[[Tensor], Tensor]) -> Tensor:
    """A function of the third of four axes, for any axis but the first: those before it and behind it are put together meanwhile."""
    shape = x.shape
    y = function(x.reshape(shape[0], math.prod(shape[1:axis]), shape[axis], math.prod(shape[axis + 1 :])))
    return y.reshape(*shape[:axis], y.shape[2], *shape[axis + 1 :])


def pad(input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    """Places before and behind the last axes: pairs of numbers, the last axis first; negative ones cut off. A value may be infinite."""
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
    cut = {k: (min(p, 0), min(q, 0)) for k, (p, q) in ways.items()}
    if mode == "circular":  # what is cut off does not come back at the other end
        x = _constant(x, cut, 0.0)
    for k, (p, q) in sorted(ways.items()):
        size, (p, q) = x.shape[k], (max(p, 0), max(q, 0))
        most = size - 1 if mode == "reflect" else size if mode == "circular" else math.inf
        if max(p, q) > most:
            raise ShapeError(
                f"pad of {list(x.shape)} by {(p, q)} in mode {mode!r}: accepted: up to {most} places, or negative numbers, which cut off"
            )
        if p or q:
            x = along(x, k, lambda y, p=p, q=q: MODES[mode](y, p=p, q=q))  # type: ignore[misc]  # mypy does not infer lambdas with defaults
    return x if mode == "circular" else _constant(x, cut, 0.0)
