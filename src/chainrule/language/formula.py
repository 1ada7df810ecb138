"""From the tree of a formula to its boxes: brackets where they matter, and signs that can be read in one way only."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from .branches import WORDS, branches, gated, is_test
from .functions import FUNCTIONS, Kind
from .index import Monomial, Poly, Quotient
from .layout import GAP, Box, Cases, Fence, Frac, Limits, Name, Number, Root, Row, Scripts, Sign, Words, bracketed, first, joined, last, row
from .letters import GREEK, single
from .lookups import element
from .notation import USUAL, Notation
from .raw import UNKNOWN
from .shifted import counted_from
from .show import ATOM, BINDS, Axes, alone, conjoined, poly_binds, said, without_blocks
from .tree import ONE, Call, Const, Expr, Index, Line, Read, Reduce

RELATIONS = {"==": "=", "!=": "≠", "<": "<", "<=": "≤", ">": ">", ">=": "≥"}
BINARY = {"+": "+", "-": "-"} | RELATIONS
EACH = (Kind.SUM, Kind.PROD)  # signs that stand once for each letter where both ends are said
CASES = 1  # a brace has no end at the right: inside anything it stands in brackets


def letter(stem: str) -> Box:
    """A name without number: a letter, a Greek one that is spelled out, or a word."""
    return Name(GREEK[stem]) if stem in GREEK else Name(stem, upright=not single(stem))


def numbered(name: str) -> tuple[str, str]:
    """A name and the number at its end."""
    stem = name.rstrip("0123456789")
    return (stem, name[len(stem) :]) if stem else (name, "")


def quantity(name: str) -> Box:
    """A letter, size or setting: its number is an index."""
    stem, tail = numbered(name)
    return Scripts(letter(stem), sub=Number(tail)) if tail else letter(stem)


def tensor(name: str) -> Box:
    """A tensor: its number is above, below are indices."""
    stem, tail = numbered(name)
    return Scripts(letter(stem), sup=bracketed(Number(tail))) if tail else letter(stem)


@dataclass(frozen=True)
class Setter:
    """What sets formulas: the axes of every tensor, the notation, and which tensors are adjoints of which (None: as their names say)."""

    axes: Axes
    notation: Notation = USUAL
    adjoints: Mapping[str, str] | None = None

    @property
    def sizes(self) -> frozenset[str]:
        """Names that are whole numbers: those in the sizes of axes."""
        return frozenset().union(*(p.names for axes in self.axes.values() for p in axes))

    # Names and numbers -----------------------------------------------------------------------------------------------

    def adjoint_of(self, name: str) -> str | None:
        """The tensor whose adjoint this is, by the derivation or by its name."""
        if self.adjoints is not None:
            return self.adjoints.get(name)
        if name[:1] != "d" or len(name) == 1:
            return None
        of = name[1:]
        return of if of in self.axes or (single(of.rstrip("0123456789")) and of[0].isalpha()) or numbered(of)[0] in GREEK else None

    def read(self, name: str, index: Box | None = None) -> Box:
        """A tensor, or one element of it."""
        of = self.adjoint_of(name)
        if of is None:
            return placed(tensor(name), index)
        of, extra = (of[: -len("_total")], True) if of.endswith("_total") and of not in self.axes else (of, False)
        if self.notation.adjoint == "partial" and not extra:
            return Frac(row(Sign("∂"), Name("E")), row(Sign("∂"), placed(tensor(of), index)))
        if self.notation.adjoint == "d":
            return row(Name("d", upright=True), placed(tensor(name[1:]), index))
        above = row(tensor(of), Sign(",", True), Name("total", True)) if extra else tensor(of)
        return Scripts(Name("δ"), sub=index, sup=above)

    def number(self, value: int | float) -> tuple[Box, int]:
        minus = (Sign("-", True),) if value < 0 else ()
        digits, _, power = repr(abs(value)).partition("e")
        if abs(value) in (math.pi, math.inf):
            box: Box = Name("π") if abs(value) == math.pi else Name("∞")
            binds = ATOM
        elif not power:
            box, binds = Number(digits), ATOM
        else:
            exponent = row(*([Sign("-", True)] if int(power) < 0 else []), Number(str(abs(int(power)))))
            box, binds = Scripts(Number("10"), sup=exponent), BINDS["**"]
            if digits != "1":
                box, binds = row(Number(digits), Sign("⋅"), box), BINDS["*"]
        return row(*minus, box), BINDS["neg"] if minus else binds

    def poly(self, p: Poly, needed: int = 0) -> Box:
        """An index expression."""
        parts: list[Box] = []
        for c, atoms in self.terms(p):
            if c < 0 or parts:
                parts.append(Sign("-" if c < 0 else "+", True))
            factors = ([Number(str(abs(c)))] if abs(c) != 1 or not atoms else []) + atoms
            parts.append(joined(factors, "·", True))
        if not parts:
            return Number("0")
        box = row(*parts)
        return bracketed(box) if needed > 2 and (len(p.terms) > 1 or parts[0] == Sign("-", True)) else box

    def terms(self, p: Poly) -> Iterator[tuple[int | float, list[Box]]]:
        """(coefficient, factors) of each term; where indices begin at 1, s*i - s is s*(i-1)."""
        left = dict(p.terms)
        for m, c in p.terms.items():
            if m not in left:
                continue
            del left[m]
            found = less(m, c, left) if self.notation.base else None
            if found is None:
                yield c, [self.atom(a) for a in m]
                continue
            k, other = found
            del left[other]
            one = bracketed(row(self.atom(m[k]), Sign("-", True), Number("1")))
            yield c, [one if j == k else self.atom(a) for j, a in enumerate(m)]

    def place(self, p: Poly) -> Box:
        """An index expression with nothing around it; a remainder that is all of it needs no brackets."""
        (m, c), *more = p.terms.items() or [((), 0)]
        alone = not more and c == 1 and len(m) == 1 and isinstance(m[0], Quotient) and m[0].remainder
        return self.remainder(m[0]) if alone and isinstance(m[0], Quotient) else self.poly(p)

    def remainder(self, a: Quotient) -> Box:
        return row(self.poly(a.num, 3), Sign("mod"), self.poly(a.den, 3))

    def atom(self, a: str | Quotient) -> Box:
        if isinstance(a, str):
            return quantity(a)
        if a.remainder:
            return bracketed(self.remainder(a))
        return Fence("⌊", Frac(self.poly(a.num), self.poly(a.den)))

    # Expressions -----------------------------------------------------------------------------------------------------

    def box(self, e: Expr, needed: int = 0) -> Box:
        """The boxes of an expression; `needed` is how tightly the place around it binds."""
        box, binds = self.bound(e)
        return bracketed(box) if binds < needed else box

    def bound(self, e: Expr) -> tuple[Box, int]:
        """(boxes, how tightly they hold together)."""
        match e:
            case Const(value):
                return self.number(value)
            case Index(expr):
                return self.poly(expr), poly_binds(expr)
            case Read(name, index):
                box = self.read(name, joined([self.poly(p) for p in index], ",", True) if index else None)
                return box, BINDS["**"] if isinstance(box, Frac) else ATOM
            case Reduce():
                found = self.element(e)
                return self.looked_up(*found) if found else (self.reduction(e), BINDS["*"])
            case Call("diff", (of, by)):
                return self.derivative(of, by)
            case Call("/", (a, b)):
                return Frac(self.box(a), self.box(b)), BINDS["**"]
            case Call("**", (a, b)):
                return self.power(a, self.box(b)), BINDS["**"]
            case Call("neg", (a,)):
                return row(Sign("-", True), self.box(a, BINDS["neg"] + 1 if negative(a) else BINDS["*"])), BINDS["neg"]
            case Call("where") if gate := gated(e):
                return self.gate(*gate), BINDS["*"]
            case Call("where"):
                return self.cases(e), CASES
            case Call(fn, args) if fn in FUNCTIONS:
                return self.function(fn, args)
            case Call("*", (a, b)):
                chain = conjoined(e)
                return (Fence("[", self.condition(e)), ATOM) if chain else (self.times(a, b), BINDS["*"])
            case Call(fn, (a, b)) if fn in RELATIONS:
                return Fence("[", self.condition(e)), ATOM
            case Call(fn, (a, b)):
                right = self.box(b, BINDS[fn] + 1)
                return row(self.box(a, BINDS[fn]), Sign(BINARY[fn]), bracketed(right) if first(right) == Sign("-", True) else right), BINDS[fn]
        raise TypeError(e)

    def looked_up(self, read: Read, places: Mapping[str, Expr]) -> tuple[Box, int]:
        """An element at numbers of the data, which count from 0: z_{n,t_n}, or z_{n,t_n+1} where indices count from 1."""
        more = (Sign("+", True), Number(str(self.notation.base))) if self.notation.base else ()
        index = [row(self.box(places[str(p)]), *more) if str(p) in places else self.poly(p) for p in read.index]
        box = self.read(read.tensor, joined(index, ",", True))
        return box, BINDS["**"] if isinstance(box, Frac) else ATOM

    def times(self, a: Expr, b: Expr) -> Box:
        """A product. A sum in it swallows what follows, unless brackets end it; 2 beside 3 is no 23; a name before a bracket is no function."""
        gate = isinstance(b, Call) and b.fn == "where" and gated(b)  # factors in a row
        left, right = bracketed(self.box(a)) if self.endless(a) else self.box(a, BINDS["*"]), self.box(b, BINDS["*"] + (not gate))
        right = bracketed(right) if first(right) == Sign("-", True) else right
        dot = isinstance(first(right), Number) or (isinstance(last(left), Name) and isinstance(first(right), Fence))
        return row(left, Sign("⋅" if dot else "·"), right)

    def endless(self, e: Expr) -> bool:
        """Whether what is printed of e ends with the body of a reduction."""
        if isinstance(e, Call) and e.fn == "neg":
            return self.endless(e.args[0])
        if isinstance(e, Call) and e.fn == "where" and (gate := gated(e)):
            return self.endless(gate[1])
        return isinstance(e, Reduce) and self.element(e) is None

    def element(self, e: Expr) -> tuple[Read, Mapping[str, Expr]] | None:
        """The element that a sum looks up at numbers of the data."""
        return element(e, self.axes, self.notation.base, declared=False)

    def power(self, a: Expr, exponent: Box) -> Box:
        base = self.box(a, ATOM)
        simple = isinstance(base, (Name, Number, Fence, Root)) or (isinstance(base, Scripts) and base.sup is None)
        if not simple:  # two superscripts on one name are none, and behind a function's bracket one belongs to nobody
            return Scripts(bracketed(base), sup=exponent)
        return Scripts(base, sup=exponent)

    def derivative(self, of: Expr, by: Expr) -> tuple[Box, int]:
        """∂ of an element over ∂ of another; of a longer expression: it stands behind the fraction."""
        top, binds = self.bound(of)
        if (isinstance(of, Read) or self.element(of)) and not isinstance(top, Frac):
            return Frac(row(Sign("∂"), top), row(Sign("∂"), self.box(by))), BINDS["**"]
        whole = top if binds == ATOM and not isinstance(top, Scripts) else bracketed(top)
        return row(Frac(Sign("∂"), row(Sign("∂"), self.box(by))), *([GAP] if whole is top else []), whole), BINDS["**"]

    def function(self, fn: str, args: tuple[Expr, ...]) -> tuple[Box, int]:
        boxes = [self.box(a) for a in args]
        match fn:
            case "sqrt":
                return Root(boxes[0]), ATOM
            case "abs":
                return Fence("|", boxes[0]), ATOM
            case "floor" | "ceil":
                return Fence("⌊" if fn == "floor" else "⌈", boxes[0]), ATOM
            case "exp":
                return Scripts(Name("e", upright=True), sup=boxes[0]), BINDS["**"]  # upright: a tensor may be called e
            case "delta":
                return Scripts(Name("δ"), sub=joined(boxes, ",", True)), ATOM
        return row(called(FUNCTIONS[fn].latex), Fence("(", joined(boxes))), ATOM

    def gate(self, test: Expr, value: Expr) -> Box:
        """[test] value: a bracket is 1 or 0, and 0 times anything is 0."""
        bracket = self.box(test, BINDS["*"]) if is_test(test) else Fence("[", self.condition(test))
        if value == ONE:
            return bracket
        right = self.box(value, BINDS["*"])
        return row(bracket, Sign("·"), bracketed(right) if first(right) == Sign("-", True) else right)

    def cases(self, e: Expr) -> Box:
        """One brace for choices within choices, too."""
        start, later, rest, _ = WORDS[self.notation.language]
        rows: list[tuple[Box, Box]] = []
        for value, tests in branches(e):
            words = Words(later if rows else start)
            rows.append((self.box(value), row(words, Sign("~"), self.conditions(tests)) if tests else Words(rest)))
        return Cases(tuple(rows), self.notation.cases == "environment")

    def conditions(self, tests: tuple[Expr, ...]) -> Box:
        """Conditions that all hold."""
        both = row(Sign("~"), Words(WORDS[self.notation.language][3]), Sign("~"))
        found = [self.condition(t) for test in tests for t in self.apart(test)]
        return row(found[0], *(Row((both, c)) for c in found[1:]))

    def apart(self, test: Expr) -> list[Expr]:
        """The comparisons of which a condition is made."""
        if isinstance(test, Call) and test.fn == "*" and not conjoined(test) and is_test(test):
            return [*self.apart(test.args[0]), *self.apart(test.args[1])]
        return [test]

    def condition(self, e: Expr) -> Box:
        """A comparison, a row of them, or what is not 0."""
        chain = conjoined(e)
        if chain:
            (a, one, b), (other, c) = chain
            return row(self.side(a), Sign(RELATIONS[one]), self.side(b), Sign(RELATIONS[other]), self.side(c))
        if isinstance(e, Call) and e.fn in RELATIONS:
            return row(self.side(e.args[0]), Sign(RELATIONS[e.fn]), self.side(e.args[1]))
        return row(self.side(e), Sign("≠"), Number("0"))

    def side(self, e: Expr) -> Box:
        """One side of a comparison."""
        return self.place(e.expr) if isinstance(e, Index) else self.box(e, 2)

    def reduction(self, e: Reduce) -> Box:
        """A letter below the sign stands with its range where no axis says it, as the taps of a window do."""
        body = self.box(e.body, BINDS["*"])
        return row(
            *self.signs(e.kind, list(zip(e.letters, e.ranges, strict=True)), e.body), GAP, bracketed(body) if first(body) == Sign("-", True) else body
        )

    def signs(self, kind: Kind, pairs: list[tuple[str, Poly]], body: Expr) -> list[Box]:
        """The sign of a reduction; where indices begin at 1, a sum or product has one for each letter, from 1 below to its last place above."""
        known = all(r != UNKNOWN for _, r in pairs)
        if self.notation.base and kind in EACH and pairs and known:
            return [Limits(str(kind), row(quantity(x), Sign("=", True), Number("1")), self.poly(r)) for x, r in pairs]
        found = alone(body, self.axes)
        plain = [r == UNKNOWN or (not self.notation.base and said(x, r, found)) for x, r in pairs]
        names = [quantity(x) if p else self.range(x, r) for (x, r), p in zip(pairs, plain, strict=True)]
        return [Limits(str(kind), joined(names, "," if all(plain) else ";", all(plain)) if names else None)]

    def range(self, name: str, size: Poly) -> Box:
        start = Number(str(self.notation.base))
        return row(start, Sign("≤"), quantity(name), Sign("≤" if self.notation.base else "<"), self.poly(size))

    def line(self, line: Line, declared: bool = True) -> Box:
        """A line; what its left side says of ranges stands behind it. Indices count from where the notation says."""
        line = counted_from(replace(line, expr=without_blocks(line, self.axes)), self.notation.base, self.sizes)
        found = alone(line.expr, self.axes)
        ranges = [] if declared else [self.range(x, r) for x, r in zip(line.letters, line.ranges, strict=True) if not said(x, r, found)]
        e = fronted(line.expr)
        right = self.cases(e) if isinstance(e, Call) and e.fn == "where" else self.box(e)
        return row(self.box(line.read), Sign("="), right, *(Row((Sign("quad"), r)) for r in ranges))


def less(m: Monomial, c: int | float, others: Mapping[Monomial, int | float]) -> tuple[int, Monomial] | None:
    """(k, other): the term without its k-th factor is taken away again in another, so that both are one with that factor less 1."""
    for k in range(len(m)):
        rest = sorted(map(str, m[:k] + m[k + 1 :]))
        if isinstance(m[k], str) and (rest or abs(c) != 1):
            for other, value in others.items():
                if value == -c and sorted(map(str, other)) == rest:
                    return k, other
    return None


def called(sign: str) -> Box:
    """What stands before a function's bracket."""
    word = sign.removeprefix(r"\operatorname{").removesuffix("}").removeprefix("\\")
    return Name(GREEK[word]) if word in GREEK else Name(word, upright=True, function=True)


def placed(base: Box, index: Box | None) -> Box:
    if index is None:
        return base
    return Scripts(base.base, index, base.sup) if isinstance(base, Scripts) else Scripts(base, index)


def negative(e: Expr) -> bool:
    return (isinstance(e, Call) and e.fn == "neg") or (isinstance(e, Const) and e.value < 0)


def fronted(e: Expr) -> Expr:
    """e with a minus that leads what stands above a line in front of that line."""
    match e:
        case Call("/", (a, b)) if (plain := unsigned(a)) is not None:
            return Call("neg", (Call("/", (plain, b)),))
        case Call("+" | "-" | "*" as fn, (a, b)) if not conjoined(e):
            return Call(fn, (fronted(a), b))
    return e


def unsigned(e: Expr) -> Expr | None:
    """e without the minus that leads it, if one does."""
    match e:
        case Call("neg", (a,)):
            return a
        case Call("*", (a, b)) if (plain := unsigned(a)) is not None:
            return Call("*", (plain, b))
    return None
