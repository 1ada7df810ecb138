"""Gradients are right: reverse mode is the transpose of forward mode, which agrees with a complex step."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

import chainrule as cr
from chainrule import Op
from tests.cases import CASES, Case

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
    assert "chain rule" in reasons and "collapses the sum over u" in reasons
    assert d.steps[-1].formula == d.formula and d.formula in str(d) and r"\sum" in d.latex()


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.id)
def test_forward_mode_agrees_with_a_complex_step(case: Case) -> None:
    arrays = case.arrays(3)
    rng = np.random.default_rng(2)
    moves = {k: rng.normal(size=arrays[k].shape) for k in case.wrt}
    tangent = case.op.tangent(tuple(case.wrt))
    found = Op(tangent.definition).evaluate(arrays | {tangent.seed[k]: v for k, v in moves.items()}, case.numbers, "reference")
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
    grads = grads if isinstance(grads, tuple) else (grads,)
    left = sum(float(np.sum(s * t)) for s, t in zip(seeds, tys, strict=True))
    moves = [t for t in tangents if t is not None]
    right = sum(float(np.sum(g * t)) for g, t in zip(grads, moves, strict=True))
    size = sum(float(np.sum(np.abs(s * t))) for s, t in zip(seeds, tys, strict=True)) + sum(
        float(np.sum(np.abs(g * t))) for g, t in zip(grads, moves, strict=True)
    )
    return abs(left - right) / max(size, 1e-12)


@pytest.mark.parametrize("engine", ["reference", "native"])
@pytest.mark.parametrize("case", CASES, ids=lambda c: c.id)
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
    op = Op(gradient.definition)
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
        assert np.array_equal(pullback(np.full((1, 4), 5.0)), [[0, 0, 5, 0]])
    _, pullback = cr.vjp(cr.op("f(x[n,D]) -> y[n,D]\n y[n,i] = abs(x[n,i])"), x)
    assert np.array_equal(pullback(np.ones((1, 4))), [[0, 0, 1, -1]])
    _, pullback = cr.vjp(cr.ops.max_pool2d, np.ones((1, 1, 2, 2)))
    assert np.array_equal(pullback(np.full((1, 1, 1, 1), 3.0)), [[[[3, 0], [0, 0]]]])


def test_overlapping_windows_accumulate() -> None:
    x = np.array([[[[0.0, 0, 0], [0, 9, 0], [0, 0, 0]]]])
    _, pullback = cr.vjp(cr.ops.max_pool2d, x, k=2, s=1)
    assert pullback(np.array([[[[1.0, 2], [3, 4]]]]))[0, 0, 1, 1] == 10


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
    out = Op(g.definition).evaluate({"x": x, "w": w, "b": b, g.seed["y"]: dy}, {"s": 2, "p": 0, "d": 1}, "reference")
    assert out["dw"][1, 0, 1, 2] == sum(dy[n, 1, i, 0] * x[n, 0, 2 * i + 1, 2] for n in range(2) for i in range(2))
    m, pull = cr.vjp(cr.ops.max_pool2d, x, engine="reference")
    assert sum(pull(exact(np.ones(m.shape, int))).flat) == Fraction(m.size, 7)
    with pytest.raises(cr.ElementTypeError, match="exp"):
        cr.ops.softmax(exact(np.ones((2, 3))), engine="reference")


def test_a_gradient_is_asked_for_by_an_inputs_name() -> None:
    with pytest.raises(cr.ArgumentError, match="'q': linear has no such input"):
        cr.derive(cr.ops.linear, "q")
