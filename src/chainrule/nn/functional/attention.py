"""Attention, with PyTorch's names and arguments."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...errors import ArgumentError, ShapeError
from ..tensors import Symbol
from .activation import softmax
from .common import Tensor, tensor
from .shape import dropout


def turned(x: Tensor) -> Tensor:
    """The last two axes exchanged."""
    order = (*range(x.ndim - 2), x.ndim - 1, x.ndim - 2)
    return x.permute(*order) if isinstance(x, Symbol) else x.transpose(order)


def masked(scores: Tensor, mask: Any) -> Tensor:
    """Scores with numbers added, or -inf where a mask of yes and no says no."""
    if isinstance(mask, np.ndarray) and mask.dtype == bool:
        return scores + np.where(mask, 0.0, -np.inf).astype(scores.dtype if isinstance(scores, np.ndarray) else np.float32)
    return scores + mask


def causal(rows: int, columns: int) -> np.ndarray:
    """Whether a place comes no later than the one that looks."""
    return np.tril(np.ones((rows, columns), bool))


def attention(
    query: Tensor, key: Tensor, value: Tensor, mask: Any = None, is_causal: bool = False, scale: float | None = None, p: float = 0.0, seed: Any = 0
) -> tuple[Tensor, Tensor]:
    """(values weighted, weights): softmax(q k / sqrt(width)) v over the last two axes."""
    q, k, v = tensor(query, "query"), tensor(key, "key"), tensor(value, "value")
    if min(q.ndim, k.ndim, v.ndim) < 2 or q.shape[-1] != k.shape[-1] or k.shape[-2] != v.shape[-2]:
        raise ShapeError(f"attention of {list(q.shape)}, {list(k.shape)}, {list(v.shape)}: accepted: query [*, T, D], key [*, S, D], value [*, S, E]")
    if is_causal and mask is not None:
        raise ArgumentError("is_causal=True with attn_mask: accepted: one of them")
    scores = (q @ turned(k)) * (1 / math.sqrt(q.shape[-1]) if scale is None else scale)
    if is_causal:
        mask = causal(q.shape[-2], k.shape[-2])
    if mask is not None:
        scores = masked(scores, mask)
    weights = softmax(scores, -1)
    return dropout(weights, p, p > 0, seed) @ v, weights


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
    """softmax(q k / sqrt(width)) v over the last two axes. attn_mask: numbers that are added, or (bool) what is kept."""
    if enable_gqa:
        raise ArgumentError("enable_gqa=True: not in this function; accepted: False (repeat the heads of key and value)")
    return attention(query, key, value, attn_mask, is_causal, scale, dropout_p)[0]
