"""The gateway and the chat role behind a real edge, with a real store and a hand that writes
replies as inference would, but only when the test says so."""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
from fastapi import APIRouter
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from tertulia.adapters.echo.model import EchoModel
from tertulia.adapters.http.app import build_app, build_edge
from tertulia.adapters.http.door import ByPass
from tertulia.adapters.http.exposure import Exposure
from tertulia.adapters.http.server import HttpServer, nobody, open_http
from tertulia.adapters.http.settings import HttpSettings
from tertulia.adapters.keyfile.vault import MemoryVault
from tertulia.adapters.memory.peers import NoPeers
from tertulia.adapters.memory.rate_limiter import MemoryRateLimiter
from tertulia.adapters.memory.recent_turns import MemoryRecentTurns
from tertulia.adapters.memory.signals import MemorySignals
from tertulia.adapters.memory.token_stream import MemoryTokenStream
from tertulia.adapters.rpc.passes import SealedPasses
from tertulia.adapters.rpc.peers import open_peers
from tertulia.adapters.rpc.settings import PeersSettings
from tertulia.adapters.sql.sqlite import open_sqlite_store
from tertulia.domain.ids import ConversationId, MessageId, UserId
from tertulia.domain.messages import Message, Status
from tertulia.domain.streams import Position
from tertulia.kit.clock import SystemClock
from tertulia.kit.ids import new_id
from tertulia.kit.process_settings import ProcessSettings
from tertulia.ports.chat_model import ChatModel
from tertulia.ports.http import Authenticate, ReadyCheck, Registrants
from tertulia.ports.key_vault import KeyVault
from tertulia.ports.peers import Passes, Peers
from tertulia.ports.rate_limiter import RateLimiter
from tertulia.ports.recent_turns import RecentTurns
from tertulia.ports.signals import Signals
from tertulia.ports.standing import open_standing
from tertulia.ports.store import MessageChange, Store
from tertulia.ports.token_stream import TokenStream
from tertulia.roles.chat import role as chat
from tertulia.roles.chat.settings import ChatSettings
from tertulia.roles.chat.surface import SURFACES
from tertulia.roles.gateway import role as gateway
from tertulia.roles.gateway import service
from tertulia.roles.gateway.settings import GatewaySettings
from tests.ports.memory_catalogue import MemoryCatalogue

Json = dict[str, Any]


@dataclass(slots=True)
class Scribe:
    """Writes replies step by step."""

    store: Store
    streams: TokenStream

    async def begin(self, reply: Json) -> Message:
        """Queued → streaming. The stream is there when the commit's signal wakes its readers."""
        conversation_id = ConversationId(reply["conversation_id"])
        reply_id = MessageId(reply["id"])
        kept = await self.store.read(lambda tx: tx.messages.get(conversation_id, reply_id))
        assert kept is not None
        await self.streams.begin(reply_id, kept.epoch, kept.text)
        change = MessageChange(epoch=kept.epoch, status=Status.STREAMING, model="echo")
        return await self.store.write(
            lambda tx: tx.messages.change(conversation_id, reply_id, change)
        )

    async def stream(self, reply: Message, offset: int, text: str) -> None:
        """Show more of it."""
        await self.streams.append(reply.id, Position(reply.epoch, offset), text)

    async def checkpoint(self, reply: Message, offset: int, text: str) -> bool:
        """Keep more of it; whether a stop was requested."""
        return await self.store.write(
            lambda tx: tx.messages.checkpoint(
                reply.conversation_id, reply.id, epoch=reply.epoch, offset=offset, text=text
            )
        )

    async def end(
        self, reply: Message, text: str, status: Status = Status.COMPLETE, error: str | None = None
    ) -> Message:
        change = MessageChange(epoch=reply.epoch, status=status, text=text, error_code=error)
        done = await self.store.write(
            lambda tx: tx.messages.change(reply.conversation_id, reply.id, change)
        )
        await self.streams.end(reply.id, reply.epoch, status)
        return done

    async def write(self, reply: Json, text: str, status: Status = Status.COMPLETE) -> Message:
        """All of it at once."""
        begun = await self.begin(reply)
        await self.stream(begun, len(begun.text), text[len(begun.text) :])
        return await self.end(begun, text, status)


