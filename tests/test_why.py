"""Why this number: what is said of a number is what it is made of, for every number of every operation, and of whole networks."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import chainrule as cr
from chainrule import ArgumentError, ShapeError
from chainrule.cli import main
from chainrule.engines.session import by_reference
from chainrule.explain.answer import ask
from chainrule.explain.network import record
from chainrule.explain.record import DOUBLE, Record
from chainrule.language.bind import bind
from chainrule.language.program import Program
from tests.cases import CASES, own

LOSS = cr.nn.CrossEntropyLoss()


def lenet_like() -> cr.nn.Module:
    return cr.nn.Sequential(
        cr.nn.Conv2d(1, 2, 3, padding=1), cr.nn.BatchNorm2d(2), cr.nn.ReLU(), cr.nn.MaxPool2d(2), cr.nn.Flatten(), cr.nn.Linear(8, 3)
    ).init(0)


def images(samples: int = 3) -> tuple[np.ndarray, np.ndarray]:
    return np.random.default_rng(0).normal(size=(samples, 1, 4, 4)).astype(np.float32), np.arange(samples) % 3


OWN = [
    own("spread(x[n,D], w[D]) -> y[n]\n y[n] = sum[k](x[n,k]*w[k]) * max[k](x[n,k])", x=("N", 4), w=(4,)),
    own("lowest(x[n,D]) -> y[n]\n m[n] = min[k](x[n,k]**2 - x[n,k])\n y[n] = m[n] - prod[k](x[n,k])", x=("N", 4)),
    own("within(x[n,D], w[D,E]) -> y[n]\n y[n] = sum[d](x[n,d] * (1 - sum[e](w[d,e])))", x=("N", 3), w=(3, 2)),
    own("several(x[n,D], w[D]) -> y[n]\n y[n] = -(sum[d](x[n,d]) / 3) - mean[d](where(x[n,d] > w[d], 0, x[n,d] * w[d]))", x=("N", 5), w=(5,)),
]


@pytest.mark.parametrize("case", [*CASES, *OWN], ids=lambda c: c.id)
def test_the_terms_of_every_number_of_every_operation_make_it(case) -> None:  # type: ignore[no-untyped-def]  # a case
    arrays = case.arrays(2)
    g = case.op.gradient(case.wrt)
    bound = bind(case.op.definition, {k: a.shape for k, a in arrays.items()}, case.numbers)
    seeds = {g.seed[t.name]: np.random.default_rng(1).normal(size=bound.shapes[t.name]) for t in case.op.definition.outputs}
    check(bound, arrays)
    check(bind(g.definition, {k: a.shape for k, a in (arrays | seeds).items()}, case.numbers), arrays | seeds)


def check(program: Program, arrays: dict[str, np.ndarray]) -> None:
    """One number of every tensor."""
    rng = np.random.default_rng(1)
    given = program.taken(arrays) | {k: np.array(v) for k, v in program.numbers}
    full = by_reference(program, given, DOUBLE)
    run = Record(program, given, DOUBLE, lambda names, dtype: {k: full[k] for k in names}, frozenset(), lambda name: "")
    for line in program.lines:
        index = tuple(int(rng.integers(s)) for s in full[line.tensor].shape)
        w = ask(run, line.tensor, index, 3)
        want = float(full[line.tensor][index])
        assert w.value == want or abs(w.value - want) <= 1e-12 * max(1.0, abs(want), w.made.size)
        if w.kind in ("max", "min"):
            assert w.terms[0].value == w.value
        if w.kind == "sum":
            assert sum(t.value for t in w.terms) + w.rest[1] == pytest.approx(w.value, abs=1e-12 * max(1.0, w.made.size))
        for t in w.terms:
            product = np.prod([f.value if f.role == "times" else 1 / f.value for f in t.factors if f.role in ("times", "over") and f.value])
            if w.kind == "sum" and t.value and t.part is not None:
                assert t.part.sign * product == pytest.approx(t.value, rel=1e-9)
    assert w.data(2)["value"] == pytest.approx(want, rel=1e-9, abs=1e-9)


def test_every_number_of_a_training_step_is_what_machine_code_gives() -> None:
    """In single precision as training has it, within what rounding makes of it."""
    rng = np.random.default_rng(2)
    run = record(lenet_like(), LOSS, *images(), cr.optim.Adam(1e-2, weight_decay=0.1), {"step": 3})
    for name, shape in run.shapes.items():
        w = ask(run, name, tuple(int(rng.integers(s)) for s in shape), 3)
        assert w.native is not None and w.ulps is not None
        assert abs(w.native - w.value) <= 2e-5 * max(1e-2, abs(w.value), w.made.size), w.name


@pytest.mark.parametrize("how", ["loss", "inference", "forward", "step"])
def test_what_went_in_is_kept_as_it_was(how: str) -> None:
    """A batch's memory may be used again, and the network trained on, before a number is asked for."""
    net, (x, t), opt = lenet_like(), images(), cr.optim.SGD(0.1, momentum=0.9)
    options = {"loss": {}, "inference": {"training": False}, "forward": {}, "step": {"opt": opt}}[how]

    def asked(x: np.ndarray, t: np.ndarray) -> cr.Why:
        pair = (None, x, None) if how == "forward" else (LOSS, x, t)
        return cr.why(net, *pair, "output", (0, 1), **options)  # type: ignore[arg-type]  # of four kinds

    kept, other = asked(x, t), asked(x.copy(), t.copy())
    assert other.value != 0 and other.native == pytest.approx(other.value, rel=1e-5)
    x[:], t[:] = 0, 0
    net.load_state_dict({k: np.asarray(a) * 0 for k, a in net.state_dict().items()})
    assert (kept.native, kept.value) == (other.native, other.value)


