"""Machine code reads and writes nothing outside the arrays it is given and the memory it has."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

import chainrule as cr

FENCED = ["conv2d-stride2-pad", "conv2d-wide-pad", "linear", "max_pool2d-overlap-pad", "cross_entropy", "norm", "transposed", "wrapped",
          "matmul", "diagonal", "unsolvable", "skip_and_mirror", "no_samples", "flatten"]  # fmt: skip


@pytest.mark.skipif(not sys.platform.startswith(("linux", "darwin")), reason="pages are forbidden with mprotect")
def test_no_array_is_left_by_a_single_byte() -> None:
    env = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    done = subprocess.run([sys.executable, "-m", "tests.guarded", *FENCED], capture_output=True, text=True, env=env, timeout=300)
    last = done.stdout.strip().split("\n")[-1]
    assert done.returncode == 0 and last == "nothing outside was touched", (last, done.returncode, done.stderr[-2000:])


REFUSED = [
    ("f(x[n,D]; p=0) -> y[n,D-p]\n y[n,i] = x[n,i+p]", 5, {"p": -1}),
    ("f(x[n,D]) -> y[n,D]\n y[n,i] = x[n,i+D//9]", 9, {}),
    ("f(x[n,D]) -> y[n,D]\n y[n,i] = x[n,i-D//9]", 9, {}),
    ("f(x[n,D]) -> y[n,D]\n y[n,i] = x[n,(i*i)//8]", 14, {}),
]


@pytest.mark.parametrize("text, size, settings", REFUSED)
def test_reads_are_proven_again_when_sizes_are_known(text: str, size: int, settings: dict) -> None:
    """Right for every small size, wrong for this one: found before machine code runs, by both engines."""
    f = cr.op(text)
    for samples in (1, 20):
        for engine in ("native", "reference"):
            with pytest.raises(cr.ShapeError, match="reads outside x"):
                f(np.ones((samples, size)), engine=engine, **settings)


def test_a_range_below_zero_is_refused() -> None:
    f = cr.op("f(x[n,D]; k=2) -> y[n,D]\n y[n,i] = x[n,i] + sum[u:k](1.0)")
    with pytest.raises(cr.ShapeError, match="negative range"):
        f(np.ones((2, 3)), k=-1)


def test_a_size_that_is_computed_is_checked() -> None:
    f = cr.op("f(w[K], x[n,2*K]) -> y[n,K]\n y[n,k] = w[k] * x[n,2*k+1]")
    assert f(np.ones(3), np.ones((2, 6))).shape == (2, 3)
    for wrong in (5, 7):
        with pytest.raises(cr.ShapeError, match=r"axis 1 of f's x is 2\*K = 6"):
            f(np.ones(3), np.ones((2, wrong)))


def test_a_setting_that_is_a_whole_number_takes_no_other() -> None:
    f = cr.op("f(x[n,D]; k=2) -> y[n,D]\n y[n,i] = k * x[n,i]")
    assert f(np.ones((1, 1)), k=3.0) == 3
    for wrong in (2.5, True, "3"):
        with pytest.raises(cr.ArgumentError, match=r"^k="):
            f(np.ones((1, 1)), k=wrong)


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_a_square_of_samples_is_no_sample_axis(engine: str) -> None:
    rng = np.random.default_rng(0)
    a, x = rng.normal(size=(5, 5)), rng.normal(size=(5, 3))
    f = cr.op("f(a[n,n], x[n,D]) -> y[n], z[n,D]\n y[n] = 2*a[n,0]\n z[n,i] = sum[m:N](a[n,m]*x[m,i])")
    y, z = f(a, x, engine=engine)
    np.testing.assert_allclose(y, 2 * a[:, 0])
    np.testing.assert_allclose(z, a @ x)
