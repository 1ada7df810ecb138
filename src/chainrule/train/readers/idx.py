"""IDX files, as MNIST and its relatives have them, and folders of their pairs."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from ...errors import DataError
from .arrays import places, samples
from .common import Dataset, Part, as_path, assembled, at_most, opened, within_room

IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def read_idx(path: str | Path) -> np.ndarray:
    """The array in an IDX file (.gz or plain); read_folder reads a folder of them.

    Errors: DataError, starting with the path, for a file that is missing, truncated, too long or not IDX.
    """
    path = as_path(path)
    with opened(path, "a whole IDX file, plain or .gz (read_folder takes a folder of them)") as f:
        head = bytes(at_most(f, 4))
        if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in IDX_TYPES or head[3] == 0:
            raise DataError(f"{path}: not an IDX file (it starts with {head.hex() or 'nothing'}); accepted: 0000, a type byte and the number of axes")
        axes, kind = head[3], np.dtype(IDX_TYPES[head[2]])
        sizes = at_most(f, 4 * axes)
        if len(sizes) < 4 * axes:
            raise DataError(f"{path}: cut short in its header ({4 + len(sizes)} bytes for {axes} axes); accepted: a whole file")
        if axes > 8:
            raise DataError(f"{path}: its header promises {axes} axes; accepted: up to 8")
        shape = struct.unpack(f">{axes}I", sizes)
        want = math.prod(shape) * kind.itemsize
        within_room(path, want, f"its header promises {shape}, which is")
        raw = at_most(f, want + 1)
    if len(raw) != want:
        there = len(raw) if len(raw) < want else "more"
        raise DataError(f"{path}: {there} bytes of numbers, but its header promises {shape}, which is {want}; accepted: a whole file, and no more")
    return np.frombuffer(raw, kind).reshape(shape)


def read_pair(images: Path, labels: Path, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels that belong together."""
    with ThreadPoolExecutor(2) as pool:
        a, b = pool.map(read_idx, (images, labels))
    if a.ndim != 3 or a.dtype != np.uint8 or 0 in a.shape:
        raise DataError(f"{images}: has shape {a.shape} and type {a.dtype}; accepted: images of bytes, [samples, rows, columns]")
    if b.ndim != 1 or b.dtype != np.uint8:
        raise DataError(f"{labels}: has shape {b.shape} and type {b.dtype}; accepted: one byte for each label")
    if len(a) != len(b):
        raise DataError(f"{images}: {len(a)} images, but {labels.name} has {len(b)} labels; accepted: as many of one as of the other")
    if b.max(initial=0) >= classes:
        raise DataError(f"{labels}: label {b.max()}; accepted: 0 to {classes - 1}")
    return a[:, None], b


# Folders of pairs ----------------------------------------------------------------------------------------------------

IMAGES = re.compile(r"(?P<stem>.*?)images(?P<between>[-._])idx\d-ubyte(?P<zip>\.gz)?")
NAMES = "…train-images-idx3-ubyte with …train-labels-idx1-ubyte, and t10k-… or test-… for the test part, plain or .gz"


def pairs_in(folder: Path, names: Sequence[str]) -> dict[str, tuple[Path, Path]]:
    """The pairs of files in a folder: what stands before "images" and "labels" -> images, labels."""
    found: dict[str, tuple[Path, Path]] = {}
    for name in sorted(names):
        m = IMAGES.fullmatch(name)
        if m is None or (m["stem"] in found and m["zip"]):
            continue
        wanted = [f"{m['stem']}labels{m['between']}idx1-ubyte{end}" for end in (m["zip"] or "", "", ".gz")]
        label = next((w for w in wanted if w in names), None)
        if label is None:
            raise DataError(f"{folder / name}: its labels are not there ({wanted[0]}); accepted: {NAMES}")
        found[m["stem"]] = folder / name, folder / label
    return found


def _part_of(stem: str) -> str:
    return "test" if re.search(r"t10k|test|val", stem, re.I) else "train"


def read_pairs(folder: Path, pairs: dict[str, tuple[Path, Path]], layout: str | None, test_share: float, seed: int) -> Dataset:
    """The data set of a folder's pairs: one that is no test part, and at most one that is."""
    stems = {kind: [s for s in pairs if _part_of(s) == kind] for kind in ("train", "test")}
    for kind, of_kind in stems.items():
        if len(of_kind) > 1 or (kind == "train" and not of_kind):
            there = ", ".join(pairs[s][0].name for s in of_kind) or "none"
            raise DataError(f"{folder}: images of the {kind} part: {there}; accepted: one data set in a folder: {NAMES}")
    rows = [pairs[s] for of_kind in stems.values() for s in of_kind]
    with ThreadPoolExecutor(4) as pool:
        flat = list(pool.map(read_idx, [p for row in rows for p in row]))
    images, labels = flat[::2], flat[1::2]
    for (a, _), x in zip(rows, images, strict=True):
        if x.ndim < 3:
            raise DataError(f"{a}: has shape {x.shape}; accepted: images, [samples, rows, columns]")
    made, way = samples([(f"{a}: the array", x) for (a, _), x in zip(rows, images, strict=True)], layout)
    parts = [Part(x, t, a.name, places(b, "label")) for x, t, (a, b) in zip(made, labels, rows, strict=True)]
    return assembled(folder, parts, f"IDX, {way}", None, test_share, seed)
