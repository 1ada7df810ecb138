"""Optimisers, schedules and augmentation by name, as the command line takes them: "adamw:weight_decay=0.05", "warmup:epochs=2,cosine", "crop:padding=4,flip".

text -> items, each a name with settings -> what the library calls so
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .. import nn
from ..errors import ArgumentError
from . import optim
from .optimizer import Optimizer, Rate
from .schedules import Schedule

OPTIMIZERS: Mapping[str, type[Optimizer]] = {
    "sgd": optim.SGD, "adam": optim.Adam, "adamw": optim.AdamW, "nadam": optim.NAdam, "rmsprop": optim.RMSprop, "adagrad": optim.Adagrad,
}  # fmt: skip
USUAL = {"sgd": {"lr": 0.02, "momentum": 0.9}}  # where the command's are not PyTorch's
AUGMENTATION: Mapping[str, Callable[..., nn.Module]] = {
    "crop": nn.RandomCrop, "flip": nn.RandomHorizontalFlip, "flip-rows": nn.RandomVerticalFlip, "erase": nn.RandomErasing,
}  # fmt: skip
NORMALISE = ("normalise", "normalize")  # among augmentation by tradition; it holds for what is measured and predicted too


@dataclass(frozen=True)
class Item:
    """A name with settings, as it was written."""

    name: str
    settings: Mapping[str, Any]
    text: str


def items(text: str, what: str, names: Sequence[str]) -> list[Item]:
    """What "name:key=value,key=value,name" says. A value is a number, true, false, a word, or several numbers with / between them.

    >>> [(i.name, dict(i.settings)) for i in items("crop:padding=2/3,flip", "augment", ["crop", "flip"])]
    [('crop', {'padding': (2, 3)}), ('flip', {})]
    """
    found: list[tuple[str, list[str]]] = []
    for part in text.split(","):
        name, colon, rest = part.strip().partition(":")
        if "=" in name and found and not colon:
            found[-1][1].append(name)
        elif name in names:
            found.append((name, [rest] if colon else []))
        else:
            raise ArgumentError(
                f"{what}={text!r:.80}: {name!r:.40} is none; accepted: {', '.join(names)}, with settings as in NAME:KEY=VALUE,KEY=VALUE"
            )
    made_of = [(name, [_setting(p, what, text) for p in parts]) for name, parts in found]
    for name, pairs in made_of:
        twice = next((k for j, (k, _) in enumerate(pairs) if k in dict(pairs[:j])), None)
        if twice is not None:
            raise ArgumentError(f"{what}={text!r:.80}: {name} has {twice} twice; accepted: once")
    return [Item(name, dict(pairs), f"{what}={text!r:.80}: {name}") for name, pairs in made_of]


def _setting(part: str, what: str, text: str) -> tuple[str, Any]:
    key, equals, value = (p.strip() for p in part.partition("="))
    if not key or not equals or not value:
        raise ArgumentError(f"{what}={text!r:.80}: {part!r:.40} is no setting; accepted: KEY=VALUE")
    several = tuple(map(_value, value.split("/")))
    return key.replace("-", "_"), several if len(several) > 1 else several[0]


def _value(text: str) -> Any:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def made(item: Item, function: Callable[..., Any], first: Sequence[Any] = (), given: Sequence[str] = ()) -> Any:
    """What the item's function makes; given: arguments that are not the item's to set."""
    known = [k for k in list(inspect.signature(function).parameters)[len(first) :] if k not in given]
    for k in item.settings:
        if k not in known:
            raise ArgumentError(f"{item.text} has no {k!r:.40}; accepted: {', '.join(known) or 'no settings'}")
    try:
        return function(*first, **item.settings)
    except ArgumentError as e:
        raise ArgumentError(f"{item.text}: {e}") from None


# Schedules: of the rate so far, in epochs -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Run:
    """How long a run is."""

    epochs: int
    steps: int  # in each epoch


def _cosine(lr: Rate, run: Run, least: float = 0.0) -> Schedule:
    return optim.Cosine(lr, max(1, run.epochs * run.steps), least)


def _step(lr: Rate, run: Run, every: float = 1, factor: float = 0.1) -> Schedule:
    return optim.StepLR(lr, max(1.0, _epochs(every, "every") * run.steps), _factor(factor))


def _exponential(lr: Rate, run: Run, factor: float = 0.9) -> Schedule:
    return optim.Exponential(lr, _factor(factor) ** (1 / run.steps))


def _ramp(lr: Rate, run: Run, last: float = 0.0) -> Schedule:
    return optim.Ramp(lr, last, max(1, run.epochs * run.steps))


def _warmup(lr: Rate, run: Run, epochs: float = 1) -> Schedule:
    return optim.Warmup(lr, max(1.0, _epochs(epochs, "epochs") * run.steps))


def _factor(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise ArgumentError(f"factor={value!r:.40}: not usable; accepted: a number above 0, which multiplies the rate")
    return float(value)


def _epochs(value: object, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise ArgumentError(f"{what}={value!r:.40}: not usable; accepted: a number of epochs above 0")
    return float(value)


def _one_cycle(
    lr: Rate, run: Run, pct_start: float = 0.3, anneal_strategy: str = "cos", div_factor: float = 25.0, final_div_factor: float = 1e4,
    three_phase: bool = False,
) -> Schedule:  # fmt: skip
    steps = max(1, run.epochs * run.steps)
    return optim.OneCycle(_number(lr), steps, pct_start, anneal_strategy, div_factor, final_div_factor, three_phase)


def _plateau(
    lr: Rate, run: Run, mode: str = "min", factor: float = 0.1, patience: int = 10, threshold: float = 1e-4, threshold_mode: str = "rel",
    cooldown: int = 0, min_lr: float = 0.0, eps: float = 1e-8, metric: str | None = None,
) -> Schedule:  # fmt: skip
    return optim.Plateau(_number(lr), mode, factor, patience, threshold, threshold_mode, cooldown, min_lr, eps, metric)


def _number(lr: Rate) -> float:
    if isinstance(lr, Schedule):
        raise ArgumentError("it begins with a number, not with another schedule; accepted: it alone, or behind warmup")
    return lr


SCHEDULES: Mapping[str, Callable[..., Schedule]] = {
    "cosine": _cosine, "step": _step, "exponential": _exponential, "ramp": _ramp, "warmup": _warmup, "one-cycle": _one_cycle, "plateau": _plateau,
}  # fmt: skip


def schedule(text: str | None, lr: Rate, run: Run) -> Rate:
    """The rate that a text says, from its last item to its first: "warmup,cosine" is a cosine behind a warm-up."""
    for item in reversed(items(text, "schedule", list(SCHEDULES)) if text else []):
        lr = made(item, SCHEDULES[item.name], (lr, run))
    return lr


# Optimisers and augmentation ----------------------------------------------------------------------------------------------


def optimizer(text: str, run: Run, rate: str | None = None, **given: float | None) -> Optimizer:
    """The optimiser that a text says. rate: a schedule's text. given: lr, momentum, weight_decay of their own options, where they are not None."""
    found = items(text, "optimizer", list(OPTIMIZERS))
    if len(found) != 1:
        raise ArgumentError(f"optimizer={text!r:.80}: {len(found)} optimisers; accepted: one")
    (item,) = found
    kind = OPTIMIZERS[item.name]
    own = {k: v for k, v in given.items() if v is not None}
    for k in own.keys() & item.settings.keys():
        raise ArgumentError(f"{item.text} has {k}={item.settings[k]}, and there is --{k.replace('_', '-')} {own[k]:g}; accepted: one of them")
    start: Optimizer = made(Item(item.name, {**USUAL.get(item.name, {}), **item.settings}, item.text), kind).changed(own)
    return start if rate is None else start.changed({"lr": schedule(rate, start.update.scalars["lr"], run)})


def augmentation(text: str | None, shape: Sequence[int]) -> tuple[nn.Module | None, bool]:
    """(what goes in front of the network in training, whether inputs are normalised) for samples of this shape."""
    if not text:
        return None, False
    found = items(text, "augment", [*AUGMENTATION, *NORMALISE])
    layers = [made(i, AUGMENTATION[i.name]) for i in found if i.name not in NORMALISE]
    for i in found:
        if i.name in NORMALISE and i.settings:
            raise ArgumentError(f"{i.text} has no {next(iter(i.settings))!r:.40}; accepted: no settings, the training images say what is normal")
    if layers and len(shape) != 3:
        raise ArgumentError(f"augment={text!r:.80}: for images, and samples are {list(shape)}; accepted: {NORMALISE[0]}, or data of images")
    return nn.Sequential(*layers) if layers else None, len(layers) < len(found)
