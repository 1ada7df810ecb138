"""A network's operations, loss and updates as one list of formulas, with every tensor under its public name.

    calls -> forward lines -> backward lines -> + updates

Nothing here computes: lines are bound to sizes, their tensors renamed ("0.weight", "0.weight.grad"), and put end to end.
"""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any

import numpy as np

from ..errors import ShapeError
from ..language import tree
from ..language.functions import COUNTING
from ..language.index import Poly
from ..language.program import Program, whole_numbers
from ..language.source import make_room
from ..language.tree import Line, rename_tensors, subs
from ..operation.op import Op
from .trace import Call

Shape = tuple[int, ...]
SAMPLES = "N"  # the one name of the number of samples in a network's formulas


@dataclass
class Graph:
    """Lines so far, and the shape of every tensor by public name."""

    samples: int  # how many, where formulas cannot leave it open
    free: bool  # the number of samples stays open: vectors may run over them
    lines: list[Line] = field(default_factory=list)
    shapes: dict[str, Shape] = field(default_factory=dict)
    sampled: set[str] = field(default_factory=set)
    bound: list[tuple[Program, Mapping[str, str]]] = field(default_factory=list)  # of operations that compute with the data's whole numbers
    known: set[str] = field(default_factory=set)
    scalars: dict[str, float] = field(default_factory=dict)  # settings of operations that are numbers, not sizes
    limits: dict[str, int | None] = field(default_factory=dict)  # of tensors declared to hold whole numbers: what they lie below

    def add(
        self, op: Op, names: Mapping[str, str], settings: Mapping[str, int | float], prefix: str, only: set[str] | None = None, shared: str = ""
    ) -> None:
        """Append an operation's lines: its tensors get the names given, others `prefix:name`; `only` picks lines.

        shared: what is put in front of the names of numbers that depend on no tensor, and are the same for all such operations.
        """
        d = op.definition
        for t in d.inputs:
            if not t.axes:
                self.shapes.setdefault(names[t.name], ())
        free = self.free and any(names[t.name] in self.sampled for t in d.inputs)
        bound = op.bound({t.name: self.full(names[t.name]) for t in d.inputs}, dict(d.settings) | dict(settings), free)
        if bound.reaches:
            self.bound.append((bound, {t.name: names[t.name] for t in d.inputs}))
        for t in bound.inputs:
            if t.whole is not None:
                found = [*(int(p.constant or 0) for p in t.whole), *[b for b in [self.limits.get(names[t.name])] if b is not None]]
                self.limits[names[t.name]] = min(found, default=None)
        full = {t: names.get(t, f"{prefix}:{t}") for t in d.axes}  # a colon: what is inside an operation meets no public name
        for k in bound.scalars:
            full[k] = f"{prefix}:{k}"
            self.scalars[full[k]] = float(settings.get(k, dict(d.settings)[k]))
            self.declare(full[k], (), False)
        if shared:
            full |= {t: f"{shared}:{t}" for t in _numbers(op) if t not in names}
        for line in bound.lines:
            name = full[line.tensor]
            if name in self.known or (only is not None and line.tensor not in only):
                continue
            expr = counted(rename_tensors(line.expr, full), self.known)
            ranges = line.ranges
            if free and d.sample_size != SAMPLES:
                change = {d.sample_size: Poly.name(SAMPLES)}
                expr, ranges = subs(expr, change), tuple(p.subs(change) for p in ranges)
            self.append(replace(line, tensor=name, expr=expr, ranges=ranges))
            self.declare(
                name, tuple(bound.shapes[line.tensor]), free and bool(d.axes[line.tensor]) and d.axes[line.tensor][0].letter == d.sample_size
            )

    def append(self, line: Line) -> None:
        self.known.add(line.tensor)
        self.lines.append(line)

    def declare(self, name: str, shape: Shape, sampled: bool) -> None:
        """A tensor's full shape, and whether its first axis is the batch's."""
        self.shapes[name] = shape
        if sampled:
            self.sampled.add(name)

    def like(self, name: str, tensor: str) -> None:
        """A tensor of the shape of another."""
        self.declare(name, self.shapes[tensor], tensor in self.sampled)

    def total(self, name: str, parts: Sequence[str], tensor: str) -> None:
        """Append a line that adds tensors of one shape, zeros where there are none; a single one stands for itself."""
        if len(parts) == 1 or name in self.known:
            return
        sampled = self.free and tensor in self.sampled
        inner = self.shapes[tensor][sampled:]
        letters = (*(("n",) if sampled else ()), *(f"i{k}" for k in range(len(inner))))
        ranges = (*((Poly.name(SAMPLES),) if sampled else ()), *map(Poly.of, inner))
        make_room(len(parts) + 50)
        reads: list[tree.Expr] = [tree.Read(p, tuple(map(Poly.name, letters))) for p in parts]
        expr = reduce(lambda a, b: tree.Call("+", (a, b)), reads) if reads else tree.Const(0)
        self.append(Line(name, letters, ranges, expr))
        self.like(name, tensor)

    def full(self, name: str) -> Shape:
        return self.shapes[name]

    def program(self, name: str, inputs: Sequence[str], outputs: Sequence[str], update: Mapping[str, str]) -> Program:
        """All lines as one program, with what goes in and what comes out by public names."""

        def tensor(t: str) -> tree.Tensor:
            first = (Poly.name(SAMPLES),) if self.free and t in self.sampled else ()
            whole = None if t not in self.limits else () if self.limits[t] is None else (Poly.of(self.limits[t] or 0),)
            return tree.Tensor(t, (*first, *map(Poly.of, self.shapes[t][len(first) :])), whole)

        sample = SAMPLES if self.free else ""
        given = tuple(map(tensor, dict.fromkeys(inputs)))
        made = tuple(replace(tensor(t), whole=None) for t in outputs)
        return Program(
            name, given, made, tuple(self.lines), dict(self.shapes), sample, self.samples, tuple(self.scalars.items()),
            tuple(update.items()),
        )  # fmt: skip


