"""A share of a sum of exponentials, exp(a[k]) / sum[j](exp(a[j])), gets a name where a gradient has one and no line holds it."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial

from ..calculus.match import match
from ..calculus.normal import Product, expr_of, is_product, product_of
from ..calculus.steps import Rule, Step
from ..language.functions import Kind
from ..language.tree import Call, Definition, Expr, Line, Read, Reduce, free_names, fresh_name, rebuild, walk

KNOWN = ("a known value", "exp(a[k]) / sum[j](exp(a[j]))")
NAMES = ("y", "p", "s")


def with_shares(d: Definition, forward: int, names: Collection[str] = ()) -> tuple[Definition, list[Step]]:
    """The definition with a line for each such share in its gradients, and the steps that say so. names: that mean something else in the derivation."""
    lines = list(d.lines[:forward])
    steps: list[Step] = []
    taken = {*d.names, *names}
    for line in d.lines[forward:]:
        share = next((found for e in walk(line.expr) if (found := _share(e)) is not None and free_names(found) <= _around(d, line)), None)
        if share is not None and line.target is None:
            name = next((x for x in NAMES if x not in taken), None) or fresh_name("y", taken)
            taken.add(name)
            kept = [(x, r) for x, r in zip(line.letters, line.ranges, strict=True) if x in free_names(share)]
            new = Line(name, tuple(x for x, _ in kept), tuple(r for _, r in kept), share)
            lines.append(new)
            line = Line(line.tensor, line.letters, line.ranges, _named(line.expr, share, new.read))
            axes = {**d.axes, name: new.ranges}
            steps += [
                Step(Rule.NAME, partial(_itself, new), axes, (name,)),
                Step(Rule.SIMPLIFY, partial(_itself, line), axes, (*KNOWN, f"{name}[k]")),
            ]
        lines.append(line)
    return d.with_lines(lines=tuple(lines)), steps


def _itself(line: Line) -> Line:
    return line


def _around(d: Definition, line: Line) -> set[str]:
    """The names that mean the same all over a line: no letter that a sum in it binds."""
    return set(line.letters) | {s for s, _ in d.settings} | {x for axes in d.axes.values() for p in axes for x in p.names}


def _share(e: Expr) -> Expr | None:
    """The share that a product holds."""
    if not is_product(e):
        return None
    p = product_of(e)
    for u, k in p.powers:
        for bottom, n in p.powers:
            whole = isinstance(bottom, Reduce) and bottom.kind is Kind.SUM and n < 0 < k and isinstance(u, Call) and u.fn == "exp"
            if whole and isinstance(bottom, Reduce) and match(bottom.body, u, frozenset(bottom.letters)) is not None:
                return expr_of(Product(p.number**0, ((u, 1), (bottom, -1))))
    return None


def _named(e: Expr, share: Expr, read: Read) -> Expr:
    """e with a read in place of a share."""
    if is_product(e) and _share(e) == share:
        p = product_of(e)
        (u, _), (bottom, _) = product_of(share).powers
        left = p.without(u).without(bottom)
        left = left.times(u, p.exponent(u) - 1) if p.exponent(u) > 1 else left
        left = left.times(bottom, p.exponent(bottom) + 1) if p.exponent(bottom) < -1 else left
        return expr_of(left.times(read))
    return rebuild(e, lambda a: _named(a, share, read))
