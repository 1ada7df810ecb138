"""Where values are read and written: lanes, rows and plain tensors, transposed squares, sums over lanes."""

from __future__ import annotations

from collections.abc import Callable

from ...language.index import Poly
from .group import CHUNK, Storage, wide
from .lower import Statement, step_of
from .text import Env, Place
from .values import Point, Value, Values


class Memory(Values):
    """Loads, stores and sums over samples of a group's tensors."""

    full_tile: dict[str, int]  # letters of the current tile that are there in full -> how many points
    tile_base: dict[str, int]  # the constant part of each letter's place at the tile's first point
    squares: dict[tuple[object, int], str]  # transposed squares of rows read in the current tile

    def put(self, slot: str, value: str) -> None:
        self.emit(f"store {self.vtype} {value}, ptr {slot}, align {self.width * self.bytes}")

    def note(self, text: str) -> None:
        if not self.quiet:
            self.notes.append("  " * self.depth + text)

    def flat(self, st: Storage, index: tuple[Poly, ...]) -> Poly:
        """The place of an index, counted from where the group is given the tensor."""
        at = st.flat(index)
        return at - self.shift[st.name] if self.shift.get(st.name) else at

    def fetch(self, st: Storage, index: tuple[Poly, ...], here: Env, active: int, fresh: bool = False) -> Value:
        """The value at an index. `fresh`: do not trust what was read before (it may have been written since)."""
        if st.layout == "partial" and not (index and index[0].letter == CHUNK):
            parts = [self.load(st, st.flat(index) + c * st.places, here, active, fresh) for c in range(self.chunks)]
            while len(parts) > 1:
                parts = [self.binary("fadd", parts[k], parts[k + 1]) if k + 1 < len(parts) else parts[k] for k in range(0, len(parts), 2)]
            return parts[0]
        if not st.sample:
            return self.load(st, self.flat(st, index), here, active, fresh)
        flat = self.flat(st, index[1:])
        if self.group.lanes and st.layout == "lanes":
            key = ("lanes", st.name, self.affine(flat, here))
            at = self.pointer(self.base[st.name], self.element, key[2], self.width)
            text = f"load {self.vtype}, ptr {at}, align {self.width * self.bytes}"
            return (self.value(text) if fresh else self.once(key, lambda: self.value(text))), self.width > 1
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
        stride = step_of(flat, v)
        a = self.affine(flat, here)
        key = ("load", self.element, st.name, base, a, stride, active if stride else 0)  # x[i] and x[2*i] start at one place and part from there

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
                return self.value(
                    f"call {self.vtype} @llvm.masked.load.{self.suffix}.p0(ptr {at}, i32 {self.bytes}, {self.static_mask(active)}, {self.vtype} zeroinitializer)"
                )
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
            key = ("square", self.element, st.name, start)
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

        return self.once(("gather", self.element, st.name, a), make), self.width > 1

    def square(self, st: Storage, flat: Poly) -> str | None:
        """The letter along which a whole square (lanes x places) of rows lies in this tile, if there is one."""
        w = self.width
        for letter, n in self.group.tile.items():
            if w > 1 and n == w and self.full_tile.get(letter) == w and step_of(flat, letter) == 1:
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
                    self.value(f"shufflevector {self.vtype} {a}, {self.vtype} {b}, <{w} x i32> <{', '.join(f'i32 {i}' for i in m)}>")
                    for m in (low, high)
                )
            values, size = out, size * 2
        return values

    def squared(self, s: Statement, points: dict[Point, tuple[Env, int]], results: dict[Point, Value]) -> bool:
        """Store a tile to rows as a transposed square, if it is one."""
        st = self.storage[s.out]
        if not (self.group.lanes and st.layout == "rows" and st.sample):
            return False
        flat = self.flat(st, s.target[1:])
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
        if self.element == "i64":
            return self.value(f"{'zext' if st.element == 'i8' else 'sext'} {source} {value} to {target}")
        how = {"i8": "uitofp", "i32": "sitofp", "i64": "sitofp", "float": "fpext", "double": "fptrunc"}[st.element]
        return self.value(f"{how} {source} {value} to {target}")

    def store(self, s: Statement, here: Env, active: int, value: Value) -> None:
        st = self.storage[s.out]
        if st.sample and self.group.lanes:
            flat = self.flat(st, s.target[1:] if len(s.target) > len(st.shape) else s.target)
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
        flat = self.flat(st, s.target)
        stride = step_of(flat, self.group.vector)
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

    # Scatters that add up in doubles -----------------------------------------------------------------------------------

    def add_wide(self, s: Statement, here: Env, active: int, value: Value) -> None:
        """Add a value to the doubles beside the tensor."""
        st = self.storage[s.out]
        base = self.base[wide(s.out)]
        flat = st.flat(s.target[1:] if st.sample and len(s.target) > len(st.shape) else s.target)
        a = self.affine(flat, here)
        if st.sample and self.group.lanes:
            doubles = f"<{self.width} x double>" if self.width > 1 else "double"
            at = self.pointer(base, "double", a, self.width)
            self.emit_sum(doubles, at, self.value(f"fpext {self.vtype} {self.vector(value)} to {doubles}"))
            return
        stride = step_of(flat, self.group.vector)
        for k in range(active if self.group.vector and self.width > 1 else 1):
            one = self.value(f"extractelement {self.vtype} {value[0]}, i32 {k}") if value[1] and self.width > 1 else value[0]
            at = self.pointer(base, "double", (a[0], a[1] + k * stride), 1)
            self.emit_sum("double", at, self.value(f"fpext {self.element} {one} to double"))

    def emit_sum(self, kind: str, at: str, value: str) -> None:
        old = self.value(f"load {kind}, ptr {at}, align 8")
        self.emit(f"store {kind} {self.value(f'fadd {kind} {old}, {value}')}, ptr {at}, align 8")

    def narrow(self, tensor: str) -> None:
        """Put the doubles into the tensor."""
        st = self.storage[tensor]
        count = st.places * (self.width if st.sample and self.group.lanes else 1)

        def copy(size: int) -> Callable[[Place], None]:
            doubles, floats = (f"<{size} x {kind}>" if size > 1 else kind for kind in ("double", self.element))

            def one(p: Place) -> None:
                k = self.sum(Poly.name("place"), {"place": p})
                source = self.pure(f"getelementptr inbounds double, ptr {self.base[wide(tensor)]}, i64 {k}")
                target = self.pure(f"getelementptr inbounds {self.element}, ptr {self.base[tensor]}, i64 {k}")
                v = self.value(f"load {doubles}, ptr {source}, align 8")
                self.emit(f"store {floats} {self.value(f'fptrunc {doubles} {v} to {floats}')}, ptr {target}, align {self.bytes}")

            return one

        whole = count - count % 8
        self.loop(0, whole, 8, 0, max(0, whole - 8), copy(8), sure=whole > 0)
        self.loop(whole, count, 1, whole, max(whole, count - 1), copy(1), sure=count > whole)
        self.note(f"{tensor} = {wide(tensor)}  (in doubles until here)")

    def add_up(self, s: Statement, points: dict[Point, tuple[Env, int]], results: dict[Point, Value]) -> None:
        """Add the lanes of each accumulator to the chunk's partial sum; lanes beyond the last sample do not count."""
        mask = self.lane_mask()
        flag = f"<{self.width} x i1>"
        zero = self.constant(0.0)
        values = [
            self.value(f"select {flag} {mask}, {self.vtype} {self.vector(v)}, {self.vtype} {zero}") if self.width > 1 else self.vector(v)
            for v in results.values()
        ]
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
            at = self.pointer(self.base[s.out], self.element, self.affine(self.flat(store, s.target), e), 1)
            old = self.value(f"load {self.element}, ptr {at}, align {self.bytes}")
            new = self.value(f"fadd {self.element} {old}, {t}")
            self.emit(f"store {self.element} {new}, ptr {at}, align {self.bytes}")

    def add_block(self, slot: list[str], part: str) -> None:
        """slot[0] += part; where there is a slot[1], exactly: what the sum cannot hold goes there (Knuth's TwoSum).

        The totals stay in memory (volatile): held in registers, they would crowd out the blocks' own sums.
        """
        align = self.width * self.bytes
        new = self.value(f"load {self.vtype}, ptr {part}, align {align}")
        total, *lost = [self.value(f"load volatile {self.vtype}, ptr {x}, align {align}") for x in slot]
        whole = self.value(f"fadd {self.vtype} {total}, {new}")
        self.emit(f"store volatile {self.vtype} {whole}, ptr {slot[0]}, align {align}")
        if lost:
            taken = self.value(f"fsub {self.vtype} {whole}, {total}")
            a = self.value(f"fsub {self.vtype} {total}, {self.value(f'fsub {self.vtype} {whole}, {taken}')}")
            b = self.value(f"fsub {self.vtype} {new}, {taken}")
            rest = self.value(f"fadd {self.vtype} {lost[0]}, {self.value(f'fadd {self.vtype} {a}, {b}')}")
            self.emit(f"store volatile {self.vtype} {rest}, ptr {slot[1]}, align {align}")

    def settled_sum(self, slot: list[str]) -> str:
        """The sum with what its additions lost; an infinite sum lost nothing that counts."""
        total, lost = (self.value(f"load {self.vtype}, ptr {x}, align {self.width * self.bytes}") for x in slot)
        flag = f"<{self.width} x i1>" if self.width > 1 else "i1"
        sound = self.value(f"fcmp ord {self.vtype} {lost}, {lost}")
        both = self.value(f"fadd {self.vtype} {total}, {lost}")
        return self.value(f"select {flag} {sound}, {self.vtype} {both}, {self.vtype} {total}")

    def transposed_sum(self, values: list[str]) -> str:
        """Totals of `width` vectors as the lanes of one (a scalar, for a single vector): adds and shuffles in pairs."""
        w = self.width
        if len(values) == 1:
            whole, half = values[0], w // 2
            while half:
                order = ", ".join(f"i32 {i + half if i < half else i}" for i in range(w))
                moved = self.value(f"shufflevector {self.vtype} {whole}, {self.vtype} undef, <{w} x i32> <{order}>")
                whole = self.value(f"fadd {self.vtype} {whole}, {moved}")
                half //= 2
            return self.value(f"extractelement {self.vtype} {whole}, i32 0")
        size = w  # each vector holds w/size segments, each the partial sum of one input, `size` lanes long
        while len(values) > 1:
            half = size // 2
            segments = w // size
            low = [seg * size + i for seg in range(2 * segments) for i in range(half)]
            high = [k + half for k in low]
            paired = []
            for a, b in zip(values[::2], values[1::2], strict=True):
                lo, hi = (
                    self.value(f"shufflevector {self.vtype} {a}, {self.vtype} {b}, <{w} x i32> <{', '.join(f'i32 {k}' for k in ks)}>")
                    for ks in (low, high)
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


def _size(element: str) -> int:
    return {"i8": 1, "i32": 4, "i64": 8, "float": 4, "double": 8}[element]
