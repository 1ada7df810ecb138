"""Modules in a row: Sequential computes one after another, ModuleList only holds them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, SupportsIndex

from ..errors import ArgumentError
from ..operation.op import Op
from .layers import Formula
from .module import Module


def as_layer(value: object) -> Module:
    """A module from a module, or from an operation with a single input."""
    if isinstance(value, Module):
        return value
    if isinstance(value, Op):
        return Formula(value)
    raise ArgumentError(f"{value!r:.80}: not a layer; accepted: a layer of chainrule.nn, or an operation of cr.op")


class Row(Module):
    """Modules under the names "0", "1", …"""

    @property
    def layers(self) -> tuple[Module, ...]:
        return tuple(self._children.values())

    def __len__(self) -> int:
        return len(self._children)

    def __iter__(self) -> Iterator[Module]:
        return iter(self.layers)

    def __contains__(self, value: object) -> bool:
        return any(m is value for m in self.layers)

    def _place(self, k: object) -> str:
        """The name of the k-th module, counted from either end."""
        names = list(self._children)
        if isinstance(k, str) and k in names:
            return k
        if isinstance(k, bool) or not isinstance(k, SupportsIndex) or not -len(names) <= k.__index__() < len(names):
            raise IndexError(
                f"[{k!r}]: there is no such module; accepted: {-len(names)} to {len(names) - 1}" if names else f"[{k!r}]: there are no modules"
            )
        return names[k.__index__()]

    def __getitem__(self, k: Any) -> Any:
        if isinstance(k, slice):
            return type(self).of(self.layers[k], self._kept_names(k))
        return self._children[self._place(k)]

    def _kept_names(self, k: slice) -> list[str] | None:
        """The names that modules keep in a part of the row; None where they are numbered anew."""
        return None

    @classmethod
    def of(cls, layers: Iterable[Module], names: Iterable[str] | None = None) -> Any:
        """The same kind of row with these modules, which are shared and not copied, under these names."""
        row = cls.__new__(cls)
        if names is None:
            return row.extend(layers)
        row._take_named(zip(names, layers, strict=True))
        return row

    def _take_named(self, modules: Iterable[tuple[str, object]]) -> None:
        for name, m in modules:
            self._named(name)
            self._children_set(name, as_layer(m))

    def __setitem__(self, k: int, value: object) -> None:
        self._children_set(self._place(k), as_layer(value))

    def __delitem__(self, k: Any) -> None:
        gone = set(list(self._children)[k]) if isinstance(k, slice) else {self._place(k)}
        self._renumbered([m for name, m in self._children.items() if name not in gone])

    def _renumbered(self, layers: Iterable[Module]) -> None:
        self.__dict__["_children"] = {str(k): m for k, m in enumerate(layers)}
        self.__dict__["_version"] += 1

    def _children_set(self, name: str, value: Module) -> None:
        self._hold(name, value)
        self.__dict__["_version"] += 1

    def append(self, module: object) -> Any:
        """Put a module at the end."""
        k = len(self._children)
        while str(k) in self._children:  # names may leave numbers out, as in a part of another row
            k += 1
        self._children_set(str(k), as_layer(module))
        return self

    def extend(self, modules: Iterable[object]) -> Any:
        """Put all of them at the end, or, where one of them is no module, none."""
        if not isinstance(modules, Iterable) or isinstance(modules, str | Mapping):
            raise ArgumentError(f"{modules!r:.80}: not modules; accepted: a list of layers of chainrule.nn, or of operations of cr.op")
        for m in [as_layer(m) for m in modules]:
            self.append(m)
        return self

    def insert(self, k: int, module: object) -> None:
        """Put a module in front of the k-th."""
        if isinstance(k, bool) or not isinstance(k, SupportsIndex):
            raise ArgumentError(f"{k!r:.80}: not a place; accepted: a whole number")
        self.append(module)
        *layers, last = self.layers
        layers.insert(k.__index__(), last)
        self._renumbered(layers)

    def pop(self, k: int = -1) -> Module:
        """Take the k-th module out."""
        name = self._place(k)
        found = self._children[name]
        del self[name]
        return found

    def __add__(self, other: object) -> Any:
        if not isinstance(other, Row):
            return NotImplemented
        return type(self).of([*self.layers, *other.layers])

    def config(self) -> dict[str, object] | None:
        inner = [m.config() for m in self.layers]
        if None in inner:
            return None
        found: dict[str, object] = {"type": type(self).__name__, "layers": inner}
        names = list(self._children)
        if names != [str(k) for k in range(len(inner))]:
            found["names"] = names
        return found


class Sequential(Row):
    """A network: each layer's output is the next one's input.

    Takes modules and operations of cr.op, or one mapping with their names. Parameters are NumPy arrays under PyTorch's names
    in `values`; net[0].weight is the first layer's, net[1:3] a Sequential of some of the same layers. `input` says what the
    network was trained on (see Input), `classes` what its classes are called; both may be set.

    >>> from chainrule import nn
    >>> net = nn.Sequential(nn.Linear(4, 3), nn.ReLU()).init(seed=0)
    >>> list(net.state_dict())
    ['0.weight', '0.bias']
    >>> import numpy as np
    >>> net(np.ones((2, 4), np.float32)).shape
    (2, 3)
    """

    def __init__(self, *layers: Any):
        if len(layers) == 1 and isinstance(layers[0], Mapping):
            self._take_named(layers[0].items())
        else:
            self.extend(layers)

    def _kept_names(self, k: slice) -> list[str] | None:
        return list(self._children)[k]

    def forward(self, x: Any) -> Any:
        for m in self.layers:
            x = m(x)
        return x


class ModuleList(Row):
    """Modules in a list: forward of the module that holds it says what is computed with them.

    >>> from chainrule import nn
    >>> len(nn.ModuleList([nn.Linear(3, 3) for _ in range(4)])[1:])
    3
    """

    def __init__(self, modules: Iterable[object] = ()):
        self.extend(modules)

    def __repr__(self) -> str:
        runs: list[tuple[int, int, str]] = []  # (first, last, text): equal neighbours are one line, as in PyTorch
        for k, m in enumerate(self.layers):
            if runs and runs[-1][2] == repr(m):
                runs[-1] = (runs[-1][0], k, runs[-1][2])
            else:
                runs.append((k, k, repr(m)))
        rows = [(f"({a}): " if a == b else f"({a}-{b}): {b - a + 1} x ") + text.replace("\n", "\n  ") for a, b, text in runs]
        return "ModuleList(\n  " + "\n  ".join(rows) + "\n)" if rows else "ModuleList()"

    def forward(self, *inputs: Any) -> Any:
        raise ArgumentError("ModuleList: computes nothing by itself; accepted: its modules, one by one, in the forward of the module that holds it")
