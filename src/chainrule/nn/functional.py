"""Functions of tensors, with PyTorch's names and arguments: nodes for symbols in forward, results at once for NumPy arrays.

import chainrule.nn.functional as F
F.relu(x)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import ops
from ..errors import ArgumentError, ShapeError
from ..operation.arrays import to_array
from . import patterns
from .arguments import Pair, flag, only, pair
from .patterns import Pattern
from .tensors import NUMPY, Symbol
from .trace import Trace, from_text, tracing

Tensor = Any  # a symbol, or what NumPy takes for an array


def _trace(tensors: Sequence[object]) -> Trace | None:
    """The trace that these belong to; None for arrays."""
    return next((x.trace for x in tensors if isinstance(x, Symbol)), None)


def _made(text: Callable[..., str], *tensors: Tensor, **settings: Any) -> Tensor:
    """A formula that is written for the patterns of its tensors."""
    trace = _trace(tensors)
    if trace is not None:
        symbols = [trace.symbol(x) for x in tensors]
        return trace.made(text(*map(trace.pattern, symbols)), *symbols, **settings)
    arrays = _floats([to_array(x, f"argument {k}") for k, x in enumerate(tensors)])
    return from_text(text(*(Pattern(a.shape, False) for a in arrays)))(*arrays, **settings)


def _floats(arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Arrays of one floating type: whole numbers and Python's go along."""
    kinds = [a.dtype for a in arrays if a.dtype.kind == "f" and a.ndim] or [a.dtype for a in arrays if a.dtype.kind == "f"]
    kind = kinds[0] if kinds else np.dtype(np.float64)
    return [a.astype(kind) if a.dtype.kind in "iub" or (a.ndim == 0 and a.dtype.kind == "f") else a for a in arrays]


def _pointwise(name: str, expr: str) -> Callable[[Tensor], Tensor]:
    def function(x: Tensor) -> Tensor:
        return _made(lambda p: patterns.function(p, expr, name), x)

    function.__doc__ = f"{expr.replace('{}', 'x')}, element by element."
    return function


exp, log, sqrt = _pointwise("exponential", "exp({})"), _pointwise("logarithm", "log({})"), _pointwise("root", "sqrt({})")
sin, cos, erf = _pointwise("sine", "sin({})"), _pointwise("cosine", "cos({})"), _pointwise("error_function", "erf({})")
softplus, abs = _pointwise("soft_plus", "softplus({})"), _pointwise("absolute", "abs({})")
silu, gelu = _pointwise("silu", "{} * sigmoid({})"), _pointwise("gelu", "{} * (1 + erf({} / sqrt(2))) / 2")


def relu(x: Tensor) -> Tensor:
    """max(0, x), element by element (ops.relu)."""
    return ops.relu(x)


def sigmoid(x: Tensor) -> Tensor:
    """1 / (1 + exp(-x)), element by element (ops.sigmoid)."""
    return ops.sigmoid(x)


def tanh(x: Tensor) -> Tensor:
    """The hyperbolic tangent, element by element (ops.tanh)."""
    return ops.tanh(x)


def leaky_relu(x: Tensor, negative_slope: float = 0.01) -> Tensor:
    """x where it is positive, else negative_slope times x."""
    return _made(lambda p: patterns.function(p, "where({} > 0, {}, slope * {})", "leaky", "; slope=0.01"), x, slope=float(negative_slope))


