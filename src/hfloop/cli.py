"""The `hfloop` command. Each subcommand imports what it needs when it runs, so that `--help` is instant."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hfloop import __version__
from hfloop.errors import exit_on_user_error

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline

app = typer.Typer(
    help="From a data file to a trained, honestly measured model that is ready to share.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
data = typer.Typer(help="Look at annotated documents, and convert them.", no_args_is_help=True)
app.add_typer(data, name="data")

FormatOption = Annotated[
    str, typer.Option("--format", help="auto, dataturks, doccano, label-studio, conll or spacy; auto looks inside.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


def main() -> None:
    """Run the command line; what a user can mend is said in one sentence, with exit code 2."""
    exit_on_user_error(app)


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def hfloop(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """From a data file to a trained, honestly measured model that is ready to share."""


@data.command()
def check(file: Path, format: FormatOption = "auto") -> None:
    """Say what a file of annotated documents holds and what would be repaired; writes nothing."""
    from hfloop.ner.data_commands import check

    typer.echo(check(file, format), nl=False)


@data.command()
def convert(
    source: Annotated[Path, typer.Argument(metavar="IN")],
    target: Annotated[Path, typer.Argument(metavar="OUT")],
    to: Annotated[str, typer.Option("--to", help="dataturks, doccano, label-studio, conll or spacy.")],
    format: FormatOption = "auto",
    repair: Annotated[bool, typer.Option(help="Repair the annotations first, and say what was done.")] = True,
) -> None:
    """Write a file of annotated documents in another format."""
    from hfloop.ner.data_commands import convert

    typer.echo(convert(source, target, to, format, repaired=repair), nl=False)


@app.command()
def evaluate(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A release folder or a Hub id.")],
    data: Annotated[Path, typer.Option("--data", metavar="FILE", help="Annotated documents to measure on.")],
    format: FormatOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Measure a model on complete documents: strict spans, per label, error kinds, interval."""
    from hfloop.ner.commands import evaluate

    typer.echo(evaluate(model, data, format, as_json=as_json))


@app.command()
def extract(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A release folder or a Hub id.")],
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="Texts, PDF or DOCX documents.")],
    as_json: JsonOption = False,
) -> None:
    """Find entities in whole documents."""
    from hfloop.ner.commands import extract

    typer.echo(extract(model, files, as_json=as_json))


class MetricName(StrEnum):
    """The metrics of `hfloop metrics`."""

    FD = "fd"
    KID = "kid"
    PRDC = "prdc"
    IS = "is"


@app.command(no_args_is_help=True)
def metrics(
    metric: Annotated[
        MetricName,
        typer.Argument(
            metavar="METRIC",
            help="fd: Fréchet distance (FID where the extractor is inception); kid: kernel distance; prdc: precision, "
            "recall, density, coverage; is: inception score.",
        ),
    ],
    real: Annotated[
        str,
        typer.Argument(
            metavar="REAL", help="A folder of images, .npz, .npy, an IDX file, datasets/USER/NAME[:split], or digits."
        ),
    ],
    fake: Annotated[
        str, typer.Argument(metavar="FAKE", help="The same, or a release (a folder or a Hub id) with --num_images.")
    ],
    extractor: Annotated[
        str | None,
        typer.Option(
            help="What sees the images: digits-v1, mnist-v1, fashion-v1, inception, or a model's Hub id; "
            "default: for gray images one of digits, by their size."
        ),
    ] = None,
    num_images: Annotated[
        int | None, typer.Option("--num_images", min=1, help="How many of FAKE to use or to make; default: all.")
    ] = None,
    batch_size: Annotated[int, typer.Option("--batch_size", min=1, help="Images in the extractor at a time.")] = 256,
    seed: Annotated[int, typer.Option(min=0, help="Of every random choice.")] = 0,
    allow_small: Annotated[
        bool, typer.Option("--allow_small", help="Measure fd even with no more images than features.")
    ] = False,
    skip_corrupt: Annotated[
        bool, typer.Option("--skip_corrupt", help="Leave out images that cannot be read.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Measure generated images against real ones, with the bounds of the figure and its protocol."""
    from hfloop.metrics.commands import measure

    printed = measure(
        metric.value,
        real,
        fake,
        extractor=extractor,
        num_images=num_images,
        batch_size=batch_size,
        seed=seed,
        allow_small=allow_small,
        skip_corrupt=skip_corrupt,
        as_json=as_json,
        open_pipeline=_open_pipeline,
    )
    typer.echo(printed)


def _open_pipeline(folder: Path, name: str) -> DiffusionPipeline:
    from hfloop.gan.pipelines import open_pipeline  # loads diffusers, which only a release needs

    return open_pipeline(folder, name)
