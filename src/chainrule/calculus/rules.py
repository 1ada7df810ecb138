"""Partial derivatives of the scalar functions, read from the table's formulas."""

from __future__ import annotations

import ast
from collections.abc import Collection
from functools import cache

from ..language.brackets import has_test
from ..language.functions import ALL, CONSTANTS, Kind
from ..language.index import Poly
from ..language.tree import ONE, ZERO, Call, Const, Expr, Index, Reduce, add, div, folded, fresh_name, mul, neg, number_of, reads, sub, subs


@cache
def _tree(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


def _build(node: ast.expr, env: dict[str, Expr]) -> Expr:
    match node:
        case ast.Name():
            return Const(CONSTANTS[node.id]) if node.id in CONSTANTS else env[node.id]
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
                    return sub(a, b)
                case ast.Mult():
                    return mul(a, b)
                case ast.Div():
                    return div(a, b)
                case ast.Pow():
                    return power(a, b)
    raise TypeError(ast.dump(node))


def power(a: Expr, b: Expr) -> Expr:
    return ONE if b == ZERO else a if b == ONE else Call("**", (a, b))


def constant(e: Expr) -> bool:
    """No tensor is read: a number, whatever the data."""
    return next(reads(e), None) is None


def chosen(e: Call, which: int) -> tuple[Expr, bool] | None:
    """(test, taken): e is its argument `which` where the test is not 0 (or, not taken, where it is); None where e is no choice."""
    if e.fn == "where" and which > 0:
        return e.args[0], which == 1
    if e.fn in ("maximum", "minimum"):
        # At a tie the gradient goes to the first argument, but never past a constant: relu'(0) = 0 either way round.
        strict = ">" if e.fn == "maximum" else "<"
        me, other = e.args[which], e.args[1 - which]
        wins_ties = which == 0 and not constant(other)
        return Call(strict + "=" * wins_ties, (me, other)), True
    return None


def only(test: Expr, taken: bool, body: Expr) -> Expr:
    """body where the test is not 0 (or, not taken, where it is 0); else 0, whatever the body is there."""
    if body == ZERO:
        return ZERO
    if isinstance(body, Call) and body.fn == "neg":
        return neg(only(test, taken, body.args[0]))
    return Call("where", (test, body, ZERO) if taken else (test, ZERO, body))


def derivative(e: Call, which: int, value: Expr, floats: Collection[str] = ()) -> Expr:
    """∂e/∂(argument `which`) of a function that is no choice; `value` is an expression for e itself (a tensor that holds it, where
    there is one). floats: settings that are not whole numbers."""
    if e.fn == "**":
        return _of_power(e.args[0], e.args[1], which, value, floats)
    text = ALL[e.fn].partials[which] if ALL[e.fn].partials else None
    if text is None:
        return ZERO
    if e.fn == "/" and has_test(e.args[0]):
        value = e  # not its tensor: the test must stand as a factor of what is divided by 0
    env: dict[str, Expr] = {"y": value, "a": e.args[0]}
    if len(e.args) > 1:
        env["b"] = e.args[1]
    return _build(_tree(text), env)


def _of_power(a: Expr, b: Expr, which: int, value: Expr, floats: Collection[str]) -> Expr:
    """∂(a**b), 0 where the formula would be 0 * inf: b * a**(b-1) at b = 0, y * log(a) at a = 0 <= b."""
    if which == 1:
        slope = mul(value, Call("log", (a,)))
        if isinstance(a, Const) and a.value != 0:
            return slope
        return Call("where", (Call("*", (Call("==", (a, ZERO)), Call(">=", (b, ZERO)))), ZERO, slope))
    if isinstance(b, Const):
        return mul(b, power(a, Const(b.value - 1)))
    if isinstance(b, Call) and b.fn == "/" and all(isinstance(x, Const) and isinstance(x.value, int) and x.value for x in b.args):
        top, bottom = (x.value for x in b.args if isinstance(x, Const))
        return mul(b, power(a, div(number_of(Poly.of(top - bottom)), Const(bottom))))
    return Call("where", (Call("==", (b, ZERO)), ZERO, mul(b, power(a, folded(Call("-", (b, ONE)), floats)))))


def others(e: Reduce, taken: set[str]) -> Expr:
    """The product of all terms of e = prod[k](f(k)) but that of the letters themselves: prod[k1](where(k1 == k, 1, f(k1)))."""
    swap = {}
    for x in e.letters:
        swap[x] = fresh_name(x, taken)
        taken.add(swap[x])
    letters = tuple(swap.values())
    same = Call("==", (Index(flat(letters, e.ranges)), Index(flat(e.letters, e.ranges))))
    body = subs(e.body, {a: Poly.name(b) for a, b in swap.items()})
    return Reduce(Kind.PROD, letters, e.ranges, Call("where", (same, ONE, body)))


def flat(letters: tuple[str, ...], ranges: tuple[Poly, ...]) -> Poly:
    """The place of a combination of letters in index order, as argmax counts it."""
    out = Poly({})
    for letter, size in zip(letters, ranges, strict=True):
        out = out * size + Poly.name(letter)
    return out
