"""Known models."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from typing import Any

from ..errors import ArgumentError
from ..language.program import MOST
from . import functional as F
from .arguments import is_whole, several, whole
from .containers import Sequential
from .documents import NETWORKS
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
    Softmax,
)
from .module import Module
from .values import Parameter


def lenet5(classes: int = 10, shape: Sequence[int] = (1, 28, 28)) -> Sequential:
    """LeNet-5 with ReLU and max pooling, for images [channels, rows, columns] of at least 12 x 12. Source: LeCun et al., 1998 (28 x 28, grey)."""
    channels, rows, columns = shape
    places = (rows // 2 - 4) // 2 * ((columns // 2 - 4) // 2)  # what is left after a pool, a convolution without padding, and a pool
    return Sequential(
        Conv2d(channels, 6, 5, padding=2), ReLU(), MaxPool2d(2),
        Conv2d(6, 16, 5), ReLU(), MaxPool2d(2),
        Flatten(), Linear(16 * places, 120), ReLU(), Linear(120, 84), ReLU(), Linear(84, classes),
    )  # fmt: skip


def mlp(classes: int = 10, shape: Sequence[int] = (1, 28, 28)) -> Sequential:
    """Two fully connected layers for inputs of any shape: images, or (features,)."""
    return Sequential(Flatten(), Linear(math.prod(shape), 128), ReLU(), Linear(128, classes))


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
    """Squares of an image (size: rows and columns, or one number for both) as words: a linear map of each, its place, blocks of attention, and the mean of all words to classes.

    Source: Dosovitskiy et al., 2021 (with a mean in place of the class token, as in Beyer et al., 2022).
    """

    arguments = ("size", "patch", "channels_in", "width", "depth", "heads")

    def __init__(
        self,
        size: int | tuple[int, int] = 32,
        patch: int = 4,
        classes: int = 10,
        channels_in: int = 3,
        width: int = 64,
        depth: int = 4,
        heads: int = 4,
    ):
        rows, columns = several(size, "size", 1, 2)
        self.size = rows if rows == columns else (rows, columns)
        self.patch, self.channels_in = whole(patch, "patch"), whole(channels_in, "channels_in")
        self.width, self.depth, self.heads = whole(width, "width"), whole(depth, "depth"), whole(heads, "heads")
        if rows % patch or columns % patch:
            raise ArgumentError(f"patch={patch}: does not divide size={size}; accepted: a divisor of it")
        self.embed = Conv2d(channels_in, width, patch, patch)
        self.place = Parameter((1, (rows // patch) * (columns // patch), width), deviation=0.02)
        self.blocks = Sequential(*(TransformerBlock(width, heads, 2 * width) for _ in range(depth)))
        self.norm, self.head = LayerNorm(width), Linear(width, classes)

    def forward(self, x: Any) -> Any:
        words = F.flatten(self.embed(x), 2).transpose(1, 2) + self.place
        return self.head(self.norm(self.blocks(words)).mean(1))

    def config(self) -> dict[str, object]:
        return {**(super().config() or {}), "classes": self.head.out_features}


PATCH = 4  # pixels of a side of its words


def vit_small(classes: int = 10, channels_in: int = 3, size: int | tuple[int, int] = 32) -> VisionTransformer:
    """A small vision transformer: 4 blocks of 64 numbers a word, words of 4 x 4 pixels. Source: Dosovitskiy et al., 2021."""
    return VisionTransformer(size, PATCH, classes, channels_in)


LEAST = {"lenet5": 12, "vgg_small": 8}  # rows and columns that are left after all pools


def known(name: str, shape: Sequence[int] = (1, 28, 28), classes: int = 10) -> Module:
    """A known model for inputs of a shape, [channels, rows, columns] or [features], and so many classes.

    Errors: ArgumentError for names that there are not, and for shapes that the model cannot take.

    >>> import numpy as np
    >>> known("mlp", (4,), classes=3)(np.zeros((2, 4), np.float32)).shape
    (2, 3)
    """
    given, name = name, name.replace("-", "_") if isinstance(name, str) else name  # vgg-small is vgg_small
    if not isinstance(name, str) or name not in MODELS:
        raise ArgumentError(f"{given!r:.80}: no such model; accepted: {', '.join(MODELS)}")
    if not isinstance(shape, (tuple, list)) or not shape or not all(is_whole(s) and 1 <= s < MOST for s in shape):
        raise ArgumentError(f"shape={shape!r:.80}: not an input's shape; accepted: (channels, rows, columns) or (features,)")
    make, sizes = MODELS[name], tuple(map(int, shape))
    arguments = inspect.signature(make).parameters
    takes = _takes(name, sizes)
    if takes:
        others = ", ".join(k for k in MODELS if not _takes(k, sizes))
        raise ArgumentError(f"{name!r} for inputs of {list(sizes)}: it takes {takes}; accepted: those, or the model {others}")
    if "shape" in arguments:
        return make(classes, shape=sizes)
    if "channels_in" not in arguments:
        return make(classes)
    return make(classes, channels_in=sizes[0], **({"size": sizes[1:]} if "size" in arguments else {}))


def _takes(name: str, shape: tuple[int, ...]) -> str:
    """What a model takes, in words, where inputs of this shape are not among it."""
    arguments = inspect.signature(MODELS[name]).parameters
    if name == "mlp":
        return ""
    if not arguments.keys() & {"shape", "channels_in"}:
        return "" if shape == (1, 28, 28) else "grey images of 28 x 28, [1, 28, 28]"
    least, step = LEAST.get(name, 1), PATCH if "size" in arguments else 1
    if len(shape) == 3 and min(shape[1:]) >= least and not shape[1] % step and not shape[2] % step:
        return ""
    return (
        "images, [channels, rows, columns]"
        + (f", of at least {least} x {least}" if least > 1 else "")
        + (f", both divided by {step}" if step > 1 else "")
    )


MODELS: dict[str, Callable[..., Module]] = {
    "lenet5": lenet5, **NETWORKS, "mlp": mlp, "resnet20": resnet20, "vgg_small": vgg_small, "mobilenet_small": mobilenet_small,
    "vit_small": vit_small,
}  # fmt: skip


def gives_probabilities(net: Module) -> bool:
    """Whether its last layer is a softmax: its outputs are probabilities of classes."""
    return isinstance(next(reversed(list(net.children())), net), Softmax)
