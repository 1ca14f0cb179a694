"""What the embedded default promises, promised by roles apart over real servers as well.

Each stand is started once; every request goes to another gateway than the one before.
"""

from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import aiohttp
import httpx
import pytest

from tests.e2e.api import Api, Transport
from tests.e2e.clients import run
from tests.e2e.cutter import resume_byte_for_byte
from tests.e2e.fleet import Fleet, fleet
from tests.faults.canaries import MARK, files, found, sing
from tests.faults.nothing_lost.servers import STANDS, VARIABLES, Running, opened
from tests.servers.fixtures import Requires
from tests.servers.session import Session

pytestmark = pytest.mark.server

STREAMS = 30
EXAMPLES = 2
CANARIES = 60


@dataclass(frozen=True, slots=True)
class Stand:
    fleet: Fleet
    servers: Mapping[str, Running]
    place: Path


@pytest.fixture(scope="module", params=STANDS)
def stand(
    request: pytest.FixtureRequest,
    servers: Session,
    requires: Requires,
    tmp_path_factory: pytest.TempPathFactory,
) -> Generator[Stand]:
    kinds = STANDS[request.param]
    for kind in kinds.values():
        requires(kind.is_installed(), kind.needs)
    place = tmp_path_factory.mktemp("stand")
    variables = {"TERTULIA_LOG_LEVEL": "debug"}
    for kind in kinds.values():
        variables |= VARIABLES.get(kind, {})
    with ExitStack() as stack:
        running = {
            section: stack.enter_context(opened(kind, servers)) for section, kind in kinds.items()
        }
        urls = {section: server.url for section, server in running.items()}
        made = stack.enter_context(fleet(place, urls, variables=variables))
        yield Stand(made, running, place)


@pytest.fixture
async def api(stand: Stand) -> AsyncGenerator[Api]:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as http:
        yield Api(http, stand.fleet.doors, stand.fleet.token)


class EachDoorInTurn(httpx.BaseTransport):
    """One after the other, whichever was asked for."""

    def __init__(self, doors: list[str]) -> None:
        self._doors = cycle(map(httpx.URL, doors))
        self._inner = httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        door = next(self._doors)
        request.url = request.url.copy_with(host=door.host, port=door.port)
        return self._inner.handle_request(request)

    def close(self) -> None:
        self._inner.close()


def test_state_plus_events_equals_a_fresh_fetch(stand: Stand) -> None:
    """The first test: its clients take a snapshot of everything, page by page, and what others do
    meanwhile might move from one page to another."""
    doors = list(stand.fleet.doors)
    headers = {"Authorization": f"Bearer {stand.fleet.token}"}
    transport = EachDoorInTurn(doors)
    with httpx.Client(
        base_url=doors[0], headers=headers, transport=transport, timeout=30
    ) as client:
        run(client, examples=EXAMPLES, steps=20)


@pytest.mark.parametrize("transport", ["sse", "websocket"])
async def test_a_stream_resumes_byte_for_byte_at_another_gateway(
    api: Api, transport: Transport
) -> None:
    await resume_byte_for_byte(api, transport, STREAMS)


async def test_no_canary_gets_to_a_server_or_into_a_log(api: Api, stand: Stand) -> None:
    conversation_id = await sing(api, CANARIES)
    lying = list(files(stand.place, *(each for s in stand.servers.values() for each in s.writes)))
    assert list(found(lying)) == []
    assert list(found(lying, conversation_id)), "this is not where things are kept"
    assert not [line for line in stand.fleet.lines if MARK in line]
