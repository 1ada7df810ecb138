"""Activations as layers, with PyTorch's names, arguments and defaults; their formulas are ops.<name>."""

from __future__ import annotations

from typing import Any

from ...errors import ArgumentError
from .. import functional as F
from ..arguments import choice, flag, is_whole, real, whole
from ..values import Parameter
from .base import Layer


class Pointwise(Layer):
    """A function of each element."""

    def __init__(self, inplace: bool = False):
        flag(inplace, "inplace")  # memory is the engine's matter


class Bare(Layer):
    """A function of each element that has no arguments."""

    def __init__(self) -> None:
        pass


class ReLU(Pointwise):
    """max(0, x); relu'(0) = 0."""

    def forward(self, x: Any) -> Any:
        return F.relu(x)


class Sigmoid(Bare):
    """1 / (1 + exp(-x))."""

    def forward(self, x: Any) -> Any:
        return F.sigmoid(x)


class Tanh(Bare):
    """The hyperbolic tangent."""

    def forward(self, x: Any) -> Any:
        return F.tanh(x)


class SELU(Pointwise):
    """The scaled ELU."""

    def forward(self, x: Any) -> Any:
        return F.selu(x)


class SiLU(Pointwise):
    """x sigmoid(x)."""

    def forward(self, x: Any) -> Any:
        return F.silu(x)


class Mish(Pointwise):
    """x tanh(softplus(x))."""

    def forward(self, x: Any) -> Any:
        return F.mish(x)


class Hardswish(Pointwise):
    """x times a line from 0 at -3 to 1 at 3."""

    def forward(self, x: Any) -> Any:
        return F.hardswish(x)


class Hardsigmoid(Pointwise):
    """A line from 0 at -3 to 1 at 3."""

    def forward(self, x: Any) -> Any:
        return F.hardsigmoid(x)


class Softsign(Bare):
    """x / (1 + |x|)."""

    def forward(self, x: Any) -> Any:
        return F.softsign(x)


class LogSigmoid(Bare):
    """The logarithm of the sigmoid."""

    def forward(self, x: Any) -> Any:
        return F.logsigmoid(x)


class Tanhshrink(Bare):
    """x - tanh(x)."""

    def forward(self, x: Any) -> Any:
        return F.tanhshrink(x)


class ELU(Layer):
    """x where it is positive, else alpha (exp(x) - 1)."""

    arguments = ("alpha",)

    def __init__(self, alpha: float = 1.0, inplace: bool = False):
        self.alpha = real(alpha, "alpha")
        flag(inplace, "inplace")

    def forward(self, x: Any) -> Any:
        return F.elu(x, self.alpha)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}"


class CELU(ELU):
    """x where it is positive, else alpha (exp(x / alpha) - 1)."""

    def __init__(self, alpha: float = 1.0, inplace: bool = False):
        super().__init__(alpha, inplace)
        if not self.alpha:
            raise ArgumentError("alpha=0: nothing can be divided by it; accepted: a number other than 0")

    def forward(self, x: Any) -> Any:
        return F.celu(x, self.alpha)


class LeakyReLU(Layer):
    """x where it is positive, else negative_slope x."""

    arguments = ("negative_slope",)

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False):
        self.negative_slope = real(negative_slope, "negative_slope")
        flag(inplace, "inplace")

    def forward(self, x: Any) -> Any:
        return F.leaky_relu(x, self.negative_slope)

    def extra_repr(self) -> str:
        return f"negative_slope={self.negative_slope}"


class PReLU(Layer):
    """x where it is positive, else weight x: one weight, or one for each channel."""

    arguments = ("num_parameters", "start")

    def __init__(self, num_parameters: int = 1, init: float = 0.25):
        self.num_parameters, self.start = whole(num_parameters, "num_parameters"), real(init, "init")
        self.weight = Parameter([self.start] * self.num_parameters)

    def forward(self, x: Any) -> Any:
        return F.prelu(x, self.weight)

    def config(self) -> dict[str, object]:
        return {"type": type(self).__name__, "num_parameters": self.num_parameters, "init": self.start}

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"


