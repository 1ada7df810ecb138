"""A plan as one LLVM module: a function for each group, one for the lanes of each phase, and the entry point that all threads run.

A phase's tasks are chunks of the batch (each goes block by block through the groups in lanes) and slices of whole tensors.
How threads share them out is the driver's business.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from . import driver, vmath
from .buffers import LINE
from .effort import looks_every, per_block
from .emit import Kernel
from .group import Group
from .lower import SAMPLES
from .schedule import Plan
from .spec import Layout
from .target import Target

TASK_WORK = 20_000  # multiply-adds that are worth a task of their own
MOST_TASKS = 16


def element_bytes(element: str) -> int:
    return {"i8": 1, "i32": 4, "i64": 8, "float": 4, "double": 8}[element]


def build(plan: Plan, element: str, target: Target, chunks: int, alias: Mapping[str, str]) -> tuple[str, Layout]:
    """LLVM text of the whole program, and its layout."""
    return _Module(plan, element, target, chunks, alias).build()


class _Module:
    def __init__(self, plan: Plan, element: str, target: Target, chunks: int, alias: Mapping[str, str]):
        self.plan, self.element, self.target, self.chunks, self.alias = plan, element, target, chunks, alias
        self.bytes = element_bytes(element)
        self.lanes = target.lanes(self.bytes)
        self.parts: list[str] = []
        self.declared: set[str] = set()
        self.functions: set[tuple[str, int]] = set()
        self.alike: dict[str, str] = {}  # text of a function without its name -> its name
        self.forms: dict[tuple[object, ...], Group] = {}  # what a function is made of -> the first group that is
        self.functions_of: dict[str, str] = {}  # group -> function
        self.notes: list[str] = []
        used = [t for p in plan.phases for g in (*p.lanes, *p.plain) for t in g.tensors]
        self.slots = {t: k for k, t in enumerate(dict.fromkeys(t for t in used if t not in plan.local))}
        self.offsets, self.arena = self.pack()

    def pack(self) -> tuple[dict[str, int], int]:
        """Offsets of the local tensors in a thread's arena: memory is used again when its tensor is dead."""
        offsets: dict[str, int] = {}
        top = 0
        for phase in self.plan.phases:
            life: dict[str, tuple[int, int]] = {}
            for k, g in enumerate(phase.lanes):
                for t in g.tensors:
                    if t in self.plan.local:
                        life[t] = (min(life.get(t, (k, k))[0], k), k)
            placed: list[tuple[int, int, tuple[int, int]]] = []
            for t, (a, b) in sorted(life.items(), key=lambda kv: (kv[1][0], -self.plan.storage[kv[0]].places)):
                st = self.plan.storage[t]
                size = -(-st.places * self.lanes * element_bytes(st.element) // LINE) * LINE + LINE
                at = 0
                for start, end, (c, d) in sorted(placed):
                    if not (b < c or d < a) and at < end and start < at + size:
                        at = end
                placed.append((at, at + size, (a, b)))
                offsets[t] = at
                top = max(top, at + size)
        return offsets, top

    def build(self) -> tuple[str, Layout]:
        for level, phase in enumerate(self.plan.phases):
            for g in (*phase.lanes, *phase.plain):
                self.kernel(level, g)
        counts, bodies = [], []
        for level, phase in enumerate(self.plan.phases):
            self.parts.append(self.lanes_phase(level, phase.lanes))
            count, body = self.phase(level)
            counts.append(count)
            bodies.append(body)
        self.parts.append(driver.text(len(self.slots), counts, bodies, self.element, driver.CLOCK))
        for fn, lanes in sorted(self.functions):
            text, needs = vmath.define(fn, self.element, lanes)
            self.parts.append(text)
            self.declared |= needs
        self.declared |= {
            "declare i64 @llvm.smax.i64(i64, i64)",
            "declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)",
            *driver.declarations(driver.CLOCK),
        }
        slots = tuple((t, st.layout, st.places, st.element) for t, st in ((t, self.plan.storage[t]) for t in self.slots))
        layout = Layout(slots, self.arena, max(counts, default=1), self.chunks, self.lanes, tuple(self.notes))
        return "\n".join([*sorted(self.declared), *self.parts]) + "\n", layout

    def kernel(self, level: int, g: Group) -> None:
        """The function of a group, or one that does the same."""
        kind = "for each block of samples, in lanes" if g.lanes else "over whole tensors" + (f", vectors along {g.vector}" if g.vector else "")
        shared = any(self.alias.get(a) in g.tensors for a in g.tensors)
        form = (shared, g.form(self.plan.storage))
        if form in self.forms:
            first = self.forms[form]
            self.functions_of[g.name] = self.functions_of[first.name]
            of = [f"# {s.origin}" for s in g.statements]
            self.notes += [f"phase {level}, {kind}:", *("  " + n for n in of), f"  (the loops are those of {first.statements[0].out})", ""]
            return
        self.forms[form] = g
        kernel = Kernel(g, self.plan.storage, self.element, self.lanes, self.chunks)
        text = kernel.text()
        if shared:
            text = text.replace("ptr noalias", "ptr", 99)  # an update in place: two names for one memory
        self.functions_of[g.name] = self.once(g.name, text)
        self.declared |= kernel.declared
        self.functions |= kernel.functions
        self.notes += [f"phase {level}, {kind}:", *("  " + n for n in kernel.notes), ""]

    def once(self, name: str, text: str) -> str:
        """The function that computes a group: one for all groups that differ only in which tensors they are given."""
        key = text.replace(f"@{name}(", "@(", 1)
        if key not in self.alike:
            self.alike[key] = name
            self.parts.append(text)
        return self.alike[key]

    # Phases ------------------------------------------------------------------------------------------------------

    def slot(self, name: str, k: int) -> list[str]:
        """Code for the address in the frame's k-th word, as %name.b."""
        return [
            f"  %{name}.s = getelementptr inbounds ptr, ptr %frame, i64 {k}",
            f"  %{name}.b = load ptr, ptr %{name}.s, align 8",
        ]

    def call(self, g: Group, lines: list[str], tag: str, first: str, lo: str, hi: str) -> None:
        """Code that sets a group's scatters to 0 and runs it; needs %frame, %arena, %block, %chunk where they apply."""
        args = []
        shifts = g.shifts(self.plan.storage)
        for k, t in enumerate(g.tensors):
            st = self.plan.storage[t]
            name = f"{tag}.{k}"
            if t in self.plan.local:
                lines.append(f"  %{name} = getelementptr inbounds i8, ptr %arena, i64 {self.offsets[t]}")
            else:
                lines += self.slot(name, self.slots[t])
                step = {"lanes": "%block", "partial": "%chunk"}.get(st.layout if g.lanes else "plain")
                size = st.places * element_bytes(st.element) * (self.lanes if st.layout == "lanes" else 1)
                if step:
                    lines.append(f"  %{name}.o = mul nsw i64 {step}, {size}")
                    lines.append(f"  %{name} = getelementptr inbounds i8, ptr %{name}.b, i64 %{name}.o")
                else:
                    lines.append(f"  %{name} = getelementptr inbounds i8, ptr %{name}.b, i64 0")
            if shifts.get(t):
                unit = element_bytes(st.element) * (self.lanes if st.layout == "lanes" else 1)
                lines.append(f"  %{name}.h = getelementptr i8, ptr %{name}, i64 {shifts[t] * unit}")
            args.append(f", ptr %{name}{'.h' if shifts.get(t) else ''}")
        for t in self.plan.zeroed.get(g.name, ()):
            st = self.plan.storage[t]
            size = st.places * element_bytes(st.element) * (self.lanes if st.layout == "lanes" else 1)
            lines.append(f"  call void @llvm.memset.p0.i64(ptr %{tag}.{g.tensors.index(t)}, i8 0, i64 {size}, i1 false)")
        lines.append(f"  call void @{self.functions_of[g.name]}(ptr %me, i64 {first}, i64 %n, ptr %order, i64 {lo}, i64 {hi}{''.join(args)})")

    def lanes_phase(self, level: int, groups: tuple[Group, ...]) -> str:
        """All blocks of one chunk, each through every group."""
        lines = [f"define internal void @lanes{level}(ptr %frame, ptr %me, i64 %chunk, i64 %tid, i64 %n, ptr %order) nounwind {{", "entry:"]
        lines.append(f"  %blocks.up = add nsw i64 %n, {self.lanes - 1}")
        lines.append(f"  %blocks = sdiv i64 %blocks.up, {self.lanes}")
        for name, k in (("from", 0), ("to", 1)):
            lines.append(f"  %{name}.c = add nsw i64 %chunk, {k}")
            lines.append(f"  %{name}.p = mul nsw i64 %{name}.c, %blocks")
            lines.append(f"  %{name} = sdiv i64 %{name}.p, {self.chunks}")
        lines += self.slot("arena", len(self.slots) + driver.ARENA)
        lines.append(f"  %arena.o = mul nsw i64 %tid, {self.arena}")
        lines.append("  %arena = getelementptr inbounds i8, ptr %arena.b, i64 %arena.o")
        for k, t in enumerate(dict.fromkeys(t for g in groups for t in g.partial)):
            size = self.plan.storage[t].places * self.bytes
            lines += self.slot(f"z{k}", self.slots[t])
            lines.append(f"  %z{k}.o = mul nsw i64 %chunk, {size}")
            lines.append(f"  %z{k} = getelementptr inbounds i8, ptr %z{k}.b, i64 %z{k}.o")
            lines.append(f"  call void @llvm.memset.p0.i64(ptr %z{k}, i8 0, i64 {size}, i1 false)")
        every = looks_every(sum(map(per_block, groups)))
        lines += [
            "  %any = icmp slt i64 %from, %to",
            "  br i1 %any, label %blocks.loop, label %done",
            "blocks.loop:",
            "  %block = phi i64 [ %from, %entry ], [ %next, %more.blocks ]",
            f"  %first = mul nsw i64 %block, {self.lanes}",
        ]
        for g in groups:
            self.call(g, lines, g.name, "%first", "0", "0")
        lines += [
            "  %next = add nsw i64 %block, 1",
            f"  %since = and i64 %next, {every - 1}",
            "  %looks = icmp eq i64 %since, 0",
            "  br i1 %looks, label %look, label %more.blocks",
            "look:",
            "  %quit = call i1 @look(ptr %me)",
            "  br i1 %quit, label %done, label %more.blocks",
            "more.blocks:",
            "  %more = icmp slt i64 %next, %to",
            "  br i1 %more, label %blocks.loop, label %done",
            "done:",
            "  ret void",
            "}",
        ]
        return "\n".join(lines)

    def tasks(self, g: Group) -> tuple[int, int, int]:
        """(number of tasks, tiles of the first letter, elements in a tile) for a group over whole tensors."""
        if not g.letters or self.plan.zeroed.get(g.name):
            return 1, 1, max(g.extents[0], 1) if g.letters else 1
        unit = self.lanes if g.letters[0] == g.vector else 1
        step = min(g.tile.get(g.letters[0], 1), -(-g.extents[0] // unit)) * unit
        tiles = -(-g.extents[0] // step)
        work = math.prod(g.extents) * sum(math.prod(64 if e == SAMPLES else max(e, 1) for e in s.red_extents) for s in g.statements)
        return max(1, min(tiles, work // TASK_WORK, MOST_TASKS)), tiles, step

    def phase(self, level: int) -> tuple[int, str]:
        """How many tasks a phase has, and code that runs its task %p.t."""
        phase = self.plan.phases[level]
        tag = f"p{level}"
        total = self.chunks if phase.lanes else 0
        lines = [f"{tag}.task:"]
        if phase.lanes:
            lines += [
                f"  %{tag}.is.chunk = icmp slt i64 %{tag}.t, {total}",
                f"  br i1 %{tag}.is.chunk, label %{tag}.lanes, label %{tag}.x0",
                f"{tag}.lanes:",
                f"  call void @lanes{level}(ptr %frame, ptr %me, i64 %{tag}.t, i64 %tid, i64 %n, ptr %order)",
                "  br label %done",
            ]
        else:
            lines.append(f"  br label %{tag}.x0")
        for k, g in enumerate(phase.plain):
            count, tiles, step = self.tasks(g)
            here = f"{tag}.x{k}"
            lines += [
                f"{here}:",
                f"  %{here}.is = icmp slt i64 %{tag}.t, {total + count}",
                f"  br i1 %{here}.is, label %{here}.run, label %{tag}.x{k + 1}",
                f"{here}.run:",
                f"  %{here}.k = sub nsw i64 %{tag}.t, {total}",
            ]
            for name, more in (("lo", 0), ("hi", 1)):
                lines.append(f"  %{here}.{name}1 = add nsw i64 %{here}.k, {more}")
                lines.append(f"  %{here}.{name}2 = mul nsw i64 %{here}.{name}1, {tiles}")
                lines.append(f"  %{here}.{name}3 = sdiv i64 %{here}.{name}2, {count}")
                lines.append(f"  %{here}.{name} = mul nsw i64 %{here}.{name}3, {step}")
            self.call(g, lines, here, "0", f"%{here}.lo", f"%{here}.hi")
            lines.append("  br label %done")
            total += count
        lines += [f"{tag}.x{len(phase.plain)}:", "  br label %done"]
        return total, "\n".join(lines)
