"""From scatter to gather: solve φ(letters) = r, collapse the Kronecker delta, keep the bounds that make it exact.

A contribution says: for every value of its letters, dx[φ] += body. As a formula for one place r of dx,

    dx[r] = sum[letters](body * δ(φ, r))

If φ = a*u + rest is linear in a summed letter u, then δ leaves one value of it, u = (r - rest)/a: its sum goes, and
brackets keep what the sum knew: 0 <= u < range(u), and a divides r - rest. A letter that cannot be solved for keeps its δ,
which is still a formula of the language (and a scatter for the machine).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ..language.digits import Facts, digits, equal, fits, lettered, places, values
from ..language.functions import Kind
from ..language.index import Atom, Poly, Quotient
from ..language.single import reached
from ..language.tree import (
    ZERO,
    Call,
    Expr,
    Line,
    Reduce,
    add,
    direct_reads,
    fresh_name,
    inside,
    map_indices,
    mul,
    neg,
    number_of,
    product,
    product_factors,
    rename_bound,
    subs,
)

LETTERS = ("r", "q", "g", "h", "l", "a", "f")  # for the places of a gradient that no letter of the forward formula names


@dataclass(frozen=True)
class Contribution:
    """For every value of the letters: target[index] += body, unless a guard (index, size) is outside."""

    letters: tuple[str, ...]
    ranges: tuple[Poly, ...]
    index: tuple[Poly, ...]
    body: Expr
    guards: tuple[tuple[Poly, Poly], ...] = ()

    @property
    def spans(self) -> dict[str, Poly]:
        return dict(zip(self.letters, self.ranges, strict=True))


@dataclass(frozen=True)
class Known:
    """What is known around: the sizes of every tensor's axes, names that are taken, and sizes that are equal though their texts differ."""

    axes: dict[str, tuple[Poly, ...]]
    taken: frozenset[str]
    facts: Facts = ()
    fixed: frozenset[str] = frozenset()  # of tensors, sizes and settings, which no letter may have
    floats: frozenset[str] = frozenset()  # settings that are no whole numbers


@dataclass(frozen=True)
class Target:
    """The places of a gradient: letters with their ranges, and the index for each axis."""

    letters: tuple[str, ...]
    ranges: tuple[Poly, ...]
    index: tuple[Poly, ...]

    @property
    def spans(self) -> dict[str, Poly]:
        return dict(zip(self.letters, self.ranges, strict=True))

    def line(self, name: str, e: Expr) -> Line:
        return Line(name, self.letters, self.ranges, e, None if all(p.letter for p in self.index) else self.index)


def target_of(axes: tuple[Poly, ...], contributions: list[Contribution], known: Known) -> Target:
    """Places for the gradient: the forward formula's letters where one stands alone over that whole axis, or where several tile it."""
    first = contributions[0]
    spans = first.spans
    letters: dict[str, Poly] = {}
    index: list[Poly] = []
    blocked = set(known.taken) | set(first.letters)
    for k, (p, size) in enumerate(zip(first.index, axes, strict=True)):
        names = [a for m in p.terms for a in m if isinstance(a, str) and a in spans]
        whole = p.letter is not None or all(
            _tiles(c.index[k], size, c.spans, known.facts) == _tiles(p, size, spans, known.facts) for c in contributions
        )
        if fits(p, size, spans, known.facts) and not letters.keys() & set(names) and whole and (p.letter or _tiles(p, size, spans, known.facts)):
            letters |= {x: size if p.letter else spans[x] for x in names}
            index.append(p)
        else:
            (new,) = new_letters(1, blocked)
            letters[new] = size
            index.append(Poly.name(new))
    return Target(tuple(letters), tuple(letters.values()), tuple(index))


def _tiles(p: Poly, size: Poly, spans: dict[str, Poly], facts: Facts) -> list[tuple[Poly, Poly]] | None:
    """(coefficient, range) of each letter of an index that tiles an axis and says the ranges by its form; None for any other."""
    if not fits(p, size, spans, facts):
        return None
    names = [x for x in spans if x in p.names]
    said = lettered(p, names, size)
    row = digits(p, spans, facts)
    if p.letter or said is None or row is None or said[0] != {x: spans[x] for x in names}:
        return None
    return [(d.coef, d.size) for d in row[0]]


