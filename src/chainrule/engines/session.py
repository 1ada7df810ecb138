"""The one door to the engines: a program goes in with arrays, values come out.

    program + number types --key--> Machine (compiled once, kept while it is used) --run--> values

The session owns what every caller shares: compiled code with its memory, the lock under which code is made, and the rule by which
what was not used for long goes. Helper threads belong to the process (native/pool.py).
"""

from __future__ import annotations

import math
import os
import signal
import threading
import weakref
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager

import numpy as np

from ..language.program import Program
from ..language.tree import Tensor
from . import reference
from .native import program as native
from .native.program import Code, Fixed, Port, Runner, Spec, contiguous
from .native.target import current
from .number import NUMBERS, is_stored
from .processors import threads_for
from .recent import Entry, Owner, Recent, now

MOST_PROGRAMS = 128  # kept at once; a program is a few hundred kilobytes of code
MOST_BYTES = 256 << 20  # of memory that programs keep between calls
MOST_SPARE = 4  # runners of one program kept for callers that come at the same time
CHUNK_BLOCKS = 32  # of samples in lanes, at most in one chunk
MOST_REMEMBERED = 8192  # programs at some sizes and the like that all operations and networks together remember
MOST_EACH = 64  # and each of them


class Machine:
    """Compiled code and its memories: one for each call at a time, so that threads and signal handlers never wait for each other."""

    def __init__(self, code: Code):
        self.code = code
        self.free = [Runner(code)]

    @property
    def bytes(self) -> int:
        """Memory that is kept between calls."""
        return sum(r.bytes for r in list(self.free))

    def run(self, arrays: Mapping[str, np.ndarray], total: int, **how: object) -> np.ndarray:
        """Runner.run in memory that nobody else uses meanwhile."""
        runner = self.taken()
        try:
            return runner.run(arrays, total, **how)  # type: ignore[arg-type]  # how: the arguments of Runner.run
        finally:
            self.back(runner)

    def quick(self, arrays: Sequence[np.ndarray], slots: Sequence[int], total: int, threads: int, fixed: Fixed = ()) -> None:
        """Runner.quick in memory that nobody else uses meanwhile."""
        runner = self.taken()
        try:
            runner.quick(arrays, slots, total, threads, fixed)
        finally:
            self.back(runner)

    def taken(self) -> Runner:
        try:
            return self.free.pop()
        except IndexError:
            return Runner(self.code)

    def back(self, runner: Runner) -> None:
        if len(self.free) < MOST_SPARE:
            self.free.append(runner)


class Session:
    """Programs by what they are made of, and all caches of those who call them."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.kept: Recent[Machine] = Recent(MOST_PROGRAMS)
        self.owned = Owner(MOST_REMEMBERED)

    def recent(self) -> Recent:
        """A cache for somebody who comes back with the same shapes. The session counts it, and empties it in `clear`."""
        return self.owned.recent(MOST_EACH)

    def counts(self) -> dict[str, int]:
        """How many programs are kept, how many bytes they hold between calls, and how much callers remember."""
        return {"programs": len(self.kept), "bytes": sum(m.bytes for m in self.kept.values()), "remembered": len(self.owned)}

    def machine(self, spec: Spec) -> Machine:
        """The code for a spec: made now, found on disk, or kept from before."""
        return self.entry(spec).value

    def entry(self, spec: Spec) -> Entry[Machine]:
        """The same, as what lives until the session lets it go."""
        key = native.key_of(spec, current())
        with self.lock:
            found = self.kept.kept.get(key)
            if found is None:
                found = self.kept.enter(key, Machine(native.compile_spec(spec)))
                self.kept.shrink(MOST_PROGRAMS, lambda m: m.bytes, MOST_BYTES)  # whoever still holds a machine may go on with it
            found.used = now()
            return found

    def clear(self) -> None:
        """Forget all compiled programs and what callers remember; what is on disk stays there."""
        with self.lock:
            self.kept.clear()
            self.owned.clear()


class Held:
    """A program that a caller comes back to, who may find that the session has let its code go meanwhile."""

    def __init__(self, spec: Spec):
        self.spec = spec
        self.names = tuple(p.name for p in (*spec.inputs, *spec.outputs))
        self.fixed, self.each = elements(spec)
        self.place()

    def place(self) -> Machine:
        """Find the places of the program's arrays in its frame; what it does not read has none."""
        entry = session.entry(self.spec)
        self.kept = weakref.ref(entry)
        self.at = at = {name: k for k, (name, *_) in enumerate(entry.value.code.layout.slots)}
        self.chosen = tuple(k for k, name in enumerate(self.names) if name in at)
        self.slots = tuple(at[self.names[k]] for k in self.chosen)
        self.all = len(self.chosen) == len(self.names)
        return entry.value

    @property
    def machine(self) -> Machine:
        entry = self.kept()
        if entry is None:
            return self.place()
        entry.used = now()
        return entry.value

    def run(self, arrays: Mapping[str, np.ndarray], total: int, *, threads: int | None = None, batch: int = 0, **how: object) -> np.ndarray:
        """Steps on arrays by name; see Runner.run."""
        count = self.threads(threads, min(batch or total, total))
        return self.machine.run(arrays, total, threads=count, batch=batch, **how)

    def threads(self, asked: int | None, samples: int) -> int:
        """How many threads a step on so many samples gets."""
        return threads_for(asked, self.fixed + self.each * samples)

    def quick(self, arrays: list[np.ndarray], total: int, threads: int | None) -> None:
        """One step on arrays in the order of inputs and outputs, which are known to be what the program was compiled for."""
        machine = self.machine
        machine.quick(arrays if self.all else [arrays[k] for k in self.chosen], self.slots, total, self.threads(threads, total))

    def beside(self, fixed: Fixed, slots: Sequence[int], arrays: Sequence[np.ndarray], total: int, threads: int | None) -> None:
        """The same where the addresses of some arrays are known; `at` has every array's place, the same for the same spec."""
        machine = self.machine
        machine.quick(arrays, slots, total, self.threads(threads, total), fixed)


