"""The machine code around the kernels: how threads share a run, wait for each other, and hear that it is to end.

A run is a row of numbered tasks: those of a step's phases in order, one that ends the step, then the next step's. A
thread draws the next number, waits until all tasks of earlier phases are done, does its own, and counts it as done. So
nobody waits for a thread that has drawn nothing: helpers may come late, or never, and the bits are the same.

Helpers enter by themselves and wait at a gate. Thread 0 opens it, and at the end shuts it and waits until nobody is
inside: from outside a run is one call.

Thread 0, where it is Python's main thread, lets Python look at its signals now and then. What a handler raises ends the
run: at once, or with the step where the run is `whole`.

This is the one place beside llvm.py that knows LLVM's syntax: fixed text, of atomic instructions, waiting and calls into Python, none of
which a loop nest has. As a tree it would need a dozen instructions for one use each, and read worse.
"""

from __future__ import annotations

import platform
from collections.abc import Sequence

from ..number import Number
from .buffers import LINE

# Lines of the control block, a cache line each.
TICKET, DONE, GATE, INSIDE, LEAD, HELP, LINES = range(7)
# Words of the line LEAD (thread 0's); HELP (everybody else's) has the first two.
QUIT, DUE, STATE, SAVE, RESTORE, CHECK, WHOLE, STOP = range(8)
# Words of a run's frame behind the addresses of its tensors.
ARENA, STEPS, BATCH, TOTAL, ROWS, TRACE, WATCHED, WORDS = range(8)

X86 = CLOCK = platform.machine().lower() in ("x86_64", "amd64")  # CLOCK: whether the cycle counter may be read
PAUSE_CYCLES = 100_000_000  # between two looks at Python's signals: 25 to 100 ms
PAUSE_LOOKS = 100  # the same where there is no clock: work looks up after some 2^16 operations
SPINS = 2000  # before a waiting thread lets others have its core
YIELDS = 20_000  # before a helper at a shut gate sleeps
NEVER = (1 << 63) - 1


def text(slots: int, counts: Sequence[int], names: Sequence[str], number: Number, clock: bool, alone: bool) -> str:
    """The entry point and what it and the kernels call. names: the function of each phase, which runs one of its tasks.

    alone: all that looks whether the run is over is in this module.
    """
    look = _look(clock) if alone else _look(clock).replace("define internal", "define", 1)
    return "\n".join([_run(slots, counts, names, number, clock), _LEAVE, _wait(), _gate(), look, _ask(clock)])


def declarations(clock: bool) -> set[str]:
    """What `text` needs beside it."""
    found = {"declare i32 @sched_yield()", "declare i32 @usleep(i32)", "declare i64 @llvm.smin.i64(i64, i64)"}
    if X86:
        found.add("declare void @llvm.x86.sse2.pause()")
    return found | ({"declare i64 @llvm.readcyclecounter()"} if clock else set())


_PAUSE = "  call void @llvm.x86.sse2.pause()" if X86 else ""


def _line(name: str, line: int) -> str:
    return f"  %{name} = getelementptr inbounds i8, ptr %ctl, i64 {LINE * line}"


def _word(name: str, base: str, word: int) -> str:
    return f"  %{name} = getelementptr inbounds i64, ptr %{base}, i64 {word}"


def _given(name: str, slots: int, word: int, kind: str = "i64") -> str:
    """A word of the frame."""
    return f"{_word(f'{name}.p', 'frame', slots + word)}\n  %{name} = load {kind}, ptr %{name}.p, align 8"


