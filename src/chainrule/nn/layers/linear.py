"""Fully connected layers, tables and dropout, with PyTorch's names, arguments and defaults."""

from __future__ import annotations

import math
from typing import Any

from .. import functional as F
from ..arguments import flag, real, whole
from ..functional.shape import padding_row, plain_rows
from ..values import Counter, Parameter
from .base import Layer, bias_of


class Linear(Layer):
    """Fully connected layer on the last axis, y = b + w x (ops.linear).

    Parameters weight [out, in] and bias [out], uniform in ±1/sqrt(in) at first, as in PyTorch.
    """

    arguments = ("in_features", "out_features")
    wanted = ("bias",)

    def __init__(self, in_features: int, out_features: int, bias: bool = True):
        self.in_features, self.out_features = whole(in_features, "in_features"), whole(out_features, "out_features")
        has_bias = flag(bias, "bias")
        bound = 1 / math.sqrt(self.in_features)
        self.weight = Parameter((self.out_features, self.in_features), bound)
        bias_of(self, self.out_features, bound, has_bias)

    def forward(self, x: Any) -> Any:
        return F.linear(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


class Bilinear(Layer):
    """Sums of products of two inputs (ops.bilinear).

    Parameters weight [out, in1, in2] and bias [out], uniform in ±1/sqrt(in1) at first, as in PyTorch.
    """

    arguments = ("in1_features", "in2_features", "out_features")
    wanted = ("bias",)

    def __init__(self, in1_features: int, in2_features: int, out_features: int, bias: bool = True):
        self.in1_features, self.in2_features = whole(in1_features, "in1_features"), whole(in2_features, "in2_features")
        self.out_features, has_bias = whole(out_features, "out_features"), flag(bias, "bias")
        bound = 1 / math.sqrt(self.in1_features)
        self.weight = Parameter((self.out_features, self.in1_features, self.in2_features), bound)
        bias_of(self, self.out_features, bound, has_bias)

    def forward(self, input1: Any, input2: Any) -> Any:
        return F.bilinear(input1, input2, self.weight, self.bias)

    def extra_repr(self) -> str:
        sizes = f"in1_features={self.in1_features}, in2_features={self.in2_features}, out_features={self.out_features}"
        return f"{sizes}, bias={self.bias is not None}"


class Embedding(Layer):
    """Rows of a table for whole numbers (ops.embedding).

    Parameter weight [num_embeddings, embedding_dim], normal numbers at first (as in PyTorch), zeros in the row padding_idx, which
    has no gradient.
    """

    arguments = ("num_embeddings", "embedding_dim", "padding_idx")

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
    ):
        self.num_embeddings, self.embedding_dim = whole(num_embeddings, "num_embeddings"), whole(embedding_dim, "embedding_dim")
        plain_rows(max_norm, norm_type, scale_grad_by_freq, sparse)
        self.padding_idx = padding_row(padding_idx, self.num_embeddings)
        self.weight = Parameter((self.num_embeddings, self.embedding_dim), deviation=1.0, blank=self.padding_idx)

    def forward(self, x: Any) -> Any:
        return F.embedding(x, self.weight, self.padding_idx)

    def extra_repr(self) -> str:
        return f"{self.num_embeddings}, {self.embedding_dim}" + self.told(padding_idx=None)


class _Dropout(Layer):
    """In training, values are 0 with probability p, and else divided by 1 - p. Which ones is a function of the step's number and of a
    number that is drawn by `init`; nothing is stored."""

    arguments = ("p",)
    channels = False
    step: Any

    def __init__(self, p: float = 0.5, inplace: bool = False):
        self.p = real(p, "p", 0, 1)
        flag(inplace, "inplace")
        self._hold("step", Counter())

    def forward(self, x: Any) -> Any:
        if not self.training or not self.p:
            return x
        self.step = self.step + 1
        drop = F.dropout_channels if self.channels else F.dropout
        return drop(x, self.p, True, seed=self.step)

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace=False"


class Dropout(_Dropout):
    """Dropout of single values (ops.dropout)."""


class Dropout1d(_Dropout):
    """Dropout of whole channels (ops.dropout_channels)."""

    channels = True


class Dropout2d(Dropout1d):
    """Dropout of whole channels of images (ops.dropout_channels)."""


class Dropout3d(Dropout1d):
    """Dropout of whole channels of volumes (ops.dropout_channels)."""
