"""Layers with PyTorch's names, arguments and defaults. Each is an operation, its settings and its parameters."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from .. import ops
from ..errors import ArgumentError, ElementTypeError, ShapeError
from ..operation.arrays import to_array
from ..operation.op import Op, op
from .arguments import Pair, flag, is_whole, only, pair, whole

Shape = tuple[int, ...]
Settings = dict[str, int | float]


@dataclass(frozen=True)
class Parameter:
    """A parameter: the operation's input it fills, its shape, and the bound of its uniform initial distribution.

    `initial` is an array to start from instead.
    """

    input: str
    shape: Shape
    bound: float = 0.0
    initial: np.ndarray | None = field(default=None, compare=False)


class Layer:
    """A layer: which operation it is for an input of a given rank, with which settings and parameters."""

    def fitted(self, rank: int) -> tuple[Op, Settings]:
        """The operation for an input of so many axes, and its settings."""
        raise NotImplementedError

    @property
    def parameters(self) -> dict[str, Parameter]:
        """By PyTorch's names, in PyTorch's order."""
        return {}

    def config(self) -> dict[str, object]:
        """What `from_config` needs to make the same layer again."""
        return {"type": type(self).__name__}


class Conv2d(Layer):
    """2-d convolution, y = b + sum w x (ops.conv).

    Parameters weight [out, in, rows, columns] and bias [out], both uniform in ±1/sqrt(in * rows * columns) at first,
    as in PyTorch. Errors: ArgumentError for a size that is none, for groups != 1 and padding modes other than zeros.

    >>> Conv2d(1, 6, 5, padding=2).parameters["weight"].shape
    (6, 1, 5, 5)
    """

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
        self.dilation, self.bias = pair(dilation, "dilation", 1), flag(bias, "bias")
        only(groups, "groups", (1,))
        only(padding_mode, "padding_mode", ("zeros",))
        if isinstance(padding, str):
            totals = [d * (k - 1) for d, k in zip(self.dilation, self.kernel_size, strict=True)]
            if padding == "same" and (self.stride != (1, 1) or any(t % 2 for t in totals)):
                raise ArgumentError(
                    f"padding='same' with stride={stride}, kernel_size={kernel_size}: not the same on both sides; accepted: stride 1 and odd kernels"
                )
            if padding not in ("same", "valid"):
                raise ArgumentError(f"padding={padding!r}: no such padding; accepted: a number, a pair, 'same' or 'valid'")
            padding = (totals[0] // 2, totals[1] // 2) if padding == "same" else 0
        self.padding = pair(padding, "padding", 0)

    def fitted(self, rank: int) -> tuple[Op, Settings]:
        given = {"s": self.stride, "p": self.padding, "d": self.dilation}
        return ops.conv.fitted({"x": 4}, given, () if self.bias else ("b",))

    @property
    def parameters(self) -> dict[str, Parameter]:
        shape = (self.out_channels, self.in_channels, *self.kernel_size)
        bound = 1 / math.sqrt(math.prod(shape[1:]))
        found = {"weight": Parameter("w", shape, bound)}
        return found | ({"bias": Parameter("b", shape[:1], bound)} if self.bias else {})

    def config(self) -> dict[str, object]:
        return {
            "type": "Conv2d", "in_channels": self.in_channels, "out_channels": self.out_channels, "kernel_size": self.kernel_size,
            "stride": self.stride, "padding": self.padding, "dilation": self.dilation, "bias": self.bias,
        }  # fmt: skip


class Linear(Layer):
    """Fully connected layer, y = b + w x (ops.linear).

    Parameters weight [out, in] and bias [out], uniform in ±1/sqrt(in) at first, as in PyTorch.
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True):
        self.in_features, self.out_features, self.bias = whole(in_features, "in_features"), whole(out_features, "out_features"), flag(bias, "bias")

    def fitted(self, rank: int) -> tuple[Op, Settings]:
        return ops.linear.at(without=() if self.bias else ("b",)), {}

    @property
    def parameters(self) -> dict[str, Parameter]:
        bound = 1 / math.sqrt(self.in_features)
        found = {"weight": Parameter("w", (self.out_features, self.in_features), bound)}
        return found | ({"bias": Parameter("b", (self.out_features,), bound)} if self.bias else {})

    def config(self) -> dict[str, object]:
        return {"type": "Linear", "in_features": self.in_features, "out_features": self.out_features, "bias": self.bias}


