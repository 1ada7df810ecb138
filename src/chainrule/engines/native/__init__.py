"""Formulas to machine code: lower, fuse, schedule, emit LLVM, run on threads."""
