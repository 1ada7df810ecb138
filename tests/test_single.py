"""Sums without letters are a single term that may be dropped; where nothing can be dropped, they are refused or left out."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule.language.tree import Reduce, walk

NOTHING = [  # a family of no axes, an input that is left out, a place that numbers show to be inside
    ("f(x[n,*A]) -> y[n]\n    y[n] = sum[*a](x[n,*a]**2) + max[*a](x[n,*a]) + argmax[*a](x[n,*a])", (3,)),
    ("f(x[n,D], b[D]=2) -> y[n,D]\n    y[n,i] = sum(b[i]) * x[n,i] + sum(b[i-1])", (3, 4)),
    ("f(x[n,D]; k=1) -> y[n,D]\n    y[n,i] = sum(x[n,(i-k)%D])", (3, 4)),
    ("f(x[n,D]; k=1) -> y[n,D]\n    y[n,i] = sum(x[n,i*k]) + x[n,i]", (3, 4)),
]


@pytest.mark.parametrize("text, shape", NOTHING[:1] + NOTHING[2:])
def test_programs_carry_no_sums_of_nothing_and_read_back(text: str, shape: tuple[int, ...]) -> None:
    op, x = cr.op(text), np.random.default_rng(0).normal(size=shape)
    program = op.program(shape)
    assert not [e for line in program.lines for e in walk(line.expr) if isinstance(e, Reduce) and not e.letters], str(program)
    for engine in ("native", "reference"):
        np.testing.assert_allclose(cr.op(str(program))(x, engine=engine), op(x, engine=engine), rtol=1e-14)
    cr.op(str(cr.derive(op.at({"x": len(shape)}), "x").op))


def test_a_sum_of_what_is_left_out_is_refused_as_with_it() -> None:
    with pytest.raises(cr.DefinitionError, match="nothing is left to reduce"):
        cr.op(NOTHING[1][0])(np.ones((3, 4)))
    f = cr.op(NOTHING[1][0].replace("sum(b[i]) * ", ""))
    assert str(cr.op(str(f.at({"x": 2}, without=("b",))))) == str(f.at({"x": 2}, without=("b",)))


def test_a_derivative_at_known_settings_reads_back() -> None:
    d = cr.derive(cr.op("f(x[n,D]; k=1) -> y[n,D]\n    y[n,i] = sum(x[n,i-k])"), "x", k=0)
    assert str(d.formula) == "dx[n,i] = dy[n,i]"
    cr.op(str(d.op))
