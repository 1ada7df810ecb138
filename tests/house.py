"""The conventions of the project as functions of a source folder: each gives the faults it finds, as 'file:line: what'.

They read the syntax tree, not spellings. tests/test_house.py holds the source against them, and them against planted faults.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from chainrule import nn, ops
from chainrule.language.functions import Kind
from chainrule.nn.layers import Layer
from chainrule.nn.losses import Loss

# Every name by which somebody could know an operation: in the library, in its definition, as a layer.
OPERATIONS = frozenset(ops.__all__) | {getattr(ops, k).name for k in ops.__all__}
LAYERS = frozenset(k for k in nn.__all__ if isinstance(getattr(nn, k), type) and issubclass(getattr(nn, k), (Layer, Loss)))
NAMES = OPERATIONS | LAYERS


def plain(text: str) -> str:
    """Letters and digits alone, in one case: how a name is spelled does not hide it."""
    return re.sub(r"[^a-z0-9]", "", text.lower())


SPOKEN = re.compile(rf"(?<!\w)({'|'.join(sorted(NAMES, key=len, reverse=True))})(?!\w)")
PLAIN = {plain(n): n for n in sorted(NAMES)}

# Words that are more than an operation's name: where a text, or an identifier, means the other thing.
TEXTS = {
    "tanh": {"language/functions.py", "engines/native/vmath.py"},  # functions of the language
    "sigmoid": {"language/functions.py", "language/slips.py", "engines/reference.py", "engines/native/vmath.py"},
    **{k: {"language/slips.py"} for k in ("relu", "silu", "gelu", "leaky_relu", "softplus")},  # what people type for a function of the language
    "hyperbolic_tangent": {"calculus/forward.py"},  # "…_tangent": the forward-mode twin of any definition
}
IDENTIFIERS = {
    "sigmoid": {"engines/reference.py", "engines/native/vmath.py"},
    "tanh": {"engines/reference.py", "engines/native/vmath.py"},
    "Softplus": {"engines/native/vmath.py"},
    "Formula": {"calculus/", "language/", "operation/"},  # what a step shows
    "linear": {
        "language/index.py",
        "language/digits.py",
        "language/windows.py",
        "calculus/collapse.py",
        "engines/native/",
    },  # an index that is linear in its letters
    "flatten": {"engines/native/target.py"},  # llvmlite's name
    "scale": {"engines/native/vmath.py"},  # a power of two
}

FUNCTIONS_OF_THE_LANGUAGE = frozenset(
    {"tanh", "sigmoid", "softplus", "sign", "mean", "plain"}
)  # texts that mean something else: words of formulas, a layout

# What each folder may import from the package; folders point one way only.
MAY = {
    "errors.py": set(),
    "language": {"errors"},
    "calculus": {"language", "errors"},
    "engines": {"language", "errors"},
    "operation": {"calculus", "engines", "language", "errors"},
    "ops": {"operation", "language", "errors"},
    "nn": {"ops", "operation", "engines", "language", "errors"},
    "train": {"nn", "ops", "operation", "engines", "errors"},
    "numpy": {"train", "nn", "ops", "operation", "calculus", "engines", "language", "errors"},
    "explain": {"train", "nn", "ops", "operation", "calculus", "engines", "language", "errors"},
    "cli.py": {"cli_explain", "numpy", "explain", "train", "nn", "ops", "operation", "errors"},
    "cli_explain.py": {"explain", "train", "nn", "ops", "operation", "errors"},
    "__init__.py": {"explain", "numpy", "train", "nn", "ops", "operation", "errors"},
}
# And within a folder: (what imports, what it may not).
APART = (
    ("engines/reference", "engines/native"),
    ("engines/native", "engines/reference"),
    ("engines/reference", "engines/session"),
    ("engines/native", "engines/session"),
)
DOOR = "engines/session.py"  # the one file that may know both engines

BELOW = ("language", "calculus", "engines", "operation")  # know no operation at all
USERS = ("train", "explain", "cli.py", "cli_explain.py", "__init__.py", "errors.py")  # use operations, but do not ask which one it is

DYNAMIC = {
    "zipimport",
    "marshal",
    "pydoc",
    "codeop",
    "timeit",
    "__loader__",
    "__spec__",
    "importlib",
    "imp",
    "runpy",
    "pkgutil",
    "__import__",
    "exec",
    "eval",
    "compile",
    "globals",
    "locals",
    "vars",
    "__builtins__",
}
DYNAMIC_ATTRIBUTES = {("sys", "modules"), ("sys", "meta_path"), ("sys", "path_hooks"), ("builtins", "exec"), ("builtins", "eval")}
MAY_BE_DYNAMIC: dict[str, set[str]] = {}  # file -> names of DYNAMIC that it may use, with the reason beside it

MOST_LINES, MOST_FUNCTION_LINES = 450, 60


@dataclass(frozen=True)
class File:
    """A source file: its path in the package, its text and its tree."""

    path: str
    text: str
    tree: ast.Module

    @property
    def top(self) -> str:
        return self.path.split("/")[0]

    def fault(self, node: ast.AST | int, what: str) -> str:
        return f"{self.path}:{node if isinstance(node, int) else getattr(node, 'lineno', 1)}: {what}"


def files(root: Path) -> list[File]:
    found = []
    for path in sorted(root.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        found.append(File(path.relative_to(root).as_posix(), text, ast.parse(text)))
    return found


def tokens(f: File) -> Iterator[tokenize.TokenInfo]:
    return tokenize.generate_tokens(io.StringIO(f.text).readline)


def docstrings(tree: ast.AST) -> set[int]:
    """The nodes (by id) that are docstrings."""
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    bodies = [n.body for n in ast.walk(tree) if isinstance(n, kinds) and n.body]
    return {id(b[0].value) for b in bodies if isinstance(b[0], ast.Expr) and isinstance(b[0].value, ast.Constant)}


# No operation is known by name ---------------------------------------------------------------------------------------


def pattern(e: ast.expr) -> str | None:
    """A regular expression for the texts that an expression can make; None where it makes none that is known in part."""
    match e:
        case ast.Constant(value=str(text)):
            return re.escape(text)
        case ast.JoinedStr(values=parts):
            return "".join(pattern(p) or ".*" for p in parts)
        case ast.BinOp(left=a, op=ast.Add(), right=b):
            return (pattern(a) or ".*") + (pattern(b) or ".*") if pattern(a) or pattern(b) else None
        case ast.BinOp(left=ast.Constant(value=str(text)), op=ast.Mod()):
            return ".*".join(map(re.escape, re.split(r"%[-+ #0-9.]*[a-z]", text)))
        case ast.Call(func=ast.Attribute(value=ast.Constant(value=str(text)), attr="format")):
            return ".*".join(map(re.escape, re.split(r"\{[^}]*\}", text)))
        case ast.Call(func=ast.Attribute(value=ast.Constant(value=str(text)), attr="join"), args=[ast.List(elts=parts) | ast.Tuple(elts=parts)]):
            return re.escape(text).join(pattern(p) or ".*" for p in parts)
    return None


def known(made: str, names: frozenset[str]) -> set[str]:
    """The names that a text of this pattern may be, if the pattern says at least three letters of them."""
    if len(re.sub(r"\\.|[^A-Za-z0-9]", "", made.replace(".*", ""))) < 3:
        return set()
    return {n for n in names if re.fullmatch(made, n)}


def words(identifier: str) -> set[str]:
    """An identifier, and its parts between underscores put together in every way: fast_conv2d speaks of conv2d."""
    parts = [p for p in identifier.split("_") if p]
    return {"_".join(parts[a:b]) for a in range(len(parts)) for b in range(a + 1, len(parts) + 1)} | {identifier}


def identifiers(tree: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    for n in ast.walk(tree):
        match n:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name) | ast.keyword(arg=str(name)):
                yield n, name
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield n, name
            case ast.alias(name=name, asname=other):
                yield n, (other or name).split(".")[-1]


def texts(tree: ast.AST) -> Iterator[tuple[ast.expr, str]]:
    """(node, pattern) of every text that the code can make, but for docstrings."""
    left_out = docstrings(tree)
    for n in ast.walk(tree):
        if isinstance(n, ast.expr) and id(n) not in left_out:
            made = pattern(n)
            if made is not None:
                yield n, made


def meant_otherwise(f: File, word: str, where: dict[str, set[str]]) -> bool:
    return any(f.path.startswith(p) for p in where.get(word, ()))


PARTS = (
    "startswith",
    "endswith",
    "find",
    "rfind",
    "index",
    "count",
    "removeprefix",
    "removesuffix",
    "partition",
    "split",
    "match",
    "fullmatch",
    "search",
)


def part_of(made: object) -> str | None:
    """The operation that a short text is a part of: 'conv', 'max_pool', r'pool\\d'."""
    if not isinstance(made, str) or not re.fullmatch(r"[\w\\()|+*?.\[\]$^-]{4,24}", made):
        return None
    for piece in re.split(r"\||\\.", made):
        if len(plain(piece)) >= 4 and piece not in FUNCTIONS_OF_THE_LANGUAGE:
            found = next((n for p, n in PLAIN.items() if plain(piece) in p), None)
            if found:
                return found
    return None


def compared_in_part(tree: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    """(node, operation) wherever a part of an operation's name is looked for in a text, or compared with a part of one."""
    for node in ast.walk(tree):
        looked: list[ast.expr] = []
        match node:
            case ast.Call(func=ast.Attribute(attr=name), args=args) if name in PARTS:
                looked = list(args)
            case ast.Compare(left=left, comparators=others):
                looked = [left, *others]
            case ast.MatchValue(value=value):
                looked = [value]
        for part in (p for e in looked for p in ast.walk(e)):
            found = part_of(part.value if isinstance(part, ast.Constant) else None)
            if found:
                yield node, found


