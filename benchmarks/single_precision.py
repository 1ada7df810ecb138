"""How far float32 runs of LeNet-5 part within 200 steps: chainrule from PyTorch, and each from PyTorch in float64.

The largest relative gap of the loss, same weights, same images, batch 64, for several settings of SGD.
"""

from __future__ import annotations

import numpy as np
import torch
from common import machine, table

import chainrule as cr
from chainrule.nn.models import lenet5
from chainrule.train.data import fashion_mnist
from chainrule.train.fit import order_of

STEPS, BATCH = 200, 64
SETTINGS = [(0.01, 0.0, 0.0), (0.05, 0.0, 0.0), (0.01, 0.9, 0.0), (0.02, 0.9, 0.0), (0.01, 0.9, 5e-4)]


def theirs(opt: cr.optim.SGD, dtype: str, x: np.ndarray, t: np.ndarray, order: np.ndarray) -> np.ndarray:
    nn = torch.nn
    layers = [nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()]
    layers += [nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)]
    net = nn.Sequential(*layers).to(getattr(torch, dtype))
    net.load_state_dict({k: torch.from_numpy(v) for k, v in lenet5().init(0, dtype).state_dict().items()})
    optimizer = torch.optim.SGD(net.parameters(), lr=opt.lr, momentum=opt.momentum, weight_decay=opt.weight_decay)
    losses = []
    for rows in order.reshape(STEPS, BATCH):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(torch.from_numpy(x[rows])), torch.from_numpy(t[rows]))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return np.array(losses)


def main() -> None:
    data = fashion_mnist(may_download=False)
    t = data.train[1].astype(np.int64)
    order = order_of(0, len(t), 0)[: STEPS * BATCH]
    pixels = {k: (data.train[0] / 255).astype(k) for k in ("float32", "float64")}
    print(f"machine: {machine()}, PyTorch {torch.__version__}\nmethod: {STEPS} steps at batch {BATCH}, largest relative gap of the loss")
    rows = []
    for lr, momentum, decay in SETTINGS:
        opt = cr.optim.SGD(lr, momentum, decay)
        ours = cr.TrainStep(lenet5().init(0), cr.nn.CrossEntropyLoss(), opt, pixels["float32"], t, BATCH).run(order)
        single, double = (theirs(opt, k, pixels[k], t, order) for k in ("float32", "float64"))
        gaps = [np.max(np.abs(a - b) / b) for a, b in ((ours, single), (ours, double), (single, double))]
        rows.append([f"lr {lr}, momentum {momentum}, decay {decay}", *(f"{g:.1e}" for g in gaps)])
    print(table(["SGD", "chainrule, PyTorch (float32)", "chainrule float32, PyTorch float64", "PyTorch float32, PyTorch float64"], rows))


if __name__ == "__main__":
    main()
