"""Every notation says the same: formulas that count from 1, adjoints by other names, and words in four languages."""

from __future__ import annotations

import doctest
import itertools
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import chainrule as cr
from chainrule.calculus.laws import LAWS
from chainrule.calculus.shifts import SPLITTING
from chainrule.calculus.steps import ENGLISH, Rule
from chainrule.cli import main
from chainrule.explain.render import reason
from chainrule.explain.words import WORDS, phrase
from chainrule.language.fields import filled, sentence
from chainrule.language.formula import Setter
from chainrule.language.functions import Kind
from chainrule.language.latex import latex_line
from chainrule.language.notation import ACCEPTED, Notation
from chainrule.language.shifted import counted_from
from chainrule.language.tree import Call, Const, Expr, Index, Line, Read, Reduce
from tests.plain import whole


def value(e: Expr, env: Mapping[str, int], arrays: Mapping[str, np.ndarray], base: int) -> float:
    """A formula whose letters and places count from `base`, read literally. IndexError: a place outside."""
    match e:
        case Const(v):
            return v
        case Index(p):
            return whole(p, env)
        case Read(name, index):
            at = [int(whole(p, env)) - base for p in index]
            if any(not 0 <= k < size for k, size in zip(at, arrays[name].shape, strict=True)):
                raise IndexError
            return arrays[name][tuple(at)]
        case Reduce(kind, letters, ranges, body):
            found, winner = [], -1
            for k, at in enumerate(itertools.product(*(range(base, base + int(whole(r, env))) for r in ranges))):
                try:
                    v = value(body, {**env, **dict(zip(letters, at, strict=True))}, arrays, base)
                except IndexError:
                    continue
                winner = k if not found or v > max(found) else winner
                found.append(v)
            if kind is Kind.ARGMAX:
                return winner + base
            return {Kind.SUM: sum, Kind.PROD: np.prod, Kind.MAX: lambda v: max(v, default=-np.inf), Kind.MEAN: lambda v: sum(v) / k}[kind](found)
        case Call(fn, args):
            a = [value(x, env, arrays, base) for x in args]
            return {"+": lambda: a[0] + a[1], "-": lambda: a[0] - a[1], "*": lambda: a[0] * a[1], "/": lambda: a[0] / a[1], "neg": lambda: -a[0],
                    "**": lambda: a[0] ** a[1], "==": lambda: a[0] == a[1], "<": lambda: a[0] < a[1], "<=": lambda: a[0] <= a[1], "exp": lambda: np.exp(a[0]), "delta": lambda: a[0] == a[1]}[fn]()  # fmt: skip
    raise TypeError(e)


def run(line: Line, sizes: Mapping[str, int], arrays: Mapping[str, np.ndarray], base: int, axes: tuple) -> np.ndarray:
    out = np.zeros([int(whole(p, sizes)) for p in axes])
    for at in itertools.product(*(range(base, base + int(whole(r, sizes))) for r in line.ranges)):
        env = {**sizes, **dict(zip(line.letters, at, strict=True))}
        out[tuple(int(whole(p, env)) - base for p in line.index)] = value(line.expr, env, arrays, base)
    return out


FORMULAS = [
    "f(x[n,H]) -> y[n]\n y[n] = sum[i,j](x[n,i] * x[n,j] * delta(i, j+1) * (1 <= i < H-1))",
    "f(x[n,H], w[K]; s=2, p=1) -> y[n,(H+2*p-K)//s+1]\n y[n,i] = sum[u](w[u] * x[n,s*i+u-p])",
    "f(x[n,H]) -> y[n,H]\n y[n,i] = i*x[n,H-1-i] + x[n,i//2] + x[n,(i+1)%H]",
    "f(x[n,H]) -> y[n]\n y[n] = argmax[i](x[n,i])",
    "f(x[n,H], t[n]: int < H) -> y[n]\n y[n] = sum[i]((i == t[n]) * x[n,i])",
    "f(x[n,G*P], w[G], v[P]) -> y[n, G*P]\n y[n, g*P+q] = x[n,g*P+q] * w[g] / v[q]",
    "f(x[n,H]; k=2) -> y[n,H]\n y[n,i] = max[u:k](x[n,2*i+u-1]) ** 2 - exp(x[n,i])",
]  # fmt: skip


