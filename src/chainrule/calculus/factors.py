"""Laws of products: each a function of a place in a tree that gives what stands there by the law, or None."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import combinations

from ..language.functions import RING, Kind
from ..language.index import Poly
from ..language.tree import (
    Call,
    Const,
    Expr,
    Index,
    Read,
    Reduce,
    lookup,
    subs,
    walk,
)
from .match import alike
from .normal import Product, expr_of, is_product, is_sum, product_of, terms_of, total_of
from .scope import Scope


def collected(e: Expr, scope: Scope) -> Expr | None:
    """Numbers of a product as one, equal factors as powers, what stands above and below the stroke gone."""
    p = product_of(e)
    return expr_of(p) if p.merged else None


def one_fraction(e: Expr, scope: Scope) -> Expr | None:
    """a / b * c and a / b / c with one stroke, the number in front."""
    strokes = [x for x in _of_product(e) if isinstance(x, Call) and x.fn == "/"]
    numbers = [x for x in _of_product(e) if isinstance(x, Const)]
    outer = e.args[0] if isinstance(e, Call) and e.fn == "neg" else e
    late = bool(strokes) and (len(strokes) > 1 or strokes[0] is not outer)
    p = product_of(e)
    behind = any(isinstance(x, Const) for x in _above(outer)[1:]) and abs(p.number) != 1
    return expr_of(p) if late or behind or (numbers and p.merged) else None


def _of_product(e: Expr) -> list[Expr]:
    """The nodes that a product is made of."""
    if isinstance(e, Call) and e.fn in ("*", "/", "neg"):
        return [e, *(x for a in e.args for x in _of_product(a))]
    return [e]


def _above(e: Expr) -> list[Expr]:
    """The factors above the stroke."""
    if isinstance(e, Call) and e.fn == "*":
        return [x for a in e.args for x in _above(a)]
    return _above(e.args[0]) if isinstance(e, Call) and e.fn in ("/", "neg") else [e]


def roots(e: Expr, scope: Scope) -> Expr | None:
    """sqrt(a) * sqrt(a) = a, and roots of numbers as one."""
    p = product_of(e)
    for base, k in p.powers:
        if isinstance(base, Call) and base.fn == "sqrt" and (abs(k) > 1 and (k % 2 == 0 or _number(base.args[0]))):
            inside = product_of(base.args[0])
            out = p.without(base)
            for _ in range(abs(k) // 2):
                out = out.by(inside if k > 0 else inside.inverse)
            return expr_of(out.times(base, 1 if k > 0 else -1) if k % 2 else out)
    roots = [(b, k) for b, k in p.powers if _number_like(b) and abs(k) == 1]
    for (a, j), (b, k) in combinations(roots, 2):
        if j == k:
            assert isinstance(a, Call) and isinstance(b, Call)
            return expr_of(p.without(a).without(b).times(Call("sqrt", (expr_of(product_of(a.args[0]).by(product_of(b.args[0]))),)), k))
    return None


def _number(e: Expr) -> bool:
    """A number above 0 as written: no tensor, no setting."""
    return all((isinstance(x, Const) and x.value > 0) or (isinstance(x, Call) and x.fn in ("*", "/")) for x in walk(e))


def power_of_fraction(e: Expr, scope: Scope) -> Expr | None:
    """(a / c)**2 with a number c."""
    if not (isinstance(e, Call) and e.fn == "**" and isinstance(e.args[1], Const) and isinstance(e.args[1].value, int) and is_product(e.args[0])):
        return None
    p, k = product_of(e.args[0]), e.args[1].value
    numbers = [b for b, _ in p.powers if _number_like(b)]
    if not 2 <= k <= 3 or (p.number == 1 and not numbers):
        return None
    return expr_of(Product(p.number**k, tuple((b, n * k) for b, n in p.powers), True))


def _number_like(e: Expr) -> bool:
    return isinstance(e, Call) and e.fn == "sqrt" and _number(e.args[0])


def share(e: Expr, scope: Scope) -> Expr | None:
    """u / (c + u) as 1 - c / (c + u) for an exponential u, which may be infinite where the left side is then inf / inf."""
    p = product_of(e)
    for u, k in p.powers:
        power = scope.plain(u)
        if k < 1 or not (isinstance(power, Call) and power.fn == "exp"):
            continue
        for whole in (p, *_opened(p, scope)):
            for bottom, n in whole.powers:
                share = _shared(power, bottom, scope) if n < 0 else None
                if share is not None:
                    left = whole.without(u).without(bottom)
                    more = whole.exponent(u) - 1  # what was put in may have had the exponential too
                    left = left.times(u, more) if more else left
                    left = left.times(bottom, n + 1) if n < -1 else left
                    return expr_of(left.by(product_of(share)) if not is_sum(share) else left.times(share))
    return None


def _opened(p: Product, scope: Scope) -> Iterator[Product]:
    """The product with what a tensor holds in place of one factor of it, where that is a quotient."""
    for base, k in p.powers:
        inside = product_of(scope.plain(base)) if k > 0 and isinstance(base, Read) else None
        if inside is not None and any(n < 0 for _, n in inside.powers):
            left = p.without(base)
            yield (left.times(base, k - 1) if k > 1 else left).by(inside)


def _shared(u: Expr, bottom: Expr, scope: Scope) -> Expr | None:
    """u / bottom without u above the stroke, for a bottom of terms without other exponentials; else None."""
    terms = terms_of(scope.plain(bottom))
    if len(terms) < 2:
        return None
    mine = [p for p in terms if len(p.powers) == 1 and p.powers[0][1] == 1 and alike(scope.plain(p.powers[0][0]), u)]
    rest = [p for p in terms if p not in mine]
    if len(mine) != 1 or not all(_tame(x) for x in walk(total_of(rest))):
        return None
    # u = (bottom - rest) / number
    number = mine[0].number
    share = scope.saved(expr_of(product_of(total_of(rest)).times(bottom, -1)))
    whole = total_of([Product(Fraction(1)), replace(product_of(share), number=-product_of(share).number)])
    return whole if number == 1 else expr_of(Product(1 / number).times(whole))


def _tame(e: Expr) -> bool:
    """No exponential, quotient or other function that could overflow by itself."""
    return isinstance(e, (Const, Index, Read)) or (isinstance(e, Call) and e.fn in RING)


def exponents(e: Expr, scope: Scope) -> Expr | None:
    """exp(a) / b = exp(a - l) where the forward formula holds l = log(b)."""
    p = product_of(e)
    for u, k in p.powers:
        if k == 1 and isinstance(u, Call) and u.fn == "exp":
            for bottom, n in p.powers:
                if n == -1 and _above_zero(bottom, scope) and (log := scope.logarithm(bottom)) is not None:
                    power = scope.held_sum(total_of([*terms_of(u.args[0]), replace(product_of(log), number=Fraction(-1))]))
                    return expr_of(p.without(bottom).without(u).times(Call("exp", (power,))))
    return None


def _above_zero(e: Expr, scope: Scope) -> bool:
    """Whether e is a sum or product of exponentials: its logarithm is a number."""
    match scope.plain(e):
        case Call("exp", _):
            return True
        case Call("+" | "*" | "/", (a, b)):
            return _above_zero(a, scope) and _above_zero(b, scope)
        case Reduce(kind, _, _, body):
            return kind in (Kind.SUM, Kind.MEAN, Kind.PROD) and _above_zero(body, scope)
        case Const(value):
            return value > 0
    return False


def known(e: Expr, scope: Scope) -> Expr | None:
    """What the forward formula holds is read, not computed again."""
    found = scope.saved(e)
    return None if found is e else found


def distributed(e: Expr, scope: Scope) -> Expr | None:
    """a * (b / a + c) = b + a * c: a product is written out where a division goes by that."""
    p = product_of(e)
    for inner, k in p.powers:
        if k != 1 or not is_sum(inner):
            continue
        terms = terms_of(inner)
        for base, n in p.powers:
            if n > 0 and base is not inner and any(q.exponent(base) < 0 for q in terms):
                rest = p.without(inner).without(base)
                inside = total_of([q.times(base, n) for q in terms])
                return expr_of(rest.times(inside) if is_sum(inside) else rest.by(product_of(inside)))
    return None


def same_place(e: Expr, scope: Scope) -> Expr | None:
    """(k == t) * f[t] = (k == t) * f[k]: where a class is the right one, what is looked up at the right one is its own."""
    p = product_of(e)
    for test, _ in p.powers:
        if not (isinstance(test, Call) and test.fn in ("==", "delta")):
            continue
        for x, at in (test.args, test.args[::-1]):
            for base, k in p.powers:
                found = lookup(base)
                if isinstance(x, Index) and found is not None and found[1] == at and _is_met(x.expr, base, scope):
                    return expr_of(replace(p.without(base).times(subs(found[2], {found[0]: x.expr}), k), merged=True))
    return None


def _is_met(place: Poly, found: Expr, scope: Scope) -> bool:
    """Whether a place surely is one that a look-up looks at."""
    return isinstance(found, Reduce) and scope.meets(place, found.ranges[0])


def turned(e: Expr, scope: Scope) -> Expr | None:
    """-a * (b - c) = a * (c - b): a minus in front turns a difference."""
    p = product_of(e)
    if p.number >= 0 or any(isinstance(x, Call) and x.fn == "where" for x in _of_product(e)):
        return None  # a choice stays whole for the other that goes by the same decision
    for base, k in p.powers:
        terms = terms_of(base) if k == 1 and is_sum(base) else []
        if [q.number > 0 for q in terms] == [True, False]:
            back = total_of([replace(q, number=-q.number) for q in reversed(terms)])
            return expr_of(Product(-p.number, tuple((back if b is base else b, n) for b, n in p.powers), True))
    return None
