"""An operation: a definition that can be called, differentiated, shown and compiled."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ..calculus.forward import Tangent, forward
from ..calculus.reverse import Gradient, reverse
from ..engines import reference
from ..engines.native.program import ELEMENTS, Code, Port, Runner, Spec, aligned, compile_spec, contiguous
from ..engines.native.target import current
from ..errors import ArgumentError, ShapeError
from ..language.bind import Bound, bind, lane_ready, settings_of, with_whole_numbers
from ..language.families import Form
from ..language.lazy import cached_property
from ..language.parse import outline
from ..language.ranges import define
from ..language.show import definition_text, header_text, latex_line
from ..language.tree import Definition
from .arrays import common_type, cores, to_array
from .template import Template

MOST_BOUNDS = 64
CHUNK_BLOCKS = 32  # of samples in lanes, at most in one chunk
PARALLEL_WORK = 2_000_000  # elements touched above which a call uses all cores


@dataclass(eq=False)
class Op:
    """A layer or function given by its formula; see `op`.

    Calling it evaluates it: arrays in the header's order (or by name), settings by name.
    """

    definition: Definition
    doc: str = ""
    template: Template | None = None
    _gradients: dict[tuple[str, ...], Gradient] = field(default_factory=dict, repr=False)
    _tangents: dict[tuple[str, ...], Tangent] = field(default_factory=dict, repr=False)
    _derived: dict[Definition, Op] = field(default_factory=dict, repr=False)
    _runners: dict[object, Runner] = field(default_factory=dict, repr=False)
    _bounds: dict[object, Bound] = field(default_factory=dict, repr=False)
    _forms: dict[tuple[Form, str], Op] = field(default_factory=dict, repr=False)

    @property
    def name(self) -> str:
        return self.definition.name

    def __str__(self) -> str:
        return self.template.text if self.template else definition_text(self.definition)

    def __repr__(self) -> str:
        return f"<operation {self.header}>"

    @property
    def header(self) -> str:
        return self.template.header if self.template else header_text(self.definition)

    # Forms of a text that leaves something open --------------------------------------------------------------------

    def at(self, axes: Mapping[str, int] | None = None, apart: Iterable[str] = (), without: Iterable[str] = (), name: str = "") -> Op:
        """The operation for inputs of so many axes, written out.

        axes: by input; apart: settings that differ from axis to axis; without: inputs that are left out; name: of the result.

        >>> print(op("relu(x[n,*A]) -> y[n,*A]\\n y[n,*a] = maximum(x[n,*a], 0)").at({"x": 3}))
        relu(x[n,A,B]) -> y[n,A,B]
            y[n,a,b] = maximum(x[n,a,b], 0)
        """
        t = self.template
        if t is None:
            return self
        for k in (*(axes or {}), *without):
            if k not in t.outline.inputs or (k in without and k not in t.outline.optional):
                raise ArgumentError(f"{k!r}: {self.name} has no such input{' to leave out' if k in without else ''}; accepted: {self.header}")
        for k in apart:
            if k not in t.outline.families.settings:
                raise ArgumentError(f"{k!r}: no setting of {self.name} that may differ from axis to axis; accepted: {self.header}")
        return self.form(t.outline.form(t.ranks(self.name, axes or {}), apart, without), name)

    def fitted(self, axes: Mapping[str, int], settings: Mapping[str, object], without: Iterable[str] = ()) -> tuple[Op, dict[str, int | float]]:
        """(operation, settings): as it is written for inputs of so many axes and for settings, which may be one for each axis."""
        if self.template is None:
            return self, settings_of(self.definition, settings)
        form, out = self.template.form(self.name, axes, settings, without)
        op = self.form(form)
        return op, settings_of(op.definition, out)

    def check(self, settings: Mapping[str, object]) -> None:
        """Refuse settings that no form has."""
        several = self.template.outline.families.settings if self.template else ()
        settings_of(self.definition, {k: v for k, v in settings.items() if k not in several})

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of all inputs, those that may be left out too."""
        return tuple(self.template.outline.inputs) if self.template else tuple(t.name for t in self.definition.inputs)

    @property
    def optional(self) -> tuple[str, ...]:
        """The names of inputs that may be left out."""
        return tuple(self.template.outline.optional) if self.template else ()

    def axes_of(self, name: str) -> int | None:
        """How many axes an input has; None where a family leaves it open."""
        if self.template:
            plain, stars = self.template.outline.inputs[name]
            return None if stars else plain
        return len(self.definition.axes[name])

    def form(self, form: Form, name: str = "") -> Op:
        """The operation that a text is in one of its forms."""
        assert self.template is not None
        key = form, name
        if key not in self._forms:
            d = define(self.template.text, form)
            self._forms.setdefault(key, Op(replace(d, name=name) if name else d, self.doc))
        return self._forms[key]

    def meant(self, args: Sequence[object], given: Mapping[str, object]) -> tuple[Op, dict[str, np.ndarray], dict[str, int | float]]:
        """The operation that a call with these arguments means, its arrays by name and its settings."""
        if self.template is None:
            return self, *self.arguments(args, given)
        form, inputs, settings = self.template.chosen(self.name, args, given)
        op = self.form(form)
        return op, *op.arguments((), inputs | settings)

    def latex(self) -> str:
        """The formulas in LaTeX, a line each."""
        return " \\\\\n".join(latex_line(line, self.definition.axes) for line in self.definition.lines)

    @cached_property
    def lane_ready(self) -> bool:
        return lane_ready(self.definition)

    def arguments(self, args: Sequence[object], given: Mapping[str, object]) -> tuple[dict[str, np.ndarray], dict[str, int | float]]:
        """Arrays by name and settings, from a call's arguments."""
        d = self.definition
        names = [t.name for t in d.inputs]
        if len(args) > len(names):
            raise ArgumentError(f"{len(args)} arrays: {d.name} takes {len(names)}; accepted: {header_text(d)}")
        arrays = dict(zip(names, args, strict=False))
        settings: dict[str, int | float] = {}
        for k, v in given.items():
            if k in names:
                if k in arrays:
                    raise ArgumentError(f"{k}: given twice to {d.name}; accepted: once, by place or by name")
                arrays[k] = v
            else:
                settings[k] = v  # type: ignore[assignment]  # what is no number is refused by settings_of
        missing = [k for k in names if k not in arrays]
        settings = settings_of(d, settings)
        if missing:
            raise ArgumentError(f"{d.name}: {', '.join(missing)} not given; accepted: {header_text(d)}")
        return {k: to_array(arrays[k], k) for k in names}, settings

    def __call__(self, *args: object, engine: str = "native", threads: int | None = None, **given: object) -> np.ndarray | tuple[np.ndarray, ...]:
        """The outputs for arrays and settings.

        >>> import numpy as np
        >>> double = op("double(x[n,D]; k=2) -> y[n,D]\\n y[n,i] = k * x[n,i]")
        >>> double(np.ones((1, 2)), k=3)
        array([[3., 3.]])
        """
        node = next((a for a in (*args, *given.values()) if hasattr(a, "apply")), None)
        if node is not None:  # a tensor without numbers, which writes down what is done with it
            return node.apply(self, args, given)  # type: ignore[attr-defined, no-any-return]  # it has it, as tested
        if threads is not None and (isinstance(threads, bool) or not isinstance(threads, (int, np.integer)) or threads < 1):
            raise ArgumentError(f"threads={threads!r}: not a number of threads; accepted: a whole number of at least 1")
        op, arrays, settings = self.meant(args, given)
        values = op.evaluate(arrays, settings, engine, threads)
        out = tuple(values[t.name] for t in op.definition.outputs)
        return out[0] if len(out) == 1 else out

    def __deepcopy__(self, memo: object) -> Op:
        return self  # nothing in it changes

    def __reduce__(self) -> tuple[object, ...]:
        if self.template is None:
            return _again, (definition_text(self.definition), (), self.doc)
        usual = self.template.outline.form({})
        ranks = tuple((k, len(names)) for k, names in self.template.members(usual).items())
        return _again, (self.template.text, ranks, self.doc)

    def evaluate(
        self, arrays: Mapping[str, np.ndarray], settings: Mapping[str, int | float], engine: str = "native", threads: int | None = None
    ) -> dict[str, np.ndarray]:
        """Outputs by name; inputs declared to hold whole numbers are checked."""
        arrays = {k: counted(a) for k, a in with_whole_numbers(self.definition, arrays, settings).items()}
        if engine == "reference":
            return self.by_reference(arrays, settings)
        if engine != "native":
            raise ArgumentError(f"engine={engine!r}: there is no such engine; accepted: 'native' or 'reference'")
        dtype = common_type(arrays, self.name)
        shapes = {k: a.shape for k, a in arrays.items()}
        samples = self.samples(shapes) if self.lane_ready else None
        runner, bound = self.runner(shapes, settings, dtype, samples, {k: str(a.dtype) for k, a in arrays.items()})
        bound.check(arrays)
        outputs = {t.name: aligned(tuple(bound.shapes[t.name]), dtype) for t in self.definition.outputs}
        ready = {
            k: contiguous(a if str(a.dtype) in ELEMENTS and (a.dtype == dtype or a.dtype.kind in "iu") else a.astype(dtype))
            for k, a in arrays.items()
        }
        work = sum(a.size for a in (*ready.values(), *outputs.values()))
        count = threads or (cores() if work > PARALLEL_WORK // 64 else 1)
        runner.run(ready | outputs, samples or 1, threads=count)
        return {k: v if v.shape else v[()] for k, v in outputs.items()}  # type: ignore[misc]  # v[()] is a NumPy number, as good as an array of no axes

    def by_reference(self, arrays: Mapping[str, np.ndarray], settings: Mapping[str, int | float]) -> dict[str, np.ndarray]:
        dtype = common_type(arrays, self.name, exact=True)
        bound = self.bound({k: a.shape for k, a in arrays.items()}, settings, False)
        bound.check(arrays)
        values = reference.run(bound, arrays, dtype)
        return {t.name: values[t.name] if values[t.name].shape else values[t.name][()] for t in self.definition.outputs}

    def samples(self, shapes: Mapping[str, tuple[int, ...]]) -> int | None:
        for t in self.definition.inputs:
            if t.axes and t.axes[0].letter == self.definition.sample_size and shapes[t.name]:
                return shapes[t.name][0]
        return None

    def bound(self, shapes: Mapping[str, tuple[int, ...]], settings: Mapping[str, int | float], free: bool) -> Bound:
        """The definition at these sizes, proven once for them; the sizes of the last MOST_BOUNDS kinds of call are kept."""
        key = (tuple(shapes.values()), tuple(settings.items()), free)
        found = self._bounds.get(key)
        if found is None:
            found = bind(self.definition, shapes, settings, free_samples=free)
            while len(self._bounds) >= MOST_BOUNDS:
                self._bounds.pop(next(iter(self._bounds)), None)
            self._bounds[key] = found
        return found

    def spec(self, bound: Bound, dtype: np.dtype, samples: int | None, types: Mapping[str, str]) -> Spec:
        """The program of this operation alone."""
        d = self.definition
        ports = []
        for t in d.inputs + d.outputs:
            sampled = samples is not None and bool(t.axes) and t.axes[0].letter == d.sample_size
            element = ELEMENTS.get(types.get(t.name, ""), ELEMENTS[str(dtype)])
            ports.append(Port(t.name, tuple(bound.shapes[t.name][sampled:]), element if element.startswith("i") else ELEMENTS[str(dtype)], sampled))
        k = len(d.inputs)
        return Spec(
            bound.lines,
            tuple(ports[:k]),
            tuple(ports[k:]),
            ELEMENTS[str(dtype)],
            d.sample_size if samples is not None else None,
            chunks_for(samples or 1, dtype),
        )

    def runner(
        self,
        shapes: Mapping[str, tuple[int, ...]],
        settings: Mapping[str, int | float],
        dtype: np.dtype,
        samples: int | None,
        types: Mapping[str, str],
    ) -> tuple[Runner, Bound]:
        known = tuple((k, s[1:] if samples is not None and self.is_sampled(k) else s) for k, s in shapes.items())
        key = (known, tuple(settings.items()), dtype, chunks_for(samples or 1, dtype), samples is None, tuple(types.items()), current())
        bound = self.bound(shapes, settings, samples is not None)
        if key not in self._runners:  # of several threads that come here at once, the first one's runner serves all
            self._runners.setdefault(key, Runner(compile_spec(self.spec(bound, dtype, samples, types))))
        return self._runners[key], bound

    def is_sampled(self, name: str) -> bool:
        axes = self.definition.axes[name]
        return bool(axes) and axes[0].letter == self.definition.sample_size

    def loops(self, *args: object, **given: object) -> str:
        """The loop nests that were compiled for these arrays (or shapes), each with the formula it came from."""
        return "\n".join(self.code(*args, **given).layout.notes)

    def code(self, *args: object, **given: object) -> Code:
        names = self.template.outline.inputs if self.template else {t.name for t in self.definition.inputs}
        op, arrays, settings = self.meant([_of_shape(a) for a in args], {k: _of_shape(v) if k in names else v for k, v in given.items()})
        if op is not self:
            return op.code(**arrays, **settings)
        arrays = with_whole_numbers(self.definition, arrays, settings)
        shapes = {k: a.shape for k, a in arrays.items()}
        samples = self.samples(shapes) if self.lane_ready else None
        return self.runner(shapes, settings, common_type(arrays, self.name), samples, {k: str(a.dtype) for k, a in arrays.items()})[0].code

    # Calculus --------------------------------------------------------------------------------------------------------

    def gradient(self, wrt: Sequence[str]) -> Gradient:
        """The derived definition of ∂E/∂x for each x in wrt."""
        key = self.inputs_of(wrt)
        if key not in self._gradients:
            self.known(key)
            self._gradients[key] = reverse(self.definition, key)
        return self._gradients[key]

    def tangent(self, wrt: Sequence[str]) -> Tangent:
        key = tuple(wrt)
        if key not in self._tangents:
            self.known(key)
            self._tangents[key] = forward(self.definition, key)
        return self._tangents[key]

    def inputs_of(self, wrt: object) -> tuple[str, ...]:
        """Names of inputs in a row."""
        if isinstance(wrt, str) or not isinstance(wrt, Iterable) or not all(isinstance(x, str) for x in wrt):
            names = ", ".join(t.name for t in self.definition.inputs)
            raise ArgumentError(f"{wrt!r:.80}: not names of inputs; accepted: a list of some of {names}")
        return tuple(wrt)

    def derived(self, definition: Definition) -> Op:
        """The operation of a derived definition, kept so that its machine code is found again."""
        return self._derived.setdefault(definition, Op(definition))

    def known(self, wrt: Sequence[str]) -> None:
        names = [t.name for t in self.definition.inputs]
        for x in wrt:
            if x not in names:
                raise ArgumentError(f"{x!r}: {self.name} has no such input; accepted: {', '.join(names)}")


def _again(text: str, shown: tuple[tuple[str, int], ...], doc: str) -> Op:
    """An operation from its text: it is pickled as that, without what was compiled."""
    made = op(text, dict(shown))
    made.doc = doc
    return made


def _of_shape(value: object) -> object:
    """An array of a shape that takes no memory; anything else as it is."""
    if not isinstance(value, tuple):
        return value
    try:
        return np.broadcast_to(np.float32(0), value)
    except (ValueError, TypeError):
        raise ShapeError(f"{value!r:.80}: not the shape of an array; accepted: sizes of at least 0 that memory could hold") from None


def counted(a: np.ndarray) -> np.ndarray:
    """Whole numbers in a type that both engines count in, where they fit into one."""
    if a.dtype.kind not in "iu" or str(a.dtype) in ELEMENTS or (a.dtype == np.uint64 and a.max(initial=0) >= 1 << 63):
        return a
    return a.astype(np.int64)


def chunks_for(samples: int, dtype: np.dtype) -> int:
    """Into how many parts a batch is cut: a matter of its size alone, never of the number of threads."""
    blocks = -(-samples // current().lanes(dtype.itemsize))
    few = 1 if blocks <= 1 else 4 if blocks <= 8 else 16
    return max(few, 1 << (-(-blocks // CHUNK_BLOCKS) - 1).bit_length())  # no sum over a chunk is so long that rounding matters


def op(text: str, shown: Mapping[str, int] | None = None) -> Op:
    """Define an operation by its formula.

    shown: how many axes families stand for where it is derived or printed without arrays.

    >>> square = op('''
    ... square(x[n,D]) -> y[n,D]
    ...     y[n,i] = x[n,i]**2
    ... ''')
    >>> square([[1.0, 2.0]])
    array([[1., 4.]])

    Raises DefinitionError, with the line and a caret, where the text does not make sense.
    """
    left_open = outline(text)
    if not left_open.open:
        return Op(define(text))
    text = textwrap.dedent(text).strip()
    form = left_open.form({left_open.families.find(k): rank for k, rank in (shown or {}).items()})
    head, rest = text.split("->", 1)
    return Op(define(text, form), template=Template(text, left_open, " ".join(f"{head}->{rest.splitlines()[0]}".split())))
