"""What goes wrong with a broker's driver, in the words of the port."""

import asyncio
from collections.abc import Callable, Generator
from contextlib import contextmanager

from tertulia.ports.bus import BusUnavailableError


@contextmanager
def unavailable(
    trouble: tuple[type[BaseException], ...], sentence: Callable[[BaseException], str]
) -> Generator[None]:
    """What the driver raises of `trouble` is BusUnavailableError with that sentence; drivers also
    cancel those that wait for an answer when a connection breaks, and they are not to be taken for
    told to stop."""
    try:
        yield
    except trouble as error:
        raise BusUnavailableError(sentence(error)) from error
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise BusUnavailableError(sentence(error)) from error
