"""A network's layers, loss and updates as one list of formulas, with every tensor under its public name.

    layers -> forward lines -> + loss -> backward lines -> + updates -> Spec for the engine

Nothing here computes: lines are bound to sizes, their tensors renamed ("0.weight", "0.weight.grad"), and put end to end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce

import numpy as np

from ..engines.native.program import ELEMENTS, Port, Spec
from ..errors import ShapeError
from ..language import tree
from ..language.bind import bind, settings_of
from ..language.index import Poly
from ..language.program import Program, whole_numbers
from ..language.source import make_room
from ..language.tree import Definition, Line, rename_tensors, subs
from ..operation.op import Op
from ..ops.update import sgd, sgd_momentum
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
    bound: list[tuple[Program, Mapping[str, str]]] = field(default_factory=list)  # of operations that compute with the data's whole numbers

    def add(self, d: Definition, names: Mapping[str, str], settings: Mapping[str, int | float], prefix: str, only: set[str] | None = None) -> None:
        """Append a definition's lines: its tensors get the names given, others `prefix:name`; `only` picks lines."""
        for t in d.inputs:
            if not t.axes:
                self.shapes.setdefault(names[t.name], ())
        shapes = {t.name: self.full(names[t.name]) for t in d.inputs}
        known_settings = settings_of(d, settings)
        bound = bind(d, shapes, known_settings, free_samples=self.free)
        if bound.reaches:
            self.bound.append((bound, {t.name: names[t.name] for t in d.inputs}))
        full = {t: names.get(t, f"{prefix}:{t}") for t in d.axes}  # a colon: what is inside an operation meets no public name
        known = {x.tensor for x in self.lines}
        for line in bound.lines:
            name = full[line.tensor]
            if name in known or (only is not None and line.tensor not in only):
                continue
            expr = rename_tensors(_settled(line.expr, known_settings), full)
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

    def like(self, name: str, tensor: str) -> None:
        """A tensor of the shape of another."""
        self.shapes[name] = self.shapes[tensor]
        if tensor in self.sampled:
            self.sampled.add(name)

    def total(self, name: str, parts: Sequence[str], tensor: str) -> None:
        """Append a line that adds tensors of one shape, zeros where there are none; a single one stands for itself."""
        if len(parts) == 1 or any(line.tensor == name for line in self.lines):
            return
        sampled = self.free and tensor in self.sampled
        inner = self.shapes[tensor] if sampled else self.full(tensor)
        letters = (*(("n",) if sampled else ()), *(f"i{k}" for k in range(len(inner))))
        ranges = (*((Poly.name(SAMPLES),) if sampled else ()), *map(Poly.of, inner))
        make_room(len(parts) + 50)
        reads: list[tree.Expr] = [tree.Read(p, tuple(map(Poly.name, letters))) for p in parts]
        expr = reduce(lambda a, b: tree.Call("+", (a, b)), reads) if reads else tree.Const(0)
        self.lines.append(Line(name, letters, ranges, expr))
        self.like(name, tensor)

    def full(self, name: str) -> Shape:
        return ((self.samples,) if name in self.sampled else ()) + self.shapes[name]

    def port(self, name: str, element: str, indexed: bool = False) -> Port:
        if name in self.sampled and not self.free:
            return Port(name, self.full(name), element)
        return Port(name, self.shapes[name], element, name in self.sampled, indexed and name in self.sampled)


def _settled(e: tree.Expr, settings: Mapping[str, int | float]) -> tree.Expr:
    """e with numbers for the settings that it reads."""
    if isinstance(e, tree.Read):
        return tree.Const(settings[e.tensor]) if not e.index and e.tensor in settings else e
    return tree.rebuild(e, lambda a: _settled(a, settings))


@dataclass(frozen=True)
class Call:
    """One operation in the network: definition, names of its tensors, settings, prefix."""

    op: Op
    names: Mapping[str, str]
    settings: Mapping[str, int | float]
    prefix: str

    @property
    def inputs(self) -> tuple[str, ...]:
        return tuple(self.names[t.name] for t in self.op.definition.inputs)

    @property
    def outputs(self) -> tuple[str, ...]:
        return tuple(self.names[t.name] for t in self.op.definition.outputs)


def signature(calls: Sequence[Call]) -> tuple[object, ...]:
    """What a program is made of, as a key. It holds the operations themselves, so that none of them can go and
    leave its identity to another."""
    return tuple((c.op, tuple(c.names.items()), tuple(c.settings.items()), c.prefix) for c in calls)


def layer_calls(layers: Sequence[Layer], ranks: Mapping[str, int], transform: Op | None = None) -> tuple[list[Call], str]:
    """The network's operations in order and the name of its output; `ranks` knows the input's rank."""
    calls: list[Call] = []
    here, rank = "input", ranks["input"]
    if transform is not None:
        transform = transform.at({transform.inputs[0]: rank})
        calls.append(Call(transform, {transform.definition.inputs[0].name: here, transform.definition.outputs[0].name: "pixels"}, {}, "pixels"))
        here, rank = "pixels", len(transform.definition.outputs[0].axes)
    for k, layer in enumerate(layers):
        op, settings = layer.fitted(rank)
        d = op.definition
        names = {d.inputs[0].name: here} | {t.name: f"{k}.{t.name}" for t in d.outputs}
        names |= {p.input: f"{k}.{name}" for name, p in layer.parameters.items()}
        calls.append(Call(op, names, settings, str(k)))
        here, rank = f"{k}.{d.outputs[0].name}", len(d.outputs[0].axes)
    return calls, here


