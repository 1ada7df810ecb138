"""Texts without a header, or with half of one: the definition that they mean."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from .functions import FUNCTIONS, REDUCTIONS
from .matrices import multiplied
from .slips import KNOWN_AS
from .source import split_top

WORDS = {*FUNCTIONS, *REDUCTIONS, *KNOWN_AS, "argmin", "pow", "pi", "inf"}
Axes = Mapping[str, list[str]]


def headed(statements: Sequence[str]) -> str | None:
    """The definition that a text without a header means: f(a, b) = …, or a line whose inputs are what it reads; None: it has one, or none is known."""
    rows = [_product(" ".join(s.split())) for s in statements]
    try:
        if product := multiplied(rows):
            return product
        call = _call(rows[0])
        if "->" in rows[0]:
            return _with_arrow(rows, call) if call else None
        if any("->" in row for row in rows):
            return None
        if call and call.rest in ("", ":") and len(rows) > 1:
            inputs = _square(call.inputs)
            return _lines(rows[1:], f"{call.name}({inputs})", _axes(inputs))
        if call and len(rows) == 1 and re.match("=(?!=)", call.rest):
            call = _Call(call.name, call.inputs, _beside_names(call))
        if call and len(rows) == 1 and re.match("=(?!=)", call.rest) and not _is_left(call):
            return _one_line(call, call.rest[1:].strip())
        return None if len(rows) == 1 and "[" not in rows[0] and _unknown(rows[0]) else _lines(rows)
    except SyntaxError:
        return None


@dataclass(frozen=True)
class _Call:
    """A row that begins as a header does: name(inputs) rest."""

    name: str
    inputs: str
    rest: str


def _call(row: str) -> _Call | None:
    head = re.match(r"([A-Za-z_]\w*)\s*\(", row)
    depth = 0
    for k in range(head.end() - 1 if head else len(row), len(row)):
        depth += (row[k] in "([") - (row[k] in ")]")
        if head and depth == 0:
            return _Call(head[1], row[head.end() : k].strip(), row[k + 1 :].strip())
    return None


def _product(row: str) -> str:
    """x(1-x) is a product in a row without indices: nothing is a function of itself."""
    return row if "[" in row else re.sub(r"(?<![\w.])([^\W\d])\s*\((?=[^()]*(?<!\w)\1(?!\w)[^()]*\))", r"\1*(", row)


def _beside_names(call: _Call) -> str:
    """What stands behind f(x): x(1-x) there is a product, where x is one of its inputs."""
    names = [x.strip() for x in call.inputs.split(",") if re.fullmatch(r"\s*[^\W\d]\w*\s*", x)]
    rest = call.rest
    for x in names:
        rest = re.sub(rf"(?<!\w){x}\s*\((?=[^()]*[-+*/])", f"{x}*(", rest)
    return rest


def _unknown(row: str) -> bool:
    """Whether a row calls a function that the language has under no name."""
    return any(name not in {*WORDS, "after"} and len(name) > 1 for name in re.findall(r"([^\W\d]\w*)\s*\(", row.partition("=")[2]))


def _is_left(call: _Call) -> bool:
    """Whether y(n,i) is a left side in round brackets."""
    letters = re.fullmatch(r"[^\W\d](\s*,\s*[^\W\d])*", call.inputs) is not None
    return letters and "[" in _square(call.rest)


def _with_arrow(rows: list[str], call: _Call) -> str | None:
    """A header and a line in one row, or a header that ends as a function of Python does."""
    head, tail = f"{call.name}({call.inputs}) -> ", call.rest.partition("->")[2].strip()
    colon = split_top(tail, ":")
    if len(colon) == 2 and (colon[1][0].strip() == "") == (len(rows) > 1):
        return "\n    ".join([head + colon[0][0].strip(), *([colon[1][0].strip()] if len(rows) == 1 else rows[1:])])
    sides = split_top(tail, "=")
    return _one_line(call, sides[1][0].strip(), sides[0][0].strip()) if len(sides) == 2 and len(rows) == 1 else None


def _square(text: str) -> str:
    """The text with square brackets behind what is no function."""
    simple = r"\(((?:[^()=<>]|\([^()]*\))*)\)"
    return re.sub(rf"(?<!\w)([^\W\d]\w*){simple}", lambda m: m[0] if m[1] in {*WORDS, "after"} or not m[2].strip() else f"{m[1]}[{m[2]}]", text)


def _axes(inputs: str) -> dict[str, list[str]]:
    """The sizes of the inputs of a header."""
    found = {}
    for part, _ in split_top(split_top(inputs, ";")[0][0], ",") if inputs.strip() else ():
        node = ast.parse(split_top(split_top(part, ":")[0][0], "=")[0][0].strip(), mode="eval").body
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
            found[node.value.id] = [ast.unparse(x) for x in _items(node)]
    return found


def _one_line(call: _Call, right: str, declared: str = "") -> str:
    """f(x[n,D]) = x[n,i]**2: the output has the letters that no reduction binds, and the axes of what is read whole."""
    inputs, right = _square(call.inputs), _square(right)
    axes = _axes(inputs)
    tree = ast.parse(right, mode="eval").body
    letters = _letters(tree, axes)
    sizes = list(letters.values()) + [s for s in _sizes(tree, axes) if s not in letters.values()]
    output = declared or _word(("y", "z", "out"), f"{call.name} {inputs}")
    name = output.partition("[")[0]
    if "[" in declared:
        whole = [ast.unparse(x) for x in _items(ast.parse(declared, mode="eval").body)]
        placed = [next((x for x, s in letters.items() if s == size), None) for size in whole]
        left = f"[{','.join(map(str, placed))}]" if placed and None not in placed and len(set(placed)) == len(placed) else ""
    else:
        output += f"[{','.join(sizes)}]" if sizes else ""
        left = f"[{','.join(letters)}]" if letters and len(sizes) == len(letters) else ""
    return f"{call.name}({inputs}) -> {output}\n    {name}{left} = {right}"


def _letters(tree: ast.AST, axes: Axes) -> dict[str, str]:
    """How far each letter that no reduction binds runs: as far as all that is read at it and behind it."""
    found: dict[str, str] = {}
    for node in _free(tree, frozenset()):
        for item, size in zip(_items(node), axes.get(node.value.id, ()), strict=False):  # type: ignore[attr-defined]  # of a name, as _free finds them
            shift = _shift(item)
            if shift is not None:
                found.setdefault(shift[0], size)
    return {x: _less(size, _furthest(tree, x)) for x, size in found.items()}


def _furthest(tree: ast.AST, letter: str) -> int:
    """How far behind a letter is read, at most."""
    shifts = (_shift(item) for node in _free(tree, frozenset()) for item in _items(node))
    return max((s[1] for s in shifts if s is not None and s[0] == letter), default=0)


def _less(size: str, by: int) -> str:
    return f"{size}-{by}" if by > 0 else size


def _shift(item: ast.expr) -> tuple[str, int] | None:
    """(i, 2) of i and i+2."""
    match item:
        case ast.Name(id=letter):
            return letter, 0
        case ast.BinOp(ast.Name(id=letter), ast.Add(), ast.Constant(value=int() as by)):
            return letter, by
    return None


def _sizes(node: ast.AST, axes: Axes) -> list[str]:
    """The sizes of a value whose tensors are read whole."""
    if isinstance(node, ast.Name):
        return list(axes.get(node.id, ()))
    if isinstance(node, ast.Subscript) or (
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in REDUCTIONS and len(node.args) == 1
    ):
        return []
    below = [_sizes(child, axes) for child in ast.iter_child_nodes(node)]
    met = set(below[0]) & set(below[-1]) - {"n"} if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult) else set()
    return [s for s in dict.fromkeys(s for sizes in below for s in sizes) if s not in met]


def _free(node: ast.AST, bound: frozenset[str]) -> list[ast.Subscript]:
    """The reads below a node, with numbers for the letters that a reduction binds."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Subscript):
        bound |= {x.id for item in _items(node.func) for x in ast.walk(item) if isinstance(x, ast.Name)}
        return [r for a in node.args for r in _free(a, bound)]
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
        items: list[ast.expr] = [ast.Constant(0) if {n.id for n in ast.walk(x) if isinstance(n, ast.Name)} & bound else x for x in _items(node)]
        return [ast.Subscript(node.value, ast.Tuple(items), node.ctx)]
    return [r for child in ast.iter_child_nodes(node) for r in _free(child, bound)]


