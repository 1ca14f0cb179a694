"""`tertulia backup`, `backups`, `restore` and `key rotate`."""

from pathlib import Path
from typing import Annotated

import typer

from tertulia.cli.options import HomeOption, JsonOption, echo_json, echo_table
from tertulia.cli.work import finish

PassphraseOption = Annotated[
    Path | None,
    typer.Option(
        "--passphrase-file",
        metavar="FILE",
        help="Let the master key go along, sealed by the passphrase in this file.",
    ),
]

UnsealOption = Annotated[
    Path | None,
    typer.Option(
        "--passphrase-file",
        metavar="FILE",
        help="Take the master key from the backup, with the passphrase in this file.",
    ),
]

keys = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(backup)
    app.command()(backups)
    app.command()(restore)
    app.add_typer(keys, name="key", help="The master key.")


def backup(
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="[FILE|URL]",
            help="A new file, or an address: s3://… or file:///…; one that ends in a slash is a "
            "folder, where it is named by the time [backups/ at blobs.url].",
        ),
    ] = None,
    home: HomeOption = None,
    passphrase_file: PassphraseOption = None,
) -> None:
    """Copy the database into one file, also while a server runs.

    What people wrote is encrypted in it as in the database; at an address all of it is. The key is
    not in it, unless sealed by a passphrase: keep a copy of the key file in another place.
    """
    from tertulia.assembly import backup_places, safekeeping
    from tertulia.assembly.places import key_path
    from tertulia.assembly.settings import load_settings

    settings = load_settings({"home": home})
    given = _passphrase(passphrase_file)
    if target is None or backup_places.is_address(target):
        url = target or backup_places.default_folder(settings)
        target = finish(lambda: backup_places.back_up(settings, url, passphrase=given))
    else:
        file = Path(target).absolute()
        finish(lambda: safekeeping.back_up(settings, file, passphrase=given))
    if given:
        typer.echo(f"{target} holds everything; whoever has it and the passphrase can read it.")
        return
    key = key_path(settings) or "the master key"
    typer.echo(f"{target} holds everything but the key: keep a copy of {key} in another place.")


def backups(
    place: Annotated[
        str | None,
        typer.Argument(metavar="[URL]", help="A folder's address [backups/ at blobs.url]."),
    ] = None,
    home: HomeOption = None,
    *,
    json: JsonOption = False,
) -> None:
    """List the backups at an address, by name."""
    from tertulia.assembly import backup_places
    from tertulia.assembly.settings import load_settings

    settings = load_settings({"home": home})
    url = place or backup_places.default_folder(settings)
    found = finish(lambda: backup_places.backups(settings, url))
    if json:
        echo_json(
            [
                {
                    "url": each.url,
                    "stored_at": each.stored_at.isoformat(),
                    "bytes": each.size,
                    "with_key": each.with_key,
                }
                for each in found
            ]
        )
        return
    rows = [("BACKUP", "STORED", "BYTES", "KEY")]
    rows += [
        (b.url, f"{b.stored_at:%Y-%m-%d %H:%M}", f"{b.size:,}", "passphrase" if b.with_key else "")
        for b in found
    ]
    echo_table(rows)


def restore(
    source: Annotated[
        str, typer.Argument(metavar="FILE|URL", help="As `backup` made it, under its name.")
    ],
    home: HomeOption = None,
    passphrase_file: UnsealOption = None,
    *,
    replace: Annotated[
        bool, typer.Option("--replace", help="Take the place of a database, which is kept aside.")
    ] = False,
) -> None:
    """Put a backup into a home that no server uses.

    The key file that belongs to it has to be there, unless the key is in the backup, sealed by a
    passphrase.
    """
    from tertulia.assembly import backup_places, safekeeping
    from tertulia.assembly.settings import load_settings

    settings = load_settings({"home": home})
    given = _passphrase(passphrase_file)

    async def put() -> Path | None:
        if backup_places.is_address(source):
            return await backup_places.restore(settings, source, replace=replace, passphrase=given)
        file = Path(source)
        return await safekeeping.restore(settings, file, replace=replace, passphrase=given)

    kept = finish(put)
    typer.echo(f"{source} is restored." + (f" What was there is {kept} now." if kept else ""))


@keys.command()
def rotate(
    home: HomeOption = None,
    *,
    retire: Annotated[
        bool,
        typer.Option("--retire", help="Destroy the old key, which backups made before now need."),
    ] = False,
) -> None:
    """Make a new master key, also while a server runs.

    Every conversation's key is wrapped with it. When it breaks off, run it again: it goes on with
    what is left.
    """
    from tertulia.assembly import safekeeping
    from tertulia.assembly.settings import load_settings

    settings = load_settings({"home": home})
    done = finish(
        lambda: safekeeping.rotate(
            settings,
            retire=retire,
            on_progress=lambda left: typer.echo(f"{left} conversations are left.", err=True),
        )
    )
    began = "An earlier rotation is finished: version" if done.resumed else "Version"
    old = "Older ones are destroyed." if retire else "Older ones are kept."
    typer.echo(
        f"{began} {done.version} of the master key wraps all; {done.rewrapped} were changed. {old}"
    )


def _passphrase(file: Path | None) -> str | None:
    if file is None:
        return None
    passphrase = file.read_text("utf-8").strip("\r\n")
    if not passphrase:
        msg = f"{file} is empty"
        raise typer.BadParameter(msg)
    return passphrase