def test_native_results_are_those_of_training_bit_for_bit() -> None:
    net, (x, t) = lenet_like(), images()
    loss, grads = cr.value_and_grad(net, LOSS)(x, t)
    before = net.state_dict()
    assert cr.why(net, LOSS, x, t, "loss").native == loss
    for name, index in [("0.weight", (1, 0, 2, 1)), ("5.bias", (2,)), ("1.weight", (0,)), ("input", (2, 0, 3, 1))]:
        assert cr.why(net, LOSS, x, t, f"{name}.grad", index).native == grads[name][index]
    opt = cr.optim.SGD(0.1, momentum=0.9)
    w = cr.why(net, LOSS, x, t, "0.weight.new", (1, 0, 2, 1), opt=opt, state={"0.weight.v": np.ones((2, 1, 3, 3))})
    u = cr.why(net, LOSS, x, t, "0.weight.update", (1, 0, 2, 1), opt=opt, state={"0.weight.v": np.ones((2, 1, 3, 3))})
    assert all(np.array_equal(a, before[k]) for k, a in net.state_dict().items())  # nothing was trained
    step = cr.TrainStep(net, LOSS, opt, x, t, 3)
    step.states["0.weight.v"][...] = 1
    step.run(range(3))
    assert w.native == net.state_dict()["0.weight"][1, 0, 2, 1]
    assert u.native == pytest.approx(w.native - float(before["0.weight"][1, 0, 2, 1]), rel=1e-6) and abs(u.ulps) < 4
    assert u.value == pytest.approx(-0.1 * (0.9 + cr.why(lenet_like(), LOSS, x, t, "0.weight.grad", (1, 0, 2, 1)).value), rel=1e-12)
    assert w["0.weight.v.new[1,0,2,1]"].value == pytest.approx(-u.value / 0.1, rel=1e-12)


def test_formulas_hold_nothing_that_is_settled_and_updates_nothing_that_cancels() -> None:
    net, (x, t) = lenet_like(), images()
    w = cr.why(net, LOSS, x, t, "input.grad", (0, 0, 1, 1))
    assert w.formula == "input_grad[n,c,r,q] = sum[o,i,j](y0_grad[n,o,i,j] * weight0[o, c, r-i+1, q-j+1])"
    assert "(0 == 0)" not in str(w.record.program)
    pooled = cr.nn.Sequential(cr.nn.AvgPool2d(2), cr.nn.Flatten(), cr.nn.Linear(4, 3)).init(0)
    assert "y0_grad[n,c,i,j] / 4 " in cr.why(pooled, LOSS, x, t, "input.grad", (0, 0, 1, 1)).formula
    for opt in (cr.optim.AdamW(0.1, weight_decay=0.3), cr.optim.SGD(0.1, momentum=0.9, weight_decay=0.3), cr.optim.Adam(0.1), cr.optim.NAdam(0.1)):
        u = cr.why(net, LOSS, x, t, "0.weight.update", (1, 0, 2, 1), opt=opt)
        new, old = u["0.weight.new[1,0,2,1]"].value, u["0.weight[1,0,2,1]"].value
        assert u.value == pytest.approx(new - old, rel=1e-9)
        assert all(f.text != "weight0[1,0,2,1]" or len(t.factors) > 1 for t in u.terms for f in t.factors)


