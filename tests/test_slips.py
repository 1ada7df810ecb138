"""What people type from habit is answered with the line that the language writes, which can be pasted in and means what was meant."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest

import chainrule as cr
from chainrule.language.ranges import define
from chainrule.language.source import statements

X, W, V = np.array([[1.5, -2.0, 0.5, 3.0], [0.25, 1.0, -1.0, 2.0]]), np.array([2.0, -1.0, 0.5, 4.0]), np.arange(12.0).reshape(3, 4) / 4 - 1
B, Z = np.array([1.0, -2.0, 0.5]), np.array([[1.0, 0.0, -1.0], [0.5, 2.0, 1.0]])
HEAD = "f(x[n,D], w[D], v[O,D]; s=2) -> y[n,D]\n    "
ROWS = "f(x[n,D], v[O,D], w[D]) -> y[n,O]\n    "
SQUARE = "f(x[n,D], v[O,D], b[O]) -> y[n]\n    "
LOSS = "f(x[n,D], v[O,D], z[n,O]) -> L\n    "
EACH = "f(x[n,D], w[D]) -> y[n]\n    "
Meaning = Callable[[], np.ndarray]

SLIPS: list[tuple[str, str, str, Meaning]] = [
    (HEAD, "y[n,i] = x[n,i]^2", "y[n,i] = x[n,i]**2", lambda: X**2),
    (HEAD, "y[n,i] = x[n,i]²", "y[n,i] = x[n,i]**2", lambda: X**2),
    (HEAD, "y[n,i] = x[n,i]³ − ½", "y[n,i] = x[n,i]**3 - (1/2)", lambda: X**3 - 0.5),
    (HEAD, "y[n,i] = x[n,i]·w[i]", "y[n,i] = x[n,i]*w[i]", lambda: X * W),
    (HEAD, "y[n,i] = x[n,i]×w[i]", "y[n,i] = x[n,i]*w[i]", lambda: X * W),
    (HEAD, "y[n,i] = x[n,i] − w[i]", "y[n,i] = x[n,i] - w[i]", lambda: X - W),
    (HEAD, "y[n,i] = x[n,i] ÷ 2", "y[n,i] = x[n,i] / 2", lambda: X / 2),
    (HEAD, "y[n,i] = (x[n,i] ≤ 1) + (x[n,i] ≥ 2) + (x[n,i] ≠ 1)", "y[n,i] = (x[n,i] <= 1) + (x[n,i] >= 2) + (x[n,i] != 1)",
     lambda: (X <= 1) * 1.0 + (X >= 2) + (X != 1)),
    (HEAD, "y[n,i] = 2x[n,i]", "y[n,i] = 2*x[n,i]", lambda: 2 * X),
    (HEAD, "y[n,i] = 0.5 x[n,i]", "y[n,i] = 0.5*x[n,i]", lambda: X / 2),
    (HEAD, "y[n,i] = 2(x[n,i] + 1)", "y[n,i] = 2*(x[n,i] + 1)", lambda: 2 * (X + 1)),
    (HEAD, "y[n,i] = w[i] x[n,i]", "y[n,i] = w[i]*x[n,i]", lambda: W * X),
    (HEAD, "y[n,i] = (w[i]+1)(x[n,i]-1)", "y[n,i] = (w[i]+1)*(x[n,i]-1)", lambda: (W + 1) * (X - 1)),
    (HEAD, "y[n,i] = sum[j:2](x[n,2j])", "y[n,i] = sum[j:2](x[n,2*j])", lambda: (X[:, :1] + X[:, 2:3]) * np.ones(4)),
    (HEAD, "y[n,i] = ln(abs(x[n,i]))", "y[n,i] = log(abs(x[n,i]))", lambda: np.log(np.abs(X))),
    (HEAD, "y[n,i] = |x[n,i]| + √w[0]", "y[n,i] = abs(x[n,i]) + sqrt(w[0])", lambda: np.abs(X) + np.sqrt(2)),
    (HEAD, "y[n,i] = ln w[0]", "y[n,i] = log(w[0])", lambda: np.log(2) * np.ones_like(X)),
    (HEAD, "y[n,i] = PI*x[n,i]", "y[n,i] = pi*x[n,i]", lambda: np.pi * X),
    (HEAD, "y[n,i] = relu(x[n,i])", "y[n,i] = maximum(x[n,i], 0)", lambda: np.maximum(X, 0)),
    (HEAD, "y[n,i] = np.exp(x[n,i])", "y[n,i] = exp(x[n,i])", lambda: np.exp(X)),
    (HEAD, "y[n,i] = torch.relu(x[n,i])", "y[n,i] = maximum(x[n,i], 0)", lambda: np.maximum(X, 0)),
    (HEAD, "y[n,i] = exp x[n,i]", "y[n,i] = exp(x[n,i])", lambda: np.exp(X)),
    (HEAD, "y[n,i] = exp[x[n,i]]", "y[n,i] = exp(x[n,i])", lambda: np.exp(X)),
    (HEAD, "y[n,i] = e**x[n,i]", "y[n,i] = exp(x[n,i])", lambda: np.exp(X)),
    (HEAD, "y[n,i] = e^x[n,i]", "y[n,i] = exp(x[n,i])", lambda: np.exp(X)),
    (HEAD, "y[n,i] = square(x[n,i]) + log10(10) + clip(w[i], 0, 1)", "y[n,i] = x[n,i]**2 + log(10) / log(10) + minimum(maximum(w[i], 0), 1)",
     lambda: X**2 + 1 + np.clip(W, 0, 1)),
    (HEAD, "y[n,i] = 1/log10(w[0]+8)", "y[n,i] = 1/(log(w[0]+8) / log(10))", lambda: np.ones_like(X)),
    (HEAD, "y[n,i] = log10(w[0])**2", "y[n,i] = (log(w[0]) / log(10))**2", lambda: np.log10(2) ** 2 * np.ones_like(X)),
    (HEAD, "y[n,i] = 2**log2(w[0]+1)", "y[n,i] = 2**(log(w[0]+1) / log(2))", lambda: 3 * np.ones_like(X)),
    (HEAD, "y[n,i] = 1/reciprocal(x[n,i]+w[i])", "y[n,i] = 1/(1 / (x[n,i]+w[i]))", lambda: X + W),
    (HEAD, "y[n,i] = -silu(x[n,i]+1)**2", "y[n,i] = -((x[n,i]+1) * sigmoid(x[n,i]+1))**2", lambda: -(((X + 1) / (1 + np.exp(-X - 1))) ** 2)),
    (HEAD, "y[n,i] = exp2(x[n,i]+1)**2 - exp2(-1)", "y[n,i] = (2**(x[n,i]+1))**2 - 2**-1", lambda: 4.0 ** (X + 1) - 0.5),
    (HEAD, "y[n,i] = 1/cot(x[n,i]) * cbrt(w[i])", "y[n,i] = 1/(1 / tan(x[n,i])) * (sign(w[i]) * abs(w[i])**(1/3))", lambda: np.tan(X) * np.cbrt(W)),
    (HEAD, "y[n,i] = 6/multiply(2, w[i]-x[n,i]-9) + divide(x[n,i]-1, w[i]+3)", "y[n,i] = 6/(2 * (w[i]-x[n,i]-9)) + (x[n,i]-1) / (w[i]+3)",
     lambda: 3 / (W - X - 9) + (X - 1) / (W + 3)),
    (HEAD, "y[n,i] = power(x[n,i], 2)*step(w[i]) - power(-2, 2)", "y[n,i] = x[n,i]**2*(w[i] > 0) - (-2)**2", lambda: X**2 * (W > 0) - 4),
    (HEAD, "y[n,s] = s*x[n,s]", "y[n,u] = s*x[n,u]", lambda: 2 * X),
    (HEAD, "y[n,i] = sum[s](x[n,s]*w[s]) + s*x[n,i]", "y[n,i] = sum[u](x[n,u]*w[u]) + s*x[n,i]", lambda: (X @ W)[:, None] + 2 * X),
    (HEAD, "y[n,i] = sum[s](x[n,s]) + sum[u:s](u*x[n,i])", "y[n,i] = sum[k](x[n,k]) + sum[u:s](u*x[n,i])", lambda: X.sum(1, keepdims=True) + X),
    (HEAD, "y(n,i) = sum(k)(v(0,k)*x(n,k)) + w(i)", "y[n,i] = sum[k](v[0, k]*x[n, k]) + w[i]", lambda: (X @ V[0])[:, None] + W),
    (HEAD, "y[n,i] = math.pi*x[n,i] + np.pi*np.e", "y[n,i] = pi*x[n,i] + pi*exp(1)", lambda: np.pi * X + np.pi * np.e),
    (HEAD, "y[n,i] = where(x[n,i] > 0, 1, -np.inf)", "y[n,i] = where(x[n,i] > 0, 1, -inf)", lambda: np.where(X > 0, 1, -np.inf)),
    (HEAD, "y[n,i] = pi x[n,i] + 2s x[n,i]", "y[n,i] = pi*x[n,i] + 2*s*x[n,i]", lambda: np.pi * X + 4 * X),
    (HEAD, "y[n,i] = w[i] s x[n,i] if x[n,i] > 0 and s > 1 else s", "y[n,i] = where(x[n,i] > 0 and s > 1, w[i]*s*x[n,i], s)", lambda: np.where(X > 0, 2 * W * X, 2)),
    (HEAD, "y[n,i] = 1/s(x[n,i]+9)", "y[n,i] = 1/(s*(x[n,i]+9))", lambda: 1 / (2 * (X + 9))),
    (HEAD, "y[n,i] = x[n,i](1-x[n,i]) + pi(w[i]-1) + i(x[n,i])", "y[n,i] = x[n,i]*(1-x[n,i]) + pi*(w[i]-1) + i*x[n,i]",
     lambda: X * (1 - X) + np.pi * (W - 1) + np.arange(4) * X),
    (HEAD, "y[n,i] = F.relu(x[n,i]) - torch.nn.functional.relu(w[i])", "y[n,i] = maximum(x[n,i], 0) - maximum(w[i], 0)",
     lambda: np.maximum(X, 0) - np.maximum(W, 0)),
    (HEAD, "y[n,i] = relu[x[n,i]] + ReLU(w) + Tanh(x) + LeakyReLU(x)",
     "y[n,i] = maximum(x[n,i], 0) + maximum(w[i], 0) + tanh(x[n,i]) + where(x[n,i] > 0, x[n,i], 0.01 * x[n,i])",
     lambda: np.maximum(X, 0) + np.maximum(W, 0) + np.tanh(X) + np.where(X > 0, X, 0.01 * X)),
    (HEAD, "y[n,i] = x[n,i/2] + sum[j:4/2](x[n,j²])", "y[n,i] = x[n,i//2] + sum[j:4//2](x[n,j*j])", lambda: np.repeat(X[:, :2], 2, 1) + X[:, :1] + X[:, 1:2]),
    (HEAD, "y[n,i] = sum[j:2](x[n,(j+1)^2-1]) + w[i]", "y[n,i] = sum[j:2](x[n,(j+1)*(j+1)-1]) + w[i]", lambda: X[:, :1] + X[:, 3:] + W),
    (HEAD, "y[n,i] = π*x[n,i]", "y[n,i] = pi*x[n,i]", lambda: np.pi * X),
    (HEAD, "y[n,i] += x[n,i]", "y[n,i] = x[n,i]", lambda: X),
    (HEAD, "y[n,i] -= x[n,i]", "y[n,i] = -x[n,i]", lambda: -X),
    (HEAD, "y[n,i] -= x[n,i] - w[i]", "y[n,i] = -(x[n,i] - w[i])", lambda: W - X),
    (HEAD, "y[n,i] := x[n,i]", "y[n,i] = x[n,i]", lambda: X),
    (HEAD, "y[n,i] == x[n,i]", "y[n,i] = x[n,i]", lambda: X),
    (HEAD, "y[n,i] = x[n,i];", "y[n,i] = x[n,i]", lambda: X),
    (HEAD, "y(n,i) = x[n,i]", "y[n,i] = x[n,i]", lambda: X),
    (HEAD, "y(n,i) = 2x(n,i)", "y[n,i] = 2*x[n, i]", lambda: 2 * X),
    (HEAD, "y[n][i] = x[n][i]", "y[n,i] = x[n,i]", lambda: X),
    (HEAD, "y_{n,i} = x_{n,i}", "y[n,i] = x[n,i]", lambda: X),
    (HEAD, "y[n,i] = x[n,i] if x[n,i] > 0 else 0", "y[n,i] = where(x[n,i] > 0, x[n,i], 0)", lambda: np.maximum(X, 0)),
    (HEAD, "y[n,i] = 2x[n,i] if x[n,i] > 0 else 0", "y[n,i] = where(x[n,i] > 0, 2*x[n,i], 0)", lambda: np.maximum(2 * X, 0)),
    (HEAD, "y[n,i] = x[n,i] * (x[n,i] > 0 && w[i] > 0)", "y[n,i] = x[n,i] * (x[n,i] > 0 and w[i] > 0)", lambda: X * (X > 0) * (W > 0)),
    (HEAD, "y[n,i] = x[n,i] * (x[n,i] > 0 || w[i] > 0)", "y[n,i] = x[n,i] * (x[n,i] > 0 or w[i] > 0)", lambda: X * ((X > 0) | (W > 0))),
    (HEAD, "y[n,s] = 3*x[n,s]", "y[n,u] = 3*x[n,u]", lambda: 3 * X),
    (HEAD, "y[n,i] = sum[s](x[n,s]) + w[i]", "y[n,i] = sum[u](x[n,u]) + w[i]", lambda: X.sum(1, keepdims=True) + W),
    (HEAD, "y[n,i] = sum[j](δ(i,j)*x[n,j])", "y[n,i] = sum[j](delta(i,j)*x[n,j])", lambda: X),
    (HEAD, "y[n,i] = ∑[j](x[n,j]) + w[i]", "y[n,i] = sum[j](x[n,j]) + w[i]", lambda: X.sum(1, keepdims=True) + W),
    (HEAD, "y[n,i] = sum[j:i+1](x[n,j])", "y[n,i] = sum[j](x[n,j] * (j < i+1))", lambda: X.cumsum(1)),
    (HEAD, "y[n,i] = max[j:i+1](x[n,j] - 5)", "y[n,i] = max[j](where(j < i+1, x[n,j] - 5, -inf))", lambda: np.maximum.accumulate(X, 1) - 5),
    (HEAD, "y[n,i] = min[j:i+1](x[n,j] + 5)", "y[n,i] = min[j](where(j < i+1, x[n,j] + 5, inf))", lambda: np.minimum.accumulate(X, 1) + 5),
    (HEAD, "y[n,i] = prod[j:i+1](x[n,j])", "y[n,i] = prod[j](where(j < i+1, x[n,j], 1))", lambda: X.cumprod(1)),
    (HEAD, "y[n,i] = 2/mean[j:i+1](x[n,j]*w[j])", "y[n,i] = 2 / (sum[j](x[n,j] * w[j] * (j < i+1)) / (i+1))",
     lambda: 2 * np.arange(1, 5) / (X * W).cumsum(1)),
    (HEAD, "y[n,i] = argmin[j:i+1](x[n,j])", "y[n,i] = argmax[j](where(j < i+1, -x[n,j], -inf))", lambda: np.array([[0, 1, 1, 1], [0, 0, 2, 2.0]])),
    (HEAD, "y[n,i] = sum[j:i+1](x[n,j]) - sum[j:i](x[n,j])", "y[n,i] = sum[j](x[n,j] * (j < i+1)) - sum[j](x[n,j] * (j < i))", lambda: X),
    (HEAD, "y[n,i] = w[i]*sum[k,j:k+1](x[n,j]*w[k])", "y[n,i] = w[i] * sum[k,j](x[n,j] * w[k] * (j < k+1))", lambda: W * (X.cumsum(1) @ W)[:, None]),
    (HEAD, "y[n,i] = sum[j<=i](x[n,j])", "y[n,i] = sum[j](x[n,j] * (j < i+1))", lambda: X.cumsum(1)),
    (HEAD, "y[n,i] = sum[0<=j<i](x[n,j])", "y[n,i] = sum[j](x[n,j] * (j < i))", lambda: X.cumsum(1) - X),
    (HEAD, "y[n,i] = sum[j=0:i+1](x[n,j])", "y[n,i] = sum[j](x[n,j] * (j < i+1))", lambda: X.cumsum(1)),
    (HEAD, "y[n,i] = x[n,j]*w[j] + w[i]", "y[n,i] = sum[j](x[n,j] * w[j]) + w[i]", lambda: (X @ W)[:, None] + W),
    (HEAD, "y = x*w", "y[n,d] = x[n,d] * w[d]", lambda: X * W),
    (HEAD, "y[n,i] = x", "y[n,i] = x[n,i]", lambda: X),
    (ROWS, "y = x @ v", "y[n,o] = sum[d](x[n,d] * v[o,d])", lambda: X @ V.T),
    (ROWS, "y[n,o] = v @ x", "y[n,o] = sum[d](v[o,d] * x[n,d])", lambda: X @ V.T),
    (ROWS, "y[n,o] = v[o,k] @ x[n,k]", "y[n,o] = sum[k](v[o,k] * x[n,k])", lambda: X @ V.T),
    (ROWS, "y[n,o] = sum(x*v)", "y[n,o] = sum[d](x[n,d] * v[o,d])", lambda: X @ V.T),
    (ROWS, "y[n,o] = sum(x[n,k]*v[o,k])", "y[n,o] = sum[k](x[n,k] * v[o,k])", lambda: X @ V.T),
    (ROWS, "y[n,o] = x[n,k]*v[o,k]", "y[n,o] = sum[k](x[n,k] * v[o,k])", lambda: X @ V.T),
    (ROWS, "y[n,o] = sum[k] v[o,k]*(x[n,k] + 1)", "y[n,o] = sum[k](v[o,k]*(x[n,k] + 1))", lambda: (X + 1) @ V.T),
    (ROWS, "y[n,o] = sum[k] v[o,k]*x[n,k] + v[o,0]", "y[n,o] = sum[k](v[o,k]*x[n,k]) + v[o,0]", lambda: X @ V.T + V[:, 0]),
    (ROWS, "y[n,o] = maximum(1 - sum[k] -2e-1*v[o,k] * -x[n,k]/(2+1), 0)", "y[n,o] = maximum(1 - sum[k](-2e-1*v[o,k] * -x[n,k]/(2+1)), 0)",
     lambda: np.maximum(1 - 0.2 * X @ V.T / 3, 0)),
    (ROWS, "y[n,o] = sum[k] v[o,k]x[n,k] if v[o,0] > 0 else 1", "y[n,o] = where(v[o,0] > 0, sum[k](v[o,k]*x[n,k]), 1)",
     lambda: np.where(V[:, 0] > 0, X @ V.T, 1)),
    (ROWS, "y[n,o] = 1 - sum[k] v[o,k]/reciprocal(sum[j] x[n,j])", "y[n,o] = 1 - sum[k](v[o,k]/(1 / sum[j](x[n,j])))",
     lambda: 1 - V.sum(1) * X.sum(1, keepdims=True)),
    (ROWS, "y[n,o] = Σ_k v[o,k] x[n,k]", "y[n,o] = sum[k](v[o,k]*x[n,k])", lambda: X @ V.T),
    (ROWS, "y[n,o] = max_k(v[o,k]*x[n,k])", "y[n,o] = max[k](v[o,k]*x[n,k])", lambda: (X[:, None] * V).max(2)),
    (ROWS, "y[n,o] = tanh(v[o,j]*x[n,j]*v[0,k]*w[k])", "y[n,o] = tanh(sum[j,k](v[o,j] * x[n,j] * v[0,k] * w[k]))", lambda: np.tanh(X @ V.T * (V[0] @ W))),
    (EACH, "y[n] = sum(x)", "y[n] = sum[d](x[n,d])", lambda: X.sum(1)),
    (EACH, "y[n] = mean(x[n,k]*w[k])", "y[n] = mean[k](x[n,k] * w[k])", lambda: (X * W).mean(1)),
    (EACH, "y[n] = max(x) - sum[i:2](x[n,j]*w[j])", "y[n] = max[d](x[n,d]) - sum[i:2](x[n,j] * w[j])", lambda: np.zeros(0)),
    (HEAD, "y[n,i] = x[n,i]/sum(x)", "y[n,i] = x[n,i] / sum[d](x[n,d])", lambda: X / X.sum(1, keepdims=True)),
    (HEAD, "y[n,i] = exp(x)/sum(exp(x))", "y[n,i] = exp(x[n,i]) / sum[d](exp(x[n,d]))", lambda: np.exp(X) / np.exp(X).sum(1, keepdims=True)),
    (HEAD, "y = (x - mean(x))/sqrt(mean((x - mean(x))**2))", "y[n,d] = (x[n,d] - mean[d1](x[n,d1])) / sqrt(mean[d2]((x[n,d2] - mean[d3](x[n,d3]))**2))",
     lambda: (X - X.mean(1, keepdims=True)) / X.std(1, keepdims=True)),
    (HEAD, "y[n,i] = x @ w", "y[n,i] = sum[d](x[n,d] * w[d])", lambda: (X @ W)[:, None] * np.ones(4)),
    (HEAD, "y = mean(x @ w)", "y[n,d] = mean[n1](sum[d1](x[n1,d1] * w[d1]))", lambda: (X @ W).mean() * np.ones_like(X)),
    (HEAD, "y[n,i] = x*sum(w)", "y[n,i] = x[n,i] * sum[d](w[d])", lambda: X * W.sum()),
    (ROWS, "y[n,o] = tanh(v[o,0] + v[o,k]*x[n,k])", "y[n,o] = tanh(v[o,0] + sum[k](v[o,k] * x[n,k]))", lambda: np.tanh(V[:, 0] + X @ V.T)),
    (ROWS, "y = tanh(1 + v*x)", "y[n,o] = tanh(1 + sum[d](v[o,d] * x[n,d]))", lambda: np.tanh(1 + X @ V.T)),
    (ROWS, "y = 2*max(0, v*x)", "y[n,o] = 2 * maximum(0, sum[d](v[o,d] * x[n,d]))", lambda: 2 * np.maximum(0, X @ V.T)),
    (ROWS, "y = (v*x)²", "y[n,o] = sum[d](v[o,d] * x[n,d])**2", lambda: (X @ V.T) ** 2),
    (ROWS, "y[n,o] = sum[k](v[o,k])**2 + relu(2*v[o,k]*x[n,k])", "y[n,o] = sum[k](v[o,k])**2 + maximum(sum[k](2 * v[o,k] * x[n,k]), 0)",
     lambda: V.sum(1) ** 2 + np.maximum(2 * X @ V.T, 0)),
    (ROWS, "y[n,o] = silu(v[o,k]*x[n,k])", "y[n,o] = sum[k](v[o,k] * x[n,k]) * sigmoid(sum[k](v[o,k] * x[n,k]))", lambda: X @ V.T / (1 + np.exp(-X @ V.T))),
    (ROWS, "y[n,o] = (x[n,k] - v[o,k])**2", "y[n,o] = sum[k]((x[n,k] - v[o,k])**2)", lambda: ((X[:, None] - V) ** 2).sum(2)),
    (ROWS, "y[n,o] = exp(-(x[n,k] - v[o,k])²/2)", "y[n,o] = exp(-sum[k]((x[n,k] - v[o,k])**2) / 2)", lambda: np.exp(-((X[:, None] - V) ** 2).sum(2) / 2)),
    (ROWS, "y[n,o] = sum[k] (x[n,k]+1)*v[o,k]", "y[n,o] = sum[k]((x[n,k] + 1) * v[o,k])", lambda: (X + 1) @ V.T),
    (ROWS, "y[n,o] = mean(v*x)", "y[n,o] = mean[d](v[o,d] * x[n,d])", lambda: X @ V.T / 4),
    (SQUARE, "y[n] = x @ v @ b", "y[n] = sum[o](sum[d](x[n,d] * v[o,d]) * b[o])", lambda: X @ V.T @ B),
    (SQUARE, "y[n] = tanh(x @ v) @ b", "y[n] = sum[o](tanh(sum[d](x[n,d] * v[o,d])) * b[o])", lambda: np.tanh(X @ V.T) @ B),
    (LOSS, "L = mean((x @ v - z)**2)", "L = mean[n,o]((sum[d](x[n,d] * v[o,d]) - z[n,o])**2)", lambda: np.asarray(((X @ V.T - Z) ** 2).mean())),
    (LOSS, "L = mean[n](sum((z[n,o] - sum(v*x))**2))", "L = mean[n](sum[o]((z[n,o] - sum[d](v[o,d] * x[n,d]))**2))",
     lambda: np.asarray(((X @ V.T - Z) ** 2).sum(1).mean())),
    (EACH, "y[n] = max(x)", "y[n] = max[d](x[n,d])", lambda: X.max(1)),
    (HEAD, "y[n,i] = sum(x[n,i]*w[i])", "y[n,i] = sum[j](x[n,j] * w[j])", lambda: (X @ W)[:, None] * np.ones(4)),
    (HEAD, "y[n,i] = exp(x[n,i])/sum(exp(x[n,i]))", "y[n,i] = exp(x[n,i]) / sum[j](exp(x[n,j]))", lambda: np.exp(X) / np.exp(X).sum(1, keepdims=True)),
    (HEAD, "y[n,i] = exp(x[n,i])/sum[i](exp(x[n,i]))", "y[n,i] = exp(x[n,i]) / sum[j](exp(x[n,j]))", lambda: np.exp(X) / np.exp(X).sum(1, keepdims=True)),
    (HEAD, "y[n,i] = x[n,i] - mean(x[n,i])", "y[n,i] = x[n,i] - mean[j](x[n,j])", lambda: X - X.mean(1, keepdims=True)),
    (HEAD, "y[n,i] = w[i] + max(x[n,i]) + argmin(w[i])", "y[n,i] = w[i] + max[j](x[n,j]) + argmax[k](-w[k])", lambda: W + X.max(1, keepdims=True) + 1),
    (HEAD, "y[n,i] = sum[j](w[j]*sum[j](x[n,j]))", "y[n,i] = sum[j](w[j] * sum[k](x[n,k]))", lambda: W.sum() * X.sum(1, keepdims=True) * np.ones(4)),
    (HEAD, "y[n,i] = sum(sum(x)) + w[i]", "y[n,i] = sum[d](x[n,d]) + w[i]", lambda: X.sum(1, keepdims=True) + W),
    (ROWS, "y[n,o] = sum(sum(x*v))", "y[n,o] = sum[d](x[n,d] * v[o,d])", lambda: X @ V.T),
]  # fmt: skip


def told(text: str) -> str:
    """What is accepted instead."""
    with pytest.raises(cr.DefinitionError) as e:
        cr.op(text)
    message = str(e.value)
    rows = message.split("\n")
    assert rows[0] in text.split("\n") and rows[1].strip() == "^" and re.match(r"line \d+: ", rows[2]), message
    return message.split("\naccepted: ", 1)[1]


def called(text: str) -> np.ndarray:
    op = cr.op(text)
    given = {"x": X, "w": W, "v": V, "b": B, "z": Z, "x1": np.float64(0.5), "x2": np.float64(3)}
    return np.asarray(op(**{k: given[k] for k in op.inputs if k in given}, engine="reference"))


@pytest.mark.parametrize("head, slip, meant, meaning", [s for s in SLIPS if s[3]().size], ids=[s[1] for s in SLIPS if s[3]().size])
def test_a_slip_is_answered_with_the_line_that_is_meant(head: str, slip: str, meant: str, meaning: Meaning) -> None:
    assert told(head + slip) == meant
    np.testing.assert_allclose(called(head + meant), meaning(), rtol=1e-14)


HEADLESS: list[tuple[str, str, Meaning]] = [
    ("f(x1, x2) = x1*x2 + sin(x1)", "f(x1, x2) -> y\n    y = x1*x2 + sin(x1)", lambda: np.asarray(1.5 + np.sin(0.5))),
    ("f(x1) = x1^2 + 2x1", "f(x1) -> y\n    y = x1**2 + 2*x1", lambda: np.asarray(1.25)),
    ("y = x1*x2", "f(x1, x2) -> y\n    y = x1*x2", lambda: np.asarray(1.5)),
    ("f(x[n,D]) = x[n,i]**2", "f(x[n,D]) -> y[n,D]\n    y[n,i] = x[n,i]**2", lambda: X**2),
    ("f(x[n,D], v[O,D]) = sum[k](v[o,k]*x[n,k])", "f(x[n,D], v[O,D]) -> y[O,n]\n    y[o,n] = sum[k](v[o,k]*x[n,k])", lambda: V @ X.T),
    ("y[n,i] = relu(x[n,i])", "f(x[n,I]) -> y[n,I]\n    y[n,i] = maximum(x[n,i], 0)", lambda: np.maximum(X, 0)),
    ("m[n] = max[k](x[n,k])\ny[n,k] = x[n,k] - m[n]", "f(x[n,K]) -> y[n,K]\n    m[n] = max[k](x[n,k])\n    y[n,k] = x[n,k] - m[n]",
     lambda: X - X.max(1, keepdims=True)),
    ("y[n,o] = sum[k](v[o,k]·x[n,k])", "f(v[O,K], x[n,K]) -> y[n,O]\n    y[n,o] = sum[k](v[o,k]*x[n,k])", lambda: X @ V.T),
    ("f(x[n,D]) = max(0, x)", "f(x[n,D]) -> y[n,D]\n    y[n,d] = maximum(0, x[n,d])", lambda: np.maximum(0, X)),
    ("f(x[n,D], v[O,D]) = tanh(x @ v)", "f(x[n,D], v[O,D]) -> y[n,O]\n    y[n,o] = tanh(sum[d](x[n,d] * v[o,d]))", lambda: np.tanh(X @ V.T)),
    ("f(x[n,D]) = x/sum(x)", "f(x[n,D]) -> y[n,D]\n    y[n,d] = x[n,d] / sum[d1](x[n,d1])", lambda: X / X.sum(1, keepdims=True)),
    ("y[n,i] = x[n,i+1]-x[n,i]", "f(x[n,I]) -> y[n,I-1]\n    y[n,i] = x[n,i+1]-x[n,i]", lambda: np.diff(X)),
    ("f(x[n,D]) = x[n,i+2]-x[n,i]", "f(x[n,D]) -> y[n,D-2]\n    y[n,i] = x[n,i+2]-x[n,i]", lambda: X[:, 2:] - X[:, :2]),
    ("y(n,i) = 2x(n,i)", "f(x[n,I]) -> y[n,I]\n    y[n,i] = 2*x[n,i]", lambda: 2 * X),
    ("f(x(n,D)) = 2x(n,i)", "f(x[n,D]) -> y[n,D]\n    y[n,i] = 2*x[n,i]", lambda: 2 * X),
    ("f(x[n,D]; a=2) = a*x[n,i]", "f(x[n,D]; a=2) -> y[n,D]\n    y[n,i] = a*x[n,i]", lambda: 2 * X),
    ("f(x[n,D], c=0) = x[n,i]+c", "f(x[n,D], c=0) -> y[n,D]\n    y[n,i] = x[n,i]+c", lambda: X),
    ("f(x[n,D]):\n    y[n,i] = 2x[n,i]", "f(x[n,D]) -> y[n,D]\n    y[n,i] = 2*x[n,i]", lambda: 2 * X),
    ("f(x[n,D])\n    y = 2*x", "f(x[n,D]) -> y[n,D]\n    y[n,d] = 2 * x[n,d]", lambda: 2 * X),
    ("f(x[n,D]) -> y[n,D]:\n    y[n,i] = -x[n,i]", "f(x[n,D]) -> y[n,D]\n    y[n,i] = -x[n,i]", lambda: -X),
    ("f(x[n,D]) -> y[n,D] = -x[n,i]", "f(x[n,D]) -> y[n,D]\n    y[n,i] = -x[n,i]", lambda: -X),
    ("f(x[n,D]) -> y[n,D] = 2*x", "f(x[n,D]) -> y[n,D]\n    y[n,d] = 2 * x[n,d]", lambda: 2 * X),
    ("f(x[n,D]) -> y = 2*x", "f(x[n,D]) -> y[n,D]\n    y[n,d] = 2 * x[n,d]", lambda: 2 * X),
    ("y(x1) = x1**2", "y(x1) -> z\n    z = x1**2", lambda: np.asarray(0.25)),
    ("f(x[n,D]) -> y[n,D]: y[n,i] = -x[n,i]", "f(x[n,D]) -> y[n,D]\n    y[n,i] = -x[n,i]", lambda: -X),
]  # fmt: skip


@pytest.mark.parametrize("slip, meant, meaning", HEADLESS, ids=[s[0] for s in HEADLESS])
def test_a_text_without_a_header_is_answered_with_one(slip: str, meant: str, meaning: Meaning) -> None:
    assert told(slip) == meant
    np.testing.assert_allclose(called(meant), meaning(), rtol=1e-14)


HEADERS = [
    ("f(x(n,D), v(O,D); s=2) -> y(n,D)", "f(x[n,D], v[O,D]; s=2) -> y[n,D]"),
    ("f(x(n,D)) -> y(n,(D+1)//2)", "f(x[n,D]) -> y[n,(D+1)//2]"),
    ("f(x[n,D]) -> y[n,D/2]", "f(x[n,D]) -> y[n,D//2]"),
    ("f(x[n,D]) -> y[n,D²]", "f(x[n,D]) -> y[n,D*D]"),
    ("f(x[n,D]) -> y[n,(D+1)^2]", "f(x[n,D]) -> y[n,(D+1)*(D+1)]"),
    ("f(x[n,D]; a=2π) -> y[n,D]", "f(x[n,D]; a=2*pi) -> y[n,D]"),
    ("f(x[n,D]; a=np.pi) -> y[n,D]", "f(x[n,D]; a=pi) -> y[n,D]"),
    ("f(x[n,D], c[D]=-∞) -> y[n,D]", "f(x[n,D], c[D]=-inf) -> y[n,D]"),
]


@pytest.mark.parametrize(
    "text", ["y[n,i] = x[n,i-1]", "y[n,i] = x[n,2*i]", "y = x @ x", "y = softmax(x)", "y[n,i] = oops(x[n,i])", "f(x[n,D]): return x"]
)
def test_no_header_is_offered_that_would_be_refused(text: str) -> None:
    assert told(text) == "'name(inputs; settings) -> outputs'"


@pytest.mark.parametrize("slip, meant", HEADERS)
def test_a_header_is_answered_with_the_header_that_is_meant(slip: str, meant: str) -> None:
    body = "\n    y[n,i] = sum(x[n,i-1])"
    assert told(slip + body) == meant
    define(meant + body)


def test_numbers_of_a_header_may_be_computed_of_numbers_and_pi() -> None:
    op = cr.op("f(x[n,D], c[D]=inf; a=pi, b=-1/2, k=2**3) -> y[n,D]\n    y[n,i] = minimum(a*b*k*x[n,i], c[i])")
    np.testing.assert_allclose(op(X, engine="reference"), -4 * np.pi * X, rtol=1e-14)
    for wrong in ("a=inf", "a=9**9**9", "a=1/0", "a=x", "a=(-1)**0.5", "a=True"):
        with pytest.raises(cr.DefinitionError, match="is not a setting"):
            cr.op(f"f(x[n,D]; {wrong}) -> y[n,D]\n    y[n,i] = a*x[n,i]")


@pytest.mark.parametrize("arrow", ["→", "=>", "⟶"])
def test_other_arrows_and_small_sizes_are_answered_with_the_header(arrow: str) -> None:
    assert told(f"f(x[n,D]) {arrow} y[n,D]\n y[n,i] = x[n,i]") == "f(x[n,D]) -> y[n,D]"
    assert told("f(x[n,d]) -> y[n,d+1]\n y[n,i] = sum(x[n,i])") == "f(x[n,D]) -> y[n,D+1]"


ACCEPTED: list[tuple[str, Meaning]] = [
    ("y[n,i] = max(0, x[n,i])", lambda: np.maximum(X, 0)),
    ("y[n,i] = min(max(x[n,i], 0), 1, w[i])", lambda: np.minimum(np.clip(X, 0, 1), W)),
    ("y[n,i] = pi*x[n,i] + where(x[n,i] > 0, 1, -inf)", lambda: np.pi * X + np.where(X > 0, 1, -np.inf)),
    ("y[n,i] = pow(x[n,i], 2) * 1e-3 + 2E1  # 2x, x^2 · π", lambda: X**2 * 1e-3 + 20),
    ("y[n,i] = x[n,i] * (x[n,i] > 0 and not w[i] > 3 or i == 0)", lambda: X * ((X > 0) & ~(W > 3) | (np.arange(4) == 0))),
    ("y[n,i] = 0x10*x[n,i]", lambda: 16 * X),
    ("y[n,i] = (x[n,i]\n  > 0) * 3", lambda: (X > 0) * 3.0),
]  # fmt: skip


@pytest.mark.parametrize("line, meaning", ACCEPTED, ids=[a[0] for a in ACCEPTED])
def test_everyday_words_are_accepted(line: str, meaning: Meaning) -> None:
    np.testing.assert_allclose(called(HEAD + line), meaning(), rtol=1e-14)


@pytest.mark.parametrize("first", ["m[n] = mean(x)", "m[n,i] = x - mean(x)", "m = mean(x)", "m = x*w"])
def test_a_line_before_the_output_gets_the_letters_that_it_needs(first: str) -> None:
    index = {"m[n] = mean(x)": "[n]", "m = mean(x)": ""}.get(first, "[n,i]")
    known = {"m[n] = mean(x)": X.mean(1, keepdims=True) + 0 * X, "m[n,i] = x - mean(x)": X - X.mean(1, keepdims=True), "m = mean(x)": X.mean() + 0 * X,
             "m = x*w": X * W}  # fmt: skip
    last = f"\n    y[n,i] = m{index}" + " + 0*x[n,i]" * (first != "m[n,i] = x - mean(x)")
    np.testing.assert_allclose(called(HEAD + told(HEAD + first + last) + last), known[first], rtol=1e-14)


def test_several_slips_in_one_text_are_shown_one_by_one() -> None:
    text = "f(x[n,D]) -> y[n,D], z[n]\n    y[n,i] = 2x[n,i]^2  # doubled\n    z[n] = sum(y)"
    seen = []
    for _ in range(3):
        try:
            define(text)
            break
        except cr.DefinitionError as e:
            line = next(k for k, row in enumerate(text.split("\n")) if row == str(e).split("\n")[0])
            seen.append(str(e).split("\naccepted: ")[1])
            rows = text.split("\n")
            rows[line] = "    " + seen[-1]
            text = "\n".join(rows)
    assert seen == ["y[n,i] = 2*x[n,i]**2", "z[n] = sum[i](y[n,i])"] or seen == ["y[n,i] = 2*x[n,i]**2", "z[n] = sum[d](y[n,d])"]


def test_a_slip_in_a_statement_of_several_lines_shows_all_of_it() -> None:
    assert told(HEAD + "y[n,i] = (x[n,i]\n        + 2w[i])") == "y[n,i] = (x[n,i] + 2*w[i])"


def test_what_is_wrong_besides_a_slip_is_said_in_its_place() -> None:
    assert told(HEAD + "y[n,i] = 2x[n,i] + oops").startswith("a letter of the left side")
    assert told(HEAD + "y[n,i] = x[n,i] & w[i]").startswith("x[n, i] != 0 and w[i] != 0; the product of values is")
    assert told(HEAD + "z[n,i] = 2x[n,i]\n    y[n,i] = oops[n,i]") == "z[n,i] = 2*x[n,i]"


@pytest.mark.parametrize("sign, right", [("+=", "x[n,i] + w[i] - 1"), ("-=", "x[n,i] - (w[i] - 1)")])
def test_what_is_added_to_a_line_is_put_into_it(sign: str, right: str) -> None:
    meant = HEAD + f"y[n,i] = {right}"
    assert told(HEAD + f"y[n,i] = x[n,i]\n    y[n,i] {sign} w[i] - 1") == meant
    cr.op(meant)


PRODUCTS = [
    ("y = x @ w + b", "f(x[n,K], w[K,O], b[O]) -> y[n,O]\n    y[n,o] = sum[k](x[n,k] * w[k,o]) + b[o]"),
    ("y = (x + z) @ w.T", "f(x[n,K], z[n,K], w[O,K]) -> y[n,O]\n    y[n,o] = sum[k]((x[n,k] + z[n,k]) * w[o,k])"),
    (
        "y = tanh(x @ w1 + b1) @ w2 - 1",
        "f(x[n,L], w1[L,K], b1[K], w2[K,O]) -> y[n,O]\n    y[n,o] = sum[k](tanh(sum[l](x[n,l] * w1[l,k]) + b1[k]) * w2[k,o]) - 1",
    ),
]


@pytest.mark.parametrize("slip, meant", PRODUCTS)
def test_products_of_matrices_are_written_out(slip: str, meant: str) -> None:
    assert told(slip) == meant
    f, rng = cr.op(meant), np.random.default_rng(0)
    sizes = dict(zip("KLO", (3, 4, 5), strict=True))
    given = {t.name: rng.normal(size=[sizes.get(str(p), 2) for p in t.axes]) for t in f.definition.inputs}
    y = eval(slip.partition("= ")[2], {"tanh": np.tanh}, given)
    np.testing.assert_allclose(f(**given), y, rtol=1e-12)


def test_a_second_line_for_a_tensor_is_said_to_be_one(sign: str = ":=") -> None:
    with pytest.raises(cr.DefinitionError) as e:
        cr.op(HEAD + f"y[n,i] = x[n,i]\n    y[n,i] {sign} w[i]")
    assert str(e.value).split("\n")[2:] == ["line 3: tensor 'y' is defined twice", "accepted: each tensor defined once"]


@pytest.mark.parametrize("sign", ["*=", "/=", "**=", "//="])
def test_other_assignments_mean_nothing_here(sign: str) -> None:
    assert told(HEAD + f"y[n,i] {sign} w[i]") == "'=' in 'tensor[indices] = expression'"


def test_where_the_line_cannot_be_known_none_is_shown() -> None:
    vague = "a letter for each axis, and the letters of each sum: 'sum[k](…)'"
    assert told(ROWS + "y[n,o] = x[n,o]*sum(v)") == vague  # over d, or over all of it?
    assert told(ROWS + "y[n,o] = x") == told(ROWS + "y = 2*x") == told("f(x[n,D]) -> L\n    L = x**2") == vague  # a sum, or a mean?
    assert told(ROWS + "y[n,o] = x[n,0]*sum(sum(v))") == vague
    assert told("f(x[n,*A]) -> y[n,*A]\n    y[n,*a] = exp(x[n,*a])/sum(exp(x[n,*a]))") == vague
    assert told("f(x[n,D], u[D,D]) -> y[n,D]\n    y = x @ u") == vague  # of u or of its transpose?
    assert told("f(x[n,C,*A], b[C]) -> y[n,C,*A]\n    y[n,c,*a] = x[n,c,*a] + b") == vague  # a line for one rank is no line for all
    for text in ("1/2s", "x[n,i]**2s", "1/s x[n,i]", "1/w[i] x[n,i]"):  # a half of s, or 1 by 2 s?
        assert "Python's arithmetic" in told(HEAD + f"y[n,i] = {text}")
    assert told(HEAD + "y[n,i] = mean[j,k:j+1](x[n,j]*w[k])") == "a size, a setting or a whole number"

    assert told(HEAD + "y[n,i] = x[n,i]/(w[i]+1)(w[i]+2)").startswith("exp, log")  # what is divided by?


def test_every_statement_that_is_offered_stands_for_itself() -> None:
    for _, _, meant, _ in SLIPS:
        assert len(statements(meant)) == 1


EACH_ROW = np.ones((1, 3))
PARTS: dict[str, np.ndarray] = {  # slips, and what they are for the rows
    "v*x": X @ V.T, "(x @ v)": X @ V.T, "v[o,k]*x[n,k]": X @ V.T, "sum[k] v[o,k] x[n,k]": X @ V.T, "sum(v*x)": X @ V.T, "mean(x)": X.mean(1, keepdims=True) * EACH_ROW,
    "sum((x - v)²)": ((X[:, None] - V) ** 2).sum(2), "(x[n,k] - v[o,k])^2": ((X[:, None] - V) ** 2).sum(2), "max(v*x)": (V * X[:, None]).max(2),
    "log10(2w[0])": np.log10(4) * EACH_ROW, "silu(w[0]-1)": EACH_ROW / (1 + np.exp(-1)), "reciprocal(v[o,0]-9)": EACH_ROW / (V[:, 0] - 9),
    "mean[j:o+1](v[j,0])": V[:, 0].cumsum() / [1, 2, 3] * EACH_ROW, "max[j:o+1](-v[j,0])": np.maximum.accumulate(-V[:, 0]) * EACH_ROW,
}  # fmt: skip
PLACES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "{}": lambda f: f, "-({})**2": lambda f: -(f**2), "1/({} + 0.3)": lambda f: 1 / (f + 0.3), "s*({} + 1)²": lambda f: 2 * (f + 1) ** 2, "tanh(v[o,0] - ({}))": lambda f: np.tanh(V[:, 0] - f),
    "relu({} + v[o,0])": lambda f: np.maximum(f + V[:, 0], 0), "{} if v[o,1] > 0 else {} + 1": lambda f: np.where(V[:, 1] > 0, f, f + 1),
    "1 - silu({})/reciprocal(2)": lambda f: 1 - 2 * f / (1 + np.exp(-f)),
}  # fmt: skip


@pytest.mark.parametrize("part", PARTS)
def test_a_slip_means_the_same_wherever_it_stands(part: str) -> None:
    head = "f(x[n,D], v[O,D], w[D]; s=2) -> y[n,O]\n    "
    for place, meaning in PLACES.items():
        for left in ("y[n,o]", "y")[: 1 + ("o" not in part)]:
            line = f"{left} = {place.replace('{}', part)}"
            np.testing.assert_allclose(called(head + told(head + line)), meaning(PARTS[part]) * np.ones((2, 1)), rtol=1e-12, err_msg=line)
