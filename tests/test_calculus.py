"""Gradients are right: reverse mode is the transpose of forward mode, which agrees with a complex step."""

from __future__ import annotations

import time
from fractions import Fraction

import numpy as np
import pytest

import chainrule as cr
from chainrule import Op
from tests.cases import CASES, CORE, Case

STEP = 1e-40  # complex step: no subtraction, so as small as it likes


def test_the_formulas_of_the_design_are_found_by_machine() -> None:
    conv = cr.op(
        "conv2d(x[n,C,H,W], w[O,C,K,L], b[O]; s=1, p=0) -> y[n, O, (H+2*p-K)//s+1, (W+2*p-L)//s+1]\n y[n,o,i,j] = b[o] + sum[c,u,v](w[o,c,u,v] * x[n, c, s*i+u-p, s*j+v-p])"
    )
    assert cr.derive(conv, "w").formula == "dw[o,c,u,v] = sum[n,i,j](dy[n,o,i,j] * x[n, c, s*i+u-p, s*j+v-p])"
    assert cr.derive(conv, "x").formula == "dx[n,c,r,q] = sum[o,i,j](dy[n,o,i,j] * w[o, c, r-s*i+p, q-s*j+p])"
    assert cr.derive(conv, "b").formula == "db[o] = sum[n,i,j](dy[n,o,i,j])"


def test_every_move_of_a_derivation_has_a_reason() -> None:
    d = cr.derive(cr.ops.conv2d_plain, "x")
    reasons = " ".join(s.reason for s in d.steps)
    assert "chain rule" in reasons and "leaves one term of the sum: u = " in reasons
    assert d.steps[-1].formula == d.formula and d.formula in str(d) and r"\sum" in d.latex()


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.id)
def test_forward_mode_agrees_with_a_complex_step(case: Case) -> None:
    arrays = case.arrays(3)
    rng = np.random.default_rng(2)
    moves = {k: rng.normal(size=arrays[k].shape) for k in case.wrt}
    tangent = case.op.tangent(tuple(case.wrt))
    found = Op.of(tangent.definition).evaluate(arrays | {tangent.seed[k]: v for k, v in moves.items()}, case.numbers, "reference")
    stepped = case.op.evaluate(arrays | {k: arrays[k] + 1j * STEP * moves[k] for k in moves}, case.numbers, "reference")
    for t in case.op.definition.outputs:
        want = np.imag(stepped[t.name]) / STEP
        got = found[tangent.of[t.name]]
        finite = np.isfinite(np.real(stepped[t.name]))
        assert np.all(np.abs(np.where(finite, got - want, 0)) <= 1e-12 * max(1.0, float(np.max(np.abs(want), where=finite, initial=0))))


def transpose_gap(op: Op, arrays: dict, wrt: list[str], settings: dict, engine: str) -> float:
    rng = np.random.default_rng(3)
    primals = [arrays[t.name] for t in op.definition.inputs]
    tangents = [rng.normal(size=np.shape(arrays[t.name])) if t.name in wrt else None for t in op.definition.inputs]
    y, ty = cr.jvp(op, primals, tangents, engine=engine, **settings)
    _, pullback = cr.vjp(op, *primals, engine=engine, **settings)
    ys, tys = (y, ty) if isinstance(y, tuple) else ((y,), (ty,))
    seeds = [rng.normal(size=np.shape(v)) for v in ys]
    grads = pullback(*seeds)
    left = sum(float(np.sum(s * t)) for s, t in zip(seeds, tys, strict=True))
    moves = [t for t in tangents if t is not None]
    right = sum(float(np.sum(g * t)) for g, t in zip(grads, moves, strict=True))
    size = sum(float(np.sum(np.abs(s * t))) for s, t in zip(seeds, tys, strict=True)) + sum(
        float(np.sum(np.abs(g * t))) for g, t in zip(grads, moves, strict=True)
    )
    return abs(left - right) / max(size, 1e-12)


@pytest.mark.parametrize(
    "case, engine", [pytest.param(c, e, id=f"{c.id}-{e}") for c in CASES for e in (("reference", "native") if c in CORE else ("reference",))]
)
def test_reverse_mode_is_the_transpose_of_forward_mode(case: Case, engine: str) -> None:
    assert transpose_gap(case.op, case.arrays(3), case.wrt, case.numbers, engine) < 1e-12


