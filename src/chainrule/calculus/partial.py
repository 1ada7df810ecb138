"""Partial derivatives as they are written: diff(e, x[r]) is how e changes with one element of x where every other tensor stays as it is.

    diff(x[φ], x[r]) = δ(φ, r)

and forward mode does the rest. Where e is an element of a tensor that has a line, the line's formula is meant.
"""

from __future__ import annotations

from dataclasses import replace

from ..language.functions import DERIVATIVE, Kind
from ..language.index import Poly
from ..language.tree import ONE, ZERO, Call, Definition, Expr, Line, Read, Reduce, Tensor, fresh_name, letters_of, mul, number_of, rebuild, subs, walk
from .forward import Forward
from .match import match
from .prepare import distinct


def expanded(d: Definition) -> Definition:
    """The definition with what each diff(…) is; the same one where there is none."""
    if not any(isinstance(e, Call) and e.fn == DERIVATIVE for line in d.lines for e in walk(line.expr)):
        return d
    lines: list[Line] = []
    for line in d.lines:
        extra: list[Line] = []
        bound = dict(zip(line.letters, line.ranges, strict=True))
        expr = _of(line.expr, d.with_lines(lines=(*lines, *d.lines[d.lines.index(line) :])), bound, extra)
        lines += [*extra, replace(line, expr=expr)]
    return d.with_lines(lines=tuple(lines))


def _of(e: Expr, d: Definition, bound: dict[str, Poly], extra: list[Line]) -> Expr:
    if isinstance(e, Reduce):
        return replace(e, body=_of(e.body, d, bound | dict(zip(e.letters, e.ranges, strict=True)), extra))
    if isinstance(e, Call) and e.fn == DERIVATIVE:
        part, there = e.args
        assert isinstance(there, Read)
        return partial(_of(part, d, bound, extra), there, d, bound, extra)
    return rebuild(e, lambda a: _of(a, d, bound, extra))


def partial(part: Expr, there: Read, d: Definition, bound: dict[str, Poly], extra: list[Line]) -> Expr:
    """∂part/∂there; decisions that it reads are added to the lines."""
    if isinstance(part, Read) and part.tensor != there.tensor:
        line = next((x for x in d.lines if x.tensor == part.tensor), None)
        part = ZERO if line is None else _said(line, part, d)
    names = set(d.names) | {x.tensor for x in extra}
    part = distinct(part, set(bound) | set().union(*(p.names for p in there.index)), names | letters_of(part))
    # The part as a line of its own, whose tangent by x is taken: the tangent of x[φ] is then put in.
    name = fresh_name("part", names)
    one = Definition(name, tuple(Tensor(t, axes) for t, axes in d.axes.items()), d.settings, (), (), d.sample_size)
    made = Forward(one, (there.tensor,))
    made.taken |= names | letters_of(part) | set(bound)
    tangent = made.by_itself(part, bound)
    extra += made.extra
    return _placed(tangent, made.tangent[there.tensor], there)


def _said(line: Line, part: Read, d: Definition) -> Expr:
    """What a line says of one element."""
    found = match(line.read, part, frozenset(line.letters))
    if found is not None and set(line.letters) <= found.keys():
        return subs(line.expr, found)
    swap: dict[str, str] = {}
    for x in line.letters:
        swap[x] = fresh_name(x, set(d.names) | set(swap.values()) | set().union(*(p.names for p in part.index)))
    renamed = {x: Poly.name(y) for x, y in swap.items()}
    body = subs(distinct(line.expr, set(swap.values()), d.names), renamed)
    for p, at in zip(line.index, part.index, strict=True):
        body = mul(body, Call("delta", (number_of(p.subs(renamed)), number_of(at))))
    return Reduce(Kind.SUM, tuple(swap.values()), line.ranges, body)


def _placed(e: Expr, tangent: str, there: Read) -> Expr:
    if isinstance(e, Read) and e.tensor == tangent:
        out: Expr = ONE
        for p, r in zip(e.index, there.index, strict=True):
            out = mul(out, Call("delta", (number_of(p), number_of(r)))) if p != r else out
        return out
    return rebuild(e, lambda a: _placed(a, tangent, there))
