"""Options that several commands share, and how commands print."""

import json
from pathlib import Path
from typing import Annotated

import typer

HomeOption = Annotated[
    Path | None,
    typer.Option("--home", metavar="DIR", help="The directory that holds everything."),
]
AddressOption = Annotated[
    str | None,
    typer.Option("--address", metavar="HOST:PORT", help="Where to listen [127.0.0.1:8420]."),
]
ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="echo|embedded|URL",
        help="Who answers [embedded]; a URL: any endpoint that speaks OpenAI's chat completions.",
    ),
]
OpenOption = Annotated[
    bool | None,
    typer.Option("--open", help="Let /chat and /v1 be called without a token (loopback only)."),
]
CharacterOption = Annotated[
    str | None,
    typer.Option(
        "--character",
        metavar="NAME[,NAME]",
        help="Whom the role inference answers for [all characters].",
    ),
]
PullOption = Annotated[
    bool,
    typer.Option("--pull", help="Get a small model first, when the embedded runtime has none."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def echo_json(value: object) -> None:
    """Print for a program."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def echo_table(rows: list[tuple[str, ...]]) -> None:
    """Print in columns for a person; the first row is the heading."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        typer.echo("  ".join(cells).rstrip())
