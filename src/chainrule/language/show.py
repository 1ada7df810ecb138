"""Formulas as text that parses back to the same formula, and as LaTeX."""

from __future__ import annotations

import math
from collections.abc import Mapping

from .functions import DERIVATIVE, FUNCTIONS, OPERATORS, Kind
from .index import Poly, Quotient, related
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


def _poly_binds(p: Poly) -> int:
    if len(p.terms) > 1:
        return BINDS["+"]
    if p.letter or p.constant is not None:
        return ATOM if p.constant is None or p.constant >= 0 else BINDS["neg"]
    ((m, c),) = p.terms.items()
    return BINDS["neg"] if c == -1 and len(m) == 1 else BINDS["*"]


def expression(e: Expr, axes: Axes, needed: int = 0) -> str:
    """The text of an expression; `needed` is how tightly the place around it binds."""
    text, binds = _expression(e, axes)
    return f"({text})" if binds < needed else text


def _expression(e: Expr, axes: Axes) -> tuple[str, int]:
    match e:
        case Const(value):
            text = "pi" if abs(value) == math.pi else repr(abs(value))
            return (text, ATOM) if value >= 0 else (f"-{text}", BINDS["neg"])
        case Index(expr):
            return str(expr), _poly_binds(expr)
        case Read(tensor, index):
            return (f"{tensor}[{_indices(index)}]" if index else tensor), ATOM
        case Reduce(kind, letters, ranges, body):
            found = alone(body, axes)
            names = ",".join(x if r == UNKNOWN or _said(x, r, found) else f"{x}:{r}" for x, r in zip(letters, ranges, strict=True))
            head = f"{kind}[{names}]" if letters else kind
            return f"{head}({expression(body, axes)})", ATOM
        case Call(fn, args) if fn in FUNCTIONS:
            return f"{fn}({', '.join(expression(a, axes) for a in args)})", ATOM
        case Call("diff", (a, b)):
            return f"{DERIVATIVE}({expression(a, axes)}, {expression(b, axes)})", ATOM
        case Call("neg", (a,)):
            return f"-{expression(a, axes, BINDS['neg'])}", BINDS["neg"]
        case Call(fn, (a, b)):
            binds = BINDS[fn]
            left = binds + (fn in ("**",) or binds == 1)
            right = binds + (fn != "**")
            bracket = _bracket(e, axes)
            if bracket:
                return bracket, ATOM
            gap = " " if binds <= 3 else ""
            return f"{expression(a, axes, left)}{gap}{fn}{gap}{expression(b, axes, right)}", binds
    raise TypeError(e)


def _bracket(e: Call, axes: Axes) -> str | None:
    """(a <= x) * (x < b) is shown as (a <= x < b)."""
    if e.fn == "*" and all(isinstance(a, Call) and a.fn in ("<", "<=") for a in e.args):
        a, b = e.args
        assert isinstance(a, Call) and isinstance(b, Call)
        if a.args[1] == b.args[0]:
            parts = (expression(a.args[0], axes, 2), a.fn, expression(b.args[0], axes, 2), b.fn, expression(b.args[1], axes, 2))
            return f"({' '.join(parts)})"
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


def _said(letter: str, size: Poly, found: set[tuple[str, Poly]]) -> bool:
    """Whether the axes on which a letter stands alone give its range, and no other."""
    return {s for x, s in found if x == letter} == {size}


def line_text(line: Line, axes: Axes, declared: bool = True) -> str:
    """One line; `declared` says that the header gives the axes of its tensor."""
    found = alone(line.expr, axes)
    ranges = dict(zip(line.letters, line.ranges, strict=True))

    def shown(p: Poly, axis: Poly) -> str:
        if p.letter is None:
            return str(p) if declared else f"{p}:{axis}"
        size = ranges[p.letter]
        sizes = {s for x, s in found if x == p.letter}
        plain = all(s == size or related(s, size) for s in sizes) if declared else sizes == {size}
        return p.letter if plain else f"{p.letter}:{size}"

    gap = "," if line.target is None else ", "
    left = f"{line.tensor}[{gap.join(map(shown, line.index, line.axes))}]" if line.index else line.tensor
    return f"{left} = {expression(without_blocks(line, axes), axes)}"


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


# LaTeX ------------------------------------------------------------------------------------------------------------

SIGNS = {
    Kind.SUM: r"\sum",
    Kind.PROD: r"\prod",
    Kind.MAX: r"\max",
    Kind.MIN: r"\min",
    Kind.MEAN: r"\operatorname{mean}",
    Kind.ARGMAX: r"\operatorname{arg\,max}",
}


NAMED = {math.pi: r"\pi", math.inf: r"\infty"}


def bracketed(text: str) -> str:
    return rf"\left({text}\right)"


def latex_poly(p: Poly, needed: int = 0) -> str:
    if not p.terms:
        return "0"
    text = ""
    for m, c in p.terms.items():
        sign = "-" if c < 0 else "+" if text else ""
        factors = ([str(abs(c))] if abs(c) != 1 or not m else []) + [_latex_atom(a) for a in m]
        text += sign + r"\,".join(factors)
    return bracketed(text) if needed > 2 and (len(p.terms) > 1 or text.startswith("-")) else text


def _latex_atom(a: str | Quotient) -> str:
    if isinstance(a, str):
        stem = a.rstrip("0123456789")
        shown = stem if len(stem) == 1 else rf"\mathrm{{{stem}}}".replace("_", r"\_")
        return f"{shown}_{{{a[len(stem) :]}}}" if stem != a else shown
    if a.remainder:
        return bracketed(rf"{latex_poly(a.num, 3)} \bmod {latex_poly(a.den, 3)}")
    return rf"\left\lfloor \frac{{{latex_poly(a.num)}}}{{{latex_poly(a.den)}}} \right\rfloor"


