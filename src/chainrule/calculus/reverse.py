"""Reverse mode: from a definition to the definition of its gradients.

The adjoint of a line is pushed down its expression tree. Where it meets a tensor read x[φ] it is a contribution
dx[φ] += … for every value of the letters around; written with a Kronecker delta that is

    dx[r] = sum[letters](… * δ(φ, r))

and solving φ = r for a letter collapses the delta and that letter's sum (collapse.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..language.digits import fits
from ..language.functions import Kind
from ..language.index import Poly
from ..language.lazy import cached_property
from ..language.show import definition_text
from ..language.source import make_room
from ..language.tree import (
    ZERO,
    Call,
    Definition,
    Expr,
    Index,
    Line,
    Read,
    Reduce,
    Tensor,
    direct_reads,
    div,
    fresh_name,
    letters_of,
    mul,
    number_of,
    reads,
)
from . import zeros
from .collapse import Contribution, Known, gather
from .decisions import winner
from .prepare import active_tensors, distinct, moving, prepared
from .record import Around, Item, Record, Round, Use, rule_of
from .rules import chosen, derivative, flat, others
from .shifts import cancelling
from .steps import Rule, Step
from .tidy import Moves, fixed, rewriting, tidied


@dataclass(frozen=True)
class Gradient:
    """The derived definition, how its parts are named, and the record of how it came about.

    `forward` is how many of its lines compute values (the original lines and saved decisions); the rest are
    gradients. `seed` and `of` name ∂E/∂(output) among the inputs and ∂E/∂(input) among the outputs; `records` says
    how each gradient came about, `moves` how its line was then rewritten, by the name of its tensor.
    """

    definition: Definition
    forward: int
    seed: dict[str, str]
    of: dict[str, str]
    records: dict[str, Record]
    moves: dict[str, Moves]

    @cached_property
    def steps(self) -> dict[str, tuple[Step, ...]]:
        """The derivation of each gradient, in the order in which they are computed."""
        given: set[str] = set()
        axes = next(iter(self.records.values())).known.axes if self.records else {}
        return {name: (*r.steps(given), *rewriting(self.moves.get(name, ()), axes)) for name, r in self.records.items()}

    def __str__(self) -> str:
        return definition_text(self.definition)


@dataclass
class _Pending:
    """What has been pushed towards one tensor so far, and the lines it came from."""

    contributions: list[Contribution] = field(default_factory=list)
    uses: list[Use] = field(default_factory=list)
    zero: set[zeros.Condition] | None = None  # without which all that was pushed is 0


def reverse(d: Definition, wrt: Sequence[str]) -> Gradient:
    """∂E/∂x for each x in wrt, given ∂E/∂y for each output y."""
    return _Reverse(prepared(d), tuple(wrt)).run()


class _Reverse:
    def __init__(self, d: Definition, wrt: tuple[str, ...]):
        self.d, self.wrt = d, wrt
        self.taken = set(d.names)
        cancels = cancelling(d)
        self.cancels = tuple(x for x in d.lines if x.tensor in cancels)
        self.active = active_tensors(d, wrt) - cancels
        self.pending: dict[str, _Pending] = {t: _Pending() for t in (*d.axes,)}
        self.fixed = fixed(d)
        self.written, self.carried = zeros.written(d), set[str]()
        self.axes = dict(d.axes)
        self.adjoint = {t: self.name(f"d{t}") for t in (*d.axes,)}

    def name(self, wanted: str) -> str:
        found = fresh_name(wanted, self.taken)
        self.taken.add(found)
        return found

    def run(self) -> Gradient:
        d = self.d
        outputs = {t.name for t in d.outputs}
        seeds = {t: self.adjoint[t] for t in outputs}
        for t in outputs:
            self.axes[seeds[t]] = d.axes[t]
            if any(r.tensor == t for line in d.lines for r in reads(line.expr)):  # what later lines give is added to the seed
                self.adjoint[t] = self.name(f"d{t}_total")
        decisions: dict[str, list[Line]] = {}
        backward: list[Line] = []
        records: dict[str, Record] = {}
        for line in reversed(d.lines):
            if line.tensor not in self.active:
                continue
            pending = self.pending[line.tensor]
            if line.tensor in outputs:
                own = Contribution(line.letters, line.ranges, line.index, Read(seeds[line.tensor], line.index))
                if pending.contributions:
                    pending.contributions.insert(0, own)
                    pending.uses.insert(0, Use(None, Item(own.body, line.read, Around(own.spans))))
                    backward.append(self.finish(line.tensor, records))
                else:
                    self.adjoint[line.tensor] = seeds[line.tensor]
            elif pending.contributions:
                backward.append(self.finish(line.tensor, records))
            else:
                continue
            seed = Read(self.adjoint[line.tensor], line.index)
            self.decided: list[Line] = []
            self.line, self.moving = line, moving(line.expr, self.active)
            known = self.conditions(line, backward[-1] if backward else None)
            self.push(Item(seed, line.expr, Around(dict(zip(line.letters, line.ranges, strict=True)), tests=known), line.read))
            decisions[line.tensor] = self.decided
        for t in self.wrt:
            backward.append(self.finish(t, records))
        forward = [x for line in d.lines for x in (line, *decisions.get(line.tensor, ()))]
        of = {t: self.adjoint[t] for t in self.wrt}
        inputs = d.inputs + tuple(Tensor(seeds[t.name], t.axes) for t in d.outputs)
        results = tuple(Tensor(of[t], d.axes[t]) for t in self.wrt)
        label = self.name(f"{d.name}_{'_'.join('d' + t for t in self.wrt)}")
        derived = Definition(label, inputs, d.settings, results, tuple(forward + backward), d.sample_size)
        derived, moves = tidied(derived, len(forward))
        values = {x.tensor for x in forward}
        kept = sum(x.tensor in values for x in derived.lines)
        return Gradient(derived, kept, seeds, of, records, moves)

    def conditions(self, line: Line, adjoint: Line | None) -> tuple[zeros.Condition, ...]:
        """The tests under which a line's adjoint is not 0, where a product of it could be 0 * inf."""
        self.found: tuple[zeros.Condition, ...] = ()
        if adjoint is None or adjoint.tensor != self.adjoint[line.tensor] or not self.written:
            return ()
        self.found = zeros.conditions(adjoint, line, self.pending[line.tensor].zero or (), self.written, self.axes, self.d.facts)
        if not self.found or not (line.tensor in self.carried or zeros.singular(line.expr) or zeros.singular(adjoint.expr)):
            return ()
        self.carried |= {r.tensor for r in reads(line.expr)}
        return self.found

    def finish(self, tensor: str, records: dict[str, Record]) -> Line:
        """All contributions to one tensor as one line."""
        pending, name = self.pending[tensor], self.adjoint[tensor]
        make_room(len(pending.contributions) + 50)  # they stand in one another, as the sum of so many terms
        known = Known(self.axes, frozenset(self.taken), self.d.facts, self.fixed, self.d.floats)
        line, target, parts = gather(name, self.d.axes[tensor], pending.contributions, known)
        self.axes[name] = self.d.axes[tensor]
        records[name] = Record(tensor, name, target, tuple(pending.uses), parts, line, known, self.cancels)
        return line

    def push(self, start: Item) -> None:
        """Take the derivative of a line apart, one rule after the other, until nothing but reads is left."""
        use = Use(self.line, start)
        items = [start]
        while (first := next((x for x in items if not isinstance(x.part, Read)), None)) is not None:
            rule, about = rule_of(first.part)
            known = len(self.decided)
            while any(fits := [not isinstance(x.part, Read) and rule_of(x.part) == (rule, about) for x in items]):
                items = [y for x, fit in zip(items, fits, strict=True) for y in (self.taken_apart(x) if fit else (x,))]
                if rule is not Rule.SUM and rule is not Rule.PRODUCT:
                    break  # one function inside another is another step
            won = tuple(self.decided[known:])
            use.rounds.append(Round(rule, (won[0].tensor,) if rule is Rule.WON and won else about, tuple(items), won))
        for item in items:
            assert isinstance(item.part, Read)
            self.arrive(item.part.tensor, item.part.index, item.around.under(item.adjoint), item.around)
        for tensor in dict.fromkeys(x.part.tensor for x in items if isinstance(x.part, Read)):
            self.pending[tensor].uses.append(use)

    def taken_apart(self, item: Item) -> list[Item]:
        """What the derivative of a part is by the rule for it: those of its own parts that move, with their adjoints."""
        e = item.part
        if isinstance(e, Reduce):
            return self.reduction(e, item)
        assert isinstance(e, Call)
        out = []
        for k, a in enumerate(e.args):
            if id(a) not in self.moving:  # kept alive by its definition
                continue
            choice = chosen(e, k)
            if choice is None:
                factor = derivative(e, k, e if item.value is None else item.value, self.d.floats)
                # A quotient keeps its shape, so that formulas read as written by hand.
                adjoint = div(item.adjoint, e.args[1]) if e.fn == "/" and k == 0 else mul(item.adjoint, factor)
                if factor != ZERO:
                    out.append(Item(adjoint, a, item.around))
            elif e.fn != "where" and isinstance(a, Read):  # nothing more is multiplied: the decision may stand as a factor
                out.append(Item(mul(item.adjoint, choice[0]), a, item.around))
            else:
                out.append(Item(item.adjoint, a, item.around.where(*choice)))
        return out

    def reduction(self, e: Reduce, item: Item) -> list[Item]:
        if e.kind is Kind.ARGMAX or id(e.body) not in self.moving:  # kept alive by its definition
            return []
        around, adjoint = item.around, item.adjoint
        inner = around.bound | dict(zip(e.letters, e.ranges, strict=True))
        guards = [
            (p, s) for r in direct_reads(e.body) for p, s in zip(r.index, self.axes[r.tensor], strict=True) if not fits(p, s, inner, self.d.facts)
        ]
        # Letters bound in what came from outside get other names than those that are now around it.
        adjoint = self.apart(adjoint, inner)
        tests = tuple((self.apart(test, inner), holds) for test, holds in around.tests)
        bound, around = around.bound, Around(inner, (*around.guards, *guards), tests)
        if e.kind in (Kind.MAX, Kind.MIN):
            won = Call("==", (self.decision(e, bound), Index(flat(e.letters, e.ranges))))
            if isinstance(e.body, Read):
                adjoint = mul(adjoint, won)
            else:
                around = around.where(won, True)
        elif e.kind is Kind.MEAN:
            count = Poly.of(1)
            for size in e.ranges:
                count = count * size
            adjoint = div(adjoint, number_of(count))
        elif e.kind is Kind.PROD:
            adjoint = mul(adjoint, self.apart(others(e, self.taken), inner))
        return [Item(adjoint, e.body, around)]

    def apart(self, e: Expr, letters: Mapping[str, Poly]) -> Expr:
        """e with no letter bound in it that is one of these."""
        used = set(letters)
        return distinct(e, used, self.taken) if used & letters_of(e) else e

    def decision(self, e: Reduce, bound: dict[str, Poly]) -> Read:
        """The saved tensor that says which term of e won."""
        read = winner(e, bound, self.decided, lambda: self.name(f"a{self.line.tensor}"))
        self.axes[read.tensor] = tuple(bound[str(p)] for p in read.index)
        return read

    def arrive(self, tensor: str, index: tuple[Poly, ...], adjoint: Expr, around: Around) -> None:
        bound = around.bound
        pending = self.pending[tensor]
        zero = zeros.handed(self.found, index, bound)
        pending.zero = zero if pending.zero is None else pending.zero & zero
        pending.contributions.append(Contribution(tuple(bound), tuple(bound.values()), index, adjoint, tuple(dict.fromkeys(around.guards))))