def new_letters(count: int, blocked: set[str]) -> tuple[str, ...]:
    """Letters for places of a gradient; they are blocked from then on."""
    found = []
    for _ in range(count):
        found.append(next((x for x in LETTERS if x not in blocked), None) or fresh_name("r", blocked))
        blocked.add(found[-1])
    return tuple(found)


def gather(name: str, axes: tuple[Poly, ...], contributions: list[Contribution], known: Known) -> tuple[Line, Target, tuple[Collapsed, ...]]:
    """The line name[r] = … that sums all contributions, its places, and what each contribution collapsed to."""
    if not contributions:
        line = Line(name, new_letters(len(axes), set(known.taken)), axes, ZERO)
        return line, Target(line.letters, axes, line.index), ()
    target = target_of(axes, contributions, known)
    parts = tuple(collapse(target, axes, c, known) for c in contributions)
    total: Expr = ZERO
    for p in parts:
        total = add(total, p.result)
    return target.line(name, total), target, parts


def collapse(target: Target, axes: tuple[Poly, ...], c: Contribution, known: Known) -> Collapsed:
    """One contribution as an expression in the target's letters."""
    c = apart(c, target.letters, known.taken)
    own = set(zip(c.index, axes, strict=True))  # that φ is inside the target is what r's range says
    start = State(c.body, tuple(c.index), tuple(range(len(c.index))), c.spans, tuple(g for g in c.guards if g not in own))
    state = start
    for k in start.order:
        state, _ = state.solved(k, target, axes, known)
    return Collapsed(start, state.formula(target, known))


@dataclass(frozen=True)
class Collapsed:
    """A contribution as it was made, and as an expression in the target's letters."""

    start: State
    result: Expr


@dataclass(frozen=True)
class State:
    """A contribution on its way: deltas that are still to be solved (`todo`), those that stay and remainders (`factors`), letters that are
    still summed, indices that must be inside."""

    body: Expr
    index: tuple[Poly, ...]
    todo: tuple[int, ...]
    summed: Mapping[str, Poly]
    guards: tuple[tuple[Poly, Poly], ...] = ()
    brackets: tuple[tuple[Poly, Poly], ...] = ()
    factors: tuple[Expr, ...] = ()

    @property
    def order(self) -> list[int]:
        """The axes in the order in which they are solved: plain letters first."""
        return sorted(self.todo, key=lambda k: self.index[k].letter is None)

    def solved(self, k: int, target: Target, axes: tuple[Poly, ...], known: Known) -> tuple[State, dict[str, Poly]]:
        """With the delta of axis k solved, and the letters' values that solve it; or (none) with the delta as a factor that stays."""
        todo = tuple(m for m in self.todo if m != k)
        r = target.index[k]
        others = set().union(*(self.index[m].names for m in todo)) if todo else set()
        multiple = _multiple(self.index[k], self.body)
        if multiple is not None and (by_multiple := _solve_linear(multiple.of, r * multiple.by, dict(self.summed), set(target.spans), others)):
            return replace(self, body=multiple.rest, index=_put(self.index, k, multiple.of))._with(by_multiple, k, todo, r * multiple.by)
        solved = _solve(self.index[k], r, axes[k], dict(self.summed), target.spans, others, known.facts)
        if solved is None:
            stays = (Call("delta", (number_of(self.index[k]), number_of(r))),) if self.index[k] != r else ()
            return replace(self, todo=todo, factors=self.factors + stays), {}
        return self._with(solved, k, todo, r)

    def _with(self, solved: _Solution, k: int, todo: tuple[int, ...], r: Poly) -> tuple[State, dict[str, Poly]]:
        """With the values of letters put in that make the index of axis k the place r."""
        found = dict(solved.values)
        change = _Change(found, self.index[k].subs(found) if solved.quotient else None, r)
        rest = () if solved.remainder is None else (Call("==", (number_of(solved.remainder), ZERO)),)
        return State(
            map_indices(self.body, change),
            tuple(map(change, self.index)),
            todo,
            {x: size for x, size in self.summed.items() if x not in found},
            tuple((change(p), s) for p, s in self.guards),
            (*((p.subs(found), s) for p, s in self.brackets), *solved.brackets),
            (*(subs(f, found) for f in self.factors), *rest),
        ), found

    def formula(self, target: Target, known: Known) -> Expr:
        """The contribution as it is now."""
        whole = target.spans | dict(self.summed)
        body = self.body
        for f in self.factors:
            body = mul(body, f)
        for k in self.todo:
            body = mul(body, Call("delta", (number_of(self.index[k]), number_of(target.index[k]))))
        body = bracketed(body, list(self.brackets + self.guards), whole, known)
        return summed(body, dict(self.summed), target.spans, known)