class _Pointwise(Layer):
    op: Op

    def fitted(self, rank: int) -> tuple[Op, Settings]:
        return self.op.at({"x": rank}), {}


class ReLU(_Pointwise):
    """max(0, x); relu'(0) = 0."""

    op = ops.relu


class Sigmoid(_Pointwise):
    """1 / (1 + exp(-x))."""

    op = ops.sigmoid


class Tanh(_Pointwise):
    """The hyperbolic tangent."""

    op = ops.tanh


class Softmax(Layer):
    """exp(z_k) / sum_j exp(z_j) over the features (dim=1)."""

    def __init__(self, dim: int = 1):
        only(dim, "dim", (1, -1))

    def fitted(self, rank: int) -> tuple[Op, Settings]:
        return ops.softmax, {}


class _Pool(Layer):
    op: Op

    def __init__(self, kernel_size: Pair, stride: Pair | None = None, padding: Pair = 0):
        self.kernel_size = pair(kernel_size, "kernel_size", 1)
        self.stride = pair(kernel_size if stride is None else stride, "stride", 1)
        self.padding = pair(padding, "padding", 0)
        if any(2 * p > k for p, k in zip(self.padding, self.kernel_size, strict=True)):
            raise ArgumentError(f"padding={padding!r}: more than half the window {kernel_size!r}; accepted: at most half of kernel_size")

    @property
    def given(self) -> dict[str, object]:
        return {"k": self.kernel_size, "s": self.stride, "p": self.padding}

    def fitted(self, rank: int) -> tuple[Op, Settings]:
        return self.op.fitted({"x": 4}, self.given)

    def config(self) -> dict[str, object]:
        return {"type": type(self).__name__, "kernel_size": self.kernel_size, "stride": self.stride, "padding": self.padding}


class MaxPool2d(_Pool):
    """The largest of each window (ops.max_pool); the gradient goes to the first largest, as in PyTorch."""

    def __init__(
        self,
        kernel_size: Pair,
        stride: Pair | None = None,
        padding: Pair = 0,
        dilation: Pair = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ):
        super().__init__(kernel_size, stride, padding)
        self.dilation = pair(dilation, "dilation", 1)
        for value, what in ((return_indices, "return_indices"), (ceil_mode, "ceil_mode")):
            if flag(value, what):
                raise ArgumentError(f"{what}={value!r}: not in this layer; accepted: False (or a formula of your own)")

    op = ops.max_pool

    @property
    def given(self) -> dict[str, object]:
        return super().given | {"d": self.dilation}

    def config(self) -> dict[str, object]:
        return super().config() | {"dilation": self.dilation}


class AvgPool2d(_Pool):
    """The mean of each window (ops.avg_pool); padding counts as zeros."""

    op = ops.avg_pool


class Flatten(Layer):
    """All axes but the samples as one."""

    def fitted(self, rank: int) -> tuple[Op, Settings]:
        if rank < 2:
            raise ArgumentError(f"flatten of {rank} axes: there is nothing to put together; accepted: samples and at least one more axis")
        return ops.flatten.at({"x": rank}), {}


def _parameter(name: str, value: object, axes: int | None) -> Parameter:
    """A parameter of a formula from its shape, or from an array to start with."""
    if isinstance(value, (tuple, list)) and value and all(isinstance(v, (int, np.integer)) for v in value):
        if len(value) != (len(value) if axes is None else axes) or not all(is_whole(v) and v >= 1 for v in value):
            raise ShapeError(f"{name}={tuple(value)}: not its shape; accepted: {axes} axes, each a whole number of at least 1 (or an array)")
        return Parameter(name, tuple(map(int, value)), 1 / math.sqrt(math.prod(value[1:])))
    a = to_array(value, name)
    if a.dtype.kind not in "fiub":
        raise ElementTypeError(f"{name} with dtype {a.dtype}: not numbers to start from; accepted: floats or whole numbers, or a shape")
    if (axes is not None and a.ndim != axes) or 0 in a.shape:
        raise ShapeError(f"{name} with shape {a.shape}: does not fit; accepted: {axes} axes of at least 1")
    return Parameter(name, a.shape, 0.0, a)


