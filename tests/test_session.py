"""Programs and the session: what a repeated call costs, what is kept and for how long, programs as text."""

from __future__ import annotations

import copy
import gc
import pickle
import threading
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest

import chainrule as cr
from chainrule.engines import session as sessions
from chainrule.engines.native import program as native
from chainrule.engines.recent import Owner, Recent
from chainrule.engines.session import Session, by_reference, session
from chainrule.language.functions import WORDS
from chainrule.operation import call
from chainrule.operation.op import Op
from tests.cases import CORE, HALF, Case

SCALED = "scaled(x[n,A]; a=2.0, k=3) -> y[n,A]\n y[n,i] = a * x[n,i]**k + a"


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one for each program that is compiled or taken from the disk."""
    found: list[int] = []
    real = native.compile_spec
    monkeypatch.setattr(native, "compile_spec", lambda spec: found.append(1) or real(spec))
    return found


# Settings --------------------------------------------------------------------------------------------------------------


def test_another_value_of_a_float_setting_compiles_nothing(compiled: list[int]) -> None:
    f, x = cr.op(SCALED), np.random.default_rng(0).normal(size=(5, 3))
    session.clear()
    for a in (0.1, 7.25, -3, 0, 1e300):
        assert np.allclose(f(x, a=a), a * x**3 + a, rtol=1e-14), a
        y, pullback = cr.vjp(f, x, a=a)
        assert np.allclose(pullback(np.ones_like(y))[0], 3 * a * x**2)
    assert len(compiled) == 2, "the operation and its gradient"
    assert np.allclose(f(x, a=0.5, k=2), 0.5 * x**2 + 0.5) and len(compiled) == 3, "whole settings are constants"


def test_settings_keep_their_digits_in_every_type() -> None:
    f = cr.op(SCALED)
    x = np.array([[Fraction(1, 3)]], object)
    assert f(x, a=0.1, engine="reference")[0, 0] == Fraction(1, 10) * Fraction(1, 27) + Fraction(1, 10)
    for dtype in (np.float32, np.float64):
        for engine in ("native", "reference"):
            assert f(np.zeros((1, 1), dtype), a=0.1, engine=engine)[0, 0] == dtype(0.1)
    assert f(np.array([[1j]]), a=0.5, engine="reference")[0, 0] == 0.5 * -1j + 0.5


@pytest.mark.parametrize("value", [np.inf, np.nan, "1", None, True, 1j, np.ones(2)])
def test_a_setting_that_is_no_number_is_refused_however_often(value: object) -> None:
    f, x = cr.op(SCALED), np.ones((2, 2))
    f(x, a=1.0)
    for _ in range(2):
        with pytest.raises(cr.ArgumentError, match=r"^a="):
            f(x, a=value)
        with pytest.raises(cr.ArgumentError, match=r"^k="):
            f(x, k=1.5)


def test_calls_that_differ_are_told_apart() -> None:
    """Everything that could be mixed up by what a repeated call is known by."""
    f = cr.op("f(x[n,A], z[n,A]; a=1.0, k=1) -> y[n,A]\n y[n,i] = a*x[n,i] - k*z[n,i]")
    x, z = np.ones((2, 3)), np.full((2, 3), 2.0)
    for _ in range(2):
        assert f(x, z)[0, 0] == -1 and f(z, x)[0, 0] == 1 and f(x, z=z)[0, 0] == -1 and f(z=z, x=x)[0, 0] == -1
        assert f(x, z, a=3)[0, 0] == 1 and f(x, z, k=3)[0, 0] == -5 and f(x, z, a=3.0, k=3)[0, 0] == -3
        assert f(x.astype(int), z)[0, 0] == -1 and f(x.astype(np.uint32), z)[0, 0] == -1 and f(x > 0, z)[0, 0] == -1
        assert f(x[:, ::2], z[:, 1:])[0, 0] == -1 and f(np.asfortranarray(x), z).shape == (2, 3)
        assert f(x.astype(">f8"), z)[0, 0] == -1 and f(x.tolist(), z)[0, 0] == -1
        assert f(x.astype(np.float32), z.astype(np.float32)).dtype == np.float32
        assert f(x[:1], z[:1]).shape == (1, 3)
        for wrong in ({"a": np.array([1.0])}, {"b": 1}, {"x": x}):
            with pytest.raises(cr.ArgumentError):
                f(x, z, **wrong)


def test_large_unsigned_numbers_are_told_from_small_ones() -> None:
    f = cr.op("f(x[n], z[n]) -> y[n]\n y[n] = (x[n] == 4611686018427387903) * z[n]")
    z = np.ones(1)
    for x, want in ((2**62 - 1, 1), (2**64 - 1, 0), (2**62 - 1, 1)):
        assert f(np.array([x], np.uint64), z)[0] == want


# Memory ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CORE, ids=lambda c: c.id)
def test_machine_code_writes_all_of_its_outputs(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    def poisoned(shape: tuple[int, ...], dtype: np.dtype, wide: bool) -> np.ndarray:
        return np.full(shape, np.nan, dtype)

    arrays = case.arrays(3)
    want = case.op.evaluate(arrays, case.numbers)
    monkeypatch.setattr(call, "memory", poisoned)
    gradient = case.op.gradient(case.wrt)
    seeds = {gradient.seed[k]: np.ones(np.shape(v)) for k, v in want.items()}
    for op, given in ((case.op, arrays), (Op.of(gradient.definition), arrays | seeds)):
        right = op.evaluate(given, case.numbers, "reference")
        for k, v in op.evaluate(given, case.numbers).items():
            assert np.array_equal(np.isnan(v), np.isnan(right[k])), k


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_a_pullback_keeps_what_it_reads_as_it_was(engine: str) -> None:
    op = cr.op("f(x[n,D], w[D], b[D], t[n]: int < D) -> y[n,D]\n y[n,i] = b[i] + w[i]*x[n,i]**2 + (i == t[n])*w[i]")
    x, w, b, t = np.array([[1.0, 2.0]]), np.array([3.0, 5.0]), np.array([7.0, 8.0]), np.array([1])
    y, pullback = cr.vjp(op, x, w, b, t, engine=engine)
    for a in (x, w, b, y):
        a *= 10
    t[0] = 0
    dx, dw, db = pullback(np.ones((1, 2)))
    assert dx.tolist() == [[6, 20]] and dw.tolist() == [1, 5] and db.tolist() == [1, 1]
    assert pullback(np.ones((1, 2)))[0].tolist() == [[6, 20]], "as often as one likes"


def test_many_sizes_do_not_grow_memory_without_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "MOST_PROGRAMS", 5)
    session.clear()
    f = cr.op("f(x[A]) -> y[A]\n y[i] = 2 * x[A-1-i]")
    for size in (*range(1, 20), 3):
        assert np.array_equal(f(np.arange(size, dtype=float)), 2 * np.arange(size, dtype=float)[::-1])
    assert len(session.kept) == 5
    gc.collect()
    assert sum(r.held.kept() is not None for r in f._ready.values()) == 5, "what was let go is gone"
    session.clear()


def test_what_was_used_longest_ago_is_forgotten_first() -> None:
    known: Recent[int] = Recent(3)
    for k in (1, 2, 3):
        known.put(k, 10 * k)
    assert known.get(1) == 10 and known.get(4) is None
    known.put(4, 40)
    assert list(known.kept) == [1, 3, 4], "2 was not asked for since"
    known.shrink(9, lambda v: v, 50)
    assert list(known.kept) == [1, 4], "30 and 10 and 40 are more than 50"
    known.shrink(9, lambda v: v, 1)
    assert list(known.kept) == [4], "what came last stays, whatever it weighs"


def test_all_caches_together_remember_no_more_than_the_session_allows() -> None:
    owner = Owner(200)
    several = [owner.recent(50) for _ in range(20)]
    for k in range(40):
        for known in several:
            known.put(k, k)
    assert len(owner) <= 200 + Owner.OFTEN and all(known.get(39) == 39 for known in several), "the oldest of all went"
    del several[5:], known
    gc.collect()
    assert len(owner.refs) == 5, "caches that are gone are not counted"
    owner.clear()
    assert len(owner) == 0


def test_threads_and_handlers_share_a_cache_without_a_lock() -> None:
    known: Recent[int] = Recent(8)
    wrong: list[object] = []

    def work(seed: int) -> None:
        for k in np.random.default_rng(seed).integers(0, 20, 4000).tolist():
            found = known.get(k)
            if found not in (None, k) or known.put(k, k) != k:
                wrong.append(found)

    workers = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for t in workers:
        t.start()
    for t in workers:
        t.join()
    assert not wrong and len(known) <= 8


@pytest.mark.parametrize("what", ["operation", "network", "gradients"])
def test_nothing_of_many_shapes_stays(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither code nor runners nor bindings: what is alive after many sizes is what the limits say."""
    monkeypatch.setattr(sessions, "MOST_PROGRAMS", 4)
    monkeypatch.setattr(sessions, "MOST_EACH", 6)
    session.clear()
    gc.collect()
    before = _alive()
    f: Callable[[int], object]
    if what == "operation":
        op = cr.op("f(x[A]) -> y[A]\n y[i] = 2 * x[A-1-i]")
        f = lambda k: op(np.ones(k))  # noqa: E731
    else:
        net = cr.nn.Sequential(cr.nn.AdaptiveAvgPool2d(1), cr.nn.Flatten(), cr.nn.Linear(1, 2)).init(0)
        step = cr.value_and_grad(net, cr.nn.CrossEntropyLoss())
        x = lambda k: np.ones((1, 1, 2, k), np.float32)  # noqa: E731
        f = (lambda k: net(x(k))) if what == "network" else lambda k: step(x(k), np.zeros(1, int))
    for k in range(1, 25):
        f(k)
    counts = session.counts()
    assert counts["programs"] == 4 and counts["remembered"] <= 6 * 12
    gc.collect()
    more = {k: n - before[k] for k, n in _alive().items()}
    assert more["Runner"] <= 4 and more["Code"] <= 4 and more["Held"] <= 6, more
    session.clear()
    gc.collect()
    assert session.counts() == {"programs": 0, "bytes": 0, "remembered": 0}
    assert _alive()["Runner"] <= before["Runner"] and _alive()["Held"] <= before["Held"]
    f(3)


