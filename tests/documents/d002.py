"""Document 002: slides on backpropagation through a two-layer sigmoid network, and on gradient descent."""

from .row import Row, Verdict

PAIR = {"p": "probabilities", "q": "probabilities"}
CROSS = """cross(p[K], q[K]) -> H
    H = -sum[k](p[k] * log(q[k]))"""
DESCENT_OF = """descent(x[D]; eta=0.1) -> h
    f = sum[i](x[i]**4) / 4
    h = sum[i](x[i]**2) / 2 - eta * f"""
STEP = """step(x[D], g[D]; eta=0.1) -> y[D]
    y[i] = x[i] - eta * g[i]"""
CHANGE = """change(x[D]; eta=0.1) -> h
    f = sum[i](x[i]**4) / 4
    h = -eta * f"""
SQUARES = """squares(a[N], t[N]) -> E
    E = sum[i]((a[i] - t[i])**2) / 2"""
SIGMOID = """logistic(z) -> a
    a = sigmoid(z)"""
SUM4 = """z{k}(a1, a2, a3, a4, w1{k}, w2{k}, w3{k}, w4{k}, b{k}) -> z
    z = a1*w1{k} + a2*w2{k} + a3*w3{k} + a4*w4{k} + b{k}"""
ONE = """one(a[K], w[K], b, t) -> E
    z = sum[k](a[k] * w[k]) + b
    y = sigmoid(z)
    E = (y - t)**2 / 2"""
LAST = """last(a[M,K], w[K], b, t[M]) -> E
    z[i] = sum[k](a[i,k] * w[k]) + b
    y[i] = sigmoid(z[i])
    E = sum[i]((y[i] - t[i])**2) / 2"""
LASTS = """lasts(a[M,I], w[I,J], b[J], t[M,J]) -> E
    z[k,j] = sum[i](a[k,i] * w[i,j]) + b[j]
    y[k,j] = sigmoid(z[k,j])
    E = sum[k,j]((y[k,j] - t[k,j])**2) / 2"""
TWO = """two_layers(x[H], v[H,K], c[K], w[K,J], b[J], t[J]) -> E
    s[k] = sum[h](x[h] * v[h,k]) + c[k]
    a[k] = sigmoid(s[k])
    z[j] = sum[k](a[k] * w[k,j]) + b[j]
    y[j] = sigmoid(z[j])
    E = sum[j]((y[j] - t[j])**2) / 2"""
CHANGE_W = ONE.replace("one(", "change_w(").replace("b, t) -> E", "b, t; eta=0.1) -> u") + "\n    u = -eta * E"
CHANGE_V = TWO.replace("two_layers(", "change_v(").replace("t[J]) -> E", "t[J]; eta=0.1) -> u") + "\n    u = -eta * E"
FROM = """from_z1(s[K], w[K,J], b[J], t[J]) -> E
    a[k] = sigmoid(s[k])
    z[j] = sum[k](a[k] * w[k,j]) + b[j]
    y[j] = sigmoid(z[j])
    E = sum[j]((y[j] - t[j])**2) / 2"""
TOP = """from_z2(z[J], t[J]) -> E
    a[j] = sigmoid(z[j])
    E = sum[j]((a[j] - t[j])**2) / 2"""
SINE = """f(x1, x2) -> y
    y = x1 * x2 + sin(x1)"""
DELTA = "d[j] = dE * (y[j] - t[j]) * y[j] * (1 - y[j])\n"
SIZES = {"H": 5, "K": 4, "J": 3}
INSIDE = "each sample has its own factor a (1 - a) a', which stands inside the sum (read here as the first sample's: right for one sample)"


def _(place: str, says: str, formula: str, wrt: str, claim: str, verdict: Verdict = Verdict.AGREES, why: str = "", right: str = "", **more) -> Row:
    return Row("002", place, says, formula, wrt, claim, verdict, why, right, **more)


