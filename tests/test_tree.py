"""The loop-nest tree has three readers: machine code, words and C. What one of them says is what the others say."""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import chainrule as cr
from chainrule import Op
from chainrule.engines.native import c, words
from chainrule.engines.native.nest import If, Loop, Over, Step, walk
from chainrule.engines.native.phases import Unit
from chainrule.engines.native.spec import Spec
from chainrule.engines.native.target import Target, current
from chainrule.engines.native.translate import modules, nest
from tests.cases import CORE, HALF, Case
from tests.conftest import missing

STRICT = ("-Wall", "-Wextra", "-pedantic", "-Werror")
NARROW = Target("narrow", "", "", 16, 16)  # C is the same for every machine; short vectors make short texts, which compile faster
COMPILER = next((found for name in ("cc", "gcc", "clang") if (found := shutil.which(name))), None)
SAMPLES = 5


def both(case: Case, dtype: type) -> Iterator[tuple[str, Op, dict[str, np.ndarray]]]:
    """The operation and its gradient, with arrays."""
    arrays = case.arrays(SAMPLES, dtype=dtype)
    gradient = case.op.gradient(case.wrt)
    values = case.op.evaluate(arrays, case.numbers, "reference")
    rng = np.random.default_rng(1)
    seeds = {gradient.seed[k]: np.asarray(rng.normal(size=np.shape(v)), dtype) for k, v in values.items()}
    yield "forward", case.op, arrays
    yield "gradient", Op.of(gradient.definition), arrays | seeds


def spec_of(op: Op, arrays: dict[str, np.ndarray], case: Case) -> Spec:
    return op.ready(arrays, case.numbers).spec


def units(case: Case) -> Iterator[tuple[Unit, Spec]]:
    for _, op, arrays in both(case, np.float32):
        spec = spec_of(op, arrays, case)
        yield nest(spec, current()), spec


@pytest.mark.parametrize("case", CORE, ids=lambda c: c.id)
def test_every_loop_and_every_condition_is_in_all_three(case: Case) -> None:
    for unit, spec in units(case):
        text = c.source(unit, spec, "f")
        llvm = "\n".join(modules(unit))
        for f in unit.functions:
            nodes = walk(f.body)
            loops, conditions = [n for n in nodes if isinstance(n, Loop)], [n for n in nodes if isinstance(n, If)]
            code = re.search(rf"^static \w+ {f.name}\(.*?^}}", text, re.S | re.M)
            made = re.search(rf"^define [^\n]*@{f.name}\(.*?^}}", llvm, re.S | re.M)
            assert code and made
            assert len(re.findall(r"for \(int64_t (?!t\b)", code[0])) == len(loops) == len(re.findall(r" phi i64 ", made[0]))
            assert len(re.findall(r"\bif \(", code[0])) == len(conditions) == len(re.findall(r"^D\d+:", made[0], re.M))
            if not f.hot:
                continue
            said = "\n".join(words.function_words(f))
            for over in (n for n in nodes if isinstance(n, Over)):
                assert f"for {over.letter} in 0..{over.extent}" in said
            for loop in loops:
                assert f"for {loop.letter} in " in said
            for condition in conditions:
                assert all(w in said for w in condition.words), condition.words
            for step in (n for n in nodes if isinstance(n, Step) and not n.at):
                assert step.words in said


@pytest.mark.parametrize("case", HALF, ids=lambda c: c.id)
def test_the_same_program_makes_the_same_tree_and_the_same_texts(case: Case) -> None:
    for first, spec in units(case):
        second = nest(spec, current())
        assert first.functions == second.functions and first.notes == second.notes
        assert modules(first) == modules(first) == modules(second)


def run_c(path: Path, spec: Spec, arrays: dict[str, np.ndarray], outputs: dict[str, np.ndarray], name: str) -> None:
    function = getattr(ctypes.CDLL(str(path)), f"chainrule_{name}")
    given = [ctypes.c_void_p((arrays | outputs)[p.name].ctypes.data) for p in (*spec.inputs, *spec.outputs)]
    assert function(*([ctypes.c_int64(SAMPLES)] if spec.sample is not None else []), *given) == 0


