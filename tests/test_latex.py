"""Every formula of the library, its gradients and their steps, as LaTeX that KaTeX (strict) and matplotlib's mathtext read, and as MathML that XML readers read."""

from __future__ import annotations

import itertools
import json
import re
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass, replace
from pathlib import Path

import pytest
from matplotlib.mathtext import MathTextParser

import chainrule as cr
from chainrule.calculus.steps import ENGLISH, Rule
from chainrule.language.fields import filled
from chainrule.language.formula import Setter
from chainrule.language.latex import latex, latex_line
from chainrule.language.layout import Box, Cases, Limits, Name, Number, Row, Scripts, Sign, Words
from chainrule.language.mathml import document
from chainrule.language.notation import Notation
from chainrule.language.noted import in_form
from chainrule.language.tree import Call, Line, Read, reads

ROOT = Path(__file__).parents[1]
KATEX = ROOT / ".venv" / "katex" / "node_modules" / "katex"


def katex(formulas: list[str]) -> list[str | None]:
    """What KaTeX says against each formula, in one process for all."""
    node = shutil.which("node")
    if node is None:
        pytest.fail("node is missing: LaTeX is read by KaTeX in this test; install nodejs and npm (apt-get install nodejs npm), then 'make test'")
    if not KATEX.is_dir():
        pytest.fail(f"KaTeX is missing: run 'make katex', which installs it below {KATEX.parent.parent.relative_to(ROOT)}/ with npm")
    ran = subprocess.run(
        [node, ROOT / "tests" / "katex.js", KATEX], input=json.dumps(formulas), capture_output=True, text=True, check=True, timeout=60
    )
    return json.loads(ran.stdout)


def lines_of(op: cr.Op) -> list[tuple[Line, dict]]:
    """The lines of an operation and its gradients, of every step between them, and two partial derivatives, each with the axes of its tensors."""
    d = op.definition
    found = [(line, d.axes) for line in d.lines]
    wrt = [t.name for t in d.inputs if t.whole is None]
    g = op.gradient(wrt)
    axes = {**d.axes, **g.definition.axes}
    found += [(line, axes) for line in g.definition.lines[g.forward :]]
    found += [(s.line, s.axes) for steps in g.steps.values() for s in steps]
    last, by = d.lines[-1], next((r for line in d.lines for r in reads(line.expr)), Read("x", ()))
    return found + [(Line(last.tensor, last.letters, last.ranges, Call("diff", (e, by)), last.target), axes) for e in (last.expr, last.read)]


def shapes(box: Box) -> Iterator[Box]:
    """Every way in which boxes stand in one another in a formula, one level at a time: what a grammar without context has to know."""
    atom = Name("a")
    for f in fields(box):
        inner = getattr(box, f.name)
        for part in inner if isinstance(inner, tuple) else [inner]:
            for b in part if isinstance(part, tuple) else [part]:
                if is_dataclass(b):
                    yield from shapes(b)
    if isinstance(box, Row):
        for x in box.parts:
            yield Row((atom, x if isinstance(x, Sign | Words | Limits) else flat(x), atom))
    else:
        yield flat(box)


def flat(box: Box) -> Box:
    """A box with letters in place of what stands in it."""
    atom = Name("a")
    match box:
        case Name(upright=False):
            return atom
        case Number(text):
            return Number(re.sub(r"\d+", "1", text))
        case Cases(rows):
            return Cases(((atom, atom),) * len(rows))
        case Row():
            return atom
    change = {
        f.name: Scripts(atom, atom) if isinstance(getattr(box, f.name), Scripts) else atom for f in fields(box) if is_dataclass(getattr(box, f.name))
    }
    return replace(box, **change)


NOTATIONS = [Notation(), Notation(adjoint="delta", base=1, language="ru"), Notation(adjoint="partial", language="zh")]

FORMS = [Notation(form="matrix"), Notation(adjoint="delta", form="matrix", base=1, convolution="convolution")]


