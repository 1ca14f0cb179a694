"""`tertulia migrate`: to another database."""

from typing import Annotated

import typer

UrlHelp = "sqlite:///PATH or postgresql://USER@HOST:PORT/DATABASE"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(migrate)


def migrate(
    source: Annotated[str, typer.Option("--from", metavar="URL", help=f"{UrlHelp}.")],
    target: Annotated[str, typer.Option("--to", metavar="URL", help="An empty one.")],
) -> None:
    """Copy a database that no server uses into an empty one.

    Counts and hashes of every table are compared before the copy may be served. When it breaks
    off, run it again: it goes on. The source stays as it is. What it has in a history log is
    fetched into the copy, so messages.url has to name that log here. Give a password by PGPASSWORD
    or ~/.pgpass rather than in the address, which other users of the machine can see.
    """
    from tertulia.assembly.safekeeping import relocate
    from tertulia.assembly.settings import load_settings

    def progress(table: str, done: int, total: int) -> None:
        typer.echo(f"{table}: {done} of {total}", err=True)

    def check() -> None:
        typer.echo("Comparing.", err=True)

    lost = relocate(load_settings(), source, target, on_progress=progress, on_check=check)
    if lost:
        typer.echo(f"{lost} texts are missing: the history log has lost them.", err=True)
    typer.echo("Everything is copied and compared. Now set store.url to the new address.")
