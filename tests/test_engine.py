"""The engine's house: the cache on disk, the glass box, refusals."""

from __future__ import annotations

import multiprocessing
import threading
from pathlib import Path

import numpy as np
import pytest

import chainrule as cr
from chainrule.engines.native import cache, translate
from chainrule.engines.session import session
from chainrule.operation.loops import loops_for

TEXT = "cached(x[n,D]; k=2) -> y[n,D]\n y[n,i] = k * x[n,i] + 0.125"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CHAINRULE_CACHE", str(tmp_path / "code"))
    session.clear()
    return tmp_path / "code"


def compiled_again(monkeypatch: pytest.MonkeyPatch) -> bool:
    """Evaluate as a new process would; did it compile?"""
    session.clear()
    called = []
    real = translate.translate
    monkeypatch.setattr(translate, "translate", lambda *a: called.append(1) or real(*a))
    assert np.array_equal(cr.op(TEXT)(np.ones((3, 2))), np.full((3, 2), 2.125))
    monkeypatch.setattr(translate, "translate", real)
    return bool(called)


def test_the_second_run_starts_at_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert compiled_again(monkeypatch)
    assert not compiled_again(monkeypatch)
    assert folder.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "damage",
    [
        lambda b: b"",
        lambda b: b[:50],
        lambda b: b[:-9],
        lambda b: b[:200] + bytes([b[200] ^ 1]) + b[201:],
        lambda b: b"\x7fELF foreign",
        lambda b: b + b"more",
    ],
)
def test_a_damaged_entry_is_compiled_anew(folder: Path, monkeypatch: pytest.MonkeyPatch, damage: object) -> None:
    compiled_again(monkeypatch)
    for path in folder.glob("*.code"):
        path.write_bytes(damage(path.read_bytes()))  # type: ignore[operator]
    assert compiled_again(monkeypatch)
    assert not compiled_again(monkeypatch), "and it was mended"


def test_an_entry_under_another_key_is_not_taken(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled_again(monkeypatch)
    (entry,) = folder.glob("*.code")
    assert cache.load(entry.stem) is not None
    entry.rename(entry.with_name("0" * 64 + ".code"))
    assert cache.load("0" * 64) is None


def test_a_folder_that_others_may_write_to_is_not_used(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.mkdir()
    folder.chmod(0o777)
    assert cache.directory() is None
    assert compiled_again(monkeypatch) and not list(folder.iterdir())


def test_a_cache_that_cannot_be_made_is_done_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CHAINRULE_CACHE", str(tmp_path / "file"))
    assert compiled_again(monkeypatch)


def test_the_loops_are_shown_with_their_formulas() -> None:
    text = cr.ops.conv2d.loops((64, 6, 14, 14), (16, 6, 5, 5), (16,), p=2)
    assert "sum[c,u,v](w[o,c,u,v] * x[n, c, i+u-2, j+v-2])" in text
    assert "for o in 0..16" in text and "for u in max(" in text and "in registers" in text
    shown = loops_for(cr.ops.max_pool2d, ["C=3", "H=8", "W=8"], backward=True)
    assert shown.count("for each block") >= 1 and "argmax" in shown
    with pytest.raises(cr.ArgumentError, match="'Q=3'"):
        loops_for(cr.ops.relu, ["Q=3"])


def test_strided_gradients_are_split_into_dense_classes() -> None:
    g = cr.ops.conv2d.gradient(["x"])
    op = cr.Op.of(g.definition)
    text = op.loops((16, 2, 9, 9), (3, 2, 3, 3), (3,), (16, 3, 4, 4), s=2)
    assert text.count("sum of dy") == 4, "a nest for each residue class of rows and columns"


def test_two_threads_may_call_at_the_same_time() -> None:
    x = np.random.default_rng(0).normal(size=(64, 3, 20, 20)).astype(np.float32)
    w, b = np.ones((4, 3, 3, 3), np.float32), np.zeros(4, np.float32)
    want = cr.ops.conv2d(x, w, b)
    wrong: list[int] = []

    def work() -> None:
        for _ in range(20):
            if not np.array_equal(cr.ops.conv2d(x, w, b, threads=2), want):
                wrong.append(1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


def _child(queue: object) -> None:
    x = np.ones((400, 30), np.float32)
    queue.put(float(cr.ops.relu(x, threads=2).sum()))  # type: ignore[attr-defined]


def test_it_works_in_a_forked_child() -> None:
    x = np.ones((400, 30), np.float32)
    assert cr.ops.relu(x, threads=2).sum() == 12000
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_child, args=(queue,))
    child.start()
    assert queue.get(timeout=60) == 12000
    child.join()


def test_an_unknown_target_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAINRULE_TARGET", "vax")
    with pytest.raises(cr.ArgumentError, match="CHAINRULE_TARGET=vax"):
        cr.ops.relu(np.ones((2, 2)))


def test_inputs_are_taken_as_they_lie_in_memory() -> None:
    x = np.random.default_rng(0).normal(size=(6, 8, 10))
    view = x[::2, ::-1, 1::3]
    f = cr.op("f(x[n,A,B]) -> y[n,B]\n y[n,b] = sum[a](x[n,a,b])")
    assert np.allclose(f(view), view.sum(1)) and np.allclose(f(np.asfortranarray(view)), view.sum(1))
    assert f(np.ones((2, 3, 4), np.dtype(">f8"))).tolist() == [[3.0] * 4] * 2


def test_loops_show_what_is_computed_in_registers_and_how_far_letters_run() -> None:
    pointwise = cr.op("f(x[n,D]) -> y[n,D]\n y[n,i] = where(x[n,i] > 0, x[n,i], 0.1*x[n,i])").loops((32, 8))
    body = "\n".join(line for line in pointwise.splitlines() if not line.strip().startswith("#"))
    assert "= where(" in body and body.count(" in 0..8") == 1
    assert "k in 0..8 written out" in cr.ops.softmax.loops((32, 8))
