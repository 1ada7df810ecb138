"""Tests compile into a cache of their own, so that nothing of the user's is read or left behind; vector widths are reported."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Iterator

import pytest

from chainrule import ArgumentError
from chainrule.engines.native.target import current

WIDTHS = ("avx512", "avx2", "sse2")
pytest_plugins = ["pytester"]
NOT_TESTED = "not tested"  # a property of tests that are left out for want of something: what it is, for the summary


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
    host = current().name
    monkeypatch.setenv("CHAINRULE_TARGET", request.param)
    try:
        assert current().name == request.param
    except ArgumentError as e:
        missing(request, f"on {request.param}: this machine ({host}) has no such vectors")
        pytest.skip(str(e))
    return str(request.param)


def missing(request: pytest.FixtureRequest, what: str) -> None:
    request.node.user_properties.append((NOT_TESTED, what))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The tests may have run in other processes: their reports tell."""
    left_out = Counter(dict(report.user_properties)[NOT_TESTED] for report in terminalreporter.stats.get("skipped", []) if report.user_properties)
    for what, count in left_out.items():
        terminalreporter.write_line(f"NOT TESTED {what}; {count} tests left out", red=True, bold=True)
