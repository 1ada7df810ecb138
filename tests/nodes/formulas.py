"""Formulas for operators that are none of the library's names: functions of each element, and lines along one axis of three."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import chainrule as cr

EACH = {
    "Acos": "acos(x)",
    "Acosh": "log(x + sqrt(x*x - 1))",
    "Asin": "asin(x)",
    "Asinh": "sign(x) * log(abs(x) + sqrt(x*x + 1))",
    "Atan": "atan(x)",
    "Atanh": "(log1p(x) - log1p(-x)) / 2",
    "Ceil": "ceil(x)",
    "Cosh": "cosh(x)",
    "Floor": "floor(x)",
    "Neg": "-x",
    "Reciprocal": "1 / x",
    "Round": "round(x)",
    "Sign": "sign(x)",
    "Sinh": "sinh(x)",
    "Tan": "tan(x)",
}
HARD_SIGMOID = "each(x[n,*A]; alpha=0.2, beta=0.5) -> y[n,*A]\n    y[n,*a] = max(0, min(1, alpha * x[n,*a] + beta))"
SHRINK = (
    "each(x[n,*A]; bias=0.0, bound=0.5) -> y[n,*A]\n    y[n,*a] = where(x[n,*a] < -bound, x[n,*a] + bias, where(x[n,*a] > bound, x[n,*a] - bias, 0))"
)
SWISH = "each(x[n,*A]; alpha=1.0) -> y[n,*A]\n    y[n,*a] = x[n,*a] * sigmoid(alpha * x[n,*a])"

ALONG = {
    "argmax": "along(x[n,K,B]) -> y[n,1,B]\n    y[n,j,b] = argmax[k](x[n,k,b])",
    "argmin": "along(x[n,K,B]) -> y[n,1,B]\n    y[n,j,b] = argmin[k](x[n,k,b])",
    "last_argmax": "along(x[n,K,B]) -> y[n,1,B]\n    y[n,j,b] = K-1 - argmax[k:K](x[n,K-1-k,b])",
    "last_argmin": "along(x[n,K,B]) -> y[n,1,B]\n    y[n,j,b] = K-1 - argmin[k:K](x[n,K-1-k,b])",
    "hardmax": "along(x[n,K,B]) -> y[n,K,B]\n    y[n,k,b] = k == argmax[j](x[n,j,b])",
    "prod": "along(x[n,K,B]) -> y[n,1,B]\n    y[n,j,b] = prod[k](x[n,k,b])",
    "log_sum_exp": "along(x[n,K,B]) -> y[n,1,B]\n    m[n,b] = max[k](x[n,k,b])\n    y[n,j,b] = m[n,b] + log(sum[k](exp(x[n,k,b] - m[n,b])))",
    "l1": "along(x[n,K,B]) -> y[n,K,B]\n    s[n,b] = sum[k](abs(x[n,k,b]))\n    y[n,k,b] = where(s[n,b] > 0, x[n,k,b] / s[n,b], 0)",
    "l2": "along(x[n,K,B]) -> y[n,K,B]\n    s[n,b] = sqrt(sum[k](x[n,k,b]**2))\n    y[n,k,b] = where(s[n,b] > 0, x[n,k,b] / s[n,b], 0)",
    "cumsum": "along(x[n,K,B]; e=0) -> y[n,K,B]\n    y[n,i,b] = sum[k](x[n,k,b] * (k <= i-e))",
    "cumsum_back": "along(x[n,K,B]; e=0) -> y[n,K,B]\n    y[n,i,b] = sum[k](x[n,k,b] * (k >= i+e))",
    "cumprod": "along(x[n,K,B]; e=0) -> y[n,K,B]\n    y[n,i,b] = prod[k](where(k <= i-e, x[n,k,b], 1))",
    "cumprod_back": "along(x[n,K,B]; e=0) -> y[n,K,B]\n    y[n,i,b] = prod[k](where(k >= i+e, x[n,k,b], 1))",
    "tril": "along(x[n,K,B]; k=0) -> y[n,K,B]\n    y[n,i,j] = where(j <= i+k, x[n,i,j], 0)",
    "triu": "along(x[n,K,B]; k=0) -> y[n,K,B]\n    y[n,i,j] = where(j >= i+k, x[n,i,j], 0)",
    "nearest": "along(x[n,K,B]; o=1, p=1, q=0, r=1) -> y[n,o,B]\n    y[n,i,b] = sum[k](x[n,k,b] * (k == min(max((p*i+q)//r, 0), K-1)))",
    "take": "along(t[J]: int, x[A,K,B]) -> y[A,J,B]\n    y[a,j,b] = x[a,t[j],b]",
}


def each(expr: str) -> Callable[[Any], Any]:
    """A function of every element, of a number too; `expr` says it of x."""
    word = "x[n,*a]"
    op = cr.op(f"each(x[n,*A]) -> y[n,*A]\n    y[n,*a] = {_replaced(expr, word)}")
    return lambda x: op(x) if x.ndim else op(x.reshape(1)).reshape(())


def _replaced(expr: str, word: str) -> str:
    return "".join(word if c == "x" and not _inside(expr, k) else c for k, c in enumerate(expr))


def _inside(expr: str, k: int) -> bool:
    """Whether the letter there is part of a longer word."""
    around = expr[k - 1 : k] + expr[k + 1 : k + 2]
    return any(c.isalpha() for c in around)


def along(which: str, x: Any, axes: Any, **settings: Any) -> Any:
    """A formula along neighbouring axes of x, as one; a result of one place leaves an axis of size 1 for each."""
    axes = sorted(k % x.ndim for k in (axes if isinstance(axes, (tuple, list)) else [axes]))
    first, last = axes[0], axes[-1]
    if axes != list(range(first, last + 1)):  # the others to the front
        rest = [k for k in range(x.ndim) if k not in axes]
        order = [*rest, *axes]
        y = along(which, moved(x, order), list(range(len(rest), x.ndim)), **settings)
        return moved(y, [order.index(k) for k in range(x.ndim)])
    size = math.prod(x.shape[first : last + 1])
    rows = x.reshape(math.prod(x.shape[:first]), size, math.prod(x.shape[last + 1 :]))
    y = cr.op(ALONG[which])(rows, **settings)
    inner = x.shape[first : last + 1] if y.shape[1] == size else (y.shape[1],) if len(axes) == 1 else (1,) * len(axes)
    return y.reshape(*x.shape[:first], *inner, *x.shape[last + 1 :])


def around(x: Any, axis: int, function: Callable[[Any], Any]) -> Any:
    """A function of the third of four axes, for any axis."""
    y = function(x.reshape(1, math.prod(x.shape[:axis]), x.shape[axis], math.prod(x.shape[axis + 1 :])))
    return y.reshape(*x.shape[:axis], y.shape[2], *x.shape[axis + 1 :])


def moved(x: Any, order: Any) -> Any:
    """The axes in another order, of symbols and of arrays."""
    return x.transpose(*order) if x.ndim != 2 or tuple(order) == (1, 0) else x


def einsum(equation: str, *tensors: Any) -> Any:
    """A sum of products, written as a formula: "ij,jk->ik" is y[i,k] = sum[j](a[i,j] * b[j,k])."""
    left, arrow, out = equation.replace(" ", "").partition("->")
    parts = [_spelt(p, x.ndim) for p, x in zip(left.split(","), tensors, strict=True)]
    out = out.replace("...", max((p for p in map(_family, parts)), key=len, default="")) if arrow else _once(parts)
    letters = dict(zip(sorted(set("".join(parts))), "abcdefghijkl", strict=False))
    rows = [[letters[c] for c in p] for p in parts]
    names = "zyxw"
    head = ", ".join(_read(names[k], [c.upper() for c in row]) for k, row in enumerate(rows))
    reads = " * ".join(_read(names[k], row) for k, row in enumerate(rows))
    ends = [letters[c] for c in out]
    summed = [c for c in letters.values() if c not in ends and any(c in row for row in rows)]
    body = f"sum[{','.join(summed)}]({reads})" if summed else reads
    return cr.op(f"einsum({head}) -> {_read('v', [c.upper() for c in ends])}\n    {_read('v', ends)} = {body}")(*tensors)


def _spelt(part: str, rank: int) -> str:
    """The axes of an operand, with capitals for those that "..." stands for."""
    return part.replace("...", "XYZ"[3 - (rank - len(part) + 3) :] if "..." in part and rank > len(part) - 3 else "")


def _family(part: str) -> str:
    return "".join(c for c in part if c.isupper())


def _once(parts: list[str]) -> str:
    every = "".join(parts)
    return "".join(sorted(c for c in set(every) if every.count(c) == 1))


def _read(name: str, places: list[str]) -> str:
    return f"{name}[{','.join(places)}]" if places else name
