"""Convolutions, with PyTorch's names and arguments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ... import ops
from ...errors import ArgumentError, ShapeError
from ..arguments import choice, several, whole
from .common import Tensor, batched, tensor
from .padding import pad

AXES = {1: "[samples, channels, places]", 2: "[samples, channels, rows, columns]", 3: "[samples, channels, planes, rows, columns]"}


def padded(padding: object, kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Places before and behind each axis."""
    d = len(kernel)
    if isinstance(padding, str):
        if choice(padding, "padding", ("same", "valid")) == "valid":
            return (0,) * d, (0,) * d
        if any(s != 1 for s in stride):
            raise ArgumentError(f"padding='same' with stride={tuple(stride)}: the output is smaller; accepted: stride 1")
        totals = [t * (k - 1) for t, k in zip(dilation, kernel, strict=True)]
        return tuple(t // 2 for t in totals), tuple(t - t // 2 for t in totals)
    found = several(padding, "padding", 0, d)
    return found, found


def several_axes(x: Tensor, d: int, who: str) -> None:
    if tensor(x).ndim not in (d + 1, d + 2):
        raise ShapeError(f"{who} of {list(tensor(x).shape)}: {tensor(x).ndim} axes; accepted: {AXES[d]}, or one sample of them")


def convolution(x: Tensor, weight: Tensor, bias: Tensor | None, stride: object, padding: object, dilation: object, groups: int, d: int) -> Tensor:
    """Convolution of d axes (ops.conv, ops.grouped_conv)."""
    weight = tensor(weight, "weight")
    several_axes(x, d, f"conv{d}d")
    if weight.ndim != d + 2:
        raise ShapeError(f"conv{d}d: weight of {list(weight.shape)}; accepted: [channels out, channels in, {d} sizes of the kernel]")
    s, t, g = several(stride, "stride", 1, d), several(dilation, "dilation", 1, d), whole(groups, "groups")
    before, behind = padded(padding, weight.shape[2:], s, t)

    def run(x: Tensor) -> Tensor:
        if x.shape[1] != weight.shape[1] * g or weight.shape[0] % g:
            raise ShapeError(
                f"conv{d}d of {list(x.shape)} with weight {list(weight.shape)}, groups={g}: {x.shape[1]} channels in; accepted: {weight.shape[1] * g}"
                + (f", and channels out that {g} divides" if weight.shape[0] % g else "")
            )
        if before != behind:  # more behind than before: the rest is put there first
            x = pad(x, [v for p, q in reversed(list(zip(before, behind, strict=True))) for v in (0, q - p)])
        settings: dict[str, Any] = {"s": s, "p": before, "d": t}
        return ops.grouped_conv(x, weight, bias, g=g, **settings) if g > 1 else ops.conv(x, weight, bias, **settings)

    return batched(run, x, d + 2, f"conv{d}d", f"{AXES[d]}, or one sample of them")


def conv1d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Tensor:
    """1-d convolution (ops.conv)."""
    return convolution(input, weight, bias, stride, padding, dilation, groups, 1)


def conv2d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Tensor:
    """2-d convolution (ops.conv)."""
    return convolution(input, weight, bias, stride, padding, dilation, groups, 2)


def conv3d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Tensor:
    """3-d convolution (ops.conv)."""
    return convolution(input, weight, bias, stride, padding, dilation, groups, 3)


def transposed(
    x: Tensor, weight: Tensor, bias: Tensor | None, stride: object, padding: object, output_padding: object, groups: int, dilation: object, d: int
) -> Tensor:
    """Transposed convolution of d axes (ops.conv_transpose, ops.grouped_conv_transpose)."""
    weight = tensor(weight, "weight")
    several_axes(x, d, f"conv_transpose{d}d")
    if weight.ndim != d + 2:
        raise ShapeError(f"conv_transpose{d}d: weight of {list(weight.shape)}; accepted: [channels in, channels out, {d} sizes of the kernel]")
    s, p, t = several(stride, "stride", 1, d), several(padding, "padding", 0, d), several(dilation, "dilation", 1, d)
    q, g = several(output_padding, "output_padding", 0, d), whole(groups, "groups")
    if any(a >= max(b, c) for a, b, c in zip(q, s, t, strict=True)):
        raise ArgumentError(f"output_padding={output_padding!r:.40}: not smaller than stride or dilation; accepted: numbers below one of them")

    def run(x: Tensor) -> Tensor:
        if x.shape[1] != weight.shape[0] or weight.shape[0] % g:
            raise ShapeError(
                f"conv_transpose{d}d of {list(x.shape)} with weight {list(weight.shape)}, groups={g}: accepted: {weight.shape[0]} channels in"
            )
        settings: dict[str, Any] = {"s": s, "p": p, "d": t, "q": q}
        return ops.grouped_conv_transpose(x, weight, bias, g=g, **settings) if g > 1 else ops.conv_transpose(x, weight, bias, **settings)

    return batched(run, x, d + 2, f"conv_transpose{d}d", f"{AXES[d]}, or one sample of them")


def conv_transpose1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """1-d transposed convolution (ops.conv_transpose)."""
    return transposed(input, weight, bias, stride, padding, output_padding, groups, dilation, 1)


def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """2-d transposed convolution (ops.conv_transpose)."""
    return transposed(input, weight, bias, stride, padding, output_padding, groups, dilation, 2)


def conv_transpose3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """3-d transposed convolution (ops.conv_transpose)."""
    return transposed(input, weight, bias, stride, padding, output_padding, groups, dilation, 3)
