"""Document 001's convolutional layer, in both conventions. The kernel's index runs from -oo to +oo: here from -r on, w[u] being the document's w_(u-r)."""

from .row import Row, Verdict

TURNED = """turned(x[H,W], w[K,L], b; s=2, r=1) -> y[(H-1)//s+1,(W-1)//s+1]
    z[i:(H-1)//s+1,j:(W-1)//s+1] = sum[u,v](w[u,v] * x[s*i-(u-r), s*j-(v-r)]) + b
    y[i,j] = sigmoid(z[i,j])"""
STRAIGHT = """straight(x[H,W], w[K,L], b; s=2, r=1) -> y[(H-1)//s+1,(W-1)//s+1]
    z[i:(H-1)//s+1,j:(W-1)//s+1] = sum[u,v](w[u,v] * x[s*i+u-r, s*j+v-r]) + b
    y[i,j] = sigmoid(z[i,j])"""
LINEAR = """turned(x[H,W], w[K,L], b; s=2, r=1) -> y[(H-1)//s+1,(W-1)//s+1]
    y[i,j] = sum[u,v](w[u,v] * x[s*i-(u-r), s*j-(v-r)]) + b"""
CELLS = """cells(x[H,W], w[K,L], b[(H-1)//2+1,(W-1)//2+1]) -> y[(H-1)//2+1,(W-1)//2+1]
    y[i,j] = sum[u,v](w[u,v] * x[2*i-u+1, 2*j-v+1]) + b[i,j]"""
UNIT = """unit(x[H,W], w[K,L]) -> y[H-K+1,W-L+1]
    y[i,j] = sum[u,v](w[u,v] * x[{}])"""
SIZES = {"H": 7, "W": 6, "K": 3, "L": 4}
D = "dy[i,j] * y[i,j] * (1 - y[i,j])"


def _(place: str, says: str, formula: str, wrt: str, claim: str, verdict: Verdict = Verdict.AGREES, why: str = "", right: str = "", **more) -> Row:
    return Row("001", f"convolution, {place}", says, formula, wrt, claim, verdict, why, right, sizes=SIZES, **more)


CONVOLUTION = [
    Row(
        "001",
        "convolution, x",
        "xij = sum over a', b' from -oo to +oo of wa'b' y'(is-a',js-b') + b (here from -1 to 1)",
        "convolve",
        "",
        "y[n,o,i,j] = sum[c,u,v](w[o,c,u,v] * x[n, c, s*i-(u-1), s*j-(v-1)]) + b[o]",
        sizes=SIZES | {"L": 3, "O": 2},
        settings={"s": 2, "a": 1, "z": 1},
    ),
    _(
        "w, 1",
        "∂E/∂wab = sum over i, j of ∂E/∂yij ∂yij/∂xij ∂xij/∂wab, with that xij",
        TURNED,
        "w",
        f"dw[p,q] = sum[i,j]({D} * sum[u:K,v:L]((u == p) * (v == q) * x[s*i-(u-r), s*j-(v-r)]))",
    ),
    _("w, 2", "= sum over i, j of ∂E/∂yij ∂yij/∂xij y'(is-a,js-b)", TURNED, "w", f"dw[u,v] = sum[i,j]({D} * x[s*i-(u-r), s*j-(v-r)])"),
    _(
        "w, sum over a, b",
        "… ∂(w(-oo,-oo) y'(is+oo,js+oo) + … + wab y'(is-a,js-b) + … + w(oo,oo) y'(is-oo,js-oo) + b)/∂wab",
        TURNED,
        "w",
        f"dw[u,v] = sum[i,j]({D} * sum(x[s*i-u+r, s*j-v+r]))",
    ),
    _("w, one term", "∂(wab y'(is-a,js-b))/∂wab = y'(is-a,js-b)", LINEAR, "w", "dw[u,v] = sum[i,j](dy[i,j] * x[s*i-(u-r), s*j-(v-r)])"),
    _(
        "w, cross-correlation",
        "∂E/∂wab = sum over i, j of ∂E/∂yij ∂yij/∂xij y'(is+a,j+b)",
        STRAIGHT,
        "w",
        f"dw[u,v] = sum[i,j]({D} * x[s*i+u-r, j+v-r])",
        Verdict.WRONG,
        "the stride is missing at j: y'(is+a,js+b). The two are the same at stride 1 only",
        f"dw[u,v] = sum[i,j]({D} * x[s*i+u-r, s*j+v-r])",
    ),
    *(
        _(f"b, {k}", says, TURNED, "b", f"db = sum[i,j]({claim})")
        for k, says, claim in (
            (1, "∂E/∂b = sum over i, j of ∂E/∂yij ∂yij/∂xij ∂xij/∂b", f"{D} * 1"),
            (2, "= sum over i, j of ∂E/∂yij ∂yij/∂xij", D),
        )
    ),
    _("b, one term", "∂(sum over a, b of wab y'(is-a,js-b) + b)/∂b = 1", LINEAR, "b", "db = sum[i,j](dy[i,j] * 1)"),
    _("b, for each place", "∂E/∂bij = ∂E/∂xij", CELLS, "b", "db[i,j] = dy[i,j]"),
    _(
        "y, 1",
        "∂E/∂y'ij = sum over i', j' of ∂E/∂yi'j' ∂yi'j'/∂xi'j' ∂xi'j'/∂y'ij",
        TURNED,
        "x",
        f"dx[p,q] = sum[i,j]({D} * sum[u,v](w[u,v] * (s*i-(u-r) == p) * (s*j-(v-r) == q)))",
    ),
    _("y, 2", "= sum over i', j' of ∂E/∂yi'j' ∂yi'j'/∂xi'j' w(i's-i,j's-j)", TURNED, "x", f"dx[p,q] = sum[i,j]({D} * w[s*i-p+r, s*j-q+r])"),
    _(
        "y, where the terms are not 0",
        "i's - a = i, so a = i's - i (and b = j's - j)",
        LINEAR,
        "x",
        "dx[p,q] = sum[i,j,u:K,v:L](dy[i,j] * w[u,v] * (u-r == s*i-p) * (v-r == s*j-q))",
    ),
    _(
        "y, the same for cross-correlation",
        "i's + a = i, so a = i - i's (and b = j - j's)",
        STRAIGHT,
        "x",
        f"dx[p,q] = sum[i,j,u:K,v:L]({D} * w[u,v] * (u-r == p-s*i) * (v-r == q-s*j))",
    ),
    _(
        "y, cross-correlation",
        "∂E/∂y'ij = sum over i', j' of ∂E/∂yi'j' ∂yi'j'/∂xi'j' w(i-i's,j-j's)",
        STRAIGHT,
        "x",
        f"dx[p,q] = sum[i,j]({D} * w[p-s*i+r, q-s*j+r])",
    ),
    _(
        "the flip, of cross-correlation",
        "not turned forward, the kernel is turned backward (stride 1)",
        UNIT.format("i+u, j+v"),
        "x",
        "t[u:K,v:L] = w[K-1-u, L-1-v]\ndx[p,q] = sum[u,v](t[u,v] * dy[p+u-(K-1), q+v-(L-1)])",
    ),
    _(
        "the flip, of convolution",
        "turned forward, it is not turned backward (stride 1)",
        UNIT.format("i+K-1-u, j+L-1-v"),
        "x",
        "dx[p,q] = sum[u,v](w[u,v] * dy[p+u-(K-1), q+v-(L-1)])",
    ),
]
