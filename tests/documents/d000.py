"""Document 000: notes on the gradients of a LeNet's layers (softmax with half squares, fully connected, average pooling, convolution)."""

from .row import Row, Verdict

SHARE = """share(a[3]) -> l
    m = max[k](a[k])
    l = exp(a[{k}] - m) / sum[k](exp(a[k] - m))"""
ONE = """l1(a1, a2, a3) -> l
    l = exp(a1) / (exp(a1) + exp(a2) + exp(a3))"""
HALF = """half(l1, l2, l3, o1, o2, o3) -> E
    E = ((l1 - o1)**2 + (l2 - o2)**2 + (l3 - o3)**2) / 2"""
LAST = """last(a[K], o[K]) -> E
    l[k] = exp(a[k]) / sum[j](exp(a[j]))
    E = sum[k]((l[k] - o[k])**2) / 2"""
FIRST = """last(a1, a2, a3, o1, o2, o3) -> E
    l1 = exp(a1) / (exp(a1) + exp(a2) + exp(a3))
    l2 = exp(a2) / (exp(a1) + exp(a2) + exp(a3))
    l3 = exp(a3) / (exp(a1) + exp(a2) + exp(a3))
    E = ((l1 - o1)**2 + (l2 - o2)**2 + (l3 - o3)**2) / 2"""
BIASED = """biased(s[K], b[K]) -> a[K]
    a[i] = s[i] + b[i]"""
FULL = """full(a[I], w[I,J], b[J]) -> d[J]
    l[i] = tanh(a[i])
    c[j] = sum[i](w[i,j] * l[i]) + b[j]
    d[j] = sigmoid(c[j])"""
SCALARS = """c{j}(l1, l2, l3, w1{j}, w2{j}, w3{j}, b{j}) -> c
    c = w1{j} * l1 + w2{j} * l2 + w3{j} * l3 + b{j}"""
ACTIVE = """active(a1) -> l
    l = tanh(a1)"""
WEIGHTED = """weighted(a[I], w[I,J], b[J]) -> c[J]
    l[i] = tanh(a[i])
    c[j] = sum[i](w[i,j] * l[i]) + b[j]"""
POOL = """pool(a[H,W]) -> b[H//2,W//2]
    b[i,j] = mean[u:2,v:2](a[2*i+u, 2*j+v])"""
CONV = """conv_000(a[H,W], k[K,L], b[H-K+1,W-L+1]) -> c[H-K+1,W-L+1]
    c[i,j] = b[i,j] + sum[u,v](k[u,v] * a[i+u, j+v])"""
MAP = {"H": 7, "W": 6}
KERNEL = {"H": 4, "W": 5, "K": 2, "L": 3}
SIGN = "the sign: it is the direction of descent, not the gradient"


def _(
    place: str, says: str, formula: str, wrt: str, claim: str, verdict: Verdict = Verdict.AGREES, why: str = "", right: str = "", sizes=None
) -> Row:
    return Row("000", place, says, formula, wrt, claim, verdict, why, right, sizes or {})


