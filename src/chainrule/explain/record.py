"""A run that can be asked: the formulas of a program, what went in, what came out of machine code, and what it is in float64.

The program is the one that the machine runs, so that what is explained is what is computed.
"""

from __future__ import annotations

import difflib
import math
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ..engines.session import by_reference
from ..errors import ArgumentError
from ..language.functions import Kind
from ..language.index import Poly
from ..language.lazy import cached_property
from ..language.program import Program
from ..language.show import Axes, expression, line_text
from ..language.tree import Expr, Line, Read, Reduce, needed, reads, rename_tensors, subs, walk

Arrays = dict[str, np.ndarray]
DOUBLE = np.dtype(np.float64)
MOST_CELLS = 40_000_000  # places that the literal engine goes through in a second or two; above, float64 is machine code's
MOST_BYTES = 1 << 29  # of all tensors together, that are kept when one of them is asked for


@dataclass(frozen=True, eq=False)
class Record:
    """A program at known sizes with its numbers.

    given: what goes in, by name. dtype: what the machine computes in. ran: (names, dtype) -> these tensors by machine code; `ready` are those
    that it gives anyway. about: what a tensor is, in words; called: a tensor by other names. changes: {tensor: (new, old)} of those that are
    the difference of two and in no program. engine: where float64 comes from; "" as the size of the work says.
    """

    program: Program
    given: Arrays
    dtype: np.dtype
    ran: Callable[[Sequence[str], np.dtype], Arrays]
    ready: frozenset[str]
    about: Callable[[str], str]
    called: Callable[[str], str | None] = lambda name: None
    changes: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    engine: str = ""
    known: dict[np.dtype, Arrays] = field(default_factory=dict)
    double: Arrays = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)

    @cached_property
    def lines(self) -> dict[str, Line]:
        return {line.tensor: line for line in self.program.closed}

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of every tensor, full."""
        found = {name: tuple(int(p.constant or 0) for p in line.axes) for name, line in self.lines.items()}
        return {name: a.shape for name, a in self.given.items()} | found

    @property
    def names(self) -> dict[str, str]:
        """What tensors are called in formulas."""
        return self.program.names

    @cached_property
    def inner(self) -> dict[str, str]:
        """And back."""
        return {own: name for name, own in self.names.items()}

    @cached_property
    def axes(self) -> Axes:
        return {own: tuple(map(Poly.of, self.shapes[name])) for name, own in self.names.items() if name in self.shapes}

    # Formulas as text -------------------------------------------------------------------------------------------------

    def text(self, e: Expr, needed: int = 0) -> str:
        """needed: how tightly the place around it binds."""
        return expression(rename_tensors(e, self.names), self.axes, needed)

    def formula(self, name: str) -> str:
        """A tensor's line, as in the program's text."""
        own, d = self.names[name], self.program.definition
        line = next(x for x in d.lines if x.tensor == own)
        return line_text(line, d.axes, own in {t.name for t in d.outputs})

    def read(self, name: str, index: Sequence[int]) -> Read:
        return Read(name, tuple(map(Poly.of, index)))

    def named(self, name: str) -> str:
        """A tensor by any of its names."""
        known = self.called(name)
        if known is not None and known in self.shapes:
            return known
        found = name if name in self.shapes else f".{name}" if f".{name}" in self.shapes else self.inner.get(name, "")
        if found not in self.shapes:
            near = difflib.get_close_matches(name, [*(k.removeprefix(".") for k in self.shapes), *self.inner], 5, 0.5)
            also = "a layer's name with .output or .output.grad, a parameter's with .grad, 'loss', or a tensor of the program"
            raise ArgumentError(f"{name!r:.80}: no number of this run; accepted: {', '.join(dict.fromkeys([*near, also]))}")
        return found

    def element(self, name: str, index: Sequence[int]) -> str:
        """One number of a tensor by its public name."""
        return f"{name.removeprefix('.')}[{','.join(map(str, index))}]" if len(index) else name.removeprefix(".")

    # Numbers ------------------------------------------------------------------------------------------------------------

    def native(self, name: str) -> np.ndarray:
        """A tensor as machine code gives it."""
        if name in self.given:
            a = self.given[name]
            return a if a.dtype.kind in "iu" else a.astype(self.dtype)
        if name in self.changes:
            new, old = self.changes[name]
            return np.asarray(self.native(new).astype(DOUBLE) - self.native(old).astype(DOUBLE))
        return self.machine([name], self.dtype)[name]

    def machine(self, names: Iterable[str], dtype: np.dtype) -> Arrays:
        """Tensors by machine code in this number type."""
        with self.lock:
            found = self.known.setdefault(dtype, {})
            missing = [k for k in names if k not in found]
            if missing:
                if set(missing) <= self.ready and dtype == self.dtype:
                    missing = sorted(self.ready)
                elif self.bytes((k for k in self.lines if k not in self.changes), dtype) <= MOST_BYTES:
                    missing = [k for k in self.lines if k not in self.changes]  # once for all: whoever asks for one asks for others
                found |= self.ran(missing, dtype)
            return found

    def unit(self, name: str, index: tuple[int, ...], size: float) -> float:
        """The unit in the last place of numbers of this size, in the type that the machine keeps the tensor in."""
        if name in self.changes:
            size = float(abs(self.native(self.changes[name][0])[index]))  # a change is read off what is kept, the new value
        kind = np.finfo(self.dtype)
        return float(np.spacing(np.asarray(min(max(size, float(kind.tiny)), float(kind.max) / 2), self.dtype)))

    def bytes(self, names: Iterable[str], dtype: np.dtype) -> int:
        return sum(math.prod(self.shapes[k]) for k in names) * dtype.itemsize

    def values(self, names: Iterable[str]) -> Arrays:
        """Tensors in float64: what goes in as it is, all else computed anew from it."""
        with self.lock:
            wanted = [k for k in names if k not in self.double]
            for k in wanted:
                if k in self.given:
                    a = self.given[k]
                    self.double[k] = a if a.dtype.kind in "iu" else a.astype(DOUBLE)
            missing = {k for k in wanted if k not in self.given}
            if missing:
                self.double.update(self.computed(missing))
            return {k: self.double[k] for k in names}

    def computed(self, missing: set[str]) -> Arrays:
        lines = tuple(x for x in needed(tuple(self.lines.values()), missing) if x.tensor not in self.double)
        if self.engine == "native" or (not self.engine and sum(map(cells, lines)) > MOST_CELLS):
            found = self.machine(missing, DOUBLE)
            return {k: found[k] for k in missing}
        used = {r.tensor for x in lines for r in reads(x.expr)}
        known = {k: self.double.get(k, self.given.get(k)) for k in used}
        found = by_reference(replace(self.program, lines=lines), {k: a for k, a in known.items() if a is not None}, DOUBLE)
        return {x.tensor: found[x.tensor] for x in lines}

    def evaluate(self, exprs: Sequence[Expr], sizes: Mapping[str, int] | None = None) -> list[np.ndarray]:
        """Formulas in float64 at every place of some letters, an axis for each."""
        sizes = sizes or {}
        ranges = tuple(Poly.of(s) for s in sizes.values())
        lines = tuple(Line(f"?{k}", tuple(sizes), ranges, e) for k, e in enumerate(exprs))
        used = list(dict.fromkeys(r.tensor for e in exprs for r in reads(e)))
        program = Program("asked", (), (), lines, {})
        found = by_reference(program, self.values(used), DOUBLE)
        return [found[f"?{k}"] for k in range(len(exprs))]


def cells(line: Line) -> int:
    """How many places the literal engine goes through for a line."""
    outer = math.prod(int(r.constant or 0) for r in line.ranges)
    inner = [math.prod(int(r.constant or 0) for r in e.ranges) for e in walk(line.expr) if isinstance(e, Reduce)]
    return outer * max(1, sum(inner))


def letters_at(line: Line, index: Sequence[int]) -> dict[str, int]:
    """The values of a line's letters at one place of its tensor."""
    ranges = {x: int(r.constant or 0) for x, r in zip(line.letters, line.ranges, strict=True)}
    found: dict[str, int] = {}
    for p, at in zip(line.index, index, strict=True):
        if p.letter in ranges:
            found[str(p.letter)] = at
            continue
        names = [x for x in ranges if x in p.names]  # several letters tile the axis: one combination meets the place
        grid = np.indices([ranges[x] for x in names]).reshape(len(names), -1)
        met = np.broadcast_to(np.asarray(p.evaluate(dict(zip(names, grid, strict=True)))), grid.shape[1:]) == at
        found |= dict(zip(names, map(int, grid[:, int(np.argmax(met))]), strict=True))
    return {x: found[x] for x in line.letters}


def put_in(e: Expr, letters: Mapping[str, int]) -> Expr:
    """A formula with numbers for letters."""
    return subs(e, {x: Poly.of(v) for x, v in letters.items()})


def index_of(read: Read) -> tuple[int, ...]:
    """The place of a read whose letters are numbers."""
    return tuple(int(p.constant or 0) for p in read.index)


def place_of(e: Reduce, at: int) -> dict[str, int]:
    """The letters of the term with this number, in index order."""
    sizes = tuple(int(r.constant or 0) for r in e.ranges)
    return dict(zip(e.letters, map(int, np.unravel_index(at, sizes)), strict=True))


def winner_of(record: Record, read: Read) -> tuple[dict[str, int], Expr] | None:
    """(letters, the term that won) where a number says which term of a max or min won; None for any other number, and where none did."""
    line = record.lines.get(read.tensor)
    if line is None or not isinstance(line.expr, Reduce) or line.expr.kind is not Kind.ARGMAX:
        return None
    index = index_of(read)
    at = int(record.values([read.tensor])[read.tensor][index])
    if at < 0:
        return None
    e = put_in(line.expr, letters_at(line, index))
    assert isinstance(e, Reduce)
    place = place_of(e, at)
    return place, put_in(e.body, place)
