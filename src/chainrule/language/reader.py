"""Parts of a text as Python's syntax trees, and mistakes in them shown at their place."""

from __future__ import annotations

import ast
import re
from typing import NoReturn

from .functions import COMPARISONS
from .header import Part
from .source import DEEPEST, Piece, Slip, changed, complain, correct_at, depth_of, make_room, put_in, split_top, wrong

Tree = tuple[ast.expr, tuple[Piece, int, str]]  # with what `place` is told before it is looked at


class Reader:
    """Reads parts of one text; what fails stands in the part that was read last."""

    def __init__(self, source: str):
        self.source = source
        self.trees: dict[tuple[int, int], Tree] = {}
        self.place(Piece(source, 1, 0), 0, "")

    def place(self, piece: Piece, start: int, text: str) -> None:
        """What is read next, for messages: a text in one more pair of brackets, and where in the piece it begins."""
        self.piece, self.start, self.text = piece, start, text

    def cut(self, piece: Piece) -> tuple[Part, Part]:
        """The two sides of a line."""
        sides = split_top(piece.text, "=")
        if len(sides) == 1 and re.search("(?<!=)==(?!=)", piece.text):
            correct_at(self.source, piece, "==", "'==' compares", re.sub(r"\s*==\s*", " = ", piece.text, count=1))
        if len(sides) != 2:
            at = piece.column + (sides[1][1] - 1 if len(sides) > 2 else 0)
            complain(self.source, piece.line, at, "not a formula", "one '=' in 'tensor[indices] = expression'")
        if operator := re.search(r"(\*\*|//|[*/%@+-])$", sides[0][0]):
            at = piece.column + operator.start()
            complain(self.source, piece.line, at, "a line defines its tensor, once and whole", "'=' in 'tensor[indices] = expression'")
        return Part(*sides[0]), Part(*sides[1])

    def fail(self, node: ast.AST | None, problem: str, accepted: str) -> NoReturn:
        complain(self.source, *self.at(node), problem, accepted)

    def correct(self, node: ast.AST, problem: str, meant: str, *plain: str) -> NoReturn:
        """Fail with the statement that the piece should be; plain: what is said where that is not accepted."""
        raise Slip(wrong(self.source, *self.at(node), problem), changed(self.source, self.piece, meant), self.piece.line, *plain)

    def at(self, node: ast.AST | None) -> tuple[int, int]:
        """(line, column) of a node."""
        if node is None:
            return self.piece.line, self.piece.column
        before = self.piece.text[: self.start].split("\n")
        line, column = self.piece.line + len(before) - 1, len(before[-1]) + (self.piece.column if len(before) == 1 else 0)
        row = getattr(node, "lineno", 1) - 1
        raw = self.text.encode().split(b"\n")[row][: getattr(node, "col_offset", 0)]
        at = len(raw.decode(errors="ignore")) - (1 if row == 0 else 0)  # the bracket that was put in front
        return line + row, column + at if row == 0 else at

    def expression(self, piece: Piece, part: Part) -> ast.expr:
        """A part of a piece as a tree; what is reported from then on stands in it."""
        key = (piece.line, part.shift)
        if key not in self.trees:
            self.trees[key] = self._expression(piece, part), (self.piece, self.start, self.text)
        tree, where = self.trees[key]
        self.place(*where)
        return tree

    def _expression(self, piece: Piece, part: Part) -> ast.expr:
        stripped = part.text.strip()
        self.place(piece, part.shift + len(part.text) - len(part.text.lstrip()), f"({stripped})")
        if not stripped:
            self.fail(None, "something is missing here", "an expression")
        try:
            tree = ast.parse(self.text, mode="eval").body
            depth = depth_of(tree)
            if depth > DEEPEST:
                self.fail(tree, f"a formula of {depth} operations in one another", f"up to {DEEPEST}; parts of it on lines of their own")
            make_room(depth)
            return tree
        except (RecursionError, MemoryError):
            self.fail(None, "a formula of very many operations in one another", f"up to {DEEPEST}; parts of it on lines of their own")
        except SyntaxError as e:
            place = ast.Constant(0)
            place.lineno, place.col_offset = e.lineno or 1, max((e.offset or 1) - 1, 0)
            self.fail(place, f"not an expression: {e.msg}", "Python's arithmetic: + - * / **, comparisons, calls, t[i,j]")

    def segment(self, node: ast.expr) -> str:
        """What was written for a node."""
        return ast.get_source_segment(self.text, node) or ast.unparse(node)

    def corrected(self, node: ast.expr, meant: str) -> str:
        """The line with something else in the place of a node."""
        before, after = self.around(node)
        return self.replaced(node, put_in(before, meant, after))

    def replaced(self, node: ast.expr, meant: str) -> str:
        """The same, letter by letter."""
        before, after = self.around(node)
        part = (before + meant + after)[1:-1]
        whole = self.piece.text
        return " ".join((whole[: self.start] + part + whole[self.start + len(self.text) - 2 :]).split())

    def around(self, node: ast.expr) -> tuple[str, str]:
        """What is written before and behind a node."""
        lines = self.text.encode().split(b"\n")
        start = sum(len(row) + 1 for row in lines[: node.lineno - 1]) + node.col_offset
        end = sum(len(row) + 1 for row in lines[: (node.end_lineno or 1) - 1]) + (node.end_col_offset or 0)
        raw = self.text.encode()
        return raw[:start].decode(), raw[end:].decode()


def is_test(node: ast.expr) -> bool:
    """Whether an expression is 1 or 0 by its form."""
    if isinstance(node, ast.BoolOp):
        return all(is_test(v) for v in node.values)
    if isinstance(node, ast.UnaryOp):
        return isinstance(node.op, ast.Not)
    return isinstance(node, ast.Compare) or (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in COMPARISONS)
