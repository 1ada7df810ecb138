"""Layers that change pictures at random in training, with torchvision's names. In a network's inference form they do nothing.

Which way is a function of the step's number and of one that is drawn by `init`: nothing is stored, and any number of threads draws the same.
"""

from __future__ import annotations

import math
from typing import Any

from ... import ops
from ...errors import ArgumentError, ShapeError
from .. import functional as F
from ..arguments import choice, real, several
from ..values import Counter
from .base import Layer


class Seeded(Layer):
    """A layer of `seeded(x, seed)` in training and `settled(x)` in inference; the seed is another one in each step."""

    step: Any

    def __init__(self) -> None:
        self._hold("step", Counter())

    def forward(self, x: Any) -> Any:
        if not self.training:
            return self.settled(x)
        self.step = self.step + 1
        return self.seeded(x, self.step)

    def seeded(self, x: Any, seed: Any) -> Any:
        raise NotImplementedError

    def settled(self, x: Any) -> Any:
        return x


def _pictures(x: Any, who: str) -> None:
    if x.ndim < 3:
        raise ShapeError(f"{who} of {list(x.shape)}: no pictures; accepted: samples first, rows and columns last")


class RandomCrop(Seeded):
    """A part of each picture at a random place, after `padding` places more on every side (ops.crop_places, ops.pixels_at).

    size: (rows, columns) or one number for both; None: the picture's own. In inference: the middle of the picture, of that size.
    """

    arguments = ("size", "padding", "fill", "padding_mode")

    def __init__(self, size: Any = None, padding: Any = 0, fill: float = 0.0, padding_mode: str = "constant"):
        super().__init__()
        self.size = None if size is None else several(size, "size", 1, 2)
        self.padding = several(padding, "padding", 0, 2)
        self.fill = real(fill, "fill")
        self.padding_mode = choice(padding_mode, "padding_mode", ("constant", "reflect", "replicate", "circular"))

    def seeded(self, x: Any, seed: Any) -> Any:
        (h, w), (p, q) = self._inside(x, self.padding), self.padding
        if p or q:
            x = F.pad(x, (q, q, p, p), self.padding_mode, self.fill if self.padding_mode == "constant" else None)
        row, column = ops.crop_places(x, seed, h=h, w=w)
        return ops.pixels_at(x, row, column)

    def settled(self, x: Any) -> Any:
        h, w = self._inside(x, (0, 0))
        top, left = (x.shape[-2] - h) // 2, (x.shape[-1] - w) // 2
        return x if (h, w) == x.shape[-2:] else x[..., top : top + h, left : left + w]

    def _inside(self, x: Any, padding: tuple[int, ...]) -> tuple[int, int]:
        """The size of the part, which the picture must have."""
        _pictures(x, type(self).__name__)
        h, w = x.shape[-2:] if self.size is None else self.size
        if h > x.shape[-2] + 2 * padding[0] or w > x.shape[-1] + 2 * padding[1]:
            raise ShapeError(f"size={(h, w)}: not in pictures of {list(x.shape[-2:])} with padding={self.padding}; accepted: up to their size")
        return int(h), int(w)

    def extra_repr(self) -> str:
        return f"size={self.size}, padding={self.padding}" + self.told(fill=0.0, padding_mode="constant")


class _RandomFlip(Seeded):
    arguments = ("p",)

    def __init__(self, p: float = 0.5):
        super().__init__()
        self.p = real(p, "p", 0, 1)

    def extra_repr(self) -> str:
        return f"p={self.p}"


class RandomHorizontalFlip(_RandomFlip):
    """With probability p, left becomes right (ops.random_flip)."""

    def seeded(self, x: Any, seed: Any) -> Any:
        _pictures(x, type(self).__name__)
        return ops.random_flip(x, seed, p=float(self.p))


class RandomVerticalFlip(_RandomFlip):
    """With probability p, up becomes down (ops.random_flip_rows)."""

    def seeded(self, x: Any, seed: Any) -> Any:
        _pictures(x, type(self).__name__)
        return ops.random_flip_rows(x, seed, p=float(self.p))


class RandomErasing(Seeded):
    """With probability p, a rectangle of each picture becomes `value` (ops.random_erase).

    scale: of its area, as shares of the picture's. ratio: of its height to its width.
    """

    arguments = ("p", "scale", "ratio", "value")

    def __init__(self, p: float = 0.5, scale: tuple[float, float] = (0.02, 0.33), ratio: tuple[float, float] = (0.3, 3.3), value: float = 0.0):
        super().__init__()
        self.p, self.value = real(p, "p", 0, 1), real(value, "value")
        self.scale, self.ratio = _span(scale, "scale", 1.0), _span(ratio, "ratio", math.inf)

    def seeded(self, x: Any, seed: Any) -> Any:
        _pictures(x, type(self).__name__)
        (least, most), (narrow, wide) = self.scale, self.ratio
        return ops.random_erase(x, seed, p=float(self.p), least=least, most=most, narrow=narrow, wide=wide, value=float(self.value))

    def extra_repr(self) -> str:
        return f"p={self.p}, scale={self.scale}, ratio={self.ratio}, value={self.value}"


def _span(given: object, what: str, most: float) -> tuple[float, float]:
    if not isinstance(given, (tuple, list)) or len(given) != 2:
        raise ArgumentError(f"{what}={given!r:.80}: not from one number to another; accepted: two numbers")
    low, high = (float(real(v, what, 0, most, open_end=True)) for v in given)
    if low > high:
        raise ArgumentError(f"{what}={given!r:.80}: ends before it begins; accepted: the smaller number first")
    return low, high
