"""What strangers write: arrays made of lists, corners of NumPy's functions, and values that go where they cannot be followed."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from numpy import array as imported

import chainrule as cr

V = np.array([0.7, -1.2, 0.4, 2.1])
M = np.random.default_rng(3).normal(size=(3, 4))
S = np.random.default_rng(4).normal(size=(3, 3)) + 3 * np.eye(3)
GAPS = np.where(M > 1, np.nan, M)
PLACES = np.array([0.0, 0.4, 1.1, 3.0])


def held(f: Callable[[Any], Any], x: Any) -> None:
    """The value is NumPy's; reverse, forward and second derivatives are what differences say."""
    rng = np.random.default_rng(5)
    y = f(x)
    many = isinstance(y, (tuple, list))
    w = [rng.normal(size=np.shape(a)) for a in y] if many else rng.normal(size=np.shape(y))

    def scalar(x: Any) -> Any:
        return sum(np.sum(a * b) for a, b in zip(w, f(x), strict=True)) if many else np.sum(w * f(x))

    value, g = cr.value_and_grad(scalar)(x)
    v = np.where(np.isnan(x), 0, rng.normal(size=np.shape(x)))
    moved = [np.where(np.isnan(x), x, x + e * v) for e in (1e-6, -1e-6)]
    along = np.sum(np.where(v == 0, 0, g * v))
    assert value == pytest.approx(scalar(x), rel=1e-12)
    assert along == pytest.approx((scalar(moved[0]) - scalar(moved[1])) / 2e-6, rel=1e-6, abs=1e-7)
    assert cr.jvp(scalar, (x,), (v,))[1] == pytest.approx(along, rel=1e-9, abs=1e-10)
    gradient = cr.grad(scalar)
    second = cr.grad(lambda x: np.sum(np.where(v == 0, 0, gradient(x) * v)))(x)
    by = (gradient(moved[0]) - gradient(moved[1])) / 2e-6
    np.testing.assert_allclose(np.where(v == 0, 0, second), np.where(v == 0, 0, by), rtol=1e-5, atol=1e-6)


ARRAYS: dict[str, tuple[Callable[[Any], Any], np.ndarray]] = {
    "numbers among numbers": (lambda x: np.exp(np.array([x[0], 1.0, x[1] * x[2]])), V),
    "a matrix of numbers": (lambda x: np.linalg.inv(np.array([[x[0], 1.0], [2, x[1]]])) @ np.array([x[2], 3]), V),
    "rows": (lambda x: np.array([x, x**2, np.ones(4)]), V),
    "a dtype": (lambda x: np.array([x[0], x[1] ** 2], dtype=float) + np.asarray(x, dtype=np.float64)[:2], V),
    "more axes": (lambda x: np.array(x * 2, ndmin=3) ** 2, V),
    "statistics of lists": (lambda x: np.mean([x[0], x[1] ** 2]) + np.std((x[0], x[1])) * np.var([x[2], 1.0]), V),
    "an array of objects": (lambda x: np.sum(imported([x[0], x[1] ** 2]) * x[2]), V),
    "r_ and c_": (lambda x: np.r_[x, 1.0, x**2] * np.c_[x, x, np.ones(4)].sum(), V),
    "whole numbers of it": (lambda x: np.int64(3 * x) * x + x.astype(int), V),
}
CORNERS: dict[str, tuple[Callable[[Any], Any], np.ndarray]] = {
    "sinc at and near 0": (np.sinc, np.array([0.0, 1e-9, 0.049, 0.051, 1.0, -2.3])),
    "infinities by numbers": (lambda x: np.nan_to_num(x + np.array([0.0, np.nan, np.inf, -np.inf]), nan=2.0) / 1e300, V),
    "the deviation of one number": (lambda x: np.std(x, axis=0) + np.std(x[0, 0]), M[:1]),
    "heaviside's value at 0": (lambda x: np.heaviside(np.array([0.0, 1, 0, -1]), x), V),
    "elements of unique": (lambda x: np.unique(np.concatenate([x, x])) ** 2 + np.unique(x, return_counts=True)[1], V),
    "without gaps": (lambda x: np.nanvar(x, axis=0) + np.nanstd(x, ddof=1) + np.nanmean(x, axis=0), GAPS),
    "corrcoef": (lambda x: np.corrcoef(x) + np.corrcoef(x[0]), M),
    "piecewise": (lambda x: np.piecewise(x, [x < 0, x >= 1], [lambda a: a**2, lambda a: np.log(a), 3.0]), V),
    "gradient": (lambda x: np.gradient(x, 0.5, 2.0, edge_order=2), M),
    "gradient at places": (lambda x: np.gradient(x, PLACES) + np.gradient(x, PLACES, edge_order=2), V),
    "gradient by places": (lambda x: np.gradient(V, x), PLACES),
    "gradient along an axis": (lambda x: np.gradient(x, axis=-2) + np.gradient(x[:2], axis=(0, 1))[1][:1], M),
}

