"""Scalar expressions as instructions, at one point of a group's tile."""

from __future__ import annotations

import operator
from collections.abc import Iterable

from ...language.functions import COUNTING, ROUNDING
from ...language.index import Poly
from ...language.program import MOST
from ...language.tree import Call, Const, Expr, Index, Read, product_factors
from ..number import BIT, INT64
from .builder import Builder, Env, Place
from .finds import is_whole
from .lanes import Lanes, wide
from .lower import FOUND, MOST_SAMPLES, SAMPLES
from .memory import FIRST, Memory, N, Site, Spot
from .nest import Const as Number
from .nest import Op, Operand, Row, Var, type_of
from .vmath import mixed, name_of, unit

EACH = {"sqrt": Op.SQRT, "abs": Op.ABS, "floor": Op.FLOOR, "ceil": Op.CEIL, "round": Op.ROUND}
BINARY = {"+": Op.ADD, "-": Op.SUB, "*": Op.MUL, "/": Op.DIV}
WHOLE = {"+": Op.WRAP_ADD, "-": Op.WRAP_SUB, "*": Op.WRAP_MUL}
COMPARE = {"==": "==", "delta": "==", "!=": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
KNOWN = {"==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
ANY_SAMPLES = 1 << 40  # how many samples there are at most, and more


class Values:
    """Instructions for expressions of a group."""

    def __init__(self, site: Site, b: Builder, lanes: Lanes, memory: Memory):
        self.b, self.lanes, self.memory = b, lanes, memory
        self.group, self.storage, self.width = site.group, site.storage, site.width
        self.wholes = Lanes(b, INT64, self.width)
        every = [(x, e) for s in site.group.statements for x, e in zip(s.letters + s.red, s.extents + s.red_extents, strict=True)]
        self.sampled = {x for x, e in every if e == SAMPLES} if site.group.lanes else set()

    # Letters as numbers ------------------------------------------------------------------------------------------------

    def index(self, p: Poly, here: Env) -> Operand:
        """An index expression as a number."""
        if any(isinstance(c, float) for c in p.terms.values()) and p.constant is not None:
            return self.lanes.constant(float(p.constant))
        here = self.with_samples(p, here)
        letter = self.group.vector
        if self.width == 1 or letter is None or letter not in p.names:
            return self.number(p, here)
        split = p.linear_in(letter)
        if split is not None and isinstance(split[0].constant, int):  # the lanes are a fixed step apart
            steps = Row(tuple(float(split[0].constant * k) for k in range(self.width)), self.lanes.type)
            return self.lanes.binary(Op.ADD, self.number(p, here), steps)
        return self.lane_by_lane(self.lanes, (self.number(p, here | {letter: here[letter].shifted(k)}) for k in range(self.width)))

    def lane_by_lane(self, lanes: Lanes, values: Iterable[Operand]) -> Operand:
        out: Operand = Number(None, lanes.type)
        for k, one in enumerate(values):
            out = self.b.pure(Op.INSERT, lanes.type, out, one, how=k)
        return out

    def with_samples(self, p: Poly, here: Env) -> Env:
        """The places of letters, and the number of samples where p asks for it."""
        asks = self.group.sample and self.group.sample in p.names
        return here | {self.group.sample: Place(N, 0, 1, ANY_SAMPLES)} if self.group.sample and asks else here

    def number(self, p: Poly, here: Env) -> Operand:
        """An index expression at one place, as a number of the kernel's type."""
        terms, const = self.b.affine(p, here)
        if not terms:
            return self.lanes.constant(float(const))
        return self.b.pure(Op.CONVERT, self.lanes.one, self.b.total((terms, const)))

    # Expressions -------------------------------------------------------------------------------------------------------

    def value(self, e: Expr, spot: Spot) -> Operand:
        match e:
            case Const(value):
                return self.lanes.constant(float(value))
            case Index(expr):
                return self.index(expr, spot.env)
            case Read(tensor, index):
                held = self.memory.tile.held.get((tensor, spot.point))
                return held if held is not None else self.memory.fetch(self.storage[tensor], index, spot, self.lanes)
            case Call(fn, args):
                return self.call(fn, args, spot)
        raise TypeError(e)

    def vector(self, e: Expr, spot: Spot) -> Operand:
        return self.lanes.vector(self.value(e, spot))

    def call(self, fn: str, args: tuple[Expr, ...], spot: Spot) -> Operand:
        if fn in COUNTING:
            return self.hashed(args, spot)
        if fn in COMPARE or fn == "sign":
            return self.decision(fn, args, spot)
        if fn == "where":
            flag = self.test(args[0], spot)
            return self.lanes.choose(flag, self.value(args[1], spot), self.value(args[2], spot))
        if fn == "**":
            return self.power(args, spot)
        if fn == FOUND:
            flag, there = self.located(args, spot)
            return self.lanes.choose(flag, self.value(args[1], there), self.lanes.constant(0.0))
        values = [self.value(a, spot) for a in args]
        if fn in BINARY:
            return self.lanes.binary(BINARY[fn], *values)
        if fn == "neg":
            return self.lanes.unary(Op.NEG, values[0])
        if fn in EACH:
            return self.lanes.unary(EACH[fn], values[0])
        if fn in ("maximum", "minimum"):  # NaN on either side wins, as in NumPy
            a, b = map(self.lanes.vector, values)
            first = self.lanes.compare(">=" if fn == "maximum" else "<=", a, b)
            return self.lanes.choose(self.lanes.either(first, self.lanes.compare("nan", a, a)), a, b)
        return self.library(fn, values)

    def located(self, args: tuple[Expr, ...], spot: Spot) -> tuple[Var, Spot]:
        """Whether a number of the data is a place of an axis, and the spot with the letter there (at 0 where it is none)."""
        test, _, size = args
        assert isinstance(test, Call) and isinstance(test.args[0], Index) and isinstance(size, Const)
        last = int(size.value) - 1
        if self.is_whole(test.args[1]):
            at = self.integer(test.args[1], spot)
            low, high = self.wholes.compare(">=", at, 0), self.wholes.compare("<=", at, last)
            flag = self.b.value(Op.AND, low.type, low, high)
            found = self.wholes.choose(flag, at, 0)
        else:  # a float, which may be no place at all
            given, zero = self.value(test.args[1], spot), self.lanes.constant(0.0)
            low, high = self.lanes.compare(">=", given, zero), self.lanes.compare("<=", given, self.lanes.constant(float(last)))
            even = self.lanes.compare("==", self.lanes.unary(Op.FLOOR, given), given)
            flag = self.b.value(Op.AND, low.type, self.b.value(Op.AND, low.type, low, high), even)
            found = self.wholes.converted(self.lanes.choose(flag, given, zero))
        return flag, spot.at({str(test.args[0].expr.letter): Place(found, 0, 0, last)})

    def library(self, fn: str, values: list[Operand]) -> Operand:
        args = self.lanes.together(*values)
        kind = type_of(args[0])
        return self.b.value(Op.MATH, kind, *args, how=name_of(fn, kind))

    def power(self, args: tuple[Expr, ...], spot: Spot) -> Operand:
        base, exponent = self.value(args[0], spot), args[1]
        k = exponent.value if isinstance(exponent, Const) else exponent.expr.constant if isinstance(exponent, Index) else None
        if k == 0.5:
            return self.lanes.unary(Op.SQRT, base)
        if k is None or k != int(k) or abs(k) > 16:
            return self.library("pow", [base, self.value(exponent, spot)])
        out: Operand | None = None
        square, left = base, abs(int(k))
        while left:
            if left & 1:
                out = square if out is None else self.lanes.binary(Op.MUL, out, square)
            left >>= 1
            square = self.lanes.binary(Op.MUL, square, square) if left else square
        out = self.lanes.constant(1.0) if out is None else out
        return self.lanes.binary(Op.DIV, self.lanes.constant(1.0), out) if k < 0 else out

    # Sums of products ----------------------------------------------------------------------------------------------------

    def added(self, old: Var, body: Expr, spot: Spot) -> Var:
        """old + body, with one fused multiply-add where the body is a product."""
        negative = isinstance(body, Call) and body.fn == "neg"
        factors = product_factors(body.args[0] if negative else body)  # type: ignore[union-attr]  # neg is a Call
        if len(factors) == 1:
            return self.lanes.binary(Op.SUB if negative else Op.ADD, old, self.vector(factors[0], spot))
        values = [self.value(f, spot) for f in factors]
        values.sort(key=wide)  # numbers first: they multiply each other as scalars
        a = values[0]
        for v in values[1:-1]:
            a = self.lanes.binary(Op.MUL, a, v)
        if negative:
            a = self.lanes.unary(Op.NEG, a)
        return self.lanes.fma(a, values[-1], old)

    # Comparisons ---------------------------------------------------------------------------------------------------------

    def test(self, e: Expr, spot: Spot) -> Operand:
        """A comparison (or a number that is not 0) as a flag for each lane."""
        if isinstance(e, Call) and e.fn in COMPARE and all(map(self.is_whole, e.args)):
            return self.compared(e, spot)
        if isinstance(e, Call) and e.fn in COMPARE:
            a, b = (self.value(x, spot) for x in e.args)
            return self.lanes.compare(COMPARE[e.fn], a, b)
        return self.lanes.compare("!=", self.value(e, spot), self.lanes.constant(0.0))

    def is_whole(self, e: Expr) -> bool:
        """Whether an expression holds nothing but whole numbers: letters, and tensors that are kept as such."""
        return is_whole(e, lambda t: t in self.storage and t not in self.group.registers and self.storage[t].number.whole)

    def compared(self, e: Call, spot: Spot) -> Operand:
        """A comparison of whole numbers, in whole numbers: a float holds them only up to 2**24."""
        numbers = [x.value for x in e.args if isinstance(x, Const)]
        how = COMPARE[e.fn]
        if len(numbers) == 2:  # both are known; they may be of any size
            return Number(bool(KNOWN[how](*numbers)), BIT)
        # What stands opposite lies within 62 bits: a larger number compares as the largest does.
        sides = [Const(max(-MOST, min(MOST, int(x.value)))) if isinstance(x, Const) else x for x in e.args]
        a, b = (self.integer(x, spot) for x in sides)
        return self.wholes.compare(how, a, b)

    def hashed(self, args: tuple[Expr, ...], spot: Spot) -> Operand:
        """A random number from whole numbers."""
        state: Operand = 0
        for e in args:
            state = mixed(self.wholes, state, self.integer(e, spot))
        return unit(self.lanes, self.wholes, state)

    def integer(self, e: Expr, spot: Spot) -> Operand:
        """A whole number in 64 bits."""
        match e:
            case Const(value):
                return int(value)
            case Index(expr):
                return self.places(expr, spot.env)
            case Read(tensor, index):
                return self.memory.fetch(self.storage[tensor], index, spot, self.wholes)
            case Call(fn, args) if fn == FOUND:
                flag, there = self.located(args, spot)
                return self.wholes.choose(flag, self.integer(args[1], there), 0)
            case Call(fn, _) if fn in ROUNDING:
                rounded = self.value(e, spot)
                if isinstance(rounded, Row):
                    return Row(tuple(map(int, rounded.values)), self.wholes.type)
                if isinstance(rounded, Var):
                    return self.wholes.converted(rounded)
                return int(rounded.value or 0) if isinstance(rounded, Number) else rounded
            case Call("neg", (a,)):
                return self.wholes.binary(Op.WRAP_SUB, 0, self.integer(a, spot))
            case Call(fn, (a, b)):
                return self.wholes.binary(WHOLE[fn], self.integer(a, spot), self.integer(b, spot))
        raise TypeError(e)

    def places(self, p: Poly, here: Env) -> Operand:
        """An index expression in 64 bits, for each lane where it moves with the vector letter."""
        here = self.with_samples(p, here)
        letter = self.group.vector
        for x in self.sampled & p.names:  # the block's first sample, and one more for each lane
            letter, here = x, here | {x: Place(FIRST, 0, 0, MOST_SAMPLES)}
        if self.width == 1 or letter is None or letter not in p.names:
            return self.b.sum(p, here)
        split = p.linear_in(letter)
        if split is not None and isinstance(split[0].constant, int):  # the lanes are a fixed step apart
            steps = Row(tuple(split[0].constant * k for k in range(self.width)), self.wholes.type)
            return self.wholes.binary(Op.ADD, self.b.sum(p, here), steps)
        return self.lane_by_lane(self.wholes, (self.b.sum(p, here | {letter: here[letter].shifted(k)}) for k in range(self.width)))

    def decision(self, fn: str, args: tuple[Expr, ...], spot: Spot) -> Operand:
        lanes = self.lanes
        one, zero = lanes.constant(1.0), lanes.constant(0.0)
        if fn != "sign":
            return lanes.choose(self.test(Call(fn, args), spot), one, zero)
        v = self.value(args[0], spot)
        above, below, nan = lanes.compare(">", v, zero), lanes.compare("<", v, zero), lanes.compare("nan", v, v)
        return lanes.choose(above, one, lanes.choose(below, lanes.constant(-1.0), lanes.choose(nan, v, zero)))
