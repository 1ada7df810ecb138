"""Other shapes of the same elements: reshaping, axes in another order, repetition, triangles and diagonals."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from ..errors import ArgumentError, ShapeError
from .broadcast import spreading
from .indexing import READ, read, rearranged
from .letters import letters, sizes, tensor
from .places import Moves
from .registry import FUNCTIONS, of, plain, real
from .rule import Rule, Shape, formula
from .tape import apply


def counted(index: Sequence[str], shape: Shape) -> str:
    """The place of an element counted through an array."""
    if not index:
        return "0"
    return "+".join(
        x if step == 1 else f"{x}*{step}" for x, step in zip(index, [int(np.prod(shape[k + 1 :])) for k in range(len(shape))], strict=True)
    )


@lru_cache(4096)
def reshaping(old: Shape, new: Shape) -> Rule:
    """All elements in a row, and then row by row."""
    x, y = letters(len(old)), letters(len(new))
    count = int(np.prod(old))
    flat, last = len(old) == 1, len(new) == 1
    head = f"reshape_({tensor('x', old)}) -> {tensor('y', new)}\n"
    if last:
        text = head + f"  y[{counted(x, old)}] = {tensor('x', x)}"
    elif flat:
        text = head + f"  {tensor('y', y)} = x[{counted(y, new)}]"
    else:
        text = head + f"  z[{counted(x, old)}:{count}] = {tensor('x', x)}\n  {tensor('y', y)} = z[{counted(y, new)}]"
    if last and not old:
        text = head + "  y[i] = x"
    return Rule(formula(text), (old,), lambda a: np.reshape(a, new))


@of(np.reshape)
def reshape(a: Any, /, shape: Any = None, order: str = "C", *, newshape: Any = None, copy: Any = None) -> Any:
    x = real(a)
    shape = newshape if shape is None else shape
    new: tuple[int, ...] = (int(shape),) if isinstance(shape, (int, np.integer)) else tuple(map(int, shape))
    if order not in ("C", "A", "K"):
        if order != "F":
            raise ArgumentError(f"order={order!r}: no order of elements; accepted: 'C' or 'F'")
        return np.transpose(reshape(np.transpose(x), new[::-1]))
    if -1 in new:
        rest = math.prod(n for n in new if n != -1)
        new = tuple((x.size // rest if rest else 0) if n == -1 else n for n in new)
    if math.prod(new) != x.size:
        raise ShapeError(f"reshape of {x.shape} to {tuple(shape) if np.ndim(shape) else shape}: not as many elements; accepted: {x.size} of them")
    if new == x.shape:
        return x
    if not x.size:
        return np.reshape(plain(x), new)  # nothing that could move
    return apply(reshaping(x.shape, new), (x,))


def to(new: Callable[[Any], Any]) -> Callable[..., Any]:
    """A function that only gives the array another shape, found by what it does to an array of that shape."""

    def f(a: Any, *args: Any, **kwargs: Any) -> Any:
        x = real(a)
        return reshape(x, new(np.broadcast_to(np.int8(0), x.shape), *args, **kwargs).shape)

    return f


_SAME: tuple[Any, ...] = (np.squeeze, np.expand_dims)
for _same in _SAME:
    FUNCTIONS[_same] = to(_same)


@of(np.ravel)
def ravel(a: Any, order: str = "C") -> Any:
    return reshape(a, (-1,), order)


def at_least(f: Callable[..., Any]) -> Callable[..., Any]:
    one = to(f)
    return lambda *arrays: one(arrays[0]) if len(arrays) == 1 else tuple(map(one, arrays))


for _least in (np.atleast_1d, np.atleast_2d, np.atleast_3d):
    FUNCTIONS[_least] = at_least(_least)


@lru_cache(1024)
def reordering(order: tuple[int, ...]) -> Rule:
    x = letters(len(order))
    y = [x[k] for k in order]
    text = f"transpose_({tensor('x', sizes(x))}) -> {tensor('y', sizes(y))}\n  {tensor('y', y)} = {tensor('x', x)}"
    return Reordering(formula(text), order)


class Reordering(Rule):
    """Axes in another order: the same formula and the same view at every size."""

    def __init__(self, of: Any, order: tuple[int, ...]):
        super().__init__(of, (tuple(range(2, 2 + len(order))),), lambda a: a.transpose(order))


@of(np.transpose)
def transpose(a: Any, axes: Any = None) -> Any:
    x = real(a)
    order = tuple(range(x.ndim))[::-1] if axes is None else tuple(np.lib.array_utils.normalize_axis_tuple(axes, x.ndim))
    if len(order) != x.ndim:
        raise ShapeError(f"axes={axes}: the array has {x.ndim} axes; accepted: each of them once")
    return x if order == tuple(range(x.ndim)) else apply(reordering(order), (x,))


def by_axes(f: Callable[..., Any]) -> Callable[..., Any]:
    """A function that puts axes in another order, found by what it does to an array whose sizes are all different."""

    def g(a: Any, *args: Any, **kwargs: Any) -> Any:
        x = real(a)
        seen = tuple(range(2, 2 + x.ndim))
        return transpose(x, tuple(n - 2 for n in f(np.broadcast_to(np.int8(0), seen), *args, **kwargs).shape))

    return g


for _other in (np.swapaxes, np.moveaxis, np.rollaxis, np.matrix_transpose):
    FUNCTIONS[_other] = by_axes(_other)
FUNCTIONS[np.permute_dims] = transpose


@of(np.broadcast_to)
def broadcast_to(array: Any, shape: Any, subok: bool = False) -> Any:
    x = real(array)
    new = (int(shape),) if isinstance(shape, (int, np.integer)) else tuple(map(int, shape))
    np.broadcast_to(np.broadcast_to(np.int8(0), x.shape), new)  # NumPy's own error where they do not fit
    if 0 in new:
        return np.broadcast_to(plain(x), new)  # nothing that could move
    return x if new == x.shape else apply(spreading(x.shape, new), (x,))


@of(np.broadcast_arrays)
def broadcast_arrays(*arrays: Any, subok: bool = False) -> Any:
    given = [real(a) for a in arrays]
    shape = np.broadcast_shapes(*(np.shape(a) for a in given))
    return tuple(broadcast_to(a, shape) for a in given)


@of(np.full_like)
def full_like(a: Any, fill_value: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None) -> Any:
    return broadcast_to(real(fill_value), np.shape(a) if shape is None else shape)


@of(np.tile)
def tile(A: Any, reps: Any) -> Any:
    x = real(A)
    reps = (reps,) if isinstance(reps, (int, np.integer)) else tuple(reps)
    ndim = max(len(reps), x.ndim)
    reps, shape = (1,) * (ndim - len(reps)) + reps, (1,) * (ndim - x.ndim) + x.shape
    apart = reshape(x, [m for n in shape for m in (1, n)])
    return reshape(
        broadcast_to(apart, [m for r, n in zip(reps, shape, strict=True) for m in (r, n)]), [r * n for r, n in zip(reps, shape, strict=True)]
    )


@of(np.repeat)
def repeat(a: Any, repeats: Any, axis: Any = None) -> Any:
    x = ravel(a) if axis is None else real(a)
    k = 0 if axis is None else axis % x.ndim
    times = np.asarray(plain(repeats))
    if times.ndim == 0 or times.size == 1:
        r = int(times.reshape(-1)[0])
        wide = broadcast_to(reshape(x, (*x.shape[: k + 1], 1, *x.shape[k + 1 :])), (*x.shape[: k + 1], r, *x.shape[k + 1 :]))
        return reshape(wide, (*x.shape[:k], x.shape[k] * r, *x.shape[k + 1 :]))
    return read(x, (slice(None),) * k + (np.repeat(np.arange(x.shape[k]), times),))


@of(np.flip)
def flip(m: Any, axis: Any = None) -> Any:
    x = real(m)
    which = range(x.ndim) if axis is None else np.lib.array_utils.normalize_axis_tuple(axis, x.ndim)
    return read(x, tuple(slice(None, None, -1) if k in which else slice(None) for k in range(x.ndim)))


FUNCTIONS[np.flipud] = lambda m: flip(m, 0)
FUNCTIONS[np.fliplr] = lambda m: flip(m, 1)


def moved(x: Any, move: Callable[[np.ndarray], np.ndarray], back: Callable[[np.ndarray], np.ndarray]) -> Any:
    a = real(x)
    return apply(READ, (a, Moves(a.shape, move, back)))


@of(np.roll)
def roll(a: Any, shift: Any, axis: Any = None) -> Any:
    by = np.negative(shift)
    return moved(a, lambda t: np.roll(t, shift, axis), lambda t: np.roll(t, by, axis))


@of(np.fft.fftshift)
def fftshift(x: Any, axes: Any = None) -> Any:
    return moved(x, lambda t: np.fft.fftshift(t, axes), lambda t: np.fft.ifftshift(t, axes))


@of(np.fft.ifftshift)
def ifftshift(x: Any, axes: Any = None) -> Any:
    return moved(x, lambda t: np.fft.ifftshift(t, axes), lambda t: np.fft.fftshift(t, axes))


@of(np.rot90)
def rot90(m: Any, k: int = 1, axes: Any = (0, 1)) -> Any:
    return moved(m, lambda t: np.rot90(t, k, axes), lambda t: np.rot90(t, -k, axes))


@of(np.diagonal)
def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    return rearranged(a, lambda t: np.diagonal(t, offset, axis1, axis2), ("diagonal", offset, axis1, axis2))


FUNCTIONS[np.linalg.diagonal] = lambda x, /, *, offset=0: diagonal(x, offset, -2, -1)


@lru_cache(1024)
def along_diagonal(count: int, k: int) -> Rule:
    """A vector's elements on a diagonal, and 0 elsewhere."""
    size = count + abs(k)
    i, j = (f"n + {-k}", "n") if k < 0 else ("n", f"n + {k}")
    head = f"diag_(x[{count}]) -> y[{size},{size}]"
    return Rule(formula(f"{head}\n  y[i,j] = sum[n]((i == {i}) * (j == {j}) * x[n])"), ((count,),), lambda a: np.diag(a, k))


