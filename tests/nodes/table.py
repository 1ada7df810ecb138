"""Which name of chainrule computes an operator of ONNX, and how its attributes become arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np

import chainrule as cr
from chainrule.nn import functional as F

from . import attention, formulas, recurrent, shapes, windows
from .formulas import along
from .node import Node, Refused


@dataclass(frozen=True)
class Row:
    """function: of a node whose inputs are tensors, but those at `host`, which are NumPy arrays of shapes, places or settings.
    cells: the modules that it calls."""

    function: Callable[[Node], Any]
    host: tuple[int, ...] = ()
    cells: Callable[[Node], list[Any]] = lambda node: []


def named(function: Callable[..., Any], inputs: int = 1, /, **attributes: str) -> Row:
    """A function of the first inputs and of attributes: our argument = ONNX's."""
    return Row(lambda node: function(*(node.at(k) for k in range(inputs)), **{ours: node[theirs] for ours, theirs in attributes.items()}))


def both(function: Callable[[Any, Any], Any]) -> Row:
    return Row(lambda node: reduce(function, node.inputs))


def formula(text: str, **attributes: str) -> Row:
    op = cr.op(text)
    return named(lambda x, **given: op(x, **given), **attributes)


# Norms -------------------------------------------------------------------------------------------------------------------


follows = cr.op("follows(a[C], m[C]; f=0.5) -> y[C]\n    y[c] = (1 - f) * a[c] + f * m[c]")


def batch_norm(node: Node) -> Any:
    x, w, b, mean, var = node.inputs
    if not node.get("training_mode", 0):
        return F.batch_norm(x, mean, var, w, b, eps=node["epsilon"])
    axes, part = (0, *range(2, x.ndim)), 1 - node["momentum"]
    m = x.mean(axes, keepdims=True)
    v = ((x - m) ** 2).mean(axes)
    y = F.batch_norm(x, mean, var, w, b, True, part, node["epsilon"])
    return y, follows(mean, m.reshape(-1), f=part), follows(var, v, f=part)


def layer_norm(node: Node) -> Any:
    x = node.at(0)
    axis = node["axis"] % x.ndim
    y = F.layer_norm(x, x.shape[axis:], node.at(1), node.at(2), node["epsilon"])
    axes = tuple(range(axis, x.ndim))
    m = x.mean(axes, keepdims=True)
    return y, m, 1 / F.sqrt(((x - m) ** 2).mean(axes, keepdims=True) + node["epsilon"])


def mean_variance(node: Node) -> Any:
    x = node.at(0)
    axes = tuple(node["axes"])
    m = x.mean(axes, keepdims=True)
    return (x - m) / F.sqrt(((x - m) ** 2).mean(axes, keepdims=True))


def lp_normalization(node: Node) -> Any:
    return along("l1" if node["p"] == 1 else "l2", node.at(0), node["axis"])


# Reductions ----------------------------------------------------------------------------------------------------------------


def axes_of(node: Node) -> tuple[int, ...] | None:
    """The axes that are reduced; None for none at all."""
    given = node.at(1) if node.at(1) is not None else node.get("axes")
    rank = node.at(0).ndim
    if given is None or not len(given):
        return None if node.get("noop_with_empty_axes", 0) else tuple(range(rank))
    return tuple(int(k) % rank for k in given)


def reduction(function: Callable[[Any, tuple[int, ...]], Any], before: Callable[[Any], Any] = lambda x: x) -> Row:
    """function: a reduction that keeps the axes as ones."""

    def run(node: Node) -> Any:
        x, axes = before(node.at(0)), axes_of(node)
        if axes is None:
            return x
        y = function(x, axes)
        return y if node["keepdims"] else y.reshape(tuple(s for k, s in enumerate(x.shape) if k not in axes))

    return Row(run, (1,))


def method(kind: str) -> Callable[[Any, tuple[int, ...]], Any]:
    return lambda x, axes: getattr(x, kind)(axes, keepdims=True)


def place(kind: str) -> Row:
    def run(node: Node) -> Any:
        x = node.at(0)
        axis = node["axis"] % x.ndim
        y = along(("last_" if node.get("select_last_index", 0) else "") + kind, x, axis)
        return y if node["keepdims"] else y.reshape(tuple(s for k, s in enumerate(x.shape) if k != axis))

    return Row(run)


def running(kind: str) -> Row:
    def run(node: Node) -> Any:
        return along(kind + "_back" * node["reverse"], node.at(0), int(node.at(1)), e=node["exclusive"])

    return Row(run, (1,))


