"""A program: lines at known sizes, one after the other. Operations, derivatives, networks and training steps all become one.

    Definition + shapes + settings --bind--> Program --engines--> values

Both engines run programs. As text a program is a definition of the language again, with numbers for sizes.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from ..errors import ArgumentError, ElementTypeError
from .functions import FUNCTIONS, REDUCING
from .index import Poly
from .lazy import cached_property
from .show import definition_text
from .tree import Definition, Line, Tensor, fresh_name, rename_tensors, subs

MOST = 1 << 62  # index arithmetic of the engines is in 64 bits: everything that comes up in it stays below this


@dataclass(frozen=True)
class Reach:
    """What `who` computes of whole numbers stays within 64 bits as long as those of these tensors lie below `below`."""

    who: str
    tensors: frozenset[str]
    below: int


@dataclass(frozen=True)
class Program:
    """Lines whose sizes are numbers.

    inputs, outputs: their axes are numbers; where the number of samples is left open (`sample` is its name in the lines) the
    first axis of a tensor with samples is that name. `samples` is how many there are in this call. shapes: of every tensor,
    full. scalars: inputs that are settings of the operation, numbers given anew in each call. update: pairs (output, input
    whose memory it takes over).
    """

    name: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    lines: tuple[Line, ...]
    shapes: Mapping[str, tuple[int, ...]] = field(repr=False)
    sample: str = ""
    samples: int = 1
    scalars: tuple[str, ...] = ()
    update: tuple[tuple[str, str], ...] = ()
    reaches: tuple[Reach, ...] = ()

    def __str__(self) -> str:
        return "\n".join(
            [definition_text(self.definition), *(f"# {self.names[new]} takes the place of {self.names[old]}" for new, old in self.update)]
        )

    def sampled(self, t: Tensor) -> bool:
        """Whether a tensor's first axis is the open number of samples."""
        return bool(self.sample) and bool(t.axes) and t.axes[0].letter == self.sample

    @cached_property
    def closed(self) -> tuple[Line, ...]:
        """The lines with the number of samples put in."""
        if not self.sample:
            return self.lines
        known = {self.sample: Poly.of(self.samples)}
        return tuple(
            replace(
                x, ranges=tuple(p.subs(known) for p in x.ranges), expr=subs(x.expr, known), target=x.target and tuple(p.subs(known) for p in x.target)
            )
            for x in self.lines
        )

    @cached_property
    def names(self) -> dict[str, str]:
        """What every tensor is called in the program's text."""
        letters = {x for line in self.lines for x in line.letters}
        return identifiers(
            [*(t.name for t in self.inputs), *(x.tensor for x in self.lines)], letters | {self.sample, "n", self.name, *FUNCTIONS, *REDUCING}
        )

    @cached_property
    def definition(self) -> Definition:
        """The program as a definition of its own."""
        names = self.names

        def called(t: Tensor) -> Tensor:
            return replace(t, name=names[t.name])

        lines = tuple(replace(x, tensor=names[x.tensor], expr=rename_tensors(x.expr, names)) for x in self.lines)
        label = identifiers([self.name], ())[self.name]
        return Definition(label, tuple(map(called, self.inputs)), (), tuple(map(called, self.outputs)), lines, self.sample or "N")

    def taken(self, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The arrays; those of inputs declared to hold whole numbers are proven to, and come as int64."""
        out = dict(arrays)
        for t in self.inputs:
            if t.whole is not None and t.name in out:
                below = [int(p.constant or 0) for p in t.whole]
                out[t.name] = whole_numbers(t.name, out[t.name], min(below, default=None))
        self.check(out)
        return out

    def check(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Whole numbers so large that what is computed of them would leave 64 bits are refused."""
        for r in self.reaches:
            for name in r.tensors:
                a = arrays.get(name)
                if a is not None and a.dtype.kind in "iu" and a.size and max(int(a.max()), -int(a.min())) >= r.below:
                    at = tuple(int(k) for k in np.argwhere((a >= r.below) | (a <= -r.below))[0])
                    shown = f"{name}[{', '.join(map(str, at))}]" if at else name
                    raise ArgumentError(f"{shown} = {a[at]}: too large for what {r.who} computes of it; accepted: below {r.below}")


def whole_numbers(name: str, a: np.ndarray, below: int | None = None) -> np.ndarray:
    """The values as int64; an error names the first that is no whole number, or not one from 0 to below - 1, and its place."""
    accepted = "whole numbers" if below is None else f"whole numbers 0 to {below - 1}"
    if a.dtype.kind not in "biufO":
        raise ElementTypeError(f"{name} with dtype {a.dtype}: not numbers to count with; accepted: {accepted}")
    values: np.ndarray = a.astype(np.int64) if a.dtype.kind == "b" else a.astype(np.float32) if a.dtype == np.float16 else a
    try:
        with np.errstate(invalid="ignore"):
            broken = values != values // 1  # NaN and infinities differ from their whole part
            wrong = broken | (values >= MOST) | (values <= -MOST)
            wrong |= (values < 0) | (values >= below) if below is not None else False
    except (TypeError, ValueError, OverflowError, ZeroDivisionError):
        raise ElementTypeError(f"{name} with dtype {a.dtype}: not numbers to count with; accepted: {accepted}") from None
    wrong = np.asarray(wrong, bool)
    if wrong.any():
        at = tuple(int(k) for k in np.argwhere(wrong)[0])
        shown = f"{name}[{', '.join(map(str, at))}]" if at else name
        if below is None and not np.asarray(broken, bool)[at]:
            raise ArgumentError(f"{shown} = {a[at]}: too large to count with; accepted: whole numbers between -2**62 and 2**62")
        raise ArgumentError(f"{shown} = {a[at]}: declared to hold whole numbers{'' if below is None else ' that an axis has'}; accepted: {accepted}")
    return values.astype(np.int64)


def identifiers(names: Iterable[str], taken: Collection[str]) -> dict[str, str]:
    """A name of the language for each public name: `0.weight` is weight0, `layers.0.weight` layers_0_weight."""
    out: dict[str, str] = {}
    used = set(taken)
    for name in dict.fromkeys(names):
        first, rest = re.match(r"([\d\W_]*)(.*)", name, re.DOTALL).groups()  # type: ignore[union-attr]  # the pattern matches every text
        digits = "_".join(re.findall(r"\d+", first))
        word, dot, more = rest.partition(".")
        plain = re.sub(r"\W+", "_", f"{word or 't'}{digits}{dot}{more}", flags=re.ASCII).strip("_")
        out[name] = fresh_name(plain, used)
        used.add(out[name])
    return out
