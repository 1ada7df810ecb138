"""docs/documents.md from the table of the documents' formulas: a row for each, its gradient's line printed by the calculus."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from . import ROWS, TITLES
from .row import Row, Verdict

PAGE = Path(__file__).parents[2] / "docs" / "documents.md"
LONG = 5  # lines of a formula that is shown once, above the table
HEAD = """# The five documents, formula by formula

Every printed formula of the documents that this library started from, what it says, our formula for the same, the gradient that the calculus
derives from that, and whether the two agree. Where a document is wrong, what is true stands beside it.

Made by `python -m tests.documents` from the table in `tests/documents/`; the gradients' lines are printed by `cr.derive`, none is typed. A claim is text of the
language that runs: `tests/test_documents.py::test_row[DOCUMENT PLACE]` computes it in double precision by the reference engine, on random arrays, and compares
it with what is derived, by machine code and literally. What agrees does so to 1e-12; what is called wrong is shown to differ (or is refused by the language), and its mended form
to agree. A convention holds where the page says so; where it shows (ties, targets that do not sum to 1), the test shows it.
"""


def code(text: str) -> str:
    """Lines of code in a cell of a table."""
    return "<br>".join(f"`{line.strip()}`" for line in text.split("\n") if line.strip())


def cell(text: str) -> str:
    return text.replace("|", "\\|").replace("*", "\\*").replace("_", "\\_")


def names(rows: Sequence[Row]) -> dict[str, str]:
    """{a long formula that stands in the document's rows: the name under which it is shown}."""
    long = dict.fromkeys(r.formula for r in rows if r.formula.count("\n") >= LONG)
    taken = Counter(f.split("(")[0] for f in long)
    assert max(taken.values(), default=1) == 1, f"two formulas of one name: {taken}"
    return {f: f.split("(")[0] for f in long}


def formula_of(row: Row, shown: Mapping[str, str]) -> str:
    if not row.formula:
        return ""
    if row.formula in shown:
        return f"{shown[row.formula]}, above"
    return code(row.formula if "(" in row.formula else f"cr.ops.{row.formula}\n{row.written}")


def verdict_of(row: Row) -> str:
    match row.verdict:
        case Verdict.AGREES:
            return "agrees"
        case Verdict.WRONG:
            return f"**wrong**: {cell(row.why)}<br>claimed: {code(row.claim)}<br>right: {code(row.right)}"
        case Verdict.REFUSED:
            return f"**wrong**: {cell(row.why)}<br>claimed: {code(row.claim)}<br>refused: {cell(row.refusal)}<br>right: {code(row.right)}"
        case _:
            return f"{row.verdict}: {cell(row.why)}"


def section(document: str) -> str:
    rows = [r for r in ROWS if r.document == document]
    shown = names(rows)
    lines = [f"## {document}: {TITLES[document]}", ""]
    for formula in shown:
        lines += ["```", formula, "```", ""]
    lines += ["| place | it says | our formula | of | derived | verdict |", "| --- | --- | --- | --- | --- | --- |"]
    for r in rows:
        lines.append(f"| {cell(r.place)} | {cell(r.says)} | {formula_of(r, shown)} | {code(r.wrt)} | {code(r.derived)} | {verdict_of(r)} |")
    return "\n".join(lines)


def summary() -> str:
    lines = ["| document | formulas | agree | conventions | wrong | empty |", "| --- | --- | --- | --- | --- | --- |"]
    for document in [*TITLES, ""]:
        found = Counter(r.verdict for r in ROWS if document in ("", r.document))
        wrong = found[Verdict.WRONG] + found[Verdict.REFUSED]
        numbers = (found.total(), found[Verdict.AGREES], found[Verdict.CONVENTION], wrong, found[Verdict.EMPTY])
        lines.append(f"| {document or 'all'} | {' | '.join(map(str, numbers))} |")
    return "\n".join(lines)


def page() -> str:
    return "\n\n".join([HEAD.rstrip(), summary(), *(section(d) for d in TITLES)]) + "\n"
