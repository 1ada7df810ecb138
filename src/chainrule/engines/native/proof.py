"""The last proof before machine code: every array is what the program was compiled for.

Machine code trusts its addresses. Whatever was checked before, by whomever, each array's type, shape, layout and place in
memory are held here against the program's ports, on every call; it costs a few microseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ...errors import ArgumentError, ChainruleError, ElementTypeError, ShapeError
from .buffers import ALIGNED, CONTIGUOUS, WRITEABLE, address
from .spec import Arrangement, Layout, Port, Spec

_INT64 = np.dtype(np.int64)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A port as the check reads it."""

    name: str
    dtype: np.dtype
    shape: tuple[int, ...]
    sample: bool
    indexed: bool
    places: int  # of one sample in the engine's own layout, else 0
    flags: int
    writes: bool
    shares: str  # the input whose memory an output may take over


class Proof:
    """What a program accepts."""

    def __init__(self, spec: Spec, layout: Layout):
        places = {name: count for name, _, count, _ in layout.slots}
        shares = dict(spec.update)
        taken = set(shares.values())

        def wanted(p: Port, out: bool) -> _Wanted:
            written = out or p.name in taken
            own = places.get(p.name, 0) if p.layout is Arrangement.LANES and p.sample else 0
            flags = CONTIGUOUS | ALIGNED | (WRITEABLE if written else 0)
            dtype = p.number.dtype
            return _Wanted(p.name, dtype, p.shape, p.sample, p.indexed, own, flags, out, shares.get(p.name, "") if out else "")

        self.lanes = layout.lanes
        ports = [wanted(p, False) for p in spec.inputs] + [wanted(p, True) for p in spec.outputs]
        self.ports = [p for p in ports if p.name in places]  # others are never touched
        self.names = frozenset(p.name for p in self.ports)
        self.slots = [(k, name) for k, (name, *_) in enumerate(layout.slots) if name in self.names]
        self.indexed = [p.name for p in self.ports if p.indexed]
        dtype = spec.number.dtype
        self.watchable = {p.name for p in self.ports if p.writes and not p.sample and p.shape == () and p.dtype == dtype}

    def counts(self, total: int, batch: int, watch: str) -> tuple[int, int, str]:
        """(steps, samples in the largest step, what to watch)."""
        if total < 1 or batch < 1:
            raise ArgumentError(f"total={total}, batch={batch}: nothing to compute; accepted: at least one sample, in batches of at least one")
        if watch and watch not in self.watchable:
            raise ArgumentError(
                f"watch={watch!r}: not a number that the program puts out; accepted: {', '.join(sorted(self.watchable)) or 'nothing'}"
            )
        return -(-total // batch), min(total, batch), watch

    def arrays(self, arrays: Mapping[str, np.ndarray], rows: int) -> dict[str, int]:
        """The address of every port's array."""
        where: dict[str, int] = {}
        spans: dict[str, tuple[int, int, bool, str]] = {}
        for p in self.ports:
            a = arrays.get(p.name)
            if not isinstance(a, np.ndarray) or a.dtype != p.dtype or (a.flags.num & p.flags) != p.flags or not self.fits(p, a, rows):
                raise self.refused(p, a, rows)
            where[p.name] = at = address(a)
            if p.shares and where.get(p.shares) == at:
                spans.pop(p.shares, None)  # an update in place
            if a.nbytes:
                spans[p.name] = at, at + a.nbytes, p.writes, p.name
        ordered = sorted(spans.values())
        any_end = written_end = 0
        for start, end, writes, _ in ordered:
            if start < (any_end if writes else written_end):
                self.apart(ordered)
            any_end = max(any_end, end)
            if writes:
                written_end = max(written_end, end)
        return where

    def fits(self, p: _Wanted, a: np.ndarray, rows: int) -> bool:
        if not p.sample:
            return a.shape == p.shape
        if p.places:
            return a.size == -(-rows // self.lanes) * self.lanes * p.places
        return a.ndim > 0 and a.shape[1:] == p.shape and (len(a) > 0 if p.indexed else len(a) == rows)

    def refused(self, p: _Wanted, a: object, rows: int) -> ChainruleError:
        """Why an array is not a port's."""
        if not isinstance(a, np.ndarray):
            return ArgumentError(f"{p.name}: {'not given' if a is None else f'{type(a).__name__} is no array'}; accepted: {self.words(p, rows)}")
        if a.dtype != p.dtype:
            return ElementTypeError(f"{p.name} with dtype {a.dtype}: compiled for another; accepted: {self.words(p, rows)}")
        if not self.fits(p, a, rows):
            return ShapeError(f"{p.name} with shape {a.shape}: compiled for another; accepted: {self.words(p, rows)}")
        lacks = [w for w, bit in (("C-contiguous", CONTIGUOUS), ("aligned", ALIGNED), ("writeable", WRITEABLE)) if p.flags & bit & ~a.flags.num]
        return ArgumentError(f"{p.name}: its memory is not {' and not '.join(lacks)}; accepted: {self.words(p, rows)}")

    def words(self, p: _Wanted, rows: int) -> str:
        if p.places:
            return f"{-(-rows // self.lanes) * self.lanes * p.places} values of {p.dtype}, C-contiguous"
        shape = (("any number" if p.indexed else rows), *p.shape) if p.sample else p.shape
        return f"{p.dtype} of shape ({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''}), C-contiguous" + (
            ", writeable" if p.flags & WRITEABLE else ""
        )

    def apart(self, spans: list[tuple[int, int, bool, str]]) -> None:
        """Raise for two arrays that share memory, where one of them is written."""
        for k, (start, end, writes, name) in enumerate(spans):
            for other, (begin, stop, also, second) in enumerate(spans):
                if other != k and writes and begin < end and start < stop:
                    word = "written" if also else "read"
                    raise ArgumentError(f"{name}: shares memory with {second}, which is {word} too; accepted: memory of its own for each output")

    def order(self, order: np.ndarray | None, total: int, arrays: Mapping[str, np.ndarray]) -> int:
        """The address of the rows' numbers, 0 where there are none."""
        if not self.indexed:
            return 0
        most = min(len(arrays[name]) for name in self.indexed)
        accepted = f"accepted: {total} numbers of rows, int64 and C-contiguous, from 0 to {most - 1}"
        if order is None:
            raise ArgumentError(f"order: not given, and {', '.join(self.indexed)} is read by it; {accepted}")
        if not isinstance(order, np.ndarray) or order.dtype != _INT64 or order.ndim != 1 or not order.flags.c_contiguous or not order.flags.aligned:
            what = f"dtype {order.dtype} and shape {order.shape}" if isinstance(order, np.ndarray) else type(order).__name__
            raise ElementTypeError(f"order with {what}: not numbers of rows; {accepted}")
        if len(order) < total:
            raise ShapeError(f"order with {len(order)} rows: too few; {accepted}")
        used = order[:total]
        low, high = int(used.min()), int(used.max())
        if low < 0 or high >= most:
            raise ShapeError(f"order with row {low if low < 0 else high}: there is no such row; {accepted}")
        return address(order)