class Formula(Layer):
    """A layer of your own: an operation whose first input is the layer's, and whose other inputs are parameters.

    Each parameter is given by name: its shape (then uniform in ±1/sqrt(product of all axes but the first)) or an array.
    Settings are given by name too.

    >>> from chainrule.ops import linear
    >>> Formula(linear, w=(3, 5), b=(3,)).parameters["w"].shape
    (3, 5)
    """

    def __init__(self, operation: Op | str, **given: object):
        self.op = operation if isinstance(operation, Op) else op(operation)
        names = list(self.op.inputs)
        if not names:
            raise ArgumentError(f"{self.op.name}: has no input; accepted: an operation whose first input is the layer's")
        self._without = tuple(k for k in self.op.optional if given.get(k) is None)
        given = {k: v for k, v in given.items() if k not in self._without}
        for name in names[1:]:
            if name not in given and name not in self._without:
                raise ArgumentError(
                    f"{self.op.name}: its input {name!r} is a parameter here and has no shape; accepted: Formula(op, {name}=shape or array)"
                )
        if names[0] in given:
            raise ArgumentError(f"{names[0]}: is the layer's input, not a parameter; accepted: {', '.join(names[1:]) or 'settings'}")
        self.settings = {k: v.tolist() if isinstance(v, (np.ndarray, np.generic)) else v for k, v in given.items() if k not in names}
        self.op.check(self.settings)
        self._parameters = {k: _parameter(k, v, self.op.axes_of(k)) for k, v in given.items() if k in names}

    def fitted(self, rank: int) -> tuple[Op, Settings]:
        axes = {next(iter(self.op.inputs)): rank} | {k: len(p.shape) for k, p in self._parameters.items()}
        return self.op.fitted(axes, self.settings, self._without)

    @property
    def parameters(self) -> dict[str, Parameter]:
        return self._parameters

    def config(self) -> dict[str, object]:
        return {"type": "Formula", "text": str(self.op), "settings": self.settings, "shapes": {k: p.shape for k, p in self._parameters.items()}}


KNOWN: Mapping[str, type[Layer]] = {c.__name__: c for c in (Conv2d, Linear, ReLU, Sigmoid, Tanh, Softmax, MaxPool2d, AvgPool2d, Flatten)}


def from_config(config: object) -> Layer:
    """The layer that `config` describes; ArgumentError for what describes none."""
    if not isinstance(config, Mapping):
        raise ArgumentError(f"{config!r:.80}: not a layer's description; accepted: a type and its arguments by name")
    rest = {k: tuple(v) if isinstance(v, list) else v for k, v in config.items() if k != "type"}
    name = config.get("type")
    if name == "Formula":
        text, shapes, settings = (rest.get(k) for k in ("text", "shapes", "settings"))
        if len(rest) != 3 or not isinstance(text, str) or not isinstance(shapes, Mapping) or not isinstance(settings, Mapping):
            raise ArgumentError(f"{config!r:.80}: not a formula's description; accepted: text, shapes and settings")
        return Formula(text, **{k: tuple(v) if isinstance(v, list) else v for k, v in shapes.items()}, **settings)
    kind = KNOWN.get(name) if isinstance(name, str) else None
    if kind is None:
        raise ArgumentError(f"{name!r:.80}: no such layer; accepted: {', '.join([*KNOWN, 'Formula'])}")
    try:
        return kind(**rest)
    except TypeError as e:  # arguments that the layer does not have, or lacks
        raise ArgumentError(f"{name}: {e}; accepted: the arguments that {name} has") from None


def as_layer(value: object) -> Layer:
    """A layer from a layer, or from an operation with a single input."""
    if isinstance(value, Layer):
        return value
    if isinstance(value, Op):
        return Formula(value)
    raise ArgumentError(f"{value!r}: not a layer; accepted: a layer of chainrule.nn, or an operation of cr.op")
