"""exp, log, tanh and their kin on vectors, as functions of the loop-nest tree: no library of vector functions is needed.

All are computed in double precision (float vectors are widened and rounded back, so they are correct to about half
a unit in the last place); doubles are good to about 2 units. benchmarks/accuracy.py measures both.
sin, cos, tan, erf and general powers go lane by lane to the C library's function.
"""

from __future__ import annotations

import math
import struct

from ..number import DOUBLE, FLAG, INT64, Type, vector
from .builder import Builder
from .lanes import Lanes
from .nest import Const, Function, Op, Operand, Var


class _Vec:
    """Straight-line code on vectors of doubles."""

    def __init__(self, lanes: int):
        self.b, self.lanes = Builder(), lanes
        self.type, self.whole, self.flag = vector(DOUBLE, lanes), vector(INT64, lanes), vector(FLAG, lanes)

    def const(self, x: float) -> Const:
        return Const(x, self.type)

    def bin(self, op: Op, a: Operand, b: Operand) -> Var:
        return self.b.value(op, self.type, a, b)

    def fma(self, a: Operand, b: Operand, c: Operand) -> Var:
        return self.b.value(Op.FMA, self.type, a, b, c)

    def each(self, op: Op, *args: Operand) -> Var:
        return self.b.value(op, self.type, *args)

    def bits(self, op: Op, a: Operand, b: int) -> Var:
        return self.b.value(op, self.whole, a, Const(b, self.whole))

    def compare(self, how: str, a: Operand, b: Operand) -> Var:
        return self.b.value(Op.COMPARE, self.flag, a, b, how=how)

    def select(self, c: Operand, a: Operand, b: Operand) -> Var:
        return self.b.value(Op.SELECT, self.type, c, a, b)

    def poly(self, x: Operand, coefs: list[float]) -> Operand:
        """Horner, constant term first in coefs."""
        out: Operand = self.const(coefs[-1])
        for c in reversed(coefs[:-1]):
            out = self.fma(out, x, self.const(c))
        return out

    def power_of_two(self, n: Operand) -> Var:
        """2**n for whole n within the exponents of normal numbers."""
        i = self.b.value(Op.CONVERT, self.whole, n)
        return self.b.value(Op.BITS, self.type, self.bits(Op.SHIFT_LEFT, self.bits(Op.WRAP_ADD, i, 1023), 52))


def _bits(x: float) -> int:
    return int.from_bytes(struct.pack(">d", x), "big")


# ln 2 in two parts whose first has 32 trailing zero bits, so that n * LN2_HI is exact.
LN2_HI = float.fromhex("0x1.62e42fee00000p-1")
LN2_LO = float.fromhex("0x1.a39ef35793c76p-33")


def _reduced(v: _Vec, x: Operand) -> tuple[Operand, Operand]:
    """(n, exp(r) - 1) with x = n ln 2 + r, |r| <= ln 2 / 2."""
    n = v.each(Op.ROUND, v.bin(Op.MUL, x, v.const(1 / math.log(2))))
    r = v.fma(n, v.const(-LN2_HI), x)
    r = v.fma(n, v.const(-LN2_LO), r)
    tail = v.poly(r, [1 / math.factorial(k) for k in range(2, 14)])
    return n, v.fma(v.bin(Op.MUL, r, r), tail, r)


def _exp(v: _Vec, x: Operand) -> Operand:
    y = v.select(v.compare("<", x, v.const(-800.0)), v.const(-800.0), x)
    y = v.select(v.compare(">", y, v.const(800.0)), v.const(800.0), y)
    n, p = _reduced(v, y)
    half = v.each(Op.FLOOR, v.bin(Op.MUL, n, v.const(0.5)))  # two factors: 2**n itself may not be a normal number
    e = v.bin(Op.ADD, p, v.const(1.0))
    e = v.bin(Op.MUL, e, v.power_of_two(half))
    e = v.bin(Op.MUL, e, v.power_of_two(v.bin(Op.SUB, n, half)))
    return v.select(v.compare("nan", x, x), x, e)


