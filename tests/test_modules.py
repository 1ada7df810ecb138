"""Modules: forward is traced on symbols; what it does is what NumPy would do, and its gradients are those of differences."""

from __future__ import annotations

import contextlib
import copy
import functools
import pickle
import threading
import types
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.nn import functional as F

D = np.float64
RNG = np.random.default_rng(0)
X, T = RNG.normal(size=(5, 4)), RNG.normal(size=(5, 4))


class Own(nn.Module):
    """A module whose forward is a function of itself and its inputs."""

    def __init__(self, function: Callable, **attributes: object):
        self.function = function
        for k, v in attributes.items():
            setattr(self, k, v)

    def forward(self, *inputs: object) -> object:
        return self.function(self, *inputs)


def given(*shape: int) -> nn.Parameter:
    return nn.Parameter(np.random.default_rng(shape).normal(size=shape))


def own(function: Callable) -> Own:
    return Own(function, w=given(4), v=given(1, 4), s=given(1, 1), a=given(4, 4), q=given(2, 2), u=given(3)).init(0, D)


def checked(net: nn.Module, x: object, t: object, loss: object = None, tolerance: float = 1e-6) -> dict[str, np.ndarray]:
    """Loss and gradients on both engines, and against differences along random directions."""
    evaluate = cr.value_and_grad(net, loss or nn.MSELoss())
    value, grads = evaluate(x, t)
    literal, wanted = evaluate(x, t, engine="reference")
    assert value == pytest.approx(literal, rel=1e-12) and list(grads) == list(wanted)
    rng, inputs = np.random.default_rng(7), x if isinstance(x, tuple) else (x,)
    for name, g in grads.items():
        np.testing.assert_allclose(g, wanted[name], rtol=1e-9, atol=1e-11, err_msg=name)
        ends, place = [], int(name.removeprefix("input") or 0) if name.startswith("input") else -1
        start = inputs[place] if place >= 0 else net.values[name].copy()
        direction = rng.normal(size=start.shape)
        for h in (1e-6, -1e-6):
            moved = start + h * direction
            if place < 0:
                net.values[name] = moved
            at = tuple(moved if k == place else a for k, a in enumerate(inputs))
            ends.append(evaluate(at if len(at) > 1 else at[0], t)[0])
        if place < 0:
            net.values[name] = start
        assert (ends[0] - ends[1]) / 2e-6 == pytest.approx(float(np.sum(g * direction)), rel=tolerance, abs=tolerance), name
    return grads


def soft(x: np.ndarray, axis: int) -> np.ndarray:
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


# forward on symbols, and the same in NumPy (m.w is then an array, and x too)
FORMS: dict[str, tuple[Callable, Callable]] = {
    "a tensor twice": (lambda m, x: x + x, lambda m, x: 2 * x),
    "a product with itself": (lambda m, x: x * x * m.w, lambda m, x: x * x * m.w),
    "no parameter is used": (lambda m, x: F.tanh(x) - 1, lambda m, x: np.tanh(x) - 1),
    "sizes of 1 and missing axes": (lambda m, x: x * m.w + m.v - m.s, lambda m, x: x * m.w + m.v - m.s),
    "numbers on either side": (lambda m, x: 2.0**x + 1 / (x * x + 1) - x / 3 + (3 - x), lambda m, x: 2.0**x + 1 / (x * x + 1) - x / 3 + (3 - x)),
    "powers": (lambda m, x: x**2 + x**-2 + (x * x) ** 0.5, lambda m, x: x**2 + x**-2.0 + abs(x)),
    "a quotient": (lambda m, x: x / (m.w * m.w + 1), lambda m, x: x / (m.w * m.w + 1)),
    "arrays and lists": (lambda m, x: np.arange(4.0) - x * np.ones(4) - [1, 2, 3, 4], lambda m, x: np.arange(4.0) - x - [1, 2, 3, 4]),
    "signs": (lambda m, x: -x + abs(x) + +x, lambda m, x: abs(x)),
    "matrix products": (lambda m, x: x @ m.a + m.w @ m.a, lambda m, x: x @ m.a + m.w @ m.a),
    "samples with samples": (lambda m, x: x @ (x.T @ x), lambda m, x: x @ (x.T @ x)),
    "parameters alone": (lambda m, x: x @ (m.a @ m.a.T / 2) + F.softmax(m.a, 1).sum(0), lambda m, x: x @ (m.a @ m.a.T / 2) + soft(m.a, 1).sum(0)),
    "means over features": (lambda m, x: x - x.mean(axis=1, keepdims=True) + x.mean(1)[:, None], lambda m, x: x),
    "means over samples": (lambda m, x: (x - x.mean(0)) / ((x - x.mean(0)) ** 2).mean(0) ** 0.5, lambda m, x: (x - x.mean(0)) / x.std(0)),
    "sums over everything": (lambda m, x: x * x.sum() + x.mean(), lambda m, x: x * x.sum() + x.mean()),
    "largest and smallest": (lambda m, x: x.max(1, keepdims=True) * x - x.min(1)[:, None], lambda m, x: x.max(1, keepdims=True) * x - x.min(1)[:, None]),
    "slices": (lambda m, x: F.cat([x[:, 1:3], x[:, ::2]], 1) + x[:, -1:] + x[..., 0][:, None], lambda m, x: np.c_[x[:, 1:3], x[:, ::2]] + x[:, -1:] + x[:, :1]),
    "backwards": (lambda m, x: x[:, ::-1] * m.w + x[::-1], lambda m, x: x[:, ::-1] * m.w + x[::-1]),
    "one row for all": (lambda m, x: x + x[0], lambda m, x: x + x[0]),
    "reshape": (lambda m, x: (x.reshape(-1, 2, 2).permute(0, 2, 1) * m.q).reshape(x.shape[0], -1), lambda m, x: (x.reshape(-1, 2, 2).swapaxes(1, 2) * m.q).reshape(-1, 4)),
    "reshape of samples": (lambda m, x: x.reshape(2, 10).reshape(10, 2).reshape(5, 4), lambda m, x: x),
    "axes in and out": (lambda m, x: x.unsqueeze(1).squeeze(1).transpose(0, 1).transpose(), lambda m, x: x),
    "flatten": (lambda m, x: x.reshape(len(x), 2, 2).flatten(1) + x.reshape(5, 2, 2).flatten().reshape(5, 4), lambda m, x: 2 * x),
    "three axes through a linear layer": (lambda m, x: F.linear(x.reshape(-1, 2, 2), m.q).flatten(1), lambda m, x: (x.reshape(-1, 2, 2) @ m.q.T).reshape(-1, 4)),
    "where": (lambda m, x: F.where(x > 0, x * m.w, F.exp(x)), lambda m, x: np.where(x > 0, x * m.w, np.exp(x))),
    "equal and unequal": (
        lambda m, x: F.where(x == x[0], 7.0, x * m.w) + (x != 1.5) * m.w + (x[0] == x),
        lambda m, x: np.where(x == x[0], 7.0, x * m.w) + m.w * (x != 1.5) + (x == x[0]),
    ),
    "functions of NumPy": (
        lambda m, x: np.maximum(np.exp(x), m.w) + np.sum(x, axis=1, keepdims=True) * np.concatenate([x[:, :2], x[:, 2:]], 1) + np.mean(x) - np.where(x > 0, x, 1.0),
        lambda m, x: np.maximum(np.exp(x), m.w) + x.sum(1, keepdims=True) * x + x.mean() - np.where(x > 0, x, 1.0),
    ),
    "arrays on the left": (
        lambda m, x: np.ones(4) * x + np.float64(2) / (x * x + 1) - np.eye(4)[0] + (np.full((5, 5), 0.1) @ x) * (np.ones(4) > x),
        lambda m, x: x + 2 / (x * x + 1) - np.eye(4)[0] + x.sum(0) * 0.1 * (x < 1),
    ),
    "the larger": (lambda m, x: F.maximum(x, m.w) + F.minimum(x, 0.1), lambda m, x: np.maximum(x, m.w) + np.minimum(x, 0.1)),
    "softmax along axes": (lambda m, x: F.softmax(x, 1) + F.log_softmax(x, -1), lambda m, x: soft(x, 1) + np.log(soft(x, 1))),
    "softmax of rows": (lambda m, x: F.softmax(x.reshape(-1, 2, 2), 2).flatten(1) + F.softmax(x, 0), lambda m, x: soft(x.reshape(-1, 2, 2), 2).reshape(-1, 4) + soft(x, 0)),
    "a parameter for every sample": (lambda m, x: m.w + 0 * x, lambda m, x: np.broadcast_to(m.w, x.shape)),
    "the input itself": (lambda m, x: x, lambda m, x: x),
    "leaky": (lambda m, x: F.leaky_relu(x, 0.2) + F.relu(x) + F.sigmoid(x), lambda m, x: np.where(x > 0, x, 0.2 * x) + np.maximum(x, 0) + 1 / (1 + np.exp(-x))),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMS)
