"""Operations of the library, or of a user's own text, inside an ordinary function: they are formulas already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np

from ..language.bind import fixed
from ..language.tree import Definition, needed
from ..operation.op import Op
from .registry import plain, real
from .rule import Formula, Rule, Shape
from .tape import apply


def applied(op: Op, args: Sequence[Any], given: Mapping[str, Any]) -> Any:
    """The operation's outputs, remembered by the formulas of each."""
    inputs = dict(zip(op.inputs, args, strict=False)) | {k: v for k, v in given.items() if k in op.inputs}
    settings = {k: v for k, v in given.items() if k not in op.inputs and k != "threads" and k != "engine"}
    form, arrays, numbers = op.meant((), {k: plain(v) for k, v in inputs.items()} | settings)
    d = fixed(form.definition, numbers)
    values = [real(inputs[k]) if inputs[k] is not arrays[k] else arrays[k] for k in arrays]
    shapes = tuple(np.shape(v) for v in values)
    out = [apply(rule_of(d, t.name, shapes), values) for t in d.outputs]
    return out[0] if len(out) == 1 else tuple(out)


@lru_cache(1024)
def rule_of(d: Definition, output: str, shapes: tuple[Shape, ...]) -> Rule:
    outputs = tuple(t for t in d.outputs if t.name == output)
    return Rule(Formula(replace(d, outputs=outputs, lines=needed(d.lines, {output}), source="")), shapes)
