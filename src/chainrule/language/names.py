"""What names mean in a text: letters, sizes and settings in index expressions, and the members of families under a star."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator
from functools import reduce
from typing import NoReturn, TypeVar

from . import habits
from .families import Families
from .functions import FOLDS
from .index import Poly
from .reader import Reader
from .tree import Call, Expr, folded

T = TypeVar("T", Poly, Expr)


class Names:
    """The names of one text as far as it has been read, and what reads them in index expressions."""

    def __init__(self, reader: Reader, words: set[str]):
        self.reader, self.words = reader, words
        self.settings: dict[str, int | float] = {}
        self.tensors: set[str] = set()
        self.whole: dict[str, tuple[Poly, ...]] = {}
        self.families = Families()
        self.member: int | None = None  # whose turn it is, under a star

    def spread(self, items: Iterable[ast.expr]) -> Iterator[ast.expr]:
        """The items, those with a star once for each of their members."""
        for item in items:
            if not isinstance(item, ast.Starred):
                yield item
                continue
            rank = self.families.rank(item)
            if rank is None:
                self.reader.fail(item, f"{ast.unparse(item)!r} names no family of axes", "a family that an input has, as in 'x[n,*A]'")
            for k in range(rank):
                self.member = k
                yield item.value
            self.member = None

    def integer(self, node: ast.expr) -> Poly:
        """An index expression."""
        if isinstance(node, ast.Name):
            if node.id in self.tensors:
                self.no_index(node, node.id)
            name = self.one(node)
            if isinstance(self.settings.get(name), float):
                self.reader.fail(node, f"setting {node.id!r} is not a whole number", "a whole number in an index")
            return Poly.name(name)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in FOLDS:
            return self.folded(node, self.integer, Poly.of)
        if isinstance(node, ast.Constant) and type(node.value) is int:
            if node.value >= 1 << 62:
                self.reader.fail(node, f"{node.value} is too large for an index", "whole numbers below 2**62")
            return Poly.of(node.value)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
            inner = self.integer(node.operand)
            return -inner if isinstance(node.op, ast.USub) else inner
        if isinstance(node, ast.BinOp):
            a, b = self.integer(node.left), self.integer(node.right)
            try:
                match node.op:
                    case ast.Add():
                        return a + b
                    case ast.Sub():
                        return a - b
                    case ast.Mult():
                        return a * b
                    case ast.FloorDiv():
                        return a // b
                    case ast.Mod():
                        return a % b
            except ZeroDivisionError:
                self.reader.fail(node, "division by zero", "a divisor that is not zero")
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id in self.tensors:
            self.no_index(node, node.value.id)
        habits.no_index(self.reader, node)
        self.reader.fail(node, f"{ast.unparse(node)!r} is not an index expression", "letters, sizes, settings and whole numbers with + - * // %")

    def no_index(self, node: ast.expr, tensor: str) -> NoReturn:
        if tensor in self.whole:
            self.reader.fail(node, f"{tensor!r} stands in index arithmetic", f"{tensor!r} alone on an axis of what it looks up")
        self.reader.fail(
            node,
            f"{tensor!r} is a tensor, not an index",
            f"letters, sizes, settings and whole numbers; an input declared '{tensor}[…]: int' in the header",
        )

    def one(self, node: ast.Name) -> str:
        """The name, or that of the member whose turn it is."""
        members = self.families.members.get(node.id)
        if members is None:
            return node.id
        if self.member is None:
            self.reader.fail(node, f"{node.id!r} stands for several axes", f"it under a star, as in '*{node.id}'")
        return members[self.member]

    def folded(self, node: ast.Call, read: Callable[[ast.expr], T], number: Callable[[int], T]) -> T:
        """prod(*…) and sum(*…) over the members of a family; after(A), the product of those that follow the one whose turn it is."""
        assert isinstance(node.func, ast.Name)
        arg, word = (node.args[0] if len(node.args) == 1 else None), node.func.id
        if word == "after":
            rank = self.families.rank(node)
            if self.member is None or rank is None or arg is None:
                self.reader.fail(node, "'after' means the members of a family that follow", "'after(A)' under a star, as in '*(a*after(A))'")
            here, terms = self.member, []
            for self.member in range(here + 1, rank):
                terms.append(read(arg))
            self.member = here
        elif not isinstance(arg, ast.Starred):
            self.reader.fail(node, f"{word!r} of what?", f"a family, as in '{word}(*A)'")
        else:
            terms = [read(x) for x in self.spread([arg])]
        if not terms:
            return number(0 if word == "sum" else 1)
        return reduce((lambda a, b: self.joined(a, b, word == "sum")), terms)

    def joined(self, a: T, b: T, plus: bool) -> T:
        if isinstance(a, Poly):
            return a + b if plus else a * b  # type: ignore[operator,return-value]  # both are Poly then
        return self.fold(Call("+" if plus else "*", (a, b)))  # type: ignore[arg-type,return-value]  # both are expressions then

    def fold(self, e: Call) -> Expr:
        return folded(e, [name for name, v in self.settings.items() if isinstance(v, float)])
