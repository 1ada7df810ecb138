"""Bound lines in, callable machine code out.

spec --lower--> statements --schedule--> plan --module--> LLVM text --llvmlite--> Code
values --Runner(code)--> values'
"""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import threading
import weakref
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import llvmlite.binding as llvm
import numpy as np

from ...errors import ChainruleError
from ...language.tree import Line
from . import cache
from .group import Storage
from .lower import SAMPLES, lower
from .module import Layout, build
from .schedule import Inputs, plan
from .target import Target, current, initialized

ELEMENTS = {"float32": "float", "float64": "double", "uint8": "i8", "int32": "i32", "int64": "i64"}
DTYPES = {v: np.dtype(k) for k, v in ELEMENTS.items()}


@dataclass(frozen=True)
class Port:
    """A tensor that goes in or comes out. With samples, `shape` leaves that axis out.

    layout "rows" is NumPy's; "lanes" is the engine's own ([block][place][lane]), for chaining programs.
    """

    name: str
    shape: tuple[int, ...]
    element: str
    sample: bool = False
    indexed: bool = False
    layout: str = "rows"


@dataclass(frozen=True)
class Spec:
    """A program to compile. sample names the number of samples where vectors may run over samples.

    update: pairs (output, input) that share their memory, so that the next step starts from this one's result.
    """

    lines: tuple[Line, ...]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    element: str
    sample: str | None = None
    chunks: int = 1
    update: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Code:
    """Machine code with its entry point; the engine is kept alive with it."""

    spec: Spec
    layout: Layout
    address: int
    engine: object


_made: dict[str, Code] = {}
_lock = threading.Lock()


def compile_spec(spec: Spec) -> Code:
    """Machine code for a program: from this process, from the cache on disk, or made now."""
    target = current()
    signature = [(x.tensor, x.letters, x.ranges, x.expr) for x in spec.lines]
    key = cache.key_of(signature, spec.inputs, spec.outputs, spec.element, spec.sample, spec.chunks, spec.update, target)
    with _lock:
        if key in _made:
            return _made[key]
        found = cache.load(key)
        if found is not None:
            try:
                layout, code = found
                _made[key] = Code(spec, layout, *_link(code, target))
                return _made[key]
            except RuntimeError:
                pass
        text, layout = translate(spec, target)
        code = assemble(text, target)
        cache.store(key, layout, code)
        _made[key] = Code(spec, layout, *_link(code, target))
        return _made[key]


def translate(spec: Spec, target: Target) -> tuple[str, Layout]:
    """LLVM text of a program."""
    shapes: dict[str, tuple[int, ...]] = {}
    for p in spec.inputs + spec.outputs:
        shapes[p.name] = ((SAMPLES,) if p.sample else ()) + p.shape
    taken = set(shapes) | {x.tensor for x in spec.lines}
    statements = lower(list(spec.lines), shapes, spec.sample, taken)
    external = {
        p.name: Storage(p.name, p.shape, p.layout if p.sample else "plain", p.element, p.sample, p.indexed) for p in spec.inputs + spec.outputs
    }
    given = Inputs(external, frozenset(p.name for p in spec.outputs), spec.sample, shapes, dict(spec.update))
    return build(plan(statements, given, target, spec.element), spec.element, target, spec.chunks, dict(spec.update))


def _machine(target: Target) -> llvm.TargetMachine:
    initialized()
    return llvm.Target.from_default_triple().create_target_machine(cpu=target.cpu, features=target.features, opt=2)


def assemble(text: str, target: Target) -> bytes:
    """Object code for LLVM text."""
    machine = _machine(target)
    try:
        module = llvm.parse_assembly(text)
        module.verify()
    except RuntimeError as e:
        raise ChainruleError(f"the compiler made text that LLVM refuses; please report this with the formula: {e}") from None
    # The text is already scheduled and free of repeated work; LLVM has to put it into registers, little more.
    builder = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(speed_level=1))
    passes = llvm.create_new_module_pass_manager()
    passes.add_sroa_pass()
    passes.add_instruction_combine_pass()
    passes.add_simplify_cfg_pass()
    passes.run(module, builder)
    return bytes(machine.emit_object(module))


def _link(code: bytes, target: Target) -> tuple[int, object]:
    module = llvm.parse_assembly("")
    engine = llvm.create_mcjit_compiler(module, _machine(target))
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    address = engine.get_function_address("run")
    if not address:
        raise RuntimeError("no entry point")
    return address, engine


HUGE = 2 << 20  # a huge page: large buffers on huge pages spare the processor thousands of address look-ups


