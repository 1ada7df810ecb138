"""The rules that derived formulas are rewritten by: each holds in exact numbers, does what its text says, and leaves nothing worse behind."""

from __future__ import annotations

import itertools
import math
import random
from fractions import Fraction

import numpy as np
import pytest

import chainrule as cr
from chainrule.calculus.laws import LAWS, Law
from chainrule.calculus.match import alike
from chainrule.calculus.rewrite import rewritten
from chainrule.calculus.scope import Scope
from chainrule.calculus.shifts import SPLITTING
from chainrule.language.tree import Const, Definition, Expr
from tests import plain

RULES = (*LAWS, *SPLITTING)


def power(a: object, b: object) -> Fraction:
    return Fraction(a) ** int(b)  # type: ignore[arg-type, call-overload]  # whole numbers, as tested


def root(a: Fraction) -> Fraction:
    top, bottom = math.isqrt(a.numerator), math.isqrt(a.denominator)
    assert top**2 == a.numerator and bottom**2 == a.denominator, "roots are of squares here"
    return Fraction(top, bottom)


def logarithm(a: Fraction) -> Fraction:
    """Of a power of 3, the inverse of `exp` here."""
    k = round(math.log(a, 3))
    assert Fraction(3) ** k == a
    return Fraction(k)


# An exponential is a power of 3: what holds for each base holds for e. Its arguments are whole numbers then.
EXACT = plain.REAL | {
    "exp": lambda a: Fraction(3) ** int(a), "log": logarithm, "sqrt": root, "**": power, "/": lambda a, b: Fraction(a) / b,
    "read": lambda v: v, "written": lambda v: Fraction(v) if isinstance(v, int) else v,
}  # fmt: skip


def formula(rule: Law, text: str) -> Definition:
    lines = f" {rule.lines}\n" if rule.lines else ""
    return cr.op(f"rule({rule.header}) -> z\n{lines} z = {text}").definition


def drawn(d: Definition, r: random.Random, least: int = 1) -> dict[str, np.ndarray]:
    """Whole numbers above 0 for the inputs; K is 4."""
    out = {}
    for t in d.inputs:
        a = np.empty(tuple(4 for _ in t.axes), object)
        for at in np.ndindex(a.shape):
            a[at] = r.randint(0, 3) if t.whole is not None else r.randint(least, 9)
        out[t.name] = a
    return out


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_both_sides_are_equal_in_exact_fractions(rule: Law) -> None:
    r = random.Random(0)
    left, right = formula(rule, rule.left), formula(rule, rule.right)
    for _ in range(20):
        arrays = drawn(left, r)
        if rule.left == "log(a * exp(b))":
            arrays["a"] = np.array(Fraction(3) ** r.randint(-3, 3), object)
        assert plain.evaluate(left, arrays, {"K": 4}, EXACT)["z"] == plain.evaluate(right, arrays, {"K": 4}, EXACT)["z"]


def rewritten_by(rule: Law, d: Definition) -> Expr:
    scope = Scope.of(d, d.lines[:-1]).inside(d.lines[-1])
    return rewritten(d.lines[-1].expr, (rule,), scope)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_does_what_its_text_says(rule: Law) -> None:
    found, wanted = rewritten_by(rule, formula(rule, rule.left)), formula(rule, rule.right).lines[-1].expr
    assert found == wanted or alike(found, wanted)


