"""The training loop: epochs of compiled steps, with progress, measured accuracy and a way back from NaN."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field

import numpy as np

from ..errors import ArgumentError, ElementTypeError, NumericsError, ShapeError
from ..nn.arguments import whole
from ..nn.inputs import as_classes, kind_of
from ..nn.losses import Loss, as_loss
from ..nn.sequential import Sequential
from ..operation.op import Op
from .check import checked_pair, finite, pair, taken
from .optim import SGD
from .step import TrainStep

TEST_BATCH = 2000  # samples that are measured at a time
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


def accuracy(
    net: Sequential, x: np.ndarray, t: np.ndarray, transform: Op | None = None, threads: int | None = None, batch: int = TEST_BATCH
) -> float:
    """The share of samples whose largest output is their class."""
    right = 0
    for k in range(0, len(x), batch):
        y = net(x[k : k + batch], transform=transform, threads=threads)
        right += int((y.argmax(axis=1) == t[k : k + batch]).sum())
    return right / len(x)


def measured(
    net: Sequential, loss: Loss, x: np.ndarray, t: np.ndarray, classes: int | None, transform: Op | None = None, threads: int | None = None
) -> tuple[float, float | None]:
    """The loss on data, in batches weighted by their samples, and the accuracy where there are classes."""
    total, right = 0.0, 0
    for k in range(0, len(x), TEST_BATCH):
        y, part = net(x[k : k + TEST_BATCH], transform=transform, threads=threads), t[k : k + TEST_BATCH]
        total += loss(y, part) * len(part)
        right += int((y.argmax(axis=1) == part).sum()) if classes is not None else 0
    return total / len(x), right / len(x) if classes is not None else None


def order_of(epoch: int, count: int, seed: int) -> np.ndarray:
    """The order of the samples in an epoch (counted from 0): a matter of seed and epoch alone."""
    return np.random.default_rng([seed, epoch]).permutation(count).astype(np.int64)


def fit(
    net: Sequential,
    loss: object,
    opt: SGD,
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
) -> History:
    """Train a network in place; returns what each epoch did.

    train, val: (inputs, targets), samples first; inputs in the network's number type, or bytes. transform: an operation
    put in front of the network (ops.scale or nn.normalize for bytes); the network records it with the kind and shape of the
    inputs (`net.input`), applies it by itself from then on, and is saved with it. classes: what its classes are called.
    val gives test_loss, and test_accuracy where targets are class numbers.
    The result depends on the arguments and the processor's kind, not on the number of threads.
    Everything about the data is checked before the first step. Errors: NumericsError where the loss stops being finite; the
    network is then as it was after the last whole epoch. Whatever is raised in an epoch carries the history so far as `history`.

    >>> from chainrule import nn, ops
    >>> net = nn.Sequential(nn.Linear(2, 2)).init(seed=0)
    >>> x = np.array([[0, 1], [1, 0]], np.float32)
    >>> len(fit(net, nn.CrossEntropyLoss(), SGD(lr=1.0), (x, np.array([1, 0])), epochs=3))
    3
    """
    epochs, batch_size, seed = whole(epochs, "epochs", 0), whole(batch_size, "batch_size", 1), whole(seed, "seed", 0)
    threads = None if threads is None else whole(threads, "threads", 1)
    names, which = net.classes if classes is None else as_classes(classes), as_loss(loss)
    x, t = checked_pair(net, which, *pair(train, "train"), transform)
    held = checked_pair(net, which, *pair(val, "val"), transform, "val ") if val is not None else None
    step = TrainStep(net, which, opt, x, t, batch_size, transform, threads)
    count = _validated(step, *held) if held is not None else None
    if names is not None and step.classes is not None and len(names) != step.classes:
        raise ArgumentError(f"classes: {len(names)} names, but the network has {step.classes} outputs; accepted: a name for each")
    net.classes = names
    step.record()
    history = History()
    try:
        for epoch in range(epochs):
            started = time.perf_counter()
            losses = _sound_epoch(step, order_of(epoch, len(x), seed), epoch, epochs, started, on_progress)
            seconds = time.perf_counter() - started
            loss_there, right = measured(net, which, *held, count, step.transform, threads) if held is not None else (None, None)
            history.epochs.append(Epoch(epoch + 1, seconds, len(x) / seconds, float(losses.mean()), right, loss_there))
            if on_epoch:
                on_epoch(history[-1])
    except BaseException as e:
        e.history = history  # type: ignore[attr-defined]  # what was measured must not go down with what went wrong
        raise
    return history


def _validated(step: TrainStep, x: np.ndarray, t: np.ndarray) -> int | None:
    """Prove the validation data to be like the training data and to fit; returns the number of classes, if there are any."""
    for a, b, name in ((x, step.x, "input"), (t, step.t, "target")):
        finite(a, f"val {name}")
        if a.shape[1:] != b.shape[1:]:
            raise ShapeError(f"val {name} with shape {a.shape}: not like train's {b.shape}; accepted: the same axes after the samples")
        if kind_of(a.dtype) != kind_of(b.dtype):
            raise ElementTypeError(f"val {name} with dtype {a.dtype}: train's is {b.dtype}; accepted: floats for both, or whole numbers for both")
    return taken(step.net, step.loss, x, t, step.transform, TEST_BATCH, "val ")


def _sound_epoch(
    step: TrainStep, order: np.ndarray, epoch: int, epochs: int, started: float, on_progress: Callable[[Progress], None] | None
) -> np.ndarray:
    """An epoch's losses; where they or the weights stop being finite, the network goes back to where it was."""
    values = step.net.values
    before = {k: v.copy() for k, v in values.items()}
    losses = _epoch(step, order, epoch, epochs, started, on_progress)
    if np.isfinite(losses).all() and all(np.isfinite(v).all() for v in values.values()):
        return losses
    bad = int(np.argmin(np.isfinite(losses))) if not np.isfinite(losses).all() else len(losses) - 1
    for k, v in before.items():
        values[k] = v
    raise NumericsError(
        f"lr={step.optimizer.lr}: the loss is {losses[bad]} at step {bad + 1} of epoch {epoch + 1} and the weights are no longer finite; "
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
