"""Training against PyTorch's: optimisers, schedules, clipping, groups of parameters. `make agreement`."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest

import chainrule as cr

torch = pytest.importorskip("torch")
tnn, TF = torch.nn, torch.nn.functional
pytestmark = pytest.mark.torch
optim, toptim = cr.optim, torch.optim

STEPS, BATCH = 20, 8


@pytest.fixture(autouse=True)
def double() -> Iterator[None]:
    """PyTorch's NAdam keeps the product of its momenta in the default number type, whatever the parameters'."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def pair(norm: bool = False) -> tuple[cr.nn.Module, torch.nn.Module]:
    """The same small network twice, from the same numbers."""
    net = cr.nn.Sequential(cr.nn.Linear(6, 9), cr.nn.BatchNorm1d(9) if norm else cr.nn.Identity(), cr.nn.Tanh(), cr.nn.Linear(9, 4)).init(
        0, np.float64
    )
    twin = tnn.Sequential(tnn.Linear(6, 9), tnn.BatchNorm1d(9) if norm else tnn.Identity(), tnn.Tanh(), tnn.Linear(9, 4)).double()
    twin.load_state_dict({k: torch.from_numpy(np.array(v)) for k, v in net.state_dict().items()})
    return net, twin


def data() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(STEPS * BATCH, 6)), rng.integers(0, 4, STEPS * BATCH)


def held(
    opt: cr.optim.Optimizer, theirs: Callable, norm: bool = False, between: Callable = lambda twin: None, after: Callable = lambda: None
) -> None:
    """Twenty steps of both leave the same parameters. between: what PyTorch does before a step; after: after it."""
    (net, twin), (x, t) = pair(norm), data()
    own = theirs(twin)
    cr.TrainStep(net, cr.nn.CrossEntropyLoss(), opt, x, t, BATCH).run(np.arange(len(x)))
    for k in range(STEPS):
        rows = slice(k * BATCH, (k + 1) * BATCH)
        own.zero_grad()
        TF.cross_entropy(twin(torch.from_numpy(x[rows])), torch.from_numpy(t[rows])).backward()
        between(twin)
        own.step()
        after()
    for name, want in twin.state_dict().items():
        got, scale = net.state_dict()[name], max(1e-3, float(want.abs().max()))
        assert np.abs(got - want.numpy()).max() <= 1e-12 * scale, name


OPTIMISERS: list[tuple[cr.optim.Optimizer, Callable]] = [
    (optim.SGD(0.1), lambda p: toptim.SGD(p, 0.1)),
    (optim.SGD(0.1, 0.9, 1e-2), lambda p: toptim.SGD(p, 0.1, 0.9, weight_decay=1e-2)),
    (optim.SGD(0.1, 0.9, 1e-3, dampening=0.3), lambda p: toptim.SGD(p, 0.1, 0.9, 0.3, 1e-3)),
    (optim.SGD(0.1, 0.9, 1e-3, nesterov=True), lambda p: toptim.SGD(p, 0.1, 0.9, weight_decay=1e-3, nesterov=True)),
    (optim.Adam(), lambda p: toptim.Adam(p)),
    (optim.Adam(0.01, (0.8, 0.99), 1e-6, 1e-2), lambda p: toptim.Adam(p, 0.01, (0.8, 0.99), 1e-6, 1e-2)),
    (optim.Adam(0.01, amsgrad=True, weight_decay=0.1), lambda p: toptim.Adam(p, 0.01, amsgrad=True, weight_decay=0.1)),
    (optim.AdamW(), lambda p: toptim.AdamW(p)),
    (optim.AdamW(0.01, amsgrad=True, weight_decay=0.3), lambda p: toptim.AdamW(p, 0.01, amsgrad=True, weight_decay=0.3)),
    (optim.NAdam(), lambda p: toptim.NAdam(p)),
    (optim.NAdam(0.02, (0.8, 0.95), 1e-6, 0.1, 0.02), lambda p: toptim.NAdam(p, 0.02, (0.8, 0.95), 1e-6, 0.1, 0.02)),
    (optim.NAdam(0.02, weight_decay=0.1, decoupled_weight_decay=True), lambda p: toptim.NAdam(p, 0.02, weight_decay=0.1, decoupled_weight_decay=True)),
    (optim.RMSprop(), lambda p: toptim.RMSprop(p)),
    (optim.RMSprop(0.003, 0.9, 1e-6, 1e-2, 0.7), lambda p: toptim.RMSprop(p, 0.003, 0.9, 1e-6, 1e-2, 0.7)),
    (optim.RMSprop(0.003, centered=True), lambda p: toptim.RMSprop(p, 0.003, centered=True)),
    (optim.Adagrad(), lambda p: toptim.Adagrad(p)),
    (optim.Adagrad(0.1, 0.05, 1e-2, 0.2, 1e-8), lambda p: toptim.Adagrad(p, 0.1, 0.05, 1e-2, 0.2, 1e-8)),
]  # fmt: skip


