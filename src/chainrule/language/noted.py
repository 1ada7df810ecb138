"""A line in the reader's notation, as boxes: with indices, as a product of matrices, or with operators for sums over windows."""

from __future__ import annotations

from collections.abc import Mapping

from .formula import Setter
from .layout import Box
from .matrix_form import matrix_line
from .notation import USUAL, Notation
from .shifted import counted_from
from .show import Axes
from .tree import Line, walk
from .windows import Windows, window


def noted(line: Line, axes: Axes, notation: Notation = USUAL, known: Mapping[str, str] | None = None) -> Box:
    """A line in the reader's notation. known: which tensors are adjoints of which; None: as their names say."""
    return in_form(line, axes, notation, known) or Setter(axes, notation, known).line(line)


def in_form(line: Line, axes: Axes, notation: Notation, known: Mapping[str, str] | None) -> Box | None:
    """A line with whole matrices, or with operators for sums over windows, where the reader wants them and the formula has them."""
    setter = Windows(axes, notation, known)
    found = matrix_line(line, setter) if notation.form == "matrix" else None
    if found or (notation.form == "index" and notation.convolution == USUAL.convolution):
        return found
    moved = counted_from(line, notation.base, setter.sizes).expr
    return setter.line(line) if any(window(e, axes, notation.base) for e in walk(moved)) else None