def test_what_forward_does_is_what_numpy_does(name: str) -> None:
    symbols, arrays = FORMS[name]
    net = own(symbols)
    net.load_state_dict({k: np.random.default_rng(3).normal(size=v.shape) for k, v in net.state_dict().items()})
    np.testing.assert_allclose(net(X), arrays(net, X), rtol=1e-12, atol=1e-13)
    checked(net, X, T)


@pytest.mark.parametrize("samples", [1, 2, 17])
@pytest.mark.parametrize("name", ["sizes of 1 and missing axes", "matrix products", "slices", "softmax along axes", "reshape"])
def test_any_number_of_samples(name: str, samples: int) -> None:
    symbols, arrays = FORMS[name]
    if name == "reshape":
        symbols = lambda m, x: (x.reshape(-1, 2, 2).permute(0, 2, 1) * m.q).reshape(len(x), -1)  # noqa: E731
    x = np.random.default_rng(samples).normal(size=(samples, 4))
    net = own(symbols)
    np.testing.assert_allclose(net(x), arrays(net, x), rtol=1e-12, atol=1e-13)
    checked(net, x, np.ones_like(x))


def test_one_program_serves_all_numbers_of_samples() -> None:
    net = own(FORMS["matrix products"][0])
    for n in range(1, 9):
        net(np.ones((n, 4)))
    found = list(net._cache.values())
    assert len(found) == 8 and len({id(r.runs.held.machine) for r in found}) == 1  # machines are kept alive by the session


def test_functions_take_arrays_at_once() -> None:
    x = RNG.normal(size=(2, 3, 4, 6))
    np.testing.assert_allclose(F.relu(x), np.maximum(x, 0))
    np.testing.assert_allclose(F.softmax(x, 3).sum(3), 1)
    np.testing.assert_allclose(F.adaptive_avg_pool2d(x, (2, 3)), x.reshape(2, 3, 2, 2, 3, 2).mean((3, 5)))
    np.testing.assert_allclose(F.cat([x, x[:, :1]], 1), np.concatenate([x, x[:, :1]], 1))
    assert np.array_equal(F.flatten(x), x.reshape(2, -1)) and np.array_equal(F.flatten(x, 0), x.reshape(-1)) and F.flatten(x, 2).shape == (2, 3, 24)
    np.testing.assert_allclose(F.where(x > 0, x, 0.0), np.maximum(x, 0))
    y = F.batch_norm(x, None, None, training=True)
    np.testing.assert_allclose(y.mean((0, 2, 3)), 0, atol=1e-12)
    assert F.cross_entropy(x[:, :, 0, 0], np.array([0, 2])) == pytest.approx(nn.CrossEntropyLoss()(x[:, :, 0, 0], np.array([0, 2])))
    assert F.conv2d(x, np.ones((5, 3, 3, 3)), padding="same").shape == (2, 5, 4, 6) and F.max_pool2d(x, 2).shape == (2, 3, 2, 3)


def test_a_loss_may_mask_by_equality() -> None:
    net, t = nn.Sequential(nn.Linear(4, 4)).init(0, D), np.where(T > 0, T, 0)
    grads = checked(net, X, t, lambda o, t: ((t != 0) * (o - t) ** 2).mean())
    np.testing.assert_allclose(grads["0.bias"], (2 * (net(X) - t) * (t != 0)).sum(0) / t.size, rtol=1e-12)
    named = own(lambda m, x: {x: x * m.w, x * 2: x}[x])
    np.testing.assert_allclose(named(X), X * named.w)


WAYS: dict[str, Callable[[nn.Module], Callable[[], object]]] = {
    "parameters": lambda net: lambda: sum((w**2).sum() for w in net.parameters() if w.ndim == 2),
    "named parameters": lambda net: lambda: (dict(net.named_parameters())["0.weight"] ** 2).sum(),
    "values": lambda net: lambda: np.sum(net.values["0.weight"] ** 2),
    "state_dict": lambda net: lambda: np.square(net.state_dict()["0.weight"]).sum(),
    "an attribute": lambda net: lambda: (net[0].weight * net[0].weight).sum(),
    "an array from before": lambda net, *_: (lambda w: lambda: (w * w).sum())(net[0].weight),
    "its methods": lambda net, *_: (lambda w: lambda: np.sum(w**2, axis=0).mean() * 4)(net[0].weight),
    "its places": lambda net, *_: (lambda w: lambda: sum((w[k] ** 2).sum() for k in range(4)))(net[0].weight),
    "in a list": lambda net, *_: (lambda w: lambda: (np.concatenate([w, w]) ** 2).sum() / 2)(net.values["0.weight"]),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_loss_that_reads_parameters_has_their_gradient(way: str) -> None:
    net = nn.Sequential(nn.Linear(4, 4)).init(0, D)
    term = WAYS[way](net)
    plain, grads = cr.value_and_grad(net, nn.MSELoss())(X, T)
    value, more = cr.value_and_grad(net, lambda o, t: F.mse_loss(o, t) + 0.1 * term())(X, T)
    w = np.asarray(net[0].weight)
    assert value == pytest.approx(plain + 0.1 * (w**2).sum(), rel=1e-13)
    np.testing.assert_allclose(more["0.weight"], grads["0.weight"] + 0.2 * w, rtol=1e-12)


def test_arrays_of_parameters_are_arrays_outside_of_forward() -> None:
    net = nn.Sequential(nn.Linear(4, 4)).init(0, D)
    w = net[0].weight
    assert repr(w).startswith("array(") and type(w + 1) is type(w.sum(0)) is np.ndarray and type(copy.deepcopy(w)) is np.ndarray
    assert type(pickle.loads(pickle.dumps(w))) is np.ndarray and type(np.concatenate([w, w])) is np.ndarray
    w *= 2
    np.multiply(w, 2, out=w)
    assert np.shares_memory(w, net.values["0.weight"]) and np.array_equal(net[0].weight, w)
    part = w[:, ::2]
    with pytest.raises(cr.ArgumentError, match=r"^a view \[4, 2\] of Parameter.*accepted: the whole array"):
        cr.value_and_grad(net, lambda o, t: F.mse_loss(o, t) + (part * part).sum())(X, T)


def test_symbols_say_what_they_have() -> None:
    with pytest.raises(AttributeError, match=r"^\.exp of <symbol input \[5, 4\]>: .*accepted: .*flatten.*F\.exp\(x\)"):
        own(lambda m, x: x.exp())(X)
    assert np.array_equal(own(lambda m, x: x if not hasattr(x, "exp") else -x)(X), X)
    assert np.array_equal(own(lambda m, x: copy.copy(x) * 2)(X), X * 2)


# Networks of every form --------------------------------------------------------------------------------------------------


class Pair(nn.Module):
    """Two inputs, a layer used twice, two outputs, one of them an input as it is."""

    def __init__(self) -> None:
        self.shared, self.other = nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, a: nn.Symbol, b: nn.Symbol) -> tuple[nn.Symbol, ...]:
        return self.other(F.tanh(self.shared(a)) * self.shared(b)), b


def test_several_inputs_outputs_and_losses() -> None:
    net, u = Pair().init(0, D), RNG.normal(size=(5, 2))
    losses = (nn.MSELoss(), 0.5 * nn.MSELoss())
    grads = checked(net, (X, T), (u, X), losses)
    assert list(grads) == ["shared.weight", "shared.bias", "other.weight", "other.bias", "input0", "input1"]
    a, b = net(X, T)
    assert np.array_equal(b, T) and np.array_equal(net((X, T))[0], a)
    alike = cr.value_and_grad(net, lambda y, z, t, v: F.mse_loss(y, t) + 0.5 * F.mse_loss(z, v))
    assert alike((X, T), (u, X))[0] == pytest.approx(cr.value_and_grad(net, losses)(X, T, u, X)[0], rel=1e-14)
    assert alike((X, T), (u, X))[0] == pytest.approx(nn.MSELoss()(a, u) + 0.5 * nn.MSELoss()(T, X))
    history = cr.fit(net, losses, cr.optim.Adam(0.01), ((X, T), (u, X)), ((X, T), (u, X)), epochs=4, batch_size=2)
    assert history[-1].train_loss < history[0].train_loss and history[-1].test_accuracy is None
    assert history[-1].test_loss == pytest.approx(cr.evaluate(net, losses, ((X, T), (u, X)))[0])


