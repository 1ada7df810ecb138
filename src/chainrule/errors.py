"""The errors of the project: each starts with what the user wrote and says what would be accepted."""

from __future__ import annotations


class ChainruleError(Exception):
    """Base of every error this package raises on purpose."""


class DefinitionError(ChainruleError, ValueError):
    """A definition that does not make sense; shows the line and a caret under the place."""


class ShapeError(ChainruleError, ValueError):
    """Arrays whose sizes break a promise of the header."""


class ElementTypeError(ChainruleError, TypeError):
    """Arrays whose number types do not fit together."""


class ArgumentError(ChainruleError, ValueError):
    """A call with a wrong, missing or surplus argument or setting."""


class DataError(ChainruleError, ValueError):
    """A file or data set that is missing, truncated or not what it claims to be."""


class NumericsError(ChainruleError, ValueError):
    """Values that cannot be trained on: NaN or infinity where a number is needed."""
