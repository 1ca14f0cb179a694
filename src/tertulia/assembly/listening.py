"""The listener of a process, as its roles ask for it."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

from fastapi import APIRouter

from tertulia.adapters.http.door import ByPass
from tertulia.adapters.http.exposure import Exposure
from tertulia.adapters.http.server import HttpServer, open_http
from tertulia.adapters.http.settings import HttpSettings
from tertulia.adapters.rpc.model_routes import model_routes
from tertulia.assembly.placement import Placement
from tertulia.assembly.wiring import Wiring
from tertulia.kit.clock import Clock
from tertulia.kit.process_settings import ProcessSettings
from tertulia.ports.chat_model import ChatModel
from tertulia.ports.http import Registrants
from tertulia.ports.model_catalogue import ModelCatalogue
from tertulia.ports.peers import Passes
from tertulia.ports.readiness import model_ready, store_ready
from tertulia.ports.signals import Signals
from tertulia.ports.standing import open_standing
from tertulia.ports.store import Store
from tertulia.roles.gateway.settings import GatewaySettings


@asynccontextmanager
async def http(
    process: ProcessSettings,
    settings: HttpSettings,
    gateway: GatewaySettings,
    registrants: Registrants,
    placement: Placement,
    passes: Passes,
    store: Store,
    signals: Signals,
    clock: Clock,
) -> AsyncGenerator[HttpServer]:
    """Without a gateway, whoever comes shows a pass."""
    exposure = Exposure(
        edge=placement.edge,
        beyond=bool(gateway.public_url) and not process.open,
        passes=passes if placement.apart else None,
        elsewhere=tuple if "chat" in placement.roles else _of_chat,
    )
    async with open_http(process, settings, registrants, exposure) as server:
        if placement.edge:
            yield server
            return
        server.check_ready("store", lambda: store_ready(store))
        async with open_standing(store, signals, clock) as standing:
            server.authenticate_with(ByPass(standing))
            yield server


def _of_chat() -> Sequence[APIRouter]:
    from tertulia.roles.chat.surface import described

    return described()


async def serve_model(server: HttpServer, wiring: Wiring) -> None:
    """Let processes without a model ask for the one of this process."""
    model = await wiring.port(ChatModel)
    server.include(model_routes(model, await wiring.port(ModelCatalogue)))
    server.check_ready("model", lambda: model_ready(model))
