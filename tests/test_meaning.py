"""What formulas mean, worked out by hand: facts that both engines, the parser and the calculus could share a mistake about.

Each fact is a right side and the same in plain Python for one sample's row x; it is held with samples and without.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

import chainrule as cr

D = 11  # the length of a row; a test sets it to LONG too, where sums are loops and not written out
LONG = 37
I = np.arange(D)  # noqa: E741
Row = np.ndarray


def total(term: Callable[[Row, int, int], float], keep: Callable[[int, int], bool]) -> Callable[[Row], list[float]]:
    """For every i the sum over j in 0..D of the terms that are kept."""
    return lambda x: [sum(term(x, i, j) for j in range(D) if keep(i, j)) for i in range(D)]


def place(x: Row, k: int) -> float:
    """x[k], or 0 outside: a dropped term."""
    return x[k] if 0 <= k < D else 0.0


def pairs(first: int, second: int, keep: Callable[[int, int], bool]) -> Callable[[Row], Row]:
    """For every i the same sum over pairs a, b that are kept."""
    return lambda x: np.full(D, sum(place(x, a + 1) * place(x, b - 1) for a in range(first) for b in range(second) if keep(a, b)))


FACTS: list[tuple[str, Callable[[Row], object]]] = [
    ("x[n,-i+D-1]", lambda x: x[::-1]),
    ("x[n,(i-5)%D]", lambda x: x[(I - 5) % D]),
    ("(i-1)*x[n,i]", lambda x: (I - 1) * x),
    ("(1-i)*x[n,i]", lambda x: (1 - I) * x),
    ("(3*i+1)*x[n,i]", lambda x: (3 * I + 1) * x),
    ("((4*i+3)//2)*x[n,i]", lambda x: (4 * I + 3) // 2 * x),
    ("((2*i-7)//3)*x[n,i]", lambda x: (2 * I - 7) // 3 * x),
    ("((2*i-7)%3)*x[n,i]", lambda x: (2 * I - 7) % 3 * x),
    ("x[n,i] * -2 + -1", lambda x: x * -2 - 1),
    ("-x[n,i] - (1 - x[n,i])", lambda x: -np.ones(D)),
    ("-(x[n,i]**2)", lambda x: -(x**2)),
    ("x[n,i]**-1", lambda x: 1 / x),
    ("x[n,i]**-2", lambda x: 1 / x**2),
    ("x[n,i]**-3", lambda x: 1 / x**3),
    ("x[n,i]**5", lambda x: x**5),
    ("abs(x[n,i])**0.5", lambda x: np.sqrt(np.abs(x))),
    ("abs(x[n,i])**-0.5", lambda x: 1 / np.sqrt(np.abs(x))),
    ("abs(x[n,i])**1.5", lambda x: np.abs(x) ** 1.5),
    ("(x[n,i] >= 0.5) - 2*(x[n,i] <= -0.5)", lambda x: (x >= 0.5) * 1.0 - 2 * (x <= -0.5)),
    ("where(x[n,i], 3, 4)", lambda x: np.where(x != 0, 3.0, 4.0)),
    ("sum[j](x[n,j]*(j<i))", total(lambda x, i, j: x[j], lambda i, j: j < i)),
    ("sum[j](x[n,j]*(j<=i))", total(lambda x, i, j: x[j], lambda i, j: j <= i)),
    ("sum[j](x[n,j]*(j>i))", total(lambda x, i, j: x[j], lambda i, j: j > i)),
    ("sum[j](x[n,j]*(j>=i))", total(lambda x, i, j: x[j], lambda i, j: j >= i)),
    ("sum[j](x[n,j]*(j==i+2))", total(lambda x, i, j: x[j], lambda i, j: j == i + 2)),
    ("sum[j](x[n,j]*(j!=i))", total(lambda x, i, j: x[j], lambda i, j: j != i)),
    ("sum[j](x[n,j]*(2 < j <= i))", total(lambda x, i, j: x[j], lambda i, j: 2 < j <= i)),
    ("sum[j](x[n,j]*(2*j < 3*i))", total(lambda x, i, j: x[j], lambda i, j: 2 * j < 3 * i)),
    ("sum[j](x[n,j]*(3*j > 2*i+1))", total(lambda x, i, j: x[j], lambda i, j: 3 * j > 2 * i + 1)),
    ("sum[j](-(j<=i)*x[n,j])", total(lambda x, i, j: -x[j], lambda i, j: j <= i)),
    ("sum[j]((j<=i)/x[n,j])", total(lambda x, i, j: 1 / x[j], lambda i, j: j <= i)),
    ("sum[j]((j>i)*x[n,j]/(j-i))", total(lambda x, i, j: x[j] / (j - i), lambda i, j: j > i)),
    ("x[n,i] >= 0.5", lambda x: x >= 0.5),
    ("sum[j](x[n,j]*(j<4))", total(lambda x, i, j: x[j], lambda i, j: j < 4)),
    ("sum[j](x[n,j]*(2*j<9))", total(lambda x, i, j: x[j], lambda i, j: 2 * j < 9)),
    ("sum[j](x[n,j]*(3*j>7))", total(lambda x, i, j: x[j], lambda i, j: 3 * j > 7)),
    ("sum[j](x[n,j]*(i<=3*j)*(5*j<=2*i+7))", total(lambda x, i, j: x[j], lambda i, j: i <= 3 * j and 5 * j <= 2 * i + 7)),
    ("sum[j](x[n,j]*(j<i)*(i<j+4))", total(lambda x, i, j: x[j], lambda i, j: i - 4 < j < i)),
    ("sum[j:D+2](x[n,j]) + 0*i", lambda x: np.full(D, x.sum())),
    ("sum[a:5,b:10]((4*a==2*b)*x[n,a+1]*x[n,b-1])", pairs(5, 10, lambda a, b: 4 * a == 2 * b)),
    ("sum[a:5,b:10]((6*a==4*b+2)*x[n,a+1]*x[n,b-1])", pairs(5, 10, lambda a, b: 6 * a == 4 * b + 2)),
    ("sum[a:5,b:10]((6*a==4*b+3)*x[n,a+1]*x[n,b-1])", pairs(5, 10, lambda a, b: False)),
    ("sum[a:9,b:40]((4*a+6*b==50)*x[n,a+1]*x[n,b-1])", pairs(9, 40, lambda a, b: 4 * a + 6 * b == 50)),
    ("sum[a:9,b:40]((15*a==10*b-20)*x[n,a+1]*x[n,b-1])", pairs(9, 40, lambda a, b: 15 * a == 10 * b - 20)),
    ("sum[j](-x[n,j]) + i", lambda x: I - x.sum()),
    ("sum[j](-(x[n,j]*x[n,i]))", lambda x: -x * x.sum()),
    ("sum[j](-(x[n,j]*cos(i*x[n,j])))", total(lambda x, i, j: -x[j] * math.cos(i * x[j]), lambda i, j: True)),
    ("sum[j:40](x[n,(j-i)//2]*cos(j))", lambda x: [sum(place(x, (j - i) // 2) * math.cos(j) for j in range(40)) for i in range(D)]),
    ("sum[j:60](x[n,(j-2*i+1)//3]*cos(j))", lambda x: [sum(place(x, (j - 2 * i + 1) // 3) * math.cos(j) for j in range(60)) for i in range(D)]),
    ("sum[j:60](x[n,(2*j+i)//4-1]*cos(j))", lambda x: [sum(place(x, (2 * j + i) // 4 - 1) * math.cos(j) for j in range(60)) for i in range(D)]),
    ("sum[j](x[n,j]*(j%3<=1))", total(lambda x, i, j: x[j], lambda i, j: j % 3 <= 1)),
    ("sum[j](x[n,j]*((j+3)%4>=1))", total(lambda x, i, j: x[j], lambda i, j: (j + 3) % 4 >= 1)),
    ("sum[j:4](x[n,j+3]*((j+3)%4>=1))", lambda x: np.full(D, x[3] + x[5] + x[6])),
    ("sum[j](x[n,j]*((i+j)%3==0))", total(lambda x, i, j: x[j], lambda i, j: (i + j) % 3 == 0)),
    ("sum[u:3](x[n,(i-u)//2])", lambda x: [sum(place(x, (i - u) // 2) for u in range(3)) for i in range(D)]),
    ("sum[u:3](x[n,i+u-1]*x[n,i-u])", lambda x: [sum(place(x, i + u - 1) * place(x, i - u) for u in range(3)) for i in range(D)]),
    ("sum[u:2](x[n,i+u]) - 3*sum[u:3](x[n,i+u])", lambda x: [sum(place(x, i + u) for u in range(2)) - 3 * sum(place(x, i + u) for u in range(3)) for i in range(D)]),
    ("sum[u:D](u*x[n,u]) - max[u:D](u*x[n,u])", lambda x: np.full(D, (I * x).sum() - (I * x).max())),
    ("mean[u:3,v:2](x[n,i+u-v])", lambda x: [sum(place(x, i + u - v) for u in range(3) for v in range(2)) / 6 for i in range(D)]),
    ("min[u:3](x[n,i+u])", lambda x: [min(x[i : i + 3]) for i in range(D)]),
    ("argmax[j](x[n,j]) + 0*i", lambda x: np.full(D, float(np.argmax(x)))),
    ("argmax[u:3](x[n,i+u-1])", lambda x: [max((u for u in range(3) if 0 <= i + u - 1 < D), key=lambda u: x[i + u - 1]) for i in range(D)]),
    ("max[u:2](x[n,i+u+7])", lambda x: [max((x[k] for k in (i + 7, i + 8) if k < D), default=-math.inf) for i in range(D)]),
    ("min[u:2](x[n,i+u+7])", lambda x: [min((x[k] for k in (i + 7, i + 8) if k < D), default=math.inf) for i in range(D)]),
    ("argmax[u:2](x[n,i+u+7])", lambda x: [max((u for u in (0, 1) if i + u + 7 < D), key=lambda u: x[i + u + 7], default=-1) for i in range(D)]),
]  # fmt: skip


@pytest.mark.parametrize("length", [D, LONG])
@pytest.mark.parametrize("right, meaning", FACTS, ids=[f for f, _ in FACTS])
def test_a_formula_means_what_is_worked_out_by_hand(
    right: str, meaning: Callable[[Row], object], length: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "D", length)
    monkeypatch.setitem(globals(), "I", np.arange(length))
    rows = np.random.default_rng(0).normal(size=(3, D))
    want = np.array([np.asarray(meaning(x), float) for x in rows])
    together = cr.op(f"f(x[n,D]) -> y[n,D]\n y[n,i] = {right}")
    alone = cr.op(f"f(x[D]) -> y[D]\n y[i] = {right.replace('[n,', '[')}")
    for engine in ("native", "reference"):
        np.testing.assert_allclose(together(rows, engine=engine), want, rtol=1e-12, atol=1e-12, err_msg=engine)
        np.testing.assert_allclose(alone(rows[1], engine=engine), want[1], rtol=1e-12, atol=1e-12, err_msg=engine)


NAN, INF = math.nan, math.inf
ROWS = [
    [1.0, NAN, 3.0, NAN],
    [NAN, NAN, NAN, NAN],
    [2.0, 1.0, NAN, -INF],
    [-INF, -INF, -INF, -INF],
    [INF, 1.0, INF, -INF],
    [-1.0, -1.0, -2.0, -2.0],
]


@pytest.mark.parametrize("engine", ["native", "reference"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nan_wins_and_the_first_of_equals_wins(engine: str, dtype: type) -> None:
    x = np.array(ROWS, dtype)
    f = cr.op(
        "f(x[n,D]) -> a[n], b[n], c[n], d[n]\n a[n] = max[i](x[n,i])\n b[n] = min[i](x[n,i])\n c[n] = argmax[i](x[n,i])\n d[n] = argmax[i](-x[n,i])"
    )
    for found, want in zip(f(x, engine=engine), (x.max(1), x.min(1), x.argmax(1), x.argmin(1)), strict=True):
        np.testing.assert_array_equal(found, want)
    alone = cr.op("f(x[A,B]) -> a[A], c[A]\n a[i] = max[j](x[i,j])\n c[i] = argmax[j](x[i,j])")
    for found, want in zip(alone(x, engine=engine), (x.max(1), x.argmax(1)), strict=True):
        np.testing.assert_array_equal(found, want)


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_nan_goes_through_functions_and_comparisons_as_in_numpy(engine: str) -> None:
    x = np.array([ROWS[0] + ROWS[2] + ROWS[4]])
    y = np.array([ROWS[2] + ROWS[0] + ROWS[3]])
    for text, want in [
        ("maximum(x[n,i], y[n,i])", np.maximum(x, y)),
        ("minimum(x[n,i], y[n,i])", np.minimum(x, y)),
        ("(x[n,i] == y[n,i])", x == y),
        ("(x[n,i] != y[n,i])", x != y),
        ("(x[n,i] < y[n,i])", x < y),
        ("(x[n,i] >= y[n,i])", x >= y),
        ("where(x[n,i] > y[n,i], 1, 2)", np.where(x > y, 1, 2)),
        ("sign(x[n,i])", np.sign(x)),
    ]:
        found = cr.op(f"f(x[n,D], y[n,D]) -> z[n,D]\n z[n,i] = {text}")(x, y, engine=engine)
        np.testing.assert_array_equal(found, np.asarray(want, float), err_msg=text)


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_a_window_of_infinities_has_its_first_place_for_winner(engine: str) -> None:
    x = np.array([[-INF, -INF, 1.0]])
    f = cr.op("f(x[n,D]) -> y[n,D], k[n,D]\n y[n,i] = max[u:2](x[n,i+u-1])\n k[n,i] = argmax[u:2](x[n,i+u-1])")
    y, k = f(x, engine=engine)
    np.testing.assert_array_equal(y, [[-INF, -INF, 1.0]])
    np.testing.assert_array_equal(k, [[1, 0, 1]])


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_lines_of_different_sizes_keep_their_own_sums(engine: str) -> None:
    """The same sum over other ranges is another tensor."""
    x, v = np.arange(1.0, 8.0)[None], np.array([2.0, 3.0])
    f = cr.op("f(x[n,D], v[K]) -> z[n,2], y[n,D]\n z[n,i] = 1 + sum[k](v[k]*(i+k))*x[n,0]\n y[n,i] = 1 + sum[k](v[k]*(i+k))*x[n,0]")
    z, y = f(x, v, engine=engine)
    want = [1 + 2 * i + 3 * (i + 1) for i in range(7)]
    np.testing.assert_array_equal(z, [want[:2]])
    np.testing.assert_array_equal(y, [want])


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_part_of_a_tensor_is_read_with_its_own_strides(engine: str) -> None:
    x = np.arange(35.0).reshape(5, 7)
    f = cr.op("f(x[A,B]) -> y[A-1,B-2], z[A,B]\n y[i,j] = x[i,j]\n z[i,j] = (2*i+j)*x[i,j]")
    y, z = f(x, engine=engine)
    np.testing.assert_array_equal(y, x[:4, :5])
    np.testing.assert_array_equal(z, (2 * np.arange(5)[:, None] + np.arange(7)) * x)


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.int64, np.float32])
def test_whole_numbers_keep_their_values(dtype: type) -> None:
    k = np.array([[0, 1, 127, 128, 200, 255]], dtype)
    for engine in ("native", "reference"):
        found = cr.op("f(k[n,D], x[n,D]) -> y[n,D]\n y[n,i] = k[n,i] + x[n,i]")(k, np.ones((1, 6), np.float32), engine=engine)
        np.testing.assert_array_equal(found, k.astype(np.float32) + 1)


def test_planes_of_every_size_are_computed() -> None:
    """Planes of 32 vectors and their multiples are set apart in memory; nothing of that may show."""
    rng = np.random.default_rng(0)
    for rows, columns in ((4, 8), (8, 8), (5, 7), (16, 16)):
        x, w = rng.normal(size=(9, 9, rows, columns)), rng.normal(size=(10, 9, 3, 3))
        y, pull = cr.vjp(cr.ops.conv2d_plain, x, w, p=1)
        want, back = cr.vjp(cr.ops.conv2d_plain, x, w, p=1, engine="reference")
        np.testing.assert_allclose(y, want, rtol=1e-11, atol=1e-11)
        for got, right in zip(pull(y), back(want), strict=True):
            np.testing.assert_allclose(got, right, rtol=1e-10, atol=1e-10)


def test_a_reduction_walked_letter_by_letter_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Above some number of cells the reference holds letters at one value after another."""
    from chainrule.engines import reference

    x = np.random.default_rng(0).integers(-3, 4, size=(5, 4, 3)).astype(float)
    x[0, 1, 2] = x[0, 3, 0] = x[1, 0, 0] = math.nan
    x[2] = -math.inf
    names = ("sum", "max", "min", "mean", "argmax")
    text = "f(x[n,A,B]) -> " + ", ".join(f"{k}_[n]" for k in names) + "\n" + "\n".join(f" {k}_[n] = {k}[a,b](x[n,a,b])" for k in names)
    whole = cr.op(text)(x, engine="reference")
    monkeypatch.setattr(reference, "CELLS", 4)
    for name, got, want in zip(names, cr.op(text)(x, engine="reference"), whole, strict=True):
        np.testing.assert_array_equal(got, want, err_msg=name)


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_a_line_reads_other_places_of_the_line_before(engine: str) -> None:
    x = np.random.default_rng(0).normal(size=(3, 6))
    f = cr.op("f(x[n,D]) -> y[n,D], z[n,D]\n h[n,i] = x[n,i]**2\n y[n,i] = h[n,D-1-i] - h[n,i]\n z[n,i] = sum[u:2](h[n,i+u])")
    y, z = f(x, engine=engine)
    np.testing.assert_allclose(y, x[:, ::-1] ** 2 - x**2)
    np.testing.assert_allclose(z, x**2 + np.pad(x**2, ((0, 0), (0, 1)))[:, 1:])


