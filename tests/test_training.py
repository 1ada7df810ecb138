"""What goes into training is checked whole, what comes out is measured by what it is, and nothing is lost."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.train.run import curve, measure

CE, SGD = nn.CrossEntropyLoss(), cr.optim.SGD(0.1)


def small(dtype: object = np.float32) -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 4)).init(0, dtype)


def batch(samples: int = 12) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(samples, 3)).astype(np.float32), rng.integers(0, 4, samples)


# What is measured ------------------------------------------------------------------------------------------------------


def test_a_classifier_is_measured_by_accuracy_and_loss() -> None:
    x, t = batch(2101)  # more than is measured at a time
    net = small()
    history = cr.fit(net, CE, SGD, (x, t), (x, t), epochs=2)
    assert history[-1].test_accuracy == np.mean(net(x).argmax(axis=1) == t)
    assert history[-1].test_loss == pytest.approx(CE(net(x), t), rel=1e-6)
    alone = cr.fit(small(), CE, SGD, (x, t), epochs=2)
    assert [e.train_loss for e in alone] == [e.train_loss for e in history]
    assert all(e.test_accuracy is None and e.test_loss is None and e.seconds > 0 for e in alone)


BINARY = cr.op("binary(y[n,K], t[n]) -> E\n E = mean[n,k](log(1 + exp(-y[n,k])) + (1 - t[n]) * y[n,k])")
NO_CLASSES = {
    "floats": (nn.MSELoss(), np.linspace(0, 1, 48, dtype=np.float32).reshape(12, 4)),
    "whole numbers": (nn.HalfSquareLoss(), np.eye(4, dtype=np.int64)[np.arange(12) % 4]),
    "a number for each sample": (BINARY, np.arange(12) % 2),
    "numbers beyond the outputs": (cr.op("away(y[n,K], t[n]) -> E\n E = mean[n,k]((y[n,k] - t[n])**2)"), np.arange(12) + 90),
}


@pytest.mark.parametrize("name", NO_CLASSES)
def test_what_is_no_classifier_has_no_accuracy(name: str) -> None:
    loss, t = NO_CLASSES[name]
    net, (x, _) = small(), batch()
    history = cr.fit(net, loss, cr.optim.SGD(1e-3), (x, t), (x, t), epochs=2, batch_size=4)
    assert all(e.test_accuracy is None for e in history)
    assert history[-1].test_loss == pytest.approx(cr.value_and_grad(net, loss)(x, t)[0], rel=1e-5)
    assert measure(history[-1]).startswith("test loss ") and "test loss" in curve(list(history)) and "accuracy" not in curve(list(history))


# What is checked -------------------------------------------------------------------------------------------------------

X, T = batch()
FITS: list[tuple[dict[str, object], str]] = [
    ({"train": X}, "^train=ndarray"),
    ({"train": (X,)}, "^train=tuple"),
    ({"val": X}, "^val=ndarray"),
    ({"val": (X, T[:5])}, r"^val input with shape \(12, 3\) and val target with shape \(5,\)"),
    ({"val": (X[:0], T[:0])}, "^val input with shape"),
    ({"val": (X[:, :2], T)}, r"^val input with shape \(12, 2\)"),
    ({"val": (X.astype(np.float64), T)}, "^val input with dtype float64"),
    ({"val": (X.astype(np.uint8), T)}, "^val input with dtype uint8"),
    ({"val": (X * np.float32(np.nan), T)}, r"^val input\[0, 0\] = nan"),
    ({"val": (X, np.eye(4)[T])}, r"^val target with shape \(12, 4\)"),
    ({"val": (X, np.eye(4, dtype=int)[T])}, r"^val target with shape \(12, 4\)"),
    ({"val": (X, T + 0.5)}, r"^val target\[0\] = "),
    ({"val": (X, T + 1)}, r"^val target\[\d+\] = 4: .*accepted: whole numbers 0 to 3"),
    ({"val": (X, T - 1)}, r"^val target\[\d+\] = -1"),
    ({"val": (np.ma.masked_less(X, 0), T)}, "^val input: .*masked"),
    ({"train": (X, T + 1)}, r"^target\[\d+\] = 4"),
    ({"train": (X, T.astype(np.uint64) - np.uint64(1))}, r"^target\[\d+\] = 18446744073709551615"),
    ({"train": (X, T.astype(str))}, "^target with dtype <U"),
    ({"train": (X[:, :2], T)}, r"layer 0 \(linear\)"),
    ({"loss": nn.MSELoss()}, r"layer loss \(MSELoss\)"),
    ({"loss": "mse"}, "^'mse': not a loss"),
    ({"opt": 0.1}, "^optimizer=0.1"),
    ({"transform": 255}, "^transform=255"),
    ({"transform": cr.ops.linear}, "^transform=<operation linear"),
    ({"classes": "abcd"}, "^classes='abcd'"),
    ({"classes": ["a", "b"]}, "^classes: 2 names"),
    ({"threads": 0}, "^threads=0"),
    ({"batch_size": 2.0}, "^batch_size=2.0"),
    ({"epochs": -1}, "^epochs=-1"),
]


@pytest.mark.parametrize("given, problem", FITS, ids=[p for _, p in FITS])
def test_data_is_checked_before_the_first_step(given: dict[str, object], problem: str) -> None:
    net = small()
    before, epochs = net.state_dict(), []
    arguments: dict[str, object] = {"loss": CE, "opt": SGD, "train": (X, T), "val": (X, T), "on_epoch": epochs.append, "epochs": 2}
    with pytest.raises(cr.ChainruleError, match=problem) as e:
        cr.fit(net, **(arguments | given))  # type: ignore[arg-type]
    assert "accepted: " in str(e.value) and not epochs
    assert all(np.array_equal(net.values[k], v) for k, v in before.items())
    assert net.input is None and net.classes is None


STEPS: list[tuple[Callable[[], object], str]] = [
    (lambda: cr.TrainStep(small(), CE, SGD, X.astype(np.float64), T, 4), "input with dtype float64"),
    (lambda: cr.TrainStep(small(), CE, SGD, X, T[:3], 4), "not pairs"),
    (lambda: cr.TrainStep(small(), CE, SGD, X, T + 1, 4), r"target\[\d+\] = 4"),
    (lambda: cr.TrainStep(small(), CE, SGD, X * np.float32(np.inf), T, 4), "cannot be trained on"),
    (lambda: cr.TrainStep(small(), CE, SGD, X, T, 0), "batch=0"),
    (lambda: cr.TrainStep(small(), CE, SGD, X, T, 4, threads=-1), "threads=-1"),
    (lambda: cr.TrainStep(small(), CE, SGD, X, T, 4).run(np.array([0, 12])), r"^order\[1\] = 12"),
    (lambda: cr.TrainStep(small(), CE, SGD, X, T, 4).run(np.array([-1])), r"^order\[0\] = -1"),
    (lambda: cr.TrainStep(small(), CE, SGD, X, T, 4).run(np.array([0.0])), "^order with"),
    (lambda: cr.TrainStep(small(), CE, SGD, X, T, 4).run(np.ones(12, bool)), "^order with"),
    (lambda: cr.TrainStep(small(), CE, SGD, X, T, 4).run(np.array([[0, 1]])), "^order with"),
    (lambda: cr.value_and_grad(small(), CE)(X, T, threads="2"), "threads='2'"),
    (lambda: small()(X, threads=-3), "threads=-3"),
    (lambda: small()(X, transform=3), "transform=3"),
    (lambda: small().init(0, "number"), "dtype='number'"),
]


@pytest.mark.parametrize("call, problem", STEPS)
def test_steps_are_checked_as_training_is(call: Callable[[], object], problem: str) -> None:
    with pytest.raises(cr.ChainruleError, match=problem):
        call()


def test_steps_take_what_fit_takes() -> None:
    net, again = small(), small()
    step = cr.TrainStep(net, CE, SGD, X[:, ::-1], T.astype(np.uint16).tolist(), 5)
    assert len(step.run([])) == 0
    assert len(step.run(list(range(12)))) == 3
    cr.TrainStep(again, CE, SGD, np.ascontiguousarray(X[:, ::-1]), T, 5).run(np.arange(12))
    assert all(np.array_equal(net.values[k], v) for k, v in again.values.items())
    net.astype(np.float64)
    with pytest.raises(cr.ElementTypeError, match="it was float32"):
        step.run([0])


# What is kept ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [RuntimeError, KeyboardInterrupt, cr.DataError])
def test_what_goes_wrong_in_an_epoch_carries_the_history(kind: type[BaseException]) -> None:
    def stop(e: cr.Epoch) -> None:
        if e.epoch == 2:
            raise kind("stopped")

    with pytest.raises(kind) as e:
        cr.fit(small(), CE, SGD, (X, T), (X, T), epochs=5, on_epoch=stop)
    assert [x.epoch for x in e.value.history] == [1, 2] and e.value.history[1].test_loss is not None


def test_a_loss_that_stops_being_finite_carries_the_history() -> None:
    huge = np.float32(1e18)
    with pytest.raises(cr.NumericsError) as e:
        cr.fit(small(), nn.MSELoss(), cr.optim.SGD(0.1), (X * huge, np.ones((12, 4), np.float32)), epochs=9)
    assert isinstance(e.value.history, cr.History)


# Parameters ------------------------------------------------------------------------------------------------------------


def mapped(v: np.ndarray) -> list[object]:
    wide = np.zeros((8, 6), v.dtype)
    wide[::2, ::2] = v
    fixed = v.copy()
    fixed.setflags(write=False)
    raw = np.zeros(v.nbytes + 1, np.uint8)
    odd = raw[1:].view(v.dtype).reshape(v.shape)
    odd[...] = v
    swapped = v.astype(v.dtype.newbyteorder())
    return [v.T.copy().T, wide[::2, ::2], v.astype(np.float64), v.astype(np.longdouble), v.tolist(), fixed, odd, swapped, np.ma.array(v, mask=False)]


@pytest.mark.parametrize("k", range(9))
def test_parameters_are_taken_over_whatever_they_lie_in(k: int) -> None:
    net, want = small(), small()
    v = (np.arange(12, dtype=np.float32).reshape(4, 3) - 5) / 8
    want.load_state_dict({"0.weight": v, "0.bias": np.ones(4, np.float32)})
    own = net.values["0.weight"].ctypes.data
    net.values["0.weight"] = mapped(v)[k]
    net.values["0.bias"][...] = 1.0
    assert np.array_equal(net(X), want(X)) and net.values["0.weight"].dtype == np.float32
    assert net.values["0.weight"].ctypes.data == own and own % 64 == 0
    assert cr.value_and_grad(net, CE)(X, T)[0] == cr.value_and_grad(want, CE)(X, T)[0]
    cr.fit(net, CE, SGD, (X, T), epochs=1)
    cr.fit(want, CE, SGD, (X, T), epochs=1)
    assert all(np.array_equal(net.values[n], want.values[n]) for n in net.values)


def test_half_precision_is_cast_and_edits_in_place_work() -> None:
    net = small()
    net.values["0.bias"] = np.array([1, 2, 3, 4], np.float16)
    net.values["0.bias"] += 1
    net.values["0.bias"][0] = 9
    assert net.values["0.bias"].tolist() == [9, 3, 4, 5] and net.dtype == np.float32
    net.values["0.weight"].shape = (12,)  # a matter of the view that was handed out
    net.values["0.weight"].setflags(write=False)
    assert net.values["0.weight"].shape == (4, 3) and net(X).shape == (12, 4)
    net.values["0.weight"][...] = 0
    net.values = {"0.weight": np.ones((4, 3)), "0.bias": np.zeros(4)}
    assert net.dtype == np.float64


WRONG: list[tuple[Callable[[nn.Sequential], object], str]] = [
    (lambda n: n.values.__setitem__("0.weight", np.ones((3, 4))), r"0\.weight with shape \(3, 4\)"),
    (lambda n: n.values.__setitem__("0.weight", 1.0), r"0\.weight with shape \(\)"),
    (lambda n: n.values.__setitem__("0.bias", np.ones(4, complex)), r"0\.bias with dtype complex128"),
    (lambda n: n.values.__setitem__("0.bias", np.array([1, 2, 3, None])), r"0\.bias with dtype object"),
    (lambda n: n.values.__setitem__("0.bias", np.array(["a"] * 4)), r"0\.bias with dtype <U1"),
    (lambda n: n.values.__setitem__("0.bias", np.ma.masked_equal([1.0, 2, 3, 4], 2)), r"0\.bias: .*masked"),
    (lambda n: n.values.__setitem__("0.bias", [[1, 2], [3]]), r"0\.bias"),
    (lambda n: n.values.__setitem__("1.bias", np.ones(4)), "'1.bias': the network has no such parameter"),
    (lambda n: n.values.__delitem__("0.bias"), "'0.bias'"),
    (lambda n: n.values.pop("0.bias"), "'0.bias'"),
    (lambda n: n.values.clear(), "cannot be taken away"),
    (lambda n: n.values.update(extra=np.ones(3)), "'extra'"),
    (lambda n: setattr(n, "values", {}), "missing"),
    (lambda n: setattr(n, "values", 3), "^int"),
    (lambda n: setattr(n, "input", "bytes"), "^input='bytes'"),
    (lambda n: setattr(n, "classes", [1, 2]), r"^classes=\[1, 2\]"),
    (lambda n: n.load_state_dict({"0.weight": np.ones((4, 3), complex), "0.bias": np.ones(4)}), "complex"),
]


@pytest.mark.parametrize("change, problem", WRONG)
def test_parameters_that_do_not_fit_are_refused_by_name(change: Callable[[nn.Sequential], object], problem: str) -> None:
    net = small()
    before = net.state_dict()
    with pytest.raises(cr.ChainruleError, match=problem) as e:
        change(net)
    assert "accepted: " in str(e.value)
    assert list(net.values) == list(before) and all(np.array_equal(net.values[k], v) for k, v in before.items())


def test_inputs_may_lie_anyhow() -> None:
    raw = bytearray(X.nbytes + 1)
    odd = np.frombuffer(raw, np.uint8)[1:].view(np.float32).reshape(X.shape)
    odd[...] = X
    net = small()
    want, loss = net(X), cr.value_and_grad(net, CE)(X, T)[0]
    for a in (np.asfortranarray(X), X[:, ::-1][:, ::-1], np.frombuffer(X.tobytes(), np.float32).reshape(X.shape), odd, X.astype(">f4")):
        assert np.array_equal(net(a), want) and cr.value_and_grad(net, CE)(a, T)[0] == loss


def test_networks_are_evaluated_while_parameters_are_assigned() -> None:
    net = small()
    stop = threading.Event()

    def assign() -> None:
        while not stop.is_set():
            net.values["0.weight"] = np.zeros((4, 3))

    worker = threading.Thread(target=assign)
    worker.start()
    try:
        for _ in range(200):
            assert np.isfinite(net(X)).all()
    finally:
        stop.set()
        worker.join()


# Whole numbers in networks ----------------------------------------------------------------------------------------------

EMBED = "embed(t[n,L]: int, W[V,D]) -> y[n,D]\n y[n,d] = sum[l](W[t[n,l],d])"
PLACES = "places(y[n,K,H], t[n,H]: int) -> E\n E = -mean[n,h](y[n,t[n,h],h])"
SPREAD = "spread(x[n,D], w[K,D]) -> y[n,K,D]\n y[n,k,i] = x[n,i]*w[k,i]"
BINARY = "binary(z[n], t[n]: int < 2) -> E\n E = mean[n](log(1+exp(z[n])) - t[n]*z[n])"
DOT = "dot(x[n,D], w[D]) -> z[n]\n z[n] = sum[i](x[n,i]*w[i])"


@pytest.mark.parametrize("wrong", [[[1, 2], [12, 1]], [[1, 2], [-1, 1]], [[1, 2], [0.5, 1]], [[1, 2], [np.nan, 1]]])
def test_a_networks_input_declared_whole_is_checked(wrong: list) -> None:
    net = nn.Sequential(nn.Formula(EMBED, W=(10, 4)), nn.Linear(4, 3)).init(0)
    right = np.array([[1, 2], [3, 1]])
    assert np.array_equal(net(right.astype(np.float32)), net(right)), "floats that are whole are taken"
    x = np.array(wrong, np.float32) if np.array(wrong).dtype.kind == "f" else np.array(wrong)
    t, loss = np.array([0, 1]), nn.CrossEntropyLoss()
    calls = [lambda: net(x), lambda: cr.value_and_grad(net, loss)(x, t), lambda: cr.fit(net, loss, cr.optim.SGD(0.1), (x, t), epochs=1)]
    for call in calls:
        with pytest.raises(cr.ArgumentError, match=r"^input\[1, 0\] = .*accepted: whole numbers"):
            call()


TABLE = cr.op("tab(x[n], t[K]: int, w[V]) -> y[n,K]\n y[n,k] = w[t[k]]*x[n]")


class Table(nn.Module):
    """Looks up places that it holds itself."""

    def __init__(self, places: object, change: Callable = lambda t: t):
        self.w, self.t, self.change = nn.Parameter(np.arange(10.0, 14)), places, change

    def forward(self, x: nn.Symbol) -> nn.Symbol:
        return TABLE(x, self.change(self.t), self.w)


@pytest.mark.parametrize("kind", [np.array, nn.Buffer, list])
def test_what_a_module_holds_itself_is_checked_where_whole_numbers_are_declared(kind: Callable) -> None:
    x, y, right = np.ones(2), np.ones((2, 3)), [[10, 13, 12]] * 2
    assert Table(kind([0, 3, 2])).init(0, np.float64)(x).tolist() == right
    for wrong, problem in (([0, 4, -1], r"t\[1\] = 4"), ([0.5, 1.7, 2], r"t\[0\] = 0\.5")):
        net = Table(kind(wrong)).init(0, np.float64)
        for call in (
            lambda net=net: net(x),
            lambda net=net: net(x, engine="reference"),
            lambda net=net: cr.value_and_grad(net, nn.MSELoss())(x, y),
            lambda net=net: cr.evaluate(net, nn.MSELoss(), (x, y)),
            lambda net=net: cr.fit(net, nn.MSELoss(), SGD, (x, y)),
        ):
            with pytest.raises(cr.ArgumentError, match=rf"^tab: {problem}.*accepted: whole numbers 0 to 3"):
                call()


def test_places_are_checked_again_when_they_change_and_computed_ones_read_nothing_outside() -> None:
    net, x = Table(np.array([0, 3, 2])).init(0, np.float64), np.ones(2)
    net(x)
    net.t[1] = 7
    with pytest.raises(cr.ArgumentError, match=r"^tab: t\[1\] = 7"):
        net(x)
    for engine in ("native", "reference"):
        computed = Table(nn.Buffer([0, 3, 2]), lambda t: t * 2 - 1).init(0, np.float64)
        assert computed(x, engine=engine)[0].tolist() == [0, 0, 13]


KEPT = cr.op("kept(x[n], s: int) -> y[n]\n y[n] = x[n]*(uniform(s, n) >= 0.5)")


@pytest.mark.parametrize("seed", [3, np.array(2**40 + 3), nn.Buffer(3.0)], ids=["number", "array", "buffer"])
@pytest.mark.parametrize("computed", [False, True])
def test_a_seed_of_a_module_is_a_whole_number_in_both_engines(seed: object, computed: bool) -> None:
    class Dropped(nn.Module):
        def __init__(self) -> None:
            self.seed, self.w = seed, nn.Parameter(np.ones(40))

        def forward(self, x: nn.Symbol) -> nn.Symbol:
            return KEPT(x * self.w, self.seed + 0 * x.sum() if computed else self.seed)

    net, x = Dropped().init(0, np.float64), np.linspace(1, 2, 40)
    assert np.array_equal(net(x), net(x, engine="reference")) and 5 < np.count_nonzero(net(x)) < 35
    assert np.array_equal(net(x) == 0, KEPT(x, np.asarray(net.seed).astype(int)) == 0)
    evaluate = cr.value_and_grad(net, nn.MSELoss())
    one, other = evaluate(x, 2 * x), evaluate(x, 2 * x, engine="reference")
    assert one[0] == pytest.approx(other[0], rel=1e-14)
    np.testing.assert_allclose(one[1]["w"], other[1]["w"], rtol=1e-13)


def test_whole_numbers_too_large_to_count_with_are_refused_in_networks() -> None:
    cube = cr.op("cube(x[n,K], t[n]: int) -> y[n,K]\n y[n,k] = x[n,k]*(t[n]*t[n]*t[n] == 8)")

    class Cubed(nn.Module):
        def forward(self, x: nn.Symbol, t: nn.Symbol) -> nn.Symbol:
            return cube(x, t)

    with pytest.raises(cr.ArgumentError, match=r"^t\[1\] = 1099511627776: too large"):
        Cubed()(np.ones((2, 1)), np.array([2, 2**40]))


def test_targets_declared_whole_are_checked_for_every_loss() -> None:
    net, x = nn.Sequential(nn.Formula(SPREAD, w=(4, 3))).init(0), np.ones((6, 3), np.float32)
    places, bad = cr.op(PLACES), np.full((6, 3), 9)
    assert cr.fit(net, places, SGD, (x, bad % 4), (x, bad % 4), epochs=1)[0].test_accuracy is None
    for call in (
        lambda: cr.fit(net, places, SGD, (x, bad), epochs=1),
        lambda: cr.value_and_grad(net, places)(x, bad),
        lambda: cr.fit(net, places, SGD, (x, bad % 4), (x, bad), epochs=3),
    ):
        with pytest.raises(cr.ArgumentError, match=r"target\[0, 0\] = 9: .*accepted: whole numbers 0 to 3") as e:
            call()
        assert not len(getattr(e.value, "history", ())), "before the first step"
    with pytest.raises(cr.ArgumentError, match=r"^target\[0\] = 7: .*accepted: whole numbers 0 to 1"):
        cr.fit(nn.Sequential(nn.Formula(DOT, w=(3,))), cr.op(BINARY), SGD, (x, np.full(6, 7)), epochs=1)


LOSSES = [
    ("sum[k](where(k == t[n], y[n,k], 0))", True),
    ("sum[k](delta(t[n], k)*y[n,k])", True),
    ("where(t[n] == c, y[n,0]**2, (y[n,0]-t[n])**2)", False),
    ("sum[k]((y[n,k]-t[n])**2*(1+(k == t[n])))", False),
    ("sum[k]((k < t[n])*y[n,k]**2 + (k == t[n])*3)", False),
    ("sum[j:3](where(j == t[n], y[n,0], 0))", False),
]


@pytest.mark.parametrize("body, classes", LOSSES)
def test_a_loss_of_classes_asks_for_the_number_of_an_output(body: str, classes: bool) -> None:
    loss = cr.op(f"own(y[n,K], t[n]; c=3) -> E\n E = mean[n]({body})")
    net, x, t = nn.Sequential(nn.Linear(2, 4)).init(0), np.ones((4, 2), np.float32), np.array([3, 2, 1, 0])
    found = cr.fit(net, loss, SGD, (x, t), (x, t), epochs=1)[0].test_accuracy
    assert (found is not None) is classes
