"""Plants each mistake of table.py in a copy of the source and runs the tests that should notice it.

    python -m tests.mutants.run [--only NAME …] [--jobs 2] [--quick] [--check]

The tests named with a mistake run first; if none of them fails, the whole suite does (not with --quick). What takes longer
than the time-out counts as noticed: an endless loop. First the copy without a mistake must pass all tests that are used.
A mistake whose text is no longer in the source is an error. Exit code 1 on survivors and errors.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .table import MUTANTS, Mutant

ROOT = Path(__file__).parents[2]
SELECTED_SECONDS, SUITE_SECONDS = 150.0, 1500.0
COPIED = ("src", "tests", "pyproject.toml", "README.md", "CONTRIBUTING.md", "Makefile", "docs")


class Stale(Exception):
    """The text of a mistake is not in the source as the table says."""


@dataclass(frozen=True)
class Result:
    """What became of a mistake: the test that noticed it, or None; `error` where it could not be planted."""

    mutant: Mutant
    noticed: str | None
    seconds: float
    error: str = ""


def planted(text: str, m: Mutant) -> str:
    """The source with the mistake in it."""
    count = text.count(m.find)
    if count == 0 or (m.occurrence == 0 and count != 1) or m.occurrence > count:
        raise Stale(
            f"{m.name}: {m.find!r} stands {count} times in {m.file}; expected: {m.occurrence or 1} at least"
            + ("" if m.occurrence else ", and no more")
        )
    at = -1
    for _ in range(m.occurrence or 1):
        at = text.index(m.find, at + 1)
    changed = text[:at] + m.replace + text[at + len(m.find) :]
    if m.file.endswith(".py"):
        compile(changed, m.file, "exec")
    return changed


@contextmanager
def copied() -> Iterator[Path]:
    """A copy of the project without compiled files, and with a code cache of its own."""
    with tempfile.TemporaryDirectory(prefix="chainrule-mutant-") as folder:
        root = Path(folder)
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, root / name, ignore=shutil.ignore_patterns("__pycache__", ".*_cache"))
            elif source.exists():
                shutil.copy(source, root / name)
        yield root


def tests(root: Path, selection: Sequence[str], seconds: float, *more: str) -> list[str]:
    """Run tests in a copy; those that failed, or how the process ended."""
    env = os.environ | {"PYTHONPATH": str(root / "src"), "CHAINRULE_CACHE": str(root / "cache"), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=no", *more, *selection]
    child = subprocess.Popen(command, cwd=root, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)
    try:
        out, _ = child.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)  # with the processes that the tests have started
        child.communicate()
        return [f"time-out after {seconds:.0f} s"]
    failed = re.findall(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", out, re.MULTILINE)
    if child.returncode in (0, 5):
        return []
    if child.returncode in (1, 2) and failed:
        return failed
    if child.returncode == 4:
        raise Stale(f"{selection}: {out[-300:]}")
    return [f"the process ended with {child.returncode}"]


def judged(m: Mutant, quick: bool, broken: Sequence[str]) -> Result:
    started = time.monotonic()
    left_out = [f"--deselect={name}" for name in broken]
    noticed: list[str] = []
    error = ""
    with copied() as root:
        path = root / "src" / "chainrule" / m.file
        try:
            path.write_text(planted(path.read_text(), m))
            noticed = tests(root, m.tests, SELECTED_SECONDS, "-x", *left_out)
            if not noticed and not quick:
                noticed = tests(root, (), SUITE_SECONDS, "-x", *left_out)
        except (Stale, OSError, SyntaxError) as e:
            error = str(e)
    return Result(m, noticed[0] if noticed else None, time.monotonic() - started, error)


def sound(chosen: Sequence[Mutant]) -> list[str]:
    """The tests that fail without any mistake."""
    selection = list(dict.fromkeys(t for m in chosen for t in m.tests))
    files = [t for t in selection if "::" not in t]
    nodes = [t for t in selection if "::" in t and t.split("::")[0] not in files]
    with copied() as root:
        where = subprocess.run(
            [sys.executable, "-c", "import chainrule; print(chainrule.__file__)"],
            cwd=root, env=os.environ | {"PYTHONPATH": str(root / "src")}, capture_output=True, text=True,
        ).stdout  # fmt: skip
        if not where.startswith(str(root)):
            raise SystemExit(f"the copy in {root} is not what Python imports: {where}")
        return tests(root, [*files, *nodes], SUITE_SECONDS)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="names of mistakes, or beginnings of names")
    parser.add_argument("--jobs", type=int, default=2, help="copies at a time")
    parser.add_argument("--quick", action="store_true", help="only the tests named with each mistake")
    parser.add_argument("--check", action="store_true", help="only look whether every mistake can be planted")
    given = parser.parse_args()
    chosen = [m for m in MUTANTS if not given.only or any(m.name.startswith(n) for n in given.only)]
    if not chosen or len({m.name for m in MUTANTS}) != len(MUTANTS):
        print(f"{given.only}: no such mistakes, or names in the table twice; accepted: {', '.join(m.name for m in MUTANTS)}")
        return 1
    stale = []
    for m in chosen:
        try:
            planted((ROOT / "src" / "chainrule" / m.file).read_text(), m)
        except (Stale, OSError, SyntaxError) as e:
            stale.append(str(e))
    if stale:
        print("cannot be planted:", *stale, sep="\n  ")
    if given.check:
        print(f"{len(chosen)} mutants, {len(stale)} cannot be planted")
        return int(bool(stale))
    broken = sound(chosen)
    if broken:
        print("fail without any mistake, left out:", *broken, sep="\n  ", flush=True)
    width = max(len(m.name) for m in chosen)
    results: list[Result] = []
    with ThreadPoolExecutor(given.jobs) as pool:
        for r in pool.map(lambda m: judged(m, given.quick, broken), chosen):
            results.append(r)
            print(
                f"{r.mutant.name:{width}}  {r.mutant.file:28} {r.seconds:6.1f} s  {r.error or r.noticed or 'SURVIVED: ' + r.mutant.words}", flush=True
            )
    survivors = [r.mutant.name for r in results if not r.noticed and not r.error]
    errors = [r.mutant.name for r in results if r.error]
    print(f"{len(results)} mutants, {sum(r.noticed is not None for r in results)} noticed, survivors: {', '.join(survivors) or 'none'}", end="")
    print(f"; not planted: {', '.join(errors)}" if errors else "")
    return int(bool(survivors or errors or broken))


if __name__ == "__main__":
    sys.exit(main())
