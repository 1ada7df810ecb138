"""What numbers in place of settings decide: tests of numbers, choices by them, factors of 1, sums with 0."""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection, Mapping

from .brackets import is_test
from .functions import COMPARISONS
from .tree import ONE, ZERO, Call, Const, Expr, Index, direct_reads, rebuild

SIGNS: Mapping[str, Callable[[float, float], bool | float]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq, "!=": operator.ne, "delta": operator.eq,
    "+": operator.add, "-": operator.sub, "*": operator.mul,
}  # fmt: skip
LARGEST = 2**31  # beyond, a whole number stays as it was written


def settled(e: Expr, sizes: Collection[str] = ()) -> Expr:
    """e with what its numbers decide carried out. sizes: names that are above 0.

    A product with 0 stays, as the other factor may be infinite; so does what reads something of its own, as a place outside leaves out all of a term.
    """
    made = rebuild(e, lambda a: settled(a, sizes))
    if isinstance(made, Const):
        return _plain(made)
    if not isinstance(made, Call) or not isinstance(e, Call):
        return made
    numbers = [value_of(a) for a in made.args]
    match made.args, numbers:
        case (_, (a, b)) if made.fn in SIGNS and a is not None and b is not None:
            found = SIGNS[made.fn](a, b)
            return _plain(Const(int(found) if made.fn in COMPARISONS else found))
        case ((_, a, b), (test, _, _)) if made.fn == "where" and test is not None:
            taken, other = (a, b) if test else (b, a)
            return taken if {r.index for r in direct_reads(other)} <= {r.index for r in direct_reads(taken)} else made
        case ((a, b), (x, y)):
            if made.fn == "*" and any(is_test(was) and v == 0 for was, v in zip(e.args, numbers, strict=True)):
                return made if next(direct_reads(made), None) else ZERO  # a test that fails leaves nothing
            return _of_two(made.fn, a, b, x, y, sizes) or made
    return made


def value_of(e: Expr) -> int | float | None:
    """The number that e is, if it is one."""
    if isinstance(e, Const):
        return e.value
    return e.expr.constant if isinstance(e, Index) else None


def _plain(e: Const) -> Const:
    """A whole number without a point."""
    whole = isinstance(e.value, float) and e.value.is_integer() and abs(e.value) < LARGEST
    return Const(int(e.value)) if whole else e


def _of_two(fn: str, a: Expr, b: Expr, x: int | float | None, y: int | float | None, sizes: Collection[str]) -> Expr | None:
    """Arithmetic with a number that changes nothing; with two, a quotient that comes out even."""
    if fn == "*" and 1 in (x, y):
        return b if x == 1 else a
    if fn == "/" and y == 1:
        return a
    if fn == "/" and x == 0 and isinstance(b, Index) and b.expr.letter in sizes:
        return ZERO
    if fn == "/" and x is not None and y and (x / y).is_integer() and abs(x / y) < LARGEST:
        return Const(int(x / y))
    if fn == "**" and y == 1:
        return a
    if fn == "**" and (power := _whole_power(a, b)) is not None:
        return power
    if fn == "**" and y == 0:
        return ONE
    if fn in ("+", "-") and y == 0:
        return a
    return b if fn == "+" and x == 0 else None


def _whole_power(a: Expr, b: Expr) -> Const | None:
    """A whole number to the power of one, as one."""
    if not (isinstance(a, Const) and isinstance(b, Const) and isinstance(a.value, int) and isinstance(b.value, int) and 0 <= b.value < 32):
        return None
    return Const(a.value**b.value) if abs(a.value**b.value) < LARGEST else None


def without_tests(e: Expr) -> Expr:
    """e without factors that are tests of two numbers and hold: r%1 == 0, once a stride is 1; powers of whole numbers as one number."""
    if isinstance(e, Call) and e.fn == "**" and (power := _whole_power(*e.args)) is not None:
        return power
    if isinstance(e, Call) and e.fn == "*":
        kept = [without_tests(a) for a in e.args if not _holds(a)]
        return Call("*", tuple(kept)) if len(kept) == 2 else kept[0] if kept else ONE
    return rebuild(e, without_tests)


def _holds(e: Expr) -> bool:
    match e:
        case Call(fn, (Const(a), Const(b))) if fn in COMPARISONS:
            return bool(SIGNS[fn](a, b))
    return False
