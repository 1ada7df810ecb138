"""How the reader wants formulas written: signs of derivatives, the first index, matrices, convolutions, and the language of the words between."""

from __future__ import annotations

from dataclasses import dataclass, fields

from ..errors import ArgumentError

ACCEPTED: dict[str, tuple[str | int, ...]] = {
    "adjoint": ("d", "delta", "partial"),
    "base": (0, 1),
    "language": ("en", "ru", "fr", "zh"),
    "convolution": ("cross-correlation", "convolution"),
    "form": ("index", "matrix"),
    "cases": ("stacked", "environment"),
}


@dataclass(frozen=True)
class Notation:
    """How formulas are written; every choice says the same.

    adjoint: the derivative of E by y is dy ("d"), δ with a y above it ("delta"), or ∂E/∂y ("partial"). base: what indices count from, 0 or 1.
    language: of the words between formulas, en, ru, fr or zh. convolution: a sum over a window as ⋆ ("cross-correlation") or as ∗ with the
    kernel turned round ("convolution"); read in the matrix form. form: "index", or "matrix" where a formula is a matrix product. cases: the rows of a brace in LaTeX as
    matplotlib reads them, too ("stacked"), or as \\begin{cases} ("environment"), which is larger and which it does not read.

    Raises ArgumentError for any other value.

    >>> Notation(adjoint="delta").base
    0
    """

    adjoint: str = "d"
    base: int = 0
    language: str = "en"
    convolution: str = "cross-correlation"
    form: str = "index"
    cases: str = "stacked"

    def __post_init__(self) -> None:
        for f in fields(self):
            value, accepted = getattr(self, f.name), ACCEPTED[f.name]
            if value not in accepted or isinstance(value, bool):
                raise ArgumentError(f"{f.name}={value!r:.80}: no such notation; accepted: {', '.join(map(repr, accepted))}")


USUAL = Notation()
