"""Layers with PyTorch's names, arguments and defaults. Each is an operation with its settings and parameters."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..errors import ArgumentError, ShapeError
from ..operation.op import Op, op
from . import functional as F
from .arguments import Pair, flag, is_whole, only, pair, whole
from .module import Module
from .trace import tracing
from .values import Buffer, Parameter, started


class Layer(Module):
    """A layer of the library: it can be made again from its arguments."""

    arguments: tuple[str, ...] = ()  # names of attributes that are its arguments

    def config(self) -> dict[str, object] | None:
        return {"type": type(self).__name__} | {k: getattr(self, k) for k in self.arguments}


class Identity(Layer):
    """x itself."""

    def __init__(self, *args: object, **given: object):
        pass  # takes anything, as in PyTorch: it stands in for other layers

    def forward(self, x: Any) -> Any:
        return x


def _bias(m: Module, size: int, bound: float, wanted: bool) -> None:
    """A bias, or none."""
    if wanted:
        m.bias = Parameter((size,), bound)
    else:
        m.register_parameter("bias", None)


class Conv2d(Layer):
    """2-d convolution, y = b + sum w x (ops.conv).

    Parameters weight [out, in, rows, columns] and bias [out], both uniform in ±1/sqrt(in * rows * columns) at first,
    as in PyTorch. Errors: ArgumentError for a size that is none, for groups != 1 and padding modes other than zeros.

    >>> Conv2d(1, 6, 5, padding=2).weight.shape
    (6, 1, 5, 5)
    """

    arguments = ("in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation")

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        stride: Pair = 1,
        padding: Pair | str = 0,
        dilation: Pair = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
    ):
        self.in_channels, self.out_channels = whole(in_channels, "in_channels"), whole(out_channels, "out_channels")
        self.kernel_size, self.stride = pair(kernel_size, "kernel_size", 1), pair(stride, "stride", 1)
        self.dilation = pair(dilation, "dilation", 1)
        has_bias = flag(bias, "bias")
        only(groups, "groups", (1,))
        only(padding_mode, "padding_mode", ("zeros",))
        self.padding = F.padded(padding, self.kernel_size, self.stride, self.dilation)
        shape = (self.out_channels, self.in_channels, *self.kernel_size)
        bound = 1 / math.sqrt(math.prod(shape[1:]))
        self.weight = Parameter(shape, bound)
        _bias(self, shape[0], bound, has_bias)

    def forward(self, x: Any) -> Any:
        return F.conv2d(x, self.weight, self.bias, self.stride, self.padding, self.dilation)

    def config(self) -> dict[str, object]:
        return {**(super().config() or {}), "bias": self.bias is not None}

    def extra_repr(self) -> str:
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        text += f", padding={self.padding}" if self.padding != (0, 0) else ""
        text += f", dilation={self.dilation}" if self.dilation != (1, 1) else ""
        return text + ("" if self.bias is not None else ", bias=False")


class Linear(Layer):
    """Fully connected layer on the last axis, y = b + w x (ops.linear).

    Parameters weight [out, in] and bias [out], uniform in ±1/sqrt(in) at first, as in PyTorch.
    """

    arguments = ("in_features", "out_features")

    def __init__(self, in_features: int, out_features: int, bias: bool = True):
        self.in_features, self.out_features = whole(in_features, "in_features"), whole(out_features, "out_features")
        has_bias = flag(bias, "bias")
        bound = 1 / math.sqrt(self.in_features)
        self.weight = Parameter((self.out_features, self.in_features), bound)
        _bias(self, self.out_features, bound, has_bias)

    def forward(self, x: Any) -> Any:
        return F.linear(x, self.weight, self.bias)

    def config(self) -> dict[str, object]:
        return {**(super().config() or {}), "bias": self.bias is not None}

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


class ReLU(Layer):
    """max(0, x); relu'(0) = 0."""

    def __init__(self, inplace: bool = False):
        flag(inplace, "inplace")  # memory is the engine's matter

    def forward(self, x: Any) -> Any:
        return F.relu(x)


class Sigmoid(Layer):
    """1 / (1 + exp(-x))."""

    def forward(self, x: Any) -> Any:
        return F.sigmoid(x)


class Tanh(Layer):
    """The hyperbolic tangent."""

    def forward(self, x: Any) -> Any:
        return F.tanh(x)


