"""Formulas as text that parses back to the same formula, and as LaTeX."""

from __future__ import annotations

from .functions import FUNCTIONS, OPERATORS
from .index import Poly, Quotient
from .tree import Call, Const, Definition, Expr, Index, Line, Read, Reduce, Tensor, walk

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
    ((_m, c),) = p.terms.items()
    return BINDS["neg"] if c < 0 else BINDS["*"]


def expression(e: Expr, axes: dict[str, tuple[Poly, ...]], needed: int = 0) -> str:
    """The text of an expression; `needed` is how tightly the place around it binds."""
    text, binds = _expression(e, axes)
    return f"({text})" if binds < needed else text


def _expression(e: Expr, axes: dict[str, tuple[Poly, ...]]) -> tuple[str, int]:
    match e:
        case Const(value):
            return (repr(value), ATOM) if value >= 0 else (repr(value), BINDS["neg"])
        case Index(expr):
            return str(expr), _poly_binds(expr)
        case Read(tensor, index):
            return (f"{tensor}[{_indices(index)}]" if index else tensor), ATOM
        case Reduce(kind, letters, ranges, body):
            found = alone(body, axes)
            names = ",".join(x if (x, r) in found else f"{x}:{r}" for x, r in zip(letters, ranges, strict=True))
            head = f"{kind}[{names}]" if letters else kind
            return f"{head}({expression(body, axes)})", ATOM
        case Call(fn, args) if fn in FUNCTIONS:
            return f"{fn}({', '.join(expression(a, axes) for a in args)})", ATOM
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


def _bracket(e: Call, axes: dict[str, tuple[Poly, ...]]) -> str | None:
    """(a <= x) * (x < b) is shown as (a <= x < b)."""
    if e.fn == "*" and all(isinstance(a, Call) and a.fn in ("<", "<=") for a in e.args):
        a, b = e.args
        assert isinstance(a, Call) and isinstance(b, Call)
        if a.args[1] == b.args[0]:
            parts = (expression(a.args[0], axes, 2), a.fn, expression(b.args[0], axes, 2), b.fn, expression(b.args[1], axes, 2))
            return f"({' '.join(parts)})"
    return None


def alone(e: Expr, axes: dict[str, tuple[Poly, ...]]) -> set[tuple[str, Poly]]:
    """(letter, size) wherever a letter stands alone on an axis, not inside a reduction that binds it."""
    if isinstance(e, Read):
        return {(p.letter, s) for p, s in zip(e.index, axes[e.tensor], strict=True) if p.letter}
    if isinstance(e, Reduce):
        return {(x, s) for x, s in alone(e.body, axes) if x not in e.letters}
    if isinstance(e, Call):
        return set().union(*(alone(a, axes) for a in e.args))
    return set()


def line_text(line: Line, axes: dict[str, tuple[Poly, ...]], declared: bool = True) -> str:
    """One line; `declared` says that the header gives the axes of its tensor."""
    found = alone(line.expr, axes)
    letters = [x if declared or (x, r) in found else f"{x}:{r}" for x, r in zip(line.letters, line.ranges, strict=True)]
    left = f"{line.tensor}[{','.join(letters)}]" if letters else line.tensor
    return f"{left} = {expression(line.expr, axes)}"


def tensor_text(t: Tensor, sample: str) -> str:
    axes, limits = (["n" if p.letter == sample else str(p) for p in sizes] for sizes in (t.axes, t.whole or ()))
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


def latex_poly(p: Poly, needed: int = 0) -> str:
    if not p.terms:
        return "0"
    text = ""
    for m, c in p.terms.items():
        sign = "-" if c < 0 else "+" if text else ""
        factors = ([str(abs(c))] if abs(c) != 1 or not m else []) + [_latex_atom(a) for a in m]
        text += sign + r"\,".join(factors)
    return rf"\left({text}\right)" if len(p.terms) > 1 and needed > 2 else text


