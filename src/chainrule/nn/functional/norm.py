"""Normalisations, with PyTorch's names and arguments."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ... import ops
from ...errors import ArgumentError, ShapeError
from ..arguments import flag, real, whole
from ..tensors import Symbol
from ..trace import tracing
from .common import Tensor, tensor


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: Any = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Each channel less its mean and over its deviation: the batch's own in training, else those given (ops.batch_norm).

    In training, running_mean and running_var follow the batches, where they are buffers of a module: their new values take
    effect after the step.
    """
    if not flag(training, "training"):
        if running_mean is None or running_var is None:
            raise ArgumentError("running_mean=None: there is nothing to normalise with; accepted: training=True, or both statistics")
        return ops.batch_norm_fixed(input, running_mean, running_var, weight, bias, eps=eps)
    shape = tensor(input).shape
    if len(shape) < 2 or math.prod(shape) == shape[1]:
        raise ShapeError(
            f"batch_norm of {list(shape)} in training: one value for each channel has no deviation; accepted: more than one (samples or places)"
        )
    y = ops.batch_norm(input, weight, bias, eps=eps)
    trace = tracing()
    if isinstance(y, Symbol) and trace is not None and isinstance(running_mean, Symbol) and isinstance(running_var, Symbol):
        mean, deviation = trace.inside(y, "m", running_mean.shape), trace.inside(y, "v", running_var.shape)
        trace.renew(running_mean, ops.running_mean(running_mean, mean, momentum))
        trace.renew(running_var, ops.running_variance(input, running_var, deviation, momentum))
    return y


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: Any = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Each channel of each sample less its mean and over its deviation (ops.group_norm), or with the statistics that are given.

    Running statistics follow the means over the samples, where they are buffers of a module.
    """
    if not flag(use_input_stats, "use_input_stats"):
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    input = tensor(input)
    if input.ndim < 3 or math.prod(input.shape[2:]) == 1:
        raise ShapeError(f"instance_norm of {list(input.shape)}: one value for each channel has no deviation; accepted: more than one place")
    trace = tracing()
    if isinstance(input, Symbol) and trace is not None and isinstance(running_mean, Symbol) and isinstance(running_var, Symbol):
        axes, count = tuple(range(2, input.ndim)), math.prod(input.shape[2:])
        mean = input.mean(axes, keepdims=True)
        variance = ((input - mean) ** 2).mean(axes) * (count / (count - 1))
        trace.renew(running_mean, ops.running_mean(running_mean, input.mean((0, *axes)), momentum))
        trace.renew(running_var, ops.running_mean(running_var, variance.mean(0), momentum))
    return ops.group_norm(input, weight, bias, g=input.shape[1], eps=eps)


def group_norm(input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5) -> Tensor:
    """Channels in groups, each less its mean and over its deviation (ops.group_norm)."""
    x, g = tensor(input), whole(num_groups, "num_groups")
    if x.ndim < 2 or x.shape[1] % g:
        raise ShapeError(f"group_norm of {list(x.shape)} in {g} groups: accepted: channels on the second axis, whose number {g} divides")
    if math.prod(x.shape) == g:
        raise ShapeError(f"group_norm of {list(x.shape)} in {g} groups: one value for each group has no deviation; accepted: more than one")
    return ops.group_norm(x, weight, bias, g=g, eps=eps)


def _last(x: Tensor, normalized_shape: Sequence[int], who: str) -> int:
    """How many axes are normalised together."""
    shape = tuple(normalized_shape)
    if not shape or x.ndim < len(shape) or tuple(x.shape[-len(shape) :]) != shape:
        raise ShapeError(f"{who} of {list(x.shape)}: does not end in {list(shape)}; accepted: [*, {', '.join(map(str, shape))}]")
    return len(shape)


def _with_samples(x: Tensor, inner: int) -> Tensor:
    """x with an axis in front of those that are normalised."""
    return x.reshape(1, *x.shape) if x.ndim == inner else x


def layer_norm(input: Tensor, normalized_shape: Sequence[int], weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5) -> Tensor:
    """The last axes less their mean and over their deviation (ops.layer_norm)."""
    x = tensor(input)
    inner = _last(x, normalized_shape, "layer_norm")
    if weight is None and bias is None:
        return ops.layer_norm(_three(x, inner), eps=eps).reshape(x.shape)
    return ops.layer_norm(_with_samples(x, inner), weight, bias, eps=eps).reshape(x.shape)


def _three(x: Tensor, inner: int) -> Tensor:
    """x with three axes, the last of which is normalised: without a weight nothing else says which they are."""
    rows = _with_samples(x, inner)
    return rows.reshape(rows.shape[0], math.prod(rows.shape[1:-inner]), math.prod(rows.shape[-inner:]))


def rms_norm(input: Tensor, normalized_shape: Sequence[int], weight: Tensor | None = None, eps: float | None = None) -> Tensor:
    """The last axes over the root of their mean square (ops.rms_norm). eps=None: the number type's smallest step at 1."""
    x = tensor(input)
    inner = _last(x, normalized_shape, "rms_norm")
    kind = x.trace.dtype if isinstance(x, Symbol) else x.dtype if x.dtype.kind == "f" else np.dtype(np.float64)
    small = float(np.finfo(kind).eps) if eps is None else real(eps, "eps")
    if weight is None:
        return ops.rms_norm(_three(x, inner), eps=small).reshape(x.shape)
    return ops.rms_norm(_with_samples(x, inner), weight, eps=small).reshape(x.shape)


def local_response_norm(input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Tensor:
    """Each value over a power of the sum of squares of `size` channels around its own (ops.local_response_norm)."""
    x = tensor(input)
    if x.ndim < 3:
        raise ShapeError(f"local_response_norm of {list(x.shape)}: accepted: samples, channels and at least one axis of places")
    return ops.local_response_norm(x, k=whole(size, "size"), alpha=real(alpha, "alpha"), beta=real(beta, "beta"), bias=real(k, "k"))
