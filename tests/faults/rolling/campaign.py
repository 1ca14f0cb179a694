"""The rolling restart: every process is exchanged, one after the other, while people talk."""

import asyncio
import random
import signal
import sys
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp
import msgspec

from tests.e2e.api import Api, unrepeated
from tests.e2e.echo_text import echoed
from tests.e2e.fleet import Fleet
from tests.e2e.role import RoleProcess
from tests.e2e.server import tertulia
from tests.faults.rolling.account import Account, Stop
from tests.faults.rolling.people import TRANSPORTS, FeedReader, Person, Talk, Talker
from tests.faults.rolling.sent import watching
from tests.faults.rolling.service import PROBE, Service, is_ready
from tests.ports.on_redis import Client
from tests.servers.redis import Redis

THREE_DOORS: Final = {"relay": 1, "preprocess": 1, "inference": 2, "chat": 2, "gateway": 3}
"""In the order in which they are exchanged."""
READY_S: Final = 120.0
LOOK_S: Final = 0.02
LAST: Final = 20  # lines of a process that did not end well


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`connections` streams and sockets are open: a tenth of them follow the feed, the others read
    replies of `tokens` words, `readers` to each. `callers` beside them say short things, one every
    `pause_s`. With `previous`, another version's Python, each restart changes every process to the
    other version, beginning with all of the previous one. After `within_s` no further process is
    exchanged."""

    restarts: int
    connections: int
    callers: int = 4
    pause_s: float = 2.0
    readers: int = 25
    tokens: int = 6
    pace_ms: int = 1000
    look_s: float = 0.5
    previous: Path | None = None
    within_s: float = float("inf")
    seed: int = 1

    @property
    def feeds(self) -> int:
        return self.connections // 10

    @property
    def circles(self) -> Sequence[int]:
        """How many read the replies of each talker."""
        in_all = self.connections - self.feeds
        talkers = max(1, in_all // self.readers)
        return [in_all // talkers + (n < in_all % talkers) for n in range(talkers)]

    @property
    def variables(self) -> Mapping[str, str]:
        """For the fleet: a process leaves later than the Service notices, replies are not cut, and
        a connection is kept for about as long as a talker takes to say the next thing."""
        again_s = self.tokens * self.pace_ms / 1000 + 1.5 * self.pause_s
        return {
            "TERTULIA_HTTP_DRAIN_DELAY_S": str(4 * self.look_s),
            "TERTULIA_HTTP_IDLE_S": str(min(8, again_s)),
            "TERTULIA_INFERENCE_DRAIN_S": str(5 + self.tokens * self.pace_ms / 1000),
            "TERTULIA_HTTP_ACCESS_LOG": "false",
        }


class Rolling:
    """`tell` hears of each process that was exchanged."""

    def __init__(
        self,
        plan: Plan,
        fleet: Fleet,
        redis: Redis,
        tell: Callable[[Stop], object] = lambda _: None,
    ) -> None:
        self.plan = plan
        self.fleet = fleet
        self.account = Account()
        self._redis = redis
        self._tell = tell
        self._chance = random.Random(plan.seed)  # noqa: S311  a reproducible campaign
        self._service = Service(fleet.doors, plan.look_s, self._chance)
        self._over = asyncio.Event()
        self._talkers: list[Talker] = []

    async def run(self) -> Account:
        """Exchange every process as often as planned; then hold the product to it."""
        async with self._service.opened(), AsyncExitStack() as stack:
            me = await self._person(stack)
            async with self._talking(stack), self._following(stack, me):
                began = time.monotonic()
                await self._connected()
                for number, process in self._in_order():
                    if time.monotonic() - began < self.plan.within_s:
                        await self._exchange(process, number)
                self.account.duration_s = time.monotonic() - began
            for talker in self._talkers:
                await self._verify(me, talker)
        await asyncio.to_thread(self._check_letters)
        self.account.judge()
        return self.account

    def _in_order(self) -> Sequence[tuple[int, RoleProcess]]:
        once = [process for role in THREE_DOORS for process in self.fleet.roles[role]]
        return [(number, each) for number in range(self.plan.restarts) for each in once]

    async def _person(self, stack: AsyncExitStack) -> Person:
        """With connections of his own, which he keeps for as long as they last."""
        http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), trace_configs=[watching()]
        )
        await stack.enter_async_context(unrepeated(http))
        api = Api(http, self._service.url, self.fleet.token)
        return Person(api, self.account, random.Random(self._chance.random()))  # noqa: S311

    @asynccontextmanager
    async def _talking(self, stack: AsyncExitStack) -> AsyncGenerator[None]:
        """Leaving waits for the last replies."""
        plan = self.plan
        async with asyncio.TaskGroup() as group:
            for readers in plan.circles:
                others = [await self._person(stack) for _ in range(readers - 1)]
                group.create_task((await self._talker(stack, others, plan.tokens)).run())
            for _ in range(plan.callers):
                group.create_task((await self._talker(stack, (), 8)).run())
            yield
            self._over.set()

    async def _talker(self, stack: AsyncExitStack, others: Sequence[Person], tokens: int) -> Talker:
        person = await self._person(stack)
        talker = Talker(
            person=person,
            others=others,
            tokens=tokens,
            pace_ms=self.plan.pace_ms if others else 2,
            pause_s=0.1 if others else self.plan.pause_s,
            talk=Talk(person.uuid()),
            over=self._over,
        )
        self._talkers.append(talker)
        return talker

    @asynccontextmanager
    async def _following(self, stack: AsyncExitStack, me: Person) -> AsyncGenerator[None]:
        """Leaving waits until every reader of the feed has seen the last change."""
        begun_at = await self._head(me)
        readers = [
            FeedReader(await self._person(stack), TRANSPORTS[n % 2], begun_at)
            for n in range(self.plan.feeds)
        ]
        async with asyncio.TaskGroup() as group:
            for reader in readers:
                group.create_task(reader.run())
            yield
            head = await self._head(me)
            for reader in readers:
                reader.until = head
            await me.ask(lambda: me.api.create_conversation(me.uuid()))

    async def _head(self, me: Person) -> int:
        page = await me.ask(lambda: me.api.request("GET", "/api/conversations?limit=1"))
        return int(msgspec.json.decode(page)["feed_seq"])

    async def _connected(self) -> None:
        async with asyncio.timeout(READY_S):
            while self._service.open < self.plan.connections:  # noqa: ASYNC110  sockets
                await asyncio.sleep(LOOK_S)

    async def _exchange(self, process: RoleProcess, number: int) -> None:
        role, name = process.roles[0], process.home.name
        url, connections = process.url, self._service.open
        async with aiohttp.ClientSession(timeout=PROBE) as http:
            if role == "inference" and not self._has_lease(name):
                self.account.problems.append(f"{name} had no lease")
            began = time.monotonic()
            process.send(signal.SIGTERM)
            told = asyncio.create_task(_told(http, url))
            code = await asyncio.to_thread(process.end, signal.SIGCONT)
            stop = Stop(name, code, time.monotonic() - began, await told, connections)
            self.account.stops.append(stop)
            if code:
                self.account.problems.append(f"{name}: {process.lines[-LAST:]}")
            if role == "inference" and self._has_lease(name):
                self.account.problems.append(f"{name} kept its lease")
            process.program = self._program(number)
            await asyncio.to_thread(process.start)
            async with asyncio.timeout(READY_S):
                await _until_ready(http, process.url)
                if role == "gateway":
                    await self._service.until_ready(process.url)
        self._tell(stop)

    def _program(self, number: int) -> Path:
        """What a process runs after restart `number`, counted from 0."""
        if self.plan.previous is None or number % 2 == 0:
            return Path(sys.executable)
        return self.plan.previous

    def _has_lease(self, name: str) -> bool:
        with Client(self._redis) as redis:
            keys: list[bytes] = redis("KEYS", "*leases*")
            return any(key.endswith(f":{name}".encode()) for key in keys)

    async def _verify(self, me: Person, talker: Talker) -> None:
        """Everything that was said is there once, in order, with its whole reply."""
        talk, problems = talker.talk, self.account.problems
        found = await me.ask(lambda: me.api.messages(talk.conversation_id))
        said = [message.text for message in found if message.author == "user"]
        replies = [message for message in found if message.author != "user"]
        self.account.replies.update(reply.status for reply in replies)
        if said != talk.said:
            problems.append(f"{talk.conversation_id}: {len(said)} of {len(talk.said)} are there")
        if [reply.text for reply in replies] != [echoed(text, talker.tokens) for text in talk.said]:
            problems.append(f"{talk.conversation_id}: a reply has another text")
        if [(r.status, r.text) for r in replies] != [(r.status, r.text) for r in talk.seen]:
            problems.append(f"{talk.conversation_id}: a reply is not what was seen")
        cut = [reply for reply in replies if reply.status != "complete"]
        problems += [f"{reply.id}: {reply.status} {reply.error_code}" for reply in cut]

    def _check_letters(self) -> None:
        home, variables = self.fleet.first, self.fleet.variables
        done = tertulia("relay", "dead", "list", "--json", home=home, variables=variables)
        if done.returncode or done.stdout.strip() != "[]":
            self.account.problems.append(f"dead letters: {done.stdout}{done.stderr}")


async def _until_ready(http: aiohttp.ClientSession, url: str) -> None:
    while True:
        with suppress(TimeoutError):
            if await is_ready(http, url):
                return
        await asyncio.sleep(LOOK_S)


async def _told(http: aiohttp.ClientSession, url: str) -> bool:
    """Whether it says that it leaves before it is gone."""
    while True:
        try:
            async with http.get(f"{url}/ready") as answer:
                if answer.status == 503:
                    return msgspec.json.decode(await answer.read())["status"] == "draining"
        except TimeoutError:
            continue
        except aiohttp.ClientError:
            return False
        await asyncio.sleep(LOOK_S)
