"""A small worked example of an operation: sizes that show what it does, small whole numbers, every number forward and backward."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice, product

import numpy as np

from ..engines.session import by_reference
from ..errors import ArgumentError, ChainruleError, ElementTypeError, ShapeError
from ..language.bind import bind, fixed
from ..language.lazy import cached_property
from ..language.program import Program
from ..language.show import header_text, line_text
from ..language.tree import Definition, Expr, Line, Reduce, reads, walk
from ..nn.module import Module
from ..operation.op import Op
from ..operation.op import op as op_of
from .expand import expanded
from .record import letters_at, put_in

DOUBLE, EXACT = np.dtype(np.float64), np.dtype(object)
WINDOW, INSIDE, FEW = 4, 2, 3  # sizes: of what a window moves over, of a window, of anything else
LARGEST = 16
MOST_OPEN, MOST_TRIES = 5, 8000
MOST_NUMBERS = 200  # of one tensor: a worksheet is for hands


@dataclass(frozen=True, eq=False)
class Exercise:
    """An operation at small sizes with its gradients and all numbers.

    op, settings: what is worked out, as it is written for these sizes. program: forward lines, of which there are `forward`, then those of the
    gradients; given: what goes in, the gradients of the outputs among it. values: of every tensor: exact fractions where the formulas allow
    that, else floats. gradients: {input: its gradient}.
    """

    op: Op
    seed: int
    settings: Mapping[str, int | float]
    program: Program
    definition: Definition
    forward: int
    given: Mapping[str, np.ndarray]
    values: Mapping[str, np.ndarray]
    gradients: Mapping[str, str]

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {k: np.shape(a) for k, a in self.values.items()}

    @cached_property
    def lines(self) -> tuple[Line, ...]:
        return self.program.closed

    @property
    def seeds(self) -> tuple[str, ...]:
        """The gradients that are given."""
        inputs = {t.name for t in self.op.definition.inputs}
        return tuple(k for k in self.given if k not in inputs and k not in self.numbers)

    @property
    def numbers(self) -> dict[str, float]:
        """Settings that are no sizes."""
        return dict(self.program.numbers)

    def formula(self, tensor: str) -> str:
        """A tensor's line with letters."""
        d = self.definition
        line = next(x for x in d.lines if x.tensor == tensor)
        return line_text(line, d.axes, tensor in {t.name for t in d.outputs})

    def places(self, tensor: str) -> Iterator[tuple[int, ...]]:
        return product(*map(range, self.shapes[tensor]))

    def written_out(self, line: Line, index: tuple[int, ...], live: bool = False) -> Expr:
        """The formula of one number, with its sums written out. live: with the conditions of data in it, not only what they lead to."""
        e = put_in(line.expr, letters_at(line, index))
        return expanded(e, self.shapes, self.numbers, None if live else self.holds)

    def holds(self, test: Expr) -> bool:
        """Whether a condition holds."""
        return self.number(test) != 0

    def number(self, e: Expr) -> float:
        """A formula without free letters."""
        used = {r.tensor for r in reads(e)}
        known = {k: a.astype(DOUBLE) if a.dtype == object else a for k, a in self.values.items() if k in used}
        known |= {k: np.array(v) for k, v in self.numbers.items()}
        found = by_reference(Program("test", (), (), (Line("?", (), (), e),), {}), known, DOUBLE)
        return float(found["?"])

    def value(self, tensor: str, index: tuple[int, ...]) -> int | float | Fraction:
        found = self.values[tensor][index]
        return found if isinstance(found, Fraction) else found.item()  # type: ignore[no-any-return]  # a number, as arrays hold them


