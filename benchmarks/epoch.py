"""A LeNet-5 training epoch on Fashion-MNIST against PyTorch eager: batch 64, 2 threads, SGD with momentum.

Both sides start from the images as bytes and prepare each batch themselves (gather, convert, scale). PyTorch runs in both
of its memory formats; the better counts. Sides alternate; medians.
"""

from __future__ import annotations

import sys

import numpy as np
import torch
from common import Peak, machine, median, table, timed

import chainrule as cr
from chainrule.train.data import fashion_mnist
from chainrule.train.fit import order_of

BATCH, THREADS = 64, 2
# Multiply-adds of one image: forward, and backward without ∂/∂x of the first layer.
FORWARD = {"conv1": 6 * (28 * 5 - 6) ** 2, "conv2": 16 * 6 * 100 * 25, "fc1": 400 * 120, "fc2": 120 * 84, "fc3": 84 * 10}
WORK = 2 * (3 * sum(FORWARD.values()) - FORWARD["conv1"])


def pytorch(x: torch.Tensor, t: torch.Tensor, form: torch.memory_format):  # type: ignore[no-untyped-def]
    nn = torch.nn
    layers = [nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()]
    layers += [nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)]
    net = nn.Sequential(*layers).to(memory_format=form)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.02, momentum=0.9)
    loss_of = nn.CrossEntropyLoss()

    def epoch(order: np.ndarray) -> None:
        for rows in torch.from_numpy(order).split(BATCH):
            batch = (x[rows].float() / 255).contiguous(memory_format=form)
            optimizer.zero_grad()
            loss_of(net(batch), t[rows]).backward()
            optimizer.step()

    return epoch


def main(rounds: int = 5) -> dict[str, float]:
    data = fashion_mnist(may_download=False)
    x, t = data.train
    torch.set_num_threads(THREADS)
    step = cr.TrainStep(cr.nn.lenet5().init(0), cr.nn.CrossEntropyLoss(), cr.optim.SGD(0.02, 0.9), x, t, BATCH, cr.ops.scale, THREADS)
    xt, tt = torch.from_numpy(x.copy()), torch.from_numpy(t.astype(np.int64))
    rivals = {"contiguous": pytorch(xt, tt, torch.contiguous_format), "channels_last": pytorch(xt, tt, torch.channels_last)}
    peak = Peak()
    print(f"machine: {machine()}, PyTorch {torch.__version__}")
    print(
        f"method: LeNet-5, {len(x)} images, batch {BATCH}, {THREADS} threads, data preparation included, {rounds} alternating rounds, medians (of the peak: the largest)"
    )
    warm = order_of(0, len(x), 1)[: 40 * BATCH]
    step.run(warm)
    for rival in rivals.values():
        rival(warm)
    ours: list[float] = []
    theirs: dict[str, list[float]] = {k: [] for k in rivals}
    tops: list[float] = []
    for k in range(rounds):
        order = order_of(k, len(x), 0)
        tops.append(peak.flops(THREADS))
        ours.append(timed(lambda order=order: step.run(order)))
        for name, rival in rivals.items():
            theirs[name].append(timed(lambda order=order, rival=rival: rival(order)))
            ours.append(timed(lambda order=order: step.run(order)))
        print(f"round {k + 1}: chainrule {ours[-1]:.2f} s, " + ", ".join(f"PyTorch {n} {v[-1]:.2f} s" for n, v in theirs.items()), flush=True)
    best = min(theirs, key=lambda n: median(theirs[n]))
    mine, other, top = median(ours), median(theirs[best]), max(tops)
    share = WORK * len(x) / mine / top
    rows = [
        ["chainrule", f"{mine:.2f} s", f"{len(x) / mine:,.0f}", f"{share:.0%}"],
        [f"PyTorch eager ({best})", f"{other:.2f} s", f"{len(x) / other:,.0f}", f"{WORK * len(x) / other / top:.0%}"],
    ]
    print(table(["LeNet-5 epoch", "time", "images/s", f"of the FMA peak ({top / 1e9:.0f} GFLOP/s)"], rows))
    print(f"ratio: {other / mine:.1f} times as fast")
    return {"seconds": mine, "ratio": other / mine, "share": share}


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
