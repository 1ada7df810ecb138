"""A program as a function of NumPy arrays: everything that the sizes decide is decided once, what is left is a few calls of NumPy.

    Program --evaluator--> run(arrays in the header's order) -> array

The reference engine is the meaning of the language, machine code is its fastest form; this is the form that starts fastest: small arrays
and formulas that are evaluated a few times are not worth compiling. tests/test_functions.py holds it against the reference engine.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np

from ..calculus.normal import fraction
from ..language.brackets import conditions, is_test, of_indices
from ..language.functions import ALL, SINGULAR, Kind
from ..language.index import Poly
from ..language.program import Program
from ..language.tree import ZERO, Call, Const, Expr, Index, Line, Read, Reduce, free_names, lookup, needed, subs, walk
from .choosing import choice
from .contract import Run, Term, aligned, fixed, many, ordered, strongly, viewed
from .places import grid, places_of, reading

_erf = np.frompyfunc(math.erf, 1, 1)


def _logistic(a: Any) -> Any:
    return np.exp(-np.logaddexp(0, -a))  # finite and exact in both tails


def _plus(a: Any) -> Any:
    return np.logaddexp(0, a)


def _error(a: Any) -> Any:
    found = np.asarray(_erf(a), getattr(a, "dtype", float))
    return found[()]


OPERATORS: dict[str, Callable[..., Any]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv, "**": operator.pow, "neg": operator.neg,
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq, "!=": operator.ne, "delta": operator.eq,
    "where": choice, "sigmoid": _logistic, "softplus": _plus, "erf": _error,
}  # fmt: skip


def function(fn: str) -> Callable[..., Any]:
    return OPERATORS.get(fn) or getattr(np, ALL[fn].numpy)  # type: ignore[no-any-return]  # NumPy's own function of that name


def evaluator(program: Program, output: str = "") -> Run:
    """A function of the program's inputs, in the header's order, that gives its first output (or that of this name)."""
    wanted = output or program.outputs[0].name
    places = {t.name: k for k, t in enumerate(program.ports)}
    lines = needed(program.closed, {wanted})
    runs = []
    for line in lines:
        runs.append(_Line(places, program.shapes, {t.name for t in program.inputs if t.whole is not None}, line).run())
        places[line.tensor] = len(places)
    noisy = any(_undefined(x) for line in lines for x in walk(line.expr))
    if len(runs) == 1 and not noisy:
        return runs[0]
    return _quiet(runs) if noisy else _several(runs)


def _undefined(e: Expr) -> bool:
    """Whether both branches of a choice are computed, of which the one that is not taken may be undefined."""
    return isinstance(e, Call) and e.fn == "where" and any(isinstance(x, Call) and x.fn in SINGULAR for x in walk(e))


def _several(runs: Sequence[Run]) -> Run:
    def run(v: Sequence[Any]) -> Any:
        known = list(v)
        for r in runs:
            known.append(r(known))
        return known[-1]

    return run


def _quiet(runs: Sequence[Run]) -> Run:
    several = _several(runs)

    def run(v: Sequence[Any]) -> Any:
        with np.errstate(all="ignore"):
            return several(v)

    return run


class _Line:
    """One line under its letters. inside: where what was read so far lies inside, for the reduction around it."""

    def __init__(self, places: Mapping[str, int], shapes: Mapping[str, tuple[int, ...]], whole: Collection[str], line: Line):
        self.places, self.shapes, self.whole, self.line = dict(places), shapes, whole, line
        self.inside: list[Term] = []

    def run(self) -> Run:
        line = self.line
        sizes = {x: int(r.constant or 0) for x, r in zip(line.letters, line.ranges, strict=True)}
        value = self.of(line.expr, sizes)
        full = tuple(sizes.values())
        if line.target is not None:
            return self.tiled(value, sizes)
        if value.letters == line.letters:
            return value.run if value.static is None else lambda v: value.static
        whole = aligned(value, line.letters).run
        if len(value.letters) == len(line.letters):  # at any sizes
            return whole
        return lambda v: _spread(whole(v), full)

    def tiled(self, value: Term, sizes: Mapping[str, int]) -> Run:
        """Values whose letters tile the axes: in the order of what each letter is multiplied by."""
        assert self.line.target is not None
        order = [x for p in self.line.target for x in sorted(p.names, key=lambda x: -_coefficient(p, x))]
        shape = tuple(int(p.constant or 0) for p in self.line.axes)
        digits = tuple(sizes[x] for x in order)
        run = aligned(value, order).run
        return lambda v: _spread(run(v), digits).reshape(shape)

    def of(self, e: Expr, sizes: Mapping[str, int]) -> Term:
        match e:
            case Const(value):
                return fixed(value)
            case Index(p):
                letters = tuple(x for x in sizes if x in p.names)
                return fixed(grid(p, letters, sizes), letters)
            case Read(tensor, index):
                return self.read(tensor, index, sizes)
            case Reduce(Kind.SUM | Kind.MEAN):
                return self.sum(e, sizes)
            case Reduce():
                return self.fold(e, sizes)
        return self.call(e, sizes)

    def read(self, tensor: str, index: tuple[Poly, ...], sizes: Mapping[str, int]) -> Term:
        k = self.places[tensor]
        whole = Term(lambda v: v[k], (), place=k)
        if not index:
            return whole
        found = reading(index, self.shapes[tensor], sizes)
        if found.inside is not None:
            self.inside.append(fixed(found.inside, found.letters))
        if found.view is None:
            return Term(whole.run, found.letters, place=k)
        return viewed(whole, found.view, found.letters)

    def call(self, e: Call, sizes: Mapping[str, int]) -> Term:
        e = one_choice(e)
        f = function(e.fn)
        terms = [self.of(a, sizes) for a in e.args]
        if e.fn in ("+", "-", "neg"):
            terms = [counted(t, a) for t, a in zip(terms, e.args, strict=True)]
        letters = tuple(x for x in sizes if any(x in t.letters for t in terms))
        terms = [aligned(t, letters) for t in terms]
        if all(t.static is not None for t in terms):
            with np.errstate(all="ignore"):
                return fixed(f(*(t.static for t in terms)), letters)
        return Term(applied(f, terms), letters)

    def sum(self, e: Reduce, sizes: Mapping[str, int]) -> Term:
        """A sum, as the factors of its body allow."""
        if isinstance(e.body, Call) and e.body.fn == "neg":
            return negative(self.sum(Reduce(e.kind, e.letters, e.ranges, e.body.args[0]), sizes))
        ranges = {x: int(r.constant or 0) for x, r in zip(e.letters, e.ranges, strict=True)}
        if e.kind is Kind.MEAN:
            total = self.sum(Reduce(Kind.SUM, e.letters, e.ranges, e.body), sizes)
            count = math.prod(ranges.values())
            return viewed(total, lambda a: a / count, total.letters)
        return self.looked_up(e) or self.gathered(e, sizes) or self.total(e, ranges, sizes)

    def looked_up(self, e: Reduce) -> Term | None:
        """sum[v](where(v == t[i], x[v], 0)): x read at the places t."""
        match lookup(e):
            case (letter, Read(t, index), Read(tensor, at)) if t in self.whole and [p.letter for p in at] == [letter]:
                k, places = self.places[tensor], self.places[t]
                return Term(lambda v: places_of(v[places], v[k].shape).read(v[k]), tuple(str(p) for p in index))
        return None

    def gathered(self, e: Reduce, sizes: Mapping[str, int]) -> Term | None:
        """sum[i](where(v == t[i], x[i], 0)) for every v: what stands at i goes to the place t[i]."""
        match e.body:
            case Call("where", (Call("==" | "delta", (Index(p), Read(t, index))), rest, Const(0))) if t in self.whole and p.letter in sizes:
                if tuple(q.letter for q in index) == e.letters and not free_names(rest) & sizes.keys():
                    inner = {x: int(r.constant or 0) for x, r in zip(e.letters, e.ranges, strict=True)}
                    value, places = self.of(rest, inner), self.places[t]
                    if value.letters == e.letters:
                        run, size = value.run, (sizes[str(p)],)
                        return Term(lambda v: places_of(v[places], size).gather(run(v)), (str(p),))
        return None

    def total(self, e: Reduce, ranges: dict[str, int], sizes: Mapping[str, int]) -> Term:
        outside, self.inside = self.inside, []
        guards: list[Poly] = []
        equal: list[Poly] = []
        body = conditions(e.body, guards, equal)
        body, ranges, guards, left = self.solved(body, ranges, guards, equal, sizes)
        inner = {**sizes, **ranges}
        body = self.chosen_terms(body, inner)
        tops, bottoms = fraction(body)
        if any(free_names(b) & ranges.keys() for b in bottoms):
            tops, bottoms = [body], []
        terms = [t for t in (counted(self.of(x, inner), x) for x in tops) if not (t.static is not None and np.ndim(t.static) == 0 and t.static == 1)]
        running, guards = self.running(guards, ranges, terms, inner)
        masks = [*self.inside, *(comparison(p, ">=", inner) for p in guards), *(comparison(p, "==", inner) for p in left)]
        self.inside = outside
        moving = [t for t in terms if t.letters or t.static is None]
        factors = masked(moving, masks)
        plain = [t.static for t in terms if not t.letters and t.static is not None]
        value = self.reduced(factors, ranges, inner, running)
        if running is None and len(factors) > 1:
            value = strongly(value, moving, masks, ranges, inner)
        for number in plain:
            value = multiplied_by(value, number)
        for b in bottoms:
            value = self.divided(value, self.of(b, sizes), sizes)
        return value

    def chosen_terms(self, body: Expr, inner: Mapping[str, int]) -> Expr:
        """The body of a sum without the choices of indices that leave terms out; adds them to what is inside."""
        while isinstance(body, Call) and body.fn == "where" and ZERO in body.args[1:] and of_indices(body.args[0]):
            test, kept, other = body.args
            found = self.of(test, inner)
            self.inside.append(found if other == ZERO else fixed(np.logical_not(found.static), found.letters))
            body = kept if other == ZERO else other
        return body

    def reduced(self, factors: list[Term], ranges: Mapping[str, int], inner: Mapping[str, int], running: tuple[str, str, int] | None) -> Term:
        """The sum of a product over letters; running: (letter, the letter up to which, from which side)."""
        summed = [x for x in ranges if running is None or x != running[0]]
        present = {x for t in factors for x in t.letters}
        missing = math.prod(ranges[x] for x in summed if x not in present)
        out = [x for x in inner if x in present and x not in summed]
        value = many(factors, out, inner) if factors else fixed(1)
        if running is not None:
            letter, until, side = running
            k = value.letters.index(letter)
            value = Term(value.run, tuple(until if x == letter else x for x in value.letters), static=value.static)
            value = viewed(value, lambda a: accumulated(a, k, side), value.letters)
            value = ordered(value, tuple(x for x in inner if x in value.letters))
        return value if missing == 1 else multiplied_by(value, missing)

    def solved(
        self, body: Expr, ranges: dict[str, int], guards: list[Poly], equal: list[Poly], sizes: Mapping[str, int]
    ) -> tuple[Expr, dict[str, int], list[Poly], list[Poly]]:
        """The body with each letter that an equation gives put in: (body, letters left, conditions, equations left)."""
        left: list[Poly] = []
        waiting = list(equal)
        while waiting:
            p = waiting.pop(0)
            found = next((x for x in ranges if (ab := p.linear_in(x)) and ab[0].constant in (1, -1)), None)
            if found is None:
                left.append(p)
                continue
            coefficient, rest = p.linear_in(found) or (Poly.of(1), p)
            at = rest * -int(coefficient.constant or 1)
            swap = {found: at}
            size = ranges.pop(found)
            body = subs(body, swap)
            guards = [g.subs(swap) for g in guards]
            left, waiting = [q.subs(swap) for q in left], [q.subs(swap) for q in waiting]
            if not (at.letter in sizes and sizes[str(at)] <= size):
                guards += [at, -at + (size - 1)]
        return body, ranges, guards, left

    def running(
        self, guards: list[Poly], ranges: Mapping[str, int], terms: Sequence[Term], inner: Mapping[str, int]
    ) -> tuple[tuple[str, str, int] | None, list[Poly]]:
        """A condition k <= i (or k >= i) on a letter of the sum, where nothing else depends on i: the sum runs along with i."""
        for n, g in enumerate(guards):
            for k in ranges:
                for i in inner:
                    side = 1 if g == Poly.name(i) - Poly.name(k) else -1 if g == Poly.name(k) - Poly.name(i) else 0
                    apart = not any(i in t.letters for t in terms) and any(k in t.letters for t in terms)
                    if side and i not in ranges and inner[i] == inner[k] and apart:
                        rest = guards[:n] + guards[n + 1 :]
                        if not any({i, k} & p.names for p in rest) and not any({i, k} & set(t.letters) for t in self.inside):
                            return (k, i, side), rest
        return None, guards

    def divided(self, a: Term, b: Term, sizes: Mapping[str, int]) -> Term:
        letters = tuple(x for x in sizes if x in a.letters or x in b.letters)
        return Term(applied(operator.truediv, [aligned(a, letters), aligned(b, letters)]), letters)

    def fold(self, e: Reduce, sizes: Mapping[str, int]) -> Term:
        """prod, max, min and argmax: the terms side by side along the last axis, then NumPy's own."""
        ranges = {x: int(r.constant or 0) for x, r in zip(e.letters, e.ranges, strict=True)}
        if e.kind is Kind.PROD and (found := self.all_but_one(e, ranges, sizes)):
            return found
        outside, self.inside = self.inside, []
        inner = {**sizes, **ranges}
        value = self.of(e.body, inner)
        empty = {Kind.PROD: 1, Kind.MIN: np.inf}.get(e.kind, -np.inf)
        for mask in self.inside:
            value = chosen(mask, value, empty, inner)
        self.inside = outside
        free = tuple(x for x in sizes if x in value.letters)
        full = tuple(inner[x] for x in (*free, *ranges))
        run = aligned(value, (*free, *ranges)).run
        count = math.prod(ranges.values())
        rows = (*full[: len(free)], count)
        f = {Kind.PROD: np.multiply.reduce, Kind.MAX: np.maximum.reduce, Kind.MIN: np.minimum.reduce}.get(e.kind, np.argmax)
        return Term(lambda v: f(_spread(run(v), full).reshape(rows), -1), free)

    def all_but_one(self, e: Reduce, ranges: Mapping[str, int], sizes: Mapping[str, int]) -> Term | None:
        """prod[k](where(k == i, 1, f(k))): the product of all terms but one, from those before it and those behind it."""
        match e.body:
            case Call("where", (Call("==", (Index(p), Index(q))), Const(1), rest)) if (
                set(p.names) <= set(e.letters) and not free_names(rest) & q.names
            ):
                own = tuple(x for x in sizes if x in q.names)
                if len(own) != len(e.letters) or [sizes[x] for x in own] != list(ranges.values()):
                    return None
                value = self.of(rest, {**{x: r for x, r in sizes.items() if x not in own}, **ranges})
                free = tuple(x for x in value.letters if x not in ranges)
                full = tuple({**sizes, **ranges}[x] for x in (*free, *ranges))
                run = aligned(value, (*free, *ranges)).run
                rows = (*full[: len(free)], math.prod(ranges.values()))
                made = Term(lambda v: others(_spread(run(v), full).reshape(rows)).reshape(full), (*free, *own))
                return ordered(made, tuple(x for x in sizes if x in made.letters))
        return None