class Softmax(Layer):
    """exp(z_k) / sum_j exp(z_j) along an axis."""

    arguments = ("dim",)

    def __init__(self, dim: int = 1):
        if not is_whole(dim):
            raise ArgumentError(f"dim={dim!r}: not an axis; accepted: a whole number")
        self.dim = int(dim)

    def forward(self, x: Any) -> Any:
        return F.softmax(x, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class MaxPool2d(Layer):
    """The largest of each window (ops.max_pool); the gradient goes to the first largest, as in PyTorch."""

    arguments = ("kernel_size", "stride", "padding", "dilation")

    def __init__(
        self,
        kernel_size: Pair,
        stride: Pair | None = None,
        padding: Pair = 0,
        dilation: Pair = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ):
        F.windowed(kernel_size, stride, padding)
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride
        self.padding, self.dilation = padding, dilation
        pair(dilation, "dilation", 1)
        for value, what in ((return_indices, "return_indices"), (ceil_mode, "ceil_mode")):
            if flag(value, what):
                raise ArgumentError(f"{what}={value!r}: not in this layer; accepted: False (or a formula of your own)")

    def forward(self, x: Any) -> Any:
        return F.max_pool2d(x, self.kernel_size, self.stride, self.padding, self.dilation)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, dilation={self.dilation}, ceil_mode=False"


class AvgPool2d(Layer):
    """The mean of each window (ops.avg_pool); padding counts as zeros."""

    arguments = ("kernel_size", "stride", "padding")

    def __init__(self, kernel_size: Pair, stride: Pair | None = None, padding: Pair = 0):
        F.windowed(kernel_size, stride, padding)
        self.kernel_size, self.stride, self.padding = kernel_size, kernel_size if stride is None else stride, padding

    def forward(self, x: Any) -> Any:
        return F.avg_pool2d(x, self.kernel_size, self.stride, self.padding)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AdaptiveAvgPool2d(Layer):
    """The mean of each of output_size parts of rows and columns, which must divide them; 1 is the mean of the whole."""

    arguments = ("output_size",)

    def __init__(self, output_size: Pair):
        pair(output_size, "output_size", 1)
        self.output_size = output_size

    def forward(self, x: Any) -> Any:
        return F.adaptive_avg_pool2d(x, self.output_size)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class Flatten(Layer):
    """The axes from start_dim to end_dim as one: all but the samples, unless told otherwise."""

    arguments = ("start_dim", "end_dim")

    def __init__(self, start_dim: int = 1, end_dim: int = -1):
        for value, what in ((start_dim, "start_dim"), (end_dim, "end_dim")):
            if not is_whole(value):
                raise ArgumentError(f"{what}={value!r}: not an axis; accepted: a whole number")
        self.start_dim, self.end_dim = int(start_dim), int(end_dim)

    def forward(self, x: Any) -> Any:
        if x.ndim < 2:
            raise ArgumentError(f"flatten of {x.ndim} axes: there is nothing to put together; accepted: samples and at least one more axis")
        return F.flatten(x, self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class _BatchNorm(Layer):
    """Batch normalisation of a given number of axes."""

    arguments = ("num_features", "eps", "momentum", "affine", "track_running_stats")
    ranks: tuple[int, ...] = ()
    num_batches_tracked: Any

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        bias: bool = True,
    ):
        self.num_features, self.affine, has_bias = whole(num_features, "num_features"), flag(affine, "affine"), flag(bias, "bias")
        self.track_running_stats = flag(track_running_stats, "track_running_stats")
        for value, what in ((eps, "eps"), (momentum, "momentum")):
            if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float, np.number)) or not 0 <= value < math.inf):
                raise ArgumentError(
                    f"{what}={value!r:.80}: not usable; accepted: a number of at least 0" + (", or None" if what == "momentum" else "")
                )
        if eps is None:
            raise ArgumentError("eps=None: not usable; accepted: a number of at least 0")
        self.eps, self.momentum = float(eps), momentum if momentum is None else float(momentum)
        size = self.num_features
        self.register_parameter("weight", Parameter(np.ones(size)) if self.affine else None)
        self.register_parameter("bias", Parameter(np.zeros(size)) if self.affine and has_bias else None)
        self.register_buffer("running_mean", np.zeros(size) if self.track_running_stats else None)
        self.register_buffer("running_var", np.ones(size) if self.track_running_stats else None)
        self.register_buffer("num_batches_tracked", Buffer(np.zeros(()), whole=True) if self.track_running_stats else None)

    def forward(self, x: Any) -> Any:
        if x.ndim not in self.ranks:
            raise ShapeError(f"{type(self).__name__} of {list(x.shape)}: {x.ndim} axes; accepted: {' or '.join(map(str, self.ranks))}")
        tracked = self.track_running_stats
        follow: Any = self.momentum
        if tracked and self.training:
            self.num_batches_tracked = self.num_batches_tracked + 1
            follow = 1 / self.num_batches_tracked if self.momentum is None else self.momentum
        return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, self.training or not tracked, follow, self.eps)

    def extra_repr(self) -> str:
        rest = f"affine={self.affine}, bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        return f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, {rest}"

    def config(self) -> dict[str, object]:
        return {**(super().config() or {}), "bias": self.bias is not None}


