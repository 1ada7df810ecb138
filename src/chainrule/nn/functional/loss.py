"""Losses, with PyTorch's names and arguments. reduction: "mean", "sum", or "none" for one number for each prediction."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ... import ops
from ...errors import ArgumentError, ElementTypeError, ShapeError
from ...operation.op import Op
from ..arguments import choice, flag, real, whole
from ..tensors import Symbol
from .common import Tensor, tensor

REDUCTIONS = ("mean", "sum", "none")
UNUSED = -100  # the usual ignore_index


def reduced(each: Tensor, reduction: str) -> Tensor:
    """Numbers put together."""
    if choice(reduction, "reduction", REDUCTIONS) == "none":
        return each
    if not each.ndim:
        return each
    return ops.mean_loss(each) if reduction == "mean" else ops.sum_loss(each)


def together(*tensors: Tensor) -> list[Tensor]:
    """Tensors of the sizes that they broadcast to, with at least one axis."""
    found = [tensor(x, name) for x, name in zip(tensors, ("input", "target", "weight"), strict=False)]
    try:
        shape = np.broadcast_shapes(*(x.shape for x in found))
    except ValueError:
        shown = " and ".join(str(list(x.shape)) for x in found)
        raise ShapeError(f"shapes {shown}: do not go together; accepted: predictions and targets of one shape") from None
    return [_spread(x, shape) for x in found]


def _spread(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    if x.shape != shape:
        x = x + np.zeros(shape, np.float32) if isinstance(x, Symbol) else np.broadcast_to(x, shape)
    return x if shape else x.reshape(1)


def elementwise(op: Op, tensors: Sequence[Tensor], reduction: str, weight: Tensor | None = None, **settings: Any) -> Tensor:
    """An operation of predictions and targets, number by number, then put together."""
    flat = not any(tensor(x).ndim for x in tensors)
    each = op(*together(*tensors), **settings)
    if weight is not None:
        each = each * tensor(weight, "weight")
    return reduced(each.reshape(()) if flat else each, reduction)


def mse_loss(input: Tensor, target: Tensor, reduction: str = "mean", weight: Tensor | None = None) -> Tensor:
    """Squared differences (ops.mse, ops.squared_error)."""
    a, b = tensor(input), tensor(target)
    if reduction == "mean" and weight is None and a.shape == b.shape and a.ndim:
        return ops.mse(a, b)
    return elementwise(ops.squared_error, (a, b), reduction, weight)


def l1_loss(input: Tensor, target: Tensor, reduction: str = "mean", weight: Tensor | None = None) -> Tensor:
    """Absolute differences (ops.absolute_error)."""
    return elementwise(ops.absolute_error, (input, target), reduction, weight)


def smooth_l1_loss(input: Tensor, target: Tensor, reduction: str = "mean", beta: float = 1.0) -> Tensor:
    """Half a square over beta near 0, a line from beta on (ops.smooth_l1)."""
    if real(beta, "beta", 0) == 0:
        return l1_loss(input, target, reduction)
    return elementwise(ops.smooth_l1, (input, target), reduction, beta=float(beta))


def huber_loss(input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0, weight: Tensor | None = None) -> Tensor:
    """Half a square near 0, a line of slope delta from there (ops.huber)."""
    return elementwise(ops.huber, (input, target), reduction, weight, bound=real(delta, "delta", 0, open_end=True))


def half_square_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """Half the sum of squares of each sample (ops.half_square, ops.half_squares); class numbers stand for a 1 at the class and 0 elsewhere."""
    y, t = tensor(input), tensor(target)
    if y.ndim == 2 and t.shape == y.shape[:1]:
        return reduced(ops.half_squares_of_classes(y, t), reduction)
    return ops.half_square(input, target) if reduction == "mean" else reduced(ops.half_squares(input, target), reduction)


def binary_cross_entropy(input: Tensor, target: Tensor, weight: Tensor | None = None, reduction: str = "mean") -> Tensor:
    """-(t ln y + (1 - t) ln(1 - y)) of probabilities (ops.binary_cross_entropy)."""
    return elementwise(ops.binary_cross_entropy, (input, target), reduction, weight)


def binary_cross_entropy_with_logits(
    input: Tensor, target: Tensor, weight: Tensor | None = None, reduction: str = "mean", pos_weight: Tensor | None = None
) -> Tensor:
    """The same of logits, by softplus (ops.binary_cross_entropy_with_logits)."""
    tensors = [input, target] if pos_weight is None else [input, target, pos_weight]
    return elementwise(ops.binary_cross_entropy_with_logits, tensors, reduction, weight)


def kl_div(input: Tensor, target: Tensor, reduction: str = "mean", log_target: bool = False) -> Tensor:
    """t (ln t - y) of logarithms y of probabilities (ops.kl_divergence); "batchmean": the sum over the number of samples."""
    op = ops.kl_divergence_of_logs if log_target else ops.kl_divergence
    if choice(reduction, "reduction", (*REDUCTIONS, "batchmean")) == "batchmean":
        return elementwise(op, (input, target), "sum") / max(1, (tensor(input).shape or (1,))[0])
    return elementwise(op, (input, target), reduction)


def gaussian_nll_loss(input: Tensor, target: Tensor, var: Tensor, full: bool = False, eps: float = 1e-6, reduction: str = "mean") -> Tensor:
    """-ln of a normal density with mean and variance (ops.gaussian_nll)."""
    x, v = tensor(input), tensor(var, "var")
    if v.ndim == x.ndim - 1:
        v = v.reshape(*v.shape, 1)
    each = elementwise(ops.gaussian_nll, (x, target, v), "none", eps=real(eps, "eps", 0, open_end=True))
    return reduced(each + 0.5 * math.log(2 * math.pi) if full else each, reduction)


def poisson_nll_loss(input: Tensor, target: Tensor, log_input: bool = True, full: bool = False, eps: float = 1e-8, reduction: str = "mean") -> Tensor:
    """-ln of a Poisson probability (ops.poisson_nll, ops.poisson_nll_of_means, ops.stirling)."""
    each = (
        elementwise(ops.poisson_nll, (input, target), "none")
        if log_input
        else elementwise(ops.poisson_nll_of_means, (input, target), "none", eps=real(eps, "eps", 0))
    )
    if full:
        t = tensor(target)
        each = each + (ops.stirling(t) if t.ndim else ops.stirling(t.reshape(1)).reshape(()))
    return reduced(each, reduction)


def soft_margin_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """ln(1 + exp(-t y)) for t of -1 or 1 (ops.soft_margin)."""
    return elementwise(ops.soft_margin, (input, target), reduction)


def hinge_loss(input: Tensor, target: Tensor, margin: float = 1.0, reduction: str = "mean") -> Tensor:
    """max(0, margin - t y) for t of -1 or 1 (ops.hinge)."""
    return elementwise(ops.hinge, (input, target), reduction, margin=real(margin, "margin"))


def hinge_embedding_loss(input: Tensor, target: Tensor, margin: float = 1.0, reduction: str = "mean") -> Tensor:
    """A distance where t is 1, max(0, margin - y) where it is -1 (ops.hinge_embedding)."""
    return elementwise(ops.hinge_embedding, (input, target), reduction, margin=real(margin, "margin"))


def margin_ranking_loss(input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, reduction: str = "mean") -> Tensor:
    """max(0, margin - t (x - z)) (ops.margin_ranking)."""
    return elementwise(ops.margin_ranking, (input1, input2, target), reduction, margin=real(margin, "margin"))


def cosine_embedding_loss(input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, reduction: str = "mean") -> Tensor:
    """1 - cos(x, z) where t is 1, max(0, cos(x, z) - margin) where it is -1 (ops.cosine_embedding)."""
    a, b, t = tensor(input1), tensor(input2), tensor(target)
    alone = a.ndim == 1
    if alone:
        a, b, t = a.reshape(1, -1), b.reshape(1, -1), t.reshape(1)
    each = ops.cosine_embedding(a, b, t, margin=real(margin, "margin"))
    return reduced(each.reshape(()) if alone else each, reduction)


def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """max(0, |a - p| - |a - q| + margin) (ops.triplet_margin)."""
    a, b, c = tensor(anchor), tensor(positive), tensor(negative)
    alone = a.ndim == 1
    if alone:
        a, b, c = a.reshape(1, -1), b.reshape(1, -1), c.reshape(1, -1)
    norm, room, turned = real(p, "p", 0, open_end=True), real(eps, "eps", 0), int(flag(swap, "swap"))
    each = ops.triplet_margin(a, b, c, margin=real(margin, "margin"), norm=norm, eps=room, swap=turned)
    return reduced(each.reshape(()) if alone else each, reduction)


def _rows(input: Tensor, target: Tensor, same: bool) -> tuple[Tensor, Tensor, bool]:
    """Scores [samples, classes] and their targets, and whether it was one sample alone."""
    x, t = tensor(input), tensor(target)
    if x.ndim < 2:
        return x.reshape(1, -1), t.reshape(1, -1) if same else t.reshape(1), True
    if x.ndim != 2:
        raise ShapeError(f"scores of {list(x.shape)}: accepted: [samples, classes], or [classes]")
    return x, t, False


def multi_margin_loss(
    input: Tensor, target: Tensor, p: int = 1, margin: float = 1.0, weight: Tensor | None = None, reduction: str = "mean"
) -> Tensor:
    """Every class's score is to be smaller than the right one's by a margin (ops.multi_margin)."""
    if p not in (1, 2):
        raise ArgumentError(f"p={p!r:.40}: accepted: 1 or 2")
    x, t, alone = _rows(input, target, False)
    each = ops.multi_margin(x, t, weight, p=int(p), margin=real(margin, "margin"))
    return reduced(each.reshape(()) if alone else each, reduction)


def multilabel_margin_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """Every named class is to have a larger score than every other by 1 (ops.multi_label_margin)."""
    x, t, alone = _rows(input, target, True)
    each = ops.multi_label_margin(x, t)
    return reduced(each.reshape(()) if alone else each, reduction)


def multilabel_soft_margin_loss(input: Tensor, target: Tensor, weight: Tensor | None = None, reduction: str = "mean") -> Tensor:
    """The mean over classes of binary cross-entropies with logits."""
    each = binary_cross_entropy_with_logits(input, target, weight, "none")
    return reduced(each.mean(-1), reduction)


# Classes -------------------------------------------------------------------------------------------------------------------


def _classes(input: Tensor, target: Tensor, who: str) -> tuple[Tensor, Tensor, bool, bool]:
    """Scores with samples first, targets, whether targets are distributions, and whether it was one sample alone."""
    x, t = tensor(input), tensor(target)
    soft = t.shape == x.shape and not (isinstance(t, np.ndarray) and t.dtype.kind in "iu" and x.ndim == 1)
    alone = x.ndim == 1
    if alone:
        x, t = x.reshape(1, -1), t.reshape(1, -1) if soft else t.reshape(1)
    if x.ndim < 2 or (not soft and t.shape != (x.shape[0], *x.shape[2:])):
        raise ShapeError(
            f"{who} of {list(x.shape)} with targets {list(t.shape)}: accepted: scores [samples, classes, …] with class numbers [samples, …]"
            + ("" if who == "nll_loss" else ", or with probabilities of the scores' shape")
        )
    return x, t, soft, alone


def nll_loss(input: Tensor, target: Tensor, weight: Tensor | None = None, ignore_index: int = UNUSED, reduction: str = "mean") -> Tensor:
    """Less the logarithm of the right class's probability (ops.nll); the mean is weighted, and without what is ignored."""
    x, t, _, alone = _classes(input, target, "nll_loss")
    return _weighted(ops.nll(x, t, weight, skip=whole(ignore_index, "ignore_index", -(1 << 40))), reduction, alone)


