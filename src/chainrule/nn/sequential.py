"""Layers one after another, with their parameters."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from ..engines.native.program import ELEMENTS, aligned
from ..engines.native.target import current
from ..engines.session import Machine, chunks_for, session
from ..errors import ArgumentError, ElementTypeError, ShapeError
from ..language.program import whole_numbers
from ..operation.arrays import FLOATS, common_type, cores, to_array
from ..operation.op import Op
from .arguments import is_whole, whole
from .graph import Graph, declared_whole, forward, layer_calls, ready_for_lanes, signature, to_spec, whole_arrays
from .inputs import Input, as_classes, as_transform, prepared
from .layers import Layer, Parameter, as_layer
from .values import Values, fitting, stored


def number_type(dtype: object) -> np.dtype:
    """float32 or float64."""
    with contextlib.suppress(TypeError):
        kind: np.dtype = np.dtype(dtype)  # type: ignore[call-overload]  # what NumPy does not know is refused below
        if kind in FLOATS:
            return kind
    raise ElementTypeError(f"dtype={dtype!r}: not a type to compute with; accepted: float32 or float64")


class Sequential:
    """A network: each layer's output is the next one's input.

    Takes layers of chainrule.nn and operations of cr.op. Parameters are NumPy arrays under PyTorch's names in `values`.
    `input` says what the network was trained on (see Input), `classes` what its classes are called; both may be set.

    >>> from chainrule import nn
    >>> net = nn.Sequential(nn.Linear(4, 3), nn.ReLU()).init(seed=0)
    >>> list(net.state_dict())
    ['0.weight', '0.bias']
    >>> net(np.ones((2, 4), np.float32)).shape
    (2, 3)
    """

    def __init__(self, *layers: Layer | Op):
        self._setup(layers)
        self.init(0)

    def _setup(self, layers: Sequence[Layer | Op]) -> None:
        self.layers: tuple[Layer, ...] = tuple(as_layer(x) for x in layers)
        if not self.layers:
            raise ArgumentError("Sequential(): no layers; accepted: at least one layer or operation")
        self._values = Values({})
        self._input: Input | None = None
        self._classes: tuple[str, ...] | None = None
        self._runners: dict[object, tuple[Machine, str]] = {}

    @classmethod
    def of(cls, layers: Sequence[Layer], state: Mapping[str, object]) -> Sequential:
        """A network with these parameters. Memory is taken for what is there, not for what the layers claim."""
        net = cls.__new__(cls)
        net._setup(layers)
        net._values = net._taken(state)
        return net

    @property
    def values(self) -> Values:
        """The parameters by PyTorch's names. Assigning takes values over, into the network's own memory and number type."""
        return self._values

    @values.setter
    def values(self, state: Mapping[str, object]) -> None:
        self.load_state_dict(state)

    @property
    def input(self) -> Input | None:
        return self._input

    @input.setter
    def input(self, value: Input | None) -> None:
        if value is not None and not isinstance(value, Input):
            raise ArgumentError(f"input={value!r}: does not say what a network takes; accepted: nn.Input(transform, kind, shape), or None")
        self._input = value

    @property
    def classes(self) -> tuple[str, ...] | None:
        return self._classes

    @classes.setter
    def classes(self, names: object) -> None:
        self._classes = as_classes(names)

    def __repr__(self) -> str:
        return f"Sequential({', '.join(type(x).__name__ for x in self.layers)})"

    @property
    def dtype(self) -> np.dtype:
        return next(iter(self.values.values())).dtype if self.values else np.dtype(np.float32)

    def init(self, seed: int = 0, dtype: object = np.float32) -> Sequential:
        """Draw every parameter from its initial distribution (PyTorch's); the same seed gives the same network.

        What the network was trained on (`input`) is forgotten.
        """
        rng, kind = np.random.default_rng(whole(seed, "seed", 0)), number_type(dtype)

        def start(p: Parameter) -> np.ndarray:
            return rng.uniform(-p.bound, p.bound, p.shape) if p.initial is None else p.initial

        self._values = Values({k: stored(k, p.shape, kind, partial(start, p)) for k, p in self.parameters().items()})
        self._input = None
        return self

    def parameters(self) -> dict[str, Parameter]:
        """What the layers say of their parameters, by PyTorch's names."""
        return {f"{k}.{name}": p for k, layer in enumerate(self.layers) for name, p in layer.parameters.items()}

    def state_dict(self) -> dict[str, np.ndarray]:
        """Copies of the parameters, by PyTorch's names."""
        return {k: v.copy() for k, v in self.values.items()}

    def load_state_dict(self, state: Mapping[str, object]) -> Sequential:
        """Take over parameters; names and shapes must match, and their number type becomes the network's."""
        self._values = self._taken(state)
        return self

    def _taken(self, state: Mapping[str, object]) -> Values:
        """Parameters from a mapping, in their own memory; all of them fit, or none is taken."""
        wanted = self.parameters()
        if not isinstance(state, Mapping):
            raise ArgumentError(f"{type(state).__name__}: not parameters by name; accepted: a mapping with {', '.join(wanted) or 'nothing in it'}")
        missing, surplus = [k for k in wanted if k not in state], [str(k) for k in state if k not in wanted]
        if missing or surplus:
            raise ArgumentError(
                f"{', '.join(surplus + missing)}: names do not match (missing: {missing}, surplus: {surplus}); accepted: {', '.join(wanted)}"
            )
        given = {k: fitting(state[k], k, p.shape) for k, p in wanted.items()}
        kind = common_type(given, "load_state_dict") if given else np.dtype(np.float32)
        return Values({k: stored(k, a.shape, kind, partial(np.asarray, a)) for k, a in given.items()})

    def astype(self, dtype: object) -> Sequential:
        """The same parameters in another number type, in place."""
        kind = number_type(dtype)
        self._values = self._taken({k: v.astype(kind) for k, v in self.values.items()})
        return self

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
        """The network's output for a batch of inputs.

        transform: an operation in front of the first layer, instead of the one that `input` names for such inputs.
        """
        a = self.taken_in(x, transform)
        if a.ndim < 2 or 0 in a.shape:
            raise ShapeError(f"input with shape {a.shape}: not a batch; accepted: samples first, at least one")
        transform = self.transform_for(a.dtype, transform)
        threads = None if threads is None else whole(threads, "threads")
        runner, out, shape, a = self.runner(a, transform)
        y = aligned(shape, self.dtype)
        runner.run(self.values | {"input": a, out: y}, len(a), threads=threads or (cores() if len(a) > 64 else 1))
        return y

    def taken_in(self, x: object, transform: Op | None = None, name: str = "input") -> np.ndarray:
        """Inputs as an array that programs read; as whole numbers, where the first operation declares them."""
        a = to_array(x, name)
        if a.dtype.kind == "f" and declared_whole(layer_calls(self.layers, {"input": a.ndim}, self.transform_for(a.dtype, transform))[0], "input"):
            a = whole_numbers(name, a)
        return prepared(a, name, self.dtype)

    def transform_for(self, dtype: np.dtype, given: Op | None = None) -> Op | None:
        """The operation in front of the first layer for inputs of a number type: the one given, else the network's own."""
        own = self.input.transform_for(dtype) if self.input else None
        return as_transform(given) or own

    def runner(self, a: np.ndarray, transform: Op | None) -> tuple[Machine, str, tuple[int, ...], np.ndarray]:
        """(program, name and shape of what it puts out, the input as it takes it)."""
        calls, _ = layer_calls(self.layers, {"input": a.ndim}, transform)
        samples = None if ready_for_lanes(calls) else len(a)
        key = (a.shape[1:], samples, str(a.dtype), self.dtype, signature(calls), chunks_for(len(a), self.dtype), current())
        g, out = self.graph(a.shape, transform)
        if key not in self._runners:
            ports = [g.port("input", ELEMENTS[str(a.dtype)]), *(g.port(k, ELEMENTS[str(self.dtype)]) for k in self.values)]
            self._runners.setdefault(key, (session.machine(to_spec(g, ports, [out], str(self.dtype), chunks_for(len(a), self.dtype))), out))
        return (*self._runners[key], g.full(out), whole_arrays(g, calls, {"input": a})["input"])

    def loops(self, shape: tuple[int, ...]) -> str:
        """The loop nests compiled for inputs of this shape, each with the formula it came from."""
        if not isinstance(shape, (tuple, list)) or len(shape) < 2 or not all(is_whole(s) and s >= 1 for s in shape):
            raise ShapeError(f"shape={shape!r:.80}: not a batch of inputs; accepted: sizes of at least 1, samples first")
        return "\n".join(self.runner(np.broadcast_to(np.zeros((), self.dtype), shape), None)[0].code.layout.notes)

    def config(self) -> list[dict[str, object]]:
        return [layer.config() for layer in self.layers]
