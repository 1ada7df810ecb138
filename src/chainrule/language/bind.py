"""From arrays' shapes to sizes: a definition with numbers in place of sizes and settings."""

from __future__ import annotations

import itertools
import math
import numbers
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

import numpy as np

from ..errors import ArgumentError, ShapeError
from .brackets import strong
from .digits import misfit
from .functions import COMPARISONS, Kind
from .index import Poly
from .program import MOST, Program, Reach
from .settled import settled, without_tests
from .show import header_text, tensor_text
from .single import plain, reached
from .tree import Call, Const, Definition, Expr, Index, Line, Read, Reduce, Tensor, direct_reads, reads, rebuild, subs, walk, whole

Side = tuple[Expr, Mapping[str, tuple[int, int]]]  # of a comparison, with the ranges of the names around it


def settings_of(d: Definition, given: Mapping[str, object]) -> dict[str, int | float]:
    """The settings with their defaults; a surplus or ill-typed one is an error that names it."""
    known = dict(d.settings)
    for name, value in given.items():
        if name not in known:
            accepted = ", ".join(f"{k}={v!r}" for k, v in known.items()) or "no settings"
            raise ArgumentError(f"{name}={value!r}: {d.name} has no such setting; accepted: {accepted}")
        known[name] = setting(d, name, value, whole=isinstance(known[name], int))
    return known


def setting(d: Definition, name: str, value: object, whole: bool) -> int | float:
    """One setting as a number of its kind. NumPy's scalars are numbers; arrays, truth values and what is not finite are none."""
    accepted = "a whole number" if whole else "a number"
    shown = f"{name}={value!r:.80}"
    if isinstance(value, (bool, np.ndarray)) or not isinstance(value, numbers.Real):
        raise ArgumentError(f"{shown}: a setting of {d.name} is a number; accepted: {accepted}")
    try:
        number: int | float = int(value) if isinstance(value, numbers.Integral) else float(value)
    except OverflowError:
        number = MOST
    if isinstance(number, float) and not math.isfinite(number):
        raise ArgumentError(f"{shown}: a setting of {d.name} is a finite number; accepted: {accepted}")
    if not whole and isinstance(number, float):
        return number
    if number != int(number):
        raise ArgumentError(f"{shown}: this setting of {d.name} is a whole number; accepted: an int")
    if abs(number) >= MOST:
        raise ArgumentError(f"{shown}: too large for a setting of {d.name}; accepted: {accepted} below 2**62")
    return int(number) if whole else float(number)


def sizes_of(d: Definition, shapes: Mapping[str, tuple[int, ...]], settings: Mapping[str, int | float]) -> dict[str, int | float]:
    """Sizes from shapes; the same letter twice is a promise, and breaking it names both arrays and both sizes."""
    values: dict[str, int | float] = dict(settings)
    seen: dict[str, str] = {}
    for t in d.inputs:
        shape = shapes[t.name]
        if len(shape) != len(t.axes):
            raise ShapeError(f"{t.name} with shape {tuple(shape)}: {d.name} wants {len(t.axes)} axes; accepted: {tensor_text(t, d.sample_size)}")
        for k, (p, size) in enumerate(zip(t.axes, shape, strict=True)):
            name = p.letter
            if size == 0:
                raise ShapeError(f"{t.name} with shape {tuple(shape)}: axis {k} of {d.name}'s {t.name} is empty; accepted: sizes of at least 1")
            if name and name not in settings:
                if values.setdefault(name, size) != size:
                    raise ShapeError(
                        f"{t.name} with shape {tuple(shape)}: in {d.name} axis {k} of {t.name} and of {seen[name]} is the same size "
                        f"{_shown(d, name)}, here {size} and {values[name]}; accepted: equal sizes, as {header_text(d)} says"
                    )
                seen.setdefault(name, t.name)
    for t in d.inputs:
        for k, (p, size) in enumerate(zip(t.axes, shapes[t.name], strict=True)):
            want = _number(d, p, values, t.name)
            if want != size:
                raise ShapeError(
                    f"{t.name} with shape {tuple(shapes[t.name])}: axis {k} of {d.name}'s {t.name} is {p} = {want}, not {size}; accepted: {want}"
                )
    return values


