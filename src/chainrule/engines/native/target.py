"""The machine that code is made for: vector width, registers, features.

CHAINRULE_TARGET names another one than the host (avx512, avx2, sse2, neon, or host), for tests and for files
that must run elsewhere.
"""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from functools import cache

import llvmlite.binding as llvm

from ...errors import ArgumentError


@dataclass(frozen=True)
class Target:
    """What the schedule needs to know of a machine."""

    name: str
    cpu: str
    features: str
    vector_bytes: int
    registers: int

    def lanes(self, element_bytes: int) -> int:
        """Elements in one vector register."""
        return self.vector_bytes // element_bytes


def _x86(name: str) -> Target:
    match name:
        case "avx2":
            return Target("avx2", "x86-64-v3", "", 32, 16)
        case "sse2":
            return Target("sse2", "x86-64", "", 16, 16)
        case _:
            return Target("avx512", "x86-64-v4", "", 64, 32)


@cache
def initialized() -> bool:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return True


@cache
def _host() -> Target:
    initialized()
    cpu = llvm.get_host_cpu_name()
    features = llvm.get_host_cpu_features()
    flat = features.flatten()
    if platform.machine().lower() in ("x86_64", "amd64"):
        if features.get("avx512f") and features.get("avx512vl") and features.get("avx512dq"):
            return Target("avx512", cpu, flat, 64, 32)
        if features.get("avx2") and features.get("fma"):
            return Target("avx2", cpu, flat, 32, 16)
        return Target("sse2", cpu, flat, 16, 16)
    return Target("neon", cpu, flat, 16, 32)


def current() -> Target:
    """The machine named by CHAINRULE_TARGET, else the host."""
    wanted = os.environ.get("CHAINRULE_TARGET", "host")
    host = _host()
    if wanted in ("host", "", host.name):
        return host
    ranks = ["sse2", "avx2", "avx512"]
    if wanted not in ranks or host.name not in ranks:
        raise ArgumentError(f"CHAINRULE_TARGET={wanted}: no such target here; accepted: host, {', '.join(ranks)}")
    if ranks.index(wanted) > ranks.index(host.name):
        raise ArgumentError(f"CHAINRULE_TARGET={wanted}: this machine has no {wanted}; accepted: {', '.join(ranks[: ranks.index(host.name) + 1])}")
    return _x86(wanted)
