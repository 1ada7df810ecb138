"""Gradients of ordinary functions of NumPy arrays: against differences, against themselves in other modes and orders, against autograd,
and every step against its formula by the reference engine."""

from __future__ import annotations

import doctest
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import autograd
import autograd.numpy
import numpy as np
import pytest

import chainrule as cr
from chainrule.engines.session import by_reference
from chainrule.language.bind import bind
from chainrule.numpy.equation import Solved
from chainrule.numpy.functions import Run
from chainrule.numpy.implicit import Implicit
from chainrule.numpy.joining import Sum
from chainrule.numpy.local import Local, Rows
from chainrule.numpy.places import Places
from chainrule.numpy.registry import FUNCTIONS, REFUSED
from chainrule.numpy.rule import Rule
from chainrule.ops.arrays import ELEMENTWISE, IMPLICIT

RNG = np.random.default_rng(7)
M = RNG.normal(size=(3, 4))
V = np.array([0.7, -1.2, 0.4, 2.1])
S = RNG.normal(size=(3, 3)) + 3 * np.eye(3)
T3 = RNG.normal(size=(2, 3, 4))
P = np.abs(M) + 0.3
U = np.tanh(M) * 0.9


@dataclass(frozen=True)
class Case:
    """A function of (NumPy or what stands for it, arrays…). theirs: autograd has it, and means the same."""

    id: str
    f: Callable[..., Any]
    args: tuple[np.ndarray, ...]
    theirs: bool = True
    smooth: bool = True
    orders: int = 2
    extra: dict[str, Any] = field(default_factory=dict)


def each(names: str, *args: np.ndarray, **more: Any) -> list[Case]:
    """Functions of NumPy by name, element by element."""
    return [Case(name, lambda np, *a, name=name: getattr(np, name)(*a), args, **more) for name in names.split()]


def sym(np: Any, a: Any) -> Any:
    return (a + np.swapaxes(a, -1, -2)) / 2


