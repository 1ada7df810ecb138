"""What a trace was made from beside modules: containers, plain objects, classes and closures, which change without a module's attribute being set."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterable
from dataclasses import dataclass
from operator import is_
from types import CellType, FunctionType, MappingProxyType, MethodType, ModuleType
from typing import Any

import numpy as np

from ..operation.op import Op
from .values import Stored

PLAIN = (int, float, complex, str, bytes, type(None), np.generic)
MOST = 1000  # things that are watched for a network; those further away are not
UNWATCHED = (*PLAIN, np.ndarray, Op, Stored, ModuleType, type)  # they do not change, or are read at each call


def versioned(x: object) -> bool:
    """Whether it counts the changes of its attributes, as modules do."""
    return "_version" in getattr(x, "__dict__", ())


@dataclass(frozen=True, eq=False)
class Watched:
    """A thing that may change, and what was in it. plain: its items are compared by value, all others by identity."""

    thing: Any
    items: tuple[object, ...]
    plain: bool

    def same(self) -> bool:
        try:
            now = _items(self.thing)
            return len(now) == len(self.items) and (all(map(is_, now, self.items)) or (self.plain and now == self.items))
        except (RuntimeError, ValueError):  # it changes at this moment, or holds arrays now
            return False


def _items(thing: Any) -> tuple[object, ...]:
    """What is in a thing, at once, for a comparison at each call."""
    if isinstance(thing, (dict, MappingProxyType)):
        return (*thing, *thing.values())
    if isinstance(thing, CellType):
        return (thing.cell_contents,)
    return thing.read() if isinstance(thing, Names) else tuple(thing)


@dataclass(frozen=True, eq=False)
class Names:
    """The values that a function reads under names of its file: no functions, classes and modules."""

    function: FunctionType

    def read(self) -> tuple[object, ...]:
        found = inspect.getclosurevars(self.function).globals
        return tuple([v for v in found.values() if not callable(v) and not isinstance(v, ModuleType)])


def _names(f: FunctionType) -> list[Names]:
    names = Names(f)
    return [names] if not _ours(f) and names.read() else []


def _cells(f: FunctionType) -> list[CellType]:
    found = []
    for cell in f.__closure__ or ():
        with contextlib.suppress(ValueError):  # nothing in it yet
            if not isinstance(cell.cell_contents, type):
                found.append(cell)
    return found


def _ours(x: object) -> bool:
    """Whether it is of the library, whose functions and classes nobody changes."""
    return str(getattr(x, "__module__", "")).partition(".")[0] == __name__.partition(".")[0]


def watched(roots: Iterable[object]) -> tuple[Watched, ...]:
    """Everything that can change and be reached from roots, the near things first; modules have versions of their own."""
    found: list[Watched] = []
    todo: list[object] = list(roots)
    done: set[int] = set()
    for x in todo:  # grows meanwhile
        if len(found) >= MOST:
            break
        if isinstance(x, UNWATCHED) or id(x) in done or versioned(x):  # kept alive by todo
            continue
        done.add(id(x))  # kept alive by todo
        for thing in _things(x):
            items = _items(thing)
            plain = all(isinstance(v, PLAIN) for v in items)
            if not isinstance(thing, tuple):
                found.append(Watched(thing, items, plain))
            if not plain:
                todo += items
    return tuple(found)


def _things(x: Any) -> list[Any]:
    """What of a value may change: its items, its attributes, what a function closes over and the names of its file that it reads."""
    if isinstance(x, (list, dict, set, tuple, MappingProxyType)):
        return [x]
    if isinstance(x, FunctionType):
        return [*_cells(x), *_names(x)]
    if isinstance(x, MethodType):
        return [(x.__self__, x.__func__)]
    given = getattr(x, "__dict__", None)
    return [given] if isinstance(given, dict) else []


def classes_of(things: Iterable[object]) -> list[object]:
    """What stands in the classes of things, and in those that these are made from."""
    kinds = {c: None for x in things for c in type(x).__mro__ if c is not object and not _ours(c)}
    return [c.__dict__ for c in kinds]
