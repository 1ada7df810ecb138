"""Data sets: by name, by path or from arrays; Fashion-MNIST, where it is found, and the sample in the package."""

from __future__ import annotations

import gzip
import hashlib
import inspect
import os
import re
import urllib.request
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from .. import ops
from ..errors import ArgumentError, DataError
from ..nn.inputs import normalize
from ..operation.op import Op
from .readers.arrays import from_arrays
from .readers.common import Dataset, answered, as_path
from .readers.idx import read_idx, read_pair
from .readers.npz import read_npz
from .readers.pictures import image_size, read_folder, read_images
from .readers.tables import read_csv

FASHION_CLASSES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")


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

# Data sets by name or path -----------------------------------------------------------------------------------------

TABLES = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
PATHS = "a .npz or .csv file (.csv.gz too), a folder of pictures with a folder for each class, or a folder of IDX files"


def dataset(name: str | Path, data_dir: str | Path | None = None, **options: Any) -> Dataset:
    """A data set by name (fashion-mnist) or path: an .npz file, a .csv file, a folder of pictures with a class in each folder, IDX files.

    data_dir: the folder where it is looked for. options: those of the function that reads it (read_npz, read_csv, read_folder).
    Errors: DataError, starting with the path, for what is no data set; ArgumentError for names and options that there are not.
    """
    if isinstance(name, str) and name in DATASETS:
        _fitting(options, name, [])
        return DATASETS[name](data_dir)
    path = as_path(name) if data_dir is None else as_path(data_dir) / as_path(name)
    with answered(path, "cannot be read", PATHS):
        is_dir, exists = path.is_dir(), path.exists()
    if is_dir:
        read: Callable[..., Dataset] = read_folder
    elif path.name.lower().endswith(".npz"):
        read = read_npz
    elif path.name.lower().endswith(TABLES):
        read = read_csv
    elif exists:
        raise DataError(f"{path}: a file of a kind that is not known by its name; accepted: {PATHS}")
    elif len(path.parts) > 1:
        raise DataError(f"{path}: no such file or folder; accepted: {', '.join(DATASETS)}, {PATHS}")
    else:
        raise ArgumentError(f"{name!r}: no such data set, file or folder; accepted: {', '.join(DATASETS)}, {PATHS}")
    kinds = [k for k, p in inspect.signature(read).parameters.items() if p.kind is p.KEYWORD_ONLY]
    return read(path, **_fitting(options, str(path), kinds))


def _fitting(options: dict[str, Any], name: str, accepted: list[str]) -> dict[str, Any]:
    """Options that are given, all of which the reader has."""
    given = {k: v for k, v in options.items() if v is not None}
    strange = next((k for k in given if k not in accepted), None)
    if strange is not None:
        raise ArgumentError(f"{strange}={given[strange]!r:.80}: {name} is not read with it; accepted: {', '.join(accepted) or 'no options'}")
    return given


def name_of(dataset: str | Path) -> str:
    """A data set's name as a part of a path: of a path its last part, without the suffix and what file systems do not take.

    >>> name_of("fashion-mnist"), name_of("../some data/Iris (2).csv.gz"), name_of("/")
    ('fashion-mnist', 'Iris-2', 'data')
    """
    path = as_path(dataset)
    last = path.name or path.absolute().name
    last = last if last != ".." else path.resolve().name
    for suffix in (*TABLES[2:], *TABLES[:2], ".npz"):
        last = last[: -len(suffix)] if last.lower().endswith(suffix) else last
    return re.sub(r"[^\w.]+", "-", last, flags=re.ASCII).strip("-.")[:80] or "data"


# What goes in front of a network -------------------------------------------------------------------------------------

MOST_OWN = 256  # features with a mean and a deviation of their own; each is a term of the formula


def standardised(x: np.ndarray) -> Op:
    """The transform that gives these floats a mean of 0 and a standard deviation of 1, for every feature, or every channel of images.

    Other numbers of axes, and more than 256 features, have one mean and one deviation for all. What is constant, but for rounding, keeps its scale.

    >>> print(standardised(np.array([[1, 5], [3, 5]], np.float32)))
    normalize(x[n,2]) -> y[n,2]
        y[n,c] = (x[n,c] / 1.0 - (2.0 * (c == 0) + 5.0 * (c == 1))) / (1.0 * (c == 0) + 1.0 * (c == 1))
    """
    own = x.ndim in (2, 4) and x.shape[1] <= MOST_OWN
    axes = tuple(k for k in range(x.ndim) if k != 1) if own else None
    mean, std = np.atleast_1d(x.mean(axes, dtype=np.float64)), np.atleast_1d(x.std(axes, dtype=np.float64))
    std = np.where(std > 2e-7 * np.abs(mean), std, 1.0)  # less is the last digit of float32
    return normalize([float(f"{v:.9g}") for v in mean], [float(f"{v:.9g}") for v in std], scale=1.0, axes=x.ndim)


def transform_for(data: Dataset) -> Op:
    """What a network's inputs go through: bytes are divided by 255, floats standardised by the training part."""
    x = data.train[0]
    return ops.scale if x.dtype == np.uint8 else standardised(x)


__all__: Sequence[str] = (
    "DATASETS",
    "Dataset",
    "dataset",
    "fashion_mnist",
    "from_arrays",
    "image_size",
    "name_of",
    "read_csv",
    "read_folder",
    "read_idx",
    "read_images",
    "read_npz",
    "sample",
    "standardised",
    "transform_for",
)
