"""Kill -9, again and again: nothing that a person said or saw may be lost."""

from pathlib import Path

import pytest

from tertulia.kit.crash_points import CRASH_POINTS, ONLY_WITH_A_BROKER, ONLY_WITH_A_LOG
from tests.faults.nothing_lost.campaign import Campaign, Plan
from tests.faults.nothing_lost.report import summary


@pytest.mark.slow
async def test_nothing_is_lost_however_often_the_server_is_killed(tmp_path: Path) -> None:
    points = CRASH_POINTS - ONLY_WITH_A_BROKER - ONLY_WITH_A_LOG
    plan = Plan(turns=1000, kills=30, points=tuple(sorted(points)))
    account = await Campaign(plan, tmp_path / "home").run()
    assert not account.problems, summary(account)
    assert account.turns >= plan.turns
    assert account.kills >= plan.kills
