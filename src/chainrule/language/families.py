"""Families of axes: `*H` stands for as many axes as an array has, and is written out before anything else is read.

    text + Form --parser--> definition

Names that stand under one star have one rank, and so have the stars of one tensor wherever it is written; a Form says
how many members there are.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from .functions import FOLDS, REDUCING, Kind
from .tree import ZERO, Call, Const, Expr, Read, Reduce, add, div, mul, neg, rebuild, sub

SUCCESSORS = {"H": "HWD"}  # the members of a family: as in books, else its letter and those behind it in the alphabet


@dataclass(frozen=True)
class Form:
    """What a text leaves open. ranks: how many axes a family stands for; apart: families of settings that differ from
    axis to axis; without: inputs that are left out."""

    ranks: tuple[tuple[str, int], ...] = ()
    apart: frozenset[str] = frozenset()
    without: frozenset[str] = frozenset()


USUAL = Form()  # every family with the rank that is shown where none is asked for, nothing left out


@dataclass
class Families:
    """The families of a text: which belong together (`root`), and the names of their members."""

    root: dict[str, str] = field(default_factory=dict)
    settings: tuple[str, ...] = ()
    members: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def find(self, name: str) -> str:
        while self.root[name] != name:
            name = self.root[name]
        return name

    def join(self, names: Iterable[str]) -> None:
        roots = [self.find(x) for x in names]
        for r in roots[1:]:
            self.root[self.find(r)] = self.find(roots[0])

    def under(self, node: ast.AST) -> list[str]:
        """The families named in an expression."""
        return [x for x in names_in(node) if x in self.root]

    def rank(self, node: ast.AST) -> int | None:
        """How many members an expression under a star has; None where it names no family."""
        named = self.under(node)
        return len(self.members[named[0]]) if named else None

    def starred(self, items: Sequence[ast.expr]) -> list[ast.expr]:
        """Those of a tensor's indices that stand for several."""
        return [x for x in items if isinstance(x, ast.Starred) or (isinstance(x, ast.Slice) and self.under(x))]

    def classes(self) -> list[str]:
        """A name for each set of families that have one rank."""
        return list(dict.fromkeys(map(self.find, self.root)))

    def usual(self, name: str) -> int:
        """The rank that is shown where none is asked for: windows in two dimensions, anything else in one."""
        return 2 if any(self.find(s) == self.find(name) for s in self.settings) else 1

    def settle(self, form: Form, taken: Iterable[str]) -> None:
        """Names for all members."""
        ranks = {self.find(x): rank for x, rank in form.ranks if x in self.root}
        used = {*taken, "n", "N"}
        for name in self.root:
            rank = ranks.get(self.find(name), self.usual(name))
            one = rank == 1 or (name in self.settings and name not in form.apart)
            self.members[name] = (name,) * rank if one else _members(name, rank, used)
            used |= set(self.members[name])


def _members(name: str, rank: int, used: set[str]) -> tuple[str, ...]:
    row = SUCCESSORS.get(name) or ("".join(chr(ord(name) + k) for k in range(rank)) if len(name) == 1 else "")
    chosen = tuple(row[:rank])
    if len(chosen) == rank and all(x.isalpha() and x.isascii() for x in chosen) and not set(chosen[1:]) & used:
        return chosen
    start = 1
    while any(f"{name}{k}" in used for k in range(start, start + rank)):
        start += 1
    return tuple(f"{name}{k}" for k in range(start, start + rank))


def names_in(node: ast.AST) -> list[str]:
    return list(dict.fromkeys(x.id for x in ast.walk(node) if isinstance(x, ast.Name)))


def items_of(node: ast.expr) -> tuple[ast.expr, ...]:
    """What stands in the square brackets behind a name."""
    if not isinstance(node, ast.Subscript):
        return ()
    return tuple(node.slice.elts) if isinstance(node.slice, ast.Tuple) else (node.slice,)


