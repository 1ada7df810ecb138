"""A network's run that can be asked: the very programs of net(x), value_and_grad and a training step, with what went in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np

from ..engines.native.buffers import aligned
from ..errors import ArgumentError, ShapeError
from ..language.index import Poly
from ..language.tree import ZERO, Call, Const, Expr, Line, Read, add, mul, neg, sub
from ..nn.compiled import runner
from ..nn.graph import Graph
from ..nn.inference import type_of
from ..nn.losses import Total, as_loss
from ..nn.module import Module, as_module
from ..nn.network import LOSS, Network, numbered, own_arrays, written
from ..operation.arrays import to_array
from ..operation.op import Op
from ..train.bind import BEFORE, SEED, Built, build
from ..train.check import Data, as_trained, data_of, several, types, within
from ..train.optimizer import Optimizer
from ..train.step import TrainStep, own_transform
from .names import Names
from .record import DOUBLE, Arrays, Record

COPY = "copy:"


@dataclass(frozen=True)
class Run:
    """Formulas that the machine runs, and all that goes in. outputs: what it gives anyway; update: new value -> what it replaces."""

    network: Network
    graph: Graph
    outputs: tuple[str, ...]
    given: Arrays
    ports: Mapping[str, np.dtype]
    dtype: np.dtype
    samples: int
    update: Mapping[str, str]
    rows: tuple[str, ...] = ()

    def machine(self, names: Sequence[str], dtype: np.dtype) -> Arrays:
        """Tensors by machine code. What the program keeps for itself is copied out of it: it is computed as without that."""
        g = replace(
            self.graph,
            lines=list(self.graph.lines),
            shapes=dict(self.graph.shapes),
            sampled=set(self.graph.sampled),
            known=set(self.graph.known),
        )
        copies = {k: copied(g, k) for k in names if k not in self.outputs}
        outputs = (*self.outputs, *copies.values())
        ports = {k: t if t.kind in "iub" else dtype for k, t in self.ports.items()}
        runs = runner(g, ports, outputs, dtype, self.samples, dict(self.update), [k for k in self.rows if g.free])
        arrays = {k: memory(a, ports.get(k, dtype)) for k, a in self.given.items()}
        arrays |= {k: arrays[self.update[k]] if k in self.update else aligned(g.shapes[k], dtype) for k in outputs}
        order = np.arange(self.samples) if self.rows and g.free else None
        runs.run(arrays, self.samples if g.free else 1, order=order, whole=bool(self.rows))
        found = {k: arrays[copies.get(k, k)].copy() for k in names}
        return found | {k: arrays[k].copy() for k in self.outputs}


def memory(a: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """A copy in memory as machine code wants it."""
    out = aligned(a.shape, dtype)
    out[...] = a
    return out


def copied(g: Graph, tensor: str) -> str:
    """A line that copies a tensor; the copy's name."""
    name, shape = f"{COPY}{tensor}", g.shapes[tensor]
    is_sampled = g.free and tensor in g.sampled
    letters = tuple(f"i{k}" for k in range(len(shape)))
    ranges = tuple(Poly.name("N") if is_sampled and k == 0 else Poly.of(s) for k, s in enumerate(shape))
    g.append(Line(name, letters, ranges, Read(tensor, tuple(map(Poly.name, letters)))))
    g.like(name, tensor)
    return name


def record(
    net: Module,
    loss: object,
    x: object,
    t: object,
    opt: Optimizer | None = None,
    state: Mapping[str, object] | None = None,
    transform: Op | None = None,
    training: bool = True,
    engine: str = "",
) -> Record:
    """A run of a network; see `why`."""
    as_module(net)
    if engine not in ("", "native", "reference"):
        raise ArgumentError(f"engine={engine!r:.80}: there is no such engine; accepted: 'native' or 'reference', or '' for what the size suggests")
    if loss is None:
        if t is not None or opt is not None:
            raise ArgumentError("loss=None: nothing is made of targets or an optimiser without a loss; accepted: a loss, or t=None and opt=None")
        run = _forward(net, None, _inputs(x), transform)
    elif opt is not None:
        if not training:
            raise ArgumentError("training=False: a step is made of the training form; accepted: opt=None with it")
        run = _step(net, loss, opt, _pair(x, t), {} if state is None else state, transform)
    elif state is not None:
        raise ArgumentError("state: belongs to an optimiser; accepted: opt=… with it")
    elif training:
        run = _gradients(net, as_loss(loss), _pair(x, t), transform)
    else:
        run = _forward(net, as_loss(loss), _pair(x, t), transform)
    return _recorded(net, run, engine)


