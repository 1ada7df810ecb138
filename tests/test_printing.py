"""Formulas as text and LaTeX: what is printed reads as what was meant."""

from __future__ import annotations

import pytest

import chainrule as cr
from chainrule.language.ranges import define
from chainrule.language.show import definition_text

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
    "(a[n,i] <= b[n,i]) * (b[n,i] < c[n,i])",
    "a[n,i] * -2",
    "(a[n,i] + b[n,i]) * (i - 3)",
    "a[n,i] * (2*i)",
    "2 ** -i",
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
    ("sum[j](a[n,j] + b[n,j])", r"\sum\limits_{j} \left(a_{n,j} + b_{n,j}\right)"),
    ("sum[j](a[n,j]) * b[n,i]", r"\left(\sum\limits_{j} a_{n,j}\right) \, b_{n,i}"),
    ("(a[n,i] <= b[n,i])", r"\left[a_{n,i} \le b_{n,i}\right]"),
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
