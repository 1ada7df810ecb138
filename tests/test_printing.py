"""Formulas as text and LaTeX: what is printed reads as what was meant."""

from __future__ import annotations

import re

import pytest

import chainrule as cr
from chainrule.language.functions import FUNCTIONS, OPERATORS, REDUCTIONS
from chainrule.language.latex import latex_line
from chainrule.language.notation import Notation
from chainrule.language.ranges import define
from chainrule.language.show import definition_text
from tests.cases import CASES, Case

RIGHT_SIDES = [
    "a[n,i] - (b[n,i] - c[n,i])",
    "a[n,i] - (b[n,i] + c[n,i])",
    "a[n,i] / (b[n,i] / c[n,i])",
    "a[n,i] / (b[n,i] * c[n,i])",
    "a[n,i] * (b[n,i] / c[n,i])",
    "(a[n,i] ** b[n,i]) ** c[n,i]",
    "a[n,i] ** b[n,i] ** c[n,i]",
    "(-a[n,i]) ** 2",
    "-a[n,i] ** 2",
    "-(a[n,i] + b[n,i])",
    "(a[n,i] < b[n,i]) < c[n,i]",
    "a[n,i] < b[n,i] < c[n,i]",
    "(a[n,i] < b[n,i]) * (c[n,i] < a[n,i])",
    "(a[n,i] < b[n,i]) * (c[n,i] < 1)",
    "(a[n,i] <= b[n,i]) * (b[n,i] < c[n,i])",
    "a[n,i] * -2",
    "(a[n,i] + b[n,i]) * (i - 3)",
    "a[n,i] * (2*i)",
    "2 ** -i",
    "a[n,-(i//2)+D-1] + a[n,D-1-i//3*2]",
    "a[n,i] * (-2*i)",
    "a[n,i] * (-i*D)",
    "a[n,i] - (-2*i)",
    "-(-2*i) * a[n,i]",
    "2 ** (-2*i)",
    "sum[j](a[n,j] - b[n,i]) * c[n,i]",
    "a[n,(i+1)%D] - (i//2)*b[n,(i-1)%D]",
]  # fmt: skip


@pytest.mark.parametrize("right", RIGHT_SIDES)
def test_brackets_are_printed_where_they_matter(right: str) -> None:
    d = define(f"f(a[n,D], b[n,D], c[n,D]) -> y[n,D]\n y[n,i] = {right}")
    assert define(definition_text(d)) == d, definition_text(d)


LATEX = [
    ("a[n,i] / b[n,i]", r"\frac{a_{n,i}}{b_{n,i}}"),
    ("a[n,i] - (b[n,i] - c[n,i])", r"a_{n,i} - \left(b_{n,i} - c_{n,i}\right)"),
    ("-(a[n,i] + b[n,i])", r"-\left(a_{n,i} + b_{n,i}\right)"),
    ("(a[n,i] + b[n,i]) ** c[n,i]", r"\left(a_{n,i} + b_{n,i}\right)^{c_{n,i}}"),
    ("a[n,D-1-i]", r"a_{n,D-1-i}"),
    ("sqrt(a[n,i])", r"\sqrt{a_{n,i}}"),
    ("a[n,i] * 2 * 3 * b[n,i]", r"a_{n,i} \cdot 2 \cdot 3 \, b_{n,i}"),
    ("exp(a[n,i])", r"\mathrm{e}^{a_{n,i}}"),
    ("log(a[n,i])**2", r"\left(\ln\left(a_{n,i}\right)\right)^{2}"),
    ("abs(a[n,i])**2", r"\left|a_{n,i}\right|^{2}"),
    ("sum[j](a[n,j] + b[n,j])", r"\sum_{j} \left(a_{n,j} + b_{n,j}\right)"),
    ("sum[j](a[n,j]) * b[n,i]", r"\left(\sum_{j} a_{n,j}\right) \, b_{n,i}"),
    ("(a[n,i] <= b[n,i])", r"\left[a_{n,i} \leq b_{n,i}\right]"),
    ("maximum(a[n,i], 0)", r"\max\left(a_{n,i}, 0\right)"),
    ("a[n,(2*i)//3]", r"a_{n,\left\lfloor \frac{2\,i}{3} \right\rfloor}"),
]  # fmt: skip


@pytest.mark.parametrize("right, latex", LATEX)
def test_latex_is_the_formula(right: str, latex: str) -> None:
    assert cr.op(f"f(a[n,D], b[n,D], c[n,D]) -> y[n,D]\n y[n,i] = {right}").latex() == "y_{n,i} = " + latex


