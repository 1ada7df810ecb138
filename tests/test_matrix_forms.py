"""What is printed as a product of matrices, or as a convolution, has the formula's values: the printed text is computed by NumPy."""

from __future__ import annotations

import re

import numpy as np
import pytest

import chainrule as cr
from chainrule.language.formula import Setter
from chainrule.language.latex import latex
from chainrule.language.matrix_form import matrix_line
from chainrule.language.noted import in_form
from chainrule.language.plain import plain
from chainrule.language.tree import Tensor
from tests.test_latex import katex

SIZE = 3  # of every axis: columns of 1s have it, too
FUNCTIONS = {"σ": lambda a: 1 / (1 + np.exp(-a)), "tanh": np.tanh, "exp": np.exp, "max": np.maximum, "ln": np.log, "sin": np.sin, "cos": np.cos,
             "diag": lambda v: np.diag(v[:, 0])}  # fmt: skip
TOKEN = re.compile(r"\s*(\d+\.\d+|\d+|[A-Za-z][A-Za-z0-9_]*|σ|\^\(∘-?\d+\)|[-+∘/(),ᵀ\[\]><≥≤])")


class Reader:
    """Computes a printed matrix formula; vectors are columns."""

    def __init__(self, text: str, values: dict[str, np.ndarray]):
        self.tokens, self.values, self.k = TOKEN.findall(text), values, 0
        assert "".join(self.tokens) == text.replace(" ", ""), text

    @property
    def next(self) -> str:
        return self.tokens[self.k] if self.k < len(self.tokens) else ""

    def take(self) -> str:
        self.k += 1
        return self.tokens[self.k - 1]

    def sum(self) -> np.ndarray:
        sign = -1 if self.next == "-" and self.take() else 1
        total = sign * self.each()
        while self.next in ("+", "-"):
            total = total + self.each() if self.take() == "+" else total - self.each()
        return total

    def each(self) -> np.ndarray:
        total = self.product()
        while self.next == "∘":
            self.take()
            other = self.product()
            assert np.shape(total) == np.shape(other)
            total = total * other
        return total

    def product(self) -> np.ndarray:
        total = self.atom()
        while self.next and re.fullmatch(r"\d.*|[A-Za-z].*|σ|\(|\[", self.next):
            other = self.atom()
            total = total * other if np.ndim(total) == 0 or np.ndim(other) == 0 else total @ other
        return total

    def atom(self) -> np.ndarray:
        t = self.take()
        if t in FUNCTIONS and self.next == "(":
            self.take()
            args = [self.sum()]
            while self.take() == ",":
                args.append(self.sum())
            value = FUNCTIONS[t](*args)
        elif t == "(":
            value = self.sum()
            assert self.take() == ")"
        elif t == "[":
            a, sign, b = self.sum(), self.take(), self.sum()
            value = {">": a > b, "<": a < b}[sign] * 1.0
            assert self.take() == "]"
        elif re.fullmatch(r"\d.*", t):
            value = self.number(t)
        else:
            value = self.values[t]
        while self.next == "ᵀ" or self.next.startswith("^"):
            sign = self.take()
            value = value.T if sign == "ᵀ" else value ** int(sign[3:-1])
        return value

    def number(self, t: str) -> np.ndarray | float:
        if self.next == "/":
            self.take()
            return float(t) / float(self.take())
        return np.ones((SIZE, 1)) if t == "1" else float(t)


