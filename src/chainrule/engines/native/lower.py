"""Bound lines to statements: one reduction (or none) each, with the conditions of its terms made explicit.

A statement is the scheduler's unit. Nested reductions become tensors of their own; `mean` becomes a sum and a
division; what a read outside an axis drops, and the Iverson brackets of a sum, become guards `g >= 0` and
equations `e == 0` on index letters, which loops can turn into bounds and changes of variables (solve.py).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import reduce
from types import MappingProxyType

from ...language.brackets import conditions
from ...language.functions import Kind
from ...language.index import Poly, Quotient
from ...language.lazy import cached_property
from ...language.show import expression
from ...language.tree import (
    ONE,
    ZERO,
    Call,
    Const,
    Expr,
    Index,
    Line,
    Read,
    Reduce,
    direct_reads,
    free_names,
    mul,
    neg,
    product,
    product_factors,
    reads,
    rebuild,
    subs,
    walk,
)

FOUND = "found"  # found(v == number, rest, size): the rest at the place v of an axis that a number of the data names (finds.py)


@dataclass(frozen=True)
class Statement:
    """out[target] = kind over `red` of body, for every value of the letters; target is the letters themselves
    except after a split into residue classes (s*t+e) or in a scatter, which adds to out."""

    out: str
    letters: tuple[str, ...]
    extents: tuple[int, ...]
    target: tuple[Poly, ...]
    kind: Kind | None  # None: the body itself, nothing is reduced
    red: tuple[str, ...]
    red_extents: tuple[int, ...]
    guards: tuple[Poly, ...]
    equal: tuple[Poly, ...]
    body: Expr
    origin: str
    scatter: bool = False

    @property
    def ranges(self) -> dict[str, tuple[int, int]]:
        return {x: (0, e - 1) for x, e in zip(self.letters + self.red, self.extents + self.red_extents, strict=True)} | {
            x: (0, e - 1) for x, e in self.found.items()
        }

    @cached_property
    def found(self) -> dict[str, int]:
        """Letters that are looked up, and how many places their axes have."""
        return located(self.body)

    @cached_property
    def tensors(self) -> set[str]:
        return {r.tensor for r in reads(self.body)}

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """The sizes of the tensor's axes, where the target meets all of it."""
        extents = dict(zip(self.letters, self.extents, strict=True)) | self.found
        return tuple(extents[p.letter] if p.letter else p.interval(self.ranges)[1] + 1 for p in self.target)

    @property
    def trips(self) -> int:
        out = 1
        for e in self.red_extents:
            out *= max(e, 1)
        return out


MOST_SAMPLES = 1 << 31  # what a batch is taken to be at most where its size is open (Runner proves the arrays that come)
SOME_SAMPLES = 64  # what it is taken to be where work is estimated
SAMPLES = -1  # extent of the sample letter where the number of samples is known only at run time


def lower(
    lines: list[Line],
    shapes: dict[str, tuple[int, ...]],
    sample: str | None,
    taken: set[str],
    numbered: Callable[[Reduce], Expr | None] = lambda e: None,
) -> list[Statement]:
    """Statements for bound lines, in order. Adds the tensors it makes to `shapes`.

    sample: name of the number of samples where it stays symbolic, else None; then that extent is SAMPLES. numbered: what stands for a
    sum that looks up a whole number and would lose digits as a tensor.
    """
    made: dict[tuple[object, ...], str] = {}
    out: list[Statement] = []
    counter = itertools.count(1)

    def extent(p: Poly) -> int:
        return SAMPLES if sample is not None and p.letter == sample else int(p.constant or 0)

    def emit(line: Line) -> None:
        ranges = dict(zip(line.letters, line.ranges, strict=True))
        expr = lift(line.expr, ranges, line)
        shapes[line.tensor] = tuple(extent(r) for r in line.axes)
        out.append(_statement(replace(line, expr=expr), shapes, extent))

    def lift(e: Expr, ranges: Mapping[str, Poly], line: Line, root: bool = True) -> Expr:
        if not isinstance(e, Reduce):
            return rebuild(e, lambda a: lift(a, ranges, line, False))
        inner = dict(ranges) | dict(zip(e.letters, e.ranges, strict=True))
        body = lift(e.body, inner, line, False)
        if e.kind is Kind.MEAN:
            count = reduce(lambda a, b: a * b, e.ranges, Poly.of(1))
            total = lift(Reduce(Kind.SUM, e.letters, e.ranges, body), ranges, line, False)
            return Call("/", (total, Index(count) if count.constant is None else Const(count.constant)))
        e = Reduce(e.kind, e.letters, e.ranges, body)
        whole = numbered(e) if not root and all(settled(r, inner, located(body)) for r in direct_reads(body)) else None
        if whole is not None:
            return whole
        outer, rest = _apart(e, ranges, settled)
        if rest is not None:
            return mul(outer, lift(rest, ranges, line, False))
        if root:
            return e
        free = free_names(e)
        letters = tuple(sorted((x for x in ranges if x in free), key=lambda x: extent(ranges[x]) != SAMPLES))  # samples first
        key = _canonical(e, letters, ranges)  # two reductions that differ only in the names of their letters are one tensor
        name = made.get(key)
        if name is None:
            name = made[key] = next(x for x in (f"{line.tensor}~{k}" for k in counter) if x not in taken)
            taken.add(name)
            emit(Line(name, letters, tuple(ranges[x] for x in letters), e))
        return Read(name, tuple(map(Poly.name, letters)))

    def settled(r: Read, ranges: Mapping[str, Poly], found: Mapping[str, int] = MappingProxyType({})) -> bool:
        """Whether a read is inside its tensor wherever its letters are. found: those that are looked up."""
        return _settled(r, {x: extent(size) for x, size in ranges.items()} | dict(found), shapes)

    for line in lines:
        emit(line)
    return out


