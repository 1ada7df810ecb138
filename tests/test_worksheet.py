"""Worksheets: what is written out is what comes out, in text, LaTeX and in a spreadsheet that computes it anew."""

from __future__ import annotations

import builtins
import math
import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from matplotlib.mathtext import MathTextParser

import chainrule as cr
from chainrule import ArgumentError, DataError, ShapeError, ops
from chainrule.cli import main
from chainrule.explain.dialects import SHEET, SPREADSHEET, TEXT, written
from chainrule.explain.worksheet import BLANK, Worksheet
from chainrule.language.functions import FUNCTIONS
from chainrule.language.tree import Call, Const
from tests.sheets import Sheet, _Formula

TEX = MathTextParser("path")
OWN = {
    "tiled": "flat(x[n,A,B]) -> y[n,A*B]\n y[n,a*B+b] = x[n,a,b]**2",
    "smallest": "low(x[n,D], w[D]) -> y[n]\n y[n] = min[i](w[i]*x[n,i]) + prod[i](x[n,i])",
    "table": "look(t[n]: int, w[V,D]) -> y[n,D]\n y[n,d] = w[t[n],d] * 2",
    "signs": "turned(x[n,D], w[D]) -> y[n]\n y[n] = 7 - sum[i](-x[n,i]*w[i]) - (-x[n,0] - w[0])",
    "strided": "shift(x[n,H]; s=3, p=2) -> y[n,(H+2*p-2)//s+1]\n y[n,i] = sum[u:2](abs(x[n,s*i+u-p])) / (1 + s)",
}


def values_of(w: Worksheet) -> dict[str, np.ndarray]:
    """All numbers by the library's own calls, in double precision."""
    x = w.example
    given = {k: a.astype(float) if a.dtype == object else a for k, a in x.given.items()}
    inputs = {t.name: given[t.name] for t in x.op.definition.inputs}
    out = x.op(**inputs, **x.settings, engine="reference")
    rows = out if isinstance(out, tuple) else (out,)
    found = {t.name: np.asarray(v) for t, v in zip(x.op.definition.outputs, rows, strict=True)}
    g = x.op.gradient(tuple(x.gradients))
    derived = x.op.derived(g.definition).evaluate(inputs | {k: given[k].astype(float) for k in x.seeds}, dict(x.settings), "reference")
    return found | {x.gradients[k]: np.asarray(derived[g.of[k]]) for k in x.gradients}


def check(w: Worksheet, path: Path) -> None:
    """A worksheet's numbers are the library's, in all that is written, and in a spreadsheet that is computed anew."""
    for tensor, want in values_of(w).items():
        got = np.vectorize(float, otypes=[float])(w.example.values[tensor])
        assert np.allclose(got, want, rtol=1e-9, atol=1e-12), tensor
    w.xlsx(path)
    sheet = Sheet(path)
    assert len(sheet.formulas) == sum(math.prod(w.example.shapes[line.tensor]) for line in w.example.lines)
    for cell in sheet.formulas:
        assert sheet.value(cell) == pytest.approx(sheet.kept[cell], rel=1e-11, abs=1e-12), (cell, sheet.cells[cell])
    text = w.markdown()
    for row in re.findall(r"^- `.*`$", text, re.M):
        _, *chain = re.findall(r"`([^`]*)`", row)
        if len(chain) > 1 and re.fullmatch(r"[-\d/ *+().]+", chain[-2]):  # whole numbers and fractions
            assert "." in chain[-1] or Fraction(chain[-1]) == evaluated(chain[-2]), row


def evaluated(text: str) -> Fraction:
    """What is written of whole numbers and fractions, exactly."""
    return Fraction(eval(re.sub(r"\d+(\.\d+)?", r"Fraction('\g<0>')", text), {"Fraction": Fraction}))


SOME = ("conv", "max_pool", "avg_pool", "linear", "softmax", "tanh", "cross_entropy", "mse", "batch_norm", "embedding", "conv_transpose", "lp_pool",
        "gelu", "huber", "pixel_shuffle", "dropout", "glu", "binary_cross_entropy", "adaptive_max_pool", "group_norm", "multi_margin")  # fmt: skip


@pytest.mark.parametrize("name", SOME)
def test_the_numbers_of_an_operation(name: str, tmp_path: Path) -> None:
    check(cr.worksheet(getattr(ops, name)), tmp_path / "w.xlsx")


