"""Numbers of the data as indices: a sum that compares all places of an axis with a number becomes a look-up at that place.

    sum[v]((v == t[n]) * x[v,d])              ->  x[t[n],d]                        a gather
    dx[v,d] = sum[n]((v == t[n]) * dy[n,d])   ->  dx[t[n],d] += dy[n,d] for all n  a scatter, in the order of n

In a statement's body the letter then stands under `found(v == t[n], rest, size)`: the rest at the place where v is that number, and 0
where the number is on no place of the axis. A gather takes numbers that are computed too, as floats hold them; a scatter takes those that are
kept as whole numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

from ...language.functions import Kind
from ...language.index import Poly
from ...language.tree import (
    ONE,
    ZERO,
    Call,
    Const,
    Expr,
    Index,
    Read,
    Reduce,
    neg,
    product,
    product_factors,
    reads,
    rebuild,
    subs,
    walk,
    whole,
)
from .lower import FOUND, SAMPLES, Statement

LEAST = 24  # places of an axis from which on a number is looked up, not compared with each of them
EXACT = 1 << 24  # floats of every type hold the places up to here


def is_whole(e: Expr, kept: Callable[[str], bool]) -> bool:
    """Whether an expression holds nothing but whole numbers, some of them looked up."""
    return whole(_beyond(e), kept)


def _beyond(e: Expr) -> Expr:
    return _beyond(e.args[1]) if isinstance(e, Call) and e.fn == FOUND else rebuild(e, _beyond)


def numbers(wholes: Collection[str]) -> Callable[[Reduce], Expr | None]:
    """What stands for a sum that looks up a whole number, as p[t[n]] in x[p[t[n]]]: the number itself, never a tensor of floats."""
    known: dict[Expr, str] = {}

    def numbered(e: Reduce) -> Expr | None:
        size = e.ranges[0].constant if e.kind is Kind.SUM and len(e.letters) == 1 else None
        parts = _split(e.body, e.letters[0], wholes) if size is not None else None
        if parts is None or not is_whole(parts[1], wholes.__contains__):
            return None
        # What is around gets to know the letter: no other has its name, and the same look-up has the same.
        body = Call(FOUND, (*parts, Const(size or 0)))
        letter = known.setdefault(subs(body, {e.letters[0]: Poly.name("~")}), f"{e.letters[0]}~{len(known) + 1}")
        return subs(body, {e.letters[0]: Poly.name(letter)})

    return numbered


def looked_up(s: Statement, wholes: Collection[str]) -> Statement:
    """The statement with look-ups in place of sums over all places. wholes: tensors that are kept as whole numbers."""
    if s.kind is not Kind.SUM:
        return s
    for k, (letter, size) in enumerate(zip(s.red, s.red_extents, strict=True)):
        body = _found(s, letter, size, wholes, computed=True)
        if body is not None:
            red, extents = s.red[:k] + s.red[k + 1 :], s.red_extents[:k] + s.red_extents[k + 1 :]
            kind = Kind.SUM if red or s.guards or s.equal else None
            return looked_up(replace(s, kind=kind, red=red, red_extents=extents, body=body), wholes)
    for k, (letter, size) in enumerate(zip(s.letters, s.extents, strict=True)):
        body = _found(s, letter, size, wholes) if s.red and not s.scatter and all(p.letter for p in s.target) else None
        if body is not None:
            letters, extents = s.letters[:k] + s.letters[k + 1 :], s.extents[:k] + s.extents[k + 1 :]
            return replace(s, letters=letters, extents=extents, body=body, scatter=True)
    return s


def _found(s: Statement, letter: str, size: int, wholes: Collection[str], computed: bool = False) -> Expr | None:
    """The body with the letter looked up, or None where it is no look-up. computed: also at numbers that are not kept as whole ones."""
    if size == SAMPLES or size < LEAST or any(letter in p.names for p in (*s.guards, *s.equal)):
        return None
    parts = _split(s.body, letter, wholes, computed and size <= EXACT)
    if parts is None:
        return None
    test, rest = parts
    for node in walk(rest):
        if isinstance(node, Index) and letter in node.expr.names:
            return None
        if isinstance(node, Read) and any(letter in p.names and p.letter != letter for p in node.index):
            return None
    return Call(FOUND, (test, rest, Const(size)))


def _split(e: Expr, letter: str, wholes: Collection[str], computed: bool = False) -> tuple[Expr, Expr] | None:
    """(the comparison of a letter with a number of the data, what stands beside it) in a product or a choice; None where there is none."""
    if isinstance(e, Call) and e.fn == "neg":
        inner = _split(e.args[0], letter, wholes, computed)
        return inner and (inner[0], neg(inner[1]))
    if isinstance(e, Call) and e.fn == "where" and e.args[2] == ZERO:
        test = _split(e.args[0], letter, wholes, computed)
        if test is not None:
            return test[0], e.args[1] if test[1] == ONE else Call("where", (test[1], e.args[1], ZERO))
    if isinstance(e, Call) and e.fn == FOUND:
        inner = _split(e.args[1], letter, wholes, computed)
        return inner and (inner[0], Call(FOUND, (e.args[0], inner[1], e.args[2])))
    if isinstance(e, Call) and e.fn in ("==", "delta"):
        for a, b in (e.args, e.args[::-1]):
            free = not any(isinstance(x, Index) and letter in x.expr.names for x in walk(b))
            apart = free and not any(letter in p.names for r in reads(b) for p in r.index)
            known = is_whole(b, wholes.__contains__) or (computed and isinstance(b, Read))
            if isinstance(a, Index) and a.expr.letter == letter and apart and known and next(reads(b), None):
                return Call("==", (a, b)), ONE
        return None
    factors = product_factors(e)
    for k, f in enumerate(factors if len(factors) > 1 else ()):
        inner = _split(f, letter, wholes, computed)
        if inner is not None:
            return inner[0], product([*factors[:k], inner[1], *factors[k + 1 :]])
    return None


def spelled(e: Expr) -> Expr:
    """A body as a formula of the language."""
    if isinstance(e, Call) and e.fn == FOUND:
        return product([spelled(e.args[0]), spelled(e.args[1])])
    return rebuild(e, spelled)
