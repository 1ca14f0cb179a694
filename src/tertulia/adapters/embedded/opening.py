"""Opening the catalogue, and the model that answers from it."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from tertulia.adapters.embedded.catalogue import FileCatalogue
from tertulia.adapters.embedded.entries import Entry, built_in
from tertulia.adapters.embedded.settings import EmbeddedSettings, ModelsSettings
from tertulia.adapters.embedded.shelf import Shelf
from tertulia.adapters.embedded.source import Source

if TYPE_CHECKING:
    from tertulia.adapters.embedded.model import EmbeddedModel


@asynccontextmanager
async def open_catalogue(
    settings: ModelsSettings, home: Path, entries: Sequence[Entry] | None = None
) -> AsyncGenerator[FileCatalogue, None]:
    """The catalogue over `models` in the home, or wherever the settings say. It starts nothing by
    itself: a command pulls and leaves, open_embedded looks after it."""
    known_entries = built_in() if entries is None else entries
    shelf = Shelf(settings.directory or home / "models", settings.own, known_entries)
    await asyncio.to_thread(shelf.scan)
    catalogue = FileCatalogue(shelf, partial(_open_sources, settings))
    try:
        yield catalogue
    finally:
        await catalogue.close()


@asynccontextmanager
async def open_embedded(
    catalogue: FileCatalogue, settings: EmbeddedSettings, *, upgrade: bool
) -> "AsyncGenerator[EmbeddedModel, None]":
    """The models on the catalogue's shelf. Opens at once: the model in use loads behind it; when
    it answers and `upgrade` is wished, the best one that fits is pulled behind that."""
    from tertulia.adapters.embedded.model import EmbeddedModel

    runnable = find_spec("xllamacpp") is not None
    model = EmbeddedModel(catalogue.shelf, settings, runnable=runnable)
    catalogue.on_change(model.refresh)
    model.refresh()
    tasks = [asyncio.create_task(catalogue.keep())]
    if upgrade:
        tasks.append(asyncio.create_task(_upgrade(catalogue, model)))
    try:
        yield model
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await model.close()


@asynccontextmanager
async def _open_sources(settings: ModelsSettings) -> AsyncGenerator[Sequence[Source], None]:
    # An HTTP client takes a third of the start's time; nobody pulls at every start.
    import aiohttp

    from tertulia.adapters.embedded.sources import HubSource, IndexSource

    async with aiohttp.ClientSession(trust_env=True) as http:
        known: dict[str, Source] = {
            "hub": HubSource(http, settings.hub_url),
            "index": IndexSource(http, settings.index_url),
        }
        yield [known[name] for name in settings.sources]


async def _upgrade(catalogue: FileCatalogue, model: "EmbeddedModel") -> None:
    await model.ready.wait()
    catalogue.upgrade()
