"""Arguments as nested tuples, lists and dictionaries of numbers and arrays: taken apart into leaves, and put together again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..errors import ElementTypeError
from .tape import Node


def leaves(tree: Any) -> list[Any]:
    """The numbers and arrays, in order."""
    if isinstance(tree, (list, tuple)):
        return [leaf for part in tree for leaf in leaves(part)]
    if isinstance(tree, dict):
        return [leaf for part in tree.values() for leaf in leaves(part)]
    return [] if tree is None else [tree]


def like(tree: Any, values: Sequence[Any]) -> Any:
    """The same nest with other leaves."""
    return _filled(tree, iter(values))


def _filled(tree: Any, values: Iterator[Any]) -> Any:
    if isinstance(tree, (list, tuple)):
        parts = [_filled(part, values) for part in tree]
        return type(tree)(*parts) if hasattr(tree, "_fields") else type(tree)(parts)
    if isinstance(tree, dict):
        return {k: _filled(part, values) for k, part in tree.items()}
    return None if tree is None else next(values)


def mapped(f: Callable[[Any], Any], tree: Any) -> Any:
    return like(tree, [f(leaf) for leaf in leaves(tree)])


def number(value: Any, who: str) -> Any:
    """A leaf as it moves: floats as they are, whole numbers as float64."""
    if isinstance(value, Node):
        return value
    a: Any = value if isinstance(value, (np.ndarray, np.generic)) else np.asarray(value)
    if a.dtype == np.float64 or a.dtype == np.float32 or a.dtype.kind == "f":
        return a[()] if not isinstance(value, np.ndarray) else value
    if a.dtype.kind in "iu":
        return a.astype(np.float64)[()]
    what = {"c": "complex numbers", "b": "truth values"}.get(a.dtype.kind, f"a {type(value).__name__}")
    instead = {"c": ": the real and the imaginary part as two real arguments"}.get(a.dtype.kind, "; others are named by argnum")
    raise ElementTypeError(f"{value!r:.60} for {who}: derivatives by {what} are not taken; accepted: real numbers, arrays, nests of them{instead}")
