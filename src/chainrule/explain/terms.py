"""What a number is made of: the terms of a sum, the factors of a product, the candidates of a maximum, the branches of a choice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..language.functions import Kind
from ..language.show import ATOM
from ..language.tree import ONE, ZERO, Call, Const, Expr, Index, Read, Reduce, reads
from .parts import Part, adds, parts_of
from .record import Record, index_of, put_in, winner_of
from .sums import Chosen, ranked, total

WINNING = (Kind.MAX, Kind.MIN, Kind.ARGMAX)
CHOOSING = ("maximum", "minimum", "where")
PRODUCT = ("*", "/", "neg", "where")


@dataclass(frozen=True)
class Factor:
    """A number within a term. text: its formula, with numbers for letters; name: what it is called outside, where it is an element of a tensor.

    role: "times", "over" (divided by), "as" (a condition), "of" (what a function is of). given: whether it went in, or is written as a
    number: nothing is behind it. note: which place won, where it says so.
    """

    text: str
    value: float
    role: str = "times"
    name: str = ""
    given: bool = False
    note: str = ""
    expr: Expr = field(default=ONE, repr=False, compare=False)


@dataclass(frozen=True)
class Term:
    """A part of what a number is made of. letters: which term of a sum it is; taken: whether it counts (of a maximum, only the winner does)."""

    value: float
    factors: tuple[Factor, ...]
    letters: Mapping[str, int] = field(default_factory=dict)
    taken: bool = True
    text: str = ""
    part: Part | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class Group:
    """The terms with one value of a letter; at=None: those that it does not stand in."""

    letter: str
    at: int | None
    count: int
    value: float


@dataclass(frozen=True)
class Made:
    """How a number is made. count: of terms; rest: the sum of those that are not shown; size: the sum of all terms' sizes; left_out: how many
    terms are not there, by what they would read outside of, or "bounds" and "conditions"; untaken: some of those that a condition leaves out; negative:
    whether a product has a minus in front."""

    kind: str
    value: float
    terms: tuple[Term, ...] = ()
    count: int = 0
    rest: float = 0.0
    size: float = 0.0
    left_out: Mapping[str, int] = field(default_factory=dict)
    untaken: tuple[Term, ...] = ()
    groups: tuple[Group, ...] = ()
    negative: bool = False


def made(record: Record, e: Expr, part: Part | None, most: int, by: str = "", held: Mapping[str, int] | None = None, own: str = "") -> Made:
    """How a formula whose letters are numbers comes to its value.

    part: the same as one product, where it is a term of a sum. held: letters of a sum that have one value only. own: the tensor whose number it
    is, which reads itself where it is given.
    """
    if held:
        return _sum(record, tuple(p.at(held) for p in parts_of(e) if held.keys() <= p.letters.keys()), most, by)
    if part is not None:
        return _product(record, part)
    match e:
        case Const() | Index():
            return Made("given", _value(record, e))
        case Read(tensor, _):
            f = _factor(record, e, _value(record, e), "of")
            if tensor == own:
                return Made("given", f.value)
            return Made("same", f.value, (Term(f.value, (f,), text=f.text),), 1)
        case Reduce(kind, _, _, _) if kind in WINNING or kind is Kind.PROD:
            return _candidates(record, e, most)
        case Call("where", (_, a, b)) if ZERO not in (a, b):
            return _branches(record, e)
        case Call("maximum" | "minimum", _):
            return _branches(record, e)
    parts = parts_of(e)
    if adds(e) or len(parts) > 1 or any(p.letters for p in parts):
        return _sum(record, parts, most, by)
    if isinstance(e, Call) and e.fn in PRODUCT:
        return _product(record, parts[0])
    assert isinstance(e, Call)
    return Made("function", _value(record, e), _operands(record, e.args), len(e.args))


def _value(record: Record, e: Expr) -> float:
    return float(record.evaluate([e])[0])


def _sum(record: Record, parts: tuple[Part, ...], most: int, by: str) -> Made:
    found = total(record, parts, most, by)
    terms = tuple(_term(record, c) for c in found.largest)
    groups = [Group(by, v, count, value) for v, (count, value) in found.groups.items()]
    return Made(
        "sum",
        found.value,
        terms,
        found.count,
        found.rest,
        found.size,
        found.apart,
        tuple(_term(record, c) for c in found.untaken),
        tuple(sorted(groups, key=lambda g: (g.at is None, -abs(g.value)))),
    )


def _term(record: Record, c: Chosen) -> Term:
    own = c.part.at(c.place)
    return Term(c.value, factors_of(record, own), c.place, c.there, record.text(own.product), own)


def factors_of(record: Record, own: Part) -> tuple[Factor, ...]:
    """The factors of a product whose letters are numbers, and the conditions of data under which it is there."""
    tests = [e for e, _ in own.tests if next(reads(e), None) is not None]
    rows = [*((e, "times") for e in own.above), *((e, "over") for e in own.below), *((e, "as") for e in tests)]
    found = record.evaluate([e for e, _ in rows])
    return tuple(_factor(record, e, float(v), role) for (e, role), v in zip(rows, found, strict=True))


def _factor(record: Record, e: Expr, value: float, role: str) -> Factor:
    name, given = "", isinstance(e, Const | Index)
    if isinstance(e, Read):
        name, given = record.element(e.tensor, index_of(e)), e.tensor in record.given
    return Factor(
        record.text(e, ATOM if role in ("times", "over") else 0), value, role, name, given, _won(record, e) if role in ("as", "of") else "", e
    )


def _won(record: Record, e: Expr) -> str:
    """Who won, where a formula asks which term of a maximum did."""
    for read in reads(e):
        won = winner_of(record, read)
        if won is not None:
            return f"the winner is {record.text(won[1])} at {spoken(won[0])}"
    return ""


def spoken(letters: Mapping[str, int]) -> str:
    return ", ".join(f"{x} = {v}" for x, v in letters.items())


def _operands(record: Record, args: tuple[Expr, ...]) -> tuple[Term, ...]:
    found = [_factor(record, a, float(v), "of") for a, v in zip(args, record.evaluate(args), strict=True)]
    return tuple(Term(f.value, (f,), text=f.text) for f in found)


def _product(record: Record, own: Part) -> Made:
    factors = factors_of(record, own)
    there = all((v != 0) == yes for v, (_, yes) in zip(record.evaluate([e for e, _ in own.tests]), own.tests, strict=True))
    value = _value(record, own.product) if there else 0.0
    return Made(
        "product", value, tuple(Term(f.value, (f,), {}, there or f.role == "as", f.text) for f in factors), len(factors), negative=own.sign < 0
    )


def _branches(record: Record, e: Expr) -> Made:
    """Of a choice: what is chosen, and what is not."""
    assert isinstance(e, Call)
    terms = list(_operands(record, e.args))
    value = _value(record, e)
    first: list[Term] = []
    if e.fn == "where":
        test = _factor(record, e.args[0], terms[0].value, "as")
        first, terms = [Term(test.value, (test,), text=test.text)], terms[1:]
        chosen = 0 if test.value != 0 else 1
    else:
        chosen = next((k for k, t in enumerate(terms) if t.value == value or t.value != t.value), 0)  # NaN wins over all
    rows = [Term(t.value, t.factors, {}, k == chosen, t.text) for k, t in enumerate(terms)]
    return Made("choice", value, (*first, *sorted(rows, key=lambda t: not t.taken)), len(first) + len(rows))


def _candidates(record: Record, e: Reduce, most: int) -> Made:
    """The terms of a max, min, argmax or product over letters, the winner first."""
    sizes = {x: int(r.constant or 0) for x, r in zip(e.letters, e.ranges, strict=True)}
    part = Part((e.body,), sizes=sizes, bodies=(e.body,))
    found = ranked(record, part, -1 if e.kind is Kind.MIN else 1, most)
    terms = []
    for k, c in enumerate(found.largest):
        f = _factor(record, put_in(e.body, c.place), c.value, "of")
        terms.append(Term(c.value, (f,), c.place, k == 0 or e.kind is Kind.PROD, f.text))
    return Made(str(e.kind), _value(record, e), tuple(terms), found.count, left_out=found.apart)
