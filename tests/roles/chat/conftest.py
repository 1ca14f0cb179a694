"""What tests of the chat role may ask for."""

from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import pytest

from tests.roles.serving import APART, Serving, serving


@pytest.fixture(params=[False, True], ids=["together", "apart"], autouse=True)
def apart(request: pytest.FixtureRequest) -> Generator[bool]:
    """Every test runs twice: with the gateway in the same process, and with one that leads to
    the role over the network. Nobody can tell which."""
    token = APART.set(bool(request.param))
    yield APART.get()
    APART.reset(token)


@pytest.fixture
async def served(tmp_path: Path) -> AsyncGenerator[Serving]:
    async with serving(tmp_path) as made:
        yield made
