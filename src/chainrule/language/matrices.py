"""Matrix products of whole tensors, y = x @ w + b, as the definition in letters that they mean: rows are samples, columns features."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence

COLUMN, INNER = "o", "klmpqr"  # letters of the result's columns, and of what is summed over


def multiplied(rows: Sequence[str]) -> str | None:
    """The definition that one line of matrix products means; None where it is none, or no axes make sense of it."""
    if len(rows) != 1 or "[" in rows[0] or "@" not in rows[0] or not re.match(r"[^\W\d]\w*\s*=(?!=)", rows[0].strip()):
        return None
    tree = ast.parse(rows[0].strip()).body
    match tree:
        case [ast.Assign(targets=[ast.Name(id=output)], value=right)] if any(_is_product(e) for e in ast.walk(right)):
            pass
        case _:
            return None
    found = _Axes()
    text = found.built(right, "n", COLUMN)
    if text is None:
        return None
    inputs = ", ".join(f"{name}[{','.join('n' if x == 'n' else x.upper() for x in letters)}]" for name, letters in found.of.items())
    return f"f({inputs}) -> {output}[n,{COLUMN.upper()}]\n    {output}[n,{COLUMN}] = {text}"


def _is_product(e: ast.AST) -> bool:
    return isinstance(e, ast.BinOp) and isinstance(e.op, ast.MatMult)


class _Axes:
    """The letters at which each name is read, as they are met."""

    def __init__(self) -> None:
        self.of: dict[str, tuple[str, ...]] = {}
        self.free = iter(INNER)

    def built(self, e: ast.expr, row: str, column: str, beside: bool = False) -> str | None:
        """The text of a place of e; None where names have other axes elsewhere, or e is more than arithmetic.

        beside: it stands beside a product, where a name is a row that is the same for all samples.
        """
        match e:
            case ast.Name(id=name):
                letters = (column,) if beside else (row, column)
                return f"{name}[{','.join(letters)}]" if self.of.setdefault(name, letters) == letters else None
            case ast.Attribute(value=ast.Name(id=name), attr="T"):
                return f"{name}[{column},{row}]" if self.of.setdefault(name, (column, row)) == (column, row) else None
            case ast.Constant(value=int() | float()):
                return ast.unparse(e)
            case ast.BinOp() if _is_product(e):
                letter = next(self.free, None)
                if letter is None:
                    return None
                sides = self.built(e.left, row, letter), self.built(e.right, letter, column)
                if None in sides:
                    return None
                return f"sum[{letter}]({_closed(sides[0] or '', e.left)} * {_closed(sides[1] or '', e.right)})"
            case ast.BinOp(left=left, op=op, right=right):
                products = [any(_is_product(x) for x in ast.walk(side)) for side in (left, right)]
                both = self.built(left, row, column, beside or products[1]), self.built(right, row, column, beside or products[0])
                if None in both:
                    return None
                shape = ast.BinOp(ast.Name("a_"), op, ast.Name("b_"))
                return ast.unparse(shape).replace("a_", _closed(both[0] or "", left)).replace("b_", _closed(both[1] or "", right))
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                inner = self.built(operand, row, column, beside)
                return None if inner is None else f"-{_closed(inner, operand)}"
            case ast.Call(func=ast.Name(id=name), args=args, keywords=[]):
                inside = [self.built(a, row, column, beside) for a in args]
                return None if None in inside else f"{name}({', '.join(map(str, inside))})"
        return None


def _closed(text: str, e: ast.expr) -> str:
    """In brackets, where it is a sum or a difference."""
    return f"({text})" if isinstance(e, (ast.BinOp, ast.UnaryOp)) and not _is_product(e) else text
