"""Laws of sums of terms: each a function of a place in a tree that gives what stands there by the law, or None."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import combinations

from ..language.brackets import is_test
from ..language.tree import (
    ZERO,
    Call,
    Const,
    Expr,
    Index,
    add,
    sub,
)
from .match import alike
from .normal import Product, expr_of, product_of, same_but_number, terms_of, total_of
from .scope import Scope


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
