"""A number given by an equation: f(a, b, y) = 0 moves with its arguments as (∂f/∂y) ty + (∂f/∂a) ta = 0 says.

    da = (∂f/∂a) * df    where    (∂f/∂y) * df = -dy

Both partial derivatives are what the calculus derives from the equation; nothing but the division is added.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ..language.tree import ONE, Call, Const, Definition, Expr, Read, Tensor, add, div, mul, needed, neg, rebuild, sub
from ..operation.op import op
from .rule import Formula

_MADE: dict[str, Callable[..., Expr]] = {"+": add, "-": sub, "*": mul, "/": div, "neg": neg}


def with_value(e: Expr, tensor: str, value: Expr) -> Expr:
    """e with an expression in place of a tensor of no axes, written as products with it read."""
    if isinstance(e, Read):
        return value if e.tensor == tensor else e
    made = rebuild(e, lambda a: with_value(a, tensor, value))
    if isinstance(made, Call) and made.fn in _MADE:
        return _MADE[made.fn](*made.args)
    return made


def constant_sum(a: Expr, b: Expr) -> Const | None:
    """a + b where their terms cancel to a number that is not 0. (At a solution f is 0: a slope may be written with f added.)"""
    left: list[tuple[Expr, int]] = []
    number: int | float = 0
    for e, sign in [*terms(a), *terms(b)]:
        if isinstance(e, Const):
            number += sign * e.value
        elif (e, -sign) in left:
            left.remove((e, -sign))
        else:
            left.append((e, sign))
    return Const(number) if number and not left else None


def terms(e: Expr, sign: int = 1) -> list[tuple[Expr, int]]:
    """The terms of a sum, each with its sign."""
    if isinstance(e, Call) and e.fn == "neg":
        return terms(e.args[0], -sign)
    if isinstance(e, Call) and e.fn in ("+", "-"):
        return [*terms(e.args[0], sign), *terms(e.args[1], sign if e.fn == "+" else -sign)]
    return [(e, sign)]


class Implicit(Formula):
    """The function y of (a, b, …) for which an equation in them and y holds."""

    def __init__(self, name: str, equation: str, arguments: tuple[str, ...]):
        self.equation = op(f"{name}({', '.join((*arguments, 'y'))}) -> f\n  f = {equation}").definition
        d = self.equation
        self.held = Formula(d)
        inputs = tuple(t for t in d.inputs if t.name != "y")
        y = Tensor("y", ())
        super().__init__(replace(d, inputs=inputs, outputs=(y,), lines=(), source=""))

    def slope(self) -> Expr:
        """∂f/∂y."""
        at = self.held.inputs.index("y")
        back = self.held.back(at)
        assert back is not None
        slope = with_value(back.definition.lines[-1].expr, back.inputs[-1], ONE)
        return constant_sum(slope, self.equation.lines[-1].expr) or slope

    def against(self, e: Expr) -> Expr:
        """-e / (∂f/∂y)"""
        slope = self.slope()
        return e if slope == Const(-1) else neg(div(e, slope))

    def back(self, k: int) -> Formula | None:
        if k not in self._back:
            found = self.held.back(k)
            self._back[k] = found and self.given(found.definition, self.against(Read("dy", ())), f"d{self.inputs[k]}", "dy")
        return self._back[k]

    def push(self, k: int) -> Formula | None:
        if k not in self._push:
            found = self.held.push(k)
            if found is not None:
                line = found.definition.lines[-1]
                moved = self.against(line.expr)
                seed = found.inputs[-1]
                lines = (*found.definition.lines[:-1], replace(line, tensor="ty", expr=moved))
                found = self.of(replace(found.definition, lines=lines), "ty", seed)
            self._push[k] = found
        return self._push[k]

    def given(self, d: Definition, seed: Expr, of: str, name: str) -> Formula:
        """The derived definition with the equation's own adjoint put in."""
        line = d.lines[-1]
        lines = (*d.lines[:-1], replace(line, tensor=of, expr=with_value(line.expr, d.inputs[-1].name, seed)))
        return self.of(replace(d, lines=lines), of, name)

    def of(self, d: Definition, output: str, seed: str) -> Formula:
        inputs = tuple(Tensor(x, ()) for x in (*self.inputs, "y", seed))
        return Formula(replace(d, inputs=inputs, outputs=(Tensor(output, ()),), lines=needed(d.lines, {output}), source=""))
