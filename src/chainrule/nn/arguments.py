"""Arguments of layers, checked: each answer starts with what was given and says what would be accepted."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from typing import TypeGuard

import numpy as np

from ..engines.number import FLOATS
from ..errors import ArgumentError, ElementTypeError
from ..language.program import MOST


def is_whole(value: object) -> TypeGuard[int]:
    """Whether it is a whole number, which True and False are not."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def several(value: object, what: str, least: int, count: int) -> tuple[int, ...]:
    """A whole number for each of so many axes, or one for all of them."""
    found = (value,) * count if is_whole(value) else value
    if isinstance(found, (tuple, list)) and len(found) == 1 and count > 1 and is_whole(found[0]):
        found = tuple(found) * count
    if not isinstance(found, (tuple, list)) or len(found) != count or not all(is_whole(v) and least <= v < MOST for v in found):
        one = f"a whole number of at least {least}" if least > -MOST else "a whole number"
        raise ArgumentError(f"{what}={value!r:.80}: not usable; accepted: {one}" + (f", or {count} of them" if count > 1 else ""))
    return tuple(int(v) for v in found)


def real(value: object, what: str, least: float = -math.inf, most: float = math.inf, open_end: bool = False) -> float:
    """A number; open_end: the least is none itself."""
    fits = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool) and least <= value <= most
    if not fits or (open_end and value == least) or not math.isfinite(value):  # type: ignore[arg-type]  # a number, as tested
        bounds = f" above {least:g}" if open_end else f" of at least {least:g}" if least > -math.inf else ""
        bounds += f" and at most {most:g}" if most < math.inf else ""
        raise ArgumentError(f"{what}={value!r:.80}: not usable; accepted: a number{bounds}")
    return value if isinstance(value, int) else float(value)  # type: ignore[arg-type]  # a number, as tested; whole ones are shown as they were given


def choice(value: object, what: str, accepted: Sequence[str]) -> str:
    """One of a few words."""
    if not isinstance(value, str) or value not in accepted:
        raise ArgumentError(f"{what}={value!r:.80}: not one of them; accepted: {', '.join(map(repr, accepted))}")
    return value


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


def number_type(dtype: object) -> np.dtype:
    """float32 or float64."""
    with contextlib.suppress(TypeError):
        kind: np.dtype = np.dtype(dtype)  # type: ignore[call-overload]  # what NumPy does not know is refused below
        if kind in FLOATS:
            return kind
    raise ElementTypeError(f"dtype={dtype!r}: not a type to compute with; accepted: float32 or float64")
