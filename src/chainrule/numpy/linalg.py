"""Linear algebra by the equations that define it, or put together of such parts where a matrix is large."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from math import prod
from typing import Any

import numpy as np

from ..errors import ArgumentError, ShapeError
from .equation import Solved, equation, solve
from .indexing import READ
from .letters import tensor
from .places import Places
from .registry import FUNCTIONS, of, plain, real
from .rule import Rule, Shape
from .tape import apply

SMALL = 8  # rows up to which all elements of a factor are unknowns of one system; above, halves are put together


def square(a: Any, name: str) -> Any:
    x = real(a)
    if np.ndim(x) < 2 or np.shape(x)[-1] != np.shape(x)[-2]:
        raise ShapeError(f"np.linalg.{name} of shape {np.shape(x)}: not a square matrix; accepted: (…, n, n)")
    return x


def in_batches(a: Any, f: Callable[[Any], Any]) -> Any:
    """f of matrices with at most one axis in front, for those with several."""
    shape = np.shape(a)
    if len(shape) <= 3:
        return f(a)
    y = f(np.reshape(a, (prod(shape[:-2]), *shape[-2:])))
    return np.reshape(y, (*shape[:-2], *np.shape(y)[1:]))


def batch_of(shape: Shape) -> list[str]:
    return ["b"] if len(shape) > 2 else []


def text(name: str, batch: Sequence[str], x: Sequence[str], y: Sequence[str], index: Sequence[str], body: str) -> str:
    """An equation F(x, y) = 0 for matrices; {b} in the body stands for the batch's letter."""
    sizes = [s.upper() for s in batch]
    head = f"{name}_({tensor('x', [*sizes, *x])}, {tensor('y', [*sizes, *y])}) -> {tensor('f', [*sizes, *y])}"
    return f"{head}\n  {tensor('f', [*batch, *index])} = {body.replace('{b}', 'b,' if batch else '')}"


@of(np.linalg.solve)
def solved(a: Any, b: Any) -> Any:
    x, right = square(a, "solve"), real(b)
    vector = np.ndim(right) == 1
    right = np.reshape(right, (*np.shape(right), 1)) if vector else right
    batch = np.broadcast_shapes(np.shape(x)[:-2], np.shape(right)[:-2])
    if np.shape(right)[-2] != np.shape(x)[-1]:
        raise ShapeError(f"np.linalg.solve of shapes {np.shape(a)} and {np.shape(b)}; accepted: as many rows on the right as in the matrix")
    if batch:
        x, right = np.broadcast_to(x, (*batch, *np.shape(x)[-2:])), np.broadcast_to(right, (*batch, *np.shape(right)[-2:]))
    y = solve(x, right)
    return np.reshape(y, np.shape(y)[:-1]) if vector else y


@cache
def inverting(shape: Shape) -> Rule:
    body = "sum[k](x[{b}i,k] * y[{b}k,j]) - (i == j)"
    batch = batch_of(shape)
    return Solved(equation(text("inv", batch, "II", "II", "ij", body), len(batch), 1), (shape,), shape, np.linalg.inv)


@of(np.linalg.inv)
def inv(a: Any) -> Any:
    return in_batches(square(a, "inv"), lambda x: apply(inverting(np.shape(x)), (x,)))


@cache
def factoring(shape: Shape, symmetric: bool) -> Rule:
    """Cholesky's factor, or both of Gauss's in one matrix; each an equation in all its elements."""
    batch = batch_of(shape)
    if symmetric:
        body = "where(j <= i, sum[k](y[{b}i,k] * y[{b}j,k]) - (x[{b}i,j] + x[{b}j,i]) / 2, y[{b}i,j])"
        return Solved(equation(text("cholesky", batch, "II", "II", "ij", body), len(batch)), (shape,), shape, np.linalg.cholesky)
    body = "sum[k]((k < i) * (k <= j) * y[{b}i,k] * y[{b}k,j]) + where(i <= j, y[{b}i,j], 0) - x[{b}i,j]"
    return Solved(equation(text("lu", batch, "II", "II", "ij", body), len(batch)), (shape,), shape, elimination)


