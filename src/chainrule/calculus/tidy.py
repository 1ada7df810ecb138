"""From what the chain rule writes to what a textbook prints: the lines of a derivative, rewritten by the laws of algebra until none fits.

A line of a derivative is rewritten alone; where one gradient is read by nothing but another at the same place, and both together come out shorter
than apart, they become one line.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from ..language.functions import FUNCTIONS
from ..language.index import Poly
from ..language.single import plain
from ..language.tree import (
    ONE,
    ZERO,
    Call,
    Const,
    Definition,
    Expr,
    Index,
    Line,
    Read,
    Reduce,
    children,
    direct_reads,
    free_names,
    fresh_name,
    letters_of,
    needed,
    neg,
    number_of,
    reads,
    rename_bound,
    subs,
    walk,
)
from .laws import LAWS, Law
from .normal import is_product, is_sum, with_indices
from .rewrite import Rewriting, put_in, remade, rewritten
from .scope import Scope
from .steps import Rule, Step


@dataclass(frozen=True)
class Move:
    """One rewriting of a line: by a law; or, without, by what another tensor is, put in for it, or (no name) in its parts."""

    line: Line
    by: Law | None = None
    what: str = ""


Moves = tuple[Move, ...]


def rewriting(moves: Moves, axes: Mapping[str, tuple[Poly, ...]]) -> list[Step]:
    """The steps by which a line was rewritten; several by one law in a row are one."""
    out: list[Step] = []
    for k, m in enumerate(moves):
        last = k + 1 == len(moves)
        if not last and ((m.by is not None and moves[k + 1].by is m.by) or size(m.line.expr) > LONGEST):
            continue
        about = (m.by.name, m.by.left, m.by.right) if m.by is not None else (m.what,)
        rule = Rule.SIMPLIFY if m.by is not None else Rule.SUBSTITUTE if m.what else Rule.PARTS
        out.append(Step(rule, partial(_line_of, m), axes, about))
    return out


def _line_of(m: Move) -> Line:
    return m.line


LONGEST = 200  # nodes of a formula that is a step: nobody reads longer ones, but the last
LARGEST = 300  # nodes of what is rewritten as a whole; of what is longer the parts are, or it would take long


def simplified(line: Line, scope: Scope) -> tuple[Line, Moves]:
    """A line rewritten until no law fits, and the moves that led there."""
    inside = scope.inside(line)
    if size(line.expr) > LARGEST:
        expr = _in_parts(line.expr, inside, _sizes(line.expr))
        return replace(line, expr=expr), (Move(replace(line, expr=expr)),) if expr != line.expr else ()
    made = Rewriting(LAWS, inside).moves(line.expr)
    moves = tuple(Move(replace(line, expr=with_indices(e, scope.floats)), rule) for rule, e in made)
    return (moves[-1].line if moves else line), moves


def _in_parts(e: Expr, scope: Scope, sizes: dict[int, int]) -> Expr:
    """e with its largest parts that are not too large rewritten."""
    if sizes[id(e)] <= LARGEST:  # kept alive by the line
        return with_indices(rewritten(e, LAWS, scope), scope.floats)
    inner = scope.within(e) if isinstance(e, Reduce) else scope
    return remade(e, tuple(_in_parts(a, inner, sizes) for a in children(e)))


def _sizes(e: Expr) -> dict[int, int]:
    """The number of nodes of each part of e, by id."""
    found: dict[int, int] = {}
    for node in reversed(list(walk(e))):
        found[id(node)] = 1 + sum(found[id(a)] for a in children(node))  # kept alive by e
    return found


def tidied(d: Definition, forward: int) -> tuple[Definition, dict[str, Moves]]:
    """A derived definition with the lines behind its first `forward` rewritten, and what was done to each, by tensor."""
    scope = Scope.of(d, d.lines[:forward])
    whole = _Tidy(scope, frozenset(t.name for t in d.outputs), set(d.names), fixed(d))
    for line in d.lines[forward:]:
        whole.add(line)
    lines = needed((*d.lines[:forward], *whole.lines), set(whole.outputs))
    return d.with_lines(lines=lines), whole.done


@dataclass
class _Tidy:
    """The lines so far, and what was done to each."""

    scope: Scope
    outputs: frozenset[str]
    names: set[str]
    fixed: frozenset[str]  # what no letter may be called
    lines: list[Line] = field(default_factory=list)
    done: dict[str, Moves] = field(default_factory=dict)

    def add(self, line: Line) -> None:
        """A line rewritten, with those before it that only it reads put in where both become shorter together."""
        line, moves = simplified(line, self.scope)
        seen: set[str] = set()
        while name := next((r.tensor for r in reads(line.expr) if r.tensor not in seen), None):
            seen.add(name)
            source = next((x for x in self.lines if x.tensor == name and x.target is None), None)
            if source is None or (name in self.outputs and source.expr != ZERO) or not self.scope.inside(line).always_inside(line.expr, name):
                continue
            short_enough = size(line.expr) + size(source.expr) <= LARGEST // 2
            if not short_enough and not isinstance(source.expr, (Read, Const)):
                continue
            put = replace(line, expr=put_in(line.expr, {name: source}, set(line.letters) | letters_of(line.expr), self.names))
            short, more = simplified(put, self.scope)
            if source.expr == ZERO or self.is_shorter(source, line, put, short):
                moves = (*moves, Move(put, None, name), *more)
                line = short
        self.done[line.tensor] = tuple(replace(m, line=self.neatly(m.line)) for m in moves)
        self.lines.append(self.neatly(line))

    def neatly(self, line: Line) -> Line:
        """A line whose bound letters have the shortest names that are free: k1, not k121; no term is said to be dropped that never is."""
        expr = neat(line.expr, self.fixed | set(line.letters), self.scope.floats)
        if any(isinstance(e, Reduce) and not e.letters for e in walk(expr)):
            expr = plain(expr, dict(zip(line.letters, line.ranges, strict=True)), self.scope.axes)
        return replace(line, expr=expr)

    def is_shorter(self, source: Line, line: Line, put: Line, short: Line) -> bool:
        """Whether a line with another put in is shorter than both, and nothing is computed more often for that."""
        if isinstance(source.expr, Read):
            return source.expr.index == source.index
        if not any(isinstance(x, (Read, Reduce)) for x in walk(source.expr)):
            return True  # numbers, settings and sizes
        at = [r for r in reads(line.expr) if r.tensor == source.tensor]
        once = len(at) == 1 and at[0] in direct_reads(line.expr) and _everywhere(source, at[0], line)
        if _length(short.expr) >= _length(put.expr):
            return False
        wide = all(len(r.index) >= len(line.letters) for r in at)  # else what is one number for many places would be computed at each
        if wide and size(short.expr) <= size(line.expr) + size(source.expr) // 2 and _sums(short.expr) <= _sums(line.expr):
            return _work(short.expr) <= _work(line.expr) + _work(source.expr)  # the line alone is hardly longer than before
        if not wide and 4 * size(short.expr) <= 3 * (size(line.expr) + size(source.expr)):  # sums that do not count in all letters are taken once
            each = _with_sums_once(short)
            return size(each) <= size(line.expr) and _work(each) <= _work(line.expr)
        return once or (wide and size(short.expr) < size(line.expr) + size(source.expr) and _work(short.expr) <= _work(line.expr))


def _with_sums_once(line: Line) -> Expr:
    """What is computed at each place of a line, with a number in place of the sums that many places share."""

    def shared(e: Expr) -> Expr:
        return ONE if isinstance(e, Reduce) and not set(line.letters) <= free_names(e) else remade(e, tuple(map(shared, children(e))))

    return shared(line.expr)


def _everywhere(source: Line, r: Read, line: Line) -> bool:
    """Whether a read at each place of a line is of another place of its source."""
    ranges = dict(zip(line.letters, line.ranges, strict=True))
    plain = source.target is None and all(p.letter in ranges for p in r.index) and len(set(r.index)) == len(r.index)
    return plain and set(map(str, r.index)) == set(line.letters) and all(ranges[str(p)] == s for p, s in zip(r.index, source.ranges, strict=True))


def size(e: Expr) -> int:
    """How much there is to read and to compute."""
    return sum(1 for _ in walk(e))


def fixed(d: Definition) -> frozenset[str]:
    """The names of tensors, settings and sizes."""
    return frozenset(d.axes) | {s for s, _ in d.settings} | {x for axes in d.axes.values() for p in axes for x in p.names}


def neat(e: Expr, around: frozenset[str] | set[str], floats: Collection[str]) -> Expr:
    """e with a minus in front of products, not around them, and the digits behind bound letters gone, or as few as there can be."""
    bound = letters_of(e)
    if bound:  # all first get names that nothing else has: what is put in for one is then never caught by another
        count = itertools.count()
        e = rename_bound(e, set(bound), lambda x: f"{x.rstrip('0123456789') or x}#{next(count)}")
    return _neat(e, around, floats)


def _neat(e: Expr, around: frozenset[str] | set[str], floats: Collection[str]) -> Expr:
    if isinstance(e, Call) and e.fn == "neg" and is_product(e.args[0]):
        e = _minus(e.args[0], floats) or e
    if not isinstance(e, Reduce):
        parts = tuple(_neat(a, around, floats) for a in children(e))
        return e if all(x is y for x, y in zip(parts, children(e), strict=True)) else replace(e, args=parts)  # type: ignore[arg-type]  # a Call has parts
    others = around | (free_names(e.body) - set(e.letters))
    swap: dict[str, Poly] = {}
    for x in e.letters:
        swap[x] = Poly.name(fresh_name(x.partition("#")[0], others | set(map(str, swap.values()))))
    letters = tuple(str(swap[x]) for x in e.letters)
    return Reduce(e.kind, letters, e.ranges, _neat(subs(e.body, swap), around | set(letters), floats))


def _minus(e: Expr, floats: Collection[str]) -> Expr | None:
    """A product with a minus in front of its first factor; None where that is a bracket."""
    if isinstance(e, Call) and e.fn in ("*", "/"):
        first = _minus(e.args[0], floats)
        return None if first is None else Call(e.fn, (first, e.args[1]))
    if isinstance(e, Index) and not e.expr.names & set(floats):
        return number_of(-e.expr)
    return None if is_sum(e) or (isinstance(e, Call) and e.fn == "neg") else neg(e)


def _length(e: Expr) -> tuple[int, int]:
    """How long an expression is, and of how many tensors."""
    return size(e), len({r.tensor for r in reads(e)})


def _sums(e: Expr) -> int:
    return sum(isinstance(x, Reduce) for x in walk(e))


def _work(e: Expr) -> int:
    """The functions, divisions and reductions of an expression."""
    return sum(isinstance(x, Reduce) or (isinstance(x, Call) and (x.fn in FUNCTIONS or x.fn == "/")) for x in walk(e))
