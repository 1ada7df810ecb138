"""A call of an operation: sizes are derived and code is made once for each set of shapes; what is left is addresses and machine code.

shapes, types, whole settings --Ready--> program, machine
arrays --Ready.run--> outputs
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

import numpy as np

from ..engines.native.program import Spec, aligned
from ..engines.number import is_stored
from ..engines.session import Held, Machine, by_reference, spec_of, stored
from ..language.bind import bind
from ..language.program import Program
from ..language.tree import Definition
from .arrays import common_type

SMALL = 1 << 14  # bytes of an output that need not lie on a cache line


class Ready:
    """An operation at given shapes, types and whole settings."""

    def __init__(self, definition: Definition, arrays: Mapping[str, np.ndarray], settings: Mapping[str, int | float], lanes: bool):
        self.program = bind(definition, {k: a.shape for k, a in arrays.items()}, settings, free_samples=lanes)
        self.checks = bool(self.program.reaches) or any(t.whole is not None for t in self.program.inputs)
        known = self.program.taken(arrays) if self.checks else arrays
        self.dtype = common_type(known, definition.name)
        types = {k: str(a.dtype if a.dtype.kind in "iu" and is_stored(a.dtype) else self.dtype) for k, a in known.items()}
        self.outputs = tuple((t.name, self.program.shapes[t.name]) for t in self.program.outputs)
        self.wide = [np.prod(s, dtype=float) * self.dtype.itemsize > SMALL for _, s in self.outputs]
        self.defaults = dict(definition.settings)
        self.scalars = self.program.scalars
        self.inputs = tuple(t.name for t in definition.inputs)
        self.same = all(a.dtype == known[k].dtype and str(a.dtype) == types[k] for k, a in arrays.items())
        self.held = Held(spec_of(self.program, self.dtype, types))

    @property
    def spec(self) -> Spec:
        return self.held.spec

    @property
    def machine(self) -> Machine:
        return self.held.machine

    def run(self, arrays: Sequence[np.ndarray], settings: Mapping[str, int | float], threads: int | None) -> tuple[np.ndarray, ...]:
        """The outputs for arrays in the header's order, which have the shapes and types that this was made for."""
        if self.checks:
            arrays = tuple(self.program.taken(dict(zip(self.inputs, arrays, strict=True))).values())
        dtype = self.dtype
        given = [a if self.same and a.flags.num & 0x101 == 0x101 else stored(a, dtype) for a in arrays]
        for name in self.scalars:
            given.append(np.array(settings.get(name, self.defaults[name]), dtype))
        out = [memory(s, dtype, wide) for (_, s), wide in zip(self.outputs, self.wide, strict=True)]
        given += out
        self.held.quick(given, self.program.samples, threads)
        return tuple(a if a.shape else a[()] for a in out)


def memory(shape: tuple[int, ...], dtype: np.dtype, wide: bool) -> np.ndarray:
    """What an output is written to: machine code writes all of it."""
    return aligned(shape, dtype) if wide else np.empty(shape, dtype)


def reference(definition: Definition, arrays: Mapping[str, np.ndarray], settings: Mapping[str, int | float]) -> dict[str, np.ndarray]:
    """Outputs by name, by the reference engine."""
    program: Program = bind(definition, {k: a.shape for k, a in arrays.items()}, settings)
    given = program.taken(arrays)
    dtype = common_type(given, definition.name, exact=True)
    for name in program.scalars:
        number = settings.get(name, dict(definition.settings)[name])
        given[name] = np.array(Fraction(str(number)) if dtype.kind == "O" else number, dtype)
    values = by_reference(program, given, dtype)
    return {t.name: values[t.name] if values[t.name].shape else values[t.name][()] for t in definition.outputs}
