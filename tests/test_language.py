"""Definitions parse, print back as themselves, and mistakes are shown where they are."""

from __future__ import annotations

import time
from fractions import Fraction

import numpy as np
import pytest

import chainrule as cr
from chainrule.language.index import Poly
from chainrule.language.ranges import define
from chainrule.language.show import definition_text
from chainrule.language.tree import Const, Index, subs
from tests.cases import CASES, Case
from tests.judge import alike


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.id)
def test_text_parses_back_to_the_same_formula(case: Case) -> None:
    d = case.op.definition
    assert define(definition_text(d)) == d
    latex = case.op.latex().replace(r"\{", "")  # a brace that is shown
    assert latex.count("{") == latex.count("}")


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.id)
def test_derived_formulas_are_formulas_of_the_language(case: Case) -> None:
    for d in (case.op.gradient(case.wrt).definition, case.op.tangent(tuple(case.wrt)).definition):
        again = define(definition_text(d))
        assert alike(again) == alike(d) and definition_text(again) == definition_text(d)


HEAD = "f(x[n,D], w[A]; k=2) -> y[n,D]\n    "

MISTAKES = [
    ("y[n,i] = x[n,q]", "index letter 'q' stands under no sum, nor on the left", "q"),
    ("y[n,i] = x[n,i+q]", "unknown letter or name 'q'", "q"),
    ("y[n,i] = x[n,i] + oops", "unknown letter or name 'oops'", "oops"),
    ("y[n,i] = sum[j](x[n,i])", "index letter 'j' has no range", "j"),
    ("y[n,i] = x[n,i] * w[i]", "has two ranges: D and A", "i"),
    ("y[n,i] = sum[j](x[n,j] * w[j])", "has two ranges: D and A", "j"),
    ("y[n,i] = x[n,i+1]", "reads outside 'x'", "x"),
    ("y[n,i] = x[n,k*i]", "reads outside 'x'", "x"),
    ("y[n,i] = x[n,i]\n    y[n,i] = x[n,i]", "defined twice", "y"),
    ("x[n,i] = 2 * x[n,i]", "defined twice", "x"),
    ("y[n,i] = (x[n,i] + 1", "never closed", "("),
    ("y[n,i] = x[n,i)", "closes nothing", ")"),
    ("y[n,i] = x[n,i]) + 1", "closes nothing", ")"),
    ("y[n,i] = tanhh(x[n,i])", "there is no function 'tanhh'", "tanhh"),
    ("y[n,i] = exp(x[n,i], 2)", "takes 1 value", "exp"),
    ("y[n,i] = x[n]", "'x' has 2 axes, here are 1", "x"),
    ("y[n] = x[n,0]", "has 2 axes in the header", "y"),
    ("y[n,i] = sum[i](x[n,i])", "is in use around", "i"),
    ("y[n,i] = x[n,i/2]", "not an index expression", "i"),
    ("y[n,i] = z[n,i]", "there is no tensor 'z'", "z"),
    ("y[n,i] = x[n,i] ==", "not an expression", ""),
    ("y[n,i] x[n,i]", "not a formula", ""),
    ("z[n,i] = x[n,i]", "output 'y' has no formula", ""),
    ("y[n,i] = x[n,i] if 1 else 0", "'… if … else …' is not in the language", ""),
]  # fmt: skip


@pytest.mark.parametrize("text, problem, place", MISTAKES)
def test_a_mistake_is_shown_with_its_line_and_a_caret(text: str, problem: str, place: str) -> None:
    with pytest.raises(cr.DefinitionError) as e:
        cr.op(HEAD + text)
    lines = str(e.value).split("\n")
    assert problem in str(e.value)
    assert lines[0] in (HEAD + text).split("\n"), "starts with what the user wrote"
    assert lines[1].strip() == "^" and lines[2].startswith("line ") and lines[-1].startswith("accepted: ")
    if place:
        assert lines[0][len(lines[1]) - 1 :].startswith(place)


