"""Losses: operations of (prediction, target) whose value is a mean over samples."""

from __future__ import annotations

from .. import ops
from ..errors import ArgumentError
from ..language.bind import whole_numbers
from ..language.tree import Call, Index, Read, walk
from ..operation.arrays import to_array
from ..operation.op import Op


class Loss:
    """A loss; `op` has the inputs (prediction, target) and one scalar output."""

    op: Op

    def __call__(self, prediction: object, target: object) -> float:
        return float(self.op(prediction, target))  # type: ignore[arg-type]  # a loss has one scalar output

    def targets(self, t: object) -> object:
        """Targets as the formula reads them: checked and whole, where it declares whole numbers."""
        declared = self.op.definition.inputs[1].whole is not None
        return whole_numbers("target", to_array(t, "target")) if declared else t

    @property
    def of_classes(self) -> bool:
        """Whether its formula asks which output's number the target is."""
        target = self.op.definition.inputs[1].name
        nodes = [e for line in self.op.definition.lines for e in walk(line.expr)]
        pairs = [e.args for e in nodes if isinstance(e, Call) and e.fn == "=="]
        return any(isinstance(a, Index) and isinstance(b, Read) and b.tensor == target for p in pairs for a, b in (p, p[::-1]))


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
