"""NPZ files: arrays under the names that Keras, MedMNIST and scikit-learn's users give them. Nothing is unpickled."""

from __future__ import annotations

import math
import zipfile
from pathlib import Path

import numpy as np

from ...errors import DataError
from .arrays import places, samples
from .common import Dataset, Part, answered, as_path, assembled, at_most, within_room

TRAINED = (("x_train", "y_train"), ("X_train", "y_train"), ("train_images", "train_labels"), ("train_x", "train_y"), ("train_X", "train_y"))
TESTS = ("test", "val", "valid")  # what stands in the place of "train"; the first that is there
WHOLE = (("x", "y"), ("X", "y"), ("images", "labels"), ("data", "target"), ("data", "labels"))
ACCEPTED = "x_train and y_train (with x_test and y_test), train_images and train_labels (with test_…), or " + ", ".join(
    f"{x} and {y}" for x, y in WHOLE
)
SOUND = "a whole .npz file, as numpy.savez or savez_compressed write it"


def _array(z: zipfile.ZipFile, info: zipfile.ZipInfo, place: str) -> np.ndarray:
    """One array of the file: what its header promises is checked before it is decompressed, and no more than that is."""
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise DataError(f"{place} is compressed in a way of its own (number {info.compress_type}); accepted: {SOUND}")
    with z.open(info) as f, answered(place, "no array that can be read", SOUND):
        version = np.lib.format.read_magic(f)
        if version not in ((1, 0), (2, 0)):
            raise DataError(f"{place} is of version {version}; accepted: versions 1.0 and 2.0")
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, by_columns, kind = read(f)
        if kind.hasobject:
            raise DataError(f"{place} is an array of Python objects, which are not unpickled; accepted: arrays of numbers or texts")
        if kind.kind not in "biufUS" or not kind.itemsize or not all(0 <= s < 2**62 for s in shape):
            raise DataError(f"{place} has type {kind} and shape {shape}; accepted: arrays of numbers or texts")
        want = math.prod(shape) * kind.itemsize
        if f.tell() + want != info.file_size:
            raise DataError(f"{place}: {info.file_size} bytes, but its header promises {shape} of {kind}, {f.tell() + want}; accepted: {SOUND}")
        within_room(place, want, f"its header promises {shape} of {kind}, which is")
        raw = at_most(f, want + 1)  # reading to the end also compares the checksum
    if len(raw) != want:
        raise DataError(f"{place}: {len(raw)} bytes, but its header promises {shape} of {kind}; accepted: {SOUND}")
    return np.frombuffer(raw, kind).reshape(shape, order="F" if by_columns else "C")


def _chosen(path: Path, keys: list[str]) -> list[tuple[str, str]]:
    """The names of inputs and labels: of the training and the test part, or of one part."""
    for x, y in TRAINED:
        if x in keys and y in keys:
            tests = [(x.replace("train", word), y.replace("train", word)) for word in TESTS]
            test = next((pair for pair in tests if set(pair) & set(keys)), None)
            if test is not None and not set(test) <= set(keys):
                lacking = next(k for k in test if k not in keys)
                raise DataError(f"{path}: has no {lacking}, but {', '.join(keys)}; accepted: {ACCEPTED}")
            return [(x, y)] + ([test] if test else [])
    found = next(((x, y) for x, y in WHOLE if x in keys and y in keys), None)
    if found is None:
        raise DataError(f"{path}: has {', '.join(keys[:20]) or 'no arrays'}; accepted: {ACCEPTED}")
    return [found]


def read_npz(
    path: str | Path,
    *,
    layout: str | None = None,
    shape: tuple[int, int, int] | None = None,
    test_share: float = 0.2,
    seed: int = 0,
) -> Dataset:
    """The data set in an .npz file: x_train, y_train, x_test, y_test and the other names of docs/data.md.

    Without a test part, `test_share` of every class becomes it. layout: "NHW", "NHWC", "NCHW" or "NX", where the axes do not tell.
    shape: (channels, rows, columns) of images whose pixels lie in a row. Errors: DataError, starting with the path.
    """
    path = as_path(path)
    with answered(path, "not a zip file, damaged or cut short", SOUND), zipfile.ZipFile(path) as z:
        entries = {info.filename.removesuffix(".npy"): info for info in z.infolist() if info.filename.endswith(".npy")}
        names = _chosen(path, list(entries))
        read = {k: _array(z, entries[k], f"{path}: {k}") for pair in names for k in pair}
    made, way = samples([(f"{path}: {x}", read[x]) for x, _ in names], layout, shape)
    parts = [Part(a, read[y], x, places(path, y)) for a, (x, y) in zip(made, names, strict=True)]
    return assembled(path, parts, f"{', '.join(k for pair in names for k in pair)}; {way}", None, test_share, seed)
