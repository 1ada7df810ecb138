"""Integer expressions of index letters, sizes and settings, kept as polynomials so that they can be solved.

An expression is a sum of monomials with integer coefficients; an atom of a monomial is a name, or a floor
division or remainder of two expressions. Terms keep the order in which they were written (for printing);
equality does not depend on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from .lazy import cached_property


@dataclass(frozen=True)
class Quotient:
    """floor(num / den), or the remainder num mod den (with the sign of den, as in Python)."""

    num: Poly
    den: Poly
    remainder: bool = False

    def __str__(self) -> str:
        return f"{_factor(self.num)}{'%' if self.remainder else '//'}{_factor(self.den)}"


Atom = str | Quotient
Monomial = tuple[Atom, ...]


def _sorted(m: Monomial) -> Monomial:
    return tuple(sorted(m, key=lambda a: (isinstance(a, Quotient), str(a))))


class Poly:
    """An immutable integer polynomial over names and floor quotients.

    >>> i, s = Poly.name("i"), Poly.name("s")
    >>> print(s * i + i - s * i + 2 - 1)
    i+1
    """

    __slots__ = ("__dict__", "terms")

    def __init__(self, terms: Mapping[Monomial, int | float]):
        """terms: {product of atoms as written: coefficient}; products that differ only in order are one."""
        if all(len(m) <= 1 for m in terms):
            self.terms: dict[Monomial, int | float] = {m: c for m, c in terms.items() if c != 0}
            return
        merged: dict[Monomial, tuple[Monomial, int | float]] = {}
        for m, c in terms.items():
            key = _sorted(m) if len(m) > 1 else m
            shown, old = merged.get(key, (m, 0))
            merged[key] = (shown, old + c)
        self.terms = {m: c for m, c in merged.values() if c != 0}

    @staticmethod
    def name(name: str) -> Poly:
        return Poly({(name,): 1})

    @staticmethod
    def of(value: int | float | str | Poly) -> Poly:
        if isinstance(value, Poly):
            return value
        return Poly.name(value) if isinstance(value, str) else Poly({(): value})

    @cached_property
    def key(self) -> frozenset[tuple[Monomial, int | float]]:
        return frozenset((_sorted(m), c) for m, c in self.terms.items())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Poly) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __add__(self, other: Poly | int) -> Poly:
        out = dict(self.terms)
        known = {_sorted(m): m for m in out}
        for m, c in Poly.of(other).terms.items():
            m = known.get(_sorted(m), m)
            out[m] = out.get(m, 0) + c
        return Poly(out)

    def __radd__(self, other: int) -> Poly:
        return Poly.of(other) + self

    def __neg__(self) -> Poly:
        return Poly({m: -c for m, c in self.terms.items()})

    def __sub__(self, other: Poly | int) -> Poly:
        return self + (-Poly.of(other))

    def __rsub__(self, other: int) -> Poly:
        return Poly.of(other) - self

    def __mul__(self, other: Poly | int) -> Poly:
        out: dict[Monomial, int | float] = {}
        for a, x in self.terms.items():
            for b, y in Poly.of(other).terms.items():
                out[a + b] = out.get(a + b, 0) + x * y
        return Poly(out)

    __rmul__ = __mul__

    def divided(self, den: Poly | int, remainder: bool = False) -> Poly:
        """floor(self / den) or self mod den, simplified where that is exact."""
        d = Poly.of(den)
        if d.constant == 0:
            raise ZeroDivisionError(f"{self} divided by zero")
        if d.constant == 1:
            return Poly({}) if remainder else self
        if self.constant is not None and d.constant is not None:
            return Poly.of(self.constant % d.constant if remainder else self.constant // d.constant)
        k = d.constant
        if k is not None:  # terms that are multiples of the divisor leave the quotient
            whole = {m: c for m, c in self.terms.items() if c % k == 0}
            if whole:
                rest = Poly({m: c for m, c in self.terms.items() if c % k != 0})
                inner = rest.divided(d, remainder)
                return inner if remainder else Poly({m: c // k for m, c in whole.items()}) + inner
        return Poly({(Quotient(self, d, remainder),): 1})

    def __floordiv__(self, other: Poly | int) -> Poly:
        return self.divided(other)

    def __mod__(self, other: Poly | int) -> Poly:
        return self.divided(other, remainder=True)

    @cached_property
    def constant(self) -> int | float | None:
        """The value if this is a number, else None."""
        if not self.terms:
            return 0
        return self.terms.get(()) if len(self.terms) == 1 and () in self.terms else None

    @cached_property
    def letter(self) -> str | None:
        """The name if this is nothing but one name, else None."""
        if len(self.terms) == 1:
            ((m, c),) = self.terms.items()
            if c == 1 and len(m) == 1 and isinstance(m[0], str):
                return m[0]
        return None

    @cached_property
    def names(self) -> frozenset[str]:
        return frozenset(self._walk())

    @cached_property
    def quotients(self) -> int:
        """How many terms hold a floor division or remainder."""
        return sum(any(isinstance(a, Quotient) for a in m) for m in self.terms)

    def _walk(self) -> Iterator[str]:
        for m in self.terms:
            for atom in m:
                if isinstance(atom, str):
                    yield atom
                else:
                    yield from atom.num.names
                    yield from atom.den.names

    def linear_in(self, name: str) -> tuple[Poly, Poly] | None:
        """(coefficient, rest) with self = coefficient * name + rest, or None where name is not linear."""
        coef: dict[Monomial, int | float] = {}
        rest: dict[Monomial, int | float] = {}
        for m, c in self.terms.items():
            inside = [a for a in m if (a == name if isinstance(a, str) else name in a.num.names | a.den.names)]
            if not inside:
                rest[m] = c
            elif len(inside) == 1 and inside[0] == name:
                reduced = list(m)
                reduced.remove(name)
                coef[tuple(reduced)] = c
            else:
                return None
        return Poly(coef), Poly(rest)

    def subs(self, values: Mapping[str, Poly | int | float]) -> Poly:
        """Replace names; quotients are simplified where they become exact."""
        if not (self.names & values.keys()):
            return self
        out = Poly({})
        for m, c in self.terms.items():
            product = Poly.of(c)
            for atom in m:
                if isinstance(atom, str):
                    product = product * Poly.of(values.get(atom, atom))
                else:
                    product = product * atom.num.subs(values).divided(atom.den.subs(values), atom.remainder)
            out = out + product
        return out

    def evaluate(self, values: Mapping[str, object]) -> object:
        """The number (or array) with every name given; exact for Python integers."""
        total: object = 0
        for m, c in self.terms.items():
            product: object = c
            for atom in m:
                if isinstance(atom, str):
                    product = product * values[atom]  # type: ignore[operator]  # whole numbers, or arrays of them
                else:
                    num, den = atom.num.evaluate(values), atom.den.evaluate(values)
                    product = product * (num % den if atom.remainder else num // den)  # type: ignore[operator]  # whole numbers, or arrays of them
            total = total + product  # type: ignore[operator]  # whole numbers, or arrays of them
        return total

    def interval(self, ranges: Mapping[str, tuple[int, int]]) -> tuple[int, int]:
        """Smallest and largest value over inclusive ranges of the names (exact for affine expressions)."""
        lo = hi = 0
        for m, c in self.terms.items():
            low = high = int(c)
            for atom in m:
                a, b = ranges[atom] if isinstance(atom, str) else _quotient_interval(atom, ranges)
                ends = (low * a, low * b, high * a, high * b)
                low, high = min(ends), max(ends)
            lo, hi = lo + low, hi + high
        return lo, hi

    def magnitude(self, ranges: Mapping[str, tuple[int, int]]) -> int:
        """A bound, in Python's whole numbers, of everything that comes up while this is computed: terms, sums of terms, parts of quotients."""
        total = inner = 0
        for m, c in self.terms.items():
            product = abs(int(c))
            for atom in m:
                if isinstance(atom, str):
                    product *= max(1, *map(abs, ranges[atom]))
                else:
                    inner = max(inner, atom.num.magnitude(ranges), atom.den.magnitude(ranges))
                    product *= max(1, atom.num.magnitude(ranges), atom.den.magnitude(ranges))
            total += product
        return max(total, inner)

    def __str__(self) -> str:
        text = ""
        for group in self._groups():
            if isinstance(group, tuple):
                inner, atom = group
                text += f"{'+' if text else ''}({inner})*{_atom(atom)}"
                continue
            ((m, c),) = group.items()
            sign = "-" if c < 0 else "+" if text else ""
            alone = len(m) == 1 and abs(c) == 1 and sign != "-"
            factors = ([str(abs(c))] if abs(c) != 1 or not m else []) + [str(a) if alone else _atom(a) for a in m]
            text += sign + "*".join(factors)
        return text or "0"

    def _groups(self) -> list[tuple[Poly, Atom] | dict[Monomial, int | float]]:
        """The terms in order; those that count in blocks of one size are put together, as c*D*E + d*E is (c*D + d)*E."""
        products = [m for m in self.terms if len(m) > 1 and all(isinstance(a, str) for a in m)]
        last = next((a for m in products for a in reversed(m) if sum(a in x for x in products) > 1), None)
        blocks = [m for m in products if last in m]
        if last is None or len({frozenset(m) for m in blocks}) != len(blocks):
            return [{m: c} for m, c in self.terms.items()]
        inner: dict[Monomial, int | float] = {}
        for m in blocks:
            k = len(m) - 1 - m[::-1].index(last)
            inner[m[:k] + m[k + 1 :]] = self.terms[m]
        out: list[tuple[Poly, Atom] | dict[Monomial, int | float]] = []
        for m, c in self.terms.items():
            if m == blocks[0]:
                out.append((Poly(inner), last))
            elif m not in blocks:
                out.append({m: c})
        return out

    def __repr__(self) -> str:
        return f"Poly({self})"


def _atom(a: Atom) -> str:
    """The text of a factor."""
    return f"({a})" if isinstance(a, Quotient) else a


def _factor(p: Poly) -> str:
    """Text that binds tighter than // and %."""
    simple = p.letter is not None or (p.constant is not None and p.constant >= 0)
    return str(p) if simple else f"({p})"


def _quotient_interval(q: Quotient, ranges: Mapping[str, tuple[int, int]]) -> tuple[int, int]:
    (a, b), (d, e) = q.num.interval(ranges), q.den.interval(ranges)
    if d <= 0 <= e:
        raise ZeroDivisionError(f"{q} may divide by zero")
    if q.remainder:
        if d == e and d > 0 and a // d == b // d:
            return a % d, b % d
        return (0, e - 1) if d > 0 else (d + 1, 0)
    ends = (a // d, a // e, b // d, b // e)
    return min(ends), max(ends)


def related(a: Poly, b: Poly) -> bool:
    """Two sizes of which one is computed from the other's names, as D - 1 and D: a window, not a broken promise.

    A letter whose range is stated (by the header or the reduction) may stand alone on an axis of a related size.
    """
    return bool(a.names & b.names) and a != b
