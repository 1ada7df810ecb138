"""Products and sums as they are counted with: a product is a number and powers of factors, a sum is a row of products."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from ..language.brackets import is_test
from ..language.index import Poly
from ..language.tree import ONE, ZERO, Call, Const, Expr, Index, Reduce, add, between, children, div, folded, mul, neg, sub
from .match import alike

Power = tuple[Expr, int]


@dataclass(frozen=True)
class Product:
    """number * base**exponent * …, the factors in the order in which they were written.

    merged: something was put together on the way here, so that the product is not what it was written as.
    """

    number: Fraction
    powers: tuple[Power, ...] = ()
    merged: bool = False

    def times(self, base: Expr, exponent: int = 1) -> Product:
        """With one factor more; equal factors become one power."""
        for k, (b, e) in enumerate(self.powers):
            if alike(b, base):
                if is_test(b) and exponent > 0:
                    return replace(self, merged=True)  # 1 * 1 and 0 * 0
                rest = ((b, e + exponent),) if e + exponent else ()
                return Product(self.number, (*self.powers[:k], *rest, *self.powers[k + 1 :]), True)
        return replace(self, powers=(*self.powers, (base, exponent)))

    def by(self, other: Product) -> Product:
        """The product of both."""
        twice = self.number != 1 and other.number != 1
        nothing = 0 in (self.number, other.number) and (self.powers or other.powers)
        out = Product(self.number * other.number, self.powers, bool(self.merged or other.merged or twice or nothing))
        for base, exponent in other.powers:
            out = out.times(base, exponent)
        return out

    def exponent(self, base: Expr) -> int:
        return next((e for b, e in self.powers if alike(b, base)), 0)

    def without(self, base: Expr) -> Product:
        return replace(self, powers=tuple((b, e) for b, e in self.powers if not alike(b, base)))

    @property
    def inverse(self) -> Product:
        return Product(1 / self.number, tuple((b, -e) for b, e in self.powers), self.merged)


def whole_number(value: int | float) -> Fraction | None:
    """A number that is counted with exactly: whole, or a fraction that a reader recognises; else None."""
    if isinstance(value, int):
        return Fraction(value)
    exact = Fraction(value) if value == value and abs(value) != float("inf") else None
    return exact if exact is not None and exact.denominator <= 1024 and abs(exact.numerator) < 2**31 else None


_products: dict[int, tuple[Expr, Product]] = {}  # by node, which is kept alive; rules ask again and again for those of the same nodes
MOST = 20_000


def product_of(e: Expr) -> Product:
    """e as a product."""
    known = _products.get(id(e))  # kept alive by the table
    if known is not None and known[0] is e:
        return known[1]
    if len(_products) > MOST:
        _products.clear()
    found = _product_of(e)
    _products[id(e)] = e, found  # kept alive by the table
    return found


def _product_of(e: Expr) -> Product:
    match e:
        case Const(value) if (number := whole_number(value)) is not None:
            return Product(number)
        case Index(Poly(terms=terms)) if len(terms) == 1:
            ((atoms, c),) = terms.items()
            if isinstance(c, int):
                out = Product(Fraction(c))
                for a in atoms:
                    out = out.times(Index(Poly({(a,): 1})))
                return replace(out, merged=False)
        case Call("neg", (a,)):
            inner = product_of(a)
            return replace(inner, number=-inner.number)
        case Call("*", (a, b)):
            return product_of(a).by(product_of(b))
        case Call("where", (test, a, Const(0))) if is_test(test):  # a test as a factor is this choice
            return product_of(a).by(product_of(test))
        case Call("/", (a, b)):
            below = product_of(b)
            return product_of(a).by(below.inverse) if below.number else Product(Fraction(1), ((e, 1),))
        case Call("**", (a, Const(value))) if isinstance(value, int) and not isinstance(a, (Const, Index)):
            inner = product_of(a)
            if len(inner.powers) == 1 and inner.number == 1:
                ((base, k),) = inner.powers
                return Product(Fraction(1), ((base, k * value),)) if value else Product(Fraction(1))
    return Product(Fraction(1), ((e, 1),))


def expr_of(p: Product) -> Expr:
    """A product as it is written: the number first, what it is divided by behind one stroke."""
    if not p.number:
        return ZERO
    tops = _written((b, e) for b, e in p.powers if e > 0)
    if len(tops) > 1 and is_sum(tops[0]) and not all(map(is_sum, tops)):
        tops = [*tops[1:], tops[0]]  # no product begins with a bracket
    bottoms = sorted(_written((b, -e) for b, e in p.powers if e < 0), key=lambda b: not isinstance(b, Index))  # sizes first: they count
    number = abs(p.number)
    if number.numerator != 1:
        tops = [Const(number.numerator), *tops]
    if number.denominator != 1:
        bottoms = [Const(number.denominator), *bottoms]
    out = div(_joined(tops), _joined(bottoms)) if bottoms else _joined(tops)
    return neg(out) if p.number < 0 else out


def _written(powers: Iterable[Power]) -> list[Expr]:
    return [base if exponent == 1 else Call("**", (base, Const(exponent))) for base, exponent in powers]


def _joined(factors: Sequence[Expr]) -> Expr:
    """The product; bounds from below and above that follow one another are one bracket."""
    out: Expr = ONE
    todo = list(factors)
    while todo:
        f = todo.pop(0)
        if todo and between(pair := Call("*", (f, todo[0]))):
            f = pair
            todo.pop(0)
        out = mul(out, f)
    return out


def terms_of(e: Expr) -> list[Product]:
    """e as a sum of products."""
    match e:
        case Call("+", (a, b)):
            return terms_of(a) + terms_of(b)
        case Call("-", (a, b)):
            return terms_of(a) + [replace(p, number=-p.number) for p in terms_of(b)]
        case Call("neg", (Call("+" | "-") as a,)):
            return [replace(p, number=-p.number) for p in terms_of(a)]
        case Index(Poly(terms=terms)) if len(terms) > 1 and all(isinstance(c, int) for c in terms.values()):
            return [product_of(Index(Poly({m: c}))) if m else Product(Fraction(c)) for m, c in terms.items()]
    p = product_of(e)
    return [p] if p.number else []


def total_of(terms: Sequence[Product]) -> Expr:
    """A sum as it is written, what is added before what is subtracted where nothing else leads."""
    if not terms:
        return ZERO
    rows = list(terms)
    if rows[0].number < 0:
        first = next((k for k, p in enumerate(rows) if p.number > 0), None)
        if first is not None:
            rows.insert(0, rows.pop(first))
    out: Expr = ZERO
    for p in rows:
        positive = expr_of(replace(p, number=abs(p.number)))
        out = sub(out, positive) if p.number < 0 else add(out, positive)
    return out


def same_but_number(p: Product, q: Product) -> bool:
    """Whether two products differ in their numbers alone."""
    return len(p.powers) == len(q.powers) and all(q.exponent(b) == e for b, e in p.powers)


def with_indices(e: Expr, floats: Collection[str]) -> Expr:
    """e with products and sums of letters, sizes and whole numbers as the index expressions that their text is read as."""
    if not isinstance(e, (Call, Reduce)):
        return e
    parts = tuple(with_indices(a, floats) for a in children(e))
    if any(x is not y for x, y in zip(parts, children(e), strict=True)):
        e = replace(e, args=parts) if isinstance(e, Call) else replace(e, body=parts[0])
    if isinstance(e, Call) and e.fn == "*" and isinstance(e.args[1], Index):
        a = e.args[0]  # a * 2 * N, read from the left
        if isinstance(a, Call) and a.fn == "*" and isinstance(a.args[1], (Index, Const)) and e.args[1].expr.letter not in floats:
            last = folded(Call("*", (a.args[1], e.args[1])), floats)
            return Call("*", (a.args[0], last)) if isinstance(last, Index) else e
    return folded(e, floats) if isinstance(e, Call) else e


def is_sum(e: Expr) -> bool:
    return isinstance(e, Call) and e.fn in ("+", "-")


def is_product(e: Expr) -> bool:
    return isinstance(e, Call) and (e.fn in ("*", "/", "neg") or (e.fn == "**" and isinstance(e.args[1], Const)))


def fraction(e: Expr) -> tuple[list[Expr], list[Expr]]:
    """The factors above and below the stroke of a product or quotient as they are written, in order."""
    tops, bottoms, todo = [], [], [e]
    while todo:
        node = todo.pop()
        if isinstance(node, Call) and node.fn == "*":
            todo += reversed(node.args)
        elif isinstance(node, Call) and node.fn == "/":
            todo.append(node.args[0])
            bottoms.append(node.args[1])
        else:
            tops.append(node)
    return tops, bottoms
