"""A page for each family of operations, made from the library: python -m tests.pages writes docs/operations/; a test holds them up to date."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path
from types import ModuleType

from chainrule import Op, ops
from chainrule.language.show import definition_text, line_text

FOLDER = Path(__file__).parents[1] / "docs" / "operations"
FAMILIES = {m.name: importlib.import_module(f"{ops.__name__}.{m.name}") for m in pkgutil.iter_modules(ops.__path__)}


def members(family: ModuleType) -> dict[str, Op]:
    """The operations that stand in a file of the library, by the names that users call."""
    return {k: v for k, v in vars(family).items() if isinstance(v, Op) and k in ops.__all__}


def section(name: str, op: Op) -> str:
    """What there is to say of an operation: its formula, and what is derived from it."""
    lines = [f"## {name}", "", op.doc, "", "```", str(op), "```"]
    if op.template:
        lines += ["", "In the form that is shown where no arrays are given:", "", "```", definition_text(op.definition), "```"]
    moving = [t.name for t in op.definition.inputs if t.whole is None]
    if moving:
        gradient = op.gradient(moving)
        d = gradient.definition
        rows = [line_text(line, d.axes) for line in d.lines[gradient.forward :]] or ["0: none of the inputs changes the outputs smoothly"]
        lines += ["", f"Derived, for {', '.join(moving)}:", "", "```", *rows, "```"]
    return "\n".join(lines)


def page(family: str) -> str:
    module = FAMILIES[family]
    found = members(module)
    head = [
        f"# ops/{family}.py",
        "",
        " ".join((module.__doc__ or "").split()),
        "",
        "Made by `python -m tests.pages` from the formulas; nothing on it is typed.",
        "",
    ]
    return "\n".join([*head, "\n\n".join(section(k, v) for k, v in found.items()), ""])


def index() -> str:
    rows = [f"- [{k}]({k}.md): {', '.join(members(v))}" for k, v in FAMILIES.items() if members(v)]
    return "\n".join(["# Operations", "", "Every operation of `cr.ops`, with its formula and the gradients derived from it.", "", *rows, ""])


def pages() -> dict[str, str]:
    """{file: its text}."""
    return {"index.md": index()} | {f"{k}.md": page(k) for k in FAMILIES if members(FAMILIES[k])}


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for path in FOLDER.glob("*.md"):
        path.unlink()
    for file, text in pages().items():
        (FOLDER / file).write_text(text)
