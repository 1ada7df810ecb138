"""Operations, networks and derivations by the words of a command."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .. import ops
from ..errors import ArgumentError, DataError
from ..nn.files import load
from ..nn.models import MODELS, known
from ..nn.module import Module
from ..operation.op import Op, op
from .derive import Derivation, derive


def operation(name: str) -> Op:
    """The operation. Errors: ArgumentError for a name that neither the library nor the folder has, DataError for a file that is no text."""
    try:
        if Path(name).is_file():
            return op(Path(name).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as e:
        raise DataError(f"{name}: cannot be read ({e}); accepted: a text file with a definition") from None
    found = getattr(ops, name, None)
    if not isinstance(found, Op):
        raise ArgumentError(f"{name!r}: no such operation and no such file; accepted: {', '.join(ops.__all__)}, or a file with a definition")
    return found


def derivation(what: str, words: Sequence[str], loss: str | None = None, shape: str | None = None, **how: Any) -> Derivation:
    """The derivation that a command asks for: `words` are names of inputs, and settings and sizes as NAME=NUMBER."""
    numbers: dict[str, Any] = dict(_number(w) for w in words if "=" in w)
    names = [w for w in words if "=" not in w]
    sizes = None if shape is None else tuple(_whole(x, shape) for x in shape.lower().split("x"))
    net = _network(what, sizes)
    if net is not None:
        made = None if loss is None else operation(loss)
        return derive(net, names or ["0.weight"], input=sizes or (net.input and net.input.shape) or (1, 28, 28), loss=made, **how, **numbers)
    if loss is not None or shape is not None:
        raise ArgumentError(f"{what!r}: --loss and --input are of a network; accepted: {', '.join(MODELS)}, or a model's file")
    parts = [operation(x) for x in what.split(",")]
    return derive(parts if len(parts) > 1 else parts[0], names[0] if len(names) == 1 else names or None, **how, **numbers)


def _network(name: str, shape: tuple[int, ...] | None) -> Module | None:
    """A known model, or one from a file; None for anything else."""
    if name.replace("-", "_") in MODELS:
        return known(name, shape or (1, 28, 28))
    return load(name) if name.endswith(".safetensors") and Path(name).is_file() else None


def _number(word: str) -> tuple[str, int | float]:
    name, _, text = word.partition("=")
    try:
        return name, int(text)
    except ValueError:
        try:
            return name, float(text)
        except ValueError:
            raise ArgumentError(f"{word!r:.80}: not a number; accepted: NAME=NUMBER, as in s=2") from None


def _whole(text: str, given: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < len(text) < 10):
        raise ArgumentError(f"--input {given!r:.80}: no sizes; accepted: whole numbers with x between them, as 1x28x28")
    return int(text)
