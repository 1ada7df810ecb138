"""What a call takes and gives beside single tensors: tuples, lists and dictionaries of them, taken apart and put together again.

(x, (h, c), None) -> leaves x, h, c and a form: (place 0, (place 1, place 2), None)
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .arguments import is_whole

PLAIN = (bool, int, float, str, np.generic)


@dataclass(frozen=True)
class Place:
    """Where the k-th leaf stands."""

    k: int

    def filled(self, leaves: Sequence[Any]) -> Any:
        return leaves[self.k]


@dataclass(frozen=True)
class Plain:
    """A value of Python's that is no tensor. Values that nobody can tell apart are equal (0.0 and -0.0, 1 and True are two)."""

    value: object = field(compare=False)
    shown: str

    def filled(self, leaves: Sequence[Any]) -> Any:
        return self.value


@dataclass(frozen=True)
class Branch:
    """A tuple, list or dictionary of such."""

    kind: Any  # its class
    parts: tuple[Form, ...]
    names: tuple[object, ...] = ()

    def filled(self, leaves: Sequence[Any]) -> Any:
        values = [p.filled(leaves) for p in self.parts]
        if issubclass(self.kind, dict):
            return dict(zip(self.names, values, strict=True))
        return self.kind(*values) if hasattr(self.kind, "_fields") else self.kind(values)


Form = Place | Plain | Branch


def plain(value: object) -> Plain:
    return Plain(value, repr(value))


def branched(value: object, part: Callable[[object], Form]) -> Branch:
    """The form of a tuple, list or dictionary, from those of what is in it."""
    if isinstance(value, dict):
        return Branch(dict, tuple(map(part, value.values())), tuple(value))
    assert isinstance(value, tuple | list)
    return Branch(type(value), tuple(map(part, value)))


def inside(value: object) -> list[Any]:
    """What a tuple, list or dictionary holds, those in it too; any other value is itself alone."""
    if isinstance(value, dict):
        value = list(value.values())
    return [v for e in value for v in inside(e)] if isinstance(value, tuple | list) else [value]


def form_of(value: object) -> Form | None:
    """The form of what forward gave, where it is neither a tensor nor a tuple or list of tensors."""
    flat = list(value) if isinstance(value, tuple | list) else [value]
    if not isinstance(value, dict) and not any(e is None or isinstance(e, tuple | list | dict) for e in flat):
        return None
    count = iter(range(len(inside(value))))

    def part(v: object) -> Form:
        if isinstance(v, tuple | list | dict):
            return branched(v, part)
        return plain(None) if v is None else Place(next(count))

    return part(value)


# What is given to a call -----------------------------------------------------------------------------------------------------


def is_tensor(value: object) -> bool:
    """Whether it is an array, of NumPy or of others, and no number alone."""
    return isinstance(value, np.ndarray) or (not isinstance(value, np.generic) and (hasattr(value, "__array__") or hasattr(value, "__dlpack__")))


def _several(signature: inspect.Signature, values: tuple[object, ...]) -> bool:
    """Whether a tuple of tensors stands for several inputs: forward takes as many."""
    try:
        signature.bind(*values)
    except TypeError:
        return False
    return True


def taken(forward: Callable[..., object], inputs: Sequence[object], given: Mapping[str, object]) -> tuple[list[object], Form | None]:
    """(what is a tensor, form of (inputs, given)); no form where each input is a tensor by place.

    Where forward has no default, a number or a list of numbers is a tensor; where it has one, that is a value as Python has it, such as
    a size, yes or no.
    """
    if not given and all(isinstance(x, np.ndarray) for x in inputs):
        return list(inputs), None
    signature = inspect.signature(forward)
    if not given and len(inputs) == 1 and isinstance(inputs[0], tuple) and any(map(is_tensor, inside(inputs[0]))):
        inputs = inputs[0] if _several(signature, inputs[0]) else inputs
    leaves: list[object] = []

    def leaf(x: object) -> Place:
        leaves.append(x)
        return Place(len(leaves) - 1)

    def part(x: object, optional: bool = True) -> Form:
        if is_tensor(x):
            return leaf(x)
        if x is None:
            return plain(None)
        if isinstance(x, dict) or (isinstance(x, tuple | list) and any(e is None or is_tensor(e) for e in inside(x))):
            return branched(x, part)
        sizes = isinstance(x, tuple | list) and all(map(is_whole, x))
        return plain(x) if optional and (sizes or isinstance(x, PLAIN)) else leaf(x)

    parameters = list(signature.parameters.values())
    wanted = [p.default is p.empty for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    by_name = {p.name for p in parameters if p.default is p.empty and p.kind is not p.VAR_KEYWORD}
    required = [*wanted, *[True] * len(inputs)]
    places = Branch(tuple, tuple(part(x, not must) for x, must in zip(inputs, required, strict=False)))
    return leaves, Branch(tuple, (places, Branch(dict, tuple(part(x, k not in by_name) for k, x in given.items()), tuple(given))))
