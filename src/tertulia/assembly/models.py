"""Who answers: `--model` chooses the source of language models."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

from tertulia.adapters.embedded.settings import EmbeddedSettings, ModelsSettings
from tertulia.adapters.openai.settings import UpstreamSettings
from tertulia.assembly.home import Home
from tertulia.kit.process_settings import ProcessSettings
from tertulia.ports.chat_model import ChatModel
from tertulia.ports.model_catalogue import ModelCatalogue

if TYPE_CHECKING:
    from tertulia.adapters.embedded.catalogue import FileCatalogue


@asynccontextmanager
async def chat_model(
    process: ProcessSettings,
    upstream: UpstreamSettings,
    embedded: EmbeddedSettings,
    models: ModelsSettings,
    catalogue: ModelCatalogue,
) -> AsyncGenerator[ChatModel]:
    """One source. `echo` speaks only when it is chosen, or asked for by its name."""
    from tertulia.adapters.echo.model import EchoModel
    from tertulia.adapters.models.directory import ModelDirectory

    if process.model.startswith("echo"):
        yield EchoModel(process.model)
    elif process.model == "embedded":
        from tertulia.adapters.embedded.opening import open_embedded

        shelf = cast("FileCatalogue", catalogue)
        async with open_embedded(shelf, embedded, upgrade=models.upgrade) as runtime:
            yield ModelDirectory([runtime], unlisted=[EchoModel()])
    else:
        from tertulia.adapters.openai.model import open_openai

        async with open_openai(process.model, upstream) as endpoint:
            yield ModelDirectory([endpoint], unlisted=[EchoModel()])


@asynccontextmanager
async def model_catalogue(home: Home, models: ModelsSettings) -> AsyncGenerator[ModelCatalogue]:
    """Also there when another source answers: what lies in the home can be seen and removed."""
    from tertulia.adapters.embedded.opening import open_catalogue

    async with open_catalogue(models, home.path) as catalogue:
        yield catalogue
