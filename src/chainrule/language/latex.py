"""Formulas as LaTeX that KaTeX (strict) and matplotlib's mathtext read alike: no environment, no command that only one of them knows."""

from __future__ import annotations

from .formula import Setter
from .functions import FUNCTIONS
from .layout import SIGNS, Box, Cases, Fence, Frac, Limits, Name, Number, Root, Row, Scripts, Sign, Words
from .letters import spelled
from .notation import USUAL, Notation
from .show import Axes
from .tree import Expr, Line

COMMANDS = frozenset(f.latex[1:] for f in FUNCTIONS.values() if f.latex[1:].isalpha()) - {"sqrt"}  # which covers what it is the root of
LARGE = {"sum": r"\sum", "prod": r"\prod", "max": r"\max", "min": r"\min", "mean": r"\operatorname{mean}", "argmax": r"\operatorname{arg\,max}"}
OPENS = {"(": "(", "[": "[", "|": "|", "⌊": r"\lfloor ", "⌈": r"\lceil "}
CLOSES = {"(": ")", "[": "]", "|": "|", "⌊": r" \right\rfloor", "⌈": r" \right\rceil"}


def latex(box: Box) -> str:
    """The LaTeX of boxes."""
    match box:
        case Name(text, function=True):
            return f"\\{text}" if text in COMMANDS else rf"\operatorname{{{text}}}"
        case Name(text, upright, _, bold):
            return spelled(text, upright, bold)
        case Number(text):
            return text
        case Sign(text, tight):
            found = SIGNS[text][0]
            return found.strip() if tight and found != " " else found
        case Words(text):
            return rf"\text{{{text}}}"
        case Row(parts):
            return spaced(parts)
        case Frac(above, below):
            return rf"\frac{{{latex(above)}}}{{{latex(below)}}}"
        case Scripts(Sign() as sign, sub, None) if sub:
            return f"{latex(sign).rstrip()}_{{{latex(sub)}}} "
        case Scripts(base, sub, sup):
            return latex(base) + (f"^{{{latex(sup)}}}" if sup else "") + (f"_{{{latex(sub)}}}" if sub else "")
        case Limits(sign, below, above):
            return LARGE[sign] + (f"_{{{latex(below)}}}" if below else "") + (f"^{{{latex(above)}}}" if above else "")
        case Fence("(", Number(text)):
            return f"({text})"
        case Fence(opens, body):
            closes = CLOSES[opens]
            return rf"\left{OPENS[opens]}{latex(body)}" + (closes if len(closes) > 1 else rf"\right{closes}")
        case Root(body):
            return rf"\sqrt{{{latex(body)}}}"
        case Cases(rows, True):
            return r"\begin{cases}" + r" \\ ".join(rf"{latex(value)} & {latex(test)}" for value, test in rows) + r"\end{cases}"
        case Cases(rows):
            return r"\left\{\substack{" + r" \\ ".join(rf"{latex(value)} \quad {latex(test)}" for value, test in rows) + r"}\right."


def spaced(parts: tuple[Box, ...]) -> str:
    r"""Boxes side by side. A command of letters does not grow into the letter behind it: \alpha x, not \alphax."""
    texts = [latex(part) for part in parts]
    for k, part in enumerate(parts[1:]):
        if texts[k][-1:].isalpha() and "\\" in texts[k] and isinstance(part, (Name, Scripts)):
            texts[k] += " "
    return "".join(texts)


def latex_expression(e: Expr, axes: Axes) -> str:
    """The LaTeX of an expression."""
    return latex(Setter(axes).box(e))


def latex_name(text: str) -> str:
    """The LaTeX of a tensor's name."""
    return latex(Setter({}).read(text))


def bracketed(text: str) -> str:
    return rf"\left({text}\right)"


def latex_line(line: Line, axes: Axes, notation: Notation = USUAL) -> str:
    """A line in LaTeX.

    >>> from .ranges import define
    >>> d = define("f(x[n,K], w[O,K]) -> y[n,O]\\n y[n,o] = sum[k](w[o,k] * x[n,k])")
    >>> print(latex_line(d.lines[0], d.axes))
    y_{n,o} = \\sum_{k} w_{o,k} \\, x_{n,k}
    """
    return latex(Setter(axes, notation).line(line))