def gathered(settings: Mapping[str, bool], tensors: Sequence[ast.expr], lefts: Sequence[ast.expr], rights: Sequence[ast.expr]) -> Families:
    """The families of a text from its settings (whether they are families), the tensors of its header, its left sides and its right sides."""
    tensors = [*tensors, *lefts]
    subscripts = [n for t in rights for n in ast.walk(t) if isinstance(n, ast.Subscript) and isinstance(n.value, ast.Name)]
    bindings = [*tensors, *(n for n in subscripts if isinstance(n.value, ast.Name) and n.value.id in REDUCING)]
    several = [s for s, family in settings.items() if family]
    out = Families({s: s for s in several}, tuple(several))
    for star in (n for t in lefts for item in items_of(t) for n in ast.walk(item) if isinstance(n, ast.Starred)):
        for x in names_in(star):  # letters in a starred part of a left side stand for several
            if x[0].islower() and x not in settings and x not in FOLDS:
                out.root.setdefault(x, x)
    for t in bindings:
        for item in items_of(t):
            if isinstance(item, ast.Starred) and isinstance(item.value, ast.Name):
                out.root.setdefault(item.value.id, item.value.id)
    slices = [item for t in bindings for item in items_of(t) if isinstance(item, ast.Slice) and isinstance(item.lower, ast.Name)]
    before = -1
    while before < len(out.root):  # a letter whose range is a family is one
        before = len(out.root)
        for s in slices:
            if s.upper is not None and out.under(s.upper):
                out.root.setdefault(s.lower.id, s.lower.id)  # type: ignore[union-attr]  # a Name, as chosen above
    for node in (n for t in (*tensors, *rights) for n in ast.walk(t)):
        if isinstance(node, ast.Starred) or (isinstance(node, ast.Slice) and out.under(node)):
            out.join(out.under(node))
    stars: dict[tuple[str, int, int], str] = {}
    for name, items in _tensors(tensors, subscripts):
        starred = out.starred(items)
        for k, named in enumerate(map(out.under, starred)):
            if named:
                out.join([stars.setdefault((name, len(starred), k), named[0]), named[0]])
    return out


def _tensors(tensors: Sequence[ast.expr], subscripts: Sequence[ast.Subscript]) -> Iterator[tuple[str, tuple[ast.expr, ...]]]:
    for node in (*tensors, *subscripts):
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id not in REDUCING:
            yield node.value.id, items_of(node)


@dataclass(frozen=True)
class Outline:
    """What a call must know of a text with families or inputs that may be left out.

    inputs: name -> (axes that are no family, roots of those that are); optional: what stands for inputs left out;
    words: all names of the text.
    """

    inputs: Mapping[str, tuple[int, tuple[str, ...]]]
    optional: Mapping[str, int | float]
    families: Families
    words: frozenset[str]

    @property
    def open(self) -> bool:
        """Whether the text leaves anything open."""
        return bool(self.families.root or self.optional)

    def ranks(self, axes: Mapping[str, int]) -> dict[str, int]:
        """How many axes each family (by its root) has, from the numbers of axes of some inputs; ValueError names one that does not fit."""
        known: dict[str, int] = {}
        todo = [(name, self.inputs[name], count) for name, count in axes.items()]
        before = -1
        while len(todo) != before:
            before = len(todo)
            for entry in list(todo):
                name, (plain, roots), count = entry
                unknown = {r for r in roots if r not in known}
                if len(unknown) > 1:
                    continue
                rest = count - plain - sum(known.get(r, 0) for r in roots)
                times = sum(r in unknown for r in roots)
                if rest < 0 or (rest and not times) or (times and rest % times):
                    raise ValueError(name)
                known |= dict.fromkeys(unknown, rest // max(times, 1))
                todo.remove(entry)
        return known

    def form(self, ranks: Mapping[str, int], apart: Iterable[str] = (), without: Iterable[str] = ()) -> Form:
        """The form with these ranks by root; families of which nothing is known have their usual one."""
        every = tuple((r, ranks.get(r, self.families.usual(r))) for r in self.families.classes())
        return Form(every, frozenset(apart), frozenset(without))

    def members(self, form: Form) -> dict[str, tuple[str, ...]]:
        """The names of all members in a form."""
        own = Families(self.families.root, self.families.settings)
        own.settle(form, self.words)
        return own.members


SIMPLER: Mapping[str, Callable[..., Expr]] = {"+": add, "-": sub, "*": mul, "/": div, "neg": neg}


def without(e: Expr, values: Mapping[str, int | float]) -> Expr:
    """e with numbers for the inputs that are left out, and what becomes simpler by that."""
    if isinstance(e, Read) and e.tensor in values:
        return Const(values[e.tensor])
    if isinstance(e, Reduce):
        body = without(e.body, values)
        return ZERO if body == ZERO != e.body and e.kind in (Kind.SUM, Kind.MEAN) else Reduce(e.kind, e.letters, e.ranges, body)
    if not isinstance(e, Call) or e.fn not in SIMPLER:
        return rebuild(e, lambda a: without(a, values))
    args = [without(a, values) for a in e.args]
    changed = any(isinstance(new, Const) and new != old for new, old in zip(args, e.args, strict=True))
    return SIMPLER[e.fn](*args) if changed else Call(e.fn, tuple(args))
