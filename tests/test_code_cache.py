"""The cache of compiled code: what makes a key another one, who may own the folder, what goes when it is full."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

import chainrule as cr
from chainrule.engines.native import cache, program


@pytest.mark.parametrize("changed", ["language/index.py", "engines/native/kernel.py", "engines/number.py"])
def test_another_compiler_makes_other_keys(changed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("language/index.py", "engines/number.py", "engines/native/kernel.py", "engines/native/cache.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("one")
    monkeypatch.setattr(cache, "__file__", str(tmp_path / "engines" / "native" / "cache.py"))
    cache.sources.cache_clear()
    before = cache.key_of("the same")
    (tmp_path / changed).write_text("two")
    cache.sources.cache_clear()
    after = cache.key_of("the same")
    monkeypatch.undo()
    cache.sources.cache_clear()
    assert before != after


def test_every_part_of_a_program_makes_a_key_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    parts: list[tuple] = []
    key_of = cache.key_of
    monkeypatch.setattr(cache, "key_of", lambda *p: parts.append(p) or key_of(*p))
    f = cr.op("f(x[n,D]; k=2) -> y[n,D]\n y[n,i] = k*x[n,i]")
    spec = f.code((5, 2)).spec
    assert len({key_of(*parts[-1][:k], None, *parts[-1][k + 1 :]) for k in range(len(parts[-1]))}) == len(parts[-1])
    for part in (spec.inputs, spec.outputs, spec.number, spec.sample, spec.chunks, spec.update, program.current()):
        assert part in parts[-1]


@pytest.mark.parametrize("mode", [0o770, 0o702, 0o720])
def test_a_folder_that_a_group_may_write_to_is_not_used(mode: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAINRULE_CACHE", str(tmp_path / "code"))
    (tmp_path / "code").mkdir()
    (tmp_path / "code").chmod(mode)
    assert cache.directory() is None
    (tmp_path / "code").chmod(0o700)
    assert cache.directory() == tmp_path / "code"
    monkeypatch.setenv("CHAINRULE_CACHE", "off")
    assert cache.directory() is None


def test_the_oldest_entries_go_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for k in range(5):
        (tmp_path / f"{k}.code").write_bytes(b"x" * 100)
        os.utime(tmp_path / f"{k}.code", (1000 + k, 1000 + k))
    monkeypatch.setattr(cache, "MOST_BYTES", 250)
    cache._prune(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["3.code", "4.code"]


def test_calls_from_several_threads_do_not_share_memory() -> None:
    """Each thread has numbers of its own; a program's memory is one thread's at a time."""
    import threading

    f = cr.op("f(x[n,D]) -> y[n,D]\n m[n] = sum[i](x[n,i])\n e[n,i] = x[n,i]*m[n]\n s[i] = sum[n](e[n,i])\n y[n,i] = e[n,i] + s[i]")
    inputs = [np.full((60, 40), float(k + 1)) for k in range(4)]
    wants = [f(x) for x in inputs]
    wrong: list[int] = []

    def work(k: int) -> None:
        for _ in range(200):
            if not np.array_equal(f(inputs[k]), wants[k]):
                wrong.append(k)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong
