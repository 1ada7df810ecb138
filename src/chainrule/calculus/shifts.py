"""Which lines cancel: what a maximum shifts by, so that no exponential overflows, leaves the result as it is, and has no derivative to speak of.

    m[n] = max[k](z[n,k]);  y[n,k] = exp(z[n,k] - m[n]) / sum[j](exp(z[n,j] - m[n]))

exp(z - m) = exp(z) / exp(m) leaves the sum as a factor and cancels: y does not depend on m. That is proven for each definition by its own formulas.
"""

from __future__ import annotations

from ..language.functions import Kind
from ..language.tree import Call, Definition, Expr, Line, Reduce, reads, walk
from .laws import LAWS, Law
from .normal import Product, expr_of, product_of, terms_of, total_of
from .rewrite import put_in, rewritten
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
