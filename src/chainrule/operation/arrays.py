"""What a caller gives, as NumPy arrays of one number type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..engines.number import FLOATS
from ..errors import ElementTypeError


def to_array(value: object, name: str) -> np.ndarray:
    """A NumPy array from anything with __array__ or __dlpack__, or a number. Masked values are refused: a mask would be lost."""
    if type(value) is np.ndarray and value.dtype.isnative:
        return value
    if _masked(value):
        return to_array(_unmasked(value, name), name)
    if isinstance(value, np.ndarray):
        return value if value.dtype.isnative else value.astype(value.dtype.newbyteorder("="))
    try:
        if hasattr(value, "__dlpack__") and not hasattr(value, "__array__"):
            return np.from_dlpack(value)  # type: ignore[arg-type]  # it has __dlpack__, as tested above
        if isinstance(value, (list, tuple)):
            value = _without_masks(value, name)
        a = np.asanyarray(value)
        return _unmasked(a, name) if _masked(a) else np.asarray(a)
    except (ValueError, TypeError, RuntimeError, BufferError) as e:
        raise ElementTypeError(
            f"{name}: {type(value).__name__} is not an array ({e}); accepted: NumPy arrays, or what has __array__ or __dlpack__"
        ) from None


def _without_masks(value: object, name: str) -> object:
    """Nested lists with plain arrays for masked ones that mask nothing."""
    if isinstance(value, (list, tuple)):
        return [_without_masks(v, name) for v in value]
    return _unmasked(value, name) if _masked(value) else value


def _masked(value: object) -> bool:
    """Whether it is one of NumPy's masked arrays, told by what it has: to name their class would load a module that few ever need."""
    return isinstance(value, np.ndarray) and hasattr(value, "mask") and hasattr(value, "filled")


def _unmasked(a: Any, name: str) -> np.ndarray:
    """The values of a masked array that masks none."""
    count = int(np.count_nonzero(np.broadcast_to(a.mask, a.shape)))
    if count:
        raise ElementTypeError(
            f"{name}: {count} of its {a.size} values are masked; accepted: {name}.filled(value), or {name}.data for what is below the mask"
        )
    return np.asarray(a.data)


def common_type(arrays: Mapping[str, np.ndarray], who: str, exact: bool = False) -> np.dtype:
    """The number type of a call: that of its floating inputs, which must agree; whole numbers go along, and alone are computed in float64."""
    found: dict[np.dtype, str] = {}
    for name, a in arrays.items():
        if a.dtype.kind in "iub":
            continue
        large = next((v for v in a.flat if isinstance(v, int) and abs(v) >= 1 << 63), None) if a.dtype == object else None
        if large is not None and not exact:
            raise ElementTypeError(f"{name} = {large}: {who} takes whole numbers of 64 bits; accepted here: float({name}), or smaller ones")
        if a.dtype == object and not exact:
            raise ElementTypeError(
                f"{name} with dtype object: {who} computes fractions with engine='reference' only; accepted here: float32 or float64"
            )
        if a.dtype not in FLOATS and not (exact and (a.dtype == object or a.dtype.kind == "c")):
            raise ElementTypeError(
                f"{name} with dtype {a.dtype}: {who} does not compute with that; accepted: float32 or float64"
                + (", complex128, fractions" if exact else "")
            )
        found.setdefault(a.dtype, name)
    if len(found) > 1 and exact and any(t.kind == "c" for t in found):
        return np.dtype(np.complex128)
    if len(found) > 1:
        (one, first), (other, second) = list(found.items())[:2]
        raise ElementTypeError(
            f"{first} with dtype {one} and {second} with dtype {other}: {who} does not mix number types; accepted: all float32 or all float64"
        )
    return next(iter(found), np.dtype(np.float64))
