"""Operations that only move values, and the names of as many axes as an array has."""

import string
from functools import cache

from ..errors import ArgumentError
from .operation import Op, op


def axis_names(count: int) -> tuple[list[str], list[str]]:
    """Sizes and letters for `count` axes, of which none is the sample axis: A B C … and a b c …, then A1 B1 …

    >>> axis_names(3)
    (['A', 'B', 'C'], ['a', 'b', 'c'])
    """
    sizes = [f"{string.ascii_uppercase[k % 6]}{k // 6 or ''}" for k in range(count)]
    return sizes, [name.lower() for name in sizes]


def at(letters: list[str]) -> str:
    """Letters (or sizes) as axes of a tensor; nothing for a scalar."""
    return f"[{','.join(letters)}]" if letters else ""


flatten = op("""
flatten(x[n,C,H,W]) -> y[n, C*H*W]
    y[n,k] = x[n, k//(H*W), k//W%H, k%W]
""")
flatten.doc = """All axes but the samples as one, in index order."""

flatten3 = op("""
flatten3(x[n,C,H]) -> y[n, C*H]
    y[n,k] = x[n, k//H, k%H]
""")
flatten3.doc = """flatten for samples with two axes."""


@cache
def flattened(rank: int) -> Op:
    """flatten for arrays of any number of axes, the first of them samples."""
    known = {3: flatten3, 4: flatten}
    if rank in known:
        return known[rank]
    if rank < 2:
        raise ArgumentError(f"flatten of {rank} axes: there is nothing to put together; accepted: samples and at least one more axis")
    sizes, _ = axis_names(rank - 1)
    places = [f"k//({'*'.join(sizes[j + 1 :])})" if j < rank - 2 else "k" for j in range(rank - 1)]
    places = [p if j == 0 else f"{p}%{sizes[j]}" for j, p in enumerate(places)]
    return op(f"flatten{rank}(x{at(['n', *sizes])}) -> y[n, {'*'.join(sizes)}]\n    y[n,k] = x{at(['n', *places])}")


scale = op("""
scale(x[n,C,H,W]; a=255.0) -> y[n,C,H,W]
    y[n,c,i,j] = x[n,c,i,j] / a
""")
scale.doc = """Pixels of 0 to 255 as numbers of 0 to 1."""
