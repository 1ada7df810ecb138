"""What people write from habit, and the line that they mean."""

from __future__ import annotations

import ast
import re

from .functions import CONSTANTS, FUNCTIONS, REDUCTIONS

NOT = r"(?![²³½]|(?:if|else|and|or|not|in|is|for)\b)"  # what follows is no word of Python
OVER = rf"\b(?:{'|'.join((*REDUCTIONS, 'argmin'))})\[[^\[\]]*\]"  # a reduction and its letters
CLOSED = r"(?:[^()]|\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\))"  # text whose brackets are closed

# (how it is typed, what the language writes, what is wrong with it); text alone tells them.
TYPED = (
    (r"\b(?:np|numpy|math|torch|jnp|tf)\.(?=[a-z]\w*\s*\()", "", "functions stand without the name of a library"),
    (r"\^", "**", "'^' is no power here"),
    ("[·×∙⋅∗]", "*", "this multiplication sign is not in the language"),
    ("[÷∕]", "/", "this division sign is not in the language"),
    ("[−–]", "-", "this minus is another character than '-'"),
    ("²", "**2", "a raised digit is no power here"),
    ("³", "**3", "a raised digit is no power here"),
    ("½", "(1/2)", "'½' is written '1/2'"),
    ("≤", "<=", "'≤' is written '<='"),
    ("≥", ">=", "'≥' is written '>='"),
    ("≠", "!=", "'≠' is written '!='"),
    ("π", "pi", "'π' is written 'pi'"),
    ("∞", "inf", "'∞' is written 'inf'"),
    ("[δΔ](?=\\s*[\\[(])", "delta", "'δ' is written 'delta'"),
    ("[∑Σ](?=\\s*[\\[(])", "sum", "'∑' is written 'sum'"),
    ("[∏Π](?=\\s*[\\[(])", "prod", "'∏' is written 'prod'"),
    ("√(?=\\s*\\()", "sqrt", "'√' is written 'sqrt'"),
    (r"√\s*(\w+(?:\[[^\[\]]*\])?)", r"sqrt(\1)", "'√' is written 'sqrt'"),
    (r"\bln\b(?=\s*\()", "log", "there is no function 'ln'"),
    (r"\|\|", " or ", "'||' is written 'or'"),
    (r"\|([^|]+)\|", r"abs(\1)", "the absolute value is written 'abs'"),
    (r"\s*\|\s*", " or ", "'|' is written 'or'"),
    (r"\s*&&?\s*", " and ", "'&' is written 'and'"),
    (r"_\{([^{}]*)\}", r"[\1]", "indices stand in square brackets"),
    (r"\]\s*\[", ",", "all indices stand in one pair of brackets"),
    (
        rf"\b({'|'.join(k for k, f in FUNCTIONS.items() if f.arity == 1)})\s+([^\W\d]\w*(?:\[[^\[\]]*\])?)",
        r"\1(\2)",
        "what a function is taken of stands in round brackets",
    ),
    (rf"({OVER})\s*(?![\s(])({CLOSED}+)", r"\1(\2)", "what is reduced stands in round brackets"),
    (rf"(?<![\w.])(\d+(?:\.\d*)?|\.\d+)\s*(?![eE][+-]?\d){NOT}(?=[^\W\d]|\()", r"\1*", "a number beside a name does not multiply it"),
    (rf"([\])])\s*{NOT}(?=[^\W\d]|\d)", r"\1*", "what stands side by side is not multiplied"),
    (r"\)\s*\(", ")*(", "what stands side by side is not multiplied"),
    (r"\s*(?<![<>=!*/+\-])(\*\*|//|[+\-*/]|:)=(?!=)", " =", "a line defines its tensor, once and whole: '='"),
    (r"\s*;\s*$", "", "a line ends without ';'"),
)
HEADED = (
    (r"\s*(?:→|=>|⟶|↦)\s*", " -> ", "the arrow is written '->'"),
    (r"(?<![\w.=])(?<!= )(\d+)\s*(?![eE][+-]?\d)(?=[A-Za-z_(])", r"\1*", "a number beside a name does not multiply it"),
    *(row for row in TYPED if row[0] in (r"\^", "[·×∙⋅∗]", "[÷∕]", "[−–]")),
)

