"""Functions of NumPy that are put together of others, as their own documentation says."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from ..errors import ArgumentError, ShapeError
from .registry import FUNCTIONS, of, plain, real
from .rule import Rule, formula
from .tape import apply


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
    at, last = plain(x), np.shape(xp)[0] - 1
    k = np.clip(np.searchsorted(plain(xp), at, "right") - 1, 0, max(last - 1, 0))
    y = fp[k] + (x - xp[k]) * (fp[k + 1] - fp[k]) / (xp[k + 1] - xp[k]) if last else fp[k] + 0 * x
    y = np.where(at < plain(xp)[0], fp[0] if left is None else left, y)
    return np.where(at > plain(xp)[last], fp[last] if right is None else right, y)


@of(np.quantile)
def quantile(a: Any, q: Any, axis: Any = None, *, method: str = "linear", keepdims: bool = False, **given: Any) -> Any:
    """Between the two elements in order around the place q."""
    if method != "linear" or keepdims or any(v is not None and v is not False for v in given.values()) or np.ndim(axis):
        raise ArgumentError(f"np.quantile(method={method!r}, …): no formula is known for it; accepted: np.quantile(x, q, axis)")
    x = np.sort(real(a), axis=axis)
    x = np.moveaxis(x, axis, 0) if axis is not None and np.ndim(x) > 1 else x
    at = np.asarray(plain(q), float) * (np.shape(x)[0] - 1)
    low = np.floor(at).astype(int)
    high = np.minimum(low + 1, np.shape(x)[0] - 1)
    part = (at - low).reshape(at.shape + (1,) * (np.ndim(x) - 1))
    return x[low] * (1 - part) + x[high] * part


@of(np.percentile)
def percentile(a: Any, q: Any, axis: Any = None, **given: Any) -> Any:
    return quantile(a, np.asarray(plain(q), float) / 100, axis, **given)


@of(np.cov)
def cov(m: Any, y: Any = None, rowvar: bool = True, bias: bool = False, ddof: Any = None, **given: Any) -> Any:
    if y is not None or any(v is not None for v in given.values()):
        raise ArgumentError("np.cov(y, fweights, aweights): not taken where a derivative is; accepted: np.cov(x, rowvar, bias, ddof)")
    x = np.atleast_2d(real(m))
    x = x if rowvar or np.ndim(m) < 2 else np.transpose(x)
    less = (0 if bias else 1) if ddof is None else ddof
    apart = x - np.mean(x, axis=1, keepdims=True)
    return np.squeeze(apart @ np.transpose(apart) / (np.shape(x)[1] - less))