def _word(wanted: tuple[str, ...], text: str) -> str:
    return next(x for x in (*wanted, "result") if not re.search(rf"\b{x}\b", text))


def _lines(rows: list[str], head: str = "", axes: Axes | None = None) -> str | None:
    """Lines alone: what they read and do not define are the inputs, unless a header without an arrow says them."""
    sides = [re.split(r"(?<![<>=!])=(?!=)", _square(row), maxsplit=1) for row in rows]
    if any(len(s) != 2 for s in sides):
        return None
    defined: dict[str, str] = {}
    inputs: dict[str, str] = {}
    for left, right in sides:
        tree, target = ast.parse(right.strip(), mode="eval").body, ast.parse(left.strip(), mode="eval").body
        base = target.value if isinstance(target, ast.Subscript) else target
        if not isinstance(base, ast.Name):
            return None
        for name, shape in _read(tree, {x.id for x in ast.walk(target) if isinstance(x, ast.Name)}).items():
            if name not in defined:
                inputs.setdefault(name, shape)
        defined[base.id] = _output(target, tree, axes)
    if not inputs:
        return None
    output = list(defined)[-1]
    body = "\n".join(f"    {left.strip()} = {right.strip()}" for left, right in sides)
    head = head or f"f({', '.join(k + v for k, v in inputs.items())})"
    return f"{head} -> {output}{defined[output]}\n{body}"