@dataclass(frozen=True, kw_only=True)
class Serving:
    """`client` is signed in as the owner by a token. Without a listener, clients talk to `app`."""

    store: Store
    signals: Signals
    streams: TokenStream
    recent: RecentTurns
    limiter: RateLimiter
    catalogue: MemoryCatalogue
    http: "HttpServer | MemoryHttp"
    elsewhere: HttpServer | None
    app: ASGIApp | None
    url: str
    vault: KeyVault
    path: Path
    token: str
    owner_id: UserId

    @cached_property
    def client(self) -> httpx.AsyncClient:
        return self.bearing(self.token)

    @cached_property
    def scribe(self) -> Scribe:
        return Scribe(self.store, self.streams)

    @property
    def routes(self) -> list[BaseRoute]:
        """Every route that answers, wherever its role is, the edge's own included."""
        routers = [*self.http.routers, *(self.elsewhere.routers if self.elsewhere else ())]
        routers = [each for each in routers if not leads_elsewhere(each)]
        return list(build_app(routers, authenticate=nobody, checks={}).routes)

    @property
    def chat_http(self) -> "HttpServer | MemoryHttp":
        """Where the chat role answers."""
        return self.elsewhere or self.http

    def drain(self) -> None:
        """Begin to close the chat role's listener."""
        assert isinstance(self.chat_http, HttpServer)
        self.chat_http.drain()

    def anonymous(self, headers: dict[str, str] | None = None) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(app=self.app, client=("127.0.0.1", 1)) if self.app else None
        return httpx.AsyncClient(
            transport=transport, base_url=self.url, headers=headers, trust_env=False
        )

    def bearing(self, token: str) -> httpx.AsyncClient:
        return self.anonymous({"authorization": f"Bearer {token}"})

    async def stranger(self) -> str:
        """The token of somebody else with an account here."""
        user_id = UserId(new_id())
        with sqlite3.connect(self.path) as database:
            database.execute("INSERT INTO accounts VALUES (?, ?, 0)", (user_id, "stranger"))
        database.close()
        return (await service.create_token(self.store, user_id, "test")).text

    async def revoked(self) -> str:
        """A token that is no longer good."""
        secret = await service.create_token(self.store, self.owner_id, "test")
        await service.revoke_token(self.store, self.owner_id, secret.credential.id)
        return secret.text

    async def conversation(self, **fields: object) -> Json:
        answer = await self.client.post("/api/conversations", json={"id": new_id(), **fields})
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def turn(self, conversation: Json, text: str = "hello", **fields: object) -> Json:
        answer = await self.client.post(
            f"/api/conversations/{conversation['id']}/turns",
            json={"id": new_id(), "text": text, **fields},
        )
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def message(self, message: Json) -> Json:
        answer = await self.client.get(path_of(message))
        assert answer.status_code == 200, answer.text
        return answer.json()


def leads_elsewhere(router: APIRouter) -> bool:
    """Whether a gateway's router only leads to what others answer."""
    prefixes = tuple(surface.prefix for surface in SURFACES)
    paths = [getattr(route, "path", "") for route in router.routes]
    return bool(paths) and all(p.startswith(prefixes) and p.endswith("{path:path}") for p in paths)


def path_of(message: Json) -> str:
    return f"/api/conversations/{message['conversation_id']}/messages/{message['id']}"