def test_losses_add_and_are_weighted() -> None:
    net, t = nn.Sequential(nn.Linear(4, 3)).init(0, D), np.array([0, 2, 1, 1, 0])
    ce, odd = nn.CrossEntropyLoss(), cr.op("odd(y[n,K], t[n]) -> E\n E = mean[n,k]((y[n,k] - t[n])**2)")
    a, b = cr.value_and_grad(net, ce)(X, t)[0], cr.value_and_grad(net, odd)(X, t)[0]
    assert cr.value_and_grad(net, ce + 2 * ce * 3)(X, t)[0] == pytest.approx(7 * a)
    assert cr.value_and_grad(net, lambda y, t: F.cross_entropy(y, t) * 0.5 + odd(y, t))(X, t)[0] == pytest.approx(a / 2 + b)
    assert (0.5 * ce)(net(X), t) == pytest.approx(a / 2)
    assert cr.fit(net, 0.5 * ce, cr.optim.SGD(0.1), (X, t), (X, t), epochs=1)[0].test_accuracy is not None


class Names(nn.Module):
    """Every name that means something else among the tensors of a program."""

    def __init__(self) -> None:
        self.loss, self.target, self.y = nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 3)
        self.pixels, self.weight, self.grad, self.lr, self.step = (nn.Parameter(np.full(3, 0.5 + k)) for k in range(5))
        self.other, self.loss_grad = nn.Parameter(np.ones(3)), nn.Parameter(np.ones(3))

    def forward(self, x: nn.Symbol) -> nn.Symbol:
        h = F.tanh(self.loss(x)) * self.pixels + self.weight
        return F.tanh(self.y(self.target(h)) * self.grad) + self.lr * self.step * self.other * self.loss_grad


def test_any_name_will_do() -> None:
    net, x, t = Names().init(0, D), RNG.normal(size=(6, 3)), RNG.normal(size=(6, 3))
    assert set(checked(net, x, t)) == {*net.values, "input"}
    history = cr.fit(net, nn.MSELoss(), cr.optim.Adam(0.01), (x, t), (x, t), epochs=3, batch_size=4)
    assert history[-1].train_loss < history[0].train_loss
    for name in ("forward", "values", "input", "training", "state_dict"):
        with pytest.raises(cr.ArgumentError, match=f"^'{name}': .*accepted: another name"):
            setattr(Names(), name, nn.Linear(2, 2))


def test_children_may_be_called_as_the_optimisers_numbers_are() -> None:
    class Child(nn.Module):
        def __init__(self) -> None:
            for k in ("before", "unread", "top", "base", "least", "steps", "start", "count", "new", "grad"):
                setattr(self, k, nn.Parameter(np.ones(3)))

        def forward(self, x: nn.Symbol) -> nn.Symbol:
            for w in self.parameters():
                x = F.tanh(x * w)
            return x

    names = ("step", "lr", "beta1", "momentum", "update", "schedule")
    x, t = RNG.normal(size=(6, 3)), RNG.normal(size=(6, 3))
    for opt in (cr.optim.Adam(cr.optim.Cosine(0.1, steps=9)), cr.optim.SGD(cr.optim.StepLR(0.1, 2), 0.9)):
        ends = []
        for own_names in (names, [f"a{k}" for k in names]):
            net = nn.Sequential({k: Child() for k in own_names}).init(0, D)
            step = cr.TrainStep(net, nn.MSELoss(), opt, x, t, 3)
            step.run(np.arange(6))
            ends.append([*net.values.values()])
        assert all(np.array_equal(a, b) for a, b in zip(*ends, strict=True))


def test_states_of_a_layer_of_another_shape_start_anew() -> None:
    net, again = (nn.Sequential(nn.Linear(4, 6), nn.Linear(6, 4)).init(0, D) for _ in range(2))
    step = cr.TrainStep(net, nn.MSELoss(), cr.optim.SGD(0.1, 0.9), X, T, 5)
    step.run(np.arange(5))
    net[0], net[1] = nn.Linear(4, 3).init(1, D), nn.Linear(3, 4).init(2, D)
    old = step.states["1.bias.v"].copy()
    step.run(np.arange(5))
    again[0], again[1] = nn.Linear(4, 3).init(1, D), nn.Linear(3, 4).init(2, D)
    other = cr.TrainStep(again, nn.MSELoss(), cr.optim.SGD(0.1, 0.9), X, T, 5)
    other.states["1.bias.v"][...] = old
    other.run(np.arange(5))
    assert all(np.array_equal(v, again.values[k]) for k, v in net.values.items())


class Tied(nn.Module):
    """One weight in two layers."""

    def __init__(self) -> None:
        self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)
        self.b.weight = self.a.weight

    def forward(self, x: nn.Symbol) -> nn.Symbol:
        return self.b(F.tanh(self.a(x)))


def test_one_parameter_in_two_layers() -> None:
    net = Tied().init(0, D)
    assert list(net.state_dict()) == ["a.weight", "a.bias", "b.weight", "b.bias"]
    assert list(checked(net, X, T)) == ["a.weight", "a.bias", "b.bias", "input"]
    other = copy.deepcopy(net)
    other.a.weight = np.eye(4)
    assert np.array_equal(other.b.weight, np.eye(4)) and not np.array_equal(net.b.weight, np.eye(4))
    twice = pickle.loads(pickle.dumps(net))
    twice.b.weight[...] = 2
    assert (twice.a.weight == 2).all()


def test_a_module_used_twice_adds_its_gradients() -> None:
    layer = nn.Linear(4, 4)
    net = nn.Sequential(layer, nn.Tanh(), layer).init(0, D)
    assert list(net.state_dict()) == ["0.weight", "0.bias", "2.weight", "2.bias"] and list(net.values) == ["0.weight", "0.bias"]
    checked(net, X, T)


def test_a_hundred_residual_blocks() -> None:
    class Block(nn.Module):
        def __init__(self) -> None:
            self.inner = nn.Linear(4, 4)

        def forward(self, x: nn.Symbol) -> nn.Symbol:
            return x + 0.01 * F.tanh(self.inner(x))

    net = nn.Sequential(*(Block() for _ in range(100))).init(0, D)
    value, grads = cr.value_and_grad(net, nn.MSELoss())(X, T)
    literal, wanted = cr.value_and_grad(net, nn.MSELoss())(X, T, engine="reference")
    assert value == pytest.approx(literal, rel=1e-13)
    for k, g in wanted.items():
        np.testing.assert_allclose(grads[k], g, rtol=1e-9, atol=1e-13)


def test_unused_parameters_and_outputs() -> None:
    net = own(lambda m, x: (x * m.w, F.exp(x) @ m.a))
    _, grads = cr.value_and_grad(net, lambda y, z, t: F.mse_loss(y, t))(X, T)
    assert all(not grads[k].any() for k in ("v", "s", "a", "q", "u")) and grads["w"].any()
    before = net.state_dict()
    for opt in (cr.optim.SGD(0.1, 0.9, weight_decay=0.5), cr.optim.AdamW(0.1)):
        step = cr.TrainStep(net, lambda y, z, t: F.mse_loss(y, t), opt, X, T, 5)
        step.run(range(5))
        assert {k.split(".")[1] for k in step.states if not k.startswith("..")} == {"w"}, "what the loss does not reach is left alone"
    assert [k for k, v in net.values.items() if not np.array_equal(v, before[k])] == ["w"]


def test_the_number_of_samples_in_forward_is_that_of_the_batch() -> None:
    made = lambda: own(lambda m, x: x * m.w * len(x))  # noqa: E731
    net, again = made(), made()
    losses = cr.TrainStep(net, nn.MSELoss(), cr.optim.SGD(0.01), X, T, 3).run(np.arange(5))
    for k, rows in enumerate((slice(0, 3), slice(3, 5))):
        assert losses[k] == pytest.approx(cr.value_and_grad(again, nn.MSELoss())(X[rows], T[rows])[0], rel=1e-12)
        cr.TrainStep(again, nn.MSELoss(), cr.optim.SGD(0.01), X[rows], T[rows], 3).run(np.arange(len(X[rows])))
    assert np.array_equal(net.values["w"], again.values["w"])


def test_one_tensor_is_two_outputs() -> None:
    net = own(lambda m, x: (x * m.w, x, m.w, m.w) if len(x) > 1 else x)
    y, z, v, w = net(X)
    assert np.array_equal(z, X) and np.array_equal(v, net.w) and np.array_equal(w, net.w) and np.array_equal(y, X * net.w)
    twice = own(lambda m, x: [x * m.w] * 2)
    assert np.array_equal(*twice(X))
    checked(twice, X, T, lambda a, b, t: F.mse_loss(a + b, t))


# Batch norm --------------------------------------------------------------------------------------------------------------


