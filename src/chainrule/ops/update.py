"""Optimisers' updates: formulas like any other, compiled into the training step."""

from functools import cache

from .operation import Op, op
from .shape import at, axis_names


@cache
def sgd(rank: int, momentum: bool) -> Op:
    """Stochastic gradient descent in PyTorch's convention, for a parameter with `rank` axes.

    v' = mu v + g + wd w,  w' = w - lr v'. Source: document 002; Sutskever et al., 2013.
    """
    sizes, letters = axis_names(rank)
    axes, place = at(sizes), at(letters)
    if momentum:
        return op(f"""
sgd_momentum(w{axes}, g{axes}, v{axes}, lr, mu, wd) -> v_new{axes}, w_new{axes}
    v_new{place} = mu * v{place} + (g{place} + wd * w{place})
    w_new{place} = w{place} - lr * v_new{place}
""")
    return op(f"""
sgd(w{axes}, g{axes}, lr, wd) -> w_new{axes}
    w_new{place} = w{place} - lr * (g{place} + wd * w{place})
""")
