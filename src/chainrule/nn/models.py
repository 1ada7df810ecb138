"""Known models."""

from __future__ import annotations

from collections.abc import Callable

from .layers import Conv2d, Flatten, Linear, MaxPool2d, ReLU, Sigmoid
from .sequential import Sequential


def lenet5(classes: int = 10) -> Sequential:
    """LeNet-5 for 28 x 28 grey images, with ReLU and max pooling. Source: LeCun et al., 1998."""
    return Sequential(
        Conv2d(1, 6, 5, padding=2), ReLU(), MaxPool2d(2),
        Conv2d(6, 16, 5), ReLU(), MaxPool2d(2),
        Flatten(), Linear(400, 120), ReLU(), Linear(120, 84), ReLU(), Linear(84, classes),
    )  # fmt: skip


def document001(classes: int = 10) -> Sequential:
    """The network of document 001's own system, for 28 x 28 grey images; its softmax is in the loss."""
    return Sequential(
        Conv2d(1, 2, 3), ReLU(), MaxPool2d(2, stride=2, padding=1),
        Conv2d(2, 5, 2, stride=2, padding=1), Sigmoid(),
        Flatten(), Linear(320, 1000), Sigmoid(), Linear(1000, classes),
    )  # fmt: skip


def mlp(classes: int = 10) -> Sequential:
    """Two fully connected layers for 28 x 28 grey images."""
    return Sequential(Flatten(), Linear(784, 128), ReLU(), Linear(128, classes))


MODELS: dict[str, Callable[[], Sequential]] = {"lenet5": lenet5, "document001": document001, "mlp": mlp}