def ready_for_lanes(calls: Sequence[Call], sampled: Iterable[str] = ("input", "target")) -> bool:
    """Whether the number of samples may stay open: every operation speaks of one sample at a time, and its sample axes
    are the batch's."""
    known = set(sampled)
    for c in calls:
        d = c.op.definition
        first = {c.names[t.name]: bool(t.axes) and t.axes[0].letter == d.sample_size for t in d.inputs + d.outputs}
        if not c.op.lane_ready or any(first[x] != (x in known) for x in c.inputs):
            return False
        known |= {x for x in c.outputs if first[x]}
    return True


def forward(g: Graph, calls: Sequence[Call]) -> None:
    for c in calls:
        try:
            g.add(c.op.definition, c.names, c.settings, c.prefix)
        except ShapeError as e:
            raise ShapeError(f"layer {c.prefix} ({c.op.name}): {e}") from None


def declared_whole(calls: Sequence[Call], name: str) -> bool:
    """Whether some operation declares this tensor to hold whole numbers."""
    return any(t.whole is not None and c.names[t.name] == name for c in calls for t in c.op.definition.inputs)


def whole_arrays(g: Graph, calls: Sequence[Call], arrays: Mapping[str, np.ndarray], at: str = "") -> dict[str, np.ndarray]:
    """The arrays, with those that some operation declares to hold whole numbers checked and as such; `at` is put before their names."""
    out = dict(arrays)
    for c in calls:
        d = c.op.definition
        if any(t.whole is not None and c.names[t.name] in out for t in d.inputs):
            for t in bind(d, {t.name: g.full(c.names[t.name]) for t in d.inputs}, c.settings).inputs:
                name = c.names.get(t.name, "")
                if t.whole is not None and name in out:
                    below = min((int(p.constant or 0) for p in t.whole), default=None)
                    out[name] = whole_numbers(f"{at}{name}", out[name], below)
    for bound, names in g.bound:
        bound.check({f"{at}{names[t]}": out[names[t]] for t in names if names[t] in out})
    return out


def backward(g: Graph, calls: Sequence[Call], wanted: set[str]) -> dict[str, str]:
    """Lines for the gradients of the wanted tensors, from those of the last operation's outputs, which are inputs.

    A tensor that is read in several places gets the sum of what each contributes, one that is read nowhere gets zeros.
    Returns {tensor: its gradient's name}.
    """
    steps = [(c, c.op.gradient(wrt), dict(c.names)) for c, wrt in _differentiated(calls, wanted)]
    parts: dict[str, list[str]] = {x: [gradient_name(x)] for x in calls[-1].outputs}
    readers = Counter([*parts, *(c.names[x] for c, gradient, _ in steps for x in gradient.of)])
    for c, gradient, names in steps:
        for x, derived in gradient.of.items():
            tensor = c.names[x]
            names[derived] = gradient_name(tensor) if readers[tensor] == 1 else f"{gradient_name(tensor)}.{c.prefix}.{x}"
            parts.setdefault(tensor, []).append(names[derived])

    def whole(tensor: str) -> str:
        """The name of a tensor's whole gradient."""
        found, name = parts.get(tensor, []), gradient_name(tensor)
        return found[0] if len(found) == 1 else f"{name}.all" if name in found else name

    for c, gradient, names in steps:
        for t in c.op.definition.outputs:
            names[gradient.seed[t.name]] = whole(c.names[t.name])
            g.like(whole(c.names[t.name]), c.names[t.name])
        g.add(gradient.definition, names, c.settings, c.prefix, only={x.tensor for x in gradient.definition.lines[: gradient.forward]})
    for c, gradient, names in reversed(steps):
        for tensor in c.outputs:
            g.total(whole(tensor), parts.get(tensor, []), tensor)
        g.add(gradient.definition, names, c.settings, c.prefix)
    for tensor in sorted(wanted):
        g.total(whole(tensor), parts.get(tensor, []), tensor)
    return {tensor: whole(tensor) for tensor in wanted}


def _differentiated(calls: Sequence[Call], wanted: set[str]) -> list[tuple[Call, list[str]]]:
    """The operations between the wanted tensors and the last operation, in order, each with the inputs that matter."""
    moving, useful = set(wanted), set(calls[-1].outputs)
    for c in calls:
        if moving & set(c.inputs):
            moving |= set(c.outputs)
    for c in reversed(calls):
        if useful & set(c.outputs):
            useful |= set(c.inputs)
    between = [c for c in calls if moving & set(c.inputs) and useful & set(c.outputs)]
    return [(c, [t.name for t in c.op.definition.inputs if c.names[t.name] in moving]) for c in between]


def gradient_name(tensor: str) -> str:
    return f"{tensor}.grad"


def updates(g: Graph, parameters: Sequence[str], momentum: bool) -> dict[str, str]:
    """Lines of the optimiser; returns {new value: what it replaces}."""
    pairs: dict[str, str] = {}
    for p in parameters:
        op = (sgd_momentum if momentum else sgd).at({"w": len(g.shapes[p])})
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