SECOND = [
    c
    for c in CASES
    if c.id
    in (
        "conv2d-stride2-pad",
        "conv2d-stride2-dilation3",
        "linear",
        "softmax",
        "tanh",
        "cross_entropy",
        "max_pool2d-overlap-pad",
        "norm",
        "bilinear",
        "diagonal",
        "difference",
        "attention",
        "unsolvable",
        "product",
    )
]


@pytest.mark.parametrize("case", SECOND, ids=lambda c: c.id)
def test_gradients_can_be_differentiated_again(case: Case) -> None:
    gradient = case.op.gradient(case.wrt)
    op = Op.of(gradient.definition)
    arrays = case.arrays(2)
    values = case.op.evaluate(arrays, case.numbers, "reference")
    rng = np.random.default_rng(4)
    arrays |= {gradient.seed[k]: rng.normal(size=np.shape(v)) for k, v in values.items()}
    wrt = [t.name for t in op.definition.inputs if t.name not in case.classes]
    assert transpose_gap(op, arrays, wrt, case.numbers, "reference") < 1e-12
    assert transpose_gap(op, arrays, wrt, case.numbers, "native") < 1e-12


def test_choices_where_calculus_leaves_one() -> None:
    x = np.array([[0.0, -0.0, 2.0, -3.0]])
    for text in ("maximum(x[n,i], 0)", "maximum(0, x[n,i])"):
        _, pullback = cr.vjp(cr.op(f"f(x[n,D]) -> y[n,D]\n y[n,i] = {text}"), x)
        assert np.array_equal(pullback(np.full((1, 4), 5.0))[0], [[0, 0, 5, 0]])
    _, pullback = cr.vjp(cr.op("f(x[n,D]) -> y[n,D]\n y[n,i] = abs(x[n,i])"), x)
    assert np.array_equal(pullback(np.ones((1, 4)))[0], [[0, 0, 1, -1]])
    _, pullback = cr.vjp(cr.ops.max_pool2d, np.ones((1, 1, 2, 2)))
    assert np.array_equal(pullback(np.full((1, 1, 1, 1), 3.0))[0], [[[[3, 0], [0, 0]]]])


def test_overlapping_windows_accumulate() -> None:
    x = np.array([[[[0.0, 0, 0], [0, 9, 0], [0, 0, 0]]]])
    _, pullback = cr.vjp(cr.ops.max_pool2d, x, k=2, s=1)
    assert pullback(np.array([[[[1.0, 2], [3, 4]]]]))[0][0, 0, 1, 1] == 10


def test_fractions_are_exact() -> None:
    rng = np.random.default_rng(0)
    exact = np.vectorize(lambda v: Fraction(int(v), 7), otypes=[object])
    x, w = exact(rng.integers(-9, 9, (2, 2, 5, 4))), exact(rng.integers(-9, 9, (3, 2, 2, 3)))
    b, dy = exact(rng.integers(-9, 9, 3)), exact(rng.integers(-9, 9, (2, 3, 2, 1)))
    y = cr.ops.conv2d(x, w, b, s=2, engine="reference")
    assert y.shape == dy.shape and all(isinstance(v, Fraction) for v in y.flat)
    want = b[1] + sum(w[1, c, u, v] * x[0, c, 2 + u, v] for c in range(2) for u in range(2) for v in range(3))
    assert y[0, 1, 1, 0] == want
    g = cr.ops.conv2d.gradient(["x", "w", "b"])
    out = Op.of(g.definition).evaluate({"x": x, "w": w, "b": b, g.seed["y"]: dy}, {"s": 2, "p": 0, "d": 1}, "reference")
    assert out["dw"][1, 0, 1, 2] == sum(dy[n, 1, i, 0] * x[n, 0, 2 * i + 1, 2] for n in range(2) for i in range(2))
    m, pull = cr.vjp(cr.ops.max_pool2d, x, engine="reference")
    assert sum(pull(exact(np.ones(m.shape, int)))[0].flat) == Fraction(m.size, 7)
    with pytest.raises(cr.ElementTypeError, match="exp"):
        cr.ops.softmax(exact(np.ones((2, 3))), engine="reference")


def test_a_gradient_is_asked_for_by_an_inputs_name() -> None:
    with pytest.raises(cr.ArgumentError, match="'q': linear has no such input"):
        cr.derive(cr.ops.linear, "q")


