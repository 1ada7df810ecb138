"""What is known at a place in a formula: the ranges of the letters around it, and what the forward formula holds."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ..language.brackets import is_test
from ..language.digits import Facts, equal, fits, ratio
from ..language.functions import FUNCTIONS
from ..language.index import Poly
from ..language.tree import Call, Definition, Expr, Index, Line, Read, Reduce, children, direct_reads, reads, subs, walk
from .match import match, signature
from .normal import Product, expr_of, product_of
from .prepare import distinct


@dataclass(frozen=True)
class Held:
    """A line whose value may be read: its expression as a product, with the line's letters standing for any index."""

    line: Line
    product: Product
    tensors: frozenset[str]

    @classmethod
    def of(cls, line: Line) -> Held:
        return cls(line, product_of(line.expr), frozenset(r.tensor for r in reads(line.expr)))

    def at(self, found: Mapping[str, Poly]) -> Read:
        return Read(self.line.tensor, tuple(p.subs(found) for p in self.line.index))


@dataclass(frozen=True)
class Scope:
    """axes, facts: of the definition. lines: those that come before, by tensor. held: those of them that are worth reading. letters: those
    around this place with their ranges. looked: (tensor, size) of whole numbers that are
    known to be below a size: something is looked up at them. settings: all that may be 0, floats: those that are no whole numbers. inputs: of the definition. written: what the lines say, by signature."""

    axes: Mapping[str, tuple[Poly, ...]]
    facts: Facts = ()
    lines: Mapping[str, Line] = field(default_factory=dict)
    held: Sequence[Held] = ()
    letters: Mapping[str, Poly] = field(default_factory=dict)
    looked: frozenset[tuple[str, Poly]] = frozenset()
    floats: Collection[str] = ()
    settings: Collection[str] = ()
    inputs: Collection[str] = ()
    written: frozenset[int] = frozenset()

    @classmethod
    def of(cls, d: Definition, lines: Sequence[Line]) -> Scope:
        """The scope behind lines of a definition."""
        held = [h for h in (Held.of(x) for x in lines if _costly(x.expr)) if not any(is_test(b) for b, _ in h.product.powers)]  # those stay factors
        written = frozenset(signature(e) for x in lines for e in walk(x.expr) if isinstance(e, Call))
        looked = frozenset((t.name, s) for t in d.inputs for s in t.whole or ())
        return cls(
            dict(d.axes),
            d.facts,
            {x.tensor: x for x in lines},
            tuple(held),
            {},
            looked,
            d.floats,
            [k for k, _ in d.settings],
            [t.name for t in d.inputs],
            written,
        )

    def inside(self, line: Line) -> Scope:
        return replace(self, letters=dict(zip(line.letters, line.ranges, strict=True)))

    def within(self, e: Reduce) -> Scope:
        return replace(self, letters={**self.letters, **dict(zip(e.letters, e.ranges, strict=True))})

    def sure(self, e: Expr) -> bool:
        """Whether nothing that e reads directly can lie outside its axis."""
        return not self.outside(e)

    def outside(self, e: Expr) -> frozenset[tuple[Poly, Poly]]:
        """(place, axis) of what e reads directly and may lie outside: where it does, the term that e stands in is left out."""
        return frozenset(
            (p, s)
            for r in direct_reads(e)
            for p, s in zip(r.index, self.axes[r.tensor], strict=True)
            if not (fits(p, s, self.letters, self.facts) or _number_inside(p, s))
        )

    def always_inside(self, e: Expr, tensor: str) -> bool:
        """Whether nothing of a tensor that e reads, in sums too, can lie outside."""
        if isinstance(e, Read):
            return e.tensor != tensor or self.sure(e)
        inner = self.within(e) if isinstance(e, Reduce) else self
        return all(inner.always_inside(a, tensor) for a in children(e))

    def some(self, size: Poly) -> bool:
        """Whether a size surely is above 0: those that are named are, what letters around count in, and what one of those is tiled by."""
        if any(equal(size, r, self.facts) for r in self.letters.values()):
            return True
        if any(_positive(axis, self.settings, self.letters) and ratio(product, size) is not None for product, axis in self.facts):
            return True
        return _positive(size, self.settings, self.letters)

    def finite(self, base: Expr, power: int) -> bool:
        """Whether a factor that says nothing of data is a number, whatever the letters are."""
        return isinstance(base, Index) and (power > 0 or _positive(base.expr, (), self.letters) or self.some(base.expr))

    def given(self, base: Expr, power: int) -> bool:
        """Whether a factor is a number that the user gave."""
        return power > 0 and isinstance(base, Read) and base.tensor in self.inputs

    def meets(self, p: Poly, size: Poly) -> bool:
        """Whether a place is one of so many."""
        return _number_inside(p, size) or (p.letter is not None and p.letter in self.letters and equal(self.letters[p.letter], size, self.facts))

    def value(self, r: Read) -> Expr | None:
        """What the line of a tensor says for one of its elements."""
        line = self.lines.get(r.tensor)
        if line is None or line.target is not None or not self._covers(line, dict(zip(line.letters, r.index, strict=True))):
            return None
        around = set(self.letters) | set(line.letters) | set().union(*(p.names for p in r.index))
        value = distinct(line.expr, around, self.axes)  # no sum in it binds a letter that stands in the place
        return subs(value, dict(zip(line.letters, r.index, strict=True)))

    def plain(self, e: Expr) -> Expr:
        """e, or what the line of the tensor says that e is a read of."""
        for _ in range(3):
            found = self.value(e) if isinstance(e, Read) else None
            if found is None:
                break
            e = found
        return e

    def saved(self, e: Expr) -> Expr:
        """e, or with a tensor in place of what it holds."""
        p = product_of(e)
        if not p.powers or (len(p.powers) == 1 and p.powers[0][1] == 1 and isinstance(p.powers[0][0], (Read, Index))):
            return e
        there = {r.tensor for r in reads(e)}
        for held in self.held:
            if held.tensors <= there and (found := self._part(held, p)) is not None:
                return found
        return e

    def held_sum(self, e: Expr) -> Expr:
        """e, or the tensor that holds just that, however cheap it is to compute."""
        for line in self.lines.values():
            found = match(line.expr, e, frozenset(line.letters))
            if found is not None and self._covers(line, found):
                return Read(line.tensor, tuple(p.subs(found) for p in line.index))
        return e

    def _part(self, held: Held, p: Product) -> Expr | None:
        """p with a read in place of the factors that make up what is held."""
        letters = frozenset(held.line.letters)
        found: dict[str, Poly] | None = {}
        left = p
        for base, k in held.product.powers:
            for other, n in left.powers:
                step = match(base, other, letters, found) if n * k > 0 and abs(n) >= abs(k) else None
                if step is not None:
                    found = step
                    left = left.without(other)
                    left = left.times(other, n - k) if n != k else left
                    break
            else:
                return None
        if found is None or not self._covers(held.line, found):
            return None
        if not held.product.number or not held.product.powers:
            return None
        number = p.number / held.product.number
        if held.product.number not in (1, -1) and number.denominator > p.number.denominator:
            return None
        at = held.at(found)
        return expr_of(Product(number, (*_in_place(p, left, (at, 1)),), True))

    def _covers(self, line: Line, found: Mapping[str, Poly]) -> bool:
        """Whether the places that are asked for are known, and among those that the line computes."""
        ranges = dict(zip(line.letters, line.ranges, strict=True))
        return all(x in found and (fits(found[x], r, self.letters, self.facts) or _number_inside(found[x], r)) for x, r in ranges.items())

    def logarithm(self, e: Expr) -> Read | None:
        """A tensor that holds the logarithm of e."""
        for held in self.held:
            line = held.line
            if isinstance(line.expr, Call) and line.expr.fn == "log":
                found = match(line.expr.args[0], e, frozenset(line.letters))
                if found is not None and self._covers(line, found):
                    return held.at(found)
        return None

    def looked_up(self, at: Read, size: Poly) -> bool:
        return any(at.tensor == t and equal(s, size, self.facts) for t, s in self.looked)