class MemoryHttp:
    """The Http port without a listener."""

    def __init__(self, settings: HttpSettings, roles: int, page_directory: Path) -> None:
        self.draining = asyncio.Event()
        self.complete = asyncio.Event()
        self._settings = settings
        self._awaited = roles
        self._page_directory = page_directory
        self.routers: list[APIRouter] = []
        self._checks: dict[str, ReadyCheck] = {}
        self._authenticate: Authenticate | None = None

    def include(self, router: APIRouter) -> None:
        self.routers.append(router)

    def authenticate_with(self, authenticate: Authenticate) -> None:
        self._authenticate = authenticate

    def check_ready(self, name: str, check: ReadyCheck) -> None:
        self._checks[name] = check

    async def served(self) -> None:
        self._awaited -= 1
        if not self._awaited:
            self.complete.set()
        await asyncio.Event().wait()

    def app(self) -> ASGIApp:
        assert self._authenticate is not None
        return build_edge(
            self.routers,
            authenticate=self._authenticate,
            checks=self._checks,
            settings=self._settings,
            page_directory=self._page_directory,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """`listen`: on a free port of this machine, through a real server. `around_store`: what the
    roles get for a store."""

    model: ChatModel = field(default_factory=EchoModel)
    open: bool = False
    listen: bool = False
    vault: KeyVault = field(default_factory=MemoryVault)
    around_store: Callable[[Store], Store] = field(default=lambda store: store)
    http: HttpSettings = field(default_factory=HttpSettings)
    gateway: GatewaySettings = field(default_factory=GatewaySettings)
    chat: ChatSettings = field(default_factory=ChatSettings)


APART: ContextVar[bool] = ContextVar("APART", default=False)
"""Whether the chat role listens elsewhere, so that the gateway leads there."""


@asynccontextmanager
async def chat_elsewhere(
    http: HttpSettings, store: Store, passes: Passes, signals: Signals
) -> AsyncGenerator[HttpServer]:
    """A listener for the chat role that only its gateway may reach."""
    exposure = Exposure(edge=False, passes=passes)
    process = ProcessSettings(address="127.0.0.1:0")
    async with (
        open_http(process, http, Registrants(1), exposure) as server,
        open_standing(store, signals, SystemClock()) as standing,
    ):
        server.authenticate_with(ByPass(standing))
        yield server


@asynccontextmanager
async def serving(directory: Path, options: Options | None = None) -> AsyncGenerator[Serving]:
    options = options or Options()
    signals, limiter, clock = MemorySignals(), MemoryRateLimiter(), SystemClock()
    streams = MemoryTokenStream(clock, max_bytes=1 << 22, kept_s=60)
    recent = MemoryRecentTurns(max_bytes=1 << 20, max_messages=200)
    catalogue = MemoryCatalogue()
    path = directory / "tertulia.db"
    process = ProcessSettings(open=options.open, address="127.0.0.1:0")
    async with AsyncExitStack() as stack:
        opened = open_sqlite_store(path, options.vault, signals, clock)
        store = options.around_store(await stack.enter_async_context(opened))
        passes = SealedPasses(options.vault, clock)
        elsewhere = None
        if APART.get():
            apart = chat_elsewhere(options.http, store, passes, signals)
            elsewhere = await stack.enter_async_context(apart)
        here = 1 if elsewhere else 2
        if options.listen:
            listening = open_http(process, options.http, Registrants(here))
            http = await stack.enter_async_context(listening)
        else:
            http = MemoryHttp(options.http, here, page_of(directory))
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        roles = [
            tasks.create_task(
                chat.run(
                    elsewhere or http,
                    store,
                    signals,
                    streams,
                    recent,
                    options.model,
                    catalogue,
                    limiter,
                    options.chat,
                )
            ),
        ]
        stack.callback(_cancel, roles)
        peers: Peers = NoPeers()
        if elsewhere:
            urls = {"chat": (await elsewhere.listening(),)}
            opened = open_peers(SURFACES, urls, passes, PeersSettings())
            peers = await stack.enter_async_context(opened)
        edge = gateway.run(http, store, signals, clock, limiter, peers, options.gateway, process)
        roles.append(tasks.create_task(edge))
        if isinstance(http, HttpServer):
            url, app = await http.listening(), None
        else:
            await http.complete.wait()
            url, app = "http://127.0.0.1", http.app()
        owner = await store.write(lambda tx: tx.accounts.owner())
        secret = await service.create_token(store, owner.id, "test")
        made = Serving(
            store=store,
            signals=signals,
            streams=streams,
            recent=recent,
            limiter=limiter,
            catalogue=catalogue,
            http=http,
            elsewhere=elsewhere,
            app=app,
            url=url,
            vault=options.vault,
            path=path,
            token=secret.text,
            owner_id=owner.id,
        )
        await stack.enter_async_context(made.client)
        yield made


def page_of(directory: Path) -> Path:
    """A built page of two files."""
    page = directory / "page"
    (page / "assets").mkdir(parents=True, exist_ok=True)
    (page / "index.html").write_text("<!doctype html><title>Tertulia</title>")
    (page / "assets" / "index-4f2a91bc.js").write_text("console.log(1);" * 100)
    return page


def _cancel(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
