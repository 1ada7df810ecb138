"""An explained number as plain data: what text, JSON and pages are made from."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from .terms import Factor, Term

if TYPE_CHECKING:
    from .answer import Why

FEWER = 4  # terms of a number within another
MOST_NUMBERS = 400  # explained within one; then names alone


def as_data(w: Why, depth: int) -> dict[str, Any]:
    """The number, and the numbers behind it, so many levels deep; each of them once."""
    return _Data(depth).of(w, depth)


class _Data:
    def __init__(self, depth: int) -> None:
        self.depth = depth
        self.seen: set[str] = set()

    def of(self, w: Why, depth: int) -> dict[str, Any]:
        self.seen.add(w.name)
        out: dict[str, Any] = {
            "name": w.name,
            "about": w.about,
            "formula": w.formula,
            "letters": dict(w.letters),
            "sizes": dict(w.sizes),
            "kind": w.kind,
            "value": plain(w.value),
        }
        if depth == self.depth and w.native is not None:  # of this number alone: machine code for all others would be made to be shown once
            native = np.asarray(w.native, w.record.dtype)
            out["native"] = {"value": plain(float(native)), "text": str(native[()]), "type": str(native.dtype), "ulps": plain(w.ulps or 0.0)}
        out["negative"] = w.made.negative
        out["count"] = w.count
        out["terms"] = [self.term(w, t, depth) for t in w.terms]
        out["rest"] = {"count": w.rest[0], "value": plain(w.rest[1])}
        out["size"] = plain(w.made.size)
        out["left_out"] = {w.record.names.get(k, k): v for k, v in w.left_out.items()}
        out["not_taken"] = [self.term(w, t, 0) for t in w.untaken if not t.letters or not w.count]
        out["groups"] = [{"letter": g.letter, "at": g.at, "count": g.count, "value": plain(g.value)} for g in w.groups]
        return out

    def term(self, w: Why, t: Term, depth: int) -> dict[str, Any]:
        factors = [self.factor(w, f, depth) for f in t.factors]
        negative = t.part is not None and t.part.sign < 0
        return {"value": plain(t.value), "letters": dict(t.letters), "taken": t.taken, "text": t.text, "negative": negative, "factors": factors}

    def factor(self, w: Why, f: Factor, depth: int) -> dict[str, Any]:
        out: dict[str, Any] = {"text": f.text, "name": f.name, "role": f.role, "value": plain(f.value), "given": f.given, "note": f.note}
        if depth > 1 and not f.given and len(self.seen) < MOST_NUMBERS:
            behind = w.behind(f)
            if behind.name not in self.seen:
                out["why"] = self.of(behind.why(terms=min(w.most, FEWER)), depth - 1)
        return out


def plain(value: float) -> float | str:
    """A number as JSON has it; a text where it is not finite."""
    return value if math.isfinite(value) else str(value)
