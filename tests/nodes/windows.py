"""Convolutions and pools: ONNX's pads, strides and dilations as this library's settings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import chainrule as cr
from chainrule.nn import functional as F

from .node import Node

CONV = (F.conv1d, F.conv2d, F.conv3d)
TRANSPOSED = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)
MAX_POOL = (F.max_pool1d, F.max_pool2d, F.max_pool3d)
AVG_POOL = (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)
LP_POOL = (F.lp_pool1d, F.lp_pool2d, F.lp_pool3d)
MEANS = (F.adaptive_avg_pool1d, F.adaptive_avg_pool2d, F.adaptive_avg_pool3d)
LARGEST = (F.adaptive_max_pool1d, F.adaptive_max_pool2d, F.adaptive_max_pool3d)
Sizes = tuple[int, ...]


@dataclass(frozen=True)
class Window:
    """Kernel, stride, dilation and places before and behind, for each axis."""

    k: Sizes
    s: Sizes
    d: Sizes
    before: Sizes
    behind: Sizes
    ceil: bool

    @property
    def even(self) -> bool:
        return self.before == self.behind

    def outputs(self, sizes: Sequence[int]) -> Sizes:
        """How many windows there are, of which the last may only begin before what is behind."""
        found = []
        for size, k, s, d, a, b in zip(sizes, self.k, self.s, self.d, self.before, self.behind, strict=True):
            room = size + a + b - d * (k - 1) - 1
            n = -(-room // s) + 1 if self.ceil else room // s + 1
            found.append(n - ((n - 1) * s >= size + a) if self.ceil else n)
        return tuple(found)

    def more(self, sizes: Sequence[int]) -> Sizes:
        """How many more than those that fit where as many places are behind as before."""
        fit = [(h + 2 * a - d * (k - 1) - 1) // s + 1 for h, k, s, d, a in zip(sizes, self.k, self.s, self.d, self.before, strict=True)]
        return tuple(a - b for a, b in zip(self.outputs(sizes), fit, strict=True))


def window(node: Node, sizes: Sequence[int], kernel: Sequence[int]) -> Window:
    """What a node's attributes say about its windows, automatic padding included."""
    ones, rank = [1] * len(sizes), len(sizes)
    k, s, d = tuple(kernel), tuple(node.get("strides", ones)), tuple(node.get("dilations", ones))
    pads = list(node.get("pads", [0] * 2 * rank))
    auto = node.get("auto_pad", "NOTSET")
    if auto.startswith("SAME"):
        whole = [max(0, (-(-h // b) - 1) * b + c * (a - 1) + 1 - h) for h, a, b, c in zip(sizes, k, s, d, strict=True)]
        less = [t // 2 for t in whole]
        rest = [t - u for t, u in zip(whole, less, strict=True)]
        pads = [*less, *rest] if auto == "SAME_UPPER" else [*rest, *less]
    return Window(k, s, d, tuple(pads[:rank]), tuple(pads[rank:]), bool(node.get("ceil_mode", 0)))


def around(x: Any, w: Window) -> Any:
    """Zeros around x, where there are not as many behind as before."""
    return F.pad(x, [v for pair in reversed(list(zip(w.before, w.behind, strict=True))) for v in pair])


def conv(node: Node) -> Any:
    x, weight, bias = node.at(0), node.at(1), node.at(2)
    w = window(node, x.shape[2:], weight.shape[2:])
    padding = w.before if w.even else 0
    return CONV[len(w.k) - 1](x if w.even else around(x, w), weight, bias, w.s, padding, w.d, node["group"])


def conv_transpose(node: Node) -> Any:
    x, weight, bias = node.at(0), node.at(1), node.at(2)
    w = window(node, x.shape[2:], weight.shape[2:])
    more = list(node.get("output_padding", [0] * len(w.k)))
    whole = [(h - 1) * s + d * (k - 1) + 1 + q for h, s, d, k, q in zip(x.shape[2:], w.s, w.d, w.k, more, strict=True)]
    upper = node["auto_pad"] == "SAME_UPPER"
    wanted = node.get("output_shape") or ([h * s for h, s in zip(x.shape[2:], w.s, strict=True)] if node["auto_pad"].startswith("SAME") else None)
    before, behind = w.before, w.behind
    if wanted:
        cut = [t - o for t, o in zip(whole, wanted[-len(whole) :], strict=True)]
        less, rest = tuple(c // 2 for c in cut), tuple(c - c // 2 for c in cut)
        before, behind = (less, rest) if upper else (rest, less)
    f = TRANSPOSED[len(w.k) - 1]
    if min(*before, *behind) >= 0 and all(0 <= q + a - b < max(s, d) for q, a, b, s, d in zip(more, before, behind, w.s, w.d, strict=True)):
        more = [q + a - b for q, a, b in zip(more, before, behind, strict=True)]
        return f(x, weight, bias, w.s, before, more, node["group"], w.d)
    y = f(x, weight, bias, w.s, 0, more, node["group"], w.d)  # cut off, or put around, afterwards
    return F.pad(y, [-v for pair in reversed(list(zip(before, behind, strict=True))) for v in pair])


def max_pool(node: Node) -> Any:
    x = node.at(0)
    w = window(node, x.shape[2:], node["kernel_shape"])
    pytorch = w.even and all(2 * p <= k for p, k in zip(w.before, w.k, strict=True))
    if not node.wants(1):
        if pytorch:
            return MAX_POOL[len(w.k) - 1](x, w.k, w.s, w.before, w.d, w.ceil)
        return cr.ops.max_pool(x, k=w.k, s=w.s, p=w.before, d=w.d, more=w.more(x.shape[2:]))
    y, at = MAX_POOL[len(w.k) - 1](x, w.k, w.s, w.before, w.d, w.ceil, True)
    inner = math.prod(x.shape[2:])
    at = at + (inner * np.arange(math.prod(x.shape[:2]))).reshape(*x.shape[:2], *[1] * len(w.k)).astype(float)
    return y, turned(at, *x.shape[2:]) if node["storage_order"] else at


def turned(at: Any, h: int, v: int) -> Any:
    """Places that are counted by rows, counted by columns."""
    row, whole = "floor(q[n,*a] / v)", "floor(q[n,*a] / (h*v))"
    text = f"q[n,*a] - v * {row}) * h + {row} - h * {whole} + h * v * {whole}"
    return cr.op(f"turned(q[n,*A]; h=1, v=1) -> y[n,*A]\n    y[n,*a] = ({text}")(at, h=h, v=v)


def average_pool(node: Node) -> Any:
    x = node.at(0)
    w = window(node, x.shape[2:], node["kernel_shape"])
    counted = bool(node["count_include_pad"])
    if w.even and set(w.d) == {1} and all(2 * p <= k for p, k in zip(w.before, w.k, strict=True)):
        return AVG_POOL[len(w.k) - 1](x, w.k, w.s, w.before, w.ceil, counted)
    ends = (w.before, w.behind) if counted else (0, 0)
    return cr.ops.avg_pool_inside(x, k=w.k, s=w.s, p=w.before, d=w.d, e=ends[0], z=ends[1], more=w.more(x.shape[2:]))


def lp_pool(node: Node) -> Any:
    x = F.abs(node.at(0))  # PyTorch's has the powers of the numbers themselves
    w = window(node, x.shape[2:], node["kernel_shape"])
    if not any((*w.before, *w.behind)) and set(w.d) == {1}:
        return LP_POOL[len(w.k) - 1](x, float(node["p"]), w.k, w.s, w.ceil)
    return cr.ops.lp_pool(x, k=w.k, s=w.s, p=w.before, d=w.d, more=w.more(x.shape[2:]), norm=float(node["p"]))
