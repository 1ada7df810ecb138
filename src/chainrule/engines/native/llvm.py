"""The loop-nest tree as LLVM text. Nothing is decided here; of LLVM's syntax only the threads' runtime is elsewhere (driver.py)."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import cache, lru_cache

from ..number import FLAG, Number, Type
from .nest import Block, Const, Function, If, Ins, Loop, Note, Op, Operand, Var, type_of

FLOATS = {Op.ADD: "fadd", Op.SUB: "fsub", Op.MUL: "fmul", Op.DIV: "fdiv"}
WHOLES = {
    Op.ADD: "add nsw", Op.SUB: "sub nsw", Op.MUL: "mul nsw", Op.DIV: "sdiv", Op.REM: "srem",
    Op.WRAP_ADD: "add", Op.WRAP_SUB: "sub", Op.WRAP_MUL: "mul", Op.PLAIN_DIV: "udiv", Op.PLAIN_REM: "urem",
    Op.AND: "and", Op.OR: "or", Op.XOR: "xor", Op.SHIFT_LEFT: "shl", Op.SHIFT_RIGHT: "ashr", Op.SHIFT_DOWN: "lshr",
}  # fmt: skip
INTRINSICS = {
    Op.FMA: "fmuladd", Op.SQRT: "sqrt", Op.ABS: "fabs", Op.FLOOR: "floor", Op.CEIL: "ceil", Op.ROUND: "rint", Op.COPYSIGN: "copysign",
    Op.LEAST: "smin", Op.MOST: "smax",
}  # fmt: skip
FLOAT_TESTS = {"==": "oeq", "!=": "une", "<": "olt", "<=": "ole", ">": "ogt", ">=": "oge", "not>=": "ult", "nan": "uno", "numbers": "ord"}
WHOLE_TESTS = {"==": "eq", "!=": "ne", "<": "slt", "<=": "sle", ">": "sgt", ">=": "sge"}


@cache
def spelled(t: Type) -> str:
    return t.number.llvm if t.lanes == 1 else f"<{t.lanes} x {t.number.llvm}>"


@cache
def suffix(t: Type) -> str:
    return t.number.suffix if t.lanes == 1 else f"v{t.lanes}{t.number.suffix}"


def literal(x: float, number: Number) -> str:
    """A number as LLVM reads it: floats by the bits of the double that they are."""
    if number is FLAG:
        return str(bool(x)).lower()
    if number.whole:
        return str(int(x))
    return "0x" + struct.pack(">d", number.rounded(x)).hex().upper()


@lru_cache(4096)
def spread(one: str, t: Type) -> str:
    return one if t.lanes == 1 else f"<{', '.join([f'{t.number.llvm} {one}'] * t.lanes)}>"


def text(x: Operand) -> str:
    """An operand without its type."""
    if isinstance(x, Var):
        return f"%{x.name}"
    if isinstance(x, int):
        return str(x)
    if isinstance(x, Const):
        return "undef" if x.value is None else spread(literal(x.value, x.type.number), x.type)
    return f"<{', '.join(f'{x.type.number.llvm} {literal(v, x.type.number)}' for v in x.values)}>"


def typed(x: Operand) -> str:
    return f"{spelled(type_of(x))} {text(x)}"


@lru_cache(4096)
def indices(lanes: tuple[int, ...]) -> str:
    return f"<{len(lanes)} x i32> <{', '.join(f'i32 {i}' for i in lanes)}>"


def mask(active: object, lanes: int) -> str:
    return f"<{lanes} x i1> <{', '.join(f'i1 {int(k < int(str(active)))}' for k in range(lanes))}>"


class _Writer:
    """The lines of one function, and the declarations it needs."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.declared: set[str] = set()
        self.called: set[str] = set()
        self.labels = 0
        self.here = "entry"  # the label of the block being written
        self.leaves = False

    def label(self, name: str) -> None:
        self.lines.append(f"{name}:")
        self.here = name

    def line(self, text: str) -> None:
        self.lines.append("  " + text)

    # Instructions ------------------------------------------------------------------------------------------------------

    def instruction(self, i: Ins) -> None:
        made = WRITTEN.get(i.op, _Writer.computed)(self, i)
        self.lines.append(f"  %{i.out.name} = {made}" if i.out else f"  {made}")

    def computed(self, i: Ins) -> str:
        """Arithmetic on operands of one type."""
        kind = type_of(i.args[0])
        names = ", ".join(map(text, i.args))
        if i.op in INTRINSICS:
            return self.intrinsic(INTRINSICS[i.op], kind, i.args)
        if i.op is Op.COMPARE:
            test = f"icmp {WHOLE_TESTS[str(i.how)]}" if kind.number.whole else f"fcmp {FLOAT_TESTS[str(i.how)]}"
            return f"{test} {spelled(kind)} {names}"
        if i.op is Op.NEG:
            return f"fneg {spelled(kind)} {names}"
        return f"{(WHOLES if kind.number.whole else FLOATS)[i.op]} {spelled(kind)} {names}"

    def intrinsic(self, name: str, kind: Type, args: tuple[Operand, ...]) -> str:
        full, t = f"@llvm.{name}.{suffix(kind)}", spelled(kind)
        self.declared.add(f"declare {t} {full}({', '.join([t] * len(args))})")
        return f"call {t} {full}({', '.join(map(typed, args))})"

    def spread(self, i: Ins) -> str:
        name, t = _var(i).name, _var(i).type
        self.line(f"%{name}.0 = insertelement {spelled(t)} undef, {typed(i.args[0])}, i32 0")
        return f"shufflevector {spelled(t)} %{name}.0, {spelled(t)} undef, <{t.lanes} x i32> zeroinitializer"

    def convert(self, i: Ins) -> str:
        return f"{_conversion(type_of(i.args[0]), _var(i).type)} {typed(i.args[0])} to {spelled(_var(i).type)}"

    def call(self, i: Ins) -> str:
        self.called.add(str(i.how))
        return f"call {spelled(i.out.type) if i.out else 'void'} @{i.how}({', '.join(map(typed, i.args))})"

    def library(self, i: Ins) -> str:
        t = spelled(_var(i).type)
        self.declared.add(f"declare {t} @{i.how}({', '.join([t] * len(i.args))}) memory(none) nounwind willreturn")
        return f"call {t} @{i.how}({', '.join(map(typed, i.args))})"

    def floored(self, i: Ins) -> str:
        """Division towards minus infinity: LLVM's goes towards 0."""
        name, (x, d) = f"%{_var(i).name}", map(text, i.args)
        rest = f"{name}.r"
        if i.op is Op.FLOOR_DIV:
            self.line(f"{name}.q = sdiv i64 {x}, {d}")
        self.line(f"{rest} = srem i64 {x}, {d}")
        if isinstance(i.args[1], int) and i.args[1] > 0:
            self.line(f"{name}.f = icmp slt i64 {rest}, 0")
        else:
            self.line(f"{name}.s = xor i64 {rest}, {d}")
            self.line(f"{name}.d = icmp slt i64 {name}.s, 0")
            self.line(f"{name}.n = icmp ne i64 {rest}, 0")
            self.line(f"{name}.f = and i1 {name}.d, {name}.n")
        if i.op is Op.FLOOR_REM:
            self.line(f"{name}.m = add i64 {rest}, {d}")
            return f"select i1 {name}.f, i64 {name}.m, i64 {rest}"
        self.line(f"{name}.w = zext i1 {name}.f to i64")
        return f"sub i64 {name}.q, {name}.w"

    def load_part(self, i: Ins) -> str:
        t = _var(i).type
        full = f"@llvm.masked.load.{suffix(t)}.p0"
        self.declared.add(f"declare {spelled(t)} {full}(ptr, i32, <{t.lanes} x i1>, {spelled(t)})")
        return f"call {spelled(t)} {full}({typed(i.args[0])}, i32 {t.number.bytes}, {mask(i.how, t.lanes)}, {spelled(t)} zeroinitializer)"

    def store_part(self, i: Ins) -> str:
        t = type_of(i.args[0])
        full = f"@llvm.masked.store.{suffix(t)}.p0"
        self.declared.add(f"declare void {full}({spelled(t)}, ptr, i32, <{t.lanes} x i1>)")
        return f"call void {full}({typed(i.args[0])}, {typed(i.args[1])}, i32 {t.number.bytes}, {mask(i.how, t.lanes)})"

    def clear(self, i: Ins) -> str:
        self.declared.add("declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)")
        return f"call void @llvm.memset.p0.i64({typed(i.args[0])}, i8 0, {typed(i.args[1])}, i1 false)"

    # Blocks ------------------------------------------------------------------------------------------------------------

    def block(self, block: Block) -> None:
        for node in block:
            if isinstance(node, Ins):
                self.instruction(node)
            elif isinstance(node, Loop):
                self.loop(node)
            elif isinstance(node, If):
                self.condition(node)
            elif not isinstance(node, Note):
                self.block(node.body)

    def condition(self, node: If) -> None:
        self.labels += 1
        k = self.labels
        self.line(f"br {typed(node.flag)}, label %D{k}, label %S{k}")
        self.label(f"D{k}")
        self.block(node.body)
        self.line(f"br label %S{k}")
        self.label(f"S{k}")

    def loop(self, node: Loop) -> None:
        """Round by round: body, next value, test; and now and then a look whether the run is over."""
        self.labels += 1
        k, i, stop = self.labels, node.var.name, text(node.stop)
        turn = f"E{k}" if not node.looks else f"Q{k}"
        if not node.sure:
            self.line(f"%{i}.any = icmp slt {typed(node.start)}, {stop}")
            self.line(f"br i1 %{i}.any, label %H{k}, label %X{k}")
            self.label(f"H{k}")
        before = self.here
        self.line(f"br label %L{k}")
        self.label(f"L{k}")
        sometimes = f", [ %{i}.n, %W{k} ]" if node.looks > 1 else ""
        self.line(f"%{i} = phi i64 [ {text(node.start)}, %{before} ], [ %{i}.n, %{turn} ]{sometimes}")
        self.block(node.body)
        self.line(f"br label %E{k}")
        self.label(f"E{k}")
        self.line(f"%{i}.n = add nsw i64 %{i}, {node.step}")
        self.line(f"%{i}.m = icmp slt i64 %{i}.n, {stop}")
        self.line(f"br i1 %{i}.m, label %{'L' if not node.looks else 'Q' if node.looks == 1 else 'W'}{k}, label %X{k}")
        if node.looks > 1:
            self.label(f"W{k}")
            self.line(f"%{i}.since = and i64 %{i}.n, {node.looks - 1}")
            self.line(f"%{i}.due = icmp eq i64 %{i}.since, 0")
            self.line(f"br i1 %{i}.due, label %Q{k}, label %L{k}")
        if node.looks:
            self.leaves = True
            self.label(f"Q{k}")
            self.line(f"%{i}.q = call i1 @look(ptr %me)")
            self.line(f"br i1 %{i}.q, label %leave, label %L{k}")
        self.label(f"X{k}")


