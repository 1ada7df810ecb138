"""Networks: layers are operations with parameters; a network is formulas put end to end."""

from .inputs import Input, normalize
from .layers import (
    AvgPool2d,
    Conv2d,
    Flatten,
    Formula,
    Linear,
    MaxPool2d,
    ReLU,
    Sigmoid,
    Softmax,
    Tanh,
)
from .losses import CrossEntropyLoss, HalfSquareLoss, MSELoss
from .models import MODELS, lenet5
from .sequential import Sequential

__all__ = [
    "MODELS", "AvgPool2d", "Conv2d", "CrossEntropyLoss", "Flatten", "Formula", "HalfSquareLoss", "Input", "Linear", "MSELoss",
    "MaxPool2d", "ReLU", "Sequential", "Sigmoid", "Softmax", "Tanh", "lenet5", "normalize",
]  # fmt: skip
