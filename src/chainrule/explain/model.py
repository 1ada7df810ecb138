"""Numbers of a model in a file: which data they are asked of, which loss and optimiser it was trained with."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ArgumentError
from ..nn.documents import LOSSES
from ..nn.files import load
from ..nn.losses import CrossEntropyLoss, ProbabilityCrossEntropyLoss
from ..nn.models import gives_probabilities
from ..nn.module import Module
from ..nn.network import LOSS
from ..train import choices, run
from ..train.data import dataset
from ..train.groups import Clip
from ..train.optimizer import Optimizer
from .answer import Why, index_in
from .ask import place_of as asked
from .ask import why

LONG = choices.Run(1, run.PLENTY)  # a run for optimisers whose schedule is not asked for


def why_of_model(
    path: str | Path,
    name: str,
    index: str = "",
    images: Sequence[Path] = (),
    labels: Sequence[str] = (),
    data: str | None = None,
    samples: tuple[int, ...] = (),
    data_dir: Path | None = None,
    optimizer: str | None = None,
    form: str | None = None,
    terms: int = 10,
    by: str = "",
) -> Why:
    """Where a number of a model in a file came from; see `why`.

    images: pictures that it is asked of, with labels (class names or numbers, one for all or one for each) where a loss or gradient is asked
    for; else samples of the test part of `data`, by default of what the model was trained on. form: "training" (batch statistics, as
    gradients have them) or "inference"; left out, what is asked for says it.
    """
    path, (name, at) = Path(path), place_of(name, index)
    net, settings = load(path), settings_beside(path)
    if form not in (None, "training", "inference"):
        raise ArgumentError(f"form={form!r:.80}: there is no such form; accepted: 'training' or 'inference'")
    last = name.rpartition(".")[2]
    is_update, needs_loss = last in ("new", "update"), last in ("grad", "new", "update", LOSS)
    _belonging(name, is_update, images, labels, (data, samples, data_dir), optimizer)
    x, t = _pictures(net, path, images, labels) if images else _samples(net, settings, data, samples or (0,), data_dir)
    if t is None and needs_loss:
        raise ArgumentError(f"{name}: depends on what is right for {images[0]}; accepted: --label with a class, or --dataset")
    training = form == "training" or (form is None and needs_loss)
    loss = None if t is None else loss_of(net, settings)
    opt = optimizer_of(settings, optimizer) if is_update else None
    return why(net, loss, x, t, name, at, terms=terms, by=by, opt=opt, training=training)


def _belonging(name: str, is_update: bool, images: Sequence[Path], labels: Sequence[str], data: Sequence[object], optimizer: str | None) -> None:
    """Refuse what would be left unread."""
    if labels and not images:
        raise ArgumentError("--label: belongs to an image, samples of a data set have their own; accepted: --image with it")
    if images and any(x not in (None, ()) for x in data):
        raise ArgumentError("--image: with samples of a data set; accepted: images alone, or --dataset, --sample and --data-dir")
    if optimizer is not None and not is_update:
        raise ArgumentError(f"--optimizer: {name} is no part of a step; accepted: with TENSOR.new or TENSOR.update")


def place_of(name: str, index: str) -> tuple[str, tuple[int, ...]]:
    """(name, index) from "name", "3,0,2,1" or "name[3,0,2,1]"."""
    at = index_in(index.strip().strip("()[]"))
    if at is None:
        raise ArgumentError(f"{f'{name} {index}'.strip()!r:.80}: no place of a tensor; accepted: a name and whole numbers, as 0.weight.grad 3,0,2,1")
    return asked(name, at)


def settings_beside(path: Path) -> dict[str, Any]:
    """What the run that wrote a model was asked to do, where that lies beside it."""
    try:
        found = json.loads((path.parent / "settings.json").read_text())
    except (OSError, ValueError, RecursionError):  # the last of a file with brackets in brackets in brackets
        return {}
    return found if isinstance(found, dict) else {}


def loss_of(net: Module, settings: dict[str, Any]) -> Module:
    """The loss that `chainrule train` uses for such a model."""
    usual = ProbabilityCrossEntropyLoss() if gives_probabilities(net) else CrossEntropyLoss()
    return LOSSES.get(str(settings.get("model")), usual)


def optimizer_of(settings: dict[str, Any], asked: str | None) -> Optimizer:
    """The optimiser that is asked for, or that the model was trained with; at its first rate, where that changed in the run."""
    if asked is not None:
        return choices.optimizer(asked, LONG, None)
    given = {k: _number(settings, k) for k in ("lr", "momentum", "weight_decay")}
    text = str(settings.get("optimizer", "sgd"))
    if text.partition(":")[0] != "sgd":
        given.pop("momentum")
    made, norm = choices.optimizer(text, LONG, None, **given), _number(settings, "clip_norm")
    return made if norm is None else Clip(made, norm=norm)


def _number(settings: dict[str, Any], key: str) -> float | None:
    found = settings.get(key)
    return float(found) if isinstance(found, (int, float)) and not isinstance(found, bool) else None


def _pictures(net: Module, path: Path, images: Sequence[Path], labels: Sequence[str]) -> tuple[np.ndarray, np.ndarray | None]:
    rows = [run.images_for(net, path, p) for p in images]
    if len({a.shape[1:] for a in rows}) > 1:
        raise ArgumentError(f"{images[0]} and others: images of several sizes, and {path} does not say its own; accepted: one size")
    x = np.concatenate(rows)
    if not labels:
        return x, None
    if len(labels) not in (1, len(x)):
        raise ArgumentError(f"{len(labels)} labels for {len(x)} images; accepted: one for all, or one for each")
    return x, np.array([class_of(net, k) for k in (list(labels) * len(x))[: len(x)]])


def class_of(net: Module, label: str) -> int:
    """A class by its name or number."""
    names = net.classes or ()
    if label in names:
        return names.index(label)
    if re.fullmatch(r"\d{1,9}", label, re.ASCII) and (not names or int(label) < len(names)):
        return int(label)
    accepted = ", ".join(f"{k} ({name})" for k, name in enumerate(names)) or "class numbers"
    raise ArgumentError(f"label {label!r:.80}: the model has no such class; accepted: {accepted}")


def _samples(
    net: Module, settings: dict[str, Any], data: str | None, samples: Sequence[int], data_dir: Path | None
) -> tuple[np.ndarray, np.ndarray | None]:
    """Samples of a data set's test part."""
    name = data or settings.get("dataset")
    if not isinstance(name, str):
        raise ArgumentError("no data: the model's folder does not say what it was trained on; accepted: --image FILE, or --dataset NAME")
    shape = net.input.shape if net.input else None
    sized: dict[str, Any] = {"size": shape[1:]} if shape is not None and len(shape) == 3 and Path(name).is_dir() else {}
    x, t = dataset(name, data_dir, **sized).test
    for k in samples:
        if not 0 <= k < len(x):
            raise ArgumentError(f"sample {k}: {name} has no such one in its test part; accepted: 0 to {len(x) - 1}")
    rows = list(samples)
    return x[rows], t[rows]
