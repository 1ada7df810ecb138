"""Reductions without letters: a single term, which is dropped where it reads outside. Where all it reads is inside, they reduce nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from .digits import fits
from .functions import Kind
from .index import Poly, Quotient
from .tree import ZERO, Expr, Reduce, children, direct_reads, rebuild

Spans = Mapping[str, Poly]
Axes = Mapping[str, tuple[Poly, ...]]
Inside = Callable[[Poly, Poly, Spans], bool]  # whether an index stays inside an axis, as far as that is known


def alone(p: Poly, size: Poly, spans: Spans) -> bool:
    """Whether an index is a letter that runs over the whole axis: nothing can be meant to fall outside."""
    return p.letter is not None and fits(p, size, spans)


def idle(e: Expr, spans: Spans, axes: Axes, inside: Inside = alone) -> Reduce | None:
    """The first reduction in e that reduces nothing. spans: of the letters around e."""
    if isinstance(e, Reduce):
        if not e.letters and _whole(e, spans, axes, inside):
            return e
        spans = {**spans, **dict(zip(e.letters, e.ranges, strict=True))}
    return next((found for a in children(e) if (found := idle(a, spans, axes, inside))), None)


def plain(e: Expr, spans: Spans, axes: Axes, inside: Inside = alone) -> Expr:
    """e without reductions that reduce nothing."""
    if isinstance(e, Reduce):
        if not e.letters and _whole(e, spans, axes, inside):
            return ZERO if e.kind is Kind.ARGMAX else plain(e.body, spans, axes, inside)
        around = {**spans, **dict(zip(e.letters, e.ranges, strict=True))}
        return replace(e, body=plain(e.body, around, axes, inside))
    return rebuild(e, lambda a: plain(a, spans, axes, inside))


def block(p: Poly, size: Poly, spans: Spans) -> bool:
    """Whether p is the block of k places that a letter is in, r//k, on an axis of all whole blocks: the places behind them are in none."""
    ((atoms, c),) = p.terms.items() if len(p.terms) == 1 else [((), 0)]
    q = atoms[0] if len(atoms) == 1 and c == 1 else None
    letter = q.num.letter if isinstance(q, Quotient) and not q.remainder and q.den.constant is not None else None
    return isinstance(q, Quotient) and letter in spans and spans[letter or ""] // q.den == size


def in_blocks(e: Expr, spans: Spans, axes: Axes) -> bool:
    """Whether all that may be read outside is a block that is none: nobody writes that such a term is dropped."""
    pairs = [(p, size) for r in direct_reads(e) for p, size in zip(r.index, axes[r.tensor], strict=True)]
    open_ = [pair for pair in pairs if not fits(*pair, spans) and not reached(*pair, spans)]
    return bool(open_) and all(block(p, size, spans) for p, size in open_)


def _whole(e: Reduce, spans: Spans, axes: Axes, inside: Inside) -> bool:
    return all(inside(p, size, spans) for r in direct_reads(e.body) for p, size in zip(r.index, axes[r.tensor], strict=True))


def reached(p: Poly, size: Poly, spans: Spans) -> bool:
    """Whether an index stays inside an axis by its form, or by the numbers that its letters reach."""
    if p.letter is not None and p.letter in spans and spans[p.letter] == size:
        return True
    ends = {x: spans[x].constant for x in p.names & spans.keys()}
    if size.constant is None or p.names - spans.keys() or not all(isinstance(r, int) and r > 0 for r in ends.values()):
        return False
    low, high = p.interval({x: (0, int(r or 0) - 1) for x, r in ends.items()})
    return low >= 0 and high < size.constant
