"""What a repeated call costs above its machine code: operations, a gradient and networks on small arrays, one thread.

The machine code alone is run through the same entry on arrays that are ready. Sides alternate; medians of many calls.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from common import machine, median, table

import chainrule as cr
from chainrule import nn, ops


def each(work: Callable[[], object], bare: Callable[[], object], calls: int = 3000) -> tuple[float, float]:
    """Microseconds of a call, and of its machine code."""
    times: tuple[list[float], list[float]] = [], []
    for k in range(2 * calls):
        start = time.perf_counter()
        (work, bare)[k % 2]()
        times[k % 2].append(time.perf_counter() - start)
    return 1e6 * median(times[0]), 1e6 * median(times[1])


def operation(op: cr.Op, *arrays: np.ndarray, **settings: float) -> tuple[float, float]:
    for _ in range(3):
        op(*arrays, **settings)
    ready = op.ready_for(arrays, settings)
    values = [*arrays, *(np.array(settings[k], np.float32) for k in ready.scalars), *(np.zeros(s, np.float32) for _, s in ready.outputs)]
    return each(lambda: op(*arrays, **settings), lambda: ready.held.quick(values, len(arrays[0]), 1))


def network(net: nn.Module, x: np.ndarray) -> tuple[float, float]:
    for _ in range(3):
        net(x)
    ready = next(iter(net._cache.calls.values()))
    held = ready.runs.held  # type: ignore[attr-defined]  # a network runs on machine code here
    given = {name: s.array for name, s in ready.states} | {"input": x} | dict(ready.runs.numbers)  # type: ignore[attr-defined]  # likewise
    given |= {name: np.zeros(ready.graph.shapes[name], np.float32) for name in ready.network.outputs}
    values = [given[name] for name in held.names]
    return each(lambda: net(x), lambda: held.quick(values, len(x), 1))


def main() -> None:
    rng = np.random.default_rng(0)

    def normal(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    x = normal(4, 8)
    scaled = cr.op("scaled(x[n,A]; a=2.0) -> y[n,A]\n y[n,i] = a * x[n,i]")
    rows = {
        "relu 4x8": operation(ops.relu, x),
        "linear 8 to 3": operation(ops.linear, x, normal(3, 8), normal(3)),
        "conv 3x3, stride 2": operation(ops.conv, normal(1, 3, 8, 8), normal(2, 3, 3, 3), normal(2), s=2, p=1),
        "a float setting": operation(scaled, x, a=0.5),
        "network: linear, relu": network(nn.Sequential(nn.Linear(8, 3), nn.ReLU()).init(0), x),
        "network: LeNet-5, one image": network(nn.lenet5().init(0), normal(1, 1, 28, 28)),
        "network: ResNet-20, one image": network(nn.resnet20().init(0), normal(1, 3, 32, 32)),
    }
    print(f"machine: {machine()}")
    print("method: calls and their machine code in turn, one thread, medians in microseconds")
    print(table(["call", "call", "machine code", "above it"], [[k, f"{a:.1f}", f"{b:.1f}", f"{a - b:.1f}"] for k, (a, b) in rows.items()]))


if __name__ == "__main__":
    main()
