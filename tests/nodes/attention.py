"""Attention: heads, past keys, masks, soft caps."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from chainrule.nn import functional as F

from .node import Node


def heads(x: Any, count: int | None) -> Any:
    """[samples, heads, places, width] of [samples, places, heads * width]."""
    return x if x.ndim == 4 else x.reshape(*x.shape[:2], count, -1).transpose(0, 2, 1, 3)


def repeated(x: Any, times: int) -> Any:
    """Every head several times in a row."""
    if times == 1:
        return x
    n, h, s, d = x.shape
    return F.stack([x] * times, 2).reshape(n, h * times, s, d)


def _mask(node: Node, q: Any, k: Any, past: int) -> Any:
    """What is added to the scores."""
    t, s = q.shape[2], k.shape[2]
    found = np.zeros((t, s))
    mask = node.at(3)
    if mask is not None:
        mask = np.where(mask, 0.0, -np.inf) if mask.dtype == bool else mask.astype(float)
        mask = np.pad(mask, [(0, 0)] * (mask.ndim - 1) + [(0, s - mask.shape[-1])], constant_values=-np.inf)
        found = found + mask
    lengths = node.at(6)
    found = found + np.where(_window(node, t, s, past, lengths), 0.0, -np.inf)
    if lengths is not None:
        found = found + np.where(np.arange(s) < np.asarray(lengths).reshape(-1, 1, 1, 1), 0.0, -np.inf)
    return found


def _window(node: Node, t: int, s: int, past: int, lengths: Any) -> Any:
    """Which keys a query sees by its place."""
    offset = np.asarray(lengths).reshape(-1, 1, 1, 1) - t if lengths is not None and not past else past
    behind = np.arange(t)[:, None] + offset - np.arange(s)
    left, right = node.get("left_window_size", -1), node.get("right_window_size", -1)
    seen = np.ones(behind.shape, bool)
    if node["is_causal"]:
        seen &= behind >= 0
    if left is not None and left >= 0:
        seen &= behind <= left
    if right is not None and right >= 0:
        seen &= -behind <= right
    return seen


def attention(node: Node) -> Any:
    q, k, v = heads(node.at(0), node.get("q_num_heads")), heads(node.at(1), node.get("kv_num_heads")), heads(node.at(2), node.get("kv_num_heads"))
    past = 0 if node.at(4) is None else node.at(4).shape[2]
    if past:
        k, v = F.cat([node.at(4), k], 2), F.cat([node.at(5), v], 2)
    present = (k, v)
    times = q.shape[1] // k.shape[1]
    scale = node.get("scale") or 1 / math.sqrt(q.shape[-1])
    mask = _mask(node, q, k, past).astype(np.float32)
    plain = not node["softcap"] and not node.wants(3) and node.get("softmax_precision") is None
    if plain:
        y = F.scaled_dot_product_attention(q, k, v, mask if np.any(mask) else None, scale=scale, enable_gqa=times > 1)
        scores = None
    else:
        y, scores = _shown(node, q, repeated(k, times), repeated(v, times), mask, scale)
    if node.at(0).ndim == 3:
        y = y.transpose(0, 2, 1, 3).reshape(*node.at(0).shape[:2], -1)
    return (y, *present, scores)


def _shown(node: Node, q: Any, k: Any, v: Any, mask: Any, scale: float) -> tuple[Any, Any]:
    """The same in steps, one of which is asked for."""
    raw = (q @ k.transpose(0, 1, 3, 2)) * scale
    capped = F.tanh(raw / node["softcap"]) * node["softcap"] if node["softcap"] else raw
    masked = capped + mask
    seen = np.isfinite(mask).any(-1, keepdims=True).astype(mask.dtype)
    weights = F.where(seen, F.softmax(masked, -1), 0.0)
    return weights @ v, [capped, capped, masked, weights][node["qk_matmul_output_mode"]]
