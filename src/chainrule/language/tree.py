"""The tree of a formula: five kinds of node, and the operations that every part of the project needs on them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace

from .functions import Kind
from .index import Poly
from .lazy import cached_property


@dataclass(frozen=True)
class Const:
    """A number as written."""

    value: int | float


@dataclass(frozen=True)
class Index:
    """An integer expression of letters, sizes and settings used as a value."""

    expr: Poly


@dataclass(frozen=True)
class Read:
    """One element of a tensor."""

    tensor: str
    index: tuple[Poly, ...]


@dataclass(frozen=True)
class Call:
    """A scalar function or operator applied to values."""

    fn: str
    args: tuple[Expr, ...]


@dataclass(frozen=True)
class Reduce:
    """sum, max, min, mean or argmax of the body over letters; with no letters, a single term that may be dropped."""

    kind: Kind
    letters: tuple[str, ...]
    ranges: tuple[Poly, ...]
    body: Expr


Expr = Const | Index | Read | Call | Reduce


@dataclass(frozen=True)
class Tensor:
    """A name and the sizes of its axes.

    whole: for an input declared to hold whole numbers (`t[n]: int < K`), the sizes below which they lie from 0 on (none: any whole
    number); None for every other tensor.
    """

    name: str
    axes: tuple[Poly, ...]
    whole: tuple[Poly, ...] | None = None


class Places(tuple[Poly, ...]):
    """The axes of an input of whole numbers, at which others may be looked up; below: the sizes below which these numbers lie."""

    below: tuple[Poly, ...]

    def __new__(cls, axes: tuple[Poly, ...], below: tuple[Poly, ...]) -> Places:
        made = super().__new__(cls, axes)
        made.below = below
        return made

    def __getnewargs__(self) -> tuple[tuple[Poly, ...], tuple[Poly, ...]]:
        return tuple(self), self.below


@dataclass(frozen=True)
class Line:
    """tensor[letters] = expr, with the range of each letter; or tensor[target] = expr, where indices of several letters tile an axis."""

    tensor: str
    letters: tuple[str, ...]
    ranges: tuple[Poly, ...]
    expr: Expr
    target: tuple[Poly, ...] | None = None

    @cached_property
    def index(self) -> tuple[Poly, ...]:
        """Where the values go, an index for each axis."""
        return tuple(map(Poly.name, self.letters)) if self.target is None else self.target

    @cached_property
    def axes(self) -> tuple[Poly, ...]:
        """The sizes of the tensor's axes: all places that the letters meet."""
        if self.target is None:
            return self.ranges
        last = {x: r - 1 for x, r in zip(self.letters, self.ranges, strict=True)}
        return tuple(p.subs(last) + 1 for p in self.target)

    @property
    def read(self) -> Read:
        """The value that the line defines, as a read."""
        return Read(self.tensor, self.index)


@dataclass(frozen=True)
class Definition:
    """A header and its lines; `source` is the text as the user wrote it, for error messages."""

    name: str
    inputs: tuple[Tensor, ...]
    settings: tuple[tuple[str, int | float], ...]
    outputs: tuple[Tensor, ...]
    lines: tuple[Line, ...]
    sample_size: str = "N"
    source: str = field(default="", compare=False)

    @cached_property
    def axes(self) -> dict[str, tuple[Poly, ...]]:
        """Sizes of every tensor's axes, by name."""
        known = {line.tensor: line.axes for line in self.lines}
        return known | {t.name: t.axes if t.whole is None else Places(t.axes, t.whole) for t in self.inputs + self.outputs}

    @cached_property
    def facts(self) -> frozenset[tuple[Poly, Poly]]:
        """Sizes that the left sides say are equal: what the letters of an index meet, and the axis that they tile."""
        found = (pair for x in self.lines if x.target for pair in zip(x.axes, self.axes[x.tensor], strict=True))
        return frozenset((a, b) for a, b in found if a != b)

    @cached_property
    def names(self) -> frozenset[str]:
        """Every name in use: tensors, settings, sizes and letters."""
        found = set(self.axes) | {s for s, _ in self.settings}
        for axes in self.axes.values():
            for p in axes:
                found |= p.names
        for line in self.lines:
            found |= set(line.letters) | letters_of(line.expr) | index_names(line.expr)
        return frozenset(found)

    @cached_property
    def floats(self) -> frozenset[str]:
        """Settings that are not whole numbers: values, which cannot stand in an index."""
        return frozenset(s for s, v in self.settings if isinstance(v, float))

    def with_lines(self, **changes: object) -> Definition:
        return replace(self, source="", **changes)  # type: ignore[arg-type]  # the caller names fields of a Definition


def children(e: Expr) -> tuple[Expr, ...]:
    if isinstance(e, Call):
        return e.args
    return (e.body,) if isinstance(e, Reduce) else ()


