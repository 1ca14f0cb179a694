"""A process: its home, its wiring, and either roles that serve or one command."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypeVar

from tertulia.assembly.home import Home, open_home
from tertulia.assembly.openers import OPENERS
from tertulia.assembly.wiring import Wiring
from tertulia.kit.clock import Clock, SystemClock
from tertulia.kit.process_settings import ProcessSettings
from tertulia.kit.settings import SettingsInForce

T = TypeVar("T")


@asynccontextmanager
async def wired(
    settings: SettingsInForce, given: Mapping[object, object] | None = None
) -> AsyncGenerator[Wiring]:
    """Ports on demand, closed in reverse at the end. Does not lock the home: for commands that
    work beside a running server."""
    home = open_home(settings.of(ProcessSettings).home)
    async with AsyncExitStack() as stack:
        instances = {Home: home, Clock: SystemClock(), **(given or {})}
        yield Wiring(stack, OPENERS, settings, instances)


def call(work: Callable[[], Awaitable[T]]) -> T:
    """Run on an event loop of its own."""
    import uvloop

    async def main() -> T:
        return await work()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main())
