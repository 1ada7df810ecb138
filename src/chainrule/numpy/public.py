"""The public names. Some take operations and networks as well as ordinary functions; what ordinary functions need is loaded when one comes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..errors import ArgumentError
from ..language.program import Program
from ..nn.module import Module
from ..operation import derivative
from ..operation.op import Op
from ..train import step


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
    if not ordinary(what):
        return derivative.vjp(what, *args, **given)
    from . import functions

    return functions.vjp(what, *args, **given)


def jvp(what: Any, primals: Sequence[Any], tangents: Sequence[Any], **given: Any) -> tuple[Any, Any]:
    """(y, ty): the value and its tangent, of what `vjp` takes. A tangent of None is zero.

    >>> import numpy as np
    >>> jvp(np.sin, (0.0,), (2.0,))
    (np.float64(0.0), np.float64(2.0))
    """
    if not ordinary(what):
        return derivative.jvp(what, primals, tangents, **given)
    from . import functions

    return functions.jvp(what, primals, tangents, **given)


def value_and_grad(what: Any, loss: Any = None, *, argnum: Any = None) -> Callable[..., tuple[Any, Any]]:
    """A function that gives a value and its gradient: of a network and a loss, or of an ordinary function.

    value_and_grad(net, loss)(x, t) is (loss, {name: gradient}), for every parameter and "input". value_and_grad(f, argnum=0)(…) is
    (value, gradient) of a function of numbers and NumPy arrays that gives one number; argnum: the argument that is differentiated by, or
    several of them (the gradients come as a tuple). Arguments may be nests of tuples, lists and dictionaries; the gradient has the same form.
    Errors: ArgumentError where the value is no single real number.

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
    from . import functions

    return functions.value_and_grad(what, next((k for k in (argnum, loss) if k is not None), 0))


def grad(f: Callable[..., Any], argnum: Any = 0) -> Callable[..., Any]:
    """A function of the same arguments that gives the gradient of f, which gives one number.

    argnum, nests of arguments and errors as in `value_and_grad`. The gradient is an ordinary function: it can be differentiated again.

    >>> import numpy as np
    >>> f = lambda x1, x2: x1 * x2 + np.sin(x1)
    >>> float(grad(f)(0.0, 5.0)), float(grad(f, 1)(2.0, 5.0))
    (6.0, 2.0)
    >>> float(grad(grad(lambda x: x**3))(2.0))
    12.0
    """
    from . import functions

    return functions.grad(f, argnum)


def elementwise_grad(f: Callable[..., Any], argnum: Any = 0) -> Callable[..., Any]:
    """The gradient of the sum of all that f gives: the derivative at each element, where f goes element by element.

    >>> import numpy as np
    >>> elementwise_grad(np.square)(np.array([1.0, 2.0]))
    array([2., 4.])
    """
    from . import functions

    return functions.elementwise_grad(f, argnum)


def jacobian(f: Callable[..., Any], argnum: Any = 0) -> Callable[..., Any]:
    """A function of the same arguments that gives all derivatives of f's value: an array of (value's shape, argument's shape).

    Where f gives a nest of values, and for nests of arguments or several argnums, a nest of such arrays: for each value one for each argument.

    >>> import numpy as np
    >>> jacobian(lambda x: x**2)(np.array([1.0, 3.0]))
    array([[2., 0.],
           [0., 6.]])
    """
    from . import functions

    return functions.jacobian(f, argnum)


def hessian(f: Callable[..., Any], argnum: Any = 0) -> Callable[..., Any]:
    """A function of the same arguments that gives all second derivatives of f, which gives one number: the Jacobian of its Jacobian.

    For several argnums a tuple of tuples: [j][k] are the derivatives by argument j, then by argument k.

    >>> import numpy as np
    >>> hessian(lambda x: x[0] ** 2 * x[1])(np.array([1.0, 3.0]))
    array([[6., 2.],
           [2., 0.]])
    """
    from . import functions

    return functions.hessian(f, argnum)


def trace(f: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """The steps of f at these arguments as a table: operation, value, tangents by each input, adjoint.

    >>> import numpy as np
    >>> print(trace(lambda x1, x2: x1 * x2 + np.sin(x1), 2.0, 5.0))
    x1 = 2, x2 = 5
        operation  value v   v̇ by x1    v̇ by x2  v̄
    v₁  x1         2         1          0        4.58385
    v₂  x2         5         0          1        2
    v₃  v₁ * v₂    10        5          2        1
    v₄  sin(v₁)    0.909297  -0.416147  0        1
    v₅  v₃ + v₄    10.9093   4.58385    2        1
    """
    from .table import trace as traced

    return traced(f, *args, **kwargs)