def _var(i: Ins) -> Var:
    assert i.out is not None
    return i.out


def _conversion(a: Type, b: Type) -> str:
    """The instruction that makes one type of number of another."""
    x, y = a.number, b.number
    if x.whole and y.whole:
        return "sext" if x.signed else "zext"
    if x.whole:
        return "sitofp" if x.signed else "uitofp"
    if y.whole:
        return "fptosi"
    return "fpext" if x.bytes < y.bytes else "fptrunc"


WRITTEN: dict[Op, Callable[[_Writer, Ins], str]] = {
    Op.SPREAD: _Writer.spread,
    Op.FLOOR_DIV: _Writer.floored,
    Op.FLOOR_REM: _Writer.floored,
    Op.CONVERT: _Writer.convert,
    Op.MATH: _Writer.call,
    Op.CALL: _Writer.call,
    Op.LIBRARY: _Writer.library,
    Op.LOAD_PART: _Writer.load_part,
    Op.STORE_PART: _Writer.store_part,
    Op.CLEAR: _Writer.clear,
    Op.SELECT: lambda w, i: f"select {', '.join(map(typed, i.args))}",
    Op.INSERT: lambda w, i: f"insertelement {', '.join(map(typed, i.args))}, i32 {i.how}",
    Op.EXTRACT: lambda w, i: f"extractelement {typed(i.args[0])}, i32 {i.how}",
    Op.SHUFFLE: lambda w, i: f"shufflevector {', '.join(map(typed, i.args))}, {indices(i.how)}",  # type: ignore[arg-type]  # how is the lanes
    Op.BITS: lambda w, i: f"bitcast {typed(i.args[0])} to {spelled(_var(i).type)}",
    Op.SLOT: lambda w, i: f"alloca {spelled(i.how)}, align {i.how.lanes * i.how.number.bytes}",  # type: ignore[arg-type, attr-defined]  # how is a type
    Op.AT: lambda w, i: f"getelementptr inbounds {i.how.llvm}, {', '.join(map(typed, i.args))}",  # type: ignore[attr-defined]  # how is a number type
    Op.AWAY: lambda w, i: f"getelementptr {i.how.llvm}, {', '.join(map(typed, i.args))}",  # type: ignore[attr-defined]  # how is a number type
    Op.LOAD: lambda w, i: f"load {spelled(_var(i).type)}, {typed(i.args[0])}, align {i.how}",
    Op.LOAD_KEPT: lambda w, i: f"load volatile {spelled(_var(i).type)}, {typed(i.args[0])}, align {i.how}",
    Op.STORE: lambda w, i: f"store {', '.join(map(typed, i.args))}, align {i.how}",
    Op.STORE_KEPT: lambda w, i: f"store volatile {', '.join(map(typed, i.args))}, align {i.how}",
}


