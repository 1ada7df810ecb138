"""Reading elements: x[key] is a look-up y[j] = x[t[j]] in saved places t, and its gradient gathers what those places gave.

So is whatever moves elements as their places, not their values, say: sorting, rolling, padding by what is there.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import lru_cache
from types import EllipsisType
from typing import Any

import numpy as np

from ..errors import ArgumentError
from .memory import LARGE
from .places import Places
from .registry import FUNCTIONS, of, only, plain, real
from .rule import Rule, formula
from .tape import apply

READ = Rule(
    formula("read_(x[I], t[J]: int < I) -> y[J]\n  y[j] = x[t[j]]"),
    ((2,), (2,)),  # of no consequence: the places bring the sizes
    lambda x, t: t.read(x),
)
READ.adds = lambda out, v: v[1].gather_into(out, v[-1])
BASIC = (int, slice, EllipsisType, type(None), np.integer)


def basic(key: Any) -> bool:
    """Whether a key holds no arrays, so that no element is read twice."""
    parts = key if type(key) is tuple else (key,)
    return all(isinstance(k, BASIC) and not isinstance(k, bool) for k in parts)


def read(x: Any, key: Any) -> Any:
    """x[key]"""
    if type(key) is int or basic(key):
        return apply(READ, (x, Places(x.shape, key, True)))
    key = plain(key)
    masks = all(isinstance(k, BASIC) or (isinstance(k, np.ndarray) and k.dtype == bool) for k in (key if type(key) is tuple else (key,)))
    alone = sum(not isinstance(k, BASIC) for k in (key if type(key) is tuple else (key,))) == 1
    return apply(READ, (x, Places(x.shape, key, masks and alone)))


FUNCTIONS["read"] = read


def rearranged(x: Any, move: Callable[[np.ndarray], np.ndarray], name: Hashable = None) -> Any:
    """move(x), where `move` puts elements elsewhere whatever they are. name: what the move is known by, where it comes back."""
    x = real(x)
    known = tabled(x.shape, move) if name is None else _tabled(x.shape, Named(name, move))
    return apply(READ, (x, known))


class Named:
    """A move that is equal to any other of its name."""

    def __init__(self, name: Hashable, move: Callable[[np.ndarray], np.ndarray]):
        self.name, self.move = name, move

    def __hash__(self) -> int:
        return self.name.__hash__()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Named) and other.name == self.name


def tabled(shape: tuple[int, ...], move: Callable[[np.ndarray], np.ndarray]) -> Places:
    """The places that a move reads, found by moving them."""
    count = int(np.prod(shape, dtype=int))
    t = move(np.arange(count).reshape(shape))
    once = t.size <= count and len(np.unique(t)) == t.size
    return Places(shape, np.unravel_index(t, shape) if shape else (), once)


@lru_cache(1024)
def _tabled(shape: tuple[int, ...], named: Named) -> Places:
    return tabled(shape, named.move)


@of(np.take)
def take(a: Any, indices: Any, axis: Any = None, out: Any = None, mode: str = "raise") -> Any:
    only("np.take", {"out": out}, "np.take(x, indices, axis)")
    x, at = real(a), plain(indices)
    if mode != "raise":
        return rearranged(x, lambda t: np.take(t, at, axis=axis, mode=mode))  # type: ignore[call-overload]  # NumPy says which modes there are
    if axis is None:
        return read(np.ravel(x), np.asarray(at))
    return read(x, (slice(None),) * (axis % x.ndim) + (np.asarray(at),))


@of(np.take_along_axis)
def take_along_axis(arr: Any, indices: Any, axis: int = -1) -> Any:
    at = plain(indices)
    return rearranged(arr, lambda t: np.take_along_axis(t, at, axis))


@of(np.compress)
def compress(condition: Any, a: Any, axis: Any = None, out: Any = None) -> Any:
    only("np.compress", {"out": out}, "np.compress(condition, x, axis)")
    at = np.flatnonzero(plain(condition))
    return take(a, at, axis)


@of(np.extract)
def extract(condition: Any, arr: Any) -> Any:
    return read(np.ravel(arr), np.ravel(np.asarray(plain(condition), bool)))


@of(np.delete)
def delete(arr: Any, obj: Any, axis: Any = None) -> Any:
    return rearranged(arr, lambda t: np.delete(t, plain(obj), axis))


@of(np.sort)
def sort(a: Any, axis: Any = -1, kind: Any = None, order: Any = None, **_: Any) -> Any:
    """The elements at the places that argsort says."""
    only("np.sort", {"order": order}, "np.sort(x, axis)")
    x = real(a)
    x = np.ravel(x) if axis is None else x
    along_axis = -1 if axis is None else axis
    return along(x, sorting(plain(x), along_axis, kind), along_axis)


def sorting(a: np.ndarray, axis: int, kind: Any) -> np.ndarray:
    """The places in order; those of equal elements as they are, for which large arrays are sorted again only where there are some."""
    if kind is None and a.size > LARGE:
        at = np.argsort(a, axis)
        s = np.moveaxis(np.take_along_axis(a, at, axis), axis, -1)
        if not np.any(s[..., 1:] == s[..., :-1]):
            return at
    return np.argsort(a, axis, kind or "stable")


@of(np.partition)
def partition(a: Any, kth: Any, axis: Any = -1, kind: str = "introselect", order: Any = None) -> Any:
    only("np.partition", {"order": order}, "np.partition(x, kth, axis)")
    x = real(a)
    x = np.ravel(x) if axis is None else x
    at = np.argpartition(plain(x), kth, -1 if axis is None else axis)
    return along(x, at, -1 if axis is None else axis)


def along(x: Any, at: np.ndarray, axis: int) -> Any:
    """x with its elements along an axis at these places, each once."""
    if x.ndim == 1:
        return apply(READ, (x, Places(x.shape, at, True)))
    key = list(np.ogrid[tuple(slice(n) for n in at.shape)])
    key[axis] = at
    return apply(READ, (x, Places(x.shape, tuple(key), True)))


@of(np.median)
def median(a: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, keepdims: Any = False) -> Any:
    only("np.median", {"out": out}, "np.median(x, axis, keepdims)")
    x = real(a)
    if isinstance(axis, tuple):
        raise ArgumentError(f"np.median(axis={axis}): several axes at once; accepted: one axis, or None")
    s = np.sort(x, axis=axis)
    n, k = (s.shape[-1], -1) if axis is None else (s.shape[axis], axis % x.ndim)
    before = (slice(None),) * (k if k >= 0 else 0)
    y = (s[(*before, (n - 1) // 2)] + s[(*before, n // 2)]) / 2
    return y if keepdims is not True else np.reshape(y, [1 if axis is None or j == k else m for j, m in enumerate(x.shape)])
