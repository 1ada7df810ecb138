"""The lecture's table (document 002): every step of a computation, forwards with its value and tangents, backwards with its adjoint."""

from __future__ import annotations

import html
import inspect
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import ArgumentError
from ..language.show import definition_text, expression
from ..language.tree import Call, Definition, Reduce, reads, rename_tensors, walk
from .functions import Run, checked, filled, named, scalar, seed_of
from .indexing import READ
from .places import Places
from .registry import plain
from .tape import Step, step, sweep

NUMPY = {"running": "cumsum", "placed": "concatenate", "layer": "stack"}  # what NumPy calls operations that have other names in formulas
NEEDLESS = re.compile(r"(^|\(|, )\((-[^()]*)\)(?!\*\*)")  # brackets around a negative number, with nothing before it that binds
LOW = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


@dataclass(frozen=True)
class Row:
    """One step: v = operation.

    name: v₁, v₂, …; operation: in terms of earlier rows; value; tangents: dv/d(each input), for arrays in the direction of ones;
    adjoint: d(result)/dv; formula: the operation's text in index notation.
    """

    name: str
    operation: str
    value: Any
    tangents: tuple[Any, ...]
    adjoint: Any
    formula: str = ""


@dataclass(frozen=True)
class Trace:
    """A computation as a table: `rows`, as text by str(), as HTML by html(); inputs: the arguments' names; value: the result."""

    title: str
    inputs: tuple[str, ...]
    rows: tuple[Row, ...]
    value: Any

    @property
    def gradient(self) -> tuple[Any, ...]:
        """The adjoints of the inputs."""
        return tuple(r.adjoint for r in self.rows[: len(self.inputs)])

    @property
    def head(self) -> list[str]:
        many = len(self.inputs) > 1
        return ["", "operation", "value v", *(f"v̇ by {x}" if many else "v̇" for x in self.inputs), "v̄"]

    def cells(self) -> list[list[str]]:
        return [[r.name, r.operation, shown(r.value), *map(shown, r.tangents), shown(r.adjoint)] for r in self.rows]

    def __str__(self) -> str:
        table = [self.head, *self.cells()]
        wide = [max(len(plain_width(row[k])) for row in table) for k in range(len(self.head))]
        lines = ["  ".join(cell + " " * (w - len(plain_width(cell))) for cell, w in zip(row, wide, strict=True)).rstrip() for row in table]
        return "\n".join([self.title, *lines])

    def html(self) -> str:
        """The table in HTML, which needs nothing else."""
        rows = "".join("<tr>" + "".join(f"<td>{html.escape(c)}</td>" for c in row) + "</tr>" for row in self.cells())
        head = "".join(f"<th>{html.escape(c)}</th>" for c in self.head)
        caption = f"<caption>{html.escape(self.title)}</caption>"
        return f'<table class="chainrule-trace">{caption}<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'

    def _repr_html_(self) -> str:
        return self.html()


def plain_width(text: str) -> str:
    """A text without the marks that take no room of their own."""
    return text.replace("\u0307", "").replace("\u0304", "")


def shown(a: Any) -> str:
    """A number with six digits, a small array in full, a large one by its shape and ends."""
    if np.size(a) == 1:
        return f"{float(np.reshape(a, -1)[0]):.6g}" if not np.shape(a) else f"[{float(np.reshape(a, -1)[0]):.6g}]"
    if np.size(a) <= 4 and np.ndim(a) == 1:
        return "[" + ", ".join(f"{float(x):.4g}" for x in a) + "]"
    if np.size(a) == 0:
        return f"{np.shape(a)}"
    return f"{'×'.join(map(str, np.shape(a)))}: {np.min(a):.4g} … {np.max(a):.4g}"


def operation(step: Step, names: Sequence[str]) -> str:
    """What a step does, in terms of the names of earlier steps and of numbers."""
    rule, vals, y, parents = step
    assert rule is not None
    own = dict(parents)
    args = [names[own[k]] if k in own else constant(v) for k, v in enumerate(vals)]
    d = rule.formula.definition
    if rule is READ:
        return f"{args[0]}[{key_text(vals[1].key)}]"
    if rule.shapes is None and d.lines:
        text = expression(rename_tensors(d.lines[-1].expr, dict(zip(rule.formula.inputs, args, strict=True))), {})
    else:
        name, details = called(d, np.shape(y))
        text = f"{name}({', '.join([*args, *details])})"
    return NEEDLESS.sub(r"\1\2", text)


