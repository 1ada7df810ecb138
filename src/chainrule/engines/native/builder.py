"""Nodes appended to nested blocks, with a memory of what was computed in which scope; and index expressions as instructions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ...language.index import Poly, Quotient
from ..number import ADDRESS, BIT, I64, Number, Type
from .effort import strip
from .nest import Block, If, Ins, Loop, Node, Note, Op, Operand, Over, Step, Var, type_of


@dataclass(frozen=True)
class Place:
    """Where an index letter stands: a run-time value (or none) plus a constant, and the range of the sum."""

    value: Var | None
    const: int
    lo: int
    hi: int

    @staticmethod
    def at(value: int) -> Place:
        return Place(None, value, value, value)

    def shifted(self, k: int) -> Place:
        return Place(self.value, self.const + k, self.lo + k, self.hi + k) if k else self


Env = dict[str, Place]
Affine = tuple[tuple[tuple[Var, int], ...], int]  # ((run-time value, coefficient), …), constant


class Builder:
    """One function under construction."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.entry: list[Ins] = []
        self.known: dict[object, Var] = {}  # what was computed in the scopes around this place
        self.added: list[list[object]] = [[]]  # by scope: what is known since it began
        self.everywhere: dict[object, Var] = {}  # what was computed at the entry
        self.count = 0

    # Instructions --------------------------------------------------------------------------------------------------

    def new(self, type: Type) -> Var:
        self.count += 1
        return Var(f"t{self.count}", type)

    def value(self, op: Op, type: Type, *args: Operand, how: object = None) -> Var:
        """A new value."""
        self.count += 1
        out = Var(f"t{self.count}", type)
        self.nodes.append(Ins(op, out, args, how))
        return out

    def act(self, op: Op, *args: Operand, how: object = None) -> None:
        """An instruction without a value."""
        self.nodes.append(Ins(op, None, args, how))

    def once(self, key: object, make: Callable[[], Var]) -> Var:
        """The value remembered under key in a scope around this place, else made and remembered here."""
        found = self.known.get(key)
        if found is None:
            found = make()
            self.remember(key, found)
        return found

    def pure(self, op: Op, type: Type, *args: Operand, how: object = None) -> Var:
        """A value without side effects: the same instruction in the same scope is the same value."""
        key = (op, type, args, how)
        found = self.known.get(key)
        if found is None:
            found = self.value(op, type, *args, how=how)
            self.remember(key, found)
        return found

    def remember(self, key: object, value: Var) -> None:
        self.known[key] = value
        self.added[-1].append(key)

    def scoped(self, body: Callable[[], None]) -> None:
        """body(); what it computes is forgotten behind it."""
        self.added.append([])
        body()
        for key in self.added.pop():
            del self.known[key]

    def slot(self, type: Type) -> Var:
        """Room for a value, aligned to itself."""
        out = self.new(ADDRESS)
        self.entry.append(Ins(Op.SLOT, out, (), type))
        return out

    def load(self, type: Type, at: Operand, align: int) -> Var:
        return self.value(Op.LOAD, type, at, how=align)

    def store(self, value: Operand, at: Operand, align: int) -> None:
        self.act(Op.STORE, value, at, how=align)

    def get(self, slot: Var, type: Type) -> Var:
        return self.load(type, slot, type.lanes * type.number.bytes)

    def put(self, slot: Var, value: Operand) -> None:
        type = type_of(value)
        self.store(value, slot, type.lanes * type.number.bytes)

    def compare(self, how: str, a: Operand, b: Operand) -> Var:
        """A flag, known already where the same was asked in this scope."""
        return self.pure(Op.COMPARE, BIT, a, b, how=how)

    def at_entry(self, key: object, make: Callable[[], Var]) -> Var:
        """The value remembered under key, which stands at the function's entry and is known everywhere."""
        if key not in self.everywhere:
            kept = self.nodes, self.known, self.added
            self.nodes, self.known, self.added = [], self.everywhere, [[]]
            self.everywhere[key] = make()
            self.entry += [n for n in self.nodes if isinstance(n, Ins)]
            self.nodes, self.known, self.added = kept
        return self.everywhere[key]

    # Blocks ----------------------------------------------------------------------------------------------------------

    def block(self, body: Callable[[], None], scope: bool = True) -> Block:
        """The nodes that body() makes."""
        kept, self.nodes = self.nodes, []
        if scope:
            self.scoped(body)
        else:
            body()
        made, self.nodes = tuple(self.nodes), kept
        return made

    def note(self, words: str) -> None:
        self.nodes.append(Note(words))

    def step(self, words: str, body: Callable[[], None], at: bool = False) -> None:
        """Instructions under what they are for."""
        self.nodes.append(Step(words, self.block(body, scope=False), at))

    def over(self, letter: str, extent: str, step: int, words: tuple[str, ...], body: Callable[[], None]) -> None:
        """The pieces in which a letter's values are gone through."""
        self.nodes.append(Over(letter, extent, step, words, self.block(body, scope=False)))

    def when(self, flags: list[Var], words: tuple[str, ...], body: Callable[[], None]) -> None:
        """body() where all flags are set."""
        if not flags:
            return body()
        both = flags[0]
        for c in flags[1:]:
            both = self.value(Op.AND, BIT, both, c)
        self.nodes.append(If(both, self.block(body), words))
        return None

    def loop(
        self, letter: str, start: Operand, stop: Operand, step: int, lo: int, hi: int, body: Callable[[Place], None], sure: bool, work: int = 0
    ) -> None:
        """body(place) for start, start+step, … below stop; `sure` says that it runs at least once.

        work: operations in one iteration, roughly. A long loop looks up now and then whether the run is over.
        """
        if isinstance(start, int) and isinstance(stop, int):
            if start >= stop:
                return
            if start + step >= stop:
                self.step(f"{letter} = {start}", lambda: body(Place.at(start)), at=True)
                return
            sure = True
        looks = strip(work, (hi - lo) // step + 1)
        if looks > 1:  # strips of so many iterations, themselves without a look

            def short(p: Place) -> None:
                assert p.value is not None
                end = self.pure(Op.LEAST, I64, self.pure(Op.ADD, I64, p.value, step * looks), stop)
                self.loop(letter, p.value, end, step, lo, hi, body, sure=True)

            self.loop(letter + "*", start, stop, step * looks, lo, hi, short, sure, work * looks)
            return
        self.count += 1
        var = Var(f"i{self.count}", I64)
        self.nodes.append(Loop(var, start, stop, step, self.block(lambda: body(Place(var, 0, lo, hi))), sure, looks, letter))

    def in_blocks(self, letter, start, stop, lo, hi, body, sure, work, around) -> None:  # type: ignore[no-untyped-def]  # the arguments of loop()
        """A loop, cut into blocks of so many steps where `around` says so."""
        if around is None:
            self.loop(letter, start, stop, 1, lo, hi, body, sure=sure, work=work)
            return
        size, block = around

        def one(p: Place) -> None:
            begin = p.const if p.value is None else p.value
            end = self.pure(Op.LEAST, I64, self.pure(Op.ADD, I64, begin, size), stop)
            block(lambda: self.loop(letter, begin, end, 1, lo, hi, body, sure=True, work=work))

        self.loop(letter + "*", start, stop, size, lo, hi, one, sure=sure, work=work * size)

    # Index expressions -------------------------------------------------------------------------------------------

    def floor_div(self, x: Operand, d: int) -> Var:
        if d & (d - 1) == 0:
            return self.pure(Op.SHIFT_RIGHT, I64, x, d.bit_length() - 1)
        return self.pure(Op.FLOOR_DIV, I64, x, d)

    def tightest(self, bounds: list[Operand], op: Op) -> Operand:
        """The largest of lower bounds (MOST), or the smallest of upper ones (LEAST)."""
        numbers = [b for b in bounds if isinstance(b, int)]
        out: Operand = max(numbers) if op is Op.MOST else min(numbers)
        for b in dict.fromkeys(b for b in bounds if not isinstance(b, int)):
            out = self.pure(op, I64, b, out)
        return out

    def affine(self, p: Poly, env: Env) -> Affine:
        """A linear combination of run-time values; quotients become run-time values of their own."""
        terms: dict[Var, int] = {}
        const = 0
        for m, c in p.terms.items():
            if not m:
                const += int(c)
                continue
            if len(m) == 1 and isinstance(m[0], str):
                place = env[m[0]]
                const += int(c) * place.const
                value = place.value
            else:
                value, constant = self.product(m, env)
                const += int(c) * constant
            if value is not None:
                terms[value] = terms.get(value, 0) + int(c)
        return tuple((s, c) for s, c in terms.items() if c), const

    def product(self, m: tuple[object, ...], env: Env) -> tuple[Var | None, int]:
        """A monomial that is not just a letter, as (run-time value or None, constant)."""
        known = 1
        out: Var | None = None
        for atom in m:
            if isinstance(atom, Quotient):
                lo, hi = Poly({(atom,): 1}).interval(ranges(env))
                if lo == hi:
                    known *= lo
                    continue
                value: Operand = self.quotient(atom, env)
            else:
                place = env[str(atom)]
                if place.value is None:
                    known *= place.const
                    continue
                value = self.sum(Poly.name(str(atom)), env)
            assert isinstance(value, Var)
            out = value if out is None else self.pure(Op.MUL, I64, out, value)
        if known == 0 or out is None:
            return None, known
        return (out if known == 1 else self.pure(Op.MUL, I64, out, known)), 0

    def quotient(self, q: Quotient, env: Env) -> Var:
        """floor division or remainder, exact for negative numerators too."""
        den = q.den.constant
        positive = den is not None and den > 0
        args = self.sum(q.num, env), int(den) if positive and den is not None else self.sum(q.den, env)
        if positive and q.num.interval(ranges(env))[0] >= 0:
            return self.pure(Op.PLAIN_REM if q.remainder else Op.PLAIN_DIV, I64, *args)
        return self.pure(Op.FLOOR_REM if q.remainder else Op.FLOOR_DIV, I64, *args)

    def sum(self, p: Poly, env: Env) -> Operand:
        """The value of an index expression."""
        return self.total(self.affine(p, env))

    def total(self, a: Affine) -> Operand:
        terms, const = a
        out: Var | None = None
        for value, c in terms:
            part = value if c == 1 else self.pure(Op.MUL, I64, value, c)
            out = part if out is None else self.pure(Op.ADD, I64, out, part)
        if out is None:
            return const
        return out if const == 0 else self.pure(Op.ADD, I64, out, const)

    def pointer(self, base: Var, number: Number, a: Affine, unit: int) -> Var:
        """Address of element a (in units of `unit` numbers) of base."""
        terms, const = a
        at = base
        for value, c in terms:
            moved = self.pure(Op.MUL, I64, value, c * unit) if c * unit != 1 else value
            at = self.pure(Op.AT, ADDRESS, at, moved, how=number)
        return self.pure(Op.AT, ADDRESS, at, const * unit, how=number) if const else at


def ranges(env: Env) -> dict[str, tuple[int, int]]:
    return {x: (p.lo, p.hi) for x, p in env.items()}