def _run(slots: int, counts: Sequence[int], names: Sequence[str], number: Number, clock: bool) -> str:
    """The entry point. want: the state of the gate that means `open` for this run, 0 where there are no helpers."""
    each = sum(counts) + 1
    words = [("steps", STEPS, "i64"), ("batch", BATCH, "i64"), ("total", TOTAL, "i64"), ("rows", ROWS, "ptr"), ("trace", TRACE, "ptr"), ("watched", WATCHED, "ptr")]  # fmt: skip
    parts = [
        "define void @run(ptr %frame, ptr %ctl, i64 %tid, i64 %want, i64 %listens) nounwind {\nentry:",
        *(_line(n, k) for n, k in (("ticket", TICKET), ("finished", DONE), ("lead", LEAD), ("help", HELP))),
        *(_given(name, slots, word, kind) for name, word, kind in words),
        f"""  %first.thread = icmp eq i64 %tid, 0
  %me = select i1 %first.thread, ptr %lead, ptr %help
  %last = mul nsw i64 %steps, {each}
  br i1 %first.thread, label %leader, label %helper
leader:
  call void @open(ptr %ctl, i64 %want, i64 %listens)
  br label %draw
helper:
  %in = call i1 @gate(ptr %ctl, i64 %want)
  br i1 %in, label %draw, label %end
draw:
  %quit = call i1 @look(ptr %me)
  br i1 %quit, label %over, label %next
next:
  %k = atomicrmw add ptr %ticket, i64 1 monotonic
  %any = icmp slt i64 %k, %last
  br i1 %any, label %some, label %over
some:
  %s = sdiv i64 %k, {each}
  %start = mul nsw i64 %s, {each}
  %task = sub nsw i64 %k, %start
  %row0 = mul nsw i64 %s, %batch
  %left = sub nsw i64 %total, %row0
  %n = call i64 @llvm.smin.i64(i64 %batch, i64 %left)
  %order = getelementptr inbounds i64, ptr %rows, i64 %row0
  br label %p0""",
    ]
    before = 0
    for level, (count, name) in enumerate(zip(counts, names, strict=True)):
        parts += [_phase(level, before, count, f"p{level + 1}"), _task(level, name)]
        before += count
    parts.append(_phase(len(counts), before, 1, "over"))
    parts.append(_ending(len(counts), number))
    return "\n".join(parts) + _open(clock)


def _task(level: int, name: str) -> str:
    return f"""p{level}.task:
  call void @{name}(ptr %frame, ptr %me, i64 %p{level}.t, i64 %tid, i64 %n, ptr %order)
  br label %done"""


def _ending(level: int, number: Number) -> str:
    """The last task of a step: it notes what is watched; and the ways out."""
    element, size = number.llvm, number.bytes
    return f"""p{level}.task:
  %traces = icmp ne ptr %watched, null
  br i1 %traces, label %note, label %stops
note:
  %seen = load {element}, ptr %watched, align {size}
  %place = getelementptr inbounds {element}, ptr %trace, i64 %s
  store {element} %seen, ptr %place, align {size}
  br label %stops
stops:
{_word("stop.p", "lead", STOP)}
  %stop = load atomic i64, ptr %stop.p monotonic, align 8
  %goes.on = icmp eq i64 %stop, 0
  br i1 %goes.on, label %done, label %abandon
abandon:
  call void @abandon(ptr %lead)
  br label %over
done:
  %ignored = atomicrmw add ptr %finished, i64 1 release
  br label %draw
over:
  call void @leave(ptr %ctl, i64 %tid, i64 %want, i64 %listens)
  br label %end
end:
  ret void
}}"""


def _phase(level: int, before: int, count: int, other: str) -> str:
    """Is %task one of a phase's? Then wait for the phases before it."""
    tag = f"p{level}"
    return f"""{tag}:
  %{tag}.is = icmp slt i64 %task, {before + count}
  br i1 %{tag}.is, label %{tag}.wait, label %{other}
{tag}.wait:
  %{tag}.t = sub nsw i64 %task, {before}
  %{tag}.least = add nsw i64 %start, {before}
  %{tag}.ready = call i1 @wait(ptr %finished, i64 %{tag}.least, ptr %me)
  br i1 %{tag}.ready, label %{tag}.task, label %over"""


def _due(tag: str, clock: bool) -> str:
    """%due.p gets the time of the next question."""
    if not clock:
        return f"  store i64 {PAUSE_LOOKS}, ptr %due.p, align 8"
    return f"""  %{tag}.now = call i64 @llvm.readcyclecounter()
  %{tag}.then = add i64 %{tag}.now, {PAUSE_CYCLES}
  store i64 %{tag}.then, ptr %due.p, align 8"""


