"""Explanations: how a derivative comes about, and where every number came from."""

from ..language.notation import Notation
from .answer import Why
from .ask import why
from .derive import Derivation, derive
from .worksheet import Worksheet, worksheet

__all__ = ["Derivation", "Notation", "Why", "Worksheet", "derive", "why", "worksheet"]
