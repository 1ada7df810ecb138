"""Derivatives of ordinary Python functions of numbers and NumPy arrays (docs/functions.md).

Users write `import numpy as np` and Python; every function of NumPy that a value which is being differentiated goes through is a formula
of the language, or an equation, and its derivatives are derived.

>>> import numpy as np
>>> from chainrule import numpy as cnp
>>> cnp.grad(lambda x: np.sum(np.tanh(x) ** 2))(np.array([0.0, 1.0])).round(4)
array([0.    , 0.6397])
"""

from .public import elementwise_grad, grad, hessian, jacobian, jvp, trace, value_and_grad, vjp

__all__ = ["elementwise_grad", "grad", "hessian", "jacobian", "jvp", "trace", "value_and_grad", "vjp"]