def _pair(x: object, t: object) -> Data:
    """Inputs and targets; a target without axes is that of one sample."""
    if not isinstance(t, tuple) and t is not None and np.ndim(t) == 0 and not isinstance(x, tuple):  # type: ignore[arg-type]  # whatever it is
        return data_of(to_array(x, "input")[None], to_array(t, "target")[None])
    return data_of(x, t)


def _inputs(x: object) -> Data:
    xs = several(x)
    found = {name: to_array(v, name) for name, v in zip(numbered("input", len(xs)), xs, strict=True)}
    for name, a in found.items():
        if a.ndim < 1 or 0 in a.shape:
            raise ShapeError(f"{name} with shape {a.shape}: no samples; accepted: samples first, at least one")
    return Data(found, {})


def _forward(net: Module, loss: Total | None, data: Data, transform: Op | None) -> Run:
    """The inference form, and perhaps its loss."""
    own, dtype, n = own_transform(net, data, transform), type_of(net, list(data.inputs.values())), len(data)
    network = written(net, *data.shapes(n)[:1], False, own, loss, data.shapes(n)[1], dtype=dtype)
    outputs = (LOSS, *network.outputs) if loss is not None else network.outputs
    g = network.graph(outputs)
    data = within(network, g, as_trained(net, network, data))
    given = _own(network, g, dtype) | data.all
    return _run(network, g, outputs, given, data, dtype, {})


def _gradients(net: Module, loss: Total, data: Data, transform: Op | None) -> Run:
    """The program of value_and_grad; of inputs that are whole numbers, the gradient of what the transform makes of them."""
    own, dtype, n = own_transform(net, data, transform), type_of(net, list(data.inputs.values())), len(data)
    wanted = [k for k, a in data.inputs.items() if a.dtype.kind == "f"]
    if not wanted and own is not None:
        wanted = [f"pixels.{own.definition.outputs[0].name}"]
    built = build(net, loss, *data.shapes(n), wanted, None, own, dtype=dtype)
    data = within(built.network, built.graph, as_trained(net, built.network, data))
    given = _own(built.network, built.graph, dtype) | data.all | {SEED: np.ones((), DOUBLE)}
    return _run(built.network, built.graph, built.outputs, given, data, dtype, {})


def _run(network: Network, g: Graph, outputs: tuple[str, ...], given: Arrays, data: Data, dtype: np.dtype, update: Mapping[str, str]) -> Run:
    """Of what goes in a copy is kept: its owner may train on, or use a batch's memory again, before a number is asked for."""
    given = {k: a.copy() for k, a in given.items()}
    ports = dict.fromkeys(given, dtype) | types(network, data, dtype)
    ports |= {k: given[k].dtype for k in network.constants if k in g.limits}
    return Run(network, g, outputs, given, {k: v for k, v in ports.items() if k not in g.scalars}, dtype, len(data), update)


def _own(network: Network, g: Graph, dtype: np.dtype) -> Arrays:
    """What a network has of its own; numbers that formulas are written with as they are."""
    exact = {k: np.asarray(a, DOUBLE) for k, a in network.constants.items() if k not in g.limits}
    return own_arrays(network, g, dtype) | exact | {k: np.asarray(v, DOUBLE) for k, v in g.scalars.items()}


