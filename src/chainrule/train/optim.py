"""The library's optimisers: PyTorch's arguments for the formulas in ops/update.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from ..errors import ArgumentError
from ..ops import update
from .groups import Clip, Grouped
from .optimizer import Optimizer, Rate, Update, number
from .schedules import Cosine, Exponential, OneCycle, Plateau, Ramp, Schedule, StepLR, Warmup

__all__ = [
    "SGD", "Adagrad", "Adam", "AdamW", "Clip", "Cosine", "Exponential", "Grouped", "NAdam", "OneCycle", "Optimizer", "Plateau", "RMSprop", "Ramp", "Schedule", "StepLR", "Update", "Warmup",
]  # fmt: skip


class _Known(Optimizer):
    """An optimiser of the library: a frozen dataclass whose fields are PyTorch's arguments."""

    def changed(self, settings: Mapping[str, Any]) -> Optimizer:
        known = [f.name for f in fields(self)]  # type: ignore[arg-type]  # every one of them is a dataclass
        for k in settings:
            if k not in known:
                raise ArgumentError(f"{k!r:.80}: {type(self).__name__} has no such setting; accepted: {', '.join(known)}")
        return replace(self, **settings)  # type: ignore[type-var]  # every one of them is a dataclass

    def _check(self, *names: str) -> None:
        """These fields are numbers of at least 0, or schedules."""
        for name in names:
            given = getattr(self, name)
            if not isinstance(given, Schedule):
                object.__setattr__(self, name, number(name, given))

    def _flag(self, *names: str) -> None:
        for name in names:
            if not isinstance(getattr(self, name), bool):
                raise ArgumentError(f"{name}={getattr(self, name)!r:.80}: not a yes or no; accepted: True or False")

    def _given(self, *names: str, **optional: Rate) -> dict[str, Rate]:
        """Fields by name, and of the optional ones those that are not 0."""
        return {k: getattr(self, k) for k in names} | {k: v for k, v in optional.items() if v != 0}


def _kept(**states: bool) -> dict[str, float]:
    """The states that may be left out and are not; they start at 0."""
    return {k: 0.0 for k, is_kept in states.items() if is_kept}


@dataclass(frozen=True)
class SGD(_Known):
    """Stochastic gradient descent: v' = momentum v + (1 - dampening) (g + weight_decay w), w' = w - lr v' (PyTorch's convention).

    lr, momentum, weight_decay: numbers of at least 0, or schedules. Errors: ArgumentError for anything else, and for
    nesterov without momentum or with dampening.
    """

    lr: Rate = 1e-3
    momentum: Rate = 0.0
    weight_decay: Rate = 0.0
    dampening: Rate = 0.0
    nesterov: bool = False

    def __post_init__(self) -> None:
        self._check("lr", "momentum", "weight_decay", "dampening")
        self._flag("nesterov")
        if self.nesterov and (self.momentum == 0 or self.dampening != 0):
            raise ArgumentError(
                f"nesterov=True with momentum={self.momentum!r}, dampening={self.dampening!r}: looks ahead along the momentum; "
                "accepted: a momentum above 0 and no dampening"
            )

    @property
    def update(self) -> Update:
        more = {"momentum": self.momentum, "dampening": self.dampening, "nesterov": float(self.nesterov), "weight_decay": self.weight_decay}
        if self.momentum == 0:  # PyTorch does not dampen then either
            del more["dampening"]
        return Update(update.sgd, self._given("lr", **more), _kept(v=self.momentum != 0))


class _Adam(_Known):
    lr: Rate
    betas: tuple[float, float]
    eps: float
    weight_decay: Rate

    def _means(self) -> None:
        """betas are two numbers of at least 0 and below 1."""
        if not isinstance(self.betas, (tuple, list)) or len(self.betas) != 2:
            raise ArgumentError(f"betas={self.betas!r:.80}: not usable; accepted: two numbers of at least 0 and below 1")
        object.__setattr__(self, "betas", tuple(number(f"betas[{k}]", b, 0.0, 1.0) for k, b in enumerate(self.betas)))

    def _numbers(self, **more: Rate) -> dict[str, Rate]:
        return {"beta1": self.betas[0], "beta2": self.betas[1], **self._given("lr", "eps", **more)}


