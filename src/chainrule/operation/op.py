"""An operation: a definition that can be called, differentiated, shown and compiled."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..calculus.forward import Tangent, forward
from ..calculus.partial import expanded
from ..calculus.reverse import Gradient, reverse
from ..engines.native.program import Code, c_source
from ..engines.native.ready import lane_ready
from ..engines.native.target import current
from ..engines.number import is_stored
from ..engines.processors import threads_asked
from ..engines.recent import Recent
from ..engines.session import counted, session
from ..errors import ArgumentError, ShapeError
from ..language.bind import bind, settings_of
from ..language.display import Displayed, Item, Title
from ..language.families import Form
from ..language.latex import latex
from ..language.layout import Box
from ..language.lazy import cached_property
from ..language.mathml import document
from ..language.notation import USUAL, Notation
from ..language.noted import noted
from ..language.program import MOST, Program
from ..language.ranges import define, outline
from ..language.show import definition_text, header_text
from ..language.tree import Definition, reads
from .arrays import to_array
from .call import Ready, reference
from .template import Template


@dataclass(eq=False)
class Op(Displayed):
    """A layer or function given by its formula; see `op`.

    Calling it evaluates it: arrays in the header's order (or by name), settings by name.
    """

    meaning: Callable[[], Definition | Template] = field(repr=False)
    doc: str = ""
    _gradients: dict[tuple[str, ...], Gradient] = field(default_factory=dict, repr=False)
    _tangents: dict[tuple[str, ...], Tangent] = field(default_factory=dict, repr=False)
    _derived: dict[Definition, Op] = field(default_factory=dict, repr=False)
    _calls: Recent[tuple[Ready, tuple[int | str, ...], Mapping[str, int | float]]] = field(default_factory=session.recent, repr=False)
    _ready: Recent[Ready] = field(default_factory=session.recent, repr=False)
    _bounds: Recent[Program] = field(default_factory=session.recent, repr=False)
    _forms: dict[tuple[Form, str], Op] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, meaning: Definition | Template, doc: str = "") -> Op:
        """The operation that a definition is, or a text that leaves something open."""
        return cls(lambda: meaning, doc)

    @cached_property
    def _meaning(self) -> Definition | Template:
        return self.meaning()

    @cached_property
    def template(self) -> Template | None:
        """The text, where it leaves something open."""
        return self._meaning if isinstance(self._meaning, Template) else None

    @cached_property
    def definition(self) -> Definition:
        """What the text says, in the form that is shown where it leaves something open."""
        return self._meaning.definition if isinstance(self._meaning, Template) else self._meaning

    @cached_property
    def name(self) -> str:
        return self._meaning.name

    def __reduce__(self) -> tuple[object, ...]:
        return Op.of, (self._meaning, self.doc)  # what was derived and compiled belongs to this process

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

    def uses(self, name: str) -> bool:
        """Whether a line reads a tensor of this name."""
        return any(r.tensor == name for line in self.definition.lines for r in reads(line.expr))

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
            d = expanded(define(self.template.text, form))
            self._forms.setdefault(key, Op.of(replace(d, name=name) if name else d, self.doc))
        return self._forms[key]

    def meant(self, args: Sequence[object], given: Mapping[str, object]) -> tuple[Op, dict[str, np.ndarray], dict[str, int | float]]:
        """The operation that a call with these arguments means, its arrays by name and its settings."""
        if self.template is None:
            return self, *self.arguments(args, given)
        form, inputs, settings = self.template.chosen(self.name, args, given)
        op = self.form(form)
        return op, *op.arguments((), inputs | settings)

    def latex(self, notation: Notation = USUAL) -> str:
        """The formulas in LaTeX, a line each, in the reader's notation."""
        return "\n".join(map(latex, self.boxes(notation)))

    def mathml(self, notation: Notation = USUAL) -> str:
        """The same in MathML."""
        return "\n".join(map(document, self.boxes(notation)))

    def boxes(self, notation: Notation = USUAL) -> list[Box]:
        """The formulas as they stand on paper."""
        return [noted(line, self.definition.axes, notation) for line in self.definition.lines]

    def _items(self) -> Iterator[Item]:
        yield Title(self.header)
        yield from self.boxes()

    @cached_property
    def floats(self) -> frozenset[str]:
        """Settings whose value is given anew in each call."""
        several = self.template.outline.families.settings if self.template else ()
        return self.definition.floats.difference(several)

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

    def __call__(self, *args: Any, engine: str = "native", threads: int | None = None, **given: Any) -> Any:
        """The outputs for arrays and settings: an array, or a tuple of arrays where there are several.

        >>> import numpy as np
        >>> double = op("double(x[n,D]; k=2) -> y[n,D]\\n y[n,i] = k * x[n,i]")
        >>> double(np.ones((1, 2)), k=3)
        array([[3., 3.]])
        """
        key = self.kind_of_call(args, given) if engine == "native" and threads is None else None
        if key is not None and (found := self._calls.get(key)) is not None:
            ready, names, settings = found
            arrays = [args[k] if isinstance(k, int) else given[k] for k in names]
            out = ready.run(arrays, {**settings, **given} if ready.scalars else settings, None)
        else:
            node = next((a for a in (*args, *given.values()) if hasattr(a, "apply")), None)
            if node is not None:  # a tensor without numbers, which writes down what is done with it
                return node.apply(self, args, given)  # type: ignore[no-any-return]  # what it writes down is its business
            threads = threads_asked(threads)
            op, known, settings = self.meant(args, given)
            values = op.evaluate(known, settings, engine, threads)
            out = tuple(values[t.name] for t in op.definition.outputs)
            where: dict[str, int | str] = {k: k for k in given} | {k: i for i, k in enumerate(self.inputs[: len(args)])}
            source = dict(given) | dict(zip(self.inputs, args, strict=False))
            if key is not None and all(a is source[k] and (a.dtype.kind in "fb" or is_stored(a.dtype)) for k, a in known.items()):
                self._calls.put(key, (op.ready(known, settings), tuple(where[k] for k in known), settings))
        return out[0] if len(out) == 1 else out

    def kind_of_call(self, args: Sequence[Any], given: Mapping[str, Any]) -> tuple[object, ...] | None:
        """What a repeated call is known by: shapes, types and whole settings; None where it has to be looked at closer."""
        key: list[object] = [current()]
        for a in args:
            if type(a) is np.ndarray:
                key += a.shape, a.dtype
            elif a is None:
                key.append(None)
            else:
                return None
        for k, v in given.items():
            if type(v) is np.ndarray:
                key += k, v.shape, v.dtype
            elif k in self.floats:
                if type(v) not in (int, float) or not -math.inf < v < math.inf or (type(v) is int and abs(v) >= MOST):
                    return None
                key += k, float
            elif type(v) is int or (type(v) is tuple and all(type(x) is int for x in v)):
                key += k, v
            else:
                return None
        return tuple(key)

    def __deepcopy__(self, memo: object) -> Op:
        return self  # nothing in it changes

    def bound(self, shapes: Mapping[str, tuple[int, ...]], settings: Mapping[str, int | float], free: bool) -> Program:
        """The operation at these sizes, proven once for them."""
        key = (tuple(shapes.items()), tuple(settings.items()), free)
        return self._bounds.get(key) or self._bounds.put(key, bind(self.definition, shapes, settings, free_samples=free))

    def evaluate(
        self, arrays: Mapping[str, np.ndarray], settings: Mapping[str, int | float], engine: str = "native", threads: int | None = None
    ) -> dict[str, np.ndarray]:
        """Outputs by name; inputs declared to hold whole numbers are checked."""
        arrays = {k: counted(a) for k, a in arrays.items()}
        if engine == "reference":
            return reference(self.definition, arrays, settings)
        if engine != "native":
            raise ArgumentError(f"engine={engine!r}: there is no such engine; accepted: 'native' or 'reference'")
        values = self.ready(arrays, settings).run([arrays[t.name] for t in self.definition.inputs], settings, threads)
        return {t.name: v for t, v in zip(self.definition.outputs, values, strict=True)}

    def ready(self, arrays: Mapping[str, np.ndarray], settings: Mapping[str, int | float]) -> Ready:
        """The operation for arrays of these shapes and types, made once."""
        whole = tuple((k, v) for k, v in settings.items() if k not in self.floats)
        key = (tuple((k, a.shape, a.dtype) for k, a in arrays.items()), whole, current())
        return self._ready.get(key) or self._ready.put(key, Ready(self.definition, arrays, settings, self.lane_ready))

    def program(self, *args: object, **given: object) -> Program:
        """The operation at the sizes of these arrays (or shapes).

        >>> print(op("double(x[n,D]) -> y[n,D]\\n y[n,i] = 2 * x[n,i]").program((4, 3)))
        double(x[n,3]) -> y[n,3]
            y[n,i] = 2 * x[n,i]
        """
        op, arrays, settings = self.shaped(args, given)
        return op.ready(arrays, settings).program.at(settings)

    def loops(self, *args: object, **given: object) -> str:
        """The loop nests that were compiled for these arrays (or shapes), each with the formula it came from."""
        return "\n".join(self.code(*args, **given).layout.notes)

    def c(self, *args: object, **given: object) -> str:
        """The same loop nests as a C file, for these arrays (or shapes); its function is chainrule_<name>.

        >>> twice = op("twice(x[n,D]; k=2) -> y[n,D]\\n y[n,i] = k * x[n,i]")
        >>> text = twice.c((4, 3))
        >>> [line for line in text.splitlines() if line.startswith("int ")]
        ['int chainrule_twice(int64_t n, const float *x, float *y)']
        """
        return c_source(self.code(*args, **given).spec, self.name)

    def code(self, *args: object, **given: object) -> Code:
        return self.ready_for(args, given).machine.code

    def ready_for(self, args: Sequence[object], given: Mapping[str, object]) -> Ready:
        """The operation as a call with these arrays (or shapes) means it."""
        op, arrays, settings = self.shaped(args, given)
        return op.ready(arrays, settings)

    def shaped(self, args: Sequence[object], given: Mapping[str, object]) -> tuple[Op, dict[str, np.ndarray], dict[str, int | float]]:
        """What `meant` gives, for arrays or shapes."""
        op, arrays, settings = self.meant([_of_shape(a) for a in args], {k: _of_shape(v) if k in self.inputs else v for k, v in given.items()})
        return op, {k: counted(a) for k, a in arrays.items()}, settings

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
        return self._derived.setdefault(definition, Op.of(definition))

    def known(self, wrt: Sequence[str]) -> None:
        names = [t.name for t in self.definition.inputs]
        for x in wrt:
            if x not in names:
                raise ArgumentError(f"{x!r}: {self.name} has no such input; accepted: {', '.join(names)}")


def _of_shape(value: object) -> object:
    """An array of a shape that takes no memory; anything else as it is."""
    if not isinstance(value, tuple):
        return value
    try:
        return np.broadcast_to(np.float32(0), value)
    except (ValueError, TypeError):
        raise ShapeError(f"{value!r:.80}: not the shape of an array; accepted: sizes of at least 0 that memory could hold") from None


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
    made = Op.of(meaning(text, shown))
    _ = made.definition  # read now, so that what makes no sense is told here
    return made


def later(text: str | Callable[[], Op], shown: Mapping[str, int] | None = None, doc: str = "") -> Op:
    """The same for a text that is known to make sense, or another operation: it is read when the operation is first used."""
    if isinstance(text, str):
        return Op(lambda: meaning(text, shown), doc)
    return Op(lambda: text()._meaning, doc)


def meaning(text: str, shown: Mapping[str, int] | None = None) -> Definition | Template:
    """What a text says; shown: as in `op`."""
    left_open = outline(text)
    return Template.of(text, left_open, shown or {}) if left_open.open else expanded(define(text))
