"""Lines whose letters do not add up, and the line that their author meant."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from .index import Poly
from .raw import UNKNOWN
from .show import expression
from .tree import ONE, Call, Const, Expr, Index, Read, Reduce, add, div, free_names, fresh_name, index_names, mul, neg, number_of, reads, rebuild, sub


def line_of(tensor: str, letters: Sequence[str], explicit: Mapping[str, Poly], e: Expr, axes: Mapping[str, tuple[Poly, ...]]) -> str:
    """A line as text, whatever its letters' ranges."""
    known = {r.tensor: axes.get(r.tensor, ())[: len(r.index)] for r in reads(e)}
    shown = [f"{x}:{explicit[x]}" if x in explicit else x for x in letters]
    return f"{tensor}[{','.join(shown)}] = {expression(e, known)}" if shown else f"{tensor} = {expression(e, known)}"


def reduced(kind: str, e: Expr, letters: Iterable[str]) -> Expr:
    """The reduction of e over those of the letters that it has."""
    free = free_names(e)
    found = tuple(x for x in letters if x in free)
    return Reduce(kind, found, (UNKNOWN,) * len(found), e) if found or kind in ("sum", "argmax") else e


def summed(e: Expr, letters: Collection[str]) -> Expr:
    """e with letters in each reduction that has none, and a sum around each of its terms that then has letters from nowhere."""

    def fill(node: Expr) -> Expr:
        if isinstance(node, Reduce) and not node.letters:
            return reduced(node.kind, fill(node.body), letters)
        return rebuild(node, fill)

    def terms(node: Expr) -> Expr:
        if isinstance(node, Call) and node.fn in ("+", "-", "neg"):
            parts = [terms(a) for a in node.args]
            return neg(parts[0]) if node.fn == "neg" else add(*parts) if node.fn == "+" else sub(*parts)
        free = free_names(node)
        return reduced("sum", node, letters) if any(x in free for x in letters) else node

    return terms(fill(e))


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
        if isinstance(node, Call) and node.fn == "@":
            return fill(Reduce("sum", (), (), Call("*", node.args)))
        if isinstance(node, Reduce) and not node.letters:
            body = fill(node.body)
            return reduced(node.kind, body, (x for x in read_at(body) if x not in letters))
        return rebuild(node, fill)

    whole = fill(e)
    return letters, summed(whole, [x for x in read_at(whole) if x not in letters])


def read_at(e: Expr) -> list[str]:
    """The letters that stand alone on axes of what e reads, and that no reduction in it binds."""
    free = free_names(e)
    return [x for x in dict.fromkeys(p.letter for r in reads(e) for p in r.index) if x and x in free]


# What a term is that does not count, for each kind of reduction; a product's and a sum's are numbers, of the others no value is taken.
NEUTRAL = {"sum": None, "prod": ONE, "max": Const(-math.inf), "argmax": Const(-math.inf), "min": Const(math.inf)}


def bounded(e: Expr, letter: str, size: Poly) -> Expr | None:
    """Reductions over letter:size, where the size is no size, with a condition for it: terms beyond it do not count. None: of no such meaning."""
    lost = [False]

    def change(node: Expr) -> Expr:
        if not isinstance(node, Reduce) or (letter, size) not in zip(node.letters, node.ranges, strict=True):
            return rebuild(node, change)
        lost[0] |= node.kind == "mean" and len(node.letters) > 1  # of how many values, no size says
        return _bounded(node, letter, size)

    out = change(e)
    return None if lost[0] else out


def _bounded(e: Reduce, letter: str, size: Poly) -> Expr:
    ranges = tuple(UNKNOWN if x == letter else r for x, r in zip(e.letters, e.ranges, strict=True))
    inside = Call("<", (Index(Poly.name(letter)), number_of(size)))
    if e.kind == "mean":  # of so many values
        return div(Reduce("sum", e.letters, ranges, mul(e.body, inside)), number_of(size))
    other = NEUTRAL[e.kind]
    return replace(e, ranges=ranges, body=mul(e.body, inside) if other is None else Call("where", (inside, e.body, other)))
