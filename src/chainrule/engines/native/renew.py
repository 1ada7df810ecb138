"""Values updated in place, in an order in which nobody finds the new one where the old one was meant.

A program's lines say what is computed, and each name stands for one value. An update in place gives two of them one memory: then it
must come after every reader of the old value. Where that has no end (a swap: each update waits for the other), or a statement reads
the old value at places that it has already written, the new value is computed in memory of its own and copied in the end.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from dataclasses import replace

from ...language.tree import reads, rename_tensors
from .adapt import finished
from .lower import Statement


def renewed(statements: list[Statement], update: Mapping[str, str]) -> tuple[list[Statement], dict[str, str]]:
    """The statements with all updates (new value -> old value) in place; and the memories made for it: name -> whose value it holds.

    What already stands in a right order stays as it is.
    """
    made: dict[str, str] = {}
    for s in statements:
        if s.out in update and not _place_by_place(s, update[s.out]):
            made[own(s.out)] = s.out
    while True:
        parted = [x for s in statements for x in _parted(s, made)] if made else statements
        waits = waiting(parted, update)
        out = _in_order(parted, waits)
        if len(out) == len(parted):
            return out, made
        there = {s.out for s in out}
        left = {name: before - there for name, before in waits.items() if name not in there}
        new = next(s.out for s in parted if s.out in left and s.out in update and _comes_back(s.out, left))
        made[own(new)] = new


def own(new: str) -> str:
    """A new value in memory of its own."""
    return f"{new}@own"


def waiting(statements: list[Statement], update: Mapping[str, str]) -> dict[str, set[str]]:
    """For each statement those that come before it: what it reads, and who reads the memory that it takes over."""
    made = {s.out for s in statements}
    readers: dict[str, set[str]] = {}
    for s in statements:
        for t in s.tensors:
            readers.setdefault(t, set()).add(s.out)
    return {s.out: (s.tensors & made) | (readers.get(update.get(s.out, ""), set()) - {s.out}) for s in statements}


def _in_order(statements: list[Statement], waits: Mapping[str, set[str]]) -> list[Statement]:
    """As many of them as can come after what they wait for, the first first."""
    number = {s.out: k for k, s in enumerate(statements)}
    after: dict[str, list[str]] = {}
    for name, before in waits.items():
        for b in before:
            after.setdefault(b, []).append(name)
    open_ = {name: len(before) for name, before in waits.items()}
    ready = [number[name] for name, count in open_.items() if not count]
    heapq.heapify(ready)
    out = []
    while ready:
        s = statements[heapq.heappop(ready)]
        out.append(s)
        for name in after.get(s.out, ()):
            open_[name] -= 1
            if not open_[name]:
                heapq.heappush(ready, number[name])
    return out


def _comes_back(name: str, waits: Mapping[str, set[str]]) -> bool:
    """Whether a statement waits for itself, by way of others."""
    seen: set[str] = set()
    todo = list(waits[name])
    while todo:
        at = todo.pop()
        if at == name:
            return True
        if at not in seen:
            seen.add(at)
            todo += waits[at]
    return False


def _place_by_place(s: Statement, old: str) -> bool:
    """Whether a statement reads the old value, if at all, at the one place that it is about to write."""
    return all(s.kind is None and not s.scatter and r.index == s.target for r in reads(s.body) if r.tensor == old)


def _parted(s: Statement, made: Mapping[str, str]) -> list[Statement]:
    """The statement, reading new values where they are made; where it makes one itself, its copy too."""
    s = replace(s, body=rename_tensors(s.body, {new: name for name, new in made.items()}))
    if own(s.out) not in made:
        return [s]
    return [replace(s, out=own(s.out)), finished(s, own(s.out), "a copy, when the old value is read no more")]
