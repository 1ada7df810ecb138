"""Views of a network's tensors for the outside: arrays like any other, and the tensors themselves while forward is traced."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any, NoReturn

import numpy as np

from ..errors import ArgumentError
from .trace import tracing
from .values import Stored, known


class View(np.ndarray):
    """A parameter's or buffer's own memory. What forward or a loss computes with it, it computes with the tensor: there is a gradient.

    Outside of forward it is an array; what NumPy computes of it are arrays.
    """

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, out: Any = None, **how: Any) -> Any:
        given = _here(inputs)
        if out is None:
            return getattr(ufunc, method)(*given, **how)
        result = getattr(ufunc, method)(*given, out=_plain(out), **how)
        return out[0] if isinstance(out, tuple) and len(out) == 1 else result

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return function(*_here(args), **_here(kwargs))

    def __getitem__(self, key: Any) -> Any:
        here = _here(self)
        return super().__getitem__(key) if isinstance(here, np.ndarray) else here[key]

    def __repr__(self) -> str:
        return repr(_plain(self))

    def __reduce__(self) -> Any:
        return _plain(self).__reduce__()

    def __deepcopy__(self, memo: object) -> np.ndarray:  # type: ignore[override]  # a copy is no view of a tensor
        return np.array(_plain(self))


def as_seen(s: Stored) -> Any:
    """A tensor's symbol while its network's forward is traced; else a view of its memory (whose shape or type may be changed in place)."""
    trace = tracing()
    return known(s).view(View) if trace is None else trace.state(s)


def _plain(value: Any) -> Any:
    """The same with plain arrays for views, in lists, tuples and dictionaries too."""
    return _each(value, lambda a: a.view(np.ndarray))


def _here(value: Any) -> Any:
    """The same with symbols for views of what is traced, and plain arrays for all others."""
    trace = tracing()
    return _plain(value) if trace is None else _each(value, lambda a: trace.seen_as(a.view(np.ndarray)))


def _each(value: Any, change: Any) -> Any:
    if isinstance(value, View):
        return change(value)
    if type(value) in (tuple, list):
        return type(value)([_each(v, change) for v in value])
    return {k: _each(v, change) for k, v in value.items()} if type(value) is dict else value


class Values(MutableMapping[str, np.ndarray]):
    """The parameters of a network: a fixed set of names, each with its own memory.

    `values[name] = array` copies the numbers into that memory (cast to the network's number type); the shape must match.
    `values[name][...] = array` edits in place as with any array. Errors: ArgumentError for another name and for
    deleting one, ShapeError and ElementTypeError for what does not fit.
    """

    def __init__(self, states: Mapping[str, Stored]):
        self._states = dict(states)

    def __getitem__(self, name: str) -> np.ndarray:
        found: np.ndarray = as_seen(self._states[name])
        return found

    def __setitem__(self, name: str, value: object) -> None:
        if name not in self._states:
            raise ArgumentError(f"{name!r}: the network has no such parameter; accepted: {self._names()}")
        self._states[name].taken(value, name)

    def __delitem__(self, name: str) -> NoReturn:
        raise ArgumentError(f"{name!r}: a network's parameters cannot be taken away; accepted: values for {self._names()}")

    def __iter__(self) -> Iterator[str]:
        return iter(self._states)

    def __len__(self) -> int:
        return len(self._states)

    def __or__(self, other: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {**self, **other}

    def __repr__(self) -> str:
        return f"Values({', '.join(f'{k}: {a.dtype}{list(a.shape)}' for k, a in self.items())})"

    def _names(self) -> str:
        return ", ".join(self._states) or "none (it has no parameters)"