def elements(spec: Spec) -> tuple[int, int]:
    """How many numbers a step reads and makes: those of the whole, and those of each sample."""
    found = [0, 0]
    for p in (*spec.inputs, *spec.outputs):
        found[p.sample] += math.prod(p.shape)
    own = {p.name for p in spec.outputs}
    for line in spec.lines:
        if line.tensor not in own:
            sizes = [r.constant for r in line.ranges]
            found[None in sizes] += math.prod(int(s) for s in sizes if s is not None)
    return found[0], found[1]


def spec_of(program: Program, dtype: np.dtype, types: Mapping[str, str], batch: int = 0, indexed: Collection[str] = ()) -> Spec:
    """What the native engine compiles. types: of inputs that hold whole numbers. batch: samples that come at once (else those that the
    program was bound for). indexed: inputs whose samples are found through an order."""
    number = NUMBERS[str(dtype)]

    def port(t: Tensor) -> Port:
        sampled = program.sampled(t)
        given = NUMBERS.get(types.get(t.name, ""), number)
        return Port(t.name, program.shapes[t.name][sampled:], given if given.whole else number, sampled, sampled and t.name in indexed)

    inputs, outputs = tuple(map(port, program.ports)), tuple(map(port, program.outputs))
    samples = batch or program.samples if program.sample else 1
    return Spec(program.lines, inputs, outputs, number, program.sample or None, chunks_for(samples, dtype), program.update)


def chunks_for(samples: int, dtype: np.dtype) -> int:
    """Into how many parts a batch is cut: a matter of its size alone, never of the number of threads."""
    blocks = -(-samples // current().lanes(dtype.itemsize))
    few = 1 if blocks <= 1 else 4 if blocks <= 8 else 16
    return max(few, 1 << (-(-blocks // CHUNK_BLOCKS) - 1).bit_length())  # no sum over a chunk is so long that rounding matters


def by_reference(program: Program, arrays: Mapping[str, np.ndarray], dtype: np.dtype) -> dict[str, np.ndarray]:
    """Every tensor of a program by the reference engine."""
    return reference.run(program, arrays, dtype)


def stored(a: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """An input as machine code reads it: whole numbers in a type that both engines count in, everything else in the type of the arithmetic."""
    if a.dtype != dtype:
        a = counted(a)
        if a.dtype.kind not in "iu" or not is_stored(a.dtype):
            a = a.astype(dtype)
    return contiguous(a)


def counted(a: np.ndarray) -> np.ndarray:
    """Whole numbers in a type that both engines count in, where they fit into one."""
    if a.dtype.kind not in "iu" or is_stored(a.dtype) or (a.dtype == np.uint64 and a.max(initial=0) >= 1 << 63):
        return a
    return a.astype(np.int64)


session = Session()


@contextmanager
def _at_rest() -> Iterator[None]:
    """Nobody else compiles meanwhile: LLVM and llvmlite would stay locked in a forked child."""
    with ExitStack() as waiting:
        waiting.enter_context(_undisturbed())
        with session.lock, native.at_rest():
            waiting.close()
            yield


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Signals wait. A handler that forks would otherwise interrupt the waiting of another fork, be interrupted itself, and so on."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_forks: list[AbstractContextManager[None]] = []  # several where a handler forks in the middle of a fork


def _hold() -> None:
    rest = _at_rest()
    rest.__enter__()
    _forks.append(rest)


def _release() -> None:
    if _forks:  # else a handler raised while the fork waited
        _forks.pop().__exit__(None, None, None)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_hold, after_in_parent=_release, after_in_child=_release)