def _alive() -> dict[str, int]:
    kinds = {"Runner", "Code", "Held"}
    found = [type(o).__name__ for o in gc.get_objects()]
    return {k: sum(name == k for name in found) for k in kinds}


def test_large_memories_are_let_go_first_used_first(monkeypatch: pytest.MonkeyPatch) -> None:
    session.clear()
    monkeypatch.setattr(sessions, "MOST_BYTES", 3_000_000)
    f = cr.op("f(x[A,B]) -> y[A]\n h[i,j] = exp(x[i,j])\n y[i] = sum[j](h[i,j] * h[A-1-i,j])")
    for size in (100, 101, 102, 103, 104):
        f(np.ones((size, 1000)))
    assert 1 <= len(session.kept) < 5 and sum(m.bytes for m in session.kept.values()) <= 4_000_000
    session.clear()


def test_programs_in_use_are_found_again(compiled: list[int]) -> None:
    own = Session()
    f = cr.op("f(x[n,A]) -> y[n,A]\n y[n,i] = x[n,i] + 1")
    specs = [f.ready({"x": np.ones((2, k))}, {}).spec for k in (2, 3)]
    compiled.clear()
    first = own.machine(specs[0])
    assert own.machine(specs[1]) is not first and own.machine(specs[0]) is first and len(compiled) == 2
    other = cr.op("f(x[n,A]) -> y[n,A]\n y[n,i] = x[n,i] + 1").ready({"x": np.ones((3, 2))}, {}).spec
    assert own.machine(other) is first, "a program is known by what it is made of"


