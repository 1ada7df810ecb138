"""Networks: modules are operations with parameters and states; a network is formulas put end to end."""

from . import functional, models
from .containers import ModuleList, Sequential
from .inputs import Input, normalize
from .layers import (
    AdaptiveAvgPool2d,
    AvgPool2d,
    BatchNorm1d,
    BatchNorm2d,
    Conv2d,
    Flatten,
    Formula,
    Identity,
    Linear,
    MaxPool2d,
    ReLU,
    Sigmoid,
    Softmax,
    Tanh,
)
from .losses import CrossEntropyLoss, HalfSquareLoss, MSELoss
from .models import MODELS, lenet5, resnet20
from .module import Module
from .tensors import Symbol
from .values import Buffer, Parameter

__all__ = [
    "MODELS", "AdaptiveAvgPool2d", "AvgPool2d", "BatchNorm1d", "BatchNorm2d", "Buffer", "Conv2d", "CrossEntropyLoss", "Flatten", "Formula",
    "HalfSquareLoss", "Identity", "Input", "Linear", "MSELoss", "MaxPool2d", "Module", "ModuleList", "Parameter", "ReLU", "Sequential", "Sigmoid",
    "Softmax", "Symbol", "Tanh", "functional", "lenet5", "models", "normalize", "resnet20",
]  # fmt: skip
