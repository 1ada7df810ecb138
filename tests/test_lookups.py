"""Whole numbers of the data as indices run as look-ups, their gradients as scatters: same values as comparing every place."""

from __future__ import annotations

import re

import numpy as np
import pytest

import chainrule as cr
from chainrule.engines.native import finds
from chainrule.engines.session import session

RNG = np.random.default_rng(0)
N, V, D = 37, 50, 5
T, W = RNG.integers(0, V, N), RNG.normal(size=(V, D))

Arrays = dict[str, np.ndarray]

# text, arrays: a table, classes, a row each, several words, a sample's own row, two numbers, powers, sums beside it, gaps, letters beside it
TEXTS: list[tuple[str, Arrays]] = [
    ("table(t[n]: int, w[V,D]) -> y[n,D]\n y[n,d] = w[t[n],d]", {"t": T, "w": W}),
    ("classes(z[n,K], t[n]: int) -> E\n m[n] = max[k](z[n,k])\n E = mean[n](log(sum[k](exp(z[n,k]-m[n]))) - (z[n,t[n]]-m[n]))",
     {"z": RNG.normal(size=(N, V)), "t": T}),
    ("rows(x[A,B], t[A]: int) -> y[A]\n y[i] = x[i,t[i]]", {"x": RNG.normal(size=(N, V)), "t": T}),
    ("line(x[B], t[A]: int) -> y[A]\n y[i] = 2 * x[t[i]]", {"x": RNG.normal(size=V), "t": T}),
    ("bag(t[n,L]: int, w[V,D], u[n,L]) -> y[n,D]\n y[n,d] = sum[l](w[t[n,l],d]*u[n,l])",
     {"t": RNG.integers(0, V, (N, 7)), "w": W, "u": RNG.normal(size=(N, 7))}),
    ("own(x[n,V], t[n,L]: int) -> y[n,L]\n y[n,l] = x[n,t[n,l]]", {"x": RNG.normal(size=(N, V)), "t": RNG.integers(0, V, (N, 7))}),
    ("two(t[n]: int, s[n]: int, w[V,U]) -> y[n]\n y[n] = w[t[n],s[n]]", {"t": T, "s": RNG.integers(0, 30, N), "w": RNG.normal(size=(V, 30))}),
    ("square(t[A]: int, w[V,D]) -> y[A,D]\n y[i,d] = w[t[i],d] - w[t[i],d]**2", {"t": T, "w": W}),
    ("heap(t[n]: int, x[n]) -> y[40]\n y[v:40] = sum[n]((v == t[n]) * x[n])", {"t": RNG.integers(-3, 45, N), "x": RNG.normal(size=N)}),
    ("gaps(t[n]: int, w[V,D]) -> y[n,D]\n y[n,d] = sum[v]((v == t[n] - 60) * w[v,d])", {"t": RNG.integers(40, 130, N), "w": W}),
    ("beside(t[n]: int, w[V,D]) -> y[n,D]\n y[n,d] = sum[v]((v == t[n]) * (v + 1) * w[v,d])", {"t": T, "w": W}),
    ("window(t[n]: int, w[V,D]) -> y[n,D]\n y[n,d] = sum[v:V,u:3]((v == t[n]) * w[v+u-1,d])", {"t": T, "w": W}),
    ("mirror(t[A,B]: int, w[V]) -> y[B,A]\n y[i,j] = w[t[j,i]]", {"t": RNG.integers(0, V, (3, 19)), "w": RNG.normal(size=V)}),
    ("chain(x[V,D], p[M]: int, t[n]: int) -> y[n,D]\n y[n,d] = x[p[t[n]],d]**2", {"x": W, "p": RNG.integers(0, V, 60), "t": T}),
    ("hops(x[V], p[M]: int, q[K]: int, t[A]: int) -> y[A]\n y[i] = x[p[q[t[i]]]] * p[q[t[i]]] + x[p[q[t[i]]]]",
     {"x": RNG.normal(size=V), "p": RNG.integers(0, V, 60), "q": RNG.integers(0, 60, 70), "t": T}),
    ("computed(t[n], w[V,D]) -> y[n,D]\n p[n] = 2*t[n] - 40\n y[n,d] = sum[v]((v == p[n]) * w[v,d])", {"t": RNG.integers(0, 96, N) / 2, "w": W}),
    ("reals(t[A,B], w[V]) -> y[A,B]\n y[i,j] = sum[v](where(v == t[i,j], w[v], 0))", {"t": RNG.integers(-6, 3 * V, (9, 19)) / 3, "w": RNG.normal(size=V)}),
    ("lost(t[n], w[V,D]) -> y[n,D]\n y[n,d] = sum[v]((v == t[n]) * w[v,d])",
     {"t": np.array([np.nan, np.inf, -np.inf, 1e30, 49, 49.5, 50, -1, -0.0, 0, 1e19, -1e19, 7]), "w": W}),
    ("crop(x[n,H,W], s[n,K], r[n,L]) -> y[n,K,L]\n y[n,i,j] = sum[v:H,u:W]((v == s[n,i]) * (u == r[n,j]) * x[n,v,u])",
     {"x": RNG.normal(size=(N, 30, 26)), "s": RNG.integers(0, 30, (N, 7)).astype(float), "r": RNG.integers(0, 26, (N, 3)).astype(float)}),
    ("between(t[n]: int, w[V,D], x[n,V]) -> y[n,V]\n y[n,k] = sum[d](w[t[n],d] * w[k,d]) * x[n,k]", {"t": T, "w": W, "x": RNG.normal(size=(N, V))}),
]  # fmt: skip