def _latex_atom(a: str | Quotient) -> str:
    if isinstance(a, str):
        return a if len(a) == 1 else rf"\mathrm{{{a}}}".replace("_", r"\_")
    if a.remainder:
        return rf"\left({latex_poly(a.num, 3)} \bmod {latex_poly(a.den, 3)}\right)"
    return rf"\left\lfloor \frac{{{latex_poly(a.num)}}}{{{latex_poly(a.den)}}} \right\rfloor"


def latex_name(name: str) -> str:
    stem = name.rstrip("0123456789")
    tail = name[len(stem) :]
    shown = stem if len(stem) == 1 else rf"\mathrm{{{stem}}}".replace("_", r"\_")
    return f"{shown}^{{({tail})}}" if tail else shown


def latex(e: Expr, needed: int = 0) -> str:
    """The LaTeX of an expression."""
    text, binds = _latex(e)
    return rf"\left({text}\right)" if binds < needed else text


def _latex(e: Expr) -> tuple[str, int]:
    match e:
        case Const(value):
            return str(value), (ATOM if value >= 0 else BINDS["neg"])
        case Index(expr):
            return latex_poly(expr), _poly_binds(expr)
        case Read(tensor, index):
            return latex_name(tensor) + (f"_{{{','.join(latex_poly(p) for p in index)}}}" if index else ""), ATOM
        case Reduce(kind, letters, _, body):
            assert isinstance(e, Reduce)
            sign = {"sum": r"\sum", "max": r"\max", "min": r"\min", "mean": r"\operatorname{mean}", "argmax": r"\operatorname{arg\,max}"}[kind]
            names = r",\;".join(_latex_range(x, r, e.body) for x, r in zip(letters, e.ranges, strict=True))
            under = rf"\limits_{{{names}}}" if kind in ("sum", "max", "min") else f"_{{{names}}}"
            return f"{sign}{under if letters else ''} {latex(body, BINDS['*'])}", BINDS["*"]
        case Call("sqrt", (a,)):
            return rf"\sqrt{{{latex(a)}}}", ATOM
        case Call("abs", (a,)):
            return rf"\left|{latex(a)}\right|", ATOM
        case Call("exp", (a,)):
            return rf"e^{{{latex(a)}}}", BINDS["**"]
        case Call("delta", args):
            return rf"\delta_{{{','.join(latex(a) for a in args)}}}", ATOM
        case Call(fn, args) if fn in FUNCTIONS:
            return rf"{FUNCTIONS[fn].latex}\left({', '.join(latex(a) for a in args)}\right)", ATOM
        case Call("neg", (a,)):
            return f"-{latex(a, BINDS['neg'])}", BINDS["neg"]
        case Call("/", (a, b)):
            return rf"\frac{{{latex(a)}}}{{{latex(b)}}}", ATOM
        case Call("**", (a, b)):
            base = latex(a, ATOM)
            twice = isinstance(a, Read) and "^" in base  # two superscripts on one name are none
            return rf"\left({base}\right)^{{{latex(b)}}}" if twice else f"{base}^{{{latex(b)}}}", BINDS["**"]
        case Call(fn, (a, b)) if BINDS[fn] == 1:
            return rf"\left[{latex(a)} {OPERATORS[fn].latex} {latex(b)}\right]", ATOM
        case Call(fn, (a, b)):
            binds = BINDS[fn]
            right = latex(b, binds + 1)
            # A sum in the middle of a product swallows what follows; brackets end it.
            left = rf"\left({latex(a)}\right)" if fn == "*" and isinstance(a, Reduce) else latex(a, binds)
            return f"{left} {OPERATORS[fn].latex} {right}", binds
    raise TypeError(e)


def _latex_range(letter: str, size: Poly, body: Expr) -> str:
    """A letter under a sum, with its range where no axis says it."""
    alone_somewhere = any(p.letter == letter for node in walk(body) if isinstance(node, Read) for p in node.index)
    return letter if alone_somewhere else rf"0 \le {letter} < {latex_poly(size)}"


def latex_line(line: Line) -> str:
    left = latex(Read(line.tensor, tuple(Poly.name(x) for x in line.letters)))
    return f"{left} = {latex(line.expr)}"
