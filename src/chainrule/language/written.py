"""What a text says before it is known which of its forms is meant: pieces, header, sides as trees, families. Read once for all forms."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from ..errors import DefinitionError
from .families import Families, gathered
from .header import FORM, Header, Part, header
from .headless import headed
from .reader import Reader, Tree
from .source import Piece, Slip, statements, wrong


@dataclass(frozen=True)
class Written:
    """A text with a header. Nothing in it changes: who reads on does so with a reader and families of its own."""

    source: str
    pieces: Sequence[Piece]
    head: Header
    sides: Sequence[tuple[Part, Part]]
    trees: Mapping[tuple[int, int], Tree]
    roots: Mapping[str, str]
    several: tuple[str, ...]

    def reader(self) -> Reader:
        out = Reader(self.source)
        out.trees |= self.trees
        return out

    def families(self) -> Families:
        return Families(dict(self.roots), self.several)


@lru_cache(256)
def written(text: str) -> Written:
    pieces = statements(text)
    if not pieces:
        raise DefinitionError(f"{text!r}: the definition is empty\naccepted: 'name(inputs; settings) -> outputs' and lines below it")
    if whole := headed([p.text for p in pieces]):
        raise Slip(wrong(text, 1, 0, "there is no header"), whole, 0, FORM)
    reader = Reader(text)
    head = header(text, pieces[0])
    sides = [reader.cut(p) for p in pieces[1:]]
    found = _families(reader, pieces, head, sides)
    return Written(text, pieces, head, sides, reader.trees, found.root, found.settings)


def _families(reader: Reader, pieces: Sequence[Piece], head: Header, sides: Sequence[tuple[Part, Part]]) -> Families:
    """Read every part of the text as a tree, and find the families in them."""
    first, rest = pieces[0], pieces[1:]
    tensors = [reader.expression(first, x.tensor) for x in head.inputs]
    outputs = reader.expression(first, head.outputs)
    tensors += outputs.elts if isinstance(outputs, ast.Tuple) else [outputs]
    lefts = [reader.expression(p, left) for p, (left, _) in zip(rest, sides, strict=True)]
    rights = [reader.expression(p, right) for p, (_, right) in zip(rest, sides, strict=True)]
    return gathered({s.name: s.family for s in head.settings}, tensors, lefts, rights)
