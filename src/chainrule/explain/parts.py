"""A formula at one place as what it adds up: products under sums, each with the conditions under which it is there.

    b[2] + sum[c,u](w[2,c,u] * x[c,u-1]) / 4   ->   b[2]   and   w[2,c,u] * x[c,u-1] / 4 for every c,u with x's index inside

No formula is multiplied out: (a - b) * c is one product. What is neither a sum nor a product is a single part of one factor.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import reduce

from ..language.brackets import is_test
from ..language.functions import Kind
from ..language.index import Poly
from ..language.tree import ONE, ZERO, Call, Const, Expr, Reduce, div, fresh_name, neg, product, rename_bound, subs

ADDING = (Kind.SUM, Kind.MEAN)


@dataclass(frozen=True)
class Part:
    """A product for every value of some letters, all of them added.

    sizes: {letter: how many values}. above, below: its factors, and what it is divided by. tests: (condition, whether it must hold): of data
    and of indices. bodies: of the sums around it, whose reads must lie inside; else the term is not there.
    """

    above: tuple[Expr, ...]
    below: tuple[Expr, ...] = ()
    sign: int = 1
    sizes: Mapping[str, int] | None = None
    tests: tuple[tuple[Expr, bool], ...] = ()
    bodies: tuple[Expr, ...] = ()

    @property
    def letters(self) -> dict[str, int]:
        return dict(self.sizes or {})

    @property
    def count(self) -> int:
        """How many products there would be, were all of them there."""
        return math.prod(self.letters.values())

    @property
    def product(self) -> Expr:
        """The product as a formula, without its conditions. A 0 that stands for a letter stays: its product with an infinity is no 0."""
        if ZERO in self.above:
            made = reduce(lambda a, b: Call("*", (a, b)), self.above)
            made = reduce(lambda a, b: Call("/", (a, b)), self.below, made)
        else:
            made = reduce(div, self.below, product(list(self.above)))
        return neg(made) if self.sign < 0 else made

    def at(self, place: Mapping[str, int]) -> Part:
        """The part with some of its letters held."""
        held = {k: Poly.of(v) for k, v in place.items()}
        return Part(
            tuple(subs(e, held) for e in self.above),
            tuple(subs(e, held) for e in self.below),
            self.sign,
            {k: v for k, v in self.letters.items() if k not in place},
            tuple((subs(e, held), yes) for e, yes in self.tests),
            tuple(subs(e, held) for e in self.bodies),
        )


def parts_of(e: Expr) -> tuple[Part, ...]:
    """What a formula adds up, in the order in which it is written."""
    return tuple(map(_apart, _parts(e, frozenset())))


def _apart(p: Part) -> Part:
    """The part with no letter bound in a factor that is one of its own."""
    taken = set(p.letters)

    def named(e: Expr) -> Expr:
        return rename_bound(e, taken, lambda x: fresh_name(x, taken))

    return replace(p, above=tuple(map(named, p.above)), below=tuple(map(named, p.below)), tests=tuple((named(e), yes) for e, yes in p.tests))


def adds(e: Expr) -> bool:
    """Whether a formula adds something up."""
    return (isinstance(e, Call) and e.fn in ("+", "-")) or _opens(e)


def _parts(e: Expr, around: frozenset[str]) -> list[Part]:
    """around: letters of the sums outside."""
    match e:
        case Call("+", (a, b)):
            return _parts(a, around) + _parts(b, around)
        case Call("-", (a, b)):
            return _parts(a, around) + [replace(p, sign=-p.sign) for p in _parts(b, around)]
        case Call("neg", (a,)):
            return [replace(p, sign=-p.sign) for p in _parts(a, around)]
        case Reduce(kind, letters, _, _) if kind in ADDING:
            taken = set(around)
            renamed = rename_bound(e, taken, lambda x: fresh_name(x, taken)) if around & set(letters) else e
            assert isinstance(renamed, Reduce)
            sizes = {x: int(r.constant or 0) for x, r in zip(renamed.letters, e.ranges, strict=True)}
            count = (Const(math.prod(sizes.values())),) if kind is Kind.MEAN else ()
            return [_under(p, sizes, count, renamed.body) for p in _parts(renamed.body, around | sizes.keys())]
    return _product(e, around)


def _under(p: Part, sizes: Mapping[str, int], count: tuple[Expr, ...], body: Expr) -> Part:
    """A part of a sum's body as a part of the sum."""
    return replace(p, sizes={**sizes, **p.letters}, below=(*p.below, *(c for c in count if c != ONE)), bodies=(body, *p.bodies))


def _opens(e: Expr) -> bool:
    """Whether a factor is a sum over letters, which its product goes into."""
    match e:
        case Reduce(kind, _, _, _):
            return kind in ADDING
        case Call("neg" | "/", (a, *_)):
            return _opens(a)
        case Call("where", (_, a, b)):
            return (b == ZERO and _opens(a)) or (a == ZERO and _opens(b))
        case Call("*", args):
            return sum(map(_opens, args)) == 1
    return False


def _product(e: Expr, around: frozenset[str]) -> list[Part]:
    """The parts of a product: more than one where one factor is a sum over letters."""
    single = Part(())
    opened: list[Expr] = []

    def take(f: Expr, p: Part) -> Part:
        match f:
            case Call("*", (a, b)) if not is_test(f):
                return take(b, take(a, p))
            case Call("/", (a, b)):
                over = take(a, p)
                return replace(over, below=(*over.below, b))
            case Call("neg", (a,)):
                return take(a, replace(p, sign=-p.sign))
            case Call("where", (test, a, b)) if ZERO in (a, b) and a != b:
                return take(a if b == ZERO else b, replace(p, tests=(*p.tests, (test, b == ZERO))))
        if is_test(f):
            return replace(p, tests=(*p.tests, (f, True)))
        if _opens(f) and not opened:
            opened.append(f)
            return p
        return p if f == ONE else replace(p, above=(*p.above, f))

    single = take(e, single)
    if not opened:
        return [single if single.above or single.tests else replace(single, above=(ONE,))]
    return [
        replace(
            p,
            above=(*single.above, *p.above),
            below=(*p.below, *single.below),
            sign=p.sign * single.sign,
            tests=(*single.tests, *p.tests),
        )
        for p in _parts(opened[0], around)
    ]
