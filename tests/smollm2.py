"""The smallest real model, for tests of the embedded runtime."""

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import platformdirs
import pytest

from tertulia.adapters.embedded.entries import built_in
from tertulia.adapters.embedded.opening import open_catalogue
from tertulia.adapters.embedded.settings import ModelsSettings
from tests.conftest import IN_CI, Requires

SMOLLM2: Final = built_in()[0]
CACHE: Final = Path(
    os.environ.get("TERTULIA_MODELS_DIRECTORY")
    or Path(platformdirs.user_cache_dir("tertulia", appauthor=False)) / "models"
)
PULL_S: Final = 600


@pytest.fixture(scope="session")
def smollm2(requires: Requires) -> Path:
    """Its verified file, in a folder that outlives the tests. CI pulls it when it is missing;
    elsewhere the tests that need it are skipped until somebody has pulled it:
    `TERTULIA_MODELS_DIRECTORY=~/.cache/tertulia/models tertulia model pull smollm2-135m-instruct`.
    """
    # A fixture may be asked for inside of a running loop, hence the thread.
    with ThreadPoolExecutor(1) as thread:
        path = thread.submit(asyncio.run, _path(pull=IN_CI)).result()
    requires(path, f"{SMOLLM2.name} in {CACHE}")
    assert path is not None
    return path


async def _path(*, pull: bool) -> Path | None:
    async with open_catalogue(ModelsSettings(directory=CACHE, upgrade=False), CACHE) as catalogue:
        if pull and catalogue.shelf.find(SMOLLM2.name) is None:
            await catalogue.pull(SMOLLM2.name)
            async with asyncio.timeout(PULL_S):
                await catalogue.settled()
            assert (problem := (await catalogue.list())[0].problem) is None, problem
        found = catalogue.shelf.find(SMOLLM2.name)
        return found.path if found else None
