"""A comparison as a factor is a strong zero: where it is 0 the product is 0, even where the rest is infinite or undefined."""

from __future__ import annotations

import math

import numpy as np
import pytest

import chainrule as cr
from chainrule.language.functions import FUNCTIONS, RING, SINGULAR
from chainrule.language.show import definition_text
from tests.plain import REAL, evaluate

X = np.array([[0.0, -1.0, 2.0, math.inf, -math.inf, math.nan, 0.5]])
W = np.array([1.0, math.inf, 0.0, 2.0, math.nan, 1.0, 4.0])
D = X.shape[1]
I = np.arange(D)  # noqa: E741
x, w = X[0], W
with np.errstate(all="ignore"):
    LOG, WLOG = np.where(x > 0, np.log(np.where(x > 0, x, 1)), 0), np.where((x > 0) & (w < 3), np.log(np.where(x > 0, x, 1)) * w, 0)
    PRODUCTS = [
        ("(x[n,i] > 0) * log(x[n,i])", LOG),
        ("log(x[n,i]) * (x[n,i] > 0)", LOG),
        ("log(x[n,i]) * (0 < x[n,i])", LOG),
        ("-(x[n,i] > 0) * log(x[n,i])", -LOG),
        ("log(x[n,i]) * (x[n,i] > 0) * w[i] * (w[i] < 3)", WLOG),
        ("log(x[n,i]) * ((x[n,i] > 0) * (w[i] < 3)) * w[i]", WLOG),
        ("log(x[n,i]) * (x[n,i] > 0 and w[i] < 3) * w[i]", WLOG),
        ("((x[n,i] > 0) * log(x[n,i])) * (w[i] < 3) * w[i]", WLOG),
        ("(x[n,i] > 0) * (w[i] + 1/x[n,i]) / x[n,i]", np.where(x > 0, (w + 1 / x) / x, 0)),
        ("(x[n,i] > 0) / x[n,i]", np.where(x > 0, 1 / x, 0)),
        ("(not x[n,i] <= 0) * x[n,i]", np.where(~(x <= 0), x, 0)),
        ("(x[n,i] > 1 or x[n,i] < -0.5) * x[n,i]", np.where((x > 1) | (x < -0.5), x, 0)),
        ("(not (x[n,i] > 1 or x[n,i] < -0.5)) * log(x[n,i])", np.where((x > 1) | (x < -0.5), 0, np.log(x))),
        ("(i == 2) * log(x[n,i])", np.where(I == 2, np.log(x), 0)),
        ("delta(i, 2) * x[n,i]", np.where(I == 2, x, 0)),
        ("(i > 1) * (x[n,i] > 0) * log(x[n,i]) + (i == 0)", np.where((I > 1) & (x > 0), np.log(x), 0) + (I == 0)),
        ("exp((x[n,i] < 3) * x[n,i])", np.exp(np.where(x < 3, x, 0))),
        ("maximum((x[n,i] < 1) * x[n,i], -2)", np.maximum(np.where(x < 1, x, 0), -2)),
        ("2 - (0.4 < x[n,i] < 1) * w[i] / x[n,i]", 2 - np.where((x > 0.4) & (x < 1), w / x, 0)),
        ("sum[j]((0 < x[n,j] < 3) * log(x[n,j])) + 0*i", np.full(D, math.log(2) + math.log(0.5))),
        ("sum[j]((j < i) * (0 < x[n,j] < 3) * log(x[n,j]))", np.array([0, 0, 0] + [math.log(2)] * 4)),
        ("sum[j]((x[n,j] == 2) * x[n,j] * (1 - (x[n,i] > 1) * x[n,i]))", np.where(x > 1, 2 * (1 - x), 2)),
        ("mean[j]((x[n,j] == 2) * x[n,j]) + 0*i", np.full(D, 2 / D)),
        ("max[j]((0 < x[n,j] < 3) * x[n,j]) + 0*i", np.full(D, 2.0)),
        ("min[j]((j > 1 and 0 < x[n,j] < 3) * log(x[n,j])) + 0*i", np.full(D, math.log(0.5))),
        ("prod[j](1 + (0 < x[n,j] < 3) * x[n,j]) + 0*i", np.full(D, 4.5)),
        ("where(x[n,i] > 0, (x[n,i] < 3) * x[n,i], (w[i] < 3) * w[i])", np.where(x > 0, np.where(x < 3, x, 0), np.where(w < 3, w, 0))),
        ("sum((i > 0) * x[n,i-1] * (0 < x[n,i] < 3))", np.where((x > 0) & (x < 3), np.concatenate([[0], x[:-1]]), 0)),
        ("(x[n,i] > 0) * (w[i] < 3)", ((x > 0) & (w < 3)) * 1.0),
    ]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("text, want", PRODUCTS, ids=[t for t, _ in PRODUCTS])
