"""The life of a process: signals drain, one failing role stops all, none outlives the deadline."""

import asyncio
import os
import signal
import threading

import pytest
from structlog.testing import capture_logs

from tertulia.assembly.lifecycle import Deadline, RoleEndedError, Work, run_roles
from tertulia.ports.role import Role


class Witness:
    """Roles that write down what happens to them."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.running = asyncio.Event()

    def serving(self, name: str) -> Work:
        async def run() -> None:
            self.running.set()
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0)
                self.log.append(f"{name} drained")

        return Role(name, run, ""), {}

    def failing(self, error: Exception) -> Work:
        async def run() -> None:
            await self.running.wait()
            raise error

        return Role("failing", run, ""), {}

    def ending(self) -> Work:
        async def run() -> None:
            await self.running.wait()

        return Role("ending", run, ""), {}


@pytest.fixture
def witness() -> Witness:
    return Witness()


def never() -> Deadline:
    return Deadline(3600)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_drains_every_role(witness: Witness, number: signal.Signals) -> None:
    before = signal.getsignal(number)
    running = asyncio.create_task(
        run_roles([witness.serving("chat"), witness.serving("relay")], never())
    )
    await witness.running.wait()
    os.kill(os.getpid(), number)
    await running
    signal.signal(number, before)

    assert sorted(witness.log) == ["chat drained", "relay drained"]


async def test_a_failing_role_stops_the_others_and_its_error_comes_out(witness: Witness) -> None:
    error = OSError("no disk")
    with pytest.raises(ExceptionGroup) as caught:
        await run_roles([witness.serving("chat"), witness.failing(error)], never())

    assert caught.value.exceptions == (error,)
    assert witness.log == ["chat drained"]


async def test_a_role_that_ends_by_itself_is_a_failure(witness: Witness) -> None:
    with pytest.raises(ExceptionGroup) as caught:
        await run_roles([witness.serving("chat"), witness.ending()], never())

    [error] = caught.value.exceptions
    assert isinstance(error, RoleEndedError)
    assert "ending" in error.message


async def test_arguments_reach_the_role() -> None:
    got: list[object] = []

    async def run(store: str) -> None:
        got.append(store)

    with pytest.raises(ExceptionGroup):
        await run_roles([(Role("one", run, ""), {"store": "opened"})], never())

    assert got == ["opened"]


async def test_what_has_not_drained_at_the_deadline_is_told() -> None:
    left, stuck = threading.Event(), asyncio.Event()

    async def run() -> None:
        await stuck.wait()

    with capture_logs() as lines:
        hanging = asyncio.create_task(run(), name="stuck")
        Deadline(0.05, lambda _code: left.set()).start()
        assert await asyncio.to_thread(left.wait, 10)
    [told] = lines
    [where] = [task for task in told["tasks"] if task.startswith("stuck at ")]
    assert where.startswith(f"stuck at {__name__}:")
    assert "asyncio.locks:" in where
    stuck.set()
    await hanging


async def test_what_does_not_drain_is_left_behind_at_the_deadline() -> None:
    left = threading.Event()
    deadline = Deadline(0.0, lambda _code: left.set())

    async def run() -> None:
        return

    with pytest.raises(ExceptionGroup):
        await run_roles([(Role("one", run, ""), {})], deadline)

    assert await asyncio.to_thread(left.wait, 10)