ERRORS = [
    _(
        "error, regression",
        "E = sqrt(Y^2 - T^2)",
        "root(y[K], t[K]) -> E\n    E = sqrt(sum[k]((y[k] - t[k])**2))",
        "",
        "E = sqrt(sum[k](y[k]**2 - t[k]**2))",
        Verdict.WRONG,
        "a difference of squares is no square of a difference: it has no root where Y is the smaller; meant is the distance",
        "E = sum[k]((y[k] - t[k])**2)**(1/2)",
    ),
    _("error, identity", "H(p,q) = H(p) + D_KL(p,q)", CROSS, "", "H = -sum[k](p[k] * log(p[k])) + sum[k](p[k] * log(p[k] / q[k]))", given=PAIR),
    _("error, identity's gradient", "the same, of q: H(p) has none", CROSS, "q", "dq[k] = -dH * p[k] / q[k]", given=PAIR),
    _(
        "error, classification",
        "H(p,q) = - sum over x of p(x) ln q(x)",
        "cross_entropy_of_probabilities",
        "",
        "l[n] = -sum[k](t[n,k] * log(y[n,k]))",
        given={"y": "probabilities", "t": "probabilities"},
    ),
]
DESCENT = [
    _(
        "descent, x1",
        "x1 = x0 - eta df/dx at x0 (f: here the sum of x^4/4; x1 is the gradient of x^2/2 - eta f)",
        DESCENT_OF,
        "x",
        "dx[i] = dh * (x[i] - eta * (4 * x[i]**3 / 4))",
    ),
    _("descent, change", "Δx0 = -eta df/dx at x0 (the gradient of -eta f)", CHANGE, "x", "dx[i] = dh * -eta * (4 * x[i]**3 / 4)"),
    _("descent, step", "x1 = x0 + Δx0", STEP, "", "change[i] = -eta * g[i]\ny[i] = x[i] + change[i]"),
]
LAST_LAYER = [
    _(
        "last layer, 1a",
        "Δw11 = -eta ∂E/∂w11 (the gradient of -eta E)",
        CHANGE_W,
        "w",
        "p = y - t\nq = y * (1 - y)\ndw[k] = du * -eta * (p * q * a[k])",
    ),
    _(
        "last layer, 1b",
        "∂E/∂w11 = ∂E/∂a1 ∂a1/∂z1 ∂z1/∂w11",
        ONE,
        "w",
        "p = y - t\nq = y * (1 - y)\ndw[k] = dE * p * q * a[k]",
    ),
    _(
        "last layer, 2a",
        "E = 1/2 sum over i = 1 to N of (a1i - t1i)^2",
        "half_squares",
        "",
        "l[n] = 1/2 * sum[k]((y[n,k] - t[n,k])**2)",
    ),
    _(
        "last layer, 2b",
        "=> ∂E/∂a1i = sum over i = 1 to N of a1i - t1i",
        SQUARES,
        "a",
        "da[i] = dE * sum[k](a[k] - t[k])",
        Verdict.WRONG,
        "one summand depends on a1i: the sum falls away",
        "da[i] = dE * (a[i] - t[i])",
    ),
    _("last layer, 3a", "a = 1 / (1 + e^-z) = sigma(z)", SIGMOID, "", "a = 1 / (1 + exp(-z))"),
    _("last layer, 3b", "∂a/∂z = sigma(z) (1 - sigma(z)) = a (1 - a)", SIGMOID, "z", "dz = da * a * (1 - a)"),
    _(
        "last layer, 4a",
        "z1 = a1 w11 + a2 w21 + a3 w31 + a4 w41 + b1",
        "z(a[4], w[4,J], b[J]) -> z\n    z = sum[k](a[k] * w[k,0]) + b[0]",
        "",
        "z = a[0]*w[0,0] + a[1]*w[1,0] + a[2]*w[2,0] + a[3]*w[3,0] + b[0]",
    ),
    _("last layer, 4b", "∂z1/∂w11 = a1", SUM4.format(k=1), "w11", "dw11 = dz * a1"),
    _(
        "last layer, 5",
        "∂E/∂w11 = a1 (1 - a1) a1' sum over i = 1 to N of a1i - t1i",
        LAST,
        "w",
        "dw[k] = dE * y[0] * (1 - y[0]) * a[0,k] * sum[i](y[i] - t[i])",
        Verdict.WRONG,
        INSIDE,
        "dw[k] = dE * sum[i](y[i] * (1 - y[i]) * a[i,k] * (y[i] - t[i]))",
    ),
    _(
        "last layer, 6",
        "∂E/∂wij = aj (1 - aj) ai' sum over k = 1 to N of ajk - tjk",
        LASTS,
        "w",
        "dw[i,j] = dE * y[0,j] * (1 - y[0,j]) * a[0,i] * sum[k](y[k,j] - t[k,j])",
        Verdict.WRONG,
        INSIDE,
        "dw[i,j] = dE * sum[k](y[k,j] * (1 - y[k,j]) * a[k,i] * (y[k,j] - t[k,j]))",
    ),
    _("last layer, 7a", "∂E/∂aj ∂aj/∂zj = delta_j", TOP, "z", "dz[j] = dE * (a[j] - t[j]) * a[j] * (1 - a[j])"),
    _("last layer, 7b", "∂E/∂wij = delta_j ai'", TWO, "w", DELTA + "dw[i,j] = d[j] * a[i]", sizes=SIZES),
]
INNER = [
    _(
        "inner layer, 1",
        "Δw11 = -eta ∂E/∂w11 (the gradient of -eta E)",
        CHANGE_V,
        "v",
        "d[j] = du * -eta * (y[j] - t[j]) * y[j] * (1 - y[j])\ndv[i,k] = sum[j](d[j] * w[k,j]) * a[k] * (1 - a[k]) * x[i]",
        sizes=SIZES,
    ),
    _(
        "inner layer, 2",
        "∂E/∂w11 = ∂E/∂a1 ∂a1/∂z1 ∂z1/∂w11 = ∂E/∂z1 ∂z1/∂w11",
        TWO,
        "v",
        DELTA + "p[k] = sum[j](d[j] * w[k,j])\nq[k] = p[k] * a[k] * (1 - a[k])\ndv[h,k] = q[k] * x[h]",
        sizes=SIZES,
    ),
    _(
        "inner layer, 3",
        "∂E/∂z1' = sum over k = 1 to 3 of ∂E/∂zk ∂zk/∂z1' = sum over k = 1 to 3 of ∂E/∂zk ∂zk/∂a1' ∂a1'/∂z1'",
        FROM,
        "s",
        DELTA + "ds[k] = sum[j](d[j] * w[k,j] * a[k] * (1 - a[k]))",
        sizes=SIZES,
    ),
    _(
        "inner layer, 4a",
        "zk = a1 w1k + a2 w2k + a3 w3k + a4 w4k + bk",
        "z(a[4], w[4,J], b[J]) -> z[J]\n    z[k] = b[k] + sum[i](a[i] * w[i,k])",
        "",
        "z[k] = a[0]*w[0,k] + a[1]*w[1,k] + a[2]*w[2,k] + a[3]*w[3,k] + b[k]",
    ),
    _("inner layer, 4b", "∂zk/∂a1 = w1k", SUM4.format(k=2), "a1", "da1 = dz * w12"),
    _("inner layer, 5", "∂E/∂aj ∂aj/∂zj = delta_j => ∂E/∂zk = delta_k", TOP, "z", "d[k] = dE * (a[k] - t[k]) * a[k] * (1 - a[k])\ndz[k] = d[k]"),
    _(
        "inner layer, 6",
        "∂E/∂w11 = input1 a1 (1 - a1) sum over k = 1 to 3 of delta_k w1k",
        TWO,
        "v",
        DELTA + "dv[h,k] = x[h] * a[k] * (1 - a[k]) * (d[0]*w[k,0] + d[1]*w[k,1] + d[2]*w[k,2])",
        sizes=SIZES,
    ),
    _(
        "inner layer, 7",
        "∂E/∂wij = ai' aj (1 - aj) sum over k = 1 to n of delta_k wjk",
        TWO,
        "v",
        DELTA + "dv[i,j] = x[i] * a[j] * (1 - a[j]) * sum[k](d[k] * w[j,k])",
        sizes=SIZES,
    ),
    _("automatic gradient", "f(x1,x2) = x1 x2 + sin(x1)", SINE, "", "y = x1 * x2 + sin(x1)"),
    _("automatic gradient, of x1", "the same, forward and backward", SINE, "x1", "dx1 = dy * (x2 + cos(x1))"),
    _("automatic gradient, of x2", "the same, forward and backward", SINE, "x2", "dx2 = dy * x1"),
]

ROWS = [*ERRORS, *DESCENT, *LAST_LAYER, *INNER]
