"""README says what is so: its code runs, what it prints is what stands there, its links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", TEXT, re.M | re.S)


def test_code_runs_and_prints_what_stands_below_it(capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    names: dict[str, object] = {"images": rng.normal(size=(64, 1, 28, 28)).astype(np.float32), "labels": rng.integers(0, 10, 64)}
    shown = 0
    for (language, code), (below, text) in zip(BLOCKS, [*BLOCKS[1:], ("", "")], strict=True):
        if language == "python":
            capsys.readouterr()
            exec(code, names)
            if not below and "cr.derive" in code:
                shown += 1
                printed = capsys.readouterr().out.split("\n\n")
                assert text.strip("\n") in [part.strip("\n") for part in printed]
    assert shown == 1


def test_links_lead_somewhere() -> None:
    prose = re.sub(r"^```.*?^```$|`[^`\n]*`", "", TEXT, flags=re.M | re.S)
    links = re.findall(r"\]\(([^)#:]+)\)", prose)
    assert links and [x for x in links if not (ROOT / x).exists()] == []
