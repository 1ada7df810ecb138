"""Parameters and states: tensors with memory of their own. What is put in is checked and taken over; nothing of the caller's reaches machine code."""

from __future__ import annotations

import math
import threading
import weakref
import zlib
from collections.abc import Callable

import numpy as np

from ..engines.native.buffers import address, aligned
from ..errors import ArgumentError, ElementTypeError, ShapeError
from ..operation.arrays import to_array

MOST_BYTES = 1 << 46  # more than any machine has: sizes beyond are mistakes, and their products pass 64 bits
Shape = tuple[int, ...]
SINGLE = np.dtype(np.float32)


def affordable(name: str, shape: Shape, kind: np.dtype = SINGLE) -> None:
    """Refuse a shape that no memory holds."""
    size = math.prod(shape) * kind.itemsize
    if size > MOST_BYTES:
        raise ArgumentError(f"{name} with shape {shape}: takes {size} bytes; accepted: parameters that fit into memory")


def stored(name: str, shape: Shape, kind: np.dtype, start: Callable[[], np.ndarray]) -> np.ndarray:
    """A tensor's own memory, as machine code wants it, with the numbers it starts from."""
    affordable(name, shape, kind)
    try:
        a = aligned(shape, kind)
        a[...] = start()
        return a
    except (MemoryError, OSError):
        size = math.prod(shape) * kind.itemsize
        raise ArgumentError(f"{name} with shape {shape}: takes {size} bytes; accepted: parameters that fit into memory") from None


def fitting(value: object, name: str, shape: Shape) -> np.ndarray:
    """Numbers for a tensor of this shape."""
    a = to_array(value, name)
    if a.dtype.kind not in "fiub":
        raise ElementTypeError(f"{name} with dtype {a.dtype}: not real numbers; accepted: floats or whole numbers")
    if a.shape != shape:
        raise ShapeError(f"{name} with shape {a.shape}: does not fit; accepted: {shape}")
    return a


class Stored:
    """A tensor of a network that outlives a call. Its numbers are made when somebody first asks for them.

    shape: of the tensor. bound: of the uniform distribution it starts from, or `initial`, an array to start from. Until it is
    given numbers it draws them from seed 0 and `key`, its name in the largest network that it has been put into: so they do
    not depend on who asks first. They are in single precision then, which nobody has asked for (`assumed`): an array to start from is
    read anew where a type is said later (`in_type`).
    """

    deviation = 0.0  # of the normal distribution it starts from, where there is one
    blank: int | None = None  # a row that starts at 0
    kept = True  # whether it is in state_dict
    assumed = False  # whether nobody has said a number type
    trained = True  # whether training changes it (Module.requires_grad_)

    def __init__(self, shape: Shape, bound: float = 0.0, initial: np.ndarray | None = None, whole: bool = False):
        self.shape, self.bound, self.initial, self.whole, self.key = shape, bound, initial, whole, ""
        self.memory: np.ndarray | None = None

    @property
    def array(self) -> np.ndarray:
        """Its memory."""
        return self.settled(SINGLE) if self.memory is None else self.memory

    def settled(self, kind: np.dtype) -> np.ndarray:
        """Its memory; numbers of this type, if they are still to be drawn."""
        with _lock:
            if self.memory is None:
                self.memory = self.drawn(np.random.default_rng([0, zlib.crc32(self.key.encode())]), self.key, kind)
                self.assumed = True
            return self.memory

    def said(self, memory: np.ndarray) -> None:
        """Memory whose number type somebody has asked for."""
        self.memory, self.assumed = memory, False

    def in_type(self, kind: np.dtype, name: str) -> np.ndarray:
        """New memory in this type, with its numbers: those that it was given where nothing has changed them since."""
        old = self.array
        if self.assumed and self.initial is not None and np.array_equal(old, self.initial.astype(old.dtype)):
            old = self.initial
        return stored(name, self.shape, kind, lambda: old)

    def drawn(self, rng: np.random.Generator, name: str, kind: np.dtype) -> np.ndarray:
        """New memory with the numbers it starts from."""

        return stored(name, self.shape, kind, lambda: self.start(rng))

    def start(self, rng: np.random.Generator) -> np.ndarray:
        """Numbers to start from."""
        if self.initial is not None:
            return self.initial
        drawn = rng.normal(0, self.deviation, self.shape) if self.deviation else rng.uniform(-self.bound, self.bound, self.shape)
        if self.blank is not None:
            drawn[self.blank] = 0
        return drawn

    @property
    def declared(self) -> Shape:
        """Its shape as its module makes it."""
        return self.shape

    def fitting(self, value: object, name: str) -> np.ndarray:
        """Numbers for this tensor."""
        return fitting(value, name, self.shape)

    def taken(self, value: object, name: str) -> None:
        """Take numbers over, into its own memory and number type."""
        a = self.fitting(value, name)
        self.sized(a.shape)
        self.array[...] = a
        self.assumed = False

    def sized(self, shape: Shape) -> None:
        """Take a shape where that is still open; a shape that is known stays."""

    def shown(self) -> np.ndarray:
        """A copy of the numbers, whole ones as such."""
        return self.array.round().astype(np.int64) if self.whole else self.array.copy()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(str, self.shape))})"

    def __getstate__(self) -> dict[str, object]:
        return self.__dict__ | {"memory": None if self.memory is None else np.array(self.memory)}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        raw = self.memory
        if raw is not None:
            self.memory = stored(self.key, self.shape, raw.dtype, lambda: raw)


