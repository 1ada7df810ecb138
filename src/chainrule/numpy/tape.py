"""The tape: what was computed, in order, each step with the rule it came from. Reverse mode reads it backwards, forward mode never needs it.

    f(x) --values that remember (traced.py)--> [Step, Step, …] --sweep--> adjoints, last to first

A step is (rule, vals, y, parents): what the rule was applied to, what came out, and which of its inputs are steps of this tape. A value is
remembered on one tape; what it holds may be remembered on an older one: that is how derivatives of derivatives come about.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from math import prod
from typing import Any

import numpy as np

from .broadcast import gathering, spreading
from .memory import LARGE, MEMORY, computed
from .rule import Rule

_order = count(1)

Step = tuple[Rule | None, Sequence[Any], Any, Sequence[tuple[int, int]]]


class Tape:
    """One function call that is being differentiated.

    kind: the class of its values; order: later tapes are inner ones; nested: it holds values of other tapes; plain: it does not, and
    is read backwards, and its arrays are small; large: some are not; whole: every value is kept, for those who want to see it. Of large
    arrays a step keeps only those values that its derivatives read.
    """

    __slots__ = ("forward", "kind", "large", "nested", "order", "plain", "steps", "whole")

    def __init__(self, kind: type, forward: bool = False, whole: bool = False):
        self.order = next(_order)
        self.kind, self.forward, self.whole = kind, forward, whole
        self.steps: list[Step] = []
        self.nested = self.large = False
        self.plain = not forward


class Node:
    """A value on a tape. place: the number of its step; tangent: in forward mode, how it moves (None: not at all)."""

    __slots__ = ("place", "tangent", "tape", "value")

    value: Any
    tape: Tape
    place: int
    tangent: Any


class Blank:
    """What is left of a value that no derivative reads."""

    __slots__ = ("dtype", "shape")

    def __init__(self, a: Any):
        self.shape, self.dtype = a.shape, a.dtype


def start(tape: Tape, value: Any, tangent: Any = None) -> Any:
    """An input of the function that is differentiated."""
    if isinstance(value, Node):
        tape.nested, tape.plain = True, False
    if tape.forward:
        return moving(tape, value, tangent)
    return made(tape, value, None, (), ())


def made(tape: Tape, value: Any, rule: Rule | None, vals: Sequence[Any], parents: Sequence[tuple[int, int]]) -> Any:
    """A value, and the step that it comes from."""
    node: Any = object.__new__(tape.kind)
    steps = tape.steps
    node.value, node.tape, node.place = value, tape, len(steps)
    if value.size > LARGE:
        tape.large, tape.plain = True, False
        steps.append((rule, vals, value, parents) if rule is None or tape.nested or tape.whole else thin(rule, vals, value, parents))
    else:
        steps.append((rule, vals, value, parents))
    return node


def moving(tape: Tape, value: Any, tangent: Any) -> Any:
    """A value in forward mode."""
    node: Any = object.__new__(tape.kind)
    node.value, node.tape, node.tangent = value, tape, tangent
    return node


def thin(rule: Rule, vals: Sequence[Any], y: Any, parents: Sequence[tuple[int, int]]) -> Step:
    """A step without the arrays that its derivatives do not read."""
    reads = rule.reads(tuple(k for k, _ in parents))
    kept = [a if k in reads or getattr(a, "size", 0) <= LARGE else Blank(a) for k, a in enumerate((*vals, y))]
    return rule, tuple(kept[:-1]), kept[-1], parents


def sweep(tape: Tape, seeds: Sequence[tuple[Any, Any]], inputs: int | None = None) -> list[Any]:
    """The adjoint of every value on the tape (None: 0), from those of some: (node, adjoint).

    inputs: only those of so many first values are wanted; the memory of other adjoints is used again. (That of the values is not given
    back before the end: in between the system would take it away, and give it anew page by page.)
    """
    steps = tape.steps
    adjoints: list[Any] = [None] * len(steps)
    nested = tape.nested
    last = -1
    for node, seed in seeds:
        nested = nested or isinstance(seed, Node)
        old = adjoints[node.place]
        adjoints[node.place] = seed if old is None else old + seed
        last = max(last, node.place)
    if nested:
        return swept_by_rules(tape, adjoints, last)
    v: Any
    owned: set[int] = set()  # adjoints in memory that nobody else reads
    for place in range(last, -1, -1):
        dy = adjoints[place]
        if dy is None:
            continue
        rule, vals, y, parents = steps[place]
        if rule is None:
            continue
        v = (*vals, y, dy)
        if inputs is not None:
            adjoints[place] = None
            if dy.size > LARGE:
                dy = None
                widely(rule, v, parents, adjoints, owned, place in owned)
                continue
        for k, at in parents:
            try:
                pull = rule.pulls[k]
            except KeyError:
                pull = rule.pull(k)
            if pull is None:
                continue
            x = vals[k]
            if rule.adds is not None and prod(x.shape) > LARGE:
                adjoints[at], alone = added_to(rule, v, x, adjoints[at], at in owned)
                if alone:
                    owned.add(at)
                continue
            d = pull(v)
            if d.shape != x.shape:
                d = gathering(d.shape, x.shape).value(d)
            if d.dtype != x.dtype:
                d = d.astype(x.dtype)
            old = adjoints[at]
            adjoints[at] = d if old is None else old + d
        v = d = old = None  # the last that hold what is given back
    return adjoints


def widely(rule: Rule, v: Sequence[Any], parents: Sequence[tuple[int, int]], adjoints: list[Any], owned: set[int], mine: bool) -> None:
    """The same for one step on large arrays: element by element in strips, and over the memory of dy where nobody else reads it (`mine`)."""
    dy = v[-1]
    for n, (k, at) in enumerate(parents):
        if rule.adds is not None:
            adjoints[at], alone = added_to(rule, v, v[k], adjoints[at], at in owned)
            if alone:
                owned.add(at)
            continue
        x, into = v[k], rule.into(k)
        last = n == len(parents) - 1
        if into is not None and x.shape == dy.shape and x.dtype == dy.dtype:
            d, same = into(v, mine and last), False
            alone = d.flags.writeable
        else:
            pull = rule.pull(k)
            if pull is None:
                continue
            d = pull(v)
            same = d is dy
            alone = (mine and last) if same else isinstance(d, np.ndarray) and d.flags.owndata
        if d.shape != x.shape:
            d, alone = gathering(d.shape, x.shape).value(d), True
        if d.dtype != x.dtype:
            d, alone = d.astype(x.dtype), True
        old = adjoints[at]
        adjoints[at] = d if old is None else added(old, d, at in owned, alone)
        if old is not None or alone:
            owned.add(at)
        mine = mine and not same  # another adjoint is dy now


def added_to(rule: Rule, v: Sequence[Any], x: Any, old: Any, mine: bool) -> tuple[Any, bool]:
    """The adjoint of an array of which a part was read, with what comes from there; and whether nobody else reads its memory."""
    assert rule.adds is not None
    if old is None:
        pull = rule.pull(0)
        assert pull is not None
        d = pull(v)
        d = d if d.dtype == x.dtype else d.astype(x.dtype)
        return d, bool(d.flags.writeable and (d.flags.owndata or MEMORY.knows(d)))
    out = old if mine else MEMORY.copy(np.asarray(old))
    rule.adds(out, v)
    return out, True


def added(a: Any, b: Any, mine: bool, yours: bool) -> Any:
    """a + b, over the memory of one of them where nobody else reads it."""
    return (
        np.add(a, b, out=a if mine else b if yours else MEMORY.take(a.shape, a.dtype)) if isinstance(a, np.ndarray) and a.shape == b.shape else a + b
    )


def swept_by_rules(tape: Tape, adjoints: list[Any], last: int) -> list[Any]:
    """The same where values are themselves remembered by other tapes: each derived formula is applied as a rule, and remembered there."""
    for place in range(last, -1, -1):
        dy = adjoints[place]
        rule, vals, y, parents = tape.steps[place]
        if dy is None or rule is None:
            continue
        v = (*vals, y, dy)
        for k, at in parents:
            back = rule.back(k)
            if back is None:
                continue
            d = fitted(step(back, v), vals[k])
            adjoints[at] = d if adjoints[at] is None else adjoints[at] + d
    return adjoints


def fitted(d: Any, x: Any) -> Any:
    """A gradient in the shape and number type of what it belongs to."""
    if d.shape != x.shape:
        d = apply(gathering(d.shape, x.shape), (d,))
    return d if d.dtype == x.dtype else d.astype(x.dtype)


def apply(rule: Rule, args: Sequence[Any]) -> Any:
    """The rule's value for arguments of which some may be remembered; it is then remembered on the innermost of their tapes."""
    tape: Tape | None = None
    for a in args:
        if isinstance(a, Node) and (tape is None or a.tape.order > tape.order):
            tape = a.tape
    if tape is None:
        return rule.value(*args)
    vals, own, deeper = [], [], False
    for k, a in enumerate(args):
        if isinstance(a, Node):
            if a.tape is tape:
                own.append((k, a))
                a = a.value
            deeper = deeper or isinstance(a, Node)
        vals.append(a)
    if deeper:
        tape.nested, tape.plain = True, False
        value = apply(rule, vals)
    else:
        value = computed(rule.ufunc, vals) if tape.large and rule.ufunc is not None else rule.value(*vals)
    if tape.forward:
        return moving(tape, value, moved(rule, vals, value, own))
    return made(tape, value, rule, vals, [(k, a.place) for k, a in own])


def step(derived: Rule, v: Sequence[Any]) -> Any:
    """A derived rule applied to (inputs, y, adjoint or tangent)."""
    return derived.compose(v) if derived.compose is not None else apply(derived, derived.takes(v))


def moved(rule: Rule, vals: Sequence[Any], value: Any, own: Sequence[tuple[int, Any]]) -> Any:
    """How the value moves: the sum over those inputs that do. None: not at all."""
    total = None
    for k, node in own:
        push = None if node.tangent is None else rule.push(k)
        if push is None:
            continue
        t = step(push, (*vals, value, node.tangent))
        total = t if total is None else total + t
    if total is None:
        return None
    if total.shape != value.shape:
        total = apply(spreading(total.shape, value.shape), (total,))
    return total if total.dtype == value.dtype else total.astype(value.dtype)
