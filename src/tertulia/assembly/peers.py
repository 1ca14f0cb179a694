"""The ways to roles in other processes."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from tertulia.adapters.rpc.settings import PeersSettings
from tertulia.assembly.placement import Placement
from tertulia.kit.clock import Clock
from tertulia.ports.chat_model import ChatModel
from tertulia.ports.key_vault import KeyVault
from tertulia.ports.model_catalogue import ModelCatalogue
from tertulia.ports.peers import Passes, Peers


@asynccontextmanager
async def passes(vault: KeyVault, clock: Clock) -> AsyncGenerator[Passes]:
    from tertulia.adapters.rpc.passes import SealedPasses

    yield SealedPasses(vault, clock)


@asynccontextmanager
async def peers(
    placement: Placement, passes: Passes, settings: PeersSettings
) -> AsyncGenerator[Peers]:
    if "chat" in placement.roles:
        from tertulia.adapters.memory.peers import NoPeers

        yield NoPeers()
        return
    from tertulia.adapters.rpc.peers import open_peers
    from tertulia.roles.chat.surface import SURFACES

    async with open_peers(SURFACES, {"chat": settings.chat}, passes, settings) as opened:
        yield opened


@asynccontextmanager
async def remote_model(
    placement: Placement, passes: Passes, settings: PeersSettings
) -> AsyncGenerator[ChatModel]:
    """Beside it `echo`, as everywhere, when it is asked for by its name."""
    from tertulia.adapters.echo.model import EchoModel
    from tertulia.adapters.models.directory import ModelDirectory
    from tertulia.adapters.rpc.models import RemoteModel
    from tertulia.adapters.rpc.peers import open_line

    async with open_line("inference", settings.inference, passes, settings) as line:
        remote = RemoteModel(line, placement.asks_model_as, settings)
        yield ModelDirectory([remote], unlisted=[EchoModel()])


@asynccontextmanager
async def remote_catalogue(
    placement: Placement, passes: Passes, settings: PeersSettings
) -> AsyncGenerator[ModelCatalogue]:
    from tertulia.adapters.rpc.models import RemoteCatalogue
    from tertulia.adapters.rpc.peers import open_line

    async with open_line("inference", settings.inference, passes, settings) as line:
        yield RemoteCatalogue(line, placement.asks_model_as, settings)
