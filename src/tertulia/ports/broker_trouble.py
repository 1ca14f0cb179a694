"""What goes wrong with a broker's driver, in the words of the port."""

import asyncio
from collections.abc import Callable, Generator
from contextlib import contextmanager

from tertulia.ports.bus import BusUnavailableError


@contextmanager
def unavailable(
    trouble: tuple[type[BaseException], ...], sentence: Callable[[BaseException], str]
) -> Generator[None]:
    """What the driver raises of `trouble` is BusUnavailableError with that sentence.

    Drivers cancel those that wait for an answer when a connection breaks, and they are not to be
    taken for told to stop. Drivers also make trouble of a cancellation, or nothing at all (as
    `asyncio.wait_for` does before Python 3.12), and whoever was told to stop must hear of it:
    CancelledError. So let a block be no longer than one request to the driver.
    """
    before = _requests_to_stop()
    try:
        yield
    except asyncio.CancelledError as error:
        if _requests_to_stop():
            raise
        raise BusUnavailableError(sentence(error)) from error
    except trouble as error:
        if _requests_to_stop() > before:
            raise asyncio.CancelledError from error
        raise BusUnavailableError(sentence(error)) from error
    if _requests_to_stop() > before:
        raise asyncio.CancelledError


def _requests_to_stop() -> int:
    task = asyncio.current_task()
    return 0 if task is None else task.cancelling()
