"""Sentences with formulas in them, as boxes: what a step says of names, indices, laws and functions is written in the language."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from .formula import Setter, called
from .functions import CONSTANTS, FUNCTIONS, REDUCTIONS, Kind
from .index import Poly
from .layout import Box, Fence, Frac, Name, Number, Scripts, Sign, Words, joined, row
from .raw import UNKNOWN
from .tree import Call, Const, Expr, Index, Read, Reduce, number_of, reads

SIGNS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "**"}
COMPARED = {ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}


Inline = tuple[str | Box, ...]  # words and formulas


def _partial(of: Box, by: Box) -> Box:
    return Frac(row(Sign("∂"), of), row(Sign("∂"), by))


X, E, K, R = map(Name, "xEkr")
PLACE = row(_partial(Scripts(X, K), Scripts(X, R)), Sign("="), Scripts(Name("δ"), joined([K, R], ",", True)))  # ∂x[k]/∂x[r] = δ(k, r)
LOSS = row(_partial(E, E), Sign("="), Number("1"))  # ∂E/∂E = 1


def field(text: str, setter: Setter) -> Box:
    """The boxes of names, formulas, or equations with commas between; words where it is none of these."""
    try:
        tree = ast.parse(f"f({text})", mode="eval").body
        assert isinstance(tree, ast.Call)
        values = [_value(a, setter) for a in tree.args]
        unknown = {r.tensor: (UNKNOWN,) * len(r.index) for v in values for r in reads(v) if r.tensor not in setter.axes}
        setter = replace(setter, axes={**setter.axes, **unknown})
        parts = [setter.box(v) for v in values]
        parts += [row(setter.box(Index(Poly.name(str(k.arg)))), Sign("="), setter.box(number_of(_index(k.value)))) for k in tree.keywords]
        return joined(parts)
    except (SyntaxError, TypeError, AssertionError):
        return Words(text)


def _index(e: ast.expr) -> Poly:
    match e:
        case ast.Name(id=name):
            return Poly.name(name)
        case ast.Constant(value=int(value)):
            return Poly.of(value)
        case ast.UnaryOp(op=ast.USub(), operand=a):
            return -_index(a)
        case ast.BinOp(left=a, op=op, right=b):
            x, y = _index(a), _index(b)
            match op:
                case ast.Add():
                    return x + y
                case ast.Sub():
                    return x - y
                case ast.Mult():
                    return x * y
                case ast.FloorDiv():
                    return x // y
                case ast.Mod():
                    return x % y
    raise TypeError(e)


def _value(e: ast.expr, setter: Setter) -> Expr:
    match e:
        case ast.Name(id=name):
            if name in CONSTANTS:
                return Const(CONSTANTS[name])
            return Read(name, ()) if name in setter.axes or setter.adjoint_of(name) else Index(Poly.name(name))
        case ast.Constant(value=int() | float() as value):
            return Const(value)
        case ast.Subscript(value=ast.Name(id=name), slice=index):
            return Read(name, tuple(map(_index, index.elts if isinstance(index, ast.Tuple) else [index])))
        case ast.UnaryOp(op=ast.USub(), operand=a):
            return Call("neg", (_value(a, setter),))
        case ast.BinOp(left=a, op=ast.FloorDiv() | ast.Mod()):
            return number_of(_index(e))
        case ast.BinOp(left=a, op=op, right=b):
            return Call(SIGNS[type(op)], (_value(a, setter), _value(b, setter)))
        case ast.Compare(left=a, ops=[op], comparators=[b]):
            return Call(COMPARED[type(op)], (_value(a, setter), _value(b, setter)))
        case ast.Call(func=ast.Name(id="δ"), args=args):
            return Call("delta", tuple(number_of(_index(a)) for a in args))
        case ast.Call(func=ast.Name(id=name), args=args) if name in FUNCTIONS:
            return Call(name, tuple(_value(a, setter) for a in args))
        case ast.Call(func=ast.Subscript(value=ast.Name(id=kind), slice=letters), args=[body]) if kind in REDUCTIONS:
            names = tuple(_letters(letters))
            return Reduce(Kind(kind), names, (UNKNOWN,) * len(names), _value(body, setter))
    raise TypeError(e)


def _letters(e: ast.expr) -> Iterator[str]:
    for part in e.elts if isinstance(e, ast.Tuple) else [e]:
        if isinstance(part, ast.Slice):
            part = part.lower or part
        assert isinstance(part, ast.Name)
        yield part.id


def derived_function(name: str, derivative: str, setter: Setter) -> Box:
    """f′(a) = its derivative, where y is the value."""
    sign = called(FUNCTIONS[name].latex) if name in FUNCTIONS else Name(name)
    return row(Scripts(sign, sup=Sign("′", True)), Fence("(", Name("a")), Sign("="), field(derivative, setter))


KNOWN = {"∂x[k]/∂x[r] = δ(k, r)": PLACE, "∂E/∂E = 1": LOSS}
HOLES = re.compile("(" + "|".join([r"\{0\}'\(a\) = \{1\}", r"\{1\} = \{2\}", r"\{\d\}", *map(re.escape, KNOWN)]) + ")")


def filled(template: str, about: Sequence[str], setter: Setter) -> Inline:
    """A sentence whose holes {0}, {1}, … are filled with formulas, or with words where they are words."""
    return tuple(p for p in (_part(x, about, setter) for x in HOLES.split(template)) if p != "")


def _part(part: str, about: Sequence[str], setter: Setter) -> str | Box:
    if part in KNOWN:
        return KNOWN[part]
    bare = Setter({}, setter.notation, {})  # a law's letters are its own
    if part == "{0}'(a) = {1}":
        return derived_function(about[0], about[1], bare)
    if part == "{1} = {2}":
        return row(field(about[1], bare), Sign("="), field(about[2], bare))
    if not HOLES.fullmatch(part):
        return part
    made = field(about[int(part[1:-1])], setter)
    return made.text if isinstance(made, Words) else made
