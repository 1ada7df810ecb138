"""Formulas nobody wrote: random index expressions, reductions and functions, native against reference, forward and back.

Every formula is made from a seed; a failing one is printed whole.
"""

from __future__ import annotations

import os
import random

import numpy as np
import pytest

from chainrule import DefinitionError, Op, op
from chainrule.errors import ShapeError
from chainrule.language.ranges import define
from chainrule.language.show import definition_text
from tests.test_native import compare

COUNT = int(os.environ.get("CHAINRULE_RANDOM_FORMULAS", "60"))


class Maker:
    """A random definition with sizes that fit it."""

    def __init__(self, seed: int):
        self.r = random.Random(seed)
        self.sampled = self.r.random() < 0.75
        self.sizes: dict[str, int] = {}
        self.inputs: dict[str, tuple[list[str], list[int]]] = {}  # name -> sizes' names, numbers (0: samples)

    def size(self, number: int) -> str:
        name = f"S{len(self.sizes)}"
        self.sizes[name] = number
        return name

    def tensor(self, axes: list[tuple[str, int]], samples: bool) -> str:
        name = f"x{len(self.inputs)}"
        shown = (["n"] if samples else []) + [a for a, _ in axes]
        self.inputs[name] = (shown, ([0] if samples else []) + [k for _, k in axes])
        return name

    def index(self, letters: dict[str, int]) -> tuple[str, int]:
        """A random index expression over letters, and a size for its axis that it mostly stays inside."""
        r = self.r
        chosen = r.sample(sorted(letters), min(len(letters), r.choice([1, 1, 2, 2, 3])))
        text, low, high = "", 0, 0
        for x in chosen:
            c = r.choice([1, 1, 1, 2, 3, -1, -2])
            text += f"{'+' if c > 0 else '-'}{abs(c)}*{x}" if abs(c) != 1 else f"{'+' if c > 0 else '-'}{x}"
            ends = (0, c * (letters[x] - 1))
            low, high = low + min(ends), high + max(ends)
        shift = r.choice([0, 0, 1, -1, -2]) - low
        text += f"{shift:+d}" if shift else ""
        if r.random() < 0.1:
            text, shift, low, high = f"({text.lstrip('+')})//2", 0, 0, (high + shift) // 2
        elif r.random() < 0.05:
            text, shift, low, high = f"({text.lstrip('+')})%3", 0, 0, 2
        return text.lstrip("+"), max(1, high + shift + 1 + r.choice([0, 0, 0, 1, -1, -2]))

    def read(self, letters: dict[str, int], rank: int) -> str:
        axes, texts = [], []
        for _ in range(rank):
            if self.r.random() < 0.45 and letters:
                x = self.r.choice(sorted(letters))
                texts.append(x)
                axes.append((self.size_of[x], letters[x]))
            else:
                text, size = self.index(letters)
                texts.append(text)
                axes.append((self.size(size), size))
        samples = self.sampled and self.r.random() < 0.7
        name = self.tensor(axes, samples)
        return f"{name}[{', '.join((['n'] if samples else []) + texts)}]" if texts or samples else name

    def make(self) -> tuple[str, dict[str, tuple[object, ...]]]:
        r = self.r
        self.size_of: dict[str, str] = {}
        out = {x: r.randint(1, 5) for x in r.sample("ijk", r.choice([0, 1, 2, 2, 3]))}
        red = {x: r.randint(1, 4) for x in r.sample("uvw", r.choice([1, 2, 2, 3]))}
        for x, k in (out | red).items():
            self.size_of[x] = self.size(k)
        everything = out | red
        factors = [self.read(everything, r.choice([1, 2, 2, 3])) for _ in range(r.choice([1, 2, 2, 3]))]
        body = " * ".join(factors)
        shape = r.random()
        if shape < 0.15:
            body = f"tanh({factors[0]}) * {body}"
        elif shape < 0.25:
            body = f"maximum({factors[0]}, 0.1) + {body}"
        elif shape < 0.35:
            x, y = r.choice(sorted(everything)), r.choice(sorted(everything))
            body = f"{body} * ({x} {r.choice(['<=', '==', '<'])} {y})"
        elif shape < 0.4:
            body = f"-({body}) / (2 + {factors[-1]}**2)"
        kind = r.choice(["sum", "sum", "sum", "mean", "max", "min"])
        bound = ",".join(f"{x}:{self.size_of[x]}" for x in red)
        expr = f"{kind}[{bound}]({body})"
        wrap = r.random()
        if wrap < 0.15:
            expr = f"tanh({expr}) * 2 - 1"
        elif wrap < 0.25:
            expr = f"{expr} / {max(everything.values())} + {kind}[{bound}]({factors[0]})"
        over_samples = self.sampled and r.random() < 0.15
        if over_samples:
            expr = f"{r.choice(['sum', 'mean'])}[n]({expr})"
        with_n = self.sampled and not over_samples
        axes = (["n"] if with_n else []) + [self.size_of[x] for x in out]
        letters = (["n"] if with_n else []) + list(out)
        head = []
        for x, k in everything.items():  # a tensor for each letter's size, so that the header knows it
            head.append(f"z{x}[{self.size_of[x]}]")
            self.inputs[f"z{x}"] = ([self.size_of[x]], [k])
        if self.sampled:
            head.append("zn[n]")
            self.inputs["zn"] = (["n"], [0])
        tensors = [f"{name}[{','.join(shown)}]" if shown else name for name, (shown, _) in self.inputs.items() if not name.startswith("z")]
        left = f"y[{','.join(axes)}]" if axes else "y"
        target = f"y[{','.join(letters)}]" if letters else "y"
        text = f"f({', '.join(tensors + head)}) -> {left}\n    {target} = {expr}"
        return text, {name: tuple("N" if k == 0 else k for k in numbers) for name, (_, numbers) in self.inputs.items()}


def held(seed: int, dtype: type, tolerance: float) -> bool:
    text, shapes = Maker(seed).make()
    try:
        made = op(text)
    except DefinitionError as e:
        assert "two ranges" in str(e) or "reads outside" in str(e), (text, e)
        return False
    assert define(definition_text(made.definition)) == made.definition
    rng = np.random.default_rng(seed)
    for samples in (1, 18):
        arrays = {k: np.asarray(rng.normal(size=tuple(samples if s == "N" else s for s in shape)), dtype) for k, shape in shapes.items()}
        try:
            values = compare(made, arrays, {}, tolerance)
        except ShapeError:
            return False
        wrt = [k for k in shapes if k.startswith("x")]
        gradient = made.gradient(wrt)
        derived = Op(gradient.definition)
        assert define(definition_text(derived.definition)) == derived.definition
        finite = {k: np.where(np.isfinite(v), 1.0, 0.0) for k, v in values.items()}
        seeds = {gradient.seed[k]: np.asarray(rng.normal(size=np.shape(v)) * finite[k], dtype) for k, v in values.items()}
        if all(np.all(np.isfinite(v)) for v in values.values()):
            compare(derived, arrays | seeds, {}, tolerance)
    return True


@pytest.mark.parametrize("seed", range(COUNT))
def test_a_random_formula_is_computed_as_it_reads(seed: int) -> None:
    try:
        held(seed, np.float64, 1e-11)
    except AssertionError:
        print(Maker(seed).make()[0])
        raise


def test_most_random_formulas_make_sense() -> None:
    sound = 0
    for seed in range(40):
        try:
            op(Maker(seed).make()[0])
            sound += 1
        except DefinitionError:
            pass
    assert sound >= 25
