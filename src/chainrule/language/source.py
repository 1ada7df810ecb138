"""The text of a definition in pieces that know their place, and mistakes shown at their place."""

from __future__ import annotations

import ast
import difflib
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn, TypeVar

from ..errors import DefinitionError

PLAIN = "a letter for each axis, and the letters of each sum: 'sum[k](…)'"
MOST_SLIPS = 32  # mended in one text for a message
T = TypeVar("T")


@dataclass(frozen=True)
class Piece:
    """A part of the text with its place: line number from 1, column from 0 of its first character."""

    text: str
    line: int
    column: int


class Slip(DefinitionError):
    """A mistake whose author's meaning is known. text: the whole definition as it is meant; line: where it changed (0: everywhere).

    plain: what is said to be accepted where that text turns out to be no definition.
    """

    def __init__(self, wrong: str, text: str, line: int, plain: str = PLAIN):
        super().__init__(wrong)
        self.wrong, self.text, self.line, self.plain = wrong, text, line, plain

    def message(self, text: str) -> str:
        """The message, with what stands in the text at the place of the mistake."""
        here = next((p.text for p in statements(text) if p.line <= self.line <= p.line + p.text.count("\n")), text) if self.line else text
        return f"{self.wrong}\naccepted: {' '.join(here.split()) if self.line else here}"


def mended(text: str, read: Callable[[str], T], proof: Callable[[str], object]) -> T:
    """What `read` makes of a text. A slip is shown with the line as it is meant, in which further slips are mended too, until `proof` reads it."""
    try:
        return read(text)
    except Slip as slip:
        first, better = slip, slip.text
    for _ in range(MOST_SLIPS):
        try:
            proof(better)
            break
        except Slip as more:
            better, first.line = more.text, first.line and more.line and first.line
        except DefinitionError as other:
            raise DefinitionError(_instead(text, first, str(other), better)) from None
    try:
        message = first.message(better)
    except DefinitionError:
        message = first.message(first.text)
    raise DefinitionError(message)


def _instead(text: str, first: Slip, other: str, better: str) -> str:
    """What is said of a slip where the text as it is meant is not accepted either, for another reason."""
    problem, mark, accepted = (re.search(r"^line \d+: .*", other, re.MULTILINE | re.DOTALL) or [""])[0].partition("\naccepted: ")
    if not first.line:
        return f"{first.wrong}\naccepted: {first.plain}"
    if not problem.startswith(f"line {first.line}: "):  # in its line nothing else is wrong
        return first.message(better)
    if set(re.findall(r"(?:letter|name|tensor) '(\w+)'", problem)) - set(re.findall(r"[^\W\d]\w*", text)):  # speaks of what nobody wrote
        return f"{first.wrong}\naccepted: {first.plain}"
    return first.wrong.rsplit("\n", 1)[0] + "\n" + problem + mark + accepted


def complain(source: str, line: int, column: int, problem: str, accepted: str) -> NoReturn:
    """Raise a DefinitionError that starts with the user's line and puts a caret under the place."""
    raise DefinitionError(f"{wrong(source, line, column, problem)}\naccepted: {accepted}")


def wrong(source: str, line: int, column: int, problem: str) -> str:
    """The first lines of a message."""
    rows = source.split("\n")
    shown = rows[line - 1] if 0 < line <= len(rows) else source
    return f"{shown}\n{' ' * max(column, 0)}^\nline {line}: {problem}"


def complain_at(source: str, piece: Piece, needle: str, problem: str, accepted: str) -> NoReturn:
    """The same, with the caret under the first place in the piece where `needle` stands as a word."""
    complain(source, *place_of(piece, needle), problem, accepted)


def correct_at(source: str, piece: Piece, needle: str, problem: str, meant: str) -> NoReturn:
    """The same, with the statement that the piece should be."""
    raise Slip(wrong(source, *place_of(piece, needle), problem), changed(source, piece, meant), piece.line)


def changed(source: str, piece: Piece, meant: str) -> str:
    """The text with another statement for a piece."""
    rows = source.split("\n")
    rows[piece.line - 1 : piece.line + piece.text.count("\n")] = [rows[piece.line - 1][: piece.column] + meant]
    return "\n".join(rows)


def place_of(piece: Piece, needle: str) -> tuple[int, int]:
    """(line, column) of the first place in the piece where `needle` stands as a word."""
    found = re.search(rf"(?<!\w){re.escape(needle)}(?!\w)", piece.text) if needle else None
    at = found.start() if found else 0
    rows = piece.text[:at].split("\n")
    return piece.line + len(rows) - 1, len(rows[-1]) + (piece.column if len(rows) == 1 else 0)


