"""Functions of NumPy that are put together of others, as their own documentation says."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from ..errors import ArgumentError, ShapeError
from .registry import FUNCTIONS, flat, holds, of, only, plain, real
from .rule import Rule, formula
from .tape import Node, apply


@of(np.polyval)
def polyval(p: Any, x: Any) -> Any:
    """Horner's rule."""
    p, x = real(p), real(x)
    y: Any = np.zeros_like(plain(x))
    for k in range(np.shape(p)[0]):
        y = y * x + p[k]
    return y


@of(np.linspace)
def linspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, retstep: bool = False, dtype: Any = None, axis: int = 0) -> Any:
    if retstep or dtype is not None or axis:
        raise ArgumentError("np.linspace(retstep, dtype, axis): not taken where a derivative is; accepted: np.linspace(start, stop, num, endpoint)")
    start, stop = real(start), real(stop)
    t = np.linspace(0, 1, num, endpoint).reshape((-1,) + (1,) * max(np.ndim(start), np.ndim(stop)))
    return start + (stop - start) * t.astype(np.result_type(plain(start), plain(stop), 1.0))


@of(np.trapezoid)
def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    y = np.moveaxis(real(y), axis, -1) if np.ndim(y) > 1 else real(y)
    if x is not None:
        x = real(x)
        dx = np.diff(x if np.ndim(x) == 1 else np.moveaxis(x, axis, -1))
    return np.sum(dx * (y[..., 1:] + y[..., :-1]) / 2, axis=-1)


@lru_cache(256)
def convolving(a: tuple[int, ...], b: tuple[int, ...]) -> Rule:
    text = "convolve_(a[I], b[J]) -> y[I+J-1]\n  y[i] = sum[k:J](b[k] * a[i-k])"
    return Rule(formula(text), (a, b), np.convolve)


@of(np.convolve)
def convolve(a: Any, v: Any, mode: str = "full") -> Any:
    a, v = np.atleast_1d(real(a)), np.atleast_1d(real(v))
    if np.ndim(a) != 1 or np.ndim(v) != 1 or mode not in ("full", "same", "valid"):
        raise ShapeError(f"np.convolve of shapes {np.shape(a)} and {np.shape(v)}, mode={mode!r}; accepted: two vectors, 'full', 'same' or 'valid'")
    y, m, n = apply(convolving(np.shape(a), np.shape(v)), (a, v)), len(a), len(v)
    if mode == "full":
        return y
    least = min(m, n)
    return y[least - 1 : max(m, n)] if mode == "valid" else y[(least - 1) // 2 : (least - 1) // 2 + max(m, n)]


@of(np.correlate)
def correlate(a: Any, v: Any, mode: str = "valid") -> Any:
    if len(a) < len(v):
        return np.flip(correlate(v, a, mode))
    return convolve(a, np.flip(real(v)), mode)


for _nan, _plain, _instead in ((np.nansum, np.sum, 0.0), (np.nanprod, np.prod, 1.0), (np.nanmax, np.max, -np.inf), (np.nanmin, np.min, np.inf)):

    def _without(a: Any, axis: Any = None, *, keepdims: Any = False, f: Any = _plain, instead: float = _instead) -> Any:
        return f(np.where(np.isnan(plain(a)), instead, real(a)), axis=axis, keepdims=keepdims)

    FUNCTIONS[_nan] = _without


@of(np.nanmean)
def nanmean(a: Any, axis: Any = None, *, keepdims: Any = False) -> Any:
    there = ~np.isnan(plain(a))
    return FUNCTIONS[np.nansum](a, axis, keepdims=keepdims) / np.sum(there, axis=axis, keepdims=keepdims, dtype=plain(a).dtype)


@of(np.interp)
def interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None) -> Any:
    """The straight line between the two points around each place, found by where they are now."""
    if period is not None:
        raise ArgumentError("np.interp(period=…): not taken where a derivative is; accepted: np.interp(x, xp, fp, left, right)")
    x, xp, fp = real(x), real(xp), real(fp)
    if np.ndim(xp) != 1 or np.shape(xp) != np.shape(fp) or not np.size(xp):
        raise ShapeError(f"np.interp of points of shapes {np.shape(xp)} and {np.shape(fp)}; accepted: two vectors of one size")
    at, last = plain(x), np.shape(xp)[0] - 1
    k = np.clip(np.searchsorted(plain(xp), at, "right") - 1, 0, max(last - 1, 0))
    y = fp[k] + (x - xp[k]) * (fp[k + 1] - fp[k]) / (xp[k + 1] - xp[k]) if last else fp[k] + 0 * x
    y = np.where(at < plain(xp)[0], fp[0] if left is None else left, y)
    return np.where(at > plain(xp)[last], fp[last] if right is None else right, y)


