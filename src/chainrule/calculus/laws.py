"""The rules of algebra that derived formulas are rewritten by.

Each rule is a pair of formulas of the language, left = right, and the same as a function of a place in a tree. The tests hold the two formulas
equal in exact fractions, and hold the function to what its text says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import combinations

from ..language.brackets import is_test
from ..language.functions import RING, Kind
from ..language.index import Poly
from ..language.tree import (
    ZERO,
    Call,
    Const,
    Expr,
    Index,
    Read,
    Reduce,
    add,
    direct,
    free_names,
    lookup,
    number_of,
    sub,
    subs,
    walk,
)
from .match import alike
from .normal import Product, expr_of, is_product, is_sum, product_of, same_but_number, terms_of, total_of
from .scope import Scope
from .zeros import singular


@dataclass(frozen=True)
class Law:
    """left = right, for the inputs that the header names; `there` rewrites one place of a tree of the form that `fits`, or gives None."""

    name: str
    header: str
    left: str
    right: str
    fits: Callable[[Expr], bool]
    there: Callable[[Expr, Scope], Expr | None]
    lines: str = ""  # lines before, which say what a name in the formulas holds
    changes: bool = True  # the words of the forward formula, which are to stay; reading what it holds does not


def _total(e: Expr) -> bool:
    return isinstance(e, Reduce) and e.kind in (Kind.SUM, Kind.MEAN)


def _call(e: Expr) -> bool:
    return isinstance(e, (Call, Reduce))


# Products --------------------------------------------------------------------------------------------------------------


def _collected(e: Expr, scope: Scope) -> Expr | None:
    """Numbers of a product as one, equal factors as powers, what stands above and below the stroke gone."""
    p = product_of(e)
    return expr_of(p) if p.merged else None


def _one_fraction(e: Expr, scope: Scope) -> Expr | None:
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


def _roots(e: Expr, scope: Scope) -> Expr | None:
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


def _power_of_fraction(e: Expr, scope: Scope) -> Expr | None:
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


def _share(e: Expr, scope: Scope) -> Expr | None:
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
                    left = left.times(u, k - 1) if k > 1 else left
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


def _exponents(e: Expr, scope: Scope) -> Expr | None:
    """exp(a) / b = exp(a - l) where the forward formula holds l = log(b)."""
    p = product_of(e)
    for u, k in p.powers:
        if k == 1 and isinstance(u, Call) and u.fn == "exp":
            for bottom, n in p.powers:
                if n == -1 and (log := scope.logarithm(bottom)) is not None:
                    power = scope.held_sum(total_of([*terms_of(u.args[0]), replace(product_of(log), number=Fraction(-1))]))
                    return expr_of(p.without(bottom).without(u).times(Call("exp", (power,))))
    return None


def _known(e: Expr, scope: Scope) -> Expr | None:
    """What the forward formula holds is read, not computed again."""
    found = scope.saved(e)
    return None if found is e else found


# Sums ------------------------------------------------------------------------------------------------------------------


def _like_terms(e: Expr, scope: Scope) -> Expr | None:
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


def _common(e: Expr, scope: Scope) -> Expr | None:
    """a*b + a*c = a*(b + c)."""
    terms = terms_of(e)
    shared = _shared_factors(terms) if len(terms) > 1 else Product(Fraction(1))
    if not any(not _plain_size(b) for b, _ in shared.powers):
        return None
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


def _branches(e: Expr, scope: Scope) -> Expr | None:
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


def _distributed(e: Expr, scope: Scope) -> Expr | None:
    """a * (b / a + c) = b + a * c: a product is written out where a division goes by that."""
    p = product_of(e)
    for inner, k in p.powers:
        if k != 1 or not is_sum(inner):
            continue
        terms = terms_of(inner)
        for base, n in p.powers:
            if n > 0 and not is_sum(base) and any(q.exponent(base) < 0 for q in terms):
                rest = p.without(inner).without(base)
                inside = total_of([q.times(base, n) for q in terms])
                return expr_of(rest.times(inside) if is_sum(inside) else rest.by(product_of(inside)))
    return None


def _same_place(e: Expr, scope: Scope) -> Expr | None:
    """(k == t) * f[t] = (k == t) * f[k]: where a class is the right one, what is looked up at the right one is its own."""
    p = product_of(e)
    for test, _ in p.powers:
        if not (isinstance(test, Call) and test.fn in ("==", "delta")):
            continue
        for x, at in (test.args, test.args[::-1]):
            for base, k in p.powers:
                found = lookup(base)
                if isinstance(x, Index) and found is not None and found[1] == at and free_names(at).isdisjoint([found[0]]):
                    return expr_of(replace(p.without(base).times(subs(found[2], {found[0]: x.expr}), k), merged=True))
    return None


def _turned(e: Expr, scope: Scope) -> Expr | None:
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


# Sums over letters -----------------------------------------------------------------------------------------------------


def _pulled(e: Expr, scope: Scope) -> Expr | None:
    """What no letter of a sum stands in is a factor of the sum."""
    if not (isinstance(e, Reduce) and e.kind in (Kind.SUM, Kind.MEAN) and e.letters):
        return None
    p = product_of(e.body)
    letters = set(e.letters)
    strict = any(is_test(b) for b, _ in p.powers) or not scope.within(e).sure(e.body)  # terms may be left out: 0 * inf is none of them
    out, left = Product(Fraction(1)), Product(Fraction(1))
    for base, k in p.powers:
        constant = isinstance(base, Index)
        free = not (free_names(base) & letters) and (constant or not strict) and scope.sure(base)
        if free and not is_test(base):
            out = out.times(base, k)
        else:
            left = left.times(base, k)
    number = p.number if left.powers else Fraction(1)
    if not left.powers or (not out.powers and number == 1):
        return None
    inner = expr_of(left)
    return expr_of(replace(out, number=number).times(Reduce(e.kind, e.letters, e.ranges, inner)))


def _equal_terms(e: Expr, scope: Scope) -> Expr | None:
    """A sum of equal terms is a multiple, a mean of equal terms is one of them."""
    if not (isinstance(e, Reduce) and e.kind in (Kind.SUM, Kind.MEAN)) or not scope.sure(e.body) or (e.letters and singular(e.body)):
        return None
    used = free_names(e.body)
    if any(x in used for x in e.letters) or any(is_test(x) for x in direct(e.body)):
        return None
    if e.kind is Kind.MEAN:
        return e.body
    out = product_of(e.body)
    for size in e.ranges:
        out = out.by(product_of(number_of(size)))
    return expr_of(out)


def _around_mean(e: Expr, scope: Scope) -> Expr | None:
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
            if whole is not None and alike(whole, Reduce(Kind.MEAN, e.letters, e.ranges, expr_of(replace(p, number=Fraction(1))))):
                return ZERO
    return None


def _one_of_all(e: Expr, scope: Scope) -> Expr | None:
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
                return rest if e.letters[0] not in free_names(rest) and scope.sure(rest) else None
    return None


def _one_term(e: Expr, scope: Scope) -> Expr | None:
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


LAWS: tuple[Law, ...] = (
    Law("numbers and equal factors", "a, b", "4 * a * b * a / (2 * b)", "2 * a**2", is_product, _collected),
    Law("one fraction", "a, b, c", "a / b * 2 * c", "2 * a * c / b", is_product, _one_fraction),
    Law("power of a fraction", "a", "(a / 3)**2", "a**2 / 9", is_product, _power_of_fraction),
    Law("a known value", "a, b", "a / b * a", "y * a", _call, _known, "y = a / b", changes=False),
    Law("roots", "a", "a / sqrt(4) / sqrt(9)", "a / sqrt(36)", is_product, _roots),
    Law("known logarithm", "a, b", "exp(a) / exp(b)", "exp(a - l)", is_product, _exponents, "l = log(exp(b))"),
    Law("share of a sum", "a, c", "exp(a) / (c + exp(a))", "1 - c / (c + exp(a))", is_product, _share),
    Law("the right place", "f[K], t: int < K", "sum[k:K]((k == t) / f[t])", "sum[k:K]((k == t) / f[k])", is_product, _same_place),
    Law("like terms", "a, b", "a * b + 2 * b * a", "3 * a * b", is_sum, _like_terms),
    Law("common factor", "a, b, c", "a * b + c * a", "a * (b + c)", is_sum, _common),
    Law("product written out", "a, b, c", "a * (b / a + c)", "b + a * c", is_product, _distributed),
    Law("a minus turned", "a, b, c", "-a * (b - c)", "a * (c - b)", is_product, _turned),
    Law("both branches", "a, b, c", "where(a > 0, b, 0) - where(a > 0, a, c)", "where(a > 0, b - a, -c)", is_sum, _branches),
    Law("a factor leaves the sum", "c, f[K]", "sum[k](c * f[k])", "c * sum[k](f[k])", _total, _pulled),
    Law("a delta leaves one term", "f[4]", "sum[k:4]((k == 1) * f[k])", "f[1]", _total, _one_term),
    Law("equal terms", "c, f[K]", "sum[k:K](c)", "K * c", _total, _equal_terms),
    Law("deviations from a mean", "f[K]", "sum[k](f[k] - m)", "0", _total, _around_mean, "m = mean[k](f[k])"),
    Law("one of all classes", "c, f[K], t: int < K", "sum[k:K]((k == t) * c)", "c", _total, _one_of_all, "h = f[t]"),
)
