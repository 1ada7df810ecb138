"""Schedules: a number of the optimiser as a formula of the step, compiled into the training step."""

from __future__ import annotations

import math
import numbers
from typing import Any

import numpy as np

from ..errors import ArgumentError
from ..operation.op import Op, op
from ..ops import update


class Schedule:
    """A number that changes with the step: a formula of `step` (from 1 on) and of numbers given by name.

    A number may be a schedule itself. Nothing is compiled anew when numbers change. Called with a step it gives the number there.

    >>> halved = Schedule("halved(step, lr, every) -> rate\\n rate = lr * 0.5**floor((step - 1) / every)", lr=0.1, every=10)
    >>> halved(1), halved(11)
    (0.1, 0.05)

    Errors: ArgumentError for a formula with axes or several outputs, and for numbers that are missing or that it does not have.
    """

    def __init__(self, formula: Op | str, **given: float | Schedule):
        self.op = formula if isinstance(formula, Op) else op(formula)
        d = self.op.definition
        names = [t.name for t in d.inputs if t.name != "step"]
        if len(d.outputs) != 1 or any(t.axes for t in d.inputs + d.outputs):
            raise ArgumentError(f"{self.op.header}: no schedule; accepted: a formula of numbers with one output, as 'name(step, lr) -> rate'")
        missing, surplus = [k for k in names if k not in given], [k for k in given if k not in names]
        if missing or surplus:
            raise ArgumentError(f"{', '.join(missing + surplus)}: not the numbers of {self.op.name}; accepted: {', '.join(names) or 'none'}")
        self.numbers: dict[str, float | Schedule] = {}
        for k, v in given.items():
            real = isinstance(v, numbers.Real) and not isinstance(v, bool) and math.isfinite(v)
            if not isinstance(v, Schedule) and not real:
                raise ArgumentError(f"{k}={v!r:.80}: not usable; accepted: a finite number, or a schedule")
            self.numbers[k] = v if isinstance(v, Schedule) else float(v)

    def __call__(self, step: int) -> float:
        """The number at a step."""
        values: dict[str, Any] = {k: v(step) if isinstance(v, Schedule) else v for k, v in self.numbers.items()} | {"step": step}
        arrays = {t.name: np.asarray(float(values[t.name])) for t in self.op.definition.inputs}
        return float(self.op(engine="reference", **arrays))  # type: ignore[arg-type]  # one output without axes

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in self.numbers.items())})"


def _steps(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not 1 <= float(value) < math.inf:
        raise ArgumentError(f"{name}={value!r:.80}: not usable; accepted: a number of steps of at least 1")
    return float(value)


class Cosine(Schedule):
    """Half a cosine from lr at the first step down to `least` after `steps` steps; then `least`.

    >>> rate = Cosine(0.1, steps=100)
    >>> rate(1), round(rate(51), 3), rate(101)
    (0.1, 0.05, 0.0)
    """

    def __init__(self, lr: float | Schedule, steps: float, least: float = 0.0):
        super().__init__(update.cosine, lr=lr, steps=_steps("steps", steps), least=least)


class StepLR(Schedule):
    """lr, times `factor` again after each `every` steps."""

    def __init__(self, lr: float | Schedule, every: float, factor: float = 0.1):
        super().__init__(update.stairs, lr=lr, every=_steps("every", every), factor=factor)


class Exponential(Schedule):
    """lr, times `factor` after each step."""

    def __init__(self, lr: float | Schedule, factor: float):
        super().__init__(update.exponential, lr=lr, factor=factor)


class Ramp(Schedule):
    """From lr to `last` along a line over `steps` steps; then `last`."""

    def __init__(self, lr: float | Schedule, last: float, steps: float):
        super().__init__(update.line, lr=lr, last=last, steps=_steps("steps", steps))


class Warmup(Schedule):
    """lr, or what a schedule gives, after a start that grows along a line over `steps` steps.

    >>> Warmup(Cosine(0.1, steps=100), steps=10)(5) < 0.05
    True
    """

    def __init__(self, lr: float | Schedule, steps: float):
        super().__init__(update.warm, lr=lr, steps=_steps("steps", steps))
