"""One number and where it came from: its formula, the letters' values, every term with its numbers, and what machine code made of it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..errors import ArgumentError
from ..language.lazy import cached_property
from ..language.tree import Expr, Read
from .data import as_data
from .page import fragment, page
from .parts import Part, parts_of
from .record import Record, index_of, letters_at, put_in
from .terms import Factor, Group, Made, Term, made, spoken
from .text import tree

ELEMENT = re.compile(r"\s*(?P<name>[^\[\]]+?)\s*(\[(?P<index>[^\[\]]*)\])?\s*", re.ASCII)
STEPS = re.compile(r"\d{1,9}(\.\d{1,9})*", re.ASCII)
INDEX = re.compile(r"\d{1,9}", re.ASCII)


@dataclass(frozen=True, eq=False)
class Why:
    """Where a number came from; made by `why`.

    name: the number, as "0.weight.grad[3,0,2,1]"; about: what it is, in words. formula: its line in the program's text; letters: what its
    letters are here. most: how many terms are shown; by: a letter of the sum, over whose values `groups` divides it; held: letters of the
    sum that have one value only.
    """

    record: Record = field(repr=False)
    expr: Expr = field(repr=False)
    name: str
    formula: str
    letters: Mapping[str, int]
    tensor: str = ""
    index: tuple[int, ...] = ()
    most: int = 10
    by: str = ""
    part: Part | None = field(default=None, repr=False)
    held: Mapping[str, int] = field(default_factory=dict)

    @cached_property
    def made(self) -> Made:
        return made(self.record, self.expr, self.part, self.most, self.by, self.held, self.tensor)

    @property
    def kind(self) -> str:
        """How its terms come together: "sum", "product", "max", "min", "argmax", "prod", "choice", "function", "same" or "given"."""
        return self.made.kind

    @property
    def value(self) -> float:
        """The number in float64: what went in as it is, all else computed anew."""
        return self.made.value

    @property
    def terms(self) -> tuple[Term, ...]:
        """The largest terms of a sum; candidates of a maximum, the winner first; factors of a product; operands as they are written."""
        return self.made.terms

    @property
    def count(self) -> int:
        """How many terms there are, shown or not."""
        return self.made.count

    @property
    def rest(self) -> tuple[int, float]:
        """(number, sum) of the terms that are not shown."""
        return self.count - len(self.terms), self.made.rest

    @property
    def left_out(self) -> Mapping[str, int]:
        """How many terms are not there: by the tensor that they would read outside of, or "bounds" (of indices) and "conditions" (of data)."""
        return self.made.left_out

    @property
    def groups(self) -> tuple[Group, ...]:
        """The sums by the values of the letter `by`, the largest first; last, with at=None, that of the terms that it does not stand in."""
        return self.made.groups

    @property
    def sums(self) -> tuple[str, ...]:
        """The letters that it is summed over."""
        return tuple(dict.fromkeys(x for p in parts_of(self.expr) for x in p.letters if x not in self.held))

    @cached_property
    def native(self) -> float | None:
        """What machine code gives for it in the number type of training; None for a part of a formula, which is kept nowhere."""
        return float(self.record.native(self.tensor)[self.index]) if self.tensor else None

    @cached_property
    def ulps(self) -> float | None:
        """How far machine code is from float64, in units in the last place of its number type."""
        if self.native is None:
            return None
        if self.native == self.value or (math.isnan(self.native) and math.isnan(self.value)):
            return 0.0  # two infinities have no difference
        return (self.native - self.value) / self.record.unit(self.tensor, self.index, max(abs(self.native), abs(self.value)))

    @property
    def about(self) -> str:
        return self.record.about(self.tensor) if self.tensor else ""

    # Asking again -------------------------------------------------------------------------------------------------------

    @property
    def names(self) -> dict[str, str]:
        """Every tensor of the run that can be asked, and what it is."""
        return {name.removeprefix("."): self.record.about(name) for name in self.record.shapes}

    @property
    def untaken(self) -> tuple[Term, ...]:
        """Terms that are not there because a condition of data does not hold, the first of them."""
        return self.made.untaken

    def why(self, *path: int | str, terms: int | None = None, by: str = "") -> Why:
        """Where a term came from, or a number behind it.

        path: the number of a term, as printed, then of one of its factors, and so on (`w.why(1, 2)` or `w.why("1.2")`); or a number of the
        same run by its name (`w.why("y0_grad[0,3,12,5]")`). terms, by: as in `why`.
        """
        here = self
        for step in path:
            here = here._named(step) if isinstance(step, str) else here._step(step)
        return replace(here, most=self.most if terms is None else how_many(terms), by=grouped_by(here, by))

    def only(self, **letters: int) -> Why:
        """The terms of the sum for these values of its letters alone: `w.only(n=3)` for sample 3."""
        if not letters:
            return self
        sizes = {x: size for p in parts_of(self.expr) for x, size in p.letters.items()}
        for x, v in letters.items():
            if x not in sizes or isinstance(v, bool) or not isinstance(v, (int, np.integer)) or not 0 <= v < sizes[x]:
                accepted = ", ".join(f"{k} from 0 to {size - 1}" for k, size in sizes.items()) or "none: it is no sum over letters"
                raise ArgumentError(f"{x}={v!r:.40}: no terms of {self.name}; accepted: {accepted}")
        held = {**self.held, **{x: int(v) for x, v in letters.items()}}
        name = f"{self.name.partition(' for ')[0]} for {spoken(held)}"
        return replace(self, name=name, tensor="", index=(), by="", held=held)

    def __getitem__(self, at: object) -> Why:
        return self.why(*(at if isinstance(at, tuple) else (at,)))

    def _named(self, text: str) -> Why:
        if STEPS.fullmatch(text):
            return self.why(*map(int, text.split(".")))
        name, index = place_in(text)
        return ask(self.record, name, index or (), self.most)

    def _step(self, k: int) -> Why:
        """The number behind the k-th term."""
        if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or not 1 <= k <= len(self.terms):
            accepted = f"1 to {len(self.terms)}" if self.terms else "none: it is given"
            raise ArgumentError(f"{k!r:.80}: {self.name} has no such term; accepted: {accepted}")
        t = self.terms[k - 1]
        if len(t.factors) == 1:
            return self.behind(t.factors[0])
        return Why(self.record, t.factors[0].expr, t.text, t.text, {}, most=self.most, part=t.part)

    def behind(self, f: Factor) -> Why:
        """Where a factor came from."""
        if isinstance(f.expr, Read):
            return element(self.record, f.expr.tensor, index_of(f.expr), self.most)
        text = self.record.text(f.expr)
        return Why(self.record, f.expr, text, text, {}, most=self.most)

    # Showing ------------------------------------------------------------------------------------------------------------

    def __str__(self) -> str:
        return self.text()

    def data(self, depth: int = 1) -> dict[str, Any]:
        """All of it as plain data; depth: how many levels, of which one is this."""
        if isinstance(depth, bool) or not isinstance(depth, int) or depth < 1:
            raise ArgumentError(f"depth={depth!r:.80}: not how many levels to show; accepted: a whole number of at least 1")
        return as_data(self, depth)

    def text(self, depth: int = 1) -> str:
        """The same as a tree of text."""
        return tree(self.data(depth))

    def json(self, depth: int = 1) -> str:
        """The same as JSON; what is not finite is a text."""
        return json.dumps(self.data(depth), ensure_ascii=False, indent=1)

    def html(self, depth: int = 3) -> str:
        """The same as a page of its own, whose terms open."""
        return page(self.data(depth))

    def _repr_html_(self) -> str:
        return fragment(self.data(2))


def how_many(terms: object) -> int:
    """A number of terms to show."""
    if isinstance(terms, bool) or not isinstance(terms, (int, np.integer)) or terms < 1:
        raise ArgumentError(f"terms={terms!r:.80}: not how many to show; accepted: a whole number of at least 1")
    return int(terms)


def grouped_by(here: Why, by: object) -> str:
    """A letter of the sum, or none."""
    if by != "" and by not in here.sums:
        letters = ", ".join(here.sums) or "none: it is no sum over letters"
        raise ArgumentError(f"by={by!r:.80}: no letter that {here.name} is summed over; accepted: {letters}")
    return str(by)


def place_in(text: str) -> tuple[str, tuple[int, ...] | None]:
    """(name, index) from "name[3,0,2,1]"; None where no index is said."""
    found = ELEMENT.fullmatch(text)
    index = None if found is None or found["index"] is None else index_in(found["index"])
    if found is None or (index is None and found["index"] is not None):
        raise ArgumentError(
            f"{text!r:.80}: not a number of this run; accepted: a name with whole numbers, as 0.weight.grad[3,0,2,1], or a term's number"
        )
    return found["name"], index


def index_in(text: str) -> tuple[int, ...] | None:
    """An index from "3,0,2,1"; None where it is none."""
    rows = [p.strip() for p in text.split(",")] if text.strip() else []
    return tuple(map(int, rows)) if all(map(INDEX.fullmatch, rows)) else None


def ask(record: Record, name: str, index: tuple[int, ...], most: int, by: str = "") -> Why:
    """A number of a run by any of its names."""
    found = record.named(name)
    shape = record.shapes[found]
    if len(index) != len(shape) or not all(0 <= k < s for k, s in zip(index, shape, strict=True)):
        shown = ", ".join(f"0 to {s - 1}" for s in shape)
        accepted = f"({shown})" if shape else "no index: ()"
        raise ArgumentError(f"{index}: no place of {name}, which has shape {shape}; accepted: {accepted}")
    here = element(record, found, index, most)
    return replace(here, by=grouped_by(here, by), name=here.name if name in record.inner else record.element(name, index))


def element(record: Record, tensor: str, index: tuple[int, ...], most: int) -> Why:
    """One number of a tensor."""
    name = record.element(tensor, index)
    line = record.lines.get(tensor)
    if line is None:
        e: Expr = record.read(tensor, index)
        return Why(record, e, name, record.text(e), {}, tensor, index, most)
    letters = letters_at(line, index)
    return Why(record, put_in(line.expr, letters), name, record.formula(tensor), letters, tensor, index, most)
