"""The same line with indices that count from 1: every letter is one more than before, and so is every place that is read or written."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import replace

from .functions import COMPARISONS, Kind
from .index import Poly
from .tree import Call, Const, Expr, Index, Line, Read, Reduce, number_of, rebuild


def counted_from(line: Line, base: int, sizes: Set[str] = frozenset()) -> Line:
    """The line for a reader who counts indices from `base`. Values are what they were: class numbers still count from 0. sizes: names of whole numbers.

    >>> from .ranges import define
    >>> from .show import line_text
    >>> d = define("f(x[n,H]; k=2) -> y[n,H-k+1]\\n y[n,i] = sum[u:k](x[n,i+u] * u)")
    >>> print(line_text(counted_from(d.lines[0], 1), d.axes, base=1))
    y[n,i] = sum[u=1..k](x[n, i-1+u] * (u-1))
    """
    if not base:
        return line
    moved = {x: Poly.name(x) - base for x in line.letters}
    target = None if line.target is None else tuple(p.subs(moved) + base for p in line.target)
    return replace(line, expr=_moved(line.expr, moved, base, sizes), target=target)


def _moved(e: Expr, letters: Mapping[str, Poly], base: int, sizes: Set[str]) -> Expr:
    if isinstance(e, Index):
        return number_of(e.expr.subs(letters))
    if isinstance(e, Read):
        return Read(e.tensor, tuple(p.subs(letters) + base for p in e.index))
    if isinstance(e, Reduce):
        inner = {**letters, **{x: Poly.name(x) - base for x in e.letters}}
        ranges = tuple(p.subs(letters) for p in e.ranges)
        found = Reduce(e.kind, e.letters, ranges, _moved(e.body, inner, base, sizes))
        return Call("-", (found, Const(base))) if e.kind is Kind.ARGMAX else found  # the number of the winner counts from there, too
    if isinstance(e, Call) and e.fn in COMPARISONS and all(place(a) for a in e.args):
        a, b = (polynomial(x).subs(letters) for x in e.args)
        return _compared(e.fn, a, b, base, letters, sizes)
    return rebuild(e, lambda a: _moved(a, letters, base, sizes))


def _compared(fn: str, a: Poly, b: Poly, base: int, letters: Mapping[str, Poly], sizes: Set[str]) -> Expr:
    """Places are compared with places: both move, where that is not longer. Before the place behind the last is at the last."""
    if all(p.terms.get(()) != -base for p in (a, b)):
        return Call(fn, (number_of(a), number_of(b)))
    for less, most, low, high in (("<", "<=", a, b), (">", ">=", b, a)):
        if fn == less and high.names <= sizes - letters.keys() and low.names <= sizes | letters.keys():
            pair = (number_of(low + base), number_of(high))
            return Call(most, pair if fn == "<" else pair[::-1])
    return Call(fn, (number_of(a + base), number_of(b + base)))


def place(e: Expr) -> bool:
    """Whether e is a sum of letters and sizes, without quotients."""
    return (isinstance(e, Index) and not e.expr.quotients) or (isinstance(e, Const) and isinstance(e.value, int))


def polynomial(e: Expr) -> Poly:
    assert isinstance(e, (Index, Const))
    return e.expr if isinstance(e, Index) else Poly.of(e.value)
