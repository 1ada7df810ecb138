"""The text of a definition in pieces that know their place, and mistakes shown at their place."""

from __future__ import annotations

import ast
import difflib
import re
import sys
from dataclasses import dataclass
from typing import NoReturn

from ..errors import DefinitionError


@dataclass(frozen=True)
class Piece:
    """A part of the text with its place: line number from 1, column from 0 of its first character."""

    text: str
    line: int
    column: int


def complain(source: str, line: int, column: int, problem: str, accepted: str) -> NoReturn:
    """Raise a DefinitionError that starts with the user's line and puts a caret under the place."""
    rows = source.split("\n")
    shown = rows[line - 1] if 0 < line <= len(rows) else source
    raise DefinitionError(f"{shown}\n{' ' * max(column, 0)}^\nline {line}: {problem}\naccepted: {accepted}")


def complain_at(source: str, piece: Piece, needle: str, problem: str, accepted: str) -> NoReturn:
    """The same, with the caret under the first place in the piece where `needle` stands as a word."""
    found = re.search(rf"(?<!\w){re.escape(needle)}(?!\w)", piece.text) if needle else None
    at = found.start() if found else 0
    rows = piece.text[:at].split("\n")
    column = len(rows[-1]) + (piece.column if len(rows) == 1 else 0)
    complain(source, piece.line + len(rows) - 1, column, problem, accepted)


def nearest(word: str, known: list[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"{close[0]!r} (the nearest name); " if close else ""


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
