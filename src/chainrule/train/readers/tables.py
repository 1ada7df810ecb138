"""CSV files: a sample in each line, its class in one column. NumPy parses the numbers; a second, slow reader only names what is wrong."""

from __future__ import annotations

import csv
import io
import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import ArgumentError, DataError
from .arrays import samples
from .common import Dataset, Part, all_of, answered, as_path, assembled, opened

LABELS = ("label", "class", "target", "y")  # names of the column with classes, the first that is there
ACCEPTED = "a table in UTF-8 with as many fields in every line, numbers but for the labels"
LABEL_ARGUMENT = "label=NAME or label=NUMBER of the column (counted from 0, or from the end with -1)"
MOST_FLOAT = float(np.finfo(np.float32).max)
EXACT = 2.0**24  # whole numbers that float32 keeps


def is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text and text.isascii()


@dataclass(frozen=True)
class Table:
    """A text of which the form is known: names of columns (where it has them), how many there are, where its numbers begin."""

    path: Path
    text: str
    mark: str
    header: tuple[str, ...] | None
    first: tuple[str, ...]
    start: int

    @property
    def width(self) -> int:
        return len(self.first)

    def column(self, k: int) -> str:
        return f"column {k}" + (f" ({self.header[k]!r})" if self.header and k < len(self.header) else "")

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """(line, fields) of every sample: the slow way."""
        lines = io.StringIO(self.text)
        lines.seek(self.start)
        before = self.text.count("\n", 0, self.start)
        reader = csv.reader(lines, delimiter=self.mark)
        for row in reader:
            if row:
                yield before + reader.line_num, row

    def line(self, sample: int) -> int:
        return next(itertools.islice(self.rows(), sample, None), (0, []))[0]


def text_of(path: Path) -> str:
    """The text of a file, plain or .gz, with one kind of line ends and none behind the last line."""
    with opened(path, ACCEPTED) as f:
        raw = all_of(f, path)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        raise DataError(f"{path}:{raw.count(10, 0, e.start) + 1}: the byte {raw[e.start]:02x} is no text in UTF-8; accepted: {ACCEPTED}") from None
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text.rstrip("\n ")


def table_of(path: Path, header: bool | None) -> Table:
    """What the first two lines say."""
    text = text_of(path)
    lines = io.StringIO(text)
    line = next((row for row in lines if row.strip()), "")
    mark = "," if "," in line else next((m for m in (";", "\t") if m in line), ",")
    lines.seek(0)
    starts, rows = list[int](), list[tuple[str, ...]]()
    with answered(path, "not a table that can be read", ACCEPTED):
        reader = csv.reader(iter(lines.readline, ""), delimiter=mark)
        while len(rows) < 2:
            at, row = lines.tell(), next(reader, None)
            if row is None:
                break
            if row:
                starts.append(at)
                rows.append(tuple(field.strip() for field in row))
    if not rows:
        raise DataError(f"{path}: an empty file; accepted: {ACCEPTED}")
    named = _is_header(rows) if header is None else header
    if named and len(rows) == 1:
        raise DataError(f"{path}: a line of names and no samples; accepted: {ACCEPTED}")
    table = Table(path, text, mark, rows[0] if named else None, rows[named], starts[named])
    if named and len(rows[0]) != table.width:
        raise DataError(f"{path}:{table.line(0)}: {table.width} fields, but {len(rows[0])} names of columns; accepted: {ACCEPTED}")
    if table.width < 2:
        raise DataError(f"{path}: one column; accepted: a column of classes and others of numbers")
    return table


def _is_header(rows: list[tuple[str, ...]]) -> bool:
    """The first line names columns if nothing in it is a number, if a text in it stands above a number, or if it has a column called label."""
    texts = [not is_number(field) for field in rows[0]]
    above = len(rows) > 1 and any(t and is_number(b) for t, b in zip(texts, rows[1], strict=False))
    return all(texts) or above or any(f.lower() in LABELS[:3] for f in rows[0])


# The column of classes -----------------------------------------------------------------------------------------------


def asked_column(table: Table, label: object) -> int:
    """The column that an argument names."""
    if isinstance(label, str) and table.header and label in table.header:
        if table.header.count(label) > 1:
            raise ArgumentError(f"label={label!r}: {table.path} has several columns of this name; accepted: {LABEL_ARGUMENT}")
        return table.header.index(label)
    whole = isinstance(label, (int, np.integer)) and not isinstance(label, bool)
    text = str(label) if whole or isinstance(label, str) else ""
    number = int(text) if text.removeprefix("-").isdecimal() and len(text) < 10 else None
    if number is None or not -table.width <= number < table.width:
        there = f"columns {', '.join(table.header[:20])}" if table.header else f"{table.width} columns without names"
        raise ArgumentError(f"label={label!r:.80}: {table.path} has {there}; accepted: {LABEL_ARGUMENT}")
    return number % table.width


def told_column(table: Table) -> int | None:
    """The column that a name, or texts where others have numbers, tell; None where all are numbers without such a name."""
    if table.header:
        lower = [h.lower() for h in table.header]
        for name in LABELS:
            if lower.count(name) > 1:
                both = [table.column(k) for k, h in enumerate(lower) if h == name]
                raise DataError(f"{table.path}: {' and '.join(both)} may both be the classes; accepted: {LABEL_ARGUMENT}")
            if name in lower:
                return lower.index(name)
    texts = [k for k, field in enumerate(table.first) if not is_number(field)]
    if len(texts) > 1:
        raise DataError(
            f"{table.path}:{table.line(0)}: {' and '.join(map(table.column, texts[:2]))} are no numbers; accepted: {LABEL_ARGUMENT}, numbers in all others"
        )
    return texts[0] if texts else None