def test_a_weight_s_gradient_has_the_products_that_numpy_finds() -> None:
    net, (x, t) = lenet_like(), images()
    w = cr.why(net, LOSS, x, t, "0.weight.grad", (1, 0, 2, 1), terms=5)
    dy = w.record.values(["0.y.grad"])["0.y.grad"][:, 1]
    products = {(n, i, j): dy[n, i, j] * x[n, 0, i + 1, j] for n in range(3) for i in range(3) for j in range(4)}
    assert w.count == 36 and w.left_out == {"input": 12} and w.letters == {"o": 1, "c": 0, "u": 2, "v": 1}
    largest = sorted(products.items(), key=lambda p: -abs(p[1]))[:5]
    assert [(tuple(t.letters.values()), t.value) for t in w.terms] == [(k, pytest.approx(v, rel=1e-12)) for k, v in largest]
    assert w.value == pytest.approx(sum(products.values()), rel=1e-12)
    assert w.rest == (31, pytest.approx(sum(products.values()) - sum(v for _, v in largest), rel=1e-9))
    assert w.terms[0].factors[1].name == "input[{},0,{},{}]".format(*(lambda n, i, j: (n, i + 1, j))(*largest[0][0]))


def test_terms_by_sample_are_each_sample_s_own_gradient() -> None:
    net = cr.nn.Sequential(cr.nn.Conv2d(1, 2, 3), cr.nn.Tanh(), cr.nn.Flatten(), cr.nn.Linear(8, 3)).init(0, np.float64)
    x, t = images(4)
    x = x.astype(np.float64)
    w = cr.why(net, LOSS, x, t, "0.weight.grad", (1, 0, 2, 1), by="n")
    own = [cr.value_and_grad(net, LOSS)(x[n : n + 1], t[n : n + 1])[1]["0.weight"][1, 0, 2, 1] / 4 for n in range(4)]
    assert {g.at: g.value for g in w.groups} == {n: pytest.approx(v, rel=1e-10) for n, v in enumerate(own)}
    sizes = [abs(g.value) for g in w.groups]
    assert sizes == sorted(sizes, reverse=True)
    alone = w.only(n=2)
    assert alone.value == pytest.approx(own[2], rel=1e-10) and alone.count == 4 and {k for t in alone.terms for k in t.letters} == {"i", "j"}


def test_groups_add_up_to_the_sum() -> None:
    net = cr.nn.Sequential(cr.nn.Conv2d(2, 2, 3, padding=1)).init(0)
    x = np.random.default_rng(0).normal(size=(2, 2, 3, 3)).astype(np.float32)
    w = cr.why(net, None, x, None, "output[1,1,1,0]", by="c")
    assert [(g.at, g.count) for g in sorted(w.groups, key=lambda g: 2 if g.at is None else g.at)] == [(0, 6), (1, 6), (None, 1)]
    assert sum(g.value for g in w.groups) == pytest.approx(w.value) and w.groups[-1].value == float(net.state_dict()["0.bias"][1])
    assert "without c, 1 term\n" in str(w) and "without c <" in w.html() and json.loads(w.json())["groups"][-1]["at"] is None
    assert w.only() is w and w.name == "output[1,1,1,0]"


