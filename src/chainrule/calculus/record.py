"""How a gradient came about: what reverse mode did, rule by rule, written out as steps when somebody looks.

While the derivative of a line is taken there is a row of items, each an adjoint times the derivative of a part of the line that is still to be
taken; together they are the gradient at any moment:

    dx[r] = sum[letters](adjoint * diff(part, x[r])) + …

A round applies one rule to all items that it fits. So every step is a formula that is true, and the last is the gradient.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from ..language.digits import equal
from ..language.functions import ALL
from ..language.index import Poly
from ..language.single import plain
from ..language.tree import ZERO, Call, Expr, Line, Read, Reduce, add, fresh_name, mul, reads, rename_bound, subs
from .collapse import Collapsed, Contribution, Known, State, Target, apart, bracketed, summed
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

    @property
    def items(self) -> tuple[Item, ...]:
        """What is left at the end: reads."""
        return self.rounds[-1].items if self.rounds else (self.start,)


@dataclass(frozen=True, eq=False)
class Record:
    """All that led to one gradient: its tensor, the name of the gradient, its places, the lines that use the tensor and what their
    contributions collapsed to, one after the other."""

    tensor: str
    name: str
    target: Target
    uses: tuple[Use, ...]
    axes: tuple[Poly, ...]
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
        e = plain(e, self.r.target.spans, self.r.known.axes)
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
        states = [self.whole(use, (use.start,)) for use in uses]
        self.step(Rule.CHAIN, _total(states), ", ".join(use.line.tensor for use in uses if use.line is not None))
        left = [self.turns(use) for use in uses]
        while turn := next((turns[0] for turns in left if turns), None):
            for k, turns in enumerate(left):  # a rule is applied wherever it comes next
                if turns and (turns[0].rule, turns[0].about) == (turn.rule, turn.about):
                    for line in turns[0].lines:
                        self.give(Rule.WINNER, line, line.tensor)
                    states[k] = self.whole(uses[k], turns.pop(0).items)
            self.step(turn.rule, _total(states), *turn.about)
        self.collapsed()
        return self.out

    def turns(self, use: Use) -> list[Round]:
        """The rounds that had to do with this tensor, with those items alone."""
        out: list[Round] = []
        before: tuple[Item, ...] = (use.start,)
        for turn in use.rounds:
            items = tuple(filter(self.matters, turn.items))
            if items != before:
                out.append(replace(turn, items=items, rule=Rule.FACTOR if self.only_factors(turn.rule, before, items) else turn.rule))
            before = items
        return out

    def only_factors(self, rule: Rule, before: Sequence[Item], after: Sequence[Item]) -> bool:
        """Whether in these products, or above these fraction bars, one factor alone has to do with the tensor; or there is but a minus."""
        if len(before) != len(after):
            return False
        if rule is Rule.SUM:
            return all(
                isinstance(x.part, Call) and x.part.fn == "neg" and x.part.args[0] is y.part for x, y in zip(before, after, strict=True) if x is not y
            )
        if rule not in (Rule.PRODUCT, Rule.QUOTIENT):
            return False
        apart = [x.part for x, y in zip(before, after, strict=True) if x is not y]
        return all(isinstance(e, Call) and (rule is Rule.PRODUCT or not self.reads_it(e.args[1])) for e in apart)

    def collapsed(self) -> None:
        """From the places at which a tensor is read to the place that is asked for: plain letters at once, what has to be solved one by one."""
        states = self.at_places()
        if not all(map(_easy, states)):  # deltas that say one thing only are no step of their own
            self.step(Rule.PLACE, self.formula(states))
        self.solve(states, [{k for k in s.todo if s.index[k].letter} for s in states])
        while first := next((s for s in states if s.todo), None):
            k = first.order[0]
            self.solve(states, [{k} if s.todo and (s.order[0], s.index[k]) == (k, first.index[k]) else set() for s in states])
        results = [p.result for p in self.r.parts]
        self.step(Rule.GATHER if len(results) > 1 else Rule.BOUNDS, _total(results), last=True)

    def at_places(self) -> list[State]:
        """The contributions at the places that the lines' own letters say."""
        out: list[State] = []
        parts = iter(self.r.parts)
        for use in self.r.uses:
            own = self.own(use)
            for item in filter(self.matters, use.items):
                state = next(parts).start
                assert isinstance(item.part, Read)
                for k, p in enumerate(item.part.index):
                    if self.is_own(own, p, k):
                        state, _ = state.solved(k, self.r.target, self.r.axes, self.r.known)
                out.append(state)
        return out

    def solve(self, states: list[State], axes: Sequence[set[int]]) -> None:
        """One step in which these axes are solved."""
        said: dict[str, str] = {}
        for n, wanted in enumerate(axes):
            for k in [k for k in states[n].order if k in wanted]:
                delta = f"δ({states[n].index[k]}, {self.r.target.index[k]})"
                states[n], found = states[n].solved(k, self.r.target, self.r.axes, self.r.known)
                if found:
                    said[delta] = ", ".join(f"{x} = {v}" for x, v in found.items())
        if said:
            self.step(Rule.COLLAPSE, self.formula(states), ", ".join(said), ", ".join(said.values()), last=not any(s.todo for s in states))

    def formula(self, states: Sequence[State]) -> Expr:
        return _total([s.formula(self.r.target, self.r.known) for s in states])

    def own(self, use: Use) -> dict[str, Poly]:
        """The letters of a line that stand at one place of all reads of the tensor, over the whole axis: what the line says of one place has to do
        with that place alone, which is named by the target's letter then."""
        found: dict[str, Poly] = {}
        reads_ = [x.part.index for x in filter(self.matters, use.items) if isinstance(x.part, Read)]
        for k, (r, axis) in enumerate(zip(self.r.target.index, self.r.axes, strict=True)):
            letter = reads_[0][k].letter if reads_ else None
            if letter is None or letter in found or r.letter is None or any(p[k].letter != letter for p in reads_):
                continue
            if letter in use.start.around.bound and equal(use.start.around.bound[letter], axis, self.r.known.facts):
                found[letter] = r
        return found

    def is_own(self, own: Mapping[str, Poly], p: Poly, k: int) -> bool:
        return p.letter is not None and own.get(p.letter) == self.r.target.index[k]

    def matters(self, item: Item) -> bool:
        return self.reads_it(item.part)

    def reads_it(self, e: Expr) -> bool:
        return any(r.tensor == self.r.tensor for r in reads(e))

    def whole(self, use: Use, items: Sequence[Item]) -> Expr:
        """The sum of all items of a line."""
        own = self.own(use)
        return _total([self.one(item, own) for item in items])

    def one(self, item: Item, own: Mapping[str, Poly]) -> Expr:
        """sum[letters](adjoint * diff(part, x[r])). own: the letters that are the target's."""
        there = item.part.index if isinstance(item.part, Read) and item.part.tensor == self.r.tensor else None
        done = there is not None and all(self.is_own(own, p, k) for k, p in enumerate(there))  # ∂x/∂x = 1
        part = item.part if item.value is None else item.value
        body = item.adjoint if done else mul(item.adjoint, Call("diff", (part, HOLE)))
        around = item.around
        c = apart(
            Contribution(tuple(around.bound), tuple(around.bound.values()), (), around.under(body), around.guards),
            self.r.target.letters,
            self.r.known.taken,
        )
        placed = {new: own[old] for old, new in zip(around.bound, c.letters, strict=True) if old in own}
        spans = {x: size for x, size in c.spans.items() if x not in placed}
        used = {*self.r.target.letters, *spans}
        blocked = used | self.r.known.taken
        body = rename_bound(subs(c.body, placed), used, lambda x: fresh_name(x, blocked))
        guards = [(p.subs(placed), size) for p, size in c.guards]
        body = bracketed(_filled(body, self.there), guards, self.r.target.spans | spans, self.r.known)
        return summed(body, spans, self.r.target.spans, self.r.known)


def _easy(s: State) -> bool:
    """Whether every index is a letter of its own."""
    letters = [s.index[k].letter for k in s.todo]
    return len(set(letters)) == len(letters) and all(x in s.summed for x in letters)


def _total(parts: Sequence[Expr]) -> Expr:
    out: Expr = ZERO
    for p in parts:
        out = add(out, p)
    return out


def _filled(e: Expr, there: Read) -> Expr:
    """e with the element that derivatives are taken by."""
    match e:
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
        return kind, ("prod",) if kind is Rule.PRODUCT else ()  # a product over letters is not taken apart with one of factors
    assert isinstance(e, Call)
    simple = {"+": Rule.SUM, "-": Rule.SUM, "neg": Rule.SUM, "*": Rule.PRODUCT, "/": Rule.QUOTIENT, "**": Rule.POWER}
    if e.fn in simple:
        return simple[e.fn], ()
    if e.fn in ("where", "maximum", "minimum"):
        return Rule.CHOICE, ()
    slope = next(iter(ALL[e.fn].partials), None) or "0"
    return Rule.FUNCTION, (e.fn, re.sub(r"\by\b", f"{e.fn}(a)", slope))  # y is a name that formulas have
