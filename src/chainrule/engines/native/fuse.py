"""Statements to groups: which are computed together, and the residue classes into which a group is cut."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from ...errors import ShapeError
from ...language.lazy import cached_property
from ...language.program import MOST
from ...language.tree import Index, Read, reads, walk
from .adapt import one_axis, renamed
from .group import Group, beside
from .lower import MOST_SAMPLES, SAMPLES, Statement
from .roles import IN_LANES, Role, Scene
from .solve import apply, emptied, open_short_indices, residues
from .spec import Arrangement
from .tiles import LIGHT, tiled

FEW_TERMS = 64  # added to one place, that rounding does not matter
MOST_TOGETHER = 1000  # operations written out for one point of a group: more would not fit the registers, and compile slowly

Choices = dict[object, Group]  # what was chosen for one group holds for all of its form


@dataclass(frozen=True)
class Fused:
    """Groups; and the pairs of statements that would have to be in one group, and could not."""

    groups: tuple[Group, ...]
    late: frozenset[tuple[str, str]]


@dataclass(frozen=True)
class _Fact:
    """What decides whether a statement joins a group."""

    s: Statement
    scene: Scene

    @cached_property
    def is_copy(self) -> bool:
        """Whether it moves samples between NumPy's rows and lanes."""
        storage = self.scene.storage
        rows = (t in storage and storage[t].layout is Arrangement.ROWS for t in (*self.s.tensors, self.s.out))
        return isinstance(self.s.body, Read) and any(rows)

    @cached_property
    def parted(self) -> bool:
        """Whether it is cut into residue classes."""
        return bool(open_short_indices(self.s, self.scene.shapes).splits)

    @cached_property
    def heavy(self) -> bool:
        return self.s.trips > LIGHT or SAMPLES in self.s.red_extents

    @cached_property
    def simple(self) -> bool:
        return all(p.letter for p in self.s.target) and not self.s.scatter

    @cached_property
    def written(self) -> int:
        """About how many operations are written out for one point; a copy goes lane by lane."""
        return sum(1 for _ in walk(self.s.body)) * (1 if self.heavy else self.s.trips) + 16 * self.scene.lanes * self.is_copy

    @property
    def role(self) -> Role:
        return self.scene.roles[self.s.out]


def fuse(scene: Scene, here: Iterable[Statement], lanes: bool, choices: Choices) -> Fused:
    """Put statements over the same index space together where each reads the others only at its own point."""
    groups: list[list[_Fact]] = []
    home: dict[str, int] = {}
    spaces: dict[tuple[int, ...], list[int]] = {}  # extents -> the groups over such a space, in order
    late: set[tuple[str, str]] = set()
    for s in here:
        fact = _Fact(s, scene)
        before = s.tensors | scene.overwritten.get(s.out, {}).keys()
        at = max((home[t] for t in before if t in home), default=-1)
        alike = spaces.setdefault(s.extents, [])
        best = next((k for k in reversed(alike) if k >= at and joins(fact, groups[k])), None)
        if best is None:
            groups.append([fact])
            best = len(groups) - 1
            alike.append(best)
        else:
            groups[best].append(fact)
        home[s.out] = best
        if not lanes:  # groups of one phase run side by side: what depends on another must wait for the next
            late |= {(t, s.out) for t in before if t in home and home[t] != best}
    made = [g for members in groups for g in split(scene, [f.s for f in members], lanes, choices)]
    return Fused(tuple(made), frozenset(late))


def joins(fact: _Fact, group: list[_Fact]) -> bool:
    """Whether a statement may be computed with those of a group, point by point."""
    s, everybody = fact.s, (fact, *group)
    if Role.PARTIAL in (fact.role, group[0].role):
        return False
    if fact.role not in IN_LANES and any(f.s.equal for f in everybody):
        return False  # these may become scatters, which are groups of their own
    if not all(f.simple for f in everybody) or sum(f.heavy for f in everybody) > 1 or sum(f.written for f in everybody) > MOST_TOGETHER:
        return False
    if any(f.is_copy for f in everybody) and any(f.parted for f in everybody):
        return False  # a copy would be cut into as many pieces as the other has residue classes, lane by lane
    made = {f.s.out for f in group}
    return all(tuple(p.letter for p in r.index) == s.letters for r in reads(s.body) if r.tensor in made)