def latex_name(name: str) -> str:
    stem = name.rstrip("0123456789")
    tail = name[len(stem) :]
    shown = stem if len(stem) == 1 else rf"\mathrm{{{stem}}}".replace("_", r"\_")
    return f"{shown}^{{({tail})}}" if tail else shown


def latex_number(value: int | float) -> tuple[str, int]:
    if abs(value) in NAMED:
        return ("-" if value < 0 else "") + NAMED[abs(value)], ATOM if value > 0 else BINDS["neg"]
    digits, _, power = repr(abs(value)).partition("e")
    if not power:
        return str(value), ATOM if value >= 0 else BINDS["neg"]
    sign = "-" if value < 0 else ""
    power = f"10^{{{int(power)}}}"
    text, binds = (power, BINDS["**"]) if digits == "1" else (rf"{digits} \cdot {power}", BINDS["*"])
    return sign + text, BINDS["neg"] if sign else binds


def latex(e: Expr, axes: Axes, needed: int = 0) -> str:
    """The LaTeX of an expression."""
    text, binds = _latex(e, axes)
    return bracketed(text) if binds < needed else text


def _latex(e: Expr, axes: Axes) -> tuple[str, int]:
    match e:
        case Const(value):
            return latex_number(value)
        case Index(expr):
            return latex_poly(expr), _poly_binds(expr)
        case Read(tensor, index):
            return latex_name(tensor) + (f"_{{{','.join(latex_poly(p) for p in index)}}}" if index else ""), ATOM
        case Reduce():
            return _latex_reduction(e, axes), BINDS["*"]
        case Call("/", (a, b)):
            return rf"\frac{{{latex(a, axes)}}}{{{latex(b, axes)}}}", BINDS["**"]
        case Call("**", (a, b)):
            base = latex(a, axes, ATOM)
            # Two superscripts on one name are none, and behind a function's bracket one belongs to nobody.
            named = isinstance(a, Call) and a.fn in FUNCTIONS and base.startswith(FUNCTIONS[a.fn].latex + r"\left(")
            twice = named or (isinstance(a, Read) and "^" in base)
            return f"{bracketed(base) if twice else base}^{{{latex(b, axes)}}}", BINDS["**"]
        case Call("neg", (a,)):
            return f"-{latex(a, axes, BINDS['neg'] + 1 if _negative(a) else BINDS['*'])}", BINDS["neg"]
        case Call(fn, args) if fn in FUNCTIONS:
            return _latex_function(fn, [latex(a, axes) for a in args])
        case Call(fn, (a, b)) if BINDS[fn] == 1:
            return rf"\left[{latex(a, axes)} {OPERATORS[fn].latex} {latex(b, axes)}\right]", ATOM
        case Call(fn, (a, b)):
            binds = BINDS[fn]
            right = latex(b, axes, binds + 1)
            # A sum in the middle of a product swallows what follows; brackets end it. A minus does not follow a sign.
            left = bracketed(latex(a, axes)) if fn == "*" and _open(a) else latex(a, axes, binds)
            sign = r"\cdot" if fn == "*" and right[0].isdigit() else OPERATORS[fn].latex  # 2 beside 3 is no 23
            return f"{left} {sign} {bracketed(right) if right.startswith('-') else right}", binds
    raise TypeError(e)


def _negative(e: Expr) -> bool:
    return (isinstance(e, Call) and e.fn == "neg") or (isinstance(e, Const) and e.value < 0)


def _open(e: Expr) -> bool:
    """Whether the text of e ends with the body of a reduction."""
    return isinstance(e, Reduce) or (isinstance(e, Call) and e.fn == "neg" and _open(e.args[0]))


def _latex_function(fn: str, args: list[str]) -> tuple[str, int]:
    if fn == "sqrt":
        return rf"\sqrt{{{args[0]}}}", ATOM
    if fn == "abs":
        return rf"\left|{args[0]}\right|", ATOM
    if fn in ("floor", "ceil"):
        return rf"\left\l{fn} {args[0]} \right\r{fn}", ATOM
    if fn == "exp":
        return rf"\mathrm{{e}}^{{{args[0]}}}", BINDS["**"]  # upright: a tensor may be called e
    if fn == "delta":
        return rf"\delta_{{{','.join(args)}}}", ATOM
    return FUNCTIONS[fn].latex + bracketed(", ".join(args)), ATOM


def _latex_reduction(e: Reduce, axes: Axes) -> str:
    """A letter below the sign stands with its range where no axis says it, as the taps of a window do."""
    found = alone(e.body, axes)
    names = [_latex_atom(x) if _said(x, r, found) else rf"0 \le {_latex_atom(x)} < {latex_poly(r)}" for x, r in zip(e.letters, e.ranges, strict=True)]
    below = (r",\; " if any("<" in x for x in names) else ",").join(names)
    place = r"\limits" if e.kind in (Kind.SUM, Kind.PROD, Kind.MAX, Kind.MIN) else ""
    body = latex(e.body, axes, BINDS["*"])
    return f"{SIGNS[e.kind]}{f'{place}_{{{below}}}' if names else ''} {bracketed(body) if body.startswith('-') else body}"


def latex_line(line: Line, axes: Axes) -> str:
    left = latex(line.read, axes)
    return f"{left} = {latex(line.expr, axes)}"
