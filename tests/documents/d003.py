"""Document 003: a network of a convolution, cell biases, ReLU, max-pooling, a fully connected layer, softmax and cross-entropy; equations (1) to (55)."""

from .row import Row, Verdict

NET = """document_003(x[B,C], W[K,L], b1[D,E], b2[F,G], V[I,F,G], b3[I], t[I]) -> S
    z1[d,e] = sum[b,c](W[d-b, e-c] * x[b,c]) + b1[d,e]
    a1[d,e] = maximum(z1[d,e], 0)
    z2[f,g] = max[u:2,v:2](a1[2*f+u, 2*g+v]) + b2[f,g]
    a2[f,g] = maximum(z2[f,g], 0)
    z3[i] = sum[f,g](V[i,f,g] * a2[f,g]) + b3[i]
    y[h] = exp(z3[h]) / sum[i](exp(z3[i]))
    S = -sum[h](t[h] * log(y[h]))"""
SIZES = {"B": 4, "C": 5, "K": 3, "L": 2, "D": 6, "E": 5, "F": 3, "G": 2, "I": 3}
X, T, Y = "same(x[B,C]) -> s[B,C]\n    s[b,c] = x[b,c]", "same(t[B]) -> s[B]\n    s[b] = t[b]", "same(y[B]) -> s[B]\n    s[b] = y[b]"
RELU, SOFTMAX = "relu", "softmax"
POOL = "pool(x[D,E]) -> m[D//2,E//2]\n    m[f,g] = max[u:2,v:2](x[2*f+u, 2*g+v])"
CONV = "conv_003(x[B,C], W[K,L], b1[D,E]) -> z[D,E]\n    z[d,e] = b1[d,e] + sum[u,v](W[u,v] * x[d-u, e-v])"
FULL = "full(a[F,G], V[I,F,G], b3[I]) -> z[I]\n    z[i] = b3[i] + sum[f,g](V[i,f,g] * a[f,g])"
POOLED = "pooled(a[D,E], b2[D//2,E//2]) -> z[D//2,E//2]\n    z[f,g] = b2[f,g] + max[u:2,v:2](a[2*f+u, 2*g+v])"
CROSS = "cross(y[H], t[H]) -> S\n    S = -sum[h](t[h] * log(y[h]))"
SOFT = "soft(z[I]) -> y[I]\n    m = max[i](z[i])\n    y[h] = exp(z[h] - m) / sum[i](exp(z[i] - m))"
ACTIVE = "active(z[F,G]) -> a[F,G]\n    a[f,g] = maximum(z[f,g], 0)"

# The parts that the equations of section 3 are made of
JACOBIAN = "j[h,i] = y[h] * ((i == h) - y[i])\n"
WINNER = "w[f:F,g:G,d,e] = (d//2 == f) * (e//2 == g) * (a1[d,e] == max[u:2,v:2](a1[2*f+u, 2*g+v]))\n"
FULL_PART = "sum[f,g](V[i,f,g] * (z2[f,g] > 0) * {})"
CONV_PART = "sum[d,e](w[f,g,d,e] * (z1[d,e] > 0) * x[d-p, e-q])"
ONE_T = {"t": "probabilities"}
ONE = "the targets sum to 1"
UNNAMED = "a^(3) is nowhere defined: z^(3) is meant, on which softmax acts at once"
TIES = "at ties every largest is a winner; ours is the first in index order, so that the gradient is shared out once"
STEP = "theta(0) = 0: a step function leaves it open"


def _(k: object, says: str, formula: str, wrt: str, claim: str, verdict: Verdict = Verdict.AGREES, why: str = "", right: str = "", **more) -> Row:
    return Row("003", f"({k})", says, formula, wrt, claim, verdict, why, right, sizes=SIZES, **more)


def net(k: object, says: str, wrt: str, claim: str, verdict: Verdict = Verdict.AGREES, why: str = "", right: str = "", **more) -> Row:
    return _(k, says, NET, wrt, claim, verdict, why, right, **more)


