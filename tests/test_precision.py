"""How exact the native engine is: rounding bounds, exact integers, vector functions, the same bits on any threads."""

from __future__ import annotations

import math

import numpy as np
import pytest

import chainrule as cr
from chainrule import Op
from chainrule.engines.native.target import current
from tests.plain import softplus

ROUNDING = 2.0**-24
SHAPES = {"x": (19, 5, 9, 8), "w": (7, 5, 3, 4), "b": (7,)}


def conv_and_gradients(arrays: dict, settings: dict, threads: int | None = None) -> dict:
    op = cr.ops.conv2d
    g = op.gradient(["x", "w", "b"])
    y = op.evaluate(arrays, settings, threads=threads)["y"]
    dy = np.asarray(np.round(np.random.default_rng(9).normal(size=y.shape) * 4), y.dtype)
    return {"y": y, "dy": dy} | Op.of(g.definition).evaluate(arrays | {g.seed["y"]: dy}, settings, threads=threads)


@pytest.mark.parametrize("settings", [{"s": 1, "p": 1, "d": 1}, {"s": 2, "p": 2, "d": 1}, {"s": 1, "p": 3, "d": 2}])
def test_integers_are_exact_bit_for_bit(settings: dict) -> None:
    rng = np.random.default_rng(0)
    small = {k: rng.integers(-4, 5, s) for k, s in SHAPES.items()}
    single = conv_and_gradients({k: v.astype(np.float32) for k, v in small.items()}, settings)
    double = conv_and_gradients({k: v.astype(np.float64) for k, v in small.items()}, settings)
    for k, v in single.items():
        assert np.array_equal(v, double[k]), k


@pytest.mark.parametrize("settings", [{"s": 1, "p": 1, "d": 1}, {"s": 2, "p": 0, "d": 1}])
def test_contractions_stay_within_the_rounding_bound(settings: dict) -> None:
    """|error| <= 8 u sum |a||b| for every element; sums run over samples, so chunks and trees are in it."""
    rng = np.random.default_rng(1)
    arrays = {k: rng.normal(size=s).astype(np.float32) for k, s in SHAPES.items()}
    wide = {k: v.astype(np.float64) for k, v in arrays.items()}
    found, exact = conv_and_gradients(arrays, settings), conv_and_gradients(wide, settings)
    g = cr.ops.conv2d.gradient(["x", "w", "b"])
    sizes = cr.ops.conv2d.evaluate({k: np.abs(v) for k, v in wide.items()}, settings)
    magnitude = {k: np.abs(v) for k, v in wide.items()} | {g.seed["y"]: np.abs(exact["dy"])}
    sizes |= Op.of(g.definition).evaluate(magnitude, settings)
    for k in ("y", "dx", "dw", "db"):
        assert np.all(np.abs(found[k] - exact[k]) <= 8 * ROUNDING * np.abs(sizes[k])), k


def ulps(found: np.ndarray, exact: list[float], dtype: type) -> float:
    worst = 0.0
    for f, e in zip(found.tolist(), exact, strict=True):
        rounded = float(dtype(e))
        if math.isinf(rounded) or math.isnan(rounded):
            assert f == rounded or (math.isnan(f) and math.isnan(rounded))
        else:
            worst = max(worst, abs(f - e) / float(np.spacing(dtype(abs(rounded)))))
    return worst


FUNCTIONS = {"exp": (math.exp, -87.0, 88.0), "log": (math.log, 1e-30, 1e30), "tanh": (math.tanh, -12.0, 12.0), "sqrt": (math.sqrt, 0.0, 1e30),
             "sin": (math.sin, -50.0, 50.0), "cos": (math.cos, -50.0, 50.0), "erf": (math.erf, -5.0, 5.0), "tan": (math.tan, -1.5, 1.5), "asin": (math.asin, -1.0, 1.0), "acos": (math.acos, -1.0, 1.0),
             "atan": (math.atan, -50.0, 50.0), "sinh": (math.sinh, -50.0, 50.0), "cosh": (math.cosh, -50.0, 50.0), "log1p": (math.log1p, 1e-30, 1e30),
             "expm1": (math.expm1, -87.0, 88.0), "softplus": (softplus, -80.0, 80.0), "floor": (math.floor, -9.0, 9.0),
             "ceil": (math.ceil, -9.0, 9.0), "round": (round, -9.0, 9.0)}  # fmt: skip


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_vector_functions_are_within_two_units_in_the_last_place(name: str, dtype: type) -> None:
    f, low, high = FUNCTIONS[name]
    rng = np.random.default_rng(5)
    x = rng.uniform(low, high, 4000)
    if low > 0:
        x = np.exp(rng.uniform(math.log(low), math.log(high), 4000))
    near = rng.normal(size=1000) * 10.0 ** rng.uniform(-8, 0, 1000) + (1.0 if name == "log" else 0.0)
    near = np.abs(near) if name in ("log", "sqrt") else np.clip(near, -0.99, 0.99) if name in ("asin", "acos", "log1p") else near
    x = np.concatenate([x, near]).astype(dtype)
    y = cr.op(f"apply(x[n]) -> y[n]\n y[n] = {name}(x[n])")(x)
    assert ulps(y, [f(float(v)) for v in x], dtype) <= 2.0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_vector_functions_at_the_edges(dtype: type) -> None:
    x = np.array([np.inf, -np.inf, np.nan, 0.0, -0.0, 1.0, 1e-40, 1000.0, -1000.0], dtype)
    with np.errstate(all="ignore"):
        for name in ("exp", "log", "tanh", "sqrt", "log1p", "expm1", "floor", "ceil", "sinh", "cosh"):
            y = cr.op(f"apply(x[n]) -> y[n]\n y[n] = {name}(x[n])")(x)
            np.testing.assert_allclose(y, getattr(np, name)(x.astype(np.float64)).astype(dtype), rtol=3e-7 if dtype is np.float32 else 1e-14)


@pytest.mark.parametrize("samples", [1, 17, 100])
def test_the_same_bits_on_any_number_of_threads(samples: int) -> None:
    rng = np.random.default_rng(2)
    arrays = {k: rng.normal(size=(samples, *s[1:]) if k == "x" else s).astype(np.float32) for k, s in SHAPES.items()}
    results = [conv_and_gradients(arrays, {"s": 1, "p": 1, "d": 1}, threads) for threads in (1, 2, 3, 4)]
    for other in results[1:]:
        for k, v in results[0].items():
            assert np.array_equal(v, other[k]), k


def test_the_vector_width_is_the_machines() -> None:
    assert current().lanes(4) * 4 == current().vector_bytes


def test_numbers_too_small_to_be_normal() -> None:
    x = np.array([5e-324, 1e-310, 2.2e-308, 2.3e-308])
    apply = lambda text: cr.op(f"f(x[n]) -> y[n]\n y[n] = {text}")  # noqa: E731
    np.testing.assert_allclose(apply("log(x[n])")(x), np.log(x), rtol=1e-15)
    deep = np.array([-708.0, -720.0, -740.0, -746.0, 709.0, 710.0])
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(apply("exp(x[n])")(deep), np.exp(deep), rtol=1e-14, atol=5e-324)
    assert np.array_equal(apply("tanh(x[n])")(np.array([1e-300, -1e-12, 0.0])), [1e-300, -1e-12, 0.0])
