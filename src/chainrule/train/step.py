"""Loss, gradients and updates of a network as one compiled program."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..engines.native.buffers import aligned
from ..engines.processors import threads_asked
from ..engines.recent import Recent
from ..engines.session import session
from ..errors import ArgumentError
from ..nn.arguments import whole
from ..nn.compiled import Program, Runs, key_of
from ..nn.graph import signature
from ..nn.inference import type_of
from ..nn.inputs import Input, as_transform, kind_of
from ..nn.losses import as_loss
from ..nn.module import Module, as_module
from ..nn.network import LOSS, own_arrays, public
from ..operation.op import Op
from .bind import SEED, Built, build
from .check import Data, all_finite, as_trained, checked_order, classes_of, data_of, flat, named, same_type, types, within
from .optimizer import Optimizer
from .schedules import Told


def own_transform(net: Module, data: Data, given: Op | None) -> Op | None:
    """The operation in front of the network for this data."""
    first = next(iter(data.inputs.values()))
    own = net.input.transform_for(first.dtype) if net.input and len(data.inputs) == 1 else None
    return as_transform(given) or own


def inputs_of(net: Module) -> int:
    """How many inputs forward asks for."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    rows = inspect.signature(net.forward).parameters.values()
    return sum(p.kind in kinds and p.default is inspect.Parameter.empty for p in rows)


def as_augment(value: object) -> Module:
    """A module to put in front of the network in training."""
    m = as_module(value, "augment")
    found = next((name for name, _ in m.named_parameters()), None)
    if found is not None:
        raise ArgumentError(f"augment={type(m).__name__}: has the parameter {found}; accepted: a module without, or layers of the network itself")
    return m


def value_and_grad(net: Module, loss: object) -> Callable[..., tuple[float, dict[str, np.ndarray]]]:
    """A function (x, t) -> (loss, {name: gradient}), for every parameter and "input", in the training form; no state changes.

    loss: a loss of chainrule.nn, an operation of (prediction, target), a module or function of outputs and targets on symbols, or
    a tuple of losses, one for each output. A network of several inputs takes a tuple of them, and a loss of several targets
    likewise; their gradients are "input0", "input1", …
    What goes in passes through the network's own transform, as in net(x).

    >>> from chainrule import nn
    >>> net = nn.Sequential(nn.Linear(4, 3)).init(seed=0)
    >>> e, grads = value_and_grad(net, nn.CrossEntropyLoss())(np.ones((2, 4), np.float32), np.array([0, 2]))
    >>> sorted(grads)
    ['0.bias', '0.weight', 'input']
    """
    as_module(net)
    total = as_loss(loss)
    known: Recent[tuple[Runs, Built, np.dtype]] = session.recent()

    def evaluate(
        *arrays: object, threads: int | None = None, transform: Op | None = None, engine: str = "native"
    ) -> tuple[float, dict[str, np.ndarray]]:
        data = data_of(*flat(arrays, inputs_of(net)))
        threads = threads_asked(threads)
        own = own_transform(net, data, transform)
        dtype = type_of(net, list(data.inputs.values()))
        key = (data.kinds(), own, engine, key_of(dtype, len(data)))
        found = known.get(key)
        if found is None or not found[1].fresh():
            wanted = [k for k, a in data.inputs.items() if a.dtype.kind == "f"]
            for k in {*wanted} & {*net.values}:
                raise ArgumentError(f"{k!r}: is a parameter's name and stands for an input's gradient; accepted: another name for the parameter")
            built = build(net, total, *data.shapes(len(data)), wanted, None, own, dtype=dtype)
            as_trained(net, built.network, data)
            runs = built.runner(types(built.network, data, dtype), dtype, len(data), (), engine)
            found = known.put(key, (runs, built, dtype))
        runs, built, dtype = found
        data = within(built.network, built.graph, as_trained(net, built.network, data))
        classes_of(built.network, data)
        g, n = built.graph, len(data)
        outputs = {name: aligned(g.shapes[name], dtype) for name in built.outputs}
        given = own_arrays(built.network, g, dtype) | data.all
        runs.run({**given, SEED: np.ones((), dtype), **outputs}, n if g.free else 1, threads=threads)
        names = public(net)
        return float(outputs[LOSS]), {names.get(w, w): outputs[name] for w, name in built.wanted.items()}

    return evaluate


