"""A small evaluator of spreadsheets: what their formulas come to, from the numbers that stand in other cells. For tests of worksheets."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import openpyxl

TOKEN = re.compile(r"\s*(?:(\d+\.?\d*(?:E[+-]?\d+)?)|([A-Z]+\d+)\b(?!\()|([A-Z.]+)\(|(<>|<=|>=|[-+*/<>=(),]))")


def _int(a: float) -> float:
    return float(math.floor(a))


FUNCTIONS: Mapping[str, Callable[..., float]] = {
    "EXP": math.exp, "LN": math.log, "SQRT": math.sqrt, "ABS": abs, "SIGN": lambda a: (a > 0) - (a < 0), "SIN": math.sin, "COS": math.cos,
    "TAN": math.tan, "ASIN": math.asin, "ACOS": math.acos, "ATAN": math.atan, "SINH": math.sinh, "COSH": math.cosh, "TANH": math.tanh,
    "INT": _int, "ERF": math.erf, "MAX": max, "MIN": min, "POWER": pow, "MOD": lambda a, b: a - b * math.floor(a / b),
    "AND": lambda *a: float(all(a)),
}  # fmt: skip


class Sheet:
    """The first sheet of a workbook. Numbers may be changed; formulas are computed when they are asked for."""

    def __init__(self, path: Path):
        self.cells = {c.coordinate: c.value for row in openpyxl.load_workbook(path).worksheets[0].iter_rows() for c in row if c.value is not None}
        self.kept = {c.coordinate: c.value for row in openpyxl.load_workbook(path, data_only=True).worksheets[0].iter_rows() for c in row}
        self.found: dict[str, float] = {}

    def change(self, cell: str, value: float) -> None:
        self.cells[cell] = value
        self.found.clear()

    @property
    def formulas(self) -> list[str]:
        return [k for k, v in self.cells.items() if isinstance(v, str) and v.startswith("=")]

    def value(self, cell: str) -> float:
        if cell not in self.found:
            content = self.cells.get(cell, 0)
            self.found[cell] = _Formula(self, content[1:]).whole() if isinstance(content, str) and content.startswith("=") else float(content)
        return self.found[cell]


class _Formula:
    """A formula read from left to right: comparison, sum, product, sign, atom. Branches of IF that are not taken are read all the same."""

    def __init__(self, sheet: Sheet, text: str):
        self.sheet, self.tokens = sheet, []
        at = 0
        while at < len(text):
            m = TOKEN.match(text, at)
            assert m, f"{text[at:]!r} in {text!r}"
            self.tokens.append(next((kind, x) for kind, x in zip("ncfs", m.groups(), strict=True) if x is not None))
            at = m.end()

    def whole(self) -> float:
        value = self.compared()
        assert not self.tokens, self.tokens
        return value

    def sign(self, *accepted: str) -> str | None:
        if self.tokens and self.tokens[0][0] == "s" and self.tokens[0][1] in accepted:
            return self.tokens.pop(0)[1]
        return None

    def compared(self) -> float:
        a = self.added()
        sign = self.sign("=", "<>", "<", "<=", ">", ">=")
        if sign is None:
            return a
        b = self.added()
        return float({"=": a == b, "<>": a != b, "<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[sign])

    def added(self) -> float:
        value = self.multiplied()
        while sign := self.sign("+", "-"):
            value += self.multiplied() if sign == "+" else -self.multiplied()
        return value

    def multiplied(self) -> float:
        value = self.signed()
        while sign := self.sign("*", "/"):
            other = self.signed()
            value = value * other if sign == "*" else value / other if other else math.nan
        return value

    def signed(self) -> float:
        return -self.signed() if self.sign("-") else self.atom()

    def atom(self) -> float:
        kind, text = self.tokens.pop(0)
        if kind == "n":
            return float(text)
        if kind == "c":
            return self.sheet.value(text)
        if kind == "f":
            args = [self.compared()]
            while self.sign(","):
                args.append(self.compared())
            assert self.sign(")"), text
            return self.called(text, args)
        assert text == "(", text
        value = self.compared()
        assert self.sign(")")
        return value

    @staticmethod
    def called(name: str, args: list[float]) -> float:
        if name == "IF":
            test, yes, no = args
            return yes if test else no
        try:
            return float(FUNCTIONS[name](*args))
        except (ValueError, OverflowError, ZeroDivisionError):
            return math.nan  # an error in a branch that is not taken