def elimination(a: np.ndarray) -> np.ndarray:
    """Gauss's factors without interchanges: the upper one, and below its diagonal the lower one."""
    y = np.array(a)
    for k in range(y.shape[-1] - 1):
        pivot = y[..., k, k]
        with np.errstate(all="ignore"):
            factor = y[..., k + 1 :, k] / pivot[..., None]
        factor = np.where(y[..., k + 1 :, k] == 0, 0, factor)
        y[..., k + 1 :, k] = factor
        y[..., k + 1 :, k + 1 :] -= factor[..., None] * y[..., k, None, k + 1 :]
    return y


@of(np.linalg.cholesky)
def cholesky(a: Any, /, *, upper: bool = False) -> Any:
    """The lower factor; the matrix stands for its symmetric part."""
    x = square(a, "cholesky")
    np.linalg.cholesky(plain(x))  # NumPy's own error where it is not positive definite
    y = in_batches(x, lower)
    return np.swapaxes(y, -1, -2) if upper else y


def lower(a: Any) -> Any:
    n = np.shape(a)[-1]
    if n <= SMALL:
        return apply(factoring(np.shape(a), True), (a,))
    h = n // 2
    a = (a + np.swapaxes(a, -1, -2)) / 2
    first = lower(a[..., :h, :h])
    below = np.swapaxes(solve(first, a[..., :h, h:]), -1, -2)
    last = lower(a[..., h:, h:] - below @ np.swapaxes(below, -1, -2))
    above = np.zeros((*np.shape(a)[:-2], h, n - h), a.dtype)
    return np.concatenate([np.concatenate([first, above], -1), np.concatenate([below, last], -1)], -2)


