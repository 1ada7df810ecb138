"""What each statement has to do with samples, the copies that its readers need, and where all tensors lie: what a plan starts from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from ...language.functions import COMPARISONS, COUNTING
from ...language.index import Poly
from ...language.lazy import cached_property
from ...language.tree import Call, Read, reads, rename_tensors, walk, whole
from ..number import INT32, INT64, Number
from .adapt import FEW_CHUNKS, added_up, finished
from .group import Storage
from .lower import SAMPLES, Statement
from .renew import renewed
from .spec import Arrangement
from .target import Target


class Role(StrEnum):
    """What a statement has to do with samples."""

    SAMPLE = "sample"  # a value for each sample
    PARTIAL = "partial"  # a sum over samples, kept for each chunk
    WHOLE = "whole"  # a sum over samples alone, over the whole batch at once
    PLAIN = "plain"  # no samples


IN_LANES = frozenset({Role.SAMPLE, Role.PARTIAL})


@dataclass(frozen=True)
class Inputs:
    """What the planner is told of the program around the statements."""

    external: Mapping[str, Storage]  # inputs and outputs, as the caller has them
    outputs: frozenset[str]
    sample: str | None  # name of the number of samples, where vectors may run over samples
    shapes: Mapping[str, tuple[int, ...]]
    update: Mapping[str, str]  # output -> input whose memory it takes over
    chunks: int = 1  # parts of a batch


@dataclass(frozen=True)
class Scene:
    """Everything that is settled before statements are put into phases and groups."""

    statements: tuple[Statement, ...]
    roles: Mapping[str, Role]
    storage: Mapping[str, Storage]
    given: Inputs
    target: Target
    number: Number

    @property
    def lanes(self) -> int:
        return self.target.lanes(self.number.bytes)

    @cached_property
    def by_name(self) -> dict[str, Statement]:
        return {s.out: s for s in self.statements}

    @cached_property
    def users(self) -> dict[str, set[str]]:
        """For each tensor the statements that read it."""
        found: dict[str, set[str]] = {}
        for s in self.statements:
            for t in s.tensors:
                found.setdefault(t, set()).add(s.out)
        return found

    @cached_property
    def overwritten(self) -> dict[str, dict[str, str]]:
        """For each update in place: {statement that reads the old value: the tensor it reads}. The update must wait for them."""
        return {new: {s.out: old for s in self.statements if old in s.tensors and s.out != new} for new, old in self.given.update.items()}

    @cached_property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        known = dict(self.given.shapes)
        for name, st in self.storage.items():
            if name not in known:
                many = (self.given.chunks,) if st.layout is Arrangement.PARTIAL and self.given.chunks > FEW_CHUNKS else ()
                known[name] = ((SAMPLES,) if st.sample else many) + st.shape
        return known


def scene(statements: list[Statement], given: Inputs, target: Target, number: Number) -> Scene:
    """The statements that are needed, with the copies their readers want, and all tensors in their places."""
    needed, own = renewed(live(statements, given.outputs), given.update)
    given = replace(given, shapes={**given.shapes, **{name: given.shapes[new] for name, new in own.items()}})
    sampled = frozenset(t for t, shape in given.shapes.items() if SAMPLES in shape)
    roles = {s.out: role(s, sampled, target.lanes(number.bytes)) for s in needed}
    made = _Copies(given, number, sampled, dict(roles))
    out = made.all(needed)
    return Scene(tuple(out), made.roles, placed(out, made.roles, dict(given.external) | made.storage, given, number), given, target, number)


def live(statements: list[Statement], outputs: Iterable[str]) -> list[Statement]:
    """The statements that outputs depend on."""
    keep, want = [], set(outputs)
    for s in reversed(statements):
        if s.out in want:
            keep.append(s)
            want |= s.tensors
    return keep[::-1]


def role(s: Statement, sampled: frozenset[str], lanes: int) -> Role:
    if s.out in sampled:
        return Role.SAMPLE
    if SAMPLES not in s.red_extents:
        return Role.PLAIN
    if s.scatter:
        return Role.WHOLE  # one after the other, in the samples' order
    factors = list(reads(s.body))
    wide = [r for r in factors if r.index and s.letters and r.index[-1].letter == s.letters[-1]]
    # An outer product over samples: vectors along the last axis do `lanes` times less memory work than lanes.
    alone = len(s.red) == 1 and len(s.letters) >= 2 and s.extents[-1] >= lanes // 2
    if alone and wide and not s.guards and not s.equal and any(s.letters[-1] not in _names(r) for r in factors):
        return Role.WHOLE
    return Role.PARTIAL


def _names(r: Read) -> set[str]:
    return set().union(*(p.names for p in r.index)) if r.index else set()


class _Copies:
    """Gives each sampled tensor the layouts its readers want: rows for whole sums, lanes for the rest."""

    def __init__(self, given: Inputs, number: Number, sampled: frozenset[str], roles: dict[str, Role]):
        self.given, self.number, self.sampled, self.roles = given, number, set(sampled), roles
        self.shapes = dict(given.shapes)
        self.storage: dict[str, Storage] = {}
        self.out: list[Statement] = []

    def copy(self, tensor: str, layout: Arrangement) -> str:
        name = f"{tensor}@{layout}"
        if name not in self.storage:
            shape = self.shapes[tensor]
            letters = tuple(f"i{k}" for k in range(len(shape)))
            index = tuple(map(Poly.name, letters))
            self.storage[name] = Storage(name, tuple(s for s in shape if s != SAMPLES), layout, self.number, True)
            self.roles[name] = Role.SAMPLE
            self.sampled.add(name)
            origin = f"{name}[{','.join(letters)}] = {tensor}[{','.join(letters)}]  (a copy, {layout})"
            self.out.append(Statement(name, letters, shape, index, None, (), (), (), (), Read(tensor, index), origin))
        return name

    def wanted(self, s: Statement, produced: set[str]) -> Statement:
        """The statement, reading each sampled tensor in the layout it wants."""
        external, swap = self.given.external, {}
        for t in sorted(s.tensors & self.sampled):
            rows = t in external and t not in produced and external[t].layout is Arrangement.ROWS
            if self.roles[s.out] is Role.WHOLE:
                if not rows:
                    swap[t] = self.copy(t, Arrangement.ROWS)
            elif rows and not (external[t].number in (INT32, INT64) and self.compares(s, t)):
                swap[t] = self.copy(t, Arrangement.LANES)
        return replace(s, body=rename_tensors(s.body, swap))

    def compares(self, s: Statement, tensor: str) -> bool:
        """Whether s compares whole numbers of a tensor: a copy in floats would not hold them all."""
        kept: Callable[[str], bool] = lambda t: t in self.given.external and self.given.external[t].number.whole  # noqa: E731
        tests = (e for e in walk(s.body) if isinstance(e, Call) and e.fn in COMPARISONS | COUNTING and all(whole(a, kept) for a in e.args))
        return any(r.tensor == tensor for e in tests for r in reads(e))

    def all(self, statements: list[Statement]) -> list[Statement]:
        """All statements and the copies; outputs with samples, and partial sums, are finished by a statement of their own."""
        external, produced = self.given.external, {s.out for s in statements}
        inner: dict[str, str] = {}
        finish: list[Statement] = []
        for s in statements:
            s = self.wanted(replace(s, body=rename_tensors(s.body, inner)), produced)
            if self.roles[s.out] is Role.PARTIAL:
                name = f"{s.out}@partial"
                self.roles[name], self.roles[s.out] = Role.PARTIAL, Role.PLAIN
                self.out += [replace(s, out=name), added_up(s, name, self.given.chunks)]
            elif s.out in external and s.out in self.sampled and external[s.out].layout is Arrangement.ROWS:
                name = inner[s.out] = f"{s.out}@lanes"
                self.sampled.add(name)
                self.shapes[name] = self.shapes[s.out]
                self.roles[name] = Role.SAMPLE
                finish.append(finished(s, name, "a copy, as NumPy has it"))
                self.out.append(replace(s, out=name))
            else:
                self.out.append(s)
        return self.out + finish


LIES = {Role.SAMPLE: Arrangement.LANES, Role.PARTIAL: Arrangement.PARTIAL, Role.PLAIN: Arrangement.PLAIN, Role.WHOLE: Arrangement.PLAIN}


def placed(statements: list[Statement], roles: Mapping[str, Role], storage: dict[str, Storage], given: Inputs, number: Number) -> dict[str, Storage]:
    """Where all tensors lie: those that have no place yet as their statement's role asks for."""
    out = dict(storage)
    for s in statements:
        layout = LIES[roles[s.out]]
        if s.out not in out:
            places = tuple(x for x in given.shapes.get(s.out, s.shape) if x != SAMPLES)
            out[s.out] = Storage(s.out, places, layout, number, layout is Arrangement.LANES)
    return out
