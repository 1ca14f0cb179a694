"""The role `relay`: carries as soon as something is due, moves texts, makes a pass now and then."""

import asyncio

import structlog

from tertulia.domain.conversations import BUILT_IN
from tertulia.domain.ids import CharacterId
from tertulia.kit.clock import Clock
from tertulia.kit.metrics import RELAY_BROKER_AWAY
from tertulia.ports.bus import Bus, BusUnavailableError, Carrier
from tertulia.ports.history import Mover
from tertulia.ports.http import Http
from tertulia.ports.leases import Leases
from tertulia.ports.role import Role
from tertulia.ports.signals import Signals
from tertulia.ports.store import StorageFullError, Store, StoreUnavailableError
from tertulia.roles.relay.service.carrying import carry_due
from tertulia.roles.relay.service.moving import move_due
from tertulia.roles.relay.service.passing import run_once
from tertulia.roles.relay.service.sweeping import Sweeper
from tertulia.roles.relay.service.watching import Watch
from tertulia.roles.relay.settings import RelaySettings

log = structlog.stdlib.get_logger(__name__)


async def run(
    store: Store,
    signals: Signals,
    bus: Bus,
    carrier: Carrier,
    mover: Mover,
    leases: Leases,
    clock: Clock,
    http: Http,
    settings: RelaySettings,
) -> None:
    """Until cancelled. A store or a broker in trouble costs time, not the process."""
    if carrier.carries:
        http.check_ready("bus", lambda: broker_ready(carrier))
    async with asyncio.TaskGroup() as group:
        chores = [
            group.create_task(make_passes(store, bus, carrier, leases, clock, settings)),
            group.create_task(carry_for_ever(store, signals, carrier, settings)),
            group.create_task(move_for_ever(mover, settings)),
            group.create_task(
                sweep_for_ever(carrier, Sweeper(store, carrier, leases, clock, settings), settings)
            ),
        ]
        try:
            await http.served()
        finally:
            for chore in chores:
                chore.cancel()


async def make_passes(
    store: Store,
    bus: Bus,
    carrier: Carrier,
    leases: Leases,
    clock: Clock,
    settings: RelaySettings,
) -> None:
    """One pass after the other, sooner when a worker goes."""
    watch = Watch(leases, [CharacterId(each) for each in BUILT_IN], clock, settings)
    while True:
        stranded = False
        try:
            report = await run_once(store, bus, carrier, leases, clock, settings)
        except (StoreUnavailableError, StorageFullError) as error:
            log.warning("relay pass failed", error=error.code)
        else:
            stranded = report.stranded
            log.debug(
                "relay pass",
                outbox=report.outbox,
                inbox=report.inbox,
                feed=report.feed,
                carried=report.carried,
                reclaimed=report.reclaimed,
            )
        await watch.pause(hurry=stranded)


async def carry_for_ever(
    store: Store, signals: Signals, carrier: Carrier, settings: RelaySettings
) -> None:
    """Woken by the commit that adds a row. While the broker is away rows wait where they are."""
    if not carrier.carries:
        return
    pause_s = settings.away_s
    async with signals.subscribe("outbox") as due:
        while True:
            try:
                await carry_due(store, carrier, settings)
            except (BusUnavailableError, StoreUnavailableError, StorageFullError) as error:
                RELAY_BROKER_AWAY.set(isinstance(error, BusUnavailableError))
                log.warning("nothing is carried", error=error.message, again_in_s=pause_s)
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, settings.away_max_s)
            else:
                RELAY_BROKER_AWAY.set(0)
                pause_s = settings.away_s
                await due.wait(settings.look_s)


async def move_for_ever(mover: Mover, settings: RelaySettings) -> None:
    """While the history log is away texts stay where they are."""
    if not mover.moves:
        return
    pause_s = settings.away_s
    while True:
        try:
            await move_due(mover, settings)
        except (StoreUnavailableError, StorageFullError) as error:
            log.warning("nothing moves", error=error.code, again_in_s=pause_s)
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, settings.away_max_s)
        else:
            pause_s = settings.away_s
            await asyncio.sleep(settings.move_every_s)


async def sweep_for_ever(carrier: Carrier, sweeper: Sweeper, settings: RelaySettings) -> None:
    """What is not removed now is removed later."""
    while carrier.carries:
        try:
            await sweeper.sweep()
        except (BusUnavailableError, StoreUnavailableError, StorageFullError) as error:
            log.warning("nothing is swept", error=error.code)
        await asyncio.sleep(settings.every_s)


async def broker_ready(carrier: Carrier) -> str | None:
    """What is missing, for `/ready`."""
    try:
        await carrier.check()
    except BusUnavailableError as error:
        return error.message
    return None


ROLE = Role(
    "relay",
    run,
    "Carries the outbox to the broker and keeps the store within its bounds.",
    settings=RelaySettings,
)
