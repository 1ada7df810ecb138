"""Data sets: where they are found, how IDX files are read (every count checked), and the sample in the package."""

from __future__ import annotations

import gzip
import hashlib
import math
import os
import struct
import urllib.request
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import ArgumentError, DataError

IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}

FASHION_CLASSES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")


@dataclass(frozen=True)
class Dataset:
    """Images [samples, channels, rows, columns] of bytes 0 to 255 with their class numbers, and where they came from."""

    train: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]
    classes: tuple[str, ...]
    source: str


def read_idx(path: str | Path) -> np.ndarray:
    """The array in an IDX file (.gz or plain).

    Errors: DataError, starting with the path, for a file that is missing, truncated, too long or not IDX.
    """
    path = Path(path)
    try:
        raw = path.read_bytes()
    except OSError as e:
        raise DataError(f"{path}: cannot be read ({e.strerror}); accepted: an IDX file, plain or .gz") from None
    if raw[:2] == b"\x1f\x8b":
        try:
            raw = gzip.decompress(raw)
        except (OSError, EOFError, zlib.error) as e:
            raise DataError(f"{path}: the compressed data is damaged or cut short ({e}); accepted: a whole .gz file") from None
    if len(raw) < 4 or raw[:2] != b"\0\0" or raw[2] not in IDX_TYPES or raw[3] == 0:
        raise DataError(f"{path}: not an IDX file (it starts with {raw[:4].hex() or 'nothing'}); accepted: 0000, a type byte and the number of axes")
    axes, kind = raw[3], np.dtype(IDX_TYPES[raw[2]])
    if len(raw) < 4 + 4 * axes:
        raise DataError(f"{path}: cut short in its header ({len(raw)} bytes for {axes} axes); accepted: a whole file")
    shape = struct.unpack(f">{axes}I", raw[4 : 4 + 4 * axes])
    want = 4 + 4 * axes + math.prod(shape) * kind.itemsize
    if axes > 8:
        raise DataError(f"{path}: its header promises {axes} axes; accepted: up to 8")
    if len(raw) != want:
        raise DataError(f"{path}: {len(raw)} bytes, but its header promises {shape}, which is {want}; accepted: a whole file")
    return np.frombuffer(raw, kind, offset=4 + 4 * axes).reshape(shape)


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


# Fashion-MNIST -----------------------------------------------------------------------------------------------------

FILES = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}  # with the SHA-256 sums of what the .gz files hold
ORIGIN = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
DEBIAN = Path("/usr/share/datasets/fashion-mnist")


def cache_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "chainrule" / "fashion-mnist"


def _file(folder: Path, name: str) -> Path | None:
    return next((p for p in (folder / name, folder / f"{name}.gz") if p.is_file()), None)


def _complete(folder: Path) -> bool:
    return all(_file(folder, name) for name in FILES)


