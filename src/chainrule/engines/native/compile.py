"""LLVM text in, machine code out: a program's modules are compiled side by side.

llvmlite holds one lock around each of its calls, so that its threads take turns. Nine tenths of the time go into one call (instructions
are chosen and put into registers): that one is made without the lock. LLVM allows this, as each module has a context of its own.
"""

from __future__ import annotations

import ctypes
import os
import struct
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext

import llvmlite.binding as llvm

from ...errors import ChainruleError
from ..processors import processors
from . import pool
from .target import Target, initialized

LARGE = 6_000_000  # characters of text from which on quick compiling matters more than the last percent

# Machine code ------------------------------------------------------------------------------------------------------------


def _machine(target: Target, opt: int = 2) -> llvm.TargetMachine:
    initialized()
    return llvm.Target.from_default_triple().create_target_machine(cpu=target.cpu, features=target.features, opt=opt)


def assemble(texts: Sequence[str], target: Target) -> bytes:
    """Object code for LLVM text: the modules' objects one behind the other, each after its length."""
    opt = 2 if sum(map(len, texts)) < LARGE else 1
    objects = side_by_side([lambda text=text: assembled(text, target, opt) for text in texts])  # type: ignore[misc]  # mypy does not infer lambdas with defaults
    return b"".join(struct.pack(">Q", len(o)) + o for o in objects)


def assembled(text: str, target: Target, opt: int) -> bytes:
    machine = _machine(target, opt)
    try:
        made = parsed(text)
        made.verify()
    except RuntimeError as e:
        raise ChainruleError(f"the compiler made text that LLVM refuses; please report this with the formula: {e}") from None
    # The text is already scheduled and free of repeated work; LLVM has to put it into registers, little more.
    builder = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(speed_level=1))
    passes = llvm.create_new_module_pass_manager()
    passes.add_sroa_pass()
    passes.add_instruction_combine_pass()
    passes.add_simplify_cfg_pass()
    passes.run(made, builder)
    return emitted(machine, made)


class _OfItsContext(llvm.ModuleRef):  # type: ignore[misc]  # llvmlite has no types
    """A module that its context frees. Where Ctrl-C leaves both in a cycle of garbage, Python would free them in any order, and a module after
    its context is a crash."""

    def _dispose(self) -> None:
        pass


def parsed(text: str) -> llvm.ModuleRef:
    """The module that a text means, in a context of its own."""
    context = llvm.create_context()
    with llvm.ffi.OutputString() as said:
        made = _OfItsContext(llvm.ffi.lib.LLVMPY_ParseAssembly(context, text.encode(), said), context)
        if said:
            made.close()
            raise RuntimeError(str(said))
    return made


def emitted(machine: llvm.TargetMachine, made: llvm.ModuleRef) -> bytes:
    """machine.emit_object(made), where possible without llvmlite's lock."""
    emit = _unlocked("LLVMPY_TargetMachineEmitToMemory")
    if emit is None:
        return bytes(machine.emit_object(made))
    with llvm.ffi.OutputString() as said, _outside_the_lock():
        buffer = emit(machine, made, 1, said)
        if not buffer:
            raise RuntimeError(str(said))
    lib = llvm.ffi.lib
    try:
        return ctypes.string_at(lib.LLVMPY_GetBufferStart(buffer), lib.LLVMPY_GetBufferSize(buffer))
    finally:
        lib.LLVMPY_DisposeMemoryBuffer(buffer)


def _unlocked(name: str) -> Callable[..., object] | None:
    """A function of llvmlite's library without the lock around it; None where llvmlite is not built as it was when this was written."""
    lib = llvm.ffi.lib
    wrapped = getattr(lib, name, None)
    raw, lock = getattr(wrapped, "_cfn", None), getattr(wrapped, "_lock", None)
    if lock is None or lock is not getattr(lib, "_lock", None) or getattr(lock, "_cblist", None) != []:  # [] : nobody asks to be told
        return None
    described = getattr(raw, "argtypes", None) is not None and getattr(raw, "restype", None) is not None
    return raw if described and callable(raw) else None


def parts(code: bytes) -> list[bytes]:
    """The objects that `assemble` put behind one another. LLVM would end the process over half of one: that is a RuntimeError here."""
    found: list[bytes] = []
    at = 0
    while at < len(code) or not found:
        (size,) = struct.unpack(">Q", code[at : at + 8].rjust(8, b"\0"))
        if not 0 < size <= len(code) - at - 8:
            raise RuntimeError("no object code")
        found.append(code[at + 8 : at + 8 + size])
        at += 8 + size
    return found


