"""Gradients of ordinary functions where sizes, number types or conditions are unusual: against PyTorch, differences and what is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.numpy.choosing import choice

V = np.array([0.7, -1.2, 0.4, 2.1])


def test_two_equations_for_one_letter_of_a_sum() -> None:
    own = cr.op("offset(x[I]) -> y[I,I]\n  y[i,j] = sum[n]((i == n) * (j == n + 1) * x[n])")
    w = np.arange(16.0).reshape(4, 4)
    np.testing.assert_array_equal(cr.value_and_grad(lambda x: np.sum(own(x) * w))(V)[1], [1, 6, 11, 0])
    for k in range(-3, 4):
        y, pullback = cr.vjp(lambda x, k=k: np.diag(x, k), V)
        np.testing.assert_array_equal(y, np.diag(V, k))
        np.testing.assert_array_equal(pullback(np.arange(float(y.size)).reshape(y.shape))[0], np.diagonal(np.arange(y.size).reshape(y.shape), k))


def test_what_a_choice_of_indices_leaves_out_of_a_sum_may_be_infinite() -> None:
    w = np.arange(1.0, 10.0).reshape(3, 3)
    for body in ("where(i == k, 0, x[k] * w[k,i])", "(k < i) * x[k] * w[k,i] * w[i,k]", "(i != k) * x[k] * w[k,i]"):
        own = cr.op(f"chosen(x[K], w[K,K]) -> y[K]\n  y[i] = sum[k]({body})")
        for x in (np.array([1.0, np.inf, 2.0]), np.array([1.0, 2.0, np.nan])):
            np.testing.assert_array_equal(cr.vjp(lambda x, own=own: own(x, w), x)[0], own(x, w))


def test_matrices_of_a_size_at_which_every_element_cannot_be_an_unknown() -> None:
    """Eigenvalues of a sum of the matrix and its transposed move as vᵀ dx v says; the same for singular values."""
    x = np.random.default_rng(0).normal(size=(60, 60))
    v = np.linalg.eigh(x + x.T)[1]
    c = np.arange(60.0)
    g = cr.grad(lambda x: np.sum(np.linalg.eigh(x + x.T)[0] * c))(x)
    np.testing.assert_allclose(g, 2 * (v * c) @ v.T, atol=1e-10)
    u, _, v = np.linalg.svd(x, full_matrices=False)
    g = cr.grad(lambda x: np.sum(np.linalg.svd(x, full_matrices=False)[1] * c))(x)
    np.testing.assert_allclose(g, (u * c) @ v, atol=1e-10)
    f = lambda x: np.sum(np.linalg.svd(x, full_matrices=False)[2] ** 4)  # noqa: E731
    d, h = np.random.default_rng(1).normal(size=x.shape), 1e-6
    np.testing.assert_allclose(np.sum(cr.grad(f)(x) * d), (f(x + h * d) - f(x - h * d)) / (2 * h), rtol=1e-4)


def test_singular_vectors_of_equal_values_are_refused_and_their_values_move() -> None:
    with pytest.raises(cr.ArgumentError, match=r"np.linalg.svd: its vectors do not move smoothly .* accepted there: .* values alone"):
        cr.grad(lambda x: np.sum(np.linalg.svd(x)[0] ** 3))(np.eye(3))
    np.testing.assert_allclose(cr.grad(lambda x: np.linalg.norm(x, "nuc"))(np.eye(3)), np.eye(3))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_large_choices_are_numpys_to_the_bit(dtype: type) -> None:
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(2, 50, 400)).astype(dtype)
    a[3, 5], b[4, 7] = np.nan, -0.0
    for x, y in ((a, b), (a, 0), (0, b), (a, -0.0), (a, dtype(3)), (2.5, b), (a, b[0]), (a.T.copy().T, b), (a, np.arange(20000).reshape(50, 400))):
        mine, numpys = choice(b > 0, x, y), np.where(b > 0, x, y)
        assert mine.dtype == numpys.dtype and mine.tobytes() == numpys.tobytes()


def test_large_sorts_leave_equal_elements_in_their_order() -> None:
    x = np.tile(np.array([2.0, 1.0, 3.0]), 4000)
    w = np.arange(12000.0)
    np.testing.assert_array_equal(cr.grad(lambda x: np.sum(np.sort(x) * w))(x)[[1, 4, 0, 2]], [0, 1, 4000, 8000])
    np.testing.assert_array_equal(cr.grad(lambda x: np.sum(np.sort(x) * w))(-w), w[::-1])


def test_rolls_and_turns_are_their_own_transposes() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, 4, 5))
    moves = [
        lambda x, s=s, a=a: np.roll(x, s, a) for s, a in ((-7, None), (5, 2), ((1, 2), 1), (2, (0, 1)), ((1, -1), (0, 0)), (13, -1), ((1, 2), None))
    ]
    moves += [lambda x, k=k, a=a: np.rot90(x, k, a) for k in range(-1, 5) for a in ((0, 1), (2, 0))]
    for f in [*moves, lambda x: np.fft.fftshift(x, (0, 2)), np.fft.ifftshift, lambda x: np.roll(x[:0], 1, 0)]:
        y, pullback = cr.vjp(f, x)
        np.testing.assert_array_equal(y, f(x))
        t, dy = rng.normal(size=x.shape), rng.normal(size=y.shape)
        np.testing.assert_allclose(np.sum(pullback(dy)[0] * t), np.sum(f(t) * dy), atol=1e-12)


def test_vectors_of_equal_eigenvalues_are_refused_and_the_values_move() -> None:
    one = np.eye(3)
    for f in (lambda x: np.sum(np.linalg.eigh(x)[1] ** 3), lambda x: np.sum(cr.grad(lambda x: np.sum(np.linalg.eigvalsh(x) ** 3))(x))):
        with pytest.raises(cr.ArgumentError, match=r"np.linalg.eigh: its vectors do not move smoothly"):
            cr.grad(f)(one)
    np.testing.assert_allclose(cr.grad(lambda x: np.sum(np.linalg.eigvalsh(x) ** 3))(one), 3 * one)
    assert cr.jvp(lambda x: np.sum(np.linalg.eigvalsh(x)), (one,), (np.diag([1.0, 2.0, 4.0]),))[1] == pytest.approx(7)


def test_factors_of_batches_of_matrices() -> None:
    a = np.random.default_rng(3).normal(size=(2, 2, 3, 3))
    spd = a @ np.swapaxes(a, -1, -2) + np.eye(3)
    for f in (np.linalg.cholesky, lambda x: np.linalg.eigh(x)[1] ** 2, lambda x: np.linalg.svd(x)[2] ** 2, np.linalg.inv, np.linalg.det):
        whole = cr.vjp(f, spd)[1](np.ones(np.shape(f(spd))))[0]
        for at in np.ndindex(2, 2):
            np.testing.assert_allclose(whole[at], cr.vjp(f, spd[at])[1](np.ones(np.shape(f(spd[at]))))[0], atol=1e-10)


REFUSED = [
    (lambda x: x + np.ones(3), cr.ShapeError, r"x \+ np.ones.*could not be broadcast together .*; accepted: shapes"),
    (lambda x: np.concatenate([x, np.ones((2, 2))]), cr.ShapeError, "np.concatenate.*same number of dimensions.*accepted: shapes"),
    (lambda x: x[5], IndexError, r"x\[5\].*index 5 is out of bounds.*accepted: places"),
    (lambda x: np.sum(x, axis=3), IndexError, r"np.sum\(x, axis=3\).*axis 3 is out of bounds.*accepted: places"),
    (lambda x: np.linalg.inv(np.outer(x, x)), np.linalg.LinAlgError, "np.linalg.inv.*Singular matrix; accepted: a matrix"),
    (lambda x: np.interp(x, [0, 1], [0, 1, 2]), cr.ShapeError, r"np.interp of points of shapes \(2,\) and \(3,\); accepted: two vectors"),
]


@pytest.mark.parametrize("number", range(len(REFUSED)))
def test_what_numpy_refuses_is_refused_by_the_line_that_was_written(number: int) -> None:
    f, kind, said = REFUSED[number]
    with pytest.raises(cr.ChainruleError, match=said) as e:
        cr.grad(lambda x: np.sum(f(x)))(np.ones(2))
    assert isinstance(e.value, kind)


def test_the_users_own_errors_are_left_alone() -> None:
    def f(x: float) -> float:
        raise ValueError("mine")

    with pytest.raises(ValueError, match=r"^mine$"):
        cr.grad(f)(1.0)
    with pytest.raises(np.linalg.LinAlgError, match=r"^Singular matrix$"):
        cr.grad(lambda x: np.linalg.inv(np.zeros((2, 2)))[0, 0] * x)(1.0)


def test_parts_of_a_large_array_add_up_whatever_else_reads_it() -> None:
    x = np.random.default_rng(4).normal(size=(100, 120))
    w = np.random.default_rng(5).normal(size=(100, 120))

    def f(x: Any) -> Any:
        z = x * 1  # its adjoint is handed on as it is
        y = z + 0.0
        rows = sum(np.sum(y[i] ** 2) for i in range(0, 100, 7)) + np.sum(y[[3, 3, 5]] * w[:3]) + y[4, 4] ** 3
        return rows + np.sum(y * w) + np.sum(z[y > 1]) + z[2, 2] * y[2, 2] + np.sum(y[::-1].T[5])

    g = cr.grad(f)(x)
    by_hand = np.array(w)
    by_hand[::7] += 2 * x[::7]
    np.add.at(by_hand, [3, 3, 5], w[:3])
    by_hand[4, 4] += 3 * x[4, 4] ** 2
    by_hand += x > 1
    by_hand[2, 2] += 2 * x[2, 2]
    by_hand[:, 5] += 1
    np.testing.assert_allclose(g, by_hand, atol=1e-12)
    _, pullback = cr.vjp(f, x)
    for seed in (1.0, 2.0, 1.0):
        np.testing.assert_allclose(pullback(seed)[0], seed * by_hand, atol=1e-12)


def test_pseudoinverses_keep_their_digits_and_move_while_the_rank_stays() -> None:
    rng = np.random.default_rng(6)
    a, b, v = rng.normal(size=(5, 2)), rng.normal(size=(2, 4)), rng.normal(size=(5, 2))
    w = rng.normal(size=(4, 5))

    def f(a: Any) -> Any:
        return np.sum(w * np.linalg.pinv(a @ b))

    h = 1e-6
    assert np.sum(cr.grad(f)(a) * v) == pytest.approx((f(a + h * v) - f(a - h * v)) / (2 * h), rel=1e-6)
    u, _, q = np.linalg.svd(rng.normal(size=(4, 4)))
    x, t = (u * np.geomspace(1, 1e-6, 4)) @ q, w[:, :4]
    y = (q.T * np.geomspace(1, 1e6, 4)) @ u.T
    np.testing.assert_allclose(cr.grad(lambda x: np.sum(t * np.linalg.pinv(x)))(x), -y.T @ t @ y.T, rtol=1e-7, atol=1e-3)
    tall = rng.normal(size=(2, 6, 3))
    direct = cr.grad(lambda x: np.sum(np.sin(np.linalg.inv(np.swapaxes(x, -1, -2) @ x) @ np.swapaxes(x, -1, -2))))
    np.testing.assert_allclose(cr.grad(lambda x: np.sum(np.sin(np.linalg.pinv(x))))(tall), direct(tall), atol=1e-11)
    np.testing.assert_allclose(
        cr.jvp(cr.grad(lambda x: np.sum(np.sin(np.linalg.pinv(x)))), (tall,), (tall,))[1], cr.jvp(direct, (tall,), (tall,))[1], atol=1e-10
    )


def test_quantiles_move_with_their_place_too() -> None:
    assert cr.grad(lambda q: np.quantile(V, q))(0.5) == pytest.approx(3 * (0.7 - 0.4))
    assert cr.grad(lambda q: np.percentile(V, q))(50.0) == pytest.approx(0.03 * (0.7 - 0.4))
    x = np.random.default_rng(8).normal(size=(3, 5))
    y, pullback = cr.vjp(lambda x: np.quantile(x, [0.1, 0.5], axis=1, keepdims=True), x)
    np.testing.assert_allclose(y, np.quantile(x, [0.1, 0.5], axis=1, keepdims=True))
    np.testing.assert_allclose(pullback(np.ones((2, 3, 1)))[0].sum(), 6)
    np.testing.assert_array_equal(cr.grad(lambda x: np.sum(np.unstack(x, axis=1)[2] ** 2))(x)[:, 2], 2 * x[:, 2])