def test_threads_do_not_wait_for_each_other_nor_mix_their_values() -> None:
    f = cr.op("f(x[n,A], w[A,B]) -> y[n,B]\n h[n,k] = exp(sum[i](x[n,i]*w[i,k]))\n y[n,j] = h[n,j] / sum[k](h[n,k])")
    w = np.random.default_rng(0).normal(size=(5, 4))
    inputs = [np.random.default_rng(k).normal(size=(3, 5)) for k in range(16)]
    want = [f(x, w, engine="reference") for x in inputs]
    wrong: list[int] = []

    def many(k: int) -> None:
        for _ in range(200):
            if not np.allclose(f(inputs[k], w), want[k], rtol=1e-12):
                wrong.append(k)

    workers = [threading.Thread(target=many, args=(k,)) for k in range(16)]
    for t in workers:
        t.start()
    for t in workers:
        t.join()
    assert not wrong
    assert 1 <= len(f.ready({"x": inputs[0], "w": w}, {}).machine.free) <= sessions.MOST_SPARE


def test_a_helper_that_comes_late_finds_its_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is let go right after a call may still be entered by a helper of that call."""
    monkeypatch.setattr(sessions, "MOST_PROGRAMS", 1)
    f = cr.op("f(x[A,B]) -> y[A,B]\n y[i,j] = exp(x[i,j])")
    for size in range(200, 216):
        assert f(np.zeros((size, 300)), threads=4)[0, 0] == 1
        session.clear()
        gc.collect()


def test_networks_that_share_code_keep_their_own_parameters() -> None:
    """The addresses of parameters stay in a program's frame from call to call: another network, new memory or a training step take their place."""
    make = lambda seed: cr.nn.Sequential(cr.nn.Linear(3, 4), cr.nn.BatchNorm1d(4), cr.nn.Linear(4, 2)).init(seed, np.float64)  # noqa: E731
    x, t = np.random.default_rng(0).normal(size=(5, 3)), np.zeros(5, int)
    nets = [make(0), make(1), make(2)]
    want = [net(x, engine="reference") for net in nets]
    for k in (0, 1, 0, 0, 2, 1, 2):
        np.testing.assert_allclose(nets[k](x), want[k], rtol=1e-12)
    nets[0].load_state_dict(nets[1].state_dict())
    np.testing.assert_allclose(nets[0](x), want[1], rtol=1e-12)
    nets[2][0].weight = nets[1][0].weight
    nets[2].astype(np.float32).astype(np.float64)
    cr.fit(nets[1], cr.nn.CrossEntropyLoss(), cr.optim.SGD(0.1), (x, t), epochs=1, batch_size=5)
    for net in (*nets, copy.deepcopy(nets[1]), pickle.loads(pickle.dumps(nets[2]))):
        np.testing.assert_allclose(net(x), net(x, engine="reference"), rtol=1e-6)
    assert np.array_equal(copy.deepcopy(nets[1])(x), nets[1](x)) and not np.array_equal(nets[0](x), nets[1](x))


