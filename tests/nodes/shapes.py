"""Operators that move values: other axes, parts of axes, padding, other numbers of places."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np

import chainrule as cr
from chainrule.nn import functional as F

from .formulas import along, around, moved
from .node import Node, Refused

MODES = {"constant": "constant", "reflect": "reflect", "edge": "replicate", "wrap": "circular"}
LINEAR = {3: "linear", 4: "bilinear", 5: "trilinear"}


def pad(node: Node) -> Any:
    x, pads = node.at(0), list(map(int, node.at(1)))
    axes = [int(k) % x.ndim for k in node.at(3)] if node.at(3) is not None else list(range(x.ndim))
    ways = {k: (pads[j], pads[j + len(axes)]) for j, k in enumerate(axes)}
    first = min([k for k, v in ways.items() if any(v)], default=x.ndim - 1)
    flat = [v for k in reversed(range(first, x.ndim)) for v in ways.get(k, (0, 0))]
    value = None if node.at(2) is None or node["mode"] != "constant" else float(node.at(2))
    return F.pad(x, flat, MODES[node["mode"]], value)


def transpose(x: Any, order: Any) -> Any:
    return moved(x, tuple(order) if order is not None else tuple(reversed(range(x.ndim))))


def flatten(node: Node) -> Any:
    x = node.at(0)
    axis = node["axis"] + x.ndim * (node["axis"] < 0)
    return x.reshape(math.prod(x.shape[:axis]), math.prod(x.shape[axis:]))


def reshape(node: Node) -> Any:
    x = node.at(0)
    sizes = [x.shape[k] if s == 0 and not node["allowzero"] else int(s) for k, s in enumerate(node.at(1))]
    return x.reshape(*sizes)


def squeeze(node: Node) -> Any:
    x = node.at(0)
    axes = [int(k) % x.ndim for k in node.at(1)] if node.at(1) is not None else [k for k, s in enumerate(x.shape) if s == 1]
    return x.reshape(*(s for k, s in enumerate(x.shape) if k not in axes))


def unsqueeze(node: Node) -> Any:
    x = node.at(0)
    rank = x.ndim + len(node.at(1))
    axes = [int(k) % rank for k in node.at(1)]
    rest = iter(x.shape)
    return x.reshape(*(1 if k in axes else next(rest) for k in range(rank)))


def split(node: Node) -> Any:
    x = node.at(0)
    axis = node["axis"] % x.ndim
    size, parts = x.shape[axis], len(node.outputs)
    each = -(-size // (node.get("num_outputs") or parts))
    sizes = [int(s) for s in node.at(1)] if node.at(1) is not None else [min(each, size - k * each) for k in range(parts)]
    if 0 in sizes:
        raise Refused("empty")
    ends = np.cumsum(sizes)
    return tuple(x[(*[slice(None)] * axis, slice(int(b - s), int(b)))] for s, b in zip(sizes, ends, strict=True))


def cut(node: Node) -> Any:
    x, starts, ends, axes, steps = (node.at(k) for k in range(5))
    axes = range(len(starts)) if axes is None else axes
    steps = [1] * len(starts) if steps is None else steps
    places = [slice(None)] * x.ndim
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        end = None if step < 0 and end < -x.shape[axis] else int(end)
        places[int(axis) % x.ndim] = slice(int(start), end, int(step))
    if any(not len(range(*p.indices(s))) for p, s in zip(places, x.shape, strict=True)):
        raise Refused("empty")
    return x[tuple(places)]


def gather(node: Node) -> Any:
    x, t = node.at(0), np.asarray(node.at(1))
    axis = node["axis"] % x.ndim
    t = np.where(t < 0, t + x.shape[axis], t)
    inner = x.shape[axis + 1 :]
    rows = moved(x, [axis, *(k for k in range(x.ndim) if k != axis)])
    y = F.embedding(t, rows.reshape(x.shape[axis], -1))
    y = y.reshape(*t.shape, *x.shape[:axis], *inner)
    order = [*range(t.ndim, t.ndim + axis), *range(t.ndim), *range(t.ndim + axis, y.ndim)]
    return moved(y, order)


# Images ------------------------------------------------------------------------------------------------------------------


def depth_to_space(node: Node) -> Any:
    x, r = node.at(0), node["blocksize"]
    if node["mode"] == "DCR":  # the places first, then the channels
        n, c, h, w = x.shape
        x = x.reshape(n, r * r, c // (r * r), h, w).transpose(0, 2, 1, 3, 4).reshape(n, c, h, w)
    return F.pixel_shuffle(x, r)


def space_to_depth(node: Node) -> Any:
    y = F.pixel_unshuffle(node.at(0), node["blocksize"])
    if node.get("mode", "DCR") == "DCR":
        n, c, h, w = y.shape
        r = node["blocksize"] ** 2
        y = y.reshape(n, c // r, r, h, w).transpose(0, 2, 1, 3, 4).reshape(n, c, h, w)
    return y


def upsample(node: Node) -> Any:
    return F.interpolate(node.at(0), scale_factor=tuple(map(float, node.at(1)[2:])), mode="nearest")


def resize(node: Node) -> Any:
    """Nearest and linear along each axis that changes; of the ways to find a place, the library's where it has the same."""
    x = node.at(0)
    if node["mode"] == "cubic":
        raise Refused("cubic")
    if node["antialias"]:
        raise Refused("antialias")
    if node["coordinate_transformation_mode"] == "tf_crop_and_resize":
        raise Refused("crop")
    axes = [k % x.ndim for k in node.get("axes") or range(x.ndim)]
    sizes, scales = _sizes(node, x, axes)
    inner = [k for k in range(x.ndim) if sizes[k] != x.shape[k] or scales[k] != 1]
    if inner and min(inner) < 2:
        raise Refused("sampled")
    how = node["coordinate_transformation_mode"]
    if node["mode"] == "linear":
        return _linear(x, sizes, scales, how)
    if how == "asymmetric" and node["nearest_mode"] == "floor":
        exact = all(scales[k] == Fraction(sizes[k], x.shape[k]) for k in inner)
        return F.interpolate(x, **({"size": sizes[2:]} if exact else {"scale_factor": tuple(map(float, scales[2:]))}), mode="nearest")
    for k in inner:
        x = along("nearest", x, k, **_nearest(x.shape[k], sizes[k], scales[k], how, node["nearest_mode"]))
    return x


