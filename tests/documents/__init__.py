"""The five documents, formula by formula: a table that says what each prints and what is true of it.

`python -m tests.documents` writes docs/documents.md from it; tests/test_documents.py holds every row against the calculus.
"""

from . import d000, d002, d004
from .row import Row

ROWS: list[Row] = [*d000.ROWS, *d002.ROWS, *d004.ROWS]