# Programs --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", HALF, ids=lambda c: c.id)
def test_a_program_reads_back_as_what_it_computes(case: Case) -> None:
    arrays = case.arrays(3)
    program = case.op.program(**arrays, **case.numbers)
    again = cr.op(str(program))
    names = program.names
    want = case.op.evaluate(arrays, case.numbers, "reference")
    for engine in ("native", "reference"):
        found = again.evaluate({names[k]: a for k, a in arrays.items()}, {}, engine)
        for k, v in want.items():
            np.testing.assert_allclose(found[names[k]], v, rtol=1e-11, atol=1e-11)
    exact = by_reference(program, program.taken(arrays | {k: np.array(v) for k, v in program.numbers}), np.dtype(float))
    assert all(np.array_equal(exact[k], v, equal_nan=True) for k, v in want.items())


@pytest.mark.parametrize("case", HALF, ids=lambda c: c.id)
def test_a_programs_gradient_is_the_operations(case: Case) -> None:
    arrays = case.arrays(2)
    program = case.op.program(**arrays, **case.numbers)
    whole, names = cr.op(str(program)), program.names
    given = {names[k]: a for k, a in arrays.items()}
    one, other = case.op.gradient(case.wrt), whole.gradient([names[k] for k in case.wrt])
    values = case.op.evaluate(arrays, case.numbers, "reference")
    rng = np.random.default_rng(0)
    dy = {k: rng.normal(size=np.shape(v)) for k, v in values.items()}
    want = Op.of(one.definition).evaluate(arrays | {one.seed[k]: v for k, v in dy.items()}, case.numbers, "reference")
    found = Op.of(other.definition).evaluate(given | {other.seed[names[k]]: v for k, v in dy.items()}, {}, "reference")
    for k in case.wrt:
        np.testing.assert_allclose(found[other.of[names[k]]], want[one.of[k]], rtol=1e-9, atol=1e-9)