def _weighted(found: Any, reduction: str, alone: bool) -> Tensor:
    each, v = found
    if choice(reduction, "reduction", REDUCTIONS) == "mean":
        return ops.weighted_mean(each, v)
    return reduced(each.reshape(()) if alone else each, reduction)


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    ignore_index: int = UNUSED,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Softmax and cross-entropy from scores: class numbers, or probabilities of the scores' shape, on the second axis
    (ops.cross_entropy; ops.smoothed_cross_entropy with any of the further arguments; ops.soft_cross_entropy)."""
    x, t, soft, alone = _classes(input, target, "cross_entropy")
    e, skip = real(label_smoothing, "label_smoothing", 0, 1), whole(ignore_index, "ignore_index", -(1 << 40))
    if soft:
        if isinstance(t, np.ndarray) and t.dtype.kind in "iub":
            raise ElementTypeError(
                f"targets of {list(t.shape)} with dtype {t.dtype}: no probabilities; accepted: floats, or class numbers [samples, …]"
            )
        if skip >= 0:
            raise ArgumentError(f"ignore_index={ignore_index}: targets that are probabilities have no numbers; accepted: class numbers as targets")
        each = ops.soft_cross_entropy(x, t, weight, e=e)
        if reduction == "mean":
            return reduced(each, "sum") / math.prod(each.shape)
        return reduced(each.reshape(()) if alone else each, reduction)
    if weight is None and not e and skip == UNUSED and reduction == "mean" and not alone and not (isinstance(t, np.ndarray) and (t == skip).any()):
        return ops.cross_entropy(x, t)  # a formula without the count of what is ignored: each sample's part does not wait for all others
    return _weighted(ops.smoothed_cross_entropy(x, t, weight, e=e, skip=skip), reduction, alone)


def probability_cross_entropy(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """-sum_k t_k ln y_k of probabilities and distributions (ops.cross_entropy_of_probabilities), or of class numbers (ops.cross_entropy_of_classes)."""
    x, t, soft, alone = _classes(input, target, "probability_cross_entropy")
    each = ops.cross_entropy_of_probabilities(x, t) if soft else ops.cross_entropy_of_classes(x, t)
    return reduced(each.reshape(()) if alone else each, reduction)