def dense(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compare every place from now on."""
    monkeypatch.setattr(finds, "LEAST", 1 << 60)
    monkeypatch.setenv("CHAINRULE_CACHE", "off")
    session.clear()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("text, given", TEXTS, ids=lambda x: x.split("(")[0] if isinstance(x, str) else "")
def test_a_look_up_is_the_sum_over_all_places(text: str, given: Arrays, dtype: type) -> None:
    arrays = {k: a.astype(dtype) if a.dtype.kind == "f" else a for k, a in given.items()}
    room = 1e-12 if dtype is np.float64 else 3e-6
    y, pull = cr.vjp(cr.op(text), **arrays)
    want, back = cr.vjp(cr.op(text), **arrays, engine="reference")
    np.testing.assert_allclose(y, want, rtol=room, atol=room)
    dy = RNG.normal(size=np.shape(y)).astype(dtype)
    for got, right in zip(pull(dy), back(dy), strict=True):
        np.testing.assert_allclose(got, right, rtol=room, atol=room * max(1.0, float(np.abs(right).max())))


@pytest.mark.parametrize("text, given", TEXTS[:7], ids=lambda x: x.split("(")[0] if isinstance(x, str) else "")
def test_look_ups_on_other_vector_widths(text: str, given: Arrays, narrower: str) -> None:
    y, pull = cr.vjp(cr.op(text), **given)
    want, back = cr.vjp(cr.op(text), **given, engine="reference")
    np.testing.assert_allclose(y, want, rtol=1e-12, atol=1e-12)
    for got, right in zip(pull(np.ones_like(y)), back(np.ones_like(y)), strict=True):
        np.testing.assert_allclose(got, right, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("samples", [1, 8, 16, 17, 300])
def test_gradients_add_up_in_the_samples_order(samples: int) -> None:
    """Many samples of one word: the same bits however many threads there are, and no term lost in single precision."""
    f = cr.op(TEXTS[0][0])
    t = np.zeros(samples, int)
    t[samples // 2 :] = 3
    dy = np.random.default_rng(1).random((samples, D)).astype(np.float32)
    found = []
    for threads in (1, 4):
        g = f.gradient(["w"])
        out = cr.Op.of(g.definition)(threads=threads, t=t, w=W.astype(np.float32), dy=dy)
        found.append(out)
    assert np.array_equal(*found)
    want = np.zeros((V, D))
    np.add.at(want, t, dy.astype(float))
    assert np.all(np.abs(found[0] - want) <= 8 * 2.0**-24 * want)


def test_what_is_looked_up_takes_no_loop_over_the_axis() -> None:
    f = cr.op(TEXTS[0][0])
    for words in (f.loops(T, W), cr.Op.of(f.gradient(["w"]).definition).loops(t=T, w=W, dy=np.zeros((N, D)))):
        assert not re.search(r"for v in", words), words
    computed = dict(TEXTS)[next(t for t, _ in TEXTS if t.startswith("computed"))]
    words = cr.op(next(t for t, _ in TEXTS if t.startswith("computed"))).loops(**computed)
    assert not re.search(r"for v in", words), words


@pytest.mark.parametrize("text, given", [TEXTS[0], TEXTS[5], TEXTS[8]], ids=["table", "own", "heap"])
def test_short_axes_are_compared_and_long_ones_looked_up_with_the_same_result(text: str, given: Arrays, monkeypatch: pytest.MonkeyPatch) -> None:
    y, pull = cr.vjp(cr.op(text), **given)
    grads = pull(np.ones_like(y))
    dense(monkeypatch)
    again, back = cr.vjp(cr.op(text), **given)
    np.testing.assert_allclose(again, y, rtol=1e-13, atol=1e-13)
    for a, b in zip(back(np.ones_like(y)), grads, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)
    session.clear()


def test_rows_that_nobody_looks_up_may_hold_anything() -> None:
    w = W.copy()
    w[7], w[11] = np.nan, np.inf
    t = np.where((T == 7) | (T == 11), 0, T)
    y, pull = cr.vjp(cr.op(TEXTS[0][0]), t, w)
    assert np.array_equal(y, w[t]) and np.isfinite(pull(np.ones_like(y))[0]).all()


def test_a_number_outside_is_named_with_its_place() -> None:
    f = cr.op(TEXTS[0][0])
    f(T, W)
    for wrong, shown in ((V, "50"), (-1, "-1")):
        t = T.copy()
        t[4] = wrong
        with pytest.raises(cr.ArgumentError, match=rf"^t\[4\] = {shown}: .* accepted: whole numbers 0 to 49"):
            f(t, W)


def test_a_network_learns_a_table() -> None:
    """An embedding in a network: looked up in lanes, its gradient added up over the batch."""
    table = cr.op("table(t[n,L]: int, w[V,D]) -> y[n,D]\n y[n,d] = mean[l](w[t[n,l],d])")
    net = cr.nn.Sequential(cr.nn.Formula(table, w=(200, 8)), cr.nn.Linear(8, 3)).init(seed=0)
    rng = np.random.default_rng(0)
    t = rng.integers(0, 200, (300, 4))
    labels = (t[:, 0] % 3).astype(int)
    history = cr.fit(net, cr.nn.CrossEntropyLoss(), cr.optim.SGD(lr=1.0, momentum=0.9), (t, labels), epochs=30, batch_size=32)
    assert history[-1].train_loss < 0.3 * history[0].train_loss


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_a_number_that_is_looked_up_stays_whole(engine: str) -> None:
    f = cr.op("f(z[n], p[M]: int, t[n]: int) -> y[n]\n y[n] = (p[t[n]] == 16777217) * z[n] + 2*(p[t[n]] == 16777216)")
    p = np.array([16777216, 16777217, 16777218] * 20)
    assert f(np.ones(3, np.float32), p, np.arange(3), engine=engine).tolist() == [2, 1, 0]


def test_a_table_at_numbers_of_a_table_is_looked_up_not_searched() -> None:
    f = cr.op("emb(x[V,D], p[M]: int, t[n]: int) -> y[n,D]\n y[n,d] = x[p[t[n]],d]**2")
    shapes = (V, D), np.zeros(60, int), np.zeros(N, int)
    for op, given in ((f, shapes), (cr.derive(f, "x").op, (*shapes, (N, D)))):
        assert not re.search(r"for v\S* in|sum of", op.loops(*given))
