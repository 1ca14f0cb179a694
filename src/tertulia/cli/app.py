"""The program `tertulia`: its commands, and how it ends."""

import sys
from typing import Annotated, Final

import typer

from tertulia import __version__
from tertulia.cli import doctor, house, messages, migrate, models, relay, safekeeping, serve, tokens
from tertulia.cli.failures import sentence

REFUSED: Final = 2

app = typer.Typer(
    name="tertulia",
    help="A chat platform that people host themselves. `tertulia up` is all it takes.",
    epilog="Exit codes: 0 done, 1 doctor found something wrong, 2 refused (stderr says why), "
    "130 interrupted.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for module in (serve, house, doctor, relay, tokens, models, safekeeping, migrate, messages):
    module.register(app)


def _version(wanted: bool) -> None:  # noqa: FBT001  how Typer calls it
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def tertulia(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version.")
    ] = False,
) -> None:
    """Take the options that come before the command."""
    del version


def main() -> None:
    """Run a command. What goes wrong is one sentence on stderr and exit code 2, no traceback."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(REFUSED)
    except Exception as error:  # noqa: BLE001  the outermost edge: nobody reads tracebacks
        sys.stderr.write(f"Error: {sentence(error)}\n")
        sys.exit(REFUSED)
