"""Formulas nobody wrote: random definitions from a seed, with sizes, settings and data that fit them.

What engines mix up is made often: square and tiny sizes, one tensor read several times with different indices, letters and their
products as values, brackets of indices, fractional settings, lines that later lines read, nested reductions, samples and none.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from chainrule import DefinitionError
from chainrule.language.ranges import define
from chainrule.language.tree import Definition, Expr, Reduce, children
from tests.plain import whole

WORK = 400  # places times terms of the busiest line, without samples


@dataclass(frozen=True)
class Formula:
    """A definition and what to call it with. whole: inputs of whole numbers. data: normal, integers (ties) or wild (NaN, ±inf, 0)."""

    text: str
    sizes: Mapping[str, int] = field(default_factory=dict)
    settings: Mapping[str, int | float] = field(default_factory=dict)
    whole: Mapping[str, str] = field(default_factory=dict)
    data: str = "normal"
    samples: tuple[int, ...] = (1,)
    seed: int = 0

    @property
    def definition(self) -> Definition:
        return define(self.text)

    def shapes(self, samples: int) -> dict[str, tuple[int, ...]]:
        d = self.definition
        env = dict(d.settings) | dict(self.settings) | dict(self.sizes) | {d.sample_size: samples}
        return {t.name: tuple(int(whole(p, env)) for p in t.axes) for t in d.inputs}

    def arrays(self, samples: int, dtype: type = np.float64) -> dict[str, np.ndarray]:
        rng = np.random.default_rng([self.seed, samples])
        return {
            name: rng.integers(0, 5, shape).astype(self.whole[name]) if name in self.whole else numbers(rng, shape, self.data).astype(dtype)
            for name, shape in self.shapes(samples).items()
        }

    def __str__(self) -> str:
        rest = [f"{k}={v!r}" for k, v in (("sizes", dict(self.sizes)), ("settings", dict(self.settings)), ("whole", dict(self.whole))) if v]
        return "\n".join([self.text, f"    # samples={self.samples} data={self.data} seed={self.seed} " + " ".join(rest)])


def numbers(rng: np.random.Generator, shape: tuple[int, ...], kind: str) -> np.ndarray:
    if kind == "integers":
        return rng.integers(-3, 4, shape).astype(float)
    a = np.round(rng.normal(size=shape), 5)
    if kind == "wild":
        chosen = rng.choice([np.nan, np.inf, -np.inf, 0.0, 1e30], size=shape)
        a = np.where(rng.random(shape) < 0.15, chosen, a)
    return np.asarray(a)


def work(d: Definition, sizes: Mapping[str, int | float]) -> int:
    """How many nodes a literal evaluation visits."""

    def of(e: Expr) -> float:
        times = 1.0
        if isinstance(e, Reduce):
            for r in e.ranges:
                times *= max(0, whole(r, sizes))
        return 1 + times * sum(of(c) for c in children(e))

    total = 0.0
    for line in d.lines:
        places = 1.0
        for r in line.ranges:
            places *= max(0, whole(r, sizes))
        total += places * of(line.expr)
    return int(total)


def make(seed: int) -> Formula:
    """The formula of a seed: the first attempt that makes sense."""
    for attempt in itertools.count():
        f = Maker(random.Random(f"{seed}.{attempt}"), seed).make()
        try:
            d = f.definition
        except DefinitionError as e:
            if not any(w in str(e) for w in ("two ranges", "reads outside", "division by zero", "not the size")):
                raise AssertionError(f"{f}\n{e}") from e
            continue
        shapes = f.shapes(1)
        if (
            all(s > 0 for shape in shapes.values() for s in shape)
            and len(f.text) < 1200
            and work(d, sizes_of(f, 1)) < 40 * WORK * (20 if max(f.sizes.values()) > 17 else 1)
        ):
            return f
    raise AssertionError


def whole_sizes(f: Formula) -> dict[str, int]:
    """Sizes by name, those that the definition names."""
    return {k: v for k, v in f.sizes.items() if k in f.definition.names}


def sizes_of(f: Formula, samples: int) -> dict[str, int | float]:
    d = f.definition
    return dict(d.settings) | dict(f.settings) | dict(f.sizes) | {d.sample_size: samples}


class Maker:
    def __init__(self, r: random.Random, seed: int):
        self.r, self.seed = r, seed
        self.sampled = r.random() < 0.6
        self.busy = r.random() < 0.3
        self.sizes: dict[str, int] = {}
        self.inputs: dict[str, list[str]] = {}
        self.tensors: dict[str, list[str]] = {}  # every tensor that can be read: its axes as written
        self.whole: dict[str, str] = {}
        self.used: set[str] = set()
        self.large = r.random() < 0.12
        self.most = WORK * (40 if self.large else 1)
        most = r.choice([1, 2, 3, 4, 5, 5, 6, 8, 9, 16, 17]) if not self.large else r.choice([7, 16, 19, 24, 33])
        square = r.random() < 0.5
        for name in "ABC"[: r.choice([1, 2, 2, 3])]:
            self.sizes[name] = most if square else r.randint(1, max(2, min(most, 9))) if not self.large else r.randint(2, most)
        if r.random() < 0.2:
            self.sizes["A"] = r.choice([8, 16, 17, 1, 2])
        whole_settings = {"s": r.choice([1, 2, 3]), "p": r.choice([0, 1, 2])}
        self.fractions = {"a": r.choice([0.5, -0.5, 1.5, 0.25, 2.0, -1.0]), "c": r.choice([0.5, 0.1, 2.5])} if r.random() < 0.5 else {}
        self.steps = whole_settings if r.random() < 0.4 else {}

    # Sizes, letters, indices ----------------------------------------------------------------------------------------

    def number(self, size: str) -> int:
        return self.sizes[size] if size in self.sizes else 2 if size == "N" else int(eval(size, {}, self.sizes | self.steps))

    def a_size(self, most: int, empty: bool) -> str:
        """A name, a literal or something computed of at most `most`, perhaps 0."""
        named = [k for k, v in self.sizes.items() if v <= most]
        if named and self.r.random() < 0.75:
            size = self.r.choice(named)
            forms = [
                f"{size}-1",
                f"{size}+1",
                f"2*{size}",
                f"{size}//2+1",
                f"({size}-1)//2",
                *([f"({size}-1)//s+1", "s", f"{size}+p"] if self.steps else []),
            ]
            computed = [x for x in forms if 0 <= self.number(x) <= most and (empty or self.number(x))]
            return self.r.choice(computed) if computed and self.r.random() < 0.15 else size
        return str(self.r.randint(1, max(1, min(most, 5))))

    def room(self, scope: Mapping[str, str]) -> int:
        left = self.most
        for x, size in scope.items():
            left //= max(1, self.number(size)) if x not in ("n", "m") else 1
        return max(1, left)

    def letters(self, scope: Mapping[str, str], pool: str, count: int, empty: bool = False) -> dict[str, str]:
        new: dict[str, str] = {}
        free = [x for x in pool if x not in scope]
        for x in self.r.sample(free, min(count, len(free))):
            new[x] = self.a_size(self.room({**scope, **new}), empty)
        return new

    def index(self, scope: Mapping[str, str]) -> str:
        """A random index expression over letters."""
        r = self.r
        own = [x for x in scope if x not in ("n", "m")]
        if not own:
            return str(r.choice([0, 0, 1, 2]))
        text = ""
        for x in r.sample(own, min(len(own), r.choice([1, 1, 2, 2, 3]))):
            c = r.choice([1, 1, 1, 1, 2, 2, 3, -1, -1, -2, -3, 4, 6, 7, -6])
            part = x if abs(c) == 1 else f"{abs(c)}*{x}"
            if abs(c) == 1 and self.steps and r.random() < 0.3:
                part = f"s*{x}"
            if abs(c) == 1 and len(own) > 1 and r.random() < 0.06:
                part = f"{x}*{r.choice(own)}"
            text += ("-" if c < 0 else "+") + part
        text = text.lstrip("+")
        if self.steps and r.random() < 0.2:
            text += "-p"
        if r.random() < 0.5:
            text += r.choice(["+1", "-1", "+2", "-2", "+6", "-3"])
        kind = r.random()
        if kind < 0.1:
            text = f"({text})//{r.choice([2, 2, 3, 4])}"
        elif kind < 0.16:
            text = f"({text})%{r.choice([2, 3, 4, r.choice(list(self.sizes))])}"
        elif kind < 0.2:
            text = f"({text})//2+{r.choice(own)}"
        elif kind < 0.22:
            text = f"2*(({text})%3)-({r.choice(own)})//2"
        return text

    def extent(self, text: str, scope: Mapping[str, str]) -> tuple[int, int]:
        own = [x for x in scope if x not in ("n", "m")]
        code = compile(text, "index", "eval")
        env = dict(self.sizes) | self.steps
        found = [eval(code, {}, {**env, **dict(zip(own, at))}) for at in itertools.product(*[range(self.number(scope[x])) for x in own])]
        return min(found, default=0), max(found, default=0)

    # Reads ----------------------------------------------------------------------------------------------------------

    def read(self, scope: Mapping[str, str], inside: bool) -> str:
        r = self.r
        self.fresh_letters = r.sample(list(scope), len(scope))
        usable = [t for t, axes in self.tensors.items() if "n" not in axes or "n" in scope or "m" in scope or r.random() < 0.03]
        if usable and r.random() < 0.6:
            name = r.choice(usable[-3:] + usable)
            indices = [self.onto(size, scope, inside) for size in self.tensors[name]]
        else:
            name, indices = self.fresh(scope, inside)
        self.used.add(name)
        text = f"{name}[{', '.join(indices)}]" if indices else name
        dropped = not inside and r.random() < 0.08 and any(x not in scope for x in indices)  # a sum of what stands at letters alone is refused
        return f"sum({text})" if dropped else text

    def onto(self, size: str, scope: Mapping[str, str], inside: bool) -> str:
        """An index for an axis of a tensor that exists."""
        r = self.r
        if size == "n":
            return r.choice([x for x in ("n", "m") if x in scope] or ["0"])
        fit = [x for x, s in scope.items() if s == size and x not in ("n", "m")]
        if fit and r.random() < 0.65:
            unused = [x for x in fit if x in self.fresh_letters] or fit
            x = r.choice(unused if r.random() < 0.8 else fit)
            self.fresh_letters = [y for y in self.fresh_letters if y != x]
            return x
        if not inside:
            x = r.choice(fit) if fit else "0"
            return r.choice([x, x, "0", f"{size}-1-{x}", f"({x}+1)%{size}", f"{x}//2"])
        text = self.index(scope)
        low, high = self.extent(text, scope)
        if low > self.number(size) - 1 or high < 0:
            text = f"{text}{r.randint(0, max(0, self.number(size) - 1)) - low:+d}"
        return text

    def fresh(self, scope: Mapping[str, str], inside: bool) -> tuple[str, list[str]]:
        """A new input, read at an index of each axis."""
        r = self.r
        name = next((x for x in "xwbgdfhet" if x not in self.inputs), f"x{len(self.inputs)}")
        axes, indices = [], []
        if "n" in scope and r.random() < 0.75:
            axes, indices = ["n"], ["n"]
        own = [x for x in scope if x not in ("n", "m")]
        fresh = r.sample(own, len(own))  # each letter once before one comes twice
        for _ in range(r.choice([0, 1, 1, 2, 2, 2, 3, 4 if self.busy else 2])):
            if own and (not inside or r.random() < 0.6):
                x = fresh.pop() if fresh else r.choice(own)
                axes.append(scope[x])
                indices.append(x)
                continue
            text = self.index(scope) if inside else "0"
            low, high = self.extent(text, scope)
            shift = r.choice([0, 0, 1, -1]) - low if low < 0 or r.random() < 0.3 else 0
            size = max(1, high + shift + 1 - r.choice([0, 0, 0, 1, 2]))
            named = [k for k, v in self.sizes.items() if v == size or r.random() < 0.15]
            axes.append(r.choice(named) if named and r.random() < 0.7 else str(min(size, 40)))
            indices.append(f"{text}{shift:+d}" if shift else text)
        self.inputs[name] = self.tensors[name] = axes
        if r.random() < 0.08:
            self.whole[name] = r.choice(["int64", "uint8", "int32"])
        return name, indices

    # Values ---------------------------------------------------------------------------------------------------------

    def number_text(self) -> str:
        return self.r.choice(["2", "0.5", "3", "0.1", "-1", "1.5", "0", "1", *(self.fractions or ["2"]), *(self.steps or ["0.25"])])

    def letter_value(self, scope: Mapping[str, str]) -> str:
        r = self.r
        own = [x for x in scope if x not in ("n", "m")] or [r.choice(list(self.sizes))]
        x, y = r.choice(own), r.choice(own)
        forms = [
            x,
            x,
            f"{x}*{y}",
            f"{x}*{y}",
            f"({x}-{y})",
            f"(2*{x}+1)",
            f"(3*{x}-2*{y})",
            f"({x}//2)",
            f"({x}%3)",
            f"({x}*{y}+{x})",
            r.choice(list(self.sizes)),
        ]
        if self.fractions:
            forms += [f"a*{x}", f"a*{x}", f"(c*{x}-a)", f"a*{x}*{y}"]
        return r.choice([*forms, f"0.5*{x}"])

    def bracket(self, scope: Mapping[str, str]) -> str:
        r = self.r
        a = self.letter_value(scope) if r.random() < 0.4 else self.index(scope)
        b = r.choice([self.letter_value(scope), self.index(scope), str(r.randint(0, 4)), self.number_text()])
        if r.random() < 0.2:
            return f"({self.index(scope)} <= {a} {r.choice(['<', '<='])} {b})" if r.random() < 0.7 else f"({a} <= {b} and {self.index(scope)} > 0)"
        return f"({a} {r.choice(['<=', '<', '==', '>=', '>', '!=', '<=', '=='])} {b})"

    def leaf(self, scope: Mapping[str, str], inside: bool) -> str:
        k = self.r.random()
        if k < 0.75:
            return self.read(scope, inside)
        return self.letter_value(scope) if k < 0.92 else self.number_text()

    def value(self, scope: Mapping[str, str], depth: int, inside: bool, nest: int = 0) -> str:
        r = self.r
        if depth <= 0 or (r.random() < 0.12 and depth < self.depth):
            return self.leaf(scope, inside)
        go = lambda less=1: self.value(scope, depth - less, inside, nest)  # noqa: E731
        kinds = {"product": 5, "sum": 3, "reduce": 6 if nest == 0 else 2 if nest == 1 else 0, "function": 2, "over": 1.2, "power": 1.5}
        kinds |= {"pair": 1, "where": 0.8, "bracket": 1.5, "compare": 0.4}
        match r.choices(list(kinds), list(kinds.values()))[0]:
            case "product":
                text = "*".join(
                    f"({go()})" if k and r.random() < 0.2 else self.leaf(scope, inside) if k else f"({go()})" for k in range(r.choice([2, 2, 3]))
                )
                return f"(-({text}))" if r.random() < 0.1 else text
            case "sum":
                return f"({go()} {r.choice('+-')} {go()})"
            case "reduce":
                return self.reduction(scope, depth, nest)
            case "function":
                return r.choice(["tanh({})", "exp(0.3*({}))", "sin({})", "cos({})", "abs({})", "sign({})", "sqrt(abs({})+0.5)", "log(1+abs({}))", "erf({})",
                                 "tan(0.3*({}))", "-({})", "floor({})", "ceil(3*({}))", "round(2*({}))", "log1p(abs({}))", "expm1(0.3*({}))", "softplus({})",
                                 "sigmoid({})", "atan({})", "asin(tanh({}))", "acos(0.9*sin({}))", "sinh(0.3*({}))", "cosh(0.3*({}))", "exp(-({})**2)", "sqrt({})", "log({})"]).format(go())  # fmt: skip
            case "over":
                low = go()
                return f"({go()})/({r.choice(['2+({})**2', '1+abs({})', '{}', '0.5-({})']).format(low)})"
            case "power":
                return f"({go()})**{r.choice(['2', '2', '3', '(-1)', '(-2)', '0', '1', '0.5', '(0.5)', '4', '(-0.5)', *self.steps, *self.fractions])}"
            case "pair":
                return f"{r.choice(['maximum', 'minimum'])}({go()}, {r.choice([go(), self.number_text(), '0'])})"
            case "where":
                test = self.bracket(scope) if r.random() < 0.4 else f"{go(2)} {r.choice(['<', '>', '<=', '>='])} {self.leaf(scope, inside)}"
                return f"where({test}, {go()}, {r.choice([go(), '0', self.number_text()])})"
            case "bracket":
                test = f"delta({self.letter_value(scope)}, {self.letter_value(scope)})" if r.random() < 0.15 else self.bracket(scope)
                return r.choice([f"({go()})*{test}", f"{test}*({go()})"])
            case _:
                return f"({self.leaf(scope, inside)} {r.choice(['<=', '<', '==', '>', '!='])} {self.leaf(scope, inside)})"

    def reduction(self, scope: Mapping[str, str], depth: int, nest: int) -> str:
        r = self.r
        kind = r.choice(["sum", "sum", "sum", "sum", "mean", "max", "min", "max", "argmax", "prod", "argmin"])
        new = self.letters(scope, "uvrq", r.choice([1, 1, 2, 2, 3]), True)
        shown = [f"{x}:{size}" for x, size in new.items()]
        if self.sampled and "n" not in scope and r.random() < 0.5:
            new, shown = {"n": "N", **new}, ["n", *shown]
        elif self.sampled and "m" not in scope and r.random() < 0.04:
            new, shown = {"m": "N", **new}, ["m:N", *shown]
        return f"{kind}[{','.join(shown)}]({self.value({**scope, **new}, depth - 1, True, nest + 1)})"

    # Lines ----------------------------------------------------------------------------------------------------------

    def make(self) -> Formula:
        r = self.r
        lines, outputs = [], []
        count = r.choice([2, 3, 4]) if self.busy else r.choice([1, 1, 1, 2, 2, 3])
        for k in range(count):
            with_n = self.sampled and r.random() < 0.75
            own = self.letters({}, "ijkl" if r.random() < 0.1 else "ijk", r.choice([0, 1, 1, 2, 2, 2, 3]))
            scope = ({"n": "N"} if with_n else {}) | own
            self.depth = r.choice([1, 2, 2, 3, 3]) + self.busy
            text = self.value(scope, self.depth, False)
            name = f"y{k}" if count > 1 else "y"
            output = k == count - 1 or r.random() < 0.5
            left = [x if output or x == "n" else f"{x}:{size}" for x, size in own.items()]
            if with_n:
                left = ["n" if output else "n:N", *left]
            lines.append(f"    {name}[{','.join(left)}] = {text}" if left else f"    {name} = {text}")
            self.tensors[name] = (["n"] if with_n else []) + list(own.values())
            if output:
                outputs.append(name)
        for name in [k for k in self.sizes if not any(k in axes for axes in self.inputs.values())]:
            self.inputs[f"z{name.lower()}"] = [name]
        if self.sampled and not any("n" in axes for axes in self.inputs.values()):
            self.inputs["zn"] = ["n"]
        if all(name in self.whole for name in self.inputs):
            self.whole = {}
        axes = self.inputs | self.tensors
        named = {name: f"{name}[{','.join(axes[name])}]" if axes[name] else name for name in axes}
        settings = self.steps | self.fractions
        tail = "; " + ", ".join(f"{k}={v}" for k, v in settings.items()) if settings else ""
        head = f"f({', '.join(named[x] for x in self.inputs)}{tail}) -> {', '.join(named[x] for x in outputs)}"
        given = {k: r.choice([v, v, v + 1]) for k, v in settings.items() if r.random() < 0.4}
        data = r.choices(["normal", "integers", "wild"], [6, 2, 2])[0]
        samples = tuple(r.sample([1, 2, 3, 5, 8, 15, 16, 17, 33, r.choice([64, 100, 150])], 2)) if self.sampled else (1,)
        return Formula("\n".join([head, *lines]), self.sizes, given, self.whole, data, samples, self.seed)
