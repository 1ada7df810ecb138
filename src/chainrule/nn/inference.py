"""Calling a network on arrays: the inference form, traced and compiled once for each set of shapes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import is_
from typing import TYPE_CHECKING, Any

import numpy as np

from ..engines.native.buffers import address, aligned, contiguous
from ..engines.native.program import Fixed, c_source
from ..engines.native.target import current
from ..engines.number import FLOATS, is_stored
from ..engines.processors import threads_asked
from ..errors import ArgumentError, ShapeError
from ..language.program import Program
from ..operation.arrays import to_array
from ..operation.op import Op
from .arguments import is_whole
from .compiled import Native, Runs, runner
from .forms import Form, taken
from .graph import Graph, declared_whole, whole_arrays
from .inputs import Input, as_transform, prepared, whole_floats
from .network import Network, numbered, own_arrays, own_types, written
from .values import Shape, Stored, stored

if TYPE_CHECKING:
    from .module import Module


class Text(str):
    """A text that shows as it is."""

    def __repr__(self) -> str:
        return str(self)


@dataclass(frozen=True)
class Inference:
    """A program for one set of shapes, with all that a call needs to know."""

    network: Network
    graph: Graph
    runs: Runs
    dtype: np.dtype
    target: object
    states: tuple[tuple[str, Stored], ...]
    checked: bool  # whether inputs must be looked through: whole numbers, other types
    bound: bool  # whether there are constants, or states that hold whole numbers
    input: Input | None
    memories: tuple[np.ndarray, ...]  # of the states, whose addresses `fixed` has
    fixed: Fixed
    open: tuple[str, ...]  # what a call brings, and its places
    slots: tuple[int, ...]

    def fits(self, net: Module) -> bool:
        if not all(map(is_, [s.memory for _, s in self.states], self.memories)):
            return False
        return self.input is net._input and self.target is current() and self.network.fresh()


def call(net: Module, inputs: Sequence[object], given: Mapping[str, object], threads: int | None, transform: Op | None, engine: str) -> Any:
    """The outputs for a batch of inputs."""
    leaves, form = taken(net.forward, inputs, given)
    threads = threads_asked(threads)
    names = numbered("input", len(leaves))
    arrays = [_given(net, x, name) for x, name in zip(leaves, names, strict=True)]
    if arrays and all(a.ndim and not len(a) for a in arrays):
        one = [np.zeros((1, *a.shape[1:]), a.dtype) for a in arrays]  # the shapes of outputs for no samples are those for one
        return _outputs(_ready(net, one, transform, engine, form), one, None, True)
    return _outputs(_ready(net, arrays, transform, engine, form), arrays, threads)


def _outputs(ready: Inference, arrays: Sequence[np.ndarray], threads: int | None, empty: bool = False) -> Any:
    """What a program gives for these arrays; empty: without its samples."""
    names = numbered("input", len(arrays))
    samples = ready.network.samples
    given = as_read(ready.network, ready.graph, arrays, ready.dtype) if ready.checked else dict(zip(names, map(contiguous, arrays), strict=True))
    out = {name: aligned(ready.graph.shapes[name], ready.dtype) for name in ready.network.outputs}
    total = samples if ready.graph.free else 1
    every = {**given, **out}
    if isinstance(ready.runs, Native) and not ready.bound:
        ready.runs.held.beside(ready.fixed, ready.slots, [every[name] for name in ready.open], total, threads)
    else:
        values = own_arrays(ready.network, ready.graph, ready.dtype) if ready.bound else {name: s.array for name, s in ready.states}
        ready.runs.quick({**values, **every}, total, threads)
    rows = tuple(a[:0] if empty else a if a.shape else a[()] for a in out.values())
    if ready.network.form is not None:
        return ready.network.form.filled(rows)
    return rows[0] if ready.network.alone else rows


def _given(net: Module, x: object, name: str) -> np.ndarray:
    """An input as an array; lists and numbers have no type of their own and take the network's."""
    a = to_array(x, name)
    if a.dtype == np.float64 and not hasattr(x, "dtype") and any(s.kept for s in net._all_states()):
        return a.astype(net.dtype)
    return a


