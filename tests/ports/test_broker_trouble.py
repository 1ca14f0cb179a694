"""A driver's cancellations and a task's own are told apart."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, suppress

import pytest

from tertulia.adapters.kafka.link import translated as of_kafka
from tertulia.adapters.nats.link import translated as of_nats
from tertulia.adapters.rabbitmq.link import translated as of_rabbitmq
from tertulia.ports.broker_trouble import unavailable
from tertulia.ports.bus import BusUnavailableError


class DriverError(Exception):
    """What a driver raises."""


def translated() -> AbstractContextManager[None]:
    return unavailable((DriverError,), lambda error: f"away ({type(error).__name__})")


async def tells() -> None:
    await asyncio.Event().wait()


async def makes_trouble_of_it() -> None:
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError as error:
        raise DriverError from error


async def makes_nothing_of_it() -> None:
    with suppress(asyncio.CancelledError):
        await asyncio.Event().wait()


@pytest.mark.parametrize("driver", [tells, makes_trouble_of_it, makes_nothing_of_it])
async def test_who_is_told_to_stop_stops(driver: Callable[[], Awaitable[None]]) -> None:
    async def ask() -> None:
        with translated():
            await driver()

    task = asyncio.create_task(ask())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()


async def test_who_waits_for_an_answer_that_the_driver_cancelled_was_not_told_to_stop() -> None:
    waiting = asyncio.ensure_future(asyncio.Event().wait())

    async def wait() -> None:
        with translated():
            await waiting

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(BusUnavailableError, match="CancelledError"):
        await task


async def test_trouble_while_ending_is_trouble() -> None:
    async def end() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            with pytest.raises(BusUnavailableError), translated():
                raise DriverError

    task = asyncio.create_task(end())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("translated", [of_rabbitmq, of_nats, of_kafka])
def test_a_connection_that_was_lost_a_moment_ago_is_trouble(
    translated: Callable[[], AbstractContextManager[None]],
) -> None:
    """The drivers, and the loop under them, raise RuntimeError then."""

    async def ask() -> None:
        with translated():
            raise RuntimeError

    with pytest.raises(BusUnavailableError, match=r"does not answer \(RuntimeError\)"):
        asyncio.run(ask())