def _open(clock: bool) -> str:
    """Thread 0 begins."""
    idle = NEVER if clock else 0
    return f"""
define internal void @open(ptr %ctl, i64 %want, i64 %listens) nounwind {{
entry:
{_line("ticket", TICKET)}
{_line("finished", DONE)}
{_line("gate", GATE)}
{_line("lead", LEAD)}
{_line("help", HELP)}
{_word("due.p", "lead", DUE)}
{_word("due.h", "help", DUE)}
{_word("stop.p", "lead", STOP)}
  store i64 0, ptr %ticket, align 8
  store i64 0, ptr %finished, align 8
  store i64 0, ptr %lead, align 8
  store i64 0, ptr %help, align 8
  store i64 0, ptr %stop.p, align 8
  store i64 {idle}, ptr %due.p, align 8
  store i64 {idle}, ptr %due.h, align 8
  %deaf = icmp eq i64 %listens, 0
  br i1 %deaf, label %opens, label %free
free:
{_word("save.p", "lead", SAVE)}
{_word("state.p", "lead", STATE)}
  %save = load ptr, ptr %save.p, align 8
  %state = call ptr %save()
  store ptr %state, ptr %state.p, align 8
{_due("first", clock)}
  br label %opens
opens:
  %alone = icmp eq i64 %want, 0
  br i1 %alone, label %done, label %unlock
unlock:
  store atomic i64 %want, ptr %gate seq_cst, align 8
  br label %done
done:
  ret void
}}"""


_LEAVE = f"""
define internal void @abandon(ptr %lead) nounwind {{
  %help = getelementptr inbounds i8, ptr %lead, i64 {LINE * (HELP - LEAD)}
  store atomic i64 1, ptr %lead release, align 8
  store atomic i64 1, ptr %help release, align 8
  ret void
}}
define internal void @leave(ptr %ctl, i64 %tid, i64 %want, i64 %listens) nounwind {{
entry:
{_line("gate", GATE)}
{_line("inside", INSIDE)}
{_line("lead", LEAD)}
  %leads = icmp eq i64 %tid, 0
  br i1 %leads, label %leader, label %helper
helper:
  %ignored = atomicrmw sub ptr %inside, i64 1 release
  ret void
leader:
  %alone = icmp eq i64 %want, 0
  br i1 %alone, label %out, label %shut
shut:
  %closed = add nsw i64 %want, 1
  store atomic i64 %closed, ptr %gate seq_cst, align 8
  br label %spin
spin:
  %k = phi i64 [ 0, %shut ], [ %k.next, %again ], [ %k.next, %give ]
  %there = load atomic i64, ptr %inside seq_cst, align 8
  %empty = icmp eq i64 %there, 0
  br i1 %empty, label %out, label %again
again:
  %k.next = add nsw i64 %k, 1
{_PAUSE}
  %long = icmp sgt i64 %k, {SPINS}
  br i1 %long, label %give, label %spin
give:
  %quit = call i1 @look(ptr %lead)
  %yielded = call i32 @sched_yield()
  br label %spin
out:
  %deaf = icmp eq i64 %listens, 0
  br i1 %deaf, label %done, label %hold
hold:
{_word("restore.p", "lead", RESTORE)}
{_word("state.p", "lead", STATE)}
  %restore = load ptr, ptr %restore.p, align 8
  %state = load ptr, ptr %state.p, align 8
  call void %restore(ptr %state)
  br label %done
done:
  ret void
}}"""


def _wait() -> str:
    """Wait until a count has been reached; false where the run is abandoned meanwhile."""
    return f"""
define internal i1 @wait(ptr %count, i64 %least, ptr %me) nounwind {{
entry:
  br label %spin
spin:
  %k = phi i64 [ 0, %entry ], [ %k.next, %again ], [ %k.next, %give ]
  %now = load atomic i64, ptr %count acquire, align 8
  %enough = icmp sge i64 %now, %least
  br i1 %enough, label %yes, label %wait
wait:
  %word = load atomic i64, ptr %me monotonic, align 8
  %gone = icmp ne i64 %word, 0
  br i1 %gone, label %no, label %again
again:
  %k.next = add nsw i64 %k, 1
{_PAUSE}
  %long = icmp sgt i64 %k, {SPINS}
  br i1 %long, label %give, label %spin
give:
  %quit = call i1 @look(ptr %me)
  %yielded = call i32 @sched_yield()
  br label %spin
yes:
  ret i1 true
no:
  ret i1 false
}}"""


