"""Optimisers' updates: formulas like any other, compiled into the training step."""

from functools import cache

from .operation import Op, op

AXES, LETTERS = ("A", "B", "C", "D", "E", "F"), ("a", "b", "c", "d", "e", "f")


@cache
def sgd(rank: int, momentum: bool) -> Op:
    """Stochastic gradient descent in PyTorch's convention, for a parameter with `rank` axes.

    v' = mu v + g + wd w,  w' = w - lr v'. Source: document 002; Sutskever et al., 2013.
    """
    axes = f"[{','.join(AXES[:rank])}]" if rank else ""
    at = f"[{','.join(LETTERS[:rank])}]" if rank else ""
    if momentum:
        return op(f"""
sgd_momentum(w{axes}, g{axes}, v{axes}, lr, mu, wd) -> v_new{axes}, w_new{axes}
    v_new{at} = mu * v{at} + (g{at} + wd * w{at})
    w_new{at} = w{at} - lr * v_new{at}
""")
    return op(f"""
sgd(w{axes}, g{axes}, lr, wd) -> w_new{axes}
    w_new{at} = w{at} - lr * (g{at} + wd * w{at})
""")