SOFTMAX = [
    *(
        _(
            f"softmax, l{k + 1}",
            f"l{k + 1} = e^a{k + 1} / (e^a1 + e^a2 + e^a3)",
            SHARE.format(k=k),
            "",
            f"l = exp(a[{k}]) / (exp(a[0]) + exp(a[1]) + exp(a[2]))",
        )
        for k in range(3)
    ),
    _(
        "softmax, E",
        "E = 1/2 ((l1-o1)^2 + (l2-o2)^2 + (l3-o3)^2)",
        "half_squares",
        "",
        "l[n] = 1/2 * ((y[n,0]-t[n,0])**2 + (y[n,1]-t[n,1])**2 + (y[n,2]-t[n,2])**2)",
        sizes={"K": 3},
    ),
    *(
        _(
            f"softmax, dE/dl{k}",
            f"∂E/∂l{k} = o{k} - l{k}",
            HALF,
            f"l{k}",
            f"dl{k} = dE * (o{k} - l{k})",
            Verdict.WRONG,
            SIGN,
            f"dl{k} = dE * (l{k} - o{k})",
        )
        for k in (1, 2, 3)
    ),
    _("softmax, dl1/da1", "∂l1/∂a1 = l1 (1 - l1)", ONE, "a1", "da1 = dl * l * (1 - l)"),
    _(
        "softmax, dE/da1",
        "∂E/∂a1 = ∂E/∂l1 ∂l1/∂a1 = (o1 - l1) l1 (1 - l1)",
        FIRST,
        "a1",
        "da1 = dE * (o1 - l1) * l1 * (1 - l1)",
        Verdict.WRONG,
        "l2 and l3 depend on a1 too: their terms are missing; and the sign",
        "da1 = dE * ((l1 - o1) * l1 * (1 - l1) - (l2 - o2) * l2 * l1 - (l3 - o3) * l3 * l1)",
    ),
    _(
        "softmax, dE/dai",
        "∂E/∂ai = ∂E/∂li ∂li/∂ai = (oi - li) l1 (1 - li)",
        LAST,
        "a",
        "da[i] = dE * (o[i] - l[i]) * l[0] * (1 - l[i])",
        Verdict.WRONG,
        "the same, and l1 stands for li",
        "da[i] = dE * l[i] * ((l[i] - o[i]) - sum[k]((l[k] - o[k]) * l[k]))",
    ),
    _("softmax, dE/dbi", "∂E/∂bi = ∂E/∂ai", BIASED, "b", "db[i] = da[i]"),
]

CONNECTED = [
    *(
        _(
            f"fully connected, d{j + 1}",
            f"d{j + 1} = g(c{j + 1}), g: any (here sigmoid)",
            f"d(c[J]) -> d\n    d = sigmoid(c[{j}])",
            "",
            f"d = 1 / (1 + exp(-c[{j}]))",
        )
        for j in range(2)
    ),
    *(
        _(
            f"fully connected, c{j + 1}",
            f"c{j + 1} = w1{j + 1} l1 + w2{j + 1} l2 + w3{j + 1} l3 + b'{j + 1}",
            f"c(l[3], w[3,J], b[J]) -> c\n    c = sum[i](w[i,{j}] * l[i]) + b[{j}]",
            "",
            f"c = w[0,{j}]*l[0] + w[1,{j}]*l[1] + w[2,{j}]*l[2] + b[{j}]",
        )
        for j in range(2)
    ),
    *(
        _(
            f"fully connected, l{i + 1}",
            f"l{i + 1} = f(a{i + 1}), f: any (here tanh)",
            f"l(a[3]) -> l\n    l = tanh(a[{i}])",
            "",
            f"l = (exp(a[{i}]) - exp(-a[{i}])) / (exp(a[{i}]) + exp(-a[{i}]))",
        )
        for i in range(3)
    ),
    _(
        "fully connected, dE/da1",
        "∂E/∂a1 = ∂E_c1/∂c1 ∂c1/∂l1 ∂l1/∂a1 + ∂E_c2/∂c2 ∂c2/∂l1 ∂l1/∂a1",
        WEIGHTED,
        "a",
        "da[i] = dc[0] * w[i,0] * (1 - l[i]**2) + dc[1] * w[i,1] * (1 - l[i]**2)",
        Verdict.CONVENTION,
        "E_c1 is E as it depends on c1: ∂E_c1/∂c1 = ∂E/∂c1",
        sizes={"I": 3, "J": 2},
    ),
    _("fully connected, dc2/dl1", "∂c2/∂l1 = w12", SCALARS.format(j=2), "l1", "dl1 = dc * w12"),
    _("fully connected, dc1/dl1", "∂c1/∂l1 = w11", SCALARS.format(j=1), "l1", "dl1 = dc * w11"),
    _("fully connected, dl1/da1", "∂l1/∂a1 = f'(a1)", ACTIVE, "a1", "da1 = dl * (1 - tanh(a1)**2)"),
    _(
        "fully connected, dE/dbj",
        "∂E/∂bj = ∂E/∂li",
        FULL,
        "b",
        "g[i] = sum[j](dd[j] * d[j] * (1 - d[j]) * w[i,j])\ndb[j] = sum[i](g[i] * (i == j))",
        Verdict.WRONG,
        "the bias is added to cj, not to li: ∂E/∂bj = ∂E/∂cj (i, which nothing names, is read as j)",
        "db[j] = dd[j] * d[j] * (1 - d[j])",
        sizes={"I": 3, "J": 2},
    ),
    _("fully connected, dE/dwij", "∂E/∂wij = ∂E/∂cj li", WEIGHTED, "w", "dw[i,j] = dc[j] * l[i]"),
    _(
        "fully connected, dE/dai",
        "∂E/∂ai = ∂E_c1/∂c1 wi1 + ∂E_c2/∂c2 wi2",
        WEIGHTED,
        "a",
        "da[i] = dc[0] * w[i,0] + dc[1] * w[i,1]",
        Verdict.WRONG,
        "f'(ai) is missing: this is ∂E/∂li",
        "da[i] = (dc[0] * w[i,0] + dc[1] * w[i,1]) * (1 - tanh(a[i])**2)",
        sizes={"I": 3, "J": 2},
    ),
]

