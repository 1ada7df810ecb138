"""The operation that a layer is: one call of its forward, with the layer's parameters by name and its settings as numbers."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING

from ..errors import ArgumentError, ChainruleError
from ..language.bind import fixed
from ..language.display import Item, Title
from ..language.formula import Setter
from ..operation.op import Op
from .arguments import is_whole
from .tensors import Symbol
from .trace import Trace

if TYPE_CHECKING:
    from .module import Module

RANKS = (2, 4, 3, 1, 5)  # axes that a layer's input may have, the usual ones first
MANY = 60  # places along an axis of which nothing is known: enough for windows, and many numbers divide it


class _Probe(Trace):
    """Writes down what operation forward calls, and with what; there are no sizes yet."""

    found: tuple[Op, Mapping[str, Symbol], Mapping[str, int | float]] | None = None

    def apply(self, operation: Op, args: Sequence[object], given: Mapping[str, object]) -> Symbol | tuple[Symbol, ...]:
        if self.found is not None:
            raise ArgumentError(f"{operation.name}: a second operation")
        fitted, symbols, numbers = self.meant(operation, args, given)
        self.found = fitted, symbols, numbers
        out = tuple(Symbol(self, f".{t.name}", (1,) * len(t.axes)) for t in fitted.definition.outputs)
        return out[0] if len(out) == 1 else out


def operation_of(m: Module) -> tuple[Op, dict[str, str]]:
    """(operation, its input for each name in state_dict, for `input`, and for what else forward takes, by its name there)."""
    names = _taken(m)
    for shapes in (row for shape in _shapes(m) for row in product([shape], *[(shape, shape[:1])] * (len(names) - 1))):
        probe = _Probe(m, True, 1)
        with probe.running():
            xs = [probe.input(name, shape) for name, shape in zip(names, shapes, strict=True)]
            try:
                y = m.forward(*xs)
            except ChainruleError:
                continue
        if probe.found is None or not isinstance(y, Symbol) or y.name != f".{probe.found[0].definition.outputs[0].name}":
            continue
        op, symbols, numbers = probe.found
        public = {probe.names[s]: name for name, s in m.named_states()} | dict(zip(names, names, strict=True))
        return Op.of(fixed(op.definition, numbers), op.doc), {public[s.name]: k for k, s in symbols.items() if s.name in public}
    raise ArgumentError(
        f"{type(m).__name__}: not one operation of its input and parameters; accepted: its program for inputs of a shape, as in net.program((64, 3, 32, 32))"
    )


def items_of(m: Module, path: str = "", level: int = 0) -> Iterator[Item]:
    """What a module computes, for pages: the formula of one that is an operation, else of its parts one after the other."""
    yield Title(f"{path}: {type(m).__name__}" if path else type(m).__name__, min(level, 3))
    try:
        op = operation_of(m)[0]
    except ChainruleError:
        for name, child in m.named_children():
            yield from items_of(child, f"{path}.{name}" if path else name, level + 1)
        return
    yield from (Setter(op.definition.axes).line(line) for line in op.definition.lines)


def _taken(m: Module) -> list[str]:
    """What forward must be given: `input`, and others by their names."""
    rows = inspect.signature(m.forward).parameters.values()
    needed = [p.name for p in rows if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return ["input", *needed[1:]]


def _shapes(m: Module) -> Iterator[tuple[int, ...]]:
    """Shapes that forward may take: layers ask for as many channels, or last places, as their parameters have."""
    told = [v for v in m.__dict__.values() if is_whole(v) and 0 < v <= 1 << 20]  # its arguments, as in_channels
    sizes = dict.fromkeys([MANY, *(k for s in m._all_states() for k in s.shape), *told])
    for rank in RANKS:
        for size in sizes:
            yield from dict.fromkeys([(1, size, *(MANY,) * (rank - 2))[:rank], (1, *(size,) * (rank - 1))])
