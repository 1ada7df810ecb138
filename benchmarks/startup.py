"""Time from process start to the first finished training step of LeNet-5 on Fashion-MNIST, and peak memory.

Each measurement is a fresh process. cold: the cache of compiled code is empty; warm: it is not. PyTorch's process reads
the same files with the same function. Sides alternate; medians. Memory is the process's peak resident set (VmHWM)
after one epoch (at batch 4096: three).
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time

from common import machine, median, table

OURS = """
import sys
import chainrule as cr
from chainrule.train.data import fashion_mnist
from chainrule.train.fit import order_of
batch, epochs = int(sys.argv[1]), int(sys.argv[2])
data = fashion_mnist(may_download=False)
step = cr.TrainStep(cr.nn.lenet5().init(0), cr.nn.CrossEntropyLoss(), cr.optim.SGD(0.02, 0.9), *data.train, batch, cr.ops.scale, 2)
order = order_of(0, len(data.train[0]), 0)
step.run(order[:batch])
print("step", flush=True)
for k in range(epochs):
    step.run(order)
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")), flush=True)
"""

THEIRS = """
import sys
import numpy as np
import torch
from chainrule.train.data import fashion_mnist
batch, epochs = int(sys.argv[1]), int(sys.argv[2])
data = fashion_mnist(may_download=False)
torch.set_num_threads(2)
nn = torch.nn
net = nn.Sequential(nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
                    nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10))
optimizer = torch.optim.SGD(net.parameters(), lr=0.02, momentum=0.9)
x, t = torch.from_numpy(data.train[0].copy()), torch.from_numpy(data.train[1].astype(np.int64))
order = torch.from_numpy(np.random.default_rng(0).permutation(len(t)))
def step(rows):
    optimizer.zero_grad()
    nn.functional.cross_entropy(net(x[rows].float() / 255), t[rows]).backward()
    optimizer.step()
step(order[:batch])
print("step", flush=True)
for k in range(epochs):
    for rows in order.split(batch):
        step(rows)
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")), flush=True)
"""


def run(script: str, batch: int, epochs: int, cache: str, root: str = "") -> tuple[float, float]:
    """(seconds to the first step, peak megabytes) of a fresh process; root: of another checkout."""
    start = time.perf_counter()
    env = os.environ | {"CHAINRULE_CACHE": cache} | ({"PYTHONPATH": root} if root else {})
    child = subprocess.Popen([sys.executable, "-c", script, str(batch), str(epochs)], stdout=subprocess.PIPE, text=True, env=env)
    assert child.stdout
    if child.stdout.readline().strip() != "step":
        raise SystemExit("a measured process failed")
    seconds = time.perf_counter() - start
    memory = float(child.stdout.readline()) / 1024
    child.wait()
    return seconds, memory


def main(rounds: int = 5) -> dict[str, float]:
    print(f"machine: {machine()}\nmethod: fresh processes, {rounds} alternating rounds, medians")
    cold, warm, rival = [], [], []
    with tempfile.TemporaryDirectory() as kept:
        run(OURS, 64, 0, kept)
        run(THEIRS, 64, 0, kept)
        for _ in range(rounds):
            with tempfile.TemporaryDirectory() as empty:
                cold.append(run(OURS, 64, 0, empty)[0])
            rival.append(run(THEIRS, 64, 0, kept)[0])
            warm.append(run(OURS, 64, 0, kept)[0])
        print(table(["first training step after", "time", "PyTorch's time / ours"], [
            ["chainrule, cold cache", f"{median(cold):.2f} s", f"{median(rival) / median(cold):.1f}"],
            ["chainrule, warm cache", f"{median(warm):.2f} s", f"{median(rival) / median(warm):.1f}"],
            ["PyTorch", f"{median(rival):.2f} s", "1"],
        ]), flush=True)  # fmt: skip
        rows = []
        for batch, epochs in ((64, 1), (4096, 3)):
            mine = run(OURS, batch, epochs, kept)[1]
            other = run(THEIRS, batch, epochs, kept)[1]
            rows.append([f"batch {batch}", f"{mine:.0f} MB", f"{other:.0f} MB", f"{other / mine:.1f}"])
        print(table(["peak memory of the training process", "chainrule", "PyTorch", "ratio"], rows), flush=True)
    return {"cold": median(cold), "warm": median(warm), "pytorch": median(rival)}


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
