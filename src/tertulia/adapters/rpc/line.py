"""Asking a role in another process: which replica, how often, for how long."""

import asyncio
import time
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import aiohttp
from yarl import URL

from tertulia.adapters.rpc.passes import HEADER
from tertulia.adapters.rpc.replicas import Replica, Replicas, refused
from tertulia.adapters.rpc.settings import PeersSettings
from tertulia.ports.peers import Pass, Passes, RoleUnavailableError

RETRY_AFTER_S: Final = 1
# Shorter than the 75 s after which our listeners close a connection that nobody uses.
KEEP_ALIVE_S: Final = 60.0
QUIET_S: Final = 60.0  # four heartbeats of a live answer
MISSING: Final = 404
SAFE_TO_REPEAT: Final = frozenset({"GET", "HEAD", "PUT", "DELETE"})


class GoneBeforeError(Exception):
    """A process took a DELETE and died without an answer; the next one found nothing to delete."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request. `target` is path and query as they go over the wire. `repeatable`: it may be
    asked again after a process took it and died without an answer."""

    method: str
    target: str
    shown: Pass
    headers: Mapping[str, str]
    body: bytes = b""
    repeatable: bool = True


class Line:
    """The way to one role."""

    def __init__(
        self, role: str, replicas: Replicas, passes: Passes, settings: PeersSettings
    ) -> None:
        self.role = role
        self._replicas = replicas
        self._passes = passes
        self._settings = settings
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    @asynccontextmanager
    async def ask(self, asked: Asked) -> AsyncGenerator[aiohttp.ClientResponse]:
        """The answer, whose head is there. RoleUnavailableError when no process took the request,
        or none answered in time; GoneBeforeError. Leaving early hangs up."""
        taken = False
        turns = self.turns(await self.replicas(), asked.shown.within_s)
        for replica, left_s in turns:
            replica.open += 1
            try:
                answer = await self._ask(replica, asked, left_s)
            except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
                refused(replica)  # nothing was sent
                continue
            except TimeoutError as error:
                raise self.unavailable() from error
            except aiohttp.ClientConnectionError as error:
                refused(replica)
                if asked.repeatable or asked.method in SAFE_TO_REPEAT:
                    taken = True
                    continue
                raise self.unavailable() from error
            else:
                try:
                    if taken and asked.method == "DELETE" and answer.status == MISSING:
                        raise GoneBeforeError
                    yield answer
                finally:
                    answer.close()
                return
            finally:
                replica.open -= 1
        raise self.unavailable()

    async def replicas(self) -> Sequence[Replica]:
        return await self._replicas.in_turn()

    @staticmethod
    def turns(replicas: Sequence[Replica], within_s: float) -> Iterator[tuple[Replica, float]]:
        """Each once, and the first once more: its connection may merely have been an old one."""
        deadline = time.monotonic() + within_s
        for replica in (*replicas, *replicas[:1]):
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                return
            yield replica, left_s

    def unavailable(self) -> RoleUnavailableError:
        return RoleUnavailableError(role=self.role, retry_after_s=RETRY_AFTER_S)

    async def headers(self, asked: Asked) -> dict[str, str]:
        shown = await self._passes.issue(asked.shown, asked.method, asked.target)
        return {**asked.headers, HEADER: shown}

    async def _ask(self, replica: Replica, asked: Asked, left_s: float) -> aiohttp.ClientResponse:
        quiet_s = max(QUIET_S, asked.shown.within_s)
        async with asyncio.timeout(left_s):
            return await self._opened().request(
                asked.method,
                URL(f"{replica.scheme}://{replica.netloc}{asked.target}", encoded=True),
                headers={**await self.headers(asked), "Host": replica.host},
                data=asked.body or None,
                allow_redirects=False,
                server_hostname=replica.name if replica.scheme == "https" else None,
                timeout=aiohttp.ClientTimeout(
                    total=None, sock_connect=self._settings.connect_s, sock_read=quiet_s
                ),
            )

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_S),
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            )
            # Its own repeating would hide that a process took the request and died.
            self._session._retry_connection = False  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        return self._session
