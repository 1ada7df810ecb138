"""A formula at one place with every sum written out: what a worksheet shows, and a spreadsheet's cell computes.

    sum[u](w[u] * x[2*i+u-1]) at i = 0   ->   w[1] * x[0] + w[2] * x[1]

Reductions become calls of as many arguments as there are terms: "sum", "prod", "max", "min", and "argmax" of pairs (number, term).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping

from ..language.functions import Kind
from ..language.index import Poly
from ..language.tree import ONE, ZERO, Call, Const, Expr, Index, Read, Reduce, direct_reads, div, mul, neg, subs

Shapes = Mapping[str, tuple[int, ...]]
Decide = Callable[[Expr], bool]
COMPARED: Mapping[str, Callable[[float, float], bool]] = {
    "==": lambda a, b: a == b, "delta": lambda a, b: a == b, "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b, "<=": lambda a, b: a <= b, ">": lambda a, b: a > b, ">=": lambda a, b: a >= b,
}  # fmt: skip
OF_NOTHING = {Kind.SUM: ZERO, Kind.PROD: ONE, Kind.MAX: Const(-math.inf), Kind.MIN: Const(math.inf), Kind.ARGMAX: Const(-1)}


def expanded(e: Expr, shapes: Shapes, numbers: Mapping[str, float], decide: Decide | None = None) -> Expr:
    """e, whose free letters are numbers, with its sums written out. numbers: settings. decide: says whether a condition of data holds;
    without it conditions stay."""
    match e:
        case Index(expr):
            return Const(int(expr.constant or 0))
        case Read(tensor, ()) if tensor in numbers:
            return _number(numbers[tensor])
        case Const() | Read():
            return e
        case Reduce():
            return _reduced(e, shapes, numbers, decide)
        case Call():
            return _called(e, shapes, numbers, decide)
    raise TypeError(e)


def _number(value: float) -> Const:
    return Const(int(value) if value == int(value) else value)


def _reduced(e: Reduce, shapes: Shapes, numbers: Mapping[str, float], decide: Decide | None) -> Expr:
    terms: list[tuple[int, Expr]] = []
    sizes = [int(r.constant or 0) for r in e.ranges]
    for k, place in enumerate(itertools.product(*map(range, sizes))):
        body = subs(e.body, {x: Poly.of(v) for x, v in zip(e.letters, place, strict=True)})
        if all(_inside(r, shapes) for r in direct_reads(body)):
            terms.append((k, expanded(body, shapes, numbers, decide)))
    adding = e.kind in (Kind.SUM, Kind.MEAN)
    kept = [(k, t) for k, t in terms if not (adding and t == ZERO)]
    kind = Kind.SUM if adding else e.kind
    if not kept:
        return OF_NOTHING[kind]
    if kind is Kind.ARGMAX:
        return Call(str(kind), tuple(a for k, t in kept for a in (Const(k), t)))
    made = kept[0][1] if len(kept) == 1 else Call(str(kind), tuple(t for _, t in kept))
    return div(made, Const(math.prod(sizes))) if e.kind is Kind.MEAN else made


def _inside(r: Read, shapes: Shapes) -> bool:
    return all(0 <= int(p.constant or 0) < s for p, s in zip(r.index, shapes.get(r.tensor, ()), strict=True))


def _called(e: Call, shapes: Shapes, numbers: Mapping[str, float], decide: Decide | None) -> Expr:
    def inner(a: Expr) -> Expr:
        return expanded(a, shapes, numbers, decide)

    if e.fn == "where":
        test = inner(e.args[0])
        if decide is not None and not isinstance(test, Const):
            test = ONE if decide(e.args[0]) else ZERO
        if isinstance(test, Const):
            return inner(e.args[1] if test.value else e.args[2])
        return Call("where", (test, *map(inner, e.args[1:])))
    if e.fn == "*":
        first = inner(e.args[0])
        return ZERO if first == ZERO else mul(first, inner(e.args[1]))
    args = tuple(map(inner, e.args))
    if e.fn in COMPARED:
        if all(isinstance(a, Const) for a in args):
            a, b = (a.value for a in args if isinstance(a, Const))
            return ONE if COMPARED[e.fn](a, b) else ZERO
        if decide is not None:
            return ONE if decide(e) else ZERO
    return simple(e.fn, args)


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