PRODUCTS = [
    "exp(a)/(2+exp(a))", "b/(exp(a)+c)*exp(a)", "c*(b/(1+exp(a)))*a*exp(a)", "(a*exp(b))/(exp(b)-c)", "a/(c-exp(b))*exp(b)/b", "-(a/(1+exp(b))*exp(b))",
    "a*exp(b)/(1+exp(b))*exp(c)/(2+exp(c))", "exp(a)/(exp(b)+exp(a))", "exp(a)*a/(1+exp(a))/(3+exp(a))", "a/b*2*c/b*b", "a*b - c*a - 2*a", "-a*b - b*c + 3*a*b",
    "a*(b/a + c)*(c - a)", "a/2*4*(b - c)/(6*a)", "(a - b)*(a - b)/(b - a)", "a*2**3/2", "(a/3)**2*(b*2)**3", "a**2*b**3/(b*a)**2", "exp(a)**2/(1+exp(a))**3",
    "2*exp(a)/(3+2*exp(a))*b", "a - (b - (c - a)) - (a - b)", "(a*b + a*c)/(a*b)", "1/a/b/(1/c)", "sqrt(4)*a*sqrt(9)/sqrt(16)", "a*(a > b)*(a > b)*c",
    "where(a > b, c, 0)*a + where(a > b, 0, b)", "where(a > b, c, 0) + where(a > b, 0, b)", "c*(b > a)/a*b*a",
]  # fmt: skip


@pytest.mark.parametrize("text", PRODUCTS)
def test_rewriting_keeps_the_value(text: str) -> None:
    d = cr.op(f"f(a, b, c) -> y\n y = {text}").definition
    scope = Scope.of(d, ())
    changed = rewritten(d.lines[0].expr, LAWS, scope)
    for seed in range(20):
        arrays = drawn(d, random.Random(seed))
        try:
            want = plain.evaluate(d, arrays, {}, EXACT)["y"][()]
        except ZeroDivisionError:
            continue
        assert plain.value(changed, {}, arrays, EXACT) == want
    assert rewritten(changed, LAWS, scope) == changed, "what is rewritten stays as it is"


def gradient(text: str, wrt: str = "x") -> str:
    return cr.derive(text, wrt).formula.partition(" = ")[2]


def test_a_sum_keeps_what_it_may_leave_out() -> None:
    """A factor that may be infinite stays in a sum that may have no term: 0 times it is not 0."""
    text = "f(x[A], s) -> y[A]\n y[i] = sum[u:A]((u < i) * x[u] * s / s**2)"
    op = cr.op(text)
    y, pullback = cr.vjp(op, np.ones(3), np.array(np.inf), engine="reference")
    assert y[0] == 0
    dx, _ = pullback(np.array([1.0, 0.0, 0.0]))
    assert (dx == 0).all()
    outside = cr.op("f(x[A], s) -> y[A]\n y[i] = sum[u:2](x[i+u+2] * exp(s))")
    assert outside(np.ones(3), np.array(np.inf), engine="reference")[2] == 0


@pytest.mark.parametrize("text, want", {
    "s(x[K]) -> y[K]\n y[i] = 1 / (1 + exp(-x[i]))": "dy[i] * y[i] * (1 - y[i])",
    "s(x[K]) -> y[K]\n u[i] = 1 + exp(-x[i])\n y[i] = 1 / u[i]": "dy[i] * y[i] * (1 - y[i])",
    "s(x[K]) -> y[K]\n v[i] = exp(-x[i])\n u[i] = 1 + v[i]\n y[i] = 1 / u[i]": "dy[i] * y[i] * (1 - y[i])",
    "s(x[K]) -> y[K]\n y[i] = 1 / (2 + 2 * exp(-x[i]))": "dy[i] * y[i] * (1 - 2 * y[i])",
    "s(x[K]) -> y[K]\n y[i] = exp(x[i]) / (1 + exp(x[i]))": "dy[i] * y[i] * (1 - y[i])",
    "s(x[K]) -> y[K]\n y[i] = exp(x[i]) / sum[j](exp(x[j]))": "y[i] * (dy[i] - sum[i1](dy[i1] * y[i1]))",
    "f(x, z) -> y\n y = x*z + sin(x)": "dy * (z + cos(x))",
    "f(x[K], t[K]) -> l\n l = sum[k]((x[k] - t[k])**2) / 2": "dl * (x[k] - t[k])",
}.items())  # fmt: skip
def test_gradients_read_as_in_a_book(text: str, want: str) -> None:
    assert gradient(text) == want


