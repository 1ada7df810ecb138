"""Layers take what they document and answer everything else; formulas are made for any number of axes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn

MISTAKES: list[tuple[Callable[[], object], str]] = [
    (lambda: nn.Conv2d(1, 2, 3, bias="tied"), "bias='tied'"),
    (lambda: nn.Conv2d(1, 2, 3, bias=2), "bias=2"),
    (lambda: nn.Conv2d(1, 2, 3, bias=None), "bias=None"),
    (lambda: nn.Conv2d(1, 2, 3, bias=np.ones(2)), "bias=array"),
    (lambda: nn.Linear(2, 2, bias="no"), "bias='no'"),
    (lambda: nn.Linear(2, 2, bias=1.0), "bias=1.0"),
    (lambda: nn.Linear(True, 2), "in_features=True"),
    (lambda: nn.Linear(2, 2.5), "out_features=2.5"),
    (lambda: nn.Linear(2, "3"), "out_features='3'"),
    (lambda: nn.Conv2d(1, 2, 2.5), "kernel_size=2.5"),
    (lambda: nn.Conv2d(1, 2, None), "kernel_size=None"),
    (lambda: nn.Conv2d(1, 2, "33"), "kernel_size='33'"),
    (lambda: nn.Conv2d(1, 2, (3, 3, 3)), r"kernel_size=\(3, 3, 3\)"),
    (lambda: nn.Conv2d(1, 2, {3: 1, 4: 1}), "kernel_size={"),
    (lambda: nn.Conv2d(1, 2, 3, stride=True), "stride=True"),
    (lambda: nn.Conv2d(1, 2, 3, stride=0), "stride=0"),
    (lambda: nn.Conv2d(1, 2, 3, padding=None), "padding=None"),
    (lambda: nn.Conv2d(1, 2, 3, dilation=0), "dilation=0"),
    (lambda: nn.Conv2d(1, 2, 3, dilation=1.5), "dilation=1.5"),
    (lambda: nn.Conv2d(1, 2, 3, groups=True), "groups=True"),
    (lambda: nn.Conv2d(1, 2, 3, groups=1.0), "groups=1.0"),
    (lambda: nn.Conv2d(1, 2, 3, padding_mode=np.ones(3)), "padding_mode=array"),
    (lambda: nn.MaxPool2d(2, dilation=0), "dilation=0"),
    (lambda: nn.MaxPool2d(2, stride=2.0), "stride=2.0"),
    (lambda: nn.MaxPool2d(2, ceil_mode=2), "ceil_mode=2"),
    (lambda: nn.MaxPool2d(2, return_indices="yes"), "return_indices='yes'"),
    (lambda: nn.AvgPool2d(-1), "kernel_size=-1"),
    (lambda: nn.Softmax(dim=True), "dim=True"),
    (lambda: nn.Softmax(dim=1.0), "dim=1.0"),
    (lambda: nn.Softmax(dim=np.ones(2)), "dim=array"),
    (lambda: nn.Sequential(nn.Softmax(3))(np.ones((2, 3, 4), np.float32)), "softmax: dim=3"),
    (lambda: nn.Formula(3), "3: a definition is text"),
    (lambda: nn.Formula(cr.ops.linear, w=(True, 3), b=(3,)), r"w=\(True, 3\)"),
    (lambda: nn.Formula(cr.ops.linear, w=(0, 3), b=(3,)), r"w=\(0, 3\)"),
    (lambda: nn.Formula(cr.ops.linear, w=(3,), b=(3,)), r"w=\(3,\): .* 2 axes"),
    (lambda: nn.Formula(cr.ops.linear, w=np.ones(3), b=(3,)), r"w with shape \(3,\)"),
    (lambda: nn.Formula(cr.ops.linear, w=np.array([["a"]]), b=(3,)), "w with dtype <U1"),
    (lambda: nn.Formula(cr.ops.linear, w=np.ma.masked_equal([[1.0, 2.0]], 2), b=(3,)), "w: .*masked"),
    (lambda: nn.Formula(cr.ops.scale, a="255"), "a='255'"),
    (lambda: nn.Formula(cr.ops.scale, z=3), "z=3"),
    (lambda: nn.Sequential(nn.Linear(10**30, 1)), r"in_features=10+: .*below 2"),
    (lambda: nn.Sequential(nn.Linear(10**10, 10**10)), r"0\.weight with shape"),
]


@pytest.mark.parametrize("call, problem", MISTAKES)
def test_arguments_of_layers_are_checked(call: Callable[[], object], problem: str) -> None:
    with pytest.raises(cr.ChainruleError, match=problem) as e:
        call()
    assert "accepted: " in str(e.value)


def test_arguments_may_be_numpys_numbers() -> None:
    layer = nn.Conv2d(np.int64(1), np.int32(2), np.int64(3), stride=np.array([2, 1]).tolist(), padding=(np.int64(1), 0), bias=np.bool_(False))
    assert layer.config()["kernel_size"] == (3, 3) and layer.config()["bias"] is False
    assert nn.Linear(2, 3, bias=0).config()["bias"] is False and nn.Linear(2, 3, bias=1).config()["bias"] is True


@pytest.mark.parametrize("rank", [2, 3, 6, 7, 9])
@pytest.mark.parametrize("layer, formula", [(nn.ReLU, lambda x: np.maximum(x, 0)), (nn.Tanh, np.tanh), (nn.Sigmoid, lambda x: 1 / (1 + np.exp(-x)))])
def test_pointwise_layers_have_any_number_of_axes(rank: int, layer: Callable[[], nn.Module], formula: Callable[..., np.ndarray]) -> None:
    x = np.random.default_rng(0).normal(size=(3, *[2] * (rank - 2), 5))
    net = nn.Sequential(layer()).init(0).astype(np.float64)
    np.testing.assert_allclose(cr.nn.Sequential(layer())(x.astype(np.float32)), formula(x), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(net(x), formula(x), rtol=1e-12)
    assert net[0](x).shape == x.shape


@pytest.mark.parametrize("rank", [2, 3, 4, 5, 7, 9])
def test_flatten_has_any_number_of_axes(rank: int) -> None:
    x = np.random.default_rng(0).normal(size=(5, 2, 3, 1, 2, 3, 2, 2, 2)[:rank])
    net = nn.Sequential(nn.Flatten())
    assert np.array_equal(net(x), x.reshape(5, -1))
    _, grads = cr.value_and_grad(net, nn.HalfSquareLoss())(x, np.zeros((5, x.size // 5)))
    np.testing.assert_allclose(grads["input"], x / 5, rtol=1e-13)
    with pytest.raises(cr.ArgumentError, match="accepted: "):
        net(np.ones(3))


@pytest.mark.parametrize("rank", [0, 1, 5, 7, 9])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_parameters_of_any_number_of_axes_are_trained(rank: int, momentum: float) -> None:
    sizes, letters = ("A", "B", "C", "D", "E", "F", "G", "H", "I")[:rank], "abcdefghi"[:rank]
    at, place = (f"[{','.join(sizes)}]", f"[{','.join(letters)}]") if rank else ("", "")
    total = f"sum[{','.join(letters)}](w{place}**2)" if rank else "w**2"
    own = cr.op(f"own(x[n,K], w{at}) -> y[n,K]\n y[n,k] = x[n,k] * {total}")
    shape = (2, 1, 3, 2, 1, 2, 1, 2, 2)[:rank]
    w = np.random.default_rng(0).normal(size=shape)
    net = nn.Sequential(nn.Formula(own, w=w)).init(0, np.float64)
    x, t = np.ones((4, 3)), np.zeros((4, 3))
    _, grads = cr.value_and_grad(net, nn.MSELoss())(x, t)
    cr.TrainStep(net, nn.MSELoss(), cr.optim.SGD(0.01, momentum), x, t, 4).run(np.arange(4))
    np.testing.assert_allclose(grads["0.w"], 2 * np.sum(w**2) * 2 * w, rtol=1e-12)
    np.testing.assert_allclose(net.values["0.w"], w - 0.01 * grads["0.w"], rtol=1e-12)


class Carried:
    """Has __array__, and hands out a masked array."""

    def __array__(self, dtype: object = None, copy: object = None) -> np.ndarray:
        return np.ma.masked_greater([[1.0, 5.0]], 2)


MASKED = [
    np.ma.masked_greater(np.array([[1.0, 5.0]]), 2),
    [np.ma.masked_greater(np.array([1.0, 5.0]), 2)],
    np.ma.array(np.array([[1, 2]], np.uint8), mask=True),
    Carried(),
]


@pytest.mark.parametrize("x", MASKED, ids=["array", "list", "bytes", "__array__"])
def test_masked_values_are_refused_by_name(x: object) -> None:
    with pytest.raises(cr.ElementTypeError, match=r"^x: .*masked.*accepted: .*\.filled\(value\).*\.data"):
        cr.ops.linear(x, np.ones((1, 2)), np.zeros(1))


def test_a_masked_array_without_masked_values_is_an_array() -> None:
    a = np.ma.array([[1.0, 5.0]], mask=False)
    y = cr.ops.linear(a, np.ones((1, 2)), np.zeros(1))
    assert type(y) is np.ndarray and y == 6
    assert nn.Sequential(nn.Linear(2, 3)).init(0, np.float64)(a).shape == (1, 3)
    net, t = nn.Sequential(nn.Linear(2, 3)).init(0, np.float64), np.array([1])
    masked = np.ma.masked_greater(a, 2)
    for call in (
        lambda: net(masked),
        lambda: cr.fit(net, nn.CrossEntropyLoss(), cr.optim.SGD(), (masked, t)),
        lambda: cr.value_and_grad(net, nn.CrossEntropyLoss())(masked, t),
        lambda: net.load_state_dict({"0.weight": np.ma.masked_all((3, 2)), "0.bias": np.ones(3)}),
        lambda: cr.vjp(cr.ops.relu, masked),
        lambda: cr.vjp(cr.ops.relu, a)[1](masked),
    ):
        with pytest.raises(cr.ElementTypeError, match="masked"):
            call()