def _linear(x: Any, sizes: list[int], scales: list[Fraction], how: str) -> Any:
    exact = all(s == Fraction(o, h) for s, o, h in zip(scales, sizes, x.shape, strict=True))
    if how == "half_pixel" or (how == "align_corners" and exact):
        to = {"size": sizes[2:]} if exact else {"scale_factor": tuple(map(float, scales[2:]))}
        return F.interpolate(x, **to, mode=LINEAR[x.ndim], align_corners=how == "align_corners")
    for k, (o, scale, size) in enumerate(zip(sizes, scales, x.shape, strict=True)):
        if (o, scale) != (size, 1):  # each of o places is at (r i + t) / e
            step, start = _places(size, o, scale, how)
            e = math.lcm(step.denominator, start.denominator)
            x = around(x, k, lambda y, o=o, r=int(step * e), t=int(start * e), e=e: cr.ops.upsample_linear(y, o=o, r=r, t=t, e=e))
    return x


def _places(size: int, o: int, scale: Fraction, how: str) -> tuple[Fraction, Fraction]:
    """The step from one of o places to the next, and where the first is."""
    step, middle = 1 / scale, (1 / scale - 1) / 2
    if how == "align_corners":
        return (size - 1) / (scale * size - 1) if scale * size > 1 else Fraction(0), Fraction(0)
    if how == "half_pixel_symmetric":
        return step, middle + Fraction(size, 2) * (1 - o / (scale * size))
    return step, Fraction(0) if how == "asymmetric" else Fraction(-1, 2) + step / 2 if o > 1 or how == "half_pixel" else Fraction(0)


def _sizes(node: Node, x: Any, axes: list[int]) -> tuple[list[int], list[Fraction]]:
    scales, sizes = [Fraction(1)] * x.ndim, list(x.shape)
    if node.at(2) is not None and len(node.at(2)):
        for k, f in zip(axes, node.at(2), strict=True):
            scales[k] = Fraction(float(f)).limit_denominator(1000)
            sizes[k] = int(scales[k] * x.shape[k])
        return sizes, scales
    wanted = list(map(int, node.at(3)))
    policy = node["keep_aspect_ratio_policy"]
    ratios = [Fraction(o, x.shape[k]) for k, o in zip(axes, wanted, strict=True)]
    for k, o, f in zip(axes, wanted, ratios, strict=True):
        scales[k] = f if policy == "stretch" else min(ratios) if policy == "not_larger" else max(ratios)
        sizes[k] = o if policy == "stretch" else math.floor(scales[k] * x.shape[k] + Fraction(1, 2))
    return sizes, scales


def _nearest(size: int, o: int, scale: Fraction, how: str, rounds: str) -> dict[str, int]:
    """The place (p i + q) // r of the output's i-th."""
    step, start = _places(size, o, scale, how)
    half = Fraction(1, 2)
    start += {"floor": 0, "round_prefer_ceil": half, "round_prefer_floor": -half, "ceil": 0}[rounds]
    r = math.lcm(step.denominator, start.denominator)
    up = r - 1 if rounds in ("ceil", "round_prefer_floor") else 0
    return {"o": o, "p": int(step * r), "q": int(start * r) + up, "r": r}