# Functions and modules -------------------------------------------------------------------------------------------------


def heading(f: Function) -> str:
    params = ", ".join(f"{spelled(p.type)}{' noalias' if p.name in f.apart else ''} %{p.name}" for p in f.params)
    result = spelled(type_of(f.result)) if f.result is not None else "void"
    how = "memory(none) nounwind willreturn" if f.pure else "nounwind"
    # Vectors that do not fit the registers go to the stack: aligned, or each costs two cache lines.
    return f"define internal {result} @{f.name}({params}) {how}{HOT if f.hot else ''} {{"


HOT = ' alignstack(64) "stackrealign"'


def declaration(f: Function) -> str:
    result = spelled(type_of(f.result)) if f.result is not None else "void"
    return f"declare {result} @{f.name}({', '.join(spelled(p.type) for p in f.params)}) nounwind"


@dataclass(frozen=True)
class Printed:
    """A function as text, and what a module that holds it must say beside it: declarations, and which functions it calls."""

    of: Function
    text: str
    declared: frozenset[str]
    called: frozenset[str]

    def public(self) -> Printed:
        """The same, for other modules to call."""
        return replace(self, text=self.text.replace("define internal ", "define ", 1))


LOOK = "declare i1 @look(ptr)"


def printed(f: Function) -> Printed:
    """A function as text, for its own module to call."""
    w = _Writer()
    w.label("entry")
    for i in f.entry:
        w.instruction(i)
    w.block(f.body)
    w.line(f"ret {typed(f.result)}" if f.result is not None else "ret void")
    if w.leaves:
        w.label("leave")
        w.line("ret void")
        w.declared.add(LOOK)
    return Printed(f, "\n".join([heading(f), *w.lines, "}"]), frozenset(w.declared), frozenset(w.called))


def module(parts: Sequence[Printed], known: Mapping[str, Function], called: Set[str], more: str = "", declared: Iterable[str] = ()) -> str:
    """A module of some functions, and of more text that calls some too. known: by name, the functions of all modules."""
    missing = set(called).union(*(p.called for p in parts)) - {p.of.name for p in parts}
    wanted = {declaration(known[name]) for name in missing} | set(declared).union(*(p.declared for p in parts))
    wanted -= {LOOK} if more else set()
    return "\n".join([*sorted(wanted), *(p.text for p in parts), more]) + "\n"