# Functions under the names that other languages and libraries give them.
KNOWN_AS = {
    "relu": "maximum({0}, 0)", "square": "({0})**2", "arctan": "atan({0})", "arcsin": "asin({0})", "arccos": "acos({0})", "fabs": "abs({0})",
    "absolute": "abs({0})", "log2": "log({0}) / log(2)", "log10": "log({0}) / log(10)", "power": "({0})**({1})", "rint": "round({0})",
    "clip": "minimum(maximum({0}, {1}), {2})", "clamp": "minimum(maximum({0}, {1}), {2})", "heaviside": "(({0}) > 0)", "step": "(({0}) > 0)",
    "silu": "({0}) * sigmoid({0})", "swish": "({0}) * sigmoid({0})", "gelu": "({0}) * (1 + erf(({0}) / sqrt(2))) / 2", "reciprocal": "1 / ({0})",
    "leaky_relu": "where({0} > 0, {0}, 0.01 * ({0}))", "sgn": "sign({0})", "logistic": "sigmoid({0})", "exp2": "2**({0})", "cbrt": "({0})**(1/3)",
    "amax": "max({0})", "amin": "min({0})", "sec": "1 / cos({0})", "cot": "1 / tan({0})", "multiply": "({0}) * ({1})", "divide": "({0}) / ({1})",
}  # fmt: skip


def typed(text: str) -> tuple[int, int, str, str] | None:
    """(row, column, what is wrong, the text as it is meant) for the first slip that the characters give away."""
    rows = text.split("\n")
    first = None
    head = next((k for k, row in enumerate(rows) if re.search("->|→|=>|⟶|↦", row.partition("#")[0])), -1)  # the header's last row
    for k, row in enumerate(rows):
        code, mark, comment = row.partition("#")
        table = TYPED if k > head else HEADED
        found = sorted(
            (m.start() + len(m[0]) - len(m[0].lstrip()), which) for which, (pattern, _, _) in enumerate(table) for m in re.finditer(pattern, code)
        )
        if not found:
            continue
        first = first or (k, found[0][0], table[found[0][1]][2])
        for pattern, meant, _ in table:
            code = re.sub(pattern, meant, code)
        rows[k] = code + mark + comment
    return (*first, "\n".join(rows)) if first else None


def called(word: str, args: list[str]) -> str | None:
    """What a function of another language is here."""
    form = KNOWN_AS.get(word)
    return form.format(*args) if form and len(args) == 1 + max(int(k) for k in re.findall(r"{(\d)}", form)) else None


def headed(text: str) -> str | None:
    """The definition that a text without a header means: f(a, b) = …, or a line whose inputs are what it reads."""
    rows = [row for row in text.strip().splitlines() if row.strip()]
    joined = re.match(r"(\s*[A-Za-z_]\w*\s*\(.*\)\s*->[^=:]*?)\s*:\s*([^\W\d].*=.*)$", rows[0]) if len(rows) == 1 else None
    if joined:
        return f"{joined[1]}\n    {joined[2]}"
    if not rows or any("->" in row for row in rows):
        return None
    short = re.match(r"\s*([A-Za-z_]\w*)\s*\(([^=]*)\)\s*=(?!=)\s*(.+)$", rows[0], re.DOTALL)
    try:
        if short and len(rows) == 1 and (short[1] not in ("y",) or "[" in short[2]):
            return _one_line(short[1], short[2].strip(), short[3].strip())
        return _lines(rows)
    except SyntaxError:
        return None


