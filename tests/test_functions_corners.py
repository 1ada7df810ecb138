"""Gradients of ordinary functions where sizes, number types or conditions are unusual: against PyTorch, differences and what is known."""

from __future__ import annotations

import numpy as np

import chainrule as cr

V = np.array([0.7, -1.2, 0.4, 2.1])


def test_two_equations_for_one_letter_of_a_sum() -> None:
    own = cr.op("offset(x[I]) -> y[I,I]\n  y[i,j] = sum[n]((i == n) * (j == n + 1) * x[n])")
    w = np.arange(16.0).reshape(4, 4)
    np.testing.assert_array_equal(cr.value_and_grad(lambda x: np.sum(own(x) * w))(V)[1], [1, 6, 11, 0])
    for k in range(-3, 4):
        y, pullback = cr.vjp(lambda x, k=k: np.diag(x, k), V)
        np.testing.assert_array_equal(y, np.diag(V, k))
        np.testing.assert_array_equal(pullback(np.arange(float(y.size)).reshape(y.shape))[0], np.diagonal(np.arange(y.size).reshape(y.shape), k))
