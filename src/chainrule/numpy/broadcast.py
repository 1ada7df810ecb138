"""Broadcasting is a formula of its own: y[i,j] = x[0,j]. What comes back through it is the sum that its gradient is."""

from __future__ import annotations

from dataclasses import replace
from functools import cache, lru_cache

import numpy as np

from .letters import letters, tensor
from .rule import Formula, Rule, Shape, formula


@lru_cache(4096)
def spreading(small: Shape, large: Shape) -> Rule:
    """y = x in a larger shape, as NumPy broadcasts it."""
    return Rule(formula(text(small, large)), (small,), lambda x: np.broadcast_to(x, large))


def text(small: Shape, large: Shape) -> str:
    first = len(large) - len(small)  # (an axis of no places stands as one of 1: there is nothing to compute for it)
    out = letters(len(large))
    kept = {x for x, a, b in zip(out[first:], small, large[first:], strict=True) if a == b}
    axes = [x.upper() if x in kept else "1" for x in out[first:]]
    read = [x if x in kept else "0" for x in out[first:]]
    wide = [x.upper() if x in kept else str(size or 1) for x, size in zip(out, large, strict=True)]
    return f"spread({tensor('x', axes)}) -> {tensor('y', wide)}\n  {tensor('y', out)} = {tensor('x', read)}"


@lru_cache(4096)
def gathering(large: Shape, small: Shape) -> Rule:
    """The way back, of what comes back alone: its sum over the axes that were made."""
    return Rule(gathered(text(small, large)), (large,))


@cache
def gathered(text: str) -> Formula:
    back = formula(text).back(0)
    assert back is not None
    d = back.definition
    return Formula(replace(d, inputs=d.inputs[-1:], source=""))
