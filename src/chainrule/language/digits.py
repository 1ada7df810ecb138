"""Indices that count in several digits at once: g*P + q with q below P walks through an axis of G*P places as g and q walk through G and P.

An index of digits a*A + b*B + … + z is exact where each coefficient is the next one times the range of its digit. Then every
place of an axis as long as the leading digit allows is met once: the index tiles the axis, and place r is met at

    a = r//A,  b = r//B % range(b),  …,  z = r % range(z)
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from .index import Atom, Poly, Quotient


@dataclass(frozen=True)
class Digit:
    """A letter (or a quotient or remainder of one) in an index: what it is multiplied by and how many values it has."""

    atom: Atom
    coef: Poly
    size: Poly


Facts = Collection[tuple[Poly, Poly]]  # sizes that are equal though their texts differ: (product, axis)


def equal(a: Poly, b: Poly, facts: Facts = ()) -> bool:
    return a == b or (a, b) in facts or (b, a) in facts


def ratio(num: Poly, den: Poly, facts: Facts = (), trusting: bool = False) -> Poly | None:
    """num / den where the division is exact by its form, else None. O / (O//g) is g where the facts say so, or where it is proven later
    (trusting): a rest would be places that no letter counts."""
    if den.constant == 1:
        return num
    if len(den.terms) != 1:
        return None
    ((atoms, c),) = den.terms.items()
    if len(atoms) == 1 and isinstance(atoms[0], Quotient) and c == 1 and not atoms[0].remainder and atoms[0].num == num:
        by = atoms[0].den
        return by if trusting or equal(den * by, num, facts) else None
    out: dict[tuple[Atom, ...], int | float] = {}
    for m, k in num.terms.items():
        left = list(m)
        for a in atoms:
            if a not in left:
                return None
            left.remove(a)
        if k % c:
            return None
        out[tuple(left)] = k // c
    return Poly(out) if out else None


def size_of(atom: Atom, ranges: Mapping[str, Poly], facts: Facts = ()) -> Poly | None:
    """How many values a letter, or a quotient or remainder of one, has; None where that is no simple matter."""
    if isinstance(atom, str):
        return ranges.get(atom)
    if atom.remainder:
        return atom.den
    inner = size_of(next(iter(atom.num.terms))[0], ranges, facts) if _one(atom.num) else None
    known = [inner] if inner is not None else []
    known += [b if a == inner else a for a, b in facts if inner in (a, b)]
    return next((r for size in known if (r := ratio(size, atom.den, facts)) is not None), None)


def _one(p: Poly) -> bool:
    return len(p.terms) == 1 and next(iter(p.terms.items()))[1] == 1 and len(next(iter(p.terms))) == 1


def digits(p: Poly, ranges: Mapping[str, Poly], facts: Facts = ()) -> tuple[list[Digit], Poly] | None:
    """(digits of p from the leading one, what is left of p); None where p does not count exactly. ranges: of the letters that count."""
    found: list[Digit] = []
    rest = Poly({})
    for m, c in p.terms.items():
        moving = [a for a in m if (a in ranges if isinstance(a, str) else a.num.names & ranges.keys())]
        if not moving:
            rest = rest + Poly({m: c})
            continue
        size = size_of(moving[0], ranges, facts) if len(moving) == 1 else None
        if size is None:
            return None
        left = list(m)
        left.remove(moving[0])
        found.append(Digit(moving[0], Poly({tuple(left): c}), size))
    if not found or len({d.atom for d in found}) < len(found):
        return None
    ordered: list[Digit] = []  # from the last one
    step = Poly.of(1)
    while found:  # of two that are multiplied by the same, one has a single value
        here = min((d for d in found if equal(d.coef, step, facts)), key=lambda d: d.size.constant != 1, default=None)
        if here is None:
            return None
        found.remove(here)
        ordered.append(here)
        step = here.coef * here.size
    return ordered[::-1], rest


def places(row: list[Digit]) -> Poly:
    """How many places an exact index meets."""
    return row[0].coef * row[0].size


def fits(p: Poly, size: Poly, ranges: Mapping[str, Poly], facts: Facts = ()) -> bool:
    """Whether p, by its form, stays inside an axis and meets every place of it."""
    if p.letter is not None and p.letter in ranges:
        return equal(ranges[p.letter], size, facts)
    found = digits(p, ranges, facts)
    return found is not None and not found[1].terms and equal(places(found[0]), size, facts)


def values(row: list[Digit], at: Poly) -> list[tuple[Digit, Poly]]:
    """The value of each digit at a place."""
    out = []
    for k, d in enumerate(row):
        part = at // d.coef
        out.append((d, part % d.size if k else part))
    return out


def lettered(p: Poly, letters: Collection[str], axis: Poly | None) -> tuple[dict[str, Poly], dict[str, Poly]] | None:
    """(ranges that the coefficients and the axis say, ranges by a division that may leave a rest) of the letters of an index that tiles an
    axis; None where no letters do by their form."""
    coefs = [(x, split[0]) for x in letters if (split := p.linear_in(x)) is not None and len(split[0].terms) == 1]
    if len(coefs) < len(letters) or sum((c * Poly.name(x) for x, c in coefs), Poly({})) != p or any(c.names & set(letters) for _, c in coefs):
        return None
    coefs.sort(key=lambda x: _weight(x[1]), reverse=True)
    if coefs and coefs[-1][1].constant != 1:
        return None
    above, said, rough = axis, {}, {}
    for letter, coef in coefs:
        exact = ratio(above, coef, trusting=True) if above is not None else None
        if exact is not None:
            said[letter] = exact
        elif above is not None:
            rough[letter] = above // coef
        above = coef
    return said, rough


def _weight(coef: Poly) -> tuple[int, int]:
    ((m, c),) = coef.terms.items()
    return sum(1 if isinstance(a, str) else 2 for a in m), int(c)


def misfit(p: Poly, axis: Poly | None, ranges: Mapping[str, Poly]) -> str | None:
    """Why an index of letters tiles no axis (of this size, if one is declared) at any sizes; None where it may."""
    below = " with " * bool(ranges) + " and ".join(f"{x} below {r}" for x, r in ranges.items())
    if digits(p, ranges) is None and ranges and (axis is None or all(r.constant is not None for r in ranges.values())):
        return f"{p}{below} does not meet every place once"
    product = p.subs({x: r - 1 for x, r in ranges.items()}) + 1
    gap = (product - axis).constant if axis is not None else 0
    return f"{p}{below} meets {product} places of an axis of {axis}" if gap else None


def largest(size: Poly, spans: Mapping[str, Poly]) -> Poly | None:
    """What a size of letters reaches at most; None where that is no simple matter."""
    for x in sorted(size.names & spans.keys()):
        split = size.linear_in(x)
        if split is None or split[0].constant is None:
            return None
        size = size.subs({x: spans[x] - 1 if split[0].constant > 0 else Poly.of(0)})
    return size
