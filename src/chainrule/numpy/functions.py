"""Derivatives of ordinary Python functions of numbers and NumPy arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import numpy as np

from ..errors import ArgumentError, ElementTypeError, ShapeError
from . import indexing, joining, linalg, more, products, reductions, shapes, spectra  # noqa: F401  # each enters its functions in the registry
from .lost import lost
from .making import MAKING
from .memory import MEMORY
from .registry import holds, joined, real
from .structure import leaves, like, mapped, number
from .tape import Node, Tape, start, sweep
from .traced import Traced

Argument = int | Sequence[int]


class Run:
    """One call of a function on a tape: its value, and what is needed to go back."""

    def __init__(
        self,
        f: Callable[..., Any],
        args: Sequence[Any],
        kwargs: dict[str, Any],
        which: Sequence[int],
        tangents: Sequence[Any] = (),
        whole: bool = False,
    ):
        self.tape = Tape(Traced, bool(tangents), whole)
        moving = [leaf for k in which for leaf in leaves(args[k])]
        values = [number(leaf, f"argument {k}") for k in which for leaf in leaves(args[k])]
        pairs = zip(values, tangents or [None] * len(values), strict=True)
        self.inputs = [start(self.tape, v, t) for v, t in pairs]
        if any(isinstance(t, Node) for t in tangents):
            self.tape.nested, self.tape.plain = True, False
        self.values, self.given = values, moving
        nodes = iter(self.inputs)
        called = list(args)
        for k in which:
            called[k] = mapped(lambda _: next(nodes), args[k])
        try:
            with MAKING:
                self.result = f(*called, **kwargs)
        except Exception as e:
            said = lost(e, f)
            if said is None:
                raise
            raise said from e
        if not isinstance(self.result, Node):
            self.result = mapped(lambda y: joined(y) if isinstance(y, np.ndarray) and holds(y) else y, self.result)
        self.outputs = leaves(self.result)

    def own(self, y: Any) -> bool:
        """Whether an output moves with the inputs."""
        return isinstance(y, Node) and y.tape is self.tape

    def below(self, y: Any) -> Any:
        return y.value if self.own(y) else y

    @property
    def value(self) -> Any:
        return like(self.result, [self.below(y) for y in self.outputs])

    def back(self, seeds: Sequence[Any], last: bool = False) -> list[Any]:
        """The gradient for every leaf of the arguments, from that of every output. last: of no other value."""
        given = [(y, seed) for y, seed in zip(self.outputs, seeds, strict=True) if seed is not None and self.own(y)]
        adjoints = sweep(self.tape, given, len(self.inputs) if last else None) if given else [None] * len(self.inputs)
        out: list[Any] = []
        for d, x in zip(adjoints, self.values, strict=False):
            d = filled(d, x)
            out.append(d.copy() if isinstance(d, np.ndarray) and any(d is e for e in out) else d)
        return out


def filled(d: Any, x: Any) -> Any:
    """A gradient as the caller may keep and change it."""
    if d is None:
        return np.zeros(np.shape(x), x.dtype)[()] if np.ndim(x) or not isinstance(x, np.ndarray) else np.zeros((), x.dtype)
    if isinstance(d, Node):
        return d
    if isinstance(x, np.ndarray) and not (isinstance(d, np.ndarray) and d.flags.writeable and (d.flags.owndata or MEMORY.knows(d))):
        return MEMORY.copy(d) if isinstance(d, np.ndarray) else np.array(d)
    return d


def seed_of(y: Any) -> Any:
    """1, in the type of a scalar output."""
    one = y.dtype.type(1)
    return np.ones(np.shape(y), y.dtype) if np.ndim(y) else one


def places(argnum: Argument, args: Sequence[Any], name: str) -> tuple[int, ...]:
    which = (argnum,) if isinstance(argnum, (int, np.integer)) else tuple(argnum)
    for k in which:
        if not isinstance(k, (int, np.integer)) or not -len(args) <= k < len(args):
            raise ArgumentError(f"argnum={argnum!r}: {name} was called with {len(args)} arguments by place; accepted: their numbers from 0 on")
    found = tuple(int(k) % len(args) for k in which)
    if len(set(found)) < len(found):
        raise ArgumentError(f"argnum={argnum!r}: one argument twice; accepted: each once")
    return found


def named(f: Callable[..., Any]) -> str:
    return getattr(f, "__name__", type(f).__name__)


def checked(f: Any, who: str) -> None:
    if not callable(f):
        raise ArgumentError(f"{f!r:.80}: nothing to differentiate; accepted by cr.{who}: a function of numbers and NumPy arrays")


def per_argument(argnum: Argument, which: Sequence[int], args: Sequence[Any], found: Sequence[Any]) -> Any:
    """Gradients in the nests of the arguments: one, or a tuple for a tuple of argnums."""
    rest = iter(found)
    parts = [like(args[k], [next(rest) for _ in leaves(args[k])]) for k in which]
    return parts[0] if isinstance(argnum, (int, np.integer)) else tuple(parts)


def value_and_grad(f: Callable[..., Any], argnum: Argument = 0) -> Callable[..., tuple[Any, Any]]:
    """See cr.value_and_grad."""
    checked(f, "value_and_grad")

    @wraps(f)
    def evaluate(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        which = places(argnum, args, named(f))
        run = Run(f, args, kwargs, which)
        y = scalar(run, f)
        return y, per_argument(argnum, which, args, run.back([seed_of(y)] if run.own(run.result) else [None], last=True))

    return evaluate


def scalar(run: Run, f: Callable[..., Any]) -> Any:
    y = run.result
    if isinstance(y, (tuple, list, dict)) or y is None:
        raise ArgumentError(
            f"{named(f)} gives a {type(y).__name__}: a gradient is that of one number; accepted: a function that gives one, cr.jacobian, or cr.vjp"
        )
    value = run.below(real(y))
    if getattr(value, "dtype", np.dtype(type(value))).kind == "b":
        raise ElementTypeError(f"{named(f)} gives a truth value, which does not move; accepted: a function that gives one real number")
    if np.size(value) != 1:
        raise ArgumentError(
            f"{named(f)} gives an array of shape {np.shape(value)}: a gradient is that of one number; accepted: a function that gives one "
            "(np.sum(…)), cr.jacobian for all its derivatives, cr.vjp(f, x)[1](dy), or cr.numpy.elementwise_grad"
        )
    return value


def grad(f: Callable[..., Any], argnum: Argument = 0) -> Callable[..., Any]:
    """See cr.grad."""
    checked(f, "grad")
    both = value_and_grad(f, argnum)

    @wraps(f)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        return both(*args, **kwargs)[1]

    return gradient


def elementwise_grad(f: Callable[..., Any], argnum: Argument = 0) -> Callable[..., Any]:
    """See cr.numpy.elementwise_grad."""
    checked(f, "numpy.elementwise_grad")

    @wraps(f)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        which = places(argnum, args, named(f))
        run = Run(f, args, kwargs, which)
        return per_argument(argnum, which, args, run.back([seed_of(real(run.below(y))) for y in run.outputs]))

    return gradient


def vjp(f: Callable[..., Any], *args: Any, **kwargs: Any) -> tuple[Any, Callable[..., tuple[Any, ...]]]:
    """(y, pullback): pullback(dy) is a tuple, the gradient for every argument."""
    run = Run(f, args, kwargs, range(len(args)))
    value = run.value

    def pullback(*dy: Any) -> tuple[Any, ...]:
        seeds = leaves(dy if len(dy) != 1 else dy[0])
        if len(seeds) != len(run.outputs):
            raise ArgumentError(f"{len(seeds)} gradients: {named(f)} gives {len(run.outputs)} values; accepted: one for each")
        fitting = [seed_like(s, y) for s, y in zip(seeds, leaves(value), strict=True)]
        return tuple(per_argument(range(len(args)), range(len(args)), args, run.back(fitting)))

    return value, pullback


def seed_like(seed: Any, y: Any, what: str = "dy") -> Any:
    """What comes along with a value, in its type, once its shape is seen to be the same."""
    given: Any = real(seed)
    if np.shape(given) != np.shape(y):
        raise ShapeError(f"{what} with shape {np.shape(given)}: its value has shape {np.shape(y)}; accepted: the same shape")
    kind = np.dtype(getattr(y, "dtype", float))
    kind = kind if kind.kind == "f" else np.dtype(float)
    if isinstance(given, Traced):
        return given if given.dtype == kind else given.astype(kind)
    return np.asarray(given, kind)[()]


def jvp(f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], **kwargs: Any) -> tuple[Any, Any]:
    """(y, ty): the value, and how it moves where the arguments move by the tangents. A tangent of None is zero."""
    if not isinstance(primals, (tuple, list)) or not isinstance(tangents, (tuple, list)) or len(primals) != len(tangents):
        raise ArgumentError(f"jvp({named(f)}, …): primals and tangents are tuples of one length; accepted: jvp(f, (x,), (tx,))")
    which = [k for k, t in enumerate(tangents) if t is not None]
    given = [leaf for k in which for leaf in leaves(tangents[k])]
    values = [number(leaf, f"argument {k}") for k in which for leaf in leaves(primals[k])]
    if len(given) != len(values):
        raise ArgumentError(f"{len(given)} tangents for {len(values)} numbers and arrays; accepted: one for each")
    moves = [seed_like(t, x, "tangent") for t, x in zip(given, values, strict=True)]
    if not moves:
        y = f(*primals, **kwargs)
        return y, mapped(lambda v: np.zeros(np.shape(v))[()], y)
    run = Run(f, primals, kwargs, which, moves)
    found = [y.tangent if run.own(y) else None for y in run.outputs]
    rest = [filled(t, v if isinstance(v, Node) else np.asarray(v)[()]) for t, v in zip(found, leaves(run.value), strict=True)]
    return run.value, like(run.result, rest)


def jacobian(f: Callable[..., Any], argnum: Argument = 0) -> Callable[..., Any]:
    """See cr.jacobian."""
    checked(f, "jacobian")

    @wraps(f)
    def evaluate(*args: Any, **kwargs: Any) -> Any:
        which = places(argnum, args, named(f))
        run = Run(f, args, kwargs, which)
        if not run.outputs:
            raise ArgumentError(f"{named(f)} gives {run.result!r:.40}: nothing that could move; accepted: a number, an array, or a nest of them")
        return like(run.result, [per_argument(argnum, which, args, derivatives(run, k)) for k in range(len(run.outputs))])

    return evaluate


def derivatives(run: Run, which: int) -> list[Any]:
    """All derivatives of one of the outputs, by every leaf of the arguments."""
    y = run.below(real(run.outputs[which]))
    own = run.own(run.outputs[which])
    seeds = [unit(y, at) for at in range(np.size(y))] if own else []
    rows = [run.back([seed if k == which else None for k in range(len(run.outputs))]) for seed in seeds]
    found = []
    for k, x in enumerate(run.values):
        shape = (*np.shape(y), *np.shape(x))
        found.append(np.reshape(np.stack([row[k] for row in rows]), shape)[()] if rows else np.zeros(shape, x.dtype)[()])
    return found


def unit(y: Any, at: int) -> Any:
    seed = np.zeros(np.size(y), y.dtype)
    seed[at] = 1
    return seed.reshape(np.shape(y))[()]


def hessian(f: Callable[..., Any], argnum: Argument = 0) -> Callable[..., Any]:
    """See cr.hessian."""
    checked(f, "hessian")
    return jacobian(jacobian(f, argnum), argnum)
