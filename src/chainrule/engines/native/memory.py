"""Where values are read and written: lanes, rows and plain tensors, transposed squares, sums over lanes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ...language.index import Poly
from ..number import ADDRESS, I64, Number, vector
from .builder import Affine, Builder, Env, Place
from .group import CHUNK, Group, Storage, beside
from .lanes import Lanes, inside
from .lower import Statement, step_of
from .nest import Const, Op, Operand, Var, type_of
from .spec import Arrangement

Point = tuple[int, ...]
FIRST, N, ORDER = Var("first", I64), Var("n", I64), Var("order", ADDRESS)  # parameters of every kernel


@dataclass(frozen=True)
class Site:
    """What a kernel is made for: a group, the memory of its tensors, and how wide vectors are."""

    group: Group
    storage: Mapping[str, Storage]
    number: Number
    width: int
    chunks: int

    @property
    def base(self) -> dict[str, Var]:
        return {t: Var(f"p{k}", ADDRESS) for k, t in enumerate(self.group.tensors)}


@dataclass(frozen=True)
class Spot:
    """A point of a tile: where the letters stand, and how many lanes of a vector are inside the range."""

    point: Point
    env: Env
    active: int

    def at(self, more: Env) -> Spot:
        return Spot(self.point, self.env | more, self.active)

    def lanes(self, p: Poly) -> bool:
        """Whether an index has a value of its own in each lane."""
        places = (self.env[x].value for x in p.names if x in self.env)
        return any(v is not None and v.type.lanes > 1 for v in places)


@dataclass(frozen=True)
class Tile:
    """The points computed together, and what is known while they are.

    full: letters whose tile is there whole -> how many points; base: the constant part of each letter's place at the first point.
    """

    spots: dict[Point, Spot] = field(default_factory=dict)
    full: dict[str, int] = field(default_factory=dict)
    base: dict[str, int] = field(default_factory=dict)
    held: dict[tuple[str, Point], Operand] = field(default_factory=dict)  # values of the group's own statements
    squares: dict[tuple[object, int], Operand] = field(default_factory=dict)  # transposed squares of rows


class Memory:
    """Loads, stores and sums over samples of a group's tensors."""

    def __init__(self, site: Site, b: Builder, lanes: Lanes):
        self.site, self.b, self.lanes, self.tile = site, b, lanes, Tile()
        self.group, self.width = site.group, site.width
        self.base, self.shift = site.base, site.group.shifts(site.storage)

    def flat(self, st: Storage, index: tuple[Poly, ...]) -> Poly:
        """The place of an index, counted from where the group is given the tensor."""
        at = st.flat(index)
        return at - self.shift[st.name] if self.shift.get(st.name) else at

    # Loads -----------------------------------------------------------------------------------------------------------

    def fetch(self, st: Storage, index: tuple[Poly, ...], spot: Spot, lanes: Lanes, fresh: bool = False) -> Operand:
        """The value at an index, as a number of the type of `lanes`. `fresh`: do not trust what was read before (it may have been
        written since)."""
        if any(spot.lanes(p) for p in index):
            return self.looked_up(st, index, spot, lanes)
        if st.layout is Arrangement.PARTIAL and not (index and index[0].letter == CHUNK):
            parts = [self.load(st, st.flat(index) + c * st.places, spot, lanes, fresh) for c in range(self.site.chunks)]
            while len(parts) > 1:
                parts = [lanes.binary(Op.ADD, parts[k], parts[k + 1]) if k + 1 < len(parts) else parts[k] for k in range(0, len(parts), 2)]
            return parts[0]
        if not st.sample:
            return self.load(st, self.flat(st, index), spot, lanes, fresh)
        flat = self.flat(st, index[1:])
        if self.group.lanes and st.layout is Arrangement.LANES:
            a = self.b.affine(flat, spot.env)
            at = self.b.pointer(self.base[st.name], lanes.number, a, self.width)
            return self.b.get(at, lanes.type) if fresh else self.b.once(("lanes", st.name, a), lambda: self.b.get(at, lanes.type))
        if self.group.lanes:
            return self.gathered(st, flat, spot, lanes)
        row = self.b.sum(index[0], spot.env)
        if st.indexed:
            row = self.listed(row)
        away = self.b.pure(Op.MUL, I64, row, st.places)
        return self.load(st, flat, spot, lanes, fresh, self.b.pure(Op.AT, ADDRESS, self.base[st.name], away, how=st.number))

    def looked_up(self, st: Storage, index: tuple[Poly, ...], spot: Spot, lanes: Lanes) -> Var:
        """The value at an index that differs from lane to lane."""
        b, raw = self.b, vector(st.number, self.width)
        out: Operand = Const(0, raw)
        for k in range(spot.active):
            at = self.lane_of(st, index, spot, k, self.base[st.name], st.number)
            out = b.value(Op.INSERT, raw, out, b.load(vector(st.number, 1), at, st.number.bytes), how=k)
        assert isinstance(out, Var)
        return lanes.converted(out)

    def lane_of(self, st: Storage, index: tuple[Poly, ...], spot: Spot, lane: int, base: Var, number: Number) -> Var:
        """The address of one lane's value at an index that differs from lane to lane."""
        b, env = self.b, dict(spot.env)
        for x in {x for p in index for x in p.names if x in env}:
            place = env[x]
            if place.value is not None and place.value.type.lanes > 1:
                env[x] = Place(b.pure(Op.EXTRACT, I64, place.value, how=lane), place.const, place.lo, place.hi)
            elif x == self.group.vector:
                env[x] = place.shifted(lane)
        if not st.sample:
            return b.pointer(base, number, b.affine(self.flat(st, index), env), 1)
        a = b.affine(self.flat(st, index[1:]), env)
        if not self.group.lanes:
            row = b.sum(index[0], env)
            away = b.pure(Op.MUL, I64, self.listed(row) if st.indexed else row, st.places)
            return b.pointer(b.pure(Op.AT, ADDRESS, base, away, how=number), number, a, 1)
        if st.layout is not Arrangement.LANES:
            return b.pointer(self.row(st, lane), number, a, 1)
        return b.pure(Op.AT, ADDRESS, b.pointer(base, number, a, self.width), lane, how=number)

    def listed(self, row: Operand) -> Var:
        """The number of a row that is found through the order."""
        at = self.b.pure(Op.AT, ADDRESS, ORDER, row, how=I64.number)
        return self.b.once(("row", row), lambda: self.b.load(I64, at, 8))

    def load(self, st: Storage, flat: Poly, spot: Spot, lanes: Lanes, fresh: bool, base: Var | None = None) -> Operand:
        """A scalar, or a vector along the group's vector letter, of a tensor without lanes."""
        start = base or self.base[st.name]
        stride, active = step_of(flat, self.group.vector), spot.active
        a = self.b.affine(flat, spot.env)
        key = ("load", lanes.number, st.name, start, a, stride, active if stride else 0)  # x[i] and x[2*i] start at one place and part from there

        def make() -> Var:
            return self.loaded(st, start, a, stride, active, lanes)

        return make() if fresh else self.b.once(key, make)

    def loaded(self, st: Storage, base: Var, a: Affine, stride: int, active: int, lanes: Lanes) -> Var:
        b, size = self.b, st.number.bytes
        whole = stride == 1 and active == self.width
        if not stride or whole:
            raw = vector(st.number, self.width if whole else 1)
            return lanes.converted(b.load(raw, b.pointer(base, st.number, a, 1), size))
        if stride == 1 and st.number is lanes.number:
            return b.value(Op.LOAD_PART, lanes.type, b.pointer(base, st.number, a, 1), how=active)
        out: Operand = lanes.all(0)
        for k in range(active):
            at = b.pointer(base, st.number, (a[0], a[1] + k * stride), 1)
            one = lanes.converted(b.load(vector(st.number, 1), at, size))
            out = b.value(Op.INSERT, lanes.type, out, one, how=k) if self.width > 1 else one
        assert isinstance(out, Var)
        return out

    def gathered(self, st: Storage, flat: Poly, spot: Spot, lanes: Lanes) -> Operand:
        """One place of each lane's row; lanes beyond the last sample repeat it."""
        b = self.b
        a = b.affine(flat, spot.env)
        letter = self.square(st, flat)
        if letter is not None:
            offset = spot.env[letter].const - self.tile.base[letter]
            start = (a[0], a[1] - offset)
            key = ("square", lanes.number, st.name, start)
            if (key, 0) not in self.tile.squares:
                rows: list[Operand] = []
                for k in range(self.width):
                    at = b.pointer(self.row(st, k), st.number, start, 1)
                    rows.append(lanes.converted(b.load(vector(st.number, self.width), at, st.number.bytes)))
                for k, v in enumerate(lanes.transposed(rows)):
                    self.tile.squares[key, k] = v
            return self.tile.squares[key, offset]

        def make() -> Var:
            raw = vector(st.number, self.width)
            out: Operand = Const(None, raw)
            for k in range(self.width):
                one = b.load(vector(st.number, 1), b.pointer(self.row(st, k), st.number, a, 1), st.number.bytes)
                out = b.value(Op.INSERT, raw, out, one, how=k) if self.width > 1 else one
            assert isinstance(out, Var)
            return lanes.converted(out)

        return b.once(("gather", lanes.number, st.name, a), make)

    def square(self, st: Storage, flat: Poly) -> str | None:
        """The letter along which a whole square (lanes x places) of rows lies in this tile, if there is one."""
        w = self.width
        for letter, n in self.group.tile.items():
            if w > 1 and n == w and self.tile.full.get(letter) == w and step_of(flat, letter) == 1:
                return letter
        return None

    def row(self, st: Storage, lane: int) -> Var:
        """The address of a lane's row, computed once at the entry."""
        b = self.b

        def make() -> Var:
            last = b.pure(Op.SUB, I64, N, 1)
            row: Operand = b.pure(Op.LEAST, I64, b.pure(Op.ADD, I64, FIRST, lane), last)
            if st.indexed:
                row = self.listed(row)
            away = b.pure(Op.MUL, I64, row, st.places)
            return b.value(Op.AT, ADDRESS, self.base[st.name], away, how=st.number)

        return b.at_entry(("row", st.name, lane), make)

    # Stores ----------------------------------------------------------------------------------------------------------

    def store(self, s: Statement, spot: Spot, value: Operand) -> None:
        st, b, lanes = self.site.storage[s.out], self.b, self.lanes
        base, number, size = self.base[s.out], lanes.number, lanes.number.bytes
        if st.sample and self.group.lanes:
            a = b.affine(self.flat(st, s.target[1:] if len(s.target) > len(st.shape) else s.target), spot.env)
            v = lanes.vector(value)
            if st.layout is Arrangement.LANES:
                b.put(b.pointer(base, number, a, self.width), v)
                return
            for k in reversed(range(self.width)):  # lanes behind the last sample write its row too: its own lane comes last
                at = b.pointer(self.row(st, k), st.number, a, 1)
                b.store(lanes.lane(v, k), at, size)
            return
        flat = self.flat(st, s.target)
        stride = step_of(flat, self.group.vector)
        a = b.affine(flat, spot.env)
        at = b.pointer(base, number, a, 1)
        if not self.group.vector or self.width == 1:
            b.store(value, at, size)
            return
        v = lanes.vector(value)
        if stride == 1 and spot.active == self.width:
            b.store(v, at, size)
        elif stride == 1:
            b.act(Op.STORE_PART, v, at, how=spot.active)
        else:
            for k in range(spot.active):
                one = lanes.lane(v, k)
                b.store(one, b.pointer(base, number, (a[0], a[1] + k * stride), 1), size)

    def is_square(self, s: Statement) -> bool:
        """Whether a tile goes to rows as a transposed square."""
        st = self.site.storage[s.out]
        if not (self.group.lanes and st.layout is Arrangement.ROWS and st.sample):
            return False
        return self.square(st, self.flat(st, s.target[1:])) is not None and len(self.tile.spots) == self.width

    def store_square(self, s: Statement, results: Mapping[Point, Operand]) -> None:
        st, spots = self.site.storage[s.out], self.tile.spots
        rows = self.lanes.transposed([self.lanes.vector(v) for v in results.values()])
        first = self.b.affine(self.flat(st, s.target[1:]), next(iter(spots.values())).env)
        for k in reversed(range(self.width)):  # as in store()
            self.b.store(rows[k], self.b.pointer(self.row(st, k), st.number, first, 1), self.lanes.number.bytes)

    # Scatters that add up in doubles -----------------------------------------------------------------------------------

    def add_wide(self, s: Statement, spot: Spot, value: Operand) -> None:
        """Add a value to the doubles beside the tensor."""
        st, b = self.site.storage[s.out], self.b
        wide = self.lanes.number.wide
        base, doubles = self.base[beside(s.out)], Lanes(b, wide, self.width)
        flat = st.flat(s.target[1:] if st.sample and len(s.target) > len(st.shape) else s.target)
        a = b.affine(flat, spot.env)
        if st.sample and self.group.lanes:
            at = b.pointer(base, wide, a, self.width)
            self.add_to(at, b.value(Op.CONVERT, doubles.type, self.lanes.vector(value)))
            return
        stride = step_of(flat, self.group.vector)
        for k in range(spot.active if self.group.vector and self.width > 1 else 1):
            one = self.lanes.lane(value, k)
            at = b.pointer(base, wide, (a[0], a[1] + k * stride), 1)
            self.add_to(at, b.value(Op.CONVERT, doubles.one, one))

    def add_each(self, s: Statement, spot: Spot, value: Operand) -> None:
        """Add each lane's value at a place of its own, one lane after the other."""
        in_doubles = s.out in self.group.wide
        number = self.lanes.number.wide if in_doubles else self.lanes.number
        base = self.base[beside(s.out) if in_doubles else s.out]
        for k in range(spot.active):
            one = self.lanes.lane(self.lanes.vector(value), k)
            at = self.lane_of(self.site.storage[s.out], s.target, spot, k, base, number)
            self.add_to(at, self.b.value(Op.CONVERT, vector(number, 1), one) if in_doubles else one)

    def add_to(self, at: Var, value: Operand) -> None:
        kind = type_of(value)
        old = self.b.load(kind, at, kind.number.bytes)
        self.b.store(self.b.value(Op.ADD, kind, old, value), at, kind.number.bytes)

    def narrow(self, tensor: str) -> None:
        """Put the doubles into the tensor."""
        st, b, number = self.site.storage[tensor], self.b, self.site.number
        wide = number.wide
        count = st.places * (self.width if st.sample and self.group.lanes else 1)

        def copy(size: int, p: Place) -> None:
            k = b.sum(Poly.name("place"), {"place": p})
            source = b.pure(Op.AT, ADDRESS, self.base[beside(tensor)], k, how=wide)
            target = b.pure(Op.AT, ADDRESS, self.base[tensor], k, how=number)
            v = b.load(vector(wide, size), source, wide.bytes)
            b.store(b.value(Op.CONVERT, vector(number, size), v), target, number.bytes)

        whole = count - count % 8
        b.note(f"{tensor} = {beside(tensor)}  (in doubles until here)")
        b.loop("place", 0, whole, 8, 0, max(0, whole - 8), lambda p: copy(8, p), sure=whole > 0)
        b.loop("place", whole, count, 1, whole, max(whole, count - 1), lambda p: copy(1, p), sure=count > whole)

    # Sums over samples in lanes ------------------------------------------------------------------------------------------

    def add_up(self, s: Statement, results: Mapping[Point, Operand]) -> None:
        """Add the lanes of each accumulator to the chunk's partial sum; lanes beyond the last sample do not count."""
        b, lanes = self.b, self.lanes
        zero = lanes.all(0.0)
        values = [lanes.vector(v) for v in results.values()]
        if self.width > 1:
            mask = inside(b, self.width, FIRST, N)
            values = [b.value(Op.SELECT, lanes.type, mask, v, zero) for v in values]
        totals: list[Operand] = values
        if self.width > 1:
            totals = []
            for k in range(0, len(values), self.width):
                part = values[k : k + self.width]
                if len(part) == 1:
                    totals.append(lanes.total(part[0]))
                    continue
                whole = lanes.totals(part + [zero] * (self.width - len(part)))
                totals += [lanes.lane(whole, i) for i in range(len(part))]
        st, size = self.site.storage[s.out], lanes.number.bytes
        for spot, t in zip(self.tile.spots.values(), totals, strict=True):
            at = b.pointer(self.base[s.out], lanes.number, b.affine(self.flat(st, s.target), spot.env), 1)
            old = b.load(lanes.one, at, size)
            b.store(b.value(Op.ADD, lanes.one, old, t), at, size)
