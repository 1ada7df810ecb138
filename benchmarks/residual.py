"""A training step of ResNet-20 (batch norm, residuals, strided shortcuts) at batch 64 on 32x32 images against PyTorch eager, 2 threads.

Both sides start from floats in memory; SGD with momentum and weight decay. PyTorch runs in both of its memory formats; the better
counts. Sides alternate; medians. The cold compile is that of fresh processes without a cache of compiled code, from the import on.
"""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import torch
from common import machine, median, table, timed

import chainrule as cr

BATCH, THREADS, STEPS = 64, 2, 8
COLD = """
import time, numpy as np, chainrule as cr
x, t = np.zeros((64, 3, 32, 32), np.float32), np.zeros(64, int)
start = time.perf_counter()
cr.TrainStep(cr.nn.resnet20().init(0), cr.nn.CrossEntropyLoss(), cr.optim.SGD(0.1, momentum=0.9, weight_decay=1e-4), x, t, 64)
print(time.perf_counter() - start)
"""


class Block(torch.nn.Module):
    def __init__(self, a: int, b: int, stride: int = 1):
        super().__init__()
        nn = torch.nn
        self.body = nn.Sequential(
            nn.Conv2d(a, b, 3, stride, 1, bias=False), nn.BatchNorm2d(b), nn.ReLU(), nn.Conv2d(b, b, 3, 1, 1, bias=False), nn.BatchNorm2d(b)
        )
        changes = a != b or stride != 1
        self.shortcut = nn.Sequential(nn.Conv2d(a, b, 1, stride, bias=False), nn.BatchNorm2d(b)) if changes else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.body(x) + self.shortcut(x))


def pytorch(x: torch.Tensor, t: torch.Tensor, form: torch.memory_format):  # type: ignore[no-untyped-def]
    nn = torch.nn
    blocks = [Block(16, 16) for _ in range(3)] + [Block(16, 32, 2), Block(32, 32), Block(32, 32), Block(32, 64, 2), Block(64, 64), Block(64, 64)]
    head = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    net = nn.Sequential(*head, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10)).to(memory_format=form)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    loss_of, x = nn.CrossEntropyLoss(), x.contiguous(memory_format=form)

    def steps() -> None:
        for rows in range(0, len(x), BATCH):
            optimizer.zero_grad()
            loss_of(net(x[rows : rows + BATCH]), t[rows : rows + BATCH]).backward()
            optimizer.step()

    return steps


def cold() -> float:
    env = os.environ | {"CHAINRULE_CACHE": "off"}
    return float(subprocess.run([sys.executable, "-c", COLD], capture_output=True, text=True, check=True, env=env).stdout)


def main(rounds: int = 5) -> None:
    rng = np.random.default_rng(0)
    x, t = rng.normal(size=(STEPS * BATCH, 3, 32, 32)).astype(np.float32), rng.integers(0, 10, STEPS * BATCH)
    torch.set_num_threads(THREADS)
    net = cr.nn.resnet20().init(0)
    step = cr.TrainStep(net, cr.nn.CrossEntropyLoss(), cr.optim.SGD(0.1, momentum=0.9, weight_decay=1e-4), x, t, BATCH, None, THREADS)
    xt, tt = torch.from_numpy(x.copy()), torch.from_numpy(t.astype(np.int64))
    sides = {
        "chainrule": lambda: step.run(np.arange(len(x))),
        "PyTorch, contiguous": pytorch(xt, tt, torch.contiguous_format),
        "PyTorch, channels_last": pytorch(xt, tt, torch.channels_last),
    }
    print(f"machine: {machine()}, PyTorch {torch.__version__}")
    print(
        f"method: ResNet-20, batch {BATCH}, {THREADS} threads, {rounds} alternating rounds of {STEPS} steps, medians; cold compile: 3 fresh processes"
    )
    times: dict[str, list[float]] = {k: [] for k in sides}
    for work in sides.values():
        work()
    for _ in range(rounds):
        for name, work in sides.items():
            times[name].append(timed(work) / STEPS)
    best = min(median(v) for k, v in times.items() if k != "chainrule")
    rows = [[k, f"{1e3 * median(v):.1f}", f"{median(v) / median(times['chainrule']):.2f}"] for k, v in times.items()]
    print(table(["side", "ms a step", "times chainrule's"], rows))
    print(f"PyTorch's best / chainrule: {best / median(times['chainrule']):.2f}")
    print(f"cold compile of the training step: {median([cold() for _ in range(3)]):.1f} s")


if __name__ == "__main__":
    main()
