"""Processes of Tertulia over real servers of their own, and turns through them."""

import os
import shutil
import tempfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import psycopg

from bench.load import UUID_MARK, LoadPlan, LoadResult
from bench.processes import cpu_s, load, post
from tests.e2e.role import RoleProcess
from tests.e2e.server import tertulia
from tests.servers.postgresql import DurablePostgreSQL
from tests.servers.rabbitmq import RabbitMQ
from tests.servers.redis import Redis
from tests.servers.session import Session

ALL: Final = ("gateway", "chat", "relay", "preprocess", "inference")
WRITTEN: Final = """
    SELECT pg_database_size(current_database()), pg_current_wal_lsn() - '0/0'::pg_lsn"""
SERVERS: Final = (DurablePostgreSQL, RabbitMQ, Redis)


@dataclass(frozen=True)
class Fleet:
    """`doors` are the processes that people reach; `behind` those that they do not."""

    doors: list[RoleProcess]
    behind: Mapping[str, RoleProcess]
    token: str

    @property
    def ports(self) -> list[int]:
        return [urlsplit(each.url).port or 0 for each in self.doors]

    @property
    def auth(self) -> str:
        """The header line that signs in."""
        return f"Authorization: Bearer {self.token}\r\n"

    def cpu_s(self) -> float:
        """What all of them have used."""
        return sum(pid_cpu_s(each) for each in [*self.doors, *self.behind.values()])

    def conversation(self, model: str) -> str:
        """A new conversation's id."""
        answer = httpx.post(
            f"{self.doors[0].url}/api/conversations",
            json={"id": str(uuid4()), "model": model},
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=60,
        )
        answer.raise_for_status()
        return str(answer.json()["id"])

    def talk(self, users: int, model: str, seconds: float, ramp_s: float) -> LoadResult:
        """Every user in a new conversation, the next turn as soon as the last is answered, each
        at one of the doors."""
        headers = f"{self.auth}Accept: text/event-stream\r\n"
        body = {"id": UUID_MARK.decode(), "text": "one two three four"}
        requests = [
            post(f"/api/conversations/{self.conversation(model)}/turns", body, headers)
            for _ in range(users)
        ]
        plan = LoadPlan(
            ports=self.ports,
            connections=users,
            seconds=seconds,
            requests=requests,
            ramp_s=ramp_s,
            first="event: delta",
            whole='{"status":"complete"',
        )
        result = load(plan)
        if result.errors:
            raise RuntimeError(result.error_sample)
        return result


def pid_cpu_s(process: RoleProcess) -> float:
    """CPU seconds of one process."""
    return cpu_s(process.process.pid) if process.process else 0.0


@dataclass(frozen=True)
class Servers:
    """`urls` and `pids` by section of the settings, and by name."""

    urls: Mapping[str, str]
    pids: Mapping[str, int]

    @property
    def variables(self) -> dict[str, str]:
        """The settings that lead there."""
        return {f"TERTULIA_{section.upper()}_URL": url for section, url in self.urls.items()}

    def written_bytes(self) -> Mapping[str, int]:
        """What PostgreSQL's tables and indexes take, and how far its log has got."""
        with psycopg.connect(self.urls["store"], autocommit=True) as session:
            row = session.execute(WRITTEN).fetchone()
        assert row is not None  # noqa: S101  a query without a table has one row
        return {"tables and indexes": int(row[0]), "write-ahead log": int(row[1])}


@contextmanager
def servers() -> Generator[Servers]:
    """A PostgreSQL that syncs, a RabbitMQ and a Redis of one's own."""
    with tempfile.TemporaryDirectory(prefix="tertulia-bench-") as folder, ExitStack() as stack:
        session = Session(Path(folder), os.getpid())
        store = stack.enter_context(session.private(DurablePostgreSQL))
        bus = stack.enter_context(session.private(RabbitMQ))
        shared = stack.enter_context(session.private(Redis))
        urls = {
            "store": stack.enter_context(store.database()),
            "bus": stack.enter_context(bus.vhost()),
            "redis": shared.url,
        }
        pids = {"PostgreSQL": store.pid, "RabbitMQ": bus.pid, "Redis": shared.pid}
        yield Servers(urls, pids)


@contextmanager
def alike(count: int, variables: Mapping[str, str]) -> Generator[Fleet]:
    """So many processes with all roles each."""
    with _house(variables) as house:
        yield Fleet([house.start(ALL) for _ in range(count)], {}, house.token)


@contextmanager
def apart(variables: Mapping[str, str]) -> Generator[Fleet]:
    """One process for each role."""
    with _house(variables) as house:
        inference = house.start(("inference",), TERTULIA_MODEL="echo")
        peers = {"TERTULIA_PEERS_INFERENCE": inference.url, "TERTULIA_MODEL": "embedded"}
        behind = {
            "inference": inference,
            "chat": house.start(("chat",), **peers),
            "preprocess": house.start(("preprocess",), **peers),
            "relay": house.start(("relay",), **peers),
        }
        door = house.start(("gateway",), TERTULIA_PEERS_CHAT=behind["chat"].url, **peers)
        yield Fleet([door], behind, house.token)


@dataclass
class _House:
    stack: ExitStack
    place: Path
    shared: Mapping[str, str]
    token: str = ""

    def start(self, roles: Sequence[str], **more: str) -> RoleProcess:
        home = Path(tempfile.mkdtemp(dir=self.place))
        process = RoleProcess(tuple(roles), home, {**self.shared, **more})
        return self.stack.enter_context(process)


@contextmanager
def _house(variables: Mapping[str, str]) -> Generator[_House]:
    place = Path(tempfile.mkdtemp(prefix="tertulia-bench-"))
    first = place / "first"
    first.mkdir()
    shared = {
        "TERTULIA_MODEL": "echo",
        "TERTULIA_MASTER_FILE": str(first / "master.key"),
        "TERTULIA_STORE_URL": f"sqlite:///{first / 'tertulia.db'}",
        **variables,
    }
    try:
        token = tertulia("token", "create", "bench", home=first, variables=shared).stdout.strip()
        with ExitStack() as stack:
            yield _House(stack, place, shared, token)
    finally:
        shutil.rmtree(place)
