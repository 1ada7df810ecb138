"""What is written to files."""

from __future__ import annotations

from pathlib import Path

from ..errors import ArgumentError, DataError


def write(path: Path, content: str | bytes) -> None:
    """Write a file. Errors: DataError where it cannot be."""
    try:
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content if content.endswith("\n") else content + "\n", encoding="utf-8")
    except (OSError, ValueError) as e:  # the second of a name with a zero in it
        raise DataError(
            f"{path}: cannot be written ({getattr(e, 'strerror', None) or e}); accepted: a path in a folder with room and permission"
        ) from None


ENDINGS = {"": "markdown", ".txt": "markdown", ".md": "markdown", ".markdown": "markdown", ".tex": "latex", ".xlsx": "xlsx"}


def kind_of(kind: str | None, path: Path | None) -> str:
    """The format that is asked for, or that a file's name says. Errors: ArgumentError for a spreadsheet without a file, and for a name that says nothing."""
    found = kind or ("markdown" if path is None else ENDINGS.get(path.suffix.lower(), ""))
    if not found:
        raise ArgumentError(f"{path}: no format ends in {path and path.suffix}; accepted: .md, .tex or .xlsx, or --format with it")
    if found == "xlsx" and path is None:
        raise ArgumentError("--format xlsx: a spreadsheet is a file; accepted: -o FILE.xlsx with it")
    return found
