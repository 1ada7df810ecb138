"""The command line: arguments in, results out."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .cli_explain import derive, why, worksheet
from .errors import ArgumentError, ChainruleError

if TYPE_CHECKING:
    from .train.data import Dataset
    from .train.run import Settings


FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


class _Group(click.Group):
    """Errors of this package, and of an output with no room, end a command with their message and exit code 2, never a traceback."""

    def main(self, *args: Any, **extra: Any) -> Any:
        try:
            return super().main(*args, **extra)
        except OSError as e:
            if e.filename is not None or e.errno not in FULL:
                raise
            with contextlib.suppress(OSError, ValueError):  # what is left to write would fail again at the end
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            click.echo(f"error: standard output: cannot be written ({e.strerror}); accepted: a terminal, a pipe, or a file with room", err=True)
            sys.exit(2)

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except ChainruleError as e:
            click.echo(f"error: {e}", err=True)
            sys.exit(2)


@click.group(cls=_Group)
@click.version_option(package_name="chainrule")
def main() -> None:
    """Backpropagation that you can see, prove and run fast."""


@main.command()
@click.argument("dataset", default="fashion-mnist")
@click.option(
    "--model", default="lenet5", show_default=True, help="lenet5, mlp, resnet20, vgg_small, mobilenet_small, vit_small, document000 to document004"
)
@click.option("--epochs", default=5, show_default=True, type=click.IntRange(0), help="passes over the training images")
@click.option("--batch-size", default=64, show_default=True, type=click.IntRange(1), help="images in one step")
@click.option(
    "--optimizer", default="sgd", show_default=True, help="sgd, adam, adamw, nadam, rmsprop or adagrad; NAME:KEY=VALUE,… for PyTorch's arguments"
)
@click.option("--lr", default=None, type=float, help="learning rate [sgd: 0.02; others: as in PyTorch]")
@click.option("--momentum", default=None, type=float, help="[sgd: 0.9]")
@click.option("--weight-decay", default=None, type=float)
@click.option("--clip-norm", default=None, type=float, help="the norm that all gradients together are cut to")
@click.option(
    "--schedule",
    default=None,
    help="cosine, step:every=2,factor=0.1, exponential, ramp, one-cycle, plateau (all in epochs), behind warmup: warmup:epochs=1,cosine",
)
@click.option("--augment", default=None, help="crop:padding=4, flip, flip-rows, erase, normalise; several with commas between")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="of the first weights and the order of images")
@click.option("--threads", default=0, type=click.IntRange(0), help="0: one for each processor; does not change the result")
@click.option("--out", default=None, type=click.Path(path_type=Path), help="folder for the model and metrics [runs/DATASET-MODEL]")
@click.option("--data-dir", default=None, type=click.Path(path_type=Path), help="folder with the data set's files")
@click.option("--shape", default=None, metavar="CxHxW", help="of images whose pixels lie in a row, as 1x28x28")
@click.option("--size", default=None, metavar="HxW", help="that pictures in a folder are resized to")
@click.option("--label", default=None, help="the column of a table that holds the labels")
@click.option("--test-share", default=None, type=float, help="of data without a test part [0.2]")
def train(
    dataset: str,
    out: Path | None,
    data_dir: Path | None,
    shape: str | None,
    size: str | None,
    label: str | None,
    test_share: float | None,
    **asked: Any,
) -> None:
    """Train a model on DATASET and write it, its metrics and its curve to --out.

    DATASET is fashion-mnist, or the path of an NPZ or CSV file or of a folder of pictures (a class in each folder) or IDX files.
    """
    from .train import data, run

    settings = run.Settings(dataset, **asked | {"threads": asked["threads"] or run.processors()})
    settings.check()
    options = {"shape": _sizes(shape, "--shape", 3), "size": _sizes(size, "--size", 2), "label": _column(label), "test_share": test_share}
    images = data.dataset(dataset, data_dir, **{k: v for k, v in options.items() if v is not None})
    folder = out or Path("runs") / f"{data.name_of(dataset)}-{settings.model}"
    click.echo(f"data: {images.source}")
    click.echo(f"training {settings.model} for {settings.epochs} epochs on {settings.threads} threads; writing to {folder}")
    _trained(settings, images, folder)


def _trained(settings: Settings, images: Dataset, folder: Path) -> None:
    """A run, with what it says of itself."""
    from .train import run
    from .train.evaluate import accuracy
    from .train.fit import Epoch, Progress

    with _Bar() as bar:

        def progress(p: Progress) -> None:
            bar.show(p.done, p.total, f"epoch {p.epoch}/{p.epochs}", f"{p.images_per_second:,.0f} images/s  loss {p.loss:.4f}")

        def epoch(e: Epoch) -> None:
            bar.say(f"epoch {e.epoch}: train loss {e.train_loss:.4f}, {run.measure(e)}, {e.seconds:.2f} s, {e.images_per_second:,.0f} images/s")

        outcome = run.train(settings, images, folder, progress, epoch)
    if outcome.interrupted:
        click.echo(f"interrupted: the model as it was is in {outcome.model}")
    else:
        click.echo(f"wrote {outcome.model}")
    measured = outcome.epochs[-1].test_accuracy if outcome.epochs and not outcome.interrupted else None
    if measured is None:
        measured = accuracy(outcome.net, *images.test)
    click.echo(f"test accuracy {measured:.4f}")
    if outcome.interrupted:
        sys.exit(130)


def _sizes(text: str | None, option: str, count: int) -> tuple[int, ...] | None:
    """Sizes with x between them."""
    if text is None:
        return None
    parts = text.lower().split("x")
    if len(parts) != count or not all(p.isascii() and p.isdigit() and 0 < len(p) < 10 for p in parts):
        raise ArgumentError(f"{option} {text!r:.80}: no sizes; accepted: {count} whole numbers with x between them")
    return tuple(map(int, parts))


def _column(text: str | None) -> int | str | None:
    """A column by its number, or by its name."""
    if text is None:
        return None
    return int(text) if re.fullmatch(r"-?\d{1,9}", text, re.ASCII) else text


class _Bar:
    """A progress bar on a terminal's standard error; elsewhere only the lines that are said."""

    def __enter__(self) -> _Bar:
        self.progress = None
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn

            self.progress = Progress(
                TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[note]}"), console=Console(stderr=True), transient=True
            )
            self.progress.start()
            self.task = self.progress.add_task("compiling", total=None, note="")
        return self

    def __exit__(self, *_: object) -> None:
        if self.progress:
            self.progress.stop()

    def show(self, done: int, total: int, label: str, note: str) -> None:
        if self.progress:
            self.progress.update(self.task, completed=done, total=total, description=label, note=note)

    def say(self, text: str) -> None:
        if self.progress and sys.stdout.isatty():
            self.progress.console.print(text, highlight=False, soft_wrap=True)  # above the bar, on the same terminal
        else:
            click.echo(text)


