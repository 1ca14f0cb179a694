"""The gateway: everything comes in here."""

import asyncio
from typing import Final

import structlog

from tertulia.kit.clock import Clock
from tertulia.kit.errors import TertuliaError
from tertulia.kit.process_settings import ProcessSettings
from tertulia.ports.http import Http
from tertulia.ports.peers import Peers
from tertulia.ports.rate_limiter import RateLimiter
from tertulia.ports.readiness import store_ready
from tertulia.ports.role import Role
from tertulia.ports.signals import Signals
from tertulia.ports.standing import open_standing
from tertulia.ports.store import Store, Tx
from tertulia.roles.gateway.api.authenticator import Authenticator
from tertulia.roles.gateway.api.leading import leading
from tertulia.roles.gateway.api.routes import routes
from tertulia.roles.gateway.settings import GatewaySettings

NOTE_USE_EVERY_S: Final = 30.0

log = structlog.stdlib.get_logger(__name__)


async def run(
    http: Http,
    store: Store,
    signals: Signals,
    clock: Clock,
    limiter: RateLimiter,
    peers: Peers,
    settings: GatewaySettings,
    process: ProcessSettings,
) -> None:
    """Serve until cancelled."""
    owner = await store.write(lambda tx: tx.accounts.owner())
    open_user = owner.id if process.open else None
    http.include(routes(store, limiter, settings))
    http.include(leading(peers, http.draining))
    http.check_ready("store", lambda: store_ready(store))
    async with (
        open_standing(store, signals, clock) as standing,
        asyncio.TaskGroup() as tasks,
    ):
        authenticator = Authenticator(store, limiter, settings, open_user, standing)
        http.authenticate_with(authenticator)
        noting = tasks.create_task(_note_use(store, authenticator.used), name="note use")
        try:
            await http.served()
        finally:
            noting.cancel()


async def _note_use(store: Store, used: set[str]) -> None:
    """Write down when credentials were last used, some at a time: nobody waits for it."""
    while True:
        try:
            await asyncio.sleep(NOTE_USE_EVERY_S)
        finally:
            await _note(store, used)


async def _note(store: Store, used: set[str]) -> None:
    noted = frozenset(used)
    used.clear()
    if not noted:
        return

    def touch(tx: Tx) -> None:
        for credential_id in noted:
            tx.credentials.touch(credential_id)

    try:
        await store.write(touch)
    except TertuliaError as error:
        log.warning("use of credentials not noted", code=error.code, credentials=len(noted))


ROLE = Role(
    "gateway",
    run,
    "Lets people and programs in: sign-in, tokens, rate limits; leads to roles elsewhere.",
)