NETWORKS = {
    "f(x[n,K], w[O,K], b[O]) -> y[n,O]\n y[n,o] = b[o] + sum[k](w[o,k]*x[n,k])": {"dX = dY W", "dW = dYᵀ X", "db = dYᵀ 1"},
    "f(x[K], w[O,K], b[O]) -> a[O]\n a[o] = sigmoid(b[o] + sum[k](w[o,k]*x[k]))": {"dW = (da ∘ a ∘ (1 - a)) xᵀ"},
    "f(x[n,K], w[O,K], v[P,O]) -> y[n,P]\n h[n,o] = tanh(sum[k](w[o,k]*x[n,k]))\n y[n,p] = sum[o](v[p,o]*h[n,o])": {"dV = dYᵀ H"},
    "f(x[n,D], w[D]) -> y[n,D]\n y[n,i] = x[n,i]*w[i]": {"dX = dY diag(w)"},
    "f(d[O], w[O,K], g[K]) -> y[K]\n y[k] = g[k] * sum[o](w[o,k]*d[o])": {"dd = W (dy ∘ g)"},
    "f(x[n,D]) -> y[n]\n y[n] = sum[i](x[n,i]**2)/2": {"dX = diag(dy) X"},
    "f(q[A,D], k[B,D]) -> s[A,B]\n s[i,j] = sum[d](q[i,d]*k[j,d])/4": {"dQ = 1/4 dS K"},
    "f(x[A,B], y[A,B], u[A], v[B]) -> z\n z = sum[a,b](u[a]*x[a,b]*y[a,b]*v[b])": set(),
    "f(u[A], v[B]) -> z[A,B]\n z[a,b] = u[a]*v[b] - 2*u[a]": set(),
    "f(x[n,D], t[n,D]) -> E\n E = sum[n,i]((x[n,i]-t[n,i])**2)/2": {"dX = X - T"},
    "f(x[A,B], w[B,C], v[C,D]) -> y[A,D]\n y[a,d] = maximum(sum[b,c](x[a,b]*w[b,c]*v[c,d]), 0)": set(),
}


@pytest.mark.parametrize("text", NETWORKS)
def test_matrix_forms_have_the_values_of_their_formulas(text: str) -> None:
    op = cr.op(text)
    d = cr.derive(op)
    rng = np.random.default_rng(0)
    arrays = {t.name: rng.normal(size=(SIZE,) * len(t.axes)) for t in d.definition.inputs}
    shown = {}
    for line in d.definition.lines:
        box = matrix_line(line, Setter(d.definition.axes))
        if box is not None:
            shown[line.tensor] = plain(box)
    assert NETWORKS[text] <= set(shown.values()) and {r.tensor for r in d.results} <= set(shown), shown
    program = cr.Op.of(d.definition.with_lines(outputs=tuple(tensor(d, x.tensor) for x in d.definition.lines)))
    values = arrays | dict(
        zip([x.tensor for x in d.definition.lines], program(**arrays) if len(d.definition.lines) > 1 else [program(**arrays)], strict=True)
    )
    printed = {}
    for name, a in values.items():
        a = np.asarray(a)
        stem = name[1:] if name[0] == "d" and name[1:] in op.definition.axes else name
        printed[name[: len(name) - len(stem)] + (stem.upper() if a.ndim == 2 else stem)] = a[:, None] if a.ndim == 1 else a
    for name, formula in shown.items():
        found = np.asarray(Reader(formula.partition(" = ")[2], printed).sum())
        np.testing.assert_allclose(found.reshape(np.shape(values[name])), values[name], rtol=1e-9, err_msg=formula)


def tensor(d: cr.Derivation, name: str) -> Tensor:
    return Tensor(name, d.definition.axes[name])


WINDOWS = [
    "f(x[n,H], w[K]) -> y[n,H-K+1]\n y[n,i] = sum[u](w[u]*x[n,i+u])",
    "f(x[n,C,H,W], w[O,C,K,L], b[O]; p=1) -> y[n,O,H+2*p-K+1,W+2*p-L+1]\n y[n,o,i,j] = b[o] + sum[c,u,v](w[o,c,u,v]*x[n,c,i+u-p,j+v-p])",
    "f(x[n,H], w[K]; s=2) -> y[n,(H-K)//s+1]\n y[n,i] = sum[u](w[u]*x[n,s*i+u])",
    "f(x[n,C,H,W], w[O,C,K,L], b[O]; p=1, d=2) -> y[n,O,H+2*p-d*(K-1),W+2*p-L+1]\n y[n,o,i,j] = b[o] + sum[c,u,v](w[o,c,u,v]*x[n,c,i+d*u-p,j+v-p])",
    "f(x[n,H], w[K]; d=2) -> y[n,H]\n y[n,i] = sum[u](w[u]*x[n,i-d*u+1])",
]  # fmt: skip
NOTATIONS = [cr.Notation(form="matrix", base=b, convolution=c) for b in (0, 1) for c in ("cross-correlation", "convolution")]


