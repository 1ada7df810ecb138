"""where(test, a, b) on large arrays: by their bits. NumPy goes element by element, and a processor that guesses wrong which comes next loses
more time than a few passes over the bits take. What comes out is the same, to the bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .memory import MEMORY
from .strips import STRIP

FEW = 1 << 12  # elements below which nothing is gained
WHOLE: dict[Any, Any] = {np.dtype(np.float64): np.dtype(np.int64), np.dtype(np.float32): np.dtype(np.int32)}


def choice(test: Any, a: Any, b: Any) -> Any:
    """a where the test holds, else b."""
    if type(test) is not np.ndarray or test.size < FEW or test.dtype != bool:
        return np.where(test, a, b)[()]
    real = np.result_type(a, b)
    rows = [row(x, test) for x in (a, b)]
    if real not in WHOLE or any(x is None for x in rows) or not test.flags.c_contiguous:
        return np.where(test, a, b)
    out: np.ndarray = MEMORY.take(test.shape, real) if test.size > STRIP else np.empty(test.shape, real)
    by_bits(test.reshape(-1), rows[0], rows[1], out.reshape(-1))
    return out


def row(x: Any, test: np.ndarray) -> Any:
    """A number as it is, an array of the test's shape as a row; None: neither."""
    if np.ndim(x) == 0:
        return x
    return x.reshape(-1) if x.shape == test.shape and x.flags.c_contiguous else None


def by_bits(test: np.ndarray, a: Any, b: Any, out: np.ndarray) -> None:
    """b with those bits in which a differs, where the test holds."""
    whole = WHOLE[out.dtype]
    zero = np.ndim(b) == 0 and b == 0 and not np.signbit(b)
    mask = np.empty(min(STRIP, test.size), whole)
    for start in range(0, test.size, STRIP):
        part = slice(start, start + STRIP)
        t, o = test[part], out[part].view(whole)
        p, q = (np.asarray(x if np.ndim(x) == 0 else x[part], out.dtype).view(whole) for x in (a, b))
        count = np.count_nonzero(t)
        if count in (0, t.size):
            o[...] = p if count else q
            continue
        m = mask[: t.size]
        m[...] = -t.view(np.int8)  # all bits or none
        if zero:
            np.bitwise_and(p, m, out=o)
            continue
        np.bitwise_xor(p, q, out=o)
        np.bitwise_and(o, m, out=o)
        np.bitwise_xor(o, q, out=o)