def _tanh(v: _Vec, x: Operand) -> Operand:
    """tanh x = m / (m + 2) with m = exp(2|x|) - 1, which keeps its precision near 0."""
    a = v.each(Op.ABS, x)
    a = v.select(v.compare(">", a, v.const(22.0)), v.const(22.0), a)
    n, p = _reduced(v, v.bin(Op.ADD, a, a))
    scale = v.power_of_two(n)
    m = v.fma(scale, p, v.bin(Op.SUB, scale, v.const(1.0)))
    d = v.bin(Op.ADD, m, v.const(2.0))
    t = v.bin(Op.DIV, m, d)
    lost = v.bin(Op.SUB, m, v.bin(Op.SUB, d, v.const(2.0)))  # what rounding took from m + 2
    t = v.bin(Op.SUB, t, v.bin(Op.DIV, v.bin(Op.MUL, t, lost), d))
    high = v.bin(Op.SUB, v.const(1.0), v.bin(Op.DIV, v.const(2.0), d))
    t = v.select(v.compare(">", a, v.const(0.6)), high, t)
    t = v.each(Op.COPYSIGN, t, x)
    return v.select(v.compare("nan", x, x), x, t)


def _log(v: _Vec, x: Operand) -> Operand:
    tiny = v.compare("<", x, v.const(2.0**-1022))
    scaled = v.select(tiny, v.bin(Op.MUL, x, v.const(2.0**54)), x)
    bits = v.b.value(Op.BITS, v.whole, scaled)
    # The exponent such that the mantissa lies in [sqrt(1/2), sqrt(2)).
    e = v.bits(Op.SHIFT_RIGHT, v.bits(Op.WRAP_SUB, bits, _bits(math.sqrt(0.5))), 52)
    m = v.b.value(Op.BITS, v.type, v.b.value(Op.WRAP_SUB, v.whole, bits, v.bits(Op.SHIFT_LEFT, e, 52)))
    n: Operand = v.b.value(Op.CONVERT, v.type, e)
    n = v.select(tiny, v.bin(Op.SUB, n, v.const(54.0)), n)
    f = v.bin(Op.SUB, m, v.const(1.0))
    s = v.bin(Op.DIV, f, v.bin(Op.ADD, m, v.const(1.0)))
    z = v.bin(Op.MUL, s, s)
    # log(1+f) = f - f^2/2 + s (f^2/2 + z (2/3 + 2/5 z + …)): the leading term f is exact.
    half = v.bin(Op.MUL, v.bin(Op.MUL, f, f), v.const(0.5))
    tail = v.bin(Op.MUL, z, v.poly(z, [2 / (2 * k + 1) for k in range(1, 12)]))
    inner = v.fma(n, v.const(LN2_LO), v.bin(Op.MUL, s, v.bin(Op.ADD, half, tail)))
    out = v.bin(Op.SUB, v.bin(Op.MUL, n, v.const(LN2_HI)), v.bin(Op.SUB, v.bin(Op.SUB, half, inner), f))
    out = v.select(v.compare("==", x, v.const(0.0)), v.const(-math.inf), out)
    out = v.select(v.compare("==", x, v.const(math.inf)), v.const(math.inf), out)
    return v.select(v.compare("not>=", x, v.const(0.0)), v.const(math.nan), out)


def _sigmoid(v: _Vec, x: Operand) -> Operand:
    """1 / (1 + e) or e / (1 + e) with e = exp(-|x|): nothing overflows, and the tails keep their digits."""
    e = _exp(v, v.each(Op.NEG, v.each(Op.ABS, x)))
    top = v.select(v.compare(">=", x, v.const(0.0)), v.const(1.0), e)
    return v.bin(Op.DIV, top, v.bin(Op.ADD, v.const(1.0), e))


def _log1p(v: _Vec, x: Operand) -> Operand:
    """log(u) x / (u - 1) with u = 1 + x as it was rounded: the same mistake above and below the line."""
    u = v.bin(Op.ADD, v.const(1.0), x)
    y = v.bin(Op.MUL, _log(v, u), v.bin(Op.DIV, x, v.bin(Op.SUB, u, v.const(1.0))))
    y = v.select(v.compare("==", u, v.const(1.0)), x, y)
    return v.select(v.compare("==", x, v.const(math.inf)), x, y)


