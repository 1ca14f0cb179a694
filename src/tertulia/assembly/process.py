"""A process: its home, its wiring, and either roles that serve or one command."""

import asyncio
import signal
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypeVar

from tertulia.assembly.home import Home, open_home
from tertulia.assembly.openers import MODEL_ELSEWHERE, OPENERS
from tertulia.assembly.placement import Placement
from tertulia.assembly.roles import ROLES
from tertulia.assembly.wiring import Wiring
from tertulia.kit.clock import Clock, SystemClock
from tertulia.kit.process_settings import ProcessSettings
from tertulia.kit.settings import SettingsInForce

T = TypeVar("T")


@asynccontextmanager
async def wired(
    settings: SettingsInForce,
    given: Mapping[object, object] | None = None,
    placement: Placement | None = None,
) -> AsyncGenerator[Wiring]:
    """Ports on demand, closed in reverse at the end. Does not lock the home: for commands that
    work beside a running server. `placement`: of a process that serves; a command has all itself.
    """
    top = settings.of(ProcessSettings)
    placement = placement or Placement.of(ROLES)
    openers = MODEL_ELSEWHERE if placement.model_is_elsewhere(top) else OPENERS
    own = {Home: open_home(top.home), Clock: SystemClock(), Placement: placement}
    async with AsyncExitStack() as stack:
        yield Wiring(stack, openers, settings, {**own, **(given or {})})


def call(work: Callable[[], Awaitable[T]]) -> T:
    """Run on an event loop of its own."""
    import uvloop

    async def main() -> T:
        return await work()

    interruptible()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main())


def interruptible() -> None:
    """From here on an interrupt is a KeyboardInterrupt, or cancels what the event loop runs."""
    in_main_thread = threading.current_thread() is threading.main_thread()
    if in_main_thread and signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
