"""What a reader of a reply's stream holds, checked event by event."""

import time
from dataclasses import dataclass, field
from typing import Any

import msgspec

from tertulia.domain.streams import Position
from tests.e2e.api import Message
from tests.e2e.sse import SseEvent


class StreamBrokenError(AssertionError):
    """The stream said something that no reader can follow."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """At the monotonic time `at` the reader held `held` characters."""

    held: int
    at: float


@dataclass(frozen=True, slots=True)
class Cut:
    """A connection that broke in the middle of a reply, and what of it was kept.

    `kept` is None until the stream goes on. `seen_s` is the reader's own time between the first
    character that was lost and the last one that it saw.
    """

    epoch: int
    held: int
    kept: int | None = None
    seen_s: float = 0.0

    @property
    def lost(self) -> int:
        """Characters that the reader saw and the store did not keep."""
        return 0 if self.kept is None else max(0, self.held - self.kept)


@dataclass(slots=True)
class Reading:
    """Follows the parts of one reply over any number of connections. With `whole` False it came
    late and asked for the rest only, so that its text is no beginning."""

    whole: bool = True
    position: Position | None = None
    text: str = ""
    end: Message | None = None
    resets: int = 0
    cuts: list[Cut] = field(default_factory=list[Cut])
    _arrivals: list[Arrival] = field(default_factory=list[Arrival])
    _open: Cut | None = None

    @property
    def after(self) -> str | None:
        """Where to resume: the position of the last event that carried one."""
        return None if self.position is None else str(self.position)

    def broke(self) -> None:
        """The connection is gone before the end."""
        if self.position is not None and self.end is None:
            self._open = self._open or Cut(epoch=self.position.epoch, held=len(self.text))

    def take(self, event: SseEvent) -> None:
        """Apply one event; StreamBrokenError when it does not fit what is held."""
        data: dict[str, Any] = msgspec.json.decode(event.data)
        match event.event:
            case "delta":
                self._settle_cut(kept=len(self.text))
                self._move(event, self.text + str(data["text"]))
            case "reset":
                self.resets += 1
                self._settle_cut(kept=len(str(data["text"])))
                self._arrivals.clear()
                self._move(event, str(data["text"]))
            case "end":
                self._settle_cut(kept=len(self.text))
                self.end = msgspec.convert(data["message"], type=Message)
                self._check_end(str(data["status"]), self.end)
            case _:
                pass

    def _move(self, event: SseEvent, text: str) -> None:
        if event.id is None:
            msg = f"{event.event} without a position"
            raise StreamBrokenError(msg)
        position = Position.parse(event.id)
        held = self.position
        if self.whole and position.offset != len(text):
            msg = f"{event.event} at {position} leads to {len(text)} characters"
            raise StreamBrokenError(msg)
        if held is not None and position.epoch < held.epoch:
            msg = f"{event.event} at {position} comes after {held}"
            raise StreamBrokenError(msg)
        if event.event == "delta" and held is not None and position.epoch != held.epoch:
            msg = f"a delta of epoch {position.epoch} follows what is held of {held.epoch}"
            raise StreamBrokenError(msg)
        self.position, self.text = position, text
        self._arrivals.append(Arrival(len(text), time.monotonic()))

    def _check_end(self, status: str, message: Message) -> None:
        if message.status != status or (self.whole and message.text != self.text):
            msg = f"ended as {status} with other text than was streamed"
            raise StreamBrokenError(msg)

    def _settle_cut(self, *, kept: int) -> None:
        """The first word after a break tells what was kept of what the reader held."""
        if self._open is None:
            return
        cut, self._open = self._open, None
        lost = [a.at for a in self._arrivals if a.held > kept] if kept < cut.held else []
        seen_s = lost[-1] - lost[0] if lost else 0.0
        self.cuts.append(Cut(epoch=cut.epoch, held=cut.held, kept=kept, seen_s=seen_s))
