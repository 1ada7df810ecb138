"""Compiled code on disk, so that the second run starts at once.

An entry is a header, a SHA-256 of what follows, the layout as JSON and the object code. Anything that does not
check out (truncated, foreign, of another version) is ignored and written anew. The directory is private: one that
others may write to is not used. CHAINRULE_CACHE names another directory, or `off`.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import tempfile
from dataclasses import fields
from functools import cache
from pathlib import Path

import llvmlite

from ..number import NUMBERS
from .spec import Arrangement, Layout

MAGIC = b"chainrule-code-1\n"
MOST_BYTES = 256 << 20  # the oldest entries go when there is more


def directory() -> Path | None:
    """The cache directory, made if need be; None where there can be none that is safe."""
    wanted = os.environ.get("CHAINRULE_CACHE", "")
    if wanted == "off":
        return None
    base = Path(wanted) if wanted else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "chainrule"
    try:
        base.mkdir(mode=0o700, parents=True, exist_ok=True)
        state = base.stat()
        if hasattr(os, "getuid") and (state.st_uid != os.getuid() or state.st_mode & 0o022):
            return None
    except (OSError, RuntimeError):
        return None
    return base


@cache
def sources() -> str:
    """A hash of the compiler itself: other code makes other keys."""
    digest = hashlib.sha256(llvmlite.__version__.encode())
    root = Path(__file__).resolve().parents[2]
    for pattern in ("language/*.py", "engines/number.py", "engines/native/*.py"):
        for path in sorted(root.glob(pattern)):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def key_of(*parts: object) -> str:
    digest = hashlib.sha256(sources().encode())
    for part in parts:
        digest.update(repr(part).encode() + b"\0")
    return digest.hexdigest()


def load(key: str) -> tuple[Layout, bytes] | None:
    """The layout and object code under a key, if a sound entry is there."""
    base = directory()
    if base is None:
        return None
    try:
        raw = (base / f"{key}.code").read_bytes()
        if not raw.startswith(MAGIC):
            return None
        digest, rest = raw[len(MAGIC) : len(MAGIC) + 32], raw[len(MAGIC) + 32 :]
        if hashlib.sha256(key.encode() + rest).digest() != digest:
            return None
        (size,) = struct.unpack(">Q", rest[:8])
        fields = json.loads(rest[8 : 8 + size])
        fields["slots"] = tuple((name, Arrangement(kind), places, NUMBERS[number]) for name, kind, places, number in fields["slots"])
        fields["notes"] = tuple(fields["notes"])
        return Layout(**fields), rest[8 + size :]
    except (OSError, ValueError, TypeError, KeyError, struct.error):
        return None


def store(key: str, layout: Layout, code: bytes) -> None:
    """Keep an entry; a full or read-only disk only means that the next run compiles again."""
    base = directory()
    if base is None:
        return
    head = json.dumps({f.name: getattr(layout, f.name) for f in fields(layout)}, default=str).encode()
    rest = struct.pack(">Q", len(head)) + head + code
    raw = MAGIC + hashlib.sha256(key.encode() + rest).digest() + rest
    temporary = None
    try:
        with tempfile.NamedTemporaryFile(dir=base, prefix=".part-", delete=False) as f:
            temporary = f.name
            f.write(raw)
        os.replace(temporary, base / f"{key}.code")
        _prune(base)
    except OSError:
        if temporary:
            Path(temporary).unlink(missing_ok=True)


def _prune(base: Path) -> None:
    """Remove the entries longest unused (by the time they were written) beyond the limit."""
    entries = sorted((p.stat().st_mtime, p.stat().st_size, p) for p in base.glob("*.code"))
    total = sum(size for _, size, _ in entries)
    for _, size, path in entries:
        if total <= MOST_BYTES:
            return
        path.unlink(missing_ok=True)
        total -= size