HEADERS = [
    ("f x -> y\n y = 1", "not a header"),
    ("f(x[n,D]) -> y[n,E]\n y[n,i] = x[n,i]", "size 'E' is on no input's axis"),
    ("f(x[n,d]) -> y[n]\n y[n] = 1", "not the size of an axis"),
    ("f(x[n,D], x[n]) -> y[n]\n y[n] = 1", "named twice"),
    ("f(x[n,D]; s=a) -> y[n]\n y[n] = 1", "not a setting"),
    ("f(x[n,D]; s=1; t=2) -> y[n]\n y[n] = 1", "a second ';'"),
    ("f(x[n,D]) -> y[n,D]", "no formula below the header"),
    ("", "empty"),
]


@pytest.mark.parametrize("text, problem", HEADERS)
def test_a_wrong_header_is_reported(text: str, problem: str) -> None:
    with pytest.raises(cr.DefinitionError, match=problem.replace("(", r"\(").replace(";", r"\;")):
        cr.op(text)


def test_the_nearest_name_is_offered() -> None:
    with pytest.raises(cr.DefinitionError, match="'maximum' \\(the nearest name\\)"):
        cr.op("f(x[n,D]) -> y[n,D]\n y[n,i] = maximun(x[n,i], 0)")


def test_a_size_used_twice_is_a_promise() -> None:
    f = cr.op("f(x[n,D], w[D]) -> y[n]\n y[n] = sum[i](x[n,i]*w[i])")
    with pytest.raises(cr.ShapeError) as e:
        f(np.ones((2, 3)), np.ones(4))
    assert str(e.value).startswith("w with shape (4,)") and all(t in str(e.value) for t in ("x", "4", "3", "D"))


def test_number_types_do_not_mix() -> None:
    with pytest.raises(cr.ElementTypeError, match="x with dtype float32 and w with dtype float64"):
        cr.ops.linear_plain(np.ones((2, 3), np.float32), np.ones((4, 3)))
    with pytest.raises(cr.ElementTypeError, match="float16"):
        cr.ops.relu(np.ones((2, 3), np.float16))


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_whole_numbers_alone_are_promoted(engine: str) -> None:
    half = cr.op("f(x[n]) -> y[n]\n y[n] = x[n]**2/2")
    for kind in (int, np.uint8, bool):
        assert np.array_equal(half(np.arange(2).astype(kind), engine=engine), [0.0, 0.5])
    y, pullback = cr.vjp(half, np.arange(3), engine=engine)
    assert y.dtype == np.float64 and all(np.array_equal(pullback(np.ones(3, kind))[0], [0.0, 1.0, 2.0]) for kind in (int, np.float32, float))
    for kind in (int, np.float32, float):
        _, ty = cr.jvp(half, [np.arange(3)], [np.ones(3, kind)], engine=engine)
        assert ty.dtype == np.float64 and np.array_equal(ty, [0.0, 1.0, 2.0])
    one_hot = cr.op("f(t[n]: int; K=4) -> y[n,K]\n y[n,k] = k == t[n]")
    assert np.array_equal(one_hot(np.array([2, 0]), engine=engine), np.eye(4)[[2, 0]])
    assert cr.vjp(one_hot, np.array([2, 0]), engine=engine)[1](np.ones((2, 4))) == ()
    start = cr.op("f(s: int; D=9) -> y[D]\n y[i] = uniform(s, i)")
    assert np.array_equal(start(3, engine=engine), start(3)) and start(3).dtype == np.float64
    assert cr.op("f(a, b) -> y\n y = a == b")(2**60, 2**60 + 1, engine=engine) == 0  # compared as what they are


def test_calls_are_checked() -> None:
    x = np.ones((2, 1, 4, 4))
    with pytest.raises(cr.ArgumentError, match="z=3: max_pool2d has no such setting"):
        cr.ops.max_pool2d(x, z=3)
    with pytest.raises(cr.ArgumentError, match="not given"):
        cr.ops.linear(np.ones((2, 3)))
    with pytest.raises(cr.ShapeError, match="wants 4 axes"):
        cr.ops.max_pool2d(np.ones((2, 3)))
    with pytest.raises(cr.ShapeError, match="at least 1 place"):
        cr.ops.max_pool2d(x, k=5)
    with pytest.raises(cr.ArgumentError, match="zero"):
        cr.ops.max_pool2d(x, s=0)
    with pytest.raises(cr.ArgumentError, match="engine="):
        cr.ops.relu(np.ones((2, 3)), engine="fast")
    with pytest.raises(cr.ShapeError, match="is empty"):
        cr.ops.relu(np.ones((0, 3)))


