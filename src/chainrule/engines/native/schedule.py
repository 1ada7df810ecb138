"""From statements to a plan: which are computed together, in which phase, with which tiles, and where tensors lie.

A plan is a list of phases; between phases all threads meet. The formulas that speak of one sample at a time
(lanes) run depth first: a chunk of the batch goes block by block through all of a phase's groups. A sum over samples
ends a phase: each chunk adds into its own partial sums, which are added in a fixed tree by whoever reads them.
A sum over samples alone (the weight gradient of a linear layer) is a group of its own over the whole batch,
vectorised over the weights' last axis. Formulas without samples run on vectors along an axis too.
Nothing in a plan depends on the number of threads, so neither do the bits.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace

from ...errors import ChainruleError
from ...language.tree import reads
from ..number import Number
from .fuse import Choices, fuse
from .group import Group, Storage, beside
from .lower import SAMPLES, Statement
from .roles import IN_LANES, Inputs, Role, Scene, scene
from .spec import Arrangement
from .target import Target

__all__ = ["Inputs", "Phase", "Plan", "plan"]


@dataclass(frozen=True)
class Phase:
    """What happens between two meetings: groups over the blocks of a chunk, then groups over whole tensors."""

    lanes: tuple[Group, ...]
    plain: tuple[Group, ...]


@dataclass(frozen=True)
class Plan:
    phases: tuple[Phase, ...]
    storage: Mapping[str, Storage]
    local: frozenset[str]  # lanes tensors that live within one phase (an arena for each thread)


def plan(statements: list[Statement], given: Inputs, target: Target, number: Number) -> Plan:
    s = scene(statements, given, target, number)
    levels, phases = settled(s)
    names = itertools.count(1)
    named = tuple(Phase(*(tuple(replace(g, name=f"g{next(names)}") for g in groups) for groups in (phase.lanes, phase.plain))) for phase in phases)
    storage = dict(s.storage)
    for g in (g for phase in named for g in (*phase.lanes, *phase.plain)):
        storage |= {beside(t): replace(storage[t], name=beside(t), number=storage[t].number.wide) for t in g.wide}
    return Plan(named, storage, local(s, storage, levels))


def settled(scene: Scene) -> tuple[dict[str, int], list[Phase]]:
    """The phase of each statement, and the groups of each phase.

    Where a statement reads another of its phase, the two are counted on to be in one group; whether they are is known only
    when all are grouped. If not, the pair is put apart and all is done again.
    """
    apart: frozenset[tuple[str, str]] = frozenset()
    choices: Choices = {}
    pairs = sum(len(s.tensors) + len(scene.overwritten.get(s.out, {})) for s in scene.statements)
    for _ in range(pairs + 1):  # a pair that is apart is never late again, so that each round but the last puts a new one apart
        levels = phases_of(scene, apart)
        phases, late = [], frozenset[tuple[str, str]]()
        for level in range(max(levels.values(), default=0) + 1):
            here = [s for s in scene.statements if levels[s.out] == level]
            inner = fuse(scene, [s for s in here if scene.roles[s.out] in IN_LANES], True, choices)
            outer = fuse(scene, [s for s in here if scene.roles[s.out] not in IN_LANES], False, choices)
            phases.append(Phase(inner.groups, outer.groups))
            late |= outer.late
        if not late:
            return levels, phases
        apart |= late
    raise ChainruleError("the planner did not come to an end; please report this with the formula")


def phases_of(scene: Scene, apart: frozenset[tuple[str, str]]) -> dict[str, int]:
    """The phase of each statement: sums over samples, and whole tensors, can be read one phase later.

    A value updated in place is replaced after all that read the old one, or in the same group, place by place.
    """
    level: dict[str, int] = {}
    of, roles = scene.by_name, scene.roles

    def together(first: str, second: str, reader: Statement, tensor: str) -> bool:
        """Whether second may be in first's phase, in its group: over the same space, the tensor read point by point."""
        plain = roles[second] is Role.PLAIN and roles[first] in (Role.PLAIN, Role.WHOLE)
        return plain and (first, second) not in apart and space(of[first]) == space(of[second]) and pointwise(reader, tensor)

    for s in scene.statements:
        here = 0
        for reader, old in scene.overwritten.get(s.out, {}).items():
            here = max(here, level[reader] + (not together(reader, s.out, of[reader], old)))
        for t in s.tensors:
            if t in level:
                same = roles[s.out] in IN_LANES and roles[t] is Role.SAMPLE
                here = max(here, level[t] + (not (same or together(t, s.out, s, t))))
        level[s.out] = here
    return level


def space(s: Statement) -> tuple[int, ...]:
    return tuple(e for e in s.extents if e != SAMPLES)


def pointwise(s: Statement, tensor: str) -> bool:
    return all(tuple(p.letter for p in r.index) == s.letters for r in reads(s.body) if r.tensor == tensor)


def local(scene: Scene, storage: Mapping[str, Storage], levels: Mapping[str, int]) -> frozenset[str]:
    """The tensors in lanes that nobody needs beyond one phase."""
    users: dict[str, set[int]] = {}
    for s in scene.statements:
        for t in {*s.tensors, s.out}:
            users.setdefault(t, set()).add(levels[s.out])
    inner = (t for t, st in storage.items() if st.layout is Arrangement.LANES and t not in scene.given.external)
    return frozenset(t for t in inner if len(users.get(t, {0})) == 1)
