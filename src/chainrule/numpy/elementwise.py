"""NumPy's functions of numbers, element by element: rules made of the formulas and equations of ops/arrays.py."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np

from ..errors import ArgumentError
from ..ops.arrays import ELEMENTWISE, IMPLICIT
from .choosing import choice
from .implicit import Implicit
from .registry import FLAT, FUNCTIONS, UFUNCS, absent, of, plain, real, refuse
from .rule import Formula, Rule, formula
from .tape import Node, apply

# Where NumPy's operators on numbers and arrays are quicker than the functions that mean the same.
QUICK: Mapping[str, Callable[..., Any]] = {
    "add": operator.add, "subtract": operator.sub, "multiply": operator.mul, "divide": operator.truediv, "power": operator.pow,
    "negative": operator.neg, "absolute": operator.abs,
}  # fmt: skip

MOST_POWERS = 256
CHOOSING = frozenset({np.maximum, np.minimum, np.fmax, np.fmin})


@cache
def meaning(name: str) -> Formula:
    """The formula or equation of a function by its NumPy name."""
    text = ELEMENTWISE.get(name) or IMPLICIT[name]
    arguments = tuple(x for x in "abc" if re.search(rf"\b{x}\b", text))
    if name in IMPLICIT:
        return Implicit(name, text, arguments)
    return formula(f"{name}_({', '.join(arguments)}) -> y\n  y = {text}")


def rule(name: str, value: Callable[..., Any]) -> Rule:
    made = Rule(meaning(name), None, QUICK.get(name, value))
    made.ufunc = value if isinstance(value, np.ufunc) else None
    return made


def found(ufunc: Any) -> Rule | None:
    """The rule of a ufunc, NumPy's or one of another package that means the same by the same name."""
    name = ufunc.__name__
    if name in ELEMENTWISE or name in IMPLICIT:
        return UFUNCS.setdefault(ufunc, rule(name, ufunc))
    return None


ADD, SUBTRACT, MULTIPLY, DIVIDE = (rule(f.__name__, f) for f in (np.add, np.subtract, np.multiply, np.divide))
POWER, NEGATIVE, ABSOLUTE, REMAINDER = (rule(f.__name__, f) for f in (np.power, np.negative, np.absolute, np.remainder))
UFUNCS |= {
    np.add: ADD, np.subtract: SUBTRACT, np.multiply: MULTIPLY, np.divide: DIVIDE, np.power: POWER, np.negative: NEGATIVE,
    np.absolute: ABSOLUTE, np.remainder: REMAINDER,
}  # fmt: skip
FLAT |= {
    np.floor, np.ceil, np.trunc, np.rint, np.sign, np.signbit, np.floor_divide, np.less, np.less_equal, np.greater, np.greater_equal, np.equal,
    np.not_equal, np.logical_and, np.logical_or, np.logical_xor, np.logical_not, np.isnan, np.isinf, np.isfinite, np.spacing,
}  # fmt: skip
WHERE, CLIP, SINC, FINITE = (
    rule("where", choice),
    rule("clip", np.clip),
    rule("sinc", np.sinc),
    rule("nan_to_num", lambda a: np.where(np.isfinite(a), a, 0)),
)
CLIP.ufunc = np.clip
_POWERS: dict[tuple[type, float], Rule] = {}


def power(a: Any, b: Any) -> Any:
    """a ** b; where b is a number it stands in the formula."""
    if type(b) not in (int, float) or not isinstance(a, Node):
        return apply(POWER, (real(a), real(b)))
    known = _POWERS.get((type(b), b))
    if known is None:
        known = POWER if b != b or abs(b) == np.inf or len(_POWERS) >= MOST_POWERS else numbered(b)
    return apply(known, (a,) if known is not POWER else (a, b))


def numbered(b: float) -> Rule:
    text = f"({b!r})" if b < 0 else repr(b)
    made = Rule(formula(f"power_(a) -> y\n  y = a ** {text}"), None, lambda a: a**b)
    made.ufunc = {2: np.square, 0.5: np.sqrt, -1: np.reciprocal}.get(b)
    return _POWERS.setdefault((type(b), b), made)


_CASTS: dict[np.dtype, Rule] = {}


