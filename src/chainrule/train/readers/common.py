"""What all readers of data share: the Dataset, its classes, the split, and files that are opened without believing them."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from ...errors import ArgumentError, ChainruleError, DataError


@dataclass(frozen=True)
class Dataset:
    """Samples with their class numbers 0 to K-1, in a training and a test part; the classes' names; where all this came from.

    Inputs are bytes [samples, channels, rows, columns] where they are images of whole numbers 0 to 255, else float32 with the samples first.
    """

    train: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]
    classes: tuple[str, ...]
    source: str

    @property
    def shape(self) -> tuple[int, ...]:
        """A sample's shape: (channels, rows, columns), or (features,)."""
        return tuple(self.train[0].shape[1:])


# Files ---------------------------------------------------------------------------------------------------------------

GZIP = b"\x1f\x8b"
PIECE = 1 << 22  # bytes that are read at a time


def as_path(path: object) -> Path:
    if not isinstance(path, (str, os.PathLike)) or isinstance(os.fspath(path), bytes):
        raise ArgumentError(f"{path!r:.80}: not a path; accepted: a text or a Path")
    return Path(path)


@contextmanager
def answered(path: object, problem: str, accepted: str) -> Iterator[None]:
    """Whatever the readers of other people (gzip, zip, pictures, headers) raise about a damaged file becomes a DataError."""
    try:
        yield
    except ChainruleError:
        raise
    except Exception as e:
        said = e.strerror if isinstance(e, OSError) and e.strerror else (str(e).strip() or type(e).__name__)
        problem = "cannot be read" if isinstance(e, OSError) and e.strerror else problem
        raise DataError(f"{path}: {problem} ({said:.200}); accepted: {accepted}") from None


@contextmanager
def opened(path: Path, accepted: str) -> Iterator[IO[bytes]]:
    """A file's bytes, decompressed where they begin as gzip's do."""
    with answered(path, "the compressed data is damaged or cut short", accepted):
        if path.exists() and not path.is_file() and not path.is_dir():
            raise DataError(f"{path}: cannot be read (it is no file); accepted: {accepted}")
        with path.open("rb") as f:
            zipped = f.read(2) == GZIP
            f.seek(0)
            with gzip.open(f) if zipped else contextlib.nullcontext(f) as out:
                yield out  # type: ignore[misc]  # a GzipFile reads as a file does


def room() -> int:
    """How many bytes a file may fill: half of the machine's memory."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    except (AttributeError, ValueError, OSError):
        return 1 << 33


def within_room(path: object, promised: int, who: str) -> None:
    """Refuse what would fill the memory before any of it is decompressed."""
    if promised > room():
        raise DataError(f"{path}: {who} {promised:,} bytes; accepted: up to {room():,}, half of this machine's memory")


def at_most(f: IO[bytes], count: int) -> bytearray:
    """The next `count` bytes, or as many as there are; memory grows with what is there, not with what was promised."""
    out = bytearray()
    while len(out) < count:
        piece = f.read(min(PIECE, count - len(out)))
        if not piece:
            break
        out += piece
    return out


def all_of(f: IO[bytes], path: object) -> bytearray:
    """All bytes, if they are at most a quarter of the room: what is made of them takes the rest."""
    most = room() // 4
    raw = at_most(f, most + 1)
    if len(raw) > most:
        raise DataError(f"{path}: more than {most:,} bytes; accepted: up to {most:,}, an eighth of this machine's memory")
    return raw


# Parts and their classes ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Part:
    """Inputs and labels as they were found. name: of the inputs; at: where the label of a sample stands, as a message begins.

    keys: a text for each sample that the split goes by; its number where there is none.
    """

    x: np.ndarray
    labels: np.ndarray
    name: str
    at: Callable[[int], str]
    keys: Sequence[str] | None = None


def checked_share(share: object) -> float:
    if isinstance(share, bool) or not isinstance(share, (int, float, np.floating)) or not 0 < share < 1:
        raise ArgumentError(f"test_share={share!r:.80}: not usable; accepted: a number between 0 and 1, without them")
    return float(share)


def checked_seed(seed: object) -> int:
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise ArgumentError(f"seed={seed!r:.80}: not usable; accepted: a whole number of at least 0")
    return int(seed)


def split(t: np.ndarray, keys: Sequence[str] | None, share: float, seed: int) -> np.ndarray:
    """Which samples are the test part: of every class its share, at least one where there are two, never all.

    It depends on the seed, the classes and the samples' keys alone: not on the order of files, nor on a library's random numbers.
    """
    names = keys if keys is not None else [str(k) for k in range(len(t))]
    drawn = [hashlib.blake2b(f"{seed}/{n}".encode("utf-8", "surrogateescape"), digest_size=8).digest() for n in names]
    order = np.array(sorted(range(len(t)), key=lambda k: (drawn[k], names[k])), np.int64)
    chosen = np.zeros(len(t), bool)
    for c in np.unique(t):
        members = order[t[order] == c]
        chosen[members[: min(max(1, math.floor(share * len(members) + 0.5)), len(members) - 1)]] = True
    return chosen


def plain_labels(part: Part) -> np.ndarray:
    """Labels as int64 of at least 0, or as texts."""
    a = part.labels
    a = a[:, 0] if a.ndim == 2 and a.shape[1] == 1 else a
    if a.ndim != 1:
        raise DataError(f"{part.at(-1)} has shape {part.labels.shape}; accepted: a label for each sample, [samples] or [samples, 1]")
    if a.dtype.kind in "US":
        with answered(part.at(-1), "not texts that can be read", "texts in UTF-8"):
            texts = [v.decode() if isinstance(v, bytes) else str(v) for v in a.tolist()]
        for k, text in enumerate(texts):
            if not text.strip() or not text.isprintable():
                raise DataError(f"{part.at(k)} is {text!r:.80}, which names no class; accepted: printable texts, or whole numbers of at least 0")
        return np.array([text.strip() for text in texts])
    if a.dtype.kind not in "biuf":
        raise DataError(f"{part.at(-1)} has type {a.dtype}; accepted: whole numbers of at least 0, or texts")
    a = a.astype(np.float64) if a.dtype.kind == "f" else a
    wrong = (a < 0) | ~(a < 2**62) | (a != np.floor(a)) if a.dtype.kind in "if" else a > 2**62
    if wrong.any():
        k = int(np.argmax(wrong))
        raise DataError(f"{part.at(k)} is {a[k]:g}, which is no class; accepted: whole numbers of at least 0, or texts")
    return a.astype(np.int64)


def class_numbers(parts: Sequence[Part], classes: Sequence[str] | None) -> tuple[list[np.ndarray], tuple[str, ...]]:
    """Each part's class numbers, and the names: those given, or the labels of the first part in order."""
    found = [plain_labels(p) for p in parts]
    texts = [a.dtype.kind == "U" for a in found]
    if len(set(texts)) > 1:
        kinds = ["texts" if k else "numbers" for k in texts]
        raise DataError(f"{parts[1].at(0)} is one of {kinds[1]}, but the training part's labels are {kinds[0]}; accepted: the same in both")
    if classes is not None:
        known: np.ndarray = np.array(classes) if texts[0] else np.arange(len(classes))
        names = tuple(classes)
    else:
        known = np.unique(found[0])
        names = tuple(map(str, known.tolist()))
    at = np.argsort(known)
    numbers = []
    for part, a in zip(parts, found, strict=True):
        k = np.minimum(np.searchsorted(known[at], a), len(known) - 1)
        lacking = known[at][k] != a
        if lacking.any():
            first = int(np.argmax(lacking))
            told = ", ".join(names[:10]) + (f", … ({len(names)})" if len(names) > 10 else "")
            whose = f"the training part's classes: {told}" if classes is None else f"0 to {len(names) - 1}, or the names {told}"
            raise DataError(f"{part.at(first)} is {str(a[first])!r}, which the training part lacks; accepted: {whose}")
        numbers.append(at[k].astype(np.int64))
    return numbers, names


