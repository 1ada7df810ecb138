"""What a network is trained on, checked whole before the first step: types, shapes, numbers, classes."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ArgumentError, ElementTypeError, NumericsError, ShapeError
from ..nn.graph import Call, Graph, forward, layer_calls, ready_for_lanes, whole_arrays
from ..nn.inputs import prepared
from ..nn.losses import Loss
from ..nn.sequential import Sequential
from ..operation.arrays import to_array
from ..operation.op import Op

LOSS, SEED = "loss", "loss.grad"


def formulas(net: Sequential, loss: Loss, shape: tuple[int, ...], target: tuple[int, ...], transform: Op | None) -> tuple[Graph, list[Call], str]:
    """The forward formulas of network and loss for inputs and targets of these full shapes; the prediction's name."""
    calls, out = layer_calls(net.layers, {"input": len(shape)}, transform)
    prediction, expected = loss.op.inputs
    op = loss.op.at({prediction: len(calls[-1].op.definition.outputs[0].axes), expected: len(target)})
    d = op.definition
    calls.append(Call(op, {prediction: out, expected: "target", d.outputs[0].name: LOSS}, {}, "loss"))
    g = Graph(shape[0], ready_for_lanes(calls))
    g.declare("input", shape, True)
    g.declare("target", target, True)
    for name, a in net.values.items():
        g.declare(name, a.shape, False)
    forward(g, calls)
    return g, calls, out


def pair(value: object, name: str) -> tuple[object, object]:
    """Inputs and targets."""
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise ArgumentError(f"{name}={type(value).__name__}: not inputs and targets; accepted: a pair (inputs, targets)")
    return value[0], value[1]


def checked_pair(net: Sequential, loss: Loss, x: object, t: object, transform: Op | None, at: str = "") -> tuple[np.ndarray, np.ndarray]:
    """Inputs and targets as network and loss read them, as many of one as of the other; `at` is put before their names."""
    one, other = f"{at}input", f"{at}target"
    a, b = net.taken_in(x, transform, one), prepared(to_array(loss.targets(t, other), other), other, net.dtype, "whole numbers")
    if a.ndim < 2 or b.ndim < 1 or len(a) != len(b) or 0 in a.shape or 0 in b.shape:
        raise ShapeError(
            f"{one} with shape {a.shape} and {other} with shape {b.shape}: not pairs; accepted: samples first, as many inputs as targets, at least one"
        )
    return a, b


def finite(x: np.ndarray, name: str) -> None:
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        first = tuple(int(k) for k in np.argwhere(~np.isfinite(x))[0])
        raise NumericsError(f"{name}{list(first)} = {x[first]}: cannot be trained on; accepted: finite numbers")


def classes_of(loss: Loss, t: np.ndarray, prediction: tuple[int, ...], at: str = "") -> int | None:
    """How many classes there are; None where targets are no class numbers.

    Class numbers are whole numbers of one axis, for a loss of classes, with one output for each. One that the network
    does not have is an error.
    """
    if t.ndim != 1 or t.dtype.kind not in "iu" or len(prediction) != 1 or not loss.of_classes:
        return None
    (count,) = prediction
    if t.min() < 0 or t.max() >= count:
        wrong = int(t.max() if t.max() >= count else t.min())
        raise ShapeError(f"{at}target {wrong}: the network has {count} outputs; accepted: class numbers 0 to {count - 1}")
    return count


def taken(net: Sequential, loss: Loss, x: np.ndarray, t: np.ndarray, transform: Op | None, batch: int, at: str = "") -> int | None:
    """Prove that network and loss take these arrays in such batches; the number of classes, if there are any."""
    full, rest = min(batch, len(x)), len(x) % batch
    try:
        g, calls, out = formulas(net, loss, (full, *x.shape[1:]), (full, *t.shape[1:]), transform)
        if rest and not g.free:
            formulas(net, loss, (rest, *x.shape[1:]), (rest, *t.shape[1:]), transform)
    except ShapeError as e:
        raise ShapeError(f"{at}{e}") from None
    whole_arrays(g, calls, {"input": x, "target": t}, at)
    return classes_of(loss, t, g.shapes[out], at)


def checked_order(order: object, count: int) -> np.ndarray:
    """Numbers of samples, of which there are `count`."""
    a = to_array(order, "order")
    if a.ndim != 1 or (a.size and a.dtype.kind not in "iu"):
        raise ArgumentError(f"order with shape {a.shape} and dtype {a.dtype}: not numbers of samples; accepted: whole numbers in a row")
    wrong = np.flatnonzero((a < 0) | (a >= count))
    if wrong.size:
        raise ArgumentError(f"order[{wrong[0]}] = {a[wrong[0]]}: there is no such sample; accepted: 0 to {count - 1}")
    return np.ascontiguousarray(a, np.int64)


def same_type(net: Sequential, dtype: np.dtype) -> None:
    if net.dtype != dtype:
        raise ElementTypeError(f"network of {net.dtype}: it was {dtype} when these steps were made; accepted: {dtype}, or a new TrainStep")


def named(value: Any, kind: type, name: str, accepted: str) -> Any:
    if not isinstance(value, kind):
        raise ArgumentError(f"{name}={value!r:.80}: not usable; accepted: {accepted}")
    return value
