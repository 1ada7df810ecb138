"""Loss, gradients and updates of a network as one compiled program."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..engines.native.program import ELEMENTS, aligned
from ..engines.session import Machine, chunks_for, session
from ..nn.arguments import whole
from ..nn.graph import Call, Graph, backward, layer_calls, signature, to_spec, updates, whole_arrays
from ..nn.inputs import Input, kind_of
from ..nn.losses import Loss, as_loss
from ..nn.sequential import Sequential
from ..operation.arrays import cores
from ..operation.op import Op
from .check import LOSS, SEED, checked_order, checked_pair, classes_of, finite, formulas, named, same_type
from .optim import SGD


@dataclass(frozen=True)
class Built:
    """A program's formulas, the names of what goes in and out, the shape of one sample's prediction."""

    graph: Graph
    outputs: tuple[str, ...]
    update: dict[str, str]
    prediction: tuple[int, ...]
    calls: Sequence[Call]


def build(
    net: Sequential, loss: Loss, shape: tuple[int, ...], target: tuple[int, ...], wanted: Sequence[str], optimizer: SGD | None, transform: Op | None
) -> Built:
    """Formulas of a training step, or of loss and gradients where there is no optimiser."""
    g, calls, out = formulas(net, loss, shape, target, transform)
    grads = backward(g, calls, set(wanted))
    if optimizer is None:
        return Built(g, (LOSS, *(grads[w] for w in wanted)), {}, g.shapes[out], calls)
    update = updates(g, list(wanted), optimizer.momentum > 0)
    return Built(g, (LOSS, *update), update, g.shapes[out], calls)


def compiled(built: Built, net: Sequential, types: dict[str, str], batch: int, indexed: bool, momentum: bool) -> Machine:
    g, dtype = built.graph, net.dtype
    ports = [g.port("input", ELEMENTS[types["input"]], indexed), g.port("target", ELEMENTS[types["target"]], indexed)]
    ports += [g.port(k, ELEMENTS[str(dtype)]) for k in net.values]
    scalars = [SEED]
    if built.update:
        scalars += ["lr", "weight_decay", *(["momentum"] if momentum else [])]
        ports += [g.port(v, ELEMENTS[str(dtype)]) for v in built.update.values() if v not in net.values]
    for s in scalars:
        g.declare(s, (), False)
        ports.append(g.port(s, ELEMENTS[str(dtype)]))
    return session.machine(to_spec(g, ports, built.outputs, str(dtype), chunks_for(batch, dtype), built.update))


def value_and_grad(net: Sequential, loss: object) -> Callable[..., tuple[float, dict[str, np.ndarray]]]:
    """A function (x, t) -> (loss, {name: gradient}), for every parameter and "input".

    What goes in passes through the network's own transform, as in net(x).

    >>> from chainrule import nn
    >>> net = nn.Sequential(nn.Linear(4, 3)).init(seed=0)
    >>> e, grads = value_and_grad(net, nn.CrossEntropyLoss())(np.ones((2, 4), np.float32), np.array([0, 2]))
    >>> sorted(grads)
    ['0.bias', '0.weight', 'input']
    """
    which = as_loss(loss)
    runners: dict[object, tuple[Machine, Built]] = {}

    def evaluate(x: object, t: object, threads: int | None = None, transform: Op | None = None) -> tuple[float, dict[str, np.ndarray]]:
        a, b = checked_pair(net, which, x, t, transform)
        threads = None if threads is None else whole(threads, "threads")
        transform = net.transform_for(a.dtype, transform)
        wanted = [*net.values, *(["input"] if a.dtype.kind == "f" else [])]
        calls, _ = layer_calls(net.layers, {"input": a.ndim}, transform)
        key = (a.shape, b.shape, str(a.dtype), str(b.dtype), net.dtype, signature(calls))
        if key not in runners:
            built = build(net, which, a.shape, b.shape, wanted, None, transform)
            code = compiled(built, net, {"input": str(a.dtype), "target": str(b.dtype)}, len(a), False, False)
            runners.setdefault(key, (code, built))
        runner, built = runners[key]
        whole_arrays(built.graph, built.calls, {"input": a, "target": b})
        classes_of(which, b, built.prediction)
        outputs = {name: aligned(built.graph.full(name), net.dtype) for name in built.outputs}
        one = np.ones((), net.dtype)
        runner.run(net.values | {"input": a, "target": b, SEED: one} | outputs, len(a), threads=threads or (cores() if len(a) > 32 else 1))
        grads = {w: outputs[name] for w, name in zip(wanted, built.outputs[1:], strict=True)}
        return float(outputs[LOSS]), grads

    return evaluate


class TrainStep:
    """Training steps over a data set, as many at a time as asked for; the network's parameters change in place.

    x, t: inputs in the network's number type, or whole numbers, and targets, samples first. transform: an operation in
    front of the network, instead of its own; the first step records it, with the kind and shape of the inputs (`net.input`).
    Errors: ShapeError, ElementTypeError and NumericsError for data that network and loss do not take.
    """

    def __init__(
        self,
        net: Sequential,
        loss: object,
        optimizer: SGD,
        x: object,
        t: object,
        batch: int,
        transform: Op | None = None,
        threads: int | None = None,
    ):
        self.net, self.dtype, self.loss = net, net.dtype, as_loss(loss)
        self.optimizer = named(optimizer, SGD, "optimizer", "optim.SGD(lr=…)")
        self.threads = cores() if threads is None else whole(threads, "threads")
        self.x, self.t = checked_pair(net, self.loss, x, t, transform)
        finite(self.x, "input")
        finite(self.t, "target")
        self.batch = min(whole(batch, "batch"), len(self.x))
        self.transform = net.transform_for(self.x.dtype, transform)
        self.velocity = {f"{k}.momentum": aligned(v.shape, net.dtype) for k, v in net.values.items()} if self.optimizer.momentum > 0 else {}
        self.scalars = {SEED: np.ones((), net.dtype), LOSS: np.zeros((), net.dtype)}
        for name in ("lr", "momentum", "weight_decay"):
            self.scalars[name] = np.array(getattr(self.optimizer, name), net.dtype)
        self.runners: dict[int, Machine] = {}
        self.free = True
        self.runner(self.batch)

    def record(self) -> None:
        """Let the network know what it is trained on."""
        known = self.net.input
        if self.transform is not None or known is None or known.transform is None:
            self.net.input = Input(self.transform, kind_of(self.x.dtype), self.x.shape[1:])

    def runner(self, count: int) -> Machine:
        """The program for batches of `count` (one serves all where the number of samples is free)."""
        key = self.batch if self.free else count
        if key not in self.runners:
            built = build(
                self.net, self.loss, (count, *self.x.shape[1:]), (count, *self.t.shape[1:]), list(self.net.values), self.optimizer, self.transform
            )
            self.free = built.graph.free
            key = self.batch if self.free else count
            code = compiled(
                built, self.net, {"input": str(self.x.dtype), "target": str(self.t.dtype)}, self.batch, self.free, self.optimizer.momentum > 0
            )
            self.runners[key] = code
            self.targets = built.update
            whole_arrays(built.graph, built.calls, {"input": self.x, "target": self.t})
            self.classes = classes_of(self.loss, self.t, built.prediction)
        return self.runners[key]

    def arrays(self) -> dict[str, np.ndarray]:
        same_type(self.net, self.dtype)
        state = self.net.values | self.velocity
        new = {a: state[b] for a, b in self.targets.items()}
        return state | new | self.scalars

    def run(self, order: object) -> np.ndarray:
        """One step for each batch of samples in this order; the losses, before each update.

        Ctrl-C ends it after the step in progress: the parameters and momenta are those of a whole number of steps.
        """
        order = checked_order(order, len(self.x))
        if not len(order):
            return np.zeros(0, self.dtype)
        self.record()
        if self.free:
            ready = self.arrays() | {"input": self.x, "target": self.t}
            return self.runner(self.batch).run(ready, len(order), threads=self.threads, batch=self.batch, order=order, watch=LOSS, whole=True)
        losses = []
        for k in range(0, len(order), self.batch):
            rows = order[k : k + self.batch]
            runner = self.runner(len(rows))
            ready = self.arrays() | {"input": np.ascontiguousarray(self.x[rows]), "target": np.ascontiguousarray(self.t[rows])}
            losses.append(runner.run(ready, 1, threads=self.threads, watch=LOSS, whole=True))
        return np.concatenate(losses)
