"""Where networks meet the engines: formulas and the types of what goes in, to something that runs on named arrays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from ..engines import reference
from ..engines.native.program import ELEMENTS, Runner, Spec, compile_spec
from ..engines.native.target import current
from ..errors import ArgumentError
from ..language.bind import Bound
from ..language.index import Poly
from ..language.tree import Definition, Line, subs
from ..operation.op import chunks_for
from .graph import SAMPLES, Graph


class Runs(Protocol):
    """Runs steps on arrays given by name; outputs are written. Returns `watch` after each step."""

    def run(
        self,
        arrays: Mapping[str, np.ndarray],
        total: int,
        *,
        threads: int = 1,
        batch: int = 0,
        order: np.ndarray | None = None,
        watch: str = "",
        whole: bool = False,
    ) -> np.ndarray: ...


def spec_of(
    g: Graph, types: Mapping[str, np.dtype], outputs: Sequence[str], dtype: np.dtype, batch: int, update: Mapping[str, str], indexed: Iterable[str]
) -> Spec:
    """The program for inputs of these types; those in `indexed` are read by the order of samples."""
    rows = set(indexed)
    ports = tuple(g.port(name, ELEMENTS[str(kind)], name in rows) for name, kind in types.items())
    element = ELEMENTS[str(dtype)]
    results = tuple(g.port(name, element) for name in outputs)
    return Spec(tuple(g.lines), ports, results, element, SAMPLES if g.free else None, chunks_for(batch, dtype), tuple(update.items()))


def runner(
    g: Graph,
    types: Mapping[str, np.dtype],
    outputs: Sequence[str],
    dtype: np.dtype,
    batch: int,
    update: Mapping[str, str] | None = None,
    indexed: Iterable[str] = (),
    engine: str = "native",
) -> Runs:
    """Machine code for the formulas, or the literal engine."""
    rows = tuple(indexed)
    if engine == "reference":
        return Literal(g, tuple(types), tuple(outputs), dtype, frozenset(rows))
    if engine != "native":
        raise ArgumentError(f"engine={engine!r}: there is no such engine; accepted: 'native' or 'reference'")
    return Runner(compile_spec(spec_of(g, types, outputs, dtype, batch, update or {}, rows)))


def key_of(dtype: np.dtype, batch: int) -> tuple[object, ...]:
    """What machine code depends on beside formulas and shapes."""
    return dtype, chunks_for(batch, dtype), current()


@dataclass(frozen=True)
class Literal:
    """The same formulas on the reference engine, step by step."""

    graph: Graph
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    dtype: np.dtype
    indexed: frozenset[str]

    def run(
        self,
        arrays: Mapping[str, np.ndarray],
        total: int,
        *,
        threads: int = 1,
        batch: int = 0,
        order: np.ndarray | None = None,
        watch: str = "",
        whole: bool = False,
    ) -> np.ndarray:
        seen = []
        for start in range(0, total, batch or total):
            rows = range(start, min(start + (batch or total), total)) if order is None else order[start : min(start + (batch or total), total)]
            given = {k: arrays[k][rows] if k in self.indexed else arrays[k] for k in self.inputs}
            values = reference.run(Bound(Definition("program", (), (), (), ()), (), self.lines(len(rows)), {}), given, self.dtype)
            for name in self.outputs:
                arrays[name][...] = values[name]
            seen.append(values[watch] if watch else 0)
        return np.array(seen, self.dtype)

    def lines(self, samples: int) -> tuple[Line, ...]:
        """The formulas with the number of samples put in."""
        number = {SAMPLES: Poly.of(samples)}
        return tuple(replace(x, expr=subs(x.expr, number), ranges=tuple(r.subs(number) for r in x.ranges)) for x in self.graph.lines)
