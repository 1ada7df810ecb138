"""A module, and perhaps a loss, written down for inputs of given shapes: what all programs of a network are made from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ArgumentError, ElementTypeError, ShapeError
from ..operation.op import Op
from . import patterns
from .forms import Form, form_of
from .graph import Graph, forward, needed, ready_for_lanes, whole_arrays
from .tensors import Symbol
from .trace import Call, Trace, inner_name, suited
from .values import Parameter, Shape, Stored
from .watch import Watched, classes_of, watched

if TYPE_CHECKING:
    from .module import Module

LOSS = "loss"


@dataclass(frozen=True)
class Network:
    """What forward does: operations with named tensors, and what goes in and comes out.

    inputs, targets: name -> full shape. states: name among the tensors -> parameter or buffer, of which `read` are used.
    form: how outputs are given, where that is neither one alone nor a tuple of them.
    updates: (tensor, buffer that takes its value after a step). ends: {path of a module: what it put out the last time, first of several}. parts, stamp: whose attributes it was made from, and when.
    """

    calls: tuple[Call, ...]
    inputs: Mapping[str, Shape]
    targets: Mapping[str, Shape]
    outputs: tuple[str, ...]
    alone: bool
    form: Form | None
    states: Mapping[str, Stored]
    updates: tuple[tuple[str, Stored], ...]
    constants: Mapping[str, Any]
    shapes: Mapping[str, Shape]
    sampled: frozenset[str]
    seen: tuple[tuple[str, Module, tuple[Shape, ...]], ...]
    ends: Mapping[str, str]
    parts: tuple[Module, ...]
    stamp: int
    watched: tuple[Watched, ...]

    @property
    def samples(self) -> int:
        return together(tuple(self.inputs.values())) or 1

    @property
    def parameters(self) -> dict[str, Stored]:
        return {k: s for k, s in self.states.items() if isinstance(s, Parameter)}

    def fresh(self) -> bool:
        """Whether nothing that it was made from has changed since."""
        return self.stamp == stamp(self.parts) and all(w.same() for w in self.watched)

    def graph(self, wanted: Sequence[str], free: bool | None = None) -> Graph:
        """The forward formulas of what these tensors depend on."""
        calls = needed(self.calls, wanted)
        given = {**self.inputs, **self.targets}
        open_ = bool(together(tuple(self.inputs.values())))
        g = Graph(self.samples, open_ and ready_for_lanes(calls, given) if free is None else free)
        for name, shape in given.items():
            g.declare(name, shape, g.free)
        for name, s in self.states.items():
            g.declare(name, s.shape, False)
        for name in self.constants:
            g.declare(name, self.shapes[name], False)
        forward(g, calls)
        return g


def stamp(modules: Sequence[Module]) -> int:
    """A number that grows with every change of their attributes."""
    return sum([m.__dict__["_version"] for m in modules])


OWN = ("_states", "_children", "_version", "_cache", "_input", "_classes")  # attributes of every module, which it looks after itself


def beside(modules: Sequence[Module], loss: object, constants: Iterable[object]) -> tuple[Watched, ...]:
    """What forward and loss read beside modules and constants, and may change without an attribute being set."""
    attributes = [v for m in modules for k, v in m.__dict__.items() if k not in OWN]
    return watched([*attributes, *classes_of(modules), loss], constants)


def numbered(word: str, count: int) -> tuple[str, ...]:
    """Names of inputs, or of targets: the word alone for one, else input0, input1, …"""
    return (word,) if count == 1 else tuple(f"{word}{k}" for k in range(count))


def together(inputs: Sequence[Shape]) -> int:
    """How many samples the inputs have, one behind the other on the first axis; 0 where they have not as many each."""
    first = {s[0] if s else 0 for s in inputs}
    return first.pop() if len(first) == 1 else 0


def written(
    net: Module,
    inputs: Sequence[Shape],
    training: bool,
    transform: Op | None = None,
    loss: Callable[[tuple[Symbol, ...], tuple[Symbol, ...]], Symbol] | None = None,
    targets: Sequence[Shape] = (),
    front: Module | None = None,
    form: Form | None = None,
    logical: Sequence[bool] = (),
    dtype: np.dtype | None = None,
) -> Network:
    """Run forward (and the loss) on symbols of these full shapes, samples first where they have as many each.

    front: a module that inputs go through first, before the transform. form: how forward is given them. logical: which ones say yes or no.
    dtype: what is computed in, where that is not the network's type.
    """
    samples = together(inputs)
    trace = Trace(net, training, samples or 1, front)
    trace.dtype = dtype or net.dtype
    with trace.running():
        symbols = [trace.input(name, shape, bool(samples)) for name, shape in zip(numbered("input", len(inputs)), inputs, strict=True)]
        if front is not None:
            suited(front, symbols)
            made_there, _ = trace.results(trace.enter(front, symbols, {}), type(front).__name__)
            symbols = list(made_there)
        if transform is not None:
            if len(symbols) > 1:
                raise ArgumentError(f"transform={transform!r}: for a network of {len(symbols)} inputs; accepted: a network of one input, or None")
            trace.path = "pixels"
            made = trace.apply(transform, (symbols[0],), {})
            trace.path = ""
            symbols = [made]  # type: ignore[list-item]  # a transform has one output
        trace.logical.update(x.name for x, yes in zip(symbols, logical, strict=False) if yes)
        args, given = form.filled(symbols) if form is not None else (symbols, {})
        suited(net, args, given)
        try:
            end = trace.enter(net, args, given)
            out, alone = trace.results(end, type(net).__name__, nested=True)
        except RecursionError:
            raise ArgumentError(f"{type(net).__name__}: its forward goes deeper than Python can; accepted: a forward that comes to an end") from None
        outputs = distinct(trace, out)
        names = numbered("target", len(targets))
        if loss is not None:
            expected = tuple(trace.input(name, shape) for name, shape in zip(names, targets, strict=True))
            trace.path = "loss"
            ended(trace, loss(outputs, expected))
            trace.path = ""
        renewed = distinct(trace, tuple(trace.updates.values()), taken={x.name for x in outputs})
    return _network(trace, outputs, alone, form_of(end), set(names), tuple(zip((x.name for x in renewed), trace.updates, strict=True)), loss)


def distinct(trace: Trace, tensors: Sequence[Symbol], taken: set[str] | None = None) -> tuple[Symbol, ...]:
    """The tensors, with a copy of each that comes a second time or that no operation makes."""
    made, found = {n for c in trace.calls for n in c.outputs}, list[Symbol]()
    seen = set(taken or ())
    for x in tensors:
        here = x if x.name in made and x.name not in seen else trace.made(patterns.function(trace.pattern(x), "{}", "copy"), x)
        seen.add(here.name)
        found.append(here)
    return tuple(found)


def ended(trace: Trace, value: object) -> None:
    """Give the loss its name."""
    rows, _ = trace.results(value, "the loss")
    if len(rows) != 1 or rows[0].shape != ():
        shown = ", ".join(f"shape {r.shape}" for r in rows)
        raise ShapeError(f"the loss: is no number but has {shown}; accepted: a loss that is one number, as a mean over samples")
    (end,) = distinct(trace, rows)
    trace.calls[:] = [replace(c, names={k: LOSS if n == end.name else n for k, n in c.names.items()}) for c in trace.calls]
    trace.shapes[LOSS] = ()


def _network(
    trace: Trace,
    outputs: Sequence[Symbol],
    alone: bool,
    form: Form | None,
    targets: set[str],
    updates: tuple[tuple[str, Stored], ...],
    loss: object,
) -> Network:
    net = trace.root
    for s in trace.names:
        s.settled(net.dtype)
    kinds = {name: s.array.dtype for s, name in trace.names.items()}
    odd = next((n for n, k in kinds.items() if k != net.dtype), None)
    if odd is not None:
        raise ElementTypeError(
            f"{odd} with dtype {kinds[odd]}: the network's other parameters are {net.dtype}; accepted: one number type (net.astype)"
        )
    parts = tuple({id(m): m for m in (*(m for _, m in net.named_modules()), *(m for _, m, _ in trace.seen))}.values())  # kept alive by the network
    shown = tuple(
        (path, m, tuple(x.shape for x in (out if isinstance(out, (tuple, list)) else (out,)) if isinstance(x, Symbol))) for path, m, out in trace.seen
    )
    return Network(
        calls=tuple(trace.calls),
        inputs={k: v for k, v in trace.inputs.items() if k not in targets},
        targets={k: v for k, v in trace.inputs.items() if k in targets},
        outputs=tuple(x.name for x in outputs),
        alone=alone,
        form=form,
        states={name: s for s, name in trace.names.items()},
        updates=updates,
        constants=dict(trace.constants),
        shapes=dict(trace.shapes),
        sampled=frozenset(trace.sampled),
        seen=shown,
        ends={path: x.name for path, _, out in trace.seen for x in (out[:1] if isinstance(out, (tuple, list)) else (out,)) if isinstance(x, Symbol)},
        parts=parts,
        stamp=stamp(parts),
        watched=beside(parts, loss, trace.constants.values()),
    )


def public(net: Module) -> dict[str, str]:
    """{name among the tensors: name as users see it} of every parameter."""
    return {inner_name(name): name for name, s in net.named_states() if isinstance(s, Parameter)}


def declared(network: Network, g: Graph) -> dict[str, str]:
    """{constant, buffer or parameter that some operation declares to hold whole numbers: what it is called in messages}."""
    found: dict[str, str] = {}
    for c in network.calls:
        for t in c.op.definition.inputs:
            name = c.names[t.name]
            if name in g.limits and (name in network.constants or name in network.states):
                found.setdefault(name, f"{c.who}: {t.name}")
    return found


def own_types(network: Network, g: Graph, dtype: np.dtype) -> dict[str, np.dtype]:
    """The types that a program reads constants and states in."""
    return {
        **dict.fromkeys(network.states, dtype),
        **{k: np.dtype(np.int64) if k in g.limits else dtype for k in network.constants},
    }


def own_arrays(network: Network, g: Graph, dtype: np.dtype) -> dict[str, np.ndarray]:
    """Constants and states as the program reads them now. Those that are declared to hold whole numbers are looked through.

    A state keeps its memory: the program may renew it.
    """
    arrays = {name: s.array for name, s in network.states.items()}
    counted = {k: network.constants[k] if k in network.constants else arrays[k] for k in g.limits if k in network.constants or k in arrays}
    if counted:
        shown = declared(network, g)
        counted = whole_arrays(g, counted, names={k: shown.get(k, k) for k in counted})
    for k, a in network.constants.items():
        arrays[k] = np.require(counted[k] if k in counted else np.asarray(a, dtype), requirements=["C", "A"])
    return arrays
