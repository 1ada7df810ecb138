"""Functions that only move values, tables and products, with PyTorch's names and arguments."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ... import ops
from ...errors import ArgumentError, ShapeError
from ...operation.arrays import to_array
from .. import patterns
from ..arguments import flag, is_whole, real, whole
from ..tensors import Symbol
from .common import Tensor, axis_of, tensor


def flatten(x: Tensor, start_dim: int = 1, end_dim: int = -1) -> Tensor:
    """The axes from start_dim to end_dim as one; without arguments all but the samples."""
    if isinstance(x, Symbol):
        if (start_dim, end_dim) == (1, -1) and x.ndim >= 2:
            return ops.flatten(x)
        return x.flatten(start_dim, end_dim)
    a = to_array(x, "x")
    first, last = patterns.axes_of(start_dim, a.ndim)[0], patterns.axes_of(end_dim, a.ndim)[0]
    return a.reshape(*a.shape[:first], math.prod(a.shape[first : last + 1]), *a.shape[last + 1 :])


def unflatten(x: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
    """An axis as several, one of whose sizes may be -1."""
    x = tensor(x)
    k = axis_of(x, dim, "unflatten")
    if not isinstance(sizes, (tuple, list)) or not all(map(is_whole, sizes)):
        raise ArgumentError(f"sizes={sizes!r:.80}: not sizes; accepted: whole numbers, one of which may be -1")
    inner = patterns.whole_shape((x.shape[k],), tuple(sizes))
    return x.reshape(*x.shape[:k], *inner, *x.shape[k + 1 :])


def _images(x: Tensor, factor: object, what: str, who: str) -> tuple[Tensor, int]:
    x, r = tensor(x), whole(factor, what)  # type: ignore[arg-type]  # whole checks it
    if x.ndim < 3:
        raise ShapeError(f"{who} of {list(x.shape)}: accepted: channels, rows and columns on the last three axes")
    return x.reshape(math.prod(x.shape[:-3]), *x.shape[-3:]) if x.ndim != 4 else x, r


def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """Channels become places (ops.pixel_shuffle)."""
    rows, r = _images(input, upscale_factor, "upscale_factor", "pixel_shuffle")
    if rows.shape[1] % (r * r):
        raise ShapeError(f"pixel_shuffle of {rows.shape[1]} channels: accepted: a multiple of {r * r}")
    y = ops.pixel_shuffle(rows, r=r)
    return y.reshape(*tensor(input).shape[:-3], *y.shape[1:])


def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """Places become channels (ops.pixel_unshuffle)."""
    rows, r = _images(input, downscale_factor, "downscale_factor", "pixel_unshuffle")
    if rows.shape[2] % r or rows.shape[3] % r:
        raise ShapeError(f"pixel_unshuffle of {list(rows.shape[2:])} places: accepted: multiples of {r}")
    y = ops.pixel_unshuffle(rows, r=r)
    return y.reshape(*tensor(input).shape[:-3], *y.shape[1:])


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Fully connected layer on the last axis (ops.linear)."""
    x = tensor(input)
    return ops.linear(x, weight, bias) if x.ndim != 1 else ops.linear(x.reshape(1, -1), weight, bias).reshape(-1)


def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Sums of products of two inputs' last axes (ops.bilinear)."""
    a, b = tensor(input1), tensor(input2)
    if a.ndim == b.ndim == 1:
        return ops.bilinear(a.reshape(1, -1), b.reshape(1, -1), weight, bias).reshape(-1)
    return ops.bilinear(a, b, weight, bias)


def embedding(input: Tensor, weight: Tensor) -> Tensor:
    """Rows of a table (ops.embedding)."""
    t = tensor(input)
    return ops.embedding(t, weight) if t.ndim else ops.embedding(t.reshape(1), weight).reshape(-1)


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False, seed: Any = 0) -> Tensor:
    """In training, each value is 0 with probability p, else divided by 1 - p (ops.dropout). seed: a whole number says which ones."""
    flag(inplace, "inplace")
    if real(p, "p", 0, 1) == 0 or not flag(training, "training"):
        return tensor(input)
    return ops.dropout(input, seed, p=float(p)) if p < 1 else tensor(input) * 0.0


def dropout_channels(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False, seed: Any = 0) -> Tensor:
    """The same for whole channels: all their places are kept or dropped together (ops.dropout_channels)."""
    flag(inplace, "inplace")
    if real(p, "p", 0, 1) == 0 or not flag(training, "training"):
        return tensor(input)
    return ops.dropout_channels(input, seed, p=float(p)) if p < 1 else tensor(input) * 0.0


dropout1d = dropout2d = dropout3d = dropout_channels
