"""A program: lines at known sizes, one after the other. Operations, derivatives, networks and training steps all become one.

    Definition + shapes + settings --bind--> Program --engines--> values

Both engines run programs. As text a program is a definition of the language again, with numbers for sizes.
"""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from ..errors import ArgumentError, ElementTypeError
from .functions import WORDS
from .index import Poly
from .lazy import cached_property
from .show import definition_text
from .tree import Definition, Expr, Index, Line, Read, Tensor, fresh_name, letters_of, rebuild, rename_tensors, subs

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
    full. numbers: settings that are read when it runs, and what they are in this call. update: pairs (output, input whose memory
    it takes over).
    """

    name: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    lines: tuple[Line, ...]
    shapes: Mapping[str, tuple[int, ...]] = field(repr=False)
    sample: str = ""
    samples: int = 1
    numbers: tuple[tuple[str, float], ...] = ()
    update: tuple[tuple[str, str], ...] = ()
    reaches: tuple[Reach, ...] = ()

    def __str__(self) -> str:
        return "\n".join(
            [definition_text(self.definition), *(f"# {self.names[new]} takes the place of {self.names[old]}" for new, old in self.update)]
        )

    @property
    def scalars(self) -> tuple[str, ...]:
        """The settings that are read when it runs."""
        return tuple(name for name, _ in self.numbers)

    @property
    def ports(self) -> tuple[Tensor, ...]:
        """What an engine is given: the inputs, and the settings as tensors of no axes."""
        return (*self.inputs, *(Tensor(name, ()) for name in self.scalars))

    def at(self, settings: Mapping[str, int | float]) -> Program:
        """The program with these values of its settings."""
        return replace(self, numbers=tuple((name, float(settings.get(name, value))) for name, value in self.numbers))

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
        letters = {x for line in self.lines for x in (*line.letters, *letters_of(line.expr))}
        return identifiers([*(t.name for t in self.ports), *(x.tensor for x in self.lines)], WORDS | letters | {self.sample, "N", "n", self.name})

    @cached_property
    def definition(self) -> Definition:
        """The program as a definition of its own."""
        names = self.names

        def called(t: Tensor) -> Tensor:
            return replace(t, name=names[t.name])

        own = {name: names[name] for name in self.scalars}
        lines = tuple(replace(x, tensor=names[x.tensor], expr=rename_tensors(with_settings(x.expr, own), names)) for x in self.lines)
        label = identifiers([self.name], keyword.kwlist)[self.name]
        settings = tuple((names[name], value) for name, value in self.numbers)
        return Definition(label, tuple(map(called, self.inputs)), settings, tuple(map(called, self.outputs)), lines, self.sample or "N")

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


def with_settings(e: Expr, called: Mapping[str, str]) -> Expr:
    """e with numbers that it reads as settings of these names."""
    if isinstance(e, Read):
        return Index(Poly.name(called[e.tensor])) if e.tensor in called else e
    return rebuild(e, lambda a: with_settings(a, called)) if called else e


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
        first, rest = re.match(r"([\d\W_]*)(.*)", "".join(map(spelled, name)), re.DOTALL).groups()  # type: ignore[union-attr]  # the pattern matches every text
        digits = "_".join(re.findall(r"\d+", first))
        word, dot, more = rest.partition(".")
        plain = re.sub(r"\W+", "_", f"{word or 't'}{digits}{dot}{more}", flags=re.ASCII).strip("_")
        out[name] = fresh_name(plain, used)
        used.add(out[name])
    return out


def spelled(c: str) -> str:
    """A letter in ASCII: what it is without its marks, else the last word of its name, else its number. é is e, λ lamda."""
    if c.isascii():
        return c
    plain = "".join(x for x in unicodedata.normalize("NFKD", c) if x.isascii() and x.isalnum())
    last = unicodedata.name(c, "").split(" ")[-1].lower()
    return plain or (last if last.isalpha() else f"u{ord(c):x}") if c.isalnum() else "_"
