"""The engine as a glass box: the loop nests of an operation at sizes given by name."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import ArgumentError
from .op import Op

USUAL = {"H": 28, "W": 28, "K": 5, "L": 5, "C": 3, "O": 8}


def shapes_for(op: Op, sizes: Sequence[str]) -> tuple[dict[str, tuple[int, ...]], dict[str, int | float]]:
    """Shapes of the inputs and settings, from 'NAME=number' texts; sizes not named get small usual values."""
    d = op.definition
    known = {p.letter for t in d.inputs for p in t.axes if p.letter} | {k for k, _ in d.settings}
    given: dict[str, int | float] = {}
    for text in sizes:
        name, eq, value = text.partition("=")
        name = d.sample_size if name == "n" else name
        try:
            number = float(value) if "." in value else int(value)
        except ValueError:
            number = None
        is_size = name not in dict(d.settings)
        if not eq or number is None or name not in known or (is_size and (isinstance(number, float) or number < 1)):
            raise ArgumentError(f"{text!r}: not a size of {d.name}; accepted: NAME=number with NAME one of {', '.join(sorted(known))}")
        given[name] = number
    settings = {k: given.get(k, v) for k, v in d.settings}
    values: dict[str, int | float] = {}
    for t in d.inputs:
        for p in t.axes:
            if p.letter:
                values[p.letter] = given.get(p.letter, 64 if p.letter == d.sample_size else USUAL.get(p.letter, 8))
    shapes = {t.name: tuple(int(p.evaluate(values | settings)) for p in t.axes) for t in d.inputs}  # type: ignore[call-overload]  # whole sizes give whole numbers
    return shapes, settings


def loops_for(op: Op, sizes: Sequence[str] = (), backward: bool = False) -> str:
    """The compiled loop nests of an operation, or of its gradients."""
    shapes, settings = shapes_for(op, sizes)
    if not backward:
        return op.loops(**shapes, **settings)
    gradient = op.gradient([t.name for t in op.definition.inputs])
    outputs = op.evaluate({k: np.zeros(s) for k, s in shapes.items()}, settings, "reference")
    seeds = {gradient.seed[k]: np.shape(v) for k, v in outputs.items()}
    return Op.of(gradient.definition).loops(**shapes, **seeds, **settings)
