"""Worksheets: an operation on small whole numbers, every number with every product, forward and backward; to fill in, or with answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from os import PathLike
from pathlib import Path
from typing import TypeVar

import numpy as np

from ..errors import ArgumentError
from ..language.latex import latex_line, latex_name
from ..language.lazy import cached_property
from ..language.tree import Call, Const, Expr, Line, Read, reads
from ..operation.op import Op
from .dialects import LATEX, TEXT, Reading, latex_number, latex_read, plain_number, shown_exactly, written
from .exercise import Exercise, exercise
from .record import index_of

Text = TypeVar("Text", str, list[str])
BLANK, IN_A_ROW = "____", 4  # terms of a sum on a line of LaTeX
PREAMBLE = r"""\documentclass{article}
\usepackage{amsmath}
\usepackage[a4paper,margin=2cm]{geometry}
\setlength{\parindent}{0pt}
\allowdisplaybreaks
\begin{document}
"""


@dataclass(frozen=True)
class Section:
    """A part of a worksheet: what is given in it, and the lines that are worked out."""

    title: str
    given: tuple[str, ...]
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Worksheet:
    """A worked example of an operation; made by `worksheet`. answers: whether results stand in it."""

    example: Exercise
    answers: bool = True

    @cached_property
    def sections(self) -> tuple[Section, ...]:
        x = self.example
        inputs = tuple(t.name for t in x.op.definition.inputs)
        made = [Section("Given", inputs, ()), Section("Forward", (), x.lines[: x.forward])]
        return (*made, Section("Backward", x.seeds, x.lines[x.forward :])) if x.gradients else tuple(made)

    @property
    def title(self) -> str:
        return f"{self.example.op.name}, worked out" if self.answers else f"{self.example.op.name}, to fill in"

    @property
    def subtitle(self) -> str:
        x = self.example
        numbers = ", ".join(f"{k} = {plain_number(v)}" for k, v in (dict(x.op.definition.settings) | dict(x.settings)).items())
        return f"seed {x.seed}" + (f"; {numbers}" if numbers else "")

    def __str__(self) -> str:
        return self.markdown()

    def _repr_markdown_(self) -> str:
        return self.markdown()

    # What is in it ------------------------------------------------------------------------------------------------------

    def matrices(self, tensor: str, blank: bool = False) -> Iterator[tuple[tuple[int, ...], list[list[str]]]]:
        """(first indices, rows) of every matrix of a tensor, as texts; a vector is one row."""
        for first, rows in matrices(self.example.shapes[tensor]):
            yield first, [[BLANK if blank else plain_number(self.example.value(tensor, at)) for at in row] for row in rows]

    def distinct(self, chain: list[Text], e: Expr, value: int | float | Fraction) -> list[tuple[Text, bool]]:
        """(what is written, whether only about as it is) of a number, its formula e, the same with numbers, and its value; each once."""
        used = any(not shown_exactly(self.example.value(r.tensor, index_of(r))) for r in reads(e))
        pairs = zip(chain, (False, False, used, used or not shown_exactly(value)), strict=True)
        return [x for k, x in enumerate(pairs) if k == 0 or x[0] != chain[k - 1]]

    def numeric(self, r: Read) -> Expr:
        """The number that stands for an element."""
        return Const(self.example.value(r.tensor, index_of(r)))  # type: ignore[arg-type]  # fractions are numbers too

    # Markdown -------------------------------------------------------------------------------------------------------------

    def markdown(self) -> str:
        """The worksheet as Markdown."""
        x = self.example
        rows = [f"# {self.title}", "", self.subtitle, "", *fenced(str(x.op).split("\n")), ""]
        for s in self.sections:
            rows += [f"## {s.title}", ""]
            for k in s.given:
                rows += [*fenced(self._matrix_text(k)), ""]
            for line in s.lines:
                rows += self._line_text(line)
        return "\n".join(rows).rstrip() + "\n"

    def _line_text(self, line: Line) -> list[str]:
        rows = [*fenced([self.example.formula(line.tensor)]), ""]
        if self.answers:
            rows += [f"- {row}" for row in self.equations_text(line)]
            rows.append("")
        return [*rows, *fenced(self._matrix_text(line.tensor, not self.answers)), ""]

    def equations_text(self, line: Line) -> Iterator[str]:
        """Every number of a line with all its products, as Markdown."""
        for index in self.example.places(line.tensor):
            e, value = self.example.written_out(line, index), self.example.value(line.tensor, index)
            named, numbers = written(e, TEXT, lambda r: element(r.tensor, index_of(r))), written(e, TEXT, self.numeric)
            chain = [element(line.tensor, index), named, numbers, plain_number(value)]
            (first, _), *others = self.distinct(chain, e, value)
            yield f"`{first}`" + "".join(f" {'≈' if about else '='} `{part}`" for part, about in others)

    def _matrix_text(self, tensor: str, blank: bool = False) -> list[str]:
        """A tensor's matrices in columns."""
        found = list(self.matrices(tensor, blank))
        width = max(len(x) for _, rows in found for row in rows for x in row)
        out: list[str] = []
        for first, rows in found:
            name = f"{tensor}[{','.join(map(str, first))}]" if first else tensor
            lines = ["  ".join(x.rjust(width) for x in row) for row in rows]
            out += [f"{name} = {lines[0].strip() if len(lines) == 1 else ''}".rstrip(), *(f"  {x}" for x in lines if len(lines) > 1)]
        return out

    # LaTeX ----------------------------------------------------------------------------------------------------------------

    def latex(self) -> str:
        """The worksheet as a LaTeX document."""
        x = self.example
        rows = [PREAMBLE, rf"\section*{{{plain_latex(self.title)}}}", plain_latex(self.subtitle) + "\n"]
        for line in x.op.definition.lines:
            rows.append(rf"\[ {latex_line(line, x.op.definition.axes)} \]")
        for s in self.sections:
            rows.append(rf"\subsection*{{{s.title}}}")
            rows += [self._matrix_latex(k) for k in s.given]
            for line in s.lines:
                rows.append(rf"\[ {self.formula_latex(line)} \]")
                if self.answers:
                    rows += [self._equation_latex(line, index) for index in x.places(line.tensor)]
                rows.append(self._matrix_latex(line.tensor, not self.answers))
        return "\n".join([*rows, r"\end{document}"]) + "\n"

    def formula_latex(self, line: Line) -> str:
        """A line with letters."""
        d = self.example.definition
        return latex_line(next(x for x in d.lines if x.tensor == line.tensor), d.axes)

    def formulas(self) -> Iterator[str]:
        """Every formula of the worksheet in LaTeX, one by one."""
        for s in self.sections:
            for line in s.lines:
                yield self.formula_latex(line)
                for index in self.example.places(line.tensor):
                    (first, _), *others = self._chain_latex(line, index)
                    yield "".join(first) + "".join(f" {equals(about)} {''.join(row)}" for row, about in others)

    def _chain_latex(self, line: Line, index: tuple[int, ...]) -> list[tuple[list[str], bool]]:
        """A number, its formula, the same with numbers, and its value: each in pieces that fit on a line; and whether it is rounded."""
        e, value = self.example.written_out(line, index), self.example.value(line.tensor, index)
        left = latex_name(line.tensor) + (f"_{{{','.join(map(str, index))}}}" if index else "")
        return self.distinct([[left], pieces(e, latex_read), pieces(e, self.numeric), [latex_number(value)]], e, value)

    def _equation_latex(self, line: Line, index: tuple[int, ...]) -> str:
        (left, _), *others = self._chain_latex(line, index)
        rows = [(f"&{equals(about)} " if k == 0 else r"&\quad ") + piece for row, about in others for k, piece in enumerate(row)]
        return "\\begin{align*}\n" + left[0] + " " + " \\\\\n".join(rows) + "\n\\end{align*}"

    def _matrix_latex(self, tensor: str, blank: bool = False) -> str:
        rows = []
        for first, found in self.matrices(tensor, blank):
            name = latex_name(tensor) + (f"_{{{','.join(map(str, first))}}}" if first else "")
            body = r" \\ ".join(" & ".join(r"\square" if x == BLANK else latex_text(x) for x in row) for row in found)
            if len(found) > 1 or len(found[0]) > 1:
                body = rf"\begin{{bmatrix}} {body} \end{{bmatrix}}"
            rows.append(rf"\[ {name} = {body} \]")
        return "\n".join(rows)

    # Spreadsheet ----------------------------------------------------------------------------------------------------------

    def xlsx(self, path: str | Path) -> None:
        """Write the worksheet as a spreadsheet: every result is a live formula of the cells that it depends on, or a blank.

        Errors: ArgumentError where xlsxwriter is not installed (`pip install chainrule[xlsx]`), DataError where the file cannot be written.
        """
        from .spreadsheet import write

        if not isinstance(path, (str, PathLike)):
            raise ArgumentError(f"{path!r:.80}: no path of a file; accepted: a text or a Path")
        write(self, Path(path))


