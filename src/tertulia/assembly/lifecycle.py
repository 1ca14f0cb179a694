"""The life of a serving process: roles run side by side, one that fails stops all."""

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Sequence
from typing import Any, Final

import structlog

from tertulia.assembly.wiring import Wiring
from tertulia.kit.errors import TertuliaError
from tertulia.ports.role import Role

DRAIN_S: Final = 25.0  # orchestrators kill 30 s after SIGTERM
SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)

log = structlog.stdlib.get_logger(__name__)


class RoleEndedError(TertuliaError):
    """A role ended although nobody asked it to."""

    code = "role_ended"


async def run_roles(wiring: Wiring, roles: Sequence[Role]) -> None:
    """Run until SIGTERM or SIGINT, then cancel the roles and wait until they have drained.

    The exception of a role that fails comes out, in an ExceptionGroup, when the others have
    drained.
    """
    arguments = [await wiring.arguments(role.run) for role in roles]
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for number in SIGNALS:
        loop.add_signal_handler(number, stopping.set)
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(_run(role, given, stopping), name=role.name)
                for role, given in zip(roles, arguments, strict=True)
            ]
            group.create_task(_drain(stopping, tasks), name="drain")
    finally:
        for number in SIGNALS:
            loop.remove_signal_handler(number)


async def _run(role: Role, arguments: dict[str, object], stopping: asyncio.Event) -> None:
    try:
        await role.run(**arguments)
    except asyncio.CancelledError:
        if stopping.is_set():
            return
        raise
    if not stopping.is_set():
        msg = f"The role {role.name} ended although nobody asked it to."
        raise RoleEndedError(msg)


async def _drain(stopping: asyncio.Event, tasks: Sequence[asyncio.Task[Any]]) -> None:
    await stopping.wait()
    log.info("draining", roles=len(tasks))
    give_up_after(DRAIN_S)
    for number in SIGNALS:  # a second one ends the process at once
        signal.signal(number, signal.SIG_DFL)
    for task in tasks:
        task.cancel()


def give_up_after(seconds: float, leave: Callable[[int], Any] = os._exit) -> None:
    """End the process then, whatever still runs: what is not drained is recovered at the start."""
    timer = threading.Timer(seconds, leave, (1,))
    timer.daemon = True
    timer.start()
