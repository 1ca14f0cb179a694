"""Every role of the product in one process: who runs, what they share, how they die and return."""

import asyncio
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random
from typing import Final, TypeVar

from tertulia.adapters.broker_bus.bus import BrokerBus, BrokerCarrier
from tertulia.adapters.broker_bus.settings import BusSettings
from tertulia.adapters.echo.model import EchoModel
from tertulia.adapters.memory.language import MemoryLanguageDetector
from tertulia.adapters.memory.leases import MemoryLeases
from tertulia.adapters.memory.recent_turns import MemoryRecentTurns
from tertulia.adapters.memory.token_stream import MemoryTokenStream
from tertulia.adapters.outbox_bus.bus import NothingToCarry, OutboxBus
from tertulia.adapters.outbox_bus.settings import OutboxBusSettings
from tertulia.adapters.sql.unit import Unit
from tertulia.domain.conversations import ASSISTANT
from tertulia.domain.events import workers_group
from tertulia.ports.bus import Bus, Carrier
from tertulia.roles.chat.service.follow_reply import ReplyReader
from tertulia.roles.inference import role as inference
from tertulia.roles.inference.settings import InferenceSettings
from tertulia.roles.preprocess import role as preprocess
from tertulia.roles.preprocess.settings import PreprocessSettings
from tertulia.roles.relay.role import carry_for_ever, make_passes, sweep_for_ever
from tertulia.roles.relay.service.sweeping import Sweeper
from tertulia.roles.relay.settings import RelaySettings
from tests.simulation.broker import FarBroker, MemoryBroker
from tests.simulation.database import Database, InlineStore
from tests.simulation.determinism import VirtualClock
from tests.simulation.lives import Life
from tests.simulation.ports import (
    FarLeases,
    FarRecent,
    FarSignals,
    FarStore,
    FarStream,
    Hub,
    ShakyModel,
    Way,
)
from tests.simulation.weather import Weather

T = TypeVar("T")

MIB: Final = 1024 * 1024
SKEWS_S: Final = (0.0, 0.0, -0.4, 0.9, 3.0, -20.0)
"""How far clocks are off; 20 s is what weeks without time synchronisation make."""
# Sixty seconds are the promise, so what waits for the dead must be shorter together than that: by
# default what a dead process held of the outbox waits 30 s, and queues are kept for an hour.
OUTBOX_BUS: Final = OutboxBusSettings(lease_s=10.0)
RELAY: Final = RelaySettings(gone_s=10.0)
LEASE_S: Final = 6.0
DRAIN_S: Final = 25.0


class AwayError(Exception):
    """No answer: the replica is down, died meanwhile, or its answer was lost."""


@dataclass(frozen=True, slots=True)
class Mutations:
    """What a test breaks in the product, to see that the simulation finds it."""

    unit: Callable[[Unit], None] | None = None
    bus: Callable[[Bus], Bus] | None = None


@dataclass(slots=True, kw_only=True)
class Ports:
    """What one life of a process holds."""

    store: FarStore
    signals: FarSignals
    streams: FarStream
    recent: FarRecent
    leases: FarLeases
    model: ShakyModel
    bus: Bus
    carrier: Carrier
    clock: VirtualClock

    @property
    def reader(self) -> ReplyReader:
        return ReplyReader(self.store, self.signals, self.streams)


class World:
    """What outlives every process."""

    def __init__(self, seed: int, weather: Weather, mutations: Mutations) -> None:
        loop = asyncio.get_running_loop()
        self.dice: Final = Random(f"world {seed}")  # noqa: S311  no secret
        self.weather: Final = weather
        self.mutations: Final = mutations
        self.database: Final = Database()
        self.hub: Final = Hub(weather)
        clock = VirtualClock(loop, 0.0, 0.0)
        self.leases: Final = MemoryLeases(clock)
        self.recent: Final = MemoryRecentTurns(max_bytes=MIB, max_messages=200)
        self.stream: Final = MemoryTokenStream(clock, max_bytes=MIB, kept_s=60)
        self.broker: Final = MemoryBroker() if self.dice.random() < 0.5 else None
        self.failures: list[str] = []
        self.processes: list[Process] = []
        for role, most in (("chat", 2), ("preprocess", 2), ("relay", 2), ("inference", 3)):
            count = self.dice.randint(2 if role == "chat" else 1, most)
            self.processes += [Process(f"{role}-{n}", role, self) for n in range(count)]
        weather.trace.note("world", f"{'broker' if self.broker else 'outbox'} as the bus")

    @property
    def chats(self) -> "list[Process]":
        return [process for process in self.processes if process.role == "chat"]

    async def run(self) -> None:
        """Until cancelled: processes run, die and return."""
        for process in self.processes:
            process.start()
        try:
            while True:
                await asyncio.sleep(self.dice.expovariate(1 / self.weather.climate.crash_every_s))
                if self.weather.bad:
                    await self.dice.choice(self.processes).fall(self.dice)
        finally:
            for process in self.processes:
                await process.kill()
            self.database.close()

    async def workers(self) -> dict[str, bool]:
        """Who holds a lease, and whether it lives."""
        living = {process.worker for process in self.processes if process.up}
        members = await self.leases.members(workers_group(ASSISTANT.id))
        return {member.name: member.name in living for member in members}


