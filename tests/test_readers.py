"""Data sets from NPZ, CSV, folders and arrays: what is read, by which rule, and that every damage is answered with its place."""

from __future__ import annotations

import gzip
import inspect
import io
import os
import random
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

import chainrule as cr
from chainrule.cli import main
from chainrule.train import data, run
from chainrule.train.readers import common
from tests.test_data import idx, write

RNG = np.random.default_rng(0)
X, Y = RNG.integers(0, 256, (30, 8, 9)), np.arange(30) % 3
BYTES = X.astype(np.uint8)
IRIS = "5.1,3.5,setosa\n4.9,3.0,virginica\n5.0,1,setosa\n4,4,virginica\n"


def saved(folder: Path, **arrays: object) -> Path:
    np.savez_compressed(folder / "a.npz", **arrays)  # type: ignore[arg-type]  # whatever a test saves
    return folder / "a.npz"


def text(folder: Path, content: str | bytes, name: str = "a.csv") -> Path:
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return folder / name


def picture(path: Path, shape: tuple[int, ...] = (6, 8)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(RNG.integers(0, 256, shape).astype(np.uint8)).save(path)


def tree(root: Path, *parts: str, count: int = 5, suffix: str = "png") -> Path:
    for part in parts or ("",):
        for kind in ("dog", "cat"):
            for k in range(count):
                picture(root / part / kind / f"{k}.{suffix}")
    return root


# NPZ -----------------------------------------------------------------------------------------------------------------

NAMES = [
    (("x_train", "y_train", "x_test", "y_test"), "x_train, y_train, x_test, y_test; NHW"),
    (("train_images", "train_labels", "test_images", "test_labels"), "test_images"),
    (("train_images", "train_labels", "val_images", "val_labels"), "val_images"),
    (("X_train", "y_train", "X_test", "y_test"), "X_test"),
    (("x", "y"), "x, y; NHW"),
    (("X", "y"), "X, y"),
    (("images", "labels"), "images, labels"),
    (("data", "target"), "data, target"),
]


@pytest.mark.parametrize("keys, told", NAMES)
def test_the_arrays_of_an_npz_file_are_known_by_usual_names(tmp_path: Path, keys: tuple[str, ...], told: str) -> None:
    arrays = dict(zip(keys, (X, Y[:, None], X[:6], Y[:6, None]), strict=False))
    d = data.dataset(saved(tmp_path, unused=np.zeros(3), **arrays))
    assert told in d.source and str(tmp_path) in d.source and d.classes == ("0", "1", "2") and d.shape == (1, 8, 9)
    (x, t), (u, v) = d.train, d.test
    assert x.dtype == u.dtype == np.uint8 and t.dtype == np.int64
    if len(keys) == 4:
        assert np.array_equal(x[:, 0], X) and np.array_equal(t, Y) and np.array_equal(u[:, 0], X[:6]) and np.array_equal(v, Y[:6])
    else:
        assert np.bincount(t).tolist() == [8] * 3 and np.bincount(v).tolist() == [2] * 3 and "test_share=0.2 by seed 0" in d.source
        assert sorted(map(bytes, [*x, *u])) == sorted(map(bytes, BYTES)), "every sample is in one part"
        where = {bytes(a): k for a, k in zip(BYTES, Y, strict=True)}
        assert [where[bytes(a)] for a in [*x, *u]] == [*t, *v], "labels stay with their samples"


A = RNG.integers(0, 256, (30, 5, 6, 3))
LAYOUTS: list[tuple[np.ndarray, dict[str, Any], np.ndarray, str]] = [
    (A[..., 0], {}, A[..., :1].transpose(0, 3, 1, 2), "NHW, 1 channel of 5 x 6, bytes"),
    (A, {}, A.transpose(0, 3, 1, 2), "NHWC, 3 channels of 5 x 6, bytes"),
    (A.transpose(0, 3, 1, 2), {}, A.transpose(0, 3, 1, 2), "NCHW, 3 channels of 5 x 6"),
    (A[:, :3], {"layout": "NCHW"}, A[:, :3], "NCHW, 3 channels of 6 x 3"),
    (A[:, :3], {"layout": "NHWC"}, A[:, :3].transpose(0, 3, 1, 2), "NHWC, 3 channels of 3 x 6"),
    (A / 255, {}, (A / 255).transpose(0, 3, 1, 2).astype(np.float32), "NHWC, 3 channels of 5 x 6, floats"),
    (A - 1, {}, (A - 1).transpose(0, 3, 1, 2).astype(np.float32), "floats"),
    (A > 7, {}, (A > 7).transpose(0, 3, 1, 2), "bytes"),
    (A.reshape(30, 90), {}, A.reshape(30, 90).astype(np.float32), "90 features, floats"),
    (A.reshape(30, 90), {"shape": (3, 5, 6)}, A.reshape(30, 3, 5, 6), "3 channels of 5 x 6, bytes"),
    (A.reshape(30, 90) / 1.0, {"shape": (3, 5, 6)}, A.reshape(30, 3, 5, 6), "bytes"),
    (A[..., 0] / 2, {"layout": "NX"}, (A[..., 0] / 2).astype(np.float32), "5 x 6 features, floats"),
    (A[..., None], {}, A[..., None].astype(np.float32), "5 x 6 x 3 x 1 features"),
]


@pytest.mark.parametrize("a, how, want, told", LAYOUTS, ids=lambda v: v if isinstance(v, str) else "")
def test_axes_are_read_by_a_rule_that_the_source_tells(tmp_path: Path, a: np.ndarray, how: dict[str, Any], want: np.ndarray, told: str) -> None:
    d = data.from_arrays(a, Y, a[:9], Y[:9], **how)
    assert np.array_equal(d.train[0], want) and np.array_equal(d.test[0], want[:9]) and told in d.source
    assert d.train[0].dtype == (np.uint8 if "bytes" in d.source else np.float32) and d.train[0].flags.c_contiguous
    e = data.read_npz(saved(tmp_path, x_train=np.asfortranarray(a), y_train=Y, x_test=a[:9], y_test=Y[:9]), **how)
    assert np.array_equal(e.train[0], d.train[0]) and np.array_equal(e.test[0], d.test[0])


NPZ_REFUSED: list[tuple[dict[str, object], str]] = [
    ({}, "has no arrays"),
    ({"x": X, "z": Y}, "has x, z"),
    ({"x_train": X, "y_train": Y, "x_test": X}, "has no y_test"),
    ({"x": X, "y": Y[:5]}, "30 samples in x, but 5 labels"),
    ({"x": X[:0], "y": Y[:0]}, "x has shape (0, 8, 9)"),
    ({"x": X, "y": Y * 0}, "one class only (0)"),
    ({"x": X, "y": Y - 1}, "y[0] is -1, which is no class"),
    ({"x": X, "y": Y + 0.5}, "y[0] is 0.5, which is no class"),
    ({"x": X, "y": np.where(Y == 2, np.nan, Y)}, "y[2] is nan, which is no class"),
    ({"x": X, "y": Y + 2.0**70}, "y[0] is 1.18059e+21, which is no class"),
    ({"x": X, "y": np.arange(30)}, "every class has one sample"),
    ({"x": X, "y": np.stack([Y, Y], 1)}, "y has shape (30, 2)"),
    ({"x": X, "y": np.array(3)}, "y is one value"),
    ({"x": X, "y": Y * 1j}, "y has type complex128"),
    ({"x": X * 1j, "y": Y}, "x has type complex128"),
    ({"x": np.where(X == 7, np.inf, X), "y": Y}, "= inf, which cannot be trained on"),
    ({"x": X * 1e300, "y": Y}, "which is too large for float32"),
    ({"x": X[:, 0, 0], "y": Y}, "x has shape (30,)"),
    ({"x": np.array(["a"] * 30), "y": Y}, "x has type <U1"),
    ({"x": np.array([None] * 30), "y": Y}, "x is an array of Python objects, which are not unpickled"),
    ({"x": X, "y": np.array([b"a", b"\xff", b"c"])[Y]}, "y: not texts that can be read"),
    ({"x": X, "y": np.array(["a", "", "c"])[Y]}, "y[1] is '', which names no class"),
    ({"x": A[:, :3], "y": Y}, "either axis may be the channels"),
    ({"x": np.zeros((30, 5, 5, 5)), "y": Y}, "no axis is 1, 3 or 4 channels long"),
    ({"x_train": X, "y_train": Y, "x_test": X[:5], "y_test": Y[:5] + 1}, "y_test[2] is '3', which the training part lacks"),
    ({"x_train": X, "y_train": Y, "x_test": X[:5, 1:], "y_test": Y[:5]}, "samples of x_test have shape (1, 7, 9), those of x_train (1, 8, 9)"),
    ({"x_train": X, "y_train": Y, "x_test": X[:5], "y_test": np.array(list("abcde"))}, "y_test[0] is one of texts"),
]


@pytest.mark.parametrize("arrays, problem", NPZ_REFUSED, ids=lambda v: v if isinstance(v, str) else "")
def test_npz_files_that_are_no_data_set_are_refused(tmp_path: Path, arrays: dict[str, object], problem: str) -> None:
    path = saved(tmp_path, **arrays)
    with pytest.raises(cr.DataError) as e:
        data.dataset(path)
    assert str(e.value).startswith(f"{path}: ") and problem in str(e.value) and "; accepted: " in str(e.value)


def npy(header: bytes, body: bytes = b"") -> bytes:
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + body


HEADERS = [
    (npy(b"{'descr': '<f8', 'fortran_order': False, 'shape': (10, 4), }\n", bytes(8)), "its header promises (10, 4) of float64"),
    (npy(b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000, 4), }\n"), "its header promises"),
    (npy(b"{'descr': '<f8', 'fortran_order': False, 'shape': (-1, 4), }\n"), "has type float64 and shape (-1, 4)"),
    (npy(b"{'descr': '<V8', 'fortran_order': False, 'shape': (1,), }\n", bytes(8)), "accepted: arrays of numbers"),
    (npy(b"{'descr': '<U0', 'fortran_order': False, 'shape': (1,), }\n"), "accepted: arrays of numbers"),
    (npy(b"(" * 9000), "no array that can be read"),
    (npy(b"{}"), "no array that can be read"),
    (b"", "no array that can be read"),
    (b"\x93NUMPY\x03\x00" + bytes(20), "version (3, 0)"),
]


@pytest.mark.parametrize("raw, problem", HEADERS, ids=lambda v: v if isinstance(v, str) else "")
def test_an_array_that_promises_what_is_not_there_is_refused(tmp_path: Path, raw: bytes, problem: str) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as z:
        z.writestr("x.npy", raw)
        z.writestr("y.npy", raw)
    with pytest.raises(cr.DataError) as e:
        data.dataset(tmp_path / "a.npz")
    assert str(e.value).startswith(f"{tmp_path / 'a.npz'}: x") and problem in str(e.value)


def test_nothing_is_decompressed_that_memory_does_not_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    npz = saved(tmp_path, x=np.zeros((30, 1000, 1000), np.uint8), y=Y)
    csv = text(tmp_path, gzip.compress(b"0," * 2**20), "a.csv.gz")
    one = text(tmp_path, gzip.compress(idx(np.zeros((3, 500, 1000)))), "a-ubyte.gz")
    tree(tmp_path / "tree")
    monkeypatch.setattr(common, "room", lambda: 1 << 20)
    for path, read, options in (
        (npz, data.dataset, {}),
        (csv, data.dataset, {}),
        (one, data.read_idx, {}),
        (tmp_path / "tree", data.dataset, {"size": (999, 999)}),
    ):
        with pytest.raises(cr.DataError, match=r"bytes; accepted: up to [\d,]+") as e:
            read(path, **options)  # type: ignore[operator]  # all of them take a path
        assert str(path) in str(e.value)


# CSV -----------------------------------------------------------------------------------------------------------------

TABLES: list[tuple[str, dict[str, Any], str, tuple[str, ...], int]] = [
    (IRIS, {}, "labels in column 2, no line of names; 2 features", ("setosa", "virginica"), 4),
    ("a,b,kind\n" + IRIS, {}, "labels in column 2 ('kind'); 2 features", ("setosa", "virginica"), 4),
    ("\ufeffa,b,kind\r\n" + IRIS.replace("\n", "\r\n") + "\r\n\r\n  \n", {}, "labels in column 2 ('kind')", ("setosa", "virginica"), 4),
    (IRIS.replace("\n", "\r"), {}, "labels in column 2", ("setosa", "virginica"), 4),
    ("\n\n" + IRIS.replace("\n", "\n\n"), {}, "labels in column 2", ("setosa", "virginica"), 4),
    ('"a","b, c","kind"\n"1",2,"x, y"\n3,"4","z ""q"""\n5,6,"x, y"\n', {}, "('kind')", ("x, y", 'z "q"'), 3),
    ("label,0,1\ncat,3,4\ndog,3,4\ncat,4,4\n", {}, "('label')", ("cat", "dog"), 3),
    ("y,class,Label\n1,2,0\n2,3,1\n3,4,1\n", {}, "column 2 ('Label'); 2 features", ("0", "1"), 3),
    ("a,Target,b\n3,7,4\n3,5,4\n4,7,4\n", {}, "column 1 ('Target')", ("5", "7"), 3),
    ("9,3,4,2\n1,3,4,5\n9,4,0,7\n", {}, "column 0,", ("1", "9"), 3),
    ("1,3,4,0\n2,3,4,1\n3,4,0,0\n", {}, "column 3,", ("0", "1"), 3),
    ("0.5,3,1\n1,3,0\n2,4,1\n", {}, "column 2,", ("0", "1"), 3),
    ("2,3,0\n1,3,0\n2,4,0\n", {}, "column 0,", ("1", "2"), 3),
    ("2,3,0\n1,3,0\n2,4,1\n", {"label": 0}, "column 0,", ("1", "2"), 3),
    ("2,3,0\n1,3,0\n2,4,1\n", {"label": "-1"}, "column 2,", ("0", "1"), 3),
    ("a,b,c\n2,3,0\n1,3,0\n2,4,1\n", {"label": "b"}, "column 1 ('b')", ("3", "4"), 3),
    ("2,3,0\n1,3,0\n2,4,1\n2,4,1\n", {"label": 0, "header": True}, "column 0 ('2'); 2 features", ("1", "2"), 3),
    (",x,label\n0,5,1\n1,6,2\n2,5,1\n", {}, "column 2 ('label'); 1 features", ("1", "2"), 3),
    ("a;b;class\n1;2,5;x\n1;2;x\n1;3;y\n".replace("2,5", "2.5"), {}, "('class')", ("x", "y"), 3),
    ("a\tb\tclass\n1\t2\t0\n1\t2\t1.0\n1\t3\t1\n", {}, "('class')", ("0", "1"), 3),
    ("10,1\n9,2\n10,3\n", {"label": 0}, "column 0", ("9", "10"), 3),
    ("a10,1\na9,2\na10,3\n", {}, "column 0", ("a10", "a9"), 3),
    (" x , 1.5e1 \n y ,+2\n x,.5\n", {}, "column 0", ("x", "y"), 3),
    ("1,3,4,5,6\n2,0,9,255,7\n1,1,1,1,1\n", {"label": 0, "shape": (1, 2, 2)}, "1 channel of 2 x 2, bytes", ("1", "2"), 3),
    ("1,3,4,5,6\n2,0,9,256,7\n1,1,1,1,1\n", {"label": 0, "shape": (1, 2, 2)}, "1 channel of 2 x 2, floats", ("1", "2"), 3),
]


@pytest.mark.parametrize("content, options, told, classes, count", TABLES, ids=lambda v: repr(v)[:40] if isinstance(v, str) else "")
def test_tables_are_read_by_rules(tmp_path: Path, content: str, options: dict[str, Any], told: str, classes: tuple[str, ...], count: int) -> None:
    for path in (text(tmp_path, content), text(tmp_path, gzip.compress(content.encode()), "a.csv.gz")):
        d = data.dataset(path, **options)
        assert told in d.source and d.classes == classes and len(d.train[0]) + len(d.test[0]) == count, d.source


def test_numbers_and_labels_of_a_table_stay_together(tmp_path: Path) -> None:
    rows = [(k / 7, -k, k % 4, f"kind {k % 4}") for k in range(40)]
    path = text(tmp_path, "a,b,c,kind\n" + "".join(f"{a},{b},{c},{t}\n" for a, b, c, t in rows))
    d = data.read_csv(path, test_share=0.25, seed=3)
    assert d.classes == tuple(f"kind {k}" for k in range(4)) and len(d.train[0]) == 28 and len(d.test[0]) == 12
    for x, t in (d.train, d.test):
        assert np.array_equal(x[:, 2], t) and np.array_equal(x[:, 0], (-x[:, 1] / 7.0).astype(np.float32))
    again, other = data.read_csv(path, test_share=0.25, seed=3), data.read_csv(path, test_share=0.25, seed=4)
    assert np.array_equal(again.test[0], d.test[0]) and not np.array_equal(other.test[0], d.test[0])
    both = data.read_csv(path, test=text(tmp_path, "a,b,c,kind\n1,2,3,kind 1\n", "t.csv"))
    assert len(both.train[0]) == 40 and both.test[1].tolist() == [1] and both.test[0].tolist() == [[1, 2, 3]]


CSV_REFUSED: list[tuple[str | bytes, dict[str, Any], str]] = [
    ("", {}, ": an empty file"),
    ("\n \n", {}, ": an empty file"),
    ("a,label\n", {}, ": a line of names and no samples"),
    ("1\n2\n", {}, ": one column"),
    ("a,1,2\nb,3\n", {}, ":2: 2 fields, but 3 in line 1"),
    ("a,1,2\n\nb,3,4,5\n", {}, ":3: 4 fields, but 3 in line 1"),
    ("x,y,label\n1,2\n", {}, ":2: 2 fields, but 3 names of columns"),
    ("x,y,label\n1,2,a\n3,oops,b\n", {}, ":3: column 1 ('y') is 'oops', which is no number"),
    ("1,2,a\n3,,b\n", {}, ":2: column 1 is '', which is no number"),
    ("1,2,a\n3,1_0,b\n", {}, ":2: column 1 is '1_0', which is no number"),
    ("1,2,a\n3,nan,b\n", {}, ":2: column 1 is 'nan', which cannot be trained on"),
    ("1,2,a\n-inf,2,b\n", {}, ":2: column 0 is '-inf', which cannot be trained on"),
    ("1,2,a\n3,1e39,b\n", {}, ":2: column 1 is '1e39', which cannot be trained on"),
    ("label,x\n\n1,2\n0.5,2\n", {}, ":4: column 0 ('label') is 0.5, which is no class"),
    ("label,x\n-1,2\n1,2\n", {}, ":2: column 0 ('label') is -1, which is no class"),
    ("label,x\n,2\na,2\n", {}, ":2: column 0 ('label') is '', which names no class"),
    ("label,x\n1,2\n1,3\n", {}, ": one class only (1)"),
    ("label,x\n1,2\n2,3\n", {}, ": every class has one sample"),
    ("label,Label,x\n1,2,3\n", {}, ": column 0 ('label') and column 1 ('Label') may both be the classes"),
    ("a,b,1\nc,d,2\n", {}, ":1: column 0 and column 1 are no numbers"),
    ("0,3,4\n1,3,5\n0,4,4\n", {}, ": column 0 and column 2 may both be the classes"),
    ("0.5,3,-4\n1,3,5\n", {}, ": column 0 and column 2 are no whole numbers"),
    (b"1,2,a\n1,2,\xe9\n", {}, ":2: the byte e9 is no text in UTF-8"),
    ("1,2,a\n".encode("utf-16"), {}, ":1: the byte ff is no text in UTF-8"),
    (b"1,2,a\n\0\0\n", {}, ":2: 1 field, but 3 in line 1"),
    ("1,2,a\n1," + "9" * 200_000 + ",b\n", {}, ": not a table that can be read (field larger than field limit"),
    (IRIS, {"shape": (1, 2, 2)}, ": the table has 2 numbers for each sample; accepted: 4"),
    (gzip.compress(IRIS.encode())[:-5], {}, ": the compressed data is damaged or cut short"),
]


@pytest.mark.parametrize("content, options, problem", CSV_REFUSED, ids=lambda v: v[:40] if isinstance(v, str) else "")
def test_tables_that_are_none_are_refused_with_the_line(tmp_path: Path, content: str | bytes, options: dict[str, Any], problem: str) -> None:
    path = text(tmp_path, content)
    with pytest.raises(cr.DataError) as e:
        data.dataset(path, **options)
    assert str(e.value).startswith(f"{path}{problem}") and "; accepted: " in str(e.value)


# Folders -------------------------------------------------------------------------------------------------------------


def test_a_folder_of_pictures_has_a_class_in_each_folder(tmp_path: Path) -> None:
    d = data.dataset(tree(tmp_path / "pets"))
    assert d.classes == ("cat", "dog") and d.shape == (1, 6, 8) and d.train[0].dtype == np.uint8
    assert d.train[1].tolist() == [0] * 4 + [1] * 4 and d.test[1].tolist() == [0, 1]
    whole = {bytes(a): k for part in (d.train, d.test) for a, k in zip(*part, strict=True)}
    for k, kind in enumerate(d.classes):
        for path in (tmp_path / "pets" / kind).iterdir():
            assert whole[bytes(data.read_images(path)[0])] == k
    assert len(whole) == 10
    for path in (tmp_path / "pets").glob("*/*.png"):  # the same names at other times in another place
        picture(tmp_path / "again" / path.parent.name / path.name)
        (tmp_path / "again" / path.parent.name / path.name).write_bytes(path.read_bytes())
    assert np.array_equal(data.dataset("again", tmp_path).test[0], d.test[0])
    assert not np.array_equal(data.dataset("again", tmp_path, seed=2).test[0], d.test[0])


def test_colour_sizes_hidden_and_other_files(tmp_path: Path) -> None:
    root = tree(tmp_path / "pets")
    picture(root / "cat" / "colour.PPM", (6, 8, 3))
    for name in (".hidden.png", "notes.txt", "Thumbs.db"):
        (root / "cat" / name).write_text("no picture")
    (root / ".git").mkdir()
    (root / "README").write_text("")
    d = data.dataset(root)
    assert d.shape == (3, 6, 8) and len(d.train[0]) + len(d.test[0]) == 11 and "2 other files passed over" in d.source
    picture(root / "dog" / "tall.jpg", (9, 8))
    with pytest.raises(cr.DataError, match=r"tall\.jpg: 9 x 8, but .*0\.png is 6 x 8; accepted: .*size=\(rows, columns\)"):
        data.dataset(root)
    assert data.dataset(root, size=(4, 5)).shape == (3, 4, 5)
    (root / "dog" / "z.bmp").write_text("no picture")
    with pytest.raises(cr.DataError, match=r"z\.bmp: not a picture that can be read"):
        data.dataset(root)
    (root / "fish").mkdir()
    with pytest.raises(cr.DataError, match=r"fish: a folder without pictures, which would be a class"):
        data.dataset(root)


@pytest.mark.parametrize("test", ["test", "val", "validation"])
def test_folders_for_training_and_test(tmp_path: Path, test: str) -> None:
    d = data.read_folder(tree(tmp_path, "train", test, count=2))
    assert f"train and {test}" in d.source and len(d.train[0]) == len(d.test[0]) == 4 and d.classes == ("cat", "dog")
    picture(tmp_path / test / "fish" / "0.png")
    with pytest.raises(cr.DataError, match=r"fish.0\.png: its class is 'fish', which the training part lacks; accepted: .*cat, dog"):
        data.read_folder(tmp_path)


@pytest.mark.parametrize("zipped", [False, True])
def test_a_folder_of_idx_pairs_by_any_name(tmp_path: Path, zipped: bool) -> None:
    write(tmp_path, 40, 30, zipped)
    d = data.dataset(tmp_path)
    assert d.shape == (1, 28, 28) and len(d.train[0]) == 40 and len(d.test[0]) == 30 and d.classes == tuple(map(str, range(10)))
    for path in list(tmp_path.iterdir()):
        path.rename(tmp_path / path.name.replace("t10k-", "emnist-letters-test-").replace("train-", "emnist-letters-train-"))
    assert np.array_equal(data.dataset(tmp_path).test[0], d.test[0])
    end = ".gz" if zipped else ""
    (tmp_path / f"emnist-letters-test-labels-idx1-ubyte{end}").unlink()
    with pytest.raises(cr.DataError, match="its labels are not there"):
        data.dataset(tmp_path)
    (tmp_path / f"emnist-letters-test-images-idx3-ubyte{end}").unlink()
    assert "test_share=0.2" in data.dataset(tmp_path).source
    (tmp_path / "digits-images-idx3-ubyte").write_bytes(idx(np.zeros((4, 2, 2))))
    (tmp_path / "digits-labels-idx1-ubyte").write_bytes(idx(np.zeros(4)))
    with pytest.raises(cr.DataError, match="accepted: one data set in a folder"):
        data.dataset(tmp_path)


# All of them ---------------------------------------------------------------------------------------------------------

CALLS: list[tuple[Callable[[Path], object], str]] = [
    (lambda p: data.dataset("imagenet"), "'imagenet': no such data set"),
    (lambda p: data.dataset(None), "None: not a path"),  # type: ignore[arg-type]
    (lambda p: data.dataset(["a"]), "['a']: not a path"),  # type: ignore[arg-type]
    (lambda p: data.dataset(p / "none"), "{p}/none: no such file or folder"),
    (lambda p: data.dataset(p / "none.npz"), "{p}/none.npz: cannot be read (No such file"),
    (lambda p: data.dataset(p / "none.csv"), "{p}/none.csv: cannot be read (No such file"),
    (lambda p: data.dataset(text(p, "", "a.xlsx")), "{p}/a.xlsx: a file of a kind that is not known"),
    (lambda p: data.dataset(p), "{p}: holds nothing"),
    (lambda p: data.read_csv(p), "{p}: cannot be read (Is a directory)"),
    (lambda p: data.read_npz(p), "{p}: cannot be read (Is a directory)"),
    (lambda p: data.read_idx(p), "{p}: cannot be read (Is a directory)"),
    (lambda p: data.read_folder(text(p, "")), "{p}/a.csv: a file; accepted: FOLDER/CLASS"),
    (lambda p: data.read_npz(text(p, IRIS)), "{p}/a.csv: not a zip file"),
    (lambda p: data.dataset(p / "a\0b.csv"), "{p}/a\0b.csv: "),
    (lambda p: data.dataset(text(p, IRIS), size=(2, 2)), "size=(2, 2): {p}/a.csv is not read with it; accepted: test, label"),
    (lambda p: data.dataset("fashion-mnist", label=1), "label=1: fashion-mnist is not read with it"),
    (lambda p: data.dataset(text(p, IRIS), test_share=1), "test_share=1: "),
    (lambda p: data.dataset(text(p, IRIS), test_share="x"), "test_share='x': "),
    (lambda p: data.dataset(text(p, IRIS), seed=-1), "seed=-1: "),
    (lambda p: data.dataset(text(p, IRIS), label="kind"), "label='kind': {p}/a.csv has 3 columns without names"),
    (lambda p: data.dataset(text(p, IRIS), label=3), "label=3: {p}/a.csv has 3 columns"),
    (lambda p: data.dataset(text(p, "a,b\n1,2\n"), label="c"), "label='c': {p}/a.csv has columns a, b"),
    (lambda p: data.dataset(text(p, IRIS), shape=(28, 28)), "shape=(28, 28): "),
    (lambda p: data.dataset(saved(p, x=X, y=Y), layout="CHW"), "layout='CHW': "),
    (lambda p: data.dataset(saved(p, x=X, y=Y), layout="NCHW"), "{p}/a.npz: x has shape (30, 8, 9), which layout='NCHW' cannot be"),
    (lambda p: data.dataset(saved(p, x=X, y=Y), layout="NHW", shape=(1, 8, 9)), "layout='NHW', shape=(1, 8, 9): "),
    (lambda p: data.dataset(tree(p), size=4), "size=4: "),
    (lambda p: data.from_arrays(X, Y, X), "t_test=None: "),
    (lambda p: data.from_arrays(X, Y, classes="abc"), "classes='abc'"),
    (lambda p: data.from_arrays(X, Y, classes=["a", "b"]), "arrays: t[2] is '2', which "),
    (lambda p: data.from_arrays(np.ma.masked_array(X, X > 3), Y), "x: "),
    (lambda p: data.from_arrays(X, np.array(["a", 1, "b"], object)[Y]), "arrays: t has type object"),
    (lambda p: data.from_arrays(X, None), "arrays: t is one value"),
    (lambda p: data.from_arrays(X, [{}] * 30), "arrays: t has type object"),
]


@pytest.mark.parametrize("call, problem", CALLS, ids=[f"{k} {p}" for k, (_, p) in enumerate(CALLS)])
def test_what_cannot_be_read_is_answered(call: Callable[[Path], object], problem: str, tmp_path: Path) -> None:
    with pytest.raises(cr.ChainruleError) as e:
        call(tmp_path)
    assert str(e.value).startswith(problem.replace("{p}", str(tmp_path))) and "accepted: " in str(e.value)


def test_a_file_that_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    text(tmp_path, IRIS), saved(tmp_path, x=X, y=Y), tree(tmp_path / "tree")
    monkeypatch.setattr(Path, "open", denied)
    monkeypatch.setattr(io, "open", denied)
    monkeypatch.setattr(os, "scandir", denied)
    for name in ("a.csv", "a.npz", "tree"):
        with pytest.raises(cr.DataError, match=r"cannot be read \(Permission denied\); accepted: ") as e:
            data.dataset(tmp_path / name)
        assert str(e.value).startswith(str(tmp_path / name))


def test_class_names_may_be_given_with_arrays() -> None:
    d = data.from_arrays(X, Y, classes=["red", "green", "blue", "grey"])
    assert d.classes == ("red", "green", "blue", "grey") and set(d.train[1]) == {0, 1, 2}
    e = data.from_arrays(X, [["red", "green", "blue"][k] for k in Y], classes=["red", "green", "blue", "grey"])
    assert np.array_equal(e.train[1], d.train[1]) and np.array_equal(e.test[1], d.test[1])
    f = data.from_arrays(X, np.array(["red", "green", "blue"], object)[Y], classes=["red", "green", "blue"])  # as pandas has texts
    assert np.array_equal(f.train[1], d.train[1])
    assert data.from_arrays(X, [["red", "green", "blue"][k] for k in Y]).classes == ("blue", "green", "red")


@given(st.lists(st.integers(0, 4), min_size=2, max_size=40), st.floats(0.01, 0.99), st.integers(0, 5), st.randoms())
def test_a_split_is_of_every_class_and_of_names_alone(labels: list[int], share: float, seed: int, order: random.Random) -> None:
    t, keys = np.array(labels), [f"{k}.png" for k in range(len(labels))]
    chosen = common.split(t, keys, share, seed)
    for c in set(labels):
        n = labels.count(c)
        assert chosen[t == c].sum() == min(max(1, int(share * n + 0.5)), n - 1)
    other = list(range(len(labels)))
    order.shuffle(other)
    moved = common.split(t[other], [keys[k] for k in other], share, seed)
    assert np.array_equal(moved, chosen[other])


def test_names_for_folders_of_runs() -> None:
    for given_, want in (
        ("fashion-mnist", "fashion-mnist"),
        ("a/b/My Flowers/", "My-Flowers"),
        ("x/mnist.csv.gz", "mnist"),
        ("d.npz", "d"),
        ("/", "data"),
    ):
        assert data.name_of(given_) == want
    assert data.name_of(".") == data.name_of(os.getcwd()) and "/" not in data.name_of("..") and data.name_of("é/ü.csv") == "data"


def test_what_goes_in_front_of_a_network() -> None:
    x = (RNG.normal(size=(200, 3)) * [1, 100, 0] + [5, -3000, 7]).astype(np.float32)
    for a in (x, np.stack([x, x], 2)[..., None], x[..., None]):
        y = np.asarray(data.standardised(a)(a.astype(np.float64)))
        axes = (0, *range(2, a.ndim)) if a.ndim != 3 else None
        assert np.allclose(y.mean(axes), 0, atol=1e-3) and np.all(np.isclose(y.std(axes), 1, atol=1e-3) | (y.std(axes) == 0))
    same = np.nextafter(np.ones((10, 1), np.float32), np.arange(10, dtype=np.float32)[:, None] % 2 * 2, dtype=np.float32)
    assert np.ptp(same) > 0 and np.abs(np.asarray(data.standardised(same)(same))).max() < 1e-6, "constant but for rounding"
    assert len(str(data.standardised(np.zeros((2, 3000), np.float32)))) < 200
    d = data.from_arrays(X, Y)
    assert data.transform_for(d) is cr.ops.scale
    assert str(data.transform_for(data.from_arrays(x, Y.repeat(7)[:200]))).startswith("normalize(x[n,3])")


# Damage --------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Path, bytes]]:
    """A file of each kind that is read."""
    folder = tmp_path_factory.mktemp("sound")
    for zipped in (False, True):
        write(folder / "idx" if (folder / "idx").mkdir(exist_ok=True) is None else folder, 4, 3, zipped)
    np.savez(folder / "stored.npz", x=X[:6], y=Y[:6])
    np.savez_compressed(folder / "deflated.npz", x=X[:6], y=np.array(["a", "b"] * 3))
    text(folder, IRIS), text(folder, gzip.compress(IRIS.encode()), "b.csv.gz")
    for k, suffix in enumerate(("png", "jpg", "bmp", "ppm", "pgm")):
        picture(folder / f"p.{suffix}", (5, 6, 3) if k < 4 else (5, 6))
    return [(p, p.read_bytes()) for p in sorted(folder.rglob("*")) if p.is_file()]


def mutated(raw: bytes, draw: random.Random) -> bytes:
    out = bytearray(raw)
    for _ in range(draw.choice((1, 1, 2, 4, 16))):
        at = draw.randrange(len(out) + 1)
        kind = draw.randrange(5)
        if kind == 0:
            out[at : at + 1] = bytes([draw.randrange(256)])
        elif kind == 1:
            del out[at : at + draw.randrange(1, 9)]
        elif kind == 2:
            out[at:at] = bytes(draw.choices(b'\0\xff,"\n.;9e-n', k=draw.randrange(1, 5)))
        elif kind == 3:
            out[at : at + 4] = struct.pack("<I", draw.choice((0, 1, 2**31, 2**32 - 1, len(raw))))
        else:
            del out[at:]
    return bytes(out)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**40))
