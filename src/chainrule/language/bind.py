"""From arrays' shapes to sizes: a definition with numbers in place of sizes and settings."""

from __future__ import annotations

import itertools
import math
import numbers
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from ..errors import ArgumentError, ElementTypeError, ShapeError
from .brackets import strong
from .digits import misfit
from .functions import COMPARISONS, COUNTING
from .index import Poly
from .show import header_text, tensor_text
from .tree import Call, Const, Definition, Expr, Index, Line, Read, Reduce, direct_reads, subs, walk, whole

Side = tuple[Expr, Mapping[str, tuple[int, int]]]  # of a comparison, with the ranges of the names around it
MOST = 1 << 62  # index arithmetic of the engines is in 64 bits: everything that comes up in it stays below this


@dataclass(frozen=True)
class Bound:
    """A definition at given sizes: lines over letters alone, and every tensor's shape.

    `keep` names sizes left symbolic (the number of samples, where machine code takes it at run time). reach: whole numbers of the
    data stay below it, or the comparisons of what is computed of them could leave 64 bits.
    """

    definition: Definition
    values: tuple[tuple[str, int | float], ...]
    lines: tuple[Line, ...]
    shapes: Mapping[str, tuple[int, ...]]
    reach: int = MOST

    def check(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Whole numbers so large that what is computed of them would leave 64 bits are refused."""
        for name, a in arrays.items() if self.reach < MOST else ():
            if a.dtype.kind in "iu" and a.size and max(int(a.max()), -int(a.min())) >= self.reach:
                at = tuple(int(k) for k in np.argwhere((a >= self.reach) | (a <= -self.reach))[0])
                shown = f"{name}[{', '.join(map(str, at))}]" if at else name
                raise ArgumentError(f"{shown} = {a[at]}: too large for what {self.definition.name} computes of it; accepted: below {self.reach}")


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


def with_whole_numbers(
    d: Definition, arrays: Mapping[str, np.ndarray], settings: Mapping[str, int | float], shapes: Mapping[str, tuple[int, ...]] | None = None
) -> dict[str, np.ndarray]:
    """The arrays, with those of inputs declared `int` checked and as int64. shapes: those of all inputs, if not all arrays are given."""
    if not any(t.whole is not None and t.name in arrays for t in d.inputs):
        return dict(arrays)
    limits = whole_limits(d, shapes or {k: a.shape for k, a in arrays.items()}, settings)
    return dict(arrays) | {name: whole_numbers(name, arrays[name], limit) for name, limit in limits.items() if name in arrays}


def whole_limits(d: Definition, shapes: Mapping[str, tuple[int, ...]], settings: Mapping[str, int | float]) -> dict[str, int | None]:
    """{input declared to hold whole numbers: what they lie below, if anything} at these shapes of all inputs."""
    declared = [t for t in d.inputs if t.whole is not None]
    sizes = sizes_of(d, shapes, settings_of(d, settings)) if declared else {}
    return {t.name: min((_number(d, p, sizes, t.name) for p in t.whole or ()), default=None) for t in declared}


def whole_numbers(name: str, a: np.ndarray, below: int | None = None) -> np.ndarray:
    """The values as int64; an error names the first that is no whole number, or not one from 0 to below - 1, and its place."""
    accepted = "whole numbers" if below is None else f"whole numbers 0 to {below - 1}"
    if a.dtype.kind not in "biufO":
        raise ElementTypeError(f"{name} with dtype {a.dtype}: not numbers to count with; accepted: {accepted}")
    values: np.ndarray = a.astype(np.int64) if a.dtype.kind == "b" else a.astype(np.float32) if a.dtype == np.float16 else a
    try:
        with np.errstate(invalid="ignore"):
            wrong = (values != values // 1) | (abs(values) >= MOST)  # NaN and infinities differ from their whole part
            wrong |= (values < 0) | (values >= below) if below is not None else False
    except (TypeError, ValueError, OverflowError, ZeroDivisionError):
        raise ElementTypeError(f"{name} with dtype {a.dtype}: not numbers to count with; accepted: {accepted}") from None
    wrong = np.asarray(wrong, bool)
    if wrong.any():
        at = tuple(int(k) for k in np.argwhere(wrong)[0])
        shown = f"{name}[{', '.join(map(str, at))}]" if at else name
        raise ArgumentError(f"{shown} = {a[at]}: declared to hold whole numbers{'' if below is None else ' that an axis has'}; accepted: {accepted}")
    return values.astype(np.int64)


def lane_ready(d: Definition) -> bool:
    """Whether every line speaks of one sample at a time, or sums over samples: then vectors may run over samples.

    The sample axis must come first, be read at the line's own sample letter and nowhere else, and be reduced by sum or mean
    only.
    """
    size = Poly.name(d.sample_size)
    if not any(size in axes for axes in d.axes.values()):
        return False
    for axes in d.axes.values():
        if any(d.sample_size in p.names for p in axes[1:]) or (axes and d.sample_size in axes[0].names and axes[0] != size):
            return False
    for line in d.lines:
        own = line.letters[0] if line.ranges and line.ranges[0] == size else None
        if not _one_sample(line.expr, own, d, size, own is None):
            return False
    return True


def _one_sample(e: Expr, letter: str | None, d: Definition, size: Poly, may_sum: bool) -> bool:
    if isinstance(e, Read):
        axes = d.axes[e.tensor]
        sampled = bool(axes) and axes[0] == size
        if sampled and (letter is None or e.index[0].letter != letter):
            return False
        return not any(letter in p.names or d.sample_size in p.names for p in e.index[sampled:])
    if isinstance(e, Index):
        return letter not in e.expr.names
    if isinstance(e, Reduce):
        summed = [x for x, r in zip(e.letters, e.ranges, strict=True) if d.sample_size in r.names]
        if not summed:
            return _one_sample(e.body, letter, d, size, may_sum)
        plain = all(r == size for x, r in zip(e.letters, e.ranges, strict=True) if x in summed)
        if not may_sum or len(summed) != 1 or not plain or e.kind not in ("sum", "mean"):
            return False
        return _one_sample(e.body, summed[0], d, size, False)
    if isinstance(e, Call) and e.fn in COUNTING:  # a sample's number may be counted with, but is no value
        return all(_one_sample(a, letter, d, size, may_sum) for a in walk(e) if isinstance(a, Read))
    return all(_one_sample(a, letter, d, size, may_sum) for a in e.args) if isinstance(e, Call) else True


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
) -> Bound:
    """Put numbers in place of sizes and settings, and prove every read outside a reduction to be inside its tensor.

    free_samples leaves the number of samples a name in the lines: they then hold for any number.
    """
    values = sizes_of(d, shapes, settings_of(d, settings or {}))
    swap = {k: v for k, v in values.items() if not (free_samples and k == d.sample_size)}
    found: dict[str, tuple[int, ...]] = {}
    declared = {t.name for t in d.inputs + d.outputs}
    for name, axes in d.axes.items():
        found[name] = tuple(_number(d, p, values, name) for p in axes)
        if any(s < (name in declared) for s in found[name]):  # what only lines know may be empty: a sum of no terms reads it
            given = ", ".join(f"{t.name} {tuple(shapes[t.name])}" for t in d.inputs)
            raise ShapeError(
                f"{given}: {d.name}'s {name} would have shape {found[name]} with {_listed(values)}; accepted: inputs large enough that every axis has at least 1 place"
            )
    lines = []
    sides: list[Side] = []
    for line in d.lines:
        try:
            expr = strong(subs(line.expr, swap))
        except ZeroDivisionError as e:
            raise ArgumentError(f"{d.name}: {e} with {_listed(values)}; accepted: settings that do not divide by zero") from None
        ranges = tuple(p.subs(swap) for p in line.ranges)
        sized = tuple(Poly.of(_number(d, p, values, line.tensor)) for p in line.ranges)
        made = replace(line, ranges=ranges, expr=expr, target=line.target and tuple(p.subs(swap) for p in line.target))
        tiled(d, replace(made, ranges=sized), found[line.tensor], values)
        prove(d, replace(made, ranges=sized), found, values)
        spans = {x: (0, int(r.constant or 0) - 1) for x, r in zip(line.letters, sized, strict=True)}
        small(d, expr, spans, found, int(values.get(d.sample_size, 1)), sides)
        lines.append(made)
    return Bound(d, tuple(values.items()), tuple(lines), found, reach(d, sides))


def tiled(d: Definition, line: Line, shape: tuple[int, ...], values: Mapping[str, int | float]) -> None:
    """The letters of a left side meet every place of the axes once."""
    ranges = dict(zip(line.letters, line.ranges, strict=True))
    for k, (p, size) in enumerate(zip(line.target or (), shape, strict=line.target is not None)):
        within = {x: ranges[x] for x in line.letters if x in p.names}
        if p.letter:
            continue
        if 0 not in (r.constant for r in within.values()):
            wrong = misfit(p, Poly.of(size), within)
            if wrong:
                raise ShapeError(
                    f"{line.tensor}: axis {k} of {d.name} is not tiled, {wrong} with {_listed(values)}; accepted: sizes and settings for which "
                    f"{' * '.join(str(r) for r in within.values())} is {size}, as {header_text(d)} says"
                )
        elif size:
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


def countable(lines: Iterable[Line], single: bool) -> None:
    """A decision is kept as a number of the kernel's type: in single precision no more places than that holds apart."""
    for line in lines if single else ():
        for node in walk(line.expr):
            if isinstance(node, Reduce) and node.kind == "argmax":
                count = math.prod(int(r.constant or 1) for r in node.ranges)
                if count > 1 << 24:
                    raise ShapeError(f"argmax[{','.join(node.letters)}] over {count} places: float32 tells 2**24 of them apart; accepted: float64")