def exercise(
    what: object,
    seed: int = 7,
    wrt: Sequence[str] | str | None = None,
    sizes: Mapping[str, int] | None = None,
    settings: Mapping[str, object] | None = None,
) -> Exercise:
    """The example that a seed gives; sizes that are not said are a layer's own, where these are small, or small ones that suit."""
    if sizes is not None and not isinstance(sizes, Mapping):
        raise ArgumentError(f"sizes={sizes!r:.80}: no sizes by name; accepted: a dict, as {{'H': 5, 'n': 2}}")
    op, numbers = fitted(what, settings or {})
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise ArgumentError(f"seed={seed!r:.80}: not a seed; accepted: a whole number of at least 0")
    shapes = shapes_for(op, numbers, {**_own_sizes(what, op), **(sizes or {})})
    wanted = wanted_of(op, wrt)
    program = bind(op.definition, shapes, numbers)
    for kind in ("whole", "positive", "shares"):
        made = worked(op, int(seed), numbers, drawn(program, int(seed), kind), wanted)
        if all(map(_finite, made.values.values())):
            return made
    raise ArgumentError(f"{op.name}: no small numbers for which all its values are finite; accepted: other sizes or settings")


def fitted(what: object, settings: Mapping[str, object]) -> tuple[Op, dict[str, int | float]]:
    """The operation as it is written out for these settings."""
    if isinstance(what, Module):
        what = what.as_operation()[0]
    if not isinstance(what, (Op, str)):
        raise ArgumentError(f"{what!r:.80}: no operation; accepted: an operation of cr.op or cr.ops, its text, or a layer that is one operation")
    op = op_of(what) if isinstance(what, str) else what
    op.check({k: v for k, v in settings.items() if not isinstance(v, (tuple, list))})
    axes = {t.name: len(t.axes) for t in op.definition.inputs}
    return op.fitted(axes, settings, [k for k in op.optional if k not in axes])


def _own_sizes(what: object, op: Op) -> dict[str, int]:
    """Those that a layer's parameters have, where all of them are small enough for hands."""
    if not isinstance(what, Module):
        return {}
    states, names = dict(what.named_states()), what.as_operation()[1]
    axes = {t.name: t.axes for t in op.definition.inputs}
    pairs = [pair for k, s in states.items() if names.get(k) in axes for pair in zip(axes[names[k]], s.shape, strict=True)]
    found = {p.letter: size for p, size in pairs if p.letter is not None}
    small = math.prod(found.values()) <= MOST_NUMBERS and max(found.values(), default=1) <= LARGEST
    return found if small else {}


def wanted_of(op: Op, wrt: Sequence[str] | str | None) -> tuple[str, ...]:
    """The inputs whose gradients are worked out."""
    free = [t.name for t in op.definition.inputs if t.whole is None]
    rows = free if wrt is None else [wrt] if isinstance(wrt, str) or not isinstance(wrt, Iterable) else list(wrt)
    for k in rows:
        if k not in free:
            raise ArgumentError(f"wrt={k!r:.80}: no input of {op.name} that has a gradient; accepted: {', '.join(free) or 'none'}")
    return tuple(dict.fromkeys(rows))


# Sizes ------------------------------------------------------------------------------------------------------------------


def shapes_for(op: Op, settings: Mapping[str, int | float], asked: Mapping[str, int]) -> dict[str, tuple[int, ...]]:
    """Shapes of the inputs: as asked, else the smallest that show something."""
    d = op.definition
    letters = {p.letter for t in d.inputs for p in t.axes if p.letter} - dict(d.settings).keys()
    known = {d.sample_size if k == "n" else k: v for k, v in asked.items()}
    for k, v in asked.items():
        if (d.sample_size if k == "n" else k) not in letters:
            shown = ", ".join(sorted("n" if x == d.sample_size else x for x in letters))
            raise ArgumentError(f"{k}={v!r:.40}: no size of {op.name}; accepted: {shown}, settings {', '.join(k for k, _ in d.settings) or 'none'}")
        if isinstance(v, bool) or not isinstance(v, (int, np.integer)) or not 1 <= v <= LARGEST:
            raise ArgumentError(f"{k}={v!r:.40}: a size of a worksheet; accepted: 1 to {LARGEST}")
    moved, windows = _roles(d)
    usual = _usual(d, moved, windows)
    open_ = [x for x in usual if x not in known]
    reason = ""
    for sizes, wide in _tries(open_, usual, moved):
        try:
            made = _shapes(d, settings, {**sizes, **known}, moved if wide else set())
        except ChainruleError as e:
            reason = reason or str(e)
            continue
        if made is not None:
            return made
    raise ShapeError(f"{op.name}: no small sizes fit{f' ({reason})' if reason else ''}; accepted: sizes and settings that do, as {header_text(d)}")


