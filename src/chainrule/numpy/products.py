"""Matrix products and all sums of products: Einstein's notation is a formula already."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from ..errors import ArgumentError, ShapeError
from .letters import LETTERS, tensor, total
from .registry import FUNCTIONS, of, real
from .rule import Rule, Shape, formula
from .tape import apply

OPERANDS = "abcdefxz"


@lru_cache(4096)
def contraction(name: str, specs: tuple[str, ...], out: str, shapes: tuple[Shape, ...], value: Callable[..., Any] | None) -> Rule:
    """y[out] = sum[the other letters](a[…] * b[…]); an axis of 1 is read at 0 where others have more places along its letter."""
    size: dict[str, int] = {}
    for spec, shape in zip(specs, shapes, strict=True):
        for x, n in zip(spec, shape, strict=True):
            if size.setdefault(x, n) != n and 1 not in (size[x], n):
                raise ShapeError(f"{name} of shapes {', '.join(map(str, shapes))}: axes of {size[x]} and {n} meet; accepted: equal sizes")
            size[x] = max(size[x], n) if 0 not in (size[x], n) else 0
    heads, reads = [], []
    for operand, spec, shape in zip(OPERANDS, specs, shapes, strict=False):
        one = [n == 1 and size[x] != 1 for x, n in zip(spec, shape, strict=True)]
        heads.append(tensor(operand, ["1" if k else x.upper() for x, k in zip(spec, one, strict=True)]))
        reads.append(tensor(operand, ["0" if k else x for x, k in zip(spec, one, strict=True)]))
    over = [x for x in size if x not in out]
    body = total("sum", over, " * ".join(reads))
    text = f"{name}_({', '.join(heads)}) -> {tensor('y', [x.upper() for x in out])}\n  {tensor('y', out)} = {body}"
    return Rule(formula(text), shapes, value)


def contracted(name: str, specs: Sequence[str], out: str, arrays: Sequence[Any], value: Callable[..., Any] | None) -> Any:
    return apply(contraction(name, tuple(specs), out, tuple(np.shape(a) for a in arrays), value), tuple(arrays))


@of(np.matmul, np.linalg.matmul)
def matmul(x1: Any, x2: Any, /, **_: Any) -> Any:
    a, b = real(x1), real(x2)
    m, n = np.ndim(a), np.ndim(b)
    if not m or not n:
        raise ShapeError(f"matmul of shapes {np.shape(a)} and {np.shape(b)}: a number is no matrix; accepted: * for numbers")
    batch = LETTERS[3 : 1 + max(m, n)]
    left = batch[len(batch) - max(m - 2, 0) :] + ("ik" if m > 1 else "k")
    right = batch[len(batch) - max(n - 2, 0) :] + ("kj" if n > 1 else "k")
    return contracted("matmul", (left, right), batch + "i" * (m > 1) + "j" * (n > 1), (a, b), np.matmul)


@of(np.dot)
def dot(a: Any, b: Any, out: Any = None) -> Any:
    a, b = real(a), real(b)
    m, n = np.ndim(a), np.ndim(b)
    if not m or not n:
        return a * b
    one, two = LETTERS[1:m], LETTERS[m : m + n - 2] if n > 1 else ""
    last = LETTERS[m + n - 2] if n > 1 else ""
    return contracted("dot", (one + "i", two + "i" + last), one + two + last, (a, b), np.dot)


@of(np.vdot)
def vdot(a: Any, b: Any, /) -> Any:
    return dot(np.ravel(real(a)), np.ravel(real(b)))


@of(np.inner)
def inner(a: Any, b: Any, /) -> Any:
    a, b = real(a), real(b)
    m, n = np.ndim(a), np.ndim(b)
    if not m or not n:
        return a * b
    one, two = LETTERS[1:m], LETTERS[m : m + n - 1]
    return contracted("inner", (one + "i", two + "i"), one + two, (a, b), np.inner)


@of(np.vecdot, np.linalg.vecdot)
def vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    return np.sum(real(x1) * real(x2), axis=axis)


@of(np.outer, np.linalg.outer)
def outer(a: Any, b: Any, out: Any = None) -> Any:
    return contracted("outer", ("i", "j"), "ij", (np.ravel(real(a)), np.ravel(real(b))), np.outer)


@of(np.tensordot, np.linalg.tensordot)
def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    a, b = real(a), real(b)
    m, n = np.ndim(a), np.ndim(b)
    left: list[Any]
    right: list[Any]
    if isinstance(axes, (int, np.integer)):
        left, right = list(range(m - int(axes), m)), list(range(int(axes)))
    else:
        left, right = ([k] if isinstance(k, (int, np.integer)) else list(k) for k in axes)
    left, right = [k % m for k in left], [k % n for k in right]
    one, two = list(LETTERS[:m]), list(LETTERS[m : m + n])
    for j, k in zip(left, right, strict=True):
        two[k] = one[j]
    out = "".join(x for k, x in enumerate(one) if k not in left) + "".join(x for k, x in enumerate(two) if k not in right)
    given = (tuple(left), tuple(right))
    return contracted("tensordot", ("".join(one), "".join(two)), out, (a, b), _tensordot(given))


@lru_cache(256)
def _tensordot(axes: Any) -> Callable[..., Any]:
    return lambda a, b: np.tensordot(a, b, axes)


@of(np.kron)
def kron(a: Any, b: Any) -> Any:
    a, b = real(a), real(b)
    ndim = max(np.ndim(a), np.ndim(b))
    one, two = (1,) * (ndim - np.ndim(a)) + np.shape(a), (1,) * (ndim - np.ndim(b)) + np.shape(b)
    left = np.reshape(a, [m for n in one for m in (n, 1)])
    right = np.reshape(b, [m for n in two for m in (1, n)])
    return np.reshape(left * right, [p * q for p, q in zip(one, two, strict=True)])


@of(np.einsum)
def einsum(*operands: Any, out: Any = None, optimize: Any = False, **given: Any) -> Any:
    if out is not None or any(k not in ("order", "casting") for k in given):
        raise ArgumentError("np.einsum(out=…, dtype=…): not taken where a derivative is; accepted: np.einsum(text, *arrays)")
    if not isinstance(operands[0], str):
        return einsum(*lettered(operands))
    arrays = [real(a) for a in operands[1:]]
    specs, result = spelled(operands[0].replace(" ", ""), [np.ndim(a) for a in arrays])
    known = _einsum(",".join(specs) + "->" + result)
    if len(arrays) > len(OPERANDS):
        raise ArgumentError(f"np.einsum of {len(arrays)} arrays: too many for one formula; accepted: up to {len(OPERANDS)} at a time")
    return contracted("einsum", specs, result, arrays, known)


@lru_cache(1024)
def _einsum(text: str) -> Callable[..., Any]:
    return lambda *a: np.einsum(text, *a)


def lettered(operands: Sequence[Any]) -> list[Any]:
    """einsum(a, [0, 1], b, [1, 2], [0, 2]) as text and arrays."""
    pairs = [(operands[k], operands[k + 1]) for k in range(0, len(operands) - 1, 2)]

    def word(axes: Sequence[Any]) -> str:
        return "".join("..." if n is Ellipsis else chr(ord("a") + n) for n in axes)

    text = ",".join(word(axes) for _, axes in pairs) + (f"->{word(operands[-1])}" if len(operands) % 2 else "")
    return [text, *(a for a, _ in pairs)]


@lru_cache(1024)
def _renamed(text: str) -> dict[str, str]:
    found = dict.fromkeys(x for x in text if x.isalpha())
    if len(found) > len(LETTERS):
        raise ArgumentError(f"np.einsum({text!r}): {len(found)} letters; accepted: up to {len(LETTERS)}")
    return dict(zip(found, LETTERS, strict=False))


def spelled(text: str, ndims: Sequence[int]) -> tuple[list[str], str]:
    """The letters of every operand and of the result, with letters for what an ellipsis stands for."""
    left, arrow, result = text.partition("->")
    specs = left.split(",")
    if len(specs) != len(ndims):
        raise ArgumentError(f"np.einsum({text!r}) of {len(ndims)} arrays; accepted: one for each of its {len(specs)} parts")
    most = max([n - len(s.replace(".", "")) for s, n in zip(specs, ndims, strict=True) if "." in s], default=0)
    extra = "".join(x for x in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" if x not in text)[:most]
    filled = [s.replace("...", extra[len(extra) - (n - len(s.replace(".", ""))) :]) if "." in s else s for s, n in zip(specs, ndims, strict=True)]
    for s, n in zip(filled, ndims, strict=True):
        if len(s) != n:
            raise ShapeError(f"np.einsum({text!r}): an array of {n} axes for {s!r}; accepted: a letter for each axis")
    if not arrow:
        every = "".join(filled)
        result = "..." * ("." in text) + "".join(sorted(x for x in set(every) if every.count(x) == 1 and x not in extra))
    result = result.replace("...", extra)
    rename = _renamed("".join(filled) + result)
    return ["".join(rename[x] for x in s) for s in filled], "".join(rename[x] for x in result)


@of(np.linalg.multi_dot)
def multi_dot(arrays: Any, *, out: Any = None) -> Any:
    y = real(arrays[0])
    for a in arrays[1:]:
        y = dot(y, a)
    return y


@of(np.cross, np.linalg.cross)
def cross(a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: Any = None) -> Any:
    axisa, axisb, axisc = (axis, axis, axis) if axis is not None else (axisa, axisb, axisc)
    a, b = np.moveaxis(real(a), axisa, -1), np.moveaxis(real(b), axisb, -1)
    if np.shape(a)[-1] != 3 or np.shape(b)[-1] != 3:
        raise ShapeError(f"np.cross of shapes {np.shape(a)} and {np.shape(b)}; accepted: vectors of 3")
    after, before = np.array([1, 2, 0]), np.array([2, 0, 1])
    y = a[..., after] * b[..., before] - a[..., before] * b[..., after]
    return y if y.ndim == 1 else np.moveaxis(y, -1, axisc)


for _f, _g in ((np.matvec, "matvec"), (np.vecmat, "vecmat")) if hasattr(np, "matvec") else ():
    FUNCTIONS[_f] = (
        (lambda a, x: matmul(a, real(x)[..., None])[..., 0]) if _g == "matvec" else (lambda x, a: matmul(real(x)[..., None, :], a)[..., 0, :])
    )
