"""Cells of recurrent networks: one step each, with PyTorch's names, arguments and defaults."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...errors import ShapeError
from .. import functional as F
from ..arguments import choice, flag, whole
from ..tensors import Symbol
from ..values import Parameter
from .base import Layer


class _Cell(Layer):
    """Parameters weight_ih [gates * hidden, input], weight_hh [gates * hidden, hidden] and biases, uniform in ±1/sqrt(hidden) at first."""

    arguments: tuple[str, ...] = ("input_size", "hidden_size", "bias")
    gates = 1

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True):
        self.input_size, self.hidden_size, self.bias = whole(input_size, "input_size"), whole(hidden_size, "hidden_size"), flag(bias, "bias")
        rows, bound = self.gates * self.hidden_size, 1 / math.sqrt(self.hidden_size)
        self.weight_ih, self.weight_hh = Parameter((rows, self.input_size), bound), Parameter((rows, self.hidden_size), bound)
        self.register_parameter("bias_ih", Parameter((rows,), bound) if self.bias else None)
        self.register_parameter("bias_hh", Parameter((rows,), bound) if self.bias else None)

    def begun(self, x: Any, h: Any, what: str) -> Any:
        """A state of zeros, where none is given."""
        if x.ndim not in (1, 2) or x.shape[-1] != self.input_size:
            raise ShapeError(f"{type(self).__name__} of {list(x.shape)}: accepted: [samples, {self.input_size}], or [{self.input_size}]")
        wanted = (*x.shape[:-1], self.hidden_size)
        if h is None:
            zeros = np.zeros(self.hidden_size, np.float32)
            return x[..., 0:1] * 0.0 + zeros if isinstance(x, Symbol) else np.zeros(wanted, x.dtype)
        if tuple(h.shape) != wanted:
            raise ShapeError(f"{what} of {list(h.shape)}: accepted: {list(wanted)}")
        return h

    def parts(self, x: Any, h: Any) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """What input and state give to each gate."""
        own, before = F.linear(x, self.weight_ih, self.bias_ih), F.linear(h, self.weight_hh, self.bias_hh)
        return F.chunk(own, self.gates, -1), F.chunk(before, self.gates, -1)

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}" + self.told(bias=True)


class RNNCell(_Cell):
    """h' = tanh(W x + b + U h + c), or relu of it."""

    arguments = ("input_size", "hidden_size", "bias", "nonlinearity")

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, nonlinearity: str = "tanh"):
        super().__init__(input_size, hidden_size, bias)
        self.nonlinearity = choice(nonlinearity, "nonlinearity", ("tanh", "relu"))

    def forward(self, x: Any, h: Any = None) -> Any:
        (a,), (b,) = self.parts(x, self.begun(x, h, "hx"))
        return (F.tanh if self.nonlinearity == "tanh" else F.relu)(a + b)

    def extra_repr(self) -> str:
        return super().extra_repr() + self.told(nonlinearity="tanh")


class GRUCell(_Cell):
    """h' = (1 - z) n + z h with gates r, z and n = tanh(W x + b + r (U h + c)). Source: Cho et al., 2014."""

    gates = 3

    def forward(self, x: Any, h: Any = None) -> Any:
        h = self.begun(x, h, "hx")
        (xr, xz, xn), (hr, hz, hn) = self.parts(x, h)
        r, z = F.sigmoid(xr + hr), F.sigmoid(xz + hz)
        n = F.tanh(xn + r * hn)
        return (1 - z) * n + z * h


class LSTMCell(_Cell):
    """(h', c') with c' = f c + i g and h' = o tanh(c'). Source: Hochreiter and Schmidhuber, 1997."""

    gates = 4

    def forward(self, x: Any, state: Any = None) -> Any:
        h, c = state if state is not None else (None, None)
        h, c = self.begun(x, h, "h"), self.begun(x, c, "c")
        own, before = self.parts(x, h)
        i, f, g, o = (a + b for a, b in zip(own, before, strict=True))
        c = F.sigmoid(f) * c + F.sigmoid(i) * F.tanh(g)
        return F.sigmoid(o) * F.tanh(c), c
