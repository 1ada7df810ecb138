"""Losses: operations of (prediction, target) whose value is a mean over samples."""

from __future__ import annotations

from collections.abc import Mapping

from .. import ops
from ..errors import ArgumentError
from ..language.index import Poly
from ..language.program import whole_numbers
from ..language.tree import Call, Expr, Index, Read, Reduce, children
from ..operation.arrays import to_array
from ..operation.op import Op


class Loss:
    """A loss; `op` has the inputs (prediction, target) and one scalar output."""

    op: Op

    def __call__(self, prediction: object, target: object) -> float:
        return float(self.op(prediction, target))  # type: ignore[arg-type]  # a loss has one scalar output

    def targets(self, t: object, name: str = "target") -> object:
        """Targets as the formula reads them: whole numbers, where it declares such."""
        declared = self.op.definition.inputs[1].whole is not None
        return whole_numbers(name, to_array(t, name)) if declared else t

    @property
    def of_classes(self) -> bool:
        """Whether its formula asks which output's number the target is, and nothing else of the target."""
        d = self.op.definition
        outputs = d.inputs[0].axes[1:]
        found = [_is_number(line.expr, d.inputs[1].name, outputs, {}) for line in d.lines]
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