B = np.random.default_rng(6).normal(size=(2, 2, 3, 3)) + 3 * np.eye(3)
MATRICES: dict[str, tuple[Callable[[Any], Any], np.ndarray]] = {
    "cholesky of many rows": (lambda x: np.linalg.cholesky(x @ x.T), np.random.default_rng(7).normal(size=(11, 11))),
    "cholesky of batches": (lambda x: np.linalg.cholesky(x @ x.swapaxes(-1, -2), upper=True), B),
    "eigh of a lower triangle": (lambda x: tuple(np.linalg.eigh(x)), S),
    "eigh of an upper triangle": (lambda x: np.linalg.eigh(x, "U")[1] ** 2, B),
    "eigvalsh": (lambda x: np.linalg.eigvalsh(x, "U"), S),
    "det of batches": (lambda x: np.linalg.det(x) + np.linalg.slogdet(x)[1] * np.linalg.slogdet(x)[0], B),
    "det of many rows": (lambda x: np.linalg.det(x[0, 0] * np.eye(9) / 3 + np.ones(9)), S),
    "det of one row": (lambda x: np.linalg.det(x[:1, :1]), S),
    "pinv": (lambda x: np.linalg.pinv(x), M),
    "pinv of batches": (lambda x: np.linalg.pinv(x[..., :2]), B),
    "svd": (lambda x: tuple(np.linalg.svd(x, full_matrices=False))[1:], M),
}


@pytest.mark.parametrize("name", [*ARRAYS, *CORNERS, *MATRICES])
def test_arrays_of_lists_corners_and_matrices(name: str) -> None:
    held(*(ARRAYS | CORNERS | MATRICES)[name])


def test_where_matrices_are_special() -> None:
    """What depends on values alone moves smoothly also where several are equal, and a determinant where it is 0."""
    q = np.linalg.qr(S)[0]
    twice = q @ np.diag([1.0, 1.0, 2.0]) @ q.T
    np.testing.assert_allclose(cr.grad(lambda x: np.sum(np.linalg.eigvalsh((x + x.T) / 2) ** 3))(twice), 3 * twice @ twice, atol=1e-12)
    np.testing.assert_allclose(cr.grad(lambda x: np.linalg.norm(x, "nuc"))(np.eye(3)), np.eye(3), atol=1e-12)
    flat = np.array([[1.0, 2, 3], [2, 4, 6], [1, 0, 1]])
    np.testing.assert_allclose(cr.grad(np.linalg.det)(flat), [[4, 4, -4], [-2, -2, 2], [0, 0, 0]], atol=1e-12)
    thin = np.array([1.0, 2.0, 2.0])  # of rank 1, whatever it is: the inverse of x xᵀ is x xᵀ / |x|⁴
    found = cr.grad(lambda x: np.sum(np.linalg.pinv(np.outer(x, x)) * S))(thin)
    np.testing.assert_allclose(found, (S + S.T) @ thin / 81 - 4 * thin * (thin @ S @ thin) / 729, atol=1e-12)
    with pytest.raises(cr.ArgumentError, match=r"np.linalg.svd: its vectors.* accepted"):
        cr.grad(lambda x: np.sum(np.linalg.svd(x)[0]))(np.eye(3))


