"""Share of the FMA peak that each compiled kernel reaches, on one thread, activations in the engine's own layout.

Work counts multiplications that touch real data (not padding). The peak is measured before and after each kernel's
rounds in the same run; the median of the rounds is compared with the larger of the two.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from common import Peak, machine, median, table, timed

from chainrule import Op, ops
from chainrule.engines.native.program import Runner, aligned, compile_spec
from chainrule.engines.native.spec import Arrangement

BATCH, ROUNDS = 64, 9

# name, channels in, rows, columns, channels out, kernel, padding
CONVOLUTIONS = [
    ("conv 1→6 5x5 on 32x32", 1, 32, 32, 6, 5, 0),
    ("conv 6→16 5x5 on 14x14", 6, 14, 14, 16, 5, 0),
    ("conv 64→64 3x3 on 18x18", 64, 18, 18, 64, 3, 0),
    ("conv 128→128 3x3 on 8x8, padding 1", 128, 8, 8, 128, 3, 1),
]
LINEAR = [("linear 400→120", 400, 120), ("linear 784→512", 784, 512)]


def rate(op: Op, shapes: dict[str, tuple[int, ...]], settings: dict[str, int], work: float, peak: Peak) -> tuple[float, float]:
    """(GFLOP/s, share of the peak) of an operation's program at batch 64."""
    spec = op.ready({k: np.broadcast_to(np.float32(0), s) for k, s in shapes.items()}, settings).spec
    lanes = tuple(tuple(dataclasses.replace(p, layout=Arrangement.LANES) if p.sample else p for p in ports) for ports in (spec.inputs, spec.outputs))
    runner = Runner(compile_spec(dataclasses.replace(spec, inputs=lanes[0], outputs=lanes[1], chunks=1)))
    rng = np.random.default_rng(0)
    arrays = {}
    places = {name: count for name, _, count, _ in runner.code.layout.slots}
    for p in (*lanes[0], *lanes[1]):
        arrays[p.name] = aligned((BATCH, places.get(p.name, 1)) if p.sample else p.shape, np.dtype(np.float32))
        arrays[p.name][...] = rng.normal(size=arrays[p.name].shape)
    steps = max(1, int(2e9 / work))
    before = peak.flops()
    runner.run(arrays, BATCH)
    times = [timed(lambda: runner.run(arrays, BATCH * steps, batch=BATCH)) / steps for _ in range(ROUNDS)]
    top = max(before, peak.flops())
    return work / median(times) / 1e9, work / median(times) / top


def taps(size: int, kernel: int, padding: int) -> int:
    """How many (place, tap) pairs of one axis touch real data."""
    return sum(1 for i in range(size + 2 * padding - kernel + 1) for u in range(kernel) if 0 <= i + u - padding < size)


def cases():  # type: ignore[no-untyped-def]
    for name, c, h, w, o, k, p in CONVOLUTIONS:
        shapes = {"x": (BATCH, c, h, w), "w": (o, c, k, k), "b": (o,)}
        out = (BATCH, o, h + 2 * p - k + 1, w + 2 * p - k + 1)
        yield name, ops.conv2d, shapes, out, {"p": p}, 2.0 * BATCH * o * c * taps(h, k, p) * taps(w, k, p)
    for name, k, o in LINEAR:
        yield name, ops.linear, {"x": (BATCH, k), "w": (o, k), "b": (o,)}, (BATCH, o), {}, 2.0 * BATCH * k * o


def main() -> list[list[str]]:
    peak = Peak()
    print(f"machine: {machine()}\nmethod: one thread, batch {BATCH}, median of {ROUNDS} rounds, share of the FMA peak measured in this run")
    rows = []
    for name, op, shapes, out, settings, work in cases():
        cells = []
        for wrt in (None, "x", "w"):
            if wrt is None:
                g, s, wide, share = op, shapes, *rate(op, shapes, settings, work, peak)
            else:
                gradient = op.gradient([wrt])
                g, s = Op(gradient.definition), shapes | {gradient.seed["y"]: out}
                wide, share = rate(g, s, settings, work, peak)
            cells.append(f"{share:.0%} ({wide:.0f} GFLOP/s)")
        rows.append([name, *cells])
        print(" | ".join(rows[-1]), flush=True)
    print(f"FMA peak of one core at the end: {peak.flops() / 1e9:.0f} GFLOP/s\n")
    print(table(["kernel", "forward", "∂/∂x", "∂/∂w"], rows))
    return rows


if __name__ == "__main__":
    main()
