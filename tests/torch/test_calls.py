"""Layers called on arrays take what PyTorch's call takes, and give what it gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import chainrule as cr
from chainrule import nn
from chainrule.nn import functional as F
from chainrule.nn.losses import Total

RNG = np.random.default_rng(0)


def numbers(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape)


E = numbers(3, 2, 4), numbers(5, 2, 4), numbers(5, 2, 4)  # query, key, value
YES = np.triu(np.ones((3, 5), bool), 2)
ATTENTION = (nn.MultiheadAttention, 4, 2)
CALLS: list[tuple[tuple[Any, ...], tuple[Any, ...], dict[str, Any]]] = [
    ((nn.LSTMCell, 3, 4), (numbers(2, 3), (numbers(2, 4), numbers(2, 4))), {}),
    ((nn.LSTMCell, 3, 4), (numbers(3), [numbers(4), numbers(4)]), {}),
    ((nn.LSTMCell, 3, 4), (numbers(2, 3),), {}),
    ((nn.LSTMCell, 3, 3), (numbers(3), None), {}),
    ((nn.GRUCell, 3, 4), (numbers(2, 3),), {}),
    ((nn.GRUCell, 3, 4), (numbers(2, 3), None), {}),
    ((nn.GRUCell, 4, 4), (numbers(4), numbers(4)), {}),
    ((nn.RNNCell, 3, 4), (numbers(2, 3), numbers(2, 4)), {}),
    ((nn.Bilinear, 3, 4, 2), (numbers(3), numbers(4)), {}),
    ((nn.Bilinear, 3, 4, 2), (), {"input2": numbers(2, 3, 4), "input1": numbers(2, 3, 3)}),
    (ATTENTION, E, {}),
    (ATTENTION, (*E, None, False), {}),
    (ATTENTION, E, {"attn_mask": YES, "need_weights": False}),
    (ATTENTION, E, {"attn_mask": numbers(3, 5), "average_attn_weights": False}),
    (ATTENTION, E, {"attn_mask": numbers(4, 3, 5), "key_padding_mask": np.array([[0, 1, 0, 0, 1], [0, 0, 0, 0, 1]]) * -2.0}),
    (ATTENTION, (*E, np.array([[0, 1, 0, 0, 1], [0, 0, 0, 0, 1]], bool)), {}),
    (ATTENTION, (E[0][:, 0], E[1][:, 0], E[2][:, 0]), {"key_padding_mask": np.array([0, 1, 0, 0, 1], bool)}),
    (ATTENTION, (numbers(2, 2, 4),) * 3, {"attn_mask": np.array([[0, 1], [0, 0]], bool)}),
    ((nn.ConvTranspose2d, 2, 3, 3, 2), (numbers(1, 2, 4, 4),), {"output_size": [10, 9]}),
    ((nn.ConvTranspose2d, 2, 3, 3, 2), (numbers(1, 2, 4, 4), (9, 10)), {}),
]


def leaves(v: Any) -> list[Any]:
    return [x for e in v for x in leaves(e)] if isinstance(v, tuple | list) else [v]


def theirs(v: Any) -> Any:
    if isinstance(v, tuple | list):
        return type(v)(map(theirs, v))
    return torch.tensor(v) if isinstance(v, np.ndarray) else v


@pytest.mark.parametrize("k", range(len(CALLS)))
def test_calls_on_arrays(k: int) -> None:
    (kind, *sizes), inputs, given = CALLS[k]
    torch.manual_seed(0)
    other = getattr(torch.nn, kind.__name__)(*sizes).double()
    net = kind(*sizes).load_state_dict({name: v.numpy() for name, v in other.state_dict().items()})
    with torch.no_grad():
        want = other(*theirs(tuple(inputs)), **{name: theirs(v) for name, v in given.items()})
    found = net(*inputs, **given)
    assert isinstance(found, tuple) == isinstance(want, tuple)
    for a, b in zip(leaves(found), leaves(want), strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            np.testing.assert_allclose(a, b.numpy(), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("engine", ["native", "reference"])
@pytest.mark.parametrize("padding_idx", [2, -1])
def test_the_row_of_padding_has_no_gradient_whatever_is_in_it(padding_idx: int, engine: str) -> None:
    table, t = numbers(5, 3), np.array([[0, 2, 4, 2], [4, 4, 1, 2]])
    net, other = nn.Embedding(5, 3, padding_idx), torch.nn.Embedding(5, 3, padding_idx).double()
    net.load_state_dict({"weight": table})
    other.load_state_dict({"weight": torch.tensor(table)})
    y, want = net(t, engine=engine), other(torch.tensor(t))
    np.testing.assert_array_equal(y, want.detach().numpy())
    seed = numbers(*want.shape)
    (want * torch.tensor(seed)).sum().backward()
    _, gradients = cr.value_and_grad(net, Total(lambda y, _: (y[0] * seed).sum()))(t, np.zeros((2, 1)), engine=engine)
    np.testing.assert_allclose(gradients["weight"], other.weight.grad.numpy(), rtol=1e-12)
    np.testing.assert_array_equal(F.embedding(t, table, padding_idx), y)
    np.testing.assert_array_equal(net(np.array(2)), table[2])


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"max_norm": 1.0}, r"^max_norm=1\.0: .*; accepted: None"),
        ({"sparse": True}, r"^sparse=True: .*; accepted: False"),
        ({"scale_grad_by_freq": True}, r"^scale_grad_by_freq=True: .*; accepted: False"),
        ({"padding_idx": 5}, r"^padding_idx=5: accepted: a row of the table, or None"),
    ],
)
def test_what_embeddings_refuse(given: dict[str, Any], problem: str) -> None:
    with pytest.raises(cr.ChainruleError, match=problem):
        nn.Embedding(5, 3, **given)
    with pytest.raises(cr.ChainruleError, match=problem):
        F.embedding(np.array([1]), numbers(5, 3), **given)


def test_no_gradient_goes_through_what_is_detached() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            self.w = nn.Parameter(np.float64([2.0, 3.0]))

        def forward(self, x: Any) -> Any:
            return x * self.w * self.w.detach() + x.detach()

    net = Net().astype(np.float64)
    _, gradients = cr.value_and_grad(net, Total(lambda y, _: y[0].sum()))(np.array([[5.0, 7.0]]), np.zeros((1, 1)))
    np.testing.assert_array_equal(gradients["w"], [10, 21])
    np.testing.assert_array_equal(gradients["input"], [[4, 9]])


@pytest.mark.parametrize("engine", ["native", "reference"])
@pytest.mark.parametrize(
    ("shape", "size"), [((2, 3, 7), 3), ((3, 8), 4), ((2, 2, 5, 7), (3, None)), ((2, 6, 4), (3, 2)), ((1, 2, 5, 4, 3), (2, 3, 1))]
)
def test_places_of_adaptive_pools(shape: tuple[int, ...], size: Any, engine: str) -> None:
    x = RNG.integers(0, 4, shape).astype(float)  # the first of equal ones wins
    axes = len(size) if isinstance(size, tuple) else 1
    theirs = getattr(torch.nn, f"AdaptiveMaxPool{axes}d")(size, return_indices=True)
    ours = getattr(nn, f"AdaptiveMaxPool{axes}d")(size, return_indices=True)
    function = getattr(F, f"adaptive_max_pool{axes}d")
    for found in (ours(x, engine=engine), function(x, size, True), function(x, size, return_indices=True)):
        for a, b in zip(found, theirs(torch.tensor(x)), strict=True):
            np.testing.assert_array_equal(a, b.numpy())
    assert isinstance(function(x, size), np.ndarray)


@pytest.mark.parametrize("momentum", [None, 0.0, 1.0])
def test_statistics_of_instances_follow_with_the_share_that_pytorch_takes(momentum: float | None) -> None:
    """Without a momentum they stay as they are: there is no count of batches, as batch normalisation has."""
    net, other = (m.InstanceNorm1d(2, momentum=momentum, track_running_stats=True) for m in (nn, torch.nn))
    x = numbers(3, 2, 4)
    net.init(0, np.float64)
    other.double()(torch.tensor(x))
    cr.fit(net, nn.MSELoss(), cr.optim.SGD(1e-9), (x, x), epochs=1, batch_size=3)
    for name, v in other.state_dict().items():
        np.testing.assert_allclose(net.state_dict()[name], v.numpy(), rtol=1e-12, atol=1e-15, err_msg=name)


@pytest.mark.parametrize(("axes", "sizes", "shape"), [(1, (2, 3, 2), (2, 2, 6)), (2, (2, (3, 2), (2, 3)), (1, 6, 6)), (3, (1, 2), (2, 1, 3, 5, 2))])
def test_norms_of_windows_that_reach_beyond_the_end(axes: int, sizes: Any, shape: tuple[int, ...]) -> None:
    """PyTorch takes the mean of what is inside for the mean of the window: as if the places outside were as large as the others."""
    x = numbers(*shape) ** 2
    net, other = (getattr(m, f"LPPool{axes}d")(*sizes, ceil_mode=True) for m in (nn, torch.nn))
    np.testing.assert_allclose(net(x), other(torch.tensor(x)).numpy(), rtol=1e-12)


def test_groups_of_one_value_are_their_bias_where_there_are_several_samples() -> None:
    net, other = nn.GroupNorm(2, 2).init(0, np.float64), torch.nn.GroupNorm(2, 2).double()
    for m in (net.bias, other.bias.data.numpy()):
        m[...] = [0.5, -2]
    x = numbers(3, 2)
    np.testing.assert_allclose(net(x), other(torch.tensor(x)).detach().numpy())
    with pytest.raises(cr.ShapeError, match="one value for each group"):
        net(x[:1])


def test_the_least_eps_is_that_of_the_type_that_is_computed_in() -> None:
    """Without parameters that is the input's, in a call and in training."""
    net, other = nn.RMSNorm(2, elementwise_affine=False), torch.nn.RMSNorm(2, elementwise_affine=False)
    x = numbers(3, 2) * 1e-4
    t = torch.tensor(x, requires_grad=True)
    want = other(t)
    (want**2).sum().backward()
    np.testing.assert_allclose(net(x), want.detach().numpy(), rtol=1e-12)
    _, gradients = cr.value_and_grad(net, Total(lambda y, _: (y[0] ** 2).sum()))(x, x)
    np.testing.assert_allclose(gradients["input"], t.grad.numpy(), rtol=1e-9, atol=1e-9)
