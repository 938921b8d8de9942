"""The `hfloop` command. Each subcommand imports what it needs when it runs, so that `--help` is instant."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hfloop import __version__
from hfloop.errors import exit_on_user_error

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