def link(code: bytes, target: Target) -> tuple[int, object]:
    """(address of the entry point, what keeps the code alive)."""
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _machine(target))
    for part in parts(code):
        engine.add_object_file(llvm.ObjectFileRef.from_data(part))
    engine.finalize_object()
    address = engine.get_function_address("run")
    if not address:
        raise RuntimeError("no entry point")
    return address, engine


# Threads -----------------------------------------------------------------------------------------------------------------


class _Jobs:
    """Jobs that any thread may draw; whoever asks for them draws too, so that helpers may come late, or never."""

    def __init__(self, jobs: Sequence[Callable[[], bytes]]):
        self.jobs = jobs
        self.results: list[bytes | BaseException | None] = [None] * len(jobs)
        self.drawn = 0
        self.busy: set[int] = set()  # threads that are at work

    def work(self, _: int = 0) -> None:
        own = threading.get_ident()
        while True:
            with _turn:
                k, self.drawn = self.drawn, self.drawn + 1
                if k >= len(self.jobs):
                    return
                self.busy.add(own)
            try:
                self.do(k)
            finally:
                with _turn:
                    self.busy.discard(own)
                    _turn.notify_all()

    def do(self, k: int) -> None:
        try:
            self.results[k] = self.jobs[k]()
        except BaseException as e:  # raised again where the results are asked for
            self.results[k] = e
            if not isinstance(e, Exception):
                raise

    def wait(self) -> None:
        """Until nobody else works on any of them."""
        own = {threading.get_ident()}
        with _turn:
            _turn.wait_for(lambda: self.busy <= own)


def side_by_side(jobs: Sequence[Callable[[], bytes]]) -> Iterable[bytes]:
    """The results of jobs that do not depend on each other, on as many threads as there are processors."""
    together = _Jobs(jobs)
    _running.add(together)
    try:
        helpers = min(len(jobs), processors()) - 1
        if helpers > 0 and _unlocked("LLVMPY_TargetMachineEmitToMemory"):
            pool.offer(together.work, helpers)
        together.work()
        together.wait()
        for k, r in enumerate(together.results):
            if r is None:  # its helper is gone: this is a child, forked by a signal handler in the middle of these jobs
                together.do(k)
    finally:
        together.drawn = len(jobs)
        together.wait()
        _running.discard(together)
    for r in together.results:
        if isinstance(r, BaseException):
            raise r
    return [r for r in together.results if isinstance(r, bytes)]


# Forks: a child has none of its parent's threads, and every lock that one of them held stays shut in it -----------------------

_turn = threading.Condition(threading.RLock())  # around what follows; a signal handler may come here in the middle of it, and fork
_running: set[_Jobs] = set()
_unguarded: set[int] = set()  # threads inside LLVM without llvmlite's lock
_forking: list[int] = []  # the thread that waits until it may fork, once for each handler that interrupts its waiting and forks as well
_llvmlite = getattr(llvm.ffi.lib, "_lock", nullcontext())  # its own lock, around each of its calls


@contextmanager
def _outside_the_lock() -> Iterator[None]:
    """Around a call into LLVM that does not take llvmlite's lock. None begins while a thread waits to fork, which so waits for one at most."""
    own = threading.get_ident()
    with _turn:
        _turn.wait_for(lambda: all(thread == own for thread in _forking))
        _unguarded.add(own)
    try:
        yield
    finally:
        with _turn:
            _unguarded.discard(own)
            _turn.notify_all()


@contextmanager
def nobody_inside() -> Iterator[None]:
    """No other thread is inside LLVM meanwhile."""
    own = threading.get_ident()
    _forking.append(own)
    try:
        with (
            _llvmlite,
            _turn,
        ):  # this thread may hold llvmlite's lock already, for which a helper waits: nothing here waits for helpers to end their jobs
            _turn.wait_for(lambda: _unguarded <= {own})
            yield
    finally:
        _forking.remove(own)
        with _turn:
            _turn.notify_all()


def _alone() -> None:
    """In a forked child: nobody waits for helpers that are gone."""
    own = threading.get_ident()
    with _turn:
        for jobs in _running:
            jobs.busy &= {own}
        _turn.notify_all()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_alone)
