"""Convolutions as layers (ops.conv, ops.grouped_conv, ops.conv_transpose), with PyTorch's names, arguments and defaults."""

from __future__ import annotations

import math
from typing import Any

from ... import ops
from ...errors import ArgumentError, ShapeError
from .. import functional as F
from ..arguments import choice, flag, several, whole
from ..functional.common import batched
from ..functional.convolution import AXES, convolution, padded, transposed
from ..values import OpenParameter, Parameter
from .base import Layer, bias_of

MODES = ("zeros", "reflect", "replicate", "circular")


UNTIED = "untied"


def bias_asked(bias: object) -> bool | str:
    """One for each channel, none, or one for each place of the output."""
    if isinstance(bias, str):
        if bias != UNTIED:
            raise ArgumentError(f"bias={bias!r:.80}: not usable; accepted: True, False or {UNTIED!r}")
        return UNTIED
    return flag(bias, "bias")  # type: ignore[arg-type]  # what it refuses


class Convolution(Layer):
    """What convolutions of any number of axes share."""

    arguments: tuple[str, ...] = ("in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups", "padding_mode")
    wanted = ("bias",)
    axes = 0

    def sized(self, channels: tuple[Any, Any], kernel_size: Any, stride: Any, dilation: Any, groups: int, padding_mode: str = "zeros") -> None:
        """Sizes, checked."""
        d = self.axes
        self.in_channels, self.out_channels = whole(channels[0], "in_channels"), whole(channels[1], "out_channels")
        self.kernel_size, self.stride = several(kernel_size, "kernel_size", 1, d), several(stride, "stride", 1, d)
        self.dilation, self.groups = several(dilation, "dilation", 1, d), whole(groups, "groups")
        self.padding_mode = choice(padding_mode, "padding_mode", MODES)
        for name in ("in_channels", "out_channels"):
            if getattr(self, name) % self.groups:
                raise ArgumentError(f"{name}={getattr(self, name)}: {self.groups} groups do not divide it; accepted: a multiple of groups")

    def draw(self, shape: tuple[int, ...], bias: bool | str) -> None:
        """Parameters, uniform in ±1/sqrt(the number of terms); an untied bias is 0 at first."""
        bound = 1 / math.sqrt(math.prod(shape[1:]))
        self.weight = Parameter(shape, bound)
        if bias == UNTIED:
            self.bias = OpenParameter(self.out_channels, self.axes)
        else:
            bias_of(self, self.out_channels, bound, bool(bias))

    @property
    def untied(self) -> bool:
        """Whether there is a bias for each place of the output."""
        return isinstance(self._states.get("bias"), OpenParameter)

    @property
    def tied(self) -> Any:
        """The bias of each channel, if there is one."""
        return None if self.untied else self.bias

    def with_cells(self, y: Any) -> Any:
        """With the bias of each place, if there is one (ops.cell_bias)."""
        if not self.untied:
            return y
        shape, bias = tuple(y.shape[-self.axes - 1 :]), self._states["bias"]
        bias.sized(shape)
        if bias.shape != shape:
            raise ShapeError(
                f"an output of {list(shape)}: the biases of its places have shape {list(bias.shape)}; accepted: inputs of the size they were made for"
            )
        return batched(lambda y: ops.cell_bias(y, self.bias), y, self.axes + 2, type(self).__name__, f"{AXES[self.axes]}, or one sample of them")

    def config(self) -> dict[str, object] | None:
        own = super().config()
        return {**own, "bias": UNTIED} if own is not None and self.untied else own

    def extra_repr(self) -> str:
        d = self.axes
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        text += (
            self.told(padding=(0,) * d, dilation=(1,) * d, output_padding=(0,) * d)
            if hasattr(self, "output_padding")
            else self.told(padding=(0,) * d, dilation=(1,) * d)
        )
        text += self.told(groups=1)
        bias = f", bias={UNTIED!r}" if self.untied else "" if self.bias is not None else ", bias=False"
        return text + bias + self.told(padding_mode="zeros")