def nearest(word: str, known: list[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"{close[0]!r} (the nearest name); " if close else ""


MOST_BRACKETS = 190  # in one another: Python reads up to 200
DEEPEST = 1000  # operations in one another in a formula as written
STEPS = 10  # Python calls for one level of a formula, at most; a gradient is up to twice as deep as its formula


def depth_of(tree: ast.AST) -> int:
    """How many operations stand in one another."""
    deepest, todo = 0, [(tree, 1)]
    while todo:
        node, depth = todo.pop()
        deepest = max(deepest, depth)
        todo += [(child, depth + isinstance(child, ast.expr)) for child in ast.iter_child_nodes(node)]
    return deepest


def make_room(depth: int) -> None:
    """Let Python call as deep as a formula of this depth needs: a sum of 300 terms is 300 operations in one another."""
    needed = 1000 + STEPS * depth
    if depth > 50 and sys.getrecursionlimit() < needed:
        sys.setrecursionlimit(needed)


def statements(text: str) -> list[Piece]:
    """Cut the text into statements: a line each, or several while a bracket is open."""
    pieces: list[Piece] = []
    opened: list[tuple[str, int, int]] = []
    pairs = {")": "(", "]": "["}
    current, start = "", (1, 0)
    for number, full in enumerate(text.split("\n"), 1):
        row = full.split("#", 1)[0].rstrip()
        if not row.strip() and not opened:
            continue
        if not opened:
            current, start = row.lstrip(), (number, len(row) - len(row.lstrip()))
        else:
            current += "\n" + row
        for column, ch in enumerate(row):
            if ch in "([":
                opened.append((ch, number, column))
                if len(opened) > MOST_BRACKETS:
                    complain(text, number, column, f"more than {MOST_BRACKETS} brackets in one another", "parts of it on lines of their own")
            elif ch in ")]":
                if not opened or opened[-1][0] != pairs[ch]:
                    complain(text, number, column, f"unbalanced bracket: {ch!r} closes nothing", f"as many {pairs[ch]!r} before it")
                opened.pop()
            elif ch in "{}'\"":
                complain(text, number, column, f"{ch!r} has no meaning here", "round and square brackets, names and numbers")
        if not opened:
            pieces.append(Piece(current, *start))
    if opened:
        ch, number, column = opened[-1]
        complain(text, number, column, f"unbalanced bracket: {ch!r} is never closed", f"a closing {')' if ch == '(' else ']'!r}")
    return pieces


MOST_BLANKS = 1000  # in a row: what looks for slips behind them takes the square of their number


def legible(text: str) -> str:
    """The text without blanks that end a line's formula, so many that they would take time; an error where it cannot be read or shown."""
    half = re.search("[\ud800-\udfff]", text)
    rows = text.split("\n")
    for k, row in enumerate(rows):
        code, mark, comment = row.partition("#")
        kept = code.rstrip()
        if len(code) - len(kept) > MOST_BLANKS:
            rows[k] = f"{kept}  {mark}{comment}"
        gap = re.search(rf"\s{{{MOST_BLANKS + 1}}}", kept)
        if gap:
            shown = kept[: gap.start()] + " … " + kept[gap.start() :].lstrip()
            problem, accepted = f"more than {MOST_BLANKS} blanks in a row", "fewer"
            raise DefinitionError(f"{shown}\n{' ' * (gap.start() + 1)}^\nline {k + 1}: {problem}\naccepted: {accepted}")
    if half:
        before = text[: half.start()].split("\n")
        shown = text.encode(errors="backslashreplace").decode()
        complain(shown, len(before), len(before[-1]), "half of a character (a surrogate), which no file holds", "text in characters that UTF-8 has")
    return "\n".join(rows)


def split_top(text: str, mark: str) -> list[tuple[str, int]]:
    """Split at a character outside brackets: (part, offset)."""
    parts, depth, last = [], 0, 0
    for k, ch in enumerate(text):
        depth += (ch in "([") - (ch in ")]")
        if ch == mark and depth == 0:
            if mark == "=" and (text[k + 1 : k + 2] == "=" or text[k - 1 : k] in ("=", "<", ">", "!")):
                continue
            parts.append((text[last:k], last))
            last = k + 1
    return [*parts, (text[last:], last)]


def formed(form: str, args: list[str]) -> str:
    """A form with text in its places, each in brackets where it would fall apart without them."""
    text, at = form, 0
    while place := re.compile(r"{(\d)}").search(text, at):
        arg = args[int(place[1])]
        blank = re.sub(r"{\d}", "_", text[place.end() :])
        put = put_in(text[: place.start()], arg, blank)
        text, at = text[: place.start()] + put + text[place.end() :], place.start() + len(put)
    return text


def put_in(before: str, part: str, after: str) -> str:
    """An expression for the place between two texts: in brackets, unless all means the same without them."""
    bracketed = f"({part})"
    plain, apart = _tree(before + part + after), _tree(before + bracketed + after)
    return part if plain == apart or apart is None else bracketed


def _tree(text: str) -> str | None:
    try:
        return ast.dump(ast.parse(text.strip(), mode="eval"))
    except SyntaxError:
        return None