def test_damaged_files_never_end_in_a_foreign_error(sound: list[tuple[Path, bytes]], tmp_path: Path, seed: int) -> None:
    draw = random.Random(seed)
    for path, raw in sound:
        read_damaged(path, mutated(raw, draw), tmp_path)


def read_damaged(path: Path, raw: bytes, folder: Path) -> None:
    """Reads it; what is refused is refused by its name."""
    broken = folder / path.name
    broken.write_bytes(raw)
    read = data.read_idx if "ubyte" in path.name else data.dataset if path.name.endswith((".npz", ".csv", ".gz")) else data.read_images
    try:
        read(broken)
    except cr.DataError as e:
        assert str(e).startswith(str(broken)) and "accepted: " in str(e)


KINDS = ["?", "u1", "i1", ">i2", "i8", "u8", "f2", "f4", ">f8", "c8", "U2", "S2", "O", "M8[s]", "V3"]
SIZES = [(), (0,), (1,), (6,), (6, 1), (6, 2), (6, 0), (5, 3), (6, 4, 4), (6, 4, 4, 3), (6, 3, 4, 3), (6, 1, 4, 4), (6, 2, 2, 2, 2), (1, 4, 4)]
OPTIONS = [{}, {"layout": "NHW"}, {"layout": "NHWC"}, {"layout": "NX"}, {"shape": (1, 4, 4)}, {"shape": (1, 1, 2)}, {"test_share": 0.9}]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.sampled_from(KINDS), st.sampled_from(SIZES), st.integers(-1, 300)), min_size=4, max_size=4),
    st.booleans(),
    st.sampled_from(OPTIONS),
)
def test_arrays_of_any_kind_are_read_or_refused(
    tmp_path: Path, kinds: list[tuple[str, tuple[int, ...], int]], whole: bool, options: dict[str, Any]
) -> None:
    made = []
    for kind, shape, top in kinds:
        a = np.arange(np.prod(shape, dtype=int)).reshape(shape) % max(top, 1) - (top < 0)
        with np.errstate(all="ignore"):
            made.append(a.astype("u1").astype("V3") if kind == "V3" else a.astype(kind))
    names = ("x", "y") if whole else ("x_train", "y_train", "x_test", "y_test")
    path = saved(tmp_path, **dict(zip(names, made, strict=False)))
    for read in (lambda: data.read_npz(path, **options), lambda: data.from_arrays(*made[: len(names)], **options)):
        try:
            d = read()
        except cr.ChainruleError as e:
            assert "accepted: " in str(e)
        else:
            for x, t in (d.train, d.test):
                assert len(x) == len(t) > 0 and x.dtype in (np.uint8, np.float32) and x.shape[1:] == d.shape and t.dtype == np.int64
                assert t.min() >= 0 and t.max() < len(d.classes) > 1


