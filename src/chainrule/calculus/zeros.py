"""Where an adjoint is 0: the conditions that a later line set it under, which hold for everything that it is multiplied with.

    z[i] = log(x[i]);  y[i] = (x[i] > 0) * z[i]      dz[i] = dy[i] * (x[i] > 0)      dx[i] = where(x[i] > 0, dz[i] / x[i], 0)

Without its condition the last product would be 0 * inf at x = 0. It is written only where a function that may be infinite or undefined
stands on the way: anywhere else 0 times a number is 0.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from ..language.brackets import is_test, product_of
from ..language.digits import Facts, fits
from ..language.functions import COUNTING, SINGULAR, Kind
from ..language.index import Poly
from ..language.tree import ZERO, Call, Const, Definition, Expr, Line, Reduce, free_names, map_indices, reads, subs, walk

Condition = tuple[Expr, bool]  # a test, and whether it must hold or fail


def singular(e: Expr) -> bool:
    """Whether a function of data that may be infinite or undefined at finite numbers stands in e."""
    return any(isinstance(node, Call) and _may_fail(node) for node in walk(e))


def _may_fail(e: Call) -> bool:
    if e.fn == "/":
        return next(reads(e.args[1]), None) is not None
    if e.fn == "**":
        power = e.args[1]
        tame = isinstance(power, Const) and isinstance(power.value, int) and power.value >= 0
        return not tame and next(reads(e), None) is not None
    return e.fn in SINGULAR and next(reads(e), None) is not None


def written(d: Definition) -> frozenset[Expr]:
    """The tests of data in the text of a definition, whatever their indices are: not those by which the calculus tells who won."""
    calls = [node for line in d.lines for node in walk(line.expr) if isinstance(node, Call)]
    tests = [e for e in calls if is_test(e)] + [e.args[0] for e in calls if e.fn == "where"]
    return frozenset(_plain(t) for test in tests for e in (test, *product_of(test)) for t, _ in _tests(e, True))


def conditions(
    adjoint: Line, line: Line, more: Collection[Condition], known: frozenset[Expr], axes: Mapping[str, tuple[Poly, ...]], facts: Facts
) -> tuple[Condition, ...]:
    """The written tests without which the adjoint of a line is 0, with the letters of the line. more: those that were `handed` to it."""
    letters = adjoint.letters if adjoint.target is None else ()
    swap = dict(zip(letters, line.index, strict=bool(letters))) | {f"#{k}": p for k, p in enumerate(line.index)}
    ranges = dict(zip(line.letters, line.ranges, strict=True))
    found = [c for c in _of(adjoint.expr) if _plain(c[0]) in known] if adjoint.target is None else []
    there = [(subs(test, swap), holds) for test, holds in (*found, *more)]
    sure = [c for c in there if all(fits(p, s, ranges, facts) for r in reads(c[0]) for p, s in zip(r.index, axes[r.tensor], strict=True))]
    return tuple(dict.fromkeys(sure))


def handed(found: Iterable[Condition], index: tuple[Poly, ...], bound: Collection[str]) -> set[Condition]:
    """Conditions of a line's adjoint as those of what is read at an index: in its places #0, #1, …, where they speak of no others."""
    swap = {p.letter: Poly.name(f"#{k}") for k, p in enumerate(index) if p.letter}
    return {(subs(test, swap), holds) for test, holds in found if not (free_names(test) & set(bound)) - swap.keys()}  # type: ignore[arg-type]  # letters are names


def _of(e: Expr) -> list[Condition]:
    """The tests without which e is 0."""
    if isinstance(e, Reduce):
        return [c for c in _of(e.body) if not free_names(c[0]) & set(e.letters)] if e.kind in (Kind.SUM, Kind.MEAN) else []
    if not isinstance(e, Call):
        return []
    if e.fn == "where" and ZERO in e.args[1:]:
        holds = e.args[2] == ZERO
        tests = product_of(e.args[0]) if holds and is_test(e.args[0]) else [e.args[0]]
        return [*(c for t in tests for c in _tests(t, holds)), *_of(e.args[1 if holds else 2])]
    if e.fn == "+":
        others = _of(e.args[1])
        return [c for c in _of(e.args[0]) if c in others]
    if is_test(e):
        return [c for t in product_of(e) for c in _tests(t, True)]
    return [c for a in (e.args if e.fn == "*" else e.args[:1] if e.fn in ("/", "neg") else ()) for c in _of(a)]


def _tests(test: Expr, holds: bool) -> list[Condition]:
    """A test of data, of a form that can be written again wherever its letters are: no sums, no random numbers."""
    nodes = list(walk(test))
    again = not any(isinstance(n, Reduce) or (isinstance(n, Call) and n.fn in COUNTING) for n in nodes)
    return [(test, holds)] if again and any(True for _ in reads(test)) else []


def _plain(test: Expr) -> Expr:
    return map_indices(test, lambda p: Poly.of(0))
