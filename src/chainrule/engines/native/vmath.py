"""exp, log, tanh and their kin on vectors, written as LLVM text: no library of vector functions is needed.

All are computed in double precision (float vectors are widened and rounded back, so they are correct to about half
a unit in the last place); doubles are good to about 2 units. benchmarks/accuracy.py measures both.
sin, cos, tan, erf and general powers go lane by lane to the C library's function.
"""

from __future__ import annotations

import math


class _Vec:
    """Straight-line code on <L x double>."""

    def __init__(self, lanes: int):
        self.lanes, self.count = lanes, 0
        self.lines: list[str] = []
        self.type = f"<{lanes} x double>" if lanes > 1 else "double"
        self.itype = f"<{lanes} x i64>" if lanes > 1 else "i64"
        self.suffix = f"v{lanes}f64" if lanes > 1 else "f64"
        self.used: set[str] = set()

    def op(self, text: str) -> str:
        self.count += 1
        self.lines.append(f"  %v{self.count} = {text}")
        return f"%v{self.count}"

    def const(self, x: float) -> str:
        bits = f"0x{_bits(x):016X}"
        return bits if self.lanes == 1 else f"<{', '.join([f'double {bits}'] * self.lanes)}>"

    def iconst(self, k: int) -> str:
        return str(k) if self.lanes == 1 else f"<{', '.join([f'i64 {k}'] * self.lanes)}>"

    def bin(self, name: str, a: str, b: str) -> str:
        return self.op(f"{name} {self.type} {a}, {b}")

    def fma(self, a: str, b: str, c: str) -> str:
        return self.call("fmuladd", a, b, c)

    def call(self, name: str, *args: str) -> str:
        full = f"@llvm.{name}.{self.suffix}"
        self.used.add(f"declare {self.type} {full}({', '.join([self.type] * len(args))})")
        return self.op(f"call {self.type} {full}({', '.join(f'{self.type} {a}' for a in args)})")

    def compare(self, how: str, a: str, b: str) -> str:
        return self.op(f"fcmp {how} {self.type} {a}, {b}")

    def select(self, c: str, a: str, b: str) -> str:
        flag = f"<{self.lanes} x i1>" if self.lanes > 1 else "i1"
        return self.op(f"select {flag} {c}, {self.type} {a}, {self.type} {b}")

    def poly(self, x: str, coefs: list[float]) -> str:
        """Horner, constant term first in coefs."""
        out = self.const(coefs[-1])
        for c in reversed(coefs[:-1]):
            out = self.fma(out, x, self.const(c))
        return out

    def power_of_two(self, n: str) -> str:
        """2**n for whole n within the exponents of normal numbers."""
        i = self.op(f"fptosi {self.type} {n} to {self.itype}")
        biased = self.op(f"add {self.itype} {i}, {self.iconst(1023)}")
        shifted = self.op(f"shl {self.itype} {biased}, {self.iconst(52)}")
        return self.op(f"bitcast {self.itype} {shifted} to {self.type}")


def _bits(x: float) -> int:
    import struct

    return int.from_bytes(struct.pack(">d", x), "big")


# ln 2 in two parts whose first has 32 trailing zero bits, so that n * LN2_HI is exact.
LN2_HI = float.fromhex("0x1.62e42fee00000p-1")
LN2_LO = float.fromhex("0x1.a39ef35793c76p-33")


def _reduced(v: _Vec, x: str) -> tuple[str, str]:
    """(n, exp(r) - 1) with x = n ln 2 + r, |r| <= ln 2 / 2."""
    n = v.call("rint", v.bin("fmul", x, v.const(1 / math.log(2))))
    r = v.fma(n, v.const(-LN2_HI), x)
    r = v.fma(n, v.const(-LN2_LO), r)
    tail = v.poly(r, [1 / math.factorial(k) for k in range(2, 14)])
    return n, v.fma(v.bin("fmul", r, r), tail, r)


def _exp(v: _Vec, x: str) -> str:
    y = v.select(v.compare("olt", x, v.const(-800.0)), v.const(-800.0), x)
    y = v.select(v.compare("ogt", y, v.const(800.0)), v.const(800.0), y)
    n, p = _reduced(v, y)
    half = v.call("floor", v.bin("fmul", n, v.const(0.5)))  # two factors: 2**n itself may not be a normal number
    e = v.bin("fadd", p, v.const(1.0))
    e = v.bin("fmul", e, v.power_of_two(half))
    e = v.bin("fmul", e, v.power_of_two(v.bin("fsub", n, half)))
    return v.select(v.compare("uno", x, x), x, e)


