"""PyTorch's own samples of its functions, through the functions of the same names: values and gradients of every floating tensor.

A function is applicable where nn.functional has it. All samples are compared on the native engine, the first few of each function on the reference too.
The last test prints the count.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
import pytest
import torch

import chainrule as cr
from chainrule import nn
from chainrule.nn import functional as F
from chainrule.nn.losses import Total
from tests.torch.test_module_samples import Fixed, Place, X, array, fresh, leaves, near

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from torch.testing._internal.common_methods_invocations import op_db

MOST, BOTH = 24, 3  # samples of one function, and of these on both engines
PREFIX = "nn.functional."
INFOS = {
    f"{i.name.removeprefix(PREFIX)}{'-' if i.variant_test_name else ''}{i.variant_test_name}": i
    for i in op_db
    if i.name.startswith(PREFIX) or i.name in ("softmax", "log_softmax")
}
APPLICABLE = sorted(k for k in INFOS if hasattr(F, k.split("-")[0]))
COUNTS: dict[str, int] = {}


class Called(nn.Module):
    """A function as a module."""

    def __init__(self, name: str):
        self.name = name

    def forward(self, *inputs: Any, **given: Any) -> Any:
        return getattr(F, self.name)(*inputs, **given)


def samples(name: str) -> Iterator[Any]:
    torch.manual_seed(0)
    yield from islice(INFOS[name].sample_inputs("cpu", torch.float64, requires_grad=True), MOST)


# Why a sample is not compared.
REFUSED = {
    "empty": "there is no gradient of no numbers",
    "drawn": "what is dropped is drawn by another generator",
    "cubic": "there is no cubic interpolation",
    "dtype": "numbers stay in the network's type",
    "sixth": "PyTorch divides the gradient by 6 in single precision",
}


def refusal(name: str, tensors: Sequence[torch.Tensor], outputs: Sequence[torch.Tensor], sample: Any) -> str | None:
    """A key of REFUSED, or None."""
    if any(0 in t.shape for t in (*tensors, *outputs)):
        return "empty"
    given = sample.kwargs
    if (name.startswith("dropout") and given.get("training", True) and given.get("p", 0.5) not in (0, 1)) or given.get("dropout_p"):
        return "drawn"
    if given.get("dtype") is not None:
        return "dtype"
    return "cubic" if name == "interpolate-bicubic" else None


def compared(name: str, sample: Any, engine: str) -> str | None:
    """None where values and gradients agree, else why they were not compared."""
    floats: list[torch.Tensor] = []

    def place(v: Any) -> Any:
        if isinstance(v, torch.Tensor) and v.is_floating_point():
            floats.append(v)
            return Place(len(floats) - 1)
        return type(v)(map(place, v)) if isinstance(v, (tuple, list)) else array(v)

    given = (*sample.args, sample.input) if name == "embedding" else (sample.input, *sample.args)  # whose table is what moves
    inputs, by_name = tuple(map(fresh, given)), {k: fresh(v) for k, v in sample.kwargs.items()}
    places, named = [place(v) for v in inputs], {k: place(v) for k, v in by_name.items()}
    outputs = list(leaves(getattr(torch.nn.functional, name.split("-")[0])(*inputs, **by_name)))
    why = refusal(name, floats, outputs, sample)
    if why is not None:
        return why
    net = Fixed(Called(name.split("-")[0]), places, named, [f.detach().numpy() for f in floats]).init(0, np.float64)
    rng = np.random.default_rng(0)
    seeds = [rng.normal(size=tuple(o.shape)) * o.is_floating_point() for o in outputs]
    total = sum((o * torch.tensor(s)).sum() for o, s in zip(outputs, seeds, strict=True) if o.is_floating_point())
    moving = [(k, f) for k, f in enumerate(floats) if f.requires_grad]
    wanted = torch.autograd.grad(total, [f for _, f in moving], allow_unused=True)
    loss = Total(lambda found, _: sum(((y * s).sum() if s.shape else y * float(s) for y, s in zip(found, seeds, strict=True)), 0.0))
    value, gradients = cr.value_and_grad(net, loss)(X, X, engine=engine)
    near(value, total, "value")
    if name == "hardsigmoid":
        return "sixth"
    for (k, _), want in zip(moving, wanted, strict=True):
        near(gradients[f"x_{k}"], want, f"x_{k}")
    return None


@pytest.mark.parametrize("name", APPLICABLE)
def test_samples(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for k, sample in enumerate(samples(name)):
            try:
                why = compared(name, sample, "native")
                if why is None and k < BOTH:
                    compared(name, sample, "reference")
            except Exception as e:
                e.add_note(f"sample {k} of {name}: {[getattr(a, 'shape', a) for a in (sample.input, *sample.args)]} {sample.kwargs}")
                raise
            COUNTS["agree" if why is None else why] = COUNTS.get("agree" if why is None else why, 0) + 1


def test_how_many() -> None:
    """Run after the others: nearly all that has numbers agrees."""
    agree, others = COUNTS.get("agree", 0), {k: v for k, v in COUNTS.items() if k != "agree"}
    shown = "; ".join(f"{v}: {REFUSED[k]}" for k, v in sorted(others.items()))
    total = agree + sum(others.values())
    print(f"\nfunctions and variants: {len(APPLICABLE)}; {agree} of {total} samples agree; not compared: {shown}")
    assert not agree or agree >= 0.95 * (total - others.get("empty", 0) - others.get("drawn", 0))
