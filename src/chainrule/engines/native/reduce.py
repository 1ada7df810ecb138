"""Reductions: loops over the reduced letters, with accumulators for all points of a tile.

What the conditions of a sum demand becomes, in this order of preference, nothing (proven by the ranges of the loops), parts of
a loop written out, bounds of a loop, or a branch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from ...language.functions import Kind
from ...language.index import Poly
from ...language.show import expression
from ...language.tree import Call, Expr
from ..number import I64
from .builder import Builder, Env, Place, ranges
from .effort import per_point
from .finds import spelled
from .lanes import Lanes, wide
from .lower import FOUND, SAMPLES, Statement, linear
from .memory import Memory, N, Point, Site, Spot
from .nest import Op, Operand, Var
from .tiles import BLOCK, Blocks, blocks, reduction_order
from .values import ANY_SAMPLES, Values

MOST_PEELED = 8  # parts of one loop written out
START = {Kind.SUM: 0.0, Kind.PROD: 1.0, Kind.MAX: float("-inf"), Kind.MIN: float("inf"), Kind.ARGMAX: float("-inf")}

Slots = dict[Point, list[Var]]  # room for each point's accumulator, and what more the reduction keeps


@dataclass(frozen=True)
class Task:
    """A statement's reduction in one tile: where its sums are, and where its blocks' (`parts`)."""

    s: Statement
    unrolled: tuple[str, ...]
    env: Env
    slots: Slots
    parts: Slots
    cut: Blocks | None

    @property
    def static(self) -> dict[str, int]:
        return dict(zip(self.s.red, self.s.red_extents, strict=True))


class Reductions:
    """Instructions for the reductions of a group."""

    def __init__(self, site: Site, b: Builder, lanes: Lanes, memory: Memory, values: Values):
        self.site, self.b, self.lanes, self.memory, self.values = site, b, lanes, memory, values
        self.group, self.width = site.group, site.width

    @property
    def spots(self) -> dict[Point, Spot]:
        return self.memory.tile.spots

    def reduced(self, s: Statement, unrolled: tuple[str, ...], env: Env) -> dict[Point, Operand]:
        """The statement's value at every point of the tile."""
        slots: Slots = {}
        for p in self.spots:
            assert s.kind is not None, f"{s.out}: nothing is reduced"
            slots[p] = [self.room(START[s.kind])]
            if s.kind is Kind.ARGMAX:
                slots[p].append(self.room(-1.0))
        cut = blocks(s, unrolled, self.group.lanes, len(self.spots), self.width if s.out in self.group.partial else 1)
        task = Task(s, unrolled, env, slots, slots, None)
        if cut and cut.exact:
            self.exactly(task, cut)
        else:
            self.reduce(task, cut)
        return {p: self.b.get(slot[-1], self.lanes.type) for p, slot in slots.items()}

    def room(self, start: float) -> Var:
        slot = self.b.slot(self.lanes.type)
        self.b.put(slot, self.lanes.all(start))
        return slot

    def scatter(self, s: Statement, unrolled: tuple[str, ...], env: Env) -> None:
        self.reduce(Task(s, unrolled, env, {}, {}, None), None)

    def exactly(self, task: Task, cut: Blocks) -> None:
        """A sum of very many terms; one over a batch that is a single block does without."""
        b = self.b
        totals: Slots = {p: [b.slot(self.lanes.type) for _ in range(2)] for p in self.spots}

        def long() -> None:
            for slot in totals.values():
                for one in slot:
                    b.put(one, self.lanes.all(0.0))
            self.reduce(replace(task, slots=totals), cut)
            for p, slot in totals.items():
                b.put(task.slots[p][0], self.settled(slot))

        if SAMPLES in task.s.red_extents and not self.group.lanes:
            few = 2 * BLOCK
            b.when([b.compare("<=", N, few)], (f"N <= {few}",), lambda: self.reduce(task, None))
            b.when([b.compare(">", N, few)], (f"N > {few}",), long)
        else:
            long()

    # Loops -----------------------------------------------------------------------------------------------------------

    def reduce(self, task: Task, cut: Blocks | None) -> None:
        s = task.s
        order, extent = reduction_order(s, task.unrolled, self.group.lanes)
        if any(e == 0 for e in s.red_extents):
            return
        parts = {p: [self.b.slot(self.lanes.type)] for p in self.spots} if cut else task.slots
        task = replace(task, parts=parts, cut=cut)

        def go(k: int, placed: Env, settled: frozenset[Poly]) -> None:
            if all(x in task.unrolled for x in order[k:]):
                self.b.step(self.words(task, extent), lambda: written(k, placed, settled))
                return

            def body(p: Place, more: frozenset[Poly]) -> None:
                def inside() -> None:
                    go(k + 1, placed | {order[k]: p}, settled | more)

                if cut and k == cut.level and not cut.size:
                    self.block(task, inside)
                else:
                    inside()

            around = (cut.size, lambda inside: self.block(task, inside)) if cut and k == cut.level and cut.size else None
            Bounds(self, task, placed, settled).loop(order[k], extent[order[k]], body, around)

        def written(k: int, placed: Env, settled: frozenset[Poly]) -> None:
            if k == len(order):
                self.terms(task, placed, settled)
                return
            for v in range(extent[order[k]]):
                written(k + 1, placed | {order[k]: Place.at(v)}, settled)

        go(0, {}, frozenset())

    def words(self, task: Task, extent: dict[str, int]) -> str:
        s = task.s
        tiled = [x for x, n in self.group.tile.items() if n > 1]
        what = f"{s.out}[{','.join(map(str, s.target))}] +=" if s.scatter else f"{s.kind} of"
        taps = f" ({', '.join(f'{x} in 0..{extent[x]}' for x in task.unrolled)} written out)" if task.unrolled else ""
        tile = f" for a tile of {','.join(tiled)}" if tiled else ""
        exact = any(len(slot) > 1 for slot in task.slots.values())
        parts = f"  # in parts, each then added to the whole{' with what rounding takes' if exact else ''}" if task.cut else ""
        return f"{what} {expression(spelled(s.body), {})}{taps}{tile}{parts}"

    def block(self, task: Task, inside: Callable[[], None]) -> None:
        """Sum up a block of terms apart, then add it with what rounding takes from the addition."""
        for p in self.spots:
            self.b.put(task.parts[p][0], self.lanes.all(0.0))
        self.b.scoped(inside)
        for p in self.spots:
            self.add_block(task.slots[p], task.parts[p][0])

    def add_block(self, slot: list[Var], part: Var) -> None:
        """slot[0] += part; where there is a slot[1], exactly: what the sum cannot hold goes there (Knuth's TwoSum).

        The totals stay in memory: held in registers, they would crowd out the blocks' own sums.
        """
        b, kind = self.b, self.lanes.type
        align = self.width * self.lanes.number.bytes
        new = b.get(part, kind)
        total, *lost = [b.value(Op.LOAD_KEPT, kind, x, how=align) for x in slot]
        whole = b.value(Op.ADD, kind, total, new)
        b.act(Op.STORE_KEPT, whole, slot[0], how=align)
        if lost:
            taken = b.value(Op.SUB, kind, whole, total)
            first = b.value(Op.SUB, kind, total, b.value(Op.SUB, kind, whole, taken))
            second = b.value(Op.SUB, kind, new, taken)
            rest = b.value(Op.ADD, kind, lost[0], b.value(Op.ADD, kind, first, second))
            b.act(Op.STORE_KEPT, rest, slot[1], how=align)

    def settled(self, slot: list[Var]) -> Var:
        """The sum with what its additions lost; an infinite sum lost nothing that counts."""
        total, lost = (self.b.get(x, self.lanes.type) for x in slot)
        sound = self.lanes.compare("numbers", lost, lost)
        both = self.b.value(Op.ADD, self.lanes.type, total, lost)
        return self.lanes.choose(sound, both, total)

    # Terms -----------------------------------------------------------------------------------------------------------

    def terms(self, task: Task, placed: Env, settled: frozenset[Poly]) -> None:
        """One combination of the reduced letters, at every point of the tile."""
        b = self.b
        for spot in self.spots.values():
            here = spot.at(placed)
            span = ranges(here.env) if task.s.guards or task.s.equal else {}
            tests: dict[str, Var] = {}
            dead = False
            for g in task.s.guards:
                if g in settled:
                    continue
                lo, hi = g.interval(span)
                if hi < 0:
                    dead = True
                elif lo < 0:
                    tests[f"{g} >= 0"] = b.compare(">=", b.sum(g, here.env), 0)
            for q in task.s.equal:
                lo, hi = q.interval(span)
                if hi < 0 or lo > 0:
                    dead = True
                elif lo != 0 or hi != 0:
                    tests[f"{q} == 0"] = b.compare("==", b.sum(q, here.env), 0)
            if not dead:
                b.when(list(tests.values()), tuple(tests), lambda here=here: self.term(task, here))  # type: ignore[misc]  # mypy does not infer lambdas with defaults

    def term(self, task: Task, spot: Spot) -> None:
        s, b, lanes = task.s, self.b, self.lanes
        if s.scatter:
            self.added(s, s.body, spot)
            return
        slot = task.parts[spot.point][0]
        old = b.get(slot, lanes.type)
        if s.kind is Kind.SUM:
            b.put(slot, self.values.added(old, s.body, spot))
            return
        v = self.values.vector(s.body, spot)
        if s.kind is Kind.PROD:
            b.put(slot, lanes.binary(Op.MUL, old, v))
            return
        better = lanes.compare("<" if s.kind is Kind.MIN else ">", v, old)
        nan = lanes.compare("nan", v, v)
        if s.kind is Kind.ARGMAX:  # the first of equal winners wins, and the first NaN beats all
            at = task.parts[spot.point][1]
            known = b.get(at, lanes.type)
            fresh = lanes.compare("<", known, lanes.all(0.0))
            number = lanes.compare("numbers", old, old)
            nan = b.value(Op.AND, nan.type, nan, number)
            better = lanes.either(lanes.either(better, fresh), nan)
            place = Poly({})
            for x, r in zip(s.red, s.red_extents, strict=True):
                place = place * r + Poly.name(x)
            b.put(at, lanes.choose(better, lanes.vector(self.values.index(place, spot.env)), known))
        else:
            better = lanes.either(better, nan)
        b.put(slot, lanes.choose(better, v, old))

    def added(self, s: Statement, body: Expr, spot: Spot) -> None:
        """Add a value of the body to the tensor, where the target says."""
        lanes, memory = self.lanes, self.memory
        if isinstance(body, Call) and body.fn == FOUND:
            flag, there = self.values.located(body.args, spot)
            if not wide(flag):
                self.b.when([flag], (f"{expression(spelled(body.args[0]), {})}",), lambda: self.added(s, body.args[1], there))
                return
            memory.add_each(s, there, lanes.choose(flag, self.values.value(body.args[1], there), lanes.constant(0.0)))
        elif any(map(spot.lanes, s.target)):
            memory.add_each(s, spot, self.values.value(body, spot))
        elif s.out in self.group.wide:
            memory.add_wide(s, spot, self.values.value(body, spot))
        else:
            value = self.values.value(body, spot)
            before = memory.fetch(self.site.storage[s.out], s.target, spot, lanes, fresh=True)
            memory.store(s, spot, lanes.binary(Op.ADD, before, value))


