"""Lines whose letters do not add up, and the line that their author meant."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from .functions import Kind
from .index import Poly
from .raw import UNKNOWN
from .show import expression
from .tree import (
    ONE,
    Call,
    Const,
    Expr,
    Index,
    Read,
    Reduce,
    add,
    children,
    div,
    free_names,
    fresh_name,
    mul,
    neg,
    number_of,
    product,
    product_factors,
    reads,
    rebuild,
    sub,
    subs,
)


def line_of(tensor: str, letters: Sequence[str], explicit: Mapping[str, Poly], e: Expr, axes: Mapping[str, tuple[Poly, ...]]) -> str:
    """A line as text, whatever its letters' ranges."""
    known = {r.tensor: axes.get(r.tensor, ())[: len(r.index)] for r in reads(e)}
    shown = [f"{x}:{explicit[x]}" if x in explicit else x for x in letters]
    return f"{tensor}[{','.join(shown)}] = {expression(e, known)}" if shown else f"{tensor} = {expression(e, known)}"


def reduced(kind: Kind, e: Expr, letters: Iterable[str]) -> Expr:
    """The reduction of e over those of the letters that it has."""
    free = free_names(e)
    found = tuple(x for x in letters if x in free)
    return Reduce(kind, found, (UNKNOWN,) * len(found), e) if found or kind in (Kind.SUM, Kind.ARGMAX) else e


def summed(e: Expr, letters: Collection[str]) -> Expr:
    """e with a sum over each letter that comes from nowhere: around the product of what is read at it, or else around the term."""
    for x in letters:
        e = _summed(_joined(e, x), x)
    return e


def _summed(e: Expr, x: str) -> Expr:
    if x not in free_names(e):
        return e
    if isinstance(e, Call) and e.fn in ("+", "-", "neg"):
        parts = [_summed(a, x) for a in e.args]
        return neg(parts[0]) if e.fn == "neg" else add(*parts) if e.fn == "+" else sub(*parts)
    return _inside(e, x) if _products(e, x) else _over(e, x)


def _over(e: Expr, x: str) -> Expr:
    if isinstance(e, Reduce) and e.kind is Kind.SUM and e.letters:
        return Reduce(Kind.SUM, (*e.letters, x), (*e.ranges, UNKNOWN), e.body)
    return Reduce(Kind.SUM, (x,), (UNKNOWN,), e)


def _products(e: Expr, x: str) -> set[Expr]:
    """The products in e to which all that is read at x belongs; none where something else is read at it."""
    parts = [a for a in children(e) if x in free_names(a)]
    below = [_products(a, x) for a in parts]
    if isinstance(e, Call) and e.fn == "**" and e.args[1] == Const(2):
        return set().union(*below) or {e}  # a square is a product
    if isinstance(e, Reduce) and e.kind is Kind.SUM and e.letters and below == [{e.body}]:
        return {e}  # one sum over both letters
    if not (isinstance(e, Call) and e.fn in ("*", "/")):
        return set().union(*below) if all(below) else set()
    if len(parts) == 1:
        return {e} if below[0] == {parts[0]} and e.fn == "*" else below[0]  # v[k]*x[k]*2 is one product
    return {e} if not all(below) or len(set().union(*below)) > 1 else below[0]


def _inside(e: Expr, x: str) -> Expr:
    """e with a sum around each of its products."""
    found = _products(e, x)

    def change(node: Expr) -> Expr:
        return _over(node, x) if node in found else rebuild(node, change) if x in free_names(node) else node

    return change(e)


def _joined(e: Expr, x: str) -> Expr:
    """A sum over x that ends before a factor read at x takes it in: sum[k](a[k]) * b[k]."""
    if isinstance(e, Call) and e.fn == "*":
        factors = product_factors(e)
        sums = [f for f in factors if isinstance(f, Reduce) and f.kind is Kind.SUM and f.letters == (x,)]
        if len(sums) == 1 and any(x in free_names(f) for f in factors):
            return replace(sums[0], body=product([sums[0].body if f is sums[0] else f for f in factors]))
    return rebuild(e, lambda a: _joined(a, x))


def read_at(e: Expr) -> list[str]:
    """The letters that stand alone on axes of what e reads, and that no reduction in it binds."""
    free = free_names(e)
    return [x for x in dict.fromkeys(p.letter for r in reads(e) for p in r.index) if x and x in free]


# What a term is that does not count, for each kind of reduction; a product's and a sum's are numbers, of the others no value is taken.
NEUTRAL = {Kind.SUM: None, Kind.PROD: ONE, Kind.MAX: Const(-math.inf), Kind.ARGMAX: Const(-math.inf), Kind.MIN: Const(math.inf)}


def bounded(e: Expr, letter: str, size: Poly, most: Poly | None) -> Expr | None:
    """Reductions over letter:size, where the size is no size, with a condition for it: terms beyond it do not count. None: of no such meaning.

    most: how far a letter runs that stands alone on no axis.
    """
    lost = [False]

    def change(node: Expr) -> Expr:
        if not isinstance(node, Reduce) or (letter, size) not in zip(node.letters, node.ranges, strict=True):
            return rebuild(node, change)
        lost[0] |= node.kind is Kind.MEAN and len(node.letters) > 1  # of how many values, no size says
        alone = most is None or any(p.letter == letter for r in reads(node.body) for p in r.index)
        return _bounded(node, letter, size, UNKNOWN if alone or most is None else most)

    out = change(e)
    return None if lost[0] else out


def _bounded(e: Reduce, letter: str, size: Poly, run: Poly) -> Expr:
    ranges = tuple(run if x == letter else r for x, r in zip(e.letters, e.ranges, strict=True))
    inside = Call("<", (Index(Poly.name(letter)), number_of(size)))
    if e.kind is Kind.MEAN:  # of so many values
        return div(Reduce(Kind.SUM, e.letters, ranges, mul(e.body, inside)), number_of(size))
    other = NEUTRAL[e.kind]
    return replace(e, ranges=ranges, body=mul(e.body, inside) if other is None else Call("where", (inside, e.body, other)))


LETTERS = "jklmqruv"  # for what is reduced, where the letter that was written is in use


def another(used: set[str]) -> str:
    """A letter that is not in use; it is from now on."""
    found = next((x for x in LETTERS if x not in used), None) or fresh_name("j", used)
    used.add(found)
    return found


def own_letters(e: Expr, around: set[str], used: set[str]) -> Expr:
    """e with other letters for reductions that bind a letter of those around them again."""
    if not isinstance(e, Reduce):
        return rebuild(e, lambda a: own_letters(a, around, used))
    new = {x: another(used) if x in around else x for x in e.letters}
    body = subs(e.body, {x: Poly.name(y) for x, y in new.items() if x != y})
    return Reduce(e.kind, tuple(new.values()), e.ranges, own_letters(body, around | set(new.values()), used))


def chosen(e: Expr, read: Read, branch: bool = False) -> Expr:
    """e with a read as a single term that may be dropped, wherever it stands in a branch of a choice."""
    if isinstance(e, Reduce):
        return e
    if e == read:
        return Reduce(Kind.SUM, (), (), e) if branch else e
    branch = branch or (isinstance(e, Call) and e.fn == "where")
    return rebuild(e, lambda a: chosen(a, read, branch))
