"""Laws of sums over letters: each a function of a place in a tree that gives what stands there by the law, or None."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from ..language.brackets import is_test
from ..language.functions import Kind
from ..language.index import Poly
from ..language.tree import (
    ZERO,
    Call,
    Const,
    Expr,
    Index,
    Read,
    Reduce,
    direct,
    free_names,
    number_of,
    subs,
)
from .match import alike
from .normal import Product, expr_of, is_sum, product_of, terms_of
from .scope import Scope
from .zeros import singular


def pulled(e: Expr, scope: Scope) -> Expr | None:
    """What no letter of a sum stands in is a factor of the sum."""
    if not (isinstance(e, Reduce) and e.kind in (Kind.SUM, Kind.MEAN) and e.letters):
        return None
    p = product_of(e.body)
    letters = set(e.letters)
    strict = any(is_test(b) for b, _ in p.powers) or not scope.within(e).sure(e.body)  # terms may be left out: 0 * inf is none of them
    empty = not all(map(scope.some, e.ranges))  # and so may all
    out, left = Product(Fraction(1)), Product(Fraction(1))
    for base, k in p.powers:
        steady = scope.finite(base, k) or not (strict or (empty and (k < 0 or singular(base))))
        if steady and not (free_names(base) & letters) and scope.sure(base) and not is_test(base):
            out = out.times(base, k)
        else:
            left = left.times(base, k)
    number = p.number if left.powers else Fraction(1)
    if not left.powers or (not out.powers and number == 1):
        return None
    inner = expr_of(left)
    return expr_of(replace(out, number=number).times(Reduce(e.kind, e.letters, e.ranges, inner)))


def equal_terms(e: Expr, scope: Scope) -> Expr | None:
    """A sum of equal terms is a multiple, a mean of equal terms is one of them."""
    if not (isinstance(e, Reduce) and e.kind in (Kind.SUM, Kind.MEAN)) or not scope.sure(e.body):
        return None
    some = all(map(scope.some, e.ranges))
    if not some and (e.kind is Kind.MEAN or singular(e.body) or any(k < 0 for _, k in product_of(e.body).powers)):
        return None  # where there is no term, 0 * inf is none
    used = free_names(e.body)
    if any(x in used for x in e.letters) or any(is_test(x) for x in direct(e.body)):
        return None
    if e.kind is Kind.MEAN:
        return e.body
    out = product_of(e.body)
    for size in e.ranges:
        out = out.by(product_of(number_of(size)))
    return expr_of(out)


def around_mean(e: Expr, scope: Scope) -> Expr | None:
    """Deviations from a mean add up to 0."""
    if not (isinstance(e, Reduce) and is_sum(e.body) and scope.within(e).sure(e.body)):
        return None  # where terms are left out, a mean still divides by all
    terms = terms_of(e.body)
    if len(terms) != 2 or terms[0].number != -terms[1].number:
        return None
    for p, q in (terms, terms[::-1]):
        mean = expr_of(replace(q, number=Fraction(1)))
        if isinstance(mean, Read) and not (free_names(mean) & set(e.letters)):
            whole = scope.value(mean)
            if whole is not None and _is_mean(whole, e.letters, e.ranges, expr_of(replace(p, number=Fraction(1)))):
                return ZERO
    return None


def _is_mean(e: Expr, letters: tuple[str, ...], ranges: tuple[Poly, ...], body: Expr) -> bool:
    """Whether e is a mean: written so, or as a sum divided by how many terms there are."""
    if alike(e, Reduce(Kind.MEAN, letters, ranges, body)):
        return True
    p = product_of(e)
    for size in ranges:
        p = p.by(product_of(number_of(size)))
    return p.number == 1 and len(p.powers) == 1 and p.powers[0][1] == 1 and alike(p.powers[0][0], Reduce(Kind.SUM, letters, ranges, body))


def one_of_all(e: Expr, scope: Scope) -> Expr | None:
    """A class is one of all classes: sum[k]((k == t) * c) = c where the forward formula looks something up at t."""
    if not (isinstance(e, Reduce) and e.kind is Kind.SUM and len(e.letters) == 1):
        return None
    p = product_of(e.body)
    for test, _ in p.powers:
        if not (isinstance(test, Call) and test.fn in ("==", "delta")):
            continue
        for x, at in (test.args, test.args[::-1]):
            if isinstance(x, Index) and x.expr.letter == e.letters[0] and isinstance(at, Read) and scope.looked_up(at, e.ranges[0]):
                rest = expr_of(p.without(test))
                return rest if e.letters[0] not in free_names(rest) and scope.within(e).sure(e.body) else None
    return None


def one_term(e: Expr, scope: Scope) -> Expr | None:
    """sum[k]((k == i) * f[k]) = f[i], for a place i that k meets."""
    if not (isinstance(e, Reduce) and e.kind is Kind.SUM):
        return None
    p = product_of(e.body)
    for test, _ in p.powers:
        if not (isinstance(test, Call) and test.fn in ("==", "delta")):
            continue
        for x, at in (test.args, test.args[::-1]):
            if isinstance(x, Index) and x.expr.letter in e.letters and isinstance(at, (Index, Const)):
                k = e.letters.index(x.expr.letter)
                place = at.expr if isinstance(at, Index) else Poly.of(at.value)
                if not place.names & set(e.letters) and scope.meets(place, e.ranges[k]):
                    body = subs(expr_of(p.without(test)), {e.letters[k]: place})
                    letters, ranges = e.letters[:k] + e.letters[k + 1 :], e.ranges[:k] + e.ranges[k + 1 :]
                    return Reduce(Kind.SUM, letters, ranges, body) if letters or not scope.sure(body) else body
    return None
