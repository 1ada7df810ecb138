"""Which letters to hold in registers, which to write out, and which to run vectors along.

The choice is by a small model of the machine: a step of a tile costs its multiply-adds or its loads, whichever are
more, and never less than the latency of one multiply-add; a tile must fit the vector registers.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from ...language.functions import Kind
from ...language.index import Poly
from ...language.tree import Call, Index, Read, free_names, product_factors, reads, walk
from .group import Group, Storage
from .lower import FOUND, SAMPLES, SOME_SAMPLES, Statement, linear, step_of
from .spec import Arrangement

# Bounds and costs of the model. They are no machine's data sheet: they were tuned until `python benchmarks/kernels.py` found no better tile
# by hand, and only the order in which they put tiles matters.
MOST_WRITTEN = 400  # multiply-adds written out in one tile
FEW_POINTS = 4  # a tile of so few values waits for memory
LIGHT = 32  # a reduction of so few terms is written out whole
MOST_FAST = 1200  # multiply-adds written out in one tile and its border cases that still fit the instruction cache
FAST_BYTES = 24 << 10  # what is taken for granted of the first-level cache
LONG = 160  # a sum of at least so many terms is taken in blocks, or rounding would grow with its length
BLOCK = 128  # about how many terms a block has,
SHORT = 32  # and where a block costs little beside what waits for memory
MANY = 64  # blocks whose plain addition loses no more than a block does,
FEW_BLOCKS = 24  # and of short ones
NEAR_BYTES = 640 << 10  # and of the second
WORD = 4  # bytes by which footprints are counted: those of a float; doubles fill the caches twice as fast and are computed half as fast
FROM_MEMORY = 1.5  # a vector that is put together of single numbers costs so much for each lane,
FROM_SPREAD = 0.5  # a number that all lanes share half a load: the machine spreads it while it loads
FAR = 2.0  # cycles of a vector load from the second-level cache, beyond those of the first
SHADOW = 0.15  # of the loads' cycles are not hidden behind the multiply-adds, though these are more
ROUND = 2  # cycles for the loop around a step: count, compare, jump
CROWDED = 1.2  # code that leaves the instruction cache runs so much slower
BORDERS = 9  # times a tile may be written out where a condition has borders in two letters: first, middle and last of each
BRANCHES = 2.5  # a step with a branch for each term, against one without
FEW_BAD = 8  # steps of a loop at which a condition fails and which are written out


def tiled(g: Group, storage: Mapping[str, Storage], lanes: int, registers: int) -> Group:
    """The group with its vector letter, tile and unrolled letters."""
    if not g.lanes:
        g = replace(g, vector=_vector(g, storage, lanes))
    plain = [_unrolled(s) for s in g.statements]
    heavy = max(range(len(g.statements)), key=lambda k: g.statements[k].trips)
    s = g.statements[heavy]
    if s.kind is None or s.scatter or not g.letters:
        return replace(g, unroll=tuple(plain), tile=_copy_tile(g, storage, lanes))
    best: tuple[float, tuple[str, ...], dict[str, int]] = (math.inf, plain[heavy], {})
    for written in dict.fromkeys((plain[heavy], plain[heavy][-1:], ())):
        cost, tile = _Model(g, s, written, storage, lanes, registers).best()
        if cost < best[0]:
            best = (cost, written, tile)
    plain[heavy] = best[1]
    return _ordered(replace(g, unroll=tuple(plain), tile=best[2]), _Model(g, s, best[1], storage, lanes, registers), lanes)


def _ordered(g: Group, model: _Model, lanes: int) -> Group:
    """The group with the letter outermost that moves the least memory through the second-level cache.

    One round of the outermost loop touches some bytes; if they fit, what the next round needs again is still there.
    """
    if not g.lanes or len(g.letters) < 2:
        return g
    everything = model.red | model.extent
    unit = {o: WORD * (lanes if o.wide else 1) for o in model.operands}

    def touched(letter: str) -> int:
        within = {letter: g.tile.get(letter, 1)}
        return sum(unit[o] * math.prod(_values(c, within, everything) for c in o.coefs) for o in model.operands)

    def traffic(letter: str) -> float:
        size = touched(letter)
        return touched("") if size <= NEAR_BYTES else size * math.ceil(model.extent[letter] / g.tile.get(letter, 1))

    best = min(g.letters, key=lambda x: (traffic(x), touched(x)))
    if traffic(g.letters[0]) <= 1.5 * traffic(best):
        return g
    letters = (best, *(x for x in g.letters if x != best))
    return replace(g, letters=letters, extents=tuple(model.extent[x] for x in letters))


def _copy_tile(g: Group, storage: Mapping[str, Storage], lanes: int) -> dict[str, int]:
    """Between rows and lanes, a square of the last axis goes at once, so that it can be transposed in registers."""
    if not g.lanes or not g.letters or lanes == 1 or g.extents[-1] < lanes:
        return {}
    rows = [r.index for s in g.statements for r in reads(s.body) if r.tensor not in g.registers and storage[r.tensor].layout is Arrangement.ROWS]
    rows += [s.target for s in g.statements if s.out in g.stored and storage[s.out].layout is Arrangement.ROWS]
    return {g.letters[-1]: lanes} if any(i and i[-1].letter == g.letters[-1] for i in rows) else {}


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
        tangled = any(letter in p.names and not _steady(p, letter) for s in g.statements for p in (*_polys(s), *s.target))
        strewn = any(
            s.scatter and letter in free_names(e.args[0]) for s in g.statements for e in walk(s.body) if isinstance(e, Call) and e.fn == FOUND
        )
        if blocked or tangled or strewn or extent < 2:
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


def _steady(p: Poly, letter: str) -> bool:
    """Whether an index moves by a fixed number of places with a letter."""
    split = p.linear_in(letter)
    return split is not None and split[0].constant is not None


def _access(st: Storage, index: tuple[Poly, ...], letter: str, lanes: int) -> float:
    stride = step_of(st.flat(index[1:] if st.sample else index), letter)
    return FROM_SPREAD if stride == 0 else 1.0 if stride == 1 else FROM_MEMORY * lanes


@dataclass(frozen=True)
class _Operand:
    """A read of the heavy reduction: its index, and whether it is a vector load or a number to spread."""

    index: tuple[Poly, ...]
    coefs: tuple[tuple[tuple[str, int], ...], ...]  # by axis: (letter, coefficient), without the constant
    letters: frozenset[str]
    wide: bool
    footprint: int  # bytes of the whole tensor (of one block, in lanes)


class _Model:
    def __init__(self, g: Group, s: Statement, unrolled: tuple[str, ...], storage: Mapping[str, Storage], lanes: int, registers: int):
        self.g, self.s, self.unrolled, self.lanes, self.registers = g, s, unrolled, lanes, registers
        self.extent = dict(zip(g.letters, g.extents, strict=True))
        red = dict(zip(s.red, s.red_extents, strict=True))
        self.red = {x: e if e != SAMPLES else SOME_SAMPLES for x, e in red.items()}
        self.span = {x: red[x] for x in unrolled}
        self.taps = math.prod(self.span.values())
        self.outer = math.prod(max(e, 1) if e != SAMPLES else SOME_SAMPLES for x, e in red.items() if x not in unrolled)
        self.operands = []
        for r in dict.fromkeys(reads(s.body)):
            if r.tensor not in g.registers:
                st = storage[r.tensor]
                wide = st.sample if g.lanes else any(g.vector in p.names for p in r.index)
                coefs = tuple(tuple((x, abs(c)) for x, c in (linear(p) or {}).items() if x) for p in r.index)
                letters = frozenset().union(*(p.names for p in r.index)) if r.index else frozenset()
                self.operands.append(_Operand(r.index, tuple(c for c in coefs if c), letters, wide, st.places * WORD * (lanes if g.lanes else 1)))
        self.latency = 4 if registers == 32 else 8  # multiply-adds to keep under way: 4 cycles each, on one wide unit or two narrower ones
        self.dynamic = {x for x in s.red if x not in unrolled}

    def best(self) -> tuple[float, dict[str, int]]:
        letters = [x for x in self.g.letters if any(x in p.names for o in self.operands for p in o.index)]
        limit = self.registers * 3 // 4
        widths = {x: -(-self.extent[x] // self.lanes) if x == self.g.vector else self.extent[x] for x in letters}
        tiles: list[dict[str, int]] = [{}]
        tiles += [{x: t} for x in letters for t in range(2, min(widths[x], limit) + 1)]
        pairs = []
        for x, y in itertools.combinations(letters, 2):
            for t in range(2, min(widths[x], limit) + 1):
                pairs += [{x: t, y: q} for q in range(2, min(widths[y], limit // t) + 1)]
        for pair in pairs:  # a third letter only if it is short and held whole
            used = math.prod(pair.values())
            tiles += [pair | {z: widths[z]} for z in letters if z not in pair and 2 <= widths[z] <= 5 and used * widths[z] <= limit]
        options = [(self.cost(t, widths), math.prod(t.values()), k) for k, t in enumerate(tiles + pairs)]
        cost, _, k = min(options)
        return cost, (tiles + pairs)[k]

    def cost(self, tile: dict[str, int], widths: dict[str, int]) -> float:
        """Cycles for the whole group."""
        if math.prod(tile.values()) * self.taps > MOST_WRITTEN and tile:
            return math.inf
        total = 0.0
        pieces = []
        for x, t in tile.items():
            full, rest = divmod(widths[x], t)
            pieces.append([(x, t, full)] * (full > 0) + ([(x, rest, 1)] if rest else []))
        for combo in itertools.product(*pieces):
            count = math.prod(c for _, _, c in combo)
            total += count * self.tile_cost({x: t for x, t, _ in combo})
            if total == math.inf:
                return total
        return total * math.prod(w for x, w in widths.items() if x not in tile)

    def tile_cost(self, tile: dict[str, int]) -> float:
        points = math.prod(tile.values())
        written = points * self.taps
        if written > MOST_WRITTEN and points > 1:
            return math.inf
        loads, far, held = 0.0, 0.0, []
        for o in self.operands:
            count = fresh = 1
            for coefs in o.coefs:
                count *= _values(coefs, tile, self.span)
            if o.wide and o.footprint > FAST_BYTES:
                for coefs in o.coefs:
                    fresh *= _values(coefs, tile, self.red)
            loads += count if o.wide else FROM_SPREAD * count
            if o.wide and o.footprint > FAST_BYTES:  # each value comes once a tile from the second-level cache
                far += FAR * fresh
            held.append(math.prod(t for x, t in tile.items() if x in o.letters))
        if points + (min(held) if len(held) > 1 else 1) + 1 > self.registers:
            return math.inf
        step = max(float(written), loads + far / self.outer, self.latency * self.taps) + SHADOW * (loads + far / self.outer) + ROUND
        step *= self.hindered(tile)
        if written > MOST_FAST // (BORDERS if self.s.guards else 1):
            step *= CROWDED
        finish = points * (5 if self.g.partial else 2) + 4  # each sum starts at 0 and is stored; one over lanes is added up first
        return self.outer * step + finish

    def hindered(self, tile: dict[str, int]) -> float:
        """How much slower a step is for its conditions.

        A condition that is the same at all points of the tile becomes a bound of the loop, and costs nothing. One that differs
        between them and moves with a loop, as i+u-p >= 0 for several i at once, can be no bound: it is a branch for each term,
        unless the tile holds the letter whole and it fails only at a few steps at the loop's ends, which are written out.
        """
        for g in self.s.guards:
            moving = g.names & self.dynamic
            for x, t in tile.items():
                if x in g.names and moving and t > 1:
                    y = next(iter(moving))
                    fixed = {x, y} | set(self.span)
                    if len(moving) > 1 or g.names - fixed or t < self.extent[x]:
                        return BRANCHES
                    span = {z: (0, n - 1) for z, n in (*self.red.items(), *self.extent.items()) if z in g.names}
                    bad = sum(g.interval(span | {y: (k, k)})[0] < 0 for k in range(self.red[y]))
                    if bad > FEW_BAD or bad == self.red[y]:
                        return BRANCHES
        return 1.0


def _values(coefs: tuple[tuple[str, int], ...], tile: Mapping[str, int], also: Mapping[str, int]) -> int:
    """How many values an index takes over one tile and the given reduced letters."""
    count, reach, common = 1, 0, 0
    for x, c in coefs:
        width = tile.get(x) or also.get(x, 1)
        if width > 1:
            count *= width
            reach += (width - 1) * c
            common = math.gcd(common, c)
    return min(count, reach // common + 1) if common else 1


@dataclass(frozen=True)
class Blocks:
    """How a long sum is taken: every step (or every `size` steps) of the loop at `level` is summed up apart.

    exact: there are so many blocks that what their own addition loses is kept too.
    """

    level: int
    size: int
    exact: bool


def blocks(s: Statement, unrolled: tuple[str, ...], lanes: bool, points: int, sums: int = 1) -> Blocks | None:
    """The blocks of a long sum; None for a short one.

    points: values of the tile. sums: of how many the total is made (lanes, whose roundings even out). Where few products are
    made for each value in memory, a block's end costs nothing beside them.
    """
    order, extent = reduction_order(s, unrolled, lanes)
    counts = [LONG if extent[x] == SAMPLES else extent[x] for x in order]
    loops = [k for k, x in enumerate(order) if x not in unrolled]
    cheap = len(product_factors(s.body)) == 1 or points <= FEW_POINTS
    size = SHORT if cheap else BLOCK
    if s.kind is not Kind.SUM or s.scatter or math.prod(counts) < (2 * SHORT if cheap else LONG * sums) or not loops:
        return None
    exact = any(extent[x] == SAMPLES for x in order) or math.prod(counts) > (FEW_BLOCKS if cheap else MANY) * size
    after = {k: math.prod(counts[k + 1 :]) for k in loops}
    for k in reversed(loops):
        if size // 3 <= after[k] <= (size if cheap else 2 * size):
            return Blocks(k, 0, exact)
    k = next(k for k in loops if after[k] < size)
    guarded = any(order[k] in g.names for g in s.guards)  # its border may be written out: it stays one loop
    return Blocks(k, 0 if guarded and after[k] >= 8 else max(2, size // after[k]), exact)


def reduction_order(s: Statement, unrolled: tuple[str, ...], lanes: bool) -> tuple[list[str], dict[str, int]]:
    """The reduced letters as their loops stand, those written out innermost, and their extents; in lanes the samples are no loop."""
    extent = dict(zip(s.red, s.red_extents, strict=True))
    order = [x for x in s.red if x not in unrolled] + [x for x in s.red if x in unrolled]
    return [x for x in order if not (lanes and extent[x] == SAMPLES)], extent
