"""The optimisers' steps, held against the same written out in NumPy as their papers and PyTorch have them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn

State = dict[str, np.ndarray]
X, T = np.random.default_rng(0).normal(size=(5, 3)), np.random.default_rng(1).normal(size=(5, 2))


def sgd(w: np.ndarray, g: np.ndarray, s: State, k: int, o: cr.optim.SGD) -> np.ndarray:
    g = g + o.weight_decay * w
    if o.momentum:
        s["v"] = g if k == 1 else o.momentum * s["v"] + (1 - o.dampening) * g
        g = g + o.momentum * s["v"] if o.nesterov else s["v"]
    return w - o.lr * g


def adam(w: np.ndarray, g: np.ndarray, s: State, k: int, o: cr.optim.Adam | cr.optim.AdamW) -> np.ndarray:
    if isinstance(o, cr.optim.AdamW):
        w = w * (1 - o.lr * o.weight_decay)
    else:
        g = g + o.weight_decay * w
    b1, b2 = o.betas
    s["m"] = b1 * s.get("m", 0) + (1 - b1) * g
    s["v"] = b2 * s.get("v", 0) + (1 - b2) * g**2
    s["u"] = np.maximum(s.get("u", 0), s["v"])
    root = np.sqrt((s["u"] if o.amsgrad else s["v"]) / (1 - b2**k))
    return w - o.lr * s["m"] / (1 - b1**k) / (root + o.eps)


def nadam(w: np.ndarray, g: np.ndarray, s: State, k: int, o: cr.optim.NAdam) -> np.ndarray:
    w, g = (w * (1 - o.lr * o.weight_decay), g) if o.decoupled_weight_decay else (w, g + o.weight_decay * w)
    b1, b2 = o.betas
    now, later = (b1 * (1 - 0.5 * 0.96 ** (i * o.momentum_decay)) for i in (k, k + 1))
    s["q"] = s.get("q", 1.0) * now
    s["m"] = b1 * s.get("m", 0) + (1 - b1) * g
    s["v"] = b2 * s.get("v", 0) + (1 - b2) * g**2
    root = np.sqrt(s["v"] / (1 - b2**k)) + o.eps
    return w - o.lr * ((1 - now) / (1 - s["q"]) * g + later / (1 - s["q"] * later) * s["m"]) / root


def rmsprop(w: np.ndarray, g: np.ndarray, s: State, k: int, o: cr.optim.RMSprop) -> np.ndarray:
    g = g + o.weight_decay * w
    s["s"] = o.alpha * s.get("s", 0) + (1 - o.alpha) * g**2
    s["a"] = o.alpha * s.get("a", 0) + (1 - o.alpha) * g
    step = g / (np.sqrt(s["s"] - s["a"] ** 2 if o.centered else s["s"]) + o.eps)
    s["v"] = o.momentum * s.get("v", 0) + step
    return w - o.lr * s["v"]


def adagrad(w: np.ndarray, g: np.ndarray, s: State, k: int, o: cr.optim.Adagrad) -> np.ndarray:
    g = g + o.weight_decay * w
    s["s"] = s.get("s", o.initial_accumulator_value) + g**2
    return w - o.lr / (1 + (k - 1) * o.lr_decay) * g / (np.sqrt(s["s"]) + o.eps)


STEPS: list[tuple[cr.optim.Optimizer, Callable[..., np.ndarray]]] = [
    (cr.optim.SGD(0.1), sgd),
    (cr.optim.SGD(0.1, weight_decay=0.2), sgd),
    (cr.optim.SGD(0.1, 0.9, weight_decay=0.2), sgd),
    (cr.optim.SGD(0.1, 0.9, weight_decay=0.2, dampening=0.4), sgd),
    (cr.optim.SGD(0.1, 0.9, weight_decay=0.2, nesterov=True), sgd),
    (cr.optim.SGD(0.1, 0.0, dampening=0.4), sgd),
    (cr.optim.Adam(0.1, (0.6, 0.5), weight_decay=0.2), adam),
    (cr.optim.Adam(0.4, (0.6, 0.1), amsgrad=True), adam),
    (cr.optim.AdamW(0.1, (0.6, 0.5), weight_decay=0.2), adam),
    (cr.optim.AdamW(0.4, (0.6, 0.1), amsgrad=True), adam),
    (cr.optim.NAdam(0.1, (0.6, 0.5), weight_decay=0.2, momentum_decay=0.7), nadam),
    (cr.optim.NAdam(0.1, weight_decay=0.2, decoupled_weight_decay=True), nadam),
    (cr.optim.RMSprop(0.1, 0.7, weight_decay=0.2), rmsprop),
    (cr.optim.RMSprop(0.1, 0.7, momentum=0.8), rmsprop),
    (cr.optim.RMSprop(0.1, 0.7, centered=True), rmsprop),
    (cr.optim.RMSprop(0.1, 0.7, momentum=0.8, centered=True, eps=0.1), rmsprop),
    (cr.optim.Adagrad(0.1, lr_decay=0.3, weight_decay=0.2, initial_accumulator_value=0.5), adagrad),
]


@pytest.mark.parametrize(("optimizer", "step"), STEPS, ids=lambda v: str(v).replace(" ", "") if isinstance(v, cr.optim.Optimizer) else "")
def test_steps_are_the_published_ones(optimizer: cr.optim.Optimizer, step: Callable[..., np.ndarray]) -> None:
    net, probe = (nn.Sequential(nn.Linear(3, 2)).init(0, np.float64) for _ in range(2))
    own: dict[str, State] = {k: {} for k in net.values}
    training = cr.TrainStep(net, nn.MSELoss(), optimizer, X, T, 5)
    for k in range(1, 6):
        _, grads = cr.value_and_grad(probe, nn.MSELoss())(X, T)
        probe.load_state_dict({name: step(w, grads[name], own[name], k, optimizer) for name, w in probe.state_dict().items()})
        training.run(np.arange(5))
        for name, w in probe.values.items():
            np.testing.assert_allclose(net.values[name], w, rtol=1e-10, atol=1e-12)