CASES = [
    *each("negative absolute square exp exp2 expm1 sin cos tan sinh cosh tanh arctan arcsinh sinc", M),
    *each("fabs", M, theirs=True),
    *each("sqrt reciprocal log log2 log10 log1p", P),
    *each("cbrt", P, theirs=False),
    *each("arcsin arccos arctanh", U),
    *each("arccosh", P + 1),
    *each("deg2rad rad2deg degrees radians", M),
    *each("add subtract multiply divide maximum minimum arctan2 logaddexp", M, RNG.normal(size=(3, 4))),
    *each("logaddexp2 fmax fmin", M, RNG.normal(size=(3, 4))),
    *each("hypot copysign", M, RNG.normal(size=(3, 4)), theirs=False),
    *each("power", P, M),
    *each("float_power", P, M, theirs=False),
    *each("remainder mod fmod", 3 * M, P, theirs=False),
    Case("add broadcast", lambda np, a, b: a + b, (M, V)),
    Case("multiply broadcast", lambda np, a, b: a * b, (M[:, :1], V)),
    Case("divide broadcast", lambda np, a, b: a / b, (T3, P)),
    Case("subtract scalar", lambda np, a, b: b - a * 2, (M, np.array(0.3))),
    Case("scalars", lambda np, a, b: a * b + np.sin(a) / b, (np.float64(2.0), np.float64(5.0))),
    Case("numbers on the left", lambda np, a: 2 - a + 3 * a / (1 / a) + 2**a, (P,)),
    Case("powers", lambda np, a: a**2 + a**3 + a**-1 + a**0.5 + a**1 + a**0, (P,)),
    Case("operators", lambda np, a: -a + abs(a) + (+a) % 0.7, (M,), theirs=False),
    Case("x[i] += is a new x", lambda np, a: accumulate(a), (V,)),
    Case("control flow", lambda np, a: sum(x**2 if x > 0 else -x for x in a), (V,)),
    Case("python loop", lambda np, a: newton(a), (np.float64(2.0),)),
    Case("logistic", lambda np, a: 1 / (1 + np.exp(-a)), (M,)),
    Case("softmax by hand", lambda np, a: np.exp(a) / np.sum(np.exp(a), axis=1, keepdims=True), (M,)),
    Case("logsumexp by hand", lambda np, a: np.max(a) + np.log(np.sum(np.exp(a - np.max(a)))), (M,)),
    *(Case(f"{k} {axis} {keep}", lambda np, a, k=k, axis=axis, keep=keep: getattr(np, k)(a, axis=axis, keepdims=keep), (T3,))
      for k in ("sum", "mean", "prod", "max", "min", "var", "std") for axis, keep in ((None, False), (1, True), ((0, 2), False), (-1, False))),
    Case("var ddof", lambda np, a: np.var(a, axis=0, ddof=1) + np.std(a, ddof=1), (M,)),
    Case("methods", lambda np, a: a.sum(0) + a.mean() + a.max(axis=1).prod() + a.std() + a.var(0) + a.min(), (M,)),
    Case("methods of shape", lambda np, a: a.T.reshape(2, 6).ravel()[::-1].dot(a.flatten()) + a.swapaxes(0, 1).squeeze()[1].cumsum()[2], (M,), theirs=False),
    Case("sum where", lambda np, a: np.sum(a, where=M > 0), (M,), theirs=False),
    Case("sum initial", lambda np, a: np.sum(a, axis=0, initial=2.0), (M,), theirs=False),
    Case("ptp", lambda np, a: np.ptp(a, axis=1), (M,), theirs=False),
    Case("average", lambda np, a: np.average(a, axis=0, weights=np.array([1.0, 2.0, 4.0])), (M,), theirs=False),
    Case("median odd", lambda np, a: np.median(a, axis=0), (M,), theirs=False),
    Case("median even", lambda np, a: np.median(a, axis=1, keepdims=True), (M,), theirs=False),
    Case("cumsum", lambda np, a: np.cumsum(a), (M,)),
    Case("cumsum axis", lambda np, a: np.cumsum(a, axis=1), (T3,)),
    Case("cumprod", lambda np, a: np.cumprod(a, axis=0), (M,), theirs=False),
    Case("cumprod with 0", lambda np, a: np.cumprod(a), (np.array([1.3, 0.0, 2.0, 0.0, 1.5]),), theirs=False),
    Case("prod with 0", lambda np, a: np.prod(a), (np.array([1.3, 0.0, 2.0]),), theirs=False),
    Case("prod with two 0", lambda np, a: np.prod(a), (np.array([1.3, 0.0, 2.0, 0.0]),), theirs=False),
    Case("add.reduce", lambda np, a: np.add.reduce(a, axis=1), (M,), theirs=False),
    Case("ufunc methods", lambda np, a: np.multiply.outer(a, a) + np.add.accumulate(a) + np.maximum.reduce(a) + np.multiply.reduce(a), (V,), theirs=False),
    *(Case(f"index {n}", lambda np, a, key=key: a[key], (T3,)) for n, key in enumerate([
        1, -1, (0, 2), (slice(None), 1), (Ellipsis, 2), (None, 1, slice(0, 2)), (slice(None, None, -1), slice(2, None, -2)), (0, 1, 3),
        np.array([1, 0, 1, 1]), (slice(None), np.array([[0, 2], [2, 2]])), (np.array([0, 1]), np.array([2, 2])), T3 > 0, (1, T3[1] > 0),
        (slice(None), None, [0, 2, 0], slice(1, 4, 2)), (np.array([1, 1]), slice(None), np.array([0, 3])), slice(1, 1),
    ])),
    Case("index by argmax", lambda np, a: a[np.argmax(a)] + a[np.argsort(a)][0], (V,)),
    Case("reshape", lambda np, a: np.reshape(a, (2, -1)) ** 2, (M,)),
    Case("reshape F", lambda np, a: np.reshape(a, (6, 2), order="F") * np.arange(12.0).reshape(6, 2), (M,)),
    Case("reshape to and from numbers", lambda np, a: np.reshape(np.reshape(a[0], (1, 1)), ()), (V,)),
    Case("transpose", lambda np, a: np.transpose(a, (2, 0, 1)) * np.arange(24.0).reshape(4, 2, 3), (T3,)),
    Case("axes", lambda np, a: np.moveaxis(a, 0, -1)[0] + np.swapaxes(np.rollaxis(a, 2), 1, 2)[0][:1], (T3,)),
    Case("squeeze", lambda np, a: np.squeeze(np.expand_dims(a, 1)) + np.expand_dims(a[0], (0,)), (M,)),
    Case("at least", lambda np, a: np.atleast_2d(a) + np.atleast_1d(a[0]), (V,)),
    Case("broadcast_to", lambda np, a: np.broadcast_to(a, (2, 3, 4)) * T3, (V,), theirs=False),
    *(Case(f"concatenate {axis}", lambda np, a, b, axis=axis: np.concatenate([a, 2 * b, a], axis=axis), (M, M * 0.5)) for axis in (0, 1, -1)),
    Case("concatenate one", lambda np, a: np.concatenate([a]) * np.vstack([a, a * a])[:3] * np.pad(a, 0, "constant"), (M,)),
    *(Case(f"stack {axis}", lambda np, a, axis=axis: np.stack([a, a * a, M], axis=axis), (M,)) for axis in (0, 1, -1)),
    *(Case(k, lambda np, a, k=k: getattr(np, k)([a, a * a]), (M,)) for k in ("hstack", "vstack", "dstack", "column_stack")),
    Case("hstack of rows", lambda np, a: np.hstack([a, 3 * a]) * np.append(a, a[0] * a), (V,)),
    Case("array of numbers", lambda np, a: np.array([a[0] ** 2, a[1], 3.0]) @ np.array([[a[2], 1.0], [0.0, a[3]], [1.0, 2.0]]), (V,)),
    Case("block", lambda np, a: np.block([[a, a * 2], [np.ones((1, 4)), a[:1]]]), (M,), theirs=False),
    Case("where", lambda np, a, b: np.where(M > 0, a, b * b), (M, V)),
    Case("select", lambda np, a: np.select([a > 1, a > 0], [a**2, 3 * a], a), (M,)),
    Case("choose", lambda np, a: np.choose(np.array([0, 1, 1, 0]), [a, a * a]), (V,), theirs=False),
    Case("clip", lambda np, a: np.clip(a, -0.5, 0.8), (M,)),
    Case("clip one side", lambda np, a: np.clip(a, None, 0.8) + a.clip(0.1), (M,), theirs=False),
    Case("nan_to_num", lambda np, a: np.nan_to_num(a), (M,)),
    Case("real", lambda np, a: np.real(a) + np.imag(a) + np.conj(a), (M,)),
    Case("matmul", lambda np, a, b: a @ b, (M, M.T)),
    Case("matmul vectors", lambda np, a, b: (a @ b) * (b @ b) + (a.T @ (a @ b))[0] + np.matmul(b, a.T), (M, V)),
    Case("matmul batch", lambda np, a, b: np.matmul(a, b), (T3, RNG.normal(size=(4, 2)))),
    Case("matmul broadcast", lambda np, a, b: a @ b, (T3[:1], RNG.normal(size=(5, 1, 4, 2)))),
    Case("dot", lambda np, a, b: np.dot(a, b), (T3, RNG.normal(size=(2, 4, 2)))),
    Case("dot vectors", lambda np, a, b: np.dot(a, b) * np.dot(b, b), (M, V)),
    Case("inner outer", lambda np, a, b: np.inner(a, b) + np.outer(b, a)[0, :3] + np.inner(a, a)[0], (M, V), theirs=False),
    Case("vdot", lambda np, a: np.vdot(a, a), (M,), theirs=False),
    *(Case(f"tensordot {axes}", lambda np, a, b, axes=axes: np.tensordot(a, b, axes), (T3, RNG.normal(size=(4, 3, 2))))
      for axes in (1, ([2, 1], [0, 1]), ([0], [2]), 0)),
    *(Case(f"einsum {t}", lambda np, *a, t=t: np.einsum(t, *a), a) for t, a in {
        "ij->ji": (M,), "ij->": (M,), "ij,jk": (M, M.T), "ij,ij->i": (M, P), "i,j->ij": (V, V), "ijk,kl,lm->jm": (T3, M.T, M),
        "...j,jk": (T3, M.T), "...ij,...jk->...ik": (T3, RNG.normal(size=(2, 4, 2))), "ij,kj->": (M, P), "i,i,i": (V, V, V), "aij,ja->i": (T3, RNG.normal(size=(4, 2))),
    }.items()),
    Case("einsum of a diagonal", lambda np, a: np.einsum("ii->i", a) * np.einsum("ii", a) + np.einsum(a, [0, 1], [1, 0])[0], (S,), theirs=False),
    Case("kron", lambda np, a, b: np.kron(a, b), (M[:2, :2], P[:, :2])),
    Case("cross", lambda np, a, b: np.cross(a, b), (S, S.T + 1)),
    Case("trace", lambda np, a: np.trace(a, offset=1), (M,)),
    Case("diag", lambda np, a: np.diag(a)[:, :3] * np.diag(np.diag(a) @ M.T), (V,), theirs=False),
    Case("diag off", lambda np, a: np.diag(a, 2) + np.diag(a, -2).T, (V,)),
    Case("diagonal", lambda np, a: np.diagonal(a, 1, 0, 2) + np.diagonal(a)[:3, :2], (T3,), theirs=False),
    Case("triangles", lambda np, a: np.tril(a, 1) * np.triu(a, -1) + np.tril(a), (T3,)),
    Case("diff", lambda np, a: np.diff(a, axis=1) * np.diff(a, 1)[:, :3], (M,)),
    Case("diff 2", lambda np, a: np.diff(a, 2, axis=0, prepend=0.0), (M,), theirs=False),
    Case("roll", lambda np, a: np.roll(a, 2) * np.roll(a, -1, axis=0) * np.roll(a, (1, 2), axis=(0, 1)), (M,), theirs=False),
    Case("flips", lambda np, a: np.flipud(a) * np.fliplr(a) + np.rot90(a, 2), (M,)),
    Case("flip", lambda np, a: np.flip(a) * np.flip(a, (0, 2)) + np.flip(a, 1), (T3,), theirs=False),
    Case("tile", lambda np, a: np.tile(a, (2, 3)) * np.arange(72.0).reshape(6, 12), (M,)),
    Case("tile longer", lambda np, a: np.tile(a, (2, 1, 1)) * T3, (M,)),
    Case("repeat", lambda np, a: np.repeat(a, 2, axis=1) * np.repeat(a, 2).reshape(3, 8), (M,)),
    Case("repeat each", lambda np, a: np.repeat(a, [1, 0, 3], axis=0), (M,), theirs=False),
    Case("pad", lambda np, a: np.pad(a, ((1, 0), (2, 1)), "constant") ** 2, (M,)),
    *(Case(f"pad {mode}", lambda np, a, mode=mode: np.pad(a, 2, mode=mode) ** 2, (M,), theirs=False) for mode in ("edge", "reflect", "wrap", "symmetric")),
    Case("pad value", lambda np, a: np.pad(a, 1, constant_values=3.0) ** 2, (M,), theirs=False),
    Case("split", lambda np, a: np.split(a, 2, axis=1)[1] * np.array_split(a, 3, axis=1)[0][:, :2] + np.hsplit(a, [2])[0], (M,)),
    Case("vsplit", lambda np, a: np.vsplit(a, [1, 2])[1], (M,)),
    Case("sort", lambda np, a: np.sort(a, axis=1) * np.sort(a, axis=0) * np.arange(12.0).reshape(3, 4), (M,), theirs=False),
    Case("sort vector", lambda np, a: np.sort(a) * np.arange(4.0), (V,)),
    Case("sort all", lambda np, a: np.sort(a, axis=None)[3], (M,), theirs=False),
    Case("partition", lambda np, a: np.partition(a, 1)[1], (V,)),
    Case("take", lambda np, a: np.take(a, [0, 2, 2], axis=1) * np.take(a, [5, 0, 1]), (M,), theirs=False),
    Case("take_along_axis", lambda np, a: np.take_along_axis(a, np.argsort(M, axis=1), axis=1), (M,), theirs=False),
    Case("meshgrid", lambda np, a: np.meshgrid(a, a * a)[0] * np.meshgrid(a, a * a)[1], (V,), theirs=False),
    Case("polyval", lambda np, p, x: np.polyval(p, x), (V, M), theirs=False),
    Case("linspace", lambda np, a, b: np.linspace(a, b, 5) ** 2, (np.float64(0.3), np.float64(2.0)), theirs=False),
    Case("trapezoid", lambda np, a: np.trapezoid(a, dx=0.5) + np.trapezoid(a[0], V), (M,), theirs=False),
    *(Case(f"convolve {k}", lambda np, a, b, k=k: np.convolve(a, b, k), (V, P[:, 1]), theirs=False) for k in ("full", "same", "valid")),
    *(Case(f"correlate {k}", lambda np, a, b, k=k: np.correlate(a, b, k), (P[:, 1], V), theirs=False) for k in ("full", "same", "valid")),
    Case("interp", lambda np, a, x, f: np.interp(a, x, f) + np.interp(a, x, f, left=0.0, right=1.0), (M, np.array([-1.0, 0.1, 0.5, 1.4]), V), theirs=False),
    Case("quantile", lambda np, a: np.quantile(a, 0.3) + np.quantile(a, [0.2, 0.75], axis=1) + np.percentile(a, 60, axis=1), (M,), theirs=False),
    Case("shifts", lambda np, a: np.fft.fftshift(a) * np.fft.ifftshift(a, 1), (M,), theirs=False),
    Case("cov", lambda np, a: np.cov(a) + np.cov(a.T, rowvar=False, bias=True), (M,), theirs=False),
    Case("nans", lambda np, a: np.nansum(np.where(M > 0, a, np.nan), axis=0) + np.nanmean(np.where(M > 1, np.nan, a)), (M,), theirs=False),
    Case("solve", lambda np, a, b: np.linalg.solve(a, b), (S, M)),
    Case("solve vector", lambda np, a, b: np.linalg.solve(a, b), (S, V[:3])),
    Case("solve batch", lambda np, a, b: np.linalg.solve(a, b), (RNG.normal(size=(2, 3, 3)) + 3 * np.eye(3), T3)),
    Case("inv", lambda np, a: np.linalg.inv(a), (S,)),
    Case("det", lambda np, a: np.linalg.det(a), (S,)),
    Case("det batch", lambda np, a: np.linalg.det(a), (RNG.normal(size=(2, 3, 3)),)),
    Case("slogdet", lambda np, a: np.linalg.slogdet(a)[1], (S,)),
    Case("cholesky", lambda np, a: np.linalg.cholesky(a @ np.swapaxes(a, -1, -2)), (S,)),
    Case("cholesky large", lambda np, a: np.linalg.cholesky(a @ a.T), (RNG.normal(size=(9, 9)) + 5 * np.eye(9),), orders=1),
    Case("det large", lambda np, a: np.linalg.slogdet(a)[1], (RNG.normal(size=(10, 10)) + 5 * np.eye(10),), orders=1),
    Case("eigenvalues", lambda np, a: np.linalg.eigh(sym(np, a))[0], (S,)),
    Case("eigenvectors", lambda np, a: np.linalg.eigh(sym(np, a))[1] ** 2, (S,)),
    Case("singular values", lambda np, a: np.linalg.svd(a, compute_uv=False), (M,)),
    Case("singular vectors", lambda np, a: np.linalg.svd(a, full_matrices=False)[2] ** 2, (M,), theirs=False),
    Case("norm", lambda np, a: np.linalg.norm(a) + np.linalg.norm(a, axis=1) + np.linalg.norm(a, axis=(0, 1)), (M,)),
    *(Case(f"norm {k}", lambda np, a, k=k: np.linalg.norm(a, k), (M,), theirs=k in ("fro", "nuc")) for k in (1, -1, 2, -2, np.inf, "nuc", "fro")),
    *(Case(f"vector norm {k}", lambda np, a, k=k: np.linalg.norm(a, k), (V,), theirs=k in (2, 3)) for k in (1, 2, 3, np.inf, -np.inf)),
    Case("matrix_power", lambda np, a: np.linalg.matrix_power(a, 3) + np.linalg.matrix_power(a, -2), (S,), theirs=False),
    Case("multi_dot", lambda np, a: np.linalg.multi_dot([a, a.T, a]), (M,), theirs=False),
]  # fmt: skip


