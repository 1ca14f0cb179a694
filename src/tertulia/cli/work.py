"""What commands do with a port, beside a running server or without one."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from tertulia.kit.settings import SettingsInForce
    from tertulia.ports.store import Store

T = TypeVar("T")
P = TypeVar("P")


def on_port(settings: "SettingsInForce", port: type[P], work: Callable[[P], Awaitable[T]]) -> T:
    """Open one port, work with it, close it."""
    from tertulia.assembly.process import call, wired

    async def run() -> T:
        async with wired(settings) as wiring:
            return await work(await wiring.port(port))

    return call(run)


def on_store(home: Path | None, work: "Callable[[Store], Awaitable[T]]") -> T:
    """Work with the store of a home."""
    from tertulia.assembly.settings import load_settings
    from tertulia.ports.store import Store

    return on_port(load_settings({"home": home}), Store, work)
