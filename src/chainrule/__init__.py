"""chainrule: backpropagation that you can see, prove and run fast.

A layer is one forward formula in index notation. chainrule derives the backward one, shows each step, and compiles
both to machine code.

>>> import chainrule as cr
>>> op = cr.op('''
... dense(x[n,K], w[O,K]) -> y[n,O]
...     y[n,o] = sum[k](w[o,k] * x[n,k])
... ''')
>>> print(cr.derive(op, "x").formula)
dx[n,k] = sum[o](dy[n,o] * w[o,k])
"""

from typing import TYPE_CHECKING, Any

from . import nn, numpy, ops
from .errors import ArgumentError, ChainruleError, DataError, DefinitionError, ElementTypeError, NumericsError, ShapeError
from .nn.files import load, save
from .numpy import grad, hessian, jacobian, jvp, trace, value_and_grad, vjp
from .operation.op import Op, op
from .train import optim
from .train.evaluate import evaluate
from .train.fit import Epoch, History, fit
from .train.step import TrainStep

if TYPE_CHECKING:
    from .explain import Derivation, Notation, Why, Worksheet, derive, why, worksheet

__version__ = "0.1.0"

__all__ = [
    "ArgumentError",
    "ChainruleError",
    "DataError",
    "DefinitionError",
    "Derivation",
    "ElementTypeError",
    "Epoch",
    "History",
    "Notation",
    "NumericsError",
    "Op",
    "ShapeError",
    "TrainStep",
    "Why",
    "Worksheet",
    "derive",
    "evaluate",
    "fit",
    "grad",
    "hessian",
    "jacobian",
    "jvp",
    "load",
    "nn",
    "numpy",
    "op",
    "ops",
    "optim",
    "save",
    "trace",
    "value_and_grad",
    "vjp",
    "why",
    "worksheet",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Explanations are imported when somebody asks for one: training starts without them."""
    if name in ("Derivation", "Notation", "Why", "Worksheet", "derive", "why", "worksheet"):
        from . import explain

        return getattr(explain, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
