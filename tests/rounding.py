"""Numbers that carry a bound of their rounding error: how far two right answers may lie apart.

A number is (value, error): the value in double precision, the error in units of rounding, to first order. Where a decision (a
comparison, the winner of a max) hangs on less than the error, what follows from it is undecided: its error is infinite, and nobody is judged by it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import reduce

from tests.plain import COMPARE, REAL, Numbers, best

Number = tuple[float, float]
SLACK = 16  # how many times the first-order error may pass before it counts as wrong


def numbers_with_errors(unit: float) -> Numbers:
    """unit: half a unit in the last place of the machine's numbers, 2**-53 or 2**-24."""
    single = unit > 1e-10
    huge, tiny = (1e30, 1e-37 / unit) if single else (1e300, 1e-306 / unit)

    def close(gap: float, e: float) -> bool:
        return e > 0 and not gap > SLACK * unit * e

    def made(v: float, e: float, args: tuple[Number, ...], own: float = 1, poles: bool = False) -> Number:
        """A result with what its arguments' errors do to it, `e`, and its own rounding."""
        errors = [x[1] for x in args]
        if math.inf in errors or e != e:
            return v, math.inf
        finite = all(math.isfinite(x[0]) for x in args)
        if v != v or abs(v) == math.inf:
            return v, math.inf if finite and (any(errors) or not poles) else 0.0
        if abs(v) > huge:
            return v, math.inf
        if not any(errors) and own == 1 and float(v).is_integer() and abs(v) < 2**20 and all(float(x[0]).is_integer() for x in args if x[0] == x[0]):
            return v, 0.0  # whole numbers are exact
        return v, e + own * abs(v) + tiny

    def times(x: float, e: float) -> float:
        return 0.0 if e == 0 else abs(x) * e

    def multiply(a: Number, b: Number) -> Number:
        v = a[0] * b[0]
        if any(abs(x[0]) == math.inf and close(abs(y[0]), y[1]) for x, y in ((a, b), (b, a))):
            return v, math.inf
        return made(v, times(a[0], b[1]) + times(b[0], a[1]), (a, b))

    def divide(a: Number, b: Number) -> Number:
        v = REAL["/"](a[0], b[0])
        if close(abs(b[0]) / 8, b[1]) or (abs(v) == math.inf and close(abs(a[0]), a[1])):
            return v, math.inf
        e = (a[1] + times(v, b[1])) / abs(b[0]) if b[0] and math.isfinite(b[0]) else 0.0
        return made(v, e, (a, b), 3, True)

    def power(a: Number, b: Number) -> Number:
        v = REAL["**"](*map(float, (a[0], b[0])))
        if a[0] == -math.inf and not float(b[0]).is_integer():
            return v, math.inf  # IEEE's power has an infinity here, its root has none
        if close(abs(a[0]) / 8, a[1]) or close(1 / 8, times(b[0], a[1]) / abs(a[0]) if a[0] else 0.0):
            return v, math.inf
        e = times(b[0] * v / a[0], a[1]) if a[0] and a[1] else 0.0
        e += times(v * math.log(abs(a[0])), b[1]) if a[0] and b[1] else 0.0
        return made(v, e, (a, b), 4 + abs(b[0]) if abs(b[0]) < 9 else 24, True)

    def smooth(name: str, slope: Callable, reach: Callable = lambda a, v: math.inf, poles: bool = False) -> Callable:
        """slope: |f'| from the argument and the value; reach: how large an error leaves it to first order."""

        def f(a: Number) -> Number:
            v = REAL[name](a[0])
            if a[1] and (not math.isfinite(v) or close(reach(a[0], v) / 8, a[1])):
                return v, math.inf if math.isfinite(a[0]) else 0.0
            return made(v, times(slope(a[0], v), a[1]) if a[1] else 0.0, (a,), 4, poles)

        return f

    def compare(f: Callable) -> Callable:
        return lambda a, b: (int(f(a[0], b[0])), math.inf if math.inf in (a[1], b[1]) or close(abs(a[0] - b[0]), a[1] + b[1]) else 0.0)

    def either(name: str) -> Callable:
        return lambda a, b: (REAL[name](a[0], b[0]), max(a[1], b[1]))

    def where(c: Number, a: Number, b: Number) -> Number:
        v, e = a if c[0] != 0 else b
        return v, math.inf if c[1] == math.inf or close(abs(c[0]), c[1]) else e

    def total(terms: list[Number]) -> Number:
        values = [t[0] for t in terms]
        v = REAL["sum"](values)
        e = sum(t[1] for t in terms)
        if math.inf in [t[1] for t in terms]:
            return v, math.inf
        if not math.isfinite(v):
            return v, math.inf if all(map(math.isfinite, values)) else 0.0
        if e == 0 and all(float(x).is_integer() for x in values) and sum(map(abs, values)) < 2**20:
            return v, 0.0
        return v, (e + (4 + len(terms) / 8) * sum(map(abs, values)) if len(terms) > 1 else e) + tiny * bool(terms)

    def extreme(name: str) -> Callable:
        return lambda terms: (REAL[name]([t[0] for t in terms]), max([t[1] for t in terms], default=0.0))

    def argmax(terms: list[Number], which: list[int]) -> Number:
        if not terms:
            return -1, 0.0
        k = best(1)([t[0] for t in terms])
        v, e = terms[k]
        unsure = any(math.inf in (x[1], e) or ((x[0] != v or x[1] + e > 0) and close(abs(x[0] - v), x[1] + e)) for j, x in enumerate(terms) if j != k)
        return which[k], math.inf if unsure else 0.0

    def sign(a: Number) -> Number:
        return REAL["sign"](a[0]), math.inf if close(abs(a[0]), a[1]) else 0.0

    def jump(name: str, period: float, at: float) -> Callable:
        """A step function: it may be anywhere if its argument is near a jump."""

        def f(a: Number) -> Number:
            v = REAL[name](a[0])
            near = math.isfinite(a[0]) and a[1] and close(abs((a[0] - at + 0.5) % period - 0.5), a[1])
            return v, math.inf if near or a[1] == math.inf else 0.0

        return f

    def written(v: float) -> Number:
        return v, 0.0 if float(v).is_integer() else abs(v) * single

    return {
        **{name: compare(f) for name, f in COMPARE.items()},
        "read": lambda v: (v, 0.0), "written": written, "neg": lambda a: (-a[0], a[1]), "abs": lambda a: (REAL["abs"](a[0]), a[1]),
        "+": lambda a, b: made(a[0] + b[0], a[1] + b[1], (a, b)), "-": lambda a, b: made(a[0] - b[0], a[1] + b[1], (a, b)),
        "*": multiply, "/": divide, "**": power, "sign": sign, "where": where, "maximum": either("maximum"), "minimum": either("minimum"),
        "exp": smooth("exp", lambda a, v: v, lambda a, v: 1), "log": smooth("log", lambda a, v: 1 / a, lambda a, v: a, True),
        "sqrt": smooth("sqrt", lambda a, v: 0.5 / v if v else math.inf, lambda a, v: a, True), "tanh": smooth("tanh", lambda a, v: 1 - v * v),
        "sin": smooth("sin", lambda a, v: 1), "cos": smooth("cos", lambda a, v: 1), "erf": smooth("erf", lambda a, v: 1.13 * math.exp(-min(a * a, 700))),
        "asin": smooth("asin", lambda a, v: 1 / math.sqrt(max(1 - a * a, 1e-300)), lambda a, v: 1 - abs(a), True), "atan": smooth("atan", lambda a, v: 1),
        "acos": smooth("acos", lambda a, v: 1 / math.sqrt(max(1 - a * a, 1e-300)), lambda a, v: 1 - abs(a), True),
        "sinh": smooth("sinh", lambda a, v: 1 + abs(v), lambda a, v: 1), "cosh": smooth("cosh", lambda a, v: v, lambda a, v: 1),
        "log1p": smooth("log1p", lambda a, v: 1 / (1 + a), lambda a, v: 1 + a, True), "expm1": smooth("expm1", lambda a, v: v + 1, lambda a, v: 1),
        "softplus": smooth("softplus", lambda a, v: 1), "sigmoid": smooth("sigmoid", lambda a, v: v * (1 - v), lambda a, v: 1),
        "floor": jump("floor", 1, 0), "ceil": jump("ceil", 1, 0), "round": jump("round", 1, 0.5), "prod": lambda terms: reduce(multiply, terms, (1, 0.0)),
        "tan": smooth("tan", lambda a, v: 1 + v * v, lambda a, v: 1 / (1 + abs(v))),
        "uniform": lambda *args: (REAL["uniform"](*(a[0] for a in args)), 1.0 if single else 0.0),
        "sum": total, "max": extreme("max"), "min": extreme("min"), "argmax": argmax,
    }  # fmt: skip
