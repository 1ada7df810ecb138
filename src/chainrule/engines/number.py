"""The number types of both engines: what is known of each stands here, and another one would be another line of this file."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from functools import cache

import numpy as np


@dataclass(frozen=True, eq=False, repr=False)
class Number:
    """A type of numbers that tensors are stored in and engines compute with. There is one object for each, so that `is` compares them.

    name: NumPy's. llvm, c: what these languages call it. suffix, c_suffix: what LLVM's intrinsics and C's functions append to their names.
    digits: whole numbers up to 2**digits are told apart. whole: whether it holds whole numbers alone. signed: whether they may be negative.
    """

    name: str
    llvm: str
    c: str
    bytes: int
    suffix: str = ""
    c_suffix: str = ""
    digits: int = 64
    whole: bool = False
    signed: bool = True

    @property
    def dtype(self) -> np.dtype:
        """The type as NumPy has it."""
        return np.dtype(self.name)

    @property
    def wide(self) -> Number:
        """The type in which long sums of this one are taken; itself where there is none with more digits."""
        return self if self.whole else DOUBLE

    def rounded(self, x: float) -> float:
        """The nearest number of the type."""
        if self is not FLOAT or not math.isfinite(x):
            return x
        try:
            return float(struct.unpack("f", struct.pack("f", x))[0])
        except OverflowError:
            return math.copysign(math.inf, x)

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return self.name

    def __reduce__(self) -> tuple[object, ...]:  # a copy is the same object
        return _known, (self.name,)


FLOAT = Number("float32", "float", "float", 4, "f32", "f", digits=24)
DOUBLE = Number("float64", "double", "double", 8, "f64", digits=53)
BYTE = Number("uint8", "i8", "uint8_t", 1, "i8", digits=8, whole=True, signed=False)
INT32 = Number("int32", "i32", "int32_t", 4, "i32", digits=31, whole=True)
INT64 = Number("int64", "i64", "int64_t", 8, "i64", digits=63, whole=True)
FLAG = Number("bool", "i1", "int", 1, "i1", digits=1, whole=True, signed=False)
POINTER = Number("address", "ptr", "char *", 8)

STORED = (FLOAT, DOUBLE, BYTE, INT32, INT64)  # what a tensor may hold
NUMBERS = {n.name: n for n in STORED}
FLOATS = tuple(n.dtype for n in STORED if not n.whole)  # what is computed in
_BY_TYPE = {n.dtype: n for n in STORED}
_ALL = {n.name: n for n in (*STORED, FLAG, POINTER)}


def _known(name: str) -> Number:
    return _ALL[name]


def number_of(dtype: np.dtype) -> Number | None:
    """The type of an array's numbers; None where no tensor holds such."""
    return _BY_TYPE.get(dtype)


def is_stored(dtype: np.dtype) -> bool:
    """Whether machine code reads arrays of that type as they are."""
    return dtype in _BY_TYPE


@dataclass(frozen=True, eq=False)
class Type:
    """So many numbers of a type side by side. One object for each (`vector`), so that equal means the same."""

    number: Number
    lanes: int = 1


@cache
def vector(number: Number, lanes: int) -> Type:
    return Type(number, lanes)


I64, BIT, ADDRESS = vector(INT64, 1), vector(FLAG, 1), vector(POINTER, 1)
