"""One definition from several: operations end to end, and a network with its loss, with names that a reader knows."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from ..errors import ArgumentError, ShapeError
from ..language.index import Poly
from ..language.tree import Definition, Line, Tensor, fresh_name, letters_of, reads, rename_bound, rename_tensors, subs
from ..nn import inference
from ..nn.losses import as_loss
from ..nn.module import Module
from ..operation.derivative import named
from ..operation.op import Op

Shapes = Sequence[tuple[int, ...]]


def chain(parts: Sequence[object]) -> tuple[Op, dict[str, str]]:
    """Operations, texts and layers one after the other: what one gives out goes first into the next."""
    if not parts:
        raise ArgumentError("[]: nothing to differentiate; accepted: operations, texts or layers, one after the other")
    first, *rest = (named(p)[0] for p in parts)
    whole = first.definition
    for op in rest:
        ranks = {x: len(t.axes) for x, t in zip(op.inputs, whole.outputs, strict=False)}
        whole = _after(whole, op.at({x: k for x, k in ranks.items() if op.axes_of(x) is None}).definition)
    return Op.of(whole), {}


def _after(a: Definition, b: Definition) -> Definition:
    """b of the outputs of a."""
    if len(b.inputs) < len(a.outputs):
        raise ArgumentError(f"{b.name}: takes {len(b.inputs)} inputs, {a.name} gives {len(a.outputs)}; accepted: one that takes all of them first")
    sizes: dict[str, Poly] = {b.sample_size: Poly.name(a.sample_size)}
    swap: dict[str, str] = {}
    for given, wanted in zip(a.outputs, b.inputs, strict=False):
        if len(given.axes) != len(wanted.axes):
            raise ShapeError(f"{a.name} gives {given.name} with {len(given.axes)} axes: {b.name} takes {wanted.name} with {len(wanted.axes)}")
        for p, q in zip(wanted.axes, given.axes, strict=True):
            if p.letter and sizes.setdefault(p.letter, q) != q:
                raise ShapeError(f"{a.name} gives {given.name} with an axis of {q}: {b.name} takes {sizes[p.letter]} there")
        swap[wanted.name] = given.name
    taken = set(a.names)
    own = {t.name for t in (*b.inputs, *b.outputs)} | {x.tensor for x in b.lines}
    for name in [*(t for t in sorted(own) if t not in swap), *(s for s, _ in b.settings)]:
        if name in taken:
            swap[name] = fresh_name(name, taken | set(b.names))
        taken.add(swap.get(name, name))
    mine = {s: Poly.name(swap[s]) for s, _ in b.settings if s in swap}
    letters = {p.letter for t in b.inputs for p in t.axes if p.letter} - sizes.keys()
    mine |= {x: Poly.name(fresh_name(x, taken)) for x in letters if x in taken} | sizes
    b = renamed(_apart(b, {x for p in mine.values() for x in p.names} | {s for s, _ in a.settings}), swap, mine)
    inputs = a.inputs + b.inputs[len(a.outputs) :]
    settings = a.settings + tuple((swap.get(s, s), v) for s, v in b.settings)
    return Definition(f"{a.name}_{b.name}", inputs, settings, b.outputs, a.lines + b.lines, a.sample_size)


def _apart(d: Definition, names: Collection[str]) -> Definition:
    """A definition none of whose letters has one of these names, which come to mean something else in it."""

    def line(x: Line) -> Line:
        avoid = set(names) | d.names
        swap = {a: Poly.name(fresh_name(a, avoid)) if a in names else Poly.name(a) for a in x.letters}
        expr = subs(rename_bound(x.expr, set(names), lambda a: fresh_name(a, avoid)), swap)
        target = None if x.target is None else tuple(p.subs(swap) for p in x.target)
        return Line(x.tensor, tuple(map(str, swap.values())), x.ranges, expr, target)

    return d.with_lines(lines=tuple(map(line, d.lines)))


def renamed(d: Definition, tensors: Mapping[str, str], sizes: Mapping[str, Poly] | None = None) -> Definition:
    """A definition with other names for tensors and, in the sizes' places, other sizes."""
    sizes = sizes or {}

    def tensor(t: Tensor) -> Tensor:
        limits = None if t.whole is None else tuple(p.subs(sizes) for p in t.whole)
        return Tensor(tensors.get(t.name, t.name), tuple(p.subs(sizes) for p in t.axes), limits)

    def line(x: Line) -> Line:
        inner = {k: v for k, v in sizes.items() if k not in x.letters}
        target = None if x.target is None else tuple(p.subs(inner) for p in x.target)
        expr = rename_tensors(subs(x.expr, inner), tensors)
        return Line(tensors.get(x.tensor, x.tensor), x.letters, tuple(p.subs(inner) for p in x.ranges), expr, target)

    return d.with_lines(
        inputs=tuple(map(tensor, d.inputs)), outputs=tuple(map(tensor, d.outputs)), lines=tuple(map(line, d.lines)),
    )  # fmt: skip


