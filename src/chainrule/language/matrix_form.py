"""A line as a product of matrices, where it is one: letters that are summed over and chain tensors of at most two axes.

A tensor with two axes is a matrix, one with a single axis a column. The element of a product at (row, column) is a sum over paths: each factor joins two letters, and
the path from the row's letter to the column's through all letters of the sum is the order of the matrices. Where no path exists there is no matrix form.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .formula import RELATIONS, Setter, called, letter, numbered
from .functions import FUNCTIONS, Kind
from .index import Poly
from .layout import Box, Fence, Frac, Name, Number, Scripts, Sign, bracketed, first, joined, row
from .show import BINDS
from .tree import Call, Const, Expr, Line, Read, Reduce, free_names, letters_of, number_of, walk

Letter = str | None
EACH = frozenset(FUNCTIONS) - {"where", "delta", "uniform"}  # applied to each element
WORDS = {"exp": "exp", "abs": "abs", "sqrt": "sqrt", "floor": "floor", "ceil": "ceil"}


class NoMatrix(Exception):
    """The formula is no product of matrices."""


@dataclass(frozen=True)
class Shown:
    """Boxes of a matrix, and what holds them together: a sum, a product element by element, a product, or nothing."""

    box: Box
    kind: str = "atom"

    def inside(self, *but: str) -> Box:
        """In brackets, unless it is of one of these kinds."""
        return self.box if self.kind in ("atom", *but) else bracketed(self.box)


def matrix_line(line: Line, setter: Setter) -> Box | None:
    """The line in matrix form; None where it has none."""
    if (
        line.target is not None
        or len(line.letters) > 2
        or any(len(axes) > 2 for axes in (line.axes, *(setter.axes[r.tensor] for r in tensors(line.expr))))
    ):
        return None
    ranges = dict(zip(line.letters, line.ranges, strict=True))
    for e in walk(line.expr):
        for x, size in zip(e.letters, e.ranges, strict=True) if isinstance(e, Reduce) else ():
            if ranges.setdefault(x, size) != size or x in line.letters:
                return None
    whole = Whole(setter, ranges)
    at = (*line.letters, None, None)[:2]
    try:
        return row(whole.read(line.read, *at).box, Sign("="), whole.shown(line.expr, *at).box)
    except NoMatrix:
        return None


def tensors(e: Expr) -> list[Read]:
    return [x for x in walk(e) if isinstance(x, Read)]


@dataclass(frozen=True)
class Whole:
    """Whole matrices in place of their elements."""

    setter: Setter
    ranges: Mapping[str, Poly]

    def free(self, e: Expr) -> set[str]:
        """The letters on which an element depends."""
        return free_names(e) & self.ranges.keys()

    def shown(self, e: Expr, r: Letter, c: Letter) -> Shown:
        """The matrix (a column where c is None, a row where r is) whose element at r, c is e."""
        if not self.free(e) <= {r, c}:
            raise NoMatrix
        match e:
            case Call(fn, (a, b)) if fn in ("+", "-"):
                right = self.shown(b, r, c)
                boxed = right.inside("product", "each", *(("sum",) if fn == "+" and first(right.box) != Sign("-", True) else ()))
                return Shown(row(self.shown(a, r, c).box, Sign(fn), boxed), "sum")
            case Call("neg", (a,)):
                return Shown(row(Sign("-", True), self.shown(a, r, c).inside("product", "each")), "sum")
        if not self.free(e) and not letters_of(e):
            ones = [self.ones(x, x == c) for x in (r, c) if x]
            scalar = self.scalar(e)
            return product(ones if ones and e == Const(1) else [scalar, *ones])
        match e:
            case Read():
                return self.read(e, r, c)
            case Call("*" | "/") | Reduce(Kind.SUM | Kind.MEAN):
                return self.product(e, r, c)
            case Call("where", (Call(fn), _, Const(0))) if fn in RELATIONS:
                return self.product(e, r, c)
            case Call("**", (a, b)) if not self.free(b) and not letters_of(b):
                return self.power(self.shown(a, r, c), self.setter.box(b))
            case Call(fn, args) if fn in EACH or fn in RELATIONS:
                return self.each(fn, [self.argument(a, r, c) for a in args])
        raise NoMatrix

    def argument(self, e: Expr, r: Letter, c: Letter) -> Box:
        return self.setter.box(e, 2) if not self.free(e) and not letters_of(e) else self.shown(e, r, c).box

    def each(self, fn: str, args: list[Box]) -> Shown:
        """A function of every element; e to the power of a matrix would be something else."""
        if fn in RELATIONS:
            return Shown(Fence("[", row(args[0], Sign(RELATIONS[fn]), args[1])))
        sign = Name(WORDS[fn], upright=True, function=True) if fn in WORDS else called(FUNCTIONS[fn].latex)
        return Shown(row(sign, Fence("(", joined(args))))

    def power(self, base: Shown, exponent: Box) -> Shown:
        return Shown(Scripts(base.box if isinstance(base.box, (Name, Fence)) else bracketed(base.box), sup=row(Sign("∘", True), exponent)))

    def scalar(self, e: Expr) -> Shown:
        box = self.setter.box(e, BINDS["*"] + 1)
        return Shown(bracketed(box) if first(box) == Sign("-", True) else box)

    # Tensors ---------------------------------------------------------------------------------------------------------

    def read(self, e: Read, r: Letter, c: Letter) -> Shown:
        """A tensor, or what it is turned round; a vector beside 1s where it has one letter of two."""
        at = [p.letter for p in e.index]
        sizes = self.setter.axes[e.tensor]
        if None in at or len(set(at)) < len(at) or any(self.ranges.get(x or "") != size for x, size in zip(at, sizes, strict=True)):
            raise NoMatrix
        box = self.name(e.tensor, len(at))
        if not at or (at in ([r, c], [r]) and (len(at) == 2 or c is None)):
            return Shown(box)
        if at == [c, r] or (at == [c] and r is None):
            return Shown(turned(box))
        if at == [r]:
            return product([Shown(box), self.ones(c, True)])
        if at == [c]:
            return product([self.ones(r, False), Shown(turned(box))])
        raise NoMatrix

    def name(self, tensor: str, axes: int) -> Box:
        """Bold, a matrix as a capital; of an adjoint, what it is the adjoint of."""

        def bold(name: str) -> Box:
            stem, tail = numbered(name)
            found = letter(stem)
            text = found.text if isinstance(found, Name) else stem
            shown = Name(text.upper() if axes == 2 and len(text) == 1 else text, bold=True) if axes else found
            return Scripts(shown, sup=bracketed(Number(tail))) if tail else shown

        of = self.setter.adjoint_of(tensor)
        if of is None:
            return bold(tensor)
        if self.setter.notation.adjoint == "d":
            return row(Name("d", upright=True), bold(of))
        if self.setter.notation.adjoint == "partial":
            return Frac(row(Sign("∂"), Name("E")), row(Sign("∂"), bold(of)))
        return Scripts(Name("δ", bold=True), sup=bold(of))

    def ones(self, at: Letter, flat: bool) -> Shown:
        one = Name("1", bold=True)
        return Shown(turned(one) if flat else one)

    # Products --------------------------------------------------------------------------------------------------------

    def product(self, e: Expr, r: Letter, c: Letter) -> Shown:
        above: list[Expr] = []
        below: list[Expr] = []
        factors: list[tuple[Expr, bool]] = []
        self.collect(e, True, above, below, factors)
        if factors == [(e, True)]:  # a sum that drops terms, which no matrix does
            raise NoMatrix
        edges: dict[frozenset[str], list[tuple[Expr, bool]]] = {}
        for f, up in factors:
            edges.setdefault(frozenset(self.free(f)), []).append((f, up))
        if any(len(k) > 2 for k in edges):
            raise NoMatrix
        over = joined([self.scalar(x).box for x in above], "·") if above else Number("1")
        front = [Shown(Frac(over, joined([self.setter.box(x, BINDS["*"]) for x in below], "·")))] if below else [Shown(over)] if above else []
        made = Paths(self, edges).product(r, c)
        return product([*front, made]) if front else made

    def collect(self, e: Expr, up: bool, above: list[Expr], below: list[Expr], factors: list[tuple[Expr, bool]]) -> None:
        """Numbers above and below the line, and the factors that depend on letters, each above or below."""
        match e:
            case Call("*", (a, b)):
                self.collect(a, up, above, below, factors)
                self.collect(b, up, above, below, factors)
            case Call("/", (a, b)):
                self.collect(a, up, above, below, factors)
                self.collect(b, not up, above, below, factors)
            case Call("where", (Call(fn) as test, value, Const(0))) if fn in RELATIONS and up:  # a bracket that is 0 or 1
                self.collect(test, up, above, below, factors)
                self.collect(value, up, above, below, factors)
            case Reduce(Kind.SUM | Kind.MEAN, letters, ranges, body) if letters and up:
                if not set(letters) <= self.free(body) or any(set(letters) & self.free(f) for f, _ in factors):
                    raise NoMatrix
                if e.kind is Kind.MEAN:
                    below += [number_of(size) for size in ranges]
                self.collect(body, up, above, below, factors)
            case _ if not self.free(e) and not letters_of(e):
                if e != Const(1):
                    (above if up else below).append(e)
            case _:
                factors.append((e, up))

    def factor(self, made: list[tuple[Expr, bool]], r: Letter, c: Letter) -> Shown:
        """Factors of the same letters: a product element by element."""
        boxes = [self.shown(f, r, c) for f, _ in made]
        boxes = [b if up else self.power(b, row(Sign("-", True), Number("1"))) for b, (_, up) in zip(boxes, made, strict=True)]
        return boxes[0] if len(boxes) == 1 else Shown(joined([b.inside("each") for b in boxes], "∘"), "each")


@dataclass(frozen=True)
class Paths:
    """The ways from a row's letter to a column's over factors that share letters."""

    whole: Whole
    edges: Mapping[frozenset[str], list[tuple[Expr, bool]]]

    def product(self, r: Letter, c: Letter) -> Shown:
        both = frozenset(x for x in (r, c) if x)
        direct = self.edges.get(both) if len(both) == 2 else None
        rest = {k: v for k, v in self.edges.items() if not (direct and k == both)}
        if direct and any(len(k) == 2 for k in rest):  # element by element with a product of the others
            others = Paths(self.whole, rest).product(r, c)
            found = [
                self.whole.shown(f, r, c) if up else self.whole.power(self.whole.shown(f, r, c), row(Sign("-", True), Number("1")))
                for f, up in direct
            ]
            return Shown(joined([b.inside("each") for b in (*found, others)], "∘"), "each")
        if r and c:
            parts, used, end = self.walk(r, c)
            if end != c:
                more, also, _ = self.walk(c, None)
                parts, used = [*parts, *flipped(more)], used | also
        elif r or c:
            parts, used, _ = self.walk(r or c or "", None)
            parts = parts if r else flipped(parts)
        else:
            start = min((x for k in self.edges for x in k), key=lambda x: (sum(x in k and len(k) == 2 for k in self.edges), x), default=None)
            if start is None:
                raise NoMatrix
            parts, used, _ = self.scalar(start)
        if used != set(self.edges):
            raise NoMatrix
        return product([self.placed(*p) for p in parts])

    def walk(self, start: str, goal: Letter) -> tuple[list[Part], set[frozenset[str]], str]:
        """(parts, the factors in them, where it ends): from a letter along factors of two, to the goal or to where no other leads on."""
        parts: list[Part] = []
        used: set[frozenset[str]] = set()
        at = start
        while True:
            own = frozenset((at,))
            onward = [k for k in self.edges if at in k and len(k) == 2 and k not in used]
            if len(onward) > 1:
                raise NoMatrix
            last = not onward or at == goal
            if own in self.edges:
                used.add(own)
            if last and at == goal:
                parts += [(self.edges[own], at, at)] if own in self.edges else []
                return parts, used, at
            if last:
                parts.append((self.edges.get(own, []), at, None))
                return parts, used, at
            parts += [(self.edges[own], at, at)] if own in self.edges else []
            used.add(onward[0])
            (nxt,) = onward[0] - {at}
            parts.append((self.edges[onward[0]], at, nxt))
            at = nxt

    def scalar(self, start: str) -> tuple[list[Part], set[frozenset[str]], str]:
        """A number: a row from the first letter, and what follows."""
        own = frozenset((start,))
        parts, used, end = self.walk(start, None)
        factors = self.edges.get(own, [])
        if len(parts) == 1 and len(factors) > 1:  # aᵀ b
            return [(factors[:1], None, start), (factors[1:], start, None)], used, end
        if len(parts) == 1:
            return [([], None, start), *parts], used, end
        return [(factors, None, start), *(p for p in parts if p[1:] != (start, start))], used, end

    def placed(self, factors: list[tuple[Expr, bool]], r: Letter, c: Letter) -> Shown:
        """A matrix of the product; a vector between two others is a diagonal; none is 1s."""
        if r == c:
            return Shown(row(Name("diag", upright=True, function=True), bracketed(self.whole.factor(factors, r, None).box)))
        return self.whole.factor(factors, r, c) if factors else self.whole.ones(r or c, r is None)


Part = tuple[list[tuple[Expr, bool]], Letter, Letter]


def flipped(parts: list[Part]) -> list[Part]:
    """The same from the other end."""
    return [(factors, c, r) for factors, r, c in reversed(parts)]


def product(parts: list[Shown]) -> Shown:
    """Matrices side by side."""
    if len(parts) == 1:
        return parts[0]
    return Shown(joined([p.inside("product") for p in parts], "·"), "product")


def turned(box: Box) -> Box:
    """Transposed."""
    plain = isinstance(box, Name) or (not isinstance(box, (Scripts, Frac)) and not isinstance(getattr(box, "parts", (None,))[-1], Scripts))
    return Scripts(box if plain else bracketed(box), sup=Sign("ᵀ"))
