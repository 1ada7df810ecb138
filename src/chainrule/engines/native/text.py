"""LLVM text, a piece at a time: names, loops, branches, addresses, and a memory of what was computed in which scope."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ...language.index import Poly, Quotient
from .effort import strip


@dataclass(frozen=True)
class Place:
    """Where an index letter stands: a run-time value (or none) plus a constant, and the range of the sum."""

    ssa: str | None
    const: int
    lo: int
    hi: int

    @staticmethod
    def at(value: int) -> Place:
        return Place(None, value, value, value)

    def shifted(self, k: int) -> Place:
        return Place(self.ssa, self.const + k, self.lo + k, self.hi + k) if k else self


Env = dict[str, Place]
Affine = tuple[tuple[tuple[str, int], ...], int]  # ((run-time value, coefficient), …), constant


class Text:
    """One LLVM function under construction."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.allocas: list[str] = []
        self.count = 0
        self.block = "entry"
        self.scopes: list[dict[object, str]] = [{}]
        self.leaves = False  # whether there is a way out in the middle

    def new(self) -> str:
        self.count += 1
        return f"%t{self.count}"

    def emit(self, text: str) -> None:
        self.lines.append("  " + text)

    def value(self, text: str) -> str:
        """A new value computed by `text`."""
        name = self.new()
        self.lines.append(f"  {name} = {text}")
        return name

    def once(self, key: object, make: Callable[[], str]) -> str:
        """The value remembered under key in a scope around this place, else made and remembered here."""
        for scope in self.scopes:
            if key in scope:
                return scope[key]
        made = make()
        self.scopes[-1][key] = made
        return made

    def pure(self, text: str) -> str:
        """A value without side effects: the same text in the same scope is the same value."""
        return self.once(text, lambda: self.value(text))

    def label(self, name: str) -> None:
        self.lines.append(name + ":")
        self.block = name

    def alloca(self, kind: str, align: int) -> str:
        name = self.new()
        self.allocas.append(f"  {name} = alloca {kind}, align {align}")
        return name

    def loop(self, start: str | int, stop: str | int, step: int, lo: int, hi: int, body: Callable[[Place], None], sure: bool, work: int = 0) -> None:
        """body(place) for start, start+step, … below stop; `sure` says that it runs at least once.

        work: operations in one iteration, roughly. A long loop looks up now and then whether the run is over.
        """
        if isinstance(start, int) and isinstance(stop, int):
            if start >= stop:
                return
            if start + step >= stop:
                body(Place.at(start))
                return
            sure = True
        looks = strip(work, (hi - lo) // step + 1)
        if looks > 1:  # strips of so many iterations, themselves without a look

            def short(p: Place) -> None:
                end = self.pure(f"call i64 @llvm.smin.i64(i64 {self.pure(f'add nsw i64 {p.ssa}, {step * looks}')}, i64 {stop})")
                self.loop(str(p.ssa), end, step, lo, hi, body, sure=True)

            self.loop(start, stop, step * looks, lo, hi, short, sure, work * looks)
            return
        self.count += 1
        k = self.count
        back = f"Q{k}" if looks else f"E{k}"
        if not sure:
            test = self.value(f"icmp slt i64 {start}, {stop}")
            self.emit(f"br i1 {test}, label %H{k}, label %X{k}")
            self.label(f"H{k}")
        before = self.block
        self.emit(f"br label %L{k}")
        self.label(f"L{k}")
        self.emit(f"%i{k} = phi i64 [ {start}, %{before} ], [ %n{k}, %{back} ]")
        self.scopes.append({})
        body(Place(f"%i{k}", 0, lo, hi))
        self.scopes.pop()
        self.emit(f"br label %E{k}")
        self.label(f"E{k}")
        self.emit(f"%n{k} = add nsw i64 %i{k}, {step}")
        self.emit(f"%c{k} = icmp slt i64 %n{k}, {stop}")
        self.emit(f"br i1 %c{k}, label %{back if looks else f'L{k}'}, label %X{k}")
        if looks:
            self.leaves = True
            self.label(back)
            self.emit(f"%q{k} = call i1 @look(ptr %me)")
            self.emit(f"br i1 %q{k}, label %leave, label %L{k}")
        self.label(f"X{k}")

    def in_blocks(self, start, stop, lo, hi, body, sure, work, around) -> None:  # type: ignore[no-untyped-def]  # the arguments of loop()
        """A loop, cut into blocks of so many steps where `around` says so."""
        if around is None:
            self.loop(start, stop, 1, lo, hi, body, sure=sure, work=work)
            return
        size, block = around

        def one(p: Place) -> None:
            begin = p.ssa if p.ssa is not None else str(p.const)
            end = self.pure(f"call i64 @llvm.smin.i64(i64 {self.pure(f'add nsw i64 {begin}, {size}')}, i64 {stop})")
            block(lambda: self.loop(begin, end, 1, lo, hi, body, sure=True, work=work))

        self.loop(start, stop, size, lo, hi, one, sure=sure, work=work * size)

    def floor_div(self, x: str, d: int) -> str:
        if d & (d - 1) == 0:
            return self.pure(f"ashr i64 {x}, {d.bit_length() - 1}")
        q = self.pure(f"sdiv i64 {x}, {d}")
        r = self.pure(f"srem i64 {x}, {d}")
        below = self.pure(f"icmp slt i64 {r}, 0")
        return self.pure(f"sub i64 {q}, {self.pure(f'zext i1 {below} to i64')}")

    def most(self, bounds: list[str | int], how: str) -> str | int:
        """The tightest of several bounds."""
        numbers = [b for b in bounds if isinstance(b, int)]
        out: str | int = max(numbers) if how == "smax" else min(numbers)
        for b in dict.fromkeys(b for b in bounds if isinstance(b, str)):
            out = self.pure(f"call i64 @llvm.{how}.i64(i64 {b}, i64 {out})")
        return out

    def when(self, conditions: list[str], body: Callable[[], None]) -> None:
        """body() where all conditions (i1 values) hold."""
        if not conditions:
            return body()
        both = conditions[0]
        for c in conditions[1:]:
            both = self.value(f"and i1 {both}, {c}")
        self.count += 1
        k = self.count
        self.emit(f"br i1 {both}, label %D{k}, label %S{k}")
        self.label(f"D{k}")
        self.scopes.append({})
        body()
        self.scopes.pop()
        self.emit(f"br label %S{k}")
        self.label(f"S{k}")
        return None

    # Index expressions -------------------------------------------------------------------------------------------

    def affine(self, p: Poly, env: Env) -> Affine:
        """A linear combination of run-time values; quotients become run-time values of their own."""
        terms: dict[str, int] = {}
        const = 0
        for m, c in p.terms.items():
            if not m:
                const += int(c)
                continue
            if len(m) == 1 and isinstance(m[0], str):
                place = env[m[0]]
                const += int(c) * place.const
                ssa = place.ssa
            else:
                ssa, constant = self.product(m, env)
                const += int(c) * constant
            if ssa is not None:
                terms[ssa] = terms.get(ssa, 0) + int(c)
        return tuple((s, c) for s, c in terms.items() if c), const

    def product(self, m: tuple[object, ...], env: Env) -> tuple[str | None, int]:
        """A monomial that is not just a letter, as (run-time value or None, constant)."""
        known = 1
        ssa: str | None = None
        for atom in m:
            if isinstance(atom, Quotient):
                lo, hi = Poly({(atom,): 1}).interval(ranges(env))
                if lo == hi:
                    known *= lo
                    continue
                value = self.quotient(atom, env)
            else:
                place = env[str(atom)]
                if place.ssa is None:
                    known *= place.const
                    continue
                value = self.sum(Poly.name(str(atom)), env)
            ssa = value if ssa is None else self.pure(f"mul nsw i64 {ssa}, {value}")
        if known == 0 or ssa is None:
            return None, known
        return (ssa if known == 1 else self.pure(f"mul nsw i64 {ssa}, {known}")), 0

    def quotient(self, q: Quotient, env: Env) -> str:
        """floor division or remainder by a positive number, exact for negative numerators too."""
        num, den = self.sum(q.num, env), q.den.constant
        if den is None or den <= 0:
            den_text = self.sum(q.den, env)
        else:
            den_text = str(int(den))
        if q.num.interval(ranges(env))[0] >= 0 and den is not None and den > 0:
            return self.pure(f"u{'rem' if q.remainder else 'div'} i64 {num}, {den_text}")
        rem = self.pure(f"srem i64 {num}, {den_text}")
        sign = self.pure(f"xor i64 {rem}, {den_text}")
        differ = self.pure(f"icmp slt i64 {sign}, 0")
        inexact = self.pure(f"icmp ne i64 {rem}, 0")
        fix = self.pure(f"and i1 {differ}, {inexact}")
        if q.remainder:
            moved = self.pure(f"add i64 {rem}, {den_text}")
            return self.pure(f"select i1 {fix}, i64 {moved}, i64 {rem}")
        quot = self.pure(f"sdiv i64 {num}, {den_text}")
        wide = self.pure(f"zext i1 {fix} to i64")
        return self.pure(f"sub i64 {quot}, {wide}")

    def sum(self, p: Poly, env: Env) -> str:
        """The value of an index expression as an i64 operand."""
        return self.total(self.affine(p, env))

    def total(self, a: Affine) -> str:
        terms, const = a
        out: str | None = None
        for ssa, c in terms:
            part = ssa if c == 1 else self.pure(f"mul nsw i64 {ssa}, {c}")
            out = part if out is None else self.pure(f"add nsw i64 {out}, {part}")
        if out is None:
            return str(const)
        return out if const == 0 else self.pure(f"add nsw i64 {out}, {const}")

    def pointer(self, base: str, kind: str, a: Affine, unit: int) -> str:
        """Address of element a (in units of `unit` elements of `kind`) of base."""
        terms, const = a
        at = base
        for ssa, c in terms:
            moved = self.pure(f"mul nsw i64 {ssa}, {c * unit}") if c * unit != 1 else ssa
            at = self.pure(f"getelementptr inbounds {kind}, ptr {at}, i64 {moved}")
        return self.pure(f"getelementptr inbounds {kind}, ptr {at}, i64 {const * unit}") if const else at


def ranges(env: Env) -> dict[str, tuple[int, int]]:
    return {x: (p.lo, p.hi) for x, p in env.items()}
