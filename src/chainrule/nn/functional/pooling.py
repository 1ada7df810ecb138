"""Pools, with PyTorch's names and arguments."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ... import ops
from ...errors import ArgumentError, ShapeError
from ...language.program import MOST
from ..arguments import flag, is_whole, real, several
from .common import Tensor, batched
from .convolution import AXES
from .padding import along

Sizes = tuple[int, ...]


def windowed(kernel_size: Any, stride: Any, padding: Any, d: int) -> tuple[Sizes, Sizes, Sizes]:
    """The arguments of a pool, checked."""
    k = several(kernel_size, "kernel_size", 1, d)
    s = k if stride is None or stride == () or stride == [] else several(stride, "stride", 1, d)
    p = several(padding, "padding", 0, d)
    if any(2 * a > b for a, b in zip(p, k, strict=True)):
        raise ArgumentError(f"padding={padding!r}: more than half the window {kernel_size!r}; accepted: at most half of kernel_size")
    return k, s, p


def more(x: Tensor, k: Sizes, s: Sizes, p: Sizes, t: Sizes, ceil_mode: bool, who: str) -> Sizes:
    """How many windows more there are along each axis that begin inside and reach beyond the end."""
    out = []
    for size, a, b, c, e in zip(x.shape[2:], k, s, p, t, strict=True):
        room = size + 2 * c - e * (a - 1) - 1
        fit, up = room // b + 1, -(-room // b) + 1
        up -= (up - 1) * b >= size + c
        count = up if flag(ceil_mode, "ceil_mode") else fit
        if count < 1:
            raise ShapeError(f"{who} of {list(x.shape)}: no window of {k} fits; accepted: sizes of at least {e * (a - 1) + 1 - 2 * c}")
        out.append(count - fit)
    return tuple(out)


def _accepted(d: int) -> str:
    return f"{AXES[d]}, or one sample of them"


def max_pool(x: Tensor, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool, return_indices: bool, d: int) -> Tensor:
    """The largest of each window along d axes (ops.max_pool)."""
    who = f"max_pool{d}d"
    k, s, p = windowed(kernel_size, stride, padding, d)
    t = several(dilation, "dilation", 1, d)

    def settings(x: Tensor) -> dict[str, Any]:
        return {"k": k, "s": s, "p": p, "d": t, "more": more(x, k, s, p, t, ceil_mode, who)}

    y = batched(lambda x: ops.max_pool(x, **settings(x)), x, d + 2, who, _accepted(d))
    if not flag(return_indices, "return_indices"):
        return y
    found = batched(lambda x: _places(x, ops.max_pool_winner(x, **settings(x)), k, s, p, t), x, d + 2, who, _accepted(d))
    return y, found.astype(np.int64) if isinstance(found, np.ndarray) else found


def _places(x: Tensor, winner: Tensor, k: Sizes, s: Sizes, p: Sizes, t: Sizes) -> Tensor:
    """Where the winners of windows stand in x, counted in index order over all axes but samples and channels."""
    found: Any = 0.0
    for j in range(len(k)):
        how = {"w": math.prod(k[j + 1 :]), "k": k[j], "s": s[j], "d": t[j], "p": p[j], "h": math.prod(x.shape[3 + j :])}
        found = found + along(winner, 2 + j, lambda a, how=how: ops.window_place(a, **how))  # type: ignore[misc]  # mypy does not infer lambdas with defaults
    return found


def max_pool1d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False, return_indices: bool = False
) -> Tensor:
    """The largest of each window (ops.max_pool)."""
    return max_pool(input, kernel_size, stride, padding, dilation, ceil_mode, return_indices, 1)


def max_pool2d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False, return_indices: bool = False
) -> Tensor:
    """The largest of each window (ops.max_pool)."""
    return max_pool(input, kernel_size, stride, padding, dilation, ceil_mode, return_indices, 2)


def max_pool3d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False, return_indices: bool = False
) -> Tensor:
    """The largest of each window (ops.max_pool)."""
    return max_pool(input, kernel_size, stride, padding, dilation, ceil_mode, return_indices, 3)


def divisor(value: object) -> int:
    """What sums are divided by in place of their number."""
    if not is_whole(value) or not value or abs(value) >= MOST:
        raise ArgumentError(f"divisor_override={value!r:.80}: not usable; accepted: a whole number other than 0")
    return int(value)


def avg_pool(
    x: Tensor, kernel_size: Any, stride: Any, padding: Any, ceil_mode: bool, count_include_pad: bool, divisor_override: int | None, d: int
) -> Tensor:
    """The mean of each window along d axes (ops.avg_pool, ops.avg_pool_inside, ops.sum_pool)."""
    who = f"avg_pool{d}d"
    k, s, p = windowed(kernel_size, stride, padding, d)
    include = flag(count_include_pad, "count_include_pad")
    by = None if divisor_override is None else divisor(divisor_override)

    def run(x: Tensor) -> Tensor:
        m = more(x, k, s, p, (1,) * d, ceil_mode, who)
        if by is not None:
            return ops.sum_pool(x, k=k, s=s, p=p, more=m) / by
        if any(m) or (any(p) and not include):
            inside = p if include else 0
            return ops.avg_pool_inside(x, k=k, s=s, p=p, e=inside, z=inside, more=m)
        return ops.avg_pool(x, k=k, s=s, p=p)

    return batched(run, x, d + 2, who, _accepted(d))


def avg_pool1d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False, count_include_pad: bool = True
) -> Tensor:
    """The mean of each window (ops.avg_pool)."""
    return avg_pool(input, kernel_size, stride, padding, ceil_mode, count_include_pad, None, 1)


def avg_pool2d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False, count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:  # fmt: skip
    """The mean of each window (ops.avg_pool)."""
    return avg_pool(input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override, 2)


def avg_pool3d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False, count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:  # fmt: skip
    """The mean of each window (ops.avg_pool)."""
    return avg_pool(input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override, 3)


def lp_pool(x: Tensor, norm_type: float, kernel_size: Any, stride: Any, ceil_mode: bool, d: int) -> Tensor:
    """The root of the sum of powers of each window along d axes (ops.lp_pool)."""
    who = f"lp_pool{d}d"
    k, s, p = windowed(kernel_size, stride, 0, d)
    norm = real(norm_type, "norm_type", 0, open_end=True)

    def run(x: Tensor) -> Tensor:
        m = more(x, k, s, p, (1,) * d, ceil_mode, who)
        y = ops.lp_pool(x, k=k, s=s, more=m, norm=norm)
        return y * _cut_short(x.shape[2:], y.shape[2:], k, s, norm).astype(getattr(y, "dtype", np.float64)) if any(m) else y

    return batched(run, x, d + 2, who, _accepted(d))


def _cut_short(sizes: Sizes, windows: Sizes, k: Sizes, s: Sizes, norm: float) -> np.ndarray:
    """What norms are multiplied by where windows reach beyond the end: PyTorch takes the places outside for as large as those inside are."""
    found: Any = 1.0
    for size, count, a, b in zip(sizes, windows, k, s, strict=True):
        inside = np.minimum(size - b * np.arange(count), a)
        found = np.multiply.outer(found, (a / inside) ** (1 / norm))
    return np.asarray(found)


def lp_pool1d(input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Tensor:
    """The root of the sum of powers of each window (ops.lp_pool)."""
    return lp_pool(input, norm_type, kernel_size, stride, ceil_mode, 1)


def lp_pool2d(input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Tensor:
    """The root of the sum of powers of each window (ops.lp_pool)."""
    return lp_pool(input, norm_type, kernel_size, stride, ceil_mode, 2)


def lp_pool3d(input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Tensor:
    """The root of the sum of powers of each window (ops.lp_pool)."""
    return lp_pool(input, norm_type, kernel_size, stride, ceil_mode, 3)


# Windows for a number of outputs -------------------------------------------------------------------------------------------


def parts(output_size: Any, d: int) -> tuple[int | None, ...]:
    """How many windows along each axis; None for as many as there are places."""
    found = (output_size,) * d if output_size is None or is_whole(output_size) else output_size
    if not isinstance(found, (tuple, list)) or len(found) != d or not all(v is None or (is_whole(v) and v >= 1) for v in found):
        raise ArgumentError(f"output_size={output_size!r:.80}: not usable; accepted: a whole number of at least 1, or {d} of them (None: all places)")
    return tuple(found)


def adaptive(x: Tensor, output_size: Any, largest: bool, return_indices: bool, d: int) -> Tensor:
    """Means or largest values of so many windows along d axes (ops.adaptive_avg_pool, ops.adaptive_max_pool)."""
    wanted, indices = parts(output_size, d), flag(return_indices, "return_indices")

    def along_axes(of_windows: Any, of_parts: Any) -> Any:
        """A pool of x: windows beside one another where the parts divide all axes, which is the shorter formula."""

        def run(x: Tensor) -> Tensor:
            o = tuple(size if v is None else v for size, v in zip(x.shape[2:], wanted, strict=True))
            if all(size % v == 0 for size, v in zip(x.shape[2:], o, strict=True)):
                return of_windows(x, tuple(size // v for size, v in zip(x.shape[2:], o, strict=True)))
            return of_parts(x, o)

        return batched(run, x, d + 2, f"adaptive_{'max' if largest else 'avg'}_pool{d}d", _accepted(d))

    if not largest:
        return along_axes(lambda x, k: ops.avg_pool(x, k=k, s=k), lambda x, o: ops.adaptive_avg_pool(x, o=o))
    y = along_axes(lambda x, k: ops.max_pool(x, k=k, s=k), lambda x, o: ops.adaptive_max_pool(x, o=o))
    if not indices:
        return y
    none, one = (0,) * d, (1,) * d
    found = along_axes(lambda x, k: _places(x, ops.max_pool_winner(x, k=k, s=k), k, k, none, one), _adaptive_places)
    return y, found.astype(np.int64) if isinstance(found, np.ndarray) else found


def _adaptive_places(x: Tensor, o: Sizes) -> Tensor:
    """The same as _places for windows for a number of outputs."""
    winner = ops.adaptive_max_pool_winner(x, o=o)
    k = tuple((size + v - 1) // v + 1 for size, v in zip(x.shape[2:], o, strict=True))
    found: Any = 0.0
    for j, size in enumerate(x.shape[2:]):
        how = {"w": math.prod(k[j + 1 :]), "k": k[j], "v": size, "h": math.prod(x.shape[3 + j :])}
        found = found + along(winner, 2 + j, lambda a, how=how: ops.adaptive_window_place(a, **how))  # type: ignore[misc]  # mypy does not infer lambdas with defaults
    return found


def adaptive_avg_pool1d(input: Tensor, output_size: Any) -> Tensor:
    """The means of output_size windows along the last axis, which overlap where it does not divide its size."""
    return adaptive(input, output_size, False, False, 1)


def adaptive_avg_pool2d(input: Tensor, output_size: Any = 1) -> Tensor:
    """The means of output_size windows along rows and columns; 1 is the mean of the whole."""
    return adaptive(input, output_size, False, False, 2)


def adaptive_avg_pool3d(input: Tensor, output_size: Any) -> Tensor:
    """The means of output_size windows along the last three axes."""
    return adaptive(input, output_size, False, False, 3)


def adaptive_max_pool1d(input: Tensor, output_size: Any, return_indices: bool = False) -> Tensor:
    """The largest of output_size windows along the last axis; return_indices: and where they stand, as max_pool1d."""
    return adaptive(input, output_size, True, return_indices, 1)


def adaptive_max_pool2d(input: Tensor, output_size: Any, return_indices: bool = False) -> Tensor:
    """The largest of output_size windows along rows and columns; return_indices: and where they stand."""
    return adaptive(input, output_size, True, return_indices, 2)


def adaptive_max_pool3d(input: Tensor, output_size: Any, return_indices: bool = False) -> Tensor:
    """The largest of output_size windows along the last three axes; return_indices: and where they stand."""
    return adaptive(input, output_size, True, return_indices, 3)
