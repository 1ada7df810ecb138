"""Bound lines in, machine code out; the door to the native engine.

spec --lower--> statements --schedule--> plan --module--> LLVM text --llvmlite--> Code
values --Runner(code)--> values'
"""

from __future__ import annotations

import llvmlite.binding as llvm

from ...errors import ChainruleError
from ...language.bind import countable
from . import cache
from .buffers import aligned, contiguous
from .group import Storage
from .lower import SAMPLES, lower
from .module import build
from .run import Runner
from .schedule import Inputs, plan
from .spec import DTYPES, ELEMENTS, Code, Layout, Port, Spec
from .target import Target, current, initialized

__all__ = [
    "DTYPES",
    "ELEMENTS",
    "Code",
    "Layout",
    "Port",
    "Runner",
    "Spec",
    "aligned",
    "assemble",
    "compile_spec",
    "contiguous",
    "hold",
    "key_of",
    "release",
    "translate",
]

LARGE = 6_000_000  # characters of text from which on quick compiling matters more than the last percent


def key_of(spec: Spec, target: Target) -> str:
    """What a program is made of, as a key: formulas, types, layout, processor and compiler."""
    return cache.key_of(spec.lines, spec.inputs, spec.outputs, spec.element, spec.sample, spec.chunks, spec.update, target)


def compile_spec(spec: Spec) -> Code:
    """Machine code for a program: from the cache on disk, or made now."""
    target = current()
    key = key_of(spec, target)
    found = cache.load(key)
    if found is not None:
        try:
            layout, code = found
            return Code(spec, layout, *_link(code, target))
        except RuntimeError:
            pass
    text, layout = translate(spec, target)
    code = assemble(text, target)
    cache.store(key, layout, code)
    return Code(spec, layout, *_link(code, target))


def translate(spec: Spec, target: Target) -> tuple[str, Layout]:
    """LLVM text of a program."""
    countable(spec.lines, spec.element == "float")
    shapes: dict[str, tuple[int, ...]] = {}
    for p in spec.inputs + spec.outputs:
        shapes[p.name] = ((SAMPLES,) if p.sample else ()) + p.shape
    taken = set(shapes) | {x.tensor for x in spec.lines}
    statements = lower(list(spec.lines), shapes, spec.sample, taken)
    external = {
        p.name: Storage(p.name, p.shape, p.layout if p.sample else "plain", p.element, p.sample, p.indexed) for p in spec.inputs + spec.outputs
    }
    given = Inputs(external, frozenset(p.name for p in spec.outputs), spec.sample, shapes, dict(spec.update), spec.chunks)
    return build(plan(statements, given, target, spec.element), spec.element, target, spec.chunks, dict(spec.update))


def _machine(target: Target, opt: int = 2) -> llvm.TargetMachine:
    initialized()
    return llvm.Target.from_default_triple().create_target_machine(cpu=target.cpu, features=target.features, opt=opt)


def assemble(text: str, target: Target) -> bytes:
    """Object code for LLVM text."""
    machine = _machine(target, 2 if len(text) < LARGE else 1)
    try:
        module = llvm.parse_assembly(text)
        module.verify()
    except RuntimeError as e:
        raise ChainruleError(f"the compiler made text that LLVM refuses; please report this with the formula: {e}") from None
    # The text is already scheduled and free of repeated work; LLVM has to put it into registers, little more.
    builder = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(speed_level=1))
    passes = llvm.create_new_module_pass_manager()
    passes.add_sroa_pass()
    passes.add_instruction_combine_pass()
    passes.add_simplify_cfg_pass()
    passes.run(module, builder)
    return bytes(machine.emit_object(module))


def _link(code: bytes, target: Target) -> tuple[int, object]:
    module = llvm.parse_assembly("")
    engine = llvm.create_mcjit_compiler(module, _machine(target))
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    address = engine.get_function_address("run")
    if not address:
        raise RuntimeError("no entry point")
    return address, engine


_llvmlite = getattr(getattr(llvm.ffi, "lib", None), "_lock", None)  # its own lock, around each of its calls


def hold() -> None:
    """Before a fork: LLVM would stay locked in the child."""
    if _llvmlite is not None:
        _llvmlite.__enter__()


def release() -> None:
    if _llvmlite is not None:
        _llvmlite.__exit__()
