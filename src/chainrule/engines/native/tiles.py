"""Which letters to hold in registers, which to write out, and which to run vectors along.

The choice is by a small model of the machine: a step of a tile costs its multiply-adds or its loads, whichever are
more, and never less than the latency of one multiply-add; a tile must fit the vector registers.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from ...language.index import Poly
from ...language.tree import Index, Read, reads, walk
from .group import Group, Storage
from .lower import SAMPLES, Statement, linear

MOST_WRITTEN = 400  # multiply-adds written out in one tile
LIGHT = 32  # a reduction of so few terms is written out whole


def choose(g: Group, storage: Mapping[str, Storage], lanes: int, registers: int) -> Group:
    """The group with its vector letter, tile and unrolled letters."""
    if not g.lanes:
        g = replace(g, vector=_vector(g, storage, lanes))
    g = replace(g, unroll=tuple(_unrolled(s) for s in g.statements))
    heavy = max(range(len(g.statements)), key=lambda k: g.statements[k].trips)
    s = g.statements[heavy]
    if s.kind == "map" or s.scatter or not g.letters:
        return g
    model = _Model(g, s, g.unroll[heavy], storage, lanes, registers)
    return replace(g, tile=model.best())


def _unrolled(s: Statement) -> tuple[str, ...]:
    """Reduced letters to write out: all of a short reduction, else the last one if it is short."""
    extent = dict(zip(s.red, s.red_extents, strict=True))
    if SAMPLES not in s.red_extents and s.trips <= LIGHT and not s.scatter:
        return s.red
    if s.red and 0 < extent[s.red[-1]] <= 8:
        return s.red[-1:]
    return ()


def _polys(s: Statement) -> list[Poly]:
    found = [*s.guards, *s.equal]
    for node in walk(s.body):
        found += [node.expr] if isinstance(node, Index) else list(node.index) if isinstance(node, Read) else []
    return found


def _vector(g: Group, storage: Mapping[str, Storage], lanes: int) -> str | None:
    """The letter along which vectors cost least: reads and writes of neighbours in memory, no conditions on it."""
    best: tuple[float, str | None] = (math.inf, None)
    for letter, extent in zip(g.letters, g.extents, strict=True):
        blocked = any(letter in p.names for s in g.statements for p in (*s.guards, *s.equal))
        tangled = any(letter in p.names and linear(p) is None for s in g.statements for p in (*_polys(s), *s.target))
        if blocked or tangled or extent < 2:
            continue
        cost = 0.0
        for s in g.statements:
            for r in reads(s.body):
                if r.tensor not in g.registers:
                    cost += s.trips * _access(storage[r.tensor], r.index, letter, lanes)
            if s.out in g.stored:
                cost += _access(storage[s.out], s.target, letter, lanes)
        cost /= extent / -(-extent // lanes)
        if cost < best[0]:
            best = (cost, letter)
    return best[1]


def _access(st: Storage, index: tuple[Poly, ...], letter: str, lanes: int) -> float:
    flat = linear(st.flat(index[1:] if st.sample else index))
    stride = (flat or {}).get(letter, 0)
    return 0.5 if stride == 0 else 1.0 if stride == 1 else 1.5 * lanes


@dataclass(frozen=True)
class _Operand:
    """A read of the heavy reduction: its index, and whether it is a vector load or a number to spread."""

    index: tuple[Poly, ...]
    wide: bool


class _Model:
    def __init__(self, g: Group, s: Statement, unrolled: tuple[str, ...], storage: Mapping[str, Storage], lanes: int, registers: int):
        self.g, self.s, self.unrolled, self.lanes, self.registers = g, s, unrolled, lanes, registers
        self.extent = dict(zip(g.letters, g.extents, strict=True))
        red = dict(zip(s.red, s.red_extents, strict=True))
        self.span = {x: red[x] for x in unrolled}
        self.taps = math.prod(self.span.values())
        self.outer = math.prod(max(e, 1) if e != SAMPLES else 64 for x, e in red.items() if x not in unrolled)
        self.operands = []
        for r in dict.fromkeys(reads(s.body)):
            if r.tensor not in g.registers:
                st = storage[r.tensor]
                wide = st.sample if g.lanes else any(g.vector in p.names for p in r.index)
                self.operands.append(_Operand(r.index, wide))
        self.latency = 4 if registers == 32 else 8
        self.dynamic = {x for x in s.red if x not in unrolled}

    def best(self) -> dict[str, int]:
        letters = [x for x in self.g.letters if any(x in p.names for o in self.operands for p in o.index)]
        limit = self.registers - 4
        widths = {x: -(-self.extent[x] // self.lanes) if x == self.g.vector else self.extent[x] for x in letters}
        options: list[tuple[float, int, dict[str, int]]] = [(self.cost({}, widths), 0, {})]
        for x in letters:
            for t in range(2, min(widths[x], limit) + 1):
                options.append((self.cost({x: t}, widths), t, {x: t}))
        for x, y in itertools.combinations(letters, 2):
            for t in range(2, min(widths[x], limit) + 1):
                for q in range(2, min(widths[y], limit // t) + 1):
                    options.append((self.cost({x: t, y: q}, widths), t * q, {x: t, y: q}))
        return min(options, key=lambda o: (o[0], o[1]))[2]

    def cost(self, tile: dict[str, int], widths: dict[str, int]) -> float:
        """Cycles for the whole group at one point of the letters that are not tiled, times their number."""
        total = 0.0
        pieces = []
        for x, t in tile.items():
            full, rest = divmod(widths[x], t)
            pieces.append([(x, t, full)] + ([(x, rest, 1)] if rest else []))
        for combo in itertools.product(*pieces):
            count = math.prod(c for _, _, c in combo)
            total += count * self.tile_cost({x: t for x, t, _ in combo})
        untiled = math.prod(w for x, w in widths.items() if x not in tile)
        return total * untiled

    def tile_cost(self, tile: dict[str, int]) -> float:
        points = math.prod(tile.values())
        if points * self.taps > MOST_WRITTEN and points > 1:
            return math.inf
        loads, held = 0.0, []
        for o in self.operands:
            count = 1
            for p in o.index:
                count *= self.values(p, tile)
            loads += count if o.wide else 0.5 * count
            held.append(math.prod(t for x, t in tile.items() if any(x in p.names for p in o.index)))
        if points + (min(held) if len(held) > 1 else 1) + 1 > self.registers:
            return math.inf
        step = max(points * self.taps, loads, self.latency * self.taps) + 2
        for x, t in tile.items():
            for g in self.s.guards:
                if x in g.names and g.names & self.dynamic and t < self.extent[x]:
                    step *= 2.5
                    break
        finish = points * (5 if self.g.partial else 2) + 4
        return self.outer * step + finish

    def values(self, p: Poly, tile: dict[str, int]) -> int:
        """How many values an index takes over one tile and the taps written out."""
        coefs = linear(p) or {}
        count, reach = 1, 0
        steps = []
        for x, c in coefs.items():
            width = tile.get(x, self.span.get(x, 1))
            if width > 1 and x:
                count *= width
                reach += (width - 1) * abs(c)
                steps.append(abs(c))
        return min(count, reach // math.gcd(*steps) + 1) if steps else 1
