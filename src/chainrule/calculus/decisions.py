"""Decisions that gradients read instead of guessing again: which term of a max or min won."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..language.functions import Kind
from ..language.index import Poly
from ..language.tree import Line, Read, Reduce, free_names, neg


def winner(e: Reduce, bound: Mapping[str, Poly], lines: list[Line], name: Callable[[], str]) -> Read:
    """A read of the tensor that says which term of e won, defined by a line that is added to `lines` if it is new.

    bound: the letters around e with their ranges; name: gives a new tensor's name.
    """
    body = e.body if e.kind is Kind.MAX else neg(e.body)
    needed = free_names(e)
    free = tuple(x for x in bound if x in needed)
    wanted = Reduce(Kind.ARGMAX, e.letters, e.ranges, body)
    line = next((x for x in lines if (x.letters, x.expr) == (free, wanted)), None)
    if line is None:
        line = Line(name(), free, tuple(bound[x] for x in free), wanted)
        lines.append(line)
    return Read(line.tensor, tuple(map(Poly.name, free)))