def accumulate(a: Any) -> Any:
    total = 0.0
    for x in a:
        total += x * total + x
    return total


def newton(a: Any) -> Any:
    x = a
    while abs(x * x - a) > 1e-14:
        x = (x + a / x) / 2
    return x


def shaken(args: tuple[Any, ...], by: tuple[Any, ...], size: float) -> tuple[Any, ...]:
    return tuple(a + size * b for a, b in zip(args, by, strict=True))


def inner(a: tuple[Any, ...], b: tuple[Any, ...]) -> Any:
    return sum(np.sum(x * y) for x, y in zip(a, b, strict=True))


def by_differences(f: Callable[..., Any], args: tuple[Any, ...], v: tuple[Any, ...]) -> Any:
    """The derivative along v, to fourth order."""
    h = 1e-4

    def at(k: float) -> Any:
        return f(*shaken(args, v, k * h))

    return (8 * (at(1) - at(-1)) - (at(2) - at(-2))) / (12 * h)


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.id)
def test_derivatives(case: Case) -> None:
    rng = np.random.default_rng(3)
    args = case.args
    every = tuple(range(len(args)))
    v = tuple(rng.normal(size=a.shape) for a in args)
    y = case.f(np, *args)
    w = rng.normal(size=np.shape(y))

    def scalar(*a: Any) -> Any:
        return np.sum(w * case.f(np, *a))

    value, g = cr.value_and_grad(scalar, every)(*args)
    assert value == pytest.approx(np.sum(w * y), rel=1e-12, abs=1e-12)
    assert [np.shape(x) for x in g] == [np.shape(a) for a in args] and all(x.dtype == np.float64 for x in g)
    along = inner(g, v)
    assert along == pytest.approx(by_differences(scalar, args, v), rel=1e-7, abs=1e-8)
    _, ty = cr.jvp(lambda *a: case.f(np, *a), args, v)
    assert np.shape(ty) == np.shape(y)
    assert np.sum(w * ty) == pytest.approx(along, rel=1e-9, abs=1e-10)
    if case.theirs:
        theirs = autograd.grad(lambda *a: autograd.numpy.sum(w * case.f(autograd.numpy, *a)), every)(*args)
        for a, b in zip(g, theirs, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-9)
    if case.orders > 1:
        second(scalar, args, v, every)


