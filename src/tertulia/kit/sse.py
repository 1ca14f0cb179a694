"""Reading server-sent events: the payloads in a stream of bytes."""

from typing import Final

MAX_EVENT_BYTES: Final = 16 * 1024 * 1024


class EventTooLargeError(ValueError):
    """A single event grew past any sensible size."""


class Payloads:
    """Splits bytes, however they were cut, into the `data` of each event (WHATWG, "Server-sent
    events"): comments and other fields are dropped, several `data` lines are joined.

    `error:` lines count as data too: llama.cpp's server reports failures in that field.
    """

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, received: bytes) -> list[bytes]:
        """The payloads that `received` completes. EventTooLargeError past MAX_EVENT_BYTES."""
        block = self._rest + received if self._rest else received
        if b"\r" in block:
            block = self._without_carriage_returns(block)
        events = block.split(b"\n\n")
        self._rest = events.pop()
        if len(self._rest) > MAX_EVENT_BYTES:
            raise EventTooLargeError
        found: list[bytes] = []
        for event in events:
            # Nearly every event is one such line; the rest is for the thorough way.
            if event.startswith(b"data: ") and b"\n" not in event:
                found.append(event[6:])
            elif (payload := _payload(event)) is not None:
                found.append(payload)
        return found

    def end(self) -> list[bytes]:
        """What a stream that stops without the last empty line still holds."""
        return self.feed(b"\n\n")

    @staticmethod
    def _without_carriage_returns(block: bytes) -> bytes:
        # A CR at the very end may be the first half of CRLF: it waits for the next bytes.
        held = b"\r" if block.endswith(b"\r") else b""
        block = block.removesuffix(b"\r")
        return block.replace(b"\r\n", b"\n").replace(b"\r", b"\n") + held


def _payload(event: bytes) -> bytes | None:
    data: list[bytes] = []
    for line in event.split(b"\n"):
        if line.startswith((b"data:", b"error:")):
            value = line[line.index(b":") + 1 :]
            data.append(value[1:] if value.startswith(b" ") else value)
    return b"\n".join(data) if data else None
