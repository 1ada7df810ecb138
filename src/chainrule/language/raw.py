"""A definition as it was read, before the ranges of its letters are known."""

from __future__ import annotations

from dataclasses import dataclass

from .index import Poly
from .source import Piece
from .tree import Expr, Tensor

UNKNOWN = Poly.name("?")  # the range of a letter before ranges.py has found it


@dataclass(frozen=True)
class RawLine:
    """A parsed line whose letters have no ranges yet, and its place for messages. explicit: ranges of letters, sizes of axes that an index tiles."""

    tensor: str
    letters: tuple[str, ...]
    explicit: dict[str, Poly]
    expr: Expr
    piece: Piece
    target: tuple[Poly, ...] | None = None  # None: the letters


@dataclass(frozen=True)
class Raw:
    """A parsed text before ranges are known."""

    name: str
    inputs: tuple[Tensor, ...]
    settings: tuple[tuple[str, int | float], ...]
    outputs: tuple[Tensor, ...]
    lines: tuple[RawLine, ...]
    source: str
    sample_size: str
    lookups: tuple[tuple[str, str, int], ...]  # (input of whole numbers, table read at it, which axis of the table)
    left: tuple[tuple[Tensor, int | float], ...] = ()  # inputs that are left out, and what their reads are
    families: bool = False  # written with stars, which the lines here no longer have
    empty: bool = False  # a family of no axes is among them