def second(f: Callable[..., Any], args: tuple[Any, ...], v: tuple[Any, ...], every: tuple[int, ...]) -> None:
    """Reverse over reverse, forward over reverse and reverse over forward are one, and what differences of gradients say."""
    gradient = cr.grad(f, every)
    one = cr.grad(lambda *a: inner(gradient(*a), v), every)(*args)
    _, two = cr.jvp(gradient, args, v)
    three = cr.grad(lambda *a: cr.jvp(f, a, v)[1], every)(*args)
    by = [by_differences(lambda *a, k=k: gradient(*a)[k], args, v) for k in every]
    for a, b, c, d in zip(one, two, three, by, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-9)
        np.testing.assert_allclose(a, c, rtol=1e-8, atol=1e-9)
        np.testing.assert_allclose(a, d, rtol=1e-6, atol=1e-6)


def referred(rule: Any, values: Any) -> np.ndarray:
    """A rule's formula by the reference engine; of numbers, for each element."""
    d = rule.formula.definition
    if rule.shapes is None:
        wide = np.broadcast_arrays(*map(np.asarray, values))
        p = bind(d, {t.name: () for t in d.inputs})
        out = [
            by_reference(p, dict(zip(rule.formula.inputs, map(np.asarray, row), strict=True)), np.dtype(float))
            for row in zip(*(a.flat for a in wide), strict=True)
        ]
        return np.array([o[rule.formula.output] for o in out]).reshape(wide[0].shape)
    arrays = [v.table.reshape(-1) if isinstance(v, Places) else np.asarray(v) for v in values]
    if any(isinstance(v, Places) for v in values):
        arrays = [a.reshape(-1) for a in arrays]
    known = dict(zip(rule.formula.inputs, arrays, strict=True))
    return np.asarray(by_reference(bind(d, {k: a.shape for k, a in known.items()}), known, np.dtype(float))[rule.formula.output])


