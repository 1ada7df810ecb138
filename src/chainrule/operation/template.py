"""Texts that leave something open: which of their forms a call means.

arrays, settings + Outline --chosen--> Form, arrays by name, settings by name
"""

from __future__ import annotations

import numbers
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..errors import ArgumentError, ShapeError
from ..language.families import Form, Outline
from ..language.lazy import cached_property
from ..language.ranges import define
from ..language.tree import Definition
from .arrays import to_array


@dataclass(frozen=True)
class Template:
    """A text with families of axes or inputs that may be left out."""

    text: str
    outline: Outline
    header: str
    shown: Form
    _members: dict[Form, dict[str, tuple[str, ...]]] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, text: str, outline: Outline, shown: Mapping[str, int]) -> Template:
        """shown: how many axes families stand for where nothing says it."""
        text = textwrap.dedent(text).strip()
        head, rest = text.split("->", 1)
        form = outline.form({outline.families.find(k): rank for k, rank in shown.items()})
        return cls(text, outline, " ".join(f"{head}->{rest.splitlines()[0]}".split()), form)

    @property
    def name(self) -> str:
        return self.header.partition("(")[0].strip()

    @cached_property
    def definition(self) -> Definition:
        """The form that is shown."""
        return define(self.text, self.shown)

    def members(self, form: Form) -> dict[str, tuple[str, ...]]:
        if form not in self._members:
            self._members[form] = self.outline.members(form)
        return self._members[form]

    def chosen(self, who: str, args: Sequence[object], given: Mapping[str, object]) -> tuple[Form, dict[str, object], dict[str, object]]:
        """The form that these arguments mean, inputs by name and settings by the names they have in that form."""
        names = list(self.outline.inputs)
        if len(args) > len(names):
            raise ArgumentError(f"{len(args)} arrays: {who} takes {len(names)}; accepted: {self.header}")
        inputs = dict(zip(names, args, strict=False))
        settings: dict[str, object] = {}
        for k, v in given.items():
            if k in names and k in inputs:
                raise ArgumentError(f"{k}: given twice to {who}; accepted: once, by place or by name")
            (inputs if k in names else settings)[k] = v
        inputs = {k: v for k, v in inputs.items() if v is not None or k not in self.outline.optional}
        without = [k for k in self.outline.optional if k not in inputs]
        missing = [k for k in names if k not in inputs and k not in without]
        if missing:
            raise ArgumentError(f"{who}: {', '.join(missing)} not given; accepted: {self.header}")
        arrays = {k: to_array(inputs[k], k) for k in names if k in inputs}
        form, numbers = self.form(who, {k: a.ndim for k, a in arrays.items()}, settings, without)
        return form, dict(arrays), numbers

    def form(self, who: str, axes: Mapping[str, int], settings: Mapping[str, object], without: Iterable[str] = ()) -> tuple[Form, dict[str, object]]:
        """The form for inputs of so many axes and for these settings, and the settings by the names they have in it."""
        out = dict(settings)
        several = {k: each(k, v) for k, v in settings.items() if k in self.outline.families.settings and not isinstance(v, numbers.Real)}
        ranks = self.ranks(who, axes)
        find = self.outline.families.find
        for k, values in several.items():
            if len(values) != ranks.setdefault(find(k), len(values)):
                raise ArgumentError(f"{k}={settings[k]!r:.80}: {who} has {ranks[find(k)]} axes here; accepted: one number, or {ranks[find(k)]}")
        apart = [k for k, values in several.items() if len(set(values)) > 1]
        form = self.outline.form(ranks, apart, without)
        self.told(who, axes, ranks)
        members = self.members(form) if apart else {}
        for k, values in several.items():
            del out[k]
            out |= dict(zip(members[k], values, strict=True)) if k in apart else {k: values[0]} if values else {}
        return form, out

    def told(self, who: str, axes: Mapping[str, int], ranks: Mapping[str, int]) -> None:
        """Families whose ranks nothing says have their usual ones, where arrays have as many axes."""
        for name, count in axes.items():
            plain, roots = self.outline.inputs[name]
            if any(r not in ranks for r in roots) and count != plain + sum(ranks.get(r, self.outline.families.usual(r)) for r in roots):
                shown = " and ".join(f"*{r}" for r in dict.fromkeys(roots) if r not in ranks)
                raise ShapeError(
                    f"{name} with {count} axes: which of them are {shown} in {who} cannot be told; accepted: {self.header} with an input that has "
                    "one of these families alone, or letters for their axes"
                )

    def ranks(self, who: str, axes: Mapping[str, int]) -> dict[str, int]:
        try:
            return self.outline.ranks(axes)
        except ValueError as e:
            name = e.args[0]
            others = ", ".join(f"{k} has {v}" for k, v in axes.items() if k != name)
            raise ShapeError(
                f"{name} with {axes[name]} axes: does not fit {who}{f', as {others}' if others else ''}; accepted: {self.header}"
            ) from None


def each(name: str, value: object) -> tuple[int | float, ...]:
    """The numbers of a setting that is given for each axis."""
    values = value.tolist() if isinstance(value, np.ndarray) else value
    if isinstance(values, (tuple, list)) and all(isinstance(v, numbers.Real) and not isinstance(v, bool) for v in values):
        return tuple(values)
    raise ArgumentError(f"{name}={value!r:.80}: not a setting; accepted: a number, or one for each axis")