def download(folder: Path, timeout: float = 5.0) -> None:
    """Fetch Fashion-MNIST into a folder; every file is checked before it takes its place."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, want in FILES.items():
        target = folder / f"{name}.gz"
        if target.is_file():
            continue
        with urllib.request.urlopen(f"{ORIGIN}{name}.gz", timeout=timeout) as r:
            raw = r.read()
        try:
            sound = hashlib.sha256(gzip.decompress(raw)).hexdigest() == want
        except (OSError, EOFError, zlib.error):
            sound = False
        if not sound:
            raise DataError(f"{name}.gz: the download is not the file it should be (its checksum differs); accepted: the original file")
        part = target.with_suffix(".part")
        part.write_bytes(raw)
        part.replace(target)


def fashion_mnist(data_dir: str | Path | None = None, may_download: bool = True) -> Dataset:
    """Fashion-MNIST (60,000 + 10,000 images, MIT licence).

    Looked for in data_dir, else $CHAINRULE_DATA, else Debian's folder, else the user's cache; else downloaded into that
    cache; else the sample that comes with the package. A folder that was named but lacks files is an error.
    """
    named = [(data_dir, "--data-dir"), (os.environ.get("CHAINRULE_DATA"), "CHAINRULE_DATA")]
    for value, what in named:
        if value:
            folder = Path(value)
            missing = [n for n in FILES if not _file(folder, n)]
            if missing:
                raise DataError(f"{folder}: {what} lacks {', '.join(missing)}; accepted: a folder with {', '.join(FILES)} (plain or .gz)")
            return _from_folder(folder)
    for folder in (DEBIAN, cache_folder()):
        if _complete(folder):
            return _from_folder(folder)
    if may_download and os.environ.get("CHAINRULE_DOWNLOAD") != "off":
        try:
            download(cache_folder())
            return _from_folder(cache_folder())
        except (OSError, DataError):
            pass  # no internet, or something that is not the data: the sample says clearly what it is
    return sample()


def _from_folder(folder: Path) -> Dataset:
    paths = [_file(folder, name) for name in FILES]
    assert all(paths)
    jobs = [(paths[0], paths[1]), (paths[2], paths[3])]
    with ThreadPoolExecutor(2) as pool:
        train, test = pool.map(lambda p: read_pair(p[0], p[1], 10), jobs)  # type: ignore[arg-type]  # all files are there, as asserted
    return Dataset(train, test, FASHION_CLASSES, f"Fashion-MNIST in {folder} ({len(train[0])} + {len(test[0])} images)")


def sample() -> Dataset:
    """The part of Fashion-MNIST that comes with the package: its first 3,000 training and 1,000 test images."""
    folder = Path(__file__).parent / "sample"
    train = read_pair(folder / "train-images-idx3-ubyte.gz", folder / "train-labels-idx1-ubyte.gz", 10)
    test = read_pair(folder / "t10k-images-idx3-ubyte.gz", folder / "t10k-labels-idx1-ubyte.gz", 10)
    return Dataset(
        train,
        test,
        FASHION_CLASSES,
        f"the SAMPLE in the package: only the first {len(train[0])} + {len(test[0])} images of Fashion-MNIST (MIT licence, Zalando SE)",
    )


DATASETS = {"fashion-mnist": fashion_mnist}


def dataset(name: str, data_dir: str | Path | None = None) -> Dataset:
    """A data set by name."""
    if name not in DATASETS:
        raise ArgumentError(f"{name!r}: no such data set; accepted: {', '.join(DATASETS)}")
    return DATASETS[name](data_dir)


MODES = {1: "L", 3: "RGB", 4: "RGBA"}  # Pillow's names of grey and colour


def read_images(path: str | Path, size: tuple[int, int] | None = None, channels: int | None = None) -> np.ndarray:
    """Images [samples, channels, rows, columns] of bytes from an IDX, PNG or JPEG file.

    Pictures are made grey or coloured as `channels` says and resized to `size` (rows, columns); what is None stays as it
    is in the file. Errors: DataError for files that are no images, and IDX files of another size.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"{path}: no such file; accepted: a PNG, JPEG or IDX file")
    if channels is not None and channels not in MODES:
        raise DataError(f"{path}: the model takes {channels} channels; accepted: models of 1 (grey), 3 (RGB) or 4 (RGBA) channels")
    with path.open("rb") as f:
        head = f.read(4)
    if head[:2] == b"\0\0" or path.name.removesuffix(".gz").endswith("ubyte") or head[:2] == b"\x1f\x8b":
        return _idx_images(path, size, channels)
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as picture:
            pixels, grey = picture.copy(), picture.mode in ("1", "L", "LA")
            if picture.mode.startswith("I;16"):  # 0 to 65535, of which Pillow's own conversion keeps what is below 256
                pixels, grey = Image.fromarray((np.asarray(picture, np.uint16) / 257 + 0.5).astype(np.uint8)), True
            elif picture.mode in ("I", "F"):
                raise DataError(f"{path}: its pixels are {'32-bit whole numbers' if picture.mode == 'I' else 'floats'}; accepted: 1, 8 or 16 bits")
            made = pixels.convert(MODES[channels or (1 if grey else 3)])
            made = made if size is None else made.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError) as e:
        raise DataError(f"{path}: not a picture that can be read ({e}); accepted: a PNG, JPEG or IDX file") from None
    a = np.asarray(made, np.uint8)
    return a[None, None] if a.ndim == 2 else np.ascontiguousarray(a.transpose(2, 0, 1))[None]


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


__all__: Sequence[str] = ("DATASETS", "Dataset", "dataset", "fashion_mnist", "read_idx", "read_images", "sample")
