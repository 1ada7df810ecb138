"""Optimisers: settings only; their updates are formulas (ops/update.py) compiled into the training step."""

from __future__ import annotations

import math
import numbers
from dataclasses import dataclass

from ..errors import ArgumentError


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
            given = getattr(self, name)
            real = isinstance(given, numbers.Real) and not isinstance(given, bool)
            try:
                v = float(given) if real else math.nan
            except OverflowError:
                v = math.inf
            if not 0 <= v < math.inf:
                raise ArgumentError(f"{name}={given!r:.80}: not usable; accepted: a number of at least 0")
            object.__setattr__(self, name, v)
