"""A model and a catalogue behind a listener, as processes without a model reach them."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tertulia.adapters.http.exposure import Exposure
from tertulia.adapters.http.server import open_http
from tertulia.adapters.http.settings import HttpSettings
from tertulia.adapters.keyfile.vault import MemoryVault
from tertulia.adapters.rpc.model_routes import model_routes
from tertulia.adapters.rpc.models import RemoteCatalogue, RemoteModel
from tertulia.adapters.rpc.passes import SealedPasses
from tertulia.adapters.rpc.peers import open_line
from tertulia.adapters.rpc.settings import PeersSettings
from tertulia.kit.clock import SystemClock
from tertulia.kit.process_settings import ProcessSettings
from tertulia.ports.chat_model import ChatModel
from tertulia.ports.http import Registrants
from tertulia.ports.model_catalogue import ModelCatalogue


@dataclass(frozen=True)
class There:
    """`url`: where they answer."""

    model: RemoteModel
    catalogue: RemoteCatalogue
    url: str
    leave: Callable[[], Awaitable[None]]
    """Stop listening."""


@asynccontextmanager
async def serving_model(model: ChatModel, catalogue: ModelCatalogue) -> AsyncGenerator[There]:
    passes, settings = SealedPasses(MemoryVault(), SystemClock()), PeersSettings()
    process, exposure = ProcessSettings(address="127.0.0.1:0"), Exposure(edge=False, passes=passes)
    async with open_http(process, HttpSettings(), Registrants(1), exposure) as server:
        server.include(model_routes(model, catalogue))
        server.registered()
        url = await server.listening()

        async def stopped() -> None:
            server.drain()
            await server.served()

        async with open_line("inference", (url,), passes, settings) as line:
            yield There(
                RemoteModel(line, "chat", settings),
                RemoteCatalogue(line, "chat", settings),
                url,
                stopped,
            )