def dtypes(case: Case) -> tuple[type, ...]:
    """float64 too for some, among them all that call C's own functions: two compilations of everything take long."""
    return (np.float32, np.float64) if case.id in ("waves", "exotic", "attention", "norm", "unsolvable", "conv2d-stride2-pad") else (np.float32,)


def compiled(source: Path, text: str) -> subprocess.Popen[bytes]:
    """The compiler at work on a library beside its source."""
    source.write_text(text)
    flags = ["-std=c11", "-O0", "-fPIC", "-ffp-contract=off", *STRICT]
    return subprocess.Popen([str(COMPILER), *flags, "-shared", str(source), "-o", str(source.with_suffix(".so")), "-lm"])


@pytest.mark.parametrize("case, dtype", [pytest.param(case, d, id=f"{case.id}-{d.__name__}") for case in CORE for d in dtypes(case)])
def test_c_computes_what_both_engines_compute(case: Case, dtype: type, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if COMPILER is None:
        missing(request, "against C: there is no cc, gcc or clang on this machine")
        pytest.skip("no C compiler")
    jobs = [(tag, op, arrays, spec_of(op, arrays, case)) for tag, op, arrays in both(case, dtype)]
    compilers = [compiled(tmp_path / f"{tag}.c", c.source(nest(spec, NARROW), spec, tag)) for tag, _, _, spec in jobs]
    for (tag, op, arrays, spec), compiler in zip(jobs, compilers, strict=True):
        want = op.evaluate(arrays, case.numbers, "reference")
        native = op.evaluate(arrays, case.numbers, "native")
        outputs = {k: np.full(np.shape(v), np.nan, v.dtype) for k, v in want.items()}
        settings = dict(op.definition.settings) | case.numbers
        given = arrays | {k: np.array(settings[k], dtype) for k in op.ready(arrays, case.numbers).program.scalars}
        assert compiler.wait() == 0
        run_c(tmp_path / f"{tag}.so", spec, {k: np.ascontiguousarray(a) for k, a in given.items()}, outputs, tag)
        for k, got in outputs.items():
            size = max(float(np.max(np.abs(want[k]), initial=0)), 1e-3)
            np.testing.assert_allclose(got, want[k], atol=(3e-5 if dtype is np.float32 else 1e-12) * size, rtol=0)
            np.testing.assert_allclose(got, native[k], atol=(1e-6 if dtype is np.float32 else 1e-14) * size, rtol=0)


def test_c_names_the_formulas_and_takes_what_numpy_has() -> None:
    text = cr.ops.conv2d.c((4, 2, 7, 6), (3, 2, 3, 2), (3,), s=2, p=1)
    assert "int chainrule_conv2d(int64_t n, const float *x, const float *w, const float *b, float *y)" in text
    assert "// # y[n,o,i,j] = b[o] + y~1[n,o,i,j]" in text and "sum[c,u,v](w[o,c,u,v] * x[n, c, 2*i+u-1, 2*j+v-1])" in text


AWKWARD = [
    "t_", "t", "frame", "frame_", "frame1", "é", "名", "ñ", "malloc", "calloc", "free", "phase0", "lanes0", "g1", "NAN", "NULL", "INFINITY",
    "INT64_C", "int64_t", "math_errhandling", "_Bool", "__", "_", "char", "do", "auto", "n_", "order", "blocks", "sound", "least", "me",
    "linux", "unix", "asm", "main", "errno", "restrict", "memcpy", "out", "k", "y0", "j1",
]  # fmt: skip


def test_any_name_of_the_language_makes_a_name_in_c(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    terms = " + ".join(f"{k + 2}*{name}[n]" for k, name in enumerate(AWKWARD))
    op = cr.op(f"f({', '.join(f'{name}[n]' for name in AWKWARD)}) -> y[n]\n y[n] = {terms}")
    text = op.c(*[(SAMPLES,)] * len(AWKWARD))
    (head,) = (line for line in text.splitlines() if line.startswith("int chainrule_f("))
    names = re.findall(r"\*(\w+)", head)
    assert len(set(names)) == len(AWKWARD) + 1 and not {"n", "t", "order", "malloc", "NAN", "linux"} & set(names)
    if COMPILER is None:
        missing(request, "against C: there is no cc, gcc or clang on this machine")
        pytest.skip("no C compiler")
    (tmp_path / "f.c").write_text(text)
    for standard in ("c99", "gnu11"):
        flags = [f"-std={standard}", "-O0", "-fPIC", *STRICT]
        subprocess.run([COMPILER, *flags, "-shared", str(tmp_path / "f.c"), "-o", str(tmp_path / f"{standard}.so"), "-lm"], check=True)
        arrays = {name: np.arange(SAMPLES, dtype=np.float32) + k for k, name in enumerate(AWKWARD)}
        y = {"y": np.zeros(SAMPLES, np.float32)}
        run_c(tmp_path / f"{standard}.so", op.ready(arrays, {}).spec, arrays, y, "f")
        assert np.array_equal(y["y"], op(**arrays, engine="reference"))


def test_c_refuses_what_is_no_batch_and_arrays_that_are_null(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    op = cr.op("f(x[n,D], w[D]) -> y[D]\n y[i] = sum[n](x[n,i]) * w[i]")
    text = op.c((SAMPLES, 3), (3,))
    assert "1 where there was no memory, an array is null, or n is none that a batch has" in text
    if COMPILER is None:
        missing(request, "against C: there is no cc, gcc or clang on this machine")
        pytest.skip("no C compiler")
    assert compiled(tmp_path / "f.c", text).wait() == 0
    function = ctypes.CDLL(str(tmp_path / "f.so")).chainrule_f
    x, w, y = np.ones((SAMPLES, 3), np.float32), np.ones(3, np.float32), np.full(3, 7, np.float32)
    arrays = [ctypes.c_void_p(a.ctypes.data) for a in (x, w, y)]
    for n in (0, -1, -SAMPLES, -(2**63), 2**31 + 1, 2**63 - 1):
        assert function(ctypes.c_int64(n), *arrays) == 1 and (y == 7).all(), n
    for k in range(3):
        assert function(ctypes.c_int64(SAMPLES), *arrays[:k], None, *arrays[k + 1 :]) == 1 and (y == 7).all()
    assert function(ctypes.c_int64(SAMPLES), *arrays) == 0 and (y == SAMPLES).all()
    for n in (1, 2, SAMPLES - 1):
        assert function(ctypes.c_int64(n), *arrays) == 0 and (y == n).all(), "any number of samples"


@pytest.mark.parametrize("what", ["y[n] = sum[i](x[n,i]*w[i])", "y[n] = sum[i](x[n,i])*w[0]"])
def test_a_sum_that_is_taken_in_parts_says_so(what: str) -> None:
    op = cr.op(f"f(x[n,A], w[A]) -> y[n]\n {what}")
    for text in (op.c((4, 5000), (5000,)), op.loops((4, 5000), (5000,))):
        assert "  # in parts, each then added to the whole with what rounding takes" in text
    assert "in parts" not in op.c((4, 20), (20,)) + op.loops((4, 20), (20,))


def test_a_network_is_given_as_c_by_the_same_door(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    net = cr.nn.Sequential(cr.nn.Linear(3, 4), cr.nn.BatchNorm1d(4), cr.nn.Tanh()).init(0)
    text = net.c_source((SAMPLES, 3))
    assert "int chainrule_sequential(int64_t n, const float *input_, const float *weight0_, const float *bias0_," in text
    if COMPILER is None:
        missing(request, "against C: there is no cc, gcc or clang on this machine")
        pytest.skip("no C compiler")
    (tmp_path / "net.c").write_text(text)
    subprocess.run(
        [COMPILER, "-std=c99", "-O0", "-fPIC", *STRICT, "-shared", str(tmp_path / "net.c"), "-o", str(tmp_path / "net.so"), "-lm"], check=True
    )
    x = np.random.default_rng(0).normal(size=(SAMPLES, 3)).astype(np.float32)
    program = net.program(x.shape)
    numbers = {k: np.array(v, np.float32) for k, v in program.numbers}
    given = {**net.state_dict(), **numbers, "input": x}
    y = np.zeros((SAMPLES, 4), np.float32)
    function = ctypes.CDLL(str(tmp_path / "net.so")).chainrule_sequential
    assert (
        function(ctypes.c_int64(SAMPLES), *[ctypes.c_void_p(given[t.name].ctypes.data) for t in program.ports], ctypes.c_void_p(y.ctypes.data)) == 0
    )
    assert np.allclose(y, net(x), atol=1e-5)
