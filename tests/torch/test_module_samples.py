"""PyTorch's own samples of its modules, and the inputs that it refuses, through the layers and losses of the same names.

A sample is applicable where the module is one of those that the library has. Values, and the gradients of every floating input and parameter under
random upstream gradients, are compared in float64; what a module prints, and its keys, are PyTorch's. The last test prints the count.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
import torch

import chainrule as cr
from chainrule import nn
from chainrule.nn.losses import Loss, Total

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from torch.testing._internal.common_modules import module_db

ENGINES = ("reference", "native")
INFOS = {i.name.split(".")[-1]: i for i in module_db}
MODULES = sorted(k for k in INFOS if k in nn.__all__)
# Samples that are refused, or have no answer, and why.
REFUSED = {
    "empty": "there is no gradient of no numbers: sizes of 0 are taken by net(x), and give no numbers, but not in training",
    "powers": "a fractional power of negative numbers is not a number, and PyTorch's gradient of it 0",
}
COUNTS = {engine: {"passed": 0, "refused": 0} for engine in ENGINES}
X = np.ones((3, 1))


class Fixed(nn.Module):
    """A module whose floating inputs are parameters, so that inputs of any shapes have gradients."""

    def __init__(self, inner: nn.Module, places: Sequence[object], given: dict[str, object], arrays: Sequence[np.ndarray]):
        self.inner, self.places, self.given, self.count = inner, places, given, len(arrays)
        for k, a in enumerate(arrays):
            setattr(self, f"x_{k}", nn.Parameter(a))

    def forward(self, x: Any) -> Any:
        def filled(v: object) -> object:
            if isinstance(v, (tuple, list)):
                return type(v)(filled(e) for e in v)
            return getattr(self, v.name) if isinstance(v, Place) else v

        y = self.inner(*map(filled, self.places), **{k: filled(v) for k, v in self.given.items()})
        rows = tuple(leaves(y))
        return rows if len(rows) > 1 else rows[0]


class Place:
    """Where the k-th floating input stands."""

    def __init__(self, k: int):
        self.name = f"x_{k}"


def leaves(v: object) -> Iterator[Any]:
    if isinstance(v, (tuple, list)):
        for e in v:
            yield from leaves(e)
    elif v is not None:
        yield v


def array(v: object) -> object:
    if isinstance(v, torch.Tensor):
        return v.detach().numpy().copy()
    return type(v)(array(e) for e in v) if isinstance(v, (tuple, list)) and any(isinstance(e, torch.Tensor) for e in leaves(v)) else v


def given_of(sample: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of a module's constructor."""
    made = sample.constructor_input
    return tuple(map(array, made.args)), {k: array(v) for k, v in made.kwargs.items() if k not in ("device", "dtype")}


def fresh(v: Any) -> Any:
    """The same inputs, without what they were computed from."""
    if isinstance(v, torch.Tensor):
        return v.detach().clone().requires_grad_(v.requires_grad)
    return type(v)(map(fresh, v)) if isinstance(v, (tuple, list)) else v


def near(found: object, want: torch.Tensor | None, what: str) -> None:
    a = np.asarray(found)
    b = np.zeros(a.shape) if want is None else want.detach().numpy()
    size = np.abs(b[np.isfinite(b)]).max(initial=1.0)
    np.testing.assert_allclose(np.reshape(a, b.shape), b, rtol=1e-10, atol=1e-10 * size, err_msg=what)


def samples(name: str, training: bool) -> Iterator[Any]:
    info = INFOS[name]
    torch.manual_seed(0)
    yield from info.module_inputs_func(info, device="cpu", dtype=torch.float64, requires_grad=True, training=training)


def refusal(name: str, tensors: Sequence[torch.Tensor], sample: Any) -> str | None:
    if any(0 in t.shape for t in tensors):
        return "empty"
    return "powers" if name.startswith("LPPool") and sample.constructor_input.args[0] % 1 else None


