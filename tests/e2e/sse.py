"""Server-sent events, parsed as they arrive (WHATWG HTML, section 9.2.6)."""

from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class SseEvent:
    """One event of a stream; `id` is None when the event carried none."""

    event: str
    data: str
    id: str | None = None


@dataclass(slots=True)
class SseParser:
    """Takes bytes in any pieces and gives the events that are whole."""

    rest: bytes = b""
    name: str = "message"
    data: list[str] = field(default_factory=list[str])
    id: str | None = None

    def feed(self, piece: bytes) -> Iterator[SseEvent]:
        lines = (self.rest + piece).split(b"\n")
        self.rest = lines.pop()
        for line in lines:
            event = self._line(line.rstrip(b"\r").decode())
            if event is not None:
                yield event

    def _line(self, line: str) -> SseEvent | None:
        if not line:
            return self._dispatch()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "event":
                self.name = value
            case "data":
                self.data.append(value)
            case "id":
                self.id = value
            case _:
                pass
        return None

    def _dispatch(self) -> SseEvent | None:
        event = SseEvent(self.name, "\n".join(self.data), self.id) if self.data else None
        self.name, self.data, self.id = "message", [], None
        return event