def _ready(net: Module, arrays: Sequence[np.ndarray], transform: Op | None, engine: str, form: Form | None = None) -> Inference:
    """The program for these arrays, made now if it is not there or no longer what the network is."""
    kind = (tuple([(a.shape, a.dtype) for a in arrays]), transform, engine, form)
    found = net._cache.get(kind)
    if found is not None and found.fits(net):
        return found
    if not arrays:
        raise ArgumentError("no inputs: there is nothing to compute; accepted: arrays, samples first")
    for a, name in zip(arrays, numbered("input", len(arrays)), strict=True):
        if 0 in a.shape:
            raise ShapeError(f"{name} with shape {a.shape}: has no numbers; accepted: axes of at least 1 behind the samples")
    own = transform_for(net, arrays, transform)
    dtype = type_of(net, arrays)
    network = written(net, [a.shape for a in arrays], False, own, form=form, logical=[a.dtype == bool for a in arrays], dtype=dtype)
    g = network.graph(network.outputs)
    as_read(network, g, arrays, dtype)
    types = {name: read_type(network, name, a, dtype) for name, a in zip(network.inputs, arrays, strict=True)}
    used = {n for c in network.calls for n in c.inputs}
    states = tuple((name, s) for name, s in network.states.items() if name in used)
    ports = types | {n: t for n, t in own_types(network, g, dtype).items() if n in used}
    runs = runner(g, ports, network.outputs, dtype, network.samples, engine=engine)
    checked = (
        any(declared_whole(network.calls, n) for n in types) or any(a.dtype != types[n] for n, a in zip(types, arrays, strict=True)) or bool(g.bound)
    )
    bound = bool(network.constants) or any(n in g.limits for n, _ in states)
    memories = tuple(s.array for _, s in states)
    fixed, brought, slots = places(runs, dict(zip([n for n, _ in states], memories, strict=True)), (*network.inputs, *network.outputs))
    return net._cache.put(kind, Inference(network, g, runs, dtype, current(), states, checked, bound, net._input, memories, fixed, brought, slots))


def places(runs: Runs, own: Mapping[str, np.ndarray], brought: Sequence[str]) -> tuple[Fixed, tuple[str, ...], tuple[int, ...]]:
    """(places and addresses of what a network has of its own, what a call brings, the places of that); what is not read has none."""
    if not isinstance(runs, Native):
        return (), (), ()
    at = runs.held.at
    read = tuple(n for n in brought if n in at)
    return tuple((at[n], address(a)) for n, a in {**runs.numbers, **own}.items() if n in at), read, tuple(at[n] for n in read)


def type_of(net: Module, arrays: Sequence[np.ndarray]) -> np.dtype:
    """The number type to compute in: the parameters', or the inputs' where there are none."""
    states = net._all_states()
    if any(s.kept for s in states):
        return net.dtype
    found = next((a.dtype for a in arrays if a.dtype in FLOATS), np.dtype(np.float32))
    for name, s in net.named_states():  # counters alone go along
        if s.settled(found).dtype != found:
            s.memory = stored(name, s.shape, found, lambda s=s: s.array)  # type: ignore[misc]  # a lambda with the state it is for
    return found


def read_type(network: Network, name: str, a: np.ndarray, dtype: np.dtype) -> np.dtype:
    """The type that a program reads an input in."""
    if declared_whole(network.calls, name):
        return np.dtype(np.int64)
    return a.dtype if is_stored(a.dtype) else np.dtype(np.int64)


def as_read(
    network: Network, g: Graph, arrays: Sequence[np.ndarray], dtype: np.dtype, at: str = "", names: Sequence[str] = ()
) -> dict[str, np.ndarray]:
    """Inputs as a program reads them: whole numbers where some operation declares them."""
    found = {}
    for name, a in zip(names or network.inputs, arrays, strict=True):
        declared = declared_whole(network.calls, name)
        found[name] = prepared(whole_floats(a, f"{at}{name}") if declared else a, f"{at}{name}", dtype)
    return whole_arrays(g, found, at)