def network(net: Module, shapes: Shapes, loss: object = None, targets: Shapes | None = None) -> tuple[Op, dict[str, str]]:
    """(the network's formulas with its loss, their input for each public name) for inputs of these shapes, without samples."""
    if loss is None:
        program = net.program(*((1, *s) for s in shapes))
        return Op.of(program.definition), dict(program.names)
    outputs = net.program(*((1, *s) for s in shapes)).definition.outputs
    sizes = {p.constant for t in outputs for p in t.axes}
    samples = next(k for k in range(2, len(sizes) + 3) if k not in sizes)  # no other axis: nothing is taken for samples that is none
    whole = _WithLoss(net, loss, len(shapes))
    last: Exception | None = None
    for guess in [targets] if targets is not None else _targets(outputs):
        try:
            program = inference.program(whole, [(samples, *s) for s in (*shapes, *guess)], training=True)
            break
        except (ShapeError, ArgumentError) as e:
            last = last or e
    else:
        raise last or ArgumentError(f"loss={loss!r:.60}: no targets fit; accepted: targets=[(…), …], their shapes without samples")
    d, public = program.definition, dict(program.names)
    given = {public[k] for k in public if k.startswith("input")}
    read = {r.tensor for line in d.lines for r in reads(line.expr)}
    unread = {t.name for t in d.inputs} - read - given  # what training only renews
    d = d.with_lines(inputs=tuple(t for t in d.inputs if t.name not in unread))
    return _readable(d, {k: v for k, v in public.items() if v not in unread}, len(shapes))


def _targets(outputs: Sequence[Tensor]) -> list[Shapes]:
    """Shapes of targets, without samples, that a loss may take: class numbers, or like the outputs."""
    like = [tuple(int(p.constant or 1) for p in t.axes[1:]) for t in outputs]
    return [[s[1:] for s in like], like]


class _WithLoss(Module):
    """The loss of a network's outputs, as one module."""

    def __init__(self, net: Module, loss: object, inputs: int):
        self.net = net
        if isinstance(loss, Module):
            self.made = loss
        object.__setattr__(self, "total", as_loss(loss))
        object.__setattr__(self, "inputs", inputs)

    def forward(self, *given: object) -> object:
        made = self.net(*given[: self.inputs])  # type: ignore[attr-defined]  # set above
        return self.total(made if isinstance(made, tuple) else (made,), tuple(given[self.inputs :]))  # type: ignore[attr-defined]  # set above


def _readable(d: Definition, public: Mapping[str, str], inputs: int) -> tuple[Op, dict[str, str]]:
    """A network with its loss under the names of papers: x and t, weight0 and y0 of layer 0, E."""
    taken = {x for line in d.lines for x in (*line.letters, *letters_of(line.expr))}
    swap: dict[str, str] = {}
    names: dict[str, str] = {}
    for name, tensor in public.items():
        path = name.removeprefix("net.").replace(":", ".").split(".")
        k = int(name[5:]) if name.startswith("input") and name[5:].isdigit() else None
        if k is not None:
            plain, known = ("x" if k < inputs else "t"), "input" if k < inputs else "target"
        elif path[0] in ("made", ""):
            plain, known = path[-1], path[-1]
        else:
            plain, known = path[-1] + "_".join(path[:-1]), ".".join(path)
        swap[tensor] = fresh_name(plain if plain.isidentifier() else tensor, taken)
        taken.add(swap[tensor])
        names[known] = swap[tensor]
    return Op.of(renamed(d, swap).with_lines(name="network")), names
