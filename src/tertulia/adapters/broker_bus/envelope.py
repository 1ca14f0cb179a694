"""What a message is on the wire."""

from datetime import datetime
from hashlib import blake2b
from typing import Final

import msgspec

from tertulia.domain.event_bodies import UnreadableEventError, decoded
from tertulia.domain.events import Event
from tertulia.kit.clock import EPOCH
from tertulia.ports.broker import Parcel
from tertulia.ports.store import QueuedMessage


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """One JSON object, the same on every broker. `body` holds the event's fields: ids only."""

    id: str
    topic: str
    key: str
    kind: str
    version: int
    created_at: datetime
    body: msgspec.Raw

    def event(self) -> Event:
        """UnknownEventError and UnreadableEventError as `decoded`."""
        return decoded(self.kind, self.version, bytes(self.body))


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Envelope).decode


def sealed(message: QueuedMessage) -> Parcel:
    """An outbox row, ready to be handed over."""
    envelope = Envelope(
        id=message.id,
        topic=message.topic,
        key=message.key,
        kind=message.kind,
        version=message.version,
        created_at=message.created_at,
        body=msgspec.Raw(message.body),
    )
    return Parcel(id=message.id, topic=message.topic, key=message.key, data=_encode(envelope))


def opened(data: bytes) -> Envelope:
    """UnreadableEventError when it is no envelope."""
    try:
        return _decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise UnreadableEventError from error


def stranger(data: bytes) -> Envelope:
    """What to list in place of something that is no envelope: it has an id all the same."""
    name = blake2b(data, digest_size=8).hexdigest()
    return Envelope(
        id=f"unreadable-{name}",
        topic="",
        key="",
        kind="",
        version=0,
        created_at=EPOCH,
        body=msgspec.Raw(b"{}"),
    )