def _settled(r: Read, spans: dict[str, int], shapes: Mapping[str, tuple[int, ...]]) -> bool:
    return all(
        (p.constant is not None and 0 <= p.constant < size) or spans.get(p.letter or "") == size
        for p, size in zip(r.index, shapes[r.tensor], strict=True)
    )


def summed(e: Expr) -> Expr:
    """An expression with the sums that look-ups stand for."""
    if isinstance(e, Call) and e.fn == FOUND:
        size = int(e.args[2].value)  # type: ignore[union-attr]  # its last one is a number
        return Reduce(Kind.SUM, (_letter(e),), (Poly.of(size),), Call("where", (rebuild(e.args[0], summed), summed(e.args[1]), ZERO)))
    return rebuild(e, summed)


def located(e: Expr) -> dict[str, int]:
    """Letters that are looked up in an expression, and how many places their axes have."""
    found = (node for node in walk(e) if isinstance(node, Call) and node.fn == FOUND)
    return {_letter(node): int(node.args[2].value) for node in found}  # type: ignore[union-attr]  # its last one is a number


def _letter(e: Call) -> str:
    """The letter of a look-up."""
    (letter,) = {a.expr.letter for a in e.args[0].args if isinstance(a, Index) and a.expr.letter}  # type: ignore[union-attr]  # its first argument is a comparison
    return str(letter)


def _apart(e: Reduce, ranges: Mapping[str, Poly], settled: Callable[[Read, Mapping[str, Poly]], bool]) -> tuple[Expr, Reduce | None]:
    """(outer, rest) with e = outer * rest where rest then needs fewer of the letters around: it is computed for those alone.

    Only where no term can be dropped: a sum of no terms is 0, whatever would have stood outside it.
    """
    negative = isinstance(e.body, Call) and e.body.fn == "neg"
    factors = product_factors(e.body.args[0] if negative else e.body)  # type: ignore[union-attr]  # neg is a Call
    inner = {**ranges, **dict(zip(e.letters, e.ranges, strict=True))}
    brackets: list[Poly] = []
    whole_terms = conditions(e.body, brackets, brackets) == e.body and all(settled(r, inner) for r in direct_reads(e.body))
    outer = [f for f in factors if not free_names(f) & set(e.letters)]
    rest = [f for f in factors if f not in outer]
    if e.kind is not Kind.SUM or not outer or not rest or not whole_terms:
        return ONE, None
    small = Reduce(Kind.SUM, e.letters, e.ranges, product(rest))
    if not (free_names(small) & ranges.keys()) < (free_names(e) & ranges.keys()):
        return ONE, None
    return neg(product(outer)) if negative else product(outer), small


def _canonical(e: Reduce, letters: tuple[str, ...], ranges: Mapping[str, Poly]) -> tuple[object, ...]:
    swap = {x: Poly.name(f"#{k}") for k, x in enumerate((*letters, *e.letters))}
    return e.kind, tuple(ranges[x] for x in letters), e.ranges, subs(e.body, swap)


def _statement(line: Line, shapes: Mapping[str, tuple[int, ...]], extent) -> Statement:  # type: ignore[no-untyped-def]  # extent is the function of lower()
    e = line.expr
    axes = {r.tensor: tuple(Poly.of(s) for s in shapes[r.tensor]) for r in reads(e)}
    origin = f"{line.tensor}[{','.join(map(str, line.index))}] = {expression(summed(e), axes)}"
    extents = tuple(extent(r) for r in line.ranges)
    target = line.index
    if not isinstance(e, Reduce):
        return Statement(line.tensor, line.letters, extents, target, None, (), (), (), (), e, origin)
    red_extents = tuple(extent(r) for r in e.ranges)
    ranges = {x: (0, n - 1) for x, n in (*zip(line.letters + e.letters, extents + red_extents, strict=True), *located(e).items())}
    guards: list[Poly] = []
    equal: list[Poly] = []
    body = e.body
    if e.kind is Kind.SUM:
        body = conditions(body, guards, equal)
    for r in direct_reads(e.body):
        for p, size in zip(r.index, shapes[r.tensor], strict=True):
            if (size != SAMPLES and p.letter is None) or (p.letter and ranges[p.letter] != (0, size - 1)):
                guards += [p, size - 1 - p]
    guards = [g for g in dict.fromkeys(guards) if g.interval(ranges)[0] < 0]
    return Statement(
        line.tensor,
        line.letters,
        extents,
        target,
        e.kind,
        e.letters,
        red_extents,
        tuple(guards),
        tuple(q for q in dict.fromkeys(equal) if q.constant != 0),
        body,
        origin,
    )


def step_of(p: Poly, letter: str | None) -> int:
    """How far one step of a letter moves an index that is linear in it."""
    split = p.linear_in(letter) if letter else None
    return int(split[0].constant or 0) if split else 0


def linear(p: Poly) -> dict[str, int] | None:
    """{letter: coefficient} ("" for the constant) where p is linear with numbers for coefficients, else None."""
    out: dict[str, int] = {}
    for m, c in p.terms.items():
        if len(m) > 1 or (m and isinstance(m[0], Quotient)):
            return None
        out[str(m[0]) if m else ""] = int(c)
    return out