def _shown(d: Definition, name: str) -> str:
    return "n" if name == d.sample_size else name


def _number(d: Definition, p: Poly, values: Mapping[str, int | float], owner: str) -> int:
    try:
        value = p.evaluate(values)
    except ZeroDivisionError:
        raise ArgumentError(f"{owner}: its size {p} divides by zero with {_listed(values)}; accepted: settings that do not") from None
    except KeyError as e:
        raise ArgumentError(f"{d.name}: size {e.args[0]} stands on no input's axis; accepted: an input that has it") from None
    if not isinstance(value, int):
        raise ArgumentError(f"{owner}: its size {p} is {value} with {_listed(values)}; accepted: whole numbers")
    return value


def _listed(values: Mapping[str, int | float]) -> str:
    return ", ".join(f"{k}={v}" for k, v in values.items())


def bind(
    d: Definition, shapes: Mapping[str, tuple[int, ...]], settings: Mapping[str, int | float] | None = None, free_samples: bool = False
) -> Program:
    """Put numbers in place of sizes and whole settings, and prove every read outside a reduction to be inside its tensor.

    Other settings stay numbers of the program, read when it runs. free_samples leaves the number of samples a name in the lines: they then
    hold for any number.
    """
    values = sizes_of(d, shapes, settings_of(d, settings or {}))
    free = free_samples and any(d.sample_size in p.names for axes in d.axes.values() for p in axes)
    swap = {k: v for k, v in values.items() if not (free and k == d.sample_size) and k not in d.floats}
    found = shapes_of(d, shapes, values) | dict.fromkeys(d.floats, ())
    axes = {name: tuple(p.subs(swap) for p in full) for name, full in d.axes.items()}
    lines = []
    sides: list[Side] = []
    for line in d.lines:
        try:
            ranges = tuple(p.subs(swap) for p in line.ranges)
            expr = plain(without_tests(subs(line.expr, swap)), dict(zip(line.letters, ranges, strict=True)), axes, reached)
            expr = strong(with_scalars(expr, d.floats))
        except ZeroDivisionError as e:
            raise ArgumentError(f"{d.name}: {e} with {_listed(values)}; accepted: settings that do not divide by zero") from None
        sized = tuple(Poly.of(_number(d, p, values, line.tensor)) for p in line.ranges)
        made = replace(line, ranges=ranges, expr=expr, target=line.target and tuple(p.subs(swap) for p in line.target))
        tiled(d, replace(made, ranges=sized), line.index, found[line.tensor], values)
        prove(d, replace(made, ranges=sized), found, values)
        spans = {x: (0, int(r.constant or 0) - 1) for x, r in zip(line.letters, sized, strict=True)}
        small(d, expr, spans, found, int(values.get(d.sample_size, 1)), sides)
        lines.append(made)

    def sized_tensor(t: Tensor) -> Tensor:
        whole = None if t.whole is None else tuple(Poly.of(_number(d, p, values, t.name)) for p in t.whole)
        return Tensor(t.name, tuple(p.subs(swap) for p in t.axes), whole)

    used = {r.tensor for x in lines for r in reads(x.expr)}
    numbers = tuple((k, float(values[k])) for k, _ in d.settings if k in d.floats and k in used)
    below = reach(d, sides)
    return Program(
        d.name,
        tuple(map(sized_tensor, d.inputs)),
        tuple(map(sized_tensor, d.outputs)),
        tuple(lines),
        found,
        d.sample_size if free else "",
        int(values.get(d.sample_size, 1)),
        numbers,
        (),
        (Reach(d.name, frozenset(t.name for t in d.inputs), below),) if below < MOST else (),
    )


LARGEST_POWER = 1 << 8  # every number type holds whole numbers below


