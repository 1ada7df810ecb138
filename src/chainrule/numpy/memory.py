"""Memory of large arrays that is used again: the system gives new memory page by page, which takes several times as long as to compute in it.

    take -> an array in a block; when nothing refers to the block any more, the next take of as many bytes gets it

At most MOST bytes in MANY blocks are known, those that were asked for last; others go as all arrays do.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from math import prod
from threading import Lock
from typing import Any

import numpy as np

MOST = 1 << 27  # bytes
MANY = 256  # blocks
LINE = 64  # bytes
LARGE = 1 << 13  # elements from which on an array is worth it


class Memory:
    def __init__(self) -> None:
        self.lock = Lock()
        self.blocks: list[np.ndarray] = []
        self.bytes = 0
        self.blocks.append(np.empty(1, np.uint8))
        self.free = self.references(0)  # to a block that nothing but this object knows
        self.blocks.clear()

    def references(self, k: int) -> int:
        return sys.getrefcount(self.blocks[k])

    def block(self, size: int) -> np.ndarray:
        with self.lock:
            for k in range(len(self.blocks) - 1, -1, -1):
                if self.blocks[k].nbytes == size and self.references(k) <= self.free:
                    self.blocks.append(self.blocks.pop(k))
                    return self.blocks[-1]
            made = np.empty(size, np.uint8)
            if size <= MOST:
                self.blocks.append(made)
                self.bytes += size
                while self.bytes > MOST or len(self.blocks) > MANY:
                    self.bytes -= self.blocks.pop(0).nbytes
            return made

    def take(self, shape: Sequence[int], dtype: Any) -> Any:
        """An array with any values in it."""
        size = prod(shape) * dtype.itemsize
        block = self.block(size + LINE)
        start = -block.ctypes.data % LINE
        return block[start : start + size].view(dtype).reshape(shape)

    def knows(self, a: np.ndarray) -> bool:
        """Whether an array is in one of the blocks, so that it is nobody else's for as long as it is there."""
        with self.lock:
            return any(b is a.base for b in self.blocks)

    def copy(self, a: np.ndarray) -> np.ndarray:
        if a.size <= LARGE or a.dtype.kind != "f":
            return np.array(a)
        out: np.ndarray = self.take(a.shape, a.dtype)
        out[...] = a
        return out


MEMORY = Memory()


def zeros(shape: Sequence[int], dtype: Any) -> Any:
    if prod(shape) <= LARGE:
        return np.zeros(shape, dtype)
    a = MEMORY.take(shape, dtype)
    a.fill(0)
    return a


def computed(ufunc: Callable[..., Any], values: Sequence[Any]) -> Any:
    """ufunc(*values), in such memory where one of them is large and the others are like it."""
    most = max(values, key=np.size)
    if np.size(most) <= LARGE or not most.flags.c_contiguous or most.dtype.kind != "f":
        return ufunc(*values)
    for a in values:
        if type(a) not in (int, float) and (
            a.dtype != most.dtype or (a.shape != most.shape and np.broadcast_shapes(a.shape, most.shape) != most.shape)
        ):
            return ufunc(*values)
    return ufunc(*values, out=MEMORY.take(most.shape, most.dtype))
