"""Letters and sizes for texts that are written for a call: axis k of an array has the size I, J, K, … and the letter i, j, k, …"""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import ShapeError

LETTERS = "ijklmopqrstuvwgh"


def letters(count: int, start: int = 0) -> list[str]:
    """The letters of so many axes."""
    if start + count > len(LETTERS):
        raise ShapeError(f"{start + count} axes: too many for one formula; accepted: up to {len(LETTERS)}")
    return list(LETTERS[start : start + count])


def sizes(which: Sequence[str]) -> list[str]:
    return [x.upper() for x in which]


def tensor(name: str, axes: Sequence[object]) -> str:
    """name[axes], or the bare name where there are none."""
    return f"{name}[{','.join(map(str, axes))}]" if axes else name


def total(kind: str, over: Sequence[str], body: str) -> str:
    """A reduction of the body, or the body alone where nothing is reduced."""
    return f"{kind}[{','.join(over)}]({body})" if over else body
