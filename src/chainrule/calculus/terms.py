"""Laws of sums of terms: each a function of a place in a tree that gives what stands there by the law, or None."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from itertools import combinations

from ..language.brackets import is_test
from ..language.functions import Kind
from ..language.index import Poly, Quotient
from ..language.tree import (
    ZERO,
    Call,
    Const,
    Expr,
    Index,
    Reduce,
    add,
    map_indices,
    sub,
    walk,
)
from .match import alike
from .normal import Product, expr_of, is_sum, product_of, same_but_number, terms_of, total_of
from .scope import Scope

MOST = 12  # terms of brackets that are multiplied out


def like_terms(e: Expr, scope: Scope) -> Expr | None:
    terms: list[Product] = []
    changed = isinstance(e, Call) and ZERO in e.args
    for p in terms_of(e):
        k = next((k for k, q in enumerate(terms) if same_but_number(p, q)), None)
        if k is None:
            terms.append(p)
        else:
            changed = True
            terms[k] = replace(terms[k], number=terms[k].number + p.number)
    return total_of([p for p in terms if p.number]) if changed else None


def common(e: Expr, scope: Scope) -> Expr | None:
    """a*b + a*c = a*(b + c)."""
    terms = terms_of(e)
    shared = _shared_factors(terms) if len(terms) > 1 else Product(Fraction(1))
    if not any(not _plain_size(b) for b, _ in shared.powers):
        return None
    tested = all(any(is_test(b) for b, _ in p.by(shared.inverse).powers) for p in terms)
    if tested and not all(scope.finite(b, k) or scope.given(b, k) or is_test(b) for b, k in shared.powers):
        return None  # where no test holds, 0 * inf is none of the terms
    rest = [q for p in terms for q in terms_of(expr_of(p.by(shared.inverse)))]
    return expr_of(_before(shared, total_of(rest)))


def multiplied_out(e: Expr, scope: Scope) -> Expr | None:
    """a*(1 - b) - b*(1 - a) = a - b: brackets are multiplied out where terms then cancel, so that there is less to read."""
    terms: list[Product] = []
    for p in terms_of(e):
        inner = next((b for b, k in p.powers if k == 1 and is_sum(b)), None)
        rest = p.without(inner) if inner is not None else p
        if any(is_sum(b) and k > 0 for b, k in rest.powers):
            return None
        terms += [rest.by(q) for q in terms_of(inner)] if inner is not None else [p]
    if len(terms) > MOST or len(terms) == len(terms_of(e)) or any(is_test(b) for p in terms for b, _ in p.powers):
        return None
    short = like_terms(total_of(terms), scope)
    return short if short is not None and sum(1 for _ in walk(short)) < sum(1 for _ in walk(e)) else None


def all_remainders(e: Expr, scope: Scope) -> Expr | None:
    """(r%2 == 0)*f(r//2) + ((r-1)%2 == 0)*f((r-1)//2) = f(r//2): one of all remainders is that of r."""
    terms = terms_of(e)
    found: list[tuple[int, _Remainder]] = [(k, x) for k, p in enumerate(terms) for x in _remainders(p)]
    for k, first in found:
        here = {first.value: k}
        for j, other in found:
            same = j not in here.values() and other.value not in here and (other.of, other.among) == (first.of, first.among)
            if same and alike(other.rest, first.rest):
                here[other.value] = j
        if len(here) == first.among:
            left = [p for j, p in enumerate(terms) if j not in here.values()]
            at = sum(j < k for j in range(k) if j not in here.values())
            return total_of([*left[:at], *terms_of(first.rest), *left[at:]])
    return None


@dataclass(frozen=True)
class _Remainder:
    """A term that is there only where what `of` is has one remainder, and what it is then."""

    of: Poly
    among: int
    value: int
    rest: Expr


def _remainders(p: Product) -> Iterator[_Remainder]:
    """What a term says of remainders, in the sum that it may be."""
    if len(p.powers) == 1 and isinstance(p.powers[0][0], Reduce) and p.powers[0][1] == 1 and p.powers[0][0].kind is Kind.SUM:
        whole = p.powers[0][0]
        for x in _remainders(product_of(whole.body)):
            if not x.of.names & set(whole.letters):
                yield replace(x, rest=expr_of(replace(p, powers=((replace(whole, body=x.rest), 1),))))
        return
    for test, _ in p.powers:
        match test:
            case Call("==", (Index(Poly(terms=terms)), (Const(0) | Index(Poly(terms={}))))) if len(terms) == 1:
                ((atoms, c),) = terms.items()
                q = atoms[0] if len(atoms) == 1 and c == 1 else None
                if isinstance(q, Quotient) and q.remainder and isinstance(q.den.constant, int) and q.den.constant > 1:
                    less = Poly({m: c for m, c in q.num.terms.items() if not m})  # r - 1 is a multiple of k where r leaves 1
                    of, value = q.num - less, int(-(less.constant or 0)) % q.den.constant
                    step = Poly.of((value + (less.constant or 0)) // q.den.constant)
                    rest = map_indices(expr_of(p.without(test)), partial(_at, q=q, of=of, step=step))
                    yield _Remainder(of, q.den.constant, value, rest)


def _at(i: Poly, q: Quotient, of: Poly, step: Poly) -> Poly:
    """An index with what q.num // q.den is by the multiple that is meant."""
    out = Poly({})
    for atoms, c in i.terms.items():
        part = Poly({(): c})
        for a in atoms:
            same = isinstance(a, Quotient) and not a.remainder and (a.num, a.den) == (q.num, q.den)
            part = part * (of // q.den + step if same else Poly({(a,): 1}))
        out = out + part
    return out


def _before(shared: Product, rest: Expr) -> Product:
    """shared * rest: tests and what is divided by stay where they are."""
    return shared.times(rest) if not isinstance(rest, Const) else shared.by(product_of(rest))


def _plain_size(e: Expr) -> bool:
    return isinstance(e, Index)


def _shared_factors(terms: Sequence[Product]) -> Product:
    """The number and the powers that all terms have."""
    first, *others = terms
    out = Product(Fraction(1))
    for base, k in first.powers:
        exponents = [k, *(p.exponent(base) for p in others)]
        if all(n > 0 for n in exponents):
            out = out.times(base, min(exponents))
        elif all(n < 0 for n in exponents):
            out = out.times(base, max(exponents))
    number = first.number if all(p.number == first.number for p in others) else _sign(terms) * _common_number(terms)
    return replace(out, number=number) if out.powers else out


def _common_number(terms: Sequence[Product]) -> Fraction:
    """1 / d for the least number d that all are fractions of, where all have the same."""
    bottoms = {p.number.denominator for p in terms}
    return Fraction(1, bottoms.pop()) if len(bottoms) == 1 else Fraction(1)


def _sign(terms: Sequence[Product]) -> int:
    return -1 if all(p.number < 0 for p in terms) else 1


def branches(e: Expr, scope: Scope) -> Expr | None:
    """Choices by one decision become one choice."""
    terms = _signed(e, 1)
    for (j, (s, x)), (k, (t, y)) in combinations(enumerate(terms), 2):
        if isinstance(x, Call) and isinstance(y, Call) and x.fn == y.fn == "where" and alike(x.args[0], y.args[0]):
            (test, a, b), (_, c, d) = x.args, y.args
            joined = Call("where", (test, add(a, c), add(b, d)) if s == t else (test, sub(a, c), sub(b, d)))
            out: Expr = ZERO
            for m, (sign, term) in enumerate(terms):
                if m != k:
                    term = joined if m == j else term
                    out = add(out, term) if sign > 0 else sub(out, term)
            return out
    return None


def _signed(e: Expr, sign: int) -> list[tuple[int, Expr]]:
    """The terms of a sum as they are written, with their signs."""
    match e:
        case Call("+", (a, b)):
            return [*_signed(a, sign), *_signed(b, sign)]
        case Call("-", (a, b)):
            return [*_signed(a, sign), *_signed(b, -sign)]
        case Call("neg", (a,)):
            return _signed(a, -sign)
    return [(sign, e)]
