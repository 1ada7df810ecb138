"""Compiled code on disk, so that the second run starts at once.

An entry is a header, a SHA-256 of what follows, the layout as JSON and the object code. Anything that does not
check out (truncated, foreign, of another version) is ignored and written anew. The directory is private: one that
others may write to is not used. CHAINRULE_CACHE names another directory (`~` is one's home), or is `off`. Any number of
processes share it: an entry appears whole or not at all, and each may vanish at any time.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
import stat
import struct
import tempfile
import time
from dataclasses import fields
from functools import cache
from pathlib import Path

import llvmlite

from ..number import NUMBERS
from .spec import Arrangement, Layout

MAGIC = b"chainrule-code-1\n"
PART = ".part-"  # begins the name of an entry that is being written
MOST_BYTES = 256 << 20  # what was used longest ago goes when there is more
LEFT_OVER = 3600  # seconds after which nobody is still writing a part
OFTEN = 16  # entries that a process writes between two looks at all that there are
_written = itertools.count()


def directory() -> Path | None:
    """The cache directory, made if need be; None where there can be none that is safe."""
    wanted = os.environ.get("CHAINRULE_CACHE", "")
    if wanted == "off":
        return None
    try:
        base = Path(wanted or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "chainrule").expanduser()
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
        raw = _read(base / f"{key}.code")
        if not raw.startswith(MAGIC):
            return None
        digest, rest = raw[len(MAGIC) : len(MAGIC) + 32], raw[len(MAGIC) + 32 :]
        if hashlib.sha256(key.encode() + rest).digest() != digest:
            return None
        (size,) = struct.unpack(">Q", rest[:8])
        fields = json.loads(rest[8 : 8 + size])
        fields["slots"] = tuple((name, Arrangement(kind), places, NUMBERS[number]) for name, kind, places, number in fields["slots"])
        fields["notes"] = tuple(fields["notes"])
        layout = Layout(**fields)
    except (OSError, ValueError, TypeError, KeyError, struct.error, RecursionError, MemoryError):
        return None
    with contextlib.suppress(OSError):  # where it is not ours to touch it is not ours to remove either
        os.utime(base / f"{key}.code")  # used now: who removes entries looks at that
    return layout, rest[8 + size :]


def _read(path: Path) -> bytes:
    """What a plain file holds; whatever else has its name (a pipe would be waited at for ever) is as good as nothing."""
    with open(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)), "rb") as f:
        state = os.fstat(f.fileno())
        return f.read() if stat.S_ISREG(state.st_mode) and state.st_size <= MOST_BYTES else b""


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
        with tempfile.NamedTemporaryFile(dir=base, prefix=PART, delete=False) as f:
            temporary = f.name
            f.write(raw)
        os.replace(temporary, base / f"{key}.code")
        temporary = None
        if next(_written) % OFTEN == 0:
            _prune(base)
    except OSError:
        return
    finally:
        if temporary:
            with contextlib.suppress(OSError):
                os.unlink(temporary)


def _prune(base: Path) -> None:
    """Remove what was used longest ago beyond the limit, and parts of entries whose writers were killed."""
    entries = []
    for path in base.iterdir():
        with contextlib.suppress(OSError):  # another process has removed it
            state = path.stat()
            if path.name.startswith(PART) and state.st_mtime < time.time() - LEFT_OVER:
                path.unlink()
            elif path.suffix == ".code" and stat.S_ISREG(state.st_mode):
                entries.append((state.st_mtime, state.st_size, path))
    total = sum(size for _, size, _ in entries)
    for _, size, path in sorted(entries):
        if total <= MOST_BYTES:
            return
        with contextlib.suppress(OSError):
            path.unlink()
        total -= size