@of(np.quantile)
def quantile(a: Any, q: Any, axis: Any = None, *, method: str = "linear", keepdims: bool = False, **given: Any) -> Any:
    """Between the two elements in order around the place q."""
    if method != "linear" or any(v is not None and v is not False for v in given.values()) or np.ndim(axis):
        raise ArgumentError(
            f"np.quantile(axis={axis!r}, method={method!r}, …): no formula is known for it; accepted: np.quantile(x, q, axis, keepdims)"
        )
    whole, q = real(a), real(q)
    x = np.sort(whole, axis=axis)
    x = np.moveaxis(x, axis, 0) if axis is not None and np.ndim(x) > 1 else x
    at = q * (np.shape(x)[0] - 1)
    low = np.floor(plain(at)).astype(int)
    high = np.minimum(low + 1, np.shape(x)[0] - 1)
    part = np.reshape(at - low, np.shape(q) + (1,) * (np.ndim(x) - 1))
    y = x[low] * (1 - part) + x[high] * part
    if not keepdims:
        return y
    return np.reshape(y, np.shape(q) + tuple(1 if axis is None or k == axis % np.ndim(whole) else n for k, n in enumerate(np.shape(whole))))


@of(np.percentile)
def percentile(a: Any, q: Any, axis: Any = None, **given: Any) -> Any:
    return quantile(a, real(q) / 100, axis, **given)


@of(np.cov)
def cov(m: Any, y: Any = None, rowvar: bool = True, bias: bool = False, ddof: Any = None, **given: Any) -> Any:
    if y is not None or any(v is not None for v in given.values()):
        raise ArgumentError("np.cov(y, fweights, aweights): not taken where a derivative is; accepted: np.cov(x, rowvar, bias, ddof)")
    x = np.atleast_2d(real(m))
    x = x if rowvar or np.ndim(m) < 2 else np.transpose(x)
    less = (0 if bias else 1) if ddof is None else ddof
    apart = x - np.mean(x, axis=1, keepdims=True)
    return np.squeeze(apart @ np.transpose(apart) / (np.shape(x)[1] - less))


@of(np.corrcoef)
def corrcoef(x: Any, y: Any = None, rowvar: bool = True, **given: Any) -> Any:
    c = cov(x, y, rowvar, **given)
    if np.ndim(c) == 0:
        return c / c
    deviation = np.sqrt(np.diagonal(c))
    return c / (deviation[:, None] * deviation)


@of(np.nanvar)
def nanvar(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, ddof: float = 0, keepdims: Any = False) -> Any:
    only("np.nanvar", {"dtype": dtype, "out": out}, "np.nanvar(x, axis, ddof=…, keepdims=…)")
    x, there = real(a), ~np.isnan(plain(a))
    apart = np.where(there, x - nanmean(x, axis, keepdims=True), 0)
    return np.sum(apart**2, axis=axis, keepdims=keepdims is True) / (np.sum(there, axis=axis, keepdims=keepdims is True) - ddof)


@of(np.nanstd)
def nanstd(*args: Any, **given: Any) -> Any:
    return np.sqrt(nanvar(*args, **given))


