"""What the calculus gives, as functions of arrays: vjp and jvp."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ..errors import ArgumentError, ShapeError
from ..language.bind import fixed, settings_of
from ..language.program import MOST, Program
from ..language.tree import reads
from .arrays import to_array
from .op import Op, op

Arrays = np.ndarray | tuple[np.ndarray, ...]


def moving(op: Op, arrays: Mapping[str, np.ndarray]) -> list[str]:
    """The inputs that can change smoothly: neither declared to be whole numbers nor given as such beside floats."""
    free = [t.name for t in op.definition.inputs if t.whole is None]
    return [k for k in free if arrays[k].dtype.kind not in "iub"] or free


def typed(a: np.ndarray, arrays: Mapping[str, np.ndarray], free: Sequence[str]) -> np.ndarray:
    """What comes along with inputs that move, in their number type where it has none of its own, or where they are whole numbers themselves."""
    kinds = [arrays[k].dtype for k in free if arrays[k].dtype.kind not in "iub"]
    kind = np.result_type(*kinds) if kinds else np.dtype(np.float64)
    return a.astype(kind) if a.dtype.kind in "iub" or not a.shape or (not kinds and a.dtype == np.float32) else a


def vjp(what: object, *args: object, engine: str = "native", **given: object) -> tuple[Arrays, Callable[..., tuple[np.ndarray, ...]]]:
    """(y, pullback): pullback(dy) is a tuple, the gradient for every floating input in the header's order, where they were when vjp was called.

    >>> import numpy as np
    >>> from chainrule.ops import linear
    >>> y, pullback = vjp(linear, np.ones((2, 3)), np.ones((1, 3)), np.zeros(1))
    >>> dx, dw, db = pullback(np.ones((2, 1)))
    >>> db
    array([2.])
    """
    op, arrays, settings = as_op(what).meant(args, given)
    values = op.evaluate(arrays, settings, engine)
    names = [t.name for t in op.definition.outputs]
    wrt = moving(op, arrays)
    gradient = op.gradient(wrt)
    derived = op.derived(gradient.definition)
    read = {r.tensor for line in gradient.definition.lines for r in reads(line.expr)}
    kept = {k: a.copy() if k in read else a for k, a in arrays.items()}  # the caller may change his arrays; of the others only shapes matter

    def pullback(*dys: object) -> tuple[np.ndarray, ...]:
        given_dy = dys[0] if len(dys) == 1 and isinstance(dys[0], (tuple, list)) and len(names) > 1 else dys
        assert isinstance(given_dy, Sequence)
        if len(given_dy) != len(names):
            raise ArgumentError(f"{len(given_dy)} gradients: {op.name} has {len(names)} outputs; accepted: one for each of {', '.join(names)}")
        seeds = {gradient.seed[k]: to_array(v, gradient.seed[k]) for k, v in zip(names, given_dy, strict=True)}
        seeds = {k: typed(a, arrays, wrt) for k, a in seeds.items()}
        out = derived.evaluate(kept | seeds, settings, engine)
        return tuple(out[gradient.of[k]] for k in wrt)

    y = tuple(values[k] for k in names)
    return (y[0] if len(y) == 1 else y), pullback


def jvp(what: object, primals: Sequence[object], tangents: Sequence[object], engine: str = "native", **settings: object) -> tuple[Arrays, Arrays]:
    """(y, ty): the outputs and their tangents. A tangent of None is zero.

    >>> import numpy as np
    >>> from chainrule.ops import relu
    >>> y, ty = jvp(relu, (np.array([[1.0, -1.0]]),), (np.array([[5.0, 7.0]]),))
    >>> ty
    array([[5., 0.]])
    """
    whole = as_op(what)
    op, arrays, numbers = whole.meant(list(primals), settings)
    every = whole.inputs[: max(len(tangents), len(primals))]  # with those that are left out, which do not move
    names = list(every) if len(tangents) == len(every) and not set(arrays) - set(every) else list(arrays)
    if len(tangents) != len(names):
        raise ArgumentError(
            f"{len(tangents)} tangents: {op.name} has {len(names)} inputs; accepted: one for each of {', '.join(names)} (None for none)"
        )
    free = moving(op, arrays)
    moves = {k: typed(to_array(v, f"t{k}"), arrays, free) for k, v in zip(names, tangents, strict=True) if v is not None and k in free}
    for k, a in moves.items():
        if a.shape != arrays[k].shape:
            raise ShapeError(f"tangent of {k} with shape {a.shape}: {k} has shape {arrays[k].shape}; accepted: the same shape")
    for k, v in zip(names, tangents, strict=True):
        if v is not None and k not in arrays:
            raise ArgumentError(f"tangent of {k}: {k} is left out of this call; accepted: None, or {k} itself among the inputs")
    values = op.evaluate(arrays, numbers, engine)
    tangent = op.tangent(tuple(moves))
    out = op.derived(tangent.definition).evaluate(arrays | {tangent.seed[k]: a for k, a in moves.items()}, numbers, engine)
    y = tuple(values[t.name] for t in op.definition.outputs)
    ty = tuple(out[tangent.of[t.name]] for t in op.definition.outputs)
    return (y[0], ty[0]) if len(y) == 1 else (y, ty)


def as_op(what: object) -> Op:
    """An operation from an operation, its text, a program, or a layer that is one."""
    return named(what)[0]


def named(what: object) -> tuple[Op, Mapping[str, str]]:
    """(operation, its input for each public name that is not the input's own)."""
    if isinstance(what, Op):
        return what, {}
    if isinstance(what, Program):
        names = {t.name: what.names[t.name] for t in what.inputs}
        return Op.of(what.definition), {k.removeprefix("."): v for k, v in names.items()} | names
    if hasattr(what, "as_operation"):
        return what.as_operation()  # type: ignore[no-any-return]  # a layer, which knows what it is
    if isinstance(what, str):
        return op(what), {}
    raise ArgumentError(f"{what!r:.80}: nothing to differentiate; accepted: an operation of cr.op, its text, a program, or a layer")


def with_numbers(op: Op, given: Mapping[str, object]) -> Op:
    """The operation with numbers in place of the settings and sizes that are given by name; others stay letters."""
    d = op.definition
    sample = d.sample_size
    known = {p.letter for t in d.inputs for p in t.axes if p.letter}
    sizes = {sample if k == "n" else k: v for k, v in given.items() if (sample if k == "n" else k) in known - dict(d.settings).keys()}
    for k, v in sizes.items():
        if isinstance(v, bool) or not isinstance(v, (int, np.integer)) or not 1 <= v < MOST:
            raise ArgumentError(f"{k}={v!r:.80}: a size of {op.name} is a whole number; accepted: numbers from 1 on")
    settings = {k: v for k, v in given.items() if (sample if k == "n" else k) not in sizes}
    if op.template is not None:
        axes = {t.name: len(t.axes) for t in d.inputs}
        form, settings = op.template.form(op.name, axes, settings, [k for k in op.optional if k not in axes])
        d = op.form(form).definition
    for k in settings:
        if k not in dict(d.settings):
            accepted = [*(f"{name}={v!r}" for name, v in d.settings), *(f"{size}=…" for size in sorted("n" if x == sample else x for x in known))]
            raise ArgumentError(f"{k}={given.get(k)!r:.80}: {op.name} has no such setting or size; accepted: {', '.join(accepted)}")
    numbers = settings_of(d, settings)
    return Op.of(fixed(d, {k: numbers[k] for k in settings} | {k: int(v) for k, v in sizes.items()}), op.doc)  # type: ignore[call-overload]  # whole numbers, as tested
