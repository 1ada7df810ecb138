"""From scatter to gather: solve φ(letters) = r, collapse the Kronecker delta, keep the bounds that make it exact.

A contribution says: for every value of its letters, dx[φ] += body. As a formula for one place r of dx,

    dx[r] = sum[letters](body * δ(φ, r))

If φ = a*u + rest is linear in a summed letter u, then δ leaves one value of it, u = (r - rest)/a: its sum goes, and
brackets keep what the sum knew: 0 <= u < range(u), and a divides r - rest. A letter that cannot be solved for keeps its δ,
which is still a formula of the language (and a scatter for the machine).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from ..language.index import Poly
from ..language.ranges import related
from ..language.show import line_text
from ..language.tree import (
    ZERO,
    Call,
    Expr,
    Index,
    Line,
    Reduce,
    direct_reads,
    fresh_name,
    inside,
    map_indices,
    mul,
    neg,
    number_of,
    reads,
    rename_bound,
    subs,
)
from .simplify import plus

LETTERS = ("r", "q", "g", "h", "l", "a", "f")  # for the places of a gradient that no letter of the forward formula names


@dataclass(frozen=True)
class Contribution:
    """For every value of the letters: target[index] += body, unless a guard (index, size) is outside."""

    letters: tuple[str, ...]
    ranges: tuple[Poly, ...]
    index: tuple[Poly, ...]
    body: Expr
    guards: tuple[tuple[Poly, Poly], ...] = ()

    @staticmethod
    def plain(letters: tuple[str, ...], ranges: tuple[Poly, ...], body: Expr) -> Contribution:
        return Contribution(letters, ranges, tuple(map(Poly.name, letters)), body)


Record = list[tuple[str | Callable[[], str], str]]


def target_letters(axes: tuple[Poly, ...], first: Contribution, taken: frozenset[str]) -> tuple[str, ...]:
    """Letters for the gradient's own axes: the forward formula's where one stands alone over that whole axis."""
    ranges = dict(zip(first.letters, first.ranges, strict=True))
    used: list[str] = []
    blocked = set(taken) | set(first.letters)
    for p, size in zip(first.index, axes, strict=True):
        if p.letter and p.letter not in used and ranges.get(p.letter) == size:
            used.append(p.letter)
        else:
            used += _new_letters(1, blocked)
    return tuple(used)


def _new_letters(count: int, blocked: set[str]) -> tuple[str, ...]:
    """Letters for places of a gradient; they are blocked from then on."""
    found = []
    for _ in range(count):
        found.append(next((x for x in LETTERS if x not in blocked), None) or fresh_name("r", blocked))
        blocked.add(found[-1])
    return tuple(found)


def gather(
    name: str, axes: tuple[Poly, ...], contributions: list[Contribution], known: dict[str, tuple[Poly, ...]], taken: frozenset[str]
) -> tuple[Line, Record]:
    """The line name[r] = … that sums all contributions, and the moves that led to it."""
    record: Record = []
    if not contributions:
        line = Line(name, _new_letters(len(axes), set(taken)), axes, ZERO)
        return line, [(partial(line_text, line, known), "nothing depends on it")]
    letters = target_letters(axes, contributions[0], taken)
    total: Expr = ZERO
    for c in contributions:
        total = plus(total, collapse(name, letters, axes, c, known, taken, record))
    line = Line(name, letters, axes, total)
    if len(contributions) > 1:
        record.append((partial(line_text, line, known), "the contributions add up (product rule, several uses)"))
    return line, record


def collapse(
    name: str,
    target: tuple[str, ...],
    axes: tuple[Poly, ...],
    c: Contribution,
    known: dict[str, tuple[Poly, ...]],
    taken: frozenset[str],
    record: Record,
) -> Expr:
    """One contribution as an expression in the target's letters."""
    c = _apart(c, target, taken)
    summed = dict(zip(c.letters, c.ranges, strict=True))
    own = set(zip(c.index, axes, strict=True))  # that φ is inside the target is what r's range says
    body, index, guards = c.body, list(c.index), [g for g in c.guards if g not in own]
    brackets: list[tuple[Poly, Poly]] = []
    factors: list[Expr] = []
    if index:
        scattered = body
        for p, t in zip(index, target, strict=True):
            scattered = mul(scattered, Call("delta", (number_of(p), Index(Poly.name(t)))))
        record.append((partial(line_text, Line(name, target, axes, _summed(scattered, summed)), known), "∂x[k]/∂x[r] = δ(k, r)"))
    todo = sorted(range(len(index)), key=lambda k: index[k].letter is None)  # plain letters first
    while todo:
        k = todo.pop(0)
        r = Poly.name(target[k])
        solved = _solve(index[k], r, axes[k], summed, set(target), set().union(*(index[m].names for m in todo)) if todo else set())
        if solved is None:
            if index[k] != r:
                factors.append(Call("delta", (number_of(index[k]), Index(r))))
            continue
        letter, value, remainder, plain = solved
        change = _Change(letter, value, index[k].subs({letter: value}) if remainder is not None else None, r)
        ranges = dict(zip(target, axes, strict=True)) | {x: n for x, n in summed.items() if x != letter}
        if _clashes(map_indices(body, change), ranges, known):
            factors.append(Call("delta", (number_of(index[k]), Index(r))))
            continue
        size = summed.pop(letter)
        if not plain:
            brackets.append((value, size))
        if remainder is not None:
            factors.append(Call("==", (number_of(remainder), ZERO)))
        record.append((f"{letter} = {value}", f"δ({index[k]}, {r}) collapses the sum over {letter}"))
        body = map_indices(body, change)
        index = [change(p) for p in index]
        guards = [(change(p), s) for p, s in guards]
        brackets = [(p.subs({letter: value}), s) for p, s in brackets]
        factors = [subs(f, {letter: value}) for f in factors]
    whole = dict(zip(target, axes, strict=True)) | summed
    for f in factors:
        body = mul(body, f)
    body = _bracketed(body, brackets + guards, whole, known)
    result: Expr = body
    if summed:
        result = _summed(body, summed)
    elif any(whole.get(p.letter or "") != s for r in direct_reads(body) for p, s in zip(r.index, known[r.tensor], strict=True)):
        result = Reduce("sum", (), (), body)  # a single term, dropped where it reads outside
    record.append((partial(line_text, Line(name, target, axes, result), known), "what is left of the sums"))
    return result


