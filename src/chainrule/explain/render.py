"""A derivation as text, LaTeX, Markdown or HTML, in the reader's notation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from ..calculus.steps import Rule, Step
from ..errors import ArgumentError
from ..language.branches import WORDS as BRANCHES
from ..language.display import Item, Move, Title, in_html, in_latex, in_markdown, page
from ..language.fields import counted, filled, sentence, things
from ..language.formula import Setter, quantity
from ..language.layout import Box, Cases, Sign, Words, row
from ..language.notation import USUAL, Notation
from ..language.noted import in_form, noted
from ..language.plain import plain
from ..language.shifted import counted_from
from ..language.show import Axes, header_text, line_text
from ..language.tree import Line, rename_tensors
from .words import HEADINGS, WORDS, phrase

if TYPE_CHECKING:
    from .derive import Derivation

SECOND = "second derivative: "
FORMATS = ("text", "latex", "markdown", "html")


def rendered(d: Derivation, form: str = "text", notation: Notation = USUAL) -> str:
    """The whole derivation: the steps with their reasons, and the lines that they lead to."""
    if form not in FORMATS:
        raise ArgumentError(f"format={form!r:.40}: there is no such format; accepted: {', '.join(FORMATS)}")
    if form == "text":
        return str(d) if notation == USUAL else in_text(d, notation)
    if form == "latex":
        return in_latex(items(d, notation))
    return in_markdown(items(d, notation)) if form == "markdown" else page(title(d, notation), in_html(items(d, notation)), notation.language)


def items(d: Derivation, notation: Notation = USUAL) -> Iterator[Item]:
    """Title, moves and results."""
    known = adjoints(d)
    yield Title(title(d, notation))
    for step in d.steps:
        setter = Setter(step.axes, notation, known)
        said = filled(WORDS[notation.language][step.rule], about(step, notation), setter)
        yield Move(noted(step.placed, step.axes, notation, known), said)
    yield Title(HEADINGS[notation.language]["result"], 1)
    yield from boxes(d, d.definition.lines, notation)
    if d.branches:
        yield by_cases(d, notation)


def by_cases(d: Derivation, notation: Notation) -> Box:
    """What a Jacobian is where two indices are equal, and where they are not."""
    setter, word = Setter(d.definition.axes, notation, adjoints(d)), BRANCHES[notation.language][0]
    line = d.results[0]
    rows = []
    for case, value in d.branches.items():
        a, sign, b = case.split()
        moved = counted_from(replace(line, expr=value), notation.base, setter.sizes)
        test = row(Words(word), Sign("~"), quantity(a), Sign("=" if sign == "=" else "≠"), quantity(b))
        rows.append((setter.box(moved.expr), test))
    return row(setter.box(line.read), Sign("="), Cases(tuple(rows), notation.cases == "environment"))


def cases_in_text(d: Derivation, notation: Notation) -> list[str]:
    """The same as lines of text."""
    lines = ((case, replace(d.results[0], expr=value)) for case, value in d.branches.items())
    return [f"    {case}: {text(x, d.definition.axes, notation, adjoints(d)).partition(' = ')[2]}" for case, x in lines]


def boxes(d: Derivation, lines: Iterable[Line], notation: Notation) -> list[Box]:
    """Lines of a derivation in the reader's notation."""
    known, parts = adjoints(d), elements(d)
    return [noted(*parts.get(line.tensor, (line, d.definition.axes)), notation, known) for line in lines]


def elements(d: Derivation) -> Mapping[str, tuple[Line, Axes]]:
    """Lines that were written out for one element each, as lines of that element: dw[0,1] in place of dw_0_1."""
    return {s.line.tensor: (s.placed, s.axes) for s in d.steps if s.rule is Rule.WRITTEN_OUT}


def title(d: Derivation, notation: Notation) -> str:
    if notation.language == "en":
        return d.title
    said = d.title.removeprefix(SECOND)
    of, names = header_text(d.of.definition), (d.wrt,) if isinstance(d.wrt, str) else d.wrt
    kind = "{0} of {1}" if not said.startswith("the tangents") else "the tangents of {1} by {0}"
    what = said.partition(" of ")[0] if kind == "{0} of {1}" else ", ".join(names)
    shown = phrase(kind, notation.language).format(what, of)
    shown = phrase(SECOND + "{0}", notation.language).format(shown) if said != d.title else shown
    return HEADINGS[notation.language]["title"].format(shown)


def reason(step: Step, notation: Notation, known: Mapping[str, str] | None = None) -> str:
    """Why a step is true, as text in the reader's language and signs."""
    signs = signs_of(known or {}, notation)
    said = tuple(", ".join(signs.get(thing, thing) for thing in things(text)) for text in about(step, notation))
    return sentence(WORDS[notation.language][step.rule], said, notation.language)


def signs_of(known: Mapping[str, str], notation: Notation) -> dict[str, str]:
    """What adjoints are called in text."""
    signs = {"d": "d{0}", "delta": "δ{0}", "partial": "∂E/∂{0}"}
    return {name: signs[notation.adjoint].format(of) for name, of in known.items()}


def about(step: Step, notation: Notation) -> tuple[str, ...]:
    """What a step is about; words among it in the reader's language, places counted from where the reader's are."""
    if step.rule is Rule.COLLAPSE and notation.base:
        return counted(step.about, step.line, notation.base, Setter(step.axes).sizes)
    return tuple(phrase(a, notation.language) for a in step.about)


def adjoints(d: Derivation) -> Mapping[str, str]:
    """What the derivation says of each adjoint: of which tensor it is one. A tensor of the formula itself is none, whatever its name."""
    own = d.of.definition.axes
    found = {}
    for name in {*d.definition.axes, *(name for s in d.steps for name in s.axes)} - own.keys():
        stem, total = (name.removesuffix("_total"), "_total") if name.endswith("_total") else (name, "")
        if stem[1:] not in own and stem.rstrip("0123456789") in own:  # numbered, as the formula has a tensor of that name
            stem = stem.rstrip("0123456789")
        if stem[:1] == "d" and stem[1:] in own:
            found[name] = stem[1:] + total
    return found


def in_text(d: Derivation, notation: Notation) -> str:
    """The steps as lines of text."""
    known, parts = adjoints(d), elements(d)
    rows = [title(d, notation), ""]
    for k, step in enumerate(d.steps, 1):
        rows.append(f"{k:3}. {text(step.placed, step.axes, notation, known)}\n        {reason(step, notation, known)}")
    rows += [
        "",
        HEADINGS[notation.language]["result"] + ":",
        *(f"    {text(*parts.get(line.tensor, (line, d.definition.axes)), notation, known)}" for line in d.definition.lines),
        *cases_in_text(d, notation),
    ]
    return "\n".join(rows)


def text(line: Line, axes: Axes, notation: Notation, known: Mapping[str, str]) -> str:
    """A line of text with the reader's signs for adjoints."""
    found = in_form(line, axes, notation, known)
    if found:
        return plain(found)
    names = signs_of(known, notation)
    moved = counted_from(line, notation.base, Setter(axes).sizes)
    new = Line(names.get(line.tensor, line.tensor), moved.letters, moved.ranges, rename_tensors(moved.expr, names), moved.target)
    return line_text(new, {**axes, **{new: axes[old] for old, new in names.items() if old in axes}}, base=notation.base)
