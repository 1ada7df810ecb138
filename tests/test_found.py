"""Formulas that were once computed wrongly, each as small as it can be and each of another cause. Judged like any other formula (tests/judge.py)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import chainrule as cr
from tests.judge import examine
from tests.maker import Formula

FOUND = {
    "two loads with other strides": "f(b[A,A]) -> r[A], s[A]\n r[i] = sum[j](b[i,j])\n s[j] = sum[i](b[i,j])",
    "one load with two strides": "f(x[D]) -> y[(D+1)//2]\n y[i] = x[i]*x[2*i]",
    "a square and its transpose": "f(x[A,A], w[A,A]) -> y[A,A]\n y[i,k] = x[k,i] * w[i,k]",
    "gradient of a square and its borders": "f(x[A,A], a[A], b[A]) -> y[A,A]\n y[i,j] = x[i,j] + a[i] + b[j]",
    "gradient of an outer product": "f(x[A], w[A]) -> y[A,A]\n y[j,i] = x[i] * w[j]",
    "a row and a column in one sum": "f(x[A,A]) -> y[A]\n y[j] = sum[q](x[q,j]) * x[j,0]",
    "an equation with a coefficient of 6": "f(x[C,E,D], z[B]; s=2) -> y[C]\n y[j] = sum[v:B,u:2](x[(-3*j+6)//2, s*v+u, 2*u+j+1] * z[v])",
    "a product of letters": "f(x[A,A]) -> y[A,A]\n y[i,j] = i*j + 0*x[i,j]",
    "a product of letters in a sum": "f(x[A]) -> y[A]\n y[k] = sum[j](x[j]*cos(j*k))",
    "a product of letters compared": "f(x[A,A]) -> y[A,A]\n y[i,j] = (i*j == 4)*x[i,j]",
    "a product of letters in a max": "f(x[A]) -> y[A]\n y[i] = max[u:A](u*x[i] - u*i)",
    "a product of letters in a nested sum": "f(z[A]) -> y\n y = sum[r:2,u:2](sum[v:1](u*r))",
    "a product of letters in an index": "f(w[1,A]) -> y[A,1]\n y[k,i] = sum(w[-i*k,k])",
    "a product of letters before a scalar": "f(x) -> y[1,3]\n y[i,j] = (j*i + j)*x",
    "a fraction times a letter": "f(x[A]; a=0.5) -> y[A]\n y[i] = x[i] + a*i",
    "a fraction times a letter compared": "f(x[A]; a=0.5) -> y[A]\n y[i] = x[i]*(a*i <= 1)",
    "a fraction times a product of letters": "f(x[A]; a=0.5) -> y[A]\n y[i] = x[i]*(a*i*i + 0.5*i)",
    "gradient at a product of letters": "f(x[A,A]) -> y[A]\n y[j] = sum[q:A](x[j*q, j])",
    "gradient at a product of two summed letters": "f(b[A,A]) -> y[A]\n y[i] = sum[v](b[v, i*v])",
    "gradient at a product of letters plus one": "f(x[B,A]) -> y\n y = sum[v:3,r:A](x[v*r+1, r])",
    "unequal indices as a strong zero": "f(x[A]) -> y\n y = sum[u](x[u]*(u != 1))",
}


@pytest.mark.parametrize("text", FOUND.values(), ids=FOUND)
@pytest.mark.parametrize("data", ["normal", "wild"])
def test_it_is_right_now(text: str, data: str) -> None:
    f = Formula(text, seed=2, data=data)
    for size in (1, 2, 5, 8) if data == "normal" else (3, 17):
        examine(replace(f, sizes={"A": min(size, 9), "B": 3, "C": 4, "D": size, "E": 3}, seed=2 + 4 * size), parallel=False)
    examine(replace(f, sizes={"A": 2, "B": 2, "C": 4, "D": 4, "E": 3}, seed=3), parallel=False)  # float32


def test_unequal_indices_leave_a_term_out() -> None:
    op = cr.op(FOUND["unequal indices as a strong zero"])
    for engine in ("reference", "native"):
        assert op(np.array([1, np.inf, 2]), engine=engine) == 3