def fixed(d: Definition, values: Mapping[str, int | float]) -> Definition:
    """The definition with numbers in place of some settings and sizes. What no sizes could fit is refused."""
    whole = {k: v for k, v in values.items() if not isinstance(v, float)}
    sizes = {p.letter for axes in d.axes.values() for p in axes if p.letter} - {k for k, _ in d.settings}

    def sized(t: Tensor) -> Tensor:
        return Tensor(t.name, tuple(p.subs(whole) for p in t.axes), t.whole and tuple(p.subs(whole) for p in t.whole))

    try:
        lines = tuple(
            replace(
                x,
                ranges=tuple(p.subs(whole) for p in x.ranges),
                expr=settled(subs(x.expr, values), sizes),
                target=x.target and tuple(p.subs(whole) for p in x.target),
            )
            for x in d.lines
        )
        axes = {name: tuple(p.subs(whole) for p in full) for name, full in d.axes.items()}
        lines = tuple(replace(x, expr=plain(x.expr, dict(zip(x.letters, x.ranges, strict=True)), axes)) for x in lines)
        settings = tuple((k, v) for k, v in d.settings if k not in values)
        made = d.with_lines(inputs=tuple(map(sized, d.inputs)), settings=settings, outputs=tuple(map(sized, d.outputs)), lines=lines)
    except ZeroDivisionError as e:
        raise ArgumentError(f"{d.name}: {e} with {_listed(values)}; accepted: settings that do not divide by zero") from None
    wrong = [f"{a} = {b}" for a, b in made.facts if a.constant is not None and b.constant is not None]
    wrong += [f"an axis of {t.name} is {p}" for t in made.inputs + made.outputs for p in t.axes if p.constant is not None and p.constant < 1]
    if wrong:
        raise ShapeError(f"{d.name} with {_listed(values)}: {wrong[0]}; accepted: sizes and settings that fit {header_text(d)}")
    return made


def shapes_of(d: Definition, shapes: Mapping[str, tuple[int, ...]], values: Mapping[str, int | float]) -> dict[str, tuple[int, ...]]:
    """The shape of every tensor at these sizes and settings."""
    found: dict[str, tuple[int, ...]] = {}
    declared = {t.name for t in d.inputs + d.outputs}
    for name, axes in d.axes.items():
        found[name] = tuple(_number(d, p, values, name) for p in axes)
        if any(s < (name in declared) for s in found[name]):  # what only lines know may be empty: a sum of no terms reads it
            given = ", ".join(f"{t.name} {tuple(shapes[t.name])}" for t in d.inputs)
            raise ShapeError(
                f"{given}: {d.name}'s {name} would have shape {found[name]} with {_listed(values)}; accepted: inputs large enough that every axis has at least 1 place"
            )
    return found


def with_scalars(e: Expr, names: Collection[str]) -> Expr:
    """e with the settings of these names read as tensors of no axes: numbers that are known when it runs."""
    if isinstance(e, Index):
        return Read(e.expr.letter, ()) if e.expr.letter is not None and e.expr.letter in names else e
    return rebuild(e, lambda a: with_scalars(a, names)) if names else e


def tiled(d: Definition, line: Line, written: tuple[Poly, ...], shape: tuple[int, ...], values: Mapping[str, int | float]) -> None:
    """The letters of a left side, as it was written, meet every place of the axes once: 0*a+b has two letters still."""
    ranges = dict(zip(line.letters, line.ranges, strict=True))
    for k, (p, full, size) in enumerate(zip(line.target or (), written, shape, strict=False)):
        within = {x: ranges[x] for x in line.letters if x in full.names}
        if full.letter:
            continue
        if 0 not in (r.constant for r in within.values()):
            wrong = misfit(p, Poly.of(size), within)
            if wrong:
                raise ShapeError(
                    f"{line.tensor}: axis {k} of {d.name} is not tiled, {wrong} with {_listed(values)}; accepted: sizes and settings for which "
                    f"{' * '.join(str(r) for r in within.values())} is {size}, as {header_text(d)} says"
                )
        else:
            raise ShapeError(f"{line.tensor}: axis {k} of {d.name} is not tiled, {p} meets no place with {_listed(values)}; accepted: larger sizes")


