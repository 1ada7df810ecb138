"""Reverse mode: from a definition to the definition of its gradients.

The adjoint of a line is pushed down its expression tree. Where it meets a tensor read x[φ] it is a contribution
dx[φ] += … for every value of the letters around; written with a Kronecker delta that is

    dx[r] = sum[letters](… * δ(φ, r))

and solving φ = r for a letter collapses the delta and that letter's sum (collapse.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

from ..language.digits import fits
from ..language.functions import Kind
from ..language.index import Poly
from ..language.show import alone, definition_text, expression, line_text
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
from .rules import chosen, derivative, flat, only, others
from .shifts import cancelling
from .tidy import tidied


@dataclass(frozen=True, eq=False)
class Step:
    """One move of a derivation: the formula it leads to (written out when somebody looks) and why."""

    written: str | Callable[[], str]
    reason: str

    @cached_property
    def formula(self) -> str:
        return self.written if isinstance(self.written, str) else self.written()

    def __str__(self) -> str:
        return f"{self.formula}\n        ({self.reason})"


@dataclass(frozen=True)
class Gradient:
    """The derived definition, how its parts are named, and the record of how it came about.

    `forward` is how many of its lines compute values (the original lines and saved decisions); the rest are
    gradients. `seed` and `of` name ∂E/∂(output) among the inputs and ∂E/∂(input) among the outputs; `steps` holds
    the derivation of each gradient line, by the name of its tensor.
    """

    definition: Definition
    forward: int
    seed: dict[str, str]
    of: dict[str, str]
    steps: dict[str, tuple[Step, ...]]

    def __str__(self) -> str:
        return definition_text(self.definition)


@dataclass(frozen=True)
class _Around:
    """What is around a place in a formula: letters with their ranges, indices that must be inside, decisions that led here."""

    bound: dict[str, Poly]
    guards: tuple[tuple[Poly, Poly], ...] = ()
    tests: tuple[tuple[Expr, bool], ...] = ()

    def where(self, test: Expr, taken: bool) -> _Around:
        return replace(self, tests=(*self.tests, (test, taken)))


@dataclass
class _Pending:
    """What has been pushed towards one tensor so far, and the line it last came from."""

    contributions: list[Contribution] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    line: Line | None = None
    zero: set[zeros.Condition] | None = None  # without which all that was pushed is 0


def reverse(d: Definition, wrt: Sequence[str]) -> Gradient:
    """∂E/∂x for each x in wrt, given ∂E/∂y for each output y."""
    return _Reverse(prepared(d), tuple(wrt)).run()


class _Reverse:
    def __init__(self, d: Definition, wrt: tuple[str, ...]):
        self.d, self.wrt = d, wrt
        self.taken = set(d.names)
        self.active = active_tensors(d, wrt) - cancelling(d)
        self.pending: dict[str, _Pending] = {t: _Pending() for t in (*d.axes,)}
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
        steps: dict[str, tuple[Step, ...]] = {}
        for line in reversed(d.lines):
            if line.tensor not in self.active:
                continue
            pending = self.pending[line.tensor]
            if line.tensor in outputs:
                own = Contribution(line.letters, line.ranges, line.index, Read(seeds[line.tensor], line.index))
                if pending.contributions:
                    pending.contributions.insert(0, own)
                    ranges = dict(zip(line.letters, line.ranges, strict=True))
                    given = partial(_contribution_text, self.adjoint[line.tensor], own.index, d.axes[line.tensor], own.body, ranges, self.axes)
                    pending.steps.append(Step(given, "what is given for this output itself"))
                    backward.append(self.finish(line.tensor, steps))
                else:
                    self.adjoint[line.tensor] = seeds[line.tensor]
            elif pending.contributions:
                backward.append(self.finish(line.tensor, steps))
            else:
                continue
            seed = Read(self.adjoint[line.tensor], line.index)
            self.decided: list[Line] = []
            self.line, self.moving = line, moving(line.expr, self.active)
            known = self.conditions(line, backward[-1] if backward else None)
            self.push(line.expr, seed, _Around(dict(zip(line.letters, line.ranges, strict=True)), tests=known), line.read)
            decisions[line.tensor] = self.decided
        for t in self.wrt:
            backward.append(self.finish(t, steps))
        forward = [x for line in d.lines for x in (line, *decisions.get(line.tensor, ()))]
        of = {t: self.adjoint[t] for t in self.wrt}
        inputs = d.inputs + tuple(Tensor(seeds[t.name], t.axes) for t in d.outputs)
        results = tuple(Tensor(of[t], d.axes[t]) for t in self.wrt)
        label = self.name(f"{d.name}_{'_'.join('d' + t for t in self.wrt)}")
        derived = Definition(label, inputs, d.settings, results, tuple(forward + backward), d.sample_size)
        derived, _ = tidied(derived, len(forward))
        values = {x.tensor for x in forward}
        kept = sum(x.tensor in values for x in derived.lines)
        return Gradient(derived, kept, seeds, of, steps)

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

    def finish(self, tensor: str, steps: dict[str, tuple[Step, ...]]) -> Line:
        """All contributions to one tensor as one line."""
        pending, name = self.pending[tensor], self.adjoint[tensor]
        make_room(len(pending.contributions) + 50)  # they stand in one another, as the sum of so many terms
        line, record = gather(name, self.d.axes[tensor], pending.contributions, Known(self.axes, frozenset(self.taken), self.d.facts))
        self.axes[name] = self.d.axes[tensor]
        moves = [Step(*move) for move in record]
        steps[name] = (*pending.steps, *moves, Step(partial(line_text, line, self.axes), "the gradient"))
        return line

    def push(self, e: Expr, adjoint: Expr, around: _Around, value: Expr | None) -> None:
        """Add adjoint * ∂e/∂(every active tensor) to what is pending; `value` is a tensor that holds e, if any."""
        if id(e) not in self.moving:  # the tree is kept alive by its definition
            return
        match e:
            case Read(tensor, index):
                self.arrive(tensor, index, adjoint, around)
            case Call(fn, args):
                for k, a in enumerate(args):
                    if id(a) in self.moving:  # the tree is kept alive by its definition
                        choice = chosen(e, k)
                        if choice is None:
                            self.push_argument(e, k, adjoint, around, e if value is None else value)
                        elif fn != "where" and isinstance(a, Read):  # nothing more is multiplied: the decision may stand as a factor
                            self.push(a, mul(adjoint, choice[0]), around, None)
                        else:
                            self.push(a, adjoint, around.where(*choice), None)
            case Reduce():
                self.push_reduction(e, adjoint, around)

    def push_argument(self, e: Call, k: int, adjoint: Expr, around: _Around, value: Expr) -> None:
        if e.fn == "/" and k == 0:  # a quotient keeps its shape, so that formulas read as written by hand
            return self.push(e.args[0], div(adjoint, e.args[1]), around, None)
        factor = derivative(e, k, value, self.d.floats)
        return None if factor == ZERO else self.push(e.args[k], mul(adjoint, factor), around, None)

    def push_reduction(self, e: Reduce, adjoint: Expr, around: _Around) -> None:
        if e.kind is Kind.ARGMAX:
            return
        bound = around.bound
        inner = bound | dict(zip(e.letters, e.ranges, strict=True))
        guards = [
            (p, s) for r in direct_reads(e.body) for p, s in zip(r.index, self.axes[r.tensor], strict=True) if not fits(p, s, inner, self.d.facts)
        ]
        # Letters bound in what came from outside get other names than those that are now around it.
        adjoint = self.apart(adjoint, inner)
        tests = tuple((self.apart(test, inner), taken) for test, taken in around.tests)
        around = _Around(inner, (*around.guards, *guards), tests)
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
        self.push(e.body, adjoint, around, None)

    def apart(self, e: Expr, letters: Mapping[str, Poly]) -> Expr:
        """e with no letter bound in it that is one of these."""
        used = set(letters)
        return distinct(e, used, self.taken) if used & letters_of(e) else e

    def decision(self, e: Reduce, bound: dict[str, Poly]) -> Read:
        """The saved tensor that says which term of e won."""
        read = winner(e, bound, self.decided, lambda: self.name(f"a{self.line.tensor}"))
        self.axes[read.tensor] = tuple(bound[str(p)] for p in read.index)
        return read

    def arrive(self, tensor: str, index: tuple[Poly, ...], adjoint: Expr, around: _Around) -> None:
        bound = around.bound
        for test, taken in reversed(around.tests):
            adjoint = only(test, taken, adjoint)
        pending = self.pending[tensor]
        zero = zeros.handed(self.found, index, bound)
        pending.zero = zero if pending.zero is None else pending.zero & zero
        pending.contributions.append(Contribution(tuple(bound), tuple(bound.values()), index, adjoint, tuple(dict.fromkeys(around.guards))))
        if pending.line is not self.line:
            pending.line = self.line
            pending.steps.append(Step(partial(line_text, self.line, self.axes), "the forward formula"))
        move = partial(_contribution_text, self.adjoint[tensor], index, self.d.axes[tensor], adjoint, dict(bound), self.axes)
        pending.steps.append(Step(move, "chain rule: adjoint times local derivative"))


def _contribution_text(
    name: str, index: tuple[Poly, ...], target: tuple[Poly, ...], body: Expr, letters: Mapping[str, Poly], axes: dict[str, tuple[Poly, ...]]
) -> str:
    at = f"{name}[{', '.join(map(str, index))}]" if index else name
    known = {(p.letter, s) for p, s in zip(index, target, strict=True)} | alone(body, axes)
    said = [x if (x, r) in known else f"{x}:{r}" for x, r in letters.items()]
    return f"{at} += {expression(body, axes)}" + (f" for every {','.join(said)}" if said else "")