def test_the_term_is_left_out_on_every_evaluator(text: str, want: np.ndarray, dtype: type) -> None:
    f = cr.op(f"f(x[n,D], w[D]) -> y[n,D]\n    y[n,i] = {text}")
    alone = cr.op(f"f(x[D], w[D]) -> y[D]\n    y[i] = {text.replace('[n,', '[')}")
    tall = np.repeat(X, 19, 0).astype(dtype)
    for engine in ("native", "reference"):
        with np.errstate(all="ignore"):
            close = {"rtol": 1e-14 if dtype == np.float64 else 1e-6}
            np.testing.assert_allclose(f(tall, W.astype(dtype), engine=engine), np.repeat(want[None], 19, 0), **close)
            np.testing.assert_allclose(alone(X[0].astype(dtype), W.astype(dtype), engine=engine), want, **close)
    plain = evaluate(f.definition, {"x": X, "w": W}, {}, REAL)["y"].astype(float)
    np.testing.assert_allclose(plain[0], want, rtol=1e-14)


DERIVATIVES = [
    ("(x[n,i] > 0) * log(x[n,i])", lambda x, w: np.where(x > 0, 1 / x, 0)),
    ("log(x[n,i]) * (x[n,i] > 0) * w[i]", lambda x, w: np.where(x > 0, w / x, 0)),
    ("(x[n,i] > 0) * sqrt(x[n,i])", lambda x, w: np.where(x > 0, 0.5 / np.sqrt(x), 0)),
    ("(x[n,i] > 0) * w[i] / x[n,i]", lambda x, w: np.where(x > 0, -w / x**2, 0)),
    ("-(w[i] / x[n,i]) * (0 < x[n,i])", lambda x, w: np.where(x > 0, w / x**2, 0)),
    ("(x[n,i] > 0 and not i == 2) * x[n,i]**-1", lambda x, w: np.where((x > 0) & (I != 2), -1 / x**2, 0)),
    ("where(x[n,i] > 0, log(x[n,i]), 3)", lambda x, w: np.where(x > 0, 1 / x, 0)),
    ("maximum(x[n,i], 0) + where(x[n,i] <= 0, 0, 1 / x[n,i])", lambda x, w: np.where(x > 0, 1 - 1 / x**2, 0)),
    ("sum[j]((i == j) * (x[n,j] > 0) * log(x[n,j]))", lambda x, w: np.where(x > 0, 1 / x, 0)),
    ("sum[j]((j == i) * (x[n,i] > 0) * log(x[n,j]) * w[j])", lambda x, w: np.where(x > 0, w / x, 0)),
    ("exp((x[n,i] > 0) * log(x[n,i]))", lambda x, w: np.where(x > 0, 1.0, 0)),
    ("((x[n,i] > 0) * log(x[n,i]))**2", lambda x, w: np.where(x > 0, 2 * np.log(np.where(x > 0, x, 1)) / x, 0)),
]


@pytest.mark.parametrize("engine", ["native", "reference"])
@pytest.mark.parametrize("text, slope", DERIVATIVES, ids=[t for t, _ in DERIVATIVES])
def test_nothing_comes_from_the_branch_that_is_not_taken(text: str, slope, engine: str) -> None:  # type: ignore[no-untyped-def]  # a lambda
    f = cr.op(f"f(x[n,D], w[D]) -> y[n,D]\n    y[n,i] = {text}")
    a, b = np.array([[0.0, -1.0, 2.0, 0.5, -3.0, 0.0, 4.0]]), np.array([1.0, 2, 3, 4, 5, 6, 7])
    with np.errstate(all="ignore"):
        want = slope(a[0], b)
        seed = np.array([[1.0, 2, -1, 3, 4, math.inf, 2]])
        _, pull = cr.vjp(f, a, b, engine=engine)
        got = pull(seed)[0][0]
        np.testing.assert_allclose(got, np.where(want == 0, 0, seed[0] * want), rtol=1e-13)
        _, ty = cr.jvp(f, (a, b), (np.ones_like(a), None), engine=engine)
        np.testing.assert_allclose(ty[0], want, rtol=1e-13)
        second = cr.Op.of(f.gradient(["x"]).definition)
        _, pull = cr.vjp(second, a, b, np.ones_like(a), engine=engine)
        assert np.isfinite(pull(np.ones_like(a))[0]).all()


def test_what_is_printed_is_what_was_written() -> None:
    text = "f(x[n,D]) -> y[n,D]\n    y[n,i] = (x[n,i] > 0) * log(x[n,i])"
    assert definition_text(cr.op(text).definition) == text
    assert cr.derive(cr.op(text), "x").formula == "dx[n,i] = dy[n,i] * (x[n,i] > 0) / x[n,i]"


