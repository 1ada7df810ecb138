"""How many processors there are for a process, and how many threads a run gets."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.engines import processors as processors_of
from chainrule.engines.processors import PARALLEL_WORK, granted, processors, threads_asked, threads_for
from chainrule.engines.session import elements


def written(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize(
    "own, files, want",
    [
        ("0::/\n", {"cpu.max": "max 100000\n"}, 1 << 30),
        ("0::/\n", {"cpu.max": "150000 100000\n"}, 2),
        ("0::/\n", {"cpu.max": "20000 100000\n"}, 1),
        ("0::/box/one\n", {"cpu.max": "max 100000\n", "box/cpu.max": "300000 100000\n", "box/one/cpu.max": "800000 100000\n"}, 3),
        ("0::/box\n", {"box/cpu.max": "max\n"}, 1 << 30),
        ("0::/box\n", {"box/cpu.max": "many few\n"}, 1 << 30),
        ("0::/box\n", {"box/cpu.max": "1 0\n"}, 1 << 30),
        ("4:cpu,cpuacct:/box\n2:memory:/\n", {"cpu/box/cpu.cfs_quota_us": "400000\n", "cpu/box/cpu.cfs_period_us": "100000\n"}, 4),
        ("4:cpu:/\n", {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 1 << 30),
        ("4:cpu:/gone\n", {"cpu/cpu.cfs_quota_us": "250000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 3),
        ("nonsense\n", {}, 1 << 30),
        ("0::/../../etc\n", {}, 1 << 30),
    ],
)
def test_what_a_control_group_grants_is_all_there_is(own: str, files: dict[str, str], want: int, tmp_path: Path) -> None:
    written(tmp_path, {"self": own})
    assert granted(written(tmp_path / "groups", files), tmp_path / "self") == want


def test_a_system_without_control_groups_grants_everything(tmp_path: Path) -> None:
    assert granted(tmp_path / "none", tmp_path / "neither") == 1 << 30


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system binds no process to processors")
def test_a_process_that_is_bound_to_a_processor_has_one() -> None:
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert processors() == 1
    finally:
        os.sched_setaffinity(0, before)
    assert 1 <= processors() <= len(before)


def test_threads_are_what_was_asked_for_or_worth_their_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processors_of, "processors", lambda: 7)
    assert [threads_for(None, n) for n in (0, PARALLEL_WORK, PARALLEL_WORK + 1)] == [1, 1, 7]
    assert threads_for(3, 0) == 3 and threads_for(1, 1 << 40) == 1
    assert threads_asked(None) is None and threads_asked(np.int8(4)) == 4


NET = nn.Sequential(nn.Linear(3, 2)).init(0)
X, T = np.ones((4, 3), np.float32), np.zeros(4, int)
LOSS, OPT = nn.CrossEntropyLoss(), cr.optim.SGD(0.1)


@pytest.mark.parametrize("threads", [0, -1, 2.0, True, "2", (2,)])
@pytest.mark.parametrize(
    "call",
    [
        lambda k: cr.ops.relu(X, threads=k),
        lambda k: NET(X, threads=k),
        lambda k: cr.value_and_grad(NET, LOSS)(X, T, threads=k),
        lambda k: cr.evaluate(NET, LOSS, (X, T), threads=k),
        lambda k: cr.fit(NET, LOSS, OPT, (X, T), epochs=1, threads=k),
        lambda k: cr.TrainStep(NET, LOSS, OPT, X, T, 2, threads=k),
    ],
)
def test_what_is_no_number_of_threads_is_refused_everywhere_alike(call: object, threads: object) -> None:
    with pytest.raises(cr.ArgumentError, match=r"^threads=.*: not a number of threads; accepted: a whole number of at least 1"):
        call(threads)  # type: ignore[operator]


def test_the_work_of_a_step_is_counted_with_what_lies_between() -> None:
    f = cr.op("f(x[n,A], w[A]) -> y[n]\n h[n,i] = x[n,i] * w[i]\n y[n] = sum[i](h[n,i]*h[n,i])")
    assert elements(f.ready({"x": np.ones((5, 7)), "w": np.ones(7)}, {}).spec) == (7, 7 + 7 + 1)
    g = cr.op("g(x[A,B]) -> y[A]\n y[i] = sum[j](x[i,j])")
    assert elements(g.ready({"x": np.ones((5, 7))}, {}).spec) == (40, 0)


def test_a_small_step_has_one_thread_and_a_large_one_has_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processors_of, "processors", lambda: 5)
    held = cr.ops.relu.ready({"x": np.ones((5, 100))}, {}).held
    assert held.threads(None, 5) == 1 and held.threads(None, 500) == 5 and held.threads(2, 5) == 2
