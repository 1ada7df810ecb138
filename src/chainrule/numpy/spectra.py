"""Eigenvectors and singular vectors, by the equations that define them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from ..errors import ArgumentError
from .equation import equation
from .letters import tensor
from .linalg import batch_of, in_batches, square, text, turning
from .local import Local, Near
from .registry import of, plain, real
from .rule import Rule, Shape, formula
from .tape import Node, apply


@cache
def diagonal(shape: Shape) -> Near:
    """(1 + e) s = w (1 + e) for the rows of 1 + e, each of length 1, where s is diagonal."""
    batch = batch_of(shape)
    component = "x[{b}j,k] + sum[l](x[{b}j,l] * y[{b}k,l]) - x[{b}k,k] * y[{b}k,j]"
    body = f"where(j == k, 2 * y[{{b}}k,k] + sum[l](y[{{b}}k,l] ** 2), {component})"
    return Near(text("diagonal", batch, "II", "II", "kj", body), (shape, shape))


@cache
def returning(shape: Shape) -> Rule:
    """The rows of e v, where e is 0, and behind each the element of s's diagonal."""
    sizes = [n.upper() for n in batch_of(shape)]
    b, square = "b," if sizes else "", [*sizes, "I", "I"]
    head = f"returned_({tensor('e', square)}, {tensor('v', square)}, {tensor('s', square)}) -> {tensor('y', [*sizes, 'I', 'I+1'])}"

    def value(e: np.ndarray, v: np.ndarray, s: np.ndarray) -> np.ndarray:
        return np.concatenate([np.zeros_like(e), np.diagonal(s, 0, -2, -1)[..., None]], -1)

    return Rule(formula(f"{head}\n  y[{b}k,c] = sum[l](e[{b}k,l] * v[{b}l,c]) + (c == I) * s[{b}k,k]"), (shape, shape, shape), value)


def around_vectors(y: Any, x: Any) -> Any:
    """The vectors of v x vᵀ, which is diagonal, times v; its values are that diagonal."""
    v, shape = y[..., :-1], np.shape(x)
    s = apply(turning(shape, shape[:-1]), (v, x, y[..., -1]))
    return apply(returning(shape), (apply(diagonal(shape), (s,)), v, s))


class Symmetric(Local):
    """Vectors and, in the last column, their values: these move where vectors cannot be followed, as several have the same value."""

    __slots__ = ()
    called = "np.linalg.eigh"

    def gradient(self, v: Sequence[Any]) -> Any:
        if any(isinstance(a, Node) for a in v) or np.any(v[-1][..., :-1]):
            self.apart(plain(v[1])[..., -1])
            return super().gradient(v)
        return self.of_values(*v)

    def of_values(self, x: Any, y: Any, dy: Any) -> Any:
        return super().gradient((x, y, dy))

    def tangent(self, v: Sequence[Any]) -> Any:
        if any(isinstance(a, Node) for a in v):
            self.apart(plain(v[1])[..., -1])
        with np.errstate(all="ignore"):  # of vectors that cannot be followed infinite, as they are
            return super().tangent(v)

    def apart(self, w: Any) -> None:
        """Refuse values that are equal as far as their digits say."""
        most = np.max(np.abs(w), axis=-1, keepdims=True, initial=0)
        if np.any(np.abs(np.diff(w)) <= 4 * np.finfo(w.dtype).eps * most):
            raise ArgumentError(
                f"{self.called}: its vectors do not move smoothly where values are equal; accepted there: the gradient of the values alone"
            )


@cache
def diagonalizing(shape: Shape, lower: bool) -> Rule:
    """Row k: an eigenvector of length 1, and behind it its value."""
    batch, n = batch_of(shape), shape[-1]
    body = f"where(e < {n}, sum[j:I](x[{{b}}e,j] * y[{{b}}k,j]) - y[{{b}}k,{n}] * y[{{b}}k,e], sum[j:I](y[{{b}}k,j] ** 2) - 1)"
    e = equation(text("eigh", batch, "II", ("I", "I+1"), "ke", body), len(batch) + 1)

    def value(a: np.ndarray) -> np.ndarray:
        w, v = np.linalg.eigh(a, "L" if lower else "U")
        return np.concatenate([np.swapaxes(v, -1, -2), w[..., None]], -1)

    return Symmetric(e, shape, (*shape[:-1], n + 1), value, around_vectors)


