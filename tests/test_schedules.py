"""Schedules: rates that are formulas of the step, and a rate that depends on what epochs measure."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.train import optim

CE = nn.CrossEntropyLoss()
RNG = np.random.default_rng(0)
X, T = RNG.normal(size=(12, 3)), RNG.integers(0, 4, 12)


def small() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 4)).init(0, np.float64)


@pytest.mark.parametrize("warm", [False, True])
def test_a_plateau_is_told_after_each_epoch_and_compiles_nothing(warm: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A threshold that nothing reaches: the second epoch after the best is one too many, and the rate is cut."""
    from chainrule.engines.native import translate

    plateau = optim.Plateau(0.5, factor=0.1, patience=1, threshold=0.99)
    opt = optim.SGD(optim.Warmup(plateau, steps=1) if warm else plateau)
    net, twin = small(), small()
    cr.fit(small(), CE, opt, (X, T), epochs=1, batch_size=12)
    monkeypatch.setattr(translate, "translate", lambda *a: pytest.fail("compiled again"))
    cr.fit(net, CE, opt, (X, T), epochs=5, batch_size=12)
    monkeypatch.undo()
    for rate in (0.5, 0.5, 0.5, 0.05, 0.05):
        _, grads = cr.value_and_grad(twin, CE)(X, T)
        twin.load_state_dict({k: v - rate * grads[k] for k, v in twin.state_dict().items()})
    for k, v in twin.state_dict().items():
        np.testing.assert_allclose(net.state_dict()[k], v, rtol=1e-12)


def test_a_plateau_takes_the_metric_that_it_names() -> None:
    rate = optim.Plateau(0.1)
    epoch = {"train_loss": 3.0, "test_loss": 2.0, "test_accuracy": 0.5}
    assert rate.of(epoch) == 2.0 and rate.of({"train_loss": 3.0, "test_loss": None}) == 3.0
    assert optim.Plateau(0.1, "max").of(epoch) == 0.5 and optim.Plateau(0.1, metric="train_loss").of(epoch) == 3.0
    assert rate(1) == rate(1000) == 0.1


WRONG: list[tuple[Callable[[], object], str]] = [
    (lambda: optim.Plateau(0.1, "least"), "^mode='least'"),
    (lambda: optim.Plateau(0.1, factor=1.0), "^factor=1.0"),
    (lambda: optim.Plateau(0.1, patience=-1), "^patience=-1"),
    (lambda: optim.Plateau(0.1, metric="loss"), "^metric='loss'"),
    (lambda: optim.Plateau("0.1"), "^lr='0.1'"),
    (lambda: optim.OneCycle(0.1, 0), "^total_steps=0"),
    (lambda: optim.OneCycle(0.1, 10, 1.5), "^pct_start=1.5"),
    (lambda: optim.OneCycle(0.1, 10, 0.1), "^pct_start=0.1, total_steps=10"),
    (lambda: optim.OneCycle(0.1, 10, 0.9, three_phase=True), "^pct_start=0.9, total_steps=10"),
    (lambda: optim.OneCycle(0.1, 10, anneal_strategy="cosine"), "^anneal_strategy='cosine'"),
    (lambda: optim.OneCycle(-0.1, 10), "^max_lr=-0.1"),
    (lambda: cr.fit(small(), CE, optim.SGD(optim.Plateau(0.1, metric="test_loss")), (X, T)), "there is no test_loss"),
    (lambda: cr.fit(small(), CE, optim.SGD(optim.Plateau(0.1, "max")), (X, T)), "there is no test_accuracy"),
    (lambda: cr.fit(small(), nn.MSELoss(), optim.SGD(optim.Plateau(0.1, "max")), (X, np.eye(4)[T]), (X, np.eye(4)[T])), "there is no test_accuracy"),
]


@pytest.mark.parametrize("call, problem", WRONG, ids=[p for _, p in WRONG])
def test_what_is_no_schedule_is_refused(call: Callable[[], object], problem: str) -> None:
    with pytest.raises(cr.ArgumentError, match=problem) as e:
        call()
    assert "accepted: " in str(e.value)
