"""Jacobians as formulas: the gradient of one element of the output, for each element.

dx[j] = sum[i](dy[i] * J[i,j]),  so J[i,j] is what dx[j] is where dy is 1 at i and 0 elsewhere
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..calculus.laws import LAWS
from ..calculus.prepare import distinct
from ..calculus.reverse import Gradient
from ..calculus.rewrite import put_in, remade, rewritten
from ..calculus.scope import Scope
from ..calculus.steps import Rule, Step
from ..calculus.tidy import neat
from ..language.index import Poly
from ..language.single import plain
from ..language.tree import (
    ONE,
    ZERO,
    Call,
    Definition,
    Expr,
    Index,
    Line,
    Read,
    Reduce,
    Tensor,
    children,
    fresh_name,
    inside,
    mul,
    needed,
    number_of,
    subs,
    walk,
)

Cases = dict[str, Expr]


@dataclass(frozen=True)
class Jacobian:
    """The line J[i,j] = …, the definition that it ends, and the steps from the gradient to it."""

    line: Line
    definition: Definition
    steps: list[Step]


def jacobian(d: Definition, g: Gradient, wrt: str) -> Jacobian:
    """∂(the output)/∂(an input), for each element of both. Samples that have nothing to do with each other share their letter."""
    (out,) = d.outputs
    lines = {x.tensor: x for x in g.definition.lines[g.forward :]}
    last = lines[g.of[wrt]]
    forward = g.definition.lines[: g.forward]
    names = set(g.definition.names)
    whole = _inlined(last.expr, {k: x for k, x in lines.items() if x.target is None}, Scope.of(g.definition, ()).inside(last), names)
    seed = g.seed[out.name]
    sampled = bool(out.axes) and bool(last.ranges) and out.axes[0] == last.ranges[0] == Poly.name(d.sample_size) and last.target is None
    sampled = sampled and all(r.index[0].letter == last.letters[0] for r in walk(whole) if isinstance(r, Read) and r.tensor == seed)
    fixed = set(g.definition.axes) | {x for axes in g.definition.axes.values() for p in axes for x in p.names} | {k for k, _ in d.settings}
    place, swap = _letters(d, last, sampled, fixed)
    whole = subs(distinct(whole, {*place, *map(str, swap.values()), *last.letters}, names), swap)
    put = _put(whole, seed, place, sampled)
    letters = (*place, *(str(swap[x]) for x in last.letters if not (sampled and x == last.letters[0])))
    spans = (*out.axes, *(last.ranges[1:] if sampled else last.ranges))
    name = fresh_name("J", names | set(letters))
    line = Line(name, letters, spans, put)
    scope = Scope.of(g.definition, forward).inside(line)
    short = neat(rewritten(put, LAWS, scope), fixed | set(letters), d.floats)
    done = Line(name, letters, spans, plain(short, dict(zip(letters, spans, strict=True)), g.definition.axes))
    axes = {**g.definition.axes, name: spans}
    deltas = _deltas(put, _bound(line))
    said = (Rule.COLLAPSE, (", ".join(deltas), ", ".join(deltas.values()))) if deltas else (Rule.PARTS, ())
    steps = [Step(Rule.PLACE, lambda: line, axes), Step(said[0], lambda: done, axes, said[1])]
    inputs = tuple(t for t in g.definition.inputs if t.name != seed)
    definition = Definition(f"{d.name}_jacobian", inputs, d.settings, (Tensor(name, spans),), needed((*forward, done), {name}), d.sample_size)
    return Jacobian(done, definition, steps)


def _letters(d: Definition, last: Line, sampled: bool, fixed: set[str]) -> tuple[tuple[str, ...], dict[str, Poly]]:
    """(letters of the output's place, those of the input's by the names they had): i and j where one of each is enough."""
    (out,) = d.outputs
    line = next(x for x in d.lines if x.tensor == out.name)
    wanted = line.letters if line.target is None else tuple("ijklq"[k % 5] for k in range(len(out.axes)))
    mine, theirs = (last.letters[1:], wanted[1:]) if sampled else (last.letters, wanted)
    if len(mine) == len(theirs) == 1 and not {"i", "j"} & fixed:
        place: tuple[str, ...] = ("i",)
        swap = {mine[0]: Poly.name("j")}
    else:
        found: list[str] = []
        for x in theirs:
            found.append(fresh_name(x, fixed | set(last.letters) | set(found)))
        place, swap = tuple(found), {x: Poly.name(x) for x in mine}
    if sampled:
        swap[last.letters[0]] = Poly.name(last.letters[0])
        place = (last.letters[0], *place)
    return place, swap


def _bound(line: Line) -> set[str]:
    return {x for e in walk(line.expr) if isinstance(e, Reduce) for x in e.letters}


def _inlined(e: Expr, lines: Mapping[str, Line], scope: Scope, names: set[str]) -> Expr:
    """e with what other gradients are in place of reads of them: 0 where they have no such place."""
    if isinstance(e, Read) and e.tensor in lines:
        value = put_in(e, lines, set(scope.letters), names)
        for p, size in scope.outside(e):
            value = mul(value, inside(p, size))
        return _inlined(value, lines, scope, names)
    inner = scope.within(e) if isinstance(e, Reduce) else scope
    return remade(e, tuple(_inlined(a, lines, inner, names) for a in children(e)))


def _put(e: Expr, seed: str, place: tuple[str, ...], sampled: bool) -> Expr:
    """e with a seed that is 1 at one place and 0 elsewhere."""
    if isinstance(e, Read) and e.tensor == seed:
        out: Expr = ONE
        for k, (p, x) in enumerate(zip(e.index, place, strict=True)):
            if not (sampled and k == 0) and p.letter != x:
                out = mul(out, Call("delta", (Index(Poly.name(x)), number_of(p))))
        return out
    return remade(e, tuple(_put(a, seed, place, sampled) for a in children(e)))


def _deltas(e: Expr, bound: set[str]) -> dict[str, str]:
    """The deltas that leave one term of a sum, and what the letter of the sum is then."""
    found: dict[str, str] = {}
    for x in walk(e):
        if isinstance(x, Call) and x.fn == "delta":
            place, p = (a.expr if isinstance(a, Index) else Poly.of(0) for a in x.args)
            for letter in sorted(bound & p.names):
                step = p.linear_in(letter)
                if step is not None and step[0].terms:
                    found.setdefault(f"δ({place}, {p})", f"{letter} = {_solved(place, *step)}")
    return found


def _solved(place: Poly, factor: Poly, rest: Poly) -> Poly:
    """u where place = factor*u + rest."""
    return (place - rest) * int(factor.constant) if factor.constant in (1, -1) else (place - rest) // factor


def cases(line: Line, d: Definition) -> Cases:
    """What a Jacobian is where two of its letters are equal and where they are not; empty where it does not say."""
    found: Cases = {}
    scope = Scope.of(d, [x for x in d.lines if x.tensor != line.tensor]).inside(line)
    tests = [e for e in walk(line.expr) if isinstance(e, Call) and e.fn == "delta" and _of_letters(e, line)]
    if not tests or len(set(tests)) != 1:
        return found
    a, b = (str(x.expr) for x in tests[0].args if isinstance(x, Index))
    for equal in (True, False):
        e = _decided(line.expr, tests[0], equal)
        e = subs(e, {b: Poly.name(a)}) if equal else e
        found[f"{a} = {b}" if equal else f"{a} != {b}"] = neat(rewritten(e, LAWS, scope), set(d.axes) | set(line.letters), d.floats)
    return found


def _of_letters(e: Call, line: Line) -> bool:
    return all(isinstance(x, Index) and x.expr.letter in line.letters for x in e.args)


def _decided(e: Expr, test: Expr, holds: bool) -> Expr:
    if e == test:
        return ONE if holds else ZERO
    return remade(e, tuple(_decided(a, test, holds) for a in children(e)))
