"""Sums of products, as NumPy does them: matrix products where two tensors share a summed letter."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Run = Callable[[Sequence[Any]], Any]


@dataclass(frozen=True)
class Term:
    """A value that a formula computes: from a call's arrays, with an axis for each of its letters.

    place: the tensor it is, where it is one as given. static: the value, where it is the same in every call.
    """

    run: Run
    letters: tuple[str, ...] = ()
    place: int | None = None
    static: Any = None


def fixed(value: Any, letters: tuple[str, ...] = ()) -> Term:
    return Term(lambda v: value, letters, static=value)


def viewed(t: Term, view: Callable[[Any], Any], letters: tuple[str, ...]) -> Term:
    """A term seen in another way."""
    if t.static is not None:
        return fixed(view(t.static), letters)
    if t.place is not None:
        k = t.place
        return Term(lambda v: view(v[k]), letters)
    run = t.run
    return Term(lambda v: view(run(v)), letters)


def aligned(t: Term, letters: Sequence[str]) -> Term:
    """The term with its axes where those letters have theirs, as far as broadcasting needs it."""
    letters = tuple(letters)
    if t.letters == letters[len(letters) - len(t.letters) :]:
        return t
    present = tuple(x for x in letters if x in t.letters)
    first = letters.index(present[0])
    key = tuple(slice(None) if x in t.letters else None for x in letters[first:])
    order = tuple(t.letters.index(x) for x in present)
    if order == tuple(range(len(order))):
        return viewed(t, lambda a: a[key], letters[first:])
    return viewed(t, lambda a: a.transpose(order)[key], letters[first:])


def ordered(t: Term, letters: tuple[str, ...]) -> Term:
    """The term with its own axes in another order."""
    if t.letters == letters:
        return t
    order = tuple(t.letters.index(x) for x in letters)
    return viewed(t, lambda a: a.transpose(order), letters)


def added(t: Term, letters: Collection[str]) -> Term:
    """The sum of a term over some of its letters."""
    axes = tuple(k for k, x in enumerate(t.letters) if x in letters)
    if not axes:
        return t
    rest = tuple(x for x in t.letters if x not in letters)
    add = np.add.reduce
    axis: Any = None if len(axes) == len(t.letters) else axes if len(axes) > 1 else axes[0]
    return viewed(t, lambda a: add(a, axis), rest)


def product(a: Term, b: Term, out: Sequence[str], sizes: Mapping[str, int]) -> Term:
    """sum(a * b) over all letters that `out` does not have, as one matrix product."""
    a = added(a, [x for x in a.letters if x not in b.letters and x not in out])
    b = added(b, [x for x in b.letters if x not in a.letters and x not in out])
    both = [x for x in a.letters if x in b.letters]
    batch, inner = [x for x in both if x in out], [x for x in both if x not in out]
    left, right = [x for x in a.letters if x not in both], [x for x in b.letters if x not in both]
    if not inner:
        return multiplied(a, b, [x for x in out if x in a.letters or x in b.letters])
    one = grouped(a, [batch, left, inner], sizes, bool(batch))
    two = grouped(b, [batch, inner, right], sizes, bool(batch))
    f, g, multiply = one.run, two.run, np.matmul if batch else np.dot
    p, q = one.place, two.place
    run: Run = (lambda v: multiply(v[p], v[q])) if p is not None and q is not None else lambda v: multiply(f(v), g(v))
    letters = (*batch, *left, *right)
    shape = tuple(sizes[x] for x in letters)
    flat = len(batch) > 1 or len(left) > 1 or len(right) > 1 or (batch and (len(left) != 1 or len(right) != 1))
    made = viewed(Term(run), lambda m: m.reshape(shape), letters) if flat else Term(run, letters)
    return ordered(made, tuple(x for x in out if x in letters))


def grouped(t: Term, groups: Sequence[Sequence[str]], sizes: Mapping[str, int], always: bool) -> Term:
    """A term with one axis for each group of letters; without `always`, none for a group of none."""
    t = ordered(t, tuple(x for g in groups for x in g))
    kept = [g for g in groups if g or always]
    if all(len(g) == 1 for g in kept):
        return t
    shape = tuple(int(np.prod([sizes[x] for x in g], dtype=int)) for g in kept)
    return viewed(t, lambda a: a.reshape(shape), t.letters)


def multiplied(a: Term, b: Term, letters: Sequence[str]) -> Term:
    f, g = aligned(a, letters).run, aligned(b, letters).run
    return Term(lambda v: f(v) * g(v), tuple(letters))


def many(terms: Sequence[Term], out: Sequence[str], sizes: Mapping[str, int]) -> Term:
    """sum(a * b * c * …) over all letters that `out` does not have: two at a time, as the letters allow."""
    rest = list(terms)
    while len(rest) > 2:
        k = min(range(len(rest) - 1), key=lambda k: len({*rest[k].letters, *rest[k + 1].letters}))
        others = {x for n, t in enumerate(rest) if n not in (k, k + 1) for x in t.letters} | set(out)
        kept = [x for x in dict.fromkeys((*rest[k].letters, *rest[k + 1].letters)) if x in others]
        rest[k : k + 2] = [product(rest[k], rest[k + 1], kept, sizes)]
    if len(rest) == 1:
        return added(rest[0], [x for x in rest[0].letters if x not in out])
    return product(rest[0], rest[1], out, sizes)


def strongly(fast: Term, factors: Sequence[Term], masks: Sequence[Term], summed: Collection[str], sizes: Mapping[str, int]) -> Term:
    """A sum of products, again with the terms that masks leave out put to 0 as a whole where something is not finite: 0 * inf is NaN."""
    masks = [m for m in masks if not np.all(m.static)]
    if not masks or fast.static is not None:
        return fast
    letters = tuple(x for x in sizes if any(x in t.letters for t in (*factors, *masks)))
    kept = np.asarray(True)
    for m in masks:
        kept = kept & aligned(m, letters).static
    runs = [aligned(t, letters).run for t in factors]
    axes = tuple(k for k, x in enumerate(letters) if x in summed)
    count = math.prod(sizes[x] for x in summed if x not in letters)
    known = fast.run

    def run(v: Sequence[Any]) -> Any:
        with np.errstate(invalid="ignore"):
            found = known(v)
            if np.isfinite(found).all():
                return found
            return np.add.reduce(np.where(kept, math.prod(r(v) for r in runs), 0), axes) * count

    return Term(run, fast.letters)
