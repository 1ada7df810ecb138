"""A definition as the calculus wants it: no letter bound twice in a line, nothing so long or so deep that its gradient grows with a power of it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce

from ..language.brackets import is_test
from ..language.functions import RING
from ..language.index import Poly
from ..language.tree import (
    Call,
    Definition,
    Expr,
    Line,
    Read,
    children,
    free_names,
    fresh_name,
    letters_of,
    product,
    product_factors,
    reads,
    rebuild,
    rename_bound,
)

LONGEST = 16  # factors of a product; the gradient for each holds all others
DEEPEST = 8  # functions in one another; the gradient holds each of them with all that is in it


def prepared(d: Definition) -> Definition:
    """The same tensors, computed in the same order."""
    return unique_letters(short_products(d))


def unique_letters(d: Definition) -> Definition:
    """The same definition with no letter bound twice in one line."""
    return d.with_lines(
        lines=tuple(replace(x, expr=distinct(x.expr, set(x.letters), d.names)) for x in d.lines),
    )


def distinct(e: Expr, taken: set[str], names: Collection[str]) -> Expr:
    """e with every bound letter one that is not taken, and bound once; `taken` grows. New letters are none of the names."""
    inside = letters_of(e)  # a new letter must not be caught further in
    return rename_bound(e, taken, lambda x: fresh_name(x, taken.union(names, inside)))


def short_products(d: Definition) -> Definition:
    """The same definition with the first factors of long products, and the inner parts of deep formulas, on lines of their own."""
    split = _Split(set(d.names))
    for line in d.lines:
        split.line = line
        expr, _ = split.cut(split.visit(line.expr)[0])
        split.lines.append(line if expr is line.expr else replace(line, expr=expr))
    return d if len(split.lines) == len(d.lines) else d.with_lines(lines=tuple(split.lines))


@dataclass
class _Split:
    taken: set[str]
    lines: list[Line] = field(default_factory=list)
    line: Line | None = None

    def visit(self, e: Expr, tests: Sequence[Expr] = ()) -> tuple[Expr, int]:
        """e with long products cut short, and how many factors it then has. What stands in a reduction stays: its terms may be dropped.

        tests: factors around e that are zeros for all of the product; what is saved has them too, or its derivative would not.
        """
        if not isinstance(e, Call):
            return e, 1
        if e.fn != "*":
            return rebuild(e, lambda a: self.visit(a)[0]), 1
        factors = product_factors(e)
        found = list(filter(is_test, factors)) if len(factors) > LONGEST else []
        if found:
            tests = found
            e = reduce(lambda a, b: Call("*", (a, b)), [f for f in factors if not is_test(f)] + found)
            assert isinstance(e, Call)
        a, m = self.visit(e.args[0], tests)
        b, n = self.visit(e.args[1])
        if m >= LONGEST:
            a, m = self.saved(product([a, *tests])), 1
        return (e if (a, b) == e.args else Call("*", (a, b))), m + n

    def cut(self, e: Expr) -> tuple[Expr, int]:
        """e with what is deep inside on lines of its own, and how many functions then stand in one another."""
        if not isinstance(e, Call) or is_test(e):
            return e, 0
        args, depths = zip(*map(self.cut, e.args), strict=True) if e.args else ((), (0,))
        if e.fn not in RING:
            args = tuple(self.saved(a) if d >= DEEPEST else a for a, d in zip(args, depths, strict=True))
        depth = max(0 if d >= DEEPEST and e.fn not in RING else d for d in depths) + (e.fn not in RING)
        return (e if args == e.args else Call(e.fn, args)), depth

    def saved(self, e: Expr) -> Read:
        """A read of a new tensor that holds e."""
        assert self.line is not None
        name = fresh_name(f"{self.line.tensor}_part", self.taken)
        self.taken.add(name)
        free = free_names(e)
        kept = [(x, r) for x, r in zip(self.line.letters, self.line.ranges, strict=True) if x in free]
        self.lines.append(Line(name, tuple(x for x, _ in kept), tuple(r for _, r in kept), e))
        return Read(name, tuple(Poly.name(x) for x, _ in kept))


def active_tensors(d: Definition, wrt: Sequence[str]) -> set[str]:
    """Tensors that depend on `wrt`."""
    active = set(wrt)
    for line in d.lines:
        if any(r.tensor in active for r in reads(line.expr)):
            active.add(line.tensor)
    return active


def moving(e: Expr, active: Collection[str]) -> set[int]:
    """The nodes of e, by id, in which an active tensor is read."""
    found: set[int] = set()

    def visit(node: Expr) -> bool:
        below = [visit(child) for child in children(node)]
        here = node.tensor in active if isinstance(node, Read) else True in below
        if here:
            found.add(id(node))  # the tree is kept alive by its definition
        return here

    visit(e)
    return found
