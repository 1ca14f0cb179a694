"""Roles in processes of their own."""

import json
import signal
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import aiohttp
import httpx
import pytest

from tests.e2e.api import Api, ProblemError
from tests.e2e.role import RoleProcess
from tests.e2e.server import tertulia

OPENAPI = Path(__file__).parents[2] / "docs" / "reference" / "openapi.json"
ECHO = {"TERTULIA_MODEL": "echo"}


@pytest.mark.parametrize("roles", [("relay",), ("preprocess",), ("inference",), ("chat",)])
def test_every_process_answers_whoever_watches_over_it(
    tmp_path: Path, roles: tuple[str, ...]
) -> None:
    with (
        RoleProcess(roles, tmp_path, ECHO) as process,
        httpx.Client(base_url=process.url, trust_env=False) as watcher,
    ):
        assert watcher.get("/health").json() == {"status": "alive"}
        ready = watcher.get("/ready")
        assert (ready.status_code, ready.json()["status"]) == (200, "ready")
        assert "tertulia_" in watcher.get("/metrics").text
        for path in ("/", "/docs", "/openapi.json"):
            assert watcher.get(path).status_code == 404
        for path in ("/api/session", "/api/conversations", "/internal/models", "/v1/models"):
            assert watcher.get(path).status_code in {401, 404}
        assert process.end(signal.SIGTERM) == 0


@pytest.mark.parametrize(
    ("role", "setting", "variables"),
    [
        ("gateway", "peers.chat", ECHO),
        ("chat", "peers.inference", {}),
        ("preprocess", "peers.inference", {}),
    ],
)
def test_role_that_needs_another_one_says_where_it_looked(
    tmp_path: Path, role: str, setting: str, variables: dict[str, str]
) -> None:
    done = tertulia("run", role, home=tmp_path, variables=variables)
    assert done.returncode == 2
    assert setting in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_wrong_peer_is_one_sentence(tmp_path: Path) -> None:
    done = tertulia("run", "gateway", home=tmp_path, variables={"TERTULIA_PEERS_CHAT": "chat:8420"})
    assert done.returncode == 2
    assert "peers.chat" in done.stderr.lower()


def test_worker_is_named_by_its_number(tmp_path: Path) -> None:
    numbered = ECHO | {"TERTULIA_INFERENCE_WORKER_NUMBER": "7"}
    with RoleProcess(("inference", "--character", "assistant"), tmp_path, numbered) as process:
        assert process.end(signal.SIGTERM) == 0
    [registered] = [line for line in process.lines if line["event"] == "worker registered"]
    assert (registered["worker"], registered["group"]) == ("worker-7", "character:assistant")


