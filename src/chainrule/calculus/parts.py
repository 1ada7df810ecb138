"""Taking a line apart: one rule of calculus after the other, until nothing but reads is left. Both modes have these rules in common."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ..language.digits import fits
from ..language.functions import Kind
from ..language.index import Poly
from ..language.tree import ZERO, Call, Definition, Expr, Index, Line, Read, Reduce, direct_reads, div, fresh_name, letters_of, mul, number_of
from .decisions import winner
from .prepare import distinct, moving
from .record import Around, Item, Round, rule_of
from .rules import chosen, derivative, flat, others
from .steps import Rule


class Parts:
    """The parts of the lines of a definition. axes, taken: of all tensors and names, which grow; decided: lines of decisions that the line at hand
    led to."""

    def __init__(self, d: Definition, axes: dict[str, tuple[Poly, ...]], taken: set[str]):
        self.d, self.axes, self.taken = d, axes, taken

    def name(self, wanted: str) -> str:
        found = fresh_name(wanted, self.taken)
        self.taken.add(found)
        return found

    def begin(self, line: Line, active: Collection[str]) -> None:
        """The line that is taken apart next; active: the tensors that move."""
        self.line, self.moving = line, moving(line.expr, active)
        self.decided: list[Line] = []
        self.told: list[Line] = []  # those that a rule made use of

    def rounds(self, start: Item) -> list[Round]:
        """What becomes of a line's derivative, one rule after the other."""
        found: list[Round] = []
        items = [start]
        while (first := next((x for x in items if not isinstance(x.part, Read)), None)) is not None:
            rule, about = rule_of(first.part)
            self.told = []
            while any(fits := [not isinstance(x.part, Read) and rule_of(x.part) == (rule, about) for x in items]):
                items = [y for x, fit in zip(items, fits, strict=True) for y in (self.taken_apart(x) if fit else (x,))]
                if rule is not Rule.SUM and rule is not Rule.PRODUCT:
                    break  # one function inside another is another step
            won = tuple(self.told)
            found.append(Round(rule, (won[0].tensor,) if rule is Rule.WON and won else about, tuple(items), won))
        return found

    def taken_apart(self, item: Item) -> list[Item]:
        """What the derivative of a part is by the rule for it: those of its own parts that move, with their adjoints."""
        e = item.part
        if isinstance(e, Reduce):
            return self.reduction(e, item)
        assert isinstance(e, Call)
        out = []
        for k, a in enumerate(e.args):
            if id(a) not in self.moving:  # kept alive by its definition
                continue
            choice = chosen(e, k)
            if choice is None:
                factor = derivative(e, k, e if item.value is None else item.value, self.d.floats)
                # A quotient keeps its shape, so that formulas read as written by hand.
                adjoint = div(item.adjoint, e.args[1]) if e.fn == "/" and k == 0 else mul(item.adjoint, factor)
                if ZERO not in (factor, adjoint):
                    out.append(Item(adjoint, a, item.around))
            elif e.fn != "where" and isinstance(a, Read):  # nothing more is multiplied: the decision may stand as a factor
                out.append(Item(mul(item.adjoint, choice[0]), a, item.around))
            else:
                out.append(Item(item.adjoint, a, item.around.where(*choice)))
        return out

    def reduction(self, e: Reduce, item: Item) -> list[Item]:
        if e.kind is Kind.ARGMAX or id(e.body) not in self.moving:  # kept alive by its definition
            return []
        around, adjoint = item.around, item.adjoint
        inner = around.bound | dict(zip(e.letters, e.ranges, strict=True))
        guards = [
            (p, s) for r in direct_reads(e.body) for p, s in zip(r.index, self.axes[r.tensor], strict=True) if not fits(p, s, inner, self.d.facts)
        ]
        # Letters bound in what came from outside get other names than those that are now around it.
        adjoint = self.apart(adjoint, inner)
        tests = tuple((self.apart(test, inner), holds) for test, holds in around.tests)
        bound, around = around.bound, Around(inner, (*around.guards, *guards), tests)
        if e.kind in (Kind.MAX, Kind.MIN):
            won = Call("==", (self.decision(e, bound), Index(flat(e.letters, e.ranges))))
            if isinstance(e.body, Read):
                adjoint = mul(adjoint, won)
            else:
                around = around.where(won, True)
        elif e.kind is Kind.MEAN:
            count = Poly.of(1)
            for size in e.ranges:
                count = count * size
            adjoint = div(adjoint, number_of(count))
        elif e.kind is Kind.PROD:
            adjoint = mul(adjoint, self.apart(others(e, self.taken), inner))
        return [Item(adjoint, e.body, around)]

    def apart(self, e: Expr, letters: Mapping[str, Poly]) -> Expr:
        """e with no letter bound in it that is one of these."""
        used = set(letters)
        return distinct(e, used, self.taken) if used & letters_of(e) else e

    def decision(self, e: Reduce, bound: dict[str, Poly]) -> Read:
        """The saved tensor that says which term of e won."""
        read = winner(e, bound, self.decided, lambda: self.name(f"a{self.line.tensor}"))
        self.axes[read.tensor] = tuple(bound[str(p)] for p in read.index)
        self.told.append(next(x for x in self.decided if x.tensor == read.tensor))
        return read
