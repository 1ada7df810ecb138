"""A derivation as a row of steps: each a formula of the language that is true, and the one rule that led to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from ..language.display import Displayed, Item, Move
from ..language.fields import filled, sentence
from ..language.formula import Setter
from ..language.index import Poly
from ..language.lazy import cached_property
from ..language.show import line_text
from ..language.tree import Line


class Rule(StrEnum):
    """What was done in a step. What stands in its `about` is said behind each."""

    GIVEN = "given"  # the forward formula
    LOSS = "loss"  # dE/dE = 1
    CHAIN = "chain"  # dx[r] = sum over y of dy * diff(y, x[r]); about: y
    SUBSTITUTE = "substitute"  # what a name stands for is put in; about: the name
    SUM = "sum"  # of terms, or over letters
    MEAN = "mean"
    FACTOR = "factor"  # what does not change stands in front, or below the bar
    PRODUCT = "product"  # of factors, or over letters
    QUOTIENT = "quotient"
    POWER = "power"
    FUNCTION = "function"  # chain rule through a function; about: its name, its derivative as text in a (its argument) and y (its value)
    CHOICE = "choice"  # where, maximum, minimum: the derivative of the branch that is taken
    WINNER = "winner"  # which term of a max or min won, a tensor of its own; about: its name
    WON = "won"  # the derivative of a max or min is that of the term that won; about: the tensor that says which
    PLACE = "place"  # diff(x[k], x[r]) = delta(k, r)
    COLLAPSE = "collapse"  # deltas leave one term of a sum; about: the deltas, their letters' values
    BOUNDS = "bounds"  # conditions on indices that say nothing new are left out
    SIMPLIFY = "simplify"  # about: the law's name, its left side, its right side
    PARTS = "parts"  # a long formula, each of its parts by the same laws
    CANCELS = "cancels"  # a tensor on which no output depends; about: its name
    NAME = "name"  # a value that is read several times, or that has a name of its own; about: its name
    WRITTEN_OUT = "written out"  # an element for itself, its sums term by term; about: the tensor, a place on each axis
    GATHER = "gather"  # the contributions of several uses add up
    NOTHING = "nothing"  # nothing depends on it


ENGLISH: Mapping[Rule, str] = {
    Rule.GIVEN: "the forward formula",
    Rule.LOSS: "∂E/∂E = 1",
    Rule.CHAIN: "chain rule, through every {0}",
    Rule.SUBSTITUTE: "what {0} {is|are}, put in",
    Rule.SUM: "the derivative of a sum is the sum of the derivatives",
    Rule.MEAN: "the derivative of a mean is the mean of the derivatives",
    Rule.FACTOR: "constant factors stay: (c * f)' = c * f'",
    Rule.PRODUCT: "product rule",
    Rule.QUOTIENT: "quotient rule",
    Rule.POWER: "power rule",
    Rule.FUNCTION: "chain rule: {0}'(a) = {1}",
    Rule.CHOICE: "the derivative of the branch that is taken",
    Rule.WINNER: "{0} says which term is the largest, the first of equal ones",
    Rule.WON: "only the term that {0} names counts",
    Rule.PLACE: "∂x[k]/∂x[r] = δ(k, r)",
    Rule.COLLAPSE: "{0} {leaves|leave} one term of the sum: {1}",
    Rule.BOUNDS: "bounds that hold anyway are left out",
    Rule.SIMPLIFY: "{0}: {1} = {2}",
    Rule.PARTS: "each part simplified",
    Rule.CANCELS: "{0} {cancels|cancel}: no output changes with {it|them}",
    Rule.NAME: "{0} stands for this",
    Rule.WRITTEN_OUT: "each element for itself, its sums written out",
    Rule.GATHER: "what comes from all uses adds up",
    Rule.NOTHING: "nothing depends on it",
}


@dataclass(frozen=True, eq=False)
class Step(Displayed):
    """One move of a derivation. `make` writes the line that it leads to when somebody looks; axes are those of every tensor in it."""

    rule: Rule
    make: Callable[[], Line]
    axes: Mapping[str, tuple[Poly, ...]]
    about: tuple[str, ...] = ()

    @cached_property
    def line(self) -> Line:
        return self.make()

    @property
    def placed(self) -> Line:
        """The line as one reads it: one that was written out for an element is that of dw[0,1], not of dw_0_1."""
        if self.rule is not Rule.WRITTEN_OUT:
            return self.line
        tensor, *place = self.about
        return replace(self.line, tensor=tensor, target=tuple(Poly.of(int(k)) for k in place))

    @cached_property
    def formula(self) -> str:
        """The line as text of the language."""
        return line_text(self.line, self.axes)

    @property
    def reason(self) -> str:
        return sentence(ENGLISH[self.rule], self.about)

    def __str__(self) -> str:
        return f"{self.formula}\n        ({self.reason})"

    def _items(self) -> Iterator[Item]:
        setter = Setter(self.axes)
        yield Move(setter.line(self.placed), filled(ENGLISH[self.rule], self.about, setter))
