"""What people write from habit, and the line that they mean."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Mapping
from dataclasses import replace

from .index import Poly
from .show import expression
from .tree import Call, Expr, Index, Read, Reduce, add, free_names, fresh_name, index_names, mul, neg, number_of, reads, rebuild, sub

# (how it is typed, what the language writes, what is wrong with it); text alone tells them.
TYPED = (
    (r"\^", "**", "'^' is no power here"),
    ("[·×∙⋅]", "*", "this multiplication sign is not in the language"),
    ("÷", "/", "this division sign is not in the language"),
    ("[−–]", "-", "this minus is another character than '-'"),
    ("²", "**2", "a raised digit is no power here"),
    ("³", "**3", "a raised digit is no power here"),
    ("≤", "<=", "'≤' is written '<='"),
    ("≥", ">=", "'≥' is written '>='"),
    ("≠", "!=", "'≠' is written '!='"),
    ("π", "pi", "'π' is written 'pi'"),
    ("∞", "inf", "'∞' is written 'inf'"),
    ("[δΔ](?=\\s*[\\[(])", "delta", "'δ' is written 'delta'"),
    (r"\bln\b(?=\s*\()", "log", "there is no function 'ln'"),
    (r"&&?", " and ", "'&' is written 'and'"),
    (r"\|\|?", " or ", "'|' is written 'or'"),
    (
        r"(?<![\w.])(\d+(?:\.\d*)?)(?=\s*(?![eE][+-]?\d|(?:if|else|and|or|not|in|for|is)\b)[A-Za-z_(])",
        r"\1*",
        "a number beside a name does not multiply it",
    ),
    (r"\s*(?<![<>=!*/+\-])(\*\*|//|[+\-*/])=(?!=)", " =", "a line defines its tensor, once and whole"),
)

# Functions under the names that other languages and libraries give them.
KNOWN_AS = {
    "relu": "maximum({0}, 0)", "square": "({0})**2", "arctan": "atan({0})", "arcsin": "asin({0})", "arccos": "acos({0})", "fabs": "abs({0})",
    "absolute": "abs({0})", "log2": "log({0}) / log(2)", "log10": "log({0}) / log(10)", "power": "({0})**({1})", "rint": "round({0})",
    "clip": "minimum(maximum({0}, {1}), {2})", "clamp": "minimum(maximum({0}, {1}), {2})", "heaviside": "({0} > 0)", "step": "({0} > 0)",
    "silu": "{0} * sigmoid({0})", "swish": "{0} * sigmoid({0})", "gelu": "{0} * (1 + erf({0} / sqrt(2))) / 2", "reciprocal": "1 / ({0})",
    "leaky_relu": "where({0} > 0, {0}, 0.01 * ({0}))", "sgn": "sign({0})", "mod": "({0}) % ({1})", "logistic": "sigmoid({0})",
}  # fmt: skip


def typed(text: str) -> tuple[int, str, str] | None:
    """(where, what is wrong, the text as it is meant) for the first slip that the characters give away."""
    found = sorted((m.start(), k) for k, (pattern, _, _) in enumerate(TYPED) for m in re.finditer(pattern, text))
    if not found:
        return None
    at, which = found[0]
    for pattern, meant, _ in TYPED:
        text = re.sub(pattern, meant, text)
    return at, TYPED[which][2], text


def called(word: str, args: list[str]) -> str | None:
    """What a function of another language is here."""
    form = KNOWN_AS.get(word)
    return form.format(*args) if form and form.count("{1}") <= len(args) - 1 and args else None


def headed(text: str) -> str | None:
    """The definition that a text without a header means: f(a, b) = …, or a line whose inputs are what it reads."""
    rows = [row for row in text.strip().splitlines() if row.strip()]
    if not rows or any("->" in row for row in rows):
        return None
    short = re.match(r"\s*([A-Za-z_]\w*)\s*\(([\w\s,]*)\)\s*=(?!=)\s*(.+)$", rows[0], re.DOTALL)
    if short and len(rows) == 1:
        return f"{short[1]}({short[2].strip()}) -> y\n    y = {short[3].strip()}"
    sides = [re.split(r"(?<![<>=!])=(?!=)", row, maxsplit=1) for row in rows]
    if any(len(s) != 2 for s in sides):
        return None
    defined: dict[str, str] = {}
    inputs: dict[str, str] = {}
    try:
        for left, right in sides:
            for node in ast.walk(ast.parse(right.strip(), mode="eval")):
                base = node.value if isinstance(node, ast.Subscript) else node
                if (
                    isinstance(node, ast.Subscript)
                    and isinstance(base, ast.Name)
                    and base.id not in defined
                    and base.id not in ("sum", "max", "min", "mean")
                ):
                    inputs.setdefault(base.id, _shape(node))
            target = ast.parse(left.strip(), mode="eval").body
            base = target.value if isinstance(target, ast.Subscript) else target
            if not isinstance(base, ast.Name):
                return None
            defined[base.id] = _shape(target)
    except SyntaxError:
        return None
    inputs = {k: v for k, v in inputs.items() if k not in ("argmax", "prod", "argmin")}
    if not inputs:
        return None
    outputs = list(defined)[-1]
    body = "\n".join(f"    {left.strip()} = {right.strip()}" for left, right in sides)
    return f"f({', '.join(k + v for k, v in inputs.items())}) -> {outputs}{defined[outputs]}\n{body}"


def _shape(node: ast.expr) -> str:
    """Sizes for the indices with which a tensor is read: the capital of each letter."""
    if not isinstance(node, ast.Subscript):
        return ""
    items = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    names = [next((x.id for x in ast.walk(item) if isinstance(x, ast.Name)), "k") for item in items]
    return f"[{','.join('n' if x == 'n' else x.upper() for x in names)}]"


# Lines whose letters do not add up ---------------------------------------------------------------------------------------


def line_of(tensor: str, letters: tuple[str, ...], e: Expr, axes: Mapping[str, tuple[Poly, ...]]) -> str:
    """A line as text, whatever its letters' ranges."""
    known = {r.tensor: axes.get(r.tensor, ())[: len(r.index)] for r in reads(e)}
    left = f"{tensor}[{','.join(letters)}]" if letters else tensor
    return f"{left} = {expression(_plain(e), {k: v if len(v) else () for k, v in known.items()})}"