DEFINITIONS = [
    _(1, "x_bc = input", X, "", "s[b,c] = x[b,c]"),
    _(2, "t_b = target", T, "", "s[b] = t[b]", Verdict.MISPRINT, "printed: m target"),
    _(3, "y_b = output", Y, "", "s[b] = y[b]"),
    _(4, "rho(x) = max(0, x)", RELU, "", "y[n,i] = (x[n,i] + abs(x[n,i])) / 2"),
    _(5, "theta(x) = Heavside(x) = rho'(x)", RELU, "x", "dx[n,i] = dy[n,i] * (x[n,i] >= 0)", Verdict.CONVENTION, STEP, elsewhere={"x": "tied"}),
    _(6, "sigma_j = e^xj / sum over i of e^xi", SOFTMAX, "", "y[n,k] = exp(z[n,k]) / sum[j](exp(z[n,j]))"),
    _(
        7,
        "∂(xj) sigma_i = sigma_i (delta_ij - sigma_j)",
        SOFTMAX,
        "z",
        "dz[n,j] = sum[i](dy[n,i] * y[n,i] * (delta(i, j) - y[n,j]))",
    ),
    _(8, "m_fg(x_de) = maxpool_fg(x_de)", POOL, "", "m[f,g] = max(x[2*f,2*g], x[2*f+1,2*g], x[2*f,2*g+1], x[2*f+1,2*g+1])"),
    _(
        9,
        "m'(x_de) = 1 if x_de is the largest of its stride else 0",
        POOL,
        "x",
        "dx[d,e] = sum[f:D//2,g:E//2](dm[f,g] * (d//2 == f) * (e//2 == g) * (x[d,e] == m[f,g]))",
        Verdict.CONVENTION,
        TIES,
        elsewhere={"x": "tied"},
    ),
    _(10, "z1_de = sum over b, c of [W_(d-b,e-c) x_bc] + b1_de", CONV, "", "z[d,e] = sum[b,c](W[d-b, e-c] * x[b,c]) + b1[d,e]"),
    _(11, "a1_de = rho(z1_de)", ACTIVE, "", "a[f,g] = where(z[f,g] > 0, z[f,g], 0)"),
    _(12, "z2_fg = m_fg(a1_de) + b2_fg", POOLED, "", "z[f,g] = max(a[2*f,2*g], a[2*f+1,2*g], a[2*f,2*g+1], a[2*f+1,2*g+1]) + b2[f,g]"),
    _(13, "a2_fg = rho(z2_fg)", ACTIVE, "", "a[f,g] = z[f,g] * (z[f,g] > 0)", Verdict.MISPRINT, "printed: ho"),
    _(14, "z3_i = sum over f, g of [W_ifg a2_fg] + b3_i", FULL, "", "z[i] = sum[f](sum[g](V[i,f,g] * a[f,g])) + b3[i]"),
    _(15, "y_h = sigma_h(z3_i) = sigma_h", SOFT, "", "y[h] = 1 / sum[i](exp(z[i] - z[h]))"),
    _(
        16,
        "label_h = argmax(y_h)",
        "label(y[H]) -> k\n    k = argmax[h](y[h])",
        "",
        "k = sum[h](h * (y[h] == max[j:H](y[j])))",
        Verdict.MISPRINT,
        "printed: label_h; there is one label, a number of h",
    ),
    _(17, "S = - sum over h of t_h ln(y_h)", "cross_entropy_of_probabilities", "", "l[n] = -sum[k](t[n,k] * log(y[n,k]))", given={"y": "positive"}),
    Row("003", "(18)", "n", verdict=Verdict.EMPTY, why="a letter, which says nothing"),
]
SIMPLE = [
    _(
        19,
        "∂(yh) S = -t_h / y_h",
        CROSS,
        "y",
        "dy[h] = -dS * t[h] / y[h]",
        Verdict.MISPRINT,
        "printed: the derivative by u_h",
        given={"y": "positive"},
    ),
    _(
        20,
        "∂(z3_i) y_h = y_h (delta_ih - y_i)",
        SOFT,
        "z",
        "dz[i] = sum[h](dy[h] * y[h] * (delta(i, h) - y[i]))",
        Verdict.MISPRINT,
        "printed: the derivative by z3, without its i",
    ),
    _(21, "∂(a2_fg) z3_i = W_ifg", FULL, "a", "da[f,g] = sum[i](dz[i] * V[i,f,g])"),
    _(22, "∂(z2_fg) a2_fg = theta(z2_fg)", ACTIVE, "z", "dz[f,g] = da[f,g] * (z[f,g] > 0)"),
    _(
        23,
        "∂(a1_de) z2_fg = m'(a1_de)",
        POOLED,
        "a",
        "da[d,e] = sum[f:D//2,g:E//2](dz[f,g] * (d//2 == f) * (e//2 == g) * (a[d,e] == max[u:2,v:2](a[2*f+u, 2*g+v])))",
        Verdict.CONVENTION,
        TIES,
        elsewhere={"a": "tied"},
    ),
    _(24, "∂(z1_de) a1_de = theta(z1_de)", ACTIVE, "z", "dz[f,g] = da[f,g] * (z[f,g] > 0)"),
    _(25, "∂(x_bc) z1_de = W_(d-b,e-c)", CONV, "x", "dx[b,c] = sum[d,e](dz[d,e] * W[d-b, e-c])"),
    _(26, "∂(W_afg) z3_i = delta_ia a2_fg", FULL, "V", "dV[h,f,g] = sum[i](dz[i] * delta(i, h) * a[f,g])"),
    _(
        27,
        "∂(W_(w-x,y-z)) z1_de = x_(d-w+x,e-y+z)",
        CONV,
        "W",
        "dW[w,y] = sum[d,e](dz[d,e] * x[d-(w+1)+1, e-(y+2)+2])",
        Verdict.CONVENTION,
        "the kernel's index is written as a difference; (28) says the same of a letter for each",
    ),
    _(28, "∂(W_yz) z1_de = x_(d-y,e-z)", CONV, "W", "dW[y,r] = sum[d,e](dz[d,e] * x[d-y, e-r])", Verdict.MISPRINT, "printed: the derivative by W_uz"),
]
FULL_ROWS = [
    net(29, "∂S/∂W_afg: the left side of (30) to (35)", "V", "dV[a,f,g] = a2[f,g] * sum[h](t[h] * (y[a] - (a == h)))"),
    net(
        30,
        "= sum over h of ∂S/∂y_h sum over i of ∂y_h/∂z3_i ∂z3_i/∂W_afg",
        "V",
        JACOBIAN + "s[h] = -t[h] / y[h]\ndV[a,f,g] = sum[h](s[h] * sum[i](j[h,i] * (i == a) * a2[f,g]))",
    ),
    net(
        31,
        "= - sum over h of t_h/y_h sum over i of y_h (delta_ih - sigma_i) delta_ia a2_fg",
        "V",
        "dV[a,f,g] = -sum[h](t[h] / y[h] * sum[i](y[h] * ((i == h) - y[i]) * (i == a) * a2[f,g]))",
    ),
    net(32, "= - sum over h of t_h (delta_ah - y_a) a2_fg", "V", "dV[a,f,g] = -sum[h](t[h] * ((a == h) - y[a]) * a2[f,g])"),
    net(33, "= a2_fg sum over h of t_h (y_a - delta_ah)", "V", "dV[a,f,g] = a2[f,g] * sum[h](t[h] * (y[a] - (a == h)))"),
    net(
        34,
        "= a2_fg [y_a sum over h of t_h - sum over h of t_h delta_ah]",
        "V",
        "dV[a,f,g] = a2[f,g] * (y[a] * sum[h](t[h]) - sum[h](t[h] * (a == h)))",
    ),
    net(35, "= a2_fg (y_a - t_a)", "V", "dV[a,f,g] = a2[f,g] * (y[a] - t[a])", Verdict.CONVENTION, ONE, given=ONE_T, elsewhere={}),
]
KERNEL_ROWS = [
    net(
        36,
        "∂S/∂W_yz: the left side of (37) to (40)",
        "W",
        WINNER + f"dW[p,q] = -sum[h](t[h] * sum[i](((i == h) - y[i]) * {FULL_PART.format(CONV_PART)}))",
    ),
    net(
        37,
        "= sum over h of ∂S/∂y_h sum over i of ∂y_h/∂a3_i ∂a3_i/∂z3_i sum over f, g of ∂z3_i/∂a2_fg ∂a2_fg/∂z2_fg sum over d, e of "
        "∂z2_fg/∂a1_de ∂a1_de/∂z1_de sum over b, c of ∂[W_(d-b,e-c) x_bc]/∂W_yz",
        "W",
        JACOBIAN
        + WINNER
        + "s[h] = -t[h] / y[h]\nk[d:D,e:E,p:K,q:L] = sum[b,c]((d-b == p) * (e-c == q) * x[b,c])\n"
        + f"dW[p,q] = sum[h](s[h] * sum[i](j[h,i] * {FULL_PART.format('sum[d,e](w[f,g,d,e] * (z1[d,e] > 0) * k[d,e,p,q])')}))",
        Verdict.CONVENTION,
        UNNAMED,
    ),
    *(
        net(
            k,
            f"= - sum over h of {front} sum over f, g of {middle} theta(z2_fg) sum over d, e of {winner} theta(z1_de) x_(d-y,e-z)",
            "W",
            WINNER + f"dW[p,q] = -sum[h]({claim} * {FULL_PART.format(CONV_PART)}))",
        )
        for k, front, middle, winner, claim in (
            (
                38,
                "t_h/y_h sum over i of sigma_h (delta_ih - sigma_i)",
                "∂z3_i/∂a2_fg",
                "∂z2_fg/∂a1_de",
                "t[h] / y[h] * sum[i](y[h] * ((i == h) - y[i])",
            ),
            (39, "t_h/y_h sum over i of sigma_h (delta_ih - sigma_i)", "W_ifg", "m'_fg(a1_de)", "t[h] / y[h] * sum[i](y[h] * ((i == h) - y[i])"),
            (40, "t_h sum over i of (delta_ih - y_i)", "W_ifg", "m'_fg(a1_de)", "t[h] * sum[i](((i == h) - y[i])"),
        )
    ),
]
BIAS_3 = [
    net(
        41,
        "∂S/∂b3_j: the left side of (42) to (45)",
        "b3",
        "db3[k] = -sum[h](t[h] * ((k == h) - y[k]))",
        Verdict.MISPRINT,
        "printed: the derivative by b3_i; the lines that follow have j",
    ),
    net(
        42,
        "= sum over h of ∂S/∂y_h sum over i of ∂y_h/∂a3_i ∂a3_i/∂z3_i ∂z3_i/∂b3_j",
        "b3",
        JACOBIAN + "s[h] = -t[h] / y[h]\ndb3[k] = sum[h](s[h] * sum[i](j[h,i] * (i == k)))",
        Verdict.CONVENTION,
        UNNAMED,
    ),
    net(
        43,
        "= - sum over h of t_h/y_h sum over i of sigma_h (delta_ih - sigma_i) delta_ij",
        "b3",
        "db3[k] = -sum[h](t[h] / y[h] * sum[i](y[h] * ((i == h) - y[i]) * (i == k)))",
    ),
    net(44, "= - sum over h of t_h (delta_jh - y_j)", "b3", "db3[k] = -sum[h](t[h] * ((k == h) - y[k]))"),
    net(45, "= y_j - t_j", "b3", "db3[k] = y[k] - t[k]", Verdict.CONVENTION, ONE, given=ONE_T, elsewhere={}),
]
AT_LM = "(f == l) * (g == m)"
BIAS_2 = [
    net(46, "∂S/∂b2_lm: the left side of (47) to (49)", "b2", "db2[l,m] = -sum[h](t[h] * sum[i](((i == h) - y[i]) * V[i,l,m] * (z2[l,m] > 0)))"),
    net(
        47,
        "= sum over h of ∂S/∂y_h sum over i of ∂y_h/∂z3_i sum over f, g of ∂z3_i/∂a2_fg ∂a2_fg/∂z2_fg delta_fl delta_gm",
        "b2",
        JACOBIAN + f"s[h] = -t[h] / y[h]\ndb2[l,m] = sum[h](s[h] * sum[i](j[h,i] * {FULL_PART.format(AT_LM)}))",
    ),
    net(
        48,
        "= - sum over h of t_h/y_h sum over i of sigma_h (delta_ih - sigma_i) sum over f, g of W_ifg theta(z2_fg) delta_fl delta_gm",
        "b2",
        f"db2[l,m] = -sum[h](t[h] / y[h] * sum[i](y[h] * ((i == h) - y[i]) * {FULL_PART.format(AT_LM)}))",
    ),
    net(
        49,
        "= - sum over h of t_h sum over i of y_h (delta_ih - y_i) W_ilm theta(z2_lm)",
        "b2",
        "db2[l,m] = -sum[h](t[h] * sum[i](y[h] * ((i == h) - y[i]) * V[i,l,m] * (z2[l,m] > 0)))",
        Verdict.WRONG,
        "y_h is left over: it was divided out with t_h/y_h",
        "db2[l,m] = -sum[h](t[h] * sum[i](((i == h) - y[i]) * V[i,l,m] * (z2[l,m] > 0)))",
    ),
]
AT_DE = "sum[d,e](w[f,g,d,e] * (z1[d,e] > 0) * (d == l) * (e == m))"
AT_WINNER = "w[f,g,l,m] * (z1[l,m] > 0)"
BIAS_1 = [
    net(
        50,
        "∂S/∂b1_lm: the left side of (51) to (54)",
        "b1",
        WINNER + f"db1[l,m] = -sum[h](t[h] * sum[i](((i == h) - y[i]) * {FULL_PART.format(AT_WINNER)}))",
    ),
    net(
        51,
        "= sum over h of ∂S/∂y_h sum over i of ∂y_h/∂a3_i ∂a3_i/∂z3_i sum over f, g of ∂z3_i/∂a2_fg ∂a2_fg/∂z2_fg sum over d, e of "
        "∂z2_fg/∂a1_de ∂a1_de/∂z1_de delta_dl delta_em",
        "b1",
        JACOBIAN + WINNER + f"s[h] = -t[h] / y[h]\ndb1[l,m] = sum[h](s[h] * sum[i](j[h,i] * {FULL_PART.format(AT_DE)}))",
        Verdict.CONVENTION,
        UNNAMED,
    ),
    *(
        net(
            k,
            f"= - sum over h of {front} sum over f, g of W_ifg theta(z2_fg) {rest}",
            "b1",
            WINNER + f"db1[l,m] = -sum[h]({claim} * {FULL_PART.format(part)}))",
        )
        for k, front, rest, claim, part in (
            (
                52,
                "t_h/y_h sum over i of sigma_h (delta_ih - sigma_i)",
                "sum over d, e of m'_fg(a1_de) theta(z1_de) delta_dl delta_em",
                "t[h] / y[h] * sum[i](y[h] * ((i == h) - y[i])",
                AT_DE,
            ),
            (
                53,
                "t_h/y_h sum over i of sigma_h (delta_ih - sigma_i)",
                "m'_fg(a1_lm) theta(z1_lm)",
                "t[h] / y[h] * sum[i](y[h] * ((i == h) - y[i])",
                AT_WINNER,
            ),
        )
    ),
    net(
        54,
        "= - sum over h of t_h sum over i of (delta_ih - y_i) sum over f, g of W_ifg theta(z2_fg) m'_fg(a1_lm) theta(z1_lm)",
        "b1",
        WINNER + f"db1[l,m] = -sum[h](t[h] * sum[i](((i == h) - y[i]) * {FULL_PART.format(AT_WINNER)}))",
        Verdict.MISPRINT,
        "printed: the sum runs over f and a",
    ),
    Row("003", "(55)", "a number without a formula", verdict=Verdict.EMPTY, why="nothing is printed"),
]

ROWS = [*DEFINITIONS, *SIMPLE, *FULL_ROWS, *KERNEL_ROWS, *BIAS_3, *BIAS_2, *BIAS_1]
