"""Choices as people write them: one brace with a row for each branch, or a bracket that is 1 or 0 before what it lets through."""

from __future__ import annotations

from collections.abc import Iterator

from .functions import COMPARISONS
from .lookups import Axes, element
from .tree import ZERO, Call, Expr, Reduce, mul, product_factors, rebuild

# if, else if, otherwise, and: before a condition, before one of a later row, instead of one, between two
WORDS = {
    "en": ("if", "else if", "otherwise", "and"),
    "ru": ("если", "иначе, если", "иначе", "и"),
    "fr": ("si", "sinon, si", "sinon", "et"),
    "zh": ("若", "否则若", "否则", "且"),
}
OPPOSITE = {"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}


def branches(e: Expr, tests: tuple[Expr, ...] = ()) -> Iterator[tuple[Expr, tuple[Expr, ...]]]:
    """(value, the conditions that all hold there), a row each, of choices within choices; the first row that holds counts.

    where(a, where(b, 1, 2), 3) is 1 if a and b, else 2 if a, otherwise 3.
    """
    match e:
        case Call("where", (test, one, other)):
            yield from branches(one, (*tests, test))
            yield from branches(other, tests)
        case _:
            yield e, tests


def gated(e: Call) -> tuple[Expr, Expr] | None:
    """(condition, value) of a choice between a value and 0."""
    test, one, other = e.args
    if other == ZERO:
        return test, one
    if one == ZERO and isinstance(test, Call) and test.fn in OPPOSITE:
        return Call(OPPOSITE[test.fn], test.args), other
    return None


def with_brackets(e: Expr, axes: Axes) -> Expr:
    """e with a bracket for each choice between a value and 0 that stands inside: where(a < b, x, 0) * y as x * (a < b) * y.

    Both say the same, as 0 times anything is 0. What diff is taken of stays, as a rule speaks of its branches, and so do elements at numbers of the data.
    """

    def inside(e: Expr) -> Expr:
        if isinstance(e, Reduce) and element(e, axes, declared=False):
            return e
        match e:
            case Call("where", (test, value, other)) if other == ZERO and is_test(test):
                return mul(inside(value), test)
            case Call("diff"):
                return e
        return rebuild(e, inside)

    return e if isinstance(e, Call) and e.fn == "where" else inside(e)


def is_test(e: Expr) -> bool:
    """Whether e is 0 or 1: comparisons, all of which have to hold."""
    return all(isinstance(f, Call) and f.fn in COMPARISONS for f in product_factors(e))
