"""Symbols: tensors of a network while its forward is traced. They know their shape, and arithmetic on them makes nodes."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from ..errors import ArgumentError, ShapeError
from ..operation.arrays import to_array
from . import patterns

if TYPE_CHECKING:
    from ..operation.op import Op
    from .trace import Trace

Axis = int | tuple[int, ...] | None


class Size(int):
    """The number of places of a shape."""

    shape: tuple[int, ...]

    def __new__(cls, shape: tuple[int, ...]) -> Size:
        self = super().__new__(cls, math.prod(shape))
        self.shape = shape
        return self

    def __call__(self, dim: int | None = None) -> Any:
        return self.shape if dim is None else self.shape[patterns.axes_of(dim, len(self.shape))[0]]


def as_numbers(value: object, name: str) -> np.ndarray:
    """An array of what NumPy takes for one."""
    if isinstance(value, tuple | list) and any(isinstance(v, Symbol) for v in value):
        shown = f"a {type(value).__name__} of {len(value)}"
        raise ArgumentError(f"{name}: {shown} where one tensor is meant; accepted: a symbol, numbers or a NumPy array (or F.stack of them)")
    return to_array(value, name)


class Symbol:
    """A tensor that forward computes with: a name, a shape and no numbers yet.

    Understands + - * / @ ** with symbols, numbers and arrays (sizes broadcast as NumPy's), indices and slices, and the
    methods below; every operation of cr.op takes it. Comparisons, == and != too, give 1 or 0 (for F.where). Python's own
    `if` cannot depend on it: forward runs once for each set of shapes, before there are numbers. As a key of a dictionary
    a symbol is itself and no other.
    """

    __slots__ = ("name", "shape", "trace")

    def __init__(self, trace: Trace, name: str, shape: tuple[int, ...]):
        self.trace, self.name, self.shape = trace, name, shape

    def __repr__(self) -> str:
        return f"<symbol {self.name} {list(self.shape)}>"

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__") or name in self.__slots__:  # Python asks, as copies do before there is a name to show
            raise AttributeError(name)
        own = ", ".join(k for k in dir(type(self)) if not k.startswith("_") and k not in ("name", "trace", "apply"))
        raise AttributeError(
            f".{name:.60} of {self!r}: a symbol has no such attribute; accepted: {own}; functions of it, as F.exp(x); operations of cr.op"
        )

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> Size:
        """How many numbers, as in NumPy; called, the shape or one of its sizes, as in PyTorch."""
        return Size(self.shape)

    def dim(self) -> int:
        return len(self.shape)

    def detach(self) -> Symbol:
        """The same numbers, through which no gradient goes."""
        return self.trace.detached(self)

    def apply(self, op: Op, args: tuple[object, ...], given: dict[str, object]) -> object:
        """A node for an operation that was called with this symbol."""
        return self.trace.apply(op, args, given)

    # Arithmetic ------------------------------------------------------------------------------------------------------

    def _with(self, sign: str, other: object, turned: bool = False) -> Symbol:
        if isinstance(other, (numbers.Real, np.bool_)):
            return self.trace.number(sign, self, float(other), turned)  # type: ignore[arg-type]  # a real number, as tested
        if not isinstance(other, Symbol) and not hasattr(other, "__array__") and not isinstance(other, (list, tuple)):
            raise ArgumentError(f"{type(other).__name__} {sign} symbol: not a tensor; accepted: symbols, numbers and NumPy arrays")
        there = self.trace.symbol(other)
        return self.trace.pointwise(sign, (there, self) if turned else (self, there))

    def __add__(self, other: object) -> Symbol:
        return self._with("+", other)

    def __radd__(self, other: object) -> Symbol:
        return self._with("+", other, True)

    def __sub__(self, other: object) -> Symbol:
        return self._with("-", other)

    def __rsub__(self, other: object) -> Symbol:
        return self._with("-", other, True)

    def __mul__(self, other: object) -> Symbol:
        return self._with("*", other)

    def __rmul__(self, other: object) -> Symbol:
        return self._with("*", other, True)

    def __truediv__(self, other: object) -> Symbol:
        return self._with("/", other)

    def __rtruediv__(self, other: object) -> Symbol:
        return self._with("/", other, True)

    def __pow__(self, other: object) -> Symbol:
        if isinstance(other, numbers.Integral) and abs(int(other)) <= 64:
            return self.trace.made(patterns.power(self.trace.pattern(self), int(other)), self)
        return self._with("**", other)

    def __rpow__(self, other: object) -> Symbol:
        return self._with("**", other, True)

    def __neg__(self) -> Symbol:
        return self.trace.made(patterns.function(self.trace.pattern(self), "-({})"), self)

    def __pos__(self) -> Symbol:
        return self

    def __abs__(self) -> Symbol:
        return self.trace.made(patterns.function(self.trace.pattern(self), "abs({})"), self)

    def __matmul__(self, other: object) -> Symbol:
        return self.trace.product(self, self.trace.symbol(other))

    def __rmatmul__(self, other: object) -> Symbol:
        return self.trace.product(self.trace.symbol(other), self)

    def __lt__(self, other: object) -> Symbol:
        return self._with("<", other)

    def __le__(self, other: object) -> Symbol:
        return self._with("<=", other)

    def __gt__(self, other: object) -> Symbol:
        return self._with(">", other)

    def __ge__(self, other: object) -> Symbol:
        return self._with(">=", other)

    def __eq__(self, other: object) -> Symbol:  # type: ignore[override]  # as with arrays: element by element
        return self._with("==", other)

    def __ne__(self, other: object) -> Symbol:  # type: ignore[override]  # as with arrays: element by element
        return self._with("!=", other)

    __hash__ = object.__hash__

    def _no_sign(self, sign: str, accepted: str) -> NoReturn:
        raise ArgumentError(f"{self!r} {sign}: not a sign between symbols; accepted: {accepted}")

    def __floordiv__(self, other: object) -> NoReturn:
        self._no_sign("//", "an operation of cr.op with floor(x / 2)")

    def __mod__(self, other: object) -> NoReturn:
        self._no_sign("%", "an operation of cr.op with x - 2 * floor(x / 2)")

    def __and__(self, other: object) -> NoReturn:
        self._no_sign("&", "a product of comparisons, as (x > 0) * (x < 1)")

    def __or__(self, other: object) -> NoReturn:
        self._no_sign("|", "the larger of comparisons, as F.maximum(x > 0, x < -1)")

    def __invert__(self) -> NoReturn:
        self._no_sign("with ~ in front", "1 less the comparison, as 1 - (x > 0)")

    __rfloordiv__, __rmod__, __rand__, __ror__ = __floordiv__, __mod__, __and__, __or__

    # Shapes ----------------------------------------------------------------------------------------------------------

    def __getitem__(self, key: object) -> Symbol:
        return self.trace.made(patterns.indexed(self.trace.pattern(self), key), self)

    def __setitem__(self, key: object, value: object) -> NoReturn:
        raise ArgumentError(f"{self!r}[…] = …: a symbol's numbers cannot be changed in place; accepted: new ones, as F.where(…) or F.cat([…])")

    def __len__(self) -> int:
        if not self.shape:
            raise ArgumentError("len of a symbol without axes: it has no places; accepted: symbols of at least one axis")
        return self.shape[0]

    def reshape(self, *shape: int | tuple[int, ...]) -> Symbol:
        """The same numbers in index order under other axes; one of them may be -1."""
        wanted = shape[0] if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape
        return self._reshaped(patterns.whole_shape(self.shape, tuple(wanted)))  # type: ignore[arg-type]  # checked there

    view = reshape

    def _reshaped(self, shape: tuple[int, ...]) -> Symbol:
        here = self
        if shape == self.shape:
            return self
        for text in patterns.reshaped(self.trace.pattern(self), shape):
            here = self.trace.made(text, here)
        return here

    def flatten(self, start_dim: int = 0, end_dim: int = -1) -> Symbol:
        """The axes from start_dim to end_dim as one, as in PyTorch: x.flatten(1) keeps the samples."""
        first, last = patterns.axes_of(start_dim, self.ndim)[0], patterns.axes_of(end_dim, self.ndim)[0]
        if first > last:
            raise ShapeError(f"flatten({start_dim}, {end_dim}) of {list(self.shape)}: ends before it starts; accepted: a last axis from {first} on")
        return self._reshaped((*self.shape[:first], math.prod(self.shape[first : last + 1]), *self.shape[last + 1 :]))

    def squeeze(self, dim: int | None = None) -> Symbol:
        """Without an axis of size 1, or without all of them."""
        if dim is None:
            return self[tuple(0 if s == 1 else slice(None) for s in self.shape)]
        (k,) = patterns.axes_of(dim, self.ndim)
        if self.shape[k] != 1:
            raise ShapeError(f"squeeze({dim}): axis {k} of {list(self.shape)} has {self.shape[k]} places; accepted: an axis of size 1")
        return self[(*[slice(None)] * k, 0)]

    def unsqueeze(self, dim: int) -> Symbol:
        """With a new axis of size 1."""
        (k,) = patterns.axes_of(dim, self.ndim + 1)
        return self[(*[slice(None)] * k, None)]

    def permute(self, *axes: int | tuple[int, ...]) -> Symbol:
        """The axes in another order."""
        wanted = axes[0] if len(axes) == 1 and isinstance(axes[0], (tuple, list)) else axes
        return self.trace.made(patterns.permuted(self.trace.pattern(self), patterns.axes_of(tuple(wanted), self.ndim)), self)  # type: ignore[arg-type]  # checked there

    def transpose(self, *axes: int) -> Symbol:
        """Two axes exchanged (as in PyTorch), or all in the order given; without arguments all of them turned round (as in NumPy)."""
        if len(axes) == 2:
            order, (a, b) = list(range(self.ndim)), patterns.axes_of(axes, self.ndim)
            order[a], order[b] = b, a
            return self.permute(*order)
        return self.permute(*(axes or range(self.ndim)[::-1]))

    @property
    def T(self) -> Symbol:
        """The axes turned round."""
        return self.transpose()

    def _reduced(self, kind: str, axis: Axis, dim: Axis, keepdims: bool, keepdim: bool) -> Symbol:
        which = axis if dim is None else dim
        axes = tuple(range(self.ndim)) if which is None else patterns.axes_of(which, self.ndim)
        return self.trace.made(patterns.reduced(self.trace.pattern(self), kind, axes, keepdims or keepdim), self)

    def sum(self, axis: Axis = None, keepdims: bool = False, *, dim: Axis = None, keepdim: bool = False) -> Symbol:
        """The sum over axes (all, where none are given)."""
        return self._reduced("sum", axis, dim, keepdims, keepdim)

    def mean(self, axis: Axis = None, keepdims: bool = False, *, dim: Axis = None, keepdim: bool = False) -> Symbol:
        """The mean over axes (all, where none are given)."""
        return self._reduced("mean", axis, dim, keepdims, keepdim)

    def max(self, axis: Axis = None, keepdims: bool = False, *, dim: Axis = None, keepdim: bool = False) -> Symbol:
        """The largest over axes (all, where none are given)."""
        return self._reduced("max", axis, dim, keepdims, keepdim)

    def min(self, axis: Axis = None, keepdims: bool = False, *, dim: Axis = None, keepdim: bool = False) -> Symbol:
        """The smallest over axes (all, where none are given)."""
        return self._reduced("min", axis, dim, keepdims, keepdim)

    # NumPy's functions -----------------------------------------------------------------------------------------------

    def __array_ufunc__(self, ufunc: Callable[..., object], method: str, *inputs: object, **how: Any) -> object:
        """NumPy's arithmetic, and its functions of each element, where the library has them too."""
        how = {k: v for k, v in how.items() if v is not None}
        if method == "reduce" and ufunc in REDUCED and how.keys() <= {"axis", "keepdims"}:
            return self._reduced(REDUCED[ufunc], how.get("axis"), None, how.get("keepdims", False), False)
        if method == "__call__" and not how and ufunc is np.matmul:
            return self.trace.product(*map(self.trace.symbol, inputs))
        if method == "__call__" and not how and ufunc in SIGNS:
            a, b = inputs
            return a._with(SIGNS[ufunc], b) if isinstance(a, Symbol) else self._with(SIGNS[ufunc], a, True)
        if method == "__call__" and not how and ufunc in NUMPY:
            return NUMPY[ufunc](*inputs)
        self._unknown(getattr(ufunc, "__name__", "?") + ("" if method == "__call__" else f".{method}"), how)

    def __array_function__(self, function: Callable[..., object], types: object, args: Any, kwargs: Any) -> object:
        if function not in NUMPY:
            self._unknown(function.__name__, {})
        try:
            return NUMPY[function](*args, **kwargs)
        except TypeError:  # an argument that only NumPy's has
            self._unknown(function.__name__, kwargs)

    def _unknown(self, name: str, how: Mapping[str, object]) -> NoReturn:
        shown = f" with {', '.join(how)}" if how else ""
        known = sorted({f.__name__ for f in (*NUMPY, *SIGNS)})
        raise ArgumentError(
            f"np.{name}{shown} of {self!r}: not a function of symbols; accepted: chainrule.nn.functional, operations of cr.op, and NumPy's {', '.join(known)}"
        )

    # What needs numbers ----------------------------------------------------------------------------------------------

    def _refuse(self, what: str) -> NoReturn:
        raise ArgumentError(
            f"{what} of {self!r}: forward runs once for each set of shapes, before there are numbers, and what it does cannot depend on them; "
            "accepted: formulas that decide for themselves, as F.where(x > 0, a, b)"
        )

    def __bool__(self) -> bool:
        self._refuse("a Python 'if' (or and, or, not)")

    def __float__(self) -> float:
        self._refuse("the number")

    def __int__(self) -> int:
        self._refuse("the whole number")

    def __index__(self) -> int:
        self._refuse("the whole number")

    def __array__(self, dtype: object = None, copy: object = None) -> np.ndarray:
        self._refuse("the array")

    def __iter__(self) -> NoReturn:
        raise ArgumentError(f"iterating over {self!r}: its rows have no numbers yet; accepted: indices and slices, as x[:, 0]")

    def __contains__(self, value: object) -> bool:
        self._refuse("'in'")


SIGNS: Mapping[object, str] = {
    np.add: "+", np.subtract: "-", np.multiply: "*", np.divide: "/", np.power: "**",
    np.less: "<", np.less_equal: "<=", np.greater: ">", np.greater_equal: ">=", np.equal: "==", np.not_equal: "!=",
}  # fmt: skip
REDUCED: Mapping[object, str] = {np.add: "sum", np.maximum: "max", np.minimum: "min"}
NUMPY: dict[Any, Callable[..., object]] = {  # NumPy's functions that symbols take; functional.py puts its own in
    np.negative: lambda x: -x,
    np.square: lambda x: x**2,
    np.sum: Symbol.sum,
    np.mean: Symbol.mean,
    np.max: Symbol.max,
    np.min: Symbol.min,
    np.transpose: lambda x, axes=None: x.permute(*(axes or range(x.ndim)[::-1])),
    np.reshape: lambda x, shape: x.reshape(*(shape if isinstance(shape, (tuple, list)) else (shape,))),
}
Node = Callable[..., Symbol]
