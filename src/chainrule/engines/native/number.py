"""The number types of the engine, each spelled for NumPy, LLVM and C in this one place."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True, eq=False)
class Number:
    """A type of numbers that tensors are stored in and machine code computes with.

    name: NumPy's. suffix: what LLVM's intrinsics and C's functions append. signed: whether its whole numbers may be negative.
    """

    name: str
    llvm: str
    c: str
    bytes: int
    suffix: str = ""
    c_suffix: str = ""
    whole: bool = False
    signed: bool = True

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


FLOAT = Number("float32", "float", "float", 4, "f32", "f")
DOUBLE = Number("float64", "double", "double", 8, "f64")
BYTE = Number("uint8", "i8", "uint8_t", 1, "i8", whole=True, signed=False)
INT32 = Number("int32", "i32", "int32_t", 4, "i32", whole=True)
INT64 = Number("int64", "i64", "int64_t", 8, "i64", whole=True)
FLAG = Number("bool", "i1", "int", 1, "i1", whole=True, signed=False)
POINTER = Number("address", "ptr", "char *", 8)

STORED = (FLOAT, DOUBLE, BYTE, INT32, INT64)  # what a tensor may hold
NUMBERS = {n.llvm: n for n in STORED}


@dataclass(frozen=True, eq=False)
class Type:
    """So many numbers of a type side by side. One object for each (`vector`), so that equal means the same."""

    number: Number
    lanes: int = 1


@cache
def vector(number: Number, lanes: int) -> Type:
    return Type(number, lanes)


I64, BIT, ADDRESS = vector(INT64, 1), vector(FLAG, 1), vector(POINTER, 1)
