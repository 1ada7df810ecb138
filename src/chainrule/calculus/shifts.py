"""Which lines cancel: what a maximum shifts by, so that no exponential overflows, leaves the result as it is, and has no derivative to speak of.

    m[n] = max[k](z[n,k]);  y[n,k] = exp(z[n,k] - m[n]) / sum[j](exp(z[n,j] - m[n]))

exp(z - m) = exp(z) / exp(m) leaves the sum as a factor and cancels: y does not depend on m. That is proven for each definition by its own formulas.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..language.functions import Kind
from ..language.tree import Call, Definition, Expr, Line, Reduce, children, free_names, fresh_name, letters_of, reads, walk
from .laws import LAWS, Law
from .match import alike
from .normal import Product, expr_of, product_of, terms_of, total_of
from .rewrite import put_in, remade, rewritten
from .scope import Scope

LARGEST = 100  # nodes of a formula that is looked at


def _exponent(e: Expr, scope: Scope) -> Expr | None:
    """exp(a - b) = exp(a) / exp(b)."""
    assert isinstance(e, Call)
    terms = terms_of(e.args[0])
    if len(terms) < 2 and (not terms or terms[0].number > 0):
        return None
    out = Product(abs(terms[0].number) ** 0)
    for p in terms:
        sign = 1 if p.number > 0 else -1
        out = out.times(Call("exp", (total_of([Product(abs(p.number), p.powers)]),)), sign)
    return expr_of(out)


def _logarithm(e: Expr, scope: Scope) -> Expr | None:
    """log(a * exp(b)) = log(a) + b."""
    assert isinstance(e, Call)
    p = product_of(e.args[0])
    powers = [(b, k) for b, k in p.powers if isinstance(b, Call) and b.fn == "exp"]
    if not powers:
        return None
    rest = Product(p.number, tuple((b, k) for b, k in p.powers if not (isinstance(b, Call) and b.fn == "exp")))
    whole: list[Product] = terms_of(Call("log", (expr_of(rest),))) if rest.powers or rest.number != 1 else []
    for b, k in powers:
        assert isinstance(b, Call)
        whole += [Product(k * p.number, p.powers) for p in terms_of(b.args[0])]
    return total_of(whole)


def _exponential(e: Expr) -> bool:
    return isinstance(e, Call) and e.fn == "exp"


def _logarithmic(e: Expr) -> bool:
    return isinstance(e, Call) and e.fn == "log"


SPLITTING: tuple[Law, ...] = (
    Law("exponent of a difference", "a, b", "exp(a - b)", "exp(a) / exp(b)", _exponential, _exponent),
    Law("logarithm of a product", "a, b", "log(a * exp(b))", "log(a) + b", _logarithmic, _logarithm),
)


def shifts_apart(d: Definition) -> Definition:
    """The definition with maxima that exponents are shifted by on lines of their own, where it is proven that they cancel; else the same."""
    lines: list[Line] = []
    taken = set(d.names)
    made: list[str] = []
    for line in d.lines:
        inner = [e.args[0] for e in walk(line.expr) if isinstance(e, Call) and e.fn == "exp"]
        for e in [x for a in inner for x in walk(a) if isinstance(x, Reduce) and x.kind is Kind.MAX]:
            kept = [(x, r) for x, r in zip(line.letters, line.ranges, strict=True) if x in free_names(e)]
            there = any(alike(e, x.expr) and dict(kept) == dict(zip(x.letters, x.ranges, strict=True)) for x in lines)
            if there or line.target is not None or free_names(e) & letters_of(line.expr):
                continue
            name = fresh_name("m", taken)
            taken.add(name)
            made.append(name)
            lines.append(Line(name, tuple(x for x, _ in kept), tuple(r for _, r in kept), e))
        ranges = dict(zip(line.letters, line.ranges, strict=True))
        own = [x for x in lines if x.tensor in made and all(ranges.get(a) == r for a, r in zip(x.letters, x.ranges, strict=True))]
        lines.append(replace(line, expr=_reading(line.expr, own)) if made and line.target is None else line)
    apart = d.with_lines(lines=tuple(lines)) if made else d
    return apart if made and set(made) <= cancelling(apart) else d


def _reading(e: Expr, lines: Sequence[Line]) -> Expr:
    """e with reads in place of what lines hold, at the places of their own letters."""
    found = next((x for x in lines if isinstance(e, Reduce) and alike(e, x.expr)), None)
    return found.read if found is not None else remade(e, tuple(_reading(a, lines) for a in children(e)))


def cancelling(d: Definition) -> frozenset[str]:
    """The tensors of a definition on which none of its outputs depends, though their lines are read."""
    outputs = {t.name for t in d.outputs}
    shifts = [
        x for x in d.lines if x.tensor not in outputs and x.target is None and any(isinstance(e, Reduce) and e.kind is Kind.MAX for e in walk(x.expr))
    ]
    scope = Scope(dict(d.axes), d.facts)
    return frozenset(x.tensor for x in shifts if _exponentials(d, x.tensor) and _cancels(d, x, outputs, scope))


def _exponentials(d: Definition, tensor: str) -> bool:
    """Whether it stands in an exponent somewhere: no other shift cancels."""
    return any(
        isinstance(e, Call) and e.fn == "exp" and any(r.tensor == tensor for r in reads(e.args[0])) for line in d.lines for e in walk(line.expr)
    )


def _cancels(d: Definition, shift: Line, outputs: set[str], scope: Scope) -> bool:
    opened: dict[str, Line] = {}
    for line in d.lines[d.lines.index(shift) + 1 :]:
        there = {r.tensor for r in reads(line.expr)}
        if shift.tensor not in there and not there & opened.keys():
            continue
        expr = put_in(line.expr, opened, set(line.letters), set(d.names))
        if line.target is not None or sum(1 for _ in walk(expr)) > LARGEST:
            return False
        expr = rewritten(expr, (*SPLITTING, *LAWS), scope.inside(line))
        if any(r.tensor == shift.tensor for r in reads(expr)):
            if line.tensor in outputs:
                return False
            opened[line.tensor] = Line(line.tensor, line.letters, line.ranges, expr)
    return True