def test_winners_are_named_with_their_places() -> None:
    net, (x, t) = lenet_like(), images()
    w = cr.why(net, LOSS, x, t, "3.output", (0, 1, 1, 1))
    y = w.record.values(["2.y"])["2.y"][0, 1, 2:, 2:]
    u, v = np.unravel_index(int(y.argmax()), (2, 2))
    assert w.kind == "max" and w.value == y.max() and w.terms[0].letters == {"u": u, "v": v} and [t.taken for t in w.terms] == [True] + [False] * 3
    won = cr.why(net, LOSS, x, t, "2.output.grad", (0, 1, 2 + u, 2 + v))
    (reason,) = [f for f in won.terms[0].factors if f.role == "as"]
    assert won.count == 1 and reason.value == 1 and reason.note == f"the winner is y2[0,1,{2 + u},{2 + v}] at u = {u}, v = {v}"
    lost = cr.why(net, LOSS, x, t, "2.output.grad", (0, 1, 3 - u, 3 - v))
    assert lost.count == 0 and lost.value == 0 and lost.left_out["conditions"] == 1 and reason.note in str(lost)


def test_padding_is_no_candidate() -> None:
    net = cr.nn.Sequential(cr.nn.MaxPool2d(3, 2, 1))
    w = cr.why(net, None, -images(1)[0], None, "0.output", (0, 0, 0, 0))
    assert w.count == 4 and w.left_out == {"input": 5}


class Formula(cr.nn.Module):
    """A formula of its own, of one input."""

    def __init__(self, text: str) -> None:
        self.op = cr.op(text)

    def forward(self, x):  # type: ignore[no-untyped-def]  # symbols
        return self.op(x)


def of_formula(text: str, *row: float, at: tuple[int, ...] = (0,), terms: int = 10) -> cr.Why:
    return cr.why(
        Formula(f"f(x[n,I]) -> y[n{',I' if len(at) > 1 else ''}]\n {text}"), None, np.array([row], np.float32), None, "output", at, terms=terms
    )


def test_further_terms_are_added_up_by_themselves() -> None:
    """Their sum is no difference: a large term would take their digits, an infinite one all of it."""
    for large in (1e20, np.inf, np.nan):
        w = of_formula("y[n] = sum[i](x[n,i])", 1, large, 2, 3, terms=1)
        assert w.terms[0].letters == {"i": 1} and w.rest == (3, 6.0)
    assert of_formula("y[n] = 7 + sum[i](x[n,i]) + x[n,0]", 1, -9, 2, 3, terms=2).rest == (4, 7.0)


def test_what_is_not_finite_stays_so() -> None:
    w = of_formula("y[n,i] = i * x[n,i]", np.inf, 1, at=(0, 0))
    assert np.isnan(w.value) and w.ulps == 0.0 and "float32  nan by machine code, the same" in str(w)
    w = of_formula("y[n] = sum[i](i * x[n,i])", np.inf, 1)
    assert w.why(1).name == "0 * input[0,0]" and np.isnan([w.value, w.why(1).value, w.only(i=0).value]).all() and w.only(i=1).value == 1
    assert np.isnan(of_formula("y[n,i] = i / x[n,i]", 0, 1, at=(0, 0)).value)
    w = of_formula("y[n] = sum[i](x[n,i])", np.inf, 1)
    assert w.value == w.native == np.inf and w.ulps == 0.0
    for text in ("maximum(0, x[n,i])", "minimum(x[n,i], 0)"):
        chosen = of_formula(f"y[n,i] = {text}", np.nan, 1, at=(0, 0))
        assert [(t.text, t.taken) for t in chosen.terms] == [("input[0,0]", True), ("0", False)]


def test_a_copy_of_what_went_in_leads_to_it() -> None:
    x = np.arange(16, dtype=np.float32).reshape(1, 1, 4, 4)
    for layer, index, read in [
        (cr.nn.Flatten(), (0, 6), "input[0,0,1,2]"),
        (cr.nn.PixelUnshuffle(2), (0, 3, 1, 0), "input[0,0,3,1]"),
        (cr.nn.Identity(), (0, 0, 2, 1), "input[0,0,2,1]"),
    ]:
        w = cr.why(cr.nn.Sequential(layer), None, x, None, "output", index)
        assert (w.why(1) if w.tensor != "input" else w).name == read and w.value == w.native == x[tuple(map(int, re.findall(r"\d+", read)))]
    net = cr.nn.Sequential(cr.nn.Flatten(), cr.nn.Linear(16, 3)).init(0)
    assert "= input[0,0,1,2]" in cr.why(net, None, x, None, "output", (0, 1), terms=17).text(2)


