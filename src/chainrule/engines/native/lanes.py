"""Arithmetic on the lanes of vectors: numbers stay scalars until they meet a vector; shuffles that transpose and add up."""

from __future__ import annotations

from ..number import FLAG, I64, Number, vector
from .builder import Builder
from .nest import Const, Op, Operand, Row, Var, type_of


def wide(x: Operand) -> bool:
    return not isinstance(x, int) and x.type.lanes > 1


class Lanes:
    """Arithmetic in one type of numbers, on scalars and on vectors of `width` lanes."""

    def __init__(self, b: Builder, number: Number, width: int):
        self.b, self.number, self.width = b, number, width
        self.one, self.type = vector(number, 1), vector(number, width)

    def constant(self, x: float) -> Const:
        """A number as written."""
        return Const(x, self.one)

    def all(self, x: float) -> Const:
        """A number in all lanes."""
        return Const(x, self.type)

    def vector(self, v: Operand) -> Operand:
        """The operand as a vector; a number is spread over the lanes."""
        if wide(v) or self.width == 1:
            return v
        if isinstance(v, (int, Const)):
            return Const(v if isinstance(v, int) else v.value, self.type)
        return self.b.pure(Op.SPREAD, self.type, v)

    def together(self, *values: Operand) -> tuple[Operand, ...]:
        """The operands as vectors if one of them is."""
        return tuple(map(self.vector, values)) if any(map(wide, values)) else values

    def binary(self, op: Op, a: Operand, b: Operand) -> Var:
        a, b = self.together(a, b)
        return self.b.value(op, type_of(a), a, b)

    def unary(self, op: Op, a: Operand) -> Var:
        return self.b.value(op, type_of(a), a)

    def fma(self, a: Operand, b: Operand, c: Operand) -> Var:
        return self.b.value(Op.FMA, self.type, self.vector(a), self.vector(b), c)

    def compare(self, how: str, a: Operand, b: Operand) -> Var:
        a, b = self.together(a, b)
        return self.b.value(Op.COMPARE, vector(FLAG, type_of(a).lanes), a, b, how=how)

    def either(self, a: Var, b: Var) -> Var:
        return self.b.value(Op.OR, a.type, a, b)

    def choose(self, flag: Operand, a: Operand, b: Operand) -> Var:
        """a where the flag is set, else b."""
        if wide(flag):
            a, b = self.vector(a), self.vector(b)
        a, b = self.together(a, b)
        return self.b.value(Op.SELECT, type_of(a), flag, a, b)

    def converted(self, v: Var) -> Var:
        """A number of another type as one of this type."""
        return v if v.type.number is self.number else self.b.value(Op.CONVERT, vector(self.number, v.type.lanes), v)

    def lane(self, v: Operand, k: int) -> Operand:
        """The number in a lane."""
        return self.b.value(Op.EXTRACT, vector(type_of(v).number, 1), v, how=k) if wide(v) else v

    # Shuffles --------------------------------------------------------------------------------------------------------

    def shuffle(self, a: Operand, b: Operand, lanes: list[int]) -> Var:
        """For each lane one of a's, or (counted on from the width) of b's."""
        return self.b.value(Op.SHUFFLE, self.type, a, b, how=tuple(lanes))

    def transposed(self, values: list[Operand]) -> list[Operand]:
        """The transpose of a square of vectors, by exchanging blocks of 1, 2, 4, … lanes between pairs.

        Lane i of row k changes places with lane k of row i. Bit by bit: of rows that differ in one bit of their number (`size`),
        the lower one keeps its lanes without that bit and takes the other's lanes without it, moved to where the bit is set; the
        upper one the other way round. When each bit has been exchanged, row and lane have changed places.
        """
        w, size = self.width, 1
        while size < w:
            out = list(values)
            for k in range(w):
                if k & size:
                    continue
                a, b = values[k], values[k | size]
                low = [i if not i & size else w + (i ^ size) for i in range(w)]
                high = [(i | size) if not i & size else w + i for i in range(w)]
                out[k], out[k | size] = self.shuffle(a, b, low), self.shuffle(a, b, high)
            values, size = out, size * 2
        return values

    def total(self, value: Operand) -> Operand:
        """The sum of a vector's lanes: the upper half is added to the lower, until one lane is left."""
        w, half = self.width, self.width // 2
        while half:
            moved = self.shuffle(value, Const(None, self.type), [i + half if i < half else i for i in range(w)])
            value = self.b.value(Op.ADD, self.type, value, moved)
            half //= 2
        return self.lane(value, 0)

    def totals(self, values: list[Operand]) -> Operand:
        """The sums of `width` vectors' lanes as the lanes of one: half the additions of one sum after the other.

        After each round a vector holds the partial sums of twice as many inputs, each in a segment of half as many lanes: of
        a pair, the lower halves of all segments are put into one vector and the upper ones into another, and those are added.
        """
        w = size = self.width
        while len(values) > 1:
            half, segments = size // 2, w // size
            low = [seg * size + i for seg in range(2 * segments) for i in range(half)]
            high = [k + half for k in low]
            values = [
                self.b.value(Op.ADD, self.type, self.shuffle(a, b, low), self.shuffle(a, b, high))
                for a, b in zip(values[::2], values[1::2], strict=True)
            ]
            size = half
        return values[0]


def inside(b: Builder, width: int, first: Var, n: Var) -> Var:
    """A flag for each lane: is it a sample's? The last block may have fewer samples than lanes."""

    def make() -> Var:
        left = b.value(Op.SUB, I64, n, first)
        all_ = b.value(Op.SPREAD, vector(I64.number, width), left)
        return b.value(Op.COMPARE, vector(FLAG, width), all_, Row(tuple(range(width)), vector(I64.number, width)), how=">")

    return b.once("lane mask", make)