def test_padding_is_dropping_terms() -> None:
    f = cr.op(
        "f(x[n,H]; p=1) -> s[n,H], m[n,H], a[n,H]\n s[n,i] = sum[u:3](exp(x[n,i+u-p]))\n m[n,i] = max[u:3](x[n,i+u-p])\n a[n,i] = mean[u:3](x[n,i+u-p])"
    )
    for engine in ("native", "reference"):
        s, m, a = f(np.array([[-1.0, -2.0, -4.0]]), engine=engine)
        assert np.allclose(s, [[np.exp(-1) + np.exp(-2), np.exp(-1) + np.exp(-2) + np.exp(-4), np.exp(-2) + np.exp(-4)]])
        assert np.array_equal(m, [[-1, -1, -2]])
        assert np.allclose(a, [[-1, -7 / 3, -2]])


def test_arrays_of_other_libraries_are_taken() -> None:
    class Foreign:
        def __array__(self, dtype: object = None, copy: object = None) -> np.ndarray:
            return np.full((2, 3), -1.0)

    class Capsule:
        def __init__(self) -> None:
            self.a = np.full((2, 3), 2.0)

        def __dlpack__(self, **kw: object) -> object:
            return self.a.__dlpack__()

        def __dlpack_device__(self) -> object:
            return self.a.__dlpack_device__()

    assert np.array_equal(cr.ops.relu(Foreign()), np.zeros((2, 3)))
    assert np.array_equal(cr.ops.relu(Capsule()), np.full((2, 3), 2.0))


FRACTIONAL = [
    ("y[n,i] = x[n,i] + a*i", lambda x, a, i: x + a * i),
    ("y[n,i] = x[n,i] - -a*i*2", lambda x, a, i: x + 2 * a * i),
    ("y[n,i] = x[n,i] * (a*i <= 1)", lambda x, a, i: x * (a * i <= 1)),
    ("y[n,i] = sum[j](x[n,j] * (a*j <= i))", lambda x, a, i: np.stack([x[:, a * i <= k].sum(1) for k in range(len(i))], 1)),
    ("y[n,i] = x[n,i] * a*i*i + (a+i) - (i-a) + (a+a)*i", lambda x, a, i: x * a * i * i + 2 * a + 2 * a * i),
    ("y[n,i] = x[n,i] * (i/a) + (a*a - 1)*(a*a + 1)", lambda x, a, i: x * (i / a) + a**4 - 1),
    ("y[n,i] = abs(x[n,i])**(a + i) + sum[j](where(j == a*4, x[n,j], 0))", lambda x, a, i: np.abs(x) ** (a + i) + (x[:, [int(4 * a)]] if 0 <= a < 1 else 0)),
]  # fmt: skip


@pytest.mark.parametrize("engine", ["reference", "native"])
@pytest.mark.parametrize("text, meaning", FRACTIONAL, ids=lambda t: t if isinstance(t, str) else "")
def test_a_fractional_setting_is_a_value_and_never_part_of_an_index(text: str, meaning: object, engine: str) -> None:
    f = cr.op("f(x[n,D]; a=0.5) -> y[n,D]\n    " + text)
    assert define(definition_text(f.definition)) == f.definition
    x, tx = np.random.default_rng(0).normal(size=(2, 3, 5))
    for a in (0.5, -1.75, 2.0):
        assert np.allclose(f(x, a=a, engine=engine), meaning(x, a, np.arange(5.0)), rtol=1e-13, atol=1e-13)  # type: ignore[operator]
        _, pullback = cr.vjp(f, x, a=a, engine=engine)
        _, ty = cr.jvp(f, (x,), (tx,), a=a, engine=engine)
        dy = np.random.default_rng(1).normal(size=(3, 5))
        assert np.isclose(np.sum(dy * ty), np.sum(pullback(dy)[0] * tx))
        step = (meaning(x + 1e-6 * tx, a, np.arange(5.0)) - meaning(x - 1e-6 * tx, a, np.arange(5.0))) / 2e-6  # type: ignore[operator]
        assert np.allclose(ty, step, rtol=1e-6, atol=1e-6)
    derived = f.gradient(["x"]).definition
    assert define(definition_text(derived)) == derived


