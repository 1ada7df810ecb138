"""Bound lines to a program's text: what is only needed where there is no code yet.

spec --lower--> statements --schedule--> plan --phases--> loop-nest tree --llvm--> a text for each module
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ...language.bind import countable
from . import driver, vmath
from .c import source
from .finds import looked_up, numbers
from .group import Storage
from .llvm import Printed, module, printed
from .lower import SAMPLES, lower
from .phases import Unit, phase_name, unit
from .schedule import Inputs, plan
from .spec import Arrangement, Layout, Spec
from .target import Target, current

PART = 300_000  # characters of a module: some 100 ms; a smaller one would not be worth its own


def translate(spec: Spec, target: Target) -> tuple[tuple[str, ...], Layout]:
    """LLVM text of a program, a text for each module, and what the runner must know."""
    with _no_collections():
        made = nest(spec, target)
        texts = modules(made)
    slots = tuple((s.name, s.storage.layout, s.storage.places, s.storage.number) for s in made.slots)
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
    countable(spec.lines, spec.number.digits)
    shapes: dict[str, tuple[int, ...]] = {}
    for p in spec.inputs + spec.outputs:
        shapes[p.name] = ((SAMPLES,) if p.sample else ()) + p.shape
    taken = set(shapes) | {x.tensor for x in spec.lines}
    wholes = {p.name for p in spec.inputs if p.number.whole}
    statements = [looked_up(s, wholes) for s in lower(list(spec.lines), shapes, spec.sample, taken, numbers(wholes))]
    external = {
        p.name: Storage(p.name, p.shape, p.layout if p.sample else Arrangement.PLAIN, p.number, p.sample, p.indexed)
        for p in spec.inputs + spec.outputs
    }
    given = Inputs(external, frozenset(p.name for p in spec.outputs), spec.sample, shapes, dict(spec.update), spec.chunks)
    return unit(plan(statements, given, target, spec.number), spec.number, target, spec.chunks, dict(spec.update))


def c_source(spec: Spec, name: str) -> str:
    """The program's loop nests as a C file; its function is chainrule_<name>."""
    return source(nest(spec, current()), spec, name)


# Modules ---------------------------------------------------------------------------------------------------------------


def modules(unit: Unit) -> tuple[str, ...]:
    """The texts of a program's modules: one for a small program, else parts of about the same size."""
    vectors = {f.name: printed(f) for f in unit.functions if vmath.is_vector(f.name)}
    names = [phase_name(k) for k in range(len(unit.tasks))]
    own = [printed(f) for f in unit.functions if f.name not in vectors]
    alone = sum(len(p.text) for p in own) <= PART
    if not alone:
        own = [p.public() for p in own]
    runtime = driver.text(len(unit.slots), unit.tasks, names, unit.number, driver.CLOCK, alone)
    needs = driver.declarations(driver.CLOCK)
    parts = [own] if alone else cut(own)
    known, texts = unit.by_name, []
    for k, part in enumerate(parts):
        part = [*part, *(vectors[name] for name in sorted(set().union(*(p.called for p in part)) & vectors.keys()))]
        called = set(names) if k == 0 else set()
        texts.append(module(part, known, called, runtime if k == 0 else "", needs if k == 0 else ()))
    return tuple(texts)


def cut(functions: Sequence[Printed]) -> list[list[Printed]]:
    """Functions in parts of about the same length, the longest placed first; the order within a part is that of the program."""
    count = -(-sum(len(p.text) for p in functions) // PART)
    sizes, where = [0] * count, {}
    for p in sorted(functions, key=lambda p: (-len(p.text), p.of.name)):
        k = sizes.index(min(sizes))
        sizes[k] += len(p.text)
        where[p.of.name] = k
    parts = [[p for p in functions if where[p.of.name] == k] for k in range(count)]
    return [p for p in parts if p]
