"""A formula as a step of a computation: its value, and the formulas that its derivatives are, derived when they are first asked for.

    Formula: y = f(a, b)      --back(k)-->  da = … of (a, b, y, dy)        (reverse mode, calculus/reverse.py)
                              --push(k)-->  ty = … of (a, b, y, ta)        (forward mode, calculus/forward.py)
    Rule: a formula at given shapes, and how its values are computed

What is derived is a formula of the same kind, with one more value given: it has values and derivatives of its own, to any order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, cached_property
from typing import Any

import numpy as np

from ..language.bind import bind
from ..language.program import Program
from ..language.tree import ZERO, Call, Definition, Tensor, needed, reads, walk
from ..operation.op import Op, op
from .contract import Run
from .evaluate import evaluator
from .strips import Into, in_strips

Shape = tuple[int, ...]


class Formula:
    """An operation of one output, and what is derived from it. The same text gives the same formula: what it derives to is kept."""

    def __init__(self, definition: Definition, lifted: bool = False):
        self.definition = definition
        self.inputs = tuple(t.name for t in definition.inputs)
        self.output = definition.outputs[0].name
        self.op = Op.of(definition)
        self.whole = frozenset(k for k, t in enumerate(definition.inputs) if t.whole is not None)
        self._back: dict[int, Formula | None] = {}
        self._push: dict[int, Formula | None] = {}

    @cached_property
    def taken(self) -> frozenset[int]:
        """The places of those inputs that the lines read."""
        names = {r.tensor for line in self.definition.lines for r in reads(line.expr)}
        return frozenset(k for k, x in enumerate(self.inputs) if x in names)

    def back(self, k: int) -> Formula | None:
        """The gradient for input k, of (inputs, y, dy); None where it is 0 whatever they are."""
        if k not in self._back:
            self._back[k] = None
            if k not in self.whole:
                g = self.op.gradient((self.inputs[k],))
                self._back[k] = self.derived(g.definition, g.seed[self.output], g.of[self.inputs[k]])
        return self._back[k]

    def push(self, k: int) -> Formula | None:
        """The tangent of y for one of input k, of (inputs, y, tangent)."""
        if k not in self._push:
            self._push[k] = None
            if k not in self.whole:
                t = self.op.tangent((self.inputs[k],))
                self._push[k] = self.derived(t.definition, t.seed[self.inputs[k]], t.of[self.output])
        return self._push[k]

    def derived(self, d: Definition, seed: str, of: str) -> Formula | None:
        """A derived definition to which the value of y is given, instead of computed again."""
        given = {t.name: t for t in d.inputs}
        inputs = (*(given[x] for x in self.inputs), Tensor(self.output, self.definition.axes[self.output]), given[seed])
        lines = needed(tuple(x for x in d.lines if x.tensor != self.output), {of})
        if not lines or lines[-1].expr == ZERO:
            return None
        outputs = tuple(t for t in d.outputs if t.name == of)
        return Formula(replace(d, inputs=inputs, lines=lines, outputs=outputs, source=""))


@cache
def formula(text: str) -> Formula:
    """The formula of a text; the table of NumPy's functions and what is written for a call are such texts."""
    return Formula(op(text).definition)


