"""Arguments of layers, checked: each answer starts with what was given and says what would be accepted."""

from __future__ import annotations

import contextlib
from typing import TypeGuard

import numpy as np

from ..engines.number import FLOATS
from ..errors import ArgumentError, ElementTypeError
from ..language.program import MOST

Pair = int | tuple[int, int]


def is_whole(value: object) -> TypeGuard[int]:
    """Whether it is a whole number, which True and False are not."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def pair(value: Pair, what: str, least: int) -> tuple[int, int]:
    """A number for rows and columns, or one for each."""
    both = (value, value) if is_whole(value) else value
    if not isinstance(both, (tuple, list)) or len(both) != 2 or not all(is_whole(v) and least <= v < MOST for v in both):
        raise ArgumentError(f"{what}={value!r:.80}: not a size; accepted: a whole number of at least {least}, or a pair of them")
    return int(both[0]), int(both[1])


def whole(value: int, what: str, least: int = 1) -> int:
    if not is_whole(value) or not least <= value < MOST:
        most = " and below 2**62" if is_whole(value) and value >= MOST else ""
        raise ArgumentError(f"{what}={value!r:.80}: not usable; accepted: a whole number of at least {least}{most}")
    return int(value)


def flag(value: bool, what: str) -> bool:
    """A yes or no; 1 and 0 pass too."""
    if isinstance(value, (bool, np.bool_)) or (is_whole(value) and value in (0, 1)):
        return bool(value)
    raise ArgumentError(f"{what}={value!r}: not a yes or no; accepted: True or False")


def only(value: object, what: str, accepted: tuple[int | str, ...]) -> None:
    """An argument that PyTorch has and that stands for one of few values here."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer, str)) or value not in accepted:
        shown = " or ".join(map(repr, accepted))
        raise ArgumentError(f"{what}={value!r}: not in this layer; accepted: {what}={shown} (or a formula of your own)")


def number_type(dtype: object) -> np.dtype:
    """float32 or float64."""
    with contextlib.suppress(TypeError):
        kind: np.dtype = np.dtype(dtype)  # type: ignore[call-overload]  # what NumPy does not know is refused below
        if kind in FLOATS:
            return kind
    raise ElementTypeError(f"dtype={dtype!r}: not a type to compute with; accepted: float32 or float64")