def test_statistics_follow_training_and_nothing_else() -> None:
    net = nn.Sequential(nn.BatchNorm1d(4), nn.Linear(4, 4)).init(0, D)
    cr.value_and_grad(net, nn.MSELoss())(X, T)
    net(X)
    assert not net[0].running_mean.any() and net.state_dict()["0.num_batches_tracked"] == 0
    cr.fit(net, nn.MSELoss(), cr.optim.SGD(0.0), (X, T), (X, T), epochs=2, batch_size=5)
    state = net.state_dict()
    assert state["0.num_batches_tracked"] == 2 and state["0.num_batches_tracked"].dtype == np.int64
    np.testing.assert_allclose(state["0.running_mean"], (0.1 + 0.09) * X.mean(0), rtol=1e-12)
    np.testing.assert_allclose(state["0.running_var"], 0.81 + 0.19 * X.var(0, ddof=1), rtol=1e-12)
    assert cr.evaluate(net, nn.MSELoss(), (X, T))[0] == pytest.approx(nn.MSELoss()(net(X), T), rel=1e-12)
    want = (X - state["0.running_mean"]) / np.sqrt(state["0.running_var"] + 1e-5)
    np.testing.assert_allclose(nn.Sequential(net[0])(X), want, rtol=1e-10)


def test_a_state_of_ones_own() -> None:
    class Centred(nn.Module):
        def __init__(self) -> None:
            self.register_buffer("seen", np.zeros(4))
            self.weight = nn.Parameter(np.ones(4))

        def forward(self, x: nn.Symbol) -> nn.Symbol:
            if self.training:
                self.seen = 0.5 * self.seen + 0.5 * x.mean(0)
            return (x - self.seen) * self.weight

    net = Centred().init(0, D)
    _, grads = cr.value_and_grad(net, nn.MSELoss())(X, T)
    np.testing.assert_allclose(grads["weight"], (2 * ((X - X.mean(0) / 2) - T) * (X - X.mean(0) / 2)).mean(0) / 4, rtol=1e-10)
    cr.TrainStep(net, nn.MSELoss(), cr.optim.SGD(0.0), X, T, 5).run(np.r_[0:5, 0:5])
    np.testing.assert_allclose(net.seen, 0.75 * X.mean(0), rtol=1e-12)
    assert list(net.state_dict()) == ["weight", "seen"]


def test_a_loss_that_stops_being_finite_takes_states_back() -> None:
    net = nn.Sequential(nn.BatchNorm1d(4), nn.Linear(4, 4)).init(0)
    before = net.state_dict()
    with pytest.raises(cr.NumericsError, match=r"^lr=1e\+30"):
        cr.fit(net, nn.MSELoss(), cr.optim.SGD(1e30), (X.astype(np.float32), T.astype(np.float32)), epochs=3, batch_size=3)
    assert all(np.array_equal(v, before[k]) for k, v in net.state_dict().items())


# What changes, what is shared ---------------------------------------------------------------------------------------------


def test_attributes_that_change_are_seen() -> None:
    net = Own(lambda m, x: x * m.k + len(m.rows) + m.mask, k=2.0, rows=[1, 2], mask=np.ones(4))
    np.testing.assert_allclose(net(X), 2 * X + 3)
    net.k = 3.0
    np.testing.assert_allclose(net(X), 3 * X + 3)
    net.rows.append(3)
    np.testing.assert_allclose(net(X), 3 * X + 4)
    net.mask[...] = 2
    np.testing.assert_allclose(net(X), 3 * X + 5)
    step = cr.TrainStep(own(lambda m, x: x * m.w), nn.MSELoss(), cr.optim.SGD(0.1, 0.9), X, T, 5)
    step.net.function = lambda m, x: x * m.w + 1
    step.run(np.arange(5))
    again = own(lambda m, x: x * m.w + 1)
    cr.TrainStep(again, nn.MSELoss(), cr.optim.SGD(0.1, 0.9), X, T, 5).run(np.arange(5))
    assert np.array_equal(step.net.values["w"], again.values["w"])


class Config:
    least = 2.0

    def __init__(self) -> None:
        self.rate, self.inner = 2.0, {"rows": [1, 2]}


FACTOR = [2.0]
RATE, PLACES = 2.0, types.ModuleType("places")
PLACES.inner, PLACES.inner.rate = types.ModuleType("places.inner"), 2.0  # type: ignore[attr-defined]  # a file of settings


def rated() -> float:
    return RATE


def through() -> float:
    return (lambda: rated())()


def set_rate(value: float) -> None:
    global RATE
    RATE = value


@contextlib.contextmanager
def aside() -> Iterator[None]:
    yield


@aside()
def wrapped() -> float:
    return rated()


def by_default(m: nn.Module, rate: list = [2.0], *, more: dict = {"k": 0.0}) -> float:  # noqa: B006  # what is changed
    return rate[0] + more["k"]


class Slots:
    __slots__ = ("__own", "rate")

    def __init__(self) -> None:
        self.rate, self.__own = 2.0, 0.0

    def __call__(self) -> float:
        return self.rate + self.__own

    def add(self) -> None:
        self.__own += 1


class Reads(nn.Module):
    """Reads numbers from everywhere."""

    shared, known = 2.0, [2.0]

    def __init__(self, way: str) -> None:
        self.way, self.k, self.rows, self._rows, self.chosen = way, np.array(2.0), [np.full(4, 2.0), np.ones(4)], [2.0], {2.0}
        self.cfg, self.config = {"a": {"b": 2.0, "c": [(1.0, [2.0])]}}, Config()
        self.slots, self.queue, self.objects, self.count = Slots(), deque([2.0]), np.array([2.0, None]), np.array([2, 7])
        self.part = functools.partial(lambda k, r: k * r[0], 2.0, r=[1.0])

    @property
    def rate(self) -> float:
        return RATE

    @staticmethod
    def fixed() -> float:
        return rated()

    def forward(self, x: nn.Symbol) -> nn.Symbol:
        return x * READ[self.way][0](self)


READ: dict[str, tuple[Callable, Callable]] = {
    "an array without axes": (lambda m: m.k, lambda m: m.k.fill(3)),
    "an array in a list": (lambda m: m.rows[0], lambda m: m.rows.__setitem__(0, np.full(4, 3.0))),
    "an array in a list, of the same numbers": (lambda m: m.rows[0], lambda m: (m.rows.__setitem__(0, m.rows[0].copy()), m.rows[0].fill(3))),
    "a dictionary in a dictionary": (lambda m: m.cfg["a"]["b"], lambda m: m.cfg["a"].__setitem__("b", 3.0)),
    "a list in a tuple in a list": (lambda m: m.cfg["a"]["c"][0][1][0], lambda m: m.cfg["a"]["c"][0][1].__setitem__(0, 3.0)),
    "a private list": (lambda m: m._rows[0], lambda m: m._rows.__setitem__(0, 3.0)),
    "a set": (lambda m: max(m.chosen), lambda m: m.chosen.add(3.0)),
    "an object's field": (lambda m: m.config.rate, lambda m: setattr(m.config, "rate", 3.0)),
    "a list in an object": (lambda m: len(m.config.inner["rows"]), lambda m: m.config.inner["rows"].append(3)),
    "a class attribute": (lambda m: m.shared, lambda m: setattr(Reads, "shared", 3.0)),
    "a list of a class": (lambda m: m.known[0], lambda m: Reads.known.__setitem__(0, 3.0)),
    "a field of another class": (lambda m: Config.least, lambda m: setattr(Config, "least", 3.0)),
    "a number of the file": (lambda m: RATE, lambda m: set_rate(3.0)),
    "through functions": (lambda m: through(), lambda m: set_rate(3.0)),
    "through a property": (lambda m: m.rate, lambda m: set_rate(3.0)),
    "through a static method": (lambda m: m.fixed(), lambda m: set_rate(3.0)),
    "another file's number": (lambda m: PLACES.inner.rate, lambda m: setattr(PLACES.inner, "rate", 3.0)),
    "a default argument": (by_default, lambda m: by_default.__defaults__[0].__setitem__(0, 3.0)),
    "defaults": (by_default, lambda m: setattr(by_default, "__defaults__", ([3.0],))),
    "a default by name": (by_default, lambda m: by_default.__kwdefaults__["more"].__setitem__("k", 1.0)),
    "through a wrapper from another file": (lambda m: wrapped(), lambda m: set_rate(3.0)),
    "a function's text": (lambda m: rated(), lambda m: setattr(rated, "__code__", (lambda: 3.0).__code__)),
    "an object with slots": (lambda m: m.slots.rate, lambda m: setattr(m.slots, "rate", 3.0)),
    "a private slot": (lambda m: m.slots(), lambda m: m.slots.add()),
    "a queue": (lambda m: m.queue[0], lambda m: (m.queue.append(3.0), m.queue.popleft())),
    "a partial function": (lambda m: m.part(), lambda m: m.part.keywords["r"].__setitem__(0, 1.5)),
    "an array of objects": (lambda m: m.objects[0], lambda m: m.objects.__setitem__(0, 3.0)),
    "a number out of an array": (lambda m: int(m.count[0]), lambda m: m.count.__setitem__(0, 3)),
}


