"""Functions of matrices seen from the point where they stand, so that their equations need no system of all elements.

Rows: a value that every row of a matrix gives together with what the other rows make. A row's derivative is that of its own formula.

Local: y = f(x) = out(b, near(into(b, x))) for every basis b of a kind; in the basis of y itself, the equation of `near` at e = 0 has one
unknown in each of its elements:

    F(s, e) = 0      de/ds from      (∂F/∂e)ᵀ λ = de,  ds = -(∂F/∂s)ᵀ λ,      where (∂F/∂e)ᵀ 1 holds all of ∂F/∂e

Both partial derivatives are derived from F as a formula; into and out are ordinary functions, differentiated as every function is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..language.tree import ZERO, Call, Expr, Read, Reduce, Tensor, add, mul, neg, rebuild, sub
from .equation import Composed, Equation
from .rule import Formula, Rule, Shape, formula
from .tape import Node, Tape, apply, start, sweep
from .traced import Traced

SHARE = Rule(formula("share_(a, b) -> y\n  y = where((a == 0) * (b == 0), 0, a / b)"))  # nothing, of an unknown that nothing says


SUMS: dict[str, Callable[..., Expr]] = {"+": add, "-": sub, "*": mul, "neg": neg}


def without(e: Expr, tensor: str) -> Expr:
    """e where the elements of a tensor are 0."""
    if isinstance(e, Read):
        return ZERO if e.tensor == tensor else e
    e = rebuild(e, lambda a: without(a, tensor))
    if isinstance(e, Reduce):
        return ZERO if e.body == ZERO else e
    if isinstance(e, Call) and e.fn in SUMS:
        return SUMS[e.fn](*e.args)
    return ZERO if isinstance(e, Call) and e.fn == "where" and e.args[1:] == (ZERO, ZERO) else e


class Rows(Rule):
    """y = F(x, others(x, y)) for the formula F of any one row, in which the others do not know the row.

    F gives a value for each row; others: what is made of the other rows, and further values that do not move.
    """

    __slots__ = ("others", "rows")

    def __init__(self, text: str, shape: Shape, value: Callable[..., Any], others: Callable[[Any, Any], tuple[Any, ...]]):
        found = formula(text)
        d = found.definition
        y = Tensor("y", d.outputs[0].axes[:-1])
        super().__init__(Formula(replace(d, name=d.name.rstrip("_"), inputs=d.inputs[:1], outputs=(y,), lines=(), source="")), (shape,), value)
        self.rows = Rule(found, (shape, shape, shape[:-2])[: len(d.inputs)])
        self.others = others

    @property
    def out(self) -> Shape:
        assert self.shapes is not None
        return self.shapes[0][:-2]

    def back(self, k: int) -> Rule | None:
        return Composed(self, self.gradient)

    def push(self, k: int) -> Rule | None:
        return Composed(self, self.tangent)

    def each(self, a: Any) -> Any:
        """A value for each row."""
        return np.broadcast_to(a[..., None], self.shapes[0][:-1])  # type: ignore[index]  # a matrix has them

    def gradient(self, v: Sequence[Any]) -> Any:
        x, y, dy = v
        back = self.rows.back(0)
        assert back is not None
        return apply(back, (x, *self.others(x, y), self.each(y), self.each(dy)))

    def tangent(self, v: Sequence[Any]) -> Any:
        x, y, tx = v
        push = self.rows.push(0)
        assert push is not None
        return np.sum(apply(push, (x, *self.others(x, y), self.each(y), tx)), axis=-1)


class Near(Rule):
    """e of s, where an equation F(s, e) = 0 has one unknown in each element, and e is 0."""

    __slots__ = ("constant", "derived_at_0", "equation", "zero")

    def __init__(self, text: str, shapes: tuple[Shape, Shape]):
        found = formula(text)
        d = found.definition
        self.zero = np.zeros(shapes[1])
        super().__init__(
            Formula(replace(d, name=d.name.rstrip("_"), inputs=d.inputs[:1], outputs=d.inputs[1:], lines=(), source="")),
            shapes[:1],
            lambda s: self.zero.astype(s.dtype),
        )
        self.equation = Rule(found, shapes)
        self.derived_at_0: dict[tuple[int, bool], Rule] = {}
        self.constant: Any = None  # the slopes, where they are the same at every s

    @property
    def out(self) -> Shape:
        return self.zero.shape

    def back(self, k: int) -> Rule | None:
        return Composed(self, self.gradient)

    def push(self, k: int) -> Rule | None:
        return Composed(self, self.tangent)

    def at_zero(self, k: int, back: bool) -> Rule:
        """The equation's gradient or tangent for an input, as it is at e = 0."""
        if (k, back) not in self.derived_at_0:
            made = self.equation.back(k) if back else self.equation.push(k)
            assert made is not None
            d = made.formula.definition
            lines = tuple(replace(line, expr=without(line.expr, d.inputs[1].name)) for line in d.lines)
            self.derived_at_0[k, back] = Rule(Formula(replace(d, lines=lines, source="")), made.shapes)
        return self.derived_at_0[k, back]

    def slopes(self, s: Any) -> Any:
        """∂F/∂e of each element's unknown."""
        if self.constant is not None:
            return self.constant
        back = self.at_zero(1, True)
        found = apply(back, (s, self.zero, self.zero, np.ones(self.zero.shape)))
        if 0 not in back.taken:
            self.constant = found
        return found

    def gradient(self, v: Sequence[Any]) -> Any:
        s, _, de = v
        back = self.at_zero(0, True)
        return -apply(back, (s, self.zero, self.zero, apply(SHARE, (de, self.slopes(s)))))

    def tangent(self, v: Sequence[Any]) -> Any:
        s, _, ts = v
        push = self.at_zero(0, False)
        return -apply(SHARE, (apply(push, (s, self.zero, self.zero, ts)), self.slopes(s)))


class Local(Rule):
    """A function that an equation defines, with its derivatives by another of the same meaning around the point.

    around(y, x): the same function of x for the basis that y is, up to a constant.
    """

    __slots__ = ("around", "residual", "y")

    def __init__(self, equation: Equation, shape: Shape, y: Shape, value: Callable[..., Any], around: Callable[[Any, Any], Any]):
        d = equation.held.definition
        super().__init__(
            Formula(replace(d, name=d.name.rstrip("_"), inputs=d.inputs[:-1], outputs=(equation.unknown,), lines=(), source="")), (shape,), value
        )
        self.residual, self.y, self.around = Rule(equation.held, (shape, y)), y, around

    @property
    def out(self) -> Shape:
        return self.y

    def back(self, k: int) -> Rule | None:
        return Composed(self, self.gradient)

    def push(self, k: int) -> Rule | None:
        return Composed(self, self.tangent)

    def gradient(self, v: Sequence[Any]) -> Any:
        x, y, dy = v
        tape = Tape(Traced)
        seen = self.around(y, start(tape, x))
        return sweep(tape, [(seen, dy)], None if isinstance(dy, Node) else 1)[0]

    def tangent(self, v: Sequence[Any]) -> Any:
        x, y, tx = v
        tape = Tape(Traced, forward=True)
        if isinstance(tx, Node):
            tape.nested, tape.plain = True, False
        return self.around(y, start(tape, x, tx)).tangent
