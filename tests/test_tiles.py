"""Parts of an axis, and left sides whose letters tile an axis: split, crop, concatenate, group, shuffle, flatten are plain lines."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest

import chainrule as cr
from chainrule import Op
from chainrule.language.digits import digits, fits, ratio
from chainrule.language.index import Poly
from chainrule.language.ranges import define
from chainrule.language.show import definition_text
from tests.plain import REAL, evaluate

Shapes = Mapping[str, tuple[int, ...]]
Meaning = Callable[..., np.ndarray]

GROUPED = """grouped(x[n,g*Q,H], w[O,Q,K]; g=2, p=0) -> y[n, O, H+2*p-K+1]
    y[n, j*(O//g)+q, i] = sum[c,u](w[j*(O//g)+q, c, u] * x[n, j*Q+c, i+u-p])"""
SHUFFLE = """shuffle(x[n,C,H,W]; r=2) -> y[n, C//(r*r), H*r, W*r]
    y[n, c, r*i+u, r*j+v] = x[n, c*r*r+r*u+v, i, j]"""
UNSHUFFLE = """unshuffle(x[n,C,H,W]; r=2) -> y[n, C*r*r, H//r, W//r]
    y[n, c*r*r+r*u+v, i, j] = x[n, c, r*i+u, r*j+v]"""
FLATTEN = """flat(x[n,A,B,C]) -> y[n, A*B*C]
    y[n, a*B*C+b*C+c] = x[n,a,b,c]"""


def grouped(x: np.ndarray, w: np.ndarray, g: int, p: int) -> np.ndarray:
    x = np.pad(x, ((0, 0), (0, 0), (p, p)))
    parts = []
    for xs, ws in zip(np.split(x, g, 1), np.split(w, g, 0), strict=True):
        windows = np.lib.stride_tricks.sliding_window_view(xs, w.shape[2], 2)
        parts.append(np.einsum("ncik,ock->noi", windows, ws))
    return np.concatenate(parts, 1)


def shuffled(x: np.ndarray, r: int) -> np.ndarray:
    n, c, h, w = x.shape
    return x.reshape(n, c // (r * r), r, r, h, w).transpose(0, 1, 4, 2, 5, 3).reshape(n, c // (r * r), h * r, w * r)


def unshuffled(x: np.ndarray, r: int) -> np.ndarray:
    n, c, h, w = x.shape
    x = x[:, :, : h // r * r, : w // r * r]
    return x.reshape(n, c, h // r, r, w // r, r).transpose(0, 1, 3, 5, 2, 4).reshape(n, c * r * r, h // r, w // r)


# (text, shapes, settings, meaning of the first output, the gradient of the first input)
LINES: list[tuple[str, Shapes, dict, Meaning, str]] = [
    ("f(x[n,D]) -> y[n,2]\n    y[n,i] = x[n,i]", {"x": (3, 5)}, {}, lambda x: x[:, :2], "dx[n,r:D] = sum(dy[n,r])"),
    ("f(x[n,D]) -> y[n,2]\n    y[n,i:2] = x[n,i+3]", {"x": (3, 5)}, {}, lambda x: x[:, 3:5], "dx[n,r] = sum(dy[n, r-3])"),
    ("f(x[n,D]) -> y[n]\n    y[n] = x[n,3]", {"x": (3, 5)}, {}, lambda x: x[:, 3], "dx[n,r] = dy[n] * delta(3, r)"),
    ("f(x[n,D]; k=2) -> a[n,k], b[n,D-k]\n    a[n,i] = x[n,i]\n    b[n,i] = x[n,i+k]", {"x": (3, 5)}, {"k": 3}, lambda x: x[:, :3],
     "dx[n,r:D] = sum(db[n, r-k]) + sum(da[n,r])"),
    ("f(x[n,A], z[n,B]) -> y[n,A+B]\n    y[n,i] = sum(x[n,i]) + sum(z[n,i-A])", {"x": (3, 5), "z": (3, 2)}, {},
     lambda x, z: np.concatenate([x, z], 1), "dx[n,r] = sum(dy[n,r])"),
    ("f(x[n,D], w[A]) -> y[n,A]\n    y[n,i:A] = x[n,i] * w[i]", {"x": (3, 5), "w": (3,)}, {}, lambda x, w: x[:, :3] * w, "dx[n,r:D] = sum(dy[n,r] * w[r])"),
    ("f(x[n,D], w[A]) -> y\n    y = sum[n,i:A](x[n,i] * w[i])", {"x": (3, 5), "w": (3,)}, {}, lambda x, w: (x[:, :3] * w).sum(), "dx[n,r:D] = sum(dy * w[r])"),
    ("f(x[n,C,H,W]; p=1, q=2) -> y[n,C,3,2]\n    y[n,c,i,j] = x[n,c,i+p,j+q]", {"x": (2, 2, 5, 4)}, {}, lambda x: x[:, :, 1:4, 2:4],
     "dx[n,c,r,g] = sum(dy[n, c, r-p, g-q])"),
    (GROUPED, {"x": (3, 6, 5), "w": (4, 3, 2)}, {"p": 1}, lambda x, w: grouped(x, w, 2, 1),
     "dx[n, j*Q+c, r] = sum[q:O//g,i](dy[n, j*(O//g)+q, i] * w[j*(O//g)+q, c, r-i+p])"),
    (GROUPED, {"x": (17, 3, 5), "w": (6, 1, 2)}, {"g": 3}, lambda x, w: grouped(x, w, 3, 0),
     "dx[n, j*Q+c, r] = sum[q:O//g,i](dy[n, j*(O//g)+q, i] * w[j*(O//g)+q, c, r-i+p])"),
    (GROUPED, {"x": (2, 3, 5), "w": (3, 1, 2)}, {"g": 3}, lambda x, w: grouped(x, w, 3, 0),
     "dx[n, j*Q+c, r] = sum[q:O//g,i](dy[n, j*(O//g)+q, i] * w[j*(O//g)+q, c, r-i+p])"),
    (SHUFFLE, {"x": (3, 8, 2, 3)}, {}, lambda x: shuffled(x, 2), "dx[n,q,i,j] = sum(dy[n, q//(r*r), r*i+(q//r)%r, r*j+q%r])"),
    (SHUFFLE, {"x": (2, 18, 2, 1)}, {"r": 3}, lambda x: shuffled(x, 3), "dx[n,q,i,j] = sum(dy[n, q//(r*r), r*i+(q//r)%r, r*j+q%r])"),
    (UNSHUFFLE, {"x": (3, 2, 4, 6)}, {}, lambda x: unshuffled(x, 2), "dx[n,c,q,g] = sum(dy[n, c*r*r+r*(q%r)+g%r, q//r, g//r])"),
    (UNSHUFFLE, {"x": (2, 2, 5, 7)}, {}, lambda x: unshuffled(x, 2), "dx[n,c,q,g] = sum(dy[n, c*r*r+r*(q%r)+g%r, q//r, g//r])"),
    (FLATTEN, {"x": (3, 2, 5, 7)}, {}, lambda x: x.reshape(len(x), -1), "dx[n,a,b,c] = dy[n, (a*B+b)*C+c]"),
    (FLATTEN, {"x": (2, 1, 3, 1)}, {}, lambda x: x.reshape(len(x), -1), "dx[n,a,b,c] = dy[n, (a*B+b)*C+c]"),
    ("f(x[n,H]) -> y[n,H//2]\n    y[n,i] = mean[u:2](x[n,2*i+u])", {"x": (3, 7)}, {}, lambda x: (x[:, 0:6:2] + x[:, 1:6:2]) / 2,
     "dx[n,r] = dy[n, r//2] / 2"),
    ("f(x[2*A], w[A]) -> y[A], z[A]\n    y[a] = sum[u:2](x[2*a+u]) * w[a]\n    z[a] = x[2*a]", {"x": (6,), "w": (3,)}, {}, lambda x, w: (x[::2] + x[1::2]) * w,
     "dx[r] = dz[r//2] * (r%2 == 0) + dy[r//2] * w[r//2]"),
    ("f(x[n,A,B], w[K,L]) -> y[n,A-K+1,B-L+1]\n    z[n, a*B+b] = x[n,a,b]**2\n    y[n,i,j] = sum[u,v](w[u,v] * z[n, (i+u)*B+j+v])",
     {"x": (3, 4, 5), "w": (2, 3)}, {}, lambda x, w: np.einsum("nijuv,uv->nij", np.lib.stride_tricks.sliding_window_view(x**2, w.shape, (1, 2)), w),
     "dx[n,a,b] = 2 * dz[n, a*B+b] * x[n,a,b]"),
    ("f(x[A,B]) -> y[A,B]\n    z[a*B+b:A*B] = x[a,b]**2\n    y[a,b] = z[a*B+b] * z[0]", {"x": (4, 3)}, {}, lambda x: x**2 * x[0, 0] ** 2,
     "dx[a,b] = 2 * dz[a*B+b] * x[a,b]"),
    ("f(x[n,A,B]) -> y[n,A*B]\n    z[n, a*B+b] = exp(x[n,a,b])\n    y[n,k] = z[n,k] * z[n,A*B-1-k]", {"x": (3, 4, 2)}, {},
     lambda x: np.exp(x.reshape(3, 8)) * np.exp(x.reshape(3, 8)[:, ::-1]), "dx[n,a,b] = dz[n, a*B+b] * z[n, a*B+b]"),
    ("f(x[n,A,B]) -> y[n,A*B]\n    y[n, b*A+a] = x[n,a,b] * (a + 2*b)", {"x": (3, 4, 2)}, {},
     lambda x: (x * (np.arange(4)[:, None] + 2 * np.arange(2))).transpose(0, 2, 1).reshape(3, 8), "dx[n,a,b] = dy[n, b*A+a] * (a+2*b)"),
    ("f(x[n,A,B,C], w[A]) -> y[n,A,B,C]\n    z[n, c*B*A+b*A+a:C*B*A] = x[n,a,b,c]\n    y[n,a,b,c] = z[n, c*B*A+b*A+a] * w[a]", {"x": (3, 2, 3, 2), "w": (2,)}, {},
     lambda x, w: x * w[:, None, None], "dx[n,a,b,c] = dz[n, (c*B+b)*A+a]"),
    ("f(x[A], w[B]) -> y[A*B], z\n    y[a*B+b] = x[a] - w[b]\n    z = max[k:A*B](y[k])", {"x": (4,), "w": (3,)}, {}, lambda x, w: (x[:, None] - w).reshape(-1), ""),
    ("f(x[n,A,B]) -> y[A*B]\n    y[a*B+b] = sum[n](x[n,a,b])", {"x": (33, 4, 3)}, {}, lambda x: x.sum(0).reshape(-1), "dx[n,a,b] = dy[a*B+b]"),
    ("f(x[n,A,B]) -> y[n*A,B]\n    y[n*A+a, b] = x[n,a,b]", {"x": (5, 4, 3)}, {}, lambda x: x.reshape(20, 3), ""),
]  # fmt: skip
IDS = [f"{k}-{line[0].splitlines()[-1].strip()}" for k, line in enumerate(LINES)]


def arrays(shapes: Shapes, dtype: type = np.float64) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(len(str(shapes)))
    return {k: np.asarray(rng.normal(size=s)).astype(dtype) for k, s in shapes.items()}


def same(op: Op, given: Mapping[str, np.ndarray], settings: Mapping[str, int | float]) -> dict[str, np.ndarray]:
    """What all three evaluators compute, and the definition read back from its text."""
    assert define(definition_text(op.definition)) == op.definition, definition_text(op.definition)
    assert op.latex().count("{") == op.latex().count("}")
    want = {k: v.astype(float) for k, v in evaluate(op.definition, given, settings, REAL).items()}
    for engine in ("native", "reference"):
        for k, v in op.evaluate(given, settings, engine).items():
            np.testing.assert_allclose(v, want[k], rtol=1e-12, atol=1e-12, err_msg=engine)
    return want


@pytest.mark.parametrize("text, shapes, settings, meaning, gradient", LINES, ids=IDS)
def test_a_line_of_part_of_an_axis_means_what_it_says(text: str, shapes: Shapes, settings: dict, meaning: Meaning, gradient: str) -> None:
    op, given = cr.op(text), arrays(shapes)
    settings = dict(op.definition.settings) | settings
    found = same(op, given, settings)
    np.testing.assert_allclose(found[op.definition.outputs[0].name], meaning(**given), rtol=1e-12)


@pytest.mark.parametrize("text, shapes, settings, meaning, gradient", LINES, ids=IDS)
def test_its_derivatives_are_each_others_transpose_and_finite_differences(
    text: str, shapes: Shapes, settings: dict, meaning: Meaning, gradient: str
) -> None:
    op, given = cr.op(text), arrays(shapes)
    settings = dict(op.definition.settings) | settings
    g, t = op.gradient(list(given)), op.tangent(tuple(given))
    assert define(definition_text(g.definition)) == g.definition
    if gradient:
        assert cr.derive(op, "x").formula == gradient
    values = op.evaluate(given, settings, "reference")
    seeds = {g.seed[k]: np.cos(np.arange(v.size)).reshape(v.shape) for k, v in values.items()}
    moves = {t.seed[k]: np.sin(1 + np.arange(a.size)).reshape(a.shape) for k, a in given.items()}
    grads, tangents = same(op.derived(g.definition), given | seeds, settings), same(op.derived(t.definition), given | moves, settings)
    left = sum(float(np.sum(seeds[g.seed[k]] * tangents[t.of[k]])) for k in values)
    right = sum(float(np.sum(grads[g.of[k]] * moves[t.seed[k]])) for k in given)
    assert left == pytest.approx(right, rel=1e-10, abs=1e-12)
    step = 1e-30
    stepped = op.evaluate({k: a + 1j * step * moves[t.seed[k]] for k, a in given.items()}, settings, "reference")
    for k, v in stepped.items():
        np.testing.assert_allclose(np.imag(v) / step, tangents[t.of[k]], rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("text, shapes, settings", [(GROUPED, {"x": (19, 6, 9), "w": (4, 3, 2)}, {"g": 2}), (SHUFFLE, {"x": (19, 8, 3, 2)}, {})])
def test_single_precision_in_lanes_and_rows(text: str, shapes: Shapes, settings: dict) -> None:
    op = cr.op(text)
    single, double = arrays(shapes, np.float32), arrays(shapes)
    np.testing.assert_allclose(op(**single, **settings), op(**double, **settings, engine="reference"), rtol=1e-5, atol=1e-5)
    one = {k: a[:1] if k == "x" else a for k, a in single.items()}
    np.testing.assert_allclose(op(**one, **settings), op(**single, **settings)[:1], rtol=1e-6, atol=1e-6)


TWIN = [
    ("f(x[n,G*P], w[G], v[P]) -> y[n]\n y[n] = sum[g,q](x[n,g*P+q] * w[g] * v[q])", "dx[n, g*P+q] = dy[n] * v[q] * w[g]"),
    ("f(x[n,G*P], w[G], v[P]) -> y[n]\n y[n] = sum[g,q](x[n,g*P+q] * w[g] * v[q]) + x[n,0]",
     "dx[n,r] = dy[n] * (v[r%P] * w[r//P] + delta(0, r))"),
    ("f(x[n,D], w[G], v[P]) -> y[n]\n y[n] = sum[g,q](x[n,g*P+q] * w[g] * v[q])", "dx[n,r] = sum(dy[n] * v[r%P] * w[r//P])"),
    ("f(x[n,D]; g=2, p=3) -> y[n]\n y[n] = sum[a:g,b:p](x[n,a*p+b])", "dx[n,r] = dy[n] * (r//p < g)"),
    ("f(x[n,D]; g=2, p=3) -> y[n]\n y[n] = sum[a:g,b:p](x[n,a*p+b-1])", "dx[n,r] = dy[n] * (0 <= (r+1)//p < g)"),
]  # fmt: skip


@pytest.mark.parametrize("text, formula", TWIN)
def test_a_delta_of_several_digits_gives_each_of_them(text: str, formula: str) -> None:
    op = cr.op(text)
    found = cr.derive(op, "x")
    assert found.formula == formula
    x = {"x": np.random.default_rng(0).normal(size=(3, 6)), "w": np.array([2.0, 3]), "v": np.array([1.0, -1, 4])}
    given = {k: x[k] for k in op.inputs}
    g = op.gradient(["x"])
    same(op.derived(g.definition), given | {g.seed["y"]: np.array([1.0, 2, -1])}, dict(op.definition.settings))


FAULTS = [
    ("f(x[n,D]) -> y[n,2]\n y[n,i] = x[n,i-1]", "reads outside 'x': index i-1"),
    ("f(x[3]) -> y[5]\n y[i] = x[i]", "reads outside 'x'"),
    ("f(x[n,D]) -> y[n,D]\n y[n,i] = x[n,i+1]", "reads outside 'x'"),
    ("f(x[n,D], w[A]) -> y[n,D]\n y[n,i] = x[n,i]*w[i]", "has two ranges: D and A"),
    ("f(x[4], w[2]) -> y[7]\n y[2*i+j] = x[i]+w[j]", "2*i+j with i below 4 and j below 2 meets 8 places of an axis of 7"),
    ("f(x[4], w[2]) -> y[8]\n y[3*i+j] = x[i]+w[j]", "meets 12 places of an axis of 8"),
    ("f(x[A], w[B]) -> y[A*B+1]\n y[i*B+j] = x[i]*w[j]", "meets A*B places of an axis of A*B+1"),
    ("f(x[A]) -> y[A]\n y[2*i] = x[i]", "2*i tiles no axis of 'y'"),
    ("f(x[A]) -> y[A]\n y[i+1] = x[i]", "i+1 tiles no axis of 'y'"),
    ("f(x[A]) -> y[A]\n y[1] = x[0]", "1 tiles no axis of 'y'"),
    ("f(x[A]) -> y[A,A]\n y[i, i*A+j] = x[i]", "index letter 'i' twice"),
    ("f(x[A], w[B]) -> y[A*B]\n y[i*j+j] = x[i]*w[j]", "index letter 'j' twice"),
    ("f(x[A]) -> y[A]\n y[i//2] = x[i]", "is not an index letter of the left side"),
    ("f(x[A], w[B]) -> y\n z[i*B+j:A] = x[i]*w[j]\n y = z[0]", "i*B+j meets A*B places, not A"),
    ("f(x[A], w[B]) -> y[A*B]\n y[i*B+j:A+B] = x[i]*w[j]", "i*B+j has two sizes: A+B and A*B in the header"),
    ("f(x[A]) -> y\n z[i*A+j] = x[j]\n y = z[0]", "index letter 'i' has no range"),
]  # fmt: skip


@pytest.mark.parametrize("text, problem", FAULTS)
def test_what_cannot_be_is_said_when_it_is_defined(text: str, problem: str) -> None:
    with pytest.raises(cr.DefinitionError) as e:
        cr.op(text)
    assert problem in str(e.value) and "\naccepted: " in str(e.value)


SIZES = [
    ("f(x[n,D]) -> y[n,2]\n y[n,i:2] = x[n,i+3]", {"x": (3, 4)}, "f reads outside x with N=3, D=4: index i+3 reaches 4, the axis has 4 places"),
    (GROUPED, {"x": (3, 6, 5), "w": (5, 3, 2)}, "y: axis 1 of grouped is not tiled, 2*j+q with j below 2 and q below 2 meets 4 places of an axis of 5"),
    (GROUPED, {"x": (3, 6, 5), "w": (4, 2, 2)}, "x with shape (3, 6, 5): axis 1 of grouped's x is g*Q = 4, not 6"),
    ("f(x[A], w[B]; s=2) -> y[A*B]\n y[s*i+j] = x[i]*w[j]", {"x": (2,), "w": (3,)}, "f"),
    ("f(x[A], w[B]; s=2) -> y[A*B]\n y[s*i+j] = x[i]", {"x": (2,), "w": (3,)}, "y: axis 0 of f is not tiled, 2*i+j with i below 3 and j below 2"),
]  # fmt: skip


@pytest.mark.parametrize("engine", ["native", "reference"])
@pytest.mark.parametrize("text, shapes, problem", SIZES[:3])
def test_what_depends_on_sizes_is_said_with_the_sizes(text: str, shapes: Shapes, problem: str, engine: str) -> None:
    with pytest.raises(cr.ShapeError) as e:
        cr.op(text)(**arrays(shapes), engine=engine)
    assert str(e.value).startswith(problem) and "; accepted: " in str(e.value)


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_blocks_of_no_place_between_the_lines_tile_nothing(engine: str) -> None:
    op = cr.op("f(x[n,D]; k=2) -> y[n,D]\n    z[n,a*(D//k)+b:k*(D//k)] = x[n,a*(D//k)+b]\n    y[n,r] = x[n,r] + sum[i](z[n,i])")
    with pytest.raises(cr.ShapeError, match=r"^z: axis 1 of f is not tiled, b meets no place with k=3, N=1, D=2"):
        op(np.ones((1, 2)), k=3, engine=engine)


def test_digits_are_read_off_an_index() -> None:
    a, b, B, C = (Poly.name(x) for x in "abBC")
    ranges = {"a": Poly.name("A"), "b": B}
    row, rest = digits(a * B + b + C - 1, ranges) or ([], Poly({}))
    assert [(d.atom, str(d.coef), str(d.size)) for d in row] == [("a", "B", "A"), ("b", "1", "B")] and rest == C - 1
    assert digits(2 * a + b, ranges) is None and digits(a * b, ranges) is None and digits(a * B, ranges) is None
    assert fits(b + a * B, B * Poly.name("A"), ranges) and not fits(a * B + b + 1, B * Poly.name("A"), ranges)
    r = Poly.name("r")
    assert fits((r % B) * C + r // B, B * C, {"r": C * B}) and not fits(r // C, B, {"r": B * C + 1})
    assert ratio(B * C - B, B) == C - 1 and ratio(B + 1, B) is None and ratio(C, C // B) is None and ratio(B, C // B) is None
    assert ratio(C, C // B, trusting=True) == B == ratio(C, C // B, [(C // B * B, C)])
    assert ratio(6 * B, Poly.of(4)) is None


RESTS = [
    ("y[n,k,D//k]", "y[n,a,b] = x[n, a*(D//k)+b]**2"),
    ("y[n,k]", "y[n,a] = sum[b:D//k](b * x[n, a*(D//k)+b]**2)"),
    ("y[n,D//k,k]", "y[n,a,b] = x[n, a*k+b]**2"),
    ("y[n,D//k*k]", "y[n,a*k+b] = x[n, a*k+b]**2"),
    ("y[n,D//k*k]", "y[n,a*(D//k)+b] = x[n, a*(D//k)+b]**2"),
    ("y[n,k]", "y[n,a] = sum[q:D//k](q * x[n, q*k+a])"),
]


@pytest.mark.parametrize("engine", ["native", "reference"])
@pytest.mark.parametrize("out, line", RESTS, ids=[line for _, line in RESTS])
@pytest.mark.parametrize("size, k", [(7, 3), (8, 3), (9, 3), (5, 4), (4, 4), (11, 2)])
def test_blocks_may_leave_a_rest(out: str, line: str, size: int, k: int, engine: str) -> None:
    """Places behind the last whole block belong to no block: they have no gradient, and nobody reads beyond the blocks for them."""
    rng = np.random.default_rng(size)
    f = cr.op(f"f(x[n,D]; k={k}) -> {out}\n {line}")
    x = rng.normal(size=(2, size))
    y, pullback = cr.vjp(f, x, engine=engine)
    dy = rng.normal(size=y.shape)
    (found,) = pullback(dy)
    for place in np.ndindex(*x.shape):
        moved = x.astype(complex)
        moved[place] += 1e-20j
        assert found[place] == pytest.approx((f(moved, engine="reference").imag * dy).sum() / 1e-20, abs=1e-12)


def test_blocks_of_no_places_are_refused() -> None:
    f = cr.op("f(x[n,D]; k=3) -> y[n,D]\n y[n,a*(D//k)+b] = x[n,a*(D//k)+b]")
    with pytest.raises(cr.ShapeError, match=r"^y: axis 1 of f is not tiled, .*meets no place"):
        f(np.ones((2, 2)))
