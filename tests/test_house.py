"""The conventions of the project, held by tests."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from chainrule import ops
from chainrule.ops.operation import Op
from tests.cases import CASES

SOURCE = Path(__file__).parents[1] / "src" / "chainrule"
FILES = sorted(SOURCE.rglob("*.py"))

# What each folder may import from the package; folders point one way only.
MAY = {
    "errors.py": set(),
    "language": {"errors"},
    "calculus": {"language", "errors"},
    "engines": {"language", "errors"},
    "ops": {"calculus", "engines", "language", "errors"},
    "nn": {"ops", "engines", "language", "errors"},
    "train": {"nn", "ops", "engines", "errors"},
    "cli.py": {"train", "nn", "ops", "errors"},
    "__init__.py": {"train", "nn", "ops", "errors"},
}


def imported(path: Path) -> set[str]:
    """Top-level parts of the package that a file imports."""
    here = path.relative_to(SOURCE).parts[:-1]
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = here[: len(here) - node.level + 1]
            names = [node.module] if node.module else [a.name for a in node.names]
            for name in names:
                full = (*base, *(name or "").split("."))
                found.add(full[0])
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names]
            assert not any(n.split(".")[0] == "chainrule" for n in names), f"{path}: import relatively"
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_imports_run_one_way(path: Path) -> None:
    top = path.relative_to(SOURCE).parts[0]
    surplus = imported(path) - MAY[top] - {top, top.removesuffix(".py"), "__version__"}
    assert not surplus, f"{path} imports {surplus}"


@pytest.mark.parametrize(
    "path", [p for p in FILES if p.relative_to(SOURCE).parts[0] in ("language", "calculus", "engines")], ids=lambda p: str(p.relative_to(SOURCE))
)
def test_no_operation_is_known_by_name_below_the_library(path: Path) -> None:
    words = {node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    known = {getattr(ops, n).name for n in ops.__all__} - {"tanh", "sigmoid"}
    assert not words & known


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_every_file_says_what_it_is_and_stays_readable(path: Path) -> None:
    text = path.read_text()
    tree = ast.parse(text)
    assert ast.get_docstring(tree)
    limit = 450
    assert len(text.splitlines()) <= limit


@pytest.mark.parametrize("name", ops.__all__)
def test_every_operation_has_a_case_and_a_description(name: str) -> None:
    op = getattr(ops, name)
    assert isinstance(op, Op) and len(op.doc) > 20
    assert any(c.op is op for c in CASES), f"add a line to tests/cases.py for {name}"


def test_the_sample_says_whose_it_is() -> None:
    assert "MIT License" in (SOURCE / "train" / "sample" / "LICENSE").read_text()