def _in_place(p: Product, left: Product, new: tuple[Expr, int]) -> list[tuple[Expr, int]]:
    """The powers that are left, with a new one where the first of those that are gone stood."""
    out: list[tuple[Expr, int]] = []
    placed = False
    for base, n in p.powers:
        k = left.exponent(base)
        if k != n and not placed:
            out.append(new)
            placed = True
        if k:
            out.append((base, k))
    merged = Product(left.number)
    for base, k in out:
        merged = merged.times(base, k)
    return list(merged.powers)


def _costly(e: Expr) -> bool:
    """Whether reading e's value saves a function or a division of data."""
    return any(
        isinstance(x, Call) and ((x.fn in FUNCTIONS and x.fn not in ("where", "delta")) or (x.fn == "/" and next(reads(x.args[1]), None) is not None))
        for x in walk(e)
    )


def _positive(size: Poly, *but: Collection[str]) -> bool:
    """Whether a size is a sum of products of names, none of these."""
    names = [a for m in size.terms for a in m]
    return bool(size.terms) and all(c > 0 for c in size.terms.values()) and all(isinstance(a, str) and not any(a in b for b in but) for a in names)


def _number_inside(p: Poly, size: Poly) -> bool:
    return p.constant is not None and size.constant is not None and 0 <= p.constant < size.constant