def where(condition: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """a where the condition is not 0, else b; sizes broadcast."""
    return _made(patterns.chosen, condition, a, b)


def maximum(a: Tensor, b: Tensor) -> Tensor:
    """The larger of two, element by element; sizes broadcast."""
    return _made(lambda p, q: _both("maximum({a}, {b})", p, q), a, b)


def minimum(a: Tensor, b: Tensor) -> Tensor:
    """The smaller of two, element by element; sizes broadcast."""
    return _made(lambda p, q: _both("minimum({a}, {b})", p, q), a, b)


def _both(expr: str, p: Pattern, q: Pattern) -> str:
    letters, (one, other), sample = patterns.broadcast([p, q])
    return patterns.formula("both", {"a": one, "b": other}, letters, expr, sample)


def _rank(x: Tensor) -> int:
    return x.ndim if isinstance(x, Symbol) else to_array(x, "x").ndim


def _shape(x: Tensor) -> tuple[int, ...]:
    return x.shape if isinstance(x, Symbol) else to_array(x, "x").shape


SOFTMAX = ["{top} = max[{k}]({x})", "{e} = exp({x} - {top})", "{total} = sum[{k}]({e})", "{y} = {e} / {total}"]
LOG_SOFTMAX = ["{top} = max[{k}]({x})", "{total} = log(sum[{k}](exp({x} - {top})))", "{y} = {x} - {top} - {total}"]


def _axis(x: Tensor, dim: int, name: str) -> int:
    if isinstance(dim, bool) or not isinstance(dim, (int, np.integer)) or not -_rank(x) <= dim < _rank(x):
        raise ShapeError(f"{name}: dim={dim!r:.40} of a tensor of {_rank(x)} axes; accepted: one of its axes")
    return int(dim) % _rank(x)


def softmax(x: Tensor, dim: int = 1) -> Tensor:
    """exp(x_k) / sum_j exp(x_j) along an axis, from numbers less their maximum, so that nothing overflows."""
    axis = _axis(x, dim, "softmax")
    return _made(lambda p: patterns.along(p, "softmax", axis, SOFTMAX), x)


def log_softmax(x: Tensor, dim: int = 1) -> Tensor:
    """The logarithm of softmax along an axis, computed without it."""
    axis = _axis(x, dim, "log_softmax")
    return _made(lambda p: patterns.along(p, "log_softmax", axis, LOG_SOFTMAX), x)


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Fully connected layer on the last axis (ops.linear)."""
    return ops.linear(x, weight, bias)


def conv2d(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Pair = 1, padding: Pair | str = 0, dilation: Pair = 1, groups: int = 1
) -> Tensor:
    """2-d convolution (ops.conv)."""
    only(groups, "groups", (1,))
    step, apart = pair(stride, "stride", 1), pair(dilation, "dilation", 1)
    if _rank(x) != 4:
        raise ShapeError(f"conv2d of a tensor of {_rank(x)} axes: not images; accepted: [samples, channels, rows, columns]")
    p = padded(padding, _shape(weight)[2:], step, apart)
    return ops.conv(x, weight, bias, s=step, p=p, d=apart)


def padded(padding: Pair | str, kernel: Sequence[int], stride: tuple[int, int], dilation: tuple[int, int]) -> tuple[int, int]:
    """Padding in numbers."""
    if isinstance(padding, str):
        totals = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        if padding == "same" and (stride != (1, 1) or any(t % 2 for t in totals)):
            raise ArgumentError(
                f"padding='same' with stride={stride}, kernel_size={tuple(kernel)}: not the same on both sides; accepted: stride 1 and odd kernels"
            )
        if padding not in ("same", "valid"):
            raise ArgumentError(f"padding={padding!r}: no such padding; accepted: a number, a pair, 'same' or 'valid'")
        padding = (totals[0] // 2, totals[1] // 2) if padding == "same" else 0
    return pair(padding, "padding", 0)


def max_pool2d(x: Tensor, kernel_size: Pair, stride: Pair | None = None, padding: Pair = 0, dilation: Pair = 1) -> Tensor:
    """The largest of each window (ops.max_pool)."""
    k, s, p = windowed(kernel_size, stride, padding)
    return ops.max_pool(x, k=k, s=s, p=p, d=pair(dilation, "dilation", 1))


def avg_pool2d(x: Tensor, kernel_size: Pair, stride: Pair | None = None, padding: Pair = 0) -> Tensor:
    """The mean of each window (ops.avg_pool); padding counts as zeros."""
    k, s, p = windowed(kernel_size, stride, padding)
    return ops.avg_pool(x, k=k, s=s, p=p)


def windowed(kernel_size: Pair, stride: Pair | None, padding: Pair) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
    """The arguments of a pool, checked."""
    k = pair(kernel_size, "kernel_size", 1)
    s, p = pair(kernel_size if stride is None else stride, "stride", 1), pair(padding, "padding", 0)
    if any(2 * a > b for a, b in zip(p, k, strict=True)):
        raise ArgumentError(f"padding={padding!r}: more than half the window {kernel_size!r}; accepted: at most half of kernel_size")
    return k, s, p


def adaptive_avg_pool2d(x: Tensor, output_size: Pair = 1) -> Tensor:
    """The mean of each of output_size parts of rows and columns, which must divide them; 1 is the mean of the whole."""
    out, shape = pair(output_size, "output_size", 1), _shape(x)
    if len(shape) != 4 or any(s % o for s, o in zip(shape[2:], out, strict=True)):
        raise ShapeError(f"adaptive_avg_pool2d of {list(shape)} to {out}: no parts of equal size; accepted: images with sizes that {out} divides")
    size = (shape[2] // out[0], shape[3] // out[1])
    return ops.avg_pool(x, k=size, s=size)


def flatten(x: Tensor, start_dim: int = 1, end_dim: int = -1) -> Tensor:
    """The axes from start_dim to end_dim as one; without arguments all but the samples."""
    if isinstance(x, Symbol):
        if (start_dim, end_dim) == (1, -1) and x.ndim >= 2:
            return ops.flatten(x)
        return x.flatten(start_dim, end_dim)
    a = to_array(x, "x")
    first, last = patterns.axes_of(start_dim, a.ndim)[0], patterns.axes_of(end_dim, a.ndim)[0]
    return a.reshape(*a.shape[:first], math.prod(a.shape[first : last + 1]), *a.shape[last + 1 :])


def cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Tensors one behind the other along an axis."""
    if not isinstance(tensors, (tuple, list)) or not tensors:
        raise ArgumentError(f"cat of {type(tensors).__name__}: no tensors; accepted: a list of at least one")
    axis = _axis(tensors[0], dim, "cat")
    return _made(lambda *p: patterns.joined(p, axis), *tensors)


def batch_norm(
    x: Tensor,
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
        return ops.batch_norm_fixed(x, running_mean, running_var, weight, bias, eps=eps)
    shape = _shape(x)
    if len(shape) < 2 or math.prod(shape) == shape[1]:
        raise ShapeError(
            f"batch_norm of {list(shape)} in training: one value for each channel has no deviation; accepted: more than one (samples or places)"
        )
    y = ops.batch_norm(x, weight, bias, eps=eps)
    trace = tracing()
    if isinstance(y, Symbol) and trace is not None and isinstance(running_mean, Symbol) and isinstance(running_var, Symbol):
        mean, deviation = trace.inside(y, "m", running_mean.shape), trace.inside(y, "v", running_var.shape)
        trace.renew(running_mean, ops.running_mean(running_mean, mean, momentum))
        trace.renew(running_var, ops.running_variance(x, running_var, deviation, momentum))
    return y


def cross_entropy(input: Tensor, target: Tensor) -> Tensor:
    """Softmax and cross-entropy from logits and class numbers, a mean over samples (ops.cross_entropy)."""
    return ops.cross_entropy(input, target)


def mse_loss(input: Tensor, target: Tensor) -> Tensor:
    """The mean of squared differences (ops.mse)."""
    return ops.mse(input, target)


def l1_loss(input: Tensor, target: Tensor) -> Tensor:
    """The mean of absolute differences."""
    return abs(input - target).mean()


def binary_cross_entropy_with_logits(input: Tensor, target: Tensor) -> Tensor:
    """The mean of softplus(z) - t z: cross-entropy of sigmoids, from logits z and targets t from 0 to 1."""
    return (softplus(input) - target * input).mean()


NUMPY.update({
    np.exp: exp, np.log: log, np.sqrt: sqrt, np.sin: sin, np.cos: cos, np.tanh: tanh, np.absolute: abs, np.maximum: maximum, np.minimum: minimum,
    np.where: where, np.concatenate: lambda arrays, axis=0: cat(list(arrays), axis),
})  # fmt: skip