def test_a_broken_number_in_an_index_is_impossible() -> None:
    for e in (Index(Poly.name("i") * Poly.name("a")), Index(Poly.name("a") + 1), Index((Poly.name("a") + 1) // 2)):
        with pytest.raises(AssertionError):
            subs(e, {"a": 0.5})
    assert subs(Index(Poly.name("a")), {"a": 0.5}) == Const(0.5)


EMBED = "embed(x[V,D], t[n]: int) -> y[n,D]\n    y[n,d] = x[t[n], d]"
LOOKUPS = [
    (EMBED, "embed(x[V,D], t[n]: int < V) -> y[n,D]\n    y[n,d] = x[t[n],d]"),
    ("f(z[n,K], w[L], t[n]: int) -> y[n]\n    y[n] = z[n, t[n]] * w[t[n]]", "t[n]: int < minimum(K, L)"),
    ("f(z[K,K], t[n]: int, s: int) -> y[n]\n    y[n] = z[t[n], s]", "t[n]: int < K, s: int < K"),
    ("f(z[K], t[n,L]: int < K, s[n]: int) -> y[n]\n    y[n] = z[t[n, s[n]]]", "t[n,L]: int < K, s[n]: int < L"),
    ("f(z[K], t[n]: int < K-1) -> y[n]\n    y[n] = z[t[n]] * (t[n] == v)\n".replace("== v", "== 0"), "t[n]: int < minimum(K-1, K)"),
    ("f(x[n,D], t[n]: int) -> y[n,D]\n    y[n,i] = x[n,i] * t[n]", "t[n]: int)"),
    ("f(x[n], t[M]: int) -> y[M]\n    y[m] = x[t[m]]", "t[M]: int < n)"),
    ("f(x[n,K];\n  s=1) -> y[n]\n    y[n] = x[n,0]*s", "f(x[n,K]; s=1)"),
]  # fmt: skip


@pytest.mark.parametrize("text, shown", LOOKUPS)
def test_a_table_is_read_at_declared_whole_numbers(text: str, shown: str) -> None:
    d = cr.op(text).definition
    assert shown in definition_text(d) and alike(define(definition_text(d))) == alike(d)
    for derived in (cr.op(text).gradient([d.inputs[0].name]).definition, cr.op(text).tangent((d.inputs[0].name,)).definition):
        assert derived.inputs[: len(d.inputs)] == d.inputs and alike(define(definition_text(derived))) == alike(derived)


@pytest.mark.parametrize("engine", ["reference", "native"])
def test_a_table_looked_up_and_its_gradient(engine: str) -> None:
    embed = cr.op(EMBED)
    x, t = np.random.default_rng(0).normal(size=(5, 3)), np.array([4, 0, 0, 2, 1, 4])
    for kind in (int, np.uint8, float, np.float32, object):
        y, pullback = cr.vjp(embed, x, t.astype(kind), engine=engine)
        assert np.array_equal(y, x[t])
        dy = np.random.default_rng(1).normal(size=y.shape)
        want = np.zeros_like(x)
        np.add.at(want, t, dy)
        assert np.allclose(pullback(dy)[0], want)
    x[1] = np.nan
    assert np.array_equal(embed(x, t[:4], engine=engine), x[t[:4]]), "a row that is not asked for does not matter"


WRONG = [
    ([0, 1, 7], "t[2] = 7"),
    ([0, 1, 3], "t[2] = 3"),
    ([0, -1, 2], "t[1] = -1"),
    ([0.0, 0.5, 2], "t[1] = 0.5"),
    ([np.nan, 1, 2], "t[0] = nan"),
    ([0, 1, np.inf], "t[2] = inf"),
    (np.array([0, 1, 2**63], np.uint64), "t[2] = 9223372036854775808"),
    ([0, 1, 1j], "t with dtype complex128"),
    (["a", "b", "c"], "t with dtype <U1"),
    ([None, 1, 2], "t with dtype object"),
]


@pytest.mark.parametrize("engine", ["reference", "native"])
@pytest.mark.parametrize("t, shown", WRONG, ids=[w[1] for w in WRONG])
def test_what_is_no_class_number_is_refused_with_its_place(t: list, shown: str, engine: str) -> None:
    z, t = np.random.default_rng(0).normal(size=(3, 3)), np.array(t)
    calls = [lambda: cr.ops.cross_entropy(z, t, engine=engine), lambda: cr.vjp(cr.ops.cross_entropy, z, t, engine=engine)]
    calls += [lambda: cr.jvp(cr.ops.cross_entropy, (z, t), (z, None), engine=engine), lambda: cr.nn.CrossEntropyLoss()(z, t)]
    for call in calls:
        with pytest.raises(cr.ChainruleError) as e:
            call()
        assert str(e.value).startswith(shown) and str(e.value).endswith("accepted: whole numbers 0 to 2")


@pytest.mark.parametrize("t", [[0, 1, 7], [0, -1, 2], [0, 0.5, 2], [0, np.nan, 2]])
def test_training_takes_class_numbers_only(t: list) -> None:
    net, x = cr.nn.Sequential(cr.nn.Linear(4, 3)).init(seed=0), np.ones((3, 4), np.float32)
    with pytest.raises(cr.ChainruleError, match=r"^target"):
        cr.value_and_grad(net, cr.nn.CrossEntropyLoss())(x, np.array(t))
    with pytest.raises(cr.ChainruleError, match=r"^target"):
        cr.fit(net, cr.nn.CrossEntropyLoss(), cr.optim.SGD(lr=0.1), (x, np.array(t, np.float32)))
    e, _ = cr.value_and_grad(net, cr.nn.CrossEntropyLoss())(x, np.array([0.0, 1.0, 2.0]))
    assert e == cr.value_and_grad(net, cr.nn.CrossEntropyLoss())(x, np.array([0, 1, 2]))[0]


DECLARED = [
    ("f(z[n,K], t[n]: float) -> y[n]\n y[n] = z[n,0]", "': float' says nothing"),
    ("f(z[n,K], t[n]: int > 3) -> y[n]\n y[n] = z[n,0]", "says nothing"),
    ("f(z[n,K], t[n]: int < Q) -> y[n]\n y[n] = z[n,0]", "size 'Q' is on no input's axis"),
    ("f(z[n,K], t[n]: int < k) -> y[n]\n y[n] = z[n,0]", "is not the size of an axis"),
    ("f(z[n,K], t[n]: int) -> y[n]\n y[n] = z[n, t[n]+1]", "'t' stands in index arithmetic"),
    ("f(z[n,K], t[n]) -> y[n]\n y[n] = z[n, t[n]]", "declared 't[…]: int'"),
    ("f(z[n,K], t[n]: int) -> y[n]: int\n y[n] = z[n, t[n]]", "not an expression"),
]


@pytest.mark.parametrize("text, problem", DECLARED)
def test_a_wrong_declaration_is_reported(text: str, problem: str) -> None:
    with pytest.raises(cr.DefinitionError) as e:
        cr.op(text)
    assert problem in str(e.value) and str(e.value).split("\n")[0] in text


@pytest.mark.parametrize("engine", ["reference", "native"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_cross_entropy_keeps_its_digits_and_takes_infinite_logits(engine: str, dtype: type) -> None:
    z = np.array([[1e8, 1e8 - 8, 1e8 - 16], [-np.inf, 0, 3], [0.5, -np.inf, 1], [-3e37, 3e37, 0], [5, 5.5, -800]], dtype)
    t = np.array([1, 2, 0, 0, 1])
    wide = z.astype(np.longdouble)
    shifted = wide - wide.max(1, keepdims=True)
    losses = np.log(np.exp(shifted).sum(1)) - shifted[np.arange(5), t]
    share = np.exp(shifted) / np.exp(shifted).sum(1, keepdims=True)
    for k in range(5):
        e, pullback = cr.vjp(cr.ops.cross_entropy, z[k : k + 1], t[k : k + 1], engine=engine)
        assert np.isclose(float(e), float(losses[k]), rtol=4 * np.finfo(dtype).eps)
        assert np.allclose(pullback(dtype(1))[0][0], (share - np.eye(3)[t])[k].astype(float), atol=4 * np.finfo(dtype).eps)
    e, pullback = cr.vjp(cr.ops.cross_entropy, z[1:2], np.array([0]), engine=engine)
    assert e == np.inf and np.allclose(pullback(dtype(1))[0][0], (share[1] - [1, 0, 0]).astype(float), atol=4 * np.finfo(dtype).eps)
    _, te = cr.jvp(cr.ops.cross_entropy, (z, t), (np.ones_like(z), None), engine=engine)
    assert abs(te) < 1e-6


SCALED = "f(x[n,D]; a=0.5, s=1) -> y[n,D]\n    y[n,i] = a * s * x[n,i]"
NO_SETTINGS = [
    float("nan"), float("inf"), -np.inf, np.float32("nan"), 1j, np.complex128(1), None, "3", b"3", True, np.True_, [1], (1,), {}, np.ones(1), np.ones((2, 2)),
    np.array(1.0), 10**400, -(10**30), 2**62, np.uint64(2**63), np.datetime64("2020"), object(), Fraction(10**400), np.ma.masked,
]  # fmt: skip


@pytest.mark.parametrize("name", ["a", "s"])
@pytest.mark.parametrize("value", NO_SETTINGS, ids=lambda v: type(v).__name__ if type(v) is object else f"{type(v).__name__} {v}"[:30])
def test_what_is_no_number_is_no_setting(value: object, name: str) -> None:
    f, x = cr.op(SCALED), np.ones((1, 2))
    for call in (lambda: f(x, **{name: value}), lambda: cr.vjp(f, x, engine="reference", **{name: value}), lambda: f.loops(x, **{name: value})):
        with pytest.raises(cr.ArgumentError) as e:
            call()
        assert str(e.value).startswith(f"{name}=") and "; accepted: " in str(e.value)


@pytest.mark.parametrize("value", [2, 2.0, np.float32(2), np.float64(2), np.int8(2), np.uint64(2), Fraction(2)])
def test_a_plain_number_of_any_kind_is_a_setting(value: object) -> None:
    f, x = cr.op(SCALED), np.ones((1, 2))
    assert f(x, a=value).tolist() == [[2, 2]] and f(x, s=value).tolist() == [[1, 1]]
    with pytest.raises(cr.ArgumentError, match=r"^s=2\.5: this setting of f is a whole number"):
        f(x, s=2.5)


@pytest.mark.parametrize("value", ["1e999", "-1e999", "True", "2**70", "1j", "4611686018427387904"])
def test_defaults_are_finite_numbers_too(value: str) -> None:
    with pytest.raises(cr.DefinitionError, match="is not a setting"):
        cr.op(f"f(x[n]; a={value}) -> y[n]\n y[n] = a*x[n]")


def test_an_infinite_number_has_no_text() -> None:
    with pytest.raises(cr.DefinitionError, match="this number is too large"):
        cr.op("f(x[n]) -> y[n]\n y[n] = x[n] + 1e999")


CONJUNCTIONS = [
    "x[n,i] and z[n,i]",
    "x[n,i] > 0 and z[n,i]",
    "exp(x[n,i]) and x[n,i] > 0",
    "x[n,i] > 0 and (z[n,i] + 1)",
    "x[n,i] > 0 and z[n,i]*(i > 0)",
]


@pytest.mark.parametrize("text", CONJUNCTIONS)
def test_and_of_values_is_refused_and_shows_what_could_be_meant(text: str) -> None:
    with pytest.raises(cr.DefinitionError) as e:
        cr.op(f"f(x[n,D], z[n,D]) -> y[n,D]\n    y[n,i] = {text}")
    rows = str(e.value).split("\n")
    first, _, second = text.partition(" and ")
    wrong = second if ">" in first else first
    assert rows[1].index("^") == 4 + len("y[n,i] = ") + text.index(wrong) + wrong.startswith("(")
    assert "is a value, not a comparison" in rows[2]
    offered = rows[3].removeprefix("accepted: ").split("; the product of values is ")
    assert len(offered) == 2 and "!= 0" in offered[0]
    for right in offered:  # what is offered is accepted
        cr.op(f"f(x[n,D], z[n,D]) -> y[n,D]\n    y[n,i] = {right}")


def test_and_of_comparisons_is_their_product() -> None:
    texts = ["x[n,i] > 0 and i < 2 and delta(i, 1)", "(x[n,i] > 0 and i < 2) and i == 1", "(x[n,i] > 0) * (i < 2) * (i == 1)"]
    for engine in ("reference", "native"):
        found = [cr.op(f"f(x[n,D]) -> y[n,D]\n y[n,i] = {t}")(np.array([[1.0, 2, 3], [1, -1, 2]]), engine=engine).tolist() for t in texts]
        assert found == [[[0, 1, 0], [0, 0, 0]]] * 3


@pytest.mark.parametrize(
    "text", ["f(x[D]) -> y[D]\n y[i] = x[i]\ud800", "f(x[D]) -> y[D]\n y\udfff[i] = x[i]", "f(x[D]; s\ud800=1) -> y[D]\n y[i] = x[i]"]
)
def test_half_a_character_is_shown_at_its_place(text: str) -> None:
    with pytest.raises(cr.DefinitionError, match="half of a character") as e:
        cr.op(text)
    line, caret = str(e.value).encode().decode().splitlines()[:2]
    assert line[caret.index("^") :].startswith(("\\ud800", "\\udfff"))


def test_blanks_take_no_time() -> None:
    begun = time.perf_counter()
    assert cr.op("f(x[D]) -> y[D]\n y[i] = x[i]" + " " * 20_000 + "# ok")(np.ones(2)).tolist() == [1, 1]
    for text in ("f(x[D]) -> y[D]\n y[i] = x[i]" + " " * 20_000 + "^", "f(x[D]) -> y[D]\n" + "\t" * 20_000 + "y[i] = x[i]"):
        with pytest.raises(cr.DefinitionError, match=r"(?s)….*\^\nline 2: more than 1000 blanks in a row"):
            cr.op(text)
    assert time.perf_counter() - begun < 2


def test_more_letters_than_numpy_has_axes_are_refused_by_the_reference() -> None:
    f = cr.op("f(x) -> y\n y = " + "".join(f"sum[a{k}:1](" for k in range(40)) + "x" + ")" * 40)
    assert f(2.0) == 2
    with pytest.raises(cr.ShapeError, match=r"33 letters at one place; accepted with engine='reference': 32"):
        f(2.0, engine="reference")


def test_an_input_left_out_has_a_place_among_the_tangents() -> None:
    f, x = cr.op("f(x[D], a[D]=1) -> y[D]\n y[i] = x[i]**2 * a[i]"), np.array([1.0, 2.0])
    for primals, tangents in (((x,), (x,)), ((x, None), (x, None)), ((x,), (x, None)), ((x, None), (x,)), ((x, np.ones(2)), (x, None))):
        assert np.array_equal(cr.jvp(f, primals, tangents)[1], 2 * x * x)
    with pytest.raises(cr.ArgumentError, match="tangent of a: a is left out"):
        cr.jvp(f, (x, None), (x, x))
    with pytest.raises(cr.ArgumentError, match="3 tangents: f has 2 inputs"):
        cr.jvp(f, (x, x), (x, x, x))


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_numbers_too_large_to_count_with_are_told_the_limit(engine: str) -> None:
    f = cr.op("f(s: int, x) -> y\n y = uniform(s) * x")
    for seed in (2**62, -(2**62), 2**63, -(2**63), 10**30, np.uint64(2**63)):
        with pytest.raises(cr.ArgumentError, match=r"too large to count with; accepted: whole numbers between -2\*\*62 and 2\*\*62"):
            f(seed, 1.0, engine=engine)
    assert 0 <= f(2**62 - 1, 1.0, engine=engine) < 1
    with pytest.raises(cr.ElementTypeError, match=r"^a = 10+: g takes whole numbers of 64 bits; accepted here: float\(a\)"):
        cr.op("g(a, x) -> y\n y = a * x")(10**30, 1.0)


def test_the_limit_of_brackets_is_told() -> None:
    assert cr.op("f(x[D]) -> y[D]\n y[i] = " + "tanh(" * 189 + "x[i]" + ")" * 189)(np.zeros(1)) == 0
    with pytest.raises(cr.DefinitionError, match="more than 190 brackets in one another\naccepted: parts of it on lines of their own"):
        cr.op("f(x[D]) -> y[D]\n y[i] = " + "tanh(" * 190 + "x[i]" + ")" * 190)