class Hardtanh(Layer):
    """x between two bounds."""

    arguments = ("min_val", "max_val")

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False):
        self.min_val, self.max_val = real(min_val, "min_val"), real(max_val, "max_val")
        flag(inplace, "inplace")
        if not self.min_val < self.max_val:
            raise ArgumentError(f"min_val={min_val!r}, max_val={max_val!r}: nothing is between them; accepted: a smaller and a larger number")

    def forward(self, x: Any) -> Any:
        return F.hardtanh(x, self.min_val, self.max_val)

    def extra_repr(self) -> str:
        return f"min_val={self.min_val}, max_val={self.max_val}"


class ReLU6(Pointwise):
    """x between 0 and 6."""

    def forward(self, x: Any) -> Any:
        return F.relu6(x)


class GELU(Layer):
    """x times the probability that a normal number is below x; approximate="tanh": by tanh."""

    arguments = ("approximate",)

    def __init__(self, approximate: str = "none"):
        self.approximate = choice(approximate, "approximate", ("none", "tanh"))

    def forward(self, x: Any) -> Any:
        return F.gelu(x, self.approximate)

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


class Softplus(Layer):
    """log(1 + exp(beta x)) / beta, or x where beta x is above the threshold."""

    arguments = ("beta", "threshold")

    def __init__(self, beta: float = 1.0, threshold: float = 20.0):
        self.beta, self.threshold = real(beta, "beta"), real(threshold, "threshold")

    def forward(self, x: Any) -> Any:
        return F.softplus(x, self.beta, self.threshold)

    def extra_repr(self) -> str:
        return f"beta={self.beta}, threshold={self.threshold}"


class Threshold(Layer):
    """x where it is above a threshold, else a value."""

    arguments = ("threshold", "value")

    def __init__(self, threshold: float, value: float, inplace: bool = False):
        self.threshold, self.value = real(threshold, "threshold"), real(value, "value")
        flag(inplace, "inplace")

    def forward(self, x: Any) -> Any:
        return F.threshold(x, self.threshold, self.value)

    def extra_repr(self) -> str:
        return f"threshold={self.threshold}, value={self.value}"


class Hardshrink(Layer):
    """x, but 0 where it is not above lambd in size."""

    arguments = ("lambd",)

    def __init__(self, lambd: float = 0.5):
        self.lambd = real(lambd, "lambd")

    def forward(self, x: Any) -> Any:
        return F.hardshrink(x, self.lambd)

    def extra_repr(self) -> str:
        return f"{self.lambd}"


class Softshrink(Layer):
    """x nearer to 0 by lambd."""

    arguments = ("lambd",)

    def __init__(self, lambd: float = 0.5):
        self.lambd = real(lambd, "lambd", 0)

    def forward(self, x: Any) -> Any:
        return F.softshrink(x, self.lambd)

    def extra_repr(self) -> str:
        return f"{self.lambd}"


class GLU(Layer):
    """One half of an axis times the sigmoid of the other."""

    arguments = ("dim",)

    def __init__(self, dim: int = -1):
        self.dim = axis(dim)

    def forward(self, x: Any) -> Any:
        return F.glu(x, self.dim)  # type: ignore[arg-type]  # an axis is always given here

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


def axis(dim: object) -> Any:
    """A number of an axis."""
    if not is_whole(dim):
        raise ArgumentError(f"dim={dim!r}: not an axis; accepted: a whole number")
    return int(dim)


class Softmax(Layer):
    """exp(z_k) / sum_j exp(z_j) along an axis; without one: the first of 1 or 3 axes, else the second."""

    arguments = ("dim",)

    def __init__(self, dim: int | None = None):
        self.dim: int | None = dim if dim is None else axis(dim)

    def forward(self, x: Any) -> Any:
        return F.softmax(x, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class LogSoftmax(Softmax):
    """The logarithm of softmax along an axis."""

    def forward(self, x: Any) -> Any:
        return F.log_softmax(x, self.dim)


class Softmin(Softmax):
    """softmax of -x along an axis."""

    def forward(self, x: Any) -> Any:
        return F.softmin(x, self.dim)


class Softmax2d(Bare):
    """softmax over the channels of images."""

    def forward(self, x: Any) -> Any:
        if x.ndim not in (3, 4):
            raise ArgumentError(f"Softmax2d of {x.ndim} axes: accepted: 3 or 4")
        return F.softmax(x, -3)
