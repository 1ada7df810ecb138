"""Known models."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from ..errors import ArgumentError
from . import functional as F
from .arguments import whole
from .containers import Sequential
from .documents import document001
from .layers import (
    GELU,
    AdaptiveAvgPool2d,
    BatchNorm2d,
    Conv2d,
    Flatten,
    Layer,
    LayerNorm,
    Linear,
    MaxPool2d,
    MultiheadAttention,
    ReLU,
)
from .module import Module
from .values import Parameter


def lenet5(classes: int = 10) -> Sequential:
    """LeNet-5 for 28 x 28 grey images, with ReLU and max pooling. Source: LeCun et al., 1998."""
    return Sequential(
        Conv2d(1, 6, 5, padding=2), ReLU(), MaxPool2d(2),
        Conv2d(6, 16, 5), ReLU(), MaxPool2d(2),
        Flatten(), Linear(400, 120), ReLU(), Linear(120, 84), ReLU(), Linear(84, classes),
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


def _conv_norm(channels_in: int, channels: int, kernel: int, stride: int = 1, groups: int = 1) -> list[Module]:
    padding = kernel // 2
    return [Conv2d(channels_in, channels, kernel, stride, padding, groups=groups, bias=False), BatchNorm2d(channels), ReLU()]


def vgg_small(classes: int = 10, channels_in: int = 3, width: int = 32) -> Sequential:
    """Three pairs of 3 x 3 convolutions with batch normalisation, of 1, 2 and 4 times `width` channels, for small images.

    Source: Simonyan and Zisserman, 2015 (VGG), made smaller; a mean over places in place of its first fully connected layers.
    """
    layers, before = list[Module](), channels_in
    for channels in (width, 2 * width, 4 * width):
        layers += [*_conv_norm(before, channels, 3), *_conv_norm(channels, channels, 3), MaxPool2d(2)]
        before = channels
    return Sequential(*layers, AdaptiveAvgPool2d(1), Flatten(), Linear(before, classes))


def mobilenet_small(classes: int = 10, channels_in: int = 3, width: int = 32) -> Sequential:
    """Depthwise and 1 x 1 convolutions in turn, from `width` to 8 times as many channels, for small images.

    Source: Howard et al., 2017 (MobileNet), made smaller.
    """
    layers, before = _conv_norm(channels_in, width, 3), width
    for channels, stride in ((2 * width, 1), (4 * width, 2), (4 * width, 1), (8 * width, 2), (8 * width, 1)):
        layers += [*_conv_norm(before, before, 3, stride, groups=before), *_conv_norm(before, channels, 1)]
        before = channels
    return Sequential(*layers, AdaptiveAvgPool2d(1), Flatten(), Linear(before, classes))


class TransformerBlock(Layer):
    """Attention and two fully connected layers, each on its normalised input and beside a shortcut. Source: Vaswani et al., 2017."""

    arguments = ("width", "heads", "hidden")

    def __init__(self, width: int, heads: int, hidden: int):
        self.width, self.heads, self.hidden = whole(width, "width"), whole(heads, "heads"), whole(hidden, "hidden")
        self.norm1, self.attention = LayerNorm(width), MultiheadAttention(width, heads, batch_first=True)
        self.norm2, self.mlp = LayerNorm(width), Sequential(Linear(width, hidden), GELU(), Linear(hidden, width))

    def forward(self, x: Any) -> Any:
        y = self.norm1(x)
        x = x + self.attention(y, y, y, need_weights=False)[0]
        return x + self.mlp(self.norm2(x))


class VisionTransformer(Layer):
    """Squares of an image as words: a linear map of each, its place, blocks of attention, and the mean of all words to classes.

    Source: Dosovitskiy et al., 2021 (with a mean in place of the class token, as in Beyer et al., 2022).
    """

    arguments = ("size", "patch", "channels_in", "width", "depth", "heads")

    def __init__(self, size: int = 32, patch: int = 4, classes: int = 10, channels_in: int = 3, width: int = 64, depth: int = 4, heads: int = 4):
        self.size, self.patch, self.channels_in = whole(size, "size"), whole(patch, "patch"), whole(channels_in, "channels_in")
        self.width, self.depth, self.heads = whole(width, "width"), whole(depth, "depth"), whole(heads, "heads")
        if size % patch:
            raise ArgumentError(f"patch={patch}: does not divide size={size}; accepted: a divisor of it")
        self.embed = Conv2d(channels_in, width, patch, patch)
        self.place = Parameter((1, (size // patch) ** 2, width), deviation=0.02)
        self.blocks = Sequential(*(TransformerBlock(width, heads, 2 * width) for _ in range(depth)))
        self.norm, self.head = LayerNorm(width), Linear(width, classes)

    def forward(self, x: Any) -> Any:
        words = F.flatten(self.embed(x), 2).transpose(1, 2) + self.place
        return self.head(self.norm(self.blocks(words)).mean(1))

    def config(self) -> dict[str, object]:
        return {**(super().config() or {}), "classes": self.head.out_features}


def vit_small(classes: int = 10, channels_in: int = 3, size: int = 32) -> VisionTransformer:
    """A small vision transformer: 4 blocks of 64 numbers a word, words of 4 x 4 pixels. Source: Dosovitskiy et al., 2021."""
    return VisionTransformer(size, 4, classes, channels_in)


def known(name: str, shape: tuple[int, ...] = (1, 28, 28), classes: int = 10) -> Module:
    """A known model for images of a shape [channels, rows, columns] and so many classes.

    >>> type(known("lenet5")).__name__
    'Sequential'
    """
    if name not in MODELS:
        raise ArgumentError(f"{name!r}: no such model; accepted: {', '.join(MODELS)}")
    make = MODELS[name]
    open_to = inspect.signature(make).parameters
    if "channels_in" not in open_to:
        if tuple(shape) != (1, 28, 28):
            raise ArgumentError(f"{name!r} for images of {list(shape)}: it takes grey ones of 28 x 28; accepted: {', '.join(_open())}")
        return make(classes)
    if len(shape) != 3 or ("size" in open_to and shape[1] != shape[2]):
        raise ArgumentError(f"{name!r} for inputs of {list(shape)}: accepted: [channels, rows, columns], as many rows as columns")
    return make(classes, channels_in=shape[0], **({"size": shape[1]} if "size" in open_to else {}))


def _open() -> list[str]:
    """Models for images of any size."""
    return [k for k, make in MODELS.items() if "channels_in" in inspect.signature(make).parameters]


MODELS: dict[str, Callable[..., Module]] = {
    "lenet5": lenet5, "document001": document001, "mlp": mlp, "resnet20": resnet20, "vgg_small": vgg_small, "mobilenet_small": mobilenet_small,
    "vit_small": vit_small,
}  # fmt: skip