def one_choice(e: Call) -> Call:
    """where(s, where(t, x, 0), 0) with both tests as one."""
    match e:
        case Call("where", (s, Call("where", (t, x, Const(0))), Const(0))) if is_test(s) and is_test(t):
            return one_choice(Call("where", (Call("*", (s, t)), x, ZERO)))
    return e


def _coefficient(p: Poly, letter: str) -> int:
    found = p.linear_in(letter)
    return int(found[0].constant or 0) if found else 0


def _spread(a: Any, shape: tuple[int, ...]) -> Any:
    return a if getattr(a, "shape", None) == shape else np.broadcast_to(a, shape)


def _both(f: Callable[..., Any], j: int, k: int) -> Run:
    return lambda v: f(v[j], v[k])


def applied(f: Callable[..., Any], terms: Sequence[Term]) -> Run:
    """f of the terms; a tensor as given, or a number, costs no call of its own."""
    if len(terms) == 1:
        at, value = terms[0].place, terms[0].run
        return (lambda v: f(v[at])) if at is not None else lambda v: f(value(v))
    if len(terms) == 2:
        a, b = terms
        g, h, j, k = a.run, b.run, a.place, b.place
        if j is not None and k is not None:
            return _both(f, j, k)
        if k is not None:
            return lambda v: f(g(v), v[k])
        if b.static is not None:
            number = b.static
            return (lambda v: f(v[j], number)) if j is not None else lambda v: f(g(v), number)
        return (lambda v: f(v[j], h(v))) if j is not None else lambda v: f(g(v), h(v))
    runs = [t.run for t in terms]
    return lambda v: f(*(r(v) for r in runs))


