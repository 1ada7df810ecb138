"""A network's layers, loss and updates as one list of formulas, with every tensor under its public name.

    layers -> forward lines -> + loss -> backward lines -> + updates -> Spec for the engine

Nothing here computes: lines are bound to sizes, their tensors renamed ("0.weight", "0.weight.grad"), and put end to end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from ..engines.native.program import ELEMENTS, Port, Spec
from ..errors import ShapeError
from ..language.bind import bind, lane_ready, settings_of
from ..language.index import Poly
from ..language.tree import Definition, Line, rename_tensors, subs
from ..ops.operation import Op
from ..ops.update import sgd
from .layers import Layer

Shape = tuple[int, ...]
SAMPLES = "N"  # the one name of the number of samples in a network's formulas


@dataclass
class Graph:
    """Lines so far, and the shape of every tensor by public name (the sample axis left out where it has one)."""

    samples: int  # how many, where formulas cannot leave it open
    free: bool  # the number of samples stays open: vectors may run over them
    lines: list[Line] = field(default_factory=list)
    shapes: dict[str, Shape] = field(default_factory=dict)
    sampled: set[str] = field(default_factory=set)

    def add(self, d: Definition, names: Mapping[str, str], settings: Mapping[str, int | float], prefix: str, only: set[str] | None = None) -> None:
        """Append a definition's lines: its tensors get the names given, others `prefix.name`; `only` picks lines."""
        for t in d.inputs:
            if not t.axes:
                self.shapes.setdefault(names[t.name], ())
        shapes = {t.name: self.full(names[t.name]) for t in d.inputs}
        bound = bind(d, shapes, settings_of(d, settings), free_samples=self.free)
        full = {t: names.get(t, f"{prefix}.{t}") for t in d.axes}
        known = {x.tensor for x in self.lines}
        for line in bound.lines:
            name = full[line.tensor]
            if name in known or (only is not None and line.tensor not in only):
                continue
            expr = rename_tensors(line.expr, full)
            ranges = line.ranges
            if self.free and d.sample_size != SAMPLES:
                change = {d.sample_size: Poly.name(SAMPLES)}
                expr, ranges = subs(expr, change), tuple(p.subs(change) for p in ranges)
            self.lines.append(replace(line, tensor=name, expr=expr, ranges=ranges))
            self.declare(name, tuple(bound.shapes[line.tensor]), bool(d.axes[line.tensor]) and d.axes[line.tensor][0].letter == d.sample_size)

    def declare(self, name: str, shape: Shape, sampled: bool) -> None:
        """A tensor's full shape."""
        self.shapes[name] = shape[1:] if sampled else shape
        if sampled:
            self.sampled.add(name)

    def full(self, name: str) -> Shape:
        return ((self.samples,) if name in self.sampled else ()) + self.shapes[name]

    def port(self, name: str, element: str, indexed: bool = False) -> Port:
        if name in self.sampled and not self.free:
            return Port(name, self.full(name), element)
        return Port(name, self.shapes[name], element, name in self.sampled, indexed and name in self.sampled)


@dataclass(frozen=True)
class Call:
    """One operation in the network: definition, names of its tensors, settings, prefix."""

    op: Op
    names: Mapping[str, str]
    settings: Mapping[str, int | float]
    prefix: str


def layer_calls(layers: Sequence[Layer], ranks: Mapping[str, int], transform: Op | None = None) -> tuple[list[Call], str]:
    """The network's operations in order and the name of its output; `ranks` knows the input's rank."""
    calls: list[Call] = []
    here, rank = "input", ranks["input"]
    if transform is not None:
        calls.append(Call(transform, {transform.definition.inputs[0].name: here, transform.definition.outputs[0].name: "pixels"}, {}, "pixels"))
        here = "pixels"
    for k, layer in enumerate(layers):
        op = layer.operation(rank)
        d = op.definition
        out = f"{k}.{d.outputs[0].name}"
        names = {d.inputs[0].name: here, d.outputs[0].name: out}
        names |= {p.input: f"{k}.{name}" for name, p in layer.parameters.items()}
        calls.append(Call(op, names, layer.settings, str(k)))
        here, rank = out, len(d.outputs[0].axes)
    return calls, here


def ready_for_lanes(calls: Sequence[Call]) -> bool:
    return all(lane_ready(c.op.definition) for c in calls)


def forward(g: Graph, calls: Sequence[Call]) -> None:
    for c in calls:
        try:
            g.add(c.op.definition, c.names, c.settings, c.prefix)
        except ShapeError as e:
            raise ShapeError(f"layer {c.prefix} ({c.op.name}): {e}") from None


def backward(g: Graph, calls: Sequence[Call], wanted: set[str]) -> dict[str, str]:
    """Lines for the gradients of the wanted tensors, from d(last output); returns {tensor: its gradient's name}."""
    grads: dict[str, str] = {}
    needed = set(wanted)
    for c in calls:  # a tensor's gradient is needed if it is wanted or leads to one
        if any(c.names.get(t.name, "") in needed for t in c.op.definition.inputs):
            needed |= {c.names[t.name] for t in c.op.definition.outputs}
    plans = []
    for c in calls:
        wrt = [t.name for t in c.op.definition.inputs if c.names[t.name] in needed]
        if wrt:
            gradient = c.op.gradient(wrt)
            names = dict(c.names)
            for t in c.op.definition.outputs:
                names[gradient.seed[t.name]] = gradient_name(c.names[t.name])
            for x in wrt:
                names[gradient.of[x]] = gradient_name(c.names[x])
                grads[c.names[x]] = gradient_name(c.names[x])
            plans.append((c, gradient, names))
            decisions = {x.tensor for x in gradient.definition.lines[: gradient.forward]}
            g.shapes |= {gradient_name(c.names[t.name]): g.shapes[c.names[t.name]] for t in c.op.definition.outputs}
            g.sampled |= {gradient_name(c.names[t.name]) for t in c.op.definition.outputs if c.names[t.name] in g.sampled}
            g.add(gradient.definition, names, c.settings, c.prefix, only=decisions)
    for c, gradient, names in reversed(plans):
        g.add(gradient.definition, names, c.settings, c.prefix)
    return grads


def gradient_name(tensor: str) -> str:
    return f"{tensor}.grad"


def updates(g: Graph, parameters: Sequence[str], momentum: bool) -> dict[str, str]:
    """Lines of the optimiser; returns {new value: what it replaces}."""
    pairs: dict[str, str] = {}
    for p in parameters:
        op = sgd(len(g.shapes[p]), momentum)
        names = {"w": p, "g": gradient_name(p), "lr": "lr", "wd": "weight_decay", "w_new": f"{p}.new"}
        pairs[f"{p}.new"] = p
        if momentum:
            names |= {"v": f"{p}.momentum", "mu": "momentum", "v_new": f"{p}.momentum.new"}
            g.declare(f"{p}.momentum", g.shapes[p], False)
            pairs[f"{p}.momentum.new"] = f"{p}.momentum"
        g.add(op.definition, names, {}, f"{p}.update")
    return pairs


def to_spec(g: Graph, inputs: Sequence[Port], outputs: Sequence[str], dtype: str, chunks: int, update: Mapping[str, str] | None = None) -> Spec:
    ports = tuple(g.port(name, ELEMENTS[dtype]) for name in outputs)
    return Spec(tuple(g.lines), tuple(inputs), ports, ELEMENTS[dtype], SAMPLES if g.free else None, chunks, tuple((update or {}).items()))