def counted(e: tree.Expr, computed: Collection[str]) -> tree.Expr:
    """e with what random numbers are counted by, where it is computed, as the whole number that is meant."""

    def rounded(a: tree.Expr) -> tree.Expr:
        if isinstance(a, tree.Read):
            return tree.Call("round", (a,)) if a.tensor in computed else a
        return tree.rebuild(a, rounded)

    if isinstance(e, tree.Call) and e.fn in COUNTING:
        return tree.Call(e.fn, tuple(map(rounded, e.args)))
    return tree.rebuild(e, lambda a: counted(a, computed))


def _numbers(op: Op) -> set[str]:
    """Tensors inside an operation that are numbers computed of numbers alone."""
    d = op.definition
    found = {t.name for t in d.inputs if not t.axes and f"{t.name}_new" not in d.axes}
    own: set[str] = set()
    for line in d.lines:
        if not line.letters and all(r.tensor in found for r in tree.reads(line.expr)):
            found.add(line.tensor)
            own.add(line.tensor)
    return own


def leading_to(op: Op, outputs: Iterable[str]) -> set[str]:
    """The lines of an operation that these outputs of it depend on."""
    return {line.tensor for line in tree.needed(op.definition.lines, set(outputs))}


def signature(calls: Sequence[Call]) -> tuple[object, ...]:
    """What a program is made of, as a key. It holds the operations themselves, so that none of them can go and
    leave its identity to another."""
    return tuple((c.op, tuple(c.names.items()), tuple(c.settings.items()), c.prefix, c.still) for c in calls)


def ready_for_lanes(calls: Sequence[Call], sampled: Iterable[str] = ("input", "target")) -> bool:
    """Whether the number of samples may stay open: every operation on samples speaks of one at a time, and its sample axes
    are the batch's."""
    known = set(sampled)
    for c in calls:
        if not known.intersection(c.inputs):
            continue
        d = c.op.definition
        first = {c.names[t.name]: bool(t.axes) and t.axes[0].letter == d.sample_size for t in d.inputs + d.outputs}
        if not c.op.lane_ready or any(first[x] != (x in known) for x in c.inputs):
            return False
        known |= {x for x in c.outputs if first[x]}
    return True


def needed(calls: Sequence[Call], wanted: Iterable[str]) -> list[Call]:
    """The calls that something wanted depends on, in order."""
    want, kept = set(wanted), []
    for c in reversed(calls):
        own = set(c.names.values()) - set(c.inputs)
        if want & own:
            kept.append(c)
            want |= set(c.inputs)
    return kept[::-1]


def forward(g: Graph, calls: Sequence[Call]) -> None:
    for c in calls:
        try:
            g.add(c.op, c.names, c.settings, c.prefix)
        except ShapeError as e:
            raise ShapeError(f"{c.who}: {e}") from None


def declared_whole(calls: Sequence[Call], name: str) -> bool:
    """Whether some operation declares this tensor to hold whole numbers."""
    return any(t.whole is not None and c.names[t.name] == name for c in calls for t in c.op.definition.inputs)