def _one_line(name: str, inputs: str, right: str) -> str:
    """f(x[n,D]) = x[n,i]**2: the output has the letters that no reduction binds, and the sizes on which they stand."""
    axes = {}
    for node in ast.parse(f"({inputs},)" if inputs else "()", mode="eval").body.elts:  # type: ignore[attr-defined]  # a tuple, by its comma
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
            axes[node.value.id] = [ast.unparse(x) for x in _items(node)]
    letters: dict[str, str] = {}
    for node in _free(ast.parse(right, mode="eval").body, frozenset()):
        for item, size in zip(_items(node), axes.get(node.value.id, ()), strict=False):  # type: ignore[attr-defined]  # of a name, as _free finds them
            if isinstance(item, ast.Name):
                letters.setdefault(item.id, size)
    output = _word(("y", "z", "out"), inputs)
    left, sizes = (f"[{','.join(letters)}]", f"[{','.join(letters.values())}]") if letters else ("", "")
    return f"{name}({inputs}) -> {output}{sizes}\n    {output}{left} = {right}"


def _free(node: ast.AST, bound: frozenset[str]) -> list[ast.Subscript]:
    """The reads below a node whose letters no reduction binds."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Subscript):
        bound |= {x.id for item in _items(node.func) for x in ast.walk(item) if isinstance(x, ast.Name)}
        return [r for a in node.args for r in _free(a, bound)]
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
        items = [x for x in _items(node) if not (isinstance(x, ast.Name) and x.id in bound)]
        return [node] if len(items) == len(_items(node)) else [_with(node, bound)]
    return [r for child in ast.iter_child_nodes(node) for r in _free(child, bound)]


def _with(node: ast.Subscript, bound: frozenset[str]) -> ast.Subscript:
    """The same read with numbers for bound letters."""
    items: list[ast.expr] = [ast.Constant(0) if isinstance(x, ast.Name) and x.id in bound else x for x in _items(node)]
    return ast.Subscript(node.value, ast.Tuple(items), node.ctx)


def _word(wanted: tuple[str, ...], text: str) -> str:
    return next(x for x in (*wanted, "result") if not re.search(rf"\b{x}\b", text))


def _lines(rows: list[str]) -> str | None:
    """Lines alone: what they read and do not define are the inputs."""
    sides = [re.split(r"(?<![<>=!])=(?!=)", row, maxsplit=1) for row in rows]
    if any(len(s) != 2 for s in sides):
        return None
    defined: dict[str, str] = {}
    inputs: dict[str, str] = {}
    for left, right in sides:
        tree = ast.parse(right.strip(), mode="eval")
        functions = {x.func for x in ast.walk(tree) if isinstance(x, ast.Call)}
        reads = [x for x in ast.walk(tree) if isinstance(x, ast.Subscript) and isinstance(x.value, ast.Name) and x not in functions]
        inside = {x for s in ast.walk(tree) if isinstance(s, ast.Subscript) for x in ast.walk(s) if isinstance(x, ast.Name)}
        bare = [x for x in ast.walk(tree) if isinstance(x, ast.Name) and x not in inside and x not in functions and x.id not in CONSTANTS]
        target = ast.parse(left.strip(), mode="eval").body
        letters = {x.id for x in ast.walk(target) if isinstance(x, ast.Name)}
        for node in (*reads, *(x for x in bare if x.id not in letters and x.id not in {r.value.id for r in reads})):  # type: ignore[attr-defined]  # reads are of names
            name = node.id if isinstance(node, ast.Name) else node.value.id  # type: ignore[attr-defined]  # reads are of names
            if name not in defined:
                inputs.setdefault(name, _shape(node))
        base = target.value if isinstance(target, ast.Subscript) else target
        if not isinstance(base, ast.Name):
            return None
        defined[base.id] = _shape(target)
    if not inputs:
        return None
    output = list(defined)[-1]
    body = "\n".join(f"    {left.strip()} = {right.strip()}" for left, right in sides)
    return f"f({', '.join(k + v for k, v in inputs.items())}) -> {output}{defined[output]}\n{body}"


def _items(node: ast.expr) -> list[ast.expr]:
    if not isinstance(node, ast.Subscript):
        return []
    return node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]


def _shape(node: ast.expr) -> str:
    """Sizes for the indices with which a tensor is read: the capital of each letter."""
    names = [next((x.id for x in ast.walk(item) if isinstance(x, ast.Name)), "k") for item in _items(node)]
    return f"[{','.join('n' if x == 'n' else x.upper() for x in names)}]" if names else ""
