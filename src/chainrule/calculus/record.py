"""How a gradient came about: what reverse mode did, rule by rule, written out as steps when somebody looks.

While the derivative of a line is taken there is a row of items, each an adjoint times the derivative of a part of the line that is still to be
taken; together they are the gradient at any moment:

    dx[r] = sum[letters](adjoint * diff(part, x[r])) + …

A round applies one rule to all items that it fits. So every step is a formula that is true, and the last is the gradient.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from ..language.functions import ALL
from ..language.index import Poly
from ..language.tree import ONE, ZERO, Call, Expr, Line, Read, Reduce, add, fresh_name, mul, reads, rename_bound
from .collapse import Collapsed, Contribution, Known, Target, apart, bracketed, summed
from .rules import only
from .steps import Rule, Step
from .tidy import LONGEST, neat, size

Axes = Mapping[str, tuple[Poly, ...]]
HOLE = Read("#", ())  # what a derivative is taken by, until letters are named


@dataclass(frozen=True)
class Around:
    """What is around a place in a formula: letters with their ranges, indices that must be inside, decisions that led here."""

    bound: dict[str, Poly]
    guards: tuple[tuple[Poly, Poly], ...] = ()
    tests: tuple[tuple[Expr, bool], ...] = ()

    def where(self, test: Expr, holds: bool) -> Around:
        return replace(self, tests=(*self.tests, (test, holds)))

    def under(self, e: Expr) -> Expr:
        """e where all decisions hold, else 0."""
        for test, holds in reversed(self.tests):
            e = only(test, holds, e)
        return e


@dataclass(frozen=True, eq=False)
class Item:
    """adjoint * ∂part/∂x, for every value of the letters around; `value` is a tensor that holds the part, if any."""

    adjoint: Expr
    part: Expr
    around: Around
    value: Expr | None = None


@dataclass(frozen=True, eq=False)
class Round:
    """What the items are after one rule; lines that came with it (decisions)."""

    rule: Rule
    about: tuple[str, ...]
    items: tuple[Item, ...]
    lines: tuple[Line, ...] = ()


@dataclass
class Use:
    """A line that reads a tensor, and what was done with it; or (no line) what is given for an output itself."""

    line: Line | None
    start: Item
    rounds: list[Round] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Record:
    """All that led to one gradient: its tensor, the name of the gradient, its places, the lines that use the tensor and what their
    contributions collapsed to, one after the other."""

    tensor: str
    name: str
    target: Target
    uses: tuple[Use, ...]
    parts: tuple[Collapsed, ...]
    line: Line
    known: Known
    cancels: tuple[Line, ...] = ()  # lines that are read, but on which nothing depends

    def steps(self, given: set[str]) -> list[Step]:
        """The steps, those that lead nowhere new left out. given: lines that were shown before, which grows."""
        return _Writer(self, given).steps()


class _Writer:
    def __init__(self, record: Record, given: set[str]):
        self.r, self.given = record, given
        self.out: list[Step] = []
        self.there = Read(record.tensor, record.target.index)
        self.last: Expr | None = None

    def step(self, rule: Rule, e: Expr, *about: str, last: bool = False) -> None:
        """A step, where it leads to another formula than the one before, and to one that somebody might read."""
        if size(e) > LONGEST and not last:
            return
        e = neat(e, self.r.known.fixed | self.r.known.axes.keys() | set(self.r.target.letters), self.r.known.floats)
        if e != self.last:
            line = self.r.target.line(self.r.name, e)
            self.out.append(Step(rule, lambda: line, self.r.known.axes, about))
            self.last = e

    def give(self, rule: Rule, line: Line, *about: str) -> None:
        """A line of the forward formula, once."""
        if line.tensor not in self.given:
            self.given.add(line.tensor)
            self.out.append(Step(rule, lambda: line, self.r.known.axes, about))

    def steps(self) -> list[Step]:
        uses = self.r.uses
        if not uses:
            self.step(Rule.NOTHING, ZERO)
            return self.out
        for use in uses:
            if use.line is not None:
                there = {x.tensor for x in reads(use.line.expr)}
                for line in self.r.cancels:
                    if line.tensor in there:
                        self.give(Rule.CANCELS, line, line.tensor)
                self.give(Rule.GIVEN, use.line)
        states = [self.whole((use.start,)) for use in uses]
        self.step(Rule.CHAIN, _total(states), ", ".join(use.line.tensor for use in uses if use.line is not None))
        waiting = [self.turns(use) for use in uses]
        while (first := next((turns[0] for turns in waiting if turns), None)) is not None:
            for k, turns in enumerate(waiting):  # one rule, wherever it is next
                if turns and (turns[0].rule, turns[0].about) == (first.rule, first.about):
                    turn = turns.pop(0)
                    for line in turn.lines:
                        self.give(Rule.WINNER, line, line.tensor)
                    states[k] = self.whole(turn.items)
            self.step(first.rule, _total(states), *first.about)
        self.collapsed()
        return self.out

    def turns(self, use: Use) -> list[Round]:
        """The rounds of a use that change what is said of this tensor."""
        out: list[Round] = []
        before: tuple[Item, ...] = (use.start,)
        for turn in use.rounds:
            items = tuple(item for item in turn.items if self.matters(item))
            if items != before or turn.lines:
                out.append(replace(turn, items=items))
            before = items
        return out

    def collapsed(self) -> None:
        """From the places at which a tensor is read to the place that is asked for, all contributions side by side."""
        moves = [p.moves for p in self.r.parts]
        states = [m[0].e if m else p.result for p, m in zip(self.r.parts, moves, strict=True)]
        if not moves or not all(p.easy for p in self.r.parts):  # deltas that say one thing only are no step of their own
            self.step(Rule.PLACE, _total(states))
        longest = max(map(len, moves), default=0)
        for k in range(1, longest):
            about: dict[tuple[str, ...], None] = {}
            for j, m in enumerate(moves):
                if k < len(m):
                    states[j] = m[k].e
                    about[m[k].about] = None
            self.step(Rule.COLLAPSE, _total(states), *map("; ".join, zip(*about, strict=True)), last=k + 1 == longest)
        states = [p.result for p in self.r.parts]
        self.step(Rule.GATHER if len(states) > 1 else Rule.BOUNDS, _total(states), last=True)

    def matters(self, item: Item) -> bool:
        return any(r.tensor == self.r.tensor for r in reads(item.part))

    def whole(self, items: Sequence[Item]) -> Expr:
        """The sum of all items."""
        return _total([self.one(item) for item in items])

    def one(self, item: Item) -> Expr:
        """sum[letters](adjoint * diff(part, x[r]))."""
        done = isinstance(item.part, Read) and item.part.tensor == self.r.tensor and not item.part.index
        part = item.part if item.value is None else item.value
        body = item.adjoint if done else mul(item.adjoint, Call("diff", (part, HOLE)))
        c = Contribution(tuple(item.around.bound), tuple(item.around.bound.values()), (), item.around.under(body), item.around.guards)
        c = apart(c, self.r.target.letters, self.r.known.taken)
        used = {*self.r.target.letters, *c.letters}
        blocked = used | self.r.known.taken
        body = rename_bound(c.body, used, lambda x: fresh_name(x, blocked))
        body = bracketed(_filled(body, self.there), list(c.guards), self.r.target.spans | c.spans, self.r.known)
        return summed(body, c.spans)


def _total(parts: Sequence[Expr]) -> Expr:
    out: Expr = ZERO
    for p in parts:
        out = add(out, p)
    return out


def _filled(e: Expr, there: Read) -> Expr:
    """e with the element that derivatives are taken by; ∂x/∂x of a number is 1."""
    match e:
        case Call("diff", (Read(tensor, ()), _)) if tensor == there.tensor and not there.index:
            return ONE
        case Call("diff", (part, _)):
            return Call("diff", (part, there))
        case Call(fn, args):
            return Call(fn, tuple(_filled(a, there) for a in args))
        case Reduce():
            return replace(e, body=_filled(e.body, there))
    return e


def rule_of(e: Expr) -> tuple[Rule, tuple[str, ...]]:
    """The rule that takes the derivative of e apart, and what it is about."""
    if isinstance(e, Reduce):
        kind = {"mean": Rule.MEAN, "prod": Rule.PRODUCT, "max": Rule.WON, "min": Rule.WON}.get(e.kind.value, Rule.SUM)
        return kind, ()
    assert isinstance(e, Call)
    simple = {"+": Rule.SUM, "-": Rule.SUM, "neg": Rule.SUM, "*": Rule.PRODUCT, "/": Rule.QUOTIENT, "**": Rule.POWER}
    if e.fn in simple:
        return simple[e.fn], ()
    if e.fn in ("where", "maximum", "minimum"):
        return Rule.CHOICE, ()
    return Rule.FUNCTION, (e.fn, next(iter(ALL[e.fn].partials), None) or "0")
