"""Arrays put together and taken apart: each part stands at its place in the whole, and the whole is the sum of such formulas."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, lru_cache
from typing import Any

import numpy as np

from ..errors import ArgumentError, ShapeError
from .contract import Run
from .indexing import rearranged
from .letters import letters, sizes, tensor
from .registry import FUNCTIONS, absent, holds, of, plain, real
from .rule import Formula, Rule, Shape, formula
from .tape import apply


class Sum(Rule):
    """A sum of terms, each a formula that is linear in one input: what a term derives to needs none of the others."""

    __slots__ = ("terms",)

    def __init__(self, terms: Sequence[Rule], value: Callable[..., Any]):
        super().__init__(terms[0].formula, terms[0].shapes, value)
        self.terms = tuple(terms)

    def back(self, k: int) -> Rule | None:
        if k not in self._backs:
            self._backs[k] = Last(linear(self.terms[k].formula, True), self.terms[k].out)
        return self._backs[k]

    def push(self, k: int) -> Rule | None:
        term = self.terms[k]
        assert term.shapes is not None
        return Last(linear(term.formula, False), term.shapes[0])


class Last(Rule):
    """A formula of the last of the values that it is given: the adjoint or the tangent."""

    __slots__ = ()

    def __init__(self, formula: Formula, shape: Shape):
        super().__init__(formula, (shape,))

    def takes(self, v: Sequence[Any]) -> Sequence[Any]:
        return v[-1:]

    @property
    def taken(self) -> frozenset[int]:
        return frozenset()  # of (inputs, y) none

    @property
    def taking(self) -> Run:
        run = self.run
        return lambda v: run(v[-1:])


@cache
def linear(formula: Formula, back: bool) -> Formula:
    """What a linear formula derives to, as a formula of the adjoint (or the tangent) alone."""
    found = formula.back(0) if back else formula.push(0)
    assert found is not None
    return Formula(replace(found.definition, inputs=found.definition.inputs[-1:], source=""))


@lru_cache(8192)
def placed(shape: Shape, axis: int, start: int, size: int) -> Rule:
    """x from `start` on along an axis of so many places, and 0 around it."""
    x = letters(len(shape))
    own = [str(shape[axis]) if k == axis else n for k, n in enumerate(sizes(x))]  # a number: the adjoint alone has to say every size
    wide = [str(size) if k == axis else n for k, n in enumerate(sizes(x))]
    at = [f"{n}-{start}" if k == axis and start else n for k, n in enumerate(x)]
    body = tensor("x", at) if size == shape[axis] else f"sum({tensor('x', at)})"
    return Rule(formula(f"placed_({tensor('x', own)}) -> {tensor('y', wide)}\n  {tensor('y', x)} = {body}"), (shape,))


@lru_cache(8192)
def layer(shape: Shape, axis: int, at: int, count: int) -> Rule:
    """x as one of so many layers along a new axis."""
    x = letters(len(shape))
    new = letters(1, len(shape))[0]
    y, wide = [*x[:axis], new, *x[axis:]], [*sizes(x[:axis]), str(count), *sizes(x[axis:])]
    return Rule(formula(f"layer_({tensor('x', sizes(x))}) -> {tensor('y', wide)}\n  {tensor('y', y)} = ({new} == {at}) * {tensor('x', x)}"), (shape,))


@of(np.concatenate)
def concatenate(arrays: Any, axis: Any = 0, out: Any = None, dtype: Any = None, casting: str = "same_kind") -> Any:
    parts = [real(a) for a in arrays]
    if out is not None or dtype is not None:
        raise ArgumentError("np.concatenate(out=…, dtype=…): not taken where a derivative is; accepted: np.concatenate(arrays, axis)")
    if axis is None:
        parts, axis = [np.ravel(p) for p in parts], 0
    shapes = tuple(np.shape(p) for p in parts)
    if any(0 in s for s in shapes):
        whole = np.concatenate([plain(p) for p in parts], axis)
        if not whole.size:
            return whole  # nothing that could move
        return concatenate([p for p in parts if np.size(p)], axis)
    return apply(joining(shapes, axis if axis >= 0 else axis + len(shapes[0])), parts)


@lru_cache(4096)
def joining(shapes: tuple[Shape, ...], axis: int) -> Rule:
    np.concatenate([np.broadcast_to(np.int8(0), s) for s in shapes], axis)  # NumPy's own error where they do not fit
    total, start, terms = sum(s[axis] for s in shapes), 0, []
    for s in shapes:
        terms.append(placed(s, axis, start, total))
        start += s[axis]
    return Sum(terms, lambda *a: np.concatenate(a, axis))


@of(np.stack)
def stack(arrays: Any, axis: int = 0, out: Any = None, **_: Any) -> Any:
    parts = [real(a) for a in arrays]
    shape = np.shape(parts[0])
    if 0 in shape:
        return np.stack([plain(p) for p in parts], axis)
    if any(np.shape(p) != shape for p in parts):
        raise ShapeError(f"np.stack of shapes {sorted({np.shape(p) for p in parts})}: they differ; accepted: arrays of one shape")
    return apply(layers(shape, axis % (len(shape) + 1), len(parts)), parts)


@lru_cache(4096)
def layers(shape: Shape, axis: int, count: int) -> Rule:
    return Sum([layer(shape, axis, k, count) for k in range(count)], lambda *a: np.stack(a, axis))


def after(prepare: Callable[[Any], Any], axis: Callable[[Any], int]) -> Callable[..., Any]:
    def f(tup: Any, **_: Any) -> Any:
        parts = [prepare(real(a)) for a in tup]
        return concatenate(parts, axis(parts[0]))

    return f


FUNCTIONS[np.hstack] = after(np.atleast_1d, lambda a: 0 if a.ndim == 1 else 1)
FUNCTIONS[np.vstack] = after(np.atleast_2d, lambda a: 0)
FUNCTIONS[np.dstack] = after(np.atleast_3d, lambda a: 2)
FUNCTIONS[np.column_stack] = after(lambda a: np.reshape(a, (-1, 1)) if np.ndim(a) < 2 else a, lambda a: 1)


@of(np.append)
def append(arr: Any, values: Any, axis: Any = None) -> Any:
    if axis is None:
        return concatenate([np.ravel(real(arr)), np.ravel(real(values))])
    return concatenate([arr, values], axis)


@of(np.block)
def block(arrays: Any) -> Any:
    def depth(a: Any) -> int:
        return 1 + max(map(depth, a)) if isinstance(a, list) else 0

    deep = depth(arrays)
    ndim = max(deep, max(np.ndim(plain(x)) for x in _flat(arrays)))

    def built(a: Any, level: int) -> Any:
        if not isinstance(a, list):
            x = real(a)
            return np.reshape(x, (1,) * (ndim - np.ndim(x)) + np.shape(x))
        return concatenate([built(x, level - 1) for x in a], -level)

    return built(arrays, deep)


def _flat(a: Any) -> list[Any]:
    return [x for part in a for x in _flat(part)] if isinstance(a, list) else [a]


def splitting(f: Callable[..., Any], axis: int | None) -> Callable[..., Any]:
    """A function that cuts along an axis, found by where it cuts the places along it."""

    def g(ary: Any, indices_or_sections: Any, *given: int, **more: int) -> Any:
        x = real(ary)
        k = given[0] if given else more.get("axis", 0) if axis is None else 0 if axis == 1 and x.ndim == 1 else axis
        rows = (np.array_split if f is np.array_split else np.split)(np.arange(x.shape[k]), plain(indices_or_sections))
        before = (slice(None),) * (k % x.ndim)
        return [x[(*before, slice(int(r[0]), int(r[-1]) + 1) if len(r) else slice(0, 0))] for r in rows]

    return g


for _f, _axis in ((np.split, None), (np.array_split, None), (np.vsplit, 0), (np.hsplit, 1), (np.dsplit, 2)):
    FUNCTIONS[_f] = splitting(_f, _axis)


@lru_cache(1024)
def padding(shape: Shape, widths: tuple[tuple[int, int], ...]) -> Rule:
    x = letters(len(shape))
    wide = [f"{n}+{a + b}" if a + b else n for n, (a, b) in zip(sizes(x), widths, strict=True)]
    at = [f"{n}-{a}" if a else n for n, (a, _) in zip(x, widths, strict=True)]
    body = tensor("x", at)
    text = f"pad_({tensor('x', sizes(x))}) -> {tensor('y', wide)}\n  {tensor('y', x)} = {f'sum({body})' if any(a or b for a, b in widths) else body}"
    return Rule(formula(text), (shape,), lambda a: np.pad(a, widths))


@of(np.pad)
def pad(array: Any, pad_width: Any, mode: Any = "constant", **given: Any) -> Any:
    x = real(array)
    if mode not in ("constant", "edge", "reflect", "symmetric", "wrap"):
        raise ArgumentError(f"np.pad(mode={mode!r}): no formula is known for it; accepted: 'constant', 'edge', 'reflect', 'symmetric', 'wrap'")
    if mode != "constant":
        return rearranged(x, lambda t: np.pad(t, pad_width, mode, **given))
    if isinstance(pad_width, dict):
        pad_width = [pad_width.get(k, pad_width.get(k - x.ndim, 0)) for k in range(x.ndim)]
        pad_width = [(w, w) if isinstance(w, int) else w for w in pad_width]
    widths = tuple((int(a), int(b)) for a, b in np.broadcast_to(np.asarray(pad_width), (x.ndim, 2)))
    y = apply(padding(x.shape, widths), (x,)) if 0 not in x.shape else np.zeros([n + a + b for n, (a, b) in zip(x.shape, widths, strict=True)])
    values = given.get("constant_values", 0)
    if holds(values):
        raise ArgumentError("np.pad(constant_values=x) of a value that is being differentiated; accepted: np.concatenate of the parts")
    return y if not np.any(values) else y + np.pad(np.zeros(x.shape, x.dtype), widths, constant_values=values)


@of(np.diff)
def diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Any:
    x = real(a)
    k = axis % x.ndim
    ends = [None if absent(e) else real(e) for e in (prepend, append)]
    one = (*x.shape[:k], 1, *x.shape[k + 1 :])
    shown = [e if e is None or np.ndim(e) else np.broadcast_to(e, one) for e in ends]
    parts = [p for p in (shown[0], x, shown[1]) if p is not None]
    x = concatenate(parts, k) if len(parts) > 1 else x
    before = (slice(None),) * k
    for _ in range(n):
        x = x[(*before, slice(1, None))] - x[(*before, slice(None, -1))]
    return x


@of(np.ediff1d)
def ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    parts = [real(p) for p in (to_begin, diff(np.ravel(ary)), to_end) if p is not None]
    return concatenate([np.ravel(p) for p in parts]) if len(parts) > 1 else parts[0]


@of(np.select)
def select(condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    y = real(default)
    for test, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        y = np.where(plain(test), real(choice), y)
    return y


@of(np.choose)
def choose(a: Any, choices: Any, out: Any = None, mode: str = "raise") -> Any:
    at = np.asarray(plain(a))
    return select([at == k for k in range(len(choices))], list(choices))


@of(np.meshgrid)
def meshgrid(*xi: Any, indexing: str = "xy", sparse: bool = False, copy: bool = True) -> Any:
    given = [np.ravel(real(x)) for x in xi]
    ndim = len(given)
    place = [1, 0, *range(2, ndim)] if indexing == "xy" and ndim > 1 else list(range(ndim))
    out = [np.reshape(x, [-1 if k == place[n] else 1 for k in range(ndim)]) for n, x in enumerate(given)]
    return tuple(out) if sparse else tuple(np.broadcast_arrays(*out))


@of(np.unstack)
def unstack(x: Any, /, *, axis: int = 0) -> Any:
    moved = np.moveaxis(real(x), axis, 0)
    return tuple(moved[k] for k in range(np.shape(moved)[0]))
