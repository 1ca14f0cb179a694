"""What commands do with ports, beside a running server or without one."""

import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from tertulia.ports.store import Store

T = TypeVar("T")


def finish(work: Callable[[], Awaitable[T]]) -> T:
    """Run what ends by itself. Stdout is for its result alone, so logs of errors go to stderr."""
    from tertulia.assembly.process import call
    from tertulia.kit.logging import configure_logging

    configure_logging(level="error", stream=sys.stderr)
    return call(work)


def with_ports(home: Path | None, work: Callable[..., Awaitable[T]]) -> T:
    """Open the ports and settings that the signature names, call, close."""
    from tertulia.assembly.process import wired
    from tertulia.assembly.settings import load_settings

    settings = load_settings({"home": home})

    async def run() -> T:
        async with wired(settings) as wiring:
            return await work(**await wiring.arguments(work))

    return finish(run)


def on_store(home: Path | None, work: "Callable[[Store], Awaitable[T]]") -> T:
    """Work with the store of a home."""
    from tertulia.ports.store import Store

    async def run(store: Store) -> T:
        return await work(store)

    return with_ports(home, run)
