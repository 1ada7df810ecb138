"""Clipped gradients, groups of parameters, parameters that are not trained: part of the compiled step."""

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
Grads = dict[str, np.ndarray]


def small() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5), nn.Linear(5, 4)).init(0, np.float64)


def by_value(grads: Grads) -> Grads:
    return {k: g.clip(-0.05, 0.05) for k, g in grads.items()}


def by_norm(grads: Grads, bound: float = 0.2) -> Grads:
    norm = np.sqrt(sum((g**2).sum() for g in grads.values()))
    return {k: g * min(1.0, bound / (norm + 1e-6)) for k, g in grads.items()}


CLIPS: list[tuple[optim.Optimizer, Callable[[Grads], Grads]]] = [
    (optim.Clip(optim.SGD(0.5), value=0.05), by_value),
    (optim.Clip(optim.SGD(0.5), norm=0.2), by_norm),
    (optim.Clip(optim.SGD(0.5), norm=100), lambda g: g),
    (optim.Clip(optim.SGD(0.5), value=0.05, norm=0.2), lambda g: by_norm(by_value(g))),
    (optim.Clip(optim.SGD(0.5), norm=optim.Ramp(0.2, 0.2, steps=3)), by_norm),
]


@pytest.mark.parametrize("engine", ["native", "reference"])
@pytest.mark.parametrize("opt, clipped", CLIPS, ids=[repr(o) for o, _ in CLIPS])
def test_gradients_are_clipped_inside_the_step(opt: optim.Optimizer, clipped: Callable[[Grads], Grads], engine: str) -> None:
    net, twin = small(), small()
    step = cr.TrainStep(net, CE, opt, X, T, 12, engine=engine)
    for _ in range(3):
        grads = cr.value_and_grad(twin, CE)(X, T)[1]
        grads = clipped({k: grads[k] for k in twin.values})
        step.run(np.arange(12))
        for k in twin.values:
            twin.values[k] = twin.values[k] - 0.5 * grads[k]
            np.testing.assert_allclose(net.values[k], twin.values[k], rtol=1e-10, atol=1e-13)


def trained(opt: optim.Optimizer, steps: int = 3) -> nn.Sequential:
    net = small()
    cr.TrainStep(net, CE, opt, X, T, 12).run(np.tile(np.arange(12), steps))
    return net


def test_a_group_has_settings_of_its_own() -> None:
    """After one step a parameter is where its own optimiser would have taken it."""
    opt = optim.Grouped(
        optim.AdamW(0.1, weight_decay=0.5), [(("*.bias", nn.BatchNorm1d), {"weight_decay": 0.0}), ("2.*", {"lr": optim.Ramp(0.3, 0.3, 9)})]
    )
    net, decayed, plain, fast = (
        trained(o, 1) for o in (opt, optim.AdamW(0.1, weight_decay=0.5), optim.AdamW(0.1, weight_decay=0.0), optim.AdamW(0.3, weight_decay=0.5))
    )
    wanted = {"0.weight": decayed, "0.bias": plain, "1.weight": plain, "1.bias": plain, "2.weight": fast, "2.bias": plain}
    for k, there in wanted.items():
        np.testing.assert_allclose(net.values[k], there.values[k], rtol=1e-12, err_msg=k)
    assert not np.array_equal(decayed.values["1.weight"], plain.values["1.weight"])


def test_a_group_may_have_another_optimiser() -> None:
    net = trained(optim.Grouped(optim.SGD(0.1, 0.9), [("2.weight", optim.Adam(0.1))]), 1)
    np.testing.assert_allclose(net.values["2.weight"], trained(optim.Adam(0.1), 1).values["2.weight"], rtol=1e-12)
    np.testing.assert_allclose(net.values["0.weight"], trained(optim.SGD(0.1, 0.9), 1).values["0.weight"], rtol=1e-12)