def assembled(
    path: object,
    parts: Sequence[Part],
    how: str,
    classes: Sequence[str] | None = None,
    test_share: float = 0.2,
    seed: int = 0,
) -> Dataset:
    """The data set of a training part and a test part, or of one part that is split. `how` says in the source how it was read."""
    share, seed = checked_share(test_share), checked_seed(seed)
    for p in parts:
        if not p.labels.ndim:
            raise DataError(f"{p.at(-1)} is one value; accepted: a label for each sample, [samples] or [samples, 1]")
        if not len(p.x) or not len(p.labels):
            raise DataError(f"{path}: no samples in {p.name}; accepted: at least one")
        if len(p.x) != len(p.labels):
            raise DataError(f"{path}: {len(p.x)} samples in {p.name}, but {len(p.labels)} labels; accepted: as many of one as of the other")
    if parts[0].x.shape[1:] != parts[-1].x.shape[1:]:
        raise DataError(
            f"{path}: samples of {parts[-1].name} have shape {parts[-1].x.shape[1:]}, those of {parts[0].name} {parts[0].x.shape[1:]}; "
            "accepted: the same in both parts"
        )
    targets, names = class_numbers(parts, classes)
    if len(names) < 2:
        raise DataError(f"{path}: one class only ({names[0] if names else 'none'}); accepted: two classes or more")
    made = [(p.x, t) for p, t in zip(parts, targets, strict=True)]
    if len(made) == 1:
        (x, t), chosen = made[0], split(targets[0], parts[0].keys, share, seed)
        if not chosen.any():
            raise DataError(f"{path}: every class has one sample, so none can be a test; accepted: two samples of a class, or a test part")
        made, how = [(x[~chosen], t[~chosen]), (x[chosen], t[chosen])], f"{how}; test_share={share:g} by seed {seed}"
    counts = f"{len(made[0][0])} + {len(made[1][0])} samples of {len(names)} classes"
    return Dataset(made[0], made[1], names, f"{path} ({how}; {counts})")


def whole_sizes(value: Any, what: str, count: int, meaning: str) -> Any:
    """A tuple of so many whole numbers of at least 1, from an argument."""
    fits = isinstance(value, (tuple, list)) and len(value) == count
    if not fits or not all(isinstance(v, (int, np.integer)) and not isinstance(v, bool) and 1 <= v < 2**31 for v in value):
        raise ArgumentError(f"{what}={value!r:.80}: not usable; accepted: {meaning}, whole numbers of at least 1")
    return tuple(int(v) for v in value)
