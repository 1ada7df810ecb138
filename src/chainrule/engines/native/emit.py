"""One group of statements to one LLVM function.

The loops over the group's letters are walked with register tiles; at each tile every statement is computed for all
points of the tile, reductions in accumulators. What the guards of a sum demand becomes, in this order of preference,
nothing (proven by the ranges of the loops), static code for the few tiles at a border, bounds of a loop, or a branch.
"""

from __future__ import annotations

import itertools
import math
import struct
from collections.abc import Mapping

from ...language.index import Poly
from ...language.tree import Call, Const, Expr, Index, Read, product_factors
from . import vmath
from .group import Group, Storage
from .lower import SAMPLES, Statement, linear
from .text import Env, Place, Text, ranges

Value = tuple[str, bool]  # LLVM operand, is it a vector
Point = tuple[int, ...]

MOST_PEELED = 8  # border tiles of one loop written out
MOST_CODE = 6000  # multiplications written out in one group

BINARY = {"+": "fadd", "-": "fsub", "*": "fmul", "/": "fdiv"}
COMPARE = {"==": "oeq", "delta": "oeq", "!=": "une", "<": "olt", "<=": "ole", ">": "ogt", ">=": "oge"}


class Kernel(Text):
    """The function of a group; `text()` is its LLVM, `notes` its loop nest in words."""

    def __init__(self, group: Group, storage: Mapping[str, Storage], element: str, lanes: int, chunks: int):
        super().__init__()
        self.group, self.storage, self.element, self.chunks = group, storage, element, chunks
        self.width = lanes if group.lanes or group.vector else 1
        self.vtype = f"<{self.width} x {element}>" if self.width > 1 else element
        self.bytes = 4 if element == "float" else 8
        self.suffix = ("f32" if element == "float" else "f64") if self.width == 1 else f"v{self.width}f{self.bytes * 8}"
        self.functions: set[tuple[str, int]] = set()
        self.declared: set[str] = set()
        self.base = {t: f"%p{k}" for k, t in enumerate(group.tensors)}
        self.held: dict[tuple[str, Point], Value] = {}
        self.notes: list[str] = []
        self.depth = 0
        self.variants = 1
        self.quiet = 0

    # The function ------------------------------------------------------------------------------------------------

    def text(self) -> str:
        g = self.group
        args = ["i64 %first", "i64 %n", "ptr %order", "i64 %lo", "i64 %hi"]
        args += [f"ptr noalias {p}" for p in self.base.values()]
        self.label("entry")
        for s in g.statements:
            self.note(f"# {s.origin}")
        self.outer(0, {}, {})
        self.emit("ret void")
        head = f"define internal void @{g.name}({', '.join(args)}) nounwind {{"
        return "\n".join([head, self.lines[0], *self.allocas, *self.lines[1:], "}"])

    def note(self, text: str) -> None:
        if not self.quiet:
            self.notes.append("  " * self.depth + text)

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
        if k == 0 and not g.lanes:  # tasks share the outermost loop; a remainder belongs to the last of them
            if full:
                self.loop("%lo", "%hi_full", step, 0, (full - 1) * step, lambda p: go(p, offsets), sure=False)
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
                self.loop(first * step, last * step, step, first * step, (last - 1) * step, lambda p: go(p, offsets), sure=True)
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
            math.prod(dict(zip(s.red, s.red_extents, strict=True))[x] for x in u) for s, u in zip(self.group.statements, self.group.unroll, strict=True)
        )
        peeled = first + full - last
        return (first, last) if peeled <= MOST_PEELED and self.variants * (peeled + 2) * work <= MOST_CODE and all(ok[first:last]) else (0, full)

    # A tile --------------------------------------------------------------------------------------------------------

    def points(self, env: Env, tile: dict[str, list[tuple[int, int]]]) -> None:
        letters = list(tile)
        self.full_tile = {x: len(offs) if all(a == 1 for _, a in offs) else 0 for x, offs in tile.items()}
        self.tile_base = {x: env[x].const for x in letters}
        self.squares: dict[tuple[object, int], str] = {}
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
                results = {p: self.value_of(s.body, e, a, p) for p, (e, a) in points.items()}
            else:
                results = self.reduced(s, unrolled, env, points)
            for p, v in results.items():
                self.held[s.out, p] = v
            if s.out in self.group.partial:
                self.add_up(s, points, results)
            elif s.out in self.group.stored and self.squared(s, points, results):
                self.note(f"{s.out}[{','.join(map(str, s.target))}] = {s.origin.partition(' = ')[2]}  # transposed in registers")
            elif s.out in self.group.stored:
                self.note(f"{s.out}[{','.join(map(str, s.target))}] =" + (f" {s.kind} above" if s.kind != "map" else f" {s.origin.partition(' = ')[2]}"))
                for p, (e, a) in points.items():
                    self.store(s, e, a, results[p])

    def reduced(self, s: Statement, unrolled: tuple[str, ...], env: Env, points: dict[Point, tuple[Env, int]]) -> dict[Point, Value]:
        start = {"sum": "0.0", "max": "-inf", "min": "inf", "argmax": "-inf"}[s.kind]
        slots: dict[Point, list[str]] = {}
        for p in points:
            slots[p] = [self.alloca(self.vtype, self.width * self.bytes)]
            self.set(slots[p][0], self.constant(float(start)))
            if s.kind == "argmax":
                slots[p].append(self.alloca(self.vtype, self.width * self.bytes))
                self.set(slots[p][1], self.constant(-1.0))
        self.reduce(s, unrolled, env, points, slots)
        return {p: (self.value(f"load {self.vtype}, ptr {slots[p][-1]}, align {self.width * self.bytes}"), self.width > 1) for p in points}

    def set(self, slot: str, value: str) -> None:
        self.emit(f"store {self.vtype} {value}, ptr {slot}, align {self.width * self.bytes}")

    def reduce(self, s: Statement, unrolled: tuple[str, ...], env: Env, points: dict[Point, tuple[Env, int]], slots: dict[Point, list[str]] | None) -> None:
        order = [x for x in s.red if x not in unrolled] + [x for x in s.red if x in unrolled]
        extent = dict(zip(s.red, s.red_extents, strict=True))
        if self.group.lanes:  # the samples of a block are the lanes
            order = [x for x in order if extent[x] != SAMPLES]
        if any(e == 0 for e in s.red_extents):
            return
        depth = self.depth

        def go(k: int, placed: Env, settled: frozenset[Poly]) -> None:
            if k == len(order):
                self.terms(s, points, placed, settled, slots)
                return
            letter = order[k]
            if letter in unrolled:
                for v in range(extent[letter]):
                    go(k + 1, placed | {letter: Place.at(v)}, settled)
                return
            self.loop_over(s, letter, extent[letter], unrolled, env, placed, settled, points, lambda p, more: go(k + 1, placed | {letter: p}, settled | more))

        tiled = [x for x, n in self.group.tile.items() if n > 1]
        go(0, {}, frozenset())
        if s.kind != "map" and not self.quiet:
            taps = f" ({','.join(unrolled)} written out)" if unrolled else ""
            self.note(f"{s.kind} of {s.origin.partition('(')[2][:-1] if '(' in s.origin else s.origin}{taps}" + (f" for a tile of {','.join(tiled)}" if tiled else ""))
        self.depth = depth

    def loop_over(self, s, letter, extent, unrolled, env, placed, settled, points, body) -> None:  # type: ignore[no-untyped-def]
        """A loop over one reduced letter, bounded by what the guards demand of it."""
        if extent == SAMPLES:
            self.note(f"for {letter} in 0..N:")
            self.depth += 1
            self.loop(0, "%n", 1, 0, 1 << 40, lambda p: body(p, frozenset()), sure=False)
            return
        known = {x: pl for x, pl in env.items()} | placed
        static = dict(zip(s.red, s.red_extents, strict=True))
        spread = {x: (min(e[x].const for e, _ in points.values()), max(e[x].const for e, _ in points.values())) for x in env}
        lows: list[str | int] = [0]
        highs: list[str | int] = [extent]
        first, last = 0, extent
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
        if len(lows) == 1 and len(highs) == 1 and (first > 0 or last < extent) and first < last and first + extent - last <= MOST_PEELED:
            self.note(f"for {letter} in 0..{extent}:  # written out at the border: {first + extent - last}")
            self.depth += 1
            self.quiet += 1
            for v in range(first):
                body(Place.at(v), frozenset())
            self.quiet -= 1
            self.loop(first, last, 1, first, last - 1, lambda p: body(p, frozenset()), sure=True)
            self.quiet += 1
            for v in range(last, extent):
                body(Place.at(v), frozenset())
            self.quiet -= 1
            return
        lo, hi = self.most(lows, "smax"), self.most(highs, "smin")
        self.note(f"for {letter} in {self.words(s, letter, more, extent)}:")
        self.depth += 1
        lowest = max([v for v in lows if isinstance(v, int)])
        highest = min([v for v in highs if isinstance(v, int)])
        self.loop(lo, hi, 1, lowest, max(highest - 1, lowest), lambda p: body(p, frozenset(more)), sure=False)

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

    def floor_div(self, x: str, d: int) -> str:
        if d & (d - 1) == 0:
            return self.pure(f"ashr i64 {x}, {d.bit_length() - 1}")
        q = self.pure(f"sdiv i64 {x}, {d}")
        r = self.pure(f"srem i64 {x}, {d}")
        below = self.pure(f"icmp slt i64 {r}, 0")
        return self.pure(f"sub i64 {q}, {self.pure(f'zext i1 {below} to i64')}")

    def most(self, bounds: list[str | int], how: str) -> str | int:
        """The tightest of several bounds."""
        numbers = [b for b in bounds if isinstance(b, int)]
        out: str | int = max(numbers) if how == "smax" else min(numbers)
        for b in dict.fromkeys(b for b in bounds if isinstance(b, str)):
            out = self.pure(f"call i64 @llvm.{how}.i64(i64 {b}, i64 {out})")
        return out

    def terms(self, s: Statement, points: dict[Point, tuple[Env, int]], placed: Env, settled: frozenset[Poly], slots: dict[Point, list[str]] | None) -> None:
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
            for q in s.equal:
                lo, hi = q.interval(span)
                if hi < 0 or lo > 0:
                    dead = True
                elif lo != 0 or hi != 0:
                    tests.append(self.pure(f"icmp eq i64 {self.sum(q, here)}, 0"))
            if not dead:
                self.when(tests, lambda here=here, active=active, p=p: self.term(s, here, active, p, slots))  # type: ignore[misc]

    def term(self, s: Statement, here: Env, active: int, p: Point, slots: dict[Point, list[str]] | None) -> None:
        if slots is None:
            added = self.value_of(s.body, here, active, p)
            old = self.fetch(self.storage[s.out], s.target, here, active, fresh=True)
            self.store(s, here, active, self.binary("fadd", old, added))
            return
        slot = slots[p][0]
        align = self.width * self.bytes
        old = self.value(f"load {self.vtype}, ptr {slot}, align {align}")
        if s.kind == "sum":
            self.set(slot, self.accumulated(s.body, old, here, active, p))
            return
        v = self.vector(self.value_of(s.body, here, active, p))
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
            self.set(at, self.value(f"select {flag} {better}, {self.vtype} {k}, {self.vtype} {known}"))
        else:
            better = self.value(f"or {flag} {better}, {nan}")
        self.set(slot, self.value(f"select {flag} {better}, {self.vtype} {v}, {self.vtype} {old}"))

    def accumulated(self, body: Expr, old: str, here: Env, active: int, p: Point) -> str:
        """old + body, with one fused multiply-add where the body is a product."""
        negative = isinstance(body, Call) and body.fn == "neg"
        factors = product_factors(body.args[0] if negative else body)  # type: ignore[union-attr]
        if len(factors) == 1:
            v = self.vector(self.value_of(factors[0], here, active, p))
            return self.value(f"{'fsub' if negative else 'fadd'} {self.vtype} {old}, {v}")
        values = [self.value_of(f, here, active, p) for f in factors]
        values.sort(key=lambda v: v[1])  # numbers first: they multiply each other as scalars
        a = values[0]
        for v in values[1:-1]:
            a = self.binary("fmul", a, v)
        if negative:
            a = self.negated(a)
        return self.intrinsic("fmuladd", self.vector(a), self.vector(values[-1]), old)

    # Sums over samples -----------------------------------------------------------------------------------------------

    def add_up(self, s: Statement, points: dict[Point, tuple[Env, int]], results: dict[Point, Value]) -> None:
        """Add the lanes of each accumulator to the chunk's partial sum; lanes beyond the last sample do not count."""
        mask = self.lane_mask()
        flag = f"<{self.width} x i1>"
        zero = self.constant(0.0)
        values = [self.value(f"select {flag} {mask}, {self.vtype} {self.vector(v)}, {self.vtype} {zero}") if self.width > 1 else self.vector(v) for v in results.values()]
        self.note(f"{s.out}[{','.join(map(str, s.target))}] += the lanes' total")
        if self.width == 1:
            totals = values
        else:
            totals = []
            for k in range(0, len(values), self.width):
                part = values[k : k + self.width]
                whole = self.transposed_sum(part + [zero] * (self.width - len(part)) if len(part) > 1 else part)
                if len(part) == 1:
                    totals.append(whole)
                else:
                    totals += [self.value(f"extractelement {self.vtype} {whole}, i32 {i}") for i in range(len(part))]
        store = self.storage[s.out]
        for (e, _), t in zip(points.values(), totals, strict=True):
            at = self.pointer(self.base[s.out], self.element, self.affine(store.flat(s.target), e), 1)
            old = self.value(f"load {self.element}, ptr {at}, align {self.bytes}")
            new = self.value(f"fadd {self.element} {old}, {t}")
            self.emit(f"store {self.element} {new}, ptr {at}, align {self.bytes}")

    def transposed_sum(self, values: list[str]) -> str:
        """Totals of `width` vectors as the lanes of one (a scalar, for a single vector): adds and shuffles in pairs."""
        w = self.width
        if len(values) == 1:
            v, size = values[0], w
            while size > 1:
                half = ", ".join(f"i32 {i + size // 2 if i < size // 2 else i}" for i in range(w))
                moved = self.value(f"shufflevector {self.vtype} {v}, {self.vtype} undef, <{w} x i32> <{half}>")
                v = self.value(f"fadd {self.vtype} {v}, {moved}")
                size //= 2
            return self.value(f"extractelement {self.vtype} {v}, i32 0")
        size = w  # each vector holds w/size segments, each the partial sum of one input, `size` lanes long
        while len(values) > 1:
            half = size // 2
            segments = w // size
            low = [seg * size + i for seg in range(2 * segments) for i in range(half)]
            high = [k + half for k in low]
            paired = []
            for a, b in zip(values[::2], values[1::2], strict=True):
                lo, hi = (
                    self.value(f"shufflevector {self.vtype} {a}, {self.vtype} {b}, <{w} x i32> <{', '.join(f'i32 {k}' for k in ks)}>") for ks in (low, high)
                )
                paired.append(self.value(f"fadd {self.vtype} {lo}, {hi}"))
            values, size = paired, half
        return values[0]

    def lane_mask(self) -> str:
        def make() -> str:
            left = self.value("sub nsw i64 %n, %first")
            one = self.value(f"insertelement <{self.width} x i64> undef, i64 {left}, i32 0")
            all_ = self.value(f"shufflevector <{self.width} x i64> {one}, <{self.width} x i64> undef, <{self.width} x i32> zeroinitializer")
            lanes = ", ".join(f"i64 {i}" for i in range(self.width))
            return self.value(f"icmp sgt <{self.width} x i64> {all_}, <{lanes}>")

        return self.once("lane mask", make)

    # Memory ----------------------------------------------------------------------------------------------------------

    def fetch(self, st: Storage, index: tuple[Poly, ...], here: Env, active: int, fresh: bool = False) -> Value:
        """The value at an index. `fresh`: do not trust what was read before (it may have been written since)."""
        if st.layout == "partial":
            parts = [self.load(st, st.flat(index) + c * st.places, here, active, fresh) for c in range(self.chunks)]
            while len(parts) > 1:
                parts = [self.binary("fadd", parts[k], parts[k + 1]) if k + 1 < len(parts) else parts[k] for k in range(0, len(parts), 2)]
            return parts[0]
        if not st.sample:
            return self.load(st, st.flat(index), here, active, fresh)
        flat = st.flat(index[1:])
        if self.group.lanes and st.layout == "lanes":
            key = ("lanes", st.name, self.affine(flat, here))
            at = self.pointer(self.base[st.name], self.element, key[2], self.width)
            load = lambda: self.value(f"load {self.vtype}, ptr {at}, align {self.width * self.bytes}")  # noqa: E731
            return (load() if fresh else self.once(key, load)), self.width > 1
        if self.group.lanes:
            return self.gathered(st, flat, here)
        row = self.sum(index[0], here)
        if st.indexed:
            at = self.pure(f"getelementptr inbounds i64, ptr %order, i64 {row}")
            row = self.once(("row", row), lambda: self.value(f"load i64, ptr {at}, align 8"))
        base = self.pure(f"getelementptr inbounds {st.element}, ptr {self.base[st.name]}, i64 {self.pure(f'mul nsw i64 {row}, {st.places}')}")
        return self.load(st, flat, here, active, fresh, base)

    def load(self, st: Storage, flat: Poly, here: Env, active: int, fresh: bool, base: str = "") -> Value:
        """A scalar, or a vector along the group's vector letter, of a tensor without lanes."""
        base = base or self.base[st.name]
        v = self.group.vector
        stride = (linear(flat) or {}).get(v, 0) if v else 0
        a = self.affine(flat, here)
        key = ("load", st.name, base, a, active if stride else 0)

        def make() -> str:
            if not stride:
                at = self.pointer(base, st.element, a, 1)
                return self.converted(st, self.value(f"load {st.element}, ptr {at}, align {_size(st.element)}"), 1)
            if stride == 1 and active == self.width:
                at = self.pointer(base, st.element, a, 1)
                raw = f"<{self.width} x {st.element}>" if self.width > 1 else st.element
                return self.converted(st, self.value(f"load {raw}, ptr {at}, align {_size(st.element)}"), self.width)
            if stride == 1 and st.element == self.element:
                at = self.pointer(base, st.element, a, 1)
                self.declared.add(f"declare {self.vtype} @llvm.masked.load.{self.suffix}.p0(ptr, i32, <{self.width} x i1>, {self.vtype})")
                return self.value(f"call {self.vtype} @llvm.masked.load.{self.suffix}.p0(ptr {at}, i32 {self.bytes}, {self.static_mask(active)}, {self.vtype} zeroinitializer)")
            out = "zeroinitializer" if self.width > 1 else ""
            for k in range(active):
                at = self.pointer(base, st.element, (a[0], a[1] + k * stride), 1)
                one = self.converted(st, self.value(f"load {st.element}, ptr {at}, align {_size(st.element)}"), 1)
                out = self.value(f"insertelement {self.vtype} {out}, {self.element} {one}, i32 {k}") if self.width > 1 else one
            return out

        return (make() if fresh else self.once(key, make)), bool(stride) and self.width > 1

    def static_mask(self, active: int) -> str:
        return f"<{self.width} x i1> <{', '.join(f'i1 {int(k < active)}' for k in range(self.width))}>"

    def gathered(self, st: Storage, flat: Poly, here: Env) -> Value:
        """One place of each lane's row; lanes beyond the last sample repeat it."""
        a = self.affine(flat, here)
        raw = f"<{self.width} x {st.element}>" if self.width > 1 else st.element
        letter = self.square(st, flat)
        if letter is not None:
            offset = here[letter].const - self.tile_base[letter]
            start = (a[0], a[1] - offset)
            key = ("square", st.name, start)
            if (key, 0) not in self.squares:
                loaded = []
                for k in range(self.width):
                    at = self.pointer(self.row(st, k), st.element, start, 1)
                    loaded.append(self.converted(st, self.value(f"load {raw}, ptr {at}, align {_size(st.element)}"), self.width))
                for k, v in enumerate(self.transposed(loaded)):
                    self.squares[key, k] = v
            return self.squares[key, offset], True

        def make() -> str:
            out = "undef"
            for k in range(self.width):
                at = self.pointer(self.row(st, k), st.element, a, 1)
                one = self.value(f"load {st.element}, ptr {at}, align {_size(st.element)}")
                out = self.value(f"insertelement {raw} {out}, {st.element} {one}, i32 {k}") if self.width > 1 else one
            return self.converted(st, out, self.width)

        return self.once(("gather", st.name, a), make), self.width > 1

    def square(self, st: Storage, flat: Poly) -> str | None:
        """The letter along which a whole square (lanes x places) of rows lies in this tile, if there is one."""
        w = self.width
        for letter, n in self.group.tile.items():
            if w > 1 and n == w and self.full_tile.get(letter) == w and (linear(flat) or {}).get(letter) == 1:
                return letter
        return None

    def transposed(self, values: list[str]) -> list[str]:
        """The transpose of a square of vectors, by exchanging blocks of 1, 2, 4, … lanes between pairs."""
        w, size = self.width, 1
        while size < w:
            out = list(values)
            for k in range(w):
                if k & size:
                    continue
                a, b = values[k], values[k | size]
                low = [i if not i & size else w + (i ^ size) for i in range(w)]
                high = [(i | size) if not i & size else w + i for i in range(w)]
                out[k], out[k | size] = (
                    self.value(f"shufflevector {self.vtype} {a}, {self.vtype} {b}, <{w} x i32> <{', '.join(f'i32 {i}' for i in m)}>") for m in (low, high)
                )
            values, size = out, size * 2
        return values

    def squared(self, s: Statement, points: dict[Point, tuple[Env, int]], results: dict[Point, Value]) -> bool:
        """Store a tile to rows as a transposed square, if it is one."""
        st = self.storage[s.out]
        if not (self.group.lanes and st.layout == "rows" and st.sample):
            return False
        flat = st.flat(s.target[1:])
        if self.square(st, flat) is None or len(points) != self.width:
            return False
        rows = self.transposed([self.vector(v) for v in results.values()])
        first = self.affine(flat, next(iter(points.values()))[0])
        for k in reversed(range(self.width)):
            at = self.pointer(self.row(st, k), st.element, first, 1)
            self.emit(f"store {self.vtype} {rows[k]}, ptr {at}, align {self.bytes}")
        return True

    def row(self, st: Storage, lane: int) -> str:
        """The pointer to a lane's row, computed once at the entry."""
        key = ("row pointer", st.name, lane)
        if key not in self.scopes[0]:
            kept, self.lines = self.lines, []
            scopes, self.scopes = self.scopes, self.scopes[:1]
            last = self.pure("sub nsw i64 %n, 1")
            want = self.pure(f"add nsw i64 %first, {lane}")
            row = self.pure(f"call i64 @llvm.smin.i64(i64 {want}, i64 {last})")
            if st.indexed:
                at = self.pure(f"getelementptr inbounds i64, ptr %order, i64 {row}")
                row = self.once(("row", row), lambda: self.value(f"load i64, ptr {at}, align 8"))
            offset = self.pure(f"mul nsw i64 {row}, {st.places}")
            self.scopes[0][key] = self.value(f"getelementptr inbounds {st.element}, ptr {self.base[st.name]}, i64 {offset}")
            made, self.lines, self.scopes = self.lines, kept, scopes
            self.lines[1:1] = self.entry_lines(made)
        return self.scopes[0][key]

    def entry_lines(self, made: list[str]) -> list[str]:
        """Lines for the entry block, behind those put there before."""
        self.allocas += made
        return []

    def converted(self, st: Storage, value: str, lanes: int) -> str:
        """A stored element as a number of the kernel's type."""
        if st.element == self.element:
            return value
        source = f"<{lanes} x {st.element}>" if lanes > 1 else st.element
        target = f"<{lanes} x {self.element}>" if lanes > 1 else self.element
        how = {"i8": "uitofp", "i32": "sitofp", "i64": "sitofp", "float": "fpext", "double": "fptrunc"}[st.element]
        return self.value(f"{how} {source} {value} to {target}")

    def store(self, s: Statement, here: Env, active: int, value: Value) -> None:
        st = self.storage[s.out]
        if st.sample and self.group.lanes:
            flat = st.flat(s.target[1:] if len(s.target) > len(st.shape) else s.target)
            v = self.vector(value)
            if st.layout == "lanes":
                at = self.pointer(self.base[s.out], self.element, self.affine(flat, here), self.width)
                self.emit(f"store {self.vtype} {v}, ptr {at}, align {self.width * self.bytes}")
                return
            a = self.affine(flat, here)
            for k in reversed(range(self.width)):
                at = self.pointer(self.row(st, k), st.element, a, 1)
                one = self.value(f"extractelement {self.vtype} {v}, i32 {k}") if self.width > 1 else v
                self.emit(f"store {st.element} {one}, ptr {at}, align {self.bytes}")
            return
        flat = st.flat(s.target)
        stride = (linear(flat) or {}).get(self.group.vector or "", 0)
        a = self.affine(flat, here)
        at = self.pointer(self.base[s.out], self.element, a, 1)
        if not self.group.vector or self.width == 1:
            self.emit(f"store {self.element} {value[0]}, ptr {at}, align {self.bytes}")
            return
        v = self.vector(value)
        if stride == 1 and active == self.width:
            self.emit(f"store {self.vtype} {v}, ptr {at}, align {self.bytes}")
        elif stride == 1:
            self.declared.add(f"declare void @llvm.masked.store.{self.suffix}.p0({self.vtype}, ptr, i32, <{self.width} x i1>)")
            self.emit(f"call void @llvm.masked.store.{self.suffix}.p0({self.vtype} {v}, ptr {at}, i32 {self.bytes}, {self.static_mask(active)})")
        else:
            for k in range(active):
                one = self.value(f"extractelement {self.vtype} {v}, i32 {k}")
                at = self.pointer(self.base[s.out], self.element, (a[0], a[1] + k * stride), 1)
                self.emit(f"store {self.element} {one}, ptr {at}, align {self.bytes}")

    # Values ----------------------------------------------------------------------------------------------------------

    def number(self, x: float) -> str:
        return "0x" + _hex(x, self.element)

    def constant(self, x: float) -> str:
        one = self.number(x)
        return one if self.width == 1 else f"<{', '.join([f'{self.element} {one}'] * self.width)}>"

    def vector(self, v: Value) -> str:
        """The operand as a vector; a number is spread over the lanes."""
        text, wide = v
        if wide or self.width == 1:
            return text
        if text.startswith("0x"):
            return f"<{', '.join([f'{self.element} {text}'] * self.width)}>"
        one = self.pure(f"insertelement {self.vtype} undef, {self.element} {text}, i32 0")
        return self.pure(f"shufflevector {self.vtype} {one}, {self.vtype} undef, <{self.width} x i32> zeroinitializer")

    def binary(self, op: str, a: Value, b: Value) -> Value:
        if a[1] or b[1]:
            return self.value(f"{op} {self.vtype} {self.vector(a)}, {self.vector(b)}"), True
        return self.value(f"{op} {self.element} {a[0]}, {b[0]}"), False

    def negated(self, a: Value) -> Value:
        return self.value(f"fneg {self.vtype if a[1] else self.element} {a[0]}"), a[1]

    def intrinsic(self, name: str, *args: str) -> str:
        self.declared.add(f"declare {self.vtype} @llvm.{name}.{self.suffix}({', '.join([self.vtype] * len(args))})")
        return self.value(f"call {self.vtype} @llvm.{name}.{self.suffix}({', '.join(f'{self.vtype} {a}' for a in args)})")

    def integer_value(self, p: Poly, here: Env) -> Value:
        """An index expression as a number."""
        if any(isinstance(c, float) for c in p.terms.values()) and p.constant is not None:
            return self.number(float(p.constant)), False
        if self.group.sample and self.group.sample in p.names:  # the number of samples
            here = here | {self.group.sample: Place("%n", 0, 1, 1 << 40)}
        lane_step = 0
        if self.group.vector and self.group.vector in p.names:
            lane_step = (linear(p) or {})[self.group.vector]
        terms, const = self.affine(p, here)
        if terms:
            base: Value = (self.pure(f"sitofp i64 {self.total((terms, const))} to {self.element}"), False)
        else:
            base = (self.number(float(const)), False)
        if not lane_step or self.width == 1:
            return base
        steps = f"<{', '.join(f'{self.element} {self.number(float(lane_step * k))}' for k in range(self.width))}>"
        return self.binary("fadd", (self.vector(base), True), (steps, True))

    def value_of(self, e: Expr, here: Env, active: int, p: Point) -> Value:
        match e:
            case Const(value):
                return self.number(float(value)), False
            case Index(expr):
                return self.integer_value(expr, here)
            case Read(tensor, index):
                if (tensor, p) in self.held:
                    return self.held[tensor, p]
                return self.fetch(self.storage[tensor], index, here, active)
            case Call(fn, args):
                return self.call(fn, args, here, active, p)
        raise TypeError(e)

    def call(self, fn: str, args: tuple[Expr, ...], here: Env, active: int, p: Point) -> Value:
        if fn in COMPARE or fn == "sign":
            return self.decision(fn, args, here, active, p)
        if fn == "where":
            return self.where(args, here, active, p)
        if fn == "**":
            return self.power(args, here, active, p)
        values = [self.value_of(a, here, active, p) for a in args]
        if fn in BINARY:
            return self.binary(BINARY[fn], *values)
        if fn == "neg":
            return self.negated(values[0])
        if fn in ("sqrt", "abs"):
            return self.pure_intrinsic("sqrt" if fn == "sqrt" else "fabs", values[0])
        if fn in ("maximum", "minimum"):  # NaN on either side wins, as in NumPy
            a, b = (self.vector(v) for v in values)
            flag = f"<{self.width} x i1>" if self.width > 1 else "i1"
            first = self.value(f"fcmp {'oge' if fn == 'maximum' else 'ole'} {self.vtype} {a}, {b}")
            nan = self.value(f"fcmp uno {self.vtype} {a}, {a}")
            first = self.value(f"or {flag} {first}, {nan}")
            return self.value(f"select {flag} {first}, {self.vtype} {a}, {self.vtype} {b}"), self.width > 1
        return self.library(fn, values)

    def pure_intrinsic(self, name: str, v: Value) -> Value:
        t, suffix = (self.vtype, self.suffix) if v[1] else (self.element, f"f{self.bytes * 8}")
        self.declared.add(f"declare {t} @llvm.{name}.{suffix}({t})")
        return self.value(f"call {t} @llvm.{name}.{suffix}({t} {v[0]})"), v[1]

    def library(self, fn: str, values: list[Value]) -> Value:
        wide = any(v[1] for v in values)
        lanes = self.width if wide else 1
        t = self.vtype if wide else self.element
        self.functions.add((fn, lanes))
        operands = [self.vector(v) if wide else v[0] for v in values]
        return self.value(f"call {t} {vmath.name_of(fn, self.element, lanes)}({', '.join(f'{t} {o}' for o in operands)})"), wide

    def power(self, args: tuple[Expr, ...], here: Env, active: int, p: Point) -> Value:
        base, exponent = self.value_of(args[0], here, active, p), args[1]
        k = exponent.value if isinstance(exponent, Const) else exponent.expr.constant if isinstance(exponent, Index) else None
        if k == 0.5:
            return self.pure_intrinsic("sqrt", base)
        if k is None or k != int(k) or abs(k) > 16:
            return self.library("pow", [base, self.value_of(exponent, here, active, p)])
        out: Value | None = None
        square, left = base, abs(int(k))
        while left:
            if left & 1:
                out = square if out is None else self.binary("fmul", out, square)
            left >>= 1
            square = self.binary("fmul", square, square) if left else square
        out = out or (self.number(1.0), False)
        return self.binary("fdiv", (self.number(1.0), False), out) if k < 0 else out

    def test(self, e: Expr, here: Env, active: int, p: Point) -> tuple[str, bool]:
        """A comparison (or a number that is not 0) as a flag for each lane."""
        if isinstance(e, Call) and e.fn in COMPARE:
            a, b = (self.value_of(x, here, active, p) for x in e.args)
            if a[1] or b[1]:
                return self.value(f"fcmp {COMPARE[e.fn]} {self.vtype} {self.vector(a)}, {self.vector(b)}"), True
            return self.value(f"fcmp {COMPARE[e.fn]} {self.element} {a[0]}, {b[0]}"), False
        v = self.value_of(e, here, active, p)
        t = self.vtype if v[1] else self.element
        zero = self.constant(0.0) if v[1] else self.number(0.0)
        return self.value(f"fcmp une {t} {v[0]}, {zero}"), v[1]

    def choose(self, flag: tuple[str, bool], a: Value, b: Value) -> Value:
        if not (flag[1] or a[1] or b[1]):
            return self.value(f"select i1 {flag[0]}, {self.element} {a[0]}, {self.element} {b[0]}"), False
        kind = f"<{self.width} x i1>" if flag[1] else "i1"
        return self.value(f"select {kind} {flag[0]}, {self.vtype} {self.vector(a)}, {self.vtype} {self.vector(b)}"), True

    def decision(self, fn: str, args: tuple[Expr, ...], here: Env, active: int, p: Point) -> Value:
        one, zero = (self.number(1.0), False), (self.number(0.0), False)
        if fn != "sign":
            return self.choose(self.test(Call(fn, args), here, active, p), one, zero)
        v = self.value_of(args[0], here, active, p)
        t = self.vtype if v[1] else self.element
        nought = self.constant(0.0) if v[1] else self.number(0.0)
        above = self.value(f"fcmp ogt {t} {v[0]}, {nought}"), v[1]
        below = self.value(f"fcmp olt {t} {v[0]}, {nought}"), v[1]
        nan = self.value(f"fcmp uno {t} {v[0]}, {v[0]}"), v[1]
        return self.choose(above, one, self.choose(below, (self.number(-1.0), False), self.choose(nan, v, zero)))

    def where(self, args: tuple[Expr, ...], here: Env, active: int, p: Point) -> Value:
        flag = self.test(args[0], here, active, p)
        return self.choose(flag, self.value_of(args[1], here, active, p), self.value_of(args[2], here, active, p))


def _size(element: str) -> int:
    return {"i8": 1, "i32": 4, "i64": 8, "float": 4, "double": 8}[element]


def _hex(x: float, element: str) -> str:
    if element == "float" and math.isfinite(x):
        try:
            x = struct.unpack("f", struct.pack("f", x))[0]
        except OverflowError:
            x = math.copysign(math.inf, x)
    return struct.pack(">d", x).hex().upper()