def trilu(node: Node) -> Any:
    x = node.at(0)
    k = 0 if node.at(1) is None else int(node.at(1))
    y = cr.op(formulas.ALONG["triu" if node["upper"] else "tril"])(x.reshape(-1, *x.shape[-2:]), k=k)
    return y.reshape(x.shape)


# Products, losses, what is drawn -------------------------------------------------------------------------------------------


def gemm(node: Node) -> Any:
    a, b, c = node.at(0), node.at(1), node.at(2)
    a, b = (x.transpose(1, 0) if node[t] else x for x, t in ((a, "transA"), (b, "transB")))
    y = F.linear(a, b.transpose(1, 0)) * node["alpha"]
    return y if c is None else y + c * node["beta"]


def nll(node: Node) -> Any:
    return F.nll_loss(*_classes(node), reduction=node["reduction"])


def cross_entropy(node: Node) -> Any:
    loss = F.cross_entropy(*_classes(node), reduction=node["reduction"])
    return (loss, F.log_softmax(node.at(0), 1)) if node.wants(1) else loss


def _classes(node: Node) -> tuple[Any, Any, Any, int]:
    return node.at(0), node.at(1), node.at(2), node.get("ignore_index", -100)


def dropout(node: Node) -> Any:
    training = node.at(2) is not None and bool(node.at(2))
    y = F.dropout(node.at(0), float(node.at(1)) if node.at(1) is not None else 0.5, training)
    if (training and node.at(1) is None) or (training and float(node.at(1))):
        raise Refused("drawn")
    return y, y == y  # nothing is dropped


def softmax(function: Callable[..., Any]) -> Row:
    return Row(lambda node: function(node.at(0), node["axis"]))


def prelu(node: Node) -> Any:
    x, slope = node.at(0), node.at(1)
    return F.prelu(x, slope) if slope.ndim < 2 and slope.shape == x.shape[1:2] else F.where(x > 0, x, slope * x)


def clip(node: Node) -> Any:
    y = node.at(0)
    y = y if node.at(1) is None else F.maximum(y, node.at(1))
    return y if node.at(2) is None else F.minimum(y, node.at(2))


