"""Families of axes and inputs that may be left out: a form of a text is the text that one would write out by hand."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

import chainrule as cr
from chainrule.language.families import Form
from chainrule.language.ranges import define, outline
from chainrule.language.show import definition_text
from tests.plain import REAL, evaluate

Shapes = Mapping[str, tuple[int, ...]]

CONV = """conv(x[n,C,*H], w[O,C,*K], b[O]=0; *s=1, *p=0, *d=1) -> y[n, O, *((H+2*p-d*(K-1)-1)//s+1)]
    y[n,o,*i] = b[o] + sum[c,*u](w[o,c,*u] * x[n, c, *(s*i+d*u-p)])"""
POOL = """pool(x[n,*H]; *k=2, *s=2) -> y[n, *((H-k)//s+1)], t[n, *((H-k)//s+1)]
    y[n,*i] = max[u:k](x[n, *(s*i+u)])
    t[n,*i] = argmax[u:k](x[n, *(s*i+u)]) + 0*x[n,*(s*i)]"""
OUTER = """outer(x[*A], z[*B]) -> y[*A,*B]
    y[*a,*b] = x[*a] * z[*b]"""
NORM = """norm(x[n,*C], g[*C]=1, b[*C]=0; eps=0.1) -> y[n,*C]
    m[n] = mean[*c](x[n,*c])
    v[n] = sum[*c]((x[n,*c] - m[n])**2) / prod(*C)
    y[n,*c] = g[*c] * (x[n,*c] - m[n]) / sqrt(v[n] + eps) + b[*c]"""
FLAT = """flat(x[n,*A]) -> y[n, prod(*A)], s[n]
    y[n,k] = x[n, *(k//after(A)%A)]
    s[n] = sum[*a](x[n,*a] * (sum(*a) + 1))"""
SCALED = """scaled(x[n,*A]; *w=3, q=2) -> y[n,*A]
    y[n,*a] = x[n,*a] * prod(*w) * q + sum(*(w*a))"""
OPTIONAL = """optional(x[n,D], g[D]=1, b=0, m[n,D]=1) -> y[n,D]
    y[n,i] = (g[i] * x[n,i] + b) / m[n,i]"""

# (text, shapes, settings as called, the text written out, settings in it)
FORMS: list[tuple[str, Shapes, dict, str, dict]] = [
    (CONV, {"x": (2, 3), "w": (4, 3), "b": (4,)}, {}, "conv(x[n,C], w[O,C], b[O]) -> y[n,O]\n    y[n,o] = b[o] + sum[c](w[o,c] * x[n,c])", {}),
    (CONV, {"x": (2, 3, 7), "w": (4, 3, 2)}, {"s": 2, "p": (1,), "d": 2},
     "conv(x[n,C,H], w[O,C,K]; s=1, p=0, d=1) -> y[n, O, (H+2*p-d*(K-1)-1)//s+1]\n    y[n,o,i] = sum[c,u](w[o,c,u] * x[n, c, s*i+d*u-p])",
     {"s": 2, "p": 1, "d": 2}),
    (CONV, {"x": (2, 3, 7, 6), "w": (4, 3, 2, 3), "b": (4,)}, {"s": (2, 1), "p": (1, 1), "d": 1},
     """conv(x[n,C,H,W], w[O,C,K,L], b[O]; s=1, t=1, p=0, d=1) -> y[n, O, (H+2*p-d*(K-1)-1)//s+1, (W+2*p-d*(L-1)-1)//t+1]
    y[n,o,i,j] = b[o] + sum[c,u,v](w[o,c,u,v] * x[n, c, s*i+d*u-p, t*j+d*v-p])""", {"s": 2, "t": 1, "p": 1}),
    (CONV, {"x": (2, 2, 4, 3, 4), "w": (2, 2, 2, 3, 1)}, {"p": [1, 0, 0]},
     """conv(x[n,C,H,W,D], w[O,C,K,L,M]; s=1, p=0, q=0, r=0, d=1) -> y[n, O, (H+2*p-d*(K-1)-1)//s+1, (W+2*q-d*(L-1)-1)//s+1, (D+2*r-d*(M-1)-1)//s+1]
    y[n,o,i,j,k] = sum[c,u,v,w1](w[o,c,u,v,w1] * x[n, c, s*i+d*u-p, s*j+d*v-q, s*k+d*w1-r])""", {"p": 1}),
    (CONV, {"x": (1, 1, 2, 3, 2, 2), "w": (1, 1, 2, 2, 1, 2)}, {"s": np.array([1, 2, 1, 1])},
     """conv(x[n,C,H,W,D,E], w[O,C,K,L,M,P]; s=1, t=2, p=0, d=1) -> y[n, O, (H-K)//s+1, (W-L)//t+1, (D-M)//s+1, (E-P)//s+1]
    y[n,o,i,j,k,l] = sum[c,u,v,q,r](w[o,c,u,v,q,r] * x[n, c, s*i+u, t*j+v, s*k+q, s*l+r])""", {}),
    (POOL, {"x": (2, 5)}, {"k": 3}, "pool(x[n,H]; k=2, s=2) -> y[n,(H-k)//s+1], t[n,(H-k)//s+1]\n    y[n,i] = max[u:k](x[n,s*i+u])\n"
     "    t[n,i] = argmax[u:k](x[n,s*i+u]) + 0*x[n,s*i]", {"k": 3}),
    (POOL, {"x": (2, 4, 5)}, {"k": (1, 3), "s": (2, 1)},
     """pool(x[n,H,W]; k=2, l=2, s=2, t=2) -> y[n,(H-k)//s+1,(W-l)//t+1], t[n,(H-k)//s+1,(W-l)//t+1]
    y[n,i,j] = max[u:k,v:l](x[n,s*i+u,t*j+v])
    t[n,i,j] = argmax[u:k,v:l](x[n,s*i+u,t*j+v]) + 0*x[n,s*i,t*j]""".replace("t=2", "q=2").replace("t*j", "q*j").replace("//t", "//q"),
     {"k": 1, "l": 3, "s": 2, "q": 1}),
    (POOL, {"x": (3,)}, {}, "pool(x[n]) -> y[n], t[n]\n    y[n] = x[n]\n    t[n] = 0*x[n]", {}),
    (OUTER, {"x": (2,), "z": (3, 2)}, {}, "outer(x[A], z[B,C]) -> y[A,B,C]\n    y[a,b,c] = x[a] * z[b,c]", {}),
    (OUTER, {"x": (2, 2), "z": ()}, {}, "outer(x[A,B], z) -> y[A,B]\n    y[a,b] = x[a,b] * z", {}),
    (OUTER, {"x": (), "z": ()}, {}, "outer(x, z) -> y\n    y = x * z", {}),
    (NORM, {"x": (2, 3, 2), "g": (3, 2)}, {},
     """norm(x[n,C,D], g[C,D]; eps=0.1) -> y[n,C,D]
    m[n] = mean[c,d](x[n,c,d])
    v[n] = sum[c,d]((x[n,c,d] - m[n])**2) / (C*D)
    y[n,c,d] = g[c,d] * (x[n,c,d] - m[n]) / sqrt(v[n] + eps)""", {}),
    (NORM, {"x": (2, 3), "b": (3,)}, {"eps": 0.5},
     """norm(x[n,C], b[C]; eps=0.1) -> y[n,C]
    m[n] = mean[c](x[n,c])
    v[n] = sum[c]((x[n,c] - m[n])**2) / C
    y[n,c] = (x[n,c] - m[n]) / sqrt(v[n] + eps) + b[c]""", {"eps": 0.5}),
    (FLAT, {"x": (2, 3, 2, 2)}, {},
     """flat(x[n,A,B,C]) -> y[n,A*B*C], s[n]
    y[n,k] = x[n, k//(B*C)%A, k//C%B, k%C]
    s[n] = sum[a,b,c](x[n,a,b,c] * (a+b+c + 1))""", {}),
    (FLAT, {"x": (3,)}, {}, "flat(x[n]) -> y[n,1], s[n]\n    y[n,k] = x[n]\n    s[n] = x[n]", {}),
    ("trace(x[*A,*A], z[n,*A]) -> y[n]\n    y[n] = sum[*a](x[*a,*a] * z[n,*a])", {"x": (2, 3, 2, 3), "z": (4, 2, 3)}, {},
     "trace(x[A,B,A,B], z[n,A,B]) -> y[n]\n    y[n] = sum[a,b](x[a,b,a,b] * z[n,a,b])", {}),
    ("gram(x[*A,*A]) -> y\n    y = sum[*a](x[*a,*a])", {"x": (3, 2, 3, 2)}, {}, "gram(x[A,B,A,B]) -> y\n    y = sum[a,b](x[a,b,a,b])", {}),
    (SCALED, {"x": (2, 3, 2)}, {"w": (2, 5)}, "scaled(x[n,A,B]; w=2, v=5, q=2) -> y[n,A,B]\n    y[n,a,b] = x[n,a,b] * (w*v) * q + (w*a + v*b)", {}),
    (SCALED, {"x": (2, 3, 2)}, {"w": 2}, "scaled(x[n,A,B]; w=2, q=2) -> y[n,A,B]\n    y[n,a,b] = x[n,a,b] * (w*w) * q + (w*a + w*b)", {}),
    (SCALED, {"x": (2,)}, {}, "scaled(x[n]; w=3, q=2) -> y[n]\n    y[n] = x[n] * q", {}),
    ("f(x[n,D], s: int=3, t[n]: int=1) -> y[n,D]\n    y[n,i] = x[n,t[n]] * uniform(s, n, i)", {"x": (2, 3)}, {},
     "f(x[n,D]) -> y[n,D]\n    y[n,i] = x[n,1] * uniform(3, n, i)", {}),
    (OPTIONAL, {"x": (2, 3)}, {}, "optional(x[n,D]) -> y[n,D]\n    y[n,i] = x[n,i]", {}),
    (OPTIONAL, {"x": (2, 3), "b": ()}, {}, "optional(x[n,D], b) -> y[n,D]\n    y[n,i] = x[n,i] + b", {}),
    (OPTIONAL, {"x": (2, 3), "m": (2, 3), "g": (3,)}, {}, "optional(x[n,D], g[D], m[n,D]) -> y[n,D]\n    y[n,i] = g[i] * x[n,i] / m[n,i]", {}),
]  # fmt: skip
IDS = [f"{t.split('(')[0]}{list(s.values())}{c or ''}" for t, s, c, _, _ in FORMS]


def arrays(shapes: Shapes) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(len(str(shapes)))
    return {k: np.asarray(rng.normal(size=s) + 2) for k, s in shapes.items()}


@pytest.mark.parametrize("text, shapes, settings, written, there", FORMS, ids=IDS)
def test_a_form_computes_and_derives_what_its_written_out_text_does(text: str, shapes: Shapes, settings: dict, written: str, there: dict) -> None:
    op, plain, x = cr.op(text), cr.op(written), arrays(shapes)
    form, given, numbers = op.meant((), x | settings)
    want = evaluate(plain.definition, x, there, REAL)
    assert {t.name: t.axes for t in form.definition.outputs}.keys() == {t.name: t.axes for t in plain.definition.outputs}.keys()
    for t in plain.definition.outputs:
        for found in (
            evaluate(form.definition, given, numbers, REAL)[t.name],
            form.evaluate(given, numbers, "reference")[t.name],
            form.evaluate(given, numbers, "native")[t.name],
            plain.evaluate(x, dict(plain.definition.settings) | there, "native")[t.name],
        ):
            np.testing.assert_allclose(np.asarray(found, float), want[t.name].astype(float), rtol=1e-13, atol=1e-13)
    assert define(definition_text(form.definition)) == form.definition
    for engine in ("native", "reference"):
        outs, pull = cr.vjp(op, **x, **settings, engine=engine)
        _, pull2 = cr.vjp(plain, **x, **there, engine=engine)
        seeds = [np.cos(np.arange(np.size(o))).reshape(np.shape(o)) for o in (outs if isinstance(outs, tuple) else (outs,))]
        ours, theirs = pull(*seeds), pull2(*seeds)
        for a, b in zip(*((g if isinstance(g, tuple) else (g,)) for g in (ours, theirs)), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("text, shapes, settings, written, there", FORMS, ids=IDS)
def test_reverse_is_the_transpose_of_forward_in_every_form(text: str, shapes: Shapes, settings: dict, written: str, there: dict) -> None:
    op, x = cr.op(text), arrays(shapes)
    moves = {k: np.sin(1 + np.arange(a.size)).reshape(a.shape) for k, a in x.items()}
    names = list(op.inputs)
    _, tangents = cr.jvp(op, [x.get(k) for k in names if k in x] if len(x) == len(names) else [x.get(k) for k in names],
                         [moves[k] for k in names if k in x], **settings)  # fmt: skip
    outs, pull = cr.vjp(op, **x, **settings)
    tangents = tangents if isinstance(tangents, tuple) else (tangents,)
    seeds = [np.cos(np.arange(np.size(o))).reshape(np.shape(o)) for o in (outs if isinstance(outs, tuple) else (outs,))]
    grads = pull(*seeds)
    grads = grads if isinstance(grads, tuple) else (grads,)
    moving = [moves[k] for k in names if k in x]
    left = sum(float(np.sum(s * t)) for s, t in zip(seeds, tangents, strict=True))
    right = sum(float(np.sum(g * m)) for g, m in zip(grads, moving, strict=True))
    assert left == pytest.approx(right, rel=1e-10)


def test_a_derivation_reads_as_that_of_the_written_out_text() -> None:
    conv = cr.op(CONV)
    assert cr.derive(conv.at({"x": 3}), "w").formula == "dw[o,c,u] = sum[n,i](dy[n,o,i] * x[n, c, s*i+d*u-p])"
    assert cr.derive(conv.at({"x": 4}), "w").formula == "dw[o,c,u,v] = sum[n,i,j](dy[n,o,i,j] * x[n, c, s*i+d*u-p, s*j+d*v-p])"
    assert (
        cr.derive(cr.op("relu(x[n,*A]) -> y[n,*A]\n y[n,*a] = maximum(x[n,*a], 0)").at({"x": 2}), "x").formula == "dx[n,a] = dy[n,a] * (x[n,a] > 0)"
    )


FAULTS = [
    ("f(x[n,*A]) -> y[n,*B]\n y[n,*a] = x[n,*a]", "size 'B' is on no input's axis"),
    ("f(x[n,*A]) -> y[n,*A]\n y[n,*a] = x[n,a]", "stands for several axes"),
    ("f(x[n,*A]) -> y[n,*A]\n y[n,a] = x[n,*a]", "names no family of axes"),
    ("f(x[n,*A]) -> y[n]\n y[n] = sum[*a](x[n,*a]) * A", "stands for several axes"),
    ("f(x[n,*A]) -> y[n]\n y[n] = sum[*a](x[n,*a]) * prod(A)", "stands for several axes"),
    ("f(x[n,*A]) -> y[n]\n y[n] = sum[*a](x[n,*a]) * after(A)", "follow"),
    ("f(x[n,*A]; *s=1) -> y[n,*A]\n y[n,*a] = x[n,*a] * s", "stands for several axes"),
    ("f(x[n,D], b[D]=z) -> y[n,D]\n y[n,i] = x[n,i]", "is not what an input left out stands for"),
    ("f(x[n,D], t[n]: int=0.5) -> y[n,D]\n y[n,i] = x[n,i]", "holds whole numbers, and 0.5 is none"),
    ("f(x[n,D], b[E]=0) -> y[n,E]\n y[n,i] = b[i] + x[n,0]", ""),
]


@pytest.mark.parametrize("text, problem", FAULTS)
def test_a_family_out_of_place_is_reported(text: str, problem: str) -> None:
    if not problem:
        op = cr.op(text)
        with pytest.raises(cr.DefinitionError, match="'E' is on no input's axis"):
            op(np.ones((2, 3)))
        return
    with pytest.raises(cr.DefinitionError, match=problem) as e:
        cr.op(text)
    assert str(e.value).split("\n")[0] in text and "\naccepted: " in str(e.value)


CALLS = [
    (CONV, {"x": (2, 3, 5), "w": (4, 3, 2, 2)}, {}, r"^[xw] with [34] axes: does not fit conv"),
    (CONV, {"x": (2, 3, 5), "w": (4, 3, 2)}, {"s": (1, 2)}, r"^s=\(1, 2\): conv has 1 axes here"),
    (CONV, {"x": (2, 3, 5), "w": (4, 3, 2)}, {"s": "2"}, r"^s='2': not a setting"),
    (CONV, {"x": (2, 3, 5), "w": (4, 3, 2)}, {"s": 1.5}, r"^s=1\.5: this setting of conv is a whole number"),
    (CONV, {"x": (2, 3, 5), "w": (4, 3, 2), "b": (3,)}, {}, r"^b with shape \(3,\)"),
    (CONV, {"x": (2,), "w": (4, 3, 2)}, {}, r"^[xw] with"),
    (CONV, {"w": (4, 3, 2)}, {}, r"^conv: x not given"),
    (CONV, {"x": (2, 3, 5), "w": (4, 3, 2)}, {"q": 1}, r"^q=1: conv has no such setting"),
    (OUTER, {"x": (2, 2)}, {}, r"^outer: z not given"),
    (OPTIONAL, {"x": (2, 3), "g": (2,)}, {}, r"^g with shape \(2,\)"),
]  # fmt: skip


@pytest.mark.parametrize("text, shapes, settings, message", CALLS)
def test_a_call_that_fits_no_form_names_what_does_not_fit(text: str, shapes: Shapes, settings: dict, message: str) -> None:
    with pytest.raises(cr.ChainruleError, match=message) as e:
        cr.op(text)(**arrays(shapes), **settings)
    assert "; accepted: " in str(e.value)


def test_settings_given_for_each_axis_that_are_all_one_number_are_one_setting() -> None:
    op, x = cr.op(CONV), arrays({"x": (2, 3, 7, 6), "w": (4, 3, 2, 3)})
    assert op.meant((), x | {"s": (2, 2), "p": [1, 1]})[0] is op.meant((), x | {"s": 2, "p": 1})[0]
    assert np.array_equal(op(**x, s=(2, 2)), op(**x, s=2))


def test_none_leaves_an_input_out_and_members_take_no_name_that_is_there() -> None:
    op, x = cr.op(CONV), arrays({"x": (2, 3, 7), "w": (4, 3, 2)})
    assert np.array_equal(op(x["x"], x["w"], None), op(x["x"], x["w"]))
    text = "f(x[n,*A], B[n], b) -> y[n,*A]\n y[n,*a] = x[n,*a] * B[n] * b"
    d = define(text, Form((("A", 3),)))
    assert [str(p) for p in d.inputs[0].axes] == ["N", "A1", "A2", "A3"] and d.lines[0].letters[1:] == ("a1", "a2", "a3")
    assert outline(text).ranks({"x": 3, "B": 1, "b": 0}) == {"A": 2}


def test_a_family_of_thirty_axes_is_written_out() -> None:
    op = cr.op("f(x[*A]) -> y\n y = sum[*a](x[*a])")
    assert op(np.ones((1,) * 30)) == 1.0


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("f(x[n,D], w[D]=1) -> y[n]\n y[n] = sum[i](w[i]*x[n,i])/sum[i](w[i])", [1, 4]),
        ("f(x[n,D], b[D]=2) -> y[n]\n y[n] = x[n,1]*max[i](b[i])", [2, 8]),
        ("f(x[n,D], b[D]=2) -> y[n]\n z[i] = b[i]\n y[n] = sum[i](z[i]*x[n,i])", [6, 24]),
        ("f(x[n,D], m[n]=1) -> y[n]\n s = sum[n](m[n])\n y[n] = sum[i](x[n,i])/s", [1.5, 6]),
        ("f(x[n,D], b[Z]=0) -> y[n]\n y[n] = x[n,1] + sum[j](b[j])", [1, 4]),
        ("f(x[n,D], b[V]=3, t[n]: int=0) -> y[n]\n y[n] = x[n,0] + b[t[n]]", [3, 6]),
    ],
)
def test_an_input_that_is_left_out_still_says_where_letters_run(text: str, want: list[float]) -> None:
    x = np.arange(6.0).reshape(2, 3)
    for engine in ("native", "reference"):
        np.testing.assert_array_equal(cr.op(text)(x, engine=engine), want)


def test_a_size_that_only_an_input_left_out_has_is_named() -> None:
    f = cr.op("f(x[n,D], b[Z]=2) -> y[n,D]\n y[n,i] = x[n,i]*sum[j](b[j])")
    with pytest.raises(cr.DefinitionError, match="'j' runs over 'Z', the size of 'b' alone, which is left out"):
        f(np.ones((2, 3)))


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_every_reduction_goes_over_a_family(engine: str) -> None:
    x = np.arange(12.0).reshape(2, 3, 2) % 5
    for word in ("sum", "prod", "max", "min", "mean", "argmax", "argmin"):
        got = cr.op(f"f(x[n,*A]) -> y[n]\n y[n] = {word}[*a](x[n,*a])")(x, engine=engine)
        assert got.tolist() == [getattr(np, word)(row) for row in x]


def test_ranks_that_cannot_be_told_are_said_to_be_so() -> None:
    mat = cr.op("mat(x[*A,*B], w[*B,*C]) -> y[*A,*C]\n y[*a,*c] = sum[*b](x[*a,*b]*w[*b,*c])")
    assert np.array_equal(mat(np.ones((2, 3)), np.ones((3, 4))), np.full((2, 4), 3.0))
    with pytest.raises(cr.ShapeError, match=r"^x with 4 axes: which of them are \*A and \*B in mat cannot be told"):
        mat(np.ones((2, 2, 2, 2)), np.ones((2, 2, 2, 2)))
