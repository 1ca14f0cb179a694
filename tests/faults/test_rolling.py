"""Every process is exchanged while people talk: nobody may notice more than a hint to come back."""

from pathlib import Path

import pytest

from tests.e2e.fleet import fleet
from tests.faults.rolling.account import Account, Stop, summary
from tests.faults.rolling.campaign import Plan, Rolling
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
