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

# How a document's letters are written here
LETTERS = {
    "000": "Letters as in the document; b'1 is its own; e^a is its exponential. The target is o, the network's answer l.",
    "001": "t is the document's y^truth, y' its y^(l-1), other letters are of the layer l; S stands for its sum over k of e^xk. Its indices run from 0 to n "
    "and to m; where it gives sizes, as (1 x n), it calls that axis n. What is given without numbers (its three notebooks) is in `examples/demo_of_*.py`.",
    "002": "A letter with a stroke (a') is of the layer before, eta is its learning rate; the first number below a weight is where it comes from.",
    "003": "x_bc, W_ifg, … have the document's indices; z1, a1, b1 are its z^(1), a^(1), b^(1), W and V its W^(conv) and W^(full). The network as a whole, "
    "`nn.documents.document003`, is held to (35), (40), (45), (49) and (54) by "
    "`tests/test_document_networks.py::test_document_003s_parameters_have_the_gradients_of_its_section_3`.",
    "004": "o is the output, ô the target (h in our formulas); φ is any activation (here tanh, of the layers above sigmoid); y' is its y^(n-1), y and x its y^n, x^n.",
}