def compared(name: str, sample: Any, training: bool, engine: str) -> bool:
    """Whether the sample was compared, and not refused."""
    info = INFOS[name]
    torch.manual_seed(1)
    theirs = info.module_cls(*sample.constructor_input.args, **sample.constructor_input.kwargs).double().train(training)
    args, given = given_of(sample)
    ours = getattr(nn, name)(*args, **given)
    inputs, by_name = tuple(map(fresh, sample.forward_input.args)), {k: fresh(v) for k, v in sample.forward_input.kwargs.items()}
    floats: list[torch.Tensor] = []

    def place(v: Any) -> Any:
        if isinstance(v, torch.Tensor) and v.is_floating_point():
            floats.append(v)
            return Place(len(floats) - 1)
        return type(v)(map(place, v)) if isinstance(v, (tuple, list)) else array(v)

    places, named = [place(v) for v in inputs], {k: place(v) for k, v in by_name.items()}
    if not places and len(named) == 1:
        places, named = list(named.values()), {}
    if refusal(name, floats, sample):
        return False
    with torch.no_grad():
        for p in theirs.parameters():
            p.copy_(torch.randn_like(p) * 0.5)
    net = Fixed(ours, places, named, [f.detach().numpy() for f in floats]).init(0, np.float64)
    if not isinstance(ours, Loss):
        ours.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
        assert repr(ours) == repr(theirs).replace("NonDynamicallyQuantizableLinear", "Linear")
    net.load_state_dict({**net.state_dict(), **{f"x_{k}": f.detach().numpy() for k, f in enumerate(floats)}})
    outputs = list(leaves(theirs(*inputs, **by_name)))
    if not training:
        for a, b in zip(leaves(net(X, engine=engine)), outputs, strict=True):
            near(a, b, "value")
        return True
    rng = np.random.default_rng(0)
    seeds = [rng.normal(size=tuple(o.shape)) * o.is_floating_point() for o in outputs]
    total = sum((o * torch.tensor(s)).sum() for o, s in zip(outputs, seeds, strict=True) if o.is_floating_point())
    parameters = dict(theirs.named_parameters())
    moving = [f for f in floats if f.requires_grad]
    wanted = torch.autograd.grad(total, [*moving, *parameters.values()], allow_unused=True)
    loss = Total(lambda found, _: sum(((y * s).sum() if s.shape else y * float(s) for y, s in zip(found, seeds, strict=True)), 0.0))
    value, gradients = cr.value_and_grad(net, loss)(X, X, engine=engine)
    near(value, total, "value")
    names = [f"x_{k}" for k, f in enumerate(floats) if f.requires_grad] + [f"inner.{k}" for k in parameters]
    for k, want in zip(names, wanted, strict=True):
        near(gradients[k], want, k)
    return True


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", MODULES)
def test_samples(name: str, engine: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for training in (True, False) if INFOS[name].train_and_eval_differ else (True,):
            for k, sample in enumerate(samples(name, training)):
                if sample.forward_input is None:
                    continue
                try:
                    COUNTS[engine]["passed" if compared(name, sample, training, engine) else "refused"] += 1
                except Exception as e:
                    e.add_note(f"sample {k} of {name}, training={training}: {sample.constructor_input.args} {sample.constructor_input.kwargs}")
                    raise


@pytest.mark.parametrize("name", [k for k in MODULES if INFOS[k].module_error_inputs_func])
def test_what_pytorch_refuses_is_refused(name: str) -> None:
    info = INFOS[name]
    for bad in info.module_error_inputs_func(info, device="cpu", dtype=torch.float64, requires_grad=False, training=True):
        sample = bad.module_error_input
        with pytest.raises(cr.ChainruleError):
            args, given = given_of(sample)
            made = getattr(nn, name)(*args, **given)
            if sample.forward_input is None:
                made(np.ones((2, 2)))
            else:
                made.init(0, np.float64)(*map(array, sample.forward_input.args))


def test_how_many() -> None:
    """Run after the others: nearly all that is applicable passes, on each engine."""
    print(f"\nmodules with samples: {len(MODULES)}")
    for engine, counts in COUNTS.items():
        passed, refused = counts["passed"], counts["refused"]
        print(f"{engine}: {passed} of {passed + refused} samples agree; refused: {refused} ({'; '.join(REFUSED.values())})")
        assert not passed or passed >= 0.95 * (passed + refused)
