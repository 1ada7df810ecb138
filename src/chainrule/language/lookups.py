"""Elements looked up at numbers of the data, z[n, t[n]], in the sums that say the same: sum[v](where(v == t[n], z[n,v], 0))."""

from __future__ import annotations

from collections.abc import Mapping

from .functions import Kind
from .index import Poly
from .tree import Call, Const, Expr, Index, Places, Read, Reduce, free_names, product_factors

Axes = Mapping[str, tuple[Poly, ...]]


def element(e: Expr, axes: Axes, base: int = 0, declared: bool = True) -> tuple[Read, Mapping[str, Expr]] | None:
    """(a read, what is looked up in place of some of its letters), where a sum is an element at numbers of the data; indices count from `base`,
    numbers of the data from 0. declared: only where all of them are inputs of whole numbers, as the language reads them.

    >>> from .ranges import define
    >>> d = define("f(z[n,K], t[n]: int) -> y[n]\\n y[n] = z[n,t[n]]")
    >>> element(d.lines[0].expr, d.axes)[1]["v"].tensor
    't'
    """
    match e:
        case Reduce(Kind.SUM, letters, ranges, Call("where", (test, Read() as read, Const(0)))) if letters:
            places = _places(letters, product_factors(test), base)
            if places is None or any(read.index.count(Poly.name(x)) != 1 or _hidden(x, read) for x in letters):
                return None
            at = [read.index.index(Poly.name(x)) for x in letters]
            sizes = axes.get(read.tensor, ())
            if at != sorted(at) or any(k >= len(sizes) or sizes[k] != r for k, r in zip(at, ranges, strict=True)):
                return None
            return (read, places) if all(_number(places[x], r, axes, base, declared) for x, r in zip(letters, ranges, strict=True)) else None
    return None


def _places(letters: tuple[str, ...], tests: list[Expr], base: int) -> Mapping[str, Expr] | None:
    """What each letter is equal to, in their order; nothing else is asked."""
    found: dict[str, Expr] = {}
    for x, test in zip(letters, tests, strict=False):
        match test:
            case Call("==", (Index(p), place)) if p == Poly.name(x) - base and not set(letters) & free_names(place):
                found[x] = place
    return found if len(found) == len(tests) == len(letters) else None


def _hidden(letter: str, read: Read) -> bool:
    """Whether a letter stands in an index beside other things."""
    return any(letter in p.names and p.letter != letter for p in read.index)


def _number(e: Expr, size: Poly, axes: Axes, base: int, declared: bool) -> bool:
    """Whether e is a number of the data, declared to lie below a size."""
    found = element(e, axes, base, declared)
    read = found[0] if found else e
    if not isinstance(read, Read) or not declared:
        return isinstance(read, Read)
    places = axes.get(read.tensor)
    return isinstance(places, Places) and size in places.below