@pytest.fixture
def as_written() -> Iterator[None]:
    """What the ways change outside a module is afterwards as it was, so that they can be tried in any order."""
    code = rated.__code__
    yield
    rated.__code__ = code
    by_default.__defaults__, by_default.__kwdefaults__ = ([2.0],), {"more": {"k": 0.0}}  # type: ignore[attr-defined]  # of a function
    Reads.shared, Reads.known, Config.least, PLACES.inner.rate = 2.0, [2.0], 2.0, 2.0  # type: ignore[attr-defined]  # a file of settings
    set_rate(2.0)


@pytest.mark.usefixtures("as_written")
@pytest.mark.parametrize("way", READ)
def test_whatever_forward_reads_may_change(way: str) -> None:
    net = Reads(way)
    evaluate = cr.value_and_grad(net, lambda o, t: (o - t).mean())
    assert np.array_equal(net(X), 2 * X) and evaluate(X, 0 * X)[0] == pytest.approx((2 * X).mean())
    READ[way][1](net)
    assert np.array_equal(net(X), 3 * X) and evaluate(X, 0 * X)[0] == pytest.approx((3 * X).mean())
    ready = list(net._cache.values())[-1]
    net(X)
    assert list(net._cache.values())[-1] is ready, "what did not change is not written down again"


def test_a_value_that_is_set_again_is_no_change() -> None:
    """Equal numbers of one type; 1 and True, 0.0 and -0.0 are different."""
    config, written = Config(), []
    net = Own(lambda m, x: written.append(config.rate) or x * config.rate)
    for rate, runs in ((float("2.5"), 1), (float("2.5"), 1), (0.0, 2), (-0.0, 3), (1, 4), (1, 4), (True, 5)):
        config.rate = rate
        net(X)
        assert len(written) == runs, rate


def test_arrays_that_forward_computes_with_are_read_and_nothing_is_written_down_again() -> None:
    written, rows = [], np.full((2, 4), 2.0)
    net = Own(lambda m, x: written.append(1) or x * rows[0] + m.w, w=given(4)).init(0, D)
    for k in range(3):
        rows[:] = k
        np.testing.assert_allclose(net(X), X * k + net.w)
        net.w += 1
    assert written == [1]


def test_whatever_a_loss_reads_may_change() -> None:
    net, weight, config = nn.Sequential(nn.Linear(4, 4)).init(0, D), [2.0], Config()
    evaluate = cr.value_and_grad(net, lambda o, t: F.mse_loss(o, t) * weight[0] * config.rate * FACTOR[0])
    plain = evaluate(X, T)[0] / 8
    weight[0] = 3.0
    assert evaluate(X, T)[0] == pytest.approx(12 * plain)
    config.rate = 3.0
    assert evaluate(X, T)[0] == pytest.approx(18 * plain)
    FACTOR[0] = 3.0
    assert evaluate(X, T)[0] == pytest.approx(27 * plain)
    step = cr.TrainStep(net, lambda o, t: F.mse_loss(o, t) * weight[0], cr.optim.SGD(0.0), X, T, 5)
    assert step.run(range(5))[0] == pytest.approx(3 * plain)
    weight[0] = 1.0
    assert step.run(range(5))[0] == pytest.approx(plain)


def test_threads_call_one_network() -> None:
    net = nn.Sequential(nn.Linear(4, 30), nn.BatchNorm1d(30), nn.ReLU(), nn.Linear(30, 3)).init(0, D)
    want = {n: net(X[:n], engine="reference") for n in range(1, 6)}
    wrong: list[object] = []

    def work(k: int) -> None:
        try:
            for i in range(40):
                n = 1 + (i + k) % 5
                np.testing.assert_allclose(net(X[:n]), want[n], rtol=1e-11, atol=1e-13)
        except BaseException as e:
            wrong.append(e)

    rows = [threading.Thread(target=work, args=(k,)) for k in range(6)]
    [t.start() for t in rows]
    [t.join() for t in rows]
    assert not wrong


def test_an_exception_in_forward_leaves_no_trace() -> None:
    def forward(m: Own, x: nn.Symbol) -> nn.Symbol:
        if m.broken:
            raise RuntimeError("mine")
        return x * m.w

    net = own(forward)
    net.broken = True
    with pytest.raises(RuntimeError, match="mine"):
        net(X)
    assert isinstance(net.w, np.ndarray)
    net.broken = False
    assert net(X).shape == X.shape


def test_copies_and_pickles_before_and_after_calls() -> None:
    own_op = cr.op("own(x[n,D], w[D]; k=2) -> y[n,D]\n y[n,i] = k * w[i] * x[n,i]")
    net = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Formula(own_op, w=(8,), k=3), nn.ModuleList([nn.ReLU()])[0]).init(1, D)
    for _ in range(2):
        for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
            assert np.array_equal(other(X), net(X)) and repr(other) == repr(net)
            other.values["0.weight"][...] = 0
            assert net.values["0.weight"].any() and other.values["0.weight"].ctypes.data % 64 == 0


def test_the_first_values_do_not_depend_on_who_asks_first() -> None:
    def made() -> nn.Sequential:
        return nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3), nn.Sequential(nn.Linear(3, 3)))

    a, b = made(), made()
    b[2][0].bias, b[1].weight, b.values["0.bias"]
    for _ in range(2):
        other = b.state_dict()
        assert all(np.array_equal(v, other[k]) for k, v in a.state_dict().items())
        a.init(4), b.init(4)
    a = made()
    assert not np.array_equal(a[0].weight, a[1].weight) and not np.array_equal(made().init(0)[0].weight, made().init(1)[0].weight)


# Containers, files, showing ------------------------------------------------------------------------------------------------


def test_sequential_is_a_list_of_modules() -> None:
    net = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Sequential(nn.Linear(4, 4), nn.Tanh()))
    assert len(net) == 3 and [type(m).__name__ for m in net] == ["Linear", "ReLU", "Sequential"] and isinstance(net[-1][0], nn.Linear)
    part = net[:1]
    assert isinstance(part, nn.Sequential) and part[0] is net[0]
    net.append(nn.Linear(4, 2)).insert(1, nn.Tanh())
    net[2] = cr.ops.sigmoid
    del net[3]
    assert list(net.state_dict()) == ["0.weight", "0.bias", "3.weight", "3.bias"] and net(X.astype(np.float32)).shape == (5, 2)
    named = nn.Sequential({"first": nn.Linear(4, 4), "last": nn.ReLU()})
    assert list(named.state_dict()) == ["first.weight", "first.bias"] and isinstance(named.first, nn.Linear)
    assert np.array_equal(nn.Sequential()(X), X)
    with pytest.raises(IndexError, match="accepted: -4 to 3"):
        net[4]


def test_parts_of_rows_keep_their_names_where_pytorchs_do() -> None:
    linear = lambda: nn.Linear(3, 3)  # noqa: E731
    net, rows = nn.Sequential(*[linear() for _ in range(5)]), nn.ModuleList([linear() for _ in range(5)])
    named = nn.Sequential({"a": linear(), "b": nn.ReLU(), "c": linear()})
    names = lambda m: [k for k, _ in m.named_children()]  # noqa: E731
    assert names(net[1:3]) == ["1", "2"] and names(net[::-2]) == ["4", "2", "0"] and names(named[1:]) == ["b", "c"]
    assert names(rows[1:3]) == ["0", "1"] and net[3:][0] is net[3] and net[1:3][-1] is net[2]
    tail = net[3:]
    assert names(tail.append(nn.ReLU())) == ["3", "4", "2"] and names(tail.append(nn.ReLU())) == ["3", "4", "2", "5"]
    assert net.pop(1) not in net and names(net) == ["0", "1", "2", "3"] and type(named.pop()) is nn.Linear and len(named) == 2
    assert names(net + named) == [str(k) for k in range(6)] and (net + named)[4] is named[0] and type(rows + net) is nn.ModuleList


def test_layers_that_are_put_in_front_start_from_numbers_of_their_own() -> None:
    net = nn.Sequential()
    for _ in range(3):
        net.insert(0, nn.Linear(3, 3))
    assert len({m.weight.tobytes() for m in net}) == 3


def test_a_row_takes_all_modules_or_none() -> None:
    net = nn.Sequential(nn.ReLU())
    with pytest.raises(cr.ArgumentError, match=r"^3: not a layer"):
        net.extend([nn.ReLU(), 3])
    assert len(net) == 1


class Told(nn.Module):
    def __init__(self, *inner: nn.Module) -> None:
        for k, m in enumerate(inner):
            setattr(self, f"m{k}", m)

    def extra_repr(self) -> str:
        return "one,\ntwo"


def test_a_text_of_several_lines_and_children_that_are_one() -> None:
    relu = nn.ReLU()
    assert repr(Told()) == "Told(\n  one,\n  two\n)" and repr(nn.ModuleList([Told()])) == "ModuleList(\n  (0): Told(\n    one,\n    two\n  )\n)"
    assert repr(Told(relu)) == "Told(\n  one,\n  two\n  (m0): ReLU()\n)"
    assert [k for k, _ in Told(relu, nn.Tanh(), relu).named_children()] == ["m0", "m1"] and len(list(Told(relu, relu).children())) == 1