MISTAKES = [
    ("f(x[n,D]) -> y[n,D]\n y[n,i] = x[n,i-1]", "reads outside 'x'", "with D=1 it reads place -1 of 1"),
    ("f(x[n,D]) -> y[n,D]\n y[n,i] = x[n,D-i]", "reads outside 'x'", ""),
    ("f(x[n,D], w[0]) -> y[n,D]\n y[n,i] = x[n,i]", "'0' is not the size of an axis", ""),
    ("f(x[n,D]; a=0.5) -> y[n,D]\n y[n,i] = sum[u:2](x[n,i+a])", "setting 'a' is not a whole number", ""),
    ("f(x[n,D]; s=1, s=2) -> y[n,D]\n y[n,i] = x[n,i]", "'s' is taken", ""),
    ("f(x[n,D]; n=1) -> y[n,D]\n y[n,i] = x[n,i]", "'n' is taken", ""),
    ("f(x[n,D]) -> y[n,D]\n y[n,i] = x[n,i]\n y[n,i] = 2", "defined twice", ""),
    ("f(x[n,D], exp[n]) -> y[n,D]\n y[n,i] = x[n,i]", "is a function of the language", ""),
]  # fmt: skip


@pytest.mark.parametrize("text, problem, also", MISTAKES)
def test_a_definition_that_cannot_be_is_refused(text: str, problem: str, also: str) -> None:
    with pytest.raises(cr.DefinitionError) as e:
        cr.op(text)
    assert problem in str(e.value) and also in str(e.value)


def test_the_caret_finds_its_place_in_a_statement_of_several_lines() -> None:
    with pytest.raises(cr.DefinitionError) as e:
        cr.op("f(x[n,D]) -> y[n,D]\n y[n,i] = sum[j](x[n,j]\n   + tanhh(x[n,j]))")
    lines = str(e.value).split("\n")
    assert lines[0] == "   + tanhh(x[n,j]))" and lines[1] == "     ^" and lines[2].startswith("line 3: ")


def typeset(text: str) -> None:
    """Refuse LaTeX with unbalanced braces or brackets, or with two superscripts or subscripts on one thing."""
    tokens = [t for t in re.findall(r"\\[A-Za-z]+|\\.|[^\\]", text) if t != " "]
    assert group(tokens, 0, "") == len(tokens), text


def group(tokens: list[str], k: int, end: str) -> int:
    """Read up to the end of a group; the place behind it."""
    scripts: set[str] = set()
    while k < len(tokens) and tokens[k] != end:
        token, k = tokens[k], k + 1
        assert token not in ("}", "\\right"), "closed too often"
        if token in ("^", "_"):
            assert token not in scripts, f"a second {token}"
            assert tokens[k] == "{", "a script without braces"
            scripts.add(token)
            k = group(tokens, k + 1, "}") + 1
        else:
            scripts = set()
            if token == "{":
                k = group(tokens, k, "}") + 1
            elif token == "\\left":
                closing = group(tokens, k + 1, "\\right")
                assert {"(": ")", "[": "]", "|": "|", "\\lfloor": "\\rfloor", "\\lceil": "\\rceil", "\\{": "."}[tokens[k]] == tokens[closing + 1], (
                    "brackets of two kinds"
                )
                k = closing + 2
    assert end == "" or k < len(tokens), f"no {end}"
    return k


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.id)
def test_every_formula_and_gradient_is_sound_latex(case: Case) -> None:
    for op in (case.op, cr.Op.of(case.op.gradient(case.wrt).definition), cr.Op.of(case.op.tangent(tuple(case.wrt)).definition)):
        for line in op.latex().splitlines():
            typeset(line.strip())


@pytest.mark.parametrize("text", ["x^{(1)}^{2}", r"\left(x", "x}", r"x_{i}_{j}", r"\frac{a}{b", r"\left(x\right]"])
def test_unsound_latex_would_be_noticed(text: str) -> None:
    with pytest.raises(AssertionError):
        typeset(text)


