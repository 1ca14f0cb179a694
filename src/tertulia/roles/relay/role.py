"""The role `relay`: a pass of the service, for ever."""

import asyncio

import structlog

from tertulia.ports.leases import Leases
from tertulia.ports.role import Role
from tertulia.ports.store import StorageFullError, Store, StoreUnavailableError
from tertulia.roles.relay.service import run_once
from tertulia.roles.relay.settings import RelaySettings

log = structlog.stdlib.get_logger(__name__)


async def run(store: Store, leases: Leases, settings: RelaySettings) -> None:
    """One pass after the other. A store in trouble costs a pass, not the process."""
    while True:
        try:
            report = await run_once(store, leases, settings)
        except (StoreUnavailableError, StorageFullError) as error:
            log.warning("relay pass failed", error=error.code)
        else:
            log.debug(
                "relay pass",
                outbox=report.outbox,
                inbox=report.inbox,
                feed=report.feed,
                reclaimed=report.reclaimed,
            )
        await asyncio.sleep(settings.every_s)


ROLE = Role(
    "relay",
    run,
    "Keeps the outbox moving and the store within its bounds.",
    settings=RelaySettings,
)
