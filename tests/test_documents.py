"""Every printed formula of the five documents against what is derived: those that agree agree, those that are wrong differ, and are mended."""

from __future__ import annotations

import numpy as np
import pytest

from tests.documents import ROWS, TITLES
from tests.documents.page import PAGE, page
from tests.documents.row import Row, Verdict

SEEDS = (0, 1)


def differs(row: Row, lines: str) -> float:
    """The largest difference of a claim and the calculus, in parts of the largest number; inf where one of them is no number."""
    worst = 0.0
    for seed in SEEDS:
        claim, derived, literal = row.by_claim(lines, seed), row.by_calculus(lines, seed, "native"), row.by_calculus(lines, seed, "reference")
        np.testing.assert_allclose(derived, literal, rtol=1e-11, atol=1e-13)
        assert claim.shape == derived.shape, "a claim gives what the formula gives"
        assert np.isfinite(derived).all() and np.abs(derived).max() > 0, "something is compared"
        difference = np.abs(claim - derived).max() / np.abs(derived).max()
        worst = max(worst, float(difference) if np.isfinite(difference) else np.inf)
    return worst


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("row", ROWS, ids=lambda r: r.id)
def test_row(row: Row) -> None:
    if row.verdict is Verdict.EMPTY:
        assert not row.formula
        return
    if row.verdict is Verdict.REFUSED:
        assert row.refusal
    elif row.verdict is Verdict.WRONG:
        assert differs(row, row.claim) > 1e-3
    else:
        assert differs(row, row.claim) < 1e-12
    if row.verdict in (Verdict.WRONG, Verdict.REFUSED):
        assert differs(row, row.right) < 1e-12
    if row.elsewhere is not None:
        assert differs(row.drawn(row.elsewhere), row.claim) > 1e-3
    assert bool(row.why) == (row.verdict is not Verdict.AGREES)


def test_no_two_rows_have_one_place() -> None:
    assert len({r.id for r in ROWS}) == len(ROWS)
    assert {r.document for r in ROWS} == set(TITLES)


def test_every_numbered_equation_has_its_row() -> None:
    assert {r.place for r in ROWS if r.document == "003"} == {f"({k})" for k in range(1, 56)}


def test_the_page_is_what_the_table_makes() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "make it anew: python -m tests.documents"


def test_a_wrong_claim_is_found() -> None:
    """The check itself, held by a claim that is wrong in one sign, and one whose right form is wrong."""
    good = next(r for r in ROWS if r.id == "003 (44)")
    assert differs(good, good.claim.replace("- y[k]", "+ y[k]")) > 1e-3
