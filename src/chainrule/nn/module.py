"""Modules: parameters, states and other modules under the names of attributes, and a forward that is traced on symbols."""

from __future__ import annotations

import reprlib
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

import numpy as np

from ..engines.recent import Recent
from ..engines.session import session
from ..errors import ArgumentError, ElementTypeError
from ..language.display import Displayed, Item
from ..language.program import Program
from ..operation.arrays import common_type
from ..operation.op import Op
from . import inference
from .alone import items_of, operation_of
from .arguments import flag, number_type, whole
from .inputs import Input, as_classes
from .tensors import Symbol
from .trace import tracing
from .values import Buffer, Parameter, Stored, affordable, owner_of, stored
from .views import Values, as_seen

M = TypeVar("M", bound="Module")


class Module(Displayed):
    """A part of a network. A class of your own says in `forward` what it computes.

    Attributes that are modules are its children, attributes that are nn.Parameter its parameters, and those that are nn.Buffer
    its states; their names, with dots between, are PyTorch's keys. forward(self, *inputs) is run once for each set of shapes,
    on symbols: tensors that know their shape and have no numbers yet. It may use its children, chainrule.nn.functional,
    any operation of cr.op, arithmetic, indices, and Python's own loops and conditions about shapes.
    `self.training` in forward says which form is asked for: training (fit, value_and_grad) or inference (a call, evaluate).
    `self.name = symbol` in forward gives a buffer its value after the step.

    >>> from chainrule import nn
    >>> class Residual(nn.Module):
    ...     def __init__(self, size):
    ...         self.inner = nn.Linear(size, size)
    ...     def forward(self, x):
    ...         return x + self.inner(x)
    >>> net = Residual(3)
    >>> list(net.state_dict()), net(np.ones((2, 3), np.float32)).shape
    (['inner.weight', 'inner.bias'], (2, 3))
    """

    _states: dict[str, Stored]
    _children: dict[str, Module]
    _cache: Recent[inference.Inference]
    _input: Input | None
    _classes: tuple[str, ...] | None

    def __new__(cls, *args: object, **given: object) -> Any:
        if (args or given) and cls.__init__ is object.__init__:
            raise ArgumentError(
                f"{', '.join([*map(repr, args), *given])[:80]}: {cls.__name__} takes no arguments; accepted: a class with 'def __init__(self, …)'"
            )
        self = super().__new__(cls)
        self.__dict__.update(_states={}, _children={}, _version=0, _cache=session.recent(), _input=None, _classes=None)
        return self

    def forward(self, *inputs: Any) -> Any:
        """What it computes; your class says it."""
        raise ArgumentError(f"{type(self).__name__}: has no forward; accepted: a class with 'def forward(self, x)'")

    def __call__(self, *inputs: Any, threads: int | None = None, transform: Op | None = None, engine: str = "native", **given: Any) -> Any:
        """The outputs for a batch of inputs (samples first), in the inference form; within forward: symbols for symbols.

        Inputs are what forward takes, by place or by name: arrays, tuples, lists and dictionaries of arrays, None; and where forward has a
        default, numbers, texts and sizes as they are. A tuple of arrays alone stands for several inputs, where forward takes as many.
        threads: how many at most; the result does not depend on it. transform: an operation in front of the network, instead of
        the one that `input` names. engine: "native", or "reference" for the literal one.
        """
        trace = tracing()
        if trace is not None:
            return trace.enter(self, inputs, given)
        return inference.call(self, inputs, given, threads, transform, engine)

    # Attributes ------------------------------------------------------------------------------------------------------

    def __getattr__(self, name: str) -> Any:
        found = self.__dict__.get("_states", {}).get(name)
        if found is not None:
            return as_seen(found)
        child = self.__dict__.get("_children", {}).get(name)
        if child is None:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return child

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(getattr(type(self), name, None), property) and not isinstance(value, Stored | Module):
            object.__setattr__(self, name, value)
            return
        states, children = self._states, self._children
        own = states.get(name)
        if own is not None and tracing() is not None and isinstance(value, Symbol):
            tracing().assign(own, value, name)  # type: ignore[union-attr]  # there is one, as tested
            return
        if own is not None and value is not None and not isinstance(value, Stored | Module):
            other = owner_of(value)  # b.weight = a.weight: one parameter for both from now on
            if other is None or type(other) is not type(own) or other.shape != own.shape:
                own.taken(value, name)
                return
            value = other
            if other is own:
                return
        if isinstance(value, Stored | Module):
            self._named(name)
            self.__dict__.pop(name, None)
            (states if isinstance(value, Module) else children).pop(name, None)
            self._hold(name, value)
        elif name in children and value is not None:
            raise ArgumentError(f"{name}={value!r:.80}: takes the place of a module; accepted: a module, or None")
        else:
            states.pop(name, None), children.pop(name, None)
            object.__setattr__(self, name, value)
        self.__dict__["_version"] += 1

    def _named(self, name: str) -> None:
        """Refuse a name that cannot be an attribute's, or that every module has."""
        if not isinstance(name, str) or not name or "." in name or hasattr(type(self), name):
            why = (
                "every module has an attribute of that name"
                if isinstance(name, str) and hasattr(type(self), name)
                else "not the name of an attribute"
            )
            raise ArgumentError(f"{name!r}: {why}; accepted: another name for a module or parameter of {type(self).__name__}")

    def _hold(self, name: str, value: Stored | Module) -> None:
        """Put a state or a module there; what still has to be drawn is named after where it stands."""
        if isinstance(value, Module):
            self._apart(name, value)
            self._children[name] = value
            for s in value._all_states():
                if s.memory is None:
                    s.key = f"{name}.{s.key}"
                    affordable(s.key, s.shape)
        else:
            value.key = value.key or name
            self._states[name] = value

    def _apart(self, name: str, child: Module) -> None:
        """Refuse a child that this module is a part of, or is itself."""
        if any(m is self for _, m in child.named_modules()):
            raise ArgumentError(f"{name}={type(child).__name__}: a module that has this {type(self).__name__} in it; accepted: modules without it")

    def __delattr__(self, name: str) -> None:
        if self._states.pop(name, None) is None and self._children.pop(name, None) is None:
            object.__delattr__(self, name)
        self.__dict__["_version"] += 1

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._states, *self._children})

    def register_buffer(self, name: str, value: object) -> None:
        """A state of this name, as in PyTorch: in state_dict, changed by forward alone (self.name = …)."""
        self._named(name)
        setattr(self, name, value if value is None or isinstance(value, Buffer) else Buffer(value))

    def register_parameter(self, name: str, value: Parameter | None) -> None:
        if value is not None and not isinstance(value, Parameter):
            raise ArgumentError(f"{name}={value!r:.60}: not a parameter; accepted: nn.Parameter(array or shape), or None")
        setattr(self, name, value)

    def add_module(self, name: str, module: Module | None) -> None:
        if module is not None and not isinstance(module, Module):
            raise ArgumentError(f"{name}={module!r:.60}: not a module; accepted: a module of chainrule.nn, or None")
        setattr(self, name, module)

    @property
    def training(self) -> bool:
        """In forward: whether the training form is asked for."""
        trace = tracing()
        return trace is not None and trace.training

    # What there is in it -----------------------------------------------------------------------------------------------

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """(name, module) of its own attributes, each module once."""
        return iter([(k, m) for at, (k, m) in enumerate(self._children.items()) if m not in list(self._children.values())[:at]])

    def children(self) -> Iterator[Module]:
        return (m for _, m in self.named_children())

    def named_modules(self) -> Iterator[tuple[str, Module]]:
        """(path, module) of itself and everything in it, each once."""
        done: set[int] = set()
        todo: list[tuple[str, Module]] = [("", self)]
        while todo:
            path, m = todo.pop()
            if id(m) in done:  # kept alive by self
                continue
            done.add(id(m))  # kept alive by self
            yield path, m
            todo += [(f"{path}.{k}" if path else k, v) for k, v in reversed(m._children.items())]

    def modules(self) -> Iterator[Module]:
        return (m for _, m in self.named_modules())

    def named_states(self) -> Iterator[tuple[str, Stored]]:
        """(name, parameter or buffer), each once, in the order of state_dict."""
        done: set[Stored] = set()
        for name, s in self._every_state():
            if s not in done:
                done.add(s)
                yield name, s

    def _every_state(self) -> Iterator[tuple[str, Stored]]:
        """The same under every name that it has."""
        yield from _states_under(self, "", ())

    def _all_states(self) -> list[Stored]:
        return [s for _, s in self.named_states()]

    def named_parameters(self) -> Iterator[tuple[str, np.ndarray]]:
        """(name, array): views of the parameters' own memory, within forward and losses the parameters themselves."""
        return ((name, as_seen(s)) for name, s in self.named_states() if isinstance(s, Parameter))

    def parameters(self) -> Iterator[np.ndarray]:
        return (a for _, a in self.named_parameters())

    def named_buffers(self) -> Iterator[tuple[str, np.ndarray]]:
        return ((name, as_seen(s)) for name, s in self.named_states() if isinstance(s, Buffer))

    def buffers(self) -> Iterator[np.ndarray]:
        return (a for _, a in self.named_buffers())

    def requires_grad_(self: M, requires_grad: bool = True) -> M:
        """Whether training changes its parameters, and those of all modules in it. Those that it does not change have no gradients.

        It may be said anew between steps; the number of the step (Adam's) goes on for all parameters alike.

        >>> import chainrule as cr
        >>> net = cr.nn.Sequential(cr.nn.Linear(2, 3), cr.nn.Linear(3, 2))
        >>> first = net[0].requires_grad_(False)
        >>> sorted(cr.value_and_grad(net, cr.nn.MSELoss())(np.ones((1, 2), np.float32), np.ones((1, 2), np.float32))[1])
        ['1.bias', '1.weight', 'input']
        """
        trained = flag(requires_grad, "requires_grad")
        for s in self._all_states():
            s.trained = trained
        return self

    @property
    def values(self) -> Values:
        """The parameters by PyTorch's names. Assigning takes values over, into the network's own memory and number type."""
        return Values({name: s for name, s in self.named_states() if isinstance(s, Parameter)})

    @values.setter
    def values(self, state: Mapping[str, object]) -> None:
        self._take(state, {name: s for name, s in self.named_states() if isinstance(s, Parameter)}, True)

    @property
    def dtype(self) -> np.dtype:
        """The number type of all parameters and buffers; float32 until another is said by init, astype or load_state_dict."""
        found = [s for s in self._all_states() if s.memory is not None]
        return found[0].array.dtype if found else np.dtype(np.float32)

    # Values --------------------------------------------------------------------------------------------------------------

    def init(self: M, seed: int = 0, dtype: object = np.float32) -> M:
        """Draw every parameter from its initial distribution (PyTorch's), and set states to where they start.

        They are drawn in the order of state_dict: the same seed gives the same network. (Before, a parameter has numbers that are a
        matter of its name alone.) What the network was trained on (`input`) is forgotten.
        """
        rng, kind = np.random.default_rng(whole(seed, "seed", 0)), number_type(dtype)
        drawn = {s: s.drawn(rng, name, kind) for name, s in self.named_states()}
        for s, a in drawn.items():
            s.said(a)
        self._input = None
        return self

    def state_dict(self) -> dict[str, np.ndarray]:
        """Copies of parameters and states, by PyTorch's names; within forward and losses the tensors themselves."""
        return {name: s.shown() if tracing() is None else as_seen(s) for name, s in self._every_state() if s.kept}

    def load_state_dict(self: M, state: Mapping[str, object], strict: bool = True) -> M:
        """Take over parameters and states; names and shapes must match, and their number type becomes the network's.

        strict=False passes over names that are missing or unexpected. All of it fits, or none is taken.
        """
        self._take(state, {name: s for name, s in self._every_state() if s.kept}, strict)
        return self

    def _take(self, state: Mapping[str, object], wanted: Mapping[str, Stored], strict: bool) -> None:
        if not isinstance(state, Mapping):
            raise ArgumentError(f"{type(state).__name__}: not parameters by name; accepted: a mapping with {', '.join(wanted) or 'nothing in it'}")
        strict = flag(strict, "strict")
        missing, surplus = [k for k in wanted if k not in state], [str(k) for k in state if k not in wanted]
        if strict and (missing or surplus):
            raise ArgumentError(
                f"{', '.join(surplus + missing)}: names do not match (missing: {missing}, unexpected: {surplus}); accepted: {', '.join(wanted) or 'none'}"
            )
        given = {k: s.fitting(state[k], k) for k, s in wanted.items() if k in state}
        floats = {k: a for k, a in given.items() if not wanted[k].whole}
        if floats and all(a.dtype.kind in "iub" for a in floats.values()):
            name, a = next(iter(floats.items()))
            raise ElementTypeError(f"{name} with dtype {a.dtype}: no parameter here is a float; accepted: float32 or float64")
        kind = common_type(floats, "load_state_dict") if floats else self.dtype
        if missing and kind != self.dtype and floats:
            given = {k: a.astype(self.dtype) if a.dtype.kind == "f" else a for k, a in given.items()}
            kind = self.dtype
        made = {wanted[k]: stored(k, a.shape, kind, lambda a=a: a) for k, a in given.items()}  # type: ignore[misc]  # a lambda with the array it is for
        for s, a in made.items():
            s.sized(a.shape)
            if s.memory is not None and s.memory.dtype == kind:
                s.memory[...] = a  # in place: views that were handed out stay the network's own
                s.assumed = False
            else:
                s.said(a)
        for s in self._all_states():
            if s not in made and s.memory is not None and s.memory.dtype != kind:
                s.said(s.in_type(kind, s.key))

    def astype(self: M, dtype: object) -> M:
        """The same parameters in another number type, in place. Numbers that they were made from have their own precision still."""
        kind = number_type(dtype)
        for name, s in self.named_states():
            s.said(s.in_type(kind, name))
        return self

    # What it was trained on ------------------------------------------------------------------------------------------

    @property
    def input(self) -> Input | None:
        """What the network was trained on (see Input)."""
        return self._input

    @input.setter
    def input(self, value: Input | None) -> None:
        if value is not None and not isinstance(value, Input):
            raise ArgumentError(f"input={value!r}: does not say what a network takes; accepted: nn.Input(transform, kind, shape), or None")
        self.__dict__["_input"] = value

    @property
    def classes(self) -> tuple[str, ...] | None:
        """What its classes are called."""
        return self._classes

    @classes.setter
    def classes(self, names: object) -> None:
        self.__dict__["_classes"] = as_classes(names)

    # Showing -------------------------------------------------------------------------------------------------------------

    def extra_repr(self) -> str:
        """What stands in brackets behind its name."""
        return ""

    @reprlib.recursive_repr("(…)")
    def __repr__(self) -> str:
        rows = self.extra_repr().split("\n") if self.extra_repr() else []
        inner = [f"({k}): " + repr(m).replace("\n", "\n  ") for k, m in self._children.items()]
        if not inner and len(rows) < 2:
            return f"{type(self).__name__}({''.join(rows)})"
        return f"{type(self).__name__}(\n  " + "\n  ".join([*rows, *inner]) + "\n)"

    def summary(self, *shapes: tuple[int, ...]) -> inference.Text:
        """A table of modules, shapes of outputs and numbers of parameters, for inputs of these shapes (without samples)."""
        return inference.summary(self, shapes)

    def loops(self, *shapes: tuple[int, ...]) -> str:
        """The loop nests compiled for inputs of these shapes (samples first), each with the formula it came from."""
        return inference.loops(self, shapes)

    def c_source(self, *shapes: tuple[int, ...]) -> str:
        """The same loop nests as a C file; its function is chainrule_<name of the class>."""
        return inference.c(self, shapes)

    def _items(self) -> Iterator[Item]:
        return items_of(self)

    def as_operation(self) -> tuple[Op, dict[str, str]]:
        """(operation, its input for each name of state_dict and for `input`), where the module is one operation with parameters."""
        return operation_of(self)

    def program(self, *shapes: tuple[int, ...]) -> Program:
        """The formulas of the inference form for inputs of these shapes (samples first), put end to end; as text it is a definition."""
        return inference.program(self, shapes)

    # Copies --------------------------------------------------------------------------------------------------------------

    def config(self) -> dict[str, object] | None:
        """What a file needs to make the same module again; None where only its class can."""
        return None

    def __getstate__(self) -> dict[str, object]:
        return {k: v for k, v in self.__dict__.items() if k != "_cache"}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)


def as_module(value: object, what: str = "net") -> Module:
    """A module, or an error that says what it is instead."""
    if not isinstance(value, Module):
        raise ArgumentError(f"{what}={value!r:.60}: not a network; accepted: a module of chainrule.nn")
    return value


def _states_under(m: Module, path: str, above: tuple[Module, ...]) -> Iterator[tuple[str, Stored]]:
    if any(m is a for a in above):
        return
    for kind in (Parameter, Buffer):
        yield from ((f"{path}{k}", s) for k, s in m._states.items() if isinstance(s, kind))
    for k, child in m._children.items():
        yield from _states_under(child, f"{path}{k}.", (*above, m))