def held(step: Any) -> None:
    """What NumPy computes is what the formula says, or solves the equation; and so is what comes back."""
    rule, vals, y, parents = step
    if isinstance(rule.formula, Implicit):
        np.testing.assert_allclose(referred(Rule(rule.formula.held), (*vals, y)), np.zeros(np.shape(y)), atol=1e-12)
    if isinstance(rule, Rows):
        given = (*vals, *rule.others(vals[0], y), y)[: len(rule.rows.formula.inputs)]
        np.testing.assert_allclose(referred(rule.rows, given), np.broadcast_to(np.asarray(y)[..., None], rule.rows.out), rtol=1e-10)
        return
    if isinstance(rule, (Solved, Local)):
        f = referred(rule.residual, (*vals, y))
        np.testing.assert_allclose(f, np.zeros_like(f), atol=1e-10)
        return
    if isinstance(rule, Sum):
        parts = [referred(term, (v,)) for term, v in zip(rule.terms, vals, strict=True)]
        np.testing.assert_allclose(sum(parts), y, rtol=1e-12)
    elif rule.formula.definition.lines:
        np.testing.assert_allclose(referred(rule, vals).reshape(np.shape(y)), y, rtol=1e-10, atol=1e-12)
    dy = np.random.default_rng(1).normal(size=np.shape(y))
    for k, _ in parents:
        back = rule.back(k)
        if back is not None:
            v = (*vals, y, dy)
            mine = rule.pull(k)(v)
            np.testing.assert_allclose(referred(back, back.takes(v)).reshape(np.shape(mine)), mine, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.id)
def test_every_step_is_its_formula(case: Case) -> None:
    run = Run(lambda *a: case.f(np, *a), case.args, {}, range(len(case.args)))
    for step in run.tape.steps:
        if step[0] is not None and np.size(step[2]) <= 100 and 0 not in np.shape(step[2]):
            held(step)


