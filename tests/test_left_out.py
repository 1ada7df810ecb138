"""Terms that are left out stay left out, whatever the laws of algebra make of the others: at borders, where tests fail, where there are none."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from tests.judge import examine
from tests.maker import Formula

FORMULAS = {
    "what a line is, put in for places outside": ("f(x[n,H]) -> y[n]\n z[n,i:H-1] = x[n,i+1]\n y[n] = mean[i](z[n,i])", {"H": 3}),
    "a window that does not reach the end": ("f(x[n,H]) -> z[n]\n y[n,i:H//2] = mean[u:2](x[n,2*i+u])\n z[n] = mean[i](y[n,i])", {"H": 5}),
    "a quotient of equal places": ("f(x[n,H], w[3]) -> y[n,H]\n y[n,i] = sum[u:3](w[u]*x[n,i+u-1]/x[n,i+u-1])", {"H": 4}),
    "a product of quotients": ("f(x[n,H], w[3]) -> z[n,H]\n z[n,i] = prod[u:3](x[n,i+u-1]/x[n,i+u-1]*w[u])", {"H": 4}),
    "classes outside": (
        "f(x[n,K], w[H], t[n,H]: int) -> y[n,H], h[n,H]\n h[n,i] = sum[u:2](x[n,t[n,i+u]])\n y[n,i] = sum[u:2](w[i]*sum[k:K]((k == t[n,i+u])))",
        {"K": 5, "H": 3},
    ),
    "a range without places": ("f(x[n,H], w[H]) -> y[n,H]\n y[n,i] = sum[k:H-1](x[n,i]*w[i]/(H-1))", {"H": 1}),
    "a sum without terms": ("f(x[n,H], w[H]) -> y[n,H]\n y[n,i] = x[n,i]*sum[k:H-1](w[k]/(H-1))", {"H": 1}),
    "the mean of those before": ("f(x[n,H], w[H]) -> y[n,H]\n y[n,i] = w[i]*sum[j](x[n,j]*(j<i)/i)", {"H": 3}),
    "a place beyond what is looked up": ("f(x[n,K], f[L], t[n]: int) -> y[n]\n y[n] = sum[k]((k == t[n])*x[n,k]*f[t[n]] + x[n,k])", {"K": 7, "L": 5}),
    "a tangent beyond it": ("f(x[n,K], g[L], t[n]: int, w[n]) -> y[n]\n y[n] = sum[k](((k == t[n])*g[t[n]] + 1)*w[n]*x[n,k])", {"K": 7, "L": 5}),
    "a look-up in a part": ("f(x[n,K], g[K], t[n]: int) -> y[n]\n y[n] = sum[k]((k == t[n])*x[n,k]*sum[v:2](where(v == t[n], g[v], 0)))", {"K": 7}),
    "a logarithm's places": ("f(x[n,H], w[3]) -> y[n,H]\n y[n,i] = sum[u:3](log(exp(x[n,i+u-1])*exp(w[u])))", {"H": 3}),
    "a read times 0": ("f(z[n,H], w[H]) -> y[n,H]\n y[n,k] = sum[v:3](w[k] + z[n,v+k-1]/z[n,v+k-1])", {"H": 3}),
    "an exponential beside its share": ("f(a[n,H]) -> y[n,H]\n y[n,i] = a[n,i]*exp(a[n,i])/(1+exp(a[n,i]))", {"H": 3}),
    "a share of squares": ("f(a[n,H]) -> y[n,H]\n y[n,i] = exp(a[n,i])**2/(1+exp(a[n,i]))", {"H": 3}),
    "a number that a line holds": ("f(a) -> y2, y1\n y0 = (a**2)/(-(a**2))\n y1 = (a**2) - ((a > 1)*3)\n y2 = where(y0 > y1, (a**2)/(-(a**2)), 1)", {}),
    "two that a line holds": ("f(a) -> y1\n y0 = 2*a/a\n y1 = a**2 + y0", {}),
    "an output under a condition": ("f(a[n,H], b[n,H]) -> y1[n,H], y0[n,H]\n y0[n,i] = log(abs(a[n,i]))\n q[n,i] = y0[n,i]\n y1[n,i] = (b[n,i] > 0)*q[n,i]", {"H": 4}),
    "a letter caught further in": ("f(a[H], b[H], x[H,H]) -> y\n y = sum[j](a[j]) * sum[j](b[j]*sum[j1](x[j,j1]))", {"H": 3}),
    "a line without places": ("f(x[n,H]) -> y[n,H]\n d[n,u:H-1] = 2*x[n,u]\n y[n,i:H] = sum(d[n,i])", {"H": 1}),
    "many factors, a test and a minus": (f"f(a[H]) -> y[H]\n y[i] = {'*'.join(['a[i]'] * 18)}*(a[i] > 1)*(-exp(a[i]))", {"H": 2}),
    "many factors, a test and 0": (f"f(a[H]) -> y[H]\n y[i] = {'*'.join(['a[i]'] * 18)}*(a[i] > 1)*0", {"H": 2}),
    "some remainders": ("f(a[H]) -> b[H]\n b[i] = sum(a[2*i]) + 3*sum(a[2*i+1])", {"H": 5}),
    "two remainders of three": ("f(a[H]) -> b[H//3]\n b[i] = a[3*i] + a[3*i+1]", {"H": 7}),
    "remainders of other blocks": ("f(a[H]) -> b[H]\n b[i] = sum(a[2*i]) + sum(a[2*i+3])", {"H": 7}),
    "the square of a root": ("f(x[n,H]) -> y[n,H]\n y[n,i] = log(sqrt(x[n,i]**2 + 1))", {"H": 3}),
    "all remainders, other factors": ("f(a[H], w[H]) -> b[H//2]\n b[i] = a[2*i]*w[i] + a[2*i+1]*w[i]", {"H": 5}),
    "all remainders, other places": ("f(a[H]) -> b[H]\n b[i] = sum(a[2*i]) + sum(a[2*i+3]*a[2*i])", {"H": 7}),
    "brackets with tests": ("f(a[n,H], b[n,H]) -> y[n,H]\n y[n,i] = (a[n,i] > 0)*a[n,i]*(1-b[n,i]) - (a[n,i] > 0)*b[n,i]*(1-a[n,i])", {"H": 3}),
    "a shift that stays": ("f(z[n,K]) -> y[n]\n y[n] = sum[j](exp(z[n,j]-max[q](z[n,q])))", {"K": 3}),
    "shifts of other ranges": ("f(z[n,K]) -> y[n], h[n]\n h[n] = log(sum[j:K-1](exp(z[n,j]-max[q:K-1](z[n,q])))) + max[q:K-1](z[n,q])\n y[n] = exp(h[n]-max[q](z[n,q]))", {"K": 4}),
    "multiples without their test": ("f(x[n,H], w[3]) -> y[n,2*H]\n y[n,i] = sum[u:3](w[u]*x[n,(i+1-u)//2]*(i > 1))", {"H": 3}),
    "multiples with their test": ("f(x[n,H], w[3]) -> y[n,2*H]\n y[n,i] = sum[u:3](-w[u]*((i+1-u)%2 == 0)*x[n,(i+1-u)//2])", {"H": 3}),
    "nothing that a line holds": ("f(x[n,H]) -> y[n,H]\n z[n,i] = 0*exp(x[n,i])\n y[n,i] = z[n,i]+exp(x[n,i])", {"H": 2}),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMULAS)
def test_gradients_are_those_of_the_terms_that_are_there(name: str) -> None:
    text, sizes = FORMULAS[name]
    examine(Formula(text, sizes, whole={"t": "int64"} if "t[n" in text else {}, samples=(1, 2)))


@pytest.mark.parametrize("engine", ["native", "reference"])
@pytest.mark.parametrize(
    "text, arrays, want",
    [
        (  # two tests, one factor that is infinite where neither holds
            "f(x[K], w[K], t: int < K, u: int < K) -> E\n E = sum[k]((k==t)*log(x[k])*w[k]) + sum[k]((k==u)*log(x[k]))",
            (np.array([0.0, 1, 2, 0]), np.ones(4), np.array(1), np.array(2)),
            [0, 1, 0.5, 0],
        ),
        (  # a logarithm that is looked at only where there is one
            "f(a[H], s[H], w[H]) -> z[H], y[H]\n l[i] = log(s[i])\n y[i] = where(s[i] > 0, l[i], 0)\n z[i] = w[i]*exp(a[i])/s[i] + 1",
            (np.zeros(2), np.array([-2.0, 2]), np.ones(2)),
            [-0.5, 0.5],
        ),
    ],
    ids=["common factor", "known logarithm"],
)
def test_what_is_infinite_where_nobody_looks_is_nothing(engine: str, text: str, arrays: tuple, want: list) -> None:
    y, pull = cr.vjp(text, *arrays, engine=engine)
    np.testing.assert_array_equal(pull(np.ones_like(y) if not isinstance(y, tuple) else tuple(map(np.ones_like, y)))[0], want)


@pytest.mark.parametrize("term", ["where(s == 2, x[n,i+u], x[n,i])", "x[n,i] + (s == 3)*x[n,i+u]"])
def test_settings_that_decide_a_test_keep_what_is_left_out(term: str) -> None:
    op = cr.derive(f"f(x[n,H]; s=1) -> y[n,H]\n y[n,i] = sum[u:2]({term})", "x", s=1).of
    np.testing.assert_array_equal(op(np.ones((1, 3))), [[2, 2, 1]])
