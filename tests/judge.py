"""What every formula must keep, whoever wrote it: both engines and the plain evaluator agree, and the calculus is right."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from chainrule import ChainruleError, Op, ShapeError
from chainrule.language.index import Poly
from chainrule.language.lookups import element
from chainrule.language.ranges import define
from chainrule.language.show import definition_text
from chainrule.language.tree import Definition, Expr, Reduce, rebuild, subs
from tests.maker import Formula, sizes_of, work
from tests.plain import evaluate
from tests.rounding import SLACK, numbers_with_errors

UNITS = {np.dtype(np.float64): 2.0**-53, np.dtype(np.float32): 2.0**-24}
PLAIN_WORK = 12000  # above this the plain evaluator is left out and the engines are held against each other alone
STEP = 1e-40

Arrays = Mapping[str, np.ndarray]


class Wrong(AssertionError):
    """A formula failed: which check, and how."""

    def __init__(self, kind: str, detail: str):
        super().__init__(f"{kind}: {detail}")
        self.kind, self.detail = kind, detail


@dataclass(frozen=True)
class Truth:
    """What the plain evaluator found: values, and how far a right answer may be from them (inf: undecided)."""

    values: dict[str, np.ndarray]
    errors: dict[str, np.ndarray]


def truth(d: Definition, arrays: Arrays, settings: Mapping[str, int | float], dtype: np.dtype) -> Truth:
    found = evaluate(d, arrays, settings, numbers_with_errors(UNITS[dtype]))
    values, errors = {}, {}
    for t in d.outputs:
        pairs = found[t.name]
        values[t.name] = np.array([float(v) for v, _ in pairs.reshape(-1)]).reshape(pairs.shape)
        errors[t.name] = np.array([e for _, e in pairs.reshape(-1)], float).reshape(pairs.shape)
    return Truth(values, errors)


def run(
    op: Op, arrays: Arrays, settings: Mapping[str, int | float], engine: str, threads: int | None = None, kind: str = ""
) -> dict[str, np.ndarray]:
    try:
        return {k: np.asarray(v) for k, v in op.evaluate(arrays, settings, engine, threads).items()}
    except Exception as e:
        raise Wrong(f"{engine} {kind} raises {type(e).__name__}", str(e)) from e


def close(kind: str, got: np.ndarray, want: np.ndarray, error: np.ndarray, unit: float) -> None:
    """Every element within its error; NaN and infinities where they belong."""
    if got.shape != want.shape:
        raise Wrong(kind, f"shape {got.shape}, not {want.shape}")
    sure = error < math.inf
    with np.errstate(all="ignore"):
        same = (got == want) | (np.isnan(got) & np.isnan(want))
        gap = np.abs(got.astype(float) - want)
        bad = sure & ~same & ~(gap <= SLACK * unit * error)
    if bad.any():
        at = tuple(int(k) for k in np.argwhere(bad)[0])
        raise Wrong(kind, f"{bad.sum()} of {bad.size} places; at {list(at)}: {got[at]!r}, not {want[at]!r} (± {SLACK * unit * error[at]:.2g})")


def agree(
    kind: str, op: Op, arrays: Arrays, settings: Mapping[str, int | float], dtype: np.dtype, threads: int | None = None, plain: bool = True
) -> Truth:
    """Native, reference and plain compute the same; gives the truth (by the reference where plain would take too long)."""
    reference = run(op, arrays, settings, "reference", kind=kind)
    native = run(op, arrays, settings, "native", kind=kind)
    if plain:
        known = truth(op.definition, arrays, settings, dtype)
    else:
        room = 1e5 if dtype == np.float64 else 1e3  # no error is known here: whole terms are looked for, not digits
        if any(a.dtype.kind == "f" and not np.all(np.abs(a) < 1e6) for a in arrays.values()):
            room = math.inf
        errors = {k: np.full(v.shape, room * max(1.0, float(np.max(np.abs(v), initial=0, where=np.isfinite(v))))) for k, v in reference.items()}
        known = Truth({k: v.astype(float) for k, v in reference.items()}, errors)
    for name, want in known.values.items():
        close(f"reference {kind}", reference[name], want, known.errors[name], UNITS[dtype])
        close(f"native {kind}", native[name], want, known.errors[name], UNITS[dtype])
    return known


def alike(d: Definition) -> Definition:
    """The definition with one name for the letter that z[n, t[n]] looks t[n] up with, which its text does not say."""

    def renamed(e: Expr) -> Expr:
        if isinstance(e, Reduce) and element(e, d.axes):
            new = {x: Poly.name(f"at{k}") for k, x in enumerate(e.letters)}
            e = Reduce(e.kind, tuple(map(str, new.values())), e.ranges, subs(e.body, new))
        return rebuild(e, renamed)

    return d.with_lines(lines=tuple(replace(x, expr=renamed(x.expr)) for x in d.lines))


def reads_back(op: Op) -> None:
    text = definition_text(op.definition)
    try:
        again = define(text)
    except ChainruleError as e:
        raise Wrong("round trip", f"{text}\n{e}") from e
    if alike(again) != alike(op.definition):
        raise Wrong("round trip", text)


def small(d: Definition, f: Formula, samples: int) -> bool:
    sizes: dict[str, int | float] = {**dict(d.settings), **sizes_of(f, samples), d.sample_size: samples}
    return work(d, sizes) <= PLAIN_WORK


@dataclass(frozen=True)
class Judge:
    """All checks of one formula at one number of samples, in one precision."""

    f: Formula
    samples: int
    dtype: np.dtype

    def forward(self) -> tuple[Op, Arrays, Truth]:
        op = Op.of(self.f.definition)
        arrays = self.f.arrays(self.samples, self.dtype.type)
        return op, arrays, agree("forward", op, arrays, self.f.settings, self.dtype, plain=small(op.definition, self.f, self.samples))

    def moving(self, op: Op, some: bool) -> tuple[str, ...]:
        rng = np.random.default_rng(self.f.seed)
        floats = [t.name for t in op.definition.inputs if t.name not in self.f.whole]
        return tuple(k for k in floats if not some or rng.random() < 0.5) or tuple(floats[:1])

    def drawn(self, shapes: Mapping[str, tuple[int, ...]], seed: int) -> Arrays:
        rng = np.random.default_rng([self.f.seed, self.samples, seed])
        whole = self.f.data == "integers"
        return {k: np.asarray(rng.integers(-3, 4, s) if whole else np.round(rng.normal(size=s), 4)).astype(self.dtype) for k, s in shapes.items()}

    def derivatives(self, op: Op, arrays: Arrays, known: Truth, some: bool, second: bool) -> None:
        f, wrt = self.f, self.moving(op, some)
        if not wrt:
            return
        try:
            gradient, tangent = op.gradient(wrt), op.tangent(wrt)
        except Exception as e:
            raise Wrong(f"calculus raises {type(e).__name__}", str(e)) from e
        back, ahead = Op.of(gradient.definition), Op.of(tangent.definition)
        reads_back(back)
        reads_back(ahead)
        dy = self.drawn({k: v.shape for k, v in known.values.items()}, 1)
        dx = self.drawn({k: arrays[k].shape for k in wrt}, 2)
        down = arrays | {gradient.seed[k]: v for k, v in dy.items()}
        over = arrays | {tangent.seed[k]: v for k, v in dx.items()}
        easy = all(small(d.definition, f, self.samples) for d in (back, ahead))
        grads = agree("gradient", back, down, f.settings, self.dtype, plain=easy)
        moves = agree("tangent", ahead, over, f.settings, self.dtype, plain=easy)
        if easy:
            self.transposed([(v, moves, tangent.of[k]) for k, v in dy.items()], [(v, grads, gradient.of[k]) for k, v in dx.items()])
        if self.dtype == np.float64 and f.data == "normal":
            self.stepped(op, arrays, dx, known, Truth({k: moves.values[tangent.of[k]] for k in dy}, {k: moves.errors[tangent.of[k]] for k in dy}))
        if second and len(str(back)) < 700:
            self.second(back, down, grads)

    def transposed(self, left: list, right: list) -> None:
        """<dy, J dx> = <J' dy, dx>."""
        sums, slack = [], 0.0
        for side in (left, right):
            total = 0.0
            for v, known, name in side:
                with np.errstate(all="ignore"):
                    product, error = known.values[name] * v, np.abs(v) * known.errors[name] + 4 * np.abs(known.values[name] * v)
                    total += float(np.sum(product))
                    slack += float(np.sum(np.where(v == 0, 0, error)))
                if sums and not np.isnan(sums[0]) and np.isnan(known.values[name]).any() and self.f.data == "normal":
                    raise Wrong("transpose", f"forward {sums[0]!r}, reverse NaN")
            sums.append(total)
        if math.isfinite(slack) and all(map(math.isfinite, sums)) and abs(sums[0] - sums[1]) > 4 * SLACK * UNITS[self.dtype] * slack:
            raise Wrong("transpose", f"forward {sums[0]!r}, reverse {sums[1]!r} (± {4 * SLACK * UNITS[self.dtype] * slack:.2g})")

    def stepped(self, op: Op, arrays: Arrays, dx: Arrays, known: Truth, moves: Truth) -> None:
        """Forward mode against a complex step (away from kinks: the data are no round numbers)."""
        found = run(op, {k: v + 1j * STEP * dx[k] if k in dx else v for k, v in arrays.items()}, self.f.settings, "reference", kind="complex step")
        for name, z in found.items():
            with np.errstate(all="ignore"):
                got, want = moves.values[name], np.imag(z) / STEP
                sure = np.isfinite(want) & ((moves.errors[name] < math.inf) | np.isnan(got))
                # Where a complex number went past a NaN of the real ones (the root of -1), nothing follows.
                sure &= np.isfinite(known.values[name]) & (np.abs(np.real(z) - known.values[name]) <= 1e-9 * np.abs(known.values[name]))
                bound = (
                    100 * SLACK * 2.0**-53 * moves.errors[name] + 1e-11 * np.abs(want) + 1e-13 * float(np.max(np.abs(want), where=sure, initial=0))
                )
                bad = sure & ~(np.abs(want - got) <= np.nan_to_num(bound))
            if bad.any():
                at = tuple(int(k) for k in np.argwhere(bad)[0])
                raise Wrong("complex step", f"{bad.sum()} of {bad.size} places; {name}{list(at)}: tangent {got[at]!r}, step {want[at]!r}")

    def second(self, back: Op, arrays: Arrays, grads: Truth) -> None:
        wrt = tuple(t.name for t in back.definition.inputs if t.name not in self.f.whole)
        try:
            gradient = back.gradient(wrt)
        except Exception as e:
            raise Wrong(f"calculus of the gradient raises {type(e).__name__}", str(e)) from e
        twice = Op.of(gradient.definition)
        if len(str(twice)) > 2500:
            return
        reads_back(twice)
        dy = self.drawn({k: v.shape for k, v in grads.values.items()}, 3)
        every = arrays | {gradient.seed[k]: v for k, v in dy.items()}
        agree("second derivative", twice, every, self.f.settings, self.dtype, plain=small(twice.definition, self.f, self.samples))

    def threads(self, op: Op, arrays: Arrays) -> None:
        """The same bits on any number of threads."""
        first = run(op, arrays, self.f.settings, "native", 1)
        for count in (2, 3, 4):
            for name, v in run(op, arrays, self.f.settings, "native", count).items():
                if v.tobytes() != first[name].tobytes():
                    raise Wrong("threads", f"{name} on {count} threads has other bits than on one")


def examine(f: Formula, parallel: bool = True) -> bool:
    """Every check that fits the seed; raises Wrong. False where the sizes do not fit the formula."""
    op = Op.of(f.definition)
    reads_back(op)
    for k, samples in enumerate(f.samples):
        judge = Judge(f, samples, np.dtype(np.float32 if f.seed % 4 == 3 else np.float64))
        try:
            op, arrays, known = judge.forward()
        except Wrong as e:
            if isinstance(e.__cause__, ShapeError):
                return False  # reads outside at these sizes, or an axis with no place
            raise
        if k == 0 or f.seed % 2:
            judge.derivatives(op, arrays, known, f.seed % 3 == 1, f.seed % 5 == 2)
        if parallel and (k == 0 and f.seed % 7 == 0):
            judge.threads(op, arrays)
    return True