def test_attributes_are_views_of_the_networks_memory() -> None:
    net = nn.Sequential(nn.Linear(3, 3))
    net[0].weight = np.eye(3)
    net[0].weight += 1
    net[0].weight[0, 0] = 9
    assert net.values["0.weight"].tolist() == [[9, 1, 1], [1, 2, 1], [1, 1, 2]]
    with pytest.raises(cr.ShapeError, match=r"^weight with shape \(4,\): .*accepted: \(3, 3\)"):
        net[0].weight = np.ones(4)
    with pytest.raises(cr.ArgumentError, match=r"missing: \['0.bias'\], unexpected: \['x'\]"):
        net.load_state_dict({"0.weight": np.eye(3), "x": 1})
    net.load_state_dict({"0.weight": np.eye(3), "x": 1}, strict=False)
    assert np.array_equal(net[0].weight, np.eye(3))


def test_files_of_every_module_and_of_ones_own_class(tmp_path: Path) -> None:
    x = RNG.normal(size=(2, 3, 8, 8)).astype(np.float32)
    block = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4, momentum=None), nn.Sequential(nn.AvgPool2d(2), nn.Identity()))
    for net in (nn.Sequential(block, nn.AdaptiveAvgPool2d(1), nn.Flatten()), nn.models.ResNet(1, 5, 4), nn.Conv2d(3, 2, 3)):
        net.init(2)
        cr.save(net, tmp_path / "m")
        again = cr.load(tmp_path / "m")
        assert type(again) is type(net) and repr(again) == repr(net) and np.array_equal(again(x), net(x))
    own_net = Names().init(3)
    cr.save(own_net, tmp_path / "own")
    with pytest.raises(cr.DataError, match=r"own: a network of class Names.*accepted: load\(path, into=net\)"):
        cr.load(tmp_path / "own")
    y = np.ones((1, 3), np.float32)
    assert np.array_equal(cr.load(tmp_path / "own", into=Names())(y), own_net(y))
    with pytest.raises(cr.DataError, match="does not fit into Pair"):
        cr.load(tmp_path / "own", into=Pair())


class Twice(nn.Sequential):
    def forward(self, x: Any) -> Any:
        return super().forward(x) * 2


class Linear(nn.Linear):
    """Called as the library's."""

    def forward(self, x: Any) -> Any:
        return super().forward(x) * 2


def changed(net: nn.Module, **attributes: object) -> nn.Module:
    for k, v in attributes.items():
        setattr(net, k, v)
    return net


OF_ITS_OWN: dict[str, Callable[[], nn.Module]] = {
    "a row's class": lambda: Twice(nn.Linear(4, 4)),
    "a layer's class": lambda: nn.Sequential(Linear(4, 4)),
    "a class inside": lambda: nn.Sequential(nn.ReLU(), nn.Sequential(Twice(nn.Linear(4, 4)))),
    "a forward": lambda: nn.Sequential(changed(nn.Linear(4, 4), forward=lambda x: x * 3)),
    "a parameter more": lambda: nn.Sequential(changed(nn.Linear(4, 4), more=given(3))),
    "a parameter of another shape": lambda: nn.Sequential(changed(nn.Linear(4, 4), weight=given(2, 4), bias=None)),
}


@pytest.mark.parametrize("name", OF_ITS_OWN)
def test_files_say_what_they_do_not_describe(name: str, tmp_path: Path) -> None:
    """Instead of a network that computes something else, or a file that cannot be read."""
    net, path = OF_ITS_OWN[name]().init(0, D), tmp_path / "own.safetensors"
    cr.save(net, path)
    with pytest.raises(cr.DataError, match=f"a network of class {type(net).__name__} with a class, a forward or parameters of its own"):
        cr.load(path)
    assert np.array_equal(cr.load(path, into=OF_ITS_OWN[name]())(X), net(X))


def test_an_empty_row_is_a_file(tmp_path: Path) -> None:
    cr.save(nn.Sequential(), tmp_path / "empty.safetensors")
    assert repr(cr.load(tmp_path / "empty.safetensors")) == "Sequential()"


def test_files_know_names_and_what_is_shared(tmp_path: Path) -> None:
    layer = nn.Linear(4, 4)
    tied = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    tied[1].weight = tied[0].weight
    inner = nn.Sequential({"q": nn.Linear(4, 4), "r": nn.Sequential({"s": nn.Tanh()})})
    for net, count in ((nn.Sequential(layer, nn.Tanh(), layer), 2), (tied, 3), (inner, 2), (nn.Sequential(inner, inner["q"], nn.ReLU()), 2)):
        net.init(2, D)
        cr.save(net, tmp_path / "m")
        again = cr.load(tmp_path / "m")
        assert list(again.values) == list(net.values) and len(again.values) == count and repr(again) == repr(net)
        assert list(again.state_dict()) == list(net.state_dict()) and np.array_equal(again(X), net(X))
        for x in (net, again):
            cr.fit(x, nn.MSELoss(), cr.optim.SGD(0.1), (X, T), epochs=2)
        assert np.array_equal(again(X), net(X))
    assert isinstance(cr.load(tmp_path / "m")[0].r.s, nn.Tanh)


def test_a_summary_counts_each_parameter_once() -> None:
    text = str(nn.models.ResNet(1, 10, 4).summary((3, 8, 8)))
    assert "layer1.0.conv1 (Conv2d)" in text and "(N, 4, 8, 8)" in text and "(N, 10)" in text
    total = sum(v.size for v in nn.models.ResNet(1, 10, 4).values.values())
    assert f"parameters: {total:,}" in text
    assert sum(int(row.split()[-1].replace(",", "")) for row in text.splitlines()[2:-2]) == total
    layer = nn.Linear(4, 4)
    assert "parameters: 20" in str(nn.Sequential(layer, layer).summary((4,)))
    assert "Pair" not in str(Pair().summary((4,), (4,))) and "y0[n,o] = " in str(nn.Sequential(nn.Linear(4, 3)).program((2, 4)))


# What cannot be ------------------------------------------------------------------------------------------------------------


def branch(m: Own, x: nn.Symbol) -> nn.Symbol:
    return x if x.sum() > 0 else -x


