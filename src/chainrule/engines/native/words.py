"""The loop-nest tree in words: every loop and every condition of the code, in the letters of the formulas.

What the code holds several times in the same form (the terms of a tile, parts of a range written out) is said once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .nest import Block, Const, Function, If, Ins, Loop, Node, Note, Op, Operand, Over, Row, Step, Var, instructions, walk

CALLED = {"n": "N"}  # what parameters are called
CALLS = {Op.LEAST: "min", Op.MOST: "max"}
DIVISIONS = {Op.FLOOR_DIV: "//", Op.PLAIN_DIV: "//", Op.DIV: "//", Op.FLOOR_REM: "%", Op.PLAIN_REM: "%", Op.REM: "%"}


def function_words(f: Function) -> list[str]:
    """The function's loop nest, a line each."""
    letters = {node.var.name: node.letter for node in walk(f.body) if isinstance(node, Loop)}
    return _Reader({i.out.name: i for i in instructions(f) if i.out}, letters).lines(f.body)


class _Reader:
    def __init__(self, made: Mapping[str, Ins], letters: Mapping[str, str]):
        self.made, self.letters = made, letters

    # Blocks ------------------------------------------------------------------------------------------------------------

    def lines(self, block: Block) -> list[str]:
        return [line for node in block for line in self.node(node)]

    def node(self, node: Node) -> list[str]:
        """Nothing for instructions, else the node's own line and what is inside it."""
        match node:
            case Note(words):
                return [words]
            case Loop():
                return [self.loop(node), *self.inner(node.body)]
            case If(_, body, words):
                return [f"if {' and '.join(words)}:", *self.inner(body)]
            case Over():
                return self.over(node)
            case Step():
                return self.step(node)
        return []

    def inner(self, block: Block) -> list[str]:
        return indented(self.lines(block))

    def loop(self, node: Loop) -> str:
        step = f" step {node.step}" if node.step > 1 else ""
        return f"for {node.letter} in {self.operand(node.start)}..{self.operand(node.stop)}{step}:{comment(self.looks(node))}"

    def looks(self, node: Loop) -> list[str]:
        return ["looks whether the run is over" + (f" every {node.looks} rounds" if node.looks > 1 else "")] if node.looks else []

    def step(self, node: Step) -> list[str]:
        """What instructions are for; the conditions of those that have nothing more to say stand in the same line."""
        tested: dict[str, None] = {}
        rest: list[str] = []
        for part in node.body:
            said = self.node(part)
            if isinstance(part, If) and len(said) == 1:
                tested.update(dict.fromkeys(part.words))
            else:
                rest += said
        where = f" where {' and '.join(tested)}" if tested else ""
        return [f"{headline(node)}{where}{':' if rest else ''}", *indented(rest)]

    def over(self, node: Over) -> list[str]:
        """One line where the values are gone through in one piece, else one for each piece; equal pieces are said once."""
        head = headline(node)
        pieces = [n for n in node.body if not isinstance(n, Ins)]
        if len(pieces) == 1 and isinstance(one := pieces[0], Loop | Step) and getattr(one, "letter", node.letter) == node.letter:
            words = [*node.words]
            if isinstance(one, Loop):
                share = isinstance(one.start, Var)
                words += [f"in one task {self.operand(one.start)}..{self.operand(one.stop)}"] * share + self.looks(one)
            return [f"{head}:{comment(words)}", *self.inner(one.body)]
        said: dict[tuple[str, ...], list[str]] = {}
        for piece in pieces:
            first, *rest = self.node(piece)
            said.setdefault(tuple(rest), []).append(first)
        found = [f"{head}:{comment(node.words)}"]
        for inside, firsts in said.items():
            found += indented([*firsts, *inside])
        return found

    # Operands ------------------------------------------------------------------------------------------------------------

    def operand(self, x: Operand) -> str:
        """A whole number in terms of letters."""
        terms, const = self.combination(x)
        parts = sorted(((c, t) for t, c in terms.items() if c), key=lambda part: part[0] < 0)
        text = ""
        if const and (not parts or parts[0][0] < 0):
            text, const = str(const), 0
        for c, t in parts:
            text += ("-" if c < 0 else "+" if text else "") + (f"{abs(c)}*" if abs(c) != 1 else "") + t
        return text + (f"{const:+d}" if const else "") or "0"

    def combination(self, x: Operand) -> tuple[dict[str, int], int]:
        """({what: how often}, constant)."""
        if isinstance(x, int):
            return {}, x
        made = self.made.get(x.name) if isinstance(x, Var) else None
        if made and made.op in (Op.ADD, Op.SUB):
            sign = 1 if made.op is Op.ADD else -1
            terms, const = self.combination(made.args[0])
            more, also = self.combination(made.args[1])
            return {t: terms.get(t, 0) + sign * more.get(t, 0) for t in {**terms, **more}}, const + sign * also
        if made and made.op is Op.MUL and isinstance(times := made.args[1], int):
            terms, const = self.combination(made.args[0])
            return {t: c * times for t, c in terms.items()}, const * times
        return {self.atom(x): 1}, 0

    def atom(self, x: Operand) -> str:
        if not isinstance(x, Var):
            return str(x.value) if isinstance(x, Const) else str(x.values) if isinstance(x, Row) else str(x)
        made = self.made.get(x.name)
        if made is None:
            return self.letters.get(x.name) or CALLED.get(x.name, x.name)
        if made.op in CALLS:
            return f"{CALLS[made.op]}({', '.join(map(self.operand, self.members(x, made.op)))})"
        if made.op in DIVISIONS or made.op is Op.SHIFT_RIGHT:
            by = 1 << made.args[1] if made.op is Op.SHIFT_RIGHT and isinstance(made.args[1], int) else made.args[1]
            return f"{self.factor(made.args[0])}{DIVISIONS.get(made.op, '//')}{self.factor(by)}"
        if made.op is Op.MUL:
            return "*".join(map(self.factor, made.args))
        return made.op.value

    def factor(self, x: Operand) -> str:
        text = self.operand(x)
        return text if text.isalnum() else f"({text})"

    def members(self, x: Operand, op: Op) -> list[Operand]:
        made = self.made.get(x.name) if isinstance(x, Var) else None
        return [y for a in made.args for y in self.members(a, op)] if made and made.op is op else [x]


def headline(node: Over | Step) -> str:
    """What the instructions of a node are for."""
    if isinstance(node, Step):
        return f"at {node.words}" if node.at else node.words
    return f"for {node.letter} in 0..{node.extent}" + (f" step {node.step}" if node.step > 1 else "")


def indented(lines: list[str]) -> list[str]:
    return ["  " + line for line in lines]


def comment(words: Sequence[str]) -> str:
    return f"  # {', '.join(words)}" if words else ""
