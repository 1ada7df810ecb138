"""Networks in safetensors files: parameters under PyTorch's names; layers, input and class names in the metadata."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ChainruleError, DataError
from ..operation.op import op
from .inputs import Input
from .layers import from_config
from .sequential import Sequential

KEY = "chainrule"  # of the metadata
WRITTEN = "a model.safetensors written by chainrule"


def save(net: Sequential, path: str | Path) -> None:
    """Write a network to a safetensors file, with the transform of its inputs, their shape and its class names.

    The file appears whole or not at all. Errors: DataError where it cannot be written.
    """
    from safetensors.numpy import save as to_bytes

    raw = to_bytes({k: np.ascontiguousarray(v) for k, v in net.values.items()}, {KEY: json.dumps(described(net))})
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


def load(path: str | Path) -> Sequential:
    """The network that `save` wrote. Errors: DataError for a file that is missing, cut short, damaged or foreign."""
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
        return restored(json.loads(text), state)
    except ChainruleError as e:
        raise DataError(f"{path}: the description of the network does not hold ({e}); accepted: {WRITTEN}") from None
    except Exception as e:  # a file may hold anything: whatever a wrong one trips over here is the file's fault
        raise DataError(f"{path}: the description of the network is damaged ({type(e).__name__}: {e}); accepted: {WRITTEN}") from None


def described(net: Sequential) -> dict[str, object]:
    """A network without its parameters, as JSON holds it."""
    given = net.input
    taken = None if given is None else {"transform": given.transform and str(given.transform), "kind": given.kind, "shape": given.shape}
    return {"layers": net.config(), "input": taken, "classes": net.classes}


def restored(config: Any, state: dict[str, np.ndarray]) -> Sequential:
    """The network that `described` and its parameters give. The first files held a plain list of layers."""
    whole = config if isinstance(config, dict) else {"layers": config}
    _expect(isinstance(whole.get("layers"), list), "layers", whole.get("layers"), "a list of layers")
    layers = [from_config(c) for c in whole["layers"]]
    net = Sequential.of(layers, state)
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
