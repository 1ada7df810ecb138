"""Minimising ordinary functions: scipy.optimize.minimize with gradients that nobody wrote.

Rosenbrock's function from its usual start, and a small logistic regression. SciPy is a development extra: pip install scipy.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize

import chainrule as cr


def rosenbrock(x: np.ndarray) -> float:
    """Its least value is 0, at (1, 1, …)."""
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def regression(n: int = 200, seed: int = 0) -> tuple:
    """A loss of weights for labels that are drawn from known ones, and those."""
    rng = np.random.default_rng(seed)
    x, true = rng.normal(size=(n, 3)), np.array([1.5, -2.0, 0.5])
    t = rng.uniform(size=n) < 1 / (1 + np.exp(-x @ true))

    def loss(w: np.ndarray) -> float:
        z = x @ w
        return np.mean(np.logaddexp(0, z) - t * z) + 1e-3 * np.sum(w**2)

    return loss, true


def main() -> tuple:
    start = np.array([-1.2, 1.0, -1.2, 1.0])
    plain = minimize(rosenbrock, start, method="BFGS")
    found = minimize(rosenbrock, start, jac=cr.grad(rosenbrock), method="BFGS")
    newton = minimize(rosenbrock, start, jac=cr.grad(rosenbrock), hess=cr.hessian(rosenbrock), method="trust-exact")
    print(f"Rosenbrock, {len(start)} variables: f({', '.join(f'{v:.4f}' for v in found.x)}) = {found.fun:.1e}")
    print(f"  calls of f: {plain.nfev} by differences, {found.nfev} with cr.grad; {newton.nit} steps of Newton's method with cr.hessian")
    loss, true = regression()
    both = cr.value_and_grad(loss)
    fitted = minimize(both, np.zeros(3), jac=True)
    print(f"logistic regression: w = ({', '.join(f'{v:.2f}' for v in fitted.x)}), drawn from ({', '.join(f'{v:.2f}' for v in true)})")
    print(f"  loss {fitted.fun:.4f} after {fitted.nit} steps, gradient at the end {np.abs(both(fitted.x)[1]).max():.0e}")
    return found.x, fitted.x


if __name__ == "__main__":
    main()