def prove(d: Definition, line: Line, shapes: Mapping[str, tuple[int, ...]], values: Mapping[str, int | float]) -> None:
    """Every read outside a reduction lies inside its tensor, by interval analysis, else by trying every place."""
    ranges = {x: (0, int(r.constant or 0) - 1) for x, r in zip(line.letters, line.ranges, strict=True)}
    for read in direct_reads(line.expr):
        for p, size in zip(read.index, shapes[read.tensor], strict=True):
            lo, hi = p.interval(ranges)
            if lo >= 0 and hi < size:
                continue
            letters = sorted(p.names)
            for at in itertools.product(*[range(ranges[x][1] + 1) for x in letters]):
                value = p.evaluate(dict(zip(letters, at, strict=True)))
                if not 0 <= value < size:  # type: ignore[operator]  # whole numbers give whole numbers
                    raise ShapeError(
                        f"{d.name} reads outside {read.tensor} with {_listed(values)}: index {p} reaches {value}, the axis has {size} places; "
                        f"accepted: sizes and settings for which it stays inside"
                    )
    for node in walk(line.expr):
        if isinstance(node, Reduce) and any(r.constant is not None and r.constant < 0 for r in node.ranges):
            raise ShapeError(f"{d.name}: {node.kind}[{','.join(node.letters)}] has a negative range; accepted: ranges of at least 0")
        if isinstance(node, Read) and node.tensor not in shapes:
            raise ShapeError(f"{node.tensor}: {d.name} reads a tensor that is not there; accepted: {', '.join(shapes)}")


def reach(d: Definition, sides: Iterable[Side]) -> int:
    """Below what the data's whole numbers must lie, that no side of a comparison leaves 64 bits."""
    inputs = {t.name for t in d.inputs}
    found = [(e, spans) for e, spans in sides if isinstance(e, Call) and whole(e, inputs.__contains__)]
    return next((1 << k for k in range(62, 0, -1) if all(_largest(e, spans, 1 << k) < MOST for e, spans in found)), 1)


def _largest(e: Expr, spans: Mapping[str, tuple[int, int]], data: int) -> int:
    """A bound of a whole-number expression, and of all that comes up in it, where the data's numbers lie below `data`."""
    if isinstance(e, Const):
        return abs(int(e.value))
    if isinstance(e, Index):
        return e.expr.magnitude(spans)
    if isinstance(e, Read):
        return data
    assert isinstance(e, Call)
    sizes = [max(1, _largest(a, spans, data)) for a in e.args]
    return math.prod(sizes) if e.fn == "*" else sum(sizes)


def small(
    d: Definition, e: Expr, ranges: Mapping[str, tuple[int, int]], shapes: Mapping[str, tuple[int, ...]], samples: int, sides: list[Side]
) -> None:
    """No index, bound or product of sizes in an expression can leave 64 bits, whatever its letters are. Adds the sides of comparisons."""
    if isinstance(e, Reduce):
        counts = [samples if r.letter == d.sample_size else int(r.constant or 0) for r in e.ranges]
        if math.prod(max(1, c) for c in counts) >= MOST:
            raise ShapeError(f"{d.name}: {e.kind}[{','.join(e.letters)}] counts more than 2**62 terms; accepted: smaller ranges")
        small(d, e.body, {**ranges, **{x: (0, max(0, c - 1)) for x, c in zip(e.letters, counts, strict=True)}}, shapes, samples, sides)
    elif isinstance(e, Call):
        for a in e.args:
            small(d, a, ranges, shapes, samples, sides)
    known = {**ranges, d.sample_size: (0, samples)}
    if isinstance(e, Call) and e.fn in COMPARISONS:
        sides += [(a, known) for a in e.args]
    for p in (e.expr,) if isinstance(e, Index) else e.index if isinstance(e, Read) else ():
        size = math.prod(max(1, s) for s in shapes[e.tensor]) if isinstance(e, Read) else 1
        if p.magnitude(known) * 8 * size >= MOST:
            raise ShapeError(f"{p}: this index of {d.name} reaches numbers beyond 64 bits at these sizes and settings; accepted: smaller ones")


def countable(lines: Iterable[Line], digits: int) -> None:
    """A decision is kept as a number of the kernel's type: no more places than its digits tell apart."""
    for line in lines:
        for node in walk(line.expr):
            if isinstance(node, Reduce) and node.kind is Kind.ARGMAX:
                count = math.prod(int(r.constant or 1) for r in node.ranges)
                if count > 1 << digits:
                    raise ShapeError(
                        f"argmax[{','.join(node.letters)}] over {count} places: a number of {digits} binary digits tells 2**{digits} of them apart; accepted: float64, fewer places"
                    )