REFUSED: list[tuple[Callable[[], object], str]] = [
    (lambda: own(branch)(X), "^a Python 'if'.*F.where"),
    (lambda: own(lambda m, x: x if x == 0 else -x)(X), "^a Python 'if'.*F.where"),
    (lambda: own(lambda m, x: x if x != x else -x)(X), "^a Python 'if'.*F.where"),
    (lambda: own(lambda m, x: x == None)(X), "^NoneType == symbol"),  # noqa: E711
    (lambda: own(lambda m, x: float(x.sum()) * x)(X), "^the number of"),
    (lambda: own(lambda m, x: x[:, x.sum()])(X), "not a place"),
    (lambda: own(lambda m, x: np.exp2(x))(X), "^np.exp2 of .*accepted: chainrule.nn.functional"),
    (lambda: own(lambda m, x: np.multiply.outer(x, x))(X), "^np.multiply.outer of"),
    (lambda: own(lambda m, x: np.cumsum(x))(X), "^np.cumsum of"),
    (lambda: own(lambda m, x: np.sum(x, dtype=float))(X), "^np.sum with dtype of"),
    (lambda: own(lambda m, x: (x > 0) & (x < 1))(X), r"&: .*accepted: .*\(x > 0\) \* \(x < 1\)"),
    (lambda: own(lambda m, x: x // 2)(X), "//: .*accepted: .*floor"),
    (lambda: own(lambda m, x: x % 2)(X), "%: .*accepted: .*floor"),
    (lambda: own(lambda m, x: ~x)(X), "~ in front: .*accepted: 1 less"),
    (lambda: own(lambda m, x: x.__setitem__((slice(None), 0), 0))(X), "in place; accepted: .*F.where"),
    (lambda: own(lambda m, x: [*x])(X), "^iterating over"),
    (lambda: own(lambda m, x: None)(X), "^Own: its forward gave nothing"),
    (lambda: own(lambda m, x: ())(X), "^Own: its forward gave an empty tuple"),
    (lambda: own(lambda m, x: X)(X), "^Own: its forward gave ndarray"),
    (lambda: own(lambda m, x: m(x))(X), "^Own: its forward goes deeper"),
    (lambda: own(lambda m, x: x + m.u)(X), r"shapes \[5, 4\] and \[3\]"),
    (lambda: own(lambda m, x: x @ m.u)(X), r"shapes \[5, 4\] @ \[3\]"),
    (lambda: own(lambda m, x: x.reshape(3, -1))(X), r"reshape of \[5, 4\]"),
    (lambda: own(lambda m, x: x[:, 4])(X), r"^\[4\]: the axis has 4 places"),
    (lambda: own(lambda m, x: x[:, 3:1])(X), "has no places"),
    (lambda: own(lambda m, x: x.mean(2))(X), "axis 2: not one of 2 axes"),
    (lambda: own(lambda m, x: x.flatten(1, 0))(X), r"^flatten\(1, 0\) of \[5, 4\]: ends before it starts"),
    (lambda: own(lambda m, x: x + "a")(X), r"^str \+ symbol"),
    (lambda: own(lambda m, x: F.conv2d(x, m.a))(X), r"^conv2d of \[5, 4\]: 2 axes"),
    (lambda: own(lambda m, x: cr.ops.linear(x, m.a, k=2))(X), "^k=2: linear has no such setting"),
    (lambda: own(lambda m, x: cr.ops.linear(x))(X), "^linear: w not given"),
    (lambda: own(lambda m, x: setattr(m, "w", x[0]) or x)(X), "^w: a parameter cannot be assigned"),
    (lambda: own(lambda m, x: nn.Linear(4, 4)(x))(X), "belongs to a module that is no part"),
    (lambda: Own(lambda m, x: m.rows[0](x), rows=[nn.Linear(4, 4)])(X), "belongs to a module that is no part"),
    (lambda: nn.Module()(X), "^Module: has no forward"),
    (lambda: own(lambda m, x: x)(X, scale=2), "^scale: given by name"),
    (lambda: nn.Sequential(nn.BatchNorm1d(4))(X[:, :, None, None]), r"^layer 0 \(BatchNorm1d\): .*4 axes"),
    (lambda: nn.Sequential(nn.BatchNorm1d(4), nn.ModuleList([nn.ReLU()]))(X.astype(np.float32)), "^ModuleList: computes nothing"),
    (lambda: cr.value_and_grad(nn.Sequential(nn.BatchNorm1d(4)), nn.MSELoss())(X[:1], T[:1]), "one value for each channel"),
    (
        lambda: cr.fit(nn.Sequential(nn.BatchNorm1d(4)).init(0, D), nn.MSELoss(), cr.optim.SGD(0.1), (X, T), batch_size=4),
        "one value for each channel",
    ),
    (lambda: cr.value_and_grad(own(lambda m, x: x), lambda y, t: y)(X, T), "^the loss: is no number"),
    (lambda: cr.value_and_grad(Pair(), nn.MSELoss())((X, T), X), r".*takes"),
    (lambda: cr.value_and_grad(Pair(), (nn.MSELoss(),))((X, T), X), "^1 losses: the network has 2 outputs"),
    (
        lambda: cr.value_and_grad(Own(lambda m, x, y: x * m.input0 + y, input0=given(4)).init(0, D), nn.MSELoss())((X, T), X),
        "^'input0': is a parameter's name",
    ),
    (lambda: nn.BatchNorm2d(0), "num_features=0"),
    (lambda: nn.BatchNorm2d(3, eps=-1), "eps=-1"),
    (lambda: nn.BatchNorm2d(3, momentum="a"), "momentum='a'"),
    (lambda: setattr(nn.Sequential(nn.ReLU()), "0", 3), "takes the place of a module"),
    (lambda: nn.Parameter("a"), "Parameter with dtype"),
    (lambda: nn.ModuleList(3), "^3: not modules"),
    (lambda: nn.Sequential().extend("ab"), "^'ab': not modules"),
    (lambda: nn.Sequential().insert("a", nn.ReLU()), "^'a': not a place"),
    (lambda: (lambda m: setattr(m, "inner", m))(nn.Module()), "^inner=Module: a module that has this Module in it"),
    (lambda: (lambda m: m.append(nn.ModuleList([m])))(nn.Sequential()), "^0=ModuleList: a module that has this Sequential in it"),
    (lambda: nn.Module().register_buffer(3, np.ones(2)), "^3: not the name of an attribute"),
    (lambda: nn.Module().register_buffer("a.b", None), "^'a.b': not the name of an attribute"),
    (lambda: nn.ReLU().load_state_dict({}, strict="no"), "^strict='no': not a yes or no"),
]


@pytest.mark.parametrize("call, problem", REFUSED, ids=[p for _, p in REFUSED])
def test_what_cannot_be_traced_is_answered(call: Callable[[], object], problem: str) -> None:
    with pytest.raises((cr.ChainruleError, TypeError), match=problem):
        call()


OPTIMISERS: list[tuple[Callable[[], object], str]] = [
    (lambda: cr.optim.SGD(0.1, nesterov=True), "nesterov=True"),
    (lambda: cr.optim.SGD(0.1, 0.9, dampening=0.1, nesterov=True), "nesterov=True"),
    (lambda: cr.optim.SGD(0.1, nesterov=1), "nesterov=1"),
    (lambda: cr.optim.Adam(betas=(0.9, 1.0)), r"betas\[1\]=1"),
    (lambda: cr.optim.Adam(betas=0.9), "betas=0.9"),
    (lambda: cr.optim.AdamW(eps=-1e-8), "eps=-1e-08"),
    (lambda: cr.optim.RMSprop(alpha="a"), "alpha='a'"),
    (lambda: cr.optim.Adagrad(lr_decay=float("inf")), "lr_decay=inf"),
    (lambda: cr.optim.Cosine(0.1, steps=0), "steps=0"),
    (lambda: cr.optim.Schedule("f(step, x[n]) -> y[n]\n y[n] = x[n]*step"), "no schedule"),
    (lambda: cr.optim.Schedule("f(step, a) -> y\n y = a*step"), "^a: not the numbers"),
    (lambda: cr.optim.Optimizer("f(w[*A], lr) -> w_new[*A]\n w_new[*a] = w[*a]*lr", lr=1), "no update"),
    (lambda: cr.optim.Optimizer("f(w[*A], g[*A], lr) -> w_new[*A]\n w_new[*a] = w[*a]-lr*g[*a]"), "^lr: f needs a number"),
    (lambda: cr.optim.Optimizer("f(w[*A], g[*A]) -> w_new[*A]\n w_new[*a] = w[*a]-g[*a]", lr=1), "^lr=1: f has no such number"),
    (lambda: cr.optim.Optimizer("f(w[*A], g[*A], m[*A]) -> w_new[*A]\n w_new[*a] = w[*a]-g[*a]*m[*a]"), "^m: an input of f with axes"),
]


@pytest.mark.parametrize("call, problem", OPTIMISERS, ids=[p for _, p in OPTIMISERS])
def test_optimisers_check_their_numbers(call: Callable[[], object], problem: str) -> None:
    with pytest.raises(cr.ArgumentError, match=problem) as e:
        call()
    assert "accepted: " in str(e.value)


@pytest.mark.parametrize(("m_axes", "kept"), [("m[*A]", True), ("m[*A]=0", True), ("m[*A]=0", False)])
def test_an_optimiser_of_ones_own_is_bound_by_its_header(m_axes: str, kept: bool) -> None:
    """A state that may be left out is, unless it is told where to start."""
    text = f"""lion(w[*A], g[*A], {m_axes}, lr, beta1, beta2, step) -> w_new[*A], m_new[*A]
        w_new[*a] = w[*a] - lr * sign(beta1 * m[*a] + (1 - beta1) * g[*a]) / step
        m_new[*a] = beta2 * m[*a] + (1 - beta2) * g[*a]"""
    rate = cr.optim.Schedule("half(step, top) -> rate\n rate = top * 0.5**(step - 1)", top=0.1)
    net = nn.Sequential(nn.Linear(4, 4)).init(0, D)
    w, m = net.values["0.weight"].copy(), np.full((4, 4), 0.25 * kept)
    probe = nn.Sequential(nn.Linear(4, 4)).init(0, D)
    start = {"m": 0.25} if kept else {}
    step = cr.TrainStep(net, nn.MSELoss(), cr.optim.Optimizer(text, start=start, lr=rate, beta1=0.9, beta2=0.5), X, T, 5)
    for k in range(1, 4):
        g = cr.value_and_grad(probe, nn.MSELoss())(X, T)[1]["0.weight"]
        w, m = w - 0.1 * 0.5 ** (k - 1) * np.sign(0.9 * m + 0.1 * g) / k, (0.5 * m + 0.5 * g) * kept
        step.run(np.arange(5))
        np.testing.assert_allclose(net.values["0.weight"], w, rtol=1e-12)
        assert ("0.weight.m" in step.states) == kept
        if kept:
            np.testing.assert_allclose(step.states["0.weight.m"], m, rtol=1e-12)
        probe.load_state_dict(net.state_dict())


def test_other_numbers_of_an_optimiser_compile_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    from chainrule.engines.native import translate

    def trained(opt: cr.optim.Optimizer) -> None:
        cr.TrainStep(nn.Sequential(nn.Linear(4, 4)).init(0, D), nn.MSELoss(), opt, X, T, 5).run(np.arange(5))

    trained(cr.optim.Adam(cr.optim.Cosine(0.1, steps=10)))
    monkeypatch.setattr(translate, "translate", lambda *a: pytest.fail("compiled again"))
    trained(cr.optim.Adam(cr.optim.Cosine(0.2, steps=77, least=0.01), betas=(0.5, 0.6), eps=1e-3))


class Both(nn.Module):
    def __init__(self) -> None:
        self.linear = nn.Linear(4, 4)

    def forward(self, a: Any, b: Any) -> Any:
        return self.linear(a) + b


class Doubled(nn.Linear):
    def forward(self, x: Any) -> Any:
        return super().forward(x) * 2


NOT_TAKEN = [
    (lambda: nn.Module("x"), r"^'x': Module takes no arguments"),
    (lambda: Both().init(0, D)(X), r"^1 input: not what Both takes .*accepted: Both\(a"),
    (lambda: nn.Linear(4, 4).init(0, D)(X, X), r"^2 inputs: not what Linear takes"),
    (lambda: nn.MSELoss()(X), r"^1 input: not what MSELoss takes"),
    (lambda: nn.MSELoss()(X, X, X), r"^3 inputs: not what MSELoss takes"),
    (lambda: cr.value_and_grad(Both().init(0, D), nn.MSELoss())(X, T), r"^1 input: not what Both takes"),
    (lambda: cr.value_and_grad(3, nn.MSELoss()), r"^net=3: not a network"),
    (lambda: cr.fit(3, nn.MSELoss(), cr.optim.SGD(0.1), (X, T)), r"^net=3: not a network"),
    (lambda: cr.evaluate("a", nn.MSELoss(), (X, T)), r"^net='a': not a network"),
    (lambda: cr.evaluate(nn.Linear(4, 4), nn.MSELoss(), X), r"^data=ndarray: not inputs and targets"),
    (lambda: cr.TrainStep(3, nn.MSELoss(), cr.optim.SGD(0.1), X, T, 2), r"^net=3: not a network"),
    (lambda: nn.Module().register_parameter("a", np.ones(2)), r"^a=array.*not a parameter"),
    (lambda: nn.Module().add_module("a", 3), r"^a=3: not a module"),
    (lambda: nn.MSELoss() + 3, r"^a loss \+ 3: not a loss"),
    (lambda: 3 + nn.MSELoss(), r"^3 \+ a loss: not a loss"),
]


@pytest.mark.parametrize("call, problem", NOT_TAKEN, ids=[p for _, p in NOT_TAKEN])
def test_what_is_not_taken_is_answered(call: Callable[[], object], problem: str) -> None:
    with pytest.raises(cr.ChainruleError, match=problem):
        call()


def test_a_class_of_ones_own_is_no_layer_of_the_library(tmp_path: Path) -> None:
    """It may compute something else: its file does not say that the library's class is meant."""
    net = Doubled(4, 3).init(0, D)
    cr.save(net, tmp_path / "own.safetensors")
    with pytest.raises(cr.DataError, match="Doubled"):
        cr.load(tmp_path / "own.safetensors")
    assert np.array_equal(cr.load(tmp_path / "own.safetensors", into=Doubled(4, 3))(X), net(X))


def test_sizes_of_symbols_are_asked_for_both_ways() -> None:
    net = own(lambda m, x: x.reshape(x.size(0), 1, -1, 1).squeeze() * x.size + x.size()[1])
    assert np.array_equal(net(X), X * X.size + 4)


def test_lists_take_the_networks_number_type() -> None:
    net = nn.Linear(2, 3).init(0)
    assert net([[1.0, 2.0]]).dtype == np.float32


def test_inputs_need_not_have_as_many_samples() -> None:
    """What goes together is a matter of the formulas: rows of one input may be added to all of another."""
    net = own(lambda m, x, *z: x + z[0])
    assert np.array_equal(net(X, X[:1]), X + X[:1]) and np.array_equal(net(X[0], X), X[0] + X)
    assert nn.ReLU()(np.float64(-2.0)) == 0 and nn.Linear(4, 2)(np.ones((0, 4), np.float32)).shape == (0, 2)


X2 = np.float32([[1, 2], [3, 4], [5, 6]])


class Tree(nn.Module):
    """Takes and gives tensors in tuples, lists and dictionaries, and settings."""

    def forward(self, x: Any, pair: Any = None, sign: int = 1, named: Any = None) -> Any:
        a, b = pair if pair is not None else (x, x)
        y = sign * (x + 2 * a + 3 * b)
        return (y, None, [a - b, (y * 2,)]) if named is None else {"out": y - named["less"]}


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_a_call_takes_and_gives_tensors_in_tuples_lists_and_dictionaries(engine: str) -> None:
    x, a, b = (np.float64([[k, 2.0]]) for k in range(3))
    net = Tree()
    for pair in ((a, b), [a, b]):
        y, nothing, (less, (twice,)) = net(x, pair, engine=engine)
        assert nothing is None
        np.testing.assert_array_equal([y, less, twice], [x + 2 * a + 3 * b, a - b, 2 * (x + 2 * a + 3 * b)])
    np.testing.assert_array_equal(net(x, engine=engine)[0], 6 * x)
    np.testing.assert_array_equal(net(x, None, -1, engine=engine)[0], -6 * x)
    np.testing.assert_array_equal(net(sign=2, pair=(a, a), x=x, engine=engine)[0], 2 * x + 10 * a)
    found = net(x, named={"less": b}, engine=engine)
    np.testing.assert_array_equal(found["out"], 6 * x - b)
    y, nothing, (less, _) = net(x[:0], (a[:0], b[:0]), engine=engine)
    assert y.shape == less.shape == (0, 2) and nothing is None


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        (lambda: Tree()(X2, other=X2), r"^other: given by name to Tree; accepted: Tree\(x"),
        (lambda: Tree()(X2, x=X2), r"^1 input: not what Tree takes \(multiple values"),
        (lambda: Tree()(X2, (X2, object())), "^input2 with dtype object"),
        (lambda: Tree()(X2, sign=object()), "^input1 with dtype object"),
        (lambda: nn.Linear(2, 2)((X2, X2)), "^x: a tuple of 2 where one tensor is meant"),
        (lambda: Tree()(), "^no inputs"),
    ],
)
def test_inputs_that_do_not_fit_are_answered(call: Callable[[], object], problem: str) -> None:
    with pytest.raises(cr.ChainruleError, match=problem):
        call()