ENGINES = pytest.mark.parametrize("engine", ["reference", "native"])
TYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def gradients(op: Op, arrays: list[np.ndarray], engine: str, **settings: object) -> list[np.ndarray]:
    """Gradients for an upstream gradient of ones, and the gradient of their sum: first and second derivatives, both modes in one."""
    y, pullback = cr.vjp(op, *arrays, engine=engine, **settings)
    first = pullback(np.ones_like(y))
    _, ty = cr.jvp(op, arrays, [np.ones_like(a) for a in arrays], engine=engine, **settings)
    with np.errstate(invalid="ignore"):
        assert np.allclose(np.sum(ty), sum(map(np.sum, first)), rtol=1e-4, atol=1e-6, equal_nan=True), "forward mode agrees"
    g = op.gradient([t.name for t in op.definition.inputs])
    _, again = cr.vjp(Op.of(g.definition), *arrays, np.ones_like(y), engine=engine, **settings)
    second = again(*[np.ones_like(a) for a in first])
    return [*first, *second]


BRANCHES = [
    ("where(x[n,i] > 0, log(x[n,i]), x[n,i])", [0.0, -1.0, 2.0], [1.0, 1.0, 0.5]),
    ("where(x[n,i] > 0, x[n,i]*sqrt(x[n,i]), 0)", [0.0, -1.0, 4.0], [0.0, 0.0, 3.0]),
    ("where(x[n,i] == 0, 1, sin(x[n,i])/x[n,i])", [0.0, np.pi], [0.0, -1 / np.pi]),
    ("exp(where(x[n,i] < 50, x[n,i], where(x[n,i] > 60, 1/(x[n,i]-90), 0)))", [90.0, 0.0, 55.0], [-np.inf, 1.0, 0.0]),
    ("maximum(log(x[n,i]), 0)", [0.0, 2.0], [0.0, 0.5]),
    ("minimum(1/x[n,i]**2, 4)", [0.0, 1.0], [0.0, -2.0]),
    ("max[k:2](where(k == 1, log(x[n,i]), 0))", [0.0, 2.0], [0.0, 0.5]),
    ("sum[k](where(k == i, log(x[n,k]), 0))", [0.0, 2.0], [np.inf, 0.5]),
    ("where(x[n,i] > 0, sum[k:2](where(k == 0, log(x[n,i]), 1/x[n,i])), x[n,i])", [0.0, 1.0], [1.0, 0.0]),
    ("x[n,i]**0", [0.0, 3.0], [0.0, 0.0]),
    ("x[n,i]**1", [0.0, 3.0], [1.0, 1.0]),
    ("x[n,i]**2", [0.0, 3.0], [0.0, 6.0]),
    ("x[n,i]**3", [0.0, -3.0], [0.0, 27.0]),
    ("x[n,i]**-1", [2.0, -4.0], [-0.25, -0.0625]),
    ("x[n,i]**0.5", [4.0, 0.25], [0.25, 1.0]),
    ("x[n,i]**p", [0.0, 3.0], [0.0, 0.0]),
    ("x[n,i]**q", [0.0, 3.0], [0.0, 0.0]),
    ("x[n,i]**(p + 1)", [0.0, 3.0], [1.0, 1.0]),
]  # fmt: skip


@ENGINES
@TYPES
@pytest.mark.parametrize("text, x, want", BRANCHES, ids=lambda v: v if isinstance(v, str) else "")
def test_a_branch_that_is_not_taken_adds_nothing(text: str, x: list, want: list, engine: str, dtype: type) -> None:
    f = cr.op(f"f(x[n,D]; p=0, q=0.0) -> y[n,D]\n y[n,i] = {text}")
    at, want = np.array([x], dtype), np.array([want], dtype)
    found = gradients(f, [at], engine)
    assert np.allclose(found[0], want, rtol=1e-6, atol=1e-7)
    assert not np.isnan(found[1][np.isfinite(want)]).any(), "nor in the second derivative"


@ENGINES
@TYPES
def test_powers_have_the_derivatives_that_pytorch_gives_them(engine: str, dtype: type) -> None:
    f = cr.op("f(x[n], b[n]) -> y[n]\n y[n] = x[n]**b[n]")
    x = np.array([0, 0, 0, 0, 0, 2, -2, 3], dtype)
    b = np.array([0, 1, 2, 0.5, -1, 3, 2, 0], dtype)
    dx, db, *second = gradients(f, [x, b], engine)
    assert np.allclose(dx, [0, 1, 0, np.inf, -np.inf, 12, -4, 0])
    assert np.allclose(db[[0, 1, 2, 3, 5, 7]], [0, 0, 0, 0, 8 * np.log(2), np.log(3)], rtol=1e-6) and db[4] == -np.inf and np.isnan(db[6])
    assert np.isfinite([s[[2, 5, 7]] for s in second[:2]]).all()


