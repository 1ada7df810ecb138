"""The native engine computes what the formulas mean: held against the reference, forward and backward."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from chainrule import Op
from tests.cases import CASES, COMMON, CORE, HALF, LIBRARY, Case


def compare(op: Op, arrays: dict, settings: dict, tolerance: float) -> dict:
    expected = op.evaluate(arrays, settings, "reference")
    found = op.evaluate(arrays, settings, "native")
    for name, want in expected.items():
        got, want = np.asarray(found[name]), np.asarray(want)
        assert got.shape == want.shape and got.dtype == want.dtype
        assert np.array_equal(np.isnan(got), np.isnan(want)), name
        same = (got == want) | np.isnan(want)
        with np.errstate(all="ignore"):
            size = max(float(np.max(np.abs(want), initial=0, where=np.isfinite(want))), 1e-3)
            gap = np.where(same, 0, np.abs(got - want))
        assert np.max(gap, initial=0) <= tolerance * size, (name, float(np.max(gap)), size)
    return expected


def both_ways(case: Case, samples: int, dtype: type, tolerance: float) -> None:
    arrays = case.arrays(samples, dtype=dtype)
    values = compare(case.op, arrays, case.numbers, tolerance)
    gradient = case.op.gradient(case.wrt)
    rng = np.random.default_rng(1)
    seeds = {gradient.seed[k]: np.asarray(rng.normal(size=np.shape(v)), dtype) for k, v in values.items()}
    compare(Op.of(gradient.definition), arrays | seeds, case.numbers, tolerance)


@pytest.mark.parametrize(
    "case, samples",
    [pytest.param(c, n, id=f"{n}-{c.id}") for c in CASES for n in ((1, 3, 17) if c in LIBRARY[:COMMON:2] else (1, 17) if c in CORE else (17,))],
)
def test_double_precision_is_the_reference(case: Case, samples: int) -> None:
    both_ways(case, samples, np.float64, 1e-12)


@pytest.mark.parametrize("case", CORE, ids=lambda c: c.id)
def test_single_precision_is_the_reference_up_to_rounding(case: Case) -> None:
    both_ways(case, 19, np.float32, 3e-5)


@pytest.mark.parametrize("case", HALF, ids=lambda c: c.id)
def test_other_vector_widths_compute_the_same(case: Case, narrower: str) -> None:
    both_ways(case, 5, np.float32, 3e-5)


def test_every_width_is_tested_or_reported(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine with narrow vectors only, the wider ones are named at the end and count as skipped."""
    pytester.makeconftest(
        "import chainrule.engines.native.target as target\n"
        "target._host = lambda: target._x86('sse2')\n"
        "from tests.conftest import narrower, own_cache, pytest_terminal_summary"
    )
    pytester.makepyfile("def test_one(narrower):\n    pass\ndef test_two(narrower):\n    pass")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parents[1]), *sys.path]))
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(skipped=4)
    result.stdout.fnmatch_lines([f"NOT TESTED on {w}: this machine (sse2)*; 2 tests left out" for w in ("avx512", "avx2")])


@pytest.mark.parametrize(
    "case", [c for c in CASES if c.id in ("conv2d-stride2-pad", "max_pool2d-overlap-pad", "linear", "norm", "cross_entropy")], ids=lambda c: c.id
)
def test_a_thousand_samples(case: Case) -> None:
    both_ways(case, 1000, np.float64, 1e-11)
