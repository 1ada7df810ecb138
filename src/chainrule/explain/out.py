"""What is written to files."""

from __future__ import annotations

from pathlib import Path

from ..errors import DataError


def write(path: Path, content: str | bytes) -> None:
    """Write a file. Errors: DataError where it cannot be."""
    try:
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content if content.endswith("\n") else content + "\n", encoding="utf-8")
    except OSError as e:
        raise DataError(f"{path}: cannot be written ({e.strerror}); accepted: a path in a folder with room and permission") from None
