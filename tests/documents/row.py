"""A printed formula of a document: what it says, our formula for the same, and what is claimed of it, as text of the language that runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property

import numpy as np

import chainrule as cr
from chainrule.language.show import definition_text, line_text


class Verdict(StrEnum):
    """What comes of a printed formula."""

    AGREES = "agrees"
    MISPRINT = "agrees but for a misprint"  # a letter or number is printed that is plainly another
    WRONG = "wrong"  # the claim differs from what is derived, and `right` does not
    REFUSED = "wrong, refused"  # the claim makes no sense, and the language says so; `right` agrees
    CONVENTION = "a convention"  # the claim holds as `given` says, and differs without
    EMPTY = "empty"  # nothing is printed


# Of every letter, where a row says nothing else: axes that differ
SIZES = {"A": 5, "B": 4, "C": 3, "D": 5, "E": 6, "F": 3, "G": 2, "H": 7, "I": 3, "J": 5, "K": 4, "L": 2, "M": 5, "N": 3, "W": 6}


@dataclass(frozen=True)
class Row:
    """One printed formula.

    says: it, in plain notation. formula: ours, the text of a definition or the name of an operation of the library. wrt: the input
    whose gradient it is about, or "" where it is about the values. claim: its lines in our language, which read the formula's inputs and
    lines and the adjoint of its output (d and the output's name; 1 where no claim reads it) and give d and the name of wrt, or the outputs. right: the same, mended. why: what is wrong, or
    which convention. sizes, settings: of the check. given: how inputs are drawn: "positive", "probabilities" (that sum to 1 over the last
    axis), "classes" (whole numbers below 3), "tied" (among -1, 0, 1). elsewhere: of a convention, how they are drawn where it shows.
    """

    document: str
    place: str
    says: str
    formula: str = ""
    wrt: str = ""
    claim: str = ""
    verdict: Verdict = Verdict.AGREES
    why: str = ""
    right: str = ""
    sizes: Mapping[str, int] = field(default_factory=dict)
    settings: Mapping[str, int] = field(default_factory=dict)
    given: Mapping[str, str] = field(default_factory=dict)
    elsewhere: Mapping[str, str] | None = None

    @property
    def id(self) -> str:
        return f"{self.document} {self.place}"

    @cached_property
    def op(self) -> cr.Op:
        found = getattr(cr.ops, self.formula, None)
        return found if isinstance(found, cr.Op) else cr.op(self.formula)

    @property
    def written(self) -> str:
        """Our formula without families, as it is derived."""
        return definition_text(self.op.definition)

    @property
    def derived(self) -> list[str]:
        """The gradient's lines, printed by the calculus: what it reads of other gradients, and last itself."""
        return backward(self.op, [self.wrt]) if self.wrt else []

    @property
    def printed(self) -> list[str]:
        """The same as `cr.derive` prints it: a loss E has no dE in front."""
        if not self.wrt:
            return []
        d = cr.derive(self.op, self.wrt).op.definition
        forward = {x.tensor for x in self.op.definition.lines}
        return [line_text(x, d.axes) for x in d.lines if x.tensor not in forward]

    def claimed(self, lines: str) -> cr.Op:
        """A claim as an operation: of values it takes the place of the formula's lines, of a gradient it stands behind them."""
        head, *own = self.written.split("\n")
        body = [f"    {line.strip()}" for line in lines.strip().split("\n")]
        if not self.wrt:
            return cr.op("\n".join([head, *body]))
        inputs, outputs = head.split("(", 1)[1].rsplit(") -> ", 1)
        moved = next(t for t in arrays_of(inputs.split("; ")[0]) if t.split("[")[0].split("=")[0].strip() == self.wrt)
        seeds = [f"d{t}" for t in arrays_of(outputs) if f"d{t.split('[')[0]}" in lines]
        given, _, settings = inputs.partition("; ")
        header = f"claim({', '.join([given, *seeds])}{'; ' if settings else ''}{settings}) -> {outputs}, d{moved.split(':')[0]}"
        return cr.op("\n".join([header, *own, *body]))

    @property
    def refusal(self) -> str:
        """What the language says of a claim that makes no sense."""
        try:
            self.claimed(self.claim)
        except cr.DefinitionError as e:
            return next(line for line in str(e).split("\n") if line.startswith("line ")).partition(": ")[2]
        raise AssertionError(f"{self.id}: the claim is not refused")

    def reads_adjoint(self, lines: str) -> bool:
        return any(f"d{t.name}" in lines for t in self.op.definition.outputs)

    def arrays(self, seed: int) -> dict[str, np.ndarray]:
        """The formula's inputs, drawn at random."""
        rng = np.random.default_rng(seed)
        d = self.op.definition
        sizes = SIZES | dict(self.sizes)
        return {t.name: draw(rng, tuple(int(a.evaluate(sizes)) for a in t.axes), self.given.get(t.name, "")) for t in d.inputs}

    def adjoint(self, shape: tuple[int, ...], lines: str, seed: int) -> np.ndarray:
        return np.random.default_rng(seed + 1000).normal(size=shape) if self.reads_adjoint(lines) else np.ones(shape)

    def by_claim(self, lines: str, seed: int) -> np.ndarray:
        """What a claim gives, in double precision by the reference engine."""
        arrays = self.arrays(seed)
        y = self.outputs(arrays)
        op = self.claimed(lines)
        seeds = {t.name: self.adjoint(y.shape, lines, seed) for t in op.definition.inputs if t.name not in arrays}
        found = op(**arrays, **seeds, **self.settings, engine="reference")
        return np.asarray(found[-1] if isinstance(found, tuple) else found)

    def by_calculus(self, lines: str, seed: int, engine: str) -> np.ndarray:
        """What the formula gives, or what is derived from it."""
        arrays = self.arrays(seed)
        if not self.wrt:
            return self.outputs(arrays, engine)
        y, pullback = cr.vjp(self.op, *arrays.values(), **self.settings, engine=engine)
        moving = [t.name for t in self.op.definition.inputs if t.whole is None and arrays[t.name].dtype.kind == "f"]
        return pullback(self.adjoint(np.shape(y), lines, seed))[moving.index(self.wrt)]

    def outputs(self, arrays: Mapping[str, np.ndarray], engine: str = "reference") -> np.ndarray:
        y = self.op(**arrays, **self.settings, engine=engine)
        return np.asarray(y[0] if isinstance(y, tuple) else y)

    def drawn(self, given: Mapping[str, str]) -> Row:
        """The same with inputs that are drawn in another way."""
        return replace(self, given=given)


def backward(op: cr.Op, wrt: list[str]) -> list[str]:
    """The lines that are derived for some inputs, in order."""
    gradient = op.gradient(wrt)
    d = gradient.definition
    return [line_text(line, d.axes) for line in d.lines[gradient.forward :]]


def arrays_of(header: str) -> list[str]:
    """The tensors of a header's part: commas inside brackets do not part them."""
    found, depth = [""], 0
    for c in header:
        depth += (c in "[(") - (c in "])")
        if c == "," and not depth:
            found.append("")
        else:
            found[-1] += c
    return [t.strip() for t in found]


def draw(rng: np.random.Generator, shape: tuple[int, ...], kind: str) -> np.ndarray:
    a = rng.normal(size=shape)
    if kind == "positive":
        return np.abs(a) + 0.3
    if kind == "probabilities":
        return np.abs(a) / np.abs(a).sum(-1, keepdims=True)
    if kind == "classes":
        return rng.integers(0, 3, shape)
    return np.sign(np.round(a)) if kind == "tied" else a
