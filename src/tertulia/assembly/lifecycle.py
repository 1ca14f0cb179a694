"""The life of a serving process: roles run side by side, one that fails stops all."""

import asyncio
import os
import signal
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

import structlog

from tertulia.kit.errors import TertuliaError
from tertulia.ports.role import Role

DRAIN_S: Final = 25.0  # orchestrators kill 30 s after SIGTERM
SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)

Work = tuple[Role, Mapping[str, object]]
"""A role and what to call it with."""

log = structlog.stdlib.get_logger(__name__)


class RoleEndedError(TertuliaError):
    """A role ended although nobody asked it to."""

    code = "role_ended"


class Deadline:
    """From `start` on, the process ends after DRAIN_S at the latest, whatever still runs: what is
    not drained by then is recovered at the next start. The log says what it was."""

    def __init__(self, after_s: float = DRAIN_S, leave: Callable[[int], Any] = os._exit) -> None:
        self._timer = threading.Timer(after_s, self._end)
        self._timer.daemon = True
        self._leave = leave
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """Once; later calls change nothing."""
        if self._timer.ident is None:
            self._loop = asyncio.get_running_loop()
            self._timer.start()

    def _end(self) -> None:
        try:
            log.error(
                "not drained in time", tasks=sorted(map(_where, asyncio.all_tasks(self._loop)))
            )
        finally:
            self._leave(1)


async def run_roles(
    work: Sequence[Work], deadline: Deadline, leave: Callable[[], Awaitable[None]] | None = None
) -> None:
    """Run until SIGTERM or SIGINT, then cancel the roles and wait until they have drained. A
    second signal ends the process at once. `leave` is awaited before: it tells those who send
    work that they should send it elsewhere.

    The exception of a role that fails comes out, in an ExceptionGroup, when the others have
    drained.
    """
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for number in SIGNALS:
        loop.add_signal_handler(number, stopping.set)
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(_run(role, arguments, stopping, deadline), name=role.name)
                for role, arguments in work
            ]
            group.create_task(_drain(stopping, tasks, deadline, leave), name="drain")
    finally:
        for number in SIGNALS:
            loop.remove_signal_handler(number)


async def _run(
    role: Role, arguments: Mapping[str, object], stopping: asyncio.Event, deadline: Deadline
) -> None:
    try:
        await role.run(**arguments)
    except asyncio.CancelledError:
        if not stopping.is_set():
            raise
    except Exception:
        log.exception("role failed", role=role.name)
        raise
    finally:
        deadline.start()
    if not stopping.is_set():
        msg = f"The role {role.name} ended although nobody asked it to."
        raise RoleEndedError(msg)


async def _drain(
    stopping: asyncio.Event,
    tasks: Sequence[asyncio.Task[None]],
    deadline: Deadline,
    leave: Callable[[], Awaitable[None]] | None,
) -> None:
    await stopping.wait()
    log.info("draining", roles=len(tasks))
    deadline.start()
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    if leave is not None:
        await leave()
    for task in tasks:
        task.cancel()


def _where(task: asyncio.Task[Any]) -> str:
    """The task's name, and the lines of ours or others in which it waits, outermost first."""
    waiting: Any = task.get_coro()
    lines: list[str] = []
    while waiting is not None:
        frame = getattr(waiting, "cr_frame", None) or getattr(waiting, "ag_frame", None)
        if frame is not None:
            lines.append(f"{frame.f_globals.get('__name__')}:{frame.f_lineno}")
        waiting = getattr(waiting, "cr_await", None) or getattr(waiting, "ag_await", None)
    return f"{task.get_name()} at {' > '.join(lines)}"
