"""Layers with PyTorch's names, arguments and defaults. Each is an operation with its settings and parameters."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import ArgumentError, ShapeError
from ...operation.op import Op, op
from ..arguments import is_whole
from ..module import Module
from ..trace import tracing
from ..values import Parameter, started


class Layer(Module):
    """A layer of the library: it can be made again from its arguments."""

    arguments: tuple[str, ...] = ()  # names of attributes that are its arguments
    wanted: tuple[str, ...] = ()  # arguments that say whether there is a parameter of their name

    def __init_subclass__(cls) -> None:
        if not _ours(cls) and "config" not in cls.__dict__:  # a class of one's own: a file cannot make it again
            cls.config = Module.config  # type: ignore[method-assign]  # as modules that say nothing of themselves

    def config(self) -> dict[str, object] | None:
        own = {k: getattr(self, k) for k in self.arguments} | {k: getattr(self, k) is not None for k in self.wanted}
        return {"type": type(self).__name__} | own

    def told(self, **usual: object) -> str:
        """name=value for each attribute that is not as usual."""
        return "".join(f", {k}={getattr(self, k)}" for k, v in usual.items() if getattr(self, k) != v)


def _ours(cls: type) -> bool:
    return cls.__module__.partition(".")[0] == __name__.partition(".")[0]


class Identity(Layer):
    """x itself."""

    def __init__(self, *args: object, **given: object):
        pass  # takes anything, as in PyTorch: it stands in for other layers

    def forward(self, x: Any) -> Any:
        return x


def bias_of(m: Module, size: int, bound: float, wanted: bool) -> None:
    """A bias, or none."""
    if wanted:
        m.bias = Parameter((size,), bound)
    else:
        m.register_parameter("bias", None)


def _parameter(name: str, value: object, axes: int | None) -> Parameter:
    """A parameter of a formula from its shape, or from an array to start with."""
    if isinstance(value, list) and value and all(is_whole(v) for v in value):
        value = tuple(value)
    shape, initial = started(value, name)
    if axes is not None and len(shape) != axes:
        what = f"{name}={shape}: not its shape" if initial is None else f"{name} with shape {shape}: does not fit"
        raise ShapeError(f"{what}; accepted: {axes} axes, each a whole number of at least 1 (or an array)")
    return Parameter(shape if initial is None else initial)


class Formula(Layer):
    """A layer of your own: an operation whose first input is the layer's, and whose other inputs are parameters.

    Each parameter is given by name: its shape (then uniform in ±1/sqrt(product of all axes but the first)) or an array.
    Settings are given by name too. Of several outputs the first is the layer's.

    >>> from chainrule.ops import linear
    >>> Formula(linear, w=(3, 5), b=(3,)).w.shape
    (3, 5)
    """

    def __init__(self, operation: Op | str, **given: object):
        self.op = operation if isinstance(operation, Op) else op(operation)
        names = list(self.op.inputs)
        if not names:
            raise ArgumentError(f"{self.op.name}: has no input; accepted: an operation whose first input is the layer's")
        without = tuple(k for k in self.op.optional if given.get(k) is None)
        given = {k: v for k, v in given.items() if k not in without}
        for name in names[1:]:
            if name not in given and name not in without:
                raise ArgumentError(
                    f"{self.op.name}: its input {name!r} is a parameter here and has no shape; accepted: Formula(op, {name}=shape or array)"
                )
        if names[0] in given:
            raise ArgumentError(f"{names[0]}: is the layer's input, not a parameter; accepted: {', '.join(names[1:]) or 'settings'}")
        self.settings = {k: v.tolist() if isinstance(v, (np.ndarray, np.generic)) else v for k, v in given.items() if k not in names}
        self.op.check(self.settings)
        for k, v in given.items():
            if k in names:
                self._hold(k, _parameter(k, v, self.op.axes_of(k)))  # under any name: an input may be called as every module's attribute is

    def forward(self, x: Any) -> Any:
        trace = tracing()
        assert trace is not None  # forward is run in a trace
        given: dict[str, Any] = {k: trace.state(s) for k, s in self._states.items()} | self.settings
        y: Any = self.op(x, **given)
        return y[0] if isinstance(y, tuple) else y

    def config(self) -> dict[str, object]:
        return {"type": "Formula", "text": str(self.op), "settings": self.settings, "shapes": {k: s.shape for k, s in self._states.items()}}

    def extra_repr(self) -> str:
        return self.op.header
