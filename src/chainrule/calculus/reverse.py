"""Reverse mode: from a definition to the definition of its gradients.

The adjoint of a line is pushed down its expression tree. Where it meets a tensor read x[φ] it is a contribution
dx[φ] += … for every value of the letters around; written with a Kronecker delta that is

    dx[r] = sum[letters](… * δ(φ, r))

and solving φ = r for a letter collapses the delta and that letter's sum (collapse.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ..language.index import Poly
from ..language.show import expression, line_text
from ..language.tree import (
    Call,
    Const,
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
    mul,
    reads,
    rename_bound,
)
from .collapse import Contribution, gather
from .decisions import winner
from .rules import flat, partial, times


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


@dataclass
class _Pending:
    """What has been pushed towards one tensor so far."""

    contributions: list[Contribution] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)


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
        decisions: dict[str, list[Line]] = {}
        backward: list[Line] = []
        steps: dict[str, tuple[Step, ...]] = {}
        for line in reversed(d.lines):
            if line.tensor not in self.active:
                continue
            pending = self.pending[line.tensor]
            if line.tensor in outputs:
                own = Contribution.plain(line.letters, line.ranges, Read(seeds[line.tensor], tuple(map(Poly.name, line.letters))))
                if pending.contributions:  # an output that later lines read has both kinds of gradient
                    pending.contributions.insert(0, own)
                    self.adjoint[line.tensor] = self.name(f"d{line.tensor}")
                    backward.append(self.finish(line.tensor, steps))
            elif pending.contributions:
                backward.append(self.finish(line.tensor, steps))
            else:
                continue
            seed = Read(self.adjoint[line.tensor], tuple(map(Poly.name, line.letters)))
            self.decided: list[Line] = []
            self.line, self.letters = line, line.letters
            self.push(line.expr, seed, dict(zip(line.letters, line.ranges, strict=True)), [], Read(line.tensor, seed.index))
            decisions[line.tensor] = self.decided
        for t in self.wrt:
            backward.append(self.finish(t, steps))
        forward = [x for line in d.lines for x in (line, *decisions.get(line.tensor, ()))]
        of = {t: self.adjoint[t] for t in self.wrt}
        inputs = d.inputs + tuple(Tensor(seeds[t.name], t.axes) for t in d.outputs)
        results = tuple(Tensor(of[t], d.axes[t]) for t in self.wrt)
        lines = _needed(tuple(forward + backward), {t.name for t in results})
        kept = sum(1 for x in lines if x in forward)
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

    def push(self, e: Expr, adjoint: Expr, bound: dict[str, Poly], guards: list[tuple[Poly, Poly]], value: Expr | None) -> None:
        """Add adjoint * ∂e/∂(every active tensor) to what is pending; `value` is a tensor that holds e, if any."""
        if not any(r.tensor in self.active for r in reads(e)):
            return
        match e:
            case Read(tensor, index):
                self.arrive(tensor, index, adjoint, bound, guards)
            case Call(_, args):
                here = value if value is not None else e
                for k, a in enumerate(args):
                    if any(r.tensor in self.active for r in reads(a)):
                        factor = partial(e, k, here)
                        if factor != Const(0):
                            self.push(a, _times(adjoint, factor, e, k, self.same), bound, guards, None)
            case Reduce():
                self.push_reduction(e, adjoint, bound, guards, value)

    def push_reduction(self, e: Reduce, adjoint: Expr, bound: dict[str, Poly], guards: list[tuple[Poly, Poly]], value: Expr | None) -> None:
        inner = bound | dict(zip(e.letters, e.ranges, strict=True))
        more = guards + [
            (p, s) for r in direct_reads(e.body) for p, s in zip(r.index, self.axes[r.tensor], strict=True) if inner.get(p.letter or "") != s
        ]
        if e.kind == "argmax":
            return
        if e.kind in ("max", "min"):
            winner = self.decision(e, bound)
            adjoint = mul(adjoint, Call("==", (winner, Index(flat(e.letters, e.ranges)))))
        elif e.kind == "mean":
            count = Poly.of(1)
            for size in e.ranges:
                count = count * size
            adjoint = div(adjoint, Const(count.constant) if count.constant is not None else Index(count))
        self.push(e.body, adjoint, inner, more, None)

    def same(self, e: Expr) -> Expr:
        """e, or the tensor that this line keeps it in."""
        return Read(self.line.tensor, tuple(map(Poly.name, self.letters))) if e == self.line.expr else e

    def decision(self, e: Reduce, bound: dict[str, Poly]) -> Read:
        """The saved tensor that says which term of e won."""
        read = winner(e, bound, self.letters, self.decided, lambda: self.name(f"a{self.line.tensor}"))
        self.axes[read.tensor] = tuple(bound[str(p)] for p in read.index)
        return read

    def arrive(self, tensor: str, index: tuple[Poly, ...], adjoint: Expr, bound: dict[str, Poly], guards: list[tuple[Poly, Poly]]) -> None:
        c = Contribution(tuple(bound), tuple(bound.values()), index, adjoint, tuple(dict.fromkeys(guards)))
        pending = self.pending[tensor]
        pending.contributions.append(c)
        at = f"{self.adjoint[tensor]}[{', '.join(map(str, index))}]" if index else self.adjoint[tensor]
        over = f" for every {','.join(bound)}" if bound else ""
        pending.steps.append(Step(line_text(self.line, self.axes), "the forward formula"))
        pending.steps.append(Step(f"{at} += {expression(adjoint, self.axes)}{over}", "chain rule: adjoint times local derivative"))


def _times(adjoint: Expr, factor: Expr, e: Call, which: int, same: Callable[[Expr], Expr]) -> Expr:
    """adjoint * factor; a quotient keeps its shape (adjoint / b), so that formulas read as written by hand."""
    if e.fn == "/" and which == 0:
        return div(adjoint, e.args[1])
    if e.fn == "where" and which in (1, 2):
        zero = Const(0)
        return Call("where", (e.args[0], adjoint, zero) if which == 1 else (e.args[0], zero, adjoint))
    return times(adjoint, factor, same)


def _needed(lines: tuple[Line, ...], wanted: set[str]) -> tuple[Line, ...]:
    """The lines that the wanted tensors depend on, in order."""
    keep: list[Line] = []
    want = set(wanted)
    for line in reversed(lines):
        if line.tensor in want:
            keep.append(line)
            want |= {r.tensor for r in reads(line.expr)}
    return tuple(reversed(keep))
