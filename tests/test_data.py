"""Data sets are found, read with every count checked, and mistakes in files are named."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

import chainrule as cr
from chainrule.train import data


def idx(a: np.ndarray) -> bytes:
    return struct.pack(f">BBBB{a.ndim}I", 0, 0, 8, a.ndim, *a.shape) + a.astype(np.uint8).tobytes()


def write(folder: Path, train: int = 12, test: int = 5, zipped: bool = False) -> Path:
    rng = np.random.default_rng(0)
    for name, count in (("train", train), ("t10k", test)):
        for kind, a in (("images-idx3", rng.integers(0, 256, (count, 28, 28))), ("labels-idx1", rng.integers(0, 10, count))):
            raw = idx(a)
            (folder / f"{name}-{kind}-ubyte{'.gz' if zipped else ''}").write_bytes(gzip.compress(raw) if zipped else raw)
    return folder


@pytest.mark.parametrize("zipped", [False, True])
def test_a_folder_of_idx_files_is_a_data_set(tmp_path: Path, zipped: bool) -> None:
    d = data.fashion_mnist(write(tmp_path, zipped=zipped))
    assert d.train[0].shape == (12, 1, 28, 28) and d.train[1].shape == (12,) and d.test[0].dtype == np.uint8
    assert str(tmp_path) in d.source


def test_an_environment_variable_names_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAINRULE_DATA", str(write(tmp_path)))
    assert len(data.fashion_mnist().train[0]) == 12


def test_without_data_and_internet_the_sample_says_what_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "DEBIAN", tmp_path / "none")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("CHAINRULE_DOWNLOAD", "off")
    d = data.fashion_mnist()
    assert "SAMPLE" in d.source and len(d.train[0]) == 3000 and len(d.test[0]) == 1000
    assert np.bincount(d.train[1]).min() > 200


def test_a_download_that_is_not_the_data_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Answer:
        def __enter__(self) -> Answer:
            return self

        def __exit__(self, *_: object) -> None: ...

        def read(self) -> bytes:
            return gzip.compress(b"a login page")

    monkeypatch.setattr(data.urllib.request, "urlopen", lambda *a, **k: Answer())
    with pytest.raises(cr.DataError, match="checksum"):
        data.download(tmp_path)
    assert not list(tmp_path.glob("*"))


DAMAGE = [
    ("train-images-idx3-ubyte", lambda b: b[:-1], "its header promises"),
    ("train-images-idx3-ubyte", lambda b: b + b"x", "its header promises"),
    ("train-images-idx3-ubyte", lambda b: b"PNG!" + b[4:], "not an IDX file"),
    ("train-images-idx3-ubyte", lambda b: b[:10], "cut short in its header"),
    ("train-images-idx3-ubyte", lambda b: b"", "not an IDX file"),
    ("train-images-idx3-ubyte", lambda b: gzip.compress(b)[:-20], "damaged or cut short"),
    ("train-labels-idx1-ubyte", lambda b: idx(np.zeros(7)), "12 images, but train-labels-idx1-ubyte has 7 labels"),
    ("train-labels-idx1-ubyte", lambda b: idx(np.full(12, 10)), "label 10"),
    ("t10k-images-idx3-ubyte", lambda b: idx(np.zeros(5)), "has shape"),
]


@pytest.mark.parametrize("name, damage, problem", DAMAGE)
def test_damaged_files_are_named(tmp_path: Path, name: str, damage: object, problem: str) -> None:
    path = write(tmp_path) / name
    path.write_bytes(damage(path.read_bytes()))  # type: ignore[operator]
    with pytest.raises(cr.DataError) as e:
        data.fashion_mnist(tmp_path)
    assert problem in str(e.value) and str(tmp_path) in str(e.value).split(":")[0] and "accepted: " in str(e.value)


def test_a_named_folder_must_be_complete(tmp_path: Path) -> None:
    (write(tmp_path) / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(cr.DataError, match="lacks t10k-labels-idx1-ubyte"):
        data.fashion_mnist(tmp_path)
