"""Sentences with formulas in them, as boxes: what a step says of names, indices, laws and functions is written in the language."""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator, Sequence, Set
from dataclasses import replace

from .formula import Setter, called
from .functions import CONSTANTS, FUNCTIONS, REDUCTIONS, Kind
from .index import Poly
from .layout import Box, Fence, Frac, Name, Number, Scripts, Sign, Words, bracketed, joined, row
from .raw import UNKNOWN
from .tree import Call, Const, Expr, Index, Line, Read, Reduce, letters_of, number_of, reads

SIGNS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "**"}
COMPARED = {ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}
Inline = tuple[str | Box, ...]  # words and formulas


def _partial(of: Box, by: Box) -> Box:
    return Frac(row(Sign("∂"), of), row(Sign("∂"), by))


X, E, K, R = map(Name, "xEkr")
PLACE = row(_partial(Scripts(X, K), Scripts(X, R)), Sign("="), Scripts(Name("δ"), joined([K, R], ",", True)))  # ∂x[k]/∂x[r] = δ(k, r)
LOSS = row(_partial(E, E), Sign("="), Number("1"))  # ∂E/∂E = 1
C, F, PRIME = Name("c"), Name("f"), Sign("′", True)
FACTOR = row(Scripts(bracketed(row(C, Sign("·"), F)), sup=PRIME), Sign("="), C, Sign("·"), Scripts(F, sup=PRIME))  # (c f)′ = c f′


def field(text: str, setter: Setter) -> Box:
    """The boxes of a name, a formula or an equation; words where it is none of these."""
    try:
        tree = _arguments(text)
        values = [_value(a, setter) for a in tree.args]
        unknown = {r.tensor: (UNKNOWN,) * len(r.index) for v in values for r in reads(v) if r.tensor not in setter.axes}
        setter = replace(setter, axes={**setter.axes, **unknown})
        parts = [setter.box(v) for v in values]
        parts += [row(setter.box(Index(Poly.name(str(k.arg)))), Sign("="), setter.box(number_of(_index(k.value)))) for k in tree.keywords]
        return joined(parts)
    except (SyntaxError, TypeError, AssertionError):
        return Words(text)


def _arguments(text: str) -> ast.Call:
    """Formulas, and equations of a name, with commas between."""
    tree = ast.parse(f"f({text})", mode="eval").body
    assert isinstance(tree, ast.Call)
    return tree


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
    return row(Scripts(sign, sup=PRIME), Fence("(", Name("a")), Sign("="), field(derivative, setter))


def counted(about: Sequence[str], line: Line, base: int, sizes: Set[str]) -> tuple[str, ...]:
    """What is said of places, deltas and what letters are then, for a reader who counts from `base`: both sides of each are one more than before."""
    trees = [_arguments(text) for text in about]
    letters = {str(k.arg) for tree in trees for k in tree.keywords} | set(line.letters) | letters_of(line.expr)
    moved = {x: Poly.name(x) - base for x in letters - sizes}

    def place(e: ast.expr) -> str:
        return str(_index(e).subs(moved) + base)

    rows = []
    for tree in trees:
        deltas = [f"δ({', '.join(map(place, a.args))})" for a in tree.args if isinstance(a, ast.Call)]
        rows.append(", ".join([*deltas, *(f"{k.arg} = {place(k.value)}" for k in tree.keywords)]))
    return tuple(rows)


# Sentences ------------------------------------------------------------------------------------------------------------

KNOWN = {"∂x[k]/∂x[r] = δ(k, r)": PLACE, "∂E/∂E = 1": LOSS, "(c * f)' = c * f'": FACTOR}
HOLES = re.compile("(" + "|".join([r"\{0\}'\(a\) = \{1\}", r"\{1\} = \{2\}", r"\{\d\}", *map(re.escape, KNOWN)]) + ")")
NUMBERS = re.compile(r"\{([^{}|]*)\|([^{}|]*)\}")  # {leaves|leave}: of one, of several
AND = {"en": (", ", " and "), "ru": (", ", " и "), "fr": (", ", " et "), "zh": ("、", " 和 ")}


def things(text: str) -> list[str]:
    """The things that a text names: the parts between commas outside brackets."""
    found, depth = [""], 0
    for c in text:
        depth += (c in "([") - (c in ")]")
        if c == "," and not depth:
            found.append("")
        else:
            found[-1] += c
    return [part.strip() for part in found]


def between(count: int, language: str) -> list[str]:
    """What stands between things that are listed."""
    comma, last = AND[language]
    return [comma] * (count - 2) + [last] * (count > 1)


def agreeing(template: str, about: Sequence[str]) -> str:
    """The sentence for as many things as the first hole names."""
    several = bool(about) and len(things(about[0])) > 1
    return NUMBERS.sub(lambda m: m[2 if several else 1], template)


def sentence(template: str, about: Sequence[str], language: str = "en") -> str:
    """A sentence whose holes {0}, {1}, … are filled with what it is about, in words that agree with it.

    >>> sentence("{0} {is|are} zero", ["a, b[i,j]"])
    'a and b[i,j] are zero'
    """
    return agreeing(template, about).format(*(listed(text, language) for text in about))


def listed(text: str, language: str) -> str:
    parts = things(text)
    return "".join(itertools.chain(*zip(parts, [*between(len(parts), language), ""], strict=True)))


def filled(template: str, about: Sequence[str], setter: Setter) -> Inline:
    """The same with formulas as boxes; what is no formula stays words."""
    found = (p for x in HOLES.split(agreeing(template, about)) for p in _part(x, about, setter))
    return tuple(p for p in found if p != "")


def _part(part: str, about: Sequence[str], setter: Setter) -> Inline:
    if part in KNOWN:
        return (KNOWN[part],)
    bare = Setter({}, setter.notation, {})  # a law's letters are its own
    if part == "{0}'(a) = {1}":
        return (derived_function(about[0], about[1], bare),)
    if part == "{1} = {2}":
        return (row(field(about[1], bare), Sign("="), field(about[2], bare)),)
    if not HOLES.fullmatch(part):
        return (part,)
    boxes = [field(text, setter) for text in things(about[int(part[1:-1])])]
    parts = [b.text if isinstance(b, Words) else b for b in boxes]
    return tuple(itertools.chain(*zip(parts, [*between(len(parts), setter.notation.language), ""], strict=True)))