LARGE = [
    lambda x, y: x - y,
    lambda x, y: (x - y) * (y - x) + x * x - 3,
    lambda x, y: x + x + np.exp(-x) * y,
    lambda x, y: np.sqrt(x) / (x + y) - np.tanh(x) + (x + 1) * 2,
    lambda x, y: np.where(x > y, x * y, np.logaddexp(x, y)) + np.maximum(x, y),
    lambda x, y: x[::-1] * y.T.reshape(x.shape) + np.concatenate([y[1:], x[:1]]) + x * np.sum(x, axis=0) + x.ravel().reshape(x.shape),
    lambda x, y: np.cumsum(x, axis=0) + x / np.max(y, axis=1, keepdims=True) + np.float32(2) * x,
    lambda x, y: (x + y[0]) + (x + y[:, :1]) * x[3, 4] + np.broadcast_to(np.sum(x, axis=0), x.shape) + (x + x),
]


@pytest.mark.parametrize("number", range(len(LARGE)))
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_large_arrays_give_the_same_bits(number: int, dtype: type) -> None:
    """In strips, and over memory that is used again, gradients are what they are where every value is kept."""
    rng = np.random.default_rng(5)
    x, y = rng.uniform(0.5, 2, (150, 300)).astype(dtype), rng.uniform(0.5, 2, (150, 300)).astype(dtype)
    w = rng.normal(size=x.shape).astype(dtype)

    def f(x: Any, y: Any) -> Any:
        return np.sum(w * LARGE[number](x, y))

    for a, b in zip(cr.grad(f, (0, 1))(x, y), cr.vjp(f, x, y)[1](1.0), strict=True):
        np.testing.assert_array_equal(a, b)
        assert a.dtype == dtype and a.flags.writeable


# What is differentiated, and how it is asked for --------------------------------------------------------------------------


def test_the_lectures_function() -> None:
    def f(x1: Any, x2: Any) -> Any:
        return x1 * x2 + np.sin(x1)

    assert cr.grad(f)(2.0, 5.0) == 5 + np.cos(2.0) and cr.grad(f, 1)(2.0, 5.0) == 2
    assert cr.value_and_grad(f, (0, 1))(2, 5) == (10 + np.sin(2.0), (5 + np.cos(2.0), 2.0))
    assert cr.grad(cr.grad(cr.grad(f)))(2.0, 5.0) == pytest.approx(-np.cos(2.0))
    assert cr.grad(lambda x: x * cr.grad(lambda y: x * y)(3.0))(5.0) == 10  # inner and outer variable are not confused


def test_nests_of_arguments() -> None:
    params = {"w": [M, (V, 2.0)], "b": np.float32(3.0)}

    def f(p: Any, x: Any, scale: float = 1.0) -> Any:
        w, (v, c) = p["w"]
        return scale * np.sum(w @ v * c + p["b"]) + np.sum(x)

    g, gx = cr.grad(f, (0, 1))(params, np.ones(2), scale=3.0)
    assert g["b"] == 9 and g["b"].dtype == np.float32 and isinstance(g["w"][1], tuple)
    np.testing.assert_allclose(g["w"][0], 6 * np.tile(V, (3, 1)))
    np.testing.assert_allclose(g["w"][1][0], 6 * M.sum(0))
    np.testing.assert_array_equal(gx, np.ones(2))
    y, pullback = cr.vjp(lambda a, b: {"s": a * b, "t": [a]}, 2.0, 3.0)
    assert y == {"s": 6, "t": [2]} and pullback({"s": 1.0, "t": [10.0]}) == (13, 2)
    assert cr.jvp(lambda a, b: (a * b[0], b[0]), (2.0, [3.0]), (1.0, [0.5])) == ((6, 3), (4, 0.5))
    assert cr.jvp(lambda a, b: (a * b, b), (2.0, 3.0), (1.0, None)) == ((6, 3), (3, 0))


def test_types_and_shapes_are_kept() -> None:
    x = np.array([1.0, 2.0], np.float32)
    assert cr.grad(lambda x: np.sum(np.tanh(x) * 2 / 3))(x).dtype == np.float32
    assert cr.grad(lambda x: np.sum(x * np.arange(2.0)))(x).dtype == np.float32  # the value is float64, as NumPy says
    assert cr.jvp(np.sin, (x,), (x,))[1].dtype == np.float32
    assert cr.grad(lambda x: x**2)(np.array(3.0)).shape == () and isinstance(cr.grad(lambda x: x**2)(3), float)
    assert cr.grad(lambda x: np.sum(x**2))(np.array([1, 2])).dtype == np.float64
    for f in (np.sin, np.sum, lambda x: np.reshape(x, (0, 2)), lambda x: np.concatenate([x, x, np.ones((1, 3))]), lambda x: x[:, 1], np.transpose,
              lambda x: np.stack([x, x]), lambda x: x @ np.ones((3, 2)), lambda x: np.sum(x, 0) + x, lambda x: np.prod(x, 1), np.cumsum, np.sort):  # fmt: skip
        assert cr.grad(lambda x, f=f: np.sum(f(x)) + 1)(np.zeros((0, 3))).shape == (0, 3)
    assert cr.grad(lambda x: np.sum(x + np.zeros((0, 4))))(V).tolist() == [0] * 4
    g = cr.grad(lambda x: np.sum(x))(V)
    g[0] = 5  # what comes out is the caller's
    assert cr.grad(lambda x: 7.0)(V).tolist() == [0] * 4
    assert cr.grad(lambda x: np.sum(x[0:0]) + x[1])(V).tolist() == [0, 1, 0, 0]


