"""Where networks meet the engines: formulas and the types of what goes in, to something that runs on named arrays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from ..engines.native.target import current
from ..engines.session import Held, by_reference, chunks_for, spec_of
from ..errors import ArgumentError
from ..language.program import Program as Program
from .graph import Graph


class Runs(Protocol):
    """Runs steps on arrays given by name; outputs are written. Returns `watch` after each step."""

    @property
    def program(self) -> Program: ...

    def run(
        self,
        arrays: Mapping[str, np.ndarray],
        total: int,
        *,
        threads: int | None = None,
        batch: int = 0,
        order: np.ndarray | None = None,
        watch: str = "",
        whole: bool = False,
    ) -> np.ndarray: ...

    def quick(self, arrays: Mapping[str, np.ndarray], total: int, threads: int | None) -> None: ...


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
    """Machine code for the formulas, or the literal engine. Inputs in `indexed` are read by the order of samples."""
    rows = frozenset(indexed)
    program = g.program("network", tuple(types), outputs, update or {})
    numbers = {name: np.array(value, dtype) for name, value in g.scalars.items()}
    if engine == "reference":
        return Literal(program, numbers, dtype, rows)
    if engine != "native":
        raise ArgumentError(f"engine={engine!r}: there is no such engine; accepted: 'native' or 'reference'")
    return Native(program, numbers, Held(spec_of(program, dtype, {k: str(t) for k, t in types.items()}, batch, rows)))


def key_of(dtype: np.dtype, batch: int) -> tuple[object, ...]:
    """What machine code depends on beside formulas and shapes."""
    return dtype, chunks_for(batch, dtype), current()


@dataclass(frozen=True)
class Native:
    """Machine code, and the numbers that operations' settings are in this network."""

    program: Program
    numbers: Mapping[str, np.ndarray]
    held: Held

    def run(self, arrays: Mapping[str, np.ndarray], total: int, **how: Any) -> np.ndarray:
        return self.held.run({**self.numbers, **arrays}, total, **how)

    def quick(self, arrays: Mapping[str, np.ndarray], total: int, threads: int | None) -> None:
        """One step on arrays that are known to be what the program was compiled for."""
        every = {**self.numbers, **arrays}
        self.held.quick([every[name] for name in self.held.names], total, threads)


@dataclass(frozen=True)
class Literal:
    """The same formulas on the reference engine, step by step."""

    program: Program
    numbers: Mapping[str, np.ndarray]
    dtype: np.dtype
    indexed: frozenset[str]

    def run(
        self,
        arrays: Mapping[str, np.ndarray],
        total: int,
        *,
        threads: int | None = None,
        batch: int = 0,
        order: np.ndarray | None = None,
        watch: str = "",
        whole: bool = False,
    ) -> np.ndarray:
        seen = []
        every = {**self.numbers, **arrays}
        for start in range(0, total, batch or total):
            rows = range(start, min(start + (batch or total), total)) if order is None else order[start : min(start + (batch or total), total)]
            given = {t.name: every[t.name][rows] if t.name in self.indexed else every[t.name] for t in self.program.ports}
            values = by_reference(replace(self.program, samples=len(rows)), given, self.dtype)
            for t in self.program.outputs:
                arrays[t.name][...] = values[t.name]
            seen.append(values[watch] if watch else 0)
        return np.array(seen, self.dtype)

    def quick(self, arrays: Mapping[str, np.ndarray], total: int, threads: int | None) -> None:
        self.run(arrays, total)
