"""Which function of NumPy is what: a rule, a way of writing its formula for a call, flat (its derivative is 0), or refused by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import ArgumentError, ElementTypeError
from .rule import Rule
from .tape import Node

UFUNCS: dict[Any, Rule] = {}
FUNCTIONS: dict[Any, Callable[..., Any]] = {}
_NOTHING = getattr(np, "_NoValue", None)
FLAT: set[Any] = set()
REFUSED: dict[Any, str] = {}  # what to use instead

NUMBERS = frozenset({float, int, bool, np.float64, np.float32, np.float16, np.int64, np.int32, np.int16, np.int8, np.uint8, np.bool_})


def of(*functions: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Enter a function as the one that stands for these of NumPy's."""

    def enter(f: Callable[..., Any]) -> Callable[..., Any]:
        for g in functions:
            FUNCTIONS[g] = f
        return f

    return enter


_FOURIER = "a product with np.cos(2*np.pi*np.outer(k, n)/N) and np.sin(…), whose values are real"
REFUSED |= {getattr(np.fft, k): _FOURIER for k in np.fft.__all__ if "shift" not in k and "freq" not in k}
REFUSED |= {
    np.linalg.qr: "np.linalg.cholesky(a.T @ a), or np.linalg.svd(a, full_matrices=False)",
    np.linalg.lstsq: "np.linalg.solve(a.T @ a, a.T @ b) for a matrix of full rank",
    np.linalg.eig: "np.linalg.eigh for symmetric matrices",
    np.linalg.eigvals: "np.linalg.eigvalsh for symmetric matrices",
    np.linalg.tensorsolve: "np.linalg.solve of reshaped arrays",
    np.linalg.tensorinv: "np.linalg.inv of a reshaped array",
    np.insert: "np.concatenate of the parts",
    np.put_along_axis: "np.where",
    np.putmask: "np.where",
    np.copyto: "np.where",
    np.apply_along_axis: "a loop and np.stack",
}


def plain(a: Any) -> Any:
    """A value without memory of where it came from, also within lists."""
    while isinstance(a, Node):
        a = a.value
    if isinstance(a, (list, tuple)):
        return type(a)(map(plain, a)) if type(a) in (list, tuple) else type(a)(*map(plain, a))
    if isinstance(a, dict):
        return {k: plain(v) for k, v in a.items()}
    if isinstance(a, np.ndarray) and a.dtype == object:
        return np.array([plain(x) for x in a.ravel()]).reshape(a.shape)
    return a


def holds(a: Any) -> bool:
    """Whether a value that is differentiated is anywhere in it."""
    if isinstance(a, (list, tuple)):
        return any(map(holds, a))
    return isinstance(a, Node) or (isinstance(a, np.ndarray) and a.dtype == object and any(isinstance(x, Node) for x in a.flat))


def real(a: Any) -> Any:
    """An argument as rules take it: a remembered value, a number or an array of real numbers."""
    if type(a) in NUMBERS or isinstance(a, Node):
        return a
    if holds(a):
        return joined(a)
    found = a if isinstance(a, np.ndarray) else np.asarray(a)
    if found.dtype.kind == "c":
        raise ElementTypeError(f"{a!r:.60}: derivatives of complex numbers are not taken; accepted: real and imaginary part as two real arrays")
    if found.dtype.kind not in "fiub":
        raise ElementTypeError(f"{a!r:.60}: not numbers; accepted: real numbers, arrays or lists of them")
    return found


def joined(a: Any) -> Any:
    """A list, or an array of objects, with values that are differentiated among its elements, as one array."""
    if isinstance(a, np.ndarray):
        if not a.shape:
            return a[()]
        a = list(a)
    return FUNCTIONS[np.stack]([x if isinstance(x, Node) else joined(x) if holds(x) else numbers(x) for x in a])


def numbers(a: Any) -> Any:
    """A list or an array as numbers, where an array of objects holds nothing else."""
    found = np.asarray(a)
    return np.array(found.tolist()) if found.dtype == object else found


def absent(v: Any) -> bool:
    """Whether an argument was left out, as NumPy or Python says it."""
    return v is None or v is _NOTHING


def only(name: str, given: dict[str, Any], accepted: str) -> None:
    """Refuse arguments that change what a function means to NumPy alone."""
    for k, v in given.items():
        if not absent(v):
            raise ArgumentError(f"{name}({k}={v!r:.60}): not taken where a derivative is; accepted: {accepted}")


def refuse(what: Any, name: str) -> None:
    advice = REFUSED.get(what) or REFUSED.get(name)
    module = getattr(what, "__module__", "") or "numpy"
    shown = f"{module.replace('numpy', 'np', 1)}.{name}"
    raise ArgumentError(
        f"{shown}: no formula or equation is known for it; accepted: {advice or 'the functions of docs/functions.md, or the value computed outside of f'}"
    )


def flat(f: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """A function whose value does not move with its arguments: NumPy's own, on what they hold."""
    return f(*map(plain, args), **{k: plain(v) for k, v in kwargs.items()})
