"""Where each index letter runs, and whether what is read is there.

A letter's range is the size of an axis on which it stands alone, or what a reduction (or the left side) says.
Reading outside an axis drops the term of the innermost enclosing reduction; outside any reduction it is an
error, found here: every small combination of sizes and settings is tried, and a counterexample is shown.
(Whatever survives is proven again, exactly, when sizes are bound: bind.py.)
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import NoReturn

import numpy as np

from .digits import fits, largest, lettered, misfit
from .families import USUAL, Form, Outline, without
from .functions import Kind
from .index import Poly, related
from .lettered import filled
from .meant import bounded, chosen, line_of, own_letters, read_at
from .parse import outline as parse_outline
from .parse import parse
from .raw import UNKNOWN, Raw, RawLine
from .show import expression
from .single import idle, in_blocks, plain
from .slips import typed_first
from .source import PLAIN, Piece, complain_at, correct_at, mended, nearest
from .tree import (
    Call,
    Definition,
    Expr,
    Index,
    Line,
    Read,
    Reduce,
    Tensor,
    direct_reads,
    index_names,
    letters_of,
    rebuild,
    walk,
)


def define(text: str, form: Form = USUAL) -> Definition:
    """The definition that a text gives in one of its forms, with every letter's range found and every plain read proven inside."""
    return mended(text, lambda t: typed_first(t, lambda t: resolve(parse(t, form))), _proof)


def outline(text: str) -> Outline:
    """What a text leaves open: families of axes, and inputs that may be left out."""
    return mended(text, lambda t: typed_first(t, parse_outline), _proof)


def _proof(text: str) -> Definition:
    return typed_first(text, lambda t: resolve(parse(t)))


def resolve(raw: Raw) -> Definition:
    return _Resolver(raw).run()


def dropping(line: Line, axes: Mapping[str, tuple[Poly, ...]]) -> Expr:
    """The expression of a line; a term that is read at blocks of places is dropped where there is no such block."""
    spans = dict(zip(line.letters, line.ranges, strict=True))
    return Reduce(Kind.SUM, (), (), line.expr) if in_blocks(line.expr, spans, axes) else line.expr