@cache
def spelled_in(name: str) -> frozenset[str]:
    """The operations whose names are a part of an identifier."""
    here = plain(name)
    return frozenset(n for p, n in PLAIN.items() if (p in here if len(p) > 5 else here.endswith(p) and name != name.lower()))


def operations_below(root: Path) -> list[str]:
    """No text and no identifier of language/, calculus/ and engines/ speaks of an operation or layer of the library."""
    found = []
    for f in files(root):
        if f.top not in BELOW:
            continue
        for node, made in texts(f.tree):
            spoken = set(SPOKEN.findall(node.value)) if isinstance(node, ast.Constant) else set()
            for name in sorted(known(made, NAMES) | spoken):
                if not meant_otherwise(f, name, TEXTS):
                    found.append(f.fault(node, f"speaks of {name}"))
        for node, name in identifiers(f.tree):
            spelled = spelled_in(name)
            for word in sorted((words(name) & NAMES) | spelled):
                if not meant_otherwise(f, word, IDENTIFIERS):
                    found.append(f.fault(node, f"{name} is named after {word}"))
        found += [f.fault(node, f"looks for a part of {name}") for node, name in compared_in_part(f.tree)]
    return found


def operations_asked_for(root: Path) -> list[str]:
    """Outside ops/ and nn/ nobody asks which operation it is: not by its name, not by its class, not by itself."""
    found = []
    for f in files(root):
        if f.top not in USERS:
            continue
        for node, made in texts(f.tree):
            for name in sorted(known(made, NAMES)):
                found.append(f.fault(node, f"the name {name}"))
        found += [f.fault(node, f"looks for a part of {name}") for node, name in compared_in_part(f.tree)]
        for node in ast.walk(f.tree):
            if isinstance(node, ast.ImportFrom):
                found += [f.fault(node, f"{a.name} under another name") for a in node.names if a.asname and a.name in NAMES]
            if isinstance(node, (ast.Assign, ast.AnnAssign, ast.NamedExpr)) and node.value is not None:
                kept = node.value.elts if isinstance(node.value, (ast.Tuple, ast.List, ast.Set)) else [node.value]
                found += [f.fault(node, f"{ast.unparse(e)} under another name") for e in kept if ast.unparse(e).split(".")[-1] in NAMES]
            for side in asked(node):
                for part in ast.walk(side):
                    name = part.id if isinstance(part, ast.Name) else part.attr if isinstance(part, ast.Attribute) else ""
                    if name in NAMES:
                        found.append(f.fault(node, f"asks whether it is {name}"))
    return found


