"""Changes of variables: from guards and equations on index letters to dense loops.

The gradient of a convolution reads w[r-s*i+p], which is inside only for few i. With u for that index,
the loop over u is short and i = (r+p-u)/s. Where s > 1 the division is exact only in some residue classes of r
modulo s; each class becomes a loop nest of its own, r = s*t+e, with dense loops. An equation that cannot be
solved is either a scatter (out[φ] += …) or is tested term by term.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from ...language.functions import Kind
from ...language.index import Poly, Quotient
from ...language.tree import ZERO, Index, Read, map_indices, walk
from .lower import MOST_SAMPLES, SAMPLES, Statement, linear

MOST_CLASSES = 8  # residue classes into which a letter is split


@dataclass(frozen=True)
class Opened:
    """A statement whose short indices have letters of their own, and the residue split it would like."""

    statement: Statement
    splits: tuple[tuple[str, int], ...]


def open_short_indices(s: Statement, shapes: Mapping[str, tuple[int, ...]]) -> Opened:
    """Give a letter to every index r-s*i+c (or (r-s*i+c)//d with its divisibility) that is shorter than i."""
    if s.kind is not Kind.SUM or not s.red:
        return Opened(s, _wanted_splits(s))
    taken = set(s.letters) | set(s.red)
    done: dict[Poly, str] = {}
    for index, size in _candidates(s, shapes):
        if index in done:
            continue
        inner, divisor = _peel(index)
        coefs = linear(inner)
        if coefs is None or not (set(coefs) & set(s.letters)) or (divisor > 1 and inner % divisor not in s.equal):
            continue
        long = [x for x in s.red if abs(coefs.get(x, 0)) >= 1 and s.red_extents[s.red.index(x)] > max(1, -(-size // abs(coefs[x])))]
        if not long:
            continue
        name = next(f"{x}'" for x in _names() if f"{x}'" not in taken)
        taken.add(name)
        done[index] = name
        letter = Poly.name(name)
        eq = inner - divisor * letter
        swap = _Swap(index, letter)
        s = replace(
            s, red=(*s.red, name), red_extents=(*s.red_extents, size), body=map_indices(s.body, swap),
            guards=tuple(g for g in (swap(g) for g in s.guards) if g not in (letter, size - 1 - letter)),
            equal=(*tuple(q for q in s.equal if q != inner % divisor), eq),
        )  # fmt: skip
    return Opened(s, _wanted_splits(s))


def _names() -> itertools.chain[str]:
    return itertools.chain(("u", "v", "w"), (f"u{k}" for k in itertools.count(1)))


def _candidates(s: Statement, shapes: Mapping[str, tuple[int, ...]]) -> list[tuple[Poly, int]]:
    """(index, how many values it may have) of reads that may fall outside, and of pairs of guards 0 <= p < size."""
    found = []
    for node in walk(s.body):
        if isinstance(node, Read):
            for p, size in zip(node.index, shapes[node.tensor], strict=True):
                if p.letter is None and p.constant is None and (p in s.guards or size - 1 - p in s.guards):
                    found.append((p, size))
    for g in s.guards:
        for h in s.guards:
            both = (g + h).constant
            if both is not None and int(both) >= 0 and g.letter is None and (linear(g) or {}).get(g_letter(g, s), 0):
                found.append((g, int(both) + 1))
    return sorted(found, key=lambda f: f[1])


def g_letter(g: Poly, s: Statement) -> str:
    """Some reduced letter of g, or a name that is none."""
    return next((x for x in s.red if x in g.names), "?")


def _peel(index: Poly) -> tuple[Poly, int]:
    """(E, d) for an index E//d, else (index, 1)."""
    if len(index.terms) == 1:
        ((m, c),) = index.terms.items()
        if c == 1 and len(m) == 1 and isinstance(m[0], Quotient) and not m[0].remainder:
            d = m[0].den.constant
            if isinstance(d, int):
                return m[0].num, d
    return index, 1


@dataclass(frozen=True)
class _Swap:
    """Put a letter for an index wherever the index or a multiple of it stands."""

    index: Poly
    letter: Poly

    def __call__(self, p: Poly) -> Poly:
        if p == self.index:
            return self.letter
        if p == -self.index:
            return -self.letter
        gap = p - self.index
        if gap.constant is not None:
            return self.letter + gap
        gap = p + self.index
        return gap - self.letter if gap.constant is not None else p


def _wanted_splits(s: Statement) -> tuple[tuple[str, int], ...]:
    """{output letter: number of residue classes} that would solve the statement's equations."""
    found: dict[str, int] = {}
    for eq in s.equal:
        coefs = linear(eq)
        if coefs is None:
            continue
        reduced = [x for x in s.red if coefs.get(x)]
        plain = [x for x in reduced if abs(coefs[x]) == 1]
        strided = [x for x in reduced if abs(coefs[x]) > 1]
        free = [x for x in s.letters if abs(coefs.get(x, 0)) == 1]
        if not strided or not free:
            continue
        extent = dict(zip(s.red, s.red_extents, strict=True))
        # Without a split a letter of coefficient 1 goes and the strided one is walked with a guard.
        walk_strided = min((math.prod(extent[y] for y in reduced if y != x) for x in plain), default=math.inf)
        m = max((abs(coefs[x]), x) for x in strided)
        rest = math.prod(extent[y] for y in reduced if y != m[1]) / m[0]
        if m[0] <= MOST_CLASSES and rest < walk_strided:
            found[free[-1]] = math.lcm(found.get(free[-1], 1), m[0])
    for letter, by in _divided(s):
        both = math.lcm(found.get(letter, 1), by)
        if both <= MOST_CLASSES and s.extents[s.letters.index(letter)] >= 2 * both:
            found[letter] = both
    return tuple(found.items())


def _divided(s: Statement) -> list[tuple[str, int]]:
    """(letter, m) for each r//m and r%m in an index: in the residue classes of r they are r's own steps, and a number."""
    found: dict[tuple[str, int], None] = {}
    for p in (*s.guards, *(p for node in walk(s.body) if isinstance(node, Read) for p in node.index)):
        for atom in (a for m in p.terms for a in m if isinstance(a, Quotient)):
            d, coefs = int(atom.den.constant or 0), linear(atom.num) or {}
            if 1 < d <= MOST_CLASSES and not set(coefs) & set(s.red):
                found |= {(x, d): None for x in s.letters if abs(coefs.get(x, 0)) == 1}
    return list(found)


def residues(group: list[Opened]) -> list[dict[str, tuple[int, int]]]:
    """Every combination {letter: (modulus, residue)} into which a group of statements is split."""
    moduli: dict[str, int] = {}
    for o in group:
        for letter, m in o.splits:
            moduli[letter] = math.lcm(moduli.get(letter, 1), m)
    return [dict(zip(moduli, zip(moduli.values(), es, strict=True), strict=True)) for es in itertools.product(*[range(m) for m in moduli.values()])]


def apply(s: Statement, classes: Mapping[str, tuple[int, int]], scatter: bool = True) -> Statement:
    """The statement in one residue class, its equations solved."""
    swap: dict[str, Poly] = {}
    extents = list(s.extents)
    for letter, (m, e) in classes.items():
        k = s.letters.index(letter)
        swap[letter] = m * Poly.name(letter) + e
        extents[k] = max(0, -(-(extents[k] - e) // m))
    s = replace(_subs(s, swap), extents=tuple(extents))
    return solve(s, scatter)


def _subs(s: Statement, swap: Mapping[str, Poly]) -> Statement:
    change = lambda p: p.subs(swap)  # noqa: E731
    return replace(
        s, target=tuple(map(change, s.target)), guards=tuple(map(change, s.guards)), equal=tuple(map(change, s.equal)),
        body=map_indices(s.body, change),
    )  # fmt: skip


def solve(s: Statement, scatter: bool) -> Statement:
    """Solve every equation that can be solved; sort the rest into scatters and tests."""
    waiting = len(s.equal)  # an equation that cannot be solved goes to the back: solving another may change it
    while s.equal and waiting:
        eq, rest = s.equal[0], s.equal[1:]
        solved = _solve_one(replace(s, equal=rest), eq)
        waiting = waiting - 1 if solved is None else len(rest)
        s = replace(s, equal=(*rest, eq)) if solved is None else solved
    s = _scatter(s) if s.equal and scatter else s
    return replace(s, guards=tuple(g for g in dict.fromkeys(s.guards) if g.interval(s.ranges)[0] < 0))


def empty(s: Statement) -> Statement:
    """The same statement with no terms."""
    return replace(s, guards=(Poly.of(-1),), equal=())


def _solve_one(s: Statement, eq: Poly) -> Statement | None:
    if eq.constant is not None:
        return s if eq.constant == 0 else empty(s)
    coefs = linear(eq)
    if coefs is None:
        return None
    lo, hi = eq.interval(s.ranges)
    if lo > 0 or hi < 0:
        return empty(s)
    extent = dict(zip(s.red, s.red_extents, strict=True))
    reduced = [x for x in s.red if coefs.get(x)]
    options: list[tuple[int, str, str | None]] = []
    for x in reduced:
        m = abs(coefs[x])
        odd = [y for y in coefs if y not in ("", x) and coefs[y] % m]
        if not odd:
            options.append((math.prod(extent[y] for y in reduced if y != x), x, None))
        elif len(odd) == 1 and odd[0] in extent:
            options.append((math.prod(extent[y] for y in reduced if y != x) // m, x, odd[0]))
    if not options:
        return None
    _, x, y = min(options, key=lambda o: o[0])
    m, sign = abs(coefs[x]), 1 if coefs[x] > 0 else -1
    constant = coefs.get("", 0)
    if y is None:
        if constant % m:
            return empty(s)
    else:
        # m*x = … has a whole solution only where coefs[y]*y + constant is a multiple of m (all other coefficients are). That is a
        # congruence in y: with g = gcd(coefs[y], m) it has a solution only if g divides the constant, and then one in each m/g
        # neighbouring values. So y = first + step*y' runs over exactly those for which x exists, and x is solved for without a test.
        g = math.gcd(coefs[y], m)
        if constant % g:
            return empty(s)
        step = m // g
        first = next(k for k in range(step) if (coefs[y] * k + constant) % m == 0)
        k = s.red.index(y)
        extents = list(s.red_extents)
        extents[k] = max(0, -(-(extents[k] - first) // step))
        s = _subs(replace(s, red_extents=tuple(extents)), {y: step * Poly.name(y) + first})
        eq = eq.subs({y: step * Poly.name(y) + first})
    rest = eq - coefs[x] * Poly.name(x)
    value = Poly({mono: -sign * c // m for mono, c in rest.terms.items()})
    k = s.red.index(x)
    bound = s.red_extents[k] - 1
    s = replace(s, red=s.red[:k] + s.red[k + 1 :], red_extents=s.red_extents[:k] + s.red_extents[k + 1 :])
    s = _subs(s, {x: value})
    return replace(s, guards=(*s.guards, value, bound - value))


def emptied(s: Statement) -> Statement:
    """The statement as zeros, if its conditions hold nowhere (a residue class that no window meets)."""
    if s.kind is not Kind.SUM or s.scatter or 0 in s.extents:
        return s
    spans = {x: (0, MOST_SAMPLES if e == SAMPLES else e - 1) for x, e in zip(s.letters + s.red, s.extents + s.red_extents, strict=True)}
    never = 0 in s.red_extents or any(g.interval(spans)[1] < 0 for g in s.guards)
    if not never and not any(lo > 0 or hi < 0 for lo, hi in (q.interval(spans) for q in s.equal)):
        return s
    return replace(s, kind=None, red=(), red_extents=(), guards=(), equal=(), body=ZERO)


def _scatter(s: Statement) -> Statement:
    """out[…, r, …] = sum(… [φ == r]) with r nowhere else becomes out[…, φ, …] += …."""
    swap: dict[str, Poly] = {}
    left: list[Poly] = []
    used = set().union(*(g.names for g in s.guards)) if s.guards else set()
    for node in walk(s.body):
        for p in (node.expr,) if isinstance(node, Index) else node.index if isinstance(node, Read) else ():
            used |= p.names
    for eq in s.equal:
        for letter in s.letters:
            split = eq.linear_in(letter)
            others = [q for q in s.equal if q is not eq and letter in q.names]
            if split is None or split[0].constant not in (1, -1) or letter in used or letter in swap or others:
                continue
            if split[1].names & set(s.letters):
                continue
            swap[letter] = -split[1] if split[0].constant == 1 else split[1]
            break
        else:
            left.append(eq)
    if not swap:
        return s
    sizes = dict(zip(s.letters, s.extents, strict=True))
    guards = list(s.guards)
    for letter, value in swap.items():
        guards += [value, sizes[letter] - 1 - value]
    keep = [k for k, x in enumerate(s.letters) if x not in swap]
    return replace(
        s, letters=tuple(s.letters[k] for k in keep), extents=tuple(s.extents[k] for k in keep),
        target=tuple(p.subs(swap) for p in s.target), guards=tuple(guards), equal=tuple(left), scatter=True,
    )  # fmt: skip
