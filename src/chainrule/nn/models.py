"""Known models."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import functional as F
from .arguments import whole
from .containers import Sequential
from .layers import BatchNorm2d, Conv2d, Flatten, Layer, Linear, MaxPool2d, ReLU, Sigmoid
from .module import Module


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


class BasicBlock(Layer):
    """Two 3 x 3 convolutions beside a shortcut: x itself, or a 1 x 1 convolution where sizes change. Source: He et al., 2015."""

    arguments = ("channels_in", "channels", "stride")

    def __init__(self, channels_in: int, channels: int, stride: int = 1):
        self.channels_in, self.channels, self.stride = whole(channels_in, "channels_in"), whole(channels, "channels"), whole(stride, "stride")
        self.conv1 = Conv2d(channels_in, channels, 3, stride=stride, padding=1, bias=False)
        self.bn1 = BatchNorm2d(channels)
        self.conv2 = Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = BatchNorm2d(channels)
        changes = stride != 1 or channels_in != channels
        self.shortcut = Sequential(Conv2d(channels_in, channels, 1, stride=stride, bias=False), BatchNorm2d(channels)) if changes else Sequential()

    def forward(self, x: Any) -> Any:
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class ResNet(Layer):
    """Residual network for small images: three stages of `blocks` blocks with 1, 2 and 4 times `width` channels.

    Source: He et al., 2015, section 4.2 (with 1 x 1 convolutions on the shortcuts that change sizes).
    """

    arguments = ("blocks", "classes", "width", "channels_in")

    def __init__(self, blocks: int, classes: int = 10, width: int = 16, channels_in: int = 3):
        self.blocks, self.classes_, self.width, self.channels_in = (
            whole(blocks, "blocks"), whole(classes, "classes"), whole(width, "width"), whole(channels_in, "channels_in"),
        )  # fmt: skip
        self.conv1 = Conv2d(channels_in, width, 3, padding=1, bias=False)
        self.bn1 = BatchNorm2d(width)
        self.layer1 = Sequential(*(BasicBlock(width, width) for _ in range(blocks)))
        self.layer2 = Sequential(BasicBlock(width, 2 * width, 2), *(BasicBlock(2 * width, 2 * width) for _ in range(blocks - 1)))
        self.layer3 = Sequential(BasicBlock(2 * width, 4 * width, 2), *(BasicBlock(4 * width, 4 * width) for _ in range(blocks - 1)))
        self.fc = Linear(4 * width, classes)

    def forward(self, x: Any) -> Any:
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.fc(F.flatten(F.adaptive_avg_pool2d(x, 1)))

    def config(self) -> dict[str, object]:
        return {"type": "ResNet", "blocks": self.blocks, "classes": self.classes_, "width": self.width, "channels_in": self.channels_in}


def resnet20(classes: int = 10, channels_in: int = 3) -> ResNet:
    """ResNet-20 for 32 x 32 images. Source: He et al., 2015."""
    return ResNet(3, classes, 16, channels_in)


MODELS: dict[str, Callable[[], Module]] = {"lenet5": lenet5, "document001": document001, "mlp": mlp}