@main.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("images", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--top", default=3, show_default=True, type=click.IntRange(1), help="how many classes to print")
def predict(model: Path, images: tuple[Path, ...], top: int) -> None:
    """Print the most probable classes of IMAGES (PNG, JPEG or IDX files).

    Size, colours, the transform of pixels and the names of classes are MODEL's own.
    """
    from .nn.files import load
    from .train import run

    net = load(model)
    if run.doubt(net, model):
        click.echo(f"note: {run.doubt(net, model)}", err=True)
    for path in images:
        pixels = run.images_for(net, model, path)
        for k, row in enumerate(run.probabilities(net, model, path, pixels)):
            label = f"{path}" if len(pixels) == 1 else f"{path}[{k}]"
            names = net.classes or tuple(map(str, range(len(row))))
            best = row.argsort()[::-1][:top]
            click.echo(f"{label}: " + ", ".join(f"{names[c]} {row[c]:.3f}" for c in best))


def _operation(name: str):  # type: ignore[no-untyped-def]  # Op is not imported before a command needs it
    from .explain.named import operation

    return operation(name)


@main.command()
@click.argument("op")
@click.argument("sizes", nargs=-1)
@click.option("--backward", is_flag=True, help="the gradients' loops instead")
def loops(op: str, sizes: tuple[str, ...], backward: bool) -> None:
    """Print the loop nests compiled for OP. SIZES: N=64 C=6 … for sizes and settings (others get small values)."""
    from .operation.loops import loops_for

    click.echo(loops_for(_operation(op), sizes, backward))


main.add_command(derive)
main.add_command(why)
main.add_command(worksheet)


if __name__ == "__main__":
    main()
