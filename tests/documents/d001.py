"""Document 001: an article that derives what trains a convolutional network, layer by layer, from the loss back to the convolution."""

from .d001_conv import CONVOLUTION
from .row import Row, Verdict

HALF = "half(y[K], t[K]) -> E\n    E = sum[i]((t[i] - y[i])**2) / 2"
CROSS = "cross(y[K], t[K]) -> E\n    E = -sum[i](t[i] * log(y[i]))"
POWER = "power(x; k=3) -> y\n    u = sin(x)\n    y = u**k"
LOG = "logarithm(x) -> y\n    y = log(x)"
RELU = "relu(x[K]) -> y[K]\n    y[i] = maximum(x[i], 0)"
SIGMOID = "logistic(x[K]) -> y[K]\n    y[i] = sigmoid(x[i])"
EXP = "exponential(x) -> y\n    y = exp(sin(x))"
QUOTIENT = "quotient(x) -> y\n    u = sin(x)\n    v = 2 + cos(x)\n    y = u / v"
SUM = "total(x[K]) -> s\n    s = sum[k](exp(x[k]))"
SHARES = "shares(x, z, r[K]) -> y\n    u = exp(x)\n    v = exp(x) + exp(z) + sum[k](exp(r[k]))\n    y = u / v"
# Softmax's output i as a function of its own x, of another one, and of all the rest
OWN = "softmax_i(x, z, r[K]) -> y\n    y = exp(x) / (exp(x) + exp(z) + sum[k](exp(r[k])))"
SOFT = "soft(x[K]) -> y[K]\n    y[i] = exp(x[i]) / sum[k](exp(x[k]))"
UNDER_A_LOSS = "soft_log(x[K], t[K]) -> E\n    y[i] = exp(x[i]) / sum[k](exp(x[k]))\n    E = -sum[k](t[k] * log(y[k]))"
ACTIVE = "active(x[K], t[K]) -> E\n    y[i] = sigmoid(x[i])\n    E = sum[i]((t[i] - y[i])**2) / 2"
FULL = "full(y[M], w[M,N], b[N]) -> x[N]\n    x[i] = sum[k](w[k,i] * y[k]) + b[i]"
LAYER = "layer(y[M], w[M,N], b[N]) -> z[N]\n    x[i] = sum[k](w[k,i] * y[k]) + b[i]\n    z[i] = sigmoid(x[i])"
TERM = "term(w, y, b) -> x\n    x = w * y + b"
TOTAL = "s = exp(x) + exp(z) + sum[k](exp(r[k]))\n"
DELTA = "d[i] = dz[i] * z[i] * (1 - z[i])\n"
OTHER = "q = exp(z) / s\n"


def _(place: str, says: str, formula: str, wrt: str, claim: str, verdict: Verdict = Verdict.AGREES, why: str = "", right: str = "", **more) -> Row:
    return Row("001", place, says, formula, wrt, claim, verdict, why, right, **more)