def walk(e: Expr) -> Iterator[Expr]:
    todo = [e]  # a list of its own: nested generators would hand every node through all levels
    while todo:
        node = todo.pop()
        yield node
        todo += reversed(children(node))


def direct(e: Expr) -> Iterator[Expr]:
    """The nodes of e that are not inside a reduction below it."""
    todo = [e]
    while todo:
        node = todo.pop()
        yield node
        if isinstance(node, Call):
            todo += reversed(node.args)


def reads(e: Expr) -> Iterator[Read]:
    return (node for node in walk(e) if isinstance(node, Read))


def needed(lines: tuple[Line, ...], wanted: set[str]) -> tuple[Line, ...]:
    """The lines that the wanted tensors depend on, in order."""
    keep: list[Line] = []
    want = set(wanted)
    for line in reversed(lines):
        if line.tensor in want:
            keep.append(line)
            want |= {r.tensor for r in reads(line.expr)}
    return tuple(reversed(keep))


def direct_reads(e: Expr) -> Iterator[Read]:
    return (node for node in direct(e) if isinstance(node, Read))


def letters_of(e: Expr) -> set[str]:
    """Letters bound by reductions anywhere in e."""
    return {letter for node in walk(e) if isinstance(node, Reduce) for letter in node.letters}


def index_names(e: Expr) -> set[str]:
    """Names in index expressions of e: free and bound letters, sizes, settings."""
    found: set[str] = set()
    for node in walk(e):
        for p in (node.expr,) if isinstance(node, Index) else node.index if isinstance(node, Read) else ():
            found |= p.names
        if isinstance(node, Reduce):
            for p in node.ranges:
                found |= p.names
    return found


def free_names(e: Expr) -> set[str]:
    """Names in index expressions that no reduction inside e binds."""
    if isinstance(e, Index):
        return set(e.expr.names)
    if isinstance(e, Read):
        return set().union(*(p.names for p in e.index)) if e.index else set()
    found: set[str] = set()
    for child in children(e):
        found |= free_names(child)
    if isinstance(e, Reduce):
        found -= set(e.letters)
        for p in e.ranges:
            found |= p.names
    return found


def rebuild(e: Expr, change: Callable[[Expr], Expr]) -> Expr:
    """A copy of e with `change` applied to each child."""
    if isinstance(e, Call):
        return Call(e.fn, tuple(change(a) for a in e.args))
    if isinstance(e, Reduce):
        return Reduce(e.kind, e.letters, e.ranges, change(e.body))
    return e


def subs(e: Expr, values: Mapping[str, Poly | int | float]) -> Expr:
    """Replace names in index expressions (free ones; the caller avoids capture)."""
    if isinstance(e, Index):
        value = values.get(e.expr.letter or "")
        if isinstance(value, float):
            return Const(value)
        assert not any(isinstance(values.get(x), float) for x in e.expr.names), f"a broken number in the index arithmetic {e.expr}"
        return number_of(e.expr.subs(values))
    if isinstance(e, Read):
        return Read(e.tensor, tuple(p.subs(values) for p in e.index))
    if isinstance(e, Reduce):
        inner = {k: v for k, v in values.items() if k not in e.letters}
        return Reduce(e.kind, e.letters, tuple(p.subs(values) for p in e.ranges), subs(e.body, inner))
    return rebuild(e, lambda a: subs(a, values))


def number_of(p: Poly) -> Expr:
    """An index expression as a value; a plain number where it is one."""
    return Index(p) if p.constant is None else Const(p.constant)


def folded(e: Call, floats: Collection[str]) -> Expr:
    """Arithmetic of letters, sizes and whole numbers as one index expression; settings named in `floats` are values, not indices."""
    if e.fn == "neg" and isinstance(e.args[0], Const):
        return Const(-e.args[0].value)
    if e.fn not in ("+", "-", "*", "neg") or not any(isinstance(a, Index) for a in e.args):
        return e
    polys = []
    for a in e.args:
        if isinstance(a, Index) and a.expr.letter not in floats:
            polys.append(a.expr)
        elif isinstance(a, Const) and isinstance(a.value, int):
            polys.append(Poly.of(a.value))
        else:
            return e
    if e.fn == "neg":
        return number_of(-polys[0])
    return number_of({"+": polys[0] + polys[1], "-": polys[0] - polys[1], "*": polys[0] * polys[1]}[e.fn])


def map_indices(e: Expr, change: Callable[[Poly], Poly]) -> Expr:
    """A copy of e with `change` applied to every index expression."""
    if isinstance(e, Index):
        return number_of(change(e.expr))
    if isinstance(e, Read):
        return Read(e.tensor, tuple(change(p) for p in e.index))
    return rebuild(e, lambda a: map_indices(a, change))


def rename_tensors(e: Expr, names: Mapping[str, str]) -> Expr:
    if isinstance(e, Read):
        return Read(names.get(e.tensor, e.tensor), e.index)
    return rebuild(e, lambda a: rename_tensors(a, names))