@dataclass(frozen=True)
class Bounds:
    """A loop over one reduced letter, bounded by what the conditions demand of it.

    placed: the reduced letters around it; settled: the conditions that loops around it have met.
    """

    r: Reductions
    task: Task
    placed: Env
    settled: frozenset[Poly]

    def loop(self, letter: str, extent: int, body, around) -> None:  # type: ignore[no-untyped-def]  # the functions of reduce()
        r, b = self.r, self.r.b
        work = len(r.spots) * per_point(self.task.s, {letter, *self.placed})
        if extent == SAMPLES:  # the loops around it look up: to do so here, all sums would leave their registers
            b.in_blocks(letter, 0, N, 0, ANY_SAMPLES, lambda p: body(p, frozenset()), False, 0, around)
            return
        lows: list[Operand] = [0]
        highs: list[Operand] = [extent]
        latest_start, earliest_stop = 0, extent  # over all places: is there always a term?
        met: set[Poly] = set()
        first, last = 0, extent
        for g, a in self.conditions(letter):
            if self.same_everywhere(g):
                bound, late = self.bound(g, a, letter)
                (lows if a > 0 else highs).append(bound)
                latest_start, earliest_stop = (max(latest_start, late), earliest_stop) if a > 0 else (latest_start, min(earliest_stop, late))
                met.add(g)
            elif not any(x in self.known and self.known[x].value for x in g.names):  # else decided term by term
                good = self.holds(g, letter, extent)
                if good and good == list(range(good[0], good[-1] + 1)):
                    first, last = max(first, good[0]), min(last, good[-1] + 1)
        border = first + extent - last
        if around is None and len(lows) == 1 and len(highs) == 1 and 0 < border <= MOST_PEELED and first < last:
            b.over(letter, str(extent), 1, (f"written out at the border: {border}",), lambda: self.peeled(letter, extent, first, last, body, work))
            return
        lo, hi = b.tightest(lows, Op.MOST), b.tightest(highs, Op.LEAST)
        lowest = max(v for v in lows if isinstance(v, int))
        highest = min(v for v in highs if isinstance(v, int))
        sure = latest_start < earliest_stop
        b.in_blocks(letter, lo, hi, lowest, max(highest - 1, lowest), lambda p: body(p, frozenset(met)), sure, work, around)

    @property
    def known(self) -> Env:
        return self.task.env | self.placed

    def conditions(self, letter: str) -> list[tuple[Poly, int]]:
        """(condition, coefficient of the letter) where all other letters of a linear condition have their places."""
        out = []
        for g in self.task.s.guards:
            coefs = linear(g)
            if (
                letter in g.names
                and g not in self.settled
                and coefs is not None
                and not (g.names - {letter}) - set(self.known) - set(self.task.unrolled)
            ):
                out.append((g, coefs[letter]))
        return out

    def spread(self, x: str) -> tuple[int, int]:
        """From where to where a letter's constant goes over the tile."""
        found = [spot.env[x].const for spot in self.r.spots.values()]
        return min(found), max(found)

    def same_everywhere(self, g: Poly) -> bool:
        """Whether a condition is the same at all points of the tile."""
        tiled = (x for x in g.names if x in self.task.env)
        return not (g.names & set(self.task.unrolled)) and all(len(set(self.spread(x))) == 1 for x in tiled)

    def bound(self, g: Poly, a: int, letter: str) -> tuple[Operand, int]:
        """What g >= 0 demands of the letter: the least value (a > 0) or one past the greatest; and how late that is at most."""
        b = self.r.b
        rest = g - a * Poly.name(letter)
        point = next(iter(self.r.spots.values()))
        here = self.known | {x: point.env[x] for x in self.task.env if x in g.names}
        terms, const = b.affine(rest, here)
        least = rest.interval(ranges(here))[0]
        if a > 0:
            late = -(least // a)
            if not terms:
                return -(const // a), late
            negated = b.total((tuple((x, -c) for x, c in terms), -const + a - 1))
            return (negated if a == 1 else b.floor_div(negated, a)), late
        late = least // -a + 1
        if not terms:
            return const // -a + 1, late
        total = b.total((terms, const - a if a == -1 else const))
        return (total if a == -1 else b.pure(Op.ADD, I64, b.floor_div(total, -a), 1)), late

    def holds(self, g: Poly, letter: str, extent: int) -> list[int]:
        """The values of the letter at which g >= 0 holds for all points of the tile and all letters that are written out."""
        tiled = {x for x in g.names if x in self.task.env}
        span = {x: (self.known[x].lo, self.known[x].hi) for x in g.names if x in self.known and x not in tiled}
        for x in tiled:
            low, high = self.spread(x)
            span[x] = self.known[x].lo - self.known[x].const + low, self.known[x].hi - self.known[x].const + high
        span |= {x: (0, self.task.static[x] - 1) for x in g.names if x in self.task.unrolled}
        return [v for v in range(extent) if g.interval(span | {letter: (v, v)})[0] >= 0]

    def peeled(self, letter: str, extent: int, first: int, last: int, body, work: int) -> None:  # type: ignore[no-untyped-def]  # the function of reduce()
        """A loop from first to last, with what lies before and behind it written out."""
        b = self.r.b
        for v in range(first):
            b.step(f"{letter} = {v}", lambda v=v: body(Place.at(v), frozenset()), at=True)  # type: ignore[misc]  # mypy does not infer lambdas with defaults
        b.loop(letter, first, last, 1, first, last - 1, lambda p: body(p, frozenset()), sure=True, work=work)
        for v in range(last, extent):
            b.step(f"{letter} = {v}", lambda v=v: body(Place.at(v), frozenset()), at=True)  # type: ignore[misc]  # mypy does not infer lambdas with defaults