def _roles(d: Definition) -> tuple[set[str], set[str]]:
    """(sizes that a window moves over, sizes of windows), by how the outputs' sizes depend on them."""
    moved, windows = set[str](), set[str]()
    inputs = {p.letter for t in d.inputs for p in t.axes if p.letter} - {k for k, _ in d.settings}
    for p in (p for t in d.outputs for p in t.axes if p.letter is None and len(p.names & inputs)):
        for x in p.names & inputs:
            low, high = (p.evaluate({**dict.fromkeys(p.names, 50), **dict(d.settings), x: v}) for v in (64, 96))
            (moved if high > low else windows).add(x)  # type: ignore[operator]  # whole numbers
    return moved, windows


def _over_samples(d: Definition) -> bool:
    """Whether a line puts samples together."""
    nodes = [e for line in d.lines for e in walk(line.expr) if isinstance(e, Reduce)]
    return any(d.sample_size in {r.letter for r in e.ranges} for e in nodes)


def _usual(d: Definition, moved: set[str], windows: set[str]) -> dict[str, int]:
    """The sizes to begin with, in the order of the header."""
    letters = [p.letter for t in d.inputs for p in t.axes if p.letter and p.letter not in dict(d.settings)]
    few = FEW if max((len(t.axes) for t in d.inputs), default=0) < 3 else INSIDE
    found: dict[str, int] = {}
    for x in dict.fromkeys(letters):
        if x == d.sample_size:
            together = any(t.axes and x not in {p.letter for p in t.axes} for t in d.inputs)  # a parameter's gradient adds up samples
            found[x] = 2 if _over_samples(d) or (together and not moved) else 1
        elif x in moved:
            found[x] = INSIDE if any(len(p.names & moved) > 1 and x in p.names for t in d.outputs for p in t.axes) else WINDOW
        else:
            found[x] = INSIDE if x in windows else 1 if moved else few
            few = {3: 2, 2: 3}[few] if not windows else few  # neighbours differ: a square hides which axis is which
    return found


def _tries(names: Sequence[str], usual: Mapping[str, int], moved: set[str]) -> Iterator[tuple[dict[str, int], bool]]:
    """(sizes to try, whether windows must have several places): the usual ones, larger ones where windows move, one of them changed, any small ones."""
    several = [{x: usual[x] + (more if x in moved else 0) for x in names} for more in range(LARGEST - WINDOW)]
    for row in several:
        yield row, True
    for row in several:
        yield row, False
    for x, size in product(names, range(1, LARGEST + 1)):
        yield {**{k: usual[k] for k in names}, x: size}, False
    few = len(names) <= MOST_OPEN
    for sizes in islice(product((1, 2, 3, 4, 6, 8) if few else (2, 1), repeat=len(names)), MOST_TRIES):
        yield dict(zip(names, sizes, strict=True)), False


def _shapes(d: Definition, settings: Mapping[str, int | float], sizes: Mapping[str, int], moved: set[str]) -> dict[str, tuple[int, ...]] | None:
    """Shapes at these sizes; None where a window has a single place only."""
    values = {**settings, **sizes}
    shapes = {t.name: tuple(int(p.evaluate(values)) for p in t.axes) for t in d.inputs}  # type: ignore[call-overload]  # whole sizes give whole numbers
    made = bind(d, shapes, settings)
    wide = [int(p.evaluate(values)) >= 2 for t in d.outputs for p in t.axes if p.names & moved]  # type: ignore[call-overload]  # whole sizes give whole numbers
    for name in (t.name for t in (*made.inputs, *made.outputs)):
        if math.prod(made.shapes[name]) > MOST_NUMBERS:
            raise ShapeError(f"{name} with shape {made.shapes[name]}: too many numbers for a worksheet; accepted: up to {MOST_NUMBERS}")
    return shapes if all(wide) else None