def test_what_is_not_trained_stays_and_counts_for_no_norm() -> None:
    net, before, twin = trained(optim.Grouped(optim.Clip(optim.SGD(0.5), norm=0.2), [("0.*", None)]), 2), small(), small()
    assert all(np.array_equal(net.values[k], before.values[k]) for k in ("0.weight", "0.bias"))
    assert not np.array_equal(net.state_dict()["1.running_mean"], before.state_dict()["1.running_mean"]), "states follow"
    for _ in range(2):
        grads = cr.value_and_grad(twin, CE)(X, T)[1]
        for k, g in by_norm({k: grads[k] for k in twin.values if not k.startswith("0.")}).items():
            twin.values[k] = twin.values[k] - 0.5 * g
    for k in twin.values:
        np.testing.assert_allclose(net.values[k], twin.values[k], rtol=1e-10, atol=1e-13)


def test_other_numbers_of_groups_and_bounds_compile_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    from chainrule.engines.native import translate

    def made(k: float) -> optim.Optimizer:
        return optim.Grouped(optim.Clip(optim.SGD(k, weight_decay=k), value=k, norm=k), [("*.bias", {"lr": 2 * k})])

    trained(made(0.1))
    monkeypatch.setattr(translate, "translate", lambda *a: pytest.fail("compiled again"))
    trained(made(0.2))


def test_what_needs_no_gradient_has_none_and_stays() -> None:
    """requires_grad_ is the network's own, and may change between steps."""
    net, twin = small(), small()
    net[0].requires_grad_(False)
    assert "0.weight" not in cr.value_and_grad(net, CE)(X, T)[1]
    step = cr.TrainStep(net, CE, optim.SGD(0.1, 0.9), X, T, 12)
    step.run(np.arange(12))
    assert np.array_equal(net.values["0.weight"], twin.values["0.weight"])
    np.testing.assert_allclose(net.values["2.weight"], trained(optim.SGD(0.1, 0.9), 1).values["2.weight"], rtol=1e-12)
    net[0].requires_grad_()
    assert "0.weight" in cr.value_and_grad(net, CE)(X, T)[1]
    step.run(np.arange(12))
    assert not np.array_equal(net.values["0.weight"], twin.values["0.weight"])


WRONG: list[tuple[Callable[[], object], str]] = [
    (lambda: optim.Clip(optim.SGD(0.1)), r"^Clip\(SGD"),
    (lambda: optim.Clip(optim.SGD(0.1), value=0), "^value=0"),
    (lambda: optim.Clip(optim.SGD(0.1), norm=-1), "^norm=-1"),
    (lambda: optim.Clip(0.1, norm=1), "^0.1: not an optimiser"),
    (lambda: optim.Clip(optim.Clip(optim.SGD(0.1), norm=1), norm=1), "accepted: one Clip"),
    (lambda: optim.Grouped(optim.SGD(0.1), "*.bias"), r"^groups='\*.bias'"),
    (lambda: optim.Grouped(optim.SGD(0.1), ["*.bias"]), r"^groups: '\*.bias'"),
    (lambda: optim.Grouped(optim.SGD(0.1), [(3, None)]), "^groups: 3"),
    (lambda: optim.Grouped(optim.SGD(0.1), [("*", 3)]), "^groups: 3: nothing"),
    (lambda: optim.Grouped(optim.SGD(0.1), [("*", {"rate": 1})]), "^'rate': SGD has no such setting; accepted: lr, "),
    (lambda: optim.Grouped(optim.SGD(0.1), [("*", {"lr": -1})]), "^lr=-1"),
    (lambda: optim.Grouped(optim.SGD(0.1), [("*", optim.Clip(optim.SGD(0.1), norm=1))]), r"^groups: Clip\(SGD"),
    (lambda: small().requires_grad_("no"), "^requires_grad='no'"),
    (lambda: cr.TrainStep(small().requires_grad_(False), CE, optim.SGD(0.1), X, T, 4), "^Sequential: requires_grad_"),
    (
        lambda: trained(optim.Grouped(optim.SGD(0.1), [("3.*", None)])),
        r"^groups: '3\.\*': no parameter of this network; accepted: patterns of 0.weight",
    ),
    (lambda: trained(optim.Grouped(optim.SGD(0.1), [("*", None)])), "^Sequential: requires_grad_ and groups leave no parameter"),
]


@pytest.mark.parametrize("call, problem", WRONG, ids=[p for _, p in WRONG])
def test_what_is_no_clip_or_group_is_refused(call: Callable[[], object], problem: str) -> None:
    with pytest.raises(cr.ArgumentError, match=problem) as e:
        call()
    assert "accepted: " in str(e.value)