def _plain(e: Expr) -> Expr:
    """e with no ranges behind the letters of its reductions."""
    if isinstance(e, Reduce):
        return Reduce(e.kind, e.letters, tuple(map(Poly.name, e.letters)), _plain(e.body))
    return rebuild(e, _plain)


def summed(e: Expr, letters: Collection[str]) -> Expr:
    """e with a sum around each of its terms that has letters from nowhere."""
    if isinstance(e, Call) and e.fn in ("+", "-", "neg"):
        parts = [summed(a, letters) for a in e.args]
        return neg(parts[0]) if e.fn == "neg" else add(*parts) if e.fn == "+" else sub(*parts)
    free = [x for x in letters if x in free_names(e)]
    return Reduce("sum", tuple(free), (Poly.name("?"),) * len(free), e) if free else e


def filled(tensor: str, letters: tuple[str, ...], e: Expr, axes: Mapping[str, tuple[Poly, ...]], sample: str) -> tuple[tuple[str, ...], Expr]:
    """The line with letters for all axes of tensors that are written without, and sums over those that the left side lacks."""
    target = axes.get(tensor, ())
    used = set(index_names(e)) | set(letters)
    by_size: dict[Poly, str] = dict(zip(target, letters, strict=False)) if letters else {}

    def letter(size: Poly, mine: set[str]) -> str:
        found = by_size.get(size)
        if found is None or found in mine:
            wanted = "n" if size.letter == sample else (size.letter or "i").lower()
            found = fresh_name(wanted, used | mine)
            used.add(found)
            by_size.setdefault(size, found)
        mine.add(found)
        return found

    if not letters and target:
        mine: set[str] = set()
        letters = tuple(letter(p, mine) for p in target)

    def fill(node: Expr) -> Expr:
        if isinstance(node, Read) and not node.index and axes.get(node.tensor):
            here: set[str] = set()
            return Read(node.tensor, tuple(Poly.name(letter(p, here)) for p in axes[node.tensor]))
        if isinstance(node, Reduce) and not node.letters:
            body = fill(node.body)
            free = tuple(x for x in dict.fromkeys(str(p) for r in reads(body) for p in r.index if p.letter) if x not in letters)
            return Reduce("sum", free, (Poly.name("?"),) * len(free), body)
        return rebuild(node, fill)

    whole = fill(e)
    left_over = [x for x in dict.fromkeys(str(p) for r in reads(whole) for p in r.index if p.letter) if x in free_names(whole) and x not in letters]
    return letters, summed(whole, left_over)


def bounded(e: Expr, letter: str, size: Poly) -> Expr:
    """A reduction over letter:size, where the size is no size, with a bracket for it."""
    if isinstance(e, Reduce) and letter in e.letters:
        return replace(e, body=mul(e.body, Call("<", (Index(Poly.name(letter)), number_of(size)))))
    return rebuild(e, lambda a: bounded(a, letter, size))