def worksheet(
    op: object,
    seed: int = 7,
    *,
    wrt: Sequence[str] | str | None = None,
    sizes: Mapping[str, int] | None = None,
    answers: bool = True,
    **settings: object,
) -> Worksheet:
    """An operation on small whole numbers that a seed draws, with every product written out, forward and backward.

    op: an operation, or its text. wrt: the inputs whose gradients are worked out (all). sizes: {"H": 5, "n": 2}; those that are left out
    are small ones that fit. answers=False: blanks for results. settings: as in a call of the operation, s=2.
    The result has markdown(), latex() and xlsx(path).

    Errors: ArgumentError for names that the operation does not have, ShapeError for sizes that do not fit.

    >>> from chainrule.ops import linear
    >>> w = worksheet(linear, seed=1, wrt="w", sizes={"n": 2, "K": 2, "O": 1})
    >>> print(*w.equations_text(w.sections[-1].lines[0]), sep="\\n")
    `dw[0,0]` = `dy[0,0] * x[0,0] + dy[1,0] * x[1,0]` = `1 * 1 + (-1) * 4` = `-3`
    `dw[0,1]` = `dy[0,0] * x[0,1] + dy[1,0] * x[1,1]` = `1 * 2 + (-1) * 5` = `-3`
    """
    if not isinstance(answers, bool):
        raise ArgumentError(f"answers={answers!r:.80}: neither yes nor no; accepted: True or False")
    return Worksheet(exercise(op, seed, wrt, sizes, settings), answers)


