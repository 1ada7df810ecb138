"""Formulas nobody wrote: both engines and the plain evaluator agree on them, and the calculus is right (tests/judge.py).

A failing seed prints its formula whole and what it shrinks to. `make fuzz MINUTES=10` tries new ones.
"""

from __future__ import annotations

import os
import re
from collections import Counter

import numpy as np
import pytest

from chainrule import Op
from chainrule.language.tree import Read, Reduce, children, walk
from tests.judge import Wrong, examine
from tests.maker import Formula, make, whole_sizes
from tests.shrink import shrink

COUNT = int(os.environ.get("CHAINRULE_RANDOM_FORMULAS", "100"))
shrunk: list[int] = []


def failure(f: Formula) -> str:
    try:
        examine(f)
    except Wrong as e:
        return str(e)
    return ""


@pytest.mark.parametrize("seed", range(COUNT))
def test_a_random_formula_is_computed_as_it_reads(seed: int) -> None:
    f = make(seed)
    kind = failure(f)
    if kind:
        shown = f"{kind}\n{f}"
        if len(shrunk) < 3:  # shrinking takes its time; the others with `python -m tests.fuzz seed NUMBER`
            shrunk.append(seed)
            shown += f"\nshrinks to\n{shrink(f, lambda g: failure(g).split(':')[0] == kind.split(':')[0], 15)}"
        pytest.fail(shown, pytrace=False)


def features(f: Formula) -> set[str]:
    d = f.definition
    nodes = [e for line in d.lines for e in walk(line.expr)]
    reads = [e for e in nodes if isinstance(e, Read)]
    inputs, lines = {t.name for t in d.inputs}, {x.tensor for x in d.lines}
    found = (
        {f"rank {len(t.axes)}" for t in d.inputs}
        | {f"data {f.data}"}
        | {f"samples {s}" for s in f.samples}
        | {f"{t} numbers" for t in f.whole.values()}
    )
    found |= {e.kind for e in nodes if isinstance(e, Reduce)} | {f"call {fn}" for fn in re.findall(r"(\w+)\(", f.text)}
    sizes = whole_sizes(f)
    patterns = {
        "product of letters": r"\b[ijkluvrq]\*[ijkluvrq]\b",
        "fraction times letter": r"\b[ac]\*[ijkluvrq]\b",
        "negative power": r"\*\*\(-",
        "broken power": r"\*\*\(?0\.5",
        "power of zero": r"\*\*0(?!\.)",
        "quotient": r"//",
        "remainder": r"%",
        "steep index": r"\b[67]\*[ijkluvrq]",
        "negative index": r"-[2-9]\*[ijkluvrq]",
        "bracket": r"[ijkluvrq1-9)] (<=|<|==) [(ijkluvrq0-9]",
    }
    found |= {name for name, p in patterns.items() if re.search(p, f.text)}
    conditions = {
        "no samples": d.sample_size not in d.names,
        "samples": d.sample_size in d.names,
        "several outputs": len(d.outputs) > 1,
        "square tensor": any(len(t.axes) > 1 and len(set(map(str, t.axes))) < len(t.axes) for t in d.inputs),
        "equal sizes of other names": len(sizes) > len(set(sizes.values())),
        "read twice with other indices": any(
            n > 1 for n in Counter(t for t, _ in {(e.tensor, str(e.index)) for e in reads if e.tensor in inputs}).values()
        ),
        "line read by a line": any(e.tensor in lines for e in reads),
        "line read twice": any(n > 1 for n in Counter(e.tensor for e in reads if e.tensor in lines).values()),
        "nested": any(isinstance(e, Reduce) and any(isinstance(x, Reduce) for c in children(e) for x in walk(c)) for e in nodes),
        "sum over samples": any(isinstance(e, Reduce) and any(d.sample_size in r.names for r in e.ranges) for e in nodes),
        "one place": any(v == 1 for v in sizes.values()),
        "a vector and one": any(v in (9, 17) for v in sizes.values()),
    }
    return found | {name for name, true in conditions.items() if true}


def test_what_engines_mix_up_is_made_often() -> None:
    count = Counter(name for seed in range(300) for name in features(make(seed)))
    wanted = [f"rank {k}" for k in range(5)] + ["data normal", "data integers", "data wild", "sum", "mean", "max", "min", "argmax"]
    wanted += [f"samples {k}" for k in (1, 2, 15, 16, 17, 33)] + ["int64 numbers", "uint8 numbers", "call where", "call abs", "call sqrt", "call erf"]
    wanted += [
        "product of letters",
        "fraction times letter",
        "negative power",
        "broken power",
        "power of zero",
        "quotient",
        "remainder",
        "steep index",
    ]
    wanted += ["negative index", "bracket", "no samples", "samples", "several outputs", "square tensor", "equal sizes of other names", "nested"]
    wanted += ["read twice with other indices", "line read by a line", "line read twice", "sum over samples", "one place", "a vector and one"]
    assert not [name for name in wanted if count[name] < 5]


def test_most_formulas_fit_their_sizes() -> None:
    assert sum(examine(make(seed), parallel=False) for seed in (1, 5, 9, 21)) >= 2


@pytest.mark.parametrize("wrong, kind", [(lambda v: v * (1 + 1e-13), "native forward"), (lambda v: np.where(v > 0, np.nan, v), "native forward")])
def test_the_judge_sees_a_wrong_digit(wrong: object, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    f = Formula("f(x[A,B], w[B]) -> y[A]\n y[i] = exp(sum[u](x[i,u] * w[u]))", {"A": 3, "B": 4})
    assert examine(f)
    honest = Op.evaluate

    def evaluate(self: Op, arrays: object, settings: object, engine: str = "native", threads: object = None) -> dict[str, np.ndarray]:
        found = honest(self, arrays, settings, engine, threads)  # type: ignore[arg-type]  # whatever the caller gave
        return {k: wrong(v) for k, v in found.items()} if engine == "native" else found  # type: ignore[operator]  # a function

    monkeypatch.setattr(Op, "evaluate", evaluate)
    with pytest.raises(Wrong, match=kind):
        examine(f)
    assert "exp" not in shrink(f, lambda g: failure(g).startswith(kind), 20).text  # and finds the smallest formula that shows it