def test_long_sums_lose_nothing_to_what_comes_and_goes() -> None:
    """A large block and its opposite leave what was there before, in single precision too."""
    x = np.zeros((1, 20_000), np.float32)
    x[0, [0, 3000, 16_000]] = 1.5, 2.0**30, -(2.0**30)
    assert cr.op("f(x[n,D]) -> y[n]\n y[n] = sum[i](x[n,i])")(x) == 1.5
    assert cr.op("f(x[D]) -> y\n y = sum[i](x[i])")(x[0]) == 1.5


# Gradients, by a complex step through the same in Python ---------------------------------------------------------------


def _windows(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """What is inside of the places i + j - k for j < 3, k < 2, times w, all multiplied."""
    d = x.shape[-1]
    rows = []
    for i in range(d):
        inside = [i + j - k for j in range(3) for k in range(2) if 0 <= i + j - k < d]
        rows.append(np.prod([x[..., at] * w[i] for at in inside], axis=0))
    return np.stack(rows, -1)


def _largest(a: np.ndarray, b: object, sign: int = 1) -> np.ndarray:
    return np.where(sign * np.real(a) >= sign * np.real(b), a, b)


SLOPES: list[tuple[str, Callable]] = [
    ("-(x[n,i]/w[i])", lambda x, w: -(x / w)),
    ("-(w[i]/x[n,i])", lambda x, w: -(w / x)),
    ("-x[n,i]*w[i]", lambda x, w: -x * w),
    ("1 - x[n,i] - (w[i] - x[n,i]*w[i])", lambda x, w: 1 - x - (w - x * w)),
    ("(1 - x[n,i])/(2 - w[i])", lambda x, w: (1 - x) / (2 - w)),
    ("x[n,i]**3 - w[i]**-2", lambda x, w: x**3 - w**-2.0),
    ("w[i]**x[n,i]", lambda x, w: w**x),
    ("x[n,i]**2*w[i]**0.5", lambda x, w: x**2 * w**0.5),
    ("exp(-x[n,i])/(1 + exp(-w[i]))", lambda x, w: np.exp(-x) / (1 + np.exp(-w))),
    ("log(w[i])*sqrt(w[i] + x[n,i]**2)", lambda x, w: np.log(w) * np.sqrt(w + x**2)),
    ("sin(x[n,i])*cos(w[i]) - tan(x[n,i]/3)*tanh(w[i])", lambda x, w: np.sin(x) * np.cos(w) - np.tan(x / 3) * np.tanh(w)),
    ("log1p(w[i])*expm1(x[n,i]) + softplus(x[n,i]*w[i])", lambda x, w: np.log(1 + w) * (np.exp(x) - 1) + np.log(1 + np.exp(x * w))),
    ("atan(x[n,i])*sinh(w[i]) - cosh(x[n,i])*asin(w[i]/4)", lambda x, w: np.arctan(x) * np.sinh(w) - np.cosh(x) * np.arcsin(w / 4)),
    ("acos(w[i]/4) + floor(x[n,i])*ceil(w[i])*x[n,i] - round(w[i])", lambda x, w: np.arccos(w / 4) + np.floor(x.real) * np.ceil(w.real) * x - np.round(w.real)),
    ("prod[j](x[n,j] + w[i])", lambda x, w: np.prod(x[..., None, :] + w[:, None], -1)),
    ("prod[j:3,k:2](x[n,i+j-k]*w[i])", lambda x, w: _windows(x, w)),
    ("pow(w[i], 1.5) + max(x[n,i], w[i], 0.3) - min(x[n,i], pi)", lambda x, w: w**1.5 + _largest(_largest(x, w), 0.3) - _largest(x, np.pi, -1)),
    ("x[n,i]*(not x[n,i] > 0 or w[i] > 1) + argmin[k](w[k])*x[n,i]", lambda x, w: x * ((x.real <= 0) | (w.real > 1)) + np.argmin(w.real) * x),
    ("sigmoid(x[n,i]*w[i])", lambda x, w: 1 / (1 + np.exp(-x * w))),
    ("maximum(x[n,i], w[i]*0.5) + minimum(x[n,i], 0.1)", lambda x, w: np.where(x.real > w.real * 0.5, x, w * 0.5) + np.where(x.real < 0.1, x, 0.1)),
    ("where(x[n,i] > w[i]/2, x[n,i]*w[i], w[i])", lambda x, w: np.where(x.real > w.real / 2, x * w, w)),
    ("abs(x[n,i])*w[i] + (x[n,i] > 0)*x[n,i]", lambda x, w: np.where(x.real < 0, -x, x) * w + (x.real > 0) * x),
    ("sum[j:D-1](x[n,j]*w[j]) - 2*sum[u:2](x[n,i+u-1])", lambda x, w: (x * w)[:, :-1].sum(1, keepdims=True) - 2 * (x + np.pad(x, ((0, 0), (1, 0)))[:, :-1])),
    ("mean[j](x[n,j]*w[j])*x[n,i]", lambda x, w: (x * w).mean(1, keepdims=True) * x),
    ("sum[j](x[n,j]*(j<=i))/w[i]", lambda x, w: np.cumsum(x, 1) / w),
    ("x[n,D-1-i]*w[(i+2)%D]", lambda x, w: x[:, ::-1] * np.roll(w, -2)),
]  # fmt: skip


@pytest.mark.parametrize("engine", ["native", "reference"])
@pytest.mark.parametrize("right, meaning", SLOPES, ids=[f for f, _ in SLOPES])
def test_gradients_are_those_of_the_same_in_python(right: str, meaning: Callable, engine: str) -> None:
    rng = np.random.default_rng(1)
    x, w, dy = rng.normal(size=(3, 7)), np.abs(rng.normal(size=7)) + 0.3, rng.normal(size=(3, 7))
    f = cr.op(f"f(x[n,D], w[D]) -> y[n,D]\n y[n,i] = {right}")
    y, pullback = cr.vjp(f, x, w, engine=engine)
    np.testing.assert_allclose(y, meaning(x + 0j, w + 0j).real, rtol=1e-12, atol=1e-12)
    for k, found in enumerate(pullback(dy)):
        for at in np.ndindex(found.shape):
            step = np.zeros(found.shape, complex)
            step[at] = 1e-30j
            moved = meaning(*(a + (step if j == k else 0j) for j, a in enumerate((x, w))))
            np.testing.assert_allclose(found[at], (dy * moved.imag).sum() / 1e-30, rtol=1e-10, atol=1e-10)
    tx, tw = rng.normal(size=x.shape), rng.normal(size=w.shape)
    moved = meaning(x + 1e-30j * tx, w + 1e-30j * tw).imag / 1e-30
    np.testing.assert_allclose(cr.jvp(f, (x, w), (tx, tw), engine=engine)[1], moved, rtol=1e-10, atol=1e-10)


# Only some inputs move ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_forward_mode_keeps_what_inputs_that_stand_still_drop(engine: str) -> None:
    """x[i+u] is added only where w[i-u] is inside too, also when w does not move."""
    f = cr.op("f(x[n,D], w[D]; q=3) -> y[n,D]\n y[n,i] = sum[u:q](x[n,i+u] + w[i-u])")
    x, w = np.random.default_rng(0).normal(size=(2, 6))
    t = np.arange(1.0, 7.0)
    want = [sum(t[i + u] for u in range(3) if i + u < 6 and i - u >= 0) for i in range(6)]
    _, moved = cr.jvp(f, (x[None], w), (t[None], None), engine=engine)
    np.testing.assert_allclose(moved, [want])
    _, pullback = cr.vjp(f, x[None], w, engine=engine)
    dx, _ = pullback(np.ones((1, 6)))
    assert float((dx * t).sum()) == pytest.approx(sum(want))
