"""Losses: of (prediction, target), a number that is a mean over samples."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...errors import ArgumentError
from ...language.index import Poly
from ...language.tree import Call, Expr, Index, Read, Reduce, children
from ...operation.op import Op
from .. import trace
from ..module import Module
from ..tensors import Symbol


@dataclass(frozen=True)
class Total:
    """A loss of all outputs and all targets."""

    function: Callable[[tuple[Symbol, ...], tuple[Symbol, ...]], Any]

    def __call__(self, outputs: tuple[Symbol, ...], targets: tuple[Symbol, ...]) -> Any:
        return self.function(outputs, targets)


class Loss(Module):
    """A loss of predictions and targets. Losses may be added, and weighted by numbers; of arrays it gives numbers at once."""

    def __call__(self, *inputs: Any, **given: Any) -> Any:
        if trace.tracing() is not None:
            return super().__call__(*inputs, **given)
        trace.suited(self, inputs, given)
        found = self.forward(*inputs, **given)
        return found if getattr(found, "ndim", 0) else float(found)

    def __mul__(self, factor: float) -> Weighted:
        return Weighted(((factor, self),))

    __rmul__ = __mul__

    def __add__(self, other: Loss) -> Weighted:
        return Weighted(((1.0, self),)) + other

    def __radd__(self, other: object) -> Loss:
        if other == 0:  # as sum() begins
            return self
        raise ArgumentError(f"{other!r:.60} + a loss: not a loss; accepted: losses, and numbers in front of them")


class Weighted(Loss):
    """A sum of losses of one prediction, each with a weight."""

    def __init__(self, parts: Sequence[tuple[float, Loss]]):
        for factor, _ in parts:
            if isinstance(factor, bool) or not isinstance(factor, numbers.Real):
                raise ArgumentError(f"{factor!r:.80} times a loss: not a weight; accepted: a number")
        self.parts = tuple(parts)

    def __call__(self, *inputs: Any, **given: Any) -> Any:
        if trace.tracing() is not None:
            return self.forward(*inputs)
        return sum(factor * loss(*inputs) for factor, loss in self.parts)

    def forward(self, prediction: Any, target: Any) -> Any:
        first, *rest = (factor * loss(prediction, target) if factor != 1 else loss(prediction, target) for factor, loss in self.parts)
        return sum(rest, first)

    def __mul__(self, factor: float) -> Weighted:
        return Weighted([(factor * f, loss) for f, loss in self.parts])

    __rmul__ = __mul__

    def __add__(self, other: Loss) -> Weighted:
        if not isinstance(other, Loss):
            raise ArgumentError(f"a loss + {other!r:.60}: not a loss; accepted: losses, and numbers in front of them")
        return Weighted((*self.parts, *(other.parts if isinstance(other, Weighted) else ((1.0, other),))))


def as_loss(value: object) -> Total:
    """A loss of outputs and targets: from a loss, an operation, a module or function of both, or one of these for each output."""
    if isinstance(value, Total):
        return value
    if isinstance(value, (tuple, list)):
        return _each([as_loss(v) for v in value])
    if isinstance(value, Op):
        if len(value.definition.inputs) != 2 or len(value.definition.outputs) != 1 or value.definition.outputs[0].axes:
            raise ArgumentError(f"{value!r}: not a loss; accepted: {LOSSES}")
        return _of(value)
    if isinstance(value, Module) or (callable(value) and not isinstance(value, type)):
        return _of(value)
    raise ArgumentError(f"{value!r:.80}: not a loss; accepted: {LOSSES}")


LOSSES = "a loss of chainrule.nn, an operation of (prediction, target) with a scalar output, a function of outputs and targets, or a tuple of losses"


def _of(function: Callable[..., Any]) -> Total:
    return Total(lambda outputs, targets: function(*outputs, *targets))


def _each(losses: Sequence[Total]) -> Total:
    def total(outputs: tuple[Symbol, ...], targets: tuple[Symbol, ...]) -> Any:
        if not len(losses) == len(outputs) == len(targets):
            raise ArgumentError(
                f"{len(losses)} losses: the network has {len(outputs)} outputs and there are {len(targets)} targets; accepted: as many of each"
            )
        first, *rest = (loss((y,), (t,)) for loss, y, t in zip(losses, outputs, targets, strict=True))
        return sum(rest, first)

    return Total(total)


def of_classes(calls: Sequence[trace.Call], prediction: str, target: str) -> bool:
    """Whether the formulas ask which output's number the target is, and nothing else of the target."""
    found: list[bool | None] = []
    for c in calls:
        d = c.op.definition
        own = [t for t in d.inputs if c.names[t.name] == target]
        outputs = [t.axes[1:] for t in d.inputs if c.names[t.name] == prediction]
        if own and not outputs:
            return False  # something else is done with the target
        found += [_is_number(line.expr, t.name, outputs[0], {}) for t in own for line in d.lines]
    return any(found) and None not in found


def _is_number(e: Expr, target: str, outputs: tuple[Poly, ...], around: Mapping[str, Poly]) -> bool | None:
    """Whether the target is compared with the number of an output in e; None where something else is done with it."""
    if isinstance(e, Read):
        return None if e.tensor == target else False
    if isinstance(e, Reduce):
        around = {**around, **dict(zip(e.letters, e.ranges, strict=True))}
    if isinstance(e, Call) and e.fn in ("==", "delta"):
        for a, b in (e.args, e.args[::-1]):
            if isinstance(a, Index) and isinstance(b, Read) and b.tensor == target and around.get(a.expr.letter or "") in outputs:
                return True
    found = [_is_number(a, target, outputs, around) for a in children(e)]
    return None if None in found else any(found)
