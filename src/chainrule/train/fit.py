"""The training loop: epochs of compiled steps, with progress, measured accuracy and a way back from NaN."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field

import numpy as np

from ..errors import ArgumentError, NumericsError, ShapeError
from ..nn.sequential import Sequential
from ..ops.operation import Op
from .optim import SGD
from .step import TrainStep, checked_pair

SLICE_SECONDS = 0.15  # how long machine code runs before Python looks up again (progress, Ctrl-C)


@dataclass(frozen=True)
class Epoch:
    """What one epoch did. train_loss is the mean over its steps, before each update."""

    epoch: int
    seconds: float
    images_per_second: float
    train_loss: float
    test_accuracy: float | None = None


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

    def __iter__(self):  # type: ignore[no-untyped-def]
        return iter(self.epochs)

    def __len__(self) -> int:
        return len(self.epochs)

    def __getitem__(self, k: int) -> Epoch:
        return self.epochs[k]

    def as_dicts(self) -> list[dict[str, object]]:
        return [asdict(e) for e in self.epochs]


def accuracy(net: Sequential, x: np.ndarray, t: np.ndarray, transform: Op | None = None, threads: int | None = None, batch: int = 2000) -> float:
    """The share of samples whose largest output is their class."""
    right = 0
    for k in range(0, len(x), batch):
        y = net(x[k : k + batch], transform=transform, threads=threads)
        right += int((y.argmax(axis=1) == t[k : k + batch]).sum())
    return right / len(x)


def order_of(epoch: int, count: int, seed: int) -> np.ndarray:
    """The order of the samples in an epoch (counted from 0): a matter of seed and epoch alone."""
    return np.random.default_rng([seed, epoch]).permutation(count).astype(np.int64)


def _finite(x: np.ndarray, name: str) -> None:
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        first = tuple(int(k) for k in np.argwhere(~np.isfinite(x))[0])
        raise NumericsError(f"{name}{list(first)} = {x[first]}: cannot be trained on; accepted: finite numbers")


def _whole(value: object, name: str, least: int) -> int:
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < least:
        raise ArgumentError(f"{name}={value!r}: not usable; accepted: a whole number of at least {least}")
    return int(value)


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
) -> History:
    """Train a network in place; returns what each epoch did.

    train, val: (inputs, targets), samples first; inputs in the network's number type, or bytes. transform: an operation
    put in front of the network (ops.scale for bytes). val needs class numbers and gives test_accuracy.
    The result depends on the arguments and the processor's kind, not on the number of threads.
    Errors: NumericsError where the loss stops being finite; the network is then as it was after the last whole epoch.

    >>> from chainrule import nn, ops
    >>> net = nn.Sequential(nn.Linear(2, 2)).init(seed=0)
    >>> x = np.array([[0, 1], [1, 0]], np.float32)
    >>> len(fit(net, nn.CrossEntropyLoss(), SGD(lr=1.0), (x, np.array([1, 0])), epochs=3))
    3
    """
    epochs, batch_size, seed = _whole(epochs, "epochs", 0), _whole(batch_size, "batch_size", 1), _whole(seed, "seed", 0)
    threads = None if threads is None else _whole(threads, "threads", 1)
    x, t = checked_pair(*train, net.dtype)
    _finite(x, "input")
    _finite(t, "target")
    held = checked_pair(*val, net.dtype) if val is not None else None
    if held is not None and held[0].shape[1:] != x.shape[1:]:
        raise ShapeError(f"val with shape {held[0].shape}: not like train's {x.shape}; accepted: the same axes after the samples")
    _classes(net, t, x, transform)
    step = TrainStep(net, loss, opt, x, t, min(batch_size, len(x)), transform, threads)
    history = History()
    for epoch in range(epochs):
        before = {k: v.copy() for k, v in net.values.items()}
        started = time.perf_counter()
        losses = _epoch(step, order_of(epoch, len(x), seed), epoch, epochs, started, on_progress)
        sound = all(np.isfinite(v).all() for v in net.values.values())
        if not (sound and np.isfinite(losses).all()):
            bad = int(np.argmin(np.isfinite(losses))) if not np.isfinite(losses).all() else len(losses) - 1
            for k, v in before.items():
                net.values[k][...] = v
            raise NumericsError(
                f"lr={opt.lr}: the loss is {losses[bad]} at step {bad + 1} of epoch {epoch + 1} and the weights are no longer finite; "
                f"the network is as it was after epoch {epoch}; accepted: a smaller lr, or smaller inputs"
            )
        seconds = time.perf_counter() - started
        measured = accuracy(net, *held, transform, threads) if held is not None else None
        history.epochs.append(Epoch(epoch + 1, seconds, len(x) / seconds, float(losses.mean()), measured))
        if on_epoch:
            on_epoch(history[-1])
    return history


def _classes(net: Sequential, t: np.ndarray, x: np.ndarray, transform: Op | None) -> None:
    """Class numbers must be classes of the network."""
    if t.ndim == 1 and t.dtype.kind in "iu":
        graph, out = net.graph((1, *x.shape[1:]), transform)
        count = graph.shapes[out][-1] if graph.shapes[out] else 0
        if count and (t.max() >= count or t.min() < 0):
            raise ShapeError(
                f"target {int(t.max() if t.max() >= count else t.min())}: the network has {count} outputs; accepted: class numbers 0 to {count - 1}"
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