def test_what_a_condition_leaves_out_is_said() -> None:
    net, x = cr.nn.Sequential(cr.nn.Linear(2, 2), cr.nn.ReLU()).init(0), np.array([[3.0, -1.0]], np.float32)
    z = net[0](x)
    k = int(z[0].argmin())
    assert z[0, k] < 0
    w = cr.why(net, cr.nn.MSELoss(), x, np.ones((1, 2), np.float32), "0.output.grad", (0, k))
    assert w.value == 0 and "> 0 is false" in str(w)
    chosen = cr.why(net, None, x, None, "output", (0, k))
    assert chosen.kind == "choice" and [(t.text, t.taken) for t in chosen.terms] == [("0", True), (f"y0[0,{k}]", False)]


def test_every_factor_can_be_asked_down_to_what_went_in() -> None:
    net, (x, t) = lenet_like(), images()
    w = cr.why(net, LOSS, x, t, "0.weight.grad", (1, 0, 2, 1))
    assert w.why(1, 1).name == w["1.1"].name == w[w.terms[0].factors[0].text].name
    assert w.why(1, 1).value == w.terms[0].factors[0].value
    seen, todo, leaves = set[str](), [w], set[str]()
    while todo and len(seen) < 400:
        here = todo.pop()
        if here.name in seen:
            continue
        seen.add(here.name)
        if here.kind == "given":
            leaves.add(here.about)
            continue
        for term in here.terms:
            for f in term.factors:
                behind = here.behind(f)
                assert behind.value == pytest.approx(f.value, rel=1e-9, abs=1e-300)
                todo.append(behind)
    assert {"the input", "the label", "∂E/∂E", "the weight of layer 5 (Linear)"} <= leaves


def test_a_layer_that_does_nothing_puts_out_its_input() -> None:
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    net = cr.nn.Sequential(cr.nn.Dropout(0.5), cr.nn.Linear(3, 3), cr.nn.Identity(), cr.nn.Tanh()).init(0)
    asked = [cr.why(net, None, x, None, name, (1, 2)) for name in ("0.output", "2.output")]
    assert [(w.name, w.tensor, w.value) for w in asked] == [("0.output[1,2]", "input", 5.0), ("2.output[1,2]", "1.y", asked[1].value)]
    t = np.zeros((2, 3), np.float32)
    assert cr.why(net, cr.nn.MSELoss(), x, t, "2.output.grad", (1, 2)).tensor == cr.why(net, cr.nn.MSELoss(), x, t, "1.output.grad", (1, 2)).tensor


def test_a_running_state_after_a_step_has_a_name() -> None:
    net, (x, t) = lenet_like(), images()
    opt = cr.optim.SGD(0.1)
    means, variances = (cr.why(net, LOSS, x, t, f"1.{k}.new", (1,), opt=opt) for k in ("running_mean", "running_var"))
    step = cr.TrainStep(net, LOSS, opt, x, t, 3)
    step.run(range(3))
    assert (means.native, variances.native) == (net.state_dict()["1.running_mean"][1], net.state_dict()["1.running_var"][1])
    assert abs(means.ulps or 0) < 4 and means.about == "the new state of layer 1 (BatchNorm2d)"


def test_a_flattened_place_is_found_again() -> None:
    net, (x, t) = lenet_like(), images()
    w = cr.why(net, LOSS, x, t, "4.output", (2, 5))
    assert w.letters == {"n": 2, "c": 1, "d": 0, "e": 1} and w.terms[0].factors[0].name == "3.y[2,1,0,1]"


