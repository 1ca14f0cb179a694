"""What tests of the chat role may ask for."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from tests.roles.serving import Serving, serving


@pytest.fixture
async def served(tmp_path: Path) -> AsyncGenerator[Serving]:
    async with serving(tmp_path) as made:
        yield made
