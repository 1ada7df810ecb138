"""Activations. A pointwise function has one definition for each number of axes, made from one formula."""

import re
from functools import cache

from ..errors import ArgumentError
from .operation import Op, op
from .shape import at, axis_names


@cache
def pointwise(name: str, formula: str, rank: int) -> Op:
    """y = formula of x at every place of a tensor with `rank` axes, the first of them samples."""
    if rank < 1:
        raise ArgumentError(f"{name} of {rank} axes: has no sample axis; accepted: samples first")
    sizes, letters = axis_names(rank - 1)
    axes, place = at(["n", *sizes]), at(["n", *letters])
    body = re.sub(r"\bx\b", f"x{place}", formula)
    return op(f"{name}(x{axes}) -> y{axes}\n    y{place} = {body}")


RELU, SIGMOID, TANH = "maximum(x, 0)", "sigmoid(x)", "tanh(x)"

relu = pointwise("relu", RELU, 2)
relu.doc = """max(0, x), with relu'(0) = 0. Source: documents 001 and 003."""

sigmoid = pointwise("sigmoid", SIGMOID, 2)
sigmoid.doc = """1 / (1 + exp(-x)), computed so that nothing overflows and the tails keep their digits. Source: documents 001 and 002."""

tanh = pointwise("hyperbolic_tangent", TANH, 2)
tanh.doc = """The hyperbolic tangent."""

softmax = op("""
softmax(z[n,K]) -> y[n,K]
    m[n] = max[k](z[n,k])
    e[n,k] = exp(z[n,k] - m[n])
    y[n,k] = e[n,k] / sum[j](e[n,j])
""")
softmax.doc = """exp(z_k) / sum_j exp(z_j), from logits less their maximum, so that nothing overflows. Source: documents 000, 001 and 003."""
