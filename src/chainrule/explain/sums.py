"""What a part of a sum comes to: every term's value at once, which terms there are, and the largest of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ..language.index import Poly
from ..language.tree import Expr, direct_reads, map_indices, reads
from .parts import Part
from .record import Record

MOST_TERMS = 1 << 22  # held at once; more are gone through in pieces of the first letter


@dataclass(frozen=True)
class Piece:
    """The terms of a part for a range of its first letter. values: of all; there: which of them are; apart: how many are not, and why."""

    start: int
    values: np.ndarray
    there: np.ndarray
    apart: Mapping[str, int]
    untaken: np.ndarray


@dataclass(frozen=True)
class Chosen:
    """A term of a part: its letters, its value, and whether it is there."""

    part: Part
    place: Mapping[str, int]
    value: float
    there: bool = True


@dataclass
class Total:
    """What all terms come to. largest: the first ones by size; rest: the sum of all others. apart: how many are not there, and why. groups: by a
    letter's value; None is of terms without the letter."""

    count: int = 0
    value: float = 0.0
    size: float = 0.0
    rest: float = 0.0
    largest: tuple[Chosen, ...] = ()
    untaken: tuple[Chosen, ...] = ()
    apart: dict[str, int] = field(default_factory=dict)
    groups: dict[int | None, tuple[int, float]] = field(default_factory=dict)

    def left_out(self, apart: Mapping[str, int]) -> None:
        for why, count in apart.items():
            if count:
                self.apart[why] = self.apart.get(why, 0) + count


BOUNDS, UNTAKEN = "bounds", "conditions"  # why a term is not there, beside the tensors that it would read outside of


def total(record: Record, parts: Sequence[Part], most: int, by: str = "") -> Total:
    """The sum of all parts, its `most` largest terms, and how it divides over the values of a letter."""
    out = Total()
    found: list[Chosen] = []
    untaken: list[Chosen] = []
    for part in parts:
        for piece in pieces(record, part):
            values = np.where(piece.there, piece.values, 0.0)
            out.count += int(piece.there.sum())
            out.value += float(values.sum())
            out.size += float(np.abs(values).sum())
            out.left_out(piece.apart)
            rows = _top(np.where(piece.there, np.abs(values), -np.inf), most)
            found += _chosen(part, piece, rows)
            out.rest += _without(values, rows)
            if len(untaken) < most:
                untaken += _chosen(part, piece, _top(np.where(piece.untaken, np.abs(piece.values), -np.inf), most), False)
            if by:
                _grouped(out.groups, part, piece, values, by)
        found = sorted(found, key=lambda c: -_rank(abs(c.value)))
        out.rest += sum(c.value for c in found[most:])
        found = found[:most]
    out.largest, out.untaken = tuple(found), tuple(untaken[:most])
    return out


def ranked(record: Record, part: Part, sign: int, most: int) -> Total:
    """The terms of a part with the largest values (sign -1: the smallest), the first of equal ones first."""
    out = Total()
    found: list[Chosen] = []
    for piece in pieces(record, part):
        out.count += int(piece.there.sum())
        out.left_out(piece.apart)
        found += _chosen(part, piece, _top(np.where(piece.there, sign * piece.values, -np.inf), most, piece.there))
        found = sorted(found, key=lambda c: -_rank(sign * c.value))[:most]
    out.largest = tuple(found)
    return out


def _rank(value: float) -> float:
    """NaN is larger than all."""
    return value if value == value else np.inf


def _top(rank: np.ndarray, most: int, kept: np.ndarray | None = None) -> np.ndarray:
    """Which terms have the largest rank, the first of equal ones first. kept: which of them there are, where not those above -inf."""
    flat = np.where(np.isnan(rank), np.inf, rank).reshape(-1)
    if flat.size > most > 0:
        least = np.partition(flat, flat.size - most)[flat.size - most]
        rows = np.flatnonzero(flat >= least)
    else:
        rows = np.arange(flat.size)
    rows = rows[flat[rows] > -np.inf] if kept is None else rows[kept.reshape(-1)[rows]]
    return rows[np.argsort(-flat[rows], kind="stable")][:most]


