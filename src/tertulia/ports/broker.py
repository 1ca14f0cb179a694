"""A broker, as a bus needs it: opaque parcels by topic and key, confirmed, held until done."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from tertulia.ports.store import TopicDepth


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """What is handed to a broker. `data` says all of it again, for whoever receives it."""

    id: str
    topic: str
    key: str
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """The `data` of a parcel that was given up, and what is known of its end."""

    data: bytes
    attempts: int
    reason: str
    died_at: datetime


class Held(Protocol):
    """A parcel in our hands. Until `done` or `bury` it is ours; given back, or lost with the
    connection or the process, it comes again before any later one of its key."""

    @property
    def data(self) -> bytes: ...

    @property
    def share(self) -> str:
        """The part of the topic that it came by; parts are lost and given back as a whole."""
        ...

    @property
    def returns(self) -> int:
        """How often it came back from somebody's hands: a process that died, one that ended."""
        ...

    async def done(self) -> None:
        """BusUnavailableError when the broker could not be told."""
        ...

    async def bury(self, letter: Letter) -> None:
        """Put it among the dead letters, then be done with it. BusUnavailableError as above."""
        ...


class Hands(Protocol):
    """Where a consumer of a broker puts what it gets: parcels of one key in their order."""

    def take(self, held: Held) -> None:
        """Begin with it when its turn comes; never blocks."""
        ...

    async def give_up(self, share: str) -> None:
        """Cancel the handlers of this share and return when they have ended their work."""
        ...


class Broker(Protocol):
    """At least once, in order per topic and key. Places for a topic are made when it is first
    used. Calls raise BusUnavailableError; `consume` waits for the broker instead."""

    async def publish(self, parcels: Sequence[Parcel]) -> frozenset[str]:
        """Returns when the broker has answered for each, with the ids of those that it keeps on
        disk. No two of one topic and key."""
        ...

    async def consume(self, topic: str, hands: Hands, *, concurrency: int) -> None:
        """Fill `hands` with some more than `concurrency` parcels, until cancelled; then give up
        every share and give back what is not done. Of the consumers of a topic, in whatever
        process, one at a time has the parcels of a key."""
        ...

    async def letters(self, *, limit: int) -> Sequence[Letter]:
        """The dead letters, oldest first."""
        ...

    async def revive(self, choose: Callable[[bytes], Parcel | None]) -> int:
        """Publish what `choose` makes of dead letters, and drop those; None leaves a letter where
        it is. Returns how many were published."""
        ...

    async def depths(self) -> Sequence[TopicDepth]:
        """What waits, by topic. Dead letters are counted under the topic `*` when the broker does
        not tell them apart."""
        ...

    async def topics(self) -> Sequence[str]:
        """Those that have a place, empty ones too."""
        ...

    async def remove(self, topic: str) -> bool:
        """Remove the place of a topic that holds nothing and that nobody consumes; whether there is
        none now. It is made anew when it is used again; but what is published in the very moment
        of its end may be lost with it: no topic that somebody may still use."""
        ...

    async def check(self) -> None:
        """BusUnavailableError when it does not answer."""
        ...