FIELDS = ["0", "1", "2.5", "-1", "cat", "", "label", "y", '"a b"', '"', "nan", "1e40", " 3 ", "x,y", "é", "0x1", "1_0", "\t", ";", "１"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.lists(st.sampled_from(FIELDS[:6] * 3 + FIELDS), min_size=2, max_size=4), max_size=6),
    st.sampled_from([{}, {"label": 0}, {"label": -1}, {"label": "y"}, {"header": True}, {"header": False}, {"shape": (1, 1, 2)}]),
    st.sampled_from(["\n", "\r\n", "\n\n"]),
)
def test_tables_of_any_fields_are_read_or_refused(tmp_path: Path, rows: list[list[str]], options: dict[str, Any], end: str) -> None:
    path = text(tmp_path, end.join(map(",".join, rows)))
    try:
        d = data.read_csv(path, **options)
    except cr.ChainruleError as e:
        assert "accepted: " in str(e) and str(path) in str(e)
    else:
        assert np.isfinite(d.train[0]).all() and len(d.train[0]) + len(d.test[0]) in (len(rows), len(rows) - 1) and len(d.classes) > 1


# The page ------------------------------------------------------------------------------------------------------------


def test_the_example_of_the_page_prints_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    page = (Path(__file__).parents[1] / "docs" / "data.md").read_text()
    code = page.partition("```python\n")[2].partition("```")[0]
    told = page.partition("```python\n")[2].partition("```\n\n```\n")[2].partition("```")[0]
    monkeypatch.chdir(tmp_path)
    exec(code, {})
    assert capsys.readouterr().out == told


