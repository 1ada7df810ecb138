"""np.array([x, y]) of values that are being differentiated, while the function that does so runs.

NumPy asks an argument what should become of it, but not the elements of a list: it would make an array of Python objects, which is slow and
which half of NumPy does not take. So, as long as a function is being differentiated, the few functions of NumPy that make arrays of lists are
replaced by ones that look into the list first. With nothing of ours in it they are NumPy's own, in whatever thread.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from threading import Lock
from types import TracebackType
from typing import Any

import numpy as np

from .elementwise import cast
from .registry import FUNCTIONS, holds, joined, plain
from .tape import Node


def inside(a: Any) -> bool:
    """Whether a value that is differentiated is in a list, or in a list in it: by the types alone, as lists may be long."""
    kinds = set(map(type, a))
    if any(issubclass(k, Node) for k in kinds):
        return True
    return not kinds.isdisjoint((list, tuple)) and any(inside(x) for x in a if type(x) in (list, tuple))


def ours(a: Any) -> bool:
    if isinstance(a, (list, tuple)):
        return inside(a)
    return isinstance(a, Node) or (isinstance(a, np.ndarray) and a.dtype == object and holds(a))


def making(f: Callable[..., Any]) -> Callable[..., Any]:
    """A function that makes an array, of remembered values too."""

    @wraps(f)
    def made(*args: Any, **given: Any) -> Any:
        if not args or not ours(args[0]):
            return f(*args, **given)
        dtype = args[1] if len(args) > 1 else given.get("dtype")
        if dtype is not None and np.dtype(dtype).kind != "f":
            return f(plain(args[0]) if np.dtype(dtype).kind in "iub" else args[0], *args[1:], **given)
        y: Any = args[0] if isinstance(args[0], Node) else joined(args[0])
        y = y if dtype is None else cast(y, dtype)
        missing = given.get("ndmin", 0) - y.ndim
        return np.reshape(y, (1,) * missing + y.shape) if missing > 0 else y

    return made


def reducing(f: Callable[..., Any]) -> Callable[..., Any]:
    """A function of an array that is given a list of remembered values."""

    @wraps(f)
    def reduced(*args: Any, **given: Any) -> Any:
        if args and isinstance(args[0], (list, tuple)) and inside(args[0]):
            return FUNCTIONS[f](joined(args[0]), *args[1:], **given)
        return f(*args, **given)

    return reduced


Functions = tuple[Callable[..., Any], ...]


def replaced(functions: Functions) -> None:
    """Put these in the place of the seven of NumPy."""
    np.array, np.asarray, np.asanyarray, np.ascontiguousarray, np.mean, np.std, np.var = functions  # type: ignore[assignment, misc]  # for a while


class Making:
    """The time during which they are replaced: that of the outermost of all functions that are being differentiated."""

    def __init__(self) -> None:
        arrays: Functions = (np.array, np.asarray, np.asanyarray, np.ascontiguousarray)
        statistics: Functions = (np.mean, np.std, np.var)
        self.plain: Functions = (*arrays, *statistics)
        self.made: Functions = (*map(making, arrays), *map(reducing, statistics))
        self.depth, self.lock = 0, Lock()

    def __enter__(self) -> None:
        with self.lock:
            self.depth += 1
            if self.depth == 1:
                replaced(self.made)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> None:
        with self.lock:
            self.depth -= 1
            if self.depth == 0:
                replaced(self.plain)


MAKING = Making()
