"""The scalar functions of the language: one table with the mathematics of each.

A partial derivative is a formula in `a`, `b`, … (the arguments) and `y` (the value); None is a function whose
derivative is zero almost everywhere. Where calculus leaves a choice the table makes it: sign(0) = 0 (so
abs'(0) = 0), and maximum at a tie gives its gradient to the argument that is not a constant's rival,
so relu'(0) = 0 whichever way round it is written (calculus/rules.py).
"""

from __future__ import annotations

import keyword
import math
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """The reductions of the language, each by the word that it is written with; compared with `is`."""

    SUM = "sum"
    PROD = "prod"
    MAX = "max"
    MIN = "min"
    MEAN = "mean"
    ARGMAX = "argmax"


@dataclass(frozen=True)
class Function:
    """A scalar function: name, number of arguments (0: one or more), partial derivatives, NumPy's name, LaTeX.

    exact: keeps fractions fractions. singular: it, or what it derives to, may be infinite or undefined at finite numbers, floats being
    what they are: 0 times it is not always 0. ring: made of sums and products, so that it is never infinite unless an argument is or it
    grows out of the floats; it derives to none of its own values.
    """

    name: str
    arity: int
    partials: tuple[str | None, ...]
    numpy: str
    latex: str
    exact: bool = False
    singular: bool = False
    ring: bool = False


def _table(*rows: Function) -> dict[str, Function]:
    return {row.name: row for row in rows}


FUNCTIONS = _table(
    Function("exp", 1, ("y",), "exp", r"\exp", singular=True),
    Function("log", 1, ("1/a",), "log", r"\ln", singular=True),
    Function("sqrt", 1, ("1/(2*y)",), "sqrt", r"\sqrt", singular=True),
    Function("abs", 1, ("sign(a)",), "abs", r"\operatorname{abs}", exact=True),
    Function("sign", 1, (None,), "sign", r"\operatorname{sign}", exact=True),
    Function("sin", 1, ("cos(a)",), "sin", r"\sin"),
    Function("cos", 1, ("-sin(a)",), "cos", r"\cos"),
    Function("tan", 1, ("1+y**2",), "tan", r"\tan", singular=True),
    Function("asin", 1, ("1/sqrt(1-a**2)",), "arcsin", r"\arcsin", singular=True),
    Function("acos", 1, ("-(1/sqrt(1-a**2))",), "arccos", r"\arccos", singular=True),
    Function("atan", 1, ("1/(1+a**2)",), "arctan", r"\arctan"),
    Function("sinh", 1, ("cosh(a)",), "sinh", r"\sinh", singular=True),
    Function("cosh", 1, ("sinh(a)",), "cosh", r"\cosh", singular=True),
    Function("log1p", 1, ("1/(1+a)",), "log1p", r"\operatorname{log1p}", singular=True),
    Function("expm1", 1, ("y+1",), "expm1", r"\operatorname{expm1}", singular=True),
    Function("floor", 1, (None,), "floor", r"\operatorname{floor}"),
    Function("ceil", 1, (None,), "ceil", r"\operatorname{ceil}"),
    Function("round", 1, (None,), "rint", r"\operatorname{round}"),
    Function("softplus", 1, ("sigmoid(a)",), "", r"\operatorname{softplus}", singular=True),
    Function("tanh", 1, ("1-y**2",), "tanh", r"\tanh"),
    Function("sigmoid", 1, ("y*(1-y)",), "", r"\sigma"),
    Function("erf", 1, ("2*exp(-a**2)/sqrt(pi)",), "", r"\operatorname{erf}"),
    Function("maximum", 2, ("where(a>=b,1,0)", "where(b>a,1,0)"), "maximum", r"\max", exact=True),
    Function("minimum", 2, ("where(a<=b,1,0)", "where(b<a,1,0)"), "minimum", r"\min", exact=True),
    Function("where", 3, (None, "where(a,1,0)", "where(a,0,1)"), "where", r"\operatorname{where}", exact=True),
    Function("delta", 2, (None, None), "equal", r"\delta", exact=True),
    Function("uniform", 0, (), "", r"\operatorname{uniform}", exact=True),
)

OPERATORS = _table(
    Function("+", 2, ("1", "1"), "add", "+", exact=True, ring=True),
    Function("-", 2, ("1", "-1"), "subtract", "-", exact=True, ring=True),
    Function("*", 2, ("b", "a"), "multiply", r"\,", exact=True, ring=True),
    Function("/", 2, ("1/b", "-(y/b)"), "true_divide", r"\frac", exact=True, singular=True),
    Function("**", 2, ("b*a**(b-1)", "y*log(a)"), "power", "^", exact=True, singular=True),
    Function("neg", 1, ("-1",), "negative", "-", exact=True, ring=True),
    Function("==", 2, (None, None), "equal", "=", exact=True),
    Function("!=", 2, (None, None), "not_equal", r"\ne", exact=True),
    Function("<", 2, (None, None), "less", "<", exact=True),
    Function("<=", 2, (None, None), "less_equal", r"\le", exact=True),
    Function(">", 2, (None, None), "greater", ">", exact=True),
    Function(">=", 2, (None, None), "greater_equal", r"\ge", exact=True),
)

ALL = FUNCTIONS | OPERATORS
COMPARISONS = frozenset({"==", "!=", "<", "<=", ">", ">=", "delta"})
COUNTING = frozenset({"uniform"})  # functions of whole numbers alone, which are counted with and never rounded
ROUNDING = frozenset({"floor", "ceil", "round"})
STEPS = frozenset({*ROUNDING, "sign"})  # flat but for their jumps
SINGULAR = frozenset(f.name for f in ALL.values() if f.singular)
RING = frozenset(f.name for f in ALL.values() if f.ring)
REDUCTIONS = tuple(Kind)
REDUCING = (*REDUCTIONS, "argmin")  # as written: argmin is argmax of the negative
FOLDS = ("prod", "sum", "after")  # over the members of a family
PAIRS = {"max": "maximum", "min": "minimum"}  # of values
CONSTANTS = {"pi": math.pi, "inf": math.inf}
DERIVATIVE = "diff"  # of a value by an element; a call, so that a tensor may have the name
WHOLE = "int"  # behind an input that holds whole numbers
WORDS = frozenset([*FUNCTIONS, *REDUCING, *FOLDS, *PAIRS, "pow", *CONSTANTS, WHOLE, *keyword.kwlist])  # what no name may be taken for
