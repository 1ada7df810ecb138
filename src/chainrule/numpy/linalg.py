"""Linear algebra by the equations that define it, or put together of such parts where a matrix is large."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from math import prod
from typing import Any

import numpy as np

from ..errors import ArgumentError, ShapeError
from .equation import Solved, equation, solve
from .letters import tensor
from .local import Local, Near, Rows
from .registry import FUNCTIONS, absent, of, plain, real
from .rule import Rule, Shape, formula
from .tape import Node, apply


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
def whitened(shape: Shape) -> Near:
    """(1 + e) (1 + e)ᵀ = s for a lower triangle e, where s is 1."""
    batch = batch_of(shape)
    body = "where(j <= i, y[{b}i,j] * where(i == j, 2, 1) + sum[k](y[{b}i,k] * y[{b}j,k]) - (x[{b}i,j] + x[{b}j,i]) / 2 + (i == j), y[{b}i,j])"
    return Near(text("whitened", batch, "II", "II", "ij", body), (shape, shape))


@cache
def turning(shape: Shape, s: Shape) -> Rule:
    """v x vᵀ, which is known: the diagonal matrix of s, or 1 times the number s."""
    sizes = [n.upper() for n in batch_of(shape)]
    b, square = "b," if sizes else "", [*sizes, "I", "I"]
    head = f"turned_({tensor('v', square)}, {tensor('x', square)}, {tensor('s', [*sizes, 'I'] if s else [])}) -> {tensor('y', square)}"
    one = np.eye(shape[-1])
    f = formula(f"{head}\n  y[{b}k,l] = sum[i](v[{b}k,i] * sum[j](x[{b}i,j] * v[{b}l,j]))")
    return Rule(f, (shape, shape, s), lambda v, x, s: np.multiply(np.broadcast_to(s, x.shape[:-1])[..., None], one, dtype=x.dtype))


def around_factor(b: Any, x: Any) -> Any:
    """b times the factor of b⁻¹ x b⁻ᵀ, which is 1."""
    shape = np.shape(x)
    e = apply(whitened(shape), (apply(turning(shape, ()), (inv(b) if isinstance(b, Node) else np.linalg.inv(b), x, 1.0)),))
    return np.matmul(b, e)


@cache
def factoring(shape: Shape) -> Rule:
    """Cholesky's factor."""
    batch = batch_of(shape)
    body = "where(j <= i, sum[k](y[{b}i,k] * y[{b}j,k]) - (x[{b}i,j] + x[{b}j,i]) / 2, y[{b}i,j])"
    return Local(equation(text("cholesky", batch, "II", "II", "ij", body), len(batch)), shape, shape, np.linalg.cholesky, around_factor)


@of(np.linalg.cholesky)
def cholesky(a: Any, /, *, upper: bool = False) -> Any:
    """The lower factor; the matrix stands for its symmetric part."""
    y = in_batches(square(a, "cholesky"), lambda x: apply(factoring(np.shape(x)), (x,)))
    return np.swapaxes(y, -1, -2) if upper else y


@cache
def adjugating(shape: Shape) -> Rule:
    """The cofactors of a matrix, transposed: x y is d times 1, for its determinant d."""
    batch = batch_of(shape)
    body = "sum[k](x[{b}i,k] * y[{b}k,j]) - d" + ("[b]" if batch else "") + " * (i == j)"
    made = text("adjugate", batch, "II", "II", "ij", body).replace(", y[", f", {tensor('d', [s.upper() for s in batch])}, y[", 1)
    return Solved(equation(made, len(batch), 1), (shape, shape[:-2]), shape, cofactors)


def cofactors(x: np.ndarray, d: Any) -> np.ndarray:
    """The determinant times the inverse; of a singular matrix by its singular values, each left out once."""
    try:
        return np.asarray(d)[..., None, None] * np.linalg.inv(x)
    except np.linalg.LinAlgError:
        u, s, v = np.linalg.svd(x)
        n = s.shape[-1]
        rest = np.prod(np.where(np.eye(n, dtype=bool), 1, s[..., None, :]), axis=-1) * (np.linalg.det(u) * np.linalg.det(v))[..., None]
        return np.asarray(np.swapaxes(v, -1, -2) * rest[..., None, :] @ np.swapaxes(u, -1, -2))


