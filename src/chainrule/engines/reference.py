"""The meaning of the language: formulas evaluated with NumPy, one axis per index letter, nothing clever.

Works in float32, float64, complex128 (for the complex step: comparisons and decisions look at the real part)
and with exact `fractions.Fraction` objects (dtype object) for formulas without transcendental functions.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from fractions import Fraction
from functools import reduce

import numpy as np

from ..errors import ElementTypeError, ShapeError
from ..language.bind import countable
from ..language.brackets import conditions
from ..language.functions import ALL, COMPARISONS, COUNTING, ROUNDING, STEPS, Kind
from ..language.index import Poly
from ..language.program import Program
from ..language.tree import Call, Const, Expr, Index, Read, Reduce, counted, direct_reads, lookup
from .number import DOUBLE, number_of

CELLS = 1 << 21  # above this many cells a reduction is walked letter by letter instead of held as one array
EMPTY = {Kind.SUM: 0, Kind.PROD: 1, Kind.ARGMAX: -1, Kind.MAX: -math.inf, Kind.MIN: math.inf}  # of no terms
MOST_LETTERS = 32  # axes that every function of NumPy takes
_erf = np.frompyfunc(math.erf, 1, 1)


def run(program: Program, arrays: Mapping[str, np.ndarray], dtype: np.dtype) -> dict[str, np.ndarray]:
    """Every tensor of the program, computed line by line. dtype object means exact fractions."""
    values: dict[str, np.ndarray] = {k: _typed(a, dtype) for k, a in arrays.items()}
    countable(program.closed, digits(dtype))
    exact = {k: a.astype(np.int64) for k, a in arrays.items() if a.dtype.kind in "iu"}
    with np.errstate(all="ignore"):
        for line in program.closed:
            sizes = {x: int(r.constant or 0) for x, r in zip(line.letters, line.ranges, strict=True)}
            place = _Place(values, exact, dtype, tuple(sizes), sizes, {})
            full = np.array(np.broadcast_to(place.value(line.expr), tuple(sizes.values())))
            if line.target is not None:
                tiles = full
                full = np.empty(tuple(int(p.constant or 0) for p in line.axes), full.dtype)
                full[tuple(place.index(p) for p in line.target)] = tiles
            values[line.tensor] = _typed(full, dtype)
    return values


def digits(dtype: np.dtype) -> int:
    """Of the type, or of the floats that stand in for it: fractions and complex numbers are drawn and counted as doubles are."""
    return (number_of(dtype) or DOUBLE).digits


def _typed(a: np.ndarray, dtype: np.dtype) -> np.ndarray:
    if dtype.kind != "O":
        return np.asarray(a).astype(dtype)
    out = np.empty(np.shape(a), object)
    flat = np.asarray(a).reshape(-1)
    out.reshape(-1)[:] = [_fraction(v) for v in flat]
    return out


def _cut(a: np.ndarray) -> np.ndarray:
    return (a.real if a.dtype.kind == "c" else a).astype(np.int64)


def _fraction(v: object) -> Fraction | float:
    """An infinity stays as it is: no fraction is one."""
    if isinstance(v, Fraction):
        return v
    v = v.item() if isinstance(v, np.generic) else v
    return v if isinstance(v, float) and not math.isfinite(v) else Fraction(v)  # type: ignore[arg-type]  # numbers as NumPy holds them


class _Place:
    """Evaluation under some letters: each is an axis of the result (in order), or held at one value."""

    def __init__(
        self,
        tensors: dict[str, np.ndarray],
        exact: dict[str, np.ndarray],
        dtype: np.dtype,
        axes: tuple[str, ...],
        sizes: dict[str, int],
        held: Mapping[str, int | np.ndarray],
    ):
        if len(axes) > MOST_LETTERS:
            shown = ", ".join(axes[:3])
            raise ShapeError(
                f"{shown}, …: {len(axes)} letters at one place; accepted with engine='reference': {MOST_LETTERS}, as NumPy's arrays have axes"
            )
        self.tensors, self.exact, self.dtype, self.axes, self.sizes, self.held = tensors, exact, dtype, axes, sizes, held

    def index(self, p: Poly) -> np.ndarray:
        env: dict[str, object] = dict(self.held)
        for name in p.names - self.held.keys():
            k = self.axes.index(name)
            env[name] = np.arange(self.sizes[name]).reshape([-1 if a == k else 1 for a in range(len(self.axes))])
        return np.asarray(p.evaluate(env))

    def number(self, v: object) -> np.ndarray:
        if self.dtype == object:
            return _typed(np.asarray(v if not isinstance(v, float) or not math.isfinite(v) else Fraction(str(v)), object), self.dtype)
        return np.asarray(v).astype(self.dtype)

    def value(self, e: Expr) -> np.ndarray:
        match e:
            case Const(value):
                return self.number(value)
            case Index(expr):
                return self.number(self.index(expr))
            case Read(tensor, index):
                return self.read(tensor, index, self.tensors)
            case Reduce():
                return self.reduction(e)
            case Call(fn, args) if fn in COMPARISONS and all(counted(a, self.exact.__contains__) for a in args):
                return self.number(np.asarray(getattr(np, ALL[fn].numpy)(*(self.whole(a) for a in args))).astype(int))
            case Call(fn, args) if fn in COUNTING:
                return self.random([self.whole(a) for a in args])
            case Call(fn, args):
                return self.call(fn, [self.value(a) for a in args])
        raise TypeError(e)

    def read(self, tensor: str, index: tuple[Poly, ...], tensors: Mapping[str, np.ndarray]) -> np.ndarray:
        a = tensors[tensor]
        if 0 in a.shape:  # a line without places: every read is outside
            return np.zeros(np.broadcast_shapes(*(np.shape(self.index(p)) for p in index)), a.dtype)
        # Outside places are dropped by the reduction around; any place inside stands in for them here.
        return np.asarray(a[tuple(np.clip(self.index(p), 0, size - 1) for p, size in zip(index, a.shape, strict=True))] if index else a)

    def whole(self, e: Expr) -> np.ndarray:
        """An expression of whole numbers, in whole numbers: a float holds them only so far."""
        match e:
            case Const(value):
                return np.asarray(value)
            case Index(expr):
                return self.index(expr)
            case Read(tensor, index):  # what was computed, or is kept as floats, is cut to whole numbers as in machine code
                return self.read(tensor, index, self.exact) if tensor in self.exact else _cut(self.read(tensor, index, self.tensors))
            case Call(fn, _) if fn in ROUNDING:
                return _cut(np.asarray(self.value(e)))
            case Call(fn, args):
                return np.asarray(getattr(np, ALL[fn].numpy)(*map(self.whole, args)))
            case Reduce(_, (letter,), (size,), _) if found := lookup(e):
                place = self.whole(found[1])
                there = _Place(self.tensors, self.exact, self.dtype, self.axes, self.sizes, {**self.held, letter: place})
                ok = (place >= 0) & (place < int(size.constant or 0)) & there.present(found[2], [], [])
                return np.where(ok, there.whole(found[2]), 0)
        raise TypeError(e)

    def present(self, body: Expr, guards: list[Poly], equal: list[Poly]) -> np.ndarray:
        """Which terms of a reduction over `body` read inside all their tensors (and have no bracket that is 0)."""
        ok = np.asarray(True)
        for g in guards:
            ok = ok & (self.index(g) >= 0)
        for q in equal:
            ok = ok & (self.index(q) == 0)
        for r in direct_reads(body):
            for p, size in zip(r.index, self.tensors[r.tensor].shape, strict=True):
                at = self.index(p)
                ok = ok & (at >= 0) & (at < size)
        return ok

    def call(self, fn: str, args: list[np.ndarray]) -> np.ndarray:
        if self.dtype == object and not ALL[fn].exact:
            raise ElementTypeError(f"{fn}: has no exact value for fractions; accepted: formulas of + - * /, powers, comparisons, max and min")
        if self.dtype == object and fn == "**" and not all(_fraction(v) % 1 == 0 for v in args[1].reshape(-1)):
            raise ElementTypeError("**: a fraction to a broken power is not exact; accepted: whole powers")
        if fn == "where":
            return np.where(_true(args[0]), args[1], args[2])
        if fn in COMPARISONS or (fn in (*STEPS, "maximum", "minimum", "abs") and self.dtype.kind == "c"):
            return self.decided(fn, args)
        if fn == "erf":
            return self.erf(args[0])
        if fn == "sigmoid":  # exp of what is never positive: nothing overflows, and the tails keep their digits
            above = np.real(args[0]) >= 0
            e = np.exp(np.where(above, -args[0], args[0]))
            return np.asarray(np.where(above, self.number(1), e) / (1 + e)).astype(self.dtype)
        if fn == "softplus":  # the larger of a and 0, and what is left, which is never more than log 2
            above = np.real(args[0]) >= 0
            rest = np.log1p(np.exp(np.where(above, -args[0], args[0])))
            return np.asarray(np.where(above, args[0] + rest, rest)).astype(self.dtype)
        if fn == "sign" and self.dtype == object:
            return self.number(np.vectorize(lambda v: (v > 0) - (v < 0), otypes=[object])(args[0]))
        return np.asarray(getattr(np, ALL[fn].numpy)(*args))

    def decided(self, fn: str, args: list[np.ndarray]) -> np.ndarray:
        """Decisions look at the real part, so that a complex step passes through the chosen branch."""
        real = [np.real(a) if self.dtype.kind == "c" else a for a in args]
        if fn in STEPS:
            return self.number(getattr(np, ALL[fn].numpy)(real[0]))
        if fn == "abs":
            return args[0] * np.where(real[0] < 0, -1, 1)
        if fn in ("maximum", "minimum"):
            return np.where(real[0] >= real[1] if fn == "maximum" else real[0] <= real[1], args[0], args[1])
        return self.number(np.asarray(getattr(np, ALL[fn].numpy)(*real)).astype(int))

    def random(self, args: list[np.ndarray]) -> np.ndarray:
        """A number in [0, 1) from whole numbers: one round of splitmix64 for each, then the highest bits."""
        z = np.zeros((), np.uint64)
        for a in args:
            z = (z ^ np.asarray(a, np.int64).astype(np.uint64)) + np.uint64(0x9E3779B97F4A7C15)
            z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            z = z ^ (z >> np.uint64(31))
        bits = digits(self.dtype)
        high = np.asarray(z >> np.uint64(64 - bits))
        if self.dtype == object:
            return np.asarray(_typed(high, self.dtype) / Fraction(1 << bits))
        return np.asarray(np.ldexp(high.astype(np.float64), -bits)).astype(self.dtype)

    def erf(self, x: np.ndarray) -> np.ndarray:
        if self.dtype.kind == "c":  # erf(a + ib) = erf(a) + ib 2/sqrt(pi) exp(-a^2), exact to first order in b
            slope = 2 / math.sqrt(math.pi) * np.exp(-(x.real**2))
            return np.asarray(self.number(_erf(x.real)) + 1j * x.imag * slope)
        return np.asarray(_erf(x)).astype(self.dtype)

    def reduction(self, e: Reduce) -> np.ndarray:
        sizes = {x: int(r.constant or 0) for x, r in zip(e.letters, e.ranges, strict=True)}
        if e.kind is Kind.MEAN:
            total = self.reduction(Reduce(Kind.SUM, e.letters, e.ranges, e.body))
            return self.call("/", [total, self.number(math.prod(sizes.values()))])
        if math.prod(sizes.values()) == 0:
            return self.number(EMPTY[e.kind])
        cells = math.prod(self.sizes[x] for x in self.axes) * math.prod(sizes.values())
        if e.letters and cells > CELLS:
            return self.walk(e, sizes)
        inner = _Place(self.tensors, self.exact, self.dtype, (*self.axes, *e.letters), self.sizes | sizes, self.held)
        guards: list[Poly] = []
        equal: list[Poly] = []
        term = conditions(e.body, guards, equal) if e.kind is Kind.SUM else e.body
        body, ok = inner.value(term), inner.present(e.body, guards, equal)
        shape = np.broadcast_shapes(body.shape, ok.shape, (1,) * len(self.axes) + tuple(sizes.values()))
        rows = (*shape[: len(self.axes)], math.prod(shape[len(self.axes) :]))
        body, ok = np.broadcast_to(body, shape).reshape(rows), np.broadcast_to(ok, shape).reshape(rows)
        return self.fold(e.kind, body, ok)

    def fold(self, kind: Kind, body: np.ndarray, ok: np.ndarray) -> np.ndarray:
        """Reduce the last axis; the first of equal winners wins, NaN wins over all."""
        number = number_of(self.dtype)
        wide = number.wide.dtype if number else None
        if kind is Kind.SUM:
            return self.number(np.where(ok, body, self.number(0)).sum(axis=-1, dtype=wide))
        if kind is Kind.PROD:
            return self.number(np.where(ok, body, self.number(1)).prod(axis=-1, dtype=wide))
        sign = -1 if kind is Kind.MIN else 1
        rank = np.real(body) if self.dtype.kind == "c" else body
        ranks = sign * rank
        top = _largest(ranks, ok)
        best = np.argmax(ok & ((ranks == top) | (ranks != ranks)), axis=-1)  # NaN wins over all
        none = ~ok.any(axis=-1)
        if kind is Kind.ARGMAX:
            return self.number(np.where(none, -1, best))
        chosen = np.take_along_axis(body, best[..., None], axis=-1)[..., 0]
        return np.where(none, -sign * math.inf, chosen).astype(self.dtype)

    def walk(self, e: Reduce, sizes: dict[str, int]) -> np.ndarray:
        """The same reduction with its first letter held at one value after another."""
        first, rest = e.letters[0], e.letters[1:]
        part = Reduce(Kind.MAX if e.kind is Kind.ARGMAX else e.kind, rest, e.ranges[1:], e.body)
        places = [_Place(self.tensors, self.exact, self.dtype, self.axes, self.sizes, {**self.held, first: k}) for k in range(sizes[first])]
        if e.kind is Kind.SUM:
            return _pairwise(p.reduction(part) for p in places)
        if e.kind is Kind.PROD:
            return reduce(lambda a, b: a * b, (p.reduction(part) for p in places))
        best, at = None, None
        for k, p in enumerate(places):
            value = p.reduction(part)
            where = p.reduction(Reduce(Kind.ARGMAX, rest, e.ranges[1:], e.body)) if e.kind is Kind.ARGMAX else value
            where = where + self.number(k * math.prod(list(sizes.values())[1:])) if e.kind is Kind.ARGMAX else where
            if best is None or at is None:
                best, at = value, where
                continue
            a, b = np.real(value), np.real(best)
            better = ((a < b) if e.kind is Kind.MIN else (a > b)) | ((a != a) & (b == b))
            best, at = np.where(better, value, best), np.where(better, where, at)
        assert at is not None
        return at


def _pairwise(values: Iterable[np.ndarray]) -> np.ndarray:
    """Their sum, taken in pairs, and pairs of pairs: rounding grows with the logarithm of their number."""
    sums: list[np.ndarray] = []
    for k, v in enumerate(values, 1):
        while k % 2 == 0:
            k, v = k // 2, sums.pop() + v
        sums.append(v)
    return reduce(lambda a, b: b + a, reversed(sums))


def _largest(ranks: np.ndarray, ok: np.ndarray) -> np.ndarray:
    """The largest of each row among the terms that are there; NaN where one of them is."""
    if ranks.dtype == object:
        least: object = min(ranks.reshape(-1), default=Fraction(0)) - 1
        return np.asarray(np.max(np.where(ok, ranks, np.asarray(least, object)), axis=-1, keepdims=True))
    return np.asarray(np.max(np.where(ok, ranks, -np.inf), axis=-1, keepdims=True))


def _true(a: np.ndarray) -> np.ndarray:
    return np.asarray(a != 0, bool)
