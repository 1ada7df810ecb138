"""Functions of nn.functional have PyTorch's arguments, in its order, and answer those that they do not take with words."""

from __future__ import annotations

import inspect
import re

import numpy as np
import pytest
import torch
import torch.nn.functional as TF

import chainrule as cr
from chainrule.nn import functional as F

LEGACY = {"size_average", "reduce", "_stacklevel", "dtype", "out"}  # arguments that PyTorch keeps for old programs, or that are about its tensors
NAMES = sorted(n for n in dir(TF) if not n.startswith("_") and inspect.isfunction(getattr(F, n, None)) and callable(getattr(TF, n)))


def theirs(name: str) -> list[str]:
    """PyTorch's arguments, out of the description where the function is compiled."""
    function = getattr(TF, name)
    function = inspect.unwrap(getattr(function, "__wrapped__", function))
    try:
        found = list(inspect.signature(function).parameters)
        if found != ["args", "kwargs"]:
            return found
    except ValueError:
        pass
    text = re.search(rf"{name}\((.*?)\)", re.sub(r"\s+", " ", function.__doc__ or ""))
    assert text is not None, name
    return [a.split("=")[0].strip() for a in text.group(1).split(",")]


@pytest.mark.parametrize("name", NAMES)
def test_arguments_are_pytorchs(name: str) -> None:
    own = list(inspect.signature(getattr(F, name)).parameters)
    wanted = [a for a in theirs(name) if a not in LEGACY and a not in ("*", "")]
    assert own[: len(wanted)] == wanted or {*wanted} <= {*own}, f"{own} and {wanted}"
    assert own[0] == wanted[0]


@pytest.mark.parametrize("function", ["softmax", "log_softmax", "softmin"])
@pytest.mark.parametrize("shape", [(5,), (4, 5), (2, 3, 4), (2, 3, 4, 5)])
def test_the_axis_that_is_not_said(function: str, shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(0).normal(size=shape)
    with pytest.warns(UserWarning):
        want = getattr(TF, function)(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(getattr(F, function)(x), want, rtol=1e-12)


def test_in_place_is_a_yes_or_no() -> None:
    x = np.array([[-1.0, 2.0]])
    assert np.array_equal(F.relu(input=x, inplace=True), [[0.0, 2.0]]) and x[0, 0] == -1
    with pytest.raises(cr.ArgumentError, match=r"^inplace='yes'"):
        F.elu(x, 1.0, inplace="yes")


def test_a_triplet_may_be_turned() -> None:
    """swap: the negative is compared with the nearer of anchor and positive; values and gradients are PyTorch's."""
    a, p, q = np.random.default_rng(0).normal(size=(3, 7, 4))
    rows = [torch.from_numpy(v).requires_grad_() for v in (a, p, q)]
    want = TF.triplet_margin_loss(*rows, margin=2.0, swap=True, reduction="none")
    _, pull = cr.vjp(cr.ops.triplet_margin, a, p, q, margin=2.0, swap=1)
    np.testing.assert_allclose(F.triplet_margin_loss(a, p, q, 2.0, swap=True, reduction="none"), want.detach().numpy(), rtol=1e-12)
    want.backward(torch.ones(7, dtype=torch.float64))
    for got, row in zip(pull(np.ones(7)), rows, strict=True):
        np.testing.assert_allclose(got, row.grad.numpy(), rtol=1e-10, atol=1e-12)  # type: ignore[union-attr]  # it went backward
    assert cr.nn.TripletMarginLoss(2.0, swap=True)(a, p, q) == pytest.approx(want.mean().item(), rel=1e-12)