def asked(node: ast.AST) -> list[ast.AST]:
    """The parts of a node that something is compared with."""
    match node:
        case ast.Compare(left=left, comparators=others):
            return [left, *others]
        case ast.Call(func=ast.Name(id="isinstance" | "issubclass"), args=[_, kinds]):
            return [kinds]
        case ast.MatchClass(cls=kind):
            return [kind]
        case ast.MatchValue(value=value):
            return [value]
        case ast.Dict(keys=keys):
            return [k for k in keys if k is not None]
        case ast.Subscript(slice=key):
            return [key]
    return []


# Imports -------------------------------------------------------------------------------------------------------------


def imported(f: File) -> Iterator[tuple[ast.AST, str]]:
    """(node, path in the package) of everything that a file imports from the package, wherever in the file."""
    here = f.path.split("/")[:-1]
    for node in ast.walk(f.tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = here[: len(here) - node.level + 1]
            stem = [*base, *(node.module.split(".") if node.module else [])]
            for a in node.names:
                yield node, "/".join([*stem, a.name])
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            for name in [node.module or ""] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names]:
                if name.split(".")[0] == "chainrule":
                    yield node, "chainrule"


def imports(root: Path) -> list[str]:
    """Imports run one way, also those inside functions; `reference` and `native` do not know each other."""
    found = []
    for f in files(root):
        may = MAY.get(f.top, set()) | {f.top, f.top.removesuffix(".py"), "__version__"}
        for node, path in imported(f):
            top = path.split("/")[0]
            if path == "chainrule":
                found.append(f.fault(node, "imports the package by its name; relatively is the way"))
            elif top not in may:
                found.append(f.fault(node, f"imports {path}"))
            if path.endswith("/*"):
                found.append(f.fault(node, "imports everything: what is used is named"))
            if (
                f.top == "engines"
                and f.path.count("/") == 1
                and f.path not in ("engines/reference.py", DOOR)
                and path.startswith(("engines/native", "engines/reference"))
            ):
                found.append(f.fault(node, f"imports {path}: the engines would know each other through it"))
            for owner, other in APART:
                if f.path.startswith(owner) and (path.startswith(other) or path == other.split("/")[0]):
                    found.append(f.fault(node, f"{owner} imports {path}"))
    return found