@pytest.mark.parametrize("text", OWN.values(), ids=OWN)
def test_the_numbers_of_a_formula_of_one_s_own(text: str, tmp_path: Path) -> None:
    check(cr.worksheet(text, seed=3), tmp_path / "w.xlsx")


def test_a_mean_in_the_padding_counts_the_whole_window(tmp_path: Path) -> None:
    w = cr.worksheet(ops.avg_pool, k=2, s=2, p=1)
    check(w, tmp_path / "w.xlsx")
    assert "`y[0,0,0,0]` = `x[0,0,0,0] / 4`" in w.markdown()


def test_stride_and_padding(tmp_path: Path) -> None:
    w = cr.worksheet(ops.conv, wrt="w", s=2, p=1)
    check(w, tmp_path / "w.xlsx")
    assert "`y[0,0,0,0]` = `b[0] + w[0,0,1,1] * x[0,0,0,0]` = `4 + 1 * 5` = `9`" in w.markdown()
    assert w.example.shapes["x"] == (1, 1, 4, 4) and list(w.example.gradients) == ["w"]


@pytest.mark.parametrize("name", ops.__all__)
def test_every_operation_has_a_worksheet(name: str) -> None:
    w = cr.worksheet(getattr(ops, name))
    assert all(np.isfinite(a.astype(float)).all() for a in w.example.values.values())
    assert all(k in w.example.values for k in w.example.gradients.values())


