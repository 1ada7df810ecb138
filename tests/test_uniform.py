"""uniform(seed, …): random numbers that are a pure function of whole numbers, the same bits everywhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from tests.plain import REAL, evaluate

TEXTS = [
    ("f(x[n,D], s: int) -> y[n,D]\n y[n,i] = uniform(s, n, i) + 0*x[n,i]", "lanes"),
    ("f(x[n,D], s: int) -> y[n,D]\n y[n,i] = uniform(s, n//2, n%2, 3*i-n+1) + 0*x[n,i]", "lanes"),
    ("f(x[A,D], s: int) -> y[A,D]\n y[a,i] = uniform(s, a*D+i) + 0*x[a,i]", "rows"),
    ("f(x[A,D], s: int) -> y[A,D]\n y[a,i] = uniform(s, i//2, a, -i) + 0*x[a,i]", "rows"),
    ("f(x[n,D], s: int) -> y[n,D]\n y[n,i] = max[k:3](uniform(s, n, i, k)) + 0*x[n,i]", "lanes"),
    ("f(x[n,D], s: int) -> y[D]\n y[i] = max[n](uniform(s, n, i) + 0*x[n,i])", "whole"),
    ("f(x[n,D], s: int) -> y[n,D]\n y[n,i] = uniform(s + 2*n - i, D, -s, s*s) + n*0.0*x[n,i]", "whole"),
]  # fmt: skip


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("samples", [1, 7, 16, 41])
@pytest.mark.parametrize("text, kind", TEXTS, ids=[t.split("= ")[1] for t, _ in TEXTS])
def test_the_same_bits_on_every_evaluator(text: str, kind: str, samples: int, dtype: type) -> None:
    f, x = cr.op(text), np.zeros((samples, 5), dtype)
    assert f.lane_ready == (kind == "lanes")
    for seed in (0, 1, 12345678901, -3):
        by_reference = f(x, seed, engine="reference")
        assert np.array_equal(f(x, seed), by_reference)
        exact = evaluate(f.definition, {"x": x, "s": np.array(seed)}, {}, REAL)["y"].astype(float)
        assert np.array_equal(np.floor(exact * 2.0**24) / 2.0**24 if dtype == np.float32 else exact, by_reference)


def test_threads_and_batches_change_nothing() -> None:
    f, x = cr.op(TEXTS[0][0]), np.zeros((1000, 60))
    one = f(x, 3, threads=1)
    assert np.array_equal(f(x, 3, threads=2), one) and np.array_equal(f(x[:37], 3), one[:37])
    assert np.array_equal(f(x.astype(np.float32), 3), np.floor(one * 2.0**24) / 2.0**24)


def test_other_vector_widths_draw_the_same(narrower: str) -> None:
    f, x = cr.op(TEXTS[0][0]), np.zeros((37, 5))
    assert np.array_equal(f(x, 3), f(x, 3, engine="reference"))


def drawn(text: str, rows: int, columns: int, seed: int = 0) -> np.ndarray:
    return np.asarray(cr.op(f"f(x[n,D], s: int) -> y[n,D]\n y[n,i] = {text} + 0*x[n,i]")(np.zeros((rows, columns)), seed))


@pytest.mark.parametrize(
    "text", ["uniform(s, n, i)", "uniform(n, i)", "uniform(i, s, n)", "uniform(n*D+i)", "uniform(s, 1000000*n, i*65536)", "uniform(s, -n, 0, i)"]
)
def test_the_numbers_are_spread_evenly_and_know_nothing_of_their_neighbours(text: str) -> None:
    u = drawn(text, 1000, 1000)
    count = u.size
    assert 0 <= u.min() < 1e-4 and 1 - 1e-4 < u.max() < 1
    assert abs(u.mean() - 0.5) < 5 * np.sqrt(1 / 12 / count)
    assert abs(u.var() - 1 / 12) < 5 * np.sqrt(1 / 180 / count)
    cells = np.bincount((u * 256).astype(int).reshape(-1), minlength=256)
    assert abs(((cells - count / 256) ** 2 / (count / 256)).sum() - 255) < 5 * np.sqrt(2 * 255)
    low = np.bincount((u * 2.0**53).astype(np.int64).reshape(-1) % 256, minlength=256)  # the lowest bits too
    assert abs(((low - count / 256) ** 2 / (count / 256)).sum() - 255) < 5 * np.sqrt(2 * 255)
    v = u - 0.5
    for shift in ((1, 0), (0, 1), (1, 1), (1, -1), (2, 0), (0, 2), (64, 0), (0, 256)):
        rolled = np.roll(v, shift, (0, 1))
        assert abs((v * rolled).mean() * 12) < 5 / np.sqrt(count), shift
    pairs = np.bincount((np.floor(u[:, :-1] * 16) * 16 + np.floor(u[:, 1:] * 16)).astype(int).reshape(-1), minlength=256)
    assert abs(((pairs - pairs.mean()) ** 2 / pairs.mean()).sum() - 255) < 5 * np.sqrt(2 * 255)


def test_seeds_are_streams_of_their_own() -> None:
    streams = [drawn("uniform(s, n, i)", 200, 200, s).reshape(-1) for s in range(8)]
    together = np.concatenate(streams)
    assert len(np.unique(together)) == together.size
    table = np.corrcoef(streams) - np.eye(8)
    assert np.abs(table).max() < 5 / np.sqrt(streams[0].size)
    assert not np.array_equal(drawn("uniform(s, n, i)", 9, 9), drawn("uniform(s, i, n)", 9, 9))
    assert not np.array_equal(drawn("uniform(n, i)", 9, 9), drawn("uniform(n, i, 0)", 9, 9))


def test_bits_flip_with_every_bit_of_an_argument() -> None:
    u = np.asarray(cr.op("f(t[n]: int, x[n]) -> y[n]\n y[n] = uniform(t[n]) + 0*x[n]")(np.array([0, *(1 << k for k in range(62))]), np.zeros(63)))
    bits = (u * 2.0**53).astype(np.int64)
    flipped = [bin(int(b ^ bits[0])).count("1") for b in bits[1:]]
    assert abs(np.mean(flipped) - 26.5) < 2 and min(flipped) > 10


def test_its_derivative_is_zero() -> None:
    f = cr.op("f(x[n,D], s: int) -> y[n,D]\n y[n,i] = x[n,i]**2 * uniform(s, n, i)")
    x, u = np.arange(6.0).reshape(2, 3), drawn("uniform(s, n, i)", 2, 3, 9)
    assert cr.derive(f, "x").formula == "dx[n,i] = 2 * dy[n,i] * uniform(s, n, i) * x[n,i]"
    for engine in ("native", "reference"):
        _, pull = cr.vjp(f, x, 9, engine=engine)
        np.testing.assert_allclose(pull(np.ones((2, 3)))[0], 2 * x * u)
    _, pull = cr.vjp(cr.op("f(x[n], s: int) -> y[n]\n y[n] = uniform(s, n) * (x[n] > 0)"), x[:, 0], 1)
    assert np.array_equal(pull(np.ones(2))[0], [0, 0])


REFUSED = [
    "uniform(x[n,i])",
    "uniform(a)",
    "uniform(0.5)",
    "uniform(s, b)",
    "uniform(n/2)",
    "uniform()",
    "uniform(s, 4611686018427387904)",
    "uniform(exp(n))",
]


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_whole_number_is_refused(text: str) -> None:
    with pytest.raises(cr.DefinitionError, match=r"counts with whole numbers|of nothing is always one number") as e:
        cr.op(f"f(x[n,D], s: int, b[n]; a=0.5) -> y[n,D]\n y[n,i] = {text.replace('b)', 'b[n])')} + 0*x[n,i]*b[n]*a")
    assert "\naccepted: " in str(e.value)


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_dropout_keeps_the_mean_and_its_gradient_the_places(engine: str) -> None:
    x = np.ones((64, 33, 5), np.float32)
    y, pull = cr.vjp(cr.ops.dropout, x, 4, p=0.25, engine=engine)
    assert set(np.unique(y)) == {np.float32(0), np.float32(1 / 0.75)} and abs(y.mean() - 1) < 0.03
    dx = pull(np.ones_like(x))
    assert np.array_equal(dx if isinstance(dx, np.ndarray) else dx[0], y)
    assert not np.array_equal(cr.ops.dropout(x, 5, p=0.25, engine=engine), y)
    assert np.array_equal(cr.ops.dropout(x, 5, p=0.0, engine=engine), x) and not cr.ops.dropout(x * np.inf, 5, p=1.0, engine=engine).any()


def test_noise_is_normal() -> None:
    z = np.asarray(cr.ops.noise(np.zeros((500, 400)), 1, std=2.0)) / 2
    count = z.size
    assert abs(z.mean()) < 5 / np.sqrt(count) and abs(z.var() - 1) < 5 * np.sqrt(2 / count)
    assert abs((z**3).mean()) < 5 * np.sqrt(15 / count) and abs((z**4).mean() - 3) < 5 * np.sqrt(96 / count)
    assert abs((np.abs(z) < 1).mean() - 0.6826894921) < 5 * np.sqrt(0.2166 / count)
    assert abs((z[:, 1:] * z[:, :-1]).mean()) < 5 / np.sqrt(count)


ROUNDED = [
    "f(x[n,D], s) -> y[n,D]\n y[n,i] = uniform(round(s), n, i) + 0*x[n,i]",
    "f(x[n,D], s) -> y[n,D]\n y[n,i] = uniform(floor(3*x[n,i] + s), n, i)",
    "f(x[n,D], s) -> y[n,D]\n y[n,i] = uniform(ceil(x[n,0]), i) + s",
    "f(x[n,D], s) -> y[n,D]\n y[n,i] = uniform(round(i/2 - 1), round(2.4), round(s*i), n)*x[n,i]",
]


@pytest.mark.parametrize("text", ROUNDED)
def test_what_is_rounded_counts(text: str) -> None:
    x, s = np.random.default_rng(0).normal(size=(19, 5)), np.float64(6.7)
    f = cr.op(text)
    want = evaluate(f.definition, {"x": x, "s": s}, {}, REAL)["y"]
    assert np.array_equal(f(x, s), want) and np.array_equal(f(x, s, engine="reference"), want)
    assert np.allclose(f(x.astype(np.float32), np.float32(7)), f(x.astype(np.float32), np.float32(7), engine="reference"))


def test_a_programs_text_with_a_computed_seed_reads_back() -> None:
    """The seed is a step's number, which is counted in floats."""

    class Noisy(nn.Module):
        def __init__(self) -> None:
            self.step, self.linear = nn.Buffer(np.zeros(()), whole=True), nn.Linear(4, 3)

        def forward(self, x: Any) -> Any:
            self.step = self.step + 1
            return self.linear(cr.ops.dropout(x, self.step * 3 - 1, p=0.4))

    net, x, t = Noisy().init(0, np.float64), np.random.default_rng(0).normal(size=(6, 4)), np.arange(6) % 3
    step = cr.TrainStep(net, nn.CrossEntropyLoss(), cr.optim.SGD(0.1, 0.9), x, t, 6)
    for program in (step.program, net.program((6, 4))):
        again = cr.op(str(program))
        rng = np.random.default_rng(1)
        given = {
            k.name: rng.integers(0, 3, 6) if k.whole else rng.normal(size=[int(p.constant or 6) for p in k.axes]) for k in again.definition.inputs
        }
        given = {k: np.round(9 * v) if "step" in k else v for k, v in given.items()}
        values = [given[k] for k in again.inputs]
        for a, b in zip(again(*values), again(*values, engine="reference"), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12)
