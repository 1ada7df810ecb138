"""docs/notation.md is what the language is: its definitions are defined, its examples run, its words are those of the tables."""

from __future__ import annotations

import doctest
import re
import textwrap
from pathlib import Path

import pytest

import chainrule as cr
from chainrule.language.functions import FUNCTIONS, REDUCTIONS
from chainrule.language.ranges import define
from chainrule.language.show import definition_text

PAGE = Path(__file__).parent.parent / "docs" / "notation.md"
TEXT = PAGE.read_text(encoding="utf-8")
BLOCKS = [
    textwrap.dedent(b).strip("\n") for b in re.findall(r"^ *```(?:python)?\n(.*?)^ *```", TEXT, re.DOTALL | re.MULTILINE) if not b.startswith(">>>")
]


@pytest.mark.parametrize("text", BLOCKS, ids=[b.split("(")[0] for b in BLOCKS])
def test_a_definition_on_the_page_is_accepted(text: str) -> None:
    op = cr.op(text)
    assert define(definition_text(op.definition)) == op.definition
    for t in op.definition.inputs:
        assert t.whole is not None or cr.derive(op, t.name).formula


def test_the_examples_run() -> None:
    found = doctest.testfile(str(PAGE), module_relative=False, encoding="utf-8")
    assert found.attempted >= 4 and found.failed == 0


def test_every_word_stands_on_the_page() -> None:
    words = set(re.findall(r"\w+", TEXT))
    assert set(FUNCTIONS) <= words and set(REDUCTIONS) <= words