def from_texts(op: Op, texts: Sequence[str], seed: int = 7, wrt: Sequence[str] = (), answers: bool = True) -> Worksheet:
    """The worksheet for settings and sizes as texts, NAME=NUMBER; a setting for each axis has / between numbers, s=2/1."""
    several = op.template.outline.families.settings if op.template else ()
    settings: dict[str, object] = {}
    sizes: dict[str, int] = {}
    for text in texts:
        name, equals, value = (x.strip() for x in text.partition("="))
        found = [_number(x) for x in value.split("/")]
        if not name or not equals or None in found:
            raise ArgumentError(f"{text!r:.80}: no number with a name; accepted: NAME=NUMBER, as s=2 or H=5")
        is_setting = name in dict(op.definition.settings) or name in several
        if len(found) > 1 and not is_setting:
            raise ArgumentError(f"{text!r:.80}: several numbers for a size; accepted: one, as H=5")
        if name in settings or name in sizes:
            raise ArgumentError(f"{text!r:.80}: {name} is said twice; accepted: each once")
        if is_setting:
            settings[name] = found[0] if len(found) == 1 else tuple(found)
        else:
            sizes[name] = found[0]  # type: ignore[assignment]  # what is no size is refused by `exercise`
    return worksheet(op, seed, wrt=wrt or None, sizes=sizes, answers=answers, **settings)


def _number(text: str) -> int | float | None:
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return None


def matrices(shape: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], list[list[tuple[int, ...]]]]]:
    """(first indices, places in rows) of every matrix in a tensor of this shape; a vector is one row, a number one place."""
    columns, rows = shape[-1] if shape else 1, shape[-2] if len(shape) > 1 else 1
    for first in np.ndindex(shape[:-2]):
        yield first, [[(*first, *((i,) if len(shape) > 1 else ()), *((j,) if shape else ())) for j in range(columns)] for i in range(rows)]


def element(tensor: str, index: tuple[int, ...]) -> str:
    return f"{tensor}[{','.join(map(str, index))}]" if index else tensor


def equals(about: bool) -> str:
    """The sign before what is written, in LaTeX."""
    return r"\approx" if about else "="


def fenced(rows: Sequence[str]) -> list[str]:
    return ["```", *rows, "```"]


def pieces(e: Expr, read: Reading) -> list[str]:
    """A formula in LaTeX, a long sum in pieces of a few terms."""
    terms = e.args if isinstance(e, Call) and e.fn == "sum" else _plus(e)
    if len(terms) <= IN_A_ROW:
        return [written(e, LATEX, read)]
    rows = []
    for k in range(0, len(terms), IN_A_ROW):
        part = terms[k : k + IN_A_ROW]
        text = written(part[0] if len(part) == 1 else Call("sum", tuple(part)), LATEX, read, 2, k == 0)
        rows.append(text if k == 0 else f"{{}} + {text}")
    return rows


def _plus(e: Expr) -> tuple[Expr, ...]:
    """The terms of a sum of sums."""
    if isinstance(e, Call) and e.fn in ("+", "sum"):
        return tuple(t for a in e.args for t in _plus(a))
    return (e,)


def latex_text(text: str) -> str:
    """A number's text in LaTeX."""
    sign, size = ("-", text[1:]) if text.startswith("-") else ("", text)
    if "/" in size:
        a, b = size.split("/")
        return rf"{sign}\frac{{{a}}}{{{b}}}"
    digits, _, power = size.partition("e")
    return f"{sign}{digits}" + (rf" \cdot 10^{{{int(power)}}}" if power else "")


def plain_latex(text: str) -> str:
    """Words in LaTeX."""
    return "".join("\\" + c if c in "_%&#${}" else c for c in text)
