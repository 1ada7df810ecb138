"""Formulas with words between them, as LaTeX, Markdown and HTML; what notebooks ask an object for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from html import escape

from .fields import Inline
from .latex import latex
from .layout import Box
from .mathml import document


@dataclass(frozen=True)
class Title:
    """Words above what follows; level 0 is the highest."""

    text: str
    level: int = 0


@dataclass(frozen=True)
class Move:
    """One numbered formula, and why it is true: words, and formulas among them."""

    formula: Box
    reason: Inline


Item = Title | Move | Box  # a box alone is a formula without number

# Signs of words that LaTeX has to be told.
TOLD = {
    "\\": r"\textbackslash{}", "_": r"\_", "#": r"\#", "%": r"\%", "&": r"\&", "{": r"\{", "}": r"\}", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "$": r"\$",
    "∂": r"$\partial$", "δ": r"$\delta$", "<": "$<$", ">": "$>$",
}  # fmt: skip
# Formulas stand below their words; fonts with signs that grow come first, wherever one of them is there.
STYLE = """
section.chainrule{font:16px/1.5 Georgia,"Times New Roman",serif;max-width:75em;margin:1em auto;padding:0 1em}
section.chainrule h2{font-size:1.3em;overflow-wrap:anywhere} section.chainrule h3{font-size:1.1em}
section.chainrule ol{padding-left:2.5em} section.chainrule li{margin:1em 0}
section.chainrule .why{color:#555} section.chainrule .formula{overflow-x:auto;padding:.35em 0 .35em 1.5em}
section.chainrule math{font-family:"STIX Two Math","Latin Modern Math","Cambria Math","Libertinus Math","DejaVu Math TeX Gyre","Noto Sans Math",math}
section.chainrule .formula math{display:inline math;font-size:1.15em}
""".strip()


def inline(parts: Inline, words: Callable[[str], str]) -> str:
    """A sentence with formulas between dollar signs."""
    return "".join(words(p) if isinstance(p, str) else f"${latex(p)}$" for p in parts)


def inside(parts: Inline) -> str:
    """A sentence of a page."""
    return "".join(escape(p) if isinstance(p, str) else document(p, False) for p in parts)


def in_latex(items: Iterable[Item]) -> str:
    """A part of a LaTeX document."""
    rows, listed = [], False
    for item in items:
        if listed and not isinstance(item, Move):
            rows.append(r"\end{enumerate}")
        if isinstance(item, Move) and not listed:
            rows.append(r"\begin{enumerate}")
        listed = isinstance(item, Move)
        match item:
            case Title(text, level):
                rows.append(rf"\{'sub' * min(level, 2)}section*{{{told(text)}}}")
            case Move(formula, reason):
                rows.append(f"\\item {inline(reason, told)}\n\\[ {latex(formula)} \\]")
            case _:
                rows.append(f"\\[ {latex(item)} \\]")
    return "\n".join([*rows, r"\end{enumerate}"] if listed else rows)


def told(text: str) -> str:
    return "".join(TOLD.get(c, c) for c in text)


def in_markdown(items: Iterable[Item]) -> str:
    """Markdown with formulas between $$, as GitHub, GitLab and notebooks read it."""
    rows, k = [], 0
    for item in items:
        match item:
            case Title(text, level):
                rows.append(f"{'#' * (level + 2)} {marked(text)}")
                k = 0
            case Move(formula, reason):
                k += 1
                room = " " * len(f"{k}. ")  # what belongs to the number stands below its words
                rows.append(f"{k}. {inline(reason, marked)}\n\n{room}$$\n{room}{latex(formula)}\n{room}$$")
            case _:
                rows.append(f"$$\n{latex(item)}\n$$")
    return "\n\n".join(rows)


def marked(text: str) -> str:
    return "".join(f"\\{c}" if c in "\\*_[]<>`#$" else c for c in text)


def in_html(items: Iterable[Item]) -> str:
    """A part of a page; formulas are MathML."""
    rows, listed = [], False
    for item in items:
        if listed != isinstance(item, Move):
            rows.append("</ol>" if listed else "<ol>")
            listed = not listed
        match item:
            case Title(text, level):
                rows.append(f"<h{level + 2}>{escape(text)}</h{level + 2}>")
            case Move(formula, reason):
                rows.append(f'<li><div class="why">{inside(reason)}</div><div class="formula">{document(formula)}</div></li>')
            case _:
                rows.append(f'<div class="formula">{document(item)}</div>')
    rows += ["</ol>"] if listed else []
    return "\n".join(['<section class="chainrule">', f"<style>{STYLE}</style>", *rows, "</section>"])


def page(title: str, body: str, language: str = "en") -> str:
    """A whole page of one part, which needs nothing from anywhere."""
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
    return f'<!DOCTYPE html>\n<html lang="{language}">\n<head>{head}</head>\n<body>\n{body}\n</body>\n</html>'


class Displayed:
    """What notebooks show as formulas: a class says what they are, in `_items`."""

    def _items(self) -> Iterator[Item]:
        raise NotImplementedError

    def _repr_latex_(self) -> str:
        boxes = [item.formula if isinstance(item, Move) else item for item in self._items() if not isinstance(item, Title)]
        return "\n".join(f"$$ {latex(b)} $$" for b in boxes)

    def _repr_markdown_(self) -> str:
        return in_markdown(self._items())

    def _repr_html_(self) -> str:
        return in_html(self._items())
