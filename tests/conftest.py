"""Tests compile into a cache of their own, so that nothing of the user's is read or left behind; vector widths are reported."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator

import pytest

from chainrule import ArgumentError
from chainrule.engines.native.target import current

WIDTHS = ("avx512", "avx2", "sse2")
pytest_plugins = ["pytester"]
lacking: dict[str, int] = {}  # widths that the host lacks: how many tests were left out for it


@pytest.fixture(scope="session", autouse=True)
def own_cache() -> Iterator[None]:
    with tempfile.TemporaryDirectory(prefix="chainrule-tests-") as folder:
        before = os.environ.get("CHAINRULE_CACHE")
        os.environ["CHAINRULE_CACHE"] = folder
        yield
        if before is None:
            del os.environ["CHAINRULE_CACHE"]
        else:
            os.environ["CHAINRULE_CACHE"] = before


@pytest.fixture(params=[w for w in WIDTHS if w != current().name])
def narrower(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Another vector width than the host's own, which all other tests use. One that the host lacks is reported at the end, never passed over."""
    monkeypatch.setenv("CHAINRULE_TARGET", request.param)
    try:
        assert current().name == request.param
    except ArgumentError as e:
        lacking[request.param] = lacking.get(request.param, 0) + 1
        pytest.skip(str(e))
    return str(request.param)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for width, count in lacking.items():
        terminalreporter.write_line(
            f"NOT TESTED on {width}: this machine ({current().name}) has no such vectors; {count} tests left out", red=True, bold=True
        )