@pytest.mark.parametrize("opt, theirs", OPTIMISERS, ids=[f"{k} {type(o).__name__}" for k, (o, _) in enumerate(OPTIMISERS)])
def test_twenty_steps_leave_pytorchs_parameters(opt: cr.optim.Optimizer, theirs: Callable) -> None:
    held(opt, lambda twin: theirs(twin.parameters()))


def one_cycle(**given: object) -> tuple[cr.optim.OneCycle, Callable]:
    return optim.OneCycle(0.2, 40, **given), lambda o: toptim.lr_scheduler.OneCycleLR(o, 0.2, 40, **given)


CYCLES = [one_cycle(), one_cycle(pct_start=0.4, anneal_strategy="linear", div_factor=3.0), one_cycle(three_phase=True), one_cycle(pct_start=0.0)]


@pytest.mark.parametrize("rate, theirs", CYCLES, ids=range(len(CYCLES)))
def test_one_cycle_has_pytorchs_rates_and_momenta(rate: cr.optim.OneCycle, theirs: Callable) -> None:
    own = toptim.SGD([torch.zeros(1)], 0.1, 0.9)
    schedule, momentum = theirs(own), rate.momentum()
    for k in range(1, 41):
        assert rate(k) == pytest.approx(own.param_groups[0]["lr"], rel=1e-12)
        assert momentum(k) == pytest.approx(own.param_groups[0]["momentum"], rel=1e-12)
        own.step()
        if k < 40:
            schedule.step()
    assert rate(99) == pytest.approx(rate(40), rel=1e-9)


def test_a_rate_and_a_momentum_that_change_leave_pytorchs_parameters() -> None:
    schedules = []

    def theirs(twin: torch.nn.Module) -> torch.optim.Optimizer:
        own = toptim.SGD(twin.parameters(), 0.1, 0.9)
        schedules.append(toptim.lr_scheduler.OneCycleLR(own, 0.2, STEPS + 1))
        return own

    rate = optim.OneCycle(0.2, STEPS + 1)
    held(optim.SGD(rate, rate.momentum()), theirs, after=lambda: schedules[0].step())


PLATEAUS: list[dict[str, object]] = [
    {"patience": 1},
    {"patience": 0, "cooldown": 2, "factor": 0.5},
    {"mode": "max", "patience": 1, "threshold": 0.1},
    {"mode": "max", "patience": 1, "threshold": 0.3, "threshold_mode": "abs"},
    {"patience": 0, "threshold": 0.3, "threshold_mode": "abs", "min_lr": 0.01, "factor": 0.3},
    {"patience": 0, "eps": 0.02},
]


@pytest.mark.parametrize("given", PLATEAUS, ids=str)
def test_a_rate_on_a_plateau_is_pytorchs(given: dict[str, object]) -> None:
    own = toptim.SGD([torch.zeros(1)], 0.1)
    schedule, rate = toptim.lr_scheduler.ReduceLROnPlateau(own, **given), optim.Plateau(0.1, **given)
    now = rate.start
    for metric in np.random.default_rng(0).normal(3, 1, 30).round(1):
        schedule.step(metric)
        now = rate.after(now, metric)
        assert now.rate == pytest.approx(own.param_groups[0]["lr"], rel=1e-12)


def norms(twin: torch.nn.Module, norm: float) -> None:
    tnn.utils.clip_grad_norm_([p for p in twin.parameters() if p.grad is not None], norm)


CLIPS: list[tuple[cr.optim.Optimizer, Callable]] = [
    (optim.Clip(optim.SGD(0.3, 0.9), value=0.02), lambda twin: tnn.utils.clip_grad_value_(twin.parameters(), 0.02)),
    (optim.Clip(optim.SGD(0.3, 0.9), norm=0.2), lambda twin: norms(twin, 0.2)),
    (optim.Clip(optim.SGD(0.3, 0.9), norm=0.4), lambda twin: norms(twin, 0.4)),
]


@pytest.mark.parametrize("opt, between", CLIPS, ids=[repr(o) for o, _ in CLIPS])
def test_clipped_gradients_leave_pytorchs_parameters(opt: cr.optim.Optimizer, between: Callable) -> None:
    held(opt, lambda twin: toptim.SGD(twin.parameters(), 0.3, 0.9), norm=True, between=between)


def test_groups_and_what_is_not_trained_leave_pytorchs_parameters() -> None:
    opt = optim.Grouped(
        optim.Clip(optim.AdamW(0.02, weight_decay=0.3), norm=0.3),
        [("0.*", None), (("*.bias", cr.nn.BatchNorm1d), {"weight_decay": 0.0, "betas": (0.8, 0.9)})],
    )

    def theirs(twin: torch.nn.Module) -> torch.optim.Optimizer:
        twin[0].requires_grad_(False)
        groups = [{"params": [twin[1].weight, twin[1].bias, twin[3].bias], "weight_decay": 0.0, "betas": (0.8, 0.9)}, {"params": [twin[3].weight]}]
        return toptim.AdamW(groups, 0.02, weight_decay=0.3)

    held(opt, theirs, norm=True, between=lambda twin: norms(twin, 0.3))
