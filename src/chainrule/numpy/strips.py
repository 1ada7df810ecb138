"""A formula of numbers on large arrays: a strip at a time, so that what is computed on the way stays in the processor's cache.

Every element is computed as before: the bits are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np

from .contract import Run
from .memory import MEMORY

STRIP = 1 << 14  # elements; a few such arrays of doubles fit into a second-level cache
Into = Callable[[Sequence[Any], bool], Any]


def in_strips(run: Run, read: Collection[int]) -> Into:
    """The same function of values of which the last tells the size, and whether the result may take the last one's memory.

    read: the places of those values that it reads.
    """

    def whole(v: Sequence[Any], own: bool) -> Any:
        last = v[-1]
        if not any(last.strides):  # one number, everywhere
            v, own = [*v[:-1], last[(0,) * last.ndim]], False
        if not all(fits(a, last.shape) for k, a in enumerate(v) if k in read or (own and a is last)):
            return run(v)
        flat = [a.reshape(-1) if k in read and np.ndim(a) else a for k, a in enumerate(v)]
        return strips(flat, last, own)

    def strips(v: Sequence[Any], last: Any, own: bool) -> Any:
        out = None
        for start in range(0, last.size, STRIP):
            part = slice(start, start + STRIP)
            made = run([a[part] if k in read and np.ndim(a) else a for k, a in enumerate(v)])
            if np.ndim(made) == 0:  # of numbers alone
                return np.broadcast_to(made, last.shape)
            if out is None:
                out = last if own and last.dtype == made.dtype else MEMORY.take(last.shape, made.dtype)
                flat = out.reshape(-1)
            flat[part] = made
        return out

    return whole


def fits(a: Any, shape: tuple[int, ...]) -> bool:
    """Whether a value is a number, or an array of that shape with its elements in a row."""
    return np.ndim(a) == 0 or (a.shape == shape and a.flags.c_contiguous)
