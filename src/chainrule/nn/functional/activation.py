"""Activations, with PyTorch's names and arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ... import ops
from ...errors import ArgumentError, ShapeError
from ...operation.op import Op
from .. import patterns
from ..arguments import choice, flag, real
from ..tensors import NUMPY
from .common import Tensor, axis_of, chunk, made, tensor


def each(op: Op, x: Tensor, **settings: Any) -> Tensor:
    """An operation of every element, of a number too."""
    x = tensor(x)
    return op(x, **settings) if x.ndim else op(x.reshape(1), **settings).reshape(())


def _plain(op: Op, doc: str) -> Callable[[Tensor], Tensor]:
    def function(input: Tensor) -> Tensor:
        return each(op, input)

    function.__doc__ = doc
    return function


def _renewed(op: Op, doc: str) -> Callable[..., Tensor]:
    """The same, with PyTorch's inplace: numbers are new ones either way."""

    def function(input: Tensor, inplace: bool = False) -> Tensor:
        flag(inplace, "inplace")
        return each(op, input)

    function.__doc__ = doc
    return function


relu = _renewed(ops.relu, "max(0, x), element by element (ops.relu).")
sigmoid = _plain(ops.sigmoid, "1 / (1 + exp(-x)), element by element (ops.sigmoid).")
tanh = _plain(ops.tanh, "The hyperbolic tangent, element by element (ops.tanh).")
selu = _renewed(ops.selu, "The scaled ELU (ops.selu).")
silu = _renewed(ops.silu, "x sigmoid(x) (ops.silu).")
mish = _renewed(ops.mish, "x tanh(softplus(x)) (ops.mish).")
softsign = _plain(ops.softsign, "x / (1 + |x|) (ops.softsign).")
logsigmoid = _plain(ops.log_sigmoid, "The logarithm of the sigmoid (ops.log_sigmoid).")
hardsigmoid = _renewed(ops.hardsigmoid, "A line from 0 at -3 to 1 at 3 (ops.hardsigmoid).")
hardswish = _renewed(ops.hardswish, "x times that line (ops.hardswish).")
tanhshrink = _plain(ops.tanhshrink, "x - tanh(x) (ops.tanhshrink).")


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """x between 0 and 6 (ops.hardtanh)."""
    flag(inplace, "inplace")
    return each(ops.hardtanh, input, low=0.0, high=6.0)


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """x between two bounds (ops.hardtanh)."""
    flag(inplace, "inplace")
    return each(ops.hardtanh, input, low=real(min_val, "min_val"), high=real(max_val, "max_val"))


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """x where it is positive, else negative_slope times x (ops.leaky_relu)."""
    flag(inplace, "inplace")
    return each(ops.leaky_relu, input, slope=real(negative_slope, "negative_slope"))


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where it is positive, else alpha (exp(x) - 1) (ops.elu)."""
    flag(inplace, "inplace")
    return each(ops.elu, input, alpha=real(alpha, "alpha"))


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where it is positive, else alpha (exp(x / alpha) - 1) (ops.celu)."""
    flag(inplace, "inplace")
    if real(alpha, "alpha") == 0:
        raise ArgumentError("alpha=0: nothing can be divided by it; accepted: a number other than 0")
    return each(ops.celu, input, alpha=float(alpha))


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """x times the probability that a normal number is below x (ops.gelu, or ops.gelu_tanh)."""
    return each(ops.gelu_tanh if choice(approximate, "approximate", ("none", "tanh")) == "tanh" else ops.gelu, input)


def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """log(1 + exp(beta x)) / beta, or x where beta x is above the threshold (ops.smooth_relu)."""
    return each(ops.smooth_relu, input, beta=real(beta, "beta"), threshold=real(threshold, "threshold"))


def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """x where it is above a threshold, else a value (ops.threshold)."""
    flag(inplace, "inplace")
    return each(ops.threshold, input, bound=real(threshold, "threshold"), value=real(value, "value"))


def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """x, but 0 where it is not above lambd in size (ops.hardshrink)."""
    return each(ops.hardshrink, input, bound=real(lambd, "lambd"))


def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """x nearer to 0 by lambd (ops.softshrink)."""
    return each(ops.softshrink, input, bound=real(lambd, "lambd", 0))


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """x where it is positive, else weight times x: one weight, or one for each channel (ops.prelu)."""
    input, w = tensor(input), tensor(weight, "weight")
    if w.ndim > 1:
        raise ShapeError(f"prelu: weight of {list(w.shape)}; accepted: one number, or one for each channel")
    if w.ndim == 0 or w.shape[0] == 1:
        flat = input.reshape(1, 1, -1)
        return ops.prelu(flat, w.reshape(1)).reshape(input.shape) if input.ndim < 2 else made(_one_slope, input, w.reshape(()))
    if input.ndim < 2 or input.shape[1] != w.shape[0]:
        raise ShapeError(f"prelu of {list(input.shape)} with {w.shape[0]} weights: not as many channels; accepted: channels on the second axis")
    return ops.prelu(input, w)


def _one_slope(x: patterns.Pattern, w: patterns.Pattern) -> str:
    letters, (one, other), sample = patterns.broadcast([x, w])
    return patterns.formula("prelu", {"x": one, "w": other}, letters, "where({x} > 0, {x}, {w} * {x})", sample)


def glu(input: Tensor, dim: int = -1) -> Tensor:
    """One half of an axis times the sigmoid of the other (ops.glu)."""
    x = tensor(input)
    axis = axis_of(x, dim, "glu")
    if x.shape[axis] % 2:
        raise ShapeError(f"glu of {list(x.shape)}: axis {axis} has no two halves; accepted: an even size")
    if axis == 1:
        return ops.glu(x)
    a, b = chunk(x, 2, axis)
    return a * sigmoid(b)


SOFTMAX = ["{top} = max[{k}]({x})", "{e} = exp({x} - {top})", "{total} = sum[{k}]({e})", "{y} = {e} / {total}"]
LOG_SOFTMAX = ["{top} = max[{k}]({x})", "{total} = log(sum[{k}](exp({x} - {top})))", "{y} = {x} - {top} - {total}"]


def usual(x: Tensor, dim: int | None) -> int:
    """The axis of classes where none is said, as PyTorch has it."""
    return dim if dim is not None else 0 if tensor(x).ndim in (0, 1, 3) else 1


def _along(x: Tensor, dim: int | None, name: str, lines: list[str]) -> Tensor:
    x = tensor(x)
    if not x.ndim:
        return _along(x.reshape(1), dim, name, lines).reshape(())
    axis = axis_of(x, usual(x, dim), name)
    return made(lambda p: patterns.along(p, name, axis, lines), x)


def softmax(input: Tensor, dim: int | None = None) -> Tensor:
    """exp(x_k) / sum_j exp(x_j) along an axis, from numbers less their maximum, so that nothing overflows.

    Where no axis is said, it is the second, or the first of one or three axes, as in PyTorch."""
    return _along(input, dim, "softmax", SOFTMAX)


def log_softmax(input: Tensor, dim: int | None = None) -> Tensor:
    """The logarithm of softmax along an axis, computed without it."""
    return _along(input, dim, "log_softmax", LOG_SOFTMAX)


def softmin(input: Tensor, dim: int | None = None) -> Tensor:
    """softmax of -x."""
    x = tensor(input)
    return softmax(-x, usual(x, dim))


NUMPY[np.tanh] = tanh