# Numbers ----------------------------------------------------------------------------------------------------------------


def drawn(program: Program, seed: int, kind: str) -> dict[str, np.ndarray]:
    """Small whole numbers; positive ones, or shares of 1 along the last axis, where others have no values."""
    rng = np.random.default_rng(seed)
    out: dict[str, np.ndarray] = {}
    for t in program.inputs:
        shape = program.shapes[t.name]
        if t.whole is not None:
            out[t.name] = rng.integers(0, min([int(p.constant or 1) for p in t.whole], default=4), shape)
        elif kind == "whole":
            out[t.name] = rng.choice([-3, -2, -1, 1, 2, 3, 4, 5], shape)
        elif kind == "positive":
            out[t.name] = rng.integers(1, 6, shape)
        else:
            out[t.name] = _shares(rng.integers(1, 5, shape))
    return out


def _shares(a: np.ndarray) -> np.ndarray:
    """Fractions between 0 and 1; those of a row add up to 1."""
    total = a.sum(axis=-1, keepdims=True) if a.shape and a.shape[-1] > 1 else np.full_like(a, 6)
    out = np.empty(a.shape, object)
    out[...] = np.frompyfunc(lambda x, y: Fraction(int(x), int(y)), 2, 1)(a, total)
    return out


def worked(op: Op, seed: int, settings: Mapping[str, int | float], given: dict[str, np.ndarray], wrt: tuple[str, ...]) -> Exercise:
    """All numbers of an example."""
    d, shapes = op.definition, {k: a.shape for k, a in given.items()}
    bound = bind(d, shapes, settings)
    lines, forward, numbers, own = list(bound.closed), len(bound.closed), dict(bound.numbers), list(d.lines)
    inputs, outputs = list(d.inputs), list(d.outputs)
    found: dict[str, str] = {}
    if wrt:
        whole = {k: v for k, v in settings.items() if isinstance(v, int)}  # as the numbers they are: no r-s*i+p is divided by a d of 1
        g = (Op.of(fixed(d, whole), op.doc) if whole else op).gradient(wrt)
        rng = np.random.default_rng([seed, 1])
        seeds = {g.seed[t.name]: bound.shapes[t.name] for t in d.outputs}
        given = given | {k: rng.choice([-2, -1, 1, 2, 3], s) if s else np.array(1) for k, s in seeds.items()}
        back = bind(g.definition, shapes | seeds, {k: v for k, v in settings.items() if k not in whole})
        known = {x.tensor for x in lines}
        saved = {x.tensor for x in g.definition.lines[: g.forward]}
        lines += [x for x in back.closed if x.tensor not in known]
        own += [x for x in g.definition.lines if x.tensor not in known]
        forward += sum(x.tensor in saved for x in back.closed if x.tensor not in known)
        numbers |= dict(back.numbers)
        inputs += [t for t in g.definition.inputs if t.name in seeds]
        outputs += list(g.definition.outputs)
        found = dict(g.of)
    definition = replace(d, inputs=tuple(inputs), outputs=tuple(outputs), lines=tuple(own), source="")
    program = Program(op.name, (), (), tuple(lines), {}, numbers=tuple(numbers.items()))
    return Exercise(op, seed, settings, program, definition, forward, given, _values(program, given), found)


def _values(program: Program, given: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Of every tensor: exact where the formulas allow it."""
    scalars = dict(program.numbers)
    try:
        found = by_reference(program, {**given, **{k: np.array(Fraction(str(v)), object) for k, v in scalars.items()}}, EXACT)
    except (ElementTypeError, ArithmeticError, ValueError):  # not exact, divided by 0, an infinity where whole numbers are wanted
        floats = {k: a if a.dtype.kind in "iu" else a.astype(DOUBLE) for k, a in given.items()}
        found = by_reference(program, {**floats, **{k: np.array(v, DOUBLE) for k, v in scalars.items()}}, DOUBLE)
    return {k: a for k, a in found.items() if k not in scalars}


def _finite(a: np.ndarray) -> bool:
    return bool(np.isfinite(a.astype(DOUBLE)).all())
