"""One group of statements to one LLVM function.

The loops over the group's letters are walked with register tiles; at each tile every statement is computed for all
points of the tile, reductions in accumulators. What the guards of a sum demand becomes, in this order of preference,
nothing (proven by the ranges of the loops), static code for the few tiles at a border, bounds of a loop, or a branch.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

from ...language.index import Poly
from ...language.show import expression
from ...language.tree import Call, Expr, product_factors
from .effort import per_point, per_tile
from .lower import SAMPLES, Statement, linear
from .memory import Memory
from .text import Env, Place, ranges
from .tiles import BLOCK, Blocks, blocks, reduction_order
from .values import Point, Value

MOST_PEELED = 8  # border tiles of one loop written out
MOST_CODE = 6000  # multiplications written out in one group


class Kernel(Memory):
    """The function of a group; `text()` is its LLVM, `notes` its loop nest in words."""

    # The function ------------------------------------------------------------------------------------------------

    def text(self) -> str:
        g = self.group
        args = ["ptr %me", "i64 %first", "i64 %n", "ptr %order", "i64 %lo", "i64 %hi"]
        args += [f"ptr noalias {p}" for p in self.base.values()]
        self.label("entry")
        for s in g.statements:
            self.note(f"# {s.origin}")
        self.outer(0, {}, {})
        for t in sorted(g.wide):
            self.narrow(t)
        self.emit("ret void")
        if self.leaves:
            self.label("leave")
            self.emit("ret void")
        # Vectors that do not fit the registers go to the stack: aligned, or each costs two cache lines.
        head = f'define internal void @{g.name}({", ".join(args)}) nounwind alignstack(64) "stackrealign" {{'
        return "\n".join([head, self.lines[0], *self.allocas, *self.lines[1:], "}"])

    def outer(self, k: int, env: Env, tile: dict[str, list[tuple[int, int]]]) -> None:
        """Loops over the letters from the k-th on; tile holds each placed letter's (offset, active lanes) list."""
        g = self.group
        if k == len(g.letters):
            self.points(env, tile)
            return
        letter, extent = g.letters[k], g.extents[k]
        unit = self.width if letter == g.vector else 1
        step = min(g.tile.get(letter, 1), -(-extent // unit)) * unit
        full, rest = extent // step, extent % step
        offsets = [(o, unit) for o in range(0, step, unit)]
        first, last = self.interior(letter, step, full) if k or g.lanes else (0, full)

        def go(place: Place, offs: list[tuple[int, int]]) -> None:
            self.depth += 1
            self.scopes.append({})
            self.outer(k + 1, env | {letter: place}, tile | {letter: offs})
            self.scopes.pop()
            self.depth -= 1

        word = f"for {letter} in 0..{extent}" + (f" step {step}" if step > 1 else "")
        notes = []
        if unit > 1:
            notes.append(f"vectors of {unit}")
        if step > unit:
            notes.append(f"{step // unit} in registers")
        if first > 0 or last < full:
            notes.append(f"written out at the border: {first + full - last} of {full}")
        self.note(word + ":" + (f"  # {', '.join(notes)}" if notes else ""))
        pieces = first + (full - last) + (last > first) + (rest > 0)
        self.variants *= max(1, pieces)
        shown = self.quiet
        work = per_tile(g, k, self.width)
        if k == 0 and not g.lanes:  # tasks share the outermost loop; a remainder belongs to the last of them
            if full:
                self.loop("%lo", "%hi_full", step, 0, (full - 1) * step, lambda p: go(p, offsets), sure=False, work=work)
                self.lines.insert(1, f"  %hi_full = call i64 @llvm.smin.i64(i64 %hi, i64 {full * step})")
                self.quiet += 1
            if rest:
                end = self.pure(f"icmp sge i64 %hi, {extent}")
                self.when([end], lambda: go(Place.at(full * step), self.remainder(rest, unit)))
        else:
            self.quiet += last > first
            for t in range(first):
                go(Place.at(t * step), offsets)
                self.quiet = shown + 1
            if last > first:
                self.quiet = shown
                self.loop(first * step, last * step, step, first * step, (last - 1) * step, lambda p: go(p, offsets), sure=True, work=work)
                self.quiet = shown + 1
            for t in range(last, full):
                go(Place.at(t * step), offsets)
                self.quiet = shown + 1
            if rest:
                go(Place.at(full * step), self.remainder(rest, unit))
        self.quiet = shown
        self.variants //= max(1, pieces)

    def remainder(self, rest: int, unit: int) -> list[tuple[int, int]]:
        return [(o, min(unit, rest - o)) for o in range(0, rest, unit)]

    def interior(self, letter: str, step: int, full: int) -> tuple[int, int]:
        """[first, last): the tiles of a letter at which every guard that statics can decide holds; the rest is peeled."""
        ok = [True] * full
        for s, unrolled in zip(self.group.statements, self.group.unroll, strict=True):
            static = dict(zip(s.red, s.red_extents, strict=True))
            for guard in s.guards:
                if letter not in guard.names or (guard.names - {letter}) - set(unrolled):
                    continue
                span = {x: (0, static[x] - 1) for x in guard.names if x != letter}
                for t in range(full):
                    ok[t] &= guard.interval(span | {letter: (t * step, t * step + step - 1)})[0] >= 0
        if all(ok):
            return 0, full
        first = ok.index(True) if any(ok) else full
        last = full - ok[::-1].index(True) if any(ok) else full
        work = math.prod(self.group.tile.values()) * max(
            math.prod(dict(zip(s.red, s.red_extents, strict=True))[x] for x in u)
            for s, u in zip(self.group.statements, self.group.unroll, strict=True)
        )
        peeled = first + full - last
        return (first, last) if peeled <= MOST_PEELED and self.variants * (peeled + 2) * work <= MOST_CODE and all(ok[first:last]) else (0, full)

    # A tile --------------------------------------------------------------------------------------------------------

    def points(self, env: Env, tile: dict[str, list[tuple[int, int]]]) -> None:
        letters = list(tile)
        self.full_tile = {x: len(offs) if all(a == 1 for _, a in offs) else 0 for x, offs in tile.items()}
        self.tile_base = {x: env[x].const for x in letters}
        self.squares = {}
        points: dict[Point, tuple[Env, int]] = {}
        for combo in itertools.product(*tile.values()):
            here = {x: env[x].shifted(o) for x, (o, _) in zip(letters, combo, strict=True)}
            active = min((a for x, (_, a) in zip(letters, combo, strict=True) if x == self.group.vector), default=self.width)
            points[tuple(o for o, _ in combo)] = (here, active)
        self.held = {}
        for s, unrolled in zip(self.group.statements, self.group.unroll, strict=True):
            if s.scatter:
                self.reduce(s, unrolled, env, points, None)
                continue
            if s.kind == "map":
                if s.out not in self.group.stored and s.out not in self.group.partial:
                    self.note(f"{s.out}[{','.join(map(str, s.target))}] = {expression(s.body, {})}  # in registers")
                results = {p: self.value_of(s.body, e, a, p) for p, (e, a) in points.items()}
            else:
                results = self.reduced(s, unrolled, env, points)
            for p, v in results.items():
                self.held[s.out, p] = v
            if s.out in self.group.partial:
                self.add_up(s, points, results)
            elif s.out in self.group.stored and self.squared(s, points, results):
                self.note(f"{s.out}[{','.join(map(str, s.target))}] = {expression(s.body, {})}  # transposed in registers")
            elif s.out in self.group.stored:
                self.note(f"{s.out}[{','.join(map(str, s.target))}] =" + (f" {s.kind} above" if s.kind != "map" else f" {expression(s.body, {})}"))
                for p, (e, a) in points.items():
                    self.store(s, e, a, results[p])

    def reduced(self, s: Statement, unrolled: tuple[str, ...], env: Env, points: dict[Point, tuple[Env, int]]) -> dict[Point, Value]:
        start = {"sum": "0.0", "prod": "1.0", "max": "-inf", "min": "inf", "argmax": "-inf"}[s.kind]
        slots: dict[Point, list[str]] = {}
        for p in points:
            slots[p] = [self.alloca(self.vtype, self.width * self.bytes)]
            self.put(slots[p][0], self.constant(float(start)))
            if s.kind == "argmax":
                slots[p].append(self.alloca(self.vtype, self.width * self.bytes))
                self.put(slots[p][1], self.constant(-1.0))
        cut = blocks(s, unrolled, self.group.lanes, len(points), self.width if s.out in self.group.partial else 1)
        if cut and cut.exact:
            return self.in_exact_blocks(s, unrolled, env, points, slots, cut)
        self.reduce(s, unrolled, env, points, slots, cut)
        return self.taken(slots)

    def taken(self, slots: dict[Point, list[str]]) -> dict[Point, Value]:
        """What the last of each point's slots holds."""
        return {p: (self.value(f"load {self.vtype}, ptr {slot[-1]}, align {self.width * self.bytes}"), self.width > 1) for p, slot in slots.items()}

    def in_exact_blocks(
        self, s: Statement, unrolled: tuple[str, ...], env: Env, points: dict[Point, tuple[Env, int]], slots: dict[Point, list[str]], cut: Blocks
    ) -> dict[Point, Value]:
        """A sum of very many terms; one over a batch that is a single block does without."""
        totals = {p: [self.alloca(self.vtype, self.width * self.bytes) for _ in range(2)] for p in points}

        def long() -> None:
            for slot in totals.values():
                self.put(slot[0], self.constant(0.0))
                self.put(slot[1], self.constant(0.0))
            self.reduce(s, unrolled, env, points, totals, cut)
            for p, slot in totals.items():
                self.put(slots[p][0], self.settled_sum(slot))

        if SAMPLES in s.red_extents and not self.group.lanes:
            few = self.pure(f"icmp sle i64 %n, {2 * BLOCK}")
            self.when([few], lambda: self.reduce(s, unrolled, env, points, slots, None))
            self.quiet += 1
            self.when([self.pure(f"icmp sgt i64 %n, {2 * BLOCK}")], long)
            self.quiet -= 1
        else:
            long()
        return self.taken(slots)

    def reduce(
        self,
        s: Statement,
        unrolled: tuple[str, ...],
        env: Env,
        points: dict[Point, tuple[Env, int]],
        slots: dict[Point, list[str]] | None,
        cut: Blocks | None = None,
    ) -> None:
        order, extent = reduction_order(s, unrolled, self.group.lanes)
        if any(e == 0 for e in s.red_extents):
            return
        depth = self.depth
        parts = {p: [self.alloca(self.vtype, self.width * self.bytes)] for p in points} if cut else slots

        def block(inside: Callable[[], None]) -> None:
            """Sum up a block of terms apart, then add it with what rounding takes from the addition."""
            assert parts is not None and slots is not None
            for p in points:
                self.put(parts[p][0], self.constant(0.0))
            self.scopes.append({})
            inside()
            self.scopes.pop()
            for p in points:
                self.add_block(slots[p], parts[p][0])

        def go(k: int, placed: Env, settled: frozenset[Poly]) -> None:
            if k == len(order):
                self.terms(s, points, placed, settled, parts)
                return
            letter = order[k]
            if letter in unrolled:
                for v in range(extent[letter]):
                    go(k + 1, placed | {letter: Place.at(v)}, settled)
                return

            def body(p: Place, more: frozenset[Poly]) -> None:
                if cut and k == cut.level and not cut.size:
                    block(lambda: go(k + 1, placed | {letter: p}, settled | more))
                else:
                    go(k + 1, placed | {letter: p}, settled | more)

            around = (cut.size, block) if cut and k == cut.level and cut.size else None
            self.loop_over(s, letter, extent[letter], unrolled, env, placed, settled, points, body, around)

        tiled = [x for x, n in self.group.tile.items() if n > 1]
        self.tested: dict[str, None] = {}  # conditions that became branches
        go(0, {}, frozenset())
        if s.kind != "map" and not self.quiet:
            what = f"{s.out}[{','.join(map(str, s.target))}] +=" if s.scatter else f"{s.kind} of"
            only = f" where {' and '.join(self.tested)}" if self.tested else ""
            taps = f" ({', '.join(f'{x} in 0..{extent[x]}' for x in unrolled)} written out)" if unrolled else ""
            tile = f" for a tile of {','.join(tiled)}" if tiled else ""
            self.note(f"{what} {expression(s.body, {})}{only}{taps}{tile}")
        self.depth = depth

    def loop_over(self, s, letter, extent, unrolled, env, placed, settled, points, body, around=None) -> None:  # type: ignore[no-untyped-def]  # what reduce() knows, as it knows it
        """A loop over one reduced letter, bounded by what the guards demand of it."""
        work = len(points) * per_point(s, {letter, *placed})
        if extent == SAMPLES:
            return self.over_samples(letter, body, around)
        known = dict(env.items()) | placed
        static = dict(zip(s.red, s.red_extents, strict=True))
        spread = {x: (min(e[x].const for e, _ in points.values()), max(e[x].const for e, _ in points.values())) for x in env}
        lows: list[str | int] = [0]
        highs: list[str | int] = [extent]
        first, last = 0, extent
        latest_start, earliest_stop = 0, extent  # over all places: is there always a term?
        more = set()
        for g in s.guards:
            coefs = linear(g)
            if letter not in g.names or g in settled or coefs is None or (g.names - {letter}) - set(known) - set(unrolled):
                continue
            a = coefs[letter]
            rest = g - a * Poly.name(letter)
            uniform = not (g.names & set(unrolled)) and all(spread[x][0] == spread[x][1] for x in g.names if x in spread)
            if uniform:
                here = known | {x: points[next(iter(points))][0][x] for x in env if x in g.names}
                terms, const = self.affine(rest, here)
                least = rest.interval(ranges(here))[0]
                if a > 0:
                    latest_start = max(latest_start, -(least // a))
                else:
                    earliest_stop = min(earliest_stop, least // -a + 1)
                if terms:
                    bound = self.bound(a, terms, const)
                    (lows if a > 0 else highs).append(bound)
                else:
                    (lows if a > 0 else highs).append(-(const // a) if a > 0 else const // -a + 1)
                more.add(g)
                continue
            if any(known[x].ssa for x in g.names if x in known):
                continue  # decided term by term
            span = {x: (known[x].lo, known[x].hi) for x in g.names if x in known and x not in spread}
            span |= {x: (known[x].lo - known[x].const + spread[x][0], known[x].hi - known[x].const + spread[x][1]) for x in g.names if x in spread}
            span |= {x: (0, static[x] - 1) for x in g.names if x in unrolled}
            good = [v for v in range(extent) if g.interval(span | {letter: (v, v)})[0] >= 0]
            if good and good == list(range(good[0], good[-1] + 1)):
                first, last = max(first, good[0]), min(last, good[-1] + 1)
        if (
            around is None
            and len(lows) == 1
            and len(highs) == 1
            and (first > 0 or last < extent)
            and first < last
            and first + extent - last <= MOST_PEELED
        ):
            return self.peeled(letter, extent, first, last, lambda p: body(p, frozenset()), work)
        lo, hi = self.most(lows, "smax"), self.most(highs, "smin")
        self.note(f"for {letter} in {self.words(s, letter, more, extent)}:")
        self.depth += 1
        lowest = max([v for v in lows if isinstance(v, int)])
        highest = min([v for v in highs if isinstance(v, int)])
        self.in_blocks(lo, hi, lowest, max(highest - 1, lowest), lambda p: body(p, frozenset(more)), latest_start < earliest_stop, work, around)

    def peeled(self, letter: str, extent: int, first: int, last: int, body: Callable[[Place], None], work: int) -> None:
        """A loop from first to last, with what lies before and behind it written out."""
        self.note(f"for {letter} in 0..{extent}:  # written out at the border: {first + extent - last}")
        self.depth += 1
        self.quiet += 1
        for v in range(first):
            body(Place.at(v))
        self.quiet -= 1
        self.loop(first, last, 1, first, last - 1, body, sure=True, work=work)
        self.quiet += 1
        for v in range(last, extent):
            body(Place.at(v))
        self.quiet -= 1

    def over_samples(self, letter, body, around) -> None:  # type: ignore[no-untyped-def]  # the arguments of loop_over()
        """A loop over the whole batch; the loops around it look up (to do so here, all sums would leave their registers)."""
        self.note(f"for {letter} in 0..N:")
        self.depth += 1
        self.in_blocks(0, "%n", 0, 1 << 40, lambda p: body(p, frozenset()), False, 0, around)

    def words(self, s: Statement, letter: str, guards: set[Poly], extent: int) -> str:
        lows, highs = ["0"], [str(extent)]
        for g in guards:
            a = (linear(g) or {})[letter]
            rest = g - a * Poly.name(letter)
            if a > 0:
                lows.append(str(-rest) if a == 1 else f"ceil(({-rest})/{a})")
            else:
                highs.append(str(rest + 1) if a == -1 else f"floor(({rest})/{-a})+1")
        low = lows[0] if len(lows) == 1 else f"max({', '.join(sorted(set(lows)))})"
        high = highs[0] if len(highs) == 1 else f"min({', '.join(sorted(set(highs)))})"
        return f"{low}..{high}"

    def bound(self, a: int, terms: tuple[tuple[str, int], ...], const: int) -> str:
        """The least (a > 0) or one past the greatest (a < 0) value v with a*v + rest >= 0."""
        if a > 0:
            negated = self.total((tuple((x, -c) for x, c in terms), -const + a - 1))
            return negated if a == 1 else self.floor_div(negated, a)
        total = self.total((terms, const - a if a == -1 else const))
        return total if a == -1 else self.pure(f"add nsw i64 {self.floor_div(total, -a)}, 1")

    def terms(
        self, s: Statement, points: dict[Point, tuple[Env, int]], placed: Env, settled: frozenset[Poly], slots: dict[Point, list[str]] | None
    ) -> None:
        """One combination of the reduced letters, at every point of the tile."""
        for p, (e, active) in points.items():
            here = e | placed
            span = ranges(here)
            tests: list[str] = []
            dead = False
            for g in s.guards:
                if g in settled:
                    continue
                lo, hi = g.interval(span)
                if hi < 0:
                    dead = True
                elif lo < 0:
                    tests.append(self.pure(f"icmp sge i64 {self.sum(g, here)}, 0"))
                    self.tested[f"{g} >= 0"] = None
            for q in s.equal:
                lo, hi = q.interval(span)
                if hi < 0 or lo > 0:
                    dead = True
                elif lo != 0 or hi != 0:
                    tests.append(self.pure(f"icmp eq i64 {self.sum(q, here)}, 0"))
                    self.tested[f"{q} == 0"] = None
            if not dead:
                self.when(tests, lambda here=here, active=active, p=p: self.term(s, here, active, p, slots))  # type: ignore[misc]  # mypy does not infer lambdas with defaults

    def term(self, s: Statement, here: Env, active: int, p: Point, slots: dict[Point, list[str]] | None) -> None:
        if slots is None:
            added = self.value_of(s.body, here, active, p)
            if s.out in self.group.wide:
                self.add_wide(s, here, active, added)
                return
            before = self.fetch(self.storage[s.out], s.target, here, active, fresh=True)
            self.store(s, here, active, self.binary("fadd", before, added))
            return
        slot = slots[p][0]
        align = self.width * self.bytes
        old = self.value(f"load {self.vtype}, ptr {slot}, align {align}")
        if s.kind == "sum":
            self.put(slot, self.accumulated(s.body, old, here, active, p))
            return
        v = self.vector(self.value_of(s.body, here, active, p))
        if s.kind == "prod":
            self.put(slot, self.value(f"fmul {self.vtype} {old}, {v}"))
            return
        flag = f"<{self.width} x i1>" if self.width > 1 else "i1"
        better = self.value(f"fcmp {'olt' if s.kind == 'min' else 'ogt'} {self.vtype} {v}, {old}")
        nan = self.value(f"fcmp uno {self.vtype} {v}, {v}")
        if s.kind == "argmax":  # the first of equal winners wins, and the first NaN beats all
            at = slots[p][1]
            known = self.value(f"load {self.vtype}, ptr {at}, align {align}")
            fresh = self.value(f"fcmp olt {self.vtype} {known}, {self.constant(0.0)}")
            number = self.value(f"fcmp ord {self.vtype} {old}, {old}")
            nan = self.value(f"and {flag} {nan}, {number}")
            better = self.value(f"or {flag} {better}, {fresh}")
            better = self.value(f"or {flag} {better}, {nan}")
            place = Poly({})
            for x, r in zip(s.red, s.red_extents, strict=True):
                place = place * r + Poly.name(x)
            k = self.vector(self.integer_value(place, here))
            self.put(at, self.value(f"select {flag} {better}, {self.vtype} {k}, {self.vtype} {known}"))
        else:
            better = self.value(f"or {flag} {better}, {nan}")
        self.put(slot, self.value(f"select {flag} {better}, {self.vtype} {v}, {self.vtype} {old}"))

    def accumulated(self, body: Expr, old: str, here: Env, active: int, p: Point) -> str:
        """old + body, with one fused multiply-add where the body is a product."""
        negative = isinstance(body, Call) and body.fn == "neg"
        factors = product_factors(body.args[0] if negative else body)  # type: ignore[union-attr]  # neg is a Call
        if len(factors) == 1:
            one = self.vector(self.value_of(factors[0], here, active, p))
            return self.value(f"{'fsub' if negative else 'fadd'} {self.vtype} {old}, {one}")
        values = [self.value_of(f, here, active, p) for f in factors]
        values.sort(key=lambda v: v[1])  # numbers first: they multiply each other as scalars
        a = values[0]
        for v in values[1:-1]:
            a = self.binary("fmul", a, v)
        if negative:
            a = self.negated(a)
        return self.intrinsic("fmuladd", self.vector(a), self.vector(values[-1]), old)