class _Resolver:
    def __init__(self, raw: Raw):
        self.raw = raw
        self.source = raw.source
        self.left = {t.name: value for t, value in raw.left}
        self.axes = {t.name: t.axes for t in (*raw.inputs, *(t for t, _ in raw.left))}
        self.output_axes = {t.name: t.axes for t in raw.outputs}
        self.settings = dict(raw.settings)
        self.sizes: set[str] = {raw.sample_size} if self._has_samples() else set()
        for t in raw.inputs:
            for p in t.axes:
                if p.letter and p.letter not in self.settings:
                    self.sizes.add(p.letter)

    def _has_samples(self) -> bool:
        sample = self.raw.sample_size
        return any(sample in p.names for t in self.raw.inputs for p in t.axes)

    def run(self) -> Definition:
        raw = self.raw
        head = Piece(self.source.split("\n")[0], 1, 0)
        first = raw.lines[0].piece.line
        head = Piece("\n".join(self.source.split("\n")[: first - 1]), 1, 0)
        for t in raw.inputs + raw.outputs:
            for p in (*t.axes, *(t.whole or ())):
                for name in p.names - self.sizes - set(self.settings):
                    shown = "n" if name == raw.sample_size else name
                    complain_at(self.source, head, shown, f"size {shown!r} is on no input's axis", "sizes that an input's axis names, and settings")
        lines: list[Line] = []
        for line in raw.lines:
            if line.tensor in {x.tensor for x in lines} or line.tensor in {t.name for t in raw.inputs}:
                complain_at(self.source, line.piece, line.tensor, f"tensor {line.tensor!r} is defined twice", "each tensor defined once")
            lines.append(self.line(line))
        missing = [name for name in self.output_axes if name not in {x.tensor for x in lines}]
        if missing:
            complain_at(self.source, head, missing[0], f"output {missing[0]!r} has no formula", f"a line '{missing[0]}[…] = …'")
        d = Definition(raw.name, tuple(map(self.limited, raw.inputs)), raw.settings, raw.outputs, tuple(lines), raw.sample_size, self.source)
        d = replace(d, lines=tuple(replace(x, expr=dropping(x, d.axes)) for x in d.lines))
        self.prove_reads(d)
        return d

    def limited(self, t: Tensor) -> Tensor:
        """An input of whole numbers with the sizes of all axes that are read at it."""
        if t.whole is None:
            return t
        used = (self.axes[table][axis] for name, table, axis in self.raw.lookups if name == t.name)
        return replace(t, whole=tuple(dict.fromkeys((*t.whole, *used))))

    def line(self, line: RawLine) -> Line:
        declared = self.output_axes.get(line.tensor)
        self.raw_line = line
        for node in walk(line.expr):
            if isinstance(node, Call) and node.fn == "@":
                self.correct(line, "@", "'@' is not in the language: say which letters are summed")
        index = tuple(map(Poly.name, line.letters)) if line.target is None else line.target
        if declared is not None and len(declared) != len(index):
            problem = f"{line.tensor!r} has {len(declared)} axes in the header and {len(index)} here"
            if not index:
                self.correct(line, line.tensor, problem)
            complain_at(self.source, line.piece, line.tensor, problem, "one letter for each axis")
        outer: dict[str, Poly] = {k: v.subs({"n": Poly.name(self.raw.sample_size)}) for k, v in line.explicit.items()}
        self.free = self.stated = set(outer)
        for p, size in zip(index, declared or (), strict=declared is not None):
            if p.letter:
                self.agree(line.piece, p.letter, outer, size)
        sizes = self.tiled_sizes(line, index, declared, outer)
        rough = self.tiles(line, index, sizes, outer)
        scope = set(line.letters)
        self.stated = set(outer)
        self.check_names(line.expr, line.piece, scope)
        for letter, size, read in self.alone(line.expr, scope):
            self.agree(line.piece, letter, outer, size, read)
        outer = rough | outer
        for letter in line.letters:
            if letter not in outer:
                complain_at(
                    self.source,
                    line.piece,
                    letter,
                    f"index letter {letter!r} has no range",
                    f"{letter!r} alone on an axis of known size, or '{letter}:size' on the left",
                )
        self.around = outer
        full = self.reductions(line.expr, line.piece, scope)
        nothing = idle(full, outer, self.axes)
        if nothing is not None and not self.raw.empty:
            self.correct(line, nothing.kind.value, f"{nothing.kind.value!r} without letters is a single term: nothing is left to reduce")
        expr = plain(without(full, self.left), outer, self.axes)  # letters keep the ranges that its axes give them
        self.known(line, expr, outer)
        for p, axis in zip(index, sizes, strict=True):
            within = {x: outer[x] for x in line.letters if x in p.names}
            wrong = misfit(p, axis, within) if not p.letter else None
            if wrong:
                complain_at(self.source, line.piece, line.tensor, wrong, "letters whose ranges multiply to the axis, as in 'g*P+q' with q below P")
        made = Line(line.tensor, line.letters, tuple(outer[x] for x in line.letters), expr, line.target)
        for p, axis, met in zip(index, sizes, made.axes, strict=True):
            if declared is None and axis is not None and met != axis:
                problem = f"{p} meets {met} places, not {axis}"
                complain_at(self.source, line.piece, line.tensor, problem, f"'{p}:{met}'")
        self.axes[line.tensor] = made.axes if declared is None else declared
        return made

    def known(self, line: RawLine, expr: Expr, outer: Mapping[str, Poly]) -> None:
        """No letter runs over a size that only an input says which is left out."""
        inner = [(x, r) for node in walk(expr) if isinstance(node, Reduce) for x, r in zip(node.letters, node.ranges, strict=True)]
        for letter, size in (*((x, outer[x]) for x in line.letters), *inner):
            for name in sorted(size.names - self.sizes - self.settings.keys()):
                owner = next(t.name for t, _ in self.raw.left if any(name in p.names for p in t.axes))
                problem = f"{letter!r} runs over {name!r}, the size of {owner!r} alone, which is left out"
                complain_at(self.source, line.piece, letter, problem, f"{owner!r} given, or a size that another input has")

    def tiled_sizes(
        self, line: RawLine, index: tuple[Poly, ...], declared: tuple[Poly, ...] | None, outer: dict[str, Poly]
    ) -> tuple[Poly | None, ...]:
        """The sizes of the axes where the header or the index itself says them."""
        found = []
        for p, axis in zip(index, declared or (None,) * len(index), strict=True):
            stated = outer.pop(str(p), None) if p.letter is None else None
            if stated is not None and axis is not None and stated != axis:
                complain_at(self.source, line.piece, line.tensor, f"{p} has two sizes: {stated} and {axis} in the header", "one size for an axis")
            found.append(stated if stated is not None else axis)
        return tuple(found)

    def tiles(self, line: RawLine, index: tuple[Poly, ...], sizes: tuple[Poly | None, ...], outer: dict[str, Poly]) -> dict[str, Poly]:
        """Give the letters of indices that tile an axis the ranges that the index says; what it says roughly is returned."""
        found: dict[str, Poly] = {}
        for p, axis in zip(index, sizes, strict=True):
            if p.letter:
                continue
            said = lettered(p, [x for x in line.letters if x in p.names], axis)
            if said is None:
                complain_at(
                    self.source, line.piece, line.tensor, f"{p} tiles no axis of {line.tensor!r}", "letters alone, or as in 'g*P+q' with q below P"
                )
            exact, rough = said
            outer |= {x: r for x, r in exact.items() if x not in outer}
            self.free = self.free | exact.keys()
            found |= rough
        return found

    def agree(self, piece: Piece, letter: str, known: dict[str, Poly], size: Poly, read: Read | None = None) -> None:
        old = known.setdefault(letter, size)
        promised = letter not in self.stated or bool(old.names & self.sizes and not related(old, size))
        if old != size and not (read and letter in self.free) and (read is None or promised):
            where = f" on an axis of {read.tensor!r}" if read else " in the header"
            complain_at(self.source, piece, letter, f"index letter {letter!r} has two ranges: {old} and {size}{where}", "one range for a letter")

    def alone(self, e: Expr, wanted: set[str]) -> list[tuple[str, Poly, Read]]:
        """(letter, axis size, read) wherever a wanted letter stands alone and is not bound below."""
        found = []
        if isinstance(e, Read):
            for p, size in zip(e.index, self.axes[e.tensor], strict=True):
                if p.letter in wanted:
                    found.append((p.letter, size, e))
        elif isinstance(e, Reduce):
            found += self.alone(e.body, wanted - set(e.letters))
        elif isinstance(e, Call):
            for a in e.args:
                found += self.alone(a, wanted)
        return found

    def reductions(self, e: Expr, piece: Piece, scope: set[str]) -> Expr:
        """Give the letters of reductions their ranges."""
        sample = {"n": Poly.name(self.raw.sample_size)}
        if not isinstance(e, Reduce):
            return rebuild(e, lambda a: self.reductions(a, piece, scope))
        known: dict[str, Poly] = {}
        for letter, size in zip(e.letters, e.ranges, strict=True):
            if size != UNKNOWN:
                known[letter] = size.subs(sample)
                for name in size.names - {"n"} - self.sizes - set(self.settings):
                    if name in scope | set(e.letters) - {letter}:
                        problem = f"the range of {letter!r} depends on the letter {name!r}"
                        most = largest(size, {**self.around, **known})
                        meant = bounded(self.raw_line.expr, letter, size, most if most and self.fixed(most) else None)
                        if meant is None or self.raw.families:
                            complain_at(self.source, piece, name, problem, "a size, a setting or a whole number")
                        correct_at(self.source, piece, name, problem, self.text(self.raw_line, meant))
                    complain_at(self.source, piece, name, f"unknown size {name!r}", "a size of an input's axis, a setting or a whole number")
        self.free = self.stated = set(known)
        for letter, size, read in self.alone(e.body, set(e.letters)):
            self.agree(piece, letter, known, size, read)
        for letter in e.letters:
            if letter == "n" and self._has_samples():
                self.agree(piece, letter, known, Poly.name(self.raw.sample_size))
            if letter not in known:
                complain_at(
                    self.source,
                    piece,
                    letter,
                    f"index letter {letter!r} has no range",
                    f"{letter!r} alone on an axis of known size, or '{e.kind}[{letter}:size]'",
                )
        self.around = {**self.around, **known}
        body = self.reductions(e.body, piece, scope | set(e.letters))
        return Reduce(e.kind, e.letters, tuple(known[x] for x in e.letters), body)

    def check_names(self, e: Expr, piece: Piece, scope: set[str]) -> None:
        """Every name is a letter in scope, a size or a setting; every read has the tensor's number of axes."""
        if isinstance(e, Reduce):
            for letter in e.letters:
                if letter in scope:
                    self.twice(piece, letter, e.kind)
            return self.check_names(e.body, piece, scope | set(e.letters))
        polys = e.index if isinstance(e, Read) else (e.expr,) if isinstance(e, Index) else ()
        if isinstance(e, Read):
            if e.tensor not in self.axes:
                complain_at(
                    self.source, piece, e.tensor, f"tensor {e.tensor!r} is read before it is defined", "a tensor of an earlier line or an input"
                )
            if len(e.index) != len(self.axes[e.tensor]):
                problem = f"{e.tensor!r} has {len(self.axes[e.tensor])} axes, here are {len(e.index)}"
                if not e.index:
                    self.correct(self.raw_line, e.tensor, problem)
                complain_at(self.source, piece, e.tensor, problem, "one index for each axis")
        for p in polys:
            for name in sorted(p.names - scope - self.sizes - set(self.settings)):
                known = sorted(scope | self.sizes | set(self.settings) | set(self.axes))
                kind = "size" if name[0].isupper() else "letter or name"
                if name in self.lost():
                    self.correct(self.raw_line, name, f"index letter {name!r} stands under no sum, nor on the left")
                complain_at(
                    self.source,
                    piece,
                    name,
                    f"unknown {kind} {name!r}",
                    nearest(name, known) + "a letter of the left side or of a reduction around it, a size, a setting or a tensor",
                )
        if isinstance(e, Call):
            for a in e.args:
                self.check_names(a, piece, scope)
        return None

    def twice(self, piece: Piece, letter: str, kind: Kind) -> NoReturn:
        """A letter that is bound again inside its own range."""
        problem = f"index letter {letter!r} is in use around this {kind.value}"
        line = self.raw_line
        inner = [r for e in walk(line.expr) if isinstance(e, Reduce) and letter in e.letters for r in e.ranges]
        if self.raw.families or not all(r == UNKNOWN or self.fixed(r) for r in inner):
            complain_at(self.source, piece, letter, problem, "another letter")
        used = {*self.sizes, *self.settings, *self.axes, *self.output_axes, *line.letters, *index_names(line.expr), *letters_of(line.expr)}
        correct_at(self.source, piece, letter, problem, self.text(line, own_letters(line.expr, set(line.letters), used)))

    def fixed(self, size: Poly) -> bool:
        """Whether a size is one, and depends on no letter."""
        return size.names <= {*self.sizes, *self.settings, "n"}

    def lost(self) -> list[str]:
        """Letters that stand alone on axes of what is read, and come from nowhere."""
        known = set(self.raw_line.letters) | self.sizes | set(self.settings)
        return [x for x in read_at(self.raw_line.expr) if x not in known and x[0].islower() and len(x) <= 2]

    def correct(self, line: RawLine, needle: str, problem: str) -> NoReturn:
        """Fail with the line that has the letters which its author left out."""
        taken = self.sizes | set(self.settings) | set(self.axes) | set(self.output_axes)
        found = filled(line.tensor, line.letters, line.expr, self.axes | self.output_axes, self.raw.sample_size, taken)
        if found is None or self.raw.families:
            complain_at(self.source, line.piece, needle, problem, PLAIN)
        correct_at(self.source, line.piece, needle, problem, self.text(replace(line, letters=found[0]), found[1]))

    def chosen(self, line: RawLine, read: Read, problem: str) -> None:
        """Fail with the line in which a branch of a choice may read outside."""
        meant = chosen(line.expr, read)
        if meant != line.expr and not self.raw.families:
            correct_at(self.source, line.piece, read.tensor, problem, self.text(line, meant))

    def text(self, line: RawLine, expr: Expr) -> str:
        """A line with another right side."""
        return line_of(line.tensor, line.letters, line.explicit, expr, self.axes | self.output_axes)

    def prove_reads(self, d: Definition) -> None:
        for line, raw in zip(d.lines, self.raw.lines, strict=True):
            ranges = dict(zip(line.letters, line.ranges, strict=True))
            for read in direct_reads(line.expr):
                for p, size in zip(read.index, d.axes[read.tensor], strict=True):
                    witness = None if fits(p, size, ranges, d.facts) else outside(d, p, size, ranges)
                    if witness:
                        self.chosen(raw, read, f"reads outside {read.tensor!r}: a branch that is not taken is computed, too")
                        kept = expression(Reduce(Kind.SUM, (), (), read), d.axes)
                        complain_at(
                            self.source, raw.piece, read.tensor,
                            f"reads outside {read.tensor!r}: index {p} leaves an axis of {size} ({witness})",
                            f"an index inside the axis, or the read inside a reduction, where reading outside drops the term: '{kept}'",
                        )  # fmt: skip


