"""Loss, gradients and updates of a network as one compiled program."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..engines.native.program import ELEMENTS, Code, Runner, aligned, compile_spec
from ..errors import ElementTypeError, ShapeError
from ..nn.graph import Call, Graph, backward, forward, layer_calls, ready_for_lanes, signature, to_spec, updates
from ..nn.losses import Loss, as_loss
from ..nn.sequential import Sequential
from ..ops.operation import Op, chunks_for, cores, to_array
from .optim import SGD

LOSS, SEED = "loss", "loss.grad"


@dataclass(frozen=True)
class Built:
    """A program's formulas and the names of what goes in and out."""

    graph: Graph
    outputs: tuple[str, ...]
    update: dict[str, str]


def build(
    net: Sequential, loss: Loss, shape: tuple[int, ...], target: tuple[int, ...], wanted: Sequence[str], optimizer: SGD | None, transform: Op | None
) -> Built:
    """Formulas of a training step, or of loss and gradients where there is no optimiser."""
    calls, out = layer_calls(net.layers, {"input": len(shape)}, transform)
    d = loss.op.definition
    prediction, expected = (t.name for t in d.inputs)
    calls.append(Call(loss.op, {prediction: out, expected: "target", d.outputs[0].name: LOSS}, {}, "loss"))
    g = Graph(shape[0], ready_for_lanes(calls))
    g.declare("input", shape, True)
    g.declare("target", target, True)
    for name, a in net.values.items():
        g.declare(name, a.shape, False)
    forward(g, calls)
    grads = backward(g, calls, set(wanted))
    if optimizer is None:
        return Built(g, (LOSS, *(grads[w] for w in wanted)), {})
    update = updates(g, list(wanted), optimizer.momentum > 0)
    return Built(g, (LOSS, *update), update)


def compiled(built: Built, net: Sequential, types: dict[str, str], batch: int, indexed: bool, momentum: bool) -> Code:
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
    return compile_spec(to_spec(g, ports, built.outputs, str(dtype), chunks_for(batch, dtype), built.update))


def prepared(a: np.ndarray, name: str, dtype: np.dtype, pixels: bool) -> np.ndarray:
    """An input or target as the program reads it; a wrong type is an error that says so."""
    if a.dtype.kind == "f" and a.dtype != dtype:
        raise ElementTypeError(f"{name} with dtype {a.dtype}: the network's parameters are {dtype}; accepted: {dtype} (or net.astype)")
    if a.dtype.kind == "b" or (a.dtype.kind in "iu" and str(a.dtype) not in ELEMENTS):
        a = a.astype(np.int64)
    if str(a.dtype) not in ELEMENTS:
        raise ElementTypeError(
            f"{name} with dtype {a.dtype}: not a type to compute with; accepted: {dtype}" + (" or uint8" if pixels else " or whole numbers")
        )
    return np.ascontiguousarray(a)


def checked_pair(x: object, t: object, dtype: np.dtype, classes: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and targets with as many of one as of the other."""
    a, b = prepared(to_array(x, "input"), "input", dtype, True), prepared(to_array(t, "target"), "target", dtype, False)
    if a.ndim < 2 or b.ndim < 1 or len(a) != len(b) or len(a) == 0:
        raise ShapeError(
            f"input with shape {a.shape} and target with shape {b.shape}: not pairs; accepted: samples first, as many inputs as targets, at least one"
        )
    if classes is not None and b.ndim == 1 and b.dtype.kind in "iu" and (b.min() < 0 or b.max() >= classes):
        raise ShapeError(f"target {int(b.max() if b.max() >= classes else b.min())}: no such class; accepted: 0 to {classes - 1}")
    return a, b


def value_and_grad(net: Sequential, loss: object) -> Callable[..., tuple[float, dict[str, np.ndarray]]]:
    """A function (x, t) -> (loss, {name: gradient}), for every parameter and "input".

    >>> from chainrule import nn
    >>> net = nn.Sequential(nn.Linear(4, 3)).init(seed=0)
    >>> e, grads = value_and_grad(net, nn.CrossEntropyLoss())(np.ones((2, 4), np.float32), np.array([0, 2]))
    >>> sorted(grads)
    ['0.bias', '0.weight', 'input']
    """
    which = as_loss(loss)
    runners: dict[object, tuple[Runner, Built]] = {}

    def evaluate(x: object, t: object, threads: int | None = None, transform: Op | None = None) -> tuple[float, dict[str, np.ndarray]]:
        a, b = checked_pair(x, t, net.dtype)
        wanted = [*net.values, *(["input"] if a.dtype.kind == "f" else [])]
        calls, _ = layer_calls(net.layers, {"input": a.ndim}, transform)
        key = (a.shape, b.shape, str(a.dtype), str(b.dtype), net.dtype, signature(calls))
        if key not in runners:
            built = build(net, which, a.shape, b.shape, wanted, None, transform)
            runners[key] = (Runner(compiled(built, net, {"input": str(a.dtype), "target": str(b.dtype)}, len(a), False, False)), built)
        runner, built = runners[key]
        outputs = {name: aligned(built.graph.full(name), net.dtype) for name in built.outputs}
        one = np.ones((), net.dtype)
        runner.run(net.values | {"input": a, "target": b, SEED: one} | outputs, len(a), threads=threads or (cores() if len(a) > 32 else 1))
        grads = {w: outputs[name] for w, name in zip(wanted, built.outputs[1:], strict=True)}
        return float(outputs[LOSS]), grads

    return evaluate


class TrainStep:
    """Training steps over a data set, as many at a time as asked for; the network's parameters change in place."""

    def __init__(
        self,
        net: Sequential,
        loss: object,
        optimizer: SGD,
        x: np.ndarray,
        t: np.ndarray,
        batch: int,
        transform: Op | None = None,
        threads: int | None = None,
    ):
        self.net, self.x, self.t, self.batch = net, x, t, batch
        self.threads = threads or cores()
        self.loss, self.optimizer, self.transform = as_loss(loss), optimizer, transform
        self.velocity = {f"{k}.momentum": aligned(v.shape, net.dtype) for k, v in net.values.items()} if optimizer.momentum > 0 else {}
        self.scalars = {SEED: np.ones((), net.dtype), LOSS: np.zeros((), net.dtype)}
        for name in ("lr", "momentum", "weight_decay"):
            self.scalars[name] = np.array(getattr(optimizer, name), net.dtype)
        self.runners: dict[int, Runner] = {}
        self.free = True
        self.runner(min(batch, len(x)))

    def runner(self, count: int) -> Runner:
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
            self.runners[key] = Runner(code)
            self.targets = built.update
        return self.runners[key]

    def arrays(self) -> dict[str, np.ndarray]:
        state = self.net.values | self.velocity
        new = {a: state[b] for a, b in self.targets.items()}
        return state | new | self.scalars

    def run(self, order: np.ndarray) -> np.ndarray:
        """One step for each batch of samples in this order; the losses, before each update."""
        order = np.ascontiguousarray(order, np.int64)
        if self.free:
            ready = self.arrays() | {"input": self.x, "target": self.t}
            return self.runner(self.batch).run(ready, len(order), threads=self.threads, batch=self.batch, order=order, watch=LOSS)
        losses = []
        for k in range(0, len(order), self.batch):
            rows = order[k : k + self.batch]
            runner = self.runner(len(rows))
            ready = self.arrays() | {"input": np.ascontiguousarray(self.x[rows]), "target": np.ascontiguousarray(self.t[rows])}
            losses.append(runner.run(ready, 1, threads=self.threads, watch=LOSS))
        return np.concatenate(losses)
