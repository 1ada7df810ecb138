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
from .common import Tensor, axis_of, tensor, trace_of, where


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


def padding_row(padding_idx: int | None, rows: int) -> int | None:
    """The row of a table that stands for padding, counted from the front."""
    if padding_idx is None:
        return None
    if not is_whole(padding_idx) or not -rows <= padding_idx < rows:
        raise ArgumentError(f"padding_idx={padding_idx!r:.40}: accepted: a row of the table, or None")
    return int(padding_idx) % rows


def plain_rows(max_norm: float | None, norm_type: float, scale_grad_by_freq: bool, sparse: bool) -> None:
    """Refuse what changes a table when it is read, and gradients that are not those of the formula."""
    real(norm_type, "norm_type")
    if max_norm is not None:
        raise ArgumentError(f"max_norm={max_norm!r:.40}: would change the table when it is read; accepted: None (and optimisers that bound weights)")
    for value, name in ((scale_grad_by_freq, "scale_grad_by_freq"), (sparse, "sparse")):
        if flag(value, name):
            raise ArgumentError(f"{name}=True: the gradient is the formula's, an array of the table's shape; accepted: False")


def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """Rows of a table (ops.embedding); the row padding_idx has no gradient."""
    plain_rows(max_norm, norm_type, scale_grad_by_freq, sparse)
    t, w = tensor(input), tensor(weight, "weight")
    row = padding_row(padding_idx, w.shape[0])
    if not t.ndim:
        return embedding(t.reshape(1), w, row).reshape(-1)
    y = ops.embedding(t, w)
    if row is None or not isinstance(w, Symbol):
        return y
    return where((trace_of([w]).symbol(t) == row).unsqueeze(-1), w[row].detach(), y)  # type: ignore[union-attr]  # w is a symbol


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False, seed: Any = 0) -> Tensor:
    """In training, each value is 0 with probability p, else divided by 1 - p (ops.dropout). seed: a whole number says which ones."""
    flag(inplace, "inplace")
    x = tensor(input)
    if real(p, "p", 0, 1) == 0 or not flag(training, "training"):
        return x
    if not x.ndim:
        return dropout(x.reshape(1), p, seed=seed).reshape(())
    return ops.dropout(x, seed, p=float(p)) if p < 1 else x * 0.0


def dropout_channels(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False, seed: Any = 0) -> Tensor:
    """The same for whole channels: all their places are kept or dropped together (ops.dropout_channels)."""
    flag(inplace, "inplace")
    if real(p, "p", 0, 1) == 0 or not flag(training, "training"):
        return tensor(input)
    return ops.dropout_channels(input, seed, p=float(p)) if p < 1 else tensor(input) * 0.0


dropout1d = dropout2d = dropout3d = dropout_channels
