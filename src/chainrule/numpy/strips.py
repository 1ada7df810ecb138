"""A formula of numbers on large arrays: a strip at a time, so that what is computed on the way stays in the processor's cache.

Every element is computed as before: the bits are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np

from .contract import Run
from .memory import MEMORY

STRIP = 1 << 15  # elements; a few such arrays of doubles fit into a second-level cache
Into = Callable[[Sequence[Any], bool], Any]


def in_strips(run: Run, read: Collection[int]) -> Into:
    """The same function of values of which the last tells the size, and whether the result may take the last one's memory.

    read: the places of those values that it reads.
    """

    def whole(v: Sequence[Any], own: bool) -> Any:
        last = v[-1]
        if not any(last.strides):  # one number, everywhere
            v, own = [*v[:-1], last[(0,) * last.ndim]], False
        cut = [k for k, a in enumerate(v) if k in read and np.ndim(a)]
        if all(fits(v[k], last.shape) for k in cut) and (not own or last.flags.c_contiguous):
            flat = list(v)
            for k in cut:
                flat[k] = v[k].reshape(-1)
            return strips(flat, cut, last, STRIP, own)
        if last.ndim > 1 and all(v[k].shape == last.shape for k in cut):  # an adjoint that is spread, or in another order: some rows at a time
            return strips(list(v), cut, last, max(1, STRIP * last.shape[0] // last.size), None)
        return run(v)

    def strips(v: list[Any], cut: Sequence[int], last: Any, many: int, own: bool | None) -> Any:
        count = last.shape[0] if own is None else last.size
        out = None
        w = list(v)
        for start in range(0, count, many):
            part = slice(start, start + many)
            for k in cut:
                w[k] = v[k][part]
            made = run(w)
            if np.ndim(made) == 0:  # of numbers alone
                return np.broadcast_to(made, last.shape)
            if out is None:
                out = last if own and last.dtype == made.dtype else MEMORY.take(last.shape, made.dtype)
                rows = out if own is None else out.reshape(-1)
            rows[part] = made
        return out

    return whole


def fits(a: Any, shape: tuple[int, ...]) -> bool:
    """Whether an array is of that shape with its elements in a row."""
    return bool(a.shape == shape and a.flags.c_contiguous)
