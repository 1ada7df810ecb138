"""Derivations: how a gradient, a tangent, a Jacobian or a second derivative comes about, step by step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from ..calculus.reverse import Gradient, reverse
from ..calculus.steps import Rule, Step
from ..calculus.tidy import Moves, rewriting, tidied
from ..errors import ArgumentError
from ..language.branches import with_brackets
from ..language.display import Displayed, Item
from ..language.latex import latex
from ..language.mathml import document
from ..language.notation import USUAL, Notation
from ..language.show import expression, header_text, line_text
from ..language.tree import ONE, Call, Const, Definition, Expr, Line, Read, mul, needed, neg, rebuild
from ..nn.module import Module
from ..operation.derivative import named, with_numbers
from ..operation.op import Op
from .jacobian import Cases, cases, jacobian
from .naming import with_shares
from .put_together import Shapes, chain, network
from .render import boxes, items, rendered
from .written_out import written_out

LOSS = "E"  # a scalar output of this name is what is made small: dE/dE = 1


@dataclass(frozen=True)
class Derivation(Displayed):
    """How a derivative comes about.

    of: the operation. wrt: by which inputs. steps: the moves, each a formula of the language and the rule that led to it. op: the whole derived
    operation. results: its lines that were asked for; branches: of a Jacobian, what it is where indices are equal and where they are not.
    """

    of: Op
    wrt: str | tuple[str, ...]
    steps: tuple[Step, ...]
    op: Op
    results: tuple[Line, ...]
    title: str
    branches: Mapping[str, Expr]

    @property
    def definition(self) -> Definition:
        return self.op.definition

    @property
    def formula(self) -> str:
        """What was asked for, a line each; lines that it reads (saved decisions, intermediates) are in `op`."""
        return "\n".join(line_text(line, self.definition.axes) for line in self.results)

    @property
    def cases(self) -> dict[str, str]:
        """The branches of a Jacobian as text, "i = j" and "i != j"."""
        return {case: expression(e, self.definition.axes) for case, e in self.branches.items()}

    def latex(self, notation: Notation = USUAL) -> str:
        """The same in LaTeX, a line each."""
        return "\n".join(map(latex, boxes(self, self.results, notation)))

    def mathml(self, notation: Notation = USUAL) -> str:
        """The same in MathML."""
        return "\n".join(map(document, boxes(self, self.results, notation)))

    def render(self, format: str = "text", notation: Notation = USUAL) -> str:
        """The whole derivation with its reasons, as "text", "latex" or "markdown" (parts of documents) or "html" (a page), in the reader's notation."""
        return rendered(self, format, notation)

    def markdown(self, notation: Notation = USUAL) -> str:
        return self.render("markdown", notation)

    def html(self, notation: Notation = USUAL) -> str:
        return self.render("html", notation)

    def _items(self) -> Iterator[Item]:
        return items(self)

    def __str__(self) -> str:
        rows = [self.title, ""]
        for k, step in enumerate(self.steps, 1):
            rows.append(f"{k:3}. {step.formula}\n        {step.reason}")
        rows += ["", *(f"{k}: {v}" for k, v in self.cases.items())] if self.cases else []
        return "\n".join([*rows, "", str(self.op)])

    def __getitem__(self, name: str) -> Derivation:
        """The part of it for one of several inputs."""
        known = (self.wrt,) if isinstance(self.wrt, str) else self.wrt
        if name not in known:
            raise ArgumentError(f"{name!r}: not among the derivatives; accepted: {', '.join(known)}")
        line = self.results[known.index(name)]
        own = {line.tensor, *(r for x in needed(self.definition.lines, {line.tensor}) for r in (x.tensor,))}
        steps = tuple(s for s in self.steps if s.line.tensor in own or s.rule in (Rule.GIVEN, Rule.LOSS))
        return replace(self, wrt=name, steps=steps, results=(line,))


