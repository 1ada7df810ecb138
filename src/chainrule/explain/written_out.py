"""Small sizes: every sum written out term by term, an equation for each element, as one does it on paper."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Collection, Mapping
from math import prod

from ..errors import ArgumentError
from ..language.functions import COMPARISONS, Kind
from ..language.index import Poly
from ..language.tree import (
    ONE,
    ZERO,
    Call,
    Const,
    Definition,
    Expr,
    Index,
    Line,
    Reduce,
    Tensor,
    add,
    direct_reads,
    div,
    mul,
    needed,
    neg,
    sub,
    subs,
)

MOST = 400  # elements and terms of what is written out

MAKERS: dict[str, Callable[..., Expr]] = {"+": add, "-": sub, "*": mul, "/": div, "neg": neg}
TESTS: dict[str, Callable[[int, int], bool]] = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "delta": operator.eq,
}  # fmt: skip


def written_out(d: Definition, tensors: Collection[str]) -> tuple[Definition, list[Line]]:
    """The definition with a line for each element of some tensors, and these lines: dw_0_1 is dw[0,1]."""
    lines: list[Line] = []
    made: list[Line] = []
    for line in d.lines:
        if line.tensor not in tensors:
            lines.append(line)
            continue
        for at in _places(line.tensor, line.ranges):
            values = {x: Poly.of(k) for x, k in zip(line.letters, at, strict=True)}
            name = "_".join([line.tensor, *(str(p.subs(values)) for p in line.index)])
            made.append(Line(name, (), (), _out(subs(line.expr, values), d.axes)))
        lines += made
    outputs = tuple(Tensor(x.tensor, ()) for x in made)
    kept = needed(tuple(lines), {t.name for t in outputs})
    return d.with_lines(lines=kept, outputs=outputs, name=f"{d.name}_written_out"), made


def _places(what: str, ranges: tuple[Poly, ...]) -> list[tuple[int, ...]]:
    sizes = [r.constant for r in ranges]
    if any(s is None for s in sizes):
        open_ = ", ".join(dict.fromkeys(str(r) for r in ranges if r.constant is None))
        raise ArgumentError(f"expand=True: how many elements {what} has is not known; accepted: sizes for {open_} (n=2, K=3, …)")
    if prod(int(s or 0) for s in sizes) > MOST:
        raise ArgumentError(f"expand=True: {what} has {prod(int(s or 0) for s in sizes):,} elements; accepted: sizes with at most {MOST} of them")
    return list(itertools.product(*(range(int(s or 0)) for s in sizes)))


def _out(e: Expr, axes: Mapping[str, tuple[Poly, ...]]) -> Expr:
    """e with its sums written out, and tests of numbers decided."""
    if isinstance(e, Reduce) and e.kind in (Kind.SUM, Kind.MEAN):
        places = _places("a sum", e.ranges)
        total: Expr = ZERO
        for at in places:
            body = subs(e.body, {x: Poly.of(k) for x, k in zip(e.letters, at, strict=True)})
            if _inside(body, axes):
                total = add(total, _out(body, axes))
        return div(total, Const(len(places))) if e.kind is Kind.MEAN else total
    if isinstance(e, Reduce):
        return e
    if not isinstance(e, Call):
        return e
    args = tuple(_out(a, axes) for a in e.args)
    if e.fn in COMPARISONS:
        a, b = map(_number, args)
        if a is not None and b is not None:
            return ONE if TESTS[e.fn](a, b) else ZERO
    if e.fn == "where" and args[0] in (ONE, ZERO):
        return args[1] if args[0] == ONE else args[2]
    return MAKERS[e.fn](*args) if e.fn in MAKERS else Call(e.fn, args)


def _number(e: Expr) -> int | None:
    if isinstance(e, Const) and isinstance(e.value, int):
        return e.value
    return int(e.expr.constant) if isinstance(e, Index) and e.expr.constant is not None else None


def _inside(e: Expr, axes: Mapping[str, tuple[Poly, ...]]) -> bool:
    """Whether all that a term reads is inside: else it is dropped."""
    pairs = [(p.constant, s.constant) for r in direct_reads(e) for p, s in zip(r.index, axes[r.tensor], strict=True)]
    return all(p is None or s is None or 0 <= p < s for p, s in pairs)