def transform_for(net: Module, arrays: Sequence[np.ndarray], given: Op | None) -> Op | None:
    """The operation in front of the network for these inputs: the one given, else the network's own."""
    own = net._input.transform_for(arrays[0].dtype) if net._input and len(arrays) == 1 else None
    return as_transform(given) or own


# Showing -------------------------------------------------------------------------------------------------------------------


def _shapes(shapes: Sequence[Shape], batch: bool) -> list[Shape]:
    what = (
        "a batch of inputs; accepted: sizes of at least 1, samples first"
        if batch
        else "an input's shape; accepted: sizes of at least 1, without samples"
    )
    if not shapes:
        raise ShapeError(f"no shape: not {what}")
    for s in shapes:
        if not isinstance(s, (tuple, list)) or len(s) < batch or not all(is_whole(k) and k >= 1 for k in s):
            raise ShapeError(f"shape={s!r:.80}: not {what}")
    return [tuple(map(int, s)) for s in shapes]


def loops(net: Module, shapes: Sequence[Shape]) -> str:
    return "\n".join(_native(net, shapes).held.machine.code.layout.notes)


def c(net: Module, shapes: Sequence[Shape]) -> str:
    return c_source(_native(net, shapes).held.spec, type(net).__name__.lower())


def _native(net: Module, shapes: Sequence[Shape]) -> Native:
    """The machine code of a call with inputs of these full shapes."""
    zero = np.zeros((), net.dtype)
    ready = _ready(net, [np.broadcast_to(zero, s) for s in _shapes(shapes, True)], None, "native")
    assert isinstance(ready.runs, Native)
    return ready.runs


def program(net: Module, shapes: Sequence[Shape], training: bool = False) -> Program:
    """The inference form at these full shapes, or the training form without what it renews."""
    network = written(net, _shapes(shapes, True), training, None)
    g = network.graph(network.outputs)
    used = {n for c in network.calls for n in c.inputs}
    given = [*network.inputs, *(n for n in network.states if n in used), *network.constants]
    return g.program(type(net).__name__.lower(), given, network.outputs, {})


def summary(net: Module, shapes: Sequence[Shape]) -> Text:
    """A table of modules in the order they are computed."""
    network = written(net, [(1, *s) for s in _shapes(shapes, False)], False)
    rows = [("layer", "output shape", "parameters")]
    counted: set[Stored] = set()
    for path, m, out in _in_order(network):
        own = [s for s in m._states.values() if s not in counted and s in network.parameters.values()]
        counted |= set(own)
        if m is net and m._children:
            continue
        shown = ", ".join(str(("N", *s[1:])).replace("'", "") for s in out)
        rows.append((f"{path or type(m).__name__}" + (f" ({type(m).__name__})" if path else ""), shown, f"{sum(math.prod(s.shape) for s in own):,}"))
    widths = [max(len(r[k]) for r in rows) for k in range(3)]
    lines = [f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:>{widths[2]}}" for a, b, c in rows]
    total = sum(math.prod(s.shape) for s in network.parameters.values())
    states = sum(math.prod(s.shape) for s in network.states.values()) - total
    rule = "-" * len(lines[0])
    last = f"parameters: {total:,}" + (f", states: {states:,}" if states else "")
    return Text("\n".join([lines[0], rule, *lines[1:], rule, last]))


def _in_order(network: Network) -> list[tuple[str, Module, tuple[Shape, ...]]]:
    """Modules before what is in them: they end after it."""
    found: list[tuple[str, Module, tuple[Shape, ...]]] = []
    for path, m, out in network.seen:
        k = len(found)
        while k and path != found[k - 1][0] and (not path or found[k - 1][0].startswith(f"{path}.")):
            k -= 1
        found.insert(k, (path, m, out))
    return found