class TrainStep:
    """Training steps over a data set, as many at a time as asked for; parameters and states of the network change in place.

    x, t: inputs in the network's number type, or whole numbers, and targets, samples first; tuples of them where there are several.
    transform: an operation in front of the network, instead of its own; the first step records it, with the kind and shape of the
    inputs (`net.input`). engine: "native", or "reference" for the literal one. augment: a module without parameters that inputs go
    through first, before the transform, in training alone (nn.Sequential(nn.RandomCrop(padding=4), nn.RandomHorizontalFlip())).
    Errors: ShapeError, ElementTypeError and NumericsError for data that network and loss do not take.
    """

    def __init__(
        self,
        net: Module,
        loss: object,
        optimizer: Optimizer,
        x: object,
        t: object,
        batch: int,
        transform: Op | None = None,
        threads: int | None = None,
        engine: str = "native",
        augment: Module | None = None,
    ):
        self.net, self.loss, self.engine = as_module(net), as_loss(loss), engine
        self.optimizer: Optimizer = named(optimizer, Optimizer, "optimizer", "optim.SGD(lr=…)")
        self.threads = threads_asked(threads)
        self.data = data_of(x, t)
        self.dtype = type_of(net, list(self.data.inputs.values()))
        self.augment = None if augment is None else as_augment(augment).astype(self.dtype)
        self.batch = min(whole(batch, "batch"), len(self.data))
        self.transform = own_transform(net, self.data, transform)
        self.runners: dict[int, tuple[Runs, Built]] = {}
        self.sizes: dict[int, bool] = {}  # of batches: whether the program for `batch` serves them
        self.states: dict[str, np.ndarray] = {}  # what the optimiser carries from step to step
        self.told: dict[str, Told] = {}  # numbers of the optimiser that depend on what epochs measure
        self._begin()

    def _begin(self) -> None:
        """The program for full batches, and all that is known of the data with it."""
        built = self._built(self.batch)
        data = as_trained(self.net, built.network, self.data)
        all_finite(data)
        self.data = within(built.network, built.graph, data)
        self.classes = classes_of(built.network, self.data)
        self._carried(built)
        self.free, self.made_of = built.graph.free, signature(built.network.calls)
        self.sizes[self.batch] = True
        self._made(built, self.batch)

    def _built(self, count: int) -> Built:
        return build(self.net, self.loss, *self.data.shapes(count), None, self.optimizer, self.transform, self.augment, self.dtype)

    def _made(self, built: Built, count: int) -> None:
        read = types(built.network, self.data, self.dtype)
        self.runners[count] = built.runner(read, self.dtype, self.batch, tuple(read), self.engine), built

    def prepare(self, count: int) -> None:
        """Prove that network and loss take batches of `count`, and find the program for them."""
        if not count or count in self.sizes:
            return
        built = self._built(count)
        self.sizes[count] = self.free and built.graph.free and signature(built.network.calls) == self.made_of
        if not self.sizes[count]:
            self._made(built, count)

    @property
    def program(self) -> Program:
        """A full batch's step as formulas: loss, gradients and updates; as text it is a definition."""
        return self.runners[self.batch][0].program

    def record(self) -> None:
        """Let the network know what it is trained on."""
        known = self.net.input
        if len(self.data.inputs) == 1 and (self.transform is not None or known is None or known.transform is None):
            (x,) = self.data.inputs.values()
            self.net.input = Input(self.transform, kind_of(x.dtype), x.shape[1:])

    def runner(self, count: int) -> Runs:
        """The program for batches of `count` (one serves all where the number of samples is free)."""
        self.prepare(count)
        return self.runners[self.batch if self.sizes[count] else count][0]

    def arrays(self, count: int | None = None) -> dict[str, np.ndarray]:
        """Everything that a step reads and writes but the data."""
        same_type(self.net, self.dtype)
        built = self.runners[self.batch if count is None or self.sizes[count] else count][1]
        state = own_arrays(built.network, built.graph, self.dtype) | self.states
        new = {a: state[b] for a, b in built.update.items()}
        scalars = {SEED: 1.0, LOSS: 0.0, **built.numbers, **{k: now.rate for k, now in self.told.items()}}
        return state | new | {k: np.array(v, self.dtype) for k, v in scalars.items()}

    def run(self, order: object) -> np.ndarray:
        """One step for each batch of samples in this order; the losses, before each update.

        Ctrl-C ends it after the step in progress: parameters and states are those of a whole number of steps.
        """
        rows = checked_order(order, len(self.data))
        if not len(rows):
            return np.zeros(0, self.dtype)
        if not self.runners[self.batch][1].fresh():
            self._changed()
        self.prepare(len(rows) % self.batch)
        self.record()
        whole_steps = len(rows) if self.sizes.get(len(rows) % self.batch, True) else len(rows) // self.batch * self.batch
        losses = [self._steps(rows[:whole_steps])] if whole_steps else []
        if whole_steps < len(rows):
            losses.append(self._one(rows[whole_steps:]))
        return np.concatenate(losses)

    def _changed(self) -> None:
        """The network's attributes have changed: its formulas are written down anew; what was learned stays."""
        self.runners.clear()
        self.sizes.clear()
        built = self._built(self.batch)
        self._carried(built)
        self.free, self.made_of = built.graph.free, signature(built.network.calls)
        self.sizes[self.batch] = True
        self._made(built, self.batch)

    def _carried(self, built: Built) -> None:
        """The optimiser's states: those there are, and where they start for parameters that are new or have another shape."""
        for name, (shape, start) in built.states.items():
            if name not in self.states or self.states[name].shape != shape:
                self.states[name] = aligned(shape, self.dtype)
                self.states[name][...] = start
        self.plateaus = built.told
        self.told = {k: self.told.get(k, p.start) for k, p in built.told.items()}

    def foretell(self, tested: bool, accuracy: bool) -> None:
        """Refuse schedules that depend on what will not be measured."""
        for p in self.plateaus.values():
            p.of({"train_loss": 0.0, "test_loss": 0.0 if tested else None, "test_accuracy": 0.0 if accuracy else None})

    def tell(self, epoch: Mapping[str, float | None]) -> None:
        """Tell schedules that depend on it what an epoch measured: train_loss, test_loss and test_accuracy."""
        self.told = {k: self.plateaus[k].after(now, self.plateaus[k].of(epoch)) for k, now in self.told.items()}

    def _steps(self, rows: np.ndarray) -> np.ndarray:
        """Steps whose batches the program for full ones serves."""
        if not self.free:
            return np.concatenate([self._one(rows[k : k + self.batch]) for k in range(0, len(rows), self.batch)])
        ready = self.arrays() | self.data.all
        runs = self.runners[self.batch][0]
        return runs.run(ready, len(rows), threads=self.threads, batch=self.batch, order=rows, watch=LOSS, whole=True)

    def _one(self, rows: np.ndarray) -> np.ndarray:
        """One step on a batch of its own size."""
        runs, built = self.runner(len(rows)), self.runners[self.batch if self.sizes[len(rows)] else len(rows)][1]
        picked: dict[str, Any] = {k: np.ascontiguousarray(a[rows]) for k, a in self.data.all.items()}
        order = np.arange(len(rows)) if built.graph.free else None
        total = len(rows) if built.graph.free else 1
        return runs.run(self.arrays(len(rows)) | picked, total, threads=self.threads, order=order, watch=LOSS, whole=True)
