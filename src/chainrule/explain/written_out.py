"""Small sizes: every sum written out term by term, an equation for each element, as one does it on paper."""

from __future__ import annotations

import itertools
from collections.abc import Collection
from functools import reduce
from math import prod

from ..errors import ArgumentError
from ..language.functions import Kind
from ..language.index import Poly
from ..language.tree import Call, Definition, Expr, Line, Reduce, Tensor, add, needed, rebuild, subs, walk
from .expand import Shapes, expanded

MOST = 400  # elements and terms of what is written out

SUMS = (Kind.SUM, Kind.MEAN)


Element = tuple[str, ...]  # a tensor, and a place on each of its axes


def written_out(d: Definition, tensors: Collection[str]) -> tuple[Definition, list[tuple[Line, Element]]]:
    """The definition with a line for each element of some tensors, and these lines with what they are: dw_0_1 is dw[0,1]."""
    lines: list[Line] = []
    made: list[tuple[Line, Element]] = []
    shapes: Shapes = {k: tuple(None if p.constant is None else int(p.constant) for p in axes) for k, axes in d.axes.items()}
    for line in d.lines:
        if line.tensor not in tensors:
            lines.append(line)
            continue
        own: list[tuple[Line, Element]] = []
        for at in _places(line.tensor, line.ranges):
            values = {x: Poly.of(k) for x, k in zip(line.letters, at, strict=True)}
            element = (line.tensor, *(str(p.subs(values)) for p in line.index))
            own.append((Line("_".join(element), (), (), _out(subs(line.expr, values), shapes)), element))
        lines += [x for x, _ in own]
        made += own
    outputs = tuple(Tensor(x.tensor, ()) for x, _ in made)
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


def _out(e: Expr, shapes: Shapes) -> Expr:
    """e with its sums written out, as a formula of the language."""
    for x in walk(e):
        if isinstance(x, Reduce) and x.kind in SUMS:
            _places("a sum", x.ranges)
    return _in_pairs(expanded(e, shapes, {}, kinds=SUMS))


def _in_pairs(e: Expr) -> Expr:
    """e with sums of two in place of sums of many."""
    if isinstance(e, Call) and e.fn == str(Kind.SUM):
        return reduce(add, map(_in_pairs, e.args))
    return rebuild(e, _in_pairs)