def _summed(body: Expr, letters: dict[str, Poly]) -> Expr:
    """The sum of body over the letters; a minus stands in front of it."""
    if isinstance(body, Call) and body.fn == "neg":
        return neg(_summed(body.args[0], letters))
    return Reduce("sum", tuple(letters), tuple(letters.values()), body)


def _clashes(body: Expr, ranges: dict[str, Poly], known: dict[str, tuple[Poly, ...]]) -> bool:
    """Whether a letter would stand alone on an axis whose size has nothing to do with its range."""
    for r in reads(body):
        for p, size in zip(r.index, known[r.tensor], strict=True):
            own = ranges.get(p.letter or "")
            if own is not None and own != size and not related(own, size):
                return True
    return False


@dataclass(frozen=True)
class _Change:
    """Put a letter's value for it; where the value is a quotient that divides, `whole` equals r again and is replaced by it."""

    letter: str
    value: Poly
    whole: Poly | None
    r: Poly

    def __call__(self, p: Poly) -> Poly:
        p = p.subs({self.letter: self.value})
        if self.whole is None:
            return p
        simpler = p - self.whole + self.r
        return simpler if simpler.quotients < p.quotients else p


def _apart(c: Contribution, target: tuple[str, ...], taken: frozenset[str]) -> Contribution:
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


def _solve(p: Poly, r: Poly, size: Poly, summed: dict[str, Poly], target: set[str], others: set[str]) -> tuple[str, Poly, Poly | None, bool] | None:
    """(letter, its value, remainder that must be 0, no bracket needed) that makes p equal r, or None."""
    if p.letter in summed:
        # Over another range the letter would stand alone on two axes of different sizes; the delta says it plainly.
        # (Unless the sizes are related, as in a window: then the range is stated and the bracket keeps it.)
        if summed[p.letter] == size:
            return p.letter, r, None, True
        return (p.letter, r, None, False) if related(summed[p.letter], size) else None
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
        rank = (not unit, letter in others, -order.index(letter))
        key = (int(rank[0]), int(rank[1]), rank[2])
        if best is None or key < best[0]:
            best = (key, letter, value, remainder)
    return None if best is None else (best[1], best[2], best[3], False)


def _bracketed(body: Expr, bounds: list[tuple[Poly, Poly]], ranges: dict[str, Poly], known: dict[str, tuple[Poly, ...]]) -> Expr:
    """Multiply by 0 <= p < size for every bound that neither a letter's range nor a read in the body implies."""
    implied = {(p, s) for r in direct_reads(body) for p, s in zip(r.index, known[r.tensor], strict=True)}
    for p, s in dict.fromkeys(bounds):
        if (p, s) in implied or ranges.get(p.letter or "") == s:
            continue
        if p.constant is not None and s.constant is not None and 0 <= p.constant < s.constant:
            continue
        body = mul(body, inside(p, s))
    return body


__all__ = ["Contribution", "Record", "collapse", "gather"]
