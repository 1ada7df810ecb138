"""A number or array that remembers how it was computed: it goes through ordinary NumPy code as an array does.

Operators, NumPy's functions (`__array_ufunc__`, `__array_function__`) and methods hand on to the rules; comparisons give plain truth
values, so that Python's control flow runs as it would without.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import numpy as np

from ..errors import ElementTypeError
from .elementwise import ABSOLUTE, ADD, DIVIDE, MULTIPLY, NEGATIVE, REMAINDER, SUBTRACT, cast, of_ufunc, power
from .operations import applied
from .registry import FLAT, FUNCTIONS, NUMBERS, flat, plain, real, refuse
from .rule import Rule
from .tape import Node, apply, made


def two(rule: Rule, a: Any, b: Any) -> Any:
    """A rule of two arguments; the usual cases without detours."""
    if type(a) is Traced:
        tape = a.tape
        if tape.plain:
            if type(b) is Traced:
                if b.tape is tape:
                    x, z = a.value, b.value
                    return made(tape, rule.value(x, z), rule, (x, z), ((0, a.place), (1, b.place)))
            elif type(b) in NUMBERS or (type(b) is np.ndarray and b.dtype.kind in "fiub"):
                x = a.value
                return made(tape, rule.value(x, b), rule, (x, b), ((0, a.place),))
    elif b.tape.plain and (type(a) in NUMBERS or (type(a) is np.ndarray and a.dtype.kind in "fiub")):
        z = b.value
        return made(b.tape, rule.value(a, z), rule, (a, z), ((1, b.place),))
    return apply(rule, (real(a), real(b)))


def compared(f: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda self, other: f(plain(self), plain(other))


def method(f: Any) -> Callable[..., Any]:
    """A method of arrays that is a function of NumPy."""

    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        return called(f, (self, *args), kwargs)

    return call


def called(f: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    known = FUNCTIONS.get(f)
    if known is not None:
        return known(*args, **kwargs)
    if f in FLAT:
        return flat(f, args, kwargs)
    refuse(f, f.__name__)
    raise AssertionError


def flattened(f: Any) -> Callable[..., Any]:
    return lambda self, *args, **kwargs: flat(f, (self, *args), kwargs)


def in_place(name: str, instead: str) -> Callable[..., NoReturn]:
    def refused(self: Any, *_: Any, **__: Any) -> NoReturn:
        raise ElementTypeError(f"{name}: changes an array whose derivatives need its old values; accepted: {instead}")

    return refused


def numeric(name: str, instead: str) -> Callable[[Any], NoReturn]:
    def refused(self: Any) -> NoReturn:
        raise ElementTypeError(
            f"{name} of a value that is being differentiated: what comes out would not remember where it is from; accepted: {instead}"
        )

    return refused


def _ufunc(f: Any) -> Callable[[Any], Any]:
    return lambda self: of_ufunc(f, "__call__", (self,), {})


class Traced(Node):
    """A value that is being differentiated."""

    __slots__ = ()

    shape = property(lambda self: self.value.shape)
    dtype = property(lambda self: self.value.dtype)
    ndim = property(lambda self: self.value.ndim)
    size = property(lambda self: self.value.size)
    T = property(lambda self: FUNCTIONS[np.transpose](self))
    mT = property(lambda self: FUNCTIONS[np.swapaxes](self, -1, -2))
    real = property(lambda self: self)
    imag = property(lambda self: np.zeros_like(plain(self)))
    flat = property(lambda self: FUNCTIONS[np.ravel](self))

    def __array_ufunc__(self, ufunc: Any, how: str, *inputs: Any, **kwargs: Any) -> Any:
        return of_ufunc(ufunc, how, inputs, kwargs)

    def __array_function__(self, f: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return called(f, args, kwargs)

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        """An array of remembered numbers, so that np.array([x, y]) goes on; what wants floats is refused."""
        kind = "O" if dtype is None else np.dtype(dtype).kind
        if kind in "iub":
            return np.asarray(plain(self)).astype(dtype)
        if kind != "O":
            raise ElementTypeError(
                f"an array of dtype {np.dtype(dtype)} of values that are being differentiated: it could not remember where they are from; "
                "accepted: np.stack([x, y]), np.concatenate, np.where, or np.array([x, y])"
            )
        out = np.empty(self.shape, object)
        for at in np.ndindex(self.shape):
            out[at] = self[at] if self.shape else self
        return out

    __add__ = lambda self, other: two(ADD, self, other)  # noqa: E731
    __radd__ = lambda self, other: two(ADD, other, self)  # noqa: E731
    __sub__ = lambda self, other: two(SUBTRACT, self, other)  # noqa: E731
    __rsub__ = lambda self, other: two(SUBTRACT, other, self)  # noqa: E731
    __mul__ = lambda self, other: two(MULTIPLY, self, other)  # noqa: E731
    __rmul__ = lambda self, other: two(MULTIPLY, other, self)  # noqa: E731
    __truediv__ = lambda self, other: two(DIVIDE, self, other)  # noqa: E731
    __rtruediv__ = lambda self, other: two(DIVIDE, other, self)  # noqa: E731
    __mod__ = lambda self, other: two(REMAINDER, self, other)  # noqa: E731
    __rmod__ = lambda self, other: two(REMAINDER, other, self)  # noqa: E731
    __pow__ = lambda self, other, modulo=None: power(self, other)  # noqa: E731
    __rpow__ = lambda self, other: power(real(other), self)  # noqa: E731
    __matmul__ = lambda self, other: FUNCTIONS[np.matmul](self, other)  # noqa: E731
    __rmatmul__ = lambda self, other: FUNCTIONS[np.matmul](other, self)  # noqa: E731
    __floordiv__ = compared(operator.floordiv)
    __rfloordiv__ = compared(lambda a, b: b // a)
    __divmod__ = lambda self, other: (self // other, self % other)  # noqa: E731
    __neg__ = lambda self: apply(NEGATIVE, (self,))  # noqa: E731
    __pos__ = lambda self: self  # noqa: E731
    __abs__ = lambda self: apply(ABSOLUTE, (self,))  # noqa: E731
    __lt__ = compared(operator.lt)
    __le__ = compared(operator.le)
    __gt__ = compared(operator.gt)
    __ge__ = compared(operator.ge)
    __eq__ = compared(operator.eq)  # type: ignore[assignment]  # arrays compare element by element
    __ne__ = compared(operator.ne)  # type: ignore[assignment]  # arrays compare element by element
    __hash__ = object.__hash__
    __bool__ = lambda self: bool(plain(self))  # noqa: E731
    __int__ = lambda self: int(plain(self))  # noqa: E731
    __round__ = lambda self, digits=None: round(plain(self), digits)  # noqa: E731
    __trunc__ = lambda self: int(plain(self))  # noqa: E731
    __floor__ = lambda self: int(np.floor(plain(self)))  # noqa: E731
    __ceil__ = lambda self: int(np.ceil(plain(self)))  # noqa: E731
    __float__ = numeric("float(x) or math.sin(x)", "x as it is, and np.sin, np.exp, … for functions of math; np.stack where it is put into an array")
    __complex__ = numeric("complex(x)", "real and imaginary part as two real values")
    __index__ = numeric("an index", "int(x), which does not move")

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of unsized object")
        return int(self.shape[0])

    def __iter__(self) -> Iterator[Any]:
        if not self.shape:
            raise TypeError("iteration over a 0-d array")
        return (self[k] for k in range(len(self)))

    def __getitem__(self, key: Any) -> Any:
        return FUNCTIONS["read"](self, key)

    __setitem__ = in_place("x[…] = value", "np.where(mask, value, x), np.concatenate, or np.stack of the parts")
    __contains__ = lambda self, other: bool(np.any(plain(self) == plain(other)))  # noqa: E731

    def __repr__(self) -> str:
        return f"<{plain(self)!r}, being differentiated>"

    def __format__(self, how: str) -> str:
        return format(plain(self), how)

    def __str__(self) -> str:
        return str(plain(self))

    def __deepcopy__(self, memo: Any) -> Any:
        return self

    def __copy__(self) -> Any:
        return self

    def apply(self, op: Any, args: Any, given: Any) -> Any:
        """An operation of the library, called with this value."""
        return applied(op, args, given)

    def transpose(self, *axes: Any) -> Any:
        return FUNCTIONS[np.transpose](self, axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes or None)

    def reshape(self, *shape: Any, order: str = "C", **_: Any) -> Any:
        return FUNCTIONS[np.reshape](self, shape[0] if len(shape) == 1 else shape, order)

    def astype(self, dtype: Any, *_: Any, **__: Any) -> Any:
        return cast(self, dtype)

    def item(self, *at: Any) -> Any:
        whole = self.reshape(-1)
        return (self[at] if len(at) > 1 else whole[at[0]]) if at else whole[0]

    def tolist(self) -> Any:
        return [x.tolist() for x in self] if self.shape else self

    sum, mean, prod = method(np.sum), method(np.mean), method(np.prod)
    max, min, var, std, ptp = method(np.max), method(np.min), method(np.var), method(np.std), method(np.ptp)
    cumsum, cumprod = method(np.cumsum), method(np.cumprod)
    ravel, flatten, squeeze, swapaxes = method(np.ravel), method(np.ravel), method(np.squeeze), method(np.swapaxes)
    diagonal, trace, take, repeat = method(np.diagonal), method(np.trace), method(np.take), method(np.repeat)
    compress = lambda self, condition, axis=None: FUNCTIONS[np.compress](condition, self, axis)  # noqa: E731
    dot, clip, copy, round = method(np.dot), method(np.clip), method(np.copy), method(np.round)
    conj, conjugate = (lambda self: self), (lambda self: self)
    argmax, argmin, argsort, any, all, nonzero = map(flattened, (np.argmax, np.argmin, np.argsort, np.any, np.all, np.nonzero))
    searchsorted, argpartition = flattened(np.searchsorted), flattened(np.argpartition)
    sort, fill, partition = (
        in_place("x.sort()", "np.sort(x)"),
        in_place("x.fill(v)", "np.full_like(x, v)"),
        in_place("x.partition()", "np.partition(x, k)"),
    )
    put, resize, itemset = in_place("x.put()", "np.where"), in_place("x.resize()", "np.reshape(x, shape)"), in_place("x.itemset()", "np.where")
    sin, cos, tan, arcsin, arccos, arctan = map(_ufunc, (np.sin, np.cos, np.tan, np.arcsin, np.arccos, np.arctan))
    sinh, cosh, tanh, arcsinh, arccosh, arctanh = map(_ufunc, (np.sinh, np.cosh, np.tanh, np.arcsinh, np.arccosh, np.arctanh))
    exp, expm1, exp2, log, log1p, log2, log10 = map(_ufunc, (np.exp, np.expm1, np.exp2, np.log, np.log1p, np.log2, np.log10))
    sqrt, square, cbrt, reciprocal, fabs = map(_ufunc, (np.sqrt, np.square, np.cbrt, np.reciprocal, np.fabs))
    floor, ceil, rint, sign = map(_ufunc, (np.floor, np.ceil, np.rint, np.sign))