class Rule:
    """A formula at shapes (None: a formula of numbers, for arrays of any shapes element by element) and how its value is computed.

    value: NumPy's own function, which the formula says the meaning of; None: the formula itself is evaluated.
    """

    __slots__ = ("_backs", "_pushes", "_reads", "_run", "adds", "compose", "formula", "intos", "pulls", "shapes", "ufunc", "value")

    def __init__(self, formula: Formula, shapes: Sequence[Shape] | None = None, value: Callable[..., Any] | None = None):
        self.formula = formula
        self.shapes = None if shapes is None else tuple(shapes)
        self._run: Run | None = None
        self.ufunc: Callable[..., Any] | None = None  # what computes the value and can be told where to put it
        self.adds: Callable[[Any, Sequence[Any]], None] | None = None  # adds the gradient for the first input, of (inputs, y, dy), to an array
        self.compose: Run | None = None  # of a derivative that is put together of other rules' values
        self.value: Callable[..., Any] = value or self.computed
        self._backs: dict[int, Rule | None] = {}
        self._pushes: dict[int, Rule | None] = {}
        self.pulls: dict[int, Run | None] = {}
        self.intos: dict[int, Into | None] = {}
        self._reads: dict[tuple[int, ...], frozenset[int]] = {}

    @property
    def name(self) -> str:
        return self.formula.definition.name

    @property
    def program(self) -> Program:
        d = self.formula.definition
        shapes = self.shapes if self.shapes is not None else [() for _ in d.inputs]
        return bind(d, {t.name: s for t, s in zip(d.inputs, shapes, strict=True)})

    @property
    def run(self) -> Run:
        """The value from a tuple of all inputs."""
        if self._run is None:
            empty = self.shapes is not None and any(0 in s for s in self.shapes)
            self._run = self.nothing() if empty else evaluator(self.program)
        return self._run

    def computed(self, *values: Any) -> Any:
        return self.run(values)

    def nothing(self) -> Run:
        """Where a tensor has no elements the sizes say all: a sum of no terms, or no values."""
        assert self.shapes is not None
        d = self.formula.definition
        sizes: dict[str, int] = {}
        for t, shape in zip(d.inputs, self.shapes, strict=True):
            sizes |= {p.letter: size for p, size in zip(t.axes, shape, strict=True) if p.letter}
        shape = tuple(max(int(p.evaluate(sizes)), 0) for p in d.outputs[0].axes)  # type: ignore[call-overload]  # sizes are whole numbers
        return lambda v: np.zeros(shape, np.result_type(*(a for a in v if isinstance(a, (np.ndarray, np.generic)))))

    def back(self, k: int) -> Rule | None:
        """The rule for the gradient of input k."""
        if k not in self._backs:
            self._backs[k] = self.derived(self.formula.back(k), k, True)
        return self._backs[k]

    def push(self, k: int) -> Rule | None:
        """The rule for the tangent of the value by input k."""
        if k not in self._pushes:
            self._pushes[k] = self.derived(self.formula.push(k), k, False)
        return self._pushes[k]

    def pull(self, k: int) -> Run | None:
        """The gradient for input k from (inputs, y, dy), as a function of plain arrays; None where it is 0."""
        if k not in self.pulls:
            back = self.back(k)
            self.pulls[k] = None if back is None else back.taking
        return self.pulls[k]

    @property
    def calls(self) -> int:
        """Of how many functions and operators the formula is made."""
        return sum(isinstance(e, Call) for line in self.formula.definition.lines for e in walk(line.expr))

    def into(self, k: int) -> Into | None:
        """The same for large arrays, element by element, which may write over dy; None where nothing is gained by that."""
        if k not in self.intos:
            back = self.back(k)
            whole = back is None or back.shapes is not None or back.compose is not None or back.calls < 1
            self.intos[k] = None if back is None or whole else in_strips(back.run, back.taken)
        return self.intos[k]

    def takes(self, v: Sequence[Any]) -> Sequence[Any]:
        """Those of (inputs, y, adjoint or tangent) that a derived rule takes: all, unless it knows better."""
        return v

    @property
    def taking(self) -> Run:
        """The value from all of them."""
        return self.run

    def reads(self, which: tuple[int, ...]) -> frozenset[int]:
        """Which of (inputs, y) the gradients for some inputs read; of others only the shape matters."""
        known = self._reads.get(which)
        if known is None:
            backs = [b for k in which if (b := self.back(k)) is not None]
            known = self._reads[which] = frozenset(n for b in backs for n in b.taken)
        return known

    @property
    def taken(self) -> frozenset[int]:
        """The places of those inputs that the formula's lines read."""
        return self.formula.taken

    def derived(self, formula: Formula | None, k: int, back: bool) -> Rule | None:
        if formula is None:
            return None
        if self.shapes is None:
            return Rule(formula)
        y = self.out
        return Rule(formula, (*self.shapes, y, y if back else self.shapes[k]))

    @property
    def out(self) -> Shape:
        """The shape of the value."""
        assert self.shapes is not None
        d = self.formula.definition
        if any(0 in s for s in self.shapes):
            return tuple(np.shape(self.nothing()([np.zeros(())])))
        return bind(d, {t.name: s for t, s in zip(d.inputs, self.shapes, strict=True)}).shapes[self.formula.output]
