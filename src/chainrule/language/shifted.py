"""The same line with indices that count from 1: every letter is one more than before, and so is every place that is read or written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from .functions import COMPARISONS, Kind
from .index import Poly
from .tree import Call, Const, Expr, Index, Line, Read, Reduce, number_of, rebuild


def counted_from(line: Line, base: int) -> Line:
    """The line for a reader who counts indices from `base`; values are what they were: class numbers and winners still count from 0.

    >>> from .ranges import define
    >>> from .show import line_text
    >>> d = define("f(x[n,H]; k=2) -> y[n,H-k+1]\\n y[n,i] = sum[u:k](x[n,i+u] * u)")
    >>> print(line_text(counted_from(d.lines[0], 1), d.axes))
    y[n,i] = sum[u:k](x[n, i-1+u] * (u-1))
    """
    if not base:
        return line
    moved = {x: Poly.name(x) - base for x in line.letters}
    target = None if line.target is None else tuple(p.subs(moved) + base for p in line.target)
    return replace(line, expr=_moved(line.expr, moved, base), target=target)


def _moved(e: Expr, letters: Mapping[str, Poly], base: int) -> Expr:
    if isinstance(e, Index):
        return number_of(e.expr.subs(letters))
    if isinstance(e, Read):
        return Read(e.tensor, tuple(p.subs(letters) + base for p in e.index))
    if isinstance(e, Reduce):
        inner = {**letters, **{x: Poly.name(x) - base for x in e.letters}}
        ranges = tuple(p.subs(letters) for p in e.ranges)
        found = Reduce(e.kind, e.letters, ranges, _moved(e.body, inner, base))
        return Call("-", (found, Const(base))) if e.kind is Kind.ARGMAX else found  # the number of the winner counts from there, too
    if isinstance(e, Call) and e.fn in COMPARISONS and all(place(a) for a in e.args):  # places are compared with places: both move
        return Call(e.fn, tuple(number_of(polynomial(a).subs(letters) + base) for a in e.args))
    return rebuild(e, lambda a: _moved(a, letters, base))


def place(e: Expr) -> bool:
    """Whether e is a sum of letters and sizes, without quotients."""
    return (isinstance(e, Index) and not e.expr.quotients) or (isinstance(e, Const) and isinstance(e.value, int))


def polynomial(e: Expr) -> Poly:
    assert isinstance(e, (Index, Const))
    return e.expr if isinstance(e, Index) else Poly.of(e.value)