def rename_bound(e: Expr, taken: set[str], fresh: Callable[[str], str]) -> Expr:
    """Rename letters bound in e that are in `taken`; every binding becomes unique, `taken` grows."""
    if isinstance(e, Reduce):
        new = {}
        for letter in e.letters:
            new[letter] = fresh(letter) if letter in taken else letter
            taken.add(new[letter])
        body = subs(e.body, {a: Poly.name(b) for a, b in new.items() if a != b})
        return Reduce(e.kind, tuple(new.values()), e.ranges, rename_bound(body, taken, fresh))
    return rebuild(e, lambda a: rename_bound(a, taken, fresh))


def fresh_name(wanted: str, taken: set[str] | frozenset[str]) -> str:
    """`wanted`, or `wanted` with the smallest number that is free."""
    if wanted not in taken:
        return wanted
    k = 1
    while f"{wanted}{k}" in taken:
        k += 1
    return f"{wanted}{k}"


ZERO, ONE = Const(0), Const(1)


def add(a: Expr, b: Expr) -> Expr:
    if a == ZERO:
        return b
    if isinstance(b, Call) and b.fn == "neg":
        return sub(a, b.args[0])
    return a if b == ZERO else Call("+", (a, b))


def sub(a: Expr, b: Expr) -> Expr:
    if b == ZERO:
        return a
    return neg(b) if a == ZERO else Call("-", (a, b))


def neg(a: Expr) -> Expr:
    if isinstance(a, Const):
        return Const(-a.value)
    return a.args[0] if isinstance(a, Call) and a.fn == "neg" else Call("neg", (a,))


def mul(a: Expr, b: Expr) -> Expr:
    if ZERO in (a, b):
        return ZERO
    if a == ONE:
        return b
    if b == ONE:
        return a
    if Const(-1) in (a, b):
        return neg(b if a == Const(-1) else a)
    if isinstance(a, Call) and a.fn == "neg":
        return neg(mul(a.args[0], b))
    if isinstance(b, Call) and b.fn == "neg":
        return neg(mul(a, b.args[0]))
    if isinstance(b, Call) and b.fn == "*" and not between(b):  # left-deep, so that products print without brackets
        return mul(mul(a, b.args[0]), b.args[1])
    if isinstance(b, Call) and b.fn == "/" and b.args[0] == ONE:
        return div(a, b.args[1])
    return Call("*", (a, b))


def between(e: Expr) -> bool:
    """Whether e is (a <= x < b), which is written as one."""
    if not (isinstance(e, Call) and e.fn == "*"):
        return False
    low, high = e.args
    return isinstance(low, Call) and isinstance(high, Call) and {low.fn, high.fn} <= {"<", "<="} and low.args[1] == high.args[0]


def div(a: Expr, b: Expr) -> Expr:
    if a == ZERO or b == ONE:
        return a
    if isinstance(a, Call) and a.fn == "neg":
        return neg(div(a.args[0], b))
    return Call("/", (a, b))


def product_factors(e: Expr) -> list[Expr]:
    """The factors of a product, left to right."""
    found, todo = [], [e]
    while todo:
        node = todo.pop()
        if isinstance(node, Call) and node.fn == "*":
            todo += reversed(node.args)
        else:
            found.append(node)
    return found


def product(factors: list[Expr]) -> Expr:
    out: Expr = ONE
    for f in factors:
        out = mul(out, f)
    return out


def inside(index: Poly, size: Poly) -> Expr:
    """The Iverson bracket 0 <= index < size."""
    at = number_of(index)
    return Call("*", (Call("<=", (Const(0), at)), Call("<", (at, number_of(size)))))


def whole(e: Expr, kept: Callable[[str], bool]) -> bool:
    """Whether e is made of letters, whole numbers and tensors of whole numbers (`kept`) by + - *."""
    match e:
        case Const(value):
            return isinstance(value, int)
        case Index():
            return True
        case Read(tensor, _):
            return kept(tensor)
        case Call("+" | "-" | "*" | "neg", args):
            return all(whole(a, kept) for a in args)
    return False


def lookup(e: Expr) -> tuple[str, Expr, Expr] | None:
    """(letter, its place, what stands there) of a sum that looks something up: sum[v](where(v == t[n], p[v], 0))."""
    match e:
        case Reduce(Kind.SUM, (letter,), _, Call("where", (Call("==" | "delta", (a, b)), rest, Const(0)))):
            for x, at in ((a, b), (b, a)):
                if isinstance(x, Index) and x.expr.letter == letter and letter not in free_names(at) and next(reads(at), None):
                    return letter, at, rest
    return None


def counted(e: Expr, kept: Callable[[str], bool]) -> bool:
    """Whether e holds nothing but whole numbers, some of them looked up at others."""

    def plain(e: Expr) -> Expr:
        found = lookup(e)
        return Call("+", (plain(found[1]), plain(found[2]))) if found else rebuild(e, plain)

    return whole(plain(e), kept)
