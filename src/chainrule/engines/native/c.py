"""The loop-nest tree as C99: one translation unit with a function for each nest, and one that runs the phases on one thread.

Vectors are arrays, and what is done with them are loops over their lanes, which a C compiler makes vectors of again.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable

from ...language.program import identifiers
from ..number import DOUBLE, INT64, Type
from . import driver, vmath
from .lower import MOST_SAMPLES
from .nest import Block, Function, If, Ins, Loop, Note, Op, Operand, Over, Row, Step, Var, type_of
from .phases import Slot, Unit, phase_name
from .spec import Arrangement, Port, Spec
from .words import headline

HEAD = """#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static inline int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }
static inline int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b != 0 && (a < 0) != (b < 0)); }
static inline int64_t floor_rem(int64_t a, int64_t b) { return a - b * floor_div(a, b); }
static inline int64_t bits_of(double x) { int64_t k; memcpy(&k, &x, 8); return k; }
static inline double of_bits(int64_t k) { double x; memcpy(&x, &k, 8); return x; }
"""

INFIX = {
    Op.ADD: "+", Op.SUB: "-", Op.MUL: "*", Op.DIV: "/", Op.REM: "%", Op.PLAIN_DIV: "/", Op.PLAIN_REM: "%", Op.AND: "&", Op.OR: "|", Op.XOR: "^",
    Op.SHIFT_RIGHT: ">>",
}  # fmt: skip
WRAPPED = {Op.WRAP_ADD: "+", Op.WRAP_SUB: "-", Op.WRAP_MUL: "*", Op.SHIFT_LEFT: "<<", Op.SHIFT_DOWN: ">>"}
CALLED = {Op.LEAST: "least", Op.MOST: "most", Op.FLOOR_DIV: "floor_div", Op.FLOOR_REM: "floor_rem"}
MATHS = {Op.FMA: "fma", Op.SQRT: "sqrt", Op.ABS: "fabs", Op.FLOOR: "floor", Op.CEIL: "ceil", Op.ROUND: "rint", Op.COPYSIGN: "copysign"}
TESTS = {
    "nan": lambda a, b: f"({a} != {a} || {b} != {b})",
    "numbers": lambda a, b: f"({a} == {a} && {b} == {b})",
    "not>=": lambda a, b: f"!({a} >= {b})",
}


def literal(x: float, t: Type) -> str:
    if t.number.whole:
        return f"INT64_C({int(x)})" if t.number is INT64 and abs(x) >= 1 << 31 else str(int(x))
    x = t.number.rounded(x)
    if math.isnan(x) or math.isinf(x):
        return "NAN" if math.isnan(x) else "INFINITY" if x > 0 else "-INFINITY"
    return f"{x!r}{t.number.c_suffix}"


def at(x: Operand, lane: str = "k") -> str:
    """An operand in one lane."""
    if isinstance(x, int):
        text = str(x) if abs(x) < 1 << 31 else f"INT64_C({x})" if x > -(1 << 63) else "INT64_MIN"
        return f"({text})" if x < 0 else text
    if isinstance(x, Var):
        return f"{x.name}[{lane}]" if x.type.lanes > 1 else x.name
    if isinstance(x, Row):
        return f"((const {x.type.number.c}[]){{{', '.join(literal(v, x.type) for v in x.values)}}})[{lane}]"
    value = literal(0 if x.value is None else x.value, x.type)
    return f"({value})" if value.startswith("-") else value


def expression(i: Ins) -> str:
    """What an instruction computes, in one lane."""
    args = [at(a) for a in i.args]
    kind = type_of(i.args[0])
    match i.op:
        case Op.COMPARE:
            return TESTS[str(i.how)](*args) if str(i.how) in TESTS else f"({args[0]} {i.how} {args[1]})"
        case Op.NEG:
            return f"-{args[0]}"
        case Op.SELECT:
            return f"{args[0]} ? {args[1]} : {args[2]}"
        case Op.CONVERT:
            return f"({_var(i).type.number.c}){args[0]}"
        case Op.BITS:
            return f"{'bits_of' if kind.number is DOUBLE else 'of_bits'}({args[0]})"
        case Op.SPREAD:
            return args[0]
        case Op.INSERT:
            return f"k == {i.how} ? {args[1]} : {args[0]}"
        case Op.EXTRACT:
            return at(i.args[0], str(i.how))
        case Op.LIBRARY:
            return f"{i.how}({', '.join(args)})"
        case Op.AT | Op.AWAY:
            size: int = i.how.bytes  # type: ignore[attr-defined]  # how is a number type
            index = i.args[1]
            return f"{args[0]} + {at(size * index) if isinstance(index, int) else args[1] if size == 1 else f'{size} * {args[1]}'}"
    if i.op in INFIX:
        return f"{args[0]} {INFIX[i.op]} {args[1]}"
    if i.op in WRAPPED:
        return f"(int64_t)((uint64_t){args[0]} {WRAPPED[i.op]} (uint64_t){args[1]})"
    if i.op in CALLED:
        return f"{CALLED[i.op]}({', '.join(args)})"
    return f"{MATHS[i.op]}{kind.number.c_suffix}({', '.join(args)})"


class _Writer:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.depth = 1

    def line(self, text: str) -> None:
        self.lines.append("    " * self.depth + text)

    def lanes(self, t: Type, text: str) -> None:
        """A statement in every lane."""
        self.line(f"for (int k = 0; k < {t.lanes}; k++) {text};" if t.lanes > 1 else f"{text};")

    def instruction(self, i: Ins) -> None:
        if i.op in STATEMENTS:
            STATEMENTS[i.op](self, i)
            return
        out = _var(i)
        if out.type.lanes == 1:
            self.line(f"{_declared(out)} = {expression(i)};")
        else:
            self.line(f"{_declared(out)};")
            self.lanes(out.type, f"{out.name}[k] = {expression(i)}")

    def shuffle(self, i: Ins) -> None:
        out, (a, b) = _var(i), i.args
        picks = [f"{at(a, str(m))}" if m < out.type.lanes else at(b, str(m - out.type.lanes)) for m in i.how]  # type: ignore[attr-defined]  # how is the lanes
        self.line(f"{_declared(out)} = {{{', '.join(picks)}}};")

    def math(self, i: Ins) -> None:
        out = _var(i)
        if out.type.lanes == 1:
            self.line(f"{_declared(out)} = {i.how}({', '.join(map(at, i.args))});")
            return
        args = []
        for n, a in enumerate(i.args):
            args.append(a.name if isinstance(a, Var) else f"{out.name}_{n}")
            if not isinstance(a, Var):
                self.line(f"{out.type.number.c} {args[-1]}[{out.type.lanes}];")
                self.lanes(out.type, f"{args[-1]}[k] = {at(a)}")
        self.line(f"{_declared(out)};")
        self.line(f"{i.how}({', '.join([*args, out.name])});")

    def call(self, i: Ins) -> None:
        self.line(f"{i.how}({', '.join(map(at, i.args))});")

    def slot(self, i: Ins) -> None:
        t: Type = i.how  # type: ignore[assignment]  # how is a type
        name = _var(i).name
        self.line(f"{t.number.c} {name}_room[{t.lanes}];")
        self.line(f"char *{name} = (char *){name}_room;")

    def load(self, i: Ins) -> None:
        out, c = _var(i), _var(i).type.number.c
        if out.type.lanes == 1:
            self.line(f"{_declared(out)} = *({c}{'' if c.endswith('*') else ' '}*){at(i.args[0])};")
            return
        self.line(f"{_declared(out)};")
        self.line(f"memcpy({out.name}, {at(i.args[0])}, {out.type.lanes * out.type.number.bytes});")

    def load_part(self, i: Ins) -> None:
        out = _var(i)
        self.line(f"{_declared(out)};")
        self.lanes(out.type, f"{out.name}[k] = k < {i.how} ? (({out.type.number.c} *){at(i.args[0])})[k] : 0")

    def store(self, i: Ins) -> None:
        t = type_of(i.args[0])
        self.lanes(t, f"(({t.number.c} *){at(i.args[1])})[{'k' if t.lanes > 1 else 0}] = {at(i.args[0])}")

    def store_part(self, i: Ins) -> None:
        t = type_of(i.args[0])
        self.line(f"for (int k = 0; k < {i.how}; k++) (({t.number.c} *){at(i.args[1])})[k] = {at(i.args[0])};")

    def clear(self, i: Ins) -> None:
        self.line(f"memset({at(i.args[0])}, 0, {at(i.args[1])});")

    # Blocks ------------------------------------------------------------------------------------------------------------

    def block(self, block: Block) -> None:
        for node in block:
            match node:
                case Ins():
                    self.instruction(node)
                case Note(words):
                    self.line(f"// {words}")
                case Over() | Step():
                    self.line(f"// {headline(node)}")
                    self.block(node.body)
                case Loop(var, start, stop, step, body):
                    self.braced(f"for (int64_t {var.name} = {at(start)}; {var.name} < {at(stop)}; {var.name} += {step}) {{  // {node.letter}", body)
                case If(flag, body, words):
                    self.braced(f"if ({at(flag)}) {{  // {' and '.join(words)}", body)

    def braced(self, head: str, body: Block) -> None:
        self.line(head)
        self.depth += 1
        self.block(body)
        self.depth -= 1
        self.line("}")


STATEMENTS: dict[Op, Callable[[_Writer, Ins], None]] = {
    Op.SHUFFLE: _Writer.shuffle, Op.MATH: _Writer.math, Op.CALL: _Writer.call, Op.SLOT: _Writer.slot, Op.CLEAR: _Writer.clear,
    Op.LOAD: _Writer.load, Op.LOAD_KEPT: _Writer.load, Op.LOAD_PART: _Writer.load_part,
    Op.STORE: _Writer.store, Op.STORE_KEPT: _Writer.store, Op.STORE_PART: _Writer.store_part,
}  # fmt: skip


def _var(i: Ins) -> Var:
    assert i.out is not None
    return i.out


def _declared(v: Var) -> str:
    c = v.type.number.c
    return f"{c}{'' if c.endswith('*') else ' '}{v.name}" + (f"[{v.type.lanes}]" if v.type.lanes > 1 else "")


def function(f: Function) -> str:
    """A function of the tree. One whose result is a vector writes it to `out`."""
    w = _Writer()
    result = type_of(f.result) if f.result is not None else None
    params = []
    for p in f.params:
        star = "restrict " if p.name in f.apart else ""
        params.append(f"const {p.type.number.c} *{p.name}" if p.type.lanes > 1 else _declared(p).replace("*", f"*{star}"))
    for i in f.entry:
        w.instruction(i)
    w.block(f.body)
    if result and result.lanes > 1:
        params.append(f"{result.number.c} *out")
        w.lanes(result, f"out[k] = {at(f.result)}")  # type: ignore[arg-type]  # there is a result
    elif result:
        w.line(f"return {at(f.result)};")  # type: ignore[arg-type]  # there is a result
    kind = result.number.c if result and result.lanes == 1 else "void"
    w.lines = unused_left_out(w.lines)
    used = set(re.findall(r"\w+", "\n".join(line.partition("//")[0] for line in w.lines)))
    unread = [f"    (void){p.name};" for p in f.params if p.name not in used]  # every nest takes the same, and needs its part of it
    return "\n".join([f"static {kind} {f.name}({', '.join(params)})", "{", *unread, *w.lines, "}"])


def unused_left_out(lines: list[str]) -> list[str]:
    """The lines but for addresses and numbers that nothing reads, which LLVM drops and C compilers warn of."""
    while True:
        count = Counter(re.findall(r"\w+", "\n".join(line.partition("//")[0] for line in lines)))
        kept = [line for line in lines if not (found := re.fullmatch(r"\s*\w+ \*?(\w+) = .*;", line)) or count[found[1]] > 1]
        if len(kept) == len(lines):
            return lines
        lines = kept


# The whole program -------------------------------------------------------------------------------------------------------


def source(unit: Unit, spec: Spec, name: str) -> str:
    """The translation unit of a program; its one public function is chainrule_<name>."""
    functions = sorted(unit.functions, key=lambda f: not vmath.is_vector(f.name))  # what is called stands before what calls it
    return "\n".join([HEAD, *(function(f) + "\n" for f in functions), entry(unit, spec, name)]) + "\n"


def entry(unit: Unit, spec: Spec, name: str) -> str:
    """The function that takes a program's arrays in the order of its inputs and outputs, and runs the phases in order."""
    ports = {p.name: p for p in (*spec.inputs, *spec.outputs)}
    written = {p.name for p in spec.outputs} | {old for _, old in spec.update}
    names = called(ports)
    params = ["int64_t n"] * (spec.sample is not None)
    params += [f"{'' if p.name in written else 'const '}{_number(p)} *{names[p.name]}" for p in ports.values()]
    order = any(p.indexed for p in ports.values())
    params += ["const int64_t *order"] * order
    own = [k for k, s in enumerate(unit.slots) if s.name not in ports]
    size = len(unit.slots) + driver.WORDS
    used = {s.name for s in unit.slots}
    asked = [f"n < 1 || n > INT64_C({MOST_SAMPLES})"] * (spec.sample is not None) + [f"!{names[p]}" for p in ports if p in used] + ["!order"] * order
    lines = [f"    (void){names[p]};  // not read" for p in ports if p not in used]
    lines += [f"    if ({' || '.join(asked)}) return 1;"] * bool(asked)
    lines += [] if spec.sample is not None else ["    const int64_t n = 1;"]
    if any(unit.slots[k].storage.layout is Arrangement.LANES for k in own):
        lines.append(f"    const int64_t blocks = (n + {unit.lanes - 1}) / {unit.lanes};")
    lines += [f"    char *frame[{size}] = {{0}};"]
    for k, s in enumerate(unit.slots):
        given = f"(char *){names[s.name]}" if s.name in ports else f"calloc({count(s, unit)} + 1, 1)"
        lines.append(f"    frame[{k}] = {given};  // {s.name}")
    arena = len(unit.slots) + driver.ARENA
    lines.append(f"    frame[{arena}] = malloc({unit.arena} + 1);")
    lines += [f"    const int sound = {' && '.join(f'frame[{k}] != NULL' for k in [*own, arena])};"]
    for level, tasks in enumerate(unit.tasks):
        call = f"{phase_name(level)}((char *)frame, 0, t, 0, n, {'(char *)order' if order else '0'})"
        lines.append(f"    for (int64_t t = 0; sound && t < {tasks}; t++) {call};")
    lines += [f"    free(frame[{k}]);" for k in [*own, arena]]
    said = f"// {', '.join(p.name for p in spec.outputs)} of {', '.join(p.name for p in spec.inputs)}, as NumPy has them in memory"
    samples = f"; n: samples ({spec.sample})" if spec.sample is not None else ""
    word = re.sub(r"\W", "_", name, flags=re.ASCII)
    head = f"{said}{samples}. Gives 0; 1 where there was no memory, an array is null, or n is none that a batch has."
    return "\n".join([head, f"int chainrule_{word}({', '.join(params)})", "{", *lines, "    return !sound;", "}"])


def count(s: Slot, unit: Unit) -> str:
    """The bytes of a tensor."""
    times = {Arrangement.LANES: "blocks", Arrangement.ROWS: "n", Arrangement.PARTIAL: str(unit.chunks), Arrangement.PLAIN: "1"}[s.storage.layout]
    return f"{times} * INT64_C({s.storage.bytes(unit.lanes)})"


def _number(p: Port) -> str:
    return p.number.c


def called(names: Iterable[str]) -> dict[str, str]:
    """A name in C for each tensor, which is no other's.

    One or two small letters stay as they are, but for those of the file itself and of C. All others end in an underscore, as nothing
    does in the file, in C and in its headers, whose macros no list would be complete of.
    """
    plain = identifiers(names, ())
    return {name: x if re.fullmatch("[a-z]{1,2}[0-9]?", x) and x not in ("n", "t", "do", "if") else f"{x}_" for name, x in plain.items()}
