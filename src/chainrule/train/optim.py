"""Optimisers: settings only; their updates are formulas (ops/update.py) compiled into the training step."""

from __future__ import annotations

import numbers
import sys
from dataclasses import dataclass

from ..errors import ArgumentError

LARGEST = sys.float_info.max


@dataclass(frozen=True)
class SGD:
    """Stochastic gradient descent: v' = momentum v + g + weight_decay w, w' = w - lr v' (PyTorch's convention).

    Errors: ArgumentError for a value that is not a number of at least 0.
    """

    lr: float = 0.01
    momentum: float = 0.0
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        for name in ("lr", "momentum", "weight_decay"):
            v = getattr(self, name)
            if isinstance(v, bool) or not isinstance(v, numbers.Real) or not 0 <= v < LARGEST:  # type: ignore[operator]  # real numbers have an order
                raise ArgumentError(f"{name}={v!r:.80}: not usable; accepted: a number of at least 0")
            object.__setattr__(self, name, float(v))
