"""The language read literally: loops over plain Python numbers, straight from docs/notation.md.

The third evaluator, beside both engines and sharing no code with them: it takes the parsed tree and nothing else.
`numbers` says what a number is: real ones are here (whole numbers stay exact, fractions too), complex ones for the complex
step, and numbers that carry a bound of their rounding error are in tests/rounding.py.
"""

from __future__ import annotations

import cmath
import itertools
import math
from collections.abc import Callable, Mapping

import numpy as np

from chainrule.language.index import Poly, Quotient
from chainrule.language.tree import Call, Const, Definition, Expr, Index, Read, Reduce

Numbers = Mapping[str, Callable]
COMPARE: dict[str, Callable] = {
    "<": lambda a, b: a < b, "<=": lambda a, b: a <= b, ">": lambda a, b: a > b, ">=": lambda a, b: a >= b,
    "==": lambda a, b: a == b, "!=": lambda a, b: a != b, "delta": lambda a, b: a == b,
}  # fmt: skip


class Outside(Exception):
    """A place outside its tensor was read: the term of the innermost reduction is dropped."""


def whole(p: Poly, env: Mapping[str, int | float]) -> int | float:
    """The value of an index expression."""
    total: int | float = 0
    for monomial, c in p.terms.items():
        for atom in monomial:
            if isinstance(atom, Quotient):
                num, den = whole(atom.num, env), whole(atom.den, env)
                c = c * (num % den if atom.remainder else num // den)
            else:
                c = c * env[atom]
        total += c
    return total


def evaluate(d: Definition, arrays: Mapping[str, np.ndarray], settings: Mapping[str, int | float], numbers: Numbers) -> dict[str, np.ndarray]:
    """Every tensor of a definition, as arrays of Python objects."""
    sizes: dict[str, int | float] = dict(d.settings) | dict(settings)
    for t in d.inputs:
        for p, size in zip(t.axes, np.shape(arrays[t.name])):
            if list(p.terms.values()) == [1] and all(len(m) == 1 and isinstance(m[0], str) for m in p.terms):
                sizes.setdefault(str(p), size)
    tensors = {}
    for name, a in arrays.items():
        tensors[name] = np.empty(np.shape(a), object)
        for at in np.ndindex(np.shape(a)):
            v = np.asarray(a)[at]
            tensors[name][at] = numbers["read"](v.item() if isinstance(v, np.generic) else v)
    for line in d.lines:
        made = np.empty(tuple(int(whole(a, sizes)) for a in d.axes[line.tensor]), object)
        for at in itertools.product(*[range(int(whole(r, sizes))) for r in line.ranges]):
            here = sizes | dict(zip(line.letters, at))
            place = at if line.target is None else tuple(int(whole(p, here)) for p in line.target)
            made[place] = value(line.expr, here, tensors, numbers)
        tensors[line.tensor] = made
    return tensors


def value(e: Expr, env: Mapping[str, int | float], tensors: Mapping[str, np.ndarray], numbers: Numbers) -> object:
    match e:
        case Const(v):
            return numbers["written"](v)
        case Index(p):
            return numbers["written"](whole(p, env))
        case Read(tensor, index):
            at = tuple(whole(p, env) for p in index)
            if not all(0 <= k < size for k, size in zip(at, tensors[tensor].shape)):
                raise Outside(f"{tensor}{list(at)}")
            return tensors[tensor][at]
        case Call(fn, args):
            found = numbers[fn](*[value(a, env, tensors, numbers) for a in args])
            for test in strong_zeros(e):
                found = numbers["where"](value(test, env, tensors, numbers), found, numbers["written"](0))
            return found
        case Reduce(kind, letters, ranges, body):
            places = list(itertools.product(*[range(int(whole(r, env))) for r in ranges]))
            terms, which = [], []
            for k, at in enumerate(places):
                here = {**env, **dict(zip(letters, at))}
                if kind in ("sum", "mean") and not allowed(body, here):
                    continue
                try:
                    terms.append(value(body, here, tensors, numbers))
                    which.append(k)
                except Outside:
                    pass
            if kind == "mean":
                return numbers["/"](numbers["sum"](terms), numbers["written"](len(places)))
            return numbers["argmax"](terms, which) if kind == "argmax" else numbers[kind](terms)
    raise TypeError(e)


def allowed(e: Expr, env: Mapping[str, int | float]) -> bool:
    """Whether no comparison of indices that is a factor of e is false: such a zero is strong."""
    if isinstance(e, Call) and e.fn in ("*", "neg"):
        return all(allowed(a, env) for a in e.args)
    if isinstance(e, Call) and e.fn == "/":
        return allowed(e.args[0], env)
    if isinstance(e, Call) and e.fn in COMPARE and all(isinstance(a, (Index, Const)) for a in e.args):
        sides = [a.value if isinstance(a, Const) else whole(a.expr, env) for a in e.args if isinstance(a, (Index, Const))]
        return not all(isinstance(s, int) for s in sides) or bool(COMPARE[e.fn](*sides))
    return True


def strong_zeros(e: Expr) -> list[Expr]:
    """The comparisons that are factors of e: where one is 0, so is e, whatever else it is made of."""
    if isinstance(e, Call) and e.fn in ("*", "neg"):
        return [t for a in e.args for t in ([a] if comparison(a) else strong_zeros(a))]
    if isinstance(e, Call) and e.fn == "/":
        return [e.args[0]] if comparison(e.args[0]) else strong_zeros(e.args[0])
    return []


def comparison(e: Expr) -> bool:
    return isinstance(e, Call) and (e.fn in COMPARE or (e.fn in ("maximum", "minimum", "*") and all(map(comparison, e.args))))


def divide(a: float, b: float) -> float:
    if b != 0:
        return a / b
    return math.nan if a == 0 or a != a else math.copysign(math.inf, math.copysign(1, a) * math.copysign(1, b))


def power(a: float, b: float) -> float:
    try:
        return math.pow(a, b)
    except OverflowError:
        return -math.inf if a < 0 and b % 2 == 1 else math.inf
    except ValueError:  # 0 to a negative power, or a negative number to a broken one
        return math.nan if a != 0 else math.copysign(math.inf, a) if b % 2 == 1 else math.inf


def guarded(f: Callable, wrong: Callable = lambda a: math.nan) -> Callable:
    """A function of `math` with IEEE's answers where Python raises an error."""

    def g(a: float) -> float:
        try:
            return f(a)
        except (ValueError, OverflowError):
            return wrong(a)

    return g


def best(kind: int) -> Callable:
    """The place of the first winner among terms: NaN wins, then the largest (kind 1) or smallest (kind -1)."""

    def find(terms: list) -> int:
        real = [v.real for v in terms]
        nan = [k for k, v in enumerate(real) if v != v]
        return nan[0] if nan else real.index(max(real) if kind > 0 else min(real))

    return find


def extreme(kind: int) -> Callable:
    return lambda terms: terms[best(kind)(terms)] if terms else -kind * math.inf


def either(pick: Callable) -> Callable:
    return lambda a, b: a if a != a else b if b != b else a if pick(a.real, b.real) else b


def total(terms: list) -> object:
    try:
        return math.fsum(terms) if any(isinstance(v, float) for v in terms) else sum(terms)
    except (OverflowError, ValueError, TypeError):
        return sum(terms)


def product(terms: list) -> object:
    out = 1
    for v in terms:
        out = out * v
    return out


def uniform(*args: float) -> float:
    z = 0
    for a in map(int, args):
        z = ((z ^ a % 2**64) + 0x9E3779B97F4A7C15) % 2**64
        z = ((z ^ z >> 30) * 0xBF58476D1CE4E5B9) % 2**64
        z = ((z ^ z >> 27) * 0x94D049BB133111EB) % 2**64
        z ^= z >> 31
    return (z >> 11) / 2**53


def softplus(a: float) -> float:
    return a + math.log1p(math.exp(-a)) if a > 0 else math.log1p(math.exp(a))


def step(f: Callable) -> Callable:
    """A function that is flat but for its jumps, of the real part."""
    return lambda a: f(a.real) if math.isfinite(a.real) else a.real


def sign(a: float) -> float:
    return a.real if a.real != a.real else (a.real > 0) - (a.real < 0)


REAL: Numbers = {
    **{name: (lambda a, b, f=f: int(f(a.real, b.real))) for name, f in COMPARE.items()},
    "read": lambda v: v, "written": lambda v: v, "+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b, "neg": lambda a: -a,
    "/": divide, "**": power, "exp": guarded(math.exp, lambda a: math.inf), "log": guarded(math.log, lambda a: -math.inf if a == 0 else math.nan),
    "sqrt": guarded(math.sqrt), "sin": guarded(math.sin), "cos": guarded(math.cos), "tan": guarded(math.tan), "tanh": math.tanh, "erf": math.erf,
    "sigmoid": lambda a: 1 / (1 + math.exp(-a)) if a >= 0 else math.exp(max(a, -745.2)) / (1 + math.exp(max(a, -745.2))),
    "asin": guarded(math.asin), "acos": guarded(math.acos), "atan": math.atan, "sinh": guarded(math.sinh, lambda a: math.copysign(math.inf, a)),
    "cosh": guarded(math.cosh, lambda a: math.inf), "log1p": guarded(math.log1p, lambda a: -math.inf if a == -1 else math.nan),
    "expm1": guarded(math.expm1, lambda a: math.inf), "softplus": softplus, "floor": step(math.floor), "ceil": step(math.ceil), "round": step(round),
    "abs": lambda a: -a if a.real < 0 else abs(a) if a == 0 else a, "sign": sign, "where": lambda c, a, b: a if c != 0 else b,
    "maximum": either(lambda a, b: a >= b), "minimum": either(lambda a, b: a <= b),
    "sum": total, "prod": product, "max": extreme(1), "min": extreme(-1), "argmax": lambda terms, which: which[best(1)(terms)] if terms else -1, "uniform": uniform,
}  # fmt: skip

COMPLEX: Numbers = {
    **REAL, "read": complex, "/": lambda a, b: a / b, "**": lambda a, b: a**b, "exp": cmath.exp, "log": cmath.log, "sqrt": cmath.sqrt,
    "asin": cmath.asin, "acos": cmath.acos, "atan": cmath.atan, "sinh": cmath.sinh, "cosh": cmath.cosh, "log1p": lambda a: cmath.log(1 + a),
    "expm1": lambda a: cmath.exp(a) - 1, "softplus": lambda a: cmath.log(1 + cmath.exp(a)) if a.real < 0 else a + cmath.log(1 + cmath.exp(-a)),
    "sin": cmath.sin, "cos": cmath.cos, "tan": cmath.tan, "tanh": cmath.tanh, "sigmoid": lambda a: 1 / (1 + cmath.exp(-a)),
    "erf": lambda a: complex(math.erf(a.real), a.imag * 2 / math.sqrt(math.pi) * math.exp(-(a.real**2))),
}  # fmt: skip

FRACTION: Numbers = {**REAL, "/": lambda a, b: a / b, "**": lambda a, b: a ** int(b), "sum": sum}
