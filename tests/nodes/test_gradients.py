"""Gradients of ONNX's cases of windows, norms, activations, padding and interpolation against PyTorch's, in float64 under a random upstream
gradient. What PyTorch computes is written from ONNX's definition: padding first, transposed convolutions cut off afterwards, means by sums of ones."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as TF

import chainrule as cr
from chainrule.nn.losses import Total

from .node import Case, Node, Refused, cases
from .run import ENGINES, Held, X, holding, tensors
from .shapes import MODES
from .table import ROWS
from .windows import Window, window

CONV = (TF.conv1d, TF.conv2d, TF.conv3d)
TRANSPOSED = (TF.conv_transpose1d, TF.conv_transpose2d, TF.conv_transpose3d)
LARGEST = (TF.max_pool1d, TF.max_pool2d, TF.max_pool3d)
T = torch.Tensor


def flat(before: Any, behind: Any) -> list[int]:
    return [v for pair in reversed(list(zip(before, behind, strict=True))) for v in pair]


def conv(node: Node) -> T:
    x, weight, bias = node.at(0), node.at(1), node.at(2)
    w = window(node, x.shape[2:], weight.shape[2:])
    return CONV[len(w.k) - 1](TF.pad(x, flat(w.before, w.behind)), weight, bias, w.s, 0, w.d, node["group"])


def conv_transpose(node: Node) -> T:
    x, weight, bias = node.at(0), node.at(1), node.at(2)
    w = window(node, x.shape[2:], weight.shape[2:])
    d = len(w.k)
    y = TRANSPOSED[d - 1](x, weight, bias, w.s, 0, node.get("output_padding", 0), node["group"], w.d)
    before, behind = w.before, w.behind
    same = node["auto_pad"].startswith("SAME")
    if same or node.get("output_shape"):
        sizes = [h * s for h, s in zip(x.shape[2:], w.s, strict=True)] if same else node["output_shape"][-d:]
        cut = [h - o for h, o in zip(y.shape[2:], sizes, strict=True)]
        before = [c // 2 if node["auto_pad"] == "SAME_UPPER" else c - c // 2 for c in cut]
        behind = [c - b for c, b in zip(cut, before, strict=True)]
    return TF.pad(y, flat([-b for b in before], [-b for b in behind]))


def _around(x: T, w: Window, value: float) -> T:
    """x with what its windows reach beyond its ends."""
    reach = [(n - 1) * s + d * (k - 1) + 1 for n, s, d, k in zip(w.outputs(x.shape[2:]), w.s, w.d, w.k, strict=True)]
    return TF.pad(x, flat(w.before, [r - h - a for r, h, a in zip(reach, x.shape[2:], w.before, strict=True)]), value=value)


def _sums(x: T, w: Window) -> T:
    n, c = x.shape[:2]
    y = CONV[len(w.k) - 1](x.reshape(n * c, 1, *x.shape[2:]), torch.ones(1, 1, *w.k, dtype=x.dtype), None, w.s, 0, w.d)
    return y.reshape(n, c, *y.shape[2:])


def max_pool(node: Node) -> T:
    x = node.at(0)
    w = window(node, x.shape[2:], node["kernel_shape"])
    return LARGEST[len(w.k) - 1](_around(x, w, -torch.inf), w.k, w.s, 0, w.d)


def average_pool(node: Node) -> T:
    x = node.at(0)
    w = window(node, x.shape[2:], node["kernel_shape"])
    ones = torch.ones_like(x)
    if node["count_include_pad"]:
        ones = TF.pad(ones, flat(w.before, w.behind), value=1.0)
        w0 = replace(w, before=(0,) * len(w.k), behind=(0,) * len(w.k))
        reach = _around(x, w, 0.0).shape[2:]
        cut = TF.pad(ones, flat([0] * len(w.k), [a - b for a, b in zip(reach, ones.shape[2:], strict=True)]))
        return _sums(_around(x, w, 0.0), w) / _sums(cut, w0)
    return _sums(_around(x, w, 0.0), w) / _sums(_around(ones, w, 0.0), w)


def lp_pool(node: Node) -> T:
    x, p = node.at(0), node["p"]
    w = window(node, x.shape[2:], node["kernel_shape"])
    return _sums(_around(x.abs() ** p, w, 0.0), w) ** (1 / p)


def batch_norm(node: Node) -> T:
    x, w, b, mean, var = node.inputs
    if node.get("training_mode", 0):
        return TF.batch_norm(x, None, None, w, b, True, 0.1, node["epsilon"])
    m, v, g, c = (a.reshape(-1, *[1] * (x.ndim - 2)) for a in (mean, var, w, b))
    return g * (x - m) / (v + node["epsilon"]).sqrt() + c


def pad(node: Node) -> T | None:
    x, pads = node.at(0), [int(v) for v in node.at(1)]
    axes = [int(k) % x.ndim for k in node.at(3)] if node.at(3) is not None else list(range(x.ndim))
    ways = {k: (pads[j], pads[j + len(axes)]) for j, k in enumerate(axes)}
    ends = [v for k in reversed(range(x.ndim)) for v in ways.get(k, (0, 0))]
    if node["mode"] == "constant":
        return TF.pad(x, ends, value=0.0 if node.at(2) is None else float(node.at(2)))
    return TF.pad(x, ends[: 2 * (x.ndim - 2)], MODES[node["mode"]])


def resize(node: Node) -> T | None:
    x, how = node.at(0), node["coordinate_transformation_mode"]
    nearest = node["mode"] == "nearest" and how == "asymmetric" and node["nearest_mode"] == "floor"
    linear = node["mode"] == "linear" and how in ("half_pixel", "align_corners") and not node["antialias"]
    if not (nearest or linear) or node.get("axes") or node.at(3) is None or x.ndim != 4:
        scales = node.at(2)
        if not (nearest or linear) or scales is None or not len(scales) or x.ndim != 4:
            return None
        to: dict[str, Any] = {"scale_factor": tuple(map(float, scales[2:]))}
        if linear and any((f * h) % 1 for f, h in zip(to["scale_factor"], x.shape[2:], strict=True)):
            return None
    else:
        to = {"size": tuple(map(int, node.at(3)[2:]))}
    return TF.interpolate(x, **to, mode="nearest" if nearest else "bilinear", align_corners=None if nearest else how == "align_corners")


def last_axes(x: T, axis: int) -> tuple[int, ...]:
    return tuple(x.shape[axis % x.ndim :])


PYTORCH: dict[str, Callable[[Node], Any]] = {
    "Conv": conv,
    "ConvTranspose": conv_transpose,
    "MaxPool": max_pool,
    "AveragePool": average_pool,
    "LpPool": lp_pool,
    "GlobalAveragePool": lambda node: node.at(0).mean(tuple(range(2, node.at(0).ndim)), keepdim=True),
    "GlobalMaxPool": lambda node: node.at(0).amax(tuple(range(2, node.at(0).ndim)), keepdim=True),
    "BatchNormalization": batch_norm,
    "InstanceNormalization": lambda node: TF.instance_norm(node.at(0), None, None, node.at(1), node.at(2), eps=node["epsilon"]),
    "GroupNormalization": lambda node: TF.group_norm(node.at(0), node["num_groups"], node.at(1), node.at(2), node["epsilon"]),
    "LayerNormalization": lambda node: TF.layer_norm(node.at(0), last_axes(node.at(0), node["axis"]), node.at(1), node.at(2), node["epsilon"]),
    "RMSNormalization": lambda node: TF.rms_norm(node.at(0), last_axes(node.at(0), node["axis"]), node.at(1), node["epsilon"]),
    "LRN": lambda node: TF.local_response_norm(node.at(0), node["size"], node["alpha"], node["beta"], node["bias"]),
    "Pad": pad,
    "Resize": resize,
    "DepthToSpace": lambda node: TF.pixel_shuffle(node.at(0), node["blocksize"]) if node["mode"] == "CRD" else None,
    "Softmax": lambda node: torch.softmax(node.at(0), node["axis"]),
    "LogSoftmax": lambda node: torch.log_softmax(node.at(0), node["axis"]),
    "PRelu": lambda node: torch.where(node.at(0) > 0, node.at(0), node.at(1) * node.at(0)),
    "Gelu": lambda node: TF.gelu(node.at(0), approximate=node["approximate"]),
    "Elu": lambda node: TF.elu(node.at(0), node["alpha"]),
    "Celu": lambda node: TF.celu(node.at(0), node["alpha"]),
    "Mish": lambda node: TF.mish(node.at(0)),
    "Gemm": lambda node: (
        (node.at(0).T if node["transA"] else node.at(0)) @ (node.at(1).T if node["transB"] else node.at(1)) * node["alpha"]
        + (0 if node.at(2) is None else node["beta"] * node.at(2))
    ),
    "MatMul": lambda node: node.at(0) @ node.at(1),
    "Einsum": lambda node: torch.einsum(node["equation"].replace(" ", ""), *node.inputs),
}
CASES = [case for case in cases() if case.node.op in PYTORCH]
MOST = 16384  # numbers of an input: what is larger takes the literal engine minutes
LEAST = 166  # cases that were compared when this was written
COUNT: Counter[str] = Counter()  # of cases compared, by operator


def gradients(case: Case) -> bool:
    """Whether the case was compared."""
    node = replace(case.node, outputs=case.node.outputs[:1])
    try:
        arrays = tensors(replace(case, node=node), np.float64)
    except Refused:
        return False
    if max(np.size(a) for a in arrays) > MOST:
        return False
    row = ROWS[node.op]
    moving = {k: torch.tensor(a, requires_grad=True) for k, a in enumerate(arrays) if a is not None and k not in row.host}
    theirs = PYTORCH[node.op](node.given([moving.get(k, a) for k, a in enumerate(arrays)]))
    if theirs is None:
        return False
    seed = np.random.default_rng(0).normal(size=tuple(theirs.shape))
    total = (theirs * torch.tensor(seed)).sum()
    wanted = torch.autograd.grad(total, list(moving.values()), allow_unused=True)
    loss = Total(lambda found, _: (found[0] * seed).sum() if seed.shape else found[0] * float(seed))
    for engine in ENGINES:
        value, found = cr.value_and_grad(holding(Alone(node, row, arrays), arrays, np.float64), loss)(X, X, engine=engine)
        np.testing.assert_allclose(value, total.item(), rtol=1e-10, atol=1e-10)
        for k, want in zip(moving, wanted, strict=True):
            if want is not None:
                size = max(1.0, float(want.abs().max()))
                np.testing.assert_allclose(found[f"x_{k}"], want.numpy(), rtol=1e-10, atol=1e-10 * size, err_msg=f"{engine}, input {k}")
    return True


class Alone(Held):
    """A node's first output."""

    def forward(self, x: Any) -> Any:
        return super().forward(x)[0]


@pytest.mark.parametrize("op", sorted(PYTORCH))
def test_gradients(op: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        done = 0
        for case in CASES:
            if case.node.op == op:
                try:
                    done += gradients(case)
                except Exception as e:
                    e.add_note(f"{case.name}: {case.node.attributes}")
                    raise
    assert done, "no case was compared"
    COUNT[op] = done


def test_how_many_gradients() -> None:
    """Run after the others."""
    print(f"\ngradients of ONNX's cases that are PyTorch's to 1e-10 on both engines: {COUNT.total()} of {len(CASES)}")
    if len(COUNT) == len(PYTORCH):
        assert COUNT.total() >= LEAST
