"""Attention as a layer, with PyTorch's names, arguments and defaults."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...errors import ArgumentError, ShapeError
from .. import functional as F
from ..arguments import flag, real, whole
from ..functional.attention import attention, causal
from ..trace import is_logical
from ..values import Counter, Parameter
from .base import Layer
from .linear import Linear


class MultiheadAttention(Layer):
    """Attention in several heads side by side (functional.scaled_dot_product_attention). Source: Vaswani et al., 2017.

    Parameters as in PyTorch: in_proj_weight [3 embed_dim, embed_dim] (or q_proj_weight, k_proj_weight and v_proj_weight where kdim or
    vdim differ), in_proj_bias, bias_k, bias_v, out_proj.weight, out_proj.bias. Gives (output, weights), weights None unless asked for.
    """

    arguments = ("embed_dim", "num_heads", "dropout", "add_zero_attn", "kdim", "vdim", "batch_first")
    step: Any

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
    ):
        self.embed_dim, self.num_heads, self.dropout = whole(embed_dim, "embed_dim"), whole(num_heads, "num_heads"), real(dropout, "dropout", 0, 1)
        if self.embed_dim % self.num_heads:
            raise ArgumentError(f"embed_dim={embed_dim}: {num_heads} heads do not divide it; accepted: a multiple of num_heads")
        self.kdim, self.vdim = (embed_dim if v is None else whole(v, w) for v, w in ((kdim, "kdim"), (vdim, "vdim")))
        self.add_zero_attn, self.batch_first = flag(add_zero_attn, "add_zero_attn"), flag(batch_first, "batch_first")
        e = self.embed_dim
        self._same = self.kdim == self.vdim == e
        bound = math.sqrt(6 / (4 * e))
        self.register_parameter("in_proj_weight", Parameter((3 * e, e), bound) if self._same else None)
        for name, size in (("q_proj_weight", e), ("k_proj_weight", self.kdim), ("v_proj_weight", self.vdim)):
            self.register_parameter(name, None if self._same else Parameter((e, size), math.sqrt(6 / (e + size))))
        self.register_parameter("in_proj_bias", Parameter(np.zeros(3 * e)) if flag(bias, "bias") else None)
        for name in ("bias_k", "bias_v"):
            self.register_parameter(name, Parameter((1, 1, e), deviation=1 / math.sqrt(e)) if flag(add_bias_kv, "add_bias_kv") else None)
        self.out_proj = Linear(e, e, bias=bias)
        if bias:
            self.out_proj.bias = Parameter(np.zeros(e))
        if self.dropout:
            self._hold("step", Counter())

    def config(self) -> dict[str, object]:
        return {**(super().config() or {}), "bias": self.in_proj_bias is not None, "add_bias_kv": self.bias_k is not None}

    def forward(
        self,
        query: Any,
        key: Any,
        value: Any,
        key_padding_mask: Any = None,
        need_weights: bool = True,
        attn_mask: Any = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> Any:
        if query.ndim not in (2, 3) or not query.ndim == key.ndim == value.ndim:
            raise ShapeError(f"MultiheadAttention of {query.ndim}, {key.ndim} and {value.ndim} axes: accepted: 3 each, or 2 for one sample")
        alone = query.ndim == 2
        rows = [x.reshape(1, *x.shape) if alone else x if self.batch_first else x.transpose(0, 1) for x in (query, key, value)]
        q, k, v = self._projected(*rows)
        k, v, mask = self._longer(k, v, self._mask(q, k, key_padding_mask, attn_mask, is_causal))
        n = q.shape[0]
        q, k, v = (self._split(x) for x in (q, k, v))
        seed: Any = 0
        p = self.dropout if self.training else 0.0
        if p:
            self.step = self.step + 1
            seed = self.step
        out, weights = attention(q, k, v, mask, p=p, seed=seed)
        y = self.out_proj(out.permute(0, 2, 1, 3).reshape(n, -1, self.embed_dim))
        y = y.reshape(y.shape[1:]) if alone else y if self.batch_first else y.transpose(0, 1)
        if not need_weights:
            return y, None
        weights = weights.mean(1) if average_attn_weights else weights
        return y, weights.reshape(weights.shape[1:]) if alone else weights

    def _projected(self, query: Any, key: Any, value: Any) -> list[Any]:
        e = self.embed_dim
        weights = (
            [self.in_proj_weight[k * e : (k + 1) * e] for k in range(3)]
            if self._same
            else [self.q_proj_weight, self.k_proj_weight, self.v_proj_weight]
        )
        biases = [None] * 3 if self.in_proj_bias is None else [self.in_proj_bias[k * e : (k + 1) * e] for k in range(3)]
        return [F.linear(x, w, b) for x, w, b in zip((query, key, value), weights, biases, strict=True)]

    def _split(self, x: Any) -> Any:
        """[samples, heads, places, width] of [samples, places, heads * width]."""
        return x.reshape(*x.shape[:2], self.num_heads, -1).permute(0, 2, 1, 3)

    def _mask(self, q: Any, k: Any, padding: Any, mask: Any, is_causal: bool) -> Any:
        """What is added to the scores [samples, heads, T, S]. In masks of yes and no, yes is left out, as in PyTorch."""
        found: Any = None
        if is_causal and mask is None:
            mask = ~causal(q.shape[1], k.shape[1])
        if mask is not None:
            m = _added(mask)
            found = m.reshape(q.shape[0], self.num_heads, *m.shape[-2:]) if m.ndim == 3 else m
        if padding is not None:
            m = _added(padding)
            m = m.reshape(-1, 1, 1, m.shape[-1])
            found = m if found is None else found + m
        return found

    def _longer(self, k: Any, v: Any, mask: Any) -> tuple[Any, Any, Any]:
        """Keys and values with those that stand behind them: biases, and zeros."""
        zero = k[:, 0:1] * 0.0
        more = 0
        if self.bias_k is not None:
            k, v, more = F.cat([k, zero + self.bias_k], 1), F.cat([v, zero + self.bias_v], 1), more + 1
        if self.add_zero_attn:
            k, v, more = F.cat([k, zero], 1), F.cat([v, zero], 1), more + 1
        if mask is not None and more:
            mask = F.pad(mask, (0, more)) if not isinstance(mask, np.ndarray) else np.pad(mask, [(0, 0)] * (mask.ndim - 1) + [(0, more)])
        return k, v, mask


def _added(mask: Any) -> Any:
    if is_logical(mask):
        return F.where(mask, -np.inf, 0.0)
    return mask
