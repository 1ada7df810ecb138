"""Explanations: where every number came from."""

from .answer import Why
from .ask import why

__all__ = ["Why", "why"]
