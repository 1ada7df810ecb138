"""An operation by its name in the library, or from a file with its definition."""

from __future__ import annotations

from pathlib import Path

from .. import ops
from ..errors import ArgumentError, DataError
from ..operation.op import Op, op


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
