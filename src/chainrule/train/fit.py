"""The training loop: epochs of compiled steps, with progress, measured accuracy and a way back from NaN."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field

import numpy as np

from ..engines.processors import threads_asked
from ..errors import ArgumentError, NumericsError
from ..nn.arguments import whole
from ..nn.inputs import as_classes
from ..nn.losses import as_loss
from ..nn.module import Module, as_module
from ..operation.op import Op
from .check import pair
from .evaluate import Evaluation
from .optimizer import Optimizer
from .step import TrainStep

SLICE_SECONDS = 0.15  # how long machine code runs before Python looks up again (progress, Ctrl-C)


@dataclass(frozen=True)
class Epoch:
    """What one epoch did. train_loss is the mean over its steps, before each update.

    With validation data, test_loss is the loss's own formula on it; test_accuracy is None where targets are no class numbers.
    """

    epoch: int
    seconds: float
    images_per_second: float
    train_loss: float
    test_accuracy: float | None = None
    test_loss: float | None = None


@dataclass(frozen=True)
class Progress:
    """Where training stands: samples done in this epoch, of how many, the last losses' mean, samples per second."""

    epoch: int
    epochs: int
    done: int
    total: int
    loss: float
    images_per_second: float


@dataclass
class History:
    """The epochs so far."""

    epochs: list[Epoch] = field(default_factory=list)

    def __iter__(self) -> Iterator[Epoch]:
        return iter(self.epochs)

    def __len__(self) -> int:
        return len(self.epochs)

    def __getitem__(self, k: int) -> Epoch:
        return self.epochs[k]

    def as_dicts(self) -> list[dict[str, object]]:
        return [asdict(e) for e in self.epochs]


def order_of(epoch: int, count: int, seed: int) -> np.ndarray:
    """The order of the samples in an epoch (counted from 0): a matter of seed and epoch alone."""
    return np.random.default_rng([seed, epoch]).permutation(count).astype(np.int64)


def fit(
    net: Module,
    loss: object,
    opt: Optimizer,
    train: tuple[object, object],
    val: tuple[object, object] | None = None,
    epochs: int = 5,
    batch_size: int = 64,
    seed: int = 0,
    threads: int | None = None,
    transform: Op | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
    classes: Sequence[str] | None = None,
    engine: str = "native",
    augment: Module | None = None,
) -> History:
    """Train a network in place; returns what each epoch did.

    train, val: (inputs, targets), samples first, tuples of arrays where there are several; inputs in the network's number type, or
    bytes. loss: see value_and_grad. Steps use the training form, measuring the inference form. transform: an operation
    put in front of the network (ops.scale or nn.normalize for bytes); the network records it with the kind and shape of the
    inputs (`net.input`), applies it by itself from then on, and is saved with it. classes: what its classes are called.
    augment: a module without parameters that inputs go through first in training (see TrainStep); what it draws depends on `seed`.
    val gives test_loss, and test_accuracy where targets are class numbers.
    The result depends on the arguments and the processor's kind, not on the number of threads.
    Everything about the data is checked before the first step. Errors: NumericsError where the loss stops being finite; the
    network is then as it was after the last whole epoch. Whatever is raised in an epoch carries the history so far as `history`.

    >>> from chainrule import nn, optim
    >>> net = nn.Sequential(nn.Linear(2, 2)).init(seed=0)
    >>> x = np.array([[0, 1], [1, 0]], np.float32)
    >>> len(fit(net, nn.CrossEntropyLoss(), optim.SGD(lr=1.0), (x, np.array([1, 0])), epochs=3))
    3
    """
    epochs, batch_size, seed = whole(epochs, "epochs", 0), whole(batch_size, "batch_size", 1), whole(seed, "seed", 0)
    threads = threads_asked(threads)
    names, which = as_module(net).classes if classes is None else as_classes(classes), as_loss(loss)
    held = None if val is None else pair(val, "val")
    step = TrainStep(net, which, opt, *pair(train, "train"), batch_size, transform, threads, engine, augment)
    if augment is not None:
        augment.init(seed, step.dtype)
    count = len(step.data)
    step.prepare(count % step.batch)
    measure = None if held is None else Evaluation(net, which, *held, step.transform, threads, "val ", step.data, engine)
    if names is not None and step.classes is not None and len(names) != step.classes:
        raise ArgumentError(f"classes: {len(names)} names, but the network has {step.classes} outputs; accepted: a name for each")
    step.foretell(measure is not None, measure is not None and measure.classes is not None)
    net.classes = names
    step.record()
    history = History()
    try:
        for epoch in range(epochs):
            _measured_epoch(step, measure, history, order_of(epoch, count, seed), epochs, on_progress)
            if on_epoch:
                on_epoch(history[-1])
    except BaseException as e:
        e.history = history  # type: ignore[attr-defined]  # what was measured must not go down with what went wrong
        raise
    return history


def _measured_epoch(
    step: TrainStep, measure: Evaluation | None, history: History, order: np.ndarray, epochs: int, on_progress: Callable[[Progress], None] | None
) -> None:
    """One epoch more, and what is measured after it."""
    epoch, started = len(history), time.perf_counter()
    losses = _sound_epoch(step, order, epoch, epochs, started, on_progress)
    seconds = time.perf_counter() - started
    loss_there, right = measure.run() if measure is not None else (None, None)
    history.epochs.append(Epoch(epoch + 1, seconds, len(order) / seconds, float(losses.mean()), right, loss_there))
    step.tell(asdict(history[-1]))


def _sound_epoch(
    step: TrainStep, order: np.ndarray, epoch: int, epochs: int, started: float, on_progress: Callable[[Progress], None] | None
) -> np.ndarray:
    """An epoch's losses; where they or the weights stop being finite, the network goes back to where it was."""
    states = dict(step.net.named_states())
    values = {k: s.array for k, s in states.items()}
    before = {k: v.copy() for k, v in values.items()}
    losses = _epoch(step, order, epoch, epochs, started, on_progress)
    if np.isfinite(losses).all() and all(np.isfinite(v).all() for v in values.values()):
        return losses
    bad = int(np.argmin(np.isfinite(losses))) if not np.isfinite(losses).all() else len(losses) - 1
    for k, v in before.items():
        values[k][...] = v
    shown = ", ".join(f"{k}={v!r}" for k, v in step.optimizer.update.scalars.items() if k == "lr") or repr(step.optimizer)
    raise NumericsError(
        f"{shown}: the loss is {losses[bad]} at step {bad + 1} of epoch {epoch + 1} and the weights are no longer finite; "
        f"the network is as it was after epoch {epoch}; accepted: a smaller lr, or smaller inputs"
    )


def _epoch(step: TrainStep, order: np.ndarray, epoch: int, epochs: int, started: float, on_progress: Callable[[Progress], None] | None) -> np.ndarray:
    """All steps of one epoch, in slices short enough to show progress and to be interrupted between."""
    losses: list[np.ndarray] = []
    done, count = 0, 4
    while done < len(order):
        begin = time.perf_counter()
        part = order[done : done + count * step.batch]
        losses.append(step.run(part))
        done += len(part)
        now = time.perf_counter()
        count = max(1, min(4 * count, int(count * SLICE_SECONDS / max(now - begin, 1e-6))))
        if on_progress:
            on_progress(Progress(epoch + 1, epochs, done, len(order), float(losses[-1].mean()), done / (now - started)))
        if not np.isfinite(losses[-1]).all():
            break
    return np.concatenate(losses)
