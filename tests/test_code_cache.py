"""The cache of compiled code: what makes a key another one, who may own the folder, what goes when it is full."""

from __future__ import annotations

import errno
import hashlib
import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import chainrule as cr
from chainrule.engines.native import cache, program
from chainrule.engines.native.spec import Arrangement, Layout
from chainrule.engines.number import FLOAT


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


def test_a_tilde_is_ones_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CHAINRULE_CACHE", "~/kept here")
    assert cache.directory() == tmp_path / "kept here"
    monkeypatch.setenv("CHAINRULE_CACHE", "")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache.directory() == tmp_path / ".cache" / "chainrule"
    monkeypatch.setenv("CHAINRULE_CACHE", "~nobody-of-this-name/x")
    assert cache.directory() is None


LAYOUT, CODE = Layout((("x", Arrangement.ROWS, 3, FLOAT),), 64, 2, 1, 8, ("a note",)), b"machine code" * 9


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CHAINRULE_CACHE", str(tmp_path / "code"))
    monkeypatch.setattr(cache, "OFTEN", 1)
    cache.store("a", LAYOUT, CODE)
    assert cache.load("a") == (LAYOUT, CODE)
    return tmp_path / "code"


def test_what_was_used_longest_ago_goes_first(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for k, key in enumerate("abcd"):
        cache.store(key, LAYOUT, CODE)
        os.utime(folder / f"{key}.code", (1000 + k, 1000 + k))
    assert cache.load("a"), "and so it is the last used"
    monkeypatch.setattr(cache, "MOST_BYTES", 2 * (folder / "a.code").stat().st_size)
    cache._prune(folder)
    assert sorted(p.name for p in folder.iterdir()) == ["a.code", "d.code"]


def test_parts_of_writers_that_were_killed_go_and_others_stay(folder: Path) -> None:
    (folder / ".part-old").write_bytes(b"half")
    (folder / ".part-new").write_bytes(b"half")
    os.utime(folder / ".part-old", (1000, 1000))
    cache.store("b", LAYOUT, CODE)
    assert sorted(p.name for p in folder.iterdir()) == [".part-new", "a.code", "b.code"]


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full"), OSError(errno.EROFS, "read-only"), PermissionError("not yours")])
@pytest.mark.parametrize("what", ["replace", "utime", "unlink", "open"])
def test_a_disk_that_refuses_is_done_without(what: str, error: OSError, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise error

    (folder / ".part-old").write_bytes(b"half")
    os.utime(folder / ".part-old", (1000, 1000))
    monkeypatch.setattr(cache.os, what, refused)
    cache.store("b", LAYOUT, CODE)
    found = cache.load("a")
    monkeypatch.undo()
    assert found == (None if what == "open" else (LAYOUT, CODE))
    assert {p.name for p in folder.iterdir()} <= {"a.code", "b.code", ".part-old"}, "no part stays behind"


def test_a_write_that_is_broken_off_leaves_nothing_behind(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cache.os, "replace", stopped)
    with pytest.raises(KeyboardInterrupt):
        cache.store("b", LAYOUT, CODE)
    assert [p.name for p in folder.iterdir()] == ["a.code"]


def test_whatever_has_an_entrys_name_is_no_entry(folder: Path) -> None:
    (folder / "b.code").mkdir()
    os.mkfifo(folder / "c.code")
    (folder / "d.code").symlink_to(folder / "nowhere")
    (folder / "e.code").symlink_to(folder / "e.code")
    with open(folder / "f.code", "wb") as f:
        f.truncate(1 << 40)
    for key in "bcdef":
        assert cache.load(key) is None
        cache.store(key, LAYOUT, CODE)
        assert cache.load(key) == (None if key == "b" else (LAYOUT, CODE)), key


def _sealed(rest: bytes, key: str = "a") -> bytes:
    return cache.MAGIC + hashlib.sha256(key.encode() + rest).digest() + rest


@pytest.mark.parametrize(
    "rest",
    [b"", b"\0" * 7, b"\xff" * 8, b"\xff" * 30, struct.pack(">Q", 4) + b"null", struct.pack(">Q", 2) + b"{}", struct.pack(">Q", 9**6) + b"[" * 9**6,
     struct.pack(">Q", 3) + b"\xff\xff\xff", struct.pack(">Q", 14) + b'{"slots": [1]}', struct.pack(">Q", 30) + b'{"slots": [["x","rows",3,"?"]]}'],
)  # fmt: skip
def test_an_entry_that_is_sealed_but_means_nothing_is_no_entry(rest: bytes, folder: Path) -> None:
    (folder / "a.code").write_bytes(_sealed(rest))
    assert cache.load("a") is None


def test_code_that_cannot_be_linked_is_made_anew(folder: Path) -> None:
    from chainrule.engines.session import session

    f = cr.op("f(x[n,D]) -> y[n,D]\n y[n,i] = x[n,i] + 0.375")
    for code in (b"", b"short", struct.pack(">Q", 0)):
        session.clear()
        assert f(np.ones((1, 1)))[0, 0] == 1.375
        (entry,) = (p for p in folder.glob("*.code") if p.name != "a.code")
        found = cache.load(entry.stem)
        assert found and len(found[1]) > 100
        cache.store(entry.stem, found[0], code)
    session.clear()
    assert f(np.ones((1, 1)))[0, 0] == 1.375


def test_processes_at_once_share_a_folder(folder: Path) -> None:
    text = """
import numpy as np, chainrule as cr
from chainrule.engines.native import cache
cache.OFTEN, cache.MOST_BYTES = 1, 60_000
for k in range(12):
    f = cr.op(f"f(x[n,D]) -> y[n,D]\\n y[n,i] = x[n,i] + {k}")
    assert f(np.ones((1, 1)))[0, 0] == 1 + k
"""
    workers = [subprocess.Popen([sys.executable, "-c", text], stderr=subprocess.PIPE) for _ in range(4)]
    for w in workers:
        assert w.communicate(timeout=100)[1] == b"" and w.returncode == 0
    assert not list(folder.glob(".part-*")) and all(cache.load(p.stem) for p in folder.glob("*.code"))


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