@pytest.mark.parametrize("text", FORMULAS)
def test_formulas_that_count_from_one_have_the_same_values(text: str) -> None:
    d = cr.op(text).definition
    sizes = {"N": 2, "H": 6, "K": 3, "G": 2, "P": 3, **dict(d.settings)}
    rng = np.random.default_rng(0)
    arrays = {t.name: rng.integers(0, 6, 2) if t.whole else rng.normal(size=[int(whole(p, sizes)) for p in t.axes]) + 3 for t in d.inputs}
    line, moved = d.lines[-1], counted_from(d.lines[-1], 1)
    assert (counted_from(line, 0) is line and moved != line) or "i//2" in text
    np.testing.assert_array_equal(run(moved, sizes, arrays, 1, line.axes), run(line, sizes, arrays, 0, line.axes))


def test_every_law_has_its_name_in_every_language() -> None:
    for law in (*LAWS, *SPLITTING):
        names = [phrase(law.name, language) for language in ACCEPTED["language"]]
        assert names[0] == law.name and len(set(names)) == 4
    assert phrase("a law of tomorrow", "ru") == "a law of tomorrow"


def test_a_reason_speaks_of_formulas_in_the_readers_notation() -> None:
    d = cr.derive(cr.ops.softmax, "z")
    said = d.render("markdown", Notation(adjoint="delta", base=1, language="ru"))
    assert r"подставим выражение для $\delta^{e}$" in said and r"одна дробь: $\frac{a}{b} \cdot 2 \, c = \frac{2 \, a \, c}{b}$" in said
    assert r"$\delta_{k_{1},k}$ и $\delta_{j,k}$ оставляют в сумме одно слагаемое: $k_{1} = k$ и $j = k$" in said
    assert "подставим выражение для δe" in d.render("text", Notation(adjoint="delta", language="ru"))
    assert said.startswith(r"## Вывод: ∂E/∂z для softmax(z\[n,K\])")


AGREEING = {
    "en": ("δ(a, b) leaves one term of the sum: a = b", "δ(a, b) and δ(c, d) leave one term of the sum: a = b and c = d", "x cancels: no output changes with it"),
    "ru": ("δ(a, b) оставляет в сумме одно слагаемое: a = b", "δ(a, b) и δ(c, d) оставляют в сумме одно слагаемое: a = b и c = d", "x сокращается: выходы от него не зависят"),
    "fr": ("δ(a, b) ne laisse qu'un terme de la somme : a = b", "δ(a, b) et δ(c, d) ne laissent qu'un terme de la somme : a = b et c = d", "x s'élimine : aucune sortie n'en dépend"),
    "zh": ("δ(a, b) 使和式只剩一项\uff1aa = b", "δ(a, b) 和 δ(c, d) 使和式只剩一项\uff1aa = b 和 c = d", "x 相消\uff1a输出不随它变化"),
}  # fmt: skip


@pytest.mark.parametrize("language", AGREEING)
def test_verbs_agree_with_what_they_speak_of(language: str) -> None:
    one, several, cancels = AGREEING[language]
    words = WORDS[language]
    assert sentence(words[Rule.COLLAPSE], ("δ(a, b)", "a = b"), language) == one
    assert sentence(words[Rule.COLLAPSE], ("δ(a, b), δ(c, d)", "a = b, c = d"), language) == several
    assert sentence(words[Rule.CANCELS], ("x",), language) == cancels
    bare = filled(words[Rule.COLLAPSE], ("δ(a, b), δ(c, d)", "a = b, c = d"), Setter({}, Notation(language=language)))
    assert "".join(p for p in bare if isinstance(p, str)) == re.sub(r"δ\(\w, \w\)|\w = \w", "", several)


