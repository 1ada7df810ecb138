"""Gradients of ordinary functions against autograd: the same function, ten times the operation, on small and on large arrays.

Sides alternate in one run; medians. A ratio above 1 says that chainrule is quicker.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import autograd
import autograd.numpy
import numpy as np
from common import machine, median, table

import chainrule as cr

REPEATS = 10  # of the operation within the function
SMALL, LARGE = (3, 4), (600, 1000)
SQUARE, WIDE = (3, 3), (100, 100)  # for linear algebra


def chain(step: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """The operation again and again, and the sum of what comes out."""

    def f(np: Any, x: Any) -> Any:
        for _ in range(REPEATS):
            x = step(np, x)
        return np.sum(x) if np.ndim(x) else x

    return f


W = np.full((4, 4), 0.2)
STEPS: dict[str, tuple[Callable[[Any, Any], Any], Callable[[Any, Any], Any] | None]] = {
    "x * x, numbers": (lambda np, x: x * x, None),
    "sin(x) + x, numbers": (lambda np, x: np.sin(x) + x, None),
    "x * x": (lambda np, x: x * x, lambda np, x: x * x),
    "x + 1.5": (lambda np, x: x + 1.5, lambda np, x: x + 1.5),
    "x / 3": (lambda np, x: x / 3, lambda np, x: x / 3),
    "x ** 2": (lambda np, x: x**2, lambda np, x: x**2),
    "exp(-x)": (lambda np, x: np.exp(-x), lambda np, x: np.exp(-x)),
    "tanh(x)": (lambda np, x: np.tanh(x), lambda np, x: np.tanh(x)),
    "1/(1+exp(-x))": (lambda np, x: 1 / (1 + np.exp(-x)), lambda np, x: 1 / (1 + np.exp(-x))),
    "logaddexp(x, 1)": (lambda np, x: np.logaddexp(x, 1.0), lambda np, x: np.logaddexp(x, 1.0)),
    "maximum(x, 0.1)": (lambda np, x: np.maximum(x, 0.1), lambda np, x: np.maximum(x, 0.1)),
    "where(x > 0, x, -x)": (lambda np, x: np.where(x > 0, x, -x), lambda np, x: np.where(x > 0, x, -x)),
    "x - mean(x, 0)": (lambda np, x: x - np.mean(x, axis=0), lambda np, x: x - np.mean(x, axis=0)),
    "x / sum(x, 1)": (lambda np, x: x / np.sum(x, axis=1, keepdims=True), lambda np, x: x / np.sum(x, axis=1, keepdims=True)),
    "x * max(x)": (lambda np, x: x * np.max(x, axis=1, keepdims=True), lambda np, x: x * np.max(x, axis=1, keepdims=True)),
    "x + std(x)": (lambda np, x: x + np.std(x, axis=1, keepdims=True), lambda np, x: x + np.std(x, axis=1, keepdims=True)),
    "x @ w": (lambda np, x: x @ W, None),
    "einsum ij,jk->ik": (lambda np, x: np.einsum("ij,jk->ik", x, W), None),
    "x.T": (lambda np, x: np.transpose(x), lambda np, x: np.transpose(x)),
    "reshape": (lambda np, x: np.reshape(np.reshape(x, (-1,)), np.shape(x)), lambda np, x: np.reshape(np.reshape(x, (-1,)), np.shape(x))),
    "x + x[0]": (lambda np, x: x + x[0], lambda np, x: x + x[0]),
    "x[::-1]": (lambda np, x: x[::-1], lambda np, x: x[::-1]),
    "x[[2, 0, 1]]": (lambda np, x: x[[2, 0, 1]], None),
    "concatenate": (lambda np, x: np.concatenate([x[1:], x[:1]]), lambda np, x: np.concatenate([x[1:], x[:1]])),
    "cumsum(x, 0)": (lambda np, x: np.cumsum(x, axis=0) * 0.5, lambda np, x: np.cumsum(x, axis=0) * 0.5),
    "sort(x[0])": (lambda np, x: x * np.sort(x[0]), None),
    "solve": (lambda np, x: x - np.linalg.solve(W + 2 * np.eye(4), x.T).T, None),
}


def definite(np: Any, x: Any) -> Any:
    return np.dot(x, np.transpose(x)) / 50 + 3 * np.eye(len(x))


STEPS |= {
    "clip(x, 0.2, 0.9)": (lambda np, x: np.clip(x, 0.2, 0.9), lambda np, x: np.clip(x, 0.2, 0.9)),
    "arctan2(x, 1.5)": (lambda np, x: np.arctan2(x, 1.5), lambda np, x: np.arctan2(x, 1.5)),
    "roll(x, 1, 0)": (lambda np, x: np.roll(x, 1, axis=0), lambda np, x: np.roll(x, 1, axis=0)),
    "x / norm(x, 1)": (lambda np, x: x / np.linalg.norm(x, axis=1)[:, None], lambda np, x: x / np.linalg.norm(x, axis=1)[:, None]),
    "rows, one by one": (lambda np, x: x + sum(x[k] for k in range(3)), lambda np, x: x + sum(x[k] for k in range(20))),
}
MATRICES: dict[str, Callable[[Any, Any], Any]] = {
    "inv": lambda np, x: x - np.linalg.inv(definite(np, x)),
    "slogdet": lambda np, x: x / np.linalg.slogdet(definite(np, x))[1],
    "cholesky": lambda np, x: x - np.linalg.cholesky(definite(np, x)) / 5,
    "eigh": lambda np, x: x + np.linalg.eigh(definite(np, x))[1] / 50,
    "svd": lambda np, x: x + np.linalg.svd(x, full_matrices=False)[1] / 100,
    "pinv": lambda np, x: x + np.linalg.pinv(definite(np, x)),
}


def compared(f: Callable[[Any, Any], Any], x: Any, calls: int) -> tuple[float, float]:
    """Microseconds of a gradient for each operation: chainrule, autograd."""
    ours, theirs = cr.grad(lambda x: f(np, x)), autograd.grad(lambda x: f(autograd.numpy, x))
    np.testing.assert_allclose(ours(x), theirs(x), rtol=1e-9, atol=1e-9)
    for _ in range(3):
        ours(x)
        theirs(x)
    times: tuple[list[float], list[float]] = [], []
    for k in range(2 * calls):
        start = time.perf_counter()
        (ours, theirs)[k % 2](x)
        times[k % 2].append(time.perf_counter() - start)
    return 1e6 * median(times[0]) / REPEATS, 1e6 * median(times[1]) / REPEATS


def main() -> None:
    quick = "--quick" in sys.argv
    rng = np.random.default_rng(0)
    small, large = rng.uniform(0.5, 1.5, SMALL), rng.uniform(0.5, 1.5, LARGE)
    rows = []
    for name, (step, wide) in STEPS.items():
        a, b = compared(chain(step), 0.7 if "numbers" in name else small, 60 if quick else 300)
        row = [name, f"{a:.1f}", f"{b:.1f}", f"{b / a:.2f}"]
        if wide is not None:
            a, b = compared(chain(wide), large, 2 if quick else 7)
            row += [f"{a / 1e3:.2f}", f"{b / 1e3:.2f}", f"{b / a:.2f}"]
        rows.append(row + [""] * (7 - len(row)))
    small, large = rng.uniform(0.5, 1.5, SQUARE), rng.uniform(0.5, 1.5, WIDE)
    for name, step in MATRICES.items():
        a, b = compared(chain(step), small, 30 if quick else 100)
        c, d = compared(chain(step), large, 1 if quick else 3)
        rows.append([name, f"{a:.1f}", f"{b:.1f}", f"{b / a:.2f}", f"{c / 1e3:.2f}", f"{d / 1e3:.2f}", f"{d / c:.2f}"])
    print(f"machine: {machine()}, autograd {autograd.__version__ if hasattr(autograd, '__version__') else ''}")
    print(f"method: cr.grad and autograd.grad of {REPEATS} times the operation, in turn, medians; value and gradient for each operation")
    print(
        f"small: {'x'.join(map(str, SMALL))}, large: {'x'.join(map(str, LARGE))} (linear algebra: {SQUARE[0]}x{SQUARE[1]}, {WIDE[0]}x{WIDE[1]}), float64; ratios are autograd / chainrule"
    )
    print(table(["operation", "chainrule µs", "autograd µs", "ratio", "large: chainrule ms", "autograd ms", "ratio"], rows))


if __name__ == "__main__":
    main()
