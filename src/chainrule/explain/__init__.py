"""Explanations: where every number came from."""

from .answer import Why
from .ask import why
from .worksheet import Worksheet, worksheet

__all__ = ["Why", "Worksheet", "why", "worksheet"]