def _step(net: Module, loss: object, opt: Optimizer, data: Data, state: Mapping[str, object], transform: Op | None) -> Run:
    """A training step, of which nothing is kept."""
    step = TrainStep(net, loss, opt, _one(data.inputs), _one(data.targets), len(data), transform)
    _carried(step, state)
    built: Built = step.runners[step.batch][1]
    g, n = built.graph, len(step.data)
    given = {k: a for k, a in step.arrays().items() if k not in built.outputs} | _own(built.network, g, step.dtype) | step.data.all
    given |= {k: np.asarray(v, DOUBLE) for k, v in built.numbers.items()} | {SEED: np.ones((), DOUBLE)}
    made = _run(built.network, g, built.outputs, given, step.data, step.dtype, built.update)
    return replace(made, rows=tuple(types(built.network, step.data, step.dtype)), samples=n)


def _one(arrays: Mapping[str, np.ndarray]) -> object:
    rows = tuple(arrays.values())
    return rows[0] if len(rows) == 1 else rows


def _carried(step: TrainStep, state: Mapping[str, object]) -> None:
    """Put in what the optimiser carries from the steps before."""
    if not isinstance(state, Mapping):
        raise ArgumentError(f"state={state!r:.80}: not what an optimiser carries; accepted: a dict, as TrainStep.states")
    shown = {BEFORE: "step"} | {k: k.removeprefix(".") for k in step.states if k != BEFORE}
    names = {name: k for k, name in shown.items()} | {k: k for k in step.states}
    for name, value in state.items():
        if name not in names or names[name] not in step.states:
            raise ArgumentError(
                f"state {name!r:.80}: the optimiser carries no such thing; accepted: {', '.join(shown[k] for k in step.states) or 'none'}"
            )
        into, a = step.states[names[name]], to_array(value, f"state {name!r}")
        is_count = names[name] == BEFORE
        if a.dtype.kind not in ("iu" if is_count else "iuf") or (is_count and (a < 0).any()):
            what = "a number of steps, from 0 on" if is_count else "numbers"
            raise ArgumentError(f"state {name!r:.80} is {value!r:.80}: not what the optimiser carries; accepted: {what}")
        if a.shape != into.shape:
            raise ShapeError(f"state {name!r} with shape {a.shape}: does not fit; accepted: {into.shape}")
        into[...] = a


def _recorded(net: Module, run: Run, engine: str) -> Record:
    """A run as what can be asked."""
    g = run.graph
    program = replace(g.program("network", tuple(run.ports), run.outputs, run.update), samples=run.samples)
    changes, lines = changed(run)
    known = Names(net, run.network, g, run.update)
    return Record(
        replace(program, lines=(*program.lines, *lines)),
        run.given,
        run.dtype,
        run.machine,
        frozenset(run.outputs),
        known.about,
        known.called,
        changes,
        engine,
    )


def changed(run: Run) -> tuple[dict[str, tuple[str, str]], list[Line]]:
    """({change: (new, old)}, lines): what a step adds to each parameter, by the formula of its new value."""
    changes, lines = dict[str, tuple[str, str]](), list[Line]()
    parameters = run.network.parameters
    for line in run.graph.lines:
        old = run.update.get(line.tensor, "")
        if old in parameters:
            name = f"{old}.update"
            changes[name] = line.tensor, old
            lines.append(replace(line, tensor=name, expr=without(line.expr, Read(old, line.index))))
    return changes, lines


def without(e: Expr, old: Read) -> Expr:
    """e less a read, which is left out of a sum that has it."""
    rows = _added(e, old)
    if (1, old) in rows:
        rows.remove((1, old))
    else:
        rows.append((-1, old))
    start: Expr = ZERO
    return reduce(lambda a, b: add(a, b[1]) if b[0] > 0 else sub(a, b[1]) if a != ZERO else neg(b[1]), rows, start)


def _added(e: Expr, old: Read) -> list[tuple[int, Expr]]:
    """What is added and subtracted, each with its sign; old * (1 - a) is old - a * old."""
    match e:
        case Call("+", (a, b)):
            return _added(a, old) + _added(b, old)
        case Call("-", (a, b)):
            return _added(a, old) + [(-s, x) for s, x in _added(b, old)]
        case Call("neg", (a,)):
            return [(-s, x) for s, x in _added(a, old)]
        case Call("*", (Call("-", (Const(1), a)), b) | (b, Call("-", (Const(1), a)))) if b == old:
            return [(1, old), (-1, mul(a, old))]
    return [(1, e)]