def _gate() -> str:
    """A helper goes in, or learns that the run is over."""
    return f"""
define internal i1 @gate(ptr %ctl, i64 %want) nounwind {{
entry:
{_line("gate", GATE)}
{_line("inside", INSIDE)}
  %counted = atomicrmw add ptr %inside, i64 1 seq_cst
  br label %spin
spin:
  %k = phi i64 [ 0, %entry ], [ %k.next, %again ], [ %k.next, %give ], [ %k.next, %sleep ]
  %state = load atomic i64, ptr %gate seq_cst, align 8
  %open = icmp eq i64 %state, %want
  br i1 %open, label %yes, label %closed
closed:
  %over = icmp sgt i64 %state, %want
  br i1 %over, label %no, label %again
again:
  %k.next = add nsw i64 %k, 1
{_PAUSE}
  %long = icmp sgt i64 %k, {SPINS}
  br i1 %long, label %give.or.sleep, label %spin
give.or.sleep:
  %longer = icmp sgt i64 %k, {SPINS + YIELDS}
  br i1 %longer, label %sleep, label %give
give:
  %yielded = call i32 @sched_yield()
  br label %spin
sleep:
  %slept = call i32 @usleep(i32 200)
  br label %spin
yes:
  ret i1 true
no:
  %ignored = atomicrmw sub ptr %inside, i64 1 release
  ret i1 false
}}"""


def _look(clock: bool) -> str:
    """Is the run over? me: the thread's own line of the control block. Without a clock, looks are counted down."""
    if clock:
        late = "  %now = call i64 @llvm.readcyclecounter()\n  %late = icmp sgt i64 %now, %due\n  br i1 %late, label %asks, label %no"
    else:
        late = """  %counts = icmp sgt i64 %due, 0
  br i1 %counts, label %count, label %no
count:
  %less = sub nsw i64 %due, 1
  store i64 %less, ptr %due.p, align 8
  %late = icmp eq i64 %less, 0
  br i1 %late, label %asks, label %no"""
    return f"""
define internal i1 @look(ptr %me) nounwind {{
entry:
  %word = load atomic i64, ptr %me monotonic, align 8
  %gone = icmp ne i64 %word, 0
  br i1 %gone, label %yes, label %time
time:
{_word("due.p", "me", DUE)}
  %due = load i64, ptr %due.p, align 8
{late}
asks:
  %heard = call i1 @ask(ptr %me)
  ret i1 %heard
yes:
  ret i1 true
no:
  ret i1 false
}}"""


def _ask(clock: bool) -> str:
    """Thread 0 lets Python handle its signals; true where the run is to end at once. What was raised waits in the thread."""
    return f"""
define internal i1 @ask(ptr %lead) nounwind noinline cold {{
entry:
{_word("due.p", "lead", DUE)}
{_word("state.p", "lead", STATE)}
{_word("restore.p", "lead", RESTORE)}
{_word("check.p", "lead", CHECK)}
{_word("save.p", "lead", SAVE)}
  %state = load ptr, ptr %state.p, align 8
  %restore = load ptr, ptr %restore.p, align 8
  call void %restore(ptr %state)
  %check = load ptr, ptr %check.p, align 8
  %raised = call i32 %check()
  %save = load ptr, ptr %save.p, align 8
  %fresh = call ptr %save()
  store ptr %fresh, ptr %state.p, align 8
  %quiet = icmp eq i32 %raised, 0
  br i1 %quiet, label %later, label %hear
later:
{_due("next", clock)}
  ret i1 false
hear:
  store i64 {NEVER if clock else 0}, ptr %due.p, align 8
{_word("whole.p", "lead", WHOLE)}
{_word("stop.p", "lead", STOP)}
  %whole = load i64, ptr %whole.p, align 8
  %finish = icmp ne i64 %whole, 0
  br i1 %finish, label %step, label %now
step:
  store atomic i64 1, ptr %stop.p monotonic, align 8
  ret i1 false
now:
  call void @abandon(ptr %lead)
  ret i1 true
}}"""
