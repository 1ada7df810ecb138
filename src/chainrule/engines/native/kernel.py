"""A group of statements as one function of the loop-nest tree.

The loops over the group's letters are walked with register tiles; at each tile every statement is computed for all
points of the tile, reductions in accumulators (reduce.py).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping

from ...language.show import expression
from ..number import ADDRESS, I64, Number
from .builder import Builder, Env, Place
from .effort import per_tile
from .finds import spelled
from .group import Group, Storage
from .lanes import Lanes
from .lower import Statement
from .memory import FIRST, ORDER, Memory, N, Site, Spot, Tile
from .nest import Function, Op, Var
from .reduce import MOST_PEELED, Reductions
from .values import Values

MOST_CODE = 6000  # multiplications written out in one group
ME, LO, HI = Var("me", ADDRESS), Var("lo", I64), Var("hi", I64)
PARAMS = (ME, FIRST, N, ORDER, LO, HI)  # of every kernel, before its tensors

Offsets = list[tuple[int, int]]  # (offset, active lanes) of a letter's values in a tile


def kernel(group: Group, storage: Mapping[str, Storage], number: Number, lanes: int, chunks: int, apart: bool = True) -> Function:
    """The function of a group. apart: its tensors share no memory."""
    width = lanes if group.lanes or group.vector else 1
    return _Kernel(Site(group, storage, number, width, chunks)).function(apart)


class _Kernel:
    def __init__(self, site: Site):
        self.site, self.group, self.width = site, site.group, site.width
        self.b = Builder()
        self.lanes = Lanes(self.b, site.number, site.width)
        self.memory = Memory(site, self.b, self.lanes)
        self.values = Values(site, self.b, self.lanes, self.memory)
        self.reductions = Reductions(site, self.b, self.lanes, self.memory, self.values)
        self.variants = 1  # how often the tile around this place is written out

    def function(self, apart: bool) -> Function:
        g, base = self.group, tuple(self.site.base.values())
        for s in g.statements:
            self.b.note(f"# {s.origin}")
        self.outer(0, {}, {})
        for t in sorted(g.wide):
            self.memory.narrow(t)
        names = frozenset(p.name for p in base) if apart else frozenset()
        return Function(g.name, (*PARAMS, *base), tuple(self.b.nodes), tuple(self.b.entry), apart=names, hot=True)

    # Loops over the group's letters ----------------------------------------------------------------------------------

    def outer(self, k: int, env: Env, tile: dict[str, Offsets]) -> None:
        """Loops over the letters from the k-th on; tile holds each placed letter's values."""
        g, b = self.group, self.b
        if k == len(g.letters):
            self.points(env, tile)
            return
        letter, extent = g.letters[k], g.extents[k]
        unit = self.width if letter == g.vector else 1
        step = min(g.tile.get(letter, 1), -(-extent // unit)) * unit
        full, rest = extent // step, extent % step
        whole, part = [(o, unit) for o in range(0, step, unit)], [(o, min(unit, rest - o)) for o in range(0, rest, unit)]
        shared = k == 0 and not g.lanes  # tasks share the outermost loop; a remainder belongs to the last of them
        first, last = (0, full) if shared else self.interior(letter, step, full)
        pieces = max(1, first + (full - last) + (last > first) + (rest > 0))
        work = per_tile(g, k, self.width)

        def go(place: Place, offsets: Offsets) -> None:
            b.scoped(lambda: self.outer(k + 1, env | {letter: place}, tile | {letter: offsets}))

        def written(at: int, offsets: Offsets) -> None:
            count = offsets[-1][0] + offsets[-1][1]
            b.step(f"{letter} = {at}" + (f"..{at + count - 1}" if count > 1 else ""), lambda: go(Place.at(at), offsets), at=True)

        def all_pieces() -> None:
            if shared:
                if full:
                    stop = b.pure(Op.LEAST, I64, HI, full * step)
                    b.loop(letter, LO, stop, step, 0, (full - 1) * step, lambda p: go(p, whole), sure=False, work=work)
                if rest:
                    b.when([b.compare(">=", HI, extent)], (f"hi >= {extent}",), lambda: written(full * step, part))
                return
            for t in range(first):
                written(t * step, whole)
            if last > first + 1:
                b.loop(letter, first * step, last * step, step, first * step, (last - 1) * step, lambda p: go(p, whole), sure=True, work=work)
            elif last > first:
                written(first * step, whole)
            for t in range(last, full):
                written(t * step, whole)
            if rest:
                written(full * step, part)

        words = [f"vectors of {unit}"] * (unit > 1) + [f"{step // unit} in registers"] * (step > unit)
        words += [f"written out at the border: {first + full - last} of {full}"] * (first > 0 or last < full)
        self.variants *= pieces
        b.over(letter, str(extent), step, tuple(words), all_pieces)
        self.variants //= pieces

    def interior(self, letter: str, step: int, full: int) -> tuple[int, int]:
        """[first, last): the tiles of a letter at which every guard that statics can decide holds; the rest is written out."""
        g = self.group
        ok = [True] * full
        counts = []
        for s, unrolled in zip(g.statements, g.unroll, strict=True):
            static = dict(zip(s.red, s.red_extents, strict=True))
            counts.append(math.prod(static[x] for x in unrolled))
            for guard in s.guards:
                if letter not in guard.names or (guard.names - {letter}) - set(unrolled):
                    continue
                span = {x: (0, static[x] - 1) for x in guard.names if x != letter}
                for t in range(full):
                    ok[t] &= guard.interval(span | {letter: (t * step, t * step + step - 1)})[0] >= 0
        if all(ok):
            return 0, full
        first, last = (ok.index(True), full - ok[::-1].index(True)) if any(ok) else (full, full)
        peeled = first + full - last
        code = self.variants * (peeled + 2) * math.prod(g.tile.values()) * max(counts)
        return (first, last) if peeled <= MOST_PEELED and code <= MOST_CODE and all(ok[first:last]) else (0, full)

    # A tile --------------------------------------------------------------------------------------------------------

    def points(self, env: Env, offsets: dict[str, Offsets]) -> None:
        g = self.group
        letters = list(offsets)
        full = {x: len(offs) if all(a == 1 for _, a in offs) else 0 for x, offs in offsets.items()}
        tile = self.memory.tile = Tile(full=full, base={x: env[x].const for x in letters})
        for combo in itertools.product(*offsets.values()):
            here = {x: env[x].shifted(o) for x, (o, _) in zip(letters, combo, strict=True)}
            active = min((a for x, (_, a) in zip(letters, combo, strict=True) if x == g.vector), default=self.width)
            point = tuple(o for o, _ in combo)
            tile.spots[point] = Spot(point, here, active)
        for s, unrolled in zip(g.statements, g.unroll, strict=True):
            if s.scatter:
                self.reductions.scatter(s, unrolled, env)
                continue
            self.statement(s, unrolled, env, tile)

    def statement(self, s: Statement, unrolled: tuple[str, ...], env: Env, tile: Tile) -> None:
        """The values of a statement at all points of the tile, kept in registers and, where others want them, in memory."""
        g, b, memory = self.group, self.b, self.memory
        place = f"{s.out}[{','.join(map(str, s.target))}]"
        is_map, partial, stored = s.kind is None, s.out in g.partial, s.out in g.stored
        square = stored and not partial and memory.is_square(s)
        results = {} if is_map else self.reductions.reduced(s, unrolled, env)

        def write() -> None:
            if is_map:
                results.update({p: self.values.value(s.body, spot) for p, spot in tile.spots.items()})
            tile.held.update({(s.out, p): v for p, v in results.items()})
            if partial:
                memory.add_up(s, results)
            elif square:
                memory.store_square(s, results)
            elif stored:
                for p, spot in tile.spots.items():
                    memory.store(s, spot, results[p])

        words = f"{place} = {expression(spelled(s.body), {})}" if is_map else f"{place} = {s.kind} above"
        words = f"{place} += the lanes' total" if partial else words
        b.step(words + ("  # transposed in registers" if square else "" if stored or partial else "  # in registers"), write)