def test_operations_are_copied_and_pickled_before_and_after_calls() -> None:
    for op in (cr.op(SCALED), cr.ops.conv, cr.ops.conv2d):
        for _ in range(2):
            for again in (pickle.loads(pickle.dumps(op)), copy.deepcopy(op), copy.copy(op)):
                assert str(again) == str(op) and again.definition == op.definition and again.doc == op.doc
                arrays = [np.ones((2, 3))] if op.name == "scaled" else [np.ones((1, 2, 4, 4)), np.ones((3, 2, 2, 2)), np.ones(3)]
                assert np.array_equal(again(*arrays), op(*arrays))


AWKWARD = [*(f"{word}_" for word in sorted(WORDS)), "after", "int", "_", "__", "é", "名", "λ_", "名前", "N", "n_", "N_n", "t", "v1"]


@pytest.mark.parametrize("name", AWKWARD)
def test_names_that_are_no_names_of_the_language_come_back_as_some_that_are(name: str) -> None:
    """As an input, a float setting and a line between, beside the constants and words that they might be taken for."""
    x = np.arange(6.0).reshape(3, 2)
    f = f"(x[n,D], {name}[D]) -> y[n,D]\n y[n,i] = where(x[n,i] < inf, {name}[i]*x[n,i], pi) + sum[u](x[n,u])"
    s = f"(x[n,D]; {name}=0.5) -> y[n,D]\n y[n,i] = minimum(inf, {name}*x[n,i])"
    h = f"(x[n,D]) -> y[n,D]\n {name}[n,i] = x[n,i]**2\n y[n,i] = {name}[n,i] + max[v](x[n,v])"
    for text, more in ((f, (np.array([3.0, 5.0]),)), (s, ()), (h, ())):
        op = cr.op("awkward" + text)
        program = op.program(x, *more)
        given = dict(zip((program.names[t.name] for t in program.inputs), (x, *more), strict=True))
        again = cr.op(str(program))
        assert np.array_equal(again(**given, engine="reference"), op(x, *more, engine="reference")), str(program)


def test_attributes_may_be_named_as_words_of_python_or_in_any_letters() -> None:
    class Named(cr.nn.Module):
        def __init__(self) -> None:
            for k, name in enumerate(names):
                setattr(self, name, cr.nn.Parameter(np.full(3, k + 2.0)))

        def forward(self, x: cr.nn.Symbol) -> cr.nn.Symbol:
            for name in names:
                x = x * getattr(self, name)
            return x

    names = ("lambda", "in", "None", "True", "inf", "pi", "é", "名", "名前", "uniform", "k", "_", "x")
    net = Named().init(0, np.float64)
    program = net.program((2, 3))
    values = {f".{k}": v for k, v in net.state_dict().items()} | {"input": np.ones((2, 3))}
    found = cr.op(str(program)).evaluate({program.names[t.name]: values[t.name] for t in program.inputs}, {}, "reference")
    assert np.array_equal(next(iter(found.values())), net(np.ones((2, 3))))


