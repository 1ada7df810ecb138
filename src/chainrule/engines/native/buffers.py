"""Memory that machine code likes, and where an array's memory is."""

from __future__ import annotations

import contextlib
import ctypes
import math
import mmap
import sys

import numpy as np

LINE = 64  # bytes in a cache line
HUGE = 2 << 20  # a huge page: large buffers on huge pages spare the processor thousands of address look-ups


def aligned(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Zeros whose first byte lies on a cache line; large ones on huge pages where the system has them."""
    size = math.prod(shape) * dtype.itemsize
    if size >= HUGE // 4 and hasattr(mmap, "MADV_HUGEPAGE"):
        # Private: a forked child gets its own copy when it writes, as with all other memory.
        pages = mmap.mmap(-1, -(-size // HUGE) * HUGE + HUGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        with contextlib.suppress(OSError):
            pages.madvise(mmap.MADV_HUGEPAGE)
        raw = np.frombuffer(pages, np.uint8)
        start = -raw.ctypes.data % HUGE
    else:
        raw = np.zeros(size + 2 * LINE, np.uint8)
        start = -raw.ctypes.data % LINE
    return raw[start : start + size].view(dtype).reshape(shape)


CONTIGUOUS, ALIGNED, WRITEABLE = 0x1, 0x100, 0x400  # bits of flags.num


def contiguous(a: np.ndarray) -> np.ndarray:
    """The array, or a copy where its elements do not lie one behind the other, each at a multiple of its size."""
    return a if a.flags.num & (CONTIGUOUS | ALIGNED) == CONTIGUOUS | ALIGNED else a.copy()


_DATA = object.__basicsize__  # PyArrayObject_fields of NumPy's C interface begins with the address of the data


def _field(a: np.ndarray) -> int:
    return ctypes.c_int64.from_address(id(a) + _DATA).value  # an address; a is kept alive by the caller


def _slow(a: np.ndarray) -> int:
    return a.ctypes.data


def _checked() -> bool:
    if sys.implementation.name != "cpython":
        return False
    a = np.zeros(4)
    return _field(a) == _slow(a) and _field(a[1:]) == _slow(a[1:])


address = _field if _checked() else _slow  # the field costs a tenth of the attribute, and a call asks for every array
