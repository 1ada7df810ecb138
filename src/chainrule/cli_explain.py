"""Commands that explain: arguments in, results out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

FORMATS = ("text", "json", "html")


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("tensor")
@click.argument("index", default="")
@click.option("--image", "images", multiple=True, type=click.Path(path_type=Path), help="a picture that it is asked of; several make a batch")
@click.option("--label", "labels", multiple=True, help="its class, by name or number; one for all images or one for each")
@click.option("--dataset", "data", default=None, help="a data set, by its name or path [what MODEL was trained on]")
@click.option("--sample", "samples", multiple=True, type=click.IntRange(0), help="which of its test samples [0]")
@click.option("--data-dir", default=None, type=click.Path(path_type=Path), help="folder with the data set's files")
@click.option("--optimizer", default=None, help="for TENSOR.new and TENSOR.update: as in train [what MODEL was trained with]")
@click.option("--form", type=click.Choice(["training", "inference"]), default=None, help="[training for gradients and losses]")
@click.option("--terms", default=10, show_default=True, type=click.IntRange(1), help="how many terms are shown")
@click.option("--by", default="", help="a letter of the sum to group terms by: n for samples")
@click.option("--depth", default=None, type=click.IntRange(1, 9), help="how many levels of numbers behind it [text: 1, json: 1, html: 4]")
@click.option("--format", "kind", type=click.Choice(FORMATS), default="text", show_default=True)
@click.option("-o", "--out", default=None, type=click.Path(path_type=Path), help="a file to write to")
def why(model: Path, tensor: str, index: str, depth: int | None, kind: str, out: Path | None, **asked: Any) -> None:
    """Say where a number of MODEL came from: its formula, every term with its numbers, and what machine code makes of it.

    TENSOR is 0.weight.grad, 0.output, 2.output.grad, loss, 0.weight.update, …; INDEX its place there, as 3,0,2,1.
    """
    from .explain.model import why_of_model

    w = why_of_model(model, tensor, index, **asked)
    deep = depth or (4 if kind == "html" else 1)
    said(w.text(deep) if kind == "text" else w.json(deep) if kind == "json" else w.html(deep), out)


@click.command()
@click.argument("what")
@click.argument("words", nargs=-1, metavar="[WRT]… [NAME=NUMBER]…")
@click.option("--mode", type=click.Choice(["reverse", "forward", "jacobian"]), default="reverse", show_default=True)
@click.option("--order", type=click.IntRange(1, 2), default=1, show_default=True, help="2: the derivative of the derivative")
@click.option("--expand", is_flag=True, help="with sizes: an equation for each element, sums written out")
@click.option("--loss", default=None, help="of a network: cross_entropy, half_square, mse or another operation with a scalar output")
@click.option("--input", "shape", default=None, metavar="CxHxW", help="of a network: the shape of what goes in [what it was made for]")
@click.option("--format", "kind", type=click.Choice(["text", "latex", "markdown", "html"]), default="text", show_default=True)
@click.option("--notation", "adjoint", type=click.Choice(["d", "delta", "partial"]), default="d", show_default=True, help="of ∂E/∂y: dy, δ or ∂E/∂y")
@click.option("--base", type=click.Choice(["0", "1"]), default="0", show_default=True, help="what indices count from")
@click.option(
    "--form", type=click.Choice(["index", "matrix"]), default="index", show_default=True, help="matrix: where a formula is a matrix product"
)
@click.option(
    "--cases",
    type=click.Choice(["stacked", "environment"]),
    default="stacked",
    show_default=True,
    help="a brace in LaTeX: as mathtext reads it, too, or \\begin{cases}",
)
@click.option("--convolution", type=click.Choice(["cross-correlation", "convolution"]), default="cross-correlation", show_default=True)
@click.option("--language", type=click.Choice(["en", "ru", "fr", "zh"]), default="en", show_default=True, help="of the words between the formulas")
@click.option("-o", "--out", default=None, type=click.Path(path_type=Path), help="a file to write to")
def derive(
    what: str,
    words: tuple[str, ...],
    kind: str,
    adjoint: str,
    base: str,
    form: str,
    cases: str,
    convolution: str,
    language: str,
    out: Path | None,
    **asked: Any,
) -> None:
    """Derive the gradient of WHAT for its inputs WRT [all], step by step.

    WHAT is an operation of the library, a file with a definition, several of these with commas between (one after the other), the name of a known model,
    or a model's file. NAME=NUMBER are settings and sizes: s=1 K=3.
    """
    from .explain import Notation
    from .explain.named import derivation

    said(derivation(what, words, **asked).render(kind, Notation(adjoint, int(base), language, convolution, form, cases)), out)


@click.command()
@click.argument("op")
@click.argument("numbers", nargs=-1, metavar="[NAME=NUMBER]…")
@click.option("--seed", default=7, show_default=True, type=click.IntRange(0), help="of the small whole numbers")
@click.option("--wrt", multiple=True, help="an input whose gradient is worked out [all]")
@click.option("--settings", multiple=True, metavar="NAME=NUMBER", help="settings of OP: s=2 p=1")
@click.option("--sizes", multiple=True, metavar="NAME=NUMBER", help="sizes: H=5 n=2 [small ones that fit]")
@click.option("--answers/--no-answers", default=True, show_default=True, help="results, or blanks to fill in")
@click.option("--format", "kind", type=click.Choice(["markdown", "latex", "xlsx"]), default=None, help="[markdown, or as the file's name ends]")
@click.option("-o", "--out", default=None, type=click.Path(path_type=Path), help="a file to write to")
def worksheet(
    op: str,
    numbers: tuple[str, ...],
    seed: int,
    wrt: tuple[str, ...],
    settings: tuple[str, ...],
    sizes: tuple[str, ...],
    answers: bool,
    kind: str | None,
    out: Path | None,
) -> None:
    """Work out OP (a library name or a file with a definition) on small whole numbers, forward and backward, with every product.

    NAME=NUMBER may be a setting or a size. A spreadsheet (xlsx) has live formulas.
    """
    from .explain.named import operation
    from .explain.out import kind_of
    from .explain.worksheet import from_texts

    w = from_texts(operation(op), (*numbers, *settings, *sizes), seed, wrt, answers)
    form = kind_of(kind, out)
    if form == "xlsx":
        assert out is not None
        w.xlsx(out)
        click.echo(f"wrote {out}")
    else:
        said(w.markdown() if form == "markdown" else w.latex(), out)


def said(text: str, out: Path | None) -> None:
    """Print a text, or write it to a file."""
    from .explain.out import write

    if out is None:
        click.echo(text)
    else:
        write(out, text)
        click.echo(f"wrote {out}")
