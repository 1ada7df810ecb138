"""LLVM text in, machine code out."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import llvmlite.binding as llvm

from ...errors import ChainruleError
from . import driver
from .llvm import module, printed
from .phases import Unit, phase_name
from .target import Target, initialized

LARGE = 6_000_000  # characters of text from which on quick compiling matters more than the last percent


def modules(unit: Unit) -> tuple[str, ...]:
    """The modules of a program."""
    known = unit.by_name
    names = [phase_name(k) for k in range(len(unit.tasks))]
    runtime = driver.text(len(unit.slots), unit.tasks, names, unit.number, driver.CLOCK)
    parts = [printed(f) for f in unit.functions]
    return (module(parts, known, runtime, driver.declarations(driver.CLOCK)),)


def _machine(target: Target, opt: int = 2) -> llvm.TargetMachine:
    initialized()
    return llvm.Target.from_default_triple().create_target_machine(cpu=target.cpu, features=target.features, opt=opt)


def assemble(texts: Sequence[str], target: Target) -> bytes:
    """Object code for LLVM text: the modules' objects one behind the other, each after its length."""
    opt = 2 if sum(map(len, texts)) < LARGE else 1
    objects = [_assembled(text, target, opt) for text in texts]
    return b"".join(struct.pack(">Q", len(o)) + o for o in objects)


def _assembled(text: str, target: Target, opt: int) -> bytes:
    machine = _machine(target, opt)
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


def parts(code: bytes) -> list[bytes]:
    """The objects that `assemble` put behind one another."""
    found, at = [], 0
    while at < len(code):
        (size,) = struct.unpack_from(">Q", code, at)
        found.append(code[at + 8 : at + 8 + size])
        at += 8 + size
    return found


def link(code: bytes, target: Target) -> tuple[int, object]:
    """(address of the entry point, what keeps the code alive)."""
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _machine(target))
    for part in parts(code):
        engine.add_object_file(llvm.ObjectFileRef.from_data(part))
    engine.finalize_object()
    address = engine.get_function_address("run")
    if not address:
        raise RuntimeError("no entry point")
    return address, engine