LOGISTIC = [
    ("1/(1+exp(-x[n,i]))", "dx[n,i] = dy[n,i] * y[n,i] * (1 - y[n,i])"),
    ("1/(exp(-x[n,i])+1)", "dx[n,i] = dy[n,i] * y[n,i] * (1 - y[n,i])"),
    ("sigmoid(x[n,i])", "dx[n,i] = dy[n,i] * y[n,i] * (1 - y[n,i])"),
    ("x[n,i]/(1+exp(-b*x[n,i]))", ""),
    ("b/(2+exp(x[n,i]))", ""),
    ("x[n,i]*(1/(1+exp(-x[n,i])))**2", ""),
    ("log(1+exp(-x[n,i]))*0 + 2/(1+exp(-2*x[n,i])) - 1", None),
    ("1/(3 - exp(x[n,i]))", None),
    ("1/(exp(x[n,i]) - 3)", None),
    ("sum[k](b/(1+exp(x[n,k]-x[n,i]/2)))", ""),
]  # fmt: skip


@ENGINES
@TYPES
@pytest.mark.parametrize("text, formula", LOGISTIC)
def test_an_exponential_below_a_quotient_gives_no_nan(text: str, formula: str | None, engine: str, dtype: type) -> None:
    f = cr.op(f"f(x[n,D]; b=1.5) -> y[n,D]\n y[n,i] = {text}")
    if formula:
        assert cr.derive(f, "x").formula == formula
    far = [-90.0, 90.0, -3.0, 0.5, 40.0] if dtype is np.float32 else [-800.0, 800.0, -3.0, 0.5, 90.0]
    x = np.array([far], dtype)
    first, second, _ = gradients(f, [x], engine)
    if formula is not None:  # (in the others a value itself is infinite, or 0 * inf)
        assert np.isfinite(first).all() and np.isfinite(second).all()
    near = np.array([[-3.0, 0.5, 1.3, 4.0]], dtype)
    first, *_ = gradients(f, [near], engine)
    step = f(near.astype(complex) + 1e-40j, engine="reference").imag / 1e-40
    if "sum" not in text:
        assert np.allclose(first, step, rtol=1e-4 if dtype is np.float32 else 1e-12)


@ENGINES
@TYPES
def test_the_tails_of_the_sigmoid_keep_their_digits(engine: str, dtype: type) -> None:
    tails = [-17, -20, -80, -87.5, -100] if dtype is np.float32 else [-40, -700, -708.5, -740, -745]
    x = np.array([*tails, *np.linspace(-16, 40, 41), np.inf, -np.inf, np.nan], dtype)
    y = cr.ops.sigmoid(x[None], engine=engine)[0]
    e = np.exp(-np.abs(x.astype(np.longdouble)))
    want = np.where(x >= 0, 1 / (1 + e), e / (1 + e))
    with np.errstate(all="ignore"):
        assert (np.abs(y - want)[:-1] <= 2 * np.spacing(np.abs(want[:-1]).astype(dtype))).all() and np.isnan(y[-1])
    _, pullback = cr.vjp(cr.ops.sigmoid, x[None], engine=engine)
    assert np.allclose(pullback(np.ones_like(x[None]))[0][0][:-1], (want * (1 - want))[:-1], rtol=1e-5, atol=1e-7)


def long_formula(kind: str, k: int) -> tuple[str, list[str]]:
    if kind == "sum":
        return "f(x[n,D]) -> y[n,D]\n y[n,i] = " + " + ".join(f"sin({j + 1}*x[n,i])" for j in range(k)), ["x"]
    if kind == "product":
        return "f(x[n,D]) -> y[n]\n y[n] = " + " * ".join(f"(x[n,0] + {j})" for j in range(k)), ["x"]
    if kind == "product of inputs":
        names = [f"w{j}" for j in range(k)]
        return f"f({', '.join(names)}) -> y\n y = {' * '.join(names)}", names
    if kind == "lines":
        steps = "".join(f" h{j + 1}[n,i] = tanh(sum[k](w[i,k]*h{j}[n,k]))\n" for j in range(k))
        return f"f(x[n,D], w[D,D]) -> y[n,D]\n h0[n,i] = x[n,i]\n{steps} y[n,i] = h{k}[n,i]", ["x", "w"]
    steps = "".join(f" h{j + 1}[n,i] = tanh(sum[k](w[i,k]*x[n,{j}%T,k]) + sum[k](u[i,k]*h{j}[n,k]) + b[i])\n" for j in range(k))
    return f"f(x[n,T,D], w[H,D], u[H,H], b[H], h[n,H]) -> y[n,H]\n h0[n,i] = h[n,i]\n{steps} y[n,i] = h{k}[n,i]", ["x", "w", "u", "b"]


