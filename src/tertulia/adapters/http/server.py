"""The listener: one uvicorn server for the routes of all roles of a process."""

import asyncio
import contextlib
import errno
import socket
from collections.abc import AsyncGenerator, Generator
from typing import Final

import uvicorn
from fastapi import APIRouter
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp

from tertulia.adapters.http.app import ALONE, build_edge
from tertulia.adapters.http.exposure import Exposure
from tertulia.adapters.http.protocols import HttpProtocol, WebSocketProtocol
from tertulia.adapters.http.settings import HttpSettings
from tertulia.domain.access import Principal
from tertulia.kit.errors import TertuliaError
from tertulia.kit.process_settings import ProcessSettings, is_loopback
from tertulia.ports.http import Authenticate, ReadyCheck, Registrants

BACKLOG: Final = 2048
KEEP_ALIVE_S: Final = 75  # longer than the 60 s for which proxies keep a connection


class AddressError(TertuliaError):
    """The address cannot be listened on."""

    code = "address_unusable"


class AddressInUseError(AddressError):
    """The address is in use."""

    code = "address_in_use"


def bind(host: str, port: int, *, beyond: bool = False) -> socket.socket:
    """A socket that listens there; AddressError is one sentence about why it cannot be. `beyond`:
    other machines may reach it."""
    if not beyond and not is_loopback(host):
        msg = (
            f"{host} can be reached from other machines: use 127.0.0.1, or put a proxy with TLS "
            "before it, say in gateway.public_url where people come in, and leave out --open"
        )
        raise AddressError(msg)
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        msg = f"the address {host}:{port} cannot be used: {error.strerror}"
        raise AddressError(msg) from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
        listener.setblocking(False)  # noqa: FBT003  a positional-only parameter
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            msg = f"the address {host}:{port} is in use: stop what listens there, or choose another"
            raise AddressInUseError(msg) from error
        msg = f"the address {host}:{port} cannot be used: {error.strerror}"
        raise AddressError(msg) from error
    return listener


class HttpServer:
    """The Http port. Roles register, the last one of `registrants` opens the listener."""

    def __init__(
        self,
        listener: socket.socket,
        settings: HttpSettings,
        registrants: int,
        exposure: Exposure = ALONE,
    ) -> None:
        self._listener = listener
        self._address: tuple[str, int] = listener.getsockname()[:2]
        self._settings = settings
        self._exposure = exposure
        self._awaited = registrants
        self.routers: list[APIRouter] = []
        self._checks: dict[str, ReadyCheck] = {}
        self._authenticate: Authenticate = nobody
        self._complete = asyncio.Event()
        self._listening = asyncio.Event()
        self._closed = asyncio.Event()
        self._server: _Uvicorn | None = None
        self._leaving = asyncio.Event()
        self.draining = asyncio.Event()

    def include(self, router: APIRouter) -> None:
        self.routers.append(router)

    def authenticate_with(self, authenticate: Authenticate) -> None:
        self._authenticate = authenticate

    def check_ready(self, name: str, check: ReadyCheck) -> None:
        self._checks[name] = check

    def registered(self) -> None:
        """One of those who are waited for has nothing more to add."""
        self._awaited -= 1
        if self._awaited <= 0:
            self._complete.set()

    async def served(self) -> None:
        self.registered()
        try:
            await self._closed.wait()
        except asyncio.CancelledError:
            self.drain()
            await self._closed.wait()
            raise

    async def leave(self) -> None:
        """Be ready no longer, yet answer, until load balancers have noticed."""
        self._leaving.set()
        await asyncio.sleep(self._settings.drain_delay_s)

    def drain(self) -> None:
        """Stop accepting, tell endless answers to end, let the others finish for a while."""
        self._leaving.set()
        self.draining.set()
        self._complete.set()
        if self._server is not None:
            self._server.should_exit = True

    async def listening(self) -> str:
        """The address that people open, as soon as it answers."""
        await self._listening.wait()
        host, port = self._address
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    async def serve(self) -> None:
        """Wait for every role, then answer until drained."""
        try:
            await self._complete.wait()
            if self.draining.is_set():
                return
            self._server = _Uvicorn(self._config(), self._listening)
            await self._server.serve(sockets=[self._listener])
        finally:
            self._listener.close()
            self._closed.set()

    def app(self) -> ASGIApp:
        """Everything that answers, without the listener."""
        return build_edge(
            self.routers,
            authenticate=self._authenticate,
            checks=self._checks,
            settings=self._settings,
            exposure=self._exposure,
            leaving=self._leaving,
            loopback=is_loopback(self._address[0]),
        )

    def _config(self) -> uvicorn.Config:
        patience = {"send_timeout_s": self._settings.send_timeout_s}
        kept = {"idle_s": self._settings.idle_s}
        return uvicorn.Config(
            self.app(),
            http=type("Http", (HttpProtocol,), patience | kept),
            ws=type("WebSocket", (WebSocketProtocol,), patience),
            ws_max_size=64 * 1024,  # clients of our sockets have nothing to say
            ws_per_message_deflate=False,
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=self._settings.drain_s,
        )


class _Uvicorn(uvicorn.Server):
    """Leaves the process's signals alone and says when it listens."""

    def __init__(self, config: uvicorn.Config, listening: asyncio.Event) -> None:
        super().__init__(config)
        self._listening = listening

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._listening.set()


async def nobody(_connection: HTTPConnection) -> Principal | None:
    """The authenticator until there is another one: lets nobody in."""
    return None


@contextlib.asynccontextmanager
async def open_http(
    process: ProcessSettings,
    settings: HttpSettings,
    registrants: Registrants,
    exposure: Exposure = ALONE,
) -> AsyncGenerator[HttpServer]:
    """Takes the address at once (AddressError), answers when `registrants` roles are ready."""
    listener = bind(process.host, process.port, beyond=exposure.beyond or not exposure.edge)
    server = HttpServer(listener, settings, registrants, exposure)
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(server.serve(), name="http")
        try:
            yield server
        finally:
            server.drain()
            await asyncio.wait({serving})