def test_the_page_names_every_option() -> None:
    page = (Path(__file__).parents[1] / "docs" / "data.md").read_text()
    for read in (data.read_npz, data.read_csv, data.read_folder, data.from_arrays):
        row = next(line for line in page.splitlines() if line.startswith("|") and f"`{read.__name__}`" in line)
        options = [k for k, p in inspect.signature(read).parameters.items() if p.kind is p.KEYWORD_ONLY]
        assert options and all(f"`{k}`" in row for k in options)


def test_the_command_takes_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tree(tmp_path / "my pets", count=2)
    done = CliRunner().invoke(main, ["train", "my pets/", "--model", "mlp", "--epochs", "1"])
    assert done.exit_code == 0, done.output
    assert "data: my pets (pictures, 6 x 8 with 1 channel; test_share=0.2 by seed 0; 2 + 2 samples of 2 classes)" in done.output
    assert cr.load(tmp_path / "runs" / "my-pets-mlp" / "model.safetensors").classes == ("cat", "dog")
    done = CliRunner().invoke(main, ["train", "my pets"])
    assert done.exit_code == 2 and "error: 'lenet5' for inputs of [1, 6, 8]: it takes images" in done.output


def test_a_run_on_a_table_of_features(tmp_path: Path) -> None:
    rows = "".join(f"{1000 + 60 * (k % 3) + k % 7},{(k % 5) / 1000},kind {k % 3}\n" for k in range(90))
    d = data.dataset(text(tmp_path, rows))
    outcome = run.train(run.Settings(str(tmp_path / "a.csv"), "mlp", 4, 16, 0.1, 0.9, 0.0, 0, 1), d, tmp_path / "out")
    assert outcome.epochs[-1].test_accuracy == 1.0
    net = cr.load(outcome.model)
    assert net.classes == ("kind 0", "kind 1", "kind 2") and net.input is not None and net.input.shape == (2,)
    assert (net(d.test[0]).argmax(axis=1) == d.test[1]).all()
    assert "trained on floats" in run.doubt(net, outcome.model)