def cast(a: Any, dtype: Any, *_: Any, **__: Any) -> Any:
    """a in another number type; in one of whole numbers it does not move."""
    kind = np.dtype(dtype)
    if kind.kind != "f":
        return plain(a).astype(kind)
    known = _CASTS.get(kind)
    if known is None:
        known = _CASTS.setdefault(kind, Rule(meaning("positive"), None, lambda a: a.astype(kind)))
    return apply(known, (a,))


@of(np.where)
def where(condition: Any, *branches: Any) -> Any:
    if not branches:
        return np.where(plain(condition))
    return apply(WHERE, (np.asarray(plain(condition)), *map(real, branches)))


@of(np.clip)
def clip(a: Any, a_min: Any = None, a_max: Any = None, out: Any = None, **given: Any) -> Any:
    low, high = (given.pop(k, v) for k, v in (("min", a_min), ("max", a_max)))
    if out is not None or any(v is not None for v in given.values()):
        raise ArgumentError("np.clip(…, out=…): in place; accepted: x = np.clip(x, low, high)")
    if absent(low):
        low = -np.inf
    if absent(high):
        high = np.inf
    return apply(CLIP, (real(a), real(low), real(high)))


@of(np.sinc)
def sinc(x: Any) -> Any:
    return apply(SINC, (x,))


@of(np.nan_to_num)
def nan_to_num(x: Any, copy: bool = True, nan: float = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    a = plain(x)
    return np.where(np.isfinite(a), apply(FINITE, (x,)), np.nan_to_num(a, nan=nan, posinf=posinf, neginf=neginf))


@of(np.real, np.real_if_close)
def real_part(x: Any, *_: Any) -> Any:
    return x


@of(np.imag, np.angle)
def no_part(x: Any, *_: Any) -> Any:
    return np.zeros_like(plain(x))


def of_ufunc(ufunc: Any, method: str, inputs: Any, kwargs: dict[str, Any]) -> Any:
    """A call of a ufunc with a remembered value among its arguments."""
    if ufunc in FLAT and not kwargs.get("out"):
        return getattr(ufunc, method)(*map(plain, inputs), **kwargs)
    if kwargs.get("out") is not None:
        raise ArgumentError(
            f"np.{ufunc.__name__}(…, out=…), or an array changed in place (a += x) by a value that is being differentiated: "
            "derivatives need the old values; accepted: a = a + x"
        )
    if kwargs:
        k, v = next(iter(kwargs.items()))
        if method == "__call__" and not (k == "dtype" and len(kwargs) == 1):
            raise ArgumentError(f"np.{ufunc.__name__}({k}={v!r:.60}): not taken where a derivative is; accepted: np.where(…) around it")
    if method == "__call__":
        f = FUNCTIONS.get(ufunc)
        if f is not None:
            return f(*inputs)
        known = UFUNCS.get(ufunc) or found(ufunc)
        if known is None:
            refuse(ufunc, ufunc.__name__)
            raise AssertionError
        if ufunc in CHOOSING and isinstance(inputs[0], Node) != isinstance(inputs[1], Node):
            inputs = inputs[::-1] if isinstance(inputs[0], Node) else inputs  # at a tie the first wins: what does not move, as in the language
        y = power(*inputs) if known is POWER else apply(known, tuple(map(real, inputs)))
        return cast(y, kwargs["dtype"]) if kwargs else y
    f = FUNCTIONS.get((ufunc, method))
    if f is None:
        refuse(ufunc, f"{ufunc.__name__}.{method}")
        raise AssertionError
    return f(*inputs, **kwargs)


def outer(ufunc: Any) -> None:
    """Every pair of elements of two arrays: the second behind new axes of the first."""

    def f(a: Any, b: Any) -> Any:
        a, b = real(a), real(b)
        return ufunc(a[(...,) + (None,) * np.ndim(b)], b)

    FUNCTIONS[ufunc, "outer"] = f


for _f in (np.add, np.subtract, np.multiply, np.divide, np.power, np.maximum, np.minimum, np.arctan2, np.logaddexp, np.hypot):
    outer(_f)


@of(np.divmod)
def divided(a: Any, b: Any) -> Any:
    return np.floor_divide(a, b), np.remainder(a, b)


@of(np.modf)
def parts(a: Any) -> Any:
    whole = np.trunc(a)
    return a - whole, whole
