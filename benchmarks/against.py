"""This checkout against another commit, side by side in one run: python benchmarks/against.py COMMIT.

The commit is checked out into a temporary folder; one process each works on the same jobs in turns, on two threads; medians and
the ratio (above 1: this checkout is faster). Then fresh processes in turns: time to LeNet-5's first step with an empty and with a filled cache
of compiled code, and peak memory after an epoch.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import startup
from common import machine, table

HERE = Path(__file__).resolve().parents[1]
ROUNDS = 9

WORKER = r"""
import sys, time
import numpy as np
import chainrule as cr
from chainrule import nn, ops

rng = np.random.default_rng(0)


def network(net, shape, classes, batch, steps):
    x = rng.normal(size=(batch * steps, *shape)).astype(np.float32)
    t = rng.integers(0, classes, len(x))
    step = cr.TrainStep(net.init(0), nn.CrossEntropyLoss(), cr.optim.SGD(1e-4, 0.9), x, t, batch, None, 2)
    order = np.arange(len(x))
    return lambda: step.run(order)


def gradient(op, *arrays, **settings):
    y, pullback = cr.vjp(op, *arrays, **settings)
    dy = np.ones_like(y)
    return lambda: pullback(dy)


def normal(*shape):
    return rng.normal(size=shape).astype(np.float32)


def convs(*channels):
    layers, c = [], 3
    for o in channels:
        layers += [nn.MaxPool2d(2)] if o == 0 else [nn.Conv2d(c, o, 3, padding=1), nn.ReLU()]
        c = o or c
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(c * (32 >> channels.count(0)) ** 2, 10))


JOBS = {
    "LeNet-5, training": lambda: network(nn.lenet5(), (1, 28, 28), 10, 64, 40),
    "dense 784-256-256-10, training": lambda: network(
        nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 10)), (784,), 10, 64, 40),
    "convolutions 32-32-64-64, training": lambda: network(convs(32, 32, 0, 64, 64, 0), (3, 32, 32), 10, 64, 2),
    "convolution 64-64 on 16x16, gradient": lambda: gradient(ops.conv2d, normal(64, 64, 16, 16), normal(64, 64, 3, 3), normal(64), p=1),
    "convolution, stride 2, gradient": lambda: gradient(ops.conv2d, normal(64, 32, 32, 32), normal(64, 32, 3, 3), normal(64), p=1, s=2),
    "linear 1024, gradient": lambda: gradient(ops.linear, normal(64, 1024), normal(1024, 1024), normal(1024)),
    "softmax 64x1000, gradient": lambda: gradient(ops.softmax, normal(64, 1000)),
}
made = {}
for name in JOBS:
    made[name] = JOBS[name]()
    made[name]()
print("ready", flush=True)
for row in sys.stdin:
    start = time.perf_counter()
    made[row.strip()]()
    print(time.perf_counter() - start, flush=True)
"""
JOBS = [line.split('"')[1] for line in WORKER.split("\n") if line.startswith('    "') and "lambda" in line]


def worker(root: Path) -> subprocess.Popen[str]:
    env = os.environ | {"PYTHONPATH": str(root / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.Popen([sys.executable, "-c", WORKER], cwd=root, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def ask(child: subprocess.Popen[str], job: str) -> float:
    assert child.stdin and child.stdout
    child.stdin.write(job + "\n")
    child.stdin.flush()
    return float(child.stdout.readline())


def stop(children: list[subprocess.Popen[str]]) -> None:
    for child in children:
        child.kill()
        child.wait()


def starts(sides: list[Path]) -> list[tuple[str, str, float, float]]:
    """(what, unit, of one side, of the other): medians of fresh processes in turns."""
    found: dict[str, list[list[float]]] = {"cold start": [[], []], "warm start": [[], []], "peak memory": [[], []]}
    with tempfile.TemporaryDirectory() as folder:
        for r in range(ROUNDS):
            for k, root in enumerate(sides):
                kept = f"{folder}/{k}"
                with tempfile.TemporaryDirectory() as empty:
                    found["cold start"][k].append(startup.run(startup.OURS, 64, 0, empty, str(root))[0])
                seconds, megabytes = startup.run(startup.OURS, 64, 1, kept, str(root))
                if r:  # the first one fills the cache
                    found["warm start"][k].append(seconds)
                    found["peak memory"][k].append(megabytes)
    units = {"peak memory": "MB"}
    return [(what, units.get(what, "s"), statistics.median(a), statistics.median(b)) for what, (a, b) in found.items()]


def main(commit: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        other = Path(folder) / "other"
        subprocess.run(["git", "worktree", "add", "--quiet", "--detach", str(other), commit], cwd=HERE, check=True)
        sides = [worker(HERE), worker(other)]
        try:
            for side in sides:
                assert side.stdout and side.stdout.readline().strip() == "ready"
            times: dict[str, list[list[float]]] = {job: [[], []] for job in JOBS}
            for _ in range(ROUNDS):
                for job in JOBS:
                    for k, side in enumerate(sides):
                        times[job][k].append(ask(side, job))
            stop(sides)
            begun = starts([HERE / "src", other / "src"])
        finally:
            stop(sides)
            subprocess.run(["git", "worktree", "remove", "--force", str(other)], cwd=HERE, check=False)
    rows = []
    for job, (ours, theirs) in times.items():
        a, b = statistics.median(ours), statistics.median(theirs)
        rows.append([job, f"{a * 1000:.2f} ms", f"{b * 1000:.2f} ms", f"{b / a:.2f}"])
    print(f"machine: {machine()}\nmethod: {ROUNDS} alternating rounds, 2 threads, medians; the other side is {commit}")
    print(table(["job", "this checkout", "the other", "ratio"], rows))
    rows = [[name, f"{a:.2f} {unit}", f"{b:.2f} {unit}", f"{b / a:.2f}"] for name, unit, a, b in begun]
    print(table(["LeNet-5, fresh processes", "this checkout", "the other", "ratio"], rows))


if __name__ == "__main__":
    main(sys.argv[1])
