"""Applying laws: everywhere in an expression, until none fits."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ..language.tree import Call, Expr, Line, Read, Reduce, add, children, div, mul, neg, sub, subs
from .laws import Law
from .match import signature
from .prepare import distinct
from .scope import Scope

ROUNDS = 12  # of all rules; what still changes then is left as it is


@dataclass
class Rewriting:
    """Rules applied to one expression, each everywhere it fits. What a rule left as it was is not looked at again while it stays the same object."""

    rules: Sequence[Law]
    scope: Scope
    settled: dict[tuple[int, int], Expr] = field(default_factory=dict)  # by rule and node; it keeps the nodes alive

    def moves(self, e: Expr) -> Iterator[tuple[Law, Expr]]:
        """(rule, what e is then), until no rule fits."""
        for _ in range(ROUNDS):
            before = e
            for number, rule in enumerate(self.rules):
                new = self.applied(e, number, rule, self.scope)
                if new is not e:
                    e = new
                    yield rule, e
            if e is before:
                break

    def applied(self, e: Expr, number: int, rule: Law, scope: Scope) -> Expr:
        """e with a rule applied wherever it fits, the innermost places first."""
        key = number, id(e)  # kept alive by settled
        if not isinstance(e, (Call, Reduce)) or key in self.settled:
            return e
        inner = scope.within(e) if isinstance(e, Reduce) else scope
        new = remade(e, tuple(self.applied(a, number, rule, inner) for a in children(e)))
        if new is not e and scope.outside(new) != scope.outside(e):  # a part that became 0 said which terms there are
            self.settled[key] = e
            return e
        as_written = signature(new) in scope.written and rule.changes  # the forward formula's own words stay
        found = rule.there(new, scope) if rule.fits(new) and not as_written else None
        if found is None or found == new or scope.outside(found) != scope.outside(new):  # what may lie outside says which terms there are
            self.settled[number, id(new)] = new  # kept alive by the table
            return new
        return found


def rewritten(e: Expr, rules: Sequence[Law], scope: Scope) -> Expr:
    """e with rules applied until none fits."""
    return [e, *(new for _, new in Rewriting(rules, scope).moves(e))][-1]


def _less(a: Expr, b: Expr) -> Expr:
    return add(a, b.args[0]) if isinstance(b, Call) and b.fn == "neg" else sub(a, b)


MAKERS: dict[str, Callable[..., Expr]] = {"+": add, "-": _less, "*": mul, "/": div, "neg": neg}


def remade(e: Expr, parts: tuple[Expr, ...]) -> Expr:
    """e with other parts; e itself where they are the same."""
    if all(x is y for x, y in zip(parts, children(e), strict=True)):
        return e
    if isinstance(e, Reduce):
        return Reduce(e.kind, e.letters, e.ranges, parts[0])
    assert isinstance(e, Call)
    return MAKERS[e.fn](*parts) if e.fn in MAKERS else Call(e.fn, parts)


def put_in(e: Expr, lines: Mapping[str, Line], around: set[str], names: Collection[str]) -> Expr:
    """e with what lines say in place of reads of them; around: letters that mean something else there, names: those that no new letter may have."""
    if isinstance(e, Read) and e.tensor in lines:
        line = lines[e.tensor]
        value = distinct(line.expr, around | set(line.letters), names)
        return subs(value, dict(zip(line.letters, e.index, strict=True)))
    if isinstance(e, Reduce):
        around = around | set(e.letters)
    return remade(e, tuple(put_in(a, lines, around, names) for a in children(e)))