@pytest.mark.parametrize("name", ["conv", "softmax", "max_pool", "mse", "tanh", "adaptive_max_pool", "embedding"])
def test_the_latex_of_every_number_is_read(name: str) -> None:
    """By a strict reader of formulas; the lines with letters are the printer's, and tested there."""
    w = cr.worksheet(getattr(ops, name))
    general = {w.formula_latex(line) for line in w.example.lines}
    rows = [f for f in w.formulas() if f not in general]
    assert len(rows) > 2
    for f in rows[:: max(1, len(rows) // 4)]:
        TEX.parse(f"${f}$")
    document = w.latex().replace(r"\{", "")  # a brace that is shown
    for a, b in [(r"\begin{align*}", r"\end{align*}"), (r"\begin{bmatrix}", r"\end{bmatrix}"), (r"\[ ", r" \]"), ("{", "}")]:
        assert document.replace(r"\{", "").count(a) == document.count(b) > 0


def test_changing_an_input_changes_everything(tmp_path: Path) -> None:
    """As a teacher does in the spreadsheet: another pixel, and every result is the library's for it."""
    w = cr.worksheet(ops.max_pool)
    w.xlsx(tmp_path / "w.xlsx")
    sheet = Sheet(tmp_path / "w.xlsx")
    from chainrule.explain.spreadsheet import cell_names, layout

    places, name = layout(w).cells, cell_names()
    x = w.example.given["x"].copy()
    x[0, 0, 1, 1] = 99
    sheet.change(name(*places["x", (0, 0, 1, 1)]), 99)
    y, pullback = cr.vjp(ops.max_pool, x.astype(float))
    (dx,) = pullback(w.example.given["dy"].astype(float))
    assert dx[0, 0, 1, 1] == w.example.given["dy"][0, 0, 0, 0]
    for tensor, want in (("y", y), ("dx", dx)):
        for at in np.ndindex(want.shape):
            assert sheet.value(name(*places[tensor, at])) == want[at]


@pytest.mark.parametrize("fn", [fn for fn, f in FUNCTIONS.items() if f.arity and fn in SHEET])
def test_a_function_of_the_language_in_spreadsheets(fn: str) -> None:
    for a in (-2.5, -1.5, -0.5, 0.5, 1.5, 2.0, 2.5, 0.25):
        e = Call(fn, (Const(a), Const(0.75), Const(0.125))[: FUNCTIONS[fn].arity])
        want = float(cr.op(f"f(x) -> y\n y = {written(e, TEXT, str)} + 0*x")(1.0, engine="reference"))
        got = _Formula(None, written(e, SPREADSHEET, str).replace(" ", "")).whole()  # type: ignore[arg-type]  # no cells
        assert got == pytest.approx(want, rel=1e-12, abs=1e-12) or not math.isfinite(want)


def test_every_function_of_the_language_has_a_name_in_spreadsheets() -> None:
    assert {fn for fn, f in FUNCTIONS.items() if f.arity} - {"diff"} == SHEET.keys()


def test_blanks_to_fill_in(tmp_path: Path) -> None:
    w = cr.worksheet(ops.linear, answers=False)
    text = w.markdown()
    assert "to fill in" in text and " * " not in text.split("## Given")[1].split("```")[1] and text.count(BLANK) == 4 + 6 + 6 + 2
    assert r"\square" in w.latex() and "align" not in w.latex()
    w.xlsx(tmp_path / "w.xlsx")
    assert not Sheet(tmp_path / "w.xlsx").formulas


def test_a_seed_gives_the_same_numbers_again() -> None:
    assert cr.worksheet(ops.conv, seed=5).markdown() == cr.worksheet(ops.conv, seed=5).markdown() != cr.worksheet(ops.conv, seed=6).markdown()


def test_a_winner_of_a_cut_window_keeps_its_number() -> None:
    w = cr.worksheet(ops.max_pool, seed=0, p=1)
    rows = {row[0]: row[1:] for row in (re.findall(r"`([^`]*)`", row) for row in re.findall(r"^- .*$", w.markdown(), re.M))}
    for row in (row for row in rows.values() if len(row) > 1):
        for numbers in re.findall(r"^argmax\(([-\d:, ]*)\)$", row[-2]):
            terms = [x.rpartition(": ") for x in numbers.split(", ")]
            best = max(range(len(terms)), key=lambda k: int(terms[k][2]))  # used here
            assert row[-1] == (terms[best][0] or str(best))
    assert rows["ay[0,0,0,1]"] == ["argmax(2: x[0,0,0,1], 3: x[0,0,0,2])", "argmax(2: 3, 3: 2)", "2"]
    assert r"\operatorname{arg\,max}\left(2: x_{0,0,0,1}, 3: x_{0,0,0,2}\right)" in w.latex()


def test_derived_lines_are_those_of_the_settings() -> None:
    lines = [line for line in cr.worksheet(ops.conv).markdown().splitlines() if line.startswith("dx[n")]
    assert lines == ["dx[n,c,r,q] = sum[o,i,j](dy[n,o,i,j] * w[o, c, r-i, q-j])"]
    assert "w[o, c, r-2*i+1, q-2*j+1]" in cr.worksheet(ops.conv, s=2, p=1).markdown()
    assert "dx[n,c,r,q] = dy[n, c, r//2, q//2] / 4" in cr.worksheet(ops.avg_pool).markdown()


def test_what_is_rounded_is_not_said_to_be_equal() -> None:
    text = cr.worksheet(ops.batch_norm_fixed, seed=7).markdown()
    assert "`1 / sqrt(1 + 1e-05)` ≈ `0.999995`" in text and "`2 * ((-2) - (-1)) * 0.999995 + 2` ≈" in text
    assert r"\approx 0.44721" in cr.worksheet(ops.batch_norm_fixed, seed=7).latex() and "≈" not in cr.worksheet(ops.conv).markdown()
    assert "sqrt(2 * pi)" in cr.worksheet(ops.gelu).markdown() and r"\sqrt{2 \cdot \pi}" in cr.worksheet(ops.gelu).latex()


def test_fractions_stay_exact() -> None:
    w = cr.worksheet(ops.avg_pool)
    assert any(isinstance(v, Fraction) and v.denominator > 1 for v in w.example.values["y"].reshape(-1))
    assert re.search(r"= `\(.*\) / 4` = `-?\d+(/\d)?`", w.markdown())


@pytest.mark.parametrize(
    "act, kind, message",
    [
        (lambda: cr.worksheet(ops.conv, sizes={"H": 99}), ArgumentError, "H=99: a size of a worksheet; accepted: 1 to 16"),
        (lambda: cr.worksheet(ops.conv, sizes={"Q": 3}), ArgumentError, "Q=3: no size of conv; accepted: C, H"),
        (lambda: cr.worksheet(ops.conv, sizes={"H": 2, "K": 3}), ShapeError, "no small sizes fit"),
        (lambda: cr.worksheet(ops.conv, wrt="z"), ArgumentError, "wrt='z': no input of conv that has a gradient; accepted: x, w, b"),
        (lambda: cr.worksheet(ops.conv, q=1), ArgumentError, "q"),
        (lambda: cr.worksheet(7), ArgumentError, "7: no operation"),
        (lambda: cr.worksheet(ops.conv, seed=-1), ArgumentError, "seed=-1"),
        (lambda: cr.worksheet(ops.conv, sizes="x"), ArgumentError, "sizes='x': no sizes by name"),
        (lambda: cr.worksheet(ops.conv, wrt=5), ArgumentError, "wrt=5: no input"),
        (lambda: cr.worksheet(ops.conv, answers="no"), ArgumentError, "answers='no'"),
        (lambda: cr.worksheet(cr.nn.MultiheadAttention(4, 2)), ArgumentError, "not one operation"),
        (lambda: cr.worksheet(ops.linear).xlsx(None), ArgumentError, "None: no path"),
        (lambda: cr.worksheet(ops.linear).xlsx("a\0b"), DataError, "cannot be written"),
        (lambda: cr.worksheet(ops.max_pool, k=1, p=1), ArgumentError, "for which all its values are finite"),
    ],
)
def test_what_makes_no_worksheet_is_refused(act, kind, message: str) -> None:  # type: ignore[no-untyped-def]  # whatever is tried
    with pytest.raises(kind, match=re.escape(message)):
        act()


@pytest.mark.parametrize(
    "op, settings, sizes, shape",
    [
        (ops.conv, {"s": 2}, {"H": 3}, (1, 1, 3, 4)),
        (ops.conv, {"s": 3}, {"W": 4}, (1, 1, 4, 4)),
        (ops.pixel_shuffle, {"r": 3}, {}, (1, 9, 4, 4)),
        ("f(x[A,B,C,D,E,F]) -> y[A]\n y[a] = sum[b,c,d,e,f](x[a,b,c,d,e,f])", {}, {}, (1, 3, 2, 3, 2, 3)),
    ],
)
def test_sizes_that_fit_are_found(op, settings, sizes, shape) -> None:  # type: ignore[no-untyped-def]  # a row
    assert cr.worksheet(op, sizes=sizes, **settings).example.shapes["x"] == shape


def test_a_layer_s_own_sizes_and_a_loss() -> None:
    w = cr.worksheet(cr.nn.Conv2d(2, 3, 3, stride=2, padding=1))
    assert w.example.shapes["w"] == (3, 2, 3, 3) and "2*i+u-1" in w.markdown()
    assert cr.worksheet(cr.nn.Conv2d(64, 64, 3)).example.shapes["w"] == (1, 1, 2, 2)
    assert cr.worksheet(cr.nn.CrossEntropyLoss()).example.op.name == "cross_entropy"


def test_without_the_package_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    real = builtins.__import__

    def refuse(name: str, *args: object, **given: object) -> object:
        if name == "xlsxwriter":
            raise ImportError(name)
        return real(name, *args, **given)  # type: ignore[arg-type]  # as it was called

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ArgumentError, match=r"pip install 'chainrule\[xlsx\]'"):
        cr.worksheet(ops.linear).xlsx(tmp_path / "w.xlsx")


def test_the_command_writes_worksheets(tmp_path: Path) -> None:
    def run(*args: str, code: int = 0) -> str:
        found = CliRunner().invoke(main, ["worksheet", *args])
        assert found.exit_code == code, found.output
        return found.output

    assert run("conv", "--seed", "7", "--settings", "s=2", "p=1", "--wrt", "w") == cr.worksheet(ops.conv, wrt="w", s=2, p=1).markdown() + "\n"
    (tmp_path / "own.txt").write_text(OWN["tiled"])
    assert run(str(tmp_path / "own.txt"), "--sizes", "A=2", "B=3", "--no-answers", "--format", "latex").startswith(r"\documentclass")
    run("linear", "-o", str(tmp_path / "a.xlsx"))
    assert Sheet(tmp_path / "a.xlsx").formulas
    assert "accepted: -o FILE.xlsx" in run("linear", "--format", "xlsx", code=2)
    assert "no such operation" in run("linaer", code=2) and "NAME=NUMBER" in run("conv", "s2", code=2)
    assert "cannot be written" in run("linear", "-o", str(tmp_path / "no" / "a.md"), code=2)
