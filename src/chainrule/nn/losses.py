"""Losses: operations of (prediction, target) whose value is a mean over samples."""

from __future__ import annotations

from .. import ops
from ..errors import ArgumentError
from ..ops.operation import Op


class Loss:
    """A loss; `op` has the inputs (prediction, target) and one scalar output."""

    op: Op

    def __call__(self, prediction: object, target: object) -> float:
        return float(self.op(prediction, target))  # type: ignore[arg-type]


class CrossEntropyLoss(Loss):
    """Softmax and cross-entropy from logits, with class numbers as targets."""

    op = ops.cross_entropy


class MSELoss(Loss):
    """The mean of squared differences."""

    op = ops.mse


class HalfSquareLoss(Loss):
    """Half the sum of squares, a mean over samples (the documents' loss)."""

    op = ops.half_square


def as_loss(value: object) -> Loss:
    """A loss from a loss or from an operation of two inputs and a scalar output."""
    if isinstance(value, Loss):
        return value
    if isinstance(value, Op) and len(value.definition.inputs) == 2 and len(value.definition.outputs) == 1 and not value.definition.outputs[0].axes:
        made = Loss()
        made.op = value
        return made
    raise ArgumentError(f"{value!r}: not a loss; accepted: a loss of chainrule.nn, or an operation of (prediction, target) with a scalar output")
