"""Formulas as text that parses back to the same formula."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from .functions import DERIVATIVE, FUNCTIONS, Kind
from .index import Poly, related
from .lookups import element
from .raw import UNKNOWN
from .single import in_blocks
from .tree import Call, Const, Definition, Expr, Index, Line, Read, Reduce, Tensor

Axes = Mapping[str, tuple[Poly, ...]]

# How tightly an operator binds; a child that binds less gets brackets.
BINDS = {"==": 1, "!=": 1, "<": 1, "<=": 1, ">": 1, ">=": 1, "+": 2, "-": 2, "*": 3, "/": 3, "neg": 4, "**": 5}
ATOM = 9


def _indices(index: tuple[Poly, ...]) -> str:
    plain = all(p.letter is not None or p.constant is not None for p in index)
    return ("," if plain else ", ").join(map(str, index))


def poly_binds(p: Poly) -> int:
    if len(p.terms) > 1:
        return BINDS["+"]
    if p.letter or p.constant is not None:
        return ATOM if p.constant is None or p.constant >= 0 else BINDS["neg"]
    ((m, c),) = p.terms.items()
    return BINDS["neg"] if c == -1 and len(m) == 1 else BINDS["*"]


def expression(e: Expr, axes: Axes, needed: int = 0, base: int = 0) -> str:
    """The text of an expression; `needed` is how tightly the place around it binds. base: where its indices count from; sums say it if it is not 0."""
    return Writer(axes, base).text(e, needed)


@dataclass(frozen=True)
class Writer:
    """What writes expressions as text."""

    axes: Axes
    base: int = 0

    def text(self, e: Expr, needed: int = 0) -> str:
        text, binds = self.bound(e)
        return f"({text})" if binds < needed else text

    def bound(self, e: Expr) -> tuple[str, int]:
        """(text, how tightly it holds together)."""
        match e:
            case Const(value):
                text = "pi" if abs(value) == math.pi else repr(abs(value))
                return (text, ATOM) if value >= 0 else (f"-{text}", BINDS["neg"])
            case Index(expr):
                return str(expr), poly_binds(expr)
            case Read(tensor, index):
                return (f"{tensor}[{_indices(index)}]" if index else tensor), ATOM
            case Reduce():
                return self.element(e) or f"{self.head(e)}({self.text(e.body)})", ATOM
            case Call(fn, args) if fn in FUNCTIONS:
                return f"{fn}({', '.join(map(self.text, args))})", ATOM
            case Call("diff", (a, b)):
                return f"{DERIVATIVE}({self.text(a)}, {self.text(b)})", ATOM
            case Call("neg", (a,)):
                return f"-{self.text(a, BINDS['neg'])}", BINDS["neg"]
            case Call(fn, (a, b)):
                binds = BINDS[fn]
                left = binds + (fn in ("**",) or binds == 1)
                right = binds + (fn != "**")
                bracket = self.bracket(e)
                if bracket:
                    return bracket, ATOM
                gap = " " if binds <= 3 else ""
                return f"{self.text(a, left)}{gap}{fn}{gap}{self.text(b, right)}", binds
        raise TypeError(e)

    def head(self, e: Reduce) -> str:
        """A reduction and its letters, each with its range where no axis says it."""
        if not e.letters:
            return str(e.kind)
        found = alone(e.body, self.axes)
        pairs = zip(e.letters, e.ranges, strict=True)
        if self.base:
            names = [x if r == UNKNOWN else f"{x}={self.base}..{r}" for x, r in pairs]
        else:
            names = [x if r == UNKNOWN or said(x, r, found) else f"{x}:{r}" for x, r in pairs]
        return f"{e.kind}[{','.join(names)}]"

    def element(self, e: Reduce) -> str | None:
        """z[n,t[n]], where a sum says that."""
        found = element(e, self.axes, self.base)
        if found is None:
            return None
        read, places = found
        more = f"+{self.base}" if self.base else ""
        index = [self.text(places[str(p)]) + more if str(p) in places else str(p) for p in read.index]
        short = all(str(p) in places or p.letter is not None or p.constant is not None for p in read.index)
        return f"{read.tensor}[{(',' if short else ', ').join(index)}]"

    def bracket(self, e: Call) -> str | None:
        found = conjoined(e)
        if found is None:
            return None
        (a, one, x), (other, b) = found
        return f"({self.text(a, 2)} {one} {self.text(x, 2)} {other} {self.text(b, 2)})"


def conjoined(e: Expr) -> tuple[tuple[Expr, str, Expr], tuple[str, Expr]] | None:
    """The parts of (a <= x) * (x < b), which is shown as (a <= x < b)."""
    if isinstance(e, Call) and e.fn == "*" and all(isinstance(a, Call) and a.fn in ("<", "<=") for a in e.args):
        a, b = e.args
        assert isinstance(a, Call) and isinstance(b, Call)
        if a.args[1] == b.args[0]:
            return (a.args[0], a.fn, b.args[0]), (b.fn, b.args[1])
    return None


def alone(e: Expr, axes: Axes) -> set[tuple[str, Poly]]:
    """(letter, size) wherever a letter stands alone on an axis, not inside a reduction that binds it."""
    if isinstance(e, Read):
        return {(p.letter, s) for p, s in zip(e.index, axes[e.tensor], strict=True) if p.letter}
    if isinstance(e, Reduce):
        return {(x, s) for x, s in alone(e.body, axes) if x not in e.letters}
    if isinstance(e, Call):
        return set().union(*(alone(a, axes) for a in e.args))
    return set()


def said(letter: str, size: Poly, found: set[tuple[str, Poly]]) -> bool:
    """Whether the axes on which a letter stands alone give its range, and no other."""
    return {s for x, s in found if x == letter} == {size}


def line_text(line: Line, axes: Axes, declared: bool = True, base: int = 0) -> str:
    """One line; `declared` says that the header gives the axes of its tensor. base: where its indices count from."""
    found = alone(line.expr, axes)
    ranges = dict(zip(line.letters, line.ranges, strict=True))

    def shown(p: Poly, axis: Poly) -> str:
        if p.letter is None:
            return str(p) if declared else f"{p}:{axis}"
        size = ranges[p.letter]
        sizes = {s for x, s in found if x == p.letter}
        plain = all(s == size or related(s, size) for s in sizes) if declared else sizes == {size}
        return p.letter if plain else f"{p.letter}:{size}"

    gap = "," if all(p.letter or p.constant is not None for p in line.index) else ", "
    left = f"{line.tensor}[{gap.join(map(shown, line.index, line.axes))}]" if line.index else line.tensor
    return f"{left} = {expression(without_blocks(line, axes), axes, base=base)}"


def without_blocks(line: Line, axes: Axes) -> Expr:
    """The expression of a line as it is written: that a term read at a block of places is dropped where there is none goes without saying."""
    e = line.expr
    spans = dict(zip(line.letters, line.ranges, strict=True))
    return e.body if isinstance(e, Reduce) and e.kind is Kind.SUM and not e.letters and in_blocks(e.body, spans, axes) else e


def tensor_text(t: Tensor, sample: str) -> str:
    axes, limits = ([str(p.subs({sample: Poly.name("n")})) for p in sizes] for sizes in (t.axes, t.whole or ()))
    shown = f"{t.name}[{(',' if all(len(a) < 3 for a in axes) else ', ').join(axes)}]" if axes else t.name
    if t.whole is None:
        return shown
    below = f"minimum({', '.join(limits)})" if len(limits) > 1 else "".join(limits)
    return f"{shown}: int < {below}" if limits else f"{shown}: int"


def header_text(d: Definition) -> str:
    settings = "; " + ", ".join(f"{k}={v!r}" for k, v in d.settings) if d.settings else ""
    inputs = ", ".join(tensor_text(t, d.sample_size) for t in d.inputs)
    outputs = ", ".join(tensor_text(t, d.sample_size) for t in d.outputs)
    return f"{d.name}({inputs}{settings}) -> {outputs}"


def definition_text(d: Definition) -> str:
    """The whole definition; parsing it gives the same definition."""
    outputs = {t.name for t in d.outputs}
    rows = [header_text(d)] + ["    " + line_text(line, d.axes, line.tensor in outputs) for line in d.lines]
    return "\n".join(rows)
