"""How an event lies in an outbox row: its kind and version, and its fields as JSON."""

from typing import Final

import msgspec

from tertulia.domain.events import Event, ReplyFinished, ReplyRequested, TurnRequested

_KINDS: Final[dict[str, type[Event]]] = {
    event.kind: event for event in (TurnRequested, ReplyRequested, ReplyFinished)
}
_encode: Final = msgspec.json.Encoder().encode


class UnknownEventError(ValueError):
    """No event of this kind and version is known here."""


def encoded(event: Event) -> bytes:
    return _encode(event)


def decoded(kind: str, version: int, body: bytes) -> Event:
    """UnknownEventError when this version of Tertulia cannot read it."""
    event = _KINDS.get(kind)
    if event is None or event.version != version:
        raise UnknownEventError
    try:
        return msgspec.json.decode(body, type=event)
    except msgspec.DecodeError as error:
        raise UnknownEventError from error
