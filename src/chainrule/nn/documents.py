"""The networks of the documents, and the two layers that they have and PyTorch has not: CellBias and Convolve2d.

A bias for each place (documents 000 and 003) is a convolution's own with bias="untied", whose shape the first input says; CellBias is the
same as a layer behind any other, of a shape that is said.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from .. import ops
from ..errors import ArgumentError, ShapeError
from .arguments import flag, several, whole
from .containers import Sequential
from .functional.common import batched
from .functional.convolution import AXES
from .layers import AvgPool2d, Conv2d, Flatten, Layer, Linear, MaxPool2d, ReLU, Sigmoid, Softmax, Tanh
from .layers.convolution import Convolution, bias_asked
from .losses import HalfSquareLoss, Loss, ProbabilityCrossEntropyLoss
from .module import Module
from .values import Parameter


class CellBias(Layer):
    """A bias for each place (ops.cell_bias): of maps, for each channel, row and column.

    Parameter bias of the shape that one sample has, zeros at first. Source: documents 000 and 003.

    >>> CellBias((2, 5, 4)).bias.shape
    (2, 5, 4)
    """

    arguments = ("shape",)

    def __init__(self, shape: Sequence[int] | int):
        sizes = shape if isinstance(shape, (tuple, list)) else (shape,)
        self.shape = tuple(whole(k, "shape") for k in sizes)
        if not self.shape:
            raise ArgumentError(f"shape={shape!r}: no axes; accepted: the sizes of one sample, as (channels, rows, columns)")
        self.bias = Parameter(self.shape, 0.0)

    def forward(self, x: Any) -> Any:
        if tuple(x.shape[1:]) != self.shape:
            raise ShapeError(f"CellBias of {list(x.shape)}: its biases have shape {list(self.shape)}; accepted: [samples, *{list(self.shape)}]")
        return ops.cell_bias(x, self.bias)

    def extra_repr(self) -> str:
        return f"{self.shape}"


class Convolve2d(Convolution):
    """2-d convolution in the mathematical sense, whose kernel runs against x (ops.convolve); Conv2d is cross-correlation.

    Parameters and arguments as Conv2d's, with numbers as padding: with every kernel turned round (weight[:, :, ::-1, ::-1]) the two are
    the same. flip=False: cross-correlation. origin: the place in the kernel, or one for each axis, at which its index is 0; it
    takes the place of padding, and y[i] = sum_u w[u] x[s*i - d*(u - origin)] has a place for each s-th of x. Source: document 001.

    >>> Convolve2d(1, 2, 3, stride=2, origin=1).weight.shape
    (2, 1, 3, 3)
    """

    arguments = ("in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups", "flip", "origin")
    axes = 2

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool | str = True,
        flip: bool = True,
        origin: Any = None,
    ):
        has_bias = bias_asked(bias)
        self.sized((in_channels, out_channels), kernel_size, stride, dilation, groups)
        self.padding, self.flip = several(padding, "padding", 0, 2), flag(flip, "flip")
        self.origin = None if origin is None else several(origin, "origin", 0, 2)
        if self.origin and any(r >= k for r, k in zip(self.origin, self.kernel_size, strict=True)):
            raise ArgumentError(f"origin={origin!r:.80}: not in the kernel; accepted: numbers from 0, below {self.kernel_size}")
        if self.origin and any(self.padding):
            raise ArgumentError(f"padding={padding!r:.80} with origin={origin!r:.80}: both say where the kernel starts; accepted: one of them")
        self.draw((self.out_channels, self.in_channels // self.groups, *self.kernel_size), has_bias)

    def forward(self, x: Any) -> Any:
        if x.ndim not in (3, 4) or x.shape[-3] != self.in_channels:
            raise ShapeError(f"Convolve2d of {list(x.shape)}; accepted: [samples, {self.in_channels}, rows, columns], or one sample of them")
        before, behind = self._beyond()
        settings: dict[str, Any] = {"s": self.stride, "a": before, "z": behind, "d": self.dilation, "flip": int(self.flip)}

        def run(x: Any) -> Any:
            if self.groups > 1:
                return ops.grouped_convolve(x, self.weight, self.tied, g=self.groups, **settings)
            return ops.convolve(x, self.weight, self.tied, **settings)

        return self.with_cells(batched(run, x, 4, "Convolve2d", f"{AXES[2]}, or one sample of them"))

    def _beyond(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Places that the kernel reaches beyond the beginning and the end of each axis."""
        if self.origin is None:
            return self.padding, self.padding
        low = tuple(d * r for d, r in zip(self.dilation, self.origin, strict=True))
        high = tuple(d * (k - 1) - a for d, k, a in zip(self.dilation, self.kernel_size, low, strict=True))
        return (high, low) if self.flip else (low, high)

    def extra_repr(self) -> str:
        return super().extra_repr() + self.told(flip=True, origin=None)