@pytest.mark.parametrize("engine", ["native", "reference"])
@pytest.mark.parametrize("text", [
    "1 / (1 + exp(-x[i]))", "exp(x[i]) / (1 + exp(x[i]))", "1 / (1 + exp(-x[i]))**2", "1 / (2 + 2 * exp(-x[i]))", "exp(x[i]) / (exp(x[i]) + 3)",
])  # fmt: skip
def test_no_gradient_is_undefined_far_out(text: str, engine: str) -> None:
    x = np.array([-800.0, -90.0, 0.0, 90.0])
    _, pullback = cr.vjp(f"s(x[K]) -> y[K]\n y[i] = {text}", x, engine=engine)
    (dx,) = pullback(np.ones(4))
    assert np.isfinite(dx).all()


def lines_of(text: str, wrt: str) -> list[str]:
    return str(cr.derive(text, wrt).op).split("\n")[1:]


def test_what_is_one_number_for_many_places_is_computed_once() -> None:
    """A gradient of a channel is no part of the line for each place, though both together would be shorter."""
    lines = lines_of("f(x[N,C]) -> y[N,C]\n v[c] = mean[n](x[n,c]**2)\n r[c] = 1 / sqrt(v[c] + 1)\n y[n,c] = x[n,c] * r[c]", "x")
    assert any(line.strip().startswith("dv[c] = ") for line in lines)


@pytest.mark.parametrize("text, cancels", {
    "s(x[K]) -> y[K]\n m = max[k](x[k])\n y[i] = exp(x[i] - m) / sum[j](exp(x[j] - m))": True,
    "s(x[K]) -> y\n m = max[k](x[k])\n y = m + log(sum[k](exp(x[k] - m)))": True,
    "s(x[K]) -> y[K]\n m = max[k](x[k])\n y[i] = exp(x[i] - m)": False,
    "s(x[K]) -> y\n m = max[k](x[k])\n y = 2*m + log(sum[k](exp(x[k] - m)))": False,
    "s(x[K]) -> y[K], m\n m = max[k](x[k])\n y[i] = exp(x[i] - m) / sum[j](exp(x[j] - m))": False,
}.items())  # fmt: skip
def test_a_shift_cancels_where_it_does(text: str, cancels: bool) -> None:
    assert ("argmax" in str(cr.derive(text, "x").op)) != cancels
    x = np.array([0.3, -1.2, 0.9])
    y, pullback = cr.vjp(text, x, engine="reference")
    ys = y if isinstance(y, tuple) else (y,)
    seeds = [np.asarray(np.random.default_rng(k).normal(size=np.shape(v))) for k, v in enumerate(ys)]
    (dx,) = pullback(*seeds)
    for k in range(3):
        step = np.zeros(3)
        step[k] = 1e-6
        ends = [cr.op(text)(x + s * step, engine="reference") for s in (1, -1)]
        both = [e if isinstance(e, tuple) else (e,) for e in ends]
        want = sum(float(np.sum(s * (a - b))) for s, a, b in zip(seeds, *both, strict=True)) / 2e-6
        assert abs(dx[k] - want) < 1e-7


def slope(text: str, x: np.ndarray, *others: object) -> None:
    """The gradient for x against differences."""
    op = cr.op(text)
    (found, *_) = cr.vjp(op, x, *others, engine="reference")[1](1.0)
    for k in range(len(x)):
        step = np.zeros(len(x))
        step[k] = 1e-6
        ends = [op(x + s * step, *others, engine="reference") for s in (1, -1)]
        assert abs(found[k] - (ends[0] - ends[1]) / 2e-6) < 1e-7