@pytest.fixture(scope="module")
def boxes() -> list[Box]:
    """The boxes of every line, and of the formulas in every reason, once for all tests."""
    seen: dict[Box, None] = {}
    said: dict[tuple[Rule, tuple[str, ...]], dict] = {}
    for op in dict.fromkeys(getattr(cr.ops, name) for name in cr.ops.__all__):
        for k, (line, axes) in enumerate(lines_of(op)):
            seen[Setter(axes, NOTATIONS[k % 3]).line(line, declared=False)] = None
            seen |= dict.fromkeys(filter(None, [in_form(line, axes, FORMS[k % 2], None)]))
        for s in itertools.chain(*op.gradient([t.name for t in op.definition.inputs if t.whole is None]).steps.values()):
            said |= {(s.rule, a): s.axes for a in [s.about]}
    for (rule, about), axes in said.items():
        seen |= {p: None for p in filled(ENGLISH[rule], about, Setter(axes)) if not isinstance(p, str)}
    return list(seen)


def test_katex_reads_every_line(boxes: list[Box]) -> None:
    formulas = [latex(b) for b in boxes]
    assert len(formulas) > 300
    wrong = [(f, said) for f, said in zip(formulas, katex(formulas), strict=True) if said]
    assert not wrong, wrong[:3]


def read(texts: Iterable[str]) -> None:
    """Let matplotlib read formulas."""
    parser = MathTextParser("path")
    for text in texts:
        try:
            parser.parse(f"${text.strip() or 'a'}$")
        except ValueError as e:
            raise AssertionError(f"{text}\n{e}") from e


def test_matplotlib_reads_every_formula_and_gradient_whole() -> None:
    formulas: dict[str, None] = {}
    for op in dict.fromkeys(getattr(cr.ops, name) for name in cr.ops.__all__):
        d = op.definition
        g = op.gradient([t.name for t in d.inputs if t.whole is None])
        formulas |= dict.fromkeys([*op.latex().splitlines(), *cr.Op.of(g.definition).latex().splitlines()])
    assert len(formulas) > 300
    read(formulas)


def test_matplotlib_reads_every_line(boxes: list[Box]) -> None:
    """Of all steps in all notations every place where something stands in something else: its grammar knows no more of what is around."""
    read(latex(s) for s in dict.fromkeys(s for b in boxes for s in shapes(b)))


def test_mathml_is_xml_in_which_every_element_has_the_children_it_needs(boxes: list[Box]) -> None:
    needed = {"mfrac": 2, "msub": 2, "msup": 2, "msubsup": 3, "munder": 2, "munderover": 3}
    for box in boxes:
        for element in ElementTree.fromstring(document(box)).iter():
            tag = element.tag.partition("}")[2]
            assert len(element) == needed.get(tag, len(element)), document(box)


@pytest.mark.parametrize("text", [r"x^{a}^{b}", r"\frac{a}{b", r"\unknown{x}", r"x_{a}_{b}", "ж"])
def test_what_is_no_latex_would_be_noticed(text: str) -> None:
    assert katex([text]) != [None]


EXACT = [
    ("a[n,i] * sum[j](b[n,j]) * a[n,i]", r"a_{n,i} \, \left(\sum_{j} b_{n,j}\right) \, a_{n,i}"),
    ("where(a[n,i] < b[n,i], 1, -inf)", r"\left\{\substack{1 \quad \text{if}\;a_{n,i} < b_{n,i} \\ -\infty \quad \text{otherwise}}\right."),
    ("where(a[n,i] < 1, a[n,i], where(a[n,i] > b[n,i], where(b[n,i] == 0, 1, 2), -1))",
     r"\left\{\substack{a_{n,i} \quad \text{if}\;a_{n,i} < 1 \\ 1 \quad \text{else if}\;a_{n,i} > b_{n,i}\;\text{and}\;b_{n,i} = 0 \\ 2 \quad \text{else if}\;a_{n,i} > b_{n,i} \\ -1 \quad \text{otherwise}}\right."),
    ("where((a[n,i] < 1)*(b[n,i] > 2), a[n,i], 1)", r"\left\{\substack{a_{n,i} \quad \text{if}\;a_{n,i} < 1\;\text{and}\;b_{n,i} > 2 \\ 1 \quad \text{otherwise}}\right."),
    ("sum[j](where(a[n,j] < b[n,i], -a[n,j], 0) * b[n,j])", r"\sum_{j} \left[a_{n,j} < b_{n,i}\right] \, \left(-a_{n,j}\right) \, b_{n,j}"),
    ("2 * where(a[n,i] < b[n,i], 0, exp(a[n,i]))", r"2 \, \left[a_{n,i} \geq b_{n,i}\right] \, \mathrm{e}^{a_{n,i}}"),
    ("1 + where(a[n,i], b[n,i], 0)", r"1 + \left[a_{n,i} \neq 0\right] \, b_{n,i}"),
    ("where(a[n,i] > 0, sum[j](b[n,j]), 0) * b[n,i] + 1", r"\left(\left[a_{n,i} > 0\right] \, \sum_{j} b_{n,j}\right) \, b_{n,i} + 1"),
    ("1 + where(a[n,i] > 0, 2, 3)", r"1 + \left(\left\{\substack{2 \quad \text{if}\;a_{n,i} > 0 \\ 3 \quad \text{otherwise}}\right.\right)"),
    ("where(a[n,i], 1, 0) + 1e-05", None),
    ("alpha * (a[n,i] + pi)", r"\alpha \cdot \left(a_{n,i} + \pi\right)"),
    ("eps*alpha", r"\varepsilon \, \alpha"),
    ("(0 <= a[n,i] < b[n,i])*a[n,i]", r"\left[0 \leq a_{n,i} < b_{n,i}\right] \, a_{n,i}"),
    ("a[n,i]*mu_x", r"a_{n,i} \, \mathrm{mu\_x}"),
]  # fmt: skip