class BatchNorm2d(_BatchNorm):
    """Each channel of images less its mean and over its deviation: the batch's in training, in inference those that followed the batches.

    Parameters weight (1 at first) and bias (0); states running_mean, running_var (unbiased) and num_batches_tracked. The
    statistics follow with the share `momentum` of each batch, or, where it is None, as the mean of all batches. As in PyTorch.
    Source: Ioffe and Szegedy, 2015. Formulas: ops.batch_norm, ops.batch_norm_fixed, ops.running_mean, ops.running_variance.
    """

    ranks = (4,)


class BatchNorm1d(_BatchNorm):
    """The same for features [samples, features] or signals [samples, channels, places]."""

    ranks = (2, 3)


def _parameter(name: str, value: object, axes: int | None) -> Parameter:
    """A parameter of a formula from its shape, or from an array to start with."""
    if isinstance(value, list) and value and all(is_whole(v) for v in value):
        value = tuple(value)
    shape, initial = started(value, name)
    if axes is not None and len(shape) != axes:
        what = f"{name}={shape}: not its shape" if initial is None else f"{name} with shape {shape}: does not fit"
        raise ShapeError(f"{what}; accepted: {axes} axes, each a whole number of at least 1 (or an array)")
    return Parameter(shape if initial is None else initial)


class Formula(Layer):
    """A layer of your own: an operation whose first input is the layer's, and whose other inputs are parameters.

    Each parameter is given by name: its shape (then uniform in ±1/sqrt(product of all axes but the first)) or an array.
    Settings are given by name too. Of several outputs the first is the layer's.

    >>> from chainrule.ops import linear
    >>> Formula(linear, w=(3, 5), b=(3,)).w.shape
    (3, 5)
    """

    def __init__(self, operation: Op | str, **given: object):
        self.op = operation if isinstance(operation, Op) else op(operation)
        names = list(self.op.inputs)
        if not names:
            raise ArgumentError(f"{self.op.name}: has no input; accepted: an operation whose first input is the layer's")
        without = tuple(k for k in self.op.optional if given.get(k) is None)
        given = {k: v for k, v in given.items() if k not in without}
        for name in names[1:]:
            if name not in given and name not in without:
                raise ArgumentError(
                    f"{self.op.name}: its input {name!r} is a parameter here and has no shape; accepted: Formula(op, {name}=shape or array)"
                )
        if names[0] in given:
            raise ArgumentError(f"{names[0]}: is the layer's input, not a parameter; accepted: {', '.join(names[1:]) or 'settings'}")
        self.settings = {k: v.tolist() if isinstance(v, (np.ndarray, np.generic)) else v for k, v in given.items() if k not in names}
        self.op.check(self.settings)
        for k, v in given.items():
            if k in names:
                self._hold(k, _parameter(k, v, self.op.axes_of(k)))  # under any name: an input may be called as every module's attribute is

    def forward(self, x: Any) -> Any:
        trace = tracing()
        assert trace is not None  # forward is run in a trace
        given: dict[str, Any] = {k: trace.state(s) for k, s in self._states.items()} | self.settings
        y: Any = self.op(x, **given)
        return y[0] if isinstance(y, tuple) else y

    def config(self) -> dict[str, object]:
        return {"type": "Formula", "text": str(self.op), "settings": self.settings, "shapes": {k: s.shape for k, s in self._states.items()}}

    def extra_repr(self) -> str:
        return self.op.header
