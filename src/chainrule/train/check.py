"""What a network is trained on, checked whole before the first step: types, shapes, numbers, classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import ArgumentError, ElementTypeError, NumericsError, ShapeError
from ..nn.graph import Graph, declared_whole, whole_arrays
from ..nn.inference import read_type, type_of
from ..nn.inputs import kind_of, prepared, whole_floats
from ..nn.losses import of_classes
from ..nn.module import Module
from ..nn.network import Network, numbered
from ..operation.arrays import to_array


@dataclass(frozen=True)
class Data:
    """Inputs and targets by name, as many samples of each."""

    inputs: dict[str, np.ndarray]
    targets: dict[str, np.ndarray]

    @property
    def all(self) -> dict[str, np.ndarray]:
        return {**self.inputs, **self.targets}

    def __len__(self) -> int:
        return len(next(iter(self.inputs.values())))

    def part(self, rows: Any) -> Data:
        return Data({k: a[rows] for k, a in self.inputs.items()}, {k: a[rows] for k, a in self.targets.items()})

    def kinds(self) -> tuple[object, ...]:
        return tuple([(k, a.shape, a.dtype) for k, a in self.all.items()])

    def shapes(self, samples: int) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:
        """Shapes of inputs and of targets for so many samples."""
        return [(samples, *a.shape[1:]) for a in self.inputs.values()], [(samples, *a.shape[1:]) for a in self.targets.values()]


def pair(value: object, name: str) -> tuple[object, object]:
    """Inputs and targets."""
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise ArgumentError(f"{name}={type(value).__name__}: not inputs and targets; accepted: a pair (inputs, targets)")
    return value[0], value[1]


def several(value: object) -> tuple[object, ...]:
    """A tuple of arrays stands for several inputs or targets; anything else is one."""
    if isinstance(value, tuple) and any(
        hasattr(v, "__array__") or hasattr(v, "__dlpack__") for v in value if np.ndim(v) or not isinstance(v, np.generic)
    ):  # type: ignore[arg-type]  # whatever it is
        return value
    return (value,)


def data_of(x: object, t: object, at: str = "") -> Data:
    """Arrays from inputs and targets, as many samples of one as of the others; `at` is put before their names."""
    xs, ts = several(x), several(t)
    inputs = {name: to_array(v, f"{at}{name}") for name, v in zip(numbered("input", len(xs)), xs, strict=True)}
    targets = {name: to_array(v, f"{at}{name}") for name, v in zip(numbered("target", len(ts)), ts, strict=True)}
    rows = list((inputs | targets).items())
    if any(a.ndim < 1 or 0 in a.shape or len(a) != len(rows[0][1]) for _, a in rows):
        shown = " and ".join(f"{at}{name} with shape {a.shape}" for name, a in rows)
        raise ShapeError(f"{shown}: not pairs; accepted: samples first, as many inputs as targets, at least one")
    return Data(inputs, targets)


def as_trained(net: Module, network: Network, data: Data, at: str = "") -> Data:
    """The data in the types that programs read."""
    dtype = type_of(net, list(data.inputs.values()))

    def one(name: str, a: np.ndarray, others: str) -> np.ndarray:
        if declared_whole(network.calls, name):
            return whole_floats(a, f"{at}{name}")
        return prepared(a, f"{at}{name}", dtype, others)

    inputs = {k: prepared(one(k, a, "uint8"), f"{at}{k}", dtype) for k, a in data.inputs.items()}
    targets = {k: prepared(one(k, a, "whole numbers"), f"{at}{k}", dtype, "whole numbers") for k, a in data.targets.items()}
    return Data(inputs, targets)


def within(network: Network, g: Graph, data: Data, at: str = "") -> Data:
    """The data, with what operations say of whole numbers proven."""
    out = whole_arrays(g, data.all, at)
    return Data({k: out[k] for k in data.inputs}, {k: out[k] for k in data.targets})


def types(network: Network, data: Data, dtype: np.dtype) -> dict[str, np.dtype]:
    return {k: read_type(network, k, a, dtype) for k, a in data.all.items()}


def finite(x: np.ndarray, name: str) -> None:
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        first = tuple(int(k) for k in np.argwhere(~np.isfinite(x))[0])
        raise NumericsError(f"{name}{list(first)} = {x[first]}: cannot be trained on; accepted: finite numbers")


def all_finite(data: Data, at: str = "") -> None:
    for name, a in data.all.items():
        finite(a, f"{at}{name}")


def classes_of(network: Network, data: Data, at: str = "") -> int | None:
    """How many classes there are; None where targets are no class numbers.

    Class numbers are whole numbers of one axis, for a loss of classes, with one output for each. One that the network
    does not have is an error.
    """
    if len(data.targets) != 1 or len(network.outputs) != 1:
        return None
    ((name, t),) = data.targets.items()
    prediction = network.shapes[network.outputs[0]][1:]
    if t.ndim != 1 or t.dtype.kind not in "iu" or len(prediction) != 1 or not of_classes(network.calls, network.outputs[0], name):
        return None
    (count,) = prediction
    if t.min() < 0 or t.max() >= count:
        wrong = int(t.max() if t.max() >= count else t.min())
        raise ShapeError(f"{at}{name} {wrong}: the network has {count} outputs; accepted: class numbers 0 to {count - 1}")
    return count


def alike(data: Data, train: Data, at: str) -> None:
    """Refuse data that is not like what is trained on."""
    if data.all.keys() != train.all.keys():
        raise ArgumentError(f"{at}data: {', '.join(data.all)}, but train has {', '.join(train.all)}; accepted: as many inputs and targets")
    for name, a in data.all.items():
        b = train.all[name]
        if a.shape[1:] != b.shape[1:]:
            raise ShapeError(f"{at}{name} with shape {a.shape}: not like train's {b.shape}; accepted: the same axes after the samples")


def alike_kinds(data: Data, train: Data, at: str) -> None:
    for name, a in data.all.items():
        b = train.all[name]
        if kind_of(a.dtype) != kind_of(b.dtype):
            raise ElementTypeError(f"{at}{name} with dtype {a.dtype}: train's is {b.dtype}; accepted: floats for both, or whole numbers for both")


def checked_order(order: object, count: int) -> np.ndarray:
    """Numbers of samples, of which there are `count`."""
    a = to_array(order, "order")
    if a.ndim != 1 or (a.size and a.dtype.kind not in "iu"):
        raise ArgumentError(f"order with shape {a.shape} and dtype {a.dtype}: not numbers of samples; accepted: whole numbers in a row")
    wrong = np.flatnonzero((a < 0) | (a >= count))
    if wrong.size:
        raise ArgumentError(f"order[{wrong[0]}] = {a[wrong[0]]}: there is no such sample; accepted: 0 to {count - 1}")
    return np.ascontiguousarray(a, np.int64)


def same_type(net: Module, dtype: np.dtype) -> None:
    if net._all_states() and net.dtype != dtype:
        raise ElementTypeError(f"network of {net.dtype}: it was {dtype} when these steps were made; accepted: {dtype}, or a new TrainStep")


def named(value: Any, kind: type, name: str, accepted: str) -> Any:
    if not isinstance(value, kind):
        raise ArgumentError(f"{name}={value!r:.80}: not usable; accepted: {accepted}")
    return value


def flat(data: Sequence[object], count: int) -> tuple[object, object]:
    """(inputs, targets) from arguments: two, or all of them in a row, of which `count` are inputs."""
    if len(data) == 2:
        return data[0], data[1]
    if len(data) <= count:
        raise ArgumentError(f"{len(data)} arrays: inputs and targets are asked for; accepted: (inputs, targets), each an array or a tuple of arrays")
    return tuple(data[:count]), tuple(data[count:])
