"""The meaning of NumPy's functions of numbers, element by element: a formula for each, or the equation that its value satisfies.

Their derivatives are derived, as those of every formula are. A function that the language has no word for is given by an equation
f(a, y) = 0 in its argument and its value, and derives from that.
"""

from __future__ import annotations

# sin(x)/x with x = πa; near 0, where the quotient's derivatives are differences of large numbers, by its series.
_X = "(pi * a)**2"
SINC = f"where(abs(a) < 0.01, 1 - {_X}/6 * (1 - {_X}/20 * (1 - {_X}/42)), sin(pi * a) / (pi * a))"

# The quotient that is at most 1, and the quarter turn that it is counted from.
ARCTAN2 = "where(abs(a) <= abs(b), atan(a / b) + where(b < 0, where(a < 0, -pi, pi), 0), where(a < 0, -pi, pi) / 2 - atan(b / a))"

# y = …, by NumPy's (or SciPy's) name.
ELEMENTWISE: dict[str, str] = {
    "add": "a + b",
    "subtract": "a - b",
    "multiply": "a * b",
    "divide": "a / b",
    "power": "a ** b",
    "float_power": "a ** b",
    "negative": "-a",
    "positive": "a",
    "absolute": "abs(a)",
    "fabs": "abs(a)",
    "square": "a ** 2",
    "sqrt": "sqrt(a)",
    "reciprocal": "1 / a",
    "exp": "exp(a)",
    "exp2": "2 ** a",
    "expm1": "expm1(a)",
    "log": "log(a)",
    "log2": "log(a) / log(2)",
    "log10": "log(a) / log(10)",
    "log1p": "log1p(a)",
    "sin": "sin(a)",
    "cos": "cos(a)",
    "tan": "tan(a)",
    "arcsin": "asin(a)",
    "arccos": "acos(a)",
    "arctan": "atan(a)",
    "arctan2": ARCTAN2,
    "sinh": "sinh(a)",
    "cosh": "cosh(a)",
    "tanh": "tanh(a)",
    "maximum": "maximum(a, b)",
    "minimum": "minimum(a, b)",
    "fmax": "maximum(a, b)",
    "fmin": "minimum(a, b)",
    "deg2rad": "a * pi / 180",
    "radians": "a * pi / 180",
    "rad2deg": "a * 180 / pi",
    "degrees": "a * 180 / pi",
    "remainder": "a - b * floor(a / b)",
    "fmod": "a - b * sign(a / b) * floor(abs(a / b))",
    "copysign": "abs(a) * where(b < 0, -1, 1)",
    "conjugate": "a",
    "sinc": SINC,
    "heaviside": "where(a < 0, 0, where(a == 0, b, 1))",
    "nan_to_num": "where(abs(a) < inf, a, 0)",
    "where": "where(a, b, c)",
    "clip": "minimum(c, maximum(b, a))",
    "erf": "erf(a)",
    "erfc": "1 - erf(a)",
    "expit": "sigmoid(a)",
    "logit": "log(a / (1 - a))",
    "log_expit": "-softplus(-a)",
    "xlogy": "where(a == 0, 0, a * log(b))",
    "xlog1py": "where(a == 0, 0, a * log1p(b))",
}

# f(a, b, y) = 0, where the value y is the solution that NumPy gives.
IMPLICIT: dict[str, str] = {
    "arcsinh": "sinh(y) - a",
    "arccosh": "cosh(y) - a",
    "arctanh": "tanh(y) - a",
    "cbrt": "y ** 3 - a",
    "hypot": "a ** 2 + b ** 2 - y ** 2",
    "logaddexp": "exp(a - y) + exp(b - y) - 1",
    "logaddexp2": "2 ** (a - y) + 2 ** (b - y) - 1",
}