@pytest.mark.parametrize("kind", ["sum", "product", "product of inputs", "lines", "recurrent"])
def test_deriving_and_printing_grow_with_the_formula_and_no_faster(kind: str) -> None:
    written, seconds = [], []
    for k in (50, 100, 200):
        text, wrt = long_formula(kind, k)
        begun = time.process_time()
        made = cr.op(text)
        gradient, tangent = made.gradient(wrt), made.tangent(tuple(wrt))
        steps = "".join(str(s) for moves in gradient.steps.values() for s in moves)
        written.append(len(steps) + len(str(Op.of(gradient.definition))) + len(str(Op.of(tangent.definition))))
        seconds.append(time.process_time() - begun)
    assert written[2] < 2.3 * written[1] < 5.3 * written[0]
    assert seconds[2] < 30, seconds  # exponential growth would take hours


@ENGINES
def test_long_products_and_sums_are_right(engine: str) -> None:
    x = np.linspace(0.5, 1.5, 40)
    f = cr.op(f"f({', '.join(f'w{k}' for k in range(40))}) -> y\n y = {' * '.join(f'w{k}' for k in range(40))}")
    y, pullback = cr.vjp(f, *x, engine=engine)
    assert np.allclose(pullback(1.0), y / x)
    f = cr.op("f(x[n,D], c) -> y[n]\n y[n] = 1 - c * exp(" + " * ".join(f"(x[n,{k}%D] / {k + 1})" for k in range(40)) + ")")
    x = np.random.default_rng(0).normal(size=(2, 3)) * 9
    assert transpose_gap(f, {"x": x, "c": np.array(2.0)}, ["x", "c"], {}, engine) < 1e-13
    f = cr.op(long_formula("sum", 400)[0])
    want = sum((k + 1) * np.cos((k + 1) * x) for k in range(400))
    assert np.allclose(cr.vjp(f, x, engine=engine)[1](np.ones_like(x))[0], want)


def test_a_formula_too_deep_is_refused() -> None:
    for k in (1100, 9000):
        with pytest.raises(cr.DefinitionError, match="operations in one another"):
            cr.op(f"f(x) -> y\n y = {' + '.join(['x'] * k)}")


def test_a_tensor_used_very_often_has_a_gradient() -> None:
    """Every use is a contribution, and they stand in one another as a sum."""
    count = 150
    lines = "".join(f" h{k + 1}[n,i] = tanh(sum[j](u[i,j]*h{k}[n,j]) + h{k}[n,i])\n" for k in range(count))
    f = cr.op(f"f(h0[n,D], u[D,D]) -> h{count}[n,D]\n{lines}")
    x, u = np.random.default_rng(0).normal(size=(2, 3)), np.random.default_rng(1).normal(size=(3, 3)) / 9
    y, pullback = cr.vjp(f, x, u)
    dx, du = pullback(np.ones_like(y))
    step = 1e-6
    for k, a, g in ((0, x, dx), (1, u, du)):
        moved = [x.copy(), u.copy()]
        moved[k][1, 2] += step
        assert np.isclose((np.sum(f(*moved)) - np.sum(y)) / step, g[1, 2], rtol=1e-3, atol=1e-6), a.shape


@pytest.mark.parametrize(
    "right",
    [
        "**".join(["x[i]"] * 40),
        "tanh(" * 150 + "x[i]" + ")" * 150,
        "(x[i] > 0) * " + "sqrt(1 + " * 40 + "x[i]" + ")" * 40,
        "1/(1+" * 60 + "x[i]" + ")" * 60,
    ],
)
def test_what_is_deep_is_derived_in_parts(right: str) -> None:
    f, x = cr.op(f"f(x[D]) -> y[D]\n y[i] = {right}"), np.array([0.5, 0.9])
    assert len(str(cr.derive(f, "x"))) < 200_000
    (got,) = cr.vjp(f, x, engine="reference")[1](np.ones(2))
    np.testing.assert_allclose(got, cr.jvp(f, (x,), (np.ones(2),), engine="reference")[1], rtol=1e-13)
    np.testing.assert_allclose(got, np.imag(f(x + 1e-30j, engine="reference")) / 1e-30, rtol=1e-12)
