"""Forward mode: from a definition to the definition of its tangents. The same tree as reverse mode, the other way."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..language.digits import fits
from ..language.functions import Kind
from ..language.index import Poly
from ..language.lazy import cached_property
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
    add,
    direct_reads,
    div,
    fresh_name,
    inside,
    mul,
)
from .decisions import winner
from .prepare import active_tensors, moving, prepared
from .rates import Rates
from .rules import chosen, derivative, flat, only, others
from .shifts import cancelling, shifts_apart
from .steps import Step
from .tidy import Moves, rewriting, tidied


@dataclass(frozen=True)
class Tangent:
    """The derived definition; `seed` names the tangents of inputs, `of` those of outputs; `rates` say how each came about, `moves` how its line was
    then rewritten."""

    definition: Definition
    seed: dict[str, str]
    of: dict[str, str]
    rates: Rates
    moves: dict[str, Moves]

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """The derivation of each tangent, in the order in which they are computed."""
        out: list[Step] = []
        for name, steps in self.rates.steps():
            more = rewriting(self.moves.get(name, ()), self.rates.axes)
            there = [s.formula for s in steps]
            done = there.index(more[-1].formula) + 1 if more and more[-1].formula in there else 0  # the rules alone led to the end
            out += steps[:done] if done else [*steps, *more]
        return tuple(out)


def forward(d: Definition, wrt: tuple[str, ...]) -> Tangent:
    """The tangent of every output, given the tangent of each input in wrt."""
    return Forward(shifts_apart(prepared(d)), wrt).run()


class Forward:
    def __init__(self, d: Definition, wrt: tuple[str, ...]):
        self.d, self.wrt = d, wrt
        self.active = active_tensors(d, wrt) - cancelling(d)
        self.taken = set(d.names)
        self.axes = dict(d.axes)
        self.passing = ""  # a tangent that something else is put in for: what is read of it says nothing about what may be outside
        self.tangent: dict[str, str] = {}
        for t in d.axes:
            self.tangent[t] = fresh_name(f"t{t}", self.taken)
            self.taken.add(self.tangent[t])
            self.axes[self.tangent[t]] = d.axes[t]

    def run(self) -> Tangent:
        d = self.d
        values: list[Line] = []
        tangents: list[Line] = []
        decided: dict[str, tuple[Line, ...]] = {}
        for line in d.lines:
            values.append(line)
            self.line, self.moving = line, moving(line.expr, self.active)
            self.extra: list[Line] = []
            bound = dict(zip(line.letters, line.ranges, strict=True))
            expr = self.of(line.expr, bound, line.read)
            values += self.extra
            decided[line.tensor] = tuple(self.extra)
            if line.tensor in self.active or line.tensor in {t.name for t in d.outputs}:
                tangents.append(replace(line, tensor=self.tangent[line.tensor], expr=expr))
        by_name = {t.name: t for t in d.inputs}
        inputs = d.inputs + tuple(Tensor(self.tangent[t], by_name[t].axes) for t in self.wrt)
        outputs = tuple(Tensor(self.tangent[t.name], t.axes) for t in d.outputs)
        label = fresh_name(f"{d.name}_tangent", self.taken)
        derived = Definition(label, inputs, d.settings, outputs, (*values, *tangents), d.sample_size)
        derived, moves = tidied(derived, len(values))
        axes = self.axes | {x.tensor: x.axes for x in (*values, *tangents)}
        rates = Rates(d, self.active, self.tangent, tuple(tangents), decided, axes)
        return Tangent(derived, {t: self.tangent[t] for t in self.wrt}, {t.name: self.tangent[t.name] for t in d.outputs}, rates, moves)

    def by_itself(self, e: Expr, bound: dict[str, Poly]) -> Expr:
        """The tangent of an expression that is no line, with nothing but what the inputs change by."""
        self.moving, self.extra = moving(e, self.wrt), []
        self.line = Line("", tuple(bound), tuple(bound.values()), e)
        return self.of(e, bound, None)

    def of(self, e: Expr, bound: dict[str, Poly], value: Expr | None) -> Expr:
        """The tangent of an expression; `value` is a tensor that holds e, if any."""
        if id(e) not in self.moving:  # the tree is kept alive by its definition
            return ZERO
        match e:
            case Read(tensor, index):
                return Read(self.tangent[tensor], index)
            case Call(fn, args):
                return self.of_call(fn, args, e, bound, value)
            case Reduce():
                return self.of_reduction(e, bound)
        return ZERO

    def of_call(self, fn: str, args: tuple[Expr, ...], e: Call, bound: dict[str, Poly], value: Expr | None) -> Expr:
        total: Expr = ZERO
        for k, a in enumerate(args):
            inner = self.of(a, bound, None)
            if inner == ZERO:
                continue
            choice = chosen(e, k)
            if choice is not None:  # the factor stands inside the branch: one that is not taken adds no 0 * inf
                term = mul(inner, choice[0]) if fn != "where" and isinstance(a, Read) else only(*choice, inner)
            elif fn == "/" and k == 0:
                term = div(inner, args[1])
            else:
                term = mul(inner, derivative(e, k, value if value is not None else e, self.d.floats))
            total = add(total, term)
        return total

    def of_reduction(self, e: Reduce, bound: dict[str, Poly]) -> Expr:
        if e.kind is Kind.ARGMAX:
            return ZERO
        inner = bound | dict(zip(e.letters, e.ranges, strict=True))
        body = self.of(e.body, inner, None)
        if e.kind in (Kind.MAX, Kind.MIN):
            won = Call("==", (self.decision(e, bound), Index(flat(e.letters, e.ranges))))
            body = mul(body, won) if isinstance(e.body, Read) else only(won, True, body)
        if e.kind is Kind.PROD and body != ZERO:
            body = mul(body, others(e, self.taken))
        implied = {(p, s) for r in direct_reads(body) if r.tensor != self.passing for p, s in zip(r.index, self.axes[r.tensor], strict=True)}
        for r in direct_reads(e.body):
            for p, s in zip(r.index, self.axes[r.tensor], strict=True):
                if not fits(p, s, inner, self.d.facts) and (p, s) not in implied:
                    body = mul(body, inside(p, s))
                    implied.add((p, s))
        kind = Kind.MEAN if e.kind is Kind.MEAN else Kind.SUM
        return ZERO if body == ZERO else Reduce(kind, e.letters, e.ranges, body)

    def decision(self, e: Reduce, bound: dict[str, Poly]) -> Read:
        """The saved tensor that says which term of e won."""
        read = winner(e, bound, self.extra, lambda: fresh_name(f"a{self.line.tensor}", self.taken))
        self.taken.add(read.tensor)
        self.axes[read.tensor] = tuple(bound[str(p)] for p in read.index)
        return read
