"""The pages of operations say what the library says."""

from __future__ import annotations

import pytest

from chainrule import ops
from tests.pages import FAMILIES, FOLDER, index, members, page


@pytest.mark.parametrize("family", [k for k in FAMILIES if members(FAMILIES[k])])
def test_a_page_is_what_the_formulas_make(family: str) -> None:
    assert (FOLDER / f"{family}.md").read_text() == page(family), "make them anew: python -m tests.pages"


def test_every_operation_has_a_page() -> None:
    assert {k for v in FAMILIES.values() for k in members(v)} >= set(ops.__all__) - {"flatten3"}
    assert (FOLDER / "index.md").read_text() == index()
