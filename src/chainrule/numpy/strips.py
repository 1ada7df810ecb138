"""A formula of numbers on large arrays: a strip at a time, so that what is computed on the way stays in the processor's cache.

Every element is computed as before: the bits are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np

from .contract import Run

STRIP = 1 << 14  # elements; a few such arrays of doubles fit into a second-level cache
Into = Callable[[Sequence[Any], bool], Any]


def in_strips(run: Run, read: Collection[int]) -> Into:
    """The same function of values of which the last tells the size, and whether the result may take the last one's memory.

    read: the places of those values that it reads.
    """

    def whole(v: Sequence[Any], own: bool) -> Any:
        last = v[-1]
        if not (last.flags.c_contiguous and all(fits(a, last) for k, a in enumerate(v) if k in read)):
            return run(v)
        flat = [a.reshape(-1) if k in read and isinstance(a, np.ndarray) and a.ndim else a for k, a in enumerate(v)]
        flat[-1] = last.reshape(-1)
        return strips(flat, own).reshape(last.shape)

    def strips(v: Sequence[Any], own: bool) -> Any:
        out, count = None, v[-1].size
        for start in range(0, count, STRIP):
            part = slice(start, start + STRIP)
            made = run([a[part] if k in read and isinstance(a, np.ndarray) and a.ndim else a for k, a in enumerate(v)])
            if out is None:
                out = v[-1] if own and v[-1].dtype == made.dtype else np.empty(count, made.dtype)
            out[part] = made
        return out

    return whole


def fits(a: Any, last: Any) -> bool:
    """Whether a value is a number, or an array like the last one."""
    return not isinstance(a, np.ndarray) or not a.ndim or (a.shape == last.shape and a.flags.c_contiguous)
