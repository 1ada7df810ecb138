"""Written-out formulas in three dialects by one printer: text, LaTeX, and a spreadsheet's formulas."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from ..language.functions import COMPARISONS, FUNCTIONS
from ..language.latex import bracketed, latex_expression, latex_name
from ..language.tree import Call, Const, Expr, Read

Reading = Callable[[Read], Expr | str]
ATOM = 9
BINDS = {"sum": 2, "+": 2, "-": 2, "*": 3, "prod": 3, "/": 3, "neg": 4, "**": 5} | dict.fromkeys(COMPARISONS - {"delta"}, 1)


@dataclass(frozen=True)
class Dialect:
    """How a language writes. times: between factors; over: of two texts, a quotient that needs no brackets around its parts, or None where
    it is written with a sign; power: of base and exponent. call: of a function's name and its arguments. compared: of a comparison's sign
    and both sides. number: of a value; brackets: around a text."""

    times: str
    number: Callable[[object], str]
    call: Callable[[str, list[str]], str]
    compared: Callable[[str, str, str], str]
    over: Callable[[str, str], str] | None = None
    power: Callable[[str, str], str] = lambda a, b: f"{a}**{b}"
    brackets: Callable[[str], str] = lambda x: f"({x})"


def written(e: Expr, how: Dialect, read: Reading, needed: int = 0, first: bool = True) -> str:
    """A written-out formula. read: what stands for an element of a tensor, a text or a number; needed: how tightly the place around binds;
    first: whether nothing stands before it, so that a minus may."""
    text, binds = _written(e, how, read, first)
    return how.brackets(text) if binds < needed or (not first and text.startswith("-")) else text


def _written(e: Expr, how: Dialect, read: Reading, first: bool) -> tuple[str, int]:
    def part(a: Expr, needed: int = 0, first: bool = True) -> str:
        return written(a, how, read, needed, first)

    match e:
        case Read():
            found = read(e)
            return (found, ATOM) if isinstance(found, str) else _written(found, how, read, first)
        case Const(value):
            text = how.number(value)
            return text, BINDS["/"] if "/" in text else BINDS["neg"] if text.startswith("-") else ATOM
        case Call("sum" | "+" | "-", args):
            return _sum(e, part, first), BINDS["+"]
        case Call("*" | "prod", args):
            return how.times.join(part(a, 3 if k == 0 else 4, k == 0 and first) for k, a in enumerate(args)), BINDS["*"]
        case Call("neg", (a,)):
            return f"-{part(a, 3, False)}", BINDS["neg"]
        case Call("/", (a, b)):
            if how.over is not None:
                return how.over(part(a), part(b)), BINDS["**"]
            return f"{part(a, 3, first)} / {part(b, 4, False)}", BINDS["/"]
        case Call("**", (a, b)):
            return how.power(part(a, 6), part(b, 6)), BINDS["**"]
        case Call(fn, (a, b)) if fn in COMPARISONS and fn != "delta":
            return how.compared(fn, part(a, 2), part(b, 2)), ATOM
        case Call(fn, args):
            return how.call(fn, [part(a) for a in args]), ATOM
    raise TypeError(e)


def _sum(e: Call, part: Callable[..., str], first: bool) -> str:
    """Terms with their signs between them."""
    text = ""
    for k, a in enumerate(e.args):
        less = e.fn == "-" and k == 1
        if k and isinstance(a, Call) and a.fn == "neg":
            less, a = not less, a.args[0]
        text += (" - " if less else " + ") if k else ""
        text += part(a, 3 if less else 2, k == 0 and first)
    return text


def plain_number(value: object) -> str:
    """A whole number, a short fraction, or a decimal of five digits; of more where it would look like a whole number."""
    if isinstance(value, Fraction):
        if value.denominator == 1 or value.denominator <= 1000:
            return str(value)
        value = float(value)
    assert isinstance(value, (int, float))
    if isinstance(value, float) and math.isfinite(value) and value == int(value) and abs(value) < 1e6:
        value = int(value)
    if isinstance(value, int) or not math.isfinite(value) or abs(value) >= 1e5:
        return str(value) if isinstance(value, int) else f"{value:.5g}"
    return next(text for text in (f"{value:.{digits}g}" for digits in range(5, 18)) if float(text) % 1)


def is_pi(value: object) -> bool:
    return isinstance(value, float) and abs(value) == math.pi


def shown_exactly(value: object) -> bool:
    """Whether what is written for a number is the number, but for the rounding of its type."""
    text = plain_number(value)
    if is_pi(value):
        return True
    if isinstance(value, Fraction):
        return Fraction(text) == value
    assert isinstance(value, (int, float))
    return float(text) == value or value != value or abs(float(text) - value) <= 4 * math.ulp(value)


def candidates(args: list[str], sign: str) -> list[str]:
    """The terms of which one won, from number and term in turn: with their numbers where some are left out, since it is a number that wins."""
    numbers, terms = args[::2], args[1::2]
    return terms if numbers == [str(k) for k in range(len(terms))] else [f"{k}{sign}{t}" for k, t in zip(numbers, terms, strict=True)]


TEXT = Dialect(
    " * ",
    lambda value: re.sub(r"\d.*", "pi", plain_number(value)) if is_pi(value) else plain_number(value),
    lambda fn, args: f"{fn}({', '.join(candidates(args, ': ') if fn == 'argmax' else args)})",
    lambda sign, a, b: f"({a} {sign} {b})",
)

# LaTeX ------------------------------------------------------------------------------------------------------------------

LATEX_SIGNS = {"==": "=", "!=": r"\neq", "<": "<", "<=": r"\leq", ">": ">", ">=": r"\geq"}


def latex_number(value: object) -> str:
    text = plain_number(value)
    if is_pi(value):
        return text[: text.index("3")] + r"\pi"
    sign, size = ("-", text[1:]) if text.startswith("-") else ("", text)
    if "/" in size:
        a, b = size.split("/")
        return rf"{sign}\frac{{{a}}}{{{b}}}"
    digits, _, power = size.partition("e")
    shown = r"\infty" if digits == "inf" else r"\mathrm{nan}" if digits == "nan" else digits
    return sign + (rf"{shown} \cdot 10^{{{int(power)}}}" if power else shown)


def latex_call(fn: str, args: list[str]) -> str:
    if fn == "argmax":
        args = candidates(args, ": ")
    if fn == "exp":
        return rf"\mathrm{{e}}^{{{args[0]}}}"
    if fn == "sqrt":
        return rf"\sqrt{{{args[0]}}}"
    if fn == "abs":
        return rf"\left|{args[0]}\right|"
    if fn in ("floor", "ceil"):
        return rf"\left\l{fn} {args[0]} \right\r{fn}"
    known = {"max": r"\max", "min": r"\min", "argmax": r"\operatorname{arg\,max}"}
    name = known.get(fn) or FUNCTIONS[fn].latex
    return name + bracketed(", ".join(args))


def latex_read(r: Read) -> str:
    """An element of a tensor."""
    return latex_expression(r, {}) if r.index else latex_name(r.tensor)


LATEX = Dialect(
    r" \cdot ",
    latex_number,
    latex_call,
    lambda sign, a, b: rf"\left[{a} {LATEX_SIGNS[sign]} {b}\right]",
    lambda a, b: rf"\frac{{{a}}}{{{b}}}",
    lambda a, b: rf"{{{a}}}^{{{b}}}",
    bracketed,
)

# Spreadsheets ---------------------------------------------------------------------------------------------------------------

MOST = 9.99e307  # stands for infinity, of which spreadsheets know nothing
SHEET_SIGNS = {"==": "=", "!=": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
# What a spreadsheet calls the functions of the language, or how it says them; {0}, {1}, … are the arguments. Halves are rounded to the even number.
TABLE = """
exp EXP({0})
log LN({0})
sqrt SQRT({0})
abs ABS({0})
sign SIGN({0})
sin SIN({0})
cos COS({0})
tan TAN({0})
asin ASIN({0})
acos ACOS({0})
atan ATAN({0})
sinh SINH({0})
cosh COSH({0})
tanh TANH({0})
log1p LN(1+({0}))
expm1 (EXP({0})-1)
floor INT({0})
ceil (-INT(-({0})))
round (INT(({0})+0.5)-IF(AND(({0})+0.5=INT(({0})+0.5),MOD(INT(({0})+0.5),2)=1),1,0))
erf ERF({0})
softplus (MAX({0},0)+LN(1+EXP(-ABS({0}))))
sigmoid IF(({0})>=0,1/(1+EXP(-ABS({0}))),EXP(-ABS({0}))/(1+EXP(-ABS({0}))))
maximum MAX({0},{1})
minimum MIN({0},{1})
where IF(({0})<>0,{1},{2})
delta IF({0}={1},1,0)
"""
SHEET: Mapping[str, str] = dict(row.split(" ", 1) for row in TABLE.split("\n") if row)  # type: ignore[misc]  # two texts in each row


def sheet_number(value: object) -> str:
    v = float(value)  # type: ignore[arg-type]  # a number, as formulas hold them
    if not math.isfinite(v):
        return repr(MOST if v > 0 else -MOST).upper()
    return str(int(v)) if v == int(v) and abs(v) < 1e15 else repr(v).upper()


def sheet_call(fn: str, args: list[str]) -> str:
    if fn in ("max", "min"):
        return f"{fn.upper()}({','.join(args)})"
    if fn == "argmax":
        numbers, terms = args[::2], args[1::2]
        text = numbers[-1]
        for number, term in list(zip(numbers, terms, strict=True))[-2::-1]:
            text = f"IF({term}>=MAX({','.join(terms)}),{number},{text})"
        return text
    return SHEET[fn].format(*args)


SPREADSHEET = Dialect(
    "*",
    sheet_number,
    sheet_call,
    lambda sign, a, b: f"IF({a}{SHEET_SIGNS[sign]}{b},1,0)",
    power=lambda a, b: f"POWER({a},{b})",
)