def test_both_forms_and_their_names() -> None:
    net, (x, t) = lenet_like(), images()
    assert cr.why(net, None, x, None, "1.output", (0, 1, 2, 2)).native == pytest.approx(float(cr.nn.Sequential(net[0], net[1])(x)[0, 1, 2, 2]))
    inference = cr.why(net, LOSS, x, t, "loss", training=False)
    assert inference.native == pytest.approx(cr.evaluate(net, LOSS, (x, t))[0]) and inference.native != cr.why(net, LOSS, x, t, "loss").native
    for name in ("2", "2.output", "2.y", "y2"):
        assert cr.why(net, LOSS, x, t, name, (0, 1, 2, 2)).tensor == "2.y"
    one = cr.why(net, LOSS, x[0], 2, "5.output", (0, 1))
    assert one.native == cr.why(net, LOSS, x[:1], t[2:3], "5.output", (0, 1)).native


def test_bytes_pass_through_the_transform() -> None:
    net = cr.nn.Sequential(cr.nn.Flatten(), cr.nn.Linear(4, 2)).init(0)
    net.input = cr.nn.Input(cr.nn.normalize(0.5, 0.25), "whole", (1, 2, 2))
    x = np.array([[[[10, 200], [0, 255]]]], np.uint8)
    w = cr.why(net, LOSS, x, np.array([1]), "1.weight.grad", (0, 3))
    assert w["pixels.y[0,0,1,1]"].terms[0].factors[0].text in ("(input[0,0,1,1] / 255.0 - 0.5)",)
    assert w["input[0,0,1,1]"].value == 255 and w["pixels.y.grad[0,0,1,1]"].kind == "same"
    with pytest.raises(ArgumentError, match=r"no number of this run; accepted: .*pixels\.y\.grad"):
        cr.why(net, LOSS, x, np.array([1]), "pixel.y.grad", (0, 0, 0, 0))


def test_a_million_terms_take_well_under_a_second() -> None:
    class Scaled(cr.nn.Module):
        def __init__(self) -> None:
            self.a = cr.nn.Parameter(np.ones(1, np.float32))

        def forward(self, x):  # type: ignore[no-untyped-def]  # symbols
            return x * self.a

    x = np.random.default_rng(0).normal(size=(1000, 1000)).astype(np.float32)
    w = cr.why(Scaled(), cr.nn.MSELoss(), x, np.zeros_like(x), "a.grad", (0,), engine="native")
    w.record.values(["y.grad" if "y.grad" in w.record.shapes else ".y.grad", "input"])
    start = time.process_time()
    assert w.count == 1_000_000 and len(w.terms) == 10
    assert time.process_time() - start < 1
    assert w.value == pytest.approx(2 * float((x.astype(float) ** 2).mean()), rel=1e-12)


def test_both_sources_of_float64_agree() -> None:
    net, (x, t) = lenet_like(), images()
    a, b = (cr.why(net, LOSS, x, t, "0.weight.grad", (1, 0, 2, 1), engine=e) for e in ("reference", "native"))
    loss = [w.record.values(["loss"])["loss"] for w in (a, b)]  # which the program gives in single precision anyway
    assert float(loss[0]) == pytest.approx(float(loss[1]), rel=1e-13)
    assert a.value == pytest.approx(b.value, rel=1e-12) and a.terms[0].letters == b.terms[0].letters