def _without(values: np.ndarray, rows: np.ndarray) -> float:
    """The sum of the others, which no difference gives: a large term would take their digits with it."""
    if values.size == rows.size:
        return 0.0
    others = np.array(values).reshape(-1)
    others[rows] = 0.0
    return float(others.sum())


def _chosen(part: Part, piece: Piece, rows: np.ndarray, there: bool = True) -> list[Chosen]:
    """Terms of a piece with their letters."""
    letters, shape = list(part.letters), piece.values.shape
    out = []
    for row in rows:
        at = [int(k) for k in np.unravel_index(int(row), shape)] if shape else []
        place = dict(zip(letters, at, strict=True))
        if letters:
            place[letters[0]] += piece.start
        out.append(Chosen(part, place, float(piece.values[tuple(at)]), there))
    return out


def _grouped(groups: dict[int | None, tuple[int, float]], part: Part, piece: Piece, values: np.ndarray, by: str) -> None:
    """Add a piece's terms to the sums by one letter's values."""
    letters = list(part.letters)
    k = letters.index(by) if by in letters else None
    others = tuple(a for a in range(values.ndim) if a != k)
    counts, sums = piece.there.sum(axis=others), values.sum(axis=others)
    rows = zip(np.ravel(counts).tolist(), np.ravel(sums).tolist(), strict=True)
    for v, (count, value) in enumerate(rows, piece.start if k == 0 else 0):
        at = None if k is None else v
        old = groups.get(at, (0, 0.0))
        groups[at] = old[0] + count, old[1] + value


def pieces(record: Record, part: Part) -> Iterator[Piece]:
    """All terms of a part, in pieces that memory holds."""
    sizes = part.letters
    if not sizes or part.count <= MOST_TERMS:
        yield _piece(record, part, 0)
        return
    first, size = next(iter(sizes.items()))
    step = max(1, MOST_TERMS // max(1, part.count // size))
    for start in range(0, size, step):
        moved = replace(
            part,
            above=tuple(_shift(e, first, start) for e in part.above),
            below=tuple(_shift(e, first, start) for e in part.below),
            tests=tuple((_shift(e, first, start), yes) for e, yes in part.tests),
            bodies=tuple(_shift(e, first, start) for e in part.bodies),
            sizes={**sizes, first: min(step, size - start)},
        )
        yield _piece(record, moved, start)


def _shift(e: Expr, letter: str, start: int) -> Expr:
    return map_indices(e, lambda p: p.subs({letter: Poly.name(letter) + start})) if start else e


def _piece(record: Record, part: Part, start: int) -> Piece:
    """The values of one piece, and which terms are there."""
    sizes = part.letters
    shape = tuple(sizes.values())
    conditions = sorted(((next(reads(e), None) is not None, e, yes) for e, yes in part.tests), key=lambda c: c[0])  # those of indices first
    values, *tests = record.evaluate([part.product, *(e for _, e, _ in conditions)], sizes)
    there, apart = _inside(record, part, shape)
    untaken = np.zeros(shape, bool)
    for (of_data, _, wanted), found in zip(conditions, tests, strict=True):
        fails = there & ((found != 0) != wanted)
        why = UNTAKEN if of_data else BOUNDS
        apart[why] = apart.get(why, 0) + int(fails.sum())
        untaken |= fails & of_data
        there = there & ~fails
    return Piece(start, values, there, apart, untaken)


def _inside(record: Record, part: Part, shape: tuple[int, ...]) -> tuple[np.ndarray, dict[str, int]]:
    """Which terms read inside all tensors, and how many do not, by the tensor."""
    env: dict[str, object] = {}
    for k, (letter, size) in enumerate(part.letters.items()):
        env[letter] = np.arange(size).reshape([-1 if a == k else 1 for a in range(len(shape))])
    there, apart = np.ones(shape, bool), dict[str, int]()
    for body in part.bodies:
        for r in direct_reads(body):
            for p, size in zip(r.index, record.shapes[r.tensor], strict=True):
                at = np.asarray(p.evaluate(env))
                outside = there & np.broadcast_to((at < 0) | (at >= size), shape)
                if outside.any():
                    apart[r.tensor] = apart.get(r.tensor, 0) + int(outside.sum())
                    there = there & ~outside
    return there, apart
