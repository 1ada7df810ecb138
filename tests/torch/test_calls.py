"""Layers called on arrays take what PyTorch's call takes, and give what it gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from chainrule import nn

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