def test_jacobians_and_hessians() -> None:
    np.testing.assert_allclose(cr.jacobian(lambda x: M @ x)(V), M)
    np.testing.assert_allclose(cr.hessian(lambda x: x @ (M.T @ M) @ x / 2)(V), M.T @ M)
    assert cr.jacobian(lambda x, y: np.outer(x, y), 1)(M[0], M[1]).shape == (4, 4, 4)
    a, b = cr.jacobian(lambda x, y: x * y, (0, 1))(V, V + 1)
    np.testing.assert_allclose([np.diag(a), np.diag(b)], [V + 1, V])
    np.testing.assert_allclose(cr.jacobian(lambda x: np.array([x[0] ** 2, x[0] * x[1]]))(np.array([3.0, 2.0])), [[6, 0], [2, 3]])
    np.testing.assert_allclose(cr.numpy.elementwise_grad(np.tanh)(V), 1 - np.tanh(V) ** 2)


def test_choices_at_kinks_are_the_languages() -> None:
    assert cr.grad(abs)(0.0) == 0 and cr.grad(lambda x: np.maximum(x, 0))(0.0) == 0 and cr.grad(lambda x: np.maximum(0, x))(0.0) == 0
    assert cr.grad(lambda x: np.max(np.array([x, x, 0 * x])))(3.0) == 1
    assert cr.grad(lambda x: np.sum(np.where(x > 0, np.log(np.where(x > 0, x, 1)), 0)))(np.array([0.0, 2.0])).tolist() == [0, 0.5]
    assert cr.grad(lambda x: np.logaddexp(x, x))(1.0) == pytest.approx(1) and cr.grad(np.logaddexp)(1.0, 1.0) == pytest.approx(0.5)
    assert cr.grad(np.sinc)(0.0) == 0 and cr.grad(lambda x: np.floor(x) + np.sign(x) + (x > 2))(2.5) == 0


def test_operations_of_the_library_inside_functions() -> None:
    np.testing.assert_allclose(cr.grad(lambda x: np.sum(cr.ops.softmax(x) * M))(M), cr.vjp(cr.ops.softmax, M)[1](M)[0], rtol=1e-12)
    own = cr.op("scaled(x[n,D], w[D]; a=2) -> y[n,D]\n  y[n,i] = a * x[n,i] * w[i]**2")
    np.testing.assert_allclose(cr.grad(lambda w: np.sum(np.sin(own(M, w, a=3))))(V), (np.cos(3 * M * V**2) * 6 * M * V).sum(0))
    np.testing.assert_allclose(cr.hessian(lambda w: np.sum(own(M, w)))(V), np.diag(4 * M.sum(0)))


def test_scipys_functions_that_the_language_has() -> None:
    special = pytest.importorskip("scipy.special")
    for f, slope in ((special.expit, lambda x: special.expit(x) * special.expit(-x)), (special.erf, lambda x: 2 / np.sqrt(np.pi) * np.exp(-(x**2)))):
        np.testing.assert_allclose(cr.numpy.elementwise_grad(f)(V), slope(V), rtol=1e-12)
    assert cr.grad(special.xlogy)(0.0, 3.0) == pytest.approx(np.log(3)) or cr.grad(special.xlogy, 1)(0.0, 3.0) == 0
    with pytest.raises(cr.ArgumentError, match="gamma: no formula or equation"):
        cr.grad(special.gamma)(2.0)


WRONG = [
    (lambda x: x * 2, "shape .4,.: a gradient is that of one number; accepted: .*cr.jacobian"),
    (lambda x: (x[0], x[1]), "gives a tuple"),
    (lambda x: x.__setitem__(0, 1.0), r"x\[…\] = value: changes an array .* accepted: np.where"),
    (lambda x: np.add(x, 1, out=np.zeros(4)), "in place|out="),
    (lambda x: np.zeros(4).__iadd__(x), "accepted: a = a \\+ x"),
    (lambda x: x.sort(), "accepted: np.sort"),
    (lambda x: np.sum(np.fft.fft(x)), "np.fft.fft: no formula .* accepted: .*np.cos"),
    (lambda x: np.linalg.qr(x.reshape(2, 2)), "np.linalg.qr: no formula .* accepted: .*cholesky"),
    (lambda x: np.linalg.lstsq(x.reshape(2, 2), V[:2]), "np.linalg.lstsq: .* accepted: np.linalg.solve"),
    (lambda x: np.linalg.eig(x.reshape(2, 2)), "np.linalg.eig: .* accepted: np.linalg.eigh"),
    (lambda x: np.insert(x, 0, 1.0), "np.insert: no formula .* accepted: np.concatenate"),
    (lambda x: np.sum(x * 1j), "complex"),
    (lambda x: np.float64(x[0]), "accepted: np.stack"),
    (lambda x: __import__("math").sin(x[0]), "accepted: x as it is, and np.sin"),
    (lambda x: x[x[0]], "indices"),
    (lambda x: np.einsum("ij->i", x), "a letter for each axis"),
    (lambda x: np.reshape(x, (3, 2)), "not as many elements; accepted: 4"),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(WRONG)))
