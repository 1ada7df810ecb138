"""Layers with PyTorch's names, arguments and defaults. Each is an operation, its settings and its parameters."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from .. import ops
from ..errors import ArgumentError
from ..ops.activation import RELU, SIGMOID, TANH, pointwise
from ..ops.operation import Op, op

Shape = tuple[int, ...]
Pair = int | tuple[int, int]


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

    def operation(self, rank: int) -> Op:
        raise NotImplementedError

    @property
    def settings(self) -> dict[str, int | float]:
        return {}

    @property
    def parameters(self) -> dict[str, Parameter]:
        """By PyTorch's names, in PyTorch's order."""
        return {}

    def config(self) -> dict[str, object]:
        """What `from_config` needs to make the same layer again."""
        return {"type": type(self).__name__}


def _pair(value: Pair, what: str, least: int) -> tuple[int, int]:
    pair = (value, value) if isinstance(value, int) else tuple(value)
    if len(pair) != 2 or any(not isinstance(v, (int, np.integer)) or isinstance(v, bool) or v < least for v in pair):
        raise ArgumentError(f"{what}={value!r}: not a size; accepted: a whole number of at least {least}, or a pair of them")
    return int(pair[0]), int(pair[1])


def _whole(value: int, what: str) -> int:
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < 1:
        raise ArgumentError(f"{what}={value!r}: not a count; accepted: a whole number of at least 1")
    return int(value)


class Conv2d(Layer):
    """2-d convolution, y = b + sum w x (ops.conv2d).

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
        self.in_channels, self.out_channels = _whole(in_channels, "in_channels"), _whole(out_channels, "out_channels")
        self.kernel_size, self.stride = _pair(kernel_size, "kernel_size", 1), _pair(stride, "stride", 1)
        self.dilation, self.bias = _pair(dilation, "dilation", 1), bool(bias)
        if groups != 1 or padding_mode != "zeros":
            raise ArgumentError(
                f"groups={groups}, padding_mode={padding_mode!r}: not in this layer; accepted: groups=1, padding_mode='zeros' (or a formula of your own)"
            )
        if isinstance(padding, str):
            totals = [d * (k - 1) for d, k in zip(self.dilation, self.kernel_size, strict=True)]
            if padding == "same" and (self.stride != (1, 1) or any(t % 2 for t in totals)):
                raise ArgumentError(
                    f"padding='same' with stride={stride}, kernel_size={kernel_size}: not the same on both sides; accepted: stride 1 and odd kernels"
                )
            if padding not in ("same", "valid"):
                raise ArgumentError(f"padding={padding!r}: no such padding; accepted: a number, a pair, 'same' or 'valid'")
            padding = (totals[0] // 2, totals[1] // 2) if padding == "same" else 0
        self.padding = _pair(padding, "padding", 0)

    @property
    def square(self) -> bool:
        return all(a == b for a, b in (self.stride, self.padding, self.dilation))

    def operation(self, rank: int) -> Op:
        if self.square:
            return ops.conv2d if self.bias else ops.conv2d_plain
        return ops.conv2d_rect if self.bias else ops.conv2d_rect_plain

    @property
    def settings(self) -> dict[str, int | float]:
        (s, t), (p, q), (d, e) = self.stride, self.padding, self.dilation
        return {"s": s, "p": p, "d": d} if self.square else {"s": s, "t": t, "p": p, "q": q, "d": d, "e": e}

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
        self.in_features, self.out_features, self.bias = _whole(in_features, "in_features"), _whole(out_features, "out_features"), bool(bias)

    def operation(self, rank: int) -> Op:
        return ops.linear if self.bias else ops.linear_plain

    @property
    def parameters(self) -> dict[str, Parameter]:
        bound = 1 / math.sqrt(self.in_features)
        found = {"weight": Parameter("w", (self.out_features, self.in_features), bound)}
        return found | ({"bias": Parameter("b", (self.out_features,), bound)} if self.bias else {})

    def config(self) -> dict[str, object]:
        return {"type": "Linear", "in_features": self.in_features, "out_features": self.out_features, "bias": self.bias}


class _Pointwise(Layer):
    name, formula = "", ""

    def operation(self, rank: int) -> Op:
        return pointwise(self.name, self.formula, rank)


class ReLU(_Pointwise):
    """max(0, x); relu'(0) = 0."""

    name, formula = "relu", RELU


class Sigmoid(_Pointwise):
    """1 / (1 + exp(-x))."""

    name, formula = "sigmoid", SIGMOID


class Tanh(_Pointwise):
    """The hyperbolic tangent."""

    name, formula = "hyperbolic_tangent", TANH


class Softmax(Layer):
    """exp(z_k) / sum_j exp(z_j) over the features (dim=1)."""

    def __init__(self, dim: int = 1):
        if dim not in (1, -1):
            raise ArgumentError(f"dim={dim}: softmax is over the features; accepted: 1")

    def operation(self, rank: int) -> Op:
        return ops.softmax


class _Pool(Layer):
    def __init__(self, kernel_size: Pair, stride: Pair | None = None, padding: Pair = 0):
        self.kernel_size = _pair(kernel_size, "kernel_size", 1)
        self.stride = _pair(kernel_size if stride is None else stride, "stride", 1)
        self.padding = _pair(padding, "padding", 0)
        if any(2 * p > k for p, k in zip(self.padding, self.kernel_size, strict=True)):
            raise ArgumentError(f"padding={padding!r}: more than half the window {kernel_size!r}; accepted: at most half of kernel_size")

    def config(self) -> dict[str, object]:
        return {"type": type(self).__name__, "kernel_size": self.kernel_size, "stride": self.stride, "padding": self.padding}


class MaxPool2d(_Pool):
    """The largest of each window (ops.max_pool2d); the gradient goes to the first largest, as in PyTorch."""

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
        self.dilation = _pair(dilation, "dilation", 1)
        if return_indices or ceil_mode:
            raise ArgumentError("return_indices, ceil_mode: not in this layer; accepted: False (or a formula of your own)")

    @property
    def square(self) -> bool:
        return all(a == b for a, b in (self.kernel_size, self.stride, self.padding)) and self.dilation == (1, 1)

    def operation(self, rank: int) -> Op:
        return ops.max_pool2d if self.square else ops.max_pool2d_rect

    @property
    def settings(self) -> dict[str, int | float]:
        (k, m), (s, t), (p, q), (d, e) = self.kernel_size, self.stride, self.padding, self.dilation
        return {"k": k, "s": s, "p": p} if self.square else {"k": k, "l": m, "s": s, "t": t, "p": p, "q": q, "d": d, "e": e}

    def config(self) -> dict[str, object]:
        return super().config() | {"dilation": self.dilation}


class AvgPool2d(_Pool):
    """The mean of each window (ops.avg_pool2d); padding counts as zeros."""

    def operation(self, rank: int) -> Op:
        if any(a != b for a, b in (self.kernel_size, self.stride, self.padding)):
            raise ArgumentError(f"kernel_size={self.kernel_size}, stride={self.stride}: AvgPool2d is square; accepted: the same for rows and columns")
        return ops.avg_pool2d

    @property
    def settings(self) -> dict[str, int | float]:
        return {"k": self.kernel_size[0], "s": self.stride[0], "p": self.padding[0]}


class Flatten(Layer):
    """All axes but the samples as one."""

    def operation(self, rank: int) -> Op:
        known = {2: pointwise("identity", "x", 2), 3: ops.flatten3, 4: ops.flatten}
        if rank not in known:
            raise ArgumentError(f"Flatten of {rank} axes: not in the library; accepted: 2 to 4 axes (or a formula of your own)")
        return known[rank]


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
        names = [t.name for t in self.op.definition.inputs]
        self._settings: dict[str, int | float] = {}
        self._parameters: dict[str, Parameter] = {}
        for name in names[1:]:
            if name not in given:
                raise ArgumentError(
                    f"{self.op.name}: its input {name!r} is a parameter here and has no shape; accepted: Formula(op, {name}=shape or array)"
                )
        for name, value in given.items():
            if name not in names:
                self._settings[name] = value  # type: ignore[assignment]
                continue
            if name == names[0]:
                raise ArgumentError(f"{name}: is the layer's input, not a parameter; accepted: {', '.join(names[1:]) or 'settings'}")
            if isinstance(value, (tuple, list)) and all(isinstance(v, int) for v in value):
                shape = tuple(value)
                self._parameters[name] = Parameter(name, shape, 1 / math.sqrt(math.prod(shape[1:]) or 1))
            else:
                a = np.asarray(value)
                self._parameters[name] = Parameter(name, a.shape, 0.0, a)

    def operation(self, rank: int) -> Op:
        return self.op

    @property
    def settings(self) -> dict[str, int | float]:
        return self._settings

    @property
    def parameters(self) -> dict[str, Parameter]:
        return self._parameters

    def config(self) -> dict[str, object]:
        return {"type": "Formula", "text": str(self.op), "settings": self._settings, "shapes": {k: p.shape for k, p in self._parameters.items()}}


KNOWN: Mapping[str, type[Layer]] = {c.__name__: c for c in (Conv2d, Linear, ReLU, Sigmoid, Tanh, Softmax, MaxPool2d, AvgPool2d, Flatten)}


def from_config(config: Mapping[str, object]) -> Layer:
    """The layer that `config` describes."""
    rest = {k: tuple(v) if isinstance(v, list) else v for k, v in config.items() if k != "type"}
    if config.get("type") == "Formula":
        shapes = {k: tuple(v) for k, v in dict(rest["shapes"]).items()}  # type: ignore[call-overload]
        return Formula(str(rest["text"]), **shapes, **dict(rest["settings"]))  # type: ignore[call-overload]
    kind = KNOWN.get(str(config.get("type")))
    if kind is None:
        raise ArgumentError(f"{config.get('type')!r}: no such layer; accepted: {', '.join([*KNOWN, 'Formula'])}")
    return kind(**rest)


def as_layer(value: object) -> Layer:
    """A layer from a layer, or from an operation with a single input."""
    if isinstance(value, Layer):
        return value
    if isinstance(value, Op):
        return Formula(value)
    raise ArgumentError(f"{value!r}: not a layer; accepted: a layer of chainrule.nn, or an operation of cr.op")