def test_numpy_is_itself_again() -> None:
    plain = (np.array, np.asarray, np.mean)
    with pytest.raises(ZeroDivisionError):
        cr.grad(lambda x: np.array([x, cr.grad(lambda y: y * x)(1.0)]) / (1 // 0))(2.0)
    assert (np.array, np.asarray, np.mean) == plain and type(np.array([1.0])) is np.ndarray


def test_jacobians_of_nests() -> None:
    """A value for each of what f gives: none is left out."""
    a, b = cr.jacobian(lambda x: [x[0], x[1:] * 2])(V)
    np.testing.assert_allclose(a, [1, 0, 0, 0])
    np.testing.assert_allclose(b, 2 * np.eye(4)[1:])
    (xx, xy), (yx, yy) = cr.hessian(lambda x, y: np.sum(x**2 * y), (0, 1))(V, V + 1)
    np.testing.assert_allclose([np.diag(xx), np.diag(xy), np.diag(yx), np.diag(yy)], [2 * V + 2, 2 * V, 2 * V, 0 * V])
    assert np.shape(cr.jacobian(lambda x: x**2)(3.0)) == () and np.gradient(np.float32(V)).dtype == cr.jacobian(np.gradient)(np.float32(V)).dtype
    for f, argnum, said in ((lambda x, y: x * y, (0, 0), "twice"), (lambda x, y: None, 0, "nothing that could move")):
        with pytest.raises(cr.ArgumentError, match=f"{said}.* accepted"):
            cr.jacobian(f, argnum)(1.0, 2.0)


def test_memory_that_is_used_again_is_nobody_elses() -> None:
    """What was given to the caller stays as it is, in any thread; no two gradients are one array."""
    xs = [np.full((200, 300), 1.0 + k) for k in range(6)]

    def slope(x: Any) -> Any:
        return cr.grad(lambda x, y: np.sum(np.exp(-(x + y)) * x - 2 * (x + x[0])), (0, 1))(x, x)

    def kept(x: Any) -> Any:
        y, pullback = cr.vjp(lambda x: np.tanh(x * 2) + x[::-1], x)
        return y, pullback(np.ones(x.shape))[0], *slope(x)

    def meant(x: Any) -> Any:
        e, t = np.exp(-2 * x), np.tanh(2 * x)
        first = np.zeros(x.shape)
        first[0] = -2 * len(x)
        return t + x[::-1], 2 * (1 - t**2) + 1, e - e * x - 2 + first, -e * x

    with ThreadPoolExecutor(4) as pool:
        found = [*map(kept, xs), *pool.map(kept, xs)]
    for x, parts in zip(xs + xs, found, strict=True):
        for a, b in zip(parts, meant(x), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)
    arrays = [a for parts in found for a in parts]
    assert not any(np.shares_memory(a, b) for k, a in enumerate(arrays) for b in arrays[:k])
    small = cr.grad(lambda x, y: np.sum((x + y) ** 2), (0, 1))(V, V)
    small[0][:] = 0
    np.testing.assert_allclose(small[1], 4 * V)


def put(x: Any) -> Any:
    a = np.zeros(4)
    a[0] = x[0]
    return a.sum()


LOST: list[tuple[Callable[[Any], Any], str]] = [
    (put, r"^a\[0\] = x\[0\]: float\(x\)"),
    (lambda x: math.fsum(imported([x[0], 1.0])), "^float.x. or math.sin.x. of a value .* accepted: x as it is"),
    (lambda x: np.exp(imported([x[0], 1.0])), r"^\(lambda x: np.exp.imported.*: it takes plain numbers .* accepted: NumPy's"),
    (lambda x: np.bincount([0, 1, 1, 0], weights=x)[0], r"^np.bincount\(weights=x\)"),
    (lambda x: np.histogram([0.0, 1, 1, 0], weights=x)[0][0], r"^np.histogram\(weights=x\)"),
    (lambda x: np.all(x > 0), "gives a truth value"),
]


@pytest.mark.parametrize("number", range(len(LOST)))
def test_a_value_that_gets_lost_is_named_where_it_does(number: int) -> None:
    f, said = LOST[number]
    with pytest.raises(cr.ChainruleError, match=said):
        cr.grad(f)(V)


def test_other_packages_are_named() -> None:
    special, linalg, interpolate = (pytest.importorskip(f"scipy.{k}") for k in ("special", "linalg", "interpolate"))
    for f, name in (
        (lambda x: special.logsumexp(x), "scipy.special.logsumexp: .* accepted"),
        (lambda x: special.gammaln(x)[0], "gammaln: no formula or equation .* accepted"),
        (lambda x: linalg.expm(x.reshape(2, 2))[0, 0], "scipy.linalg.expm: .* accepted"),
        (lambda x: linalg.cholesky(x.reshape(2, 2))[0, 0], "scipy.linalg.cholesky: .* accepted|linalg.cholesky.*: it takes"),
        (lambda x: interpolate.interp1d(PLACES, x)(0.5), "scipy.interpolate.*: .* accepted"),
    ):
        with pytest.raises(cr.ChainruleError, match=name):
            cr.grad(f)(V)


def test_errors_of_the_functions_own_pass() -> None:
    def own(x: Any) -> Any:
        raise ValueError("of my own")

    with pytest.raises(ValueError, match=r"^of my own$"):
        cr.grad(own)(V)
    with pytest.raises(ValueError, match="broadcast"):
        cr.grad(lambda x: np.sum(x + np.ones(3)))(V)
