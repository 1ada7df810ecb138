"""Scalar expressions to LLVM: numbers stay scalars until they meet a vector."""

from __future__ import annotations

import math
import operator
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from ...language.bind import MOST
from ...language.functions import COUNTING
from ...language.index import Poly
from ...language.tree import Call, Const, Expr, Index, Read, whole
from . import vmath
from .group import Group, Storage
from .lower import MOST_SAMPLES, SAMPLES
from .text import Env, Place, Text

Value = tuple[str, bool]  # LLVM operand, is it a vector
Point = tuple[int, ...]

INTRINSIC = {"sqrt": "sqrt", "abs": "fabs", "floor": "floor", "ceil": "ceil", "round": "rint"}
BINARY = {"+": "fadd", "-": "fsub", "*": "fmul", "/": "fdiv"}
WHOLE = {"==": "eq", "delta": "eq", "!=": "ne", "<": "slt", "<=": "sle", ">": "sgt", ">=": "sge"}
OPERATOR = {"==": operator.eq, "delta": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
COMPARE = {"==": "oeq", "delta": "oeq", "!=": "une", "<": "olt", "<=": "ole", ">": "ogt", ">=": "oge"}


class Values(Text):
    """Code for expressions at one point of a group's tile."""

    def __init__(self, group: Group, storage: Mapping[str, Storage], element: str, lanes: int, chunks: int):
        super().__init__()
        self.group, self.storage, self.element, self.chunks = group, storage, element, chunks
        self.width = lanes if group.lanes or group.vector else 1
        self.vtype = f"<{self.width} x {element}>" if self.width > 1 else element
        self.bytes = 4 if element == "float" else 8
        self.suffix = ("f32" if element == "float" else "f64") if self.width == 1 else f"v{self.width}f{self.bytes * 8}"
        self.functions: set[tuple[str, int]] = set()
        self.declared: set[str] = set()
        self.shift = group.shifts(storage)
        every = [(x, e) for s in group.statements for x, e in zip(s.letters + s.red, s.extents + s.red_extents, strict=True)]
        self.sampled = {x for x, e in every if e == SAMPLES} if group.lanes else set()
        self.base = {t: f"%p{k}" for k, t in enumerate(group.tensors)}
        self.held: dict[tuple[str, Point], Value] = {}
        self.notes: list[str] = []
        self.depth = 0
        self.variants = 1
        self.quiet = 0

    def fetch(self, st: Storage, index: tuple[Poly, ...], here: Env, active: int, fresh: bool = False) -> Value:
        """The value of a tensor at an index (memory.py)."""
        raise NotImplementedError

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
        if not text.startswith("%"):  # a number as written
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
        here = self.with_samples(p, here)
        letter = self.group.vector
        if self.width == 1 or letter is None or letter not in p.names:
            return self.whole(p, here), False
        split = p.linear_in(letter)
        if split is not None and isinstance(split[0].constant, int):  # the lanes are a fixed step apart
            steps = ", ".join(f"{self.element} {self.number(float(split[0].constant * k))}" for k in range(self.width))
            return self.binary("fadd", (self.vector((self.whole(p, here), False)), True), (f"<{steps}>", True))
        out = "undef"
        for k in range(self.width):
            one = self.whole(p, here | {letter: here[letter].shifted(k)})
            out = self.pure(f"insertelement {self.vtype} {out}, {self.element} {one}, i32 {k}")
        return out, True

    def with_samples(self, p: Poly, here: Env) -> Env:
        """The places of letters, and the number of samples where p asks for it."""
        asks = self.group.sample and self.group.sample in p.names
        return here | {self.group.sample: Place("%n", 0, 1, 1 << 40)} if self.group.sample and asks else here

    def whole(self, p: Poly, here: Env) -> str:
        """An index expression at one place, as a number of the kernel's type."""
        terms, const = self.affine(p, here)
        if not terms:
            return self.number(float(const))
        return self.pure(f"sitofp i64 {self.total((terms, const))} to {self.element}")

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
        if fn in COUNTING:
            return self.hashed(args, here, active, p)
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
        if fn in INTRINSIC:
            return self.pure_intrinsic(INTRINSIC[fn], values[0])
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
        if isinstance(e, Call) and e.fn in COMPARE and all(map(self.is_whole, e.args)):
            return self.compared(e, here, active, p)
        if isinstance(e, Call) and e.fn in COMPARE:
            a, b = (self.value_of(x, here, active, p) for x in e.args)
            if a[1] or b[1]:
                return self.value(f"fcmp {COMPARE[e.fn]} {self.vtype} {self.vector(a)}, {self.vector(b)}"), True
            return self.value(f"fcmp {COMPARE[e.fn]} {self.element} {a[0]}, {b[0]}"), False
        v = self.value_of(e, here, active, p)
        t = self.vtype if v[1] else self.element
        zero = self.constant(0.0) if v[1] else self.number(0.0)
        return self.value(f"fcmp une {t} {v[0]}, {zero}"), v[1]

    def is_whole(self, e: Expr) -> bool:
        """Whether an expression holds nothing but whole numbers: letters, and tensors that are kept as such."""
        return whole(e, lambda t: t in self.storage and t not in self.group.registers and self.storage[t].element.startswith("i"))

    def compared(self, e: Call, here: Env, active: int, p: Point) -> tuple[str, bool]:
        """A comparison of whole numbers, in whole numbers: a float holds them only up to 2**24."""
        numbers = [x.value for x in e.args if isinstance(x, Const)]
        if len(numbers) == 2:  # both are known; they may be of any size
            return str(bool(OPERATOR[e.fn](*numbers))).lower(), False
        # What stands opposite lies within 62 bits: a larger number compares as the largest does.
        sides = [Const(max(-MOST, min(MOST, int(x.value)))) if isinstance(x, Const) else x for x in e.args]
        with self.counting():
            a, b = (self.integer(x, here, active, p) for x in sides)
            wide = a[1] or b[1]
            left, right = (self.vector(a), self.vector(b)) if wide else (a[0], b[0])
            flag = self.value(f"icmp {WHOLE[e.fn]} {self.vtype if wide else 'i64'} {left}, {right}")
        return flag, wide

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Values are whole numbers for a while."""
        kept = self.element, self.vtype, self.bytes, self.suffix
        self.element, self.bytes = "i64", 8
        self.vtype, self.suffix = (f"<{self.width} x i64>", f"v{self.width}i64") if self.width > 1 else ("i64", "i64")
        yield
        self.element, self.vtype, self.bytes, self.suffix = kept

    def hashed(self, args: tuple[Expr, ...], here: Env, active: int, p: Point) -> Value:
        """A random number from whole numbers."""
        state: Value = ("0", False)
        for e in args:
            with self.counting():
                a = self.integer(e, here, active, p)
                wide = a[1] or state[1]
                operands = [self.vector(v) if wide else v[0] for v in (state, a)]
            state = self.whole_function("mix", operands, "i64", wide), wide
        return self.whole_function("unit", [state[0]], self.element, state[1]), state[1]

    def whole_function(self, fn: str, operands: list[str], kind: str, wide: bool) -> str:
        lanes = self.width if wide else 1
        self.functions.add((fn, lanes))
        t, out = (f"<{lanes} x i64>", f"<{lanes} x {kind}>") if lanes > 1 else ("i64", kind)
        return self.pure(f"call {out} {vmath.name_of(fn, self.element, lanes)}({', '.join(f'{t} {o}' for o in operands)})")

    def integer(self, e: Expr, here: Env, active: int, p: Point) -> Value:
        """A whole number as i64 (while `compared` has made that the type of values)."""
        match e:
            case Const(value):
                return str(value), False
            case Index(expr):
                return self.places(expr, here)
            case Read(tensor, index):
                return self.fetch(self.storage[tensor], index, here, active)
            case Call("neg", (a,)):
                return self.binary("sub", ("0", False), self.integer(a, here, active, p))
            case Call(fn, (a, b)):
                return self.binary({"+": "add", "-": "sub", "*": "mul"}[fn], self.integer(a, here, active, p), self.integer(b, here, active, p))
        raise TypeError(e)

    def places(self, p: Poly, here: Env) -> Value:
        """An index expression as i64, for each lane where it moves with the vector letter."""
        here = self.with_samples(p, here)
        letter = self.group.vector
        for x in self.sampled & p.names:  # the block's first sample, and one more for each lane
            letter, here = x, here | {x: Place("%first", 0, 0, MOST_SAMPLES)}
        if self.width == 1 or letter is None or letter not in p.names:
            return self.sum(p, here), False
        split = p.linear_in(letter)
        if split is not None and isinstance(split[0].constant, int):  # the lanes are a fixed step apart
            steps = ", ".join(f"i64 {split[0].constant * k}" for k in range(self.width))
            return self.binary("add", (self.vector((self.sum(p, here), False)), True), (f"<{steps}>", True))
        out = "undef"
        for k in range(self.width):
            one = self.sum(p, here | {letter: here[letter].shifted(k)})
            out = self.pure(f"insertelement {self.vtype} {out}, i64 {one}, i32 {k}")
        return out, True

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


def _hex(x: float, element: str) -> str:
    if element == "float" and math.isfinite(x):
        try:
            x = struct.unpack("f", struct.pack("f", x))[0]
        except OverflowError:
            x = math.copysign(math.inf, x)
    return struct.pack(">d", x).hex().upper()
