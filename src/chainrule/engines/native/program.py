"""Machine code for bound lines: found, or made; the door to the native engine.

spec --translate--> LLVM text --compile--> Code
values --Runner(code)--> values'
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from . import cache
from .buffers import aligned, contiguous
from .compile import assemble, link, nobody_inside
from .run import Fixed, Runner
from .spec import Code, Layout, Port, Spec
from .target import Target, current

__all__ = [
    "Code",
    "Fixed",
    "Layout",
    "Port",
    "Runner",
    "Spec",
    "aligned",
    "assemble",
    "at_rest",
    "c_source",
    "compile_spec",
    "contiguous",
    "key_of",
]


def key_of(spec: Spec, target: Target) -> str:
    """What a program is made of, as a key: formulas, types, layout, processor and compiler."""
    return cache.key_of(spec.lines, spec.inputs, spec.outputs, spec.number, spec.sample, spec.chunks, spec.update, target)


def compile_spec(spec: Spec) -> Code:
    """Machine code for a program: from the cache on disk, or made now."""
    target = current()
    key = key_of(spec, target)
    found = cache.load(key)
    if found is not None:
        try:
            layout, code = found
            return Code(spec, layout, *link(code, target))
        except RuntimeError:  # sound, but not code for what runs here: it is made anew
            pass
    texts, layout = _translator().translate(spec, target)
    code = assemble(texts, target)
    cache.store(key, layout, code)
    return Code(spec, layout, *link(code, target))


def c_source(spec: Spec, name: str) -> str:
    """The program's loop nests as a C file; its function is chainrule_<name>."""
    return str(_translator().c_source(spec, name))


# The planner: half of the engine's source, and of no use where all code is found ---------------------------------------------

_loaded: list[Any] = []
_loading: list[threading.Thread] = []


def _load() -> None:
    from . import translate

    _loaded.append(translate)


def _translator() -> Any:
    """The planner, imported when code is first made. A thread of its own does it: a signal handler may interrupt this one anywhere, want code
    itself, raise or fork, and would find modules that are half read."""
    if not _loaded:
        thread = threading.Thread(target=_load)
        _loading.append(thread)
        try:
            thread.start()
            thread.join()
        except RuntimeError:  # there are no more threads
            pass
        if not _loaded:
            _load()
        _loading.clear()
    return _loaded[0]


@contextmanager
def at_rest() -> Iterator[None]:
    """No other thread makes code meanwhile."""
    if _loading and not _loaded:  # by a thread that may hold locks of modules, may have to be started yet, or may have been given up
        _load()
    with nobody_inside():
        yield
