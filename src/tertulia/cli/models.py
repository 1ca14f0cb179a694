"""`tertulia model`: the models that the embedded runtime can have."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Final

import typer

from tertulia.cli.options import HomeOption, JsonOption, echo_json, echo_table
from tertulia.cli.work import with_ports
from tertulia.kit.errors import Kind, TertuliaError

if TYPE_CHECKING:
    from pathlib import Path

    from tertulia.ports.model_catalogue import CatalogueEntry, ModelCatalogue

LOOK_S: Final = 0.2  # between two looks at a pull's progress
BUSY: Final = {"pulling", "verifying"}
UNDONE: Final = {"pulling", "failed"}
MB: Final = 1_000_000

models = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="As `model list` shows it.")]


class PullFailedError(TertuliaError):
    """The model could not be pulled."""

    code = "pull_failed"
    kind = Kind.UPSTREAM


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(models, name="model", help="Models that run in this machine's own memory.")


@models.command(name="list")
def list_(home: HomeOption = None, *, json: JsonOption = False) -> None:
    """List the models that can be had, and which of them are here."""
    from tertulia.ports.model_catalogue import CatalogueEntry, ModelCatalogue

    async def find(catalogue: ModelCatalogue) -> Sequence[CatalogueEntry]:
        return await catalogue.list()

    entries = with_ports(home, find)
    if json:
        echo_json([_document(entry) for entry in entries])
        return
    rows = [("NAME", "STATE", "SIZE", "MEMORY", "LICENCE")]
    rows += [
        (
            entry.name,
            entry.problem or entry.state.replace("_", " "),
            f"{entry.size_bytes / MB:,.0f} MB",
            f"{entry.memory_bytes / MB:,.0f} MB" + ("" if entry.available else " (too little)"),
            entry.licence,
        )
        for entry in entries
    ]
    echo_table(rows)


@models.command()
def pull(name: NameArgument, home: HomeOption = None) -> None:
    """Get a model, check it, and use it.

    A pull that broke off goes on where it was.
    """
    from tertulia.ports.model_catalogue import ModelCatalogue

    async def get(catalogue: ModelCatalogue) -> None:
        await catalogue.pull(name)
        await _follow(catalogue, name)

    with_ports(home, get)
    typer.echo(f"{name} is here and in use for new turns.")


@models.command()
def use(name: NameArgument, home: HomeOption = None) -> None:
    """Send new turns to a model that is here."""
    from tertulia.ports.model_catalogue import ModelCatalogue

    async def choose(catalogue: ModelCatalogue) -> None:
        await catalogue.use(name)

    with_ports(home, choose)


@models.command()
def remove(name: NameArgument, home: HomeOption = None) -> None:
    """Delete a model's file."""
    from tertulia.ports.model_catalogue import ModelCatalogue

    async def delete(catalogue: ModelCatalogue) -> None:
        await catalogue.remove(name)

    with_ports(home, delete)


def pull_first(home: "Path | None", model: str | None) -> None:
    """Get the smallest model of the catalogue when the embedded runtime is to answer and has
    none. What keeps it from coming is told, and hinders nothing else."""
    from tertulia.assembly.settings import load_settings
    from tertulia.kit.process_settings import ProcessSettings
    from tertulia.ports.model_catalogue import ModelCatalogue

    if load_settings({"home": home, "model": model}).of(ProcessSettings).model != "embedded":
        return

    async def get(catalogue: ModelCatalogue) -> None:
        entries = await catalogue.list()
        if not any(entry.state == "in_use" for entry in entries):
            await catalogue.pull(entries[0].name)
            await _follow(catalogue, entries[0].name)

    try:
        with_ports(home, get)
    except PullFailedError as error:
        typer.echo(f"No model could be pulled: {error.message}", err=True)


async def _follow(catalogue: "ModelCatalogue", name: str) -> None:
    """Show a pull's progress on stderr until it has ended."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(name, total=None)
        while True:
            entry = next(e for e in await catalogue.list() if e.name == name)
            progress.update(
                task,
                description=f"{name} {entry.state}",
                total=entry.size_bytes,
                completed=entry.done_bytes
                if entry.state in {"pulling", "failed"}
                else entry.size_bytes,
            )
            if entry.state not in BUSY:
                break
            await asyncio.sleep(LOOK_S)
    if entry.state == "failed":
        raise PullFailedError(entry.problem)


def _document(entry: "CatalogueEntry") -> dict[str, object]:
    from dataclasses import asdict

    return asdict(entry)
