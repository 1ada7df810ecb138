"""A worksheet as a spreadsheet: inputs are numbers, every result a formula of the cells that it depends on."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ArgumentError
from ..language.functions import COUNTING
from ..language.tree import Call, Const, Expr, rebuild
from .dialects import SPREADSHEET, written
from .out import write as write_file
from .record import index_of

if TYPE_CHECKING:
    from .worksheet import Worksheet

LONGEST = 8192  # characters of a formula


@dataclass
class Layout:
    """Where every number stands: {(tensor, index): (row, column)}, and what stands beside them."""

    cells: dict[tuple[str, tuple[int, ...]], tuple[int, int]] = field(default_factory=dict)
    notes: list[tuple[int, int, str, str]] = field(default_factory=list)  # row, column, text, kind
    row: int = 0

    def note(self, text: str, kind: str, column: int = 0) -> None:
        self.notes.append((self.row, column, text, kind))
        self.row += 1


def write(w: Worksheet, path: Path) -> None:
    """Write the file."""
    try:
        import xlsxwriter
    except ImportError:
        raise ArgumentError(
            "xlsx: spreadsheets need the package xlsxwriter, which is not installed; accepted: pip install 'chainrule[xlsx]', or another format"
        ) from None
    memory = io.BytesIO()
    book = xlsxwriter.Workbook(memory, {"in_memory": True})
    _fill(book, w)
    book.close()
    write_file(path, memory.getvalue())


def layout(w: Worksheet) -> Layout:
    """The places of all numbers."""
    out = Layout()
    out.note(w.title, "title")
    out.note(w.subtitle, "quiet")
    for row in str(w.example.op).split("\n"):
        out.note(row, "code")
    for s in w.sections:
        out.row += 1
        out.note(s.title, "head")
        for k in s.given:
            _block(out, w, k)
        for line in s.lines:
            out.row += 1
            out.note(w.example.formula(line.tensor), "code")
            _block(out, w, line.tensor)
    return out


def _block(out: Layout, w: Worksheet, tensor: str) -> None:
    """A tensor's matrices, one below the other."""
    from .worksheet import matrices

    for first, rows in matrices(w.example.shapes[tensor]):
        out.notes.append((out.row, 0, f"{tensor}[{','.join(map(str, first))}]" if first else tensor, "name"))
        for row in rows:
            for k, at in enumerate(row):
                out.cells[tensor, at] = out.row, 1 + k
            out.row += 1
        out.row += len(rows) > 1 or bool(first)


def formulas(w: Worksheet, places: Layout) -> Iterator[tuple[str, tuple[int, ...], str, float]]:
    """(tensor, index, formula, value) of every result."""
    name = cell_names()
    for line in w.example.lines:
        for index in w.example.places(line.tensor):
            e = drawn(w.example.written_out(line, index, live=True), w)
            text = "=" + written(e, SPREADSHEET, lambda r: name(*places.cells[r.tensor, index_of(r)])).replace(" ", "")
            if len(text) > LONGEST:
                raise ArgumentError(
                    f"{line.tensor}{list(index)}: a formula of {len(text)} characters is too long for a spreadsheet; accepted: smaller sizes"
                )
            yield line.tensor, index, text, float(w.example.value(line.tensor, index))


def drawn(e: Expr, w: Worksheet) -> Expr:
    """e with numbers for what is drawn at random, which a spreadsheet would draw anew."""
    if isinstance(e, Call) and e.fn in COUNTING:
        return Const(w.example.number(e))
    return rebuild(e, lambda a: drawn(a, w))


def cell_names() -> Callable[[int, int], str]:
    """A1 for the first row and column."""

    def name(row: int, column: int) -> str:
        letters = ""
        column += 1
        while column:
            column, k = divmod(column - 1, 26)
            letters = chr(ord("A") + k) + letters
        return f"{letters}{row + 1}"

    return name


def _fill(book: Any, w: Worksheet) -> None:
    sheet = book.add_worksheet("worksheet")
    styles = {
        "title": book.add_format({"bold": True, "font_size": 16}),
        "quiet": book.add_format({"font_color": "#666677"}),
        "code": book.add_format({"font_name": "Consolas", "font_size": 10}),
        "head": book.add_format({"bold": True, "font_size": 13}),
        "name": book.add_format({"bold": True, "align": "right"}),
        "given": book.add_format({"bg_color": "#E8F0FA", "border": 1, "border_color": "#9FB3CC"}),
        "result": book.add_format({"border": 1, "border_color": "#B8B8B8", "num_format": "General"}),
    }
    places = layout(w)
    sheet.set_column(0, 0, 14)
    sheet.set_column(1, 40, 9)
    for row, column, text, kind in places.notes:
        sheet.write_string(row, column, text, styles[kind])
    for tensor, a in w.example.given.items():
        for at in np.ndindex(a.shape):
            if (tensor, at) in places.cells:
                sheet.write_number(*places.cells[tensor, at], float(a[at]), styles["given"])
    for tensor, index, text, value in formulas(w, places):
        place = places.cells[tensor, index]
        if w.answers:
            sheet.write_formula(*place, text, styles["result"], value)
        else:
            sheet.write_blank(*place, None, styles["result"])
