"""Nothing that people write to a running server is found in its files, its log or a backup."""

import asyncio
from pathlib import Path
from typing import Final

import aiohttp

from tests.e2e.api import Api
from tests.e2e.server import Server, tertulia
from tests.faults.canaries import MARK, files, forms, found, sing

MESSAGES: Final = 1000
CONVERSATIONS: Final = 20


async def test_no_canary_leaves_a_running_server(tmp_path: Path) -> None:
    home, backup = tmp_path / "home", tmp_path / "backup"
    loud = {"TERTULIA_LOG_LEVEL": "debug"}
    with Server(home, variables=loud) as server:
        async with aiohttp.ClientSession() as http:
            api = Api(http, server.url, server.token())
            async with asyncio.TaskGroup() as group:
                for _ in range(CONVERSATIONS):
                    group.create_task(sing(api, MESSAGES // CONVERSATIONS))
        assert tertulia("backup", str(backup), home=home).returncode == 0
        assert list(found(files(home, backup))) == [], "while it serves"
    assert list(found(files(home, backup))) == [], "when it has stopped"
    assert not [line for line in server.lines + server.errors if MARK in line]


def test_a_canary_in_a_file_is_found(tmp_path: Path) -> None:
    for number, form in enumerate(forms()):
        (tmp_path / str(number)).write_bytes(b"\x00\x01" + form + b"\x02")
    assert len(list(found(files(tmp_path)))) == len(forms())
