"""Slips that a syntax tree gives away: the node that is wrong, and the line in which it is as it is meant."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Sequence
from typing import NoReturn

from .families import items_of
from .functions import FUNCTIONS
from .reader import Reader
from .slips import KNOWN_AS, called
from .source import formed, nearest, put_in


def below(reader: Reader, node: ast.expr | None) -> None:
    """A range typed as a comparison, j <= i or 0 <= j < i."""
    if not isinstance(node, ast.Compare):
        return
    from_zero = len(node.ops) == 2 and isinstance(node.left, ast.Constant) and node.left.value == 0 and isinstance(node.ops[0], ast.LtE)
    name, end = (node.left, *node.comparators)[-2:]
    if (len(node.ops) == 1 or from_zero) and isinstance(name, ast.Name) and isinstance(node.ops[-1], (ast.Lt, ast.LtE)):
        size = reader.segment(end) + "+1" * isinstance(node.ops[-1], ast.LtE)
        reader.correct(node, f"{ast.unparse(node)!r} is no range", reader.corrected(node, f"{name.id}:{size}"))


def letter_and_setting(reader: Reader, words: Collection[str], item: ast.expr, name: str) -> NoReturn:
    """A setting's name for an index letter: within indices it is the letter, elsewhere it stays the setting."""
    other = next(x for x in ("u", "v", "k", "j", "q", "r", *(f"k{m}" for m in range(99))) if x not in words)

    def renamed(part: str) -> str:
        letter, mark, size = part.partition(":")
        alone = {x for x in re.findall(r"[^\W\d]\w*", letter) if not x[0].isupper()} == {name}
        return re.sub(rf"\b{name}\b", other, letter) + mark + size if alone else part

    line = " ".join(reader.piece.text.split())
    meant = re.sub(r"\[([^\[\]]*)\]", lambda m: f"[{','.join(map(renamed, m[1].split(',')))}]", line)
    value = re.search(rf"\b{name}\b", re.sub(r"\[[^\[\]]*\]", "", meant))
    problem = f"{name!r} is a setting and cannot be an index letter too" + "; as a value it stays the setting" * bool(value)
    reader.correct(item, problem, meant, "another letter for the index")


def if_else(reader: Reader, node: ast.IfExp) -> NoReturn:
    """… if … else …"""
    meant = formed("where({0}, {1}, {2})", list(map(reader.segment, (node.test, node.body, node.orelse))))
    reader.correct(node, "'… if … else …' is not in the language", reader.corrected(node, meant))


def no_function(reader: Reader, node: ast.Call, word: str, tensors: Collection[str], values: Collection[str], known: Sequence[str]) -> NoReturn:
    """A call of what is no function: of a tensor, or of a value. values: the names of numbers."""
    args = list(map(reader.segment, node.args))
    read = isinstance(node.func, ast.Subscript) and word in tensors
    factor = len(args) == 1 and word in tensors and any(isinstance(x, ast.Name) and x.id in tensors for x in ast.walk(node.args[0]))
    if len(args) == 1 and (read or word in values or factor):
        before, after = reader.around(node)
        apart = before.rstrip().endswith(("/", "**", "%"))  # 1/s(x): all of it is below the line
        first = f"{reader.segment(node.func)}*"
        meant = formed("{0}*{1}", [first[:-1], args[0]]) if apart else first + put_in(before + first, args[0], after)
        line = reader.corrected(node, meant) if apart else reader.replaced(node, meant)
        reader.correct(node.func, "what stands side by side is not multiplied", line)
    if word in tensors and not read:
        problem = f"{word!r} is a tensor: its indices stand in square brackets"
        reader.correct(node.func, problem, reader.corrected(node, f"{word}[{', '.join(args)}]"))
    form = called(word, args)
    if form and isinstance(node.func, (ast.Name, ast.Attribute)):
        reader.correct(node.func, f"{word!r} is no function of the language", reader.corrected(node, form))
    reader.fail(node.func, f"there is no function {word!r}", nearest(word, list(known)) + ", ".join(known))


def no_tensor(reader: Reader, node: ast.Subscript, tensors: Collection[str]) -> NoReturn:
    """Square brackets behind what is no tensor."""
    word, args = ast.unparse(node.value), list(map(reader.segment, items_of(node)))
    if word in KNOWN_AS or word in FUNCTIONS:
        problem = f"{word!r} is a function: its values stand in round brackets"
        reader.correct(node, problem, reader.corrected(node, f"{word}({', '.join(args)})"))
    reader.fail(node, f"there is no tensor {word!r} (yet)", nearest(word, sorted(tensors)) + "one of " + ", ".join(sorted(tensors)))


def no_index(reader: Reader, node: ast.expr) -> None:
    """A power or a division in an index."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        meant = formed("{0}//{1}", [reader.segment(node.left), reader.segment(node.right)])
        reader.correct(node, f"{ast.unparse(node)!r} is not an index expression: whole numbers are divided by '//'", reader.corrected(node, meant))
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow) and isinstance(node.right, ast.Constant) and node.right.value in (2, 3):
        meant = formed("{0}*{0}" if node.right.value == 2 else "{0}*{0}*{0}", [reader.segment(node.left)])
        reader.correct(node, f"{ast.unparse(node)!r} is not an index expression: a power is written as a product", reader.corrected(node, meant))
