"""Answers that were once wrong: what is small, square, long, far out in a tail, or beyond 64 bits."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import chainrule as cr
from chainrule import Op
from tests.test_native import compare

RNG = np.random.default_rng(1)

FORMULAS = [
    ("f(b[I,I]) -> r[I], s[I]\n r[i]=sum[j](b[i,j])\n s[j]=sum[i](b[i,j])", {"b": (2, 2)}, {}),
    ("f(x[A]) -> y[(A+1)//2]\n y[i]=sum(x[i+0*i]*x[2*i])", {"x": (9,)}, {}),
    ("f(x[C,A,D], z[B]; s=1) -> y[A]\n y[j] = sum[v:B,u:2](x[(-3*j+6)//2, s*v+u, 2*u+j+1]*z[v])", {"x": (4, 3, 4), "z": (2,)}, {"s": 2}),
    ("f(x[I,J]) -> y[I,J]\n y[i,j]=i*j+0*x[i,j]", {"x": (5, 9)}, {}),
    ("f(x[J], z[K]) -> y[K]\n y[k]=sum[j](x[j]*cos(j*k))+z[k]", {"x": (7,), "z": (5,)}, {}),
    ("f(x[I,J]) -> y[I,J]\n y[i,j]=(i*j==4)*x[i,j]+(i*i)//3", {"x": (5, 9)}, {}),
    ("f(x[I], w[U]) -> y[I]\n y[i]=max[u:U](u*x[i]-u*i)", {"x": (7,), "w": (3,)}, {}),
    ("f(x[I]; a=0.5) -> y[I]\n y[i]=x[i]+a*i+(a*i<=2)", {"x": (17,)}, {}),
    ("f(x[I,J]) -> y[I,J]\n y[i,j]=sum(x[i*j, j])", {"x": (9, 9)}, {}),
]  # fmt: skip


@pytest.mark.parametrize("text, shapes, settings", FORMULAS, ids=range(len(FORMULAS)))
def test_the_engines_agree_on_it_forward_and_back(text: str, shapes: dict, settings: dict) -> None:
    op = cr.op(text)
    arrays = {k: RNG.normal(size=s) for k, s in shapes.items()}
    numbers = dict(op.definition.settings) | settings
    values = compare(op, arrays, numbers, 1e-12)
    gradient = op.gradient(list(shapes))
    compare(Op.of(gradient.definition), arrays | {gradient.seed[k]: RNG.normal(size=np.shape(v)) for k, v in values.items()}, numbers, 1e-12)


def test_a_fractional_setting_counts_whole() -> None:
    f = cr.op("f(x[n,D]; a=0.5) -> y[n,D]\n y[n,i] = x[n,i] + a*i")
    for engine in ("native", "reference"):
        assert np.array_equal(f(np.zeros((1, 4)), engine=engine), [[0, 0.5, 1, 1.5]])


@pytest.mark.parametrize("count", [2048, 5000, 10**6])
@pytest.mark.parametrize("text", ["f(x[n,D]) -> y[n]\n y[n]=sum[i](x[n,i])", "f(x[D]) -> y\n y=sum[i](x[i])", "f(x[n]) -> y\n y=sum[n](x[n])"])
def test_a_sum_of_any_length_stays_within_its_bound(text: str, count: int) -> None:
    x = np.random.default_rng(0).random((1, count) if "x[n,D]" in text else count, dtype=np.float32)
    exact = float(np.sum(x, dtype=np.float64))
    assert abs(float(np.ravel(cr.op(text)(x))[0]) - exact) <= 8 * 2.0**-24 * exact


def test_a_long_sum_keeps_infinities_and_nan() -> None:
    f = cr.op("f(x[n,D]) -> y[n]\n y[n]=sum[i](x[n,i])")
    x = np.ones((1, 5000))
    x[0, 77] = np.inf
    assert f(x)[0] == np.inf
    x[0, 9] = np.nan
    assert np.isnan(f(x)[0])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_cross_entropy_at_the_edges(dtype: type) -> None:
    z = np.array([[0, -np.inf, 1], [1e6, 1e6 - 3, 2]], dtype)
    y, pullback = cr.vjp(cr.ops.cross_entropy, z, np.array([0, 1]))
    want = (np.log1p(np.exp(1.0)) + np.log1p(np.exp(-3.0)) + 3) / 2
    assert abs(float(y) - want) < 4 * np.finfo(dtype).eps * want
    assert np.isfinite(pullback(np.ones((), dtype))[0]).all()
    y, pullback = cr.vjp(cr.ops.cross_entropy, z, np.array([1, 1]))
    assert y == np.inf and np.isfinite(pullback(np.ones((), dtype))[0]).all()


@pytest.mark.parametrize("engine", ["native", "reference"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_tails_of_the_sigmoid(engine: str, dtype: type) -> None:
    x = np.array([[-17, -20, -40, -80, 0, 3, 17, 90]], dtype)
    wide = x.astype(np.longdouble)
    exact = np.where(x > 0, 1 / (1 + np.exp(-wide)), np.exp(wide) / (1 + np.exp(wide)))
    assert np.all(np.abs(cr.ops.sigmoid(x, engine=engine) - exact) <= 2 * np.spacing(exact.astype(dtype)))


@pytest.mark.parametrize("text", ["1/(1+exp(-x[n,i]))", "x[n,i]/(1+exp(-2*x[n,i]))", "3/(exp(x[n,i])+2)"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_an_exponential_in_a_denominator_never_makes_nan(text: str, dtype: type) -> None:
    f = cr.op(f"f(x[n,D]) -> y[n,D]\n y[n,i]={text}")
    x = np.array([[-800, -90, -3, 0, 0.5, 90, 800]], dtype)
    for engine in ("native", "reference"):
        (back,) = cr.vjp(f, x, engine=engine)[1](np.ones_like(x))
        forth = cr.jvp(f, (x,), (np.ones_like(x),), engine=engine)[1]
        assert np.isfinite(back).all() and np.allclose(back, forth, rtol=1e-5)
    h = 1e-6
    y = lambda v: cr.op(str(f))(v)  # noqa: E731
    if dtype is np.float64:
        assert np.allclose(cr.vjp(f, x)[1](np.ones_like(x))[0], (y(x + h) - y(x - h)) / (2 * h), atol=1e-6)


def test_the_logistic_function_derives_to_what_a_textbook_prints() -> None:
    assert cr.derive(cr.op("f(x[n,D]) -> y[n,D]\n y[n,i] = 1/(1+exp(-x[n,i]))"), "x").formula == "dx[n,i] = dy[n,i] * y[n,i] * (1 - y[n,i])"


def test_powers_at_zero() -> None:
    f = cr.op("f(x[n,D], b[n,D]) -> y[n,D]\n y[n,i]=x[n,i]**b[n,i]")
    x, b = np.array([[0.0, 0, 2]]), np.array([[0.0, 2, 3]])
    for engine in ("native", "reference"):
        dx, db = cr.vjp(f, x, b, engine=engine)[1](np.ones((1, 3)))
        assert np.allclose(dx, [[0, 0, 12]]) and np.allclose(db, [[0, 0, 8 * np.log(2)]])


@pytest.mark.parametrize("engine", ["native", "reference"])
@pytest.mark.parametrize("c", [577126331482908978, 2305843009213693953, 5 * 10**18, 10**30])
def test_index_arithmetic_beyond_64_bits_is_refused(engine: str, c: int) -> None:
    f = cr.op("f(x[n,A,B]; c=1) -> y[n,A]\n y[n,i]=sum[u:17,v:17](x[n,i,u*c+v*c])")
    with pytest.raises(cr.ChainruleError, match=r"64 bits|2\*\*62"):
        f(np.ones((2, 3, 4)), c=c, engine=engine)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "3", None, 1j, True, [1]])
def test_a_setting_is_a_finite_number(value: object) -> None:
    with pytest.raises(cr.ArgumentError, match="a="):
        cr.op("f(x[n,D]; a=0.5) -> y[n,D]\n y[n,i]=a*x[n,i]")(np.ones((1, 2)), a=value)


def test_and_stands_between_comparisons_only() -> None:
    with pytest.raises(cr.DefinitionError, match="not a comparison"):
        cr.op("f(x[n,D]) -> y[n,D]\n y[n,i] = x[n,i] and x[n,i]")
    assert cr.op("f(x[n,D]) -> y[n,D]\n y[n,i] = x[n,i] > 0 and i > 0")(np.ones((1, 2))).tolist() == [[0, 1]]


def test_four_threads_share_one_function() -> None:
    net = cr.nn.Sequential(cr.nn.Linear(20, 30), cr.nn.Tanh(), cr.nn.Linear(30, 3))
    evaluate = cr.value_and_grad(net, cr.nn.CrossEntropyLoss())
    x, t = RNG.normal(size=(64, 20)).astype(np.float32), np.arange(64) % 3
    want, wrong = evaluate(x, t)[0], []

    def work() -> None:
        wrong.extend(1 for _ in range(50) if evaluate(x, t, threads=2)[0] != want)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not wrong and not any(thread.is_alive() for thread in threads)


def test_strided_dilated_gradients_are_small_programs() -> None:
    g = cr.ops.conv2d.gradient(["x", "w", "b"])
    notes = Op.of(g.definition).loops((4, 2, 64, 64), (3, 2, 5, 5), (3,), (4, 3, 7, 7), s=7, d=5)
    assert notes.count("as NumPy has it") == 1, "the copy of dx is one nest, not one for each of 49 residue classes"


def test_latex_has_one_superscript_for_a_name_and_shows_windows() -> None:
    assert r"\left(x^{(1)}\right)^{2}" in cr.op("f(x1) -> y\n y=x1**2").latex()
    assert r"0 \leq u < k" in cr.ops.max_pool2d.latex()


def test_the_guides_example_is_refused_as_it_says() -> None:
    guide = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text()
    text = guide.split('later("""')[1].split('""")')[0]
    with pytest.raises(cr.DefinitionError) as e:
        cr.op("\n".join(line.removeprefix("   ") for line in text.strip("\n").split("\n")))
    said = guide.split("this one is then refused: `")[1].split("`.")[0]
    assert said in str(e.value)


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_whole_numbers_are_compared_as_such(engine: str) -> None:
    a, b = np.array([16777216, 16777217, 16777219, 3, 5] * 4), np.array([16777217, 16777217, 16777218, 3, 4] * 4)
    x = np.ones(20, np.float32)
    for axes, at in (("n", "n"), ("D", "i")):
        f = cr.op(f"f(a[{axes}], b[{axes}], x[{axes}]) -> y[{axes}]\n y[{at}] = (a[{at}]==b[{at}])*x[{at}] + 10*(a[{at}]<b[{at}])")
        assert f(a, b, x, engine=engine)[:5].tolist() == [10, 1, 0, 1, 0]
    g = cr.op("g(a[D], x[D]) -> y[D]\n y[i] = (a[i] == 16777216+i)*x[i] + (i+a[i] >= 16777219)*100")
    assert g(a, x, engine=engine)[:5].tolist() == [1, 1, 100, 0, 0]


def test_a_decision_among_too_many_is_refused() -> None:
    f = cr.op("f(x[n], k[n]; c=1) -> y[n]\n y[n] = x[n] * argmax[u:c,v:c](u*v-k[n]*0)")
    for engine in ("native", "reference"):
        with pytest.raises(cr.ShapeError, match="float64"):
            f(np.ones(2, np.float32), np.ones(2, np.float32), c=5000, engine=engine)


def test_the_loops_name_their_branches_and_use_one_set_of_letters() -> None:
    f = cr.op("f(x[H], w[H,K]) -> y[40]\n y[i] = sum[u,v](w[u,v] * x[i*u-v])")
    text = f.loops((60,), (60, 30))
    assert "where" in text and "i*u-v >= 0" in text
    strided = Op.of(cr.ops.conv2d.gradient(["x"]).definition).loops((16, 2, 9, 9), (3, 2, 3, 3), (3,), (16, 3, 4, 4), s=2)
    for nest in strided.split("phase"):
        bound = set(re.findall(r"(\S+) in ", nest.replace("(", " ")))  # of loops, and of what is written out
        for body in re.findall(r"sum of (.*?)(?: where| \(| for a tile|  #|$)", nest, re.M):
            letters = {x for part in re.findall(r"\[(.*?)\]", body) for x in re.findall(r"[a-z]+\d*'?", part)}
            assert letters - {"n"} <= bound


@pytest.mark.parametrize("text", [
    "f(x[D], w[D,K]) -> y[K]\n y[k] = sum[i](x[i] * w[i,k] * w[0,k])",
    "f(x[D], w[D,K]) -> y[K]\n y[k] = sum[i](x[i] * x[9] * w[0,k]) + w[0,k]",
    "f(x[D], w[D,K]) -> y[D,K]\n y[i,k] = -sum[j](x[j] * w[i,k] * (i <= 2)) + sum[j](x[j] * w[i,k+1])",
])  # fmt: skip
def test_a_factor_that_a_sum_does_not_concern(text: str) -> None:
    op = cr.op(text)
    arrays = {"x": RNG.normal(size=5), "w": RNG.normal(size=(5, 7))}
    values = compare(op, arrays, {}, 1e-12)
    gradient = op.gradient(["x", "w"])
    compare(Op.of(gradient.definition), arrays | {gradient.seed[k]: RNG.normal(size=np.shape(v)) for k, v in values.items()}, {}, 1e-12)


def test_a_winner_is_kept_once_for_all_places_that_share_it() -> None:
    gradient = cr.op("f(x[n,D]) -> y[n,D]\n y[n,i] = x[n,i] - max[j](x[n,j])").gradient(["x"]).definition
    (kept,) = [line for line in gradient.lines if line.tensor.startswith("a")]
    assert kept.letters == ("n",)


# Numbers at the edge of 64 bits ------------------------------------------------------------------------------------------

KNOWN = [
    ("x[i]*(c*c > c)", 3037000500), ("x[i]*(c*c == 0)", 2**32), ("where(c*c > c, x[i], 0)", 2**40), ("x[i]*(c > -c*c)", 3037000500),
    ("x[i]*((c*c)//2 > 0)", 2**32), ("x[i]*(H*c > c)", 2**61 + 1), ("x[i]*(i < 9223372036854775808)", 1), ("x[i]*(i > -9223372036854775809)", 1),
    ("x[i]*(18446744073709551616 == 0)", 1), ("x[i]*delta(18446744073709551616, i)", 1), ("x[i]*(18446744073709551617 != i)", 1),
    ("x[i]*(18446744073709551616 < 36893488147419103232)", 1),
    ("x[i]*(18446744073709551616 < 36893488147419103232)", 1),
]  # fmt: skip


@pytest.mark.parametrize("right, c", KNOWN)
def test_numbers_beyond_64_bits_compare_as_numbers(right: str, c: int) -> None:
    f = cr.op(f"f(x[H]; c=1) -> y[H]\n y[i] = {right}")
    want = [
        eval(
            right.replace("x[i]", "1").replace("delta(", "int.__eq__(").replace("where(", "(lambda t, a, b: a if t else b)("),
            {"i": i, "c": c, "H": 5},
        )
        for i in range(5)
    ]
    for engine in ("native", "reference"):
        assert f(np.ones(5), c=c, engine=engine).tolist() == [float(v) for v in want]


@pytest.mark.parametrize("engine", ["native", "reference"])
@pytest.mark.parametrize("declared", [": int", ""])
@pytest.mark.parametrize("right, most", [("t[i]*t[i] == q[i]", 2**30), ("t[i] + t[i] - q[i] == 0", 2**59), ("t[i]*t[i]*t[i] == 0", 2**20)])
def test_whole_numbers_whose_products_leave_64_bits_are_refused(right: str, most: int, declared: str, engine: str) -> None:
    f = cr.op(f"f(x[D], t[D]{declared}, q[D]{declared}) -> y[D]\n y[i] = ({right})*x[i]")
    near = most // 2 + 1
    t, q = np.array([near, 3, 0]), np.array([near * near if "*t" in right and most > 2**20 else 2 * near, 9, 0])
    q = np.minimum(q, most - 1)
    want = [float(eval(right.replace("[i]", ""), {"t": int(a), "q": int(b)})) for a, b in zip(t, q, strict=True)]
    assert f(np.ones(3), t, q, engine=engine).tolist() == want
    with pytest.raises(cr.ArgumentError, match=r"^t\[1\] = \d+: too large .*accepted: below \d+$"):
        f(np.ones(3), np.array([1, 2 * most, 2]), q, engine=engine)


@pytest.mark.parametrize("kind", [np.uint16, np.uint32, np.uint64, np.int16, np.int32, np.int64])
def test_whole_numbers_of_any_type_are_compared_as_such(kind: type) -> None:
    most = min(np.iinfo(kind).max, 2**40)
    t = np.array([most - 2, most - 1, most], kind)
    f = cr.op("f(a[D], t[D], q[D]) -> y[D]\n y[i] = (t[i] == q[i]) + 0*a[i]")
    for engine in ("native", "reference"):
        assert f(np.ones(3, np.float32), t, t[[1, 1, 2]], engine=engine).tolist() == [0, 1, 1]


# Long sums beside the straight road --------------------------------------------------------------------------------------

U = 2.0**-24
SCATTERS: list[tuple[str, Callable]] = [
    ("sum(x[i//k])", lambda i, k, a: i // k),
    ("x[i%A]", lambda i, k, a: i % a),
    ("x[i*i%A]", lambda i, k, a: i * i % a),
]


@pytest.mark.parametrize("engine", ["native", "reference"])
@pytest.mark.parametrize("places", [1, 7, 100])
@pytest.mark.parametrize("right, place", SCATTERS, ids=[r for r, _ in SCATTERS])
def test_a_place_that_gets_very_many_terms_loses_none(right: str, place: Callable, places: int, engine: str) -> None:
    count = 300_000 if engine == "native" else 2_000_000 // (20 + places)
    f, k = cr.op(f"f(x[A]; k=2, D=8) -> y[D]\n y[i] = {right}"), -(-count // places)
    dy = np.random.default_rng(0).random(count).astype(np.float32)
    want = np.bincount(place(np.arange(count), k, places), dy.astype(float), places)
    _, pullback = cr.vjp(f, np.ones(places, np.float32), k=k, D=count, engine=engine)
    assert np.all(np.abs(pullback(dy)[0] - want) <= 8 * U * want)


def test_a_scatter_for_each_sample_loses_no_terms() -> None:
    f = cr.op("f(x[n,A]; k=2, D=8) -> y[n,D]\n y[n,i] = sum(x[n,i//k])")
    for dtype in (np.float32, np.float64):
        dy = np.random.default_rng(1).random((17, 6000)).astype(dtype)
        want = dy.astype(np.float64).reshape(17, 3, -1).sum(2)
        _, pullback = cr.vjp(f, np.ones((17, 3), dtype), k=2000, D=6000)
        assert np.all(np.abs(pullback(dy)[0] - want) <= 8 * U * want)


@pytest.mark.parametrize("text", ["f(x[n]) -> E\n E = sum[n](x[n])", "f(x[n]) -> E\n E = mean[n](x[n])", "f(x[n]) -> E\n E = sum[n](x[n]*x[n])"])
@pytest.mark.parametrize("threads", [1, 3])
def test_sums_over_very_many_samples_lose_nothing(text: str, threads: int) -> None:
    x = np.random.default_rng(0).random(3_000_000).astype(np.float32)
    wide = x.astype(np.float64)
    want = {"sum[n](x[n])": wide.sum(), "mean[n](x[n])": wide.mean()}.get(text.split(" = ")[1], (wide * wide).sum())
    assert abs(cr.op(text)(x, threads=threads) - want) <= 8 * U * want


def test_gradients_over_very_many_samples_lose_nothing() -> None:
    rng = np.random.default_rng(0)
    x, dy = rng.random((1_500_000, 2)).astype(np.float32), rng.random((1_500_000, 1)).astype(np.float32)
    _, pullback = cr.vjp(cr.ops.linear, x, np.ones((1, 2), np.float32), np.zeros(1, np.float32))
    _, dw, db = pullback(dy)
    want = dy.astype(np.float64).T @ x.astype(np.float64)
    assert np.all(np.abs(dw - want) <= 8 * U * want) and abs(db[0] - dy.sum(dtype=np.float64)) <= 8 * U * db[0]