def operator(w: np.ndarray, x: np.ndarray, at: tuple[int, ...], sign: int, base: int, steps: tuple[int, ...]) -> float:
    """(w ⋆ x) or (w ∗ x) at a place, as the page on notation says it."""
    total = 0.0
    for u in np.ndindex(w.shape):
        where = [m + sign * step * k - base for m, k, step in zip(at, u, steps, strict=True)]
        if all(0 <= k < size for k, size in zip(where, x.shape, strict=True)):
            total += w[u] * x[tuple(where)]
    return total


@pytest.mark.parametrize("notation", NOTATIONS, ids=lambda n: f"{n.base}-{n.convolution}")
@pytest.mark.parametrize("text", WINDOWS)
def test_windows_as_operators_have_the_values_of_their_formulas(text: str, notation: cr.Notation) -> None:
    op = cr.op(text)
    d = cr.derive(op)
    sizes = {"N": 2, "C": 2, "H": 6, "W": 5, "O": 2, "K": 3, "L": 2, **dict(op.definition.settings)}
    rng = np.random.default_rng(1)
    arrays = {t.name: rng.normal(size=[int(p.evaluate(sizes)) for p in t.axes]) for t in d.definition.inputs}
    values = arrays | {t.name: v for t, v in zip(d.definition.outputs, d.op(**arrays), strict=True)}
    values |= {t.name: op(**{k.name: arrays[k.name] for k in op.definition.inputs}) for t in op.definition.outputs}
    checked = 0
    for line, axes in [(op.definition.lines[-1], op.definition.axes), *((x, d.definition.axes) for x in d.definition.lines)]:
        box = in_form(line, axes, notation, None)
        found = (
            re.fullmatch(r"(\w+)\[(.*?)\] = (?:(\w)\[o\] \+ )?(?:sum\[(.*?)\]\()?\((.*) ([⋆∗])(?:_(\S+))? (.*)\)\[(.*?)\]\)?", plain(box))
            if box
            else None
        )
        if found is None or "⌊" in found[9] or "*" in found[5] + found[8]:
            continue
        name, left, bias, over, kernel, sign, far, data, place = found.groups()
        checked += 1
        assert katex([latex(box)]) == [None]
        letters = left.split(",")
        for at in list(np.ndindex(values[name].shape))[::7]:
            env = {**sizes, **{x: k + notation.base for x, k in zip(letters, at, strict=True)}}
            total = values[bias][env["o"] - notation.base] if bias else 0.0
            inner = [x.partition("=")[0].strip() for x in over.split(",")] if over else []
            for more in np.ndindex(*(sizes[x.upper()] for x in inner)):
                env |= {x: k + notation.base for x, k in zip(inner, more, strict=True)}
                where = [int(p) for p in eval(f"[{place}]", {}, env)]
                steps = eval(far or "1", {}, env)
                total += operator(
                    element(kernel, values, env, notation.base),
                    element(data, values, env, notation.base),
                    tuple(where),
                    1 if sign == "⋆" else -1,
                    notation.base,
                    steps if isinstance(steps, tuple) else (steps,) * len(where),
                )
            np.testing.assert_allclose(total, values[name][at], rtol=1e-9, err_msg=plain(box))
    assert checked >= (3 if "=2" not in text else 2)


def element(text: str, values: dict, env: dict, base: int) -> np.ndarray:
    """The part of a tensor at its other indices, turned round where the text says so."""
    turned = re.fullmatch(r"rot180\((.*)\)", text)
    name, index = re.fullmatch(r"(\w+)(?:\[(.*)\])?", turned[1] if turned else text).groups()
    a = values[name][tuple(env[x] - base for x in index.split(","))] if index else values[name]
    return np.flip(a) if turned else a


@pytest.mark.parametrize("right", ["max[k](x[n,k])", "x[n,n]", "sum[k:A](x[n,k-1])", "argmax[k](x[n,k])", "n*x[n,n]", "sum[k:2](x[n,k])"])
def test_what_is_no_product_of_matrices_stays_as_it_is(right: str) -> None:
    d = cr.op(f"f(x[A,A]) -> y[A]\n y[n] = {right}").definition
    assert matrix_line(d.lines[-1], Setter(d.axes)) is None
