"""Samples from arrays in memory: what is an image, which axis is which, bytes or floats."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from ...errors import ArgumentError, DataError
from ...nn.inputs import as_classes
from ...operation.arrays import to_array
from .common import Dataset, Part, assembled, whole_sizes

LAYOUTS = {"NHW": (0, 1, 2), "NHWC": (0, 3, 1, 2), "NCHW": (0, 1, 2, 3), "NX": None}  # where [samples, channels, rows, columns] stand
CHANNELS = (1, 3, 4)  # grey, red-green-blue, and with transparency
LAYOUT_ARGUMENT = "layout='NHW', 'NHWC' or 'NCHW' for images (N samples, H rows, W columns, C channels), or 'NX' for what is none"


def checked_layout(layout: object) -> str | None:
    if layout is not None and (not isinstance(layout, str) or layout not in LAYOUTS):
        raise ArgumentError(f"layout={layout!r:.80}: not one of them; accepted: {LAYOUT_ARGUMENT}")
    return layout


def layout_of(a: np.ndarray, place: str, layout: str | None) -> str:
    """How the axes are to be read.

    The rule: three axes are NHW. Of four, one that can count channels (1, 3 or 4 long) is the channels, the last (NHWC) or the second
    (NCHW); where both can or none, the argument must say it. Any other number of axes is no image.
    """
    if layout is not None:
        want = {"NHW": 3, "NHWC": 4, "NCHW": 4}.get(layout, a.ndim)
        if a.ndim != want:
            raise DataError(f"{place} has shape {a.shape}, which layout={layout!r} cannot be; accepted: {want} axes, or another layout")
        return layout
    if a.ndim != 4:
        return "NHW" if a.ndim == 3 else "NX"
    last, second = a.shape[3] in CHANNELS, a.shape[1] in CHANNELS
    if last == second:
        both = "either axis may be the channels" if last else "no axis is 1, 3 or 4 channels long"
        raise DataError(f"{place} has shape {a.shape}: {both}; accepted: {LAYOUT_ARGUMENT}")
    return "NHWC" if last else "NCHW"


def samples(named: Sequence[tuple[str, np.ndarray]], layout: object = None, shape: object = None) -> tuple[list[np.ndarray], str]:
    """The inputs of all parts, read in one way, and that way in words. named: where each stands, as a message begins."""
    which = checked_layout(layout)
    sizes = None if shape is None else whole_sizes(shape, "shape", 3, "(channels, rows, columns)")
    if which is not None and sizes is not None:
        raise ArgumentError(f"layout={layout!r}, shape={shape!r}: both say what the axes are; accepted: one of them")
    for place, a in named:
        if a.dtype.kind not in "biuf":
            raise DataError(f"{place} has type {a.dtype}; accepted: numbers")
        if a.ndim < 2 or 0 in a.shape:
            raise DataError(f"{place} has shape {a.shape}; accepted: samples first, [samples, features] or images, none of them empty")
    found, way = [], ""
    for place, a in named:
        if sizes is not None:
            if math.prod(a.shape[1:]) != math.prod(sizes):
                raise DataError(f"{place} has {math.prod(a.shape[1:])} numbers for each sample; accepted: {math.prod(sizes)}, for shape={sizes}")
            found.append(a.reshape(len(a), *sizes))
            continue
        which = layout_of(a, place, which)
        axes = LAYOUTS[which]
        found.append(a if axes is None else a[:, None] if which == "NHW" else a.transpose(axes))
        way = which
    images = sizes is not None or LAYOUTS[way] is not None
    byte = images and all(_bytes(a) or (sizes is not None and _bytes(a, True)) for a in found)
    made = [np.ascontiguousarray(a, np.uint8) if byte else floats(a, place) for a, (place, _) in zip(found, named, strict=True)]
    c, *rest = made[0].shape[1:]
    size = f"{c} channel{'s' * (c != 1)} of {rest[0]} x {rest[1]}" if images else " x ".join(map(str, (c, *rest))) + " features"
    return made, f"{f'{way}, ' if way not in ('', 'NX') else ''}{size}, {'bytes' if byte else 'floats'}"


def _bytes(a: np.ndarray, of_floats: bool = False) -> bool:
    """Whether all numbers are whole ones from 0 to 255, in a type of whole numbers unless floats may be them too."""
    if a.dtype.kind == "f":
        return of_floats and bool(((a >= 0) & (a <= 255) & (a == np.floor(a))).all())
    return a.dtype.kind == "b" or bool(a.min() >= 0 and a.max() <= 255)


def floats(a: np.ndarray, place: str) -> np.ndarray:
    """The numbers as float32, all of them finite."""
    with np.errstate(over="ignore"):
        out = np.ascontiguousarray(a, np.float32)
    if not np.isfinite(out).all():
        first = tuple(int(k) for k in np.argwhere(~np.isfinite(out))[0])
        what = "cannot be trained on" if not np.isfinite(a[first]) else "is too large for float32"
        raise DataError(f"{place}{list(first)} = {a[first]}, which {what}; accepted: finite numbers up to 3.4e38")
    return out


def from_arrays(
    x: object,
    t: object,
    x_test: object = None,
    t_test: object = None,
    *,
    classes: Sequence[str] | None = None,
    layout: str | None = None,
    shape: tuple[int, int, int] | None = None,
    test_share: float = 0.2,
    seed: int = 0,
    source: str = "arrays",
) -> Dataset:
    """A data set of arrays in memory: inputs with samples first, a label for each (whole numbers of at least 0, or texts).

    Without a test part, `test_share` of every class becomes it (see docs/data.md). classes: names; labels are then 0 to K-1, or these
    names. layout: see docs/data.md. shape: (channels, rows, columns) of images whose pixels lie in a row.

    >>> d = from_arrays(np.eye(4), ["cat", "cow", "cat", "cow"], test_share=0.5)
    >>> d.classes, d.train[0].shape, d.test[1].tolist()
    (('cat', 'cow'), (2, 4), [0, 1])
    """
    if (x_test is None) != (t_test is None):
        raise ArgumentError(f"{'x_test' if x_test is None else 't_test'}=None: the test part is halved; accepted: both x_test and t_test, or none")
    rows = [("x", "t", x, t)] + ([] if x_test is None else [("x_test", "t_test", x_test, t_test)])
    read = [(to_array(a, name), _labels(b, label)) for name, label, a, b in rows]
    made, way = samples([(f"{source}: {name}", a) for (name, *_), (a, _) in zip(rows, read, strict=True)], layout, shape)
    parts = [Part(a, b, name, places(source, label)) for a, (_, b), (name, label, *_) in zip(made, read, rows, strict=True)]
    return assembled(source, parts, way, as_classes(classes), test_share, seed)


def _labels(t: object, name: str) -> np.ndarray:
    """Labels as an array: what is no text is a number."""
    if isinstance(t, (list, tuple)) and t and all(isinstance(v, str) for v in t):
        return np.array(t)
    if isinstance(t, np.ndarray) and t.dtype.kind in "US":
        return t
    a = to_array(t, name)
    return np.array(a.tolist()) if a.dtype.hasobject and a.ndim == 1 and all(isinstance(v, str) for v in a) else a


def places(path: object, name: str) -> Callable[[int], str]:
    """Where the labels of an array stand, as a message begins; -1 is the array itself."""
    return lambda k: f"{path}: {name}" + (f"[{k}]" if k >= 0 else "")