def pivots(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(order of rows, its sign) by which elimination divides by the largest number of a column."""
    work = np.array(a, float).reshape(-1, *a.shape[-2:])
    n = a.shape[-1]
    order = np.tile(np.arange(n), (len(work), 1))
    sign = np.ones(len(work))
    for m, row, number in zip(work, order, range(len(work)), strict=True):
        for k in range(n - 1):
            p = k + int(np.argmax(np.abs(m[k:, k])))
            if p != k:
                m[[k, p]], row[[k, p]] = m[[p, k]], row[[p, k]]
                sign[number] = -sign[number]
            if m[k, k] != 0:
                m[k + 1 :, k:] -= np.outer(m[k + 1 :, k] / m[k, k], m[k, k:])
    return order.reshape(a.shape[:-1]), sign.reshape(a.shape[:-2])


def diagonals(a: Any) -> list[Any]:
    """The diagonal of the upper factor, in parts."""
    n = np.shape(a)[-1]
    if n <= SMALL:
        return [np.diagonal(apply(factoring(np.shape(a), False), (a,)), 0, -2, -1)]
    h = n // 2
    rest = a[..., h:, h:] - a[..., h:, :h] @ solve(a[..., :h, :h], a[..., :h, h:])
    return [*diagonals(a[..., :h, :h]), *diagonals(rest)]


def eliminated(a: Any) -> tuple[Any, np.ndarray]:
    """(pivots, sign of their order) of a square matrix, or several."""
    order, sign = pivots(plain(a))
    key = (order,) if order.ndim == 1 else (np.arange(len(order))[:, None], order)
    parts = diagonals(apply(READ, (a, Places(np.shape(a), key, True))))
    return (parts[0] if len(parts) == 1 else np.concatenate(parts, -1)), np.asarray(sign, a.dtype)


@of(np.linalg.det)
def det(a: Any) -> Any:
    x = square(a, "det")
    shape = np.shape(x)
    if len(shape) > 3:
        return np.reshape(det(np.reshape(x, (-1, *shape[-2:]))), shape[:-2])
    found, sign = eliminated(x)
    return np.prod(found, axis=-1) * sign


@of(np.linalg.slogdet)
def slogdet(a: Any) -> Any:
    x = square(a, "slogdet")
    shape = np.shape(x)
    kind = type(np.linalg.slogdet(np.eye(1)))
    if len(shape) > 3:
        sign, size = slogdet(np.reshape(x, (-1, *shape[-2:])))
        return kind(np.reshape(sign, shape[:-2]), np.reshape(size, shape[:-2]))
    found, sign = eliminated(x)
    return kind(np.prod(np.sign(found), axis=-1) * sign, np.sum(np.log(np.abs(found)), axis=-1))


@cache
def diagonalizing(shape: Shape) -> Rule:
    """Row k: an eigenvector of length 1, and behind it its value."""
    batch, n = batch_of(shape), shape[-1]
    body = f"where(e < {n}, sum[j:I]((x[{{b}}e,j] + x[{{b}}j,e]) / 2 * y[{{b}}k,j]) - y[{{b}}k,{n}] * y[{{b}}k,e], sum[j:I](y[{{b}}k,j] ** 2) - 1)"
    e = equation(text("eigh", batch, "II", ("I", "I+1"), "ke", body), len(batch) + 1)

    def value(a: np.ndarray) -> np.ndarray:
        w, v = np.linalg.eigh((a + np.swapaxes(a, -1, -2)) / 2)
        return np.concatenate([np.swapaxes(v, -1, -2), w[..., None]], -1)

    return Solved(e, (shape,), (*shape[:-1], n + 1), value)


@of(np.linalg.eigh)
def eigh(a: Any, UPLO: str = "L") -> Any:
    x = square(a, "eigh")
    y = in_batches(x, lambda m: apply(diagonalizing(np.shape(m)), (m,)))
    return type(np.linalg.eigh(np.eye(1)))(y[..., -1], np.swapaxes(y[..., :-1], -1, -2))


@of(np.linalg.eigvalsh)
def eigvalsh(a: Any, UPLO: str = "L") -> Any:
    return eigh(a)[0]


@cache
def decomposing(shape: Shape) -> Rule:
    """Row k: a left and a right singular vector, and behind them their value."""
    batch, (m, n) = batch_of(shape), shape[-2:]
    k, last = min(m, n), m + n
    right = f"sum[j:J](x[{{b}}e,j] * y[{{b}}k,j+{m}]) - y[{{b}}k,{last}] * y[{{b}}k,e]"
    left = f"sum[i:I](x[{{b}}i,e-{m}] * y[{{b}}k,i]) - y[{{b}}k,{last}] * y[{{b}}k,e]"
    body = f"where(e < {m}, {right}, where(e < {last}, {left}, sum[i:I](y[{{b}}k,i] ** 2) - 1))"
    e = equation(text("svd", batch, "IJ", (str(k), "I+J+1"), "ke", body), len(batch) + 1)

    def value(a: np.ndarray) -> np.ndarray:
        u, s, v = np.linalg.svd(a, full_matrices=False)
        return np.concatenate([np.swapaxes(u, -1, -2), v, s[..., None]], -1)

    return Solved(e, (shape,), (*shape[:-2], k, m + n + 1), value)


@of(np.linalg.svd)
def svd(a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False) -> Any:
    x = real(a)
    m, n = np.shape(x)[-2:]
    if compute_uv and full_matrices and m != n:
        raise ArgumentError(f"np.linalg.svd of shape {np.shape(x)} with full_matrices: some vectors are arbitrary; accepted: full_matrices=False")
    y = in_batches(x, lambda a: apply(decomposing(np.shape(a)), (a,)))
    if not compute_uv:
        return y[..., -1]
    return type(np.linalg.svd(np.eye(1)))(np.swapaxes(y[..., :m], -1, -2), y[..., -1], y[..., m:-1])


@of(np.linalg.svdvals)
def svdvals(x: Any, /) -> Any:
    return svd(x, compute_uv=False)


@of(np.linalg.matrix_power)
def matrix_power(a: Any, n: int) -> Any:
    x = square(a, "matrix_power")
    if n < 0:
        return matrix_power(inv(x), -n)
    if n == 0:
        return np.broadcast_to(np.eye(np.shape(x)[-1]), np.shape(x))
    half = matrix_power(x, n // 2) if n > 1 else None
    return x if half is None else half @ half @ x if n % 2 else half @ half


@of(np.linalg.norm)
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    a = real(x)
    if axis is None and ord is not None and np.ndim(a) > 2:
        raise ShapeError(f"np.linalg.norm of shape {np.shape(a)} with ord={ord!r}; accepted: an axis, or two")
    axes: tuple[Any, ...] = tuple(range(np.ndim(a))) if axis is None else (axis,) if isinstance(axis, (int, np.integer)) else tuple(axis)
    if ord is None or (ord == "fro" and len(axes) == 2) or (ord == 2 and len(axes) == 1):
        return np.sqrt(np.sum(a * a, axis=axes, keepdims=keepdims))
    if len(axes) == 1:
        return vector_norm(a, ord, axes[0], keepdims)
    return matrix_norm(a, ord, axes, keepdims)


def vector_norm(a: Any, ord: Any, axis: int, keepdims: bool) -> Any:
    size = np.abs(a)
    if ord == np.inf:
        return np.max(size, axis=axis, keepdims=keepdims)
    if ord == -np.inf:
        return np.min(size, axis=axis, keepdims=keepdims)
    if ord == 1:
        return np.sum(size, axis=axis, keepdims=keepdims)
    if isinstance(ord, str) or ord == 0:
        raise ArgumentError(f"np.linalg.norm(ord={ord!r}) of vectors: no formula is known for it; accepted: other numbers, inf, -inf")
    return np.sum(size**ord, axis=axis, keepdims=keepdims) ** (1.0 / ord)


def matrix_norm(a: Any, ord: Any, axes: Sequence[int], keepdims: bool) -> Any:
    row, column = (k % np.ndim(a) for k in axes)
    if ord in (2, -2, "nuc"):
        s = svd(np.moveaxis(a, (row, column), (-2, -1)), compute_uv=False)
        y = np.sum(s, axis=-1) if ord == "nuc" else np.max(s, axis=-1) if ord == 2 else np.min(s, axis=-1)
    elif ord in (1, -1, np.inf, -np.inf):
        inner, outer = (row, column) if abs(ord) == 1 else (column, row)
        sums = np.sum(np.abs(a), axis=inner, keepdims=True)
        y = (np.max if ord > 0 else np.min)(sums, axis=(row, column))
        del outer
    else:
        raise ArgumentError(
            f"np.linalg.norm(ord={ord!r}) of matrices: no formula is known for it; accepted: None, 'fro', 'nuc', 1, -1, 2, -2, inf, -inf"
        )
    return np.reshape(y, [1 if k in (row, column) else n for k, n in enumerate(np.shape(a))]) if keepdims else y


FUNCTIONS[np.linalg.vector_norm] = lambda x, /, *, axis=None, keepdims=False, ord=2: norm(
    np.ravel(x) if axis is None else x, ord, 0 if axis is None else axis, keepdims
)
FUNCTIONS[np.linalg.matrix_norm] = lambda x, /, *, keepdims=False, ord="fro": norm(x, ord, (-2, -1), keepdims)


@cache
def multiplying(shape: Shape) -> Rule:
    body = "y[b,i] - x[b,i] * where(i == 0, 1, sum(y[b,i-1]))"
    return Solved(equation(text("cumprod", ["b"], "I", "I", "i", body), 1), (shape,), shape, lambda a: np.cumprod(a, -1))


@of(np.cumprod)
def cumprod(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    """y[i] = x[i] * y[i-1]"""
    x = real(a)
    if axis is None:
        x, axis = np.ravel(x), 0
    rows = np.moveaxis(x, axis, -1) if np.ndim(x) > 1 else x
    y = apply(multiplying((prod(np.shape(rows)[:-1]), np.shape(rows)[-1])), (np.reshape(rows, (-1, np.shape(rows)[-1])),))
    y = np.reshape(y, np.shape(rows))
    return np.moveaxis(y, -1, axis) if np.ndim(x) > 1 else y


FUNCTIONS[np.multiply, "accumulate"] = lambda a, axis=0, *rest: cumprod(a, axis)