def _tanh(v: _Vec, x: str) -> str:
    """tanh x = m / (m + 2) with m = exp(2|x|) - 1, which keeps its precision near 0."""
    a = v.call("fabs", x)
    a = v.select(v.compare("ogt", a, v.const(22.0)), v.const(22.0), a)
    n, p = _reduced(v, v.bin("fadd", a, a))
    scale = v.power_of_two(n)
    m = v.fma(scale, p, v.bin("fsub", scale, v.const(1.0)))
    d = v.bin("fadd", m, v.const(2.0))
    t = v.bin("fdiv", m, d)
    lost = v.bin("fsub", m, v.bin("fsub", d, v.const(2.0)))  # what rounding took from m + 2
    t = v.bin("fsub", t, v.bin("fdiv", v.bin("fmul", t, lost), d))
    high = v.bin("fsub", v.const(1.0), v.bin("fdiv", v.const(2.0), d))
    t = v.select(v.compare("ogt", a, v.const(0.6)), high, t)
    t = v.call("copysign", t, x)
    return v.select(v.compare("uno", x, x), x, t)


def _log(v: _Vec, x: str) -> str:
    tiny = v.compare("olt", x, v.const(2.0**-1022))
    scaled = v.select(tiny, v.bin("fmul", x, v.const(2.0**54)), x)
    bits = v.op(f"bitcast {v.type} {scaled} to {v.itype}")
    # The exponent such that the mantissa lies in [sqrt(1/2), sqrt(2)).
    offset = v.op(f"sub {v.itype} {bits}, {v.iconst(_bits(math.sqrt(0.5)))}")
    e = v.op(f"ashr {v.itype} {offset}, {v.iconst(52)}")
    mantissa = v.op(f"sub {v.itype} {bits}, {v.op(f'shl {v.itype} {e}, {v.iconst(52)}')}")
    m = v.op(f"bitcast {v.itype} {mantissa} to {v.type}")
    n = v.op(f"sitofp {v.itype} {e} to {v.type}")
    n = v.select(tiny, v.bin("fsub", n, v.const(54.0)), n)
    f = v.bin("fsub", m, v.const(1.0))
    s = v.bin("fdiv", f, v.bin("fadd", m, v.const(1.0)))
    z = v.bin("fmul", s, s)
    # log(1+f) = f - f^2/2 + s (f^2/2 + z (2/3 + 2/5 z + …)): the leading term f is exact.
    half = v.bin("fmul", v.bin("fmul", f, f), v.const(0.5))
    tail = v.bin("fmul", z, v.poly(z, [2 / (2 * k + 1) for k in range(1, 12)]))
    inner = v.fma(n, v.const(LN2_LO), v.bin("fmul", s, v.bin("fadd", half, tail)))
    out = v.bin("fsub", v.bin("fmul", n, v.const(LN2_HI)), v.bin("fsub", v.bin("fsub", half, inner), f))
    out = v.select(v.compare("oeq", x, v.const(0.0)), v.const(-math.inf), out)
    out = v.select(v.compare("oeq", x, v.const(math.inf)), v.const(math.inf), out)
    return v.select(v.compare("ult", x, v.const(0.0)), v.const(math.nan), out)


def _sigmoid(v: _Vec, x: str) -> str:
    """1 / (1 + e) or e / (1 + e) with e = exp(-|x|): nothing overflows, and the tails keep their digits."""
    e = _exp(v, v.op(f"fneg {v.type} {v.call('fabs', x)}"))
    top = v.select(v.compare("oge", x, v.const(0.0)), v.const(1.0), e)
    return v.bin("fdiv", top, v.bin("fadd", v.const(1.0), e))


def _log1p(v: _Vec, x: str) -> str:
    """log(u) x / (u - 1) with u = 1 + x as it was rounded: the same mistake above and below the line."""
    u = v.bin("fadd", v.const(1.0), x)
    y = v.bin("fmul", _log(v, u), v.bin("fdiv", x, v.bin("fsub", u, v.const(1.0))))
    y = v.select(v.compare("oeq", u, v.const(1.0)), x, y)
    return v.select(v.compare("oeq", x, v.const(math.inf)), x, y)


def _expm1(v: _Vec, x: str) -> str:
    """2**n p + (2**n - 1) with p = exp(r) - 1, which keeps its precision near 0."""
    y = v.select(v.compare("olt", x, v.const(-40.0)), v.const(-40.0), x)
    y = v.select(v.compare("ogt", y, v.const(40.0)), v.const(40.0), y)
    n, p = _reduced(v, y)
    scale = v.power_of_two(n)
    near = v.fma(scale, p, v.bin("fsub", scale, v.const(1.0)))
    far = v.bin("fsub", _exp(v, x), v.const(1.0))
    y = v.select(v.compare("olt", v.call("fabs", x), v.const(40.0)), near, far)
    return v.select(v.compare("oeq", x, v.const(0.0)), x, y)


