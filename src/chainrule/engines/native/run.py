"""Machine code with its memory: the last proof of what it is given, and the call."""

from __future__ import annotations

import ctypes
import os
import threading
import weakref
from array import array
from collections.abc import Mapping, Sequence

import numpy as np

from ...errors import ChainruleError
from . import driver, pool
from .buffers import LINE, address, aligned
from .proof import Proof
from .spec import Arrangement, Code

_WORDS = LINE // 8
_ARGUMENTS = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)


def _function(name: str) -> int:
    """The address of a function of Python's C interface; 0 where there is none."""
    try:
        return ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value or 0
    except AttributeError:
        return 0


_PYTHON = tuple(_function(name) for name in ("PyEval_SaveThread", "PyEval_RestoreThread", "PyErr_CheckSignals"))
_listener = threading.main_thread().ident if all(_PYTHON) else 0  # the thread whose runs hear signals


Fixed = Sequence[tuple[int, int]]  # places in a frame and the addresses that stand there


class Runner:
    """Code with its memory. Any number of threads may call it: a lock lets them in one at a time."""

    def __init__(self, code: Code):
        self.code = code
        self.proof = Proof(code.spec, code.layout)
        self.silent = ctypes.CFUNCTYPE(None, *_ARGUMENTS)(code.address)  # ctypes gives up the interpreter around the call
        self.hearing = ctypes.PYFUNCTYPE(None, *_ARGUMENTS)(code.address)  # the code itself does; what a handler raises comes out of the call
        self.memory: dict[str, np.ndarray] = {}
        self.frame = [0] * (len(code.layout.slots) + driver.WORDS)
        self.fixed: Fixed | None = ()  # what of a caller's addresses the frame holds
        self.batch = -1
        self.arenas: np.ndarray | None = None
        self.fresh()
        _runners.add(self)

    def fresh(self) -> None:
        """A control block and a lock that nobody else knows."""
        self.lock = threading.RLock()
        self.holder = 0  # the thread that runs
        self.helped = False  # whether that run has helpers
        self.gate = -1  # the state of the gate that meant `open` for the last run with helpers
        self.control = aligned((driver.LINES * _WORDS,), np.dtype(np.int64))
        self.words = address(self.control)
        self.control[driver.LEAD * _WORDS + driver.SAVE : driver.LEAD * _WORDS + driver.SAVE + 3] = _PYTHON

    def forked(self) -> None:
        """In a forked child: other threads, and what they held, are gone."""
        if self.helped and self.holder == threading.get_ident():  # forked by a signal handler in the middle of this very run
            self.control[driver.LEAD * _WORDS + driver.QUIT] = 1
            self.control[driver.INSIDE * _WORDS] = 0
        self.fresh()

    def run(
        self,
        arrays: Mapping[str, np.ndarray],
        total: int,
        *,
        threads: int = 1,
        batch: int = 0,
        order: np.ndarray | None = None,
        watch: str = "",
        whole: bool = False,
    ) -> np.ndarray:
        """Run ceil(total / batch) steps on arrays given by port name (outputs are written); returns `watch` after each step.

        In Python's main thread a run hears signals: what a handler raises (Ctrl-C) ends it at once, and its outputs are then
        undefined; or, with `whole`, after the step in progress, and they are that step's. threads: how many at most; the
        result does not depend on it. Errors: ShapeError, ElementTypeError and ArgumentError for arrays that are not what the
        program was compiled for.
        """
        with self.lock:
            if self.holder:  # called again in the middle of a run of this thread, by a signal handler or a finaliser
                return Runner(self.code).run(arrays, total, threads=threads, batch=batch, order=order, watch=watch, whole=whole)
            self.holder = threading.get_ident()
            try:
                return self._run(arrays, total, threads, batch, order, watch, whole)
            finally:
                self.holder = 0

    def quick(self, arrays: Sequence[np.ndarray], slots: Sequence[int], total: int, threads: int, fixed: Fixed = ()) -> None:
        """One step on arrays that are known to be what the program was compiled for; each has its place in the frame.

        fixed: places and addresses of the others, which are the same from call to call and kept alive by the caller.
        """
        with self.lock:
            if self.holder:
                return Runner(self.code).quick(arrays, slots, total, threads, fixed)
            self.holder = threading.get_ident()
            try:
                count = max(1, min(threads, self.code.layout.tasks, pool.MOST_THREADS))
                self.reserve(total, count)
                frame = self.frame
                if fixed is not self.fixed:
                    self.fixed = None  # until all of it stands there
                    for slot, at in fixed:
                        frame[slot] = at
                    self.fixed = fixed
                for slot, a in zip(slots, arrays, strict=True):
                    frame[slot] = address(a)
                frame[len(frame) - driver.WORDS + driver.STEPS :] = 1, total, total, 0, 0, 0
                self._call(array("q", frame), count, False)
            finally:
                self.holder = 0

    @property
    def bytes(self) -> int:
        """Memory that is kept between runs."""
        return sum(a.nbytes for a in list(self.memory.values())) + (0 if self.arenas is None else self.arenas.nbytes)

    def _run(
        self, arrays: Mapping[str, np.ndarray], total: int, threads: int, batch: int, order: np.ndarray | None, watch: str, whole: bool
    ) -> np.ndarray:
        layout, proof, frame = self.code.layout, self.proof, self.frame
        batch = batch or total
        steps, rows, watched = proof.counts(total, batch, watch)
        count = max(1, min(threads, layout.tasks, pool.MOST_THREADS))
        self.reserve(rows, count)
        where = proof.arrays(arrays, rows)
        self.fixed = None
        for slot, name in proof.slots:
            frame[slot] = where[name]
        trace = np.zeros(steps, self.code.spec.number.dtype)
        ordered = proof.order(order, total, arrays)
        k = len(layout.slots)
        frame[k + driver.STEPS :] = steps, batch, total, ordered, address(trace), where[watched] if watched else 0
        self._call(array("q", frame), count, whole)
        return trace

    def _call(self, frame: array[int], count: int, whole: bool) -> None:
        """One call of the machine code, with helpers where count is more than 1."""
        control, words, (at, _) = self.control, self.words, frame.buffer_info()
        listens = threading.get_ident() == _listener
        if listens:
            control[driver.LEAD * _WORDS + driver.WHOLE] = whole
        enter = self.hearing if listens else self.silent
        self.helped = count > 1
        if not self.helped:
            enter(at, words, 0, 0, listens)
        else:
            helper = self.silent
            self.gate = gate = self.gate + 2

            def job(number: int, code: Code = self.code) -> None:  # a helper may come when nobody else holds the code any more
                helper(frame.buffer_info()[0], address(control), number, gate, 0)

            try:
                pool.offer(job, count - 1)
                enter(at, words, 0, gate, listens)
            except BaseException:
                control[driver.GATE * _WORDS] = gate + 1  # whoever waits there for a run that never came may go
                raise
        if count > 1 and self.control is not control:
            raise ChainruleError("run: the process was forked in the middle of it; accepted: a fork between two calls")

    def reserve(self, batch: int, threads: int) -> None:
        """Memory for everything that is not the caller's. Whatever ends this halfway, the next run starts it anew."""
        layout = self.code.layout
        if batch > self.batch:
            self.batch = -1
            blocks = -(-batch // layout.lanes)
            counts = {
                Arrangement.LANES: blocks * layout.lanes, Arrangement.ROWS: batch, Arrangement.PARTIAL: layout.chunks, Arrangement.PLAIN: 1,
            }  # fmt: skip
            for k, (name, kind, places, number) in enumerate(layout.slots):
                if name not in self.proof.names:
                    count = counts[kind]
                    if kind in (Arrangement.LANES, Arrangement.ROWS) or name not in self.memory:
                        self.memory[name] = aligned((count * places,), number.dtype)
                    self.frame[k] = address(self.memory[name])
            self.batch = batch
        if self.arenas is None or len(self.arenas) < threads * layout.arena:
            self.arenas = None
            arenas = aligned((threads * layout.arena + LINE,), np.dtype(np.uint8))
            self.frame[len(layout.slots) + driver.ARENA] = address(arenas)
            self.arenas = arenas


_runners: weakref.WeakSet[Runner] = weakref.WeakSet()


def _forget() -> None:
    global _listener
    _listener = threading.main_thread().ident if all(_PYTHON) else 0
    for runner in list(_runners):
        runner.forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
