"""Corners where one-line mistakes hid: neighbours of an array that are not zero, caches called with every kind of argument, two sizes of one thing."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.train.fit import order_of

ENGINES = pytest.mark.parametrize("engine", ["native", "reference"])
F = np.float32
SGD = cr.optim.SGD(0.1)


def amid(values: list[float], start: int = 0) -> np.ndarray:
    """An array whose neighbours in memory are large numbers: who reads outside does not find zeros."""
    big = np.full(len(values) + 64, 1000.0) + np.arange(len(values) + 64)
    big[32 : 32 + len(values)] = values
    return big[32 : 32 + len(values)]


# What is read ------------------------------------------------------------------------------------------------------------

READS: list[tuple[str, list[np.ndarray], object]] = [
    ("f(x[A], w[B], v[C]) -> y[C]\n y[j] = sum[i:B](x[i//(j+1)]*w[i]) + 0*v[j]", [amid([1.0, 2, 3]), np.arange(1.0, 7), np.ones(2)], [1 * 1 + 2 * 2 + 3 * 3, 1 * 3 + 2 * 7 + 3 * 11]),
    ("f(x[A], w[B]) -> y\n y = sum[i:B](x[i % -3 + 1]*w[i])", [amid([1.0, 2, 3]), np.arange(1.0, 7)], 2.0 * (1 + 4) + 1.0 * (3 + 6)),
    ("f(x[A], z[4]) -> y\n y = sum[i:A](x[i] + z[4])", [np.ones(3), amid([1.0, 2, 3, 4])], 0.0),
    ("f(x[A], w[B], z[4]) -> y[B]\n y[b] = sum[i:A](w[b]*x[i]*z[4])", [np.ones(3), np.ones(2), amid([1.0, 2, 3, 4])], [0.0, 0.0]),
    ("f(x[A]) -> y[9,9]\n y[r,q] = sum[a](x[a]*(r-a*a == 0)*(q-r-a*a == 0))", [np.array([1.0, 2, 3])], None),
]  # fmt: skip


@ENGINES
@pytest.mark.parametrize("text, arrays, want", READS, ids=[t.split("\n")[1].strip() for t, _, _ in READS])
def test_nothing_outside_is_read(text: str, arrays: list[np.ndarray], want: object, engine: str) -> None:
    f = cr.op(text)
    if want is None:
        want = np.zeros((9, 9))
        for a, v in enumerate(arrays[0]):
            if a * a < 9 and 2 * a * a < 9:
                want[a * a, 2 * a * a] += v
    assert np.allclose(f(*arrays, engine=engine), want)
    _, pullback = cr.vjp(f, *arrays, engine=engine)
    for k, g in enumerate(pullback(np.ones(np.shape(want)))):
        for at in np.ndindex(arrays[k].shape):
            moved = [a.copy() for a in arrays]
            moved[k][at] += 1
            assert np.isclose(g[at], np.sum(f(*moved, engine="reference")) - np.sum(want), atol=1e-9)


def test_two_tables_read_at_one_number_are_both_its_limit() -> None:
    f = cr.op("f(a[A], b[B], t[n]: int) -> y[n]\n y[n] = a[t[n]] + b[t[n]]")
    assert f(np.ones(3), np.ones(5), np.array([2])) == [2.0]
    with pytest.raises(cr.ArgumentError, match=r"^t\[1\] = 4: .*accepted: whole numbers 0 to 2"):
        f(np.ones(3), np.ones(5), np.array([0, 4]))


COUNTS = [
    ("f(w[K], t[n]: int) -> y[n]\n y[n] = sum[k](w[k]*(-t[n] == k-2))", lambda w, t: sum(v for k, v in enumerate(w) if -t == k - 2)),
    ("f(w[K], t[n]: int) -> y[n]\n y[n] = sum[k](w[k]*(t[n]-1 == k))", lambda w, t: sum(v for k, v in enumerate(w) if t - 1 == k)),
    ("f(w[K], t[n]: int) -> y[n]\n y[n] = sum[k](w[k]*(3*t[n]-k < 2))", lambda w, t: sum(v for k, v in enumerate(w) if 3 * t - k < 2)),
    ("f(w[K], t[A]: int) -> y[A]\n y[a] = sum[k](w[k]*(t[a] == k+200))", lambda w, t: sum(v for k, v in enumerate(w) if t == k + 200)),
]


@ENGINES
@pytest.mark.parametrize("kind", [np.uint8, np.int32, np.int64, np.uint32])
@pytest.mark.parametrize("declared", [": int", ""])
@pytest.mark.parametrize("text, meaning", COUNTS, ids=[t.split("\n")[1].strip() for t, _ in COUNTS])
def test_class_numbers_are_counted_with(text: str, meaning: Callable, declared: str, kind: type, engine: str) -> None:
    w, t = np.array([2.0, 4, 8, 16]), np.array([0, 1, 2, 3, 200, 203, 255, 127, 128], kind)
    assert cr.op(text.replace(": int", declared))(w, t, engine=engine).tolist() == [meaning(w, int(v)) for v in t]


@ENGINES
@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("count", [10, 1000, 100_000])
def test_one_infinity_in_a_long_sum_is_the_sum(count: int, kind: type, engine: str) -> None:
    x = np.full(count, 0.5, kind)
    x[count // 2] = np.inf
    for text in ("f(x[D]) -> y\n y = sum[i](x[i])", "f(x[D]) -> y\n y = sum[i](x[i]*0.5)", "f(x[n]) -> y\n y = sum[n](x[n])"):
        assert cr.op(text)(x, engine=engine) == np.inf
        x[-1] = -np.inf
        assert np.isnan(cr.op(text)(x, engine=engine))
        x[-1] = 0.5


def test_fractions_are_read_as_written() -> None:
    f = cr.op("f(x[D]) -> y[D]\n y[i] = 0.1*x[i] + 0.25*sign(x[i])")
    x = np.array([Fraction(1), Fraction(-3), Fraction(0)], object)
    assert f(x, engine="reference").tolist() == [Fraction(7, 20), Fraction(-11, 20), Fraction(0)]


def test_the_largest_of_nothing_is_infinite_in_fractions_too() -> None:
    """No fraction is: it stays a float, and what is made of it is exact elsewhere."""
    x = np.array([[Fraction(-1), Fraction(1, 3)]], object)
    for kind, none in (("max", -math.inf), ("min", math.inf)):
        f = cr.op(f"f(x[n,I]; k=1, p=1) -> y[n,I+2*p]\n y[n,i] = {kind}[u:k](x[n,i+u-p]) * 2 + 1")
        assert f(x, engine="reference").tolist() == [[none, Fraction(-1), Fraction(5, 3), none]]


# Rounding that all has one sign ------------------------------------------------------------------------------------------

U = 2.0**-24
SUMS = ["f(x[D]) -> y\n y = sum[i](x[i])", "f(x[D]) -> y\n y = mean[i](x[i])", "f(x[n]) -> y\n y = sum[n](x[n])", "f(x[D]) -> y\n y = sum[i](x[i]*x[i])",
        "f(x[D]) -> y[16]\n y[a] = sum[i](x[i]) + 0*a", "f(x[D]) -> y[40]\n y[a] = sum[i](x[i]*x[i]*(a >= 0))"]  # fmt: skip


@pytest.mark.parametrize("count", [10, 100, 319, 1000, 10_000, 100_000, 1_000_000])
@pytest.mark.parametrize("text", SUMS)
def test_equal_terms_lose_no_more_than_others(text: str, count: int) -> None:
    for value in (0.1, 0.3, 1 / 3, 0.7):
        x = np.full(count, value, F)
        one = float(F(value))
        want = one if "mean" in text else one * one * count if "*x" in text else one * count
        assert np.all(np.abs(cr.op(text)(x) - want) <= 8 * U * want), value


def test_the_reference_adds_parts_in_pairs() -> None:
    x = np.full((1500, 2000), 1 / 3, F)
    want = float(x[0, 0]) * x.size
    assert abs(cr.op("f(x[A,B]) -> y\n y = sum[i,j](x[i,j])")(x, engine="reference") - want) <= 8 * U * want


@pytest.mark.parametrize("count", [10, 64, 100, 200, 319, 1000, 10_000, 100_000])
@pytest.mark.parametrize("samples", [1, 16, 70])
def test_matrix_products_of_equal_and_positive_terms(count: int, samples: int) -> None:
    rng = np.random.default_rng(0)
    for x, w in ((np.full((samples, count), v, F), np.full((9, count), v, F)) for v in (0.1, 0.3, 1 / 3)):
        want = float(x[0, 0]) * float(w[0, 0]) * count
        assert np.all(np.abs(cr.ops.linear_plain(x, w) - want) <= 32 * U * want), "a quarter of a block"
    x, w = rng.random((samples, count)).astype(F), rng.random((9, count)).astype(F)
    want = x.astype(float) @ w.T.astype(float)
    assert np.all(np.abs(cr.ops.linear_plain(x, w) - want) <= 8 * U * want)


# Groups that look alike ---------------------------------------------------------------------------------------------------


def test_groups_that_differ_in_their_conditions_alone_are_two() -> None:
    f = cr.op(
        "f(x[A,B], z[A,B]) -> y[A], w[A], v[A]\n y[i] = sum[j](x[i,j]*z[i,j]*(j <= i))\n w[i] = sum[j](x[i,j]*z[i,j]*(j < i))\n v[i] = sum[j](x[i,j]*z[i,j]*(i < j+3))"
    )
    rng = np.random.default_rng(0)
    for a, b in ((9, 9), (40, 33), (5, 70)):
        x, z = rng.normal(size=(2, a, b))
        i, j = np.indices((a, b))
        for got, keep in zip(f(x, z), (j <= i, j < i, i < j + 3), strict=True):
            assert np.allclose(got, (x * z * keep).sum(1), atol=1e-12)


@pytest.mark.parametrize("samples", [5, 40])
def test_windows_at_either_border_are_their_own(samples: int) -> None:
    f = cr.op("f(x[n,D]) -> y[n,D], z[n,D]\n y[n,i] = sum[u:5](x[n,i+u-1])\n z[n,i] = sum[u:5](x[n,i+u-3])")
    x = np.random.default_rng(0).normal(size=(samples, 23))
    wide = np.pad(x, ((0, 0), (3, 3)))
    for got, first in zip(f(x), (2, 0), strict=True):
        assert np.allclose(got, sum(wide[:, first + u : first + u + 23] for u in range(5)), atol=1e-12)
    f = cr.op("f(x[n,D]) -> b[n,D]\n a[n,i:D] = sum[u:5](x[n,i+u+1])\n b[n,i] = sum[u:5](a[n,i+u+2])")
    a = sum(np.pad(x, ((0, 0), (0, 9)))[:, 1 + u : 24 + u] for u in range(5))
    b = sum(np.pad(a, ((0, 0), (0, 9)))[:, 2 + u : 25 + u] for u in range(5))
    assert np.allclose(f(x), b, atol=1e-12), "one group after the other, alike but for the border"


# Caches: one function called with every kind of argument -----------------------------------------------------------------


def test_one_function_takes_every_kind_of_input_and_target() -> None:
    own = cr.op("own(y[n,K], t[n,M]) -> E\n E = mean[n](sum[k](y[n,k]**2)) + mean[n](sum[m](t[n,m]))")
    net = nn.Sequential(nn.Linear(4, 3)).init(0)
    rng = np.random.default_rng(0)
    x, t = rng.normal(size=(5, 4)).astype(F), rng.normal(size=(5, 2)).astype(F)
    evaluate = cr.value_and_grad(net, own)
    pairs = [
        (x, t),
        (rng.integers(0, 9, (5, 4)).astype(np.uint8), t),
        (x, rng.integers(0, 9, (5, 2))),
        (x, rng.normal(size=(5, 7)).astype(F)),
        (x[:3], t[:3]),
    ]
    for a, b in (*pairs, *pairs):
        y = net(a)
        assert evaluate(a, b)[0] == pytest.approx(float((y.astype(float) ** 2).sum(1).mean() + b.sum(1).mean()), rel=1e-5)
    net.astype(np.float64)
    a = pairs[1][0]
    assert evaluate(a, t.astype(float))[1]["0.weight"].dtype == np.float64
    bytes_twice = cr.value_and_grad(net.astype(F), own)
    first = bytes_twice(a, pairs[2][1])[0]
    net.astype(np.float64)
    assert bytes_twice(a, pairs[2][1])[0] == pytest.approx(first, rel=1e-5)


def test_a_network_takes_bytes_before_and_after_it_changes_its_type() -> None:
    net, a = nn.Sequential(nn.Linear(4, 3)).init(0), np.arange(8, dtype=np.uint8).reshape(2, 4)
    first = net(a)
    net.astype(np.float64)
    assert net(a).dtype == np.float64 and np.allclose(net(a), first, rtol=1e-6)


def test_an_operation_takes_every_type_of_whole_numbers() -> None:
    f = cr.op("f(x[n], t[n]) -> y[n]\n y[n] = x[n]*(t[n] == 3)")
    for kind in (np.uint8, np.int64, np.int32, np.uint8, bool, F):
        assert f(np.array([1, 2], F), np.array([3, 1]).astype(kind)).tolist() == [float(np.array(3).astype(kind) == 3), 0.0]


def test_the_bits_of_a_batch_do_not_depend_on_the_batch_before() -> None:
    centred = "centred(x[n,D]) -> y[n,D]\n m[i] = mean[n](x[n,i])\n y[n,i] = x[n,i] - m[i]"
    x = np.random.default_rng(0).normal(size=(1000, 5)).astype(F)
    nets = [nn.Sequential(nn.Formula(centred), nn.Linear(5, 2)).init(0) for _ in range(2)]
    nets[0](x[:5]), nets[0](x[:40])
    assert np.array_equal(nets[0](x), nets[1](x))


@pytest.mark.parametrize("first", [0, 4])
def test_an_output_that_overlaps_an_input_is_refused_on_either_side(first: int) -> None:
    f = cr.op("f(x[D]) -> y[D]\n y[i] = 2*x[i]")
    f(np.ones(8))
    (runner,) = f.ready({"x": np.ones(8)}, {}).machine.free
    big = np.zeros(32)
    big = big[(-big.ctypes.data // 8) % 8 :]
    with pytest.raises(cr.ArgumentError, match="shares memory"):
        runner.run({"y": big[first : first + 8], "x": big[4 - first : 12 - first]}, 1)


# Training ----------------------------------------------------------------------------------------------------------------


def test_a_state_that_was_kept_does_not_train_on() -> None:
    net, x, t = nn.Sequential(nn.Linear(2, 2)).init(0), np.ones((4, 2), F), np.array([0, 1, 0, 1])
    kept, before = net.state_dict(), {k: v.copy() for k, v in net.values.items()}
    cr.fit(net, nn.CrossEntropyLoss(), SGD, (x * np.array([1, -3], F), t), epochs=2)
    assert all(np.array_equal(kept[k], before[k]) for k in kept) and any(not np.array_equal(net.values[k], before[k]) for k in kept)


def test_the_loss_of_an_epoch_is_the_mean_of_its_steps() -> None:
    rng = np.random.default_rng(0)
    x, t = rng.normal(size=(50, 3)).astype(F), rng.integers(0, 2, 50)
    nets = [nn.Sequential(nn.Linear(3, 2)).init(0) for _ in range(2)]
    found = cr.fit(nets[0], nn.CrossEntropyLoss(), SGD, (x, t), epochs=1, batch_size=8, seed=3)[0].train_loss
    losses = cr.TrainStep(nets[1], nn.CrossEntropyLoss(), SGD, x, t, 8).run(order_of(0, 50, 3))
    assert len(losses) == 7 and found == pytest.approx(float(losses.mean()), rel=1e-6) and found != pytest.approx(float(losses[-1]), rel=1e-3)


def test_weights_that_overflow_are_taken_back_though_the_loss_was_finite() -> None:
    net, x, t = nn.Sequential(nn.Linear(2, 1)).init(0), np.full((4, 2), 3e4, F), np.full((4, 1), 1e4, F)
    before = net.state_dict()
    with pytest.raises(cr.NumericsError, match="no longer finite"):
        cr.fit(net, nn.MSELoss(), cr.optim.SGD(1e38), (x, t), epochs=1, batch_size=4)
    assert all(np.array_equal(net.values[k], v) for k, v in before.items())


@pytest.mark.parametrize("layer", [nn.Linear(50, 400), nn.Conv2d(5, 400, 3)])
def test_biases_start_as_pytorchs_do(layer: nn.Module) -> None:
    net = nn.Sequential(layer).init(1)
    bound = 1 / np.sqrt(np.prod(net.values["0.weight"].shape[1:]))
    for v in net.values.values():
        assert 0.8 * bound < np.abs(v).max() <= bound and abs(v.mean()) < 0.2 * bound


SAVED = [
    (nn.Conv2d(2, 3, (2, 3), stride=(2, 1), padding=(1, 2), dilation=(2, 3), bias=False), (1, 2, 11, 13)),
    (nn.Conv2d(2, 3, 3, stride=2, padding=1, dilation=2), (1, 2, 11, 13)),
    (nn.MaxPool2d((2, 3), stride=(1, 2), padding=(1, 0), dilation=(2, 1)), (1, 2, 11, 13)),
    (nn.AvgPool2d(3, stride=1, padding=1), (1, 2, 11, 13)),
    (nn.Linear(13, 2, bias=False), (4, 13)),
    (nn.Softmax(), (4, 13)),
    (nn.Formula("g(x[n,D], w[D]; s=2, a=0.5) -> y[n,D]\n y[n,i] = s*x[n,i]*w[i] + a", w=(13,), s=3, a=0.25), (4, 13)),
]  # fmt: skip


@pytest.mark.parametrize("layer, shape", SAVED, ids=[type(layer).__name__ for layer, _ in SAVED])
def test_every_argument_of_a_layer_is_in_its_file(layer: nn.Module, shape: tuple, tmp_path) -> None:  # type: ignore[no-untyped-def]
    net, x = nn.Sequential(layer).init(0), np.random.default_rng(0).normal(size=shape).astype(F)
    cr.save(net, tmp_path / "m")
    assert np.array_equal(cr.load(tmp_path / "m")(x), net(x))


@pytest.mark.parametrize("value", [2**2000, -(2**62), 10**310])
def test_a_whole_number_that_is_too_large_is_refused_at_every_call(value: int) -> None:
    f = cr.op("f(x[n,D]; a=2.0) -> y[n,D]\n y[n,i] = a * x[n,i]")
    x = np.ones((2, 2))
    f(x, a=2.5), f(x, a=3)
    for _ in range(2):
        with pytest.raises(cr.ArgumentError, match=f"^a={str(value)[:20]}.*too large"):
            f(x, a=value)
