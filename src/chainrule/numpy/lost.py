"""What to say where a value that is being differentiated went into code that wants plain numbers, or where NumPy itself says that a call is wrong."""

from __future__ import annotations

import linecache
import re
import sysconfig
from collections.abc import Callable
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

import numpy as np

from ..errors import ArgumentError, ChainruleError, ElementTypeError, ShapeError
from .tape import Node


class MatrixError(ArgumentError, np.linalg.LinAlgError):
    """A matrix without an inverse, or a factor, or whatever was asked for."""


class PlaceError(ShapeError, IndexError):
    """An index or an axis that an array does not have."""


OWN = str(Path(__file__).parent.parent)
INSTALLED = tuple({str(Path(sysconfig.get_paths()[k])) for k in ("stdlib", "platstdlib", "purelib", "platlib")})
# What NumPy and Python say, in code that is no Python, to objects that they do not know.
STRANGE = re.compile(
    r"Traced|[Oo]bject array|dtype[ (=]'?[Oo](bject|'\))|callable \w+ method|safely coerced|array element with a sequence|REFS_OK"
    r"|unsupported data type|not supported for the input types|string or a Rational"
)
HELPERS = frozenset({"wrapper", "wrapped", "inner", "decorated"})


def lost(e: Exception, f: Callable[..., Any]) -> ChainruleError | None:
    """The error to raise instead; None where it says what it should, or is no business of ours."""
    frames = frames_of(e.__traceback__)
    foreign = [frame for frame, _ in frames if frame.f_code.co_filename.startswith(INSTALLED)]
    name = next((named for frame in foreign if (named := function_of(frame))), "")
    if isinstance(e, ChainruleError):
        return type(e)(f"{name}: {e}") if name else None
    if not isinstance(e, (TypeError, ValueError, IndexError, AttributeError)):
        return None
    cause = e.__cause__ if isinstance(e.__cause__, ChainruleError) else None
    went = any(isinstance(v, Node) for frame in foreign for v in frame.f_locals.values())
    if cause is None and not went and not STRANGE.search(str(e)):
        return as_numpy_says(e, line_of(frames, f)) if within(e.__traceback__) else None
    start = name or line_of(frames, f)
    if cause is not None:
        return ElementTypeError(f"{start}: {cause}")
    return ElementTypeError(
        f"{start}: it takes plain numbers and arrays, not values that are being differentiated ({e}); accepted: NumPy's functions of "
        "docs/functions.md, or the value computed outside of the function"
    )


def as_numpy_says(e: Exception, line: str) -> ChainruleError | None:
    """An error that NumPy has for plain arrays as well, or that says which arguments there are."""
    if isinstance(e, np.linalg.LinAlgError):
        return MatrixError(f"{line}: {e}; accepted: a matrix that has what is asked for")
    if isinstance(e, IndexError):
        return PlaceError(f"{line}: {e}; accepted: places and axes that the array has")
    if isinstance(e, ValueError):
        return ShapeError(f"{line}: {e}; accepted: shapes and arguments that go together, as for plain arrays")
    if isinstance(e, TypeError):
        return ElementTypeError(f"{line}: {e}; accepted: the arguments that docs/functions.md speaks of")
    return None


def within(at: TracebackType | None) -> bool:
    """Whether an error came about in what stands for NumPy here, called by the user's own code."""
    ours = False
    while at is not None:
        name = at.tb_frame.f_code.co_filename
        ours = name.startswith(OWN) or (ours and name.startswith(INSTALLED))
        at = at.tb_next
    return ours


def frames_of(at: TracebackType | None) -> list[tuple[FrameType, int]]:
    """The calls that led to an error, without ours."""
    frames = []
    while at is not None:
        if not at.tb_frame.f_code.co_filename.startswith(OWN):
            frames.append((at.tb_frame, at.tb_lineno))
        at = at.tb_next
    return frames


def function_of(frame: FrameType) -> str:
    """A function as it is called from outside of its package; nothing where it is one that nobody calls so."""
    name = frame.f_code.co_name
    if name.startswith(("_", "<")) or name in HELPERS:
        return ""
    return ".".join(p for p in (*str(frame.f_globals.get("__name__", "")).split("."), name) if not p.startswith("_"))


def line_of(frames: list[tuple[FrameType, int]], f: Callable[..., Any]) -> str:
    """The last line of the user's own that ran."""
    found = [linecache.getline(x.f_code.co_filename, at).strip() for x, at in frames if not x.f_code.co_filename.startswith(INSTALLED)]
    return found[-1] if found and found[-1] else str(getattr(f, "__name__", "the function"))