def guessed_column(table: Table, a: np.ndarray) -> int:
    """Of the first and the last column, those of whole numbers of at least 0 that are not all the same; where both are, the one with fewer."""
    counts = {}
    for k in (0, table.width - 1):
        v = a[:, k]
        if ((v >= 0) & (v < EXACT) & (v == np.floor(v))).all():
            counts[k] = len(np.unique(v))
    fit = {k: c for k, c in counts.items() if c > 1} or counts
    best = [k for k, c in fit.items() if c == min(fit.values())]
    if len(best) != 1:
        what = "may both be the classes" if best else "are no whole numbers of at least 0"
        raise DataError(
            f"{table.path}: {table.column(0)} and {table.column(table.width - 1)} {what}; accepted: a column named {', '.join(LABELS)}, or {LABEL_ARGUMENT}"
        )
    return best[0]


# Numbers -------------------------------------------------------------------------------------------------------------


def parsed(table: Table, label: int | None) -> tuple[np.ndarray, list[str]]:
    """All fields as float32; the label's column holds places in the list of texts that come with it."""
    texts: dict[str, int] = {}

    def code(text: str) -> float:
        return texts.setdefault(text.strip(), len(texts))

    lines = io.StringIO(table.text)
    lines.seek(table.start)
    converters: dict[int | str, Callable[[str], Any]] | None = None if label is None else {label: code}
    try:
        a = np.loadtxt(lines, np.float32, delimiter=table.mark, quotechar='"', comments=None, converters=converters, ndmin=2)
    except Exception as e:
        raise wrong(table, label, str(e)) from None
    if not np.isfinite(a).all() or a.shape[1] != table.width:
        raise wrong(table, label, "a number that is not finite")
    return a, list(texts)


def wrong(table: Table, label: int | None, said: str) -> DataError:
    """What is wrong with a table that could not be parsed, with its line."""
    try:
        for line, row in table.rows():
            at = f"{table.path}:{line}: "
            if len(row) != table.width:
                return DataError(f"{at}{len(row)} field{'s' * (len(row) != 1)}, but {table.width} in line {table.line(0)}; accepted: {ACCEPTED}")
            for k, field in enumerate(row):
                if k == label:
                    continue
                if not is_number(field):
                    return DataError(f"{at}{table.column(k)} is {field!r:.80}, which is no number; accepted: {ACCEPTED}; {LABEL_ARGUMENT}")
                if not math.isfinite(float(field)) or abs(float(field)) > MOST_FLOAT:
                    return DataError(f"{at}{table.column(k)} is {field!r:.80}, which cannot be trained on; accepted: finite numbers up to 3.4e38")
    except csv.Error as e:
        said = str(e)
    return DataError(f"{table.path}: not a table that can be read ({said:.200}); accepted: {ACCEPTED}")


def labelled(table: Table, label: object) -> tuple[np.ndarray, np.ndarray, int]:
    """Numbers, labels, and the column that these were."""
    k = told_column(table) if label is None else asked_column(table, label)
    a, texts = parsed(table, k)
    if k is None:
        k = guessed_column(table, a)
        labels = a[:, k].astype(np.int64)
    else:
        known: np.ndarray = np.array([float(t) for t in texts]) if all(map(is_number, texts)) else np.array(texts)
        labels = known[a[:, k].astype(np.int64)]
    used = [j for j in range(table.width) if j != k and not (j == 0 and table.header and not table.header[0])]
    if not used:
        raise DataError(f"{table.path}: no column beside the classes; accepted: a column of classes and others of numbers")
    runs = used[-1] - used[0] + 1 == len(used)
    return (a[:, used[0] : used[-1] + 1] if runs else np.delete(a, [j for j in range(table.width) if j not in used], 1)), labels, k


def read_csv(
    path: str | Path,
    *,
    test: str | Path | None = None,
    label: str | int | None = None,
    header: bool | None = None,
    shape: tuple[int, int, int] | None = None,
    test_share: float = 0.2,
    seed: int = 0,
) -> Dataset:
    """The data set in a .csv file (plain or .gz): a sample in each line, its class in one column.

    label: the column of classes, by name or number; without it, the rules of docs/data.md. header: whether the first line names the columns,
    where that is not told by itself. shape: (channels, rows, columns) of images whose pixels are the columns. test: a file with the
    test part; without it, `test_share` of every class becomes it. Errors: DataError, starting with the path and the line.
    """
    first = table_of(as_path(path), header)
    x, labels, k = labelled(first, label)
    tables, rows = [first], [(x, labels)]
    if test is not None:
        tables.append(table_of(as_path(test), first.header is not None if header is None else header))
        if (tables[1].width, tables[1].header) != (first.width, first.header):
            raise DataError(f"{tables[1].path}: {tables[1].width} columns, not those of {first.path} ({first.width}); accepted: the same columns")
        rows.append(labelled(tables[1], k)[:2])
    made, way = samples([(f"{t.path}: the table", a) for t, (a, _) in zip(tables, rows, strict=True)], None, shape)
    parts = [
        Part(a, t, table.path.name, lambda s, table=table: f"{table.path}:{table.line(max(s, 0))}: {table.column(k)}")  # type: ignore[misc]  # a default binds the loop's
        for a, (_, t), table in zip(made, rows, tables, strict=True)
    ]
    how = f"labels in {first.column(k)}{'' if first.header else ', no line of names'}; {way}"
    return assembled(path, parts, how, None, test_share, seed)
