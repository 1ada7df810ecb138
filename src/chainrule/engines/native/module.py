"""A plan as one LLVM module: a function for each group, one for each phase, and the driver that all threads run.

The driver walks steps and phases. Within a phase the threads draw tasks (a chunk of the batch, or a slice of a
tensor) from a counter; between phases they meet at a barrier that spins briefly and then yields.
"""

from __future__ import annotations

import math
import platform
from collections.abc import Mapping
from dataclasses import dataclass

from . import vmath
from .emit import Kernel
from .group import Group
from .lower import SAMPLES
from .schedule import Plan
from .target import Target

TASK_WORK = 20_000  # multiply-adds that are worth a task of their own
MOST_TASKS = 16
LINE = 64  # bytes in a cache line


@dataclass(frozen=True)
class Layout:
    """What the runner must know of compiled code: its buffers, and the loop nests in words.

    slots: name -> (layout, places, element) of every tensor with memory of its own, in table order.
    """

    slots: tuple[tuple[str, str, int, str], ...]
    arena: int
    phases: int
    chunks: int
    lanes: int
    notes: tuple[str, ...]


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
        self.tensors: dict[str, list[str]] = {}
        self.alike: dict[str, str] = {}  # text of a function without its name -> its name
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
                size = -(-self.plan.storage[t].places * self.lanes * self.bytes // LINE) * LINE + LINE
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
                kernel = Kernel(g, self.plan.storage, self.element, self.lanes, self.chunks)
                text = kernel.text()
                if any(self.alias.get(a) in g.tensors for a in g.tensors):
                    text = text.replace("ptr noalias", "ptr", 99)  # an update in place: two names for one memory
                self.functions_of[g.name] = self.once(g.name, text)
                self.declared |= kernel.declared
                self.functions |= kernel.functions
                self.tensors[g.name] = g.tensors
                kind = (
                    "for each block of samples, in lanes" if g.lanes else "over whole tensors" + (f", vectors along {g.vector}" if g.vector else "")
                )
                self.notes += [f"phase {level}, {kind}:", *("  " + n for n in kernel.notes), ""]
        for level, phase in enumerate(self.plan.phases):
            self.parts.append(self.lanes_phase(level, phase.lanes))
        self.parts.append(self.driver())
        for fn, lanes in sorted(self.functions):
            text, needs = vmath.define(fn, self.element, lanes)
            self.parts.append(text)
            self.declared |= needs
        self.declared |= {
            "declare i64 @llvm.smin.i64(i64, i64)",
            "declare i64 @llvm.smax.i64(i64, i64)",
            "declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)",
            "declare i32 @sched_yield()",
        }
        if platform.machine().lower() in ("x86_64", "amd64"):
            self.declared.add("declare void @llvm.x86.sse2.pause()")
        slots = tuple((t, st.layout, st.places, st.element) for t, st in ((t, self.plan.storage[t]) for t in self.slots))
        layout = Layout(slots, self.arena, len(self.plan.phases), self.chunks, self.lanes, tuple(self.notes))
        return "\n".join([*sorted(self.declared), *self.parts]) + "\n", layout

    def once(self, name: str, text: str) -> str:
        """The function that computes a group: one for all groups that differ only in which tensors they are given."""
        key = text.replace(f"@{name}(", "@(", 1)
        if key not in self.alike:
            self.alike[key] = name
            self.parts.append(text)
        return self.alike[key]

    # Phases ------------------------------------------------------------------------------------------------------

    def pointers(self, g: Group, lines: list[str], tag: str) -> str:
        """Code for the addresses of a group's tensors; needs %table, %arena, %block, %chunk where they apply."""
        args = []
        for k, t in enumerate(g.tensors):
            st = self.plan.storage[t]
            name = f"%{tag}.{k}"
            if t in self.plan.local:
                lines.append(f"  {name} = getelementptr inbounds i8, ptr %arena, i64 {self.offsets[t]}")
            else:
                lines.append(f"  {name}.s = getelementptr inbounds ptr, ptr %table, i64 {self.slots[t]}")
                lines.append(f"  {name}.b = load ptr, ptr {name}.s, align 8")
                step = {"lanes": "%block", "partial": "%chunk"}.get(st.layout if g.lanes else "plain")
                size = st.places * self.bytes * (self.lanes if st.layout == "lanes" else 1)
                if step:
                    lines.append(f"  {name}.o = mul nsw i64 {step}, {size}")
                    lines.append(f"  {name} = getelementptr inbounds i8, ptr {name}.b, i64 {name}.o")
                else:
                    lines.append(f"  {name} = getelementptr inbounds i8, ptr {name}.b, i64 0")
            args.append(f"ptr {name}")
        return ", ".join(args)

    def zero(self, g: Group, lines: list[str], tag: str) -> None:
        for t in self.plan.zeroed.get(g.name, ()):
            st = self.plan.storage[t]
            size = st.places * element_bytes(st.element) * (self.lanes if st.layout == "lanes" else 1)
            lines.append(f"  call void @llvm.memset.p0.i64(ptr %{tag}.{g.tensors.index(t)}, i8 0, i64 {size}, i1 false)")

    def lanes_phase(self, level: int, groups: tuple[Group, ...]) -> str:
        """All blocks of one chunk, each through every group."""
        lines = [f"define internal void @lanes{level}(ptr %table, i64 %chunk, i64 %tid, i64 %n, ptr %order) nounwind {{", "entry:"]
        lines.append(f"  %blocks.up = add nsw i64 %n, {self.lanes - 1}")
        lines.append(f"  %blocks = sdiv i64 %blocks.up, {self.lanes}")
        for name, k in (("from", 0), ("to", 1)):
            lines.append(f"  %{name}.c = add nsw i64 %chunk, {k}")
            lines.append(f"  %{name}.p = mul nsw i64 %{name}.c, %blocks")
            lines.append(f"  %{name} = sdiv i64 %{name}.p, {self.chunks}")
        lines.append(f"  %arena.s = getelementptr inbounds ptr, ptr %table, i64 {len(self.slots)}")
        lines.append("  %arena.b = load ptr, ptr %arena.s, align 8")
        lines.append(f"  %arena.o = mul nsw i64 %tid, {self.arena}")
        lines.append("  %arena = getelementptr inbounds i8, ptr %arena.b, i64 %arena.o")
        partial = dict.fromkeys(t for g in groups for t in g.partial)
        for k, t in enumerate(partial):
            size = self.plan.storage[t].places * self.bytes
            lines.append(f"  %z{k}.s = getelementptr inbounds ptr, ptr %table, i64 {self.slots[t]}")
            lines.append(f"  %z{k}.b = load ptr, ptr %z{k}.s, align 8")
            lines.append(f"  %z{k}.o = mul nsw i64 %chunk, {size}")
            lines.append(f"  %z{k} = getelementptr inbounds i8, ptr %z{k}.b, i64 %z{k}.o")
            lines.append(f"  call void @llvm.memset.p0.i64(ptr %z{k}, i8 0, i64 {size}, i1 false)")
        lines += ["  %any = icmp slt i64 %from, %to", "  br i1 %any, label %blocks.loop, label %done", "blocks.loop:"]
        lines += ["  %block = phi i64 [ %from, %entry ], [ %next, %blocks.loop ]", f"  %first = mul nsw i64 %block, {self.lanes}"]
        for g in groups:
            args = self.pointers(g, lines, g.name)
            self.zero(g, lines, g.name)
            lines.append(f"  call void @{self.functions_of[g.name]}(i64 %first, i64 %n, ptr %order, i64 0, i64 0{', ' if args else ''}{args})")
        lines += [
            "  %next = add nsw i64 %block, 1",
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

    def phase_code(self, level: int, lines: list[str]) -> int:
        """Code that runs task %task of a phase; returns how many tasks there are."""
        phase = self.plan.phases[level]
        total = self.chunks if phase.lanes else 0
        tag = f"p{level}"
        spans = []
        if phase.lanes:
            lines += [f"{tag}.task:", f"  %{tag}.is = icmp slt i64 %{tag}.t, {total}", f"  br i1 %{tag}.is, label %{tag}.lanes, label %{tag}.x0"]
            lines += [
                f"{tag}.lanes:",
                f"  call void @lanes{level}(ptr %table, i64 %{tag}.t, i64 %tid, i64 %n, ptr %order)",
                f"  br label %{tag}.next",
            ]
        else:
            lines += [f"{tag}.task:", f"  br label %{tag}.x0"]
        for g in phase.plain:
            count, tiles, step = self.tasks(g)
            spans.append((g, total, count, tiles, step))
            total += count
        for k, (g, base, count, tiles, step) in enumerate(spans):
            here = f"{tag}.x{k}"
            lines += [
                f"{here}:",
                f"  %{here}.is = icmp slt i64 %{tag}.t, {base + count}",
                f"  br i1 %{here}.is, label %{here}.run, label %{tag}.x{k + 1}",
                f"{here}.run:",
            ]
            lines.append(f"  %{here}.k = sub nsw i64 %{tag}.t, {base}")
            for name, more in (("lo", 0), ("hi", 1)):
                lines.append(f"  %{here}.{name}1 = add nsw i64 %{here}.k, {more}")
                lines.append(f"  %{here}.{name}2 = mul nsw i64 %{here}.{name}1, {tiles}")
                lines.append(f"  %{here}.{name}3 = sdiv i64 %{here}.{name}2, {count}")
                lines.append(f"  %{here}.{name} = mul nsw i64 %{here}.{name}3, {step}")
            args = self.pointers(g, lines, here)
            self.zero(g, lines, here)
            lines.append(
                f"  call void @{self.functions_of[g.name]}(i64 0, i64 %n, ptr %order, i64 %{here}.lo, i64 %{here}.hi{', ' if args else ''}{args})"
            )
            lines.append(f"  br label %{tag}.next")
        lines += [f"{tag}.x{len(spans)}:", f"  br label %{tag}.next"]
        return total

    def driver(self) -> str:
        pause = "  call void @llvm.x86.sse2.pause()" if platform.machine().lower() in ("x86_64", "amd64") else ""
        phases = len(self.plan.phases)
        lines = [
            "define void @run(ptr %table, ptr %ctl, i64 %tid, i64 %threads, i64 %steps, i64 %batch, i64 %total, ptr %rows, ptr %trace, ptr %watched) nounwind {",
            "entry:", "  %started = icmp sgt i64 %steps, 0", "  br i1 %started, label %step, label %end",
            "step:", "  %s = phi i64 [ 0, %entry ], [ %s.next, %step.end ]",
            "  %row0 = mul nsw i64 %s, %batch", "  %left = sub nsw i64 %total, %row0", "  %n = call i64 @llvm.smin.i64(i64 %batch, i64 %left)",
            "  %order = getelementptr inbounds i64, ptr %rows, i64 %row0", "  br label %p0",
        ]  # fmt: skip
        for level in range(phases):
            tag = f"p{level}"
            body: list[str] = []
            total = self.phase_code(level, body)
            lines += [f"{tag}:", f"  %{tag}.c = getelementptr inbounds i8, ptr %ctl, i64 {LINE * (level + 2)}"]
            lines += [f"  %{tag}.w = add nsw i64 %threads, {total}", f"  %{tag}.base = mul nsw i64 %s, %{tag}.w", f"  br label %{tag}.next"]
            lines += [f"{tag}.next:", f"  %{tag}.k = atomicrmw add ptr %{tag}.c, i64 1 monotonic", f"  %{tag}.t = sub nsw i64 %{tag}.k, %{tag}.base"]
            lines += [f"  %{tag}.go = icmp slt i64 %{tag}.t, {total}", f"  br i1 %{tag}.go, label %{tag}.task, label %{tag}.meet"]
            lines += body
            after = f"p{level + 1}" if level + 1 < phases else "step.end"
            lines += [f"{tag}.meet:", "  call void @barrier(ptr %ctl, i64 %threads)", f"  br label %{after}"]
        if not phases:
            lines += ["p0:", "  br label %step.end"]
        lines += [
            "step.end:", "  %first.thread = icmp eq i64 %tid, 0", "  %has.trace = icmp ne ptr %watched, null", "  %writes = and i1 %first.thread, %has.trace",
            "  br i1 %writes, label %trace.it, label %step.more", "trace.it:",
            f"  %seen = load {self.element}, ptr %watched, align {self.bytes}", f"  %place = getelementptr inbounds {self.element}, ptr %trace, i64 %s",
            f"  store {self.element} %seen, ptr %place, align {self.bytes}", "  br label %step.more", "step.more:",
        ]  # fmt: skip
        lines = [x.replace("%step.end ]", "%step.more ]") for x in lines]
        lines += [
            "  %s.next = add nsw i64 %s, 1",
            "  %again = icmp slt i64 %s.next, %steps",
            "  br i1 %again, label %step, label %end",
            "end:",
            "  ret void",
            "}",
        ]
        barrier = f"""
define internal void @barrier(ptr %ctl, i64 %threads) nounwind {{
entry:
  %alone = icmp eq i64 %threads, 1
  br i1 %alone, label %done, label %meet
meet:
  %gen.p = getelementptr inbounds i8, ptr %ctl, i64 {LINE}
  %gen = load atomic i64, ptr %gen.p acquire, align 8
  %old = atomicrmw add ptr %ctl, i64 1 acq_rel
  %last.k = sub nsw i64 %threads, 1
  %last = icmp eq i64 %old, %last.k
  br i1 %last, label %open, label %spin
open:
  store atomic i64 0, ptr %ctl monotonic, align 8
  %gen.new = add i64 %gen, 1
  store atomic i64 %gen.new, ptr %gen.p release, align 8
  br label %done
spin:
  %k = phi i64 [ 0, %meet ], [ %k.next, %again ]
  %now = load atomic i64, ptr %gen.p acquire, align 8
  %same = icmp eq i64 %now, %gen
  br i1 %same, label %wait, label %done
wait:
  %k.next = add i64 %k, 1
{pause}
  %long = icmp sgt i64 %k, 2000
  br i1 %long, label %give, label %again
give:
  %ignored = call i32 @sched_yield()
  br label %again
again:
  br label %spin
done:
  ret void
}}"""
        return "\n".join(lines) + barrier