class Process:
    """One role. Every start is a new life: a new name among workers, nothing in memory."""

    def __init__(self, name: str, role: str, world: World) -> None:
        self.name: Final = name
        self.role: Final = role
        self._world = world
        self._starts = 0
        self.deaths = 0
        self._life: Life | None = None
        self._ports: Ports | None = None
        self._main: asyncio.Task[None] | None = None
        self._skew_s = world.dice.choice(SKEWS_S)
        self._capacity = world.dice.choice((1, 1, 4))

    @property
    def worker(self) -> str:
        return f"{self.name}.{self._starts}"

    @property
    def up(self) -> bool:
        return self._life is not None and self._life.alive

    def start(self) -> None:
        self._starts += 1
        self._world.weather.trace.note(self.name, f"start {self._starts}")
        life = self._life = Life(self.name)
        self._ports = self._opened(life)
        self._main = life.spawn(self._run(life, self._ports))

    async def fall(self, dice: Random) -> None:
        """Die or be stopped, and come back after a while."""
        if not self.up:
            return
        if dice.random() < 0.7:
            await self.kill()
        else:
            await self.stop()
        asyncio.get_running_loop().call_later(dice.choice((0.1, 1.0, 8.0)), self.start)

    async def kill(self) -> None:
        """As by `kill -9`."""
        if self._life is not None and self._life.alive:
            self.deaths += 1
            self._world.weather.trace.note(self.name, "killed")
            await self._life.end()

    async def stop(self) -> None:
        """As by SIGTERM, for as long as an orchestrator waits."""
        self._world.weather.trace.note(self.name, "stopped")
        if self._main is not None:
            self._main.cancel()
            _, hanging = await asyncio.wait({self._main}, timeout=DRAIN_S)
            if hanging and not self._world.weather.bad:
                self._world.failures.append(f"{self.name} does not drain")
        if self._life is not None:
            await self._life.end()

    async def serve(self, use: Callable[[Ports], Awaitable[T]]) -> T:
        """Answer one request, as the chat role's routes would. AwayError when no answer came."""
        life, ports = self._life, self._ports
        if life is None or ports is None or not life.alive:
            raise AwayError

        async def answer() -> T:
            return await use(ports)

        task = life.spawn(answer())
        try:
            await asyncio.wait({task})
        finally:
            task.cancel()  # a client that leaves takes its request along
        if not life.alive or task.cancelled() or self._world.weather.loses():
            raise AwayError
        return task.result()

    async def _run(self, life: Life, ports: Ports) -> None:
        try:
            await self._serve_role(ports)
        except asyncio.CancelledError:
            raise
        except BaseException:
            if life.alive:
                self._world.failures.append(f"{self.name} failed: {traceback.format_exc()}")
            raise

    async def _serve_role(self, p: Ports) -> None:
        languages = MemoryLanguageDetector({"hello": "en"})
        match self.role:
            case "preprocess":
                await preprocess.run(
                    p.store, p.bus, p.recent, p.model, languages, p.leases, PreprocessSettings()
                )
            case "inference":
                settings = InferenceSettings(
                    worker=self.worker, capacity=self._capacity, lease_s=LEASE_S
                )
                await inference.run(
                    p.store, p.signals, p.bus, p.recent, p.streams, p.model, p.leases, p.clock,
                    settings,
                )  # fmt: skip
            case "relay":
                async with asyncio.TaskGroup() as group:
                    group.create_task(
                        make_passes(p.store, p.bus, p.carrier, p.leases, p.clock, RELAY)
                    )
                    group.create_task(carry_for_ever(p.store, p.signals, p.carrier, RELAY))
                    sweeper = Sweeper(p.store, p.carrier, p.leases, p.clock, RELAY)
                    group.create_task(sweep_for_ever(p.carrier, sweeper, RELAY))
            case _:
                await asyncio.Event().wait()

    def _opened(self, life: Life) -> Ports:
        world, loop = self._world, asyncio.get_running_loop()
        way = Way(life, world.weather)
        clock = VirtualClock(loop, self._skew_s, world.dice.uniform(0, 1e6))
        signals = FarSignals(way, world.hub)
        store = FarStore(way, InlineStore(world.database, signals, clock, world.mutations.unit))
        dice = Random(f"{world.dice.random()}")  # noqa: S311  no secret
        bus: Bus = OutboxBus(store, signals, clock, OUTBOX_BUS, dice)
        carrier: Carrier = NothingToCarry()
        if world.broker is not None:
            far = FarBroker(way, world.broker)
            bus, carrier = BrokerBus(far, store, clock, BusSettings(), dice), BrokerCarrier(far)
        if world.mutations.bus is not None:
            bus = world.mutations.bus(bus)
        return Ports(
            store=store,
            signals=signals,
            streams=FarStream(way, world.stream),
            recent=FarRecent(way, world.recent),
            leases=FarLeases(way, world.leases),
            model=ShakyModel(way, EchoModel(slots=2, clock=clock), dice),
            bus=bus,
            carrier=carrier,
            clock=clock,
        )