@cache
def mirroring(shape: Shape, lower: bool) -> Rule:
    """A symmetric matrix from one of its triangles."""
    batch = batch_of(shape)
    body = f"where({'j <= i' if lower else 'i <= j'}, x[{{b}}i,j], x[{{b}}j,i])"
    return Rule(
        formula(text("mirror", batch, "II", "II", "ij", body).replace(", " + tensor("y", [*(s.upper() for s in batch), "I", "I"]), "")), (shape,)
    )


@of(np.linalg.eigh)
def eigh(a: Any, UPLO: str = "L") -> Any:
    """Of the matrix that the triangle says, as NumPy reads it."""
    x, lower = square(a, "eigh"), UPLO.upper() == "L"
    y = in_batches(x, lambda m: apply(diagonalizing(np.shape(m), lower), (apply(mirroring(np.shape(m), lower), (m,)),)))
    return type(np.linalg.eigh(np.eye(1)))(y[..., -1], np.swapaxes(y[..., :-1], -1, -2))


@of(np.linalg.eigvalsh)
def eigvalsh(a: Any, UPLO: str = "L") -> Any:
    return eigh(a, UPLO)[0]


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

    return Singular(e, shape, (*shape[:-2], k, m + n + 1), value, around_both)


@cache
def squaring(a: Shape, s: Shape) -> Rule:
    """a aᵀ, which is known: the diagonal matrix of s."""
    sizes = [n.upper() for n in batch_of(a)]
    b = "b," if sizes else ""
    head = f"squared_({tensor('a', [*sizes, 'I', 'J'])}, {tensor('s', [*sizes, 'I'])}) -> {tensor('y', [*sizes, 'I', 'I'])}"
    one = np.eye(s[-1])
    return Rule(formula(f"{head}\n  y[{b}k,l] = sum[j](a[{b}k,j] * a[{b}l,j])"), (a, s), lambda a, s: np.multiply(s[..., None], one, dtype=a.dtype))


def around_both(y: Any, x: Any) -> Any:
    """With u on the shorter side and v on the other: u are the vectors of x xᵀ, whose values are s²; s = u x v; and v = u x / s."""
    m, n = np.shape(x)[-2:]
    left, right, s = y[..., :m], y[..., m:-1], y[..., -1]
    u, v, z = (left, right, x) if m <= n else (right, left, np.swapaxes(x, -1, -2))
    a = np.matmul(u, z)
    e = apply(diagonal((*np.shape(a)[:-1], np.shape(s)[-1])), (apply(squaring(np.shape(a), np.shape(s)), (a, s * s)),))
    short, value = u + np.matmul(e, u), np.sum(a * v, axis=-1, keepdims=True)
    long = (a + np.matmul(e, a)) / value
    return np.concatenate([short, long, value] if m <= n else [long, short, value], -1)


class Singular(Symmetric):
    """The same for a left and a right vector; s = uᵀ x v."""

    __slots__ = ()
    called = "np.linalg.svd"

    def of_values(self, x: Any, y: Any, dy: Any) -> Any:
        back = between(np.shape(x), np.shape(y)).back(0)
        assert back is not None
        return apply(back, (x, y, y[..., -1], dy[..., -1]))


@cache
def between(x: Shape, y: Shape) -> Rule:
    batch, m = batch_of(x), x[-2]
    b = "".join(f"{n}," for n in batch)
    sizes = [s.upper() for s in batch]
    head = f"between_({tensor('x', [*sizes, 'I', 'J'])}, {tensor('y', [*sizes, 'K', 'I+J+1'])}) -> {tensor('s', [*sizes, 'K'])}"
    return Rule(formula(f"{head}\n  s[{b}k] = sum[i:I,j:J](y[{b}k,i] * x[{b}i,j] * y[{b}k,j+{m}])"), (x, y))


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
