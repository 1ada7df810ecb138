"""What functions of tensors share, and arithmetic element by element."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...errors import ArgumentError, ShapeError
from ...operation.arrays import to_array
from .. import patterns
from ..arguments import is_whole
from ..patterns import Pattern
from ..tensors import NUMPY, Symbol, as_numbers
from ..trace import Trace, from_text

Tensor = Any  # a symbol, or what NumPy takes for an array


def trace_of(tensors: Sequence[object]) -> Trace | None:
    """The trace that these belong to; None for arrays."""
    return next((x.trace for x in tensors if isinstance(x, Symbol)), None)


def made(text: Callable[..., str], *tensors: Tensor, **settings: Any) -> Tensor:
    """A formula that is written for the patterns of its tensors."""
    trace = trace_of(tensors)
    if trace is not None:
        symbols = [trace.symbol(x) for x in tensors]
        return trace.made(text(*map(trace.pattern, symbols)), *symbols, **settings)
    arrays = _floats([to_array(x, f"argument {k}") for k, x in enumerate(tensors)])
    return from_text(text(*(Pattern(a.shape, False) for a in arrays)))(*arrays, **settings)


def _floats(arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Arrays of one floating type: whole numbers and Python's go along."""
    kinds = [a.dtype for a in arrays if a.dtype.kind == "f" and a.ndim] or [a.dtype for a in arrays if a.dtype.kind == "f"]
    kind = kinds[0] if kinds else np.dtype(np.float64)
    return [a.astype(kind) if a.dtype.kind in "iub" or (a.ndim == 0 and a.dtype.kind == "f") else a for a in arrays]


def _pointwise(name: str, expr: str) -> Callable[[Tensor], Tensor]:
    def function(x: Tensor) -> Tensor:
        return made(lambda p: patterns.function(p, expr, name), x)

    function.__doc__ = f"{expr.replace('{}', 'x')}, element by element."
    return function


exp, log, sqrt = _pointwise("exponential", "exp({})"), _pointwise("logarithm", "log({})"), _pointwise("root", "sqrt({})")
sin, cos, erf = _pointwise("sine", "sin({})"), _pointwise("cosine", "cos({})"), _pointwise("error_function", "erf({})")
abs = _pointwise("absolute", "abs({})")


def where(condition: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """a where the condition is not 0, else b; sizes broadcast."""
    return made(patterns.chosen, condition, a, b)


def maximum(a: Tensor, b: Tensor) -> Tensor:
    """The larger of two, element by element; sizes broadcast."""
    return made(lambda p, q: _both("maximum({a}, {b})", p, q), a, b)


def minimum(a: Tensor, b: Tensor) -> Tensor:
    """The smaller of two, element by element; sizes broadcast."""
    return made(lambda p, q: _both("minimum({a}, {b})", p, q), a, b)


def _both(expr: str, p: Pattern, q: Pattern) -> str:
    letters, (one, other), sample = patterns.broadcast([p, q])
    return patterns.formula("both", {"a": one, "b": other}, letters, expr, sample)


def tensor(x: Tensor, name: str = "x") -> Tensor:
    """A symbol, or an array."""
    return x if isinstance(x, Symbol) else as_numbers(x, name)


def batched(function: Callable[[Tensor], Tensor], x: Tensor, axes: int, who: str, accepted: str) -> Tensor:
    """function(x) for x of so many axes, or for one sample, which has one axis less."""
    x = tensor(x)
    if x.ndim == axes:
        return function(x)
    if x.ndim != axes - 1:
        raise ShapeError(f"{who} of {list(x.shape)}: {x.ndim} axes; accepted: {accepted}")
    y = function(x.reshape(1, *x.shape))
    return y.reshape(y.shape[1:])


def axis_of(x: Tensor, dim: object, who: str) -> int:
    """An axis counted from the front."""
    if not is_whole(dim) or not -x.ndim <= dim < x.ndim:
        raise ShapeError(f"{who}: dim={dim!r:.40} of a tensor of {x.ndim} axes; accepted: one of its axes")
    return int(dim) % int(x.ndim)


def cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Tensors one behind the other along an axis."""
    if not isinstance(tensors, (tuple, list)) or not tensors:
        raise ArgumentError(f"cat of {type(tensors).__name__}: no tensors; accepted: a list of at least one")
    axis = axis_of(tensor(tensors[0]), dim, "cat")
    return made(lambda *p: patterns.joined(p, axis), *tensors)


def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Tensors of one shape behind one another along a new axis."""
    if not isinstance(tensors, (tuple, list)) or not tensors:
        raise ArgumentError(f"stack of {type(tensors).__name__}: no tensors; accepted: a list of at least one")
    rows = [tensor(x) for x in tensors]
    if not is_whole(dim) or not -rows[0].ndim - 1 <= dim <= rows[0].ndim:
        raise ShapeError(f"stack: dim={dim!r:.40} of tensors of {rows[0].ndim} axes; accepted: one of the result's axes")
    at = int(dim) % (rows[0].ndim + 1)
    return cat([x.reshape(*x.shape[:at], 1, *x.shape[at:]) for x in rows], at)


def chunk(x: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """The axis in so many parts of equal size."""
    x = tensor(x)
    axis = axis_of(x, dim, "chunk")
    if not is_whole(chunks) or chunks < 1 or x.shape[axis] % chunks:
        raise ShapeError(f"chunk of {list(x.shape)} in {chunks!r:.40} parts: not of equal size; accepted: a divisor of {x.shape[axis]}")
    size = x.shape[axis] // chunks
    return tuple(x[(*[slice(None)] * axis, slice(k * size, (k + 1) * size))] for k in range(chunks))


NUMPY.update({
    np.exp: exp, np.log: log, np.sqrt: sqrt, np.sin: sin, np.cos: cos, np.absolute: abs, np.maximum: maximum, np.minimum: minimum,
    np.where: where, np.concatenate: lambda arrays, axis=0: cat(list(arrays), axis),
})  # fmt: skip
