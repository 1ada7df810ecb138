"""ONNX's node tests as this library sees them: a node's attributes with their defaults, its inputs, and what is expected."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import onnx
from onnx.backend.test.loader import load_model_tests


class Refused(Exception):
    """What is not compared; the argument is a key of the table of reasons."""


@dataclass(frozen=True)
class Node:
    """One application of an operator: inputs by place (None: left out), attributes by name."""

    op: str
    attributes: dict[str, Any]
    inputs: tuple[Any, ...]
    outputs: tuple[str, ...]  # the names of those that are asked for; "" for one that is not
    cells: tuple[Any, ...] = ()  # modules that its row made of it

    def __getitem__(self, name: str) -> Any:
        return self.attributes[name]

    def get(self, name: str, default: Any = None) -> Any:
        return self.attributes.get(name, default)

    def at(self, k: int) -> Any:
        """The k-th input, or None."""
        return self.inputs[k] if k < len(self.inputs) else None

    def wants(self, k: int) -> bool:
        return k < len(self.outputs) and bool(self.outputs[k])

    def given(self, inputs: Sequence[Any], cells: Sequence[Any] = ()) -> Node:
        return replace(self, inputs=tuple(inputs), cells=tuple(cells))


@dataclass(frozen=True)
class Case:
    """A test: a node, its inputs and outputs, and how near they must be."""

    name: str
    node: Node
    wanted: tuple[Any, ...]
    rtol: float
    atol: float


def _value(a: onnx.AttributeProto) -> Any:
    v = onnx.helper.get_attribute_value(a)
    return v.decode() if isinstance(v, bytes) else [s.decode() if isinstance(s, bytes) else s for s in v] if isinstance(v, list) else v


def _node(proto: onnx.NodeProto, opset: int, arrays: Sequence[Any]) -> Node:
    schema = onnx.defs.get_schema(proto.op_type, opset, proto.domain)
    defaults = {k: _value(a.default_value) for k, a in schema.attributes.items() if a.default_value.name}
    rest = iter(arrays)
    inputs = tuple(next(rest) if name else None for name in proto.input)
    return Node(proto.op_type, {**defaults, "opset": opset, **{a.name: _value(a) for a in proto.attribute}}, inputs, tuple(proto.output))


def cases() -> Iterator[Case]:
    """All node tests of one node; those that ONNX writes out by other operators are the same once more."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = load_model_tests(kind="node")
    for t in found:
        nodes = t.model.graph.node
        if len(nodes) != 1 or "_expanded" in t.name:
            continue
        opset = {o.domain: o.version for o in t.model.opset_import}[nodes[0].domain]
        for inputs, outputs in t.data_sets:
            yield Case(t.name.removeprefix("test_"), _node(nodes[0], opset, inputs), tuple(outputs), t.rtol, t.atol)
