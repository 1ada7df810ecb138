"""A formula at one place with its sums written out: what a worksheet shows, a spreadsheet's cell computes, and small sizes of a derivation come to.

    sum[u](w[u] * x[2*i+u-1]) at i = 0   ->   w[1] * x[0] + w[2] * x[1]

Reductions become calls of as many arguments as there are terms: "sum", "prod", "max", "min", and "argmax" of pairs (number, term).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from ..language.functions import Kind
from ..language.index import Poly
from ..language.tree import ONE, ZERO, Call, Const, Expr, Index, Read, Reduce, direct_reads, div, mul, neg, subs

Shapes = Mapping[str, tuple[int | None, ...]]  # None: a size that is not known, whose places are all taken to be there
Decide = Callable[[Expr], bool]
COMPARED: Mapping[str, Callable[[float, float], bool]] = {
    "==": lambda a, b: a == b, "delta": lambda a, b: a == b, "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b, "<=": lambda a, b: a <= b, ">": lambda a, b: a > b, ">=": lambda a, b: a >= b,
}  # fmt: skip
OF_NOTHING = {Kind.SUM: ZERO, Kind.PROD: ONE, Kind.MAX: Const(-math.inf), Kind.MIN: Const(math.inf), Kind.ARGMAX: Const(-1)}


ALL_KINDS = frozenset(Kind)


def expanded(e: Expr, shapes: Shapes, numbers: Mapping[str, float], decide: Decide | None = None, kinds: Collection[Kind] = ALL_KINDS) -> Expr:
    """e, whose free letters are numbers, with its reductions of some kinds written out. numbers: settings. decide: says whether a condition of
    data holds; without it conditions stay."""
    return Expansion(shapes, numbers, decide, kinds).of(e)


@dataclass(frozen=True)
class Expansion:
    """What writes formulas out."""

    shapes: Shapes
    numbers: Mapping[str, float]
    decide: Decide | None
    kinds: Collection[Kind]

    def of(self, e: Expr) -> Expr:
        match e:
            case Index(expr):
                return e if expr.constant is None else Const(int(expr.constant))
            case Read(tensor, ()) if tensor in self.numbers:
                return _number(self.numbers[tensor])
            case Const() | Read():
                return e
            case Reduce():
                return self.reduced(e) if e.kind in self.kinds else e
            case Call("where", (test, one, other)):
                return self.chosen(test, one, other)
            case Call("*", (a, b)):
                first = self.of(a)
                return ZERO if first == ZERO else mul(first, self.of(b))
            case Call(fn, args):
                return self.called(e, fn, tuple(map(self.of, args)))
        raise TypeError(e)

    def reduced(self, e: Reduce) -> Expr:
        terms: list[tuple[int, Expr]] = []
        sizes = [int(r.constant or 0) for r in e.ranges]
        for k, place in enumerate(itertools.product(*map(range, sizes))):
            body = subs(e.body, {x: Poly.of(v) for x, v in zip(e.letters, place, strict=True)})
            if all(map(self.inside, direct_reads(body))):
                terms.append((k, self.of(body)))
        adding = e.kind in (Kind.SUM, Kind.MEAN)
        kept = [(k, t) for k, t in terms if not (adding and t == ZERO)]
        kind = Kind.SUM if adding else e.kind
        if not kept:
            return OF_NOTHING[kind]
        if kind is Kind.ARGMAX:
            return Call(str(kind), tuple(a for k, t in kept for a in (Const(k), t)))
        made = kept[0][1] if len(kept) == 1 else Call(str(kind), tuple(t for _, t in kept))
        return div(made, Const(math.prod(sizes))) if e.kind is Kind.MEAN else made

    def inside(self, r: Read) -> bool:
        pairs = zip(r.index, self.shapes.get(r.tensor, ()), strict=True)
        return all(p.constant is None or s is None or 0 <= int(p.constant) < s for p, s in pairs)

    def chosen(self, test: Expr, one: Expr, other: Expr) -> Expr:
        found = self.of(test)
        if self.decide is not None and not isinstance(found, Const):
            found = ONE if self.decide(test) else ZERO
        if isinstance(found, Const):
            return self.of(one if found.value else other)
        return Call("where", (found, self.of(one), self.of(other)))

    def called(self, e: Expr, fn: str, args: tuple[Expr, ...]) -> Expr:
        if fn in COMPARED:
            if all(isinstance(a, Const) for a in args):
                a, b = (a.value for a in args if isinstance(a, Const))
                return ONE if COMPARED[fn](a, b) else ZERO
            if self.decide is not None:
                return ONE if self.decide(e) else ZERO
        return simple(fn, args)


def _number(value: float) -> Const:
    return Const(int(value) if value == int(value) else value)


def simple(fn: str, args: tuple[Expr, ...]) -> Expr:
    """A call without what does nothing: division by 1, 0 added."""
    if fn == "neg":
        return neg(*args)
    if fn == "/":
        return div(*args)
    if fn == "**" and args[1] in (ZERO, ONE):
        return args[0] if args[1] == ONE else ONE
    if fn in ("maximum", "minimum") and set(args) <= {ZERO, ONE}:  # or, and
        return ONE if (ONE in args if fn == "maximum" else ZERO not in args) else ZERO
    if fn in ("+", "-") and ZERO in args:
        a, b = args
        return a if b == ZERO else b if fn == "+" else neg(b)
    return Call(fn, args)
