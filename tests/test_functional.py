"""Functions of tensors, at sizes and arguments where they are easily wrong."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.nn import functional as F

rng = np.random.default_rng(0)


class Of(nn.Module):
    """A network that is one function."""

    def __init__(self, function):
        self.function = function

    def forward(self, *inputs):
        return self.function(*inputs)


def test_one_tensor_alone_is_joined_too() -> None:
    x = rng.normal(size=(3, 4))
    np.testing.assert_array_equal(F.cat([x], 1), x)
    np.testing.assert_array_equal(F.stack([x], 1), x[:, None])
    net = Of(lambda x: F.cat([x], 1) + F.stack([x])[0])
    np.testing.assert_array_equal(net(x), 2 * x)
    np.testing.assert_array_equal(net(x, engine="reference"), 2 * x)


def by_hand(q: np.ndarray, k: np.ndarray, v: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
    """Attention of few heads of k and v, each for as many neighbours of q; rows that see nothing are 0."""
    k, v = (np.repeat(a, q.shape[1] // a.shape[1], 1) for a in (k, v))
    scores = q @ k.transpose(0, 1, 3, 2) / np.sqrt(q.shape[-1])
    e = np.exp(scores) * (1 if mask is None else mask)
    total = e.sum(-1, keepdims=True)
    return np.where(total > 0, e / np.where(total > 0, total, 1), 0) @ v


@pytest.mark.parametrize("engine", ["reference", "native"])
def test_heads_of_keys_serve_several_of_queries(engine: str) -> None:
    q, k, v = rng.normal(size=(2, 6, 3, 4)), rng.normal(size=(2, 2, 5, 4)), rng.normal(size=(2, 2, 5, 3))
    net = Of(lambda q, k, v: F.scaled_dot_product_attention(q, k, v, enable_gqa=True))
    np.testing.assert_allclose(net(q, k, v, engine=engine), by_hand(q, k, v), rtol=1e-12)
    np.testing.assert_allclose(F.scaled_dot_product_attention(q, k, v, enable_gqa=True), by_hand(q, k, v), rtol=1e-12)


def test_numbers_of_heads_that_do_not_fit_are_refused() -> None:
    q, k = rng.normal(size=(2, 6, 3, 4)), rng.normal(size=(2, 4, 3, 4))
    with pytest.raises(cr.ChainruleError, match=r"enable_gqa=True of .*divides H"):
        F.scaled_dot_product_attention(q, k, k, enable_gqa=True)
    with pytest.raises(cr.ChainruleError, match="attention of 6 heads with 4: accepted: equal numbers, or enable_gqa=True"):
        F.scaled_dot_product_attention(q, k, k)


@pytest.mark.parametrize("engine", ["reference", "native"])
def test_a_row_that_sees_nothing_gives_zeros(engine: str) -> None:
    q, k, v = rng.normal(size=(2, 1, 3, 4)), rng.normal(size=(2, 1, 3, 4)), rng.normal(size=(2, 1, 3, 2))
    mask = np.array([[1, 1, 0], [0, 0, 0], [0, 1, 0]], bool)
    net = Of(lambda q, k, v: F.scaled_dot_product_attention(q, k, v, mask))
    np.testing.assert_allclose(net(q, k, v, engine=engine), by_hand(q, k, v, mask), rtol=1e-12)
    added = np.where(mask, 0.0, -np.inf)
    _, gradients = cr.value_and_grad(Of(lambda q: F.scaled_dot_product_attention(q, k[:1], v[:1], added)), nn.MSELoss())(q, v, engine=engine)
    assert np.isfinite(gradients["input"]).all() and not gradients["input"][:, :, 1].any() and gradients["input"][:, :, 0].any()


def windows_by_hand(x: np.ndarray, k: int, s: int, p: int, d: int, e: int, z: int, more: int, of) -> list[float]:
    """of(numbers of a window that are inside, how many of its places are inside x or what counts of its padding)."""
    found = []
    for i in range((len(x) + 2 * p - d * (k - 1) - 1) // s + 1 + more):
        at = s * i - p + d * np.arange(k)
        found.append(of(x[at[(at >= 0) & (at < len(x))]], ((at >= -e) & (at < len(x) + z)).sum()))
    return found


@pytest.mark.parametrize(
    ("k", "s", "p", "d", "e", "z", "more"), [(3, 2, 2, 3, 1, 2, 1), (2, 3, 1, 4, 0, 0, 0), (3, 1, 0, 1, 0, 0, 1), (2, 1, 1, 2, 1, 1, 0)]
)
def test_means_and_norms_of_windows_with_gaps(k: int, s: int, p: int, d: int, e: int, z: int, more: int) -> None:
    x = rng.normal(size=11)
    how = {"k": k, "s": s, "p": p, "d": d, "more": more}
    for engine in ("reference", "native"):
        y = cr.ops.avg_pool_inside(x[None, None], engine=engine, e=e, z=z, **how)
        np.testing.assert_allclose(y[0, 0], windows_by_hand(x, k, s, p, d, e, z, more, lambda v, n: v.sum() / n), rtol=1e-12)
        y = cr.ops.lp_pool(x[None, None], engine=engine, norm=4.0, **how)
        np.testing.assert_allclose(y[0, 0], windows_by_hand(x, k, s, p, d, e, z, more, lambda v, n: (v**4).sum() ** 0.25), rtol=1e-12)


@pytest.mark.parametrize("value", [-np.inf, np.inf])
def test_what_is_put_around_may_be_infinite(value: float) -> None:
    x = rng.normal(size=(3, 2, 4))
    want = np.pad(x[:, :, 1:], ((0, 0), (2, 1), (0, 3)), constant_values=value)
    np.testing.assert_array_equal(F.pad(x, (-1, 3, 2, 1), value=value), want)
    np.testing.assert_array_equal(F.pad(x.astype(np.float32), (-1, 3, 2, 1), value=value), want.astype(np.float32))
    np.testing.assert_array_equal(F.pad(x[0], (0, 0, 1, 0), value=value), np.pad(x[0], ((1, 0), (0, 0)), constant_values=value))
    net = Of(lambda x: F.pad(x, (-1, 3, 2, 1), value=value))
    for engine in ("reference", "native"):
        np.testing.assert_array_equal(net(x, engine=engine), want)
        pooled = Of(lambda x: F.max_pool1d(F.pad(x, (0, 3), value=-np.inf), 2, 1))
        loss, gradients = cr.value_and_grad(pooled, lambda y, t: (F.maximum(y, -9.0) * t).sum())(x, np.ones((3, 2, 6)), engine=engine)
        assert np.isfinite(loss) and gradients["input"][:, :, -1].all() and gradients["input"].sum() == 3 * 2 * 4
