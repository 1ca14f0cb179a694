"""The processes of a role: every address of every URL, the least busy first."""

import asyncio
import ipaddress
import random
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

import structlog

REFUSED_S: Final = 1.0  # a process that refused is asked last for so long
PORTS: Final[Mapping[str, int]] = {"http": 80, "https": 443}

log = structlog.stdlib.get_logger(__name__)


@dataclass(slots=True)
class Replica:
    """One process. `host` is the name by which it is addressed, `open` the requests it has from
    here."""

    scheme: str
    host: str
    name: str
    address: str
    port: int
    open: int = field(default=0, compare=False)
    refused_until: float = field(default=0.0, compare=False)

    @property
    def netloc(self) -> str:
        address = f"[{self.address}]" if ":" in self.address else self.address
        return f"{address}:{self.port}"


class Replicas:
    """Addresses are looked up again after `resolve_s`; a name server in trouble changes
    nothing."""

    def __init__(self, urls: Sequence[str], resolve_s: float) -> None:
        self._urls = tuple(urls)
        self._resolve_s = resolve_s
        self._known: dict[tuple[str, str, int], Replica] = {}
        self._resolved_until = 0.0
        self._resolving = asyncio.Lock()

    async def in_turn(self) -> Sequence[Replica]:
        """Whom to ask first, second and so on. Several are balanced by what is open with each;
        those that refused just now come last, yet they come."""
        if time.monotonic() >= self._resolved_until:
            await self._resolve()
        if len(self._known) == 1:
            return list(self._known.values())
        now = time.monotonic()
        found = list(self._known.values())
        random.shuffle(found)
        return sorted(found, key=lambda replica: (replica.refused_until > now, replica.open))

    async def _resolve(self) -> None:
        async with self._resolving:
            if time.monotonic() < self._resolved_until:
                return
            found: dict[tuple[str, str, int], Replica] = {}
            for url in self._urls:
                for replica in await _looked_up(url):
                    key = (replica.host, replica.address, replica.port)
                    found[key] = self._known.get(key, replica)
            if found:
                self._known = found
                self._resolved_until = time.monotonic() + self._resolve_s


def refused(replica: Replica) -> None:
    """Note that it took no connection."""
    replica.refused_until = time.monotonic() + REFUSED_S


async def _looked_up(url: str) -> Sequence[Replica]:
    parts = urlsplit(url)
    name, port = parts.hostname or "", parts.port or PORTS[parts.scheme]
    host = parts.netloc.rpartition("@")[2]

    def at(address: str) -> Replica:
        return Replica(parts.scheme, host, name, address, port)

    try:
        return [at(str(ipaddress.ip_address(name)))]
    except ValueError:
        pass
    try:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    except OSError as error:
        log.warning("name not found", host=name, error=error.strerror)
        return []
    return [at(str(place[4][0])) for place in found]