@pytest.mark.parametrize(
    "call, message",
    [
        (("0.weigth.grad", (1, 0, 2, 1)), r"'0.weigth.grad': no number of this run; accepted: .*0.weight.grad"),
        (("0.weight.grad", (1, 0, 2)), r"\(1, 0, 2\): no place of 0.weight.grad, which has shape \(2, 1, 3, 3\); accepted: \(0 to 1, 0 to 0"),
        (("0.weight.grad", (1, 0, 2, 3)), r"no place of 0.weight.grad"),
        (("0.weight.grad", (1, 0, -1, 1)), r"no place of 0.weight.grad"),
        (("loss", (0,)), r"no place of loss, which has shape \(\); accepted: no index"),
        (("0.weight.grad", "3,0"), r"no place of a tensor; accepted: whole numbers"),
    ],
)
def test_what_is_not_there_is_refused_by_name(call: tuple[str, object], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        cr.why(lenet_like(), LOSS, *images(), *call)


def test_other_mistakes_are_told() -> None:
    net, (x, t) = lenet_like(), images()
    w = cr.why(net, LOSS, x, t, "0.weight.grad", (1, 0, 2, 1), terms=3)
    for act, message in [
        (lambda: w.why(4), r"4: 0.weight.grad\[1,0,2,1\] has no such term; accepted: 1 to 3"),
        (lambda: w["input[0,0,0,0]"].why(1), "accepted: none: it is given"),
        (lambda: w["nothing[0]"], "no number of this run"),
        (lambda: w["x["], "not a number of this run"),
        (lambda: w.only(z=1), "accepted: n from 0 to 2, i from 0 to 3"),
        (lambda: cr.why(net, LOSS, x, t, "loss", by="z"), "by='z': no letter"),
        (lambda: cr.why(net, LOSS, x, t, "loss", terms=0), "terms=0"),
        (lambda: cr.why(net, None, x, t, "output", (0, 0)), "loss=None"),
        (lambda: cr.why(net, LOSS, x, t, "loss", state={}), "state: belongs to an optimiser"),
        (lambda: cr.why(net, LOSS, x, t, "loss", opt=cr.optim.SGD(), state={"m": 1}), "state 'm': the optimiser carries no such thing"),
        (lambda: cr.why(net, LOSS, x, t, "loss", engine="gpu"), "no such engine"),
        (lambda: cr.why(net, LOSS, x, t, "loss", opt=cr.optim.SGD(), training=False), "training=False: a step"),
        (lambda: cr.why(net, LOSS, x, t, "loss", opt=cr.optim.Adam(), state=5), "state=5: not what an optimiser carries"),
        (lambda: cr.why(net, LOSS, x, t, "loss", opt=cr.optim.Adam(), state={"step": -3}), "state 'step' is -3"),
        (lambda: cr.why(net, LOSS, x, t, "loss", opt=cr.optim.Adam(), state={"step": "x"}), "state 'step'"),
        (lambda: cr.why(net, LOSS, x, t, "0.weight.grad[1,0,2,1]", (1, 0, 2, 2)), "two places"),
        (lambda: w["input[0 0,0,0,0]"], "not a number of this run"),
        (lambda: w["1" * 5000], "no number of this run"),
        (lambda: w[f"input[{'1' * 5000}]"], "not a number of this run"),
        (lambda: w.why(1, terms=1.5), "terms=1.5"),
        (lambda: w.why(1, terms=0), "terms=0"),
        (lambda: w.why(by="z"), "by='z': no letter .* accepted: n, i, j"),
        (lambda: w.only(n=0).why(by="n"), "accepted: i, j"),
        (lambda: w.text("2"), "depth='2'"),
        (lambda: w.json(None), "depth=None"),
    ]:
        with pytest.raises(ArgumentError, match=message):
            act()
    with pytest.raises(ShapeError, match=r"state '0\.weight\.v' with shape"):
        cr.why(net, LOSS, x, t, "loss", opt=cr.optim.SGD(momentum=0.9), state={"0.weight.v": 1.0})


def test_text_json_and_pages_say_the_same() -> None:
    w = cr.why(lenet_like(), LOSS, *images(), "0.weight.grad", (1, 0, 2, 1), terms=3)
    text, data, page = w.text(), json.loads(w.json(3)), w.html()
    assert text.splitlines()[:4] == [
        f"0.weight.grad[1,0,2,1] = {w.value:.9g}   (the gradient of the weight of layer 0 (Conv2d))",
        "  weight0_grad[o,c,u,v] = sum[n,i,j](y0_grad[n,o,i,j] * input[n, c, i+u-1, j+v-1])",
        "  at o = 1, c = 0, u = 2, v = 1",
        "  36 terms (left out: 12 outside input)",
    ]
    assert data["value"] == w.value and data["native"]["value"] == w.native and [t["value"] for t in data["terms"]] == [t.value for t in w.terms]
    assert data["terms"][0]["factors"][0]["why"]["formula"].startswith("y0_grad[n,c,i,j] = ")
    assert page.startswith("<!doctype html>") and "http" not in page and "<script" not in page
    assert page.count("<details") == page.count("</details>") > 5 and f"{w.terms[0].value:.6g}" in page
    assert w._repr_html_().startswith("<style>")
    assert json.loads(cr.why(cr.nn.Sequential(cr.nn.Linear(1, 1)).init(0), None, np.full((1, 1), np.inf, np.float32), None, "output", (0, 0)).json())


def test_the_command_asks_a_model_in_a_file(tmp_path: Path) -> None:
    from PIL import Image

    net = cr.nn.Sequential(cr.nn.Conv2d(1, 2, 3), cr.nn.ReLU(), cr.nn.Flatten(), cr.nn.Linear(8, 3)).init(0)
    net.classes, net.input = ("cat", "dog", "owl"), cr.nn.Input(cr.nn.normalize(0.0, 1.0), "whole", (1, 4, 4))
    cr.save(net, tmp_path / "m.safetensors")
    pixels = np.arange(16, dtype=np.uint8).reshape(4, 4) * 15
    Image.fromarray(pixels).save(tmp_path / "a.png")
    np.savez(tmp_path / "d.npz", x_train=pixels[None].repeat(6, 0), y_train=np.arange(6) % 3, x_test=pixels[None], y_test=np.array([2]))

    def run(*args: str, fails: bool = False) -> str:
        found = CliRunner().invoke(main, ["why", str(tmp_path / "m.safetensors"), *args])
        assert found.exit_code == (2 if fails else 0), found.output
        return found.output

    asked = ("--image", str(tmp_path / "a.png"), "--label", "owl")
    w = cr.why(net, LOSS, pixels[None, None], np.array([2]), "0.weight.grad", (1, 0, 2, 1))
    assert run("0.weight.grad", "1,0,2,1", *asked) == f"{w}\n" == run("0.weight.grad[1,0,2,1]", "--dataset", str(tmp_path / "d.npz"))
    assert json.loads(run("0.weight.grad", "1,0,2,1", *asked, "--format", "json"))["value"] == w.value
    assert run("3.output", "0,2", "--image", str(tmp_path / "a.png")) == f"{cr.why(net, None, pixels[None, None], None, '3.output', (0, 2))}\n"
    assert "what the step adds" in run("0.weight.update", "1,0,2,1", *asked, "--optimizer", "adam:lr=0.1")
    for args, problem in [
        (("loss", "--dataset", str(tmp_path / "d.npz"), "--label", "owl"), "--label: belongs to an image"),
        (("loss", *asked, "--sample", "0"), "--image: with samples"),
        (("loss", *asked, "--optimizer", "adam"), "--optimizer: loss is no part of a step"),
        (("0.weight.grad[1,0,2,1]", "1,0,2,2", *asked), "two places"),
    ]:
        assert problem in run(*args, fails=True)
    (tmp_path / "settings.json").write_text(json.dumps({"optimizer": "sgd", "lr": 1, "momentum": 0.0, "clip_norm": 0.001}))
    clipped = cr.why(net, LOSS, pixels[None, None], np.array([2]), "0.weight.update", (1, 0, 2, 1), opt=cr.optim.Clip(cr.optim.SGD(1.0), norm=0.001))
    assert run("0.weight.update", "1,0,2,1", *asked) == f"{clipped}\n" and abs(clipped.value) < 0.001
    (tmp_path / "settings.json").write_text("[" * 100_000)
    run("loss", *asked, "--format", "html", "-o", str(tmp_path / "w.html"))
    assert (tmp_path / "w.html").read_text().startswith("<!doctype html>")
    assert "label 'cow'" in run("loss", "--image", str(tmp_path / "a.png"), "--label", "cow", fails=True)
    assert "accepted: --label" in run("loss", "--image", str(tmp_path / "a.png"), fails=True)
    assert "no data" in run("loss", fails=True) and "no place of a tensor" in run("loss", "a,b", *asked, fails=True)


def test_the_page_of_the_documentation(capsys: pytest.CaptureFixture[str]) -> None:
    """What its examples print, but for the last digits that a processor's vectors decide."""
    text = (Path(__file__).parents[1] / "docs" / "why.md").read_text(encoding="utf-8")
    known: dict[str, object] = {}
    for code, printed in re.findall(r"```python\n(.*?)```\n\n```\n(.*?)```", text, re.S):
        exec(code, known)
        found, wanted = ([x for x in rows.splitlines() if not x.startswith("  float")] for rows in (capsys.readouterr().out, printed))
        assert found == wanted
