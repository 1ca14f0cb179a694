"""Handing over: confirmed by the stream, or not at all."""

import asyncio
from collections.abc import Coroutine, Iterable, Sequence
from typing import Any, Final

import structlog
from nats.errors import MaxPayloadError
from nats.js.api import Header
from nats.js.errors import APIError, NoStreamResponseError, NotFoundError

from tertulia.adapters.nats.link import Line, Link, translated
from tertulia.adapters.nats.topology import Topology
from tertulia.kit.clock import to_us
from tertulia.ports.broker import Letter, Parcel

REASON: Final = "Tertulia-Reason"
ATTEMPTS: Final = "Tertulia-Attempts"
DIED_US: Final = "Tertulia-Died-Us"

log = structlog.stdlib.get_logger(__name__)


class Publisher:
    """Publishes with ids by which the server knows repeats. The streams are made when they are
    first used, and again when one is gone."""

    def __init__(self, link: Link, topology: Topology, confirm_s: float) -> None:
        self._link = link
        self._topology = topology
        self._confirm_s = confirm_s
        self._declared = False
        self._declaring = asyncio.Lock()

    async def publish(self, parcels: Sequence[Parcel]) -> frozenset[str]:
        """See the port's `publish`."""
        with translated():
            async with asyncio.timeout(self._confirm_s):
                line = await self.ready()
                # Each of these ends in a confirmation or a refusal, or with the connection.
                kept = await line.answer(_all(self._kept(line, each) for each in parcels))
        return frozenset(each.id for each, ok in zip(parcels, kept, strict=True) if ok)

    async def publish_again(self, parcel: Parcel, message_id: str) -> bool:
        """Publish under another id than the parcel's, which the server may still know."""
        with translated():
            async with asyncio.timeout(self._confirm_s):
                line = await self.ready()
                return await line.answer(self._kept(line, parcel, message_id))

    async def bury(self, message_id: str, letter: Letter) -> None:
        """Put a letter among the dead. BusUnavailableError when that is not confirmed."""
        headers = {
            Header.MSG_ID: message_id,
            REASON: letter.reason,
            ATTEMPTS: str(letter.attempts),
            DIED_US: str(to_us(letter.died_at)),
        }
        topology = self._topology
        with translated():
            async with asyncio.timeout(self._confirm_s):
                line = await self.ready()
                try:
                    await line.answer(
                        line.js.publish(
                            topology.dead_subject,
                            letter.data,
                            stream=topology.dead,
                            headers=headers,
                        )
                    )
                except NoStreamResponseError:
                    self._declared = False
                    raise

    async def ready(self) -> Line:
        """The connection, to a server that has our streams. Raises what the driver raises."""
        line = await self._link.line()
        async with self._declaring:
            if not self._declared:
                for config in self._topology.streams():
                    try:
                        await line.answer(line.js.stream_info(config.name or ""))
                    except NotFoundError:
                        await line.answer(line.js.add_stream(config))  # pyright: ignore[reportUnknownMemberType]  its annotations are partial
                self._declared = True
        return line

    def doubt(self) -> None:
        """A stream may be gone: look before the next use."""
        self._declared = False

    async def _kept(self, line: Line, parcel: Parcel, message_id: str | None = None) -> bool:
        try:
            await self._sent(line, parcel, message_id or parcel.id)
        except NoStreamResponseError:
            log.warning("stream missing", topic=parcel.topic, message_id=parcel.id)
        except (APIError, MaxPayloadError) as error:
            log.warning("parcel refused", message_id=parcel.id, error=type(error).__name__)
            return False
        else:
            return True
        self.doubt()
        await self.ready()
        try:
            await self._sent(line, parcel, message_id or parcel.id)
        except (APIError, NoStreamResponseError):
            return False
        return True

    async def _sent(self, line: Line, parcel: Parcel, message_id: str) -> None:
        await line.js.publish(
            self._topology.subject_of(parcel.topic, parcel.key),
            parcel.data,
            stream=self._topology.stream,
            headers={Header.MSG_ID: message_id},
        )


async def _all(asking: Iterable[Coroutine[Any, Any, bool]]) -> list[bool]:
    return await asyncio.gather(*asking)
