"""Serving: one process, alone on its home, runs roles until it is told to stop."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, cast

import structlog

from tertulia.adapters.sql.settings import StoreSettings
from tertulia.assembly.home import HomeLock, lock_home, open_home, share_home
from tertulia.assembly.lifecycle import Deadline, run_roles
from tertulia.assembly.process import wired
from tertulia.assembly.roles import role
from tertulia.assembly.shared import Shared
from tertulia.assembly.wiring import Wiring, parameters
from tertulia.kit.process_settings import ProcessSettings
from tertulia.kit.settings import SettingsInForce
from tertulia.ports.http import Degraded, Http, Registrants
from tertulia.ports.store import Store, Tx

if TYPE_CHECKING:
    from tertulia.adapters.http.server import HttpServer

OnListening = Callable[[Wiring, str], Awaitable[None]]

log = structlog.stdlib.get_logger(__name__)


async def serve(
    names: Sequence[str], settings: SettingsInForce, on_listening: OnListening | None = None
) -> None:
    """Run the roles until SIGTERM or SIGINT; `on_listening` is told the address once requests
    are answered.

    Where the database is a file, nothing else serves this home meanwhile, so leases found at the
    start belong to the dead and are void. A shared database is served by others too.
    """
    roles = [role(name) for name in names]
    registrants = Registrants(sum(Http in parameters(each.run).values() for each in roles))
    home = open_home(settings.of(ProcessSettings).home)
    shared = settings.of(StoreSettings).shared
    with (share_home if shared else lock_home)(home) as lock:
        async with wired(settings, {Registrants: registrants}) as wiring:
            store = await wiring.port(Store)
            released = 0 if shared else await store.write(_release_all)
            log.info("starting", roles=list(names), home=str(home.path), released=released)
            work = [(each, await wiring.arguments(each.run)) for each in roles]
            if registrants:
                await _tell_of_redis(wiring)
            async with asyncio.TaskGroup() as group:
                watch = group.create_task(_announce(wiring, lock, registrants, on_listening))
                await run_roles(work, Deadline())
                watch.cancel()
    log.info("stopped")


async def _announce(
    wiring: Wiring,
    lock: HomeLock | None,
    registrants: int,
    on_listening: OnListening | None,
) -> None:
    if not registrants:
        return
    server = cast("HttpServer", await wiring.port(Http))
    url = await server.listening()
    if lock is not None:
        lock.announce(url)
    log.info("listening", url=url)
    if on_listening:
        await on_listening(wiring, url)


async def _tell_of_redis(wiring: Wiring) -> None:
    """In `/ready`: everything works without it for a while, so nobody is sent elsewhere."""
    link = (await wiring.port(Shared)).link
    if link is None:
        return

    async def check() -> Degraded | None:
        sentence = await link.trouble()
        return Degraded(sentence) if sentence else None

    (await wiring.port(Http)).check_ready("redis", check)


def _release_all(tx: Tx) -> int:
    return tx.queue.release_all()