@pytest.mark.parametrize("right, tex", EXACT)
def test_latex_can_be_read_in_one_way(right: str, tex: str | None) -> None:
    found = cr.op(f"f(a[n,D], b[n,D]; alpha=0.5, eps=0.1, mu_x=0.2) -> y[n,D]\n y[n,i] = {right}").latex()
    assert katex([found]) == [None] and (tex is None or found == "y_{n,i} = " + tex)


def test_a_brace_can_be_latex_s_own() -> None:
    d = cr.op("f(a[n,D]) -> y[n,D]\n y[n,i] = where(a[n,i] > 0, 1, -1)").definition
    found = latex_line(d.lines[0], d.axes, Notation(cases="environment", language="fr"))
    assert found == r"y_{n,i} = \begin{cases}1 & \text{si}\;a_{n,i} > 0 \\ -1 & \text{sinon}\end{cases}" and katex([found]) == [None]


NAMES = {
    "ж": r"\text{ж}", "вес": r"\text{вес}", "вес_1x": r"\text{вес\_1x}", "权重": r"\text{权重}", "été": r"\text{été}", "ŷ": r"\hat{y}", "x̂": r"\hat{x}", "ñ": r"\tilde{n}",
    "ő": r"\text{ő}", "한": r"\text{한}", "क": r"\text{क}", "ש": r"\text{U+05E9}", "β": r"\beta", "Ω": r"\Omega", "Α": r"\mathrm{A}", "ω̄": r"\bar{\omega}", "x_α": r"{\mathrm{x\_}\alpha}",
    "αβ": r"{\alpha\beta}", "eps": r"\varepsilon", "epsilon": r"\epsilon", "phi": r"\phi", "varphi": r"\varphi", "theta": r"\theta", "vartheta": r"\vartheta", "lam": r"\lambda",
}  # fmt: skip


def test_names_of_every_alphabet_are_read(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("ERROR")  # a glyph that matplotlib's font lacks
    formulas = []
    for name, tex in NAMES.items():
        op = cr.op(f"f({name}[n,K], {name}2[K]; {name}3=1) -> y[n]\n y[n] = sum[k]({name}[n,k]**2 * {name}2[k]) * {name}3")
        formulas.append(op.latex())
        assert f"{tex}_{{n,k}}^{{2}}" in op.latex(), op.latex()
        formulas += [cr.derive(op, name).latex(Notation(form=form)) for form in ("index", "matrix")]
    assert katex(formulas) == [None] * len(formulas)
    parser = MathTextParser("path")
    for f in formulas[::3]:
        parser.parse(f"${f}$")


ADJOINTS = {"d": r"\mathrm{d}w^{(1)}_{o}", "delta": r"\delta^{w^{(1)}}_{o}", "partial": r"\frac{\partial E}{\partial w^{(1)}_{o}}"}


@pytest.mark.parametrize("sign", ADJOINTS)
def test_adjoints_are_written_as_the_reader_wants(sign: str) -> None:
    d = cr.derive(cr.op("f(w1[O], x[n]) -> y[n,O]\n y[n,o] = w1[o]*x[n]"), "w1")
    line = d.definition.lines[-1]
    assert latex_line(line, d.definition.axes, Notation(adjoint=sign)).startswith(ADJOINTS[sign] + " = ")
