"""Losses as modules, with PyTorch's names, arguments and defaults; reduction: "mean", "sum" or "none"."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import ArgumentError, ShapeError
from ...operation.arrays import to_array
from .. import functional as F
from ..arguments import choice, flag, is_whole, real
from ..functional.loss import REDUCTIONS
from .base import Loss


def weights(value: Any, name: str = "weight") -> np.ndarray | None:
    """Weights as an array, or none."""
    return None if value is None else np.array(to_array(value, name))


def put_together(size_average: Any, reduce: Any, reduction: Any, words: tuple[str, ...] = REDUCTIONS) -> str:
    """The reduction, also from the two arguments that PyTorch had before it."""
    if size_average is None and reduce is None:
        return choice(reduction, "reduction", words)
    if reduce is False:
        return "none"
    return "sum" if size_average is False else "mean"


class _Reduced(Loss):
    """A loss for each prediction, put together."""

    def __init__(self, size_average: Any = None, reduce: Any = None, reduction: str = "mean"):
        self.reduction = put_together(size_average, reduce, reduction)


class MSELoss(_Reduced):
    """Squared differences (ops.mse)."""

    def forward(self, input: Any, target: Any) -> Any:
        return F.mse_loss(input, target, reduction=self.reduction)


class L1Loss(_Reduced):
    """Absolute differences (ops.absolute_error)."""

    def forward(self, input: Any, target: Any) -> Any:
        return F.l1_loss(input, target, reduction=self.reduction)


class HalfSquareLoss(_Reduced):
    """Half the sum of squares of each sample (the documents' loss; ops.half_square): of targets, or of class numbers (a 1 at the class, 0 elsewhere)."""

    def forward(self, input: Any, target: Any) -> Any:
        return F.half_square_loss(input, target, reduction=self.reduction)


class SoftMarginLoss(_Reduced):
    """ln(1 + exp(-t y)) for t of -1 or 1 (ops.soft_margin)."""

    def forward(self, input: Any, target: Any) -> Any:
        return F.soft_margin_loss(input, target, reduction=self.reduction)


class MultiLabelMarginLoss(_Reduced):
    """Every named class is to have a larger score than every other by 1 (ops.multi_label_margin)."""

    def forward(self, input: Any, target: Any) -> Any:
        return F.multilabel_margin_loss(input, target, reduction=self.reduction)


class ProbabilityCrossEntropyLoss(_Reduced):
    """-sum_k t_k ln y_k of probabilities: distributions as targets, or class numbers (the documents' loss)."""

    def forward(self, input: Any, target: Any) -> Any:
        return F.probability_cross_entropy(input, target, reduction=self.reduction)


class HingeEmbeddingLoss(_Reduced):
    """A distance where t is 1, max(0, margin - y) where it is -1 (ops.hinge_embedding)."""

    def __init__(self, margin: float = 1.0, size_average: Any = None, reduce: Any = None, reduction: str = "mean"):
        super().__init__(size_average, reduce, reduction)
        self.margin = real(margin, "margin")

    def forward(self, input: Any, target: Any) -> Any:
        return F.hinge_embedding_loss(input, target, margin=self.margin, reduction=self.reduction)


class MarginRankingLoss(_Reduced):
    """max(0, margin - t (x - z)) (ops.margin_ranking)."""

    def __init__(self, margin: float = 0.0, size_average: Any = None, reduce: Any = None, reduction: str = "mean"):
        super().__init__(size_average, reduce, reduction)
        self.margin = real(margin, "margin")

    def forward(self, input1: Any, input2: Any, target: Any) -> Any:
        return F.margin_ranking_loss(input1, input2, target, margin=self.margin, reduction=self.reduction)


class CosineEmbeddingLoss(_Reduced):
    """1 - cos(x, z) where t is 1, max(0, cos(x, z) - margin) where it is -1 (ops.cosine_embedding)."""

    def __init__(self, margin: float = 0.0, size_average: Any = None, reduce: Any = None, reduction: str = "mean"):
        super().__init__(size_average, reduce, reduction)
        self.margin = real(margin, "margin")

    def forward(self, input1: Any, input2: Any, target: Any) -> Any:
        return F.cosine_embedding_loss(input1, input2, target, margin=self.margin, reduction=self.reduction)


class HingeLoss(_Reduced):
    """max(0, margin - t y) for t of -1 or 1 (ops.hinge)."""

    def __init__(self, margin: float = 1.0, reduction: str = "mean"):
        super().__init__(reduction=reduction)
        self.margin = real(margin, "margin")

    def forward(self, input: Any, target: Any) -> Any:
        return F.hinge_loss(input, target, self.margin, self.reduction)


class HuberLoss(_Reduced):
    """Half a square near 0, a line of slope delta from there (ops.huber)."""

    def __init__(self, reduction: str = "mean", delta: float = 1.0):
        super().__init__(reduction=reduction)
        self.delta = real(delta, "delta", 0, open_end=True)

    def forward(self, input: Any, target: Any) -> Any:
        return F.huber_loss(input, target, self.reduction, self.delta)


class SmoothL1Loss(_Reduced):
    """Half a square over beta near 0, a line from beta on (ops.smooth_l1)."""

    def __init__(self, size_average: Any = None, reduce: Any = None, reduction: str = "mean", beta: float = 1.0):
        super().__init__(size_average, reduce, reduction)
        self.beta = real(beta, "beta", 0)

    def forward(self, input: Any, target: Any) -> Any:
        return F.smooth_l1_loss(input, target, self.reduction, self.beta)


class BCELoss(_Reduced):
    """-(t ln y + (1 - t) ln(1 - y)) of probabilities (ops.binary_cross_entropy)."""

    def __init__(self, weight: Any = None, size_average: Any = None, reduce: Any = None, reduction: str = "mean"):
        super().__init__(size_average, reduce, reduction)
        self.weight = weights(weight)

    def forward(self, input: Any, target: Any) -> Any:
        if tuple(input.shape) != tuple(target.shape):
            raise ShapeError(f"BCELoss of {list(input.shape)} with targets {list(target.shape)}: accepted: targets of the same shape")
        return F.binary_cross_entropy(input, target, self.weight, self.reduction)


class BCEWithLogitsLoss(_Reduced):
    """The same of logits, by softplus (ops.binary_cross_entropy_with_logits). pos_weight: of what is true."""

    def __init__(self, weight: Any = None, size_average: Any = None, reduce: Any = None, reduction: str = "mean", pos_weight: Any = None):
        super().__init__(size_average, reduce, reduction)
        self.weight, self.pos_weight = weights(weight), weights(pos_weight, "pos_weight")

    def forward(self, input: Any, target: Any) -> Any:
        if tuple(input.shape) != tuple(target.shape):
            raise ShapeError(f"BCEWithLogitsLoss of {list(input.shape)} with targets {list(target.shape)}: accepted: targets of the same shape")
        return F.binary_cross_entropy_with_logits(input, target, self.weight, self.reduction, self.pos_weight)


class KLDivLoss(_Reduced):
    """t (ln t - y) of logarithms y of probabilities (ops.kl_divergence). reduction="batchmean": the sum over the number of samples."""

    def __init__(self, size_average: Any = None, reduce: Any = None, reduction: str = "mean", log_target: bool = False):
        self.reduction = put_together(size_average, reduce, reduction, (*REDUCTIONS, "batchmean"))
        self.log_target = flag(log_target, "log_target")

    def forward(self, input: Any, target: Any) -> Any:
        return F.kl_div(input, target, self.reduction, self.log_target)


class GaussianNLLLoss(_Reduced):
    """-ln of a normal density with a mean and a variance (ops.gaussian_nll): of input, target and variance."""

    def __init__(self, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean"):
        super().__init__(reduction=reduction)
        self.full, self.eps = flag(full, "full"), real(eps, "eps", 0, open_end=True)

    def forward(self, input: Any, target: Any, var: Any) -> Any:
        return F.gaussian_nll_loss(input, target, var, self.full, self.eps, self.reduction)


class PoissonNLLLoss(_Reduced):
    """-ln of a Poisson probability (ops.poisson_nll)."""

    def __init__(
        self,
        log_input: bool = True,
        full: bool = False,
        size_average: Any = None,
        eps: float = 1e-8,
        reduce: Any = None,
        reduction: str = "mean",
    ):
        super().__init__(size_average, reduce, reduction)
        self.log_input, self.full, self.eps = flag(log_input, "log_input"), flag(full, "full"), real(eps, "eps", 0)

    def forward(self, input: Any, target: Any) -> Any:
        return F.poisson_nll_loss(input, target, self.log_input, self.full, self.eps, self.reduction)


class TripletMarginLoss(_Reduced):
    """max(0, |a - p| - |a - q| + margin) (ops.triplet_margin): of anchor, positive and negative."""

    def __init__(
        self,
        margin: float = 1.0,
        p: float = 2.0,
        eps: float = 1e-6,
        swap: bool = False,
        size_average: Any = None,
        reduce: Any = None,
        reduction: str = "mean",
    ):
        super().__init__(size_average, reduce, reduction)
        self.margin, self.p, self.eps = real(margin, "margin", 0, open_end=True), real(p, "p", 0, open_end=True), real(eps, "eps", 0)
        self.swap = flag(swap, "swap")

    def forward(self, anchor: Any, positive: Any, negative: Any) -> Any:
        return F.triplet_margin_loss(anchor, positive, negative, self.margin, self.p, self.eps, self.swap, self.reduction)


class MultiMarginLoss(_Reduced):
    """Every class's score is to be smaller than the right one's by a margin (ops.multi_margin)."""

    def __init__(
        self,
        p: int = 1,
        margin: float = 1.0,
        weight: Any = None,
        size_average: Any = None,
        reduce: Any = None,
        reduction: str = "mean",
    ):
        super().__init__(size_average, reduce, reduction)
        if p not in (1, 2):
            raise ArgumentError(f"p={p!r:.40}: accepted: 1 or 2")
        self.p, self.margin, self.weight = int(p), real(margin, "margin"), weights(weight)

    def forward(self, input: Any, target: Any) -> Any:
        return F.multi_margin_loss(input, target, self.p, self.margin, self.weight, self.reduction)


class MultiLabelSoftMarginLoss(_Reduced):
    """The mean over classes of binary cross-entropies with logits."""

    def __init__(self, weight: Any = None, size_average: Any = None, reduce: Any = None, reduction: str = "mean"):
        super().__init__(size_average, reduce, reduction)
        self.weight = weights(weight)

    def forward(self, input: Any, target: Any) -> Any:
        return F.multilabel_soft_margin_loss(input, target, self.weight, self.reduction)


class NLLLoss(_Reduced):
    """Less the logarithm of the right class's probability (ops.nll); the mean is weighted, and without what is ignored."""

    def __init__(self, weight: Any = None, size_average: Any = None, ignore_index: int = -100, reduce: Any = None, reduction: str = "mean"):
        super().__init__(size_average, reduce, reduction)
        self.weight, self.ignore_index = weights(weight), class_number(ignore_index)

    def forward(self, input: Any, target: Any) -> Any:
        return F.nll_loss(input, target, self.weight, self.ignore_index, self.reduction)


class CrossEntropyLoss(_Reduced):
    """Softmax and cross-entropy from logits (ops.cross_entropy): class numbers as targets, or probabilities of the logits' shape.

    weight: of each class; ignore_index: a class number that does not count; label_smoothing: the share of every class's target that
    goes to all classes alike (ops.smoothed_cross_entropy, ops.soft_cross_entropy). In training with none of these arguments a target of
    -100 is refused, not ignored: the formula is the short one. Mark what does not count with another number, as ignore_index=-1.
    """

    def __init__(
        self,
        weight: Any = None,
        size_average: Any = None,
        ignore_index: int = -100,
        reduce: Any = None,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ):
        super().__init__(size_average, reduce, reduction)
        self.weight, self.ignore_index = weights(weight), class_number(ignore_index)
        self.label_smoothing = real(label_smoothing, "label_smoothing", 0, 1)

    def forward(self, input: Any, target: Any) -> Any:
        return F.cross_entropy(input, target, self.weight, self.ignore_index, self.reduction, self.label_smoothing)


def class_number(ignore_index: Any) -> int:
    if not is_whole(ignore_index):
        raise ArgumentError(f"ignore_index={ignore_index!r:.40}: accepted: a whole number")
    return int(ignore_index)