def test_character_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    done = tertulia("run", "inference", "--character", "nobody", home=tmp_path, variables=ECHO)
    assert done.returncode == 2
    assert "assistant" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_gateway_serves_the_door_while_chat_is_away(tmp_path: Path) -> None:
    away = ECHO | {"TERTULIA_PEERS_CHAT": "http://127.0.0.1:9"}
    made = tertulia("token", "create", home=tmp_path)
    headers = {"authorization": f"Bearer {made.stdout.strip()}"}
    with (
        RoleProcess(("gateway",), tmp_path, away) as gateway,
        httpx.Client(base_url=gateway.url, trust_env=False) as client,
    ):
        assert client.get("/health").status_code == 200
        assert client.get("/ready").status_code == 200
        assert client.get("/openapi.json").json() == json.loads(OPENAPI.read_text("utf-8"))
        assert "/api/conversations" in client.get("/docs").text
        assert client.get("/api/session", headers=headers).status_code == 200
        assert client.get("/api/conversations").status_code == 401
        answer = client.get("/api/conversations", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (503, "role_unavailable")
        assert answer.headers["retry-after"] == "1"
        answer = client.get("/v1/models", headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "role_unavailable")


def test_process_that_is_told_to_stop_is_not_ready_yet_answers_for_a_while(
    tmp_path: Path,
) -> None:
    slowly = ECHO | {"TERTULIA_HTTP_DRAIN_DELAY_S": "3"}
    with (
        RoleProcess(("relay",), tmp_path, slowly) as process,
        httpx.Client(base_url=process.url, trust_env=False) as watcher,
    ):
        assert watcher.get("/ready").status_code == 200
        process.send(signal.SIGTERM)
        while (answer := watcher.get("/ready")).status_code == 200:
            pass
        assert (answer.status_code, answer.json()["status"]) == (503, "draining")
        assert watcher.get("/health").status_code == 200
        assert process.end(signal.SIGCONT) == 0


BEHIND = ("chat", "relay", "preprocess", "inference")


@dataclass
class Apart:
    """Gateways before one process that has the other roles, on one database."""

    gateways: list[RoleProcess]
    behind: RoleProcess
    token: str

    def api(self, http: aiohttp.ClientSession, gateway: int = 0) -> Api:
        return Api(http, self.gateways[gateway].url, self.token)


@contextmanager
def apart(place: Path, gateways: int = 2) -> Generator[Apart]:
    """Each has a home of its own; the key and the database are the first one's."""
    homes = [place / str(n) for n in range(gateways + 1)]
    for home in homes:
        home.mkdir()
    made = tertulia("token", "create", home=homes[0])
    shared = ECHO | {
        "TERTULIA_MASTER_FILE": str(homes[0] / "master.key"),
        "TERTULIA_STORE_URL": f"sqlite:///{homes[0] / 'tertulia.db'}",
    }
    with ExitStack() as stack:
        behind = stack.enter_context(RoleProcess(BEHIND, homes[0], shared))
        leading = shared | {"TERTULIA_PEERS_CHAT": behind.url}
        doors = [
            stack.enter_context(RoleProcess(("gateway",), home, leading)) for home in homes[1:]
        ]
        yield Apart(doors, behind, made.stdout.strip())


async def test_turn_streams_through_one_gateway_and_resumes_through_another(
    tmp_path: Path,
) -> None:
    said = " ".join(f"word{n}" for n in range(60))
    with apart(tmp_path) as made:
        async with aiohttp.ClientSession() as http:
            first, second = made.api(http), made.api(http, 1)
            conversation = await first.create_conversation(str(uuid4()), model="echo/60/20")
            turn = await first.send_turn(conversation.id, str(uuid4()), said)
            text, position = "", None
            async with first.stream(turn.reply) as events:
                async for event in events:
                    if event.event == "delta":
                        text, position = text + json.loads(event.data)["text"], event.id
                    if len(text) > 20:
                        break
            made.gateways[0].end(signal.SIGKILL)
            async with second.stream(turn.reply, position, "websocket") as events:
                async for event in events:
                    if event.event == "delta":
                        text += json.loads(event.data)["text"]
                    if event.event == "end":
                        break
            whole = await second.message(turn.reply)
            assert (whole.status, whole.text) == ("complete", text)
            with pytest.raises(ProblemError) as refused:
                await Api(http, made.behind.url, made.token).message(turn.reply)
            assert refused.value.status == 401


async def test_gateway_that_stops_tells_its_readers_and_exits_in_time(tmp_path: Path) -> None:
    with apart(tmp_path, gateways=1) as made:
        async with aiohttp.ClientSession() as http:
            api = made.api(http)
            conversation = await api.create_conversation(str(uuid4()), model="echo/1000/50")
            turn = await api.send_turn(conversation.id, str(uuid4()), "a long one " * 100)
            async with api.stream(turn.reply) as events:
                assert (await anext(events)).event
                made.gateways[0].send(signal.SIGTERM)
                names = [event.event async for event in events]
            assert names[-1] == "restarting"
            assert made.gateways[0].end(signal.SIGCONT) == 0


def test_doctor_asks_the_peers(tmp_path: Path) -> None:
    with apart(tmp_path, gateways=1) as made:
        home = made.gateways[0].home
        found = _peers(home, made.behind.url)
        assert found["ok"], found
        made.behind.end(signal.SIGKILL)
        found = _peers(home, made.behind.url)
        assert not found["ok"]
        assert "peers.chat" in found["mend"]


def _peers(home: Path, url: str) -> dict[str, str]:
    variables = ECHO | {"TERTULIA_PEERS_CHAT": url}
    done = tertulia("doctor", "--json", home=home, variables=variables)
    return next(f for f in json.loads(done.stdout) if f["check"] == "peers")
