"""What the measurements share: the machine, the FMA peak of this run, medians, tables."""

from __future__ import annotations

import ctypes
import os
import platform
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import llvmlite
import llvmlite.binding as llvm
import numpy as np

from chainrule.engines.native.target import Target, current, initialized


def machine() -> str:
    """The processor, the vector width in use, cores and versions."""
    model = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo") as f:
            model = next(line.split(":", 1)[1].strip() for line in f if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    t = current()
    return f"{model}, {os.cpu_count()} cores, {t.name} ({t.cpu}), Python {platform.python_version()}, NumPy {np.__version__}, llvmlite {llvmlite.__version__}"


class Peak:
    """The rate of fused multiply-adds that nothing else slows down: 24 independent chains in registers."""

    CHAINS = 24

    def __init__(self, element: str = "float", target: Target | None = None):
        initialized()
        self.target = target or current()
        self.lanes = self.target.lanes(4 if element == "float" else 8)
        vec, suffix = f"<{self.lanes} x {element}>", f"v{self.lanes}f{32 if element == 'float' else 64}"
        half, one = (f"<{', '.join([f'{element} {v}'] * self.lanes)}>" for v in (0.5, 1.0))
        chains = range(self.CHAINS)
        lines = [f"declare {vec} @llvm.fmuladd.{suffix}({vec}, {vec}, {vec})", f"define {element} @peak(i64 %n) {{", "entry:", "  br label %L", "L:"]
        lines += ["  %i = phi i64 [ 0, %entry ], [ %j, %L ]"]
        lines += [f"  %a{q} = phi {vec} [ zeroinitializer, %entry ], [ %b{q}, %L ]" for q in chains]
        lines += [f"  %b{q} = call {vec} @llvm.fmuladd.{suffix}({vec} %a{q}, {vec} {half}, {vec} {one})" for q in chains]
        lines += ["  %j = add i64 %i, 1", "  %c = icmp slt i64 %j, %n", "  br i1 %c, label %L, label %X", "X:"]
        total = "%b0"
        for q in list(chains)[1:]:
            lines.append(f"  %s{q} = fadd {vec} {total}, %b{q}")
            total = f"%s{q}"
        lines += [f"  %r = extractelement {vec} {total}, i32 0", f"  ret {element} %r", "}"]
        module = llvm.parse_assembly("\n".join(lines))
        tm = llvm.Target.from_default_triple().create_target_machine(cpu=self.target.cpu, features=self.target.features, opt=2)
        self.engine = llvm.create_mcjit_compiler(module, tm)
        self.engine.finalize_object()
        kind = ctypes.c_float if element == "float" else ctypes.c_double
        self.call = ctypes.CFUNCTYPE(kind, ctypes.c_int64)(self.engine.get_function_address("peak"))

    def flops(self, threads: int = 1, steps: int = 2_000_000, tries: int = 5) -> float:
        """Floating-point operations per second now, on this many threads at once: the best of a few tries."""
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(lambda _: self.call(1000), range(threads)))
            best = min(timed(lambda: list(pool.map(lambda _: self.call(steps), range(threads)))) for _ in range(tries))
        return threads * steps * self.CHAINS * 2 * self.lanes / best


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def median(values: list[float]) -> float:
    return statistics.median(values)


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    return "\n".join(["| " + " | ".join(r) + " |" for r in [head, ["---"] * len(head), *rows]])
