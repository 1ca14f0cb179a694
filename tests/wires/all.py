"""Every wire there is."""

from typing import Final

from tests.wires.bus import BUS
from tests.wires.redis import REDIS
from tests.wires.rpc import RPC
from tests.wires.store import STORE
from tests.wires.wire import Wire

WIRES: Final[tuple[Wire, ...]] = (*BUS, *RPC, *REDIS, *STORE)
