"""Attention, with PyTorch's names and arguments."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ...errors import ArgumentError, ShapeError
from ..arguments import flag
from ..patterns import along
from ..tensors import Symbol
from ..trace import is_logical
from .activation import softmax
from .common import Tensor, made, tensor, where
from .shape import dropout


def turned(x: Tensor) -> Tensor:
    """The last two axes exchanged."""
    order = (*range(x.ndim - 2), x.ndim - 1, x.ndim - 2)
    return x.permute(*order) if isinstance(x, Symbol) else x.transpose(order)


def masked(scores: Tensor, mask: Any) -> Tensor:
    """Scores with numbers added, or -inf where a mask of yes and no says no."""
    if isinstance(mask, np.ndarray) and mask.dtype == bool:
        return scores + np.where(mask, 0.0, -np.inf).astype(scores.dtype if isinstance(scores, np.ndarray) else np.float32)
    return scores + (where(mask, 0.0, -np.inf) if is_logical(mask) else mask)


def causal(rows: int, columns: int) -> np.ndarray:
    """Whether a place comes no later than the one that looks."""
    return np.tril(np.ones((rows, columns), bool))


def attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Any = None,
    is_causal: bool = False,
    scale: float | None = None,
    p: float = 0.0,
    seed: Any = 0,
    weighed: Callable[[Tensor, Any], Tensor] = lambda scores, mask: softmax(scores, -1),
) -> tuple[Tensor, Tensor]:
    """(values weighted, weights): softmax(q k / sqrt(width)) v over the last two axes. weighed: the weights from scores and what masks them."""
    q, k, v = tensor(query, "query"), tensor(key, "key"), tensor(value, "value")
    if min(q.ndim, k.ndim, v.ndim) < 2 or q.shape[-1] != k.shape[-1] or k.shape[-2] != v.shape[-2]:
        raise ShapeError(f"attention of {list(q.shape)}, {list(k.shape)}, {list(v.shape)}: accepted: query [*, T, D], key [*, S, D], value [*, S, E]")
    if is_causal and mask is not None:
        raise ArgumentError("is_causal=True with attn_mask: accepted: one of them")
    scores = _by_heads(q, turned(k)) * (1 / math.sqrt(q.shape[-1]) if scale is None else scale)
    if is_causal:
        mask = causal(q.shape[-2], k.shape[-2])
    if mask is not None:
        scores = masked(scores, mask)
    weights = weighed(scores, mask)
    return _by_heads(dropout(weights, p, p > 0, seed=seed), v), weights


def _by_heads(a: Tensor, b: Tensor) -> Tensor:
    """a @ b, where b may have fewer heads (the axis before the last two), each for as many neighbours of a."""
    if min(a.ndim, b.ndim) < 3 or a.shape[-3] == b.shape[-3] or 1 in (a.shape[-3], b.shape[-3]):
        return a @ b
    rows = a.reshape(*a.shape[:-3], b.shape[-3], a.shape[-3] // b.shape[-3] * a.shape[-2], a.shape[-1])
    return (rows @ b).reshape(*a.shape[:-1], b.shape[-1])


EMPTY_ROWS = [
    "{top} = max[{k}]({x})",
    "{e} = where({top} > -inf, exp({x} - {top}), 0)",
    "{total} = sum[{k}]({e})",
    "{y} = where({total} > 0, {e} / {total}, 0)",
]


def _or_nothing(scores: Tensor, mask: Any) -> Tensor:
    """softmax over the last axis, and 0 where a mask leaves nothing of it."""
    if mask is None or (isinstance(mask, np.ndarray) and not _hides(mask).all(-1).any()):
        return softmax(scores, -1)
    return made(lambda p: along(p, "softmax", len(p.shape) - 1, EMPTY_ROWS), scores)


def _hides(mask: np.ndarray) -> np.ndarray:
    return ~mask if mask.dtype == bool else np.isneginf(mask)


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """softmax(q k / sqrt(width)) v over the last two axes; 0 where a mask leaves nothing. attn_mask: numbers that are added, or (bool)
    what is kept. enable_gqa: key and value may have fewer heads (the axis before), each for as many neighbours of query's."""
    q, k, v = tensor(query, "query"), tensor(key, "key"), tensor(value, "value")
    if flag(enable_gqa, "enable_gqa") and (min(q.ndim, k.ndim, v.ndim) < 3 or q.shape[-3] % k.shape[-3] or k.shape[-3] != v.shape[-3]):
        raise ShapeError(
            f"enable_gqa=True of {list(q.shape)}, {list(k.shape)}, {list(v.shape)}: accepted: query [*, H, T, D], and key and value of as many heads "
            "as each other, whose number divides H"
        )
    if not enable_gqa and min(q.ndim, k.ndim, v.ndim) > 2:
        for x in (k, v):
            if x.shape[-3] != q.shape[-3] and 1 not in (x.shape[-3], q.shape[-3]):
                raise ShapeError(f"attention of {q.shape[-3]} heads with {x.shape[-3]}: accepted: equal numbers, or enable_gqa=True")
    return attention(q, k, v, attn_mask, is_causal, scale, dropout_p, weighed=_or_nothing)[0]
