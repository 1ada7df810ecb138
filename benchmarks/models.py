"""Training steps of ResNet-20, VGG-small and MobileNet-small at batch 64 on 32x32 images against PyTorch eager, 2 threads.

Both sides start from floats in memory, from the same weights; SGD with momentum and weight decay. PyTorch runs in both of its memory formats; the
better counts. Sides alternate; medians. The cold compile is that of fresh processes without a cache of compiled code, from the import on.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import torch
from common import machine, median, table, timed

import chainrule as cr

tnn = torch.nn
BATCH, THREADS, STEPS = 64, 2, 6
COLD = """
import sys, time, numpy as np, chainrule as cr
x, t = np.zeros((64, 3, 32, 32), np.float32), np.zeros(64, int)
start = time.perf_counter()
net = getattr(cr.nn, sys.argv[1])().init(0)
cr.TrainStep(net, cr.nn.CrossEntropyLoss(), cr.optim.SGD(0.1, momentum=0.9, weight_decay=1e-4), x, t, 64)
print(time.perf_counter() - start)
"""


def conv_norm(a: int, b: int, kernel: int, stride: int = 1, groups: int = 1) -> list[tnn.Module]:
    return [tnn.Conv2d(a, b, kernel, stride, kernel // 2, groups=groups, bias=False), tnn.BatchNorm2d(b), tnn.ReLU()]


class Block(tnn.Module):
    def __init__(self, a: int, b: int, stride: int = 1):
        super().__init__()
        self.conv1, self.bn1, _ = conv_norm(a, b, 3, stride)
        self.conv2, self.bn2, _ = conv_norm(b, b, 3)
        self.shortcut = tnn.Sequential(*conv_norm(a, b, 1, stride)[:2]) if a != b or stride != 1 else tnn.Sequential()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


def resnet20() -> tnn.Module:
    blocks = [Block(16, 16) for _ in range(3)] + [Block(16, 32, 2), Block(32, 32), Block(32, 32), Block(32, 64, 2), Block(64, 64), Block(64, 64)]
    return tnn.Sequential(*conv_norm(3, 16, 3), *blocks, tnn.AdaptiveAvgPool2d(1), tnn.Flatten(), tnn.Linear(64, 10))


def vgg_small() -> tnn.Module:
    layers, before = list[tnn.Module](), 3
    for channels in (32, 64, 128):
        layers += [*conv_norm(before, channels, 3), *conv_norm(channels, channels, 3), tnn.MaxPool2d(2)]
        before = channels
    return tnn.Sequential(*layers, tnn.AdaptiveAvgPool2d(1), tnn.Flatten(), tnn.Linear(before, 10))


def mobilenet_small() -> tnn.Module:
    layers, before = conv_norm(3, 32, 3), 32
    for channels, stride in ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1)):
        layers += [*conv_norm(before, before, 3, stride, groups=before), *conv_norm(before, channels, 1)]
        before = channels
    return tnn.Sequential(*layers, tnn.AdaptiveAvgPool2d(1), tnn.Flatten(), tnn.Linear(before, 10))


MODELS: dict[str, Callable[[], tnn.Module]] = {"resnet20": resnet20, "vgg_small": vgg_small, "mobilenet_small": mobilenet_small}


def pytorch(net: tnn.Module, x: torch.Tensor, t: torch.Tensor, form: torch.memory_format) -> Callable[[], list[float]]:
    net = net.to(memory_format=form)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
    loss_of, x = tnn.CrossEntropyLoss(), x.contiguous(memory_format=form)

    def steps() -> list[float]:
        losses = []
        for rows in range(0, len(x), BATCH):
            optimizer.zero_grad()
            loss = loss_of(net(x[rows : rows + BATCH]), t[rows : rows + BATCH])
            loss.backward()
            optimizer.step()
            losses.append(float(loss.detach()))
        return losses

    return steps


def cold(name: str) -> float:
    env = os.environ | {"CHAINRULE_CACHE": "off"}
    return float(subprocess.run([sys.executable, "-c", COLD, name], capture_output=True, text=True, check=True, env=env).stdout)


def sides(name: str, x: np.ndarray, t: np.ndarray) -> dict[str, Callable[[], object]]:
    """The same network on the same data, by side; their first losses agree, or they would not do the same work."""
    net = getattr(cr.nn, name)().init(0)
    start = [torch.from_numpy(np.asarray(v)) for v in net.state_dict().values()]
    step = cr.TrainStep(net, cr.nn.CrossEntropyLoss(), cr.optim.SGD(0.01, momentum=0.9, weight_decay=1e-4), x, t, BATCH, None, THREADS)
    xt, tt = torch.from_numpy(x.copy()), torch.from_numpy(t.astype(np.int64))
    found: dict[str, Callable[[], object]] = {"chainrule": lambda: step.run(np.arange(len(x)))}
    losses = [step.run(np.arange(len(x)))]
    for form in (torch.contiguous_format, torch.channels_last):
        twin = MODELS[name]()
        twin.load_state_dict(dict(zip(twin.state_dict(), start, strict=True)))
        found[f"PyTorch, {str(form).removeprefix('torch.')}"] = run = pytorch(twin, xt, tt, form)
        losses.append(np.asarray(run()))
    for other in losses[1:]:
        np.testing.assert_allclose(losses[0], other, rtol=1e-2)
    return found


def main(rounds: int = 5) -> None:
    rng = np.random.default_rng(0)
    x, t = rng.normal(size=(STEPS * BATCH, 3, 32, 32)).astype(np.float32), rng.integers(0, 10, STEPS * BATCH)
    torch.set_num_threads(THREADS)
    print(f"machine: {machine()}, PyTorch {torch.__version__}")
    print(f"method: batch {BATCH}, {THREADS} threads, {rounds} alternating rounds of {STEPS} steps, medians; cold compile: 3 fresh processes")
    rows = []
    for name in MODELS:
        work = sides(name, x, t)
        times: dict[str, list[float]] = {k: [] for k in work}
        for _ in range(rounds):
            for side, run in work.items():
                times[side].append(1e3 * timed(run) / STEPS)
        own, *theirs = (median(v) for v in times.values())
        compiled = median([cold(name) for _ in range(3)])
        rows.append([name, f"{own:.1f}", *(f"{v:.1f}" for v in theirs), f"{min(theirs) / own:.2f}", f"{compiled:.1f}"])
    print(table(["ms a step", "chainrule", "PyTorch, contiguous", "PyTorch, channels_last", "PyTorch's better / chainrule", "cold compile, s"], rows))


if __name__ == "__main__":
    main()
