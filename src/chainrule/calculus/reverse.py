"""Reverse mode: from a definition to the definition of its gradients.

The adjoint of a line is pushed down its expression tree. Where it meets a tensor read x[φ] it is a contribution
dx[φ] += … for every value of the letters around; written with a Kronecker delta that is

    dx[r] = sum[letters](… * δ(φ, r))

and solving φ = r for a letter collapses the delta and that letter's sum (collapse.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ..language.index import Poly
from ..language.lazy import cached_property
from ..language.show import definition_text
from ..language.source import make_room
from ..language.tree import (
    Definition,
    Expr,
    Line,
    Read,
    Tensor,
    reads,
)
from . import zeros
from .collapse import Contribution, Known, gather
from .parts import Parts
from .prepare import active_tensors, prepared
from .record import Around, Item, Record, Use
from .shifts import cancelling, shifts_apart
from .steps import Step
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
    return _Reverse(shifts_apart(prepared(d)), tuple(wrt)).run()


class _Reverse(Parts):
    def __init__(self, d: Definition, wrt: tuple[str, ...]):
        super().__init__(d, dict(d.axes), set(d.names))
        self.wrt = wrt
        cancels = cancelling(d)
        self.cancels = tuple(x for x in d.lines if x.tensor in cancels)
        self.active = active_tensors(d, wrt) - cancels
        self.pending: dict[str, _Pending] = {t: _Pending() for t in (*d.axes,)}
        self.fixed = fixed(d)
        self.written, self.carried = zeros.written(d), set[str]()
        self.adjoint = {t: self.name(f"d{t}") for t in (*d.axes,)}

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
                    pending.zero = set()  # the seed comes whatever the conditions of others are
                    pending.uses.insert(0, Use(None, Item(own.body, line.read, Around(own.spans))))
                    backward.append(self.finish(line.tensor, records))
                else:
                    self.adjoint[line.tensor] = seeds[line.tensor]
            elif pending.contributions:
                backward.append(self.finish(line.tensor, records))
            else:
                continue
            seed = Read(self.adjoint[line.tensor], line.index)
            self.begin(line, self.active)
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
        records[name] = Record(tensor, name, target, tuple(pending.uses), self.d.axes[tensor], parts, line, known, self.cancels)
        return line

    def push(self, start: Item) -> None:
        """Take the derivative of a line apart until nothing but reads is left: what arrives at other tensors."""
        use = Use(self.line, start, self.rounds(start))
        for item in use.items:
            assert isinstance(item.part, Read)
            self.arrive(item.part.tensor, item.part.index, item.around.under(item.adjoint), item.around)
        for tensor in dict.fromkeys(x.part.tensor for x in use.items if isinstance(x.part, Read)):
            self.pending[tensor].uses.append(use)

    def arrive(self, tensor: str, index: tuple[Poly, ...], adjoint: Expr, around: Around) -> None:
        bound = around.bound
        pending = self.pending[tensor]
        zero = zeros.handed(self.found, index, bound)
        pending.zero = zero if pending.zero is None else pending.zero & zero
        pending.contributions.append(Contribution(tuple(bound), tuple(bound.values()), index, adjoint, tuple(dict.fromkeys(around.guards))))