def derive(
    what: object,
    wrt: str | Sequence[str] | None = None,
    *,
    mode: str = "reverse",
    order: int = 1,
    expand: bool = False,
    loss: object = None,
    input: tuple[int, ...] | Shapes | None = None,
    targets: Shapes | None = None,
    **given: object,
) -> Derivation:
    """The derivative of an operation, a text, a layer, a network or a list of these put end to end, step by step.

    wrt: an input by its name in the formula or, of a program, layer or network, by its public name; several; or (None) all that can move.
    mode: "reverse" (the gradient of a loss), "forward" (what outputs change by), "jacobian" (one output by one input; `cases` says what it is where indices are
    equal). order: 2 for how the gradient of a loss, or else the
    Jacobian, changes with the input again. expand: with sizes given, sums are written out term by term. loss, input, targets: of a network, its loss
    and the shapes of inputs and targets without samples. given: settings and sizes, which stand as numbers in the formulas then.

    >>> from chainrule.ops import linear, softmax
    >>> print(derive(linear, "w").formula)
    dw[o,k] = sum[n](dy[n,o] * x[n,k])
    >>> print(derive("powers(x[n,D]; k=2) -> y[n,D]\\n y[n,i] = x[n,i]**k", "x", k=3).formula)
    dx[n,i] = 3 * dy[n,i] * x[n,i]**2
    >>> print(derive(softmax, mode="jacobian").cases["i = j"])
    y[n,i] * (1 - y[n,i])
    """
    op, public = _operation(what, input, loss, targets)
    op = with_numbers(op, given) if given else op
    if mode not in ("reverse", "forward", "jacobian"):
        raise ArgumentError(f"mode={mode!r:.40}: there is no such mode; accepted: 'reverse', 'forward' or 'jacobian'")
    if order not in (1, 2):
        raise ArgumentError(f"order={order!r:.40}: not an order of derivatives; accepted: 1 or 2")
    names = _names(op, wrt, public)
    if mode == "forward":
        made = _forward(op, names)
    elif mode == "jacobian":
        made = _jacobian(op, names)
    else:
        made = _reverse(op, names)
    if order == 2:
        first = made if mode != "reverse" or _is_loss(op.definition) else _jacobian(op, names)
        made = _forward(first.op, names) if mode == "forward" else _jacobian(first.op, names)
        made = replace(made, steps=tuple(_distinct([*first.steps, *made.steps])), title=f"second derivative: {first.title}", of=op)
    made = replace(made, steps=tuple(_distinct(_with_brackets(made.steps))))
    made = replace(made, wrt=wrt if isinstance(wrt, str) else tuple(public_name(public, n) for n in names))
    return _written_out(made) if expand else made


def public_name(public: Mapping[str, str], name: str) -> str:
    return next((k for k, v in public.items() if v == name), name)


def _operation(what: object, input: object, loss: object, targets: Shapes | None) -> tuple[Op, Mapping[str, str]]:
    if isinstance(what, (list, tuple)):
        return chain(what)
    if isinstance(what, Module) and (input is not None or loss is not None):
        shape = input if input is not None else what.input.shape if what.input is not None else None
        if shape is None:
            raise ArgumentError("input=None: the shape of what goes into the network is not known; accepted: input=(1, 28, 28), without samples")
        return network(what, _shapes(shape, "input"), loss, None if targets is None else _shapes(targets, "targets"))
    told = [k for k, v in (("input", input), ("loss", loss), ("targets", targets)) if v is not None]
    if told:
        raise ArgumentError(f"{told[0]}: of what is no network; accepted: a module of chainrule.nn, with input=(1, 28, 28) and loss=…")
    try:
        return named(what)
    except ArgumentError as e:
        if not isinstance(what, Module):
            raise
        raise ArgumentError(f"{e}; or the shape of its input without samples, as in input=(1, 28, 28)") from None


def _shapes(value: object, what: str) -> list[tuple[int, ...]]:
    """One shape, or several, without samples."""
    if isinstance(value, int):
        return [(value,)]
    if isinstance(value, (list, tuple)) and all(isinstance(k, int) for k in value):
        return [tuple(value)]
    if isinstance(value, (list, tuple)) and all(isinstance(s, (list, tuple)) and all(isinstance(k, int) for k in s) for s in value):
        return [tuple(s) for s in value]
    raise ArgumentError(f"{what}={value!r:.60}: no shape; accepted: sizes without samples, as in (1, 28, 28), or a list of such")


def _names(op: Op, wrt: object, public: Mapping[str, str]) -> tuple[str, ...]:
    d = op.definition
    if wrt is None:
        return tuple(t.name for t in d.inputs if t.whole is None)
    found = [wrt] if isinstance(wrt, str) else wrt
    accepted = ", ".join(dict.fromkeys([*(t.name for t in d.inputs), *(k for k, v in public.items() if v in {t.name for t in d.inputs})]))
    if not isinstance(found, Iterable) or not all(isinstance(x, str) for x in found):
        raise ArgumentError(f"{wrt!r:.80}: not the name of an input; accepted: one or several of {accepted}")
    names = tuple(public.get(x, x) for x in found)
    for x, name in zip(found, names, strict=True):
        if name not in {t.name for t in d.inputs}:
            raise ArgumentError(f"{x!r:.80}: {op.name} has no such input; accepted: {accepted}")
    return names


def _reverse(op: Op, names: tuple[str, ...]) -> Derivation:
    d = op.definition
    is_loss = _is_loss(d)
    g = reverse(d, names)
    steps = list(_ordered(g))
    if is_loss:
        steps = [_without_seed(s, g.seed[LOSS]) for s in steps]
        steps.insert(1 if steps else 0, _loss_step(g.seed[LOSS], steps))
        before = g.definition.axes
        g, moves = _of_loss(g)
        for name, done in moves.items():
            at = max((k for k, s in enumerate(steps) if s.line.tensor == name), default=len(steps) - 1)
            steps[at + 1 : at + 1] = rewriting(done, {**before, **g.definition.axes})  # what became one line was two
    derived, more = with_shares(g.definition, g.forward, d.names)
    results = tuple(next(x for x in derived.lines if x.tensor == g.of[n]) for n in names)
    steps = _distinct(_put_in(steps, more))
    title = ", ".join(f"∂E/∂{n}" for n in names) + f" of {header_text(d)}"
    return Derivation(op, names, tuple(steps), op.derived(derived), results, title, {})