def _read(tree: ast.AST, letters: Collection[str]) -> dict[str, str]:
    """What a right side reads, each with its axes."""
    functions = {x.func for x in ast.walk(tree) if isinstance(x, ast.Call)}
    bound = {x.id for f in functions if isinstance(f, ast.Subscript) for x in ast.walk(f.slice) if isinstance(x, ast.Name)}
    reads = [x for x in ast.walk(tree) if isinstance(x, ast.Subscript) and isinstance(x.value, ast.Name) and x not in functions]
    inside = {x for s in ast.walk(tree) if isinstance(s, ast.Subscript) for x in ast.walk(s)}
    bare = [x for x in ast.walk(tree) if isinstance(x, ast.Name) and x not in inside and x not in functions]
    found: dict[str, str] = {}
    for x in reads:
        found.setdefault(x.value.id, _shape(x))  # type: ignore[attr-defined]  # reads are of names
    return found | {x.id: "" for x in bare if x.id not in {*letters, *bound, *found, "pi", "inf"}}


def _output(target: ast.expr, tree: ast.AST, axes: Axes | None) -> str:
    """The axes of what a line defines."""
    if axes is None:
        return _shape(target, tree)
    known = _letters(tree, axes)
    names = [x.id if isinstance(x, ast.Name) else "" for x in _items(target)]
    sizes = [known.get(x, "n" if x == "n" else x.upper()) for x in names] or _sizes(tree, axes)
    return f"[{','.join(sizes)}]" if sizes else ""


def _items(node: ast.expr) -> list[ast.expr]:
    if not isinstance(node, ast.Subscript):
        return []
    return node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]


def _shape(node: ast.expr, right: ast.AST | None = None) -> str:
    """Sizes for the indices with which a tensor is read: the capital of each letter. right: what a left side is defined by."""
    names = [next((x.id for x in ast.walk(item) if isinstance(x, ast.Name)), "k") for item in _items(node)]
    sizes = ["n" if x == "n" else _less(x.upper(), _furthest(right, x) if right else 0) for x in names]
    return f"[{','.join(sizes)}]" if names else ""
