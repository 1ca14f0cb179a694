"""Every process is exchanged while people talk: nobody may notice more than a hint to come back."""

import asyncio
import random
from pathlib import Path
from uuid import UUID

import aiohttp
import pytest

from tests.e2e.api import Api, unrepeated
from tests.e2e.fleet import fleet
from tests.faults.rolling.account import Account, Stop, summary
from tests.faults.rolling.campaign import Plan, Rolling
from tests.faults.rolling.people import Person
from tests.faults.rolling.sent import watching
from tests.servers.postgresql import PostgreSQL
from tests.servers.rabbitmq import RabbitMQ
from tests.servers.redis import Redis

FEW = {"relay": 1, "preprocess": 1, "inference": 1, "chat": 2, "gateway": 2}


@pytest.mark.server
async def test_nobody_is_turned_away_while_every_process_is_exchanged(
    tmp_path: Path, postgres: PostgreSQL, rabbitmq: RabbitMQ, redis: Redis
) -> None:
    plan = Plan(
        restarts=1, connections=60, callers=2, pause_s=0.5, tokens=20, pace_ms=100, look_s=0.25
    )
    with (
        postgres.database() as store,
        rabbitmq.vhost() as bus,
        fleet(
            tmp_path, {"store": store, "bus": bus, "redis": redis.url}, FEW, plan.variables
        ) as made,
    ):
        account = await Rolling(plan, made, redis).run()
    assert not account.problems, summary(account)
    assert len(account.stops) == sum(FEW.values())
    assert account.hinted >= plan.connections, "two gateways had them all"
    assert account.resumed > 0


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_what_broke_off_is_told_with_its_connection(method: str) -> None:
    """A listener that answers one request of each connection, and hangs up at the second."""
    account = Account()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    async with (
        await asyncio.start_server(answer, "127.0.0.1") as server,
        aiohttp.ClientSession(trace_configs=[watching()]) as http,
    ):
        host, port = server.sockets[0].getsockname()
        api = Api(unrepeated(http), f"http://{host}:{port}", token="")
        person = Person(api, account, random.Random(1))  # noqa: S311  it draws nothing
        for _ in range(2):
            await person.ask(lambda: api.request(method, f"/api/{UUID(int=1)}/turns"))
    assert account.requests == 3
    assert account.failures == {
        f"ServerDisconnectedError of {method} /api/…/turns on a kept connection": 1
    }


def test_what_goes_wrong_is_told() -> None:
    account = Account(hinted=2, unhinted=1)
    account.failures["503 role_unavailable"] += 3
    account.hints_ms[100] += 2
    account.stops += [
        Stop("chat-0", 1, 25.5, told=True, connections=9),
        Stop("relay-0", 0, 1.0, told=False, connections=9),
    ]
    account.judge()
    assert account.problems == [
        "3 x 503 role_unavailable",
        "1 streams broke off without a hint",
        "everybody was told to come back at the same moment",
        "chat-0 ended with 1",
        "chat-0 took 25.5 s to end",
        "relay-0 did not say that it leaves",
    ]
    assert "chat-0 took 25.5 s to end" in summary(account)
