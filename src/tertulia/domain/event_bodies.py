"""How an event travels and lies: its kind and version, and its fields as JSON."""

from typing import Final

import msgspec

from tertulia.domain.events import EVENTS, Event

_encode: Final = msgspec.json.Encoder().encode


class UnknownEventError(ValueError):
    """No event of this kind and version is known here; another version of Tertulia may know it."""


class UnreadableEventError(ValueError):
    """This is no event, for whatever version."""


def encoded(event: Event) -> bytes:
    """The fields as a JSON object."""
    return _encode(event)


def decoded(kind: str, version: int, body: bytes) -> Event:
    """UnknownEventError for a kind or a version that is not known here, UnreadableEventError for
    a body that is not of its kind. Fields that are not known are passed over."""
    event = EVENTS.get(kind)
    if event is None or event.version != version:
        raise UnknownEventError
    try:
        return msgspec.json.decode(body, type=event)
    except msgspec.DecodeError as error:
        raise UnreadableEventError from error


def known_versions() -> str:
    """What `decoded` knows, as `/kind/version/` after `/kind/version/`."""
    return "".join(f"/{event.kind}/{event.version}/" for event in EVENTS.values())
