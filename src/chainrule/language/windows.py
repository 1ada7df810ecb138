"""A sum over a window as an operator: (w ⋆ x)_m is the sum of w_u x_{m+u} over u, and (w ∗ x)_m that of w_u x_{m-u}; u from where indices count.

With a distance d between the places, ⋆_d and ∗_d: x_{m+d·u} and x_{m-d·u}.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

from .formula import Setter
from .functions import Kind
from .index import Poly
from .layout import GAP, Box, Name, Scripts, Sign, bracketed, joined, row
from .show import BINDS, Axes
from .tree import Expr, Read, Reduce, index_names, product_factors


@dataclass(frozen=True)
class Window:
    """A sum over a window: kernel and data by their other indices, where in the data it is, and whether places in it go down as the kernel's go up."""

    kernel: Read
    data: Read
    letters: tuple[str, ...]
    sizes: tuple[Poly, ...]
    places: tuple[Poly, ...]
    steps: tuple[Poly, ...]  # how far apart they are
    turned: bool
    others: tuple[Expr, ...]
    at: tuple[int, ...]  # the kernel's axes that it goes over
    along: tuple[int, ...]  # the data's axes


def window(e: Expr, axes: Axes, base: int) -> Window | None:
    """The window that a sum goes over, if it is one: a product of two tensors, at a letter in one and at that letter plus a place in the other."""
    if not isinstance(e, Reduce) or e.kind is not Kind.SUM:
        return None
    factors = product_factors(e.body)
    pairs = [(a, b) for a in factors for b in factors if isinstance(a, Read) and isinstance(b, Read) and a is not b]
    found = (_between(e, a, b, tuple(f for f in factors if f is not a and f is not b), base) for a, b in pairs)
    return max((w for w in found if w and _whole(w, axes)), key=lambda w: len(w.letters), default=None)


def _whole(w: Window, axes: Axes) -> bool:
    """Whether the sum goes over all of the kernel."""
    return all(size == axes[w.kernel.tensor][k] for size, k in zip(w.sizes, w.at, strict=True))


def _distance(step: Poly, letters: Set[str]) -> tuple[int, Poly] | None:
    """(sign, how far) of a step that is one number or setting, or a product of some."""
    if len(step.terms) != 1 or step.names & letters or step.quotients:
        return None
    (factor,) = step.terms.values()
    return (1, step) if factor > 0 else (-1, -step)


def _between(e: Reduce, kernel: Read, data: Read, others: tuple[Expr, ...], base: int) -> Window | None:
    sizes = dict(zip(e.letters, e.ranges, strict=True))
    letters: list[str] = []
    places: list[Poly] = []
    along: list[int] = []
    kept: list[Poly] = []
    steps: list[tuple[int, Poly]] = []
    moving = {*e.letters, *(p.letter for p in (*kernel.index, *data.index) if p.letter)}
    for k, p in enumerate(data.index):
        inner = [x for x in sizes if x in p.names]
        step = p.linear_in(inner[0]) if len(inner) == 1 else None
        distance = _distance(step[0], moving) if step else None
        if p.letter or distance is None or kernel.index.count(Poly.name(inner[0])) != 1:
            kept.append(p)
            continue
        letters.append(inner[0])
        steps.append(distance)
        along.append(k)
        places.append(p.subs({inner[0]: base}))
    spread = [q for q in (*kept, *(q for q in kernel.index if q.letter not in letters)) if q.names & set(letters)]
    signs = {sign for sign, _ in steps}
    if not letters or len(signs) > 1 or len(set(letters)) < len(letters) or spread or any(index_names(o) & set(letters) for o in others):
        return None
    inside = Read(kernel.tensor, tuple(q for q in kernel.index if q.letter not in letters))
    return Window(
        inside,
        Read(data.tensor, tuple(kept)),
        tuple(letters),
        tuple(sizes[x] for x in letters),
        tuple(places),
        tuple(step for _, step in steps),
        signs == {-1},
        others,
        tuple(kernel.index.index(Poly.name(x)) for x in letters),
        tuple(along),
    )


@dataclass(frozen=True)
class Windows(Setter):
    """Sets sums over windows as operators, and everything else as usual."""

    def reduction(self, e: Reduce) -> Box:
        w = window(e, self.axes, self.notation.base)
        if w is None:
            return super().reduction(e)
        box = self.operator(w)
        rest = [(x, r) for x, r in zip(e.letters, e.ranges, strict=True) if x not in w.letters]
        factors = [self.box(o, BINDS["*"] + 1) for o in w.others]
        body = joined([*factors, box], "·")
        return row(*self.signs(e.kind, rest, e.body), GAP, body) if rest else body

    def operator(self, w: Window) -> Box:
        """(w ⋆ x) or (w ∗ x) at the window's place, whichever the reader wants; the other is the same with the kernel turned round."""
        as_is, sign = (w.turned, "∗") if self.notation.convolution == "convolution" else (not w.turned, "⋆")
        kernel, data, places, sizes = w.kernel, w.data, w.places, w.sizes
        close = all(step.constant == 1 for step in w.steps)
        if not as_is and w.turned and close:  # the sum over all places is the same for both; the one whose places were computed is turned round
            kernel, data, sizes = data, kernel, tuple(self.axes[data.tensor][k] for k in w.along)
        box = self.box(kernel)
        if not as_is:  # turned round, the kernel's first place is its last
            box = row(Name("rot180", upright=True, function=True), bracketed(box))
            ends = (step * (size - 1) for size, step in zip(sizes, w.steps, strict=True))
            places = tuple(p + end * (1 if sign == "∗" else -1) for p, end in zip(places, ends, strict=True))
        at = joined([self.poly(p) for p in places], ",", True)
        shown = list(dict.fromkeys(w.steps))
        far = bracketed(joined([self.poly(p) for p in w.steps], ",", True)) if len(shown) > 1 else self.poly(shown[0])
        return Scripts(bracketed(row(box, Sign(sign) if close else Scripts(Sign(sign), sub=far), self.box(data))), sub=at)