def by_rows(name: str, batch: Sequence[str], body: str, more: str = "") -> str:
    """A formula for each row i of x, with a made of the other rows."""
    sizes = [s.upper() for s in batch]
    wide, short = (tensor(x, [*sizes, "I", "I"]) for x in "xa"), tensor("y", [*sizes, "I"])
    row = f"sum[j]({tensor('x', [*batch, 'i', 'j'])} * {tensor('a', [*batch, 'j', 'i'])})"
    return f"{name}_({', '.join(wide)}{more}) -> {short}\n  {tensor('y', [*batch, 'i'])} = {body.replace('{row}', row)}"


@cache
def expanding(shape: Shape) -> Rule:
    """Laplace: each row times its cofactors, which do not know it."""
    batch = batch_of(shape)
    return Rows(by_rows("det", batch, "{row}"), shape, np.linalg.det, lambda x, y: (apply(adjugating(np.shape(x)), (x, y)),))


@cache
def logarithmic(shape: Shape) -> Rule:
    """log|det|: the same by each row times the inverse, which is its cofactors by a number that does not know it."""
    batch = batch_of(shape)
    made = by_rows("logdet", batch, "log(abs({row})) + " + tensor("d", batch), ", " + tensor("d", [s.upper() for s in batch]))
    return Rows(made, shape, lambda x: np.linalg.slogdet(x)[1], lambda x, y: (inv(x) if isinstance(x, Node) else np.linalg.inv(x), y))


@of(np.linalg.det)
def det(a: Any) -> Any:
    x = square(a, "det")
    shape = np.shape(x)
    if len(shape) > 3:
        return np.reshape(det(np.reshape(x, (-1, *shape[-2:]))), shape[:-2])
    return apply(expanding(shape), (x,))


@of(np.linalg.slogdet)
def slogdet(a: Any) -> Any:
    x = square(a, "slogdet")
    shape = np.shape(x)
    kind = type(np.linalg.slogdet(np.eye(1)))
    if len(shape) > 3:
        sign, size = slogdet(np.reshape(x, (-1, *shape[-2:])))
        return kind(np.reshape(sign, shape[:-2]), np.reshape(size, shape[:-2]))
    return kind(np.linalg.slogdet(plain(x))[0], apply(logarithmic(shape), (x,)))


@cache
def inverting_any(shape: Shape) -> Rule:
    """xᵀ x y = xᵀ, and y of the least size, as long as the rank stays."""
    batch = batch_of(shape)
    body = "sum[k:I](x[{b}k,i] * sum[l:J](x[{b}k,l] * y[{b}l,j])) - x[{b}j,i]"
    e = equation(text("pinv", batch, "IJ", "JI", "ij", body), len(batch), 1)
    return Local(e, shape, (*shape[:-2], shape[-1], shape[-2]), np.linalg.pinv, around_inverse)


def around_inverse(y: Any, x: Any) -> Any:
    """Of x = X z + n, where X is x as it stands, n what X does not reach, n' what it does not read: z⁻¹ y + y yᵀ nᵀ + n'ᵀ yᵀ y."""
    known: Any = x.value
    m, n = np.shape(x)[-2:]
    least = np.min(np.rint(np.einsum("...ij,...ji->...", plain(known), plain(y))), initial=min(m, n))  # the rank: X y is 1 on so many axes
    z = np.eye(n) + np.matmul(y, x - known)
    found, turned = solve(z, y), np.swapaxes(x, -1, -2)
    if least < m:
        unreached = np.eye(m) - np.matmul(known, y)
        found = found + np.matmul(y, np.matmul(np.swapaxes(y, -1, -2), np.matmul(turned, unreached)))
    if least < n:
        unread = np.eye(n) - np.matmul(y, known)
        found = found + np.matmul(np.matmul(np.matmul(unread, turned), np.swapaxes(y, -1, -2)), y)
    return found


@of(np.linalg.pinv)
def pinv(a: Any, rcond: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Any:
    x = real(a)
    if not (absent(rcond) and absent(rtol)):
        raise ArgumentError("np.linalg.pinv(rcond, rtol): not taken where a derivative is; accepted: np.linalg.pinv(x)")
    return in_batches(x, lambda m: apply(inverting_any(np.shape(m)), (m,)))


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
        return np.sqrt(np.sum(np.square(a), axis=axes, keepdims=keepdims))
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
        s = np.linalg.svd(np.moveaxis(a, (row, column), (-2, -1)), compute_uv=False)
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
