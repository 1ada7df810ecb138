"""A node's test through the library: on symbols by both engines, and on arrays at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from chainrule import nn

from .node import Case, Node, Refused
from .table import ROWS, Row

X = np.ones((1, 1))
ENGINES = ("reference", "native")
# Why a test is none of these names' at all, and what is refused.
ELSEWHERE = {
    "types": "half precision, strings and sequences: the library computes in float32 and float64",
    "whole": "quotients of whole numbers, rounded: here they are fractions",
    "drawn": "random numbers are another generator's",
}
REASONS = {
    "empty": "there is no formula of no numbers: sizes of 0",
    "cubic": "no cubic interpolation",
    "antialias": "no interpolation with a filter that grows with the step",
    "crop": "no interpolation of a part of an image",
    "lengths": "sequences of different lengths",
    "sampled": "samples and channels keep their number in interpolation",
}
NAMED = {"div_int": "whole", "div_uint": "whole"}  # tests whose reason is not seen in their inputs
HALF = ("float16", "bfloat16", "float8", "int4", "uint4", "int2", "uint2", "float4")


class Held(nn.Module):
    """A node whose tensors are parameters, so that they may have any shapes."""

    def __init__(self, node: Node, row: Row, arrays: Sequence[Any]):
        self.node, self.row, self.rest = node, row, {}
        self.cells = nn.ModuleList(row.cells(node.given(arrays)))
        for k, a in enumerate(arrays):
            if a is None or k in row.host:
                self.rest[k] = a
            else:
                setattr(self, f"x_{k}", nn.Parameter(a))

    def forward(self, x: Any) -> Any:
        inputs = [self.rest[k] if k in self.rest else getattr(self, f"x_{k}") for k in range(len(self.node.inputs))]
        return tuple(asked(self.node, self.row.function(self.node.given(inputs, self.cells))))


def holding(net: nn.Module, arrays: Sequence[Any], kind: type) -> nn.Module:
    """The module with these arrays as its parameters, in one number type."""
    state = {k: v.astype(kind) for k, v in net.state_dict().items()}
    return net.load_state_dict({**state, **{f"x_{k}": a for k, a in enumerate(arrays) if f"x_{k}" in state}})


def asked(node: Node, found: Any) -> Iterator[Any]:
    """The outputs that the node's test has."""
    rows = found if isinstance(found, tuple) else (found,)
    return (y for k, y in enumerate(rows) if node.wants(k))


def tensors(case: Case, kind: type) -> list[Any]:
    """The inputs as the library takes them: tensors as floats of one type."""
    row = ROWS[case.node.op]
    found = []
    for k, a in enumerate(case.node.inputs):
        if isinstance(a, (list, tuple)) or (a is not None and not isinstance(a, np.ndarray | np.generic)):
            raise Refused("types")
        if a is not None and (str(a.dtype).startswith(HALF) or a.dtype.kind in "OUSV"):
            raise Refused("types")
        if a is not None and k not in row.host and 0 in a.shape:
            raise Refused("empty")
        found.append(a if a is None or (k in row.host and a.dtype.kind != "f") else np.asarray(a, kind))
    return found


def traced(case: Case, kind: type, engine: str) -> list[np.ndarray]:
    arrays = tensors(case, kind)
    net = holding(Held(case.node, ROWS[case.node.op], arrays), arrays, kind)
    found = net(X.astype(kind), engine=engine)
    return list(found) if isinstance(found, tuple) else [found]


def at_once(case: Case, kind: type) -> list[np.ndarray]:
    row = ROWS[case.node.op]
    return list(asked(case.node, row.function(case.node.given(tensors(case, kind)))))


def near(found: Sequence[Any], wanted: Sequence[Any], what: str, rtol: float, atol: float) -> None:
    assert len(found) == len(wanted), f"{what}: {len(found)} outputs of {len(wanted)}"
    for a, b in zip(found, wanted, strict=True):
        assert np.shape(a) == np.shape(b), f"{what}: shape {np.shape(a)}, expected {np.shape(b)}"
        np.testing.assert_allclose(np.asarray(a, float), np.asarray(b, float), rtol=rtol, atol=atol, err_msg=what)


def compared(case: Case) -> None:
    """Hold every way to compute it against what ONNX expects, and in float64 the engines against each other."""
    for start, reason in NAMED.items():
        if case.name.startswith(start):
            raise Refused(reason)
    kinds = {a.dtype.kind for a in case.node.inputs if isinstance(a, np.ndarray)}
    kind = np.float32 if kinds & {"f", "b"} else np.float64
    for engine in ENGINES:
        near(traced(case, kind, engine), case.wanted, engine, case.rtol, case.atol)
    if not ROWS[case.node.op].cells(case.node.given(tensors(case, kind))):
        near(at_once(case, kind), case.wanted, "arrays", case.rtol, case.atol)
    near(traced(case, np.float64, "native"), traced(case, np.float64, "reference"), "engines", 1e-10, 1e-10)
