"""Why this number?"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..errors import ArgumentError
from ..nn.module import Module
from ..operation.op import Op
from ..train.optimizer import Optimizer
from .answer import Why, ask, how_many, place_in
from .network import record


def why(
    net: Module,
    loss: object,
    x: object,
    t: object,
    name: str,
    index: object = (),
    *,
    terms: int = 10,
    by: str = "",
    opt: Optimizer | None = None,
    state: Mapping[str, object] | None = None,
    transform: Op | None = None,
    training: bool = True,
    engine: str = "",
) -> Why:
    """Where a number of a network came from: its formula, every term with its numbers, and what machine code made of it.

    net, loss, x, t: as for value_and_grad, samples first (a target without axes is that of one sample). loss=None, t=None: net(x) alone.
    name: "0.weight.grad", "0.output", "2.output.grad", "input.grad", "loss", a parameter, or any tensor of the program by its name there;
    with opt also "0.weight.new", "0.weight.update" (what the step adds) and what the optimiser carries, "0.weight.m.new".
    index: its place there; the name may say it, "0.weight.grad[3,0,2,1]". terms: how many are shown. by: a letter of the sum by whose values terms are added up, `by="n"` by samples.
    state: what the optimiser carries from the steps before (TrainStep.states), as {"0.weight.m": …, "step": 10}. training=False: the
    inference form. engine: where float64 comes from, "reference" or "native"; left out, the literal one where that takes a second or two.

    Errors: ArgumentError for names and places that there are not, and those of value_and_grad.

    >>> from chainrule import nn
    >>> net = nn.Sequential(nn.Linear(3, 2)).init(seed=0)
    >>> w = why(net, nn.MSELoss(), np.ones((2, 3), np.float32), np.zeros((2, 2), np.float32), "0.weight.grad", (1, 2))
    >>> w.formula, w.letters, w.count
    ('weight0_grad[o,k] = sum[n](y0_grad[n,o] * input[n,k])', {'o': 1, 'k': 2}, 2)
    >>> [(f.name, f.given) for f in w.terms[0].factors]
    [('0.y.grad[0,1]', False), ('input[0,2]', True)]
    """
    shown = how_many(terms)
    if not isinstance(name, str):
        raise ArgumentError(f"{name!r:.80}: not the name of a number; accepted: a text, as '0.weight.grad'")
    name, at = place_of(name, index)
    return ask(record(net, loss, x, t, opt, state, transform, training, engine), name, at, shown, by)


def place_of(name: str, index: object) -> tuple[str, tuple[int, ...]]:
    """A name and an index, which the name may say: "0.weight.grad[3,0,2,1]"."""
    at = place(index)
    found, own = place_in(name)
    if own is not None and at not in ((), own):
        raise ArgumentError(f"{name!r:.80} at {at}: two places; accepted: one of them")
    return found, at if own is None else own


def place(index: object) -> tuple[int, ...]:
    """An index as whole numbers."""
    rows = index if isinstance(index, (tuple, list)) else index.tolist() if isinstance(index, np.ndarray) else (index,)
    rows = rows if isinstance(rows, (tuple, list)) else (rows,)
    if not all(isinstance(k, (int, np.integer)) and not isinstance(k, bool) for k in rows):
        raise ArgumentError(f"{index!r:.80}: no place of a tensor; accepted: whole numbers, as (3, 0, 2, 1)")
    return tuple(map(int, rows))
