"""Networks in safetensors files: parameters and states under PyTorch's names; modules, input and class names in the metadata."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ArgumentError, ChainruleError, DataError
from ..operation.op import op
from . import layers
from .containers import ModuleList, Row, Sequential
from .documents import CellBias, Convolve2d
from .inputs import Input
from .layers import Formula, Layer
from .models import BasicBlock, ResNet, TransformerBlock, VisionTransformer
from .module import Module

KEY = "chainrule"  # of the metadata
WRITTEN = "a model.safetensors written by chainrule"


def save(net: Module, path: str | Path) -> None:
    """Write a network to a safetensors file, with the transform of its inputs, their shape and its class names.

    The file appears whole or not at all. Errors: DataError where it cannot be written.
    """
    from safetensors.numpy import save as to_bytes

    if not isinstance(net, Module):
        raise ArgumentError(f"{net!r:.80}: not a network; accepted: a module of chainrule.nn")
    raw = to_bytes({k: np.asarray(v, order="C") for k, v in net.state_dict().items()}, {KEY: json.dumps(described(net))})
    try:
        path = Path(path)
        part = path.with_name(path.name + ".part")
        try:
            part.write_bytes(raw)
            part.replace(path)
        except OSError:
            with contextlib.suppress(OSError):  # nothing may be there, under a name that cannot be
                part.unlink()
            raise
    except (OSError, ValueError, TypeError) as e:  # no file's name at all, or a folder that will not take it
        why = getattr(e, "strerror", None) or e
        raise DataError(f"{path!s:.200}: the model cannot be written ({why}); accepted: a path in a folder with room and permission") from None


def load(path: str | Path, into: Module | None = None) -> Any:
    """The network that `save` wrote.

    into: a network of your own class that takes the file's parameters over; a file says how modules of the library are put
    together, and no more of others than their parameters.
    Errors: DataError for a file that is missing, cut short, damaged or foreign.
    """
    from safetensors import SafetensorError, safe_open

    if not isinstance(path, (str, Path)) or not Path(path).is_file():
        raise DataError(f"{path}: no such file; accepted: {WRITTEN}")
    try:
        with safe_open(str(path), "np") as f:
            text = (f.metadata() or {}).get(KEY)
            state = {k: f.get_tensor(k) for k in f.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, TypeError, AttributeError) as e:
        raise DataError(f"{path}: not a whole safetensors file ({e}); accepted: {WRITTEN}") from None
    if text is None:
        raise DataError(f"{path}: has tensors but no layers; accepted: a file written by chainrule (or load_state_dict with your own Sequential)")
    try:
        return restored(json.loads(text), state, into)
    except Foreign as e:
        raise DataError(f"{path}: {e}") from None
    except ArgumentError as e:
        if into is None:
            raise DataError(f"{path}: the description of the network does not hold ({e}); accepted: {WRITTEN}") from None
        raise DataError(f"{path}: does not fit into {type(into).__name__} ({e}); accepted: the parameters of the same class") from None
    except ChainruleError as e:
        raise DataError(f"{path}: the description of the network does not hold ({e}); accepted: {WRITTEN}") from None
    except Exception as e:  # a file may hold anything: whatever a wrong one trips over here is the file's fault
        raise DataError(f"{path}: the description of the network is damaged ({type(e).__name__}: {e}); accepted: {WRITTEN}") from None


def described(net: Module) -> dict[str, object]:
    """A network without its parameters, as JSON holds it."""
    given = net.input
    taken = None if given is None else {"transform": given.transform and str(given.transform), "kind": given.kind, "shape": given.shape}
    config = _config(net)
    rest = {"input": taken, "classes": net.classes, "shared": shared(net)}
    if isinstance(net, Sequential) and config is not None and "names" not in config:
        return {"layers": config["layers"], **rest}
    return {"module": config or {"type": OWN, "name": type(net).__qualname__}, **rest}


def _config(net: Module) -> dict[str, object] | None:
    """What describes a network; None where a part is not what the library makes of it: a class, a forward or tensors of its own."""
    if any("forward" in m.__dict__ for _, m in net.named_modules()):
        return None
    config = net.config()
    if config is None:
        return None
    try:
        made = from_config(config)
    except ArgumentError:  # a class that is made from a layer's and has its arguments
        return None
    share(made, shared(net))
    return config if _form(net) == _form(made) else None


def _form(net: Module) -> tuple[dict[str, type], dict[str, tuple[int, ...]]]:
    """The class of each part of a network, and the shape of each tensor as its module makes it."""
    return {path: type(m) for path, m in net.named_modules()}, {name: s.declared for name, s in net._every_state()}


def shared(net: Module) -> dict[str, str]:
    """{path of a module or parameter that stands in several places: the first path of the same one}."""
    found: dict[str, str] = {}
    first: dict[object, str] = {}

    def walk(m: Module, path: str) -> None:
        parts: dict[str, Any] = {**m._children, **m._states}
        for k, part in parts.items():
            here = f"{path}{k}"
            if first.setdefault(part, here) != here:
                found[here] = first[part]
            elif isinstance(part, Module):
                walk(part, f"{here}.")

    walk(net, "")
    return found


def share(net: Module, pairs: Any) -> None:
    """Put modules and parameters back into the other places where they stood."""
    _expect(isinstance(pairs, dict) and all(isinstance(v, str) for v in pairs.values()), "shared", pairs, "paths by path")
    for path, first in pairs.items():
        (holder, name), (owner, own) = _place(net, path), _place(net, first)
        kinds: list[tuple[dict[str, Any], dict[str, Any]]] = [(holder._children, owner._children), (holder._states, owner._states)]
        for here, there in kinds:
            if name in here and own in there:
                if isinstance(there[own], Module):
                    holder._apart(name, there[own])
                here[name] = there[own]
                break
        else:
            raise ArgumentError(f"{path!r:.80} and {first!r:.80}: not two of one kind; accepted: paths of modules, or of parameters")


def _place(net: Module, path: str) -> tuple[Module, str]:
    """The module that holds what stands at a path, and its name there."""
    *before, name = path.split(".")
    for k in before:
        net = net._children[k]
    return net, name


KNOWN: dict[str, Callable[..., Module]] = {
    c.__name__: c
    for c in (*(getattr(layers, k) for k in layers.__all__), BasicBlock, CellBias, Convolve2d, ResNet, TransformerBlock, VisionTransformer)
    if issubclass(c, Layer) and c not in (Layer, Formula)
}
OWN = "own"  # a class that is not the library's
ROWS: dict[str, type[Row]] = {"Sequential": Sequential, "ModuleList": ModuleList}


def from_config(config: object, depth: int = 0) -> Module:
    """The module that `config` describes; ArgumentError for what describes none."""
    if not isinstance(config, Mapping) or depth > MOST_DEPTH:
        raise ArgumentError(f"{config!r:.80}: not a layer's description; accepted: a type and its arguments by name")
    rest = {k: tuple(v) if isinstance(v, list) else v for k, v in config.items() if k != "type"}
    name = config.get("type")
    if name == "Formula":
        text, shapes, settings = (rest.get(k) for k in ("text", "shapes", "settings"))
        if len(rest) != 3 or not isinstance(text, str) or not isinstance(shapes, Mapping) or not isinstance(settings, Mapping):
            raise ArgumentError(f"{config!r:.80}: not a formula's description; accepted: text, shapes and settings")
        return Formula(text, **{k: tuple(v) if isinstance(v, list) else v for k, v in shapes.items()}, **settings)
    if isinstance(name, str) and name in ROWS:
        layers, names = config.get("layers"), config.get("names")
        if rest.keys() - {"names"} != {"layers"} or not isinstance(layers, list) or not (names is None or isinstance(names, list)):
            raise ArgumentError(f"{config!r:.80}: not a row's description; accepted: layers, and their names")
        made: Module = ROWS[name].of([from_config(c, depth + 1) for c in layers], names)
        return made
    if name == OWN:
        raise Foreign(
            f"a network of class {rest.get('name')!s:.80} with a class, a forward or parameters of its own in it, and a file holds no classes; "
            "accepted: load(path, into=net) with a network of that class (or its load_state_dict)"
        )
    kind = KNOWN.get(name) if isinstance(name, str) else None
    if kind is None:
        raise ArgumentError(f"{name!r:.80}: no such layer; accepted: {', '.join([*KNOWN, *ROWS, 'Formula'])}")
    try:
        return kind(**rest)
    except TypeError as e:  # arguments that the layer does not have, or lacks
        raise ArgumentError(f"{name}: {e}; accepted: the arguments that {name} has") from None


class Foreign(ChainruleError):
    """A description of what the library cannot make."""


MOST_DEPTH = 100  # of rows in rows


def restored(config: Any, state: dict[str, np.ndarray], into: Module | None = None) -> Module:
    """The network that `described` and its parameters give. The first files held a plain list of layers."""
    whole = config if isinstance(config, dict) else {"layers": config}
    if into is not None:
        net = into
    elif "module" in whole:
        net = from_config(whole["module"])
    else:
        _expect(isinstance(whole.get("layers"), list), "layers", whole.get("layers"), "a list of layers")
        net = Sequential.of([from_config(c) for c in whole["layers"]])
    if into is None:
        share(net, whole.get("shared") or {})
    net.load_state_dict(state)
    taken = whole.get("input")
    if taken is not None:
        _expect(isinstance(taken, dict), "input", taken, "transform, kind and shape")
        text, shape = taken.get("transform"), taken.get("shape")
        _expect(text is None or isinstance(text, str), "transform", text, "the text of a formula")
        net.input = Input(op(text) if text is not None else None, taken.get("kind"), tuple(shape) if isinstance(shape, list) else shape)
    net.classes = whole.get("classes")
    return net


def _expect(holds: bool, name: str, value: object, accepted: str) -> None:
    if not holds:
        raise DataError(f"{name}={value!r:.80}: not what stands there; accepted: {accepted}")
