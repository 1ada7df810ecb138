"""A plan as functions of the loop-nest tree: one for each group, one for the lanes of each phase, one for each phase's tasks.

A phase's tasks are chunks of the batch (each goes block by block through the groups in lanes) and slices of whole tensors.
How threads share them out is the driver's business.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from ..number import ADDRESS, BYTE, I64, Number
from . import driver, vmath
from .buffers import LINE
from .builder import Builder
from .effort import looks_every, per_block
from .group import Group, Storage
from .kernel import ME, kernel
from .lower import SAMPLES, SOME_SAMPLES
from .memory import ORDER, N
from .nest import Function, Loop, Op, Operand, Var, instructions
from .schedule import Plan
from .spec import Arrangement
from .target import Target
from .words import function_words

TASK_WORK = 20_000  # multiply-adds that are worth a task of their own
MOST_TASKS = 16

FRAME, CHUNK, TID, TASK = Var("frame", ADDRESS), Var("chunk", I64), Var("tid", I64), Var("task", I64)


@dataclass(frozen=True)
class Slot:
    """A tensor with memory of its own, in the order of a run's frame."""

    name: str
    storage: Storage


@dataclass(frozen=True)
class Unit:
    """A program as functions. tasks: how many each phase has; arena: bytes a thread needs for what lives within one phase."""

    functions: tuple[Function, ...]
    tasks: tuple[int, ...]
    slots: tuple[Slot, ...]
    arena: int
    number: Number
    lanes: int
    chunks: int
    notes: tuple[str, ...]

    @property
    def by_name(self) -> dict[str, Function]:
        return {f.name: f for f in self.functions}


def phase_name(level: int) -> str:
    return f"phase{level}"


def unit(plan: Plan, number: Number, target: Target, chunks: int, alias: Mapping[str, str]) -> Unit:
    """The whole program."""
    lanes = target.lanes(number.bytes)
    used = [t for p in plan.phases for g in (*p.lanes, *p.plain) for t in g.tensors]
    slots = tuple(Slot(t, plan.storage[t]) for t in dict.fromkeys(t for t in used if t not in plan.local))
    offsets, arena = packed(plan, lanes)
    kernels = _Kernels(plan, number, lanes, chunks, alias)
    for level, phase in enumerate(plan.phases):
        for g in (*phase.lanes, *phase.plain):
            kernels.add(level, g)
    calls = _Phases(plan, lanes, chunks, {s.name: k for k, s in enumerate(slots)}, offsets, arena, kernels.named)
    made, tasks = list(kernels.functions), []
    for level, phase in enumerate(plan.phases):
        if phase.lanes:
            made.append(calls.lanes_function(level, phase.lanes))
        count, function = calls.tasks_function(level)
        tasks.append(count)
        made.append(function)
    wanted = sorted({str(i.how): i for f in made for i in instructions(f) if i.op is Op.MATH}.items())
    vectors = [vmath.define(name, i.out.type) for name, i in wanted if i.out]
    return Unit((*made, *vectors), tuple(tasks), slots, arena, number, lanes, chunks, tuple(kernels.notes))


