"""Kill -9, again and again: nothing that a person said or saw may be lost."""

from pathlib import Path
from typing import Final

import pytest

from tests.faults.nothing_lost.campaign import Campaign, Plan
from tests.faults.nothing_lost.fleet import fleet_stand
from tests.faults.nothing_lost.report import summary
from tests.faults.nothing_lost.servers import STANDS
from tests.faults.nothing_lost.up import UpStand
from tests.servers.fixtures import Requires
from tests.servers.session import Session

# What the start of a process takes is what such a test takes.
FEW: Final = {"gateway": 1, "chat": 2, "relay": 1, "preprocess": 1, "inference": 2}


@pytest.mark.parametrize(
    "plan",
    [
        pytest.param(Plan(turns=150, kills=8, points=4), id="few"),
        pytest.param(Plan(turns=1000, kills=30), id="many", marks=pytest.mark.slow),
    ],
)
async def test_nothing_is_lost_however_often_the_server_is_killed(
    plan: Plan, tmp_path: Path
) -> None:
    account = await Campaign(plan, UpStand(tmp_path / "home")).run()
    assert not account.problems, summary(account)
    assert account.turns >= plan.turns
    assert account.kills >= plan.kills


@pytest.mark.server
@pytest.mark.parametrize(
    "name",
    [
        "postgresql+rabbitmq+redis",
        pytest.param("postgresql+kafka+redis+cassandra", marks=pytest.mark.slow),
        pytest.param("postgresql+nats+redis", marks=pytest.mark.slow),
    ],
)
async def test_nothing_is_lost_whichever_role_or_server_is_killed(
    name: str, servers: Session, tmp_path: Path, requires: Requires
) -> None:
    for kind in STANDS[name].values():
        requires(kind.is_installed(), kind.needs)
    deaths = dict.fromkeys(STANDS[name], 1)
    plan = Plan(turns=100, kills=4, points=2, clients=8, servers=deaths)
    with fleet_stand(name, tmp_path / "stand", servers, plan.seed, FEW) as stand:
        account = await Campaign(plan, stand).run()
    assert not account.problems, summary(account)
    assert account.turns >= plan.turns
    assert account.kills >= plan.kills
    assert account.kills_by_server == deaths