MORE_LATEX = [
    ("x1[n,i]**2", r"\left(x^{(1)}_{n,i}\right)^{2}"),
    ("(x1[n,i]/2)**2", r"\left(\frac{x^{(1)}_{n,i}}{2}\right)^{2}"),
    ("exp(x1[n,i])**2", r"\left(\mathrm{e}^{x^{(1)}_{n,i}}\right)^{2}"),
    ("x1[n,i]*-2 - -x1[n,i]", r"x^{(1)}_{n,i} \, \left(-2\right) - \left(-x^{(1)}_{n,i}\right)"),
    ("1e-5*x1[n,i]", r"10^{-5} \, x^{(1)}_{n,i}"),
    ("1.5e-07", r"1.5 \cdot 10^{-7}"),
    ("max[u:k,v:k](x1[n,i+u-v])", r"\max_{0 \leq u < k,\; 0 \leq v < k} x^{(1)}_{n,i+u-v}"),
    ("mean[u:k](x1[n,i+u])", r"\operatorname{mean}_{0 \leq u < k} x^{(1)}_{n,i+u}"),
    ("sum[j:D-1](x1[n,j])", r"\sum_{0 \leq j < D-1} x^{(1)}_{n,j}"),
    ("sum[i2](x1[n,i2])*2", r"\left(\sum_{i_{2}} x^{(1)}_{n,i_{2}}\right) \cdot 2"),
    ("-sum[j](-x1[n,j])*2", r"\left(-\sum_{j} \left(-x^{(1)}_{n,j}\right)\right) \cdot 2"),
    ("sum(x1[n,(i-k)%D])", r"\sum x^{(1)}_{n,\left(\left(i-k\right) \;\mathrm{mod}\; D\right)}"),
]  # fmt: skip


@pytest.mark.parametrize("right, latex", MORE_LATEX)
def test_latex_nests_powers_quotients_and_windows(right: str, latex: str) -> None:
    found = cr.op(f"f(x1[n,D]; k=2) -> y[n,D]\n y[n,i] = {right}").latex()
    typeset(found)
    assert found == "y_{n,i} = " + latex


FUNCTION_SIGNS = {
    "exp": r"\mathrm{e}^{a_{n,i}}", "log": r"\ln\left(a_{n,i}\right)", "sqrt": r"\sqrt{a_{n,i}}", "abs": r"\left|a_{n,i}\right|",
    "sign": r"\operatorname{sign}\left(a_{n,i}\right)", "sin": r"\sin\left(a_{n,i}\right)", "cos": r"\cos\left(a_{n,i}\right)",
    "tan": r"\tan\left(a_{n,i}\right)", "tanh": r"\tanh\left(a_{n,i}\right)", "sigmoid": r"\sigma\left(a_{n,i}\right)",
    "erf": r"\operatorname{erf}\left(a_{n,i}\right)", "maximum": r"\max\left(a_{n,i}, b_{n,i}\right)", "minimum": r"\min\left(a_{n,i}, b_{n,i}\right)",
    "where": r"\left\{\substack{b_{n,i} \quad \text{if}\;a_{n,i} \neq 0 \\ 0 \quad \text{otherwise}}\right.", "delta": r"\delta_{a_{n,i},b_{n,i}}",
    "uniform": r"\operatorname{uniform}\left(0, n, i\right)", "floor": r"\left\lfloor a_{n,i} \right\rfloor", "ceil": r"\left\lceil a_{n,i} \right\rceil",
    **{f: rf"\operatorname{{{f}}}\left(a_{{n,i}}\right)" for f in ("round", "log1p", "expm1", "softplus")},
    **{f: rf"\{f}\left(a_{{n,i}}\right)" for f in ("sinh", "cosh")},
    **{f"a{f}": rf"\arc{f}\left(a_{{n,i}}\right)" for f in ("sin", "cos", "tan")},
}  # fmt: skip
OPERATOR_SIGNS = {
    "+": r"a_{n,i} + b_{n,i}", "-": r"a_{n,i} - b_{n,i}", "*": r"a_{n,i} \, b_{n,i}", "/": r"\frac{a_{n,i}}{b_{n,i}}", "**": r"a_{n,i}^{b_{n,i}}", "neg": r"-a_{n,i}",
    "==": r"\left[a_{n,i} = b_{n,i}\right]", "!=": r"\left[a_{n,i} \neq b_{n,i}\right]", "<": r"\left[a_{n,i} < b_{n,i}\right]",
    "<=": r"\left[a_{n,i} \leq b_{n,i}\right]", ">": r"\left[a_{n,i} > b_{n,i}\right]", ">=": r"\left[a_{n,i} \geq b_{n,i}\right]",
}  # fmt: skip
REDUCTION_SIGNS = {
    "sum": r"\sum_{j} a_{n,j}", "max": r"\max_{j} a_{n,j}", "min": r"\min_{j} a_{n,j}",
    "mean": r"\operatorname{mean}_{j} a_{n,j}", "argmax": r"\operatorname{arg\,max}_{j} a_{n,j}", "prod": r"\prod_{j} a_{n,j}",
}  # fmt: skip


