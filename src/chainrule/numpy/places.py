"""Where an index reads a tensor, as what NumPy does: a view where it can be one, else a look-up in tables made once."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..language.index import Poly
from .memory import zeros

View = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Reading:
    """How an array is read: the letters of the result's axes, what is done (None: nothing), and where it is inside (None: everywhere)."""

    letters: tuple[str, ...]
    view: View | None
    inside: np.ndarray | None = None


def reading(index: Sequence[Poly], shape: Sequence[int], sizes: Mapping[str, int]) -> Reading:
    """x[index] for all values of its letters."""
    parts = [part(p, size, sizes) for p, size in zip(index, shape, strict=True)]
    letters = [x for found in parts if found is not None for x in found[1]]
    if any(found is None for found in parts) or len(set(letters)) < len(letters):
        return looked_up(index, shape, sizes)
    keys = tuple(found[0] for found in parts if found is not None)
    cut = any(key != slice(None) for key in keys)
    split = tuple(sizes[x] for x in letters)
    if any(found is not None and len(found[1]) > 1 for found in parts):
        return Reading(tuple(letters), lambda a: a[keys].reshape(split))
    return Reading(tuple(letters), (lambda a: a[keys]) if cut else None)


def part(p: Poly, size: int, sizes: Mapping[str, int]) -> tuple[Any, tuple[str, ...]] | None:
    """(NumPy's key, letters) for one axis, where the places are a row at equal distances inside it, or that row counted in digits."""
    if p.constant is not None:
        at = int(p.constant)
        return (at, ()) if 0 <= at < size else None
    row: list[tuple[int, str]] = []
    start = 0
    for m, c in p.terms.items():
        if not m:
            start = int(c)
        elif len(m) == 1 and isinstance(m[0], str):
            row.append((int(c), m[0]))
        else:
            return None
    row.sort(key=lambda pair: -abs(pair[0]))
    step, count = row[-1][0], 1
    for c, x in reversed(row):
        if c != step * count:
            return None
        count *= sizes[x]
    last = start + step * (count - 1)
    if not (0 <= start < size and 0 <= last < size):
        return None
    if (start, step, count) == (0, 1, size):
        return slice(None), tuple(x for _, x in row)
    stop = last + (1 if step > 0 else -1)
    return slice(start, stop if stop >= 0 else None, step), tuple(x for _, x in row)


def looked_up(index: Sequence[Poly], shape: Sequence[int], sizes: Mapping[str, int]) -> Reading:
    """The same by tables of places; what lies outside is any element, and said to be outside."""
    used = {x for p in index for x in p.names}
    letters = tuple(x for x in sizes if x in used)
    inside = np.ones((1,) * len(letters), bool)
    tables = []
    for p, size in zip(index, shape, strict=True):
        at = grid(p, letters, sizes)
        inside = inside & (at >= 0) & (at < size)
        tables.append(np.clip(at, 0, size - 1))
    key = tuple(tables)
    full = tuple(sizes[x] for x in letters)

    def view(a: np.ndarray) -> np.ndarray:
        found = a[key]
        return found if found.shape == full else np.broadcast_to(found, full)

    return Reading(letters, view, None if inside.all() else inside)


def grid(p: Poly, letters: Sequence[str], sizes: Mapping[str, int]) -> np.ndarray:
    """An index expression at all values of the letters, one axis for each."""
    known = {x: np.arange(sizes[x]).reshape([-1 if k == n else 1 for k in range(len(letters))]) for n, x in enumerate(letters)}
    value = np.asarray(p.evaluate(known))
    return value.reshape(value.shape or (1,) * len(letters))


class Places:
    """A whole-number tensor that says where elements stand, held as the key with which NumPy reads them.

    x: the shape that is read; key: anything that NumPy takes between brackets; once: no place is read twice.
    """

    __slots__ = ("key", "once", "x")

    def __init__(self, x: tuple[int, ...], key: Any, once: bool):
        self.x, self.key, self.once = x, key, once

    @property
    def table(self) -> np.ndarray:
        """The places themselves, counted through the array that is read."""
        return np.asarray(np.arange(math.prod(self.x)).reshape(self.x)[self.key])

    def read(self, a: Any) -> Any:
        """a[t] for every t."""
        return a[self.key]

    def gather(self, a: Any) -> np.ndarray:
        """sum[i](where(v == t[i], a[i], 0)) for every v: what each place gets from those that read it."""
        few = np.size(a) * 8 < math.prod(self.x)  # most of what the system gives is then never looked at
        out: np.ndarray = np.zeros(self.x, a.dtype) if few else zeros(self.x, a.dtype)
        if self.once:
            out[self.key] = a
        else:
            np.add.at(out, self.key, a)
        return out

    def gather_into(self, out: np.ndarray, a: Any) -> None:
        """The same, added to what is there: no more is touched than what was read."""
        if self.once:
            out[self.key] += a
        else:
            np.add.at(out, self.key, a)


SOMEWHERE = np.empty(0, np.intp)  # a key that is not written out


class Moves(Places):
    """The same of a move that takes each element elsewhere, and of the move back."""

    __slots__ = ("back", "move")

    def __init__(self, x: tuple[int, ...], move: View, back: View):
        super().__init__(x, SOMEWHERE, True)
        self.move, self.back = move, back

    @property
    def table(self) -> np.ndarray:
        return self.move(np.arange(math.prod(self.x)).reshape(self.x))

    def read(self, a: Any) -> Any:
        return self.move(a)

    def gather(self, a: Any) -> np.ndarray:
        return self.back(a)

    def gather_into(self, out: np.ndarray, a: Any) -> None:
        out += self.back(a)


def places_of(t: Any, x: tuple[int, ...]) -> Places:
    """A whole-number tensor as places of an array of shape x."""
    return t if isinstance(t, Places) else Places(x, np.asarray(t, np.intp), False)
