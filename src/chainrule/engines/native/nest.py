"""The loop-nest tree: every decision of the engine, before it is written as LLVM, as C or in words.

plan --kernel, phases--> functions of this tree --llvm, c, words--> text

A function is a block of nodes. An instruction computes a variable from operands; loops and conditions hold blocks of their own.
`Over`, `Step` and `Note` say in the formula's letters what the instructions below them are; they make no code. All is plain data: equal
trees are equal, and a reader never changes one.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from ..number import I64, Type


class Op(StrEnum):
    """What an instruction does. Numbers decide which kind of addition it is; `how` holds what is no operand."""

    # Arithmetic. Whole numbers do not overflow (the planner has proven it), but for WRAP_…
    ADD, SUB, MUL, DIV, REM, NEG = "add", "sub", "mul", "div", "rem", "neg"
    WRAP_ADD, WRAP_SUB, WRAP_MUL = "wrap_add", "wrap_sub", "wrap_mul"
    PLAIN_DIV, PLAIN_REM = "plain_div", "plain_rem"  # of numbers that are not negative
    FLOOR_DIV, FLOOR_REM = "floor_div", "floor_rem"  # rounded down, as in the language
    AND, OR, XOR, SHIFT_LEFT, SHIFT_RIGHT = "and", "or", "xor", "shift_left", "shift_right"
    SHIFT_DOWN = "shift_down"  # to the right, zeros come in
    LEAST, MOST = "least", "most"
    FMA, SQRT, ABS, FLOOR, CEIL, ROUND, COPYSIGN = "fma", "sqrt", "abs", "floor", "ceil", "round", "copysign"
    COMPARE = "compare"  # how: a key of COMPARISONS
    SELECT = "select"
    CONVERT, BITS = "convert", "bits"  # to the variable's type: the nearest number; the same bits
    MATH, LIBRARY, CALL = "math", "library", "call"  # how: a function of the unit; one of C's library; one of the unit without result

    # Lanes
    SPREAD = "spread"  # one number into all lanes
    INSERT, EXTRACT = "insert", "extract"  # how: the lane
    SHUFFLE = "shuffle"  # how: for each lane, which of both operands' lanes

    # Memory
    SLOT = "slot"  # room for a variable; how: its type
    AT, AWAY = "at", "away"  # the address so many numbers (how: of which type) behind another; AWAY may lie outside the tensor
    LOAD, STORE = "load", "store"  # how: alignment in bytes
    LOAD_KEPT, STORE_KEPT = "load_kept", "store_kept"  # of what is to stay in memory rather than in a register
    LOAD_PART, STORE_PART = "load_part", "store_part"  # how: the first so many lanes
    CLEAR = "clear"  # so many bytes become 0


# "nan": one of both is none; "numbers": neither is; "not>=": less, or one of both is none
COMPARISONS = ("==", "!=", "<", "<=", ">", ">=", "not>=", "nan", "numbers")


class Var(NamedTuple):  # a tuple, as Const, Row and Ins: there are tens of thousands of them
    """What an instruction, a loop or a parameter is called."""

    name: str
    type: Type


class Const(NamedTuple):
    """A number as written, in all lanes; None: no number in particular."""

    value: float | None
    type: Type


class Row(NamedTuple):
    """A number for each lane."""

    values: tuple[float, ...]
    type: Type


Operand = Var | Const | Row | int  # a whole number as it is: 64 bits


class Ins(NamedTuple):
    """out = op(args)."""

    op: Op
    out: Var | None
    args: tuple[Operand, ...]
    how: object = None


@dataclass(frozen=True)
class Loop:
    """body for var = start, start+step, … below stop; the letter is what the formula calls it.

    sure: it runs at least once. looks: after how many rounds to ask whether the run is over (a power of two), 0 for never.
    """

    var: Var
    start: Operand
    stop: Operand
    step: int
    body: Block
    sure: bool
    looks: int
    letter: str


@dataclass(frozen=True)
class If:
    """body where the flag is set; the conditions as the formula has them."""

    flag: Operand
    body: Block
    words: tuple[str, ...]


@dataclass(frozen=True)
class Over:
    """All values of a letter: a loop, and the parts of its range that are written out."""

    letter: str
    extent: str
    step: int
    words: tuple[str, ...]
    body: Block


@dataclass(frozen=True)
class Step:
    """Instructions and what they are for. at: values of a letter that are written out here."""

    words: str
    body: Block
    at: bool = False


@dataclass(frozen=True)
class Note:
    """Words about what stands around."""

    words: str


Node = Ins | Loop | If | Over | Step | Note
Block = tuple[Node, ...]


@dataclass(frozen=True)
class Function:
    """params, then entry (room and addresses made once), then body. result: what it gives, if anything.

    apart: no two of its addresses share memory. pure: it touches none. hot: it holds sums in vectors, which may go to its stack.
    """

    name: str
    params: tuple[Var, ...]
    body: Block
    entry: tuple[Ins, ...] = ()
    result: Operand | None = None
    apart: frozenset[str] = frozenset()
    pure: bool = False
    hot: bool = False


def walk(block: Block) -> list[Node]:
    """Every node, outer ones first."""
    found: list[Node] = []

    def visit(block: Block) -> None:
        for node in block:
            found.append(node)
            if not isinstance(node, (Ins, Note)):
                visit(node.body)

    visit(block)
    return found


def instructions(f: Function) -> list[Ins]:
    return [*f.entry, *(node for node in walk(f.body) if isinstance(node, Ins))]


def type_of(x: Operand) -> Type:
    return I64 if isinstance(x, int) else x.type
