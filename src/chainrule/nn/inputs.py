"""What a network takes: the transform in front of it, the kind of numbers, an input's shape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..engines.number import is_stored
from ..errors import ArgumentError, ElementTypeError
from ..language.program import whole_numbers
from ..operation.op import Op, op
from .arguments import is_whole

KINDS = ("whole", "float")
WRITTEN_OUT = 64  # channels whose means stand in the line of the formula itself
MOST_CHANNELS = 900  # each is a term, and a formula may have 1000 in one another


@dataclass(frozen=True)
class Input:
    """What a network was trained on; `fit` records it, and it is saved with the network.

    transform: the operation in front of the first layer. kind: "whole" where it takes whole numbers (the bytes of
    images), and floats are taken as already transformed; "float" where it takes floats (and whole numbers alike).
    shape: an input's shape, without samples.
    """

    transform: Op | None = None
    kind: str = "float"
    shape: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        as_transform(self.transform)
        if self.kind not in KINDS:
            raise ArgumentError(f"kind={self.kind!r}: no such kind of numbers; accepted: {' or '.join(map(repr, KINDS))}")
        if self.shape is None:
            return
        if not isinstance(self.shape, (tuple, list)) or not all(is_whole(s) and 1 <= s < 2**31 for s in self.shape):
            raise ArgumentError(f"shape={self.shape!r}: not an input's shape; accepted: sizes of at least 1, without samples")
        object.__setattr__(self, "shape", tuple(map(int, self.shape)))

    def transform_for(self, dtype: np.dtype) -> Op | None:
        """The transform that inputs of this number type need."""
        return self.transform if self.kind == "float" or dtype.kind in "iub" else None


def kind_of(dtype: np.dtype) -> str:
    return "whole" if dtype.kind in "iub" else "float"


def as_transform(value: object) -> Op | None:
    """A transform, or None."""
    if value is None or (isinstance(value, Op) and len(value.definition.inputs) == len(value.definition.outputs) == 1):
        return value
    raise ArgumentError(f"transform={value!r}: not a transform; accepted: an operation of one input and one output, or None")


def as_classes(names: object) -> tuple[str, ...] | None:
    """Class names in the order of class numbers, or None."""
    if names is None:
        return None
    rows = names.tolist() if isinstance(names, np.ndarray) else names
    if isinstance(rows, str) or not isinstance(rows, Sequence) or not rows or not all(isinstance(n, str) for n in rows):
        raise ArgumentError(f"classes={names!r:.80}: not class names; accepted: a list of texts, one for each class (or None)")
    found = tuple(map(str, rows))
    for n in found:
        if not n.isprintable():
            raise ArgumentError(f"classes: {n!r:.80} cannot be printed; accepted: names of printable characters")
    return found


def whole_floats(a: np.ndarray, name: str) -> np.ndarray:
    """Whole numbers that are written as floats, or that may be too large, as such; other types stay."""
    return whole_numbers(name, a) if a.dtype.kind == "f" or a.dtype == np.uint64 else a


def prepared(a: np.ndarray, name: str, dtype: np.dtype, others: str = "uint8") -> np.ndarray:
    """An input or target as a program reads it; a wrong type is an error that says so."""
    if a.dtype.kind == "f" and a.dtype != dtype:
        raise ElementTypeError(f"{name} with dtype {a.dtype}: the network's parameters are {dtype}; accepted: {dtype} (or net.astype)")
    if a.dtype.kind in "iub" and not is_stored(a.dtype):
        if a.dtype == np.uint64 and a.max(initial=0) > np.iinfo(np.int64).max:
            raise ElementTypeError(f"{name} with dtype uint64: {a.max()} is too large; accepted: whole numbers below 2**63")
        a = a.astype(np.int64)
    if not is_stored(a.dtype):
        raise ElementTypeError(f"{name} with dtype {a.dtype}: not a type to compute with; accepted: {dtype} or {others}")
    return np.require(a, requirements=["C", "A"])


def normalize(mean: object, std: object, scale: float = 255.0, axes: int = 4) -> Op:
    """The transform (x / scale - mean) / std as an operation.

    mean, std: a number, or one for each channel (the axis after the samples). scale: what the values are divided by
    first, 255 for bytes. axes: how many axes inputs have, samples included. Errors: ArgumentError for what is no
    number, a std of 0, as many means as no stds, and more than 900.

    >>> print(normalize(0.5, [0.25, 0.2]))
    normalize(x[n,2,H,W]) -> y[n,2,H,W]
        y[n,c,i,j] = (x[n,c,i,j] / 255.0 - 0.5) / (0.25 * (c == 0) + 0.2 * (c == 1))
    """
    if not is_whole(axes) or axes < 2:
        raise ArgumentError(f"axes={axes!r}: not a number of axes; accepted: a whole number of at least 2")
    means, stds, (by,) = _numbers(mean, "mean"), _numbers(std, "std"), _numbers(scale, "scale")
    for values, what in ((stds, "std"), ((by,), "scale")):
        if any(v == 0 for v in values):
            raise ArgumentError(f"{what}={0.0}: nothing can be divided by it; accepted: numbers other than 0")
    counts = {len(v) for v in (means, stds) if len(v) > 1}
    if len(counts) > 1:
        raise ArgumentError(f"mean={mean!r}, std={std!r}: not for the same channels; accepted: as many of one as of the other, or a number")
    count = counts.pop() if counts else 0
    channels = count or "C"
    if count > MOST_CHANNELS:
        raise ArgumentError(f"mean and std for {count} channels: too many for a formula; accepted: up to {MOST_CHANNELS}, or one number for all")
    lines, middle, deviation = "", _of_channel(means, "c"), _of_channel(stds, "c")
    if count > WRITTEN_OUT:  # numbers that no sample changes are made once in a call, in lines of their own
        lines = f"    m[c:{count}] = {middle}\n    s[c:{count}] = {deviation}\n"
        middle, deviation = "m[c]", "s[c]"
    return op(f"""
normalize(x[n,{channels},*H]) -> y[n,{channels},*H]
{lines}    y[n,c,*i] = (x[n,c,*i] / {by!r} - {middle}) / {deviation}
""").at({"x": axes})


def _numbers(value: object, what: str) -> tuple[float, ...]:
    several = isinstance(value, (list, tuple, np.ndarray)) and np.shape(np.asarray(value, object)) != () and what != "scale"
    items: list[Any] = list(value) if several else [value]  # type: ignore[call-overload]  # several means that it is one
    numbers = (int, float, np.integer, np.floating)
    if not items or not all(isinstance(v, numbers) and not isinstance(v, bool) and -1e300 < v < 1e300 for v in items):
        accepted = "a number" if what == "scale" else "a number, or one for each channel"
        raise ArgumentError(f"{what}={value!r}: not usable; accepted: {accepted}")
    return tuple(float(v) for v in items)


def _of_channel(values: tuple[float, ...], letter: str) -> str:
    """The number of a channel as a formula."""
    if len(values) == 1:
        return f"({values[0]!r})" if values[0] < 0 else repr(values[0])
    return f"({' + '.join(f'({v!r}) * ({letter} == {k})' if v < 0 else f'{v!r} * ({letter} == {k})' for k, v in enumerate(values))})"