def counted(t: Term, e: Expr) -> Term:
    """Truth values as numbers: to NumPy they are none in sums."""
    return viewed(t, lambda a: a + 0, t.letters) if is_test(e) else t


def negative(t: Term) -> Term:
    return viewed(t, operator.neg, t.letters)


def multiplied_by(t: Term, number: Any) -> Term:
    return viewed(t, lambda a: a * number, t.letters)


def comparison(p: Poly, sign: str, sizes: Mapping[str, int]) -> Term:
    letters = tuple(x for x in sizes if x in p.names)
    return fixed(OPERATORS[sign](grid(p, letters, sizes), 0), letters)


def chosen(mask: Term, value: Term, other: float, sizes: Mapping[str, int]) -> Term:
    """The value where the mask says so, and another number elsewhere."""
    letters = tuple(x for x in sizes if x in mask.letters or x in value.letters)
    test, run = aligned(mask, letters).static, aligned(value, letters).run
    return Term(lambda v: np.where(test, run(v), other), letters)


def masked(factors: list[Term], masks: Sequence[Term]) -> list[Term]:
    """The factors with what a condition leaves out put to 0: in one that has its letters, else as a factor of its own."""
    out = list(factors)
    for m in masks:
        if bool(np.all(m.static)):
            continue
        k = next((k for k, t in enumerate(out) if set(m.letters) <= set(t.letters)), None)
        if k is None:
            out.append(fixed(m.static.astype(np.float32), m.letters))
        else:
            out[k] = chosen(m, out[k], 0, dict.fromkeys(out[k].letters, 0))
    return out


def accumulated(a: np.ndarray, axis: int, side: int) -> np.ndarray:
    """Running sums along an axis, from its start or from its end."""
    if side > 0:
        return np.cumsum(a, axis)
    return np.flip(np.cumsum(np.flip(a, axis), axis), axis)


def others(a: np.ndarray) -> np.ndarray:
    """Along the last axis, the product of all elements but each one: the quotient, where the whole product has all its digits."""
    whole = np.multiply.reduce(a, -1, keepdims=True)
    size = np.abs(whole)
    if a.dtype.kind == "f" and np.min(size, initial=np.inf) > np.finfo(a.dtype).tiny and np.max(size, initial=0) < np.inf:
        return np.asarray(whole / a)
    before, behind = np.ones_like(a), np.ones_like(a)
    np.multiply.accumulate(a[..., :-1], -1, out=before[..., 1:])
    behind[..., :-1] = np.multiply.accumulate(a[..., :0:-1], -1)[..., ::-1]
    return np.asarray(before * behind)