def _is_loss(d: Definition) -> bool:
    """Whether the only output is one number called E."""
    return [t.name for t in d.outputs] == [LOSS] and not d.outputs[0].axes


def _ordered(g: Gradient) -> Iterable[Step]:
    """The steps of all gradients in the order in which they are computed."""
    for name in g.records:
        yield from g.steps[name]


def _of_loss(g: Gradient) -> tuple[Gradient, dict[str, Moves]]:
    """The gradient of a loss itself, dE/dE = 1, and what was done to its lines then."""
    seed = g.seed[LOSS]
    d = g.definition
    lines = tuple(replace(x, expr=_with_one(x.expr, seed)) for x in d.lines)
    d = d.with_lines(lines=lines, inputs=tuple(t for t in d.inputs if t.name != seed))
    d, moves = tidied(d, g.forward)
    values = {x.tensor for x in g.definition.lines[: g.forward]}
    return replace(g, definition=d, forward=sum(x.tensor in values for x in d.lines)), moves


def _with_one(e: Expr, seed: str) -> Expr:
    """e with 1 in place of the seed, which then is no factor."""
    if e == Read(seed, ()):
        return ONE
    new = rebuild(e, lambda a: _with_one(a, seed))
    match new:
        case Call("neg", (a,)) if a == ONE or isinstance(a, Call):
            return neg(a)
        case Call("*", (a, b)) if isinstance(a, Const) or isinstance(b, Const):
            return mul(a, b)
    return new


def _without_seed(s: Step, seed: str) -> Step:
    make = s.make
    return replace(s, make=lambda: replace(make(), expr=_with_one(make().expr, seed)))


def _loss_step(seed: str, steps: Sequence[Step]) -> Step:
    return Step(Rule.LOSS, lambda: Line(seed, (), (), ONE), {**(steps[0].axes if steps else {}), seed: ()})


def _with_brackets(steps: Sequence[Step]) -> Iterator[Step]:
    """The steps with brackets for conditions on the way; what a tensor is in the end stays as it is computed."""
    last = {s.line.tensor: k for k, s in enumerate(steps)}
    for k, s in enumerate(steps):
        yield s if s.rule is Rule.GIVEN or last[s.line.tensor] == k else replace(s, make=partial(_bracketed, s))


def _bracketed(s: Step) -> Line:
    return replace(s.line, expr=with_brackets(s.line.expr, s.axes))


def _distinct(steps: Iterable[Step]) -> list[Step]:
    """The steps without those whose formula was there before."""
    seen: set[str] = set()
    out = []
    for s in steps:
        if s.formula not in seen:
            seen.add(s.formula)
            out.append(s)
    return out


def _put_in(steps: Sequence[Step], more: Sequence[Step]) -> list[Step]:
    """Steps with further ones, each pair (a name, the line that has it now) behind the last of the line's tensor."""
    out = list(steps)
    for name, line in zip(more[::2], more[1::2], strict=True):
        at = max((k for k, s in enumerate(out) if s.line.tensor == line.line.tensor), default=len(out) - 1)
        out[at + 1 : at + 1] = [name, line]
    return out


def _forward(op: Op, names: tuple[str, ...]) -> Derivation:
    tangent = op.tangent(names)
    d = tangent.definition
    results = tuple(next(x for x in d.lines if x.tensor == tangent.of[t.name]) for t in op.definition.outputs)
    title = f"the tangents of {header_text(op.definition)} by {', '.join(names)}"
    return Derivation(op, names, tuple(_distinct(tangent.steps)), op.derived(d), results, title, {})


def _jacobian(op: Op, names: tuple[str, ...]) -> Derivation:
    if len(op.definition.outputs) != 1 or len(names) != 1:
        raise ArgumentError(f"mode='jacobian': of {len(op.definition.outputs)} outputs by {len(names)} inputs; accepted: one output by one input")
    first = _reverse_plain(op, names)
    made = jacobian(op.definition, first, names[0])
    found: Cases = cases(made.line, made.definition)
    title = f"∂{op.definition.outputs[0].name}/∂{names[0]} of {header_text(op.definition)}"
    steps = _distinct([*_ordered(first), *made.steps])
    return Derivation(op, names, tuple(steps), op.derived(made.definition), (made.line,), title, found)


def _reverse_plain(op: Op, names: tuple[str, ...]) -> Gradient:
    return reverse(op.definition, names)


def _written_out(made: Derivation) -> Derivation:
    d, lines = written_out(made.definition, [x.tensor for x in made.results])
    axes = {**made.definition.axes, **d.axes}
    steps = [Step(Rule.WRITTEN_OUT, partial(_itself, x), axes, element) for x, element in lines]
    return replace(made, op=made.of.derived(d), results=tuple(x for x, _ in lines), steps=tuple(_distinct([*made.steps, *steps])))


def _itself(line: Line) -> Line:
    return line