ROWS: Mapping[str, Row] = {
    # windows
    "Conv": Row(windows.conv),
    "ConvTranspose": Row(windows.conv_transpose),
    "MaxPool": Row(windows.max_pool),
    "AveragePool": Row(windows.average_pool),
    "LpPool": Row(windows.lp_pool),
    "GlobalAveragePool": Row(lambda node: windows.MEANS[node.at(0).ndim - 3](node.at(0), 1)),
    "GlobalMaxPool": Row(lambda node: windows.LARGEST[node.at(0).ndim - 3](node.at(0), 1)),
    # norms
    "BatchNormalization": Row(batch_norm),
    "InstanceNormalization": Row(lambda node: F.instance_norm(node.at(0), None, None, node.at(1), node.at(2), eps=node["epsilon"])),
    "LayerNormalization": Row(layer_norm),
    "GroupNormalization": Row(lambda node: F.group_norm(node.at(0), node["num_groups"], node.at(1), node.at(2), node["epsilon"])),
    "RMSNormalization": Row(lambda node: F.rms_norm(node.at(0), node.at(0).shape[node["axis"] :], node.at(1), node["epsilon"])),
    "LpNormalization": Row(lp_normalization),
    "MeanVarianceNormalization": Row(mean_variance),
    "LRN": named(F.local_response_norm, size="size", alpha="alpha", beta="beta", k="bias"),
    "Dropout": Row(dropout, (1, 2)),
    # products
    "Gemm": Row(gemm),
    "MatMul": Row(lambda node: node.at(0) @ node.at(1)),
    "Einsum": Row(lambda node: formulas.einsum(node["equation"], *node.inputs)),
    "Gather": Row(shapes.gather, (1,)),
    # activations
    "Softmax": softmax(F.softmax),
    "LogSoftmax": softmax(F.log_softmax),
    "Hardmax": Row(lambda node: along("hardmax", node.at(0), node["axis"])),
    "Relu": named(F.relu),
    "LeakyRelu": named(F.leaky_relu, negative_slope="alpha"),
    "PRelu": Row(prelu),
    "Elu": named(F.elu, alpha="alpha"),
    "Selu": named(cr.ops.selu, alpha="alpha", scale="gamma"),
    "Celu": named(F.celu, alpha="alpha"),
    "Gelu": named(F.gelu, approximate="approximate"),
    "Swish": formula(formulas.SWISH, alpha="alpha"),
    "Mish": named(F.mish),
    "Softplus": named(F.softplus),
    "Softsign": named(F.softsign),
    "HardSigmoid": formula(formulas.HARD_SIGMOID, alpha="alpha", beta="beta"),
    "HardSwish": named(F.hardswish),
    "Sigmoid": named(F.sigmoid),
    "Tanh": named(F.tanh),
    "ThresholdedRelu": Row(lambda node: F.threshold(node.at(0), node["alpha"], 0.0)),
    "Shrink": formula(formulas.SHRINK, bias="bias", bound="lambd"),
    "Clip": Row(clip),
    # losses
    "NegativeLogLikelihoodLoss": Row(nll, (1,)),
    "SoftmaxCrossEntropyLoss": Row(cross_entropy, (1,)),
    # places
    "Pad": Row(shapes.pad, (1, 2, 3)),
    "Upsample": Row(shapes.upsample, (1,)),
    "Resize": Row(shapes.resize, (1, 2, 3)),
    "DepthToSpace": Row(shapes.depth_to_space),
    "SpaceToDepth": Row(shapes.space_to_depth),
    "Flatten": Row(shapes.flatten),
    "Reshape": Row(shapes.reshape, (1,)),
    "Squeeze": Row(shapes.squeeze, (1,)),
    "Unsqueeze": Row(shapes.unsqueeze, (1,)),
    "Identity": named(lambda x: x + 0.0),
    "Transpose": Row(lambda node: shapes.transpose(node.at(0), node.get("perm"))),
    "Concat": Row(lambda node: F.cat(list(node.inputs), node["axis"])),
    "Split": Row(shapes.split, (1,)),
    "Slice": Row(shapes.cut, (1, 2, 3, 4)),
    "Expand": Row(lambda node: node.at(0) + np.zeros(tuple(map(int, node.at(1)))), (1,)),
    # sequences
    "RNN": Row(recurrent.rnn, (1, 2, 3, 4), recurrent.cells),
    "GRU": Row(recurrent.gru, (1, 2, 3, 4), recurrent.cells),
    "LSTM": Row(recurrent.lstm, (1, 2, 3, 4, 7), recurrent.cells),
    "Attention": Row(attention.attention, (3, 6)),
    # functions of each element
    **{op: named(formulas.each(expr)) for op, expr in formulas.EACH.items()},
    "Abs": named(F.abs),
    "Cos": named(F.cos),
    "Erf": named(F.erf),
    "Exp": named(F.exp),
    "Log": named(F.log),
    "Sin": named(F.sin),
    "Sqrt": named(F.sqrt),
    # functions of several
    "Add": both(lambda a, b: a + b),
    "Sub": both(lambda a, b: a - b),
    "Mul": both(lambda a, b: a * b),
    "Div": both(lambda a, b: a / b),
    "Pow": both(lambda a, b: a**b),
    "Max": both(F.maximum),
    "Min": both(F.minimum),
    "Sum": both(lambda a, b: a + b),
    "Mean": Row(lambda node: reduce(lambda a, b: a + b, node.inputs) / len(node.inputs)),
    "Where": named(F.where, 3),
    "Equal": both(lambda a, b: a == b),
    "Less": both(lambda a, b: a < b),
    "LessOrEqual": both(lambda a, b: a <= b),
    "Greater": both(lambda a, b: a > b),
    "GreaterOrEqual": both(lambda a, b: a >= b),
    "And": both(lambda a, b: a * b),
    "Or": both(F.maximum),
    "Xor": both(lambda a, b: a != b),
    "Not": named(lambda x: x == 0),
    # reductions
    "ReduceSum": reduction(method("sum")),
    "ReduceMean": reduction(method("mean")),
    "ReduceMax": reduction(method("max")),
    "ReduceMin": reduction(method("min")),
    "ReduceProd": reduction(lambda x, axes: along("prod", x, axes)),
    "ReduceL1": reduction(method("sum"), F.abs),
    "ReduceL2": reduction(lambda x, axes: F.sqrt((x**2).sum(axes, keepdims=True))),
    "ReduceLogSum": reduction(lambda x, axes: F.log(x.sum(axes, keepdims=True))),
    "ReduceLogSumExp": reduction(lambda x, axes: along("log_sum_exp", x, axes)),
    "ReduceSumSquare": reduction(method("sum"), lambda x: x**2),
    "ArgMax": place("argmax"),
    "ArgMin": place("argmin"),
    "CumSum": running("cumsum"),
    "CumProd": running("cumprod"),
    "Trilu": Row(trilu, (1,)),
}