class _Forward(Convolution):
    """Convolution, y = b + sum w x (ops.conv).

    Parameters weight [out, in / groups, *kernel_size] and bias [out], both uniform in ±1/sqrt(in / groups * kernel size) at first,
    as in PyTorch. padding: numbers, "same" or "valid". padding_mode: zeros, reflect, replicate or circular. bias="untied": one for each
    place of the output (ops.cell_bias), [out, *sizes of the output], which are those that the first input asks for; 0 at first.
    """

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
        padding_mode: str = "zeros",
    ):
        has_bias = bias_asked(bias)
        self.sized((in_channels, out_channels), kernel_size, stride, dilation, groups, padding_mode)
        self._before = padded(padding, self.kernel_size, self.stride, self.dilation)
        self.padding: Any = padding if isinstance(padding, str) else self._before[0]
        self.draw((self.out_channels, self.in_channels // self.groups, *self.kernel_size), has_bias)

    def forward(self, x: Any) -> Any:
        return self.with_cells(self._moved(x))

    def _moved(self, x: Any) -> Any:
        if self.padding_mode == "zeros":
            return convolution(x, self.weight, self.tied, self.stride, self.padding, self.dilation, self.groups, self.axes)
        pairs = list(zip(*self._before, strict=True))[::-1]
        wide = F.pad(x, [v for pair in pairs for v in pair], self.padding_mode)
        return convolution(wide, self.weight, self.tied, self.stride, 0, self.dilation, self.groups, self.axes)


class Conv1d(_Forward):
    __doc__ = f"1-d {(_Forward.__doc__ or '')[0].lower()}{(_Forward.__doc__ or '')[1:]}"
    axes = 1


class Conv2d(_Forward):
    """2-d convolution, y = b + sum w x (ops.conv).

    Parameters weight [out, in / groups, rows, columns] and bias [out], both uniform in ±1/sqrt(in / groups * rows * columns) at
    first, as in PyTorch. padding: numbers, "same" or "valid". padding_mode: zeros, reflect, replicate or circular. bias="untied": one for each
    place of the output (documents 000 and 003), [out, rows, columns], whose sizes are those that the first input asks for; 0 at first.

    >>> Conv2d(1, 6, 5, padding=2).weight.shape
    (6, 1, 5, 5)
    """

    axes = 2


class Conv3d(_Forward):
    __doc__ = f"3-d {(_Forward.__doc__ or '')[0].lower()}{(_Forward.__doc__ or '')[1:]}"
    axes = 3


class _Transposed(Convolution):
    """Transposed convolution (ops.conv_transpose).

    Parameters weight [in, out / groups, *kernel_size] and bias [out], uniform in ±1/sqrt(out / groups * kernel size) at first.
    """

    arguments = ("in_channels", "out_channels", "kernel_size", "stride", "padding", "output_padding", "groups", "dilation", "padding_mode")

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool | str = True,
        dilation: Any = 1,
        padding_mode: str = "zeros",
    ):
        has_bias = bias_asked(bias)
        if padding_mode != "zeros":
            raise ArgumentError(f"padding_mode={padding_mode!r}: accepted: 'zeros'")
        self.sized((in_channels, out_channels), kernel_size, stride, dilation, groups, padding_mode)
        self.padding, self.output_padding = several(padding, "padding", 0, self.axes), several(output_padding, "output_padding", 0, self.axes)
        self.draw((self.in_channels, self.out_channels // self.groups, *self.kernel_size), has_bias)

    def forward(self, x: Any, output_size: Any = None) -> Any:
        more = self.output_padding if output_size is None else self._more(x, output_size)
        return self.with_cells(transposed(x, self.weight, self.tied, self.stride, self.padding, more, self.groups, self.dilation, self.axes))

    def _more(self, x: Any, output_size: Any) -> tuple[int, ...]:
        """The output_padding that gives these sizes."""
        d = self.axes
        wanted = several(tuple(output_size)[-d:], "output_size", 1, d)
        rows = zip(wanted, x.shape[-d:], self.stride, self.padding, self.dilation, self.kernel_size, strict=True)
        found = [o - ((h - 1) * s - 2 * p + t * (k - 1) + 1) for o, h, s, p, t, k in rows]
        if any(not 0 <= q < s for q, s in zip(found, self.stride, strict=True)):
            least = [o - q for o, q in zip(wanted, found, strict=True)]
            most = [a + s - 1 for a, s in zip(least, self.stride, strict=True)]
            raise ArgumentError(f"output_size={output_size!r:.60}: accepted: from {least} to {most}")
        return tuple(found)


class ConvTranspose1d(_Transposed):
    __doc__ = f"1-d {(_Transposed.__doc__ or '')[0].lower()}{(_Transposed.__doc__ or '')[1:]}"
    axes = 1


class ConvTranspose2d(_Transposed):
    __doc__ = f"2-d {(_Transposed.__doc__ or '')[0].lower()}{(_Transposed.__doc__ or '')[1:]}"
    axes = 2


class ConvTranspose3d(_Transposed):
    __doc__ = f"3-d {(_Transposed.__doc__ or '')[0].lower()}{(_Transposed.__doc__ or '')[1:]}"
    axes = 3