def called(d: Definition, shape: tuple[int, ...]) -> tuple[str, list[str]]:
    """What NumPy calls an operation on arrays, and what is said there beside the arrays: axes or a shape, as its formula has them."""
    own = d.name.rstrip("_")
    if not d.lines:
        return own, []
    last = d.lines[-1]
    read = next(reads(d.lines[0].expr))
    letters = [p.letter for p in read.index]
    if own == "spread":
        own = "broadcast_to" if len(d.lines) == 1 else "std" if isinstance(last.expr, Call) and last.expr.fn == "sqrt" else "var"
    if own in ("reshape", "broadcast_to"):
        return own, [str(shape)]
    if own in ("sum", "mean", "max", "min", "prod", "var", "std"):
        summed = next(e for e in walk(d.lines[0].expr) if isinstance(e, Reduce)).letters
        return own, _axes([k for k, x in enumerate(letters) if x in summed], list(range(len(letters))), "axis=")
    if own == "transpose":
        return own, _axes([letters.index(p.letter) for p in last.index], list(range(len(letters)))[::-1])
    if own == "triangle":
        signs = {e.fn for e in walk(last.expr) if isinstance(e, Call)}
        return ("tril" if "<=" in signs else "triu"), []
    return NUMPY.get(own, own), []


def _axes(axes: list[int], usual: list[int], name: str = "") -> list[str]:
    """Axes where they are not the usual ones."""
    return [] if axes == usual else [f"{name}{axes[0] if len(axes) == 1 else tuple(axes)}"]


def constant(v: Any) -> str:
    """A number that is none of the inputs; in brackets where it is negative: what stands before or behind it is not known here."""
    if isinstance(v, Places):
        return "…"
    if np.ndim(v):
        return f"[{'×'.join(map(str, np.shape(v)))}]"
    text = f"{float(v):.6g}"
    return f"({text})" if text.startswith("-") else text


def key_text(key: Any) -> str:
    def one(k: Any) -> str:
        if isinstance(k, slice):
            parts = [k.start, k.stop] if k.step is None else [k.start, k.stop, k.step]
            return ":".join("" if p is None else str(p) for p in parts)
        return "…" if k is Ellipsis or isinstance(k, (np.ndarray, list)) else str(k)

    return ", ".join(map(one, key)) if type(key) is tuple else one(key)


def trace(f: Callable[..., Any], *args: Any, **kwargs: Any) -> Trace:
    """See cr.trace."""
    checked(f, "trace")
    run = Run(f, args, kwargs, range(len(args)), whole=True)
    scalar(run, f)
    if not run.own(run.result):
        raise ArgumentError(f"{named(f)} gives a value that does not depend on its arguments; accepted: a function that computes with them")
    steps = run.tape.steps
    adjoints = sweep(run.tape, [(run.result, seed_of(run.value))])
    inputs = argument_names(f, args)
    columns = [tangents(steps, k) for k in range(len(inputs))]
    names = [f"v{k + 1}".translate(LOW) for k in range(len(steps))]
    rows = []
    for at, s in enumerate(steps):
        rule, _, y, _ = s
        text = inputs[at] if rule is None else operation(s, names)
        formula = definition_text(rule.formula.definition) if rule is not None and rule.formula.definition.lines else ""
        moves = tuple(filled(column[at], y) for column in columns)
        rows.append(Row(names[at], text, plain(y), moves, filled(adjoints[at], y), formula))
    title = ", ".join(f"{x} = {shown(plain(s[2]))}" for x, s in zip(inputs, steps, strict=False))
    return Trace(title, tuple(inputs), tuple(rows), plain(run.value))


def tangents(steps: Sequence[Step], which: int) -> list[Any]:
    """How every step moves where one input moves by 1 (an array: each element by 1)."""
    found: list[Any] = []
    for at, (rule, vals, y, parents) in enumerate(steps):
        total = np.ones_like(y)[()] if rule is None and at == which else None
        for k, parent in parents:
            push = None if found[parent] is None or rule is None else rule.push(k)
            if push is not None:
                t = step(push, (*vals, y, found[parent]))
                total = t if total is None else total + t
        found.append(None if total is None else np.broadcast_to(total, np.shape(y))[()])
    return found


def places(tree: Any) -> list[str]:
    """Where each number or array of an argument lies in it, in the order of `leaves`: "" for one that is the argument itself."""
    if isinstance(tree, (list, tuple)):
        return [f"[{k}]{at}" for k, part in enumerate(tree) for at in places(part)]
    if isinstance(tree, dict):
        return [f"[{k!r}]{at}" for k, part in tree.items() for at in places(part)]
    return [] if tree is None else [""]


def argument_names(f: Callable[..., Any], args: Sequence[Any]) -> list[str]:
    """A name for every number and array among the arguments."""
    try:
        known = list(inspect.signature(f).parameters.values())
    except (TypeError, ValueError):
        known = []
    names = [p.name for p in known if p.kind is not p.VAR_POSITIONAL]
    rest = next((p.name for p in known if p.kind is p.VAR_POSITIONAL), None)
    if rest is not None:
        names += [f"{rest}[{k}]" for k in range(len(args) - len(names))]
    out = []
    for k, a in enumerate(args):
        name = names[k] if k < len(names) else f"x{k + 1}"
        out += [f"{name}{at}" for at in places(a)]
    return out
