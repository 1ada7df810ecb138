"""Pools as layers, with PyTorch's names, arguments and defaults."""

from __future__ import annotations

from typing import Any

from ..arguments import flag, real, several
from ..functional.pooling import adaptive, avg_pool, divisor, lp_pool, max_pool, parts, windowed
from .base import Layer


class _Pool(Layer):
    axes = 0


class _MaxPool(_Pool):
    """The largest of each window (ops.max_pool); the gradient goes to the first largest, as in PyTorch.

    return_indices: gives (values, places in x counted in index order), too.
    """

    arguments = ("kernel_size", "stride", "padding", "dilation", "return_indices", "ceil_mode")

    def __init__(
        self, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, return_indices: bool = False, ceil_mode: bool = False
    ):
        windowed(kernel_size, stride, padding, self.axes)
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride
        self.padding, self.dilation, self.ceil_mode = padding, dilation, flag(ceil_mode, "ceil_mode")
        several(dilation, "dilation", 1, self.axes)
        self.return_indices = flag(return_indices, "return_indices")

    def forward(self, x: Any) -> Any:
        return max_pool(x, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode, self.return_indices, self.axes)

    def extra_repr(self) -> str:
        rest = f"padding={self.padding}, dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        return f"kernel_size={self.kernel_size}, stride={self.stride}, {rest}"


class MaxPool1d(_MaxPool):
    __doc__ = _MaxPool.__doc__
    axes = 1


class MaxPool2d(_MaxPool):
    __doc__ = _MaxPool.__doc__
    axes = 2


class MaxPool3d(_MaxPool):
    __doc__ = _MaxPool.__doc__
    axes = 3


class _AvgPool(_Pool):
    """The mean of each window (ops.avg_pool); padding counts as zeros, unless count_include_pad=False."""

    arguments: tuple[str, ...] = ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override")
    divisor_override: int | None = None

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ):
        windowed(kernel_size, stride, padding, self.axes)
        self.kernel_size, self.stride, self.padding = kernel_size, kernel_size if stride is None else stride, padding
        self.ceil_mode, self.count_include_pad = flag(ceil_mode, "ceil_mode"), flag(count_include_pad, "count_include_pad")
        if divisor_override is not None:
            self.divisor_override = divisor(divisor_override)

    def forward(self, x: Any) -> Any:
        return avg_pool(x, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad, self.divisor_override, self.axes)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool1d(_AvgPool):
    __doc__ = _AvgPool.__doc__
    arguments = ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad")
    axes = 1

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False, count_include_pad: bool = True):
        k, s, p = windowed(kernel_size, stride, padding, 1)
        super().__init__(k, s, p, ceil_mode, count_include_pad)


class AvgPool2d(_AvgPool):
    __doc__ = _AvgPool.__doc__
    axes = 2


class AvgPool3d(_AvgPool):
    __doc__ = _AvgPool.__doc__
    axes = 3


class _LPPool(_Pool):
    """The root of the sum of powers of each window (ops.lp_pool)."""

    arguments = ("norm_type", "kernel_size", "stride", "ceil_mode")

    def __init__(self, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False):
        windowed(kernel_size, stride, 0, self.axes)
        self.norm_type = real(norm_type, "norm_type", 0, open_end=True)
        self.kernel_size, self.stride, self.ceil_mode = kernel_size, stride, flag(ceil_mode, "ceil_mode")

    def forward(self, x: Any) -> Any:
        return lp_pool(x, self.norm_type, self.kernel_size, self.stride, self.ceil_mode, self.axes)

    def extra_repr(self) -> str:
        return f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, ceil_mode={self.ceil_mode}"


class LPPool1d(_LPPool):
    __doc__ = _LPPool.__doc__
    axes = 1


class LPPool2d(_LPPool):
    __doc__ = _LPPool.__doc__
    axes = 2


class LPPool3d(_LPPool):
    __doc__ = _LPPool.__doc__
    axes = 3


class _Adaptive(_Pool):
    arguments: tuple[str, ...] = ("output_size",)

    def __init__(self, output_size: Any):
        parts(output_size, self.axes)
        self.output_size = output_size

    def forward(self, x: Any) -> Any:
        return adaptive(x, self.output_size, False, False, self.axes)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class _AdaptiveMax(_Adaptive):
    """return_indices: gives (values, places in x counted in index order), too."""

    arguments = ("output_size", "return_indices")

    def __init__(self, output_size: Any, return_indices: bool = False):
        super().__init__(output_size)
        self.return_indices = flag(return_indices, "return_indices")

    def forward(self, x: Any) -> Any:
        return adaptive(x, self.output_size, True, self.return_indices, self.axes)


class AdaptiveAvgPool1d(_Adaptive):
    """The means of output_size windows along the last axis (ops.adaptive_avg_pool)."""

    axes = 1


class AdaptiveAvgPool2d(_Adaptive):
    """The means of output_size windows along rows and columns (ops.adaptive_avg_pool); 1 is the mean of the whole."""

    axes = 2


class AdaptiveAvgPool3d(_Adaptive):
    """The means of output_size windows along the last three axes (ops.adaptive_avg_pool)."""

    axes = 3


class AdaptiveMaxPool1d(_AdaptiveMax):
    """The largest of output_size windows along the last axis (ops.adaptive_max_pool). return_indices: gives (values, places), too."""

    axes = 1


class AdaptiveMaxPool2d(_AdaptiveMax):
    """The largest of output_size windows along rows and columns (ops.adaptive_max_pool). return_indices: gives (values, places), too."""

    axes = 2


class AdaptiveMaxPool3d(_AdaptiveMax):
    """The largest of output_size windows along the last three axes (ops.adaptive_max_pool). return_indices: gives (values, places), too."""

    axes = 3