def _softplus(v: _Vec, x: str) -> str:
    """max(x, 0) + log(1 + exp(-|x|))."""
    rest = _log1p(v, _exp(v, v.op(f"fneg {v.type} {v.call('fabs', x)}")))
    return v.bin("fadd", v.select(v.compare("olt", x, v.const(0.0)), v.const(0.0), x), rest)


VECTOR = {"exp": _exp, "sigmoid": _sigmoid, "log": _log, "tanh": _tanh, "log1p": _log1p, "expm1": _expm1, "softplus": _softplus}
LIBRARY = {f: f for f in ("sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "erf", "pow")}


# Whole numbers: vectors of i64 ---------------------------------------------------------------------------------------------


def _mix(v: _Vec, args: list[str], element: str) -> str:
    """A round of splitmix64: what was counted so far, and the next whole number."""
    t = v.itype

    def word(k: int) -> str:
        return v.iconst(k - (1 << 64) if k >= 1 << 63 else k)

    def turned(z: str, by: int) -> str:
        return v.op(f"xor {t} {z}, {v.op(f'lshr {t} {z}, {v.iconst(by)}')}")

    z = v.op(f"add {t} {v.op(f'xor {t} {args[0]}, {args[1]}')}, {word(0x9E3779B97F4A7C15)}")
    z = v.op(f"mul {t} {turned(z, 30)}, {word(0xBF58476D1CE4E5B9)}")
    z = v.op(f"mul {t} {turned(z, 27)}, {word(0x94D049BB133111EB)}")
    return turned(z, 31)


def _unit(v: _Vec, args: list[str], element: str) -> str:
    """The highest bits as a number in [0, 1)."""
    bits, t = (24 if element == "float" else 53), _type(element, v.lanes)
    whole = v.op(f"sitofp {v.itype} {v.op(f'lshr {v.itype} {args[0]}, {v.iconst(64 - bits)}')} to {t}")
    one = f"0x{_bits(2.0**-bits):016X}"
    return v.op(f"fmul {t} {whole}, {one if v.lanes == 1 else '<' + ', '.join([f'{element} {one}'] * v.lanes) + '>'}")


WHOLE = {"mix": (_mix, 2, "i64"), "unit": (_unit, 1, "")}  # function, arguments, type of its value ("": that of the kernel)


def _define_whole(fn: str, element: str, lanes: int) -> tuple[str, set[str]]:
    make, count, kind = WHOLE[fn]
    v = _Vec(lanes)
    args = [f"%x{k}" for k in range(count)]
    y, t = make(v, args, element), _type(kind or element, lanes)
    head = f"define internal {t} {name_of(fn, element, lanes)}({', '.join(f'{v.itype} {a}' for a in args)}) memory(none) nounwind willreturn {{"
    return "\n".join([head, *v.lines, f"  ret {t} {y}", "}"]), set()


def _type(element: str, lanes: int) -> str:
    return element if lanes == 1 else f"<{lanes} x {element}>"


def name_of(fn: str, element: str, lanes: int) -> str:
    return f"@math_{fn}_{element}_{lanes}"


def define(fn: str, element: str, lanes: int) -> tuple[str, set[str]]:
    """(text of the function, declarations it needs) for a vector of `lanes` elements."""
    if fn in WHOLE:
        return _define_whole(fn, element, lanes)
    t, d = _type(element, lanes), _type("double", lanes)
    args = ["%x", "%y"] if fn == "pow" else ["%x"]
    head = f"define internal {t} {name_of(fn, element, lanes)}({', '.join(f'{t} {a}' for a in args)}) memory(none) nounwind willreturn {{"
    v = _Vec(lanes)
    wide = [v.op(f"fpext {t} {a} to {d}") if element == "float" else a for a in args]
    if fn in VECTOR:
        y = VECTOR[fn](v, wide[0])
    else:
        y = "undef" if lanes > 1 else ""
        target = LIBRARY[fn]
        v.used.add(f"declare double @{target}({', '.join(['double'] * len(args))}) memory(none) nounwind willreturn")
        for k in range(lanes):
            each = [v.op(f"extractelement {d} {w}, i32 {k}") if lanes > 1 else w for w in wide]
            one = v.op(f"call double @{target}({', '.join(f'double {e}' for e in each)})")
            y = v.op(f"insertelement {d} {y}, double {one}, i32 {k}") if lanes > 1 else one
    if element == "float":
        y = v.op(f"fptrunc {d} {y} to {t}")
    return "\n".join([head, *v.lines, f"  ret {t} {y}", "}"]), v.used
