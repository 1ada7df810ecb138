"""The rules of algebra that derived formulas are rewritten by.

Each rule is a pair of formulas of the language, left = right, and the same as a function of a place in a tree. The tests hold the two formulas
equal in exact fractions, and hold the function to what its text says.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..language.functions import Kind
from ..language.tree import Call, Expr, Reduce
from .factors import collected, distributed, exponents, known, one_fraction, power_of_fraction, roots, same_place, share, turned
from .normal import is_product, is_sum
from .scope import Scope
from .terms import all_remainders, branches, common, like_terms, multiplied_out
from .totals import around_mean, equal_terms, one_of_all, one_term, pulled


@dataclass(frozen=True)
class Law:
    """left = right, for the inputs that the header names; `there` rewrites one place of a tree of the form that `fits`, or gives None."""

    name: str
    header: str
    left: str
    right: str
    fits: Callable[[Expr], bool]
    there: Callable[[Expr, Scope], Expr | None]
    lines: str = ""  # lines before, which say what a name in the formulas holds
    changes: bool = True  # the words of the forward formula, which are to stay; reading what it holds does not


def _total(e: Expr) -> bool:
    return isinstance(e, Reduce) and e.kind in (Kind.SUM, Kind.MEAN)


def _call(e: Expr) -> bool:
    return isinstance(e, (Call, Reduce))


LAWS: tuple[Law, ...] = (
    Law("numbers and equal factors", "a, b", "4 * a * b * a / (2 * b)", "2 * a**2", is_product, collected),
    Law("one fraction", "a, b, c", "a / b * 2 * c", "2 * a * c / b", is_product, one_fraction),
    Law("power of a fraction", "a", "(a / 3)**2", "a**2 / 9", is_product, power_of_fraction),
    Law("a known value", "a, b", "a / b * a", "y * a", _call, known, "y = a / b", changes=False),
    Law("roots", "a", "a / sqrt(4) / sqrt(9)", "a / sqrt(36)", is_product, roots),
    Law("share of a sum", "a, c", "exp(a) / (c + exp(a))", "1 - c / (c + exp(a))", is_product, share),
    Law("known logarithm", "a, b", "exp(a) / exp(b)", "exp(a - l)", is_product, exponents, "l = log(exp(b))"),
    Law("the right place", "f[K], t: int < K", "sum[k:K]((k == t) / f[t])", "sum[k:K]((k == t) / f[k])", is_product, same_place),
    Law("like terms", "a, b", "a * b + 2 * b * a", "3 * a * b", is_sum, like_terms),
    Law("common factor", "a, b, c", "a * b + c * a", "a * (b + c)", is_sum, common),
    Law("brackets multiplied out", "a, b", "a * (1 - b) - b * (1 - a)", "a - b", is_sum, multiplied_out),
    Law(
        "all remainders",
        "f[2]",
        "sum[r:5](sum((r%2 == 0) * f[r//2]) + sum(((r-1)%2 == 0) * f[(r-1)//2]))",
        "sum[r:5](sum(f[r//2]))",
        is_sum,
        all_remainders,
    ),
    Law("product written out", "a, b, c", "a * (b / a + c)", "b + a * c", is_product, distributed),
    Law("a minus turned", "a, b, c", "-a * (b - c)", "a * (c - b)", is_product, turned),
    Law("both branches", "a, b, c", "where(a > 0, b, 0) - where(a > 0, a, c)", "where(a > 0, b - a, -c)", is_sum, branches),
    Law("a factor leaves the sum", "c, f[K]", "sum[k](c * f[k])", "c * sum[k](f[k])", _total, pulled),
    Law("a delta leaves one term", "f[4]", "sum[k:4]((k == 1) * f[k])", "f[1]", _total, one_term),
    Law("equal terms", "c, f[K]", "sum[k:K](c)", "K * c", _total, equal_terms),
    Law("deviations from a mean", "f[K]", "sum[k](f[k] - m)", "0", _total, around_mean, "m = mean[k](f[k])"),
    Law("one of all classes", "c, f[K], t: int < K", "sum[k:K]((k == t) * c)", "c", _total, one_of_all, "h = f[t]"),
)
