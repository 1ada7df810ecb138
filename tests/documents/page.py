"""docs/documents.md from the table of the documents' formulas: a row for each, its gradient's line printed by the calculus."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import chainrule as cr

from . import LETTERS, ROWS, TITLES
from .row import Row, Verdict, backward

PAGE = Path(__file__).parents[2] / "docs" / "documents.md"
LONG = 5  # lines of a formula that is shown once, above the table
HEAD = """# The five documents, formula by formula

Every printed formula of the documents that this library started from, what it says, our formula for the same, the gradient that the calculus
derives from that, and whether the two agree. Where a document is wrong, what is true stands beside it.

Made by `python -m tests.documents` from the table in `tests/documents/`; the gradients' lines are printed by the calculus, as by `cr.derive`, none is typed. A claim is text of the
language that runs: the test of `tests/test_documents.py` named in the last column computes it in double precision by the reference engine, on random arrays, and compares
it with what is derived, by machine code and literally. What agrees does so to 1e-12; what is called wrong is shown to differ (or is refused by the language), and its mended form
to agree. In derived lines the letter a before a name (az2, ay) is where in its window a maximum was found. A convention holds where the page says so; where it shows (ties, targets that do not sum to 1), the test shows it.
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


def derived_of(row: Row, shown: Mapping[str, str]) -> str:
    """The gradient's line, with those that it reads where these do not stand above."""
    lines = row.printed[-1:] if row.formula in shown else row.printed
    return code("\n".join(lines)) + "".join(f"<br>longer: {why}" for why in longer_by(row, lines))


def longer_by(row: Row, lines: Sequence[str]) -> list[str]:
    """Why ours says more than the document's line."""
    if not lines:
        return []
    d = row.op.definition
    right = lines[-1].partition(" = ")[2]
    seeds = [f"d{t.name}" for t in d.outputs if re.search(rf"(?<!\w)d{t.name}(?!\w)", " ".join(x.partition(" = ")[2] for x in lines))]
    own = {x.partition(" = ")[0].partition("[")[0] for x in lines}
    found = [
        f"{seed} in front is 1 for the document, where {seed[1:]} is what is differentiated"
        for seed in seeds
        if seed not in own and "∂E" not in row.says
    ]
    found += ["each adjoint on the way has its line"] if len(lines) > 1 else []
    found += ["the winner of each window is compared with this cell"] if re.search(r"\(a\w+\[[^]]*\] ==", right) else []
    found += ["the sum over the targets is not taken for 1"] if re.search(r"sum\[\w+\]\(t\[", right) else []
    return found


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
    lines = [f"## {document}: {TITLES[document]}", "", LETTERS[document], ""]
    for formula in shown:
        moving = list(dict.fromkeys(r.wrt for r in rows if r.formula == formula and r.wrt))
        lines += ["```", formula, "```", "", f"Derived, for {', '.join(moving)}:", "", "```", *backward(cr.op(formula), moving), "```", ""]
    lines += ["| place | it says | our formula | of | derived | verdict | held by |", "| --- | --- | --- | --- | --- | --- | --- |"]
    for r in rows:
        cells = (cell(r.place), cell(r.says), formula_of(r, shown), code(r.wrt), derived_of(r, shown), verdict_of(r), f"`test_row[{r.id}]`")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def summary() -> str:
    lines = ["| document | formulas | agree | but for a misprint | conventions | wrong | empty |", "| --- | --- | --- | --- | --- | --- | --- |"]
    for document in [*TITLES, ""]:
        found = Counter(r.verdict for r in ROWS if document in ("", r.document))
        wrong = found[Verdict.WRONG] + found[Verdict.REFUSED]
        numbers = (found.total(), found[Verdict.AGREES], found[Verdict.MISPRINT], found[Verdict.CONVENTION], wrong, found[Verdict.EMPTY])
        lines.append(f"| {document or 'all'} | {' | '.join(map(str, numbers))} |")
    return "\n".join(lines)


def page() -> str:
    return "\n\n".join([HEAD.rstrip(), summary(), *(section(d) for d in TITLES)]) + "\n"