LOSSES = [
    _("loss, half squares, E", "E = 1/2 sum over i = 0 to n of (ti - yi)^2", "half_squares", "", "l[n] = 1/2 * sum[k]((t[n,k] - y[n,k])**2)"),
    _(
        "loss, half squares, written out",
        "E = 1/2 ((t0 - y0)^2 + … + (ti - yi)^2 + … + (tn - yn)^2)",
        HALF,
        "",
        "E = 1/2 * ((t[0] - y[0])**2 + (t[1] - y[1])**2 + (t[2] - y[2])**2)",
        sizes={"K": 3},
    ),
    _(
        "loss, half squares, one term",
        "∂E/∂yi = ∂ 1/2 (ti - yi)^2/∂yi",
        HALF,
        "y",
        "dy[i] = dE * sum[k]((k == i) * 1/2 * 2 * (t[k] - y[k]) * (-1))",
    ),
    *(
        _(f"loss, half squares, {k}", f"∂E/∂yi {says}", HALF, "y", f"dy[i] = dE * ({claim})")
        for k, says, claim in (
            (1, "= 1/2 2 (ti - yi)^(2-1) ∂(ti - yi)/∂yi", "1/2 * 2 * (t[i] - y[i])**(2-1) * (0 - 1)"),
            (2, "= (ti - yi) (-1)", "(t[i] - y[i]) * (-1)"),
            (3, "= yi - ti", "y[i] - t[i]"),
        )
    ),
    _("loss, power", "(u^n)' = n u^(n-1) u'", POWER, "x", "dx = dy * k * u**(k-1) * cos(x)"),
    _(
        "loss, cross-entropy, E",
        "E = - sum over i = 0 to n of (ti ln yi)",
        "cross_entropy_of_probabilities",
        "",
        "l[n] = -sum[k](t[n,k] * log(y[n,k]))",
        given={"y": "positive"},
    ),
    _(
        "loss, cross-entropy, written out",
        "E = -(t0 ln y0 + … + ti ln yi + … + tn ln yn)",
        CROSS,
        "",
        "E = -(t[0] * log(y[0]) + t[1] * log(y[1]) + t[2] * log(y[2]))",
        given={"y": "positive"},
        sizes={"K": 3},
    ),
    _(
        "loss, cross-entropy, one term",
        "∂E/∂yi = ∂(-ti ln yi)/∂yi",
        CROSS,
        "y",
        "dy[i] = dE * sum[k]((k == i) * -t[k] * (1 / y[k]))",
        given={"y": "positive"},
    ),
    _("loss, cross-entropy", "= -ti/yi", CROSS, "y", "dy[i] = dE * -t[i] / y[i]", given={"y": "positive"}),
    _("loss, logarithm", "ln(x)' = 1/x", LOG, "x", "dx = dy * 1 / x", given={"x": "positive"}),
]
ACTIVATIONS = [
    _("ReLU", "f' = ∂yi/∂xi = 1 if xi > 0, 0 otherwise", RELU, "x", "dx[i] = dy[i] * where(x[i] > 0, 1, 0)"),
    _("sigmoid, as a power", "f' = ∂(1/(1 + e^-x))/∂x = ∂(1 + e^-x)^-1/∂x: the same function", SIGMOID, "", "y[i] = (1 + exp(-x[i]))**(-1)"),
    *(
        _(f"sigmoid, {k}", f"f' {says}", SIGMOID, "x", f"dx[i] = dy[i] * ({claim})")
        for k, says, claim in (
            (1, "= -(1 + e^-x)^-2 (-e^-x)", "-(1 + exp(-x[i]))**(-2) * -exp(-x[i])"),
            (2, "= e^-x / (1 + e^-x)^2", "exp(-x[i]) / (1 + exp(-x[i]))**2"),
            (3, "= 1/(1 + e^-x) e^-x/(1 + e^-x)", "1 / (1 + exp(-x[i])) * (exp(-x[i]) / (1 + exp(-x[i])))"),
            (4, "= 1/(1 + e^-x) ((1 + e^-x) - 1)/(1 + e^-x)", "1 / (1 + exp(-x[i])) * (((1 + exp(-x[i])) - 1) / (1 + exp(-x[i])))"),
            (
                5,
                "= 1/(1 + e^-x) ((1 + e^-x)/(1 + e^-x) - 1/(1 + e^-x))",
                "1 / (1 + exp(-x[i])) * ((1 + exp(-x[i])) / (1 + exp(-x[i])) - 1 / (1 + exp(-x[i])))",
            ),
            (6, "= 1/(1 + e^-x) (1 - 1/(1 + e^-x))", "1 / (1 + exp(-x[i])) * (1 - 1 / (1 + exp(-x[i])))"),
            (7, "= f (1 - f)", "y[i] * (1 - y[i])"),
        )
    ),
    _("sigmoid, exponential", "(e^u(x))' = e^u(x) u(x)'", EXP, "x", "dx = dy * exp(sin(x)) * cos(x)"),
    _("sigmoid, definition", "f = 1/(1 + e^-x)", SIGMOID, "", "y[i] = 1 / (1 + exp(-x[i]))"),
    _("delta", "delta_i = ∂E/∂xi = ∂E/∂yi ∂yi/∂xi", ACTIVE, "x", "g[i] = dE * (y[i] - t[i])\ndx[i] = g[i] * y[i] * (1 - y[i])"),
]
SOFTMAX = [
    _("softmax, definition", "yi = e^xi / sum over k = 0 to n of e^xk", "softmax", "", "y[n,k] = exp(z[n,k]) / sum[j](exp(z[n,j]))"),
    *(
        _(f"softmax, i = j, {k}", f"∂yi/∂xi {says}", OWN, "x", TOTAL + f"dx = dy * ({claim})")
        for k, says, claim in (
            (1, "= (e^xi S - e^xi e^xi) / S^2, S = sum over k of e^xk", "(exp(x) * s - exp(x) * exp(x)) / s**2"),
            (2, "= e^xi (S - e^xi) / (S S)", "exp(x) * (s - exp(x)) / (s * s)"),
            (3, "= yi (S - e^xi) / S", "y * ((s - exp(x)) / s)"),
            (4, "= yi (S/S - e^xi/S)", "y * (s / s - exp(x) / s)"),
            (5, "= yi (1 - yi)", "y * (1 - y)"),
        )
    ),
    _("softmax, quotient", "(u/v)' = (u'v - uv') / v^2", QUOTIENT, "x", "dx = dy * (cos(x) * v - u * -sin(x)) / v**2"),
    _("softmax, u and v", "the same with u = e^xi, v = S", SHARES, "x", "dx = dy * (u * v - u * exp(x)) / v**2"),
    _("softmax, sum", "∂S/∂xi = ∂(e^x0 + … + e^xi + … + e^xn)/∂xi = ∂e^xi/∂xi = e^xi", SUM, "x", "dx[i] = ds * exp(x[i])"),
    _(
        "softmax, i != j, 1",
        "∂yi/∂xj = (0 S - e^xi e^xj) / S^2",
        OWN,
        "z",
        TOTAL + "dz = dy * (0 * s - exp(x) * exp(z)) / s**2",
    ),
    _(
        "softmax, i != j, 2",
        "= e^xi e^xj / (S S)",
        OWN,
        "z",
        TOTAL + "dz = dy * exp(x) * exp(z) / (s * s)",
        Verdict.WRONG,
        "the sign is lost; it is back in the next step",
        TOTAL + "dz = -dy * exp(x) * exp(z) / (s * s)",
    ),
    _("softmax, i != j, 3", "= -yi yj", OWN, "z", TOTAL + OTHER + "dz = dy * -y * q"),
    _(
        "softmax, under any loss",
        "∂E/∂xi = sum over k of ∂E/∂yk ∂yk/∂xi",
        SOFT,
        "x",
        "dx[i] = sum[k](dy[k] * where(i == k, y[i] * (1 - y[i]), -y[k] * y[i]))",
    ),
    _(
        "softmax, written out",
        "∂E/∂xi = ∂E/∂y0 ∂y0/∂xi + … + ∂E/∂y1 ∂y1/∂xi + … + ∂E/∂yn ∂yn/∂xi",
        SOFT,
        "x",
        "j[k,i] = y[k] * (delta(k, i) - y[i])\ndx[i] = dy[0]*j[0,i] + dy[1]*j[1,i] + dy[2]*j[2,i]",
        Verdict.MISPRINT,
        "printed: y1 stands amid the dots, where yi is meant",
        sizes={"K": 3},
    ),
    _(
        "softmax, row",
        "[∂E/∂x0 ∂E/∂x1 … ∂E/∂xn] = [… (∂E/∂y0 ∂y0/∂xi + ∂E/∂y1 ∂y1/∂xi + … + ∂E/∂yn ∂yn/∂xi) …]",
        UNDER_A_LOSS,
        "x",
        "j[k,i] = y[k] * (delta(k, i) - y[i])\ng[k] = dE * -t[k] / y[k]\ndx[i] = g[0]*j[0,i] + g[1]*j[1,i] + g[2]*j[2,i]",
        sizes={"K": 3},
    ),
    _(
        "softmax, row by matrix",
        "= [∂E/∂y0 ∂E/∂y1 … ∂E/∂yn] [the matrix of all ∂yk/∂xi]; in the text below, ∂E/∂y ∂y/∂x = ∂E/∂x",
        UNDER_A_LOSS,
        "x",
        "j[k,i] = y[k] * (delta(k, i) - y[i])\ng[k] = dE * -t[k] / y[k]\ndx[i] = sum[k](g[k] * j[k,i])",
    ),
]
CONNECTED = [
    _("fully connected, x", "xi = sum over k' = 0 to m of wk'i yk' + bi", FULL, "", "x[i] = b[i] + sum[k](y[k] * w[k,i])"),
    _(
        "fully connected, x, written out",
        "xi = w0i y0' + … + wki yk' + … + wmi ym' + bi",
        FULL,
        "",
        "x[i] = w[0,i] * y[0] + w[1,i] * y[1] + w[2,i] * y[2] + b[i]",
        sizes={"M": 3, "N": 2},
    ),
    *(
        _(f"fully connected, w, {k}", says, LAYER, "w", DELTA + claim)
        for k, says, claim in (
            (1, "∂E/∂wki = ∂E/∂yi ∂yi/∂xi ∂xi/∂wki = delta_i ∂xi/∂wki", "dw[k,i] = sum[j](d[j] * (i == j) * y[k])"),
            (2, "= delta_i yk'", "dw[k,i] = d[i] * y[k]"),
        )
    ),
    _("fully connected, w, one term", "∂(wki yk')/∂wki = yk'", TERM, "w", "dw = dx * y"),
    *(
        _(f"fully connected, w, {k}", says, LAYER, "w", DELTA + claim)
        for k, says, claim in (
            (3, "∂E/∂w = (y')^T delta; (m x n) = (m x 1) (1 x n)", "c[k,q:1] = y[k]\nr[q:1,i] = d[i]\ndw[k,i] = sum[q:1](c[k,q] * r[q,i])"),
            (4, "the same, written out: row k, column i is yk' delta_i", "dw[k,i] = y[k] * d[i]"),
            (5, "= [the column y'] [the row delta]", "c[k,q:1] = y[k]\nr[q:1,i] = d[i]\ndw[k,i] = sum[q:1](c[k,q] * r[q,i])"),
        )
    ),
    _("fully connected, b, 1", "∂E/∂bi = ∂E/∂yi ∂yi/∂xi ∂xi/∂bi = delta_i ∂xi/∂bi = delta_i", LAYER, "b", DELTA + "db[i] = d[i]"),
    _("fully connected, b, one term", "∂(sum over k' of wk'i yk' + bi)/∂bi = 1", TERM, "b", "db = dx * 1"),
    _("fully connected, b, matrix", "∂E/∂b = delta; (1 x n) = (1 x n)", FULL, "b", "db[i] = dx[i]"),
    _(
        "fully connected, y, 1",
        "∂E/∂yk' = sum over i of delta_i ∂xi/∂yk' = sum over i of delta_i wki",
        LAYER,
        "y",
        DELTA + "dy[k] = sum[i](d[i] * w[k,i])",
    ),
    _("fully connected, y, one term", "∂(w0i y0' + … + wki yk' + … + wmi ym' + bi)/∂yk' = ∂(wki yk')/∂yk' = wki", TERM, "y", "dy = dx * w"),
    _(
        "fully connected, y, matrix",
        "∂E/∂y' = delta (w)^T; (1 x m) = (1 x n) (n x m)",
        LAYER,
        "y",
        DELTA + "c[i,k] = w[k,i]\ndy[k] = sum[i](d[i] * c[i,k])",
    ),
    _(
        "fully connected, y, written out",
        "the row of ∂E/∂yk' = the row of (delta_1 wk0 + delta_2 wk1 + … + delta_n wkn)",
        FULL,
        "y",
        "dy[k] = sum[i](dx[i+1] * w[k,i])",
        Verdict.WRONG,
        "delta's numbers are one too high: the terms are delta_0 wk0 + delta_1 wk1 + …",
        "dy[k] = sum[i](dx[i] * w[k,i])",
    ),
    *(
        _(f"fully connected, y, product {k}", says, FULL, "y", claim)
        for k, says, claim in (
            (1, "= [delta] [w]^T", "dy[k] = sum[i](dx[i] * w[k,i])"),
            (2, "= [delta] [the rows and columns of w exchanged]", "c[i,k] = w[k,i]\ndy[k] = sum[i](dx[i] * c[i,k])"),
        )
    ),
]
POOL = [
    _(
        "max-pooling",
        "the error passes through the places of the maxima, which the second matrix holds",
        "pool(x[H,W]) -> y[H//2,W//2]\n    y[i,j] = max[u:2,v:2](x[2*i+u, 2*j+v])",
        "x",
        "w[i:H//2,j:W//2] = argmax[u:2,v:2](x[2*i+u, 2*j+v])\ndx[r,q] = sum[i:H//2,j:W//2](dy[i,j] * (r//2 == i) * (q//2 == j) * (2*(r%2) + q%2 == w[i,j]))",
        sizes={"H": 7, "W": 6},
    ),
]

ROWS = [*LOSSES, *ACTIVATIONS, *SOFTMAX, *CONNECTED, *POOL, *CONVOLUTION]
