"""Rewriting what the chain rule writes: each rule is an identity of numbers, chosen so that the result reads well and no term is 0 * inf.

p / (c + u) * u  =  p * (1 - c / (c + u))    for u = exp(…), which may be infinite where the left side is then 0 * inf
where(t, a, 0) + where(t, 0, b)  =  where(t, a, b)
"""

from __future__ import annotations

from collections.abc import Callable

from ..language.functions import RING
from ..language.tree import ONE, ZERO, Call, Const, Expr, Index, Read, add, div, mul, neg, product, sub, walk


def times(a: Expr, b: Expr, same: Callable[[Expr], Expr] = lambda e: e) -> Expr:
    """a * b, rewritten. `same` may know a tensor that holds an expression."""
    return rewritten(mul(a, b), same)


def over(a: Expr, b: Expr, same: Callable[[Expr], Expr] = lambda e: e) -> Expr:
    """a / b, rewritten."""
    return rewritten(div(a, b), same)


def rewritten(e: Expr, same: Callable[[Expr], Expr] = lambda e: e) -> Expr:
    """A product or quotient without u / (c + u) for an exponential u."""
    if isinstance(e, Call) and e.fn == "neg":
        return neg(rewritten(e.args[0], same))
    tops, bottoms = fraction(e)
    for k, bottom in enumerate(bottoms):
        for m, u in enumerate(tops):
            share = _share(u, bottom, same)
            if share is not None:
                out = product([*tops[:m], share, *tops[m + 1 :]])
                for other in bottoms[:k] + bottoms[k + 1 :]:
                    out = div(out, other)
                return rewritten(out, same)
    return e


def fraction(e: Expr) -> tuple[list[Expr], list[Expr]]:
    """The factors above and below the line of a product or quotient, in order."""
    tops, bottoms, todo = [], [], [e]
    while todo:
        node = todo.pop()
        if isinstance(node, Call) and node.fn == "*":
            todo += reversed(node.args)
        elif isinstance(node, Call) and node.fn == "/":
            todo.append(node.args[0])
            bottoms.append(node.args[1])
        else:
            tops.append(node)
    return tops, bottoms


def _share(u: Expr, bottom: Expr, same: Callable[[Expr], Expr]) -> Expr | None:
    """u / bottom without u above the line, for an exponential u that is a term of the bottom; else None."""
    if not (isinstance(u, Call) and u.fn == "exp" and isinstance(bottom, Call) and bottom.fn in ("+", "-") and u in bottom.args):
        return None
    first = bottom.args[0] == u
    c = bottom.args[1 if first else 0]
    if not all(_tame(x) for x in walk(c)):
        return None  # c / (c + u) could be inf / inf itself
    rest = same(div(c, bottom))
    if bottom.fn == "+":
        return sub(ONE, rest)
    return add(ONE, rest) if first else sub(rest, ONE)


def _tame(e: Expr) -> bool:
    """No exponential, quotient or other function that could overflow by itself."""
    return isinstance(e, (Const, Index, Read)) or (isinstance(e, Call) and e.fn in RING)


def only(test: Expr, taken: bool, body: Expr) -> Expr:
    """body where the test is not 0 (or, not taken, where it is 0); else 0, whatever the body is there."""
    if body == ZERO:
        return ZERO
    if isinstance(body, Call) and body.fn == "neg":
        return neg(only(test, taken, body.args[0]))
    return Call("where", (test, body, ZERO) if taken else (test, ZERO, body))


def plus(a: Expr, b: Expr) -> Expr:
    """a + b; the two branches of one decision become one."""
    if isinstance(a, Call) and a.fn == "+":
        joined = _joined(a.args[1], b)
        return add(a, b) if joined is None else add(a.args[0], joined)
    joined = _joined(a, b)
    return add(a, b) if joined is None else joined


def _joined(a: Expr, b: Expr) -> Expr | None:
    if not (isinstance(a, Call) and isinstance(b, Call) and a.fn == b.fn == "where" and a.args[0] == b.args[0]):
        return None
    (t, a1, a2), (_, b1, b2) = a.args, b.args
    if a2 == b1 == ZERO:
        return Call("where", (t, a1, b2))
    return Call("where", (t, b1, a2)) if a1 == b2 == ZERO else None