def test_places_in_reasons_count_from_where_the_readers_do() -> None:
    d = cr.derive("f(x[n,H], w[K]; s=2, p=1) -> y[n,(H+2*p-K)//s+1]\n y[n,i] = sum[u](w[u] * x[n,s*i+u-p])", "x")
    said = [reason(s, Notation(base=1)) for s in d.steps if s.rule is Rule.COLLAPSE]
    assert said == ["δ(s*i-s+u-p, r) leaves one term of the sum: u = r-s*i+s+p"]


def test_every_rule_has_its_words_in_every_language() -> None:
    assert set(WORDS) == set(ACCEPTED["language"])
    for language, words in WORDS.items():
        assert set(words) == set(Rule), language
        for rule in Rule:
            fields = {f"{{{k}}}" for k in range(4) if f"{{{k}}}" in ENGLISH[rule]}
            assert {f"{{{k}}}" for k in range(4) if f"{{{k}}}" in words[rule]} == fields, (language, rule)


@pytest.mark.parametrize(
    "given", [{"base": 2}, {"base": True}, {"language": "de"}, {"adjoint": "nabla"}, {"form": "tensor"}, {"convolution": "corr"}]
)
def test_a_notation_that_there_is_not_is_refused(given: dict) -> None:
    with pytest.raises(cr.ArgumentError, match=f"{next(iter(given))}=.*accepted: "):
        Notation(**given)


TEXTS = {
    Notation(adjoint="delta", base=1): ("δx[n,i] = δy[n,i] * w[i]", "the forward formula"),
    Notation(adjoint="partial", language="ru"): ("∂E/∂x[n,i] = ∂E/∂y[n,i] * w[i]", "исходная формула"),
    Notation(language="zh"): ("dx[n,i] = dy[n,i] * w[i]", "前向传播公式"),
    Notation(language="fr"): ("dx[n,i] = dy[n,i] * w[i]", "la formule de la propagation avant"),
}


@pytest.mark.parametrize("notation", TEXTS)
def test_a_derivation_is_written_in_the_readers_notation(notation: Notation) -> None:
    d = cr.derive("f(x[n,D], w[D]) -> y[n,D]\n y[n,i] = x[n,i]*w[i]", "x")
    for said in TEXTS[notation]:
        assert said in d.render("text", notation)
    for form in ("latex", "markdown", "html"):
        assert TEXTS[notation][1] in d.render(form, notation)
    ElementTree.fromstring(
        d.render("html", notation).partition("\n")[2].replace('<meta charset="utf-8"><meta name="viewport" content="width=device-width">', "")
    )


def test_what_notebooks_ask_for_is_there() -> None:
    net = cr.nn.Sequential(cr.nn.Linear(4, 3), cr.nn.ReLU())
    d = cr.derive(cr.ops.softmax, "z")
    for shown in (cr.ops.softmax, d, d.steps[0], net[0], net):
        assert shown._repr_latex_().startswith("$$ ") and "$$" in shown._repr_markdown_()
        assert "<math" in ElementTree.tostring(ElementTree.fromstring(shown._repr_html_())).decode().replace("ns0:", "")
    assert "### 0: Linear" in net._repr_markdown_() and net._repr_latex_().count("$$") == 4


def test_a_tensor_of_the_formula_is_no_adjoint_whatever_its_name() -> None:
    d = cr.derive("f(x[n], dx[n]) -> y[n]\n y[n] = x[n]*dx[n]", "x")
    assert d.latex(Notation(adjoint="partial")) == r"\frac{\partial E}{\partial x_{n}} = \frac{\partial E}{\partial y_{n}} \, \mathrm{dx}_{n}"


def test_an_operation_is_shown_in_any_notation() -> None:
    op = cr.ops.linear_plain
    assert op.latex(Notation(base=1)) == r"y_{n,o} = \sum_{k=1}^{K} w_{o,k} \, x_{n,k}"
    assert op.latex(Notation(form="matrix")) == r"\mathbf{Y} = \mathbf{X} \, \mathbf{W}^{\top}"
    assert "<mo>=</mo><mn>1</mn>" in op.mathml(Notation(base=1)).replace(' lspace="0" rspace="0"', "")


