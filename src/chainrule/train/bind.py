"""The training step as formulas: network and loss, their gradients, the optimiser's update bound by its header."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

import numpy as np

from ..errors import ArgumentError
from ..nn.compiled import Runs, runner
from ..nn.graph import Graph, backward, leading_to, reached
from ..nn.losses import Total
from ..nn.module import Module
from ..nn.network import LOSS, Network, own_types, public, written
from ..nn.trace import inner_name
from ..nn.values import Stored
from ..operation.op import Op
from ..ops import update
from .optimizer import Clipping, Optimizer
from .schedules import Plateau, Schedule

APART = ".."  # what names of the optimiser's own begin with, where they have a dot: no module's do
SEED, STEP, BEFORE = "loss.grad", "step", f"{APART}step.before"
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Built:
    """A program's formulas. outputs: what it gives; update: new value -> what it replaces; numbers: of the optimiser;
    states: (shape, start) of what it carries from step to step; wanted: gradient's name by what it is of; told: numbers that depend on what epochs measure; flags: whether
    parameters were to be trained."""

    network: Network
    graph: Graph
    outputs: tuple[str, ...]
    update: dict[str, str]
    numbers: dict[str, float]
    states: dict[str, tuple[Shape, float]]
    wanted: dict[str, str]
    told: dict[str, Plateau] = field(default_factory=dict)
    flags: tuple[tuple[Stored, bool], ...] = ()

    def fresh(self) -> bool:
        """Whether nothing that it was made from has changed since."""
        return self.network.fresh() and all(s.trained == was for s, was in self.flags)

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
    augment: Module | None = None,
    dtype: np.dtype | None = None,
) -> Built:
    """Formulas of a training step, or of loss and gradients where there is no optimiser.

    wanted: the inputs whose gradients are asked for, beside the parameters'; None for a training step.
    """
    network = written(net, inputs, True, transform, loss, targets, augment, dtype=dtype)
    renewed = [new for new, _ in network.updates] if optimizer is not None else []
    g = network.graph([LOSS, *renewed])
    groups = grouped(net, optimizer)
    flags = tuple((s, s.trained) for s in network.parameters.values())
    parameters = [p for p, s in network.parameters.items() if s.trained and groups.get(p, 0) is not None]
    if flags and optimizer is not None and not parameters:
        raise ArgumentError(f"{type(net).__name__}: requires_grad_ and groups leave no parameter to train; accepted: one at least")
    trained = reached(network.calls, parameters, [LOSS])
    asked = [*parameters, *(wanted or ())] if optimizer is None else trained
    g.declare(SEED, (), False)
    grads = backward(g, network.calls, set(asked), [LOSS])
    if optimizer is None:
        return Built(network, g, (LOSS, *grads.values()), {}, {}, {}, {a: grads[a] for a in asked}, flags=flags)
    names = {s: name for name, s in network.states.items()}
    pairs = {new: names[s] for new, s in network.updates}
    step = Step(g)
    grads = step.clipped(optimizer.clip, grads)
    for p in trained:  # as in PyTorch: what the loss does not reach has no gradient, and does not decay either
        pairs |= step.update(p, grads[p], *(groups.get(p) or (optimizer, "")))
    if step.counts:
        pairs[STEP] = BEFORE
    return Built(network, g, (LOSS, *pairs), pairs, step.numbers, step.states, {}, step.told, flags)


def grouped(net: Module, optimizer: Optimizer | None) -> dict[str, tuple[Optimizer, str] | None]:
    """{tensor: (its own optimiser, what the names of its numbers begin with)} of parameters that belong to a group; None where
    they are not trained."""
    shown = public(net)
    states = {inner_name(name): s for name, s in net.named_states()}
    owners = {p: [m for _, m in net.named_modules() if states[p] in m.__dict__["_states"].values()] for p in shown}
    found: dict[str, tuple[Optimizer, str] | None] = {}
    for k, group in enumerate(() if optimizer is None else optimizer.groups):
        for which in group.names:
            here = [p for p in shown if (fnmatchcase(shown[p], which) if isinstance(which, str) else any(isinstance(m, which) for m in owners[p]))]
            if not here:
                raise ArgumentError(f"groups: {which!r:.80}: no parameter of this network; accepted: patterns of {', '.join(shown.values()):.200}")
            for p in here:
                found.setdefault(p, None if group.optimizer is None else (group.optimizer, f"{APART}group{k}."))
    return found


class Step:
    """The optimisers' lines: what their formulas' headers name is bound."""

    def __init__(self, g: Graph):
        self.g = g
        self.numbers: dict[str, float] = {}
        self.states: dict[str, tuple[Shape, float]] = {}
        self.told: dict[str, Plateau] = {}
        self.counts = False

    def clipped(self, clip: Clipping, grads: Mapping[str, str]) -> dict[str, str]:
        """Lines that clip gradients; {parameter: its gradient then}."""
        out = dict(grads)
        if clip.value is not None and grads:
            bound = self.number(f"{APART}clip.value", clip.value)
            out = {p: self._on_gradient(update.clip_value, out[p], "c", f"{p}.clipped", bound=bound) for p in out}
        if clip.norm is not None and grads:
            bound = self.number(f"{APART}clip.norm", clip.norm)
            parts = [self._on_gradient(update.square_sum, out[p], "s", f"{p}.grad2") for p in out]
            total = parts[0] if len(parts) == 1 else f"{APART}grad2"
            self.g.total(total, parts, parts[0])
            self.g.add(update.norm_factor, {"s": total, "bound": bound, "factor": f"{APART}factor"}, {}, "update:clip")
            out = {p: self._on_gradient(update.scaled, out[p], "c", f"{p}.scaled", factor=f"{APART}factor") for p in out}
        return out

    def _on_gradient(self, op: Op, gradient: str, output: str, name: str, **numbers: str) -> str:
        """An operation on a gradient, whose output gets a name."""
        self.g.add(op.at({"g": len(self.g.shapes[gradient])}), {"g": gradient, output: name, **numbers}, {}, name)
        return name

    def update(self, p: str, gradient: str, optimizer: Optimizer, group: str) -> dict[str, str]:
        """Lines that renew one parameter; {new value: what it replaces}. group: what the names of its numbers begin with."""
        own = optimizer.update
        op = own.op
        without = [k for k in op.optional if k not in own.scalars and k not in own.start]
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
                self.states[f"{p}.{t.name}"] = shape, own.start.get(t.name, 0.0)
                self.g.declare(f"{p}.{t.name}", shape, False)
            elif t.name != "step":
                names[t.name] = self.number(f"{group}{t.name}", own.scalars[t.name])
            elif op.uses("step"):
                names["step"] = self.step()
            else:  # a form in which the number of the step does not matter
                names["step"] = self.number(f"{APART}step.unread", 0.0)
        self.g.add(op, names, {}, f"{p}.update", leading_to(op, out & names.keys()), shared=f"{group}update:{op.name}")
        return pairs

    def step(self) -> str:
        """The number of the step."""
        if not self.counts:
            self.counts = True
            self.states[BEFORE] = (), 0.0
            self.g.declare(BEFORE, (), False)
            self.g.add(update.counted, {"step": BEFORE, "step_new": STEP}, {}, "update:count")
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
        names = {
            t.name: self.step() if t.name == "step" else self.number(f"{APART}{name.removeprefix(APART)}.{t.name}", value.numbers[t.name])
            for t in d.inputs
        }
        self.g.add(value.op, names | {d.outputs[0].name: name}, {}, f"schedule:{name}")
        return name
