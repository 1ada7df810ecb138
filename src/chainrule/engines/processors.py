"""How many processors there are for this process, and how many threads a run gets: one rule for every caller."""

from __future__ import annotations

import math
import os
from functools import cache
from pathlib import Path

import numpy as np

from ..errors import ArgumentError

PARALLEL_WORK = 30_000  # elements of a run from which on it is shared out: some 10 microseconds of the simplest work, to wake a helper costs a few


def threads_asked(value: object) -> int | None:
    """The argument `threads` of whatever computes; None leaves it to the rule."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise ArgumentError(f"threads={value!r:.80}: not a number of threads; accepted: a whole number of at least 1, or None")
    return int(value)


def threads_for(asked: int | None, elements: int) -> int:
    """As many as were asked for; else one for each processor where a run (or one step of it) touches elements enough to share."""
    return asked or (processors() if elements > PARALLEL_WORK else 1)


def processors() -> int:
    """Processors that this process may use: the system's, those it is bound to, and what its control group grants it in a second."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(bound, granted()))


@cache
def granted(root: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> int:
    """Whole processors' worth of time that control groups grant, a part of one counted as one; very many where they set no bound."""
    quotas = [math.inf]
    for folder in _groups(root, own):
        try:
            if (folder / "cpu.max").exists():
                quota, period = (folder / "cpu.max").read_text().split()[:2]
            else:
                quota, period = ((folder / name).read_text().strip() for name in ("cpu.cfs_quota_us", "cpu.cfs_period_us"))
            if quota not in ("max", "-1"):
                quotas.append(int(quota) / int(period))
        except (OSError, ValueError, ZeroDivisionError):
            continue  # no such file, or one that says something else: no bound
    least = min(quotas)
    return 1 << 30 if least == math.inf else max(1, math.ceil(least))


def _groups(root: Path, own: Path) -> list[Path]:
    """The folders of the group of this process and of those around it, in both versions of the interface."""
    try:
        rows = [row.split(":", 2) for row in own.read_text().splitlines()]
    except OSError:
        rows = []
    found = {root, root / "cpu"}
    for _, controllers, path in (row for row in rows if len(row) == 3):
        base = root if not controllers else root / "cpu" if "cpu" in controllers.split(",") else None
        at = base / path.lstrip("/") if base else None
        while base and at and base in at.parents:
            found.add(at)
            at = at.parent
    return sorted(found)