def aligned(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Zeros whose first byte lies on a cache line; large ones on huge pages where the system has them."""
    size = int(np.prod(shape)) * dtype.itemsize
    if size >= HUGE // 4 and hasattr(mmap, "MADV_HUGEPAGE"):
        pages = mmap.mmap(-1, -(-size // HUGE) * HUGE + HUGE)
        with contextlib.suppress(OSError):
            pages.madvise(mmap.MADV_HUGEPAGE)
        raw = np.frombuffer(pages, np.uint8)
        start = -raw.ctypes.data % HUGE
    else:
        raw = np.zeros(size + 128, np.uint8)
        start = -raw.ctypes.data % 64
    return raw[start : start + size].view(dtype).reshape(shape)


_pool: ThreadPoolExecutor | None = None
_pool_lock = threading.Lock()
_together = threading.Lock()
_runners: weakref.WeakSet[Runner] = weakref.WeakSet()


def _helpers(count: int) -> ThreadPoolExecutor:
    global _pool
    with _pool_lock:
        if _pool is None or _pool._max_workers < count:
            _pool = ThreadPoolExecutor(max_workers=max(count, 3), thread_name_prefix="chainrule")
        return _pool


if hasattr(os, "register_at_fork"):  # a forked child has none of its parent's threads

    def _forget() -> None:
        global _pool, _pool_lock, _together
        _lock.release()
        _pool, _pool_lock, _together = None, threading.Lock(), threading.Lock()
        for runner in list(_runners):
            runner.lock = threading.Lock()

    # Nobody forks in the middle of a compilation: the compiler's own locks would stay shut in the child.
    os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release)

    os.register_at_fork(after_in_child=_forget)


class Runner:
    """Code with its memory; a lock keeps it to one caller at a time."""

    def __init__(self, code: Code):
        self.code = code
        self.lock = threading.Lock()
        _runners.add(self)
        self.entry = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, *[ctypes.c_int64] * 5, *[ctypes.c_void_p] * 3)(code.address)
        self.memory: dict[str, np.ndarray] = {}
        self.batch = -1
        self.arenas: np.ndarray | None = None
        self.ctl = aligned((8 * (code.layout.phases + 3),), np.dtype(np.int64))

    def reserve(self, batch: int, threads: int) -> None:
        """Memory for everything that is not the caller's."""
        layout = self.code.layout
        element = DTYPES[self.code.spec.element]
        if batch > self.batch:
            outside = {p.name for p in self.code.spec.inputs + self.code.spec.outputs}
            blocks = -(-batch // layout.lanes)
            for name, kind, places, _ in layout.slots:
                if name not in outside:
                    count = {"lanes": blocks * layout.lanes, "rows": batch, "partial": layout.chunks, "plain": 1}[kind]
                    if kind in ("lanes", "rows") or name not in self.memory:
                        self.memory[name] = aligned((count * places,), element)
            self.batch = batch
        if self.arenas is None or len(self.arenas) < threads * layout.arena:
            self.arenas = aligned((threads * layout.arena + 64,), np.dtype(np.uint8))

    def run(
        self, arrays: Mapping[str, np.ndarray], total: int, *, threads: int = 1, batch: int = 0, order: np.ndarray | None = None, watch: str = ""
    ) -> np.ndarray:
        """Run ceil(total / batch) steps on arrays given by port name (outputs are written); returns `watch` after each step."""
        with self.lock:
            return self._run(arrays, total, threads, batch, order, watch)

    def _run(self, arrays: Mapping[str, np.ndarray], total: int, threads: int, batch: int, order: np.ndarray | None, watch: str) -> np.ndarray:
        layout = self.code.layout
        batch = batch or max(total, 1)
        steps = -(-total // batch)
        self.reserve(min(batch, total), threads)
        table = (ctypes.c_void_p * (len(layout.slots) + 1))()
        for k, (name, *_) in enumerate(layout.slots):
            table[k] = arrays[name].ctypes.data if name in arrays else self.memory[name].ctypes.data
        assert self.arenas is not None
        table[len(layout.slots)] = self.arenas.ctypes.data
        trace = np.zeros(steps, DTYPES[self.code.spec.element])
        watched = arrays[watch].ctypes.data if watch else 0
        self.ctl[:] = 0
        rows = order.ctypes.data if order is not None else 0

        def go(tid: int) -> None:
            self.entry(ctypes.addressof(table), self.ctl.ctypes.data, tid, threads, steps, batch, total, rows, trace.ctypes.data, watched)

        if threads == 1:
            go(0)
            return trace
        with _together:  # two runs that wait for each other's helpers would wait for ever
            others = [_helpers(threads - 1).submit(go, k) for k in range(1, threads)]
            go(0)
            for f in others:
                f.result()
        return trace