def dynamic(root: Path) -> list[str]:
    """Nothing is imported or executed from text: search finds what is used."""
    found = []
    for f in files(root):
        allowed = MAY_BE_DYNAMIC.get(f.path, set())
        for node in ast.walk(f.tree):
            names: list[str] = []
            match node:
                case ast.Name(id=name):
                    names = [name] if name in DYNAMIC else []
                case ast.Attribute(value=ast.Name(id=owner), attr=name) if (owner, name) in DYNAMIC_ATTRIBUTES:
                    names = [f"{owner}.{name}"]
                case ast.Import(names=parts):
                    names = [a.name for a in parts if a.name.split(".")[0] in DYNAMIC | {"builtins"}]
                case ast.ImportFrom(module=str(module), level=0, names=parts):
                    names = [module] if module.split(".")[0] in DYNAMIC | {"builtins"} else []
                    names += [f"{module}.{a.name}" for a in parts if (module, a.name) in DYNAMIC_ATTRIBUTES]
                case ast.Attribute(attr=("PyRun_SimpleString" | "ModuleType" | "FunctionType" | "__loader__" | "__spec__") as name):
                    names = [name]
                case ast.Call(func=ast.Name(id="getattr"), args=[_, ast.Constant(value=("modules" | "meta_path" | "exec" | "eval") as name), *_]):
                    names = [str(name)]
                case ast.Attribute(attr=("modules" | "meta_path") as name) if f.path not in MAY_BE_DYNAMIC:
                    names = [name]
                case ast.Attribute(attr=("__import__" | "__globals__" | "__subclasses__" | "import_module") as name):
                    names = [name]
            found += [f.fault(node, f"uses {name}") for name in names if name not in allowed]
    return found


# Sizes, and what is passed over in silence -----------------------------------------------------------------------------


def sizes(root: Path) -> list[str]:
    """Every file says what it is and stays readable; functions stay short."""
    found = []
    for f in files(root):
        count = len(f.text.splitlines())
        if not ast.get_docstring(f.tree):
            found.append(f.fault(1, "does not say what it is"))
        if count > MOST_LINES:
            found.append(f.fault(1, f"{count} lines; at most {MOST_LINES}"))
        for node in ast.walk(f.tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
                first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))])
                length = (node.end_lineno or node.lineno) - first + 1
                if length > MOST_FUNCTION_LINES:
                    found.append(f.fault(node, f"{getattr(node, 'name', 'a lambda')} has {length} lines; at most {MOST_FUNCTION_LINES}"))
        found += [f.fault(token.start[0], "several statements on a line") for token in tokens(f) if token.type == tokenize.OP and token.string == ";"]
    return found