@of(np.unique)
def unique(ar: Any, *args: Any, **given: Any) -> Any:
    """Its values are elements of the array; the rest that it may give does not move."""
    x, names = np.ravel(real(ar)), ("return_index", "return_inverse", "return_counts", "axis")
    asked = dict(zip(names, args, strict=False)) | given
    if asked.pop("axis", None) is not None:
        raise ArgumentError(f"np.unique(axis={asked.get('axis')!r}): not taken where a derivative is; accepted: np.unique(x), of all elements")
    first = bool(asked.pop("return_index", False))
    _, at, *rest = np.unique(plain(x), return_index=True, **asked)
    found = (x[at], *([at] if first else []), *rest)
    return found if len(found) > 1 else found[0]


def counting(f: Callable[..., Any], name: str) -> Callable[..., Any]:
    """A function that counts where values lie, which does not move; what they weigh would."""

    def counted(*args: Any, **given: Any) -> Any:
        weights = given.get("weights", args[1] if f is np.bincount and len(args) > 1 else None)
        if holds(weights):
            raise ArgumentError(f"{name}(weights=x) of a value that is being differentiated; accepted: np.sum(np.where(place == k, x, 0)) for each k")
        return flat(f, args, given)

    return counted


FUNCTIONS[np.bincount], FUNCTIONS[np.histogram] = counting(np.bincount, "np.bincount"), counting(np.histogram, "np.histogram")


@of(np.gradient)
def gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """Differences to both neighbours, inside of second order also where the distances differ; one-sided at the ends."""
    x = real(f)
    axes = tuple(range(x.ndim)) if axis is None else tuple(k % x.ndim for k in (axis if isinstance(axis, tuple) else (axis,)))
    if len(varargs) not in (0, 1, len(axes)) or edge_order not in (1, 2):
        raise ArgumentError(f"np.gradient with {len(varargs)} spacings, edge_order={edge_order}; accepted: none, one or {len(axes)}, and 1 or 2")
    spacings = [1.0] * len(axes) if not varargs else list(varargs) * len(axes) if len(varargs) == 1 else list(varargs)
    found = [along(x, real(h), k, edge_order) for h, k in zip(spacings, axes, strict=True)]
    return found[0] if len(found) == 1 else tuple(found)


def along(x: Any, h: Any, axis: int, order: int) -> Any:
    """The derivative along one axis, from a distance or the places."""
    n = x.shape[axis]
    if n < order + 1:
        raise ShapeError(f"np.gradient of shape {x.shape} along axis {axis}; accepted: at least {order + 1} elements there")
    h = np.diff(h) if np.ndim(h) else np.broadcast_to(h, (n - 1,))
    h = h if isinstance(h, Node) else np.asarray(h, x.dtype)
    h = np.reshape(h, [-1 if k == axis else 1 for k in range(x.ndim)])

    def part(a: Any, start: int | None, stop: int | None) -> Any:
        return a[(slice(None),) * axis + (slice(start, stop),)]

    slope = (part(x, 1, None) - part(x, None, -1)) / h
    if n == 2:
        return np.concatenate([slope, slope], axis)
    a, b = part(h, None, -1), part(h, 1, None)
    inner = (part(slope, None, -1) * b + part(slope, 1, None) * a) / (a + b)
    first, last = part(slope, None, 1), part(slope, -1, None)
    if order == 2:
        first, last = 2 * first - part(inner, None, 1), 2 * last - part(inner, -1, None)
    return np.concatenate([first, inner, last], axis)


@of(np.piecewise)
def piecewise(x: Any, condlist: Any, funclist: Any, *args: Any, **kw: Any) -> Any:
    a = real(x)
    tests = [np.asarray(plain(c)) for c in (condlist if isinstance(condlist, (list, tuple)) or np.ndim(condlist) > np.ndim(a) else [condlist])]
    if len(funclist) == len(tests) + 1:
        tests = [*tests, ~np.any(tests, axis=0)]
    y: Any = np.zeros(a.shape, a.dtype)
    for test, f in zip(tests, funclist, strict=True):
        inside = np.where(test, a, a[test].ravel()[0] if np.any(test) else a)  # f is asked where it is meant to be only
        y = np.where(test, f(inside, *args, **kw) if callable(f) else real(f), y) if np.any(test) else y
    return y
