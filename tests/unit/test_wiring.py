"""Wiring: each port opened once, dependencies first, closed in reverse."""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import ClassVar, NewType, Protocol

import pytest

from tertulia.assembly.openers import OPENERS
from tertulia.assembly.roles import ROLES, ports_of, role
from tertulia.assembly.wiring import Opener, Wiring, parameters
from tertulia.kit.settings import Settings, settle


class Store(Protocol): ...


class Bus(Protocol): ...


Count = NewType("Count", int)


class RelaySettings(Settings):
    section: ClassVar[str] = "relay"
    every_s: float = 3.0


class World:
    """Openers that write down what they do."""

    def __init__(self) -> None:
        self.log: list[str] = []

    def openers(self) -> Mapping[str, Callable[[], Opener]]:
        @asynccontextmanager
        async def store(settings: RelaySettings) -> AsyncGenerator[Store]:
            self.log.append(f"open store {settings.every_s}")
            try:
                yield "store"
            finally:
                self.log.append("close store")

        @asynccontextmanager
        async def bus(store: Store) -> AsyncGenerator[Bus]:
            self.log.append(f"open bus on {store}")
            try:
                yield "bus"
            finally:
                self.log.append("close bus")

        return {"Store": lambda: store, "Bus": lambda: bus}


@pytest.fixture
def world() -> World:
    return World()


async def run(bus: Bus, store: Store, settings: RelaySettings, count: Count) -> None:
    del bus, store, settings, count


async def test_dependencies_open_first_and_close_last(world: World) -> None:
    async with AsyncExitStack() as stack:
        wiring = Wiring(stack, world.openers(), settle([RelaySettings], []), {Count: Count(7)})
        arguments = await wiring.arguments(run)

    assert arguments == {"bus": "bus", "store": "store", "settings": RelaySettings(), "count": 7}
    assert world.log == ["open store 3.0", "open bus on store", "close bus", "close store"]


async def test_what_nobody_names_is_not_opened(world: World) -> None:
    async with AsyncExitStack() as stack:
        wiring = Wiring(stack, world.openers(), settle([RelaySettings], []), {})
        await wiring.port(Store)

    assert world.log == ["open store 3.0", "close store"]


async def test_a_port_that_fails_to_open_closes_those_before_it(world: World) -> None:
    @asynccontextmanager
    async def broken(store: Store) -> AsyncGenerator[Bus]:
        msg = f"no bus on {store}"
        raise OSError(msg)
        yield

    openers = {**world.openers(), "Bus": lambda: broken}
    async with AsyncExitStack() as stack:
        wiring = Wiring(stack, openers, settle([RelaySettings], []), {})
        with pytest.raises(OSError, match="no bus on store"):
            await wiring.port(Bus)

    assert world.log == ["open store 3.0", "close store"]


def test_parameters_are_read_from_the_signature() -> None:
    assert parameters(run) == {
        "bus": Bus,
        "store": Store,
        "settings": RelaySettings,
        "count": Count,
    }


@pytest.mark.parametrize("name", ROLES)
def test_every_port_of_every_role_can_be_opened(name: str) -> None:
    given = {"Clock", "Home"}

    assert set(ports_of(role(name))) <= {*OPENERS, *given}
