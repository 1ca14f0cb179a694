"""What lies in Redis, and what is said over it."""

import asyncio
from typing import Final

from tertulia.adapters.keyfile import MemoryVault
from tertulia.adapters.redis import stream_wire, turn_wire
from tertulia.adapters.redis.leases import member_of
from tertulia.adapters.redis.seals import Seals
from tertulia.adapters.redis.stream_wire import Begun, Ended, Gone, Grown, Queued
from tertulia.adapters.redis.turn_wire import Held, TurnMessage
from tertulia.domain.messages import Author, Status
from tertulia.kit.sealing import place
from tertulia.ports.leases import Member
from tests.ports.stores import HandClock
from tests.wires.bus import MESSAGE, REPLY
from tests.wires.store import KEYS
from tests.wires.wire import Wire, more_in_array, more_in_each_array, more_words

SAID: Final[tuple[stream_wire.Said, ...]] = (
    Begun(3, 12, b"an envelope", b"sealed"),
    Grown(3, 12, b"sealed"),
    Queued(3, 4),
    Ended(3, Status.COMPLETE),
    Gone(),
)
BRANCH: Final = (
    TurnMessage(MESSAGE, 1, Author.USER, "¿qué tal?"),
    TurnMessage(REPLY, 2, Author.ASSISTANT, "muy bien"),
)
HELD: Final = Held(b"an envelope", b"sealed")
WHERE: Final = place("somewhere")
PLAIN: Final = "¿qué tal?".encode()


def _stream(said: stream_wire.Said) -> Wire:
    kind = type(said).__name__
    return Wire(
        name=f"redis/stream-{kind.lower()}",
        value=said,
        write=lambda: stream_wire.encode(said),
        read=stream_wire.decode,
        grown=more_in_array,
        structs=(f"redis.stream_wire.{kind}",),
        text=False,
    )


def _sealed() -> bytes:
    """A value and the envelope of its key, as a process leaves them behind."""
    house = asyncio.run(Seals(MemoryVault(KEYS), HandClock()).own())
    return turn_wire.encode(Held(house.envelope, house.sealer(WHERE).seal(PLAIN, b"")))


def _opened(data: bytes) -> bytes | None:
    held = turn_wire.decode_held(data)
    house = asyncio.run(Seals(MemoryVault(KEYS), HandClock()).opened(held.envelope))
    return None if house is None else house.sealer(WHERE).open(held.sealed, b"")


REDIS: Final = (
    *(_stream(said) for said in SAID),
    Wire(
        name="redis/turns",
        value=HELD,
        write=lambda: turn_wire.encode(HELD),
        read=turn_wire.decode_held,
        grown=more_in_array,
        structs=("redis.turn_wire.Held",),
        text=False,
    ),
    Wire(
        name="redis/turns-branch",
        value=BRANCH,
        write=lambda: turn_wire.encode(BRANCH),
        read=turn_wire.decode_branch,
        grown=more_in_each_array,
        structs=("redis.turn_wire.TurnMessage",),
        text=False,
    ),
    Wire(
        name="redis/sealed",
        value=PLAIN,
        write=_sealed,
        read=_opened,
        grown=None,
        sealed=True,
        text=False,
    ),
    Wire(
        name="redis/lease",
        value=Member(name="worker-1", capacity=128, fence=1795264215250000, load=3),
        write=lambda: b"1795264215250000 128 0123456789abcdef 3",
        read=lambda data: member_of(b"worker-1", data),
        grown=more_words,
    ),
)