def test_every_word_of_the_language_has_its_own_sign() -> None:
    assert set(FUNCTION_SIGNS) == set(FUNCTIONS) and set(OPERATOR_SIGNS) == set(OPERATORS) and set(REDUCTION_SIGNS) == set(REDUCTIONS)
    three = {0: "0, n, i", 1: "a[n,i]", 2: "a[n,i], b[n,i]", 3: "a[n,i], b[n,i], 0"}
    rows = [(f"{f}({three[FUNCTIONS[f].arity]})", tex) for f, tex in FUNCTION_SIGNS.items()]
    rows += [("-a[n,i]" if o == "neg" else f"a[n,i] {o} b[n,i]", tex) for o, tex in OPERATOR_SIGNS.items()]
    rows += [(f"{r}[j](a[n,j]) + b[n,i]", rf"{tex} + b_{{n,i}}") for r, tex in REDUCTION_SIGNS.items()]
    rows += [("a[n,i] - 1e-7", r"a_{n,i} - 10^{-7}"), ("a[n,i] * -1e-7", r"a_{n,i} \, \left(-10^{-7}\right)"), ("2.5e30 + a[n,i]", r"2.5 \cdot 10^{30} + a_{n,i}")]  # fmt: skip
    for right, tex in rows:
        d = define(f"f(a[n,D], b[n,D]) -> y[n,D]\n y[n,i] = {right}")
        assert latex_line(d.lines[0], d.axes) == f"y_{{n,i}} = {tex}", right
    for right, tex in (
        ("i%(D+1)*a[n,i]", r"\left(i \;\mathrm{mod}\; \left(D+1\right)\right)"),
        ("(i+1)%D*a[n,i]", r"\left(\left(i+1\right) \;\mathrm{mod}\; D\right)"),
    ):
        d = define(f"f(a[n,D]) -> y[n,D]\n y[n,i] = {right}")
        assert latex_line(d.lines[0], d.axes) == rf"y_{{n,i}} = {tex} \, a_{{n,i}}"


LOOKED_UP = {
    "z[n,t[n]] * w[t[n]]": ("z[n,t[n]] * w[t[n]]", r"z_{n,t_{n}} \, w_{t_{n}}"),
    "z[n,q[t[n]]]": ("z[n,q[t[n]]]", r"z_{n,q_{t_{n}}}"),
    "v[t[n],q[0]]": ("v[t[n],q[0]]", r"v_{t_{n},q_{0}}"),
    "sum[k](where(k == t[n], z[n,k], 0))": ("z[n,t[n]]", r"z_{n,t_{n}}"),
    "sum[k](where(k == w[0], z[n,k], 0))": ("sum[k](where(k == w[0], z[n,k], 0))", r"z_{n,w_{0}}"),  # w is not declared to hold places
    "sum[k](where(k == r[n], z[n,k], 0))": ("sum[k](where(k == r[n], z[n,k], 0))", None),  # nor r to lie below K: 0 where it does not
    "sum[k:2](where(k == b[n], z[n,k], 0))": ("sum[k:2](where(k == b[n], z[n,k], 0))", None),  # not all places of the axis
    "sum[k](where(k-1 == t[n], z[n,k], 0))": ("sum[k](where(k-1 == t[n], z[n,k], 0))", None),
    "sum[k](where(k == t[n], z[n,k], 1))": ("sum[k](where(k == t[n], z[n,k], 1))", None),
    "sum[k](where(k == t[n], v[k,k], 0))": ("sum[k](where(k == t[n], v[k,k], 0))", None),
}  # fmt: skip


@pytest.mark.parametrize("right", LOOKED_UP)
def test_elements_at_numbers_of_the_data_are_printed_as_such(right: str) -> None:
    text, tex = LOOKED_UP[right]
    op = cr.op(f"f(z[n,K], w[K], v[K,K], t[n]: int < K, q[K]: int < K, r[n]: int, b[n]: int < 2) -> y[n]\n y[n] = {right}")
    shown = definition_text(op.definition)
    assert shown.endswith(f"y[n] = {text}") and definition_text(define(shown)) == shown
    assert tex is None or op.latex() == f"y_{{n}} = {tex}"


def test_numbers_of_the_data_count_from_0_in_every_notation() -> None:
    d = cr.derive("f(z[n,K], t[n]: int) -> y[n]\n y[n] = z[n,t[n]]*z[n,0]", "z")
    said = d.render("text", Notation(base=1))
    assert "y[n] = z[n,t[n]+1] * z[n,1]" in said and "(v-1 == t[n])" in said
    assert "z_{n,t_{n}+1}" in d.render("latex", Notation(base=1))
