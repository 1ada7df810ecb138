"""How a tangent came about, rule by rule: as in reverse mode (record.py), with tangents behind the derivatives in place of adjoints before them.

    ty[i] = sum[r](diff(part, x[r]) * tx[r]) * factor + …

A letter of x that the part has at one place alone is that place, and no sum is written for it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from ..language.functions import ALL, Kind
from ..language.index import Poly
from ..language.single import plain
from ..language.tree import ONE, ZERO, Call, Definition, Expr, Line, Read, Reduce, add, letters_of, mul, reads
from .collapse import Known, bracketed, new_letters, summed, sure
from .parts import Parts
from .record import Around, Item
from .steps import Rule, Step
from .tidy import LONGEST, fixed, neat, size


@dataclass(frozen=True, eq=False)
class Rates:
    """What tangents came from: the definition, the tensors that move, the names of tangents, their lines, the decisions of each line, all axes."""

    d: Definition
    active: Collection[str]
    names: Mapping[str, str]
    lines: tuple[Line, ...]
    decided: Mapping[str, tuple[Line, ...]]
    axes: dict[str, tuple[Poly, ...]]

    def steps(self) -> Iterator[tuple[str, list[Step]]]:
        """The steps of each tangent, by its name."""
        given: set[str] = set()
        for line in self.d.lines:
            made = next((x for x in self.lines if x.tensor == self.names[line.tensor]), None)
            if made is not None:
                yield made.tensor, _Writer(self, line, made, given).steps()


class _Writer:
    def __init__(self, rates: Rates, line: Line, made: Line, given: set[str]):
        self.rates, self.line, self.made, self.given = rates, line, made, given
        self.spans = dict(zip(line.letters, line.ranges, strict=True))
        self.parts = Parts(rates.d, rates.axes, set(rates.axes) | set(rates.d.names))
        self.parts.begin(line, rates.active)
        self.parts.decided = list(rates.decided.get(line.tensor, ()))
        self.known = Known(rates.axes, frozenset(self.parts.taken), rates.d.facts, fixed(rates.d), rates.d.floats)
        self.out: list[Step] = []
        self.last: Expr | None = None

    def step(self, rule: Rule, e: Expr, *about: str, last: bool = False) -> None:
        if size(e) > LONGEST and not last:
            return
        e = neat(e, self.known.fixed | self.known.axes.keys() | set(self.line.letters), self.known.floats)
        e = plain(e, self.spans, self.known.axes)
        if e != self.last:
            line = Line(self.made.tensor, self.line.letters, self.line.ranges, e, self.line.target)
            self.out.append(Step(rule, lambda: line, self.known.axes, about))
            self.last = e

    def give(self, rule: Rule, line: Line, *about: str) -> None:
        if line.tensor not in self.given:
            self.given.add(line.tensor)
            self.out.append(Step(rule, lambda: line, self.known.axes, about))

    def steps(self) -> list[Step]:
        there = {r.tensor for r in reads(self.line.expr)}
        for line in self.rates.d.lines:
            if line.tensor in there and line.tensor not in self.rates.active and _moves(line, self.rates):
                self.give(Rule.CANCELS, line, line.tensor)
        self.give(Rule.GIVEN, self.line)
        if self.line.tensor not in self.rates.active:
            self.step(Rule.NOTHING, self.made.expr)
            return self.out
        start = Item(ONE, self.line.expr, Around(self.spans), self.line.read)
        self.step(Rule.CHAIN, self.one(start), ", ".join(dict.fromkeys(r.tensor for r in _varying(self.line.expr) if r.tensor in self.rates.active)))
        items: tuple[Item, ...] = (start,)
        for turn in self.parts.rounds(start):
            items = turn.items
            for line in turn.lines:
                self.give(Rule.WINNER, line, line.tensor)
            total: Expr = ZERO
            for item in items:
                total = add(total, self.one(item))
            self.step(turn.rule, total, *turn.about)
        self.step(Rule.PARTS, self.made.expr, last=True)  # as forward mode writes it: factors before sums, what is common put together
        return self.out

    def one(self, item: Item) -> Expr:
        """What an item adds to the tangent."""
        spans = {x: r for x, r in item.around.bound.items() if x not in self.spans}
        body = item.around.under(mul(self.rate(item), item.adjoint))
        if body == ZERO:
            return ZERO
        return summed(bracketed(body, list(item.around.guards), self.spans | spans, self.known), spans, self.spans, self.known)

    def rate(self, item: Item) -> Expr:
        """How a part changes: by all that it reads."""
        if isinstance(item.part, Read) and item.value is None:
            return Read(self.rates.names[item.part.tensor], item.part.index)
        shown = item.part if item.value is None else item.value
        found: dict[str, list[Read]] = {}
        for r in _varying(item.part):
            if r.tensor in self.rates.active:
                found.setdefault(r.tensor, []).append(r)
        total: Expr = ZERO
        for tensor, there in found.items():
            total = add(total, self.by(shown, tensor, there, item))
        return total

    def by(self, shown: Expr, tensor: str, there: list[Read], item: Item) -> Expr:
        """sum[r](diff(part, x[r]) * tx[r]) for one tensor."""
        around = set(item.around.bound)
        bound = letters_of(item.part)
        blocked = around | letters_of(shown) | letters_of(item.adjoint) | self.known.fixed | self.known.axes.keys()
        index: list[Poly] = []
        spans: dict[str, Poly] = {}
        for k, axis in enumerate(self.known.axes[tensor]):
            p = there[0].index[k]
            if any(r.index[k] != p for r in there) or p.names & bound or not sure(p, axis, item.around.bound, self.known):
                wanted = p.letter if p.letter is not None and p.letter not in blocked else None
                letter = wanted or new_letters(1, blocked)[0]
                blocked.add(letter)
                spans[letter] = axis
                p = Poly.name(letter)
            index.append(p)
        body = mul(Call("diff", (shown, Read(tensor, tuple(index)))), Read(self.rates.names[tensor], tuple(index)))
        return Reduce(Kind.SUM, tuple(spans), tuple(spans.values()), body) if spans else body


def _varying(e: Expr) -> Iterator[Read]:
    """The reads by which a value changes smoothly."""
    if isinstance(e, Read):
        yield e
    elif isinstance(e, Reduce):
        if e.kind is not Kind.ARGMAX:
            yield from _varying(e.body)
    elif isinstance(e, Call):
        partials = ALL[e.fn].partials
        for k, a in enumerate(e.args):
            if k < len(partials) and partials[k] is not None:
                yield from _varying(a)


def _moves(line: Line, rates: Rates) -> bool:
    """Whether a line reads what moves."""
    return any(r.tensor in rates.active for r in reads(line.expr))
