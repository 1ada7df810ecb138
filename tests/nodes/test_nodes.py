"""ONNX's node tests through this library's names: operators of table.py, by both engines, and on arrays. `make agreement`."""

from __future__ import annotations

import warnings
from collections import Counter, defaultdict

import numpy as np
import pytest

from .node import Case, Refused, cases
from .run import ELSEWHERE, REASONS, compared
from .table import ROWS

LEAST = 813  # tests that passed when this was written
CASES: dict[str, list[Case]] = defaultdict(list)
for case in cases():
    if case.node.op in ROWS:
        CASES[case.node.op].append(case)
PASSED: Counter[str] = Counter()
REFUSED: Counter[str] = Counter()


def test_every_operator_of_the_table_has_tests() -> None:
    assert set(CASES) == set(ROWS)


@pytest.mark.parametrize("op", sorted(CASES))
def test_nodes(op: str) -> None:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for case in CASES[op]:
            try:
                compared(case)
                PASSED[op] += 1
            except Refused as e:
                REFUSED[str(e)] += 1
            except Exception as e:
                e.add_note(f"{case.name}: {case.node.attributes}")
                raise


def test_how_many() -> None:
    """Run after the others: nearly all that is applicable passes, and never fewer than before."""
    assert set(REFUSED) <= {*REASONS, *ELSEWHERE}
    passed, refused, elsewhere = PASSED.total(), sum(REFUSED[k] for k in REASONS), sum(REFUSED[k] for k in ELSEWHERE)
    print(f"\nONNX's node tests of {len(PASSED)} operators: {passed} of {passed + refused} agree on both engines; refused: {refused}")
    for reason, count in REFUSED.most_common():
        print(f"  {count:3} {'refused' if reason in REASONS else 'not applicable'}: {({**REASONS, **ELSEWHERE})[reason]}")
    print(f"not applicable: {elsewhere}")
    if len(PASSED) == len(ROWS):
        assert passed >= LEAST and passed >= 0.95 * (passed + refused)