def document000(classes: int = 10) -> Sequential:
    """Document 000's LeNet for 28 x 28 grey images: a bias for each place, average pooling, softmax; its loss is HalfSquareLoss.

    Its activation is any: tanh, as LeCun's.
    """
    return Sequential(
        Conv2d(1, 6, 5, padding=2, bias=False), CellBias((6, 28, 28)), Tanh(), AvgPool2d(2),
        Conv2d(6, 16, 5, bias=False), CellBias((16, 10, 10)), Tanh(), AvgPool2d(2),
        Flatten(), Linear(400, 120), Tanh(), Linear(120, 84), Tanh(), Linear(84, classes), Softmax(1),
    )  # fmt: skip


def document001(classes: int = 10, flip: bool = False) -> Sequential:
    """The network of document 001's own system, for 28 x 28 grey images; its softmax is in the loss.

    flip: with convolutions in the mathematical sense, else with cross-correlations.
    """
    kind = Convolve2d if flag(flip, "flip") else Conv2d
    return Sequential(
        kind(1, 2, 3), ReLU(), MaxPool2d(2, stride=2, padding=1),
        kind(2, 5, 2, stride=2, padding=1), Sigmoid(),
        Flatten(), Linear(320, 1000), Sigmoid(), Linear(1000, classes),
    )  # fmt: skip


def document002(inputs: int = 784, hidden: int = 4, outputs: int = 3) -> Sequential:
    """Document 002's network of two sigmoid layers (4 and 3 wide in its picture); its loss is HalfSquareLoss."""
    return Sequential(Flatten(), Linear(inputs, hidden), Sigmoid(), Linear(hidden, outputs), Sigmoid())


def document003(classes: int = 10, rows: int = 28, columns: int = 28, kernel: int = 5) -> Sequential:
    """Document 003's network, equations (10) to (15): its loss is ProbabilityCrossEntropyLoss.

    A convolution that reaches beyond all edges, a bias for each place, ReLU, max-pooling, a second such bias, ReLU, a fully connected
    layer, softmax; one map, as in the document.
    """
    high, wide = rows + kernel - 1, columns + kernel - 1
    return Sequential(
        Convolve2d(1, 1, kernel, padding=kernel - 1, bias=False), CellBias((1, high, wide)), ReLU(), MaxPool2d(2),
        CellBias((1, high // 2, wide // 2)), ReLU(),
        Flatten(), Linear((high // 2) * (wide // 2), classes), Softmax(1),
    )  # fmt: skip


def document004(*sizes: int) -> Sequential:
    """Document 004's chain: a matrix and an activation (here tanh) for each two neighbours of these sizes; without biases.

    >>> len(document004(5, 4, 3))
    4
    """
    if len(sizes) < 2:
        raise ArgumentError(f"document004{sizes}: no matrix in it; accepted: two sizes or more")
    return Sequential(*(m for a, b in pairwise(sizes) for m in (Linear(a, b, bias=False), Tanh())))


def _of_images_002(classes: int = 10) -> Sequential:
    return document002(784, 30, classes)


def _of_images_004(classes: int = 10) -> Sequential:
    return Sequential(Flatten(), *document004(784, 64, 32, classes))


# By name, for 28 x 28 grey images of so many classes, and the losses that the documents give them (of class numbers too)
NETWORKS: dict[str, Callable[..., Module]] = {
    "document000": document000,
    "document001": document001,
    "document002": _of_images_002,
    "document003": document003,
    "document004": _of_images_004,
}
LOSSES: dict[str, Loss] = {
    "document000": HalfSquareLoss(),
    "document002": HalfSquareLoss(),
    "document003": ProbabilityCrossEntropyLoss(),
    "document004": HalfSquareLoss(),
}
