"""Layers one after another, with their parameters."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ..engines.native.program import ELEMENTS, Runner, aligned, compile_spec
from ..engines.native.target import current
from ..errors import ArgumentError, DataError, ElementTypeError, ShapeError
from ..ops.operation import Op, chunks_for, common_type, cores, to_array
from .graph import Graph, forward, layer_calls, ready_for_lanes, signature, to_spec
from .layers import Layer, as_layer, from_config

MOST_BYTES = 1 << 46  # more than any machine has: sizes beyond are mistakes, and their products pass 64 bits


def room(name: str, shape: tuple[int, ...], kind: np.dtype) -> np.ndarray:
    """Memory for a parameter."""
    size = math.prod(shape) * kind.itemsize
    try:
        if size <= MOST_BYTES:
            return aligned(shape, kind)
    except (MemoryError, OSError):
        pass
    raise ArgumentError(f"{name} with shape {shape}: takes {size} bytes; accepted: parameters that fit into memory") from None


class Sequential:
    """A network: each layer's output is the next one's input.

    Takes layers of chainrule.nn and operations of cr.op. Parameters are NumPy arrays under PyTorch's names.

    >>> from chainrule import nn
    >>> net = nn.Sequential(nn.Linear(4, 3), nn.ReLU()).init(seed=0)
    >>> list(net.state_dict())
    ['0.weight', '0.bias']
    >>> net(np.ones((2, 4), np.float32)).shape
    (2, 3)
    """

    def __init__(self, *layers: Layer | Op):
        self.layers: tuple[Layer, ...] = tuple(as_layer(x) for x in layers)
        if not self.layers:
            raise ArgumentError("Sequential(): no layers; accepted: at least one layer or operation")
        self.values: dict[str, np.ndarray] = {}
        self._runners: dict[object, tuple[Runner, str]] = {}
        self._lock = threading.Lock()
        self.init(0)

    def __repr__(self) -> str:
        return f"Sequential({', '.join(type(x).__name__ for x in self.layers)})"

    @property
    def dtype(self) -> np.dtype:
        return next(iter(self.values.values())).dtype if self.values else np.dtype(np.float32)

    def init(self, seed: int = 0, dtype: object = np.float32) -> Sequential:
        """Draw every parameter from its initial distribution (PyTorch's); the same seed gives the same network."""
        rng = np.random.default_rng(seed)
        kind = np.dtype(dtype)  # type: ignore[call-overload]
        if kind not in (np.float32, np.float64):
            raise ElementTypeError(f"dtype={dtype!r}: not a type to compute with; accepted: float32 or float64")
        self.values = {}
        for k, layer in enumerate(self.layers):
            for name, p in layer.parameters.items():
                a = room(f"{k}.{name}", p.shape, kind)
                a[...] = rng.uniform(-p.bound, p.bound, p.shape) if p.initial is None else p.initial
                self.values[f"{k}.{name}"] = a
        return self

    def state_dict(self) -> dict[str, np.ndarray]:
        """Copies of the parameters, by PyTorch's names."""
        return {k: v.copy() for k, v in self.values.items()}

    def load_state_dict(self, state: Mapping[str, object]) -> Sequential:
        """Take over parameters; names and shapes must match, and their number type becomes the network's."""
        given = {k: to_array(v, k) for k, v in state.items()}
        missing, surplus = [k for k in self.values if k not in given], [k for k in given if k not in self.values]
        if missing or surplus:
            raise ArgumentError(
                f"{', '.join(surplus + missing)}: names do not match (missing: {missing}, surplus: {surplus}); accepted: {', '.join(self.values)}"
            )
        for k, a in given.items():
            if a.shape != self.values[k].shape:
                raise ShapeError(f"{k} with shape {a.shape}: does not fit; accepted: {self.values[k].shape}")
        kind = common_type(given, "load_state_dict") if given else self.dtype
        for k, a in given.items():
            fresh = aligned(a.shape, kind)
            fresh[...] = a
            self.values[k] = fresh
        return self

    def astype(self, dtype: object) -> Sequential:
        """The same parameters in another number type, in place."""
        kind = np.dtype(dtype)  # type: ignore[call-overload]
        return self.load_state_dict({k: v.astype(kind) for k, v in self.values.items()})

    def graph(self, shape: tuple[int, ...], transform: Op | None = None) -> tuple[Graph, str]:
        """The forward formulas for inputs of this full shape, and the output's name."""
        calls, out = layer_calls(self.layers, {"input": len(shape)}, transform)
        g = Graph(shape[0], ready_for_lanes(calls))
        g.declare("input", shape, True)
        for name, a in self.values.items():
            g.declare(name, a.shape, False)
        forward(g, calls)
        return g, out

    def __call__(self, x: object, *, threads: int | None = None, transform: Op | None = None) -> np.ndarray:
        """The network's output for a batch of inputs."""
        a = to_array(x, "input")
        if a.dtype.kind == "f" and a.dtype != self.dtype:
            raise ElementTypeError(f"input with dtype {a.dtype}: the network's parameters are {self.dtype}; accepted: {self.dtype} (or net.astype)")
        if a.ndim < 2 or 0 in a.shape:
            raise ShapeError(f"input with shape {a.shape}: not a batch; accepted: samples first, at least one")
        if str(a.dtype) not in ELEMENTS:
            raise ElementTypeError(f"input with dtype {a.dtype}: not a type to compute with; accepted: {', '.join(ELEMENTS)}")
        with self._lock:
            runner, out, shape = self.runner(a, transform)
            y = aligned(shape, self.dtype)
            runner.run(self.values | {"input": np.ascontiguousarray(a), out: y}, len(a), threads=threads or (cores() if len(a) > 64 else 1))
        return y

    def runner(self, a: np.ndarray, transform: Op | None) -> tuple[Runner, str, tuple[int, ...]]:
        calls, _ = layer_calls(self.layers, {"input": a.ndim}, transform)
        samples = None if ready_for_lanes(calls) else len(a)
        key = (a.shape[1:], samples, str(a.dtype), self.dtype, signature(calls), chunks_for(len(a), self.dtype), current())
        g, out = self.graph(a.shape, transform)
        if key not in self._runners:
            ports = [g.port("input", ELEMENTS[str(a.dtype)]), *(g.port(k, ELEMENTS[str(self.dtype)]) for k in self.values)]
            self._runners[key] = (Runner(compile_spec(to_spec(g, ports, [out], str(self.dtype), chunks_for(len(a), self.dtype)))), out)
        return (*self._runners[key], g.full(out))

    def loops(self, shape: tuple[int, ...]) -> str:
        """The loop nests compiled for inputs of this shape, each with the formula it came from."""
        return "\n".join(self.runner(np.broadcast_to(np.zeros((), self.dtype), shape), None)[0].code.layout.notes)

    def config(self) -> list[dict[str, object]]:
        return [layer.config() for layer in self.layers]


FORMAT = "chainrule"


def save(net: Sequential, path: str | Path) -> None:
    """Write a network to a safetensors file: parameters under PyTorch's names, the layers in the metadata.

    The file appears whole or not at all. Errors: DataError where it cannot be written.
    """
    from safetensors.numpy import save as to_bytes

    raw = to_bytes({k: np.ascontiguousarray(v) for k, v in net.values.items()}, {FORMAT: json.dumps(net.config())})
    path = Path(path)
    part = path.with_name(path.name + ".part")
    try:
        part.write_bytes(raw)
        part.replace(path)
    except OSError as e:
        part.unlink(missing_ok=True)
        raise DataError(f"{path}: the model cannot be written ({e.strerror}); accepted: a path in a folder with room and permission") from None


def load(path: str | Path) -> Sequential:
    """The network that `save` wrote. Errors: DataError for a missing, truncated or foreign file."""
    from safetensors import SafetensorError, safe_open

    if not Path(path).is_file():
        raise DataError(f"{path}: no such file; accepted: a model.safetensors written by chainrule")
    try:
        with safe_open(str(path), "np") as f:
            config = (f.metadata() or {}).get(FORMAT)
            state = {k: f.get_tensor(k) for k in f.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as e:
        raise DataError(f"{path}: not a whole safetensors file ({e}); accepted: a model.safetensors written by chainrule") from None
    if config is None:
        raise DataError(f"{path}: has tensors but no layers; accepted: a file written by chainrule (or load_state_dict with your own Sequential)")
    net = Sequential(*(from_config(c) for c in json.loads(config)))
    order = [k for k in net.values if k in state]
    return net.load_state_dict({k: state[k] for k in order} | {k: v for k, v in state.items() if k not in order})
