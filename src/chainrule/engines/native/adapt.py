"""Statements and groups made of others: renamed letters, axes put together, copies, sums of chunks."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

from ...language.functions import Kind
from ...language.index import Poly
from ...language.tree import Expr, Index, Read, map_indices, rebuild, walk
from .group import CHUNK, Group, Storage
from .lower import Statement

FEW_CHUNKS = 16  # whose sums are added in one expression


def one_axis(g: Group, storage: Mapping[str, Storage]) -> Group:
    """A group over whole tensors that goes through all of them place by place, as one loop over all places."""
    index = tuple(map(Poly.name, g.letters))
    if g.lanes or len(g.letters) < 2 or any(s.kind is not None or s.target != index for s in g.statements):
        return g
    for s in g.statements:
        for node in walk(s.body):
            if isinstance(node, Index) and node.expr.names & set(g.letters):
                return g
            if (
                isinstance(node, Read)
                and node.index
                and (node.index != index or (node.tensor in storage and storage[node.tensor].shape != g.extents))
            ):
                return g
        if storage[s.out].shape != g.extents:
            return g
    swap = {index: (Poly.name("e"),)}
    extents = (math.prod(g.extents),)
    statements = tuple(replace(s, letters=("e",), extents=extents, target=(Poly.name("e"),), body=_reindexed(s.body, swap)) for s in g.statements)
    return replace(g, letters=("e",), extents=extents, statements=statements)


def _reindexed(e: Expr, swap: Mapping[tuple[Poly, ...], tuple[Poly, ...]]) -> Expr:
    if isinstance(e, Read):
        return Read(e.tensor, swap.get(e.index, e.index))
    return rebuild(e, lambda a: _reindexed(a, swap))


def added_up(s: Statement, name: str, chunks: int) -> Statement:
    """The statement that adds the chunks' sums: few of them in one expression, many as a sum like any other."""
    done = finished(s, name, "the chunks' sums, added up")
    if chunks <= FEW_CHUNKS or not isinstance(done.body, Read):
        return done
    body = Read(name, (Poly.name(CHUNK), *done.body.index))
    return replace(done, kind=Kind.SUM, red=(CHUNK,), red_extents=(chunks,), body=body)


def finished(s: Statement, name: str, what: str) -> Statement:
    """s.out as a copy of the tensor `name` over the same letters, or over letters for its axes."""
    letters = s.letters if s.target == tuple(map(Poly.name, s.letters)) else tuple(f"i{k}" for k in range(len(s.target)))
    index = tuple(map(Poly.name, letters))
    origin = f"{s.out}[{','.join(letters)}] = {name}[{','.join(letters)}]  ({what})"
    return Statement(s.out, letters, s.shape, index, None, (), (), (), (), Read(name, index), origin)


def renamed(s: Statement, swap: Mapping[str, str]) -> Statement:
    """The statement with its letters renamed; reduced letters that clash step aside."""
    if all(a == b for a, b in swap.items()):
        return s
    full = dict(swap)
    taken = set(swap.values())
    for x in s.red:
        new = x
        while new in taken:
            new += "'"
        full[x] = new
        taken.add(new)
    change: Callable[[Poly], Poly] = lambda p: p.subs({a: Poly.name(b) for a, b in full.items()})  # noqa: E731
    return replace(
        s, letters=tuple(full[x] for x in s.letters), red=tuple(full[x] for x in s.red), target=tuple(map(change, s.target)),
        guards=tuple(map(change, s.guards)), equal=tuple(map(change, s.equal)), body=map_indices(s.body, change),
    )  # fmt: skip
