"""How many units in the last place the engine's scalar functions are off, against the C library in higher precision."""

from __future__ import annotations

import math

import mpmath
import numpy as np
from common import machine, table

import chainrule as cr

FUNCTIONS = {
    "exp": (-87.0, 88.0), "log": (1e-30, 1e30), "tanh": (-9.0, 9.0), "sqrt": (1e-30, 1e30), "sin": (-100.0, 100.0), "cos": (-100.0, 100.0), "tan": (-1.5, 1.5),
    "erf": (-4.0, 4.0),
}  # fmt: skip


def worst(name: str, low: float, high: float, dtype: type, count: int = 20_000) -> float:
    rng = np.random.default_rng(0)
    x = np.exp(rng.uniform(math.log(low), math.log(high), count)) if low > 0 else rng.uniform(low, high, count)
    near = 1.0 if name == "log" else 0.0
    small = near + rng.normal(size=count // 4) * 10.0 ** rng.uniform(-7, -0.5, count // 4)
    x = np.concatenate([x, np.abs(small) if low > 0 else small]).astype(dtype)
    y = cr.op(f"apply(x[n]) -> y[n]\n y[n] = {name}(x[n])")(x)
    exact = getattr(mpmath, name)
    off = 0.0
    for a, b in zip(x.tolist(), y.tolist(), strict=True):
        e = exact(mpmath.mpf(a))
        unit = float(np.spacing(dtype(abs(float(e)))))
        off = max(off, float(abs(mpmath.mpf(b) - e)) / unit)
    return off


def main() -> None:
    print(f"machine: {machine()}\nmethod: 25,000 random points each, against 50 digits; the largest error in units in the last place")
    mpmath.mp.dps = 50
    rows = [[name, f"{worst(name, *span, np.float32):.2f}", f"{worst(name, *span, np.float64):.2f}"] for name, span in FUNCTIONS.items()]
    print(table(["function", "float32", "float64"], rows))


if __name__ == "__main__":
    main()
