"""A formula as it stands on paper: boxes in rows, above and below one another; LaTeX, MathML and plain text are three writers of the same boxes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Name:
    """A letter (italic), or a word or a letter that is no variable (upright), as a function is."""

    text: str
    upright: bool = False
    function: bool = False
    bold: bool = False  # a vector or matrix


@dataclass(frozen=True)
class Number:
    """Digits as they are written."""

    text: str


@dataclass(frozen=True)
class Sign:
    """An operator or relation, one of SIGNS; tight: without room around it, as in an index."""

    text: str
    tight: bool = False


@dataclass(frozen=True)
class Words:
    """Words of a language."""

    text: str


@dataclass(frozen=True)
class Row:
    """Boxes side by side."""

    parts: tuple[Box, ...]


@dataclass(frozen=True)
class Frac:
    """One above a line, one below."""

    above: Box
    below: Box


@dataclass(frozen=True)
class Scripts:
    """A base with what stands below and above it at its right."""

    base: Box
    sub: Box | None = None
    sup: Box | None = None


@dataclass(frozen=True)
class Limits:
    """A large operator with what stands beneath and above it."""

    sign: str
    below: Box | None
    above: Box | None = None


@dataclass(frozen=True)
class Fence:
    """Brackets that grow with what they hold: ( [ | ⌊ ⌈."""

    opens: str
    body: Box


@dataclass(frozen=True)
class Root:
    """A square root."""

    body: Box


@dataclass(frozen=True)
class Cases:
    """One brace, and values with the conditions under which they hold, one below the other."""

    rows: tuple[tuple[Box, Box], ...]
    environment: bool = False  # as LaTeX's own cases, which not every reader of formulas knows


Box = Name | Number | Sign | Words | Row | Frac | Scripts | Limits | Fence | Root | Cases

CLOSES = {"(": ")", "[": "]", "|": "|", "⌊": "⌋", "⌈": "⌉"}
GAP = Sign(" ")

# sign: (LaTeX, MathML); what has a blank on both sides in LaTeX is a relation or operator of two sides.
SIGNS = {
    "+": (" + ", "+"), "-": (" - ", "−"), "·": (r" \, ", "\u2062"), "⋅": (r" \cdot ", "⋅"), "=": (" = ", "="), "≠": (r" \neq ", "≠"), "<": (" < ", "<"),
    "≤": (r" \leq ", "≤"), ">": (" > ", ">"), "≥": (r" \geq ", "≥"), ",": (", ", ","), "∘": (r" \circ ", "∘"), "⋆": (r" \star ", "⋆"), "∗": (r" \ast ", "∗"),
    "∂": (r"\partial ", "∂"), "′": (r"\prime", "′"), "mod": (r" \;\mathrm{mod}\; ", "mod"), " ": (" ", ""), ";": (r",\; ", ","), "quad": (r",\quad ", ","), "+=": (r" \mathrel{+}= ", "+="),
    "ᵀ": (r"\top", "⊤"), "~": (r"\;", "\u00a0"),
}  # fmt: skip


def row(*parts: Box) -> Box:
    """Boxes side by side, rows in it opened; one alone is itself."""
    flat = [q for p in parts for q in (p.parts if isinstance(p, Row) else (p,))]
    return flat[0] if len(flat) == 1 else Row(tuple(flat))


def bracketed(box: Box) -> Box:
    return Fence("(", box)


def first(box: Box) -> Box:
    """The leftmost box that holds no others."""
    match box:
        case Row(parts):
            return first(parts[0])
        case Scripts(base=base):
            return first(base)
    return box


def last(box: Box) -> Box:
    """The rightmost box of a row."""
    return last(box.parts[-1]) if isinstance(box, Row) else box


def joined(boxes: list[Box], sign: str = ",", tight: bool = False) -> Box:
    """Boxes with a sign between them."""
    out: list[Box] = []
    for box in boxes:
        out += [box] if not out else [Sign(sign, tight), box]
    return row(*out)
