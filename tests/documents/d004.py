"""Document 004: backpropagation through a chain of fully connected layers, in matrix form."""

from .row import Row, Verdict

LOSS = """loss(o[K], h[K]) -> L
    L = sum[i]((o[i] - h[i])**2)"""
PRINTED = """printed(p[D], h) -> C
    o = sum[i](tanh(p[i]))
    C = o**2 - h**2"""
CHAINED = """chained(p[D], h) -> C
    o = sum[i](tanh(p[i]))
    C = (o - h)**2"""
FIRST = """first(x[I], w[I,J], v[J]) -> o
    y[j] = sum[i](w[i,j] * x[i])
    o = sum[j](v[j] * tanh(y[j]))"""
LAYER = """layer(y[I], w[I,J], v[J]) -> o
    x[i] = tanh(y[i])
    z[j] = sum[i](w[i,j] * x[i])
    o = sum[j](v[j] * sigmoid(z[j]))"""
FROM = """from_x(x[I], w[I,J], v[J]) -> o
    z[j] = sum[i](w[i,j] * x[i])
    o = sum[j](v[j] * sigmoid(z[j]))"""
DIFFERENCE = "o² - ô² is no error: it is 0 at o = -ô and has no least value at o = ô; (o - ô)² is meant"
DELTA = "s[j] = sigmoid(z[j])\nd[j] = do * v[j] * s[j] * (1 - s[j])\n"


def _(place: str, says: str, formula: str, wrt: str, claim: str, verdict: Verdict = Verdict.AGREES, why: str = "", right: str = "", **more) -> Row:
    return Row("004", place, says, formula, wrt, claim, verdict, why, right, **more)


ROWS = [
    _(
        "1",
        "L(θ) = sum over i of Ci(θ) = sum over i of oi² - ôi²",
        LOSS,
        "",
        "L = sum[i](o[i]**2 - h[i]**2)",
        Verdict.WRONG,
        DIFFERENCE,
        "L = sum[i]((o[i] - h[i]) * (o[i] - h[i]))",
    ),
    _(
        "2, of the loss as printed",
        "∂Ci/∂θ = ∂oi/∂θ 2 oi",
        PRINTED,
        "p",
        "dp[i] = dC * (1 - tanh(p[i])**2) * 2 * o",
    ),
    _(
        "2, of the squared error",
        "∂Ci/∂θ = ∂oi/∂θ 2 oi",
        CHAINED,
        "p",
        "dp[i] = dC * (1 - tanh(p[i])**2) * 2 * o",
        Verdict.WRONG,
        "that of the loss as printed; of the squared error the factor is 2 (oi - ôi)",
        "dp[i] = dC * (1 - tanh(p[i])**2) * 2 * (o - h)",
    ),
    _("3", "∂oi/∂w11 = ∂oi/∂y1 ∂y1/∂w11 = ∂oi/∂y1 x1", FIRST, "w", "g[j] = do * v[j] * (1 - tanh(y[j])**2)\ndw[i,j] = g[j] * x[i]"),
    _("4", "∂oi/∂y1 = ∂oi/∂x1 ∂x1/∂y1 = ∂oi/∂x1 φ'(y1)", LAYER, "y", DELTA + "g[i] = sum[j](w[i,j] * d[j])\ndy[i] = g[i] * (1 - x[i]**2)"),
    _(
        "5",
        "∂oi/∂x1 = ∂oi/∂y1 w11 + ∂oi/∂y2 w12 + ∂oi/∂y3 w13",
        FROM,
        "x",
        DELTA + "dx[i] = d[0]*w[i,0] + d[1]*w[i,1] + d[2]*w[i,2]",
        sizes={"J": 3},
    ),
    _(
        "6",
        "the column ∂o/∂y' = diag(φ'(y')) W (the column ∂o/∂y)",
        LAYER,
        "y",
        DELTA + "m[i,j:I] = delta(i, j) * (1 - x[i]**2)\np[i] = sum[j](w[i,j] * d[j])\ndy[i] = sum[j](m[i,j] * p[j])",
        Verdict.CONVENTION,
        "W is [in, out], the transpose of PyTorch's",
        sizes={"I": 3, "J": 3},
    ),
]
