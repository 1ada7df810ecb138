"""A whole training run with its files: model.safetensors, metrics.jsonl, curve.svg, settings.json."""

from __future__ import annotations

import contextlib
import json
import os
import platform
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from .. import ops
from ..engines.processors import processors as processors
from ..errors import ChainruleError, DataError, ShapeError
from ..nn.documents import LOSSES
from ..nn.files import save
from ..nn.losses import CrossEntropyLoss
from ..nn.models import gives_probabilities, known
from ..nn.module import Module
from . import choices
from .data import Dataset, image_size, read_images, standardised, transform_for
from .fit import Epoch, Progress, fit
from .groups import Clip
from .optimizer import Optimizer

PLENTY = 1000  # steps in an epoch, for schedules that need some


@dataclass(frozen=True)
class Settings:
    """What a run was asked to do; written to settings.json as it is.

    optimizer, schedule, augment: see choices.py. lr, momentum, weight_decay: of the optimiser, where they are not None.
    """

    dataset: str
    model: str
    epochs: int
    batch_size: int
    lr: float | None
    momentum: float | None
    weight_decay: float | None
    seed: int
    threads: int
    optimizer: str = "sgd"
    schedule: str | None = None
    augment: str | None = None
    clip_norm: float | None = None

    def check(self) -> None:
        """Refuse what can be refused before any data is read: what would be wrong for however many samples."""
        known(self.model)
        self.optimiser(PLENTY * self.batch_size)
        choices.augmentation(self.augment, (1, 1, 1))

    def optimiser(self, samples: int) -> Optimizer:
        """The optimiser, for so many training samples."""
        run = choices.Run(max(self.epochs, 1), -(-samples // self.batch_size))
        given = {"lr": self.lr, "momentum": self.momentum, "weight_decay": self.weight_decay}
        made = choices.optimizer(self.optimizer, run, self.schedule, **given)
        return made if self.clip_norm is None else Clip(made, norm=self.clip_norm)


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    net: Module
    epochs: tuple[Epoch, ...]
    interrupted: bool
    model: Path


def new_model(name: str, seed: int, data: Dataset | None = None) -> Module:
    """A known model with its first values, made for the data's shapes and classes."""
    return (known(name) if data is None else known(name, data.shape, len(data.classes))).init(seed)


def _begin(out: Path, settings: Settings, optimizer: Optimizer, source: str) -> None:
    """The folder, what was asked for and what that came to, and room for what is measured."""
    own = optimizer.inner if isinstance(optimizer, Clip) else optimizer
    used = {k: v for k in ("lr", "momentum", "weight_decay") if isinstance(v := getattr(own, k, None), float)}
    known_ = asdict(settings) | used | {"data": source, "machine": platform.machine(), "version": _version()}
    try:
        out.mkdir(parents=True, exist_ok=True)
        _write(out / "settings.json", json.dumps(known_, indent=2) + "\n")
        (out / "metrics.jsonl").write_text("")
    except OSError as e:
        raise DataError(f"{out}: cannot be written to ({e.strerror}); accepted: a folder with room and permission") from None


def train(
    settings: Settings,
    data: Dataset,
    out: Path,
    on_progress: Callable[[Progress], None] | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
) -> Outcome:
    """Train and write the files into `out`. Ctrl-C ends training early; the model so far is written all the same."""
    net = new_model(settings.model, settings.seed, data)
    net.classes = data.classes
    optimizer = settings.optimiser(len(data.train[0]))
    augment, is_normalised = choices.augmentation(settings.augment, data.shape)
    _begin(out, settings, optimizer, data.source)
    epochs: list[Epoch] = []

    def record(epoch: Epoch) -> None:
        epochs.append(epoch)
        row = asdict(epoch)
        try:
            with (out / "metrics.jsonl").open("a") as f:
                f.write(json.dumps(row) + "\n")
        except OSError as e:
            raise DataError(f"{out / 'metrics.jsonl'}: cannot be written ({e.strerror}); accepted: a folder with room") from None
        if on_epoch:
            on_epoch(epoch)

    interrupted = False
    try:
        fit(
            net,
            LOSSES.get(settings.model, CrossEntropyLoss()),
            optimizer,
            data.train,
            data.test,
            settings.epochs,
            settings.batch_size,
            settings.seed,
            settings.threads,
            standardised(data.train[0]) if is_normalised else transform_for(data),
            on_progress,
            record,
            augment=augment,
        )
    except KeyboardInterrupt:
        interrupted = True
    except ChainruleError:  # NaN, a full disk: what was learned before is kept
        if epochs:
            with contextlib.suppress(DataError):
                save(net, out / "model.safetensors")
        raise
    save(net, out / "model.safetensors")
    _write(out / "curve.svg", curve(epochs))
    return Outcome(net, tuple(epochs), interrupted, out / "model.safetensors")


def _version() -> str:
    from .. import __version__

    return __version__


def _write(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    part = path.with_name(path.name + ".part")
    try:
        part.write_text(text)
        os.replace(part, path)
    except OSError as e:
        part.unlink(missing_ok=True)
        raise DataError(f"{path}: cannot be written ({e.strerror}); accepted: a folder with room and permission") from None


def curve(epochs: list[Epoch]) -> str:
    """Training loss and test accuracy (test loss, where there are no classes) over the epochs as an SVG picture."""
    width, height, left, top = 640, 360, 60, 40
    inner_w, inner_h = width - 2 * left, height - 2 * top
    xs = [left + inner_w * (k / max(len(epochs) - 1, 1)) for k in range(len(epochs))]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<rect x="{left}" y="{top}" width="{inner_w}" height="{inner_h}" fill="none" stroke="#ccc"/>',
    ]
    series = [
        ("training loss", [e.train_loss for e in epochs], "#c0392b", "end", left - 8),
        (*_tested(epochs), "#2471a3", "start", width - left + 8),
    ]
    for k, (label, values, colour, anchor, at) in enumerate(series):
        parts.append(f'<text x="{left + k * 160}" y="{top - 14}" fill="{colour}">{label}</text>')
        if not values:
            continue
        low, high = min(values), max(values)
        span = (high - low) or max(abs(high), 1e-9) * 0.1
        ys = [top + inner_h * (1 - (v - low + 0.05 * span) / (1.1 * span)) for v in values]
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(xs, ys, strict=True))
        parts.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{points}"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in zip(xs, ys, strict=True)]
        for v, y in {values[0]: ys[0], values[-1]: ys[-1]}.items():
            parts.append(f'<text x="{at}" y="{y + 4:.1f}" fill="{colour}" text-anchor="{anchor}">{v:.3f}</text>')
    for e, x in zip(epochs, xs, strict=True):
        if len(epochs) <= 20 or e.epoch % (len(epochs) // 10) == 0:
            parts.append(f'<text x="{x:.1f}" y="{height - top + 18}" text-anchor="middle" fill="#555">{e.epoch}</text>')
    parts.append(f'<text x="{width / 2}" y="{height - 6}" text-anchor="middle" fill="#555">epoch</text></svg>')
    return "\n".join(parts) + "\n"


def _tested(epochs: list[Epoch]) -> tuple[str, list[float]]:
    """What was measured on the test data in every epoch, accuracy rather than loss."""
    for name, values in (("test accuracy", [e.test_accuracy for e in epochs]), ("test loss", [e.test_loss for e in epochs])):
        found = [v for v in values if v is not None]
        if found and len(found) == len(epochs):
            return name, found
    return "", []


def measure(e: Epoch) -> str:
    """What an epoch says of the test data, in words."""
    if e.test_accuracy is not None:
        return f"test accuracy {e.test_accuracy:.4f}"
    return f"test loss {e.test_loss:.4f}" if e.test_loss is not None else "not tested"


# Prediction ------------------------------------------------------------------------------------------------------------


def images_for(net: Module, model: Path, path: Path) -> np.ndarray:
    """Images as the model's own input says: grey or coloured, resized. A model that does not say gets them as they are."""
    shape = net.input.shape if net.input else None
    if shape is None:
        return read_images(path, channels=_channels(net))
    if len(shape) != 3:
        raise DataError(f"{model}: takes inputs of shape {shape}, which are no images; accepted: a model for [channels, rows, columns]")
    return read_images(path, shape[1:], shape[0])


def _channels(net: Module) -> int | None:
    """The number of channels, where the first layer's parameters give it away."""
    first = next((v for v in net.values.values()), None)
    return first.shape[1] if first is not None and first.ndim == 4 else None


def probabilities(net: Module, model: Path, path: Path, images: np.ndarray) -> np.ndarray:
    """Class probabilities for images of bytes."""
    try:
        y = net(images)
    except ShapeError as e:
        own = "" if net.input and net.input.shape else f", its own size, as {model} has no recorded input shape"
        raise DataError(
            f"{path}: {image_size(images.shape[1:])}{own}: does not fit ({e}); accepted: images of the size the model was made for"
        ) from None
    if y.ndim != 2:
        raise DataError(f"{model}: gives outputs of shape {y.shape[1:]}; accepted: a model with one output for each class")
    if net.classes is not None and len(net.classes) != y.shape[1]:
        raise DataError(f"{model}: {len(net.classes)} class names for {y.shape[1]} outputs; accepted: a name for each")
    return np.asarray(y if gives_probabilities(net) else ops.softmax(y))


def doubt(net: Module, model: Path) -> str:
    """What is not known about a model's inputs, if anything."""
    if net.input and net.input.kind == "whole":
        return ""
    what = "was trained on floats" if net.input else "does not say what it was trained on"
    return f"{model} {what}: pixels go in as they are, 0 to 255"
