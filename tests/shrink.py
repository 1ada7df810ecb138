"""A failing formula made smaller for as long as it still fails in the same way."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from chainrule import ChainruleError
from chainrule.language.functions import Kind
from chainrule.language.index import Poly, Quotient
from chainrule.language.ranges import define
from chainrule.language.show import definition_text
from chainrule.language.tree import Call, Const, Definition, Expr, Index, Line, Read, Reduce, Tensor, children, number_of, subs, walk
from tests.maker import Formula


def shrink(f: Formula, fails: Callable[[Formula], bool], seconds: float = 60) -> Formula:
    """The smallest formula found from which nothing can be left out."""
    end = time.monotonic() + seconds
    changed = True
    while changed and time.monotonic() < end:
        changed = False
        for g in smaller(f):
            if time.monotonic() > end:
                break
            if g != f and fails(g):
                f, changed = g, True
                break
    return f


def smaller(f: Formula) -> Iterator[Formula]:
    """Formulas with something left out, the largest cuts first."""
    d = f.definition
    if len(f.samples) > 1:
        yield from (replace(f, samples=(s,)) for s in f.samples)
    for changed in (*without_outputs(d), *without_lines(d), *without_samples(d), *plain_numbers(d, f), *without_axes(d), *simpler_lines(d)):
        try:
            text = definition_text(pruned(changed))
            define(text)
        except (ChainruleError, RecursionError, ZeroDivisionError, KeyError, IndexError, AttributeError, TypeError, ValueError):
            continue
        g = replace(f, text=text)
        names = {s for s, _ in g.definition.settings}
        g = replace(g, settings={k: v for k, v in f.settings.items() if k in names})
        if text != f.text:
            yield g
    for name, size in f.sizes.items():
        yield from (replace(f, sizes={**f.sizes, name: k}) for k in sorted({1, 2, size // 2, size - 1}) if 0 < k < size)
    for k in sorted({1, 2, 3, f.samples[0] // 2, f.samples[0] - 1}):
        if 0 < k < f.samples[0]:
            yield replace(f, samples=(k,))
    if f.whole:
        yield replace(f, whole={})
    if f.data != "integers":
        yield replace(f, data="integers")
    if f.data == "wild":
        yield replace(f, data="normal")


def pruned(d: Definition) -> Definition:
    """Without lines and inputs that nothing reads, and settings that nobody names."""
    wanted, lines = {t.name for t in d.outputs}, []
    for line in reversed(d.lines):
        if line.tensor in wanted:
            lines.append(line)
            wanted |= {e.tensor for e in walk(line.expr) if isinstance(e, Read)}
    inputs = tuple(t for t in d.inputs if t.name in wanted)
    bare = replace(d, inputs=inputs, lines=tuple(reversed(lines)), settings=(), source="")
    alone = {p.letter for t in inputs for p in t.axes}
    missing = {n for axes in bare.axes.values() for p in axes for n in p.names} | {n for x in lines for n in names_of(x)}
    keep = [t for t in d.inputs if t not in inputs and any(p.letter in missing - alone for p in t.axes)]
    kept = tuple(t for t in d.inputs if t in inputs or t in keep) or d.inputs[:1]
    return replace(bare, inputs=kept, settings=tuple((s, v) for s, v in d.settings if s in missing))


def names_of(line: Line) -> set[str]:
    found: set[str] = set()
    for e in walk(line.expr):
        for p in (e.expr,) if isinstance(e, Index) else e.index if isinstance(e, Read) else e.ranges if isinstance(e, Reduce) else ():
            found |= p.names
    return found.union(*(r.names for r in line.ranges))


def without_outputs(d: Definition) -> Iterator[Definition]:
    if len(d.outputs) > 1:
        for t in d.outputs:
            yield replace(d, outputs=(t,))
        for t in d.outputs:
            yield replace(d, outputs=tuple(x for x in d.outputs if x != t))
    for line in d.lines[:-1]:
        if line.tensor not in {t.name for t in d.outputs}:  # stop at an intermediate
            yield replace(d, outputs=(Tensor(line.tensor, line.ranges),))


def without_lines(d: Definition) -> Iterator[Definition]:
    """A line becomes an input of its own, or its reads become 1."""
    for k, line in enumerate(d.lines):
        rest = d.lines[:k] + d.lines[k + 1 :]
        outputs = tuple(t for t in d.outputs if t.name != line.tensor)
        if outputs and any(isinstance(e, Read) and e.tensor == line.tensor for x in rest for e in walk(x.expr)):
            yield replace(d, inputs=(*d.inputs, Tensor(line.tensor, line.ranges)), lines=rest, outputs=outputs)


def without_samples(d: Definition) -> Iterator[Definition]:
    gone = [(t, k) for t, axes in d.axes.items() for k, p in enumerate(axes) if p.letter == d.sample_size]
    if gone:
        out = d
        for t, k in sorted(gone, reverse=True):
            out = drop_axis(out, t, k)
        yield out


def without_axes(d: Definition) -> Iterator[Definition]:
    for t, axes in d.axes.items():
        for k in range(len(axes)):
            yield drop_axis(d, t, k)


def drop_axis(d: Definition, tensor: str, k: int) -> Definition:
    def cut(t: Tensor) -> Tensor:
        return replace(t, axes=t.axes[:k] + t.axes[k + 1 :]) if t.name == tensor else t

    def reads(e: Expr) -> Expr:
        return Read(tensor, e.index[:k] + e.index[k + 1 :]) if isinstance(e, Read) and e.tensor == tensor else e

    lines = []
    for line in d.lines:
        expr = everywhere(line.expr, reads)
        if line.tensor == tensor:
            expr = subs(expr, {line.letters[k]: 0})
            line = replace(line, letters=line.letters[:k] + line.letters[k + 1 :], ranges=line.ranges[:k] + line.ranges[k + 1 :])
        lines.append(replace(line, expr=expr))
    return replace(d, inputs=tuple(map(cut, d.inputs)), outputs=tuple(map(cut, d.outputs)), lines=tuple(lines))


def plain_numbers(d: Definition, f: Formula) -> Iterator[Definition]:
    """Sizes and settings as numbers; numbers smaller."""
    settings = dict(d.settings) | dict(f.settings)
    if settings:
        yield with_numbers(d, settings)
        yield from (with_numbers(d, {k: v}) for k, v in settings.items())
    sizes = dict(f.sizes)
    if any(k in d.names for k in sizes):
        yield with_numbers(d, sizes)
    constants = {int(p.constant) for axes in d.axes.values() for p in axes if p.constant}
    constants |= {int(p.constant) for x in d.lines for e in walk(x.expr) if isinstance(e, Reduce) for p in e.ranges if p.constant}
    for c in sorted(constants, reverse=True):
        for k in sorted({1, 2, c // 2, c - 1}):
            if 0 < k < c:
                yield resized(d, lambda p, c=c, k=k: Poly.of(k) if p.constant == c else p)
    for t, axes in d.axes.items():
        for a, p in enumerate(axes):
            for k in sorted({1, 2, int(p.constant or 0) - 1}):
                if 0 < k < (p.constant or 0):
                    yield resized(d, lambda q, k=k: Poly.of(k), (t, a))


def with_numbers(d: Definition, values: dict[str, int | float]) -> Definition:
    def change(p: Poly) -> Poly:
        return p.subs(values)

    out = resized(d, change)
    return replace(
        out, settings=tuple((s, v) for s, v in d.settings if s not in values), lines=tuple(replace(x, expr=subs(x.expr, values)) for x in out.lines)
    )


def resized(d: Definition, change: Callable[[Poly], Poly], only: tuple[str, int] | None = None) -> Definition:
    def axes(name: str, sizes: tuple[Poly, ...]) -> tuple[Poly, ...]:
        return tuple(change(p) if only in (None, (name, k)) else p for k, p in enumerate(sizes))

    def ranges(e: Expr) -> Expr:
        return replace(e, ranges=tuple(map(change, e.ranges))) if isinstance(e, Reduce) and only is None else e

    lines = tuple(replace(x, ranges=axes(x.tensor, x.ranges), expr=everywhere(x.expr, ranges)) for x in d.lines)
    return replace(d, inputs=tuple(replace(t, axes=axes(t.name, t.axes)) for t in d.inputs), outputs=tuple(replace(t, axes=axes(t.name, t.axes)) for t in d.outputs), lines=lines)  # fmt: skip


def everywhere(e: Expr, change: Callable[[Expr], Expr]) -> Expr:
    if isinstance(e, Call):
        e = replace(e, args=tuple(everywhere(a, change) for a in e.args))
    elif isinstance(e, Reduce):
        e = replace(e, body=everywhere(e.body, change))
    return change(e)


def simpler_lines(d: Definition) -> Iterator[Definition]:
    for k, line in enumerate(d.lines):
        for e in simpler(line.expr):
            yield replace(d, lines=(*d.lines[:k], replace(line, expr=e), *d.lines[k + 1 :]))


def simpler(e: Expr) -> Iterator[Expr]:
    """Every expression with one part of e cut or simplified, outermost first."""
    match e:
        case Call(_, args):
            yield from args
            if not all(isinstance(a, Const) for a in args):
                yield Const(1)
        case Reduce(kind, letters, ranges, body):
            for k, x in enumerate(letters):
                yield (
                    Reduce(kind, letters[:k] + letters[k + 1 :], ranges[:k] + ranges[k + 1 :], subs(body, {x: 0}))
                    if len(letters) > 1
                    else subs(body, {x: 0})
                )
            if kind != "sum":
                yield replace(e, kind=Kind.SUM)
            if not letters:
                yield body
            for k, r in enumerate(ranges):
                for size in sorted({1, 2, int(r.constant or 0) - 1}):
                    if 0 < size < (r.constant or 0):
                        yield replace(e, ranges=(*ranges[:k], Poly.of(size), *ranges[k + 1 :]))
        case Read(tensor, index):
            yield Const(1)
            for k, p in enumerate(index):
                for q in simpler_index(p):
                    yield Read(tensor, (*index[:k], q, *index[k + 1 :]))
        case Index(p):
            yield Const(1)
            yield from (number_of(q) for q in simpler_index(p))
        case Const(v) if v not in (0, 1):
            yield Const(1)
    for k, child in enumerate(children(e)):
        for c in simpler(child):
            yield replace(e, args=(*e.args[:k], c, *e.args[k + 1 :])) if isinstance(e, Call) else replace(e, body=c)


def simpler_index(p: Poly) -> Iterator[Poly]:
    if p.terms:
        yield Poly({})
    for m, c in p.terms.items():
        if len(p.terms) > 1:
            yield Poly({x: y for x, y in p.terms.items() if x != m})
        if m and abs(c) != 1:
            yield Poly({**p.terms, m: 1 if c > 0 else -1})
            yield Poly({**p.terms, m: c - 1 if c > 0 else c + 1})
        if not m and c not in (1, -1):
            yield Poly({**p.terms, m: 1 if c > 0 else -1})
        for k, atom in enumerate(m):
            if len(m) > 1:
                yield Poly({x: y for x, y in p.terms.items() if x != m}) + Poly({m[:k] + m[k + 1 :]: c})
            if isinstance(atom, Quotient):
                yield p - Poly({m: c}) + Poly({m[:k] + m[k + 1 :]: c}) * atom.num
                for q in simpler_index(atom.num):
                    yield p - Poly({m: c}) + Poly({m[:k] + m[k + 1 :]: c}) * q.divided(atom.den, atom.remainder)
