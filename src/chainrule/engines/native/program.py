"""Bound lines in, machine code out; the door to the native engine.

spec --lower--> statements --schedule--> plan --phases--> loop-nest tree --llvm--> LLVM text --compile--> Code
values --Runner(code)--> values'
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

from ...language.bind import countable
from . import cache
from .buffers import aligned, contiguous
from .c import source
from .compile import assemble, at_rest, link, modules
from .finds import looked_up, numbers
from .group import Storage
from .lower import SAMPLES, lower
from .number import NUMBERS
from .phases import Unit, unit
from .run import Fixed, Runner
from .schedule import Inputs, plan
from .spec import DTYPES, ELEMENTS, Arrangement, Code, Layout, Port, Spec
from .target import Target, current

__all__ = [
    "DTYPES",
    "ELEMENTS",
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
    "translate",
]


def key_of(spec: Spec, target: Target) -> str:
    """What a program is made of, as a key: formulas, types, layout, processor and compiler."""
    return cache.key_of(spec.lines, spec.inputs, spec.outputs, spec.element, spec.sample, spec.chunks, spec.update, target)


def compile_spec(spec: Spec) -> Code:
    """Machine code for a program: from the cache on disk, or made now."""
    target = current()
    key = key_of(spec, target)
    found = cache.load(key)
    if found is not None:
        try:
            layout, code = found
            return Code(spec, layout, *link(code, target))
        except RuntimeError:
            pass
    texts, layout = translate(spec, target)
    code = assemble(texts, target)
    cache.store(key, layout, code)
    return Code(spec, layout, *link(code, target))


def translate(spec: Spec, target: Target) -> tuple[tuple[str, ...], Layout]:
    """LLVM text of a program, a text for each module, and what the runner must know."""
    with _no_collections():
        made = nest(spec, target)
        texts = modules(made)
    slots = tuple((s.name, s.storage.layout.value, s.storage.places, s.storage.number.llvm) for s in made.slots)
    return texts, Layout(slots, made.arena, max(made.tasks, default=1), made.chunks, made.lanes, made.notes)


@contextmanager
def _no_collections() -> Iterator[None]:
    """A tree is tens of thousands of tuples and has no cycles: to look for some, again and again, would take a fifth of the time."""
    on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if on:
            gc.enable()


def nest(spec: Spec, target: Target) -> Unit:
    """The loop-nest tree of a program."""
    countable(spec.lines, spec.element == "float")
    shapes: dict[str, tuple[int, ...]] = {}
    for p in spec.inputs + spec.outputs:
        shapes[p.name] = ((SAMPLES,) if p.sample else ()) + p.shape
    taken = set(shapes) | {x.tensor for x in spec.lines}
    wholes = {p.name for p in spec.inputs if NUMBERS[p.element].whole}
    statements = [looked_up(s, wholes) for s in lower(list(spec.lines), shapes, spec.sample, taken, numbers(wholes))]
    external = {
        p.name: Storage(p.name, p.shape, p.layout if p.sample else Arrangement.PLAIN, NUMBERS[p.element], p.sample, p.indexed)
        for p in spec.inputs + spec.outputs
    }
    given = Inputs(external, frozenset(p.name for p in spec.outputs), spec.sample, shapes, dict(spec.update), spec.chunks)
    number = NUMBERS[spec.element]
    return unit(plan(statements, given, target, number), number, target, spec.chunks, dict(spec.update))


def c_source(spec: Spec, name: str) -> str:
    """The program's loop nests as a C file; its function is chainrule_<name>."""
    return source(nest(spec, current()), spec, name)