# Residue classes -------------------------------------------------------------------------------------------------------


def split(scene: Scene, members: list[Statement], lanes: bool, choices: Choices) -> list[Group]:
    """One group for each residue class that the members' equations ask for."""
    letters = members[0].letters
    aligned = [members[0]] + [renamed(s, dict(zip(s.letters, letters, strict=True))) for s in members[1:]]
    opened = [(open_short_indices(s, scene.shapes), scene.roles[s.out] is not Role.PARTIAL) for s in aligned]
    every = residues([o for o, _ in opened])
    if any(apply(o.statement, c, scatter).scatter for c in every for o, scatter in opened):
        every = [{}]  # a scatter clears its whole tensor first: a class that became one would wipe out the others
    groups = []
    for classes in every:
        statements = [emptied(apply(o.statement, classes, scatter)) for o, scatter in opened]
        if any(s.scatter for s in statements) and len(statements) > 1:
            return [g for s in members for g in split(scene, [s], lanes, choices)]
        if 0 not in statements[0].extents:
            for s in statements:
                proven(scene, s)
            groups.append(grouped(scene, statements, lanes, choices))
    return groups


def grouped(scene: Scene, statements: list[Statement], lanes: bool, choices: Choices) -> Group:
    """The group of some statements, with its tiles."""
    first, inside = statements[0], {s.out for s in statements}
    shown = [(x, e) for x, e in zip(first.letters, first.extents, strict=True) if not (lanes and e == SAMPLES)]
    g = Group(
        name="",
        lanes=lanes,
        letters=tuple(x for x, _ in shown),
        extents=tuple(e for _, e in shown),
        statements=tuple(statements),
        stored=frozenset(t for t in inside if t in scene.given.outputs or not scene.users.get(t, set()) <= inside),
        partial=frozenset(t for t in inside if scene.roles[t] is Role.PARTIAL),
        tile={},
        vector=None,
        unroll=((),) * len(statements),
        sample=scene.given.sample,
    )
    g = one_axis(g, scene.storage)
    form = g.form(scene.storage)
    if form not in choices:
        choices[form] = tiled(g, scene.storage, scene.lanes, scene.target.registers)
    c = choices[form]
    g = replace(g, letters=c.letters, extents=c.extents, tile=c.tile, vector=c.vector, unroll=c.unroll)
    return scattering(scene, g) if any(s.scatter for s in statements) else g


def scattering(scene: Scene, g: Group) -> Group:
    """A scatter begins with zeros. Where one place of single precision may get many terms, they add up in doubles."""
    (s,) = g.statements
    few = SAMPLES not in s.extents + s.red_extents and math.prod(s.extents) * s.trips <= FEW_TERMS
    if scene.number.wide is scene.number or few:
        return replace(g, clears=frozenset({s.out}))
    return replace(g, wide=frozenset({s.out}), clears=frozenset({beside(s.out)}))


def proven(scene: Scene, s: Statement) -> None:
    """Nothing that is computed of the letters leaves 64 bits: changes of variables make numbers that the formula did not have."""
    spans = {x: (0, max(e, MOST_SAMPLES if e == SAMPLES else 1)) for x, e in zip(s.letters + s.red, s.extents + s.red_extents, strict=True)}
    spans |= {scene.given.sample: (0, MOST_SAMPLES)} if scene.given.sample else {}
    spans |= {x: (0, e) for x, e in s.found.items()}

    def places(tensor: str) -> int:
        return scene.storage[tensor].places if tensor in scene.storage else 1

    found = [(p, places(r.tensor)) for r in reads(s.body) for p in r.index]
    found += [(p, 1) for p in (*s.guards, *s.equal, *(e.expr for e in walk(s.body) if isinstance(e, Index)))]
    found += [(p, places(s.out)) for p in s.target]
    for p, size in found:
        if p.magnitude(spans) * 8 * size >= MOST:
            raise ShapeError(f"{p}: comes up in {s.origin} and reaches numbers beyond 64 bits; accepted: smaller sizes and settings")