def _expm1(v: _Vec, x: Operand) -> Operand:
    """2**n p + (2**n - 1) with p = exp(r) - 1, which keeps its precision near 0."""
    y = v.select(v.compare("<", x, v.const(-40.0)), v.const(-40.0), x)
    y = v.select(v.compare(">", y, v.const(40.0)), v.const(40.0), y)
    n, p = _reduced(v, y)
    scale = v.power_of_two(n)
    near = v.fma(scale, p, v.bin(Op.SUB, scale, v.const(1.0)))
    far = v.bin(Op.SUB, _exp(v, x), v.const(1.0))
    y = v.select(v.compare("<", v.each(Op.ABS, x), v.const(40.0)), near, far)
    return v.select(v.compare("==", x, v.const(0.0)), x, y)


def _softplus(v: _Vec, x: Operand) -> Operand:
    """max(x, 0) + log(1 + exp(-|x|))."""
    rest = _log1p(v, _exp(v, v.each(Op.NEG, v.each(Op.ABS, x))))
    return v.bin(Op.ADD, v.select(v.compare("<", x, v.const(0.0)), v.const(0.0), x), rest)


VECTOR = {"exp": _exp, "sigmoid": _sigmoid, "log": _log, "tanh": _tanh, "log1p": _log1p, "expm1": _expm1, "softplus": _softplus}
LIBRARY = {f: f for f in ("sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "erf", "pow")}


# Random numbers ------------------------------------------------------------------------------------------------------------


def mixed(lanes: Lanes, state: Operand, number: Operand) -> Operand:
    """A round of splitmix64: what was counted so far, and the next whole number."""

    def turned(z: Operand, by: int) -> Operand:
        return lanes.binary(Op.XOR, z, lanes.binary(Op.SHIFT_DOWN, z, by))

    z: Operand = lanes.binary(Op.WRAP_ADD, lanes.binary(Op.XOR, state, number), _word(0x9E3779B97F4A7C15))
    z = lanes.binary(Op.WRAP_MUL, turned(z, 30), _word(0xBF58476D1CE4E5B9))
    z = lanes.binary(Op.WRAP_MUL, turned(z, 27), _word(0x94D049BB133111EB))
    return turned(z, 31)


def _word(k: int) -> int:
    """64 bits as a number with a sign."""
    return k - (1 << 64) if k >> 63 else k


def unit(lanes: Lanes, wholes: Lanes, state: Operand) -> Operand:
    """The highest bits as a number in [0, 1)."""
    bits = lanes.number.digits
    whole = wholes.binary(Op.SHIFT_DOWN, state, 64 - bits)
    return lanes.binary(Op.MUL, lanes.b.value(Op.CONVERT, vector(lanes.number, whole.type.lanes), whole), lanes.constant(2.0**-bits))


# Functions -----------------------------------------------------------------------------------------------------------------


def name_of(fn: str, kind: Type) -> str:
    return f"math_{fn}_{kind.number.name}_{kind.lanes}"


def is_vector(name: str) -> bool:
    return name.startswith("math_")


def define(name: str, kind: Type) -> Function:
    """The function of that name (`name_of`) for a vector of a type."""
    fn = name.split("_")[1]
    params = tuple(Var(x, kind) for x in (("x", "y") if fn == "pow" else ("x",)))
    v = _Vec(kind.lanes)
    args: list[Operand] = [v.each(Op.CONVERT, p) if kind.number is not DOUBLE else p for p in params]
    y: Operand
    if fn in VECTOR:
        y = VECTOR[fn](v, args[0])
    else:
        y, one = Const(None, v.type), vector(DOUBLE, 1)
        for k in range(kind.lanes):
            each = [v.b.value(Op.EXTRACT, one, a, how=k) if kind.lanes > 1 else a for a in args]
            got = v.b.value(Op.LIBRARY, one, *each, how=LIBRARY[fn])
            y = v.b.value(Op.INSERT, v.type, y, got, how=k) if kind.lanes > 1 else got
    if kind.number is not DOUBLE:
        y = v.b.value(Op.CONVERT, kind, y)
    return Function(name, params, tuple(v.b.nodes), result=y, pure=True)
