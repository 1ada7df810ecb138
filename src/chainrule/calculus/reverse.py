"""Reverse mode: from a definition to the definition of its gradients.

The adjoint of a line is pushed down its expression tree. Where it meets a tensor read x[φ] it is a contribution
dx[φ] += … for every value of the letters around; written with a Kronecker delta that is

    dx[r] = sum[letters](… * δ(φ, r))

and solving φ = r for a letter collapses the delta and that letter's sum (collapse.py).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ..language.index import Poly
from ..language.show import expression, line_text
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
    children,
    direct_reads,
    div,
    fresh_name,
    letters_of,
    mul,
    number_of,
    reads,
    rename_bound,
)
from .collapse import Contribution, gather
from .decisions import winner
from .rules import chosen, flat, partial
from .simplify import only, over, times


@dataclass(frozen=True)
class Step:
    """One move of a derivation: the formula it leads to and why."""

    formula: str
    reason: str

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


def unique_letters(d: Definition) -> Definition:
    """The same definition with no letter bound twice in one line."""
    lines = []
    for line in d.lines:
        taken = set(line.letters)
        used = set(d.names)

        def fresh(x: str, used: set[str] = used) -> str:
            name = fresh_name(x, used)
            used.add(name)
            return name

        lines.append(Line(line.tensor, line.letters, line.ranges, rename_bound(line.expr, taken, fresh)))
    return d.with_lines(lines=tuple(lines))


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
            found.add(id(node))
        return here

    visit(e)
    return found


def reverse(d: Definition, wrt: Sequence[str]) -> Gradient:
    """∂E/∂x for each x in wrt, given ∂E/∂y for each output y."""
    return _Reverse(unique_letters(d), tuple(wrt)).run()


class _Reverse:
    def __init__(self, d: Definition, wrt: tuple[str, ...]):
        self.d, self.wrt = d, wrt
        self.taken = set(d.names)
        self.active = active_tensors(d, wrt)
        self.pending: dict[str, _Pending] = {t: _Pending() for t in (*d.axes,)}
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
                own = Contribution.plain(line.letters, line.ranges, Read(seeds[line.tensor], tuple(map(Poly.name, line.letters))))
                if pending.contributions:
                    pending.contributions.insert(0, own)
                    given = Read(self.adjoint[line.tensor], own.index), own.body
                    pending.steps.append(Step(" += ".join(expression(e, self.axes) for e in given), "what is given for this output itself"))
                    backward.append(self.finish(line.tensor, steps))
                else:
                    self.adjoint[line.tensor] = seeds[line.tensor]
            elif pending.contributions:
                backward.append(self.finish(line.tensor, steps))
            else:
                continue
            seed = Read(self.adjoint[line.tensor], tuple(map(Poly.name, line.letters)))
            self.decided: list[Line] = []
            self.line, self.moving = line, moving(line.expr, self.active)
            self.push(line.expr, seed, _Around(dict(zip(line.letters, line.ranges, strict=True))), Read(line.tensor, seed.index))
            decisions[line.tensor] = self.decided
        for t in self.wrt:
            backward.append(self.finish(t, steps))
        forward = [x for line in d.lines for x in (line, *decisions.get(line.tensor, ()))]
        of = {t: self.adjoint[t] for t in self.wrt}
        inputs = d.inputs + tuple(Tensor(seeds[t.name], t.axes) for t in d.outputs)
        results = tuple(Tensor(of[t], d.axes[t]) for t in self.wrt)
        lines = _needed(tuple(forward + backward), {t.name for t in results})
        values = {x.tensor for x in forward}
        kept = sum(x.tensor in values for x in lines)
        label = self.name(f"{d.name}_{'_'.join('d' + t for t in self.wrt)}")
        derived = Definition(label, inputs, d.settings, results, lines, d.sample_size)
        return Gradient(derived, kept, seeds, of, steps)

    def finish(self, tensor: str, steps: dict[str, tuple[Step, ...]]) -> Line:
        """All contributions to one tensor as one line."""
        pending, name = self.pending[tensor], self.adjoint[tensor]
        line, record = gather(name, self.d.axes[tensor], pending.contributions, self.axes, frozenset(self.taken))
        self.axes[name] = line.ranges
        moves = [Step(*move) for move in record]
        steps[name] = (*pending.steps, *moves, Step(line_text(line, self.axes), "the gradient"))
        return line

    def push(self, e: Expr, adjoint: Expr, around: _Around, value: Expr | None) -> None:
        """Add adjoint * ∂e/∂(every active tensor) to what is pending; `value` is a tensor that holds e, if any."""
        if id(e) not in self.moving:
            return
        match e:
            case Read(tensor, index):
                self.arrive(tensor, index, adjoint, around)
            case Call(fn, args):
                for k, a in enumerate(args):
                    if id(a) in self.moving:
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
            return self.push(e.args[0], over(adjoint, e.args[1], self.same), around, None)
        factor = partial(e, k, value, self.d.floats)
        return None if factor == ZERO else self.push(e.args[k], times(adjoint, factor, self.same), around, None)

    def push_reduction(self, e: Reduce, adjoint: Expr, around: _Around) -> None:
        if e.kind == "argmax":
            return
        bound = around.bound
        inner = bound | dict(zip(e.letters, e.ranges, strict=True))
        guards = [(p, s) for r in direct_reads(e.body) for p, s in zip(r.index, self.axes[r.tensor], strict=True) if inner.get(p.letter or "") != s]
        # Letters bound in what came from outside get other names than those that are now around it.
        adjoint = self.apart(adjoint, inner)
        tests = tuple((self.apart(test, inner), taken) for test, taken in around.tests)
        around = _Around(inner, (*around.guards, *guards), tests)
        if e.kind in ("max", "min"):
            won = Call("==", (self.decision(e, bound), Index(flat(e.letters, e.ranges))))
            if isinstance(e.body, Read):
                adjoint = mul(adjoint, won)
            else:
                around = around.where(won, True)
        elif e.kind == "mean":
            count = Poly.of(1)
            for size in e.ranges:
                count = count * size
            adjoint = div(adjoint, number_of(count))
        self.push(e.body, adjoint, around, None)

    def apart(self, e: Expr, letters: Mapping[str, Poly]) -> Expr:
        """e with no letter bound in it that is one of these."""
        used = set(letters)
        return rename_bound(e, used, lambda x: fresh_name(x, self.taken | used)) if used & letters_of(e) else e

    def same(self, e: Expr) -> Expr:
        """e, or the tensor that this line keeps it in."""
        return Read(self.line.tensor, tuple(map(Poly.name, self.line.letters))) if e == self.line.expr else e

    def decision(self, e: Reduce, bound: dict[str, Poly]) -> Read:
        """The saved tensor that says which term of e won."""
        read = winner(e, bound, self.line.letters, self.decided, lambda: self.name(f"a{self.line.tensor}"))
        self.axes[read.tensor] = tuple(bound[str(p)] for p in read.index)
        return read

    def arrive(self, tensor: str, index: tuple[Poly, ...], adjoint: Expr, around: _Around) -> None:
        bound = around.bound
        for test, taken in reversed(around.tests):
            adjoint = only(test, taken, adjoint)
        pending = self.pending[tensor]
        pending.contributions.append(Contribution(tuple(bound), tuple(bound.values()), index, adjoint, tuple(dict.fromkeys(around.guards))))
        at = f"{self.adjoint[tensor]}[{', '.join(map(str, index))}]" if index else self.adjoint[tensor]
        over_letters = f" for every {','.join(bound)}" if bound else ""
        if pending.line is not self.line:
            pending.line = self.line
            pending.steps.append(Step(line_text(self.line, self.axes), "the forward formula"))
        pending.steps.append(Step(f"{at} += {expression(adjoint, self.axes)}{over_letters}", "chain rule: adjoint times local derivative"))


def _needed(lines: tuple[Line, ...], wanted: set[str]) -> tuple[Line, ...]:
    """The lines that the wanted tensors depend on, in order."""
    keep: list[Line] = []
    want = set(wanted)
    for line in reversed(lines):
        if line.tensor in want:
            keep.append(line)
            want |= {r.tensor for r in reads(line.expr)}
    return tuple(reversed(keep))