def test_a_long_product_keeps_its_tests() -> None:
    factors = " * ".join(["(x[n,i] > 0)", *(f"log(x[n,i]+{k}*x[n,i])" for k in range(20))])
    f = cr.op(f"f(x[n,D]) -> y[n,D]\n    y[n,i] = {factors}")
    a = np.array([[0.0, 2.0, -1.0]])
    for engine in ("native", "reference"):
        y, pull = cr.vjp(f, a, engine=engine)
        assert y[0, 0] == 0 and y[0, 2] == 0 and np.isfinite(y).all()
        assert np.array_equal(pull(np.ones_like(a))[0][0, [0, 2]], [0, 0]) and np.isfinite(pull(np.ones_like(a))[0]).all()


BETWEEN = [
    ("z[i] = log(x[i])\n y[i] = where(x[i] > 0, z[i], 0)", [0, 0.5]),
    ("z[i] = log(x[i])\n y[i] = where(x[i] <= 0, 1, z[i])", [0, 0.5]),
    ("z[i] = sqrt(x[i])\n y[i] = 4 * (x[i] > 0) * z[i]", [0, math.sqrt(2)]),
    ("z[i] = x[i]**-1\n y[i] = z[i] * (0 < x[i] < 5)", [0, -0.25]),
    ("h[i] = 2*x[i]\n z[i] = 1/h[i]\n u[i] = 3*z[i]\n y[i] = where(x[i] > 0, u[i], h[i])", [2, -0.375]),
    ("h[i] = 2*x[i]\n z[i] = log(h[i])\n u[i] = 3*z[i]\n y[i] = where(x[i] > 0 and x[i] < 5, u[i], 1) + h[i]", [2, 3.5]),
]  # fmt: skip


@pytest.mark.parametrize("engine", ["native", "reference"])
@pytest.mark.parametrize("lines, want", BETWEEN, ids=[t for t, _ in BETWEEN])
def test_a_condition_reaches_through_lines_in_between(lines: str, want: list[float], engine: str) -> None:
    text, x = f"f(x[D]) -> y[D]\n {lines}", np.array([0.0, 2.0])
    np.testing.assert_allclose(cr.vjp(text, x, engine=engine)[1](np.ones(2))[0], want, rtol=1e-14)
    np.testing.assert_allclose(cr.jvp(text, (x,), (np.ones(2),), engine=engine)[1], want, rtol=1e-14)


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_a_sample_that_is_left_out_may_hold_anything(engine: str) -> None:
    f = cr.op("f(w[D], v[D], x[n,D], m[n]) -> L\n h[n,i] = w[i]*x[n,i]\n y[n] = sum[i](v[i]*h[n,i])\n L = sum[n]((m[n] > 0) * log(y[n]))")
    w, x, m = np.array([1.0, 2.0]), np.array([[1.0, 1.0], [math.inf, math.nan], [2.0, 3.0]]), np.array([1.0, 0.0, 1.0])
    got = cr.vjp(f, w, w, x, m, engine=engine)[1](1.0)
    kept = cr.vjp(f, w, w, x[::2], m[::2], engine=engine)[1](1.0)
    for a, b in zip(got[:2], kept[:2], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-14)
    np.testing.assert_allclose(got[2], np.insert(kept[2], 1, 0, axis=0), rtol=1e-14)


@pytest.mark.parametrize("line", ["maximum(z[n,o], 0)", "where(z[n,o] > 0, z[n,o], 0)", "(z[n,o] > 0) * z[n,o]**2"])
def test_where_nothing_can_be_infinite_a_derivation_stays_as_it_is(line: str) -> None:
    f = cr.op(f"f(x[n,K], w[O,K]) -> y[n,O]\n z[n,o] = sum[k](w[o,k]*x[n,k])\n y[n,o] = {line}")
    assert cr.derive(f, "w").formula == "dw[o,k] = sum[n](dz[n,o] * x[n,k])"


FINITE = [f.name for f in FUNCTIONS.values() if f.arity == 1 and not f.singular]
POINTS = np.array([[-1e300, -800.0, -1.5, -1.0, -1e-300, 0.0, 1e-300, 0.5, 1.0, 800.0, 1e300]])


@pytest.mark.parametrize("engine", ["native", "reference"])
@pytest.mark.parametrize("name", FINITE)
def test_what_the_table_does_not_call_singular_is_finite_with_its_derivative(name: str, engine: str) -> None:
    """Else 0 times it would be NaN, where the calculus writes no condition for it."""
    y, pullback = cr.vjp(cr.op(f"f(x[n,A]) -> y[n,A]\n y[n,i] = {name}(x[n,i])"), POINTS, engine=engine)
    (dx,) = pullback(np.ones_like(POINTS))
    assert np.isfinite(y).all() and np.isfinite(dx).all()


def test_what_is_made_of_sums_and_products_is_not_singular() -> None:
    assert {"+", "-", "*", "neg"} == RING and not RING & SINGULAR and {"/", "**", "log", "exp", "sqrt"} < SINGULAR