MAPS = [
    _(
        "average pooling, bij",
        "for all i, j: bij = (a(2i,2j) + a(2i+1,2j) + a(2i,2j+1) + a(2i+1,2j+1)) / 4",
        POOL,
        "",
        "b[i,j] = (a[2*i,2*j] + a[2*i+1,2*j] + a[2*i,2*j+1] + a[2*i+1,2*j+1]) / 4",
        sizes=MAP,
    ),
    _(
        "average pooling, dE/daij",
        "for all i, j: ∂E/∂aij = 1/4 ∂E/∂bkl, where k = floor(i/2) and l = floor(j/2)",
        POOL,
        "a",
        "da[i,j] = sum(db[i//2,j//2]) / 4",
        sizes=MAP,
    ),
    _(
        "convolution, cij",
        "for all i, j: cij = bij + sum over 0 <= k, l <= 1 of kkl c(i+k,j+l)",
        CONV,
        "",
        "c[i,j] = b[i,j] + sum[u:2,v:2](k[u,v] * c[i+u, j+v])",
        Verdict.REFUSED,
        "it reads the map it makes: c on the right is the input a",
        "c[i,j] = b[i,j] + sum[u:2,v:2](k[u,v] * a[i+u, j+v])",
        {"H": 4, "W": 5, "K": 2, "L": 2},
    ),
    _("convolution, dE/dbij", "∂E/∂bij = ∂E/∂cij", CONV, "b", "db[i,j] = dc[i,j]", sizes=KERNEL),
    _(
        "convolution, dE/dkij",
        "∂E/∂kij = sum p = 0 to 2, l = 0 to 2 of ∂E/∂ckl a(i+p,j+l)",
        CONV,
        "k",
        "dk[i,j] = sum[p:3,l:3](dc[q,l] * a[i+p, j+l])",
        Verdict.REFUSED,
        "the sum over p reads ∂E/∂c at k, which nothing runs over (written q here): it is ∂E/∂cpl",
        "dk[i,j] = sum[p:3,l:3](dc[p,l] * a[i+p, j+l])",
        KERNEL,
    ),
    _(
        "convolution, dE/daij",
        "∂E/∂aij = sum over k = max(0, k_size-1) to min(k_size, dim_input-j), l = max(0, k_size-1) to min(k_size, dim_input-k), of an empty fraction",
        CONV,
        "a",
        "da[i,j] = sum[u,v]()",
        Verdict.REFUSED,
        "the formula is unfinished: what is summed is missing, and so are bounds that depend on i",
        "da[i,j] = sum[u,v](k[u,v] * dc[i-u, j-v])",
        KERNEL,
    ),
]

ROWS = [*SOFTMAX, *CONNECTED, *MAPS]