def test_elements_that_are_written_out_are_elements_in_every_notation() -> None:
    d = cr.derive(cr.ops.linear, "w", n=1, K=2, O=1, expand=True)
    assert d.latex() == "\\mathrm{d}w_{0,0} = \\mathrm{d}y_{0,0} \\, x_{0,0}\n\\mathrm{d}w_{0,1} = \\mathrm{d}y_{0,0} \\, x_{0,1}"
    assert d.render("text", Notation(adjoint="delta", base=1)).endswith("δw[1,1] = δy[1,1] * x[1,1]\n    δw[1,2] = δy[1,1] * x[1,2]")
    assert d.steps[-1]._repr_latex_() == "$$ \\mathrm{d}w_{0,1} = \\mathrm{d}y_{0,0} \\, x_{0,1} $$"


def test_the_cases_of_a_jacobian_are_shown_in_every_notation() -> None:
    d = cr.derive(cr.ops.softmax, mode="jacobian")
    assert (
        r"J_{n,i,j} = \left\{\substack{y_{n,i} \, \left(1 - y_{n,i}\right) \quad \text{if}\;i = j \\ -y_{n,j} \, y_{n,i} \quad \text{if}\;i \neq j}\right."
        in d.render("latex")
    )
    assert d.render("text", Notation(base=1, language="fr")).endswith("i = j: y[n,i] * (1 - y[n,i])\n    i != j: -y[n,j] * y[n,i]")
    assert "<mtext>если</mtext>" in d.render("html", Notation(language="ru"))


def test_the_command_writes_in_any_notation() -> None:
    said = CliRunner().invoke(main, ["derive", "linear", "w", "--format", "latex", "--notation", "delta", "--base", "1", "--language", "fr"])
    assert (
        said.exit_code == 0 and r"\delta^{w}_{o,k} = \sum_{n=1}^{N} \delta^{y}_{n,o} \, x_{n,k}" in said.output and "propagation avant" in said.output
    )


FROM_ONE = {
    "f(x[n,H], w[K]; s=2, p=1) -> y[n,(H+2*p-K)//s+1]\n y[n,i] = sum[u](w[u] * x[n,s*i+u-p])": r"y_{n,i} = \sum_{u=1}^{K} w_{u} \, x_{n,s\,\left(i-1\right)+u-p}",
    "f(x[n,H]) -> y[n,H//2]\n y[n,i] = max[u:2](x[n,2*i+u])": r"y_{n,i} = \max_{1 \leq u \leq 2} x_{n,2\,\left(i-1\right)+u}",
    "f(x[n,A*B], w[A], v[B]) -> y[n,A*B]\n y[n,a*B+b] = x[n,a*B+b] * w[a]": r"y_{n,\left(a-1\right)\,B+b} = x_{n,\left(a-1\right)\,B+b} \, w_{a}",
    "f(x[n,H]; k=2) -> y[n]\n y[n] = sum[i](x[n,i] * (0 <= i-1 < k))": r"y_{n} = \sum_{i=1}^{H} x_{n,i} \, \left[0 \leq i-2 < k\right]",
    "f(x[n,H]) -> y[n]\n y[n] = sum[i](x[n,i] * (i < H-1))": r"y_{n} = \sum_{i=1}^{H} x_{n,i} \, \left[i \leq H-1\right]",
    "f(x[n,H]; a=2.5) -> y[n]\n y[n] = sum[i](x[n,i] * (i < a))": r"y_{n} = \sum_{i=1}^{H} x_{n,i} \, \left[i < a+1\right]",
    "f(x[n,H]) -> y[n,H]\n y[n,i] = i*x[n,H-1-i]": r"y_{n,i} = \left(i-1\right) \, x_{n,H-i+1}",
}  # fmt: skip


@pytest.mark.parametrize("text", FROM_ONE)
def test_indices_from_one_are_written_as_people_write_them(text: str) -> None:
    d = cr.op(text).definition
    assert latex_line(d.lines[0], d.axes, Notation(base=1)) == FROM_ONE[text]


def test_the_page_on_formats_is_true() -> None:
    page = Path(__file__).parents[1] / "docs" / "formats.md"
    found = doctest.testfile(str(page), module_relative=False, encoding="utf-8")
    assert found.attempted >= 4 and found.failed == 0
