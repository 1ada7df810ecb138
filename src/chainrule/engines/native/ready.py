"""Which definitions vectors may run over the samples of."""

from __future__ import annotations

from ...language.functions import COUNTING, Kind
from ...language.index import Poly
from ...language.tree import Call, Definition, Expr, Index, Read, Reduce, walk


def lane_ready(d: Definition) -> bool:
    """Whether every line speaks of one sample at a time, or sums over samples: then vectors may run over samples.

    The sample axis must come first, be read at the line's own sample letter and nowhere else, and be reduced by sum or mean
    only.
    """
    size = Poly.name(d.sample_size)
    if not any(size in axes for axes in d.axes.values()):
        return False
    for axes in d.axes.values():
        if any(d.sample_size in p.names for p in axes[1:]) or (axes and d.sample_size in axes[0].names and axes[0] != size):
            return False
    for line in d.lines:
        own = line.letters[0] if line.ranges and line.ranges[0] == size else None
        if not _one_sample(line.expr, own, d, size, own is None):
            return False
    return True


def _one_sample(e: Expr, letter: str | None, d: Definition, size: Poly, may_sum: bool) -> bool:
    if isinstance(e, Read):
        axes = d.axes[e.tensor]
        sampled = bool(axes) and axes[0] == size
        if sampled and (letter is None or e.index[0].letter != letter):
            return False
        return not any(letter in p.names or d.sample_size in p.names for p in e.index[sampled:])
    if isinstance(e, Index):
        return letter not in e.expr.names
    if isinstance(e, Reduce):
        summed = [x for x, r in zip(e.letters, e.ranges, strict=True) if d.sample_size in r.names]
        if not summed:
            return _one_sample(e.body, letter, d, size, may_sum)
        plain = all(r == size for x, r in zip(e.letters, e.ranges, strict=True) if x in summed)
        if not may_sum or len(summed) != 1 or not plain or e.kind not in (Kind.SUM, Kind.MEAN):
            return False
        return _one_sample(e.body, summed[0], d, size, False)
    if isinstance(e, Call) and e.fn in COUNTING:  # a sample's number may be counted with, but is no value
        return all(_one_sample(a, letter, d, size, may_sum) for a in walk(e) if isinstance(a, Read))
    return all(_one_sample(a, letter, d, size, may_sum) for a in e.args) if isinstance(e, Call) else True
