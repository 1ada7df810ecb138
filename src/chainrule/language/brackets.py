"""Comparisons as factors: strong zeros.

(x > 0) * log(x) is 0 where x is not above 0, even where the logarithm is infinite or undefined: the comparison says which terms
there are. A sum leaves out the terms for which a comparison of indices is 0, as reading outside an axis does (`conditions`, which
loops turn into bounds); any other comparison becomes a choice (`strong`).
"""

from __future__ import annotations

from .functions import COMPARISONS, Kind
from .index import Poly
from .tree import ONE, ZERO, Call, Const, Expr, Index, Reduce, mul, neg, rebuild


def conditions(e: Expr, guards: list[Poly], equal: list[Poly]) -> Expr:
    """The body of a sum without its brackets of indices; adds them as `guard >= 0` and `equal == 0`.

    What is left out where two indices are the same is a choice within the body.
    """
    unequal: list[Expr] = []
    body = _without(e, guards, equal, unequal)
    for test in unequal:
        body = Call("where", (test, body, ZERO))
    return body


def _without(e: Expr, guards: list[Poly], equal: list[Poly], unequal: list[Expr]) -> Expr:
    if isinstance(e, Call):
        if e.fn == "*":
            left, right = (_without(x, guards, equal, unequal) for x in e.args)
            return right if left == ONE else left if right == ONE else Call("*", (left, right))  # a written 0 stays: 0 * inf is NaN
        if e.fn == "neg":
            return neg(_without(e.args[0], guards, equal, unequal))
        if e.fn == "/":
            return Call("/", (_without(e.args[0], guards, equal, unequal), e.args[1]))
        if e.fn == "!=" and all(_whole(x) is not None for x in e.args):
            unequal.append(e)
            return ONE
        if e.fn in ("<", "<=", ">", ">=", "==", "delta"):
            a, b = (_whole(x) for x in e.args)
            if a is not None and b is not None:
                if e.fn in ("==", "delta"):
                    equal.append(a - b)
                else:
                    guards.append({"<": b - a - 1, "<=": b - a, ">": a - b - 1, ">=": a - b}[e.fn])
                return ONE
    return e


def _whole(e: Expr) -> Poly | None:
    if isinstance(e, Index):
        return e.expr if all(isinstance(c, int) for c in e.expr.terms.values()) else None
    if isinstance(e, Const) and isinstance(e.value, int):
        return Poly.of(e.value)
    return None


def is_test(e: Expr) -> bool:
    """Whether an expression is 1 or 0 by its form: a comparison, or one of several."""
    if not isinstance(e, Call):
        return False
    return e.fn in COMPARISONS or (e.fn in ("maximum", "minimum", "*") and all(map(is_test, e.args)))


def of_indices(e: Expr) -> bool:
    """Whether a test is a comparison of indices, which a sum takes for a condition of its terms."""
    return isinstance(e, Call) and e.fn in COMPARISONS and all(_whole(x) is not None for x in e.args)


def strong(e: Expr, summed: bool = False) -> Expr:
    """e with a choice where(test, rest, 0) for each product that has a test for a factor. summed: e is the body of a sum."""
    if isinstance(e, Reduce):
        return Reduce(e.kind, e.letters, e.ranges, strong(e.body, e.kind in (Kind.SUM, Kind.MEAN)))
    if not isinstance(e, Call) or e.fn not in ("*", "/", "neg"):
        return rebuild(e, strong)
    tests: list[Expr] = []
    conditions: list[Expr] = []
    rest = _apart(e, summed, tests, conditions)
    if rest == ONE:
        return e
    for test in reversed(tests):
        rest = Call("where", (test, rest, ZERO))
    for c in conditions:
        rest = mul(rest, c)
    return rest


def _apart(e: Expr, summed: bool, tests: list[Expr], conditions: list[Expr]) -> Expr:
    """What is left of a product without its tests."""
    if isinstance(e, Call) and e.fn == "*" and not is_test(e):
        left, right = (_apart(a, summed, tests, conditions) for a in e.args)
        return right if left == ONE else left if right == ONE else Call("*", (left, right))
    if isinstance(e, Call) and e.fn == "neg":
        return neg(_apart(e.args[0], summed, tests, conditions))
    if isinstance(e, Call) and e.fn == "/":
        return Call("/", (_apart(e.args[0], summed, tests, conditions), strong(e.args[1])))
    if is_test(e):
        for test in product_of(e):
            (conditions if summed and of_indices(test) else tests).append(strong(test))
        return ONE
    return strong(e)


def product_of(e: Expr) -> list[Expr]:
    """The tests that must all hold."""
    return [t for a in e.args for t in product_of(a)] if isinstance(e, Call) and e.fn == "*" else [e]


def has_test(e: Expr) -> bool:
    """Whether a product has a test for a factor."""
    if is_test(e):
        return True
    if isinstance(e, Call) and e.fn in ("*", "neg"):
        return any(map(has_test, e.args))
    return isinstance(e, Call) and e.fn == "/" and has_test(e.args[0])
