"""From statements to a plan: which are computed together, in which phase, with which tiles, and where tensors lie.

A plan is a list of phases; between phases all threads meet. The formulas that speak of one sample at a time
(lanes) run depth first: a chunk of the batch goes block by block through all of a phase's groups. A sum over samples
ends a phase: each chunk adds into its own partial sums, which are added in a fixed tree by whoever reads them.
A sum over samples alone (the weight gradient of a linear layer) is a group of its own over the whole batch,
vectorised over the weights' last axis. Formulas without samples run on vectors along an axis too.
Nothing in a plan depends on the number of threads, so neither do the bits.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from ...errors import ShapeError
from ...language.functions import COMPARISONS, COUNTING
from ...language.index import Poly
from ...language.program import MOST
from ...language.tree import Call, Index, Read, reads, rename_tensors, walk, whole
from .adapt import FEW_CHUNKS, added_up, finished, one_axis, renamed
from .group import Arrangement, Group, Storage, beside
from .lower import MOST_SAMPLES, SAMPLES, Statement
from .number import DOUBLE, INT32, INT64, Number
from .solve import apply, emptied, open_short_indices, residues
from .target import Target
from .tiles import LIGHT, choose

FEW_TERMS = 64  # added to one place, that rounding does not matter
MOST_TOGETHER = 1000  # operations written out for one point of a group: more would not fit the registers, and compile slowly


@dataclass(frozen=True)
class Phase:
    """What happens between two meetings: groups over the blocks of a chunk, then groups over whole tensors."""

    lanes: tuple[Group, ...]
    plain: tuple[Group, ...]


@dataclass(frozen=True)
class Plan:
    phases: tuple[Phase, ...]
    storage: Mapping[str, Storage]
    zeroed: Mapping[str, frozenset[str]]  # group name -> tensors to set to 0 before it (scatters)
    local: frozenset[str]  # lanes tensors that live within one phase (an arena for each thread)


@dataclass(frozen=True)
class Inputs:
    """What the planner is told of the program around the statements."""

    external: Mapping[str, Storage]  # inputs and outputs, as the caller has them
    outputs: frozenset[str]
    sample: str | None  # name of the number of samples, where vectors may run over samples
    shapes: Mapping[str, tuple[int, ...]]
    update: Mapping[str, str]  # output -> input whose memory it takes over
    chunks: int = 1  # parts of a batch


def plan(statements: list[Statement], given: Inputs, target: Target, number: Number) -> Plan:
    return _Planner(statements, given, target, number).run()


class _Planner:
    def __init__(self, statements: list[Statement], given: Inputs, target: Target, number: Number):
        self.given, self.target, self.number = given, target, number
        self.lanes = target.lanes(number.bytes)
        self.storage: dict[str, Storage] = dict(given.external)
        self.statements = statements
        self.sampled = {t for t, shape in given.shapes.items() if SAMPLES in shape}
        self.zeroed: dict[str, frozenset[str]] = {}
        self.names = 0
        self.space_of: dict[str, tuple[int, ...]] = {}
        self.apart: set[tuple[str, str]] = set()  # pairs of plain statements that could not be put in one group
        self.broken = False
        self.readers: dict[str, dict[str, str]] = {}
        self.splits: dict[str, bool] = {}
        self.counts: dict[str, int] = {}  # statement -> operations written out
        self.known = dict(given.shapes)
        self.seen = 0  # tensors in storage when `known` was made
        self.choices: dict[tuple[object, ...], Group] = {}
        self.users: dict[str, set[str]] = {}  # tensor -> the statements that read it

    def run(self) -> Plan:
        needed = self.live(self.statements)
        kinds = {s.out: self.kind(s) for s in needed}
        needed = self.copies(needed, kinds)
        self.readers = self.overwritten(needed)
        for s in needed:
            for t in s.tensors:
                self.users.setdefault(t, set()).add(s.out)
        while True:
            phase_of = self.levels(needed, kinds)
            self.place(needed, kinds)
            phases = self.phases(needed, kinds, phase_of)
            if not self.broken:
                break
        users: dict[str, set[int]] = {}
        for s in needed:
            for t in {*s.tensors, s.out}:
                users.setdefault(t, set()).add(phase_of[s.out])
        local = {
            t for t, st in self.storage.items() if st.layout is Arrangement.LANES and len(users.get(t, {0})) == 1 and t not in self.given.external
        }
        return Plan(tuple(phases), self.storage, self.zeroed, frozenset(local))

    def phases(self, needed: list[Statement], kinds: dict[str, str], phase_of: dict[str, int]) -> list[Phase]:
        phases = []
        self.broken = False
        for level in range(max(phase_of.values(), default=0) + 1):
            here = [s for s in needed if phase_of[s.out] == level]
            inner = self.fuse([s for s in here if kinds[s.out] in ("sample", "partial")], kinds, lanes=True)
            outer = self.fuse([s for s in here if kinds[s.out] in ("plain", "whole")], kinds, lanes=False)
            phases.append(Phase(tuple(inner), tuple(outer)))
        return phases

    def live(self, statements: list[Statement]) -> list[Statement]:
        keep, want = [], set(self.given.outputs)
        for s in reversed(statements):
            if s.out in want:
                keep.append(s)
                want |= s.tensors
        return keep[::-1]

    # Kinds and phases ------------------------------------------------------------------------------------------------

    def kind(self, s: Statement) -> str:
        """sample: a value for each sample; partial: a sum over samples kept per chunk; whole: a sum over samples
        alone, over the whole batch at once; plain: no samples."""
        if s.out in self.sampled:
            return "sample"
        if SAMPLES not in s.red_extents:
            return "plain"
        if s.scatter:
            return "whole"  # one after the other, in the samples' order
        factors = list(reads(s.body))
        wide = [r for r in factors if r.index and s.letters and r.index[-1].letter == s.letters[-1]]
        # An outer product over samples: vectors along the last axis do `lanes` times less memory work than lanes.
        alone = len(s.red) == 1 and len(s.letters) >= 2 and s.extents[-1] >= self.lanes // 2
        if alone and wide and not s.guards and not s.equal and any(s.letters[-1] not in _names(r) for r in factors):
            return "whole"
        return "partial"

    def copies(self, statements: list[Statement], kinds: dict[str, str]) -> list[Statement]:
        """Give each sampled tensor the layouts its readers want: rows for whole sums, lanes for the rest."""
        made: dict[tuple[str, str], str] = {}
        out: list[Statement] = []
        external = self.given.external

        def copy(tensor: str, layout: str) -> str:
            key = (tensor, layout)
            if key not in made:
                name = f"{tensor}@{layout}"
                made[key] = name
                shape = self.given.shapes[tensor]
                letters = tuple(f"i{k}" for k in range(len(shape)))
                index = tuple(map(Poly.name, letters))
                places = tuple(s for s in shape if s != SAMPLES)
                self.storage[name] = Storage(name, places, Arrangement(layout), self.number, True)
                body = Read(tensor, index)
                kinds[name] = "sample"
                origin = f"{name}[{','.join(letters)}] = {tensor}[{','.join(letters)}]  (a copy, {layout})"
                out.append(Statement(name, letters, shape, index, "map", (), (), (), (), body, origin))
                self.sampled.add(name)
            return made[key]

        produced = {s.out for s in statements}
        inner: dict[str, str] = {}  # outputs with samples, and partial sums, are finished by a statement of their own
        finish: list[Statement] = []
        for s in statements:
            s = replace(s, body=rename_tensors(s.body, inner))
            swap = {}
            for t in sorted(s.tensors & self.sampled):
                stored_rows = t in external and t not in produced and external[t].layout is Arrangement.ROWS
                if kinds[s.out] == "whole":
                    if not stored_rows:
                        swap[t] = copy(t, "rows")
                elif stored_rows and not (external[t].number in (INT32, INT64) and self.compares(s, t)):
                    swap[t] = copy(t, "lanes")
            s = replace(s, body=rename_tensors(s.body, swap))
            if kinds[s.out] == "partial":
                name = f"{s.out}@partial"
                kinds[name], kinds[s.out] = "partial", "plain"
                out += [replace(s, out=name), added_up(s, name, self.given.chunks)]
            elif s.out in external and s.out in self.sampled and external[s.out].layout is Arrangement.ROWS:
                name = inner[s.out] = f"{s.out}@lanes"
                self.sampled.add(name)
                kinds[name] = "sample"
                finish.append(finished(s, name, "a copy, as NumPy has it"))
                out.append(replace(s, out=name))
            else:
                out.append(s)
        return out + finish

    def overwritten(self, statements: list[Statement]) -> dict[str, dict[str, str]]:
        """For each update in place: {statement that reads the old value: the tensor it reads}. The update must wait for them."""
        return {new: {s.out: old for s in statements if old in s.tensors and s.out != new} for new, old in self.given.update.items()}

    def levels(self, statements: list[Statement], kinds: dict[str, str]) -> dict[str, int]:
        """The phase of each statement: sums over samples, and whole tensors, can be read one phase later.

        A value updated in place is replaced after all that read the old one, or in the same group, place by place.
        """
        level: dict[str, int] = {}
        of = {s.out: s for s in statements}
        for s in statements:
            here = 0
            for reader, old in self.readers.get(s.out, {}).items():
                beside = (
                    (reader, s.out) not in self.apart
                    and kinds[s.out] == "plain"
                    and kinds[reader] in ("plain", "whole")
                    and self.space(s) == self.space(of[reader])
                    and _pointwise(of[reader], old)
                )
                here = max(here, level[reader] + (0 if beside else 1))
            for t in s.tensors:
                if t in level:
                    same = kinds[s.out] in ("sample", "partial") and kinds[t] == "sample"
                    pointwise = (
                        (t, s.out) not in self.apart
                        and kinds[s.out] == "plain"
                        and kinds[t] in ("plain", "whole")
                        and self.space(s) == self.space_of[t]
                        and _pointwise(s, t)
                    )
                    here = max(here, level[t] + (0 if same or pointwise else 1))
            level[s.out] = here
            self.space_of[s.out] = self.space(s)
        return level

    @staticmethod
    def space(s: Statement) -> tuple[int, ...]:
        return tuple(e for e in s.extents if e != SAMPLES)

    def place(self, statements: list[Statement], kinds: dict[str, str]) -> None:
        for s in statements:
            shape = self.given.shapes.get(s.out, s.shape)
            places = tuple(x for x in shape if x != SAMPLES)
            layout = {"sample": "lanes", "partial": "partial", "plain": "plain", "whole": "plain"}[kinds[s.out]]
            if s.out in self.given.external and layout != "partial":
                continue
            if s.out not in self.storage:
                self.storage[s.out] = Storage(s.out, places, Arrangement(layout), self.number, layout == "lanes")

    # Groups ----------------------------------------------------------------------------------------------------------

    def fuse(self, here: list[Statement], kinds: dict[str, str], lanes: bool) -> list[Group]:
        """Put statements over the same index space together where each reads the others only at its own point."""
        groups: list[list[Statement]] = []
        home: dict[str, int] = {}
        spaces: dict[tuple[int, ...], list[int]] = {}  # extents -> the groups over such a space, in order
        self.counts.clear()
        for s in here:
            before = s.tensors | self.readers.get(s.out, {}).keys()
            deps = [home[t] for t in before if t in home]
            at = max(deps, default=-1)
            best = None
            alike = spaces.setdefault(s.extents, [])
            for k in reversed(alike):
                if k < at:
                    break
                if self.joins(s, groups[k], kinds):
                    best = k
                    break
            if best is None:
                groups.append([s])
                best = len(groups) - 1
                alike.append(best)
            else:
                groups[best].append(s)
            home[s.out] = best
            if not lanes:  # groups of one phase run side by side: what depends on another must wait for the next
                late = {(t, s.out) for t in before if t in home and home[t] != best}
                self.broken = self.broken or bool(late)
                self.apart |= late
        out: list[Group] = []
        for members in groups:
            out += self.split(members, kinds, lanes)
        return out

    def joins(self, s: Statement, group: list[Statement], kinds: dict[str, str]) -> bool:
        first = group[0]
        if kinds[s.out] == "partial" or kinds[first.out] == "partial":
            return False
        if kinds[s.out] in ("plain", "whole") and any(x.equal for x in (s, *group)):
            return False  # these may become scatters, which are groups of their own
        if not _simple(s) or not all(map(_simple, group)) or any(x.scatter for x in (s, *group)):
            return False
        if sum(_heavy(x) for x in group) + _heavy(s) > 1 or sum(map(self.written, group)) + self.written(s) > MOST_TOGETHER:
            return False
        if any(map(self.is_copy, (s, *group))) and any(map(self.parted, (s, *group))):
            return False  # a copy would be cut into as many pieces as the other has residue classes, lane by lane
        made = {g.out for g in group}
        for r in reads(s.body):
            if r.tensor in made and tuple(p.letter for p in r.index) != s.letters:
                return False
        reduced = {r.tensor for r in reads(s.body)} & made if s.red else set()
        return not reduced or all(tuple(p.letter for p in r.index) == s.letters for r in reads(s.body) if r.tensor in made)

    def is_copy(self, s: Statement) -> bool:
        """Whether s moves samples between NumPy's rows and lanes."""
        return isinstance(s.body, Read) and any(t in self.storage and self.storage[t].layout is Arrangement.ROWS for t in (*s.tensors, s.out))

    def compares(self, s: Statement, tensor: str) -> bool:
        """Whether s compares whole numbers of a tensor: a copy in floats would not hold them all."""
        kept = lambda t: t in self.given.external and self.given.external[t].number.whole  # noqa: E731
        tests = (e for e in walk(s.body) if isinstance(e, Call) and e.fn in COMPARISONS | COUNTING and all(whole(a, kept) for a in e.args))
        return any(r.tensor == tensor for e in tests for r in reads(e))

    def written(self, s: Statement) -> int:
        """About how many operations are written out for one point of s; a copy goes lane by lane."""
        if s.out not in self.counts:
            self.counts[s.out] = sum(1 for _ in walk(s.body)) * (1 if _heavy(s) else s.trips) + 16 * self.lanes * self.is_copy(s)
        return self.counts[s.out]

    def parted(self, s: Statement) -> bool:
        """Whether s is cut into residue classes."""
        if s.out not in self.splits:
            self.splits[s.out] = bool(open_short_indices(s, self.shapes()).splits)
        return self.splits[s.out]

    def split(self, members: list[Statement], kinds: dict[str, str], lanes: bool) -> list[Group]:
        """One group for each residue class that its equations ask for."""
        letters = members[0].letters
        aligned = [members[0]] + [renamed(s, dict(zip(s.letters, letters, strict=True))) for s in members[1:]]
        opened = [open_short_indices(s, self.shapes()) for s in aligned]
        inside = {s.out for s in aligned}
        stored = frozenset(t for t in inside if t in self.given.outputs or not self.users.get(t, set()) <= inside)
        groups = []
        every = residues(opened)
        if any(apply(o.statement, c, kinds.get(o.statement.out) != "partial").scatter for c in every for o in opened):
            every = [{}]  # a scatter clears its whole tensor first: a class that became one would wipe out the others
        for classes in every:
            statements = [emptied(apply(o.statement, classes, kinds.get(o.statement.out) != "partial")) for o in opened]
            if any(s.scatter for s in statements) and len(statements) > 1:
                groups += [g for s in members for g in self.split([s], kinds, lanes)]
                return groups
            first = statements[0]
            if 0 in first.extents:
                continue
            for s in statements:
                self.proven(s)
            self.names += 1
            name = f"g{self.names}"
            shown = tuple((x, e) for x, e in zip(first.letters, first.extents, strict=True) if not (lanes and e == SAMPLES))
            group = Group(
                name, lanes, tuple(x for x, _ in shown), tuple(e for _, e in shown), tuple(statements), stored,
                frozenset(t for t in inside if kinds.get(t) == "partial"), {}, None, ((),) * len(statements), self.given.sample,
            )  # fmt: skip
            group = self.chosen(one_axis(group, self.storage))
            if any(s.scatter for s in statements):
                group = self.scattering(group)
            groups.append(group)
        return groups

    def chosen(self, g: Group) -> Group:
        """The group with its tiles; what was chosen for one group holds for all of its form."""
        form = g.form(self.storage)
        if form in self.choices:
            c = self.choices[form]
            return replace(g, letters=c.letters, extents=c.extents, tile=c.tile, vector=c.vector, unroll=c.unroll)
        self.choices[form] = choose(g, self.storage, self.lanes, self.target.registers)
        return self.choices[form]

    def scattering(self, g: Group) -> Group:
        """A scatter begins with zeros. Where one place of single precision may get many terms, they add up in doubles."""
        (s,) = g.statements
        few = SAMPLES not in s.extents + s.red_extents and math.prod(s.extents) * s.trips <= FEW_TERMS
        st = self.storage[s.out]
        if self.number is DOUBLE or few:
            self.zeroed[g.name] = frozenset({s.out})
            return g
        self.storage[beside(s.out)] = replace(st, name=beside(s.out), number=DOUBLE)
        self.zeroed[g.name] = frozenset({beside(s.out)})
        return replace(g, wide=frozenset({s.out}))

    def proven(self, s: Statement) -> None:
        """Nothing that is computed of the letters leaves 64 bits: changes of variables make numbers that the formula did not have."""
        spans = {x: (0, max(e, MOST_SAMPLES if e == SAMPLES else 1)) for x, e in zip(s.letters + s.red, s.extents + s.red_extents, strict=True)}
        spans |= {self.given.sample: (0, MOST_SAMPLES)} if self.given.sample else {}
        spans |= {x: (0, e) for x, e in s.found.items()}
        places = {r.tensor: self.storage[r.tensor].places if r.tensor in self.storage else 1 for r in reads(s.body)}
        found = [(p, places[r.tensor]) for r in reads(s.body) for p in r.index]
        found += [(p, 1) for p in (*s.guards, *s.equal, *(e.expr for e in walk(s.body) if isinstance(e, Index)))]
        found += [(p, self.storage[s.out].places if s.out in self.storage else 1) for p in s.target]
        for p, size in found:
            if p.magnitude(spans) * 8 * size >= MOST:
                raise ShapeError(f"{p}: comes up in {s.origin} and reaches numbers beyond 64 bits; accepted: smaller sizes and settings")

    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        known = self.known
        if len(self.storage) == self.seen:
            return known
        self.seen = len(self.storage)
        for name, st in self.storage.items():
            if name not in known:
                many = (self.given.chunks,) if st.layout is Arrangement.PARTIAL and self.given.chunks > FEW_CHUNKS else ()
                known[name] = ((SAMPLES,) if st.sample else many) + st.shape
        return known


def _names(r: Read) -> set[str]:
    return set().union(*(p.names for p in r.index)) if r.index else set()


def _simple(s: Statement) -> bool:
    return all(p.letter for p in s.target)


def _heavy(s: Statement) -> bool:
    return s.trips > LIGHT or SAMPLES in s.red_extents


def _pointwise(s: Statement, tensor: str) -> bool:
    return all(tuple(p.letter for p in r.index) == s.letters for r in reads(s.body) if r.tensor == tensor)
