"""Modules of one's own against PyTorch: residual networks, several inputs and losses, batch norm, optimisers. `make agreement`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
import torch.nn.functional as TF
from torch import nn as tnn

import chainrule as cr
from chainrule.nn import functional as F


class TBlock(tnn.Module):
    def __init__(self, a: int, b: int, stride: int = 1):
        super().__init__()
        self.conv1, self.bn1 = tnn.Conv2d(a, b, 3, stride, 1, bias=False), tnn.BatchNorm2d(b)
        self.conv2, self.bn2 = tnn.Conv2d(b, b, 3, 1, 1, bias=False), tnn.BatchNorm2d(b)
        self.shortcut = tnn.Sequential(tnn.Conv2d(a, b, 1, stride, bias=False), tnn.BatchNorm2d(b)) if stride != 1 or a != b else tnn.Sequential()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = TF.relu(self.bn1(self.conv1(x)))
        return TF.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class TResNet(tnn.Module):
    def __init__(self, blocks: int, width: int):
        super().__init__()
        self.conv1, self.bn1 = tnn.Conv2d(3, width, 3, 1, 1, bias=False), tnn.BatchNorm2d(width)
        sizes = [(width, width, 1), (width, 2 * width, 2), (2 * width, 4 * width, 2)]
        for k, (a, b, s) in enumerate(sizes, 1):
            setattr(self, f"layer{k}", tnn.Sequential(TBlock(a, b, s), *(TBlock(b, b) for _ in range(blocks - 1))))
        self.fc = tnn.Linear(4 * width, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.layer3(self.layer2(self.layer1(TF.relu(self.bn1(self.conv1(x))))))
        return self.fc(torch.flatten(TF.adaptive_avg_pool2d(x, 1), 1))


class Two(cr.nn.Module):
    """Two inputs, one layer used twice, two outputs."""

    def __init__(self) -> None:
        self.left, self.right, self.shared = cr.nn.Linear(6, 8), cr.nn.Linear(5, 8), cr.nn.Linear(8, 8)
        self.norm, self.classes_of, self.value = cr.nn.BatchNorm1d(8), cr.nn.Linear(8, 4), cr.nn.Linear(16, 3)

    def forward(self, a: cr.nn.Symbol, b: cr.nn.Symbol) -> tuple[cr.nn.Symbol, cr.nn.Symbol]:
        p, q = F.tanh(self.shared(F.relu(self.left(a)))), self.shared(F.sigmoid(self.right(b)))
        h = self.norm(p * q + p)
        return self.classes_of(h), self.value(F.cat([h, q - 0.5 * p], 1))


class TTwo(tnn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.left, self.right, self.shared = tnn.Linear(6, 8), tnn.Linear(5, 8), tnn.Linear(8, 8)
        self.norm, self.classes_of, self.value = tnn.BatchNorm1d(8), tnn.Linear(8, 4), tnn.Linear(16, 3)

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        p, q = torch.tanh(self.shared(TF.relu(self.left(a)))), self.shared(torch.sigmoid(self.right(b)))
        h = self.norm(p * q + p)
        return self.classes_of(h), self.value(torch.cat([h, q - 0.5 * p], 1))


def exchanged(net: cr.nn.Module, theirs: tnn.Module) -> None:
    """The network's own state in PyTorch's module, and back."""
    state = net.state_dict()
    assert list(state) == list(theirs.state_dict())
    theirs.load_state_dict({k: torch.from_numpy(np.asarray(v)) for k, v in state.items()})
    net.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})


def compared(
    net: cr.nn.Module,
    theirs: tnn.Module,
    loss: object,
    their_loss: Callable[..., torch.Tensor],
    opt: cr.optim.Optimizer,
    their_opt: Callable[..., torch.optim.Optimizer],
    x: Sequence[np.ndarray],
    t: Sequence[np.ndarray],
    batch: int,
    steps: int,
) -> float:
    """The largest relative gap of the loss over so many steps, the last of them smaller; and that states stay together."""
    exchanged(net, theirs)
    theirs.double().train()
    count = len(x[0])
    order = np.concatenate([np.random.default_rng(k).permutation(count) for k in range(1 + steps * batch // count)])[: steps * batch - batch // 3]
    pack = lambda v: tuple(v) if len(v) > 1 else v[0]  # noqa: E731
    step = cr.TrainStep(net, loss, opt, pack(x), pack(t), batch)
    ours = step.run(order)
    optimizer, gap = their_opt(theirs.parameters()), 0.0
    for k in range(steps):
        rows = order[k * batch : (k + 1) * batch]
        optimizer.zero_grad()
        out = theirs(*(torch.from_numpy(a[rows]) for a in x))
        e = their_loss(out, *(torch.from_numpy(a[rows]) for a in t))
        e.backward()
        optimizer.step()
        gap = max(gap, abs(float(ours[k]) - e.item()) / abs(e.item()))
    for name, v in theirs.state_dict().items():
        np.testing.assert_allclose(net.state_dict()[name], v.numpy(), rtol=1e-6, atol=1e-8, err_msg=name)
    theirs.eval()
    with torch.no_grad():
        want = theirs(*(torch.from_numpy(a[:7]) for a in x))
    got = net(*(a[:7] for a in x))
    for a, b in zip(got if isinstance(got, tuple) else (got,), want if isinstance(want, tuple) else (want,), strict=True):
        np.testing.assert_allclose(a, b.numpy(), rtol=1e-6, atol=1e-8)
    return gap


OPTIMISERS = [
    (cr.optim.SGD(0.05, 0.9, 1e-3), lambda p: torch.optim.SGD(p, 0.05, 0.9, weight_decay=1e-3)),
    (cr.optim.Adam(1e-3), lambda p: torch.optim.Adam(p, 1e-3)),
]


@pytest.mark.parametrize("opt, theirs", OPTIMISERS, ids=["sgd", "adam"])
def test_resnet20_has_pytorchs_losses_for_50_steps(opt: cr.optim.Optimizer, theirs: Callable) -> None:
    rng = np.random.default_rng(0)
    x, t = rng.normal(size=(40, 3, 32, 32)), rng.integers(0, 10, 40)
    net, twin = cr.nn.resnet20().init(0, np.float64), TResNet(3, 16).double()
    gap = compared(net, twin, cr.nn.CrossEntropyLoss(), TF.cross_entropy, opt, theirs, [x], [t], 12, 50)
    print(f"ResNet-20, {opt}: 50 steps, largest relative gap of the loss {gap:.2e}")
    assert gap < 1e-10


@pytest.mark.parametrize("opt, theirs", OPTIMISERS, ids=["sgd", "adam"])
def test_two_inputs_and_two_losses_have_pytorchs_losses_for_50_steps(opt: cr.optim.Optimizer, theirs: Callable) -> None:
    rng = np.random.default_rng(1)
    a, b, t, u = rng.normal(size=(40, 6)), rng.normal(size=(40, 5)), rng.integers(0, 4, 40), rng.normal(size=(40, 3))
    net = Two().init(0, np.float64)
    loss = (cr.nn.CrossEntropyLoss(), 0.3 * cr.nn.MSELoss())
    gap = compared(
        net, TTwo().double(), loss, lambda y, t, u: TF.cross_entropy(y[0], t) + 0.3 * TF.mse_loss(y[1], u), opt, theirs, [a, b], [t, u], 12, 50
    )
    print(f"two inputs, {opt}: 50 steps, largest relative gap of the loss {gap:.2e}")
    assert gap < 1e-10


MORE = [
    (cr.optim.SGD(0.1, 0.9, 1e-3, dampening=0.3), lambda p: torch.optim.SGD(p, 0.1, 0.9, 0.3, 1e-3)),
    (cr.optim.SGD(0.1, 0.9, 1e-3, nesterov=True), lambda p: torch.optim.SGD(p, 0.1, 0.9, weight_decay=1e-3, nesterov=True)),
    (cr.optim.Adam(0.01, (0.8, 0.99), 1e-6, 1e-2), lambda p: torch.optim.Adam(p, 0.01, (0.8, 0.99), 1e-6, 1e-2)),
    (cr.optim.Adam(0.01, amsgrad=True, weight_decay=0.1), lambda p: torch.optim.Adam(p, 0.01, amsgrad=True, weight_decay=0.1)),
    (cr.optim.AdamW(0.01), lambda p: torch.optim.AdamW(p, 0.01)),
    (cr.optim.AdamW(0.01, amsgrad=True, weight_decay=0.3), lambda p: torch.optim.AdamW(p, 0.01, amsgrad=True, weight_decay=0.3)),
    (cr.optim.RMSprop(), lambda p: torch.optim.RMSprop(p)),
    (cr.optim.RMSprop(0.003, 0.9, 1e-6, 1e-2, 0.7), lambda p: torch.optim.RMSprop(p, 0.003, 0.9, 1e-6, 1e-2, 0.7)),
    (cr.optim.RMSprop(0.003, momentum=0.5, centered=True), lambda p: torch.optim.RMSprop(p, 0.003, momentum=0.5, centered=True)),
    (cr.optim.RMSprop(0.003, centered=True), lambda p: torch.optim.RMSprop(p, 0.003, centered=True)),
    (cr.optim.Adagrad(), lambda p: torch.optim.Adagrad(p)),
    (cr.optim.Adagrad(0.1, 0.05, 1e-2, 0.2), lambda p: torch.optim.Adagrad(p, 0.1, 0.05, 1e-2, 0.2)),
]


@pytest.mark.parametrize("opt, theirs", MORE, ids=[f"{k} {type(o).__name__}" for k, (o, _) in enumerate(MORE)])
def test_every_optimiser_is_pytorchs(opt: cr.optim.Optimizer, theirs: Callable) -> None:
    rng = np.random.default_rng(2)
    x, t = rng.normal(size=(40, 6)), rng.integers(0, 4, 40)
    net = cr.nn.Sequential(cr.nn.Linear(6, 9), cr.nn.Tanh(), cr.nn.BatchNorm1d(9), cr.nn.Linear(9, 4)).init(0, np.float64)
    twin = tnn.Sequential(tnn.Linear(6, 9), tnn.Tanh(), tnn.BatchNorm1d(9), tnn.Linear(9, 4)).double()
    assert compared(net, twin, cr.nn.CrossEntropyLoss(), TF.cross_entropy, opt, theirs, [x], [t], 12, 50) < 1e-10


SCHEDULES = [
    (cr.optim.Cosine(0.1, steps=30, least=0.01), lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 30, 0.01), 30),
    (cr.optim.StepLR(0.1, every=7, factor=0.5), lambda o: torch.optim.lr_scheduler.StepLR(o, 7, 0.5), 50),
    (cr.optim.Exponential(0.1, 0.95), lambda o: torch.optim.lr_scheduler.ExponentialLR(o, 0.95), 50),
    (cr.optim.Ramp(0.1, 0.01, steps=20), lambda o: torch.optim.lr_scheduler.LinearLR(o, 1.0, 0.1, 20), 50),
]


@pytest.mark.parametrize("rate, theirs, steps", SCHEDULES, ids=[type(s).__name__ for s, _, _ in SCHEDULES])
def test_schedules_are_pytorchs(rate: cr.optim.Schedule, theirs: Callable, steps: int) -> None:
    optimizer = torch.optim.SGD([torch.zeros(1)], 0.1)
    schedule = theirs(optimizer)
    for k in range(1, steps + 1):
        assert rate(k) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-9)
        optimizer.step()
        schedule.step()


@pytest.mark.parametrize("momentum", [0.1, None, 0.7])
@pytest.mark.parametrize("affine, track", [(True, True), (False, True), (True, False)])
def test_batch_norm_and_its_statistics_are_pytorchs(momentum: float | None, affine: bool, track: bool) -> None:
    rng = np.random.default_rng(3)
    x, t = rng.normal(size=(30, 3, 5, 4)) * 2 + 1, rng.integers(0, 4, 30)
    net = cr.nn.Sequential(cr.nn.BatchNorm2d(3, 1e-3, momentum, affine, track), cr.nn.Flatten(), cr.nn.Linear(60, 4)).init(0, np.float64)
    twin = tnn.Sequential(tnn.BatchNorm2d(3, 1e-3, momentum, affine, track), tnn.Flatten(), tnn.Linear(60, 4)).double()
    opt = (cr.optim.SGD(0.05), lambda p: torch.optim.SGD(p, 0.05))
    assert compared(net, twin, cr.nn.CrossEntropyLoss(), TF.cross_entropy, *opt, [x], [t], 7, 12) < 1e-10


def test_networks_print_as_pytorchs_do() -> None:
    def made(nn: object) -> object:
        return nn.Sequential(  # type: ignore[attr-defined]  # either library
            nn.Conv2d(1, 6, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Sequential(nn.Conv2d(6, 4, (3, 1), stride=2, dilation=2, bias=False), nn.BatchNorm2d(4)),  # type: ignore[attr-defined]  # either library
            nn.AdaptiveAvgPool2d(1),
            nn.AvgPool2d(1),
            nn.Flatten(),
            nn.Identity(),
            nn.Linear(4, 3, bias=False),
            nn.Softmax(dim=1),
            nn.Sigmoid(),
            nn.Tanh(),
        )  # type: ignore[attr-defined]  # either library

    assert repr(made(cr.nn)) == repr(made(tnn))
