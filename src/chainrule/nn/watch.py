"""What a trace was made from beside modules: containers, objects, classes, functions and small arrays, which change without a module's attribute being set."""

from __future__ import annotations

import contextlib
import dis
import functools
import inspect
import sys
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from operator import is_
from types import CodeType, FunctionType, MappingProxyType, MethodType, ModuleType
from typing import Any

import numpy as np

from ..operation.op import Op
from .values import Stored, owner_of
from .views import View

PLAIN = (int, float, complex, str, bytes, type(None), np.generic)
MOST = 1000  # things that are watched for a network; those further away are not
SMALL = 4096  # bytes of an array whose numbers are compared at each call
UNWATCHED = (*PLAIN, Op, Stored, View)  # they do not change, or are read at each call
FIXED = {__name__.partition(".")[0], "numpy", *sys.stdlib_module_names}  # packages whose functions and classes nobody changes
MISSING = object()  # what stands under a name that is gone
Read = Callable[[], tuple[object, ...]]


def versioned(x: object) -> bool:
    """Whether it counts the changes of its attributes, as modules do."""
    return "_version" in getattr(x, "__dict__", ())


@dataclass(frozen=True, eq=False)
class Watched:
    """A thing that may change: how it is read, and what was in it."""

    read: Read
    items: tuple[object, ...]

    def same(self) -> bool:
        try:
            now = self.read()
            return len(now) == len(self.items) and (all(map(is_, now, self.items)) or all(map(_alike, now, self.items)))
        except (RuntimeError, ValueError):  # it changes at this moment
            return False


def _alike(a: object, b: object) -> bool:
    """Whether two are one, or plain values that nobody can tell apart (0.0 and -0.0, 1 and True are two)."""
    if a is b:
        return True
    if type(a) is not type(b) or not isinstance(a, PLAIN):
        return False
    return a == b if isinstance(a, (int, str, bytes)) else repr(a) == repr(b)


@functools.lru_cache(maxsize=4096)
def _read_by(code: CodeType) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(names of its file that code and the code inside it read, all names that they read, those of attributes too)."""
    own = [i.argval for i in dis.get_instructions(code) if i.opname in ("LOAD_GLOBAL", "LOAD_NAME")]
    inner = [_read_by(c) for c in code.co_consts if isinstance(c, CodeType)]
    found = dict.fromkeys([*own, *(k for names, _ in inner for k in names)])
    return tuple(found), tuple(dict.fromkeys([*code.co_names, *(k for _, names in inner for k in names)]))


def _fixed(x: object) -> bool:
    """Whether a function, a class or a module is of a package that nobody changes."""
    name = getattr(x, "__name__", "") if isinstance(x, ModuleType) else getattr(x, "__module__", "")
    return str(name).partition(".")[0] in FIXED


def _code(f: FunctionType) -> Iterator[Read]:
    """What a function is made of and closes over, the names of its file that it reads, and what these name in modules."""
    yield lambda: (f.__code__, f.__defaults__, f.__kwdefaults__)
    for cell in f.__closure__ or ():
        yield lambda cell=cell: (cell.cell_contents,)  # type: ignore[misc]  # a lambda with the cell it is for
    if _fixed(f):
        return
    names, attributes = _read_by(f.__code__)
    known = inspect.getclosurevars(f).globals
    here = getattr(inspect.getmodule(f), "__dict__", {})
    if all(here.get(k, MISSING) is v for k, v in known.items()):
        yield from _named(here, names, attributes)
    else:  # what it says of its file does not hold, as after functools.wraps: each call asks anew, which takes longer
        yield lambda: tuple(inspect.getclosurevars(f).globals.values())


def _named(here: Mapping[str, object], names: tuple[str, ...], attributes: tuple[str, ...], depth: int = 4) -> Iterator[Read]:
    """What stands under names in a namespace, and what code that reads these attributes reads in the modules among it."""
    own = tuple([k for k in names if k in here])
    if own:
        yield lambda: tuple([here.get(k, MISSING) for k in own])
    for m in [here[k] for k in own]:
        if depth and isinstance(m, ModuleType) and not _fixed(m):
            yield from _named(m.__dict__, attributes, attributes, depth - 1)


def _slots(x: object) -> tuple[str, ...]:
    """The names of attributes that its classes have places for."""
    found: list[str] = []
    for c in type(x).__mro__:
        given = c.__dict__.get("__slots__", ())
        for k in (given,) if isinstance(given, str) else given:
            found.append(f"_{c.__name__.lstrip('_')}{k}" if k.startswith("__") and not k.endswith("__") else k)
    return tuple(found)


def _readers(x: Any) -> Iterable[Read]:
    """How what may change in a value is read at each call."""
    if isinstance(x, dict | MappingProxyType):
        return [lambda: (*x, *x.values())]
    if isinstance(x, list | set | deque | array | bytearray):
        return [lambda: tuple(x)]
    if isinstance(x, FunctionType):
        return _code(x)
    if isinstance(x, type):
        return [] if _fixed(x) else [lambda: (*x.__bases__, *x.__dict__, *x.__dict__.values())]
    if isinstance(x, np.ndarray):
        if x.dtype.hasobject:
            return [lambda: (*x.shape, *x.flat)]
        return [lambda: (*x.shape, x.tobytes())] if x.nbytes <= SMALL and owner_of(x) is None else []  # Python may have taken numbers out of it
    slots = () if _fixed(type(x)) or versioned(x) else _slots(x)
    return [lambda: tuple([getattr(x, k, MISSING) for k in slots])] if slots else []


def _inside(x: Any) -> Iterable[object]:
    """What belongs to a value for good, and may change itself."""
    if isinstance(x, tuple | frozenset):
        return x
    if isinstance(x, MethodType):
        return x.__self__, x.__func__
    if isinstance(x, staticmethod | classmethod):
        return (x.__func__,)
    if isinstance(x, property):
        return x.fget, x.fset
    if isinstance(x, functools.partial):
        return x.func, x.args, x.keywords
    if isinstance(x, type | ModuleType) or versioned(x) or type(x).__module__.partition(".")[0] == "logging":
        return ()
    given = getattr(x, "__dict__", None)
    return (given, type(x)) if given and isinstance(given, dict) else (type(x),)


def watched(roots: Iterable[object], constants: Iterable[object] = ()) -> tuple[Watched, ...]:
    """Everything that can change and be reached from roots, the near things first; modules have versions of their own.

    constants: arrays that are computed with whole, and so are read at each call.
    """
    found: list[Watched] = []
    todo: list[object] = list(roots)
    done = {id(b) for a in constants for b in (a, getattr(a, "base", None))}  # kept alive by the caller
    for x in todo:  # grows meanwhile
        if len(found) >= MOST:
            break
        if isinstance(x, UNWATCHED) or id(x) in done:  # kept alive by todo
            continue
        done.add(id(x))  # kept alive by todo
        todo += _inside(x)
        for read in _readers(x):
            with contextlib.suppress(ValueError):  # a cell with nothing in it yet
                found.append(Watched(read, read()))
                todo += [v for v in found[-1].items if not isinstance(v, UNWATCHED)]
    return tuple(found)


def classes_of(things: Iterable[object]) -> list[object]:
    """The classes of things."""
    return list(dict.fromkeys(map(type, things)))
