"""Partial derivatives of the scalar functions, read from the table's formulas."""

from __future__ import annotations

import ast
from collections.abc import Callable
from functools import cache

from ..language.functions import ALL
from ..language.index import Poly
from ..language.tree import ONE, ZERO, Call, Const, Expr, Index, add, div, mul, neg, product, product_factors, reads, sub


@cache
def _tree(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


def _build(node: ast.expr, env: dict[str, Expr]) -> Expr:
    match node:
        case ast.Name():
            return env[node.id]
        case ast.Constant():
            return Const(node.value)  # type: ignore[arg-type]  # the table's formulas hold numbers only
        case ast.UnaryOp():
            return neg(_build(node.operand, env))
        case ast.Call():
            assert isinstance(node.func, ast.Name)
            return Call(node.func.id, tuple(_build(a, env) for a in node.args))
        case ast.Compare():
            sign = {ast.Gt: ">", ast.GtE: ">=", ast.Lt: "<", ast.LtE: "<="}[type(node.ops[0])]
            return Call(sign, (_build(node.left, env), _build(node.comparators[0], env)))
        case ast.BinOp():
            a, b = _build(node.left, env), _build(node.right, env)
            match node.op:
                case ast.Add():
                    return add(a, b)
                case ast.Sub():
                    return less(a, b)
                case ast.Mult():
                    return mul(a, b)
                case ast.Div():
                    return div(a, b)
                case ast.Pow():
                    return power(a, b)
    raise TypeError(ast.dump(node))


def less(a: Expr, b: Expr) -> Expr:
    if isinstance(a, Const) and isinstance(b, Const):
        return Const(a.value - b.value)
    if isinstance(a, Index) and isinstance(b, Const) and isinstance(b.value, int):
        return Index(a.expr - b.value)
    return sub(a, b)


def power(a: Expr, b: Expr) -> Expr:
    return ONE if b == ZERO else a if b == ONE else Call("**", (a, b))


def constant(e: Expr) -> bool:
    """No tensor is read: a number, whatever the data."""
    return next(reads(e), None) is None


def partial(e: Call, which: int, value: Expr) -> Expr:
    """∂e/∂(argument `which`); `value` is an expression for e itself (a tensor that holds it, where there is one)."""
    a = e.args[0]
    if e.fn in ("maximum", "minimum"):
        # At a tie the gradient goes to the first argument, but never past a constant: relu'(0) = 0 either way round.
        strict = ">" if e.fn == "maximum" else "<"
        me, other = e.args[which], e.args[1 - which]
        wins_ties = which == 0 if not constant(other) else False
        return Call(strict + "=" * wins_ties, (me, other))
    if e.fn == "where":
        test: Expr = a if isinstance(a, Call) and a.fn in ("==", "!=", "<", "<=", ">", ">=", "delta") else Call("!=", (a, ZERO))
        return test if which == 1 else Call("where", (a, ZERO, ONE))
    if e.fn == "**":
        return _of_power(a, e.args[1], which, value)
    text = ALL[e.fn].partials[which]
    if text is None:
        return ZERO
    env: dict[str, Expr] = {"y": value, "a": a}
    if len(e.args) > 1:
        env["b"] = e.args[1]
    return _build(_tree(text), env)


def _of_power(a: Expr, b: Expr, which: int, value: Expr) -> Expr:
    """∂(a**b): 0 where a and b say so, although the formula would be 0 * inf there."""
    if which == 1:
        settled = Call("*", (Call("==", (a, ZERO)), Call(">=", (b, ZERO))))
        return Call("where", (settled, ZERO, mul(value, Call("log", (a,)))))
    if isinstance(b, Const):
        return ZERO if b.value == 0 else mul(Const(2), a) if b.value == 2 else mul(b, power(a, less(b, ONE)))
    return Call("where", (Call("==", (b, ZERO)), ZERO, mul(b, power(a, less(b, ONE)))))


def times(a: Expr, b: Expr, same: Callable[[Expr], Expr] = lambda e: e) -> Expr:
    """a * b, with p / (c + u) * u written p * (1 - c / (c + u)) for an exponential u.

    Equal by algebra, and finite where u is not. `same` may know a tensor that holds c / (c + u).
    """
    out = mul(a, b)
    negative = isinstance(out, Call) and out.fn == "neg"
    factors = product_factors(out.args[0] if negative else out)  # type: ignore[union-attr]  # neg is a Call
    for u in factors:
        if not (isinstance(u, Call) and u.fn == "exp"):
            continue
        for k, q in enumerate(factors):
            if not (isinstance(q, Call) and q.fn == "/" and isinstance(q.args[1], Call) and q.args[1].fn == "+" and u in q.args[1].args):
                continue
            den = q.args[1]
            c = den.args[1] if den.args[0] == u else den.args[0]
            rest = [f for m, f in enumerate(factors) if m != k and f is not u]
            done = product([*rest, q.args[0], sub(ONE, same(div(c, den)))])
            return neg(done) if negative else done
    return out


def flat(letters: tuple[str, ...], ranges: tuple[Poly, ...]) -> Poly:
    """The place of a combination of letters in index order, as argmax counts it."""
    out = Poly({})
    for letter, size in zip(letters, ranges, strict=True):
        out = out * size + Poly.name(letter)
    return out
