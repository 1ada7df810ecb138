"""Text to definition. Each piece of the text is a Python expression, so `ast` reads it; this file only translates.

Everything that can be wrong with a text is reported as the text itself, a caret under the place, and what
would be accepted.
"""

from __future__ import annotations

import ast
import math
import re
import sys
from dataclasses import replace
from typing import NoReturn

from ..errors import DefinitionError
from .functions import ALL, COMPARISONS, FUNCTIONS, REDUCTIONS
from .index import Poly
from .raw import UNKNOWN, Raw, RawLine
from .source import DEEPEST, Piece, complain, depth_of, make_room, nearest, split_top, statements
from .tree import Call, Const, Expr, Index, Read, Reduce, Tensor, folded, fresh_name, mul, number_of, product


def parse(text: str) -> Raw:
    """Read a definition; ranges are found afterwards by ranges.resolve."""
    if not isinstance(text, str):
        raise DefinitionError(f"{text!r}: a definition is text\naccepted: 'name(inputs; settings) -> outputs' and lines below it")
    pieces = statements(text)
    if not pieces:
        raise DefinitionError(f"{text!r}: the definition is empty\naccepted: 'name(inputs; settings) -> outputs' and lines below it")
    return _Parser(text, pieces).run()


class _Parser:
    def __init__(self, source: str, pieces: list[Piece]):
        self.source, self.pieces = source, pieces
        self.settings: dict[str, int | float] = {}
        self.tensors: set[str] = set()
        self.whole: dict[str, tuple[Poly, ...]] = {}
        self.lookups: list[tuple[str, str, int]] = []
        self.words = set(re.findall(r"[A-Za-z_]\w*", source))
        self.piece = pieces[0]
        self.shift = 0

    def fail(self, node: ast.AST | None, problem: str, accepted: str) -> NoReturn:
        line, column = self.piece.line, self.piece.column
        if node is not None:
            row = getattr(node, "lineno", 1) - 1
            raw = self.text.encode().split(b"\n")[row][: getattr(node, "col_offset", 0)]
            at = len(raw.decode(errors="ignore")) - (1 if row == 0 else 0)  # the bracket that was put in front
            column, line = (column + self.shift + at if row == 0 else at), line + row
        complain(self.source, line, column, problem, accepted)

    def expression(self, piece: Piece, text: str, shift: int) -> ast.expr:
        stripped = text.strip()
        self.piece, self.shift = piece, shift + len(text) - len(text.lstrip())
        self.text = f"({stripped})"
        if not stripped:
            self.fail(None, "something is missing here", "an expression")
        head = piece.text[: self.shift].split("\n")
        if len(head) > 1:
            self.piece = Piece(piece.text, piece.line + len(head) - 1, 0)
            self.shift = len(head[-1])
        try:
            tree = ast.parse(self.text, mode="eval").body
            depth = depth_of(tree)
            if depth > DEEPEST:
                self.fail(tree, f"a formula of {depth} operations in one another", f"up to {DEEPEST}; parts of it on lines of their own")
            make_room(depth)
            return tree
        except (RecursionError, MemoryError):
            self.fail(None, "a formula of very many operations in one another", f"up to {DEEPEST}; parts of it on lines of their own")
        except SyntaxError as e:
            place = ast.Constant(0)
            place.lineno, place.col_offset = e.lineno or 1, max((e.offset or 1) - 1, 0)
            self.fail(place, f"not an expression: {e.msg}", "Python's arithmetic: + - * / **, comparisons, calls, t[i,j]")

    def run(self) -> Raw:
        name, inputs, outputs = self.header(self.pieces[0])
        known = set().union(*(p.names for t in inputs for p in t.axes)) if inputs else set()
        sample = "N" if "N" not in known | set(self.settings) else "N_n"
        lines = tuple(self.line(p) for p in self.pieces[1:])
        if not lines:
            complain(self.source, self.pieces[0].line, 0, "no formula below the header", "one or more lines 'tensor[indices] = expression'")
        swap = {"n": Poly.name(sample)}

        def fixed(tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            return tuple(
                replace(t, axes=tuple(p.subs(swap) for p in t.axes), whole=t.whole and tuple(p.subs(swap) for p in t.whole)) for t in tensors
            )

        return Raw(name, fixed(inputs), tuple(self.settings.items()), fixed(outputs), lines, self.source, sample, tuple(self.lookups))

    def header(self, piece: Piece) -> tuple[str, tuple[Tensor, ...], tuple[Tensor, ...]]:
        form = "'name(inputs; settings) -> outputs'"
        head, arrow, tail = piece.text.partition("->")
        match = re.match(r"\s*([A-Za-z_]\w*)\s*\(", head)
        if not arrow or not match or not head.rstrip().endswith(")"):
            complain(self.source, piece.line, piece.column, "the first line is not a header", form)
        inside = head[match.end() : head.rstrip().rfind(")")]
        parts = split_top(inside, ";")
        if len(parts) > 2:
            complain(self.source, piece.line, piece.column + match.end() + parts[2][1] - 1, "a second ';' in the header", form)
        if len(parts) == 2:
            self.read_settings(piece, parts[1][0], match.end() + parts[1][1])
        plain = self.read_whole(piece, parts[0][0], match.end())
        inputs = self.tensor_list(piece, plain, match.end(), "input") if plain.strip() else ()
        inputs = tuple(replace(t, whole=self.whole.get(t.name)) for t in inputs)
        outputs = self.tensor_list(piece, tail, len(head) + 2, "output")
        return match[1], inputs, outputs

    def read_settings(self, piece: Piece, text: str, shift: int) -> None:
        for part, at in split_top(text, ","):
            name, eq, value = part.partition("=")
            where = shift + at + len(part) - len(part.lstrip())
            try:
                number = ast.literal_eval(value.strip()) if eq else None
            except (ValueError, SyntaxError):
                number = None
            plain = (
                isinstance(number, (int, float)) and not isinstance(number, bool) and abs(number) < (1 << 62 if isinstance(number, int) else math.inf)
            )
            if not plain or number is None or not name.strip().isidentifier():
                complain(self.source, piece.line, piece.column + where, f"{part.strip()!r} is not a setting", "name=number, as in 's=1'")
            if name.strip() in self.settings or name.strip() == "n":
                complain(self.source, piece.line, piece.column + where, f"{name.strip()!r} is taken", "a new name for each setting")
            self.settings[name.strip()] = number

    def read_whole(self, piece: Piece, text: str, shift: int) -> str:
        """Take note of ': int' and ': int < size' behind inputs; the text with spaces in their place."""
        for part, at in split_top(text, ","):
            name, *said = split_top(part, ":")
            if not said:
                continue
            (kind, start), word = said[0], re.match(r"\w*", name[0].strip())
            form = re.fullmatch(r"\s*int\s*(<(.+))?", kind, re.DOTALL)
            if form is None or len(said) > 1 or word is None or not word[0]:
                where = piece.column + shift + at + start - 1
                complain(self.source, piece.line, where, f"':{kind}' says nothing about an input", "': int' (whole numbers), or ': int < K'")
            limits: tuple[Poly, ...] = ()
            if form[2] is not None:
                node = self.expression(piece, form[2], shift + at + start + form.start(2))
                several = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "minimum"
                limits = tuple(self.axis(x, "limit") for x in (node.args if several else [node]))  # type: ignore[attr-defined]  # several: a Call
            self.whole[word[0]] = limits
            text = text[: at + start - 1] + " " * (len(kind) + 1) + text[at + start + len(kind) :]
        return text

    def tensor_list(self, piece: Piece, text: str, shift: int, role: str) -> tuple[Tensor, ...]:
        tree = self.expression(piece, text + ("," if "," not in text.rstrip()[-1:] else ""), shift)
        found: dict[str, Tensor] = {}
        for node in tree.elts if isinstance(tree, ast.Tuple) else [tree]:
            base = node.value if isinstance(node, ast.Subscript) else node
            if not isinstance(base, ast.Name):
                self.fail(node, f"not an {role}", "a tensor with its axes, as in 'x[n,C,H,W]', or a bare name for a scalar")
            if base.id in found or base.id in self.settings or (role == "output" and base.id in self.tensors):
                self.fail(base, f"{base.id!r} is named twice in the header", "a new name for each tensor and setting")
            if base.id in ALL or base.id in REDUCTIONS:
                self.fail(base, f"{base.id!r} is a function of the language", "another name for the tensor")
            axes = node.slice if isinstance(node, ast.Subscript) else None
            items = () if axes is None else tuple(axes.elts) if isinstance(axes, ast.Tuple) else (axes,)
            found[base.id] = Tensor(base.id, tuple(self.axis(item, role) for item in items))
        self.tensors |= set(found)
        return tuple(found.values())

    def axis(self, node: ast.expr, role: str) -> Poly:
        size = self.integer(node)
        bad = [a for a in size.names if not (a == "n" or a[0].isupper() or a in self.settings)]
        if bad or (size.constant is not None and size.constant <= 0):
            self.fail(
                node,
                f"{ast.unparse(node)!r} is not the size of an axis",
                "'n', a capital letter, a whole number or an expression of sizes and settings",
            )
        return size

    def line(self, piece: Piece) -> RawLine:
        sides = split_top(piece.text, "=")
        if len(sides) != 2:
            complain(
                self.source,
                piece.line,
                piece.column + (sides[1][1] - 1 if len(sides) > 2 else 0),
                "not a formula",
                "one '=' in 'tensor[indices] = expression'",
            )
        target = self.expression(piece, sides[0][0], 0)
        base = target.value if isinstance(target, ast.Subscript) else target
        if not isinstance(base, ast.Name):
            self.fail(target, "the left side is not a tensor", "'tensor[indices] = …' with index letters")
        axes = target.slice if isinstance(target, ast.Subscript) else None
        items = () if axes is None else tuple(axes.elts) if isinstance(axes, ast.Tuple) else (axes,)
        letters, explicit = self.bindings(items, "of the left side")
        if base.id in self.settings or base.id in ALL or base.id in REDUCTIONS:
            self.fail(base, f"{base.id!r} cannot be defined: it is a setting or a function", "the name of a tensor")
        right = self.expression(piece, sides[1][0], sides[1][1])
        expr = self.value(right)
        self.tensors.add(base.id)
        return RawLine(base.id, letters, explicit, expr, piece)

    def bindings(self, items: tuple[ast.expr, ...], where: str) -> tuple[tuple[str, ...], dict[str, Poly]]:
        letters: list[str] = []
        explicit: dict[str, Poly] = {}
        for item in items:
            name = item.lower if isinstance(item, ast.Slice) and item.step is None else item
            if not isinstance(name, ast.Name) or name.id[0].isupper() or name.id in self.settings:
                taken = isinstance(name, ast.Name) and name.id in self.settings
                problem = "is a setting and cannot be an index letter too" if taken else f"is not an index letter {where}"
                self.fail(item if name is None else name, f"{ast.unparse(item)!r} {problem}", "a small letter, or 'letter:size'")
            if name.id in letters:
                self.fail(name, f"index letter {name.id!r} twice", "each letter once")
            letters.append(name.id)
            if isinstance(item, ast.Slice):
                if item.upper is None:
                    self.fail(item, "a range without a size", "'letter:size'")
                explicit[name.id] = self.integer(item.upper)
        return tuple(letters), explicit

    def integer(self, node: ast.expr) -> Poly:
        """An index expression."""
        if isinstance(node, ast.Name):
            if node.id in self.tensors:
                self.no_index(node, node.id)
            value = self.settings.get(node.id)
            if isinstance(value, float):
                self.fail(node, f"setting {node.id!r} is not a whole number", "a whole number in an index")
            return Poly.name(node.id)
        if isinstance(node, ast.Constant) and type(node.value) is int:
            if node.value >= 1 << 62:
                self.fail(node, f"{node.value} is too large for an index", "whole numbers below 2**62")
            return Poly.of(node.value)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
            inner = self.integer(node.operand)
            return -inner if isinstance(node.op, ast.USub) else inner
        if isinstance(node, ast.BinOp):
            a, b = self.integer(node.left), self.integer(node.right)
            try:
                match node.op:
                    case ast.Add():
                        return a + b
                    case ast.Sub():
                        return a - b
                    case ast.Mult():
                        return a * b
                    case ast.FloorDiv():
                        return a // b
                    case ast.Mod():
                        return a % b
            except ZeroDivisionError:
                self.fail(node, "division by zero", "a divisor that is not zero")
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id in self.tensors:
            self.no_index(node, node.value.id)
        self.fail(node, f"{ast.unparse(node)!r} is not an index expression", "letters, sizes, settings and whole numbers with + - * // %")

    def no_index(self, node: ast.expr, tensor: str) -> NoReturn:
        if tensor in self.whole:
            self.fail(node, f"{tensor!r} stands in index arithmetic", f"{tensor!r} alone on an axis of what it looks up")
        self.fail(
            node,
            f"{tensor!r} is a tensor, not an index",
            f"letters, sizes, settings and whole numbers; an input declared '{tensor}[…]: int' in the header",
        )

    def value(self, node: ast.expr) -> Expr:
        match node:
            case ast.Constant(value=bool()):
                self.fail(node, "True and False are not numbers here", "1 and 0")
            case ast.Constant(value=(int() | float()) as number):
                if number > sys.float_info.max:
                    self.fail(node, "this number is too large", "numbers below 1.8e308")
                return Const(number)
            case ast.Name():
                return self.name(node)
            case ast.UnaryOp(op=ast.USub()):
                inner = self.value(node.operand)
                return self.fold(Call("neg", (inner,)))
            case ast.UnaryOp(op=ast.UAdd()):
                return self.value(node.operand)
            case ast.BinOp():
                return self.binary(node)
            case ast.Compare():
                return self.comparison(node)
            case ast.BoolOp(op=ast.And()):
                return self.conjunction(node)
            case ast.Call():
                return self.call(node)
            case ast.Subscript():
                return self.read(node)
        self.fail(node, f"{ast.unparse(node)!r} has no meaning here", "numbers, tensors, + - * / **, comparisons, functions, reductions")

    def conjunction(self, node: ast.BoolOp) -> Expr:
        """`and` between comparisons: their product."""
        for k, v in enumerate(node.values):
            if not _is_test(v):
                pair = node.values[k - 1 : k + 1] if k else node.values[:2]
                tests = [x if _is_test(x) else ast.Compare(x, [ast.NotEq()], [ast.Constant(0)]) for x in pair]
                meant, product = (ast.unparse(ast.BinOp(a, ast.Mult(), b)) for a, b in (tests, pair))
                self.fail(
                    v, f"{ast.unparse(v)!r} is a value, not a comparison: 'and' stands between those", f"{meant}; the product of values is {product}"
                )
        out: Expr = Const(1)
        for v in node.values:
            out = mul(out, self.value(v))
        return out

    def name(self, node: ast.Name) -> Expr:
        if node.id in self.tensors:
            return Read(node.id, ())
        if node.id in ALL or node.id in REDUCTIONS:
            self.fail(node, f"{node.id!r} is a function", f"'{node.id}(…)'" if node.id in ALL else f"'{node.id}[letters](…)'")
        return Index(Poly.name(node.id))

    def binary(self, node: ast.BinOp) -> Expr:
        if isinstance(node.op, (ast.FloorDiv, ast.Mod)):
            return number_of(self.integer(node))
        signs = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "**"}
        sign = signs.get(type(node.op))
        if sign is None:
            self.fail(node, "this operator is not in the language", "+ - * / **, and // % on indices")
        return self.fold(Call(sign, (self.value(node.left), self.value(node.right))))

    def comparison(self, node: ast.Compare) -> Expr:
        signs = {ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}
        values = [self.value(v) for v in (node.left, *node.comparators)]
        out: Expr = Const(1)
        for k, op in enumerate(node.ops):
            if type(op) not in signs:
                self.fail(node, "this comparison is not in the language", "== != < <= > >=")
            out = mul(out, Call(signs[type(op)], (values[k], values[k + 1])))
        return out

    def call(self, node: ast.Call) -> Expr:
        head = node.func.value if isinstance(node.func, ast.Subscript) else node.func
        known = [*FUNCTIONS, *REDUCTIONS]
        if not isinstance(head, ast.Name) or head.id not in known:
            word = head.id if isinstance(head, ast.Name) else ast.unparse(head)
            self.fail(node.func, f"there is no function {word!r}", nearest(word, known) + ", ".join(known))
        if node.keywords:
            self.fail(node, "named arguments have no meaning here", "values only")
        if head.id in REDUCTIONS:
            if isinstance(node.func, ast.Subscript):
                s = node.func.slice
                letters, explicit = self.bindings(tuple(s.elts) if isinstance(s, ast.Tuple) else (s,), f"of {head.id}")
            elif head.id == "sum":
                letters, explicit = (), {}
            else:
                self.fail(node.func, f"{head.id!r} does not say over what", f"'{head.id}[letters](…)'")
            if len(node.args) != 1:
                self.fail(node, f"{head.id!r} takes one value, here are {len(node.args)}", f"'{head.id}[letters](value)'")
            return Reduce(head.id, letters, tuple(explicit.get(x, UNKNOWN) for x in letters), self.value(node.args[0]))
        want = FUNCTIONS[head.id].arity
        if isinstance(node.func, ast.Subscript):
            self.fail(node.func, f"{head.id!r} is not a reduction", f"'{head.id}(…)', or one of {', '.join(REDUCTIONS)}")
        if len(node.args) != want:
            self.fail(node, f"{head.id!r} takes {want} value{'s' * (want > 1)}, here are {len(node.args)}", f"{want} value{'s' * (want > 1)}")
        return Call(head.id, tuple(self.value(a) for a in node.args))

    def read(self, node: ast.Subscript) -> Expr:
        if not isinstance(node.value, ast.Name) or node.value.id not in self.tensors:
            word = ast.unparse(node.value)
            self.fail(node, f"there is no tensor {word!r} (yet)", nearest(word, sorted(self.tensors)) + "one of " + ", ".join(sorted(self.tensors)))
        items = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        index: list[Poly] = []
        found: list[tuple[str, Expr]] = []
        for item in items:
            base = item.value if isinstance(item, ast.Subscript) else item
            if isinstance(base, ast.Name) and base.id in self.whole:
                letter = fresh_name("v", self.words)
                self.words.add(letter)
                self.lookups.append((base.id, node.value.id, len(index)))
                found.append((letter, self.value(item)))
                index.append(Poly.name(letter))
            else:
                index.append(self.integer(item))
        read = Read(node.value.id, tuple(index))
        return _looked_up(read, found) if found else read

    def fold(self, e: Call) -> Expr:
        return folded(e, [name for name, v in self.settings.items() if isinstance(v, float)])


def _looked_up(read: Read, found: list[tuple[str, Expr]]) -> Expr:
    """A table read at whole numbers of the data, z[n, t[n]]: sum[v](where(v == t[n], z[n,v], 0))."""
    here = product([Call("==", (Index(Poly.name(letter)), at)) for letter, at in found])
    return Reduce("sum", tuple(letter for letter, _ in found), (UNKNOWN,) * len(found), Call("where", (here, read, Const(0))))


def _is_test(node: ast.expr) -> bool:
    """Whether an expression is 1 or 0 by its form."""
    if isinstance(node, ast.BoolOp):
        return all(_is_test(v) for v in node.values)
    return isinstance(node, ast.Compare) or (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in COMPARISONS)
