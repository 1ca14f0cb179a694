"""The hint to come back: a process that stops tells its readers when, each another moment, so that
they do not all arrive at once."""

import random
from typing import Final

SOONEST_MS: Final = 100
LATEST_MS: Final = 2000  # a page says that it is offline only later than this

RESTARTING: Final = 1012  # RFC 6455's registry: service restart
REASON: Final = "restarting"


def spread_ms() -> int:
    """When to come back."""
    return random.randint(SOONEST_MS, LATEST_MS)  # noqa: S311  no secret


def sse_hint(ms: int) -> bytes:
    """For browsers' own readers (`retry:`) and for those that look at events."""
    return b'retry: %d\nevent: restarting\ndata: {"retry_ms":%d}\n\n' % (ms, ms)


def socket_hint(ms: int) -> str:
    return f'{{"event":"restarting","data":{{"retry_ms":{ms}}}}}'