def summed(body: Expr, letters: Mapping[str, Poly], around: Mapping[str, Poly], known: Known) -> Expr:
    """The sum of body over the letters, or (none) a single term, which is dropped where it reads outside; a minus stands in front of it."""
    if isinstance(body, Call) and body.fn == "neg":
        return neg(summed(body.args[0], letters, around, known))
    if not letters and all(sure(p, s, around, known) for r in direct_reads(body) for p, s in zip(r.index, known.axes[r.tensor], strict=True)):
        return body
    return Reduce(Kind.SUM, tuple(letters), tuple(letters.values()), body)


def sure(p: Poly, size: Poly, spans: Mapping[str, Poly], known: Known) -> bool:
    """Whether an index stays inside an axis: by its form, by the numbers it reaches, or as the first place, which every axis of a size has."""
    first = p.constant == 0 and size.letter is not None and size.letter[0].isupper()
    return first or fits(p, size, spans, known.facts) or reached(p, size, spans)


@dataclass(frozen=True)
class _Change:
    """Put letters' values for them; where these are quotients that divide, `whole` equals r again and is replaced by it."""

    values: Mapping[str, Poly]
    whole: Poly | None
    r: Poly

    def __call__(self, p: Poly) -> Poly:
        p = p.subs(self.values)
        if self.whole is None:
            return p
        simpler = p - self.whole + self.r
        return simpler if simpler.quotients < p.quotients else p


def apart(c: Contribution, target: tuple[str, ...], taken: frozenset[str]) -> Contribution:
    """Rename summed letters that clash with the target's, unless they are the very index of that axis."""
    blocked = set(taken) | set(target) | set(c.letters)
    swap: dict[str, Poly] = {}
    for letter in c.letters:
        if letter in target:
            new = fresh_name(letter, blocked)
            blocked.add(new)
            swap[letter] = Poly.name(new)
    inner = set(target) | {str(swap.get(x, x)) for x in c.letters}
    body = rename_bound(subs(c.body, swap), inner, lambda x: fresh_name(x, blocked | inner))
    return Contribution(
        tuple(str(swap.get(x, x)) for x in c.letters), c.ranges, tuple(p.subs(swap) for p in c.index), body,
        tuple((p.subs(swap), s) for p, s in c.guards),
    )  # fmt: skip


@dataclass(frozen=True)
class _Solution:
    """Letters' values; what must lie inside its size; a remainder that must be 0; whether the values are quotients."""

    values: tuple[tuple[str, Poly], ...]
    brackets: tuple[tuple[Poly, Poly], ...] = ()
    remainder: Poly | None = None
    quotient: bool = False


def _solve(p: Poly, r: Poly, size: Poly, summed: dict[str, Poly], target: dict[str, Poly], others: set[str], facts: Facts) -> _Solution | None:
    """Values of summed letters that make p equal r, or None."""
    if p.letter in summed:
        whole = equal(summed[p.letter], size, facts)
        return _Solution(((p.letter, r),), () if whole else ((r, summed[p.letter]),))
    split = digits(p, summed, facts)
    if split is not None and len(split[0]) > 1 and all(isinstance(d.atom, str) for d in split[0]) and not split[1].names & summed.keys():
        row, rest = split
        there = digits(r, target, facts)
        if there is not None and len(there[0]) > 1:  # the target has these very digits, or it would be a letter (target_of)
            return _Solution(tuple((str(d.atom), _name(e.atom)) for d, e in zip(row, there[0], strict=True)))
        found = values(row, r - rest)
        exact = not rest.terms and equal(places(row), size, facts)
        return _Solution(tuple((str(d.atom), v) for d, v in found), () if exact else ((found[0][1], row[0].size),), None, True)
    return _solve_linear(p, r, summed, set(target), others)


