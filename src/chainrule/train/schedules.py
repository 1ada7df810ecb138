"""Schedules: a number of the optimiser as a formula of the step, compiled into the training step."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..errors import ArgumentError
from ..operation.op import Op, op
from ..ops import update

METRICS = ("train_loss", "test_loss", "test_accuracy")  # of an epoch


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


def _above(value: float, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not 0 < value < math.inf:
        raise ArgumentError(f"{name}={value!r:.80}: not usable; accepted: a number above 0")
    return float(value)


def _not_negative(**given: float) -> None:
    for name, value in given.items():
        if isinstance(value, bool) or not isinstance(value, numbers.Real) or not 0 <= value < math.inf:
            raise ArgumentError(f"{name}={value!r:.80}: not usable; accepted: a number of at least 0")


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


class OneCycle(Schedule):
    """PyTorch's OneCycleLR, its arguments and defaults: from max_lr / div_factor up to max_lr in the first part, pct_start of all steps,
    then down to 1 / final_div_factor of where it began (three_phase: back to where it began in a part as long, and on from there).

    >>> rate = OneCycle(0.1, total_steps=100)
    >>> round(rate(1), 6), round(rate(30), 6), round(rate(100), 9)
    (0.004, 0.1, 4e-07)

    Errors: ArgumentError for a first part of one step, and parts that are longer than all steps.
    """

    def __init__(
        self,
        max_lr: float,
        total_steps: int,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
    ):
        first = _above(max_lr, "max_lr") / _above(div_factor, "div_factor")
        self._shape = total_steps, pct_start, anneal_strategy, three_phase
        self._cycle(first, max_lr, first if three_phase else None, first / _above(final_div_factor, "final_div_factor"))

    def _cycle(self, first: float, top: float, after: float | None, last: float) -> None:
        """The formula's numbers. after: where the second of three parts ends."""
        total, part, way, three = self._shape
        steps = _steps("total_steps", total)
        if isinstance(part, bool) or not isinstance(part, numbers.Real) or not 0 <= part <= 1:
            raise ArgumentError(f"pct_start={part!r:.80}: not usable; accepted: a number from 0 to 1")
        if way not in update.CURVED:
            raise ArgumentError(f"anneal_strategy={way!r:.80}: not usable; accepted: {' or '.join(map(repr, update.CURVED))}")
        up, end = float(part) * steps - 1, steps - 1
        down = 2 * float(part) * steps - 2 if three else end
        if up == 0 or not (down if three else up) < end + (not three) or down <= up:
            raise ArgumentError(
                f"pct_start={part!r}, total_steps={total!r}: parts without steps; accepted: parts of two steps or more, not longer than all"
            )
        end = end if three else end + 1
        after = last if after is None else after
        super().__init__(update.cycle, first=first, top=top, after=after, last=last, up=up, down=down, end=end, curved=update.CURVED[way])

    def momentum(self, base_momentum: float = 0.85, max_momentum: float = 0.95) -> OneCycle:
        """The momentum that goes with it: from the largest to the least where the rate rises, and back."""
        made = object.__new__(OneCycle)
        made._shape = self._shape
        made._cycle(max_momentum, base_momentum, max_momentum, max_momentum)
        return made


@dataclass(frozen=True)
class Told:
    """What a rate that depends on a metric is, and what it remembers."""

    rate: float
    best: float
    bad: float = 0.0
    cool: float = 0.0


class Plateau(Schedule):
    """PyTorch's ReduceLROnPlateau, its arguments and defaults: lr, times `factor` when a metric is not better for more than `patience` epochs.

    metric: a field of Epoch, which `fit` tells it after each epoch: where none is given, test_loss (mode "max": test_accuracy), or
    train_loss without validation data. The rate is an input of the compiled step; what it remembers is the training's, not its own.

    >>> rate, now = Plateau(0.1, patience=0), None
    >>> for loss in (3.0, 2.0, 2.0):
    ...     now = rate.after(now or rate.start, loss)
    >>> round(now.rate, 3)
    0.01
    """

    def __init__(
        self,
        lr: float,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float = 0.0,
        eps: float = 1e-8,
        metric: str | None = None,
    ):
        self.op, self.metric = update.plateau, metric
        known = (("mode", mode, ("min", "max")), ("threshold_mode", threshold_mode, ("rel", "abs")), ("metric", metric, (*METRICS, None)))
        for name, text, words in known:
            if text not in words:
                raise ArgumentError(f"{name}={text!r:.80}: not usable; accepted: {', '.join(map(repr, words))}")
        if not 0 <= _above(factor, "factor") < 1:
            raise ArgumentError(f"factor={factor!r}: not usable; accepted: a number above 0 and below 1")
        _not_negative(patience=patience, cooldown=cooldown, min_lr=min_lr, eps=eps, threshold=threshold)
        turn, part = 1.0 - 2.0 * (mode == "max"), float(threshold_mode == "rel")
        counts = {"patience": patience, "cooldown": cooldown, "least": min_lr, "eps": eps}
        self.numbers = {"factor": factor, **counts, "turn": turn, "wanted": threshold, "part": part}
        self.start = Told(_above(lr, "lr"), turn * math.inf)

    def after(self, now: Told, metric: float) -> Told:
        """What comes of an epoch whose metric was this."""
        given = {**asdict(now), **self.numbers, "metric": metric}
        made: Any = self.op(engine="reference", **{k: np.asarray(float(v)) for k, v in given.items()})  # type: ignore[arg-type]  # numbers, no schedules
        return Told(*map(float, made))

    def of(self, epoch: Mapping[str, float | None]) -> float:
        """The metric among what was measured in an epoch."""
        tested = "test_loss" if self.numbers["turn"] == 1 else "test_accuracy"
        found = epoch.get(self.metric or tested)
        if found is None and self.metric is None and tested == "test_loss":
            found = epoch["train_loss"]
        if found is None:
            raise ArgumentError(
                f"{self!r}: there is no {self.metric or tested}; accepted: validation data (of classes, for an accuracy), or metric='train_loss'"
            )
        return found

    def __call__(self, step: int) -> float:
        """The rate before anything was measured."""
        return self.start.rate

    def __repr__(self) -> str:
        return f"Plateau({self.start.rate!r}, {', '.join(f'{k}={v!r}' for k, v in self.numbers.items())})"