@of(np.diag)
def diag(v: Any, k: int = 0) -> Any:
    x = real(v)
    if x.ndim == 1 and x.size:
        return apply(along_diagonal(len(x), int(k)), (x,))
    return diagonal(x, k) if x.ndim == 2 else np.diag(plain(x), k)


@of(np.diagflat)
def diagflat(v: Any, k: int = 0) -> Any:
    return diag(ravel(v), k)


@of(np.trace)
def trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: Any = None) -> Any:
    return np.sum(diagonal(a, offset, axis1, axis2), axis=-1)


FUNCTIONS[np.linalg.trace] = lambda x, /, *, offset=0, dtype=None: trace(x, offset, -2, -1)


@lru_cache(256)
def triangle(ndim: int, k: int, lower: bool) -> Any:
    x = letters(ndim)
    i, j = x[-2:]
    side = f"{j} <= {i} + {k}" if lower else f"{j} >= {i} + {k}"
    return formula(f"triangle_({tensor('x', sizes(x))}) -> {tensor('y', sizes(x))}\n  {tensor('y', x)} = ({side}) * {tensor('x', x)}")


def triangular(lower: bool) -> Callable[..., Any]:
    f = np.tril if lower else np.triu
    known: dict[Any, Rule] = {}

    def g(m: Any, k: int = 0) -> Any:
        x = real(m)
        if x.ndim < 2:
            x = broadcast_to(x, (x.shape[-1], x.shape[-1]))
        rule = known.get((x.shape, k)) or known.setdefault((x.shape, k), Rule(triangle(x.ndim, int(k), lower), (x.shape,), lambda a: f(a, k)))
        return apply(rule, (x,))

    return g


FUNCTIONS[np.tril], FUNCTIONS[np.triu] = triangular(True), triangular(False)


@of(np.copy)
def copy(a: Any, *_: Any, **__: Any) -> Any:
    return a
