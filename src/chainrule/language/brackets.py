"""Iverson brackets of indices: a sum leaves out the terms for which they are 0.

The bracket is a strong zero: [0 <= i < H] * x drops the term even where x would be infinite or undefined, as
reading outside an axis does.
"""

from __future__ import annotations

from .index import Poly
from .tree import ONE, ZERO, Call, Const, Expr, Index, neg


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
