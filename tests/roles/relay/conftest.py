"""A house whose clock is turned by hand."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from tests.ports.stores import HandClock
from tests.roles.house import House, open_house


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def house(tmp_path: Path, clock: HandClock) -> AsyncGenerator[House]:
    async with open_house(tmp_path, clock=clock) as opened:
        yield opened
