"""Sums, means, products, extrema and running sums along axes: a formula is written for the axes of the call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from ..errors import ArgumentError
from .letters import letters, sizes, tensor, total
from .registry import FLAT, FUNCTIONS, absent, of, only, real
from .rule import Rule, Shape, formula
from .tape import apply

VALUE: dict[str, Callable[..., Any]] = {"sum": np.sum, "mean": np.mean, "prod": np.prod, "max": np.max, "min": np.min}


def axes_of(axis: Any, ndim: int) -> tuple[int, ...]:
    """The axes that are reduced, as numbers from 0 on, in order."""
    if axis is None:
        return tuple(range(ndim))
    given = (axis,) if isinstance(axis, (int, np.integer)) else tuple(axis)
    return tuple(sorted(np.lib.array_utils.normalize_axis_tuple(given, ndim)))


def header(ndim: int, axes: Sequence[int], keepdims: bool) -> tuple[list[str], list[str], list[str], list[str], list[str]]:
    """(letters, those that are summed, those that stay, the result's axes, the result's index) of a reduction."""
    x = letters(ndim)
    over, kept = [x[k] for k in axes], [x[k] for k in range(ndim) if k not in axes]
    spare = iter(letters(len(over), ndim))
    if keepdims:
        return x, over, kept, ["1" if k in axes else x[k].upper() for k in range(ndim)], [next(spare) if k in axes else x[k] for k in range(ndim)]
    return x, over, kept, sizes(kept), kept


@lru_cache(4096)
def reduction(kind: str, shape: Shape, axes: tuple[int, ...], keepdims: bool, axis: Any) -> Rule:
    x, over, _, result, index = header(len(shape), axes, keepdims)
    body = total(kind, over, tensor("x", x))
    text = f"{kind}_({tensor('x', sizes(x))}) -> {tensor('y', result)}\n  {tensor('y', index)} = {body}"
    f = VALUE[kind]
    return Rule(formula(text), (shape,), lambda a: f(a, axis=axis, keepdims=keepdims))


@lru_cache(1024)
def spread_about(root: bool, shape: Shape, axes: tuple[int, ...], keepdims: bool, ddof: float) -> Rule:
    """The mean square distance from the mean, or its root."""
    x, over, kept, result, index = header(len(shape), axes, keepdims)
    count = int(np.prod([shape[k] for k in axes], dtype=int))
    m, read = tensor("m", kept), tensor("x", x)
    value = f"{total('sum', over, f'({read} - {m})**2')} / {count - ddof!r}"
    value = f"sqrt({value})" if root else value
    text = f"spread_({tensor('x', sizes(x))}) -> {tensor('y', result)}\n  {m} = {total('mean', over, read)}\n  {tensor('y', index)} = {value}"
    f = np.std if root else np.var
    return Rule(formula(text), (shape,), lambda a: f(a, axis=axes, keepdims=keepdims, ddof=ddof))


def reduce_by(kind: str, name: str) -> Callable[..., Any]:
    def f(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False, initial: Any = None, where: Any = None) -> Any:
        only(name, {"dtype": dtype, "out": out}, f"{name}(x, axis, keepdims); .astype for another number type")
        x = real(a)
        keepdims = keepdims if isinstance(keepdims, (bool, np.bool_)) else False
        if not absent(where):
            if kind == "mean":
                mask = np.broadcast_to(where, x.shape)
                return f(np.where(mask, x, 0), axis, keepdims=keepdims) * (1 / np.mean(mask, axis=axis, keepdims=keepdims))
            x = np.where(where, x, {"sum": 0, "prod": 1, "max": -np.inf, "min": np.inf}[kind])
        axes = axes_of(axis, x.ndim)
        empty = int(np.prod([x.shape[k] for k in axes], dtype=int)) == 0
        if empty and kind in ("max", "min", "mean"):
            raise ArgumentError(f"{name} of an array of shape {x.shape} along {axis}: there are no elements; accepted: at least one")
        own = axis if isinstance(axis, (int, type(None))) else axes
        y = apply(reduction(kind, x.shape, axes, bool(keepdims), own), (x,)) if axes or kind in ("sum", "prod", "mean") else x
        if absent(initial):
            return y
        join = {"sum": np.add, "prod": np.multiply, "max": np.maximum, "min": np.minimum}[kind]
        return join(initial, y)

    return f


FUNCTIONS[np.sum], FUNCTIONS[np.prod] = reduce_by("sum", "np.sum"), reduce_by("prod", "np.prod")


@of(np.max, np.amax)
def largest(a: Any, axis: Any = None, out: Any = None, keepdims: Any = False, initial: Any = None, where: Any = None) -> Any:
    return _MAX(a, axis, None, out, keepdims, initial, where)


@of(np.min, np.amin)
def smallest(a: Any, axis: Any = None, out: Any = None, keepdims: Any = False, initial: Any = None, where: Any = None) -> Any:
    return _MIN(a, axis, None, out, keepdims, initial, where)


@of(np.mean)
def mean(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False, *, where: Any = None) -> Any:
    return _MEAN(a, axis, dtype, out, keepdims, None, where)


_MAX, _MIN, _MEAN = reduce_by("max", "np.max"), reduce_by("min", "np.min"), reduce_by("mean", "np.mean")
for _ufunc, _function in ((np.add, np.sum), (np.multiply, np.prod)):
    FUNCTIONS[_ufunc, "reduce"] = lambda a, axis=0, *rest, f=FUNCTIONS[_function], **more: f(a, axis, *rest, **more)
FUNCTIONS[np.maximum, "reduce"] = lambda a, axis=0, *rest, **more: _MAX(a, axis, *rest, **more)
FUNCTIONS[np.minimum, "reduce"] = lambda a, axis=0, *rest, **more: _MIN(a, axis, *rest, **more)


@of(np.ptp)
def between(a: Any, axis: Any = None, out: Any = None, keepdims: Any = False) -> Any:
    return _MAX(a, axis, None, out, keepdims) - _MIN(a, axis, None, out, keepdims)


def spread_by(root: bool, name: str) -> Callable[..., Any]:
    def f(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, ddof: float = 0, keepdims: Any = False, **more: Any) -> Any:
        ddof = more.pop("correction", None) or ddof
        only(name, {"dtype": dtype, "out": out, **more}, f"{name}(x, axis, ddof, keepdims)")
        x = real(a)
        if root and ddof == 0 and all(x.shape[k] == 1 for k in axes_of(axis, x.ndim)):
            return np.sum(x - x, axis=axis, keepdims=keepdims is True)  # of one element: 0 wherever it is, not the root of what happens to be 0
        return apply(spread_about(root, x.shape, axes_of(axis, x.ndim), keepdims is True, ddof), (x,))

    return f


FUNCTIONS[np.var], FUNCTIONS[np.std] = spread_by(False, "np.var"), spread_by(True, "np.std")


@of(np.average)
def average(a: Any, axis: Any = None, weights: Any = None, returned: bool = False, *, keepdims: Any = False) -> Any:
    if returned:
        raise ArgumentError("np.average(returned=True): not taken where a derivative is; accepted: np.sum(weights) beside it")
    keepdims = keepdims is True
    if weights is None:
        return _MEAN(a, axis, keepdims=keepdims)
    x, w = real(a), real(weights)
    if np.shape(w) != np.shape(x):
        w = np.reshape(w, [n if k == axes_of(axis, x.ndim)[0] else 1 for k, n in enumerate(x.shape)])
    return np.sum(x * w, axis=axis, keepdims=keepdims) / np.sum(w * np.ones(x.shape), axis=axis, keepdims=keepdims)


@lru_cache(1024)
def running(shape: Shape, axis: int) -> Rule:
    x, k = letters(len(shape)), letters(1, len(shape))[0]
    read = [k if n == axis else letter for n, letter in enumerate(x)]
    text = f"running_({tensor('x', sizes(x))}) -> {tensor('y', sizes(x))}\n  {tensor('y', x)} = sum[{k}]({tensor('x', read)} * ({k} <= {x[axis]}))"
    return Rule(formula(text), (shape,), lambda a: np.cumsum(a, axis=axis))


@of(np.cumsum)
def cumsum(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    only("np.cumsum", {"dtype": dtype, "out": out}, "np.cumsum(x, axis)")
    x = real(a)
    if axis is None:
        x, axis = np.ravel(x), 0
    return apply(running(x.shape, axes_of(axis, x.ndim)[0]), (x,))


FUNCTIONS[np.add, "accumulate"] = lambda a, axis=0, *rest: cumsum(a, axis, *rest)
FLAT |= {
    np.argmax, np.argmin, np.any, np.all, np.count_nonzero, np.nonzero, np.flatnonzero, np.argwhere, np.argsort, np.argpartition, np.searchsorted,
    np.digitize, np.isclose, np.allclose, np.array_equal, np.array_equiv, np.shape, np.ndim, np.size, np.zeros_like, np.ones_like, np.empty_like,
    np.isreal, np.iscomplex, np.iscomplexobj, np.isrealobj, np.result_type, np.round, np.around, np.fix, np.isposinf, np.isneginf,
    np.lexsort, np.nanargmax, np.nanargmin, np.array_repr, np.array_str, np.array2string, np.may_share_memory,
    np.shares_memory, np.isin, np.common_type, np.min_scalar_type, np.can_cast, np.linalg.matrix_rank,
}  # fmt: skip
