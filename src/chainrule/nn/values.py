"""Parameters by name. What is put in is checked and taken over; nothing of the caller's reaches machine code."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import NoReturn

import numpy as np

from ..engines.native.program import aligned
from ..errors import ArgumentError, ElementTypeError, ShapeError
from ..operation.arrays import to_array

MOST_BYTES = 1 << 46  # more than any machine has: sizes beyond are mistakes, and their products pass 64 bits


def stored(name: str, shape: tuple[int, ...], kind: np.dtype, start: Callable[[], np.ndarray]) -> np.ndarray:
    """A parameter's own memory, as machine code wants it, with the numbers it starts from."""
    size = math.prod(shape) * kind.itemsize
    try:
        if size <= MOST_BYTES:
            a = aligned(shape, kind)
            a[...] = start()
            return a
    except (MemoryError, OSError):
        pass
    raise ArgumentError(f"{name} with shape {shape}: takes {size} bytes; accepted: parameters that fit into memory")


class Values(MutableMapping[str, np.ndarray]):
    """The parameters of a network: a fixed set of names, each with its own memory.

    `values[name] = array` copies the numbers into that memory (cast to the network's number type); the shape must match.
    `values[name][...] = array` edits in place as with any array. Errors: ArgumentError for another name and for
    deleting one, ShapeError and ElementTypeError for what does not fit.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray]):
        self._arrays = dict(arrays)

    def __getitem__(self, name: str) -> np.ndarray:
        return self._arrays[name].view()  # a view: changing its shape or type in place changes nothing here

    def __setitem__(self, name: str, value: object) -> None:
        if name not in self._arrays:
            raise ArgumentError(f"{name!r}: the network has no such parameter; accepted: {self._names()}")
        own = self._arrays[name]
        own[...] = fitting(value, name, own.shape)

    def __delitem__(self, name: str) -> NoReturn:
        raise ArgumentError(f"{name!r}: a network's parameters cannot be taken away; accepted: values for {self._names()}")

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def __or__(self, other: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {**self, **other}

    def __repr__(self) -> str:
        return f"Values({', '.join(f'{k}: {a.dtype}{list(a.shape)}' for k, a in self._arrays.items())})"

    def _names(self) -> str:
        return ", ".join(self._arrays) or "none (it has no parameters)"


def fitting(value: object, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers for a parameter of this shape."""
    a = to_array(value, name)
    if a.dtype.kind not in "fiub":
        raise ElementTypeError(f"{name} with dtype {a.dtype}: not real numbers; accepted: floats or whole numbers")
    if a.shape != shape:
        raise ShapeError(f"{name} with shape {a.shape}: does not fit; accepted: {shape}")
    return a
