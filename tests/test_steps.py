"""Derivations: each step is a formula of the language, one named rule away from the step before, and computes the gradient."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import numpy as np
import pytest

import chainrule as cr
from chainrule import ops
from chainrule.calculus.steps import ENGLISH, Rule, Step
from chainrule.language.fields import sentence
from chainrule.language.show import definition_text
from chainrule.language.tree import Definition, Line, Tensor, needed
from tests.cases import CASES, Case
from tests.maker import make

Arrays = Mapping[str, np.ndarray]


def readable(d: cr.Derivation) -> Iterator[tuple[Step, Definition]]:
    """Each step as the last line of a definition that holds what it reads."""
    known = {line.tensor: line for line in (*d.definition.lines, *d.of.definition.lines)}
    lines: dict[str, Line] = {line.tensor: line for line in d.of.definition.lines}
    axes = {**d.of.definition.axes, **d.definition.axes, **(d.steps[0].axes if d.steps else {})}
    inputs = {t.name: t for t in (*d.definition.inputs, *d.of.definition.inputs)}
    seeds = {f"d{t.name}": t.axes for t in d.of.definition.outputs}
    for step in d.steps:
        line = step.line
        before = (*(x for k, x in lines.items() if k != line.tensor), line)
        given = tuple(
            inputs[t] if t in inputs else Tensor(t, seeds.get(t, axes.get(t, ()))) for t in inputs.keys() | {s for s in seeds if s not in lines}
        )
        given = tuple(t for t in given if t.name != line.tensor)
        whole = Definition("step", given, d.of.definition.settings, (Tensor(line.tensor, line.axes),), (), d.of.definition.sample_size)
        yield step, whole.with_lines(lines=needed(before, {line.tensor}))
        if step.rule is not Rule.LOSS:
            if step.rule not in (Rule.GIVEN, Rule.CANCELS):
                lines.pop(line.tensor, None)  # it stands behind what it reads
            lines[line.tensor] = known.get(line.tensor, line) if step.rule in (Rule.GIVEN, Rule.CANCELS, Rule.WINNER) else line


SEEN: set[str] = set()  # operations whose steps were computed: of each one small case


def places(case: Case) -> int:
    return sum(int(np.prod([k for k in s if k != "N"], dtype=int)) for s in case.shapes.values())


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.id)
def test_every_step_of_every_operation_reads_back_and_computes_the_gradient(case: Case) -> None:
    computed = places(case) < 400 and case.op.name not in SEEN
    if computed:
        SEEN.add(case.op.name)
    arrays = case.arrays(2)
    rng = np.random.default_rng(5)
    values = case.op.evaluate(arrays, case.numbers, "reference") if computed else {}
    seeds = {f"d{k}": np.ones(()) if k == "E" else rng.normal(size=np.shape(v)) for k, v in values.items()}
    for name in case.wrt:
        d = cr.derive(case.op, name)
        known: dict[str, np.ndarray] = {}
        formulas = [s.formula for s in d.steps]
        assert len(set(formulas)) == len(formulas), "no formula twice"
        assert formulas[-1] == d.formula
        for step, whole in readable(d):
            again = cr.op(definition_text(whole))
            assert [t.name for t in again.definition.outputs] == [step.line.tensor]
            assert step.reason == sentence(ENGLISH[step.rule], step.about)
            if computed:
                given = {t.name: np.asarray((arrays | seeds)[t.name]) for t in again.definition.inputs}
                numbers = {k: v for k, v in case.numbers.items() if k in dict(again.definition.settings)}
                found = again.evaluate(given, numbers, "reference")[step.line.tensor]
                np.testing.assert_allclose(found, known.setdefault(step.line.tensor, found), rtol=1e-9, atol=1e-11, err_msg=f"{step}")


SMALL = {
    "product and sine": ("f(x1, x2) -> y\n y = x1*x2 + sin(x1)", {"x1": (), "x2": ()}),
    "conv": (ops.conv.at({"x": 3}), {"x": (2, 2, 5), "w": (2, 2, 2), "b": (2,)}, {"s": 2, "p": 1}),
    "conv, dilated": (ops.conv.at({"x": 3}), {"x": (1, 2, 6), "w": (2, 2, 2), "b": (2,)}, {"s": 1, "p": 2, "d": 3}),
    "read twice": ("f(x[n,A], w[A]) -> y[n,A], z[n]\n y[n,i] = x[n,i]*x[n,2*i%A]*w[i]\n z[n] = sum[i](y[n,i]**2 * w[i])", {"x": (2, 3), "w": (3,)}),
    "a product": ("f(x[K]) -> y\n y = prod[k](x[k] + 2)", {"x": (4,)}),
    "tiles": ("f(x[n,A,B], w[A]) -> z[n, A*B]\n z[n, a*B+b] = x[n,a,b]**2 * w[a]", {"x": (2, 2, 3), "w": (2,)}),
    "choices": ("f(x[n,K], w[K]) -> y[n,K]\n y[n,k] = where(x[n,k] > 0, x[n,k]*w[k], exp(x[n,k])/w[k])", {"x": (2, 3), "w": (3,)}),
    "quotient and power": ("f(x[K], z[K]) -> y[K]\n y[k] = x[k]**3 / (1 + z[k]**2) - sqrt(1 + x[k]**2)", {"x": (3,), "z": (3,)}),
    "part of an axis": ("f(x[n,D], w[2]) -> y[n,2]\n y[n,i] = x[n,i]*w[i]", {"x": (2, 5), "w": (2,)}),
    "outside": ("f(x[K]) -> y[K]\n y[i] = sum[u:3](x[i+u-1] * (u + 1)) * x[i]", {"x": (4,)}),
}


@pytest.mark.parametrize("name", SMALL)
def test_every_step_computes_the_gradient(name: str) -> None:
    """diff and delta included: all steps of one gradient give the same numbers, those of vjp."""
    what, shapes, *rest = SMALL[name]
    settings = rest[0] if rest else {}
    op = what if isinstance(what, cr.Op) else cr.op(what)
    rng = np.random.default_rng(5)
    arrays = {k: rng.normal(size=s) + 0.2 for k, s in shapes.items()}
    agree(op, arrays, list(arrays), settings)


def agree(op: cr.Op, arrays: dict[str, np.ndarray], wrt: list[str], settings: Mapping[str, object]) -> None:
    """Every step gives the numbers of the step before, wherever they are finite; the last gives those of the gradient."""
    rng = np.random.default_rng(5)
    values = op.evaluate(arrays, settings, "reference")
    seeds = {f"d{k}": np.ones(()) if k == "E" else rng.normal(size=np.shape(v)) for k, v in values.items()}
    for name in wrt:
        gradient = op.gradient([name])
        want = cr.Op.of(gradient.definition).evaluate(arrays | seeds, settings, "reference")[gradient.of[name]]
        d = cr.derive(op, name)
        formulas = [s.formula for s in d.steps]
        assert len(set(formulas)) == len(formulas) and formulas[-1] == d.formula
        last: dict[str, np.ndarray] = {}
        for step, whole in readable(d):
            if step.rule in (Rule.GIVEN, Rule.CANCELS, Rule.WINNER, Rule.LOSS, Rule.NAME):
                continue
            again = cr.op(definition_text(whole))
            given = {t.name: (arrays | seeds)[t.name] for t in again.definition.inputs}
            numbers = {k: v for k, v in settings.items() if k in dict(again.definition.settings)}
            with np.errstate(all="ignore"):
                found = again.evaluate(given, numbers, "reference")[step.line.tensor]
            before = last.setdefault(step.line.tensor, found)
            finite = np.isfinite(found) & np.isfinite(before)
            np.testing.assert_allclose(np.where(finite, found, 0), np.where(finite, before, 0), rtol=1e-8, atol=1e-10, err_msg=f"{step}")
        got = last[d.steps[-1].line.tensor]
        finite = np.isfinite(got) & np.isfinite(want)
        np.testing.assert_allclose(np.where(finite, got, 0), np.where(finite, want, 0), rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("seed", [1, 11, 14, 21, 35, 46, 58, 77, 95, 113, 223, 241, 300, 404, 510, 518, 601])
def test_every_step_of_formulas_nobody_wrote_computes_the_gradient(seed: int) -> None:
    """Reads outside, empty terms, letters caught, zeros, choices: in steps as in gradients."""
    f = make(seed)
    op, arrays = cr.op(f.text), f.arrays(2)
    agree(
        op,
        arrays,
        [t.name for t in op.definition.inputs if t.whole is None and arrays[t.name].dtype.kind == "f"],
        dict(op.definition.settings) | dict(f.settings),
    )


@pytest.mark.parametrize("what, wrt, most", [
    ("f(x1, x2) -> y\n y = x1*x2 + sin(x1)", "x1", 6), (ops.sigmoid, "x", 3), (ops.linear, "w", 6), (ops.conv, "x", 8), (ops.softmax, "z", 17),
    (ops.flatten, "x", 4), (ops.relu, "x", 4), (ops.cross_entropy, "z", 18), (ops.half_square, "y", 12), (ops.max_pool, "x", 8),
    ("f(x[n,D]) -> y[n,D]\n y[n,i] = x[n,i] * 2", "x", 4), (ops.batch_norm.at({"x": 2}), "x", 34), (ops.gelu, "x", 12),
])  # fmt: skip
def test_a_derivation_is_as_long_as_it_has_to_be(what: object, wrt: str, most: int) -> None:
    assert len(cr.derive(what, wrt).steps) <= most


SOFTMAX = "dz[n,k] = y[n,k] * (dy[n,k] - sum[k1](dy[n,k1] * y[n,k1]))"


@pytest.mark.parametrize("what, wrt, settings, want", [
    (ops.softmax, "z", {}, "dz[n,k] = y[n,k] * (dy[n,k] - sum[k1](dy[n,k1] * y[n,k1]))"),
    (ops.cross_entropy, "z", {}, "dz[n,k] = (y[n,k] - (k == t[n])) / N"),
    ([ops.softmax, ops.cross_entropy_of_classes, ops.mean_loss], "z", {}, "dz[n,k] = (y[n,k] - (k == t[n])) / N"),
    (ops.half_square, "y", {}, "dy[n,k] = (y[n,k] - t[n,k]) / N"),
    ("f(z[n,K], t[n,K]) -> E\n y[n,k] = exp(z[n,k])/sum[j](exp(z[n,j]))\n E = -sum[n,k](t[n,k]*log(y[n,k]))/N", "z", {},
     "dz[n,k] = (sum[k1](t[n,k1]) * y[n,k] - t[n,k]) / N"),
    (ops.mse, "y", {}, "dy[n,k] = 2 * (y[n,k] - t[n,k]) / (N*K)"),
    (ops.conv, "x", {"s": 1, "d": 1}, "dx[n,c,r,q] = sum[o,i,j](dy[n,o,i,j] * w[o, c, r-i+p, q-j+p])"),
    (ops.avg_pool, "x", {"k": 2, "s": 2, "p": 0}, "dx[n,c,r,q] = dy[n, c, r//2, q//2] / 4"),
    (ops.flatten, "x", {}, "dx[n,c,d,e] = dy[n, (c*D+d)*E+e]"),
    (ops.gelu, "x", {}, "dx[n,a] = dy[n,a] * ((1 + erf(x[n,a] / sqrt(2))) / 2 + x[n,a] * exp(-x[n,a]**2 / 2) / sqrt(2 * pi))"),
    ("f(z[n,K]) -> y[n,K]\n s[n] = sum[j](exp(z[n,j]))\n y[n,k] = exp(z[n,k]) / s[n]", "z", {}, SOFTMAX),
    ("f(z[n,K]) -> y[n,K]\n e[n,k] = exp(z[n,k])\n s[n] = sum[j](e[n,j])\n y[n,k] = e[n,k] / s[n]", "z", {}, SOFTMAX),
    ("f(z[n,K]) -> y[n,K]\n m[n] = max[k](z[n,k])\n e[n,k] = exp(z[n,k]-m[n])\n s[n] = sum[j](e[n,j])\n y[n,k] = e[n,k] / s[n]", "z", {}, SOFTMAX),
    ("f(z[n,K]) -> y[n,K]\n e[n,k] = exp(z[n,k]-max[q](z[n,q]))\n s[n] = sum[j](e[n,j])\n y[n,k] = e[n,k] / s[n]", "z", {}, SOFTMAX),
    ("f(z[n,K]) -> y[n,K]\n y[n,k] = exp(z[n,k]-max[q](z[n,q])) / sum[j](exp(z[n,j]-max[q](z[n,q])))", "z", {}, SOFTMAX),
    ("f(x[n], t[n]) -> E\n y[n] = 1/(1+exp(-x[n]))\n E = -mean[n](t[n]*log(y[n]) + (1-t[n])*log(1-y[n]))", "x", {}, "dx[n] = (y[n] - t[n]) / N"),
    ("f(x[n,D], t[n], w[D]) -> E\n y[n] = 1/(1+exp(-sum[d](w[d]*x[n,d])))\n E = -mean[n](t[n]*log(y[n]) + (1-t[n])*log(1-y[n]))", "w", {},
     "dw[d] = sum[n](x[n,d] * (y[n] - t[n])) / N"),
    ("f(a[n,H,W]) -> b[n,H//2,W//2]\n b[n,i,j] = (a[n,2*i,2*j] + a[n,2*i+1,2*j] + a[n,2*i,2*j+1] + a[n,2*i+1,2*j+1])/4", "a", {},
     "da[n,r,q] = db[n, r//2, q//2] / 4"),
    ("f(a[H]) -> b[H//3]\n b[i] = (a[3*i+2] + a[3*i] + a[3*i+1])/3", "a", {}, "da[r] = db[r//3] / 3"),
    ("f(x[n,D]) -> y[n,D]\n m[n] = sum[d](x[n,d])/D\n v[n] = sum[d]((x[n,d]-m[n])**2)/D\n y[n,d] = (x[n,d]-m[n])/sqrt(v[n]+1)", "x", {},
     "dx[n,d] = dy[n,d] / sqrt(v[n] + 1) + 2 * dv[n] * (x[n,d] - m[n]) / D + dm[n] / D"),
    (ops.conv_transpose, "x", {"s": 2, "p": 0, "d": 1}, "dx[n,c,r,g] = sum[o,i,j](dy[n,o,i,j] * w[c, o, i-2*r, j-2*g])"),
    (ops.conv_transpose, "x", {"s": 1, "p": 0, "d": 1}, "dx[n,c,r,g] = sum[o,i,j](dy[n,o,i,j] * w[c, o, i-r, j-g])"),
    (ops.conv_transpose, "x", {"s": 2}, "dx[n,c,r,g] = sum[o,u,v](dy[n, o, 2*r-p+d*u, 2*g-p+d*v] * w[c,o,u,v])"),
    (ops.lp_pool, "x", {"norm": 2, "k": 2, "s": 2, "p": 0, "d": 1},
     "dx[n,c,r,q] = sum(dy[n, c, r//2, q//2] * sum[u:2,v:2](x[n, c, 2*(r//2)+u, 2*(q//2)+v]**2)**(-1 / 2) * x[n,c,r,q])"),
    (ops.celu, "x", {"alpha": 1}, "dx[n,a] = where(x[n,a] > 0, dy[n,a], dy[n,a] * (expm1(x[n,a]) + 1))"),
    (ops.soft_cross_entropy, "t", {"e": 0}, "dt[n,k] = dl[n] * (s[n] - (z[n,k] - m[n])) * w[k]"),
    (ops.layer_norm, "x", {}, "dx[n,d] = dy[n,d] * w[d] / sqrt(v[n] + eps) + 2 * dv[n] * (x[n,d] - m[n]) / D + dm[n] / D"),
])  # fmt: skip
def test_gradients_are_those_of_textbooks(what: object, wrt: str, settings: dict, want: str) -> None:
    assert cr.derive(what, wrt, **settings).formula == want


def test_the_winner_of_a_window_has_a_name_and_a_step() -> None:
    d = cr.derive(ops.max_pool, "x", k=2, s=2, p=0, d=1, more=0)
    assert d.formula == "dx[n,c,r,q] = dy[n, c, r//2, q//2] * (ay[n, c, r//2, q//2] == 2*(r%2)+q%2)"
    (winner,) = [s for s in d.steps if s.rule is Rule.WINNER]
    assert winner.formula.startswith("ay[n,c,i,j] = argmax[u:2,v:2](") and "ay" in winner.reason


def test_jacobians_tell_their_cases() -> None:
    d = cr.derive(ops.softmax, "z", mode="jacobian")
    assert d.formula == "J[n,i,j] = y[n,j] * (delta(i, j) - y[n,i])"
    assert d.cases == {"i = j": "y[n,i] * (1 - y[n,i])", "i != j": "-y[n,j] * y[n,i]"}
    z = np.random.default_rng(0).normal(size=(2, 4))
    J = d.op(z)
    for i in range(4):
        seed = np.zeros((2, 4))
        seed[:, i] = 1
        np.testing.assert_allclose(J[:, i], cr.vjp(ops.softmax, z)[1](seed)[0], rtol=1e-12)
    with pytest.raises(cr.ArgumentError, match="one output by one input"):
        cr.derive(ops.linear, ["x", "w"], mode="jacobian")


@pytest.mark.parametrize("what, wrt, shapes", [
    (ops.linear, "w", {"x": (3, 2), "w": (4, 2), "b": (4,)}), (ops.batch_norm.at({"x": 2}), "x", {"x": (3, 2), "w": (2,), "b": (2,)}),
    (ops.layer_norm, "x", {"x": (2, 3), "w": (3,), "b": (3,)}), (ops.conv.at({"x": 3}), "x", {"x": (2, 2, 5), "w": (2, 2, 2), "b": (2,)}),
    ("f(x[n,K]) -> y[n]\n z[n,j:K-1] = x[n,j+1]\n y[n] = mean[v:K-1](z[n,v])", "x", {"x": (2, 4)}), ("f(x[K]) -> y[K//2]\n y[j:K//2] = x[j]", "x", {"x": (5,)}),
    (ops.sum_pool.at({"x": 3}), "x", {"x": (1, 2, 4)}), ("f(x[K]) -> y\n y = sum[k](x[k]**2)", "x", {"x": (3,)}), (ops.max_pool.at({"x": 3}), "x", {"x": (1, 2, 4)}),
])  # fmt: skip
def test_a_jacobian_is_every_gradient(what: object, wrt: str, shapes: dict) -> None:
    op = what if isinstance(what, cr.Op) else cr.op(what)
    d = cr.derive(op, wrt, mode="jacobian")
    rng = np.random.default_rng(1)
    arrays = {k: rng.normal(size=s) for k, s in shapes.items()}
    assert cr.op(str(d.op)).definition == d.op.definition
    J = np.asarray(d.op(**{t.name: arrays[t.name] for t in d.definition.inputs}))
    y, pullback = cr.vjp(op, *arrays.values())
    dy = rng.normal(size=np.shape(y))
    want = pullback(dy)[list(arrays).index(wrt)]
    sampled = J.ndim == np.ndim(y) + arrays[wrt].ndim - 1
    if sampled:
        found = np.stack([np.tensordot(dy[k], J[k], np.ndim(dy) - 1) for k in range(len(dy))])
    else:
        found = np.tensordot(dy, J, np.ndim(dy))
    np.testing.assert_allclose(found, want, rtol=1e-10, atol=1e-12)


def test_a_network_is_a_chain_through_its_layers() -> None:
    net = cr.nn.Sequential(cr.nn.Conv2d(1, 2, 3), cr.nn.Tanh(), cr.nn.MaxPool2d(2), cr.nn.Flatten(), cr.nn.Linear(18, 3)).init(seed=0)
    d = cr.derive(net, "0.weight", input=(1, 8, 8), loss=cr.nn.CrossEntropyLoss())
    made = [line.split(" = ")[0].strip() for line in str(d.op).split("\n")[1:]]
    assert [re.sub(r"\[.*", "", x) for x in made[-6:]] == ["dy4", "dy3", "dy2", "dy1", "dy0", "dweight0"]
    x, t = np.random.default_rng(0).normal(size=(4, 1, 8, 8)), np.array([0, 1, 2, 1])
    _, grads = cr.value_and_grad(net, cr.nn.CrossEntropyLoss())(x.astype(np.float32), t)
    values = {k.replace(".weight", "weight").replace(".bias", "bias"): v for k, v in net.values.items()}
    given = {"x": x, "t": t} | {f"{k[1:]}{k[0]}": np.asarray(v, np.float64) for k, v in values.items()}
    found = d.op(**{i.name: given[i.name] for i in d.definition.inputs})
    np.testing.assert_allclose(found, grads["0.weight"], rtol=1e-3, atol=1e-5)


def test_small_sizes_are_written_out() -> None:
    d = cr.derive(ops.linear, "w", n=2, K=2, O=1, expand=True)
    assert d.formula.split("\n") == ["dw_0_0 = dy[0,0] * x[0,0] + dy[1,0] * x[1,0]", "dw_0_1 = dy[0,0] * x[0,1] + dy[1,0] * x[1,1]"]
    assert [s.formula for s in d.steps[-2:]] == d.formula.split("\n") and d.steps[-1].rule is Rule.WRITTEN_OUT
    assert len(cr.op(str(d.op))(np.ones((2, 2)), np.ones((1, 2)), np.ones(1), np.ones((2, 1)))) == 2
    both = cr.derive("f(x[K], w[K]) -> y[K]\n y[i] = x[i]*w[i]", K=2, expand=True)
    assert len(both.op.definition.lines) == 4 and cr.op(str(both.op)).definition == both.op.definition
    conv = cr.derive("c(x[4], w[2]) -> y[3]\n y[i] = sum[u](w[u] * x[i+u])", "x", expand=True)
    assert conv.formula.split("\n")[1] == "dx_1 = dy[0] * w[1] + dy[1] * w[0]"
    with pytest.raises(cr.ArgumentError, match="accepted: sizes for O, K"):
        cr.derive(ops.linear, "w", expand=True)


def test_several_inputs_share_what_is_common() -> None:
    d = cr.derive(ops.linear, ["x", "w"])
    assert d.formula.split("\n") == ["dx[n,k] = sum[o](dy[n,o] * w[o,k])", "dw[o,k] = sum[n](dy[n,o] * x[n,k])"]
    assert d["w"].formula == "dw[o,k] = sum[n](dy[n,o] * x[n,k])" and d["w"].steps[0].rule is Rule.GIVEN
    assert sum(s.rule is Rule.GIVEN for s in d.steps) == 1


def test_second_derivatives_and_tangents() -> None:
    assert cr.derive("f(x) -> y\n y = x**3", "x", order=2).formula == "J = 6 * x"
    t = cr.derive(ops.softmax, "z", mode="forward")
    assert t.formula == "ty[n,k] = (te[n,k] - sum[j](te[n,j]) * y[n,k]) / sum[j](e[n,j])"
    assert [s.rule for s in t.steps][:5] == [Rule.CANCELS, Rule.GIVEN, Rule.CHAIN, Rule.FUNCTION, Rule.SUM]


TANGENTS = ("attention", "shared_twice", "skip_and_mirror", "no_samples", "product", "max_pool2d-overlap-pad", "norm", "cross_entropy")


@pytest.mark.parametrize("what", [*(c for c in CASES if c.id in TANGENTS), 42, 128, 184, 644], ids=lambda c: c.id if isinstance(c, Case) else str(c))
def test_every_step_of_a_tangent_computes_it(what: Case | int) -> None:
    f = make(what) if isinstance(what, int) else None
    op = cr.op(f.text) if f is not None else what.op  # type: ignore[union-attr]
    arrays = f.arrays(2) if f is not None else what.arrays(2)  # type: ignore[union-attr]
    numbers = dict(op.definition.settings) | (dict(f.settings) if f is not None else what.numbers)  # type: ignore[union-attr]
    wrt = [t.name for t in op.definition.inputs if t.whole is None and arrays[t.name].dtype.kind == "f"]
    rng = np.random.default_rng(5)
    known = (
        arrays | {f"t{k}": rng.normal(size=arrays[k].shape) for k in wrt} | {f"d{k}": v for k, v in op.evaluate(arrays, numbers, "reference").items()}
    )
    d = cr.derive(op, wrt, mode="forward")
    assert len({s.formula for s in d.steps}) == len(d.steps)
    last: dict[str, np.ndarray] = {}
    for step, whole in readable(d):
        if step.rule in (Rule.GIVEN, Rule.CANCELS, Rule.WINNER):
            continue
        again = cr.op(definition_text(whole))
        given = {k: v for k, v in numbers.items() if k in dict(again.definition.settings)}
        found = again.evaluate({t.name: known[t.name] for t in again.definition.inputs}, given, "reference")[step.line.tensor]
        np.testing.assert_allclose(found, last.setdefault(step.line.tensor, found), rtol=1e-8, atol=1e-10, err_msg=f"{step}")
    final = [line.tensor for line in d.results]
    assert {s.line.tensor: s.formula for s in d.steps}[final[-1]] == d.formula.split("\n")[-1]


@pytest.mark.parametrize("what, wrt, given, message", [
    (ops.linear, "q", {}, "'q': linear has no such input; accepted: x, w, b"), (ops.linear, 3, {}, "3: not the name"), ([], "x", {}, r"\[\]: nothing"),
    (ops.linear, "w", {"mode": "sideways"}, "mode='sideways'"), (ops.linear, "w", {"order": 3}, "order=3"), (3, "x", {}, "3: nothing to differentiate"),
    ([ops.linear, ops.max_pool.at({"x": 4})], "x", {}, "linear gives y with 2 axes"),
])  # fmt: skip
def test_what_cannot_be_derived_is_told(what: object, wrt: object, given: dict, message: str) -> None:
    with pytest.raises(cr.ChainruleError, match=message):
        cr.derive(what, wrt, **given)


@pytest.mark.parametrize("text, want", {
    "f(x[K], w[K]) -> g[K]\n y = sum[k](w[k]*x[k]**2)\n g[i] = diff(y, x[i])": lambda x, w: 2 * w * x,
    "f(x[K], w[K]) -> g[K]\n g[i] = sum[k](diff(x[k]*x[i]*w[k], x[i]))": lambda x, w: (w * x).sum() + w * x,
    "f(x[K], w[K]) -> g[K]\n m = max[k](x[k])\n g[i] = diff(m, x[i]) * w[i]": lambda x, w: (np.arange(len(x)) == x.argmax()) * w,
    "f(x[K], w[K]) -> g[K]\n h[i] = sum[k](w[i]*x[k])\n g[i] = sum[k](diff(h[k], w[i]))": lambda x, w: 0 * w + x.sum(),
    "f(x[K], w[K]) -> g[K]\n h[i] = sum[k](w[i]*x[k])\n g[i] = sum[k](diff(h[k], x[i]))": lambda x, w: 0 * w + w.sum(),
    "f(x[K], w[K]) -> g[K]\n g[i] = sum[k](w[k] * diff(x[k] + x[k-1], x[i]))": lambda x, w: (np.arange(3) > 0) * w + np.append(w[1:], 0),
    "f(x[K], w[K]) -> g[K]\n y = sum[k](x[k] + w[k-1])\n g[i] = diff(y, x[i])": lambda x, w: np.arange(3) > 0,
    "f(x[K], w[K]) -> g[K]\n diff[k] = x[k] - w[k]\n g[i] = diff[i] * diff(sin(x[i]), x[i])": lambda x, w: (x - w) * np.cos(x),
}.items())  # fmt: skip
@pytest.mark.parametrize("engine", ["native", "reference"])
def test_derivatives_may_be_written(text: str, want: object, engine: str) -> None:
    """diff(e, x[r]) is how e changes with one element; a tensor may be called diff, too."""
    x, w = np.array([0.5, -1.0, 2.0]), np.array([1.5, 0.3, -0.7])
    np.testing.assert_allclose(cr.op(text)(x, w, engine=engine), want(x, w), rtol=1e-12)  # type: ignore[operator]


def test_diff_takes_an_element() -> None:
    with pytest.raises(cr.DefinitionError, match=r"diff\(value, x\[r\]\)"):
        cr.op("f(x[K]) -> y[K]\n y[i] = diff(x[i], 2)")


def test_what_random_numbers_count_with_has_no_derivative() -> None:
    d = cr.derive("f(s, x[n,D]) -> y[n,D]\n y[n,i] = x[n,i] * uniform(round(s), n, i)", "s")
    assert d.formula == "ds = 0" and cr.vjp(d.of, 3.0, np.ones((2, 2)))[1](np.ones((2, 2)))[0] == 0


@pytest.mark.parametrize("text, want", [
    ("f(x) -> y\n y = sin(x)", "J = -sin(x)"),
    ("f(x[K]) -> E\n E = sum[k](x[k]**3)", "J[i,j] = 6 * delta(i, j) * x[j]"),
    ("f(x[K]) -> E\n E = sum[k](x[k])**2", "J[i,j] = 2"),
])  # fmt: skip
def test_the_second_derivative_of_a_loss_is_its_hessian(text: str, want: str) -> None:
    assert cr.derive(text, "x", order=2).formula == want


def test_second_derivatives_are_differences_of_first_ones() -> None:
    op = cr.op("f(x[n,K]) -> y[n,K]\n y[n,k] = tanh(x[n,k]) * x[n,k]")
    first, second = cr.derive(op, "x", mode="jacobian").op, cr.derive(op, "x", order=2).op
    x, h = np.random.default_rng(0).normal(size=(2, 3)), 1e-6
    for k in range(3):
        step = np.eye(3)[k] * h
        np.testing.assert_allclose(second(x)[..., k], (first(x + step) - first(x - step)) / (2 * h), atol=1e-8)


def test_targets_of_a_network_are_like_its_outputs_or_their_classes() -> None:
    net = cr.nn.Sequential(cr.nn.Linear(3, 4), cr.nn.Sigmoid(), cr.nn.Linear(4, 2))
    d = cr.derive(net, "0.weight", input=3, loss=cr.nn.MSELoss())
    lines = [line.strip() for line in str(d.op).split("\n")]
    assert "t[n,2]" in lines[0] and "dy2[n,k] = (y2[n,k] - t[n,k]) / N" in lines
    assert "dy0[n,a] = dy1[n,a] * y1[n,a] * (1 - y1[n,a])" in lines


@pytest.mark.parametrize("what, given, message", [
    (ops.linear, {"input": (3,)}, "input: of what is no network"),
    (cr.nn.Sequential(cr.nn.Linear(3, 4), cr.nn.Tanh()), {}, r"as in input=\(1, 28, 28\)"),
    (cr.nn.Sequential(cr.nn.Linear(3, 4), cr.nn.Tanh()), {"input": "3"}, "input='3': no shape"),
])  # fmt: skip
def test_what_is_a_network_says_the_shape_of_its_input(what: object, given: dict, message: str) -> None:
    with pytest.raises(cr.ArgumentError, match=message):
        cr.derive(what, "w", **given)


@pytest.mark.parametrize(
    ("formula", "rules"),
    [
        ("y[i] = x[i] * w[i] * 3", [Rule.FACTOR]),
        ("y[i] = x[i] * exp(x[i])", [Rule.PRODUCT, Rule.FUNCTION]),
        ("y[i] = x[i] / (2 * w[i])", [Rule.FACTOR]),
        ("y[i] = w[i] / x[i]", [Rule.QUOTIENT]),
        ("y[i] = w[i] - x[i]", [Rule.SUM]),
        ("y[i] = exp(-x[i])", [Rule.FUNCTION, Rule.FACTOR]),
        ("y[i] = x[i] / (1 + x[i])", [Rule.QUOTIENT, Rule.SUM]),
        ("y[i] = prod[k](x[k]) * w[i]", [Rule.FACTOR, Rule.PRODUCT]),
    ],
)
def test_a_rule_has_the_name_of_what_was_done(formula: str, rules: list[Rule]) -> None:
    d = cr.derive(f"f(x[D], w[D]) -> y[D]\n    {formula}", "x")
    assert [s.rule for s in d.steps if s.rule in (Rule.FACTOR, Rule.PRODUCT, Rule.QUOTIENT, Rule.FUNCTION, Rule.SUM)] == rules


def test_conditions_on_the_way_are_factors() -> None:
    formulas = [s.formula for s in cr.derive([ops.softmax, ops.cross_entropy_of_classes], "z").steps]
    assert "de[n,k] = sum[k1](dy[n,k1] * diff(y[n,k1], e[n,k]) * (k1 == t[n]))" in formulas
    assert not any("where" in f for f in formulas if "diff(where" not in f)
    hinge = cr.derive("f(x[K]) -> y[K]\n y[k] = where(x[k] < 1, x[k]**2, 0)", "x")
    assert hinge.steps[-1].formula == hinge.formula and "where(x[k] < 1, " in hinge.steps[0].formula


def test_letters_of_one_part_are_no_settings_of_another() -> None:
    d = cr.derive(["f(x[n,D]; k=2) -> y[n,D]\n y[n,i] = k*x[n,i]", "g(y[n,K]) -> z[n,K]\n z[n,k] = (k+1)*y[n,k]**2"])
    x = np.array([[1.0, 2, 3]])
    for op in (d.op, cr.op(str(d.op))):
        np.testing.assert_allclose(op(x, np.ones((1, 3))), [[8, 32, 72]])
    for op in (ops.max_pool, ops.avg_pool):
        both = cr.derive([op, ops.softmax]).of
        assert cr.op(str(both)).definition == both.definition


def test_a_network_with_its_loss_is_derived_as_it_is_trained() -> None:
    net = cr.nn.Sequential(cr.nn.Linear(3, 2, bias=False), cr.nn.BatchNorm1d(2)).init(0, "float64")
    rng = np.random.default_rng(0)
    x, t = rng.normal(size=(5, 3)), rng.normal(size=(5, 2))
    d = cr.derive(net, "0.weight", input=(3,), loss=cr.nn.MSELoss())
    given = {"x": x, "t": t, "weight0": net.values["0.weight"], "weight1": net.values["1.weight"], "bias1": net.values["1.bias"]}
    assert set(d.op.inputs) == given.keys()
    want = cr.value_and_grad(net, cr.nn.MSELoss())(x, t)[1]["0.weight"]
    np.testing.assert_allclose(d.op.evaluate(given, {})["dweight0"], want, rtol=1e-10)


def test_a_second_derivative_keeps_letters_apart() -> None:
    text = "f(x[K], w[O,K]) -> y[O]\n c[j] = exp(sum[k](x[k]*w[j,k]))\n y[u] = c[u]"
    d = cr.derive(text, "x", order=2)
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=3), rng.normal(size=(2, 3))
    np.testing.assert_allclose(d.op(x, w), np.einsum("u,uj,uk->ujk", np.exp(w @ x), w, w), rtol=1e-10)


def test_every_step_can_be_written_where_lines_become_one() -> None:
    d = cr.derive("f(x[n], t[n]) -> E\n l[n] = (1 + (1-1) * t[n]) * x[n]\n E = sum[n](l[n])", "x")
    assert [s.formula for s in d.steps][-1] == "dx[n] = 1"


def test_a_share_has_a_name_that_means_nothing_else() -> None:
    d = cr.derive("f(x[n,K], w[n]) -> l[n], y[n]\n m[n] = max[k](x[n,k])\n l[n] = log(sum[k](exp(x[n,k]-m[n]))) + m[n]\n y[n] = w[n]*m[n]", "x")
    assert not {x.tensor for x in d.definition.lines} & {"y"}
    assert all(s.formula for s in d.steps) and list(readable(d))


def test_a_function_says_its_derivative_without_names_of_the_formula() -> None:
    d = cr.derive("f(x[n]) -> y[n]\n y[n] = 1 / (1 + exp(-tanh(x[n])))")
    assert [s.reason for s in d.steps if s.rule is Rule.FUNCTION] == ["chain rule: exp'(a) = exp(a)", "chain rule: tanh'(a) = 1-tanh(a)**2"]