def packed(plan: Plan, lanes: int) -> tuple[dict[str, int], int]:
    """Offsets of the local tensors in a thread's arena, and its size: memory is used again when its tensor is dead."""
    offsets: dict[str, int] = {}
    top = 0
    for phase in plan.phases:
        life: dict[str, tuple[int, int]] = {}
        for k, g in enumerate(phase.lanes):
            for t in g.tensors:
                if t in plan.local:
                    life[t] = (min(life.get(t, (k, k))[0], k), k)
        placed: list[tuple[int, int, tuple[int, int]]] = []
        for t, (a, b) in sorted(life.items(), key=lambda kv: (kv[1][0], -plan.storage[kv[0]].places)):
            size = -(-plan.storage[t].bytes(lanes) // LINE) * LINE + LINE
            at = 0
            for start, end, (c, d) in sorted(placed):
                if not (b < c or d < a) and at < end and start < at + size:
                    at = end
            placed.append((at, at + size, (a, b)))
            offsets[t] = at
            top = max(top, at + size)
    return offsets, top


class _Kernels:
    """The functions of groups: one for all groups that differ only in which tensors they are given."""

    def __init__(self, plan: Plan, number: Number, lanes: int, chunks: int, alias: Mapping[str, str]):
        self.plan, self.number, self.lanes, self.chunks, self.alias = plan, number, lanes, chunks, alias
        self.functions: list[Function] = []
        self.named: dict[str, str] = {}  # group -> function
        self.forms: dict[object, Group] = {}  # what a function is made of -> the first group that is
        self.notes: list[str] = []

    def add(self, level: int, g: Group) -> None:
        kind = "for each block of samples, in lanes" if g.lanes else "over whole tensors" + (f", vectors along {g.vector}" if g.vector else "")
        shared = any(self.alias.get(a) in g.tensors for a in g.tensors)  # an update in place: two names for one memory
        first = self.forms.setdefault((shared, g.form(self.plan.storage)), g)
        if first is g:
            f = kernel(g, self.plan.storage, self.number, self.lanes, self.chunks, apart=not shared)
            self.functions.append(f)
            self.named[g.name] = f.name
            words = function_words(f)
        else:
            self.named[g.name] = self.named[first.name]
            words = [*(f"# {s.origin}" for s in g.statements), f"(the loops are those of {first.statements[0].out})"]
        self.notes += [f"phase {level}, {kind}:", *("  " + n for n in words), ""]


@dataclass(frozen=True)
class _Phases:
    """The functions that call the groups'."""

    plan: Plan
    lanes: int
    chunks: int
    slots: Mapping[str, int]
    offsets: Mapping[str, int]
    arena: int
    named: Mapping[str, str]

    def word(self, b: Builder, k: int) -> Var:
        """An address in the run's frame."""
        return b.load(ADDRESS, b.value(Op.AT, ADDRESS, FRAME, k, how=ADDRESS.number), 8)

    def call(self, b: Builder, g: Group, first: Operand, lo: Operand, hi: Operand, block: Var | None, arena: Var | None) -> None:
        """Set a group's scatters to 0 and run it."""
        places: dict[str, Var] = {}
        args: list[Operand] = []
        shifts = g.shifts(self.plan.storage)
        for t in g.tensors:
            st = self.plan.storage[t]
            if t in self.plan.local:
                assert arena is not None
                at = b.value(Op.AT, ADDRESS, arena, self.offsets[t], how=BYTE)
            else:
                at = self.word(b, self.slots[t])
                count = {Arrangement.LANES: block, Arrangement.PARTIAL: CHUNK}.get(st.layout) if g.lanes else None
                if count is not None:
                    at = b.value(Op.AT, ADDRESS, at, b.value(Op.MUL, I64, count, st.bytes(self.lanes)), how=BYTE)
            places[t] = at
            args.append(b.value(Op.AWAY, ADDRESS, at, shifts[t] * st.bytes_of_place(self.lanes), how=BYTE) if shifts.get(t) else at)
        for t in g.clears:
            b.act(Op.CLEAR, places[t], self.plan.storage[t].bytes(self.lanes))
        b.act(Op.CALL, ME, first, N, ORDER, lo, hi, *args, how=self.named[g.name])

    def lanes_function(self, level: int, groups: tuple[Group, ...]) -> Function:
        """All blocks of one chunk, each through every group."""
        b = Builder()
        blocks = b.value(Op.DIV, I64, b.value(Op.ADD, I64, N, self.lanes - 1), self.lanes)
        start = self.share(b, CHUNK, blocks, self.chunks)
        stop = self.share(b, b.value(Op.ADD, I64, CHUNK, 1), blocks, self.chunks)
        arena = b.value(Op.AT, ADDRESS, self.word(b, len(self.slots) + driver.ARENA), b.value(Op.MUL, I64, TID, self.arena), how=BYTE)
        for t in dict.fromkeys(t for g in groups for t in g.partial):
            size = self.plan.storage[t].bytes(self.lanes)
            at = b.value(Op.AT, ADDRESS, self.word(b, self.slots[t]), b.value(Op.MUL, I64, CHUNK, size), how=BYTE)
            b.act(Op.CLEAR, at, size)
        block = Var("block", I64)

        def one() -> None:
            first = b.value(Op.MUL, I64, block, self.lanes)
            for g in groups:
                self.call(b, g, first, 0, 0, block, arena)

        every = looks_every(sum(map(per_block, groups)))
        b.nodes.append(Loop(block, start, stop, 1, b.block(one), False, every, "block"))
        return Function(f"lanes{level}", (FRAME, ME, CHUNK, TID, N, ORDER), tuple(b.nodes))

    def share(self, b: Builder, k: Operand, whole: Operand, parts: int) -> Var:
        """Where the k-th of so many parts begins."""
        return b.value(Op.DIV, I64, b.value(Op.MUL, I64, k, whole), parts)

    def split(self, g: Group) -> tuple[int, int, int]:
        """(number of tasks, tiles of the first letter, elements in a tile) for a group over whole tensors."""
        if not g.letters or g.clears:
            return 1, 1, max(g.extents[0], 1) if g.letters else 1
        width = self.lanes if g.letters[0] == g.vector else 1
        step = min(g.tile.get(g.letters[0], 1), -(-g.extents[0] // width)) * width
        tiles = -(-g.extents[0] // step)
        work = math.prod(g.extents) * sum(math.prod(SOME_SAMPLES if e == SAMPLES else max(e, 1) for e in s.red_extents) for s in g.statements)
        return max(1, min(tiles, work // TASK_WORK, MOST_TASKS)), tiles, step

    def tasks_function(self, level: int) -> tuple[int, Function]:
        """How many tasks a phase has, and the function that runs one of them."""
        phase, b, total = self.plan.phases[level], Builder(), 0

        def one(count: int, words: str, run) -> None:  # type: ignore[no-untyped-def]  # a function of the task's number
            nonlocal total
            mine = [b.compare(">=", TASK, total)] if total else []
            mine.append(b.compare("<", TASK, total + count))
            before, total = total, total + count
            b.when(mine, (words,), lambda: run(b.value(Op.SUB, I64, TASK, before)))

        if phase.lanes:
            one(self.chunks, "a chunk", lambda k: b.act(Op.CALL, FRAME, ME, k, TID, N, ORDER, how=f"lanes{level}"))
        for g in phase.plain:
            count, tiles, step = self.split(g)

            def slice_of(k: Var, g: Group = g, count: int = count, tiles: int = tiles, step: int = step) -> None:
                ends = (self.share(b, x, tiles, count) for x in (k, b.value(Op.ADD, I64, k, 1)))
                lo, hi = (b.value(Op.MUL, I64, x, step) for x in ends)
                self.call(b, g, 0, lo, hi, None, None)

            one(count, g.name, slice_of)
        return total, Function(phase_name(level), (FRAME, ME, TASK, TID, N, ORDER), tuple(b.nodes))
