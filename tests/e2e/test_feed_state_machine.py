"""State plus events equals a fresh fetch, whatever is done in whatever order."""

import os
from collections.abc import Generator
from dataclasses import replace
from typing import Final
from uuid import uuid4

import httpx
import pytest

from tests.e2e.clients import FAST, converge, run
from tests.e2e.followers import PagingFollower, State
from tests.e2e.server import Server

EXAMPLES: Final = int(os.environ.get("EXAMPLES", "20"))
"""`EXAMPLES=500` looks harder."""


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Generator[httpx.Client]:
    with Server(tmp_path_factory.mktemp("feed")) as server, server.token_client() as client:
        yield client


def test_state_plus_events_equals_a_fresh_fetch(client: httpx.Client) -> None:
    run(client, examples=EXAMPLES, steps=20)


@pytest.mark.parametrize("lost", ["conversations", "messages"])
def test_the_machine_notices_what_a_client_misses(client: httpx.Client, lost: str) -> None:
    class Forgetful(PagingFollower):
        def state(self) -> State:
            return replace(super().state(), **{lost: {}})

    conversation = client.post("/api/conversations", json={"id": str(uuid4())}).json()
    body = {"id": str(uuid4()), "text": "hello", "model": FAST}
    client.post(f"/api/conversations/{conversation['id']}/turns", json=body)
    with pytest.raises(AssertionError):
        converge(client, Forgetful(client))
