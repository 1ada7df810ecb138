"""How much work there is between two places where machine code looks up, roughly, in vector operations.

A run looks whether it is to end (driver.py) about every LONG operations: at the end of an iteration that is worth so much, or
of a strip of shorter ones. Loops that are over before that do not look at all.
"""

from __future__ import annotations

import math
from collections.abc import Container

from ...language.tree import walk
from .group import Group
from .lower import SAMPLES, SOME_SAMPLES, Statement, linear

LONG = 1 << 16  # some 20 to 500 microseconds
MANY = 16 * LONG  # a loop of less goes without strips


def looks_every(work: int) -> int:
    """After how many pieces of this much work to look up: a power of two."""
    return 1 << max(0, (-(-LONG // max(work, 1)) - 1).bit_length())


def strip(work: int, trips: int) -> int:
    """The iterations between two looks in a loop of at most so many; 0 for none at all."""
    if trips <= 1 or work * trips < (MANY if work < LONG else LONG):
        return 0
    return looks_every(work)


def body(s: Statement) -> int:
    """Operations in one term."""
    return max(1, sum(1 for _ in walk(s.body)))


def trips(s: Statement, letter: str) -> int:
    """At most how many values of a reduced letter have a term: guards from both sides may leave a small window."""
    extent = dict(zip(s.red, s.red_extents, strict=True))[letter]
    if extent == SAMPLES:
        return SOME_SAMPLES
    most, ranges = max(extent, 1), {x: (lo, max(hi, lo)) for x, (lo, hi) in s.ranges.items()}
    sides = [(g, c[letter]) for g in s.guards if (c := linear(g)) and c.get(letter)]
    for low, a in sides:
        for high, b in sides:
            if a > 0 > b:
                most = min(most, max(1, (low * -b + high * a).interval(ranges)[1] // (a * -b) + 1))
    return most


def per_point(s: Statement, without: Container[str] = ()) -> int:
    """Operations at one point, over the reduced letters that are not among `without`."""
    return body(s) * math.prod(trips(s, x) for x in s.red if x not in without)


def per_tile(g: Group, k: int, width: int) -> int:
    """Operations in one iteration of the loop over a group's k-th letter."""
    points = g.tile.get(g.letters[k], 1)
    for x, extent in list(zip(g.letters, g.extents, strict=True))[k + 1 :]:
        points *= max(1, -(-extent // (width if x == g.vector else 1)))
    return points * sum(map(per_point, g.statements))


def per_block(g: Group) -> int:
    """Operations of a group in lanes for one block of samples."""
    within = [(s, [x for x, e in zip(s.red, s.red_extents, strict=True) if e == SAMPLES]) for s in g.statements]
    return math.prod(max(e, 1) for e in g.extents) * sum(per_point(s, samples) for s, samples in within)