class _AMSGrad(_Adam):
    amsgrad: bool

    def __post_init__(self) -> None:
        self._check("lr", "eps", "weight_decay")
        self._flag("amsgrad")
        self._means()


@dataclass(frozen=True)
class Adam(_AMSGrad):
    """Adam: m' = beta1 m + (1 - beta1) g, v' = beta2 v + (1 - beta2) g², w' = w - lr m'' / (sqrt(v'') + eps), with m'' and v'' freed
    from their start at 0. PyTorch's arguments and defaults. Source: Kingma and Ba, 2015.
    """

    lr: Rate = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: Rate = 0.0
    amsgrad: bool = False

    @property
    def update(self) -> Update:
        return Update(update.adam, self._numbers(weight_decay=self.weight_decay), _kept(u=self.amsgrad))


@dataclass(frozen=True)
class AdamW(_AMSGrad):
    """Adam with weight decay apart from the gradient: w (1 - lr weight_decay) in place of w. PyTorch's arguments and defaults.

    Source: Loshchilov and Hutter, 2019.
    """

    lr: Rate = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: Rate = 1e-2
    amsgrad: bool = False

    @property
    def update(self) -> Update:
        return Update(update.adam, self._numbers(apart=self.weight_decay), _kept(u=self.amsgrad))


@dataclass(frozen=True)
class NAdam(_Adam):
    """Adam with Nesterov's momentum, which grows from half of betas[0] as momentum_decay says. PyTorch's arguments and defaults.

    decoupled_weight_decay: apart from the gradient, as in AdamW. Source: Dozat, 2016.
    """

    lr: Rate = 2e-3
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: Rate = 0.0
    momentum_decay: Rate = 4e-3
    decoupled_weight_decay: bool = False

    def __post_init__(self) -> None:
        self._check("lr", "eps", "weight_decay", "momentum_decay")
        self._flag("decoupled_weight_decay")
        self._means()

    @property
    def update(self) -> Update:
        decay = {"apart" if self.decoupled_weight_decay else "weight_decay": self.weight_decay}
        return Update(update.nadam, self._numbers(**decay) | self._given("momentum_decay"), {"q": 1.0})


@dataclass(frozen=True)
class RMSprop(_Known):
    """RMSprop: s' = alpha s + (1 - alpha) g², w' = w - lr g / (sqrt(s') + eps). PyTorch's arguments and defaults.

    centered: the variance of the gradient in place of its mean square. Source: Tieleman and Hinton, 2012.
    """

    lr: Rate = 1e-2
    alpha: float = 0.99
    eps: float = 1e-8
    weight_decay: Rate = 0.0
    momentum: Rate = 0.0
    centered: bool = False

    def __post_init__(self) -> None:
        self._check("lr", "alpha", "eps", "weight_decay", "momentum")
        self._flag("centered")

    @property
    def update(self) -> Update:
        more = {"momentum": self.momentum, "centered": float(self.centered), "weight_decay": self.weight_decay}
        return Update(update.rmsprop, self._given("lr", "alpha", "eps", **more), _kept(a=self.centered, v=self.momentum != 0))


@dataclass(frozen=True)
class Adagrad(_Known):
    """Adagrad: s' = s + g², w' = w - lr g / (sqrt(s') + eps). PyTorch's arguments and defaults. Source: Duchi et al., 2011."""

    lr: Rate = 1e-2
    lr_decay: Rate = 0.0
    weight_decay: Rate = 0.0
    initial_accumulator_value: float = 0.0
    eps: float = 1e-10

    def __post_init__(self) -> None:
        self._check("lr", "lr_decay", "weight_decay", "initial_accumulator_value", "eps")

    @property
    def update(self) -> Update:
        given = self._given("lr", "eps", weight_decay=self.weight_decay, lr_decay=self.lr_decay)
        return Update(update.adagrad, given, {"s": self.initial_accumulator_value})
