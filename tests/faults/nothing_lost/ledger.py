"""What the clients of the campaign did and saw: the account that the server is held to."""

import asyncio
from dataclasses import dataclass, field

from tests.e2e.api import Message, Turn
from tests.e2e.reading import Reading


@dataclass(slots=True)
class SentTurn:
    """One turn that a client sent, as often as it took."""

    conversation_id: str
    request_id: str
    text: str
    said: str
    """What the model is told: also the turns before it that got no word of an answer."""
    model: str
    attempts: int = 0
    turn: Turn | None = None
    reading: Reading = field(default_factory=Reading)
    last_seen: Message | None = None
    """The reply as the client saw it at last."""
    stopped: bool = False
    continued: int = 0
    over: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when its client wants no more of it."""


@dataclass(slots=True)
class Budget:
    """How many turns are still to be sent; the clients go on until the kills are done, too."""

    turns: int
    handed_out: int = 0
    kills_done: bool = False

    def take(self) -> int | None:
        """The number of the next turn, None when there is nothing left to do."""
        if self.handed_out >= self.turns and self.kills_done:
            return None
        self.handed_out += 1
        return self.handed_out


@dataclass(slots=True)
class Ledger:
    """Everything that was sent, by conversation in the order of sending."""

    sent: dict[str, list[SentTurn]] = field(default_factory=dict[str, list[SentTurn]])
    erased: dict[str, list[Message]] = field(default_factory=dict[str, list[Message]])
    """What was in conversations that their clients erased, right before that."""
    acknowledged: int = 0
    finished: int = 0
    problems: list[str] = field(default_factory=list[str])
    """What a client met that no careful server does."""
    serving_s: list[float] = field(default_factory=list[float])
    """After each death: what it took to serve again, as the stand counts it."""
    armings: int = 0
    """Kills that were needed beside those of the schedule, to set a crash point."""

    _acknowledged: asyncio.Event = field(default_factory=asyncio.Event)

    def acknowledge(self) -> None:
        """One more turn was answered."""
        self.acknowledged += 1
        self._acknowledged.set()

    async def acknowledgements(self, count: int) -> None:
        """Returns when there are so many."""
        while self.acknowledged < count:
            self._acknowledged.clear()
            await self._acknowledged.wait()

    def turns(self) -> list[SentTurn]:
        return [turn for turns in self.sent.values() for turn in turns]
