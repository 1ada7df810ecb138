"""The training step as formulas: network and loss, their gradients, the optimiser's update bound by its header."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..errors import ArgumentError
from ..nn.compiled import Runs, runner
from ..nn.graph import Graph, backward, leading_to, reached
from ..nn.losses import Total
from ..nn.module import Module
from ..nn.network import LOSS, Network, own_types, written
from ..operation.op import Op
from ..ops.update import counted
from .optim import Optimizer, Plateau, Schedule

APART = ".."  # what names of the optimiser's own begin with, where they have a dot: no module's do
SEED, STEP, BEFORE = "loss.grad", "step", f"{APART}step.before"
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Built:
    """A program's formulas. outputs: what it gives; update: new value -> what it replaces; numbers: of the optimiser;
    states: (shape, start) of what it carries from step to step; wanted: gradient's name by what it is of; told: numbers that depend on what epochs measure."""

    network: Network
    graph: Graph
    outputs: tuple[str, ...]
    update: dict[str, str]
    numbers: dict[str, float]
    states: dict[str, tuple[Shape, float]]
    wanted: dict[str, str]
    told: dict[str, Plateau] = field(default_factory=dict)

    def ports(self, types: Mapping[str, np.dtype], dtype: np.dtype) -> dict[str, np.dtype]:
        """What goes in, with its type."""
        own = [SEED, *self.numbers, *self.states]
        return {**types, **own_types(self.network, self.graph, dtype), **dict.fromkeys(own, dtype)}

    def runner(self, types: Mapping[str, np.dtype], dtype: np.dtype, batch: int, indexed: Sequence[str], engine: str) -> Runs:
        rows = [k for k in indexed if self.graph.free]
        return runner(self.graph, self.ports(types, dtype), self.outputs, dtype, batch, self.update, rows, engine)


def build(
    net: Module,
    loss: Total,
    inputs: Sequence[Shape],
    targets: Sequence[Shape],
    wanted: Sequence[str] | None,
    optimizer: Optimizer | None,
    transform: Op | None,
) -> Built:
    """Formulas of a training step, or of loss and gradients where there is no optimiser.

    wanted: the inputs whose gradients are asked for, beside the parameters'; None for a training step.
    """
    network = written(net, inputs, True, transform, loss, targets)
    renewed = [new for new, _ in network.updates] if optimizer is not None else []
    g = network.graph([LOSS, *renewed])
    trained = reached(network.calls, network.parameters, [LOSS])
    asked = [*network.parameters, *(wanted or ())] if optimizer is None else trained
    g.declare(SEED, (), False)
    grads = backward(g, network.calls, set(asked), [LOSS])
    if optimizer is None:
        return Built(network, g, (LOSS, *grads.values()), {}, {}, {}, {a: grads[a] for a in asked})
    names = {s: name for name, s in network.states.items()}
    pairs = {new: names[s] for new, s in network.updates}
    step = Step(g, optimizer)
    for p in trained:  # as in PyTorch: what the loss does not reach has no gradient, and does not decay either
        pairs |= step.update(p, grads[p])
    if step.counts:
        pairs[STEP] = BEFORE
    return Built(network, g, (LOSS, *pairs), pairs, step.numbers, step.states, {}, step.told)


class Step:
    """The optimiser's lines: what its formula's header names is bound."""

    def __init__(self, g: Graph, optimizer: Optimizer):
        self.g, self.own = g, optimizer.update
        self.numbers: dict[str, float] = {}
        self.states: dict[str, tuple[Shape, float]] = {}
        self.told: dict[str, Plateau] = {}
        self.counts = False

    def update(self, p: str, gradient: str) -> dict[str, str]:
        """Lines that renew one parameter; {new value: what it replaces}."""
        op = self.own.op
        without = [k for k in op.optional if k not in self.own.scalars and k not in self.own.start]
        if op.template is not None:
            op = op.at({"w": len(self.g.shapes[p])}, without=without)
        d = op.definition
        sizes = {a.letter: s for t in d.inputs if t.name == "w" for a, s in zip(t.axes, self.g.shapes[p], strict=False) if a.letter}
        out = {t.name for t in d.outputs}
        names, pairs = {"w": p, "g": gradient, "w_new": f"{p}.new"}, {f"{p}.new": p}
        for t in d.inputs:
            if t.name in names:
                continue
            if f"{t.name}_new" in out:
                names[t.name], names[f"{t.name}_new"] = f"{p}.{t.name}", f"{p}.{t.name}.new"
                pairs[f"{p}.{t.name}.new"] = f"{p}.{t.name}"
                try:
                    shape = tuple(int(a.evaluate(sizes)) for a in t.axes)  # type: ignore[call-overload]  # whole sizes give whole numbers
                except KeyError as e:
                    raise ArgumentError(f"{t.name}: its size {e.args[0]} is none of w's; accepted: states with sizes that w has") from None
                self.states[f"{p}.{t.name}"] = shape, self.own.start.get(t.name, 0.0)
                self.g.declare(f"{p}.{t.name}", shape, False)
            elif t.name != "step":
                names[t.name] = self.number(t.name, self.own.scalars[t.name])
            elif op.uses("step"):
                names["step"] = self.step()
            else:  # a form in which the number of the step does not matter
                names["step"] = self.number(f"{APART}step.unread", 0.0)
        self.g.add(op, names, {}, f"{p}.update", leading_to(op, out & names.keys()), shared=f"update:{op.name}")
        return pairs

    def step(self) -> str:
        """The number of the step."""
        if not self.counts:
            self.counts = True
            self.states[BEFORE] = (), 0.0
            self.g.declare(BEFORE, (), False)
            self.g.add(counted, {"step": BEFORE, "step_new": STEP}, {}, "update:count")
        return STEP

    def number(self, name: str, value: float | Schedule) -> str:
        """A number of the optimiser, or the line that gives it."""
        if isinstance(value, Plateau):
            self.told[name] = value
        if isinstance(value, Plateau) or not isinstance(value, Schedule):
            self.numbers[name] = value.start.rate if isinstance(value, Plateau) else value
            self.g.declare(name, (), False)
            return name
        d = value.op.definition
        names = {t.name: self.step() if t.name == "step" else self.number(f"{APART}{name}.{t.name}", value.numbers[t.name]) for t in d.inputs}
        self.g.add(value.op, names | {d.outputs[0].name: name}, {}, f"schedule:{name}")
        return name
