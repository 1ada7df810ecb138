"""Measuring: the loss and the accuracy of the inference form on data."""

from __future__ import annotations

import numpy as np

from ..engines.native.buffers import aligned
from ..engines.processors import threads_asked
from ..nn.arguments import whole
from ..nn.compiled import Runs, runner
from ..nn.graph import Graph
from ..nn.inference import type_of
from ..nn.losses import Total, as_loss
from ..nn.module import Module, as_module
from ..nn.network import LOSS, Network, own_arrays, own_types, written
from ..operation.op import Op
from .check import Data, alike, alike_kinds, all_finite, as_trained, classes_of, data_of, pair, types, within
from .step import own_transform

TEST_BATCH = 2000  # samples that are measured at a time


class Evaluation:
    """A network's loss on data, ready to be measured again and again. Everything about the data is checked when it is made.

    at: put before the names of arrays in messages. train: data that this must be like.
    """

    def __init__(
        self,
        net: Module,
        loss: Total,
        x: object,
        t: object,
        transform: Op | None = None,
        threads: int | None = None,
        at: str = "",
        train: Data | None = None,
        engine: str = "native",
        batch: int = TEST_BATCH,
    ):
        self.net, self.loss, self.at, self.engine = net, loss, at, engine
        self.threads = threads_asked(threads)
        data = data_of(x, t, at)
        if train is not None:
            alike(data, train, at)
        self.transform = own_transform(net, data, transform)
        self.dtype = type_of(net, list(data.inputs.values()))
        self.batch = min(batch, len(data))
        self.programs: dict[int, tuple[Network, Graph, Runs]] = {}
        network, g = self._written(self.batch, data)
        data = as_trained(net, network, data, at)
        if train is not None:
            alike_kinds(data, train, at)
        all_finite(data, at)
        self.data = within(network, g, data, at)
        self.classes = classes_of(network, self.data, at)
        if len(data) % self.batch:
            self._written(len(data) % self.batch, data)

    def _written(self, count: int, data: Data) -> tuple[Network, Graph]:
        inputs, targets = data.shapes(count)
        network = written(self.net, inputs, False, self.transform, self.loss, targets, dtype=self.dtype)
        return network, network.graph([LOSS, *network.outputs])

    def _program(self, count: int) -> tuple[Network, Graph, Runs]:
        found = self.programs.get(count)
        if found is None or not found[0].fresh():
            network, g = self._written(count, self.data)
            ports = types(network, self.data, self.dtype) | own_types(network, g, self.dtype)
            found = self.programs[count] = network, g, runner(g, ports, (LOSS, *network.outputs), self.dtype, count, engine=self.engine)
        return found

    def run(self) -> tuple[float, float | None]:
        """The loss, in batches weighted by their samples, and the accuracy where targets are class numbers."""
        total, right = 0.0, 0
        for k in range(0, len(self.data), self.batch):
            part = self.data.part(slice(k, k + self.batch))
            loss, outputs = self._measured(part)
            total += loss * len(part)
            if self.classes is not None:
                (t,) = part.targets.values()
                right += int((outputs[0].argmax(axis=1) == t).sum())
        return total / len(self.data), right / len(self.data) if self.classes is not None else None

    def _measured(self, part: Data) -> tuple[float, list[np.ndarray]]:
        n = len(part)
        network, g, runs = self._program(n)
        out = {name: aligned(g.shapes[name], self.dtype) for name in (LOSS, *network.outputs)}
        values = own_arrays(network, g, self.dtype)
        given = {k: np.require(a, requirements=["C", "A"]) for k, a in part.all.items()}
        runs.run({**values, **given, **out}, n if g.free else 1, threads=self.threads)
        return float(out[LOSS]), [out[k] for k in network.outputs]


def evaluate(
    net: Module,
    loss: object,
    data: tuple[object, object],
    batch_size: int = TEST_BATCH,
    threads: int | None = None,
    transform: Op | None = None,
    engine: str = "native",
) -> tuple[float, float | None]:
    """(loss, accuracy) of the inference form on (inputs, targets); the accuracy is None where targets are no class numbers.

    Errors: those of fit for data that network and loss do not take.
    """
    x, t = pair(data, "data")
    return Evaluation(as_module(net), as_loss(loss), x, t, transform, threads, engine=engine, batch=whole(batch_size, "batch_size")).run()


def accuracy(net: Module, x: np.ndarray, t: np.ndarray, transform: Op | None = None, threads: int | None = None, batch: int = TEST_BATCH) -> float:
    """The share of samples whose largest output is their class."""
    right = 0
    for k in range(0, len(x), batch):
        y = net(x[k : k + batch], transform=transform, threads=threads)
        right += int((y.argmax(axis=1) == t[k : k + batch]).sum())
    return right / len(x)