def test_a_programs_text_holds_the_values_of_float_settings() -> None:
    op = cr.op(SCALED)
    assert str(op.program((4, 3), a=0.5)).splitlines()[0] == "scaled(x[n,3]; a=0.5) -> y[n,3]"
    assert str(op.program((4, 3), a=7)).splitlines()[0] == "scaled(x[n,3]; a=7.0) -> y[n,3]", "it stays a number that is read when it runs"
    x = np.arange(6.0).reshape(2, 3)
    for engine in ("native", "reference"):
        y, pullback = cr.vjp(op.program((2, 3), a=0.5), x, engine=engine)
        assert np.array_equal(y, op(x, a=0.5))
        (dx,) = pullback(np.ones((2, 3)))
        assert np.allclose(dx, 1.5 * x**2)


def test_a_networks_text_is_computed_from_its_state_dict() -> None:
    net = cr.nn.Sequential(cr.nn.Linear(3, 4), cr.nn.BatchNorm1d(4, eps=0.25), cr.nn.ReLU()).init(0, np.float64)
    x = np.random.default_rng(0).normal(size=(2, 3))
    program = net.program(x.shape)
    assert "=0.25) -> " in str(program)
    values = {**net.state_dict(), "input": x}
    found = cr.op(str(program))(**{program.names[t.name]: values[t.name] for t in program.inputs}, engine="reference")
    assert np.allclose(found, net(x), rtol=1e-14)


# Derivations -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "what, wrt, given, want",
    [
        (cr.ops.conv2d, "w", {"s": 1, "p": 0, "d": 1}, "dw[o,c,u,v] = sum[n,i,j](dy[n,o,i,j] * x[n, c, i+u, j+v])"),
        (cr.ops.conv, "w", {"s": 2, "p": (1, 0), "d": 1}, "dw[o,c,u,v] = sum[n,i,j](dy[n,o,i,j] * x[n, c, 2*i+u-1, 2*j+v])"),
        (SCALED, "x", {"a": 3, "k": 3}, "dx[n,i] = 9 * dy[n,i] * x[n,i]**2"),
        ("f(x[n,D]) -> y\n y = mean[n,i](x[n,i]) * D", "x", {"D": 4, "n": 5}, "dx[n,i] = dy / 5"),
        (cr.nn.Conv2d(3, 4, 3, stride=2, padding=1), "weight", {}, "dw[o,c,u,v] = sum[n,i,j](dy[n,o,i,j] * x[n, c, 2*i+u-1, 2*j+v-1])"),
        (cr.nn.Linear(3, 2), "bias", {}, "db[o] = sum[n](dy[n,o])"),
        (cr.nn.ReLU(), "input", {}, "dx[n,a] = dy[n,a] * (x[n,a] > 0)"),
        (cr.nn.Formula(SCALED, k=2), "x", {}, "dx[n,i] = 4 * dy[n,i] * x[n,i]"),
        (cr.nn.Sequential(cr.nn.Linear(3, 2)).init(0).program((5, 3)), "0.weight", {}, "dweight0[o,k] = sum[n](dy0[n,o] * input[n,k])"),
        (cr.nn.Linear(3, 2).init(0).program((5, 3)), "weight", {}, "dweight[o,k] = sum[n](dy[n,o] * input[n,k])"),
    ],
)
def test_derivations_take_settings_sizes_and_public_names(what: object, wrt: str, given: dict[str, object], want: str) -> None:
    assert cr.derive(what, wrt, **given).formula == want


@pytest.mark.parametrize(
    "what, given",
    [(cr.ops.conv2d, {"q": 1}), (cr.ops.conv2d, {"s": 0}), (cr.ops.conv2d, {"C": 0}), (cr.ops.conv2d, {"K": 1.5}), (cr.ops.conv2d, {"s": True}),
     (cr.ops.conv2d, {"H": 2, "K": 5, "s": 1, "p": 0, "d": 1}), ("f(x[n,G*P], v[P]) -> y[n,G,P]\n y[n,g,p] = x[n,g*P+p]*v[p]", {"P": -2}), (cr.nn.BatchNorm1d(3), {})],
)  # fmt: skip
def test_derivations_refuse_what_does_not_fit(what: object, given: dict[str, object]) -> None:
    with pytest.raises(cr.ChainruleError, match="accepted"):
        cr.derive(what, "weight" if isinstance(what, cr.nn.Module) else "v" if isinstance(what, str) else "w", **given)