class Parameter(Stored):
    """A tensor that training changes; an attribute of a module.

    Made from an array to start from, or from a shape: then uniform in ±1/sqrt(product of all axes but the first), or normal with a
    deviation; blank: a row that starts at 0.

    >>> Parameter((3, 4)).bound
    0.5
    """

    def __init__(self, value: object, bound: float | None = None, deviation: float = 0.0, blank: int | None = None):
        shape, initial = started(value, "Parameter")
        super().__init__(shape, 0.0, initial)
        self.deviation, self.blank = deviation, blank
        if initial is None:
            self.bound = 1 / math.sqrt(max(1, math.prod(shape[1:]))) if bound is None else bound


class OpenParameter(Parameter):
    """A parameter whose first axis is known, and whose other axes are those of the first input that it meets (or of numbers it is given).

    Until then they are 0: it has no numbers. It starts at 0.
    """

    def __init__(self, size: int, axes: int):
        super().__init__((size,), 0.0)
        self.open = self.shape = (size, *(0,) * axes)

    @property
    def declared(self) -> Shape:
        return self.open

    def fitting(self, value: object, name: str) -> np.ndarray:
        if 0 not in self.shape:
            return super().fitting(value, name)
        shape = np.shape(to_array(value, name))
        if len(shape) != len(self.shape) or shape[0] != self.shape[0] or (0 in shape and shape != self.shape):
            raise ShapeError(f"{name} with shape {shape}: does not fit; accepted: {self.shape[0]} and {len(self.shape) - 1} sizes of at least 1")
        return fitting(value, name, shape)

    def sized(self, shape: Shape) -> None:
        if 0 in self.shape and shape != self.shape:
            self.shape, old = shape, self.memory
            self.memory = None if old is None else stored(self.key, shape, old.dtype, lambda: np.zeros(shape))


class Buffer(Stored):
    """A tensor that is no parameter and is kept with the network: running statistics. Made from an array to start from.

    whole: it counts; its values are shown as whole numbers.
    """

    def __init__(self, value: object, whole: bool = False):
        a = to_array(value, "Buffer")
        super().__init__(a.shape, 0.0, fitting(a, "Buffer", a.shape).copy(), whole)


class Counter(Buffer):
    """The number of a step, from a number that is drawn: what random numbers in forward are a function of. Not in state_dict."""

    kept = False

    def __init__(self) -> None:
        super().__init__(np.zeros(()), whole=True)

    def start(self, rng: np.random.Generator) -> np.ndarray:
        return np.asarray(float(rng.integers(1 << 20)))  # and 15 million steps more are counted exactly in single precision


def started(value: object, name: str) -> tuple[Shape, np.ndarray | None]:
    """(shape, array to start from) of a parameter given as one or the other."""
    if isinstance(value, tuple) and all(isinstance(v, (int, np.integer)) for v in value):
        if not all(not isinstance(v, bool) and v >= 1 for v in value):
            raise ShapeError(f"{name}={value}: not its shape; accepted: whole numbers of at least 1 (or an array)")
        return tuple(map(int, value)), None
    a = to_array(value, name)
    if a.dtype.kind not in "fiub":
        raise ElementTypeError(f"{name} with dtype {a.dtype}: not numbers to start from; accepted: floats or whole numbers, or a shape")
    if 0 in a.shape:
        raise ShapeError(f"{name} with shape {a.shape}: has no numbers; accepted: axes of at least 1")
    return a.shape, a.copy()


_lock = threading.Lock()
_handed: weakref.WeakValueDictionary[int, Stored] = weakref.WeakValueDictionary()  # by the address of their memory


def known(s: Stored) -> np.ndarray:
    """A tensor's memory, of which owner_of knows whose it is."""
    a = s.array
    _handed[address(a)] = s
    return a


def owner_of(value: object) -> Stored | None:
    """The tensor whose own memory an array is, from its first number to its last; None for any other value."""
    if not isinstance(value, np.ndarray):
        return None
    s = _handed.get(address(value))
    same = s is not None and s.memory is not None and s.memory.dtype == value.dtype and s.memory.shape == value.shape
    return s if same and address(s.memory) == address(value) and value.flags.c_contiguous else None  # type: ignore[union-attr, arg-type]  # as `same` says