def whole_arrays(g: Graph, arrays: Mapping[str, np.ndarray], at: str = "", names: Mapping[str, str] | None = None) -> dict[str, np.ndarray]:
    """The arrays, with those that some operation declares to hold whole numbers checked and as such.

    names: what they are called in messages; `at` is put before the names of others."""
    out, shown = dict(arrays), names or {k: f"{at}{k}" for k in arrays}
    for name, below in g.limits.items():
        if name in out:
            out[name] = whole_numbers(shown[name], out[name], below)
    for bound, inner in g.bound:
        bound.check({t: out[inner[t]] for t in inner if inner[t] in out})
    return out


_derived: weakref.WeakKeyDictionary[Op, dict[tuple[str, ...], tuple[Any, Op]]] = weakref.WeakKeyDictionary()


def gradient_of(op: Op, wrt: Sequence[str]) -> tuple[Any, Op]:
    """An operation's gradient, and the operation that it is."""
    known = _derived.setdefault(op, {})
    key = tuple(wrt)
    if key not in known:
        gradient = op.gradient(key)
        known[key] = gradient, op.derived(gradient.definition)
    return known[key]


def backward(g: Graph, calls: Sequence[Call], wanted: set[str], ends: Sequence[str] | None = None) -> dict[str, str]:
    """Lines for the gradients of the wanted tensors, from those of the ends (the last operation's outputs), which are inputs.

    A tensor that is read in several places gets the sum of what each contributes, one that is read nowhere gets zeros.
    Returns {tensor: its gradient's name}.
    """
    ends = calls[-1].outputs if ends is None else ends
    steps = [(c, *gradient_of(c.op, wrt), dict(c.names)) for c, wrt in _differentiated(calls, wanted, ends)]
    parts: dict[str, list[str]] = {x: [gradient_name(x)] for x in ends}
    readers = Counter([*parts, *(c.names[x] for c, gradient, _, _ in steps for x in gradient.of)])
    for c, gradient, _, names in steps:
        for x, derived in gradient.of.items():
            tensor = c.names[x]
            names[derived] = gradient_name(tensor) if readers[tensor] == 1 else f"{gradient_name(tensor)}.{c.prefix}.{x}"
            parts.setdefault(tensor, []).append(names[derived])

    def whole(tensor: str) -> str:
        """The name of a tensor's whole gradient."""
        found, name = parts.get(tensor, []), gradient_name(tensor)
        return found[0] if len(found) == 1 else f"{name}.all" if name in found else name

    for c, gradient, made, names in steps:
        for t in c.op.definition.outputs:
            names[gradient.seed[t.name]] = whole(c.names[t.name])
            g.like(whole(c.names[t.name]), c.names[t.name])
        g.add(made, names, c.settings, c.prefix, only={x.tensor for x in gradient.definition.lines[: gradient.forward]})
    for c, _, made, names in reversed(steps):
        for tensor in c.outputs:
            g.total(whole(tensor), parts.get(tensor, []), tensor)
        g.add(made, names, c.settings, c.prefix)
    for tensor in sorted(wanted):
        g.total(whole(tensor), parts.get(tensor, []), tensor)
    return {tensor: whole(tensor) for tensor in wanted}


def _differentiated(calls: Sequence[Call], wanted: set[str], ends: Sequence[str]) -> list[tuple[Call, list[str]]]:
    """The operations between the wanted tensors and the ends, in order, each with the inputs that matter."""
    moving, useful = set(wanted), set(ends)
    calls = [c for c in calls if not c.still]
    for c in calls:
        if moving & set(c.inputs):
            moving |= set(c.outputs)
    for c in reversed(calls):
        if useful & set(c.outputs):
            useful |= set(c.inputs)
    between = [c for c in calls if moving & set(c.inputs) and useful & set(c.outputs)]
    found = [(c, [t.name for t in c.op.definition.inputs if t.whole is None and c.names[t.name] in moving]) for c in between]
    return [(c, wrt) for c, wrt in found if wrt]


def reached(calls: Sequence[Call], wanted: Iterable[str], ends: Sequence[str]) -> list[str]:
    """Those of the wanted tensors that the ends depend on, in order."""
    names = list(wanted)
    found = {c.names[x] for c, wrt in _differentiated(calls, set(names), ends) for x in wrt}
    return [x for x in names if x in found]


def gradient_name(tensor: str) -> str:
    return f"{tensor}.grad"
