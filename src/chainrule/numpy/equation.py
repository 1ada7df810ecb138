"""Arrays that an equation defines: y with F(x, y) = 0, the equation written as a formula. Its derivatives are those of the equation.

    J ty = -(∂F/∂x) tx              J = ∂F/∂y
    Jᵀ λ = dy,   dx = -(∂F/∂x)ᵀ λ

J, ∂F/∂x and its transpose are formulas that the calculus derives from F; the linear system is solved by NumPy, and to be differentiated
again it is an equation itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from math import prod
from typing import Any

import numpy as np

from ..language.index import Poly
from ..language.tree import Call, Definition, Expr, Index, Line, Read, Tensor, fresh_name, mul, rebuild
from ..operation.op import op
from .contract import Run
from .letters import tensor
from .rule import Formula, Rule, Shape
from .tape import apply


@dataclass(frozen=True)
class Equation:
    """F(x, y) = 0 as text: its last input is y, its output F, of y's shape.

    batch: leading axes of y with which everything goes along; columns: last axes of y that J knows nothing of (several right-hand sides).
    """

    text: str
    batch: int = 0
    columns: int = 0

    @cached_property
    def held(self) -> Formula:
        return Formula(op(self.text).definition)

    @cached_property
    def unknown(self) -> Tensor:
        return self.held.definition.inputs[-1]

    @cached_property
    def jacobian(self) -> Formula:
        """J[batch…, F's own axes…, y's own axes…] of (x, y)."""
        moved = self.held.push(len(self.held.inputs) - 1)
        assert moved is not None
        line, d = moved.definition.lines[-1], moved.definition
        taken = set(d.names)
        own = range(self.batch, len(self.unknown.axes) - self.columns)
        new = {}
        for p in own:
            new[p] = fresh_name(f"z{p}", taken)
            taken.add(new[p])
        expr = with_places(line.expr, moved.inputs[-1], new)
        kept = [k for k in range(len(line.letters)) if k < len(line.letters) - self.columns]
        letters = (*(line.letters[k] for k in kept), *new.values())
        ranges = (*(line.ranges[k] for k in kept), *(self.unknown.axes[p] for p in own))
        made = Line("J", letters, ranges, expr)
        inputs = self.held.definition.inputs
        return Formula(Definition(fresh_name("J", taken), inputs, (), (Tensor("J", ranges),), (*d.lines[:-1], made), d.sample_size))


def with_places(e: Expr, tensor: str, new: dict[int, str]) -> Expr:
    """e with 1 where the tensor is read at the new letters, and 0 elsewhere."""
    if isinstance(e, Read) and e.tensor == tensor:
        tests: list[Expr] = [Call("==", (Index(e.index[p]), Index(Poly.name(z)))) for p, z in new.items()]
        out = tests[0]
        for t in tests[1:]:
            out = mul(out, t)
        return out
    return rebuild(e, lambda a: with_places(a, tensor, new))


class Solved(Rule):
    """The rule of a function that an equation defines; the value is NumPy's own solution."""

    __slots__ = ("equation", "jacobian", "residual", "y", "zero")

    def __init__(self, equation: Equation, shapes: Sequence[Shape], y: Shape, value: Callable[..., Any]):
        held = equation.held.definition
        named = Formula(replace(held, name=held.name.rstrip("_"), inputs=held.inputs[:-1], outputs=(equation.unknown,), lines=(), source=""))
        super().__init__(named, shapes, value)
        self.equation, self.y = equation, y
        self.residual = Rule(equation.held, (*shapes, y))
        self.jacobian = Rule(equation.jacobian, (*shapes, y))
        self.zero = np.broadcast_to(0.0, y)  # of F, at the solution

    @property
    def out(self) -> Shape:
        return self.y

    def back(self, k: int) -> Rule | None:
        if k not in self._backs:
            self._backs[k] = Composed(self, lambda v: self.gradient(k, v)) if self.residual.back(k) else None
        return self._backs[k]

    def push(self, k: int) -> Rule | None:
        if k not in self._pushes:
            self._pushes[k] = Composed(self, lambda v: self.tangent(k, v)) if self.residual.push(k) else None
        return self._pushes[k]

    def gradient(self, k: int, v: Sequence[Any]) -> Any:
        """-(∂F/∂x)ᵀ λ"""
        adjoint = remembered(v, lambda: self.solve(v[:-1], v[-1], True))
        back = self.residual.back(k)
        assert back is not None
        return -apply(back, (*v[:-1], self.zero, adjoint))

    def tangent(self, k: int, v: Sequence[Any]) -> Any:
        """J⁻¹ of -(∂F/∂x) tx"""
        push = self.residual.push(k)
        assert push is not None
        return -self.solve(v[:-1], apply(push, (*v[:-1], self.zero, v[-1])), False)

    def solve(self, xy: Sequence[Any], right: Any, transposed: bool) -> Any:
        """J⁻¹ (or Jᵀ⁻¹) of a right-hand side of y's shape."""
        e, shape = self.equation, self.y
        own = shape[e.batch : len(shape) - e.columns]
        count = prod(own)
        j = apply(self.jacobian, tuple(xy))
        if len(own) > 1:
            j = np.reshape(j, (*shape[: e.batch], count, count))
        j = np.swapaxes(j, -1, -2) if transposed else j
        if len(own) == 1 and e.columns == 1:
            return solve(j, right)
        b = np.reshape(right, (*shape[: e.batch], count, prod(shape[len(shape) - e.columns :])))
        return np.reshape(solve(j, b), shape)


_LAST: list[tuple[Any, Any]] = [(None, None)]


def remembered(v: Any, make: Callable[[], Any]) -> Any:
    """What was made last, if it was for the same values: the gradients for several inputs share their linear system."""
    known, value = _LAST[0]
    if known is not v:
        value = make()
        _LAST[0] = v, value
    return value


class Composed(Rule):
    """A derivative that is put together of other rules."""

    __slots__ = ()

    def __init__(self, of: Rule, compose: Run):
        super().__init__(of.formula, of.shapes)
        self.compose = compose

    @property
    def taken(self) -> frozenset[int]:
        return frozenset(range(1 + len(self.shapes or ())))

    @property
    def taking(self) -> Run:
        assert self.compose is not None
        return self.compose


def solve(a: Any, b: Any) -> Any:
    """a⁻¹ b for matrices of one batch."""
    return apply(solving(np.shape(a), np.shape(b)), (a, b))


@cache
def solving(a: Shape, b: Shape) -> Rule:
    batch = "opqruvwgh"[: len(a) - 2]
    text = (
        f"solve_({tensor('a', [*batch.upper(), 'I', 'I'])}, {tensor('b', [*batch.upper(), 'I', 'J'])}, {tensor('y', [*batch.upper(), 'I', 'J'])})"
        f" -> {tensor('f', [*batch.upper(), 'I', 'J'])}\n"
        f"  {tensor('f', [*batch, 'i', 'j'])} = sum[k]({tensor('a', [*batch, 'i', 'k'])} * {tensor('y', [*batch, 'k', 'j'])}) - {tensor('b', [*batch, 'i', 'j'])}"
    )
    return Solved(equation(text, len(batch), 1), (a, b), b, np.linalg.solve)


@cache
def equation(text: str, batch: int = 0, columns: int = 0) -> Equation:
    return Equation(text, batch, columns)
