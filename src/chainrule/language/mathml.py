"""Formulas as presentation MathML, which browsers set by themselves: no script, no fonts to fetch."""

from __future__ import annotations

from dataclasses import replace
from html import escape

from .formula import Setter
from .layout import CLOSES, SIGNS, Box, Cases, Fence, Frac, Limits, Name, Number, Root, Row, Scripts, Sign, Words
from .notation import USUAL, Notation
from .show import Axes
from .tree import Line

LARGE = {"sum": "∑", "prod": "∏"}
WORDS = {"argmax": "arg max"}
APPLIED = "\u2061"  # a function to what follows
NAMESPACE = "http://www.w3.org/1998/Math/MathML"


def element(tag: str, *inner: str, **attributes: str) -> str:
    given = "".join(f' {k}="{escape(v)}"' for k, v in attributes.items())
    return f"<{tag}{given}>{''.join(inner)}</{tag}>"


def mathml(box: Box) -> str:
    """The elements of boxes."""
    match box:
        case Name(text, bold=True):
            return element("mi", escape(text), style="font-weight:bold;font-style:normal")
        case Name(text, upright, function):
            shown = element("mi", escape(text), **({"mathvariant": "normal"} if upright and len(text) == 1 else {}))
            return shown + element("mo", APPLIED) if function else shown
        case Number(text):
            return element("mn", text)
        case Sign(text, tight):
            return sign(text, tight)
        case Words(text):
            return element("mtext", escape(text))
        case Row(parts):
            return element("mrow", *map(mathml, parts))
        case Frac(above, below):
            return element("mfrac", mathml(above), mathml(below))
        case Scripts(Name(function=True) as base, sub, sup):  # what it is applied to follows the signs at its corners
            return mathml(Scripts(replace(base, function=False), sub, sup)) + element("mo", APPLIED)
        case Scripts(base, None, sup) if sup:
            return element("msup", mathml(base), mathml(sup))
        case Scripts(base, sub, None) if sub:
            return element("msub", mathml(base), mathml(sub))
        case Scripts(base, sub, sup) if sub and sup:
            return element("msubsup", mathml(base), mathml(sub), mathml(sup))
        case Limits(word, below, above):
            shown = element("mo", LARGE[word], movablelimits="false") if word in LARGE else element("mi", WORDS.get(word, word))
            if below and above:
                return element("munderover", shown, mathml(below), mathml(above))
            return element("munder", shown, mathml(below)) if below else shown
        case Fence(opens, body):
            return element("mrow", fence(opens), mathml(body), fence(CLOSES[opens]))
        case Root(body):
            return element("msqrt", mathml(body))
        case Cases(rows):
            return element("mrow", fence("{"), element("mtable", *(element("mtr", *(element("mtd", mathml(b)) for b in r)) for r in rows)))
    raise TypeError(box)


def sign(text: str, tight: bool) -> str:
    shown = SIGNS[text][1]
    if not shown:
        return ""
    if text == "·":
        return element("mo", shown) + element("mspace", width="0.08em" if tight else "0.17em")
    if text == " ":
        return element("mspace", width="0.17em")
    if text == "~":
        return element("mtext", shown)
    if text == "quad":
        return element("mo", shown) + element("mspace", width="1em")
    return element("mo", escape(shown), **({"lspace": "0", "rspace": "0"} if tight or text == "∂" else {}))


def fence(text: str) -> str:
    return element("mo", text, stretchy="true")


def document(box: Box, display: bool = True) -> str:
    """A whole <math> element."""
    return element("math", mathml(box), xmlns=NAMESPACE, display="block" if display else "inline")


def mathml_line(line: Line, axes: Axes, notation: Notation = USUAL) -> str:
    """A line as a <math> element.

    >>> from .ranges import define
    >>> d = define("f(x) -> y\\n y = -x")
    >>> print(mathml_line(d.lines[0], d.axes).partition('>')[2])
    <mrow><mi>y</mi><mo>=</mo><mo lspace="0" rspace="0">−</mo><mi>x</mi></mrow></math>
    """
    return document(Setter(axes, notation).line(line))
