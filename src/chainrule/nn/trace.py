"""Tracing: a module's forward is run once on symbols, and what it does is written down as operations with named tensors.

forward(symbols) -> calls: [operation, names of its tensors, settings]
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ..engines.native.buffers import address
from ..errors import ArgumentError, ElementTypeError, ShapeError
from ..operation.op import Op, op
from . import patterns
from .forms import inside
from .patterns import Pattern
from .tensors import Symbol, as_numbers
from .values import Buffer, Parameter, Stored

if TYPE_CHECKING:
    from .module import Module

_now: ContextVar[Trace | None] = ContextVar("trace", default=None)
COMPARING = ("<", "<=", ">", ">=", "==", "!=")
FRONT = "front"  # what names of a module in front of the network begin with
RESERVED = ("input", "target", "loss", "pixels", FRONT)  # first words of names that are not a module's


def tracing() -> Trace | None:
    """The trace that this thread is in the middle of."""
    return _now.get()


def is_logical(x: object) -> bool:
    """Whether an array or symbol says yes or no."""
    return x.name in x.trace.logical if isinstance(x, Symbol) else isinstance(x, np.ndarray) and x.dtype == bool


@lru_cache(maxsize=4096)
def from_text(text: str) -> Op:
    """One operation for equal texts, so that equal networks are made of the same ones."""
    return op(text)


@dataclass(frozen=True)
class Call:
    """One operation in the network: names of its tensors, settings, a prefix for tensors inside it, and whose it is.

    still: no gradient goes through it."""

    op: Op
    names: Mapping[str, str]
    settings: Mapping[str, int | float]
    prefix: str
    path: str = ""
    still: bool = False

    @property
    def inputs(self) -> tuple[str, ...]:
        return tuple(self.names[t.name] for t in self.op.definition.inputs)

    @property
    def outputs(self) -> tuple[str, ...]:
        return tuple(self.names[t.name] for t in self.op.definition.outputs)

    @property
    def who(self) -> str:
        return f"layer {self.path} ({self.op.name})" if self.path else self.op.name


def suited(module: Module, args: Sequence[object], given: Mapping[str, object] | None = None) -> None:
    """Refuse inputs that are more or fewer than forward takes."""
    signature = inspect.signature(module.forward)
    try:
        signature.bind(*args, **(given or {}))
    except TypeError as e:
        who = type(module).__name__
        odd = [k for k in given or {} if k not in signature.parameters]
        if odd:
            raise ArgumentError(f"{', '.join(odd)}: given by name to {who}; accepted: {who}{signature}, threads, transform, engine") from None
        raise ArgumentError(f"{len(args)} input{'s' * (len(args) != 1)}: not what {who} takes ({e}); accepted: {who}{signature}") from None


def inner_name(name: str) -> str:
    """What a state is called among the tensors of a program, where names such as `loss` have another meaning."""
    first = name.split(".")[0]
    return name if "." in name and not first.startswith(RESERVED) else f".{name}"


class Trace:
    """What has been written down so far."""

    def __init__(self, root: Module, training: bool, samples: int, front: Module | None = None):
        self.training, self.samples, self.root = training, samples, root
        self.calls: list[Call] = []
        self.sampled: set[str] = set()
        self.logical: set[str] = set()  # those that say yes or no
        self.constants: dict[str, object] = {}
        self.inputs: dict[str, tuple[int, ...]] = {}
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.names = {s: inner_name(name) for name, s in root.named_states()}
        self.paths = {id(m): name for name, m in root.named_modules()}  # kept alive by self.root
        if front is not None:
            self.names |= {s: f"{FRONT}.{name}" for name, s in front.named_states() if s not in self.names}
            self.paths |= {id(m): f"{FRONT}.{name}" if name else FRONT for name, m in front.named_modules()}  # kept alive by the caller
        self.taken = {*self.names.values(), *self.paths.values(), *map(inner_name, self.paths.values())}
        self.latest: dict[Stored, Symbol] = {}
        self.updates: dict[Stored, Symbol] = {}
        self.seen: list[tuple[str, Module, object]] = []
        self.path = ""
        self.dtype = root.dtype  # what is computed in
        self.prefixes: set[str] = set()

    @contextmanager
    def running(self) -> Iterator[Trace]:
        """Forward is run inside; whatever it raises, the next trace starts anew."""
        token = _now.set(self)
        try:
            yield self
        finally:
            _now.reset(token)

    # Tensors ---------------------------------------------------------------------------------------------------------

    def declared(self, name: str, shape: tuple[int, ...], sampled: bool) -> Symbol:
        self.shapes[name] = shape
        if sampled:
            self.sampled.add(name)
        return Symbol(self, name, shape)

    def input(self, name: str, shape: tuple[int, ...], sampled: bool = True) -> Symbol:
        """A tensor that is given at each call; sampled: its first axis are the samples."""
        self.inputs[name] = shape
        return self.declared(name, shape, sampled)

    def state(self, s: Stored) -> Symbol:
        """A parameter or buffer as it stands at this place of forward."""
        if s not in self.latest:
            if s not in self.names:
                raise ArgumentError(
                    f"{s!r} under {self.path or 'forward'}: belongs to a module that is no part of this network; accepted: modules that are attributes "
                    "(or in an nn.ModuleList that is one)"
                )
            self.latest[s] = self.declared(self.names[s], s.shape, False)
        return self.latest[s]

    def assign(self, s: Stored, value: Symbol, name: str) -> None:
        """The value that a buffer has after the step."""
        if isinstance(s, Parameter):
            raise ArgumentError(f"{name}: a parameter cannot be assigned in forward, training changes it; accepted: buffers")
        here = self.symbol(value)
        if here.shape != s.shape:
            raise ShapeError(f"{name} with shape {here.shape}: does not fit; accepted: {s.shape}")
        self.latest[s] = self.updates[s] = here

    def renew(self, old: Symbol, new: object) -> None:
        """Assign to the buffer that a symbol is the value of; other symbols have nothing to renew."""
        owner = next((s for s, x in self.latest.items() if x.name == old.name and isinstance(s, Buffer)), None)
        if owner is not None and isinstance(new, Symbol):
            self.assign(owner, new, self.names[owner])

    def symbol(self, value: object, name: str = "constant") -> Symbol:
        """A symbol from a symbol, or from numbers that stay as they are."""
        if isinstance(value, Symbol):
            if value.trace is not self:
                raise ArgumentError(f"{value!r}: belongs to another run of forward; accepted: symbols of this one")
            return value
        if isinstance(value, Parameter | Buffer):
            return self.state(value)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            label = f"number:{float(value)!r}"
            self.constants[label] = np.asarray(float(value))
            return self.declared(label, (), False)
        a = self.seen_as(as_numbers(value, name))
        if isinstance(a, Symbol):
            return a
        if a.dtype.kind not in "fiub":
            raise ElementTypeError(f"{name} with dtype {a.dtype}: not numbers to compute with; accepted: symbols, numbers and NumPy arrays")
        label = self.fresh(f"constant:{len(self.constants)}")
        self.constants[label] = a  # not a copy: what is changed in it is changed for the network
        return self.declared(label, a.shape, False)

    def seen_as(self, a: np.ndarray) -> np.ndarray | Symbol:
        """The symbol of the network's tensor whose own memory an array is; any other array as it is."""
        for s in self.names:
            if s.memory is not None and np.may_share_memory(a, s.memory):
                if address(a) == address(s.memory) and (a.shape, a.dtype) == (s.shape, s.memory.dtype) and a.flags.c_contiguous:
                    return self.state(s)
                raise ArgumentError(
                    f"a view {list(a.shape)} of {s!r}: numbers of a parameter or buffer, without a gradient; "
                    "accepted: the whole array, which stands for the tensor, or indices within forward"
                )
        return a

    def fresh(self, wanted: str) -> str:
        """A name that no other tensor has."""
        name, k = wanted, 1
        while name in self.taken:
            k += 1
            name = f"{wanted}.{k}"
        self.taken.add(name)
        return name

    def pattern(self, x: Symbol) -> Pattern:
        return Pattern(x.shape, x.name in self.sampled)

    # Nodes -----------------------------------------------------------------------------------------------------------

    def made(self, text: str, *args: Symbol, **settings: float) -> Symbol:
        found = self.apply(from_text(text), args, dict(settings))
        assert isinstance(found, Symbol)
        return found

    def detached(self, x: Symbol) -> Symbol:
        """The same numbers, as if they were given: no gradient goes back to what they were computed of."""
        y = self.made(patterns.function(self.pattern(x), "{}", "detach"), x)
        self.calls[-1] = replace(self.calls[-1], still=True)
        return y

    def number(self, sign: str, x: Symbol, value: float, turned: bool) -> Symbol:
        return self.answered(sign, self.made(patterns.number(self.pattern(x), sign, turned), x, v=value))

    def pointwise(self, sign: str, pair: tuple[Symbol, Symbol]) -> Symbol:
        a, b = pair
        return self.answered(sign, self.made(patterns.pointwise(sign, self.pattern(a), self.pattern(b)), a, b))

    def answered(self, sign: str, x: Symbol) -> Symbol:
        """x, of which is known that it says yes or no where the sign compares."""
        if sign in COMPARING:
            self.logical.add(x.name)
        return x

    def product(self, a: Symbol, b: Symbol) -> Symbol:
        return self.made(patterns.product(self.pattern(a), self.pattern(b)), a, b)

    def apply(self, operation: Op, args: Sequence[object], given: Mapping[str, object]) -> Symbol | tuple[Symbol, ...]:
        """A node for an operation called with these arguments, in the header's order or by name."""
        call, shapes = self.call_of(operation, args, given)
        return self.added(call, shapes)

    def meant(self, operation: Op, args: Sequence[object], given: Mapping[str, object]) -> tuple[Op, dict[str, Symbol], dict[str, int | float]]:
        """The operation as these arguments mean it, the symbols that it is called with, and its settings."""
        inputs, optional = operation.inputs, operation.optional
        if len(args) > len(inputs):
            raise ArgumentError(f"{len(args)} tensors: {operation.name} takes {len(inputs)}; accepted: {operation.header}")
        tensors: dict[str, object] = dict(zip(inputs, args, strict=False))
        settings: dict[str, object] = {}
        for k, v in given.items():
            if k in tensors:
                raise ArgumentError(f"{k}: given twice to {operation.name}; accepted: once, by place or by name")
            if k in inputs:
                tensors[k] = v
            elif k not in ("engine", "threads"):  # forward is not run on an engine of its own
                settings[k] = v
        without = [k for k in optional if tensors.get(k) is None]
        missing = [k for k in inputs if k not in without and tensors.get(k) is None]
        if missing:
            raise ArgumentError(f"{operation.name}: {', '.join(missing)} not given; accepted: {operation.header}")
        symbols = {k: self.symbol(tensors[k], k) for k in inputs if k not in without}
        try:
            fitted, numbers = operation.fitted({k: s.ndim for k, s in symbols.items()}, settings, without)
        except ShapeError as e:
            raise ShapeError(f"{Call(operation, {}, {}, '', self.path).who}: {e}") from None
        return fitted, symbols, numbers

    def call_of(self, operation: Op, args: Sequence[object], given: Mapping[str, object]) -> tuple[Call, Mapping[str, tuple[int, ...]]]:
        """The call that these arguments mean, with the shape of each of its tensors."""
        fitted, symbols, numbers = self.meant(operation, args, given)
        prefix = self.prefix(fitted.name)
        call = Call(fitted, {k: s.name for k, s in symbols.items()}, numbers, prefix, self.path)
        try:
            bound = fitted.bound({t.name: symbols[t.name].shape for t in fitted.definition.inputs}, numbers, self.open(call))
        except ShapeError as e:
            raise ShapeError(f"{call.who}: {e}") from None
        return call, bound.shapes

    def open(self, call: Call) -> bool:
        """Whether the number of samples may be left open in a call: its sample axes are the batch's."""
        d = call.op.definition
        first = [(call.names[t.name] in self.sampled, bool(t.axes) and t.axes[0].letter == d.sample_size) for t in d.inputs]
        return any(a for a, _ in first) and all(a == b for a, b in first)

    def added(self, call: Call, shapes: Mapping[str, tuple[int, ...]]) -> Symbol | tuple[Symbol, ...]:
        """Write a call down, with names for what it puts out."""
        d, is_open = call.op.definition, self.open(call)
        out = []
        names = dict(call.names)
        for t in d.outputs:
            sampled = is_open and bool(t.axes) and t.axes[0].letter == d.sample_size
            symbol = self.declared(self.fresh(f"{call.prefix}.{t.name}"), tuple(shapes[t.name]), sampled)
            names[t.name] = symbol.name
            out.append(symbol)
        self.calls.append(replace(call, names=names))
        return out[0] if len(out) == 1 else tuple(out)

    def prefix(self, name: str) -> str:
        """A name for what is inside a call: that of the module, with the operation's and a number where it is not the first."""
        wanted = self.path
        k = 1
        while wanted in self.prefixes:
            k += 1
            wanted = f"{self.path}:{name}{k}"
        self.prefixes.add(wanted)
        return wanted

    def inside(self, x: Symbol, tensor: str, shape: tuple[int, ...]) -> Symbol:
        """A tensor inside the call that made x, for others to read as a plain value."""
        k = next(k for k in range(len(self.calls) - 1, -1, -1) if x.name in self.calls[k].outputs)
        call = self.calls[k]
        if tensor not in call.names:
            name = self.fresh(f"{call.prefix}:{tensor}")
            self.calls[k] = replace(call, names={**call.names, tensor: name})
            self.declared(name, shape, False)
        return Symbol(self, self.calls[k].names[tensor], shape)

    # Modules ---------------------------------------------------------------------------------------------------------

    def enter(self, module: Module, args: Sequence[object], given: Mapping[str, object]) -> Any:
        """Run a module's forward under its own name."""
        before = self.path
        self.path = self.paths.get(id(module), before)  # kept alive by the caller
        try:
            out = module.forward(*args, **given)
        except ShapeError as e:
            if str(e).startswith("layer ") or not self.path:
                raise
            raise ShapeError(f"layer {self.path} ({type(module).__name__}): {e}") from None
        finally:
            self.path = before
        self.seen.append((self.paths.get(id(module), before), module, out))  # kept alive by self.seen
        return out

    def results(self, out: object, who: str, nested: bool = False) -> tuple[tuple[Symbol, ...], bool]:
        """What forward returned as a tuple of symbols, and whether it was one alone. nested: it may be a tuple of tuples, with None in it."""
        several = isinstance(out, (tuple, list)) or (nested and isinstance(out, dict))
        flat: Iterable[Any] = [r for r in inside(out) if r is not None] if several and nested else out if several else (out,)  # type: ignore[assignment]  # several: it has parts
        rows = tuple(flat)
        for r in rows:
            if not isinstance(r, Symbol):
                shown = "nothing (None)" if r is None else type(r).__name__
                raise ArgumentError(f"{who}: its forward gave {shown}; accepted: a symbol, or a tuple of them")
        if not rows:
            raise ArgumentError(f"{who}: its forward gave an empty tuple; accepted: a symbol, or a tuple of them")
        return rows, not several
