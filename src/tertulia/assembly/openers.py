"""Which adapter stands behind which port. Drivers are imported when a port is first asked for."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final

from tertulia.assembly.home import Home
from tertulia.kit.clock import Clock
from tertulia.ports.bus import Bus
from tertulia.ports.http import Http
from tertulia.ports.leases import Leases
from tertulia.ports.rate_limiter import RateLimiter
from tertulia.ports.recent_turns import RecentTurns
from tertulia.ports.signals import Signals
from tertulia.ports.store import Store
from tertulia.ports.token_stream import TokenStream

Opener = Callable[..., AbstractAsyncContextManager[Any]]


def http() -> Opener:
    from tertulia.adapters.http.server import open_http

    return open_http


OPENERS: Final[Mapping[Any, Callable[[], Opener]]] = {Http: http}
"""By port: what gives its opener, a context manager whose parameters are wired like a role's."""
