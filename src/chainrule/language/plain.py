"""Boxes as a line of text."""

from __future__ import annotations

from collections.abc import Iterator

from .layout import CLOSES, SIGNS, Box, Cases, Fence, Frac, Limits, Name, Number, Root, Row, Scripts, Sign, Words, row

TEXT = {"·": " ", "⋅": " * ", "mod": " % ", " ": "", ";": ", ", "quad": ", ", "∂": "∂", ",": ", ", "ᵀ": "ᵀ", "~": " "}


def plain(box: Box) -> str:
    """The text of boxes: products of matrices side by side, ∘ element by element, ᵀ transposed."""
    match box:
        case Name(text) | Number(text) | Words(text):
            return text
        case Sign(text, tight):
            return (text.replace("·", "*") if tight else TEXT.get(text, f" {text} ")) if text in SIGNS else text
        case Row(parts):
            return _row(parts)
        case Frac(above, below):
            return f"{_one(above)}/{_one(below)}"
        case Scripts(base, sub, Sign("ᵀ")):
            return f"{plain(base)}ᵀ" if sub is None else f"{plain(base)}ᵀ[{plain(sub)}]"
        case Scripts(Sign("⋆" | "∗" as sign), sub, None) if sub:
            return f" {sign}_{plain(sub)} "
        case Scripts(Name("δ"), sub, sup) if sup is not None:
            return f"δ{plain(sup)}" + (f"[{plain(sub)}]" if sub else "")
        case Scripts(base, sub, sup):
            number = plain(sup.body) if isinstance(sup, Fence) and isinstance(sup.body, Number) else ""
            shown = plain(base) + number + (f"[{plain(sub)}]" if sub else "")
            return shown if number or sup is None else f"{shown}^({plain(sup)})"
        case Limits(sign, below):
            return f"{sign}[{plain(_said(box))}]" if below else sign
        case Fence(opens, body):
            return f"{opens}{plain(body)}{CLOSES[opens]}"
        case Root(body):
            return f"sqrt({plain(body)})"
        case Cases(rows):
            return "{" + "; ".join(f"{plain(value)} {plain(test)}" for value, test in rows) + "}"
    raise TypeError(box)


def _row(parts: tuple[Box, ...]) -> str:
    """Boxes side by side; what a large operator goes over stands in brackets, up to the next sign of a sum."""
    text, open_ = "", False
    for part in _merged(parts):
        if open_ and isinstance(part, Sign) and part.text in ("+", "-", "=", ",") and not part.tight:
            text, open_ = text + ")", False
        text += plain(part)
        if isinstance(part, Limits):
            text, open_ = text + "(", True
    return text + ")" * open_


def _merged(parts: tuple[Box, ...]) -> Iterator[Box]:
    """Boxes side by side; large operators of one kind behind one another are one, as in sum[i=1..I, j=1..J]."""
    kept: Limits | None = None
    for part in parts:
        same = isinstance(part, Limits) and kept is not None and kept.sign == part.sign
        if kept is not None and not same:
            yield kept
            kept = None
        if isinstance(part, Limits):
            kept = Limits(part.sign, row(_said(kept), Sign(","), _said(part))) if same and kept else part
        else:
            yield part
    if kept is not None:
        yield kept


def _said(sign: Limits) -> Box:
    """What stands below and above a large operator."""
    below = sign.below or Row(())
    return row(below, Words(".."), sign.above) if sign.above else below


def _one(box: Box) -> str:
    """Text that holds together above or below a line."""
    text = plain(box)
    return text if isinstance(box, (Name, Number, Fence, Scripts)) or text.startswith("∂") else f"({text})"
