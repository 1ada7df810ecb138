"""What an optimiser is: an update's formula and its numbers, which parameters it is for, what becomes of gradients before."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import ArgumentError
from ..operation.op import Op, op
from .schedules import Schedule

Rate = float | Schedule


@dataclass(frozen=True)
class Update:
    """What the training step binds: the formula, its numbers by name (or what they are at each step), where states start.

    Numbers and states that may be left out are, unless they are named here."""

    op: Op
    scalars: Mapping[str, Rate]
    start: Mapping[str, float]


@dataclass(frozen=True)
class Clipping:
    """Bounds of gradients: of each number, then of the Euclidean norm over all that are trained."""

    value: Rate | None = None
    norm: Rate | None = None


@dataclass(frozen=True)
class Group:
    """Parameters that are updated in a way of their own; None: that are not trained.

    names: patterns of their names in state_dict, and classes of the modules whose own they are.
    """

    names: tuple[str | type, ...]
    optimizer: Optimizer | None


class Optimizer:
    """An optimiser from a formula of your own.

    The update has the inputs w (a parameter) and g (its gradient) and the output w_new. Any other input with an output of its
    name and `_new` is a state: it starts at 0, or at what `start` says, and is carried from step to step. `step` is the number
    of the step, from 1 on. All other inputs are numbers, given by name; a number may be a schedule. Numbers and states that may
    be left out are, unless they are given (`start` gives a state).

    >>> sign = Optimizer("sign(w[*A], g[*A], lr) -> w_new[*A]\\n w_new[*a] = w[*a] - lr * sign(g[*a])", lr=0.1)
    >>> sign.update.scalars["lr"]
    0.1

    Errors: ArgumentError for a formula without w, g or w_new, and for numbers that are missing or that it does not have.
    """

    def __init__(self, formula: Op | str, start: Mapping[str, float] | None = None, **scalars: Rate):
        made = formula if isinstance(formula, Op) else op(formula)
        names = {t.name: len(t.axes) for t in made.definition.inputs}
        out = {t.name for t in made.definition.outputs}
        form = "accepted: a header as in 'name(w[*A], g[*A], state[*A], lr) -> state_new[*A], w_new[*A]'"
        if not {"w", "g"} <= names.keys() or "w_new" not in out:
            raise ArgumentError(f"{made.header}: no update, which has the inputs w and g and the output w_new; {form}")
        states = {k for k in names if f"{k}_new" in out} - {"w"}
        numbers_ = [k for k in names if k not in states and k not in ("w", "g", "step")]
        for k in out - {f"{s}_new" for s in states} - {"w_new"}:
            raise ArgumentError(f"{k}: an output of {made.name} that is no state's new value; {form}")
        for k in numbers_:
            if names[k]:
                raise ArgumentError(f"{k}: an input of {made.name} with axes and without {k}_new; {form}")
            if k not in scalars and k not in made.optional:
                raise ArgumentError(f"{k}: {made.name} needs a number of that name; accepted: Optimizer(formula, {k}=…)")
        for k, v in scalars.items():
            if k not in numbers_:
                raise ArgumentError(f"{k}={v!r:.80}: {made.name} has no such number; accepted: {', '.join(numbers_) or 'none'}")
        for k in start or {}:
            if k not in states:
                raise ArgumentError(f"start of {k!r}: {made.name} has no such state; accepted: {', '.join(sorted(states)) or 'none'}")
        given = {k: v if isinstance(v, Schedule) else number(k, v, -math.inf) for k, v in scalars.items()}
        self._update = Update(made, given, {k: number(k, v, -math.inf) for k, v in (start or {}).items()})

    @property
    def update(self) -> Update:
        return self._update

    @property
    def clip(self) -> Clipping:
        """What becomes of gradients first."""
        return Clipping()

    @property
    def groups(self) -> Sequence[Group]:
        """Parameters that are updated in another way; the first group that names a parameter counts."""
        return ()

    def changed(self, settings: Mapping[str, Any]) -> Optimizer:
        """The same with other settings."""
        return Optimizer(self._update.op, self._update.start, **{**self._update.scalars, **settings})

    def __repr__(self) -> str:
        return f"Optimizer({self._update.op.name}, {', '.join(f'{k}={v!r}' for k, v in self._update.scalars.items())})"


def number(name: str, given: object, least: float = 0.0, below: float = math.inf) -> float:
    """A finite number from `least` to `below`."""
    real = isinstance(given, numbers.Real) and not isinstance(given, bool)
    try:
        v = float(given) if real else math.nan  # type: ignore[arg-type]  # a real number, as tested
    except OverflowError:
        v = math.inf
    if not (least <= v < below and math.isfinite(v)):
        limits = (
            "a finite number" if least == -math.inf else f"a number of at least {least:g}" + (f" and below {below:g}" if below < math.inf else "")
        )
        raise ArgumentError(f"{name}={given!r:.80}: not usable; accepted: {limits}")
    return v
