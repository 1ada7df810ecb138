"""RNN, GRU and LSTM: steps of cells one after the other, written out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule import nn
from chainrule.nn import functional as F

from .node import Node, Refused

Step = Callable[[Any, Any], tuple[Any, Any]]


def cells(node: Node) -> list[nn.Module]:
    """PyTorch's cell for each direction, where it computes what the node does."""
    sizes = (node.at(1).shape[2], node["hidden_size"])
    made, order = {"RNN": (nn.RNNCell, [0]), "GRU": (nn.GRUCell, [1, 0, 2]), "LSTM": (nn.LSTMCell, [0, 2, 3, 1])}[node.op]
    if (node.op == "GRU" and not node["linear_before_reset"]) or node.at(7) is not None:
        return []
    return [loaded(made(*sizes), w, r, None if node.at(3) is None else node.at(3)[k], order) for k, (w, r) in enumerate(zip(*node.inputs[1:3]))]


def loaded(cell: nn.Module, w: np.ndarray, r: np.ndarray, b: np.ndarray | None, order: list[int]) -> nn.Module:
    """A cell with ONNX's weights, whose gates stand in another order."""
    size = r.shape[1]
    rows = np.concatenate([np.arange(size) + k * size for k in order])
    b = np.zeros(2 * len(w), w.dtype) if b is None else b
    mine = {"weight_ih": w[rows], "weight_hh": r[rows], "bias_ih": b[: len(w)][rows], "bias_hh": b[len(w) :][rows]}
    return cell.load_state_dict(mine)


def scanned(node: Node, made: Callable[[int], Step], state: Callable[[int], Any], cell_state: bool) -> Any:
    """The outputs of all steps [T, directions, N, H], the last state, and the last cell."""
    x = node.at(0) if not node.get("layout", 0) else node.at(0).transpose(1, 0, 2)
    if (node.at(4) is not None and len(set(map(int, node.at(4)))) > 1) or (node.at(4) is not None and int(node.at(4)[0]) < x.shape[0]):
        raise Refused("lengths")
    ways = {"forward": [False], "reverse": [True], "bidirectional": [False, True]}[node["direction"]]
    every, last, cells = [], [], []
    for k, back in enumerate(ways):
        step, h, rows = made(k), state(k), []
        for t in reversed(range(x.shape[0])) if back else range(x.shape[0]):
            out, h = step(x[t], h)
            rows.append(out)
        last.append(rows[-1])
        cells.append(h[1] if cell_state else h)
        every.append(F.stack(rows[::-1] if back else rows))
    y, h, c = F.stack(every, 1), F.stack(last), F.stack(cells)
    if node.get("layout", 0):
        y, h, c = y.transpose(2, 0, 1, 3), h.transpose(1, 0, 2), c.transpose(1, 0, 2)
    return (y, h, c) if cell_state else (y, h)


def _start(node: Node, place: int) -> Callable[[int], Any]:
    def state(k: int) -> Any:
        h = node.at(place)
        if h is None:
            n = node.at(0).shape[0 if node.get("layout", 0) else 1]
            return np.zeros((n, node["hidden_size"]), node.at(1).dtype)
        return h[k] if not node.get("layout", 0) else h[:, k]

    return state


def rnn(node: Node) -> Any:
    return scanned(node, lambda k: lambda x, h: (node.cells[k](x, h),) * 2, _start(node, 5), False)


def gru(node: Node) -> Any:
    """PyTorch's cell has the reset gate behind the product (linear_before_reset=1); with 0 it is in front of it."""

    def made(k: int) -> Step:
        if node.cells:
            return lambda x, h: (node.cells[k](x, h),) * 2
        w, r, size = node.at(1)[k], node.at(2)[k], node["hidden_size"]
        b = np.zeros(6 * size, w.dtype) if node.at(3) is None else node.at(3)[k]
        both = b[: 2 * size] + b[3 * size : 5 * size]

        def step(x: Any, h: Any) -> tuple[Any, Any]:
            z, s = F.chunk(F.sigmoid(F.linear(x, w[: 2 * size]) + F.linear(h, r[: 2 * size], both)), 2, -1)
            new = F.tanh(F.linear(x, w[2 * size :], b[2 * size : 3 * size]) + F.linear(s * h, r[2 * size :], b[5 * size :]))
            h = (1 - z) * new + z * h
            return h, h

        return step

    return scanned(node, made, _start(node, 5), False)


def lstm(node: Node) -> Any:
    """PyTorch's cell, or one whose gates look at the cell's state too (peepholes)."""

    def made(k: int) -> Step:
        if node.cells:

            def step(x: Any, state: Any) -> tuple[Any, Any]:
                state = node.cells[k](x, state)
                return state[0], state

            return step
        w, r, look = node.at(1)[k], node.at(2)[k], np.split(node.at(7)[k], 3)
        b = np.zeros(2 * len(w), w.dtype) if node.at(3) is None else node.at(3)[k]

        def looking(x: Any, state: Any) -> tuple[Any, Any]:
            h, c = state
            i, o, f, g = F.chunk(F.linear(x, w) + F.linear(h, r, b[: len(w)] + b[len(w) :]), 4, -1)
            after = F.sigmoid(f + look[2] * c) * c + F.sigmoid(i + look[0] * c) * F.tanh(g)
            h = F.sigmoid(o + look[1] * after) * F.tanh(after)
            return h, (h, after)

        return looking

    h, c = _start(node, 5), _start(node, 6)
    return scanned(node, made, lambda k: (h(k), c(k)), True)