@dataclass(frozen=True)
class _Multiple:
    """An index of//by in a term that is there only where of%by == 0: it is r where of == r*by. rest: the term without that test."""

    of: Poly
    by: Poly
    rest: Expr


def _multiple(p: Poly, body: Expr) -> _Multiple | None:
    if isinstance(body, Call) and body.fn == "neg":
        inner = _multiple(p, body.args[0])
        return None if inner is None else replace(inner, rest=neg(inner.rest))
    ((atoms, c),) = p.terms.items() if len(p.terms) == 1 else [((), 0)]
    q = atoms[0] if len(atoms) == 1 and c == 1 else None
    if not isinstance(q, Quotient) or q.remainder:
        return None
    test = Call("==", (number_of(q.num % q.den), ZERO))
    factors = product_factors(body)
    return _Multiple(q.num, q.den, product([f for f in factors if f != test])) if test in factors else None


def _put(index: tuple[Poly, ...], k: int, p: Poly) -> tuple[Poly, ...]:
    return (*index[:k], p, *index[k + 1 :])


def _name(atom: Atom) -> Poly:
    return Poly({(atom,): 1})


def _solve_linear(p: Poly, r: Poly, summed: dict[str, Poly], target: set[str], others: set[str]) -> _Solution | None:
    """The value of the letter that is easiest to solve for."""
    order = list(summed)
    best: tuple[tuple[int, int, int], str, Poly, Poly | None] | None = None
    for letter in order:
        split = p.linear_in(letter)
        if split is None or not split[0].terms:
            continue
        coef, rest = split
        unit = coef.constant in (1, -1)
        if coef.names & (set(summed) | target) or len(coef.terms) != 1:
            continue  # a letter may be 0
        value: Poly
        remainder: Poly | None = None
        if unit:
            value = r - rest if coef.constant == 1 else rest - r
        else:
            negative = next(iter(coef.terms.values())) < 0
            num, den = (rest - r, -coef) if negative else (r - rest, coef)
            value, remainder = num // den, num % den
        # A coefficient of 1 leaves neither a quotient nor a remainder to test. Then a letter that no other index has: put in for, it would
        # carry this index into that one, which might be solvable no more. Then the innermost, as by hand: of i + u = r
        # the tap u = r - i is solved for, and the sum stays one over i, the place in the output.
        key = (int(not unit), int(letter in others), -order.index(letter))
        if best is None or key < best[0]:
            best = (key, letter, value, remainder)
    if best is None:
        return None
    _, letter, value, remainder = best
    return _Solution(((letter, value),), ((value, summed[letter]),), remainder, remainder is not None)


def bracketed(body: Expr, bounds: list[tuple[Poly, Poly]], ranges: dict[str, Poly], known: Known) -> Expr:
    """Multiply by 0 <= p < size for every bound that neither a letter's range nor a read in the body implies."""
    implied = {(p, s) for r in direct_reads(body) for p, s in zip(r.index, known.axes[r.tensor], strict=True)}
    for p, s in dict.fromkeys(bounds):
        if (p, s) in implied or fits(p, s, ranges, known.facts):
            continue
        if p.constant is not None and s.constant is not None and 0 <= p.constant < s.constant:
            continue
        body = mul(body, Call("<", (number_of(p), number_of(s))) if _counts(p, ranges) else inside(p, s))
    return body


def _counts(p: Poly, ranges: dict[str, Poly]) -> bool:
    """Whether p is r//P for a letter r: never below 0."""
    atoms = next(iter(p.terms), ()) if len(p.terms) == 1 else ()
    return len(atoms) == 1 and isinstance(atoms[0], Quotient) and atoms[0].num.letter in ranges and next(iter(p.terms.values())) == 1


__all__ = ["Collapsed", "Contribution", "Known", "State", "Target", "apart", "bracketed", "collapse", "gather", "new_letters", "summed", "sure"]
