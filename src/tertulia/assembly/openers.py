"""Which adapter stands behind which port. Drivers are imported when a port is first asked for."""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final, cast

from tertulia.adapters.keyfile.settings import MasterKeySettings
from tertulia.adapters.sql.settings import StoreSettings
from tertulia.assembly import shared
from tertulia.assembly.blobs import blob_store
from tertulia.assembly.buses import bus, carrier, chosen_broker
from tertulia.assembly.histories import chosen_history, mover
from tertulia.assembly.models import chat_model, model_catalogue
from tertulia.assembly.peers import passes, peers, remote_catalogue, remote_model
from tertulia.kit.process_settings import ProcessSettings
from tertulia.ports.key_vault import KeyVault
from tertulia.ports.language import LanguageDetector
from tertulia.ports.store import Store
from tertulia.ports.store_admin import StoreAdmin

Opener = Callable[..., AbstractAsyncContextManager[Any]]


def http() -> Opener:
    from tertulia.assembly.listening import http

    return http


def store() -> Opener:
    from tertulia.adapters.sql.store import open_store

    return open_store


@asynccontextmanager
async def store_admin(store: Store) -> AsyncGenerator[StoreAdmin]:
    """The store's other face."""
    yield cast("StoreAdmin", store)


@asynccontextmanager
async def key_vault(
    process: ProcessSettings, settings: MasterKeySettings, database: StoreSettings
) -> AsyncGenerator[KeyVault]:
    from tertulia.adapters.keyfile.opener import open_key_vault
    from tertulia.adapters.sql.store import written

    async with open_key_vault(
        process, settings, written=lambda: written(process, database)
    ) as vault:
        yield vault


@asynccontextmanager
async def languages() -> AsyncGenerator[LanguageDetector]:
    from tertulia.adapters.langdetect.detector import FastLangDetector

    yield FastLangDetector()


OPENERS: Final[Mapping[str, Callable[[], Opener]]] = {
    "BlobStore": lambda: blob_store,
    "Bus": lambda: bus,
    "Carrier": lambda: carrier,
    "ChatModel": lambda: chat_model,
    "ChosenBroker": lambda: chosen_broker,
    "ChosenHistory": lambda: chosen_history,
    "Http": http,
    "KeyVault": lambda: key_vault,
    "LanguageDetector": lambda: languages,
    "Leases": lambda: shared.leases,
    "ModelCatalogue": lambda: model_catalogue,
    "Mover": lambda: mover,
    "Passes": lambda: passes,
    "Peers": lambda: peers,
    "RateLimiter": lambda: shared.rate_limiter,
    "RecentTurns": lambda: shared.recent_turns,
    "RedisKeys": lambda: shared.redis_keys,
    "Shared": lambda: shared.shared,
    "Signals": lambda: shared.signals,
    "Store": store,
    "StoreAdmin": lambda: store_admin,
    "TokenStream": lambda: shared.token_stream,
}
"""By the port's name (importing Http costs a command 0.15 s): what gives its opener, a context
manager whose parameters are wired like a role's."""

MODEL_ELSEWHERE: Final[Mapping[str, Callable[[], Opener]]] = {
    **OPENERS,
    "ChatModel": lambda: remote_model,
    "ModelCatalogue": lambda: remote_catalogue,
}
"""Those of a process whose language model is another one's."""
