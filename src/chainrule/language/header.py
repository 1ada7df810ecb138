"""The header of a definition cut into its parts, each with its place: `name(inputs; settings) -> outputs`."""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass

from .functions import CONSTANTS, WHOLE
from .source import Piece, complain, split_top

OPERATIONS: dict[type, Callable[[int | float, int | float], int | float]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv, ast.FloorDiv: operator.floordiv, ast.Pow: operator.pow,
}  # fmt: skip
FORM = "'name(inputs; settings) -> outputs'"


@dataclass(frozen=True)
class Part:
    """A part of a piece of text: how far behind its beginning it stands."""

    text: str
    shift: int


@dataclass(frozen=True)
class Input:
    """An input as written. whole: None, or what stands behind ': int <' (an empty part for ': int' alone); default: where it may be left out."""

    tensor: Part
    whole: Part | None
    default: int | float | None


@dataclass(frozen=True)
class Setting:
    """A setting; family: `*s=1`, which may differ from axis to axis."""

    name: str
    value: int | float
    family: bool


@dataclass(frozen=True)
class Header:
    """What the first line says, before anything in it is understood."""

    name: str
    inputs: tuple[Input, ...]
    settings: tuple[Setting, ...]
    outputs: Part


def header(source: str, piece: Piece) -> Header:
    """Cut the first line."""
    head, arrow, tail = piece.text.partition("->")
    match = re.match(r"\s*([A-Za-z_]\w*)\s*\(", head)
    if not arrow or not match or not head.rstrip().endswith(")"):
        complain(source, piece.line, piece.column, "the first line is not a header", FORM)
    inside = head[match.end() : head.rstrip().rfind(")")]
    parts = split_top(inside, ";")
    if len(parts) > 2:
        complain(source, piece.line, piece.column + match.end() + parts[2][1] - 1, "a second ';' in the header", FORM)
    settings = _settings(source, piece, Part(parts[1][0], match.end() + parts[1][1])) if len(parts) == 2 else ()
    text, shift = parts[0][0], match.end()
    inputs = tuple(_input(source, piece, Part(part, shift + at)) for part, at in split_top(text, ",")) if text.strip() else ()
    return Header(match[1], inputs, settings, Part(tail, len(head) + 2))


def _input(source: str, piece: Piece, part: Part) -> Input:
    text, default, whole = part.text, None, None
    named = split_top(text, "=")
    if len(named) > 1:
        default = number(named[1][0], infinite=True)
        if default is None or len(named) > 2:
            at = part.shift + named[1][1]
            complain(source, piece.line, piece.column + at, f"{named[1][0].strip()!r} is not what an input left out stands for", "'b[O]=0': a number")
        text = named[0][0]
    said = split_top(text, ":")
    if len(said) > 1:
        kind, start = said[1]
        form = re.fullmatch(rf"\s*{WHOLE}\s*(<(.+))?\s*", kind, re.DOTALL)
        if form is None or len(said) > 2 or not re.match(r"\w", said[0][0].strip()):
            at = part.shift + start - 1
            complain(source, piece.line, piece.column + at, f"':{kind}' says nothing about an input", "': int' (whole numbers), or ': int < K'")
        whole = Part(form[2] or "", part.shift + start + form.start(2) if form[2] else 0)
        text = said[0][0]
    return Input(Part(text, part.shift), whole, default)


def _settings(source: str, piece: Piece, part: Part) -> tuple[Setting, ...]:
    found: dict[str, Setting] = {}
    for text, at in split_top(part.text, ","):
        name, eq, value = text.partition("=")
        where = piece.column + part.shift + at + len(text) - len(text.lstrip())
        plain, family = name.strip().removeprefix("*").strip(), name.strip().startswith("*")
        given = number(value) if eq else None
        if given is None or not plain.isidentifier():
            complain(source, piece.line, where, f"{text.strip()!r} is not a setting", "name=number, as in 's=1'")
        if plain in found or plain == "n":
            complain(source, piece.line, where, f"{plain!r} is taken", "a new name for each setting")
        found[plain] = Setting(plain, given, family)
    return tuple(found.values())


def number(text: str, infinite: bool = False) -> int | float | None:
    """A number as written, or as arithmetic of numbers and pi, one that the language can compute with; else None. infinite: 'inf' is one."""
    try:
        value = _number(ast.parse(text.strip(), mode="eval").body)
    except (ValueError, SyntaxError, MemoryError, RecursionError, ArithmeticError):
        return None
    if isinstance(value, complex) or value != value:
        return None
    return value if abs(value) < (1 << 62 if isinstance(value, int) else math.inf) or (infinite and isinstance(value, float)) else None


def _number(node: ast.expr) -> int | float:
    match node:
        case ast.Constant(value=(int() | float()) as value) if not isinstance(value, bool):
            return value
        case ast.Name(id="pi" | "inf"):
            return CONSTANTS[node.id]
        case ast.UnaryOp(op=ast.USub() | ast.UAdd()):
            return -_number(node.operand) if isinstance(node.op, ast.USub) else _number(node.operand)
        case ast.BinOp(op=ast.Add() | ast.Sub() | ast.Mult() | ast.Div() | ast.FloorDiv() | ast.Pow()):
            a, b = _number(node.left), _number(node.right)
            if isinstance(node.op, ast.Pow) and abs(b) > 1024:
                raise OverflowError
            return OPERATIONS[type(node.op)](a, b)
    raise ValueError