SMALL_SIZES = (1, 2, 3, 5, 8)
MOST_TRIALS, MOST_PLACES = 1000, 4096


def outside(d: Definition, p: Poly, size: Poly, ranges: dict[str, Poly]) -> str | None:
    """A small example in which index p leaves [0, size), in words, or None where none was found."""
    settings = dict(d.settings)
    reached = names_behind(p, ranges)
    # Sizes that have nothing to do with each other may be anything: whether the end is inside is proven when they are known.
    open_end = bool(size.names - settings.keys()) and not reached & size.names
    involved = reached | size.names
    letters = sorted(n for n in p.names if n in ranges)
    names = sorted(involved)
    axis_names = set().union(*(q.names for t in d.inputs for q in t.axes)) if d.inputs else set()
    choices = [SMALL_SIZES if n in axis_names and n not in settings else _near(settings[n]) if n in settings else SMALL_SIZES for n in names]
    for values in itertools.islice(itertools.product(*choices), MOST_TRIALS):
        env: dict[str, object] = dict(zip(names, values, strict=True))
        try:
            widths = [int(ranges[x].evaluate(env)) for x in letters]  # type: ignore[call-overload]  # whole numbers give whole numbers
            limit = int(size.evaluate(env))  # type: ignore[call-overload]  # whole numbers give whole numbers
            if limit <= 0 or any(w <= 0 for w in widths):
                continue
            if math.prod(widths) > MOST_PLACES or p.magnitude(_spans(env, dict(zip(letters, widths, strict=True)))) >= 1 << 62:
                low, high = p.subs(env).interval({x: (0, w - 1) for x, w in zip(letters, widths, strict=True)})  # type: ignore[arg-type]  # env holds whole numbers
                found: np.ndarray = np.array([low, high], object)
            else:
                found = np.asarray(p.evaluate(env | dict(zip(letters, np.indices(widths), strict=True))))
        except ZeroDivisionError:
            continue
        wrong = found[(found < 0) | ((found >= limit) & (not open_end))]
        if wrong.size:
            chosen = ", ".join(f"{k}={v}" for k, v in env.items())
            return f"with {chosen or 'any sizes'} it reads place {wrong.flat[0]} of {limit}"
    return None


def names_behind(p: Poly, ranges: Mapping[str, Poly]) -> set[str]:
    """The sizes and settings on which the values of an index depend."""
    found: set[str] = set()
    todo = set(p.names)
    while todo:
        name = todo.pop()
        if name in ranges:
            todo |= ranges[name].names
        else:
            found.add(name)
    return found


def _spans(env: dict[str, object], widths: dict[str, int]) -> dict[str, tuple[int, int]]:
    """Smallest and largest value of every name."""
    return {k: (int(v), int(v)) for k, v in env.items()} | {x: (0, w - 1) for x, w in widths.items()}  # type: ignore[call-overload]  # env holds whole numbers


def _near(default: int | float) -> tuple[int, ...]:
    """Values tried for a setting: its default and some above it (a stride of 1 is never 0)."""
    k = int(default)
    return (k, k + 1, k + 2) if k < 2 else (k, k - 1, k + 1, k + 2)
