"""What a kernel is made of: a group of statements over one index space, how to tile it, and where tensors lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache

from ...language.index import Poly
from ...language.lazy import cached_property
from ...language.tree import Expr, Read, reads, rebuild
from ..number import Number
from .lower import Statement
from .spec import Arrangement


def beside(tensor: str) -> str:
    """The doubles in which a scatter into a tensor of floats adds up."""
    return f"{tensor}@wide"


CHUNK = "chunk'"  # the letter over which partial sums are added where there are many


@dataclass(frozen=True)
class Storage:
    """Where a tensor lies.

    `shape` leaves out the sample axis, unless the layout is plain. `indexed`: row k is found through `order`.
    """

    name: str
    shape: tuple[int, ...]
    layout: Arrangement
    number: Number
    sample: bool
    indexed: bool = False

    @cached_property
    def strides(self) -> tuple[int, ...]:
        """Places between neighbours along each axis.

        Planes in lanes whose size is a multiple of 32 vectors are set one vector further apart: else the same place of every
        plane falls into the same few sets of the first-level cache.
        """
        steps = [1]
        for size in reversed(self.shape[1:]):
            steps.append(steps[-1] * size)
        if self.layout is Arrangement.LANES and len(self.shape) > 1 and steps[-1] % 32 == 0:
            steps[-1] += 1
        return tuple(reversed(steps[: max(len(self.shape), 0)]))

    @cached_property
    def places(self) -> int:
        return self.shape[0] * self.strides[0] if self.shape else 1

    def bytes_of_place(self, lanes: int) -> int:
        return self.number.bytes * (lanes if self.layout is Arrangement.LANES else 1)

    def bytes(self, lanes: int) -> int:
        """Bytes of one block of samples in lanes, of one chunk's sums, of one row, or of a whole plain tensor."""
        return self.places * self.bytes_of_place(lanes)

    def flat(self, index: tuple[Poly, ...]) -> Poly:
        """The place that an index (without the sample axis) means; a single index counts places. Partial sums may have a chunk first."""
        if index and index[0].letter == CHUNK:
            return index[0] * self.places + self.flat(index[1:])
        return index[0] if len(index) == 1 and len(self.shape) > 1 else _flat(index, self.strides)


@lru_cache(4096)
def _flat(index: tuple[Poly, ...], strides: tuple[int, ...]) -> Poly:
    out = Poly({})
    for p, step in zip(index, strides, strict=True):
        out = out + step * p
    return out


@dataclass(frozen=True)
class Group:
    """Statements computed together at every point of one index space, in order.

    lanes: vectors run over samples; else over `vector`, an index letter (None: scalar code).
    stored: tensors written to memory; the others live in registers. partial: sums over samples, kept per chunk.
    tile: how many values (for `vector`: vectors) of a letter are held in registers at once.
    unroll: reduced letters written out instead of looped over, by statement.
    """

    name: str
    lanes: bool
    letters: tuple[str, ...]
    extents: tuple[int, ...]
    statements: tuple[Statement, ...]
    stored: frozenset[str]
    partial: frozenset[str]
    tile: dict[str, int] = field(hash=False)
    vector: str | None
    unroll: tuple[tuple[str, ...], ...]
    sample: str | None = None
    wide: frozenset[str] = frozenset()  # scatters of floats that add up in doubles, beside the tensor
    clears: frozenset[str] = frozenset()  # tensors to set to 0 before it

    @cached_property
    def tensors(self) -> list[str]:
        """Tensors whose memory the group touches, in the order of the formulas: equal groups list them alike."""
        read = (r.tensor for s in self.statements for r in reads(s.body) if r.tensor not in self.registers)
        return list(dict.fromkeys((*read, *(s.out for s in self.statements if s.out in self.stored), *map(beside, sorted(self.wide)))))

    def shifts(self, storage: Mapping[str, Storage]) -> dict[str, int]:
        """How many places into each tensor the group begins: what all its reads have in common.

        Groups that differ in nothing else are one function, as those of all steps of a recurrence.
        """
        found: dict[str, list[int]] = {}
        for s in self.statements:
            places = [(r.tensor, r.index) for r in reads(s.body) if r.tensor not in self.registers]
            for t, index in [*places, (s.out, s.target)] if s.out in self.stored else places:
                st = storage[t]
                inner = index[1:] if st.sample and len(index) > len(st.shape) else index
                found.setdefault(t, []).append(int(st.flat(inner).terms.get((), 0)) if st.layout is not Arrangement.PARTIAL else 0)
        fixed = {t for s in self.statements if s.scatter for t in (s.out, beside(s.out))}
        return {t: min(consts) for t, consts in found.items() if min(consts) > 0 and t not in fixed}

    def form(self, storage: Mapping[str, Storage]) -> tuple[object, ...]:
        """What the group's code is made of but for the tensors' names: groups of one form are one function."""
        shifts = self.shifts(storage)
        number = {t: k for k, t in enumerate(self.tensors)}
        held = {s.out: k for k, s in enumerate(self.statements)}

        def place(tensor: str, index: tuple[Poly, ...]) -> tuple[Poly, ...]:
            st = storage[tensor]
            sample = st.sample and len(index) > len(st.shape)
            return (*index[:sample], st.flat(index[sample:]) - shifts.get(tensor, 0))

        def nameless(e: Expr) -> Expr:
            if isinstance(e, Read):
                return Read(f"^{held[e.tensor]}", ()) if e.tensor in held else Read(f"%{number[e.tensor]}", place(e.tensor, e.index))
            return rebuild(e, nameless)

        statements = tuple(
            replace(s, out=str(number.get(s.out, "")), origin="", target=place(s.out, s.target) if s.out in number else (), body=nameless(s.body))
            for s in self.statements
        )
        tensors = tuple(replace(storage[t], name="") for t in self.tensors)
        kinds = tuple((s.out in self.stored, s.out in self.partial, s.out in self.wide) for s in self.statements)
        return (self.lanes, self.letters, self.extents, statements, tensors, kinds, tuple(self.tile.items()), self.vector, self.unroll, self.sample)

    @cached_property
    def registers(self) -> set[str]:
        return {s.out for s in self.statements}
