"""The five documents, formula by formula: a table that says what each prints and what is true of it.

`python -m tests.documents` writes docs/documents.md from it; tests/test_documents.py holds every row against the calculus.
"""

from . import d000, d001, d002, d003, d004
from .row import Row

ROWS: list[Row] = [*d000.ROWS, *d001.ROWS, *d002.ROWS, *d003.ROWS, *d004.ROWS]

TITLES = {
    "000": "notes on the gradients of a LeNet",
    "001": "an article on a convolutional network in Python",
    "002": "slides on backpropagation",
    "003": "a network in 54 equations",
    "004": "a chain of fully connected layers in matrix form",
}
