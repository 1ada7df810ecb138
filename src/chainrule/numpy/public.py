"""The public names that take operations and networks as well as ordinary functions: which of them is meant."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..errors import ArgumentError
from ..language.program import Program
from ..nn.module import Module
from ..operation import derivative
from ..operation.op import Op
from ..train import step
from . import functions


def ordinary(what: object) -> bool:
    """Whether it is a function of numbers and arrays: neither an operation, its text, a program, a layer nor a network."""
    return callable(what) and not isinstance(what, (Op, str, Program, Module)) and not hasattr(what, "as_operation")


def vjp(what: Any, *args: Any, **given: Any) -> tuple[Any, Callable[..., tuple[Any, ...]]]:
    """(y, pullback): pullback(dy) is a tuple, the gradient for every argument (of an operation: for every floating input).

    what: an operation of cr.op, its text, a program or a layer, with its arrays and settings; or a function of numbers and NumPy arrays,
    with its arguments.

    >>> import numpy as np
    >>> from chainrule.ops import linear
    >>> y, pullback = vjp(linear, np.ones((2, 3)), np.ones((1, 3)), np.zeros(1))
    >>> pullback(np.ones((2, 1)))[2]
    array([2.])
    >>> y, pullback = vjp(np.multiply, np.array([1.0, 2.0]), 3.0)
    >>> pullback(np.array([1.0, 1.0]))
    (array([3., 3.]), np.float64(3.0))
    """
    return functions.vjp(what, *args, **given) if ordinary(what) else derivative.vjp(what, *args, **given)


def jvp(what: Any, primals: Sequence[Any], tangents: Sequence[Any], **given: Any) -> tuple[Any, Any]:
    """(y, ty): the value and its tangent, of what `vjp` takes. A tangent of None is zero.

    >>> import numpy as np
    >>> jvp(np.sin, (0.0,), (2.0,))
    (np.float64(0.0), np.float64(2.0))
    """
    return functions.jvp(what, primals, tangents, **given) if ordinary(what) else derivative.jvp(what, primals, tangents, **given)


def value_and_grad(what: Any, loss: Any = None, *, argnum: Any = None) -> Callable[..., tuple[Any, Any]]:
    """A function that gives a value and its gradient: of a network and a loss, or of an ordinary function.

    value_and_grad(net, loss)(x, t) is (loss, {name: gradient}), for every parameter and "input". value_and_grad(f, argnum=0)(…) is
    (value, gradient) of a function of numbers and NumPy arrays that gives one number.

    >>> import numpy as np
    >>> from chainrule import nn
    >>> net = nn.Sequential(nn.Linear(4, 3)).init(seed=0)
    >>> e, grads = value_and_grad(net, nn.CrossEntropyLoss())(np.ones((2, 4), np.float32), np.array([0, 2]))
    >>> sorted(grads)
    ['0.bias', '0.weight', 'input']
    >>> value_and_grad(lambda x: x**2)(3.0)
    (np.float64(9.0), np.float64(6.0))
    """
    if not ordinary(what):
        return step.value_and_grad(what, loss)
    if argnum is not None and loss is not None:
        raise ArgumentError(f"value_and_grad(f, {loss!r:.40}, argnum={argnum!r}): given twice; accepted: value_and_grad(f, argnum)")
    return functions.value_and_grad(what, next((k for k in (argnum, loss) if k is not None), 0))
