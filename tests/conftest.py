"""Tests compile into a cache of their own, so that nothing of the user's is read or left behind."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator

import pytest


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
