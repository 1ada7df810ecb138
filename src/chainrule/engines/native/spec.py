"""What is compiled, and what comes of it: plain data that the planner, the compiler and the runner share."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ...language.tree import Line
from ..number import Number


class Arrangement(StrEnum):
    """How a tensor's numbers lie behind one another."""

    LANES = "lanes"  # [block][place][lane], a lane is a sample; the pointer is the block's
    ROWS = "rows"  # [sample][place], as NumPy has it
    PLAIN = "plain"  # [place]
    PARTIAL = "partial"  # [chunk][place]: sums over the samples of each chunk, to be added in a fixed tree


@dataclass(frozen=True)
class Port:
    """A tensor that goes in or comes out. With samples, `shape` leaves that axis out.

    layout: of what has samples, NumPy's rows, or the engine's own lanes for chaining programs.
    """

    name: str
    shape: tuple[int, ...]
    number: Number
    sample: bool = False
    indexed: bool = False
    layout: Arrangement = Arrangement.ROWS


@dataclass(frozen=True)
class Spec:
    """A program to compile. sample names the number of samples where vectors may run over samples.

    update: pairs (output, input) that share their memory, so that the next step starts from this one's result.
    """

    lines: tuple[Line, ...]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    number: Number
    sample: str | None = None
    chunks: int = 1
    update: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Layout:
    """What the runner must know of compiled code: its buffers, and the loop nests in words.

    slots: name, layout, places and number type of every tensor with memory of its own, in table order.
    tasks: the most pieces of work that any phase has at once; more threads than that have nothing to do.
    """

    slots: tuple[tuple[str, Arrangement, int, Number], ...]
    arena: int
    tasks: int
    chunks: int
    lanes: int
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Code:
    """Machine code with its entry point; the engine is kept alive with it."""

    spec: Spec
    layout: Layout
    address: int
    engine: object
