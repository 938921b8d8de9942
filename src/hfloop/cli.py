"""The `hfloop` command. Each subcommand imports what it needs when it runs, so that `--help` is instant."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hfloop import __version__
from hfloop.errors import UserError, exit_on_user_error

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


_OF_TOKEN_CLASSIFIERS = {"format"}  # options of `evaluate` that the other family does not have
_OF_GENERATORS = {
    "train_data",
    "num_images",
    "extractor",
    "seed",
    "batch_size",
    "allow_small",
    "skip_corrupt",
}


@app.command()
def evaluate(
    context: typer.Context,
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A release folder or a Hub id.")],
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            metavar="DATA",
            help="A file of annotated documents; for a generator, real images (see metrics), left out where its test "
            "set was cut from what --train_data names.",
        ),
    ] = None,
    format: FormatOption = "auto",
    train_data: Annotated[
        str | None,
        typer.Option(
            "--train_data",
            help="Generators: what it learned from, for the floor of every figure; default: a part of DATA. Without "
            "--data, what its test set was cut from.",
        ),
    ] = None,
    num_images: Annotated[
        int | None,
        typer.Option(
            "--num_images",
            min=1,
            help="Generators: how many images to make; default: as many as the release's own figures are of, else as "
            "there are training images, else as DATA has, at most 10,000.",
        ),
    ] = None,
    extractor: Annotated[
        str | None,
        typer.Option(
            help="Generators: what sees the images (see metrics); default: what the release was measured with."
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            min=0, help="Generators: of every random choice; default: that of the release's figures, else 0."
        ),
    ] = None,
    batch_size: Annotated[
        int, typer.Option("--batch_size", min=1, help="Generators: images in the extractor at a time.")
    ] = 256,
    allow_small: Annotated[
        bool, typer.Option("--allow_small", help="Generators: measure even no more images than features.")
    ] = False,
    skip_corrupt: Annotated[
        bool, typer.Option("--skip_corrupt", help="Generators: leave out images that cannot be read.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Measure a model: strict spans on documents, or every image metric with its floor and ceiling."""
    if not _is_generator(model):
        _refuse(context, _OF_GENERATORS, f"is for models that make images, and {model} finds entities")
        if data is None:
            raise UserError(f"--data is missing: name a file of annotated documents to measure {model} on.")
        from hfloop.ner.commands import evaluate as evaluate_documents

        typer.echo(evaluate_documents(model, Path(data), format, as_json=as_json))
        return
    _refuse(context, _OF_TOKEN_CLASSIFIERS, f"is for models that find entities, and {model} makes images")
    from hfloop.gan.commands import evaluate as evaluate_images

    printed = evaluate_images(
        model,
        data,
        train_data=train_data,
        num_images=num_images,
        extractor=extractor,
        seed=seed,
        batch_size=batch_size,
        allow_small=allow_small,
        skip_corrupt=skip_corrupt,
        as_json=as_json,
    )
    typer.echo(printed)


def _is_generator(model: str) -> bool:
    """Whether MODEL is a release that makes images; one on the Hub is downloaded to see."""
    from hfloop.hub.source import folder_of
    from hfloop.images.generated import is_release
    from hfloop.plain import speak_plainly

    speak_plainly()
    folder = folder_of(model)
    if not is_release(folder) and (folder / "release").is_dir():
        raise UserError(f"{model} is a run, not a release: name {model.rstrip('/')}/release.")
    return is_release(folder)


def _refuse(context: typer.Context, options: set[str], reason: str) -> None:
    """Refuse options that were given and mean nothing to this model."""
    for name in sorted(options):
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            raise UserError(f"--{name} {reason}: leave it out.")


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


@app.command(no_args_is_help=True)
def publish(
    folder: Annotated[Path, typer.Argument(metavar="RUN_OR_RELEASE", help="What a recipe made: runs/NAME.")],
    to: Annotated[str, typer.Option("--to", metavar="USER/NAME", help="The repository; it is made if it is new.")],
    private: Annotated[bool, typer.Option("--private", help="Make a new repository that only you can see.")] = False,
    create_pr: Annotated[
        bool, typer.Option("--create-pr", help="Propose the change as a pull request instead of making it.")
    ] = False,
    revision: Annotated[
        str | None, typer.Option("--revision", metavar="BRANCH", help="The branch to publish to; default: main.")
    ] = None,
    message: Annotated[str | None, typer.Option("--message", help="The commit's first line.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before the repository is changed.")] = False,
) -> None:
    """Put a release on the Hub in one commit, and look at what arrived there."""
    from hfloop.families import family_of
    from hfloop.hub.publish import publish_command

    printed = publish_command(
        folder,
        to,
        private=private,
        create_pr=create_pr,
        revision=revision,
        message=message,
        dry_run=dry_run,
        confirmed=yes,
        family_of=family_of,
    )
    typer.echo(printed)


@app.command(no_args_is_help=True)
def verify(
    model: Annotated[str, typer.Argument(metavar="REPO_OR_FOLDER", help="A Hub id, or a release folder.")],
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            metavar="DATA",
            help="What the figures were measured on, or what that was cut from; default: what hfloop ships or the Hub "
            "has.",
        ),
    ] = None,
    train_data: Annotated[
        str | None,
        typer.Option("--train_data", help="Generators: what it learned from, for the floor of every figure."),
    ] = None,
    revision: Annotated[
        str | None, typer.Option("--revision", help="Of a Hub repository: a branch, a tag or a commit.")
    ] = None,
    tolerance: Annotated[
        float,
        typer.Option(
            help="How far a figure may be off, relative to it, at most 0.01; another processor rounds otherwise."
        ),
    ] = 1e-4,
    as_json: JsonOption = False,
) -> None:
    """Measure again what a card claims. Exit code 0: it is so; 1: it is not; 2: it could not be measured."""
    from hfloop.families import family_of
    from hfloop.hub.verify import verify_command

    printed, exit_code = verify_command(
        model,
        data=data,
        train_data=train_data,
        revision=revision,
        tolerance=tolerance,
        as_json=as_json,
        family_of=family_of,
    )
    typer.echo(printed)
    raise typer.Exit(exit_code)


@app.command(no_args_is_help=True)
def card(
    folder: Annotated[Path, typer.Argument(metavar="RUN_OR_RELEASE", help="What a recipe made: runs/NAME.")],
) -> None:
    """Render the card of a release again; text outside the markers, and metadata that was added, stay."""
    from hfloop.families import family_of
    from hfloop.hub.rendering import card_command

    typer.echo(card_command(folder, family_of))


def _open_pipeline(folder: Path, name: str) -> DiffusionPipeline:
    from hfloop.gan.pipelines import open_pipeline  # loads diffusers, which only a release needs

    return open_pipeline(folder, name)
