"""Text to definition. Each piece of the text is a Python expression, so `ast` reads it; this file only translates.

Everything that can be wrong with a text is reported as the text itself, a caret under the place, and what
would be accepted.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import reduce
from typing import TypeVar

from ..errors import DefinitionError
from . import habits
from .families import USUAL, Form, Outline, items_of
from .functions import ALL, CONSTANTS, COUNTING, DERIVATIVE, FOLDS, FUNCTIONS, PAIRS, REDUCING, ROUNDING, Kind
from .header import Part
from .index import Atom, Poly
from .names import Names
from .raw import UNKNOWN, Raw, RawLine
from .reader import is_test
from .source import Piece, complain, legible
from .tree import (
    Call,
    Const,
    Expr,
    Index,
    Read,
    Reduce,
    Tensor,
    fresh_name,
    index_names,
    mul,
    number_of,
    product,
    walk,
    whole,
)
from .written import Written, written

T = TypeVar("T")
TILES = (ast.BinOp, ast.Call, ast.Constant)  # what an index of a left side may be besides a letter


def parse(text: str, form: Form = USUAL) -> Raw:
    """Read a definition in one of its forms; ranges are found afterwards by ranges.resolve."""
    return _read(text, lambda parser: parser.run(form))


def outline(text: str) -> Outline:
    """What a text leaves open: families of axes, and inputs that may be left out."""
    return _read(text, lambda parser: parser.outline())


def _read(text: str, what: Callable[[_Parser], T]) -> T:
    if not isinstance(text, str):
        raise DefinitionError(f"{text!r}: a definition is text\naccepted: 'name(inputs; settings) -> outputs' and lines below it")
    return what(_Parser(written(legible(text))))


class _Parser:
    def __init__(self, written: Written):
        self.source, self.pieces, self.head, self.sides = written.source, written.pieces, written.head, written.sides
        self.left_out: dict[str, tuple[Tensor, int | float]] = {}
        self.lookups: list[tuple[str, str, int]] = []
        self.bound: set[str] = set()
        self.reader = written.reader()
        self.fail, self.correct, self.expression = self.reader.fail, self.reader.correct, self.reader.expression
        self.names = Names(self.reader, set(re.findall(r"[^\W\d]\w*", self.source)))
        self.settings, self.tensors, self.whole, self.words = self.names.settings, self.names.tensors, self.names.whole, self.names.words
        self.integer, self.spread, self.fold = self.names.integer, self.names.spread, self.names.fold
        self.families = self.names.families = written.families()

    def outline(self) -> Outline:
        """What a call must know before a form can be chosen."""
        found: dict[str, tuple[int, tuple[str, ...]]] = {}
        optional: dict[str, int | float] = {}
        for x in self.head.inputs:
            node = self.expression(self.pieces[0], x.tensor)
            items, name = items_of(node), self.base(node, "input").id
            stars = tuple(self.families.find(names[0]) for s in self.families.starred(items) if (names := self.families.under(s)))
            found[name] = len(items) - len(stars), stars
            if x.default is not None:
                optional[name] = x.default
        return Outline(found, optional, self.families, frozenset(self.words))

    def run(self, form: Form) -> Raw:
        self.families.settle(form, self.words)
        inputs, outputs = self.header(form)
        left = tuple(t for t, _ in self.left_out.values())
        known = {name for t in (*inputs, *left) for p in t.axes for name in p.names}
        sample = "N" if "N" not in known | set(self.settings) else "N_n"
        lines = tuple(self.line(p, *sides) for p, sides in zip(self.pieces[1:], self.sides, strict=True))
        if not lines:
            complain(self.source, self.pieces[0].line, 0, "no formula below the header", "one or more lines 'tensor[indices] = expression'")
        swap = {"n": Poly.name(sample)}

        def fixed(tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            return tuple(
                replace(t, axes=tuple(p.subs(swap) for p in t.axes), whole=t.whole and tuple(p.subs(swap) for p in t.whole)) for t in tensors
            )

        reads = tuple(zip(fixed(left), (value for _, value in self.left_out.values()), strict=True))
        settings, looked_up, members = tuple(self.settings.items()), tuple(self.lookups), self.families.members
        starred, empty = bool(members), not all(members.values())
        return Raw(self.head.name, fixed(inputs), settings, fixed(outputs), lines, self.source, sample, looked_up, reads, starred, empty)

    def header(self, form: Form) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        for s in self.head.settings:
            for name in dict.fromkeys(self.families.members[s.name]) if s.family else (s.name,):
                self.settings[name] = s.value
        inputs: dict[str, Tensor] = {}
        for x in self.head.inputs:
            node = self.expression(self.pieces[0], x.tensor)
            name = self.base(node, "input").id
            if x.whole is not None and isinstance(x.default, float):
                self.fail(node, f"{name!r} holds whole numbers, and {x.default!r} is none", f"a whole number, as in '{name}: int=0'")
            t = self.tensor(node, inputs, "input")
            if name in form.without and x.default is not None:
                self.left_out[name] = t, x.default
                self.tensors.add(name)
                if x.whole is not None:
                    self.whole[name] = ()
                continue
            if x.whole is not None:
                t = replace(t, whole=self.limits(x.whole))
                self.whole[t.name] = t.whole or ()
            inputs[t.name] = t
        self.tensors |= set(inputs)
        outputs: dict[str, Tensor] = {}
        tree = self.expression(self.pieces[0], self.head.outputs)
        for node in tree.elts if isinstance(tree, ast.Tuple) else [tree]:
            t = self.tensor(node, outputs, "output")
            outputs[t.name] = t
        self.tensors |= set(outputs)
        return tuple(inputs.values()), tuple(outputs.values())

    def limits(self, part: Part) -> tuple[Poly, ...]:
        """What stands behind ': int <'."""
        if not part.text:
            return ()
        node = self.expression(self.pieces[0], part)
        several = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "minimum"
        return tuple(self.axis(x, "limit") for x in (node.args if several else [node]))  # type: ignore[attr-defined]  # several: a Call

    def base(self, node: ast.expr, role: str) -> ast.Name:
        base = node.value if isinstance(node, ast.Subscript) else node
        if not isinstance(base, ast.Name):
            self.fail(node, f"not an {role}", "a tensor with its axes, as in 'x[n,C,H,W]', or a bare name for a scalar")
        return base

    def tensor(self, node: ast.expr, found: Mapping[str, Tensor], role: str) -> Tensor:
        base = self.base(node, role)
        if base.id in found or base.id in self.settings or (role == "output" and base.id in self.tensors):
            self.fail(base, f"{base.id!r} is named twice in the header", "a new name for each tensor and setting")
        if base.id in ALL or base.id in REDUCING:
            self.fail(base, f"{base.id!r} is a function of the language", "another name for the tensor")
        return Tensor(base.id, tuple(self.axis(item, role) for item in self.spread(items_of(node))))

    def axis(self, node: ast.expr, role: str) -> Poly:
        size = self.integer(node)
        bad = [a for a in size.names if not (a == "n" or a[0].isupper() or a in self.settings)]
        small = [a for a in bad if len(a) == 1 and a.islower() and a.upper() not in self.words]
        if bad and small == bad:
            meant = " ".join(self.reader.piece.text.split())
            for a in bad:
                meant = re.sub(rf"\b{a}\b", a.upper(), meant)
            self.correct(node, f"{ast.unparse(node)!r} is not the size of an axis: sizes are capital letters", meant)
        if bad or (size.constant is not None and size.constant <= 0):
            self.fail(
                node,
                f"{ast.unparse(node)!r} is not the size of an axis",
                "'n', a capital letter, a whole number or an expression of sizes and settings",
            )
        return size

    def line(self, piece: Piece, left: Part, right: Part) -> RawLine:
        target = self.expression(piece, left)
        base = target.value if isinstance(target, ast.Subscript) else target
        if isinstance(target, ast.Call) and isinstance(target.func, ast.Name):
            meant = f"{target.func.id}[{','.join(map(self.reader.segment, target.args))}]" if target.args else target.func.id
            self.correct(target, "indices stand in square brackets", self.reader.corrected(target, meant))
        if not isinstance(base, ast.Name):
            self.fail(target, "the left side is not a tensor", "'tensor[indices] = …' with index letters")
        index, letters, explicit = self.left(items_of(target))
        if base.id in self.settings or base.id in ALL or base.id in REDUCING:
            self.fail(base, f"{base.id!r} cannot be defined: it is a setting or a function", "the name of a tensor")
        self.bound = set(letters)
        expr = self.value(self.expression(piece, right))
        self.tensors.add(base.id)
        return RawLine(base.id, letters, explicit, expr, piece, index)

    def left(self, items: tuple[ast.expr, ...]) -> tuple[tuple[Poly, ...] | None, tuple[str, ...], dict[str, Poly]]:
        """(indices, or None where they are letters; their letters; ranges that are stated) of a left side."""
        letters: list[str] = []
        index: list[Poly] = []
        stated: dict[str, Poly] = {}
        for item in items:
            inner = item.value if isinstance(item, ast.Starred) else item
            size = inner.upper if isinstance(inner, ast.Slice) and isinstance(inner.lower, TILES) and inner.step is None else None
            if size is None and not isinstance(inner, TILES):
                names, ranges = self.bindings((item,), "of the left side")
                index += map(Poly.name, names)
                stated |= ranges
            else:
                parts = [self.integer(part if size is None else part.lower) for part in self.spread((item,))]  # type: ignore[attr-defined]  # a slice, by its size
                if size is not None:
                    stated[str(parts[0])] = self.integer(size)
                names = tuple(str(a) for p in parts for m in p.terms for a in m if self.is_letter(a))
                index += parts
            for x in names:
                if x in letters or not x.isidentifier():
                    problem = f"index letter {x!r} twice" if x in letters else f"{ast.unparse(item)!r} is not an index letter of the left side"
                    self.fail(item, problem, "each letter once, alone or as in 'g*P+q' with q below P")
                letters.append(x)
        return (None if all(p.letter for p in index) else tuple(index)), tuple(letters), stated

    def is_letter(self, a: Atom) -> bool:
        """Whether an atom is a letter, or has one inside."""
        return any(not x[0].isupper() and x not in self.settings for x in ([a] if isinstance(a, str) else a.num.names | a.den.names))

    def bindings(self, items: tuple[ast.expr, ...], where: str) -> tuple[tuple[str, ...], dict[str, Poly]]:
        letters: list[str] = []
        explicit: dict[str, Poly] = {}
        for item in items:
            inner = item.value if isinstance(item, ast.Starred) else item
            habits.below(self.reader, inner)
            name = inner.lower if isinstance(inner, ast.Slice) and inner.step is None else inner
            if not isinstance(name, ast.Name) or name.id[0].isupper() or name.id in self.settings:
                if isinstance(name, ast.Name) and name.id in self.settings:
                    habits.letter_and_setting(self.reader, self.words, item, name.id)
                problem = f"is not an index letter {where}"
                self.fail(item if name is None else name, f"{ast.unparse(item)!r} {problem}", "a small letter, or 'letter:size'")
            family = name.id in self.families.members
            if family and item is inner and not isinstance(inner, ast.Slice):
                self.fail(name, f"{name.id!r} stands for several axes", f"'*{name.id}'")
            for k, letter in enumerate(self.families.members[name.id] if family else (name.id,)):
                if letter in letters:
                    self.fail(name, f"index letter {letter!r} twice", "each letter once")
                letters.append(letter)
                if isinstance(inner, ast.Slice):
                    if inner.upper is None:
                        self.fail(item, "a range without a size", "'letter:size'")
                    self.names.member = k if family else None
                    explicit[letter] = self.integer(inner.upper)
                    self.names.member = None
        return tuple(letters), explicit

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
            case ast.BoolOp():
                return self.together(node)
            case ast.UnaryOp(op=ast.Not()):
                return Call("==", (self.value(node.operand), Const(0)))
            case ast.Call():
                return self.call(node)
            case ast.Subscript():
                return self.read(node)
            case ast.IfExp():
                habits.if_else(self.reader, node)
        self.fail(node, f"{ast.unparse(node)!r} has no meaning here", "numbers, tensors, + - * / **, comparisons, functions, reductions")

    def together(self, node: ast.BoolOp) -> Expr:
        """`and` between comparisons: their product; `or`: the larger."""
        both = isinstance(node.op, ast.And)
        word, sign = ("and", ast.Mult()) if both else ("or", ast.Add())
        for k, v in enumerate(node.values):
            if not is_test(v):
                pair = node.values[k - 1 : k + 1] if k else node.values[:2]
                tests = [x if is_test(x) else ast.Compare(x, [ast.NotEq()], [ast.Constant(0)]) for x in pair]
                meant, plain = ast.unparse(ast.BoolOp(node.op, tests)), ast.unparse(ast.BinOp(pair[0], sign, pair[1]))
                self.fail(
                    v,
                    f"{ast.unparse(v)!r} is a value, not a comparison: {word!r} stands between those",
                    f"{meant}; the {'product' if both else 'sum'} of values is {plain}",
                )
        values = [self.value(v) for v in node.values]
        return reduce(mul, values) if both else reduce(lambda a, b: Call("maximum", (a, b)), values)

    def name(self, node: ast.Name) -> Expr:
        if node.id in self.tensors:
            return Read(node.id, ())
        if node.id in ALL or node.id in REDUCING:
            self.fail(node, f"{node.id!r} is a function", f"'{node.id}(…)'" if node.id in ALL else f"'{node.id}[letters](…)'")
        if node.id in CONSTANTS and node.id not in self.settings and node.id not in self.bound:
            return Const(CONSTANTS[node.id])
        return Index(Poly.name(self.names.one(node)))

    def binary(self, node: ast.BinOp) -> Expr:
        if isinstance(node.op, (ast.FloorDiv, ast.Mod)):
            return number_of(self.integer(node))
        signs = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "**"}
        sign = signs.get(type(node.op))
        if isinstance(node.op, ast.MatMult):  # ranges.py, which knows the letters, shows the sum
            return Call("@", (self.value(node.left), self.value(node.right)))
        if (
            sign == "**"
            and isinstance(node.left, ast.Name)
            and node.left.id == "e"
            and not {"e"} & (self.tensors | self.settings.keys() | self.bound)
        ):
            self.correct(node, "'e' is no name here", self.reader.corrected(node, f"exp({self.reader.segment(node.right)})"))
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
        known = [*FUNCTIONS, *map(str, REDUCING), "pow"]
        if head is node.func and isinstance(head, ast.Name) and head.id == DERIVATIVE:
            return self.derivative(node)
        if not isinstance(head, ast.Name) or head.id not in (*known, *FOLDS):
            values = {*self.settings, *self.bound, *CONSTANTS}
            habits.no_function(self.reader, node, ast.unparse(head), self.tensors, values, known)
        if node.keywords:
            self.fail(node, "named arguments have no meaning here", "values only")
        if (
            isinstance(node.func, ast.Name)
            and node.func.id in FOLDS
            and (node.func.id == "after" or any(isinstance(a, ast.Starred) for a in node.args))
        ):
            return self.names.folded(node, self.value, Const)
        if head.id in PAIRS and isinstance(node.func, ast.Name) and len(node.args) > 1:
            return reduce(lambda a, b: Call(PAIRS[head.id], (a, b)), [self.value(a) for a in node.args])
        if head.id == "pow" and isinstance(node.func, ast.Name) and len(node.args) == 2:
            return self.fold(Call("**", (self.value(node.args[0]), self.value(node.args[1]))))
        if head.id in REDUCING:
            if isinstance(node.func, ast.Subscript):
                letters, explicit = self.bindings(items_of(node.func), f"of {head.id}")
            else:  # 'sum' alone is a single term; ranges.py, which knows the letters, shows what the others lack
                letters, explicit = (), {}
            if len(node.args) != 1:
                self.fail(node, f"{head.id!r} takes one value, here are {len(node.args)}", f"'{head.id}[letters](value)'")
            self.bound |= set(letters)
            body, ranges = self.value(node.args[0]), tuple(explicit.get(x, UNKNOWN) for x in letters)
            if head.id == "argmin":
                return Reduce(Kind.ARGMAX, letters, ranges, self.fold(Call("neg", (body,))))
            bare = isinstance(node.func, ast.Name) or head.id in (Kind.SUM, Kind.ARGMAX)
            return Reduce(Kind(head.id), letters, ranges, body) if letters or bare else body
        if head.id in COUNTING and isinstance(node.func, ast.Name):
            return self.counting(node, head.id)
        want = FUNCTIONS[head.id].arity if head.id in FUNCTIONS else 2
        if isinstance(node.func, ast.Subscript):
            self.fail(node.func, f"{head.id!r} is not a reduction", f"'{head.id}(…)', or one of {', '.join(REDUCING)}")
        if len(node.args) != want:
            self.fail(node, f"{head.id!r} takes {want} value{'s' * (want > 1)}, here are {len(node.args)}", f"{want} value{'s' * (want > 1)}")
        return Call(head.id, tuple(self.value(a) for a in node.args))

    def derivative(self, node: ast.Call) -> Expr:
        """diff(e, x[r]): how e changes with one element of a tensor."""
        args = [self.value(a) for a in node.args]
        if len(args) != 2 or not isinstance(args[1], Read):
            wanted = f"'{DERIVATIVE}(value, x[r])': the derivative of a value by one element of a tensor"
            self.fail(node, f"{DERIVATIVE!r} takes a value and an element of a tensor", wanted)
        return Call(DERIVATIVE, tuple(args))

    def counting(self, node: ast.Call, word: str) -> Expr:
        """A function of whole numbers."""
        args: list[Expr] = []
        for a in self.spread(node.args):
            e = self.value(a)
            broken = {x for x, v in self.settings.items() if isinstance(v, float)} & index_names(e)
            large = any(isinstance(x, Const) and abs(x.value) >= 1 << 62 for x in walk(e))
            if not ((whole(e, self.whole.__contains__) and not broken) or (isinstance(e, Call) and e.fn in ROUNDING)) or large:
                known = "letters, sizes, whole settings, numbers below 2**62, inputs declared ': int', and what is rounded: round(x)"
                self.fail(a, f"{word!r} counts with whole numbers", known)
            args.append(e)
        if not args:
            self.fail(node, f"{word!r} of nothing is always one number", f"'{word}(seed, n, i)': a number for each value of its arguments")
        return Call(word, tuple(args))

    def read(self, node: ast.Subscript) -> Expr:
        if not isinstance(node.value, ast.Name) or node.value.id not in self.tensors:
            habits.no_tensor(self.reader, node, self.tensors)
        items = items_of(node)
        index: list[Poly] = []
        found: list[tuple[str, Expr]] = []
        for item in self.spread(items):
            base = item.value if isinstance(item, ast.Subscript) else item
            if isinstance(base, ast.Name) and base.id in self.whole:
                letter = fresh_name("v", self.words)
                self.words.add(letter)
                if node.value.id not in self.left_out:
                    self.lookups.append((base.id, node.value.id, len(index)))
                found.append((letter, self.value(item)))
                index.append(Poly.name(letter))
            else:
                index.append(self.integer(item))
        if found and node.value.id in self.left_out:  # one number, wherever it is looked up
            return Const(self.left_out[node.value.id][1])
        read = Read(node.value.id, tuple(index))
        return _looked_up(read, found) if found else read


def _looked_up(read: Read, found: list[tuple[str, Expr]]) -> Expr:
    """A table read at whole numbers of the data, z[n, t[n]]: sum[v](where(v == t[n], z[n,v], 0))."""
    here = product([Call("==", (Index(Poly.name(letter)), at)) for letter, at in found])
    return Reduce(Kind.SUM, tuple(letter for letter, _ in found), (UNKNOWN,) * len(found), Call("where", (here, read, Const(0))))
