"""What commands do with ports, beside a running server or without one."""

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from tertulia.ports.store import Store

T = TypeVar("T")


def with_ports(
    home: Path | None,
    work: Callable[..., Awaitable[T]],
    options: Mapping[str, object] | None = None,
) -> T:
    """Open the ports and settings that the signature names, call, close."""
    from tertulia.assembly.process import call, wired
    from tertulia.assembly.settings import load_settings

    settings = load_settings({"home": home, **(options or {})})

    async def run() -> T:
        async with wired(settings) as wiring:
            return await work(**await wiring.arguments(work))

    return call(run)


def on_store(home: Path | None, work: "Callable[[Store], Awaitable[T]]") -> T:
    """Work with the store of a home."""
    from tertulia.ports.store import Store

    async def run(store: Store) -> T:
        return await work(store)

    return with_ports(home, run)
