"""The tape: what was computed, in order, each value with the rule it came from. Reverse mode reads it backwards, forward mode never needs it.

    f(x) --values that remember (traced.py)--> [x, v1, v2, …, y] --sweep--> adjoints, last to first

A value is remembered on one tape; what it holds may be remembered on an older one: that is how derivatives of derivatives come about.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any

from .broadcast import gathering, spreading
from .rule import Rule

_order = count(1)


class Tape:
    """One function call that is being differentiated.

    kind: the class of its values; order: later tapes are inner ones; nested: it holds values of other tapes; plain: it does not, and
    is read backwards.
    """

    __slots__ = ("forward", "kind", "nested", "nodes", "order", "plain")

    def __init__(self, kind: type, forward: bool = False):
        self.order = next(_order)
        self.kind, self.forward = kind, forward
        self.nodes: list[Any] = []
        self.nested = False
        self.plain = not forward


class Node:
    """A value on a tape. rule: what it came from (None: an input); vals: the rule's inputs below this tape; parents: (which input, node)
    for those that are on it; place: its number there; tangent: in forward mode, how it moves."""

    __slots__ = ("parents", "place", "rule", "tangent", "tape", "vals", "value")

    value: Any
    tape: Tape
    rule: Rule | None
    vals: Sequence[Any]
    parents: Sequence[tuple[int, Any]]
    place: int
    tangent: Any


def start(tape: Tape, value: Any, tangent: Any = None) -> Any:
    """An input of the function that is differentiated."""
    if isinstance(value, Node):
        tape.nested, tape.plain = True, False
    return made(tape, value, None, (), (), tangent)


def made(tape: Tape, value: Any, rule: Rule | None, vals: Sequence[Any], parents: Sequence[tuple[int, Any]], tangent: Any = None) -> Any:
    node: Any = object.__new__(tape.kind)
    node.value, node.tape, node.rule, node.vals, node.parents, node.tangent = value, tape, rule, vals, parents, tangent
    if not tape.forward:
        nodes = tape.nodes
        node.place = len(nodes)
        nodes.append(node)
    return node


def sweep(tape: Tape, seeds: Sequence[tuple[Any, Any]]) -> list[Any]:
    """The adjoint of every value on the tape (None: 0), from those of some: (node, adjoint)."""
    adjoints: list[Any] = [None] * len(tape.nodes)
    nested = tape.nested
    last = -1
    for node, seed in seeds:
        nested = nested or isinstance(seed, Node)
        old = adjoints[node.place]
        adjoints[node.place] = seed if old is None else old + seed
        last = max(last, node.place)
    if nested:
        return swept_by_rules(tape, adjoints, last)
    nodes = tape.nodes
    for place in range(last, -1, -1):
        dy = adjoints[place]
        if dy is None:
            continue
        node = nodes[place]
        rule, vals = node.rule, node.vals
        v = (*vals, node.value, dy)
        for k, parent in node.parents:
            try:
                pull = rule.pulls[k]
            except KeyError:
                pull = rule.pull(k)
            if pull is None:
                continue
            d = pull(v)
            x = vals[k]
            if d.shape != x.shape:
                d = gathering(d.shape, x.shape).value(d)
            if d.dtype != x.dtype:
                d = d.astype(x.dtype)
            at = parent.place
            old = adjoints[at]
            adjoints[at] = d if old is None else old + d
    return adjoints


def swept_by_rules(tape: Tape, adjoints: list[Any], last: int) -> list[Any]:
    """The same where values are themselves remembered by other tapes: each derived formula is applied as a rule, and remembered there."""
    for place in range(last, -1, -1):
        node, dy = tape.nodes[place], adjoints[place]
        if dy is None or node.rule is None:
            continue
        v = (*node.vals, node.value, dy)
        for k, parent in node.parents:
            back = node.rule.back(k)
            if back is None:
                continue
            d = fitted(step(back, v), node.vals[k])
            at = parent.place
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
    vals, parents, deeper = [], [], False
    for k, a in enumerate(args):
        if isinstance(a, Node):
            if a.tape is tape:
                parents.append((k, a))
                a = a.value
            deeper = deeper or isinstance(a, Node)
        vals.append(a)
    if deeper:
        tape.nested, tape.plain = True, False
        value = apply(rule, vals)
    else:
        value = rule.value(*vals)
    tangent = moved(rule, vals, value, parents) if tape.forward else None
    return made(tape, value, rule, vals, parents, tangent)


def step(derived: Rule, v: Sequence[Any]) -> Any:
    """A derived rule applied to (inputs, y, adjoint or tangent)."""
    return derived.compose(v) if derived.compose is not None else apply(derived, derived.takes(v))


def moved(rule: Rule, vals: Sequence[Any], value: Any, parents: Sequence[tuple[int, Any]]) -> Any:
    """How the value moves: the sum over those inputs that do. None: not at all."""
    total = None
    for k, parent in parents:
        push = None if parent.tangent is None else rule.push(k)
        if push is None:
            continue
        t = step(push, (*vals, value, parent.tangent))
        total = t if total is None else total + t
    if total is None:
        return None
    if total.shape != value.shape:
        total = apply(spreading(total.shape, value.shape), (total,))
    return total if total.dtype == value.dtype else total.astype(value.dtype)
