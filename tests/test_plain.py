"""The plain evaluator says what docs/notation.md says: each case worked out by hand."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from chainrule.language.ranges import define
from tests.plain import COMPLEX, FRACTION, REAL, evaluate
from tests.rounding import numbers_with_errors

nan, inf = math.nan, math.inf
X = [3.0, -1.0, 4.0]

CASES = [
    ("f(x[A]) -> y[A]\n y[i] = sum[u:3](x[i+u])", X, [6, 3, 4]),
    ("f(x[A]) -> y[A]\n y[i] = max[u:2](x[i+2*u+1])", X, [-1, 4, -inf]),
    ("f(x[A]) -> y[A]\n y[i] = min[u:2](x[i+u+1])", X, [-1, 4, inf]),
    ("f(x[A]) -> y[A]\n y[i] = mean[u:3](x[i+u])", X, [2, 1, 4 / 3]),
    ("f(x[A]) -> y[A]\n y[i] = argmax[u:2](x[i+u+1])", X, [1, 0, -1]),
    ("f(x[A]) -> y[A]\n y[i] = sum(x[i-1])", X, [0, 3, -1]),
    ("f(x[A]) -> y[A]\n y[i] = 1 + sum[u:2](max[v:2](x[i+u+v]))", X, [8, 9, -inf]),
    ("f(x[A]) -> y\n y = argmax[u,v:2](x[u]*0 + v)", X, 1),
    ("f(x[A]) -> y\n y = argmax[u](0*x[u])", X, 0),
    ("f(x[A]) -> y\n y = sum[u](x[u] * (u != 1))", [1, inf, 2], 3),
    ("f(x[A]) -> y\n y = sum[u](-(0 < u) * x[u] / 2)", [nan, 3, 2], -2.5),
    ("f(x[A]) -> y\n y = sum[u](x[u] * (x[u] < 5))", [1, inf, 2], 3),
    ("f(x[A]) -> y\n y = max[u](x[u] * (u < 2))", [-1, -2, 7], 0),
    ("f(x[A]) -> y, z\n y = max[u](x[u])\n z = min[u](x[u])", [1, nan, 2], nan),
    ("f(x[A]) -> y\n y = argmax[u](x[u])", [1, nan, 2], 1),
    ("f(x[A]) -> y[A]\n y[i] = sum[u:1]((-3*i+1)//2 + 10*((-i)%3)) + 0*x[i]", X, [0, 19, 7]),
    ("f(x[A]; a=0.5) -> y[A]\n y[i] = a*i*i + 0*x[i]", X, [0, 0.5, 2]),
    ("f(x[A]) -> y[A]\n y[i] = 1/(0*x[i])", [1, -1, nan], [inf, -inf, nan]),
    ("f(x[A]) -> y[A]\n y[i] = x[i]**(-1) + x[i]**0 + (-x[i])**0.5", [-1, -4, 0], [1, 2.75, inf]),
    ("f(x[A]) -> y[A]\n y[i] = where(x[i] > 0, maximum(x[i], 2), minimum(x[i], -2)) + sign(x[i]) * abs(x[i])", X, [6, -3, 8]),
    ("f(x[A]) -> y[A]\n y[i] = sum[u](x[u] * delta(u, 2-i))", X, [4, -1, 3]),
]  # fmt: skip


@pytest.mark.parametrize("text, x, want", CASES, ids=[t.partition("= ")[2] for t, _, _ in CASES])
def test_what_the_notation_says(text: str, x: list[float], want: object) -> None:
    d = define(text)
    for numbers in (REAL, numbers_with_errors(2.0**-53)):
        y = evaluate(d, {"x": np.array(x, float)}, {}, numbers)["y"]
        got = [v[0] if isinstance(v, tuple) else v for v in y.reshape(-1)]
        np.testing.assert_allclose(np.array(got, float).reshape(y.shape), want, rtol=1e-15)


def test_whole_numbers_stay_exact() -> None:
    big = 2**60 + 1
    d = define("f(x[2]) -> y, z\n y = sum[i](x[i])\n z = (x[0] == x[1])")
    found = evaluate(d, {"x": np.array([big, big - 1])}, {}, REAL)
    assert found["y"][()] == 2 * big - 1 and found["z"][()] == 0


def test_fractions_and_complex_numbers() -> None:
    d = define("f(x[A]) -> y\n y = sum[i](x[i]**3 / 7)")
    thirds = np.array([Fraction(1, 3), Fraction(2, 3)], object)
    assert evaluate(d, {"x": thirds}, {}, FRACTION)["y"][()] == Fraction(1, 21)
    step = evaluate(d, {"x": np.array([2 + 1e-40j, 1])}, {}, COMPLEX)["y"][()]
    assert step.imag / 1e-40 == pytest.approx(12 / 7, rel=1e-14)


def test_an_error_is_as_large_as_what_it_comes_from() -> None:
    numbers = numbers_with_errors(2.0**-53)
    x = {"x": np.array([1e8, 1.0, -1e8])}

    def error(text: str) -> float:
        return float(evaluate(define(f"f(x[3]) -> y\n y = {text}"), x, {}, numbers)["y"][()][1])

    assert error("x[0] + x[1] + x[2]") == 0 or error("x[0] + x[1] + x[2]") >= 1e8
    assert error("sum[u](x[u]/3)") > 1e7
    assert error("(sum[u](x[u]/3) > 1/3)") == inf  # undecided
    assert error("(sum[u](x[u]/3) > 2)") == 0
    assert error("argmax[u:2](exp(0.1*u) - exp(0.1*u))") == inf
