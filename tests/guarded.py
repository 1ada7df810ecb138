"""Runs operations with every array against a page that may not be touched: a read or write outside ends the process.

`python -m tests.guarded` prints each case before it is run, so that the last line names the one that failed.
"""

from __future__ import annotations

import ctypes
import mmap
import sys

import numpy as np

from chainrule import Op
from chainrule.engines.native import program
from chainrule.operation import call
from tests.cases import CASES, Case, own

NONE = 0  # PROT_NONE
_kept: list[mmap.mmap] = []
_libc = ctypes.CDLL(None, use_errno=True)
_libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]


def fenced(shape: tuple[int, ...], dtype: np.dtype, align: int, at_end: bool) -> np.ndarray:
    """Zeros that end (or begin) where a forbidden page begins (or ends), as nearly as `align` bytes allow."""
    size, page = int(np.prod(shape)) * dtype.itemsize, mmap.PAGESIZE
    inner = -(-max(size, 1) // page) * page
    pages = mmap.mmap(-1, inner + 2 * page)
    _kept.append(pages)
    raw = np.frombuffer(pages, np.uint8)
    for at in (0, page + inner):
        if _libc.mprotect(raw.ctypes.data + at, page, NONE):
            raise OSError(ctypes.get_errno(), "mprotect")
    start = page + ((inner - size) // align * align if at_end else 0)
    return raw[start : start + size].view(dtype).reshape(shape)


def like(a: np.ndarray, at_end: bool) -> np.ndarray:
    out = fenced(a.shape, a.dtype, a.dtype.itemsize, at_end)
    out[...] = a
    return out


EXTRA = [
    own("ragged(a[M,K], b[K,P]) -> y[M,P], z[P]\n y[i,j] = sum[k](a[i,k]*b[k,j])\n z[j] = sum[i:M](a[i,0]*b[0,j])", a=(7, 5), b=(5, 19)),
    own("by_rows(x[A,H], w[A,K]) -> y[A,4]\n y[a,i] = sum[u](w[a,u] * x[a,i*u])", x=(5, 6), w=(5, 3)),
    own("every_other(x[H]) -> y[H//2]\n y[i] = x[2*i]*x[i+1]", x=(39,)),
    own("flat(x[A,B], z[A,B]) -> y[A,B]\n y[i,j] = x[i,j]*z[i,j] + 1", x=(3, 7), z=(3, 7)),
]  # fmt: skip


def run(case: Case, samples: int, dtype: type) -> None:
    arrays = case.arrays(samples, dtype=dtype)
    gradient = case.op.gradient(case.wrt)
    values = case.op.evaluate(arrays, case.numbers, "reference")
    seeds = {gradient.seed[k]: np.ones(np.shape(v), dtype) for k, v in values.items()}
    for op, given in ((case.op, arrays), (Op.of(gradient.definition), arrays | seeds)):
        want = op.evaluate(given, case.numbers, "reference")
        for at_end in (True, False):
            made = lambda shape, kind, at_end=at_end: fenced(shape, kind, 64, at_end)  # noqa: E731
            program.aligned, call.SMALL = made, -1
            call.aligned = lambda shape, kind, at_end=at_end: fenced(shape, kind, kind.itemsize, at_end)
            fresh = Op.of(op.definition)
            found = fresh.evaluate({k: like(a, at_end) for k, a in given.items()}, case.numbers, threads=2)
            for k, v in want.items():
                scale = max(1.0, float(np.max(np.abs(v), initial=0, where=np.isfinite(v))))
                np.testing.assert_allclose(found[k], v, rtol=0, atol=(1e-11 if dtype is np.float64 else 1e-4) * scale, err_msg=k)


def grows() -> None:
    """One program serves batches of several sizes; its memory grows with them."""
    program.aligned = lambda shape, kind: fenced(shape, kind, 64, True)
    case = next(c for c in CASES if c.id == "norm")  # several phases: what one makes for the next lies in the program's memory
    op = Op.of(case.op.definition)
    for samples in (10, 60, 20, 64):
        arrays = case.arrays(samples)
        np.testing.assert_allclose(
            op.evaluate(arrays, case.numbers)["y"], op.evaluate(arrays, case.numbers, "reference")["y"], rtol=1e-11, atol=1e-11
        )


def main(names: list[str]) -> None:
    cases = [c for c in CASES if c.id in names] + EXTRA
    for case in cases:
        for samples, dtype in ((1, np.float32), (5, np.float64), (18, np.float32)):
            print(case.id, samples, dtype.__name__, flush=True)
            run(case, samples, dtype)
            _kept.clear()
    print("growing batches", flush=True)
    grows()
    print("nothing outside was touched", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