def test_a_tuple_alone_is_one_input_where_forward_takes_one() -> None:
    class Added(nn.Module):
        def forward(self, rows: Any) -> Any:
            return sum(rows[1:], rows[0])

    np.testing.assert_array_equal(Added()((X2, X2)), 2 * X2)


class Given(nn.Module):
    """Parameters and a buffer from numbers of double precision, beside a layer."""

    def __init__(self) -> None:
        self.w, self.s = nn.Parameter(np.float64([1 / 3, 0.1])), nn.Buffer(np.float64([2 / 3]))
        self.inner = nn.Linear(2, 2)

    def forward(self, x: Any) -> Any:
        return self.inner(x * self.w + self.s)


def test_given_numbers_keep_their_precision_until_a_type_is_said() -> None:
    net, third = Given(), np.float64([1 / 3, 0.1])
    assert net.dtype == net.w.dtype == net.inner.weight.dtype == np.float32  # one type for all, single precision unless something is said
    np.testing.assert_array_equal(net.w, third.astype(np.float32))
    seen = copy.deepcopy(net)
    for made in (net, seen, pickle.loads(pickle.dumps(seen))):
        np.testing.assert_array_equal(made.astype(np.float64).w, third)
        np.testing.assert_array_equal(made.s, [2 / 3])
        assert made(X2.astype(np.float64)).dtype == np.float64


@pytest.mark.parametrize(
    "say",
    [
        lambda net: net.astype(np.float32),
        lambda net: net.init(0, np.float32),
        lambda net: net.load_state_dict(net.state_dict()),
        lambda net: net.w.__setitem__(0, 0.25),
        lambda net: setattr(net, "w", net.w + 0),
    ],
    ids=["astype", "init", "load", "memory", "assigned"],
)
def test_numbers_that_were_said_stay_as_they_are(say: Callable[[Any], object]) -> None:
    net = Given()
    _ = net.w
    say(net)
    before = net.w.copy()
    np.testing.assert_array_equal(net.astype(np.float64).w, before)


def test_parameters_beside_those_that_are_loaded_keep_their_precision() -> None:
    net = Given()
    _ = net.w
    net.load_state_dict({"inner.weight": np.eye(2), "inner.bias": np.zeros(2), "s": np.ones(1)}, strict=False)
    assert net.dtype == np.float32  # some are missing: the others go along
    net.load_state_dict(
        {**net.state_dict(), "w": np.float64([1 / 3, 0.1]), "s": np.float64([1]), "inner.weight": np.eye(2), "inner.bias": np.zeros(2)}
    )
    np.testing.assert_array_equal(net.w, [1 / 3, 0.1])