IGNORED = re.compile(r"#\s*type:\s*ignore(?P<code>\[[\w, -]+\])?(?P<rest>.*)")
PRAGMA = re.compile(r"#\s*(mypy|pyright|pyre|ruff|flake8|pylint|isort)\s*:|#\s*pyright\b")
UNCHECKED = re.compile(r"#\s*noqa(?P<code>:\s*[A-Z]+\d+)?")


def ignored(root: Path) -> list[str]:
    """`# type: ignore[code]  # reason in words`, and `# noqa: CODE`: what is not checked is named and explained."""
    found = []
    for f in files(root):
        found += [f.fault(n, "no_type_check") for n in ast.walk(f.tree) if getattr(n, "id", getattr(n, "attr", "")) == "no_type_check"]
        for token in tokens(f):
            if token.type != tokenize.COMMENT:
                continue
            for m in IGNORED.finditer(token.string):
                reason = re.findall(r"[A-Za-z]{2,}", m["rest"].partition("#")[2].removeprefix(" noqa"))
                if not m["code"] or len(reason) < 2:
                    found.append(f.fault(token.start[0], "type: ignore without an error code and a reason in words behind it"))
            if PRAGMA.search(token.string):
                found.append(f.fault(token.start[0], "a whole file left unchecked"))
            for m in UNCHECKED.finditer(token.string):
                if not m["code"]:
                    found.append(f.fault(token.start[0], "noqa without a code"))
    return found


def broad(kind: ast.expr | None) -> bool:
    """Whether an except clause, or suppress, catches everything."""
    kinds = kind.elts if isinstance(kind, ast.Tuple) else [kind]
    return any(k is None or (isinstance(k, ast.Name) and k.id in ("Exception", "BaseException")) for k in kinds)


def swallowed(root: Path) -> list[str]:
    """No bare except, and no error of every kind that is passed over."""
    found = []
    for f in files(root):
        for node in ast.walk(f.tree):
            match node:
                case ast.ExceptHandler(type=None):
                    found.append(f.fault(node, "a bare except"))
                case ast.ExceptHandler(type=kind, body=body) if broad(kind) and not any(isinstance(n, ast.Raise) for s in body for n in ast.walk(s)):
                    found.append(f.fault(node, "every error is caught and none raised"))
                case ast.Call(func=ast.Name(id="suppress") | ast.Attribute(attr="suppress"), args=kinds) if any(map(broad, kinds)):
                    found.append(f.fault(node, "every error is suppressed"))
    return found


def identities(root: Path) -> list[str]:
    """No key is made of id(…): another object may have the same when the first is gone. (A comment says who keeps it alive.)"""
    return [
        f.fault(node, "id(…) is not a name for an object")
        for f in files(root)
        for node in ast.walk(f.tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("id", "hash") and node.args
        if not (node.func.id == "hash" and f.path == "language/index.py")  # Poly.__hash__
        if "kept alive by" not in f.text.split("\n")[node.lineno - 1]
    ]


def printed(root: Path) -> list[str]:
    """Only the command line writes to the terminal."""
    return [
        f.fault(node, "print(…) outside the command line")
        for f in files(root)
        if f.path != "cli.py"
        for node in ast.walk(f.tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("print", "input", "breakpoint")
    ]


def kinds(root: Path) -> list[str]:
    """A reduction's kind is a Kind, or None where nothing is reduced: never a text, which no type checker reads."""
    words = {*Kind, "map"}
    return [
        f.fault(node, f"the kind {text!r} is a text; accepted: Kind")
        for f in files(root)
        if f.top in BELOW
        for node in ast.walk(f.tree)
        for text in sorted(words & {c.value for c in kind_texts(node) if isinstance(c, ast.Constant)})
    ]


def kind_texts(node: ast.AST) -> Iterator[ast.AST]:
    """What is compared with a kind, or given as one."""
    match node:
        case ast.Compare(left=a, comparators=rest) if any(getattr(x, "attr", getattr(x, "id", "")) == "kind" for x in (a, *rest)):
            yield from (c for x in (a, *rest) for c in ast.walk(x))
        case ast.Call(func=ast.Name(id="Reduce"), args=[first, *_]):
            yield first
        case ast.keyword(arg="kind", value=value):
            yield value


CHECKS: dict[str, Callable[[Path], list[str]]] = {
    c.__name__: c for c in (operations_below, operations_asked_for, imports, dynamic, sizes, ignored, swallowed, identities, printed, kinds)
}