def test_what_is_refused_says_what_to_write(number: int) -> None:
    f, said = WRONG[number]
    with pytest.raises((cr.ChainruleError, TypeError, IndexError), match=said):
        cr.grad(f)(V)


def test_putting_into_a_plain_array_is_refused() -> None:
    with pytest.raises((ValueError, TypeError)) as e:
        cr.grad(lambda x: np.zeros(4).__setitem__(0, x[0]))(V)
    assert "np.stack where it is put into an array" in str(e.value)


@pytest.mark.parametrize("x", [1j, "text", np.array([True]), np.array([1 + 1j])])
def test_arguments_that_do_not_move_are_refused(x: Any) -> None:
    with pytest.raises(cr.ElementTypeError, match="accepted: real numbers"):
        cr.grad(lambda x: x)(x)


# The table -------------------------------------------------------------------------------------------------------------


def test_the_table_of_the_lecture() -> None:
    t = cr.trace(lambda x1, x2: x1 * x2 + np.sin(x1), 2.0, 5.0)
    assert [r.operation for r in t.rows] == ["x1", "x2", "v₁ * v₂", "sin(v₁)", "v₃ + v₄"]
    assert [r.value for r in t.rows] == [2, 5, 10, np.sin(2.0), 10 + np.sin(2.0)]
    assert [r.tangents for r in t.rows] == [(1, 0), (0, 1), (5, 2), (np.cos(2.0), 0), (5 + np.cos(2.0), 2)]
    assert [r.adjoint for r in t.rows] == [5 + np.cos(2.0), 2, 1, 1, 1] and t.gradient == (5 + np.cos(2.0), 2) and t.value == 10 + np.sin(2.0)
    assert str(t).splitlines()[0] == "x1 = 2, x2 = 5" and len({len(line.split("  ")[0]) for line in str(t).splitlines()[2:]}) == 1
    assert t.html() == t._repr_html_() and "<td>v₁ * v₂</td>" in t.html() and t.html().count("<tr>") == 6


def test_a_table_names_its_arguments_and_numbers() -> None:
    t = cr.trace(lambda a, b, *more: a * more[0], 2.0, None, 3.0)
    assert t.inputs == ("a", "more[0]") and t.gradient == (3.0, 2.0) and t.rows[2].operation == "v₁ * v₂"
    assert cr.trace(lambda d: d["a"] * d["b"][1], {"a": 2.0, "b": [5.0, 3.0]}).inputs == ("d['a']", "d['b'][0]", "d['b'][1]")
    shown = [r.operation for r in cr.trace(lambda a: (-2.0) ** a - (-2) + (-3) * a + np.maximum(-5.0, a), 2.0).rows]
    assert shown[1:3] == ["(-2)**v₁", "v₂ - (-2)"] and {"-3 * v₁", "maximum(-5, v₁)"} <= set(shown)
    with pytest.raises(cr.ArgumentError, match=r"accepted by cr\.trace"):
        cr.trace(5, 2.0)  # type: ignore[arg-type]  # what is refused


def test_a_table_calls_operations_on_arrays_as_numpy_does() -> None:
    def f(a: Any) -> Any:
        return np.sum(np.cumsum(a, axis=1)) + np.std(a) + np.sum(np.var(a, axis=1)) + np.sum(np.stack([a, a])) + np.max(a.reshape(3, 2).T)

    t, turned = cr.trace(f, M[:2, :3]), cr.trace(lambda a: np.sum(np.transpose(a, (1, 2, 0)), axis=(0, 2))[0], np.ones((2, 3, 4)))
    shown = {r.operation.replace("v₁", "a") for r in t.rows}
    assert {"cumsum(a)", "std(a)", "var(a, axis=1)", "stack(a, a)", "reshape(a, (3, 2))"} <= shown
    assert [r.operation for r in turned.rows[1:3]] == ["transpose(v₁, (1, 2, 0))", "sum(v₂, axis=(0, 2))"]


def test_a_table_of_arrays() -> None:
    t = cr.trace(lambda w, x: np.sum((w @ x)[1:] ** 2), M, V)
    assert t.rows[2].operation == "matmul(v₁, v₂)" and t.rows[3].operation == "v₃[1:]" and t.rows[4].operation == "v₄**2"
    np.testing.assert_allclose(t.rows[0].adjoint, cr.grad(lambda w: np.sum((w @ V)[1:] ** 2))(M))
    assert "3×4: " in str(t) and "y[l] = sum" not in str(t) and "sum" in t.rows[2].formula


# The page ----------------------------------------------------------------------------------------------------------------

PAGE = Path(__file__).parents[1] / "docs" / "functions.md"


def test_the_page_names_every_function_and_runs() -> None:
    text = PAGE.read_text(encoding="utf-8")
    there = set(re.findall(r"[a-z_0-9]\w+", text.split("## What there is")[1].split("## What is refused")[0]))
    ours = {f.__name__ for f in FUNCTIONS if callable(f) and f.__name__ != "<lambda>"} | set(ELEMENTWISE) | set(IMPLICIT)
    assert not ours - there, sorted(ours - there)
    refused = text.split("## What is refused")[1]
    assert not {f.__name__ for f in REFUSED if "fft" not in f.__name__} - set(re.findall(r"\w+", refused)) - {"tensorsolve", "tensorinv"}
    found = doctest.DocTestParser().get_doctest(text, {}, "functions.md", str(PAGE), 0)
    assert found.examples and doctest.DocTestRunner().run(found).failed == 0
