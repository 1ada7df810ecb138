"""Pictures: single files, and folders with a class in each."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import DataError
from .common import GZIP, Dataset, Part, answered, as_path, assembled, whole_sizes, within_room
from .idx import pairs_in, read_idx, read_pairs

MODES = {1: "L", 3: "RGB", 4: "RGBA"}  # Pillow's names of grey and colour
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".pgm", ".pbm", ".pnm")
READABLE = "a PNG, JPEG, BMP, PPM or IDX file"
TREES = "FOLDER/CLASS/*.png (also .jpg, .bmp, .ppm), or FOLDER/train/CLASS/… with FOLDER/test/CLASS/…, or IDX files"


def read_images(path: str | Path, size: tuple[int, int] | None = None, channels: int | None = None) -> np.ndarray:
    """Images [samples, channels, rows, columns] of bytes from an IDX file or a picture (PNG, JPEG, BMP, PPM).

    Pictures are made grey or coloured as `channels` says and resized to `size` (rows, columns); what is None stays as it
    is in the file. Errors: DataError for files that are no images, and IDX files of another size.
    """
    path = as_path(path)
    if channels is not None and channels not in MODES:
        raise DataError(f"{path}: the model takes {channels} channels; accepted: models of 1 (grey), 3 (RGB) or 4 (RGBA) channels")
    with answered(path, "not a file that can be read", READABLE):
        if not path.is_file():
            raise DataError(f"{path}: no such file; accepted: {READABLE}")
        with path.open("rb") as f:
            head = f.read(4)
    if head[:2] == b"\0\0" or path.name.removesuffix(".gz").endswith("ubyte") or head[:2] == GZIP:
        return _idx_images(path, size, channels)
    from PIL import Image

    with answered(path, "not a picture that can be read", READABLE), Image.open(path) as picture:
        pixels, grey = picture.copy(), _grey(picture)
        if picture.mode.startswith("I;16"):  # 0 to 65535, of which Pillow's own conversion keeps what is below 256
            pixels = Image.fromarray((np.asarray(picture, np.uint16) / 257 + 0.5).astype(np.uint8))
        elif picture.mode in ("I", "F"):
            raise DataError(f"{path}: its pixels are {'32-bit whole numbers' if picture.mode == 'I' else 'floats'}; accepted: 1, 8 or 16 bits")
        made = pixels.convert(MODES[channels or (1 if grey else 3)])
        made = made if size is None else made.resize((size[1], size[0]), Image.Resampling.BILINEAR)
        a = np.asarray(made, np.uint8)
    return a[None, None] if a.ndim == 2 else np.ascontiguousarray(a.transpose(2, 0, 1))[None]


def _grey(picture: Any) -> bool:
    return picture.mode in ("1", "L", "LA") or picture.mode.startswith("I;16")


def _idx_images(path: Path, size: tuple[int, int] | None, channels: int | None) -> np.ndarray:
    """[rows, columns], [samples, rows, columns] or [samples, channels, rows, columns]."""
    a = read_idx(path)
    if a.ndim not in (2, 3, 4) or a.dtype != np.uint8 or 0 in a.shape:
        raise DataError(f"{path}: has shape {a.shape} and type {a.dtype}; accepted: images of bytes")
    a = a if a.ndim == 4 else a.reshape(-1, 1, *a.shape[-2:])
    want = (channels or a.shape[1], *(size or a.shape[2:]))
    if a.shape[1:] != want:
        raise DataError(f"{path}: images of {image_size(a.shape[1:])}; accepted: {image_size(want)}")
    return a


def image_size(shape: Sequence[int]) -> str:
    """[channels, rows, columns] in words."""
    return f"{shape[1]} x {shape[2]} with {shape[0]} channel{'s' * (shape[0] != 1)}"


# Folders -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Tree:
    """The pictures of one part: each with its class, and how many other files were passed over."""

    files: tuple[Path, ...]
    classes: tuple[str, ...]
    others: int


def _entries(folder: Path) -> tuple[list[str], list[str]]:
    """The names of folders and of files in a folder, sorted; hidden ones (.name, __name) do not count."""
    with answered(folder, "cannot be read", TREES), os.scandir(folder) as there:
        rows = sorted((e.name, e.is_dir()) for e in there if not e.name.startswith((".", "__")))
    return [name for name, is_dir in rows if is_dir], [name for name, is_dir in rows if not is_dir]


def _tree(folder: Path, kinds: Sequence[str]) -> Tree:
    """The pictures of the class folders."""
    files, classes, others = list[Path](), list[str](), 0
    for kind in kinds:
        inner, names = _entries(folder / kind)
        pictures = [n for n in names if n.lower().endswith(SUFFIXES)]
        if not pictures:
            raise DataError(f"{folder / kind}: a folder without pictures, which would be a class; accepted: {TREES}")
        files += [folder / kind / n for n in pictures]
        classes += [kind] * len(pictures)
        others += len(names) - len(pictures) + len(inner)
    return Tree(tuple(files), tuple(classes), others)


def _header(path: Path) -> tuple[int, int, bool]:
    """Rows, columns, and whether it is grey, without reading the pixels."""
    from PIL import Image

    with answered(path, "not a picture that can be read", "a whole PNG, JPEG, BMP or PPM file"), Image.open(path) as picture:
        return picture.height, picture.width, _grey(picture)


def _pixels(root: Path, files: Sequence[Path], size: tuple[int, int] | None) -> np.ndarray:
    """All pictures in one array: grey where all of them are, else in colour."""
    with ThreadPoolExecutor() as pool:
        heads = list(pool.map(_header, files))
        other = next((k for k, h in enumerate(heads) if h[:2] != heads[0][:2]), None)
        if other is not None and size is None:
            a, b = heads[0], heads[other]
            raise DataError(
                f"{files[other]}: {b[0]} x {b[1]}, but {files[0]} is {a[0]} x {a[1]}; "
                "accepted: pictures of one size, or size=(rows, columns), to which all are resized"
            )
        channels, (rows, columns) = 1 if all(h[2] for h in heads) else 3, size or heads[0][:2]
        within_room(root, len(files) * channels * rows * columns, f"{len(files)} pictures of {rows} x {columns} fill")
        out = np.empty((len(files), channels, rows, columns), np.uint8)

        def read(k: int) -> None:
            out[k] = read_images(files[k], size, channels)[0]

        list(pool.map(read, range(len(files))))
    return out


def read_folder(
    path: str | Path,
    *,
    size: tuple[int, int] | None = None,
    layout: str | None = None,
    test_share: float = 0.2,
    seed: int = 0,
) -> Dataset:
    """The data set in a folder: pictures with a folder for each class, or the pairs of IDX files that it holds.

    FOLDER/train/CLASS/… with FOLDER/test/CLASS/… (or val), or FOLDER/CLASS/…, of which `test_share` of every class becomes the test
    part, by seed and names alone. Classes are the folders' names, sorted. size: (rows, columns) to which pictures are resized;
    layout: of IDX files with four axes. Errors: DataError, starting with the path.
    """
    root, sizes = as_path(path), None if size is None else whole_sizes(size, "size", 2, "(rows, columns)")
    with answered(root, "cannot be read", TREES):
        if not root.is_dir():
            raise DataError(f"{root}: {'a file' if root.exists() else 'no such folder'}; accepted: {TREES}")
    kinds, names = _entries(root)
    pairs = pairs_in(root, names)
    if pairs:
        return read_pairs(root, pairs, layout, test_share, seed)
    if not kinds:
        raise DataError(f"{root}: holds {', '.join(names[:5]) or 'nothing'}; accepted: {TREES}")
    trees = {"": kinds}
    if "train" in kinds and (inner := _entries(root / "train")[0]):
        test = next((k for k in ("test", "val", "valid", "validation") if k in kinds), None)
        trees = {"train": inner} | ({test: _entries(root / test)[0]} if test else {})
    found = {name: _tree(root / name, inner) for name, inner in trees.items()}
    for name, tree in found.items():
        if not tree.files:
            raise DataError(f"{root / name}: no pictures in it; accepted: {TREES}")
    x = _pixels(root, [f for tree in found.values() for f in tree.files], sizes)
    parts, before = list[Part](), 0
    for name, tree in found.items():
        keys = [f"{c}/{f.name}" for c, f in zip(tree.classes, tree.files, strict=True)]
        part = x[before : before + len(tree.files)]
        parts.append(Part(part, np.array(tree.classes), name or root.name, lambda k, tree=tree: f"{tree.files[k]}: its class", keys))  # type: ignore[misc]  # a default binds the loop's
        before += len(tree.files)
    others = sum(t.others for t in found.values())
    way = f"pictures, {image_size(x.shape[1:])}" + (f"; {others} other files passed over" if others else "")
    return assembled(root, parts, " and ".join(k for k in found if k) * bool(found) + ", " * ("train" in found) + way, None, test_share, seed)
