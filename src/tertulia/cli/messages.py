"""`tertulia messages`: the history log."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tertulia.cli.options import HomeOption, JsonOption, echo_json
from tertulia.cli.work import finish

if TYPE_CHECKING:
    from tertulia.ports.history import Comparison

messages = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(messages, name="messages", help="The history log that messages.url names.")


@messages.command()
def move(home: HomeOption = None) -> None:
    """Move all texts to the log now, also those from before there was one.

    Works beside a running server. When it breaks off, run it again: it goes on.
    """
    from tertulia.assembly import history_care
    from tertulia.assembly.settings import load_settings

    settings = load_settings({"home": home})
    moved = finish(lambda: history_care.move_all(settings, on_progress=_progress("made due")))
    typer.echo(f"{moved} texts are moved.")


@messages.command()
def check(home: HomeOption = None, *, json: JsonOption = False) -> None:
    """Compare every text that was moved with what the log has.

    Exit code 1 when something is missing; `repair` puts it back from a backup.
    """
    from tertulia.assembly import history_care
    from tertulia.assembly.settings import load_settings

    settings = load_settings({"home": home})
    _report(finish(lambda: history_care.compare(settings, on_progress=_progress("compared"))), json)


@messages.command()
def repair(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="As `backup` made it.")],
    home: HomeOption = None,
    *,
    json: JsonOption = False,
) -> None:
    """Put what the log is missing back into it, from a backup.

    Works beside a running server. Exit code 1 when something is missing that the backup does not
    hold either; another backup may.
    """
    from tertulia.assembly import history_care
    from tertulia.assembly.settings import load_settings

    settings = load_settings({"home": home})
    progress = _progress("compared")
    _report(
        finish(lambda: history_care.mend(settings, file.absolute(), on_progress=progress)), json
    )


def _progress(done: str) -> Callable[[int], None]:
    return lambda seen: typer.echo(f"{seen} messages {done}.", err=True)


def _report(found: "Comparison", json: bool) -> None:  # noqa: FBT001  an option's value
    missing = sum(found.lost.values())
    if json:
        echo_json({"texts": found.texts, "mended": found.mended, "missing": dict(found.lost)})
    else:
        typer.echo(f"{found.texts} texts were moved; {found.mended} put back, {missing} missing.")
        for conversation_id, count in found.lost.items():
            typer.echo(f"{conversation_id}: {count} missing")
    if missing:
        raise typer.Exit(1)
