"""How an event travels and lies: its kind and version, and its fields as JSON."""

from typing import Final

import msgspec

from tertulia.domain.events import EVENTS, Event

_encode: Final = msgspec.json.Encoder().encode


class UnknownEventError(ValueError):
    """No event of this kind and version is known here."""


def encoded(event: Event) -> bytes:
    """The fields as a JSON object."""
    return _encode(event)


def decoded(kind: str, version: int, body: bytes) -> Event:
    """UnknownEventError when this version of Tertulia cannot read it."""
    event = EVENTS.get(kind)
    if event is None or event.version != version:
        raise UnknownEventError
    try:
        return msgspec.json.decode(body, type=event)
    except msgspec.DecodeError as error:
        raise UnknownEventError from error
