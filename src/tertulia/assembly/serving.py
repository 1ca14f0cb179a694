"""Serving: one process runs roles until it is told to stop."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, cast

import structlog

from tertulia.adapters.sql.settings import StoreSettings
from tertulia.assembly.home import Home, HomeLock, lock_home, open_home, share_home
from tertulia.assembly.lifecycle import Deadline, run_roles
from tertulia.assembly.placement import Placement, unique_name, worker_number
from tertulia.assembly.process import wired
from tertulia.assembly.roles import role
from tertulia.assembly.shared import Shared
from tertulia.assembly.wiring import Wiring, parameters
from tertulia.kit.process_settings import ProcessSettings
from tertulia.kit.settings import DEFAULT, SettingsInForce
from tertulia.ports.history import ChosenHistory, HistoryUnavailableError
from tertulia.ports.http import Degraded, Http, Registrants
from tertulia.ports.store import Store, Tx
from tertulia.roles.inference.settings import InferenceSettings

if TYPE_CHECKING:
    from tertulia.adapters.http.server import HttpServer

OnListening = Callable[[Wiring, str], Awaitable[None]]

log = structlog.stdlib.get_logger(__name__)


async def serve(
    names: Sequence[str], settings: SettingsInForce, on_listening: OnListening | None = None
) -> None:
    """Run the roles until SIGTERM or SIGINT; `on_listening` is told the address once requests
    are answered. Each process listens, if only for those who watch over it.

    Where the database is a file, nothing else serves this home meanwhile, so leases found at the
    start belong to the dead and are void. A shared database is served by others too.
    """
    roles = [role(name) for name in names]
    placement = Placement.of(names)
    placement.check(settings)
    settings = _named(settings)
    waiting = sum(Http in parameters(each.run).values() for each in roles)
    registrants = Registrants(waiting + 1)
    home = open_home(settings.of(ProcessSettings).home)
    shared = settings.of(StoreSettings).shared
    with _held(home, placement, shared=shared) as lock:
        async with wired(settings, {Registrants: registrants}, placement) as wiring:
            store = await wiring.port(Store)
            released = 0 if shared else await store.write(_release_all)
            log.info("starting", roles=list(names), home=str(home.path), released=released)
            server = cast("HttpServer", await wiring.port(Http))
            if "inference" in placement.roles and placement.apart:
                from tertulia.assembly.listening import serve_model

                await serve_model(server, wiring)
            await _tell_of_redis(wiring)
            await _tell_of_history(wiring)
            server.registered()
            work = [(each, await wiring.arguments(each.run)) for each in roles]
            async with asyncio.TaskGroup() as group:
                watch = group.create_task(_announce(wiring, server, lock, on_listening))
                await run_roles(work, Deadline(), server.leave)
                watch.cancel()
    log.info("stopped")


def _held(
    home: Home, placement: Placement, *, shared: bool
) -> AbstractContextManager[HomeLock | None]:
    """The home, alone. On a shared database a gateway takes it if nobody has it, so that commands
    find where people come in; the others leave it."""
    if not shared:
        return lock_home(home)
    return share_home(home) if placement.edge else nullcontext()


def _named(settings: SettingsInForce) -> SettingsInForce:
    """Workers of one database must not share a name; alone, the same one finds its work again."""
    given = settings.of(InferenceSettings)
    if settings.origin(InferenceSettings, "worker") != DEFAULT:
        return settings
    if given.worker_number is not None:
        name = f"worker-{worker_number(given.worker_number, socket.gethostname())}"
    elif settings.of(StoreSettings).shared:
        name = unique_name()
    else:
        return settings
    return settings.filled_in(InferenceSettings, given.model_copy(update={"worker": name}))


async def _announce(
    wiring: Wiring, server: "HttpServer", lock: HomeLock | None, on_listening: OnListening | None
) -> None:
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


async def _tell_of_history(wiring: Wiring) -> None:
    """In `/ready`: only older texts are missing without it."""
    history = (await wiring.port(ChosenHistory)).log
    if history is None:
        return

    async def check() -> Degraded | None:
        try:
            await history.check()
        except HistoryUnavailableError as error:
            return Degraded(error.message)
        return None

    (await wiring.port(Http)).check_ready("messages", check)


def _release_all(tx: Tx) -> int:
    return tx.queue.release_all()