def test_what_a_line_holds_keeps_its_own_sums() -> None:
    """Put in at a place whose letter a sum in the line binds too, it is not caught by it."""
    rng = np.random.default_rng(0)
    text = "f(x[K], w[K,K]) -> z\n y[i] = sum[k](w[i,k]) / (1 + exp(-x[i]))\n z = sum[k](y[k] * exp(-x[k]))"
    slope(text, rng.normal(size=3), rng.normal(size=(3, 3)))


@pytest.mark.parametrize("t", [1, 7, -2])
def test_a_class_is_one_of_all_only_where_that_is_known(t: int) -> None:
    """Compared and not looked up, a whole number may be none of the classes."""
    slope("g(x[K], t: int) -> z\n y = sum[v](where(v == t, x[v], 0))\n z = sum[k:K]((k == t) * exp(x[0])) + y**2", np.array([0.3, -0.5, 0.9]), t)


def test_only_places_that_a_line_computes_are_read() -> None:
    text = (
        "h(x[4]) -> z\n l[i:2] = log(exp(x[i]) + 1)\n y[i:2] = x[i] - l[i]\n z = sum[i:4](x[i] * exp(x[i]) / (exp(x[i]) + 1)) + sum[i:2](l[i] * y[i])"
    )
    slope(text, np.array([0.3, -0.5, 0.9, 1.7]))


def test_a_letter_of_what_is_held_stands_for_one_place() -> None:
    """Not for its own name in one factor and for another letter in the next."""
    text = "f(x[4], w[3]) -> z\n y[i:3] = exp(x[i+1]) * w[i]\n z = sum[i:3,j:3](exp(x[i+1]) * w[j] * y[i]) + sum[i:3](y[i]**2)"
    slope(text, np.array([0.3, -0.5, 0.9, 1.7]), np.array([1.5, -0.7, 0.4]))


@pytest.mark.parametrize("read, ranges, left", [("x[i,u]", "u", False), ("x[i,u+1]", "u:3", True), ("x[i,u-1]", "u:3", True)])
def test_deviations_add_up_to_0_only_where_none_is_left_out(read: str, ranges: str, left: bool) -> None:
    """A mean divides by the whole window, a sum at the border has fewer terms."""
    d = cr.op(f"f(x[A,3]) -> m[A], y[A]\n m[i] = mean[{ranges}]({read})\n y[i] = sum[{ranges}]({read} - m[i])").definition
    line = d.lines[-1]
    assert (rewritten(line.expr, LAWS, Scope.of(d, d.lines[:1]).inside(line)) != Const(0)) == left


@pytest.mark.parametrize("header, right, want", [
    ("x[K], s", "sum[k]((x[k] > 0) * s * x[k])", None),  # no term may be left: s stays, it may be infinite
    ("f[K]", "sum[j:K,k:K](j)", None),  # only k says nothing
    ("a, b, c", "exp(a) / (exp(b) + exp(a) + exp(c))", None),  # all may be infinite
    ("a, b, c", "(a > b) * c + (a > b) * a", "(a > b) * (c + a)"),
    ("x[K], s", "sum[k](s * x[k]) + sum[k](x[k] * s)", "2 * s * sum[k](x[k])"),
])  # fmt: skip
def test_what_the_laws_leave(header: str, right: str, want: str | None) -> None:
    d, wanted = (cr.op(f"f({header}) -> y\n y = {text}").definition for text in (right, want or right))
    assert alike(rewritten(d.lines[0].expr, LAWS, Scope.of(d, ()).inside(d.lines[0])), wanted.lines[0].expr)


@pytest.mark.parametrize("op", [cr.ops.softmax, cr.ops.conv, cr.ops.layer_norm, cr.ops.cross_entropy, cr.ops.flatten], ids=lambda op: op.name)
def test_a_record_has_no_step_that_leads_nowhere(op: cr.Op) -> None:
    for steps in op.gradient([op.inputs[0]]).steps.values():
        formulas = [s.formula for s in steps]
        assert all(a != b for a, b in itertools.pairwise(formulas))
